# What keeping the column costs those who write: beside the same work on the same tables without it, and
# beside triggers written by hand.
use strict;
use warnings;

our ($session, $directory, $quick, $listings, $prices);
my $single_inserts = $quick ? 500 : 4000;

sub tables { $session->run("\\set deferred '$_[0]'\n\\o /dev/null\n\\i bench/tables.sql\n\\o") }

sub alternatives { $session->run("\\o /dev/null\n\\i bench/alternatives.sql\n\\o") }

# Which triggers "correct" and "floor" have: the cheapest for statements of one price, or those for any.
sub by_row
{
	my ($by_row) = @_;
	my ($one, $any) = $by_row ? qw(ENABLE DISABLE) : qw(DISABLE ENABLE);
	$session->run(qq{ALTER TABLE floor.price $any TRIGGER collect, $any TRIGGER keep, $one TRIGGER "Keep_one";
		ALTER TABLE correct.price $any TRIGGER keep_inserted, $any TRIGGER keep_deleted, $one TRIGGER "Keep_one";});
}

# A figure counts only if the column is right afterwards.
sub check_columns
{
	for my $side (@_)
	{
		my $wrong = $session->run("SELECT count(*) FROM $side.listing l WHERE last_price IS DISTINCT FROM (SELECT value FROM $side.price WHERE listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1);");
		failed("The column of $wrong listings of $side is wrong.") if $wrong;
	}
}

sub verify_kept
{
	my $wrong = $session->run("SELECT count(*) FROM listing_stats.verify('kept.listing', 'kept.price');");
	failed("verify() finds $wrong listings that differ.") if $wrong;
}

sub fill
{
	my ($file, @schemas) = @_;
	$session->run("COPY $_.price (listing_id, created, value) FROM '$file'; CHECKPOINT; VACUUM ANALYZE $_.price, $_.listing; CHECKPOINT;") for @schemas;
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
	my %round;
	return sub {
		my ($side) = @_;
		my $n = ++$round{$side};
		open my $script, '>', "$directory/$side.sql" or die "$directory: $!\n";
		# In a round all sides write the same.
		srand $n;
		print $script $statement->($side, $n * $count + $_, 1 + int rand $among), "\n" for 1 .. $count;
		close $script;
		return "\\i $directory/$side.sql";
	};
}

# Newer prices, one each.  An application writes the listing as well, in the same transaction.
sub single_inserts
{
	my ($among, $year) = @_;
	$year //= 2026;
	return statements($single_inserts, $among, sub {
		my ($side, $n, $listing) = @_;
		my ($created, $value) = ("'$year-01-01 00:00Z'::timestamptz + interval '$n seconds'", ratio(1 + rand 500));
		my $insert = "INSERT INTO $side.price (listing_id, created, value) VALUES ($listing, $created, $value);";
		return $insert unless $side eq 'application';
		return "BEGIN;\n$insert\nUPDATE application.listing SET last_price = $value, last_price_at = $created WHERE id = $listing;\nCOMMIT;";
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

sub best_trigger
{
	my ($cost, $what) = @_;
	my %median = map { my $side = $_; $side => median(map { $_->{$what} } @{ $cost->{$side} }) } grep { $cost->{$_} } qw(row_trigger statement_trigger correct);
	return (sort { $median{$a} <=> $median{$b} } keys %median)[0];
}

# What keeping the column adds, beside what the best trigger and the floor add: in instructions, since the time that is added is less than
# what the time of the whole varies.  Counted by callgrind in single-user mode on a copy of the server: of many
# statements less those of few before them, after which what they read is in memory.  All of them are newer than those before.
sub added_instructions
{
	my ($best) = @_;
	my $name = 'INSERT of one price: the instructions that keeping the column adds';
	return note("Not compared: $name, since valgrind is missing.") if system 'valgrind --version >/dev/null 2>&1';
	attempt($name, sub {
		my ($copy, $few, $many, %count) = ("$directory/copy", 150, 350);
		my $postgres = "'" . $session->run('SELECT setting FROM pg_config WHERE name = \'BINDIR\';') . "/postgres' --single -D '$copy' bench";
		my $inserts = single_inserts(200, 2030);
		system("pg_basebackup -D '$copy' -X fetch -c fast --no-sync && $postgres </dev/null >'$directory/log' 2>&1") and die "no copy of the server\n";
		for my $side ('plain', 'kept', 'floor', $best)
		{
			$inserts->($side);
			my ($with_few, $with_many) = map {
				`$_ '$directory/$side.sql' | valgrind --tool=callgrind --callgrind-out-file=/dev/null $postgres 2>&1 >'$directory/log'` =~ /Collected : (\d+)/
					? $1 : die "callgrind has counted nothing\n"
			} "head -n $few", "tail -n $many";
			$count{$side} = ($with_many - $with_few) / ($many - $few);
		}
		system 'rm', '-r', $copy;
		my $beside = sub { ratio(($count{kept} - $count{plain}) / ($count{ $_[0] } - $count{plain})) };
		row(name => "$name, beside what the floor adds", ratio => $beside->('floor'), goal => '');
		row(name => "$name, beside what the cheapest trigger in plpgsql adds", ratio => $beside->($best),
			others => [ [ floor => ratio(($count{floor} - $count{plain}) / ($count{$best} - $count{plain})) ] ]);
		note(sprintf 'An INSERT of one price takes %.0f thousand instructions, %.0f with ours, %.0f with the floor and %.0f with that trigger.',
			map { $count{$_} / 1000 } 'plain', 'kept', 'floor', $best);
	});
}

# Beside nothing; beside the floor, to which the goal belongs; and beside the trigger in plpgsql that is correct: of
# that 0.75, except where the floor itself takes more.
sub beside_the_floor
{
	my ($name, $goal, $rounds, $work, $prepare, @others) = @_;
	my $cost = compare($name, '', $rounds, $work, $prepare, qw(kept plain floor correct), @others) or return;
	report("$name, beside the floor", $goal, $cost, qw(kept floor));
	beside_plpgsql($name, $cost, 'cpu');
	return $cost;
}

sub beside_plpgsql
{
	my ($name, $cost, $what) = @_;
	my $floor = (relative($cost, $what, 'floor', 'correct'))[0];
	report("$name, beside the trigger in plpgsql that is correct", $floor > 0.75 ? '' : '0.75', $cost, qw(kept correct floor));
}

sub one_row_inserts
{
	my $cost = beside_the_floor('INSERT of one price, the newest, committed', '1.10', $quick ? 3 : 15, single_inserts($listings), undef,
		qw(row_trigger statement_trigger application)) or return;
	my $best = best_trigger($cost, 'cpu');
	report('INSERT of one price, beside the cheapest trigger in plpgsql', '', $cost, 'kept', $best);
	added_instructions($best);

	my $refreshed = attempt('REFRESH', sub { costs($quick ? 1 : 3, sub { 'REFRESH MATERIALIZED VIEW materialised_view.latest;' }, undef, 'view') }) or return;
	my ($refresh, $inserts) = map { median(map { $_->{cpu} } @$_) } $refreshed->{view}, $cost->{kept};
	note(sprintf 'One REFRESH of a materialised view of the latest prices takes as long as %d INSERTs of one price with ours.', $refresh / $inserts * $single_inserts);
}

sub bulk_loads
{
	my ($file, $name) = @_;
	my %after = (application => 'UPDATE application.listing l SET last_price = p.value FROM (SELECT DISTINCT ON (listing_id) listing_id, value FROM application.price ORDER BY listing_id, created DESC, id DESC) p WHERE p.listing_id = l.id;',
		materialised_view => 'REFRESH MATERIALIZED VIEW materialised_view.latest;');
	return beside_the_floor($name, '1.10', $quick ? 1 : 3, sub { copy($file)->($_[0]) . ($after{$_[0]} // '') }, sub { tables(''); alternatives() },
		qw(row_trigger statement_trigger application materialised_view));
}

sub writing
{
	section('Writing', 'What work on prices costs with the column kept, relative to the same work on the same tables (indexes and foreign key included) where nobody keeps it. '
		. readable($listings) . ' listings with ' . readable($prices) . ' prices. Others: triggers in plpgsql, of which "correct" alone is, under races (docs/alternatives.md), in its cheapest form for the work; "floor", the least that any trigger has to do, key by key (bench/floor.cpp): below 1.00 beside it ours reads or writes several at a time; an application that updates the listing in the same transaction, after a COPY by one UPDATE FROM (SELECT DISTINCT ON ...); a materialised view refreshed after the COPY.');
	my $file = price_file($prices, $listings);
	my $load = sub { 'COPY of ' . readable($_[0]) . ' prices over ' . readable($_[1]) . ' listings' };
	for my $case ([ '', '' ], [ 'DEFERRABLE INITIALLY DEFERRED', ', deferred foreign key' ])
	{
		my ($deferred, $suffix) = @$case;
		beside_the_floor($load->($prices, $listings) . $suffix, '1.10', $quick ? 1 : 3, copy($file), sub { tables($deferred); alternatives() });
		check_columns(qw(kept floor correct));
	}
	by_row(1);
	$session->run('CHECKPOINT; VACUUM ANALYZE ' . join(', ', map { ("$_.price", "$_.listing") } qw(kept plain floor correct)) . '; CHECKPOINT;');
	beside_the_floor('INSERT of one price, the newest, committed, deferred foreign key', '1.10', $quick ? 3 : 11, single_inserts($listings));
	check_columns(qw(kept floor correct));
	bulk_loads(price_file($prices / 10, $listings / 10), $load->($prices / 10, $listings / 10));
	check_columns(qw(kept floor correct row_trigger statement_trigger application));

	tables('');
	alternatives();
	fill($file, qw(kept plain statement_trigger correct floor));
	$session->run(<<"SQL") for qw(row_trigger application materialised_view);
ALTER TABLE $_.price DISABLE TRIGGER USER;
INSERT INTO $_.price SELECT * FROM statement_trigger.price;
ALTER TABLE $_.price ENABLE TRIGGER USER;
UPDATE $_.listing l SET last_price = s.last_price, last_price_at = s.last_price_at FROM statement_trigger.listing s WHERE s.id = l.id;
CHECKPOINT;
VACUUM ANALYZE $_.price;
SQL
	$session->run("VACUUM FULL ANALYZE $_.listing;") for qw(kept plain row_trigger statement_trigger correct floor application materialised_view);
	$session->run('CHECKPOINT;');
	by_row(1);
	one_row_inserts();
	beside_the_floor('INSERT of one price, back-dated', '1.05', $quick ? 3 : 11, single_inserts($listings, 2020));
	by_row(0);
	my $hundred = 'INSERT of 100 prices of 100 listings';
	beside_the_floor($hundred, '1.05', $quick ? 3 : 11, hundred_inserts(), undef, 'statement_trigger');
	check_columns(qw(kept floor correct row_trigger statement_trigger application));
	compare('UPDATE of the latest price of a listing', '1.40', $quick ? 3 : 9, changes('UPDATE %s.price SET value = value + 1 WHERE id = %s;'), undef, qw(kept plain correct));
	my $vacuum = sub { $session->run('CHECKPOINT; VACUUM ' . join(', ', map { ("$_.price", "$_.listing") } qw(kept plain floor correct)) . '; CHECKPOINT;') };
	$vacuum->();
	by_row(1);
	beside_the_floor('DELETE of the latest price of a listing', '1.05', $quick ? 3 : 9, changes('DELETE FROM %s.price WHERE id = %s;'));
	by_row(0);
	my $tenth = 0;
	beside_the_floor('DELETE of a tenth of all prices in one statement', '1.15', $quick ? 1 : 5, sub { "DELETE FROM $_[0].price WHERE id % 10 = $tenth;" },
		sub { ++$tenth; $vacuum->() });
	check_columns(qw(kept floor correct));
	my $round = 0;
	my $without = 'INSERT of ' . readable($listings) . ' listings without prices';
	my $cost = compare($without, '', $quick ? 1 : 5,
		sub { "INSERT INTO $_[0].listing (id, url, description) SELECT i, 'https://market.example/new/' || i, repeat('.', 60) FROM generate_series(10000000 + $round * $listings, 9999999 + ($round + 1) * $listings) i;" },
		sub { ++$round; $session->run('CHECKPOINT;') }, qw(kept plain floor));
	report("$without, beside the floor", '1.10', $cost, qw(kept floor)) if $cost;
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
	check_columns('kept');

	# Few listings with a long history each, and all columns kept.
	tables('');
	my $history = price_file($prices, 10);
	$session->run(<<"SQL");
SELECT * FROM listing_stats.attach('kept.listing', 'kept.price', last_price_at => 'last_price_at', previous_price => 'previous_price',
	lowest_price => 'lowest_price', highest_price => 'highest_price', price_count => 'price_count') \\g /dev/null
SQL
	fill($history, 'kept', 'plain');
	compare('INSERT of one price, all six columns kept, listings of ' . readable($prices / 10) . ' prices', '1.60', $quick ? 3 : 15, single_inserts(10));
	verify_kept();

	my @per_row;
	for my $rows (map { $_ * ($quick ? 1000 : 10_000) } 5, 10, 20, 40)
	{
		my $name = 'COPY of ' . readable($rows) . ' prices of ten listings';
		my $cost = compare($name, '', $quick ? 1 : 5, copy(price_file($rows, 10)), sub { tables(''); alternatives() }, qw(kept plain floor)) or next;
		check_columns(qw(kept floor));
		report("$name, beside the floor", '1.10', $cost, qw(kept floor));
		push @per_row, [ map { { cpu => $_->{cpu} / $rows } } @{ $cost->{kept} } ];
	}
	report('the last of these for each price, beside the first (linear: 1)', '1.20', { last => $per_row[-1], first => $per_row[0] }, qw(last first)) if @per_row == 4;

	tables('');
	$session->run(<<"SQL");
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
	compare('COPY of ' . readable($prices) . ' prices into a partitioned table', '1.60', $quick ? 1 : 3, copy($file),
		sub { $session->run('TRUNCATE kept.price, plain.price; VACUUM FULL kept.listing, plain.listing; CHECKPOINT;') });
	verify_kept();
}

1;
