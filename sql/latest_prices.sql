-- The latest price of the listings asked for, or of all, is what DISTINCT ON finds.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_reader;
CREATE ROLE regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA latest;
SET search_path = latest;
SET timezone = 'Europe/Zurich';
\set SHOW_CONTEXT never

-- What they look like
CREATE TABLE listing (id bigint PRIMARY KEY);
CREATE TABLE price (id bigserial PRIMARY KEY, listing_id bigint NOT NULL REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO listing SELECT generate_series(1, 5);
INSERT INTO price (listing_id, created, value) VALUES
    (1, '2026-01-01', 10), (1, '2026-01-03', 12.5), (1, '2026-01-02', 11),
    (2, '2026-01-01', 20), (2, '2026-01-01', 21),
    (3, '2026-01-05', NULL), (3, '2026-01-04', 30),
    (4, 'infinity', 'NaN'), (4, '-infinity', 40);
SELECT * FROM listing_stats.latest_prices('price') ORDER BY key;
SELECT count(*) FROM listing_stats.attach('listing', 'price');
SELECT * FROM listing_stats.latest_prices('price') ORDER BY key;
SELECT * FROM listing_stats.latest_prices('price', '{3,1,NULL,5,1,99}'::bigint[]) ORDER BY key;
SELECT * FROM listing_stats.latest_prices('price', ARRAY[2, 1]) ORDER BY key;
SELECT * FROM listing_stats.latest_prices('price', as_of => '2026-01-02') ORDER BY key;
SELECT * FROM listing_stats.latest_prices('price', ARRAY[1, 4], '2025-12-31') ORDER BY key;
SELECT * FROM listing_stats.latest_prices('price', as_of => '-infinity') ORDER BY key;
SELECT count(*) FROM listing_stats.latest_prices('price', as_of => 'infinity');
SELECT count(*) FROM listing_stats.latest_prices('price', ARRAY[]::bigint[]);
SELECT count(*) FROM listing_stats.latest_prices('price', ARRAY[NULL]::bigint[]);
SELECT count(*) FROM listing_stats.latest_prices('price', ARRAY[[1, 2], [3, 4]]);
SELECT listing_stats.latest_price('price', 1);
SELECT listing_stats.latest_price('price', 1, '2026-01-02 12:00');
SELECT listing_stats.latest_price('price', 5);
SELECT listing_stats.latest_price('price', NULL::bigint);
-- one value: a listing without prices keeps its row, and it stands where an expression may
SELECT id, listing_stats.latest_price('price', id) FROM listing ORDER BY id;
SELECT id, CASE WHEN listing_stats.latest_price('price', id) IS NULL THEN 'none' ELSE 'some' END FROM listing WHERE listing_stats.latest_price('price', id) < 20 OR listing_stats.latest_price('price', id) IS NULL ORDER BY listing_stats.latest_price('price', id) DESC, id;
-- keys as text, whatever their type is
SELECT * FROM listing_stats.latest_prices('price', '{3,1}'::text[]) ORDER BY key;
SELECT count(*) FROM listing_stats.latest_prices('price', NULL::text[]);
SELECT listing_stats.latest_price('price', '2'::text);
-- a parameter without a type: refused, or a text
\set VERBOSITY terse
PREPARE several AS SELECT * FROM listing_stats.latest_prices('price', $1);
\set VERBOSITY default
PREPARE one AS SELECT listing_stats.latest_price('price', $1);
SELECT name, parameter_types FROM pg_prepared_statements;
EXECUTE one(2);

-- 'skip': the latest known price
SELECT null_value FROM listing_stats.attach('listing', 'price', null_value => 'skip');
SELECT listing_stats.latest_price('price', 3);
SELECT * FROM listing_stats.latest_prices('price', ARRAY[3]);
SELECT value FROM listing_stats.latest_prices('price') WHERE key = 3;
SELECT null_value FROM listing_stats.attach('listing', 'price', null_value => 'keep');

-- as the statement sees the table: its own transaction's changes, not its own statement's
BEGIN;
INSERT INTO price (listing_id, created, value) VALUES (5, '2026-02-01', 50);
SELECT listing_stats.latest_price('price', 5);
WITH added AS (INSERT INTO price (listing_id, created, value) VALUES (5, '2026-02-02', 51) RETURNING listing_id)
SELECT listing_stats.latest_price('price', listing_id) FROM added;
SELECT listing_stats.latest_price('price', 5);
DELETE FROM price WHERE value = 51;
SELECT listing_stats.latest_price('price', 5);
SAVEPOINT a;
DELETE FROM price WHERE listing_id = 5;
SELECT count(*) FROM listing_stats.latest_prices('price');
ROLLBACK TO a;
SELECT count(*) FROM listing_stats.latest_prices('price');
ROLLBACK;
-- a cursor keeps what it saw
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM listing_stats.latest_prices('price', ARRAY[1, 5]) ORDER BY key;
INSERT INTO price (listing_id, created, value) VALUES (5, '2026-02-01', 50);
FETCH ALL FROM c;
ROLLBACK;
-- at every isolation level
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM listing_stats.latest_prices('price', ARRAY[1, 2]) ORDER BY key;
SELECT count(*) FROM listing_stats.latest_prices('price');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT count(*) FROM listing_stats.latest_prices('price');
COMMIT;

-- Any table, against DISTINCT ON: all keys, some keys, as of several times
CREATE FUNCTION kind_of_keys(key_type text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN key_type = 'uuid' THEN 'uuid' WHEN key_type IN ('bigint', 'integer', 'smallint', 'positive') THEN 'bigint' ELSE 'text' END $$;
CREATE FUNCTION differences(price regclass, key_type text, key name, at name, tie name, value name, as_of timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint;
    of_kind text := kind_of_keys(key_type);
    at_type text := (SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = price AND attname = at);
BEGIN
    EXECUTE format($sql$
        WITH expected AS MATERIALIZED (
            SELECT DISTINCT ON (%2$I) %2$I::%6$s AS key, %3$I::timestamptz AS at, %5$I::text::numeric AS value FROM %1$s
            WHERE %2$I IS NOT NULL AND ($1 IS NULL OR %3$I <= $1::%7$s) ORDER BY %2$I, %3$I DESC NULLS LAST, %4$I DESC NULLS LAST
        ), few AS MATERIALIZED (
            SELECT key, at, value FROM (SELECT *, row_number() OVER (ORDER BY hashtext(key::text)) AS n FROM expected) _
            WHERE n %% greatest(3, (SELECT count(*) FROM expected) / 100) = 1
        ), keys AS MATERIALIZED (
            SELECT array_agg(key ORDER BY hashtext(key::text)) AS keys FROM few
        ), answer AS MATERIALIZED (
            SELECT * FROM listing_stats.latest_prices(%1$L, NULL::%6$s[], $1, %2$L, %3$L, %5$L)
        ), few_answer AS MATERIALIZED (
            SELECT a.* FROM keys, listing_stats.latest_prices(%1$L, keys || keys || NULL::%6$s, $1, %2$L, %3$L, %5$L) a
        ), one_answer AS MATERIALIZED (
            SELECT few.key, few.at, listing_stats.latest_price(%1$L, few.key, $1, %2$L, %3$L, %5$L) FROM few
        )
        SELECT (SELECT count(*) FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM answer) _)
            + (SELECT count(*) FROM (SELECT * FROM answer EXCEPT ALL SELECT * FROM expected) _)
            + (SELECT count(*) FROM (SELECT * FROM few EXCEPT ALL SELECT * FROM few_answer) _)
            + (SELECT count(*) FROM (SELECT * FROM few_answer EXCEPT ALL SELECT * FROM few) _)
            + (SELECT count(*) FROM (SELECT * FROM few EXCEPT ALL SELECT * FROM one_answer) _)
            + (SELECT count(*) FROM (SELECT * FROM one_answer EXCEPT ALL SELECT * FROM few) _)
            + CASE WHEN EXISTS (SELECT FROM expected) OR $1 IS NOT NULL THEN 0 ELSE 1000000 END
    $sql$, price, key, at, tie, value, of_kind, at_type) INTO result USING as_of;
    RETURN result;
END $$;
-- Prices of 40 listings, with NULLs, ties and infinities, some deleted and some updated; and that for each kind of index, of
-- which it is counted how many were read directly.  An index that is made in a transaction that has updated the table can be used
-- behind it alone.
CREATE PROCEDURE try(key_type text, at_type text, value_type text, INOUT result text DEFAULT '') LANGUAGE plpgsql AS $$
DECLARE
    direct int := 0;
    index text;
    as_of timestamptz;
    found bigint;
    -- a key and a time from a number
    key_of text := CASE key_type WHEN 'uuid' THEN 'md5((%s)::text)::uuid' WHEN 'boolean' THEN '(%s) %% 2 = 0' ELSE '(%s)::' || key_type END;
    at_of text := CASE WHEN at_type IN ('date', 'timestamp', 'timestamptz', 'instant') THEN '(timestamptz ''2026-03-28 20:00+0'' + (%s) * interval ''1 h'')::' || at_type ELSE '(%s)::' || at_type END;
BEGIN
    DROP TABLE IF EXISTS t;
    EXECUTE format('CREATE TABLE t (v %s, id serial PRIMARY KEY, filler text, k %s, t %s)', value_type, key_type, at_type);
    EXECUTE format('INSERT INTO t (k, t, v, filler) SELECT CASE WHEN i %% 41 <> 0 THEN %s END, CASE WHEN i %% 13 <> 0 THEN %s END,
                    CASE WHEN i %% 5 <> 0 THEN i / 4 END, CASE WHEN i %% 3 = 0 THEN repeat(''x'', i %% 50) END FROM generate_series(1, 1000) i',
                   format(key_of, 'i % 40'), format(at_of, 'i * 7919 % 60'));
    IF at_type IN ('date', 'timestamp', 'timestamptz', 'instant') THEN
        UPDATE t SET t = 'infinity' WHERE id % 97 = 0;
        UPDATE t SET t = '-infinity' WHERE id % 89 = 0;
    END IF;
    FOREACH index IN ARRAY ARRAY['', '(k)', '(k, t DESC NULLS LAST, id DESC)', '(k, t DESC NULLS LAST, id DESC) INCLUDE (v)',
        '(k, t DESC NULLS LAST, id DESC NULLS LAST) INCLUDE (filler, v)', '(k, t, id)', '(k, t NULLS FIRST, id) INCLUDE (v)', '(k, t DESC, id DESC)',
        '(k DESC, t DESC NULLS LAST, id DESC)', '(k, t DESC NULLS LAST, id DESC) WHERE id > 1000', '(k, t DESC NULLS LAST)']
    LOOP
        COMMIT;
        IF index <> '' THEN
            EXECUTE 'CREATE INDEX an_index ON t ' || index;
            COMMIT;
        END IF;
        -- versions of rows that are dead or of this transaction, and another index entry for most
        UPDATE t SET v = v + 1, t = t WHERE id % 7 = 0;
        DELETE FROM t WHERE id % 211 = length(index);
        FOREACH as_of IN ARRAY ARRAY[NULL, (ARRAY['2026-03-29 02:30+2', '2026-03-29 18:00+0', 'infinity', '-infinity', '1990-01-01'])[length(index) % 5 + 1]]::timestamptz[]
        LOOP
            IF as_of IS NULL OR at_type IN ('date', 'timestamp', 'timestamptz', 'instant') THEN
                found := differences('t', key_type, 'k', 't', 'id', 'v', as_of);
                IF found <> 0 THEN
                    result := result || format(' %s differences with %s as of %s', found, index, as_of);
                END IF;
            END IF;
        END LOOP;
        IF public.way_of('t', format('SELECT FROM listing_stats.latest_prices(''t'', NULL::%s[], key => ''k'', at => ''t'', value => ''v'')', kind_of_keys(key_type))) = 'directly' THEN
            direct := direct + 1;
        END IF;
        DROP INDEX IF EXISTS an_index;
    END LOOP;
    result := coalesce(nullif(result, ''), format('equal, %s directly', direct));
END $$;
CALL try('bigint', 'timestamptz', 'numeric');
CALL try('integer', 'timestamptz', 'numeric(10,2)');
CALL try('smallint', 'timestamp', 'bigint');
CALL try('integer', 'date', 'integer');
CALL try('uuid', 'timestamptz', 'numeric');
CALL try('text', 'timestamp', 'float8');
CALL try('varchar(3)', 'date', 'real');
CALL try('char(3)', 'date', 'smallint');
CALL try('numeric', 'timestamptz', 'numeric');
CALL try('boolean', 'timestamptz', 'numeric');
CREATE DOMAIN positive AS integer CHECK (value >= 0);
CREATE DOMAIN instant AS timestamptz;
CREATE DOMAIN amount AS numeric(10,3);
CALL try('positive', 'instant', 'amount');
DROP TABLE t;

-- The leaves of a fitting index are read directly: one scan, however many keys.  All else goes by query.
CREATE FUNCTION way(price regclass) RETURNS text LANGUAGE sql AS $$
    SELECT public.way_of(price, format('SELECT FROM listing_stats.latest_prices(%L, ARRAY[1, 2, 3, 4, 5, 6, 7], key => ''k'', at => ''t'', value => ''v'')', price)) $$;
CREATE TABLE t (id serial PRIMARY KEY, k int, t timestamptz, v numeric);
INSERT INTO t (k, t, v) SELECT i % 10, '2026-01-01'::timestamptz + i * interval '1 h', i FROM generate_series(1, 1000) i;
SET enable_seqscan = off;
SELECT way('t') AS no_index;
CREATE INDEX i ON t (k, t DESC NULLS LAST, id DESC) INCLUDE (v);
SELECT way('t') AS fits;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT way('t') AS serializable;
COMMIT;
CREATE TABLE child () INHERITS (t);
SELECT way('t') AS has_children;
DROP TABLE child;
ANALYZE t;
-- a table of Citus's is empty, its rows are in shards: by query, which Citus plans; all other tables of the database are ordinary ones
BEGIN;
RESET SESSION AUTHORIZATION;
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL);
CREATE TABLE latest.other AS SELECT * FROM latest.t;
CREATE INDEX ON latest.other (k, t DESC NULLS LAST) INCLUDE (v);
INSERT INTO pg_dist_partition VALUES ('latest.t');
ALTER TABLE latest.t ALTER k SET STATISTICS 10;
SELECT latest.way('latest.t') AS distributed, latest.way('latest.other') AS other;
CREATE UNIQUE INDEX pg_dist_partition_logical_relid_index ON pg_dist_partition (logicalrelid);
ALTER TABLE latest.t ALTER k SET STATISTICS -1;
SELECT latest.way('latest.t') AS distributed, latest.way('latest.other') AS other;
ROLLBACK;
SELECT way('t') AS not_distributed;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
SELECT way('t') AS owner_without_policies;
ALTER TABLE t FORCE ROW LEVEL SECURITY;
SELECT way('t') AS owner_with_policies;
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
DROP INDEX i;
CREATE INDEX i ON t (k, t DESC NULLS LAST, id DESC);
SELECT way('t') AS without_value;
DROP INDEX i;
CREATE INDEX i ON t (k, t DESC NULLS LAST) INCLUDE (v);
SELECT way('t') AS without_tie;
DROP INDEX i;
CREATE INDEX i ON t (k, t DESC, id DESC) INCLUDE (v);
SELECT way('t') AS nulls_first;
ALTER TABLE t ALTER t SET NOT NULL;
SELECT way('t') AS no_nulls;
DROP INDEX i;
CREATE INDEX i ON t (k, t DESC, id DESC) INCLUDE (v) WHERE k > 3;
SELECT way('t') AS partial;
DROP INDEX i;
CREATE INDEX i ON t (k, t DESC, (id + 0) DESC) INCLUDE (v);
SELECT way('t') AS expression;
DROP INDEX i;
CREATE INDEX i ON t (k, t, id) INCLUDE (v);
SELECT way('t') AS ascending;
DROP INDEX i;
CREATE INDEX i ON t USING hash (k);
SELECT way('t') AS hash;
RESET enable_seqscan;
DROP TABLE t;

-- A time that is a number is in order, but says no time
CREATE TABLE by_number (id serial PRIMARY KEY, k int, n bigint, v int);
INSERT INTO by_number (k, n, v) VALUES (1, 5, 10), (1, 7, 11), (2, 3, 20);
SELECT * FROM listing_stats.latest_prices('by_number', key => 'k', at => 'n', value => 'v') ORDER BY key;
SELECT * FROM listing_stats.latest_prices('by_number', as_of => now(), key => 'k', at => 'n', value => 'v');

-- The shortest decimal of a double, whatever extra_float_digits says
CREATE TABLE doubles (id serial PRIMARY KEY, k int, created timestamptz, value float8);
INSERT INTO doubles (k, created, value) VALUES (1, '2026-01-01', 0.1::float8 + 0.2), (2, '2026-01-01', 'NaN'), (3, '2026-01-01', '-Infinity'), (4, '2026-01-01', 1e-7), (5, '2026-01-01', 1e22), (6, '2026-01-01', -19.99), (7, NULL, NULL);
SET extra_float_digits = 0;
SELECT * FROM listing_stats.latest_prices('doubles', key => 'k') ORDER BY key;
RESET extra_float_digits;
SELECT listing_stats.latest_price('doubles', 1, key_column => 'k');
-- no primary key column is left to break ties, and none is needed
CREATE TABLE daily (k int, created date, value int, PRIMARY KEY (k, created));
INSERT INTO daily SELECT i % 3, date '2026-01-01' + i, i FROM generate_series(1, 9) i;
SELECT differences('daily', 'bigint', 'k', 'created', 'k', 'value', NULL), differences('daily', 'bigint', 'k', 'created', 'k', 'value', '2026-01-05');

-- More keys than a hash may take of memory: several passes, then a query, also after some rows have been found
CREATE TABLE many (id serial PRIMARY KEY, k bigint, created timestamptz NOT NULL, value numeric);
INSERT INTO many (k, created, value) SELECT i % 9973 * 1234567891011, '2026-01-01'::timestamptz + i * 7919 % 20011 * interval '1 s', i FROM generate_series(1, 20000) i;
CREATE INDEX ON many (k);
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT differences('many', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('many', 'bigint', 'k', 'created', 'id', 'value', '2026-01-01 02:00');
CREATE TABLE some_more (id serial PRIMARY KEY, k bigint, created timestamptz NOT NULL, value numeric);
INSERT INTO some_more (k, created, value) SELECT i, '2026-01-01', i FROM generate_series(1, 3900) i;
CREATE FUNCTION fill_up() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint := 0;
BEGIN
    FOR i IN 1..20 LOOP
        INSERT INTO some_more (k, created, value) SELECT k, '2026-01-01', k FROM generate_series(3900 + 15 * i - 14, 3900 + 15 * i) k;
        wrong := wrong + differences('some_more', 'bigint', 'k', 'created', 'id', 'value', NULL);
    END LOOP;
    RETURN wrong;
END $$;
SELECT fill_up();
ANALYZE many, some_more;
SELECT differences('some_more', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('many', 'bigint', 'k', 'created', 'id', 'value', NULL);
-- also in parallel
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT differences('some_more', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('many', 'bigint', 'k', 'created', 'id', 'value', '2026-01-01 02:00');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET work_mem;
RESET hash_mem_multiplier;
SELECT differences('many', 'bigint', 'k', 'created', 'id', 'value', NULL);
CREATE INDEX ON many (k, created DESC, id DESC);
DELETE FROM many WHERE k = 1234567891011;
-- one history of many pages, read from its start and from a time
INSERT INTO many (k, created, value) SELECT 1234567891012, '2026-01-01'::timestamptz + i * interval '1 s', i FROM generate_series(1, 3000) i;
SELECT differences('many', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('many', 'bigint', 'k', 'created', 'id', 'value', '2026-01-01 00:10');
VACUUM many;
SELECT differences('many', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('many', 'bigint', 'k', 'created', 'id', 'value', '2026-01-01 00:10');

-- Histories of many pages, as of a time: one without times; one whose entries index scans have marked as dead, but for a few
SET statement_timeout = '10s';
CREATE TABLE long_ago (id bigserial PRIMARY KEY, k bigint NOT NULL, created timestamptz, value numeric(10,2));
INSERT INTO long_ago (k, created, value) SELECT 1, NULL, i FROM generate_series(1, 3000) i;
INSERT INTO long_ago (k, created, value) SELECT k, '2026-01-01'::timestamptz + i * interval '1 h', i FROM generate_series(2, 3) k, generate_series(1, 3000) i;
CREATE INDEX ON long_ago (k, created DESC NULLS LAST, id DESC) INCLUDE (value) WITH (fillfactor = 50);
SELECT differences('long_ago', 'bigint', 'k', 'created', 'id', 'value', '2026-02-01');
DELETE FROM long_ago WHERE created < '2026-03-01' AND value <> 7;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM long_ago WHERE k = 2 AND created < '2026-03-01';
SELECT count(*) FROM long_ago WHERE k = 2 AND created < '2026-03-01';
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT differences('long_ago', 'bigint', 'k', 'created', 'id', 'value', '2025-12-01'), differences('long_ago', 'bigint', 'k', 'created', 'id', 'value', '2026-01-20'), differences('long_ago', 'bigint', 'k', 'created', 'id', 'value', '2026-06-01');
RESET statement_timeout;

-- Names that need quoting, columns that were dropped or added later, keys that were never analysed
CREATE TABLE "Preise, alle" (gone int, "ID" int PRIMARY KEY, "an %s""'" int, "wann?" timestamptz);
ALTER TABLE "Preise, alle" DROP COLUMN gone;
INSERT INTO "Preise, alle" SELECT i, i % 7, '2026-01-01'::timestamptz + i * interval '1 h' FROM generate_series(1, 70) i;
ALTER TABLE "Preise, alle" ADD COLUMN "wie viel" numeric DEFAULT 5.5;
CREATE INDEX ON "Preise, alle" ("an %s""'", "wann?" DESC NULLS LAST, "ID" DESC);
SELECT differences('"Preise, alle"', 'bigint', 'an %s"''', 'wann?', 'ID', 'wie viel', NULL), differences('"Preise, alle"', 'bigint', 'an %s"''', 'wann?', 'ID', 'wie viel', '2026-01-02');
ANALYZE "Preise, alle";
SELECT differences('"Preise, alle"', 'bigint', 'an %s"''', 'wann?', 'ID', 'wie viel', NULL);
-- a search_path that has other operators and functions
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.no(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
CREATE OPERATOR hostile.= (FUNCTION = hostile.no, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR hostile.> (FUNCTION = hostile.no, LEFTARG = bigint, RIGHTARG = bigint);
CREATE FUNCTION hostile.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE sql AS 'SELECT 1::bigint';
SET search_path = hostile, pg_catalog;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT value FROM listing_stats.latest_prices('latest.price', ARRAY[1]);
SELECT count(*) FROM listing_stats.latest_prices('latest.price');
COMMIT;
SET search_path = latest;
-- a collation in which different texts are equal: one listing
CREATE COLLATION ignore_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE TABLE by_name (id serial PRIMARY KEY, k text COLLATE ignore_case, created timestamptz NOT NULL, value int);
CREATE INDEX ON by_name (k, created DESC, id DESC) INCLUDE (value);
INSERT INTO by_name (k, created, value) VALUES ('Ibm', '2026-01-01', 1), ('IBM', '2026-01-02', 2), ('msft', '2026-01-01', 3);
SELECT * FROM listing_stats.latest_prices('by_name', '{ibm,IBM,MSFT}'::text[], key => 'k') ORDER BY value;
SELECT * FROM listing_stats.latest_prices('by_name', NULL::text[], key => 'k') ORDER BY value;
-- texts in their collation, from index pages: capitals beside small letters, long ones that the index compresses, a history of many pages
CREATE TABLE by_text (id serial PRIMARY KEY, k text COLLATE "und-x-icu", created timestamptz NOT NULL, value int);
CREATE INDEX ON by_text (k, created DESC, id DESC) INCLUDE (value);
INSERT INTO by_text (k, created, value) SELECT k || n, '2026-01-01'::timestamptz + i * interval '1 h', i
FROM unnest(ARRAY['a', 'B', 'b', 'ä', '', 'Z', repeat('long ', 500)]) k, generate_series(1, 30) n, generate_series(1, 3) i;
INSERT INTO by_text (k, created, value) SELECT 'many', '2026-01-01'::timestamptz + i * interval '1 h', i FROM generate_series(1, 2000) i;
SELECT differences('by_text', 'text', 'k', 'created', 'id', 'value', NULL), differences('by_text', 'text', 'k', 'created', 'id', 'value', '2026-01-01 02:00Z');
DELETE FROM by_text WHERE value = 3 OR value > 1000;
SELECT differences('by_text', 'text', 'k', 'created', 'id', 'value', NULL), differences('by_text', 'text', 'k', 'created', 'id', 'value', '2026-01-10 02:00Z');
SELECT listing_stats.latest(listing_stats.read_price_history('by_text', 'many', key_column => 'k')), json_array_length(listing_stats.price_history_json('by_text', 'many', key_column => 'k'));

-- which way it went
CREATE TABLE unread (k bigint, created timestamptz, value int);
INSERT INTO unread VALUES (1, '2026-01-01', 1);
SET client_min_messages = debug1;
SELECT count(*) FROM listing_stats.latest_prices('price');
SELECT listing_stats.latest_price('price', 1);
SELECT listing_stats.latest_price('by_text', 'many', key_column => 'k');
SELECT count(*) FROM listing_stats.latest_prices('by_name', NULL::text[], key => 'k');
SELECT * FROM listing_stats.latest_prices('unread', key => 'k');
SELECT listing_stats.latest_price('unread', '1'::text, key_column => 'k');
SET client_min_messages = warning;

-- Partitioned tables, inheritance, views, foreign keys by another column
CREATE TABLE parts (id bigserial, listing_id bigint REFERENCES listing, created timestamptz NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE parts_2025 PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE parts_2026 (value numeric, gone int, id bigint NOT NULL, created timestamptz NOT NULL, listing_id bigint, PRIMARY KEY (id, created));
ALTER TABLE parts_2026 DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION parts_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO parts (listing_id, created, value) SELECT i % 5 + 1, '2025-07-01'::timestamptz + i * interval '1 day', i FROM generate_series(1, 365) i;
SELECT differences('parts', 'bigint', 'listing_id', 'created', 'id', 'value', NULL), differences('parts', 'bigint', 'listing_id', 'created', 'id', 'value', '2025-09-01');
SELECT count(*) FROM listing_stats.attach('listing', 'parts', last_price => 'last_of_parts');
SELECT differences('parts', 'bigint', 'listing_id', 'created', 'id', 'value', NULL), differences('parts_2025', 'bigint', 'listing_id', 'created', 'id', 'value', NULL), differences('parts_2026', 'bigint', 'listing_id', 'created', 'id', 'value', '2026-02-01');
ANALYZE parts;
SELECT differences('parts', 'bigint', 'listing_id', 'created', 'id', 'value', NULL);
-- many prices of each listing in many partitions: looked up for each listing of the attachment, except for what it may not have, or who may not read it
DO $$ BEGIN FOR y IN 2010..2024 LOOP EXECUTE format('CREATE TABLE parts_%s PARTITION OF parts FOR VALUES FROM (%L) TO (%L)', y, make_date(y, 1, 1), make_date(y + 1, 1, 1)); END LOOP; END $$;
INSERT INTO parts (listing_id, created, value) SELECT i % 5 + 1, '2025-07-01'::timestamptz + i * interval '1 h', i FROM generate_series(1, 3000) i;
ANALYZE parts;
ANALYZE listing;
CREATE FUNCTION scans_of(relation regclass, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before bigint := pg_stat_get_xact_numscans(relation) + (SELECT coalesce(sum(pg_stat_get_xact_numscans(indexrelid)), 0) FROM pg_index WHERE indrelid = relation);
BEGIN
    EXECUTE query;
    RETURN CASE WHEN pg_stat_get_xact_numscans(relation) + (SELECT coalesce(sum(pg_stat_get_xact_numscans(indexrelid)), 0) FROM pg_index WHERE indrelid = relation) > before THEN 'scanned' ELSE 'not scanned' END;
END $$;
SELECT scans_of('listing', $$SELECT listing_stats.latest_prices('parts')$$) AS listing, differences('parts', 'bigint', 'listing_id', 'created', 'id', 'value', NULL), differences('parts', 'bigint', 'listing_id', 'created', 'id', 'value', '2025-09-01');
SELECT scans_of('listing', $$SELECT listing_stats.latest_prices('parts', NULL::text[])$$) AS listing, differences('parts', 'text', 'listing_id', 'created', 'id', 'value', NULL);
BEGIN;
ALTER TABLE parts ALTER CONSTRAINT parts_listing_id_fkey DEFERRABLE INITIALLY DEFERRED;
COMMIT;
BEGIN;
INSERT INTO parts (listing_id, created, value) VALUES (77, '2025-12-01', 77);
SELECT scans_of('listing', $$SELECT listing_stats.latest_prices('parts')$$) AS listing, differences('parts', 'bigint', 'listing_id', 'created', 'id', 'value', NULL), value FROM listing_stats.latest_prices('parts') WHERE key = 77;
ROLLBACK;
GRANT USAGE ON SCHEMA latest TO regress_listing_stats_reader;
GRANT SELECT ON parts TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT count(*) FROM listing_stats.latest_prices('latest.parts');
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT SELECT (id) ON listing TO regress_listing_stats_reader;
ALTER TABLE listing ENABLE ROW LEVEL SECURITY;
CREATE POLICY two ON listing USING (id <= 2);
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT count(*) FROM listing_stats.latest_prices('latest.parts');
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT scans_of('listing', $$SELECT listing_stats.latest_prices('parts')$$) AS listing;
ALTER TABLE listing DISABLE ROW LEVEL SECURITY;
ALTER TABLE listing RENAME id TO number;
SELECT scans_of('listing', $$SELECT listing_stats.latest_prices('parts')$$) AS listing;
ALTER TABLE listing RENAME number TO id;
SELECT listing_stats.detach('listing', 'parts');
SELECT scans_of('listing', $$SELECT listing_stats.latest_prices('parts')$$) AS listing, differences('parts', 'bigint', 'listing_id', 'created', 'id', 'value', NULL);

-- Of the partitions of a table one key locks and reads those that it has to: from the newest on, or the one that the key is in
CREATE FUNCTION locked(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE 'SELECT ' || query INTO answer;
    RETURN format('%s, %s', coalesce(answer, 'NULL'), (SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.relispartition AND c.relkind IN ('r', 'p')));
END $$;
CREATE TABLE ranges (id bigserial, k int NOT NULL, created timestamptz NOT NULL, value numeric, PRIMARY KEY (id, created, k)) PARTITION BY RANGE (created);
CREATE INDEX ON ranges (k, created DESC, id DESC) INCLUDE (value);
CREATE TABLE ranges_1 PARTITION OF ranges FOR VALUES FROM (MINVALUE) TO ('2026-02-01');
CREATE TABLE ranges_3 (value numeric, gone int, id bigint NOT NULL, created timestamptz NOT NULL, k int NOT NULL, PRIMARY KEY (id, created, k));
ALTER TABLE ranges_3 DROP COLUMN gone;
ALTER TABLE ranges ATTACH PARTITION ranges_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE ranges_4 PARTITION OF ranges FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');
INSERT INTO ranges (k, created, value) SELECT i % 3, timestamptz '2026-01-01 12:00' + i * interval '1 day', i FROM generate_series(0, 30) i;
INSERT INTO ranges (k, created, value) SELECT i % 2, timestamptz '2026-03-01 12:00' + i * interval '1 day', 100 + i FROM generate_series(0, 30) i;
INSERT INTO ranges (k, created, value) VALUES (0, '2026-04-02', 200);
SELECT locked($$listing_stats.latest_price('ranges', 0, key_column => 'k')$$) AS newest;
SELECT locked($$listing_stats.latest_price('ranges', 1, key_column => 'k')$$) AS second;
SELECT locked($$listing_stats.latest_price('ranges', 2, key_column => 'k')$$) AS oldest;
SELECT locked($$listing_stats.latest_price('ranges', 1, '2026-03-02', 'k')$$) AS as_of;
SELECT locked($$listing_stats.latest_price('ranges', 1, '2026-02-10', 'k')$$) AS between;
SELECT locked($$listing_stats.latest_price('ranges', 1, '-infinity', 'k')$$) AS before;
SELECT locked($$listing_stats.price_history_json('ranges', 1, 2, 'k')$$) AS two;
SELECT locked($$listing_stats.changes(listing_stats.read_price_history('ranges', 1, 'k'))$$) AS history;
SELECT differences('ranges', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('ranges', 'bigint', 'k', 'created', 'id', 'value', '2026-03-10'), differences('ranges', 'bigint', 'k', 'created', 'id', 'value', '2026-01-15');
-- and so do several
CREATE FUNCTION latest_of(keys bigint[], as_of timestamptz DEFAULT NULL, price regclass DEFAULT 'ranges') RETURNS text LANGUAGE sql AS $$
    SELECT locked(format('(SELECT string_agg(key || '': '' || value, '', '' ORDER BY key) FROM listing_stats.latest_prices(%L, %L::bigint[], %L, key => ''k''))', price, keys, as_of)) $$;
SELECT latest_of('{0}') AS newest;
SELECT latest_of('{1, 0, 1}') AS second;
SELECT latest_of('{7, 2, 0}') AS oldest;
SELECT latest_of('{0, 1, 2}', '2026-02-10') AS between;
SELECT latest_of(NULL) AS all;
-- a default partition has any time; one that is empty has none
CREATE TABLE ranges_other PARTITION OF ranges DEFAULT;
SELECT locked($$listing_stats.latest_price('ranges', 0, key_column => 'k')$$) AS empty_default;
INSERT INTO ranges (k, created, value) VALUES (0, '2026-02-10', 50), (1, '2027-01-01', 300);
SELECT latest_of('{0, 1}') AS several_with_default;
SELECT locked($$listing_stats.latest_price('ranges', 1, key_column => 'k')$$) AS with_default, locked($$listing_stats.latest_price('ranges', 0, '2026-02-20', 'k')$$) AS as_of;
DROP TABLE ranges_other;
-- a partition without the index, one that has partitions of its own, one that has gone
CREATE TABLE ranges_5 PARTITION OF ranges FOR VALUES FROM ('2026-05-01') TO ('2026-06-01') PARTITION BY HASH (k);
CREATE TABLE ranges_5_0 PARTITION OF ranges_5 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE ranges_5_1 PARTITION OF ranges_5 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO ranges (k, created, value) VALUES (0, '2026-05-01', 400);
SELECT locked($$listing_stats.latest_price('ranges', 0, key_column => 'k')$$) LIKE '400, ranges_5 ranges_5__' AS one_of_two;
SELECT differences('ranges', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('ranges', 'bigint', 'k', 'created', 'id', 'value', '2026-05-10');
DROP TABLE ranges_5;
-- one whose own partitions do not have all keys
CREATE TABLE ranges_5 PARTITION OF ranges FOR VALUES FROM ('2026-05-01') TO ('2026-06-01') PARTITION BY LIST (k);
CREATE TABLE ranges_5_0 PARTITION OF ranges_5 FOR VALUES IN (0);
INSERT INTO ranges (k, created, value) VALUES (0, '2026-05-02', 410);
SELECT latest_of('{0, 1, 2, 7}') AS not_all_keys, latest_of('{1, 2}') AS none, differences('ranges', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('ranges', 'bigint', 'k', 'created', 'id', 'value', '2026-05-10');
DROP TABLE ranges_5;
DROP INDEX ranges_k_created_id_value_idx;
CREATE INDEX ON ranges_4 (k, created DESC, id DESC);
SELECT locked($$listing_stats.latest_price('ranges', 0, key_column => 'k')$$) AS in_the_first;
SELECT locked($$listing_stats.latest_price('ranges', 1, key_column => 'k')$$) AS by_query;
SELECT latest_of('{0}') AS in_the_first;
SELECT latest_of('{0, 1}') AS by_query, scans_of('ranges_1', $$SELECT listing_stats.latest_prices('ranges', key => 'k')$$) AS in_a_pass, differences('ranges', 'bigint', 'k', 'created', 'id', 'value', NULL), differences('ranges', 'bigint', 'k', 'created', 'id', 'value', '2026-03-10');
ALTER TABLE ranges DETACH PARTITION ranges_4;
SELECT locked($$listing_stats.latest_price('ranges', 0, key_column => 'k')$$) AS detached;
-- the rights are those on the table, not on its partitions; and policies of the table hold
CREATE INDEX ON ranges (k, created DESC, id DESC) INCLUDE (value);
GRANT SELECT ON ranges TO regress_listing_stats_reader;
GRANT SELECT ON ranges_1 TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT latest.locked($$listing_stats.latest_price('latest.ranges', 1, key_column => 'k')$$);
SET SESSION AUTHORIZATION regress_listing_stats;
REVOKE SELECT ON ranges FROM regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.ranges', 1, key_column => 'k');
SELECT listing_stats.latest_price('latest.ranges_1', 1, key_column => 'k');
-- what a session has found them to be is forgotten when a role, or what it may do in the schema, changes
RESET SESSION AUTHORIZATION;
CREATE ROLE regress_listing_stats_readers;
GRANT regress_listing_stats_readers TO regress_listing_stats_reader;
GRANT SELECT ON latest.ranges TO regress_listing_stats_readers;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.ranges', 1, key_column => 'k');
RESET SESSION AUTHORIZATION;
REVOKE regress_listing_stats_readers FROM regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.ranges', 1, key_column => 'k');
RESET SESSION AUTHORIZATION;
GRANT regress_listing_stats_readers TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.ranges', 1, key_column => 'k'), 'latest.ranges'::regclass::oid AS ranges \gset
RESET SESSION AUTHORIZATION;
REVOKE USAGE ON SCHEMA latest FROM regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price(:ranges::regclass, 1, key_column => 'k');
RESET SESSION AUTHORIZATION;
GRANT USAGE ON SCHEMA latest TO regress_listing_stats_reader;
-- and when the database has another owner
SELECT pg_get_userbyid(datdba) AS dba, datname FROM pg_database WHERE datname = current_database() \gset
REVOKE regress_listing_stats_readers FROM regress_listing_stats_reader;
GRANT SELECT ON latest.ranges TO pg_database_owner;
ALTER DATABASE :"datname" OWNER TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.ranges', 1, key_column => 'k');
RESET SESSION AUTHORIZATION;
ALTER DATABASE :"datname" OWNER TO :"dba";
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.ranges', 1, key_column => 'k');
RESET SESSION AUTHORIZATION;
REVOKE SELECT ON latest.ranges FROM pg_database_owner;
DROP OWNED BY regress_listing_stats_readers;
DROP ROLE regress_listing_stats_readers;
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT SELECT ON ranges TO regress_listing_stats_reader;
ALTER TABLE ranges ENABLE ROW LEVEL SECURITY;
CREATE POLICY first_ten ON ranges USING (created < '2026-03-10');
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT latest.locked($$listing_stats.latest_price('latest.ranges', 1, key_column => 'k')$$);
SET SESSION AUTHORIZATION regress_listing_stats;
-- by key
CREATE TABLE by_key (id bigserial, k uuid NOT NULL, created date, value int, PRIMARY KEY (id, k)) PARTITION BY HASH (k);
SELECT format('CREATE TABLE by_key_%s PARTITION OF by_key FOR VALUES WITH (MODULUS 4, REMAINDER %s)', i, i) FROM generate_series(0, 3) i \gexec
CREATE INDEX ON by_key (k, created DESC NULLS LAST, id DESC);
INSERT INTO by_key (k, created, value) SELECT md5((i % 7)::text)::uuid, CASE WHEN i % 5 > 0 THEN date '2026-01-01' + i % 9 END, i FROM generate_series(1, 100) i;
SELECT array_length(string_to_array(locked($$listing_stats.latest_price('by_key', md5('3')::uuid, key_column => 'k')$$), ' '), 1) AS value_and_one_table;
SELECT differences('by_key', 'uuid', 'k', 'created', 'id', 'value', NULL), differences('by_key', 'uuid', 'k', 'created', 'id', 'value', '2026-01-05');
DROP INDEX by_key_k_created_id_idx;
SELECT scans_of('by_key_0', $$SELECT listing_stats.latest_prices('by_key', NULL::uuid[], key => 'k')$$) AS in_a_pass, differences('by_key', 'uuid', 'k', 'created', 'id', 'value', NULL), differences('by_key', 'uuid', 'k', 'created', 'id', 'value', '2026-01-05');
CREATE TABLE by_list (id bigserial, k int NOT NULL, created timestamp NOT NULL, value int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE by_list_1 PARTITION OF by_list FOR VALUES IN (1, 3);
CREATE TABLE by_list_2 PARTITION OF by_list FOR VALUES IN (2);
CREATE INDEX ON by_list (k, created DESC, id DESC);
INSERT INTO by_list (k, created, value) SELECT i % 3 + 1, timestamp '2026-01-01' + i * interval '1 h', i FROM generate_series(1, 100) i;
SELECT locked(format($$listing_stats.latest_price('by_list', %s, key_column => 'k')$$, k)) FROM unnest('{1, 2, 3, 4, 4294967297}'::bigint[]) k;
SELECT latest_of('{3, 1}', NULL, 'by_list');
CREATE TABLE by_list_other PARTITION OF by_list DEFAULT;
SELECT locked($$listing_stats.latest_price('by_list', 4, key_column => 'k')$$), differences('by_list', 'bigint', 'k', 'created', 'id', 'value', NULL);

-- Plans that are kept follow what they rest on: names, types, partitions, indexes, roles and their policies
CREATE TABLE kept (id bigserial, k bigint NOT NULL, created timestamptz NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE kept_2025 PARTITION OF kept FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX ON kept (k, created DESC, id DESC) INCLUDE (value);
INSERT INTO kept (k, created, value) SELECT i % 5, '2025-01-01'::timestamptz + i * interval '1 day', i FROM generate_series(1, 300) i;
CREATE FUNCTION readings(price regclass, value name DEFAULT 'value') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN format('%s, then %s, of %s, json %s', listing_stats.latest_price(price, 1, key_column => 'k', value => value), listing_stats.latest_price(price, 1, '2025-02-01', 'k', value => value),
        listing_stats.lowest(listing_stats.read_price_history(price, 1, key_column => 'k', value => value)), (listing_stats.price_history_json(price, 1, 2, 'k', value => value))::jsonb @? '$[1]');
END $$;
SELECT readings('kept') FROM generate_series(1, 2);
CREATE TABLE kept_2026 PARTITION OF kept FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO kept (k, created, value) VALUES (1, '2026-01-05', 0.5);
SELECT readings('kept');
ALTER TABLE kept_2026 RENAME TO "kept 2026";
ALTER TABLE kept RENAME TO keeping;
ALTER TABLE keeping RENAME value TO amount;
ALTER TABLE keeping ALTER amount TYPE float8;
SELECT readings('keeping', 'amount');
SELECT readings('keeping');
ALTER TABLE keeping RENAME amount TO value;
CREATE SCHEMA elsewhere;
ALTER TABLE keeping SET SCHEMA elsewhere;
SELECT readings('elsewhere.keeping');
ALTER SCHEMA elsewhere RENAME TO "else where";
SELECT readings('"else where".keeping');
SET search_path = hostile, pg_catalog;
SELECT latest.readings('"else where".keeping');
SET search_path = latest;
DROP INDEX "else where".kept_k_created_id_value_idx;
SELECT readings('"else where".keeping');
ALTER TABLE "else where".keeping DETACH PARTITION "kept 2026";
SELECT readings('"else where".keeping');
ALTER TABLE "else where".keeping ENABLE ROW LEVEL SECURITY;
CREATE POLICY until_august ON "else where".keeping TO regress_listing_stats_reader USING (created < '2025-08-01');
SELECT readings('"else where".keeping');
SELECT '"else where".keeping'::regclass::oid AS keeping \gset
SET SESSION AUTHORIZATION regress_listing_stats_reader;
\set VERBOSITY sqlstate
SELECT latest.readings(:keeping::regclass);
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT SELECT ON "else where".keeping TO regress_listing_stats_reader;
SELECT readings('"else where".keeping');
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT latest.readings(:keeping::regclass);
\set VERBOSITY default
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT USAGE ON SCHEMA "else where" TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT latest.readings(:keeping::regclass);
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT readings('"else where".keeping');
-- one is run while it is run: a policy reads the same table, as another role
CREATE FUNCTION first_price(k bigint) RETURNS numeric LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$ BEGIN RETURN listing_stats.latest_price('"else where".keeping', k, '2025-02-01', 'k'); END $$;
CREATE POLICY one ON "else where".keeping AS RESTRICTIVE TO regress_listing_stats_reader USING (value < latest.first_price(k) + 100);
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('"else where".keeping', k, '2025-07-01', 'k') FROM generate_series(1, 2) k;
SELECT latest.readings('"else where".keeping');
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT readings('"else where".keeping');
DROP SCHEMA "else where" CASCADE;
CREATE TABLE children () INHERITS (price);
INSERT INTO children (listing_id, created, value) VALUES (1, '2026-03-01', 99);
SELECT listing_stats.latest_price('price', 1);
DROP TABLE children;
SELECT listing_stats.latest_price('price', 1);
-- of all keys those of listing are looked for where that is less, if a foreign key of each child says that listing has them
CREATE TABLE rated (id bigserial PRIMARY KEY, listing_id bigint NOT NULL REFERENCES listing, created timestamptz NOT NULL, value numeric);
CREATE INDEX ON rated (listing_id, created DESC, id DESC) INCLUDE (value);
CREATE TABLE rated_long_ago (LIKE rated INCLUDING ALL, FOREIGN KEY (listing_id) REFERENCES listing) INHERITS (rated);
INSERT INTO rated_long_ago SELECT i, i % 4 + 1, '2026-01-01'::timestamptz + i * interval '1 h', i FROM generate_series(1, 2000) i;
INSERT INTO rated (listing_id, created, value) VALUES (2, '2027-01-01', 5), (3, '2020-01-01', 5);
SELECT count(*) FROM listing_stats.attach('listing', 'rated', last_price => 'rated');
ANALYZE listing, rated, rated_long_ago;
CREATE FUNCTION looks_for_listings() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    scans bigint := (SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index WHERE indrelid = 'rated_long_ago'::regclass);
BEGIN
    PERFORM FROM listing_stats.latest_prices('rated');
    RETURN (SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index WHERE indrelid = 'rated_long_ago'::regclass) - scans = (SELECT count(*) FROM listing);
END $$;
SELECT looks_for_listings(), differences('rated', 'bigint', 'listing_id', 'created', 'id', 'value', NULL), differences('rated', 'bigint', 'listing_id', 'created', 'id', 'value', '2026-02-01');
ALTER TABLE rated_long_ago DROP CONSTRAINT rated_long_ago_listing_id_fkey;
INSERT INTO rated_long_ago VALUES (0, 777, '2026-02-01', 7);
SELECT looks_for_listings(), differences('rated', 'bigint', 'listing_id', 'created', 'id', 'value', NULL);
SELECT * FROM listing_stats.latest_prices('rated') ORDER BY key;
DROP TABLE rated CASCADE;
CREATE VIEW prices AS SELECT id AS number, listing_id AS of, created AS "when", value + 1 AS v FROM price;
SELECT * FROM listing_stats.latest_prices('prices', ARRAY[1, 3], key => 'of', at => 'when', value => 'v') ORDER BY key;
CREATE MATERIALIZED VIEW kept_prices AS SELECT * FROM prices;
SELECT * FROM listing_stats.latest_prices('kept_prices', ARRAY[1, 3], key => 'of', at => 'when', value => 'v') ORDER BY key;
CREATE TEMPORARY TABLE mine AS SELECT * FROM price;
ALTER TABLE mine ADD PRIMARY KEY (id);
SELECT differences('mine', 'bigint', 'listing_id', 'created', 'id', 'value', NULL);
-- two keys of one table
CREATE TABLE match (id serial PRIMARY KEY, home bigint REFERENCES listing, away bigint REFERENCES listing, created timestamptz NOT NULL, goals int);
INSERT INTO match (home, away, created, goals) VALUES (1, 2, '2026-01-01', 1), (2, 1, '2026-01-02', 2);
SELECT count(*) FROM listing_stats.latest_prices('match', value => 'goals');
SELECT * FROM listing_stats.latest_prices('match', key => 'away', value => 'goals') ORDER BY key;
SELECT count(*) FROM listing_stats.attach('listing', 'match', key => 'home', value => 'goals', last_price => 'last_home');
SELECT * FROM listing_stats.latest_prices('match') ORDER BY key;
SELECT count(*) FROM listing_stats.attach('listing', 'match', key => 'away', value => 'goals', last_price => 'last_away');
SELECT * FROM listing_stats.latest_prices('match') ORDER BY key;
SELECT * FROM listing_stats.latest_prices('match', key => 'away') ORDER BY key;
-- renamed, and an index that comes and goes, between two calls of one session
ALTER TABLE match RENAME goals TO scored;
SELECT * FROM listing_stats.latest_prices('match', key => 'away') ORDER BY key;
SELECT listing_stats.detach('match');
SELECT count(*) FROM listing_stats.latest_prices('match', key => 'away');
ALTER TABLE match RENAME scored TO value;
SELECT count(*) FROM listing_stats.latest_prices('match', key => 'away');
ALTER TABLE match ALTER value TYPE float8 USING value + 0.5;
SELECT * FROM listing_stats.latest_prices('match', key => 'away') ORDER BY key;

-- tables that come and go
DO $$
BEGIN
    FOR i IN 1..250 LOOP
        CREATE TEMPORARY TABLE passing (id serial PRIMARY KEY, k int, created timestamptz, value int);
        INSERT INTO passing (k, created, value) VALUES (1, now(), i);
        IF listing_stats.latest_price('passing', 1, key_column => 'k') IS DISTINCT FROM i OR (SELECT value FROM listing_stats.latest_prices('passing', key => 'k')) IS DISTINCT FROM i THEN
            RAISE EXCEPTION 'another table''s';
        END IF;
        DROP TABLE passing;
    END LOOP;
END $$;

-- The planner expects as many rows as there are keys
CREATE FUNCTION expected_rows(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan->0->'Plan'->>'Plan Rows';
END $$;
SELECT expected_rows($$SELECT * FROM listing_stats.latest_prices('price', ARRAY[1, 2, 3])$$), expected_rows($$SELECT * FROM listing_stats.latest_prices('price', NULL::bigint[], NULL, NULL, NULL, NULL)$$) > 0 AS all_keys,
    expected_rows($$SELECT * FROM listing_stats.latest_prices('match', ARRAY[]::bigint[], key => 'none')$$);
CREATE TABLE analysed AS SELECT i AS id, i % 50 AS k, '2026-01-01'::timestamptz + i * interval '1 h' AS created, i AS value FROM generate_series(1, 5000) i;
ANALYZE analysed;
SELECT count(*) FROM listing_stats.latest_prices('analysed', key => 'k');
SELECT expected_rows($$SELECT * FROM listing_stats.latest_prices('analysed', key => 'k')$$);

-- A cursor has its rows, also long numerics, when the table is gone
CREATE TABLE long (id bigserial PRIMARY KEY, k int, created timestamptz NOT NULL, value numeric);
ALTER TABLE long ALTER value SET STORAGE EXTERNAL;
INSERT INTO long (k, created, value) SELECT i, '2026-01-01', repeat('1234567', 3000)::numeric FROM generate_series(1, 2) i;
BEGIN;
DECLARE long_prices CURSOR FOR SELECT length(value::text) FROM listing_stats.latest_prices('long', key => 'k');
FETCH long_prices;
DROP TABLE long;
FETCH long_prices;
COMMIT;

-- Whoever may not read a column, does not; policies hold
GRANT USAGE ON SCHEMA latest TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT * FROM listing_stats.latest_prices('latest.price');
SELECT listing_stats.latest_price('latest.price', 1);
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT SELECT (listing_id, created, value) ON price TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.price', 1);
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT SELECT (id) ON price TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.price', 1);
SELECT count(*) FROM listing_stats.latest_prices('latest.price');
SET SESSION AUTHORIZATION regress_listing_stats;
ALTER TABLE price ENABLE ROW LEVEL SECURITY;
CREATE POLICY before_2026_01_03 ON price USING (created < '2026-01-03');
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('latest.price', 1);
SELECT * FROM listing_stats.latest_prices('latest.price') ORDER BY key;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT listing_stats.latest_price('price', 1);
ALTER TABLE price FORCE ROW LEVEL SECURITY;
SELECT listing_stats.latest_price('price', 1);
SET row_security = off;
SELECT listing_stats.latest_price('price', 1);
RESET row_security;
ALTER TABLE price NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
-- a function that runs as somebody else reads as him
CREATE FUNCTION read_as_owner(bigint) RETURNS numeric LANGUAGE sql SECURITY DEFINER SET search_path = latest AS 'SELECT listing_stats.latest_price(''price'', $1)';
REVOKE SELECT ON price FROM regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT latest.read_as_owner(1);
SELECT listing_stats.latest_price('latest.price', 1);
SET SESSION AUTHORIZATION regress_listing_stats;
-- and who may not use the schema does not either, also where he knows the table's number
SELECT 'price'::regclass::oid AS price_oid \gset
GRANT SELECT ON price TO regress_listing_stats_reader;
REVOKE USAGE ON SCHEMA latest FROM regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
\set VERBOSITY sqlstate
SELECT * FROM listing_stats.latest_prices(:price_oid::regclass, ARRAY[1]);
SELECT listing_stats.price_history_json(:price_oid::regclass, 1);
SELECT listing_stats.read_price_history(:price_oid::regclass, 1);
\set VERBOSITY default
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT USAGE ON SCHEMA latest TO regress_listing_stats_reader;
REVOKE SELECT ON price FROM regress_listing_stats_reader;

-- Errors
SELECT * FROM listing_stats.latest_prices(NULL);
SELECT * FROM listing_stats.latest_prices('listing');
SELECT * FROM listing_stats.latest_prices('prices');
SELECT * FROM listing_stats.latest_prices('price', key => 'nothing');
SELECT listing_stats.latest_price('price', 1, key_column => 'nothing');
SELECT * FROM listing_stats.latest_prices('price', at => 'nothing');
SELECT * FROM listing_stats.latest_prices('price', value => 'ctid');
SELECT * FROM listing_stats.latest_prices('by_name', key => 'k');
SELECT * FROM listing_stats.latest_prices('price', NULL::uuid[]);
SELECT * FROM listing_stats.latest_prices('price', '{one}'::text[]);
SELECT * FROM listing_stats.latest_prices('by_name', NULL::text[], key => 'k', value => 'k');
SELECT * FROM listing_stats.latest_prices('by_name', NULL::text[], key => 'k', at => 'k');
SELECT * FROM listing_stats.latest_prices(4294967295::oid::regclass);

-- attached with two values: the one that is meant has to be named, except for whole rows
CREATE TABLE pair (id int PRIMARY KEY);
CREATE TABLE rate (id serial PRIMARY KEY, pair_id int REFERENCES pair, created date NOT NULL DEFAULT '2026-01-01', buy numeric, sell numeric, used boolean);
INSERT INTO pair VALUES (1);
INSERT INTO rate (pair_id, buy, sell) VALUES (1, 10, 20);
SELECT last_price FROM listing_stats.attach('pair', 'rate', value => 'buy', last_price => 'buy');
SELECT listing_stats.latest_price('rate', 1);
SELECT last_price FROM listing_stats.attach('pair', 'rate', value => 'sell', last_price => 'used', condition => 'used');
SELECT listing_stats.latest_price('rate', 1);
SELECT last_price FROM listing_stats.attach('pair', 'rate', value => 'sell', last_price => 'sell');
SELECT listing_stats.latest_price('rate', 1);
\echo :SQLSTATE
SELECT * FROM listing_stats.latest_prices('rate', ARRAY[1]);
SELECT listing_stats.latest_price('rate', 1, value => 'sell');
SELECT sell FROM listing_stats.latest_rows(NULL::rate, ARRAY[1]);
SELECT count(*) FROM listing_stats.detach('pair', 'rate', 'buy');
SELECT listing_stats.latest_price('rate', 1);
-- and it is read as its attachment says: by its own time, in its own order, and without what it skips
DROP TABLE pair, rate;
CREATE TABLE pair (id int PRIMARY KEY);
CREATE TABLE rate (id serial PRIMARY KEY, pair_id int NOT NULL REFERENCES pair, bought date NOT NULL, sold date NOT NULL, buy numeric, sell numeric, seen int, other numeric);
INSERT INTO pair VALUES (1);
SELECT last_price FROM listing_stats.attach('pair', 'rate', at => 'bought', value => 'buy', last_price => 'buy');
SELECT last_price, tie FROM listing_stats.attach('pair', 'rate', at => 'sold', value => 'sell', tie => 'seen', last_price => 'sell', null_value => 'skip');
INSERT INTO rate (pair_id, bought, sold, buy, sell, seen, other) VALUES (1, '2026-01-01', '2026-01-02', 10, 100, 2, 1), (1, '2026-01-02', '2026-01-02', 11, 99, 1, 2), (1, '2026-01-03', '2026-01-03', 12, NULL, 3, 3);
SELECT buy, sell FROM pair;
SELECT listing_stats.latest_price('rate', 1, value => 'buy'), listing_stats.latest_price('rate', 1, value => 'sell'), listing_stats.latest_price('rate', 1, value => 'sell', at => 'sold'),
	listing_stats.latest_price('rate', 1, value => 'sell', at => 'bought'), listing_stats.latest_price('rate', 1, value => 'other', at => 'sold');
SELECT at, value FROM listing_stats.latest_prices('rate', ARRAY[1], value => 'sell');
SELECT at, value FROM listing_stats.latest_prices('rate', value => 'sell');
SELECT listing_stats.read_price_history('rate', 1, value => 'sell');
SELECT id FROM listing_stats.latest_rows(NULL::rate, value => 'sell');
SELECT id FROM listing_stats.latest_rows(NULL::rate);
SELECT id FROM listing_stats.latest_rows(NULL::rate, value => 'buy');
SELECT listing_stats.latest_price('rate', 1, value => 'other');

-- Rows that are gone and had no time, or no key, are still in an index with NULLs first, in front of the others
CREATE TABLE undated (id serial PRIMARY KEY, k int NOT NULL, created timestamptz, value numeric);
CREATE INDEX ON undated (k, created DESC, id DESC) INCLUDE (value);
INSERT INTO undated (k, created, value) SELECT 1, NULL, 1 FROM generate_series(1, 2000);
INSERT INTO undated (k, created, value) VALUES (1, '2026-01-01', 10), (1, '2026-02-01', 20), (1, '2026-03-01', 30), (2, '2026-01-01', 40);
DELETE FROM undated WHERE created IS NULL;
ALTER TABLE undated ALTER created SET NOT NULL;
SELECT locked($$listing_stats.latest_price('undated', 1, '2026-02-15', 'k')$$);
SELECT listing_stats.latest_price('undated', 1, '2026-02-15', 'k') AS as_of, listing_stats.latest_price('undated', 1, '2025-12-31', 'k') AS before, listing_stats.latest_price('undated', 1, key_column => 'k') AS latest;
SELECT * FROM listing_stats.latest_prices('undated', as_of => '2026-02-15', key => 'k') ORDER BY 1;
SELECT * FROM listing_stats.latest_prices('undated', ARRAY[1, 2], as_of => '2026-02-15', key => 'k') ORDER BY 1;
SELECT listing_stats.step_count(listing_stats.read_price_history('undated', 1, key_column => 'k'));
CREATE TABLE unkeyed (id serial PRIMARY KEY, k int, created timestamptz NOT NULL, value numeric);
CREATE INDEX ON unkeyed (k NULLS FIRST, created DESC NULLS LAST, id DESC) INCLUDE (value);
CREATE INDEX ON unkeyed (k NULLS FIRST, created DESC, id DESC) INCLUDE (value);
INSERT INTO unkeyed (k, created, value) SELECT nullif(k, 0), '2026-01-01', k FROM generate_series(0, 3) k, generate_series(1, 500);
DELETE FROM unkeyed WHERE k IS NULL;
ALTER TABLE unkeyed ALTER k SET NOT NULL;
SELECT * FROM listing_stats.latest_prices('unkeyed', key => 'k') ORDER BY 1;
SELECT listing_stats.latest_price('unkeyed', 1, key_column => 'k');
DROP TABLE undated, unkeyed;
-- A key that is given as a value of its column's type is that value, whatever the session's settings are
CREATE TABLE measured (id serial PRIMARY KEY, k float8, t timestamptz, i interval, created date NOT NULL DEFAULT '2026-01-01', value numeric);
INSERT INTO measured (k, t, i, value) VALUES (0.1::float8 + 0.2::float8, '2026-03-01 12:00+05:30', '-1 day +2 hours', 1);
SET extra_float_digits = 0;
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Kolkata';
SET IntervalStyle = sql_standard;
SELECT listing_stats.latest_price('measured', k, key_column => 'k') AS by_number, listing_stats.latest_price('measured', t, key_column => 't') AS by_time, listing_stats.latest_price('measured', i, key_column => 'i') AS by_interval FROM measured;
SHOW DateStyle;
RESET extra_float_digits;
RESET DateStyle;
RESET TimeZone;
RESET IntervalStyle;
DROP TABLE measured;

-- Whole rows of inheritance children, of several keys: the value is not known, and nobody asks for it
CREATE TABLE inherited (id serial, listing_id int, created timestamptz NOT NULL, value numeric);
CREATE INDEX ON inherited (listing_id, created DESC);
CREATE TABLE heir (LIKE inherited INCLUDING ALL) INHERITS (inherited);
INSERT INTO heir SELECT i, i % 5, timestamptz '2026-01-01' + i * interval '1 hour', i FROM generate_series(1, 1000) i;
ANALYZE inherited, heir;
SELECT listing_id, value FROM listing_stats.latest_rows(NULL::inherited, ARRAY[1, 2], key => 'listing_id') ORDER BY 1;
DROP TABLE inherited CASCADE;

-- A key that runs something when it is read, by which what is kept of the table is dropped
CREATE TABLE other_price (k int, created timestamptz NOT NULL, value numeric);
CREATE TABLE keyed (a int, b int, created timestamptz NOT NULL, value numeric);
CREATE FUNCTION interfere(v int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF v = 5 THEN
		ALTER TABLE keyed SET (fillfactor = 77);
		PERFORM listing_stats.latest_price('other_price', 1, key_column => 'k');
	END IF;
	RETURN true;
END $$;
CREATE DOMAIN checked AS int CHECK (interfere(value));
CREATE TYPE composed AS (x checked);
ALTER TABLE keyed ALTER b TYPE composed USING ROW(b)::composed;
INSERT INTO keyed VALUES (1, '(6)', '2026-01-01', 7);
SELECT count(*) FROM generate_series(1, 120) i, listing_stats.latest_price('keyed', '(1,"(6)")'::text, key_column => 'a,' || repeat(' ', i) || 'b') p WHERE p = 7;
SELECT listing_stats.latest_price('keyed', '(1,"(5)")'::text, key_column => 'a, b'), listing_stats.latest_price('keyed', '(1,"(6)")'::text, key_column => 'a, b');
DROP TABLE keyed, other_price;

-- A type that is renamed, of which a kept plan is not told, and then another search_path
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE mooded (k mood, created timestamptz NOT NULL, value numeric);
CREATE INDEX ON mooded (k, created DESC);
INSERT INTO mooded VALUES ('good', '2026-01-01', 7);
SELECT listing_stats.latest_price('latest.mooded', 'good', key_column => 'k');
ALTER TYPE mood RENAME TO feeling;
SET search_path = pg_catalog;
SELECT listing_stats.latest_price('latest.mooded', 'good', key_column => 'k');
SET search_path = latest;
DROP TABLE mooded;

RESET SESSION AUTHORIZATION;
DROP SCHEMA latest, hostile CASCADE;
DROP OWNED BY regress_listing_stats_reader;
DROP ROLE regress_listing_stats_reader;
