# Runs each workload on the tables with and without maintenance, in turns, and prints the ratios.
# bench/run calls it with a directory for its files and its own options.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tools";
use List::Util qw(max min);
use Psql;
use Time::HiRes qw(time);

my ($directory, @options) = @ARGV;
my $quick = grep { $_ eq '--quick' } @options;
my $listings = $quick ? 10_000 : 100_000;
my $prices = 10 * $listings;
my $session = Psql->new('-d', 'bench', '-v', "listings=$listings");
$session->run('SET client_min_messages = warning;');
$| = 1;

sub median { return (sort { $a <=> $b } @_)[ $#_ / 2 ] }

# Seconds of processor and wall time, and bytes of WAL.
sub measure
{
	my ($script) = @_;
	my $wal = $session->run('SELECT pg_current_wal_insert_lsn();');
	my ($cpu, $wall) = ($session->cpu, time);
	$session->run($script);
	($cpu, $wall) = ($session->cpu - $cpu, time - $wall);
	return { cpu => $cpu, wall => $wall,
		wal => $session->run("SELECT pg_current_wal_insert_lsn() - '$wal';") };
}

sub row { printf "%-50s %6s %6s %15s %6s %6s\n", @_ }

sub ratio { return sprintf '%.2f', $_[0] }

# Does the work of two sides in turns, and prints the first one's cost relative to the second's.  The
# first round is for the caches.
sub compare
{
	my ($name, $goal, $rounds, $work, $prepare, $sides) = @_;
	my ($ours, $theirs) = $sides ? @$sides : ('kept', 'plain');
	my (%cost, @ratios);
	for my $round (0 .. $rounds)
	{
		my %now;
		$prepare->() if $prepare;
		$now{$_} = measure($work->($_)) for $round % 2 ? ($ours, $theirs) : ($theirs, $ours);
		next unless $round;
		for my $side ($ours, $theirs)
		{
			push @{ $cost{$side}{$_} }, $now{$side}{$_} for qw(cpu wall wal);
		}
		push @ratios, $now{$ours}{cpu} / $now{$theirs}{cpu};
	}
	my ($our, $their) = map { my $side = $_; +{ map { $_ => median(@{ $cost{$side}{$_} }) } qw(cpu wall wal) } } $ours, $theirs;
	row($name, ratio($our->{cpu} / $their->{cpu}), $goal, ratio(min @ratios) . ' to ' . ratio(max @ratios),
		ratio($our->{wall} / $their->{wall}), $their->{wal} > 10_000 ? ratio($our->{wal} / $their->{wal}) : '');
	return $our->{cpu};
}

# A file for COPY: prices in the order of time, each of a random listing of the first $among.
sub price_file
{
	my ($rows, $among) = @_;
	my $file = "$directory/$rows-$among";
	$session->run(<<"SQL") unless -e $file;
SELECT setseed(0.5);
COPY (SELECT 1 + floor(random() * $among)::bigint, timestamptz '2025-01-01 00:00Z' + i * interval '1 second',
	1 + floor(random() * 50000) / 100 FROM generate_series(1, $rows) i) TO '$file';
SQL
	return $file;
}

sub tables { $session->run("\\set deferred '$_[0]'\n\\o /dev/null\n\\i bench/tables.sql\n\\o") }

sub copy
{
	my ($file) = @_;
	return sub { "COPY $_[0].price (listing_id, created, value) FROM '$file';" };
}

# A file of statements, each committed by itself, of newer prices of random listings of the first $among.
sub single_inserts
{
	my ($among) = @_;
	my ($inserts, $n) = ($quick ? 500 : 2000, 0);
	return sub {
		my ($side) = @_;
		open my $script, '>', "$directory/$side.sql" or die "$directory: $!\n";
		srand ++$n / 2;
		printf $script "INSERT INTO %s.price (listing_id, created, value) VALUES (%d, '2026-01-01 00:00Z'::timestamptz "
			. "+ interval '%d seconds', %.2f);\n", $side, 1 + rand $among, $n * $inserts + $_, 1 + rand 500
			for 1 .. $inserts;
		return "\\i $directory/$side.sql";
	};
}

# Statistics beside count(), and beside what else one can do.  Both sides see the same rows by the same plan.
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
	printf "memory of these groups, beside avg(): %.2f\n", $memory{'listing_stats.price_stats'} / $memory{avg} if $memory{avg};

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
	printf "bytes for each price, stored: %s\n", $session->run(
		'SELECT round(octet_length(listing_stats._price_distribution_send(s)) / listing_stats.value_count(s)::numeric, 3) FROM (SELECT listing_stats.price_stats(last_price) AS s FROM listing) _;');
	$session->run('DROP SCHEMA statistics CASCADE; RESET search_path; RESET max_parallel_workers_per_gather; RESET work_mem; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET enable_indexonlyscan; RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_seqscan;');
}

sub readable { return $_[0] =~ s/000$/k/r =~ s/000k$/M/r }

my $processor = (map { /^model name\s*: (.*)/ ? $1 : () } do { local @ARGV = '/proc/cpuinfo'; <> })[0] // 'unknown processor';
my ($load) = do { local @ARGV = '/proc/loadavg'; split ' ', <> };
printf "bench/run%s: %s; %s, %d processors, load %s\n\n", join('', map { " $_" } @options),
	$session->run('SHOW server_version;'), $processor, scalar(() = glob '/sys/devices/system/cpu/cpu[0-9]*'),
	$load;
row('work, relative to the same without', 'CPU', 'goal', 'spread', 'wall', 'WAL');

if (grep { $_ eq '--statistics' } @options)
{
	statistics();
	exit;
}

for my $case ([ '', '' ], [ 'DEFERRABLE INITIALLY DEFERRED', ', deferred FK' ])
{
	my ($deferred, $suffix) = @$case;
	my $file = price_file($prices, $listings);
	compare('COPY of ' . readable($prices) . ' over ' . readable($listings) . " listings$suffix", '1.6', $quick ? 1 : 3,
		copy($file), sub { tables($deferred) });

	# A file of statements for each side, one commit each.
	tables($deferred);
	$session->run("COPY $_.price (listing_id, created, value) FROM '$file'; VACUUM ANALYZE $_.price, $_.listing; CHECKPOINT;")
		for qw(kept plain);
	compare("INSERT of one row, committed, newest$suffix", '1.6', $quick ? 3 : 15, single_inserts($listings));
}

# The tables are filled from here on.
my $updated = $quick ? 1000 : 10_000;
my $round = 0;
compare('UPDATE of another column of ' . readable($updated) . ' listings', '1.25', $quick ? 3 : 9,
	sub { "UPDATE $_[0].listing SET description = reverse(description) WHERE id BETWEEN $round * $updated + 1 AND ($round + 1) * $updated;" },
	sub {
		$round = ($round + 1) % 10;
		$session->run('VACUUM FULL kept.listing, plain.listing; CHECKPOINT;');
	});

compare('refresh() of ' . readable($listings) . ' listings beside a constant UPDATE', '1.6', $quick ? 1 : 5,
	sub {
		return $_[0] eq 'kept' ? "CALL listing_stats.refresh('kept.listing', 'kept.price');"
			: 'UPDATE plain.listing SET last_price = 5;';
	},
	sub {
		$session->run(<<'SQL');
ALTER TABLE kept.listing DISABLE TRIGGER USER;
UPDATE kept.listing SET last_price = NULL;
ALTER TABLE kept.listing ENABLE TRIGGER USER;
UPDATE plain.listing SET last_price = NULL;
VACUUM FULL ANALYZE kept.listing, plain.listing;
CHECKPOINT;
SQL
	});

statistics();

# Few listings with a long history each, and all columns kept.
tables('');
my $history = price_file($prices, 10);
$session->run(<<"SQL");
SELECT * FROM listing_stats.attach('kept.listing', 'kept.price', last_price_at => 'last_price_at', previous_price => 'previous_price',
	lowest_price => 'lowest_price', highest_price => 'highest_price', price_count => 'price_count') \\g /dev/null
COPY kept.price (listing_id, created, value) FROM '$history';
COPY plain.price (listing_id, created, value) FROM '$history';
VACUUM ANALYZE kept.price, plain.price, kept.listing, plain.listing;
CHECKPOINT;
SQL
compare('INSERT of one row, all columns, ' . readable($prices / 10) . ' prices each', '1.6', $quick ? 3 : 15, single_inserts(10));

my @per_row;
for my $rows (map { $_ * ($quick ? 1000 : 10_000) } 5, 10, 20, 40)
{
	my $cpu = compare('COPY of ' . readable($rows) . ' into ten listings', '1.6', $quick ? 1 : 5,
		copy(price_file($rows, 10)), sub { tables('') });
	push @per_row, $cpu / $rows;
}
printf "\nPer row into ten listings, the largest COPY takes %.2f times what the smallest takes (linear: 1).\n",
	$per_row[-1] / $per_row[0];

my $wrong = $session->run("SELECT count(*) FROM listing_stats.verify('kept.listing', 'kept.price');");
print "verify() finds $wrong rows that differ.\n";
exit($wrong != 0);
