-- Whole rows of the latest prices: of all listings or of these, now or as of a time, with the columns of the table that the type names.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_reader;
CREATE ROLE regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA rows;
SET search_path = rows;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
CREATE TABLE listing (id bigint PRIMARY KEY);
INSERT INTO listing SELECT generate_series(1, 4);
CREATE TABLE price (gone int, id bigserial PRIMARY KEY, listing_id bigint NOT NULL REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2), p text, "of Shop" jsonb);
ALTER TABLE price DROP COLUMN gone;
INSERT INTO price (listing_id, created, value, p, "of Shop") VALUES
    (1, '2026-01-01', 10, 'a', '{"n": 1}'), (1, '2026-01-02', 12.5, 'b', NULL), (2, '2026-01-01', 20, 'c', '[]'), (2, '2026-01-01', 21, 'd', NULL), (3, '2026-01-03', NULL, repeat('long', 3), NULL);
ALTER TABLE price ADD added int DEFAULT 7;
SELECT * FROM listing_stats.latest_rows(NULL::price) ORDER BY listing_id;
SELECT * FROM listing_stats.latest_rows(NULL::price, ARRAY[3, 1, NULL, 1, 99]) ORDER BY listing_id;
SELECT listing_id, p, value + 1 AS more FROM listing_stats.latest_rows(NULL::price, ARRAY[1], '2026-01-01 12:00');
SELECT (r).id, (r).p FROM (SELECT listing_stats.latest_rows(NULL::price, ARRAY['2']) AS r) _;
SELECT l.id, r.p FROM listing l LEFT JOIN listing_stats.latest_rows(NULL::price) r ON r.listing_id = l.id ORDER BY l.id;
-- the value of the argument does not matter
SELECT count(*) FROM listing_stats.latest_rows((SELECT x FROM price x LIMIT 1));
SELECT pg_typeof(r) FROM listing_stats.latest_rows(NULL::price, ARRAY[1]) r;
-- attached: the order of the attachment, and a NULL price that does not count
SELECT null_value FROM listing_stats.attach('listing', 'price', null_value => 'skip');
INSERT INTO price (listing_id, created, value, p) VALUES (1, '2026-01-09', NULL, 'unknown');
SELECT listing_id, p FROM listing_stats.latest_rows(NULL::price) ORDER BY listing_id;
SELECT listing_id, p FROM listing_stats.latest_rows(NULL::price, value => 'value') ORDER BY listing_id;

-- Of any value, or of none: statuses, documents; named or not, attached or not
CREATE TYPE status AS ENUM ('sent', 'lost', 'there');
CREATE TABLE event (id serial PRIMARY KEY, parcel int, happened date NOT NULL, status status, details jsonb);
INSERT INTO event (parcel, happened, status, details) VALUES (1, '2026-01-01', 'sent', '{}'), (1, '2026-01-02', 'there', '{"by": 1}'), (2, '2026-01-01', 'sent', NULL), (2, '2026-01-03', NULL, '[]');
SELECT parcel, status FROM listing_stats.latest_rows(NULL::event, key => 'parcel', at => 'happened') ORDER BY parcel;
SELECT parcel, details FROM listing_stats.latest_rows(NULL::event, ARRAY[1], '2026-01-01', key => 'parcel', at => 'happened', value => 'details') ORDER BY parcel;
CREATE TABLE parcel (id int PRIMARY KEY);
INSERT INTO parcel VALUES (1), (2);
SELECT last_price FROM listing_stats.attach('parcel', 'event', key => 'parcel', value => 'status', last_price => 'status', null_value => 'skip');
SELECT parcel, status FROM listing_stats.latest_rows(NULL::event) ORDER BY parcel;
SELECT parcel, status FROM listing_stats.latest_rows(NULL::event, as_of => '2026-01-01') ORDER BY parcel;
SELECT parcel, status FROM listing_stats.latest_rows(NULL::event, value => 'details') ORDER BY parcel;
CREATE INDEX ON event (parcel, (details ->> 'by'), happened DESC);
ANALYZE event;
SELECT parcel, status FROM listing_stats.latest_rows(NULL::event, key => 'parcel', at => 'happened') ORDER BY parcel;
SELECT * FROM listing_stats.latest_prices('event');
SELECT * FROM listing_stats.latest_rows(NULL::event, value => 'nothing');
SELECT count(*) FROM listing_stats.latest_rows(NULL::price), listing_stats.latest_prices('price') WHERE listing_id = key;

-- The same rows as DISTINCT ON, whatever the table is and the way that the query takes
CREATE FUNCTION differences(price regclass, key_type text, as_of timestamptz DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint;
BEGIN
    EXECUTE format($sql$
        WITH expected AS MATERIALIZED (
            SELECT DISTINCT ON (k) k, x::text AS row FROM %1$s x WHERE k IS NOT NULL AND ($1 IS NULL OR at <= $1) ORDER BY k, at DESC NULLS LAST, id DESC
        ), answer AS MATERIALIZED (
            SELECT k, x::text AS row FROM listing_stats.latest_rows(NULL::%1$s, NULL::%2$s[], $1, 'k', 'at', 'v') x
        ), chosen AS MATERIALIZED (
            SELECT k, row FROM (SELECT *, row_number() OVER (ORDER BY hashtext(k::text)) AS n FROM expected) _ WHERE n %% 3 = 1
        ), few AS MATERIALIZED (
            SELECT k, x::text AS row FROM listing_stats.latest_rows(NULL::%1$s, (SELECT array_agg(k::%2$s) FROM chosen), $1, 'k', 'at', 'v') x
        )
        SELECT (SELECT count(*) FROM (TABLE expected EXCEPT ALL TABLE answer) _) + (SELECT count(*) FROM (TABLE answer EXCEPT ALL TABLE expected) _)
            + (SELECT count(*) FROM (TABLE chosen EXCEPT ALL TABLE few) _) + (SELECT count(*) FROM (TABLE few EXCEPT ALL TABLE chosen) _)
    $sql$, price, key_type) INTO result USING as_of;
    RETURN result;
END $$;
CREATE TABLE plain (v int, k bigint, at timestamptz, id serial PRIMARY KEY, note text);
INSERT INTO plain (v, k, at, note) SELECT i, CASE WHEN i % 50 > 0 THEN i % 37 END, CASE WHEN i % 9 > 0 THEN timestamptz '2026-01-01' + i % 20 * interval '1 day' END, 'note ' || i FROM generate_series(1, 2000) i;
SELECT differences('plain', 'bigint'), differences('plain', 'bigint', '2026-01-05'), differences('plain', 'text');
CREATE INDEX ON plain (k, at DESC NULLS LAST, id DESC);
ANALYZE plain;
SELECT differences('plain', 'bigint'), differences('plain', 'bigint', '2026-01-05'), differences('plain', 'text');
-- few keys that have many prices: from key to key
UPDATE plain SET k = k % 2;
VACUUM ANALYZE plain;
SELECT differences('plain', 'bigint'), differences('plain', 'bigint', '2026-01-05');
CREATE TABLE parts (v int, k uuid, at timestamptz NOT NULL, id bigserial, note text) PARTITION BY RANGE (at);
CREATE TABLE parts_1 (note text, gone int, id bigint NOT NULL, at timestamptz NOT NULL, k uuid, v int);
ALTER TABLE parts_1 DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM (MINVALUE) TO ('2026-01-10');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-01-10') TO (MAXVALUE);
ALTER TABLE parts ADD PRIMARY KEY (id, at);
CREATE INDEX ON parts (k, at DESC, id DESC);
INSERT INTO parts (v, k, at, note) SELECT i, md5((i % 7)::text)::uuid, timestamptz '2026-01-01' + i % 20 * interval '1 day', 'note ' || i FROM generate_series(1, 100) i;
SELECT differences('parts', 'uuid'), differences('parts', 'uuid', '2026-01-05'), differences('parts_1', 'uuid');
CREATE VIEW seen AS SELECT k, id, at + id * interval '1 us' AS at, v, note AS "a note" FROM plain WHERE v % 2 = 0;
SELECT differences('seen', 'bigint');
-- of a listing that everybody sees and of many partitions: looked up for each listing
SELECT count(*) FROM listing_stats.attach('listing', 'price', null_value => 'keep');
INSERT INTO price (listing_id, created, value, p) SELECT i % 4 + 1, timestamptz '2026-02-01' + i * interval '1 h', i, 'p' || i FROM generate_series(1, 2000) i;
ANALYZE price, listing;
SELECT listing_id, p FROM listing_stats.latest_rows(NULL::price) ORDER BY listing_id;

-- A row with NULLs is a known value, whichever way it is read
CREATE TYPE pair AS (a int, b int);
CREATE TABLE paired (id serial PRIMARY KEY, k int NOT NULL, at timestamptz NOT NULL, value pair NOT NULL);
CREATE TABLE pairs (id int PRIMARY KEY);
INSERT INTO pairs VALUES (1);
SELECT last_price FROM listing_stats.attach('pairs', 'paired', key => 'k', listing_key => 'id', value => 'value', null_value => 'skip');
INSERT INTO paired (k, at, value) VALUES (1, '2026-01-01', (1, 1)), (1, '2026-01-02', (NULL, 2));
SELECT last_price, r.value, t.value AS by_text FROM pairs, listing_stats.latest_rows(NULL::paired, ARRAY[1]) r, listing_stats.latest_rows(NULL::paired, ARRAY['1']) t;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT value AS by_query FROM listing_stats.latest_rows(NULL::paired, ARRAY[1]);
COMMIT;
-- Read from the index's pages where it can be, also without a value
SET client_min_messages = debug1;
\set SHOW_CONTEXT never
SELECT count(*) FROM listing_stats.latest_rows(NULL::paired, ARRAY[1]);
SELECT count(*) FROM listing_stats.latest_rows(NULL::plain, ARRAY[1], key => 'k', at => 'at');
SELECT count(*) FROM listing_stats.latest_rows(NULL::plain, key => 'k', at => 'at');
SET client_min_messages = warning;

-- As the caller: privileges on all columns, policies
GRANT USAGE ON SCHEMA rows TO regress_listing_stats_reader;
GRANT SELECT (listing_id, created, value, id) ON price TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT count(*) FROM listing_stats.latest_prices('rows.price');
SELECT count(*) FROM listing_stats.latest_rows(NULL::rows.price);
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT SELECT ON price TO regress_listing_stats_reader;
ALTER TABLE price ENABLE ROW LEVEL SECURITY;
CREATE POLICY early ON price TO regress_listing_stats_reader USING (created < '2026-02-01');
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_id, p FROM listing_stats.latest_rows(NULL::rows.price) ORDER BY listing_id;
SET SESSION AUTHORIZATION regress_listing_stats;
-- a prepared statement follows the table
PREPARE rows_of_one AS SELECT * FROM listing_stats.latest_rows(NULL::price, ARRAY[3], '2026-01-31');
EXECUTE rows_of_one;
ALTER TABLE price DROP COLUMN "of Shop";
SELECT * FROM listing_stats.latest_rows(NULL::price, ARRAY[3], '2026-01-31');
-- searched for in no path
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.no(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
CREATE OPERATOR hostile.= (FUNCTION = hostile.no, LEFTARG = bigint, RIGHTARG = bigint);
SET search_path = hostile, pg_catalog;
SELECT listing_id, p FROM listing_stats.latest_rows(NULL::rows.price, ARRAY[2]);
SET search_path = rows;

-- What is no row of a table, and what latest_prices() refuses too
\set VERBOSITY default
CREATE TYPE loose AS (k bigint, created timestamptz);
CREATE DOMAIN of_price AS price;
SELECT * FROM listing_stats.latest_rows(1);
SELECT * FROM listing_stats.latest_rows(NULL::loose);
SELECT * FROM listing_stats.latest_rows(NULL::of_price);
SELECT * FROM listing_stats.latest_rows(NULL);
SELECT listing_stats.latest_rows(row(1, 2));
SELECT * FROM listing_stats.latest_rows(NULL::listing);
SELECT * FROM listing_stats.latest_rows(NULL::price, '{1}'::uuid[]);
SELECT count(*) FROM listing_stats.latest_rows(NULL::price, NULL::uuid[]);
\set VERBOSITY sqlstate
SELECT * FROM listing_stats.latest_rows(1);
RESET SESSION AUTHORIZATION;
DROP SCHEMA rows CASCADE;
DROP SCHEMA hostile CASCADE;
DROP ROLE regress_listing_stats_reader;
