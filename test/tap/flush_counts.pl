# What sessions do is counted together: from PostgreSQL 17 on always, before it where the module is preloaded.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
for my $database ('one', 'other')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database; ALTER DATABASE $database SET listing_stats.count_flushes = on");
	$node->safe_psql($database, q{
		CREATE EXTENSION listing_stats;
		CREATE TABLE listing (id int PRIMARY KEY);
		CREATE TABLE price (id serial PRIMARY KEY, listing_id int NOT NULL REFERENCES listing, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
		SELECT count(*) FROM listing_stats.attach('listing', 'price');
		INSERT INTO listing SELECT generate_series(1, 4);
	});
}
my $insert = 'INSERT INTO price (listing_id, value) VALUES (1, random());';
my $counts = 'SELECT listing, price, kept, flushes, locked, written, total_time > 0, shared FROM listing_stats.flush_counts';
my $reset = 'SELECT listing_stats.reset_flush_counts()';
my $version = $node->safe_psql('postgres', q{SELECT current_setting('server_version_num')::int / 10000});

$node->safe_psql('one', $reset);
is($node->safe_psql('one', "$insert $insert $counts"), 'listing|price|last_price|2|2|2|t|' . ($version >= 17 ? 't' : 'f'), 'a session sees what it does');
is($node->safe_psql('one', $counts), $version >= 17 ? 'listing|price|last_price|2|2|2|t|t' : '', 'others see it from 17 on');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'listing_stats'");
$node->restart;
is($node->safe_psql('one', $counts), '', 'nothing is counted before the server started');
$node->safe_psql($_, $insert) for 'one', 'one', 'other';
is($node->safe_psql('one', $counts), 'listing|price|last_price|2|2|2|t|t', 'all sessions are counted');
is($node->safe_psql('other', $counts), 'listing|price|last_price|1|1|1|t|t', 'by database');
my $file = $node->basedir . '/insert.sql';
append_to_file($file, $insert =~ s/\(1,/(1 + :client_id,/r);
my $clients = 4;
$node->command_ok([ 'pgbench', '-n', '-c', $clients, '-t', 200, '-f', $file, 'one' ], 'several at once');
is($node->safe_psql('one', $counts), 'listing|price|last_price|802|802|802|t|t', 'lose none');
$node->safe_psql('other', $reset);
like($node->safe_psql('other', $counts), qr/\|0\|0\|0\|f/, 'set to 0');
like($node->safe_psql('one', $counts), qr/\|802\|/, 'in that database alone');
$node->safe_psql('one', 'DROP TABLE price');
is($node->safe_psql('one', $counts), '', 'a table that is dropped is not shown');
$node->stop('immediate');
$node->start;
is($node->safe_psql('other', $counts), '', 'a crash loses them');
$node->safe_psql('other', $insert);
like($node->safe_psql('other', $counts), qr/\|1\|1\|1\|t/, 'and counting goes on');
$node->stop;
done_testing();
