# A publication of all tables does not get in the way: the anchor of the flush is an INSERT into an
# unlogged table.  (An UPDATE of it would fail for want of a replica identity.)  What a publication can
# refuse, a warning says before.
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
like($node->safe_psql('postgres', 'SELECT warnings FROM listing_stats.attachments'), qr/publishes table .* without a replica identity/, 'a warning');
my ($code, $out, $error) = $node->psql('postgres', q{INSERT INTO price VALUES (2, 1, '2026-01-01', 5)});
like($error, qr/cannot update table "listing" because it does not have a replica identity/, 'replica identity');
like($error, qr/listing_stats keeping the columns of table "listing" from table "price"/, 'context');
is($node->safe_psql('postgres', 'SELECT count(*) FROM price'), '0', 'the statement is undone');
$node->safe_psql('postgres', q{DROP PUBLICATION everything; DROP TABLE price, listing});

# P6: whatever makes PostgreSQL refuse the UPDATE is warned of, and nothing else is
my $number = 0;

sub publishes
{
	my ($name, $warning, @setup) = @_;
	my $table = 'p' . ++$number;
	$node->safe_psql('postgres', qq{
		CREATE SCHEMA $table;
		SET search_path = $table;
		CREATE TABLE listing (id int PRIMARY KEY, note text);
		CREATE TABLE parted (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
		CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10);
		CREATE TABLE generated (a int, id int GENERATED ALWAYS AS (a) STORED PRIMARY KEY);
		INSERT INTO listing VALUES (1);
		INSERT INTO parted VALUES (1);
		INSERT INTO generated VALUES (1);
		CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, parted_id int REFERENCES parted, generated_id int REFERENCES generated,
			created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
		SELECT listing_stats.attach('listing', 'price'), listing_stats.attach('parted', 'price'), listing_stats.attach('generated', 'price')});
	$node->safe_psql('postgres', "SET search_path = $table; $_") for @setup;
	my $fails = 0;
	my $error = '';
	for my $key (qw(listing_id parted_id generated_id))
	{
		my ($code, undef, $stderr) = $node->psql('postgres', "INSERT INTO $table.price ($key, value) VALUES (1, 5)");
		next if $code == 0;
		++$fails;
		$error .= $stderr;
	}
	my $warned = $node->safe_psql('postgres', "SELECT string_agg(warnings::text, ' ') FROM listing_stats.attachments WHERE price = '$table.price'::regclass AND warnings::text LIKE '%will fail%'");
	is($fails, defined $warning ? 1 : 0, "$name: " . (defined $warning ? 'fails' : 'works')) or diag($error);
	like($error, qr/listing_stats keeping the columns/, "$name: context") if $fails;
	defined $warning ? like($warned, $warning, "$name: a warning") : is($warned, '', "$name: no warning");
	if (defined $warning)
	{
		for my $backfill (qw(true false))
		{
			my $attach = join '; ', map { "SELECT listing_stats.attach('$_', 'price', backfill => $backfill)" } qw(listing parted generated);
			my (undef, undef, $notices) = $node->psql('postgres', "SET search_path = $table; $attach");
			is(() = $notices =~ /NOTICE:.*changes of prices will fail/g, 1, "$name: a notice, backfill => $backfill");
		}
	}
	$node->safe_psql('postgres', "DROP PUBLICATION IF EXISTS p; DROP SCHEMA $table CASCADE");
}

# Since 18 a key that is generated has to be published by a word of its own.
my $generated = $node->pg_version >= 18 ? ' WITH (publish_generated_columns = stored)' : '';
publishes('a filter by a kept column', qr/publication .*p.* filters rows of table .*listing/, 'CREATE PUBLICATION p FOR TABLE listing WHERE (last_price > 10)');
publishes('a filter, full identity', undef, 'CREATE PUBLICATION p FOR TABLE listing WHERE (last_price > 10)', 'ALTER TABLE listing REPLICA IDENTITY FULL');
publishes('a filter of inserts', undef, q{CREATE PUBLICATION p FOR TABLE listing WHERE (last_price > 10) WITH (publish = 'insert')});
publishes('a filter by the key', undef, 'CREATE PUBLICATION p FOR TABLE listing WHERE (id > 10)');
publishes('a list without the key', qr/publication .*p.* leaves out columns of the replica identity of table .*listing/, 'CREATE PUBLICATION p FOR TABLE listing (note)');
publishes('a list with the key', undef, 'CREATE PUBLICATION p FOR TABLE listing (id, note)');
publishes('a list, full identity', qr/leaves out columns/, 'CREATE PUBLICATION p FOR TABLE listing (id, note)', 'ALTER TABLE listing REPLICA IDENTITY FULL');
publishes('no identity', qr/publication .*p.* publishes table .*listing.* without a replica identity/, 'ALTER TABLE listing REPLICA IDENTITY NOTHING', 'CREATE PUBLICATION p FOR TABLE listing');
publishes('no identity, in the schema', qr/without a replica identity/, 'ALTER TABLE listing REPLICA IDENTITY NOTHING', 'CREATE PUBLICATION p FOR TABLES IN SCHEMA p' . ($number + 1) . $generated);
publishes('no identity, of all tables', qr/without a replica identity/, 'ALTER TABLE listing REPLICA IDENTITY NOTHING', "CREATE PUBLICATION p FOR ALL TABLES$generated");
publishes('no identity, inserts', undef, 'ALTER TABLE listing REPLICA IDENTITY NOTHING', q{CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert, delete')});
publishes('an index that is dropped', qr/without a replica identity/, 'CREATE UNIQUE INDEX i ON listing (id); ALTER TABLE listing REPLICA IDENTITY USING INDEX i; DROP INDEX i', 'CREATE PUBLICATION p FOR TABLE listing');
publishes('partitions, by a filter of their root', qr/filters rows of table .*part/, 'CREATE PUBLICATION p FOR TABLE parted WHERE (last_price > 10) WITH (publish_via_partition_root)');
publishes('partitions, by a list of their root', qr/leaves out columns of the replica identity of table .*part/, 'CREATE PUBLICATION p FOR TABLE parted (note) WITH (publish_via_partition_root)');
publishes('a partition', qr/without a replica identity/, 'ALTER TABLE part REPLICA IDENTITY NOTHING', 'CREATE PUBLICATION p FOR TABLE parted');
publishes('unlogged', undef, 'ALTER TABLE listing REPLICA IDENTITY NOTHING', 'ALTER TABLE price SET UNLOGGED', 'ALTER TABLE listing SET UNLOGGED', "CREATE PUBLICATION p FOR ALL TABLES$generated");
publishes('a generated key', $node->pg_version >= 18 ? qr/leaves out columns of the replica identity of table .*generated/ : undef, 'CREATE PUBLICATION p FOR TABLE generated');
$node->stop;
done_testing();
