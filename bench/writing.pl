# What keeping the column costs those who write: beside the same work on the same tables without it, and
# beside triggers written by hand.
use strict;
use warnings;

our ($session, $directory, $quick, $listings, $prices);

sub tables { $session->run("\\set deferred '$_[0]'\n\\o /dev/null\n\\i bench/tables.sql\n\\o") }

sub alternatives { $session->run("\\set deferred '$_[0]'\n\\o /dev/null\n\\i bench/alternatives.sql\n\\o") }

sub fill
{
	my ($file, @schemas) = @_;
	$session->run("COPY $_.price (listing_id, created, value) FROM '$file'; VACUUM ANALYZE $_.price, $_.listing; CHECKPOINT;") for @schemas;
}

sub copy
{
	my ($file) = @_;
	return sub { "COPY $_[0].price (listing_id, created, value) FROM '$file';" };
}

# A file of statements, each committed by itself: what $statement makes of a schema, a number that grows and a
# random listing of the first $among.
sub statements
{
	my ($count, $among, $statement) = @_;
	my $n = 0;
	return sub {
		my ($side) = @_;
		open my $script, '>', "$directory/$side.sql" or die "$directory: $!\n";
		srand ++$n / 2;
		print $script $statement->($side, $n * $count + $_, 1 + int rand $among), "\n" for 1 .. $count;
		close $script;
		return "\\i $directory/$side.sql";
	};
}

# Newer prices, one each.
sub single_inserts
{
	my ($among) = @_;
	return statements($quick ? 500 : 2000, $among, sub {
		sprintf "INSERT INTO %s.price (listing_id, created, value) VALUES (%d, '2026-01-01 00:00Z'::timestamptz + interval '%d seconds', %.2f);",
			$_[0], $_[2], $_[1], 1 + rand 500;
	});
}

sub old_inserts
{
	return statements($quick ? 500 : 2000, $listings, sub {
		sprintf "INSERT INTO %s.price (listing_id, created, value) VALUES (%d, '2020-01-01 00:00Z'::timestamptz + interval '%d seconds', %.2f);",
			$_[0], $_[2], $_[1], 1 + rand 500;
	});
}

sub hundred_inserts
{
	return statements($quick ? 20 : 100, $listings - 700, sub {
		my ($side, $n, $listing) = @_;
		"INSERT INTO $side.price (listing_id, created, value) SELECT $listing + 7 * i, '2027-01-01 00:00Z'::timestamptz + interval '$n seconds', i FROM generate_series(0, 99) i;";
	});
}

# Of the latest price of a listing.
sub changes
{
	my ($change) = @_;
	return statements($quick ? 200 : 1000, $listings, sub {
		my ($side, undef, $listing) = @_;
		sprintf $change, $side, "(SELECT id FROM $side.price WHERE listing_id = $listing ORDER BY created DESC, id DESC LIMIT 1)";
	});
}

# Transactions per second of so many clients that insert newer prices of one listing.
sub throughput
{
	my ($schema, $clients) = @_;
	open my $script, '>', "$directory/hot.sql" or die "$directory: $!\n";
	print $script "INSERT INTO $schema.price (listing_id, created, value) VALUES (1, clock_timestamp(), :client_id);\n";
	close $script;
	my $seconds = $quick ? 1 : 3;
	my $answer = `pgbench -n -c $clients -j $clients -T $seconds -f '$directory/hot.sql' bench 2>&1`;
	return $answer =~ /^tps = (\S+)/m ? $1 : die "pgbench: $answer\n";
}

sub hot_listing
{
	my ($clients) = @_;
	my %tps;
	for my $round (0 .. ($quick ? 1 : 5))
	{
		for my $side (qw(kept plain row_trigger statement_trigger))
		{
			my $now = throughput($side, $clients);
			push @{ $tps{$side} }, $now if $round;
		}
	}
	$_ = median(@$_) for values %tps;
	my $name = "$clients clients insert prices of one listing";
	row($name, '', '1.3', '', ratio($tps{plain} / $tps{kept}), '');
	row("$name, beside triggers in plpgsql", '', '0.2', '', ratio((sort { $b <=> $a } @tps{qw(row_trigger statement_trigger)})[0] / $tps{kept}), '');
}

# What our work costs above the same without, relative to what the best trigger written by hand does.
sub beside_triggers
{
	my ($name, $goal, $rounds, $work) = @_;
	my $cost = costs($rounds, $work, undef, qw(kept plain row_trigger statement_trigger));
	my %cpu = map { $_ => median(map { $_->{cpu} } @{ $cost->{$_} }) } keys %$cost;
	my ($best) = sort { $cpu{$a} <=> $cpu{$b} } qw(row_trigger statement_trigger);
	row("$name: all, beside the best trigger in plpgsql", ratio($cpu{kept} / $cpu{$best}), '', '', '', '');
	row("$name: what it adds, beside that trigger", ratio(($cpu{kept} - $cpu{plain}) / ($cpu{$best} - $cpu{plain})), $goal, '', '', '');
}

sub writing
{
	my $file = price_file($prices, $listings);
	for my $case ([ '', '' ], [ 'DEFERRABLE INITIALLY DEFERRED', ', deferred FK' ])
	{
		my ($deferred, $suffix) = @$case;
		compare('COPY of ' . readable($prices) . ' over ' . readable($listings) . " listings$suffix", '1.15', $quick ? 1 : 3,
			copy($file), sub { tables($deferred) });
		tables($deferred);
		fill($file, 'kept', 'plain');
		compare("INSERT of one row, committed, newest$suffix", '1.25', $quick ? 3 : 15, single_inserts($listings));
	}

	tables('');
	alternatives('');
	fill($file, qw(kept plain statement_trigger));
	$session->run(<<'SQL');
ALTER TABLE row_trigger.price DISABLE TRIGGER keep;
INSERT INTO row_trigger.price SELECT * FROM statement_trigger.price;
UPDATE row_trigger.listing l SET last_price = s.last_price, last_price_at = s.last_price_at FROM statement_trigger.listing s WHERE s.id = l.id;
ALTER TABLE row_trigger.price ENABLE TRIGGER keep;
VACUUM FULL ANALYZE row_trigger.listing, statement_trigger.listing, kept.listing, plain.listing;
VACUUM ANALYZE row_trigger.price;
CHECKPOINT;
SQL
	beside_triggers('INSERT of one row', '0.65', $quick ? 3 : 11, single_inserts($listings));
	compare('INSERT of one row, back-dated', '1.10', $quick ? 3 : 11, old_inserts());
	compare('INSERT of 100 rows over 100 listings', '1.40', $quick ? 3 : 11, hundred_inserts());
	compare('the same, beside statement triggers in plpgsql', '0.90', $quick ? 3 : 11, hundred_inserts(), undef, [qw(kept statement_trigger)]);
	compare('UPDATE of the latest price', '1.40', $quick ? 3 : 9, changes('UPDATE %s.price SET value = value + 1 WHERE id = %s;'));
	compare('DELETE of the latest price', '1.60', $quick ? 3 : 9, changes('DELETE FROM %s.price WHERE id = %s;'));
	my $tenth = 0;
	compare('DELETE of a tenth of all prices', '3.00', $quick ? 1 : 5, sub { "DELETE FROM $_[0].price WHERE id % 10 = $tenth;" },
		sub { ++$tenth; $session->run('VACUUM kept.price, plain.price, kept.listing, plain.listing; CHECKPOINT;') });
	my $round = 0;
	compare('INSERT of ' . readable($listings) . ' listings without prices', '1.30', $quick ? 1 : 5,
		sub { "INSERT INTO $_[0].listing (id, url, description) SELECT i, 'https://market.example/new/' || i, repeat('.', 60) FROM generate_series(10000000 + $round * $listings, 9999999 + ($round + 1) * $listings) i;" },
		sub { ++$round; $session->run('CHECKPOINT;') });
	hot_listing($_) for 2, 4;

	# The tables are filled again from here on.
	tables('');
	fill($file, 'kept', 'plain');
	my $updated = $quick ? 1000 : 10_000;
	compare('UPDATE of another column of ' . readable($updated) . ' listings', '1.25', $quick ? 3 : 9,
		sub { "UPDATE $_[0].listing SET description = reverse(description) WHERE id BETWEEN $round * $updated + 1 AND ($round + 1) * $updated;" },
		sub {
			$round = ($round + 1) % 10;
			$session->run('VACUUM FULL kept.listing, plain.listing; CHECKPOINT;');
		});
	compare('refresh() of ' . readable($listings) . ' listings beside a constant UPDATE', '1.30', $quick ? 1 : 5,
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
CLUSTER kept.listing USING listing_pkey;
CLUSTER plain.listing USING listing_pkey;
VACUUM ANALYZE kept.listing, plain.listing;
CHECKPOINT;
SQL
		});

	# Few listings with a long history each, and all columns kept.
	tables('');
	my $history = price_file($prices, 10);
	$session->run(<<"SQL");
SELECT * FROM listing_stats.attach('kept.listing', 'kept.price', last_price_at => 'last_price_at', previous_price => 'previous_price',
	lowest_price => 'lowest_price', highest_price => 'highest_price', price_count => 'price_count') \\g /dev/null
SQL
	fill($history, 'kept', 'plain');
	compare('INSERT of one row, all columns, ' . readable($prices / 10) . ' prices each', '1.60', $quick ? 3 : 15, single_inserts(10));

	my @per_row;
	for my $rows (map { $_ * ($quick ? 1000 : 10_000) } 5, 10, 20, 40)
	{
		my $cpu = compare('COPY of ' . readable($rows) . ' into ten listings', '1.08', $quick ? 1 : 5,
			copy(price_file($rows, 10)), sub { tables('') });
		push @per_row, $cpu / $rows;
	}
	row('the last for each row, relative to the first (linear: 1)', ratio($per_row[-1] / $per_row[0]), '1.20', '', '', '');

	tables('');
	$session->run(<<"SQL");
\\set ON_ERROR_STOP 1
DO \$\$
DECLARE
	s text;
BEGIN
	FOREACH s IN ARRAY ARRAY['kept', 'plain'] LOOP
		EXECUTE format('DROP TABLE %I.price CASCADE', s);
		EXECUTE format('CREATE TABLE %1\$I.price (id bigserial, listing_id bigint NOT NULL REFERENCES %1\$I.listing, created timestamptz NOT NULL, value numeric(10,2), PRIMARY KEY (id, created)) PARTITION BY RANGE (created)', s);
		EXECUTE format('CREATE INDEX ON %I.price (listing_id, created DESC, id DESC) INCLUDE (value)', s);
		EXECUTE format('CREATE TABLE %1\$I.first PARTITION OF %1\$I.price FOR VALUES FROM (MINVALUE) TO (%2\$L)', s, '2025-01-06');
		EXECUTE format('CREATE TABLE %1\$I.second PARTITION OF %1\$I.price FOR VALUES FROM (%2\$L) TO (MAXVALUE)', s, '2025-01-06');
	END LOOP;
END \$\$;
SELECT * FROM listing_stats.attach('kept.listing', 'kept.price', tie => 'id') \\g /dev/null
SQL
	compare('COPY of ' . readable($prices) . ' into a partitioned table', '1.60', $quick ? 1 : 3, copy($file),
		sub { $session->run('TRUNCATE kept.price, plain.price; VACUUM FULL kept.listing, plain.listing; CHECKPOINT;') });

	my $wrong = $session->run("SELECT count(*) FROM listing_stats.verify('kept.listing', 'kept.price');");
	print "verify() finds $wrong rows that differ.\n";
	return $wrong == 0;
}

1;
