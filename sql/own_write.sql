-- What triggers, rules and functions of the tables' owner do in the middle of our own write of the listing: it is
-- not taken for ours, and prices that they change meanwhile count.  Identifiers as in test/README.md.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA own_write;
SET search_path = own_write;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE PROCEDURE "begin"() LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS price, listing CASCADE;
    CREATE TABLE listing (id int PRIMARY KEY, note text);
    CREATE TABLE price (id serial PRIMARY KEY, listing_id int, created int NOT NULL, value numeric);
    INSERT INTO listing VALUES (1), (2);
    INSERT INTO price (listing_id, created, value) SELECT l, g, g FROM generate_series(1, 2) l, generate_series(1, 3) g;
END $$;

-- C18, P1: a function of a rule, and of a CHECK, that writes another listing's column
CALL "begin"();
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
CREATE TABLE log (line text);
CREATE FUNCTION meddle(id int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF id = 1 THEN
        UPDATE listing SET last_price = 99 WHERE listing.id = 2;
    END IF;
    RETURN 'written';
END $$;
CREATE RULE meddle AS ON UPDATE TO listing DO ALSO INSERT INTO log SELECT meddle(new.id);
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 7);
SELECT id, last_price FROM listing ORDER BY id;
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id', guard => 'error');
INSERT INTO price (listing_id, created, value) VALUES (1, 8, 8);
\echo :SQLSTATE
DROP RULE meddle ON listing;
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id', guard => 'keep');
ALTER TABLE listing ADD CONSTRAINT meddle CHECK (note IS DISTINCT FROM meddle(CASE WHEN last_price = 9 THEN id END));
INSERT INTO price (listing_id, created, value) VALUES (1, 9, 9);
SELECT id, last_price FROM listing ORDER BY id;
-- and a rule that writes a partition of it by itself
CALL "begin"();
DROP TABLE listing;
CREATE TABLE listing (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE listing_1 PARTITION OF listing FOR VALUES FROM (0) TO (10);
INSERT INTO listing VALUES (1), (2);
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
CREATE RULE meddle AS ON UPDATE TO listing WHERE new.id = 1 DO ALSO UPDATE listing_1 SET last_price = 99 WHERE id = 2;
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 7);
SELECT id, last_price FROM listing ORDER BY id;

-- P3: and one that has another table updated instead, be it a partition of it or what it inherits from
CREATE OR REPLACE RULE meddle AS ON UPDATE TO listing DO INSTEAD UPDATE listing_1 SET last_price = 99 WHERE id = 2;
INSERT INTO price (listing_id, created, value) VALUES (1, 8, 8);
\echo :SQLSTATE
CALL "begin"();
CREATE TABLE parent (id int, last_price numeric);
DROP TABLE listing;
CREATE TABLE listing (PRIMARY KEY (id)) INHERITS (parent);
INSERT INTO listing VALUES (1), (2);
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
CREATE RULE meddle AS ON UPDATE TO listing DO INSTEAD UPDATE parent SET last_price = 99 WHERE id IN (new.id, 2);
INSERT INTO price (listing_id, created, value) VALUES (1, 8, 8);
\echo :SQLSTATE
SELECT id, last_price FROM listing ORDER BY id;

-- P1: a foreign key that cascades from one kept column to another
CALL "begin"();
DELETE FROM price WHERE listing_id = 1 OR created = 3;
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id', previous_price => 'previous_price', guard => 'error');
INSERT INTO price (listing_id, created, value) VALUES (1, 1, 1);
ALTER TABLE listing ADD UNIQUE (last_price), ADD FOREIGN KEY (previous_price) REFERENCES listing (last_price) ON UPDATE CASCADE;
SELECT * FROM listing ORDER BY id;
UPDATE price SET value = 0.5 WHERE listing_id = 1;
\echo :SQLSTATE

-- P1: with guard => 'error', an error that a trigger of the owner's catches does not make our write an application's
CALL "begin"();
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id', guard => 'error');
CREATE FUNCTION catch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    RETURN NULL;
END $$;
CREATE TRIGGER "A" AFTER UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION catch();
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 7), (2, 7, 8);
SELECT id, last_price FROM listing ORDER BY id;

-- P3: a BEFORE UPDATE trigger that gives the listing another key
CALL "begin"();
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.last_price > 15 THEN new.id := new.id + 100; END IF; RETURN new; END $$;
CREATE TRIGGER move BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION move();
INSERT INTO price (listing_id, created, value) VALUES (102, 1, 5);
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 20);
INSERT INTO price (listing_id, created, value) VALUES (2, 7, 20);
SELECT id, last_price FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
-- and one that is gone when our write is over, as a rule can be
CALL "begin"();
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP TRIGGER once ON listing; new.last_price := 99; RETURN new; END $$;
CREATE TRIGGER once BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION once();
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 7);
\echo :SQLSTATE
DROP TRIGGER once ON listing;
CREATE FUNCTION drop_rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP RULE nothing ON listing; RETURN NULL; END $$;
CREATE RULE nothing AS ON UPDATE TO listing WHERE new.id = 1 DO INSTEAD NOTHING;
CREATE TRIGGER drop_rule AFTER UPDATE ON listing FOR EACH STATEMENT EXECUTE FUNCTION drop_rule();
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 7);
\echo :SQLSTATE
SELECT id, last_price FROM listing ORDER BY id;

-- C17: a BEFORE STATEMENT trigger, a CHECK and a BEFORE ROW trigger that change prices of the listing that is written
CALL "begin"();
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
CREATE FUNCTION prune() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM price WHERE value > 15; RETURN NULL; END $$;
CREATE TRIGGER prune BEFORE UPDATE ON listing FOR EACH STATEMENT EXECUTE FUNCTION prune();
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 10);
INSERT INTO price (listing_id, created, value) VALUES (1, 8, 20);
INSERT INTO price (listing_id, created, value) VALUES (1, 8, 12), (2, 8, 20);
SELECT id, last_price FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
CALL "begin"();
CREATE FUNCTION allows(price numeric) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN DELETE FROM own_write.price WHERE value > 15; RETURN true; END $$;
ALTER TABLE listing ADD last_price numeric CHECK (allows(last_price));
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 20);
SELECT id, last_price FROM listing ORDER BY id;
CALL "begin"();
SELECT price_count FROM listing_stats.attach('listing', 'price', key => 'listing_id', last_price => 'none', price_count => 'price_count');
CREATE FUNCTION prune_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM price WHERE id IN (SELECT id FROM price WHERE listing_id = new.id ORDER BY created DESC, id DESC OFFSET 3);
    RETURN new;
END $$;
CREATE TRIGGER prune_old BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION prune_old();
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 10);
INSERT INTO price (listing_id, created, value) VALUES (1, 8, 11), (2, 8, 20), (2, 9, 21);
SELECT id, price_count FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
-- One that takes back each time what it did the last time: nothing can be written that stays right
CALL "begin"();
CREATE FUNCTION alternate(price numeric) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        DELETE FROM own_write.price WHERE value > 15;
        IF NOT FOUND THEN
            INSERT INTO own_write.price (listing_id, created, value) VALUES (1, 100, 20);
        END IF;
    END IF;
    RETURN true;
END $$;
ALTER TABLE listing ADD last_price numeric CHECK (alternate(last_price));
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
INSERT INTO price (listing_id, created, value) VALUES (1, 7, 20);
\echo :SQLSTATE
SELECT id, last_price FROM listing ORDER BY id;
SELECT count(*) FROM price;

-- A function of an index, which says that it is immutable
CALL "begin"();
ALTER TABLE listing ADD last_price numeric;
CREATE FUNCTION prune_fourth() RETURNS void LANGUAGE sql AS 'DELETE FROM own_write.price WHERE listing_id = 4';
CREATE FUNCTION indexed(id int, price numeric) RETURNS numeric IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF id = 3 AND price = 20 THEN
        PERFORM own_write.prune_fourth();
    END IF;
    RETURN price;
END $$;
CREATE INDEX ON listing (indexed(id, last_price));
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
INSERT INTO listing VALUES (3), (4);
INSERT INTO price (listing_id, created, value) VALUES (3, 7, 20), (4, 8, 30);
SELECT id, last_price FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');

-- An AFTER trigger that changes prices disturbs nothing: no UPDATE is run once more
CALL "begin"();
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
CREATE SEQUENCE runs;
CREATE FUNCTION raise_others() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('runs');
    IF pg_trigger_depth() < 20 THEN
        UPDATE price SET value = value + 1 WHERE listing_id = 2;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER raise_others AFTER UPDATE ON listing FOR EACH STATEMENT EXECUTE FUNCTION raise_others();
UPDATE price SET value = value + 1 WHERE listing_id = 1;
SELECT last_value FROM runs;
SELECT id, last_price FROM listing ORDER BY id;

-- P3: more listings than one UPDATE takes, and a trigger on the first that changes a price of the last
CALL "begin"();
TRUNCATE price, listing;
INSERT INTO listing SELECT generate_series(1, 50010);
SELECT price_count FROM listing_stats.attach('listing', 'price', key => 'listing_id', price_count => 'price_count', lowest_price => 'lowest_price');
CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM written WHERE id = 5) THEN
        UPDATE price SET value = value + 1 WHERE listing_id = 50009;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER raise AFTER UPDATE ON listing REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION raise();
INSERT INTO price (listing_id, created, value) SELECT i, 1, i FROM generate_series(1, 50010) i;
SELECT id, price_count, lowest_price FROM listing WHERE id > 50007 ORDER BY id;

-- P3: what is written in the middle of a statement whose own flush is still to come is checked against all prices, also that statement's
CALL "begin"();
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id', previous_price => 'previous_price', price_count => 'price_count');
CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER pass_on BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION pass_on();
CREATE FUNCTION once_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO price (listing_id, created, value) VALUES (1, 3, 3), (2, 3, 3);
    DELETE FROM price WHERE value < 0;
    INSERT INTO price (listing_id, created, value) VALUES (1, 3, 3);
    RETURN NULL;
END $$;
CREATE TRIGGER "Once more" AFTER INSERT ON price FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION once_more();
CREATE TRIGGER "Once more" AFTER UPDATE ON listing FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION once_more();
INSERT INTO price (listing_id, created, value) VALUES (1, 2, 2.5), (2, 2, 2.5);
SELECT id, last_price, previous_price, price_count FROM listing ORDER BY id;
UPDATE listing SET previous_price = 9 WHERE id = 1;
SELECT id, last_price, previous_price, price_count FROM listing ORDER BY id;

-- C10: a kept column that is the key of another attachment
DROP TABLE price, listing;
CREATE TABLE listing (id bigint PRIMARY KEY, code bigint UNIQUE);
CREATE TABLE price (id serial PRIMARY KEY, listing_id bigint REFERENCES listing, created int NOT NULL, value bigint);
CREATE TABLE offer (id serial PRIMARY KEY, code bigint REFERENCES listing (code), created int NOT NULL, value numeric);
INSERT INTO listing VALUES (1), (2);
SELECT last_price FROM listing_stats.attach('listing', 'offer', last_price => 'last_offer');
ALTER TABLE listing DROP CONSTRAINT listing_code_key CASCADE;
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'code');
INSERT INTO offer (code, created, value) VALUES (10, 1, 1000), (20, 1, 2000);
INSERT INTO price (listing_id, created, value) VALUES (1, 1, 10), (2, 1, 20);
INSERT INTO price (listing_id, created, value) VALUES (1, 2, 20);
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'offer');
SELECT * FROM listing_stats.verify('listing', 'price');

DROP SCHEMA own_write CASCADE;
