# Statistics beside count(), and beside what else computes them.
use strict;
use warnings;

our ($session, $quick, $listings);

sub statistics
{
	my $rounds = $quick ? 3 : 9;
	my $rows = 10 * $listings;
	$session->run(<<"SQL");
DROP SCHEMA IF EXISTS statistics CASCADE;
CREATE SCHEMA statistics;
SET search_path = statistics, public;
SET max_parallel_workers_per_gather = 0;
SET work_mem = '256MB';
SELECT setseed(0.5);
CREATE TABLE listing AS SELECT i AS id, 'https://market.example/listing/' || i AS url, rpad('a listing, no. ' || i, 60, '.') AS description,
	(1 + floor(exp(random() * 6) * 10) / 100)::numeric(10,2) AS last_price, 1 + floor(random() * 1000)::int AS bucket FROM generate_series(1, $rows) i;
CREATE INDEX ON listing (bucket) INCLUDE (last_price);
CREATE TABLE few AS SELECT * FROM listing WHERE id <= 150;
CREATE TABLE hostile AS SELECT CASE WHEN id = 7 THEN 92233720368547758.07 ELSE last_price END AS outlier, 19.99 AS equal,
	id * 1.01 AS ascending, -id * 1.01 AS descending, (random() * 1e9)::numeric(20,6) AS sparse FROM listing;
CREATE TABLE grouped AS SELECT id % ($rows / 10) AS g, last_price FROM listing;
CREATE TABLE summaries AS SELECT id % 10000 AS g, listing_stats.price_stats(last_price) AS prices FROM listing GROUP BY 1;
VACUUM ANALYZE listing, few, hostile, grouped, summaries;
SQL
	my $summary = sub { "(listing_stats.price_summary($_[0])).*" };
	my $beside = sub {
		my ($name, $goal, $from, $column, $settings) = @_;
		my %question = (ours => $summary->($column), count => "count($column)");
		$settings //= 'SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;';
		compare("$name, beside count()", $goal, $rounds,
			sub { "SELECT $question{$_[0]} FROM $from \\g /dev/null" }, sub { $session->run("RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_seqscan; RESET enable_indexonlyscan; $settings") },
			[qw(ours count)]);
	};
	my $instead = sub {
		my ($name, $goal, $theirs) = @_;
		my %query = (ours => 'SELECT ' . $summary->('last_price') . ' FROM listing', theirs => $theirs);
		compare("price_summary, beside $name", $goal, $quick ? 1 : 5, sub { "$query{$_[0]} \\g /dev/null" }, undef, [qw(ours theirs)]);
	};
	my $covering = 'SET enable_seqscan = off; SET enable_bitmapscan = off;';
	$beside->('price_summary of ' . readable($rows), '1.10', 'listing', 'last_price');
	$beside->('price_summary of 10 %', '1.10', 'listing WHERE bucket <= 100', 'last_price');
	$beside->('price_summary of 1 %', '1.10', 'listing WHERE bucket <= 10', 'last_price');
	$beside->('price_summary of all, index only', '1.10', 'listing', 'last_price', $covering);
	$beside->('price_summary of 10 %, index only', '1.10', 'listing WHERE bucket <= 100', 'last_price', $covering);
	$beside->('price_summary of 1 %, index only', '1.10', 'listing WHERE bucket <= 10', 'last_price', $covering);

	my %few = (ours => $summary->('last_price'), count => 'count(last_price)', sql => 'count(last_price), min(last_price), max(last_price), avg(last_price), '
		. 'stddev(last_price), sum(last_price), percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY last_price)');
	my $many_times = sub { "DO \$\$BEGIN FOR i IN 1..2000 LOOP PERFORM $few{$_[0]} FROM few; END LOOP; END\$\$;" };
	compare('price_summary of 150 rows, beside count()', '1.10', $rounds, $many_times, undef, [qw(ours count)]);
	compare('price_summary of 150 rows, beside SQL', '1.00', $rounds, $many_times, undef, [qw(ours sql)]);
	$instead->('SQL with percentiles', '0.20', "SELECT $few{sql} FROM listing");
	$instead->('SQL without', '0.50', 'SELECT ' . $few{sql} =~ s/, percentile.*//r . ' FROM listing');
	my $tdigest = $session->run(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'tdigest';});
	if ($tdigest)
	{
		$session->run('CREATE EXTENSION IF NOT EXISTS tdigest SCHEMA public;');
		$instead->('tdigest_percentile', '1.00', 'SELECT tdigest_percentile(last_price, 100, ARRAY[0.25, 0.5, 0.75]) FROM listing');
	}
	else { print "tdigest is not installed: not compared\n" }
	$beside->("price_summary, $_", '1.50', 'hostile', $_) for qw(outlier equal ascending descending sparse);

	for my $ours (qw(price_summary price_stats median))
	{
		my %aggregate = (ours => "listing_stats.$ours", avg => 'avg');
		compare("$ours of " . readable($rows / 10) . ' groups of 10, beside avg()', '1.00', $quick ? 1 : 5,
			sub { "SELECT count(a) FROM (SELECT $aggregate{$_[0]}(last_price) AS a FROM grouped GROUP BY g) _ \\g /dev/null" }, undef, [qw(ours avg)]);
	}
	my %memory = map { $_ => $session->run("EXPLAIN (ANALYZE, TIMING OFF) SELECT $_(last_price) FROM grouped GROUP BY g;") =~ /Memory Usage: (\d+)kB/ ? $1 : 0 } qw(listing_stats.price_stats avg);
	row('memory of these groups, beside avg()', ratio($memory{'listing_stats.price_stats'} / $memory{avg}), '1.00', '', '', '') if $memory{avg};

	# To read a summary is to find its lowest value.
	my %merge = (ours => 'listing_stats.value_count(listing_stats.price_stats_merge(prices))', reading => 'min(listing_stats.lowest(prices))');
	compare('merging 10k stored summaries, beside reading', '2.00', $rounds, sub { "SELECT $merge{$_[0]} FROM summaries \\g /dev/null" }, undef, [qw(ours reading)]);

	# With workers the time that matters is that on the wall.
	my %wall;
	for my $round (0 .. $rounds)
	{
		for my $workers (0, 1)
		{
			$session->run("SET max_parallel_workers_per_gather = $workers; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET enable_indexonlyscan = off;");
			for my $side ($summary->('last_price'), 'count(last_price)')
			{
				my $cost = measure("SELECT $side FROM listing \\g /dev/null");
				push @{ $wall{$side}{$workers} }, $cost->{wall} if $round;
			}
		}
	}
	printf "two processes instead of one, wall time: price_summary %.2f, count() %.2f\n",
		map { median(@{ $wall{$_}{1} }) / median(@{ $wall{$_}{0} }) } $summary->('last_price'), 'count(last_price)';
	row('bytes for each price, stored', $session->run(
		'SELECT round(octet_length(listing_stats._price_distribution_send(s)) / listing_stats.value_count(s)::numeric, 3) FROM (SELECT listing_stats.price_stats(last_price) AS s FROM listing) _;'), '2.00', '', '', '');
	$session->run('DROP SCHEMA statistics CASCADE; RESET search_path; RESET max_parallel_workers_per_gather; RESET work_mem; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET enable_indexonlyscan; RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_seqscan;');
	return 1;
}

1;
