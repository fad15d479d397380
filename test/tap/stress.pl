# Four clients run statements of all kinds on 2000 listings, with savepoints, errors and rollbacks, while verify()
# and refresh() run beside them, and TRUNCATE now and then: nothing is wrong, no false alarm is given, and no deadlock is
# ours.  What is corrupted meanwhile is found and repaired, also by a refresh() that starts again after it was killed.
# In one of five ways the prices are partitioned and attached to a second table by another key; in another one only those
# count that satisfy a condition, and the latest of each key of two columns has a row in a table of its own.
#
# LISTING_STATS_STRESS_SECONDS, 8 by default, 60 with tools/check --full, is how long; LISTING_STATS_SEED the seed.
# C4, C5, C8, C13, C14 of test/README.md.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{LISTING_STATS_STRESS_SECONDS} // 8;
my $seed = $ENV{LISTING_STATS_SEED} // int rand 1e6;
diag "LISTING_STATS_SEED=$seed";
srand $seed;
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = 3s\nmax_connections = 20\nsynchronous_commit = off\nlog_min_messages = error\nlog_statement = none");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION listing_stats');

my $one = q{SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC, id DESC LIMIT 1};
my $at = q{'2026-01-01'::timestamptz + :s * interval '1 s'};
# In no order.
my @batches = map { $node->basedir . "/batch$_.csv" } 1 .. 3;
append_to_file($_, join '', map { sprintf "%d,2026-01-%02d %02d:00,%d\n", 1 + rand 1500, 1 + rand 28, rand 24, rand 100 } 1 .. 40) for @batches;

# What may stand first in a transaction, and what may follow on the same listing.  Whoever holds a listing and then
# waits for a price can deadlock with whoever does it the other way round, as every statement on prices does: so what
# follows waits for no row of prices, or is on listings that no other client has (own).  Nor does what something follows
# write a price that another client has moved to a second listing, which would be locked before the first: that is what
# OF_LISTING is for.
my @of_one = (
	"INSERT INTO price (listing_id, created, value) VALUES (:l, $at, :s % 100);",
	"INSERT INTO price (listing_id, created, value) VALUES (:l, '2026-01-01', NULL);",
	"DELETE FROM price WHERE id = ($one) AND OF_LISTING;",
	"DELETE FROM price WHERE listing_id = :l AND created < $at;",
	"UPDATE price SET value = value + 1 WHERE id = ($one) AND OF_LISTING;",
	"UPDATE price SET created = $at, value = nullif(:s % 7, 0) WHERE id = ($one) AND OF_LISTING;",
	"UPDATE listing SET note = :s, last_price = :s, price_count = -1 WHERE id = :l;",
	"INSERT INTO price (id, listing_id, created, value) SELECT id, listing_id, $at, 5 FROM price WHERE id = ($one) ON CONFLICT (id) DO UPDATE SET value = :s, created = excluded.created WHERE OF_LISTING;",
	"MERGE INTO price USING (SELECT coalesce(($one), 0) AS id) AS s ON price.id = s.id AND OF_LISTING WHEN MATCHED AND price.value > 50 THEN DELETE WHEN MATCHED THEN UPDATE SET value = 60 WHEN NOT MATCHED THEN INSERT (listing_id, created, value) VALUES (:l, $at, 1);",
	"WITH gone AS (DELETE FROM price WHERE id = ($one) AND OF_LISTING RETURNING *) INSERT INTO price (listing_id, created, value) SELECT listing_id, $at, value + 1 FROM gone;",
	"SELECT swallow(:l, :s);");
my @inserts = @of_one[ 0, 1, 6, 10 ];
my @of_many = (
	"INSERT INTO price (listing_id, created, value) SELECT (:l * i) % 1500 + 1, $at, i FROM generate_series(1, 30) i;",
	"DELETE FROM price WHERE id IN (SELECT id FROM price WHERE listing_id IN (:l, :m) AND created > $at ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 10);",
	"UPDATE price SET listing_id = :m WHERE id = ($one);",
	"UPDATE price SET value = value + 1 WHERE id IN (SELECT id FROM price WHERE listing_id % 100 = :l % 100 AND listing_id <= 1500 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 20);");
push @of_many, map { "COPY price (listing_id, created, value) FROM '$_' (FORMAT csv);" } @batches;
# Foreign keys that cascade, from listings that no other client has: whoever deletes a listing, or changes its key, locks it
# before its prices.
my @cascades = (
	'DELETE FROM listing WHERE id = :l; INSERT INTO listing (id, last_price) VALUES (:l, 5);',
	'UPDATE listing SET id = 100000 + :l WHERE id = :l; UPDATE listing SET id = :l WHERE id = 100000 + :l;',
	"UPDATE listing SET id = 100000 + :l, last_price = 1 WHERE id = :l; INSERT INTO price (listing_id, created, value) VALUES (100000 + :l, $at, :s % 100); UPDATE listing SET id = :l WHERE id = 100000 + :l;");
# Directly on a partition, and from one to another.
my @of_partition = (
	"UPDATE price SET id = nextval('price_id_seq'), value = value + 1 WHERE id = ($one) AND OF_LISTING;",
	"DELETE FROM price_0 AS price WHERE id = ($one) AND OF_LISTING;",
	"UPDATE price_1 AS price SET value = value + 1 WHERE id = ($one) AND OF_LISTING;");
my @begin = ('BEGIN;', 'BEGIN;', 'BEGIN ISOLATION LEVEL REPEATABLE READ;', 'BEGIN ISOLATION LEVEL SERIALIZABLE;');

sub pick { return $_[ rand @_ ] }

sub random_transaction
{
	my ($way) = @_;
	my @first = (@of_one, $way->{partitioned} ? @of_partition : ());
	return pick(@of_many) if rand() < 0.3;
	return pick(@first) =~ s/OF_LISTING/true/r if rand() < 0.5;
	my $own = rand() < 0.5;
	my @next = $own ? (@first, $way->{cascades} ? @cascades : ()) : @inserts;
	my @lines = (pick(@begin), pick($own ? @next : @first));
	for my $savepoint ('a' .. pick('a' .. 'c'))
	{
		my $statement = pick(@next);
		my @end = ("RELEASE $savepoint;", '');
		# To go back over a subtransaction that has ended, as those of swallow() have, and then to write the row again
		# can be a deadlock of PostgreSQL's own (savepoints.spec), unless no other client has the row.
		push @end, "ROLLBACK TO $savepoint;", "ROLLBACK TO $savepoint;\n" . pick(@next)
			if $statement !~ /swallow/ || ($own && !$way->{partitioned});
		push @lines, "SAVEPOINT $savepoint;", $statement, pick(@end);
	}
	s/OF_LISTING/price.listing_id = :l/g for @lines;
	return join "\n", $own ? '\\set l 1501 + :client_id * 125 + :m % 125' : (), @lines, pick('COMMIT;', 'COMMIT;', 'ROLLBACK;');
}

my @columns = qw(last_price last_price_at previous_price lowest_price highest_price price_count);
my $kept = join ', ', @columns;

# How many wrong columns verify() finds.
sub verified
{
	my ($table) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM listing_stats.verify('$table', 'price')");
}

my $cascading = 'ON DELETE CASCADE ON UPDATE CASCADE';
my %ways = (
	deferred => { references => "REFERENCES listing $cascading DEFERRABLE INITIALLY DEFERRED", cascades => 1 },
	immediate => { references => "REFERENCES listing $cascading", cascades => 1 },
	# Listings come, go and change their keys, beside prices that come before them.
	none => { references => '', more => [
		'INSERT INTO listing VALUES (3000 + :s) ON CONFLICT DO NOTHING;',
		"INSERT INTO price (listing_id, created, value) VALUES (3000 + :s, $at, :s);",
		'DELETE FROM listing WHERE id = 3000 + :s;',
		'UPDATE listing SET id = 200000 + :s WHERE id = 3000 + :s AND NOT EXISTS (SELECT FROM listing WHERE id = 200000 + :s);' ] },
	# A seller has the prices of 42 listings: whoever has to wait for him holds none but these.
	partitioned => { references => "REFERENCES listing $cascading", cascades => 1, partitioned => 1,
		seller => ', seller_id int GENERATED ALWAYS AS (listing_id % 50 + 1) STORED REFERENCES seller' },
	# The same condition for both: of a price that counts for one alone only that one would be locked, and another
	# statement of the transaction could lock the other one after it.
	shapes => { references => "REFERENCES listing $cascading DEFERRABLE INITIALLY DEFERRED", cascades => 1, latest => 1,
		columns => q{, deleted boolean NOT NULL DEFAULT false, store text NOT NULL DEFAULT 'a'}, condition => 'NOT deleted', more => [
		"UPDATE price SET deleted = NOT deleted WHERE id = ($one);",
		"UPDATE price SET store = chr(97 + :s % 3) WHERE id = ($one);",
		q{DELETE FROM latest WHERE listing_id = :l AND store = 'a';},
		"INSERT INTO price (listing_id, created, value, deleted, store) SELECT (:l * i) % 1500 + 1, $at, i, i % 4 = 0, chr(97 + i % 3) FROM generate_series(1, 30) i;" ] });
for my $name (sort keys %ways)
{
	my $way = $ways{$name};
	my @tables = ('listing', $way->{seller} ? 'seller' : (), $way->{latest} ? 'latest' : ());
	my $condition = $way->{condition} // 'true';
	my $more_columns = $way->{columns} // '';
	my %key = (listing => 'id', seller => 'id', latest => 'listing_id, store');
	my %carried = (listing => '', seller => '', latest => ', price_id');
	my %is_of = (listing => 'p.listing_id = l.id', seller => 'p.seller_id = l.id', latest => 'p.listing_id = l.listing_id AND p.store = l.store');
	my %listings = (listing => 'listing', seller => 'seller', latest => '(SELECT DISTINCT listing_id, store FROM counted)');
	my %attach = map { $_ => "attach('$_', 'price', key => '${_}_id', " } qw(listing seller);
	$attach{latest} = q{keep_latest('price', 'latest', key => 'listing_id, store', carry => 'id AS price_id', };
	# The direct path does not take such a table.
	my $check = $name eq 'immediate' ? '' : 'ALTER TABLE listing ADD CONSTRAINT not_too_dear CHECK (last_price < 1000000);';
	my $seller = $way->{seller} // '';
	my $partitions = $way->{partitioned} ? 'PARTITION BY HASH (id)' : '';
	$node->safe_psql('postgres', qq{
		SET client_min_messages = warning;
		DROP TABLE IF EXISTS price, listing, seller, latest CASCADE;
		CREATE TABLE listing (id int PRIMARY KEY, note text) WITH (fillfactor = 70);
		CREATE TABLE seller (id int PRIMARY KEY);
		CREATE TABLE price (id bigserial PRIMARY KEY, listing_id int $way->{references}, created timestamptz NOT NULL, value numeric $seller$more_columns) $partitions;
		INSERT INTO listing SELECT generate_series(1, 2100);
		INSERT INTO seller SELECT generate_series(1, 50);
	});
	$node->safe_psql('postgres', qq{
		CREATE TABLE price_$_ PARTITION OF price FOR VALUES WITH (MODULUS 2, REMAINDER $_);
	}) for $way->{partitioned} ? (0, 1) : ();
	$node->safe_psql('postgres', qq{
		INSERT INTO price (listing_id, created, value) SELECT i % 2100 + 1, '2026-01-01'::timestamptz + i * interval '1 s', i % 100 FROM generate_series(1, 10000) i;
		SET client_min_messages = warning;
		CREATE VIEW counted AS SELECT * FROM price WHERE $condition;
	} . join '', map { my $keys = join ', ', map { "l.$_" } split /, /, $key{$_}; qq{
		SELECT count(*) FROM listing_stats.$attach{$_} last_price_at => 'last_price_at', previous_price => 'previous_price',
			lowest_price => 'lowest_price', highest_price => 'highest_price', price_count => 'price_count'@{[ $way->{condition} ? ", condition => '$condition'" : '' ]});
		CREATE VIEW recomputed_$_ AS
			SELECT $keys, last.value AS last_price, last.created AS last_price_at,
				(SELECT p.value FROM counted p WHERE $is_of{$_} AND p.value IS NOT NULL AND p.value IS DISTINCT FROM last.value ORDER BY p.created DESC, p.id DESC LIMIT 1) AS previous_price,
				min(p.value) AS lowest_price, max(p.value) AS highest_price, count(p.value) AS price_count@{[ $carried{$_} && ', last.id AS price_id' ]}
			FROM $listings{$_} l LEFT JOIN counted p ON $is_of{$_}
			LEFT JOIN LATERAL (SELECT p.value, p.created, p.id FROM counted p WHERE $is_of{$_} ORDER BY p.created DESC, p.id DESC LIMIT 1) last ON true
			GROUP BY $keys, last.value, last.created, last.id;
		CREATE VIEW wrong_$_ AS
			SELECT count(*) FROM (
				(SELECT $key{$_}, $kept$carried{$_} FROM $_ EXCEPT ALL TABLE recomputed_$_) UNION ALL
				(TABLE recomputed_$_ EXCEPT ALL SELECT $key{$_}, $kept$carried{$_} FROM $_)) AS wrong;
		} } @tables);
	$node->safe_psql('postgres', qq{
		$check
		-- An application's write of a kept column, and refresh(), lock listings before they look at prices: TRUNCATE, which does it
		-- the other way round, gives way before that is a deadlock.
		CREATE OR REPLACE FUNCTION truncate_if_it_can() RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '300ms' AS \$\$
		BEGIN
			TRUNCATE price;
			RETURN true;
		EXCEPTION WHEN lock_not_available THEN
			RETURN false;
		END \$\$;
		-- Errors in the statement, in the flush and after it, all swallowed.
		CREATE OR REPLACE FUNCTION swallow(l int, s int) RETURNS int LANGUAGE plpgsql AS \$\$
		BEGIN
			FOR i IN 1..3 LOOP
				BEGIN
					IF (s + i) % 3 = 0 THEN
						INSERT INTO price (listing_id, created, value) VALUES (l, '2030-01-01', 2000000);
					ELSIF (s + i) % 3 = 1 THEN
						INSERT INTO price (listing_id, created, value) VALUES (l, '2026-02-01', i), (l, NULL, 1);
					ELSE
						INSERT INTO price (listing_id, created, value) VALUES (l, '2026-02-02', i);
						PERFORM 1 / (s % 2);
					END IF;
				EXCEPTION WHEN check_violation OR not_null_violation OR division_by_zero THEN NULL;
				END;
			END LOOP;
			RETURN s;
		END \$\$;
	});
	is($node->safe_psql('postgres', "TABLE wrong_$_"), '0', "$name: $_ right at first") for @tables;

	my @files;
	for my $number (1 .. 60)
	{
		my $file = $node->basedir . "/$number.sql";
		unlink $file;
		append_to_file($file, "\\set l random_zipfian(1, 1500, 1.1)\n\\set m random(1, 1500)\n\\set s random(1, 100000)\n"
				. ($way->{more} && $number <= 8 ? $way->{more}[ $number % 4 ] =~ s/:s/(:s % 100)/gr : random_transaction($way)) . "\n");
		push @files, '-f', $file;
	}
	my ($out, $error) = ('', '');
	my $bench = IPC::Run::start(
		[ 'pgbench', '-n', '-c', 4, '-j', 2, '-T', $seconds, '--max-tries', 1000, "--random-seed=$seed", '-p', $node->port, '-h', $node->host, @files, 'postgres' ],
		'>', \$out, '2>', \$error);
	my ($rounds, $found, $alarms, $changed, $truncated) = (0, 0, 0, 0, 0);
	my $end = time + $seconds;
	while (time < $end - 1)
	{
		++$rounds;
		# No client touches the last hundred.  All columns at first, then one after the other.
		my $planted = 1 + int rand 50;
		my @corrupt = $rounds == 1 ? @columns : $columns[ $rounds % @columns ];
		my $wrong = join ', ', map { $_ eq 'last_price_at' ? "$_ = '1999-01-01'" : "$_ = -7" } @corrupt;
		$node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE listing SET $wrong WHERE id > 2100 - $planted AND id <= 2100");
		$found += $node->safe_psql('postgres', q{SELECT string_agg(DISTINCT "column", ' ' ORDER BY "column"), count(*) FROM listing_stats.verify('listing', 'price') WHERE key::int BETWEEN 2001 AND 2100}) eq join('|', join(' ', sort @corrupt), $planted * @corrupt);
		$alarms += $node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price') WHERE key::int NOT BETWEEN 2001 AND 2100});
		if ($rounds % 2)
		{
			# Killed somewhere.
			my $refresh = IPC::Run::start([ 'psql', '-X', '-p', $node->port, '-h', $node->host, '-c', q{CALL listing_stats.refresh('listing', 'price', 20)}, 'postgres' ], '>', '/dev/null', '2>', '/dev/null');
			sleep rand 0.1;
			$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'CALL%'});
			$refresh->finish;
		}
		my ($code, $stdout, $told) = $node->psql('postgres', "CALL listing_stats.refresh('listing', 'price', " . pick(7, 100, 3000) . ')');
		is($code, 0, 'refresh') or diag $told;
		# Nothing else was changed.
		++$changed if $told =~ /(\d+) changed/ && $1 > $planted;
		is(verified('listing'), '0', "$name: repaired, round $rounds");
		is($node->safe_psql('postgres', "SELECT count(*) FROM ((SELECT id, $kept FROM listing WHERE id BETWEEN 2001 AND 2100) EXCEPT ALL SELECT id, $kept FROM recomputed_listing) AS wrong"), '0', "$name: repaired, computed another way");
		if (@tables > 1)
		{
			is($node->safe_psql('postgres', "TABLE wrong_$tables[1]"), '0', "$name: nothing is wrong with $tables[1], round $rounds");
			# Rows that are missing are found too.
			my $missing = $way->{latest} ? $node->safe_psql('postgres', q{SET session_replication_role = replica;
				WITH gone AS (DELETE FROM latest WHERE listing_id > 2050 RETURNING 1) SELECT count(*) FROM gone}) : 0;
			($code, $stdout, $told) = $node->psql('postgres', "CALL listing_stats.refresh('$tables[1]', 'price', " . ($way->{latest} ? 100 : 7) . ')');
			# A row comes and goes, and is counted, where the last price of its key does while refresh() runs.
			my ($put_right) = $told =~ /: \d+ listings, (\d+) changed/;
			cmp_ok($put_right, $way->{latest} ? '>=' : '==', $missing, "$name: refresh by the other key");
			is(verified($tables[1]), '0', "$name: verified by the other key, round $rounds");
		}
		if ($rounds % 3 == 1)
		{
			for (1 .. 60)
			{
				last if $truncated += $node->safe_psql('postgres', 'SELECT truncate_if_it_can()') eq 't';
			}
		}
	}
	$bench->finish;
	my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
	my ($retried) = $out =~ /number of transactions retried: (\d+)/;
	is($found, $rounds, "$name: what was planted was found each time");
	is($alarms, 0, "$name: no false alarm");
	is($changed, 0, "$name: refresh() wrote nothing else");
	like($out, qr/number of failed transactions: 0 /, "$name: none failed but for serialization, and those were retried") or diag $error;
	unlike($error, qr/ERROR|abort/, "$name: no error");
	cmp_ok($transactions, '>', 100, "$name: transactions were processed");
	note "$name: $transactions transactions, $retried retried, $rounds rounds, truncated $truncated times";
	cmp_ok($truncated, '>', 0, "$name: the prices were truncated beside the clients");
	for my $table (@tables)
	{
		is($node->safe_psql('postgres', "TABLE wrong_$table"), '0', "$name: nothing is wrong with $table");
		is(verified($table), '0', "$name: $table verified");
	}

	# C5: two sessions write prices of 2000 listings at once, in opposite order.
	for my $round (1 .. 2)
	{
		my @sessions = map {
			IPC::Run::start([ 'psql', '-X', '-q', '-p', $node->port, '-h', $node->host, '-c',
				"INSERT INTO price (listing_id, created, value) SELECT l, now(), 1 FROM generate_series(1, 2000) l ORDER BY l $_", 'postgres' ], '2>', '/dev/null')
		} qw(ASC DESC);
		is(scalar(grep { !$_->finish } @sessions), 0, "$name: opposite orders, round $round");
	}
	is($node->safe_psql('postgres', "TABLE wrong_$_"), '0', "$name: nothing is wrong with $_ after it") for @tables;
}
my $log = slurp_file($node->logfile);
# With what each process had been doing, up to the next statement that is logged.
my @deadlocks = $log =~ /ERROR:  deadlock detected.*?STATEMENT:[^\n]*/gs;
is(scalar @deadlocks, 0, 'no deadlock') or diag join "\n", @deadlocks;
unlike($log, qr/PANIC|terminated by signal|cache lookup failed|without the flush|mid-statement/, 'nothing unexpected in the log');
$node->stop;
done_testing();
