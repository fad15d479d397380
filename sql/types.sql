-- Keys of any type with a btree operator class; times and prices of the types people use.  Identifiers as in test/README.md.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA types;
SET search_path = types;
SET client_min_messages = warning;

-- Attaches a pair of tables with these types, writes to it in every way, and compares.
CREATE FUNCTION try(listing_key text, price_key text, at text, value text, foreign_key boolean,
                    keys text[], times text[], "values" text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    DROP TABLE IF EXISTS price, listing;
    EXECUTE format('CREATE TABLE listing (k %s PRIMARY KEY, n int)', listing_key);
    EXECUTE format('CREATE TABLE price (id serial PRIMARY KEY, k %s %s, t %s, v %s)', price_key,
                   CASE WHEN foreign_key THEN 'REFERENCES listing ON UPDATE CASCADE' ELSE '' END, at, value);
    EXECUTE format('INSERT INTO listing SELECT unnest($1)::%s', listing_key) USING keys;
    EXECUTE format('INSERT INTO price (k, t, v) SELECT k::%s, t::%s, v::%s FROM unnest($1) k, unnest($2, $3) AS u (t, v)', price_key, at, value)
    USING keys, times, "values";
    PERFORM listing_stats.attach('listing', 'price', key => 'k', at => 't', value => 'v', last_price_at => 'last_price_at');
    EXECUTE format('INSERT INTO price (k, t, v) SELECT k::%s, t::%s, v::%s FROM unnest($1) k, unnest($2, $3) AS u (t, v)', price_key, at, value)
    USING keys, times, "values";
    EXECUTE format('UPDATE price SET v = NULL WHERE k = $1[1]::%s AND t = $2[1]::%s', price_key, at) USING keys, times;
    EXECUTE format('DELETE FROM price WHERE k = $1[2]::%s AND t = (SELECT max(t) FROM price)', price_key) USING keys, times;
    DELETE FROM price WHERE k = (SELECT k FROM price ORDER BY k DESC LIMIT 1);
    SELECT string_agg(l.k::text || ':' || coalesce(l.last_price::text, 'NULL'), ' ' ORDER BY l.k)
           || CASE WHEN EXISTS (
               SELECT k, last_price, last_price_at FROM listing
               EXCEPT ALL
               SELECT l.k, (SELECT v FROM price p WHERE p.k = l.k ORDER BY t DESC NULLS LAST, id DESC LIMIT 1),
                      (SELECT t FROM price p WHERE p.k = l.k ORDER BY t DESC NULLS LAST, id DESC LIMIT 1) FROM listing l)
               THEN ' WRONG' ELSE '' END
    INTO result FROM listing l;
    RETURN result;
END $$;

-- V8: keys
SELECT try('smallint', 'smallint', 'timestamptz', 'numeric', true, '{1,-2,3}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('integer', 'integer', 'timestamptz', 'numeric', true, '{1,-2,2147483647}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('bigint', 'integer', 'timestamptz', 'numeric', true, '{1,-2,3}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('integer', 'bigint', 'timestamptz', 'numeric', true, '{1,-2,3}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('smallint', 'bigint', 'timestamptz', 'numeric', false, '{1,-2,3}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('text', 'text', 'timestamptz', 'numeric', true, '{a,"b c",""}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('varchar(5)', 'text', 'timestamptz', 'numeric', true, '{a,"b''c",d}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('text', 'varchar', 'timestamptz', 'numeric', false, '{a,b,c}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('char(4)', 'char(4)', 'timestamptz', 'numeric', true, '{a,b,c}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('uuid', 'uuid', 'timestamptz', 'numeric', true, '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002,ffffffff-0000-0000-0000-000000000002}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('numeric', 'numeric', 'timestamptz', 'numeric', true, '{1.0,1e30,-5}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('date', 'date', 'timestamptz', 'numeric', true, '{2026-01-01,2026-01-02,infinity}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('bytea', 'bytea', 'timestamptz', 'numeric', true, '{\\x00,\\x01,\\xff}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('inet', 'inet', 'timestamptz', 'numeric', true, '{10.0.0.1,10.0.0.2,::1}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('int4range', 'int4range', 'timestamptz', 'numeric', true, '{"[1,2)","[2,5)","[7,8)"}', '{2026-01-01,2026-01-02}', '{1,2}');
CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
SELECT try('colour', 'colour', 'timestamptz', 'numeric', true, '{red,green,blue}', '{2026-01-01,2026-01-02}', '{1,2}');
CREATE DOMAIN code AS text CHECK (value <> 'x');
SELECT try('code', 'text', 'timestamptz', 'numeric', true, '{a,b,c}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('text', 'code', 'timestamptz', 'numeric', true, '{a,b,c}', '{2026-01-01,2026-01-02}', '{1,2}');
CREATE DOMAIN number AS integer;
SELECT try('number', 'bigint', 'timestamptz', 'numeric', true, '{1,2,3}', '{2026-01-01,2026-01-02}', '{1,2}');
CREATE COLLATION IF NOT EXISTS ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT try('text COLLATE ignore_case', 'text COLLATE ignore_case', 'timestamptz', 'numeric', true, '{a,b,C}', '{2026-01-01,2026-01-02}', '{1,2}');
INSERT INTO price (k, t, v) VALUES ('A', '2027-01-01', 5), ('a', '2027-01-01', 6), ('B', '2027-01-01', 7);
SELECT k, last_price FROM listing ORDER BY k;

-- citext: equal is what its operators say, which are not in the search_path
CREATE SCHEMA types_citext;
CREATE EXTENSION citext SCHEMA types_citext;
SELECT try('types_citext.citext', 'types_citext.citext', 'timestamptz', 'numeric', false, '{a,B,c}', '{2026-01-01,2026-01-02}', '{1,2}');
SELECT try('types_citext.citext', 'types_citext.citext', 'timestamptz', 'numeric', true, '{a,B,c}', '{2026-01-01,2026-01-02}', '{1,2}');
INSERT INTO price (k, t, v) VALUES ('A', '2027-01-01', 5), ('a', '2027-01-01', 6), ('b', '2027-01-01', 7), ('C', '2027-01-01', 8);
SELECT k, last_price FROM listing ORDER BY k;
DELETE FROM price WHERE v = 6;
UPDATE price SET k = 'B' WHERE v = 5;
UPDATE listing SET k = 'C' WHERE last_price = 8;
SELECT k, last_price FROM listing ORDER BY k;
SELECT * FROM listing_stats.verify('listing', 'price');

-- V4, V7: times
SELECT try('int', 'int', 'timestamp', 'numeric', true, '{1,2,3}', '{2026-03-29 02:30,2026-03-29 01:59,infinity,-infinity}', '{1,2,3,4}');
SELECT try('int', 'int', 'timestamptz', 'numeric', true, '{1,2,3}', '{2026-10-25 02:30+02,2026-10-25 02:30+01,-infinity}', '{1,2,3}');
SELECT try('int', 'int', 'date', 'numeric', true, '{1,2,3}', '{2026-01-01,2025-01-01,0001-01-01 BC}', '{1,2,3}');
SELECT try('int', 'int', 'bigint', 'numeric', true, '{1,2,3}', '{1767225600,1767225601,-5}', '{1,2,3}');
SELECT try('int', 'int', 'smallint', 'numeric', true, '{1,2,3}', '{1,2,-5}', '{1,2,3}');
SELECT try('int', 'int', 'numeric(20,6)', 'numeric', true, '{1,2,3}', '{1767225600.000001,1767225600.000002,NaN}', '{1,2,3}');
SELECT try('int', 'int', 'double precision', 'numeric', true, '{1,2,3}', '{1.5,1.25,-0}', '{1,2,3}');

-- V5: prices
SELECT try('int', 'int', 'int', 'numeric(10,2)', true, '{1,2,3}', '{1,2,3}', '{1,2.005,99999999.99}');
SELECT try('int', 'int', 'int', 'numeric', true, '{1,2,3}', '{1,2,3}', '{1e-1000,1.50,1e1000}') = '1:' || 1e1000::numeric || ' 2:1.50 3:NULL';
SELECT try('int', 'int', 'int', 'integer', true, '{1,2,3}', '{1,2,3}', '{1,2,-2147483648}');
SELECT try('int', 'int', 'int', 'bigint', true, '{1,2,3}', '{1,2,3}', '{1,2,9223372036854775807}');
SELECT try('int', 'int', 'int', 'smallint', true, '{1,2,3}', '{1,2,3}', '{1,2,32767}');
SELECT try('int', 'int', 'int', 'double precision', true, '{1,2,3}', '{1,2,3}', '{0.1,-0,NaN}');
CREATE DOMAIN amount AS numeric(12,4) CHECK (value >= 0);
SELECT try('int', 'int', 'int', 'amount', true, '{1,2,3}', '{1,2,3}', '{1,2.00005,3}');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'listing'::regclass AND attname = 'last_price';

-- a wider target keeps what it is given
DROP TABLE price, listing;
CREATE TABLE listing (k int PRIMARY KEY, last_price numeric, small bigint);
CREATE TABLE price (id int PRIMARY KEY, k int REFERENCES listing, t int, v numeric(10,2), i smallint);
INSERT INTO listing VALUES (1);
SELECT last_price FROM listing_stats.attach('listing', 'price', at => 't', value => 'v');
INSERT INTO price VALUES (1, 1, 1, 1.5, 7);
TABLE listing;
SELECT listing_stats.detach('listing', 'price');
SELECT value FROM listing_stats.attach('listing', 'price', key => 'k', at => 't', value => 'i', last_price => 'small');
TABLE listing;

-- V12: generated columns, virtual where there are such
SELECT current_setting('server_version_num')::int >= 180000 AS has_virtual \gset
\if :has_virtual
\set kind VIRTUAL
\else
\set kind STORED
\endif
DROP TABLE price, listing;
CREATE TABLE listing (k int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, k int REFERENCES listing, t int, net numeric, v numeric GENERATED ALWAYS AS (net * 2) :kind);
INSERT INTO listing VALUES (1);
INSERT INTO price VALUES (1, 1, 1, 5);
SELECT last_price FROM listing_stats.attach('listing', 'price', at => 't', value => 'v', lowest_price => 'lowest_price', price_count => 'price_count');
INSERT INTO price VALUES (2, 1, 0, 4);
TABLE listing;
UPDATE price SET net = 6 WHERE id = 1;
TABLE listing;
SELECT count(*) FROM pg_index WHERE indrelid = 'price'::regclass;
-- A key that is virtual cannot be attached; one that becomes it is refused.
ALTER TABLE price DROP COLUMN k, ADD COLUMN l int, ADD COLUMN k int GENERATED ALWAYS AS (l) :kind;
DO $$
DECLARE
    has_virtual boolean := current_setting('server_version_num')::int >= 180000;
    refused boolean := false;
BEGIN
    BEGIN
        INSERT INTO price VALUES (3, 2, 8);
    EXCEPTION WHEN feature_not_supported THEN
        refused := SQLERRM LIKE 'column "k" of table "price" is a virtual generated column and %';
    END;
    IF refused <> has_virtual THEN
        RAISE EXCEPTION 'refused: %', refused;
    END IF;
END $$;

-- V8: keys of two collations, in which the same texts are equal; composite keys
DROP TABLE price, listing;
CREATE TABLE listing (k text COLLATE "C" PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, k text COLLATE "POSIX" REFERENCES listing, t int NOT NULL, v numeric);
INSERT INTO listing VALUES ('a'), ('b'), ('B');
INSERT INTO price VALUES (1, 'a', 1, 1), (2, 'B', 1, 2);
SELECT last_price FROM listing_stats.attach('listing', 'price', at => 't', value => 'v', price_count => 'price_count');
INSERT INTO price VALUES (3, 'a', 2, 3), (4, 'b', 2, 4);
UPDATE price SET v = 5 WHERE k = 'B';
SELECT * FROM listing ORDER BY k;
SELECT * FROM listing_stats.verify('listing', 'price');
TRUNCATE price;
SELECT * FROM listing ORDER BY k;
CREATE TYPE pair AS (a int, b int);
CREATE TABLE pairs (k pair PRIMARY KEY);
CREATE TABLE price_of_pair (id int PRIMARY KEY, k pair REFERENCES pairs, t int NOT NULL, v numeric);
SELECT last_price FROM listing_stats.attach('pairs', 'price_of_pair', at => 't', value => 'v');

-- V8, V9: keys that change their type in a transaction that has written prices before their listing
DROP TABLE price, listing;
CREATE TABLE listing (k text PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, k text, t int NOT NULL, v numeric, CONSTRAINT refers FOREIGN KEY (k) REFERENCES listing DEFERRABLE INITIALLY DEFERRED);
SELECT last_price FROM listing_stats.attach('listing', 'price', at => 't', value => 'v');
BEGIN;
SAVEPOINT a;
INSERT INTO price (k, t, v) SELECT i, 1, i FROM generate_series(1001, 1064) i;
INSERT INTO listing SELECT generate_series(1001, 1064);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE price DROP CONSTRAINT refers, ALTER k TYPE int USING k::int;
ALTER TABLE listing ALTER k TYPE int USING k::int;
ALTER TABLE price ADD CONSTRAINT refers FOREIGN KEY (k) REFERENCES listing DEFERRABLE INITIALLY DEFERRED;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO price (k, t, v) SELECT i, 1, i FROM generate_series(101, 165) i;
INSERT INTO listing SELECT generate_series(101, 165);
COMMIT;
SELECT count(last_price), sum(last_price) FROM listing;
SELECT * FROM listing_stats.verify('listing', 'price');
-- what was looked for too early is compared when the transaction commits, and nobody's code runs then
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('types.commits', true) = 'on' THEN
        RAISE 'code runs when the transaction commits';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON listing FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE PROCEDURE come_late(key int, new_type text, unseen boolean) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO price (k, t, v) VALUES (key, 1, 1);
    SET CONSTRAINTS listing_stats._late IMMEDIATE;
    IF unseen THEN
        ALTER TABLE listing DISABLE TRIGGER "LISTING_STATS_1";
    END IF;
    INSERT INTO listing VALUES (key);
    ALTER TABLE listing ENABLE TRIGGER "LISTING_STATS_1";
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE price DROP CONSTRAINT refers;
    EXECUTE format('ALTER TABLE price ALTER k TYPE %1$s USING k::%1$s', new_type);
    EXECUTE format('ALTER TABLE listing ALTER k TYPE %1$s USING k::%1$s', new_type);
    ALTER TABLE price ADD CONSTRAINT refers FOREIGN KEY (k) REFERENCES listing DEFERRABLE INITIALLY DEFERRED;
    SET LOCAL types.commits = on;
END $$;
BEGIN;
CALL come_late(9, 'text', true);
COMMIT;
\echo :SQLSTATE
BEGIN;
CALL come_late(9, 'text', false);
COMMIT;
\echo :SQLSTATE
SELECT k, last_price FROM listing WHERE k = '9';

-- many keys in one statement, of each type
DROP TABLE IF EXISTS price, listing;
CREATE FUNCTION try_many(key_type text, number_to_key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('CREATE TABLE listing (k %s PRIMARY KEY)', key_type);
    EXECUTE format('CREATE TABLE price (id serial PRIMARY KEY, k %s NOT NULL REFERENCES listing, t timestamptz NOT NULL, v numeric)', key_type);
    EXECUTE format('INSERT INTO listing SELECT %s FROM generate_series(1, 100) i', number_to_key);
    PERFORM listing_stats.attach('listing', 'price', at => 't', value => 'v');
    EXECUTE format('INSERT INTO price (k, t, v) SELECT %s, ''2026-01-01'', i FROM generate_series(1, 90) i', number_to_key);
    DELETE FROM price WHERE id % 9 = 0;
    SELECT concat_ws(' ', count(last_price), sum(last_price), (SELECT count(*) FROM listing_stats.verify('listing', 'price'))) INTO result FROM listing;
    DROP TABLE listing, price;
    RETURN result;
END $$;
SELECT try_many('bigint', 'i'), try_many('smallint', 'i'), try_many('uuid', 'md5(i::text)::uuid'), try_many('text', $$'key ' || i$$), try_many('varchar(9) COLLATE "C"', $$'key ' || i$$),
    try_many('numeric', 'i'), try_many('date', $$date '2026-01-01' + i$$);
-- a name, which is a cstring in the key of an index
CREATE TABLE listing (k int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, k int NOT NULL REFERENCES listing, t timestamptz NOT NULL, v name);
CREATE INDEX ON price (k, t DESC, id DESC, v);
SELECT last_price FROM listing_stats.attach('listing', 'price', at => 't', value => 'v', last_price => 'last');
INSERT INTO listing SELECT generate_series(1, 100);
INSERT INTO price (k, t, v) SELECT i, '2026-01-01', 'name ' || i FROM generate_series(1, 100) i;
SELECT count(*), count(DISTINCT last), (SELECT count(*) FROM listing_stats.verify('listing', 'price')), count(*) FILTER (WHERE record_image_ne(ROW(last), ROW(last::text::name))) FROM listing;
DROP SCHEMA types, types_citext CASCADE;
