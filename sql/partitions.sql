-- E: Partitioned and inherited tables: statements on the root and on a partition, and what no trigger sees where DDL is
-- not followed, as it is in follow_partitions.sql.
ALTER EVENT TRIGGER listing_stats_changes DISABLE;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA partitions;
SET search_path = partitions;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE TABLE listing (id int NOT NULL, region int NOT NULL DEFAULT 1, PRIMARY KEY (id));
CREATE TABLE price (id int, listing_id int REFERENCES listing, created date NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE price_2025 PARTITION OF price FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
-- other column order, and a column that was dropped
CREATE TABLE price_2026 (value numeric, gone int, created date NOT NULL, id int, listing_id int, PRIMARY KEY (id, created));
ALTER TABLE price_2026 DROP COLUMN gone;
ALTER TABLE price ATTACH PARTITION price_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- two levels, hash below range
CREATE TABLE price_2027 PARTITION OF price FOR VALUES FROM ('2027-01-01') TO ('2028-01-01') PARTITION BY HASH (id);
CREATE TABLE price_2027_0 PARTITION OF price_2027 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE price_2027_1 PARTITION OF price_2027 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE FUNCTION "check"() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wrong text := (SELECT string_agg(d::text, ' ') FROM (
        (SELECT id, last_price, price_count FROM listing EXCEPT ALL SELECT l.id, (array_agg(p.value ORDER BY p.created DESC, p.id DESC))[1], count(p.value) FROM listing l LEFT JOIN price p ON p.listing_id = l.id GROUP BY l.id)
        UNION ALL
        (SELECT l.id, (array_agg(p.value ORDER BY p.created DESC, p.id DESC))[1], count(p.value) FROM listing l LEFT JOIN price p ON p.listing_id = l.id GROUP BY l.id EXCEPT ALL SELECT id, last_price, price_count FROM listing)) d);
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'wrong: %', wrong;
    END IF;
    IF EXISTS (SELECT FROM listing_stats.verify('partitions.listing', 'partitions.price')) THEN
        RAISE EXCEPTION 'verify() sees what is not';
    END IF;
    RETURN (SELECT string_agg(format('%s=%s(%s)', id, last_price, price_count), ' ' ORDER BY id) FROM listing);
END $$;
INSERT INTO listing SELECT generate_series(1, 3);
INSERT INTO price VALUES (1, 1, '2025-05-01', 1), (2, 1, '2026-05-01', 2), (3, 2, '2025-05-01', 3);
SELECT index, warnings FROM listing_stats.attach('listing', 'price', price_count => 'price_count');
SELECT "check"();
SELECT tgrelid::regclass, tgname, tgparentid <> 0 AS clone FROM pg_trigger WHERE tgname ~ '^LISTING' ORDER BY tgrelid::regclass::text COLLATE "C", tgname COLLATE "C";

-- through the root
INSERT INTO price VALUES (4, 2, '2026-06-01', 4), (5, 3, '2027-06-01', 5), (6, 3, '2027-07-01', 6);
SELECT "check"();
UPDATE price SET value = value + 10;
SELECT "check"();
UPDATE price SET created = created + interval '1 year' WHERE id = 1;
SELECT "check"();
UPDATE price SET created = created - interval '1 year', listing_id = 1 WHERE id = 5;
SELECT "check"();
DELETE FROM price WHERE id = 6;
SELECT "check"();
COPY price FROM stdin;
7	1	2025-07-01	7
8	2	2026-07-01	8
9	3	2027-07-01	9
\.
SELECT "check"();
-- directly on a partition
INSERT INTO price_2026 (id, listing_id, created, value) VALUES (10, 1, '2026-12-01', 10);
SELECT "check"();
UPDATE price_2026 SET value = 11 WHERE id = 10;
SELECT "check"();
INSERT INTO price_2027_0 SELECT i, 2, '2027-12-01', i FROM generate_series(11, 30) i WHERE satisfies_hash_partition('price_2027'::regclass, 2, 0, i);
SELECT "check"();
UPDATE price_2027 SET listing_id = 3 WHERE id = (SELECT max(id) FROM price_2027);
SELECT "check"();
DELETE FROM price_2026 WHERE id = 10;
SELECT "check"();
-- partitions that were there when it was attached
TRUNCATE price_2027;
SELECT "check"();
TRUNCATE price_2026;
SELECT "check"();
INSERT INTO price VALUES (40, 1, '2026-05-01', 40);
TRUNCATE price;
SELECT "check"();

-- D14: a partition made later: its rows are seen, its TRUNCATE is not, and there is a warning, of several one
CREATE TABLE price_2028 PARTITION OF price FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');
CREATE TABLE price_2031 PARTITION OF price FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
SELECT warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
INSERT INTO price_2028 VALUES (50, 1, '2028-05-01', 50);
SELECT "check"();
TRUNCATE price_2028;
SELECT key, "column", stored, expected FROM listing_stats.verify('listing', 'price') ORDER BY 2;
SELECT warnings FROM listing_stats.attach('listing', 'price');
SELECT "check"();
INSERT INTO price_2028 VALUES (51, 1, '2028-05-01', 51);
TRUNCATE price_2028;
SELECT "check"();

-- D14: ATTACH and DETACH of rows: seen by nobody, repaired by attaching anew
CREATE TABLE price_2029 (LIKE price INCLUDING ALL);
INSERT INTO price_2029 VALUES (60, 2, '2029-05-01', 60);
ALTER TABLE price ATTACH PARTITION price_2029 FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');
SELECT key, "column", stored, expected FROM listing_stats.verify('listing', 'price') ORDER BY 2;
SELECT warnings FROM listing_stats.attach('listing', 'price');
-- E: a trigger that is disabled on a partition alone
SELECT tableoid::regclass AS part FROM price LIMIT 1 \gset
ALTER TABLE :part DISABLE TRIGGER "LISTING_STATS_1";
SELECT warnings = ARRAY[format('triggers on table "%s" are disabled: what they miss has to be repaired by refresh()', :'part')] AS warned
FROM listing_stats.attachments WHERE price = 'price'::regclass;
ALTER TABLE :part ENABLE TRIGGER "LISTING_STATS_1";
SELECT "check"();
ALTER TABLE price DETACH PARTITION price_2029;
INSERT INTO price_2029 VALUES (61, 3, '2029-05-01', 61);
UPDATE listing SET last_price = NULL WHERE id = 2;
SELECT key, "column", stored, expected FROM listing_stats.verify('listing', 'price') ORDER BY 2;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'price_2029'::regclass AND tgname ~ '^LISTING';
-- what is left on it does nothing, and says so
RESET client_min_messages;
TRUNCATE price_2029;
SET client_min_messages = warning;
SELECT "check"();
INSERT INTO price_2029 VALUES (61, 3, '2029-05-01', 61);
ALTER TABLE price ATTACH PARTITION price_2029 FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');
SELECT count(*) FROM listing_stats.attach('listing', 'price');
SELECT "check"();
-- detaching by a partition detaches the whole
SELECT listing_stats.detach('price_2029');
SELECT count(*) FROM pg_trigger WHERE tgname ~ '^LISTING';

-- P9: a partitioned listing
CREATE TABLE item (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM (1) TO (10);
CREATE TABLE item_2 (note text, id int NOT NULL);
ALTER TABLE item ATTACH PARTITION item_2 FOR VALUES FROM (10) TO (20);
CREATE TABLE offer (id int PRIMARY KEY, item_id int, created date NOT NULL, value int);
SELECT last_price FROM listing_stats.attach('item', 'offer', key => 'item_id', price_count => 'price_count');
INSERT INTO offer VALUES (1, 5, '2026-01-01', 1), (2, 15, '2026-01-01', 2), (3, 6, '2026-01-01', 3);
INSERT INTO item VALUES (5), (15);
INSERT INTO item_1 VALUES (6);
SELECT tableoid::regclass, * FROM item ORDER BY id;
UPDATE item SET id = 16 WHERE id = 5;
UPDATE offer SET item_id = 16 WHERE item_id = 6;
UPDATE item SET last_price = 0;
SELECT tableoid::regclass, * FROM item ORDER BY id;
SELECT * FROM listing_stats.verify('item', 'offer');
TRUNCATE offer;
SELECT tableoid::regclass, * FROM item ORDER BY id;
SELECT listing_stats.detach('item', 'offer');

-- inheritance children that are there when it is attached
CREATE TABLE reading (id int PRIMARY KEY, item_id int, created date NOT NULL, value int);
CREATE TABLE hot_reading (extra text) INHERITS (reading);
ALTER TABLE hot_reading ADD PRIMARY KEY (id);
SELECT last_price, warnings FROM listing_stats.attach('item', 'reading', key => 'item_id', last_price => 'reading', price_count => 'readings');
INSERT INTO reading VALUES (1, 15, '2026-01-01', 1);
INSERT INTO hot_reading VALUES (2, 15, '2026-01-02', 2), (3, 6, '2026-01-02', 3);
SELECT id, reading, readings FROM item ORDER BY id;
UPDATE reading SET value = value + 10;
DELETE FROM reading WHERE id = 3;
SELECT id, reading, readings FROM item ORDER BY id;
SELECT * FROM listing_stats.verify('item', 'reading');
TRUNCATE ONLY hot_reading;
SELECT id, reading, readings FROM item ORDER BY id;
CREATE TABLE cold_reading () INHERITS (reading);
SELECT warnings FROM listing_stats.attachments WHERE price = 'reading'::regclass;
SELECT listing, price FROM listing_stats.attachments;
SELECT listing_stats.verify('item', 'hot_reading');
SELECT listing_stats.attach('item', 'hot_reading', key => 'item_id', last_price => 'reading');
INSERT INTO hot_reading VALUES (4, 16, '2026-01-02', 4);
ALTER TABLE hot_reading NO INHERIT reading;
INSERT INTO hot_reading VALUES (5, 16, '2026-01-03', 5);
-- it may come again: a change of any table makes it forgotten
SET client_min_messages = error;
DELETE FROM hot_reading;
SET client_min_messages = warning;
SELECT id, reading, readings FROM item ORDER BY id;
SELECT listing_stats.detach('hot_reading');
INSERT INTO reading VALUES (6, 16, '2026-01-04', 6);
SELECT id, reading, readings FROM item WHERE id = 16;
SELECT listing_stats.detach('reading');
SELECT count(*) FROM pg_trigger WHERE tgname ~ '^LISTING';

-- a partition of a listing that is itself a price table, and one whose listings have an attachment of their own
CREATE TABLE maker (id int PRIMARY KEY, last_price numeric);
CREATE TABLE goods (id int PRIMARY KEY, maker_id int, created date, value numeric, last_price numeric) PARTITION BY RANGE (id);
CREATE TABLE goods_1 PARTITION OF goods FOR VALUES FROM (0) TO (1000);
CREATE TABLE goods_price (id int PRIMARY KEY, goods_id int REFERENCES goods, created date NOT NULL, value numeric);
CREATE TABLE goods_bid (id int PRIMARY KEY, goods_id int REFERENCES goods_1, created date NOT NULL, value numeric);
SELECT last_price FROM listing_stats.attach('maker', 'goods_1', key => 'maker_id');
SELECT last_price FROM listing_stats.attach('goods_1', 'goods_bid', last_price => 'last_price');
SELECT last_price, triggers FROM listing_stats.attach('goods', 'goods_price', last_price => 'value');
INSERT INTO maker VALUES (1);
INSERT INTO goods VALUES (1, 1, '2026-01-01', 5);
INSERT INTO goods_price VALUES (1, 1, '2026-01-01', 6);
INSERT INTO goods_bid VALUES (1, 1, '2026-01-01', 7);
TABLE maker;
SELECT id, value, last_price FROM goods;

DROP SCHEMA partitions CASCADE;
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER listing_stats_changes ENABLE;
