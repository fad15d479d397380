-- Tables of Citus, which are empty: their rows are in shards.  They are not attached, not looked into, and no command of
-- Citus's fails for us.  Citus itself is not here, and its catalogue made up.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA citus;
SET search_path = citus;
\set SHOW_CONTEXT never
CREATE FUNCTION our_triggers() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(tgrelid::regclass || ': ' || tgname, ', ' ORDER BY tgrelid::regclass::text COLLATE "C", tgname COLLATE "C")
    FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE tgname ~ '^LISTING' AND relnamespace = 'citus'::regnamespace $$;
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int, listing_id int REFERENCES listing, created date NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE price_2026 PARTITION OF price FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CALL listing_stats.attach_distributed('listing', 'price');
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL);
GRANT INSERT ON pg_dist_partition TO regress_listing_stats;
SET LOCAL SESSION AUTHORIZATION regress_listing_stats;
SAVEPOINT a;

-- refused before anything is made
INSERT INTO pg_dist_partition VALUES ('listing');
SELECT listing_stats.attach('listing', 'price');
\echo :SQLSTATE
ROLLBACK TO a;
INSERT INTO pg_dist_partition VALUES ('price');
SELECT listing_stats.attach('listing', 'price');
\echo :SQLSTATE
ROLLBACK TO a;

-- a query with one key is one that Citus can plan, as with many
INSERT INTO pg_dist_partition VALUES ('price');
SET LOCAL client_min_messages = debug1;
SELECT * FROM listing_stats.latest_prices('price', ARRAY[1]);
RESET client_min_messages;
ROLLBACK TO a;

-- attach_distributed() is for Citus's alone; who may note what is attached, and what is forgotten with a table
RESET SESSION AUTHORIZATION;
CREATE TABLE citus.theirs (id int PRIMARY KEY);
CREATE TABLE pg_catalog.pg_dist_shard (logicalrelid regclass NOT NULL);
GRANT INSERT, DELETE ON listing_stats._distributed TO PUBLIC;
GRANT SELECT ON pg_dist_partition TO PUBLIC;
SET LOCAL SESSION AUTHORIZATION regress_listing_stats;
SAVEPOINT d;
-- not of tables that are not Citus's, of none, and of a column that there is not
INSERT INTO listing_stats._distributed VALUES ('listing', 'price', '', '{}');
\echo :SQLSTATE
ROLLBACK TO d;
ALTER TABLE listing ADD last_price numeric;
INSERT INTO pg_dist_partition VALUES ('listing'), ('price');
SAVEPOINT d;
INSERT INTO listing_stats._distributed VALUES ('listing_pkey', 'price', '', '{}');
\echo :SQLSTATE
ROLLBACK TO d;
INSERT INTO listing_stats._distributed VALUES ('listing', 'price', 'nothing', '{}');
\echo :SQLSTATE
ROLLBACK TO d;
INSERT INTO listing_stats._distributed VALUES ('listing', 'price', 'last_price', '{"key": "listing_id"}');
SELECT listing, price, kept, listing_stats._distributed_arguments(options) FROM listing_stats._distributed;
SAVEPOINT d;
INSERT INTO listing_stats._distributed VALUES ('theirs', 'price', 'last_price', '{}');
\echo :SQLSTATE
ROLLBACK TO d;
INSERT INTO listing_stats._distributed VALUES (4000000000, 'price', 'last_price', '{}');
\echo :SQLSTATE
ROLLBACK TO d;
RESET SESSION AUTHORIZATION;
SET LOCAL SESSION AUTHORIZATION pg_monitor;
DELETE FROM listing_stats._distributed;
\echo :SQLSTATE
ROLLBACK TO d;
DROP TABLE price;
TABLE listing_stats._distributed;
ROLLBACK TO a;

-- attached before they are Citus's
SET LOCAL client_min_messages = warning;
SELECT last_price, warnings FROM listing_stats.attach('listing', 'price');
SAVEPOINT b;
INSERT INTO pg_dist_partition VALUES ('price');
SELECT warnings FROM listing_stats.attachments WHERE listing = 'listing'::regclass;
SELECT mend FROM listing_stats.check() WHERE listing = 'listing'::regclass;
-- its partitions are left to it
CREATE TABLE price_2027 PARTITION OF price FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
SELECT our_triggers();
-- when it drops the one, the other is left alone: Citus has it, or has its shards locked
DROP TABLE price;
SELECT our_triggers();
ROLLBACK TO b;
INSERT INTO pg_dist_partition VALUES ('listing');
DROP TABLE price;
SELECT our_triggers();
SELECT listing_stats.detach('citus.listing');
ROLLBACK TO b;
INSERT INTO pg_dist_partition VALUES ('listing');
ALTER TABLE price DROP COLUMN value;
SELECT our_triggers();
ROLLBACK TO b;
INSERT INTO pg_dist_partition VALUES ('price'), ('listing');
DROP TABLE price_2026;
DROP TABLE price;
SELECT our_triggers();
ROLLBACK TO a;

-- Citus has had them and given them back, their triggers with the names of shards: the error and attach() name the cure
SELECT last_price FROM listing_stats.attach('listing', 'price');
DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'price'::regclass AND tgname ~ '^LISTING' LOOP
        EXECUTE replace(replace(definition, 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'), 'listing=citus.listing', 'listing=citus.listing_102012');
    END LOOP;
END $$;
INSERT INTO listing VALUES (1);
SAVEPOINT c;
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
ROLLBACK TO c;
INSERT INTO pg_dist_partition VALUES ('price');
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
ROLLBACK TO c;
SELECT listing_stats.attach('listing', 'price');
ROLLBACK TO c;
SELECT listing_stats.detach('citus.listing', 'citus.price');
SELECT last_price, warnings FROM listing_stats.attach('citus.listing', 'citus.price', key => 'listing_id');
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
SELECT * FROM listing;
ROLLBACK;
SET client_min_messages = warning;
DROP SCHEMA citus CASCADE;
