# TimescaleDB's hypertables as prices: right whatever is written, through the hypertable and in chunks, in every shape of an
# attachment.  drop_chunks() is no DDL: no event trigger sees it, and the call to make after it is refresh().
use strict;
use warnings FATAL => 'all';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
plan skip_all => 'TimescaleDB is not installed'
	if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'}) eq '0';
$node->append_conf('postgresql.conf', "shared_preload_libraries = timescaledb\ntimescaledb.telemetry_level = off\nmax_worker_processes = 20");
$node->restart;
$node->safe_psql('postgres', 'CREATE ROLE shop LOGIN; CREATE DATABASE shop OWNER shop');
$node->safe_psql('shop', 'CREATE EXTENSION timescaledb; CREATE EXTENSION listing_stats; GRANT ALL ON SCHEMA public TO shop');
my @as_shop = (extra_params => [ '-U', 'shop' ], on_error_stop => 1);

# What the owner of the tables gets from psql, and in $said what it says beside that.
my $said;
sub run
{
	my ($script, $database) = @_;
	my ($status, $out, $errors) = $node->psql($database // 'shop', "SET client_min_messages = warning; $script", @as_shop);
	die "$errors\n$script\n" if $status;
	$said = $errors;
	return $out;
}

run(q{
	CREATE TABLE listing (id int PRIMARY KEY, note text);
	CREATE TABLE price (id bigserial, listing_id int REFERENCES listing ON DELETE CASCADE, created timestamptz NOT NULL, value numeric(10,2), currency text, PRIMARY KEY (id, created));
	CREATE TABLE stocked (store int, product text, PRIMARY KEY (store, product));
	CREATE TABLE quote (id bigserial, store int, product text, created timestamptz NOT NULL, value numeric(10,2));
	INSERT INTO listing SELECT generate_series(1, 10);
	INSERT INTO stocked SELECT s, p FROM generate_series(1, 3) s, unnest('{a,b,c}'::text[]) p;
	-- One is filled and attached before it becomes a hypertable, one is empty.
	INSERT INTO price (listing_id, created, value, currency) SELECT l, timestamptz '2026-01-01Z' + n * interval '1 day', l * 10 + n, CASE n % 2 WHEN 0 THEN 'EUR' ELSE 'CHF' END FROM generate_series(1, 10) l, generate_series(0, 20) n;
	SELECT listing_stats.attach('listing', 'price', carry => 'currency, id AS last_id', last_price_at => 'last_at', previous_price => 'previous', lowest_price => 'lowest', highest_price => 'highest', price_count => 'prices', price_total => 'total');
	SELECT create_hypertable('price', 'created', chunk_time_interval => interval '7 days', migrate_data => true);
	SELECT create_hypertable('quote', 'created', chunk_time_interval => interval '7 days');
	SELECT listing_stats.attach('listing', 'price', condition => $$currency = 'EUR'$$, last_price => 'last_eur');
	SELECT listing_stats.attach('stocked', 'quote', key => 'store, product', listing_key => 'store, product', tie => 'id', price_count => 'quotes');
	SELECT listing_stats.keep_latest('quote', 'latest_quote', key => 'product, store', tie => 'id', last_price => 'value', last_price_at => 'since');
});

# How many rows of what is kept are wrong: as verify() has it, and computed another way.
my $wrong = q{
	SELECT (SELECT count(*) FROM listing_stats.verify('listing', 'price')), (SELECT count(*) FROM listing_stats.verify('stocked', 'quote')), (SELECT count(*) FROM listing_stats.verify('latest_quote', 'quote')),
		(SELECT count(*) FROM listing l
			LEFT JOIN LATERAL (SELECT value, created, currency, id FROM price WHERE listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1) p ON true
			LEFT JOIN LATERAL (SELECT value FROM price WHERE listing_id = l.id AND currency = 'EUR' ORDER BY created DESC, id DESC LIMIT 1) e ON true,
			LATERAL (SELECT min(value), max(value), count(value), coalesce(sum(value), 0) AS sum FROM price WHERE listing_id = l.id) a
			WHERE (last_price, last_at, last_currency, last_id, last_eur, lowest, highest, prices, total) IS DISTINCT FROM (p.value, p.created, p.currency, p.id, e.value, min, max, count, sum)),
		(SELECT count(*) FROM stocked s WHERE (last_price, quotes) IS DISTINCT FROM ((SELECT value FROM quote q WHERE (q.store, q.product) = (s.store, s.product) ORDER BY created DESC, id DESC LIMIT 1), (SELECT count(value) FROM quote q WHERE (q.store, q.product) = (s.store, s.product)))),
		(SELECT count(*) FROM (SELECT DISTINCT ON (product, store) product, store, value, created FROM quote ORDER BY product, store, created DESC, id DESC) q FULL JOIN latest_quote k USING (product, store) WHERE (q.value, q.created) IS DISTINCT FROM (k.value, k.since))};

sub is_right
{
	my ($name, $database) = @_;
	is(run($wrong, $database), '0|0|0|0|0|0', $name);
}
is_right('attached');

# Unless TimescaleDB is told to, it fires no event triggers for new chunks: they get no trigger for TRUNCATE.
run(q{INSERT INTO price (listing_id, created, value, currency) VALUES (1, '2024-01-01Z', 1, 'EUR'); INSERT INTO quote (store, product, created, value) VALUES (1, 'a', '2024-01-01Z', 1)});
like(run('SELECT problem FROM listing_stats.check()'), qr/TRUNCATE of table "_hyper_\w+_chunk" (and \d+ more )?alone is not seen until attach\(\) is called again/, 'a new chunk is warned of');
run('SELECT DISTINCT mend FROM listing_stats.check() \gexec');
is(run('SELECT count(*) FROM listing_stats.check()'), '0', 'until attach() is called again');
$node->safe_psql('shop', 'ALTER SYSTEM SET timescaledb.enable_event_triggers = on');
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
$node->poll_query_until('shop', 'SELECT count(*) = 1 FROM pg_settings WHERE name = $$timescaledb.enable_event_triggers$$ AND setting = $$on$$') or die 'no event triggers';
is(run(q{SELECT count(*) > 2 FROM show_chunks('price')}), 't', 'there are chunks');

my ($old_chunk, $chunk) = map { run("SELECT c FROM show_chunks('price') c ORDER BY c $_ LIMIT 1") } 'ASC', 'DESC';
for my $statement (
	q{INSERT INTO price (listing_id, created, value, currency) VALUES (1, '2026-01-21Z', 5, 'EUR')},
	q{INSERT INTO price (listing_id, created, value, currency) SELECT l, timestamptz '2026-03-01Z' + n * interval '9 days', 100 + n, 'CHF' FROM generate_series(1, 9) l, generate_series(1, 5) n},
	q{INSERT INTO price (listing_id, created, value, currency) VALUES (2, '2025-01-01Z', 1, 'EUR')},
	q{INSERT INTO quote (store, product, created, value) SELECT s, p, timestamptz '2026-01-01Z' + n * interval '5 days', n FROM generate_series(1, 3) s, unnest('{a,b,d}'::text[]) p, generate_series(1, 4) n},
	"COPY price (listing_id, created, value, currency) FROM stdin WITH (FORMAT csv);\n3,2026-06-01Z,77,EUR\n4,2026-06-09Z,78,CHF\n4,2025-06-09Z,79,CHF\n\\.\n",
	"COPY quote (store, product, created, value) FROM stdin WITH (FORMAT csv);\n3,c,2026-06-01Z,77\n4,e,2026-06-09Z,78\n\\.\n",
	"INSERT INTO $chunk (id, listing_id, created, value, currency) SELECT 9000, 5, max(created), 6, 'EUR' FROM $chunk",
	"UPDATE $chunk SET value = value + 1; UPDATE $old_chunk SET listing_id = 11 - listing_id",
	q{UPDATE price SET value = value * 2 WHERE listing_id IN (1, 2)},
	q{UPDATE price SET listing_id = 3 WHERE listing_id = 4 AND currency = 'CHF'},
	q{UPDATE price SET currency = CASE currency WHEN 'EUR' THEN 'CHF' ELSE 'EUR' END WHERE listing_id = 6},
	q{UPDATE price SET currency = 'EUR' WHERE listing_id = 9 AND currency = 'CHF'},
	q{UPDATE price SET created = created + interval '1 hour' WHERE listing_id = 7},
	q{UPDATE quote SET product = 'f' WHERE store = 1 AND product = 'd'; UPDATE quote SET value = value + 1 WHERE store = 2},
	q{UPDATE listing SET last_price = -1, note = 'saved', prices = 7; UPDATE stocked SET last_price = 3; UPDATE latest_quote SET value = 0},
	q{DELETE FROM price WHERE listing_id = 8 AND created > '2026-01-10Z'; DELETE FROM quote WHERE product = 'f'},
	"DELETE FROM $chunk",
	q{INSERT INTO price (id, listing_id, created, value, currency) SELECT id, listing_id, created, 500, 'EUR' FROM price WHERE listing_id = 9 ON CONFLICT (id, created) DO UPDATE SET value = excluded.value, currency = excluded.currency},
	q{MERGE INTO price p USING (SELECT id, created FROM price WHERE listing_id IN (1, 3)) s ON p.id = s.id AND p.created = s.created
		WHEN MATCHED AND p.listing_id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET value = p.value + 0.5},
	q{INSERT INTO listing VALUES (11); INSERT INTO price (listing_id, created, value, currency) VALUES (11, '2027-01-01Z', 3, 'EUR')},
	q{DELETE FROM listing WHERE id IN (2, 11)},
	q{BEGIN; INSERT INTO price (listing_id, created, value) VALUES (3, '2028-01-01Z', 3); SAVEPOINT a; INSERT INTO price (listing_id, created, value) VALUES (3, '2029-01-01Z', 4); ROLLBACK TO a; DELETE FROM price WHERE listing_id = 9; COMMIT},
	q{ALTER TABLE price RENAME value TO amount; ALTER TABLE price RENAME TO asked; INSERT INTO asked (listing_id, created, amount, currency) VALUES (5, '2028-02-01Z', 1, 'EUR'); ALTER TABLE asked RENAME TO price; ALTER TABLE price RENAME amount TO value; DELETE FROM price WHERE listing_id = 5 AND currency = 'EUR'},
	"TRUNCATE $old_chunk")
{
	run($statement);
	is_right($statement =~ s/\s+/ /gr);
}
is(run(q{SELECT DISTINCT warnings FROM listing_stats.attachments}), '{}', 'nothing is warned of');
is(run(q{SELECT count(*) FROM listing_stats.check()}), '0', 'nor by check()');

# What DDL drops is seen.  Run as the owner of both tables, the call that the warning names is enough.
sub hint_of
{
	my ($errors, $name) = @_;
	like($errors, qr/prices of table "listing" have gone with table "\w+"/, "$name: a warning");
	my ($call) = $errors =~ /HINT:  (CALL .*;)/ or return;
	run($call);
	is_right("$name: $call");
}
run(q{INSERT INTO price (listing_id, created, value, currency) SELECT l, timestamptz '2030-01-01Z' + n * interval '7 days', n, 'EUR' FROM generate_series(3, 6) l, generate_series(1, 5) n});
$chunk = run(q{SELECT c FROM show_chunks('price') c ORDER BY c DESC LIMIT 1});
run("DROP TABLE $chunk");
hint_of($said, 'DROP TABLE of a chunk');

# drop_chunks() is a function that deletes tables itself.  If a newer one is seen, this says so.
run(q{SELECT drop_chunks('price', newer_than => '2030-01-01Z'::timestamptz)});
is($said, '', 'drop_chunks() is not seen: docs/more-than-one-machine.md and docs/guarantees.md say so');
isnt(run($wrong), '0|0|0|0|0|0', 'and leaves what the columns were');
run(q{CALL listing_stats.refresh('listing', 'price')});
is_right('refresh() puts it right');
run(q{SELECT drop_chunks('quote', older_than => '2026-05-01Z'::timestamptz); CALL listing_stats.refresh('stocked', 'quote'); CALL listing_stats.refresh('latest_quote', 'quote')});
is_right('in the other shapes too');

# Latest prices are those that a query finds.
for my $reader ([ q{SELECT key, value, at FROM listing_stats.latest_prices('price') ORDER BY 1}, q{SELECT DISTINCT ON (listing_id) listing_id, value, created FROM price ORDER BY listing_id, created DESC, id DESC} ],
	[ q{SELECT key, value, at FROM listing_stats.latest_prices('price', '{3,5,9,77}'::int[]) ORDER BY 1}, q{SELECT DISTINCT ON (listing_id) listing_id, value, created FROM price WHERE listing_id IN (3, 5, 9, 77) ORDER BY listing_id, created DESC, id DESC} ])
{
	isnt(run($reader->[0]), '', 'there are latest prices');
	is(run($reader->[0]), run($reader->[1]), $reader->[0]);
}

# Of all keys: by the listings, of which each is looked for in the newest chunk first, as long as a foreign key says that they have all keys.
run(q{CREATE TABLE car (id int PRIMARY KEY);
	CREATE TABLE offer (id bigserial, car_id int NOT NULL REFERENCES car, created timestamptz NOT NULL, value numeric(10,2), PRIMARY KEY (id, created));
	SELECT create_hypertable('offer', 'created', chunk_time_interval => interval '7 days');
	INSERT INTO car SELECT generate_series(1, 20);
	INSERT INTO offer (car_id, created, value) SELECT c, timestamptz '2026-01-01Z' + n * interval '11 hours', c * n FROM generate_series(1, 19) c, generate_series(1, 150) n;
	SELECT listing_stats.attach('car', 'offer'); ANALYZE car; ANALYZE offer});
my $by_query = q{SELECT DISTINCT ON (car_id) car_id, value, created FROM offer ORDER BY car_id, created DESC, id DESC};
my $latest = q{SELECT key, value, at FROM listing_stats.latest_prices('offer') ORDER BY 1};
my $all = run($by_query);
is(run("SET client_min_messages = debug1; $latest"), $all, 'all prices of an attached hypertable');
like($said, qr/prepares SELECT l\.\* FROM ONLY public\.car AS u CROSS JOIN LATERAL/, 'each listing is looked for');
run(q{ALTER TABLE offer DROP CONSTRAINT offer_car_id_fkey; INSERT INTO offer (car_id, created, value) VALUES (777, '2026-02-01Z', 7)});
like(run($latest), qr/^777\|7.00/m, 'what has no listing is found where nothing says that it has one');
run(q{SELECT listing_stats.detach('car', 'offer'); DROP TABLE offer; DROP TABLE car});

# Dumped and restored, as TimescaleDB asks for it.
my $dump = $node->basedir . '/shop.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('shop') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored OWNER shop');
$node->safe_psql('restored', 'CREATE EXTENSION timescaledb; SELECT timescaledb_pre_restore()');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'restore');
$node->safe_psql('restored', 'SELECT timescaledb_post_restore()');
is_right('restored', 'restored');
run(q{INSERT INTO price (listing_id, created, value, currency) SELECT l, timestamptz '2031-01-01Z' + n * interval '7 days', n, 'EUR' FROM generate_series(3, 6) l, generate_series(1, 5) n; INSERT INTO quote (store, product, created, value) VALUES (1, 'a', '2031-01-01Z', 9)}, 'restored');
is_right('restored, and written to', 'restored');
run(q{TRUNCATE price, quote}, 'restored');
is_right('and truncated', 'restored');

run(q{TRUNCATE price; TRUNCATE quote});
is_right('TRUNCATE');
is(run(q{SELECT count(*) FROM listing WHERE last_price IS NOT NULL OR prices > 0}), '0', 'no price is left');
run(q{INSERT INTO price (listing_id, created, value, currency) VALUES (3, '2026-01-01Z', 3, 'EUR')});
is_right('and begun anew');
run(q{SELECT listing_stats.detach('listing'); DROP TABLE quote; DROP TABLE price; DROP TABLE listing});
is(run(q{SELECT count(*) FROM listing_stats.attachments}), '0', 'detached, and dropped');
$node->stop;
done_testing();
