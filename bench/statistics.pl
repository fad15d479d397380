# Statistics beside count(), and beside what else computes them.
use strict;
use warnings;
use FindBin;

our ($session, $quick, $listings);

# Sets of 10M and 100M values: the last are ten times those of the table, each time others.
sub large_sets
{
	$session->run(<<'SQL');
CREATE UNLOGGED TABLE one AS SELECT (1 + floor(random() * 5000000) / 100)::numeric(10,2) AS v FROM generate_series(1, 1000000) i;
CREATE UNLOGGED TABLE ten AS SELECT (1 + floor(random() * 5000000) / 100)::numeric(10,2) AS v FROM generate_series(1, 10000000) i;
CHECKPOINT;
VACUUM ANALYZE one, ten;
SQL
	my %rows = ('1M' => '(SELECT v FROM one) p', '10M' => '(SELECT v FROM ten) p', '10M, computed' => '(SELECT v + 50000 * g AS v FROM generate_series(1, 1) g, ten) p',
		'100M, computed' => '(SELECT v + 50000 * g AS v FROM generate_series(1, 10) g, ten) p');
	my %ours;
	for my $set (sort keys %rows)
	{
		my $cost = compare("price_summary of $set values, beside count()", '', 3, sub {
			return 'SELECT ' . ($_[0] eq 'ours' ? '(listing_stats.price_summary(v)).*' : 'count(v)') . " FROM $rows{$set} \\g /dev/null";
		}, undef, qw(ours count)) or return;
		my ($millions) = $set =~ /^(\d+)/;
		$ours{$set} = [ map { { cpu => $_->{cpu} / $millions } } @{ $cost->{ours} } ];
	}
	report('price_summary of 10M values: each value, beside 1M', '1.30', \%ours, '10M', '1M');
	report('price_summary of 100M values: each value, beside 10M', '1.30', \%ours, '100M, computed', '10M, computed');
	require "$FindBin::Bin/backfill.pl";
	note(sprintf 'price_summary of 1M, 10M and 100M prices below a million takes %.0f, %.0f and %.0f MB of memory.',
		map { peak_memory("SET search_path = statistics; SET max_parallel_workers_per_gather = 0; SELECT (listing_stats.price_summary(v)).* FROM $rows{$_} \\g /dev/null") } '1M', '10M', '100M, computed');
}

sub statistics
{
	my $rounds = $quick ? 3 : 9;
	my $rows = 10 * $listings;
	section('Statistics', 'Aggregates over ' . readable($rows) . ' prices or a part of them, relative to what is named after "beside": count() is what reading the rows takes, and "floor" the least that an aggregate does for an exact summary (bench/floor.cpp), beside which the goals of what is read fastest stand.');
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
CREATE FUNCTION gather(internal, numeric) RETURNS internal AS :'floor', 'floor_gather' LANGUAGE C;
CREATE FUNCTION finish(internal) RETURNS listing_stats.summary AS :'floor', 'floor_finish' LANGUAGE C STRICT;
CREATE AGGREGATE floor_summary(numeric) (SFUNC = gather, STYPE = internal, FINALFUNC = finish);
CHECKPOINT;
VACUUM ANALYZE listing, few, hostile, grouped, summaries;
SQL
	my $summary = sub { "(listing_stats.price_summary($_[0])).*" };
	my $beside = sub {
		my ($name, $goal, $from, $column, $settings) = @_;
		my %question = (ours => $summary->($column), count => "count($column)", floor => "(floor_summary($column)).*");
		my $hostile = $from eq 'hostile';
		$settings //= 'SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;';
		my $cost = compare("$name, beside count()", $hostile ? $goal : '', $rounds,
			sub { "SELECT $question{$_[0]} FROM $from \\g /dev/null" }, sub { $session->run("RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_seqscan; RESET enable_indexonlyscan; $settings") },
			qw(ours count), $hostile ? () : 'floor') or return;
		report("$name, beside the floor", $goal, $cost, qw(ours floor)) if $goal ne '' && !$hostile;
	};
	my $covering = 'SET enable_seqscan = off; SET enable_bitmapscan = off;';
	my $instead = sub {
		my ($name, $goal, $theirs) = @_;
		my %query = (ours => 'SELECT ' . $summary->('last_price') . ' FROM listing', theirs => $theirs);
		for my $scan ([ ', index only', $covering, 'Index Only Scan', $goal ], [ ', by a sequential scan', 'SET enable_indexonlyscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off;', 'Seq Scan', '' ])
		{
			my ($how, $settings, $node, $its_goal) = @$scan;
			$session->run("RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_seqscan; RESET enable_indexonlyscan; $settings");
			for my $query (values %query)
			{
				my $plan = $session->run("EXPLAIN (COSTS OFF) $query;");
				failed("price_summary, beside $name$how: $plan") unless $plan =~ /$node/;
			}
			compare("price_summary, beside $name$how", $its_goal, $quick ? 1 : 5, sub { "$query{$_[0]} \\g /dev/null" }, undef, qw(ours theirs));
		}
	};
	$beside->('price_summary of all ' . readable($rows) . ' rows', '1.10', 'listing', 'last_price');
	# Reading what the filter leaves out takes most of these.
	$beside->('price_summary of 10 % of the rows, by a sequential scan', '', 'listing WHERE bucket <= 100', 'last_price');
	$beside->('price_summary of 1 % of the rows, by a sequential scan', '', 'listing WHERE bucket <= 10', 'last_price');
	$beside->('price_summary of all rows, index only', '1.10', 'listing', 'last_price', $covering);
	$beside->('price_summary of 10 % of the rows, index only', '1.10', 'listing WHERE bucket <= 100', 'last_price', $covering);
	$beside->('price_summary of 1 % of the rows, index only', '1.10', 'listing WHERE bucket <= 10', 'last_price', $covering);

	my %few = (ours => $summary->('last_price'), count => 'count(last_price)', floor => '(floor_summary(last_price)).*', sql => 'count(last_price), min(last_price), max(last_price), avg(last_price), '
		. 'stddev(last_price), sum(last_price), percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY last_price)');
	my $many_times = sub { "DO \$\$BEGIN FOR i IN 1..2000 LOOP PERFORM $few{$_[0]} FROM few; END LOOP; END\$\$;" };
	my $cost = compare('price_summary of 150 rows, beside count()', '', $rounds, $many_times, undef, qw(ours count floor));
	report('price_summary of 150 rows, beside the floor', '1.20', $cost, qw(ours floor)) if $cost;
	compare('price_summary of 150 rows, beside SQL', '1.00', $rounds, $many_times, undef, qw(ours sql));
	$instead->('the same in SQL', '0.20', "SELECT $few{sql} FROM listing");
	$instead->('SQL without percentiles', '0.50', 'SELECT ' . $few{sql} =~ s/, percentile.*//r . ' FROM listing');
	if (available('tdigest', "tdigest's percentiles"))
	{
		$session->run('CREATE EXTENSION IF NOT EXISTS tdigest SCHEMA public;');
		$instead->('tdigest_percentile', '1.00', 'SELECT tdigest_percentile(last_price, 100, ARRAY[0.25, 0.5, 0.75]) FROM listing');
	}
	$session->run('RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_seqscan; RESET enable_indexonlyscan;');
	$beside->("price_summary of $_ values", '1.50', 'hostile', $_) for qw(outlier equal ascending descending sparse);

	for my $ours (qw(price_summary price_stats median))
	{
		my %aggregate = (ours => "listing_stats.$ours", avg => 'avg');
		compare("$ours of " . readable($rows / 10) . ' groups of 10, beside avg()', '1.00', $quick ? 1 : 7,
			sub { "SELECT count(a) FROM (SELECT $aggregate{$_[0]}(last_price) AS a FROM grouped GROUP BY g) _ \\g /dev/null" }, undef, qw(ours avg));
	}
	my %memory = map { $_ => $session->run("EXPLAIN (ANALYZE, TIMING OFF) SELECT $_(last_price) FROM grouped GROUP BY g;") =~ /Memory Usage: (\d+)kB/ ? $1 : die "no memory in the plan of $_\n" } qw(listing_stats.price_stats avg);
	row(name => 'memory of the groups of price_stats, beside avg()', ratio => ratio($memory{'listing_stats.price_stats'} / $memory{avg}), goal => '1.00');

	# To read a summary is to find its lowest value.
	my %merge = (ours => 'listing_stats.value_count(listing_stats.price_stats_merge(prices))', reading => 'min(listing_stats.lowest(prices))');
	compare('merging 10k stored summaries, beside reading', '2.00', $rounds, sub { "SELECT $merge{$_[0]} FROM summaries \\g /dev/null" }, undef, qw(ours reading));

	# With workers the time that matters is that on the wall.
	my %two;
	my %parallel = (price_summary => $summary->('last_price'), 'count()' => 'count(last_price)');
	for my $name (sort keys %parallel)
	{
		my $settings = sub { "SET max_parallel_workers_per_gather = $_[0]; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET enable_indexonlyscan = off;" };
		my $plan = $session->run($settings->(1) . " EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT $parallel{$name} FROM listing;");
		failed("$name in two processes: $plan") unless $plan =~ /Workers Launched: 1/;
		my $cost = attempt("$name in two processes", sub { costs($rounds, sub {
			return $settings->($_[0]) . " SELECT $parallel{$name} FROM listing \\g /dev/null";
		}, undef, 1, 0) }) or next;
		delete $_->{cpu} for map { @$_ } values %$cost;
		report("$name in two processes, beside one", '', $cost, 1, 0);
		$two{$name} = (relative($cost, 'wall', 1, 0))[0];
	}
	row(name => 'the last of these, beside that of count() (it scales as that does: 1)', goal => '1.10', ratio => ratio($two{price_summary} / $two{'count()'}))
		if keys %two == 2;
	my %stored = ('' => 'SELECT last_price AS v FROM listing',
		', 1M random ones below a million' => 'SELECT round((random() * 1000000)::numeric, 2) AS v FROM generate_series(1, 1000000)');
	row(name => "bytes for each price, stored$_", absolute => 1, goal => '2.00', ratio => $session->run(
		"SELECT round(octet_length(listing_stats._price_distribution_send(s)) / listing_stats.value_count(s)::numeric, 3) FROM (SELECT listing_stats.price_stats(v) AS s FROM ($stored{$_}) p) _;"))
		for sort keys %stored;
	large_sets() unless $quick;
	$session->run('DROP SCHEMA statistics CASCADE;');
}

1;
