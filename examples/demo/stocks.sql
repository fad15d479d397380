-- Real prices, in tables with other names: monthly closing prices of five stocks.
CREATE TABLE stock (
	symbol text PRIMARY KEY,
	name text NOT NULL
);

CREATE TABLE quote (
	id bigserial PRIMARY KEY,
	symbol text NOT NULL REFERENCES stock,
	day date NOT NULL,
	close numeric NOT NULL
);

INSERT INTO stock
VALUES ('AAPL', 'Apple'), ('AMZN', 'Amazon'), ('GOOG', 'Google'), ('IBM', 'IBM'), ('MSFT', 'Microsoft');

\set ECHO queries
\o /dev/null
SELECT * FROM listing_stats.attach('stock', 'quote', last_price => 'last_close', at => 'day', value => 'close');
\o

\copy quote (symbol, day, close) FROM examples/data/stocks.csv (FORMAT csv, HEADER)

SELECT stock.*, count(*) AS quotes, min(day) AS first, max(day) AS last
FROM stock JOIN quote USING (symbol) GROUP BY stock.symbol ORDER BY last_close DESC;

SELECT count, min, median, max, round(mean, 2) AS mean
FROM (SELECT (listing_stats.price_summary(last_close)).* FROM stock) s;

SELECT count(*) AS wrong FROM listing_stats.verify('stock', 'quote');
