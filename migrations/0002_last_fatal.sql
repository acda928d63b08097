-- Where the service stopped itself: because of a broken chain, a constraint error or a failed assertion. Written just
-- before it ends; three times in a row at the same row, and the next start refuses, so that nothing starts the service
-- again and again on a log or a command that it cannot take. A kill from outside leaves nothing here.
CREATE TABLE last_fatal (
    partition smallint PRIMARY KEY CHECK (partition >= 0),
    -- The row at which it could not go on.
    seq       bigint NOT NULL CHECK (seq >= 0),
    -- Where the log ended then: a commit since makes this row void.
    log_end   bigint NOT NULL CHECK (log_end >= 0),
    -- How often in a row.
    times     integer NOT NULL CHECK (times > 0),
    -- What it said the last time.
    error     text NOT NULL,
    noted_at  timestamptz NOT NULL
);

-- The service's own notes, which it may also forget when an operator says so.
GRANT SELECT, INSERT, UPDATE, DELETE ON last_fatal TO pricetime_service;
