-- Statistics of a set of prices are exact: each equals PostgreSQL's own aggregate to the last digit.
SET SESSION AUTHORIZATION regress_listing_stats;

-- What they look like
SELECT (listing_stats.price_summary(v)).* FROM (VALUES (19.99), (20.00), (NULL), (5.5), (21)) p(v);
SELECT jsonb_pretty(listing_stats.price_stats_json(v)) FROM (VALUES (19.99), (20.00), (NULL), (5.5), (21)) p(v);
SELECT jsonb_pretty(listing_stats.price_stats_json(v)) FROM (VALUES (19.99), ('NaN'), ('-Infinity')) p(v);

-- No rows, only NULLs, one value, one value many times
SELECT (listing_stats.price_summary(v)).* FROM (VALUES (1.0)) p(v) WHERE false;
SELECT listing_stats.price_stats_json(v) FROM (VALUES (1.0)) p(v) WHERE false;
SELECT (listing_stats.price_summary(NULL)).* FROM generate_series(1, 3);
SELECT listing_stats.price_stats_json(NULL) FROM generate_series(1, 3);
SELECT (listing_stats.price_summary(7.50)).*;
SELECT (listing_stats.price_summary(7.50)).* FROM generate_series(1, 5);
SELECT listing_stats.price_summary(v) FROM (VALUES (1.0)) p(v) WHERE false GROUP BY v;

-- NaN and infinities order as numeric orders them; between infinities no percentile is a number
SELECT listing_stats.price_summary(v::numeric) FROM unnest('{NaN,Infinity,-Infinity,1,2}'::text[]) v;
SELECT listing_stats.price_summary(v::numeric) FROM unnest('{Infinity,Infinity}'::text[]) v;
SELECT listing_stats.price_summary(v::numeric) FROM unnest('{-Infinity}'::text[]) v;
SELECT listing_stats.price_summary(v::numeric) FROM unnest('{-Infinity,-Infinity,-Infinity,1,2}'::text[]) v;

-- As any aggregate: FILTER, DISTINCT, GROUPING SETS, window frames
SELECT listing_stats.price_summary(v) FILTER (WHERE v > 3), listing_stats.price_summary(DISTINCT v)
FROM (VALUES (1), (2), (2), (4), (4), (5), (NULL), (NULL)) p(v);
SELECT g, listing_stats.price_summary(v) FROM (VALUES ('a', 1.5), ('a', 2), ('b', 1e30)) p(g, v)
GROUP BY ROLLUP (g) ORDER BY g;
SELECT i, listing_stats.price_summary(i) OVER (ORDER BY i),
	listing_stats.price_stats_json(i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) ->> 'sum' AS moving
FROM generate_series(1, 4) i;

-- The server's aggregates, and percentiles as lo + (hi - lo) * fraction, for comparison
CREATE TYPE expectation AS (
	count bigint, nulls bigint, min numeric, q1 numeric, median numeric, q3 numeric, max numeric,
	mean numeric, stddev numeric, sum numeric);
CREATE FUNCTION percentile_of(sorted numeric[], fraction numeric) RETURNS numeric LANGUAGE sql AS $$
	SELECT CASE WHEN part = 0 THEN sorted[low] ELSE sorted[low] + (sorted[low + 1] - sorted[low]) * part END
	FROM (SELECT 1 + floor(place)::int AS low, place - floor(place) AS part
		FROM (SELECT (cardinality(sorted) - 1) * fraction AS place) a) b
$$;
CREATE FUNCTION expected_summary(prices numeric[]) RETURNS expectation LANGUAGE sql AS $$
	SELECT (count(v), count(*) - count(v), min(v), percentile_of(sorted, 0.25), percentile_of(sorted, 0.5),
		percentile_of(sorted, 0.75), max(v), avg(v), stddev_samp(v), sum(v))::expectation
	FROM unnest(prices) v, (SELECT array_agg(s ORDER BY s) FROM unnest(prices) s WHERE s IS NOT NULL) o(sorted)
	GROUP BY sorted
$$;
-- Sums, means and deviations agree as text; extremes and percentiles as numbers, shown with the
-- decimals of the number that has most.
CREATE FUNCTION agree(prices numeric[]) RETURNS boolean LANGUAGE sql AS $$
	SELECT (s.count, s.nulls, s.sum::text, s.mean::text, s.stddev::text, s.min, s.q1, s.median, s.q3, s.max)
		IS NOT DISTINCT FROM
		(e.count, e.nulls, e.sum::text, e.mean::text, e.stddev::text, e.min, e.q1, e.median, e.q3, e.max)
		AND coalesce(scale(s.min) = decimals AND scale(s.max) = decimals, true)
		AND coalesce(scale(s.median) = greatest(decimals, min_scale(s.median)), true)
	FROM (SELECT (listing_stats.price_summary(v)).* FROM unnest(prices) v) s,
		expected_summary(prices) e, (SELECT max(scale(v)) FROM unnest(prices) v) d(decimals)
$$;
-- The same set cut in three, each part sent through its text form, then merged.
CREATE FUNCTION merge_agrees(prices numeric[]) RETURNS boolean LANGUAGE sql AS $$
	SELECT (SELECT listing_stats.summarize(listing_stats.price_stats_merge(part::text::listing_stats.price_distribution))::text
		FROM (SELECT ('{' || coalesce(string_agg(coalesce(v::text, 'null'), ','), '') || '}')::listing_stats.price_distribution
			FROM unnest(prices) WITH ORDINALITY u(v, i) GROUP BY i % 3) p(part))
		= (SELECT listing_stats.price_summary(v)::text FROM unnest(prices) v)
$$;

-- Random and hostile numbers; LISTING_STATS_SEED is the seed, which is shown where something differs
CREATE FUNCTION digits(n int) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(floor(random() * 10)::int::text, ''), '0') FROM generate_series(1, n)
$$;
CREATE FUNCTION price_of(kind text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	sign text := CASE WHEN random() < 0.3 THEN '-' ELSE '' END;
BEGIN
	RETURN CASE kind
		WHEN 'price' THEN digits(5) || '.' || digits(2)
		WHEN 'mixed scale' THEN sign || digits(1 + (random() * 6)::int) || '.' || digits((random() * 9)::int)
		WHEN 'few distinct' THEN (random() * 3)::int || '.50'
		WHEN 'constant' THEN '12.340'
		WHEN 'zeros' THEN sign || '0.' || repeat('0', (random() * 30)::int)
		WHEN 'near 2^63' THEN sign || ((ARRAY['9223372036854775807', '9223372036854775808', '922337203685477580.7',
			'92233720368547758.07', '9.223372036854775807', '0.9223372036854775808', '4611686018427387904', '1'])[1 + (random() * 7)::int])
		WHEN 'no squares' THEN sign || digits(17) || '.' || digits(1)
		WHEN 'wide' THEN sign || digits((random() * 40)::int) || '.' || digits((random() * 40)::int)
		WHEN 'close' THEN sign || '1234567890123456' || digits(6) || '.' || digits(2)
		WHEN 'far apart' THEN sign || digits(3) || 'e' || (random() * 600 - 300)::int
		WHEN 'now and then wide' THEN CASE WHEN random() < 0.05 THEN digits(30) || '.' || digits(4) ELSE digits(4) || '.' || digits(2) END
		WHEN 'specials' THEN CASE WHEN random() < 0.2 THEN (ARRAY['NaN', 'Infinity', '-Infinity'])[1 + (random() * 2)::int] ELSE digits(3) || '.' || digits(1) END
		WHEN 'wide specials' THEN CASE WHEN random() < 0.3 THEN (ARRAY['Infinity', '-Infinity'])[1 + (random())::int] ELSE digits(25) || '.' || digits(1) END
		WHEN 'short' THEN sign || (random() * 20000)::int || 'e' || (random() * 40 - 20)::int
	END::numeric;
END $$;
CREATE FUNCTION prices_of(kind text, n int) RETURNS numeric[] LANGUAGE sql VOLATILE AS $$
	SELECT array_agg(CASE WHEN random() < 0.1 THEN NULL ELSE price_of(kind) END) FROM generate_series(1, n)
$$;
\getenv seed LISTING_STATS_SEED
\if :{?seed}
\else
SELECT (random() * 1e6)::int AS seed \gset
\endif
SELECT setseed(:seed % 1000000 / 1e6);
CREATE TABLE price_sets AS
	SELECT kind, prices_of(kind, 1 + floor(25 * random() ^ 2)::int) AS prices
	FROM unnest('{price,mixed scale,few distinct,constant,zeros,near 2^63,no squares,wide,close,far apart,now and then wide,specials,wide specials,short}'::text[]) kind,
		generate_series(1, 300);
SELECT *, CASE WHEN mismatches + merge_mismatches > 0 THEN :seed END AS seed FROM (
SELECT kind, count(*) AS sets, count(*) FILTER (WHERE agree(prices) IS NOT TRUE) AS mismatches,
	count(*) FILTER (WHERE merge_agrees(prices) IS NOT TRUE) AS merge_mismatches
FROM price_sets GROUP BY kind) t ORDER BY kind;

-- Roots that the server's sqrt() rounds up to a tie are among these: rounding one again is wrong
SELECT count(*) AS sets, count(*) FILTER (WHERE agree(prices) IS NOT TRUE) AS mismatches
FROM (SELECT ARRAY[i % 997, i * 7 % 1009, i * 31 % 991 + 0.5] FROM generate_series(1, 3000) i) s(prices);

-- The ends of what numeric holds
SELECT agree('{1e131071,-1e131071,0}'), agree('{9e131071,5e-16383}'), agree('{1e-16383,3e-16383}'),
	agree(ARRAY[0, 0.1 + 0e-16383]), agree(ARRAY[1e-600, 3e-600, 8e-600]);
SELECT left((listing_stats.price_summary(v)).median::text, 5) FROM (VALUES (6e131071), (-4e131071)) p(v);
SELECT listing_stats.price_summary(v) FROM (VALUES (9e131071), (9e131071)) p(v);
SELECT sum(v) FROM (VALUES (9e131071), (9e131071)) p(v);

-- Parallel workers give the same
CREATE TABLE prices AS SELECT i AS id, i % 100 AS bucket, CASE WHEN i % 17 > 0 THEN (i * 7919 % 100003) / 100.0 END::numeric(10,2) AS price,
	CASE WHEN i % 50000 = 0 THEN 1e25 ELSE i % 1000 END AS odd FROM generate_series(1, 200000) i;
ANALYZE prices;
CREATE FUNCTION is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
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
SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial AS SELECT listing_stats.price_summary(price) AS p, listing_stats.price_stats_json(odd) AS o FROM prices;
CREATE TABLE serial_groups AS SELECT bucket, listing_stats.price_summary(price) AS p, listing_stats.price_summary(odd) AS o FROM prices GROUP BY bucket;
SET max_parallel_workers_per_gather = 4;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT is_parallel('SELECT listing_stats.price_summary(price) FROM prices'),
	is_parallel('SELECT bucket, listing_stats.price_summary(price) FROM prices GROUP BY bucket');
SELECT p::text = (SELECT listing_stats.price_summary(price)::text FROM prices) AS same_prices,
	o = (SELECT listing_stats.price_stats_json(odd) FROM prices) AS same_odd,
	(p).sum = (SELECT sum(price) FROM prices) AS same_sum
FROM serial;
SELECT count(*), count(*) FILTER (WHERE s.p::text = g.p AND s.o::text = g.o) AS same
FROM serial_groups s JOIN (SELECT bucket, listing_stats.price_summary(price)::text AS p, listing_stats.price_summary(odd)::text AS o
	FROM prices GROUP BY bucket) g USING (bucket);
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- Many groups, hashed, spilled and sorted
SET work_mem = '1MB';
SELECT count(*), count(*) FILTER (WHERE (s).count = 3 AND (s).sum = (s).mean * 3 AND (s).median = (s).q1 + 50000) AS right_ones
FROM (SELECT i % 100000 AS g, listing_stats.price_summary(i) AS s FROM generate_series(0, 299999) i GROUP BY g) groups;
SET enable_hashagg = off;
SELECT count(*), count(*) FILTER (WHERE (s).count = 3 AND (s).sum = (s).mean * 3 AND (s).median = (s).q1 + 50000) AS right_ones
FROM (SELECT i % 100000 AS g, listing_stats.price_summary(i) AS s FROM generate_series(0, 299999) i GROUP BY g) groups;
RESET enable_hashagg;
RESET work_mem;

-- A running frame sees the same as a query of its own
SELECT count(*), count(*) FILTER (WHERE running = (SELECT listing_stats.price_summary(price)::text FROM prices p WHERE p.id <= w.id)) AS same
FROM (SELECT id, listing_stats.price_summary(price) OVER (ORDER BY id)::text AS running FROM prices WHERE id <= 150) w;

-- The distribution as text
SELECT ' { 20.00*2,19.9 , null,NaN, Infinity*3,-infinity, 20, null*4 } '::listing_stats.price_distribution;
SELECT '{}'::listing_stats.price_distribution, '{null}'::listing_stats.price_distribution;
SELECT '{100000000000000000000.5, 1, 1.00, -3}'::listing_stats.price_distribution;
SELECT count(*) AS sets, count(*) FILTER (WHERE once::text <> once::text::listing_stats.price_distribution::text) AS not_round
FROM (SELECT ('{' || array_to_string(prices, ',', 'null') || '}')::listing_stats.price_distribution FROM price_sets) s(once);
CREATE FUNCTION read_error(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
	detail text;
BEGIN
	RETURN 'read as ' || input::listing_stats.price_distribution;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, said, nullif(detail, ''));
END $$;
SELECT input, read_error(input) FROM unnest(ARRAY['', '{', '}', '{1', '{1,}', '{,1}', '{1}}', '1', '{1 2}', '{1*}', '{1*0}', '{1*-1}',
	'{1*99999999999999999999}', '{null*9223372036854775807}', '{nul}', '{NaNs}', '{-NaN}', '{+1}', '{--1}', '{.5}', '{5.}', '{1.2.3}', '{0x10}',
	'{1*1e9}', '{1*1000000000000}', '{1.5 * 2}', '{-}', '{1_0}']) input;
SELECT left(read_error('{' || repeat('9', 140000) || '}'), 60);

-- Stored: short, compressed, out of line
CREATE TABLE distributions (part int, d listing_stats.price_distribution);
INSERT INTO distributions
	SELECT i % 7, ('{' || string_agg(price::text, ',') || '}')::listing_stats.price_distribution FROM prices, generate_series(1, 7) i
	WHERE id <= CASE i WHEN 1 THEN 3 WHEN 2 THEN 300 ELSE 3000 END GROUP BY i;
ALTER TABLE distributions ALTER d SET STORAGE external;
INSERT INTO distributions SELECT part, d::text::listing_stats.price_distribution FROM distributions;
SELECT count(*), (listing_stats.summarize(listing_stats.price_stats_merge(d))).* FROM distributions;
