SELECT (SELECT count(*) FROM myapp_listing) AS listings, count(*) AS prices, count(value) AS known,
	min(created)::date AS first, max(created)::date AS last
FROM myapp_price;

\echo '-- One statement, once:'
\o /dev/null
SELECT * FROM listing_stats.attach('myapp_listing', 'myapp_price');
\o

SELECT id, description, city, last_price FROM myapp_listing WHERE id IN (7, 42, 146, 150) ORDER BY id;
