-- API keys: who may do what. No secret is here: a key's secret is the HMAC of SECRET_KEY over its id and generation.
CREATE TABLE api_key (
    id         TEXT PRIMARY KEY,
    -- How often its secret was replaced.
    generation INTEGER NOT NULL CHECK (generation >= 0),
    -- What people call it.
    name       TEXT NOT NULL,
    -- trade, read, admin: comma separated.
    scopes     TEXT NOT NULL,
    -- The only account that it may act for and look at; none: all.
    account    TEXT,
    -- Microseconds since 1970.
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
