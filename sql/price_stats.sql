-- A price_distribution is a set of prices as one value: exact, stored, merged, compared and asked.
SET SESSION AUTHORIZATION regress_listing_stats;
SET search_path = public, listing_stats;

-- What it looks like
CREATE TABLE offers (shop text, day date, price numeric(10,2));
INSERT INTO offers VALUES ('a', '2026-01-01', 19.99), ('a', '2026-01-01', 20), ('a', '2026-01-02', 20), ('a', '2026-01-02', NULL),
	('b', '2026-01-01', 5.5), ('b', '2026-01-02', 21), ('b', '2026-01-02', 19.99);
CREATE TABLE daily AS SELECT shop, day, price_stats(price) AS prices FROM offers GROUP BY shop, day;
SELECT * FROM daily ORDER BY shop, day;
SELECT shop, price_stats_merge(prices) AS prices, median(price_stats_merge(prices)) FROM daily GROUP BY shop ORDER BY shop;
SELECT value_count(s), null_count(s), lowest(s), highest(s), total(s), mean(s), median(s), most_frequent(s) FROM (SELECT price_stats(price) FROM offers) p(s);
SELECT variance(s), variance_pop(s), stddev(s), stddev_pop(s) FROM (SELECT price_stats(price) FROM offers) p(s);
SELECT percentile(s, 0.9), percentiles(s, '{0,0.25,NULL,1}'), percentiles(s, '{{0.1,0.2},{0.3,0.4}}'), percent_rank(s, 20) FROM (SELECT price_stats(price) FROM offers) p(s);
SELECT summarize(s) FROM (SELECT price_stats(price) FROM offers) p(s);
SELECT s::json, s::jsonb, to_jsonb(s) = s::jsonb AS same, to_json(s)::text = s::json::text AS same_json FROM (SELECT price_stats(price) FROM offers) p(s);
SELECT row_to_json(r) FROM (SELECT '{NaN, 1}'::price_distribution AS prices) r;
SELECT s.* FROM (SELECT price_stats(price) FROM offers) p(h), histogram(h, 4) s;
SELECT '"' || sparkline(h) || '"', '"' || sparkline(h, 8) || '"' FROM (SELECT price_stats(price) FROM offers) p(h);
SELECT histogram_text(h, 4) FROM (SELECT price_stats(price) FROM offers) p(h);
SELECT median(price), percentile(price_stats(price), 0.25), percentile(price_stats(price), 1.0 / 4), percentile(price_stats(price), NULL) FROM offers;

-- No values, one value, only special ones
SELECT price_stats(price), price_stats_merge(NULL), median(price), percentile(price_stats(price), 0.5) FROM offers WHERE false;
SELECT s, value_count(s), null_count(s), lowest(s), highest(s), total(s), mean(s), median(s), most_frequent(s), variance(s), variance_pop(s), stddev(s), stddev_pop(s),
	percentile(s, 0.5), percentiles(s, '{0.5}'), percent_rank(s, 1), '"' || sparkline(s) || '"' AS sparkline, '"' || histogram_text(s) || '"' AS text, s::jsonb
FROM (VALUES ('{}'::price_distribution), ('{null*3}'), ('{7.50}'), ('{7.50*5}'), ('{NaN*2}'), ('{Infinity, -Infinity, 3}')) p(s) \gx
SELECT * FROM histogram('{0, 6000000000000000000, 9000000000000000000}', 3);
SELECT array_agg(count ORDER BY low), array_agg(low ORDER BY low) FROM histogram('{0, 0.1234567891, 60000000000, 90000000000}', 3);
SELECT high FROM histogram('{0, 10000000000000000000000000}', 3) LIMIT 1;
-- With more decimals than a quotient has
SELECT trim_scale(high), count FROM histogram('{0, 1, 2, 3, 1e-1000}', 3);
SELECT array_agg(count ORDER BY low), max(scale(high)) FROM histogram('{0, 1e-1500, 2e-1500, 3e-1500}', 3);
SELECT array_agg(count ORDER BY low) AS count, bool_and(high IN (-3e131071, 3e131071, 9e131071)) FROM histogram('{-9e131071, 1e-1000, 9e131071}', 3)
UNION ALL SELECT array_agg(count ORDER BY low), bool_and(high IN (3e131071, 6e131071, 9e131071)) FROM histogram('{0, 1e-1000, 9e131071}', 3);
SELECT array_agg(count ORDER BY low) FROM histogram('{-1e-16383, 0, 2e-16383}', 3);
SELECT count(*) FROM histogram('{}', 3);
SELECT count(*), sum(count) FROM histogram('{1, 2, 3*5}');
SELECT * FROM histogram('{NaN, Infinity, null, 3*7}', 3);
SELECT median(v), percentile(price_stats(v), 0.5) FROM (VALUES (NULL::numeric)) p(v);
SELECT median(NULL::price_distribution), percentile('{1}'::price_distribution, NULL), merge('{1}'::price_distribution, NULL), '{1}' + NULL::price_distribution;

-- Every type of price
SELECT price_stats(v), median(v), percentile(price_stats(v), 0.1), price_summary(v), price_stats_json(v) FROM generate_series(1, 4) v;
SELECT price_stats(v), median(v), percentile(price_stats(v), 0.1), price_summary(v), price_stats_json(v) FROM (VALUES (-9223372036854775808), (9223372036854775807), (NULL), (0)) p(v);
SELECT price_stats(v), median(v) FROM (VALUES (-2147483648), (2147483647)) p(v);
SELECT price_stats(v), median(v), percentile(price_stats(v), 0.1), price_summary(v), price_stats_json(v)
FROM (VALUES (0.1::float8), (0.2), ('-0'), ('NaN'), ('Infinity'), (1e22), (NULL)) p(v);
SELECT price_stats(v), median(v), percentile(price_stats(v), 0.1), price_summary(v), price_stats_json(v)
FROM (VALUES (0.1::real), (0.2), ('-0'), ('NaN'), ('Infinity'), (1e22), (NULL)) p(v);
SELECT highest(price_stats(v))::real = '3.4028235e38'::real AS greatest, lowest(price_stats(v))::real = '1e-45'::real AS least FROM (VALUES ('3.4028235e38'::real), ('1e-45')) p(v);
SELECT count(*), count(*) FILTER (WHERE m <> v::text::numeric) AS not_as_shown FROM (SELECT v, median(v) OVER (ORDER BY n ROWS CURRENT ROW) AS m
	FROM (SELECT n, ((random() - 0.5) * 10 ^ (random() * 60 - 30))::real AS v FROM generate_series(1, 5000) n) r) o;
SELECT price_stats(v) FROM (VALUES (0.1::float8 + 0.2::float8), (1e-7), (123456789012345680)) p(v);
SELECT highest(price_stats(v))::float8 = 1.7976931348623157e308, lowest(price_stats(v))::float8 = 5e-324 FROM (VALUES (1.7976931348623157e308::float8), (5e-324)) p(v);

-- As any aggregate
SELECT price_stats(price) FILTER (WHERE price > 19), price_stats(DISTINCT price), price_stats(price ORDER BY price DESC) FROM offers;
SELECT shop, price_stats(price), median(price), percentile(price_stats(price), 0.75) FROM offers GROUP BY ROLLUP (shop) ORDER BY shop;
SELECT day, price, price_stats(price) OVER w, median(price) OVER w, percentile(price_stats(price) OVER (ORDER BY day, price ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), 0.5) FROM offers
WINDOW w AS (ORDER BY day, price);
SELECT shop, price_stats_merge(prices) OVER (PARTITION BY shop ORDER BY day) FROM daily ORDER BY shop, day;

-- Merging, also beyond what one could count
SELECT '{1, 2, null}'::price_distribution + '{2.00, NaN}';
SELECT merge('{9223372036854775807}'::price_distribution, '{0.5}'), merge('{9223372036854775807}'::price_distribution, '{1}'), merge('{1e3}'::price_distribution, '{}');
WITH RECURSIVE doubled(n, s) AS (SELECT 0, '{19.99, 1e30}'::price_distribution UNION ALL SELECT n + 1, s + s FROM doubled WHERE n < 60)
SELECT value_count(s), total(s), mean(s), median(s), stddev_pop(s) FROM doubled WHERE n = 60;
WITH RECURSIVE doubled(n, s) AS (SELECT 0, '{19.99, 20.01}'::price_distribution UNION ALL SELECT n + 1, s + s FROM doubled WHERE n < 60)
SELECT s, total(s), mean(s), median(s), variance(s), stddev(s), s::jsonb FROM doubled WHERE n = 60;
SELECT '{1*3000000000000000000}'::price_distribution + '{1*3000000000000000000}';
SELECT '{1*3000000000000000000}'::price_distribution + '{2*3000000000000000000}';
SELECT '{null*3000000000000000000}'::price_distribution + '{null*3000000000000000000}';
SELECT price_stats_merge(s) FROM unnest('{"{1*4611686018427387903}","{2}"}'::price_distribution[]) s;
SELECT mean('{9e131071*1000000000000000000, -9e131071*1000000000000000000}') = 0 AS huge, total('{1e-16383*1000000000000000000}') = 1e-16365 AS tiny;
-- the squares of these are no numerics
SELECT stddev(price_stats(v))::text = stddev(v)::text AS same, stddev_pop(price_stats(v / 10))::text = stddev_pop(v / 10)::text AS same_pop
FROM (VALUES (1e70000), (-3e70000), (1e-9000)) p(v);
SELECT variance(price_stats(v))::text = variance(v)::text AS same FROM (VALUES (1e-9000), (0)) p(v);

-- Equality is of numbers, whatever their decimals and size; the hash with a seed is for the server alone
RESET SESSION AUTHORIZATION;
SELECT a = b AS equal, same(a, b), a <> b AS different, _price_distribution_hash(a) = _price_distribution_hash(b) AS same_hash,
	_price_distribution_hash(a, 5) = _price_distribution_hash(b, 5) AS same_extended_hash, _price_distribution_hash(a)::bit(32) = _price_distribution_hash(a, 0)::bit(32) AS low_half
FROM (VALUES ('{1.0, null}'::price_distribution, '{1.00, null}'::price_distribution), ('{1*2}', '{1, 1.000}'), ('{9223372036854775807, -3}', '{9223372036854775807.00, -3.0}'),
	('{}', '{null}'), ('{1}', '{1*2}'), ('{1, 2}', '{1, 3}'), ('{NaN}', '{Infinity}'), ('{1e40}', '{1e40}'), ('{0, 1e40}', '{-0.000, 1e40}')) p(a, b);
SET SESSION AUTHORIZATION regress_listing_stats;
SELECT s, count(*) FROM unnest('{"{1.0}","{2}","{1.00}","{2, 3}","{}"}'::price_distribution[]) s GROUP BY s ORDER BY s;
SELECT count(DISTINCT s), min(total(s)) FROM unnest('{"{1.0}","{2}","{1.00}"}'::price_distribution[]) s;
SET enable_hashjoin = off;
SELECT count(*) FROM daily a JOIN daily b ON a.prices = b.prices;
SET enable_hashjoin = on;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT count(*) FROM daily a JOIN daily b ON a.prices = b.prices;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_nestloop;
CREATE INDEX ON daily (prices);
SELECT count(*) FROM (SELECT a, b, c, (a < b) AND (b < c) AND NOT a < c AS wrong, (a < b)::int + (a = b)::int + (a > b)::int <> 1 OR (a <= b) <> (NOT b < a) OR (a >= b) <> (b <= a) AS odd
	FROM unnest('{"{}","{1}","{1.0*2}","{1e40}","{NaN}","{-Infinity,1}","{null}","{0.1}"}'::price_distribution[]) a, unnest('{"{}","{1.00}","{1*2}","{1e40}","{0.5}"}'::price_distribution[]) b,
		unnest('{"{}","{2}","{1e41}","{null*2}"}'::price_distribution[]) c) t WHERE wrong OR odd;

-- Stored: at most two bytes for a price
CREATE TABLE stored AS SELECT price_stats((i * 7919 % 1000003 / 100.0)::numeric(10,2)) AS s, price_stats((i % 50000 / 100.0)::numeric(10,2)) AS t FROM generate_series(1, 200000::bigint) i;
SELECT pg_column_size(s) < 2 * value_count(s) AS sparse, pg_column_size(t) < 0.5 * value_count(t) AS dense, median(s), median(t) FROM stored;
SELECT value_count(s + t), median(s + t) FROM stored;

-- One number of many decimals does not make the text of all others long, and that text is read as the same
CREATE TABLE tiny AS SELECT price_stats(v) AS s, price_stats(v) + '{-7.0, 1e30}' AS t FROM (SELECT i::numeric FROM generate_series(1, 70000) i UNION ALL SELECT 1e-16383) x(v);
SELECT length(s::text) < 600000 AS short, s::text::price_distribution = s AS same, s::text::price_distribution::text = s::text AS same_text, scale(lowest(s::text::price_distribution)),
	length(t::text) < 600000 AS short, t::text::price_distribution = t AS same, t::text::price_distribution::text = t::text AS same_text, scale(lowest(t::text::price_distribution)) FROM tiny;
SELECT '{1.5, 1e30, 2.50*2, 7}'::price_distribution, '{1e30}'::price_distribution + '{1.00}' + '{2.000}', '{2.000}'::price_distribution + '{1.00}' + '{1e30}';

-- Large groups, small ones, and one that becomes large
CREATE TABLE numbers AS SELECT i, (i * 7919 % 100003 / 100.0)::numeric(10,2) AS v FROM generate_series(1, 100000::bigint) i;
SELECT median(v), percentile(price_stats(v), 0.9), value_count(price_stats(v)), (price_summary(v)).stddev,
	(SELECT (percentile_cont(0.9) WITHIN GROUP (ORDER BY v))::numeric FROM numbers) AS p90, (SELECT stddev(v) FROM numbers) AS expected_stddev FROM numbers;
SELECT count(*), count(*) FILTER (WHERE median(s) = m AND value_count(s) = n) AS right_ones
FROM (SELECT price_stats(v) AS s, median(v) AS m, count(v) AS n FROM numbers GROUP BY i % 1000, i > 99000) g;
SELECT total(price_stats(CASE WHEN i = 99999 THEN 1e30 ELSE v END)) - sum(CASE WHEN i = 99999 THEN 1e30 ELSE v END) AS difference,
	median(CASE WHEN i = 99999 THEN 1e30 ELSE v END), percentile(price_stats(CASE WHEN i = 60000 THEN 'NaN' ELSE v END), 1) FROM numbers;
SELECT price_stats_merge(s) = (SELECT price_stats(v) FROM numbers) AS merged, count(*) FROM (SELECT price_stats(v) AS s FROM numbers GROUP BY i % 777) g;
SELECT price_stats_merge(s) = (SELECT price_stats(v) FROM numbers, generate_series(1, 3)) AS merged FROM (SELECT price_stats(v) AS s FROM numbers GROUP BY i % 7) g, generate_series(1, 3);

-- What repeats is compacted before it takes more than 32 MB, and goes on growing; the view of a backend's memory is not for everybody
RESET SESSION AUTHORIZATION;
SELECT s = (SELECT ('{' || string_agg(v || '*9000', ',') || '}')::price_distribution FROM generate_series(0, 999) v) AS same, total_bytes < 50000000 AS compact
FROM (SELECT price_stats(v) AS s, (SELECT max(total_bytes) FROM pg_backend_memory_contexts WHERE name = 'listing_stats distribution') AS total_bytes
	FROM (SELECT generate_series(1, 9000000) % 1000 AS v) g) t;
WITH RECURSIVE doubled(n, s) AS (SELECT 0, price_stats(v) FROM numbers UNION ALL SELECT n + 1, s + s FROM doubled WHERE n < 6)
SELECT s = (SELECT price_stats_merge(s) FROM doubled WHERE n IN (2, 5, 6)) AS same, total(s) = 100 * (SELECT sum(v) FROM numbers) AS total, total_bytes < 50000000 AS compact
FROM (SELECT price_stats_merge(s) AS s, (SELECT max(total_bytes) FROM pg_backend_memory_contexts WHERE name = 'listing_stats distribution') AS total_bytes
	FROM (SELECT price_stats(v) AS s FROM numbers) whole, generate_series(1, 100)) t;
SET SESSION AUTHORIZATION regress_listing_stats;

-- Hostile distributions, where most values lie in one place
SELECT kind, median(v) = (percentile_disc(0.5) WITHIN GROUP (ORDER BY v)) AS median, percentile(price_stats(v), 0.99) = (percentile_disc(0.99) WITHIN GROUP (ORDER BY v)) AS percentile,
	(price_summary(v)).q1 = (percentile_disc(0.25) WITHIN GROUP (ORDER BY v)) AS q1, (price_summary(v)).max = max(v) AS max, (price_summary(v)).stddev = stddev(v) AS stddev
FROM (SELECT 'one far out' AS kind, CASE WHEN i = 500 THEN 92233720368547758.07 ELSE v END AS v FROM numbers WHERE i <= 50001
	UNION ALL SELECT 'all equal', 5.55 FROM numbers WHERE i <= 50001
	UNION ALL SELECT 'descending', -i FROM numbers WHERE i <= 50001
	UNION ALL SELECT 'two heaps', CASE WHEN i % 2 = 0 THEN -9e15 ELSE 9e15 END + i % 3 FROM numbers WHERE i <= 50001
	UNION ALL SELECT 'every size', 10::numeric ^ (i % 15) + i FROM numbers WHERE i <= 50001) h GROUP BY kind ORDER BY kind;

-- Random and hostile sets against PostgreSQL's aggregates; LISTING_STATS_SEED is the seed, which is shown where something differs
CREATE FUNCTION exact_percentile(sorted numeric[], p numeric) RETURNS numeric LANGUAGE sql AS $$
	SELECT CASE WHEN part = 0 THEN sorted[low] ELSE sorted[low] + (sorted[low + 1] - sorted[low]) * part END
	FROM (SELECT 1 + floor(place)::int AS low, place - floor(place) AS part FROM (SELECT (cardinality(sorted) - 1) * p AS place) a) b
$$;
CREATE FUNCTION number_of(kind text) RETURNS numeric LANGUAGE sql VOLATILE AS $$
	SELECT CASE kind
		WHEN 'price' THEN round((random() * 500)::numeric, 2)
		WHEN 'mixed' THEN round((random() * 2000 - 1000)::numeric, (random() * 6)::int)
		WHEN 'few' THEN (random() * 3)::int * 1.10
		WHEN 'limits' THEN (ARRAY[9223372036854775807, 9223372036854775808, -9223372036854775808, 922337203685477580.7, 0.000000000000000001, 1.10, 0])[1 + (random() * 6)::int]
		WHEN 'wide' THEN ((random() * 20 - 10)::numeric * (10::numeric ^ (random() * 60 - 30)::int))
		WHEN 'special' THEN (ARRAY['NaN', 'Infinity', '-Infinity', 1.5, 2, 3]::numeric[])[1 + (random() * 5)::int]
		WHEN 'extreme' THEN (ARRAY['1e-16383', '9e65000', '-9e65000', '0', '1e100', '-1e-16383']::numeric[])[1 + (random() * 5)::int]
	END
$$;
\getenv seed LISTING_STATS_SEED
\if :{?seed}
\else
SELECT (random() * 1e6)::int AS seed \gset
\endif
SELECT setseed(:seed % 1000000 / 1e6);
CREATE FUNCTION numbers_of(kind text, n int) RETURNS numeric[] LANGUAGE sql VOLATILE AS $$
	SELECT array_agg(CASE WHEN random() < 0.1 THEN NULL ELSE number_of(kind) END) FROM generate_series(1, n)
$$;
CREATE TABLE sets AS SELECT kind, (random() * 1000)::int / 1000.0 AS p, numbers_of(kind, 1 + floor(20 * random() ^ 2)::int) AS v
FROM unnest('{price,mixed,few,limits,wide,special}'::text[]) kind, generate_series(1, 250) n;
INSERT INTO sets SELECT 'extreme', (random() * 10)::int / 10.0, numbers_of('extreme', 1 + n % 4) FROM generate_series(1, 20) n;
CREATE FUNCTION difference(v numeric[], p numeric) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s price_distribution;
	e record;
	sorted numeric[];
	half price_distribution;
BEGIN
	SELECT price_stats(x) INTO s FROM unnest(v) x;
	SELECT array_agg(x ORDER BY x) INTO sorted FROM unnest(v) x WHERE x IS NOT NULL;
	SELECT count(x), count(*) - count(x) AS nulls, min(x), max(x), avg(x)::text AS avg, var_samp(x)::text AS var_samp, var_pop(x)::text AS var_pop,
		stddev_samp(x)::text AS stddev_samp, stddev_pop(x)::text AS stddev_pop, mode() WITHIN GROUP (ORDER BY x) AS mode, percentile_disc(p) WITHIN GROUP (ORDER BY x) AS disc,
		percent_rank(v[1]) WITHIN GROUP (ORDER BY x) FILTER (WHERE x IS NOT NULL) AS percent_rank
	INTO e FROM unnest(v) x;
	IF (value_count(s), null_count(s)) IS DISTINCT FROM (e.count, e.nulls) THEN RETURN 'counts'; END IF;
	IF (lowest(s), highest(s)) IS DISTINCT FROM (e.min, e.max) THEN RETURN 'extremes'; END IF;
	IF (mean(s)::text, variance(s)::text, variance_pop(s)::text, stddev(s)::text, stddev_pop(s)::text)
		IS DISTINCT FROM (e.avg, e.var_samp, e.var_pop, e.stddev_samp, e.stddev_pop) THEN RETURN 'sums'; END IF;
	BEGIN
		IF total(s)::text IS DISTINCT FROM (SELECT sum(x)::text FROM unnest(v) x) THEN RETURN 'total'; END IF;
	EXCEPTION WHEN numeric_value_out_of_range THEN NULL;
	END;
	IF percentile(s, p) IS DISTINCT FROM exact_percentile(sorted, p) THEN RETURN 'percentile'; END IF;
	IF (SELECT median(x) FROM unnest(v) x) IS DISTINCT FROM exact_percentile(sorted, 0.5) OR median(s) IS DISTINCT FROM percentile(s, 0.5) THEN RETURN 'median'; END IF;
	IF (SELECT count(*) FROM unnest(v) x WHERE x = most_frequent(s)) IS DISTINCT FROM (SELECT count(*) FROM unnest(v) x WHERE x = e.mode) THEN RETURN 'mode'; END IF;
	IF v[1] IS NOT NULL AND percent_rank(s, v[1]) IS DISTINCT FROM e.percent_rank THEN RETURN 'percent_rank'; END IF;
	IF s::text::price_distribution <> s OR s::text::price_distribution::text <> s::text THEN RETURN 'text'; END IF;
	IF (SELECT coalesce(sum(h.count), 0) FROM histogram(s, 7) h) <> (SELECT count(*) FROM unnest(v) x WHERE x BETWEEN '-9e131071' AND '9e131071') THEN RETURN 'histogram'; END IF;
	IF EXISTS (SELECT FROM (SELECT h.*, row_number() OVER () AS i, count(*) OVER () AS n FROM histogram(s, 5) h) h
		WHERE count <> (SELECT count(*) FROM unnest(v) x WHERE x >= low AND (x < high OR i = n AND x = high))) THEN RETURN 'buckets'; END IF;
	SELECT price_stats(x) INTO half FROM unnest(v[:cardinality(v) / 2]) x;
	IF half + (SELECT price_stats(x) FROM unnest(v[cardinality(v) / 2 + 1:]) x) <> s THEN RETURN 'merge'; END IF;
	IF (SELECT price_stats(x) FROM unnest(v) x) <> (SELECT price_stats(x ORDER BY x DESC) FROM unnest(v) x) THEN RETURN 'order'; END IF;
	IF s <> (SELECT price_stats(CASE WHEN scale(x) < 16000 AND random() < 0.5 THEN x + 0.000 ELSE x END) FROM unnest(v) x)
		OR _price_distribution_hash(s) <> (SELECT _price_distribution_hash(price_stats(CASE WHEN scale(x) < 16000 THEN x + 0.00000000000000000000 ELSE x END)) FROM unnest(v) x) THEN RETURN 'equality'; END IF;
	IF s = (SELECT price_stats(x) FROM unnest(v || 77.123) x) THEN RETURN 'inequality'; END IF;
	RETURN NULL;
END $$;
SELECT kind, count(*) AS sets, count(difference) AS differences, min(difference || ': ' || left(v::text, 200)) AS first, CASE WHEN count(difference) > 0 THEN :seed END AS seed
FROM (SELECT kind, v, difference(v, p) FROM sets) s GROUP BY kind ORDER BY kind;

-- Integers and doubles: the same as their decimals
CREATE FUNCTION bits(v float8) RETURNS bytea LANGUAGE sql AS 'SELECT float8send(CASE WHEN v = 0 THEN 0 ELSE v END)';
SELECT *, CASE WHEN bigint_differs + bigint_stddev_differs + integer_differs > 0 THEN :seed END AS seed FROM (
SELECT count(*) AS sets,
	count(*) FILTER (WHERE (SELECT price_summary(x)::text FROM unnest(i) x) <> (SELECT price_summary(x::numeric)::text FROM unnest(i) x)) AS bigint_differs,
	count(*) FILTER (WHERE (SELECT (price_summary(x)).stddev::text FROM unnest(i) x) <> (SELECT stddev(x)::text FROM unnest(i) x)) AS bigint_stddev_differs,
	count(*) FILTER (WHERE (SELECT price_stats(x::int) FROM unnest(i) x WHERE x::int8 BETWEEN -2147483648 AND 2147483647) <> (SELECT price_stats(x) FROM unnest(i) x WHERE x BETWEEN -2147483648 AND 2147483647)) AS integer_differs
FROM (SELECT array_agg(CASE (random() * 5)::int WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808 WHEN 2 THEN (random() * 9e18)::bigint ELSE (random() * 100)::bigint END)
	FROM generate_series(1, 3000) n GROUP BY n % 300) s(i)) t;
SELECT *, CASE WHEN extremes_differ + percentile_differs + sums_differ > 0 THEN :seed END AS seed FROM (
SELECT kind, count(*) AS sets,
	count(*) FILTER (WHERE bits(s.min::float8) <> bits(e.min) OR bits(s.max::float8) <> bits(e.max) OR s.count <> e.count) AS extremes_differ,
	count(*) FILTER (WHERE bits(percentile(d, 0.5)::float8) <> bits(e.disc)) AS percentile_differs,
	count(*) FILTER (WHERE abs(s.mean::float8 - e.avg) > 1e-12 * e.size OR abs(s.q1::float8 - e.q1) > 1e-12 * e.size OR abs(s.stddev::float8 - e.stddev) > 1e-6 * e.size OR abs(s.sum::float8 - e.sum) > 1e-11 * e.size) AS sums_differ
FROM (SELECT kind, array_agg(CASE kind WHEN 'price' THEN round(random() * 50000) / 100 WHEN 'any' THEN random() * 500 WHEN 'tiny' THEN random() * 1e-140 ELSE (random() - 0.5) * 10 ^ (random() * 300 - 150) END) AS v
		FROM unnest('{price,any,tiny,every size}'::text[]) kind, generate_series(1, 1500) n GROUP BY kind, n % 100) sets,
	LATERAL (SELECT price_stats(x) AS d, (price_summary(x)).*, count(x) AS n FROM unnest(v) x) s,
	LATERAL (SELECT count(x), min(x), max(x), avg(x), sum(x), stddev(x), max(abs(x)) AS size, percentile_disc(0.5) WITHIN GROUP (ORDER BY x) AS disc, percentile_cont(0.25) WITHIN GROUP (ORDER BY x) AS q1 FROM unnest(v) x) e
GROUP BY kind) t ORDER BY kind;

-- Every kind of frame says what its rows say by themselves
CREATE TABLE framed AS SELECT i AS id, i * i % 23 AS x, CASE WHEN i % 7 > 0 THEN (i * 31 % 17) / 4.0 END AS v, '2026-01-01'::timestamptz + i * 7919 % 31 * interval '1 h' AS at FROM generate_series(1, 60) i;
CREATE FUNCTION frames_differ(frame text, OUT frames int, OUT sizes int, OUT different int) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*), count(DISTINCT coalesce(cardinality(ids), 0)), count(*) FILTER (WHERE (s::text, m, j, l) IS DISTINCT FROM
			(SELECT (price_stats(v)::text, median(v), price_stats_json(v), latest(v, at)) FROM framed WHERE id = ANY (ids)))
		FROM (SELECT array_agg(id) OVER w AS ids, price_stats(v) OVER w AS s, median(v) OVER w AS m, price_stats_json(v) OVER w AS j, latest(v, at) OVER w AS l
			FROM framed WINDOW w AS (ORDER BY x %s)) f', frame) INTO frames, sizes, different;
END $$;
SELECT frame, exclusion, d.* FROM unnest(ARRAY['ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING', 'ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW', 'RANGE BETWEEN 3 PRECEDING AND 2 FOLLOWING', 'RANGE BETWEEN UNBOUNDED PRECEDING AND 4 PRECEDING',
	'RANGE BETWEEN 1 FOLLOWING AND 2 FOLLOWING', 'GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING', 'GROUPS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING']) WITH ORDINALITY f(frame, i),
	unnest('{"",EXCLUDE CURRENT ROW,EXCLUDE GROUP,EXCLUDE TIES}'::text[]) exclusion, frames_differ(frame || ' ' || exclusion) d ORDER BY i, exclusion;

-- Grouping sets, hashed in so little memory that groups are put aside, say what they say sorted
CREATE FUNCTION plan_of(query text, OUT plan text) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		plan := concat_ws(', ', plan, substring(line FROM '(Mixed|Hash|Group)Aggregate'), CASE WHEN line ~ 'Disk Usage' THEN 'spills' END);
	END LOOP;
END $$;
PREPARE of_groups AS SELECT i % 6007 AS a, i % 7 AS b, price_stats(v), median(v), latest(v, at), earliest(v, at, i)
	FROM (SELECT i, v, '2026-01-01'::timestamptz + i * 7919 % 10007 * interval '1 h' AS at FROM numbers WHERE i <= 20000) n GROUP BY GROUPING SETS ((i % 6007), (i % 7), ());
SET plan_cache_mode = force_generic_plan;
SET enable_hashagg = off;
SELECT plan_of('EXECUTE of_groups');
CREATE TABLE sorted_groups AS EXECUTE of_groups;
RESET enable_hashagg;
SET enable_sort = off;
-- it is planned with more memory than it then has
SET work_mem = '100MB';
DISCARD PLANS;
SELECT plan_of('EXECUTE of_groups');
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT plan_of('EXECUTE of_groups');
CREATE TABLE hashed_groups AS EXECUTE of_groups;
RESET plan_cache_mode;
RESET enable_sort;
RESET work_mem;
RESET hash_mem_multiplier;
DEALLOCATE of_groups;
SELECT (SELECT count(*) FROM sorted_groups) AS sorted, (SELECT count(*) FROM hashed_groups) AS hashed,
	(SELECT count(*) FROM (SELECT s::text FROM sorted_groups s EXCEPT ALL SELECT h::text FROM hashed_groups h) d) AS different;

-- Parallel workers give the same
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE one_process AS SELECT price_stats(v) AS s, median(v), price_stats_merge(price_stats) AS m FROM numbers, (SELECT '{1}'::price_distribution AS price_stats) o;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION uses_workers(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line ~ 'Partial .*Aggregate' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT uses_workers('SELECT price_stats(v), median(v) FROM numbers');
SELECT p.s = one_process.s AS stats, p.median = one_process.median AS median
FROM one_process, (SELECT price_stats(v) AS s, median(v) FROM numbers) p;
SELECT count(*), count(*) FILTER (WHERE median(s) = m AND value_count(s) = 20) AS right_ones
FROM (SELECT price_stats(v) AS s, median(v) AS m FROM numbers GROUP BY i % 5000) g;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- Errors
SELECT percentile('{1}'::price_distribution, 1.1);
SELECT percentile('{1}'::price_distribution, 'NaN');
SELECT percentile('{}'::price_distribution, -0.1);
SELECT percentiles('{1}', '{0.5,2}');
SELECT histogram('{1,2}', 0);
SELECT sparkline('{1,2}'::price_distribution, 100001);
\set SHOW_CONTEXT never
SELECT histogram_text('{1,2}', 0);
SELECT histogram_text('{1,2}', 2147483647);
SELECT histogram_text('{9e131071, -9e131071}', 100000);
SELECT length(histogram_text('{9e131071*7}', 100000)), histogram_text('{9223372036854775807*4000000000000000000, 9223372036854775807.5*300000000000000000, -1}', 3);
-- a statement that takes long can be stopped
SELECT clock_timestamp() AS start \gset
SET statement_timeout = '1s';
SELECT length(histogram_text('{9e131071, -9e131071}', 4000));
RESET statement_timeout;
\unset SHOW_CONTEXT
SELECT clock_timestamp() - :'start' < '20 s' AS stopped;
