-- Tables that others have taken the place of: by a swap of names, or by becoming a partition.  The triggers stay with the
-- old ones, and the view attachments and attach() say what to call.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA replaced;
SET search_path = replaced;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
CREATE FUNCTION warnings() RETURNS TABLE (listing regclass, price regclass, warning text) LANGUAGE sql AS $$
    SELECT a.listing, a.price, unnest(warnings) FROM listing_stats.attachments a JOIN pg_class c ON c.oid = a.price WHERE relnamespace = 'replaced'::regnamespace ORDER BY 1, 2, 3 $$;
CREATE PROCEDURE setup() LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS price_old, price, listing_old, listing CASCADE;
    CREATE TABLE listing (id int PRIMARY KEY, note text);
    CREATE TABLE price (id int, listing_id int REFERENCES listing, created date NOT NULL, value numeric, PRIMARY KEY (id, created));
    INSERT INTO listing SELECT generate_series(1, 2);
    INSERT INTO price VALUES (1, 1, '2026-01-01', 1), (2, 2, '2026-01-01', 2);
    PERFORM listing_stats.attach('listing', 'price');
END $$;

-- the listings are swapped
CALL setup();
SELECT * FROM warnings();
CALL public.replace_listing();
INSERT INTO price VALUES (3, 1, '2026-01-02', 3);
SELECT id, last_price FROM listing ORDER BY id;
SELECT * FROM warnings();
SET client_min_messages = notice;
SELECT last_price, warnings FROM listing_stats.attach('listing', 'price', key => 'listing_id');
SET client_min_messages = warning;
SELECT * FROM warnings();
SELECT listing_stats.detach('replaced.listing_old', 'replaced.price');
SELECT * FROM warnings();
SELECT id, last_price FROM listing ORDER BY id;

-- the prices are swapped
CALL setup();
CALL public.replace_price();
SELECT * FROM warnings();
SELECT listing_stats.attach('listing', 'price');
\echo :SQLSTATE
SELECT listing_stats.detach('replaced.listing', 'replaced.price_old');
SELECT last_price, warnings FROM listing_stats.attach('listing', 'price');

-- the prices become a partition
CALL setup();
BEGIN;
ALTER TABLE price RENAME TO price_old;
CREATE TABLE price (LIKE price_old INCLUDING INDEXES, FOREIGN KEY (listing_id) REFERENCES listing) PARTITION BY RANGE (created);
ALTER TABLE price ATTACH PARTITION price_old FOR VALUES FROM (minvalue) TO ('2027-01-01');
CREATE TABLE price_2027 PARTITION OF price FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
COMMIT;
INSERT INTO price VALUES (3, 1, '2027-01-01', 3);
SELECT id, last_price FROM listing ORDER BY id;
SELECT * FROM warnings();
SELECT listing_stats.attach('listing', 'price');
SELECT listing_stats.detach('replaced.listing', 'replaced.price_old');
SELECT last_price, warnings FROM listing_stats.attach('listing', 'price');
SELECT id, last_price FROM listing ORDER BY id;

-- so do the listings
CALL setup();
BEGIN;
ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
ALTER TABLE listing RENAME TO listing_old;
CREATE TABLE listing (LIKE listing_old INCLUDING INDEXES) PARTITION BY RANGE (id);
ALTER TABLE listing ATTACH PARTITION listing_old FOR VALUES FROM (minvalue) TO (100);
ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing;
COMMIT;
SELECT * FROM warnings();
SELECT listing_stats.detach('replaced.listing_old', 'replaced.price');
SELECT last_price, warnings FROM listing_stats.attach('listing', 'price');
DROP TABLE price, listing;

-- what looks alike and is right: both tables refer to a third one; the table that price refers to refers to the listing; an
-- archive of the prices; a table that all inherit from
CREATE TABLE product (id int PRIMARY KEY);
CREATE TABLE base (created date, note text);
CREATE TABLE listing (product_id int PRIMARY KEY REFERENCES product);
CREATE TABLE price (id int PRIMARY KEY, product_id int REFERENCES product, created date NOT NULL, value numeric) INHERITS (base);
SELECT warnings FROM listing_stats.attach('listing', 'price', key => 'product_id');
CREATE TABLE archive (id int PRIMARY KEY, product_id int REFERENCES listing, created date NOT NULL, value numeric);
CREATE TABLE detail (product_id int PRIMARY KEY REFERENCES listing);
CREATE TABLE detail_price (id int PRIMARY KEY, product_id int REFERENCES detail, created date NOT NULL, value numeric);
SELECT warnings FROM listing_stats.attach('listing', 'detail_price', key => 'product_id', last_price => 'detail_price');
SELECT * FROM warnings();
DROP SCHEMA replaced CASCADE;
