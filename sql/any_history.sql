-- Histories of any shape: keys of several columns, carried columns, conditions, values of any type.  What is kept is
-- compared, as text, with a plain query.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA any_history;
SET search_path = any_history;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

-- What of the kept columns ('kept=source', ...) is not what the latest of the prices has that belong to the listing and count; NULL: nothing
CREATE FUNCTION wrong(listing text, price text, columns text[], belongs text, latest text, counts text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	kept text := (SELECT string_agg(format('l.%s::text', split_part(c, '=', 1)), ', ') FROM unnest(columns) c);
	source text := (SELECT string_agg(format('p.%s::text', split_part(c, '=', 2)), ', ') FROM unnest(columns) c);
	found text;
	verified text := (SELECT string_agg(v::text, ' ') FROM listing_stats.verify(listing::regclass, price::regclass) v);
BEGIN
	EXECUTE format('SELECT string_agg(format(''%%s has %%s and not %%s'', l::text, ROW(%s)::text, ROW(%s)::text), ''; '') FROM %s l LEFT JOIN LATERAL (SELECT p.* FROM %s p WHERE %s AND (%s) ORDER BY %s LIMIT 1) p ON true WHERE ROW(%s)::text <> ROW(%s)::text',
		kept, source, listing, price, belongs, counts, latest, kept, source) INTO found;
	RETURN nullif(concat_ws('; ', found, 'verify(): ' || verified), '');
END $$;

-- Keys of two columns, of any types, whatever is done to them: with foreign keys and without.  The values are expressions of i.
CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
CREATE DOMAIN small AS int CHECK (VALUE < 1000);
CREATE FUNCTION try_keys(a text, a_value text, b text, b_value text, reference text DEFAULT '', price_a text DEFAULT NULL, price_b text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	found text;
	number int := 0;
	key text := format('%s, %s', a_value, b_value);
BEGIN
	EXECUTE format('CREATE TABLE listing (a %s, b %s, note text, PRIMARY KEY (b, a))', a, b);
	EXECUTE format('CREATE TABLE price (id serial PRIMARY KEY, b %s, a %s, created timestamptz, value numeric %s)', coalesce(price_b, b), coalesce(price_a, a), reference);
	EXECUTE format('INSERT INTO listing (a, b) SELECT %s FROM generate_series(1, 20) i', key);
	EXECUTE format('INSERT INTO price (a, b, created, value) SELECT %s, ''2026-01-01''::timestamptz + i * interval ''1 day'', i FROM generate_series(1, 12) i', key);
	SET CONSTRAINTS ALL IMMEDIATE;
	PERFORM listing_stats.attach('listing', 'price', key => 'a, b', last_price_at => 'last_price_at', carry => 'id');
	FOREACH statement IN ARRAY ARRAY[
		'SELECT',
		'INSERT INTO price (a, b, created, value) SELECT %1$s, ''2026-02-01'', 100 FROM generate_series(5, 5) i',
		'INSERT INTO price (a, b, created, value) SELECT %1$s, ''2026-02-01''::timestamptz - i * interval ''10 days'', 200 + i FROM generate_series(1, 20) i',
		'INSERT INTO price (a, b, created, value) SELECT %2$s, NULL, ''2026-03-01'', 300 FROM generate_series(6, 6) i',
		'INSERT INTO price (a, b, created, value) SELECT NULL, %3$s, ''2026-03-01'', 300 FROM generate_series(6, 7) i',
		'UPDATE price SET a = k.a FROM (SELECT %2$s AS a FROM generate_series(6, 6) i) k WHERE price.a IS NULL AND value = 300',
		'UPDATE price SET b = k.b FROM (SELECT %3$s AS b FROM generate_series(6, 6) i) k WHERE price.b IS NULL AND value = 300',
		'UPDATE price SET b = NULL WHERE value = 300',
		'UPDATE price SET (a, b) = (SELECT %1$s FROM generate_series(9, 9) i) WHERE value < 10',
		'UPDATE price SET value = value + 1 WHERE created > ''2026-01-20''',
		'UPDATE price SET created = NULL WHERE value BETWEEN 200 AND 205',
		'DELETE FROM price WHERE id IN (SELECT max(id) FROM price GROUP BY a, b)',
		'DELETE FROM price WHERE value < 5',
		'UPDATE listing SET last_price = -1, note = ''x''',
		'TRUNCATE price',
		'INSERT INTO price (a, b, created, value) SELECT %1$s, ''2026-04-01'', i FROM generate_series(1, 20) i, generate_series(1, 3)'] LOOP
		EXECUTE format(statement, key, a_value, b_value);
		found := wrong('listing', 'price', '{last_price=value,last_price_at=created,last_id=id}', 'p.a = l.a AND p.b = l.b', 'created DESC NULLS LAST, id DESC');
		IF found IS NOT NULL THEN
			RETURN format('%s: %s', statement, found);
		END IF;
		number := number + 1;
	END LOOP;
	IF reference = '' THEN
		-- Prices that come first, and a key that changes.
		EXECUTE format('INSERT INTO price (a, b, created, value) SELECT %s, ''2026-05-01'', i FROM generate_series(21, 22) i', key);
		EXECUTE format('INSERT INTO listing (a, b) SELECT %s FROM generate_series(21, 21) i', key);
		EXECUTE format('UPDATE listing SET (a, b) = (SELECT %s FROM generate_series(22, 22) i) WHERE (a, b) = (SELECT %s FROM generate_series(1, 1) i)', key, key);
		found := wrong('listing', 'price', '{last_price=value,last_price_at=created,last_id=id}', 'p.a = l.a AND p.b = l.b', 'created DESC NULLS LAST, id DESC');
		IF found IS NOT NULL THEN
			RETURN format('no foreign key: %s', found);
		END IF;
	END IF;
	DROP TABLE price, listing;
	RETURN number || ' statements';
END $$;
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT try_keys('int', 'i % 4', 'text', '''k'' || i / 4', ', FOREIGN KEY (a, b) REFERENCES listing (a, b)');
SELECT try_keys('int', 'i % 4', 'text', '''k'' || i / 4', ', FOREIGN KEY (b, a) REFERENCES listing (b, a) DEFERRABLE INITIALLY DEFERRED');
SELECT try_keys('int', 'i % 4', 'text', '''k'' || i / 4');
SELECT try_keys('uuid', '(''00000000-0000-0000-0000-0000000000'' || to_char(i % 3, ''FM00''))::uuid', 'date', '''2026-01-01''::date + i / 3');
SELECT try_keys('small', 'i % 4', 'varchar(10)', '''k'' || i / 4', ', FOREIGN KEY (a, b) REFERENCES listing (a, b)');
SELECT try_keys('colour', '(ARRAY[''red'', ''green'', ''blue''])[i % 3 + 1]::colour', 'bigint', 'i / 3', ', FOREIGN KEY (a, b) REFERENCES listing (a, b)');
SELECT try_keys('text COLLATE "C"', '(ARRAY[''a'', ''B'', ''c''])[i % 3 + 1]', 'timestamptz', '''2026-01-01''::timestamptz + i / 3 * interval ''1 h''');
SELECT try_keys('text COLLATE any_case', '(ARRAY[''a'', ''B'', ''c''])[i % 3 + 1]', 'char(3)', '(i / 3)::text');
SELECT try_keys('boolean', 'i % 2 = 0', 'numeric', 'i / 2 / 10.0');
SELECT try_keys('bytea', 'convert_to((i % 3)::text, ''UTF8'')', 'smallint', 'i / 3');
SELECT try_keys('float8', 'i % 3 / 4.0', '"char"', 'chr(64 + i / 3)::"char"');
-- the types of the two tables are not quite the same
SELECT try_keys('int', 'i % 4', 'text', '''k'' || i / 4', price_a => 'bigint', price_b => 'varchar(10)');
SELECT try_keys('bigint', 'i % 4', 'varchar(10)', '''k'' || i / 4', price_a => 'smallint', price_b => 'text COLLATE "C"');
SELECT try_keys('small', 'i % 4', 'inet', '(''10.0.0.'' || i / 4)::inet', price_a => 'int', price_b => 'inet');

-- keys that are equal and look different
CREATE TABLE listing (name text COLLATE any_case, day date, PRIMARY KEY (name, day));
CREATE TABLE price (id serial PRIMARY KEY, name text COLLATE any_case, day date, created date, value int, FOREIGN KEY (name, day) REFERENCES listing);
SELECT key, listing_key FROM listing_stats.attach('listing', 'price', carry => 'name AS last_name, id');
INSERT INTO listing VALUES ('a', '2026-01-01'), ('b', '2026-01-01'), ('B', '2026-01-02');
INSERT INTO price (name, day, created, value) VALUES ('A', '2026-01-01', '2026-02-01', 1), ('a', '2026-01-01', '2026-02-02', 2), ('B', '2026-01-01', '2026-02-01', 3);
UPDATE price SET name = 'A' WHERE value = 2;
UPDATE price SET name = 'b' WHERE value = 3;
SELECT wrong('listing', 'price', '{last_price=value,last_name=name,last_id=id}', 'p.name = l.name AND p.day = l.day', 'created DESC, id DESC');
TABLE listing ORDER BY name, day;
DROP TABLE price, listing;

-- What is matched with what: by the foreign key, also where it covers a part of the key; by name; in the order of the primary key
SET client_min_messages = notice;
CREATE TABLE tenant (id int PRIMARY KEY);
CREATE TABLE listing (tenant_id int REFERENCES tenant, id int UNIQUE, PRIMARY KEY (tenant_id, id));
CREATE TABLE price (id serial PRIMARY KEY, tenant_id int REFERENCES tenant, listing_id int, created timestamptz NOT NULL DEFAULT now(), value numeric);
INSERT INTO tenant VALUES (1), (2);
INSERT INTO listing VALUES (1, 2), (2, 1);
INSERT INTO price (tenant_id, listing_id, value) VALUES (1, 2, 12), (2, 1, 21), (1, 1, 11);
SELECT key, listing_key FROM listing_stats.attach('listing', 'price', key => 'listing_id, tenant_id');
TABLE listing ORDER BY 1;
SELECT listing_stats.detach('listing', 'price');
ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing (id) NOT VALID;
SELECT key, listing_key FROM listing_stats.attach('listing', 'price', key => 'listing_id, tenant_id', backfill => false);
SELECT listing_stats.detach('listing', 'price');
ALTER TABLE listing RENAME tenant_id TO owner;
SELECT key, listing_key FROM listing_stats.attach('listing', 'price', key => 'listing_id, tenant_id', backfill => false);
SELECT listing_stats.detach('listing', 'price');
SELECT key, listing_key FROM listing_stats.attach('listing', 'price', key => 'tenant_id, listing_id', listing_key => 'owner, id');
SET client_min_messages = warning;
TABLE listing ORDER BY 1;
DROP TABLE price, listing, tenant;

-- Carried columns of any type, to the byte; what has no operator "=" and what is stored out of line too
CREATE TYPE point_of_sale AS (shop text, till int);
CREATE DOMAIN code AS varchar(3) CHECK (VALUE <> 'bad');
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL, value numeric, j json, x box, e colour, a int[], r numrange, m datemultirange, p point_of_sale, d code, t text, v varchar(4), n numeric, g point, b bit(4), i interval, h jsonb);
SELECT carry FROM listing_stats.attach('listing', 'price', carry => 'j, x, e, a, r, m, p, d, t, v, n, g, b, i, h');
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'listing'::regclass AND attnum > 2;
CREATE FUNCTION wrong_carried() RETURNS text LANGUAGE sql AS $$
	SELECT wrong('listing', 'price', '{last_price=value,last_j=j,last_x=x,last_e=e,last_a=a,last_r=r,last_m=m,last_p=p,last_d=d,last_t=t,last_v=v,last_n=n,last_g=g,last_b=b,last_i=i,last_h=h}', 'p.listing_id = l.id', 'created DESC, id DESC') $$;
INSERT INTO listing VALUES (1), (2), (3);
INSERT INTO price (listing_id, created, value, j, x, e, a, r, m, p, d, t, v, n, g, b, i, h)
VALUES (1, '2026-01-01', 1, '{"a": 1}', '(1,2),(0,0)', 'red', '{1,NULL}', '[1,2)', '{[2026-01-01,2026-01-05)}', '(shop,1)', 'abc', repeat('x', 10), 'abcd', 1.0, '(1,2)', B'1010', '1 mon', '{"a": 1}'),
	(2, '2026-01-01', 1, '{"a": 1}', '(1,2),(0,0)', 'red', '{1,NULL}', '[1,2)', '{}', '(,)', 'abc', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i), 'abcd', 1.0, '(1,2)', B'1010', '30 days', '{"a": 1}');
SELECT wrong_carried();
-- each alone, equal and not the same
UPDATE price SET j = '{"a":1}';
SELECT wrong_carried();
UPDATE price SET i = '30 days';
SELECT wrong_carried();
UPDATE price SET x = '(2,1),(0,0)', n = 1.00, h = '{"a": 1.00}';
SELECT wrong_carried();
UPDATE price SET p = '(shop,2)', r = '(1,2]', e = 'blue', a = '{}', d = NULL, x = NULL, m = NULL, g = '(1,2.5)', b = B'0001', v = 'a   ';
SELECT wrong_carried();
UPDATE price SET t = t || 'y';
SELECT wrong_carried();
UPDATE price SET t = NULL WHERE listing_id = 2;
SELECT wrong_carried();
INSERT INTO price (listing_id, created, value, t) SELECT l, '2026-02-01', 2, (SELECT string_agg(md5((i * l)::text), '') FROM generate_series(1, 2000) i) FROM generate_series(1, 3) l;
SELECT wrong_carried(), min(length(last_t)) FROM listing;
DELETE FROM price WHERE created = '2026-02-01';
SELECT wrong_carried();
-- an UPDATE of nothing that is kept writes nothing, also of long text
UPDATE price SET t = repeat('long ', 4000) WHERE id = 1;
SELECT ctid AS before FROM listing WHERE id = 1 \gset
UPDATE price SET t = t, value = value;
SELECT ctid = :'before' AS "not written" FROM listing WHERE id = 1;
-- types that change, names that change, columns that go
ALTER TABLE price ALTER v TYPE varchar(8);
ALTER TABLE listing ALTER last_v TYPE varchar(8);
UPDATE price SET v = 'abcdefgh';
ALTER TABLE price ALTER a TYPE bigint[] USING a::bigint[], ALTER e TYPE text;
ALTER TABLE listing ALTER last_a TYPE bigint[] USING last_a::bigint[], ALTER last_e TYPE text;
UPDATE price SET a = '{10000000000}', e = 'yellow' WHERE id = 1;
ALTER TABLE price RENAME j TO document;
ALTER TABLE listing RENAME last_j TO last_document;
UPDATE price SET document = '[1]';
SELECT carry FROM listing_stats.attachments WHERE price = 'price'::regclass;
ALTER TABLE price DROP x;
ALTER TABLE listing DROP last_m;
SELECT carry, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
UPDATE price SET t = 'after';
SELECT wrong('listing', 'price', '{last_price=value,last_document=document,last_a=a,last_e=e,last_t=t,last_v=v}', 'p.listing_id = l.id', 'created DESC, id DESC');
DROP TABLE price, listing;
DROP FUNCTION wrong_carried;
-- likewise where no domain is in the way of the direct path, one listing and many
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value numeric, x box, n numeric, i interval, j json, h jsonb);
INSERT INTO listing SELECT generate_series(1, 15);
INSERT INTO price (listing_id, value, x, n, i, j, h) SELECT i, i, '(1,2),(0,0)', 1.0, '1 mon', '{"a": 1}', '{"a": 1}' FROM generate_series(1, 15) i;
SELECT carry FROM listing_stats.attach('listing', 'price', carry => 'x, n, i, j, h');
CREATE FUNCTION try_carried(VARIADIC assignments text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	assignment text;
	rows text;
	found text;
BEGIN
	FOREACH assignment IN ARRAY assignments LOOP
		FOREACH rows IN ARRAY '{listing_id = 1,listing_id > 1}'::text[] LOOP
			EXECUTE format('UPDATE price SET %s WHERE %s', assignment, rows);
			found := wrong('listing', 'price', '{last_price=value,last_x=x,last_n=n,last_i=i,last_j=j,last_h=h}', 'p.listing_id = l.id', 'created DESC, id DESC');
			IF found IS NOT NULL THEN
				RETURN NEXT assignment || ': ' || found;
			END IF;
		END LOOP;
	END LOOP;
	RETURN NEXT array_length(assignments, 1);
END $$;
SELECT try_carried('i = ''30 days''', 'x = ''(2,1),(0,0)''', 'n = 1.00', 'h = ''{"a": 1.00}''', 'j = ''{"a":1}''', 'n = NULL', 'n = 1.0, x = NULL');
DROP TABLE price, listing;
DROP FUNCTION try_carried;

-- A pointer to the latest row, with a foreign key back
CREATE TABLE listing (id int PRIMARY KEY, last_price_id int);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing ON DELETE CASCADE, created date NOT NULL DEFAULT '2026-01-01', value text);
ALTER TABLE listing ADD FOREIGN KEY (last_price_id) REFERENCES price ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
SELECT last_price, carry FROM listing_stats.attach('listing', 'price', value => 'value', carry => 'id AS last_price_id');
INSERT INTO listing VALUES (1), (2);
INSERT INTO price (listing_id, value) VALUES (1, 'a'), (1, 'b'), (2, 'c');
DELETE FROM price WHERE value = 'b';
SELECT wrong('listing', 'price', '{last_price_id=id}', 'p.listing_id = l.id', 'created DESC, id DESC'), * FROM listing ORDER BY id;
BEGIN;
DELETE FROM price WHERE value = 'c';
INSERT INTO price (listing_id, value) VALUES (2, 'd');
UPDATE price SET id = id + 100 WHERE value = 'a';
COMMIT;
SELECT wrong('listing', 'price', '{last_price_id=id}', 'p.listing_id = l.id', 'created DESC, id DESC'), * FROM listing ORDER BY id;
DELETE FROM price;
SELECT wrong('listing', 'price', '{last_price_id=id}', 'p.listing_id = l.id', 'created DESC, id DESC'), * FROM listing ORDER BY id;
INSERT INTO price (listing_id, value) VALUES (2, 'e');
DELETE FROM listing WHERE id = 2;
TABLE price;
DROP TABLE price, listing CASCADE;

-- Conditions: a price begins and ceases to count by any column that the condition names
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing ON DELETE CASCADE, created date, value numeric, kind text, deleted_at date, amount int);
INSERT INTO listing SELECT generate_series(1, 3);
INSERT INTO price (listing_id, created, value, kind) VALUES (1, '2026-01-01', 1, 'ask'), (1, '2026-01-02', 2, 'bid'), (2, '2026-01-01', 3, NULL);
SELECT condition, index FROM listing_stats.attach('listing', 'price', condition => 'kind = ''ask'' AND deleted_at IS NULL AND NOT coalesce(amount, 0) = 0 IS FALSE', previous_price => 'previous_price', lowest_price => 'lowest', price_count => 'asks', carry => 'kind');
SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indrelid = 'price'::regclass AND indpred IS NOT NULL;
SET client_min_messages = notice;
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'kind = ''bid'' and deleted_at is null', last_price => 'last_bid', highest_price => 'highest_bid');
SET client_min_messages = warning;
CREATE FUNCTION wrong_conditions() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('; ', wrong('listing', 'price', '{last_price=value,last_kind=kind}', 'p.listing_id = l.id', 'created DESC NULLS LAST, id DESC', 'kind = ''ask'' AND deleted_at IS NULL AND coalesce(amount, 0) = 0'),
		wrong('listing', 'price', '{last_bid=value}', 'p.listing_id = l.id', 'created DESC NULLS LAST, id DESC', 'kind = ''bid'' AND deleted_at IS NULL'),
		(SELECT 'history: ' || string_agg(l::text, ' ') FROM listing l, LATERAL (SELECT count(value) FILTER (WHERE kind = 'ask' AND coalesce(amount, 0) = 0) AS asks, min(value) FILTER (WHERE kind = 'ask' AND coalesce(amount, 0) = 0) AS lowest, max(value) FILTER (WHERE kind = 'bid') AS highest FROM price p WHERE p.listing_id = l.id AND deleted_at IS NULL) h
			WHERE (l.asks, l.lowest, l.highest_bid) IS DISTINCT FROM (h.asks, h.lowest, h.highest))) $$;
CREATE FUNCTION try_condition(VARIADIC statements text[]) RETURNS SETOF text LANGUAGE sql AS $$ SELECT public.try_each('SELECT wrong_conditions()', statements) $$;
SELECT try_condition('SELECT', 'INSERT INTO price (listing_id, created, value, kind) VALUES (1, ''2026-01-03'', 3, ''ask''), (1, ''2026-01-04'', 4, ''bid''), (1, ''2026-01-05'', 5, ''other''), (2, ''2026-01-05'', 5, ''ask'')',
	'UPDATE price SET kind = ''bid'' WHERE kind IS NULL', 'UPDATE price SET kind = CASE kind WHEN ''bid'' THEN ''ask'' ELSE ''bid'' END WHERE listing_id = 1',
	'UPDATE price SET deleted_at = ''2026-02-01'' WHERE value IN (2, 5)', 'UPDATE price SET deleted_at = NULL, amount = 1 WHERE value = 2', 'UPDATE price SET amount = 0', 'UPDATE price SET amount = NULL',
	'DELETE FROM price WHERE kind = ''ask'' AND value = 4', 'UPDATE price SET listing_id = 3, kind = NULL WHERE value = 3', 'UPDATE price SET kind = ''ask'', listing_id = 2 WHERE value = 3',
	'INSERT INTO price (listing_id, created, value, kind) SELECT i % 3 + 1, ''2026-03-01''::date + i, i, CASE WHEN i % 2 = 0 THEN ''ask'' ELSE ''bid'' END FROM generate_series(1, 60) i', 'DELETE FROM price WHERE value > 50', 'UPDATE price SET created = NULL WHERE value > 40',
	'TRUNCATE price', 'INSERT INTO price (listing_id, created, value, kind) VALUES (1, ''2026-01-03'', 3, ''ask'')');
-- names that change; a column that the condition does not need; one that it does
ALTER TABLE price RENAME kind TO "side, or kind";
SELECT last_price, condition, carry, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY 1;
INSERT INTO price (listing_id, created, value, "side, or kind") VALUES (1, '2026-01-04', 4, 'ask'), (1, '2026-01-05', 5, 'bid');
UPDATE price SET "side, or kind" = 'ask' WHERE value = 5;
SELECT * FROM listing ORDER BY id;
ALTER TABLE price RENAME "side, or kind" TO kind;
ALTER TABLE price ALTER deleted_at TYPE timestamptz USING deleted_at::timestamptz;
SELECT last_price, condition, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY 1;
SELECT try_condition('UPDATE price SET deleted_at = ''2026-02-01'' WHERE value = 5', 'UPDATE price SET deleted_at = NULL', 'UPDATE price SET kind = ''bid''');
ALTER TABLE price ALTER kind TYPE varchar(10);
SELECT last_price, condition, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY 1;
SELECT try_condition('UPDATE price SET kind = ''ask'' WHERE value = 5', 'UPDATE price SET kind = NULL', 'UPDATE price SET kind = ''bid''', 'UPDATE price SET kind = ''ask''');
SET client_min_messages = notice;
ALTER TABLE price DROP amount;
SET client_min_messages = warning;
SELECT last_price, condition, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY 1;
-- no condition any more
SELECT condition, last_price, index FROM listing_stats.attach('listing', 'price', last_price => 'last_bid', condition => 'none');
SELECT wrong('listing', 'price', '{last_bid=value}', 'p.listing_id = l.id', 'created DESC NULLS LAST, id DESC');
SELECT condition, last_price, index FROM listing_stats.attach('listing', 'price', last_price => 'last_bid', condition => 'value > 4');
SELECT wrong('listing', 'price', '{last_bid=value}', 'p.listing_id = l.id', 'created DESC NULLS LAST, id DESC', 'value > 4');
DROP TABLE price, listing;

-- Nothing stops being kept because another column is named for the same
CREATE TABLE stays (id int PRIMARY KEY);
CREATE TABLE stays_price (id int PRIMARY KEY, stays_id int REFERENCES stays, created date NOT NULL, value int);
SELECT last_price_at FROM listing_stats.attach('stays', 'stays_price', last_price_at => 'kept_at');
SELECT last_price_at FROM listing_stats.attach('stays', 'stays_price', last_price => 'last_price', last_price_at => 'also_at');
\echo :SQLSTATE
SELECT last_price_at FROM listing_stats.attach('stays', 'stays_price', last_price => 'last_price', last_price_at => 'none');
SELECT last_price_at FROM listing_stats.attach('stays', 'stays_price', last_price => 'last_price', last_price_at => 'also_at');
DROP TABLE stays, stays_price;

-- No search_path changes what a condition, a key or a comparison means
CREATE SCHEMA evil;
CREATE FUNCTION evil.equal(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.equal);
CREATE FUNCTION evil.equal(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.equal);
CREATE OPERATOR evil.> (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.equal);
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''ask''';
CREATE FUNCTION evil.count(bigint) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''none''';
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
CREATE TABLE evil.price (id int, listing_id int, kind pg_catalog.text);
CREATE TABLE evil.listing (id int);
CREATE FUNCTION evil.raise() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil''; END';
CREATE TABLE listing (a int, b text, PRIMARY KEY (a, b));
CREATE TABLE price (id serial PRIMARY KEY, a int, b text, created date NOT NULL, value int, kind text, FOREIGN KEY (a, b) REFERENCES listing);
CREATE FUNCTION own_lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.lower($1)';
INSERT INTO listing VALUES (1, 'x'), (2, 'y');
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'lower(kind) = ''ask'' AND value > 0', lowest_price => 'lowest', price_count => 'number', previous_price => 'previous_price', carry => 'kind');
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'own_lower(kind) = ''bid''', last_price => 'last_bid');
CREATE FUNCTION write_with_evil_path() RETURNS void LANGUAGE plpgsql SET search_path = evil, pg_catalog AS $$
BEGIN
	INSERT INTO any_history.price (a, b, created, value, kind) VALUES (1, 'x', '2026-01-01', 1, 'ASK'), (1, 'x', '2026-01-02', 2, 'bid'), (2, 'y', '2026-01-02', 0, 'ask'), (2, 'y', '2026-01-02', 7, 'bid');
	UPDATE any_history.price SET kind = 'other' WHERE id OPERATOR(pg_catalog.=) 3;
	UPDATE any_history.price SET kind = 'BID' WHERE id OPERATOR(pg_catalog.=) 3;
	INSERT INTO any_history.price (a, b, created, value, kind) SELECT 1, 'x', '2026-01-01'::date + i, i, (ARRAY['ask', 'bid'])[i % 2 + 1] FROM pg_catalog.generate_series(3, 40) i;
	DELETE FROM any_history.price WHERE value OPERATOR(pg_catalog.>) 30;
END $$;
-- in a session that has no plan of it yet
\c -
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = any_history;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SELECT write_with_evil_path();
SELECT wrong('listing', 'price', '{last_price=value,last_kind=kind}', 'p.a = l.a AND p.b = l.b', 'created DESC, id DESC', 'lower(kind) = ''ask'' AND value > 0'),
	wrong('listing', 'price', '{last_bid=value}', 'p.a = l.a AND p.b = l.b', 'created DESC, id DESC', 'lower(kind) = ''bid''');
SELECT * FROM listing ORDER BY a;
SET listing_stats.direct_path = off;
\c -
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = evil, pg_catalog;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET listing_stats.direct_path = off;
UPDATE any_history.price SET value = value OPERATOR(pg_catalog.+) 1;
SELECT * FROM listing_stats.verify('any_history.listing', 'any_history.price');
CALL listing_stats.refresh('any_history.listing', 'any_history.price');
SELECT last_price, warnings FROM listing_stats.attachments WHERE price OPERATOR(pg_catalog.=) 'any_history.price'::regclass ORDER BY 1;
SELECT condition FROM listing_stats.attach('any_history.listing', 'any_history.price', last_price => 'last_bid', last_price_at => 'last_bid_at');
SELECT condition FROM listing_stats.attach('any_history.listing', 'any_history.price', last_price => 'meant', condition => 'kind = ''other''');
SET search_path = any_history;
SELECT wrong('listing', 'price', '{last_price=value,last_kind=kind}', 'p.a = l.a AND p.b = l.b', 'created DESC, id DESC', 'lower(kind) = ''ask'' AND value > 0'),
	wrong('listing', 'price', '{last_bid=value,last_bid_at=created}', 'p.a = l.a AND p.b = l.b', 'created DESC, id DESC', 'lower(kind) = ''bid'''),
	wrong('listing', 'price', '{meant=value}', 'p.a = l.a AND p.b = l.b', 'created DESC, id DESC');
DROP TABLE price, listing;
DROP SCHEMA evil CASCADE;
RESET listing_stats.direct_path;

-- Values of any type, of which the latest is kept; NULLs kept and skipped
CREATE FUNCTION try_value(type text, VARIADIC three text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	option text;
	statement text;
	found text;
BEGIN
	FOREACH option IN ARRAY '{keep,skip}'::text[] LOOP
		EXECUTE format('CREATE TABLE price (id serial PRIMARY KEY, listing_id int, created date NOT NULL, v %s)', type);
		CREATE TABLE listing (id int PRIMARY KEY);
		INSERT INTO listing SELECT generate_series(1, 3);
		ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing;
		PERFORM listing_stats.attach('listing', 'price', value => 'v', last_price => 'latest', null_value => option);
		PERFORM listing_stats.attach('listing', 'price', value => 'v', last_price => 'other', first_price => 'first');
		FOREACH statement IN ARRAY ARRAY['INSERT INTO price (listing_id, created, v) VALUES (1, ''2026-01-01'', %L), (1, ''2026-01-02'', %L), (2, ''2026-01-01'', NULL)', 'INSERT INTO price (listing_id, created, v) SELECT l, ''2026-01-03'', %3$L FROM generate_series(1, 3) l',
			'INSERT INTO price (listing_id, created) VALUES (1, ''2026-01-04'')', 'UPDATE price SET v = NULL WHERE listing_id = 3', 'UPDATE price SET v = %2$L WHERE listing_id = 1 AND created > ''2026-01-02''', 'UPDATE price SET v = %1$L WHERE listing_id = 1', 'DELETE FROM price WHERE created > ''2026-01-02''',
			'INSERT INTO price (listing_id, created, v) SELECT i %% 3 + 1, ''2026-01-01''::date + i, (ARRAY[%L, %L, %L, NULL])[i %% 4 + 1]::' || type || ' FROM generate_series(1, 50) i', 'UPDATE listing SET latest = NULL', 'DELETE FROM price'] LOOP
			EXECUTE format(statement, three[1], three[2], three[3]);
			found := wrong('listing', 'price', '{latest=v}', 'p.listing_id = l.id' || CASE option WHEN 'skip' THEN ' AND p.v IS DISTINCT FROM NULL' ELSE '' END, 'created DESC, id DESC');
			found := coalesce(found, wrong('listing', 'price', '{first=v}', 'p.listing_id = l.id AND p.v IS DISTINCT FROM NULL', 'created, id'));
			IF found IS NOT NULL THEN
				RETURN format('%s, %s: %s', option, statement, found);
			END IF;
		END LOOP;
		DROP TABLE price, listing;
	END LOOP;
	RETURN type;
END $$;
SELECT try_value('text', 'a', 'b', ''), try_value('colour', 'red', 'green', 'blue'), try_value('boolean', 'true', 'false', 'true'), try_value('json', '{"a": 1}', '{"a":1}', 'null'), try_value('jsonb', '{"a": 1}', '{"a": 1.0}', 'null');
SELECT try_value('uuid', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000003'), try_value('code', 'a', 'b', 'c'), try_value('varchar(3)', 'a', 'b', 'c'), try_value('char(3)', 'a', 'ab', ''), try_value('text COLLATE any_case', 'a', 'A', 'b');
SELECT try_value('int[]', '{1,2}', '{NULL}', '{}'), try_value('numrange', '[1,2)', '[1.0,2)', 'empty'), try_value('point_of_sale', '(a,1)', '(,)', '(a,2)'), try_value('point', '(1,2)', '(1,3)', '(0,0)'), try_value('box', '(1,2),(0,0)', '(2,1),(0,0)', '(3,3),(1,1)'), try_value('timestamptz', '2026-01-01', 'infinity', '2026-01-02');
SELECT try_value('real', '0.1', '0.10000001', '0'), try_value('float8', '0', '-1', 'NaN'), try_value('numeric', '1.0', '2', 'NaN'), try_value('smallint', '1', '2', '3'), try_value('money', '1', '2', '3'), try_value('interval', '1 mon', '30 days', '0'), try_value('bytea', 'a', '\x00', ''), try_value('tsvector', 'a b', 'b', ''), try_value('name', 'a', 'b', 'c'), try_value('oid', '1', '2', '3'), try_value('bit(3)', '101', '111', '000');

-- A time as a value, statement by statement; and a row of NULLs, which is a value too, whoever writes it
CREATE TABLE listing (id int PRIMARY KEY, latest date, latest_point point_of_sale);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', v date, p point_of_sale);
INSERT INTO listing VALUES (1);
SELECT last_price FROM listing_stats.attach('listing', 'price', value => 'v', last_price => 'latest');
SELECT last_price FROM listing_stats.attach('listing', 'price', value => 'p', last_price => 'latest_point', null_value => 'skip');
INSERT INTO price (listing_id, v, p) VALUES (1, '2026-01-01', '(a,1)');
INSERT INTO price (listing_id, v, p) VALUES (1, 'infinity', '(,)');
TABLE listing;
SET listing_stats.direct_path = off;
UPDATE price SET v = '-infinity', p = '(b,2)' WHERE id = 1;
UPDATE price SET v = '2026-01-02', p = '(b,3)' WHERE id = 2;
UPDATE price SET v = '2026-01-02', p = '(,)' WHERE id = 2;
RESET listing_stats.direct_path;
SELECT * FROM listing, listing_stats.verify('listing', 'price');
TABLE listing;
DROP TABLE price, listing;

-- Prices that come one at a time: NULLs that come last, some of one time, and some of the past; what is kept after each
CREATE FUNCTION one_at_a_time(VARIADIC kept text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	price text;
	one text;
BEGIN
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL, value int);
	INSERT INTO listing VALUES (1), (2);
	EXECUTE format('SELECT FROM listing_stats.attach(''listing'', ''price'', %s)', array_to_string(kept, ', '));
	FOREACH price IN ARRAY ARRAY['1, 5', '2, NULL', '1, 6', '0, 4', '2, 7', '3, NULL', '3, NULL', '1, NULL', '0, 3', '4, 7', '4, 8', '4, NULL'] LOOP
		EXECUTE format('INSERT INTO price (listing_id, created, value) SELECT 1, date ''2026-01-01'' + day, value FROM (VALUES (%s::int)) p(day, value)', price);
		SELECT listing::text INTO one FROM listing WHERE id = 1;
		RETURN NEXT one;
	END LOOP;
	RETURN NEXT (SELECT count(*) FROM listing_stats.verify('listing', 'price'));
	DROP TABLE price, listing;
END $$;
SELECT string_agg(one, ' ') FROM one_at_a_time('last_price => ''latest''', 'null_value => ''skip''') one;
SELECT string_agg(one, ' ') FROM one_at_a_time('last_price => ''latest''', 'last_price_at => ''latest_at''') one;
SELECT string_agg(one, ' ') FROM one_at_a_time('last_price => ''latest''', 'previous_price => ''before''', 'null_value => ''skip''') one;
SELECT string_agg(one, ' ') FROM one_at_a_time('last_price => ''latest''', 'lowest_price => ''lowest''', 'price_count => ''n''', 'null_value => ''skip''') one;

-- A listing without prices keeps what it has, so that its columns may be NOT NULL; the number is counted in an integer
CREATE TABLE listing (id int PRIMARY KEY, price numeric(10,2) NOT NULL, currency text NOT NULL DEFAULT 'CHF', since date NOT NULL DEFAULT '2000-01-01', lowest numeric(10,2) NOT NULL DEFAULT 5, n int NOT NULL DEFAULT 0, previous numeric(10,2) DEFAULT 3);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing ON DELETE CASCADE, created date NOT NULL, value numeric(10,2) NOT NULL, currency text NOT NULL DEFAULT 'EUR');
INSERT INTO listing (id, price) VALUES (1, 10), (2, 20), (3, 30);
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-01-01', 11);
SELECT empty FROM listing_stats.attach('listing', 'price', last_price => 'price', last_price_at => 'since', lowest_price => 'lowest', price_count => 'n', previous_price => 'previous', carry => 'currency AS currency', empty => 'keep');
SELECT * FROM listing ORDER BY id;
-- what is stored is no price: it is neither the lowest nor the previous one, nor in the way of the first
INSERT INTO price (listing_id, created, value) VALUES (2, '2026-01-01', 20), (1, '2026-01-02', 7);
INSERT INTO price (listing_id, created, value) VALUES (2, '2026-01-02', 19);
SELECT * FROM listing ORDER BY id;
UPDATE listing SET price = 0, n = 9, lowest = 0, since = '1999-01-01', currency = 'x';
SELECT * FROM listing ORDER BY id;
DELETE FROM price WHERE listing_id = 2;
INSERT INTO listing (id, price, n) VALUES (4, 40, 4);
SELECT * FROM listing ORDER BY id;
UPDATE price SET listing_id = 3;
SELECT * FROM listing ORDER BY id;
TRUNCATE price;
INSERT INTO price (listing_id, created, value) SELECT i % 4 + 1, '2026-01-01'::date + i, i FROM generate_series(1, 100) i;
UPDATE listing SET price = 0, n = 9, lowest = 0;
SELECT *, wrong('listing', 'price', '{price=value,since=created,currency=currency}', 'p.listing_id = l.id', 'created DESC, id DESC') FROM listing ORDER BY id;
DELETE FROM price WHERE listing_id < 4;
SET listing_stats.direct_path = off;
UPDATE listing SET price = id;
INSERT INTO price (listing_id, created, value) VALUES (2, '2026-01-01', 20), (1, '2026-01-02', 7), (1, '2026-01-03', 7);
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
CALL listing_stats.refresh('listing', 'price');
SELECT * FROM listing ORDER BY id;
RESET listing_stats.direct_path;
-- back to NULL: refused while the columns are NOT NULL
SELECT empty FROM listing_stats.attach('listing', 'price', last_price => 'price', empty => 'null');
\echo :SQLSTATE
ALTER TABLE listing ALTER price DROP NOT NULL, ALTER currency DROP NOT NULL, ALTER since DROP NOT NULL, ALTER lowest DROP NOT NULL;
SELECT empty FROM listing_stats.attach('listing', 'price', last_price => 'price', empty => 'null');
SELECT * FROM listing ORDER BY id;
DROP TABLE price, listing;
-- a number that its column cannot hold is PostgreSQL's own error
CREATE TABLE listing (id int PRIMARY KEY, n smallint NOT NULL DEFAULT 0);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int);
SELECT last_price, price_count FROM listing_stats.attach('listing', 'price', last_price => 'none', price_count => 'n');
INSERT INTO listing VALUES (1, 5);
INSERT INTO price (listing_id, value) SELECT 1, i FROM generate_series(1, 32767) i;
TABLE listing;
INSERT INTO price (listing_id, value) VALUES (1, 1);
\echo :SQLSTATE
DELETE FROM price WHERE value = 1;
INSERT INTO price (listing_id, value) VALUES (1, NULL);
TABLE listing;
DROP TABLE price, listing;

-- An attachment is what keeps a column
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value numeric, used_value numeric, url text, kind text);
INSERT INTO listing VALUES (1);
INSERT INTO price (listing_id, value, used_value, url, kind) VALUES (1, 10, 5, 'u', 'a');
CREATE VIEW attached AS SELECT last_price, last_price_at, value, key, condition, carry, price_count FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY last_price;
SELECT last_price FROM listing_stats.attach('listing', 'price');
SELECT last_price FROM listing_stats.attach('listing', 'price', value => 'used_value', last_price => 'last_used');
TABLE attached;
TABLE listing;
-- each is changed by a column that it keeps
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'last_used', carry => 'url');
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'last_price', last_price_at => 'last_price_at');
SELECT last_price FROM listing_stats.attach('listing', 'price', carry => 'kind AS last_url');
TABLE attached;
-- which one is not said: the one that keeps last_price, so that a call can be made again
SELECT last_price FROM listing_stats.attach('listing', 'price');
\echo :SQLSTATE
SELECT last_price FROM listing_stats.attach('listing', 'price', guard => 'off');
\echo :SQLSTATE
-- new columns of the same prices go to their attachment; of others make one
SELECT last_price FROM listing_stats.attach('listing', 'price', value => 'used_value', price_count => 'used_count');
SELECT last_price FROM listing_stats.attach('listing', 'price', condition => 'kind = ''a''', last_price => 'last_a');
SELECT last_price FROM listing_stats.attach('listing', 'price', condition => 'kind = ''a''', price_count => 'count_a');
SELECT last_price FROM listing_stats.attach('listing', 'price', condition => 'kind = ''b''', last_price => 'none', price_count => 'count_b');
TABLE attached;
-- a column that another attachment keeps
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'last_a', last_price_at => 'last_price_at');
\echo :SQLSTATE
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'last_a', carry => 'url AS last_url');
\echo :SQLSTATE
SELECT last_price FROM listing_stats.attach('listing', 'price', value => 'used_value', last_price => 'last_price');
TABLE attached;
INSERT INTO price (listing_id, created, value, used_value, url, kind) VALUES (1, '2026-01-02', 11, 6, 'v', 'b'), (1, '2026-01-02', 12, 7, 'w', 'a');
TABLE listing;
SELECT * FROM listing_stats.verify('listing', 'price');
-- columns are given up one by one, and with the last the attachment goes
SELECT last_price FROM listing_stats.attach('listing', 'price', last_price => 'none', price_count => 'count_a');
SELECT last_price FROM listing_stats.attach('listing', 'price', price_count => 'none', last_price_at => 'last_price_at');
TABLE attached;
ALTER TABLE listing DROP count_b, DROP last_url;
TABLE attached;
-- one of them is detached, and the others go on
SELECT listing_stats.detach('listing', 'price', 'last_used');
TABLE attached;
INSERT INTO price (listing_id, created, value, used_value) VALUES (1, '2026-02-01', 13, 8);
SELECT last_price, last_used FROM listing;
SELECT listing_stats.detach('listing', 'price', 'no_column');
SELECT listing_stats.detach('listing', 'price');
TABLE attached;
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-02-02', 11);
DROP VIEW attached;
DROP TABLE price, listing;
-- another column for the same of the same prices makes one more attachment, and nothing stops being kept
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value numeric);
INSERT INTO listing VALUES (1);
INSERT INTO price (listing_id, value) VALUES (1, 10);
SELECT last_price, last_price_at FROM listing_stats.attach('listing', 'price', last_price_at => 'since');
SELECT last_price, last_price_at FROM listing_stats.attach('listing', 'price', last_price => 'again', last_price_at => 'since_again');
SELECT last_price, last_price_at FROM listing_stats.attach('listing', 'price', last_price_at => 'since_once_more');
SELECT last_price, last_price_at FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY last_price_at;
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-02-01', 11);
TABLE listing;
DROP TABLE price, listing;

-- What the triggers say is what is attached: names with commas, quotes, blanks and " as " come back from what pg_dump writes
CREATE TABLE "li,st" (" a" int, "b ""b"" as b" text, "last as, well" numeric, PRIMARY KEY (" a", "b ""b"" as b"));
CREATE TABLE "pri""ce" (id serial PRIMARY KEY, "a as b" int, "b,b " text, "at" timestamptz NOT NULL DEFAULT '2026-01-01', "val as ue" text, "car, ried" text, "as" text, " as " text, "O'Hara" text, "ÄS" int, "was as" int, FOREIGN KEY ("a as b", "b,b ") REFERENCES "li,st");
SELECT key, listing_key, last_price, carry, condition FROM listing_stats.attach('"li,st"', '"pri""ce"', last_price => 'kept "as" x', value => 'val as ue', carry => '"car, ried" AS "kept, car", as as as, " as ", "O''Hara", ÄS, "was as"', condition => '"O''Hara" = ''a, b'' OR "val as ue" LIKE ''%"%''''%\%''');
CREATE TABLE definitions AS SELECT tgrelid, tgname, pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgname LIKE 'LISTING%' AND tgrelid IN ('"li,st"'::regclass, '"pri""ce"'::regclass);
INSERT INTO "li,st" VALUES (1, 'x'), (1, 'y,z');
INSERT INTO "pri""ce" ("a as b", "b,b ", "val as ue", "car, ried", "as", " as ", "O'Hara", "ÄS") VALUES (1, 'x', 'v1', 'c1', 'a1', 'b1', 'a, b', 7), (1, 'x', 'v2', 'c1', 'a1', 'b1', 'no', 1), (1, 'y,z', '"''%', 'c2', 'a2', 'b2', NULL, NULL);
SELECT * FROM "li,st" ORDER BY 2;
DO $$
DECLARE
	d record;
BEGIN
	FOR d IN SELECT * FROM any_history.definitions LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', d.tgname, d.tgrelid::regclass);
		EXECUTE d.definition;
	END LOOP;
END $$;
SELECT bool_and(definition = pg_get_triggerdef(oid)) FROM pg_trigger t JOIN definitions d ON d.tgrelid = t.tgrelid AND d.tgname = t.tgname;
SELECT key, listing_key, last_price, carry, condition, warnings FROM listing_stats.attachments WHERE price = '"pri""ce"'::regclass;
UPDATE "pri""ce" SET "car, ried" = 'changed', "ÄS" = 8;
ALTER TABLE "pri""ce" RENAME "car, ried" TO "carried as well";
ALTER TABLE "li,st" RENAME "kept, car" TO "kept ""car""";
ALTER TABLE "li,st" RENAME " a" TO "a, A";
SELECT key, listing_key, carry, warnings FROM listing_stats.attachments WHERE price = '"pri""ce"'::regclass;
UPDATE "pri""ce" SET "carried as well" = 'changed again';
SELECT * FROM "li,st" ORDER BY 2;
SELECT * FROM listing_stats.verify('"li,st"', '"pri""ce"');
SELECT key, listing_key, carry FROM listing_stats.attach('"li,st"', '"pri""ce"', key => '"b,b ",a as b', guard => 'error');
ALTER TABLE "pri""ce" DROP "as";
SELECT carry, warnings FROM listing_stats.attachments WHERE price = '"pri""ce"'::regclass;
UPDATE "pri""ce" SET " as " = 'y';
SELECT * FROM "li,st" ORDER BY 2;
DROP TABLE "pri""ce", "li,st", definitions;

-- Listings that share a key, which listing_key allows, all show the same
CREATE TABLE listing (id int PRIMARY KEY, shop int, product text);
CREATE TABLE price (id serial PRIMARY KEY, shop int, product text, created date NOT NULL DEFAULT '2026-01-01', value int, note text);
INSERT INTO listing SELECT i, i % 3, 'p' || i % 2 FROM generate_series(1, 30) i;
INSERT INTO price (shop, product, value) VALUES (1, 'p1', 1), (2, 'p0', 2);
SELECT key, listing_key FROM listing_stats.attach('listing', 'price', key => 'shop, product', listing_key => 'shop, product', carry => 'note', lowest_price => 'lowest');
SELECT wrong('listing', 'price', '{last_price=value,last_note=note}', 'p.shop = l.shop AND p.product = l.product', 'created DESC, id DESC');
INSERT INTO price (shop, product, value, note) VALUES (1, 'p1', 3, 'x'), (0, 'p0', 4, 'y');
INSERT INTO price (shop, product, value, note) SELECT i % 3, 'p' || i % 2, i, i FROM generate_series(1, 60) i;
UPDATE price SET product = 'p1' WHERE value % 4 = 0;
UPDATE listing SET shop = 1, last_price = 5 WHERE id % 7 = 0;
SELECT wrong('listing', 'price', '{last_price=value,last_note=note}', 'p.shop = l.shop AND p.product = l.product', 'created DESC, id DESC');
UPDATE listing SET shop = NULL WHERE id = 5;
DELETE FROM price WHERE value > 50;
SET listing_stats.direct_path = off;
DELETE FROM price WHERE value > 40;
INSERT INTO price (shop, product, value) VALUES (1, 'p1', 1);
RESET listing_stats.direct_path;
SELECT wrong('listing', 'price', '{last_price=value,last_note=note}', 'p.shop = l.shop AND p.product = l.product', 'created DESC, id DESC'), count(*) FROM listing l WHERE lowest IS DISTINCT FROM (SELECT min(value) FROM price p WHERE p.shop = l.shop AND p.product = l.product);
CALL listing_stats.refresh('listing', 'price', batch_size => 2);
SELECT wrong('listing', 'price', '{last_price=value,last_note=note}', 'p.shop = l.shop AND p.product = l.product', 'created DESC, id DESC');
SELECT warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
DROP TABLE price, listing;

-- A function that a condition calls cannot go while the index has it; without it the next write says what is missing
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL DEFAULT '2026-01-01', value int);
CREATE FUNCTION is_wanted(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 1';
INSERT INTO listing VALUES (1);
SELECT index FROM listing_stats.attach('listing', 'price', condition => 'is_wanted(value)') \gset
INSERT INTO price (listing_id, value) VALUES (1, 2), (1, 1);
DROP FUNCTION is_wanted;
DROP INDEX :index;
SELECT warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
DROP FUNCTION is_wanted;
SELECT warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
INSERT INTO price (listing_id, value) VALUES (1, 3);
\echo :SQLSTATE
SELECT condition FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at');
\echo :SQLSTATE
ALTER TABLE price RENAME value TO amount;
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'amount > 1');
SELECT condition FROM listing_stats.attach('listing', 'price', condition => 'none');
INSERT INTO price (listing_id, amount) VALUES (1, 3);
TABLE listing;
DROP TABLE price, listing;

-- No tie where key and time are unique; that the time is NULL does not make it so
CREATE TABLE listing (id int PRIMARY KEY, a int, UNIQUE (id, a));
CREATE TABLE price (id int PRIMARY KEY, listing_id int, a int, created date, value int, UNIQUE (listing_id, a, created), FOREIGN KEY (listing_id, a) REFERENCES listing (id, a));
SELECT tie FROM listing_stats.attach('listing', 'price');
INSERT INTO listing VALUES (1, 1);
INSERT INTO price VALUES (3, 1, 1, NULL, 3), (2, 1, 1, NULL, 2), (1, 1, 1, NULL, 1);
SELECT wrong('listing', 'price', '{last_price=value}', 'p.listing_id = l.id', 'created DESC NULLS LAST, id DESC');
SELECT listing_stats.detach('listing', 'price');
ALTER TABLE price DROP CONSTRAINT price_listing_id_a_created_key;
DELETE FROM price WHERE id < 3;
ALTER TABLE price ADD UNIQUE NULLS NOT DISTINCT (listing_id, a, created);
SELECT tie FROM listing_stats.attach('listing', 'price');
DROP TABLE price, listing;
-- and the tie can be the time, also where neither is said to be
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (listing_id int REFERENCES listing, seen date NOT NULL, value int);
SELECT at, tie FROM listing_stats.attach('listing', 'price', tie => 'seen');
DROP TABLE price, listing;

-- The total, the first price and the number beside what the application wrote
CREATE TABLE listing (id int PRIMARY KEY, price int NOT NULL DEFAULT 9, total bigint NOT NULL DEFAULT 7, first int NOT NULL DEFAULT 8, n int NOT NULL DEFAULT 0);
CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created date NOT NULL, value int NOT NULL);
INSERT INTO listing (id) VALUES (1), (2);
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-01-01', 1);
SELECT price_total, first_price FROM listing_stats.attach('listing', 'price', last_price => 'price', price_total => 'total', first_price => 'first', price_count => 'n', empty => 'keep');
SELECT * FROM listing ORDER BY id;
INSERT INTO price (listing_id, created, value) VALUES (2, '2026-01-01', 5);
INSERT INTO price (listing_id, created, value) VALUES (2, '2026-01-02', 6), (1, '2025-01-01', 100);
UPDATE listing SET total = 5, first = 5;
SELECT * FROM listing ORDER BY id;
DELETE FROM price WHERE listing_id = 1;
UPDATE listing SET total = 5, first = 5;
SELECT * FROM listing ORDER BY id;
INSERT INTO price (listing_id, created, value) VALUES (1, '2026-01-02', 3);
SELECT * FROM listing ORDER BY id;
SELECT * FROM listing_stats.verify('listing', 'price');
DROP TABLE price, listing;

-- refresh() and verify() by keys of several columns, a few at a time, from listings, prices and partitions
CREATE TABLE listing (a int, b text COLLATE "C", c date, note text, PRIMARY KEY (c, a, b)) PARTITION BY HASH (a);
CREATE TABLE listing_0 PARTITION OF listing FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE listing_1 PARTITION OF listing FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE price (id int, c date, b text COLLATE "C", a int, created date NOT NULL, value numeric, note text, valid boolean, PRIMARY KEY (id, created), FOREIGN KEY (a, b, c) REFERENCES listing (a, b, c)) PARTITION BY RANGE (created);
CREATE TABLE price_0 PARTITION OF price FOR VALUES FROM (MINVALUE) TO ('2026-02-01');
CREATE TABLE price_1 PARTITION OF price FOR VALUES FROM ('2026-02-01') TO (MAXVALUE);
INSERT INTO listing SELECT i % 3, chr(65 + i % 5), '2026-01-01'::date + i % 7, 'n' FROM generate_series(1, 105) i;
INSERT INTO price SELECT i, '2026-01-01'::date + i % 7, chr(65 + i % 5), i % 3, '2026-01-01'::date + i * 7 % 60, i, 'p' || i, i % 4 > 0 FROM generate_series(1, 500) i;
SELECT key, listing_key, condition FROM listing_stats.attach('listing', 'price', backfill => false, highest_price => 'highest', carry => 'note', condition => 'valid');
SELECT count(*), min(key), min(expected) FROM listing_stats.verify('listing', 'price') WHERE "column" = 'last_note';
CALL listing_stats.refresh('listing', 'price', batch_size => 4);
CREATE FUNCTION wrong_refreshed() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('; ', wrong('listing', 'price', '{last_price=value,last_note=note}', 'p.a = l.a AND p.b = l.b AND p.c = l.c', 'created DESC, id DESC', 'valid'),
		(SELECT string_agg(l::text, ' ') FROM listing l WHERE highest IS DISTINCT FROM (SELECT max(value) FROM price p WHERE p.a = l.a AND p.b = l.b AND p.c = l.c AND valid))) $$;
SELECT wrong_refreshed();
ALTER TABLE listing DISABLE TRIGGER USER;
UPDATE listing SET last_price = -1, last_note = 'wrong' WHERE b IN ('B', 'D');
ALTER TABLE listing ENABLE TRIGGER USER;
SELECT count(*), count(DISTINCT key), min(key), max(key) FROM listing_stats.verify('listing', 'price');
CALL listing_stats.refresh('listing', 'price', batch_size => 1, only_in => 'price_1');
SELECT count(*) FROM listing_stats.verify('listing', 'price');
CALL listing_stats.refresh('listing', 'price', batch_size => 7);
SELECT wrong_refreshed();
-- partitions by themselves, rows that move between them, a partition that comes with prices and one that goes
INSERT INTO price_1 VALUES (1000, '2026-01-01', 'A', 0, '2026-03-01', 1000, 'x', true), (1001, '2026-01-01', 'A', 0, '2026-03-01', 1001, 'y', false);
UPDATE price SET created = '2026-01-01' WHERE id = 1000;
UPDATE price_1 SET valid = NOT valid;
UPDATE price SET a = 1, b = 'B', c = '2026-01-02' WHERE id = 1001;
UPDATE listing SET note = note, last_price = 0;
DELETE FROM price_0 WHERE id % 2 = 0;
SELECT wrong_refreshed();
ALTER TABLE price DETACH PARTITION price_1;
CALL listing_stats.refresh('listing', 'price', batch_size => 10);
SELECT wrong_refreshed();
ALTER TABLE price ATTACH PARTITION price_1 FOR VALUES FROM ('2026-02-01') TO (MAXVALUE);
CALL listing_stats.refresh('listing', 'price', batch_size => 10, only_in => 'price_1');
SELECT wrong_refreshed();
SELECT warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
DROP TABLE price, listing;
DROP FUNCTION wrong_refreshed;

-- What does not fit is refused, and nothing is lost
CREATE TABLE listing (a int, b text, n numeric, note text, other int UNIQUE, tags text[], PRIMARY KEY (a, b));
CREATE TABLE price (id serial PRIMARY KEY, a int, b text, created date NOT NULL DEFAULT '2026-01-01', value numeric, note text, currency text, kind text, j json, FOREIGN KEY (a, b) REFERENCES listing);
CREATE FUNCTION attempt(arguments text, tables text DEFAULT $$'listing', 'price'$$) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE format('SELECT FROM listing_stats.attach(%s, %s)', tables, arguments);
	RAISE EXCEPTION 'attached';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
-- lists
SELECT attempt($$key => 'a, a'$$);
SELECT attempt($$key => 'a, '$$);
SELECT attempt($$key => ''$$);
SELECT attempt($$key => 'a, nothing'$$);
SELECT attempt($$key => '"a, b'$$);
SELECT attempt($$key => '"a""'$$);
SELECT attempt($$key => 'a, xmin'$$);
SELECT attempt($$key => 'a'$$);
SELECT attempt($$key => 'a, b, id'$$);
SELECT attempt($$key => 'a, b', listing_key => 'a'$$);
SELECT attempt($$key => 'a, b', listing_key => 'b, a'$$);
SELECT attempt($$key => 'a, b', listing_key => 'a, nothing'$$);
SELECT attempt($$key => 'a, b', listing_key => 'a, note'$$);
SELECT attempt($$key => 'a, b, value, note, currency, kind, id, created, j'$$);
SELECT attempt($$key => 'a, note', listing_key => 'a, tags'$$);
-- what is carried
SELECT attempt($$carry => 'note AS x, kind AS x'$$);
SELECT attempt($$carry => 'note, note'$$);
SELECT attempt($$carry => 'note AS last_price'$$);
SELECT attempt($$carry => 'note AS a'$$);
SELECT attempt($$carry => 'note AS n'$$);
SELECT attempt($$carry => 'nothing'$$);
SELECT attempt($$carry => 'note AS'$$);
SELECT attempt($$carry => 'AS x'$$);
SELECT attempt($$carry => 'note AS "x'$$);
SELECT attempt($$carry => 'note x'$$);
SELECT attempt($$carry => 'ctid'$$);
SELECT attempt($$carry => 'note AS xmin'$$);
SELECT attempt($$carry => ''$$);
SELECT attempt($$carry => 'currency AS currency', last_price => 'currency'$$);
SELECT attempt(format('carry => %L', (SELECT string_agg('note AS n' || i, ', ') FROM generate_series(1, 33) i))) ~ '^42602.*more than 32 columns';
-- conditions
SELECT attempt($$condition => 'value'$$);
SELECT attempt($$condition => 'value > '$$);
SELECT attempt($$condition => ''$$);
SELECT attempt($$condition => 'nothing > 1'$$);
SELECT attempt($$condition => 'true'$$);
SELECT attempt($$condition => 'created < now()'$$);
SELECT attempt($$condition => 'value > random()'$$);
SELECT attempt($$condition => 'created < current_date'$$);
SELECT attempt($$condition => 'kind = current_user'$$);
SELECT attempt($$condition => 'value > (SELECT 1)'$$);
SELECT attempt($$condition => 'EXISTS (SELECT FROM listing)'$$);
SELECT attempt($$condition => 'a IN (SELECT a FROM listing)'$$);
SELECT attempt($$condition => 'max(value) > 1'$$);
SELECT attempt($$condition => 'row_number() OVER () > 1'$$);
SELECT attempt($$condition => 'generate_series(1, a) > 1'$$);
SELECT attempt($$condition => 'listing.a > 1'$$);
SELECT attempt($$condition => 'value > $1'$$);
SELECT attempt($$condition => 'value > 1; DROP TABLE price'$$);
SELECT attempt($$condition => 'value > 1) OR (true'$$);
SELECT attempt($$condition => 'value > 1 ORDER BY 1'$$);
SELECT attempt($$condition => 'value > 1 FROM listing'$$);
SELECT attempt($$condition => 'value > 1 UNION SELECT true'$$);
SELECT attempt($$condition => 'price IS NULL'$$);
SELECT attempt($$condition => 'tableoid > 0'$$);
SELECT attempt($$condition => 'ctid IS NOT NULL'$$);
-- the hint is PostgreSQL's, and differs between versions
SELECT regexp_replace(attempt($$condition => 'no_function(value)'$$), '\| (No function matches|There is no function) .*', '| hint');
SELECT attempt($$condition => 'value > 1', empty => 'maybe'$$);
-- values from which nothing can be computed
SELECT attempt($$value => 'note', previous_price => 'previous'$$);
SELECT attempt($$value => 'j', lowest_price => 'lowest'$$);
SELECT attempt($$value => 'note', highest_price => 'highest'$$);
SELECT attempt($$value => 'note', last_price => 'n'$$);
SELECT attempt($$value => 'note', price_count => 'note'$$);
SELECT attempt($$at => 'j'$$);
SELECT attempt($$tie => 'j'$$);
-- nothing was made
SELECT count(*) FROM listing_stats.attachments WHERE price = 'price'::regclass;
SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'listing'::regclass AND attnum > 0;
SELECT count(*) FROM pg_index WHERE indrelid = 'price'::regclass;
-- candidates, where there are several or none
CREATE TABLE times (id serial PRIMARY KEY, a int REFERENCES listing (other), one date NOT NULL, two timestamptz, x int, y numeric, z text);
SELECT attempt($$at => NULL$$, $$'listing', 'times'$$);
SELECT attempt($$at => 'one'$$, $$'listing', 'times'$$);
SELECT attempt($$at => 'one', value => 'x', tie => 'two'$$, $$'listing', 'times'$$);
ALTER TABLE times DROP x, DROP y, DROP one, DROP two;
SELECT attempt($$at => NULL$$, $$'listing', 'times'$$);
SELECT attempt($$at => 'id'$$, $$'listing', 'times'$$);
DROP TABLE times;
\pset tuples_only off
\pset format aligned
-- a key of which one column is dropped, and one that changes its type
SET client_min_messages = notice;
SELECT key, condition FROM listing_stats.attach('listing', 'price', carry => 'note', condition => 'kind <> ''x''');
ALTER TABLE listing ALTER a TYPE bigint;
INSERT INTO listing VALUES (1, 'x');
INSERT INTO price (a, b, value, kind) VALUES (1, 'x', 1, 'y');
ALTER TABLE price DROP b;
SELECT key, warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
INSERT INTO price (a, value) VALUES (1, 1);
DROP TABLE price, listing;
