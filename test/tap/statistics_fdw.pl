# More than one machine: with postgres_fdw, partitions on other servers summarise their own rows, and
# one distribution for each group is all that travels.  Two databases stand for two machines.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('machines');
$node->init;
$node->start;
my ($host, $port) = ($node->host, $node->port);
for my $n (1, 2)
{
	$node->safe_psql('postgres', "CREATE DATABASE shard$n");
	$node->safe_psql("shard$n", qq{
		CREATE EXTENSION listing_stats;
		CREATE TABLE price (city text, listing_id int, value numeric(10,2), id int, created timestamptz);
		INSERT INTO price SELECT CASE WHEN i % 3 = 0 THEN 'Bern' ELSE 'Zurich' END, 1000 * ($n - 1) + i % 10, (i * 7919 % 10007) / 100.0 * $n, i, timestamptz '2026-01-01Z' + i * 7919 % 977 * interval '1 hour' FROM generate_series(1, 5000) i;
		ANALYZE price;
	});
}
$node->safe_psql('postgres', qq{
	CREATE EXTENSION listing_stats;
	CREATE EXTENSION postgres_fdw;
	CREATE TABLE price (city text, listing_id int, value numeric(10,2), id int, created timestamptz) PARTITION BY RANGE (listing_id);
} . join '', map { qq{
	CREATE SERVER shard$_ FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'shard$_', extensions 'listing_stats');
	CREATE USER MAPPING FOR CURRENT_USER SERVER shard$_;
	CREATE FOREIGN TABLE price$_ PARTITION OF price FOR VALUES FROM (${\(1000 * ($_ - 1))}) TO (${\(1000 * $_)}) SERVER shard$_ OPTIONS (table_name 'price');
} } 1, 2);
my $settings = "SET enable_partitionwise_aggregate = on; SET search_path = public, listing_stats;";

my $two_steps = q{SELECT median(price_stats_merge(prices)) FROM (SELECT listing_id, price_stats(value) AS prices FROM price GROUP BY listing_id) _};
my $plan = $node->safe_psql('postgres', "$settings EXPLAIN (VERBOSE, COSTS OFF) $two_steps");
is(scalar(() = $plan =~ /Remote SQL: SELECT .*listing_stats\.price_stats\(value\).* GROUP BY/g), 2, 'one summary for each group') or diag $plan;
unlike($plan, qr/Remote SQL: SELECT listing_id, value/, 'no rows') or diag $plan;
my $rows = $node->safe_psql('postgres', "$settings EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $two_steps");
is(join(' ', $rows =~ /Foreign Scan .*?rows=(\d+)/g), '10 10', 'ten rows from each machine') or diag $rows;

# Grouped by something else, each machine is asked for its part by name.
my $by_city = q{SELECT city, price_stats_merge(prices) FROM (
	SELECT city, price_stats(value) AS prices FROM price1 GROUP BY city UNION ALL SELECT city, price_stats(value) FROM price2 GROUP BY city) _ GROUP BY city ORDER BY city};
$plan = $node->safe_psql('postgres', "$settings EXPLAIN (VERBOSE, COSTS OFF) $by_city");
is(scalar(() = $plan =~ /Remote SQL: SELECT city, listing_stats\.price_stats\(value\) FROM public\.price GROUP BY/g), 2, 'one summary for each city') or diag $plan;

for my $query ([ $two_steps, 'SELECT median(value) FROM price' ],
	[ $by_city, 'SELECT city, price_stats(value) FROM price GROUP BY city ORDER BY city' ])
{
	my ($shipped, $direct) = map { $node->safe_psql('postgres', "$settings $_") } @$query;
	is($shipped, $direct, 'exactly what one machine says');
	isnt($shipped, '', 'something');
}

# So are the latest and earliest prices of each listing, and of them alone.
my $latest = q{SELECT listing_id, latest(value, created, id), earliest(value, created, id) FROM price GROUP BY listing_id ORDER BY listing_id};
$plan = $node->safe_psql('postgres', "$settings EXPLAIN (VERBOSE, COSTS OFF) $latest");
is(scalar(() = $plan =~ /Remote SQL: SELECT listing_id, listing_stats\.latest\(value, created, id\), listing_stats\.earliest\(value, created, id\) FROM public\.price GROUP BY 1/g), 2, 'one price for each listing') or diag $plan;
my $order = 'FROM price ORDER BY listing_id, created';
is($node->safe_psql('postgres', "$settings $latest"), $node->safe_psql('postgres', "$settings SELECT listing_id, l.value, e.value FROM (SELECT DISTINCT ON (listing_id) listing_id, value $order DESC, id DESC) l JOIN (SELECT DISTINCT ON (listing_id) listing_id, value $order, id) e USING (listing_id) ORDER BY listing_id"), 'which are those of DISTINCT ON');
is($node->safe_psql('postgres', "$settings SELECT key, value FROM latest_prices('price', key => 'listing_id') ORDER BY 1"), $node->safe_psql('postgres', "$settings SELECT listing_id, latest(value, created, id) FROM price GROUP BY listing_id ORDER BY 1"), 'and of latest_prices()');

# Foreign partitions as prices: what is changed through this table is kept; what their own server changes is found and repaired.
$node->safe_psql('postgres', q{SET client_min_messages = warning; CREATE TABLE listing (id int PRIMARY KEY); INSERT INTO listing SELECT DISTINCT listing_id FROM price;
	SELECT listing_stats.attach('listing', 'price', key => 'listing_id', at => 'created', tie => 'id', price_count => 'prices')});
my $found = q{SELECT count(*) FROM listing_stats.verify('listing', 'price')};
is($node->safe_psql('postgres', $found), '0', 'attached');
$node->safe_psql('postgres', $_) for q{INSERT INTO price VALUES ('Bern', 3, 7, 9000, '2027-01-01Z'), ('Bern', 1003, 8, 9001, '2027-01-01Z')}, q{UPDATE price SET value = value + 1 WHERE listing_id IN (4, 1004)}, q{DELETE FROM price WHERE listing_id = 1005};
is($node->safe_psql('postgres', $found), '0', 'INSERT, UPDATE, DELETE');
$node->safe_psql('shard2', q{INSERT INTO price VALUES ('Bern', 1007, 7, 9002, '2027-01-01Z')});
is($node->safe_psql('postgres', $found), '2', 'what the other server writes is not seen');
$node->safe_psql('postgres', q{CALL listing_stats.refresh('listing', 'price', only_in => 'price2')});
is($node->safe_psql('postgres', $found), '0', 'and repaired');

# Without the option rows travel, and the answer is the same.
$node->safe_psql('postgres', "ALTER SERVER shard$_ OPTIONS (DROP extensions)") for 1, 2;
$plan = $node->safe_psql('postgres', "$settings EXPLAIN (VERBOSE, COSTS OFF) $two_steps");
like($plan, qr/Remote SQL: SELECT listing_id, value/, 'rows travel without the option') or diag $plan;
$node->stop;
done_testing();
