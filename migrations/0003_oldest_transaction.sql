-- The age of the oldest transaction, for the metric of it. As long as one runs, PostgreSQL keeps every version of the
-- position row that was made meanwhile, and each commit walks past them.

SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- In seconds; 0 when there is none. Transactions of other databases hold back nothing here; those of other users show
-- only to the owner of this function, which therefore runs as him, as the functions about sessions do.
CREATE FUNCTION oldest_transaction_age() RETURNS double precision
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT coalesce(extract(epoch FROM max(pg_catalog.clock_timestamp() - xact_start)), 0)::double precision
    FROM pg_catalog.pg_stat_activity
    WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
$$;

REVOKE EXECUTE ON FUNCTION oldest_transaction_age FROM PUBLIC;
GRANT EXECUTE ON FUNCTION oldest_transaction_age TO pricetime_service;
