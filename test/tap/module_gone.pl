# The extension is there and its module is not: files uninstalled, or a database restored where they never were.  No DDL
# command fails for it, and what prices cannot be kept for fails until the triggers are disabled or the extension is
# removed.  D11 of test/README.md.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $directory = `pg_config --pkglibdir`);
my $module = "$directory/listing_stats.so";
plan skip_all => "cannot move $module away" unless -w $directory && -e $module;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
my $moved = 0;
sub move_away { rename($module, "$module.gone") or die "$module: $!"; $moved = 1; }
sub put_back { rename("$module.gone", $module) or die "$module: $!"; $moved = 0; }
END { my $code = $?; put_back() if $moved; $? = $code; }

$node->safe_psql('postgres', q{
	CREATE ROLE shop LOGIN;
	GRANT CREATE ON SCHEMA public TO shop;
	CREATE EXTENSION listing_stats;
	SET SESSION AUTHORIZATION shop;
	SET client_min_messages = warning;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric);
	SELECT count(*) FROM listing_stats.attach('listing', 'price');
	INSERT INTO listing VALUES (1);
	INSERT INTO price VALUES (1, 1, '2026-01-01', 5);
});
# What a new session of an ordinary role is told.
sub says
{
	my ($command, @options) = @_;
	my ($code, $out, $error) = $node->psql('postgres', $command, on_error_stop => 1, extra_params => [ '-U', 'shop' ], @options);
	return $code == 0 ? "done $out$error" : "failed $error";
}
my $warned = qr/^done .*WARNING:  listing_stats could not follow this command: could not access file "(?:\$libdir\/)?listing_stats".*HINT:  .*DROP EXTENSION listing_stats CASCADE/s;

move_away();
like(says($_), $warned, $_) for 'CREATE TABLE other (a int)', 'CREATE TABLE lonely (a int)';
is(says('CREATE INDEX ON other (a); DROP TABLE lonely'), 'done ', 'what nothing of ours is called for says nothing');
like(says($_), $warned, $_) for 'ALTER TABLE other ADD b int', 'ALTER TABLE other RENAME a TO c', 'ALTER TABLE other DROP c', 'CREATE TABLE referring (l int REFERENCES listing); DROP TABLE referring';
is(says('DROP TABLE other'), 'done ', 'DROP TABLE');
like(says(q{INSERT INTO price VALUES (2, 1, '2026-01-02', 6)}), qr/^failed .*could not access file/s, 'a price that cannot be kept is refused');
like(says(qq{ALTER TABLE $_ DISABLE TRIGGER "LISTING_STATS_1"}), $warned, "triggers of $_ can be disabled") for qw(price listing);
is(says(q{INSERT INTO price VALUES (2, 1, '2026-01-02', 6)}), 'done ', 'and then prices can be written');
like(says('BEGIN; ALTER TABLE price RENAME value TO amount; DROP TABLE price; ROLLBACK'), $warned, 'attached tables can be changed and dropped');
command_ok([ 'pg_dump', '-p', $node->port, '-h', $node->host, '-f', $node->basedir . '/dump', 'postgres' ], 'pg_dump');

put_back();
is(says(q{ALTER TABLE price ENABLE TRIGGER "LISTING_STATS_1"; ALTER TABLE listing ENABLE TRIGGER "LISTING_STATS_1"}), 'done ', 'the module is back');
like(says(q{CALL listing_stats.refresh('listing', 'price')}), qr/1 listings, 1 changed/, 'refresh() repairs what the triggers missed');
is(says('SELECT last_price FROM listing'), 'done 6', 'and the column is right');

# And removed.
move_away();
is($node->psql('postgres', 'DROP EXTENSION listing_stats CASCADE'), 0, 'DROP EXTENSION');
is(says('ALTER TABLE price RENAME value TO amount; DROP TABLE price, listing'), 'done ', 'nothing is left');
put_back();

# plpgsql, which the functions of the event triggers are in.
$node->safe_psql('postgres', 'DROP EXTENSION plpgsql');
my ($code, $out, $error) = $node->psql('postgres', 'CREATE EXTENSION listing_stats');
like($error, qr/required extension "plpgsql" is not installed\n?HINT:  Use CREATE EXTENSION ... CASCADE/, 'plpgsql is needed');
is($node->psql('postgres', 'SET client_min_messages = warning; CREATE EXTENSION listing_stats CASCADE'), 0, 'CASCADE installs it as well');
$node->stop;
done_testing();
