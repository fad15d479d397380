-- D14: what follows DDL of partitions and inheritance children: new ones get triggers of their own, those that leave lose
-- them, and a warning names the call that makes up for prices that came or went with a table.  Without it: partitions.sql.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA parts;
SET search_path = parts;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int, listing_id int REFERENCES listing, created date NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE price_2024 PARTITION OF price FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO listing SELECT generate_series(1, 3);
INSERT INTO price VALUES (1, 1, '2024-05-01', 1), (2, 2, '2024-06-01', 2);
SELECT last_price FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
CREATE FUNCTION wrong() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM listing_stats.verify('parts.listing', 'parts.price') $$;
-- Our triggers on the tables of a name, and what is warned of.
CREATE FUNCTION triggers_on(name text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(tgrelid::regclass || ': ' || tgname || CASE WHEN tgparentid <> 0 THEN ' (clone)' ELSE '' END || CASE tgenabled WHEN 'O' THEN '' ELSE ' ' || tgenabled::text END, ', ' ORDER BY tgrelid::regclass::text COLLATE "C", tgname COLLATE "C")
    FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND relname ~ ('^' || name) AND relnamespace = 'parts'::regnamespace $$;
CREATE FUNCTION warnings() RETURNS text[] LANGUAGE sql AS $$ SELECT warnings FROM listing_stats.attachments WHERE price = 'parts.price'::regclass $$;

-- a new partition
CREATE TABLE price_2025 PARTITION OF price FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
SELECT triggers_on('price_2025'), warnings();
INSERT INTO price VALUES (3, 1, '2025-05-01', 3);
TRUNCATE price_2025;
SELECT wrong(), * FROM listing WHERE id = 1;
-- with partitions of its own
CREATE TABLE price_2026 PARTITION OF price FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (id);
CREATE TABLE price_2026_0 PARTITION OF price_2026 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO price VALUES (4, 1, '2026-05-01', 4);
TRUNCATE price_2026_0;
SELECT triggers_on('price_2026'), warnings(), wrong();
-- attached, without rows and with them, and with a trigger that has the usual name
CREATE TABLE price_2027 (LIKE price INCLUDING ALL);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER "LISTING_STATS_1_truncate" AFTER TRUNCATE ON price_2027 EXECUTE FUNCTION nothing();
ALTER TABLE price ATTACH PARTITION price_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
CREATE TABLE price_2028 (LIKE price) PARTITION BY LIST (id);
CREATE TABLE price_2028_1 PARTITION OF price_2028 DEFAULT;
INSERT INTO price_2028 VALUES (5, 2, '2028-05-01', 5);
ALTER TABLE price ATTACH PARTITION price_2028 FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');
SELECT triggers_on('price_202[78]'), warnings(), wrong();
CALL listing_stats.refresh('parts.listing', 'parts.price', only_in => 'parts.price_2028');
SELECT wrong();
INSERT INTO price VALUES (6, 1, '2027-05-01', 6);
TRUNCATE price_2027;
TRUNCATE price_2028_1;
SELECT wrong();
-- detached, without rows and with them
INSERT INTO price VALUES (7, 3, '2028-05-01', 7), (8, 3, '2027-05-01', 8);
ALTER TABLE price DETACH PARTITION price_2025;
ALTER TABLE price DETACH PARTITION price_2027;
ALTER TABLE price DETACH PARTITION price_2028 CONCURRENTLY;
SELECT triggers_on('price_202[578]'), warnings(), wrong();
CALL listing_stats.refresh('parts.listing', 'parts.price', only_in => 'parts.price_2027');
CALL listing_stats.refresh('parts.listing', 'parts.price', only_in => 'parts.price_2028');
SELECT wrong();
TRUNCATE price_2027, price_2028;
-- and attached again
ALTER TABLE price ATTACH PARTITION price_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
SELECT triggers_on('price_2027');
-- what is rolled back has not been
BEGIN;
CREATE TABLE price_2029 PARTITION OF price FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');
INSERT INTO price VALUES (9, 3, '2029-05-01', 9);
TRUNCATE price_2029;
ALTER TABLE price DETACH PARTITION price_2024;
ROLLBACK;
SELECT triggers_on('price_202[49]'), wrong();
-- made with its schema
CREATE SCHEMA parts_2 CREATE TABLE price_2030 PARTITION OF parts.price FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'parts_2.price_2030'::regclass AND NOT tgisinternal ORDER BY tgname COLLATE "C";
INSERT INTO price VALUES (10, 3, '2030-05-01', 10), (11, 3, '2027-05-01', 11), (12, 3, '2026-05-01', 12), (13, 3, '2024-05-01', 13);
-- dropped: without rows, one with them, one in a schema, several, all
BEGIN;
TRUNCATE price_2027;
DROP TABLE price_2027;
SELECT wrong();
ROLLBACK;
BEGIN;
DROP SCHEMA parts_2 CASCADE;
SELECT wrong();
ROLLBACK;
BEGIN;
DROP TABLE price_2024, price_2026, price_2027;
SELECT wrong();
ROLLBACK;
BEGIN;
DROP TABLE price;
ROLLBACK;
BEGIN;
DROP TABLE listing CASCADE;
DROP TABLE price_2024;
ROLLBACK;
-- two attachments to one listing: one warning
ALTER TABLE price ADD seller_id int;
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'seller_id', last_price => 'by_seller');
DROP TABLE price_2024;
CALL listing_stats.refresh('parts.listing', 'parts.price');
CREATE TABLE price_2024 PARTITION OF price FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
SELECT triggers_on('price_2024');
INSERT INTO price VALUES (1, 1, '2024-05-01', 1);
ALTER TABLE price DETACH PARTITION price_2024;
SELECT triggers_on('price_2024');
SELECT listing_stats.detach('listing', 'price');
ALTER TABLE price ATTACH PARTITION price_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
-- the state of the triggers goes along
SELECT replication FROM listing_stats.attach('listing', 'price', replication => 'always');
CREATE TABLE price_2025_1 PARTITION OF price FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
ALTER TABLE price DISABLE TRIGGER "LISTING_STATS_1";
CREATE TABLE price_2025_2 PARTITION OF price FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
SELECT triggers_on('price_2025_');
SELECT warnings();
ALTER TABLE price ENABLE TRIGGER "LISTING_STATS_1";
SELECT warnings(), wrong();
-- made by a superuser, who owns it: it gets its trigger; of others it is left alone
RESET SESSION AUTHORIZATION;
CREATE TABLE price_2025_3 PARTITION OF price FOR VALUES FROM ('2025-03-01') TO ('2025-04-01');
SELECT triggers_on('price_2025_3'), warnings();
SET SESSION AUTHORIZATION regress_listing_stats;
ALTER TABLE price DETACH PARTITION price_2025_3;
SELECT triggers_on('price_2025_3');
RESET SESSION AUTHORIZATION;
DROP TABLE price_2025_3;
SET SESSION AUTHORIZATION regress_listing_stats;

-- inheritance children, which can have what a unique index of the parent does not let it have
CREATE TABLE dated (listing_id int, created date NOT NULL, id int, value numeric, PRIMARY KEY (listing_id, created));
CREATE TABLE dated_1 () INHERITS (dated);
SELECT listing_stats.attach('listing', 'dated', key => 'listing_id', last_price => 'dated');
DROP TABLE dated CASCADE;
CREATE TABLE reading (id int PRIMARY KEY, listing_id int, created date NOT NULL, value numeric);
SELECT last_price FROM listing_stats.attach('listing', 'reading', key => 'listing_id', last_price => 'reading');
CREATE TABLE reading_1 (extra text) INHERITS (reading);
CREATE TABLE reading_2 (LIKE reading INCLUDING ALL);
INSERT INTO reading_2 VALUES (1, 1, '2026-01-01', 1);
ALTER TABLE reading_2 INHERIT reading;
SELECT triggers_on('reading'), warnings FROM listing_stats.attachments WHERE price = 'reading'::regclass;
CALL listing_stats.refresh('parts.listing', 'parts.reading', only_in => 'parts.reading_2');
INSERT INTO reading_1 VALUES (2, 2, '2026-01-01', 2), (3, 3, '2026-01-01', 3);
UPDATE reading SET value = value + 10;
SELECT id, reading FROM listing ORDER BY id;
TRUNCATE ONLY reading_1;
SELECT id, reading FROM listing ORDER BY id;
ALTER TABLE reading_2 NO INHERIT reading;
SELECT triggers_on('reading');
INSERT INTO reading_2 VALUES (4, 4, '2026-01-01', 4);
CALL listing_stats.refresh('parts.listing', 'parts.reading');
INSERT INTO reading_1 VALUES (2, 2, '2026-01-01', 2);
DROP TABLE reading_1;
SELECT * FROM listing_stats.verify('listing', 'reading');
-- a child that stays below by another parent keeps its triggers, and so does what is below it
CREATE TABLE middle () INHERITS (reading);
CREATE TABLE below () INHERITS (reading, middle);
CREATE TABLE lowest () INHERITS (below);
ALTER TABLE below NO INHERIT reading;
SELECT triggers_on('(middle|below|lowest)');
INSERT INTO lowest VALUES (9, 3, '2030-01-01', 9);
SELECT reading FROM listing WHERE id = 3;
ALTER TABLE middle NO INHERIT reading;
SELECT triggers_on('(middle|below|lowest)');
DROP TABLE lowest, below, middle;
CALL listing_stats.refresh('parts.listing', 'parts.reading');
-- a child that takes NULL as its time by itself, which 18 refuses: it is not the latest
INSERT INTO reading VALUES (20, 3, '2026-05-01', 20);
CREATE TABLE undated () INHERITS (reading);
INSERT INTO undated VALUES (21, 3, '2026-04-01', 21);
SELECT reading, listing_stats.latest_price('reading', 3, key_column => 'listing_id') FROM listing WHERE id = 3;
DO $$
BEGIN
	ALTER TABLE undated ALTER created DROP NOT NULL;
	INSERT INTO undated VALUES (22, 3, NULL, 22);
EXCEPTION WHEN invalid_table_definition THEN
	NULL;
END $$;
SELECT reading, listing_stats.latest_price('reading', 3, key_column => 'listing_id') FROM listing WHERE id = 3;
DROP TABLE undated;
-- a child of a table that is attached to nothing, and of one whose triggers say nothing
CREATE TABLE reading_3 () INHERITS (reading_2);
CREATE TRIGGER wrong AFTER INSERT ON reading_2 FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed('what is this');
CREATE TABLE reading_4 () INHERITS (reading_2);


-- a part that belongs to another role goes along when a column gets a new name, and lets its triggers go
CREATE TABLE house (id int PRIMARY KEY);
CREATE TABLE bid (id int, house_id int REFERENCES house, created date NOT NULL, value int) PARTITION BY RANGE (created);
SELECT last_price FROM listing_stats.attach('house', 'bid', tie => 'id');
CREATE TABLE offer (id int, house_id int, created date NOT NULL, value int);
SELECT last_price FROM listing_stats.attach('house', 'offer', key => 'house_id', tie => 'id', last_price => 'offered');
RESET SESSION AUTHORIZATION;
CREATE TABLE bid_2027 PARTITION OF bid FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
CREATE TABLE foreign_offer () INHERITS (offer);
GRANT INSERT ON foreign_offer TO regress_listing_stats;
SET SESSION AUTHORIZATION regress_listing_stats;
INSERT INTO house VALUES (1);
ALTER TABLE house RENAME last_price TO latest;
ALTER TABLE house RENAME offered TO latest_offer;
INSERT INTO bid VALUES (1, 1, '2027-02-01', 5);
INSERT INTO foreign_offer VALUES (1, 1, '2027-02-01', 6);
TABLE house;
TRUNCATE bid;
TABLE house;
SELECT listing_stats.detach('house', 'bid');
SELECT last_price FROM listing_stats.attach('house', 'offer', key => 'house_id', tie => 'id', last_price => 'latest_offer');
DROP TABLE house CASCADE;
INSERT INTO foreign_offer VALUES (2, 1, '2027-03-01', 7);
SELECT triggers_on('(bid|offer|foreign_offer)');
-- rows that come with a partition of the listings, which no foreign key keeps from having prices
CREATE TABLE item (id int PRIMARY KEY, last_price int) PARTITION BY RANGE (id);
CREATE TABLE quote (id int PRIMARY KEY, item_id int, created date NOT NULL, value int);
SELECT last_price FROM listing_stats.attach('item', 'quote', key => 'item_id');
INSERT INTO quote VALUES (1, 15, '2026-01-01', 7);
CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM (0) TO (10);
CREATE TABLE item_2 (id int NOT NULL, last_price int);
INSERT INTO item_2 VALUES (15);
ALTER TABLE item ATTACH PARTITION item_2 FOR VALUES FROM (10) TO (20);
CALL listing_stats.refresh('parts.item', 'parts.quote');
TABLE item;

DROP SCHEMA parts, parts_2 CASCADE;
