-- What one writes by hand to keep the column: the same tables twice more, with a row trigger and with
-- statement triggers in plpgsql, both for INSERT alone.  (They lose updates under the races that
-- test/tap/races.pl has.)
DROP SCHEMA IF EXISTS row_trigger, statement_trigger CASCADE;

CREATE SCHEMA row_trigger;
CREATE TABLE row_trigger.listing (LIKE plain.listing INCLUDING ALL);
CREATE TABLE row_trigger.price (LIKE plain.price INCLUDING ALL);
ALTER TABLE row_trigger.price ADD CONSTRAINT price_listing_id_fkey
	FOREIGN KEY (listing_id) REFERENCES row_trigger.listing :deferred;
ALTER TABLE row_trigger.listing ADD last_price_at timestamptz;
CREATE FUNCTION row_trigger.keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE row_trigger.listing SET last_price = new.value, last_price_at = new.created
	WHERE id = new.listing_id AND (last_price_at IS NULL OR last_price_at <= new.created);
	RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER INSERT ON row_trigger.price FOR EACH ROW EXECUTE FUNCTION row_trigger.keep();

CREATE SCHEMA statement_trigger;
CREATE TABLE statement_trigger.listing (LIKE plain.listing INCLUDING ALL);
CREATE TABLE statement_trigger.price (LIKE plain.price INCLUDING ALL);
ALTER TABLE statement_trigger.price ADD CONSTRAINT price_listing_id_fkey
	FOREIGN KEY (listing_id) REFERENCES statement_trigger.listing :deferred;
ALTER TABLE statement_trigger.listing ADD last_price_at timestamptz;
CREATE FUNCTION statement_trigger.keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE statement_trigger.listing l SET last_price = n.value, last_price_at = n.created
	FROM (SELECT DISTINCT ON (listing_id) listing_id, value, created FROM inserted ORDER BY listing_id, created DESC, id DESC) n
	WHERE l.id = n.listing_id AND (l.last_price_at IS NULL OR l.last_price_at <= n.created);
	RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER INSERT ON statement_trigger.price REFERENCING NEW TABLE AS inserted
	FOR EACH STATEMENT EXECUTE FUNCTION statement_trigger.keep();

INSERT INTO row_trigger.listing SELECT * FROM plain.listing;
INSERT INTO statement_trigger.listing SELECT * FROM plain.listing;
VACUUM ANALYZE row_trigger.listing, statement_trigger.listing;
CHECKPOINT;
