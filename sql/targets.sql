-- Every kept column, with every option.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA targets;
SET search_path = targets;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE TABLE listing (id int PRIMARY KEY, note text);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing ON DELETE CASCADE DEFERRABLE, created timestamp NOT NULL, value numeric(10,2), note text);
INSERT INTO listing SELECT generate_series(1, 4);
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-01-01', 5), (1, '2026-01-02', 7), (1, '2026-01-03', 7), (2, '2026-01-01', NULL);
SELECT last_price, last_price_at, previous_price, lowest_price, highest_price, price_count, null_value, guard, replication
FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at', previous_price => 'previous_price', lowest_price => 'lowest_price',
                          highest_price => 'highest_price', price_count => 'price_count');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'listing'::regclass AND attnum > 2 ORDER BY attnum;
SELECT * FROM listing ORDER BY id;

-- What should be stored, computed another way, with NULL prices kept or skipped.
CREATE FUNCTION recomputed(skip boolean DEFAULT false) RETURNS SETOF listing LANGUAGE sql AS $$
    SELECT l.id, l.note, last.value, last.created,
           (SELECT p.value FROM price p WHERE p.listing_id = l.id AND p.value IS NOT NULL AND p.value IS DISTINCT FROM last.value ORDER BY p.created DESC, p.id DESC LIMIT 1),
           min(price.value), max(price.value), count(price.value)
    FROM listing l LEFT JOIN price ON price.listing_id = l.id
    LEFT JOIN LATERAL (SELECT p.value, p.created FROM price p WHERE p.listing_id = l.id AND (NOT skip OR p.value IS NOT NULL)
                       ORDER BY p.created DESC, p.id DESC LIMIT 1) last ON true
    GROUP BY l.id, l.note, last.value, last.created $$;
CREATE FUNCTION "check"(skip boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wrong text := (SELECT string_agg(d::text, ' ') FROM (
        (TABLE listing EXCEPT ALL SELECT * FROM recomputed(skip)) UNION ALL (SELECT * FROM recomputed(skip) EXCEPT ALL TABLE listing)) d);
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'wrong: %', wrong;
    END IF;
    IF EXISTS (SELECT FROM listing_stats.verify('targets.listing', 'targets.price')) THEN
        RAISE EXCEPTION 'verify() sees what is not';
    END IF;
    RETURN (SELECT string_agg(format('%s:%s/%s/%s-%s/%s', id, last_price, previous_price, lowest_price, highest_price, price_count), ' ' ORDER BY id) FROM listing);
END $$;
SELECT "check"();

-- only added to: newer, older, equal, NULL; several at once; a plateau; then everything else
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-01-04', 6);
SELECT "check"();
INSERT INTO price (listing_id, created, value) VALUES (1, '2025-01-04', 100);
SELECT "check"();
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-01-05', 6), (1, '2026-01-06', 6);
SELECT "check"();
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-01-07', NULL), (2, '2026-01-07', 1), (3, '2026-01-07', NULL);
SELECT "check"();
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-01-08', 6), (1, '2026-01-03 12:00', 0.5);
SELECT "check"();
INSERT INTO price (listing_id, created, value) SELECT i % 4 + 1, '2026-02-01'::timestamp + i * interval '1 h', (i * 7919) % 1000 FROM generate_series(1, 500) i;
SELECT "check"();
UPDATE price SET value = value + 1 WHERE created < '2026-02-05';
SELECT "check"();
UPDATE price SET listing_id = 5 - listing_id WHERE id % 3 = 0;
SELECT "check"();
DELETE FROM price WHERE value = (SELECT lowest_price FROM listing WHERE id = 1) AND listing_id = 1;
SELECT "check"();
DELETE FROM price WHERE listing_id = 4;
SELECT "check"();
INSERT INTO price (id, listing_id, created, value) VALUES (2, 4, '2027-01-01', 4), (3000, 4, '2027-01-02', 5)
ON CONFLICT (id) DO UPDATE SET listing_id = 4, value = 6, created = '2027-01-03';
SELECT "check"();
WITH gone AS (DELETE FROM price WHERE listing_id = 3 RETURNING *), listed AS (INSERT INTO listing (id, price_count) VALUES (5, 77) RETURNING id)
INSERT INTO price (listing_id, created, value) SELECT 5, created, value FROM gone, listed;
SELECT "check"();
INSERT INTO listing (id, lowest_price, price_count) VALUES (6, 1, 9);
UPDATE listing SET lowest_price = 0, highest_price = NULL, price_count = -1, previous_price = 3;
SELECT "check"();
TRUNCATE price;
SELECT "check"();

-- what is counted is counted once: statements inside of statements that recompute in between
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.note = 'delete' THEN
        DELETE FROM price WHERE id = new.id;
    ELSIF new.note = 'update' THEN
        UPDATE price SET value = value + 1, note = NULL WHERE id = new.id;
    ELSIF new.note = 'insert' THEN
        INSERT INTO price (listing_id, created, value) VALUES (new.listing_id, new.created, new.value + 1);
    ELSIF new.note = 'listing' THEN
        UPDATE listing SET price_count = 5 WHERE id = new.listing_id;
    ELSIF new.note = 'fail' THEN
        BEGIN
            UPDATE price SET value = 1 / 0 WHERE listing_id = new.listing_id;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER "A_meddle" AFTER INSERT ON price FOR EACH ROW EXECUTE FUNCTION meddle();
INSERT INTO price (listing_id, created, value, note) SELECT i % 2 + 1, '2026-01-01'::timestamp + i * interval '1 h', i, (ARRAY['delete', 'update', 'insert', 'listing', 'fail', NULL])[i % 6 + 1] FROM generate_series(1, 60) i;
SELECT "check"();
DROP TRIGGER "A_meddle" ON price;
CREATE TRIGGER z_meddle AFTER INSERT ON price FOR EACH ROW EXECUTE FUNCTION meddle();
INSERT INTO price (listing_id, created, value, note) SELECT i % 2 + 1, '2026-01-01'::timestamp + i * interval '1 h', i, (ARRAY['delete', 'update', 'insert', 'listing', 'fail', NULL])[i % 6 + 1] FROM generate_series(1, 60) i;
SELECT "check"();
DROP TRIGGER z_meddle ON price;
CREATE TRIGGER meddle BEFORE INSERT ON price FOR EACH ROW WHEN (new.note IS DISTINCT FROM 'insert') EXECUTE FUNCTION meddle();
INSERT INTO price (listing_id, created, value, note) SELECT i % 2 + 1, '2026-01-01'::timestamp + i * interval '1 h', i, (ARRAY['delete', 'update', 'listing', 'fail', NULL])[i % 5 + 1] FROM generate_series(1, 60) i;
SELECT "check"();
DROP TRIGGER meddle ON price;
CREATE FUNCTION recompute_now(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE price SET value = value + 0.01 WHERE id = (SELECT max(id) FROM price); RETURN $1; END $$;
INSERT INTO price (listing_id, created, value) SELECT recompute_now(1), '2026-03-01'::timestamp + i * interval '1 h', i FROM generate_series(1, 5) i;
SELECT "check"();
BEGIN;
INSERT INTO price (listing_id, created, value) VALUES (1, '2027-01-01', 1);
SAVEPOINT s;
INSERT INTO price (listing_id, created, value) VALUES (1, '2027-01-02', 2);
DELETE FROM price WHERE listing_id = 1 AND created = '2027-01-01';
ROLLBACK TO s;
INSERT INTO price (listing_id, created, value) VALUES (1, '2027-01-03', 3);
SELECT "check"();
COMMIT;

-- a thousand random statements
CREATE PROCEDURE random_statements(n int) LANGUAGE plpgsql AS $$
DECLARE
    kind int;
BEGIN
    PERFORM setseed(0.42);
    FOR i IN 1..n LOOP
        kind := floor(random() * 10);
        IF kind < 5 THEN
            INSERT INTO price (listing_id, created, value) SELECT 1 + floor(random() * 6), '2026-01-01'::timestamp + floor(random() * 100) * interval '1 day', nullif(floor(random() * 6), 0)
            FROM generate_series(1, 1 + floor(random() * 3)::int);
        ELSIF kind < 7 THEN
            DELETE FROM price WHERE id IN (SELECT id FROM price ORDER BY random() LIMIT 4);
        ELSIF kind < 8 THEN
            UPDATE price SET value = nullif(floor(random() * 6), 0), created = created + floor(random() * 3 - 1) * interval '1 day' WHERE id IN (SELECT id FROM price ORDER BY random() LIMIT 2);
        ELSIF kind < 9 THEN
            UPDATE price SET listing_id = 1 + floor(random() * 6) WHERE id IN (SELECT id FROM price ORDER BY random() LIMIT 2);
        ELSE
            UPDATE listing SET last_price = 0, price_count = 0 WHERE id = 1 + floor(random() * 6);
        END IF;
        PERFORM "check"((SELECT null_value = 'skip' FROM listing_stats.attachments WHERE price = 'price'::regclass));
    END LOOP;
END $$;
CALL random_statements(500);

-- V2: null_value: the last known price counts
SELECT null_value FROM listing_stats.attach('listing', 'price', null_value => 'skip');
SELECT "check"(true) IS NOT NULL;
CALL random_statements(500);
INSERT INTO price (listing_id, created, value) VALUES (1, '2028-01-01', 8), (1, '2028-01-02', NULL);
SELECT last_price, last_price_at FROM listing WHERE id = 1;
SELECT null_value FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at');
SELECT null_value FROM listing_stats.attach('listing', 'price', null_value => 'keep');
SELECT last_price, last_price_at FROM listing WHERE id = 1;
SELECT listing_stats.attach('listing', 'price', null_value => 'perhaps');
\echo :SQLSTATE

-- P1: guard
SELECT guard FROM listing_stats.attach('listing', 'price', guard => 'error');
UPDATE listing SET last_price = 5 WHERE id = 1;
\echo :SQLSTATE
UPDATE listing SET last_price = last_price, note = 'written' WHERE id = 1;
INSERT INTO price (listing_id, created, value) VALUES (1, '2029-01-01', 9);
SELECT "check"() IS NOT NULL;
SELECT guard FROM listing_stats.attach('listing', 'price', guard => 'off');
UPDATE listing SET last_price = 5, price_count = 1000 WHERE id = 1;
SELECT last_price FROM listing WHERE id = 1;
SELECT key, "column", stored FROM listing_stats.verify('listing', 'price') ORDER BY 2;
ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
UPDATE listing SET id = 7 WHERE id = 1;
SELECT last_price, price_count FROM listing WHERE id = 7;
UPDATE listing SET id = 1 WHERE id = 7;
SELECT guard, null_value FROM listing_stats.attach('listing', 'price', key => 'listing_id', guard => 'keep');
SELECT "check"() IS NOT NULL;
SELECT listing_stats.attach('listing', 'price', guard => 'maybe');
\echo :SQLSTATE

-- D10: replication
SELECT replication, triggers FROM listing_stats.attach('listing', 'price', replication => 'always');
SELECT replication FROM listing_stats.attach('listing', 'price');
RESET SESSION AUTHORIZATION;
SET session_replication_role = replica;
INSERT INTO targets.price (listing_id, created, value) VALUES (1, '2030-01-01', 10);
RESET session_replication_role;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT "check"() IS NOT NULL;
-- one that was disabled fires as the others do
ALTER TABLE price DISABLE TRIGGER USER;
SELECT replication FROM listing_stats.attach('listing', 'price', backfill => false);
SELECT tgrelid::regclass, tgenabled, count(*) FROM pg_trigger WHERE tgrelid IN ('listing'::regclass, 'price'::regclass) AND NOT tgisinternal GROUP BY 1, 2 ORDER BY 1, 2;
SELECT replication, warnings FROM listing_stats.attach('listing', 'price', replication => 'replica');
INSERT INTO price (listing_id, created, value) VALUES (1, '2031-01-01', 11);
SELECT last_price FROM listing WHERE id = 1;
SELECT replication FROM listing_stats.attach('listing', 'price', replication => 'origin');
SELECT last_price FROM listing WHERE id = 1;
SELECT listing_stats.attach('listing', 'price', replication => 'never');
\echo :SQLSTATE

-- 'none' stops keeping a column; the data stay
SELECT last_price, previous_price, price_count FROM listing_stats.attach('listing', 'price', previous_price => 'none', price_count => 'none', last_price => 'none');
SELECT last_price, previous_price, price_count FROM listing_stats.attach('listing', 'price');
INSERT INTO price (listing_id, created, value) VALUES (1, '2032-01-01', 1200);
SELECT last_price, last_price_at, lowest_price, highest_price FROM listing WHERE id = 1;
SELECT listing_stats.attach('listing', 'price', last_price_at => 'none', lowest_price => 'none', highest_price => 'none');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'price', lowest_price => 'note');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'price', price_count => 'highest_price');
\echo :SQLSTATE
SELECT listing_stats.detach('listing', 'price');

-- V5: doubles and integers, NaN and infinity
DROP TABLE price;
CREATE TABLE price (id serial PRIMARY KEY, listing_id int, created int NOT NULL, value double precision);
ALTER TABLE listing DROP COLUMN last_price, DROP COLUMN last_price_at, DROP COLUMN previous_price, DROP COLUMN lowest_price, DROP COLUMN highest_price, DROP COLUMN price_count;
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id', previous_price => 'previous_price', lowest_price => 'lowest_price', highest_price => 'highest_price', price_count => 'price_count');
INSERT INTO price (listing_id, created, value) VALUES (1, 1, '-0'), (1, 2, 'NaN'), (1, 3, '-Infinity'), (2, 1, 'NaN'), (3, 1, 'Infinity');
SELECT * FROM listing ORDER BY id;
INSERT INTO price (listing_id, created, value) VALUES (1, 4, 0), (2, 2, 'NaN'), (3, 2, 5);
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
SELECT listing_stats.detach('listing', 'price');

-- two attachments on one price table: home and away
CREATE TABLE team (id int PRIMARY KEY);
CREATE TABLE match (id int PRIMARY KEY, home int REFERENCES team, away int REFERENCES team, created date NOT NULL, value int);
SELECT key, triggers FROM listing_stats.attach('team', 'match', key => 'home', last_price => 'home_score', price_count => 'home_matches');
SELECT key, triggers FROM listing_stats.attach('team', 'match', key => 'away', last_price => 'away_score', price_count => 'away_matches');
INSERT INTO team SELECT generate_series(1, 3);
INSERT INTO match VALUES (1, 1, 2, '2026-01-01', 5), (2, 2, 1, '2026-01-02', 6), (3, 3, 3, '2026-01-03', 7);
SELECT * FROM team ORDER BY id;
UPDATE match SET home = away, away = home WHERE id = 1;
SELECT * FROM team ORDER BY id;
SELECT * FROM listing_stats.verify('team', 'match');
SELECT last_price FROM listing_stats.attach('team', 'match', key => 'away', guard => 'off');
SELECT key, guard FROM listing_stats.attachments WHERE price = 'match'::regclass ORDER BY key;
SELECT listing_stats.detach('match');

-- two price tables on one listing
CREATE TABLE rent (id int PRIMARY KEY, team int REFERENCES team, created date NOT NULL, value int);
SELECT count(*) FROM listing_stats.attach('team', 'match', key => 'home', last_price => 'home_score');
SELECT triggers FROM listing_stats.attach('team', 'rent', last_price => 'last_rent');
INSERT INTO rent VALUES (1, 1, '2026-01-01', 100);
INSERT INTO match VALUES (4, 1, 2, '2026-02-01', 8);
UPDATE team SET home_score = 0, last_rent = 0;
SELECT id, home_score, last_rent FROM team ORDER BY id;
WITH a AS (INSERT INTO rent VALUES (2, 1, '2026-01-02', 200)) INSERT INTO match VALUES (5, 1, 2, '2026-02-02', 9);
SELECT id, home_score, last_rent FROM team ORDER BY id;
SELECT listing_stats.detach('team', 'rent');
SELECT price FROM listing_stats.attachments WHERE listing = 'team'::regclass;

-- The total and the first price, of prices that are only added, one and several at once, and otherwise
CREATE TABLE item (id int PRIMARY KEY);
CREATE TABLE movement (id serial PRIMARY KEY, item_id int REFERENCES item, created date NOT NULL, value numeric);
INSERT INTO item VALUES (1), (2), (3);
INSERT INTO movement (item_id, created, value) VALUES (1, '2026-01-02', 1.5), (2, '2026-01-02', NULL);
SELECT price_total, first_price FROM listing_stats.attach('item', 'movement', price_total => 'stock', first_price => 'first');
CREATE FUNCTION wrong_total() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(i::text, ' ') FROM item i,
        LATERAL (SELECT coalesce(sum(value), 0) AS stock, (array_agg(value ORDER BY created, id) FILTER (WHERE value IS NOT NULL))[1] AS first FROM movement WHERE item_id = i.id) m
    WHERE (i.stock, i.first) IS DISTINCT FROM (m.stock, m.first) $$;
SELECT wrong_total(), array_agg(item ORDER BY id) FROM item;
INSERT INTO movement (item_id, created, value) VALUES (1, '2026-01-03', 2);
SELECT wrong_total();
INSERT INTO movement (item_id, created, value) VALUES (1, '2026-01-04', 3), (2, '2026-01-01', -4), (1, '2026-01-01', NULL), (2, '2026-01-05', 0.25), (1, '2026-01-01', 7);
SELECT wrong_total(), array_agg(item ORDER BY id) FROM item;
INSERT INTO movement (item_id, created, value) VALUES (3, '2026-01-01', NULL);
UPDATE movement SET value = value + 1 WHERE created > '2026-01-03';
SELECT wrong_total();
UPDATE movement SET item_id = 3 WHERE created = '2026-01-01';
SELECT wrong_total();
DELETE FROM movement WHERE item_id = 1;
SELECT wrong_total(), array_agg(item ORDER BY id) FROM item;
DROP TABLE movement, item;

DROP SCHEMA targets CASCADE;
