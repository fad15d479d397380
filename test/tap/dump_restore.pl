# What is attached is in the triggers, so a dump carries it; and a standby can verify.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE SCHEMA "My shop";
	CREATE TABLE "My shop".listing (gone int, id int PRIMARY KEY);
	CREATE TABLE "My shop".price (gone int, id int PRIMARY KEY, listing_id int REFERENCES "My shop".listing, created timestamptz NOT NULL, value numeric);
	ALTER TABLE "My shop".listing DROP COLUMN gone;
	ALTER TABLE "My shop".price DROP COLUMN gone;
	INSERT INTO "My shop".listing VALUES (1), (2);
	INSERT INTO "My shop".price VALUES (1, 1, '2026-01-01', 5);
	SELECT count(*) FROM listing_stats.attach('"My shop".listing', '"My shop".price');
	-- Values of both types, of a role that is nobody else's, with numbers of any size, ties, and times that are none.
	CREATE ROLE teller LOGIN;
	CREATE SCHEMA teller AUTHORIZATION teller;
	SET ROLE teller;
	CREATE TABLE teller.said (id int PRIMARY KEY, d listing_stats.price_distribution, h listing_stats.price_history);
	INSERT INTO teller.said SELECT k, listing_stats.price_stats(v), listing_stats.price_history(at, v, tie)
	FROM generate_series(1, 6) k, LATERAL (SELECT CASE WHEN i % 11 > 0 THEN (i * 7919 % 1009) / 4.0 + CASE WHEN k = 5 AND i = 7 THEN 1e30 WHEN k = 6 AND i = 7 THEN 'NaN' ELSE 0 END END AS v,
		'2026-01-01 00:00Z'::timestamptz + i / 2 * interval '1 s' AS at, CASE WHEN i % 3 > 0 THEN i END AS tie FROM generate_series(1, CASE k WHEN 1 THEN 1 WHEN 2 THEN 3000 ELSE 100 END) i) p(v, at, tie) GROUP BY k;
	INSERT INTO teller.said VALUES (7, '{}', '{}'), (8, NULL, NULL), (9, '{1e-16383, -9e131071, Infinity*3, -Infinity, NaN, null*4611686018427387000}', '{-infinity=1, 0044-03-15 BC#-5=1e-16383, infinity=null}');
	RESET ROLE;
	CREATE DATABASE restored;
	CREATE DATABASE copied TEMPLATE postgres;
});
# The very bytes of all values.
my $bytes = q{SELECT string_agg(concat_ws('|', id, listing_stats._price_distribution_send(d), listing_stats._price_history_send(h)), E'\n' ORDER BY id) FROM teller.};
my $said = $node->safe_psql('postgres', $bytes . 'said');
is(scalar(my @lines = split /\n/, $said), 9, 'values of both types');
for my $format ('text', 'csv', 'binary')
{
	my $file = $node->basedir . "/said.$format";
	is($node->safe_psql('postgres', "COPY teller.said TO '$file' (FORMAT $format); CREATE TABLE teller.$format (LIKE teller.said); COPY teller.$format FROM '$file' (FORMAT $format); $bytes$format"),
		$said, "COPY, $format");
	$node->safe_psql('postgres', "DROP TABLE teller.$format");
}
my $dump = $node->basedir . '/dump.sql';
command_ok([ 'pg_dump', '-p', $node->port, '-h', $node->host, '-f', $dump, 'postgres' ], 'pg_dump');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-p', $node->port, '-h', $node->host, '-f', $dump, 'restored' ], 'restore');
for my $database ('postgres', 'restored', 'copied')
{
	$node->safe_psql($database, q{INSERT INTO "My shop".price VALUES (2, 2, '2026-01-01', 6); DELETE FROM "My shop".price WHERE id = 1});
	is($node->safe_psql($database, q{SELECT * FROM "My shop".listing ORDER BY id}), "1|\n2|6", "kept in $database");
	is($node->safe_psql($database, q{SELECT listing, price, last_price, warnings FROM listing_stats.attachments}),
		'"My shop".listing|"My shop".price|last_price|{}', "attached in $database");
	is($node->safe_psql($database, $bytes . 'said'), $said, "values in $database");
}
# By the role itself, to whom the functions behind the types are not granted.
$node->safe_psql('copied', 'ALTER TABLE teller.said RENAME TO before');
command_ok([ 'pg_dump', '-U', 'teller', '-p', $node->port, '-h', $node->host, '-t', 'teller.said', '-f', "$dump.said", 'postgres' ], "a role's own dump");
command_ok([ 'psql', '-U', 'teller', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-p', $node->port, '-h', $node->host, '-c', 'ALTER INDEX teller.said_pkey RENAME TO before_pkey', '-f', "$dump.said", 'copied' ], 'and restore');
is($node->safe_psql('copied', $bytes . 'said'), $said, "values of a role's own dump");
# Renames are in the arguments, so a dump taken after them has the new names: it has no record by which
# anything is looked up.  In the restored database further renames are followed as well.
$node->safe_psql('postgres', q{
	CREATE DATABASE renamed TEMPLATE restored;
	CREATE DATABASE renamed_restored;
});
$node->safe_psql('renamed', q{
	ALTER TABLE "My shop".price DROP CONSTRAINT price_listing_id_fkey;
	ALTER TABLE "My shop".price RENAME value TO "Betrag";
	ALTER TABLE "My shop".price RENAME created TO seen;
	ALTER TABLE "My shop".price RENAME listing_id TO item_id;
	ALTER TABLE "My shop".price RENAME TO offer;
	ALTER TABLE "My shop".listing RENAME last_price TO latest;
	ALTER TABLE "My shop".listing RENAME id TO code;
	ALTER TABLE "My shop".listing RENAME TO item;
	ALTER SCHEMA "My shop" RENAME TO shop;
});
command_ok([ 'pg_dump', '-p', $node->port, '-h', $node->host, '-f', "$dump.renamed", 'renamed' ], 'pg_dump after renames');
unlike(slurp_file("$dump.renamed"), qr/EXECUTE FUNCTION .*(My shop|=value|created|listing_id|last_price=last_price)/, 'no old name is dumped');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-p', $node->port, '-h', $node->host, '-f', "$dump.renamed", 'renamed_restored' ], 'restore after renames');
$node->safe_psql('renamed_restored', q{
	INSERT INTO shop.offer VALUES (3, 1, '2026-01-03', 7);
	ALTER TABLE shop.offer RENAME "Betrag" TO value;
	ALTER TABLE shop.item RENAME latest TO last_price;
	ALTER SCHEMA shop RENAME TO again;
	INSERT INTO again.offer VALUES (4, 2, '2026-01-04', 8);
});
is($node->safe_psql('renamed_restored', q{SELECT * FROM again.item ORDER BY code}), "1|7\n2|8", 'kept after renames, restore and renames');
is($node->safe_psql('renamed_restored', q{SELECT listing, price, last_price, value, warnings FROM listing_stats.attachments}),
	'again.item|again.offer|last_price|value|{}', 'attached after renames, restore and renames');

# Two databases that were migrated alike have the same structure dumped, also where OIDs differ, after renames, after a
# restore of either, and attached once more.
sub structure
{
	my $text = `pg_dump --schema-only -h @{[$node->host]} -p @{[$node->port]} $_[0]`;
	is($?, 0, "structure of $_[0] dumped");
	return $text =~ s/^\\(un)?restrict .*\n//gmr;
}
$node->safe_psql('postgres', "CREATE DATABASE $_") for 'one', 'other', 'loaded';
$node->safe_psql('other', 'CREATE TABLE before_us (id int)');
for my $database ('one', 'other')
{
	$node->safe_psql($database, q{
		DROP TABLE IF EXISTS before_us;
		CREATE EXTENSION listing_stats;
		CREATE TABLE listing (id int PRIMARY KEY);
		CREATE TABLE price (id int, listing_id int REFERENCES listing, seen timestamptz NOT NULL, value numeric, kind text, PRIMARY KEY (id, seen)) PARTITION BY RANGE (seen);
		CREATE TABLE price_1 PARTITION OF price FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
		SELECT count(*) FROM listing_stats.attach('listing', 'price', carry => 'kind', condition => 'kind <> ''ask''');
		CREATE TABLE price_2 PARTITION OF price FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
		ALTER TABLE price RENAME value TO amount;
		ALTER TABLE listing RENAME last_price TO latest;
		CREATE TABLE event (id int PRIMARY KEY, sensor int NOT NULL, at timestamptz NOT NULL, value numeric);
		SELECT count(*) FROM listing_stats.keep_latest('event', 'latest_event', key => 'sensor');
	});
}
isnt($node->safe_psql('one', q{SELECT 'price'::regclass::oid}), $node->safe_psql('other', q{SELECT 'price'::regclass::oid}), 'OIDs differ');
my $structure = structure('one');
like($structure, qr/listing_stats\.price_changed\(.*'value=amount'/, 'what is attached is dumped');
is(structure('other'), $structure, 'databases that were migrated alike are dumped alike');
append_to_file("$dump.structure", $structure);
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-p', $node->port, '-h', $node->host, '-f', "$dump.structure", 'loaded' ], 'the structure is loaded');
is(structure('loaded'), $structure, 'and dumped alike again');
my $again = q{SELECT count(*) FROM listing_stats.attach('listing', 'price'); SELECT concat_ws(' ', current_database(), warnings) FROM listing_stats.attachments ORDER BY listing};
$node->safe_psql($_, $again) for 'one', 'loaded';
is(structure('one'), $structure, 'attached once more, nothing differs');
is(structure('loaded'), $structure, 'nor in the one that was loaded');
is($node->safe_psql($_, 'SELECT count(*) FROM listing_stats.check()'), '0', "all is well in $_") for 'one', 'other', 'loaded';
# The record that a dump does not have is in a copy, and tells columns apart that have changed their names unseen.
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE one');
$node->safe_psql('copy', q{
	ALTER EVENT TRIGGER listing_stats_changes DISABLE;
	ALTER TABLE price RENAME amount TO value;
	ALTER TABLE listing RENAME TO item;
	INSERT INTO item VALUES (1);
	INSERT INTO price VALUES (1, 1, '2026-01-05', 5, 'bid');
});
is($node->safe_psql('copy', 'SELECT latest FROM item'), '5', 'in a copy names that changed unseen are found');
my ($refused, undef, $refusal) = $node->psql('copy', q{
	ALTER TABLE price ADD COLUMN amount numeric;
	INSERT INTO price VALUES (2, 1, '2026-01-06', 6, 'bid', 7);
});
like($refusal, qr/column "amount" of table "price" is not the one that listing_stats was attached to, which is now named "value"/, 'and a name that another column has taken is refused');

# Data alone, with the triggers firing and without.
for my $options ([], ['--disable-triggers'])
{
	my $name = @$options ? 'without' : 'with';
	$node->safe_psql('restored', 'TRUNCATE "My shop".price, "My shop".listing, teller.said');
	command_ok([ 'pg_dump', '-p', $node->port, '-h', $node->host, '-a', @$options, '-f', "$dump.$name", 'postgres' ], "data only, $name triggers");
	command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-p', $node->port, '-h', $node->host, '-f', "$dump.$name", 'restored' ], "restored $name triggers");
	is($node->safe_psql('restored', q{SELECT * FROM "My shop".listing ORDER BY id}), "1|\n2|6", "right $name triggers");
}

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('"My shop".listing', '"My shop".price')}), '0', 'verify on a standby');
$node->safe_psql('postgres', 'ALTER TABLE "My shop".listing DISABLE TRIGGER "LISTING_STATS_1"');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
like($standby->safe_psql('postgres', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM listing_stats.check()'), qr/^"My shop".listing\|"My shop".price\|trigger "LISTING_STATS_1" on table "listing" is disabled/m, 'and check');
$node->safe_psql('postgres', 'ALTER TABLE "My shop".listing ENABLE TRIGGER "LISTING_STATS_1"');
$node->safe_psql('postgres', q{SET session_replication_role = replica; UPDATE "My shop".listing SET last_price = 99 WHERE id = 2});
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', q{SELECT * FROM listing_stats.verify('"My shop".listing', '"My shop".price')}), '2|last_price|99|6', 'and finds what is wrong');
$standby->stop;
$node->stop;
done_testing();
