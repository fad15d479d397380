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
