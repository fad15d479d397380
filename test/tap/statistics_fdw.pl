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
		CREATE TABLE price (city text, listing_id int, value numeric(10,2));
		INSERT INTO price SELECT CASE WHEN i % 3 = 0 THEN 'Bern' ELSE 'Zurich' END, 1000 * ($n - 1) + i % 10, (i * 7919 % 10007) / 100.0 * $n FROM generate_series(1, 5000) i;
		ANALYZE price;
	});
}
$node->safe_psql('postgres', qq{
	CREATE EXTENSION listing_stats;
	CREATE EXTENSION postgres_fdw;
	CREATE TABLE price (city text, listing_id int, value numeric(10,2)) PARTITION BY RANGE (listing_id);
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

# Without the option rows travel, and the answer is the same.
$node->safe_psql('postgres', "ALTER SERVER shard$_ OPTIONS (DROP extensions)") for 1, 2;
$plan = $node->safe_psql('postgres', "$settings EXPLAIN (VERBOSE, COSTS OFF) $two_steps");
like($plan, qr/Remote SQL: SELECT listing_id, value/, 'rows travel without the option') or diag $plan;
$node->stop;
done_testing();
