-- What there is to call, and who may: functions whose name begins with _ are for the server and our own aggregates.
SET SESSION AUTHORIZATION regress_listing_stats;
CREATE SCHEMA surface;
SET search_path = surface, listing_stats;

-- All functions: kind, volatility (immutable, stable, volatile), parallel label (safe, restricted, unsafe), whether strict, whether everybody may call it
\pset format unaligned
SELECT prokind AS kind, provolatile AS volatility, proparallel AS parallel, proisstrict AS strict, has_function_privilege(oid, 'EXECUTE') AS everybody, proname || '(' || pg_get_function_arguments(oid) || ')' AS function
FROM pg_proc WHERE pronamespace = 'listing_stats'::regnamespace ORDER BY proname COLLATE "C", pg_get_function_arguments(oid) COLLATE "C";
\pset format aligned
-- All casts: explicit or on assignment
SELECT castsource::regtype, casttarget::regtype, castcontext FROM pg_cast WHERE castsource IN ('price_distribution'::regtype, 'price_history'::regtype) OR casttarget IN ('price_distribution'::regtype, 'price_history'::regtype) ORDER BY castsource::regtype::text, casttarget::regtype::text;
-- What engines need that take states apart and put them together elsewhere: a combine, and a state that is an ordinary type with text and binary forms.
SELECT DISTINCT proname AS aggregate, aggcombinefn <> 0 AS combines, t.typtype <> 'p' AS ordinary_state, t.typreceive <> 0 AND t.typsend <> 0 AS travels
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN pg_type t ON t.oid = a.aggtranstype WHERE pronamespace = 'listing_stats'::regnamespace ORDER BY 1, 2, 3, 4;

-- Of the private ones everybody may call what is behind operators, casts, text, lists of IN and a view; nobody makes an aggregate of the others
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'listing_stats'::regnamespace AND proname LIKE '\_%' AND has_function_privilege(oid, 'EXECUTE') ORDER BY oid::regprocedure::text COLLATE "C";
SELECT has_type_privilege('_latest_state', 'USAGE');
SELECT _accumulate(NULL, 1);
CREATE AGGREGATE pg_temp.evil(bigint, timestamptz) (SFUNC = _latest_accumulate, STYPE = _latest_state, FINALFUNC = _latest_finish_numeric);
CREATE AGGREGATE pg_temp.evil(bigint) (SFUNC = _accumulate, STYPE = price_distribution, FINALFUNC = _finish_median);
CREATE TEMPORARY TABLE states (s _latest_state);

-- An ordinary role uses all that is public: as a window, hashed, sorted, in parallel, in a list that is hashed
CREATE TABLE kept AS SELECT i % 5 AS k, i::numeric / 4 AS n, i::bigint AS b, i AS i, i / 4.0::float8 AS d, i / 10.0::real AS r, '2026-01-01'::timestamptz + i * interval '1 h' AS at FROM generate_series(1, 2000) i;
CREATE FUNCTION all_of(source text) RETURNS text LANGUAGE sql RETURN format($$
	SELECT price_stats(%1$s), price_summary(%1$s), price_stats_json(%1$s), median(%1$s), percentile(price_stats(%1$s), 0.9), price_stats_merge(price_stats(%1$s)) OVER (ORDER BY k),
		price_history(at, %1$s), price_history(at, %1$s, b), price_history_merge(price_history(at, %1$s)) OVER (ORDER BY k), latest(%1$s, at), latest(%1$s, at, b), earliest(%1$s, at), earliest(%1$s, at, b)
	FROM kept GROUP BY k ORDER BY k$$, source);
CREATE FUNCTION digest_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SELECT md5(string_agg(a::text, chr(10))) FROM (%s) a', query) INTO answer;
	RETURN answer;
END $$;
CREATE FUNCTION uses(query text, node text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line ~ node THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
SET max_parallel_workers_per_gather = 0;
SET enable_hashagg = off;
CREATE TABLE sorted AS SELECT source, digest_of(all_of(source)) AS digest FROM unnest('{n,b,i,d,r}'::text[]) source;
RESET enable_hashagg;
SET enable_sort = off;
SELECT source, uses(all_of(source), 'HashAggregate') AS hashed, digest_of(all_of(source)) = digest AS same FROM sorted;
RESET enable_sort;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT source, uses(all_of(source), 'Partial .*Aggregate') AS parallel, digest_of(all_of(source)) = digest AS same FROM sorted;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SELECT s IN ('{1}', '{2}', '{3}', '{4}', '{5}', '{6}', '{7}', '{8}', '{9}', '{10.00}') AS in_list, greatest(s, '{7}') = s AS greatest, s::json IS NOT NULL AS json, s::jsonb IS NOT NULL AS jsonb FROM (VALUES ('{10}'::price_distribution)) v(s);
SELECT h::json IS NOT NULL AS json, h::jsonb IS NOT NULL AS jsonb, h::text::price_history::text = h::text AS text FROM (SELECT price_history(at, n) FROM kept) v(h);
SELECT '{1}'::text::price_distribution, '{2026-01-01=1}'::text::price_history, '{1}'::price_distribution::text, '{infinity=1}'::price_history::text;
SELECT count(*) FROM attachments;

-- Not even a superuser's aggregate takes the state of another for its own
RESET SESSION AUTHORIZATION;
CREATE FUNCTION outcome(definition text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE definition;
	EXECUTE query INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TABLE value_types AS SELECT * FROM (VALUES ('numeric', 'numeric'), ('bigint', 'bigint'), ('integer', 'integer'), ('double', 'float8')) t(word, type);
SELECT s.word AS state, f.word AS finished, string_agg(a.type, ', ') FILTER (WHERE answer = '4096') AS accumulates, string_agg(DISTINCT answer, E'\n') FILTER (WHERE answer <> '4096') AS refuses
FROM value_types a, value_types s, value_types f, outcome(
	format('CREATE AGGREGATE mixed_%1$s_%2$s_%3$s(%1$s, timestamptz) (SFUNC = _latest_accumulate, STYPE = _latest_state, INITCOND = ''latest %2$s'', FINALFUNC = _latest_finish_%3$s)', a.type, s.word, f.word),
	format('SELECT mixed_%1$s_%2$s_%3$s(4096::%1$s, now())', a.type, s.word, f.word)) answer
GROUP BY s.word, f.word ORDER BY s.word COLLATE "C", f.word COLLATE "C";
SELECT outcome('CREATE AGGREGATE stateless(integer, timestamptz) (SFUNC = _latest_accumulate, STYPE = _latest_state)', 'SELECT stateless(1, now())');
-- States go to other servers as text or in binary, and are put together there: of one aggregate, and values of one type
CREATE AGGREGATE combined(_latest_state) (SFUNC = _latest_combine, STYPE = _latest_state);
CREATE AGGREGATE state_of(numeric, timestamptz, bigint) (SFUNC = _latest_accumulate, STYPE = _latest_state, INITCOND = 'earliest numeric');
CREATE AGGREGATE state_of(float8, timestamptz, bigint) (SFUNC = _latest_accumulate, STYPE = _latest_state, INITCOND = 'latest double');
SELECT state_of(v, at, t), state_of(v::float8, at, t) FROM (VALUES (NULL, timestamptz '-infinity', NULL::bigint), (2.50, '-infinity', NULL)) s(v, at, t);
SELECT combined(s), combined(s ORDER BY s::text DESC) FROM unnest('{latest bigint,latest bigint 7 null 3,latest bigint 7 -2 null,latest bigint 7 -2 5,latest bigint 6 4 9,null}'::_latest_state[]) s;
SELECT one, other, outcome('SELECT', format('SELECT combined(s) FROM (VALUES (%L::_latest_state), (%L)) s(s)', one, other))
FROM unnest('{latest bigint,latest integer 1 2 3,earliest bigint 1 2 3}'::text[]) one, unnest('{latest bigint,latest bigint 1 2 4}'::text[]) other;
SELECT s, outcome('SELECT', format('SELECT %L::_latest_state', s)) FROM unnest(ARRAY['', 'latest', 'latest bigint', 'latest bigint ', 'last bigint', 'latest text', 'latest bigint 1', 'latest bigint 1 2 3 4', 'latest bigint 1 2 x', 'latest bigint x 2 3',
	'latest numeric 1 2 NaN', 'latest numeric 1 2 ten', 'earliest numeric -9223372036854775808 -9223372036854775808 null']) s;
CREATE TABLE states AS SELECT format('%s %s', n, t.word)::_latest_state AS s FROM value_types t, unnest('{latest,earliest}'::text[]) n
	UNION ALL SELECT state_of(repeat('7', i)::numeric, '2026-01-01 00:00Z', i) FROM unnest('{1,30,300}'::int[]) i;
SELECT count(*) AS different FROM states WHERE _latest_state_in(_latest_state_out(s))::text <> s::text OR s::text <> convert_from(_latest_state_send(s), 'UTF8');
-- nor are the functions behind aggregates of use elsewhere
SELECT call, outcome('SELECT', 'SELECT listing_stats.' || call) FROM unnest(ARRAY['_accumulate(NULL, 1)', '_accumulate(NULL, 1.5)', '_combine(''{1}'', ''{2}'')', '_finish_summary(''{1}'')', '_finish_stats_json(''{1}'')', '_finish_stats(''{1}'')',
	'_finish_median(''{1}'')', '_history_accumulate(NULL, now(), 1)', '_history_combine(''{}'', ''{}'')',
	'_history_finish(''{}'')', '_latest_accumulate(NULL, 1, now())', '_latest_combine(NULL, NULL)', '_latest_finish_numeric(NULL)', '_latest_finish_integer(NULL)']) call;

SET client_min_messages = warning;
DROP SCHEMA surface CASCADE;
