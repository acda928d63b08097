-- The log of commands and events, who writes it, and the snapshots that shorten its replay.
--
-- Everything here belongs to the user who migrates. The service itself works as the role pricetime_service, which may
-- do little more than append: a guard against mistakes, not against that user.

-- Functions made below find their tables where this migration makes them, whatever the caller's path is by then.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Roles belong to the whole cluster, so another database's migration may be making this one right now: then it is there
-- after all. Where this user may not make roles, somebody else has to, once.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pricetime_service') THEN
        CREATE ROLE pricetime_service NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role pricetime_service does not exist, and % may not create it', current_user
            USING HINT = format('as a superuser: CREATE ROLE pricetime_service NOLOGIN; '
                                'GRANT pricetime_service TO %I;', current_user);
END
$$;

-- Whoever connects must be allowed to SET ROLE. Two grants of one role at the same moment fail with an internal error
-- ("tuple concurrently updated"), so it is tried again.
DO $$
BEGIN
    FOR attempt IN 1 .. 20 LOOP
        EXIT WHEN pg_has_role(current_user, 'pricetime_service', 'MEMBER');
        BEGIN
            EXECUTE format('GRANT pricetime_service TO %I', current_user);
        EXCEPTION
            WHEN internal_error OR unique_violation THEN
                PERFORM pg_sleep(0.05);
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION '% may not act as the role pricetime_service', current_user
                    USING HINT = format('as a superuser: GRANT pricetime_service TO %I;', current_user);
        END;
    END LOOP;
END
$$;

DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO pricetime_service', current_schema());
END
$$;


-- Where the log ends and who may move that end: fence, cursor and exactly-once in one row per partition. Every commit
-- updates it last, comparing epoch, seq, stream position and chain with what the writer believes; if no row matches, the
-- writer is not the writer any more and nothing is committed.
--
-- The row is updated thousands of times a second: nine tenths of the page stay free, so that each update finds room on
-- the same page and no index is touched.
CREATE TABLE writer_position (
    partition       smallint PRIMARY KEY CHECK (partition >= 0),
    -- The term of the writer; 0 before the first one. Each take-over adds one.
    epoch           bigint NOT NULL CHECK (epoch >= 0),
    -- The last row of event_log, the last stream entry that is in it, and the chain's value there.
    seq             bigint NOT NULL CHECK (seq >= 0),
    stream_position text NOT NULL,
    chain           bytea NOT NULL CHECK (octet_length(chain) = 32),
    -- Ids below this have been leased to some process. 45 bits: the eight above them are the partition.
    id_ceiling      bigint NOT NULL CHECK (id_ceiling BETWEEN 1 AND 35184372088832),
    -- Counts up once a second while the writer lives, also when it is idle.
    beat            bigint NOT NULL,
    -- The writer stopped with nothing under way: the next one need not wait.
    drained         boolean NOT NULL,
    -- The writer's session; when it has ended, so has the writer.
    backend_pid     integer,
    backend_start   timestamptz
) WITH (fillfactor = 10);

INSERT INTO writer_position (partition, epoch, seq, stream_position, chain, id_ceiling, beat, drained)
VALUES (0, 0, 0, '0-0', decode(repeat('00', 32), 'hex'), 1, 0, false);

GRANT SELECT, INSERT, UPDATE ON writer_position TO pricetime_service;


-- One row per command with everything that came of it. Nobody updates or deletes rows: whole ranges are detached by an
-- operator, below the second newest verified snapshot.
--
-- command and events are the very text that is hashed into the chain, which jsonb would reorder.
CREATE TABLE event_log (
    partition       smallint NOT NULL,
    seq             bigint NOT NULL CHECK (seq > 0),
    -- The entry of the stream that the command came with.
    stream_position text NOT NULL,
    -- The market, where the command concerns one.
    symbol          text,
    -- The command's type, for readers.
    kind            text NOT NULL,
    command         text NOT NULL,
    events          text NOT NULL,
    -- When the command got its number: microseconds since 1970.
    time            bigint NOT NULL CHECK (time >= 0),
    -- The term of the writer.
    epoch           bigint NOT NULL CHECK (epoch > 0),
    -- The matching rules that made the events: only the same version re-applies the command.
    engine_version  integer NOT NULL,
    -- How command and events are encoded.
    format          smallint NOT NULL,
    -- BLAKE3 over the previous value and this row.
    chain           bytea NOT NULL CHECK (octet_length(chain) = 32),
    PRIMARY KEY (partition, seq)
) PARTITION BY RANGE (seq);

GRANT SELECT, INSERT ON event_log TO pricetime_service;

-- Makes sure that there is a place for row at_seq, and for the ten million rows after its range once half of that range
-- is used. Answers the number from which on it wants to be asked again.
--
-- A new range is made beside the log and then attached, which, unlike PARTITION OF, keeps nobody from reading or
-- appending. The service may not make tables, so this runs as the owner.
CREATE FUNCTION event_log_make_room(at_seq bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    range_rows CONSTANT bigint := 10000000;
    this_start CONSTANT bigint := at_seq - at_seq % range_rows;
    next_start CONSTANT bigint := this_start + range_rows;
    range_start bigint;
    range_name text;
BEGIN
    IF at_seq < 0 THEN
        RAISE EXCEPTION 'there is no row %', at_seq;
    END IF;
    -- Taken by attaching anyway; taken first, it makes a second caller wait and then see what the first one made.
    LOCK TABLE event_log IN SHARE UPDATE EXCLUSIVE MODE;
    FOREACH range_start IN ARRAY ARRAY[this_start, next_start] LOOP
        CONTINUE WHEN range_start = next_start AND at_seq < this_start + range_rows / 2;
        range_name := format('event_log_%s', range_start);
        CONTINUE WHEN to_regclass(range_name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE event_log INCLUDING ALL)', range_name);
        -- With this check in place attaching need not read the rows; afterwards the range itself says the same.
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT range CHECK (seq >= %s AND seq < %s)',
                       range_name, range_start, range_start + range_rows);
        EXECUTE format('ALTER TABLE event_log ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                       range_name, range_start, range_start + range_rows);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT range', range_name);
    END LOOP;
    RETURN CASE WHEN at_seq < this_start + range_rows / 2
                THEN this_start + range_rows / 2
                ELSE next_start + range_rows / 2 END;
END
$$;

SELECT event_log_make_room(0);


-- Snapshots: the state at one row, in compressed parts. A row here means that the parts were read back and hashed.
CREATE TABLE snapshot (
    partition       smallint NOT NULL,
    at_seq          bigint NOT NULL CHECK (at_seq >= 0),
    stream_position text NOT NULL,
    chain           bytea NOT NULL CHECK (octet_length(chain) = 32),
    format          smallint NOT NULL,
    state_hash      bytea NOT NULL CHECK (octet_length(state_hash) = 32),
    parts           integer NOT NULL CHECK (parts >= 0),
    created_at      timestamptz NOT NULL DEFAULT now(),
    verified_at     timestamptz NOT NULL,
    PRIMARY KEY (partition, at_seq)
);

-- The parts come first and their snapshot last, so the reference is checked at commit; they go with their snapshot.
CREATE TABLE snapshot_part (
    partition smallint NOT NULL,
    at_seq    bigint NOT NULL,
    part      integer NOT NULL CHECK (part >= 0),
    bytes     bytea NOT NULL,
    PRIMARY KEY (partition, at_seq, part),
    FOREIGN KEY (partition, at_seq) REFERENCES snapshot ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);

-- They are compressed already.
ALTER TABLE snapshot_part ALTER COLUMN bytes SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, DELETE ON snapshot TO pricetime_service;
GRANT SELECT, INSERT ON snapshot_part TO pricetime_service;


-- When this session began. PostgreSQL shows that only to the user who logged in, not to the role that he took on; so
-- this and the next function run as the owner.
CREATE FUNCTION session_start() RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()
$$;

-- Whether a session still lives. One whose start cannot be seen is taken for the one that is meant.
CREATE FUNCTION session_lives(session_pid integer, started timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity
        WHERE pid = session_pid AND (backend_start = started OR backend_start IS NULL OR started IS NULL)
    )
$$;

REVOKE EXECUTE ON FUNCTION event_log_make_room, session_start, session_lives FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_log_make_room, session_start, session_lives TO pricetime_service;
