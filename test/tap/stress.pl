# Four clients run statements of all kinds on 2000 listings, with savepoints, errors and rollbacks, while verify()
# and refresh() run beside them: nothing is wrong, no false alarm is given, and no deadlock is ours.  What is
# corrupted meanwhile is found and repaired, also by a refresh() that starts again after it was killed.
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
$node->append_conf('postgresql.conf', "deadlock_timeout = 100ms\nmax_connections = 20\nsynchronous_commit = off\nlog_min_messages = error\nlog_statement = none");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION listing_stats');

my $one = q{SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC, id DESC LIMIT 1};
my $at = q{'2026-01-01'::timestamptz + :s * interval '1 s'};
# What may stand first in a transaction, and what may follow on the same listing.  Whoever holds a listing and then
# waits for a price can deadlock with whoever does it the other way round, as every statement on prices does: so what
# follows waits for no row of prices, or is on listings that no other client has (own).
my @of_one = (
	"INSERT INTO price (listing_id, created, value) VALUES (:l, $at, :s % 100);",
	"INSERT INTO price (listing_id, created, value) VALUES (:l, '2026-01-01', NULL);",
	"DELETE FROM price WHERE id = ($one);",
	"DELETE FROM price WHERE listing_id = :l AND created < $at;",
	"UPDATE price SET value = value + 1 WHERE id = ($one);",
	"UPDATE price SET created = $at, value = nullif(:s % 7, 0) WHERE id = ($one);",
	"UPDATE listing SET note = :s, last_price = :s, price_count = -1 WHERE id = :l;",
	"INSERT INTO price (id, listing_id, created, value) SELECT id, listing_id, $at, 5 FROM price WHERE id = ($one) ON CONFLICT (id) DO UPDATE SET value = :s, created = excluded.created;",
	"MERGE INTO price USING (SELECT coalesce(($one), 0) AS id) AS s ON price.id = s.id WHEN MATCHED AND price.value > 50 THEN DELETE WHEN MATCHED THEN UPDATE SET value = 60 WHEN NOT MATCHED THEN INSERT (listing_id, created, value) VALUES (:l, $at, 1);",
	"WITH gone AS (DELETE FROM price WHERE id = ($one) RETURNING *) INSERT INTO price (listing_id, created, value) SELECT listing_id, $at, value + 1 FROM gone;",
	"SELECT swallow(:l, :s);");
my @inserts = @of_one[ 0, 1, 6, 10 ];
my @of_many = (
	"INSERT INTO price (listing_id, created, value) SELECT (:l * i) % 1500 + 1, $at, i FROM generate_series(1, 30) i;",
	"DELETE FROM price WHERE id IN (SELECT id FROM price WHERE listing_id IN (:l, :m) AND created > $at ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 10);",
	"UPDATE price SET listing_id = :m WHERE id = ($one);",
	"UPDATE price SET value = value + 1 WHERE id IN (SELECT id FROM price WHERE listing_id % 100 = :l % 100 AND listing_id <= 1500 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 20);");
my @begin = ('BEGIN;', 'BEGIN;', 'BEGIN ISOLATION LEVEL REPEATABLE READ;', 'BEGIN ISOLATION LEVEL SERIALIZABLE;');

sub pick { return $_[ rand @_ ] }

sub random_transaction
{
	return pick(@of_many) if rand() < 0.3;
	return pick(@of_one) if rand() < 0.5;
	my $own = rand() < 0.5;
	my @next = $own ? @of_one : @inserts;
	my @lines = (pick(@begin), pick(@of_one));
	for my $savepoint ('a' .. pick('a' .. 'c'))
	{
		push @lines, "SAVEPOINT $savepoint;", pick(@next), pick("ROLLBACK TO $savepoint;", "RELEASE $savepoint;", "ROLLBACK TO $savepoint;\n" . pick(@next), '');
	}
	return join "\n", $own ? '\\set l 1501 + :client_id * 125 + :m % 125' : (), @lines, pick('COMMIT;', 'COMMIT;', 'ROLLBACK;');
}

sub wrong
{
	return $node->safe_psql('postgres', q{
		SELECT count(*) FROM ((
			SELECT id, last_price, last_price_at, previous_price, lowest_price, highest_price, price_count FROM listing EXCEPT ALL TABLE recomputed)
			UNION ALL (
			TABLE recomputed EXCEPT ALL SELECT id, last_price, last_price_at, previous_price, lowest_price, highest_price, price_count FROM listing)) AS wrong});
}

my %foreign_keys = (
	deferred => [ 'REFERENCES listing DEFERRABLE INITIALLY DEFERRED' ],
	immediate => [ 'REFERENCES listing' ],
	# Listings come, go and change their keys, beside prices that come before them.
	none => [ '',
		'INSERT INTO listing VALUES (3000 + :s) ON CONFLICT DO NOTHING;',
		"INSERT INTO price (listing_id, created, value) VALUES (3000 + :s, $at, :s);",
		'DELETE FROM listing WHERE id = 3000 + :s;',
		'UPDATE listing SET id = 200000 + :s WHERE id = 3000 + :s AND NOT EXISTS (SELECT FROM listing WHERE id = 200000 + :s);' ]);
for my $foreign_key (sort keys %foreign_keys)
{
	my ($references, @more) = @{ $foreign_keys{$foreign_key} };
	# The direct path does not take such a table.
	my $check = $foreign_key eq 'immediate' ? '' : 'ALTER TABLE listing ADD CONSTRAINT not_too_dear CHECK (last_price < 1000000);';
	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS price, listing CASCADE;
		CREATE TABLE listing (id int PRIMARY KEY, note text) WITH (fillfactor = 70);
		CREATE TABLE price (id bigserial PRIMARY KEY, listing_id int $references, created timestamptz NOT NULL, value numeric);
		INSERT INTO listing SELECT generate_series(1, 2100);
		INSERT INTO price (listing_id, created, value) SELECT i % 2100 + 1, '2026-01-01'::timestamptz + i * interval '1 s', i % 100 FROM generate_series(1, 10000) i;
		SET client_min_messages = warning;
		SELECT count(*) FROM listing_stats.attach('listing', 'price', key => 'listing_id', last_price_at => 'last_price_at', previous_price => 'previous_price',
			lowest_price => 'lowest_price', highest_price => 'highest_price', price_count => 'price_count');
		$check
		CREATE VIEW recomputed AS
			SELECT l.id, last.value AS last_price, last.created AS last_price_at,
				(SELECT p.value FROM price p WHERE p.listing_id = l.id AND p.value IS NOT NULL AND p.value IS DISTINCT FROM last.value ORDER BY p.created DESC, p.id DESC LIMIT 1) AS previous_price,
				min(p.value) AS lowest_price, max(p.value) AS highest_price, count(p.value) AS price_count
			FROM listing l LEFT JOIN price p ON p.listing_id = l.id
			LEFT JOIN LATERAL (SELECT value, created FROM price p WHERE p.listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1) last ON true
			GROUP BY l.id, last.value, last.created;
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
	is(wrong(), '0', "$foreign_key: right at first");

	my @files;
	for my $number (1 .. 60)
	{
		my $file = $node->basedir . "/$number.sql";
		unlink $file;
		append_to_file($file, "\\set l random_zipfian(1, 1500, 1.1)\n\\set m random(1, 1500)\n\\set s random(1, 100000)\n"
				. (@more && $number <= 8 ? $more[ $number % @more ] =~ s/:s/(:s % 100)/gr : random_transaction()) . "\n");
		push @files, '-f', $file;
	}
	my ($out, $error) = ('', '');
	my $bench = IPC::Run::start(
		[ 'pgbench', '-n', '-c', 4, '-j', 2, '-T', $seconds, '--max-tries', 1000, "--random-seed=$seed", '-p', $node->port, '-h', $node->host, @files, 'postgres' ],
		'>', \$out, '2>', \$error);
	my ($rounds, $found, $alarms, $changed) = (0, 0, 0, 0);
	my $end = time + $seconds;
	while (time < $end - 1)
	{
		++$rounds;
		# No client touches the last hundred.
		my $planted = 1 + int rand 50;
		$node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE listing SET last_price = -1, price_count = NULL WHERE id > 2100 - $planted AND id <= 2100");
		$found += $node->safe_psql('postgres', q{SELECT count(DISTINCT key) FROM listing_stats.verify('listing', 'price') WHERE key::int BETWEEN 2001 AND 2100}) == $planted;
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
		is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', "$foreign_key: repaired, round $rounds");
	}
	$bench->finish;
	my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
	my ($retried) = $out =~ /number of transactions retried: (\d+)/;
	is($found, $rounds, "$foreign_key: what was planted was found each time");
	is($alarms, 0, "$foreign_key: no false alarm");
	is($changed, 0, "$foreign_key: refresh() wrote nothing else");
	like($out, qr/number of failed transactions: 0 /, "$foreign_key: none failed but for serialization, and those were retried") or diag $error;
	unlike($error, qr/ERROR|abort/, "$foreign_key: no error");
	cmp_ok($transactions, '>', 100, "$foreign_key: transactions were processed");
	note "$foreign_key: $transactions transactions, $retried retried, $rounds rounds";
	is(wrong(), '0', "$foreign_key: nothing is wrong");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', "$foreign_key: verified");
}
my $log = slurp_file($node->logfile);
my @deadlocks = $log =~ /ERROR:  deadlock detected/g;
is(scalar @deadlocks, 0, 'no deadlock');
unlike($log, qr/PANIC|terminated by signal|cache lookup failed|without the flush|mid-statement/, 'nothing unexpected in the log');

# C5: two sessions write prices of 3000 listings at once, in opposite order.
for my $round (1 .. 4)
{
	my @sessions = map {
		IPC::Run::start([ 'psql', '-X', '-q', '-p', $node->port, '-h', $node->host, '-c',
			"INSERT INTO price (listing_id, created, value) SELECT l, now(), 1 FROM generate_series(1, 2000) l ORDER BY l $_", 'postgres' ], '2>', '/dev/null')
	} qw(ASC DESC);
	is(scalar(grep { !$_->finish } @sessions), 0, "opposite orders, round $round");
}
is(wrong(), '0', 'nothing is wrong');
$node->stop;
done_testing();
