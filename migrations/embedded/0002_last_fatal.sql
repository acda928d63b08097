-- Where the service stopped itself, and how often in a row with no commit in between: three times, and the next start
-- refuses. A kill from outside leaves nothing here.
CREATE TABLE last_fatal (
    partition INTEGER PRIMARY KEY,
    -- The row at which it could not go on.
    seq       INTEGER NOT NULL,
    -- Where the log ended then: a commit since makes this row void.
    log_end   INTEGER NOT NULL,
    times     INTEGER NOT NULL CHECK (times > 0),
    -- What it said the last time.
    error     TEXT NOT NULL
) STRICT;
