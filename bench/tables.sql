-- The same tables twice: in "kept" the column is maintained, in "plain" it is an ordinary column.  The
-- indexes are the same, the covering one included, and so is the foreign key.
-- :listings is how many listings there are, :deferred is DEFERRABLE INITIALLY DEFERRED or nothing.
DROP SCHEMA IF EXISTS kept, plain CASCADE;
CREATE SCHEMA kept;
CREATE SCHEMA plain;

CREATE TABLE kept.listing (
	id bigint PRIMARY KEY,
	url varchar(200) NOT NULL UNIQUE,
	description text NOT NULL,
	last_price numeric(10,2)
);
CREATE TABLE kept.price (
	id bigserial PRIMARY KEY,
	listing_id bigint NOT NULL,
	created timestamptz NOT NULL,
	value numeric(10,2)
);
ALTER TABLE kept.price ADD CONSTRAINT price_listing_id_fkey
	FOREIGN KEY (listing_id) REFERENCES kept.listing :deferred;
SELECT * FROM listing_stats.attach('kept.listing', 'kept.price');

CREATE TABLE plain.listing (LIKE kept.listing INCLUDING ALL);
CREATE TABLE plain.price (LIKE kept.price INCLUDING ALL);
ALTER TABLE plain.price ADD CONSTRAINT price_listing_id_fkey
	FOREIGN KEY (listing_id) REFERENCES plain.listing :deferred;

INSERT INTO plain.listing (id, url, description)
SELECT i, 'https://market.example/listing/' || i, rpad('a listing, no. ' || i, 60, '.')
FROM generate_series(1, :listings) i;
INSERT INTO kept.listing SELECT * FROM plain.listing;
CHECKPOINT;
VACUUM ANALYZE kept.listing, plain.listing;
CHECKPOINT;
