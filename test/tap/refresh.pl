# refresh() beside writers: what it repairs is right, nobody waits for longer than a batch, and it can be
# killed and started again.  C14 of test/README.md.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{LISTING_STATS_STRESS_SECONDS} // 3;
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = 100ms\nlog_min_messages = error\nmax_connections = 20\nsynchronous_commit = off\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION listing_stats');

sub tables
{
	my ($listings, $prices) = @_;
	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS price, listing;
		CREATE TABLE listing (id int PRIMARY KEY);
		CREATE TABLE price (id bigserial PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric);
		INSERT INTO listing SELECT generate_series(1, $listings);
		INSERT INTO price (listing_id, created, value) SELECT i % $listings + 1, '2026-01-01'::timestamptz + i * interval '1 s', i FROM generate_series(1, $listings * $prices) i;
	});
}

sub pgbench
{
	my ($clients, $time, $options, %scripts) = @_;
	my @files;
	for my $name (sort keys %scripts)
	{
		my $file = $node->basedir . "/$name.sql";
		unlink $file;
		append_to_file($file, $scripts{$name});
		push @files, '-f', $file;
	}
	my ($out, $error) = ('', '');
	local $ENV{PGOPTIONS} = $options;
	my $run = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-T', $time, '-p', $node->port, '-h', $node->host, @files, 'postgres' ],
		'>', \$out, '2>', \$error);
	return { run => $run, out => \$out, error => \$error };
}

sub ends_well
{
	my ($pgbench, $name) = @_;
	ok($pgbench->{run}->finish, "$name meet no error") or diag ${ $pgbench->{error} };
	my ($transactions) = ${ $pgbench->{out} } =~ /number of transactions actually processed: (\d+)/;
	cmp_ok($transactions, '>', 10, "$name were at work: $transactions");
}

sub nothing_is_wrong
{
	my ($name) = @_;
	is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', "$name: nothing is wrong");
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM (
			SELECT id, last_price FROM listing
			EXCEPT ALL
			SELECT l.id, (array_agg(p.value ORDER BY p.created DESC, p.id DESC))[1]
			FROM listing l LEFT JOIN price p ON p.listing_id = l.id GROUP BY l.id) AS wrong}), '0', "$name: nothing is wrong, computed another way");
}

# Each round: everything is corrupted, and refreshed while others write.
my %writers = (
	insert => "\\set l random(1, 3000)\n\\set s random(1, 100000)\nINSERT INTO price (listing_id, created, value) VALUES (:l, '2026-01-01'::timestamptz + :s * interval '1 s', :s);\n",
	many => "\\set l random(1, 3000)\n\\set s random(1, 100000)\nINSERT INTO price (listing_id, created, value) SELECT (:l * i) % 3000 + 1, '2026-01-01'::timestamptz + :s * interval '1 s', i FROM generate_series(1, 3) i;\n",
	delete_latest => "\\set l random(1, 3000)\nDELETE FROM price WHERE id = (SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC, id DESC LIMIT 1);\n",
);
tables(3000, 5);
$node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.attach('listing', 'price')});
for my $round (1 .. 4)
{
	$node->safe_psql('postgres', q{SET session_replication_role = replica; UPDATE listing SET last_price = -1});
	my $bench = pgbench(3, $seconds, '', %writers);
	select undef, undef, undef, 0.3;
	my ($size, $isolation) = @{ [ [ 3000, 'read committed' ], [ 100, 'repeatable read' ], [ 1000, 'serializable' ], [ 7, 'read committed' ] ]->[ $round - 1 ] };
	my ($code, $out, $error) = $node->psql('postgres', "SET default_transaction_isolation = '$isolation'; CALL listing_stats.refresh('listing', 'price', $size)");
	is($code, 0, "refresh in batches of $size, $isolation") or diag $error;
	my ($changed) = $error =~ /3000 listings, (\d+) changed/;
	cmp_ok($changed // 0, '>', 0, 'it had something to repair: ' . ($changed // $error));
	ends_well($bench, 'writers');
	nothing_is_wrong("round $round");
}

# The recipe for big tables, beside readers and a writer who do not wait for long.
tables(20000, 10);
my $readers = pgbench(2, 2 * $seconds, '-c lock_timeout=500ms', read => "\\set l random(1, 20000)\nSELECT * FROM listing JOIN price ON listing_id = listing.id WHERE listing.id = :l;\n");
my $writer = pgbench(1, 2 * $seconds, '-c lock_timeout=2s', write => "\\set l random(1, 20000)\n\\set s random(1, 1000000)\nINSERT INTO price (listing_id, created, value) VALUES (:l, '2026-01-01'::timestamptz + :s * interval '1 s', :s);\n");
for my $step (
	'ALTER TABLE listing ADD COLUMN last_price numeric',
	'CREATE INDEX CONCURRENTLY ON price (listing_id, created DESC, id DESC) INCLUDE (value)',
	q{SELECT count(*) FROM listing_stats.attach('listing', 'price', backfill => false)},
	q{CALL listing_stats.refresh('listing', 'price', 1000)})
{
	my ($code, $out, $error) = $node->psql('postgres', $step);
	is($code, 0, $step) or diag $error;
	unlike($error, qr/created (column|index)/, 'nothing is made that is there');
}
ends_well($readers, 'readers');
ends_well($writer, 'writers');
nothing_is_wrong('recipe');

# Killed in the middle, which others can see, and started again.
$node->safe_psql('postgres', q{
	SET session_replication_role = replica; UPDATE listing SET last_price = -1; RESET session_replication_role;
	CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.005); RETURN new; END';
	CREATE TRIGGER slow BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION slow();
});
my $told = '';
my $refresh = IPC::Run::start([ 'psql', '-X', '-p', $node->port, '-h', $node->host, '-c', q{CALL listing_stats.refresh('listing', 'price', 10)}, 'postgres' ], '>', '/dev/null', '2>', \$told);
for (1 .. 300)
{
	last if $told =~ /refreshing/;
	$refresh->pump_nb;
	select undef, undef, undef, 0.1;
}
like($told, qr/^NOTICE:  refreshing table "listing" from table "price" by "listing_id": \d+ of 20000 listings \(\d+ %\), \d+ per second, (\d+ min )?\d+ s to go$/m, 'it tells how far it is');
is($node->safe_psql('postgres', q{
	SELECT done % 10, done BETWEEN 100 AND 10000, total, changed <= done, changed > 0, per_second > 0, remaining > interval '1 s', updated > started, finished
	FROM listing_stats.refresh_progress WHERE listing = 'listing'::regclass}), '0|t|20000|t|t|t|t|t|f', 'and so does the view');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'CALL%'});
$refresh->finish;
like($told, qr/terminating connection due to administrator command\n.*after \d+ of 20000 listings, which are committed/s, 'it is killed, and tells what stays');
my ($done, $changed) = split /\|/, $node->safe_psql('postgres', q{SELECT done, changed FROM listing_stats.refresh_progress WHERE NOT finished});
is($node->safe_psql('postgres', 'SELECT count(*) FROM listing WHERE last_price <> -1'), $changed, 'what was committed stays');
$node->safe_psql('postgres', 'DROP TRIGGER slow ON listing');
my ($code, $out, $error) = $node->psql('postgres', q{CALL listing_stats.refresh('listing', 'price', 1000)});
like($error, qr/20000 listings, @{[ 20000 - $changed ]} changed/, 'the rest is repaired, and no more');
nothing_is_wrong('started again');

my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock detected/, 'no deadlock');
unlike($log, qr/PANIC|terminated by signal|cache lookup failed|without the flush|could not serialize/, 'nothing unexpected in the log');
$node->stop;
done_testing();
