-- What one writes by hand to keep the column: the same tables with a row trigger and with statement triggers in
-- plpgsql, both for INSERT alone, without any for an application that does it, and with a materialised view
-- instead of the column.  All of them lose updates under the races that test/tap/races.pl has, except "correct":
-- the trigger of docs/alternatives.md.  And "floor", which is floor.cpp: what any trigger costs at least.
-- :floor is its library.  These two have triggers for a statement, and others that are cheaper for a statement of
-- one price, disabled here; their names sort before those of the foreign key's.
DROP SCHEMA IF EXISTS row_trigger, statement_trigger, correct, floor, application, materialised_view CASCADE;

SELECT format(command, s)
FROM unnest(ARRAY['row_trigger', 'statement_trigger', 'correct', 'floor', 'application', 'materialised_view']) s, unnest(ARRAY[
	'CREATE SCHEMA %s',
	'CREATE TABLE %s.listing (LIKE plain.listing INCLUDING ALL)',
	'CREATE TABLE %s.price (LIKE plain.price INCLUDING ALL)',
	'INSERT INTO %s.listing SELECT * FROM plain.listing',
	'ALTER TABLE %1$s.price ADD CONSTRAINT price_listing_id_fkey FOREIGN KEY (listing_id) REFERENCES %1$s.listing ' || :'deferred',
	'CHECKPOINT',
	'VACUUM ANALYZE %s.listing']) WITH ORDINALITY c(command, n)
ORDER BY s, n \gexec

ALTER TABLE row_trigger.listing ADD last_price_at timestamptz;
ALTER TABLE statement_trigger.listing ADD last_price_at timestamptz;
ALTER TABLE application.listing ADD last_price_at timestamptz;
ALTER TABLE materialised_view.listing ADD last_price_at timestamptz;

CREATE FUNCTION row_trigger.keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE row_trigger.listing SET last_price = new.value, last_price_at = new.created
	WHERE id = new.listing_id AND (last_price_at IS NULL OR last_price_at <= new.created);
	RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER INSERT ON row_trigger.price FOR EACH ROW EXECUTE FUNCTION row_trigger.keep();

CREATE FUNCTION statement_trigger.keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE statement_trigger.listing l SET last_price = n.value, last_price_at = n.created
	FROM (SELECT DISTINCT ON (listing_id) listing_id, value, created FROM inserted ORDER BY listing_id, created DESC, id DESC) n
	WHERE l.id = n.listing_id AND (l.last_price_at IS NULL OR l.last_price_at <= n.created);
	RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER INSERT ON statement_trigger.price REFERENCING NEW TABLE AS inserted
	FOR EACH STATEMENT EXECUTE FUNCTION statement_trigger.keep();

CREATE FUNCTION correct.keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	keys bigint[];
BEGIN
	IF TG_OP = 'INSERT' THEN
		keys := ARRAY(SELECT DISTINCT listing_id FROM inserted);
	ELSIF TG_OP = 'DELETE' THEN
		keys := ARRAY(SELECT DISTINCT listing_id FROM deleted);
	ELSE
		keys := ARRAY(SELECT listing_id FROM inserted UNION SELECT listing_id FROM deleted);
	END IF;
	PERFORM FROM correct.listing WHERE id = ANY (keys) ORDER BY id FOR NO KEY UPDATE;
	UPDATE correct.listing l SET last_price = p.value
	FROM unnest(keys) k(id) LEFT JOIN LATERAL (
		SELECT value FROM correct.price WHERE listing_id = k.id ORDER BY created DESC, id DESC LIMIT 1) p ON true
	WHERE l.id = k.id AND l.last_price IS DISTINCT FROM p.value;
	RETURN NULL;
END $$;
CREATE TRIGGER keep_inserted AFTER INSERT ON correct.price REFERENCING NEW TABLE AS inserted
	FOR EACH STATEMENT EXECUTE FUNCTION correct.keep();
CREATE TRIGGER keep_deleted AFTER DELETE ON correct.price REFERENCING OLD TABLE AS deleted
	FOR EACH STATEMENT EXECUTE FUNCTION correct.keep();

CREATE TRIGGER keep_updated AFTER UPDATE ON correct.price REFERENCING NEW TABLE AS inserted OLD TABLE AS deleted
	FOR EACH STATEMENT EXECUTE FUNCTION correct.keep();
CREATE FUNCTION correct.keep_one() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	key bigint := coalesce(new.listing_id, old.listing_id);
BEGIN
	PERFORM FROM correct.listing WHERE id = key FOR NO KEY UPDATE;
	IF NOT FOUND AND TG_OP = 'INSERT' AND key IS NOT NULL THEN
		RAISE foreign_key_violation USING MESSAGE = format('there is no listing %s', key);
	END IF;
	UPDATE correct.listing l SET last_price = p.value
	FROM (SELECT (SELECT value FROM correct.price WHERE listing_id = key ORDER BY created DESC, id DESC LIMIT 1)) p(value)
	WHERE l.id = key AND l.last_price IS DISTINCT FROM p.value;
	RETURN NULL;
END $$;
CREATE TRIGGER "Keep_one" AFTER INSERT OR DELETE ON correct.price FOR EACH ROW EXECUTE FUNCTION correct.keep_one();
ALTER TABLE correct.price DISABLE TRIGGER "Keep_one";

CREATE FUNCTION floor.collect() RETURNS trigger AS :'floor', 'floor_collect' LANGUAGE C;
CREATE FUNCTION floor.keep() RETURNS trigger AS :'floor', 'floor_keep' LANGUAGE C;
CREATE FUNCTION floor.keep_one() RETURNS trigger AS :'floor', 'floor_keep_one' LANGUAGE C;
CREATE FUNCTION floor.look() RETURNS trigger AS :'floor', 'floor_look' LANGUAGE C;
CREATE TRIGGER collect AFTER INSERT OR DELETE ON floor.price FOR EACH ROW EXECUTE FUNCTION floor.collect(2);
CREATE TRIGGER collect AFTER INSERT ON floor.listing FOR EACH ROW EXECUTE FUNCTION floor.collect(1);
SELECT format('CREATE TRIGGER %s AFTER INSERT OR DELETE ON floor.price FOR EACH %s EXECUTE FUNCTION floor.%s(%s, %s, %s, %s)', name, of, function,
	'floor.listing'::regclass::oid, 'floor.listing_pkey'::regclass::oid, 'floor.price'::regclass::oid,
	(SELECT indexrelid FROM pg_index WHERE indrelid = 'floor.price'::regclass AND indkey[0] = 2))
FROM (VALUES ('keep', 'STATEMENT', 'keep'), ('"Keep_one"', 'ROW', 'keep_one')) t(name, of, function) \gexec
ALTER TABLE floor.price DISABLE TRIGGER "Keep_one";
SELECT format('CREATE TRIGGER look AFTER INSERT ON floor.listing FOR EACH STATEMENT EXECUTE FUNCTION floor.look(%s, %s)', 'floor.price'::regclass::oid,
	(SELECT indexrelid FROM pg_index WHERE indrelid = 'floor.price'::regclass AND indkey[0] = 2)) \gexec

CREATE MATERIALIZED VIEW materialised_view.latest AS
	SELECT l.id, p.created, p.value FROM materialised_view.listing l CROSS JOIN LATERAL (
		SELECT created, value FROM materialised_view.price WHERE listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1) p;
CREATE UNIQUE INDEX ON materialised_view.latest (id);
CHECKPOINT;
