-- keep_latest(): a table that has the latest row of each key, which come and go with the prices.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA keep_latest;
SET search_path = keep_latest;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

CREATE TABLE price (id serial PRIMARY KEY, product int, source text, created date NOT NULL, value numeric, url text, valid boolean DEFAULT true);
INSERT INTO price (product, source, created, value, url) VALUES (1, 'a', '2026-01-01', 1, 'u1'), (1, 'a', '2026-01-02', 2, 'u2'), (2, 'b', '2026-01-01', 3, 'u3'), (NULL, 'b', '2026-01-01', 4, 'u4');
SELECT listing, key, listing_key, last_price, last_price_at, carry, condition
FROM listing_stats.keep_latest('price', 'latest', key => 'product, source', carry => 'url', price_count => 'n', price_total => 'total', condition => 'valid');
TABLE latest ORDER BY product, source;
-- What of the table is not what the prices say; NULL: nothing
CREATE FUNCTION wrong() RETURNS text LANGUAGE sql AS $$
	WITH expected AS (
		SELECT DISTINCT ON (product, source) product, source, created, value, count(value) OVER w AS n, coalesce(sum(value) OVER w, 0) AS total, url FROM price
		WHERE valid AND product IS NOT NULL AND source IS NOT NULL WINDOW w AS (PARTITION BY product, source) ORDER BY product, source, created DESC, id DESC),
	stored AS (SELECT product, source, last_price_at, last_price, n, total, last_url FROM latest)
	SELECT string_agg(d::text, ' ') FROM (
		(SELECT 'stored', * FROM stored EXCEPT ALL SELECT 'stored', * FROM expected) UNION ALL (SELECT 'expected', * FROM expected EXCEPT ALL SELECT 'expected', * FROM stored)
		UNION ALL SELECT 'verify', NULL, v::text, NULL, NULL, NULL, NULL, NULL FROM listing_stats.verify('latest', 'price') v) d $$;
CREATE FUNCTION try(VARIADIC statements text[]) RETURNS SETOF text LANGUAGE sql AS $$ SELECT public.try_each('SELECT wrong()', statements) $$;
-- by prices
SELECT try('SELECT', 'INSERT INTO price (product, source, created, value) VALUES (3, ''c'', ''2026-01-01'', 5)', 'INSERT INTO price (product, source, created, value) VALUES (3, ''c'', ''2025-01-01'', 7.5), (3, ''c'', ''2026-02-01'', NULL), (4, ''a'', ''2026-01-01'', NULL), (3, ''c'', ''2025-02-01'', 2.5)',
	'INSERT INTO price (product, source, created, value, url) SELECT i % 7, chr(97 + i % 3), ''2026-01-01''::date + i, i / 4.0, ''u'' || i FROM generate_series(1, 100) i', 'DELETE FROM price WHERE id = (SELECT max(id) FROM price)', 'DELETE FROM price WHERE product = 1', 'UPDATE price SET product = 1 WHERE product = 2',
	'UPDATE price SET source = NULL WHERE product = 3', 'UPDATE price SET source = ''z'' WHERE source IS NULL', 'UPDATE price SET valid = false WHERE product = 4', 'UPDATE price SET valid = NOT valid', 'UPDATE price SET valid = true', 'UPDATE price SET url = url || ''x''',
	'INSERT INTO price (product, source, created, value, valid) VALUES (50, ''x'', ''2026-01-01'', 1, false)', 'UPDATE price SET valid = true WHERE product = 50', 'DELETE FROM price WHERE product = 50',
	'WITH d AS (DELETE FROM price WHERE product = 1 RETURNING *) INSERT INTO price (product, source, created, value) SELECT product, source, created, value + 1 FROM d',
	'TRUNCATE price', 'INSERT INTO price (product, source, created, value) SELECT i % 7, chr(97 + i % 3), ''2026-01-01''::date + i, i FROM generate_series(1, 100) i');
-- by the table: what an application does to it is put right
SELECT try('DELETE FROM latest WHERE product = 1', 'DELETE FROM latest', 'INSERT INTO latest (product, source) VALUES (99, ''x'')', 'INSERT INTO latest (product, source, last_price) SELECT i, ''x'', i FROM generate_series(101, 130) i',
	'UPDATE latest SET last_price = -1, n = 0, total = 5', 'UPDATE latest SET product = 98 WHERE product = 2 AND source = ''a''', 'UPDATE latest SET product = product + 1000', 'UPDATE latest SET last_url = ''wrong'', last_price_at = NULL WHERE product > 3');
-- a row that a key of its own would have twice, and an error that leaves nothing behind
INSERT INTO latest (product, source) SELECT product, source FROM latest ORDER BY product, source LIMIT 1;
\echo :SQLSTATE
BEGIN;
SAVEPOINT a;
DELETE FROM price WHERE product < 4;
SELECT wrong();
ROLLBACK TO a;
SELECT wrong();
COMMIT;
SELECT wrong(), count(*) FROM latest;
-- a statement that brings the first price of one key and takes the last of another
WITH i AS (INSERT INTO price (product, source, created, value) VALUES (60, 'x', '2026-01-01', 1)) DELETE FROM price WHERE product = 5;
SELECT wrong(), count(*) FROM latest WHERE product IN (5, 60);
-- and TRUNCATE of it, by itself and with its prices
SELECT try('TRUNCATE latest', 'TRUNCATE latest CASCADE', 'TRUNCATE latest, price', 'INSERT INTO price (product, source, created, value) SELECT i % 7, chr(97 + i % 3), ''2026-01-01''::date + i, i FROM generate_series(1, 100) i',
	'TRUNCATE price, latest', 'INSERT INTO price (product, source, created, value) SELECT i % 7, chr(97 + i % 3), ''2026-01-01''::date + i, i FROM generate_series(1, 100) i');
BEGIN;
TRUNCATE latest;
INSERT INTO price (product, source, created, value) VALUES (61, 'x', '2026-01-01', 1);
SELECT wrong(), count(*) FROM latest;
ROLLBACK;
SELECT wrong(), count(*) FROM latest;
SELECT tgname, pg_get_triggerdef(oid) ~ 'TRUNCATE' AS truncate, tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'latest'::regclass ORDER BY 1;
-- all triggers follow a rename, and go together
ALTER TABLE latest RENAME TO newest;
SELECT count(*), count(DISTINCT tgargs), min(substring(encode(tgargs, 'escape') FROM 'listing=[^\\]*')) FROM pg_trigger WHERE tgrelid IN ('newest'::regclass, 'price'::regclass);
ALTER TABLE newest RENAME TO latest;
BEGIN;
DROP TABLE price;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'latest'::regclass;
ROLLBACK;
BEGIN;
SELECT listing_stats.detach('latest');
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('latest'::regclass, 'price'::regclass);
ROLLBACK;
-- where no trigger sees it, there is a warning, and refresh() brings the rows back
ALTER TABLE latest DISABLE TRIGGER USER;
SELECT DISTINCT unnest(warnings) FROM listing_stats.attachments WHERE price = 'price'::regclass ORDER BY 1;
TRUNCATE latest;
ALTER TABLE latest ENABLE TRIGGER USER;
SELECT warnings FROM listing_stats.attachments WHERE price = 'price'::regclass;
SELECT count(*) > 0 AS missed FROM listing_stats.verify('latest', 'price');
CALL listing_stats.refresh('latest', 'price', batch_size => 5);
SELECT wrong(), count(*) FROM latest;
-- refresh() leaves keys alone that have only prices that do not count
INSERT INTO price (product, source, created, value, valid) VALUES (70, 'x', '2026-01-01', 1, false);
CALL listing_stats.refresh('latest', 'price', batch_size => 5);
SELECT done = (SELECT count(*) FROM latest) AS done, changed FROM listing_stats.refresh_progress WHERE listing = 'latest'::regclass;
SELECT listing_stats.detach('latest', 'price');
DROP TABLE price, latest;

-- a table that is there already, whose columns are NOT NULL: they have defaults until they are filled
CREATE TABLE price (id serial PRIMARY KEY, product int, created date NOT NULL DEFAULT '2026-01-01', value numeric);
CREATE TABLE latest (product int PRIMARY KEY, last_price numeric NOT NULL DEFAULT 0, last_price_at date NOT NULL DEFAULT '-infinity', n int NOT NULL DEFAULT 0, note text NOT NULL DEFAULT '');
INSERT INTO price (product, value) VALUES (1, 11), (2, 21), (2, 22);
SELECT last_price, price_count FROM listing_stats.keep_latest('price', 'latest', key => 'product', price_count => 'n');
INSERT INTO price (product, value) VALUES (3, 31);
INSERT INTO price (product, value) SELECT i, 10 * i FROM generate_series(1, 20) i;
DELETE FROM price WHERE product > 4;
DELETE FROM price WHERE product = 4;
SELECT * FROM latest ORDER BY product;
SELECT * FROM listing_stats.verify('latest', 'price');
-- without its primary key no row can be inserted: check() says so, and how to mend it
ALTER TABLE latest DROP CONSTRAINT latest_pkey;
INSERT INTO price (product, value) VALUES (5, 51);
\echo :SQLSTATE
SELECT problem, mend FROM listing_stats.check() WHERE price = 'price'::regclass \gset
\echo :problem
:mend;
SELECT * FROM listing_stats.check() WHERE price = 'price'::regclass;
INSERT INTO price (product, value) VALUES (5, 51);
SELECT * FROM latest WHERE product = 5;
DROP TABLE price, latest;

-- of many keys in one statement, those that have a row are locked where it is, up to the first that has none
CREATE TABLE price (id serial PRIMARY KEY, product int, created date NOT NULL DEFAULT '2026-01-01', value numeric);
SELECT last_price, last_price_at FROM listing_stats.keep_latest('price', 'latest', key => 'product');
CREATE FUNCTION wrong_rows() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (SELECT DISTINCT ON (product) product, value, created FROM price ORDER BY product, created DESC, id DESC) p
		FULL JOIN latest l USING (product) WHERE l.product IS NULL OR l.last_price IS DISTINCT FROM value OR l.last_price_at IS DISTINCT FROM created $$;
SELECT public.try_each('SELECT format(''%s wrong of %s'', wrong_rows(), count(*)) FROM latest', ARRAY[
	'INSERT INTO price (product, value) SELECT i, i FROM generate_series(2, 100, 2) i',
	'INSERT INTO price (product, value) SELECT i, 2 * i FROM generate_series(1, 100) i',
	'INSERT INTO price (product, value) SELECT i, 3 * i FROM generate_series(1, 100) i',
	'INSERT INTO price (product, value) SELECT i, 4 * i FROM generate_series(90, 190) i',
	'DELETE FROM price WHERE product % 3 = 0',
	'INSERT INTO price (product, value) SELECT i, 5 * i FROM generate_series(1, 200) i WHERE i % 30 > 0',
	'DELETE FROM price WHERE product > 20',
	'UPDATE price SET product = product + 10',
	'WITH d AS (DELETE FROM price WHERE product < 15) INSERT INTO price (product, value) SELECT i, i FROM generate_series(10, 60) i']);
DROP TABLE price, latest;

-- a trigger that keeps a row from being inserted, or inserts another one: an error, of one key as of many
CREATE TABLE price (id serial PRIMARY KEY, product int, created date NOT NULL DEFAULT '2026-01-01', value numeric);
SELECT last_price FROM listing_stats.keep_latest('price', 'latest', key => 'product');
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.product = 3 THEN new.product := 4; RETURN new; END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER meddle BEFORE INSERT ON latest FOR EACH ROW WHEN (new.product > 1) EXECUTE FUNCTION meddle();
\set VERBOSITY sqlstate
INSERT INTO price (product, value) VALUES (2, 2);
INSERT INTO price (product, value) VALUES (3, 3);
INSERT INTO price (product, value) VALUES (1, 1), (2, 2);
INSERT INTO price (product, value) VALUES (1, 1), (3, 3);
INSERT INTO price (product, value) SELECT i % 3, i FROM generate_series(1, 100) i;
\set VERBOSITY default
INSERT INTO price (product, value) VALUES (0, 1), (1, 1);
TABLE latest;
DROP TABLE price, latest;
