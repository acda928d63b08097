-- How far each named consumer of the event stream has come, kept for it.
CREATE TABLE consumer (
    name       TEXT PRIMARY KEY,
    -- The last row of event_log that it has dealt with.
    position   INTEGER NOT NULL CHECK (position >= 0),
    -- Microseconds since 1970.
    updated_at INTEGER NOT NULL
) STRICT;
