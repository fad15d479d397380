# Logical replication: a subscriber that gets only the prices keeps its own listings with
# replication => 'always'; one that gets both tables gets the columns with them.  C12, D10 of test/README.md.
use strict;
use warnings FATAL => 'all';
use FindBin;
use lib "$FindBin::RealBin/../../tools";
use Psql;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
# Transactions of more than a few hundred changes are streamed.
$publisher->append_conf('postgresql.conf', "max_prepared_transactions = 5\nlogical_decoding_work_mem = 64kB");
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
# Else streamed transactions are not applied in parallel.
$subscriber->append_conf('postgresql.conf', "max_logical_replication_workers = 12\nmax_worker_processes = 20");
$subscriber->start;

# From 16 on rows are applied as the tables' owner, and unless he may become the subscription's owner in a security-restricted
# operation: in some databases he may not.
$subscriber->safe_psql('postgres', 'CREATE ROLE app');
sub hand_over
{
	my ($database) = @_;
	$subscriber->safe_psql($database, q{DO $$
		DECLARE t regclass;
		BEGIN
			FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') LOOP
				EXECUTE format('ALTER TABLE %s OWNER TO app', t);
			END LOOP;
		END $$});
}

my $tables = q{
	CREATE EXTENSION listing_stats;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int, created timestamptz NOT NULL, value numeric);
	SET client_min_messages = warning;
};
my $show = 'SELECT * FROM listing ORDER BY id';
my $options = q{key => 'listing_id', previous_price => 'previous_price', price_count => 'price_count'};

$publisher->safe_psql('postgres', "$tables SELECT listing_stats.attach('listing', 'price', $options)");
$publisher->safe_psql('postgres', q{
	INSERT INTO listing VALUES (1), (2);
	INSERT INTO price VALUES (1, 1, '2026-01-01', 5), (2, 2, '2026-01-01', 6);
	CREATE PUBLICATION prices FOR TABLE price;
	CREATE PUBLICATION everything FOR TABLE listing, price;
});
my $connection = $publisher->connstr . ' dbname=postgres';

# Only the prices.
$subscriber->safe_psql('postgres', "$tables SELECT listing_stats.attach('listing', 'price', $options, replication => 'always'); INSERT INTO listing VALUES (1), (2);");
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION prices CONNECTION '$connection' PUBLICATION prices");
$subscriber->wait_for_subscription_sync($publisher, 'prices');
is($subscriber->safe_psql('postgres', $show), "1|5||1\n2|6||1", 'the initial copy');
$publisher->safe_psql('postgres', q{
	INSERT INTO price VALUES (3, 1, '2026-01-02', 7), (4, 2, '2025-01-01', 8);
	UPDATE price SET value = 9 WHERE id = 3;
	DELETE FROM price WHERE id = 2;
});
$publisher->wait_for_catchup('prices');
is($subscriber->safe_psql('postgres', $show), "1|9|5|2\n2|8||1", 'INSERT, UPDATE and DELETE');
$publisher->safe_psql('postgres', q{TRUNCATE price; INSERT INTO price VALUES (5, 1, '2026-01-02', 1)});
$publisher->wait_for_catchup('prices');
is($subscriber->safe_psql('postgres', $show), "1|1||1\n2|||0", 'TRUNCATE');
$publisher->safe_psql('postgres', q{UPDATE price SET listing_id = 2 WHERE id = 5});
$publisher->wait_for_catchup('prices');
is($subscriber->safe_psql('postgres', $show), "1|||0\n2|1||1", 'a price that moves');
$publisher->safe_psql('postgres', q{UPDATE price SET listing_id = 1 WHERE id = 5});
$publisher->wait_for_catchup('prices');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');
# Two-phase commit, which does not go with that.
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION prepares CONNECTION '$connection' PUBLICATION prices WITH (two_phase = on, enabled = false, copy_data = false, create_slot = false)");
like($subscriber->safe_psql('postgres', 'SELECT warnings FROM listing_stats.attachments'), qr/subscription \\"prepares\\" of table \\"price\\" has two_phase = on/, 'is warned of');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION prepares SET (slot_name = NONE)');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION prepares');
is($subscriber->safe_psql('postgres', 'SELECT warnings FROM listing_stats.attachments'), '{}', 'and no more');
# A crash of the subscriber in between.
$publisher->safe_psql('postgres', q{INSERT INTO price VALUES (6, 1, '2026-01-03', 2), (7, 2, '2026-01-03', 3)});
$subscriber->stop('immediate');
$publisher->safe_psql('postgres', q{INSERT INTO price VALUES (8, 1, '2026-01-04', 4)});
$subscriber->start;
$publisher->wait_for_catchup('prices');
is($subscriber->safe_psql('postgres', $show), "1|4|2|3\n2|3||1", 'after a crash of the subscriber');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION prices');

# Both tables, the columns among them: triggers that fire on origin alone leave the rows as they come.
$subscriber->safe_psql('postgres', 'CREATE DATABASE mirror');
$subscriber->safe_psql('mirror', "$tables SELECT listing_stats.attach('listing', 'price', $options)");
$subscriber->safe_psql('mirror', "CREATE SUBSCRIPTION everything CONNECTION '$connection' PUBLICATION everything");
$subscriber->wait_for_subscription_sync($publisher, 'everything', 'mirror');
$publisher->safe_psql('postgres', q{INSERT INTO price VALUES (9, 2, '2026-01-05', 5)});
$publisher->wait_for_catchup('everything');
is($subscriber->safe_psql('mirror', $show), "1|4|2|3\n2|5|3|2", 'columns come with the listings');
is($subscriber->safe_psql('mirror', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');
$subscriber->safe_psql('mirror', 'DROP SUBSCRIPTION everything');

# D10: partitioned prices, to a subscriber that has a foreign key, which nothing checks there: some listings come later than
# their prices.  Once the changes of the partitions come, to partitions that have triggers of their own, and once those
# of the root, to a table that is partitioned in another way.  Big transactions come before they are committed.
my $partitioned = q{
	CREATE TABLE rent (id int, listing_id int, created date NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
	CREATE TABLE rent_1 PARTITION OF rent FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE rent_2 PARTITION OF rent FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
};
$publisher->safe_psql('postgres', "$partitioned
	INSERT INTO rent SELECT i, i % 100 + 1, '2026-01-01'::date + i % 59, i FROM generate_series(1, 500) i;
	CREATE PUBLICATION leaves FOR TABLE rent;
	CREATE PUBLICATION root FOR TABLE rent WITH (publish_via_partition_root = true);");
my %subscriber_tables = (
	leaves => $partitioned,
	root => q{
		CREATE TABLE rent (value numeric, id int, created date NOT NULL, listing_id int, PRIMARY KEY (id, created)) PARTITION BY HASH (id);
		CREATE TABLE rent_1 PARTITION OF rent FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE rent_2 (LIKE rent INCLUDING ALL);
		ALTER TABLE rent ATTACH PARTITION rent_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1); });

sub rents_are_right
{
	my ($database, $name) = @_;
	$publisher->wait_for_catchup($database);
	is($subscriber->safe_psql($database, q{SELECT count(*) FROM listing_stats.verify('listing', 'rent')}), '0', "$database: $name, verified");
	is($subscriber->safe_psql($database, q{SELECT count(*) FROM listing l
		WHERE (last_price, price_count) IS DISTINCT FROM ((SELECT value FROM rent p WHERE p.listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1), (SELECT count(value) FROM rent p WHERE p.listing_id = l.id))}),
		'0', "$database: $name, computed another way");
}

for my $database (sort keys %subscriber_tables)
{
	$subscriber->safe_psql('postgres', "CREATE DATABASE $database");
	$subscriber->safe_psql($database, "CREATE EXTENSION listing_stats; CREATE TABLE listing (id int PRIMARY KEY); $subscriber_tables{$database}
		ALTER TABLE rent ADD FOREIGN KEY (listing_id) REFERENCES listing;
		SET client_min_messages = warning;
		SELECT listing_stats.attach('listing', 'rent', price_count => 'price_count', replication => 'always');
		INSERT INTO listing SELECT generate_series(1, 90);");
	hand_over($database) if $database eq 'root';
	$subscriber->safe_psql($database, "CREATE SUBSCRIPTION $database CONNECTION '$connection' PUBLICATION $database WITH (streaming = on)");
	$subscriber->wait_for_subscription_sync($publisher, $database, $database);
	rents_are_right($database, 'the initial copy, some of its listings missing');
}
my $stream = q{SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_stat_replication_slots WHERE stream_txns > 0 AND slot_name IN ('leaves', 'root')};
$publisher->safe_psql('postgres', q{
	UPDATE rent SET value = value + 1, created = CASE WHEN id % 3 = 0 THEN created + 15 ELSE created END WHERE created < '2026-02-10';
	UPDATE rent_2 SET listing_id = 5 WHERE id % 50 = 7;
	DELETE FROM rent WHERE id % 4 = 0;
	INSERT INTO rent_1 VALUES (1000, 95, '2026-01-05', 1), (1001, 5, '2026-01-05', 2)});
rents_are_right($_, 'changes, also from one partition to another') for sort keys %subscriber_tables;
$publisher->safe_psql('postgres', q{
	BEGIN;
	INSERT INTO rent SELECT 2000 + i, i % 100 + 1, '2026-01-01'::date + i % 59, i FROM generate_series(1, 3000) i;
	SAVEPOINT a;
	INSERT INTO rent SELECT 6000 + i, i % 100 + 1, '2026-02-28', 6000 + i FROM generate_series(1, 3000) i;
	ROLLBACK TO a;
	DELETE FROM rent WHERE id BETWEEN 2000 AND 2500;
	COMMIT});
rents_are_right($_, 'a big transaction') for sort keys %subscriber_tables;
is($publisher->safe_psql('postgres', $stream), 'leaves root', 'which was streamed');
for my $database (sort keys %subscriber_tables)
{
	$subscriber->safe_psql($database, 'INSERT INTO listing SELECT generate_series(91, 100)');
	rents_are_right($database, 'listings that come later');
	is($subscriber->safe_psql($database, 'SELECT count(*) FROM listing WHERE last_price IS NOT NULL AND id > 90'), '10', "$database: with their prices");
}
$publisher->safe_psql('postgres', 'TRUNCATE rent');
for my $database (sort keys %subscriber_tables)
{
	rents_are_right($database, 'TRUNCATE');
	is($subscriber->safe_psql($database, 'SELECT count(*) FROM listing WHERE price_count = 0 AND last_price IS NULL'), '100', "$database: no price is left");
	$subscriber->safe_psql($database, "DROP SUBSCRIPTION $database");
}

# Carried columns, a condition and keep_latest(), by which what an UPDATE changes matters, on the subscriber alone.
my $offered = "CREATE TABLE offered (id int PRIMARY KEY, store int, product text, created timestamptz NOT NULL, value numeric, currency text NOT NULL);";
$publisher->safe_psql('postgres', "$offered INSERT INTO offered VALUES (1, 1, 'a', '2026-01-01', 1, 'EUR'), (2, 1, 'b', '2026-01-01', 2, 'CHF'); CREATE PUBLICATION offered FOR TABLE offered");
$subscriber->safe_psql('postgres', 'CREATE DATABASE offered');
$subscriber->safe_psql('offered', qq{CREATE EXTENSION listing_stats; $offered
	CREATE TABLE stocked (store int, product text, PRIMARY KEY (store, product)); INSERT INTO stocked VALUES (1, 'a'), (1, 'b'), (2, 'a');
	SET client_min_messages = warning;
	SELECT listing_stats.attach('stocked', 'offered', key => 'store, product', listing_key => 'store, product', carry => 'currency', replication => 'always');
	SELECT listing_stats.attach('stocked', 'offered', key => 'store, product', listing_key => 'store, product', condition => \$\$currency = 'EUR'\$\$, last_price => 'last_eur', replication => 'always');
	SELECT listing_stats.keep_latest('offered', 'newest', key => 'product, store', last_price => 'value', replication => 'always')});
$subscriber->safe_psql('offered', "CREATE SUBSCRIPTION offered CONNECTION '$connection' PUBLICATION offered");
$subscriber->wait_for_subscription_sync($publisher, 'offered', 'offered');
for my $step (
	q{INSERT INTO offered VALUES (3, 1, 'a', '2026-01-02', 3, 'CHF'), (4, 2, 'a', '2026-01-01', 4, 'EUR')},
	q{UPDATE offered SET currency = 'EUR' WHERE id = 3},
	q{UPDATE offered SET currency = 'USD' WHERE product = 'a'},
	q{UPDATE offered SET value = value + 1, currency = 'EUR'},
	q{UPDATE offered SET product = 'c' WHERE id = 2},
	q{UPDATE offered SET store = 2, product = 'b' WHERE id = 3},
	q{DELETE FROM offered WHERE store = 2})
{
	$publisher->safe_psql('postgres', $step);
	$publisher->wait_for_catchup('offered');
	is($subscriber->safe_psql('offered', q{SELECT (SELECT count(*) FROM listing_stats.verify('stocked', 'offered')), (SELECT count(*) FROM listing_stats.verify('newest', 'offered')),
		(SELECT count(*) FROM stocked s WHERE (last_price, last_currency, last_eur) IS DISTINCT FROM (
			(SELECT value FROM offered o WHERE (o.store, o.product) = (s.store, s.product) ORDER BY created DESC, id DESC LIMIT 1), (SELECT currency FROM offered o WHERE (o.store, o.product) = (s.store, s.product) ORDER BY created DESC, id DESC LIMIT 1),
			(SELECT value FROM offered o WHERE (o.store, o.product) = (s.store, s.product) AND currency = 'EUR' ORDER BY created DESC, id DESC LIMIT 1))),
		(SELECT count(*) FROM newest n FULL JOIN (SELECT DISTINCT ON (product, store) product, store, value FROM offered ORDER BY product, store, created DESC, id DESC) o USING (product, store) WHERE n.value IS DISTINCT FROM o.value)}),
		'0|0|0|0', "in other shapes: $step");
}
$subscriber->safe_psql('offered', 'DROP SUBSCRIPTION offered');

# P11: a BEFORE trigger on the subscriber's listings that writes prices, also of the row that is being applied.
my $logged = 'CREATE TABLE logged (id int PRIMARY KEY, asking numeric);';
$publisher->safe_psql('postgres', "$logged INSERT INTO logged VALUES (1, 1), (2, 2); CREATE PUBLICATION logged FOR TABLE logged");
$subscriber->safe_psql('postgres', 'CREATE DATABASE logged');
$subscriber->safe_psql('logged', qq{CREATE EXTENSION listing_stats; $logged
	CREATE TABLE log (id serial PRIMARY KEY, listing_id int, created timestamptz NOT NULL DEFAULT clock_timestamp(), value numeric);
	SET client_min_messages = warning; SELECT listing_stats.attach('logged', 'log', key => 'listing_id', replication => 'always');
	CREATE FUNCTION log_price() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
		INSERT INTO public.log (listing_id, value) VALUES (new.id, new.asking), (3 - new.id, new.asking + 0.5), (7, new.asking);
		RETURN new;
	END \$\$;
	CREATE TRIGGER log_price BEFORE UPDATE OF asking ON logged FOR EACH ROW WHEN (new.asking IS DISTINCT FROM old.asking) EXECUTE FUNCTION log_price();
	ALTER TABLE logged ENABLE ALWAYS TRIGGER log_price});
hand_over('logged');
$subscriber->safe_psql('logged', "CREATE SUBSCRIPTION logged CONNECTION '$connection' PUBLICATION logged");
$subscriber->wait_for_subscription_sync($publisher, 'logged', 'logged');
$publisher->safe_psql('postgres', 'BEGIN; UPDATE logged SET asking = asking + 1; UPDATE logged SET asking = 7 WHERE id = 1; COMMIT; INSERT INTO logged VALUES (7)');
$publisher->wait_for_catchup('logged');
is($subscriber->safe_psql('logged', 'SELECT * FROM logged ORDER BY id'), "1|7|7\n2|3|7.5\n7||7", 'prices of a BEFORE trigger on an applied row');
$subscriber->safe_psql('logged', 'DROP SUBSCRIPTION logged');

# Listings that lose their key and get one again, on a subscriber that keeps the column itself.
my $coded = q{CREATE TABLE coded (id int PRIMARY KEY, code int UNIQUE); CREATE TABLE coded_price (id int PRIMARY KEY, code int, created date NOT NULL, value numeric);};
$publisher->safe_psql('postgres', "$coded INSERT INTO coded SELECT i, i FROM generate_series(1, 4) i; INSERT INTO coded_price SELECT i, i, '2026-01-01', i FROM generate_series(1, 4) i;
	CREATE PUBLICATION coded FOR TABLE coded, coded_price");
$subscriber->safe_psql('postgres', "CREATE DATABASE coded");
$subscriber->safe_psql('coded', "CREATE EXTENSION listing_stats; $coded ALTER TABLE coded_price ADD FOREIGN KEY (code) REFERENCES coded (code);
	SET client_min_messages = warning; SELECT listing_stats.attach('coded', 'coded_price', replication => 'always')");
$subscriber->safe_psql('coded', "CREATE SUBSCRIPTION coded CONNECTION '$connection' PUBLICATION coded");
$subscriber->wait_for_subscription_sync($publisher, 'coded', 'coded');
$publisher->safe_psql('postgres', 'UPDATE coded SET code = NULL WHERE id < 3');
$publisher->wait_for_catchup('coded');
is($subscriber->safe_psql('coded', 'SELECT id, last_price FROM coded ORDER BY id'), "1|1\n2|2\n3|3\n4|4", 'listings that lose their key stop nothing, and nothing is kept for them');
$publisher->safe_psql('postgres', 'UPDATE coded SET code = 3 - id WHERE id < 3');
$publisher->wait_for_catchup('coded');
is($subscriber->safe_psql('coded', 'SELECT id, last_price FROM coded ORDER BY id'), "1|2\n2|1\n3|3\n4|4", 'and get another one');
$subscriber->safe_psql('coded', 'DROP SUBSCRIPTION coded');

# A transaction that is applied in parallel, before it is committed, beside others on the same listings, which are committed
# before it.  It locks no listing until it commits: those would wait for it, and it waits for them.
SKIP:
{
	skip 'streamed transactions are applied in parallel from PostgreSQL 16 on', 1 if $subscriber->safe_psql('postgres', 'SHOW server_version_num') < 160000;
	my $tables = 'CREATE TABLE stock (id int PRIMARY KEY); CREATE TABLE quote (id int PRIMARY KEY, stock_id int, created int NOT NULL, value numeric);';
	$publisher->safe_psql('postgres', "$tables CREATE PUBLICATION parallel FOR TABLE quote");
	$subscriber->safe_psql('postgres', 'CREATE DATABASE parallel');
	$subscriber->safe_psql('parallel', "CREATE EXTENSION listing_stats; $tables INSERT INTO stock SELECT generate_series(1, 20);
		SET client_min_messages = warning; SELECT listing_stats.attach('stock', 'quote', key => 'stock_id', price_count => 'price_count', replication => 'always')");
	hand_over('parallel');
	$subscriber->safe_psql('parallel', "CREATE SUBSCRIPTION parallel CONNECTION '$connection' PUBLICATION parallel WITH (streaming = parallel)");
	$subscriber->wait_for_subscription_sync($publisher, 'parallel', 'parallel');
	# Until then nothing is applied in parallel.
	$publisher->safe_psql('postgres', 'INSERT INTO quote VALUES (0, 1, 0, 0)');
	ok($subscriber->poll_query_until('parallel', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'}), 'copied');
	my $big = Psql->new('-h', $publisher->host, '-p', $publisher->port, 'postgres');
	# The last one's listing is missing.
	$big->run('BEGIN; INSERT INTO quote SELECT i, i % 21 + 1, i, i FROM generate_series(1, 5000) i; SAVEPOINT a; DELETE FROM quote WHERE id > 4990; ROLLBACK TO a; UPDATE quote SET value = value + 1 WHERE id > 4990;');
	ok($subscriber->poll_query_until('parallel', 'SELECT count(*) > 0 FROM pg_stat_subscription WHERE leader_pid IS NOT NULL'), 'it is applied in parallel');
	$publisher->safe_psql('postgres', "INSERT INTO quote VALUES (10000 + $_, $_, 10000, $_)") for 1 .. 10;
	ok($subscriber->poll_query_until('parallel', 'SELECT count(*) = 11 FROM quote'), 'others are not held up by it');
	is($subscriber->safe_psql('parallel', 'SELECT string_agg(last_price::text, $$ $$ ORDER BY id) FROM stock'), '1 2 3 4 5 6 7 8 9 10', 'and right');
	my $local = Psql->new('-h', $subscriber->host, '-p', $subscriber->port, 'parallel');
	$local->run('BEGIN; INSERT INTO stock VALUES (21);');
	$big->run('COMMIT;');
	ok($subscriber->poll_query_until('parallel', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type ~ 'parallel' AND wait_event_type = 'Lock'}), 'a listing that comes meanwhile is waited for');
	$local->run('COMMIT;');
	$publisher->wait_for_catchup('parallel');
	is($subscriber->safe_psql('parallel', 'SELECT count(*), sum(price_count), max(last_price) FROM stock'), '21|5011|4998', 'committed');
	is($subscriber->safe_psql('parallel', q{SELECT count(*) FROM listing_stats.verify('stock', 'quote')}), '0', 'and verified');
	# What the owner's triggers do at the commit is restricted, as what they do when a row is applied.
	$subscriber->safe_psql('parallel', q{
		CREATE TABLE way (restricted boolean);
		CREATE FUNCTION try() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			BEGIN
				CREATE TEMPORARY TABLE free ();
				INSERT INTO public.way VALUES (false);
			EXCEPTION WHEN insufficient_privilege THEN
				INSERT INTO public.way VALUES (true);
			END;
			RETURN NULL;
		END $$;
		CREATE TRIGGER try AFTER UPDATE ON stock FOR EACH STATEMENT EXECUTE FUNCTION try();
		ALTER TABLE stock ENABLE ALWAYS TRIGGER try});
	hand_over('parallel');
	$publisher->safe_psql('postgres', 'INSERT INTO quote SELECT 20000 + i, i % 21 + 1, 20000 + i, i FROM generate_series(1, 5000) i');
	$publisher->wait_for_catchup('parallel');
	is($subscriber->safe_psql('parallel', q{SELECT bool_and(restricted), (SELECT count(*) FROM listing_stats.verify('stock', 'quote')) FROM way}), 't|0', "what the owner's triggers do at the commit is restricted");
	$subscriber->safe_psql('parallel', 'DROP SUBSCRIPTION parallel');
	unlike(slurp_file($subscriber->logfile), qr/deadlock detected/, 'no deadlock');
}

# C12: a prepared transaction holds its listings until it is committed; then the column is right.
$publisher->safe_psql('postgres', q{BEGIN; INSERT INTO price VALUES (20, 1, '2027-01-01', 20), (21, 99, '2027-01-01', 21); PREPARE TRANSACTION 'p'});
is($publisher->safe_psql('postgres', 'SELECT last_price FROM listing WHERE id = 1'), '4', 'not yet');
my ($code, $out, $error) = $publisher->psql('postgres', q{SET lock_timeout = '100ms'; INSERT INTO price VALUES (22, 1, '2026-06-01', 22)});
like($error, qr/canceling statement due to lock timeout/, 'others wait');
$publisher->safe_psql('postgres', q{COMMIT PREPARED 'p'; INSERT INTO listing VALUES (99)});
is($publisher->safe_psql('postgres', 'SELECT id, last_price FROM listing WHERE id IN (1, 99) ORDER BY id'), "1|20\n99|21", 'committed');
is($publisher->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'verified');

# The same beyond a restart, where prices come before their listings: with a foreign key in the same transaction, with none
# in another one, which has to wait.
$publisher->safe_psql('postgres', q{
	CREATE TABLE item (id int PRIMARY KEY);
	CREATE TABLE offer (LIKE price INCLUDING ALL, FOREIGN KEY (listing_id) REFERENCES item DEFERRABLE INITIALLY DEFERRED);
	SET client_min_messages = warning;
	SELECT listing_stats.attach('item', 'offer', price_count => 'price_count');
	INSERT INTO item VALUES (1)});
$publisher->safe_psql('postgres', q{
	BEGIN;
	INSERT INTO offer VALUES (1, 1, '2027-01-01', 1), (2, 2, '2027-01-01', 2), (3, 2, '2027-01-02', 3);
	INSERT INTO item VALUES (2);
	DELETE FROM offer WHERE id = 3;
	PREPARE TRANSACTION 'with'});
$publisher->safe_psql('postgres', q{BEGIN; INSERT INTO price VALUES (30, 2, '2027-01-01', 30), (31, 201, '2027-01-01', 31); PREPARE TRANSACTION 'without'});
$publisher->stop('immediate');
$publisher->start;
my $prepared = q{SELECT id, last_price FROM listing WHERE id IN (1, 2, 201) UNION ALL SELECT -id, last_price FROM item ORDER BY id};
is($publisher->safe_psql('postgres', $prepared), "-1|\n1|20\n2|5", 'restarted, and not yet');
for my $waits ('INSERT INTO offer VALUES (4, 1, now(), 4)', "INSERT INTO price VALUES (32, 2, now(), 32)", 'INSERT INTO item VALUES (2)', 'INSERT INTO listing VALUES (201)')
{
	($code, $out, $error) = $publisher->psql('postgres', "SET lock_timeout = '100ms'; $waits");
	like($error, qr/canceling statement due to lock timeout/, "waits: $waits");
}
$publisher->safe_psql('postgres', "COMMIT PREPARED '$_'") for qw(with without);
$publisher->safe_psql('postgres', 'INSERT INTO listing VALUES (201)');
my $committed = "-2|2\n-1|1\n1|20\n2|30\n201|31";
is($publisher->safe_psql('postgres', $prepared), $committed, 'committed');
# Rolled back, nothing stays.
$publisher->safe_psql('postgres', q{BEGIN; INSERT INTO price VALUES (40, 1, '2028-01-01', 40); DELETE FROM offer; PREPARE TRANSACTION 'undone'});
$publisher->restart;
$publisher->safe_psql('postgres', q{ROLLBACK PREPARED 'undone'});
is($publisher->safe_psql('postgres', $prepared), $committed, 'rolled back');
is($publisher->safe_psql('postgres', "SELECT count(*) FROM listing_stats.verify($_)"), '0', "$_ verified") for q{'listing', 'price'}, q{'item', 'offer'};
for my $node ($publisher, $subscriber)
{
	unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|cache lookup failed|without the flush|mid-statement/, 'nothing unexpected in the log of the ' . $node->name);
}

$subscriber->stop;
$publisher->stop;
for my $node ($publisher, $subscriber)
{
	is(join('', grep { /"_flush" not closed|not closed: .*"_flush"|PANIC|terminated by signal/ } split(/^/, slurp_file($node->logfile))), '', 'nothing unexpected in the log of the ' . $node->name);
}
done_testing();
