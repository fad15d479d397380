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
CREATE FUNCTION listing_stats._price_distribution_out(listing_stats.price_distribution) RETURNS cstring
	AS 'MODULE_PATHNAME', 'listing_stats_distribution_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE TYPE listing_stats.price_distribution (
	INPUT = listing_stats._price_distribution_in,
	OUTPUT = listing_stats._price_distribution_out,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = extended);
COMMENT ON TYPE listing_stats.price_distribution IS
	'the exact distribution of a set of numbers, NULLs counted: {19.99, 20.00*3, Infinity, NaN*2, null*4}; up to one gigabyte, error 54000 beyond';
COMMENT ON FUNCTION listing_stats._price_distribution_in(cstring) IS
	'reads {19.99, 20.00*3, null*4}: numbers, NaN, Infinity, -Infinity and null in any order, each with how often it occurs; error 22P02 on anything else';
COMMENT ON FUNCTION listing_stats._price_distribution_out(listing_stats.price_distribution) IS
	'the text of a distribution, ascending, with the decimals of the number that has most; NULL for NULL';

CREATE FUNCTION listing_stats._accumulate(listing_stats.price_distribution, numeric)
	RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_accumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._accumulate(listing_stats.price_distribution, numeric) IS
	'the aggregates'' transition: one more number, or one more NULL; error 0A000 outside of an aggregate, 54000 when the distribution is full';
CREATE FUNCTION listing_stats._combine(listing_stats.price_distribution, listing_stats.price_distribution)
	RETURNS listing_stats.price_distribution
	AS 'MODULE_PATHNAME', 'listing_stats_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._combine(listing_stats.price_distribution, listing_stats.price_distribution) IS
	'the aggregates'' combine: the two sets as one, NULL for an empty one; error 0A000 outside of an aggregate, 54000 when the distribution is full';
CREATE FUNCTION listing_stats._finish_summary(listing_stats.price_distribution) RETURNS listing_stats.summary
	AS 'MODULE_PATHNAME', 'listing_stats_finish_summary' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._finish_summary(listing_stats.price_distribution) IS
	'the result of price_summary(); NULL is the empty set; error 0A000 outside of an aggregate';
CREATE FUNCTION listing_stats._finish_stats_json(listing_stats.price_distribution) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'listing_stats_finish_stats_json' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION listing_stats._finish_stats_json(listing_stats.price_distribution) IS
	'the result of price_stats_json(); NULL is the empty set; error 0A000 outside of an aggregate';

CREATE AGGREGATE listing_stats.price_summary(numeric) (
	SFUNC = listing_stats._accumulate,
	STYPE = listing_stats.price_distribution,
	SSPACE = 256,
	FINALFUNC = listing_stats._finish_summary,
	COMBINEFUNC = listing_stats._combine,
	PARALLEL = SAFE);
COMMENT ON AGGREGATE listing_stats.price_summary(numeric) IS
	'count, nulls, min, q1, median, q3, max, mean, stddev and sum of the values, exact and in their unit, in one pass; NULLs are counted apart; of no rows: counts of 0, all else NULL; error 22003 where sum() has it, 54000 beyond a gigabyte of values';
CREATE AGGREGATE listing_stats.price_stats_json(numeric) (
	SFUNC = listing_stats._accumulate,
	STYPE = listing_stats.price_distribution,
	SSPACE = 256,
	FINALFUNC = listing_stats._finish_stats_json,
	COMBINEFUNC = listing_stats._combine,
	PARALLEL = SAFE);
COMMENT ON AGGREGATE listing_stats.price_stats_json(numeric) IS
	'price_summary() as a JSON object: exact numbers in the unit of the values, NaN and infinities as strings, null where there is no answer; of no rows: counts of 0, all else null; error 22003 where sum() has it, 54000 beyond a gigabyte of values';

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

CREATE FUNCTION listing_stats._attachments(
    OUT listing regclass, OUT price regclass, OUT listing_key name, OUT last_price name,
    OUT last_price_at name, OUT previous_price name, OUT lowest_price name, OUT highest_price name,
    OUT price_count name, OUT key name, OUT at name, OUT tie name, OUT value name,
    OUT null_value text, OUT guard text, OUT replication text,
    OUT index regclass, OUT triggers text[], OUT warnings text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_attachments' LANGUAGE C STABLE;
COMMENT ON FUNCTION listing_stats._attachments() IS 'private: the rows of the view attachments';

CREATE VIEW listing_stats.attachments AS SELECT * FROM listing_stats._attachments();
COMMENT ON VIEW listing_stats.attachments IS 'what is attached: tables, columns, the index that serves the latest price (NULL if none does), triggers and their state, and warnings about what would make it slow or wrong';
GRANT SELECT ON listing_stats.attachments TO PUBLIC;

CREATE FUNCTION listing_stats.attach(
    listing regclass, price regclass,
    last_price name DEFAULT NULL, last_price_at name DEFAULT NULL,
    previous_price name DEFAULT NULL, lowest_price name DEFAULT NULL,
    highest_price name DEFAULT NULL, price_count name DEFAULT NULL,
    key name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL, tie name DEFAULT NULL,
    null_value text DEFAULT NULL, guard text DEFAULT NULL, replication text DEFAULT NULL,
    backfill boolean DEFAULT true)
RETURNS SETOF listing_stats.attachments
AS 'MODULE_PATHNAME', 'listing_stats_attach' LANGUAGE C VOLATILE ROWS 1;
COMMENT ON FUNCTION listing_stats.attach(regclass, regclass, name, name, name, name, name, name, name, name, name, name, text, text, text, boolean) IS 'keeps what the prices of each listing say in columns of the listing: last_price and last_price_at (value and time of the latest price), previous_price (the last known price that differs from it), lowest_price, highest_price and price_count (of known prices). Creates what is missing of columns, covering index and triggers, with a NOTICE for each, fills the columns unless backfill is false, and returns the row of the view attachments. NULL arguments are found (key: from the foreign key), default (last_price, created, value, the primary key as tie, keep, keep, origin), or left as they are when attached already; ''none'' stops keeping a column. null_value: ''keep'' (a NULL price is the latest) or ''skip'' (the last known one counts); guard: what becomes of values that an application writes to the columns, ''keep'' (they are put right), ''error'' or ''off''; replication: ''origin'', ''replica'' or ''always'', as triggers fire. Only for the owner of both tables; errors name what does not fit';

CREATE FUNCTION listing_stats.detach("table" regclass) RETURNS integer
AS 'MODULE_PATHNAME', 'listing_stats_detach' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listing_stats.detach(regclass) IS 'drops the triggers of every attachment on the table, or of half of one whose other table is gone; columns, their values and indexes stay. Returns how many were detached. Only for the owner of both tables';

CREATE FUNCTION listing_stats.detach(listing regclass, price regclass) RETURNS integer
AS 'MODULE_PATHNAME', 'listing_stats_detach' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listing_stats.detach(regclass, regclass) IS 'drops the triggers of every attachment of the two tables; columns, their values and indexes stay. Returns how many were detached. Only for the owner of both tables';

CREATE FUNCTION listing_stats.verify(
    listing regclass, price regclass,
    OUT key text, OUT "column" name, OUT stored text, OUT expected text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_verify' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION listing_stats.verify(regclass, regclass) IS 'the kept columns that differ from the prices, none if all is right: key of the listing, column, stored and expected value. Reads one snapshot and writes nothing. For those who may read all of both tables; an error if they are not attached';

-- Written by refresh() alone.  Unlogged: it is of no use after a crash, nor on a standby.
CREATE UNLOGGED TABLE listing_stats._refresh_progress (
	listing oid, price oid, key int2, started timestamptz NOT NULL, updated timestamptz NOT NULL,
	done bigint NOT NULL, total bigint NOT NULL, changed bigint NOT NULL, finished boolean NOT NULL,
	PRIMARY KEY (listing, price, key));
COMMENT ON TABLE listing_stats._refresh_progress IS 'private: the last refresh() of each attachment, by the tables'' OIDs and the number of the key''s column';
REVOKE ALL ON TABLE listing_stats._refresh_progress FROM PUBLIC;

CREATE VIEW listing_stats.refresh_progress AS
SELECT p.listing::regclass AS listing, p.price::regclass AS price, a.attname AS key, p.started, p.updated, p.done, p.total, p.changed,
	round(p.done / nullif(extract(epoch FROM p.updated - p.started), 0), 1) AS per_second,
	CASE WHEN p.finished THEN interval '0' WHEN p.done > 0 THEN (p.updated - p.started) * ((p.total - p.done) / p.done::float8) END AS remaining,
	p.finished
FROM listing_stats._refresh_progress p
JOIN pg_catalog.pg_class c ON c.oid = p.listing
JOIN pg_catalog.pg_attribute a ON a.attrelid = p.price AND a.attnum = p.key AND NOT a.attisdropped;
COMMENT ON VIEW listing_stats.refresh_progress IS 'the last refresh() of each attachment, as of its last committed batch; not finished, and updated no longer: it was interrupted';
COMMENT ON COLUMN listing_stats.refresh_progress.listing IS 'the table whose columns are kept';
COMMENT ON COLUMN listing_stats.refresh_progress.price IS 'the table they are kept from';
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
COMMENT ON PROCEDURE listing_stats.refresh(regclass, regclass, integer, regclass) IS 'recomputes the kept columns of all listings while others read and write, in batches of batch_size keys (at most a million), each committed by itself, and writes only what differs: fills columns attached with backfill => false, and repairs what no trigger saw. only_in: the listings with prices in that table, which is price, a partition or a child of it; NULL: all. Can be interrupted and called again. Says how far it is every five seconds, and in the view refresh_progress. Only for the owner of both tables; errors if another argument is NULL, batch_size is below 1, the tables are not attached, or in a transaction block or function, where it cannot commit';

----------------------------------------------------------------------------------------------------
-- Reading
----------------------------------------------------------------------------------------------------

CREATE FUNCTION listing_stats._latest_prices_support(internal) RETURNS internal
AS 'MODULE_PATHNAME', 'listing_stats_latest_prices_support' LANGUAGE C STRICT;
COMMENT ON FUNCTION listing_stats._latest_prices_support(internal) IS 'private: tells the planner how many rows latest_prices() gives and what they cost';
REVOKE ALL ON FUNCTION listing_stats._latest_prices_support(internal) FROM PUBLIC;

CREATE FUNCTION listing_stats.latest_prices(
    price regclass, keys bigint[] DEFAULT NULL, as_of timestamptz DEFAULT NULL,
    key name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key bigint, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_prices' LANGUAGE C STABLE PARALLEL RESTRICTED
SUPPORT listing_stats._latest_prices_support;
COMMENT ON FUNCTION listing_stats.latest_prices(regclass, bigint[], timestamptz, name, name, name) IS 'the latest price of each of the keys, or of all if keys is NULL, in no particular order: keys of an integer type; no row for a key that has no price, NULL or twice in the array; as_of: the latest that is not after it, NULL: the latest of all. price has the columns of its attachment; if it is not attached key is the column of its only foreign key, at is created and value is value, unless they are named, and the primary key breaks ties. at is NULL where the column is a number, a float comes as its shortest decimal. Reads as the caller, with his privileges and policies; errors name what cannot be found or has no fitting type';

CREATE FUNCTION listing_stats.latest_prices(
    price regclass, keys text[], as_of timestamptz DEFAULT NULL,
    key name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key text, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_prices' LANGUAGE C STABLE PARALLEL RESTRICTED
SUPPORT listing_stats._latest_prices_support;
COMMENT ON FUNCTION listing_stats.latest_prices(regclass, text[], timestamptz, name, name, name) IS 'the latest price of each of the keys, or of all if keys is NULL, in no particular order: keys of any type, as their text; no row for a key that has no price, NULL or twice in the array; as_of: the latest that is not after it, NULL: the latest of all. price has the columns of its attachment; if it is not attached key is the column of its only foreign key, at is created and value is value, unless they are named, and the primary key breaks ties. at is NULL where the column is a number, a float comes as its shortest decimal. Reads as the caller, with his privileges and policies; errors name what cannot be found or has no fitting type';

CREATE FUNCTION listing_stats.latest_prices(
    price regclass, keys uuid[], as_of timestamptz DEFAULT NULL,
    key name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key uuid, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_prices' LANGUAGE C STABLE PARALLEL RESTRICTED
SUPPORT listing_stats._latest_prices_support;
COMMENT ON FUNCTION listing_stats.latest_prices(regclass, uuid[], timestamptz, name, name, name) IS 'the latest price of each of the keys, or of all if keys is NULL, in no particular order: keys of type uuid; no row for a key that has no price, NULL or twice in the array; as_of: the latest that is not after it, NULL: the latest of all. price has the columns of its attachment; if it is not attached key is the column of its only foreign key, at is created and value is value, unless they are named, and the primary key breaks ties. at is NULL where the column is a number, a float comes as its shortest decimal. Reads as the caller, with his privileges and policies; errors name what cannot be found or has no fitting type';

CREATE FUNCTION listing_stats.latest_price(
    price regclass, key bigint, as_of timestamptz DEFAULT NULL,
    key_column name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key bigint, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_price' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION listing_stats.latest_price(regclass, bigint, timestamptz, name, name, name) IS 'the latest price of one listing, as latest_prices() gives it: a key of an integer type; no row if it has none, or the key is NULL';

CREATE FUNCTION listing_stats.latest_price(
    price regclass, key text, as_of timestamptz DEFAULT NULL,
    key_column name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key text, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_price' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION listing_stats.latest_price(regclass, text, timestamptz, name, name, name) IS 'the latest price of one listing, as latest_prices() gives it: a key of any type, as its text; no row if it has none, or the key is NULL';

CREATE FUNCTION listing_stats.latest_price(
    price regclass, key uuid, as_of timestamptz DEFAULT NULL,
    key_column name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL,
    OUT key uuid, OUT at timestamptz, OUT value numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'listing_stats_latest_price' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION listing_stats.latest_price(regclass, uuid, timestamptz, name, name, name) IS 'the latest price of one listing, as latest_prices() gives it: a key of type uuid; no row if it has none, or the key is NULL';

CREATE FUNCTION listing_stats.price_history_json(
    price regclass, key bigint, max_rows integer DEFAULT NULL,
    key_column name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'listing_stats_price_history_json_bigint' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION listing_stats.price_history_json(regclass, bigint, integer, name, name, name) IS 'the prices of one listing, newest first, as a JSON array of objects with the names of the columns of time and value as keys: the text that to_json() makes of such rows; [] if there is none or the key is NULL. The key is an integer; at most max_rows of them, all if it is NULL, error 2201W if it is negative. Columns, privileges and errors as for latest_prices()';

CREATE FUNCTION listing_stats.price_history_json(
    price regclass, key text, max_rows integer DEFAULT NULL,
    key_column name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'listing_stats_price_history_json_text' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION listing_stats.price_history_json(regclass, text, integer, name, name, name) IS 'the prices of one listing, newest first, as a JSON array of objects with the names of the columns of time and value as keys: the text that to_json() makes of such rows; [] if there is none or the key is NULL. The key is of any type, as its text; at most max_rows of them, all if it is NULL, error 2201W if it is negative. Columns, privileges and errors as for latest_prices()';

CREATE FUNCTION listing_stats.price_history_json(
    price regclass, key uuid, max_rows integer DEFAULT NULL,
    key_column name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'listing_stats_price_history_json_uuid' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION listing_stats.price_history_json(regclass, uuid, integer, name, name, name) IS 'the prices of one listing, newest first, as a JSON array of objects with the names of the columns of time and value as keys: the text that to_json() makes of such rows; [] if there is none or the key is NULL. The key is a uuid; at most max_rows of them, all if it is NULL, error 2201W if it is negative. Columns, privileges and errors as for latest_prices()';

----------------------------------------------------------------------------------------------------
-- DDL
----------------------------------------------------------------------------------------------------

-- What follows DDL.  A convenience: nothing is wrong where these event triggers are disabled.

CREATE FUNCTION listing_stats._follow_renames() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'listing_stats_follow_renames' LANGUAGE C;
COMMENT ON FUNCTION listing_stats._follow_renames() IS 'private: carries the new names of tables, columns and schemas into the arguments of the triggers that attach() made; an error unless called by an event trigger on ddl_command_end';
REVOKE ALL ON FUNCTION listing_stats._follow_renames() FROM PUBLIC;

CREATE FUNCTION listing_stats._follow_drops() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'listing_stats_follow_drops' LANGUAGE C;
COMMENT ON FUNCTION listing_stats._follow_drops() IS 'private: detaches what has lost its table or a column, and stops keeping a column that is dropped; an error unless called by an event trigger on sql_drop';
REVOKE ALL ON FUNCTION listing_stats._follow_drops() FROM PUBLIC;

-- All commands by which PostgreSQL lets a table or one of its columns be renamed or moved.
CREATE EVENT TRIGGER listing_stats_renames ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'ALTER SCHEMA', 'ALTER INDEX', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW',
    'ALTER FOREIGN TABLE', 'ALTER TYPE', 'ALTER EXTENSION')
EXECUTE FUNCTION listing_stats._follow_renames();
COMMENT ON EVENT TRIGGER listing_stats_renames IS 'carries renames into the triggers that listing_stats.attach() made, so that dumps have the new names';

CREATE EVENT TRIGGER listing_stats_drops ON sql_drop
EXECUTE FUNCTION listing_stats._follow_drops();
COMMENT ON EVENT TRIGGER listing_stats_drops IS 'detaches what has lost its table or a column';
