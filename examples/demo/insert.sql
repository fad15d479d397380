\echo '-- A new price, seen in the same transaction:'
BEGIN;
INSERT INTO myapp_price (listing_id, created, value) VALUES (7, '2025-12-01 12:00Z', 19.99);
SELECT last_price FROM myapp_listing WHERE id = 7;
COMMIT;

\echo '-- A price of last year, found only now, is not the latest:'
INSERT INTO myapp_price (listing_id, created, value) VALUES (7, '2024-12-01 12:00Z', 99.99);
SELECT last_price FROM myapp_listing WHERE id = 7;

\echo '-- The new price was a mistake:'
DELETE FROM myapp_price WHERE listing_id = 7 AND created = '2025-12-01 12:00Z';
SELECT last_price FROM myapp_listing WHERE id = 7;

\echo '-- Rows of which the column is not what the history says:'
SELECT count(*) AS wrong FROM listing_stats.verify('myapp_listing', 'myapp_price');
