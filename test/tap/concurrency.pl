# Four clients write prices of few listings in every way at once, while attach() changes what is kept:
# nothing is wrong in the end, and no deadlock is ours.  C5, C15 of test/README.md.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{LISTING_STATS_STRESS_SECONDS} // 10;
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = 100ms\nlog_min_messages = error\nmax_connections = 20\nsynchronous_commit = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE TABLE listing (id int PRIMARY KEY, note int);
	CREATE TABLE price (id bigserial PRIMARY KEY, listing_id int REFERENCES listing DEFERRABLE INITIALLY DEFERRED, created timestamptz NOT NULL, value numeric);
	INSERT INTO listing SELECT generate_series(1, 50);
	INSERT INTO price (listing_id, created, value) SELECT i % 50 + 1, '2026-01-01'::timestamptz + i * interval '1 s', i FROM generate_series(1, 1000) i;
	SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at');
});

# One statement on prices each, so that no deadlock is the application's; some in a transaction of
# another isolation level, or in a savepoint that is rolled back.
my %scripts = (
	insert => q{INSERT INTO price (listing_id, created, value) VALUES (:l, '2026-01-01'::timestamptz + :s * interval '1 s', :s);},
	many => q{INSERT INTO price (listing_id, created, value) SELECT (:l * i) % 50 + 1, '2026-01-01'::timestamptz + :s * interval '1 s', i FROM generate_series(1, 20) i;},
	delete_latest => q{DELETE FROM price WHERE id = (SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC, id DESC LIMIT 1);},
	delete_some => q{DELETE FROM price WHERE id IN (SELECT id FROM price WHERE listing_id IN (:l, :m) AND created > '2026-01-01'::timestamptz + :s * interval '1 s' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 10);},
	update_value => q{UPDATE price SET value = value + 1 WHERE id = (SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC, id DESC LIMIT 1);},
	move => q{UPDATE price SET listing_id = :m WHERE id = (SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC, id DESC LIMIT 1);},
	save => q{UPDATE listing SET note = :s, last_price = :s WHERE id = :l;},
	repeatable => qq{BEGIN ISOLATION LEVEL REPEATABLE READ;\nINSERT INTO price (listing_id, created, value) VALUES (:l, '2026-01-01'::timestamptz + :s * interval '1 s', :s);\nCOMMIT;},
	serializable => qq{BEGIN ISOLATION LEVEL SERIALIZABLE;\nDELETE FROM price WHERE id = (SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC, id DESC LIMIT 1);\nCOMMIT;},
	savepoint => qq{BEGIN;\nSAVEPOINT a;\nINSERT INTO price (listing_id, created, value) VALUES (:l, '2027-01-01', :s);\nROLLBACK TO a;\nINSERT INTO price (listing_id, created, value) VALUES (:l, '2026-01-01', :s);\nCOMMIT;},
);
my @files;
for my $name (sort keys %scripts)
{
	my $file = $node->basedir . "/$name.sql";
	append_to_file($file, "\\set l random(1, 50)\n\\set m random(1, 50)\n\\set s random(1, 100000)\n$scripts{$name}\n");
	push @files, '-f', $file;
}
my $seed = int(rand(1e6));
note "seed $seed";
my ($out, $error) = ('', '');
my $bench = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 4, '-j', 2, '-T', $seconds, '--max-tries', 100, "--random-seed=$seed", '-p', $node->port, '-h', $node->host, @files, 'postgres' ],
	'>', \$out, '2>', \$error);
# attach() again, with another column, while they write
for my $round (1 .. $seconds / 2)
{
	sleep 2;
	my $column = $round % 2 ? 'again' : 'last_price';
	$node->safe_psql('postgres', "SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price => '$column')");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', "no false alarm, round $round");
}
ok($bench->finish, 'no client has given up') or diag $error;
my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
my ($failed) = $out =~ /number of failed transactions: (\d+)/;
cmp_ok($transactions, '>', 100, 'transactions were processed');
is($failed, 0, 'none failed but for serialization, and those were retried');
is($node->safe_psql('postgres', q{SELECT * FROM listing_stats.verify('listing', 'price')}), '', 'nothing is wrong');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM listing l CROSS JOIN LATERAL (
		SELECT (array_agg(p.value ORDER BY p.created DESC, p.id DESC))[1] AS value, (array_agg(p.created ORDER BY p.created DESC, p.id DESC))[1] AS created
		FROM price p WHERE p.listing_id = l.id) AS latest
	WHERE (last_price, again, last_price_at) IS DISTINCT FROM (value, value, created)}), '0', 'nothing is wrong, computed another way');
my $log = slurp_file($node->logfile);
my @deadlocks = $log =~ /ERROR:  deadlock detected/g;
is(scalar(@deadlocks), 0, 'no deadlock');
unlike($log, qr/PANIC|terminated by signal|cache lookup failed|without the flush/, 'nothing unexpected in the log');
$node->stop;
done_testing();
