# pg_partman: partitions that it makes, fills from the default one, detaches and drops.  What it takes away with prices in it is
# warned of, and the call that the warning names is enough.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
plan skip_all => 'pg_partman is not installed'
	if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'}) eq '0';
$node->safe_psql('postgres', q{
	CREATE ROLE shop LOGIN;
	CREATE EXTENSION listing_stats;
	CREATE SCHEMA partman;
	CREATE EXTENSION pg_partman SCHEMA partman;
	GRANT ALL ON SCHEMA public, partman TO shop;
	GRANT ALL ON ALL TABLES IN SCHEMA partman TO shop;
	GRANT TEMPORARY, CREATE ON DATABASE postgres TO shop});

my $said;
sub run
{
	my ($script) = @_;
	my ($status, $out, $errors) = $node->psql('postgres', "SET client_min_messages = warning; $script", extra_params => [ '-U', 'shop' ], on_error_stop => 1);
	die "$errors\n$script\n" if $status;
	$said = $errors;
	return $out;
}

# Versions differ in how they name partitioning by PostgreSQL.
my $type = $node->safe_psql('postgres', q{SELECT CASE WHEN extversion LIKE '4.%' THEN 'native' ELSE 'range' END FROM pg_extension WHERE extname = 'pg_partman'});
run(qq{
	CREATE TABLE listing (id int PRIMARY KEY, note text);
	CREATE TABLE price (id bigserial, listing_id int NOT NULL REFERENCES listing ON DELETE CASCADE, created timestamptz NOT NULL, value numeric(10,2), currency text, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
	SELECT partman.create_parent('public.price', 'created', p_type => '$type', p_interval => '1 day', p_premake => 3, p_start_partition => (now() - interval '6 days')::date::text);
	INSERT INTO listing SELECT generate_series(1, 20);
	INSERT INTO price (listing_id, created, value, currency) SELECT l, now() - n * interval '1 day', l * 10 + n, CASE n % 2 WHEN 0 THEN 'EUR' ELSE 'CHF' END FROM generate_series(1, 20) l, generate_series(0, 5) n;
	SELECT listing_stats.attach('listing', 'price', carry => 'currency', price_count => 'prices', lowest_price => 'lowest');
	SELECT listing_stats.attach('listing', 'price', condition => \$\$currency = 'EUR'\$\$, last_price => 'last_eur');
	SELECT listing_stats.keep_latest('price', 'latest_price', key => 'listing_id, currency')});

my $wrong = q{
	SELECT (SELECT count(*) FROM listing_stats.verify('listing', 'price')), (SELECT count(*) FROM listing_stats.verify('latest_price', 'price')),
		(SELECT count(*) FROM listing l
			LEFT JOIN LATERAL (SELECT value, currency FROM price WHERE listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1) p ON true
			LEFT JOIN LATERAL (SELECT value FROM price WHERE listing_id = l.id AND currency = 'EUR' ORDER BY created DESC, id DESC LIMIT 1) e ON true,
			LATERAL (SELECT min(value), count(value) FROM price WHERE listing_id = l.id) a
			WHERE (last_price, last_currency, last_eur, lowest, prices) IS DISTINCT FROM (p.value, p.currency, e.value, min, count)),
		(SELECT count(*) FROM latest_price) - (SELECT count(*) FROM (SELECT DISTINCT listing_id, currency FROM price) _)};

sub is_right
{
	my ($name) = @_;
	is(run($wrong), '0|0|0|0', $name);
}

sub warnings_are_none
{
	my ($name) = @_;
	is(run(q{SELECT (SELECT string_agg(problem, '; ') FROM listing_stats.check()), (SELECT string_agg(warnings::text, '') FROM listing_stats.attachments WHERE warnings <> '{}')}), '|', "$name: no warning");
}

is_right('attached');
run(q{UPDATE partman.part_config SET premake = 8 WHERE parent_table = 'public.price'; SELECT partman.run_maintenance('public.price')});
warnings_are_none('partitions that are made later');
run(q{INSERT INTO price (listing_id, created, value, currency) SELECT l, now() + n * interval '1 day', l * 10 + n, 'EUR' FROM generate_series(1, 20) l, generate_series(5, 8) n});
is_right('filled');
run(q{INSERT INTO price (listing_id, created, value, currency) SELECT l, now() + interval '12 days', l, 'CHF' FROM generate_series(1, 20) l});
is_right('the default partition');
run(q{SELECT partman.partition_data_time('public.price', 10)});
is(run(q{SELECT count(*) FROM price_default}), '0', 'which is emptied into a new one');
is_right('and that');
warnings_are_none('a partition that is filled from the default one');
my $part = run(q{SELECT max(c.oid::regclass::text) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'price'::regclass AND relname <> 'price_default'});
run("TRUNCATE $part");
is_right("TRUNCATE $part");

# Half of the listings have none but old prices.
run(q{DELETE FROM price WHERE created > now() - interval '60 hours' AND listing_id <= 10});
is_right('before retention');

# retention NAME, OPTIONS, CALLS: what pg_partman takes away, and what mends it.
sub retention
{
	my ($name, $options, $calls) = @_;
	my $oldest = q{SELECT min(oid::regclass::text) FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '^price_p'};
	my $before = run($oldest);
	run("UPDATE partman.part_config SET $options WHERE parent_table = 'public.price'; SELECT partman.run_maintenance('public.price')");
	my $warnings = $said;
	cmp_ok(run($oldest), 'gt', $before, "$name: partitions are gone");
	like($warnings, qr/WARNING:  prices of table "listing" have gone with table "price_p\w+": its columns may still show them/, "$name: a warning");
	my %calls = map { $_ => 1 } $warnings =~ /HINT:  (CALL .*;)/g;
	like($_, $calls, "$name: $_") for sort keys %calls;
	isnt(run($wrong), '0|0|0|0', "$name: the columns are what they were");
	run($_) for sort keys %calls;
	is_right("$name: the calls put it right");
	warnings_are_none($name);
}

my $detached = qr/^CALL listing_stats\.refresh\('public\.(listing|latest_price)', 'public\.price', only_in => 'public\.price_p\w+'\);$/;
retention('retention that detaches', q{retention = '4 days', retention_keep_table = true}, $detached);
is(run(q{SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relname ~ '^price_p' AND NOT relispartition AND tgname ~ '^LISTING_STATS'}), '0', 'what is detached has none of our triggers');
retention('retention that drops', q{retention = '2 days', retention_keep_table = false}, qr/^CALL listing_stats\.refresh\('public\.(listing|latest_price)', 'public\.price'\);$/);
run(q{INSERT INTO price (listing_id, created, value, currency) SELECT l, now() + interval '1 day', l, 'EUR' FROM generate_series(1, 20) l; DELETE FROM price WHERE listing_id = 7});
is_right('written to after it');
$node->stop;
done_testing();
