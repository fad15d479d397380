-- Real prices, in tables with other names: monthly closing prices of five stocks.
CREATE TABLE stock (
	symbol text PRIMARY KEY,
	name text NOT NULL
);

CREATE TABLE quote (
	id bigserial PRIMARY KEY,
	symbol text NOT NULL REFERENCES stock,
	day date NOT NULL,
	close numeric(10,2) NOT NULL
);

INSERT INTO stock
VALUES ('AAPL', 'Apple'), ('AMZN', 'Amazon'), ('GOOG', 'Google'), ('IBM', 'IBM'), ('MSFT', 'Microsoft');

\set ECHO queries
SELECT key, at, tie, value, last_price FROM listing_stats.attach('stock', 'quote', last_price => 'last_close', at => 'day', value => 'close');
\set ECHO none
\copy quote (symbol, day, close) FROM examples/data/stocks.csv (FORMAT csv, HEADER)
\set ECHO queries
SELECT stock.*, count(*) AS quotes, min(day) AS first, max(day) AS last
FROM stock JOIN quote USING (symbol) GROUP BY stock.symbol ORDER BY last_close DESC;

SELECT count, min, median, max, round(mean, 2) AS mean
FROM (SELECT (listing_stats.price_summary(last_close)).* FROM stock) s;

SELECT count(*) AS wrong FROM listing_stats.verify('stock', 'quote');

\echo '-- Each price holds until the next one (docs/price-history.md).  Read from the index, drawn, asked:'
CREATE VIEW stock_history AS SELECT symbol, h FROM stock CROSS JOIN LATERAL listing_stats.read_price_history('quote', symbol) AS h;
SELECT symbol, listing_stats.sparkline(h, 48, until => '2010-04-01') AS "2000 to 2010", listing_stats.lowest(h), listing_stats.lowest_at(h)::date,
	listing_stats.highest(h), round(listing_stats.time_weighted_average(h, until => '2010-04-01'), 2) AS average,
	-round(listing_stats.price_drop_percent(h), 1) AS change_percent
FROM stock_history ORDER BY symbol;
SELECT at::date AS year, open, high, low, close FROM stock_history, listing_stats.candles(h, '1 year', '2006-01-01', '2010-04-01') WHERE symbol = 'AAPL';
