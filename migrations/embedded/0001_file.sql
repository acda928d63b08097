-- The file of the embedded mode: the command queue, the log of commands and events, who writes it, and the snapshots
-- that shorten its replay. Names and columns are those of PostgreSQL's tables where they mean the same.

-- The stream that commands wait in. A row of command_stream says that it is open; `last` is the number of its newest
-- entry and never falls, so a number is never given twice, also when every entry has gone.
CREATE TABLE command_stream (
    partition INTEGER PRIMARY KEY,
    last      INTEGER NOT NULL
) STRICT;

CREATE TABLE command_queue (
    id     INTEGER PRIMARY KEY,
    -- How the text is encoded.
    format INTEGER NOT NULL,
    -- One command or an array of them.
    text   TEXT NOT NULL
) STRICT;

-- Where the log ends and who may move that end. Every commit compares epoch, seq, stream position and chain with what
-- the writer believes; if the row differs, the writer is not the writer any more and nothing is committed.
CREATE TABLE writer_position (
    partition       INTEGER PRIMARY KEY,
    -- The term of the writer; 0 before the first one. Each start adds one.
    epoch           INTEGER NOT NULL,
    -- The last row of event_log, the last stream entry that is in it, and the chain's value there.
    seq             INTEGER NOT NULL,
    stream_position TEXT NOT NULL,
    chain           BLOB NOT NULL CHECK (length(chain) = 32),
    -- Ids below this have been leased to some process.
    id_ceiling      INTEGER NOT NULL CHECK (id_ceiling BETWEEN 1 AND 35184372088832),
    -- Counts up once a second while the writer lives.
    beat            INTEGER NOT NULL
) STRICT;

INSERT INTO writer_position (partition, epoch, seq, stream_position, chain, id_ceiling, beat)
VALUES (0, 0, 0, '0-0', zeroblob(32), 1, 0);

-- One row per command with everything that came of it. Nobody updates or deletes rows.
CREATE TABLE event_log (
    seq             INTEGER PRIMARY KEY CHECK (seq > 0),
    stream_position TEXT NOT NULL,
    symbol          TEXT,
    kind            TEXT NOT NULL,
    command         TEXT NOT NULL,
    events          TEXT NOT NULL,
    -- Microseconds since 1970.
    time            INTEGER NOT NULL,
    epoch           INTEGER NOT NULL CHECK (epoch > 0),
    engine_version  INTEGER NOT NULL,
    format          INTEGER NOT NULL,
    -- BLAKE3 over the previous value and this row.
    chain           BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;

-- A row of snapshot says that its parts were read back and hash to what it says. Parts without one are what is left of
-- a snapshot that was not finished.
CREATE TABLE snapshot (
    at_seq          INTEGER PRIMARY KEY,
    stream_position TEXT NOT NULL,
    chain           BLOB NOT NULL,
    format          INTEGER NOT NULL,
    state_hash      BLOB NOT NULL,
    parts           INTEGER NOT NULL,
    -- Microseconds since 1970.
    verified_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE snapshot_part (
    at_seq INTEGER NOT NULL,
    part   INTEGER NOT NULL,
    bytes  BLOB NOT NULL,
    PRIMARY KEY (at_seq, part)
) STRICT;
