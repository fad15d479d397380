-- What the other tests need: the extension, and an ordinary role that runs them.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats;
RESET client_min_messages;
CREATE EXTENSION listing_stats;
CREATE ROLE regress_listing_stats;
GRANT CREATE ON SCHEMA public TO regress_listing_stats;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_listing_stats', current_database()); END $$;
-- Runs each of the statements, and the query "wrong" after it, which says what is not as it has to be; NULL or '': nothing
CREATE FUNCTION public.try_each(wrong text, statements text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	found text;
BEGIN
	FOREACH statement IN ARRAY statements LOOP
		EXECUTE statement;
		EXECUTE wrong INTO found;
		IF found <> '' THEN
			RETURN NEXT statement || ': ' || found;
		END IF;
	END LOOP;
	RETURN NEXT format('%s statements', array_length(statements, 1));
END $$;
-- How a query reads the prices of a table
CREATE FUNCTION public.way_of(price regclass, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	passes bigint := pg_stat_get_xact_numscans(price);
	scans bigint := (SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index WHERE indrelid = price);
	-- What the access method gives, which we do not ask: since 17 it counts one scan for an array of keys.
	given bigint := (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = price);
BEGIN
	EXECUTE query;
	passes := pg_stat_get_xact_numscans(price) - passes;
	scans := (SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index WHERE indrelid = price) - scans;
	given := (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = price) - given;
	RETURN CASE WHEN passes = 1 AND scans = 0 THEN 'by one pass' WHEN passes = 0 AND scans = 1 AND given = 0 THEN 'directly' ELSE 'by query' END;
END $$;
-- Put a new table in the place of listing or price, as tools do that change a table by filling another one
CREATE PROCEDURE public.replace_listing() LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE listing_new (LIKE listing INCLUDING ALL);
	INSERT INTO listing_new SELECT * FROM listing;
	ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
	ALTER TABLE listing RENAME TO listing_old;
	ALTER TABLE listing_new RENAME TO listing;
	ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing;
END $$;
CREATE PROCEDURE public.replace_price() LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE price_new (LIKE price INCLUDING ALL, FOREIGN KEY (listing_id) REFERENCES listing);
	INSERT INTO price_new SELECT * FROM price;
	ALTER TABLE price RENAME TO price_old;
	ALTER TABLE price_new RENAME TO price;
END $$;
