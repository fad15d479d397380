# Histories: built, read and asked, beside the SQL that does the same.
use strict;
use warnings;

our ($session, $quick, $listings);

sub compare_queries
{
	my ($name, $goal, $ours, $theirs) = @_;
	my %query = (ours => $ours, theirs => $theirs);
	return compare($name, $goal, $quick ? 1 : 3, sub { "$query{$_[0]} \\g /dev/null" }, undef, qw(ours theirs));
}

sub history
{
	# Histories: fifty prices of each listing, in the order of time.
	my $history_rows = readable(50 * $listings);
	section('Histories', "Building the histories of $history_rows prices of " . readable($listings) . ' listings, and asking them, relative to what is named after "beside". Questions to a stored history stand beside changes(), which reads each step; what reading the value takes is left out.');
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
CHECKPOINT;
VACUUM ANALYZE history.price, history.hundred;
CHECKPOINT;
SQL

	my $grouped = 'FROM history.price GROUP BY listing_id';
	compare_queries("price_history of $history_rows prices, beside array_agg(ORDER BY)", '1.5',
		"SELECT count(h) FROM (SELECT listing_stats.price_history(created, value) AS h $grouped) g",
		"SELECT count(h) FROM (SELECT array_agg(value ORDER BY created) AS h $grouped) g");
	compare_queries('time_weighted_average of each listing, beside window functions', '0.33',
		"SELECT sum(a) FROM (SELECT listing_stats.time_weighted_average(listing_stats.price_history(created, value), until => '2026-01-01 00:00Z') AS a $grouped) g",
		"SELECT sum(a) FROM (SELECT sum(value * extract(epoch FROM until - created)) / sum(extract(epoch FROM until - created)) AS a FROM ("
			. "SELECT listing_id, created, value, lead(created, 1, '2026-01-01 00:00Z') OVER (PARTITION BY listing_id ORDER BY created, id) AS until FROM history.price) s GROUP BY listing_id) g");
	if (available('first_last_agg', "first_last_agg's last()"))
	{
		$session->run('CREATE EXTENSION IF NOT EXISTS first_last_agg SCHEMA public;');
		compare_queries("latest() of each listing, beside first_last_agg's last(ORDER BY)", '0.55',
			"SELECT sum(a) FROM (SELECT listing_stats.latest(value, created, id) AS a $grouped) g",
			"SELECT sum(a) FROM (SELECT last(value ORDER BY created, id) AS a $grouped) g");
		compare_queries("latest() of all rows, beside first_last_agg's last(ORDER BY)", '0.55', 'SELECT listing_stats.latest(value, created, id) FROM history.price',
			'SELECT last(value ORDER BY created, id) FROM history.price');
	}
	my $some = $quick ? 1000 : 10_000;
	for my $aggregate ('array_agg(value ORDER BY created)', 'listing_stats.price_history(created, value)')
	{
		compare_queries('read_price_history() of one listing, beside ' . $aggregate =~ s/listing_stats\.|\(.*//gr, '0.33',
			"SELECT count(listing_stats.read_price_history('history.price', i, key_column => 'listing_id')) FROM generate_series(1, $some) i",
			"SELECT count(h) FROM generate_series(1, $some) i, LATERAL (SELECT $aggregate AS h FROM history.price WHERE listing_id = i) g");
	}

	for my $length (100, 1000, 10_000)
	{
		my $several = 1_000_000 / $length / ($quick ? 10 : 1);
		$session->run("DROP TABLE IF EXISTS history.long; CREATE TABLE history.long AS SELECT i AS id, i % $several + 1 AS listing_id, timestamptz '2020-01-01 00:00Z' + i * interval '1 minute' AS created, (1 + i % 4999)::numeric(10,2) AS value FROM generate_series(1, $several * $length) i;"
			. 'ALTER TABLE history.long ADD PRIMARY KEY (id); ALTER TABLE history.long ALTER created SET NOT NULL; CREATE INDEX ON history.long (listing_id, created DESC, id DESC) INCLUDE (value); CHECKPOINT; VACUUM ANALYZE history.long;');
		my %answer = (lowest => [ 'listing_stats.lowest(h)', 'min(value)' ], changes => [ 'listing_stats.changes(h)', 'count(*) FILTER (WHERE value IS DISTINCT FROM before)' ]);
		for my $question (sort keys %answer)
		{
			my ($ours, $theirs) = @{ $answer{$question} };
			my $from = $question eq 'lowest' ? 'history.long WHERE listing_id = i' : '(SELECT value, lag(value) OVER (ORDER BY created) AS before FROM history.long WHERE listing_id = i) p';
			compare_queries("$question() of read_price_history() of " . readable($length) . ' prices, beside an aggregate of the same rows', '0.33',
				"SELECT count($ours) FROM (SELECT listing_stats.read_price_history('history.long', i, key_column => 'listing_id') AS h FROM generate_series(1, $several) i) p",
				"SELECT count(a) FROM generate_series(1, $several) i, LATERAL (SELECT $theirs AS a FROM $from) p");
		}
	}

	# What a question takes beyond reading the value.
	my @questions = ('latest(h)', 'previous(h)', "price_at(h, '2025-02-20')", 'lowest(h)', "lowest(h, '2025-02-01', '2025-03-01')",
		"time_weighted_average(h, until => '2025-06-01')", "availability(h, until => '2025-06-01')", 'changes(h)', 'price_drop_percent(h)', 'is_lowest(h)', "days_at_price(h, '2025-06-01')",
		'sparkline(h)');
	my (%nanoseconds, @microseconds);
	for my $round (0 .. ($quick ? 1 : 7))
	{
		for my $question ('h', @questions)
		{
			my $call = $question eq 'h' ? 'h' : "listing_stats.$question";
			my $cost = measure("SELECT count($call) FROM history.hundred \\g /dev/null")->{cpu};
			push @{ $nanoseconds{$question} }, $cost * 1e9 / 100_000 if $round;
		}
	}
	for my $question (@questions)
	{
		my @takes = map { $nanoseconds{$question}[$_] - $nanoseconds{h}[$_] } 0 .. $#{ $nanoseconds{h} };
		my @ratio = map { $takes[$_] / ($nanoseconds{'changes(h)'}[$_] - $nanoseconds{h}[$_]) } 0 .. $#takes;
		push @microseconds, sprintf '%s %.2f', $question, median(@takes) / 1000;
		next if $question eq 'changes(h)';
		# It finds the last time before it reads the steps, and draws 40 cells.
		my $goal = $question eq 'sparkline(h)' ? '2.20' : '1.50';
		row(name => "$question of 100 steps, beside changes(h)", goal => $goal, ratio => ratio(median(@ratio)), spread => spread(@ratio));
	}
	row(name => 'microseconds for changes(h) of 100 steps', absolute => 1, goal => '1.00', ratio => ratio(median(map { ($nanoseconds{'changes(h)'}[$_] - $nanoseconds{h}[$_]) / 1000 } 0 .. $#{ $nanoseconds{h} })));
	note('Microseconds for a question of 100 steps: ' . join(', ', @microseconds) . '.');
	my @bytes = split /\|/, $session->run(<<'SQL');
SELECT round(avg(pg_column_size(seconds)) / 500, 2), round(avg(pg_column_size(micros)) / 500, 2) FROM (
	SELECT listing_stats.price_history(date_trunc('second', t), v) AS seconds, listing_stats.price_history(t, v) AS micros FROM (
		SELECT l, timestamptz '2026-01-01' + sum(interval '6 hours' + random() * interval '36 hours') OVER o AS t, (500 + sum(random() * 10 - 5) OVER o)::numeric(10,2) AS v
		FROM generate_series(1, 100) l, generate_series(1, 500) i WINDOW o AS (PARTITION BY l ORDER BY i)) p GROUP BY l) h;
SQL
	row(name => 'bytes for each step of a stored history, times in whole seconds', absolute => 1, goal => '4.00', ratio => $bytes[0]);
	row(name => 'bytes for each step of a stored history, times in microseconds', absolute => 1, goal => '8.00', ratio => $bytes[1]);
	$session->run('DROP SCHEMA history CASCADE;');
}

1;
