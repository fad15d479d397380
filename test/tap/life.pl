# What happens to attached tables in the life of a database: every form of dump and restore, templates, rewrites of
# tables, DDL beside open sessions, an update of the extension and its removal.  The columns are kept afterwards, or an
# error names the call that makes it so.  D1 to D9, D13 to D16 of test/README.md.
use strict;
use warnings FATAL => 'all';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', 'max_connections = 20');
$node->start;
my @connection = ('-p', $node->port, '-h', $node->host);
$node->safe_psql('postgres', q{CREATE DATABASE shop});
$node->safe_psql('shop', q{
	CREATE EXTENSION listing_stats;
	CREATE SCHEMA "My shop";
	SET search_path = "My shop";
	CREATE TABLE listing (gone int, id int PRIMARY KEY, city text);
	CREATE TABLE price (gone int, id int PRIMARY KEY, listing_id int REFERENCES listing DEFERRABLE INITIALLY DEFERRED, created timestamptz NOT NULL, value numeric);
	ALTER TABLE listing DROP COLUMN gone;
	ALTER TABLE price DROP COLUMN gone;
	INSERT INTO listing SELECT i, 'Bern' FROM generate_series(1, 200) i;
	INSERT INTO price SELECT i, i % 200 + 1, '2026-01-01'::timestamptz + i * interval '1 h', i % 37 FROM generate_series(1, 2000) i;
	SET client_min_messages = warning;
	SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at', price_count => 'price_count');
	-- a partitioned table of prices on the same listings, and one by another key
	CREATE TABLE rent (id int, listing_id int REFERENCES listing, owner_id int, created date NOT NULL, value int, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
	CREATE TABLE rent_1 PARTITION OF rent FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE rent_2 PARTITION OF rent FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	SELECT count(*) FROM listing_stats.attach('listing', 'rent', last_price => 'last_rent');
	INSERT INTO rent SELECT i, i % 200 + 1, i, '2026-01-01'::date + i % 59, i FROM generate_series(1, 500) i;
});

# The call that an error names, a placeholder replaced by the new name of its column.
sub named_call
{
	my ($error, $which, %new_names) = @_;
	my ($call) = $error =~ /(listing_stats\.$which\((?:'(?:[^']|'')*'|[^')])*\))/;
	return $call && $call =~ s/(\w+) => '\.\.\.'/"$1 => '" . ($new_names{$1} \/\/ die "$1 was not renamed") . "'"/er;
}

# Everything is attached, nothing is wrong, and changes are kept.
my $number = 100000;
sub works
{
	my ($database, $name, $schema) = @_;
	$schema //= 'My shop';
	is($node->safe_psql($database, q{SELECT string_agg(format('%s %s %s', price::text, cardinality(triggers), warnings), ', ' ORDER BY price::text COLLATE "C") FROM listing_stats.attachments}),
		qq{"$schema".price 3 {}, "$schema".rent 3 {}}, "$name: attached") if $schema eq 'My shop';
	$number += 10;
	$node->safe_psql($database, qq{
		SET search_path = "$schema";
		INSERT INTO price VALUES ($number, 5, '2030-01-01', $number), ($number + 1, 6, '2020-01-01', 1);
		UPDATE price SET value = value + 1 WHERE id = $number;
		DELETE FROM price WHERE listing_id = 7;
		INSERT INTO rent_2 VALUES ($number, 5, 1, '2026-02-28', $number);
		UPDATE listing SET last_price = 0, last_rent = 0 WHERE id < 10;});
	is($node->safe_psql($database, qq{SET search_path = "$schema"; SELECT last_price, last_rent FROM listing WHERE id = 5}), ($number + 1) . "|$number", "$name: kept");
	is($node->safe_psql($database, qq{SET search_path = "$schema"; SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', "$name: nothing is wrong");
	is($node->safe_psql($database, qq{SET search_path = "$schema"; SELECT count(*) FROM listing_stats.verify('listing', 'rent')}), '0', "$name: nothing is wrong with the other");
	is($node->safe_psql($database, qq{SET search_path = "$schema"; SELECT count(*) FROM listing l WHERE last_price IS DISTINCT FROM (SELECT value FROM price p WHERE p.listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1)}),
		'0', "$name: nothing is wrong, computed another way");
}
works('shop', 'as made');
like($node->safe_psql('shop', q{SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = '"My shop".price'::regclass AND tgname = 'LISTING_STATS_1'}),
	qr/^CREATE TRIGGER "LISTING_STATS_1" AFTER INSERT OR DELETE OR UPDATE ON "My shop".price FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed\('listing="My shop".listing', 'listing_key=id', 'last_price=last_price'/,
	'\d shows readable triggers');

# How test/data/dump_of_15.sql was made.
system('pg_dump', @connection, '--no-owner', '-f', $ENV{LISTING_STATS_WRITE_DUMP}, 'shop') if $ENV{LISTING_STATS_WRITE_DUMP};
# D6, D7: dumps.
my $dump = $node->basedir . '/dump';
sub fresh
{
	my ($name) = @_;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $name");
	$node->safe_psql('postgres', "CREATE DATABASE $name");
}
command_ok([ 'pg_dump', @connection, '-Fc', '-f', "$dump.custom", 'shop' ], 'dump, custom format');
command_ok([ 'pg_dump', @connection, '-Fd', '-j2', '-f', "$dump.directory", 'shop' ], 'dump, directory format in parallel');
fresh('restored');
command_ok([ 'pg_restore', @connection, '--exit-on-error', '-d', 'restored', "$dump.custom" ], 'pg_restore');
works('restored', 'restored');
fresh('restored');
# By sections: all at once it may make the triggers of a partitioned table before its partitions have their data, and two
# workers that fill partitions then deadlock, each with its TRUNCATE.
command_ok([ 'pg_restore', @connection, '--exit-on-error', '-j3', "--section=$_", '-d', 'restored', "$dump.directory" ], "pg_restore of $_ in parallel") for qw(pre-data data post-data);
works('restored', 'restored in parallel');
fresh('restored');
command_ok([ 'pg_restore', @connection, '--exit-on-error', "--section=$_", '-d', 'restored', "$dump.custom" ], "pg_restore of $_") for qw(pre-data data post-data);
works('restored', 'restored by sections');
# Data alone into the tables as they are, triggers firing or not; the columns' values come with the listings.
for my $options ([], ['--disable-triggers'])
{
	$node->safe_psql('restored', 'TRUNCATE "My shop".price, "My shop".rent, "My shop".listing');
	command_ok([ 'pg_restore', @connection, '--exit-on-error', '-a', @$options, '-d', 'restored', "$dump.custom" ], "data alone @$options");
	works('restored', "data alone @$options");
}
# The prices before the listings, with triggers: nothing to keep yet, and then right all the same.
$node->safe_psql('restored', q{
	TRUNCATE "My shop".price, "My shop".rent, "My shop".listing;
	ALTER TABLE "My shop".price DROP CONSTRAINT price_listing_id_fkey; ALTER TABLE "My shop".rent DROP CONSTRAINT rent_listing_id_fkey;});
command_ok([ 'pg_restore', @connection, '--exit-on-error', '-a', '-t', $_, '-d', 'restored', "$dump.custom" ], "data of $_ alone") for qw(price rent_1 rent_2 listing);
works('restored', 'data of the prices first');
# -t of one table: its triggers name another that is not there.  Writes say so, and attach() makes it right.
fresh('one_table');
$node->safe_psql('one_table', 'CREATE EXTENSION listing_stats; CREATE SCHEMA "My shop"');
command_ok([ 'bash', '-c', "pg_restore -t price -f - '$dump.custom' | psql -X -q -v ON_ERROR_STOP=1 -h '" . $node->host . "' -p " . $node->port . ' one_table' ], 'one table alone: no triggers come with it');
is($node->safe_psql('one_table', q{INSERT INTO "My shop".price VALUES (1000000, 1, now(), 1); SELECT count(*) FROM listing_stats.attachments}), '0', 'and it is not attached');
command_ok([ 'bash', '-c', "pg_dump -t '\"My shop\".price' -f '$dump.table' -h '" . $node->host . "' -p " . $node->port . ' shop' ], 'pg_dump -t');
fresh('one_table');
$node->safe_psql('one_table', 'CREATE EXTENSION listing_stats; CREATE SCHEMA "My shop"');
$node->psql('one_table', slurp_file("$dump.table"), on_error_stop => 0);
my ($code, $out, $error) = $node->psql('one_table', q{INSERT INTO "My shop".price VALUES (2000000, 1, now(), 1)});
like($error, qr/ERROR:  .*"My shop".listing.*HINT:  .*(listing_stats\.attach|detach)\(/s, 'half of an attachment: an error that names the call');
$node->safe_psql('one_table', 'SELECT ' . named_call($error, 'detach'));
$node->safe_psql('one_table', q{INSERT INTO "My shop".price VALUES (2000000, 1, now(), 1)});
is($node->safe_psql('one_table', q{SELECT count(*) FROM pg_trigger WHERE tgname ~ '^LISTING'}), '0', 'which detaches it');

# After renames that no event trigger followed, and in a database that has other OIDs: the error names the call.
$node->safe_psql('postgres', 'CREATE DATABASE unfollowed TEMPLATE shop');
works('unfollowed', 'CREATE DATABASE ... TEMPLATE');
$node->safe_psql('unfollowed', q{
	ALTER EVENT TRIGGER listing_stats_changes DISABLE;
	ALTER TABLE "My shop".price RENAME value TO amount;
	ALTER TABLE "My shop".listing RENAME last_price TO latest;
	INSERT INTO "My shop".price VALUES (3000000, 5, '2031-01-01', 77)});
is($node->safe_psql('unfollowed', 'SELECT latest FROM "My shop".listing WHERE id = 5'), '77', 'renames take effect all the same');
command_ok([ 'pg_dump', @connection, '-Fc', '-f', "$dump.unfollowed", 'unfollowed' ], 'dump with old names');
fresh('restored');
command_ok([ 'pg_restore', @connection, '--exit-on-error', '-d', 'restored', "$dump.unfollowed" ], 'restored with old names');
($code, $out, $error) = $node->psql('restored', q{INSERT INTO "My shop".price VALUES (4000000, 5, '2032-01-01', 78)});
like($error, qr/HINT:  .*listing_stats\.attach\('"My shop"\.listing', '"My shop"\.price'/, 'an error that names the call');
like($node->safe_psql('restored', q{SELECT warnings FROM listing_stats.attachments WHERE price = '"My shop".price'::regclass}), qr/listing_stats\.attach/, 'and so does the view');
my $call = named_call($error, 'attach', last_price => 'latest');
($code, $out, $error) = $node->psql('restored', "SELECT $call");
like($error, qr/column "value" of table "price" does not exist\nHINT:  Name the right one: attach\(\.\.\., value => '\.\.\.'\)/, 'of two columns the call names one, and its own error the other');
$node->safe_psql('restored', 'SELECT ' . $call =~ s/\)$/, value => 'amount')/r);
$node->safe_psql('restored', q{INSERT INTO "My shop".price VALUES (4000000, 5, '2032-01-01', 78)});
is($node->safe_psql('restored', q{SELECT latest FROM "My shop".listing WHERE id = 5}), '78', 'after which it is kept');
is($node->safe_psql('restored', q{SELECT count(*) FROM listing_stats.verify('"My shop".listing', '"My shop".price')}), '0', 'and verified');
is($node->safe_psql('restored', q{SELECT count(*) FROM listing_stats.attachments WHERE price = '"My shop".price'::regclass}), '1', 'once');

# D16: tables that are written anew, beside a session that has plans.
my $open = $node->background_psql('shop');
$open->query_safe(q{SET search_path = "My shop"; INSERT INTO price VALUES (5000000, 8, '2031-01-01', 1);});
my $value = 10;
for my $command ('VACUUM FULL "My shop".price', 'VACUUM FULL "My shop".listing', 'CLUSTER "My shop".price USING price_pkey', 'CLUSTER "My shop".listing USING listing_pkey',
	'REINDEX TABLE "My shop".price', 'REINDEX TABLE CONCURRENTLY "My shop".listing', 'ALTER TABLE "My shop".price SET UNLOGGED', 'ALTER TABLE "My shop".price SET LOGGED',
	'ALTER TABLE "My shop".listing ALTER id TYPE bigint', 'ALTER TABLE "My shop".price ALTER listing_id TYPE bigint', 'ALTER TABLE "My shop".price ALTER id TYPE bigint',
	# D4, with the other side first.
	'ALTER TABLE "My shop".price ALTER listing_id TYPE int', 'ALTER TABLE "My shop".listing ALTER id TYPE int',
	'ALTER TABLE "My shop".price ALTER listing_id TYPE bigint', 'ALTER TABLE "My shop".listing ALTER id TYPE bigint',
	'ALTER TABLE "My shop".price ALTER value TYPE numeric(14,4)', 'ALTER TABLE "My shop".listing ALTER last_price TYPE numeric(14,4)',
	'ALTER TABLE "My shop".price ADD COLUMN new int DEFAULT 5', 'ALTER TABLE "My shop".listing ADD COLUMN new text DEFAULT clock_timestamp()', 'ALTER TABLE "My shop".listing DROP COLUMN city',
	'ALTER TABLE "My shop".price DROP CONSTRAINT price_listing_id_fkey', 'ALTER TABLE "My shop".price ADD CONSTRAINT price_listing_id_fkey FOREIGN KEY (listing_id) REFERENCES "My shop".listing',
	q{BEGIN; CREATE TEMP TABLE t AS TABLE "My shop".price; TRUNCATE "My shop".price; INSERT INTO "My shop".price TABLE t; COMMIT})
{
	$node->safe_psql('shop', $command);
	++$value;
	$open->query_safe("INSERT INTO price (id, listing_id, created, value) VALUES (5000000 + $value, 8, '2031-01-01', $value); DELETE FROM price WHERE id = 5000000 + $value - 1;");
	is($node->safe_psql('shop', 'SELECT trim_scale(last_price) FROM "My shop".listing WHERE id = 8'), $value, $command);
}
is($node->safe_psql('shop', q{SELECT count(*) FROM listing_stats.verify('"My shop".listing', '"My shop".price')}), '0', 'nothing is wrong');
# An index that is not valid, or gone: slower, with a warning, and never wrong.
my $index = $node->safe_psql('shop', q{SELECT index FROM listing_stats.attachments WHERE price = '"My shop".price'::regclass});
$node->safe_psql('shop', "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '$index'::regclass");
$open->query_safe(q{INSERT INTO price (id, listing_id, created, value) VALUES (6000000, 8, '2032-01-01', 600);});
is($node->safe_psql('shop', q{SELECT trim_scale(last_price) FROM "My shop".listing WHERE id = 8}), '600', 'the index is not valid');
like($node->safe_psql('shop', q{SELECT warnings FROM listing_stats.attachments WHERE price = '"My shop".price'::regclass}), qr/no index of table/, 'a warning');
$node->safe_psql('shop', "DROP INDEX $index");
$open->query_safe(q{INSERT INTO price (id, listing_id, created, value) VALUES (6000001, 8, '2032-01-02', 601);});
is($node->safe_psql('shop', q{SELECT trim_scale(last_price) FROM "My shop".listing WHERE id = 8}), '601', 'the index is gone');

# The primary key, which is the tie, dropped: the column stays, and so does the order.
$node->safe_psql('shop', q{ALTER TABLE "My shop".price DROP CONSTRAINT price_pkey});
$open->query_safe(q{INSERT INTO price (id, listing_id, created, value) VALUES (6000003, 8, '2032-01-02', 603), (6000002, 8, '2032-01-02', 602);});
is($node->safe_psql('shop', q{SELECT trim_scale(last_price) FROM "My shop".listing WHERE id = 8}), '603', 'the primary key is gone');

# D15: another version of the extension, while a session has a transaction open and plans.
chomp(my $directory = `pg_config --sharedir`);
$directory .= '/extension';
my $update = "$directory/listing_stats--1.0--1.0.1.sql";
unlink $update;
append_to_file($update, q{
	CREATE FUNCTION listing_stats.new_in_this_version() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE OR REPLACE FUNCTION listing_stats.price_changed() RETURNS trigger AS 'MODULE_PATHNAME', 'listing_stats_price_changed' LANGUAGE C;
	CREATE OR REPLACE FUNCTION listing_stats._flush() RETURNS trigger AS 'MODULE_PATHNAME', 'listing_stats_flush' LANGUAGE C;
});
$open->query_safe(q{BEGIN; INSERT INTO price (id, listing_id, created, value) VALUES (7000000, 8, '2033-01-01', 700);});
$node->safe_psql('shop', q{ALTER EXTENSION listing_stats UPDATE TO '1.0.1'});
$open->query_safe(q{INSERT INTO price (id, listing_id, created, value) VALUES (7000001, 8, '2033-01-02', 701); COMMIT; INSERT INTO price (id, listing_id, created, value) VALUES (7000002, 9, '2033-01-02', 702);});
is($node->safe_psql('shop', q{SELECT extversion, listing_stats.new_in_this_version(), (SELECT trim_scale(last_price) FROM "My shop".listing WHERE id = 8), (SELECT trim_scale(last_price) FROM "My shop".listing WHERE id = 9)
	FROM pg_extension WHERE extname = 'listing_stats'}), '1.0.1|1|701|702', 'ALTER EXTENSION ... UPDATE beside an open session');
is($node->safe_psql('shop', q{SELECT count(*) FROM listing_stats.verify('"My shop".listing', '"My shop".price')}), '0', 'nothing is wrong');
command_ok([ 'pg_dump', @connection, '-Fc', '-f', "$dump.updated", 'shop' ], 'dump of the new version');
unlink $update;

# D9: DROP EXTENSION.
($code, $out, $error) = $node->psql('shop', 'DROP EXTENSION listing_stats');
like($error, qr/cannot drop extension listing_stats because other objects depend on it.*trigger LISTING_STATS_1 on table "My shop".listing/s, 'DROP EXTENSION names the triggers');
$node->safe_psql('shop', q{DROP EXTENSION listing_stats CASCADE});
$open->query_safe(q{INSERT INTO price (id, listing_id, created, value) VALUES (8000000, 8, '2034-01-01', 800);});
is($node->safe_psql('shop', q{SELECT trim_scale(last_price) FROM "My shop".listing WHERE id = 8}), '701', 'CASCADE: the triggers go, the data stay');
$node->safe_psql('shop', q{CREATE EXTENSION listing_stats; SELECT listing_stats.attach('"My shop".listing', '"My shop".price', tie => 'id')});
$open->query_safe(q{INSERT INTO price (id, listing_id, created, value) VALUES (8000001, 9, '2034-01-01', 801);});
is($node->safe_psql('shop', q{SELECT string_agg(trim_scale(last_price)::text, ' ' ORDER BY id) FROM "My shop".listing WHERE id IN (8, 9)}), '800 801', 'and again, in the same session');
$open->quit;

# D13: a foreign partition.  What it has counts, what changes in it is found by verify() and repaired by refresh().
$node->safe_psql('postgres', 'CREATE DATABASE abroad');
my $file = $node->basedir . '/abroad.csv';
append_to_file($file, "1,1,2026-01-05,50\n2,2,2026-01-06,60\n");
$node->safe_psql('abroad', qq{
	CREATE EXTENSION listing_stats;
	CREATE EXTENSION file_fdw;
	CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
	CREATE TABLE listing (id int PRIMARY KEY);
	INSERT INTO listing VALUES (1), (2), (3);
	CREATE TABLE price (id int, listing_id int, created date NOT NULL, value int) PARTITION BY RANGE (created);
	CREATE FOREIGN TABLE price_1 PARTITION OF price FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') SERVER files OPTIONS (filename '$file', format 'csv');
	CREATE TABLE price_2 PARTITION OF price FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	SET client_min_messages = warning;
	SELECT listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id', price_count => 'price_count');});
my $abroad = 'SELECT * FROM listing ORDER BY id';
like($node->safe_psql('abroad', 'SELECT warnings FROM listing_stats.attachments'), qr/changes made on the remote side of foreign table \\?"price_1\\?" are not seen/, 'a foreign partition: a warning');
is($node->safe_psql('abroad', $abroad), "1|50|1\n2|60|1\n3||0", 'what it has counts');
$node->safe_psql('abroad', q{INSERT INTO price VALUES (3, 1, '2026-02-01', 70), (4, 2, '2026-02-01', 80), (5, 3, '2026-02-01', 90)});
$node->safe_psql('abroad', 'UPDATE price_2 SET value = value + 1 WHERE id = 3; DELETE FROM price_2 WHERE id = 4');
is($node->safe_psql('abroad', $abroad), "1|71|2\n2|60|1\n3|90|1", 'also after changes of others');
is($node->safe_psql('abroad', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');
($code, $out, $error) = $node->psql('abroad', q{INSERT INTO price VALUES (6, 1, '2026-01-20', 1)});
like($error, qr/cannot insert into foreign table "price_1"/, 'PostgreSQL refuses what it cannot write');
append_to_file($file, "7,2,2026-01-07,61\n");
is($node->safe_psql('abroad', q{SELECT * FROM listing_stats.verify('listing', 'price') ORDER BY "column"}), "2|last_price|60|61\n2|price_count|1|2", 'what changes in it is found');
$node->safe_psql('abroad', q{CALL listing_stats.refresh('listing', 'price')});
is($node->safe_psql('abroad', $abroad), "1|71|2\n2|61|2\n3|90|1", 'and repaired');
$node->safe_psql('abroad', 'TRUNCATE price_2');
is($node->safe_psql('abroad', $abroad), "1|50|1\n2|61|2\n3||0", 'TRUNCATE of another partition');

# D8: a dump that PostgreSQL 15 made, in this version.
my $old = "$FindBin::RealBin/../data/dump_of_15.sql";
fresh('old');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @connection, '-f', $old, 'old' ], 'a dump of PostgreSQL 15');
works('old', 'a dump of PostgreSQL 15');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|cache lookup failed|without the flush/, 'nothing unexpected in the log');
$node->stop;
done_testing();
