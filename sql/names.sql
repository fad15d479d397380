-- S7: Names of any kind, whatever the search_path is, and renames of everything.
-- Nothing here needs the event triggers; what they add is in follow_ddl.sql.
ALTER EVENT TRIGGER listing_stats_changes DISABLE;
ALTER EVENT TRIGGER listing_stats_drops DISABLE;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA "Na""mes";
SET search_path = "Na""mes";
SET client_min_messages = warning;

CREATE TABLE "select" ("order" int PRIMARY KEY, "a.b" text);
CREATE TABLE "it's a =table" ("group" int PRIMARY KEY, "my ""key""" int REFERENCES "select", "at=" timestamptz NOT NULL, "value\x" numeric(10,2));
SELECT listing, price, listing_key, last_price, last_price_at, key, at, tie, value, index, triggers, warnings
FROM listing_stats.attach('"select"', '"it''s a =table"', at => 'at=', value => 'value\x', last_price => 'Last, price', last_price_at => 'ünïcödé') \gx
INSERT INTO "select" VALUES (1), (2);
INSERT INTO "it's a =table" VALUES (1, 1, '2026-01-01', 5), (2, 2, '2026-01-01', 6);
TABLE "select";
SELECT * FROM listing_stats.verify('"select"', '"it''s a =table"');
SELECT listing_stats.detach('"select"', '"it''s a =table"');

-- S7: 63 bytes everywhere
SELECT repeat('x', 62) || 'l' AS l, repeat('x', 62) || 'p' AS p, repeat('y', 63) AS c, repeat('z', 63) AS t, repeat('w', 60) AS c2 \gset
CREATE TABLE :"l" (:"c" int PRIMARY KEY);
CREATE TABLE :"p" (:"c" int PRIMARY KEY, :"t" int REFERENCES :"l", created timestamptz, value int);
SELECT index FROM listing_stats.attach(:'l', :'p', last_price => :'t');
INSERT INTO :"l" VALUES (1);
INSERT INTO :"p" VALUES (1, 1, '2026-01-01', 5);
TABLE :"l";
-- also where what carries a column is named after it
ALTER TABLE :"p" ADD COLUMN :"c2" text DEFAULT 'carried';
SELECT carry FROM listing_stats.attach(:'l', :'p', last_price => :'t', carry => :'c2');
SELECT carry FROM listing_stats.attach(:'l', :'p', last_price => 'short', carry => :'c2' || ' AS ' || :'t' || 'zz');
UPDATE :"p" SET value = 6;
TABLE :"l";

-- S3: the search_path of the session, and what lies in it, do not matter
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz, value numeric);
SELECT count(*) FROM listing_stats.attach('listing', 'price');
INSERT INTO listing VALUES (1), (2);
CREATE TEMP TABLE listing (id int PRIMARY KEY, last_price numeric);
CREATE TEMP TABLE price (id int, listing_id int, created timestamptz, value numeric);
CREATE TEMP TABLE _flush (nothing boolean);
INSERT INTO listing VALUES (1, 99);
CREATE SCHEMA evil;
CREATE FUNCTION evil.equal(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked as %', current_user; END $$;
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.equal);
CREATE FUNCTION evil.equal(int, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked as %', current_user; END $$;
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = bigint, FUNCTION = evil.equal);
CREATE FUNCTION evil.equal(numeric, numeric) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked as %', current_user; END $$;
CREATE OPERATOR evil.= (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = evil.equal);
CREATE FUNCTION evil.unnest(int[]) RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked as %', current_user; END $$;
CREATE FUNCTION evil.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked as %', current_user; END $$;
SET search_path = pg_temp, evil, pg_catalog;
INSERT INTO "Na""mes".price VALUES (1, 1, '2026-01-01', 5), (2, 2, '2026-01-01', 6);
SET search_path = '';
INSERT INTO "Na""mes".price VALUES (3, 1, '2026-01-02', 7);
SET search_path = "Na""mes", pg_temp;
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
DROP TABLE pg_temp.listing, pg_temp.price, pg_temp._flush;

-- D1: a rename of anything takes effect at once
ALTER TABLE price RENAME value TO amount;
INSERT INTO price VALUES (4, 1, '2026-01-04', 8);
ALTER TABLE price RENAME created TO seen;
INSERT INTO price VALUES (5, 1, '2026-01-05', 9);
ALTER TABLE price RENAME listing_id TO parent;
INSERT INTO price VALUES (6, 1, '2026-01-06', 10);
ALTER TABLE price RENAME id TO number;
INSERT INTO price VALUES (7, 1, '2026-01-07', 11);
ALTER TABLE listing RENAME id TO code;
INSERT INTO price VALUES (8, 1, '2026-01-08', 12);
ALTER TABLE listing RENAME last_price TO latest;
INSERT INTO price VALUES (9, 1, '2026-01-09', 13);
ALTER TABLE listing RENAME TO item;
INSERT INTO price VALUES (10, 1, '2026-01-10', 14);
ALTER TABLE price RENAME TO offer;
INSERT INTO offer VALUES (11, 1, '2026-01-11', 15);
ALTER SCHEMA "Na""mes" RENAME TO names;
INSERT INTO names.offer VALUES (12, 1, '2026-01-12', 16);
ALTER TABLE names.item SET SCHEMA evil;
INSERT INTO names.offer VALUES (13, 1, '2026-01-13', 17);
ALTER TABLE names.offer RENAME CONSTRAINT price_listing_id_fkey TO fk;
ALTER TRIGGER "LISTING_STATS_1" ON evil.item RENAME TO keep;
INSERT INTO names.offer VALUES (14, 1, '2026-01-14', 18), (15, 2, '2026-01-14', 19);
SELECT * FROM evil.item ORDER BY code;
SET search_path = names;
SELECT * FROM listing_stats.verify('evil.item', 'offer');
SELECT listing, price, listing_key, last_price, key, at, tie, value, warnings FROM listing_stats.attachments WHERE price = 'offer'::regclass;
UPDATE evil.item SET latest = 0, code = code + 10 WHERE false;
UPDATE evil.item SET latest = 0;
SELECT * FROM evil.item ORDER BY code;
-- attaching again carries the new names into the arguments
SELECT value FROM listing_stats.attach('evil.item', 'offer');
SELECT pg_get_triggerdef(oid) !~ 'last_price=last_price|created|public|Na' AS renamed FROM pg_trigger WHERE tgrelid = 'offer'::regclass AND tgname = 'LISTING_STATS_1';

-- a column that takes the name of another is never mistaken for it
ALTER TABLE offer RENAME amount TO old_amount;
ALTER TABLE offer ADD COLUMN amount numeric;
INSERT INTO offer VALUES (16, 1, '2026-01-16', 20, 999);
\echo :SQLSTATE
SELECT warnings FROM listing_stats.attachments WHERE price = 'offer'::regclass;
SELECT value FROM listing_stats.attach('evil.item', 'offer', value => 'old_amount');
INSERT INTO offer VALUES (16, 1, '2026-01-16', 20, 999);
SELECT * FROM evil.item ORDER BY code;
-- nor a table that takes the name of another
ALTER TABLE evil.item RENAME TO old_item;
CREATE TABLE evil.item (code int PRIMARY KEY, latest numeric);
INSERT INTO evil.item VALUES (1);
INSERT INTO offer VALUES (17, 1, '2026-01-17', 21, 999);
SELECT * FROM evil.old_item ORDER BY code;
TABLE evil.item;
ALTER TABLE offer RENAME TO old_offer;
CREATE TABLE offer (LIKE old_offer INCLUDING ALL);
UPDATE evil.old_item SET latest = 0;
SELECT * FROM evil.old_item ORDER BY code;
SELECT listing_stats.detach('evil.old_item', 'old_offer');

-- D4: changes of type, of the foreign key, of the index
DROP TABLE offer, old_offer, evil.item, evil.old_item;
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at');
INSERT INTO listing VALUES (1), (2);
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
ALTER TABLE price ALTER value TYPE numeric(12,3);
ALTER TABLE listing ALTER last_price TYPE numeric(12,3);
INSERT INTO price VALUES (2, 1, '2026-01-02', 1.125);
ALTER TABLE listing ALTER id TYPE bigint;
INSERT INTO price VALUES (3, 1, '2026-01-03', 3);
ALTER TABLE price ALTER listing_id TYPE bigint;
INSERT INTO price VALUES (4, 1, '2026-01-04', 4);
ALTER TABLE price ALTER id TYPE bigint, ALTER value TYPE double precision;
INSERT INTO price VALUES (5, 1, '2026-01-05', 5.5);
\echo :SQLSTATE
ALTER TABLE listing ALTER last_price TYPE double precision;
INSERT INTO price VALUES (5, 1, '2026-01-05', 5.5);
ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
INSERT INTO price VALUES (6, 1, '2026-01-06', 6), (7, 77, '2026-01-06', 6);
SELECT * FROM listing_stats.verify('listing', 'price');
TABLE listing;
DELETE FROM price WHERE listing_id = 77;
ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing DEFERRABLE INITIALLY DEFERRED;
DROP INDEX price_listing_id_created_id_value_idx;
INSERT INTO price VALUES (8, 1, '2026-01-08', 8);
ALTER TABLE price ALTER created TYPE timestamp USING created AT TIME ZONE 'UTC';
INSERT INTO price VALUES (9, 1, '2026-01-09', 9);
\echo :SQLSTATE
ALTER TABLE listing ALTER last_price_at TYPE timestamp USING last_price_at AT TIME ZONE 'UTC';
INSERT INTO price VALUES (9, 1, '2026-01-09', 9);
-- D5: all in one transaction, the plans made before
BEGIN;
INSERT INTO price VALUES (10, 1, '2026-01-10', 10);
ALTER TABLE listing ADD COLUMN a int DEFAULT 5;
INSERT INTO price VALUES (11, 2, '2026-01-11', 11);
ALTER TABLE listing DROP COLUMN a;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE price ADD COLUMN b int, DROP CONSTRAINT price_pkey;
INSERT INTO price VALUES (12, 2, '2026-01-12', 12);
COMMIT;
TABLE listing;
SELECT * FROM listing_stats.verify('listing', 'price');

ALTER TABLE price ADD PRIMARY KEY (id);
-- D6: what has lost its other half: attached anew as the error says, or detached, from either side
CREATE FUNCTION attach_anew() RETURNS TABLE (last_price name, last_price_at name, triggers text[]) LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    BEGIN
        INSERT INTO price VALUES (99, 1, '2026-03-01', 99);
    EXCEPTION WHEN undefined_table THEN
        GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    END;
    RETURN QUERY EXECUTE 'SELECT last_price, last_price_at, triggers FROM ' ||
        coalesce(substring(hint FROM 'SELECT (listing_stats.attach.*?)(?:, or)'), 'listing_stats.attach(''listing'', ''price'')');
END $$;
DROP TRIGGER "LISTING_STATS_1" ON listing;
SELECT * FROM attach_anew();
DROP TRIGGER "LISTING_STATS_1" ON price;
SELECT * FROM attach_anew();
DELETE FROM price WHERE id > 12;
INSERT INTO price VALUES (13, 1, '2026-03-01', 13);
TABLE listing;
DROP TRIGGER "LISTING_STATS_1" ON listing;
SELECT listing_stats.detach('listing', 'price');
SELECT last_price FROM listing_stats.attach('listing', 'price');
DROP TRIGGER "LISTING_STATS_1" ON price;
SELECT listing_stats.detach('listing', 'price');
SELECT tgname FROM pg_trigger WHERE tgname LIKE 'LISTING%' AND tgrelid IN ('listing'::regclass, 'price'::regclass);
SELECT last_price FROM listing_stats.attach('listing', 'price');
-- a table dropped and made anew
DROP TABLE listing CASCADE;
CREATE TABLE listing (id int PRIMARY KEY, note text);
INSERT INTO listing VALUES (1), (2);
SELECT * FROM attach_anew();
INSERT INTO price VALUES (14, 1, '2026-04-01', 14);
TABLE listing;
SELECT * FROM listing_stats.verify('listing', 'price');

-- D4: int to bigint, the price's side first, with and without a foreign key
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created int NOT NULL, value int);
SELECT count(*) FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
INSERT INTO listing VALUES (1), (2);
INSERT INTO price VALUES (1, 1, 1, 1);
ALTER TABLE price ALTER listing_id TYPE bigint;
INSERT INTO price VALUES (2, 1, 2, 2);
INSERT INTO price VALUES (3, 1, 3, 3), (4, 2, 1, 4);
UPDATE listing SET last_price = 0;
SELECT * FROM listing ORDER BY id;
ALTER TABLE listing ALTER id TYPE bigint;
INSERT INTO listing VALUES (5000000000);
INSERT INTO price VALUES (5, 5000000000, 1, 5), (6, 2, 2, 6);
DELETE FROM price WHERE id = 3;
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
DELETE FROM price WHERE id = 5;
DELETE FROM listing WHERE id = 5000000000;
ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
ALTER TABLE price ALTER listing_id TYPE int;
ALTER TABLE listing ALTER id TYPE int;
INSERT INTO price VALUES (7, 1, 7, 7);
ALTER TABLE price ALTER listing_id TYPE bigint;
INSERT INTO price VALUES (8, 2, 8, 8), (9, 5000000000, 1, 9);
SELECT * FROM listing ORDER BY id;
ALTER TABLE listing ALTER id TYPE bigint;
INSERT INTO listing VALUES (5000000000);
DELETE FROM price WHERE id = 8;
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');

-- an error names the tables and the key as they are called now, or asks for the key, whose type has changed
ALTER TABLE listing RENAME TO thing;
ALTER TABLE price RENAME TO quote;
ALTER TABLE quote RENAME listing_id TO thing_id;
INSERT INTO quote VALUES (10, 1, 10, 10);
SELECT key FROM listing_stats.attach('names.thing', 'names.quote', key => 'thing_id');
ALTER TABLE thing RENAME TO item;
ALTER TABLE quote RENAME thing_id TO item_id;
ALTER TABLE item DROP COLUMN price_count;
INSERT INTO quote VALUES (10, 1, 10, 10);
SELECT key FROM listing_stats.attach('names.item', 'names.quote', key => 'item_id', price_count => 'number');
INSERT INTO quote VALUES (10, 1, 10, 10);
SELECT * FROM item ORDER BY id;
SELECT * FROM listing_stats.verify('item', 'quote');
-- an error names the key too: here are two
ALTER TABLE quote ADD COLUMN other_id bigint;
SELECT key FROM listing_stats.attach('names.item', 'names.quote', key => 'other_id', last_price => 'last_other');
DROP TRIGGER "LISTING_STATS_1" ON item;
INSERT INTO quote VALUES (11, 1, 11, 11, 2);
SELECT key FROM listing_stats.attach('names.item', 'names.quote', key => 'item_id');
INSERT INTO quote VALUES (11, 1, 11, 11, 2);
SELECT * FROM item ORDER BY id;

RESET SESSION AUTHORIZATION;
DROP SCHEMA names, evil CASCADE;
ALTER EVENT TRIGGER listing_stats_changes ENABLE;
ALTER EVENT TRIGGER listing_stats_drops ENABLE;
