-- Ways to write prices and listings that no other test goes, on every kind of foreign key.  Identifiers as in
-- test/README.md; E stands for the events of hazard list 2.2.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA write_paths;
SET search_path = write_paths;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE FUNCTION "check"() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wrong text := (WITH stored AS (SELECT id::text, last_price, price_count FROM listing),
    recomputed AS (SELECT l.id::text, (array_agg(p.value ORDER BY p.created DESC, p.id DESC))[1], count(p.value) FROM listing l LEFT JOIN price p ON p.listing_id = l.id GROUP BY l.id)
    SELECT string_agg(d::text, ' ') FROM ((TABLE stored EXCEPT ALL TABLE recomputed) UNION ALL (TABLE recomputed EXCEPT ALL TABLE stored)) d);
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'wrong: %', wrong;
    END IF;
    IF EXISTS (SELECT FROM listing_stats.verify('write_paths.listing', 'write_paths.price')) THEN
        RAISE EXCEPTION 'verify() sees what is not';
    END IF;
    RETURN (SELECT string_agg(id || '=' || coalesce(last_price::text, 'NULL'), ' ' ORDER BY id) FROM listing);
END $$;

-- E: what a foreign key does to prices, with each of its actions
CREATE PROCEDURE try_actions(actions text) LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS price, listing;
    CREATE TABLE listing (id int PRIMARY KEY);
    EXECUTE 'CREATE TABLE price (id serial PRIMARY KEY, listing_id int DEFAULT 4 REFERENCES listing ' || actions || ', created int NOT NULL, value numeric)';
    PERFORM listing_stats.attach('listing', 'price', price_count => 'price_count');
    INSERT INTO listing SELECT generate_series(1, 4);
    INSERT INTO price (listing_id, created, value) SELECT i % 3 + 1, i, i FROM generate_series(1, 30) i;
    PERFORM "check"();
    DELETE FROM listing WHERE id = 1;
    PERFORM "check"();
    UPDATE listing SET id = 12 WHERE id = 2;
    RAISE WARNING '%: %', actions, "check"();
END $$;
CALL try_actions('ON DELETE CASCADE ON UPDATE CASCADE');
CALL try_actions('ON DELETE SET NULL ON UPDATE SET NULL');
CALL try_actions('ON DELETE SET DEFAULT ON UPDATE SET DEFAULT');
CALL try_actions('ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED');
CALL try_actions('ON DELETE SET NULL ON UPDATE SET DEFAULT DEFERRABLE INITIALLY DEFERRED');

-- E: cursors, views, prepared statements, functions in RETURNING, several statements in one string
DECLARE c CURSOR WITH HOLD FOR SELECT 1;
BEGIN;
DECLARE p CURSOR FOR SELECT * FROM price WHERE listing_id = 3 ORDER BY id FOR UPDATE;
FETCH 2 FROM p;
UPDATE price SET value = 1000, created = 1000 WHERE CURRENT OF p;
SELECT "check"();
FETCH FROM p;
DELETE FROM price WHERE CURRENT OF p;
SELECT "check"();
SAVEPOINT a;
FETCH FROM p;
DELETE FROM price WHERE CURRENT OF p;
ROLLBACK TO a;
SELECT "check"();
COMMIT;
CLOSE c;
CREATE VIEW prices AS SELECT id, listing_id AS l, created, value FROM price WHERE value > 0 WITH CHECK OPTION;
INSERT INTO prices (l, created, value) VALUES (3, 2000, 5);
UPDATE prices SET value = value + 1 WHERE l = 3;
DELETE FROM prices WHERE created = 2000;
SELECT "check"();
INSERT INTO prices (l, created, value) VALUES (3, 3000, -5);
\echo :SQLSTATE
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO write_paths.price (listing_id, created, value) VALUES (new.l, new.t, new.v); RETURN new; END $$;
CREATE VIEW feed AS SELECT listing_id AS l, created AS t, value AS v FROM price;
CREATE TRIGGER instead INSTEAD OF INSERT ON feed FOR EACH ROW EXECUTE FUNCTION instead();
INSERT INTO feed VALUES (3, 4000, 7), (4, 4000, 8);
SELECT "check"();
PREPARE add(int, int, numeric) AS INSERT INTO price (listing_id, created, value) VALUES ($1, $2, $3) RETURNING value;
EXECUTE add(3, 5000, 9);
EXECUTE add(4, 5000, 10);
ALTER TABLE price ADD COLUMN extra int DEFAULT 1;
EXECUTE add(3, 5001, 11);
SELECT "check"();
DO $$ BEGIN EXECUTE 'INSERT INTO write_paths.price (listing_id, created, value) VALUES (3, 6000, 12); DELETE FROM write_paths.price WHERE listing_id = 4'; END $$;
SELECT "check"();
INSERT INTO price (listing_id, created, value) SELECT l.id, 7000 + p.id, p.value FROM price p, listing l WHERE l.id > 2;
SELECT "check"();
UPDATE price SET value = value / 2 WHERE created > (SELECT avg(created) FROM price);
SELECT "check"();
-- parallel plans: none of PostgreSQL's writes, not even where what they read alone would be
CREATE FUNCTION is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
        IF line ~ 'Gather' THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT is_parallel('SELECT listing_id, created + 1, value FROM price WHERE value > 1') AS alone,
    is_parallel('INSERT INTO price (listing_id, created, value) SELECT listing_id, created + 1, value FROM price WHERE value > 1') AS inserted,
    is_parallel('UPDATE price SET value = 1 WHERE value > 1') AS updated;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
-- deferred work of another kind in the same commit
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.created < 10000 THEN INSERT INTO write_paths.price (listing_id, created, value) VALUES (new.listing_id, 10000, 1); END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON price DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
BEGIN;
INSERT INTO price (listing_id, created, value) VALUES (3, 8000, 12);
SELECT "check"();
COMMIT;
SELECT "check"();
BEGIN;
INSERT INTO price (listing_id, created, value) VALUES (4, 8000, 12);
SET CONSTRAINTS ALL IMMEDIATE;
SELECT "check"();
COMMIT;
DROP TRIGGER late ON price;
-- C13: in a procedure that commits, and rolls back
CREATE PROCEDURE in_batches() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..6 LOOP
        INSERT INTO price (listing_id, created, value) VALUES (3, 20000 + i, i);
        IF i % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF;
    END LOOP;
END $$;
CALL in_batches();
SELECT "check"();

-- V8: keys that are equal and do not look the same; a self-reference is refused; a unique key that is not the primary one
DROP TABLE price, listing CASCADE;
CREATE TABLE listing (id numeric PRIMARY KEY, code text UNIQUE);
CREATE TABLE price (id serial PRIMARY KEY, listing_id numeric REFERENCES listing, created int NOT NULL, value numeric);
SELECT listing_key FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
INSERT INTO listing VALUES (1.0, 'a'), (2.00, 'b');
INSERT INTO price (listing_id, created, value) VALUES (1, 1, 1), (1.000, 2, 2), (2, 1, 3), (2.0, 0, 4);
SELECT "check"();
UPDATE price SET listing_id = 1.00 WHERE listing_id = 1;
UPDATE listing SET id = 1.00000 WHERE id = 1;
DELETE FROM price WHERE value = 2;
SELECT "check"();
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, created int, value int);
SELECT listing_stats.attach('tree', 'tree');
\echo :SQLSTATE
CREATE TABLE quote (id serial PRIMARY KEY, code text REFERENCES listing (code) ON UPDATE CASCADE, created int NOT NULL, value int);
SELECT listing_key FROM listing_stats.attach('listing', 'quote', last_price => 'quote');
INSERT INTO quote (code, created, value) VALUES ('a', 1, 5), ('b', 1, 6), ('a', 0, 7);
UPDATE listing SET code = CASE code WHEN 'a' THEN 'c' ELSE code END;
SELECT id, code, quote FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'quote');

-- V10: keys and prices that are stored compressed or out of line
DROP TABLE quote, price, listing;
CREATE TABLE listing (id text PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id text REFERENCES listing, created int NOT NULL, value numeric);
SELECT count(*) FROM listing_stats.attach('listing', 'price', previous_price => 'previous_price', lowest_price => 'lowest_price', highest_price => 'highest_price', price_count => 'price_count');
INSERT INTO listing VALUES (repeat('x', 20000)), (repeat('x', 20001));
INSERT INTO price (listing_id, created, value)
SELECT repeat('x', 20000 + i % 2), i, (repeat(i::text || '98765', 3000) || '.' || i)::numeric FROM generate_series(1, 20) i;
INSERT INTO price (listing_id, created, value) SELECT repeat('x', 20000 + i % 2), 20 + i, i FROM generate_series(1, 4) i;
UPDATE price SET value = value + 1 WHERE created % 3 = 0;
DELETE FROM price WHERE created = 24;
SELECT length(id), length(last_price::text), length(previous_price::text), length(lowest_price::text), length(highest_price::text), price_count FROM listing ORDER BY 1;
SELECT length("check"()) > 40000;

-- P10: who may insert some columns of prices, and nothing else
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created int NOT NULL DEFAULT 1, value numeric, secret text);
SELECT count(*) FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
INSERT INTO listing VALUES (1);
RESET SESSION AUTHORIZATION;
DROP ROLE IF EXISTS regress_listing_stats_other;
CREATE ROLE regress_listing_stats_other;
GRANT USAGE ON SCHEMA write_paths TO regress_listing_stats_other;
GRANT INSERT (listing_id, value), UPDATE (value) ON write_paths.price TO regress_listing_stats_other;
GRANT USAGE ON SEQUENCE write_paths.price_id_seq TO regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats_other;
INSERT INTO write_paths.price (listing_id, value) VALUES (1, 5);
UPDATE write_paths.price SET value = 6;
SELECT value FROM write_paths.price;
\echo :SQLSTATE
SELECT last_price FROM write_paths.listing;
\echo :SQLSTATE
-- column privileges on the listing do not let anybody in: what he writes is put right
RESET SESSION AUTHORIZATION;
GRANT UPDATE (last_price) ON write_paths.listing TO regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats_other;
UPDATE write_paths.listing SET last_price = 666;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT "check"();

-- P9: prices that a crash empties
DROP TABLE price;
CREATE UNLOGGED TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created int NOT NULL, value numeric);
SELECT warnings FROM listing_stats.attach('listing', 'price', price_count => 'price_count');

-- D16: rows that are frozen as they come
TRUNCATE listing, price;
INSERT INTO listing VALUES (1), (2);
BEGIN;
TRUNCATE price;
COPY price FROM STDIN (FREEZE);
1	1	1	5
2	1	2	6
3	2	1	7
\.
COMMIT;
SELECT id, last_price, price_count FROM listing ORDER BY id;
INSERT INTO price VALUES (4, 1, 3, 8);
SELECT id, last_price, price_count FROM listing ORDER BY id;

-- D6: detached by a trigger while the statement's other events wait: it goes on
CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM listing_stats.detach('listing', 'price'); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER "A" AFTER INSERT ON price DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW WHEN (new.id = 5) EXECUTE FUNCTION leave();
INSERT INTO price VALUES (5, 1, 4, 9), (6, 2, 4, 9);
SELECT id, last_price, price_count FROM listing ORDER BY id;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'price'::regclass AND tgname LIKE 'LISTING%';

-- P9: temporary tables, which a READ ONLY transaction may write
CREATE TEMPORARY TABLE seen (id int PRIMARY KEY);
CREATE TEMPORARY TABLE seen_price (id serial PRIMARY KEY, seen_id int REFERENCES seen, created int NOT NULL, value numeric);
SELECT last_price FROM listing_stats.attach('seen', 'seen_price');
BEGIN READ ONLY;
INSERT INTO seen VALUES (1), (2);
INSERT INTO seen_price (seen_id, created, value) VALUES (1, 1, 5), (2, 1, 6);
INSERT INTO seen_price (seen_id, created, value) VALUES (1, 2, 7);
DELETE FROM listing;
\echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
INSERT INTO seen VALUES (1), (2);
INSERT INTO seen_price (seen_id, created, value) VALUES (1, 1, 5), (2, 1, 6), (1, 2, 7);
COMMIT;
TABLE seen;

-- many listings at once, of which every third comes to prices that are there
CREATE TABLE shop (id int PRIMARY KEY);
CREATE TABLE offer (id serial, shop_id int NOT NULL REFERENCES shop DEFERRABLE INITIALLY DEFERRED, created date NOT NULL, value numeric, PRIMARY KEY (id, created));
CREATE TABLE part_shop (LIKE shop INCLUDING ALL);
CREATE TABLE part_offer (id serial, shop_id int NOT NULL REFERENCES part_shop DEFERRABLE INITIALLY DEFERRED, created int NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE old_offer PARTITION OF part_offer FOR VALUES FROM (0) TO (2);
CREATE TABLE new_offer PARTITION OF part_offer FOR VALUES FROM (2) TO (4);
SELECT last_price FROM listing_stats.attach('shop', 'offer');
SELECT last_price FROM listing_stats.attach('part_shop', 'part_offer');
BEGIN;
INSERT INTO offer (shop_id, created, value) SELECT i, '2026-01-01'::date + c, i FROM generate_series(1, 100, 3) i, generate_series(1, 2) c;
INSERT INTO part_offer (shop_id, created, value) SELECT i, 1 + i % 2, i FROM generate_series(1, 100, 3) i;
INSERT INTO shop SELECT generate_series(1, 100);
INSERT INTO part_shop SELECT generate_series(1, 100);
SELECT count(*), count(last_price), bool_and(last_price = id) FROM shop;
SELECT count(*), count(last_price), bool_and(last_price = id) FROM part_shop;
COMMIT;

RESET SESSION AUTHORIZATION;
DROP SCHEMA write_paths CASCADE;
DROP OWNED BY regress_listing_stats_other;
DROP ROLE regress_listing_stats_other;
