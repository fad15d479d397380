-- The nested price list of a response: the very text that to_json() makes of the rows.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_reader;
CREATE ROLE regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA history;
SET search_path = history;
SET timezone = 'Europe/Zurich';
\set SHOW_CONTEXT never
CREATE TABLE listing (id bigint PRIMARY KEY);
CREATE TABLE price (id bigserial PRIMARY KEY, listing_id bigint NOT NULL REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO listing SELECT generate_series(1, 4);
INSERT INTO price (listing_id, created, value) VALUES
    (1, '2026-01-01', 10), (1, '2026-07-03 12:34:56.789', 12.5), (1, '2026-01-02 00:00:00.1', NULL),
    (2, '2026-01-01', 20), (2, '2026-01-01', 21), (3, 'infinity', 'NaN'), (3, '-infinity', 40);
SELECT listing_stats.price_history_json('price', 1);
SELECT count(*) FROM listing_stats.attach('listing', 'price');
SELECT id, listing_stats.price_history_json('price', id) FROM listing ORDER BY id;
SELECT listing_stats.price_history_json('price', 1, 2);
SELECT listing_stats.price_history_json('price', 1, 0);
SELECT listing_stats.price_history_json('price', 1::int);
SELECT listing_stats.price_history_json('price', '1'::text, 1);
SELECT listing_stats.price_history_json('price', NULL::bigint);
SELECT pg_typeof(listing_stats.price_history_json('price', 4)), jsonb_array_length(listing_stats.price_history_json('price', 1)::jsonb);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT listing_stats.price_history_json('price', 2);
COMMIT;
-- all prices, however latest is defined
SELECT null_value FROM listing_stats.attach('listing', 'price', null_value => 'skip');
SELECT listing_stats.price_history_json('price', 1);
SELECT listing_stats.price_history_json('price', '1'::text);
SELECT null_value FROM listing_stats.attach('listing', 'price', null_value => 'keep');

-- Any types, in any time zone and style: text for text what to_json() makes.  An index that is made in a transaction that has
-- updated the table can be used behind it alone.
CREATE PROCEDURE try(key_type text, at_type text, value_type text, INOUT result text DEFAULT '') LANGUAGE plpgsql AS $$
DECLARE
    direct int := 0;
    index text;
    zone text;
    rows int;
    wrong text;
    key_of text := CASE key_type WHEN 'uuid' THEN 'md5((%s)::text)::uuid' ELSE '(%s)::' || key_type END;
    kind text := CASE key_type WHEN 'uuid' THEN 'uuid' WHEN 'text' THEN 'text' ELSE 'bigint' END;
    at_of text := CASE WHEN at_type IN ('date', 'timestamp', 'timestamptz') THEN '(timestamptz ''2026-03-28 20:00+0'' + (%s) * interval ''40 days 7 h 13 min 1.23 s'')::' || at_type ELSE '(%s)::' || at_type END;
BEGIN
    DROP TABLE IF EXISTS t;
    EXECUTE format('CREATE TABLE t ("the ""value""" %s, id serial PRIMARY KEY, k %s, "when, \?" %s)', value_type, key_type, at_type);
    EXECUTE format('INSERT INTO t (k, "when, \?", "the ""value""") SELECT %s, CASE WHEN i %% 13 <> 0 THEN %s END, CASE WHEN i %% 7 <> 0 THEN (i - 300) * (10 ^ (i %% 7 - 3)::numeric) END FROM generate_series(1, 600) i',
                   format(key_of, 'i % 7'), format(at_of, '(i * 7919 % 601 - 300) * (i % 3 + 1) ^ 3'));
    IF at_type IN ('date', 'timestamp', 'timestamptz') THEN
        UPDATE t SET "when, \?" = 'infinity' WHERE id % 97 = 0;
        UPDATE t SET "when, \?" = '-infinity' WHERE id % 89 = 0;
        UPDATE t SET "when, \?" = (ARRAY['4713-11-25 BC', '0001-01-01 BC', '0001-01-01', '9999-12-31 23:59:59.999999+0', '10000-01-01', '290000-01-01', '1894-05-31 23:59:59+0', '1999-12-31 23:59:59.999999', '2026-10-25 00:30+0', '2026-10-25 01:30+0']::timestamptz[])[id % 10 + 1] WHERE id % 8 = 0;
    END IF;
    IF value_type IN ('numeric', 'float8', 'real') THEN
        UPDATE t SET "the ""value""" = 'NaN' WHERE id % 31 = 0;
        UPDATE t SET "the ""value""" = '-Infinity' WHERE id % 37 = 0;
        UPDATE t SET "the ""value""" = CASE WHEN value_type = 'real' THEN '1e30' WHEN id % 2 = 0 THEN '1234567890123456789012345678901234567890.123456789' ELSE '1e-20' END::numeric WHERE id % 41 = 0;
    END IF;
    FOREACH index IN ARRAY ARRAY['', '(k, "when, \?" DESC NULLS LAST, id DESC)', '(k, "when, \?" DESC NULLS LAST, id DESC) INCLUDE ("the ""value""")', '(k, "when, \?", id)']
    LOOP
        COMMIT;
        IF index <> '' THEN
            EXECUTE 'CREATE INDEX an_index ON t ' || index;
            COMMIT;
        END IF;
        DELETE FROM t WHERE id % 101 = length(index);
        FOREACH zone IN ARRAY ARRAY['UTC', 'Europe/Zurich', 'Africa/Monrovia', 'Asia/Kathmandu', '<+0130>-1:30']
        LOOP
            PERFORM set_config('timezone', zone, true);
            FOREACH rows IN ARRAY ARRAY[NULL, 10]
            LOOP
                EXECUTE format($sql$
                    SELECT format('%%s in %%s: %%s, not %%s', k, %L, answer, expected)
                    FROM (SELECT k, listing_stats.price_history_json('t', k::%s, $1, 'k', 'when, \?', 'the "value"')::text AS answer,
                                 to_json(ARRAY(SELECT p FROM (SELECT "when, \?", "the ""value""" FROM t WHERE k = u.k ORDER BY "when, \?" DESC NULLS LAST, id DESC LIMIT $1) AS p))::text AS expected
                          FROM (SELECT DISTINCT k FROM t) AS u) AS both_ways
                    WHERE answer IS DISTINCT FROM expected OR length(answer) < 300 LIMIT 1
                $sql$, zone, kind) INTO wrong USING rows;
                result := result || coalesce(wrong, '');
            END LOOP;
        END LOOP;
        IF public.way_of('t', format('SELECT listing_stats.price_history_json(''t'', %s::%s, NULL, ''k'', ''when, \?'', ''the "value"'')', format(key_of, '1'), kind)) = 'directly' THEN
            direct := direct + 1;
        END IF;
        DROP INDEX IF EXISTS an_index;
    END LOOP;
    result := coalesce(nullif(result, ''), format('equal, %s directly', direct));
END $$;
CALL try('bigint', 'timestamptz', 'numeric');
CALL try('integer', 'timestamptz', 'numeric');
CALL try('smallint', 'timestamp', 'bigint');
CALL try('integer', 'date', 'integer');
CALL try('uuid', 'timestamptz', 'numeric');
CALL try('text', 'timestamp', 'float8');
CALL try('bigint', 'bigint', 'real');
CALL try('bigint', 'numeric', 'float8');
SET extra_float_digits = 0;
CALL try('bigint', 'timestamptz', 'float8');
RESET extra_float_digits;
SET datestyle = 'German';
CALL try('bigint', 'timestamptz', 'numeric(20,6)');
RESET datestyle;
DROP TABLE t;

-- a history longer than a page, and partitions
INSERT INTO price (listing_id, created, value) SELECT 4, '2026-01-01'::timestamptz + i * interval '1 minute', i FROM generate_series(1, 2000) i;
SELECT listing_stats.price_history_json('price', 4)::text = to_json(ARRAY(SELECT p FROM (SELECT created, value FROM price WHERE listing_id = 4 ORDER BY created DESC, id DESC) AS p))::text AS equal,
    json_array_length(listing_stats.price_history_json('price', 4)), json_array_length(listing_stats.price_history_json('price', 4, 1500));
CREATE TABLE parts (id bigserial, listing_id bigint REFERENCES listing, created timestamptz NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE parts_2025 PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO parts (listing_id, created, value) VALUES (1, '2025-12-31', 1), (1, '2026-01-01', 2);
SELECT listing_stats.price_history_json('parts', 1);

-- A column may be called as anything that the query uses
CREATE TABLE named (id bigserial PRIMARY KEY, p text, h timestamptz, k numeric);
INSERT INTO named (p, h, k) VALUES ('a', '2026-01-01', 1), ('a', '2026-01-02', 2);
SELECT listing_stats.price_history_json('named', 'a'::text, NULL, 'p', 'h', 'k');
ALTER TABLE named RENAME k TO v;
ALTER TABLE named RENAME h TO k;
ALTER TABLE named RENAME v TO h;
SELECT listing_stats.price_history_json('named', 'a'::text, NULL, 'p', 'k', 'h');

-- Whoever may not read, does not
GRANT USAGE ON SCHEMA history TO regress_listing_stats_reader;
GRANT SELECT (listing_id, created, value) ON price TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.price_history_json('history.price', 1);
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT SELECT (id) ON price TO regress_listing_stats_reader;
ALTER TABLE price ENABLE ROW LEVEL SECURITY;
CREATE POLICY known ON price USING (value IS NOT NULL);
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.price_history_json('history.price', 1);
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT listing_stats.price_history_json('price', 1);

-- Errors
SELECT listing_stats.price_history_json(NULL, 1);
SELECT listing_stats.price_history_json('price', 1, -1);
SELECT listing_stats.price_history_json('listing', 1);
SELECT listing_stats.price_history_json('price', gen_random_uuid());

RESET SESSION AUTHORIZATION;
DROP SCHEMA history CASCADE;
DROP OWNED BY regress_listing_stats_reader;
DROP ROLE regress_listing_stats_reader;
