-- 150 listings, and the prices seen week by week for 100 weeks; the same rows on every run.
INSERT INTO myapp_listing (url, description, city)
SELECT 'https://market.example/listing/' || i,
	(ARRAY['road bike', 'city bike', 'tent', 'backpack', 'camera', 'guitar'])[i % 6 + 1] || ', no. ' || i,
	(ARRAY['Zurich', 'Geneva', 'Basel', 'Bern', 'Lausanne'])[i * 7 / 6 % 5 + 1]
FROM generate_series(1, 150) i;

-- A price holds for eight weeks, then changes by up to a fifth; twice a year two weeks of markdown; now
-- and then the site is down and the price unknown.  The last listing has no prices yet.
INSERT INTO myapp_price (listing_id, created, value)
SELECT i, timestamptz '2024-01-01 06:00Z' + w * interval '1 week' + i * interval '1 minute',
	CASE
		WHEN (i * 13 + w) % 45 < 2 THEN NULL
		ELSE trunc((20 + (i * 37 % 101) ^ 2 / 22)
			* (100 + (i * i + w / 8 * 17) % 41 - 20) / 100
			* CASE WHEN (w + i) % 26 >= 24 THEN 0.8 ELSE 1 END) + 0.99
	END
FROM generate_series(0, 99) w, generate_series(1, 149) i
ORDER BY w, i;

-- Some listings were seen twice at the same instant, with another price: the later row is the latest.
INSERT INTO myapp_price (listing_id, created, value)
SELECT listing_id, created, value - 1
FROM myapp_price
WHERE listing_id % 10 = 3 AND created >= '2025-11-24'
ORDER BY id;

-- Some old prices were only found later: back-dated rows, which change nothing that is latest.
INSERT INTO myapp_price (listing_id, created, value)
SELECT listing_id, created + interval '3 days', value + 5
FROM myapp_price
WHERE listing_id % 7 = 0 AND created BETWEEN '2024-10-07' AND '2024-10-13'
ORDER BY id;

ANALYZE myapp_listing, myapp_price;
