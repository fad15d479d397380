-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION listing_stats" to load this file. \quit

-- A schema of that name which is already there is refused here: it may be somebody else's.
CREATE SCHEMA listing_stats;
GRANT USAGE ON SCHEMA listing_stats TO PUBLIC;
COMMENT ON SCHEMA listing_stats IS 'keeps the latest price of every listing in a column, and exact statistics of any set';

----------------------------------------------------------------------------------------------------
-- Statistics
----------------------------------------------------------------------------------------------------

CREATE TYPE listing_stats.summary AS (
	count bigint, nulls bigint, min numeric, q1 numeric, median numeric, q3 numeric, max numeric,
	mean numeric, stddev numeric, sum numeric);
COMMENT ON TYPE listing_stats.summary IS
	'what price_summary() answers: count of the values that are not NULL, nulls of those that are; all else in the unit of the values, and NULL where count is 0';
COMMENT ON COLUMN listing_stats.summary.count IS 'how many values are not NULL; NaN and infinities count';
COMMENT ON COLUMN listing_stats.summary.nulls IS 'how many values are NULL';
COMMENT ON COLUMN listing_stats.summary.min IS 'the lowest value; -Infinity is below all';
COMMENT ON COLUMN listing_stats.summary.q1 IS 'the 25th percentile: lo + (hi - lo) * fraction, exact; as percentile_cont(0.25) NaN between infinities';
COMMENT ON COLUMN listing_stats.summary.median IS 'the 50th percentile: lo + (hi - lo) * fraction, exact; as percentile_cont(0.5) NaN between infinities';
COMMENT ON COLUMN listing_stats.summary.q3 IS 'the 75th percentile: lo + (hi - lo) * fraction, exact; as percentile_cont(0.75) NaN between infinities';
COMMENT ON COLUMN listing_stats.summary.max IS 'the highest value; NaN is above all';
COMMENT ON COLUMN listing_stats.summary.mean IS 'avg() of the values, digit for digit';
COMMENT ON COLUMN listing_stats.summary.stddev IS 'stddev_samp() of the values, digit for digit; NULL for a single value, NaN with NaN or an infinity';
COMMENT ON COLUMN listing_stats.summary.sum IS 'sum() of the values, digit for digit';

CREATE TYPE listing_stats.price_distribution;
CREATE FUNCTION listing_stats._price_distribution_in(cstring) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_in(cstring) IS
	'reads {19.99, 20.00*3, null*4}: numbers, NaN, Infinity, -Infinity and null in any order, each with how often it occurs; error 22P02 on anything else, 54000 when it is too large';
CREATE FUNCTION listing_stats._price_distribution_out(listing_stats.price_distribution) RETURNS cstring
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_out(listing_stats.price_distribution) IS
	'the text of a distribution, ascending, with the decimals of the number that has most, of which all but the lowest have only those they need where numbers do not fit 64 bits; NULL for NULL; error 54000 beyond a gigabyte';
CREATE FUNCTION listing_stats._price_distribution_recv(internal) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_recv(internal) IS
	'reads the binary form, which src/core/stored_form.hpp describes; error 22P03 on anything else';
CREATE FUNCTION listing_stats._price_distribution_send(listing_stats.price_distribution) RETURNS bytea
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_send(listing_stats.price_distribution) IS
	'the binary form, as it is stored; NULL for NULL';
CREATE TYPE listing_stats.price_distribution (
	INPUT = listing_stats._price_distribution_in,
	OUTPUT = listing_stats._price_distribution_out,
	RECEIVE = listing_stats._price_distribution_recv,
	SEND = listing_stats._price_distribution_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = extended);
COMMENT ON TYPE listing_stats.price_distribution IS
	'the exact distribution of a set of numbers, NULLs counted: {19.99, 20.00*3, Infinity, NaN*2, null*4}; each value is stored once, with how often it occurs. Up to one gigabyte, which is several hundred million different prices, and 4611686018427387903 values; error 54000 beyond';

CREATE FUNCTION listing_stats._accumulate(listing_stats.price_distribution, numeric) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_accumulate_numeric' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._accumulate(listing_stats.price_distribution, numeric) IS
	'the aggregates'' transition: one more number, or one more NULL; error 0A000 outside of an aggregate, 54000 when the distribution is full';
CREATE FUNCTION listing_stats._accumulate(listing_stats.price_distribution, bigint) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_accumulate_bigint' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._accumulate(listing_stats.price_distribution, bigint) IS
	'the aggregates'' transition: one more number, or one more NULL; error 0A000 outside of an aggregate, 54000 when the distribution is full';
CREATE FUNCTION listing_stats._accumulate(listing_stats.price_distribution, integer) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_accumulate_integer' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._accumulate(listing_stats.price_distribution, integer) IS
	'the aggregates'' transition: one more number, or one more NULL; error 0A000 outside of an aggregate, 54000 when the distribution is full';
CREATE FUNCTION listing_stats._accumulate(listing_stats.price_distribution, double precision) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_accumulate_double' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._accumulate(listing_stats.price_distribution, double precision) IS
	'the aggregates'' transition: one more number, or one more NULL; a double counts as its shortest decimal; error 0A000 outside of an aggregate, 54000 when the distribution is full';
CREATE FUNCTION listing_stats._accumulate(listing_stats.price_distribution, real) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_accumulate_real' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._accumulate(listing_stats.price_distribution, real) IS
	'the aggregates'' transition: one more number, or one more NULL; a real counts as its shortest decimal; error 0A000 outside of an aggregate, 54000 when the distribution is full';
CREATE FUNCTION listing_stats._combine(listing_stats.price_distribution, listing_stats.price_distribution) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._combine(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'the aggregates'' combine, and the transition of price_stats_merge(): the two sets as one, NULL for an empty one; error 0A000 outside of an aggregate, 54000 when the distribution is full';
CREATE FUNCTION listing_stats._finish_stats(listing_stats.price_distribution) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_finish_stats' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._finish_stats(listing_stats.price_distribution) IS
	'the result of price_stats() and price_stats_merge(); NULL is the empty set; error 0A000 outside of an aggregate, 54000 when it takes more than a gigabyte';
CREATE FUNCTION listing_stats._finish_summary(listing_stats.price_distribution) RETURNS listing_stats.summary
	AS 'MODULE_PATHNAME', 'listing_stats_finish_summary' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._finish_summary(listing_stats.price_distribution) IS
	'the result of price_summary(); NULL is the empty set; error 0A000 outside of an aggregate';
CREATE FUNCTION listing_stats._finish_stats_json(listing_stats.price_distribution) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'listing_stats_finish_stats_json' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._finish_stats_json(listing_stats.price_distribution) IS
	'the result of price_stats_json(); NULL is the empty set; error 0A000 outside of an aggregate';
CREATE FUNCTION listing_stats._finish_median(listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_finish_median' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._finish_median(listing_stats.price_distribution) IS
	'the result of the aggregate median(); NULL is the empty set; error 0A000 outside of an aggregate';

-- The aggregates over a set of values, each for every type that a price can have; latest() below is made likewise.
DO LANGUAGE plpgsql $do$
DECLARE
	aggregate record;
BEGIN
	FOR aggregate IN
		SELECT * FROM (VALUES
			('price_stats', '_finish_stats',
				'the exact distribution of the values as one value, which can be stored, merged and asked; NULLs are counted apart; of no rows the empty distribution; error 54000 when it takes more than a gigabyte'),
			('price_summary', '_finish_summary',
				'count, nulls, min, quartiles, max, mean, stddev and sum of the values, in their unit and exact; NULLs are counted and left out; of no rows: counts of 0, all else NULL; error 22003 where sum() has it, 54000 beyond four gigabytes of values'),
			('price_stats_json', '_finish_stats_json',
				'price_summary() as a JSON object: exact numbers in the unit of the values, NaN and infinities as strings, null where there is no answer; of no rows: counts of 0, all else null; error 22003 where sum() has it, 54000 beyond four gigabytes of values'),
			('median', '_finish_median',
				'the middle value, or what lies halfway between the middle two, exact; NULLs are left out; NULL of no values, NaN between infinities; error 54000 beyond four gigabytes of values')) n(name, finish, comment),
			(VALUES ('numeric', ''), ('bigint', ''), ('integer', ''),
				('double precision', '; doubles count as their shortest decimals, -0 as 0'),
				('real', '; reals count as their shortest decimals, -0 as 0')) t(type, remark)
	LOOP
		EXECUTE format($$CREATE AGGREGATE listing_stats.%s(v %s) (SFUNC = listing_stats._accumulate, STYPE = listing_stats.price_distribution,
			SSPACE = 256, FINALFUNC = listing_stats.%s, COMBINEFUNC = listing_stats._combine, PARALLEL = SAFE)$$, aggregate.name, aggregate.type, aggregate.finish);
		EXECUTE format('COMMENT ON AGGREGATE listing_stats.%s(%s) IS %L', aggregate.name, aggregate.type, aggregate.comment || aggregate.remark);
	END LOOP;
END $do$;
CREATE AGGREGATE listing_stats.price_stats_merge(s listing_stats.price_distribution) (
	SFUNC = listing_stats._combine,
	STYPE = listing_stats.price_distribution,
	SSPACE = 256,
	FINALFUNC = listing_stats._finish_stats,
	COMBINEFUNC = listing_stats._combine,
	PARALLEL = SAFE);
COMMENT ON AGGREGATE listing_stats.price_stats_merge(listing_stats.price_distribution) IS
	'the distributions as one, of all their values together, exact; NULLs among them are left out; of no rows the empty distribution; error 54000 when it takes more than a gigabyte or counts too many values';

CREATE FUNCTION listing_stats.value_count(s listing_stats.price_distribution) RETURNS bigint
	AS 'MODULE_PATHNAME', 'listing_stats_value_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.value_count(s listing_stats.price_distribution) IS
	'how many values are not NULL; NaN and infinities count; NULL for NULL';
CREATE FUNCTION listing_stats.null_count(s listing_stats.price_distribution) RETURNS bigint
	AS 'MODULE_PATHNAME', 'listing_stats_null_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.null_count(s listing_stats.price_distribution) IS
	'how many values are NULL; NULL for NULL';
CREATE FUNCTION listing_stats.lowest(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_lowest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.lowest(s listing_stats.price_distribution) IS
	'the lowest value, as min() has it, in the unit of the values; -Infinity is below all; NULL for NULL and of no values';
CREATE FUNCTION listing_stats.highest(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_highest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.highest(s listing_stats.price_distribution) IS
	'the highest value, as max() has it, in the unit of the values; NaN is above all; NULL for NULL and of no values';
CREATE FUNCTION listing_stats.total(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_total' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.total(s listing_stats.price_distribution) IS
	'sum() of the values, digit for digit; NULL for NULL and of no values; error 22003 where sum() has it';
CREATE FUNCTION listing_stats.mean(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_mean' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.mean(s listing_stats.price_distribution) IS
	'avg() of the values, digit for digit; NULL for NULL and of no values; error 22003 where avg() has it';
CREATE FUNCTION listing_stats.median(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_median' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.median(s listing_stats.price_distribution) IS
	'the middle value, or what lies halfway between the middle two, exact; NaN between infinities; NULL for NULL and of no values';
CREATE FUNCTION listing_stats.most_frequent(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_most_frequent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.most_frequent(s listing_stats.price_distribution) IS
	'the value that occurs most often, the lowest of several; NULL for NULL and of no values';
CREATE FUNCTION listing_stats.variance(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_variance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.variance(s listing_stats.price_distribution) IS
	'var_samp() of the values, digit for digit, in the square of their unit; NULL for NULL and of less than two values, NaN with NaN or an infinity; error 22003 where var_samp() has it';
CREATE FUNCTION listing_stats.variance_pop(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_variance_pop' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.variance_pop(s listing_stats.price_distribution) IS
	'var_pop() of the values, digit for digit, in the square of their unit; NULL for NULL and of no values, NaN with NaN or an infinity; error 22003 where var_pop() has it';
CREATE FUNCTION listing_stats.stddev(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_stddev' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.stddev(s listing_stats.price_distribution) IS
	'stddev_samp() of the values, digit for digit; NULL for NULL and of less than two values, NaN with NaN or an infinity; error 22003 where stddev_samp() has it';
CREATE FUNCTION listing_stats.stddev_pop(s listing_stats.price_distribution) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_stddev_pop' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.stddev_pop(s listing_stats.price_distribution) IS
	'stddev_pop() of the values, digit for digit; NULL for NULL and of no values, NaN with NaN or an infinity; error 22003 where stddev_pop() has it';
CREATE FUNCTION listing_stats.percentile(s listing_stats.price_distribution, p numeric) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_percentile' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.percentile(s listing_stats.price_distribution, p numeric) IS
	'the value below which the part p (0 to 1) of all values lies: lo + (hi - lo) * fraction as percentile_cont has it, but exact; NULL for NULL and of no values; error 22003 unless p is between 0 and 1';
CREATE FUNCTION listing_stats.percentiles(s listing_stats.price_distribution, p numeric[]) RETURNS numeric[]
	AS 'MODULE_PATHNAME', 'listing_stats_percentiles' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.percentiles(s listing_stats.price_distribution, p numeric[]) IS
	'percentile() for each element, in an array of the same shape; NULL elements for NULL ones and of no values; error 22003 unless all are between 0 and 1, 54000 when they take more than a gigabyte';
CREATE FUNCTION listing_stats.percent_rank(s listing_stats.price_distribution, x numeric) RETURNS double precision
	AS 'MODULE_PATHNAME', 'listing_stats_percent_rank' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.percent_rank(s listing_stats.price_distribution, x numeric) IS
	'the part (0 to 1) of all values that are below x, as percent_rank(x) WITHIN GROUP has it where there are no NULLs; NULL for NULL and of no values';
CREATE FUNCTION listing_stats.histogram(s listing_stats.price_distribution, n integer DEFAULT 10, OUT low numeric, OUT high numeric, OUT count bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'listing_stats_histogram' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION listing_stats.histogram(s listing_stats.price_distribution, n integer, OUT low numeric, OUT high numeric, OUT count bigint) IS
	'how many finite values lie in each of n buckets of equal width between the lowest and the highest: low <= value < high, the last with value <= high; bounds are rounded a few decimals beyond those of the values. One bucket if all are equal, none without values or for NULL; error 22023 unless n is between 1 and 100000';
CREATE FUNCTION listing_stats.sparkline(s listing_stats.price_distribution, n integer DEFAULT 20) RETURNS text
	AS 'MODULE_PATHNAME', 'listing_stats_sparkline' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.sparkline(s listing_stats.price_distribution, n integer) IS
	'the histogram of n buckets as one line of block characters, or of _.-~=+*# in databases that are not UTF-8; the highest stands for the fullest bucket; empty without finite values, NULL for NULL; error 22023 unless n is between 1 and 100000';
CREATE FUNCTION listing_stats.histogram_text(s listing_stats.price_distribution, n integer DEFAULT 10) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	-- Bounds have up to a hundred thousand digits, and a text takes a gigabyte.  A bound between the lowest value and the highest
	-- takes up to 9 characters more than either; what else is in a line takes up to 152 bytes.
	IF (SELECT n <= 100000 AND low < high AND n::bigint * (2 * (greatest(length(low::text), length(high::text)) + 9) + 152) > 1073741823
		FROM listing_stats.histogram(s, 1)) THEN
		RAISE program_limit_exceeded USING MESSAGE = format('histogram of %s buckets is too long for one text', n),
			HINT = 'Fewer buckets take less; histogram() gives them as rows.';
	END IF;
	-- Where the encoding of the database is not UTF-8, hardly another has blocks.
	RETURN coalesce((SELECT string_agg(lpad(low, low_width) || ' .. ' || lpad(high, high_width) || '  ' || repeat(block, steps::integer) || ' ' || count, E'\n' ORDER BY i)
		FROM (SELECT i, count, low::text, high::text, max(length(low::text)) OVER () AS low_width, max(length(high::text)) OVER () AS high_width,
				chr(CASE getdatabaseencoding() WHEN 'UTF8' THEN 9608 ELSE 35 END) AS block,
				CASE WHEN count > 0 THEN greatest(1, div(count * 40.0 + max(count) OVER () / 2, max(count) OVER ())) ELSE 0 END AS steps
			FROM listing_stats.histogram(s, n) WITH ORDINALITY h(low, high, count, i)) b), '');
END $$;
COMMENT ON FUNCTION listing_stats.histogram_text(s listing_stats.price_distribution, n integer) IS
	'the histogram of n buckets as text for reading: a line for each, with bounds, a bar of blocks, or of # in databases that are not UTF-8, and how many values; NaN, infinities and NULLs are left out; empty without finite values, NULL for NULL; error 22023 unless n is between 1 and 100000, 54000 when the lines take more than a gigabyte';
CREATE FUNCTION listing_stats.summarize(s listing_stats.price_distribution) RETURNS listing_stats.summary
	AS 'MODULE_PATHNAME', 'listing_stats_summarize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.summarize(s listing_stats.price_distribution) IS
	'what price_summary() says of the same values; NULL for NULL; error 22003 where sum() has it';
CREATE FUNCTION listing_stats.merge(a listing_stats.price_distribution, b listing_stats.price_distribution) RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_merge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.merge(a listing_stats.price_distribution, b listing_stats.price_distribution) IS
	'the two sets as one, exact; NULL for NULL; error 54000 when it takes more than a gigabyte or counts too many values';
CREATE FUNCTION listing_stats.same(a listing_stats.price_distribution, b listing_stats.price_distribution) RETURNS boolean
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.same(a listing_stats.price_distribution, b listing_stats.price_distribution) IS
	'whether both are the same set of numbers and NULLs, 1.0 being 1.00; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_eq(listing_stats.price_distribution, listing_stats.price_distribution) RETURNS boolean
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_eq(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'equal, behind the operator; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_ne(listing_stats.price_distribution, listing_stats.price_distribution) RETURNS boolean
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_ne(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'not equal, behind the operator; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_lt(listing_stats.price_distribution, listing_stats.price_distribution) RETURNS boolean
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_lt(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'less, behind the operator; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_le(listing_stats.price_distribution, listing_stats.price_distribution) RETURNS boolean
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_le(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'less or equal, behind the operator; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_gt(listing_stats.price_distribution, listing_stats.price_distribution) RETURNS boolean
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_gt(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'greater, behind the operator; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_ge(listing_stats.price_distribution, listing_stats.price_distribution) RETURNS boolean
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_ge(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'greater or equal, behind the operator; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_cmp(listing_stats.price_distribution, listing_stats.price_distribution) RETURNS integer
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_cmp(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'the btree order of distributions: negative, 0 or positive; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_hash(listing_stats.price_distribution) RETURNS integer
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_hash(listing_stats.price_distribution) IS
	'hash of a distribution, equal for equal ones; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_hash(listing_stats.price_distribution, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_hash(listing_stats.price_distribution, bigint) IS
	'hash of a distribution with a seed, equal for equal ones; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_to_json(listing_stats.price_distribution) RETURNS json
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_to_json' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_to_json(listing_stats.price_distribution) IS
	'the cast to json: what price_stats_json() says of the same values; NULL for NULL';
CREATE FUNCTION listing_stats._price_distribution_to_jsonb(listing_stats.price_distribution) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_to_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_distribution_to_jsonb(listing_stats.price_distribution) IS
	'the cast to jsonb: what price_stats_json() says of the same values; NULL for NULL';

CREATE OPERATOR listing_stats.= (
	LEFTARG = listing_stats.price_distribution, RIGHTARG = listing_stats.price_distribution, FUNCTION = listing_stats._price_distribution_eq,
	COMMUTATOR = OPERATOR(listing_stats.=), NEGATOR = OPERATOR(listing_stats.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR listing_stats.= (listing_stats.price_distribution, listing_stats.price_distribution) IS 'the same set of numbers and NULLs, 1.0 being 1.00';
CREATE OPERATOR listing_stats.<> (
	LEFTARG = listing_stats.price_distribution, RIGHTARG = listing_stats.price_distribution, FUNCTION = listing_stats._price_distribution_ne,
	COMMUTATOR = OPERATOR(listing_stats.<>), NEGATOR = OPERATOR(listing_stats.=), RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR listing_stats.<> (listing_stats.price_distribution, listing_stats.price_distribution) IS 'not the same set';
CREATE OPERATOR listing_stats.< (
	LEFTARG = listing_stats.price_distribution, RIGHTARG = listing_stats.price_distribution, FUNCTION = listing_stats._price_distribution_lt,
	COMMUTATOR = OPERATOR(listing_stats.>), NEGATOR = OPERATOR(listing_stats.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR listing_stats.< (listing_stats.price_distribution, listing_stats.price_distribution) IS 'less, in an order that only agrees with =';
CREATE OPERATOR listing_stats.<= (
	LEFTARG = listing_stats.price_distribution, RIGHTARG = listing_stats.price_distribution, FUNCTION = listing_stats._price_distribution_le,
	COMMUTATOR = OPERATOR(listing_stats.>=), NEGATOR = OPERATOR(listing_stats.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR listing_stats.<= (listing_stats.price_distribution, listing_stats.price_distribution) IS 'less or equal, in an order that only agrees with =';
CREATE OPERATOR listing_stats.> (
	LEFTARG = listing_stats.price_distribution, RIGHTARG = listing_stats.price_distribution, FUNCTION = listing_stats._price_distribution_gt,
	COMMUTATOR = OPERATOR(listing_stats.<), NEGATOR = OPERATOR(listing_stats.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR listing_stats.> (listing_stats.price_distribution, listing_stats.price_distribution) IS 'greater, in an order that only agrees with =';
CREATE OPERATOR listing_stats.>= (
	LEFTARG = listing_stats.price_distribution, RIGHTARG = listing_stats.price_distribution, FUNCTION = listing_stats._price_distribution_ge,
	COMMUTATOR = OPERATOR(listing_stats.<=), NEGATOR = OPERATOR(listing_stats.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR listing_stats.>= (listing_stats.price_distribution, listing_stats.price_distribution) IS 'greater or equal, in an order that only agrees with =';
CREATE OPERATOR listing_stats.+ (
	LEFTARG = listing_stats.price_distribution, RIGHTARG = listing_stats.price_distribution, FUNCTION = listing_stats.merge,
	COMMUTATOR = OPERATOR(listing_stats.+));
COMMENT ON OPERATOR listing_stats.+ (listing_stats.price_distribution, listing_stats.price_distribution) IS 'merge(): the two sets as one';

CREATE OPERATOR FAMILY listing_stats.price_distribution_ops USING btree;
COMMENT ON OPERATOR FAMILY listing_stats.price_distribution_ops USING btree IS 'an order of distributions that means nothing but agrees with =';
CREATE OPERATOR CLASS listing_stats.price_distribution_ops DEFAULT FOR TYPE listing_stats.price_distribution USING btree FAMILY listing_stats.price_distribution_ops AS
	OPERATOR 1 listing_stats.<, OPERATOR 2 listing_stats.<=, OPERATOR 3 listing_stats.=, OPERATOR 4 listing_stats.>=, OPERATOR 5 listing_stats.>,
	FUNCTION 1 listing_stats._price_distribution_cmp(listing_stats.price_distribution, listing_stats.price_distribution);
COMMENT ON OPERATOR CLASS listing_stats.price_distribution_ops USING btree IS 'sorts, groups and joins distributions';
CREATE OPERATOR FAMILY listing_stats.price_distribution_ops USING hash;
COMMENT ON OPERATOR FAMILY listing_stats.price_distribution_ops USING hash IS 'hashes of distributions that agree with =';
CREATE OPERATOR CLASS listing_stats.price_distribution_ops DEFAULT FOR TYPE listing_stats.price_distribution USING hash FAMILY listing_stats.price_distribution_ops AS
	OPERATOR 1 listing_stats.=,
	FUNCTION 1 listing_stats._price_distribution_hash(listing_stats.price_distribution),
	FUNCTION 2 listing_stats._price_distribution_hash(listing_stats.price_distribution, bigint);
COMMENT ON OPERATOR CLASS listing_stats.price_distribution_ops USING hash IS 'groups, joins and partitions by distributions';

-- Both, or to_jsonb() would quote the text.
CREATE CAST (listing_stats.price_distribution AS json) WITH FUNCTION listing_stats._price_distribution_to_json(listing_stats.price_distribution) AS ASSIGNMENT;
COMMENT ON CAST (listing_stats.price_distribution AS json) IS 'the fields of price_stats_json()';
CREATE CAST (listing_stats.price_distribution AS jsonb) WITH FUNCTION listing_stats._price_distribution_to_jsonb(listing_stats.price_distribution) AS ASSIGNMENT;
COMMENT ON CAST (listing_stats.price_distribution AS jsonb) IS 'the fields of price_stats_json()';

-- What the server calls by itself, or an aggregate on behalf of its owner, is for nobody else.  Behind operators, casts, text
-- that the planner reads or writes, and lists of IN, which are hashed, functions are called as whoever uses those.
REVOKE ALL ON FUNCTION
	listing_stats._price_distribution_recv(internal),
	listing_stats._price_distribution_send(listing_stats.price_distribution),
	listing_stats._accumulate(listing_stats.price_distribution, numeric),
	listing_stats._accumulate(listing_stats.price_distribution, bigint),
	listing_stats._accumulate(listing_stats.price_distribution, integer),
	listing_stats._accumulate(listing_stats.price_distribution, double precision),
	listing_stats._accumulate(listing_stats.price_distribution, real),
	listing_stats._combine(listing_stats.price_distribution, listing_stats.price_distribution),
	listing_stats._finish_stats(listing_stats.price_distribution),
	listing_stats._finish_summary(listing_stats.price_distribution),
	listing_stats._finish_stats_json(listing_stats.price_distribution),
	listing_stats._finish_median(listing_stats.price_distribution),
	listing_stats._price_distribution_cmp(listing_stats.price_distribution, listing_stats.price_distribution),
	listing_stats._price_distribution_hash(listing_stats.price_distribution, bigint)
FROM PUBLIC;

----------------------------------------------------------------------------------------------------
-- Histories
----------------------------------------------------------------------------------------------------

CREATE TYPE listing_stats.price_history;
CREATE FUNCTION listing_stats._price_history_in(cstring) RETURNS listing_stats.price_history
	AS 'MODULE_PATHNAME', 'listing_stats_history_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_history_in(cstring) IS
	'reads {2026-01-01 00:00:00+00=100.00, 2026-02-01 00:00:00+00#7=null}: times, each with a tie if it has one, and the price from then on, in any order; error 22P02 on anything else, 22003 where a tie is the least bigint, or what timestamptz, bigint and numeric have';
CREATE FUNCTION listing_stats._price_history_out(listing_stats.price_history) RETURNS cstring
	AS 'MODULE_PATHNAME', 'listing_stats_history_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_history_out(listing_stats.price_history) IS
	'the steps of a history, ascending, in UTC; NULL for NULL; error 54000 beyond a gigabyte, which is some 30 million steps';
CREATE FUNCTION listing_stats._price_history_recv(internal) RETURNS listing_stats.price_history
	AS 'MODULE_PATHNAME', 'listing_stats_history_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_history_recv(internal) IS
	'reads the bytes that _price_history_send() writes; error 22P03 on any others';
CREATE FUNCTION listing_stats._price_history_send(listing_stats.price_history) RETURNS bytea
	AS 'MODULE_PATHNAME', 'listing_stats_history_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._price_history_send(listing_stats.price_history) IS
	'the stored bytes of a history, version 1; the format is in src/core/history.hpp';
CREATE TYPE listing_stats.price_history (
	INPUT = listing_stats._price_history_in,
	OUTPUT = listing_stats._price_history_out,
	RECEIVE = listing_stats._price_history_recv,
	SEND = listing_stats._price_history_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = extended);
COMMENT ON TYPE listing_stats.price_history IS
	'the prices of one listing as a step function of time: each is in force from its time until the next one''s, null means unavailable; exact, to the microsecond; collected in up to one gigabyte, error 54000 beyond';

CREATE FUNCTION listing_stats._history_combine(listing_stats.price_history, listing_stats.price_history) RETURNS listing_stats.price_history
	AS 'MODULE_PATHNAME', 'listing_stats_history_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._history_combine(listing_stats.price_history, listing_stats.price_history) IS
	'the aggregates combine: the steps of both, NULL for none; error 0A000 outside of an aggregate, 54000 beyond a gigabyte';
CREATE FUNCTION listing_stats._history_finish(listing_stats.price_history) RETURNS listing_stats.price_history
	AS 'MODULE_PATHNAME', 'listing_stats_history_finish' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._history_finish(listing_stats.price_history) IS
	'the aggregates'' final function: the steps in order; NULL is the empty history; error 0A000 outside of an aggregate';
-- price_history(at, v [, tie]) and its transition for each type that a price has.
DO LANGUAGE plpgsql $do$
DECLARE
	aggregate record;
	arguments text;
BEGIN
	FOR aggregate IN
		SELECT * FROM (VALUES
				('numeric', $$'MODULE_PATHNAME', 'listing_stats_history_accumulate'$$, ''),
				('bigint', $$'MODULE_PATHNAME', 'listing_stats_history_accumulate_bigint'$$, ''),
				('integer', $$'MODULE_PATHNAME', 'listing_stats_history_accumulate_integer'$$, ''),
				('double precision', $$'MODULE_PATHNAME', 'listing_stats_history_accumulate_double'$$, ' the shortest decimal of each double;'),
				('real', $$'MODULE_PATHNAME', 'listing_stats_history_accumulate_real'$$, ' the shortest decimal of each real;')) t(type, symbol, remark),
			(VALUES ('', '', '', ''),
				(', tie bigint', ', bigint', 'tie is in force (NULL is least), of equal ties the greatest ', '22003 where %s tie is the least bigint, ')) w(tie, tie_type, first, error)
	LOOP
		arguments := format('listing_stats.price_history, timestamptz, %s%s', aggregate.type, aggregate.tie_type);
		EXECUTE format('CREATE FUNCTION listing_stats._history_accumulate(%s) RETURNS listing_stats.price_history
			AS %s LANGUAGE C IMMUTABLE PARALLEL SAFE', arguments, aggregate.symbol);
		EXECUTE format($$COMMENT ON FUNCTION listing_stats._history_accumulate(%s) IS
			'the aggregates'' transition: one more price; error 0A000 outside of an aggregate, %s54000 beyond a gigabyte'$$, arguments, format(aggregate.error, 'the'));
		arguments := format('at timestamptz, v %s%s', aggregate.type, aggregate.tie);
		EXECUTE format('CREATE AGGREGATE listing_stats.price_history(%s) (SFUNC = listing_stats._history_accumulate, STYPE = listing_stats.price_history,
			SSPACE = 1024, FINALFUNC = listing_stats._history_finish, COMBINEFUNC = listing_stats._history_combine, PARALLEL = SAFE)', arguments);
		EXECUTE format($$COMMENT ON AGGREGATE listing_stats.price_history(%s) IS
			'the prices v as a step function of time, each in force from its time at until the next one''s, NULL where unavailable; in any order; of equal times the greatest %sprice (NULL is least); rows without a time are left out;%s the empty history of no rows; error %s54000 beyond a gigabyte'$$,
			arguments, aggregate.first, aggregate.remark, format(aggregate.error, 'a'));
	END LOOP;
END $do$;
CREATE AGGREGATE listing_stats.price_history_merge(history listing_stats.price_history) (
	SFUNC = listing_stats._history_combine,
	STYPE = listing_stats.price_history,
	SSPACE = 1024,
	FINALFUNC = listing_stats._history_finish,
	COMBINEFUNC = listing_stats._history_combine,
	PARALLEL = SAFE);
COMMENT ON AGGREGATE listing_stats.price_history_merge(listing_stats.price_history) IS
	'the steps of all histories as one history, as if their prices had been collected together; NULLs are left out, the empty history of no rows; error 54000 beyond a gigabyte';
CREATE FUNCTION listing_stats.merge(listing_stats.price_history, listing_stats.price_history) RETURNS listing_stats.price_history
	AS 'MODULE_PATHNAME', 'listing_stats_history_merge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.merge(listing_stats.price_history, listing_stats.price_history) IS
	'the steps of both as one history, as if their prices had been collected together; NULL if one is NULL; error 54000 beyond a gigabyte';
CREATE OPERATOR listing_stats.+ (
	LEFTARG = listing_stats.price_history, RIGHTARG = listing_stats.price_history,
	FUNCTION = listing_stats.merge, COMMUTATOR = OPERATOR(listing_stats.+));
COMMENT ON OPERATOR listing_stats.+ (listing_stats.price_history, listing_stats.price_history) IS
	'merge(): the steps of both as one history';
CREATE FUNCTION listing_stats._history_to_json(listing_stats.price_history) RETURNS json
	AS 'MODULE_PATHNAME', 'listing_stats_history_to_json' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._history_to_json(listing_stats.price_history) IS
	'an array of {"at": time, "value": price}, newest first, times in the sessions time zone, prices as exact numbers, null where unavailable, NaN and infinities as strings; NULL for NULL';
CREATE FUNCTION listing_stats._history_to_jsonb(listing_stats.price_history) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'listing_stats_history_to_jsonb' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._history_to_jsonb(listing_stats.price_history) IS
	'the same as the cast to json, as jsonb; NULL for NULL';
CREATE CAST (listing_stats.price_history AS json) WITH FUNCTION listing_stats._history_to_json(listing_stats.price_history) AS ASSIGNMENT;
COMMENT ON CAST (listing_stats.price_history AS json) IS 'newest first: [{"at": time, "value": price}, ...]';
CREATE CAST (listing_stats.price_history AS jsonb) WITH FUNCTION listing_stats._history_to_jsonb(listing_stats.price_history) AS ASSIGNMENT;
COMMENT ON CAST (listing_stats.price_history AS jsonb) IS 'newest first: [{"at": time, "value": price}, ...]';

CREATE FUNCTION listing_stats.step_count(history listing_stats.price_history) RETURNS bigint
	AS 'MODULE_PATHNAME', 'listing_stats_history_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.step_count(listing_stats.price_history) IS
	'how many steps, those without a price included; NULL for NULL';
CREATE FUNCTION listing_stats.latest(history listing_stats.price_history) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_latest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.latest(listing_stats.price_history) IS
	'the price of the last step, also if its time is still to come; NULL: unavailable, or no steps';
CREATE FUNCTION listing_stats.latest_at(history listing_stats.price_history) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'listing_stats_history_latest_at' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.latest_at(listing_stats.price_history) IS
	'the time of the last step; NULL: no steps';
CREATE FUNCTION listing_stats.first_price(history listing_stats.price_history) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_first_price' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.first_price(listing_stats.price_history) IS
	'the first known price; NULL: there is none';
CREATE FUNCTION listing_stats.first_at(history listing_stats.price_history) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'listing_stats_history_first_at' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.first_at(listing_stats.price_history) IS
	'the time of the first step; NULL: no steps';
CREATE FUNCTION listing_stats.previous(history listing_stats.price_history) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_previous' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.previous(listing_stats.price_history) IS
	'the last known price that differs from the latest one; NULL: there is none';
CREATE FUNCTION listing_stats.price_at(history listing_stats.price_history, at timestamptz) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_price_at' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.price_at(listing_stats.price_history, timestamptz) IS
	'the price in force at a time; NULL: unavailable then, or before the first step, or an argument is NULL';
CREATE FUNCTION listing_stats.lowest(history listing_stats.price_history, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_lowest' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.lowest(listing_stats.price_history, timestamptz, timestamptz) IS
	'the lowest price in force at any time from since up to, not including, until, so that the one in force at since counts; NULL leaves a side open; NULL: no known price in the window, or it is empty';
CREATE FUNCTION listing_stats.lowest_at(history listing_stats.price_history, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'listing_stats_history_lowest_at' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.lowest_at(listing_stats.price_history, timestamptz, timestamptz) IS
	'the time of the first step in the window, from since up to until, that has the lowest price of it; before since if it was in force then already; NULL where lowest() is';
CREATE FUNCTION listing_stats.highest(history listing_stats.price_history, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_highest' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.highest(listing_stats.price_history, timestamptz, timestamptz) IS
	'the highest price in force at any time from since up to, not including, until, so that the one in force at since counts; NULL leaves a side open; NULL: no known price in the window, or it is empty';
CREATE FUNCTION listing_stats.highest_at(history listing_stats.price_history, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'listing_stats_history_highest_at' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.highest_at(listing_stats.price_history, timestamptz, timestamptz) IS
	'the time of the first step in the window, from since up to until, that has the highest price of it; before since if it was in force then already; NULL where highest() is';
CREATE FUNCTION listing_stats.time_weighted_average(history listing_stats.price_history, since timestamptz DEFAULT NULL, until timestamptz DEFAULT now()) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_average' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.time_weighted_average(listing_stats.price_history, timestamptz, timestamptz) IS
	'the mean of the prices in force from since (NULL: the first step) up to until (NULL: the last step), each weighted with how long it was; time without a price does not count; NULL: no time with a known price, or an infinite one';
CREATE FUNCTION listing_stats.availability(history listing_stats.price_history, since timestamptz DEFAULT NULL, until timestamptz DEFAULT now()) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_availability' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.availability(listing_stats.price_history, timestamptz, timestamptz) IS
	'the share, 0 to 1, of the time from since up to until in which there was a price; time before the first step does not count, NULL bounds are the first and the last step; NULL: no time in the window, or an infinite one';
CREATE FUNCTION listing_stats.changes(history listing_stats.price_history, across_gaps boolean DEFAULT false) RETURNS bigint
	AS 'MODULE_PATHNAME', 'listing_stats_history_changes' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.changes(listing_stats.price_history, boolean) IS
	'how many times a known price was followed by a different known one; across_gaps: also with steps without a price between them; NULL if an argument is';
CREATE FUNCTION listing_stats.last_change(history listing_stats.price_history, across_gaps boolean DEFAULT false) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'listing_stats_history_last_change' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.last_change(listing_stats.price_history, boolean) IS
	'when the price last changed, as changes() counts it; NULL: never, or an argument is NULL';
CREATE FUNCTION listing_stats.price_drop(history listing_stats.price_history) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_price_drop' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.price_drop(listing_stats.price_history) IS
	'previous() less latest(): positive when the price fell, negative when it rose; NULL if one of them is; error 22003 beyond numeric';
CREATE FUNCTION listing_stats.price_drop_percent(history listing_stats.price_history) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_price_drop_percent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.price_drop_percent(listing_stats.price_history) IS
	'price_drop() in percent of previous(); NULL if one of them is, or previous() is 0; error 22003 if a hundred times the drop is beyond numeric';
CREATE FUNCTION listing_stats.is_lowest(history listing_stats.price_history) RETURNS boolean
	AS 'MODULE_PATHNAME', 'listing_stats_history_is_lowest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.is_lowest(listing_stats.price_history) IS
	'whether no known price was ever below the latest; NULL: unavailable, or no steps';
CREATE FUNCTION listing_stats.days_at_price(history listing_stats.price_history, now timestamptz DEFAULT now()) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_days_at_price' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.days_at_price(listing_stats.price_history, timestamptz) IS
	'for how many days of 24 hours, until now, the latest price has been in force without a break; NULL: unavailable, no steps, now is earlier or an infinite time, or an argument is NULL';
CREATE FUNCTION listing_stats.days_on_market(history listing_stats.price_history, now timestamptz DEFAULT now()) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_history_days_on_market' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.days_on_market(listing_stats.price_history, timestamptz) IS
	'how many days of 24 hours lie between the first step and now; NULL: no steps, now is earlier or an infinite time, or an argument is NULL';
CREATE FUNCTION listing_stats.sparkline(history listing_stats.price_history, width integer DEFAULT 40, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS text
	AS 'MODULE_PATHNAME', 'listing_stats_history_sparkline' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.sparkline(listing_stats.price_history, integer, timestamptz, timestamptz) IS
	'the history as a line of width characters (at most 1000), for equal lengths of time from since (NULL: the first step) to until (NULL: now, or the last step if it is later), each as high as the price in force at its end, a space without one or with NaN, lowest for -Infinity and highest for Infinity where there are finite prices; blocks, or _.-~=+*# in databases that are not UTF-8; spaces where the window ends before it begins; NULL if history or width is NULL; error 22023 for another width';
CREATE FUNCTION listing_stats.candles(history listing_stats.price_history, width interval, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, OUT at timestamptz, OUT open numeric, OUT high numeric, OUT low numeric, OUT close numeric) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'listing_stats_history_candles' LANGUAGE C STABLE PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION listing_stats.candles(listing_stats.price_history, interval, timestamptz, timestamptz) IS
	'for each width of time from since (NULL: the first step) up to until (NULL: now, or the last step and it too if it is later): when it starts, the price in force then or when since is later or else the first known one in it, the highest, the lowest, and the last known one; NULLs without any; whole months, and whole days, start when the clock of the sessions time zone first shows the midnight that date_trunc() has, or skips it, other widths count from 2000-01-03 00:00 UTC; the first candle of all starts when timestamps do; no rows if history or width is NULL, there are no steps or the window is empty; error 22023 for a width that is not positive or of several units, or a window that is not finite';
CREATE FUNCTION listing_stats.series(history listing_stats.price_history, step interval, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, OUT at timestamptz, OUT price numeric) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'listing_stats_history_series' LANGUAGE C STABLE PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION listing_stats.series(listing_stats.price_history, interval, timestamptz, timestamptz) IS
	'the price in force at since (NULL: the first step) and every step of time later, up to and including until (NULL: now, or the last step if it is later) or the last time that there is, as generate_series() has the times, in the sessions time zone; NULL prices where unavailable and before the first step; no rows if history or step is NULL or there are no steps; error 22023 for a step that is not positive or a window that is not finite';
CREATE FUNCTION listing_stats.prior_price(history listing_stats.price_history, reduced_at timestamptz DEFAULT NULL, within interval DEFAULT '30 days', progressive boolean DEFAULT false, OUT price numeric, OUT at timestamptz, OUT covered boolean, OUT reduction_at timestamptz)
	AS 'MODULE_PATHNAME', 'listing_stats_history_prior_price' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats.prior_price(listing_stats.price_history, timestamptz, interval, boolean) IS
	'the lowest price in force within the interval before the reduction at reduced_at (NULL: the last step with a price below the last known one before it; progressive: the first of the reductions since the price last rose), the time from which that price was set, whether the history begins no later than the interval does (which may reach back before all times), and the time of the reduction: the prior price of directive 98/6/EC article 6a as arithmetic; NULL price: none was known; NULLs if there is no reduction or history, within or progressive is NULL; days and months follow the sessions time zone; error 22023 for an interval that is not positive';

CREATE TYPE listing_stats._latest_state;
CREATE FUNCTION listing_stats._latest_state_in(cstring) RETURNS listing_stats._latest_state
	AS 'MODULE_PATHNAME', 'listing_stats_latest_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_state_in(cstring) IS
	'reads a state of latest() or earliest(): the aggregate, the type of its values, and the row found so far with its time in microseconds; error 22P02 for what is none';
CREATE FUNCTION listing_stats._latest_state_out(listing_stats._latest_state) RETURNS cstring
	AS 'MODULE_PATHNAME', 'listing_stats_latest_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_state_out(listing_stats._latest_state) IS
	'a state of latest() or earliest() as text';
CREATE FUNCTION listing_stats._latest_state_recv(internal) RETURNS listing_stats._latest_state
	AS 'MODULE_PATHNAME', 'listing_stats_latest_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_state_recv(internal) IS
	'reads what _latest_state_send() makes; error 22P02 for what is none';
CREATE FUNCTION listing_stats._latest_state_send(listing_stats._latest_state) RETURNS bytea
	AS 'MODULE_PATHNAME', 'listing_stats_latest_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_state_send(listing_stats._latest_state) IS
	'the text of a state of latest() or earliest(), as it travels between servers';
CREATE TYPE listing_stats._latest_state (
	INPUT = listing_stats._latest_state_in,
	OUTPUT = listing_stats._latest_state_out,
	RECEIVE = listing_stats._latest_state_recv,
	SEND = listing_stats._latest_state_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = plain);
COMMENT ON TYPE listing_stats._latest_state IS 'private: the row that latest() or earliest() has found so far';
CREATE FUNCTION listing_stats._latest_accumulate(listing_stats._latest_state, anyelement, timestamptz) RETURNS listing_stats._latest_state
	AS 'MODULE_PATHNAME', 'listing_stats_latest_accumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_accumulate(listing_stats._latest_state, anyelement, timestamptz) IS
	'the transition of latest() and earliest(); error 0A000 outside of an aggregate, 42804 without a state or with one of values of another type';
CREATE FUNCTION listing_stats._latest_accumulate(listing_stats._latest_state, anyelement, timestamptz, bigint) RETURNS listing_stats._latest_state
	AS 'MODULE_PATHNAME', 'listing_stats_latest_accumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_accumulate(listing_stats._latest_state, anyelement, timestamptz, bigint) IS
	'the transition of latest() and earliest(); error 0A000 outside of an aggregate, 42804 without a state or with one of values of another type';
CREATE FUNCTION listing_stats._latest_combine(listing_stats._latest_state, listing_stats._latest_state) RETURNS listing_stats._latest_state
	AS 'MODULE_PATHNAME', 'listing_stats_latest_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_combine(listing_stats._latest_state, listing_stats._latest_state) IS
	'the combine of latest() and earliest(); error 0A000 outside of an aggregate, 42804 with states of different ones';
CREATE FUNCTION listing_stats._latest_finish_numeric(listing_stats._latest_state) RETURNS numeric
	AS 'MODULE_PATHNAME', 'listing_stats_latest_finish' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_finish_numeric(listing_stats._latest_state) IS
	'the final function of latest() and earliest(); error 0A000 outside of an aggregate, 42804 with a state of values of another type';
CREATE FUNCTION listing_stats._latest_finish_bigint(listing_stats._latest_state) RETURNS bigint
	AS 'MODULE_PATHNAME', 'listing_stats_latest_finish' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_finish_bigint(listing_stats._latest_state) IS
	'the final function of latest() and earliest(); error 0A000 outside of an aggregate, 42804 with a state of values of another type';
CREATE FUNCTION listing_stats._latest_finish_integer(listing_stats._latest_state) RETURNS integer
	AS 'MODULE_PATHNAME', 'listing_stats_latest_finish' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_finish_integer(listing_stats._latest_state) IS
	'the final function of latest() and earliest(); error 0A000 outside of an aggregate, 42804 with a state of values of another type';
CREATE FUNCTION listing_stats._latest_finish_double(listing_stats._latest_state) RETURNS double precision
	AS 'MODULE_PATHNAME', 'listing_stats_latest_finish' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._latest_finish_double(listing_stats._latest_state) IS
	'the final function of latest() and earliest(); error 0A000 outside of an aggregate, 42804 with a state of values of another type';

-- latest(v, at [, tie]) and earliest(v, at [, tie]) for each type that a price has.  Not one of anyelement: then literals would
-- need a cast, and engines that split aggregates want to know the types.
DO LANGUAGE plpgsql $do$
DECLARE
	aggregate record;
	arguments text;
BEGIN
	FOR aggregate IN
		SELECT * FROM (VALUES ('latest', 'greatest'), ('earliest', 'least')) n(name, extreme),
			(VALUES ('numeric', 'numeric'), ('bigint', 'bigint'), ('integer', 'integer'), ('double precision', 'double')) t(type, word),
			(VALUES ('', ''), (', tie bigint', ' tie, of equal ones with the %s')) w(tie, comment)
	LOOP
		arguments := format('v %s, at timestamptz%s', aggregate.type, aggregate.tie);
		EXECUTE format($$CREATE AGGREGATE listing_stats.%1$s(%2$s) (SFUNC = listing_stats._latest_accumulate, STYPE = listing_stats._latest_state,
			INITCOND = '%1$s %3$s', SSPACE = 64, FINALFUNC = listing_stats._latest_finish_%3$s, COMBINEFUNC = listing_stats._latest_combine,
			PARALLEL = SAFE)$$, aggregate.name, arguments, aggregate.word);
		EXECUTE format($$COMMENT ON AGGREGATE listing_stats.%s(%s) IS
			'the v of the row with the %s at, of equal ones with the %3$s%s v, where NULL is least; rows whose at is NULL are left out; NULL of no rows'$$,
			aggregate.name, arguments, aggregate.extreme, format(aggregate.comment, aggregate.extreme));
	END LOOP;
END $do$;

-- As above.  Without the use of its type nobody else makes aggregates, tables or functions of states.
REVOKE ALL ON FUNCTION
	listing_stats._price_history_recv(internal),
	listing_stats._price_history_send(listing_stats.price_history),
	listing_stats._history_combine(listing_stats.price_history, listing_stats.price_history),
	listing_stats._history_finish(listing_stats.price_history),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, numeric),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, numeric, bigint),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, bigint),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, bigint, bigint),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, integer),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, integer, bigint),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, double precision),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, double precision, bigint),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, real),
	listing_stats._history_accumulate(listing_stats.price_history, timestamptz, real, bigint),
	listing_stats._latest_state_in(cstring),
	listing_stats._latest_state_out(listing_stats._latest_state),
	listing_stats._latest_state_recv(internal),
	listing_stats._latest_state_send(listing_stats._latest_state),
	listing_stats._latest_accumulate(listing_stats._latest_state, anyelement, timestamptz),
	listing_stats._latest_accumulate(listing_stats._latest_state, anyelement, timestamptz, bigint),
	listing_stats._latest_combine(listing_stats._latest_state, listing_stats._latest_state),
	listing_stats._latest_finish_numeric(listing_stats._latest_state),
	listing_stats._latest_finish_bigint(listing_stats._latest_state),
	listing_stats._latest_finish_integer(listing_stats._latest_state),
	listing_stats._latest_finish_double(listing_stats._latest_state)
FROM PUBLIC;
REVOKE ALL ON TYPE listing_stats._latest_state FROM PUBLIC;

----------------------------------------------------------------------------------------------------
-- Tracking
----------------------------------------------------------------------------------------------------

-- The functions of the triggers.  attach() makes the triggers; their arguments say what is attached.

CREATE FUNCTION listing_stats.price_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'listing_stats_price_changed' LANGUAGE C;
COMMENT ON FUNCTION listing_stats.price_changed() IS 'trigger on the price table, made by attach(): notes the listings whose prices a statement changes';

CREATE FUNCTION listing_stats.price_truncated() RETURNS trigger
AS 'MODULE_PATHNAME', 'listing_stats_price_truncated' LANGUAGE C;
COMMENT ON FUNCTION listing_stats.price_truncated() IS 'trigger on the price table, made by attach(): recomputes all listings after TRUNCATE';

CREATE FUNCTION listing_stats.listing_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'listing_stats_listing_changed' LANGUAGE C;
COMMENT ON FUNCTION listing_stats.listing_changed() IS 'trigger on the listing table, made by attach(): notes new listings, and those whose key or kept columns a statement changes, so that the columns are right when it ends';

CREATE FUNCTION listing_stats.listing_truncated() RETURNS trigger
AS 'MODULE_PATHNAME', 'listing_stats_listing_truncated' LANGUAGE C;
COMMENT ON FUNCTION listing_stats.listing_truncated() IS 'trigger on the table of keep_latest(), made by it: fills the table again after TRUNCATE';

CREATE FUNCTION listing_stats._flush() RETURNS trigger
AS 'MODULE_PATHNAME', 'listing_stats_flush' LANGUAGE C;
COMMENT ON FUNCTION listing_stats._flush() IS 'private: makes the kept columns of the noted listings right at the end of a statement';
REVOKE ALL ON FUNCTION listing_stats._flush() FROM PUBLIC;

-- Never holds a row: a statement that inserts none into it queues its trigger, the flush.  Unlogged,
-- so that no publication includes it.
CREATE UNLOGGED TABLE listing_stats._flush (nothing boolean);
COMMENT ON TABLE listing_stats._flush IS 'private: always empty, its trigger runs once at the end of each statement that changed prices';
REVOKE ALL ON TABLE listing_stats._flush FROM PUBLIC;

CREATE TRIGGER _flush AFTER INSERT ON listing_stats._flush
FOR EACH STATEMENT EXECUTE FUNCTION listing_stats._flush();
ALTER TABLE listing_stats._flush ENABLE ALWAYS TRIGGER _flush;
COMMENT ON TRIGGER _flush ON listing_stats._flush IS 'makes the kept columns of the noted listings right';

-- Deferred triggers of PostgreSQL's call for what has to be done before a transaction commits.  Unlogged, so that
-- no publication has it; its two rows, "first" and "last", are made when they are first needed after a crash.
CREATE FUNCTION listing_stats._late() RETURNS trigger
AS 'MODULE_PATHNAME', 'listing_stats_late' LANGUAGE C;
COMMENT ON FUNCTION listing_stats._late() IS 'private: looks again for the listings of prices that came before them';
REVOKE ALL ON FUNCTION listing_stats._late() FROM PUBLIC;

CREATE UNLOGGED TABLE listing_stats._late (step integer) USING heap;
COMMENT ON TABLE listing_stats._late IS 'private: its deferred trigger runs before a transaction commits that has written prices before their listing';
REVOKE ALL ON TABLE listing_stats._late FROM PUBLIC;

CREATE CONSTRAINT TRIGGER _late AFTER INSERT ON listing_stats._late
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION listing_stats._late();
ALTER TABLE listing_stats._late ENABLE ALWAYS TRIGGER _late;
COMMENT ON TRIGGER _late ON listing_stats._late IS 'looks again for the listings of prices that came before them';

CREATE FUNCTION listing_stats._attachments(
    OUT listing regclass, OUT price regclass, OUT listing_key text, OUT key text,
    OUT last_price name, OUT last_price_at name, OUT previous_price name, OUT lowest_price name,
    OUT highest_price name, OUT price_count name, OUT price_total name, OUT first_price name, OUT at name, OUT tie name, OUT value name,
    OUT carry text, OUT condition text, OUT empty text, OUT own_rows boolean, OUT null_value text, OUT guard text, OUT replication text,
    OUT index regclass, OUT way text, OUT triggers text[], OUT warnings text[], OUT mends text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_attachments' LANGUAGE C STABLE;
COMMENT ON FUNCTION listing_stats._attachments() IS 'private: the rows of the view attachments, and for each warning the statement that mends it, NULL if somebody has to decide';

CREATE VIEW listing_stats.attachments AS
SELECT listing, price, listing_key, key, last_price, last_price_at, previous_price, lowest_price, highest_price, price_count, price_total, first_price, at, tie, value,
    carry, condition, empty, own_rows, null_value, guard, replication, index, way, triggers, warnings
FROM listing_stats._attachments();
COMMENT ON VIEW listing_stats.attachments IS 'what is attached: tables, columns, the index that serves the latest price (NULL if none does), the way listings are locked and written (''direct'', or ''by SQL:'' and what is in the way; as of this session), triggers and their state, and warnings about what would make it slow or wrong';
GRANT SELECT ON listing_stats.attachments TO PUBLIC;

CREATE FUNCTION listing_stats._flush_counts(OUT listing oid, OUT price oid, OUT kept smallint, OUT flushes bigint, OUT locked bigint, OUT written bigint, OUT total_time double precision, OUT last_verify timestamptz, OUT last_differences bigint, OUT shared boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_flush_counts' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listing_stats._flush_counts() IS 'private: the counts of the view flush_counts as they are kept; what verify() found is NULL for who may not read both tables';

CREATE VIEW listing_stats.flush_counts AS
SELECT c.listing::regclass AS listing, c.price::regclass AS price, k.attname AS kept, sum(c.flushes)::bigint AS flushes, sum(c.locked)::bigint AS locked, sum(c.written)::bigint AS written,
    sum(c.total_time) AS total_time, max(c.last_verify) AS last_verify, (array_agg(c.last_differences ORDER BY c.last_verify DESC NULLS LAST))[1] AS last_differences, c.shared
FROM listing_stats._flush_counts() c
JOIN pg_catalog.pg_attribute k ON k.attrelid = c.listing AND k.attnum = c.kept AND NOT k.attisdropped
JOIN pg_catalog.pg_class p ON p.oid = c.price
GROUP BY c.listing, c.price, k.attname, c.shared;
COMMENT ON VIEW listing_stats.flush_counts IS 'how often the columns of each attachment were kept, and what it took, while listing_stats.count_flushes was on, and when verify() last looked at it: since the server started or reset_flush_counts(), by all sessions; before PostgreSQL 17 without shared_preload_libraries by this session alone. Errors are not counted, what was rolled back is; attach(), refresh() and TRUNCATE are not';
COMMENT ON COLUMN listing_stats.flush_counts.listing IS 'the table whose columns are kept';
COMMENT ON COLUMN listing_stats.flush_counts.price IS 'the table they are kept from';
COMMENT ON COLUMN listing_stats.flush_counts.kept IS 'the first kept column, which tells several attachments of two tables apart';
COMMENT ON COLUMN listing_stats.flush_counts.flushes IS 'how often listings were locked and written at the end of a statement, or before a commit';
COMMENT ON COLUMN listing_stats.flush_counts.locked IS 'how many listings were locked';
COMMENT ON COLUMN listing_stats.flush_counts.written IS 'how many listings were changed';
COMMENT ON COLUMN listing_stats.flush_counts.total_time IS 'how long it took, in milliseconds, with waiting for locks and with what the owner''s triggers on the listings did; where attachments share their locks, the first of them has that time';
COMMENT ON COLUMN listing_stats.flush_counts.last_verify IS 'as of when verify() last looked, to the second, whatever the setting: of those that came to their end, in a transaction that had written nothing; NULL if none did since the server started, or the attachment was made or changed, or for who may not read both tables, or beyond 2,048 attachments';
COMMENT ON COLUMN listing_stats.flush_counts.last_differences IS 'how many rows it gave for this attachment; NULL where last_verify is';
COMMENT ON COLUMN listing_stats.flush_counts.shared IS 'whether all sessions are counted, and not this one alone';
GRANT SELECT ON listing_stats.flush_counts TO PUBLIC;

CREATE FUNCTION listing_stats.reset_flush_counts() RETURNS void
AS 'MODULE_PATHNAME', 'listing_stats_reset_flush_counts' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listing_stats.reset_flush_counts() IS 'sets the counts of the view flush_counts to 0, of this database; for superusers and those who are granted it';
REVOKE ALL ON FUNCTION listing_stats.reset_flush_counts() FROM PUBLIC;

CREATE FUNCTION listing_stats._parts(whole oid, OUT part oid, OUT depth integer) RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH RECURSIVE parts AS (
        SELECT whole AS part, 0 AS depth
        UNION
        SELECT i.inhrelid, p.depth + 1 FROM parts p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.part AND NOT i.inhdetachpending)
    SELECT p.part, min(p.depth) FROM parts p GROUP BY p.part;
END;
COMMENT ON FUNCTION listing_stats._parts(oid) IS 'private: a table, its partitions and those that inherit from it, and how far below it they are';

CREATE FUNCTION listing_stats._arguments(tgargs bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN CASE position('\x00666f756e643d'::bytea IN tgargs) WHEN 0 THEN tgargs ELSE substring(tgargs FROM 1 FOR position('\x00666f756e643d'::bytea IN tgargs)) END;
COMMENT ON FUNCTION listing_stats._arguments(bytea) IS 'private: the arguments of a trigger without the record found=... that stands behind them, NULL for NULL';

-- What can be seen in the catalogue alone.  In plpgsql, which keeps the plans of its queries: they go by indexes, however large
-- the catalogue is.  By its search_path the names of tables that it gives are qualified.
CREATE FUNCTION listing_stats._problems(a listing_stats.attachments, trigger oid, resolved boolean, OUT problem text, OUT mend text)
RETURNS SETOF record LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    -- Of several attachments of the two tables the one that keeps a column.
    several CONSTANT boolean = (SELECT count(*) > 1 FROM pg_trigger p JOIN pg_trigger l ON listing_stats._arguments(l.tgargs) = listing_stats._arguments(p.tgargs)
        WHERE p.tgrelid = a.price AND p.tgfoid = 'listing_stats.price_changed()'::regprocedure AND l.tgrelid = a.listing AND l.tgfoid = 'listing_stats.listing_changed()'::regprocedure);
    attach CONSTANT text = (SELECT format('SELECT listing_stats.attach(%L, %L, key => %L%s)', a.listing, a.price, a.key, CASE WHEN several THEN kept.argument END)
        FROM (
            SELECT min(format(', %s => %L', key, value)) AS argument
            FROM jsonb_each_text(to_jsonb(a))
            WHERE key IN ('carry', 'last_price', 'last_price_at', 'previous_price', 'lowest_price', 'highest_price', 'price_count', 'price_total', 'first_price') AND value IS NOT NULL) kept
        WHERE resolved);
    detach CONSTANT text = format('SELECT listing_stats.detach(%L, %L%s)', a.listing, a.price,
        (SELECT format(', %L', k.name)
         FROM unnest(ARRAY[a.last_price, a.last_price_at, a.previous_price, a.lowest_price, a.highest_price, a.price_count, a.price_total, a.first_price,
            replace(regexp_replace(substring(a.carry FROM '^(?:"(?:[^"]|"")+"|[^",]+) AS ("(?:[^"]|"")+"|[^,]+)'), '^"(.*)"$', '\1'), '""', '"')::name]) k(name)
         WHERE several AND k.name IS NOT NULL LIMIT 1));
    price_changed CONSTANT oid = 'listing_stats.price_changed()'::regprocedure;
    price_truncated CONSTANT oid = 'listing_stats.price_truncated()'::regprocedure;
    listing_changed CONSTANT oid = 'listing_stats.listing_changed()'::regprocedure;
    kept CONSTANT name[] = array_remove(ARRAY[a.last_price, a.last_price_at, a.previous_price, a.lowest_price, a.highest_price, a.price_count, a.price_total, a.first_price], NULL);
    of_listing CONSTANT name[] = string_to_array(a.listing_key, ', ')::name[] || kept;
    of_price CONSTANT name[] = string_to_array(a.key, ', ')::name[] || ARRAY[a.at, a.tie, a.value];
    kept_numbers CONSTANT int2[] = ARRAY(SELECT attnum FROM pg_attribute WHERE attrelid = a.listing AND attname = ANY (kept));
    listing_name CONSTANT name = (SELECT relname FROM pg_class WHERE oid = a.listing);
    price_name CONSTANT name = (SELECT relname FROM pg_class WHERE oid = a.price);
    arguments bytea;
    enabled "char";
BEGIN
    SELECT listing_stats._arguments(tgargs), tgenabled INTO arguments, enabled FROM pg_trigger WHERE oid = trigger;
    IF resolved THEN
        -- Signs that another table has taken the place of one that is attached.  Triggers stay with their table when it is
        -- renamed: tools that change a table by filling a new one and swapping the names leave them on the old one, which
        -- nobody writes to any more.  And a table that has become a part of another has only a part of the rows.
        RETURN QUERY
        WITH
        -- The table that the key of price refers to, if it has nothing to do with the listing.
        referenced AS (
            SELECT max(f.confrelid) AS oid
            FROM pg_constraint f
            JOIN pg_attribute k ON k.attrelid = a.price AND k.attname = a.key
            JOIN pg_attribute l ON l.attrelid = a.listing AND l.attname = a.listing_key
            WHERE f.contype = 'f' AND f.conrelid = a.price AND f.conkey = ARRAY[k.attnum] AND NOT a.own_rows
            HAVING NOT bool_or(a.listing IN (SELECT part FROM listing_stats._parts(f.confrelid)) OR f.confrelid IN (SELECT part FROM listing_stats._parts(a.listing))
                OR EXISTS (
                    SELECT FROM pg_constraint r
                    WHERE r.contype = 'f' AND (r.conrelid, r.conkey, r.confrelid, r.confkey) IN (
                        (a.listing, ARRAY[l.attnum], f.confrelid, f.confkey), (f.confrelid, f.confkey, a.listing, ARRAY[l.attnum]))))),
        -- One that refers to the listing as price does, has columns of the same names, and a name that was made into that of
        -- price: price_old, of price.
        namesake AS (
            SELECT c.oid
            FROM pg_trigger r
            JOIN pg_constraint f ON f.oid = r.tgconstraint
            JOIN pg_class c ON c.oid = f.conrelid
            WHERE r.tgrelid = a.listing AND f.contype = 'f' AND f.confrelid = a.listing AND c.oid <> a.price AND strpos(price_name, c.relname) > 0
                AND of_price <@ ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped)
                AND c.oid NOT IN (SELECT part FROM listing_stats._parts(a.price)) AND a.price NOT IN (SELECT part FROM listing_stats._parts(c.oid))
                AND NOT EXISTS (
                    SELECT FROM pg_trigger p JOIN pg_trigger l ON listing_stats._arguments(l.tgargs) = listing_stats._arguments(p.tgargs)
                    WHERE p.tgrelid = c.oid AND p.tgfoid = price_changed AND l.tgrelid = a.listing AND l.tgfoid = listing_changed)
            ORDER BY f.oid DESC
            LIMIT 1),
        -- The highest that has the columns.
        wholes AS (
            WITH RECURSIVE above AS (
                SELECT t.oid AS part, t.oid, 0 AS height FROM unnest(ARRAY[a.listing, a.price]::oid[]) AS t(oid)
                UNION
                SELECT b.part, i.inhparent, b.height + 1 FROM above b JOIN pg_inherits i ON i.inhrelid = b.oid)
            SELECT DISTINCT ON (b.part) b.part, b.oid
            FROM above b
            WHERE b.height > 0
                AND CASE b.part WHEN a.listing THEN of_listing ELSE of_price END <@ ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = b.oid AND NOT attisdropped)
            ORDER BY b.part, b.height DESC),
        signs(number, other, listing, price, sign) AS (
            SELECT 1, r.oid, r.oid, a.price::oid, 'column "%s" of table "%s" refers to table "%s" and not to table "%s", whose columns are kept' FROM referenced r
            UNION ALL
            SELECT 2, n.oid, a.listing, n.oid, 'table "%3$s" refers to table "%4$s" and is not attached: if it has taken the place of table "%2$s"' FROM namesake n
            UNION ALL
            SELECT 3, w.oid, a.listing, w.oid, 'table "%2$s" is a part of table "%3$s", whose other prices are not seen' FROM wholes w WHERE w.part = a.price
            UNION ALL
            SELECT 4, w.oid, w.oid, a.price, 'table "%4$s" is a part of table "%3$s", whose other rows are not kept' FROM wholes w WHERE w.part = a.listing),
        -- The arguments of attach(), except for what it does by itself.
        settings AS (
            SELECT string_agg(format('%s => %L', key, coalesce(value, 'none')), ', ') AS list
            FROM jsonb_each_text(to_jsonb(a))
            WHERE key IN ('key', 'at', 'value', 'tie', 'last_price')
                OR (key IN ('carry', 'condition') AND value IS NOT NULL) OR (key, value) = ('empty', 'keep')
                OR (key IN ('last_price_at', 'previous_price', 'lowest_price', 'highest_price', 'price_count', 'price_total', 'first_price') AND value IS NOT NULL)
                OR (key, value) IN (('null_value', 'skip'), ('guard', 'error'), ('guard', 'off'), ('replication', 'replica'), ('replication', 'always')))
        SELECT format('%s: %s, then %s', format(s.sign, a.key, price_name, c.relname, listing_name), detach, format(k.call, s.listing::regclass, s.price::regclass, '')),
            format('%s; SELECT listing_stats.%s', detach, format(k.call, s.listing::regclass, s.price::regclass, ', ' || t.list))
        FROM (SELECT CASE WHEN a.own_rows THEN 'keep_latest(%2$L, %1$L%3$s)' ELSE 'attach(%1$L, %2$L%3$s)' END AS call) k, signs s JOIN pg_class c ON c.oid = s.other, settings t
        ORDER BY s.number;

        -- Where pages are full, each new latest price moves its listing to another page and writes to every index.  Said only
        -- when many do: filling the columns once does not count.
        RETURN QUERY
        SELECT format('most updates of table "%s" write to all its indexes, because its pages are full: ALTER TABLE %s SET (fillfactor = 90), then VACUUM FULL', c.relname, a.listing),
            format('ALTER TABLE %s SET (fillfactor = 90)', a.listing)
        FROM pg_class c, pg_stat_get_tuples_updated(c.oid) updated
        WHERE c.oid = a.listing AND updated > 3 * greatest(c.reltuples, 10000) AND pg_stat_get_tuples_hot_updated(c.oid) < updated / 2
            -- As it was written: 70.5 and 0x46 are fillfactors too.
            AND coalesce((SELECT CASE WHEN option_value ~ '^[0-9]+$' THEN option_value::numeric ELSE 0 END FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 100) > 90
            AND NOT EXISTS (
                SELECT FROM pg_index i
                WHERE i.indrelid = a.listing AND (i.indkey::int2[] && kept_numbers OR EXISTS (
                    SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.listing
                        AND d.refobjsubid = ANY (kept_numbers))));

        -- What CREATE INDEX CONCURRENTLY leaves behind where it fails.
        RETURN QUERY
        SELECT format('index "%s" of table "%s" is not valid: making it has failed, or is under way; it is written and not read', x.relname, c.relname), format('DROP INDEX %s', i.indexrelid::regclass)
        FROM listing_stats._parts(a.price) p
        JOIN pg_class c ON c.oid = p.part
        JOIN pg_attribute k ON k.attrelid = p.part AND k.attname = of_price[1]
        JOIN pg_index i ON i.indrelid = p.part AND i.indkey[0] = k.attnum AND NOT i.indisvalid
        JOIN pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i'
        ORDER BY p.depth, x.relname;

        -- An UPDATE of a column in a unique index counts as one of a key: it waits for whoever inserts a row that refers to the
        -- listing, and they for it.
        RETURN QUERY
        SELECT format('column "%s" of table "%s" is in a unique index: changes of prices wait for every transaction that refers to their listings', k.name, listing_name), NULL::text
        FROM unnest(kept) WITH ORDINALITY AS k(name, number)
        JOIN pg_attribute c ON c.attrelid = a.listing AND c.attname = k.name
        WHERE EXISTS (
            SELECT FROM pg_index i
            WHERE i.indrelid = a.listing AND i.indislive AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL
                AND c.attnum = ANY ((i.indkey::int2[])[:i.indnkeyatts - 1]))
        ORDER BY k.number;

        -- A crash empties an unlogged table, and no trigger sees it.  A listing that is lost with it has no prices to be kept,
        -- unless it comes with them.
        RETURN QUERY
        SELECT format('table "%s" is unlogged and empty after a crash: then table "%s" has to be repaired by refresh()', u.relname, listing_name),
            format('ALTER TABLE %s SET LOGGED', u.oid::regclass)
        FROM (SELECT part, depth, a.listing AS other FROM listing_stats._parts(a.price) UNION ALL SELECT a.listing, 0, a.price WHERE a.own_rows) t
        JOIN pg_class u ON u.oid = t.part
        WHERE u.relpersistence = 'u' AND u.relkind <> 'p'
            AND EXISTS (SELECT FROM listing_stats._parts(t.other) o JOIN pg_class c ON c.oid = o.part WHERE c.relpersistence = 'p' AND c.relkind <> 'p')
        ORDER BY t.depth, u.relname;

        -- A prepared transaction holds the listings of its prices until it is committed.  A subscription whose next transaction
        -- waits for them never comes to that.
        IF enabled IN ('A', 'R') THEN
            RETURN QUERY
            SELECT format('subscription "%s" of table "%s" has two_phase = on: a prepared transaction can make it wait for itself for ever', s.subname, c.relname), NULL::text
            FROM listing_stats._parts(a.price) p
            JOIN pg_class c ON c.oid = p.part
            JOIN pg_subscription_rel r ON r.srrelid = p.part
            JOIN pg_subscription s ON s.oid = r.srsubid
            WHERE s.subtwophasestate <> 'd'
            ORDER BY p.depth, p.part;
        END IF;
    END IF;

    RETURN QUERY
    SELECT format('trigger "%s" on table "%s" is disabled: what it misses has to be repaired by refresh()', t.tgname, c.relname), attach
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.oid IN (a.listing, a.price) AND t.tgenabled = 'D' AND listing_stats._arguments(t.tgargs) = arguments AND t.tgfoid IN (price_changed, price_truncated, listing_changed, 'listing_stats.listing_truncated()'::regprocedure)
    ORDER BY c.oid = a.price, t.tgname;

    -- What goes on in the parts of price that no trigger sees: one of each kind, however many parts there are.
    RETURN QUERY
    WITH parts AS (
        SELECT p.part, p.depth, c.relname, c.relkind = 'f' AS remote, bool_or(t.tgfoid = price_changed) IS TRUE AS changed,
            bool_or(t.tgfoid = price_truncated AND t.tgparentid = 0) IS TRUE AS truncated, p.depth > 0 AND bool_or(t.tgenabled = 'D') IS TRUE AS disabled
        FROM listing_stats._parts(a.price) p
        JOIN pg_class c ON c.oid = p.part
        LEFT JOIN pg_trigger t ON t.tgrelid = p.part AND listing_stats._arguments(t.tgargs) = arguments
        WHERE a.key IS NOT NULL
        GROUP BY p.part, p.depth, c.relname, c.relkind)
    SELECT format(k.problem, format('table "%s"', (array_agg(p.relname ORDER BY p.depth, p.part))[1]) || CASE WHEN count(*) > 1 THEN format(' and %s more', count(*) - 1) ELSE '' END), k.mend
    FROM parts p, LATERAL (VALUES
        (1, p.remote, 'changes made on the remote side of foreign %s are not seen', NULL),
        (2, NOT p.remote AND NOT p.changed, 'changes of %s, which inherit, are not seen until attach() is called again', attach),
        (3, NOT p.remote AND p.changed AND NOT p.truncated, 'TRUNCATE of %s alone is not seen until attach() is called again', attach),
        (4, p.disabled, 'triggers on %s are disabled: what they miss has to be repaired by refresh()', attach)) AS k(number, holds, problem, mend)
    WHERE k.holds
    GROUP BY k.number, k.problem, k.mend
    ORDER BY k.number;
END $$;
COMMENT ON FUNCTION listing_stats._problems(listing_stats.attachments, oid, boolean) IS 'private: what the catalogue says is wrong with an attachment, given the rest of its row, its trigger and whether all its columns were found; with the statement that mends it, NULL if somebody has to decide';

CREATE FUNCTION listing_stats.check(OUT listing regclass, OUT price regclass, OUT problem text, OUT mend text)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT a.listing, a.price, p.problem, p.mend FROM listing_stats._attachments() a, unnest(a.warnings, a.mends) AS p(problem, mend)
    UNION ALL
    SELECT NULL, NULL, pg_catalog.format('event trigger "%s" is disabled: %s', e.evtname, k.missed), pg_catalog.format('ALTER EVENT TRIGGER %I ENABLE%s', e.evtname, CASE k.fires WHEN 'A' THEN ' ALWAYS' ELSE '' END)
    FROM pg_catalog.pg_event_trigger e, (VALUES ('listing_stats_changes', 'new names and new partitions are not followed', 'O'), ('listing_stats_drops', 'dropped tables, columns and partitions are not followed', 'O'),
        ('listing_stats_shards', 'new shards of Citus are not attached', 'O'), ('listing_stats_distributed_drops', 'dropped tables of Citus are not followed', 'O'),
        ('listing_stats_triggers', 'whoever may create triggers on a table acts as its owner', 'A')) k(name, missed, fires)
    WHERE e.evtname OPERATOR(pg_catalog.=) k.name::pg_catalog.name AND e.evtenabled::pg_catalog.text OPERATOR(pg_catalog.<>) ALL (ARRAY[k.fires, 'A'])
    UNION ALL
    SELECT NULL, NULL, pg_catalog.format('trigger "%s" on table %s does not always fire: statements that change prices will fail', t.tgname, t.tgrelid::pg_catalog.regclass),
        pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.tgrelid::pg_catalog.regclass, t.tgname)
    FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid OPERATOR(pg_catalog.=) ANY (ARRAY['listing_stats._flush'::pg_catalog.regclass, 'listing_stats._late']) AND NOT t.tgisinternal AND t.tgenabled OPERATOR(pg_catalog.<>) 'A';
END;
COMMENT ON FUNCTION listing_stats.check() IS 'one row for each warning of the view attachments, and for each trigger of the extension itself that is disabled, none if all is well: the tables (NULL where one is not known, or all are meant), the problem, and the statements that mend it, to be run by the owner of the tables, or of the extension where there is no table; mend is NULL where somebody has to decide what to do. Cheap: reads the catalogue and at most a hundred rows of a table, and waits for an attached table that somebody has locked ACCESS EXCLUSIVE. That kept columns are right is what verify() checks';

CREATE FUNCTION listing_stats.attach(
    listing regclass, price regclass,
    last_price name DEFAULT NULL, last_price_at name DEFAULT NULL,
    previous_price name DEFAULT NULL, lowest_price name DEFAULT NULL,
    highest_price name DEFAULT NULL, price_count name DEFAULT NULL,
    price_total name DEFAULT NULL, first_price name DEFAULT NULL,
    key text DEFAULT NULL, listing_key text DEFAULT NULL, at name DEFAULT NULL,
    value name DEFAULT NULL, tie name DEFAULT NULL, carry text DEFAULT NULL,
    condition text DEFAULT NULL, empty text DEFAULT NULL, null_value text DEFAULT NULL, guard text DEFAULT NULL, replication text DEFAULT NULL,
    backfill boolean DEFAULT true)
RETURNS SETOF listing_stats.attachments
AS 'MODULE_PATHNAME', 'listing_stats_attach' LANGUAGE C VOLATILE ROWS 1;
COMMENT ON FUNCTION listing_stats.attach(regclass, regclass, name, name, name, name, name, name, name, name, text, text, name, name, name, text, text, text, text, text, text, boolean) IS 'keeps what the prices of each listing say in columns of the listing: last_price and last_price_at (value and time of the latest price), previous_price (the last known price that differs from it), lowest_price, highest_price, price_count, price_total (0 if there are none) and first_price (of known prices), and what carry lists: further columns of the latest row, as in ''currency, url AS last_url''. Creates what is missing of columns, index and triggers, with a NOTICE for each, fills the columns unless backfill is false, and returns the row of the view attachments. NULL arguments are found (key and listing_key, lists of columns: from the foreign key; at: created, or the only time; value: value, or the only number; tie: none where key and at are unique, otherwise the primary key), default (last_price, all prices, null, keep, keep, origin), or left as they are when attached already; ''none'' stops keeping a column, carrying, or the condition. A call that names a kept column changes its attachment; one that names others can make another. condition: only prices that satisfy it count, an immutable expression of their columns; empty: what a listing without prices has, ''null'' or ''keep'' (what it had); null_value: ''keep'' (a NULL price is the latest) or ''skip'' (the last known one counts); guard: what becomes of values that an UPDATE (also of MERGE or ON CONFLICT) writes to the columns, ''keep'' (they are put right), ''error'' or ''off'' (they stay); what an INSERT of a listing gives is always put right; replication: ''origin'', ''replica'' or ''always'', as triggers fire. Only for the owner of both tables; errors name what does not fit';

CREATE FUNCTION listing_stats.keep_latest(
    price regclass, latest_table text, key text DEFAULT NULL, at name DEFAULT NULL,
    value name DEFAULT NULL, tie name DEFAULT NULL, carry text DEFAULT NULL,
    last_price name DEFAULT NULL, last_price_at name DEFAULT NULL,
    previous_price name DEFAULT NULL, lowest_price name DEFAULT NULL,
    highest_price name DEFAULT NULL, price_count name DEFAULT NULL,
    price_total name DEFAULT NULL, first_price name DEFAULT NULL,
    condition text DEFAULT NULL, null_value text DEFAULT NULL, guard text DEFAULT NULL,
    replication text DEFAULT NULL, backfill boolean DEFAULT true)
RETURNS SETOF listing_stats.attachments
AS 'MODULE_PATHNAME', 'listing_stats_keep_latest' LANGUAGE C VOLATILE ROWS 1;
COMMENT ON FUNCTION listing_stats.keep_latest(regclass, text, text, name, name, name, text, name, name, name, name, name, name, name, name, text, text, text, text, boolean) IS 'keeps the latest row of each key in a table of its own: a row is inserted with the first price of a key that counts and deleted with the last. Creates the table if there is none, with the columns of key (a list; NULL: those of the only foreign key) as its primary key, last_price and last_price_at; one that is there needs a unique key of these columns that is not deferrable, no rows of other keys, and no other keep_latest(). The other arguments, columns, index, triggers and the row returned are those of attach(). Rows that an application inserts, changes, deletes or truncates are put right. Only for the owner of price, and of the table if it is there; errors name what does not fit';

CREATE FUNCTION listing_stats.detach("table" regclass) RETURNS integer
AS 'MODULE_PATHNAME', 'listing_stats_detach' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listing_stats.detach(regclass) IS 'drops the triggers of every attachment on the table, or of half of one whose other table is gone; columns, their values and indexes stay. Returns how many were detached. Only for the owner of both tables';

CREATE FUNCTION listing_stats.detach(listing regclass, price regclass) RETURNS integer
AS 'MODULE_PATHNAME', 'listing_stats_detach' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listing_stats.detach(regclass, regclass) IS 'drops the triggers of every attachment of the two tables; columns, their values and indexes stay. Returns how many were detached. Only for the owner of both tables';

CREATE FUNCTION listing_stats.detach(listing regclass, price regclass, "column" name) RETURNS integer
AS 'MODULE_PATHNAME', 'listing_stats_detach' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listing_stats.detach(regclass, regclass, name) IS 'drops the triggers of the attachment of the two tables that keeps this column of listing, and others with it; columns, their values and indexes stay. To stop keeping one column of several: attach(..., last_price => ''none'') and the like. Returns how many were detached. Only for the owner of both tables';

CREATE FUNCTION listing_stats.verify(
    listing regclass, price regclass,
    OUT key text, OUT "column" name, OUT stored text, OUT expected text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_verify' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION listing_stats.verify(regclass, regclass) IS 'the kept columns that differ from the prices, none if all is right: key of the listing, column, stored and expected value. Reads one snapshot and writes nothing. For those who may read all of both tables; an error if they are not attached';

-- Written by refresh() alone.  Unlogged: it is of no use after a crash, nor on a standby.
CREATE UNLOGGED TABLE listing_stats._refresh_progress (
	listing oid, price oid, kept int2, key int2 NOT NULL, started timestamptz NOT NULL, updated timestamptz NOT NULL,
	done bigint NOT NULL, total bigint NOT NULL, changed bigint NOT NULL, finished boolean NOT NULL,
	PRIMARY KEY (listing, price, kept));
COMMENT ON TABLE listing_stats._refresh_progress IS 'private: the last refresh() of each attachment, by the tables'' OIDs and the numbers of the first kept column and of the key''s';
REVOKE ALL ON TABLE listing_stats._refresh_progress FROM PUBLIC;

CREATE VIEW listing_stats.refresh_progress AS
SELECT p.listing::regclass AS listing, p.price::regclass AS price, k.attname AS kept, a.attname AS key, p.started, p.updated, p.done, p.total, p.changed,
	round(p.done / nullif(extract(epoch FROM p.updated - p.started), 0), 1) AS per_second,
	CASE WHEN p.finished THEN interval '0' WHEN p.done > 0 THEN (p.updated - p.started) * ((p.total - p.done) / p.done::float8) END AS remaining,
	p.finished
FROM listing_stats._refresh_progress p
JOIN pg_catalog.pg_class c ON c.oid = p.listing
JOIN pg_catalog.pg_attribute k ON k.attrelid = p.listing AND k.attnum = p.kept AND NOT k.attisdropped
JOIN pg_catalog.pg_attribute a ON a.attrelid = p.price AND a.attnum = p.key AND NOT a.attisdropped;
COMMENT ON VIEW listing_stats.refresh_progress IS 'the last refresh() of each attachment, as of its last committed batch; not finished, and updated no longer: it was interrupted';
COMMENT ON COLUMN listing_stats.refresh_progress.listing IS 'the table whose columns are kept';
COMMENT ON COLUMN listing_stats.refresh_progress.price IS 'the table they are kept from';
COMMENT ON COLUMN listing_stats.refresh_progress.kept IS 'the first kept column, which tells several attachments of two tables apart';
COMMENT ON COLUMN listing_stats.refresh_progress.key IS 'the column of price that refers to the listing';
COMMENT ON COLUMN listing_stats.refresh_progress.started IS 'when it started';
COMMENT ON COLUMN listing_stats.refresh_progress.updated IS 'when the last batch was committed';
COMMENT ON COLUMN listing_stats.refresh_progress.done IS 'how many keys have been handled, changed or not';
COMMENT ON COLUMN listing_stats.refresh_progress.total IS 'how many keys there are: an estimate of the planner''s where there is one, until it has finished';
COMMENT ON COLUMN listing_stats.refresh_progress.changed IS 'how many listings had a column that was not right, and were written';
COMMENT ON COLUMN listing_stats.refresh_progress.per_second IS 'keys handled per second since it started; NULL before any time has passed';
COMMENT ON COLUMN listing_stats.refresh_progress.remaining IS 'how long the rest will take at that rate; zero when finished, NULL before the first batch';
COMMENT ON COLUMN listing_stats.refresh_progress.finished IS 'whether it came to its end';
GRANT SELECT ON listing_stats.refresh_progress TO PUBLIC;

CREATE PROCEDURE listing_stats.refresh(
    listing regclass, price regclass, batch_size integer DEFAULT 10000, only_in regclass DEFAULT NULL)
AS 'MODULE_PATHNAME', 'listing_stats_refresh' LANGUAGE C;
COMMENT ON PROCEDURE listing_stats.refresh(regclass, regclass, integer, regclass) IS 'recomputes the kept columns of all listings while others read and write, in batches of batch_size keys (a million if it is more), each committed by itself, and writes only what differs: fills columns attached with backfill => false, and repairs what no trigger saw. only_in: the listings with prices in that table, which is price, a partition or a child of it, or has been one until it was detached; NULL: all. Can be interrupted and called again. Says how far it is every five seconds, and in the view refresh_progress. Only for the owner of both tables; errors if another argument is NULL, batch_size is below 1, the tables are not attached, or in a transaction block or function, where it cannot commit';

----------------------------------------------------------------------------------------------------
-- Reading
----------------------------------------------------------------------------------------------------

CREATE FUNCTION listing_stats._latest_prices_support(internal) RETURNS internal
AS 'MODULE_PATHNAME', 'listing_stats_latest_prices_support' LANGUAGE C STRICT;
COMMENT ON FUNCTION listing_stats._latest_prices_support(internal) IS 'private: tells the planner how many rows latest_prices() and latest_rows() give and what they cost';
REVOKE ALL ON FUNCTION listing_stats._latest_prices_support(internal) FROM PUBLIC;

CREATE FUNCTION listing_stats.latest_prices(
    price regclass, keys bigint[] DEFAULT NULL, as_of timestamptz DEFAULT NULL,
    key text DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key bigint, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_prices' LANGUAGE C STABLE PARALLEL RESTRICTED
SUPPORT listing_stats._latest_prices_support;
COMMENT ON FUNCTION listing_stats.latest_prices(regclass, bigint[], timestamptz, text, name, name) IS 'the latest price of each of the keys, or of all if keys is NULL, in no particular order: keys of an integer type; no row for a key that has no price; NULLs in keys and repeated keys do nothing; as_of: the latest that is not after it, NULL: the latest of all. price has the columns of its attachment; if it is not attached key is that of its only foreign key, at is created and value is value, unless they are named, and the primary key breaks ties. at is NULL where the column is a number, a float comes as its shortest decimal. Reads as the caller, with his privileges and policies; errors name what cannot be found or has no fitting type';

CREATE FUNCTION listing_stats.latest_prices(
    price regclass, keys text[], as_of timestamptz DEFAULT NULL,
    key text DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key text, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_prices' LANGUAGE C STABLE PARALLEL RESTRICTED
SUPPORT listing_stats._latest_prices_support;
COMMENT ON FUNCTION listing_stats.latest_prices(regclass, text[], timestamptz, text, name, name) IS 'the latest price of each of the keys, or of all if keys is NULL, in no particular order: keys of any type, as their text, and of several columns, as the text of a row of them; no row for a key that has no price; NULLs in keys and repeated keys do nothing; as_of: the latest that is not after it, NULL: the latest of all. price has the columns of its attachment; if it is not attached key is that of its only foreign key, at is created and value is value, unless they are named, and the primary key breaks ties. at is NULL where the column is a number, a float comes as its shortest decimal. Reads as the caller, with his privileges and policies; errors name what cannot be found or has no fitting type';

CREATE FUNCTION listing_stats.latest_prices(
    price regclass, keys uuid[], as_of timestamptz DEFAULT NULL,
    key text DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key uuid, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_prices' LANGUAGE C STABLE PARALLEL RESTRICTED
SUPPORT listing_stats._latest_prices_support;
COMMENT ON FUNCTION listing_stats.latest_prices(regclass, uuid[], timestamptz, text, name, name) IS 'the latest price of each of the keys, or of all if keys is NULL, in no particular order: keys of type uuid; no row for a key that has no price; NULLs in keys and repeated keys do nothing; as_of: the latest that is not after it, NULL: the latest of all. price has the columns of its attachment; if it is not attached key is that of its only foreign key, at is created and value is value, unless they are named, and the primary key breaks ties. at is NULL where the column is a number, a float comes as its shortest decimal. Reads as the caller, with his privileges and policies; errors name what cannot be found or has no fitting type';

CREATE FUNCTION listing_stats.latest_rows(
    price anyelement, keys anycompatiblearray DEFAULT NULL::bigint[], as_of timestamptz DEFAULT NULL,
    key text DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL)
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME', 'listing_stats_latest_rows' LANGUAGE C STABLE PARALLEL RESTRICTED
SUPPORT listing_stats._latest_prices_support;
COMMENT ON FUNCTION listing_stats.latest_rows(anyelement, anycompatiblearray, timestamptz, text, name, name) IS 'the whole rows of the latest prices of the keys, or of all if keys is NULL, in no particular order: the table is the one whose rows are of the type of price, whatever that is, as in latest_rows(NULL::price_table); error 42804 if there is none. Keys are of the column''s type, integers of any size, texts of keys, and for a key of several columns rows of these, of any type; no row for a key that has no price or has a NULL. Columns, as_of, privileges and errors as for latest_prices(), and all columns must be readable';

CREATE FUNCTION listing_stats.latest_price(
    price regclass, key anycompatible, as_of timestamptz DEFAULT NULL,
    key_column text DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL)
RETURNS numeric
AS 'MODULE_PATHNAME', 'listing_stats_latest_price' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION listing_stats.latest_price(regclass, anycompatible, timestamptz, text, name, name) IS 'the latest price of one listing, as one value, as latest_prices() gives it; NULL if the listing has no price, its latest one is NULL, or the key or a column of it is NULL; as_of: the latest that is not after it. The key as for latest_rows(); columns, privileges and errors as for latest_prices()';

CREATE FUNCTION listing_stats.price_history_json(
    price regclass, key anycompatible, max_rows integer DEFAULT NULL,
    key_column text DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'listing_stats_price_history_json' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION listing_stats.price_history_json(regclass, anycompatible, integer, text, name, name) IS 'the prices of one listing, newest first, as a JSON array of objects with the names of the columns of time and value as keys: the text that to_json() makes of such rows; [] if there is none or the key or a column of it is NULL. At most max_rows of them, all if it is NULL, error 2201W if it is negative. The key as for latest_rows(); columns, privileges and errors as for latest_prices()';

CREATE FUNCTION listing_stats.read_price_history(
    price regclass, key anycompatible,
    key_column text DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL)
RETURNS listing_stats.price_history
AS 'MODULE_PATHNAME', 'listing_stats_read_price_history' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION listing_stats.read_price_history(regclass, anycompatible, text, name, name) IS 'the prices of one listing as a price_history, without ties: of equal times the one in force is read. Rows without a time are left out, and with null_value => ''skip'' prices that are NULL too; the empty history if nothing is left or the key or a column of it is NULL. The key as for latest_rows(); columns, privileges and errors as for latest_prices(), and an error if the column at is a number';

----------------------------------------------------------------------------------------------------
-- DDL
----------------------------------------------------------------------------------------------------

-- What follows DDL.  A convenience: nothing is wrong where these event triggers are disabled, except that of created triggers.

CREATE FUNCTION listing_stats._follow_changes() RETURNS void
AS 'MODULE_PATHNAME', 'listing_stats_follow_changes' LANGUAGE C;
COMMENT ON FUNCTION listing_stats._follow_changes() IS 'private: carries the new names of tables, columns, schemas and what conditions name into the arguments of the triggers that attach() made, and gives new partitions and inheritance children triggers of their own; an error unless called by an event trigger';

CREATE FUNCTION listing_stats._follow_drops() RETURNS void
AS 'MODULE_PATHNAME', 'listing_stats_follow_drops' LANGUAGE C;
COMMENT ON FUNCTION listing_stats._follow_drops() IS 'private: detaches what has lost its table or a column, and stops keeping a column that is dropped; an error unless called by an event trigger on sql_drop';

-- Not in C: where the module is gone, a command that a function in C is called for would fail.  STABLE, for that keeps
-- the snapshot which the command began with: by it _follow_drops() sees what has been dropped.  With the search_path of
-- the command, whose names it resolves.
CREATE FUNCTION listing_stats._follow() RETURNS event_trigger LANGUAGE plpgsql STABLE AS $$
DECLARE
    drops CONSTANT pg_catalog.bool := TG_EVENT OPERATOR(pg_catalog.=) 'sql_drop';
BEGIN
    IF drops AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger_dropped_objects()
        WHERE classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass OR objsubid OPERATOR(pg_catalog.>) 0) THEN
        RETURN;
    END IF;
    BEGIN
        IF drops THEN
            PERFORM listing_stats._follow_drops();
        ELSE
            PERFORM listing_stats._follow_changes();
        END IF;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'listing_stats could not follow this command: %', SQLERRM
            USING ERRCODE = SQLSTATE, HINT = 'The command goes on. If the files of listing_stats are gone, install them again, or remove the extension with DROP EXTENSION listing_stats CASCADE.';
    END;
END $$;
COMMENT ON FUNCTION listing_stats._follow() IS 'private: an event trigger that follows renames, partitions and drops; an error in it becomes a warning, except that a lock is not had';
REVOKE ALL ON FUNCTION listing_stats._follow() FROM PUBLIC;

-- All commands by which PostgreSQL lets a table or one of its columns, or what a condition names, be renamed or moved, or a table
-- become a part of another.
CREATE EVENT TRIGGER listing_stats_changes ON ddl_command_end
WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA', 'ALTER TABLE', 'ALTER SCHEMA', 'ALTER INDEX', 'ALTER VIEW',
    'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'ALTER TYPE', 'ALTER DOMAIN', 'ALTER FUNCTION', 'ALTER ROUTINE', 'ALTER OPERATOR',
    'ALTER COLLATION', 'ALTER EXTENSION')
EXECUTE FUNCTION listing_stats._follow();
COMMENT ON EVENT TRIGGER listing_stats_changes IS 'carries renames into the triggers that listing_stats.attach() made, so that dumps have the new names, and gives new partitions of prices triggers of their own';

CREATE EVENT TRIGGER listing_stats_drops ON sql_drop
EXECUTE FUNCTION listing_stats._follow();
COMMENT ON EVENT TRIGGER listing_stats_drops IS 'detaches what has lost its table or a column';

-- What our triggers do they do as the owner of the table, with the functions that a condition in their arguments names.  So the
-- privilege to create triggers on somebody else's table is not enough for ours.
CREATE FUNCTION listing_stats._check_triggers() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT c.oid::regclass AS name
        FROM pg_event_trigger_ddl_commands() d JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid JOIN pg_class c ON c.oid = t.tgrelid
        WHERE EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = t.tgfoid AND n.nspname = 'listing_stats' AND p.proname IN ('price_changed', 'listing_changed'))
            AND NOT pg_has_role(c.relowner, 'USAGE') LOOP
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of table %s to create triggers of listing_stats on it', made.name),
            HINT = 'They act as the owner. Let the owner call listing_stats.attach().';
    END LOOP;
END $$;
COMMENT ON FUNCTION listing_stats._check_triggers() IS 'private: an event trigger; error 42501 where somebody else than the owner of a table creates a trigger of listing_stats on it';
REVOKE ALL ON FUNCTION listing_stats._check_triggers() FROM PUBLIC;
CREATE EVENT TRIGGER listing_stats_triggers ON ddl_command_end
WHEN TAG IN ('CREATE TRIGGER')
EXECUTE FUNCTION listing_stats._check_triggers();
-- Also for who may set session_replication_role.
ALTER EVENT TRIGGER listing_stats_triggers ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER listing_stats_triggers IS 'lets nobody except the owner of a table create triggers of listing_stats on it';

----------------------------------------------------------------------------------------------------
-- Citus
----------------------------------------------------------------------------------------------------

-- Of two distributed tables each pair of shards is attached, on the node where it is.  The calls below do that from the
-- coordinator, over connections that Citus opens as the caller; what Citus makes later is attached by what this table says,
-- which is the same on all nodes.  Anybody may write rows of distributed tables that are his: the trigger looks.
CREATE TABLE listing_stats._distributed (
    listing regclass, price regclass, kept name, options jsonb NOT NULL CHECK (jsonb_typeof(options) = 'object'), PRIMARY KEY (listing, price, kept));
COMMENT ON TABLE listing_stats._distributed IS 'private: the distributed tables whose shards are attached, the first column that is kept, and the named arguments for attach(); the same on all nodes of Citus';
-- Writing, of which DELETE also allows to lock the table in all modes, only where Citus is: see at the end.
GRANT SELECT ON listing_stats._distributed TO PUBLIC;
-- Without what is gone: its number would be dumped, which is another table's where it is restored.
SELECT pg_catalog.pg_extension_config_dump('listing_stats._distributed',
    'WHERE (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY[listing::pg_catalog.oid, price::pg_catalog.oid]) AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY[''r'', ''p'']::"char"[]) AND c.relpersistence OPERATOR(pg_catalog.<>) ''t'') OPERATOR(pg_catalog.=) 2 AND (kept OPERATOR(pg_catalog.=) '''' OR EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) listing AND a.attname OPERATOR(pg_catalog.=) kept))');

CREATE FUNCTION listing_stats._distributed_owner() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written CONSTANT listing_stats._distributed = coalesce(NEW, OLD);
    there CONSTANT integer = (SELECT count(*) FROM pg_class WHERE oid IN (written.listing, written.price));
    owned CONSTANT integer = (SELECT count(*) FROM pg_class WHERE oid IN (written.listing, written.price) AND pg_has_role(relowner, 'USAGE'));
    distributed integer;
BEGIN
    -- A row of a table that is gone may be removed by anybody, and written by nobody: its number may become somebody's.
    IF owned < 2 AND (TG_OP <> 'DELETE' OR there = 2) THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of tables "%s" and "%s"', written.listing, written.price);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF (SELECT count(*) FROM pg_class WHERE oid IN (written.listing, written.price) AND relkind IN ('r', 'p') AND relpersistence <> 't') < 2 THEN
            RAISE wrong_object_type USING MESSAGE = format('"%s" and "%s" are not two tables', written.listing, written.price);
        END IF;
        IF written.kept <> '' AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = written.listing AND attname = written.kept AND NOT attisdropped) THEN
            RAISE undefined_column USING MESSAGE = format('column "%s" of table "%s" does not exist', written.kept, written.listing);
        END IF;
        -- A dump is restored by a superuser, before Citus knows the tables.
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE 'SELECT count(*) FROM pg_dist_partition WHERE logicalrelid IN ($1, $2)' INTO distributed USING written.listing, written.price;
            IF distributed < 2 THEN
                RAISE wrong_object_type USING MESSAGE = format('"%s" and "%s" are not distributed tables', written.listing, written.price);
            END IF;
        END IF;
    END IF;
    RETURN written;
END $$;
COMMENT ON FUNCTION listing_stats._distributed_owner() IS 'private: error 42501 unless who writes a row owns the two tables';
REVOKE ALL ON FUNCTION listing_stats._distributed_owner() FROM PUBLIC;
CREATE TRIGGER _distributed_owner BEFORE INSERT OR UPDATE OR DELETE ON listing_stats._distributed
FOR EACH ROW EXECUTE FUNCTION listing_stats._distributed_owner();
COMMENT ON TRIGGER _distributed_owner ON listing_stats._distributed IS 'only owners of the tables write their rows';

CREATE FUNCTION listing_stats._distributed_arguments(options jsonb) RETURNS text LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT coalesce(pg_catalog.string_agg(pg_catalog.format(', %I => %L', o.key, o.value), '' ORDER BY o.key), '') FROM pg_catalog.jsonb_each_text(options) o;
END;
COMMENT ON FUNCTION listing_stats._distributed_arguments(jsonb) IS 'private: named arguments as SQL, each after a comma';

-- Schema-sharded tables have one shard, whose bounds are NULL.
CREATE FUNCTION listing_stats._shard_pairs(listing regclass, price regclass, OUT node text, OUT port integer, OUT listing_shard text, OUT price_shard text)
RETURNS SETOF record LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE $query$
        SELECT n.nodename::text, n.nodeport, shard_name($1, l.shardid, false), shard_name($2, p.shardid, false)
        FROM pg_dist_shard p
        JOIN pg_dist_shard l ON l.logicalrelid = $1 AND (l.shardminvalue, l.shardmaxvalue) IS NOT DISTINCT FROM (p.shardminvalue, p.shardmaxvalue)
        JOIN pg_dist_placement s ON s.shardid = p.shardid AND s.shardstate = 1
        JOIN pg_dist_node n ON n.groupid = s.groupid AND n.noderole = 'primary'
        WHERE p.logicalrelid = $2
        ORDER BY p.shardid, n.nodeid $query$ USING listing, price;
END $$;
COMMENT ON FUNCTION listing_stats._shard_pairs(regclass, regclass) IS 'private: the colocated shards of two distributed tables, and where they are';

CREATE FUNCTION listing_stats._run_on(node text, port integer, command text, OUT success boolean, OUT result text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE 'SELECT r.success, r.result FROM master_run_on_worker(ARRAY[$1], ARRAY[$2], ARRAY[$3], false) r' INTO success, result USING node, port, command;
END $$;
COMMENT ON FUNCTION listing_stats._run_on(text, integer, text) IS 'private: runs a command on a node of Citus, as the caller and in a transaction of its own, and says what came of it';

-- Everything that can be refused is refused here, before anything is made: attach() is tried on empty temporary copies.
CREATE FUNCTION listing_stats._plan_distributed(of_listing regclass, of_price regclass, options jsonb, OUT kept name, OUT condition text, OUT steps text[])
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    tables CONSTANT regclass[] = ARRAY[of_listing, of_price];
    names name[] = ARRAY(SELECT c.relname FROM unnest(tables) WITH ORDINALITY t(oid, i) JOIN pg_class c USING (oid) ORDER BY i);
    method text[] = '{}';
    colocation integer[] = '{}';
    distributed_by name[] = '{}';
    one record;
    step text;
    a listing_stats.attachments;
BEGIN
    FOR one IN SELECT c.oid::regclass AS oid, c.relname, pg_has_role(c.relowner, 'USAGE') AS owned, pg_get_userbyid(c.relowner) AS owner FROM unnest(tables) WITH ORDINALITY t(oid, i) JOIN pg_class c USING (oid) ORDER BY i LOOP
        IF NOT one.owned THEN
            RAISE insufficient_privilege USING MESSAGE = format('must be owner of table "%s"', one.relname);
        ELSIF one.owner <> current_user THEN
            -- Functions in indexes, constraints and domains would be called for the copies, as whoever made these.
            RAISE insufficient_privilege USING MESSAGE = format('attach_distributed() of table "%s" has to be called by its owner, role "%s"', one.relname, one.owner),
                HINT = 'It tries what the owner has made on copies of the tables, which would belong to another role. Connect as the owner.';
        END IF;
    END LOOP;
    IF to_regclass('pg_catalog.pg_dist_partition') IS NULL THEN
        RAISE feature_not_supported USING MESSAGE = 'attach_distributed() is for tables of Citus, which is not installed in this database', HINT = 'attach() is for ordinary tables.';
    END IF;
    FOR one IN EXECUTE 'SELECT t.oid, c.relname, d.partmethod::text AS partmethod, d.repmodel::text AS repmodel, d.colocationid, column_to_column_name(d.logicalrelid, d.partkey)::name AS distributed_by
        FROM unnest($1) WITH ORDINALITY t(oid, i) JOIN pg_class c USING (oid) LEFT JOIN pg_dist_partition d ON d.logicalrelid = t.oid ORDER BY i' USING tables LOOP
        IF one.partmethod IS NULL THEN
            RAISE wrong_object_type USING MESSAGE = format('cannot attach "%s" as a distributed table: it is an ordinary table', one.relname), HINT = 'attach() is for two ordinary tables; two distributed tables have to be colocated by the key.';
        ELSIF one.partmethod = 'n' AND (one.repmodel = 't' OR one.colocationid = 0) THEN
            RAISE wrong_object_type USING MESSAGE = format('cannot attach "%s" as a distributed table: it is a %s table of Citus', one.relname, CASE one.repmodel WHEN 't' THEN 'reference' ELSE 'local' END),
                HINT = format('Two distributed tables can be attached that are colocated by the key. undistribute_table(%L) makes it an ordinary table.', one.oid::regclass);
        END IF;
        method := method || one.partmethod;
        colocation := colocation || one.colocationid;
        distributed_by := distributed_by || one.distributed_by;
    END LOOP;
    EXECUTE 'SELECT citus_is_coordinator() AS is' INTO one;
    IF NOT one.is THEN
        RAISE feature_not_supported USING MESSAGE = 'attach_distributed() has to be called on the coordinator';
    END IF;
    IF colocation[1] <> colocation[2] THEN
        RAISE feature_not_supported USING MESSAGE = format('cannot attach "%s" and "%s": they are not colocated', names[1], names[2]),
            HINT = format('Distribute both by the key, and colocate them: SELECT alter_distributed_table(%L, distribution_column => ..., colocate_with => %L).', of_price, of_listing);
    END IF;
    IF names[1] = names[2] THEN
        names := ARRAY['listing', 'price'];
    END IF;
    BEGIN
        FOR i IN 1 .. 2 LOOP
            EXECUTE format('CREATE TEMPORARY TABLE %I (LIKE %s INCLUDING CONSTRAINTS INCLUDING INDEXES)', names[i], tables[i]);
        END LOOP;
        FOR step IN SELECT format('ALTER TABLE pg_temp.%I ADD FOREIGN KEY (%s) REFERENCES pg_temp.%I (%s)', names[2],
                (SELECT string_agg(quote_ident(attname), ', ' ORDER BY i) FROM unnest(f.conkey) WITH ORDINALITY k(n, i) JOIN pg_attribute ON attrelid = f.conrelid AND attnum = k.n), names[1],
                (SELECT string_agg(quote_ident(attname), ', ' ORDER BY i) FROM unnest(f.confkey) WITH ORDINALITY k(n, i) JOIN pg_attribute ON attrelid = f.confrelid AND attnum = k.n))
            FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = of_price AND f.confrelid = of_listing LOOP
            EXECUTE step;
        END LOOP;
        steps := ARRAY(SELECT i.indexrelid::text FROM pg_index i WHERE i.indrelid = format('pg_temp.%I', names[2])::regclass);
        EXECUTE format('SELECT * FROM listing_stats.attach(%L, %L%s)', format('pg_temp.%I', names[1]), format('pg_temp.%I', names[2]), listing_stats._distributed_arguments(options)) INTO a;
        kept := coalesce(a.last_price, a.last_price_at, a.previous_price, a.lowest_price, a.highest_price, a.price_count, a.price_total, a.first_price, '');
        condition := a.condition;
        IF method[2] <> 'n' AND NOT EXISTS (
            SELECT FROM unnest(string_to_array(a.listing_key, ', '), string_to_array(a.key, ', ')) AS k(l, p)
            WHERE k.l IN (distributed_by[1], quote_ident(distributed_by[1])) AND k.p IN (distributed_by[2], quote_ident(distributed_by[2]))) THEN
            RAISE feature_not_supported USING MESSAGE = format('cannot attach "%s" and "%s": they are distributed by "%s" and "%s", which are not a pair of columns of the key', names[1], names[2], distributed_by[1], distributed_by[2]),
                HINT = format('Prices have to be on the node of their listing: distribute both tables by the key, "%s" and "%s", or a pair of its columns.', a.listing_key, a.key);
        END IF;
        -- In one ALTER TABLE, and the index, where attach() would make them.
        steps := ARRAY(
            SELECT 'ALTER TABLE ' || of_listing || string_agg(format(' ADD COLUMN %I %s%s%s', t.attname, format_type(t.atttypid, t.atttypmod),
                ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), CASE WHEN t.attnotnull THEN ' NOT NULL' END), ',' ORDER BY t.attnum)
            FROM pg_attribute t LEFT JOIN pg_attrdef d ON d.adrelid = t.attrelid AND d.adnum = t.attnum
            WHERE t.attrelid = format('pg_temp.%I', names[1])::regclass AND t.attnum > 0 AND NOT t.attisdropped
                AND NOT EXISTS (SELECT FROM pg_attribute r WHERE r.attrelid = of_listing AND r.attname = t.attname AND NOT r.attisdropped)
            HAVING count(*) > 0
            UNION ALL
            SELECT format('CREATE INDEX ON %s %s', of_price, substring(pg_get_indexdef(i.indexrelid) FROM 'USING .*$'))
            FROM pg_index i
            WHERE i.indrelid = format('pg_temp.%I', names[2])::regclass AND NOT i.indexrelid::text = ANY (steps));
        RAISE SQLSTATE 'LS000';
    EXCEPTION WHEN SQLSTATE 'LS000' THEN
        NULL;  -- what was made on the copies is undone, and they are
    END;
END $$;
COMMENT ON FUNCTION listing_stats._plan_distributed(regclass, regclass, jsonb) IS 'private: the first column that attach() with these arguments keeps, the condition as it is printed, and what has to be made at the coordinator before; an error if the tables cannot be attached';

-- On all nodes: the tables of that name have other numbers there.
CREATE FUNCTION listing_stats._remember_distributed(listing regclass, price regclass, kept name, options jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forget CONSTANT text = format('DELETE FROM listing_stats._distributed WHERE listing OPERATOR(pg_catalog.=) %L::pg_catalog.regclass AND price OPERATOR(pg_catalog.=) %L::pg_catalog.regclass', listing, price)
        || CASE WHEN kept IS NULL THEN '' ELSE format(' AND kept OPERATOR(pg_catalog.=) %L', kept) END;
    node record;
    outcome record;
BEGIN
    FOR node IN EXECUTE 'SELECT nodename::text AS name, nodeport AS port FROM pg_dist_node WHERE noderole = ''primary'' AND isactive AND groupid <> 0 ORDER BY nodeid' LOOP
        outcome := listing_stats._run_on(node.name, node.port, forget);
        IF outcome.success AND options IS NOT NULL THEN
            outcome := listing_stats._run_on(node.name, node.port, format('INSERT INTO listing_stats._distributed VALUES (%L, %L, %L, %L)', listing, price, kept, options));
        END IF;
        IF NOT outcome.success THEN
            RAISE EXCEPTION USING MESSAGE = format('could not note the attachment on node %s:%s: %s', node.name, node.port, outcome.result), HINT = 'What has been done stays. Call again when the node can be reached.';
        END IF;
    END LOOP;
    EXECUTE forget;
    IF options IS NOT NULL THEN
        EXECUTE format('INSERT INTO listing_stats._distributed VALUES (%L, %L, %L, %L)', listing, price, kept, options);
    END IF;
END $$;
COMMENT ON FUNCTION listing_stats._remember_distributed(regclass, regclass, name, jsonb) IS 'private: writes a row of _distributed on all nodes; without options removes it, and all of the tables if kept is NULL';

-- A procedure cannot have a search_path of its own and commit: the first statement of each transaction sets it.  The types of its
-- variables are looked up before that.
CREATE PROCEDURE listing_stats._on_shards(listing regclass, price regclass, what text, commands text[]) LANGUAGE plpgsql AS $$
DECLARE
    pairs pg_catalog.jsonb;
    failed integer;
    outcome pg_catalog.record;
    i integer;
    c integer;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    pairs := (SELECT coalesce(jsonb_agg(p), '[]') FROM listing_stats._shard_pairs(listing, price) p);
    failed := 0;
    i := 0;
    LOOP
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        EXIT WHEN i >= jsonb_array_length(pairs);
        FOR c IN 1 .. array_length(commands, 1) LOOP
            outcome := listing_stats._run_on(pairs -> i ->> 'node', (pairs -> i ->> 'port')::integer, format(commands[c], pairs -> i ->> 'listing_shard', pairs -> i ->> 'price_shard'));
            IF NOT outcome.success THEN
                RAISE WARNING '%', format('could not %s shard "%s" on %s:%s: %s', what, pairs -> i ->> 'price_shard', pairs -> i ->> 'node', pairs -> i ->> 'port', outcome.result);
                failed := failed + 1;
                EXIT;
            END IF;
        END LOOP;
        i := i + 1;
        COMMIT;
    END LOOP;
    IF failed > 0 THEN
        RAISE EXCEPTION USING MESSAGE = format('could not %s %s of %s shards', what, failed, jsonb_array_length(pairs)), HINT = 'What has been done stays, and the same call goes on from there.';
    END IF;
END $$;
COMMENT ON PROCEDURE listing_stats._on_shards(regclass, regclass, text, text[]) IS 'private: runs commands for each pair of shards, each in a transaction of its own; an error at the end if one of them has failed';

CREATE PROCEDURE listing_stats.attach_distributed(
    listing regclass, price regclass,
    last_price name DEFAULT NULL, last_price_at name DEFAULT NULL,
    previous_price name DEFAULT NULL, lowest_price name DEFAULT NULL,
    highest_price name DEFAULT NULL, price_count name DEFAULT NULL,
    price_total name DEFAULT NULL, first_price name DEFAULT NULL,
    key text DEFAULT NULL, listing_key text DEFAULT NULL, at name DEFAULT NULL,
    value name DEFAULT NULL, tie name DEFAULT NULL, carry text DEFAULT NULL,
    condition text DEFAULT NULL, empty text DEFAULT NULL, null_value text DEFAULT NULL, guard text DEFAULT NULL, replication text DEFAULT NULL,
    backfill boolean DEFAULT true) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    options pg_catalog.jsonb;
    plan pg_catalog.record;
    step pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    options := jsonb_strip_nulls(jsonb_build_object('last_price', last_price, 'last_price_at', last_price_at, 'previous_price', previous_price, 'lowest_price', lowest_price,
        'highest_price', highest_price, 'price_count', price_count, 'price_total', price_total, 'first_price', first_price, 'key', key, 'listing_key', listing_key, 'at', at,
        'value', value, 'tie', tie, 'carry', carry, 'condition', condition, 'empty', empty, 'null_value', null_value, 'guard', guard, 'replication', replication));
    plan := listing_stats._plan_distributed(listing, price, options);
    options := coalesce((SELECT d.options FROM listing_stats._distributed d WHERE d.listing = attach_distributed.listing AND d.price = attach_distributed.price AND d.kept = plan.kept), '{}') || options
        -- As it has been read here: nodes may read dates otherwise.
        || CASE WHEN plan.condition IS NULL THEN '{}' ELSE jsonb_build_object('condition', plan.condition) END;
    COMMIT;
    -- Through the coordinator, so that Citus and all shards have them.  Committed first: shards are attached by other sessions.
    FOREACH step IN ARRAY plan.steps LOOP
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        RAISE NOTICE 'attach_distributed() runs %', step;
        EXECUTE step;
        COMMIT;
    END LOOP;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM listing_stats._remember_distributed(listing, price, plan.kept, options);
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    CALL listing_stats._on_shards(listing, price, 'attach', ARRAY[format('SELECT last_price FROM listing_stats.attach(%%1$L, %%2$L, backfill => false%s)', replace(listing_stats._distributed_arguments(options), '%', '%%'))]
        || CASE WHEN backfill THEN ARRAY['CALL listing_stats.refresh(%1$L, %2$L)'] END);
END $$;
COMMENT ON PROCEDURE listing_stats.attach_distributed(regclass, regclass, name, name, name, name, name, name, name, name, text, text, name, name, name, text, text, text, text, text, text, boolean) IS 'attach() for two distributed tables of Citus that are colocated by the key, or by one of its columns, called on the coordinator: the same arguments. Refuses first what cannot be attached; then adds columns and index through the coordinator, notes the attachment on all nodes, so that shards which Citus makes later are attached, and attaches and fills each pair of shards. Each step is committed; after an error the same call goes on. Only for the role that owns both tables itself, and not in a transaction';

CREATE PROCEDURE listing_stats.refresh_distributed(listing regclass, price regclass, batch_size integer DEFAULT 10000) LANGUAGE plpgsql AS $$
BEGIN
    CALL listing_stats._on_shards(listing, price, 'refresh', ARRAY[pg_catalog.format('CALL listing_stats.refresh(%%1$L, %%2$L, %s)', batch_size)]);
END $$;
COMMENT ON PROCEDURE listing_stats.refresh_distributed(regclass, regclass, integer) IS 'refresh() of each pair of shards of distributed tables of Citus, one after the other; error at the end if one has failed. Only for the owner of both tables, and not in a transaction';

CREATE PROCEDURE listing_stats.detach_distributed(listing regclass, price regclass, "column" name DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    kept pg_catalog.name;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    kept := "column";
    PERFORM listing_stats._remember_distributed(listing, price, kept, NULL);
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    CALL listing_stats._on_shards(listing, price, 'detach', ARRAY['SELECT listing_stats.detach(%1$L, %2$L' || coalesce(', ' || replace(quote_literal(kept), '%', '%%'), '') || ')']);
END $$;
COMMENT ON PROCEDURE listing_stats.detach_distributed(regclass, regclass, name) IS 'detach() of each pair of shards of distributed tables of Citus, of all attachments or the one whose first kept column is named; columns, their values and indexes stay. Only for the owner of both tables, and not in a transaction';

CREATE FUNCTION listing_stats.verify_distributed(listing regclass, price regclass, OUT key text, OUT "column" name, OUT stored text, OUT expected text)
RETURNS SETOF record LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pair record;
    outcome record;
BEGIN
    FOR pair IN SELECT * FROM listing_stats._shard_pairs(listing, price) LOOP
        outcome := listing_stats._run_on(pair.node, pair.port, format('SELECT pg_catalog.json_agg(v) FROM listing_stats.verify(%L, %L) v', pair.listing_shard, pair.price_shard));
        IF NOT outcome.success THEN
            RAISE EXCEPTION USING MESSAGE = format('could not verify shard "%s" on %s:%s: %s', pair.price_shard, pair.node, pair.port, outcome.result);
        END IF;
        RETURN QUERY SELECT v.key, v."column", v.stored, v.expected FROM json_to_recordset(nullif(outcome.result, '')::json) AS v(key text, "column" name, stored text, expected text);
    END LOOP;
END $$;
COMMENT ON FUNCTION listing_stats.verify_distributed(regclass, regclass) IS 'verify() of each pair of shards of distributed tables of Citus: rows that differ, each shard as of its own moment; NULL gives none; an error if a node does not answer';

CREATE FUNCTION listing_stats._distributed_attachments() RETURNS SETOF jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    d record;
    pair record;
    outcome record;
    shown jsonb;
    warnings text[];
    shards integer;
    without integer;
BEGIN
    IF to_regclass('pg_catalog.pg_dist_shard') IS NULL THEN
        RETURN;
    END IF;
    BEGIN
        LOCK TABLE listing_stats._distributed IN ACCESS SHARE MODE;
    EXCEPTION WHEN lock_not_available THEN
        RAISE WARNING 'listing_stats does not show distributed tables: somebody has locked the table of notes';
        RETURN;
    END;
    FOR d IN SELECT a.*, has_schema_privilege(p.relnamespace, 'USAGE') AS usable FROM listing_stats._distributed a JOIN pg_class l ON l.oid = a.listing JOIN pg_class p ON p.oid = a.price LOOP
        EXECUTE 'SELECT citus_is_coordinator() AS is' INTO outcome;
        CONTINUE WHEN NOT outcome.is;
        shown := NULL;
        warnings := '{}';
        shards := 0;
        without := 0;
        FOR pair IN SELECT * FROM listing_stats._shard_pairs(d.listing, d.price) LOOP
            shards := shards + 1;
            outcome := listing_stats._run_on(pair.node, pair.port, format('SELECT pg_catalog.to_jsonb(a) FROM listing_stats._attachments() a WHERE listing OPERATOR(pg_catalog.=) %L::pg_catalog.regclass AND price OPERATOR(pg_catalog.=) %L::pg_catalog.regclass AND %L OPERATOR(pg_catalog.=) ANY (ARRAY[last_price, last_price_at, previous_price, lowest_price, highest_price, price_count, price_total, first_price, %s]) LIMIT 1',
                pair.listing_shard, pair.price_shard, d.kept, CASE d.kept WHEN '' THEN '''''' ELSE 'NULL' END));
            IF NOT outcome.success THEN
                warnings := warnings || format('node %s:%s does not say what is attached there: %s', pair.node, pair.port, outcome.result);
            ELSIF coalesce(outcome.result, '') = '' THEN
                without := without + 1;
            ELSE
                shown := coalesce(shown, outcome.result::jsonb);
                warnings := warnings || ARRAY(SELECT w FROM jsonb_array_elements_text(outcome.result::jsonb -> 'warnings') w WHERE w <> ALL (warnings));
            END IF;
        END LOOP;
        IF without > 0 THEN
            warnings := format('%s of %s shards have no triggers: CALL listing_stats.attach_distributed(%L, %L%s)', without, shards, d.listing, d.price, listing_stats._distributed_arguments(d.options)) || warnings;
        END IF;
        -- By their numbers: to read a name can need a privilege that the reader does not have.
        RETURN NEXT coalesce(shown, '{}') || jsonb_build_object('listing', d.listing::oid::bigint, 'price', d.price::oid::bigint,
            'index', CASE WHEN d.usable THEN to_regclass(regexp_replace(shown ->> 'index', '_[0-9]+("?)$', E'\\1'))::oid::bigint END, 'warnings', warnings);
    END LOOP;
END $$;
COMMENT ON FUNCTION listing_stats._distributed_attachments() IS 'private: a row of the view attachments for each attachment of distributed tables, as JSON; asks all nodes; nothing except on the coordinator';

CREATE OR REPLACE VIEW listing_stats.attachments AS
SELECT listing, price, listing_key, key, last_price, last_price_at, previous_price, lowest_price, highest_price, price_count, price_total, first_price, at, tie, value,
    carry, condition, empty, own_rows, null_value, guard, replication, index, way, triggers, warnings
FROM listing_stats._attachments()
UNION ALL
SELECT a.*
FROM listing_stats._distributed_attachments() d, jsonb_to_record(d) AS a(
    listing regclass, price regclass, listing_key text, key text, last_price name, last_price_at name, previous_price name, lowest_price name, highest_price name,
    price_count name, price_total name, first_price name, at name, tie name, value name, carry text, condition text, empty text, own_rows boolean, null_value text,
    guard text, replication text, index regclass, way text, triggers text[], warnings text[]);

-- Citus makes shards by ordinary DDL, on the node where they will be: columns, rows, indexes, and foreign keys at the end.  A
-- pair is attached when that of its prices has all indexes that the table has and its foreign key, which says of which pair it is.
-- Without a foreign key the pair is known only where Citus already has the shard (it moves).
-- Nobody's command waits for long for somebody who has locked the table of notes.
CREATE FUNCTION listing_stats._follow_shards() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    made record;
    d record;
    lost record;
    shard regclass;
BEGIN
    IF NOT has_schema_privilege('listing_stats', 'USAGE') THEN
        RETURN;
    END IF;
    IF to_regclass('pg_catalog.pg_dist_shard') IS NULL OR NOT EXISTS (SELECT FROM listing_stats._distributed) THEN
        RETURN;
    END IF;
    IF TG_EVENT = 'sql_drop' THEN
        IF NOT has_table_privilege('listing_stats._distributed', 'DELETE') THEN
            RETURN;
        END IF;
        FOR lost IN
            DELETE FROM listing_stats._distributed a
            WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = a.listing) OR NOT EXISTS (SELECT FROM pg_class WHERE oid = a.price)
            RETURNING coalesce((SELECT object_identity FROM pg_event_trigger_dropped_objects() WHERE classid = 'pg_class'::regclass AND objid = a.listing AND objsubid = 0), a.listing::text) AS listing,
                coalesce((SELECT object_identity FROM pg_event_trigger_dropped_objects() WHERE classid = 'pg_class'::regclass AND objid = a.price AND objsubid = 0), a.price::text) AS price, a.options LOOP
            RAISE NOTICE '%', format('listing_stats no longer keeps distributed table "%s" by "%s", of which one is dropped', lost.listing, lost.price)
                USING HINT = format('If Citus has made it anew (alter_distributed_table(), undistribute_table()): CALL listing_stats.attach_distributed(%L, %L%s); where both are ordinary tables now, SELECT listing_stats.attach().',
                    lost.listing, lost.price, listing_stats._distributed_arguments(lost.options));
        END LOOP;
        RETURN;
    END IF;
    FOR made IN
        SELECT DISTINCT c.oid, c.relowner, substring(c.relname FROM '_([0-9]{1,18})$')::bigint AS id
        FROM pg_event_trigger_ddl_commands() e LEFT JOIN pg_index i ON i.indexrelid = e.objid JOIN pg_class c ON c.oid = coalesce(i.indrelid, e.objid)
        WHERE e.classid = 'pg_class'::regclass AND c.relname ~ '_[0-9]{1,18}$'
            AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgfoid = 'listing_stats.price_changed()'::regprocedure)
    LOOP
        FOR d IN
            SELECT a.*, f.confrelid AS referenced FROM listing_stats._distributed a
            -- Of one owner: what somebody has noted is not for others' tables that are named like shards of his.
            JOIN pg_class l ON l.oid = a.listing AND l.relowner = made.relowner
            JOIN pg_class p ON p.oid = a.price AND p.relowner = made.relowner
            LEFT JOIN (SELECT DISTINCT conrelid, confrelid FROM pg_constraint WHERE contype = 'f') f ON f.conrelid = p.oid AND f.confrelid = l.oid
        LOOP
            CONTINUE WHEN NOT made.oid IS NOT DISTINCT FROM to_regclass(shard_name(d.price, made.id, false))::oid
                OR (SELECT count(*) FROM pg_index WHERE indrelid = made.oid) < (SELECT count(*) FROM pg_index WHERE indrelid = d.price);
            IF d.referenced IS NOT NULL THEN
                shard := (SELECT min(f.confrelid::bigint)::oid FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid
                    WHERE f.contype = 'f' AND f.conrelid = made.oid AND c.relname ~ '_[0-9]{1,18}$' AND to_regclass(shard_name(d.listing, substring(c.relname FROM '_([0-9]{1,18})$')::bigint, false)) = f.confrelid);
            ELSE
                EXECUTE 'SELECT to_regclass(shard_name($1, l.shardid, false)) FROM pg_dist_shard p JOIN pg_dist_shard l
                    ON l.logicalrelid = $1 AND (l.shardminvalue, l.shardmaxvalue) IS NOT DISTINCT FROM (p.shardminvalue, p.shardmaxvalue) WHERE p.logicalrelid = $2 AND p.shardid = $3'
                    INTO shard USING d.listing, d.price, made.id;
                shard := CASE WHEN (SELECT count(*) FROM pg_index WHERE indrelid = shard) >= (SELECT count(*) FROM pg_index WHERE indrelid = d.listing) THEN shard END;
            END IF;
            CONTINUE WHEN shard IS NULL;
            -- attach() would add a column that is not there, to this shard alone.
            IF EXISTS (SELECT FROM jsonb_each_text(d.options) o WHERE o.key IN ('last_price', 'last_price_at', 'previous_price', 'lowest_price', 'highest_price', 'price_count', 'price_total', 'first_price')
                AND o.value <> 'none' AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = shard AND attname = o.value AND NOT attisdropped)) THEN
                RAISE WARNING 'listing_stats does not attach shard "%": a column that it is to keep is gone', made.oid::regclass;
                CONTINUE;
            END IF;
            EXECUTE format('SELECT FROM listing_stats.attach(%L, %L, backfill => false%s)', shard, made.oid::regclass, listing_stats._distributed_arguments(d.options));
        END LOOP;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'listing_stats could not follow this command: %', SQLERRM
        USING ERRCODE = SQLSTATE, HINT = 'The command goes on. CALL listing_stats.attach_distributed() attaches all shards.';
END $$;
COMMENT ON FUNCTION listing_stats._follow_shards() IS 'private: an event trigger that attaches shards which Citus makes, and forgets distributed tables that are dropped; an error in it becomes a warning';
REVOKE ALL ON FUNCTION listing_stats._follow_shards() FROM PUBLIC;

CREATE EVENT TRIGGER listing_stats_shards ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'CREATE INDEX')
EXECUTE FUNCTION listing_stats._follow_shards();
COMMENT ON EVENT TRIGGER listing_stats_shards IS 'attaches shards that Citus makes of tables attached by listing_stats.attach_distributed()';

CREATE EVENT TRIGGER listing_stats_distributed_drops ON sql_drop
EXECUTE FUNCTION listing_stats._follow_shards();
COMMENT ON EVENT TRIGGER listing_stats_distributed_drops IS 'forgets distributed tables that are dropped, and says which call to make if Citus has made them anew';

-- The functions that aggregates consist of are called by Citus as whoever asks, who needs the right to.  Each checks what it is
-- given, so that nobody gets anything else out of them: elsewhere it is withheld because nobody needs it.
DO LANGUAGE plpgsql $do$
DECLARE
    part regprocedure;
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        FOR part IN
            SELECT DISTINCT f.oid FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid, unnest(ARRAY[a.aggtransfn, a.aggcombinefn, a.aggfinalfn]) f(oid)
            WHERE p.pronamespace = 'listing_stats'::regnamespace AND f.oid <> 0 LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', part);
        END LOOP;
        GRANT INSERT, DELETE ON listing_stats._distributed TO PUBLIC;
    END IF;
END $do$;
