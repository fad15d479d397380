-- What is wrong with an attachment: check() names it and the statement that mends it.  Running that makes the row go away.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA "check";
SET search_path = "check";
SET client_min_messages = error;
SET listing_stats.direct_path = on;
\set SHOW_CONTEXT never
\pset format unaligned
\pset null '(none)'
CREATE VIEW problems AS
SELECT c.* FROM listing_stats.check() c WHERE 'check'::regnamespace IN (SELECT relnamespace FROM pg_class WHERE oid IN (listing, price)) ORDER BY listing, price, problem COLLATE "C", mend COLLATE "C";
CREATE FUNCTION way() RETURNS text LANGUAGE sql AS $$ SELECT way FROM listing_stats.attachments WHERE price = to_regclass('price') $$;
CREATE PROCEDURE setup() LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS price_old, price, listing_old, listing CASCADE;
    CREATE TABLE listing (id int PRIMARY KEY, note text, lowest int);
    CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL, value int);
    INSERT INTO listing SELECT generate_series(1, 2);
    INSERT INTO price VALUES (1, 1, '2026-01-01', 1), (2, 2, '2026-01-01', 2);
    PERFORM listing_stats.attach('listing', 'price', lowest_price => 'lowest', guard => 'error');
END $$;
-- As somebody else does it: no event trigger follows.
CREATE FUNCTION unseen(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ALTER EVENT TRIGGER listing_stats_changes DISABLE;
    ALTER EVENT TRIGGER listing_stats_drops DISABLE;
    EXECUTE command;
    ALTER EVENT TRIGGER listing_stats_changes ENABLE;
    ALTER EVENT TRIGGER listing_stats_drops ENABLE;
END $$;
CREATE PROCEDURE mend() LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    FOREACH statement IN ARRAY ARRAY(SELECT mend FROM problems WHERE mend IS NOT NULL) LOOP
        EXECUTE statement;
    END LOOP;
END $$;
CREATE FUNCTION left_over() RETURNS SETOF text LANGUAGE sql AS 'SELECT problem FROM problems';

-- nothing is wrong
CALL setup();
TABLE problems;
SELECT way();
SET listing_stats.direct_path = off;
SELECT way();
SET listing_stats.direct_path = on;

-- no index
DO $$ BEGIN EXECUTE 'DROP INDEX ' || (SELECT index::text FROM listing_stats.attachments WHERE price = 'price'::regclass); END $$;
SELECT way();
TABLE problems;
CALL mend();
SELECT left_over();

-- one that is left of a CREATE INDEX CONCURRENTLY that failed
RESET SESSION AUTHORIZATION;
CREATE INDEX "Left over" ON price (listing_id);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"Left over"'::regclass;
SET SESSION AUTHORIZATION regress_listing_stats;
TABLE problems;
CALL mend();
SELECT left_over();

-- what all attachments need
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER listing_stats_changes DISABLE;
ALTER EVENT TRIGGER listing_stats_drops ENABLE REPLICA;
ALTER EVENT TRIGGER listing_stats_triggers ENABLE;
ALTER EVENT TRIGGER listing_stats_shards DISABLE;
ALTER EVENT TRIGGER listing_stats_distributed_drops DISABLE;
ALTER TABLE listing_stats._flush DISABLE TRIGGER _flush;
SELECT problem, mend FROM listing_stats.check() WHERE listing IS NULL AND price IS NULL ORDER BY problem COLLATE "C";
DO $$ DECLARE statement text; BEGIN FOR statement IN SELECT mend FROM listing_stats.check() WHERE listing IS NULL AND price IS NULL LOOP EXECUTE statement; END LOOP; END $$;
SELECT problem, mend FROM listing_stats.check() WHERE listing IS NULL AND price IS NULL;
SET SESSION AUTHORIZATION regress_listing_stats;

-- names that no event trigger has followed
RESET SESSION AUTHORIZATION;
SELECT unseen('ALTER TABLE price RENAME TO cost'), unseen('ALTER TABLE cost RENAME listing_id TO "listing Id"');
SET SESSION AUTHORIZATION regress_listing_stats;
TABLE problems;
CALL mend();
SELECT left_over();
ALTER TABLE cost RENAME COLUMN "listing Id" TO listing_id;
ALTER TABLE cost RENAME TO price;

-- a column that has got such a name is not kept twice, nor one with the name that the triggers still say
CREATE TABLE stall (id int PRIMARY KEY);
CREATE TABLE bid (id int PRIMARY KEY, stall_id int REFERENCES stall, created date NOT NULL, value int);
CREATE TABLE offer (id int PRIMARY KEY, stall_id int REFERENCES stall, created date NOT NULL, value int);
SELECT last_price FROM listing_stats.attach('stall', 'bid');
RESET SESSION AUTHORIZATION;
SELECT unseen('ALTER TABLE stall RENAME last_price TO latest');
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT last_price FROM listing_stats.attach('stall', 'offer', last_price => 'latest');
SELECT last_price FROM listing_stats.attach('stall', 'offer');
INSERT INTO stall VALUES (1);
INSERT INTO bid VALUES (1, 1, '2026-01-01', 1);
INSERT INTO offer VALUES (1, 1, '2026-01-01', 2);
TABLE stall;
DROP TABLE offer, bid, stall;

-- names that are written with quotes and without are no others
SET quote_all_identifiers = on;
SELECT left_over();
SELECT price FROM listing_stats.attach('listing', 'price');
RESET quote_all_identifiers;
SELECT left_over();

-- types that have changed: of which not every value fits, and into which none does
ALTER TABLE price ALTER value TYPE bigint;
TABLE problems;
SELECT way();
CALL mend();
SELECT left_over();
ALTER TABLE price ALTER value TYPE numeric(10,2);
TABLE problems;
CALL mend();
TABLE problems;
CALL mend();
SELECT left_over();

-- disabled triggers, behind which something went wrong
ALTER TABLE listing DISABLE TRIGGER "LISTING_STATS_1";
ALTER TABLE price DISABLE TRIGGER USER;
INSERT INTO price VALUES (3, 1, '2026-01-03', 3);
TABLE problems;
CALL mend();
SELECT left_over();
SELECT * FROM listing_stats.verify('listing', 'price');

-- a table that a crash empties
ALTER TABLE price SET UNLOGGED;
TABLE problems;
CALL mend();
SELECT left_over();

-- a partition of prices, and a table whose rows come with its prices
CREATE TABLE quote (item int NOT NULL, created date NOT NULL, value int, PRIMARY KEY (item, created)) PARTITION BY RANGE (created);
CREATE TABLE quote_2026 PARTITION OF quote FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE UNLOGGED TABLE quote_2027 PARTITION OF quote FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
INSERT INTO quote VALUES (1, '2026-01-01', 1), (1, '2027-01-01', 2);
SELECT last_price FROM listing_stats.keep_latest('quote', 'latest_quote', key => 'item');
TABLE problems;
CALL mend();
ALTER TABLE latest_quote SET UNLOGGED;
TABLE problems;
ALTER TABLE quote_2026 SET UNLOGGED;
ALTER TABLE quote_2027 SET UNLOGGED;
SELECT left_over();
ALTER TABLE quote_2026 SET LOGGED;
CALL mend();
CALL mend();
SELECT left_over();
DROP TABLE quote, latest_quote;

-- a unique index: somebody has to decide
CREATE UNIQUE INDEX once ON listing (last_price) INCLUDE (lowest);
CREATE UNIQUE INDEX not_counted ON listing (lowest) WHERE lowest > 0;
TABLE problems;
SELECT way();
DROP INDEX once;
-- one that foreign keys cannot refer to does not matter
SELECT lowest_price FROM listing_stats.attach('listing', 'price', lowest_price => 'lowest');
SELECT left_over();
DROP INDEX not_counted;

-- publications that make PostgreSQL refuse the UPDATE
ALTER TABLE listing REPLICA IDENTITY NOTHING;
RESET SESSION AUTHORIZATION;
CREATE PUBLICATION regress_check FOR TABLE listing;
SET SESSION AUTHORIZATION regress_listing_stats;
TABLE problems;
CALL mend();
SELECT left_over();
ALTER TABLE listing REPLICA IDENTITY DEFAULT;
RESET SESSION AUTHORIZATION;
ALTER PUBLICATION regress_check SET TABLE listing (note);
SET SESSION AUTHORIZATION regress_listing_stats;
TABLE problems;
RESET SESSION AUTHORIZATION;
DROP PUBLICATION regress_check;
SET SESSION AUTHORIZATION regress_listing_stats;

-- fillfactors as PostgreSQL takes them
ALTER TABLE listing SET (fillfactor = 70.5);
TABLE problems;
ALTER TABLE listing SET (fillfactor = '0x46');
TABLE problems;
ALTER TABLE listing RESET (fillfactor);

-- pages that are full
CREATE INDEX ON listing (note);
INSERT INTO listing SELECT i, '' FROM generate_series(3, 10000) i;
UPDATE listing SET note = 'a';
UPDATE listing SET note = 'b';
UPDATE listing SET note = 'c';
UPDATE listing SET note = 'd';
SELECT pg_stat_force_next_flush();
TABLE problems;
CALL mend();
SELECT left_over();

-- no foreign key, and keys that do not match
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int PRIMARY KEY, listing_id int, created date NOT NULL, value int);
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id');
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
TABLE problems;

-- halves that are left, and arguments that are none
RESET SESSION AUTHORIZATION;
SELECT unseen('DROP TABLE listing');
SET SESSION AUTHORIZATION regress_listing_stats;
TABLE problems;
DROP TABLE price;
CREATE TABLE price (id int PRIMARY KEY);
CREATE TRIGGER "by hand" AFTER INSERT ON price FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed('price');
TABLE problems;
SELECT way();
CALL mend();
SELECT left_over();

-- parts of the price table that no trigger sees, and one of which it is disabled
CALL setup();
RESET SESSION AUTHORIZATION;
SELECT unseen('CREATE TABLE "check".more () INHERITS ("check".price)'), unseen('CREATE TABLE "check".still_more () INHERITS ("check".more)');
ALTER TABLE more OWNER TO regress_listing_stats;
ALTER TABLE still_more OWNER TO regress_listing_stats;
SET SESSION AUTHORIZATION regress_listing_stats;
TABLE problems;
SELECT way();
CALL mend();
SELECT left_over();
ALTER TABLE still_more DISABLE TRIGGER "LISTING_STATS_1";
TABLE problems;
CALL mend();
SELECT left_over();
DROP TRIGGER "LISTING_STATS_1_truncate" ON still_more;
TABLE problems;
CALL mend();
SELECT left_over();
DROP TABLE still_more, more;
DROP TABLE price;
CREATE TABLE price (id int, listing_id int REFERENCES listing, created date NOT NULL, value int, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE price_2026 PARTITION OF price FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
SELECT last_price FROM listing_stats.attach('listing', 'price');
SELECT way();
ALTER TABLE price_2026 DISABLE TRIGGER "LISTING_STATS_1";
TABLE problems;
CALL mend();
SELECT left_over();

-- tables that others have taken the place of: the listings are swapped
CALL setup();
CALL public.replace_listing();
TABLE problems;
CALL mend();
SELECT left_over();
SELECT listing, price, last_price, lowest_price, guard FROM listing_stats.attachments WHERE price = 'price'::regclass;

-- the prices are swapped
CALL setup();
CALL public.replace_price();
TABLE problems;
CALL mend();
SELECT left_over();

-- the prices become a part
CALL setup();
CREATE TABLE all_prices (LIKE price);
ALTER TABLE price INHERIT all_prices;
ALTER TABLE all_prices ADD FOREIGN KEY (listing_id) REFERENCES listing, ADD PRIMARY KEY (id);
TABLE problems;
CALL mend();
SELECT left_over();
DROP TABLE all_prices CASCADE;

-- so do the listings
CALL setup();
CREATE TABLE all_listings (LIKE listing, PRIMARY KEY (id)) PARTITION BY RANGE (id);
ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
ALTER TABLE all_listings ATTACH PARTITION listing FOR VALUES FROM (minvalue) TO (100);
ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES all_listings;
TABLE problems;
CALL mend();
SELECT left_over();
SELECT way();
SELECT * FROM listing_stats.verify('all_listings', 'price');
DROP TABLE all_listings CASCADE;

-- of two attachments the one that only carries columns is named by these
CALL setup();
SELECT carry FROM listing_stats.attach('listing', 'price', last_price => 'none', carry => 'created AS seen', condition => 'value > 1');
DO $$ BEGIN EXECUTE (SELECT string_agg('DROP INDEX ' || index, ';') FROM listing_stats.attachments WHERE price = 'price'::regclass); END $$;
TABLE problems;
CALL mend();
SELECT left_over();
CALL public.replace_listing();
SELECT mend FROM problems;
CALL mend();
SELECT left_over();
SELECT listing, last_price, carry FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY carry;

-- what else goes by SQL
CALL setup();
CREATE RULE watched AS ON UPDATE TO listing DO ALSO NOTHING;
SELECT way();
DROP RULE watched ON listing;
ALTER TABLE listing ADD CHECK (lowest > 0);
SELECT way();
ALTER TABLE listing DROP CONSTRAINT listing_lowest_check, ADD seen int REFERENCES listing;
SELECT way();
ALTER TABLE listing DROP seen, ADD doubled int GENERATED ALWAYS AS (lowest * 2) STORED;
SELECT way();
ALTER TABLE listing DROP doubled;
CREATE TRIGGER watched AFTER UPDATE ON listing EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT way();
DROP TRIGGER watched ON listing;
ALTER TABLE listing ALTER last_price SET NOT NULL;
SELECT way();
ALTER TABLE listing ALTER last_price DROP NOT NULL;
REVOKE UPDATE ON listing FROM regress_listing_stats;
SELECT way();
GRANT UPDATE ON listing TO regress_listing_stats;
SELECT count(*) FROM listing_stats.attach('listing', 'price', lowest_price => 'none');
SELECT way();

-- everybody may call it, whatever his search_path finds
ALTER TABLE listing DISABLE TRIGGER "LISTING_STATS_1";
GRANT USAGE ON SCHEMA "check" TO PUBLIC;
CREATE FUNCTION format(text, name, name) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
RESET SESSION AUTHORIZATION;
CREATE ROLE regress_check;
SET SESSION AUTHORIZATION regress_check;
SET search_path = "check", pg_catalog;
SELECT format('', name 'a', name 'b');
SELECT * FROM listing_stats.check() WHERE listing = 'listing'::regclass;
RESET SESSION AUTHORIZATION;
DROP ROLE regress_check;
DROP SCHEMA "check" CASCADE;
