-- Who changes a price, and what row-level security shows him, does not change what the price is.  Identifiers as in
-- test/README.md.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_writer;
CREATE ROLE regress_listing_stats_writer;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA roles;
SET search_path = roles;
CREATE TABLE listing (id int PRIMARY KEY, secret boolean NOT NULL DEFAULT false);
CREATE TABLE price (id int PRIMARY KEY, listing_id int NOT NULL REFERENCES listing, created timestamptz NOT NULL, value numeric, secret boolean NOT NULL DEFAULT false);
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'price');
RESET client_min_messages;
INSERT INTO listing VALUES (1, false), (2, true);
INSERT INTO price VALUES (1, 1, '2026-01-01', 10), (2, 2, '2026-01-01', 20);

-- P10: somebody who may write prices and nothing else: not even read listings, nor use our schema's table
GRANT USAGE ON SCHEMA roles TO regress_listing_stats_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON price TO regress_listing_stats_writer;
SET SESSION AUTHORIZATION regress_listing_stats_writer;
INSERT INTO roles.price VALUES (3, 1, '2026-01-02', 11);
UPDATE roles.price SET value = 12 WHERE id = 3;
SELECT current_user, session_user;
SELECT * FROM roles.listing;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT * FROM listing ORDER BY id;

-- S1, S2: row-level security on both tables, also forced on the owner
ALTER TABLE listing ENABLE ROW LEVEL SECURITY;
ALTER TABLE price ENABLE ROW LEVEL SECURITY;
CREATE POLICY shown ON listing USING (NOT secret);
CREATE POLICY shown ON price USING (NOT secret) WITH CHECK (true);
GRANT SELECT ON listing TO regress_listing_stats_writer;
SET SESSION AUTHORIZATION regress_listing_stats_writer;
INSERT INTO roles.price VALUES (4, 2, '2026-01-02', 21, false), (5, 1, '2026-01-03', 13, true);
SELECT * FROM roles.listing ORDER BY id;
SELECT id FROM roles.price ORDER BY id;
DELETE FROM roles.price WHERE id = 3;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT * FROM listing ORDER BY id;
ALTER TABLE listing FORCE ROW LEVEL SECURITY;
ALTER TABLE price FORCE ROW LEVEL SECURITY;
SET SESSION AUTHORIZATION regress_listing_stats_writer;
INSERT INTO roles.price VALUES (6, 2, '2026-01-03', 22, true), (7, 1, '2026-01-04', 14, true);
SET SESSION AUTHORIZATION regress_listing_stats;
INSERT INTO price VALUES (8, 2, '2026-01-04', 23, true);
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
\echo :SQLSTATE
TRUNCATE price;
ALTER TABLE listing NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
ALTER TABLE price NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
SELECT * FROM listing ORDER BY id;
INSERT INTO price VALUES (1, 1, '2026-01-01', 10), (2, 2, '2026-01-01', 20);

-- a SECURITY DEFINER function, SET ROLE, and the user afterwards
CREATE FUNCTION add_price(int, numeric) RETURNS name LANGUAGE sql SECURITY DEFINER SET search_path = roles AS
$$ INSERT INTO price VALUES ($1 + 100, $1, '2026-02-01', $2); SELECT current_user $$;
SET SESSION AUTHORIZATION regress_listing_stats_writer;
SELECT roles.add_price(1, 15), current_user;
RESET SESSION AUTHORIZATION;
SET ROLE regress_listing_stats_writer;
INSERT INTO roles.price VALUES (201, 2, '2026-03-01', 24);
SELECT current_user;
RESET ROLE;
SET search_path = roles;
SELECT * FROM listing ORDER BY id;

-- triggers of the user's on listing run as the owner, as foreign keys' do, and he is restored after an error in one
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused as %', current_user; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON listing FOR EACH ROW WHEN (new.last_price > 100) EXECUTE FUNCTION refuse();
SET SESSION AUTHORIZATION regress_listing_stats_writer;
\set SHOW_CONTEXT never
DO $$
BEGIN
    BEGIN
        INSERT INTO roles.price VALUES (301, 2, '2026-04-01', 101);
    EXCEPTION WHEN raise_exception THEN
        RAISE NOTICE '%, now %', sqlerrm, current_user;
    END;
    INSERT INTO roles.price VALUES (302, 2, '2026-05-01', 99);
END $$;
SELECT current_user;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT * FROM listing ORDER BY id;

-- S5: only the owner attaches and detaches; everybody reads what is attached
SET SESSION AUTHORIZATION regress_listing_stats_writer;
SELECT listing_stats.attach('roles.listing', 'roles.price');
SELECT listing_stats.detach('roles.listing', 'roles.price');
SELECT last_price FROM listing_stats.attachments WHERE price = 'roles.price'::regclass;

-- a type of somebody else's: the cast to text that he has made prints nothing for the owner
RESET SESSION AUTHORIZATION;
CREATE SCHEMA regress_types AUTHORIZATION regress_listing_stats_writer;
GRANT USAGE ON SCHEMA regress_types TO PUBLIC;
SET SESSION AUTHORIZATION regress_listing_stats_writer;
CREATE TYPE regress_types.kind AS ENUM ('ask', 'bid');
CREATE FUNCTION regress_types.print(regress_types.kind) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called as %', current_user; END $$;
CREATE CAST (regress_types.kind AS text) WITH FUNCTION regress_types.print(regress_types.kind);
SET SESSION AUTHORIZATION regress_listing_stats;
SET client_min_messages = warning;
CREATE TABLE lot (id int PRIMARY KEY, price numeric);
CREATE TABLE offer (id serial PRIMARY KEY, lot_id int REFERENCES lot, created date NOT NULL, kind regress_types.kind, price numeric);
INSERT INTO lot SELECT generate_series(1, 3);
INSERT INTO offer (lot_id, created, kind) VALUES (1, '2026-01-01', 'ask'), (2, '2026-01-01', 'bid'), (2, '2026-01-02', NULL);
SELECT last_price FROM listing_stats.attach('lot', 'offer', value => 'kind');
SELECT last_price FROM listing_stats.keep_latest('offer', 'newest', key => 'kind', value => 'lot_id');
SELECT v.* FROM listing_stats.verify('lot', 'offer') v UNION ALL SELECT v.* FROM listing_stats.verify('newest', 'offer') v;
ALTER TABLE lot DISABLE TRIGGER USER;
UPDATE lot SET last_price = 'bid';
ALTER TABLE newest DISABLE TRIGGER USER;
UPDATE newest SET last_price = 5 WHERE kind = 'ask';
DELETE FROM newest WHERE kind = 'bid';
SELECT v.* FROM listing_stats.verify('lot', 'offer') v UNION ALL SELECT v.* FROM listing_stats.verify('newest', 'offer') v ORDER BY key, "column";
-- and what he renames locks nothing of the owner's
SELECT condition FROM listing_stats.attach('lot', 'offer', value => 'price', last_price => 'price', condition => 'abs(price) > 0');
SET SESSION AUTHORIZATION regress_listing_stats_writer;
BEGIN;
CREATE FUNCTION regress_types.abs(numeric) RETURNS numeric LANGUAGE sql AS 'SELECT 1::numeric';
ALTER FUNCTION regress_types.abs(numeric) RENAME TO absolute;
SELECT relation::regclass FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'roles'::regnamespace);
ROLLBACK;
SET SESSION AUTHORIZATION regress_listing_stats;
DROP TABLE newest, offer, lot;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA regress_types CASCADE;
DROP SCHEMA roles CASCADE;
DROP OWNED BY regress_listing_stats_writer;
DROP ROLE regress_listing_stats_writer;
