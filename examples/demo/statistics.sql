\echo '-- Of any set of listings, in one pass:'
SELECT filter, count, nulls, min, q1, median, q3, max, round(mean, 2) AS mean, round(stddev, 2) AS stddev
FROM (
	SELECT 'in Zurich' AS filter, (listing_stats.price_summary(last_price)).*
	FROM myapp_listing WHERE city = 'Zurich'
	UNION ALL
	SELECT 'bikes', (listing_stats.price_summary(last_price)).*
	FROM myapp_listing WHERE description LIKE '%bike%'
) s;

\echo '-- The latest prices of all listings:'
SELECT (n - 1) * 75 AS "from", n * 75 AS below, count(id) AS listings, repeat('#', count(id)::int) AS histogram
FROM generate_series(1, 8) n LEFT JOIN myapp_listing ON width_bucket(last_price, 0, 600, 8) = n
GROUP BY n ORDER BY n;
