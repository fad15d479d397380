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

sub readable { return $_[0] =~ s/000$/k/r =~ s/000k$/M/r }

my $processor = (map { /^model name\s*: (.*)/ ? $1 : () } do { local @ARGV = '/proc/cpuinfo'; <> })[0] // 'unknown processor';
my ($load) = do { local @ARGV = '/proc/loadavg'; split ' ', <> };
printf "bench/run%s: %s; %s, %d processors, load %s\n\n", join('', map { " $_" } @options),
	$session->run('SHOW server_version;'), $processor, scalar(() = glob '/sys/devices/system/cpu/cpu[0-9]*'),
	$load;
row('work, relative to the same without', 'CPU', 'goal', 'spread', 'wall', 'WAL');

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

my %question = (ours => '(listing_stats.price_summary(value)).*', theirs => 'count(value)');
compare('price_summary of ' . readable($prices) . ' beside count()', '', $quick ? 3 : 7,
	sub { "SELECT $question{$_[0]} FROM plain.price \\g /dev/null" }, undef, [qw(ours theirs)]);

# Histories: fifty prices of each listing, in the order of time.
my $history_rows = readable(50 * $listings);
$session->run(<<"SQL");
DROP SCHEMA IF EXISTS history CASCADE;
CREATE SCHEMA history;
CREATE TABLE history.price (id bigserial PRIMARY KEY, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2));
SELECT setseed(0.5) \\g /dev/null
INSERT INTO history.price (listing_id, created, value)
SELECT 1 + floor(random() * $listings)::bigint, timestamptz '2025-01-01 00:00Z' + i * interval '1 second', 1 + floor(random() * 50000) / 100
FROM generate_series(1, 50 * $listings) i;
CREATE INDEX ON history.price (listing_id, created DESC, id DESC) INCLUDE (value);
CREATE TABLE history.hundred AS SELECT h FROM (SELECT listing_stats.price_history(created, value) AS h FROM (
	SELECT timestamptz '2025-01-01 00:00Z' + i * interval '1 day' + floor(random() * 86400) * interval '1 second' AS created,
		(200 + sum(random() * 10 - 5) OVER (ORDER BY i))::numeric(10,2) AS value FROM generate_series(1, 100) i) p) one, generate_series(1, 100000);
VACUUM ANALYZE history.price, history.hundred;
CHECKPOINT;
SQL

sub compare_queries
{
	my ($name, $goal, $ours, $theirs) = @_;
	my %query = (ours => $ours, theirs => $theirs);
	return compare($name, $goal, $quick ? 1 : 5, sub { "$query{$_[0]} \\g /dev/null" }, undef, [qw(ours theirs)]);
}

my $grouped = 'FROM history.price GROUP BY listing_id';
compare_queries("price_history of $history_rows beside array_agg(ORDER BY)", '1.5',
	"SELECT count(h) FROM (SELECT listing_stats.price_history(created, value) AS h $grouped) g",
	"SELECT count(h) FROM (SELECT array_agg(value ORDER BY created) AS h $grouped) g");
compare_queries('time_weighted_average beside window functions', '0.33',
	"SELECT sum(a) FROM (SELECT listing_stats.time_weighted_average(listing_stats.price_history(created, value), until => '2026-01-01 00:00Z') AS a $grouped) g",
	"SELECT sum(a) FROM (SELECT sum(value * extract(epoch FROM until - created)) / sum(extract(epoch FROM until - created)) AS a FROM ("
		. "SELECT listing_id, created, value, lead(created, 1, '2026-01-01 00:00Z') OVER (PARTITION BY listing_id ORDER BY created, id) AS until FROM history.price) s GROUP BY listing_id) g");
if ($session->run("SELECT count(*) FROM pg_available_extensions WHERE name = 'first_last_agg';"))
{
	$session->run('CREATE EXTENSION IF NOT EXISTS first_last_agg;');
	compare_queries("latest() beside first_last_agg's last(ORDER BY)", '0.55',
		"SELECT sum(a) FROM (SELECT listing_stats.latest(value, created, id) AS a $grouped) g",
		"SELECT sum(a) FROM (SELECT last(value ORDER BY created, id) AS a $grouped) g");
	compare_queries('latest() of all rows beside it', '0.55', 'SELECT listing_stats.latest(value, created, id) FROM history.price',
		'SELECT last(value ORDER BY created, id) FROM history.price');
}
my $some = $quick ? 1000 : 10_000;
for my $aggregate ('array_agg(value ORDER BY created)', 'listing_stats.price_history(created, value)')
{
	compare_queries('read_price_history() beside ' . $aggregate =~ s/listing_stats\.|\(.*//gr, '0.33',
		"SELECT count(listing_stats.read_price_history('history.price', i, key_column => 'listing_id')) FROM generate_series(1, $some) i",
		"SELECT count(h) FROM generate_series(1, $some) i, LATERAL (SELECT $aggregate AS h FROM history.price WHERE listing_id = i) g");
}

# What a question takes beyond reading the value.
printf "\nNanoseconds for a question on a history of 100 steps (goal: 1000):";
my @questions = ('latest(h)', 'previous(h)', "price_at(h, '2025-02-20')", 'lowest(h)', "lowest(h, '2025-02-01', '2025-03-01')",
	"time_weighted_average(h, until => '2025-06-01')", "availability(h, until => '2025-06-01')", 'changes(h)', 'price_drop_percent(h)', 'is_lowest(h)', "days_at_price(h, '2025-06-01')");
my %nanoseconds;
for my $round (0 .. ($quick ? 1 : 7))
{
	for my $question ('h', @questions)
	{
		my $call = $question eq 'h' ? 'h' : "listing_stats.$question";
		my $cost = measure("SELECT count($call) FROM history.hundred \\g /dev/null")->{cpu};
		push @{ $nanoseconds{$question} }, $cost * 1e9 / 100_000 if $round;
	}
}
printf ' %s %.0f,', $_ =~ s/\(.*//r, median(@{ $nanoseconds{$_} }) - median(@{ $nanoseconds{h} }) for @questions;
my @bytes = split /\|/, $session->run(<<'SQL');
SELECT round(avg(pg_column_size(seconds)) / 500, 2), round(avg(pg_column_size(micros)) / 500, 2) FROM (
	SELECT listing_stats.price_history(date_trunc('second', t), v) AS seconds, listing_stats.price_history(t, v) AS micros FROM (
		SELECT l, timestamptz '2026-01-01' + sum(interval '6 hours' + random() * interval '36 hours') OVER o AS t, (500 + sum(random() * 10 - 5) OVER o)::numeric(10,2) AS v
		FROM generate_series(1, 100) l, generate_series(1, 500) i WINDOW o AS (PARTITION BY l ORDER BY i)) p GROUP BY l) h;
SQL
print "\nBytes a step of a stored history: $bytes[0] at whole seconds (goal: 4), $bytes[1] at microseconds (goal: 8).\n\n";
$session->run('DROP SCHEMA history CASCADE;');

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
