-- The tables of a Django application that follows the prices of listings, as Django makes them, and a
-- city to filter by.
CREATE TABLE myapp_listing (
	id bigserial PRIMARY KEY,
	url varchar(200) NOT NULL UNIQUE,
	description text NOT NULL,
	city text NOT NULL
);

CREATE TABLE myapp_price (
	id bigserial PRIMARY KEY,
	listing_id bigint NOT NULL REFERENCES myapp_listing DEFERRABLE INITIALLY DEFERRED,
	created timestamptz NOT NULL,
	value numeric(10,2) NULL
);

CREATE INDEX ON myapp_price (listing_id);
