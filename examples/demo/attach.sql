\echo '-- Listings, and a row for each time that a price was looked at:'
SELECT (SELECT count(*) FROM myapp_listing) AS listings, count(*) AS prices, count(value) AS known,
	min(created)::date AS first, max(created)::date AS last
FROM myapp_price;

\echo '-- One statement, once.  It returns what it has found in the tables:'
SELECT key, at, tie, value, last_price FROM listing_stats.attach('myapp_listing', 'myapp_price');

\echo '-- From now on the listings have their latest price:'
SELECT id, description, city, last_price FROM myapp_listing WHERE id IN (7, 42, 146, 150) ORDER BY id;
