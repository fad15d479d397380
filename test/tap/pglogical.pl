# pglogical's apply worker changes rows without a statement, and names no columns that it has updated.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', "max_worker_processes = 20");
$node->start;
plan skip_all => 'pglogical is not installed'
	if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pglogical'}) eq '0';
$node->append_conf('postgresql.conf', 'shared_preload_libraries = pglogical');
# Newer minor versions ask which output plugins may be loaded.
$node->append_conf('postgresql.conf', q{output_plugin_libraries = 'pgoutput, test_decoding, pglogical_output'})
	if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'}) ne '0';
$node->restart;

my $tables = q{
	CREATE EXTENSION pglogical;
	CREATE TABLE listing (id int PRIMARY KEY, note text);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric, currency text NOT NULL DEFAULT 'EUR');
};
for my $database ('provider', 'subscriber')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "$tables SELECT pglogical.create_node('$database', \$\$@{[ $node->connstr($database) ]}\$\$)");
}
$node->safe_psql('provider', q{SELECT pglogical.replication_set_add_table('default', 'price'), pglogical.replication_set_add_table('default', 'listing')});
$node->safe_psql('subscriber', q{CREATE EXTENSION listing_stats; SELECT count(*) FROM listing_stats.attach('listing', 'price', replication => 'always', price_count => 'price_count', carry => 'currency');
	SELECT count(*) FROM listing_stats.attach('listing', 'price', replication => 'always', condition => $$currency = 'EUR'$$, last_price => 'last_eur');
	SELECT count(*) FROM listing_stats.keep_latest('price', 'latest_price', key => 'listing_id, currency', replication => 'always')});
$node->safe_psql('subscriber', q{SELECT pglogical.create_subscription('s', $$} . $node->connstr('provider') . q{$$, synchronize_structure := false, synchronize_data := false)});
$node->poll_query_until('subscriber', q{SELECT status = 'replicating' FROM pglogical.show_subscription_status()}) or die 'it does not replicate';

for my $step (
	q{INSERT INTO listing VALUES (1), (2)},
	q{INSERT INTO price VALUES (1, 1, '2026-01-01', 10), (2, 1, '2026-01-02', 20), (3, 2, '2026-01-01', 30)},
	q{UPDATE price SET value = 21 WHERE id = 2},
	q{UPDATE price SET value = value + 1},
	q{UPDATE price SET created = '2020-01-01' WHERE id = 2},
	q{UPDATE price SET listing_id = 2 WHERE id = 1},
	q{UPDATE price SET currency = 'CHF' WHERE id = 2},
	q{UPDATE price SET currency = 'CHF'},
	q{UPDATE price SET currency = 'EUR' WHERE id = 3},
	q{BEGIN; UPDATE price SET value = 50 WHERE id = 3; UPDATE price SET value = 51 WHERE id = 3; COMMIT},
	q{INSERT INTO listing VALUES (4); UPDATE listing SET id = 5 WHERE id = 4},
	q{UPDATE listing SET note = 'x'},
	q{DELETE FROM price WHERE id = 3})
{
	$node->safe_psql('provider', $step);
	$node->safe_psql('provider', q{SELECT pglogical.wait_slot_confirm_lsn(NULL, NULL)});
	is($node->safe_psql('subscriber', "SELECT count(*) FROM listing_stats.verify('$_', 'price')"), '0', "$step: $_") for qw(listing latest_price);
	my $latest = 'SELECT value FROM price WHERE listing_id = l.id';
	my $order = 'ORDER BY created DESC, id DESC LIMIT 1';
	is($node->safe_psql('subscriber', 'SELECT id, note, last_price, last_currency, last_eur FROM listing ORDER BY id'),
		$node->safe_psql('provider', "SELECT id, note, ($latest $order), (@{[ $latest =~ s/value/currency/r ]} $order), ($latest AND currency = 'EUR' $order) FROM listing l ORDER BY id"), "$step: replicated");
	is($node->safe_psql('subscriber', 'SELECT listing_id, currency, last_price FROM latest_price ORDER BY 1, 2'),
		$node->safe_psql('provider', 'SELECT DISTINCT ON (listing_id, currency) listing_id, currency, value FROM price ORDER BY listing_id, currency, created DESC, id DESC'), "$step: keep_latest()");
}
$node->safe_psql('subscriber', q{SELECT pglogical.drop_subscription('s')});
# pglogical's workers, among them the one that removes the slot, can keep the server from stopping otherwise.
$node->stop('immediate');
done_testing();
