-- What follows DDL: renames are carried into the arguments of the triggers, drops clean up.  That nothing
-- is wrong without it is in names.sql and errors.sql.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_other;
CREATE ROLE regress_listing_stats_other;
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA follow;
SET search_path = follow;
\set SHOW_CONTEXT never

-- What the triggers on all tables of a schema say, and how many say each.
CREATE FUNCTION says() RETURNS TABLE (says text, triggers bigint) LANGUAGE sql AS $$
    SELECT substring(pg_get_triggerdef(t.oid) FROM '\((''.*)\)$'), count(*)
    FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid JOIN pg_class c ON c.oid = tgrelid
    WHERE pronamespace = 'listing_stats'::regnamespace AND relnamespace::regnamespace::text ~ 'follow'
    GROUP BY 1 ORDER BY 1 $$;
-- Whether attach() would write what is there.
CREATE FUNCTION is_current(listing regclass, price regclass) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    before text[] := (SELECT array_agg(pg_get_triggerdef(oid) || encode(tgargs, 'escape') ORDER BY oid) FROM pg_trigger WHERE tgrelid IN (listing, price));
BEGIN
    PERFORM listing_stats.attach(listing, price, backfill => false);
    RETURN before = (SELECT array_agg(pg_get_triggerdef(oid) || encode(tgargs, 'escape') ORDER BY oid) FROM pg_trigger WHERE tgrelid IN (listing, price));
END $$;

CREATE TABLE listing (id int PRIMARY KEY, note text);
CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at');
RESET client_min_messages;
INSERT INTO listing VALUES (1), (2);
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
SELECT * FROM says();

-- D1: renames
ALTER TABLE price RENAME value TO amount;
INSERT INTO price VALUES (2, 1, '2026-01-02', 2);
SELECT * FROM says();
ALTER TABLE price RENAME created TO "seen ""at""";
ALTER TABLE price RENAME listing_id TO parent;
ALTER TABLE price RENAME id TO number;
ALTER TABLE listing RENAME id TO code;
ALTER TABLE listing RENAME last_price TO "it's \ latest";
ALTER TABLE listing RENAME last_price_at TO since;
SELECT * FROM says();
INSERT INTO price VALUES (3, 1, '2026-01-03', 3);
ALTER TABLE listing RENAME TO "Item";
ALTER TABLE price RENAME TO offer;
SELECT * FROM says();
SELECT is_current('"Item"', 'offer');
INSERT INTO offer VALUES (4, 1, '2026-01-04', 4);
CREATE SCHEMA follow_2;
ALTER TABLE offer SET SCHEMA follow_2;
SELECT * FROM says();
ALTER SCHEMA follow_2 RENAME TO "follow_2 b";
SELECT * FROM says();
ALTER TABLE "Item" SET SCHEMA "follow_2 b";
ALTER SCHEMA "follow_2 b" RENAME TO follow_2;
SELECT * FROM says();
INSERT INTO follow_2.offer VALUES (5, 1, '2026-01-05', 5);
-- by other commands that PostgreSQL takes for tables
ALTER INDEX follow_2.offer RENAME TO price;
ALTER VIEW follow_2.price RENAME COLUMN amount TO value;
ALTER MATERIALIZED VIEW follow_2.price RENAME COLUMN parent TO listing_id;
ALTER FOREIGN TABLE follow_2."Item" RENAME COLUMN code TO id;
SELECT * FROM says();
ALTER TABLE follow_2.price SET SCHEMA follow;
ALTER TABLE follow_2."Item" SET SCHEMA follow;
ALTER TABLE "Item" RENAME TO listing;
DROP SCHEMA follow_2;
ALTER TABLE price RENAME "seen ""at""" TO created;
ALTER TABLE listing RENAME "it's \ latest" TO last_price;
SELECT is_current('listing', 'price');
-- two columns change names, and names that nothing of ours has
ALTER TABLE price RENAME created TO x;
ALTER TABLE price RENAME value TO created;
ALTER TABLE price RENAME x TO value;
SELECT * FROM says();
INSERT INTO price VALUES (6, 1, '2026-01-06', 6);
ALTER TABLE price RENAME value TO x;
ALTER TABLE price RENAME created TO value;
ALTER TABLE price RENAME x TO created;
ALTER TABLE listing RENAME note TO remark;
ALTER TABLE price RENAME CONSTRAINT price_listing_id_fkey TO key;
ALTER TRIGGER "LISTING_STATS_1" ON price RENAME TO "LISTING_STATS_2";
ALTER TABLE IF EXISTS nothing RENAME TO something;
SELECT * FROM says();
-- a type changes: the record is renewed
ALTER TABLE price ALTER number TYPE bigint;
SELECT is_current('listing', 'price');
-- rolled back
BEGIN;
ALTER TABLE price RENAME value TO amount;
INSERT INTO price VALUES (7, 1, '2026-01-07', 7);
SAVEPOINT a;
ALTER TABLE listing RENAME last_price TO latest;
INSERT INTO price VALUES (8, 1, '2026-01-08', 8);
ROLLBACK TO a;
INSERT INTO price VALUES (9, 1, '2026-01-09', 9);
ROLLBACK;
INSERT INTO price VALUES (10, 1, '2026-01-10', 10);
SELECT * FROM says();
TABLE listing;
SELECT * FROM listing_stats.verify('listing', 'price');
-- while a statement reads the other table
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT id FROM follow.listing ORDER BY id LOOP
        EXECUTE format('ALTER TABLE follow.price RENAME %I TO %I', CASE r.id WHEN 1 THEN 'value' ELSE 'amount' END, CASE r.id WHEN 1 THEN 'amount' ELSE 'value' END);
        EXECUTE format('INSERT INTO follow.price VALUES (%s, %s, %L, 5)', r.id + 20, r.id, '2026-02-01');
    END LOOP;
END $$;
SELECT * FROM listing ORDER BY id;
SELECT count(*) FROM says();

-- no record, as after a restore, with and without a foreign key
RESET SESSION AUTHORIZATION;
CREATE FUNCTION restored() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    trigger record;
BEGIN
    FOR trigger IN SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgrelid IN ('listing'::regclass, 'price'::regclass) AND tgname ~ 'LISTING' LOOP
        EXECUTE replace(trigger.definition, 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
    END LOOP;
END $$;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT restored();
ALTER TABLE price RENAME value TO amount;
INSERT INTO price VALUES (31, 1, '2026-03-01', 31);
ALTER TABLE price DROP CONSTRAINT key;
SELECT restored();
ALTER TABLE price RENAME listing_id TO parent;
SELECT restored();
ALTER TABLE listing RENAME id TO code;
SELECT restored();
ALTER TABLE listing RENAME TO item;
ALTER TABLE item RENAME TO listing;
SELECT restored();
ALTER SCHEMA follow RENAME TO follow_2;
SELECT * FROM follow_2.says();
INSERT INTO follow_2.price VALUES (32, 1, '2026-03-02', 32);
ALTER SCHEMA follow_2 RENAME TO follow;
SELECT is_current('listing', 'price');
ALTER TABLE price RENAME amount TO value;
ALTER TABLE price RENAME parent TO listing_id;
ALTER TABLE listing RENAME code TO id;
SELECT * FROM listing ORDER BY id;

-- partitions: their triggers follow the root's, and dropping or detaching one detaches nothing
CREATE TABLE parted (id int, listing_id int REFERENCES listing, created date NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE parted_2 (value numeric, created date NOT NULL, listing_id int, id int NOT NULL);
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM ('2026-03-01') TO ('2026-04-01') PARTITION BY LIST (id);
CREATE TABLE parted_3_1 PARTITION OF parted_3 FOR VALUES IN (1);
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'parted', last_price => 'lowest');
RESET client_min_messages;
ALTER TABLE parted RENAME value TO amount;
ALTER TABLE parted_1 RENAME TO parted_old;
ALTER TABLE listing RENAME lowest TO cheapest;
SELECT * FROM says();
INSERT INTO parted_2 (id, listing_id, created, amount) VALUES (1, 2, '2026-02-02', 2.5);
SELECT * FROM listing ORDER BY id;
DROP TABLE parted_old;
ALTER TABLE parted DETACH PARTITION parted_2;
ALTER TABLE parted DETACH PARTITION parted_3 CONCURRENTLY;
CREATE INDEX parted_2_id ON parted_2 (id);
DROP INDEX CONCURRENTLY parted_2_id;
DROP TABLE parted_2, parted_3;
SELECT * FROM says();
DROP TABLE parted;
SELECT * FROM says();

-- inheritance children
CREATE TABLE heir (id int PRIMARY KEY, listing_id int, created date NOT NULL, value numeric);
CREATE TABLE heir_1 (extra int) INHERITS (heir);
SET client_min_messages = warning;
SELECT last_price, last_price_at, null_value, guard FROM listing_stats.attach('listing', 'heir', key => 'listing_id', last_price => 'cheapest', lowest_price => 'lowest', null_value => 'skip', guard => 'error');
RESET client_min_messages;
ALTER TABLE heir RENAME value TO amount;
ALTER TABLE heir_1 RENAME TO heiress;
ALTER TABLE heir RENAME TO ancestor;
ALTER TABLE listing DROP COLUMN lowest;
SELECT * FROM says();
INSERT INTO heiress (id, listing_id, created, amount) VALUES (1, 1, '2026-02-02', 1.5);
SELECT * FROM listing ORDER BY id;
DROP TABLE heiress;
SELECT * FROM says();
CREATE TABLE heir_2 () INHERITS (ancestor);
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'ancestor', key => 'listing_id');
RESET client_min_messages;
BEGIN;
DROP TABLE listing CASCADE;
SELECT * FROM says();
ROLLBACK;
DROP TABLE ancestor CASCADE;
SELECT * FROM says();

-- tables of a type, whose columns are renamed with the type's
CREATE TYPE point_in_time AS (id int, listing_id int, created date, value numeric);
CREATE TABLE typed OF point_in_time (PRIMARY KEY (id));
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'typed', key => 'listing_id', last_price => 'cheapest');
RESET client_min_messages;
ALTER TYPE point_in_time RENAME ATTRIBUTE value TO amount CASCADE;
SELECT * FROM says();
ALTER TYPE point_in_time DROP ATTRIBUTE amount CASCADE;
SELECT * FROM says();
DROP TABLE typed;
DROP TYPE point_in_time;

-- D2, D3: a kept column dropped: no longer kept; the last of them, or another column: detached
ALTER TABLE listing DROP COLUMN remark, DROP COLUMN since CASCADE;
SELECT * FROM says();
INSERT INTO price VALUES (40, 2, '2026-04-01', 40);
SELECT is_current('listing', 'price');
ALTER TABLE listing DROP COLUMN last_price CASCADE;
SELECT * FROM says();
INSERT INTO price VALUES (41, 2, '2026-04-02', 41);
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id', last_price_at => 'at');
RESET client_min_messages;
BEGIN;
ALTER TABLE listing DROP COLUMN last_price, DROP COLUMN at;
SELECT * FROM says();
ROLLBACK;
BEGIN;
ALTER TABLE price DROP COLUMN value;
SELECT * FROM says();
ROLLBACK;
BEGIN;
ALTER TABLE price DROP COLUMN created, DROP COLUMN number;
INSERT INTO price VALUES (2, 42);
SELECT * FROM says();
ROLLBACK;
BEGIN;
ALTER TABLE price DROP COLUMN listing_id;
SELECT * FROM says();
ROLLBACK;
BEGIN;
ALTER TABLE listing DROP COLUMN id CASCADE;
SELECT * FROM says();
ROLLBACK;
-- by a drop of something else
CREATE DOMAIN money_of_price AS numeric(10,2);
ALTER TABLE price ALTER value TYPE money_of_price;
BEGIN;
DROP DOMAIN money_of_price CASCADE;
SELECT * FROM says();
ROLLBACK;
-- a column that only has the name of a lost one
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER listing_stats_changes DISABLE;
SET SESSION AUTHORIZATION regress_listing_stats;
ALTER TABLE price RENAME value TO amount;
ALTER TABLE price ADD COLUMN value numeric;
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER listing_stats_changes ENABLE;
SET SESSION AUTHORIZATION regress_listing_stats;
ALTER TABLE price DROP COLUMN value;
INSERT INTO price VALUES (43, 2, '2026-04-03', 43);
SELECT * FROM says();
ALTER TABLE price RENAME amount TO value;
SELECT * FROM says();
SELECT * FROM listing ORDER BY id;

-- D3: a table dropped: the other one is detached
BEGIN;
DROP TABLE price;
SELECT * FROM says();
UPDATE listing SET last_price = 0;
ROLLBACK;
BEGIN;
DROP TABLE listing CASCADE;
SELECT * FROM says();
INSERT INTO price VALUES (44, 2, '2026-04-04', 44);
ROLLBACK;
BEGIN;
DROP TABLE price, listing;
SELECT * FROM says();
ROLLBACK;
BEGIN;
CREATE TABLE away (id int PRIMARY KEY, home int, away int, created date, value int);
SET LOCAL client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('listing', 'away', key => 'home', last_price => 'home');
SELECT last_price FROM listing_stats.attach('listing', 'away', key => 'away', last_price => 'away');
SET LOCAL client_min_messages = notice;
DO $$ BEGIN DROP TABLE follow.away; END $$;
SELECT * FROM says();
ROLLBACK;
-- with its schema
BEGIN;
CREATE SCHEMA follow_2;
ALTER TABLE price SET SCHEMA follow_2;
DROP SCHEMA follow_2 CASCADE;
SELECT * FROM says();
ROLLBACK;
-- with pending events, with an open cursor: the command does what it did without us
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM listing;
FETCH c;
DROP TABLE price;
ROLLBACK;
BEGIN;
CREATE TABLE deferred (id int PRIMARY KEY, l int REFERENCES listing DEFERRABLE INITIALLY DEFERRED);
INSERT INTO deferred VALUES (1, 1);
UPDATE listing SET id = id + 100;
DROP TABLE price;
ROLLBACK;
-- temporary tables
CREATE TEMP TABLE t_listing (id int PRIMARY KEY);
CREATE TEMP TABLE t_price (id int PRIMARY KEY, listing_id int REFERENCES t_listing, created date, value int);
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('t_listing', 't_price');
RESET client_min_messages;
ALTER TABLE t_price RENAME value TO amount;
INSERT INTO t_listing VALUES (1);
INSERT INTO t_price VALUES (1, 1, '2026-01-01', 5);
TABLE t_listing;
DROP TABLE t_price;
DROP TABLE t_listing;

-- what Django's migrations send
CREATE TABLE myapp_listing (id bigserial PRIMARY KEY, url varchar(200) NOT NULL UNIQUE);
CREATE TABLE myapp_price (id bigserial PRIMARY KEY, created timestamptz NOT NULL, value numeric(10,2) NOT NULL, listing_id bigint NOT NULL CONSTRAINT fk REFERENCES myapp_listing DEFERRABLE INITIALLY DEFERRED);
SET client_min_messages = warning;
SELECT last_price FROM listing_stats.attach('myapp_listing', 'myapp_price', last_price_at => 'last_price_at');
RESET client_min_messages;
INSERT INTO myapp_listing (url) VALUES ('a');
INSERT INTO myapp_price (created, value, listing_id) VALUES ('2026-01-01', 1, 1);
-- RenameField, RenameModel
BEGIN;
ALTER TABLE "myapp_price" RENAME COLUMN "value" TO "amount";
COMMIT;
BEGIN;
ALTER TABLE "myapp_listing" RENAME TO "myapp_item";
SET CONSTRAINTS "fk" IMMEDIATE; ALTER TABLE "myapp_price" DROP CONSTRAINT "fk";
ALTER TABLE "myapp_price" RENAME COLUMN "listing_id" TO "item_id";
ALTER TABLE "myapp_price" ADD CONSTRAINT "fk2" FOREIGN KEY ("item_id") REFERENCES "myapp_item" ("id") DEFERRABLE INITIALLY DEFERRED;
COMMIT;
INSERT INTO myapp_price (created, amount, item_id) VALUES ('2026-01-02', 2, 1);
SELECT * FROM says() WHERE says ~ 'myapp';
TABLE myapp_item;
-- RemoveField, DeleteModel
ALTER TABLE "myapp_item" DROP COLUMN "last_price_at" CASCADE;
BEGIN;
ALTER TABLE "myapp_item" DROP COLUMN "last_price" CASCADE;
INSERT INTO myapp_price (created, amount, item_id) VALUES ('2026-01-03', 3, 1);
ROLLBACK;
DROP TABLE "myapp_price" CASCADE;
UPDATE myapp_item SET last_price = 0;
SELECT * FROM says() WHERE says ~ 'myapp';
DROP TABLE "myapp_item" CASCADE;

-- S6: Somebody else's tables, whose triggers say what they like: their DDL changes nothing of ours.
SELECT regexp_replace(pg_get_triggerdef(oid), '.* ON [^ ]+ ', '') AS definition FROM pg_trigger WHERE tgrelid = 'price'::regclass AND tgname = 'LISTING_STATS_1' \gset
SELECT regexp_replace(:'definition', 'price_changed', 'listing_changed') AS other_definition \gset
RESET SESSION AUTHORIZATION;
GRANT USAGE, CREATE ON SCHEMA follow TO regress_listing_stats_other;
GRANT ALL ON ALL TABLES IN SCHEMA follow TO regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats_other;
CREATE TABLE forged_price (id int, listing_id int REFERENCES listing, created date, value int, at timestamptz);
CREATE TABLE forged_listing (id int, last_price numeric, at timestamptz);
CREATE TRIGGER forged AFTER INSERT OR UPDATE OR DELETE ON forged_price :definition;
CREATE TRIGGER forged AFTER INSERT OR UPDATE ON forged_listing :other_definition;
SELECT * FROM says();
ALTER TABLE forged_price RENAME value TO stolen;
ALTER TABLE forged_price RENAME TO stolen;
ALTER TABLE forged_listing RENAME last_price TO stolen;
ALTER TABLE forged_listing RENAME TO stolen_too;
SELECT * FROM says();
-- nor does ours change theirs
SET SESSION AUTHORIZATION regress_listing_stats;
BEGIN;
ALTER TABLE price RENAME value TO amount;
SELECT * FROM says();
DROP TABLE price;
SELECT * FROM says();
ROLLBACK;
SET SESSION AUTHORIZATION regress_listing_stats_other;
ALTER TABLE stolen DROP COLUMN created;
ALTER TABLE stolen_too DROP COLUMN id;
SELECT * FROM says();
CREATE OR REPLACE TRIGGER forged AFTER INSERT OR UPDATE OR DELETE ON stolen :definition;
CREATE OR REPLACE TRIGGER forged AFTER INSERT OR UPDATE ON stolen_too :other_definition;
DROP TABLE stolen, stolen_too;
SELECT * FROM says();
-- a half that is left, and a forged other half by the name that it looks for
SET SESSION AUTHORIZATION regress_listing_stats;
BEGIN;
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER listing_stats_drops DISABLE;
SET SESSION AUTHORIZATION regress_listing_stats;
DROP TABLE price;
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER listing_stats_drops ENABLE;
SET SESSION AUTHORIZATION regress_listing_stats_other;
CREATE TABLE price (id int, listing_id int, created date, value int);
CREATE TRIGGER forged AFTER INSERT OR UPDATE OR DELETE ON price :definition;
ALTER TABLE price RENAME value TO stolen;
ALTER TABLE price DROP COLUMN created;
SELECT * FROM says();
CREATE TRIGGER forged AFTER INSERT OR UPDATE OR DELETE ON price :definition;
DROP TABLE price;
SELECT * FROM says();
ROLLBACK;
-- wrong arguments disturb nobody but who writes
CREATE TABLE wrong (id int);
CREATE TRIGGER a AFTER INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed('what is this');
CREATE TRIGGER b AFTER INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION listing_stats.listing_changed('listing=a.b.c.d.e', 'listing_key=id', 'last_price=id', 'price="', 'key=id', 'at=id', 'tie=id', 'value=id');
CREATE TRIGGER c AFTER INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION listing_stats.listing_changed();
ALTER TABLE wrong RENAME id TO code;
ALTER TABLE wrong DROP COLUMN code;
-- nor whoever reads the view, which shows them
SET SESSION AUTHORIZATION regress_listing_stats_other;
SELECT listing, price, warnings FROM listing_stats.attachments WHERE 'wrong'::regclass IN (listing, price) ORDER BY warnings;
SELECT listing, price, warnings FROM listing_stats.attachments WHERE listing = 'listing'::regclass ORDER BY price::text;
SET SESSION AUTHORIZATION regress_listing_stats;
DROP TABLE wrong;
RESET SESSION AUTHORIZATION;
REVOKE CREATE ON SCHEMA follow FROM regress_listing_stats_other;

-- the owner's membership is enough, and the other table is cleaned up as its owner
GRANT regress_listing_stats TO regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats_other;
BEGIN;
ALTER TABLE price RENAME value TO amount;
DROP TABLE price;
SELECT current_user;
SELECT * FROM says();
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- by hand
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT listing_stats._follow_changes();
\echo :SQLSTATE
SELECT listing_stats._follow_drops();
\echo :SQLSTATE
SELECT listing_stats._follow();
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
CREATE EVENT TRIGGER regress_by_hand ON ddl_command_start EXECUTE FUNCTION listing_stats._follow();
CREATE TABLE nothing ();
DROP TABLE nothing;
DROP EVENT TRIGGER regress_by_hand;
SELECT evtname, evtevent, evtenabled FROM pg_event_trigger WHERE evtname ~ 'listing_stats' ORDER BY evtname;
-- an error becomes a warning, of whoever may not use the schema as well; what cancels a command does cancel it
BEGIN;
REVOKE USAGE ON SCHEMA listing_stats FROM PUBLIC;
SET LOCAL SESSION AUTHORIZATION regress_listing_stats;
ALTER TABLE price RENAME value TO amount;
INSERT INTO price VALUES (44, 2, '2026-04-04', 44);
ALTER TABLE price DROP COLUMN amount;
ROLLBACK;
BEGIN;
CREATE OR REPLACE FUNCTION listing_stats._follow_changes() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(100); END $$;
ALTER TABLE price RENAME value TO amount;
\echo :SQLSTATE
ROLLBACK;
SET SESSION AUTHORIZATION regress_listing_stats;

-- A price without its listing is remembered until the transaction commits, which it does whatever has become of the
-- tables meanwhile.
CREATE PROCEDURE late(VARIADIC ddl text[]) LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    CREATE TABLE late_listing (id int PRIMARY KEY);
    CREATE TABLE late_price (id int PRIMARY KEY, listing_id int, created int, value numeric);
    PERFORM listing_stats.attach('late_listing', 'late_price', key => 'listing_id');
    COMMIT;
    INSERT INTO late_price VALUES (1, 9, 1, 5);
    FOREACH command IN ARRAY ddl LOOP EXECUTE command; END LOOP;
    COMMIT;
    IF to_regclass('late_listing') IS NOT NULL THEN
        RAISE INFO '%', (SELECT array_agg(to_json(l)) FROM late_listing l);
    END IF;
    DROP TABLE IF EXISTS late_price, late_listing;
END $$;
SET client_min_messages = warning;
CALL late('INSERT INTO late_listing VALUES (9)');
CALL late('DROP TABLE late_price');
CALL late('DROP TABLE late_price, late_listing');
CALL late('DROP TABLE late_listing');
CALL late($$SELECT listing_stats.detach('late_listing', 'late_price')$$);
CALL late($$SELECT listing_stats.detach('late_listing', 'late_price')$$, 'INSERT INTO late_listing VALUES (9)',
    $$SELECT listing_stats.attach('late_listing', 'late_price', key => 'listing_id')$$);
CALL late('ALTER TABLE late_price DROP COLUMN value');
CALL late('ALTER TABLE late_listing DROP COLUMN last_price');
CALL late('DROP TRIGGER "LISTING_STATS_1" ON late_price');
CALL late('ALTER TABLE late_price ALTER listing_id TYPE text', 'ALTER TABLE late_listing ALTER id TYPE text', $$INSERT INTO late_listing VALUES ('9')$$);
RESET client_min_messages;

-- of several foreign keys from one column the one to the column that is the key counts
CREATE TABLE two_keys (id int PRIMARY KEY, code int UNIQUE);
CREATE TABLE two_keys_price (id int PRIMARY KEY, two_keys_id int REFERENCES two_keys, created int NOT NULL, value numeric);
SET client_min_messages = warning;
SELECT listing_key FROM listing_stats.attach('two_keys', 'two_keys_price');
INSERT INTO two_keys VALUES (1, 2), (2, 1);
INSERT INTO two_keys_price VALUES (1, 1, 1, 10), (2, 2, 1, 20);
ALTER TABLE two_keys_price ADD CONSTRAINT a_first FOREIGN KEY (two_keys_id) REFERENCES two_keys (code);
INSERT INTO two_keys_price VALUES (3, 1, 2, 11);
ALTER TABLE two_keys_price ADD CONSTRAINT z_last FOREIGN KEY (two_keys_id) REFERENCES two_keys (code);
INSERT INTO two_keys_price VALUES (4, 2, 2, 21);
SELECT * FROM two_keys ORDER BY id;
SELECT * FROM listing_stats.verify('two_keys', 'two_keys_price');
DROP TABLE two_keys_price, two_keys;
RESET client_min_messages;

-- a command that has no parse tree
RESET SESSION AUTHORIZATION;
CREATE SCHEMA granted CREATE TABLE one (a int) CREATE VIEW other AS SELECT * FROM one GRANT SELECT ON one TO PUBLIC;
DROP TABLE granted.one CASCADE;
DROP SCHEMA granted;

-- DROP OWNED, and the extension itself
BEGIN;
DROP EXTENSION listing_stats CASCADE;
ALTER TABLE price RENAME value TO amount;
DROP TABLE price;
ROLLBACK;
BEGIN;
CREATE TABLE untouched ();
SET LOCAL client_min_messages = warning;
DROP OWNED BY regress_listing_stats CASCADE;
SELECT count(*) FROM pg_trigger WHERE tgname ~ 'LISTING_STATS';
ROLLBACK;
SET client_min_messages = warning;
DROP FUNCTION follow.restored;
DROP SCHEMA follow CASCADE;
DROP OWNED BY regress_listing_stats_other;
DROP ROLE regress_listing_stats_other;
