-- The tables of docs/applications.md, for its tests.
CREATE EXTENSION listing_stats;
CREATE TABLE listing (id bigint PRIMARY KEY, title text NOT NULL, last_price numeric(10,2));
CREATE TABLE price (id bigserial PRIMARY KEY, listing_id bigint NOT NULL REFERENCES listing,
                    created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO listing VALUES (1, 'city bike'), (2, 'road bike'), (3, 'tent');
INSERT INTO price (listing_id, created, value)
VALUES (1, '2026-01-05', 250), (1, '2026-02-09', 199.99), (2, '2026-01-20', 480), (3, '2026-02-01', 80);
SELECT listing_stats.attach('listing', 'price');
