-- A listing's prices as a step function of time: each holds from its row until the next one.
SET SESSION AUTHORIZATION regress_listing_stats;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
CREATE SCHEMA histories;
SET search_path = histories, listing_stats;

-- What it looks like: 80 is in force until 10 March; 3 is unavailable for eight days
CREATE TABLE p (id int GENERATED ALWAYS AS IDENTITY, listing_id int, created timestamptz, value numeric);
INSERT INTO p (listing_id, created, value) VALUES
	(1, '2026-01-01', 100), (1, '2026-02-01', 80), (1, '2026-03-10', 120), (1, '2026-03-25', 90),
	(2, '2026-01-01', 50),
	(3, '2026-03-20', 10), (3, '2026-03-22', NULL), (3, '2026-03-30', 12),
	(4, '2026-03-01', 80), (4, '2026-03-05', 100), (4, '2026-03-25', 90);
CREATE TABLE h AS SELECT listing_id, price_history(created, value) AS h FROM p GROUP BY listing_id;
SELECT * FROM h ORDER BY listing_id;
SELECT listing_id, h::json FROM h WHERE listing_id = 3;
SELECT listing_id, jsonb_path_query_array(h::jsonb, '$[*].value') AS newest_first FROM h ORDER BY listing_id;
SELECT listing_id, latest(h), latest_at(h), first_price(h), first_at(h), previous(h), step_count(h) FROM h ORDER BY listing_id;

-- The lowest price of the last 30 days counts the one that was in force when they began: 80, not 90
SELECT listing_id, lowest(h, '2026-03-01', '2026-03-31'), lowest_at(h, '2026-03-01', '2026-03-31'),
	highest(h, '2026-03-01', '2026-03-31'), highest_at(h, '2026-03-01', '2026-03-31') FROM h ORDER BY listing_id;
SELECT listing_id, lowest(h), lowest_at(h), is_lowest(h), highest(h) FROM h ORDER BY listing_id;
SELECT listing_id, round(time_weighted_average(h, '2026-03-01', '2026-03-31'), 4) AS average,
	round(availability(h, until => '2026-03-31'), 4) AS available FROM h ORDER BY listing_id;
SELECT listing_id, changes(h), changes(h, across_gaps => true) AS across_gaps, last_change(h), price_drop(h), round(price_drop_percent(h), 1) AS percent,
	round(days_at_price(h, '2026-03-31'), 2) AS at_price, round(days_on_market(h, '2026-03-31 12:00'), 2) AS on_market FROM h ORDER BY listing_id;
SELECT listing_id, price_at(h, '2026-03-23') FROM h ORDER BY listing_id;
SELECT listing_id, (prior_price(h)).* FROM h ORDER BY listing_id;
SELECT listing_id, sparkline(h, 24, until => '2026-04-10'), sparkline(h, 24, '2026-03-01', '2026-03-31') AS march FROM h ORDER BY listing_id;

-- The edges of steps and windows: from "since" up to, not including, "until"
CREATE FUNCTION one() RETURNS price_history LANGUAGE sql AS $$ SELECT h FROM h WHERE listing_id = 1 $$;
SELECT price_at(one(), '2026-02-01'), price_at(one(), '2026-02-01'::timestamptz - interval '1 microsecond') AS before,
	price_at(one(), '2025-12-31') AS too_early, price_at(one(), 'infinity') AS ever, price_at(one(), NULL) AS unknown;
SELECT lowest(one(), '2026-03-10', '2026-03-25') AS one_step, highest(one(), '2026-03-09', '2026-03-10') AS up_to,
	lowest(one(), '2026-03-10', '2026-03-10') AS empty, lowest(one(), '2026-04-01', '2026-03-01') AS reversed,
	lowest(one(), '2025-01-01', '2026-01-01') AS before, lowest(one(), '2027-01-01') AS after, lowest(one(), NULL, NULL) AS always;
SELECT round(time_weighted_average(one(), until => NULL), 4) AS to_the_last_step, time_weighted_average(one(), 'infinity', NULL) AS nothing,
	time_weighted_average(one(), NULL, 'infinity') AS endless, availability(one(), NULL, 'infinity') AS endless,
	time_weighted_average(one(), until => '2026-01-01') AS no_time, days_at_price(one(), 'infinity') AS endless, days_on_market(one(), '2025-01-01') AS earlier;

-- No rows, no known price, no history, no time
SELECT price_history(created, value) AS no_rows, price_history(created, value, id) AS with_ties, price_history_merge('{2026-01-01=1}') AS merged FROM p WHERE false;
SELECT price_history(NULL, value) AS no_times, price_history(created, value) FILTER (WHERE value > 1000) AS filtered, price_history_merge(NULL) AS nulls FROM p;
SELECT id, price_history(created, value) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS the_one_before FROM p WHERE listing_id = 1 ORDER BY id;
SELECT h, step_count(h), latest(h), latest_at(h), previous(h), first_price(h), lowest(h), time_weighted_average(h), availability(h), changes(h), last_change(h),
	price_drop(h), is_lowest(h), days_at_price(h), days_on_market(h), sparkline(h, 3), h::json FROM (SELECT '{}'::price_history) e(h);
SELECT count(*) FROM candles('{}', '1 day') UNION ALL SELECT count(*) FROM series('{}', '1 day') UNION ALL SELECT count(*) FROM candles(NULL, '1 day');
SELECT prior_price('{}'), prior_price(NULL);
SELECT latest(h), previous(h), lowest(h), time_weighted_average(h, until => '2026-02-01'), round(availability(h, until => '2026-02-01'), 2) AS available, is_lowest(h), changes(h), sparkline(h, 3)
FROM (SELECT '{2026-01-01=null, 2026-01-02=null}'::price_history) e(h);
SELECT latest(NULL::price_history), lowest(NULL::price_history), merge(NULL::price_history, '{}'), price_drop_percent('{2026-01-01=0, 2026-01-02=1}') AS of_nothing;

-- Of equal times the greatest tie is in force; without ties the greatest price; NULL is least
SELECT price_history('2026-01-01', v, t) FROM (VALUES (1, 7), (2, 9), (3, 8)) x(v, t);
SELECT price_history('2026-01-01', v) FROM (VALUES (1), (3), (NULL), (2)) x(v);
SELECT price_history('2026-01-01', v, t) FROM (VALUES (1, 1), (9, NULL)) x(v, t);
-- The least bigint is a tie like any other for latest(), whatever the order, and refused by price_history(), where it means none
SELECT latest(v, '2026-01-01', t ORDER BY v), latest(v, '2026-01-01', t ORDER BY v DESC) AS other_way, earliest(v, '2026-01-01', t ORDER BY v), earliest(v, '2026-01-01', t ORDER BY v DESC) AS other_way
FROM (VALUES (1, -9223372036854775808), (9, NULL)) x(v, t);
SELECT latest(v, '2026-01-01', t), earliest(v, '2026-01-01', t) FROM (VALUES (1, -9223372036854775808), (9, -9223372036854775807), (5, 0), (7, NULL)) x(v, t);
SELECT price_history('2026-01-01', v, -9223372036854775807) FROM (VALUES (1)) x(v);
SELECT price_history('2026-01-01', v, -9223372036854775808) FROM (VALUES (1)) x(v);
\echo :SQLSTATE
SELECT price_history('2026-01-01', NULL, 3) + price_history('2026-01-01', 5, 2);

-- Merged: ties are kept, so that the pieces know which was later
SELECT '{2026-01-01#5=10}'::price_history + '{2026-01-01#4=20, 2026-01-02#6=30}';
-- An update with no new rows changes nothing; NULL is unknown
CREATE TABLE kept AS SELECT 1 AS listing_id, price_history(created, value) AS h FROM p WHERE listing_id = 1;
UPDATE kept SET h = h + (SELECT price_history(created, value) FROM p WHERE listing_id = kept.listing_id AND created > '2026-04-01');
SELECT h, h + NULL AS unknown FROM kept;
SELECT price_history_merge(h) FROM (VALUES ('{2026-01-03=3}'::price_history), (NULL), ('{2026-01-01=1.25}'), ('{}')) x(h);

-- Typed overloads; a double is its shortest decimal
SELECT price_history('2026-01-01', 1.50) AS "numeric", price_history('2026-01-01', 1::bigint) AS "bigint", price_history('2026-01-01', 1) AS "integer",
	price_history('2026-01-01', 0.1::float8) AS "double", price_history('2026-01-01', 0.1::real) AS "real", price_history('2026-01-01', 1e22::real, 7) AS tied, price_history('2026-01-01', 1e300::float8 / 3) AS large, price_history('2026-01-01', 'NaN'::float8) AS nan;

-- Numbers of any size are exact
CREATE TABLE wide AS SELECT price_history('2026-01-01'::timestamptz + i * interval '1 day', v) AS h
	FROM unnest('{1.5,1e40,-9223372036854775808,9223372036854775807,1e-30,NaN,-Infinity,0}'::numeric[]) WITH ORDINALITY u(v, i);
SELECT h::json FROM wide;
SELECT lowest(h), highest(h), lowest(h, '2026-01-03', '2026-01-06'), time_weighted_average(h, '2026-01-02', '2026-01-04'), price_drop(h),
	time_weighted_average(h, '2026-01-02'), sparkline(h, 8, until => latest_at(h)), h::text::price_history::text = h::text AS round FROM wide;
-- The mean of the largest ones, too
SELECT time_weighted_average('{2026-01-01=9e131071}', until => '2026-01-03')::text = 9e131071::text AS itself, time_weighted_average('{2026-01-01=9e131071, 2026-01-02=1.5}', until => '2026-01-03') = 4.5e131071 + 0.75 AS mean,
	time_weighted_average('{2026-01-01=9e131071, 2026-01-02=-9e131071}', until => '2026-01-03') AS zero, time_weighted_average('{2026-01-01=3e131051}', '4714-11-24 BC', '294276-12-31') = 3e131051 AS still_whole,
	time_weighted_average('{4714-11-24 BC=9e131051, 294276-12-31=1}', until => NULL) = 9e131051 AS longest;
SELECT price_drop('{2026-01-01=9e131071, 2026-01-02=-9e131071}');
SELECT price_drop_percent('{2026-01-01=9e131071, 2026-01-02=1}');
SELECT price_drop('{2026-01-01=1e40, 2026-01-02=1}'), round(price_drop_percent('{2026-01-01=1e40, 2026-01-02=1}'), 2);

-- Infinite times and those before Christ
SELECT price_history(t::timestamptz, v) AS h, lowest(price_history(t::timestamptz, v)), time_weighted_average(price_history(t::timestamptz, v), '0044-03-15 BC', '0044-03-17 BC') AS average
FROM (VALUES ('-infinity', 1), ('0044-03-15 BC', 2), ('0044-03-16 BC', 4), ('infinity', 3)) x(t, v);
SELECT time_weighted_average('{-infinity=1, 2026-01-01=2}', NULL, '2026-01-02') AS endless,
	time_weighted_average('{-infinity=1, 2026-01-01=2}', '2025-12-31', '2026-01-02') AS ends, price_at('{-infinity=1}', '4713-01-01 BC');
SELECT * FROM series('{4714-11-24 00:00:00+00 BC=1, 294276-12-31 23:59:59.999999=2}', '100000 years');
SELECT count(*), min(at), max(at) FROM candles('{4714-11-24 00:00:00+00 BC=1, 294276-12-31 23:59:59.999999=2}', '1000 years', '4000-01-01 BC');
SELECT * FROM candles('{294276-12-30=1, 294276-12-31 23:59:59.999999=2}', '1 day');
SELECT prior_price('{2026-01-01=2, infinity=1}');
-- What a window, a candle or the next point of a series has beyond the ends of time is not asked for
SELECT * FROM candles('{4714-11-24 BC=1, 4712-06-01 BC=2}', '3 years', until => '4712-06-02 BC');
SELECT * FROM candles('{4714-11-24 BC=1}', '1 month', until => '4713-01-02 BC');
SELECT * FROM candles('{4714-11-24 BC=1, 294276-12-31 23:59:59.999999=2}', '2562047788 hours');
SELECT at, close FROM candles('{4714-11-24 BC=1, 294276-12-31 23:59:59.999999=2}', '2147483647 months')
UNION ALL SELECT at, close FROM candles('{4714-11-24 BC=1, 294276-12-31 23:59:59.999999=2}', '2147483647 days');
SET TimeZone = 'America/Lima';
SELECT * FROM candles('{4714-11-24 00:00+00 BC=1}', '1 day', until => '4714-11-25 BC');
SET TimeZone = 'UTC';
SELECT * FROM series('{2026-01-01=1}', '100000000 years') UNION ALL SELECT * FROM series('{2026-01-01=1}', '2147483647 days') UNION ALL SELECT * FROM series('{2026-01-01=1}', '2562047788 hours');
SELECT * FROM series('{294276-11-30 12:00=1, 294276-12-31 23:59:59.999999=2}', '1 month 1 hour');
SELECT * FROM prior_price('{4714-11-24 BC=2, 4714-11-25 BC=1}') UNION ALL SELECT * FROM prior_price('{-infinity=2, 4714-11-25 BC=1}', within => '1 month')
UNION ALL SELECT * FROM prior_price('{2026-01-01=2, 2026-02-01=1}', within => '100000000 years') UNION ALL SELECT * FROM prior_price('{2026-01-01=2, 2026-02-01=1}', within => '2562047788 hours');

-- Candles and series follow the session's time zone: a day of the change of clocks has 23 or 25 hours
SET TimeZone = 'Europe/Zurich';
SELECT at, open, high, low, close, lead(at) OVER (ORDER BY at) - at AS length
FROM candles('{2026-03-28 12:00+01=5, 2026-03-29 03:30+02=7, 2026-03-30 01:00+02=6}', '1 day', until => '2026-04-01');
SELECT at, lead(at) OVER (ORDER BY at) - at AS length FROM candles('{2026-10-24 12:00+02=5}', '1 day', until => '2026-10-27');
SELECT at, open FROM candles('{2026-03-28 12:00+01=5}', '12 hours', until => '2026-03-30 00:00');
SELECT * FROM series('{2026-03-28 12:00+01=5, 2026-03-29 12:00+02=7}', '1 day', '2026-03-27', '2026-03-30');
SELECT at, open, close FROM candles('{2025-12-31 23:30+01=1, 2026-02-14 00:00+01=2}', '1 month', until => '2026-02-15');
SELECT at FROM candles('{2025-11-20=1, 2026-07-01=2}', '3 months', until => '2026-07-02');
SELECT to_char(at, 'Dy YYYY-MM-DD') FROM candles('{2026-01-01=1, 2026-01-13=2}', '1 week', until => '2026-01-14');
SET TimeZone = 'America/Sao_Paulo';
SELECT at, lead(at) OVER (ORDER BY at) - at AS length FROM candles('{2018-11-03 12:00-03=1}', '1 day', until => '2018-11-06');
-- A midnight that the clock shows twice: the day begins with the first, also that of date_trunc(), which answers the second
SET TimeZone = 'Atlantic/Azores';
SELECT *, date_trunc('day', timestamptz '2024-10-27 00:30+00') FROM candles('{2024-10-27 00:30+00=5, 2024-10-27 00:40+00=100}', '1 day', until => '2024-10-27 00:41+00');
SELECT *, lead(at) OVER (ORDER BY at) - at AS length FROM candles('{2024-10-27 00:30+00=5, 2024-10-27 01:30+00=100}', '1 day', '2024-10-26', '2024-10-29');
SELECT * FROM series('{2024-10-27 00:30+00=5, 2024-10-27 01:30+00=100}', '1 day', '2024-10-26 00:30', '2024-10-29');
SET TimeZone = 'America/Havana';
SELECT at, open, close FROM candles('{2015-11-01 04:30+00=5, 2015-11-01 04:40+00=100}', '1 month', until => '2015-11-01 04:41+00');
-- Midnight for a minute, and then back to the day before: that is over
SET TimeZone = 'America/St_Johns';
SELECT at, open, close, lead(at) OVER (ORDER BY at) - at AS length FROM candles('{2006-10-28 12:00-02:30=1, 2006-10-29 00:00:30-02:30=2, 2006-10-28 23:30-03:30=3}', '1 day', until => '2006-10-30 01:00');
SELECT at, close FROM candles('{2006-10-28 23:30-03:30=3}', '1 day', until => '2006-10-28 23:31-03:30');
-- A day that the clock skips
SET TimeZone = 'Pacific/Apia';
SELECT at, lead(at) OVER (ORDER BY at) - at AS length FROM candles('{2011-12-29 12:00-10=1}', '1 day', until => '2012-01-01 01:00');
-- Four days east of UTC
SET TimeZone = '100';
SELECT at AT TIME ZONE 'UTC', open, close FROM candles('{2026-01-10 00:00Z=9, 2026-01-11 00:00Z=1, 2026-01-12 12:00Z=5}', '1 day', until => '2026-01-13 00:00Z');
SET TimeZone = 'UTC';

-- A candle opens with the price in force, or the first known one; without any it is empty
SELECT * FROM candles('{2026-01-01 12:00=10, 2026-01-02 06:00=null, 2026-01-04 06:00=8, 2026-01-04 12:00=9, 2026-01-04 18:00=null}', '1 day', until => '2026-01-04 19:00');
SELECT * FROM candles('{2026-01-01 12:00=10, 2026-01-02 06:00=20, 2026-01-02 18:00=5}', '1 day', '2026-01-02 09:00', '2026-01-02 18:00');

-- A window that is empty, or ends before the first step
SELECT count(*) AS none FROM candles('{2026-01-01 12:00=10}', '1 day', '2026-01-02 12:00', '2026-01-02 06:00') UNION ALL SELECT count(*) FROM candles('{2026-01-01 12:00=10}', '1 day', '2026-01-02', '2026-01-02')
UNION ALL SELECT count(*) FROM candles('{2026-01-01 12:00=10}', '1 day', '2526-01-02') UNION ALL SELECT count(*) FROM candles('{2026-01-01 12:00=10}', '1 day', until => '2025-12-31')
UNION ALL SELECT count(*) FROM series('{2026-01-01 12:00=10}', '1 day', '2026-01-02', '2026-01-01') UNION ALL SELECT count(*) FROM series('{2026-01-01 12:00=10}', '1 day', until => '2025-12-31');
SELECT * FROM candles('{2026-01-01 12:00=10}', '1 day', '2025-12-30', '2025-12-31 12:00');
SELECT * FROM series('{2026-01-01 12:00=10}', '12 hours', '2025-12-31', '2025-12-31 12:00') UNION ALL SELECT * FROM series('{2026-01-01 12:00=10}', '12 hours', '2026-01-02', '2026-01-02');

-- Without an end they go up to now, or to the last step, and show it too, where that is later: what an application has just
-- written in this transaction, or what is announced
SELECT count(*) = now()::date - (now() - interval '40 days')::date + 1 AS days, max(at) = date_trunc('day', now()) AS today, min(close), bool_and(open IS NOT NULL) AS known
FROM (SELECT price_history(now() - interval '40 days', 7) AS h) p, candles(h, '1 day');
SELECT count(*), max(at) = now() AS now FROM (SELECT price_history(now() - interval '40 hours', 7) AS h) p, series(h, '1 hour');
SELECT sparkline(h, 8), sparkline(h, 8, now() - interval '1 day') AS a_day FROM (SELECT price_history(now() - n * interval '10 days', n) AS h FROM generate_series(1, 4) n) p;
SELECT c.close, s.price, sparkline(h, 3) FROM (SELECT price_history(now(), 7) AS h) p, candles(h, '1 day') c, series(h, '1 day') s;
SELECT c.close, s.price, sparkline(h, 3) FROM (SELECT price_history(now() + interval '1 microsecond', 7) AS h) p, candles(h, '1 day') c, series(h, '1 day') s;
CREATE TABLE announced AS SELECT '{2526-01-01 12:00=1, 2526-01-03=2}'::price_history AS h;
SELECT c.* FROM announced, candles(h, '1 day') c;
SELECT s.* FROM announced, series(h, '12 hours') s;
SELECT sparkline(h, 4), sparkline(h, 4, until => '2526-01-02') AS up_to, '"' || sparkline(h, 4, '2525-12-31 12:00') || '"' AS from_before,
	'"' || sparkline(h, 4, '2526-01-05', '2526-01-01') || '"' AS reversed, '"' || sparkline(h, 4, until => '2525-01-01') || '"' AS before, '"' || sparkline('{}'::price_history, 4) || '"' AS empty FROM announced;
SELECT sparkline('{2526-01-01=1, infinity=2}'::price_history, 4), sparkline('{-infinity=1, 2526-01-01=2}'::price_history, 4), sparkline(h, NULL) AS unknown, sparkline(NULL::price_history) AS unknown FROM announced;
SELECT candles('{2526-01-01=1, infinity=2}', '1 day');

-- Reductions: the last one, the first of a series, one given; a history shorter than the window says so
SELECT (prior_price(h)).*, latest(h) FROM (SELECT '{2026-01-01=100, 2026-03-01=120, 2026-03-10=110, 2026-03-20=90}'::price_history) r(h);
SELECT (prior_price(h, progressive => true)).* FROM (SELECT '{2026-01-01=100, 2026-03-01=120, 2026-03-10=110, 2026-03-20=90}'::price_history) r(h);
SELECT (prior_price(h, '2026-03-05')).* FROM (SELECT '{2026-01-01=100, 2026-03-01=120, 2026-03-10=110, 2026-03-20=90}'::price_history) r(h);
SELECT (prior_price(h, within => '7 days')).* FROM (SELECT '{2026-03-18=120, 2026-03-19=null, 2026-03-20=90}'::price_history) r(h);

-- Statistics over listings compose
SELECT (price_summary(lowest(h, '2026-03-01', '2026-03-31'))).* FROM h;

-- latest() and earliest() as aggregates: typed, whatever the order of the rows
SELECT latest(v, t), earliest(v, t), pg_typeof(latest(v, t)), latest(v::bigint, t), pg_typeof(latest(v::bigint, t)), latest(v::int, t), pg_typeof(latest(v::int, t)), latest(v::float8, t), pg_typeof(latest(v::float8, t))
FROM (VALUES (1.00, timestamptz '2026-01-01'), (3.0, '2026-01-03'), (2, '2026-01-02'), (9, NULL)) x(v, t);
SELECT latest(v, '2026-01-01', t), earliest(v, '2026-01-01', t), latest(v, '2026-01-01'), earliest(v, '2026-01-01') FROM (VALUES (5, 1), (4, 3), (NULL, 2), (7, NULL), (8, NULL)) x(v, t);
SELECT latest(v, t) FROM (VALUES (1, timestamptz '2026-01-01'), (NULL, '2026-01-02')) x(v, t);
SELECT latest(v, NULL), earliest(v, NULL) FROM (VALUES (1), (2)) x(v);
SELECT latest(v::float8, '2026-01-01'), earliest(v::float8, '2026-01-01') FROM (VALUES ('NaN'), ('1'), ('-Infinity')) x(v);
SELECT listing_id, latest(value, created, id), earliest(value, created, id) FROM p GROUP BY listing_id ORDER BY listing_id;
SELECT left(latest(repeat('9', i)::numeric, '2026-01-01'::timestamptz + i * interval '1 day')::text, 5), length(latest(repeat('9', i)::numeric, '2026-01-01'::timestamptz + i * interval '1 day')::text) FROM generate_series(1, 300) i;

-- As any aggregate: FILTER, window frames
SELECT id, price_history(created, value) OVER (ORDER BY id) AS running, latest(value, created) OVER (ORDER BY id DESC ROWS 1 PRECEDING) FROM p WHERE listing_id = 1 ORDER BY id;
SELECT price_history(created, value) FILTER (WHERE value > 90) FROM p WHERE listing_id = 1;

-- Text that is no history
CREATE FUNCTION refused(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN 'read as ' || input::price_history;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || coalesce(nullif(' | ' || detail, ' | '), '');
END $$;
SELECT input, refused(input) FROM unnest(ARRAY['', '{', '{}x', '{2026-01-01}', '{=1}', '{2026-01-01=}', '{2026-01-01=1', '{2026-01-01=1,}', '{2026-01-01=1}}',
	'{2026-01-01#=1}', '{2026-01-01#x=1}', '{2026-01-01#99999999999999999999=1}', '{2026-01-01#-9223372036854775808=1}', '{tomorrowish=1}', '{2026-01-01=cheap}', '{2026-13-01=1}', '{2026-01-01==1}',
	' { 2026-01-02 = 2 , 2026-01-01 # -3 = NULL } ']) input;

-- Errors
SELECT candles('{2026-01-01=1}', '0'), candles('{2026-01-01=1}', '-1 day');
SELECT candles('{2026-01-01=1}', '-1 day');
SELECT candles('{2026-01-01=1}', '1 month 1 day');
SELECT candles('{2026-01-01=1}', '1 day', until => 'infinity');
SELECT candles('{-infinity=1}', '1 day');
SELECT series('{2026-01-01=1}', '-1 day');
SELECT series('{2026-01-01=1}', '1 day', '-infinity');
SELECT prior_price('{2026-01-01=1}', within => '0 days');
SELECT sparkline('{2026-01-01=1}'::price_history, 0);

-- Reference SQL, slow and obviously right, on random histories: few and many rows, ties, NULLs, wide numbers, mixed
-- scales.  LISTING_STATS_SEED chooses others; the one in use is in the server's log, and beside what differs.
SELECT floor(random() * 1e6)::int AS seed \gset
\getenv seed LISTING_STATS_SEED
SELECT setseed(:seed / 1e6);
SELECT set_config('histories.seed', :'seed', false) \g /dev/null
DO $$ BEGIN RAISE LOG 'LISTING_STATS_SEED=%', current_setting('histories.seed'); END $$;
CREATE TABLE r (id int GENERATED ALWAYS AS IDENTITY, l int, created timestamptz, value numeric);
INSERT INTO r (l, created, value)
SELECT l, timestamptz '2026-01-01' + CASE l % 4 WHEN 0 THEN floor(random() * 20) * interval '1 day' WHEN 1 THEN floor(random() * 5e6) * interval '1 second'
		ELSE random() * interval '60 days' END,
	CASE WHEN random() < 0.15 THEN NULL WHEN l % 50 = 7 AND random() < 0.3 THEN 1e30 + floor(random() * 3) WHEN l % 50 = 8 AND random() < 0.3 THEN 'NaN'
		ELSE round((random() * CASE l % 3 WHEN 0 THEN 4 ELSE 500 END)::numeric, CASE WHEN l % 50 > 40 THEN (random() * 4)::int ELSE l % 3 END) END
FROM generate_series(1, 3000) l, generate_series(1, 1 + (random() * 11)::int + l / 300) i;
CREATE INDEX ON r (l);
ANALYZE r;
CREATE TABLE rh AS SELECT l, price_history(created, value, id) AS h FROM r GROUP BY l;
-- The window of each listing is random too, open on a side at times; "now" and "within" are what other questions take.
CREATE TABLE w AS SELECT l, CASE WHEN random() < 0.8 THEN a END AS a, CASE WHEN random() < 0.8 THEN a + length END AS b, a + length AS now, abs(extract(epoch FROM length)::int + 1) * interval '1 second' AS within
FROM (SELECT l, timestamptz '2026-01-01' + random() * interval '70 days' - interval '10 days' AS a, interval '-2 days' + random() * interval '40 days' AS length FROM generate_series(1, 3000) l) o;
-- Rows in force, with the end of each, the price of the one before, and the last known price before.
CREATE TABLE step AS
SELECT *, (SELECT value FROM r k WHERE k.l = o.l AND k.value IS NOT NULL AND k.created = known_at ORDER BY id DESC LIMIT 1) AS known
FROM (SELECT l, id, created, value, lead(created, 1, 'infinity') OVER o AS until, lag(value) OVER o AS prev, lag(created) OVER o IS NULL AS is_first, row_number() OVER (PARTITION BY l ORDER BY created DESC, id DESC) AS rn,
		max(created) FILTER (WHERE value IS NOT NULL) OVER (PARTITION BY l ORDER BY created ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS known_at
	FROM (SELECT DISTINCT ON (l, created) * FROM r ORDER BY l, created, id DESC) d WINDOW o AS (PARTITION BY l ORDER BY created, id)) o;
CREATE INDEX ON step (l);
ANALYZE step;
CREATE TABLE reference AS
SELECT w.*, s.*, o.*, m.*, p.* FROM w, LATERAL (
	SELECT min(value) AS low, max(value) AS high,
		(array_agg(created ORDER BY value, created) FILTER (WHERE value IS NOT NULL))[1] AS low_at,
		(array_agg(created ORDER BY value DESC, created) FILTER (WHERE value IS NOT NULL))[1] AS high_at
	FROM step WHERE step.l = w.l AND (until > a OR a IS NULL) AND (created < b OR b IS NULL) AND (a < b) IS NOT FALSE) s, LATERAL (
	SELECT max(value) FILTER (WHERE rn = 1) AS latest, max(created) AS latest_at, min(created) AS first_at,
		count(*) FILTER (WHERE value <> prev) AS changes, max(created) FILTER (WHERE value <> prev) AS last_change,
		count(*) FILTER (WHERE value <> known) AS changes_across, max(created) FILTER (WHERE value <> known) AS last_change_across,
		min(value) = max(value) FILTER (WHERE rn = 1) AS is_lowest, count(*) AS steps,
		max(created) FILTER (WHERE is_first OR value IS DISTINCT FROM prev) AS same_since,
		max(created) FILTER (WHERE value < known) AS reduced_at,
		(array_agg(value ORDER BY created) FILTER (WHERE value IS NOT NULL))[1] AS first_price,
		jsonb_agg(jsonb_build_object('at', created, 'value', CASE WHEN value <> 'NaN' THEN to_jsonb(value) WHEN value = 'NaN' THEN '"NaN"' END) ORDER BY created DESC) AS json
	FROM step WHERE step.l = w.l) o, LATERAL (
	-- Means go up to the last step if they have no end.
	SELECT sum(value * us) / nullif(sum(us) FILTER (WHERE value IS NOT NULL), 0) AS average,
		coalesce(sum(us) FILTER (WHERE value IS NOT NULL), 0) / nullif(sum(us), 0) AS available
	FROM (SELECT value, round(extract(epoch FROM least(until, coalesce(b, latest_at)) - greatest(created, a)) * 1000000) AS us FROM step
		WHERE step.l = w.l AND (until > a OR a IS NULL) AND created < coalesce(b, latest_at) AND (a < coalesce(b, latest_at)) IS NOT FALSE) x) m, LATERAL (
	SELECT (SELECT value FROM step WHERE step.l = w.l AND value IS NOT NULL AND value IS DISTINCT FROM latest ORDER BY created DESC LIMIT 1) AS previous,
		(SELECT min(created) FROM step WHERE step.l = w.l AND value < known AND created >
			coalesce((SELECT max(created) FROM step t WHERE t.l = w.l AND value > known AND created < reduced_at), '-infinity')) AS first_reduced_at) p;
-- Unlike by more than rounding in the sixteenth digit, or one of them unknown.
CREATE FUNCTION unlike(a numeric, b numeric) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
	SELECT a IS DISTINCT FROM b AND (abs(a - b) <= abs(b) * 1e-15 AND a <> 'NaN' AND b <> 'NaN') IS NOT TRUE $$;
-- The bytes of a history, which are for nobody else to ask for.
RESET SESSION AUTHORIZATION;
CREATE FUNCTION bytes(price_history) RETURNS bytea LANGUAGE sql SECURITY DEFINER AS 'SELECT listing_stats._price_history_send($1)';
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE VIEW differences AS
SELECT question, l FROM reference f JOIN rh USING (l), LATERAL (VALUES
	('lowest', lowest(h, a, b) IS DISTINCT FROM low), ('highest', highest(h, a, b) IS DISTINCT FROM high),
	('lowest_at', lowest_at(h, a, b) IS DISTINCT FROM low_at), ('highest_at', highest_at(h, a, b) IS DISTINCT FROM high_at),
	-- Digit for digit, but where numbers of many sizes or scales meet: there PostgreSQL's division rounds elsewhere.
	('average', CASE WHEN l % 50 IN (7, 8) OR l % 50 > 40 THEN unlike(time_weighted_average(h, a, b), average) ELSE time_weighted_average(h, a, b)::text IS DISTINCT FROM average::text END),
	('availability', availability(h, a, b)::text IS DISTINCT FROM available::text),
	('latest', latest(h) IS DISTINCT FROM latest), ('latest_at', latest_at(h) IS DISTINCT FROM latest_at), ('first_at', first_at(h) IS DISTINCT FROM first_at),
	('changes', changes(h) IS DISTINCT FROM changes), ('last_change', last_change(h) IS DISTINCT FROM last_change),
	('changes across gaps', changes(h, across_gaps => true) IS DISTINCT FROM changes_across), ('last_change across gaps', last_change(h, across_gaps => true) IS DISTINCT FROM last_change_across),
	('is_lowest', is_lowest(h) IS DISTINCT FROM is_lowest), ('step_count', step_count(h) IS DISTINCT FROM steps),
	('price_at', price_at(h, now) IS DISTINCT FROM (SELECT value FROM step s WHERE s.l = f.l AND created <= now ORDER BY created DESC LIMIT 1)),
	('previous', previous(h) IS DISTINCT FROM previous), ('first_price', first_price(h) IS DISTINCT FROM first_price),
	('price_drop', price_drop(h) IS DISTINCT FROM previous - latest), ('price_drop_percent', unlike(price_drop_percent(h), 100 * (previous - latest) / nullif(previous, 0))),
	('days_at_price', unlike(days_at_price(h, now), CASE WHEN now >= same_since AND latest IS NOT NULL THEN extract(epoch FROM now - same_since) / 86400 END)),
	('days_on_market', unlike(days_on_market(h, now), CASE WHEN now >= first_at THEN extract(epoch FROM now - first_at) / 86400 END)),
	('json', h::jsonb IS DISTINCT FROM json), ('text of json', h::json::jsonb IS DISTINCT FROM json),
	('merge', bytes(format('{%s=0.0000}', now)::price_history + h) IS DISTINCT FROM bytes(h + format('{%s=0.0000}', now)::price_history))
	) q(question, differs) WHERE differs
UNION ALL
-- The lowest price before the last reduction, before the first of a series, before a given time
SELECT question, f.l FROM reference f JOIN rh USING (l), LATERAL (VALUES
	('prior_price', NULL, reduced_at, false), ('prior_price, progressive', NULL, first_reduced_at, true), ('prior_price of a time', now, now, false)) q(question, given, since, progressive),
	LATERAL prior_price(h, given, f.within, q.progressive) ours, LATERAL (
	SELECT min(value) AS price, (array_agg(created ORDER BY value, created) FILTER (WHERE value IS NOT NULL))[1] AS at FROM step s
	WHERE s.l = f.l AND s.created < since AND s.until > since - f.within) theirs
WHERE (ours.price, ours.at, ours.covered, ours.reduction_at) IS DISTINCT FROM (theirs.price, theirs.at, first_at <= since - f.within, since)
UNION ALL
-- Series and candles of days, against a join
SELECT 'series', l FROM rh, LATERAL series(h, '31 hours', '2025-12-25', '2026-03-05') s
WHERE l <= 200 AND s.price IS DISTINCT FROM (SELECT value FROM step WHERE step.l = rh.l AND created <= s.at ORDER BY created DESC LIMIT 1)
UNION ALL
SELECT 'candles', l FROM rh, LATERAL candles(h, '3 days', '2025-12-25', '2026-03-05 07:00') c, LATERAL (
	SELECT min(value) AS low, max(value) AS high, (array_agg(value ORDER BY created) FILTER (WHERE value IS NOT NULL))[1] AS open,
		(array_agg(value ORDER BY created DESC) FILTER (WHERE value IS NOT NULL))[1] AS close
	FROM step s WHERE s.l = rh.l AND until > greatest(c.at, '2025-12-25') AND created < least(c.at + interval '3 days', '2026-03-05 07:00')) e
WHERE l <= 400 AND (c.open, c.high, c.low, c.close) IS DISTINCT FROM (e.open, e.high, e.low, e.close)
UNION ALL
-- The aggregates beside it
SELECT 'latest and earliest', l FROM (SELECT l, latest(value, created, id) AS last, earliest(value, created, id) AS first FROM r GROUP BY l) a
JOIN (SELECT l, (array_agg(value ORDER BY created DESC, id DESC))[1] AS last, (array_agg(value ORDER BY created, id))[1] AS first FROM r GROUP BY l) e USING (l)
WHERE a.last IS DISTINCT FROM e.last OR a.first IS DISTINCT FROM e.first;
SELECT count(*) AS histories, count(low) > 1500 AS with_a_low, count(average) > 1500 AS with_a_mean, count(*) FILTER (WHERE changes > 3) > 1500 AS with_changes, count(reduced_at) > 1500 AS reduced,
	count(*) FILTER (WHERE first_reduced_at < reduced_at) > 500 AS in_series FROM reference;
SELECT question, count(*), min(l), :seed AS seed FROM differences GROUP BY question;

-- Candles of days, weeks and months wherever the clock is changed, also over midnight, against the calendar of date_trunc()
CREATE TABLE place (zone text, year int);
INSERT INTO place VALUES ('Europe/Zurich', 2026), ('America/New_York', 2026), ('Australia/Lord_Howe', 2024), ('Atlantic/Azores', 2024), ('America/Havana', 2015), ('America/Sao_Paulo', 2018),
	('Asia/Beirut', 2022), ('Africa/Cairo', 2023), ('Asia/Tehran', 2018), ('Antarctica/Troll', 2020), ('Asia/Kathmandu', 2026);
CREATE TABLE change AS SELECT zone, hour FROM (
	SELECT zone, hour, hour AT TIME ZONE zone - lag(hour AT TIME ZONE zone) OVER (PARTITION BY zone ORDER BY hour) AS length
	FROM place, generate_series(make_date(year, 1, 1)::timestamptz, make_date(year, 12, 30), '1 hour') hour) h WHERE length <> interval '1 hour';
CREATE TABLE shown AS SELECT DISTINCT ON (zone, created) zone, unit, created, value, date_trunc(unit, created AT TIME ZONE zone) AS starts
FROM (SELECT zone, created, CASE WHEN random() < 0.9 THEN round((random() * 90)::numeric, 1) END AS value FROM (
		SELECT zone, make_date(year, 1, 1) + random() * interval '360 days' AS created FROM place, generate_series(1, 60)
		UNION ALL SELECT zone, hour + (random() * 2 - 1) * interval '30 hours' FROM change, generate_series(1, 60)
		UNION ALL SELECT zone, hour + (random() * 2 - 1) * interval '90 minutes' FROM change, generate_series(1, 10)) t) p, (VALUES ('day')) u(unit);
INSERT INTO shown SELECT zone, u.unit, created, value, date_trunc(u.unit, created AT TIME ZONE zone) FROM shown, (VALUES ('week'), ('month')) u(unit);
CREATE INDEX ON shown (zone, unit, starts, created);
ANALYZE shown;
CREATE FUNCTION candles_in(zone text, unit text, h price_history) RETURNS TABLE (starts timestamp, at timestamptz, open numeric, high numeric, low numeric, close numeric) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('TimeZone', zone, true);
	RETURN QUERY SELECT date_trunc(unit, c.at::timestamp), c.* FROM candles(h, ('1 ' || unit)::interval, until => latest_at(h) + interval '1 microsecond') c;
	PERFORM set_config('TimeZone', 'UTC', true);
END $$;
CREATE TABLE candle AS SELECT zone, unit, c.*, lead(at, 1, 'infinity') OVER w AS until, lag(starts) OVER w AS prev
FROM (SELECT zone, unit, price_history(created, value) AS h FROM shown GROUP BY zone, unit) s, candles_in(zone, unit, h) c WINDOW w AS (PARTITION BY zone, unit ORDER BY at);
SELECT unit, count(DISTINCT zone) AS places, count(*) > 11 * CASE unit WHEN 'day' THEN 300 WHEN 'week' THEN 45 ELSE 10 END AS candles FROM candle GROUP BY unit ORDER BY unit;
SELECT what, zone, unit, count(*), :seed AS seed FROM (
	SELECT 'prices' AS what, zone, unit FROM candle c, LATERAL (
		SELECT min(value) AS low, max(value) AS high, (array_agg(value ORDER BY created) FILTER (WHERE value IS NOT NULL))[1] AS open,
			(array_agg(value ORDER BY created DESC) FILTER (WHERE value IS NOT NULL))[1] AS close
		FROM (SELECT * FROM shown s WHERE s.zone = c.zone AND s.unit = c.unit AND s.starts = c.starts
			UNION ALL (SELECT * FROM shown s WHERE s.zone = c.zone AND s.unit = c.unit AND s.starts < c.starts ORDER BY starts DESC, created DESC LIMIT 1)) x) e
	WHERE (c.open, c.high, c.low, c.close) IS DISTINCT FROM (e.open, e.high, e.low, e.close)
	UNION ALL SELECT 'not one after the other', zone, unit FROM candle WHERE starts <> prev + ('1 ' || unit)::interval
	UNION ALL SELECT 'prices outside', zone, unit FROM shown LEFT JOIN candle USING (zone, unit, starts) WHERE (created >= at AND created < until) IS NOT TRUE) d
GROUP BY what, zone, unit;

-- Read from a table, by its index or by query: attached or named, keys of any type, times with or without zone
CREATE TABLE shop (id int PRIMARY KEY, last_price numeric);
CREATE TABLE shop_price (id serial PRIMARY KEY, shop int REFERENCES shop, created timestamptz NOT NULL, value numeric);
INSERT INTO shop SELECT DISTINCT l FROM r;
INSERT INTO shop_price (id, shop, created, value) SELECT id, l, created, value FROM r;
SET client_min_messages = warning;
SELECT price FROM attach('shop', 'shop_price');
RESET client_min_messages;
-- Without ties: of equal times the one in force.
CREATE VIEW reading AS SELECT shop.id, read_price_history('shop_price', shop.id) AS ours, price_history(created, value) AS theirs FROM shop JOIN step ON l = shop.id GROUP BY shop.id;
CREATE VIEW misread AS SELECT count(*) AS histories, count(*) FILTER (WHERE ours::text IS DISTINCT FROM theirs::text) AS differing FROM reading;
SELECT * FROM misread;
VACUUM shop_price;
SELECT * FROM misread;
DELETE FROM shop_price WHERE shop % 2 = 0;
DELETE FROM step WHERE l % 2 = 0;
SELECT * FROM misread;
SELECT read_price_history('shop_price', 2) AS deleted, read_price_history('shop_price', NULL::bigint) AS unknown,
	read_price_history('shop_price', '7'::text)::text = read_price_history('shop_price', 7)::text AS as_text;
SET client_min_messages = warning;
SELECT null_value FROM attach('shop', 'shop_price', null_value => 'skip');
RESET client_min_messages;
-- Rows without a price are not there
SELECT count(*) > 1000 AS histories, count(*) FILTER (WHERE ours::text IS DISTINCT FROM theirs::text) AS differing FROM (
	SELECT shop.id, read_price_history('shop_price', shop.id) AS ours, (SELECT price_history(created, value) FROM (
		SELECT DISTINCT ON (created) created, value FROM shop_price WHERE shop = shop.id AND value IS NOT NULL ORDER BY created, shop_price.id DESC) k) AS theirs FROM shop) s;
CREATE TABLE reading_of (sensor uuid, day date, celsius real, PRIMARY KEY (sensor, day));
INSERT INTO reading_of VALUES ('00000000-0000-0000-0000-000000000001', '2026-01-01', 0.1), ('00000000-0000-0000-0000-000000000001', '2026-01-02', 'NaN'), ('00000000-0000-0000-0000-000000000002', '2026-01-01', 7);
SELECT read_price_history('reading_of', '00000000-0000-0000-0000-000000000001'::uuid, key_column => 'sensor', at => 'day', value => 'celsius');
-- In the hour that the clock skips two local times mean one instant: the later one is in force, as for latest_price()
SET TimeZone = 'Europe/Berlin';
CREATE TABLE skipped (id serial PRIMARY KEY, k int, created timestamp, value numeric);
INSERT INTO skipped (k, created, value) VALUES (1, '2026-03-29 02:30', 999), (1, '2026-03-29 03:15', 70), (1, '2026-03-29 03:30', 100), (1, '2026-03-29 02:30', 1999), (2, '2026-03-29 02:30', 9), (2, '2026-03-29 03:30', 1);
SELECT k, h, latest(h) = latest_price('skipped', k, key_column => 'k') AS as_latest_price, bytes(h) = bytes(h::text::price_history) AS without_ties FROM (SELECT k, read_price_history('skipped', k, 'k') AS h FROM generate_series(1, 2) k) s;
-- Also where there is no tie
ALTER TABLE skipped DROP CONSTRAINT skipped_pkey;
SELECT k, h, latest(h) = latest_price('skipped', k, key_column => 'k') AS as_latest_price, bytes(h) = bytes(h::text::price_history) AS without_ties FROM (SELECT k, read_price_history('skipped', k, 'k') AS h FROM generate_series(1, 2) k) s;
DROP TABLE skipped;
SET TimeZone = 'UTC';
SET TimeZone = 'Europe/Zurich';
SELECT read_price_history('reading_of', '00000000-0000-0000-0000-000000000001'::uuid, key_column => 'sensor', at => 'day', value => 'celsius');
SET TimeZone = 'UTC';
CREATE TABLE numbered (listing int, n bigint, v bigint);
SELECT read_price_history('numbered', 1, key_column => 'listing', at => 'n', value => 'v');
SELECT read_price_history('numbered', 1, key_column => 'listing', at => 'nothing', value => 'v');
-- As the caller: columns that may not be read, and rows that are hidden (a price of each, for the random ones may all be NULL)
RESET SESSION AUTHORIZATION;
INSERT INTO histories.shop_price (id, shop, created, value) VALUES (1000001, 5, '2026-09-01', 5), (1000002, 7, '2026-09-01', 7);
CREATE ROLE regress_listing_stats_reader;
GRANT USAGE ON SCHEMA histories TO regress_listing_stats_reader;
GRANT SELECT (shop, created, id) ON histories.shop_price TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.read_price_history('histories.shop_price', 7);
RESET SESSION AUTHORIZATION;
GRANT SELECT ON histories.shop_price TO regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.step_count(listing_stats.read_price_history('histories.shop_price', 7)) > 0 AS read;
RESET SESSION AUTHORIZATION;
ALTER TABLE histories.shop_price ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON histories.shop_price TO regress_listing_stats_reader USING (shop < 7);
SET SESSION AUTHORIZATION regress_listing_stats_reader;
SELECT listing_stats.read_price_history('histories.shop_price', 7) AS hidden, listing_stats.step_count(listing_stats.read_price_history('histories.shop_price', 5)) > 0 AS shown;
RESET SESSION AUTHORIZATION;
DROP OWNED BY regress_listing_stats_reader;
DROP ROLE regress_listing_stats_reader;
SET SESSION AUTHORIZATION regress_listing_stats;

-- In any order, in pieces, through text and bytes: the same to the byte.  Text without a number has no scale.
SELECT way, count(*), min(l), :seed AS seed
FROM rh JOIN (SELECT l, price_history(created, value, id ORDER BY random()) AS shuffled FROM r GROUP BY l) o USING (l)
JOIN (SELECT l, price_history_merge(piece ORDER BY part DESC) AS pieces FROM (SELECT l, id % 3 AS part, price_history(created, value, id) AS piece FROM r GROUP BY l, id % 3) x GROUP BY l) m USING (l),
LATERAL (VALUES ('shuffled', shuffled), ('pieces', pieces), ('text', CASE WHEN h::text ~ '=-?[0-9]' THEN h::text::price_history ELSE h END)) w(way, again)
WHERE bytes(again) <> bytes(h) GROUP BY way;

-- Parallel workers give the same
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
SET max_parallel_workers_per_gather = 4;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT is_parallel('SELECT l, time_weighted_average(price_history(created, value, id)) FROM r GROUP BY l'), is_parallel('SELECT latest(value, created) FROM r');
SELECT count(*) AS same FROM (SELECT l, price_history(created, value, id)::text AS h FROM r GROUP BY l) p JOIN rh USING (l) WHERE p.h = rh.h::text;
SELECT count(*) AS listings, count(*) FILTER (WHERE p.average IS DISTINCT FROM time_weighted_average(h, '2026-01-05', '2026-02-10')::text) AS differing
FROM (SELECT l, time_weighted_average(price_history(created, value, id), '2026-01-05', '2026-02-10')::text AS average FROM r GROUP BY l) p JOIN rh USING (l);
SELECT latest(value, created, id) IS NOT DISTINCT FROM (SELECT value FROM r ORDER BY created DESC, id DESC LIMIT 1) AS latest FROM r;
RESET max_parallel_workers_per_gather;

-- Toasted, compressed and not: the same history
CREATE TABLE long (n int, h price_history);
INSERT INTO long SELECT 1, price_history('2026-01-01'::timestamptz + i * interval '1 hour', i / 5000) FROM generate_series(1, 20000) i;
INSERT INTO long SELECT 2, price_history('2026-01-01'::timestamptz + i * interval '1 hour' + random() * interval '30 minutes', round((random() * 1000)::numeric, 2)) FROM generate_series(1, 10000) i;
CREATE TABLE plain AS SELECT n, h::text AS h FROM long;
SELECT n, pg_column_compression(h) IS NOT NULL AS compressed, pg_column_size(h) < 2000 AS in_line, pg_relation_size(reltoastrelid) > 30000 AS toasted FROM long, pg_class WHERE oid = 'long'::regclass ORDER BY n;
SELECT n, h::text = (SELECT h FROM plain WHERE plain.n = long.n) AS same, step_count(h), latest(h) = latest(p) AS latest, lowest(h) = lowest(p) AS lowest, time_weighted_average(h, until => NULL) = time_weighted_average(p, until => NULL) AS average,
	bytes(merge(h, '{}')) = bytes(p) AS merged FROM long JOIN (SELECT n, h::price_history AS p FROM plain OFFSET 0) t USING (n) ORDER BY n;

-- What a function returns is asked as what is stored: as it is, as often as one likes, in a variable, copied, put together, sent
CREATE TABLE source (k int, at timestamptz, v numeric, id int GENERATED ALWAYS AS IDENTITY, UNIQUE (k, at, id));
INSERT INTO source (k, at, v) SELECT k, '2026-01-01'::timestamptz + i * 7919 % 10007 / k * interval '1 min', CASE WHEN i % 9 > 0 THEN (i * 31 % 17)::numeric / CASE WHEN i % 50 = 0 AND k = 3 THEN 1e25 ELSE 4 END END
	FROM unnest('{1,3,5000}'::int[]) k, generate_series(1, 2000) i;
CREATE FUNCTION all_answers(h price_history) RETURNS text STABLE LANGUAGE sql AS $$
	SELECT concat_ws(' ', step_count(h), latest(h), latest_at(h), first_price(h), first_at(h), previous(h), price_at(h, '2026-01-03'), lowest(h, '2026-01-02', '2026-01-03'), highest_at(h), time_weighted_average(h), availability(h), changes(h), last_change(h),
		price_drop(h), price_drop_percent(h), is_lowest(h), days_at_price(h, '2027-01-01'), days_on_market(h, '2027-01-01'), prior_price(h), sparkline(h, 9, until => '2026-01-05'), md5(h::text), md5(h::json::text), md5(h::jsonb::text), md5(bytes(h)::text)) $$;
CREATE FUNCTION keeps(k int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	kept price_history := read_price_history('source', k, 'k', 'at', 'v');
	copied price_history := kept;
BEGIN
	RETURN NEXT all_answers(kept);
	kept := merge(kept, '{2027-01-01=1}');
	RETURN NEXT all_answers(copied);
	RETURN NEXT all_answers(kept + kept);
	RETURN NEXT all_answers(price_history_merge(m)) FROM unnest(ARRAY[copied, kept]) m;
END $$;
CREATE TABLE returned AS SELECT k, h AS one, h AS other FROM unnest('{1,3,5000,7}'::int[]) k, LATERAL (SELECT read_price_history('source', k, 'k', 'at', 'v') AS h OFFSET 0) x;
SELECT k, step_count(one), bytes(one) = bytes(other) AND all_answers(one) = all_answers(other) AS copied, all_answers(one) = all_answers(read_price_history('source', k, 'k', 'at', 'v')) AS as_it_is,
	all_answers(one) = (SELECT all_answers(price_history(at, v)) FROM source WHERE source.k = returned.k) AS as_collected,
	ARRAY(SELECT keeps(k)) = ARRAY[all_answers(one), all_answers(one), all_answers(merge(one, '{2027-01-01=1}')), all_answers(merge(one, '{2027-01-01=1}'))] AS in_variables
FROM returned ORDER BY k;

-- Prices that are deleted, of which the index has entries still
CREATE TABLE fallen (k int, at timestamptz NOT NULL, v numeric, id int GENERATED ALWAYS AS IDENTITY);
CREATE INDEX ON fallen (k, at DESC, id DESC) INCLUDE (v);
INSERT INTO fallen (k, at, v) SELECT k, '2026-01-01'::timestamptz + i * interval '1 h', i FROM generate_series(1, 300) i, generate_series(1, 3) k;
VACUUM fallen;
DELETE FROM fallen WHERE k = 2 AND v IN (1, 120, 121, 300) OR k = 3;
SELECT k, h::text = (SELECT price_history(at, v) FROM fallen WHERE fallen.k = x.k)::text AS same, step_count(h), lowest(h), highest(h) FROM (SELECT k, read_price_history('fallen', k, 'k', 'at', 'v') AS h FROM generate_series(1, 3) k) x;
-- Prices with more decimals than a scaled one can have: the same bytes, whichever way they were collected
CREATE TABLE fine (k int, at timestamptz NOT NULL, v numeric(38, 20));
CREATE INDEX ON fine (k, at DESC) INCLUDE (v);
INSERT INTO fine SELECT k, '2026-01-01'::timestamptz + i * interval '1 h', i * 0.05 FROM generate_series(1, 3) k, generate_series(1, k) i;
VACUUM fine;
SELECT k, bytes(h) = bytes(h::text::price_history) AS as_text, bytes(h) = bytes(c) AS as_collected, bytes(c) = bytes(c::text::price_history) AS collected_as_text, h
	FROM (SELECT k, read_price_history('fine', k, 'k', 'at', 'v') AS h, (SELECT price_history(at, v) FROM fine WHERE fine.k = g.k) AS c FROM generate_series(1, 3) g(k)) x;

-- Small: bytes a step, at whole seconds and at microseconds
SELECT bool_and(pg_column_size(seconds) <= 4 * 500) AS four_bytes, bool_and(pg_column_size(micros) <= 8 * 500) AS eight_bytes
FROM (SELECT price_history(date_trunc('second', t), v) AS seconds, price_history(t, v) AS micros
	FROM (SELECT l, timestamptz '2026-01-01' + sum(interval '6 hours' + random() * interval '18 hours') OVER o AS t, (500 + sum(random() * 10 - 5) OVER o)::numeric(10,2) AS v
		FROM generate_series(1, 20) l, generate_series(1, 500) i WINDOW o AS (PARTITION BY l ORDER BY i)) x GROUP BY l) s;
