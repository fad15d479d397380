# Inside an extension script attach() is refused: the triggers would be the extension's, not dumped.  S4, D9 of
# test/README.md.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
chomp(my $directory = `pg_config --sharedir`);
$directory .= '/extension';
append_to_file("$directory/listing_stats_tap.control", "default_version = '1'\nrelocatable = false\nschema = public\n");
append_to_file("$directory/listing_stats_tap--1.sql", q{
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz, value numeric);
	SELECT listing_stats.attach('public.listing', 'public.price');
});
$node->safe_psql('postgres', 'CREATE EXTENSION listing_stats');
my ($code, $out, $error) = $node->psql('postgres', 'CREATE EXTENSION listing_stats_tap');
like($error, qr/cannot attach tables inside an extension script/, 'refused');
is($node->safe_psql('postgres', q{SELECT to_regclass('listing') IS NULL}), 't', 'nothing is left');
unlink("$directory/listing_stats_tap.control", "$directory/listing_stats_tap--1.sql");

# A schema of that name which was there before is not taken over.
$node->safe_psql('postgres', 'DROP EXTENSION listing_stats; CREATE SCHEMA listing_stats');
($code, $out, $error) = $node->psql('postgres', 'CREATE EXTENSION listing_stats');
like($error, qr/schema "listing_stats" already exists/, 'a schema that is there already is refused');

# The extension cannot be dropped from under its triggers, but by CASCADE; the data stay.
$node->safe_psql('postgres', q{
	DROP SCHEMA listing_stats;
	CREATE EXTENSION listing_stats;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz, value numeric);
	SELECT listing_stats.attach('listing', 'price');
	INSERT INTO listing VALUES (1);
	INSERT INTO price VALUES (1, 1, '2026-01-01', 5);
});
($code, $out, $error) = $node->psql('postgres', 'DROP EXTENSION listing_stats');
like($error, qr/trigger LISTING_STATS_1 on table listing depends on function listing_stats.listing_changed/, 'DROP EXTENSION names the triggers');
$node->safe_psql('postgres', q{DROP EXTENSION listing_stats CASCADE; INSERT INTO price VALUES (2, 1, '2026-01-02', 6)});
is($node->safe_psql('postgres', 'SELECT last_price FROM listing'), '5', 'the data stay');
# and again in one session that has seen it all
is($node->safe_psql('postgres', q{
	SET client_min_messages = error;
	CREATE EXTENSION listing_stats;
	SELECT count(*) FROM listing_stats.attach('listing', 'price');
	INSERT INTO price VALUES (3, 1, '2026-01-03', 7);
	DROP EXTENSION listing_stats CASCADE;
	INSERT INTO price VALUES (4, 1, '2026-01-04', 8);
	CREATE EXTENSION listing_stats;
	SELECT count(*) FROM listing_stats.attach('listing', 'price', backfill => false);
	SELECT last_price FROM listing;
	INSERT INTO price VALUES (5, 1, '2026-01-05', 9);
	SELECT last_price FROM listing;
}), "1\n1\n7\n9", 'dropped and created again in one session');
$node->stop;
done_testing();
