# The direct path is taken where tables are plain, and only there; the kept columns are the same either
# way.  auto_explain shows whether a statement of ours ran.  And a row inserted alone makes no
# multixact, however many clients insert prices of its listing.  C11 of test/README.md.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nsynchronous_commit = off\nlisting_stats.direct_path = on");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION listing_stats');

my $explain = q{
	LOAD 'auto_explain';
	SET auto_explain.log_min_duration = 0;
	SET auto_explain.log_nested_statements = on;
	SET auto_explain.log_level = notice;
};
my $tables = q{
	SET client_min_messages = warning;
	DROP TABLE IF EXISTS price, listing, other CASCADE;
	CREATE TABLE listing (id int PRIMARY KEY, note text);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
	INSERT INTO listing SELECT generate_series(1, 3);
};
my $attach = q{SELECT count(*) FROM listing_stats.attach('listing', 'price')};
my $writes = q{
	INSERT INTO price VALUES (1, 1, '2026-01-01', 5);
	INSERT INTO price VALUES (2, 1, '2026-01-02', 6), (3, 2, '2026-01-02', 7);
	UPDATE price SET value = 8 WHERE id = 2;
	DELETE FROM price WHERE id = 3;
};

my $way_now = 'SELECT way FROM listing_stats.attachments';

# Returns how many UPDATEs of ours ran.  The view says which way is taken.
sub updates
{
	my ($name, $prepare, $statements) = @_;
	$node->safe_psql('postgres', $prepare);
	my ($code, $out, $error) = $node->psql('postgres', $explain . ($statements // $writes));
	is($code, 0, "$name: written") or diag $error;
	is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', "$name: right");
	is($node->safe_psql('postgres', 'SELECT last_price FROM listing WHERE id::text = \'1\''), '8.00', "$name: the latest price")
		unless $statements;
	my $updates = () = $error =~ /Query Text: UPDATE \S* ?public\.listing AS l/g;
	my $way = $node->safe_psql('postgres', ($statements // '') =~ /^(SET listing_stats.direct_path = off;)/ ? "$1 $way_now" : $way_now);
	like($way, $updates > 0 ? qr/by SQL.*: ./ : qr/^direct/, "$name: attachments.way") or diag $way;
	return $updates;
}

is(updates('plain tables', "$tables $attach"), 0, 'directly');
is(updates('switched off', "$tables $attach", "SET listing_stats.direct_path = off; $writes"), 4, 'by SQL');

# The log says which way each write went.
for my $way ('', 'SET listing_stats.direct_path = off;')
{
	my (undef, undef, $log) = $node->psql('postgres', "SET client_min_messages = debug1; $way INSERT INTO price VALUES (9, 3, '2026-01-01', 5)");
	like($log, $way eq '' ? qr/DEBUG:  listing_stats writes table "listing" directly/ : qr/DEBUG:  listing_stats writes table "listing" by SQL/, 'DEBUG1 ' . $way);
	$node->safe_psql('postgres', 'DELETE FROM price WHERE id = 9');
}

# What does not matter to an UPDATE of the kept columns.
my %plain = (
	'foreign keys of others' => 'CREATE TABLE other (id int PRIMARY KEY REFERENCES listing);',
	'INSERT and DELETE triggers' => q{
		CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
		CREATE TRIGGER t BEFORE INSERT OR DELETE ON listing FOR EACH ROW EXECUTE FUNCTION nothing();},
	'keys of two types' => q{ALTER TABLE price ALTER listing_id TYPE bigint;},
	'keys that are text' => q{
		ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey;
		ALTER TABLE listing ALTER id TYPE varchar(10);
		ALTER TABLE price ALTER listing_id TYPE varchar(10);
		ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing;},
	'ascending index' => 'CREATE INDEX ON price (listing_id, created, id);',
	'policies' => 'ALTER TABLE listing ENABLE ROW LEVEL SECURITY; ALTER TABLE listing FORCE ROW LEVEL SECURITY;',
	'a column that takes any number' => 'ALTER TABLE listing ADD last_price numeric;',
	'dropped columns' => 'ALTER TABLE listing DROP note, ADD note text DEFAULT repeat(\'x\', 5000);',
	'wide rows' => q{UPDATE listing SET note = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i);},
	'an index on the column' => 'ALTER TABLE listing ADD last_price numeric(10,2); CREATE INDEX ON listing (last_price); CREATE INDEX ON listing ((last_price * 2)) WHERE last_price > 5;',
);
for my $name (sort keys %plain)
{
	is(updates($name, "$tables $plain{$name} $attach"), 0, "$name: directly");
}

# What does.
my %unusual = (
	'a check constraint' => 'ALTER TABLE listing ADD last_price numeric(10,2) CHECK (last_price > 0);',
	'a stored generated column' => 'ALTER TABLE listing ADD last_price numeric(10,2), ADD double numeric GENERATED ALWAYS AS (last_price * 2) STORED;',
	'an index that calls a function' => q{CREATE OR REPLACE FUNCTION prefix(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN left($1, 1); END'; CREATE INDEX ON listing (prefix(note));},
	'an index whose predicate does' => q{CREATE OR REPLACE FUNCTION prefix(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN left($1, 1); END'; CREATE INDEX ON listing (id) WHERE prefix(note) = 'a';},
	'a BEFORE UPDATE trigger' => q{CREATE TRIGGER t BEFORE UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION nothing();},
	'an AFTER UPDATE trigger' => q{CREATE TRIGGER t AFTER UPDATE ON listing FOR EACH ROW EXECUTE FUNCTION nothing();},
	'a statement trigger' => q{CREATE TRIGGER t AFTER UPDATE ON listing EXECUTE FUNCTION nothing();},
	'a column of another length' => 'ALTER TABLE listing ADD last_price numeric(12,2);',
	'a foreign key of its own' => 'CREATE TABLE other (id int PRIMARY KEY); ALTER TABLE listing ADD shop int REFERENCES other;',
	'a column in a foreign key' => 'CREATE TABLE other (amount numeric(10,2) PRIMARY KEY); INSERT INTO other VALUES (5), (6), (7), (8); ALTER TABLE listing ADD last_price numeric(10,2) REFERENCES other;',
	'inherited prices' => 'CREATE TABLE more () INHERITS (price);',
	'a partitioned price table' => q{DROP TABLE price; CREATE TABLE price (id int, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2), PRIMARY KEY (id)) PARTITION BY HASH (id);
		CREATE TABLE p0 PARTITION OF price FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE p1 PARTITION OF price FOR VALUES WITH (MODULUS 2, REMAINDER 1);},
	'a partitioned listing' => q{DROP TABLE price, listing; CREATE TABLE listing (id int PRIMARY KEY, note text) PARTITION BY HASH (id);
		CREATE TABLE l0 PARTITION OF listing FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO listing SELECT generate_series(1, 3);
		CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));},
);
for my $name (sort keys %unusual)
{
	is(updates($name, "$tables $unusual{$name} $attach"), 4, "$name: by SQL");
}
SKIP:
{
	skip 'NOT NULL ... NOT VALID came with version 18', 4 if $node->pg_version < 18;
	$node->safe_psql('postgres', "$tables $attach; ALTER TABLE listing ADD CONSTRAINT n NOT NULL note NOT VALID");
	is($node->safe_psql('postgres', $way_now), 'by SQL: a NOT NULL of listing that is not validated', 'NOT NULL that was not checked: attachments.way');
	my ($code, $out, $error) = $node->psql('postgres', q{INSERT INTO price VALUES (1, 1, '2026-01-01', 5)});
	like($error, qr/null value in column "note" of relation "listing" violates not-null constraint/, 'refused as by SQL');
	$node->safe_psql('postgres', "$tables ALTER TABLE price ALTER created DROP NOT NULL; INSERT INTO price VALUES (1, 1, NULL, 99);
		$attach; ALTER TABLE price ADD CONSTRAINT n NOT NULL created NOT VALID; INSERT INTO price VALUES (2, 1, '2026-01-01', 6)");
	is($node->safe_psql('postgres', q{SELECT last_price, (SELECT value FROM listing_stats.latest_prices('price')) FROM listing WHERE id = 1}),
		'6.00|6.00', 'a NULL time is the last where there can be one');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'right');
}
my $citus = 'SET allow_system_table_mods = on; DROP TABLE IF EXISTS pg_dist_partition; CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL); INSERT INTO pg_dist_partition VALUES';
is(updates("a $_ of Citus's", "$tables $attach; $citus ('$_')"), 4, 'by SQL') for qw(listing price);
$node->safe_psql('postgres', 'SET allow_system_table_mods = on; DROP TABLE pg_dist_partition');
my $detached_index = "$tables $attach; DO \$\$ BEGIN EXECUTE 'DROP INDEX ' || (SELECT index FROM listing_stats.attachments); END \$\$;";
is(updates('no index', $detached_index), 4, 'by SQL');
is(updates('a privilege revoked from the owner', "DROP ROLE IF EXISTS regress_owner; CREATE ROLE regress_owner; $tables $attach;
	ALTER TABLE listing OWNER TO regress_owner; ALTER TABLE price OWNER TO regress_owner;"), 0, 'directly, with all privileges');
my ($code, $out, $error) = $node->psql('postgres', q{ALTER TABLE price DROP CONSTRAINT price_listing_id_fkey; REVOKE UPDATE ON listing FROM regress_owner; INSERT INTO price VALUES (9, 1, '2026-02-01', 9)});
like($error, qr/permission denied for table listing.*listing_stats keeping the columns/s, 'and not without');

# The columns that depend on all prices: directly where prices were only added.
my $all = q{SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at', previous_price => 'previous_price',
	lowest_price => 'lowest_price', highest_price => 'highest_price', price_count => 'price_count')};
is(updates('all columns, added', "$tables $all", q{
	INSERT INTO price VALUES (1, 1, '2026-01-01', 5);
	INSERT INTO price VALUES (2, 1, '2026-01-02', 6), (3, 2, '2026-01-02', NULL), (4, 1, '2026-01-03', 6), (5, 1, '2025-01-03', 'NaN');
	INSERT INTO price VALUES (6, 1, '2026-01-04', 7);
}), 0, 'directly');
is($node->safe_psql('postgres', 'SELECT last_price, last_price_at::date, previous_price, lowest_price, highest_price, price_count FROM listing WHERE id = 1'),
	'7.00|2026-01-04|6.00|5.00|NaN|5', 'all columns');
is(updates('all columns, changed', 'SELECT', q{UPDATE price SET value = 4 WHERE id = 1; DELETE FROM price WHERE id = 2}), 2, 'by SQL');

# Prices that come later in the statement than the row that is handled at once.
is(updates('one row, and a trigger that inserts another', "$tables $attach;" . q{
	CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO price VALUES (new.id + 100, new.listing_id, new.created + interval ''1 day'', new.value + 1); RETURN new; END';
	CREATE TRIGGER "A" AFTER INSERT ON price FOR EACH ROW WHEN (new.id < 100) EXECUTE FUNCTION echo();
	CREATE TRIGGER "Z" AFTER INSERT ON price FOR EACH ROW WHEN (new.id > 100 AND new.id < 200) EXECUTE FUNCTION echo();},
	q{INSERT INTO price VALUES (1, 1, '2026-01-01', 5);}), 0, 'directly');
is($node->safe_psql('postgres', 'SELECT last_price FROM listing WHERE id = 1'), '7.00', 'the latest of three');
is(updates('a cascade to prices of the same table', "$tables ALTER TABLE price ADD part_of int REFERENCES price ON DELETE CASCADE; $attach;
	INSERT INTO price VALUES (1, 1, '2026-01-01', 1, NULL), (2, 2, '2026-01-01', 2, 1), (3, 1, '2026-01-02', 3, 2)",
	'DELETE FROM price WHERE id = 1'), 0, 'directly');

# The check of a listing's own foreign key is not lost when the same transaction writes the listing again.
$node->safe_psql('postgres', "$tables CREATE TABLE other (id int PRIMARY KEY); ALTER TABLE listing ADD shop int REFERENCES other DEFERRABLE INITIALLY DEFERRED; $attach");
($code, $out, $error) = $node->psql('postgres', q{BEGIN; INSERT INTO listing (id, shop) VALUES (9, 999); INSERT INTO price VALUES (1, 9, '2026-01-01', 5); COMMIT;});
like($error, qr/violates foreign key constraint "listing_shop_fkey"/, 'the foreign key of listing is checked');
is($node->safe_psql('postgres', 'SELECT count(*) FROM price'), '0', 'nothing is left of it');

# Two clients on one listing with an immediate foreign key.  (The statement that loads the module makes
# one, while others write: it is not known to be of one row.)
$node->append_conf('postgresql.conf', "session_preload_libraries = 'listing_stats'");
$node->reload;
$node->safe_psql('postgres', "$tables CREATE SEQUENCE s; ALTER TABLE price ALTER id SET DEFAULT nextval('s'); $attach");
sub next_multixact { $node->safe_psql('postgres', 'CHECKPOINT'); return $node->safe_psql('postgres', 'SELECT next_multixact_id FROM pg_control_checkpoint()') }
my $script = $node->basedir . '/insert.sql';
append_to_file($script, "INSERT INTO price (listing_id, created, value) VALUES (1, clock_timestamp(), 1);\n");
my $before = next_multixact();
$node->command_ok([ 'pgbench', '-n', '-c', 2, '-j', 2, '-t', 500, '-h', $node->host, '-p', $node->port, '-f', $script, 'postgres' ], 'two clients, one listing');
is(next_multixact(), $before, 'no multixact');
is($node->safe_psql('postgres', 'SELECT count(*) FROM price'), '1000', 'all inserted');
is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'right');

# The log says also what a partition without an index leaves to SQL.
$node->safe_psql('postgres', q{
	SET client_min_messages = warning;
	DROP TABLE IF EXISTS price, listing, other CASCADE;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int NOT NULL, listing_id int, created date NOT NULL, value numeric) PARTITION BY RANGE (created);
	CREATE TABLE price_1 PARTITION OF price FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE price_2 PARTITION OF price FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	INSERT INTO listing VALUES (1), (2);
	SELECT count(*) FROM listing_stats.attach('listing', 'price', key => 'listing_id', tie => 'id');
	DO $$ BEGIN EXECUTE (SELECT format('DROP INDEX %s', index) FROM listing_stats.attachments); END $$;
	CREATE INDEX ON price_2 (listing_id, created DESC, id DESC);
});
my (undef, undef, $left) = $node->psql('postgres', q{SET client_min_messages = debug1; INSERT INTO price VALUES (1, 1, '2026-02-01', 5), (2, 2, '2026-01-01', 6)});
like($left, qr/listing_stats writes table "listing" directly.*listing_stats leaves 1 of 2 listings of table "listing" to SQL/s, 'DEBUG1 of a lookup that is lost');
is($node->safe_psql('postgres', q{SELECT string_agg(last_price::text, ' ' ORDER BY id) FROM listing}), '5 6', 'DEBUG1 of a lookup that is lost: right');

$node->stop;
done_testing();
