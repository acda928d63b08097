-- API keys: who may do what. No secret is here: a key's secret is the HMAC of SECRET_KEY over its id and generation.
CREATE TABLE api_key (
    id         text PRIMARY KEY,
    -- How often its secret was replaced.
    generation bigint NOT NULL CHECK (generation >= 0),
    -- What people call it.
    name       text NOT NULL,
    -- trade, read, admin: comma separated.
    scopes     text NOT NULL,
    -- The only account that it may act for and look at; none: all.
    account    text,
    -- Microseconds since 1970.
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint
);

-- Keys are made and revoked by `pricetime keys`, as the owner of the tables.
GRANT SELECT ON api_key TO pricetime_service;
