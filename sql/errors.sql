-- Bad input: each error has a SQLSTATE, names the object and says what to do; nothing is lost.  Identifiers as in
-- test/README.md.
-- Nothing here needs the event triggers; what they add is in follow_ddl.sql.
ALTER EVENT TRIGGER listing_stats_changes DISABLE;
ALTER EVENT TRIGGER listing_stats_drops DISABLE;
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA errors;
SET search_path = errors;
\set SHOW_CONTEXT never

CREATE TABLE listing (id bigint PRIMARY KEY, url text UNIQUE);
CREATE TABLE price (id bigint PRIMARY KEY, listing_id bigint REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO listing VALUES (1, 'a');
INSERT INTO price VALUES (1, 1, '2026-01-01', 10);

-- P9, D13: tables
SELECT listing_stats.attach('listing', 'no_such_table');
\echo :SQLSTATE
SELECT listing_stats.attach(NULL, 'price');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'listing');
\echo :SQLSTATE
SELECT listing_stats.attach('price', 'listing');
\echo :SQLSTATE
CREATE VIEW view AS TABLE price;
SELECT listing_stats.attach('listing', 'view', key => 'listing_id');
\echo :SQLSTATE
CREATE MATERIALIZED VIEW materialized AS TABLE listing;
SELECT listing_stats.attach('materialized', 'price', key => 'listing_id');
\echo :SQLSTATE
DROP VIEW view;
DROP MATERIALIZED VIEW materialized;
SELECT listing_stats.attach('price_pkey', 'price');
\echo :SQLSTATE
SELECT listing_stats.attach('pg_class', 'price', key => 'listing_id');
\echo :SQLSTATE
CREATE TEMP TABLE temporary (LIKE price INCLUDING ALL);
SELECT listing_stats.attach('listing', 'temporary', key => 'listing_id');
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SELECT listing_stats.attach('pg_class', 'errors.price', key => 'listing_id');
\echo :SQLSTATE
CREATE FOREIGN DATA WRAPPER errors;
CREATE SERVER errors FOREIGN DATA WRAPPER errors;
CREATE FOREIGN TABLE remote (id bigint, listing_id bigint, created timestamptz, value numeric) SERVER errors;
ALTER FOREIGN TABLE remote OWNER TO regress_listing_stats;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT listing_stats.attach('listing', 'remote', key => 'listing_id');
\echo :SQLSTATE

-- columns
SELECT listing_stats.attach('listing', 'price', key => 'nothing');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'price', at => 'nothing');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'price', value => 'nothing');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'price', tie => 'nothing');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'price', value => 'xmin');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'price', last_price => '');
\echo :SQLSTATE
CREATE TABLE two_keys (id bigint PRIMARY KEY, home bigint REFERENCES listing, away bigint REFERENCES listing, created timestamptz, value numeric);
SELECT listing_stats.attach('listing', 'two_keys');
\echo :SQLSTATE
CREATE TABLE no_key (id bigint PRIMARY KEY, listing_id bigint, created timestamptz, value numeric);
SELECT listing_stats.attach('listing', 'no_key');
\echo :SQLSTATE
-- a key that refers to another table
CREATE TABLE other (id bigint PRIMARY KEY);
CREATE TABLE of_other (id bigint PRIMARY KEY, other_id bigint REFERENCES other, created timestamptz, value numeric);
SELECT listing_stats.attach('listing', 'of_other', key => 'other_id');
\echo :SQLSTATE
CREATE TABLE composite (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE of_composite (id int PRIMARY KEY, a int, b int, created date, value int, FOREIGN KEY (a, b) REFERENCES composite);
SELECT key, listing_key FROM listing_stats.attach('composite', 'of_composite');
CREATE TABLE with_legacy (id int PRIMARY KEY, legacy int UNIQUE);
CREATE TABLE of_legacy (id int PRIMARY KEY, listing_id int REFERENCES with_legacy, created date NOT NULL, value int);
SELECT listing_key FROM listing_stats.attach('with_legacy', 'of_legacy', key => 'listing_id', listing_key => 'legacy');
\echo :SQLSTATE
ALTER TABLE of_legacy ADD FOREIGN KEY (listing_id) REFERENCES with_legacy (legacy);
SELECT listing_key FROM listing_stats.attach('with_legacy', 'of_legacy', key => 'listing_id', listing_key => 'legacy');
DROP TABLE of_legacy, with_legacy;
SELECT listing_stats.detach('of_composite');
\echo :SQLSTATE
SELECT listing_stats.attach('composite', 'of_composite', key => 'a');
\echo :SQLSTATE
CREATE TABLE keyless (id bigint);
SELECT listing_stats.attach('keyless', 'price', key => 'listing_id');
\echo :SQLSTATE
CREATE TABLE several_ties (a int, b int, listing_id bigint REFERENCES listing, created date, value int, PRIMARY KEY (a, b));
SELECT listing_stats.attach('listing', 'several_ties');
\echo :SQLSTATE
CREATE TABLE no_tie (listing_id bigint REFERENCES listing, created date, value int, PRIMARY KEY (listing_id, created));
-- none is needed: there cannot be two prices of one time
SELECT tie FROM listing_stats.attach('listing', 'no_tie');
SELECT listing_stats.detach('listing', 'no_tie');
ALTER TABLE listing DROP COLUMN last_price;

-- V10: types
CREATE TABLE wrong (id bigint PRIMARY KEY, listing_id bigint REFERENCES listing, by_text text, created timestamptz, value text, money money, interval interval, point point, json json, real real);
SELECT listing_stats.attach('listing', 'wrong', lowest_price => 'lowest');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'wrong', value => 'money', previous_price => 'previous');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'wrong', value => 'id', at => 'value');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'wrong', value => 'id', at => 'interval');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'wrong', value => 'id', tie => 'point');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'wrong', value => 'id', key => 'by_text');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'wrong', value => 'id', key => 'json');
\echo :SQLSTATE
CREATE TABLE by_array (id int[] PRIMARY KEY);
CREATE TABLE of_array (id int PRIMARY KEY, listing_id int[] REFERENCES by_array, created date, value int);
SELECT listing_stats.attach('by_array', 'of_array');
\echo :SQLSTATE

-- V6, C10: targets
CREATE TABLE counted (id int PRIMARY KEY, certain bigint NOT NULL DEFAULT 0, small int);
CREATE TABLE count_price (id int PRIMARY KEY, counted_id int REFERENCES counted, created date NOT NULL, value numeric(10,2));
ALTER TABLE counted ADD text text;
SELECT listing_stats.attach('counted', 'count_price', price_count => 'text');
\echo :SQLSTATE
-- a count is never NULL, and may be an integer
SELECT price_count FROM listing_stats.attach('counted', 'count_price', price_count => 'certain');
SELECT price_count FROM listing_stats.attach('counted', 'count_price', price_count => 'small');
-- changed after attaching
SELECT count(*) FROM listing_stats.attach('counted', 'count_price', price_count => 'number');
INSERT INTO counted (id) VALUES (1);
ALTER TABLE counted ALTER last_price TYPE numeric(10,1), ALTER number TYPE int;
SELECT warnings FROM listing_stats.attachments WHERE listing = 'counted'::regclass;
INSERT INTO count_price VALUES (1, 1, '2026-01-01', 5);
\echo :SQLSTATE
ALTER TABLE counted ALTER last_price TYPE numeric(10,2);
SELECT warnings FROM listing_stats.attachments WHERE listing = 'counted'::regclass;
INSERT INTO count_price VALUES (1, 1, '2026-01-01', 5);
TABLE counted;
CREATE DOMAIN known AS numeric(10,2) NOT NULL;
CREATE TABLE targets (id bigint PRIMARY KEY, narrow numeric(8,2), coarse numeric(10,1), mandatory numeric(10,2) NOT NULL, generated numeric GENERATED ALWAYS AS (id + 1) STORED,
                      "unique" numeric(10,2) UNIQUE, text text, day date, "float" double precision, "domain" known DEFAULT 0, whole int, kept numeric(10,2));
CREATE TABLE target_price (id bigint PRIMARY KEY, listing_id bigint REFERENCES targets, created timestamptz NOT NULL, value numeric(10,2), code bigint);
SELECT listing_stats.attach('targets', 'target_price', last_price => 'narrow');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'coarse');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'mandatory');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'generated');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'unique');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'id');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'text');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'float');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'domain');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', value => 'code', last_price => 'whole');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price_at => 'day');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'kept', last_price_at => 'kept');
\echo :SQLSTATE
SELECT listing_stats.attach('targets', 'target_price', last_price => 'ctid');
\echo :SQLSTATE
CREATE TABLE other_price (LIKE target_price INCLUDING ALL, FOREIGN KEY (listing_id) REFERENCES targets);
SELECT count(*) FROM listing_stats.attach('targets', 'target_price', last_price => 'kept');
SELECT listing_stats.attach('targets', 'other_price', last_price => 'kept');
\echo :SQLSTATE
SELECT listing_stats.detach('targets');

-- S5: privileges
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_other;
CREATE ROLE regress_listing_stats_other;
RESET client_min_messages;
GRANT USAGE ON SCHEMA errors TO regress_listing_stats_other;
GRANT ALL ON errors.listing, errors.price TO regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats_other;
SELECT listing_stats.attach('errors.listing', 'errors.price');
\echo :SQLSTATE
CREATE TEMP TABLE own_listing (id int PRIMARY KEY);
SELECT listing_stats.attach('own_listing', 'errors.price', key => 'id');
\echo :SQLSTATE
SELECT * FROM listing_stats._flush;
\echo :SQLSTATE
INSERT INTO listing_stats._flush VALUES (true);
\echo :SQLSTATE
CREATE TEMP TABLE mine (x int);
CREATE TRIGGER flush AFTER INSERT ON mine FOR EACH STATEMENT EXECUTE FUNCTION listing_stats._flush();
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
ALTER TABLE errors.price OWNER TO regress_listing_stats_other;
SELECT listing_stats.attach('errors.listing', 'errors.price');
\echo :SQLSTATE
ALTER TABLE errors.price OWNER TO regress_listing_stats;
GRANT ALL ON errors.price TO regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats;

-- moments: pending trigger events, a query that has the table open
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
ALTER TABLE price ALTER CONSTRAINT price_listing_id_fkey DEFERRABLE INITIALLY DEFERRED;
INSERT INTO price VALUES (2, 1, '2026-01-02', 11);
SELECT listing_stats.attach('listing', 'price');
\echo :SQLSTATE
ROLLBACK;
DECLARE c CURSOR WITH HOLD FOR SELECT 1;
BEGIN;
DECLARE d CURSOR FOR SELECT * FROM listing;
SELECT listing_stats.attach('listing', 'price');
\echo :SQLSTATE
ROLLBACK;
CLOSE c;

-- detach, verify
SELECT listing_stats.verify('listing', 'price');
\echo :SQLSTATE
SELECT count(*) FROM listing_stats.attach('listing', 'price');
SELECT listing_stats.verify('price', 'listing');
\echo :SQLSTATE
SET SESSION AUTHORIZATION regress_listing_stats_other;
SELECT listing_stats.detach('errors.price');
\echo :SQLSTATE
SELECT * FROM listing_stats.verify('errors.listing', 'errors.price');
RESET SESSION AUTHORIZATION;
REVOKE SELECT ON errors.price FROM regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats_other;
SELECT * FROM listing_stats.verify('errors.listing', 'errors.price');
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
GRANT SELECT ON errors.price TO regress_listing_stats_other;
ALTER TABLE errors.price ENABLE ROW LEVEL SECURITY;
SET SESSION AUTHORIZATION regress_listing_stats_other;
SELECT * FROM listing_stats.verify('errors.listing', 'errors.price');
\echo :SQLSTATE
SET SESSION AUTHORIZATION regress_listing_stats;
ALTER TABLE price DISABLE ROW LEVEL SECURITY;

-- P7, S6: trigger functions by hand
SELECT listing_stats.price_changed();
\echo :SQLSTATE
CREATE TABLE hand (id int PRIMARY KEY, listing_id bigint);
CREATE TRIGGER hand AFTER INSERT ON hand FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed();
INSERT INTO hand VALUES (1, 1);
\echo :SQLSTATE
CREATE OR REPLACE TRIGGER hand AFTER INSERT ON hand FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed('what is this');
INSERT INTO hand VALUES (1, 1);
\echo :SQLSTATE
CREATE OR REPLACE TRIGGER hand AFTER INSERT ON hand FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed('listing=errors.listing', 'listing_key=id', 'last_price=last_price', 'price=errors.price', 'key=listing_id', 'at=created', 'tie=id', 'value=value', 'guard=maybe');
INSERT INTO hand VALUES (1, 1);
\echo :SQLSTATE
CREATE OR REPLACE TRIGGER hand AFTER INSERT ON hand FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed('listing=errors.listing', 'listing_key=id', 'last_price=last_price', 'price=errors.hand', 'key=listing_id', 'at=created', 'tie=id', 'value=value');
INSERT INTO hand VALUES (1, 1);
\echo :SQLSTATE
CREATE OR REPLACE TRIGGER hand BEFORE INSERT ON hand FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed();
INSERT INTO hand VALUES (1, 1);
\echo :SQLSTATE
CREATE OR REPLACE TRIGGER hand AFTER INSERT ON hand FOR EACH STATEMENT EXECUTE FUNCTION listing_stats.listing_changed();
INSERT INTO hand VALUES (1, 1);
\echo :SQLSTATE
CREATE OR REPLACE TRIGGER hand AFTER INSERT ON hand FOR EACH STATEMENT EXECUTE FUNCTION listing_stats.listing_truncated();
INSERT INTO hand VALUES (1);
CREATE OR REPLACE TRIGGER hand AFTER INSERT ON hand FOR EACH STATEMENT EXECUTE FUNCTION listing_stats.price_truncated();
INSERT INTO hand VALUES (1, 1);
\echo :SQLSTATE
SELECT warnings FROM listing_stats.attachments WHERE price = 'hand'::regclass;
DROP TABLE hand;

-- D4: what no longer fits: each error names the call to make, and the statement is undone
ALTER TABLE price DROP COLUMN value;
INSERT INTO price VALUES (3, 1, '2026-01-03');
\echo :SQLSTATE
SELECT warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
ALTER TABLE price ADD COLUMN amount numeric(10,2);
INSERT INTO price VALUES (3, 1, '2026-01-03', 13);
\echo :SQLSTATE
SELECT value FROM listing_stats.attach('listing', 'price', value => 'amount');
INSERT INTO price VALUES (3, 1, '2026-01-03', 13);
SELECT * FROM listing;
ALTER TABLE listing DROP COLUMN last_price;
INSERT INTO price VALUES (4, 1, '2026-01-04', 14);
\echo :SQLSTATE
SELECT count(*) FROM listing_stats.attach('listing', 'price');
SELECT * FROM listing;

-- V6: overflow and other errors of the listing abort the statement, and the context says where
ALTER TABLE listing ALTER last_price TYPE numeric(4,2);
SELECT warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
INSERT INTO price VALUES (5, 1, '2026-01-05', 99.99), (6, 1, '2026-01-06', 100);
\echo :SQLSTATE
-- verify() shows what does not fit
BEGIN;
ALTER TABLE price DISABLE TRIGGER USER;
INSERT INTO price VALUES (6, 1, '2026-01-06', 100);
SELECT * FROM listing_stats.verify('listing', 'price');
ROLLBACK;
DO $$
DECLARE
    context text;
BEGIN
    INSERT INTO price VALUES (5, 1, '2026-01-05', 99.99), (6, 1, '2026-01-06', 100);
EXCEPTION WHEN numeric_value_out_of_range THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RAISE NOTICE '%', (regexp_match(context, 'listing_stats keeping.*?price"'))[1];
END $$;
SELECT * FROM listing;
SELECT count(*) FROM price;
ALTER TABLE listing ALTER last_price TYPE text;
INSERT INTO price VALUES (5, 1, '2026-01-05', 99.99);
\echo :SQLSTATE
SELECT count(*) FROM listing_stats.attach('listing', 'price');
\echo :SQLSTATE
ALTER TABLE listing ALTER last_price TYPE numeric(10,2) USING last_price::numeric;
INSERT INTO price VALUES (5, 1, '2026-01-05', 99.99);
SELECT * FROM listing;

-- owner changed after attaching
RESET SESSION AUTHORIZATION;
ALTER TABLE errors.price OWNER TO regress_listing_stats_other;
SET SESSION AUTHORIZATION regress_listing_stats_other;
INSERT INTO errors.price VALUES (6, 1, '2026-01-06', 16);
\echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SELECT warnings FROM listing_stats.attachments WHERE price = 'errors.price'::regclass;
ALTER TABLE errors.price OWNER TO regress_listing_stats;
SET SESSION AUTHORIZATION regress_listing_stats;
INSERT INTO price VALUES (6, 1, '2026-01-06', 16);
SELECT * FROM listing_stats.verify('listing', 'price');

-- D3: the price table gone: values go through, with a warning
DROP TABLE price;
UPDATE listing SET last_price = 5;
INSERT INTO listing VALUES (2, 'b');
SELECT listing, price, warnings FROM listing_stats.attachments WHERE listing = 'listing'::regclass;
SELECT listing_stats.detach('listing');
UPDATE listing SET last_price = 6;
SELECT * FROM listing;

-- D3: the listing gone: prices cannot be written until the half that is left is detached
CREATE TABLE price (id bigint PRIMARY KEY, listing_id bigint REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
SELECT count(*) FROM listing_stats.attach('listing', 'price');
DROP TABLE listing CASCADE;
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
\echo :SQLSTATE
SELECT listing, price, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
SELECT listing_stats.detach('price');
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);

-- a table of rows of keys, and prices, in two orders
CREATE TABLE in_one_order (k text COLLATE "C" PRIMARY KEY);
CREATE TABLE in_another (id serial PRIMARY KEY, k text COLLATE "POSIX", created date NOT NULL, value int);
SELECT listing_stats.keep_latest('in_another', 'in_one_order', key => 'k');
\echo :SQLSTATE

-- tables that cannot have rows of their own: they are inserted with the key alone
SELECT listing_stats.keep_latest('in_another', 'no_key', key => 'k');
\echo :SQLSTATE
CREATE TABLE needs_more (k text COLLATE "POSIX" PRIMARY KEY, n int NOT NULL, last_price int, last_price_at date);
SELECT listing_stats.keep_latest('in_another', 'needs_more', key => 'k', price_count => 'n');
\echo :SQLSTATE
CREATE TABLE needs_value (k text COLLATE "POSIX" PRIMARY KEY, last_price int NOT NULL);
SELECT listing_stats.keep_latest('in_another', 'needs_value', key => 'k');
\echo :SQLSTATE
CREATE TABLE numbered (value int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n bigint);
SELECT listing_stats.keep_latest('in_another', 'numbered', key => 'value', value => 'id');
\echo :SQLSTATE

-- a key that is misspelt; keys of which one takes different texts for equal; a condition of many columns
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE of_any_case (a text COLLATE any_case, b int, PRIMARY KEY (a, b));
CREATE TABLE in_one_case (id serial PRIMARY KEY, a text, b int, c int, created date NOT NULL, value numeric, other numeric);
SELECT listing_stats.attach('of_any_case', 'in_one_case', key => 'a, bb');
\echo :SQLSTATE
CREATE TABLE without_value (id serial PRIMARY KEY, a text, b int, price numeric, created date NOT NULL);
SELECT listing_stats.attach('of_any_case', 'without_value', key => 'a, bb');
\echo :SQLSTATE
SELECT listing_stats.attach('of_any_case', 'in_one_case', key => 'a, b');
\echo :SQLSTATE
DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE in_one_case ' || string_agg(format('ADD c%s int', i), ', ') FROM generate_series(1, 17) i); END $$;
ALTER TABLE in_one_case ALTER a TYPE text COLLATE any_case;
SELECT listing_stats.attach('of_any_case', 'in_one_case', key => 'a, b', condition => (SELECT string_agg(format('c%s > 0', i), ' AND ') FROM generate_series(1, 17) i));
\echo :SQLSTATE

-- inside an extension script nothing is attached: see test/tap
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA errors CASCADE;
DROP FOREIGN DATA WRAPPER errors CASCADE;
DROP OWNED BY regress_listing_stats_other;
DROP ROLE regress_listing_stats_other;
ALTER EVENT TRIGGER listing_stats_changes ENABLE;
ALTER EVENT TRIGGER listing_stats_drops ENABLE;
