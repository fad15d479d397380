# Fifty schemas of public projects (test/schemas/NN.sql, each with what the application needs), minimal and with the
# properties of the originals, and from 51 on ten of kinds that are seen often: each is served by the calls below, filled and changed at random, and after every
# statement compared with plain SQL that knows nothing of the extension.  The number served whole is printed.
#
# LISTING_STATS_SEED is the seed, LISTING_STATS_SCHEMAS a list of numbers to run alone.
use strict;
use warnings FATAL => 'all';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{LISTING_STATS_SEED} // int rand 1e6;
diag "LISTING_STATS_SEED=$seed";
my $statements = $ENV{LISTING_STATS_STATEMENTS} // 60;
my %only = map { $_ => 1 } split /\D+/, $ENV{LISTING_STATS_SCHEMAS} // '';

# The latest row of each listing, as an application asks for it: columns of the listing l, columns of the price p.
sub latest
{
	my ($listing, $own, $price, $columns, $join, $order) = @_;
	return "SELECT $own, p.* FROM $listing l LEFT JOIN LATERAL (SELECT $columns FROM $price h WHERE $join ORDER BY $order LIMIT 1) p ON true";
}

# And of each combination of columns.
sub latest_of_each
{
	my ($price, $key, $columns, $order) = @_;
	my $known = join ' AND ', map { "$_ IS NOT NULL" } split /, /, $key;
	return "SELECT DISTINCT ON ($key) $key, $columns FROM $price h WHERE $known ORDER BY $key, $order";
}

# by: what serves it, and missing why nothing does.  calls: made once; kept: what they keep; expected: the same by plain SQL.
# fill: the listings, where those that are drawn would have few prices; values: of columns that the catalog does not
# explain; unique: times of one listing are never the same, because what the application means where they are is not
# known; kinds: of statements that are not tried.
my @schemas = (
	{ n => 1, by => 'keep_latest', price => 'price_history', listing => 'product',
		calls => [q{keep_latest('price_history', 'latest_prices', key => 'product_id, source_id', at => 'timestamp', value => 'price')}],
		kept => 'SELECT product_id, source_id, last_price FROM latest_prices',
		expected => latest_of_each('price_history', 'product_id, source_id', 'price', '"timestamp" DESC, id DESC') },
	{ n => 2, by => 'attach', price => 'history', listing => 'product',
		calls => [q{attach('product', 'history')}],
		kept => 'SELECT id, last_price FROM product',
		expected => latest('product', 'l.id', 'history', 'price', 'product_id = l.id', 'date DESC, id DESC') },
	{ n => 3, by => 'attach', price => 'price_history', listing => 'product',
		calls => [q{attach('product', 'price_history')}],
		kept => 'SELECT id, last_price FROM product',
		expected => latest('product', 'l.id', 'price_history', 'price', 'product_id = l.id', 'checked_at DESC, id DESC') },
	{ n => 4, by => 'attach', price => 'price_history', listing => 'product',
		calls => [q{attach('product', 'price_history', at => 'start')}],
		kept => 'SELECT id, last_price FROM product',
		expected => latest('product', 'l.id', 'price_history', 'price', 'product_id = l.id', 'start DESC, id DESC') },
	{ n => 5, by => 'attach', price => 'price_history', listing => 'product',
		calls => [q{attach('product', 'price_history', value => 'new_buy', last_price => 'last_buy', carry => 'new_sell AS last_sell')}],
		kept => 'SELECT id, last_buy, last_sell FROM product',
		expected => latest('product', 'l.id', 'price_history', 'new_buy, new_sell', 'product_id = l.id', 'created_at DESC, id DESC') },
	{ n => 6, by => 'attach', price => 'price_history', listing => 'product',
		calls => [q{attach('product', 'price_history', value => 'new_price')}],
		kept => 'SELECT id, last_price FROM product',
		expected => latest('product', 'l.id', 'price_history', 'new_price', 'product_id = l.id', 'created_at DESC, id DESC') },
	{ n => 7, by => 'reading', price => 'raw_prices',
		kept => 'SELECT card_name, card_set, s.count, s.min, s.max, round(s.mean, 6) FROM (SELECT card_name, card_set, listing_stats.price_summary(price) AS s FROM raw_prices GROUP BY 1, 2) g, LATERAL (SELECT (g.s).*) s',
		expected => 'SELECT card_name, card_set, count(*), min(price), max(price), round(avg(price), 6) FROM raw_prices GROUP BY 1, 2' },
	{ n => 8, by => 'keep_latest', price => 'price_history', listing => 'items',
		values => { marketplace => ['ebay', 'stockx', 'goat'] },
		calls => [q{keep_latest('price_history', 'latest_prices', key => 'item_id, marketplace', at => 'recorded_at', value => 'price')}],
		kept => 'SELECT item_id, marketplace, last_price FROM latest_prices',
		expected => latest_of_each('price_history', 'item_id, marketplace', 'price', 'recorded_at DESC, id DESC') },
	{ n => 9, by => 'attach', price => 'snapshot', listing => 'product',
		calls => [q{attach('product', 'snapshot', value => 'price', carry => 'unit, unit_size, per_unit, url')}],
		kept => 'SELECT id, last_price, last_unit, last_unit_size, last_per_unit, last_url FROM product',
		expected => latest('product', 'l.id', 'snapshot', 'price, unit, unit_size, per_unit, url', 'product_id = l.id', 'ts DESC, id DESC') },
	{ n => 10, by => 'keep_latest', price => 'pricehistories', listing => 'items',
		calls => [q{keep_latest('pricehistories', 'latest_prices', key => 'classid, vendorid', at => 'time_stamp', value => 'price')}],
		kept => 'SELECT classid, vendorid, last_price FROM latest_prices',
		expected => latest_of_each('pricehistories', 'classid, vendorid', 'price', 'time_stamp DESC NULLS LAST, id DESC') },
	{ n => 11, by => 'keep_latest', price => 'exchange_rates', listing => 'currencies',
		calls => [q{keep_latest('exchange_rates', 'latest_rates', key => 'base_currency_id, target_currency_id', at => 'created_at', value => 'rate', condition => 'deleted_at IS NULL')}],
		kept => 'SELECT base_currency_id, target_currency_id, last_price FROM latest_rates',
		expected => latest_of_each('(SELECT * FROM exchange_rates WHERE deleted_at IS NULL)', 'base_currency_id, target_currency_id', 'rate', 'created_at DESC NULLS LAST, id DESC') },
	{ n => 12, by => 'keep_latest', price => 'exchange_rates',
		calls => [q{keep_latest('exchange_rates', 'latest_rates', key => 'base, quote', at => 'created_at', value => 'rate')}],
		kept => 'SELECT base, quote, last_price FROM latest_rates',
		expected => latest_of_each('exchange_rates', 'base, quote', 'rate', 'created_at DESC NULLS LAST, id DESC') },
	{ n => 13, by => 'keep_latest', price => 'exchange_rates', listing => 'currencies',
		calls => [q{keep_latest('exchange_rates', 'latest_rates', key => 'source_id, target_id', at => 'date', value => 'rate')}],
		kept => 'SELECT source_id, target_id, last_price FROM latest_rates',
		expected => latest_of_each('exchange_rates', 'source_id, target_id', 'rate', 'date DESC, id DESC') },
	{ n => 14, by => 'keep_latest', price => 'data', values => { type => ['TEMPERATURE', 'HUMIDITY'] },
		calls => [q{keep_latest('data', 'latest_data', key => 'sensor_id, type', at => 'timestamp', value => 'measurement')}],
		kept => 'SELECT sensor_id, type, last_price FROM latest_data',
		expected => latest_of_each('data', 'sensor_id, type', 'measurement', '"timestamp" DESC, id DESC') },
	{ n => 15, by => 'keep_latest', price => 'sensor_data',
		calls => [q{keep_latest('sensor_data', 'latest_data', key => 'sensor_id', at => 'last_seen', value => 'temperature', carry => 'humidity, velocity, battery')}],
		kept => 'SELECT sensor_id, last_price, last_humidity, last_velocity, last_battery FROM latest_data',
		expected => latest_of_each('sensor_data', 'sensor_id', 'temperature, humidity, velocity, battery', 'last_seen DESC') },
	{ n => 16, by => 'reading', price => 'sensor_readings',
		kept => q{SELECT key, value, (SELECT (listing_stats.price_summary(temperature)).max FROM sensor_readings WHERE sensor_id = key)
			FROM listing_stats.latest_prices('sensor_readings', key => 'sensor_id', at => 'timestamp', value => 'temperature')},
		expected => latest_of_each('sensor_readings', 'sensor_id', 'temperature, max(temperature) OVER (PARTITION BY sensor_id)', '"timestamp" DESC, id DESC') },
	{ n => 17, by => 'attach', price => 'order_history', listing => 'orders',
		calls => [q{attach('orders', 'order_history', value => 'status', last_price => 'last_status')}],
		kept => 'SELECT id, last_status FROM orders',
		expected => latest('orders', 'l.id', 'order_history', 'status', 'order_id = l.id', 'changed_at DESC, id DESC') },
	{ n => 18, by => 'attach', price => 'order_history', listing => 'orders', unique => 'changed_at',
		calls => [q{attach('orders', 'order_history', value => 'status', tie => 'changed_at', last_price => 'last_status')}],
		kept => 'SELECT id, last_status FROM orders',
		expected => latest('orders', 'l.id', 'order_history', 'status', 'order_id = l.id', 'changed_at DESC') },
	{ n => 19, by => 'attach', price => 'order_status_history', listing => 'orders',
		calls => [q{attach('orders', 'order_status_history', value => 'status', last_price => 'status', empty => 'keep')}],
		kept => 'SELECT id, status FROM orders l WHERE EXISTS (SELECT FROM order_status_history WHERE order_id = l.id)',
		expected => latest_of_each('order_status_history', 'order_id', 'status', 'created_at DESC NULLS LAST, id DESC') },
	{ n => 20, by => 'attach', price => 'order_history', listing => '"order"',
		calls => [q{attach('"order"', 'order_history', value => 'to_status', last_price => 'last_status', carry => 'to_payment_status, to_fulfillment_status AS last_fulfillment')}],
		kept => 'SELECT id, last_status, last_to_payment_status, last_fulfillment FROM "order"',
		expected => latest('"order"', 'l.id', 'order_history', 'to_status, to_payment_status, to_fulfillment_status', 'order_id = l.id', 'created_at DESC, id DESC') },
	{ n => 21, by => 'attach', price => 'balance_history', listing => 'bank_accounts',
		calls => [q{attach('bank_accounts', 'balance_history', at => 'created_at', last_price => 'last_balance')}],
		kept => 'SELECT id, last_balance FROM bank_accounts',
		expected => latest('bank_accounts', 'l.id', 'balance_history', 'balance', 'account_id = l.id', 'created_at DESC, id DESC') },
	{ n => 22, by => 'attach', price => 'price_history', listing => 'listing',
		calls => [q{attach('listing', 'price_history')}],
		kept => 'SELECT id, last_price FROM listing',
		expected => latest('listing', 'l.id', 'price_history', 'price', 'listing_id = l.id', 'created_date DESC, id DESC') },
	{ n => 23, by => 'attach', price => 'price_history', listing => 'listing',
		calls => [q{attach('listing', 'price_history', previous_price => 'previous_price')}],
		kept => 'SELECT id, last_price, previous_price FROM listing',
		expected => 'SELECT l.id, p.price, (SELECT price FROM price_history WHERE listing_id = l.id AND price <> p.price ORDER BY created_at DESC, id DESC LIMIT 1)
			FROM listing l LEFT JOIN LATERAL (SELECT price FROM price_history WHERE listing_id = l.id ORDER BY created_at DESC, id DESC LIMIT 1) p ON true' },
	{ n => 24, by => 'attach', price => 'price_history', listing => 'products',
		calls => [q{attach('products', 'price_history', last_price => 'current_price')}],
		kept => 'SELECT id, current_price FROM products',
		expected => latest('products', 'l.id', 'price_history', 'price', 'product_id = l.id', 'date DESC NULLS LAST, id DESC') },
	{ n => 25, by => 'attach', price => 'prices', listing => 'products',
		calls => [q{attach('products', 'prices', price_count => 'price_count')}],
		kept => q{SELECT l.id, last_price, price_count, listing_stats.first_price(listing_stats.read_price_history('prices', l.id)), listing_stats.latest_price('prices', l.id, as_of => '2026-01-05') FROM products l},
		expected => q{SELECT l.id, p.price, (SELECT count(*) FROM prices WHERE product_id = l.id), (SELECT price FROM prices WHERE product_id = l.id ORDER BY price_date, price_id DESC LIMIT 1),
				(SELECT price FROM prices WHERE product_id = l.id AND price_date <= '2026-01-05' ORDER BY price_date DESC, price_id DESC LIMIT 1)
			FROM products l LEFT JOIN LATERAL (SELECT price FROM prices WHERE product_id = l.id ORDER BY price_date DESC, price_id DESC LIMIT 1) p ON true} },
	{ n => 26, by => 'reading', price => 'price_history',
		kept => q{SELECT product_name, listing_stats.latest_price('price_history', product_name, key_column => 'product_name', at => 'recorded_at', value => 'price') FROM (SELECT DISTINCT product_name FROM price_history) n},
		expected => latest_of_each('price_history', 'product_name', 'price', 'recorded_at DESC NULLS LAST, id DESC') },
	{ n => 27, by => 'attach', price => 'price_history', listing => 'product',
		calls => [q{attach('product', 'price_history', lowest_price => 'low', highest_price => 'high')}],
		kept => 'SELECT product_id, last_price, low, high FROM product',
		expected => 'SELECT l.product_id, (SELECT price FROM price_history WHERE product_id = l.product_id ORDER BY date DESC, id DESC LIMIT 1),
			(SELECT min(price) FROM price_history WHERE product_id = l.product_id), (SELECT max(price) FROM price_history WHERE product_id = l.product_id) FROM product l' },
	{ n => 28, by => 'attach', price => 'price_history', listing => 'product',
		calls => [q{attach('product', 'price_history', value => 'new_price', last_price => 'price', empty => 'keep')}],
		kept => 'SELECT id, price FROM product l WHERE EXISTS (SELECT FROM price_history WHERE product_id = l.id)',
		expected => latest_of_each('price_history', 'product_id', 'new_price', 'changed_at DESC, id DESC') },
	{ n => 29, by => 'attach', price => 'price_history', listing => 'article',
		calls => [q{attach('article', 'price_history', value => 'new_price')}],
		kept => 'SELECT l.id, last_price, (SELECT (listing_stats.price_summary(new_price)).median FROM price_history WHERE article_id = l.id) FROM article l',
		expected => latest('article', 'l.id', 'price_history', 'new_price, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY new_price)::numeric FROM price_history WHERE article_id = l.id)', 'article_id = l.id', 'changed_at DESC, id DESC') },
	{ n => 30, by => 'attach', price => 'product_price_history', listing => 'products',
		calls => [q{attach('products', 'product_price_history', value => 'price', last_price => 'price', carry => 'purchase_price AS purchase_price')}],
		kept => 'SELECT id, price, purchase_price FROM products',
		expected => latest('products', 'l.id', 'product_price_history', 'price, purchase_price', 'product_id = l.id', 'created_at DESC, id DESC') },
	{ n => 31, by => 'attach', price => 'price_histories', listing => 'products', values => { product_id => [ 1 .. 9 ] },
		calls => [q{attach('products', 'price_histories', key => 'product_id', at => 'date')}],
		kept => 'SELECT id, last_price FROM products',
		expected => latest('products', 'l.id', 'price_histories', 'price', 'product_id = l.id', 'date DESC NULLS LAST, id DESC') },
	{ n => 32, by => 'keep_latest', price => 'price_histories', values => { product_id => [ 1 .. 4 ], site_id => [ 1 .. 3 ] },
		calls => [q{keep_latest('price_histories', 'latest_prices', key => 'product_id, site_id', at => 'date', value => 'price')}],
		kept => 'SELECT product_id, site_id, last_price FROM latest_prices',
		expected => latest_of_each('price_histories', 'product_id, site_id', 'price', 'date DESC NULLS LAST, id DESC') },
	{ n => 33, by => 'reading', price => 'price_histories', listing => 'products',
		kept => q{SELECT l.id, listing_stats.latest_price('price_histories', l.id, as_of => '2026-01-05', key_column => 'product_id', at => 'effective_from', value => 'price') FROM products l},
		expected => latest('products', 'l.id', 'price_histories', 'price', q{product_id = l.id AND effective_from <= '2026-01-05'}, 'effective_from DESC, id DESC') },
	{ n => 34, by => 'attach', price => 'price_histories', listing => 'portions',
		calls => [q{attach('portions', 'price_histories', at => 'created_at')}],
		kept => 'SELECT id, last_price FROM portions',
		expected => latest('portions', 'l.id', 'price_histories', 'price', 'portion_id = l.id', 'created_at DESC, id DESC') },
	{ n => 35, by => 'reading', price => 'prices',
		calls => ['ALTER TABLE prices ADD at timestamptz GENERATED ALWAYS AS (to_timestamp("timestamp")) STORED'],
		kept => q{SELECT coin, listing_stats.latest_price('prices', coin, as_of => to_timestamp(3), key_column => 'coin', at => 'at', value => 'price') FROM (SELECT DISTINCT coin FROM prices) l},
		expected => latest('(SELECT DISTINCT coin FROM prices)', 'l.coin', 'prices', 'price', 'coin = l.coin AND "timestamp" <= 3', '"timestamp" DESC, id DESC') },
	{ n => 36, by => 'keep_latest', price => 'crypto_prices',
		calls => [q{keep_latest('crypto_prices', 'latest_prices', key => 'coin_id', at => 'date_', value => 'price', carry => 'volume')}],
		kept => 'SELECT coin_id, last_price, last_volume FROM latest_prices',
		expected => latest_of_each('crypto_prices', 'coin_id', 'price, volume', 'date_ DESC, id DESC') },
	{ n => 37, by => 'keep_latest', price => 'coins', values => { id => ['btc', 'eth'], curr_timestamp => [ map { "2026-01-0${_}T00:00:0$_" } 1 .. 9 ] },
		calls => ['ALTER TABLE coins ADD at timestamp GENERATED ALWAYS AS (make_timestamp(left(curr_timestamp, 4)::int, substr(curr_timestamp, 6, 2)::int, substr(curr_timestamp, 9, 2)::int, substr(curr_timestamp, 12, 2)::int, substr(curr_timestamp, 15, 2)::int, substr(curr_timestamp, 18)::float8)) STORED',
			q{keep_latest('coins', 'latest_coins', key => 'id', at => 'at', tie => 'at', value => 'price', carry => 'market_cap, rank, volume')}],
		kept => 'SELECT id, last_price, last_market_cap, last_rank, last_volume FROM latest_coins',
		expected => latest_of_each('coins', 'id', 'price, market_cap, rank, volume', 'curr_timestamp DESC') },
	{ n => 38, by => 'reading', price => 'stock_prices',
		kept => q{SELECT key, value FROM listing_stats.latest_prices('stock_prices', NULL::text[], key => 'symbol', at => 'ts', value => 'close')},
		expected => latest_of_each('stock_prices', 'symbol', 'close', 'ts DESC, id DESC') },
	{ n => 39, by => 'reading', price => 'daily',
		kept => q{SELECT ticker, listing_stats.latest_price('daily', ticker, key_column => 'ticker', at => 'date', value => 'close') FROM (SELECT DISTINCT ticker FROM daily) t},
		expected => latest_of_each('daily', 'ticker', 'close', 'date DESC') },
	{ n => 40, by => 'attach', price => 'readings', listing => 'meters',
		calls => [q{attach('meters', 'readings', last_price => 'last_reading')}],
		kept => 'SELECT id, last_reading FROM meters',
		expected => latest('meters', 'l.id', 'readings', 'value', 'meter_id = l.id', 'created_date DESC NULLS LAST, id DESC') },
	{ n => 41, by => 'reading', price => 'meter_readings', listing => 'consumers',
		kept => q{SELECT l.id, x.v ->> 'meter_reading' FROM consumers l, LATERAL json_array_elements(listing_stats.price_history_json('meter_readings', l.id, 2, key_column => 'consumer_id', at => 'reading_date', value => 'meter_reading')) x (v)},
		expected => 'SELECT l.id, p.meter_reading::text FROM consumers l, LATERAL (SELECT meter_reading FROM meter_readings WHERE consumer_id = l.id ORDER BY reading_date DESC, id DESC LIMIT 2) p' },
	{ n => 42, by => 'attach', price => 'bids', listing => 'auctions',
		calls => [q{attach('auctions', 'bids', last_price => 'none', highest_price => 'highest_bid', value => 'bid_amount', empty => 'keep')}],
		kept => 'SELECT auction_id, highest_bid FROM auctions l WHERE EXISTS (SELECT FROM bids WHERE auction_id = l.auction_id)',
		expected => 'SELECT auction_id, max(bid_amount) FROM bids GROUP BY auction_id' },
	{ n => 43, by => 'attach', price => 'bid', listing => 'auction',
		calls => [q{attach('auction', 'bid', at => 'amount', value => 'bidder_id', last_price => 'winner_id', last_price_at => 'highest_bid')}],
		kept => 'SELECT id, winner_id, highest_bid FROM auction',
		expected => latest('auction', 'l.id', 'bid', 'bidder_id, amount', 'auction_id = l.id', 'amount DESC, id DESC') },
	{ n => 44, by => 'attach', price => 'bid', listing => 'auction',
		calls => ['ALTER TABLE bid ADD descending int GENERATED ALWAYS AS (-price) STORED',
			q{attach('auction', 'bid', at => 'price', value => 'price', last_price => 'highest_bid', carry => 'user_id AS highest_bidder, time AS highest_bid_time')},
			q{attach('auction', 'bid', at => 'descending', value => 'price', last_price => 'lowest_bid', carry => 'user_id AS lowest_bidder, time AS lowest_bid_time')}],
		kept => 'SELECT id, CASE mode WHEN 1 THEN highest_bid ELSE lowest_bid END, CASE mode WHEN 1 THEN highest_bidder ELSE lowest_bidder END, CASE mode WHEN 1 THEN highest_bid_time ELSE lowest_bid_time END FROM auction',
		expected => latest('auction', 'l.id', 'bid', 'price, user_id, time', 'auction_id = l.id', 'CASE l.mode WHEN 1 THEN price ELSE -price END DESC, id DESC') },
	{ n => 45, by => 'attach', price => 'movement', listing => 'product',
		calls => [q{attach('product', 'movement', last_price => 'none', price_total => 'stock')}],
		kept => 'SELECT id, stock FROM product',
		expected => 'SELECT l.id, (SELECT coalesce(sum(quantity), 0) FROM movement WHERE product_id = l.id) FROM product l' },
	{ n => 46, by => 'attach', price => 'inventory_history', listing => 'product_variant',
		calls => [q{attach('product_variant', 'inventory_history', value => 'current_stock', last_price => 'last_stock')}],
		kept => 'SELECT id, last_stock FROM product_variant',
		expected => latest('product_variant', 'l.id', 'inventory_history', 'current_stock', 'variant_id = l.id', 'created_at DESC, id DESC') },
	{ n => 47, by => 'attach', price => 'inventory_history', listing => 'inventory',
		calls => [q{attach('inventory', 'inventory_history', key => 'product_id, location_id', listing_key => 'product_id, location_id', last_price => 'quantity', empty => 'keep')}],
		kept => 'SELECT id, quantity FROM inventory l WHERE EXISTS (SELECT FROM inventory_history h WHERE h.product_id = l.product_id AND h.location_id = l.location_id)',
		expected => 'SELECT l.id, p.quantity FROM inventory l, LATERAL (SELECT quantity FROM inventory_history h WHERE h.product_id = l.product_id AND h.location_id = l.location_id ORDER BY date DESC, id DESC LIMIT 1) p' },
	{ n => 48, by => 'reading', price => 'stock_item_history', listing => 'stock_items',
		kept => 'SELECT stock_item_id, (listing_stats.price_summary(quantity_after - quantity_before)).sum FROM stock_item_history GROUP BY 1',
		expected => 'SELECT stock_item_id, sum(quantity_after - quantity_before) FROM stock_item_history GROUP BY 1' },
	{ n => 49, by => 'attach', price => 'checks', listing => 'status', unique => 'checked_at',
		values => { project_id => ['a', 'b'], site_key => ['s', 't', 'u'] },
		calls => [q{attach('status', 'checks', key => 'project_id, site_key', tie => 'checked_at', value => 'is_up', last_price => 'is_up', last_price_at => 'last_checked_at',
				carry => 'url AS url, status_code AS status_code, response_ms AS response_ms, error_type AS error_type', empty => 'keep')},
			q{attach('status', 'checks', tie => 'checked_at', value => 'is_up', condition => 'is_up', last_price => 'none', last_price_at => 'last_up_at')}],
		kept => 'SELECT project_id, site_key, url, status_code, response_ms, is_up, error_type, last_checked_at, last_up_at FROM status l WHERE EXISTS (SELECT FROM checks c WHERE c.project_id = l.project_id AND c.site_key = l.site_key)',
		expected => 'SELECT l.project_id, l.site_key, p.*, (SELECT max(checked_at) FROM checks c WHERE c.project_id = l.project_id AND c.site_key = l.site_key AND is_up)
			FROM status l, LATERAL (SELECT url, status_code, response_ms, is_up, error_type, checked_at FROM checks c WHERE c.project_id = l.project_id AND c.site_key = l.site_key ORDER BY checked_at DESC LIMIT 1) p' },
	{ n => 50, by => 'attach', price => 'checks', listing => 'monitors',
		calls => [q{attach('monitors', 'checks', last_price => 'last_response_ms')}],
		kept => 'SELECT id, last_response_ms FROM monitors',
		expected => latest('monitors', 'l.id', 'checks', 'response_ms', 'monitor_id = l.id', 'last_pinged DESC, id DESC') },
	{ n => 51, by => 'attach', price => 'subscription_status_history', listing => 'subscriptions', values => { status => [qw(trialing active past_due)] },
		calls => [q{attach('subscriptions', 'subscription_status_history', value => 'status', last_price => 'status', last_price_at => 'status_since', carry => 'reason AS status_reason')}],
		kept => 'SELECT id, status::text, status_since, status_reason FROM subscriptions',
		expected => latest('subscriptions', 'l.id', 'subscription_status_history', 'status::text, valid_from, reason', 'subscription_id = l.id', 'valid_from DESC, id DESC') },
	{ n => 52, by => 'attach', price => 'readings', listing => 'sensors',
		calls => [q{attach('sensors', 'readings', value => 'temperature', last_price => 'temperature', last_price_at => 'last_seen', carry => 'humidity AS humidity, battery AS battery')}],
		kept => 'SELECT id, temperature, last_seen, humidity, battery FROM sensors',
		expected => latest('sensors', 'l.id', 'readings', 'temperature, "time", humidity, battery', 'sensor_id = l.id', '"time" DESC') },
	{ n => 53, by => 'keep_latest', price => 'exchange_rates', values => { base => [qw(EUR USD)], quote => [qw(CHF GBP JPY)] },
		calls => [q{keep_latest('exchange_rates', 'latest_rates', key => 'base, quote', last_price_at => 'day', carry => 'source AS source')}],
		kept => q{SELECT base, quote, last_price, source, listing_stats.latest_price('exchange_rates', (base, quote), as_of => '2026-01-05') FROM latest_rates},
		expected => q{SELECT DISTINCT ON (base, quote) base, quote, rate, source, (SELECT rate FROM exchange_rates p WHERE p.base = h.base AND p.quote = h.quote AND day <= '2026-01-05' ORDER BY day DESC LIMIT 1) FROM exchange_rates h ORDER BY base, quote, day DESC} },
	{ n => 54, by => 'attach', price => 'bids', listing => 'lots',
		calls => ['ALTER TABLE bids ADD earlier int GENERATED ALWAYS AS (-id) STORED',
			q{attach('lots', 'bids', at => 'amount', value => 'amount', tie => 'earlier', last_price => 'highest_bid', carry => 'bidder AS leader, placed_at AS led_since', condition => 'NOT withdrawn')}],
		kept => 'SELECT id, highest_bid, leader, led_since FROM lots',
		expected => latest('lots', 'l.id', 'bids', 'amount, bidder, placed_at', 'lot_id = l.id AND NOT withdrawn', 'amount DESC, id') },
	{ n => 55, by => 'attach', price => 'salaries', listing => 'employees',
		calls => [q{attach('employees', 'salaries', at => 'from_date', value => 'salary', last_price => 'salary', carry => 'to_date AS salary_until')}],
		kept => q{SELECT emp_no, salary, salary_until, listing_stats.latest_price('salaries', emp_no, '2026-01-05') FROM employees},
		expected => q{SELECT l.emp_no, p.*, (SELECT salary FROM salaries h WHERE h.emp_no = l.emp_no AND from_date <= '2026-01-05' ORDER BY from_date DESC LIMIT 1)
			FROM employees l LEFT JOIN LATERAL (SELECT salary, to_date FROM salaries h WHERE h.emp_no = l.emp_no ORDER BY from_date DESC LIMIT 1) p ON true} },
	{ n => 56, by => 'reading', price => 'plan_prices', listing => 'plans',
		kept => q{SELECT plan_id, currency, amount FROM listing_stats.latest_rows(NULL::plan_prices, as_of => '2026-01-05', key => 'plan_id, currency', at => 'valid_from', value => 'amount')},
		expected => q{SELECT DISTINCT ON (plan_id, currency) plan_id, currency, amount FROM plan_prices WHERE valid_from <= '2026-01-05' ORDER BY plan_id, currency, valid_from DESC, id DESC} },
	{ n => 57, by => 'attach', price => 'state_changes', listing => 'orders', values => { subject_type => [qw(Order Invoice)], subject_id => [ 1 .. 6 ] },
		calls => [q{attach('orders', 'state_changes', key => 'subject_id', condition => $$subject_type = 'Order'$$, value => 'to_state', last_price => 'state', last_price_at => 'state_since')},
			q{attach('invoices', 'state_changes', key => 'subject_id', condition => $$subject_type = 'Invoice'$$, value => 'to_state', last_price => 'state', last_price_at => 'state_since')}],
		kept => q{SELECT 'order', id, state, state_since FROM orders UNION ALL SELECT 'invoice', id, state, state_since FROM invoices},
		expected => q{SELECT 'order', l.id, p.* FROM orders l LEFT JOIN LATERAL (SELECT to_state, created_at FROM state_changes WHERE subject_type = 'Order' AND subject_id = l.id ORDER BY created_at DESC, id DESC LIMIT 1) p ON true
			UNION ALL SELECT 'invoice', l.id, p.* FROM invoices l LEFT JOIN LATERAL (SELECT to_state, created_at FROM state_changes WHERE subject_type = 'Invoice' AND subject_id = l.id ORDER BY created_at DESC, id DESC LIMIT 1) p ON true} },
	{ n => 58, by => 'attach', price => 'listing_prices', listing => 'listings', values => { tenant_id => [ 1, 2 ], listing_id => [ 1 .. 4 ] },
		fill => 'INSERT INTO listings (tenant_id, id) SELECT t, i FROM generate_series(1, 2) t, generate_series(1, 4) i',
		calls => [q{attach('listings', 'listing_prices', at => 'created_at', value => 'price', condition => 'deleted_at IS NULL', last_price => 'price', empty => 'keep')}],
		kept => 'SELECT tenant_id, id, price FROM listings l WHERE EXISTS (SELECT FROM listing_prices p WHERE p.tenant_id = l.tenant_id AND p.listing_id = l.id AND deleted_at IS NULL)',
		expected => 'SELECT l.tenant_id, l.id, p.price FROM listings l, LATERAL (SELECT price FROM listing_prices p WHERE p.tenant_id = l.tenant_id AND p.listing_id = l.id AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 1) p' },
	{ n => 59, by => 'attach', price => 'measurements', listing => 'devices', values => { site_id => [ 1, 2 ], device_no => [ 1, 2, 3 ] },
		calls => [q{attach('devices', 'measurements', key => 'site_id, device_no', value => 'watts', last_price => 'watts', last_price_at => 'seen', carry => 'volts AS volts')}],
		kept => q{SELECT site_id, device_no, watts, seen, volts, listing_stats.latest_price('measurements', (site_id, device_no), as_of => '2026-01-05')::float8 FROM devices},
		expected => q{SELECT l.site_id, l.device_no, p.*, (SELECT watts FROM measurements h WHERE h.site_id = l.site_id AND h.device_no = l.device_no AND ts <= '2026-01-05' ORDER BY ts DESC LIMIT 1)
			FROM devices l LEFT JOIN LATERAL (SELECT watts, ts, volts FROM measurements h WHERE h.site_id = l.site_id AND h.device_no = l.device_no ORDER BY ts DESC LIMIT 1) p ON true} },
	{ n => 60, by => 'attach', price => '"ProductPrice"', listing => '"Product"',
		calls => [q{attach('"Product"', '"ProductPrice"', value => 'Amount', last_price => 'LastAmount', last_price_at => 'Last at', carry => '"Currency, code" AS "LastCurrency"')}],
		kept => 'SELECT "Id", "LastAmount", "Last at", "LastCurrency" FROM "Product"',
		expected => latest('"Product"', 'l."Id"', '"ProductPrice"', '"Amount", "ValidFrom", "Currency, code"', '"ProductId" = l."Id"', '"ValidFrom" DESC, "Id" DESC') });

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\ntimezone = UTC\nlog_min_messages = fatal");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE ROLE app;
	CREATE SEQUENCE number;
	GRANT USAGE ON SEQUENCE number TO app;
	CREATE FUNCTION compare(kept text, expected text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		wrong text;
	BEGIN
		EXECUTE format('SELECT string_agg(d::text, '' '') FROM ((SELECT ''kept'', k.* FROM ((%1$s) EXCEPT ALL (%2$s)) k) UNION ALL (SELECT ''expected'', e.* FROM ((%2$s) EXCEPT ALL (%1$s)) e)) d', kept, expected) INTO wrong;
		IF wrong IS NOT NULL THEN
			RAISE EXCEPTION 'WRONG: %', wrong;
		END IF;
		RETURN NULL;
	END $$;
});

sub pick { return $_[ rand @_ ] }

sub psql
{
	my ($sql) = @_;
	my ($out, $err);
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err, extra_params => [ '--set', 'ON_ERROR_STOP=0' ]);
	return ($out, $err);
}

# The columns of a table that can be given: name, type, what they refer to, whether they are all of the primary key and
# whether they may be NULL.
sub columns
{
	my ($schema, $table) = @_;
	return [] if !defined $table;
	my $out = $node->safe_psql('postgres', qq{
		SET search_path = $schema;
		SELECT quote_ident(attname), typname, typtype, attnotnull, atthasdef,
			coalesce((SELECT conkey = ARRAY[attnum] FROM pg_constraint WHERE conrelid = attrelid AND contype = 'p'), false),
			(SELECT confrelid::regclass || '.' || quote_ident((SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1])) FROM pg_constraint WHERE conrelid = attrelid AND contype = 'f' AND conkey = ARRAY[attnum] LIMIT 1)
		FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum});
	return [ map { my @c = split /\|/, $_, -1; { name => $c[0], type => $c[1], enum => $c[2] eq 'e', null => $c[3] eq 'f', default => $c[4] eq 't', id => $c[5] eq 't', refers => $c[6] } } split /\n/, $out ];
}

# An expression that gives another value in each row.
sub value
{
	my ($test, $column) = @_;
	my ($name, $type) = @$column{qw(name type)};
	return q{'2026-01-01'::timestamp + (nextval('public.number') * 7919 % 100003) * interval '1 min'} if ($test->{unique} // '') eq $name;
	return $type eq 'uuid' ? 'gen_random_uuid()' : $type =~ /int/ ? q{nextval('public.number')} : q{(ARRAY['x', 'b', 'M'])[ceil(random() * 3)] || nextval('public.number')} if $column->{id};
	return 'NULL' if $column->{null} && rand() < 0.15;
	return '(ARRAY[' . join(', ', map { "'$_'" } @{ $test->{values}{$name} }) . "])[ceil(random() * @{[scalar @{ $test->{values}{$name} }]})]::$type" if $test->{values}{$name};
	if ($column->{refers})
	{
		my ($table, $key) = $column->{refers} =~ /(.*)\.(.*)/;
		# Not once for all rows.
		return "(SELECT $key FROM $table WHERE number IS NOT NULL ORDER BY random() LIMIT 1)";
	}
	return 'ceil(random() * 5)::' . $type if $type =~ /^(int|float|numeric)/;
	return 'round((random() * 9)::numeric, 1)' if $type eq 'numeric';
	return q{'2026-01-01'::date + (random() * 9)::int} if $type eq 'date';
	return q{'2026-01-01'::timestamp + round(random() * 9) * interval '1 day'} if $type =~ /^timestamp/;
	return 'random() < 0.6' if $type eq 'bool';
	return q{jsonb_build_object('a', round(random() * 3))} if $type eq 'jsonb';
	return q{'synced'} if $column->{enum};
	return q{(ARRAY['a', 'B', 'c', 'ä'])[ceil(random() * 4)]} if $type =~ /^(text|varchar)/;
	die "no values for $name $type";
}

sub insert
{
	my ($test, $table, $columns, $rows) = @_;
	my @given = grep { !$_->{default} || $_->{name} eq ($test->{unique} // '') || rand() < 0.8 } @$columns;
	@given = grep { !($_->{id} && $_->{default}) } @given;
	@given = $columns->[0] if !@given;
	return "INSERT INTO $table (" . join(', ', map { $_->{name} } @given) . ') SELECT ' . join(', ', map { value($test, $_) } @given) . " FROM generate_series(1, $rows) number ON CONFLICT DO NOTHING";
}

# Some of the rows of a table, more often one than many.
sub some
{
	my ($table, $columns) = @_;
	my $rows = pick(1, 1, 2, 5);
	return "ctid = ANY (ARRAY(SELECT ctid FROM $table ORDER BY " . pick('random()', 'random()', map { "$_->{name} DESC" } @$columns) . " LIMIT $rows))";
}

sub update
{
	my ($test, $table, $columns) = @_;
	my @set = grep { rand() < 1.5 / @$columns } @$columns;
	@set = pick(@$columns) if !@set;
	return "UPDATE $table AS number SET " . join(', ', map { "$_->{name} = " . value($test, $_) } @set) . ' WHERE ' . some($table, $columns);
}

sub statement
{
	my ($test) = @_;
	my ($price, $columns, $listing) = @$test{qw(price columns listing)};
	my $choice = rand;
	return insert($test, $price, $columns, 1) if $choice < 0.25;
	return insert($test, $price, $columns, pick(2, 4, 12)) if $choice < 0.35;
	return update($test, $price, $columns) if $choice < 0.65;
	return "DELETE FROM $price WHERE " . some($price, $columns) if $choice < 0.82;
	return "WITH gone AS (DELETE FROM $price WHERE " . some($price, $columns) . ') ' . insert($test, $price, $columns, 2) if $choice < 0.85;
	return "TRUNCATE $price" if $choice < 0.86;
	return pick("UPDATE $test->{latest} SET last_price = NULL", "DELETE FROM $test->{latest} WHERE ctid = ANY (ARRAY(SELECT ctid FROM $test->{latest} ORDER BY random() LIMIT 2))") if $test->{latest} && rand() < 0.3;
	return insert($test, $price, $columns, 1) if !$listing;
	return insert($test, $listing, $test->{listing_columns}, pick(1, 2)) if $choice < 0.92;
	return update($test, $listing, $test->{written}) if $choice < 0.97;
	return "DELETE FROM $listing WHERE " . some($listing, $test->{listing_columns});
}

# Statements in transactions, each followed by the comparison.
sub script
{
	my ($test, $schema) = @_;
	($test->{latest}) = map { /^keep_latest\('[^']*', '([^']*)'/ } @{ $test->{calls} };
	my $compare = sprintf 'SELECT public.compare($q$%s$q$, $q$%s$q$);', @$test{qw(kept expected)};
	my $verify = join ' ', map { /^(attach|keep_latest)\('([^']*)', '([^']*)'/ ? sprintf q{SELECT 'verify: ' || v FROM listing_stats.verify('%s', '%s') v;}, $1 eq 'attach' ? ($2, $3) : ($3, $2) : () } @{ $test->{calls} };
	my @lines = ('\set ON_ERROR_ROLLBACK on', 'SET client_min_messages = warning;', 'SET SESSION AUTHORIZATION app;', "SET search_path = $schema;", 'SELECT setseed(' . rand() . ');');
	for my $direct ('on', 'off')
	{
		push @lines, "SET listing_stats.direct_path = $direct;";
		for (my $i = 0; $i < $statements;)
		{
			my $together = pick(1, 1, 2, 5);
			push @lines, 'BEGIN' . pick('', '', ' ISOLATION LEVEL REPEATABLE READ', ' ISOLATION LEVEL SERIALIZABLE') . ';' if $together > 1;
			push @lines, "@{[statement($test)]};", $compare for 1 .. $together;
			push @lines, pick('COMMIT', 'COMMIT', 'ROLLBACK') . ';', $compare if $together > 1;
			push @lines, $verify if rand() < 0.2;
			$i += $together;
		}
		push @lines, $compare, $verify;
	}
	return join "\n", @lines, '';
}

my %served;
for my $test (@schemas)
{
	my ($name, $by) = (sprintf('%02d', $test->{n}), $test->{by} // 'nothing');
	next if %only && !$only{ $test->{n} };
	srand $seed + $test->{n};
	my $missing = $test->{missing};
  SKIP:
	{
		skip "$name is not served: $missing", 1 if defined $missing;
		my $schema = "s$name";
		my $ddl = slurp_file("$FindBin::RealBin/../schemas/$name.sql");
		my $calls = join ' ', map { /^ALTER/ ? "$_;" : "SELECT FROM listing_stats.$_;" } @{ $test->{calls} };
		my ($out, $err) = psql("SET client_min_messages = warning; CREATE SCHEMA $schema AUTHORIZATION app; SET SESSION AUTHORIZATION app; SET search_path = $schema;\n$ddl");
		$test->{columns} = columns($schema, $test->{price});
		$test->{listing_columns} = $test->{written} = columns($schema, $test->{listing});
		my $other = join '', map { my ($table) = $_->{refers} =~ /(.*)\./; insert($test, $table, columns($schema, $table), 3) . ';' } grep { $_->{refers} } @{ $test->{columns} }, @{ $test->{listing_columns} };
		my $own = $test->{listing} ? ($test->{fill} // insert($test, $test->{listing}, $test->{listing_columns}, 4)) . ';' : '';
		my ($out2, $err2) = psql("SET client_min_messages = warning; SET SESSION AUTHORIZATION app; SET search_path = $schema; $other $own " . insert($test, $test->{price}, $test->{columns}, 20) . ";\n$calls");
		# What the calls have added is written too.
		$test->{written} = columns($schema, $test->{listing}) if $test->{listing};
		my $script = script($test, $schema);
		my ($found, $errors) = psql($script);
		my $wrong = join "\n", grep { /ERROR|FATAL|PANIC|lost/ && !/duplicate key value|violates (foreign key|not-null|RESTRICT setting of foreign key)|TRUNCATE "\w+" because it has pending trigger events/ } split /\n/, "$err$err2$errors";
		$wrong .= join "\n", grep { /verify/ } split /\n/, $found;
		ok $wrong eq '', "$name is served by $by" and $served{$by}++;
		diag join "\n", grep { defined } (split /\n/, $wrong)[ 0 .. 4 ] if $wrong ne '';
		if ($wrong ne '' && $ENV{LISTING_STATS_SHOW})
		{
			append_to_file("$ENV{LISTING_STATS_SHOW}/$name.sql", "$ddl\n$other $own\n$calls\n$script");
			append_to_file("$ENV{LISTING_STATS_SHOW}/$name.err", "$err$err2$errors");
		}
	}
}
my $count = 0;
$count += $_ for values %served;
diag "$count of " . @schemas . ' schemas are served whole: ' . join ', ', map { "$served{$_} by $_" } sort keys %served;
done_testing;
