-- Reading prices by keys of several columns: the same rows as plain SQL, however keys are given and whatever way the query takes.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_reader;
CREATE ROLE regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA composite;
SET search_path = composite;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
CREATE TABLE stocked (store_id int, product_id varchar(9), PRIMARY KEY (store_id, product_id));
CREATE TABLE price (gone int, id serial PRIMARY KEY, store smallint, product text, created timestamptz NOT NULL, value numeric(10,2), note text);
ALTER TABLE price DROP COLUMN gone;
INSERT INTO stocked VALUES (1, 'tent'), (2, 'tent'), (1, 'a, "b"'), (3, 'none');
INSERT INTO price (store, product, created, value, note) VALUES
    (1, 'tent', '2026-01-01', 90, 'a'), (1, 'tent', '2026-01-03', 91, 'b'), (2, 'tent', '2026-01-02', 95, 'c'), (1, 'a, "b"', '2026-01-02', 7, 'd'),
    (1, NULL, '2026-01-05', 1, 'no key'), (NULL, 'tent', '2026-01-05', 2, 'no key'), (9, 'tent', '2026-01-04', NULL, 'no listing');

-- Named, of a table that is not attached: whole rows of all, of given keys, as of a time
SELECT store, product, note FROM listing_stats.latest_rows(NULL::price, key => 'store, product') ORDER BY store, product;
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY[(1, 'tent'), (9, 'tent'), (5, 'tent'), NULL, (1, 'tent')], key => 'store, product') ORDER BY note;
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY[('tent', 1)], '2026-01-02', key => ' product ,"store"') ORDER BY note;
-- by name of one of the columns: another key
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY['tent'], key => 'product');

-- Attached: by the names of the attachment, in its order, and by those of the caller in his
SELECT key, listing_key FROM listing_stats.attach('stocked', 'price', key => 'store, product', listing_key => 'store_id, product_id', null_value => 'skip');
SELECT note FROM listing_stats.latest_rows(NULL::price) ORDER BY note;
SELECT * FROM listing_stats.latest_prices('price', NULL::text[]) ORDER BY key;
SELECT * FROM listing_stats.latest_prices('price', ARRAY['(1,tent)', '(2,"tent")', '(7,x)', NULL, '(1,)']) ORDER BY key;
SELECT * FROM listing_stats.latest_prices('price', ARRAY['(tent,1)'], key => 'product, store');
SELECT l.product_id, p.value FROM stocked l LEFT JOIN listing_stats.latest_prices('price', NULL::text[]) p ON p.key = (l.store_id, l.product_id)::text ORDER BY 1, 2;

-- Keys are rows of any kind, or their text: an array of rows, of a composite type, of rows of a table, of texts
CREATE TYPE place AS (store bigint, product char(9));
CREATE DOMAIN place_to_be AS place CHECK ((VALUE).store > 0);
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY[(1, 'tent')::place]);
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY[(1, 'tent')::place_to_be]);
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY(SELECT l FROM (SELECT store_id, product_id FROM stocked) l)) ORDER BY note;
SELECT note FROM listing_stats.latest_rows(NULL::price, (SELECT array_agg(l) FROM stocked l)) ORDER BY note; -- it has last_price too

SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY(SELECT (s, p) FROM unnest('{1,2}'::int[], '{tent,tent}'::text[]) AS k (s, p))) ORDER BY note;
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY['(1,tent)']);
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY['(1,"a, ""b""")']::varchar[]);
SELECT note FROM listing_stats.latest_rows(NULL::price, '{"(2,tent)"}');
SELECT note FROM listing_stats.latest_rows(NULL::price, ARRAY[(1::bigint, 'tent'::name)]);
-- what a column cannot have is no key; nor is a row that has a NULL
SELECT count(*) FROM listing_stats.latest_rows(NULL::price, ARRAY[(65537, 'tent'), (1, NULL), (NULL, NULL)]);
SELECT count(*) FROM listing_stats.latest_rows(NULL::price, '{}'::text[]);
SELECT count(*) FROM listing_stats.latest_rows(NULL::price, ARRAY[]::record[]);

-- One key
SELECT listing_stats.latest_price('price', (1, 'tent')), listing_stats.latest_price('price', '(1,tent)'), listing_stats.latest_price('price', ('tent', 1), key_column => 'product, store');
SELECT listing_stats.latest_price('price', (1, 'tent'), '2026-01-02'), listing_stats.latest_price('price', (1, 'tent'), '2025-01-02') IS NULL AS before, listing_stats.latest_price('price', (1, NULL)) IS NULL AS none, listing_stats.latest_price('price', NULL) IS NULL AS unknown;
SELECT store_id, listing_stats.latest_price('price', (store_id, product_id)) FROM stocked WHERE listing_stats.latest_price('price', (store_id, product_id)) < 95 ORDER BY 1, 2;
SELECT listing_stats.price_history_json('price', (1, 'tent'));
SELECT listing_stats.price_history_json('price', '(1,tent)', 1), listing_stats.price_history_json('price', (1, NULL)), listing_stats.price_history_json('price', (4, 'tent'));
SELECT listing_stats.read_price_history('price', (1, 'tent')), listing_stats.step_count(listing_stats.read_price_history('price', (4, 'tent')));
-- within a statement that does the same for other rows
CREATE FUNCTION latest(int, text) RETURNS numeric LANGUAGE plpgsql AS $$ BEGIN RETURN listing_stats.latest_price('composite.price', ($1, $2)); END $$;
SELECT latest(1, 'tent'), latest(2, 'tent'), latest(1, 'tent');
-- verify and refresh
CALL listing_stats.refresh('stocked', 'price');
SELECT count(*) FROM listing_stats.verify('stocked', 'price');
UPDATE price SET product = 'none', store = 3 WHERE note = 'd';
SELECT store_id, product_id, last_price FROM stocked ORDER BY 1, 2;

-- By the foreign key, if there is one
CREATE TABLE other (tenant int, no uuid, PRIMARY KEY (no, tenant));
CREATE TABLE other_price (id serial PRIMARY KEY, no uuid, tenant int, created date NOT NULL, value float8, FOREIGN KEY (tenant, no) REFERENCES other (tenant, no));
INSERT INTO other SELECT i % 2, md5((i / 2)::text)::uuid FROM generate_series(1, 9) i;
INSERT INTO other_price (tenant, no, created, value) SELECT tenant, no, date '2026-01-01' + i % 7, i FROM other, generate_series(1, 20) i;
SELECT count(*), min(value), max(value) FROM listing_stats.latest_prices('other_price', NULL::text[]);
SELECT value FROM listing_stats.latest_rows(NULL::other_price, ARRAY[(1, md5('1')::uuid)]);
ALTER TABLE other_price ADD shop int REFERENCES price;
SELECT count(*) FROM listing_stats.latest_rows(NULL::other_price);
SELECT count(*) FROM listing_stats.latest_rows(NULL::other_price, key => 'no, tenant');

-- The same rows as DISTINCT ON
CREATE FUNCTION differences(price regclass, as_of timestamptz DEFAULT NULL, key text DEFAULT 'a, b') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint;
BEGIN
    EXECUTE format($sql$
        WITH expected AS MATERIALIZED (
            SELECT DISTINCT ON (a, b) (%2$s) AS k, x::text AS row FROM %1$s x WHERE a IS NOT NULL AND b IS NOT NULL AND ($1 IS NULL OR at <= $1)
            ORDER BY a, b, at DESC NULLS LAST, id DESC
        ), answer AS MATERIALIZED (
            SELECT (%2$s) AS k, x::text AS row FROM listing_stats.latest_rows(NULL::%1$s, as_of => $1, key => %2$L, at => 'at', value => 'v') x
        ), chosen AS MATERIALIZED (
            SELECT k, row FROM (SELECT *, row_number() OVER (ORDER BY hashtext(k::text)) AS n FROM expected) _ WHERE n %% 3 = 1
        ), few AS MATERIALIZED (
            SELECT (%2$s) AS k, x::text AS row FROM listing_stats.latest_rows(NULL::%1$s, (SELECT array_agg(k) FROM chosen), $1, %2$L, 'at', 'v') x
        ), prices AS MATERIALIZED (
            SELECT * FROM listing_stats.latest_prices(%1$L, NULL::text[], $1, %2$L, 'at', 'v')
        ), few_prices AS MATERIALIZED (
            SELECT * FROM listing_stats.latest_prices(%1$L, (SELECT array_agg(k::text) FROM chosen), $1, %2$L, 'at', 'v')
        )
        SELECT (SELECT count(*) FROM (TABLE expected EXCEPT ALL TABLE answer) _) + (SELECT count(*) FROM (TABLE answer EXCEPT ALL TABLE expected) _)
            + (SELECT count(*) FROM (TABLE chosen EXCEPT ALL TABLE few) _) + (SELECT count(*) FROM (TABLE few EXCEPT ALL TABLE chosen) _)
            + (SELECT count(*) FROM ((SELECT k::text, (row::%1$s).at, (row::%1$s).v::numeric FROM expected) EXCEPT ALL TABLE prices) _) + abs((SELECT count(*) FROM prices) - (SELECT count(*) FROM expected))
            + (SELECT count(*) FROM (SELECT k::text, (row::%1$s).at, (row::%1$s).v::numeric FROM few EXCEPT ALL TABLE few_prices) _) + abs((SELECT count(*) FROM few_prices) - (SELECT count(*) FROM few))
            + (SELECT count(*) FROM expected WHERE listing_stats.latest_price(%1$L, k, $1, %2$L, 'at', 'v') IS DISTINCT FROM (row::%1$s).v)
    $sql$, price, key) INTO result USING as_of;
    RETURN result;
END $$;
CREATE TABLE plain (v int, b text, at timestamptz, a int, id serial PRIMARY KEY, note text);
INSERT INTO plain (v, a, b, at, note) SELECT i, CASE WHEN i % 50 > 0 THEN i % 7 END, CASE WHEN i % 41 > 0 THEN 'b' || i % 5 END, CASE WHEN i % 9 > 0 THEN timestamptz '2026-01-01' + i % 20 * interval '1 day' END, 'note ' || i FROM generate_series(1, 2000) i;
SELECT differences('plain'), differences('plain', '2026-01-05'), differences('plain', key => 'b, a');
-- one index after the other, also with the columns the other way round, and backwards
CREATE INDEX one ON plain (b);
ANALYZE plain;
SELECT differences('plain'), differences('plain', '2026-01-05'), differences('plain', key => 'b, a');
CREATE INDEX two ON plain (b, a, at DESC NULLS LAST, id DESC);
SELECT differences('plain'), differences('plain', '2026-01-05'), differences('plain', key => 'b, a');
-- few keys that have many prices: from key to key
UPDATE plain SET a = a % 2, b = 'b' || length(b) % 2;
VACUUM ANALYZE plain;
SELECT differences('plain'), differences('plain', '2026-01-05'), differences('plain', key => 'b, a');
DROP INDEX two;
CREATE INDEX two ON plain (a DESC, b DESC, at DESC NULLS LAST, id DESC) INCLUDE (v);
SELECT differences('plain'), differences('plain', '2026-01-05'), differences('plain', key => 'b, a');
DROP INDEX two;
CREATE INDEX two ON plain (a, b DESC, at DESC NULLS LAST, id DESC);
SELECT differences('plain'), differences('plain', '2026-01-05'), differences('plain', key => 'b, a');
DROP INDEX two;
CREATE INDEX two ON plain (a, b, at DESC NULLS LAST, id DESC) INCLUDE (v);
SELECT differences('plain'), differences('plain', '2026-01-05'), differences('plain', key => 'b, a');
-- by time alone, by the key, by another column
CREATE TABLE parts (v int, a uuid, b date, at timestamptz NOT NULL, id bigserial, note text, PRIMARY KEY (a, b, at, id)) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2026-01-10');
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
INSERT INTO parts (v, a, b, at, note) SELECT i, md5((i % 7)::text)::uuid, date '2026-01-01' + i % 3, timestamptz '2026-01-01' + i % 20 * interval '1 day', 'note ' || i FROM generate_series(1, 200) i;
SELECT differences('parts'), differences('parts', '2026-01-05'), differences('parts_1', key => 'b, a');
CREATE TABLE hashed (v int, a uuid, b date, at timestamptz NOT NULL, id bigserial, note text, PRIMARY KEY (a, b, at, id)) PARTITION BY HASH (a, b);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hashed TABLE parts;
ANALYZE parts, hashed;
SELECT differences('hashed'), differences('hashed', '2026-01-05'), differences('hashed', key => 'b, a');
CREATE TABLE listed (v int, a int, b text, at timestamptz NOT NULL, id bigserial, note text) PARTITION BY LIST (a);
CREATE TABLE listed_1 PARTITION OF listed FOR VALUES IN (0, 1);
CREATE TABLE listed_2 PARTITION OF listed DEFAULT;
ALTER TABLE listed ADD PRIMARY KEY (id, a);
INSERT INTO listed SELECT v, a, b, at, id, note FROM plain WHERE at IS NOT NULL AND a IS NOT NULL;
SELECT differences('listed'), differences('listed', '2026-01-05');
CREATE VIEW seen AS SELECT v, a, b, at + id * interval '1 us' AS at, id, note AS "a note" FROM plain WHERE v % 2 = 0;
SELECT differences('seen'), differences('seen', '2026-01-05');
-- domains, an enum, numbers with decimals, a collation of its own; equal keys that do not look the same
CREATE TYPE kind AS ENUM ('ask', 'bid');
CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE strange ("Of A" positive, b kind, "c,d" text COLLATE any_case, at timestamp, id serial PRIMARY KEY, v float4);
INSERT INTO strange ("Of A", b, "c,d", at, v) SELECT (1 + i % 3)::numeric(9,2) + 0.50, (ARRAY['ask', 'bid'])[1 + i % 2]::kind, (ARRAY['x', 'X', 'y'])[1 + i % 3], timestamp '2026-01-01' + i * interval '1 day', i / 8.0 FROM generate_series(1, 40) i;
SELECT count(*), sum(v) FROM (SELECT DISTINCT ON ("Of A", b, "c,d") v FROM strange ORDER BY "Of A", b, "c,d", at DESC, id DESC) _;
SELECT count(*), sum(v) FROM listing_stats.latest_rows(NULL::strange, key => '"Of A", b, "c,d"', at => 'at', value => 'v');
SELECT count(*), sum(value) FROM listing_stats.latest_prices('strange', NULL::text[], key => '"Of A", b, "c,d"', at => 'at', value => 'v');
SELECT "c,d", v FROM listing_stats.latest_rows(NULL::strange, ARRAY[(2.5, 'bid'::kind, 'X'), (2.500, 'bid'::kind, 'x'), ('2.5', 'bid', 'x')], key => '"Of A", b, "c,d"', at => 'at', value => 'v');
SELECT listing_stats.latest_price('strange', (2.5, 'bid', 'x'), key_column => '"Of A", b, "c,d"', at => 'at', value => 'v');

-- As the caller: privileges, policies
GRANT USAGE ON SCHEMA composite TO regress_listing_stats_reader;
GRANT SELECT (store, created, value, id) ON price TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT count(*) FROM listing_stats.latest_prices('composite.price', NULL::text[]);
SELECT listing_stats.latest_price('composite.price', (1, 'tent'));
SET SESSION AUTHORIZATION regress_listing_stats;
GRANT SELECT ON price TO regress_listing_stats_reader;
ALTER TABLE price ENABLE ROW LEVEL SECURITY;
CREATE POLICY early ON price TO regress_listing_stats_reader USING (created < '2026-01-02');
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.latest_price('composite.price', (1, 'tent')), (SELECT count(*) FROM listing_stats.latest_rows(NULL::composite.price));
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT listing_stats.latest_price('price', (1, 'tent'));
-- after a rename, and a change of type
ALTER TABLE price RENAME product TO article;
ALTER TABLE price ALTER store TYPE bigint;
SELECT listing_stats.latest_price('price', (1, 'tent')), listing_stats.latest_price('price', (1, 'tent'), key_column => 'store, article'), (SELECT count(*) FROM listing_stats.latest_rows(NULL::price, ARRAY[(10000000000, 'tent')]));
-- searched for in no path
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.no(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
CREATE FUNCTION hostile.no(record, record) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
CREATE OPERATOR hostile.= (FUNCTION = hostile.no, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR hostile.> (FUNCTION = hostile.no, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR hostile.> (FUNCTION = hostile.no, LEFTARG = record, RIGHTARG = record);
SET search_path = hostile, pg_catalog;
SELECT note FROM listing_stats.latest_rows(NULL::composite.price, ARRAY[(1, 'tent')]);
SELECT count(*) FROM listing_stats.latest_prices('composite.price', NULL::text[]);
SET search_path = composite;

-- Errors
\set VERBOSITY default
SELECT * FROM listing_stats.latest_prices('price');
SELECT * FROM listing_stats.latest_prices('price', ARRAY[1]);
SELECT * FROM listing_stats.latest_rows(NULL::price, ARRAY[1]);
SELECT listing_stats.latest_price('price', 7);
SELECT listing_stats.latest_price('price', (1, 'tent', 2));
SELECT listing_stats.latest_price('price', (1.5, 'tent'));
SELECT listing_stats.latest_price('price', '(1,tent');
SELECT listing_stats.latest_price('price', '(x,tent)');
SELECT listing_stats.latest_price('price', (1, 2), key_column => 'store, nothing');
SELECT listing_stats.latest_price('price', (1, 2), key_column => 'store, store');
SELECT listing_stats.latest_price('price', (1, 2), key_column => 'store,');
SELECT listing_stats.latest_price('price', (1, 2), key_column => 'a,b,c,d,e,f,g,h,i');
SELECT listing_stats.latest_price('price', (1, 2), key_column => repeat('a', 300));
SELECT listing_stats.latest_price('price', ROW(1), key_column => 'store');
SELECT count(*) FROM listing_stats.attach('stocked', 'price', key => 'article', listing_key => 'product_id', last_price => 'of_all_stores');
CREATE TABLE article (id text PRIMARY KEY);
SELECT count(*) FROM listing_stats.attach('article', 'price', key => 'article', listing_key => 'id');
SELECT listing_stats.latest_price('price', (1, 'tent'));
SELECT listing_stats.latest_price('price', (1, 'tent'), key_column => 'store, article'), listing_stats.latest_price('price', 'tent', key_column => 'article');
CREATE TABLE point_price (id serial PRIMARY KEY, a int, p point, created timestamptz NOT NULL, value int);
SELECT listing_stats.latest_price('point_price', (1, '(1,1)'), key_column => 'a, p');
RESET SESSION AUTHORIZATION;
DROP SCHEMA composite CASCADE;
DROP SCHEMA hostile CASCADE;
DROP ROLE regress_listing_stats_reader;
