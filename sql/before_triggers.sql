-- BEFORE triggers on listing that change prices, of the row at hand too: what they change is kept at the end of the
-- statement that fires them.  Identifiers as in test/README.md.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA before_triggers;
SET search_path = before_triggers;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE TABLE seller (id int PRIMARY KEY);
CREATE TABLE listing (id int PRIMARY KEY, asking numeric, note text, seller_id int REFERENCES seller ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing ON DELETE CASCADE, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
CREATE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.asking IS DISTINCT FROM old.asking THEN
        INSERT INTO before_triggers.price (listing_id, value) VALUES (new.id, new.asking);
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER log_price BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION log_price();
CREATE FUNCTION "check"() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM listing_stats.verify('before_triggers.listing', 'before_triggers.price')) THEN
        RAISE EXCEPTION 'wrong: %', (SELECT string_agg(v::text, ' ') FROM listing_stats.verify('before_triggers.listing', 'before_triggers.price') v);
    END IF;
    RETURN (SELECT string_agg(concat_ws(' ', id || '=' || coalesce(last_price::text, 'NULL'), 'of', price_count), ', ' ORDER BY id) FROM before_triggers.listing);
END $$;
INSERT INTO seller VALUES (1), (2);
INSERT INTO listing VALUES (1, 10, 'a', 1), (2, 20, 'b', 1), (3, 30, 'c', 2);
SELECT last_price, price_count FROM listing_stats.attach('listing', 'price', price_count => 'price_count');

-- P11: also in the first statement of a session, of which the module learns in its middle
\c
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = before_triggers;
SET client_min_messages = warning;
BEGIN;
UPDATE listing SET asking = 11 WHERE id <= 2;
SELECT "check"();
COMMIT;
SELECT "check"();
UPDATE listing SET asking = 12, note = 'seen' WHERE id = 1;
SELECT "check"();
INSERT INTO listing VALUES (1, 13), (4, 40) ON CONFLICT (id) DO UPDATE SET asking = excluded.asking;
SELECT "check"();
MERGE INTO listing l USING (VALUES (1, 14), (5, 50)) AS v (id, asking) ON v.id = l.id
    WHEN MATCHED THEN UPDATE SET asking = v.asking WHEN NOT MATCHED THEN INSERT (id, asking) VALUES (v.id, v.asking);
SELECT "check"();
WITH changed AS (UPDATE listing SET asking = 15 WHERE id < 3 RETURNING id) SELECT count(*) FROM changed;
SELECT "check"();
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE listing SET asking = 16 WHERE id = 1;
SELECT "check"();
COMMIT;
-- in functions and cursors
DO $$
DECLARE
    l record;
BEGIN
    FOR l IN SELECT id FROM listing ORDER BY id LOOP
        UPDATE listing SET asking = 100 + id WHERE id = l.id;
    END LOOP;
END $$;
DO $$ BEGIN EXECUTE 'EXPLAIN (ANALYZE) UPDATE listing SET asking = 200 WHERE id = 1'; END $$;
SELECT "check"();
-- a foreign key's cascade
CREATE OR REPLACE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.seller_id IS DISTINCT FROM old.seller_id OR new.asking IS DISTINCT FROM old.asking THEN
        INSERT INTO before_triggers.price (listing_id, value) VALUES (new.id, coalesce(new.seller_id, 0) + new.asking);
    END IF;
    RETURN new;
END $$;
UPDATE seller SET id = id + 10;
SELECT "check"();
DELETE FROM seller WHERE id = 11;
SELECT "check"();

-- prices of other listings; those that the statement has yet to come to as well, and those of none
CREATE OR REPLACE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.asking IS DISTINCT FROM old.asking THEN
        INSERT INTO before_triggers.price (listing_id, value) SELECT id, new.asking + id FROM before_triggers.listing;
        INSERT INTO before_triggers.price (listing_id, value) VALUES (NULL, 1);
    END IF;
    RETURN new;
END $$;
UPDATE listing SET asking = asking + 1;
SELECT "check"();
-- a change that is rolled back, and one beside it that is not
CREATE OR REPLACE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.asking IS DISTINCT FROM old.asking THEN
        BEGIN
            INSERT INTO before_triggers.price (listing_id, value) VALUES (new.id, 77);
            RAISE EXCEPTION 'no';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
        BEGIN
            DELETE FROM before_triggers.price WHERE listing_id = new.id AND value < 20;
            INSERT INTO before_triggers.price (listing_id, value) VALUES (new.id, 88);
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
        BEGIN
            INSERT INTO before_triggers.price (listing_id, value) VALUES (new.id % 5 + 1, 99);
            RAISE EXCEPTION 'no';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END IF;
    RETURN new;
END $$;
UPDATE listing SET asking = asking + 1;
SELECT "check"();
-- a price that a trigger on another table brings, and a row that is not updated after all
CREATE TABLE event (id serial, listing_id int, value numeric);
CREATE FUNCTION bring_price() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO before_triggers.price (listing_id, value) VALUES (new.listing_id, new.value); RETURN NULL; END $$;
CREATE TRIGGER bring_price AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION bring_price();
CREATE OR REPLACE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.asking IS DISTINCT FROM old.asking THEN
        INSERT INTO before_triggers.event (listing_id, value) VALUES (new.id, new.asking);
        RETURN CASE WHEN new.id <> 2 THEN new END;
    END IF;
    RETURN new;
END $$;
UPDATE listing SET asking = asking + 0.5;
SELECT "check"();
SELECT id, asking FROM listing ORDER BY id;

-- C17: one that writes a price whenever we write the listing
CREATE OR REPLACE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO before_triggers.price (listing_id, value) SELECT new.id, new.last_price + 1 WHERE new.last_price < 1010;
    RETURN new;
END $$;
INSERT INTO price (listing_id, value) VALUES (1, 1000), (2, 1005);
SELECT "check"();
DROP TRIGGER log_price ON listing;

-- P4: a BEFORE DELETE trigger that deletes prices, also of a listing that a later trigger keeps
CREATE FUNCTION delete_prices() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM before_triggers.price WHERE listing_id = old.id; RETURN old; END $$;
CREATE TRIGGER delete_prices BEFORE DELETE ON listing FOR EACH ROW EXECUTE FUNCTION delete_prices();
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep BEFORE DELETE ON listing FOR EACH ROW WHEN (old.id = 2) EXECUTE FUNCTION keep();
DELETE FROM listing WHERE id < 3;
SELECT "check"();
SELECT count(*) FROM price WHERE listing_id < 3;
DROP TRIGGER delete_prices ON listing;

-- A trigger that fires after ours, or before it, in the first statement of a session
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.note := 'touched'; RETURN new; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION touch();
CREATE OR REPLACE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO before_triggers.price (listing_id, value) VALUES (new.id, new.asking);
    IF (SELECT last_price FROM before_triggers.listing WHERE id = new.id) IS DISTINCT FROM new.asking THEN
        RAISE EXCEPTION 'not kept yet';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER log_price AFTER UPDATE OF asking ON listing FOR EACH ROW EXECUTE FUNCTION log_price();
\c
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = before_triggers;
SET client_min_messages = warning;
UPDATE listing SET asking = asking + 1;
SELECT "check"();
CREATE OR REPLACE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO before_triggers.price (listing_id, value) VALUES (new.id, new.asking); RETURN new; END $$;
ALTER TRIGGER log_price ON listing RENAME TO "A";
\c
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = before_triggers;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
UPDATE listing SET asking = asking + 1;
SELECT "check"();
DROP TRIGGER "A" ON listing;

-- A listing that is read while the module is loaded, and was not found by an UPDATE before: taken for one that is being
-- changed, until the next command
CREATE FUNCTION touch_nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER touch_nothing BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION touch_nothing();
\c
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = before_triggers;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
BEGIN;
DELETE FROM listing WHERE id = 1000;
INSERT INTO event (listing_id, value) SELECT id, 6 FROM listing WHERE id = 3;
INSERT INTO price (listing_id, value) VALUES (4, 8);
SELECT "check"();
UPDATE price SET value = 9 WHERE value = 8;
SELECT "check"();
COMMIT;
DROP TRIGGER touch_nothing ON listing;

-- A function in the UPDATE itself is no trigger: what it changes of other listings is kept at once, of the same row it
-- is refused by PostgreSQL
CREATE FUNCTION add_price(listing int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO before_triggers.price (listing_id, value) VALUES (listing, 7);
    RETURN before_triggers."check"();
END $$;
UPDATE listing SET note = add_price(4) WHERE id = 3;
UPDATE listing SET note = add_price(3) WHERE id = 3;
\echo :SQLSTATE

-- A partition that is updated by itself
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY, asking numeric) PARTITION BY RANGE (id);
CREATE TABLE listing_1 PARTITION OF listing FOR VALUES FROM (0) TO (10);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
INSERT INTO listing VALUES (1, 1), (2, 2);
SELECT last_price FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
CREATE OR REPLACE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.asking IS DISTINCT FROM old.asking THEN
        INSERT INTO before_triggers.price (listing_id, value) VALUES (new.id, new.asking);
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER log_price BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION log_price();
UPDATE listing_1 SET asking = asking + 1;
SELECT "check"();
UPDATE listing SET asking = asking + 1;
SELECT "check"();
-- attached by itself, and updated with the whole
SELECT count(*) FROM listing_stats.detach('listing');
DROP TABLE price;
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing_1, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
ALTER TABLE listing ADD COLUMN IF NOT EXISTS last_price numeric;
SELECT last_price FROM listing_stats.attach('listing_1', 'price');
UPDATE listing SET asking = asking + 1;
MERGE INTO listing USING (VALUES (1)) AS v (id) ON listing.id = v.id WHEN MATCHED THEN UPDATE SET asking = listing.asking + 1;
INSERT INTO listing VALUES (2, 0) ON CONFLICT (id) DO UPDATE SET asking = listing.asking + 1;
SELECT l.id, asking, l.last_price FROM listing l ORDER BY id;
SELECT * FROM listing_stats.verify('listing_1', 'price');
-- an inheritance child
DROP TABLE price, listing;
CREATE TABLE listings (id int, asking numeric, last_price numeric);
CREATE TABLE listing (PRIMARY KEY (id)) INHERITS (listings);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
INSERT INTO listing VALUES (1, 1), (2, 2);
SELECT last_price FROM listing_stats.attach('listing', 'price');
CREATE TRIGGER log_price BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION log_price();
UPDATE listings SET asking = asking + 1;
SELECT id, asking, last_price FROM listings ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');

-- Of a listing that is not there, put off since the extension was not loaded when the statement began, and looked for at once within a savepoint
CREATE TABLE house (id int PRIMARY KEY);
CREATE TABLE bid (id serial PRIMARY KEY, house_id int REFERENCES house DEFERRABLE INITIALLY DEFERRED, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
SELECT last_price FROM listing_stats.attach('house', 'bid');
INSERT INTO house VALUES (1);
CREATE FUNCTION archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO before_triggers.bid (house_id, value) SELECT 99 + i % 2, i FROM generate_series(1, 200) i;
    RETURN old;
END $$;
CREATE TRIGGER archive BEFORE DELETE ON house FOR EACH ROW EXECUTE FUNCTION archive();
\c -
SET client_min_messages = warning;
SET search_path = before_triggers;
BEGIN;
SAVEPOINT a;
DELETE FROM house WHERE id = 1;
SET CONSTRAINTS listing_stats._late IMMEDIATE;
ROLLBACK TO a;
DELETE FROM house WHERE id = 1;
SET CONSTRAINTS listing_stats._late IMMEDIATE;
INSERT INTO house VALUES (99), (100);
COMMIT;
TABLE house;
SELECT * FROM listing_stats.verify('house', 'bid');

-- P11: the first statement of a session again: of its prices another table's listings come first, and its trigger changes
-- other listings as well
CREATE TABLE shop (id int PRIMARY KEY);
CREATE TABLE stall (id int PRIMARY KEY, asking numeric, note text);
CREATE TABLE sale (id serial PRIMARY KEY, shop_id int REFERENCES shop, stall_id int REFERENCES stall, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
CREATE FUNCTION log_sale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO before_triggers.sale (shop_id, stall_id, value) VALUES (1, new.id, new.asking);
    UPDATE before_triggers.stall SET note = 'seen' WHERE id > new.id;
    RETURN new;
END $$;
CREATE TABLE till (LIKE sale);
CREATE FUNCTION empty_till() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO before_triggers.sale (shop_id, stall_id, value) VALUES (new.shop_id, new.stall_id, new.value);
    RETURN NULL;
END $$;
CREATE TRIGGER empty_till AFTER INSERT ON till FOR EACH ROW EXECUTE FUNCTION empty_till();
CREATE TRIGGER log_sale BEFORE UPDATE OF asking ON stall FOR EACH ROW EXECUTE FUNCTION log_sale();
INSERT INTO shop VALUES (1);
INSERT INTO stall VALUES (1, 10), (2, 20), (3, 30);
SELECT last_price FROM listing_stats.attach('shop', 'sale', key => 'shop_id');
SELECT last_price FROM listing_stats.attach('stall', 'sale', key => 'stall_id');
\c -
SET client_min_messages = warning;
SET search_path = before_triggers;
UPDATE stall SET asking = 11 WHERE id = 1;
SELECT * FROM stall ORDER BY id;
TABLE shop;
-- by way of another table
CREATE OR REPLACE FUNCTION log_sale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO before_triggers.till (id, created, shop_id, stall_id, value) VALUES (1, now(), 1, new.id, new.asking);
    UPDATE before_triggers.stall SET note = 'by till' WHERE id > new.id;
    RETURN new;
END $$;
\c -
SET client_min_messages = warning;
SET search_path = before_triggers;
UPDATE stall SET asking = 12 WHERE id = 1;
SELECT * FROM stall ORDER BY id;
TABLE shop;
SELECT v.* FROM listing_stats.verify('stall', 'sale') v UNION ALL SELECT v.* FROM listing_stats.verify('shop', 'sale') v;

DROP SCHEMA before_triggers CASCADE;
