-- Triggers, rules, generated columns and constraints of the tables' owner: the kept columns are right, or
-- the statement fails and says why.  Identifiers as in test/README.md.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA interference;
SET search_path = interference;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE TABLE listing (id int PRIMARY KEY, note text, updated_at int NOT NULL DEFAULT 0);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing ON DELETE CASCADE, created int NOT NULL, value numeric);
INSERT INTO listing SELECT generate_series(1, 3);
SELECT last_price FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
CREATE FUNCTION "check"() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wrong text := (WITH stored AS (SELECT id, last_price, price_count FROM listing),
    recomputed AS (SELECT l.id, (array_agg(p.value ORDER BY p.created DESC, p.id DESC))[1], count(p.value) FROM listing l LEFT JOIN price p ON p.listing_id = l.id GROUP BY l.id)
    SELECT string_agg(d::text, ' ') FROM ((TABLE stored EXCEPT ALL TABLE recomputed) UNION ALL (TABLE recomputed EXCEPT ALL TABLE stored)) d);
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'wrong: %', wrong;
    END IF;
    IF EXISTS (SELECT FROM listing_stats.verify('interference.listing', 'interference.price')) THEN
        RAISE EXCEPTION 'verify() sees what is not';
    END IF;
    RETURN (SELECT string_agg(id || '=' || coalesce(last_price::text, 'NULL'), ' ' ORDER BY id) FROM listing);
END $$;

-- C18: one write of each listing, however many of its prices a statement changes; P2, P8, V13: and none that changes nothing
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.updated_at := old.updated_at + 1; RETURN new; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO price (listing_id, created, value) SELECT i % 2 + 1, i, i FROM generate_series(1, 100) i;
SELECT id, updated_at FROM listing ORDER BY id;
UPDATE price SET value = value + 1;
SELECT id, updated_at FROM listing ORDER BY id;
UPDATE price SET value = value + 1 WHERE created < 50;
UPDATE price SET value = value;
SELECT id, updated_at FROM listing ORDER BY id;
DELETE FROM price WHERE created > 90;
SELECT id, updated_at FROM listing ORDER BY id;
SELECT "check"();
DROP TRIGGER touch ON listing;

-- P3: a BEFORE UPDATE trigger that suppresses our write
CREATE FUNCTION suppress() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER suppress BEFORE UPDATE ON listing FOR EACH ROW WHEN (old.id = 2) EXECUTE FUNCTION suppress();
INSERT INTO price (listing_id, created, value) VALUES (1, 200, 1);
INSERT INTO price (listing_id, created, value) VALUES (2, 200, 2);
\echo :SQLSTATE
INSERT INTO price (listing_id, created, value) VALUES (1, 201, 1), (2, 201, 2);
\echo :SQLSTATE
DELETE FROM price WHERE listing_id = 2;
\echo :SQLSTATE
-- what it does not concern goes through
INSERT INTO price (listing_id, created, value) VALUES (2, 0, NULL);
TRUNCATE price;
\echo :SQLSTATE
SELECT "check"();
DROP TRIGGER suppress ON listing;
-- P3: one that changes what we write, also in a statement of the application's
CREATE FUNCTION distort() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.last_price := new.last_price + 1; RETURN new; END $$;
CREATE TRIGGER distort BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION distort();
INSERT INTO price (listing_id, created, value) VALUES (1, 202, 5);
\echo :SQLSTATE
UPDATE listing SET note = 'distorted' WHERE id = 1;
\echo :SQLSTATE
CALL listing_stats.refresh('listing', 'price');
ALTER TABLE listing DISABLE TRIGGER "LISTING_STATS_1";
UPDATE listing SET note = 'distorted' WHERE id = 1;
ALTER TABLE listing ENABLE TRIGGER "LISTING_STATS_1";
SELECT * FROM listing_stats.verify('listing', 'price');
CALL listing_stats.refresh('listing', 'price');
\echo :SQLSTATE
-- with the guard off it may
SELECT guard FROM listing_stats.attach('listing', 'price', guard => 'off', backfill => false);
INSERT INTO price (listing_id, created, value) VALUES (1, 203, 6);
SELECT key, stored, expected FROM listing_stats.verify('listing', 'price');
DROP TRIGGER distort ON listing;
SELECT guard FROM listing_stats.attach('listing', 'price', guard => 'keep');
SELECT "check"();
-- also the previous price, where prices are only inserted
SELECT previous_price FROM listing_stats.attach('listing', 'price', previous_price => 'previous_price');
CREATE FUNCTION distort_previous() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.previous_price := -1; RETURN new; END $$;
CREATE TRIGGER distort BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION distort_previous();
INSERT INTO price (listing_id, created, value) VALUES (1, 203, 7);
\echo :SQLSTATE
DROP TRIGGER distort ON listing;
-- what an application leaves in a column with the guard off is no other transaction's work
SELECT guard FROM listing_stats.attach('listing', 'price', guard => 'off');
UPDATE listing SET previous_price = -1 WHERE id = 1;
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO price (listing_id, created, value) VALUES (1, 203, 6);
SELECT last_price, previous_price, price_count FROM listing WHERE id = 1;
ROLLBACK;
-- nor is what a trigger of the owner's does after us
CREATE FUNCTION round_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE interference.listing SET last_price = round(new.last_price) WHERE id = new.id; RETURN NULL; END $$;
CREATE TRIGGER round_it AFTER UPDATE ON listing FOR EACH ROW WHEN (new.last_price <> round(new.last_price)) EXECUTE FUNCTION round_it();
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO price (listing_id, created, value) VALUES (1, 204, 7.6);
SELECT last_price FROM listing WHERE id = 1;
ROLLBACK;
DROP TRIGGER round_it ON listing;
SELECT guard FROM listing_stats.attach('listing', 'price', previous_price => 'none', guard => 'keep');
ALTER TABLE listing DROP COLUMN previous_price;
SELECT "check"();
-- an AFTER trigger that writes the column is put right
CREATE FUNCTION overwrite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE interference.listing SET last_price = -1 WHERE id = new.id; RETURN NULL; END $$;
CREATE TRIGGER overwrite AFTER UPDATE ON listing FOR EACH ROW WHEN (new.last_price > 0 AND pg_trigger_depth() < 3) EXECUTE FUNCTION overwrite();
INSERT INTO price (listing_id, created, value) VALUES (1, 204, 7);
SELECT "check"();
DROP TRIGGER overwrite ON listing;

-- P3: rules
CREATE RULE replace AS ON UPDATE TO listing DO INSTEAD NOTHING;
INSERT INTO price (listing_id, created, value) VALUES (1, 205, 8);
\echo :SQLSTATE
DROP RULE replace ON listing;
CREATE RULE replace AS ON UPDATE TO listing WHERE new.last_price > 100 DO INSTEAD NOTHING;
INSERT INTO price (listing_id, created, value) VALUES (1, 205, 99);
INSERT INTO price (listing_id, created, value) VALUES (1, 206, 101);
\echo :SQLSTATE
SELECT "check"();
DROP RULE replace ON listing;
CREATE TABLE log (id int, last_price numeric);
CREATE RULE log AS ON UPDATE TO listing DO ALSO INSERT INTO log VALUES (new.id, new.last_price);
INSERT INTO price (listing_id, created, value) VALUES (1, 207, 9);
SELECT "check"();
DROP RULE log ON listing;
-- a rule on prices is a statement as any other
CREATE RULE elsewhere AS ON INSERT TO price WHERE new.listing_id = 3 DO INSTEAD UPDATE price SET value = value + 0.5 WHERE listing_id = 1;
INSERT INTO price (listing_id, created, value) VALUES (3, 1, 1);
SELECT "check"();
DROP RULE elsewhere ON price;

-- P3: a trigger of one partition of the listing
CREATE TABLE item (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM (1) TO (10);
CREATE TABLE item_2 PARTITION OF item FOR VALUES FROM (10) TO (20);
CREATE TABLE offer (id int PRIMARY KEY, item_id int REFERENCES item, created int, value int);
INSERT INTO item VALUES (1), (11);
SELECT last_price FROM listing_stats.attach('item', 'offer', last_price_at => 'last_price_at');
CREATE TRIGGER suppress BEFORE UPDATE ON item_2 FOR EACH ROW EXECUTE FUNCTION suppress();
INSERT INTO offer VALUES (1, 1, 1, 1);
INSERT INTO offer VALUES (2, 11, 1, 1);
\echo :SQLSTATE
SELECT id, last_price FROM item ORDER BY id;
DROP TABLE offer, item;

-- P4: a BEFORE DELETE trigger on listing that deletes its prices; an AFTER trigger, and a cascade (P5)
CREATE FUNCTION delete_prices() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM interference.price WHERE listing_id = old.id; RETURN old; END $$;
CREATE TRIGGER delete_prices BEFORE DELETE ON listing FOR EACH ROW EXECUTE FUNCTION delete_prices();
DELETE FROM listing WHERE id = 3;
SELECT "check"();
DROP TRIGGER delete_prices ON listing;
ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
CREATE TRIGGER delete_prices AFTER DELETE ON listing FOR EACH ROW EXECUTE FUNCTION delete_prices();
DELETE FROM listing WHERE id = 1;
SELECT "check"();
SELECT count(*) FROM price WHERE listing_id = 1;
DROP TRIGGER delete_prices ON listing;
DELETE FROM price;
ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing ON DELETE CASCADE;
INSERT INTO listing VALUES (1), (3);
INSERT INTO price (listing_id, created, value) SELECT i % 3 + 1, i, i FROM generate_series(1, 3000) i;
DELETE FROM listing WHERE id IN (1, 3);
SELECT "check"();
INSERT INTO listing VALUES (1), (3);

-- C17: a trigger on listing that writes another price each time ends in PostgreSQL's own error, and nothing is lost
CREATE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO interference.price (listing_id, created, value) VALUES (new.id, new.last_price + 1, new.last_price + 1); RETURN NULL; END $$;
CREATE TRIGGER endless AFTER UPDATE ON listing FOR EACH ROW WHEN (old.last_price IS DISTINCT FROM new.last_price) EXECUTE FUNCTION endless();
INSERT INTO price (listing_id, created, value) VALUES (1, 1, 1);
\echo :SQLSTATE
SELECT "check"();
-- one that ends is right
DROP TRIGGER endless ON listing;
CREATE TRIGGER endless AFTER UPDATE ON listing FOR EACH ROW WHEN (old.last_price IS DISTINCT FROM new.last_price AND new.last_price < 10) EXECUTE FUNCTION endless();
INSERT INTO price (listing_id, created, value) VALUES (1, 1, 1);
SELECT "check"();
-- also if the plan that is running becomes invalid meanwhile, as all do by a schema
CREATE OR REPLACE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CREATE SCHEMA passing;
    DROP SCHEMA passing;
    INSERT INTO interference.price (listing_id, created, value) VALUES (new.id, new.last_price + 1, new.last_price + 1);
    RETURN NULL;
END $$;
DELETE FROM price WHERE listing_id = 1;
INSERT INTO price (listing_id, created, value) VALUES (1, 1, 1);
SELECT "check"();
DROP TRIGGER endless ON listing;

-- D12: triggers of the user's on price that fire before and after ours, and change or write prices
CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.value := new.value / 2; RETURN new; END $$;
CREATE TRIGGER a_half BEFORE INSERT OR UPDATE ON price FOR EACH ROW EXECUTE FUNCTION half();
CREATE FUNCTION remove_old() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM interference.price WHERE listing_id = new.listing_id AND created < new.created - 2; RETURN NULL; END $$;
CREATE TRIGGER "A_remove_old" AFTER INSERT ON price FOR EACH ROW EXECUTE FUNCTION remove_old();
CREATE TRIGGER zz_remove_old AFTER INSERT ON price FOR EACH ROW EXECUTE FUNCTION remove_old();
INSERT INTO price (listing_id, created, value) VALUES (1, 100, 5), (2, 4000, 6), (1, 50, 7);
SELECT "check"();
UPDATE price SET created = created + 1;
SELECT "check"();
DROP TRIGGER a_half ON price;
DROP TRIGGER "A_remove_old" ON price;
DROP TRIGGER zz_remove_old ON price;
-- and ours named after the foreign key's
ALTER TRIGGER "LISTING_STATS_1" ON price RENAME TO zz_listing_stats;
ALTER TRIGGER "LISTING_STATS_1" ON listing RENAME TO zz_listing_stats;
INSERT INTO price (listing_id, created, value) VALUES (1, 200, 8), (2, 5000, 9);
SELECT "check"();
INSERT INTO price (listing_id, created, value) VALUES (77, 200, 8);
\echo :SQLSTATE
UPDATE listing SET last_price = 0;
SELECT "check"();

-- V11: generated and identity columns of the listing follow what is kept
ALTER TABLE listing ADD COLUMN gross numeric GENERATED ALWAYS AS (last_price * 2) STORED, ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
INSERT INTO price (listing_id, created, value) VALUES (1, 300, 10.5), (2, 6000, 11);
SELECT id, last_price, gross, number FROM listing WHERE id < 3 ORDER BY id;
SELECT "check"();
ALTER TABLE listing DROP COLUMN gross;

-- V6: a constraint or a domain on the column refuses the price, and says where
ALTER TABLE listing ADD CONSTRAINT cheap CHECK (last_price < 100);
INSERT INTO price (listing_id, created, value) VALUES (1, 301, 100);
\echo :SQLSTATE
ALTER TABLE listing DROP CONSTRAINT cheap;
ALTER TABLE listing ALTER last_price SET DEFAULT 0;
UPDATE listing SET last_price = 0 WHERE id = 3;
SELECT "check"();
DELETE FROM price WHERE listing_id = 3;
DELETE FROM listing WHERE id = 3;
ALTER TABLE listing ALTER last_price SET NOT NULL;
DELETE FROM price WHERE listing_id = 1;
\echo :SQLSTATE
SELECT "check"();
ALTER TABLE listing ALTER last_price DROP NOT NULL;

-- C10: a unique index on a kept column is named by the view (attach() refuses a column that has one)
CREATE UNIQUE INDEX dear ON listing (last_price, id);
SELECT warnings FROM listing_stats.attachments WHERE listing = 'listing'::regclass;
DROP INDEX dear;

-- INSERT of no rows costs nothing: no lock, no write
BEGIN;
INSERT INTO price (listing_id, created, value) SELECT 1, 1, 1 WHERE false;
UPDATE price SET value = 1 WHERE false;
DELETE FROM price WHERE false;
SELECT count(*) FROM pg_locks WHERE relation = 'listing'::regclass AND pid = pg_backend_pid();
COMMIT;

-- V8: listings without a key have no prices: nothing is kept for them, and they cannot show any
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE price (id int PRIMARY KEY, code text REFERENCES listing (code) ON UPDATE CASCADE, created int NOT NULL, value numeric);
SELECT last_price, price_count FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
INSERT INTO listing VALUES (1, 'a'), (2, 'b'), (3, NULL);
INSERT INTO price VALUES (1, 'a', 1, 5), (2, 'b', 1, 6), (3, NULL, 1, 7);
INSERT INTO listing VALUES (4, NULL, 77, 7);
\echo :SQLSTATE
INSERT INTO listing VALUES (4, NULL, NULL, 7);
\echo :SQLSTATE
UPDATE listing SET code = NULL WHERE id = 1;
\echo :SQLSTATE
UPDATE listing SET last_price = 99 WHERE id = 3;
\echo :SQLSTATE
SELECT * FROM listing ORDER BY id;
UPDATE listing SET code = NULL, last_price = NULL, price_count = 0 WHERE id = 1;
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
UPDATE listing SET code = 'c' WHERE id = 3;
INSERT INTO price VALUES (4, 'c', 1, 8);
CALL listing_stats.refresh('listing', 'price');
SELECT * FROM listing ORDER BY id;
TRUNCATE price;
SELECT * FROM listing ORDER BY id;
-- with guard => 'error' too: the columns can be written with the key alone
INSERT INTO price VALUES (1, 'b', 1, 6);
SELECT guard FROM listing_stats.attach('listing', 'price', guard => 'error');
UPDATE listing SET last_price = NULL, price_count = 0 WHERE id = 2;
\echo :SQLSTATE
UPDATE listing SET code = 'd', last_price = NULL, price_count = 0 WHERE id = 2;
\echo :SQLSTATE
UPDATE listing SET code = NULL, price_count = 0 WHERE id = 2;
\echo :SQLSTATE
UPDATE listing SET code = NULL, last_price = NULL, price_count = 0 WHERE id = 2;
SELECT * FROM listing ORDER BY id;
-- also if their number is a numeric
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY, code text UNIQUE, price_count numeric DEFAULT 0.00);
CREATE TABLE price (id int PRIMARY KEY, code text REFERENCES listing (code), created int NOT NULL, value numeric);
SELECT price_count FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
INSERT INTO listing VALUES (1, NULL), (2, 'a');
INSERT INTO price VALUES (1, 'a', 1, 5);
INSERT INTO listing VALUES (3, NULL, 1);
\echo :SQLSTATE
UPDATE listing SET code = NULL, last_price = NULL WHERE id = 2;
\echo :SQLSTATE
DELETE FROM price;
UPDATE listing SET code = NULL WHERE id = 2;
SELECT * FROM listing ORDER BY id;

-- V9: a cursor that the owner's deferred trigger opens when a listing that came late is written is closed with the transaction
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing DEFERRABLE INITIALLY DEFERRED, created int NOT NULL, value numeric);
SELECT last_price FROM listing_stats.attach('listing', 'price');
CREATE FUNCTION open_cursor() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    opened refcursor = 'opened';
BEGIN
    OPEN opened FOR SELECT * FROM listing;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER opens AFTER UPDATE ON listing DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION open_cursor();
BEGIN;
INSERT INTO price VALUES (1, 1, 1, 5);
ALTER TABLE listing DISABLE TRIGGER "LISTING_STATS_1";
INSERT INTO listing VALUES (1);
ALTER TABLE listing ENABLE TRIGGER "LISTING_STATS_1";
COMMIT;
SELECT name FROM pg_cursors;
TABLE listing;

-- a key that has lost its uniqueness, or is unique only when the transaction commits: all listings that have it
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY, name text);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int, created int NOT NULL, value numeric);
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
ALTER TABLE listing DROP CONSTRAINT listing_pkey, ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED;
INSERT INTO listing SELECT i, 'a' FROM generate_series(1, 500) AS i;
INSERT INTO price (listing_id, created, value) SELECT i, 1, i FROM generate_series(1, 500) AS i;
BEGIN;
INSERT INTO listing SELECT i, 'b' FROM generate_series(1, 500) AS i;
INSERT INTO price (listing_id, created, value) SELECT i, 2, i + 1 FROM generate_series(1, 500) AS i;
SELECT name, count(*), sum(last_price) FROM listing GROUP BY name ORDER BY name;
DELETE FROM listing WHERE name = 'a';
COMMIT;
ALTER TABLE listing DROP CONSTRAINT listing_pkey;
INSERT INTO listing SELECT i, 'c' FROM generate_series(1, 500) AS i, generate_series(1, 3);
UPDATE price SET value = 1 WHERE created = 2;
SELECT name, count(*), sum(last_price) FROM listing GROUP BY name ORDER BY name;
SELECT * FROM listing_stats.verify('listing', 'price');

DROP SCHEMA interference CASCADE;
