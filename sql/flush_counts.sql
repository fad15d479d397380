-- How often columns were kept, and what it took, where listing_stats.count_flushes is on.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA flush_counts;
SET search_path = flush_counts;
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric);
SET client_min_messages = warning;
SELECT count(*) FROM listing_stats.attach('listing', 'price');
SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price => 'cheap', condition => 'value < 10');
CREATE VIEW counts AS SELECT listing, price, kept, flushes, locked, written, total_time > 0 AS took FROM listing_stats.flush_counts WHERE listing = 'listing'::regclass;
INSERT INTO listing SELECT generate_series(1, 5);
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
-- off, as it is: nothing
TABLE counts;
SET listing_stats.count_flushes = on;
-- one row, several, one that changes nothing, one that does not count for the second
INSERT INTO price VALUES (2, 1, '2026-01-02', 2);
INSERT INTO price SELECT 10 + id, id, '2026-01-03', 3 FROM listing;
INSERT INTO price VALUES (3, 1, '2025-01-01', 1);
INSERT INTO price VALUES (4, 1, '2026-01-04', 11);
SELECT * FROM counts ORDER BY kept;
-- rolled back counts, an error does not
BEGIN;
INSERT INTO price VALUES (5, 2, '2026-01-05', 5);
ROLLBACK;
INSERT INTO price VALUES (1, 2, '2026-01-05', 5);
\echo :SQLSTATE
SELECT * FROM counts ORDER BY kept;
-- by a name that has changed; a listing that somebody else writes
ALTER TABLE listing RENAME last_price TO latest;
UPDATE listing SET latest = 0 WHERE id < 3;
SELECT * FROM counts ORDER BY kept;
-- what was counted stays when it is off, until somebody who may sets it to 0
SELECT listing_stats.reset_flush_counts();
\echo :SQLSTATE
SET listing_stats.count_flushes = off;
DELETE FROM price WHERE id = 2;
SELECT * FROM counts ORDER BY kept;
-- when verify() last looked, and what it found; reset leaves it
CREATE VIEW verified AS SELECT kept, flushes, now() - last_verify < interval '1 hour' AS lately, last_differences FROM listing_stats.flush_counts WHERE listing = 'listing'::regclass;
SELECT * FROM verified ORDER BY kept;
SELECT count(*) FROM listing_stats.verify('listing', 'price');
SELECT * FROM verified ORDER BY kept;
ALTER TABLE listing DISABLE TRIGGER USER;
UPDATE listing SET latest = 7 WHERE id < 3;
ALTER TABLE listing ENABLE TRIGGER USER;
SELECT key, "column", stored, expected FROM listing_stats.verify('listing', 'price') ORDER BY key;
SELECT * FROM verified ORDER BY kept;
-- not of a transaction that has written, of an old moment where the snapshot is, and not told to who may not read the tables
BEGIN;
UPDATE listing SET latest = latest;
SELECT count(*) FROM listing_stats.verify('listing', 'price');
ROLLBACK;
SELECT * FROM verified ORDER BY kept;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_sleep(1.1);
SELECT count(*) FROM listing_stats.verify('listing', 'price');
SELECT bool_and(last_verify <= now()) AS of_its_snapshot FROM listing_stats.flush_counts WHERE listing = 'listing'::regclass;
COMMIT;
RESET SESSION AUTHORIZATION;
GRANT USAGE ON SCHEMA flush_counts TO pg_monitor;
SET SESSION AUTHORIZATION pg_monitor;
SELECT kept, last_verify, last_differences FROM listing_stats.flush_counts WHERE listing = 'flush_counts.listing'::regclass ORDER BY kept;
SELECT count(*) > 0 AS has_counts, count(last_verify), count(last_differences) FROM listing_stats._flush_counts() WHERE listing = 'flush_counts.listing'::regclass;
SET SESSION AUTHORIZATION regress_listing_stats;
-- and of an attachment that is made anew
SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price => 'cheap', condition => 'value < 10');
SELECT kept, last_verify, last_differences FROM listing_stats.flush_counts WHERE listing = 'listing'::regclass ORDER BY kept;
SELECT count(*) FROM listing_stats.verify('listing', 'price');
RESET SESSION AUTHORIZATION;
SELECT listing_stats.reset_flush_counts();
SELECT * FROM counts ORDER BY kept;
SELECT * FROM verified ORDER BY kept;
-- listings that come without prices are neither locked nor written on the direct path
SET listing_stats.count_flushes = on;
INSERT INTO listing SELECT generate_series(100, 400);
INSERT INTO listing VALUES (500), (501);
INSERT INTO listing VALUES (502, 5), (503, NULL);
SELECT kept, flushes, locked = CASE WHEN NOT current_setting('listing_stats.direct_path')::bool THEN 305 WHEN kept = 'latest' THEN 1 ELSE 0 END AS as_expected, written FROM counts ORDER BY kept;
SELECT * FROM listing WHERE id >= 500 ORDER BY id;
SET client_min_messages = warning;
DROP SCHEMA flush_counts CASCADE;
