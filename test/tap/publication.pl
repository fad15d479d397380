# A publication of all tables does not get in the way: the anchor of the flush is an INSERT into an
# unlogged table.  (An UPDATE of it would fail for want of a replica identity.)
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('publisher');
$node->init(allows_streaming => 'logical');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz, value numeric);
	INSERT INTO listing VALUES (1);
	SELECT count(*) FROM listing_stats.attach('listing', 'price');
	CREATE PUBLICATION everything FOR ALL TABLES;
});
$node->safe_psql('postgres', q{INSERT INTO price VALUES (1, 1, '2026-01-01', 5)});
$node->safe_psql('postgres', q{UPDATE price SET value = 6});
is($node->safe_psql('postgres', 'SELECT last_price FROM listing'), '6', 'kept with FOR ALL TABLES');
$node->safe_psql('postgres', q{TRUNCATE price});
is($node->safe_psql('postgres', 'SELECT last_price FROM listing'), '', 'truncated with FOR ALL TABLES');

# P6: a listing without replica identity cannot be updated once it is published: PostgreSQL's
# error, with our context.
$node->safe_psql('postgres', q{ALTER TABLE listing REPLICA IDENTITY NOTHING});
like($node->safe_psql('postgres', 'SELECT warnings FROM listing_stats.attachments'), qr/published without a replica identity/, 'a warning');
my ($code, $out, $error) = $node->psql('postgres', q{INSERT INTO price VALUES (2, 1, '2026-01-01', 5)});
like($error, qr/cannot update table "listing" because it does not have a replica identity/, 'replica identity');
like($error, qr/listing_stats keeping the columns of table "listing" from table "price"/, 'context');
is($node->safe_psql('postgres', 'SELECT count(*) FROM price'), '0', 'the statement is undone');
$node->stop;
done_testing();
