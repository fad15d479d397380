-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION listing_stats" to load this file. \quit

-- A schema of that name which is already there is refused here: it may be somebody else's.
CREATE SCHEMA listing_stats;
GRANT USAGE ON SCHEMA listing_stats TO PUBLIC;
COMMENT ON SCHEMA listing_stats IS 'keeps the latest price of every listing in a column, and exact statistics of any set';

----------------------------------------------------------------------------------------------------
-- Statistics
----------------------------------------------------------------------------------------------------

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
    OUT last_price_at name, OUT key name, OUT at name, OUT tie name, OUT value name,
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
    key name DEFAULT NULL, at name DEFAULT NULL, value name DEFAULT NULL, tie name DEFAULT NULL,
    backfill boolean DEFAULT true)
RETURNS SETOF listing_stats.attachments
AS 'MODULE_PATHNAME', 'listing_stats_attach' LANGUAGE C VOLATILE ROWS 1;
COMMENT ON FUNCTION listing_stats.attach(regclass, regclass, name, name, name, name, name, name, boolean) IS 'keeps the latest price of each listing in a column of the listing: creates what is missing of column, covering index and triggers, with a NOTICE for each, fills the column unless backfill is false, and returns the row of the view attachments. NULL arguments are found (key: from the foreign key), default (last_price, created, value, the primary key as tie), or left as they are when attached already. A listing without prices, or whose latest price is NULL, has NULL. Only for the owner of both tables; errors name what does not fit';

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
