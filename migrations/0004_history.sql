-- Orders and trades for ever, and the positions of consumers. The history is a read model of event_log with a position of
-- its own: it may lag, and it can be emptied and made again (TRUNCATE history_order, history_trade; UPDATE
-- history_position SET seq = 0).

CREATE TABLE history_position (
    partition smallint PRIMARY KEY CHECK (partition >= 0),
    -- The last row of event_log that is in the history.
    seq       bigint NOT NULL CHECK (seq >= 0)
);

INSERT INTO history_position (partition, seq) VALUES (0, 0);

-- Orders that have ended. `record` is the order and the rows that changed it, encoded as `format` says.
CREATE TABLE history_order (
    partition smallint NOT NULL,
    order_id  bigint NOT NULL,
    format    smallint NOT NULL,
    record    bytea NOT NULL,
    PRIMARY KEY (partition, order_id)
);

-- Trades, in runs of one market with consecutive numbers: they are only ever read in that order.
CREATE TABLE history_trade (
    partition smallint NOT NULL,
    symbol    text NOT NULL,
    first_id  bigint NOT NULL,
    format    smallint NOT NULL,
    trades    bytea NOT NULL,
    PRIMARY KEY (partition, symbol, first_id)
);

GRANT SELECT, INSERT ON history_order, history_trade TO pricetime_service;
GRANT SELECT, UPDATE ON history_position TO pricetime_service;

-- How far each named consumer of the event stream has come, kept for it.
CREATE TABLE consumer (
    name       text PRIMARY KEY,
    -- The last row of event_log that it has dealt with.
    position   bigint NOT NULL CHECK (position >= 0),
    -- Microseconds since 1970.
    updated_at bigint NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON consumer TO pricetime_service;
