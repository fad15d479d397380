-- What the other tests need: the extension, and an ordinary role that runs them.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_listing_stats;
RESET client_min_messages;
CREATE EXTENSION listing_stats;
CREATE ROLE regress_listing_stats;
GRANT CREATE ON SCHEMA public TO regress_listing_stats;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_listing_stats', current_database()); END $$;
