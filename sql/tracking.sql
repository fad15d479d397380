-- The kept columns are right at the end of every statement, whatever the statement.  Identifiers as in test/README.md.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA tracking;
SET search_path = tracking;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE TABLE listing (id int PRIMARY KEY, note text);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing ON DELETE CASCADE ON UPDATE CASCADE,
                    created timestamptz, value numeric, note text);
SELECT index FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at');
SET client_min_messages = notice;

-- What should be stored, computed another way.  Raises, so that no wrong value can be expected.
CREATE FUNCTION "check"() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    WITH stored AS (SELECT id, last_price, last_price_at FROM listing),
    recomputed AS (
        SELECT l.id,
               (array_agg(p.value ORDER BY p.created DESC NULLS LAST, p.id DESC))[1],
               (array_agg(p.created ORDER BY p.created DESC NULLS LAST, p.id DESC))[1]
        FROM listing l LEFT JOIN price p ON p.listing_id = l.id GROUP BY l.id)
    SELECT string_agg(d::text, ' ') INTO wrong
    FROM ((TABLE stored EXCEPT ALL TABLE recomputed) UNION ALL (TABLE recomputed EXCEPT ALL TABLE stored)) d;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'wrong: %', wrong;
    END IF;
    IF EXISTS (SELECT FROM listing_stats.verify('tracking.listing', 'tracking.price')) THEN
        RAISE EXCEPTION 'verify() sees what is not';
    END IF;
    RETURN (SELECT string_agg(id || '=' || coalesce(last_price::text, 'NULL'), ' ' ORDER BY id) FROM listing);
END $$;

-- V1, V2, V9: insert: newer, older, between, tie (the greater id wins), NULL price, NULL key, several listings
INSERT INTO listing SELECT generate_series(1, 4);
INSERT INTO price VALUES (1, 1, '2026-01-10', 10);
SELECT "check"();
INSERT INTO price VALUES (2, 1, '2026-01-01', 1);
SELECT "check"();
INSERT INTO price VALUES (3, 1, '2026-01-05', 5);
SELECT "check"();
INSERT INTO price VALUES (11, 1, '2026-01-10', 11);
SELECT "check"();
INSERT INTO price VALUES (4, 1, '2026-01-10', 4);
SELECT "check"();
INSERT INTO price VALUES (12, 1, '2026-01-11', NULL);
SELECT "check"();
INSERT INTO price VALUES (13, NULL, '2026-01-11', 7);
SELECT "check"();
INSERT INTO price VALUES (21, 2, '2026-01-01', 20), (31, 3, '2026-01-01', 30), (22, 2, '2026-01-02', 22), (32, 3, '2025-01-01', 32);
SELECT "check"();
INSERT INTO price SELECT 1000 + i, i % 4 + 1, '2027-01-01'::timestamptz + i * interval '1 hour', i FROM generate_series(1, 1000) i;
SELECT "check"();

-- V13: update: value, time, key, several at once, nothing at all, another column
UPDATE price SET value = value + 1 WHERE id = 2000;
SELECT "check"();
UPDATE price SET created = '2026-06-01' WHERE id = 2000;
SELECT "check"();
UPDATE price SET listing_id = 2 WHERE id = 1999;
SELECT "check"();
UPDATE price SET listing_id = NULL WHERE id = 1999;
SELECT "check"();
UPDATE price SET listing_id = 5 - listing_id;
SELECT "check"();
UPDATE price SET value = NULL WHERE id = 1998;
UPDATE price SET id = id + 100000 WHERE listing_id = 1;
SELECT "check"();
BEGIN;
SELECT xmin AS before FROM listing WHERE id = 1 \gset
UPDATE price SET note = 'x', value = value;
SELECT xmin = :before AS untouched FROM listing WHERE id = 1;
COMMIT;
SELECT "check"();

-- delete: the latest, an old one, all
DELETE FROM price WHERE id = (SELECT id FROM price WHERE listing_id = 2 ORDER BY created DESC, id DESC LIMIT 1);
SELECT "check"();
DELETE FROM price WHERE id = (SELECT id FROM price WHERE listing_id = 2 ORDER BY created, id LIMIT 1);
SELECT "check"();
DELETE FROM price WHERE listing_id = 2;
SELECT "check"();
DELETE FROM price WHERE id % 2 = 0;
SELECT "check"();

-- E: upsert, merge, a statement with several modifications, copy; V4, V5: infinite times and prices, NaN
INSERT INTO price VALUES (1, 1, '2028-01-01', 1), (50000, 2, '2028-01-01', 2)
ON CONFLICT (id) DO UPDATE SET listing_id = 3, value = excluded.value, created = excluded.created;
SELECT "check"();
INSERT INTO price VALUES (50000, 3, '2030-01-01', 3) ON CONFLICT DO NOTHING;
SELECT "check"();
MERGE INTO price USING (VALUES (50000, 2), (50001, 3), (1, 4)) AS s (id, listing_id) ON price.id = s.id
WHEN MATCHED AND s.id = 1 THEN DELETE
WHEN MATCHED THEN UPDATE SET value = 77
WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.listing_id, '2029-01-01', 88);
SELECT "check"();
WITH gone AS (DELETE FROM price WHERE listing_id = 3 RETURNING *),
     new AS (INSERT INTO price SELECT id + 1000000, 4, created, value FROM gone RETURNING *),
     moved AS (UPDATE listing SET note = 'moved' WHERE id = 3)
SELECT count(*) > 0 FROM new;
SELECT "check"();
COPY price (id, listing_id, created, value) FROM stdin;
70001	1	2031-01-01	1.50
70002	2	2031-01-01	NaN
70003	3	2031-01-01	-Infinity
70004	3	infinity	99999999999999999999999999.00000000000000001
\.
SELECT "check"();

-- V3: a NULL time is never the latest, but the only one counts; V4: times BC
DELETE FROM price WHERE listing_id = 1;
INSERT INTO price VALUES (80001, 1, NULL, 1);
SELECT "check"();
INSERT INTO price VALUES (80002, 1, '-infinity', 2);
SELECT "check"();
INSERT INTO price VALUES (80003, 1, '4713-01-01 BC', 3), (80004, 1, NULL, 4);
SELECT "check"();

-- P1, V9: the listing: new ones after their prices, changed and exchanged keys, cascades, its own columns
BEGIN;
ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
INSERT INTO price VALUES (90001, 9, '2026-01-01', 9);
INSERT INTO listing (id, last_price) VALUES (9, 100), (10, 100);
SELECT "check"();
UPDATE listing SET id = id + 1 WHERE id IN (9, 10) AND false;
UPDATE listing SET id = 11 WHERE id = 9;
SELECT "check"();
UPDATE listing SET id = 9 WHERE id = 10;
SELECT "check"();
DELETE FROM listing WHERE id = 11;
SELECT "check"();
ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing ON DELETE CASCADE ON UPDATE CASCADE;
COMMIT;
UPDATE listing SET id = 20 WHERE id = 2;
SELECT "check"();
DELETE FROM listing WHERE id IN (20, 3);
SELECT "check"();
UPDATE listing SET last_price = 12345, last_price_at = now();
SELECT "check"();
UPDATE listing SET last_price = NULL, note = 'saved whole' WHERE id = 1;
SELECT "check"();
INSERT INTO listing (id, last_price) VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET last_price = 6;
SELECT "check"();

-- within one transaction, savepoints, errors that are swallowed, statements inside statements
BEGIN;
INSERT INTO price VALUES (100001, 1, '2040-01-01', 1);
SELECT "check"();
SAVEPOINT a;
INSERT INTO price VALUES (100002, 1, '2041-01-01', 2);
SAVEPOINT b;
DELETE FROM price WHERE listing_id = 1;
SELECT "check"();
ROLLBACK TO b;
SELECT "check"();
ROLLBACK TO a;
SELECT "check"();
RELEASE a;
INSERT INTO price VALUES (100003, 1, '2042-01-01', 3);
COMMIT;
SELECT "check"();
-- C13: an error after the keys were collected, swallowed; the next statement is flushed all the same
DO $$
BEGIN
    BEGIN
        INSERT INTO price VALUES (100004, 1, '2043-01-01', 4), (100005, 77777, '2043-01-01', 4);
    EXCEPTION WHEN foreign_key_violation THEN
        NULL;
    END;
    INSERT INTO price VALUES (100006, 1, '2044-01-01', 6);
END $$;
SELECT "check"();
-- the same with the error in the flush itself
ALTER TABLE listing ADD CONSTRAINT not_too_dear CHECK (last_price < 1000) NOT VALID;
DO $$
BEGIN
    BEGIN
        INSERT INTO price VALUES (100007, 1, '2045-01-01', 1001);
    EXCEPTION WHEN check_violation THEN
        NULL;
    END;
    INSERT INTO price VALUES (100008, 1, '2044-02-01', 8);
END $$;
SELECT "check"();
INSERT INTO price VALUES (100009, 1, '2046-01-01', 1001);
SELECT "check"();
ALTER TABLE listing DROP CONSTRAINT not_too_dear;
-- a trigger of the user's on price that writes prices, and a function that does within a query
CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO price VALUES (new.id + 1, 4, new.created, new.value + 1);
    RETURN NULL;
END $$;
CREATE TRIGGER echo AFTER INSERT ON price FOR EACH ROW WHEN (new.listing_id = 1) EXECUTE FUNCTION echo();
INSERT INTO price VALUES (100020, 1, '2050-01-01', 1), (100030, 1, '2051-01-01', 2);
SELECT "check"();
DROP TRIGGER echo ON price;
CREATE FUNCTION add_price(int, int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO price VALUES ($1, $2, '2060-01-01'::timestamptz + $1 * interval '1 s', $1);
    RETURN "check"();
END $$;
SELECT add_price(200000 + i, i) FROM generate_series(1, 4, 3) i;
UPDATE price SET note = add_price(300000 + id, listing_id) WHERE id IN (100020, 100021) OR id = 200001;
SELECT "check"();
UPDATE listing SET note = add_price(700000 + id, 9) WHERE id <> 9;
UPDATE listing SET last_price = 0;
SELECT "check"();

-- RETURNING and cursors see the statement's own row; the next statement sees the kept columns
BEGIN;
DECLARE c CURSOR FOR SELECT last_price FROM listing WHERE id = 1;
INSERT INTO price VALUES (600000, 1, '2070-01-01', 600);
FETCH c;
SELECT last_price FROM listing WHERE id = 1;
COMMIT;

-- E: truncate
TRUNCATE price;
SELECT "check"();
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
TRUNCATE listing CASCADE;
SELECT "check"();
BEGIN;
INSERT INTO listing VALUES (1);
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
TRUNCATE price;
SELECT "check"();
ROLLBACK;

-- C7: repeatable read: the same, and every listing appears once
INSERT INTO listing SELECT generate_series(1, 100);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM listing;
INSERT INTO price SELECT i, i, '2026-01-01', i FROM generate_series(1, 100) i;
DELETE FROM price WHERE id <= 50;
UPDATE listing SET last_price = 1;
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT count(*), count(DISTINCT id) FROM listing;
SELECT "check"() ~ '50=NULL 51=51';
TRUNCATE price;
SELECT count(last_price), count(*), count(DISTINCT id) FROM listing;
COMMIT;

DROP SCHEMA tracking CASCADE;
