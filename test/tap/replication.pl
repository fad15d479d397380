# Logical replication: a subscriber that gets only the prices keeps its own listings with
# replication => 'always'; one that gets both tables gets the columns with them.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->append_conf('postgresql.conf', 'max_prepared_transactions = 5');
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->start;

my $tables = q{
	CREATE EXTENSION listing_stats;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int, created timestamptz NOT NULL, value numeric);
	SET client_min_messages = warning;
};
my $show = 'SELECT * FROM listing ORDER BY id';
my $options = q{key => 'listing_id', previous_price => 'previous_price', price_count => 'price_count'};

$publisher->safe_psql('postgres', "$tables SELECT listing_stats.attach('listing', 'price', $options)");
$publisher->safe_psql('postgres', q{
	INSERT INTO listing VALUES (1), (2);
	INSERT INTO price VALUES (1, 1, '2026-01-01', 5), (2, 2, '2026-01-01', 6);
	CREATE PUBLICATION prices FOR TABLE price;
	CREATE PUBLICATION everything FOR TABLE listing, price;
});
my $connection = $publisher->connstr . ' dbname=postgres';

# Only the prices.
$subscriber->safe_psql('postgres', "$tables SELECT listing_stats.attach('listing', 'price', $options, replication => 'always'); INSERT INTO listing VALUES (1), (2);");
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION prices CONNECTION '$connection' PUBLICATION prices");
$subscriber->wait_for_subscription_sync($publisher, 'prices');
is($subscriber->safe_psql('postgres', $show), "1|5||1\n2|6||1", 'the initial copy');
$publisher->safe_psql('postgres', q{
	INSERT INTO price VALUES (3, 1, '2026-01-02', 7), (4, 2, '2025-01-01', 8);
	UPDATE price SET value = 9 WHERE id = 3;
	DELETE FROM price WHERE id = 2;
});
$publisher->wait_for_catchup('prices');
is($subscriber->safe_psql('postgres', $show), "1|9|5|2\n2|8||1", 'INSERT, UPDATE and DELETE');
$publisher->safe_psql('postgres', q{TRUNCATE price; INSERT INTO price VALUES (5, 1, '2026-01-02', 1)});
$publisher->wait_for_catchup('prices');
is($subscriber->safe_psql('postgres', $show), "1|1||1\n2|||0", 'TRUNCATE');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');
# A crash of the subscriber in between.
$publisher->safe_psql('postgres', q{INSERT INTO price VALUES (6, 1, '2026-01-03', 2), (7, 2, '2026-01-03', 3)});
$subscriber->stop('immediate');
$publisher->safe_psql('postgres', q{INSERT INTO price VALUES (8, 1, '2026-01-04', 4)});
$subscriber->start;
$publisher->wait_for_catchup('prices');
is($subscriber->safe_psql('postgres', $show), "1|4|2|3\n2|3||1", 'after a crash of the subscriber');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION prices');

# Both tables, the columns among them: triggers that fire on origin alone leave the rows as they come.
$subscriber->safe_psql('postgres', 'CREATE DATABASE mirror');
$subscriber->safe_psql('mirror', "$tables SELECT listing_stats.attach('listing', 'price', $options)");
$subscriber->safe_psql('mirror', "CREATE SUBSCRIPTION everything CONNECTION '$connection' PUBLICATION everything");
$subscriber->wait_for_subscription_sync($publisher, 'everything', 'mirror');
$publisher->safe_psql('postgres', q{INSERT INTO price VALUES (9, 2, '2026-01-05', 5)});
$publisher->wait_for_catchup('everything');
is($subscriber->safe_psql('mirror', $show), "1|4|2|3\n2|5|3|2", 'columns come with the listings');
is($subscriber->safe_psql('mirror', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');
$subscriber->safe_psql('mirror', 'DROP SUBSCRIPTION everything');

# C12: a prepared transaction holds its listings until it is committed; then the column is right.
$publisher->safe_psql('postgres', q{BEGIN; INSERT INTO price VALUES (20, 1, '2027-01-01', 20), (21, 99, '2027-01-01', 21); PREPARE TRANSACTION 'p'});
is($publisher->safe_psql('postgres', 'SELECT last_price FROM listing WHERE id = 1'), '4', 'not yet');
my ($code, $out, $error) = $publisher->psql('postgres', q{SET lock_timeout = '100ms'; INSERT INTO price VALUES (22, 1, '2026-06-01', 22)});
like($error, qr/canceling statement due to lock timeout/, 'others wait');
$publisher->safe_psql('postgres', q{COMMIT PREPARED 'p'; INSERT INTO listing VALUES (99)});
is($publisher->safe_psql('postgres', 'SELECT id, last_price FROM listing WHERE id IN (1, 99) ORDER BY id'), "1|20\n99|21", 'committed');
is($publisher->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');

$subscriber->stop;
$publisher->stop;
done_testing();
