# pg_repack rewrites both tables while clients write to them.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
my $bin = $node->config_data('--bindir');
plan skip_all => 'pg_repack is not installed'
	if !-x "$bin/pg_repack" || $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_repack'}) eq '0';
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE EXTENSION pg_repack;
	SET client_min_messages = warning;
	CREATE TABLE listing (id int PRIMARY KEY, note text);
	CREATE TABLE price (id bigserial PRIMARY KEY, listing_id int NOT NULL REFERENCES listing ON DELETE CASCADE, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric(10,2), currency text);
	INSERT INTO listing SELECT generate_series(1, 200);
	INSERT INTO price (listing_id, value, currency) SELECT 1 + i % 200, i, CASE i % 3 WHEN 0 THEN 'CHF' ELSE 'EUR' END FROM generate_series(1, 20000) i;
	SELECT listing_stats.attach('listing', 'price', carry => 'currency', price_count => 'prices', lowest_price => 'lowest');
	SELECT listing_stats.attach('listing', 'price', condition => $$currency = 'EUR'$$, last_price => 'last_eur');
	SELECT listing_stats.keep_latest('price', 'latest_price', key => 'listing_id, currency')});

my $script = $node->basedir . '/writer.sql';
append_to_file($script, q{
\set l random(1, 200)
\set v random(1, 100000)
\set what random(1, 6)
\if :what = 1
DELETE FROM price WHERE id IN (SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC LIMIT 1);
\elif :what = 2
UPDATE price SET value = :v, currency = CASE currency WHEN 'EUR' THEN 'CHF' ELSE 'EUR' END WHERE id IN (SELECT id FROM price WHERE listing_id = :l ORDER BY created DESC LIMIT 1);
\elif :what = 3
UPDATE listing SET note = :v, last_price = :v WHERE id = :l;
\else
INSERT INTO price (listing_id, value, currency) VALUES (:l, :v, CASE :v % 2 WHEN 0 THEN 'EUR' ELSE 'CHF' END);
\endif
});

my @tables = qw(listing price latest_price);
my $files = q{SELECT string_agg(pg_relation_filepath(oid), ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('listing', 'price', 'latest_price')};
my $triggers = q{SELECT string_agg(concat_ws(' ', tgrelid::regclass, tgname, tgenabled), E'\n' ORDER BY tgrelid::regclass::text, tgname) FROM pg_trigger WHERE NOT tgisinternal};
my $attachments = 'SELECT listing, price, key, last_price, condition, index, warnings FROM listing_stats.attachments ORDER BY listing::text, last_price';
my ($files_before, $triggers_before, $attachments_before) = map { $node->safe_psql('postgres', $_) } $files, $triggers, $attachments;
my $log_file = $node->basedir . '/writers.log';
my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', '3', '-T', '15', '-f', $script, '--max-tries=50', $node->connstr('postgres') ], '>', $log_file, '2>&1');
$node->poll_query_until('postgres', q{SELECT max(id) > 20010 FROM price}) or die 'nobody writes';
for my $options ([ map { ('-t', $_) } @tables ], [ '-i', 'price_pkey' ], [ '-t', 'price', '-o', 'listing_id, created' ], [ '-t', 'listing', '-x' ])
{
	my $id = $node->safe_psql('postgres', 'SELECT last_value FROM price_id_seq');
	$node->command_ok([ "$bin/pg_repack", '--wait-timeout=20', '-d', 'postgres', @$options ], "pg_repack @$options");
	cmp_ok($node->safe_psql('postgres', 'SELECT last_value FROM price_id_seq'), '>', $id, 'beside writers');
}
my $is_done = $writers->finish;
my $log = slurp_file($log_file);
like($log, qr/number of transactions actually processed: [1-9]\d{2}/, 'which have written') or diag $log;
like($log, qr/number of failed transactions: 0 /, 'and not failed') or diag $log;
ok($is_done, 'nor given up') or diag $log;
isnt($node->safe_psql('postgres', $files), $files_before, 'the tables have new files');
is($node->safe_psql('postgres', $triggers), $triggers_before, 'and their triggers');
is($node->safe_psql('postgres', $attachments), $attachments_before, 'and are attached by the same indexes, without warnings');
is($node->safe_psql('postgres', 'SELECT count(*) FROM listing_stats.check()'), '0', 'check()');
my $wrong = q{
	SELECT (SELECT count(*) FROM listing_stats.verify('listing', 'price')), (SELECT count(*) FROM listing_stats.verify('latest_price', 'price')),
		(SELECT count(*) FROM listing l
			LEFT JOIN LATERAL (SELECT value, currency FROM price WHERE listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1) p ON true
			LEFT JOIN LATERAL (SELECT value FROM price WHERE listing_id = l.id AND currency = 'EUR' ORDER BY created DESC, id DESC LIMIT 1) e ON true,
			LATERAL (SELECT min(value), count(value) FROM price WHERE listing_id = l.id) a
			WHERE (last_price, last_currency, last_eur, lowest, prices) IS DISTINCT FROM (p.value, p.currency, e.value, min, count)),
		(SELECT count(*) FROM latest_price) - (SELECT count(*) FROM (SELECT DISTINCT listing_id, currency FROM price) _)};
is($node->safe_psql('postgres', $wrong), '0|0|0|0', 'the columns are right');
$node->safe_psql('postgres', q{UPDATE price SET value = value + 1 WHERE listing_id < 20; DELETE FROM price WHERE listing_id = 5; DELETE FROM listing WHERE id = 6});
is($node->safe_psql('postgres', $wrong), '0|0|0|0', 'and stay so');
$node->stop;
done_testing();
