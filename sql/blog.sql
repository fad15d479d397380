-- The origin's whole story, on its own schema: what took one query per listing and a column kept by
-- hand is a call and a statement.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA blog;
SET search_path = blog;
SET timezone = 'UTC';

CREATE TABLE myapp_listing (id bigserial PRIMARY KEY, url varchar(200) NOT NULL UNIQUE, description text NOT NULL);
CREATE TABLE myapp_price (id bigserial PRIMARY KEY, created timestamptz NOT NULL, value numeric(10,2) NULL,
                          listing_id bigint NOT NULL REFERENCES myapp_listing DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX ON myapp_price (listing_id);
INSERT INTO myapp_listing (url, description) SELECT 'https://example.org/' || i, CASE i % 2 WHEN 0 THEN 'bike ' ELSE 'tent ' END || i FROM generate_series(1, 8) i;
INSERT INTO myapp_price (created, value, listing_id)
SELECT timestamptz '2026-01-01 00:00Z' + n * interval '1 day', l * 10 + n, l FROM generate_series(1, 6) l, generate_series(1, 3) n;
-- 7: the latest price is unknown; 8: none at all; 5: two of the same moment
INSERT INTO myapp_price (created, value, listing_id) VALUES ('2026-01-01 00:00Z', 70, 7), ('2026-01-02 00:00Z', NULL, 7), ('2026-01-04 00:00Z', 59, 5), ('2026-01-04 00:00Z', 58.50, 5);

-- the naive way, and the truth: listing.prices.order_by('-created')[0]
CREATE VIEW naive AS
SELECT l.id, l.description, (SELECT p.value FROM myapp_price p WHERE p.listing_id = l.id ORDER BY p.created DESC, p.id DESC LIMIT 1) AS last_price
FROM myapp_listing l;

-- the data migration
SELECT listing, last_price FROM listing_stats.attach('myapp_listing', 'myapp_price');
SELECT id, description, last_price FROM myapp_listing ORDER BY id;
SELECT count(*) AS differs FROM (SELECT id, description, last_price FROM myapp_listing EXCEPT ALL TABLE naive) d;

-- statistics of a filtered subset; what has no price is not counted
SELECT (listing_stats.price_summary(last_price)).* FROM myapp_listing WHERE description LIKE 'tent%';
SELECT count(last_price) AS count, min(last_price), max(last_price), round(avg(last_price), 6) AS mean, percentile_cont(0.5) WITHIN GROUP (ORDER BY last_price) AS median
FROM naive WHERE description LIKE 'tent%';
SELECT listing_stats.price_stats_json(last_price) FROM myapp_listing WHERE description LIKE 'bike%';
SELECT listing_stats.price_stats_json(last_price) FROM myapp_listing WHERE description LIKE 'nothing%';

-- the application goes on as before: a new price, in Django's way, deferred and explicit
BEGIN;
INSERT INTO myapp_price (listing_id, created, value) VALUES (8, '2026-02-01 00:00Z', 80.00) RETURNING id > 0 AS saved;
SELECT last_price FROM myapp_listing WHERE id = 8;
COMMIT;
-- a stale object saved whole does no harm
UPDATE myapp_listing SET url = 'https://example.org/8', description = 'bike 8, red', last_price = NULL WHERE id = 8;
SELECT description, last_price FROM myapp_listing WHERE id = 8;
-- loaddata: prices before their listings, in one transaction
BEGIN;
INSERT INTO myapp_price (id, listing_id, created, value) VALUES (1000, 100, '2026-01-01 00:00Z', 5), (1001, 100, '2026-01-02 00:00Z', 6);
INSERT INTO myapp_listing (id, url, description, last_price) VALUES (100, 'https://example.org/100', 'tent 100', 1);
COMMIT;
SELECT last_price FROM myapp_listing WHERE id = 100;
-- deleting as Django does, and flush
BEGIN;
DELETE FROM myapp_price WHERE listing_id IN (100, 8);
DELETE FROM myapp_listing WHERE id IN (100, 8);
COMMIT;
SELECT count(*) AS differs FROM (SELECT id, description, last_price FROM myapp_listing EXCEPT ALL TABLE naive) d;

-- the page, in one statement: count, statistics of all that the filter leaves, nested prices
WITH filtered AS MATERIALIZED (
    SELECT id, url, description, last_price FROM myapp_listing WHERE description LIKE 'tent%'
), page AS (
    SELECT * FROM filtered ORDER BY id LIMIT 2 OFFSET 1
)
SELECT jsonb_pretty(json_build_object(
    'count', (SELECT count(*) FROM filtered),
    'statistics', (SELECT listing_stats.price_stats_json(last_price) FROM filtered),
    'results', (
        SELECT coalesce(json_agg(json_build_object(
                   'id', page.id, 'url', page.url, 'description', page.description,
                   'last_price', page.last_price, 'prices', history.prices) ORDER BY page.id), '[]')
        FROM page CROSS JOIN LATERAL (
            SELECT coalesce(json_agg(json_build_object('created', p.created, 'value', p.value)
                                     ORDER BY p.created DESC, p.id DESC), '[]') AS prices
            FROM myapp_price p WHERE p.listing_id = page.id) AS history))::jsonb) AS page;

TRUNCATE myapp_price, myapp_listing RESTART IDENTITY;
INSERT INTO myapp_listing (url, description) VALUES ('https://example.org/1', 'again');
INSERT INTO myapp_price (listing_id, created, value) VALUES (1, '2026-01-01 00:00Z', 1);
SELECT id, last_price FROM myapp_listing;

SET client_min_messages = warning;
DROP SCHEMA blog CASCADE;
