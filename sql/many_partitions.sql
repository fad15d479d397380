-- E: Of many partitions a write looks at, opens and locks only as many as it takes: of ranges of time from the newest one
-- on, of those by the key the one that has it.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA many_partitions;
SET search_path = many_partitions;
SET client_min_messages = warning;
-- By SQL alone it is right and looks at all.
SET listing_stats.direct_path = on;
\set SHOW_CONTEXT never
\pset tuples_only on
\pset format unaligned

-- Which partitions the statement has locked; what it has written is right.
CREATE FUNCTION looks(statement text, OUT partitions text) LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    EXECUTE statement;
    partitions := (SELECT string_agg(relname, ' ' ORDER BY relname COLLATE "C") FROM pg_class
        WHERE relispartition AND relkind = 'r' AND oid IN (SELECT relation FROM pg_locks WHERE pid = pg_backend_pid()));
    wrong := (SELECT string_agg(v::text, ' ') FROM listing_stats.attachments a, listing_stats.verify(a.listing, a.price) v);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '% %', statement, wrong;
    END IF;
END $$;
CREATE FUNCTION looks_everywhere(statement text, OUT "all" boolean) LANGUAGE plpgsql AS $$
DECLARE
    partitions text := looks(statement);
BEGIN
    "all" := cardinality(string_to_array(partitions, ' ')) = (SELECT count(*) FROM pg_partition_tree('price') WHERE isleaf);
END $$;
CREATE FUNCTION way() RETURNS text LANGUAGE sql AS $$ SELECT way FROM listing_stats.attachments $$;
-- A month for each partition.
CREATE FUNCTION month(number int) RETURNS date LANGUAGE sql AS $$ SELECT (date '2025-12-15' + number * interval '1 month')::date $$;
CREATE PROCEDURE make_months(name text, first int, last int, more text DEFAULT '') LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN first..last LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) %s', name || lpad(i::text, 2, '0'), name, date_trunc('month', month(i)), date_trunc('month', month(i + 1)), more);
    END LOOP;
END $$;

CREATE TABLE listing (id int PRIMARY KEY, note text);
CREATE SEQUENCE numbers;
CREATE TABLE price (id int DEFAULT nextval('numbers'), listing_id int REFERENCES listing, created date NOT NULL, value numeric, currency text, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CALL make_months('price', 1, 24);
INSERT INTO listing SELECT generate_series(1, 200);
-- 1 to 150 have a price in each month, 151 to 170 in the first three, the others none.
INSERT INTO price (listing_id, created, value, currency) SELECT i, month(m), i + m, 'EUR' FROM generate_series(1, 170) i, generate_series(1, 24) m WHERE i <= 150 OR m <= 3;
SELECT way() FROM listing_stats.attach('listing', 'price', previous_price => 'previous_price', last_price_at => 'last_price_at', price_count => 'price_count');
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(24), 7)');
SELECT looks('INSERT INTO price (listing_id, created, value) SELECT i, month(24), 8 FROM generate_series(1, 100) i');
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (2, month(5), 9), (3, month(7), 9)');
SELECT looks('INSERT INTO price05 (listing_id, created, value) VALUES (2, month(5), 9)');
-- a key without prices in the newest ones: from the newest to the one that has it, and the price before that
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (151, month(22), 7)');
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (171, month(23), 7)');
-- A number of prices that some were taken from has to be counted, in all.
SELECT listing_stats.detach('listing', 'price');
ALTER TABLE listing DROP COLUMN price_count;
SELECT FROM listing_stats.attach('listing', 'price', previous_price => 'previous_price', last_price_at => 'last_price_at', carry => 'currency');
SELECT looks('UPDATE price SET value = value + 1 WHERE listing_id = 5 AND created = month(24)');
SELECT looks('DELETE FROM price WHERE listing_id = 5 AND created >= month(23)');
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (5, month(20), 7)');
SELECT looks('UPDATE price SET created = month(23) WHERE listing_id = 5 AND created = month(22)');
SELECT looks('UPDATE price SET listing_id = 172 WHERE listing_id = 5 AND created = month(23)');
SELECT looks_everywhere('INSERT INTO listing VALUES (201)') AS all;
SELECT looks('UPDATE listing SET last_price = 0 WHERE id = 1');
SELECT looks('UPDATE listing SET last_price = 0 WHERE id BETWEEN 1 AND 20');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(24), 10)');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT looks('DELETE FROM price WHERE listing_id = 1 AND value = 10 AND created = month(24)');
COMMIT;

-- by SQL too, where somebody else's trigger has to fire
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'touched'; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION touch();
SELECT way();
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(24), 11)');
SELECT looks('INSERT INTO price (listing_id, created, value) SELECT i, month(24), 12 FROM generate_series(1, 100) i');
SELECT looks('DELETE FROM price WHERE listing_id = 6 AND created = month(24)');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(24), 13)');
COMMIT;
DROP TRIGGER touch ON listing;

-- many at once: those of each partition together
SELECT listing_stats.detach('listing', 'price');
SELECT FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at');
SELECT looks('INSERT INTO price (listing_id, created, value) SELECT i, month(24), i FROM generate_series(21, 80) i, generate_series(1, 3)');
SELECT looks('INSERT INTO price (listing_id, created, value) SELECT i, month(1), i FROM generate_series(21, 40) i');
SELECT looks('DELETE FROM price WHERE listing_id BETWEEN 30 AND 60 AND created >= month(23)');
SELECT looks_everywhere('DELETE FROM price WHERE listing_id BETWEEN 145 AND 160') AS all;
SELECT looks_everywhere('TRUNCATE price24') AS all;
SELECT count(last_price), sum(last_price), max(last_price_at), min(last_price_at) FROM listing;

-- one price in a default partition: no more of the others than of those in which its listing has prices
CREATE TABLE price_late PARTITION OF price DEFAULT;
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (2, month(30), 17)');
DROP TABLE price_late;

-- a default partition has prices of any time, and of none
SELECT listing_stats.detach('listing', 'price');
ALTER TABLE price DROP CONSTRAINT price_pkey;
ALTER TABLE price ALTER created DROP NOT NULL;
CREATE TABLE price_rest PARTITION OF price DEFAULT;
SELECT FROM listing_stats.attach('listing', 'price', tie => 'id', previous_price => 'previous_price', last_price_at => 'last_price_at');
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(24), 14), (1, NULL, 15), (1, month(-3), 16)');
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(30), 17), (1, month(30), 18)');
SELECT last_price, last_price_at, previous_price FROM listing WHERE id = 1;
SELECT looks('DELETE FROM price WHERE listing_id = 1 AND created >= month(24)');
SELECT looks_everywhere('INSERT INTO price (listing_id, created, value) VALUES (180, NULL, 15)') AS all;
SELECT last_price, last_price_at FROM listing WHERE id = 180;
SELECT listing_stats.detach('listing', 'price');
SELECT FROM listing_stats.attach('listing', 'price', tie => 'id', last_price_at => 'last_price_at');
SELECT looks('INSERT INTO price (listing_id, created, value) SELECT i, CASE WHEN i % 2 = 0 THEN month(31) ELSE month(23) END, i FROM generate_series(1, 40) i');
SELECT listing_stats.detach('listing', 'price');
SELECT FROM listing_stats.attach('listing', 'price', tie => 'id', previous_price => 'previous_price', last_price_at => 'last_price_at');
SELECT looks_everywhere('INSERT INTO price (listing_id, created, value) VALUES (180, month(-1), 16)') AS all;
SELECT last_price, last_price_at, previous_price FROM listing WHERE id = 180;
DROP TABLE price;

-- partitions of partitions: beside each other in time, those of other columns are mixed
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, listing_id int, region int, created date NOT NULL, value numeric) PARTITION BY RANGE (created);
CALL make_months('price', 1, 4, 'PARTITION BY HASH (id)');
SELECT format('CREATE TABLE price%s_%s PARTITION OF price%s FOR VALUES WITH (MODULUS 3, REMAINDER %s)', m, r, m, r) FROM unnest('{01,02,03,04}'::text[]) m, generate_series(0, 2) r \gexec
INSERT INTO price (listing_id, created, value) SELECT i, month(m), i * m FROM generate_series(1, 20) i, generate_series(1, 4) m;
SELECT way() FROM listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id', last_price_at => 'last_price_at', previous_price => 'previous_price');
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(4), 7)');
SELECT looks('INSERT INTO price (listing_id, created, value) SELECT i % 20 + 1, month(4), i FROM generate_series(1, 100) i');
SELECT looks('DELETE FROM price WHERE listing_id = 1 AND created >= month(4)');
SELECT looks_everywhere('DELETE FROM price WHERE listing_id = 1') AS all;
DROP TABLE price;

-- one column of the key twice
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, listing_id int, created date NOT NULL, value numeric) PARTITION BY RANGE (created);
CREATE TABLE price01 PARTITION OF price FOR VALUES FROM (MINVALUE) TO (MAXVALUE) PARTITION BY HASH (listing_id, listing_id);
SELECT format('CREATE TABLE price01_%s PARTITION OF price01 FOR VALUES WITH (MODULUS 3, REMAINDER %s)', r, r) FROM generate_series(0, 2) r \gexec
SELECT FROM listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id');
SELECT looks_everywhere('INSERT INTO price (listing_id, created, value) SELECT i, month(4), i FROM generate_series(1, 50) i') AS all;
SELECT count(*) FROM listing_stats.latest_prices('price', ARRAY(SELECT generate_series(1, 50)));
SELECT count(*) FROM listing_stats.latest_prices('price01', ARRAY(SELECT generate_series(1, 50)), key => 'listing_id', at => 'created', value => 'value');
DROP TABLE price;

-- by the key, of any type: the one
CREATE TYPE color AS ENUM ('red', 'green', 'blue');
CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE keyed (big bigint UNIQUE, small smallint UNIQUE, name varchar(20) UNIQUE, word text COLLATE ignoring_case UNIQUE, number numeric UNIQUE, day date UNIQUE, color color UNIQUE, uuid uuid UNIQUE);
INSERT INTO keyed SELECT i, i, 'n' || i, 'W' || i, i, date '2026-01-01' + i, (enum_range(NULL::color))[i], md5(i::text)::uuid FROM generate_series(1, 3) i;
-- Partitions by a column that is a key of keyed: how many writes of the key of row 2, which is "literal", look at.
CREATE PROCEDURE by_key(of text, type text, partitioning text, bounds text[], literal text) LANGUAGE plpgsql AS $$
DECLARE
    answer text := of || ', ' || partitioning || ':';
    one text;
BEGIN
    EXECUTE format('CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, k %s, created date NOT NULL, value numeric) PARTITION BY %s', type, partitioning);
    FOR i IN 1..array_length(bounds, 1) LOOP
        EXECUTE format('CREATE TABLE price_%s PARTITION OF price %s', i, bounds[i]);
    END LOOP;
    EXECUTE format('INSERT INTO price (k, created, value) SELECT %I, month(m), big * m FROM keyed, generate_series(1, 3) m', of);
    ALTER TABLE keyed ADD last_price numeric;
    PERFORM FROM listing_stats.attach('keyed', 'price', key => 'k', listing_key => of, tie => 'id');
    answer := answer || ' ' || way();
    FOREACH one IN ARRAY ARRAY[format('INSERT INTO price (k, created, value) VALUES (%L, month(4), 7)', literal),
        format('DELETE FROM price WHERE k = %L AND created > month(2)', literal), 'UPDATE keyed SET last_price = 0 WHERE big = 2'] LOOP
        COMMIT;
        answer := answer || ' ' || cardinality(string_to_array(looks(one), ' '));
    END LOOP;
    RAISE WARNING '%', answer;
    DROP TABLE price;
    ALTER TABLE keyed DROP last_price;
END $$;
SELECT ARRAY(SELECT format('FOR VALUES WITH (MODULUS 5, REMAINDER %s)', r) FROM generate_series(0, 4) r) AS hashes \gset
CALL by_key('big', 'int', 'HASH (k)', :'hashes', '2');
CALL by_key('big', 'smallint', 'LIST (k)', '{FOR VALUES IN (1), FOR VALUES IN (2), DEFAULT}', '2');
CALL by_key('small', 'bigint', 'RANGE (k)', '{FOR VALUES FROM (0) TO (2), FOR VALUES FROM (2) TO (3), FOR VALUES FROM (3) TO (10)}', '2');
CALL by_key('name', 'text', 'HASH (k)', :'hashes', 'n2');
CALL by_key('name', 'varchar(20)', 'LIST (k)', '{FOR VALUES IN (''n1''), FOR VALUES IN (''n2''), DEFAULT}', 'n2');
CALL by_key('word', 'text COLLATE ignoring_case', 'HASH (k)', :'hashes', 'w2');
CALL by_key('number', 'numeric', 'HASH (k)', :'hashes', '2.00');
CALL by_key('day', 'date', 'RANGE (k)', '{FOR VALUES FROM (MINVALUE) TO (''2026-01-03''), FOR VALUES FROM (''2026-01-03'') TO (''2026-01-04''), DEFAULT}', '2026-01-03');
CALL by_key('color', 'color', 'LIST (k)', '{FOR VALUES IN (''red''), FOR VALUES IN (''green''), DEFAULT}', 'green');
CALL by_key('uuid', 'uuid', 'HASH (k)', :'hashes', md5('2'));
-- a key that is in no partition's range, and one that the column of price cannot have
INSERT INTO keyed (big) VALUES (10000000000), (NULL);

-- keys of several columns, ranges of several, sub-partitions by time of lists of a column of the key
CREATE TABLE shop (region int, id int, PRIMARY KEY (region, id));
INSERT INTO shop SELECT i % 3, i FROM generate_series(1, 30) i;
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, shop_id int, created date NOT NULL, region int, value numeric) PARTITION BY RANGE (created, region, id);
CREATE TABLE price_1 PARTITION OF price FOR VALUES FROM (MINVALUE, MINVALUE, MINVALUE) TO ('2026-05-15', 1, 40);
CREATE TABLE price_2 PARTITION OF price FOR VALUES FROM ('2026-05-15', 1, 40) TO ('2026-05-15', 1, 50);
CREATE TABLE price_3 PARTITION OF price FOR VALUES FROM ('2026-05-15', 1, 60) TO ('2026-05-15', 1, MAXVALUE);
CREATE TABLE price_4 PARTITION OF price FOR VALUES FROM ('2026-05-15', 2, MINVALUE) TO ('2026-06-15', MAXVALUE, MAXVALUE);
CREATE TABLE price_rest PARTITION OF price DEFAULT;
INSERT INTO price (shop_id, created, region, value) SELECT id, month(5), region, id FROM shop;
SELECT FROM listing_stats.attach('shop', 'price', key => 'region, shop_id', listing_key => 'region, id', tie => 'id', last_price_at => 'last_price_at', previous_price => 'previous_price');
SELECT way();
-- ids 31 to 70, of one shop and one time: in price_1, price_2, the default partition and price_3
DO $$ BEGIN FOR i IN 31..70 LOOP PERFORM looks(format('INSERT INTO price (shop_id, created, region, value) VALUES (1, month(5), 1, %s)', i)); END LOOP; END $$;
SELECT looks_everywhere('DELETE FROM price WHERE id > 60 AND shop_id = 1 AND region = 1') AS all;
SELECT last_price, previous_price FROM shop WHERE (region, id) = (1, 1);
SELECT looks_everywhere('DELETE FROM price WHERE id IN (59, 55) AND shop_id = 1 AND region = 1') AS all;
SELECT looks_everywhere('DELETE FROM price WHERE id >= 40 AND shop_id = 1 AND region = 1') AS all;
SELECT last_price, previous_price FROM shop WHERE (region, id) = (1, 1);
SELECT looks('INSERT INTO price (shop_id, created, region, value) VALUES (2, month(6), 2, 7)');
DROP TABLE price;
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, shop_id int, created date NOT NULL, region int, value numeric, kind text) PARTITION BY LIST (region);
SELECT format('CREATE TABLE price%s PARTITION OF price FOR VALUES IN (%s) PARTITION BY RANGE (created)', r, r) FROM generate_series(0, 2) r \gexec
CALL make_months('price0', 1, 6);
CALL make_months('price1', 1, 6);
CALL make_months('price2', 1, 6);
INSERT INTO price (shop_id, created, region, value, kind) SELECT id, month(m), region, id * m, CASE WHEN m % 2 = 1 THEN 'ask' ELSE 'bid' END FROM shop, generate_series(1, 6) m;
SELECT FROM listing_stats.attach('shop', 'price', key => 'region, shop_id', listing_key => 'region, id', tie => 'id', condition => 'kind = ''ask''', last_price_at => 'last_ask_at', last_price => 'last_ask', carry => 'kind AS last_kind');
SELECT looks('INSERT INTO price (shop_id, created, region, value, kind) VALUES (1, month(6), 1, 7, ''ask'')');
SELECT looks('INSERT INTO price (shop_id, created, region, value, kind) VALUES (2, month(5), 2, 7, ''ask'')');
SELECT looks('UPDATE price SET kind = ''bid'' WHERE shop_id = 1 AND region = 1 AND created = month(6)');
DROP TABLE price;

-- rows of its own: one, several, new keys, keys that go
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, product int, created date NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
CALL make_months('price', 1, 12);
INSERT INTO price (product, created, value) SELECT i, month(m), i * m FROM generate_series(1, 20) i, generate_series(1, 12) m WHERE i <= 15 OR m <= 8;
SELECT FROM listing_stats.keep_latest('price', 'latest', 'product');
SELECT looks('INSERT INTO price (product, created, value) VALUES (1, month(12), 7)');
SELECT looks('INSERT INTO price (product, created, value) SELECT i % 10 + 1, month(12), i FROM generate_series(1, 100) i');
SELECT looks('INSERT INTO price (product, created, value) VALUES (30, month(12), 7)');
SELECT looks('INSERT INTO price (product, created, value) VALUES (31, month(12), 7), (2, month(11), 7)');
SELECT looks('INSERT INTO price (product, created, value) VALUES (16, month(7), 7)');
SELECT looks('DELETE FROM price WHERE product = 1 AND created >= month(11)');
SELECT looks_everywhere('DELETE FROM price WHERE product = 31 AND created = month(12)') AS all;
SELECT count(*) FROM latest;
DROP TABLE price;
DROP TABLE latest;

-- What is in no order goes by SQL, and so does what has prices in a partition without an index.
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, listing_id int, created date NOT NULL, value numeric) PARTITION BY RANGE (abs(listing_id));
CREATE TABLE price_1 PARTITION OF price FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE price_2 PARTITION OF price FOR VALUES FROM (100) TO (MAXVALUE);
SELECT FROM listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id', price_count => 'price_count');
SELECT way();
SELECT looks('INSERT INTO price (listing_id, created, value) SELECT i, month(12), i FROM generate_series(1, 200, 11) i');
DROP TABLE price;
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, listing_id int, created date NOT NULL, value numeric) PARTITION BY RANGE (created, value);
CREATE TABLE price_1 PARTITION OF price FOR VALUES FROM (MINVALUE, MINVALUE) TO ('2026-05-15', 10);
CREATE TABLE price_2 PARTITION OF price FOR VALUES FROM ('2026-05-15', 10) TO (MAXVALUE, MAXVALUE);
SELECT FROM listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id');
SELECT way();
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(5), 20), (1, month(5), 5)');
DROP TABLE price;
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, listing_id int, created date NOT NULL, value numeric) PARTITION BY RANGE (created);
CALL make_months('price', 1, 4);
SELECT FROM listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id', price_count => 'price_count');
DO $$ BEGIN EXECUTE (SELECT format('DROP INDEX %s', index) FROM listing_stats.attachments); END $$;
SELECT way();
SELECT format('CREATE INDEX ON price%s (listing_id, created DESC, id DESC)', m) FROM unnest('{01,03,04}'::text[]) m \gexec
INSERT INTO price (listing_id, created, value) SELECT i, month(4), i FROM generate_series(1, 100) i;
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(4), 7)');
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(4), 8), (2, month(4), 8), (101, month(1), 8), (3, month(4), 8)');
SELECT id, last_price, price_count FROM listing WHERE id IN (1, 2, 3, 101) ORDER BY id;
CREATE INDEX ON price02 (listing_id, created DESC, id DESC);
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (101, month(1), 9)');
DROP INDEX price04_listing_id_created_id_idx;
SELECT looks('INSERT INTO price (listing_id, created, value) VALUES (1, month(4), 9)');

-- P4: a listing that the owner's trigger deletes when the first of two attachments writes it; its price stays
DROP TABLE price, listing;
CREATE TABLE listing (id int PRIMARY KEY);
CREATE TABLE price (id int GENERATED ALWAYS AS IDENTITY, listing_id int, created date NOT NULL, asked numeric, value numeric) PARTITION BY RANGE (created);
CALL make_months('price', 1, 2);
SELECT FROM listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id', value => 'asked', last_price => 'last_asked', highest_price => 'highest_asked');
SELECT FROM listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id', value => 'value', last_price => 'last_price', previous_price => 'previous_price');
CREATE FUNCTION remove() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM listing WHERE id = NEW.id; RETURN NULL; END $$;
CREATE TRIGGER remove AFTER UPDATE OF last_asked ON listing FOR EACH ROW WHEN (NEW.id > 1) EXECUTE FUNCTION remove();
INSERT INTO listing VALUES (1), (2), (3);
SELECT looks('INSERT INTO price (listing_id, created, asked, value) VALUES (2, month(2), 7, 8)');
SELECT looks('INSERT INTO price (listing_id, created, asked, value) VALUES (1, month(2), 7, 8), (3, month(2), 7, 8)');
TABLE listing;

RESET SESSION AUTHORIZATION;
DROP SCHEMA many_partitions CASCADE;
