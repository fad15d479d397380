# Memory: a session that changes prices for ever does not grow, neither by transactions nor by the statements of one;
# and one statement, whether INSERT, UPDATE or DELETE, takes what README says, however many rows it has.
#
# With LISTING_STATS_FULL a million statements and a statement of ten million rows.
use strict;
use warnings FATAL => 'all';
use FindBin;
use lib "$FindBin::RealBin/../../tools";
use Psql;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $statements = $ENV{LISTING_STATS_FULL} ? 1_000_000 : 30_000;
my $rows = $ENV{LISTING_STATS_FULL} ? 10_000_000 : 500_000;
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_statement = none\nshared_buffers = 128MB\nsynchronous_commit = off\nmax_wal_size = 2GB\njit = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE TABLE listing (id int PRIMARY KEY) WITH (fillfactor = 20);
	CREATE TABLE price (id bigserial PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric);
	INSERT INTO listing SELECT generate_series(1, 100);
	SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at', previous_price => 'previous_price', price_count => 'price_count');
	-- Four statements a round: one of them fails in a subtransaction, one brings a price before its listing.
	CREATE PROCEDURE run(rounds int, per_transaction int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..rounds LOOP
			INSERT INTO price (id, listing_id, created, value) VALUES (i, i % 100 + 1, now() + i * interval '1 s', i);
			UPDATE price SET value = value + 1 WHERE id = i;
			DELETE FROM price WHERE id = i;
			BEGIN
				INSERT INTO price (id, listing_id, created, value) VALUES (i, i % 100 + 1, now(), i), (i, 1, now(), i);
			EXCEPTION WHEN unique_violation THEN NULL;
			END;
			IF i % per_transaction = 0 THEN COMMIT; END IF;
		END LOOP;
	END $$;
});
my $session = Psql->new('-h', $node->host, '-p', $node->port, 'postgres');
my $contexts = 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts;';
my $ours = q{SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts WHERE name = 'listing_stats keys';};

sub resident
{
	my ($field) = @_;
	return (slurp_file("/proc/$session->{backend}/status") =~ /^$field:\s+(\d+) kB/m)[0];
}

# By how many bytes the session's own memory grows at most while it runs a statement.
sub growth
{
	my ($statement) = @_;
	my $start = resident('RssAnon');
	open my $clear, '>', "/proc/$session->{backend}/clear_refs";
	# Forgets the peak that was before, where that is allowed.
	print $clear 5 if $clear;
	close $clear if $clear;
	$session->run($statement);
	return 1024 * (resident('VmHWM') - resident('RssShmem') - resident('RssFile') - $start);
}

sub vacuum { $session->run('VACUUM price, listing;') }

my $round = $statements / 4 / 5;
$session->run("CALL run(@{[ int $round ]}, 100);");
vacuum();
my ($before, $before_resident) = ($session->run($contexts), resident('RssAnon'));
for (1 .. 4)
{
	$session->run("CALL run(@{[ int $round ]}, 100);");
	vacuum();
}
my ($after, $after_resident) = ($session->run($contexts), resident('RssAnon'));
note "$statements statements: contexts $before and $after bytes, resident $before_resident and $after_resident kB";
cmp_ok($after, '<', $before + 100_000, 'a session does not grow by its transactions');
cmp_ok($after_resident, '<', $before_resident + 2000, 'nor what it has of the machine');
is($session->run($ours), '0', 'nothing of ours is left');

# Within one transaction, where PostgreSQL itself keeps some 50 bytes for each time that a row it has written is
# written again, and as much of trigger events until it ends.
$session->run('BEGIN;');
$session->run('DO $$ BEGIN FOR i IN 1..1000 LOOP INSERT INTO price (listing_id, created, value) VALUES (i % 100 + 1, now(), i); END LOOP; END $$;');
$before = $session->run($contexts);
$session->run('DO $$ BEGIN FOR i IN 1..10000 LOOP INSERT INTO price (listing_id, created, value) VALUES (i % 100 + 1, now(), i); END LOOP; END $$;');
$after = $session->run($contexts);
note "one transaction: $before and $after bytes";
cmp_ok($after, '<', $before + 10_000 * 150, 'a transaction does not grow by more than that');
is($session->run($ours), '0', 'nothing of ours is left');
$session->run('ROLLBACK;');

# Prices that come before their listing, each in a subtransaction of its own.
my $ours_late = q{SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts WHERE name LIKE 'listing_stats%';};
$session->run('ALTER TABLE price ALTER CONSTRAINT price_listing_id_fkey DEFERRABLE INITIALLY DEFERRED;');
for my $same (0, 1)
{
	my $key = $same ? 20000 : '1000 + i';
	$before = $session->run($ours_late);
	$session->run('BEGIN;');
	$session->run("DO \$\$ BEGIN FOR i IN 1..10000 LOOP BEGIN INSERT INTO price (listing_id, created, value) VALUES ($key, now(), i); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END \$\$;");
	$after = $session->run($ours_late);
	note "late keys, same listing $same: $before and $after bytes";
	cmp_ok($after, '<', $before + ($same ? 100_000 : 10_000 * 200), 'what is remembered of prices before their listing is small');
	$session->run('INSERT INTO listing ' . ($same ? "VALUES ($key)" : 'SELECT generate_series(1001, 11000)') . '; COMMIT;');
}
is($session->run(q{SELECT count(*) FROM listing_stats.verify('listing', 'price');}), '0', 'and they are right');
is($session->run($ours), '0', 'nothing of ours is left');
$session->run('ALTER TABLE price ALTER CONSTRAINT price_listing_id_fkey NOT DEFERRABLE;');
undef $session;

# One statement: keys that it has touched, and PostgreSQL's events of its rows.  Keys need most where they come again and
# again, and there are a few more than half of those that there is room for.
my $awkward = 64;
$awkward *= 2 while 8 * $awkward <= $rows;
for my $listings (10, int 1.04 * $awkward, $rows)
{
	$node->safe_psql('postgres', qq{
		TRUNCATE price, listing;
		SET session_replication_role = replica;
		INSERT INTO listing SELECT generate_series(1, $listings);
		RESET session_replication_role;
		ALTER TABLE price DROP CONSTRAINT IF EXISTS price_listing_id_fkey;
		ALTER TABLE price DROP CONSTRAINT IF EXISTS price_pkey;
		VACUUM ANALYZE listing});
	for my $statement ("INSERT INTO price (listing_id, created, value) SELECT i % $listings + 1, '2026-01-01'::timestamptz + i * interval '1 s', i FROM generate_series(1, $rows) i",
		'UPDATE price SET value = value + 1', 'DELETE FROM price')
	{
		my ($kind) = $statement =~ /^(\w+)/;
		# A session of its own, which has done such a thing before.
		$session = Psql->new('-h', $node->host, '-p', $node->port, 'postgres');
		$session->run(q{SET work_mem = '4MB'; BEGIN; INSERT INTO price (listing_id, created, value) VALUES (1, now(), 1); UPDATE price SET value = 2 WHERE ctid = '(0,1)'; DELETE FROM price WHERE ctid = '(0,1)'; ROLLBACK;});
		my $bytes = growth("$statement;");
		note sprintf '%s of %d rows of %d listings: %.1f MB, %.0f bytes for each row, %.0f for each listing', $kind, $rows, $listings, $bytes / 1e6, $bytes / $rows, $bytes / $listings;
		# What README says, and what any statement needs.
		cmp_ok($bytes, '<', 300 * $listings + 20 * $rows + 4e6, "$kind over $listings listings");
		# The whole once, and then as many of the listings as take no time.
		my $wrong = $kind eq 'INSERT' ? q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}
			: q{SELECT count(*) FROM listing l WHERE (id < 10 OR id % 1009 = 0)
				AND last_price IS DISTINCT FROM (SELECT value FROM price p WHERE p.listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1)};
		is($node->safe_psql('postgres', $wrong), '0', 'and it is right');
		undef $session;
	}
}

# Partitions that come and go.
$node->safe_psql('postgres', q{
	CREATE TABLE parted (id bigserial, listing_id int, created timestamptz NOT NULL, value numeric, PRIMARY KEY (id, listing_id)) PARTITION BY LIST (listing_id);
	CREATE TABLE owner (id int PRIMARY KEY);
	INSERT INTO owner VALUES (1);
	SELECT count(*) FROM listing_stats.attach('owner', 'parted', key => 'listing_id', last_price => 'last_parted');
	CREATE PROCEDURE come_and_go(rounds int) LANGUAGE plpgsql SET client_min_messages = error AS $$
	BEGIN
		FOR i IN 1..rounds LOOP
			CREATE TABLE part PARTITION OF parted FOR VALUES IN (1);
			INSERT INTO parted (listing_id, created, value) VALUES (1, now(), i);
			DROP TABLE part;
		END LOOP;
	END $$});
$session = Psql->new('-h', $node->host, '-p', $node->port, 'postgres');
my $of_triggers = q{SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'listing_stats triggers';};
$session->run('CALL come_and_go(10);') for 1 .. 2;
$before = $session->run($of_triggers);
$session->run('CALL come_and_go(10);') for 1 .. 40;
cmp_ok($session->run($of_triggers), '<=', $before, 'triggers of partitions that are gone are forgotten');
undef $session;

# Numbers that do not fit 64 bits are added by doubling, one after the other.
$session = Psql->new('-h', $node->host, '-p', $node->port, 'postgres');
$session->run(q{SET work_mem = '4MB'; SELECT (listing_stats.price_summary(i / 3.0)).* FROM generate_series(1, 1000) i;});
my $of_sums = growth(q{SELECT (listing_stats.price_summary(i % 20000 / 3.0)).* FROM generate_series(1, 400000) i;});
note sprintf 'sums of 20,000 wide numbers: %.1f MB', $of_sums / 1e6;
cmp_ok($of_sums, '<', 60e6, 'sums of wide numbers');
undef $session;

# Numbers of a hundred thousand digits, 65 kB each, are asked one after the other.
$session = Psql->new('-h', $node->host, '-p', $node->port, 'postgres');
$session->run(q{SET work_mem = '4MB'; SET search_path = listing_stats;
	CREATE TEMPORARY TABLE wide AS SELECT format('{%s, -%1$s}', repeat('7', 131000))::price_distribution AS s; SELECT sparkline(s, 3) FROM wide;});
for my $question ('length(sparkline(s, 1000))', '(SELECT count(*) FROM histogram(s, 1000))', 'cardinality(percentiles(s, array_fill(0.123, ARRAY[100])))')
{
	my $bytes = growth("SELECT $question FROM wide;");
	note sprintf '%s: %.1f MB', $question, $bytes / 1e6;
	cmp_ok($bytes, '<', 25e6, $question);
}
undef $session;

# Keys of several columns are given as rows, which are converted one after the other.
$session = Psql->new('-h', $node->host, '-p', $node->port, 'postgres');
$session->run(q{CREATE TABLE quote (shop int NOT NULL, item int NOT NULL, created date NOT NULL, value int);
	CREATE INDEX ON quote (shop, item, created DESC);
	CREATE TYPE place AS (shop int, item int);
	CREATE TEMPORARY TABLE given AS SELECT array_agg((i, i)::place) AS keys FROM generate_series(1, 100000) i;
	SELECT count(*) FROM given, listing_stats.latest_rows(NULL::quote, keys, key => 'shop, item', at => 'created', value => 'value');});
my $of_rows = growth(q{SELECT count(*) FROM given, listing_stats.latest_rows(NULL::quote, keys, key => 'shop, item', at => 'created', value => 'value');});
note sprintf 'of 100,000 rows: %.1f MB', $of_rows / 1e6;
cmp_ok($of_rows, '<', 50e6, 'rows that name listings leave nothing behind');

# A plan that could not be made is not kept.  The policy's division is computed when it is made.
$session->run(q{CREATE TABLE guarded (id int, created date, value int); CREATE INDEX ON guarded (id, created DESC);
	ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY broken ON guarded USING (1 / 0 = 1);
	CREATE ROLE reader; GRANT SELECT ON guarded TO reader;
	CREATE PROCEDURE fail(rounds int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..rounds LOOP
			BEGIN
				PERFORM listing_stats.latest_price('guarded', 1, key_column => 'id', at => 'created', value => 'value');
				RAISE 'it did not fail';
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
		END LOOP;
	END $$;});
my $plans = q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'CachedPlan%';};
my $fail = sub { $session->run("SET ROLE reader; CALL fail($_[0]); RESET ROLE;") };
$fail->(1);
$before = $session->run($plans);
$fail->(100);
cmp_ok($session->run($plans), '<', $before + 10, 'nor is anything left of a plan that could not be made');
undef $session;
# Distributions that are sorted and hashed, of which each comparison reads two.
$node->safe_psql('postgres', 'CREATE TABLE sets AS SELECT listing_stats.price_stats(i * g % 9973) AS s FROM generate_series(1, 1000) i, generate_series(1, 3000) g GROUP BY g');
for my $statement ('SELECT count(*) FROM (SELECT s FROM sets ORDER BY s OFFSET 0) o', 'CREATE INDEX ON sets USING hash (s)')
{
	$session = Psql->new('-h', $node->host, '-p', $node->port, 'postgres');
	$session->run(q{SELECT count(DISTINCT s) FROM (SELECT s FROM sets LIMIT 2) few;});
	my $bytes = growth("$statement;");
	note sprintf '%s: %.1f MB', $statement, $bytes / 1e6;
	cmp_ok($bytes, '<', 25e6, $statement);
	undef $session;
}

# A large one is read once: 14 MB as it is stored, and 16 bytes for each value in order.
$node->safe_psql('postgres', 'CREATE TABLE large AS SELECT listing_stats.price_stats(hashint8extended(i, 0)) AS s FROM generate_series(1, 2000000) i');
for my $question ('listing_stats.summarize(s)', 's::json', 's::jsonb')
{
	$session = Psql->new('-h', $node->host, '-p', $node->port, 'postgres');
	$session->run('SELECT count(s) FROM sets;');
	my $bytes = growth("SELECT length(($question)::text) FROM large;");
	note sprintf '%s: %.1f MB', $question, $bytes / 1e6;
	cmp_ok($bytes, '<', 52e6, $question);
	undef $session;
}
$node->stop;
done_testing();
