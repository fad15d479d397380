-- An SVG of the five stocks: a line for each, through the prices in force at the start of each month.
WITH point AS (
	SELECT symbol, at, price, extract(epoch FROM at - timestamptz '2000-01-01 00:00Z') / 86400 / 3770 * 800 AS x,
		360 - 340 * ln(price / 4) / ln(200.0) AS y
	FROM stock_history, listing_stats.series(h, '1 month', '2000-01-01 00:00Z', '2010-03-01 00:00Z')
), last AS (
	SELECT symbol, string_agg(round(x, 1) || ',' || round(y, 1), ' ' ORDER BY at) AS points,
		(array_agg(round(y) ORDER BY at DESC))[1] AS y, row_number() OVER (ORDER BY symbol) AS n
	FROM point WHERE price IS NOT NULL GROUP BY symbol
), ranked AS (
	SELECT *, 14 * row_number() OVER (ORDER BY y, symbol) AS room FROM last
), line AS ( -- No label is less than 14 below the one above it.
	SELECT *, max(y - room) OVER (ORDER BY room) + room AS label_y FROM ranked
)
SELECT '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 400" font-family="sans-serif" font-size="12">'
UNION ALL
SELECT format('<path d="M0 %s H800" stroke="#ddd"/><text x="2" y="%s" fill="#888">%s</text>', y, y - 3, price)
FROM (SELECT price, round(360 - 340 * ln(price / 4.0) / ln(200.0)) AS y FROM unnest('{5,10,20,50,100,200,500}'::numeric[]) price) grid
UNION ALL
SELECT format('<text x="%s" y="385" fill="#888">%s</text>', round((year - 2000) * 365.25 / 3770 * 800), year) FROM generate_series(2000, 2010, 2) year
UNION ALL
SELECT format('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/><text x="805" y="%s">%s</text>',
	points, (ARRAY['#d62728', '#ff7f0e', '#2ca02c', '#1f77b4', '#9467bd'])[n], label_y + 4, symbol) FROM line
UNION ALL
SELECT '</svg>';
