-- attach() finds or creates what it needs, says what it created, and can be called again.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA attach;
SET search_path = attach;

CREATE TABLE listing (id bigint PRIMARY KEY, url text UNIQUE, description text);
CREATE TABLE price (id bigint PRIMARY KEY, listing_id bigint NOT NULL REFERENCES listing DEFERRABLE INITIALLY DEFERRED,
                    created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO listing VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO price VALUES (1, 1, '2026-01-01', 10), (2, 1, '2026-01-02', 11.5), (3, 2, '2026-01-01', 20), (4, 2, '2026-01-02', NULL);

-- a column, an index, triggers; the column is filled
SELECT listing, price, listing_key, last_price, last_price_at, key, at, tie, value, index, warnings
FROM listing_stats.attach('listing', 'price');
SELECT * FROM listing ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
FROM pg_attribute WHERE attrelid = 'listing'::regclass AND attname = 'last_price';
SELECT pg_get_indexdef(index) FROM listing_stats.attachments WHERE listing = 'listing'::regclass;
-- the trigger reads well; where things were found stands behind its arguments, in the catalogue alone
SELECT tgname, pg_get_triggerdef(oid) AS definition
FROM pg_trigger WHERE tgrelid IN ('listing'::regclass, 'price'::regclass) AND NOT tgisinternal ORDER BY tgrelid::regclass::text, tgname;
SELECT encode(tgargs, 'escape') LIKE format('%%\\000found=%s %s %%', 'listing'::regclass::oid, 'price'::regclass::oid) AS recorded
FROM pg_trigger WHERE tgrelid = 'price'::regclass AND tgname = 'LISTING_STATS_1';

-- again: nothing to create, one attachment still
SELECT last_price, last_price_at FROM listing_stats.attach('listing', 'price');
SELECT count(*) FROM listing_stats.attachments WHERE price = 'price'::regclass;
-- one more column, the rest stays
SELECT last_price, last_price_at FROM listing_stats.attach('listing', 'price', last_price_at => 'seen');
SELECT id, last_price, seen = '2026-01-02 00:00' AS seen FROM listing ORDER BY id;
-- another column of the same value is another attachment: what is kept stays kept
SELECT last_price, last_price_at FROM listing_stats.attach('listing', 'price', last_price => 'current');
SELECT id, last_price, current, seen IS NOT NULL AS seen FROM listing ORDER BY id;
INSERT INTO price VALUES (5, 3, '2026-01-03', 30);
SELECT id, last_price, current, seen IS NOT NULL AS seen FROM listing ORDER BY id;

-- so is another value by the same key; naming a column that is kept changes its attachment
CREATE TABLE used (id int PRIMARY KEY, price_id bigint);
CREATE TABLE two_values (id int PRIMARY KEY, used_id int REFERENCES used, at date NOT NULL, a numeric, b numeric, again int GENERATED ALWAYS AS (used_id) STORED REFERENCES used);
INSERT INTO used VALUES (1);
INSERT INTO two_values VALUES (1, 1, '2026-01-01', 10, 1);
SELECT last_price FROM listing_stats.attach('used', 'two_values', key => 'used_id', at => 'at', value => 'a', last_price => 'last_a');
SELECT last_price FROM listing_stats.attach('used', 'two_values', value => 'b', last_price => 'last_b');
SELECT last_price, null_value FROM listing_stats.attach('used', 'two_values', null_value => 'skip', last_price => 'last_b');
SELECT last_price, value FROM listing_stats.attach('used', 'two_values', key => 'again', value => 'b', last_price => 'last_c');
INSERT INTO two_values VALUES (2, 1, '2026-01-02', 11, 2), (3, 1, '2026-01-03', 12, NULL);
SELECT last_a, last_b, last_c FROM used;
SELECT last_price, previous_price FROM listing_stats.attach('used', 'two_values', key => 'again', previous_price => 'before_c');
SELECT last_price, previous_price, value FROM listing_stats.attach('used', 'two_values', key => 'again', value => 'a', previous_price => 'none');
SELECT last_a, last_b, last_c, before_c FROM used;
SELECT listing_stats.attach('used', 'two_values', guard => 'error');
\echo :SQLSTATE
SELECT guard FROM listing_stats.attach('used', 'two_values', value => 'b', key => 'used_id', guard => 'error');
SELECT listing_stats.detach('two_values');

-- detaching leaves the data
SELECT listing_stats.detach('listing', 'price');
SELECT listing_stats.detach('listing', 'price');
SELECT listing_stats.detach('price');
INSERT INTO price VALUES (6, 3, '2026-01-04', 31);
SELECT id, last_price, current FROM listing ORDER BY id;
SELECT count(*) FROM listing_stats.attachments WHERE price = 'price'::regclass;
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('listing'::regclass, 'price'::regclass) AND tgname ~ 'LISTING_STATS';

-- without backfill the old rows wait, and verify() finds them; a later attach() fills them
UPDATE listing SET current = NULL, seen = NULL;
SELECT last_price, last_price_at, index FROM listing_stats.attach('listing', 'price', last_price => 'current', backfill => false);
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
INSERT INTO price VALUES (7, 1, '2026-01-05', 12);
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
SELECT count(*) FROM listing_stats.attach('listing', 'price');
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
SELECT id, current FROM listing ORDER BY id;

-- verify() finds what was planted behind the triggers' backs
ALTER TABLE listing DISABLE TRIGGER "LISTING_STATS_1";
UPDATE listing SET current = 99 WHERE id = 2;
UPDATE listing SET current = NULL WHERE id = 3;
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
SELECT triggers, warnings FROM listing_stats.attachments WHERE listing = 'listing'::regclass;
SELECT count(*) FROM listing_stats.attach('listing', 'price');
SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY key;
SELECT triggers, warnings FROM listing_stats.attachments WHERE listing = 'listing'::regclass;

-- a fitting index is used, ascending or descending, and only a fitting one
DROP INDEX price_listing_id_created_id_value_idx;
SELECT index, warnings FROM listing_stats.attachments WHERE listing = 'listing'::regclass;
CREATE INDEX backwards ON price (listing_id, created, id);
SELECT index, warnings FROM listing_stats.attach('listing', 'price');
DROP INDEX backwards;
CREATE INDEX partial ON price (listing_id, created DESC, id DESC) WHERE value > 0;
CREATE INDEX mixed ON price (listing_id, created DESC, id);
CREATE INDEX nulls_last ON price (listing_id, created DESC NULLS LAST, id DESC);
CREATE INDEX hashed ON price USING hash (listing_id);
SELECT index FROM listing_stats.attach('listing', 'price');
ALTER TABLE price ALTER created DROP NOT NULL;
SELECT index, warnings FROM listing_stats.attachments WHERE listing = 'listing'::regclass;
SELECT index FROM listing_stats.attach('listing', 'price');
SELECT pg_get_indexdef(index) FROM listing_stats.attachments WHERE listing = 'listing'::regclass;
DROP TABLE price;

-- no foreign key, another tie, other names, text keys
CREATE TABLE stock (symbol text PRIMARY KEY);
CREATE TABLE quote (stock varchar(10), day date, close double precision, line int, PRIMARY KEY (stock, day, line));
INSERT INTO stock VALUES ('IBM'), ('MSFT');
INSERT INTO quote VALUES ('IBM', '2000-01-01', 100.44, 1), ('IBM', '2000-01-01', 100.45, 2), ('MSFT', '2000-02-01', 36.35, 1), ('XXX', '2000-01-01', 1, 1);
SELECT listing, price, listing_key, last_price, key, at, tie, value
FROM listing_stats.attach('stock', 'quote', key => 'stock', at => 'day', value => 'close', last_price => 'close');
INSERT INTO quote VALUES ('MSFT', '2000-03-01', 43.22, 1);
INSERT INTO stock VALUES ('XXX');
SELECT * FROM stock ORDER BY symbol;
-- the key of the only attachment is found again
SELECT key, last_price_at FROM listing_stats.attach('stock', 'quote', last_price_at => 'day');
SELECT * FROM stock ORDER BY symbol;
SELECT * FROM listing_stats.verify('stock', 'quote');

-- a key without a foreign key: what it is matched with is said, and that no price belongs to a listing
CREATE TABLE company (id text PRIMARY KEY, symbol text UNIQUE);
CREATE TABLE share (id serial PRIMARY KEY, symbol varchar(10), created date NOT NULL, value int);
INSERT INTO company VALUES ('x1', 'IBM');
SELECT listing_key, warnings FROM listing_stats.attach('company', 'share', key => 'symbol');
INSERT INTO share (symbol, created, value) VALUES (NULL, '2026-01-01', 1), ('IBM', '2026-01-01', 1);
SELECT listing_key FROM listing_stats.attach('company', 'share');
SELECT warnings FROM listing_stats.attachments WHERE listing = 'company'::regclass;
BEGIN;
INSERT INTO company VALUES ('IBM');
SELECT warnings FROM listing_stats.attachments WHERE listing = 'company'::regclass;
-- nor if but the first prices are of none
INSERT INTO share (symbol, created, value) SELECT i, '2026-01-01', 1 FROM generate_series(1, 200) i;
INSERT INTO share (symbol, created, value) VALUES ('x1', '2026-01-01', 1);
DELETE FROM company WHERE id = 'IBM';
SELECT warnings FROM listing_stats.attachments WHERE listing = 'company'::regclass;
ROLLBACK;
ALTER TABLE share ADD FOREIGN KEY (symbol) REFERENCES company (symbol);
SELECT listing_stats.detach('share');
SELECT listing_key, warnings FROM listing_stats.attach('company', 'share');
-- one that refers to the listing by way of another table, or to what the listing refers to
CREATE TABLE portrait (id text PRIMARY KEY REFERENCES company);
CREATE TABLE trade (id serial PRIMARY KEY, company text REFERENCES company, portrait text REFERENCES portrait, created date NOT NULL, value int);
SELECT listing_key FROM listing_stats.attach('portrait', 'trade', key => 'company');
SELECT listing_key FROM listing_stats.attach('company', 'trade', key => 'portrait', last_price => 'last_trade');
-- integers of different widths
CREATE TABLE wide (id bigint PRIMARY KEY);
CREATE TABLE narrow (id smallint PRIMARY KEY, wide smallint, created date NOT NULL, value int);
INSERT INTO wide VALUES (1);
INSERT INTO narrow VALUES (1, 2, '2026-01-01', 1);
SELECT warnings FROM listing_stats.attach('wide', 'narrow', key => 'wide');
INSERT INTO narrow VALUES (2, 1, '2026-01-01', 1);
SELECT warnings FROM listing_stats.attachments WHERE listing = 'wide'::regclass;
-- keys of several columns, as the hint says
CREATE TABLE composite (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE of_composite (id int PRIMARY KEY, a int, b int, created date NOT NULL, value int, FOREIGN KEY (a, b) REFERENCES composite);
ALTER TABLE composite ADD ab text GENERATED ALWAYS AS (a::text || '/' || b::text) STORED UNIQUE;
ALTER TABLE of_composite ADD ab text GENERATED ALWAYS AS (a::text || '/' || b::text) STORED REFERENCES composite (ab);
SELECT listing_key, key FROM listing_stats.attach('composite', 'of_composite', key => 'ab');
INSERT INTO composite VALUES (1, 2);
INSERT INTO of_composite VALUES (1, 1, 2, '2026-01-01', 5);
TABLE composite;
-- a primary key that is deferrable, which no foreign key can refer to
CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE of_deferred (id int PRIMARY KEY DEFERRABLE, deferred_id int, created date NOT NULL, value int);
SELECT listing_key, tie FROM listing_stats.attach('deferred', 'of_deferred', key => 'deferred_id');
INSERT INTO deferred VALUES (1);
INSERT INTO of_deferred VALUES (1, 1, '2026-01-01', 5);
TABLE deferred;

-- the time itself as tie, where it is unique
CREATE TABLE sensor (id int PRIMARY KEY);
CREATE TABLE reading (sensor int REFERENCES sensor, at timestamp, value int, PRIMARY KEY (sensor, at));
SELECT index FROM listing_stats.attach('sensor', 'reading', at => 'at', tie => 'at', last_price => 'value');
INSERT INTO sensor VALUES (1);
INSERT INTO reading VALUES (1, '2026-01-01', 5), (1, '2026-01-02', 6);
SELECT * FROM sensor;

-- advice where pages are full, once it matters
CREATE TABLE crowded (id int PRIMARY KEY, note int);
CREATE INDEX ON crowded (note);
CREATE TABLE crowd_price (id int PRIMARY KEY, crowded_id int REFERENCES crowded, created date NOT NULL, value int);
SELECT warnings FROM listing_stats.attach('crowded', 'crowd_price');
INSERT INTO crowded SELECT i, 0 FROM generate_series(1, 10000) i;
UPDATE crowded SET note = 1;
SELECT pg_stat_force_next_flush();
SELECT warnings FROM listing_stats.attachments WHERE listing = 'crowded'::regclass;
UPDATE crowded SET note = 2;
UPDATE crowded SET note = 3;
UPDATE crowded SET note = 4;
SELECT pg_stat_force_next_flush();
SELECT warnings FROM listing_stats.attachments WHERE listing = 'crowded'::regclass;
ALTER TABLE crowded SET (fillfactor = 90);
SELECT warnings FROM listing_stats.attachments WHERE listing = 'crowded'::regclass;

DROP SCHEMA attach CASCADE;
SELECT count(*) FROM listing_stats.attachments;
