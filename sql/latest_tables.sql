-- What else an owner has on the table of keep_latest(): foreign keys, other attachments, rows of his own.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA latest_tables;
SET search_path = latest_tables;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

-- A row of it goes with what its foreign key refers to, whichever cascade comes first
CREATE TABLE listing (id int PRIMARY KEY, name text);
INSERT INTO listing SELECT generate_series(1, 6);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing ON DELETE CASCADE ON UPDATE CASCADE, created date NOT NULL DEFAULT '2026-01-01', value int);
INSERT INTO price (listing_id, value) SELECT id, id FROM listing;
SELECT key, warnings FROM listing_stats.keep_latest('price', 'latest');
ALTER TABLE latest ADD FOREIGN KEY (listing_id) REFERENCES listing ON DELETE CASCADE ON UPDATE CASCADE;
DELETE FROM listing WHERE id = 1;
UPDATE listing SET id = 20 WHERE id = 2;
BEGIN;
DELETE FROM latest WHERE listing_id = 3;
DELETE FROM listing WHERE id = 3;
COMMIT;
SELECT * FROM latest ORDER BY listing_id;
SELECT * FROM listing_stats.verify('latest', 'price');
ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey, ADD FOREIGN KEY (listing_id) REFERENCES listing ON DELETE CASCADE ON UPDATE CASCADE;
DELETE FROM listing WHERE id = 4;
UPDATE listing SET id = 50 WHERE id = 5;
INSERT INTO latest VALUES (6, 0) ON CONFLICT (listing_id) DO UPDATE SET last_price = 7;
MERGE INTO latest l USING (VALUES (6), (20)) v (id) ON l.listing_id = v.id WHEN MATCHED AND v.id = 6 THEN DELETE WHEN MATCHED THEN UPDATE SET last_price = 3;
SELECT * FROM latest ORDER BY listing_id;
SELECT * FROM listing_stats.verify('latest', 'price');
-- That key is price's own, so it is no sign that another table has been attached
SELECT * FROM listing_stats.check() WHERE price = 'price'::regclass;

-- One attachment inserts and deletes its rows, others can keep more of their columns
SELECT key FROM listing_stats.keep_latest('price', 'latest', last_price => 'other', condition => 'value > 3');
\echo :SQLSTATE
SELECT last_price, own_rows FROM listing_stats.attach('latest', 'price', last_price => 'other', key => 'listing_id', condition => 'value > 5');
SELECT last_price, own_rows FROM listing_stats.keep_latest('price', 'latest', last_price => 'last_price', carry => 'value');
SELECT * FROM latest ORDER BY listing_id;

-- also where the table refers to nothing, and the prices to another
SELECT last_price, last_price_at FROM listing_stats.keep_latest('price', 'alone', key => 'listing_id');
SELECT last_price, own_rows FROM listing_stats.attach('alone', 'price', last_price => 'other', key => 'listing_id', condition => 'value > 5');
SELECT * FROM alone ORDER BY listing_id;
DROP TABLE alone;

-- The latest rows of its rows are no other attachment that keeps them
CREATE TABLE offer (id serial PRIMARY KEY, shop int, product int, created date NOT NULL DEFAULT '2026-01-01', value int);
INSERT INTO offer (shop, product, value) VALUES (1, 1, 11), (1, 2, 12);
SELECT key FROM listing_stats.keep_latest('offer', 'newest', key => 'shop, product');
SELECT key FROM listing_stats.keep_latest('newest', 'by_shop', key => 'shop', at => 'last_price_at', value => 'last_price');
SELECT key FROM listing_stats.keep_latest('offer', 'newest', key => 'shop, product');
INSERT INTO offer (shop, product, created, value) VALUES (1, 1, '2026-01-02', 13), (2, 1, '2026-01-01', 21);
SELECT * FROM by_shop ORDER BY shop;
DROP TABLE offer, newest, by_shop;

-- What mends one of several names a column of it, and is no other's
ALTER TABLE price DISABLE TRIGGER USER;
SELECT mend FROM listing_stats.check() WHERE price = 'price'::regclass;
DO $$ DECLARE mends text[] := ARRAY(SELECT mend FROM listing_stats.check() WHERE price = 'price'::regclass); mend text; BEGIN
	FOREACH mend IN ARRAY mends LOOP
		EXECUTE mend;
	END LOOP;
END $$;
SELECT * FROM listing_stats.check() WHERE price = 'price'::regclass;
CREATE TABLE whole (LIKE price) PARTITION BY RANGE (listing_id);
ALTER TABLE whole ATTACH PARTITION price FOR VALUES FROM (0) TO (100);
SELECT problem, mend FROM listing_stats.check() WHERE price = 'price'::regclass;
DROP TABLE whole, latest;

-- A row whose key gets a price from the owner's trigger, in the middle of the statement that takes its last one, stays
CREATE TABLE again_price (id serial PRIMARY KEY, product int, created date NOT NULL DEFAULT '2026-01-01', value int);
INSERT INTO again_price (product, value) VALUES (1, 1), (2, 2);
SELECT key FROM listing_stats.keep_latest('again_price', 'again', key => 'product');
CREATE FUNCTION price_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NOT EXISTS (SELECT FROM latest_tables.again_price WHERE value = 3) THEN
		INSERT INTO latest_tables.again_price (product, value) VALUES (2, 3);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER price_again AFTER UPDATE ON again FOR EACH ROW EXECUTE FUNCTION price_again();
UPDATE again_price SET product = 1, value = 5;
SELECT * FROM again ORDER BY product;
SELECT * FROM listing_stats.verify('again', 'again_price');
DROP TABLE again_price, again;
DROP FUNCTION price_again;

-- Rows that are there are not deleted because their columns have been kept before
CREATE TABLE item (listing_id int PRIMARY KEY, name text);
INSERT INTO item VALUES (6, 'has a price'), (7, 'has none');
CREATE TABLE price (id serial PRIMARY KEY, listing_id int, created date NOT NULL DEFAULT '2026-01-01', value int);
INSERT INTO price (listing_id, value) VALUES (6, 6);
SELECT last_price, own_rows FROM listing_stats.attach('item', 'price', key => 'listing_id');
SELECT last_price, own_rows FROM listing_stats.keep_latest('price', 'item', key => 'listing_id', last_price => 'last_price');
\echo :SQLSTATE
SELECT * FROM item ORDER BY listing_id;
DELETE FROM item WHERE listing_id = 7;
SELECT last_price, own_rows FROM listing_stats.keep_latest('price', 'item', key => 'listing_id', last_price => 'last_price');
-- Rows are inserted by its unique key: one that is checked later does not do
CREATE TABLE later (listing_id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
SELECT key FROM listing_stats.keep_latest('price', 'later', key => 'listing_id');
\echo :SQLSTATE
-- More columns than a key can have are not cut off
CREATE TABLE wide (a int, b int, c int, d int, e int, f int, g int, h int, i int, PRIMARY KEY (a, b, c, d, e, f, g, h, i));
CREATE TABLE wide_price (id serial PRIMARY KEY, a int, b int, c int, d int, e int, f int, g int, h int, i int, created date, value int, FOREIGN KEY (a, b, c, d, e, f, g, h, i) REFERENCES wide);
SELECT key FROM listing_stats.keep_latest('wide_price', 'latest');
\echo :SQLSTATE
SELECT listing_stats.latest_price('wide_price', 1);
\echo :SQLSTATE
-- and two foreign keys on the same ones are one key
CREATE TABLE two_listings (id int PRIMARY KEY);
CREATE TABLE other_two (id int PRIMARY KEY);
CREATE TABLE twice (id serial PRIMARY KEY, listing_id int REFERENCES two_listings REFERENCES other_two, created date, value int);
SELECT key FROM listing_stats.keep_latest('twice', 'of_twice');
DROP SCHEMA latest_tables CASCADE;
