-- What a condition calls runs as the tables' owner: not as a superuser who looks at his tables or mends them.  Reading it runs
-- nothing of anybody's.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats_writer;
CREATE ROLE regress_listing_stats_writer;
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA conditions;
CREATE SCHEMA condition_types;
SET search_path = conditions;
CREATE FUNCTION trap(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_listing_stats' THEN
		RAISE WARNING 'the trap runs as somebody else';
	END IF;
	RETURN true;
END $$;
CREATE FUNCTION trap(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT conditions.trap($1::text)';
-- An array of a domain is checked when a constant is read: there is none
CREATE DOMAIN trapped AS int CHECK (conditions.trap(VALUE));
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int, a trapped[], b int DEFAULT 1);
INSERT INTO listing VALUES (1);
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'a <> ''{1}''');
\echo :SQLSTATE
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'trap(b)');
INSERT INTO price (listing_id, value) VALUES (1, 1);
\c -
SET client_min_messages = warning;
SELECT condition, warnings FROM listing_stats.attachments WHERE price = 'conditions.price'::regclass;
SELECT * FROM listing_stats.check() WHERE price = 'conditions.price'::regclass;
SELECT * FROM listing_stats.verify('conditions.listing', 'conditions.price');
SELECT * FROM listing_stats.latest_prices('conditions.price');
CALL listing_stats.refresh('conditions.listing', 'conditions.price');
SELECT condition FROM listing_stats.attach('conditions.listing', 'conditions.price', guard => 'error');
SELECT condition FROM listing_stats.attach('conditions.listing', 'conditions.price', last_price => 'other', condition => 'conditions.trap(b) AND b > 0');
ALTER TABLE conditions.price RENAME b TO c;
SELECT listing_stats.detach('conditions.listing', 'conditions.price');
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = conditions;
DROP TABLE price, listing;
-- A function, where rows of a table are looked for that no price has
CREATE TABLE price (id serial PRIMARY KEY, listing_id int, created date NOT NULL DEFAULT '2026-01-01', value int, a text);
INSERT INTO price (listing_id, value, a) VALUES (1, 1, 'x'), (2, 2, 'y');
CREATE TABLE latest (listing_id int PRIMARY KEY);
INSERT INTO latest VALUES (1);
RESET SESSION AUTHORIZATION;
SELECT condition FROM listing_stats.keep_latest('conditions.price', 'conditions.latest', key => 'listing_id', condition => 'conditions.trap(a)');
SELECT * FROM listing_stats.verify('conditions.latest', 'conditions.price');
CALL listing_stats.refresh('conditions.latest', 'conditions.price');
TRUNCATE conditions.price;
SET SESSION AUTHORIZATION regress_listing_stats;
TABLE latest;
DROP TABLE price, latest;

-- A function that is replaced, also one that was inlined, and one that is made anew
CREATE FUNCTION counts(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 10';
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int);
INSERT INTO listing VALUES (1);
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'counts(value)');
INSERT INTO price (listing_id, value) VALUES (1, 11), (1, 3);
CREATE OR REPLACE FUNCTION counts(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 2';
REINDEX TABLE price;
INSERT INTO price (listing_id, value) VALUES (1, 4);
SELECT last_price FROM listing;
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index WHERE indrelid = 'price'::regclass AND indpred IS NOT NULL \gexec
INSERT INTO price (listing_id, value) VALUES (1, 5);
DROP FUNCTION counts(int);
CREATE FUNCTION counts(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0';
INSERT INTO price (listing_id, value) VALUES (1, 1);
SELECT last_price FROM listing;
SELECT * FROM listing_stats.verify('listing', 'price');
DROP TABLE price, listing;
DROP FUNCTION counts(int);

-- Who writes prices through a view need not be allowed to use the schemas of what the condition names
CREATE TYPE condition_types.kind AS ENUM ('ask', 'bid');
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int, kind condition_types.kind DEFAULT 'ask', subject oid DEFAULT 1);
CREATE TABLE subject ();
INSERT INTO listing VALUES (1);
CREATE SCHEMA condition_views;
CREATE VIEW condition_views.price AS SELECT * FROM price;
GRANT USAGE ON SCHEMA condition_views TO regress_listing_stats_writer;
GRANT ALL ON condition_views.price TO regress_listing_stats_writer;
GRANT USAGE ON price_id_seq TO regress_listing_stats_writer;
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'kind = ''ask''');
\c -
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_listing_stats_writer;
INSERT INTO condition_views.price (listing_id, value) VALUES (1, 10);
SELECT condition, warnings FROM listing_stats.attachments WHERE condition LIKE '%condition_types%';
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = conditions;
TABLE listing;

-- What means nothing any more is said, by whatever error PostgreSQL says it, and leaves nothing open: where DDL is not followed
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER listing_stats_changes DISABLE;
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'kind = ''ask'' AND subject <> ''subject''::regclass');
DROP TABLE subject CASCADE;
INSERT INTO price (listing_id, value) VALUES (1, 11);
\echo :SQLSTATE
SELECT condition, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'kind = ''ask''');
ALTER TYPE condition_types.kind RENAME VALUE 'ask' TO 'asked';
INSERT INTO price (listing_id, value) VALUES (1, 11);
\echo :SQLSTATE
SELECT condition, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'kind = ''asked''');
INSERT INTO price (listing_id, value, kind) VALUES (1, 11, 'asked');
TABLE listing;
-- also of one of several: the hint names what it keeps
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'bid', condition => 'kind = ''bid''');
ALTER SCHEMA condition_types RENAME TO condition_kinds;
INSERT INTO price (listing_id, value) VALUES (1, 12);
\echo :SQLSTATE
SELECT condition, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY 1;
SELECT condition FROM listing_stats.attach('listing', 'price', last_price => 'bid', condition => 'kind = ''bid''');
SELECT condition FROM listing_stats.attach('listing', 'price', last_price => 'last_price', condition => 'kind = ''asked''');
INSERT INTO price (listing_id, value, kind) VALUES (1, 13, 'asked'), (1, 14, 'bid');
TABLE listing;
SELECT * FROM listing_stats.check() WHERE price = 'price'::regclass;

-- New names of what a condition names are followed: of types, labels, functions, operators and collations, and their schemas
RESET SESSION AUTHORIZATION;
ALTER EVENT TRIGGER listing_stats_changes ENABLE;
SET SESSION AUTHORIZATION regress_listing_stats;
DROP TABLE price, listing CASCADE;
CREATE SCHEMA condition_more;
CREATE TYPE condition_more.kind AS ENUM ('ask', 'bid', 'it''s');
CREATE DOMAIN condition_more.amount AS numeric;
CREATE COLLATION condition_more.any_case FROM "C";
CREATE FUNCTION condition_more.is_good(text, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT length($1) < $2';
CREATE FUNCTION condition_more.is_more(numeric, numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > $2';
CREATE OPERATOR condition_more.>>> (FUNCTION = condition_more.is_more, LEFTARG = numeric, RIGHTARG = numeric);
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int, kind condition_more.kind DEFAULT 'ask', note text DEFAULT '', v numeric DEFAULT 5);
INSERT INTO listing VALUES (1);
SELECT condition FROM listing_stats.attach('listing', 'price', condition => $$kind IN ('ask', 'it''s') AND note <> 'ask' AND condition_more.is_good(note, 4)
	AND v OPERATOR(condition_more.>>>) 1::condition_more.amount AND note < 'x' COLLATE condition_more.any_case AND ARRAY[kind] <> '{bid,it''s}'::condition_more.kind[]$$);
-- what becomes of it, and of a price that counts
CREATE FUNCTION after(command text) RETURNS TABLE (condition text, ok boolean, warnings text[]) LANGUAGE plpgsql AS $$
DECLARE
	n int := (SELECT coalesce(max(value), 0) + 1 FROM price);
BEGIN
	EXECUTE command;
	INSERT INTO price (listing_id, value) VALUES (1, n);
	RETURN QUERY SELECT a.condition, (SELECT last_price = n FROM listing), a.warnings FROM listing_stats.attachments a WHERE a.price = 'price'::regclass;
END $$;
SELECT * FROM after('ALTER TYPE condition_more.kind RENAME TO "Kind of"');
SELECT * FROM after('ALTER TYPE condition_more."Kind of" RENAME VALUE ''ask'' TO ''asked for''');
SELECT * FROM after('ALTER TYPE condition_more."Kind of" SET SCHEMA condition_kinds');
SELECT * FROM after('ALTER DOMAIN condition_more.amount RENAME TO quantity');
SELECT * FROM after('ALTER DOMAIN condition_more.quantity SET SCHEMA condition_kinds');
SELECT * FROM after('ALTER FUNCTION condition_more.is_good(text, int) RENAME TO is_short');
SELECT * FROM after('ALTER FUNCTION condition_more.is_short(text, int) SET SCHEMA condition_kinds');
SELECT * FROM after('ALTER OPERATOR condition_more.>>> (numeric, numeric) SET SCHEMA condition_kinds');
SELECT * FROM after('ALTER COLLATION condition_more.any_case RENAME TO "ANY"');
SELECT * FROM after('ALTER COLLATION condition_more."ANY" SET SCHEMA condition_kinds');
SELECT * FROM after('ALTER SCHEMA condition_kinds RENAME TO condition_types');
SELECT * FROM after('ALTER TABLE price RENAME kind TO sort');
SELECT * FROM after('ALTER SCHEMA conditions RENAME TO conditions_too; SET search_path = conditions_too');
SELECT * FROM conditions_too.after('ALTER SCHEMA conditions_too RENAME TO conditions; SET search_path = conditions');
-- that something else has the same name in another schema does not matter
CREATE TYPE condition_more."Kind of" AS ENUM ('asked for');
SELECT * FROM after('ALTER TYPE condition_more."Kind of" RENAME VALUE ''asked for'' TO ''ask''');
SELECT * FROM after('ALTER TYPE condition_more."Kind of" RENAME TO kind');
SELECT count(DISTINCT tgargs) FROM pg_trigger WHERE tgrelid IN ('price'::regclass, 'listing'::regclass) AND tgname LIKE 'LISTING%';
SELECT * FROM listing_stats.verify('listing', 'price');
-- a label in the text of an array is not followed: the next session hears of it
ALTER TYPE condition_types."Kind of" RENAME VALUE 'it''s' TO 'that';
\c -
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = conditions;
INSERT INTO price (listing_id, value) VALUES (1, 1);
\echo :SQLSTATE
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'sort = ''asked for''');

-- An error in one points into it
SELECT listing_stats.attach('listing', 'price', last_price => 'other', condition => 'kind = ');
SELECT listing_stats.attach('listing', 'price', last_price => 'other', condition => 'value > 1 AND sorts = ''ask''');
-- more, or less, than an expression
SELECT listing_stats.attach('listing', 'price', last_price => 'other', condition => '*');
\echo :SQLSTATE
SELECT listing_stats.attach('listing', 'price', last_price => 'other', condition => 'price.*');
\echo :SQLSTATE

RESET SESSION AUTHORIZATION;
-- what is kept of a condition for a partition goes when it is found anew
CREATE TABLE shop (id int PRIMARY KEY);
CREATE TABLE offer (id int, shop_id int REFERENCES shop, created int NOT NULL, value int, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CREATE TABLE offer_1 PARTITION OF offer FOR VALUES FROM (0) TO (1000);
SELECT condition FROM listing_stats.attach('shop', 'offer', tie => 'id', condition => 'value > 0');
CREATE VIEW taken AS SELECT sum(total_bytes) AS bytes FROM pg_backend_memory_contexts WHERE name LIKE 'listing_stats%';
INSERT INTO shop VALUES (1);
INSERT INTO offer VALUES (1, 1, 1, 1);
ANALYZE offer_1;
INSERT INTO offer VALUES (2, 1, 2, 1);
SELECT bytes AS before FROM taken \gset
\set ECHO none
SELECT 'ANALYZE offer_1', format('INSERT INTO offer VALUES (%s, 1, %s, %s)', i, i, i) FROM generate_series(3, 100) i \gexec
BEGIN;
SELECT 'ANALYZE offer_1', format('INSERT INTO offer VALUES (%s, 1, %s, %s)', i, i, i) FROM generate_series(101, 200) i \gexec
COMMIT;
\set ECHO all
SELECT last_price FROM shop;
SELECT bytes - :before < 10000 AS flat FROM taken;
-- a condition means what it meant to whoever gave it, whatever is set where prices are written, columns renamed, or both compared
CREATE TABLE flat (id int PRIMARY KEY);
CREATE TABLE rent (id serial PRIMARY KEY, flat_id int REFERENCES flat, created date NOT NULL DEFAULT '2026-01-01', value numeric, d date, i interval, f float8, t text, moment timestamptz, m money, a text[]);
INSERT INTO flat VALUES (1), (2);
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = sql_standard;
SET extra_float_digits = -9;
SET TimeZone = 'Asia/Tokyo';
SET array_nulls = off;
SELECT condition FROM listing_stats.attach('flat', 'rent', last_price => 'by_date', condition => $$d >= '03/02/2026'$$);
SELECT condition FROM listing_stats.attach('flat', 'rent', last_price => 'by_interval', condition => $$i > '-1 day -2 hours'$$);
SELECT condition FROM listing_stats.attach('flat', 'rent', last_price => 'by_float', condition => $$f > '0.123456789'$$);
SELECT condition FROM listing_stats.attach('flat', 'rent', last_price => 'by_moment', condition => $$moment >= '03/02/2026'$$);
SELECT condition FROM listing_stats.attach('flat', 'rent', last_price => 'by_array', condition => $$a = '{NULL}'$$);
-- (from 19 on it cannot be off)
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('standard_conforming_strings', 'escape_string_warning') AND current_setting('server_version_num')::int < 190000 \g /dev/null
SELECT condition FROM listing_stats.attach('flat', 'rent', last_price => 'by_text', condition => format($$t ~ '^%sd+$'$$, repeat(chr(92), CASE current_setting('standard_conforming_strings') WHEN 'off' THEN 2 ELSE 1 END)));
CREATE FUNCTION rent(flat int) RETURNS void LANGUAGE sql BEGIN ATOMIC
	INSERT INTO rent (flat_id, value, d) VALUES (flat, 1, make_date(2026, 2, 10)), (flat, 9, make_date(2026, 2, 2));
	INSERT INTO rent (flat_id, value, i) VALUES (flat, 2, make_interval(days => -1, hours => -1)), (flat, 9, make_interval(days => -1, hours => -2));
	INSERT INTO rent (flat_id, value, f) VALUES (flat, 3, 1234568 / 1e7::float8), (flat, 9, 1234567 / 1e7::float8);
	INSERT INTO rent (flat_id, value, moment) VALUES (flat, 4, make_timestamptz(2026, 2, 3, 1, 0, 0, 'Asia/Tokyo')), (flat, 9, make_timestamptz(2026, 2, 2, 23, 0, 0, 'Asia/Tokyo'));
	INSERT INTO rent (flat_id, value, a) VALUES (flat, 5, ARRAY['NULL']), (flat, 9, ARRAY[NULL]::text[]);
	INSERT INTO rent (flat_id, value, t) VALUES (flat, 6, '7'), (flat, 9, 'd');
END;
SELECT rent(1);
ALTER TABLE rent RENAME m TO money;
RESET ALL;
SET search_path = conditions;
SET client_min_messages = warning;
SELECT rent(2);
TABLE flat;
SELECT condition FROM listing_stats.attachments WHERE listing = 'flat'::regclass;
SELECT * FROM listing_stats.verify('flat', 'rent');
SELECT condition FROM listing_stats.attach('flat', 'rent', last_price => 'by_money', condition => $$money > '$1,234.50'$$);
UPDATE flat SET by_date = 0;
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('standard_conforming_strings', 'escape_string_warning') AND current_setting('server_version_num')::int < 190000 \g /dev/null
SET DateStyle = 'SQL, DMY';
ALTER TABLE rent RENAME t TO txt;
UPDATE rent SET value = value;
SELECT * FROM listing_stats.verify('flat', 'rent');
RESET standard_conforming_strings;
RESET DateStyle;
TABLE flat;
SELECT condition FROM listing_stats.attachments WHERE listing = 'flat'::regclass;
SELECT count(*) FROM listing_stats.attachments WHERE listing = 'flat'::regclass AND index IS NOT NULL;
-- a new name that no condition has changes nothing, whatever is set
CREATE FUNCTION named_otherwise() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE before AS SELECT oid, xmin::text AS version, tgargs FROM pg_trigger WHERE tgname ~ '^LISTING_STATS';
SET quote_all_identifiers = on;
ALTER FUNCTION named_otherwise() RENAME TO renamed;
RESET quote_all_identifiers;
SELECT count(*) > 0 AS some, bool_and(t.xmin::text = b.version AND t.tgargs = b.tgargs) AS same FROM before b JOIN pg_trigger t USING (oid);

-- Names that somebody else could take: of functions and operators whose overload the parser would prefer, and of what is not the owner's
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA condition_names;
SET search_path = condition_names;
CREATE FUNCTION any_counts(anyelement) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION above(int, lowest int DEFAULT 0) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > $2';
CREATE FUNCTION real_counts(float8) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 1';
CREATE FUNCTION some_count(VARIADIC int[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1[1] > 1';
CREATE FUNCTION any_differ(anyelement, anyelement) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 IS DISTINCT FROM $2';
CREATE OPERATOR !== (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = any_differ);
CREATE FUNCTION differ(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> $2';
CREATE OPERATOR ==! (LEFTARG = int, RIGHTARG = int, FUNCTION = differ);
CREATE FUNCTION is_none(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = 0';
CREATE OPERATOR !! (RIGHTARG = int, FUNCTION = is_none);
CREATE FUNCTION trap_of(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE WARNING 'the trap runs'; RETURN true; END $$;
CREATE TYPE spec AS (kind text, other text);
CREATE DOMAIN small AS int CHECK (VALUE < 1000);
CREATE DOMAIN smaller AS small CHECK (VALUE < 100);
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int, s spec, d small);
INSERT INTO listing VALUES (1);
CREATE FUNCTION try(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
	hint text;
BEGIN
	SELECT a.condition INTO found FROM listing_stats.attach('listing', 'price', condition => try.condition) a;
	INSERT INTO price (listing_id, value, d) VALUES (1, 5, 5);
	found := found || ': ' || coalesce((SELECT last_price FROM listing)::text, 'none');
	RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = found;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN CASE WHEN sqlstate = 'ZZ000' THEN sqlerrm ELSE concat_ws(' ', sqlstate, sqlerrm, hint) END;
END $$;
SELECT try(c) FROM unnest(ARRAY['any_counts(value)', 'above(value)', 'above(value, lowest => 1)', 'value !== 1', 'value !== ALL (ARRAY[1, 2])', '(s).kind = ''ask''',
	'above(value, 1)', 'real_counts(value)', 'some_count(value, 2)', 'some_count(VARIADIC ARRAY[value])', 'value ==! 1', 'value ==! ALL (ARRAY[1, 2])', 'NOT !! value', 'above(d, 1)', 'd::small > 1',
	'value::text::spec::text = ''x''', 'value::smaller > 1', '(ARRAY[value]::smaller[])[1] > 1']) c;
-- what belongs to a superuser serves, and to another role not, also later
RESET SESSION AUTHORIZATION;
CREATE FUNCTION condition_names.supers(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 1';
CREATE FUNCTION condition_names.others(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 1';
GRANT CREATE ON SCHEMA condition_names TO regress_listing_stats_writer;
ALTER FUNCTION condition_names.others OWNER TO regress_listing_stats_writer;
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = condition_names;
SELECT try(c) FROM unnest(ARRAY['supers(value)', 'others(value)']) c;
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'supers(value) AND value::small > 0');
RESET SESSION AUTHORIZATION;
ALTER FUNCTION condition_names.supers OWNER TO regress_listing_stats_writer;
SET SESSION AUTHORIZATION regress_listing_stats;
INSERT INTO price (listing_id, value) VALUES (1, 5);
RESET SESSION AUTHORIZATION;
ALTER FUNCTION condition_names.supers OWNER TO regress_listing_stats;
ALTER DOMAIN condition_names.small OWNER TO regress_listing_stats_writer;
SET SESSION AUTHORIZATION regress_listing_stats;
INSERT INTO price (listing_id, value) VALUES (1, 5);
SELECT problem FROM listing_stats.check() WHERE price = 'price'::regclass;
-- nor what a domain is over, or what has the name of a domain after DROP
SELECT try('value::smaller > 1');
DROP TABLE price;
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int, store text);
CREATE DOMAIN label AS text;
SELECT condition FROM listing_stats.attach('listing', 'price', condition => $$store::label = '(1)'$$);
DROP DOMAIN label CASCADE;
CREATE DOMAIN field AS text CHECK (trap_of(VALUE));
CREATE TYPE label AS (x field);
INSERT INTO price (listing_id, value, store) VALUES (1, 5, '(1)');
DROP TABLE price;
-- what is printed otherwise than it is read is that of its index, too, and the same when it is named again
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int, kind varchar(10));
SELECT condition FROM listing_stats.attach('listing', 'price', condition => $$kind IN ('ask', 'mid')$$);
SELECT index FROM listing_stats.attach('listing', 'price', condition => $$kind IN ('ask', 'mid')$$);
SELECT count(*) FROM pg_index WHERE indrelid = 'price'::regclass;
SELECT listing_stats.detach('listing', 'price');
DROP INDEX price_listing_id_created_id_value_idx;
CREATE INDEX by_hand ON price (listing_id, created DESC, id DESC) INCLUDE (value) WHERE kind IN ('ask', 'mid');
SELECT index FROM listing_stats.attach('listing', 'price', condition => $$kind IN ('ask', 'mid')$$);
SELECT index FROM listing_stats.attachments WHERE price = 'price'::regclass;
SELECT problem FROM listing_stats.check() WHERE price = 'price'::regclass;
DROP TABLE price;
-- a text of which PostgreSQL says that it is immutable, and which settings change
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int, f float8, r real, b bytea, t text);
SELECT try($$f::text = '0.1234567'$$), try($$'x' || r = 'x1'$$), try($$b::text = 'a'$$), try($$quote_ident(t) = t$$);
SELECT condition FROM listing_stats.attach('listing', 'price', condition => $$f = 0.1234567 AND r::numeric < 2 AND encode(b, 'hex') = 'ff'$$);
DROP TABLE price, listing;
-- made by hand, of a whole row and a system column
CREATE TABLE listing (id int PRIMARY KEY, last_price int);
CREATE TABLE price (id int PRIMARY KEY, listing_id int, created date NOT NULL, value int);
SELECT format('CREATE TRIGGER made AFTER %s ON %s FOR EACH ROW EXECUTE FUNCTION listing_stats.%s(''listing=condition_names.listing'', ''listing_key=id'', ''last_price=last_price'', ''price=condition_names.price'', ''key=listing_id'', ''at=created'', ''tie=id'', ''value=value'', ''condition=(price.* IS NOT NULL)'')',
	events, name, function) FROM (VALUES ('INSERT OR UPDATE', 'listing', 'listing_changed'), ('INSERT OR UPDATE OR DELETE', 'price', 'price_changed')) v(events, name, function) \gexec
SELECT last_price FROM listing_stats.attach('listing', 'price', key => 'listing_id', last_price => 'last_price');
INSERT INTO price VALUES (1, 1, '2026-01-01', 1);
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA conditions, condition_types, condition_more, condition_views, condition_names CASCADE;
DROP ROLE regress_listing_stats_writer;
