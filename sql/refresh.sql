-- refresh() makes every listing right, in batches that it commits, and writes only what differs.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA refresh;
SET search_path = refresh;
\set SHOW_CONTEXT never
-- no DETAIL, which says how long it took
\set VERBOSITY terse

CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO listing SELECT generate_series(1, 10);
INSERT INTO price SELECT i, i % 9 + 1, '2026-01-01', i FROM generate_series(1, 30) i;
CREATE VIEW progress AS SELECT listing, price, key, done, total, changed, per_second IS NULL OR per_second > 0 AS rate, remaining, finished, updated >= started AS updated
FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass;

-- a backfill
SELECT last_price_at FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at', backfill => false);
SELECT count(*), count(last_price) FROM listing;
SELECT count(*) FROM listing_stats.verify('listing', 'price');
CALL listing_stats.refresh('listing', 'price');
SELECT id, last_price FROM listing ORDER BY id;
SELECT count(*) FROM listing_stats.verify('listing', 'price');
SELECT * FROM progress;

-- nothing to change writes nothing
CREATE TEMP TABLE before AS SELECT id, xmin::text AS version FROM listing;
CALL listing_stats.refresh('listing', 'price');
SELECT count(*) FROM (SELECT id, xmin::text AS version FROM listing EXCEPT TABLE before) AS written;

-- what no trigger saw is found and repaired, and no other row is written; batches of any size
CREATE PROCEDURE corrupt() LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE listing DISABLE TRIGGER USER;
    UPDATE listing SET last_price = CASE id WHEN 1 THEN NULL ELSE -1 END WHERE id IN (1, 4, 10);
    UPDATE listing SET last_price_at = '1999-01-01' WHERE id = 6;
    ALTER TABLE listing ENABLE TRIGGER USER;
END $$;
CALL corrupt();
SELECT key, "column", stored FROM listing_stats.verify('listing', 'price') ORDER BY key::int;
CREATE TEMP TABLE corrupted AS SELECT id, xmin::text AS version FROM listing;
CALL listing_stats.refresh('listing', 'price', 1);
SELECT count(*) FROM listing_stats.verify('listing', 'price');
SELECT id FROM (SELECT id, xmin::text AS version FROM listing EXCEPT TABLE corrupted) AS written ORDER BY id;
SELECT done, changed FROM progress;
CALL corrupt();
CALL listing_stats.refresh('listing', 'price', 2);
SELECT count(*) FROM listing_stats.verify('listing', 'price');
CALL corrupt();
CALL listing_stats.refresh('listing', 'price', batch_size => 10);
SELECT count(*) FROM listing_stats.verify('listing', 'price');
CALL corrupt();
CALL listing_stats.refresh('listing', 'price', batch_size => 2147483647);
SELECT count(*) FROM listing_stats.verify('listing', 'price');
SELECT * FROM progress;

-- each batch is READ COMMITTED, what follows is as it was; in a block of PL/pgSQL that can commit
CREATE TABLE seen (isolation text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO refresh.seen VALUES (current_setting('transaction_isolation')); RETURN new; END $$;
CREATE TRIGGER see BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION see();
SET default_transaction_isolation = 'repeatable read';
CALL corrupt();
TRUNCATE seen;
DO $$
DECLARE pair record;
BEGIN
    FOR pair IN SELECT DISTINCT listing, price FROM listing_stats.attachments WHERE listing = 'refresh.listing'::regclass LOOP
        CALL listing_stats.refresh(pair.listing, pair.price, 3);
    END LOOP;
    RAISE NOTICE 'now %', current_setting('transaction_isolation');
END $$;
SELECT isolation, count(*) FROM seen GROUP BY isolation;
SET default_transaction_isolation = 'serializable';
CALL corrupt();
TRUNCATE seen;
CALL listing_stats.refresh('listing', 'price', 3);
SELECT isolation, count(*) FROM seen GROUP BY isolation;
RESET default_transaction_isolation;
DROP TRIGGER see ON listing;
SET default_transaction_read_only = on;
CALL listing_stats.refresh('listing', 'price');
\echo :SQLSTATE
RESET default_transaction_read_only;

-- where it cannot commit
BEGIN;
CALL listing_stats.refresh('listing', 'price');
\echo :SQLSTATE
ROLLBACK;
\set VERBOSITY default
CREATE FUNCTION call_refresh() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL listing_stats.refresh('listing', 'price'); END $$;
SELECT call_refresh();
\echo :SQLSTATE
DO $$ BEGIN CALL listing_stats.refresh('listing', 'price'); EXCEPTION WHEN division_by_zero THEN END $$;
\echo :SQLSTATE

-- arguments
CALL listing_stats.refresh(NULL, 'price');
\echo :SQLSTATE
CALL listing_stats.refresh('listing', NULL);
\echo :SQLSTATE
CALL listing_stats.refresh('listing', 'price', NULL);
\echo :SQLSTATE
CALL listing_stats.refresh('listing', 'price', 0);
\echo :SQLSTATE
CALL listing_stats.refresh('listing', 'price', only_in => 'listing');
\echo :SQLSTATE
CALL listing_stats.refresh('price', 'listing');
\echo :SQLSTATE
CALL listing_stats.refresh('listing', 'seen');
\echo :SQLSTATE

-- S5: only for the owner; everybody sees the progress, and nobody can write it
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_other;
CREATE ROLE regress_listing_stats_other;
RESET client_min_messages;
GRANT USAGE ON SCHEMA refresh TO regress_listing_stats_other;
GRANT ALL ON refresh.listing, refresh.price TO regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats_other;
CALL listing_stats.refresh('refresh.listing', 'refresh.price');
\echo :SQLSTATE
SELECT done FROM listing_stats.refresh_progress WHERE listing = 'refresh.listing'::regclass;
SELECT * FROM listing_stats._refresh_progress;
\echo :SQLSTATE
UPDATE listing_stats.refresh_progress SET done = 0;
\echo :SQLSTATE
SET SESSION AUTHORIZATION regress_listing_stats;
\set VERBOSITY terse

-- a batch that fails leaves those before it, and says so
CALL corrupt();
ALTER TABLE listing ADD CONSTRAINT refuse CHECK (id <> 6 OR last_price_at < '2000-01-01') NOT VALID;
CALL listing_stats.refresh('listing', 'price', 2);
\echo :SQLSTATE
SELECT key FROM listing_stats.verify('listing', 'price') ORDER BY key::int;
SELECT done, total, finished FROM progress;
ALTER TABLE listing DROP CONSTRAINT refuse;
CALL listing_stats.refresh('listing', 'price', 2);
SELECT count(*) FROM listing_stats.verify('listing', 'price');

-- what changes between two batches: the first one's user trigger does it
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE current_setting('refresh.meddle'); RETURN new; END $$;
CREATE CONSTRAINT TRIGGER meddle AFTER UPDATE ON listing DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.id = 1) EXECUTE FUNCTION meddle();
CALL corrupt();
SET refresh.meddle = $$ ALTER TABLE refresh.price RENAME listing_id TO product; ALTER TABLE refresh.listing RENAME TO product $$;
CALL listing_stats.refresh('listing', 'price', 2);
SELECT count(*) FROM listing_stats.verify('product', 'price');
SELECT listing, price, key, finished FROM listing_stats.refresh_progress WHERE listing = 'product'::regclass;
ALTER TABLE product RENAME TO listing;
CALL corrupt();
SET refresh.meddle = $$ SELECT listing_stats.detach('refresh.listing', 'refresh.price') $$;
\set SHOW_CONTEXT errors
\set VERBOSITY default
CALL listing_stats.refresh('listing', 'price', 2);
\echo :SQLSTATE
\set SHOW_CONTEXT never
\set VERBOSITY terse
SELECT last_price_at FROM listing_stats.attach('listing', 'price', key => 'product', last_price_at => 'last_price_at', backfill => false);
SET refresh.meddle = '';
CALL listing_stats.refresh('listing', 'price', 2);
SELECT count(*) FROM listing_stats.verify('listing', 'price');
SET refresh.meddle = $$ DROP TABLE refresh.price $$;
CALL corrupt();
CALL listing_stats.refresh('listing', 'price', 2);
\echo :SQLSTATE
SELECT count(*) FROM progress;
DROP TABLE listing CASCADE;

-- only the listings of one partition
CREATE TABLE listing (id bigint PRIMARY KEY);
CREATE TABLE price (id bigint, listing_id int REFERENCES listing, created date NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE price_2025 PARTITION OF price FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE price_2026 PARTITION OF price FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY RANGE (created);
CREATE TABLE price_2026_h1 PARTITION OF price_2026 FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
INSERT INTO listing SELECT generate_series(1, 6);
SET client_min_messages = warning;
SELECT tie FROM listing_stats.attach('listing', 'price');
RESET client_min_messages;
INSERT INTO price VALUES (1, 1, '2025-05-01', 1), (2, 2, '2025-05-01', 2), (3, 3, '2025-05-01', 3), (4, 4, '2026-01-01', 4), (5, 4, '2026-02-01', 5), (6, 5, '2026-02-01', 6), (7, NULL, '2026-02-01', 6);
CREATE TABLE more (LIKE price_2026 INCLUDING ALL);
INSERT INTO more VALUES (8, 3, '2026-08-01', 8), (9, 6, '2026-08-01', 9);
ALTER TABLE price_2026 ATTACH PARTITION more FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
ALTER TABLE listing DISABLE TRIGGER USER;
UPDATE listing SET last_price = -1 WHERE id IN (1, 4, 5);
ALTER TABLE listing ENABLE TRIGGER USER;
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
CALL listing_stats.refresh('listing', 'price', 1, only_in => 'more');
SELECT done, total, changed FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass;
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
CALL listing_stats.refresh('listing', 'price', 2, only_in => 'price_2026');
SELECT done, total, changed FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass;
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
CALL listing_stats.refresh('listing', 'price', only_in => 'price');
SELECT done, total, changed FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass;
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
-- that is one no more
ALTER TABLE price_2026 DETACH PARTITION more;
CALL listing_stats.refresh('listing', 'price', only_in => 'more');
SELECT done, total, changed FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass;
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
-- that is of another owner, or has other columns
CREATE TABLE other_type (listing_id bigint);
CALL listing_stats.refresh('listing', 'price', only_in => 'other_type');
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
ALTER TABLE refresh.more OWNER TO regress_listing_stats_other;
GRANT SELECT ON refresh.more TO regress_listing_stats;
SET SESSION AUTHORIZATION regress_listing_stats;
CALL listing_stats.refresh('listing', 'price', only_in => 'more');
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
ALTER TABLE refresh.more OWNER TO regress_listing_stats;
SET SESSION AUTHORIZATION regress_listing_stats;
DROP TABLE other_type;
CALL listing_stats.refresh('listing', 'price');
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
-- a partition of another owner, with policies that hide its rows from ours
RESET SESSION AUTHORIZATION;
ALTER TABLE refresh.price_2025 OWNER TO regress_listing_stats_other;
ALTER TABLE refresh.price_2025 ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON refresh.price_2025 TO regress_listing_stats;
SET SESSION AUTHORIZATION regress_listing_stats;
CALL listing_stats.refresh('listing', 'price', only_in => 'price_2025');
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
ALTER TABLE refresh.price_2025 OWNER TO regress_listing_stats;
SET SESSION AUTHORIZATION regress_listing_stats;
DROP TABLE price, more, listing;

-- an inheritance child whose rows no trigger sees
CREATE TABLE listing (id smallint PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id bigint, created date, value int);
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
RESET client_min_messages;
CREATE TABLE child () INHERITS (price);
ALTER TABLE child DISABLE TRIGGER USER;
INSERT INTO listing VALUES (-3), (0), (7), (8);
INSERT INTO price VALUES (1, 7, '2026-01-01', 70);
INSERT INTO child VALUES (2, 8, '2026-01-01', 80), (3, 100000000000, '2026-01-01', 90);
SELECT * FROM listing_stats.verify('listing', 'price');
CALL listing_stats.refresh('listing', 'price', 1, 'child');
SELECT * FROM listing ORDER BY id;
DROP TABLE price, child, listing;

-- keys of text with a collation and a domain; unique keys that may be NULL; several attachments of the same tables; tables of which nothing is known, and forced row-level security
CREATE DOMAIN code AS varchar(40) COLLATE "C";
CREATE TABLE listing (code code UNIQUE, home text UNIQUE, away text UNIQUE, first numeric, second numeric, third numeric);
CREATE TABLE price (id int PRIMARY KEY, code varchar(40) COLLATE "C" REFERENCES listing (code), home text REFERENCES listing (home), away text REFERENCES listing (away), created date, value numeric);
SET client_min_messages = warning;
SELECT listing_key FROM listing_stats.attach('listing', 'price', key => 'home', last_price => 'first', backfill => false);
SELECT listing_key FROM listing_stats.attach('listing', 'price', key => 'away', last_price => 'second', backfill => false);
SELECT listing_key FROM listing_stats.attach('listing', 'price', key => 'code', last_price => 'third', backfill => false);
RESET client_min_messages;
CALL listing_stats.refresh('listing', 'price');
SELECT kept, key, done, total, changed FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass ORDER BY key;
ALTER TABLE listing DISABLE TRIGGER USER;
ALTER TABLE price DISABLE TRIGGER USER;
INSERT INTO listing SELECT chr(60 + i), nullif('h' || i, 'h3'), nullif(repeat('A', i) || i, 'AAAA4') FROM generate_series(1, 20) i;
INSERT INTO price SELECT i, l.code, l.home, l.away, '2026-01-01', i FROM (SELECT row_number() OVER (ORDER BY home) AS i, * FROM listing) l;
ALTER TABLE listing ENABLE TRIGGER USER;
ALTER TABLE price ENABLE TRIGGER USER;
ALTER TABLE listing ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CALL listing_stats.refresh('listing', 'price', 3);
SELECT kept, key, done, total, changed FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass ORDER BY key;
CALL listing_stats.refresh('listing', 'price', 3, 'price');
ALTER TABLE listing DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
SELECT * FROM listing_stats.verify('listing', 'price');
SELECT code, home, away, first, second, third FROM listing WHERE home = 'h2' OR away IS NULL OR home IS NULL ORDER BY home;
DROP TABLE price, listing CASCADE;

-- two attachments of one key
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL, value numeric, kind text);
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'last_ask', condition => $$kind = 'ask'$$);
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'last_bid', condition => $$kind = 'bid'$$);
RESET client_min_messages;
CALL listing_stats.refresh('listing', 'price');
SELECT kept, key, finished FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass ORDER BY kept;
-- one that keeps another column first
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'none', price_count => 'bids', condition => $$kind = 'bid'$$);
CALL listing_stats.refresh('listing', 'price');
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'last_bid', price_count => 'bids', condition => $$kind = 'bid'$$);
CALL listing_stats.refresh('listing', 'price');
RESET client_min_messages;
SELECT kept, key, finished FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass ORDER BY kept;
DROP TABLE price, listing CASCADE;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA refresh CASCADE;
DROP OWNED BY regress_listing_stats_other;
DROP ROLE regress_listing_stats_other;
