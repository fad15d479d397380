# What is read directly from leaf pages is what a query finds in the same snapshot, while other sessions
# make pages split, be deleted and be used again, and rows die, come to be visible to all, or stay in
# doubt; and on a standby too.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{LISTING_STATS_STRESS_SECONDS} // 12;
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_min_messages = error\nmax_connections = 20\nsynchronous_commit = off\nshared_buffers = 16MB\nhot_standby_feedback = on");
$node->start;

# Two tables: with the value in the index, and without it and with an index on the value, so that an
# update of it gives the other index one more entry of the same key, time and tie: posting lists.
# Expected rows come from the heap, of the very same snapshot.
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE EXTENSION amcheck;
	CREATE EXTENSION pgstattuple;
	CREATE EXTENSION pageinspect;
	CREATE TABLE seen (deleted_pages bigint);
	CREATE TABLE covered (id bigserial PRIMARY KEY, k bigint, at timestamptz, v numeric);
	CREATE TABLE plain (filler text, v int, at date NOT NULL, k int NOT NULL, id serial PRIMARY KEY);
	CREATE INDEX covered_index ON covered (k, at DESC NULLS LAST, id DESC) INCLUDE (v);
	CREATE INDEX plain_index ON plain (k, at DESC, id DESC);
	CREATE INDEX plain_value ON plain (v);
	CREATE FUNCTION random_time() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
		SELECT CASE WHEN random() < 0.02 THEN 'infinity' WHEN random() < 0.02 THEN '-infinity'
			ELSE '2026-01-01'::timestamptz + floor(random() * 200) * interval '6 h' END $$;

	CREATE FUNCTION differences(t regclass, as_of timestamptz) RETURNS SETOF text LANGUAGE plpgsql
	SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_bitmapscan = off AS $$
	DECLARE
		at_type text := (SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = t AND attname = 'at');
		some_key int := random() * 300;
	BEGIN
		RETURN QUERY EXECUTE format($sql$
			WITH expected AS MATERIALIZED (
				SELECT DISTINCT ON (k) k::bigint AS key, at::timestamptz AS at, v::numeric AS value FROM %1$s
				WHERE k IS NOT NULL AND ($1 IS NULL OR at <= $1::%2$s) ORDER BY k, %1$s.at DESC NULLS LAST, id DESC
			), keys AS MATERIALIZED (
				SELECT array_agg(i ORDER BY random()) AS keys FROM (SELECT i::bigint FROM generate_series(0, 320) i WHERE random() < 0.3) _
			), answer AS MATERIALIZED (
				SELECT key, at, value FROM listing_stats.latest_prices(%1$L, NULL::bigint[], $1, 'k', 'at', 'v')
			), few AS MATERIALIZED (
				SELECT a.key, a.at, a.value FROM keys, listing_stats.latest_prices(%1$L, keys, $1, 'k', 'at', 'v') a
			)
			SELECT 'missing ' || _::text FROM (TABLE expected EXCEPT ALL TABLE answer) _
			UNION ALL SELECT 'wrong ' || _::text FROM (TABLE answer EXCEPT ALL TABLE expected) _
			UNION ALL SELECT 'missing of some ' || _::text FROM (SELECT expected.* FROM expected, keys WHERE key = ANY (keys) EXCEPT ALL TABLE few) _
			UNION ALL SELECT 'wrong of some ' || _::text FROM (TABLE few EXCEPT ALL SELECT expected.* FROM expected, keys WHERE key = ANY (keys)) _
			UNION ALL SELECT 'history of ' || $2 FROM (SELECT
				listing_stats.price_history_json(%1$L, $2::bigint, NULL, 'k', 'at', 'v')::text AS all_prices,
				listing_stats.price_history_json(%1$L, $2::bigint, 3, 'k', 'at', 'v')::text AS three,
				to_json(ARRAY(SELECT h FROM (SELECT at, v FROM %1$s WHERE k = $2 ORDER BY %1$s.at DESC NULLS LAST, id DESC) h))::text AS expected_all,
				to_json(ARRAY(SELECT h FROM (SELECT at, v FROM %1$s WHERE k = $2 ORDER BY %1$s.at DESC NULLS LAST, id DESC LIMIT 3) h))::text AS expected_three) _
				WHERE all_prices <> expected_all OR three <> expected_three
		$sql$, t, at_type) USING as_of, some_key;
	END $$;
	CREATE FUNCTION compare() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		wrong text := (SELECT string_agg(t || ': ' || d, '; ') FROM (VALUES ('covered'), ('plain')) u(t), (VALUES (NULL), ('2026-01-20'::timestamptz)) a(as_of), LATERAL differences(t::regclass, as_of) d);
	BEGIN
		IF wrong IS NOT NULL THEN
			RAISE EXCEPTION 'not what a query finds: %', left(wrong, 1000);
		END IF;
	END $$;
	INSERT INTO covered (k, at, v) SELECT random() * 300, random_time(), i FROM generate_series(1, 20000) i;
	INSERT INTO plain (k, at, v) SELECT random() * 300, random_time()::date, i FROM generate_series(1, 20000) i;
	VACUUM ANALYZE covered, plain;
	SELECT compare();
});

my %scripts = (
	compare => [ 6, qq{BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT compare();\nSELECT compare();\nCOMMIT;} ],
	insert => [ 20, q{INSERT INTO covered (k, at, v) SELECT random() * 300, random_time(), i FROM generate_series(1, 30) i;
		INSERT INTO plain (k, at, v) SELECT random() * 300, random_time()::date, i FROM generate_series(1, 30) i;} ],
	# a range of keys is emptied, so that pages are deleted, and filled again
	delete_range => [ 4, q{DELETE FROM covered WHERE k BETWEEN :k AND :k + 15; DELETE FROM plain WHERE k BETWEEN :k AND :k + 15;} ],
	fill_range => [ 4, q{INSERT INTO covered (k, at, v) SELECT :k + i % 15, random_time(), i FROM generate_series(1, 1000) i;
		INSERT INTO plain (k, at, v) SELECT :k + i % 15, random_time()::date, i FROM generate_series(1, 1000) i;} ],
	one_key => [ 4, q{INSERT INTO covered (k, at, v) SELECT CASE WHEN :k > 280 THEN NULL ELSE :k END, CASE WHEN random() < 0.9 THEN random_time() END, CASE WHEN random() < 0.8 THEN i END FROM generate_series(1, 200) i;} ],
	delete_latest => [ 10, q{DELETE FROM covered WHERE id IN (SELECT id FROM covered WHERE k = :k ORDER BY at DESC NULLS LAST, id DESC LIMIT 6);
		DELETE FROM plain WHERE id IN (SELECT id FROM plain WHERE k = :k ORDER BY at DESC, id DESC LIMIT 6);} ],
	update => [ 10, q{UPDATE covered SET v = v + 1 WHERE k = :k; UPDATE plain SET v = v + 1 WHERE k = :k;} ],
	move => [ 5, q{UPDATE covered SET k = :m, at = random_time() WHERE id % 50 = :m % 50 AND k = :k;} ],
	rolled_back => [ 5, qq{BEGIN;\nINSERT INTO covered (k, at, v) SELECT :k, 'infinity', i FROM generate_series(1, 20) i;\nUPDATE plain SET v = -1 WHERE k = :m;\nDELETE FROM plain WHERE k = :k;\nROLLBACK;} ],
	own => [ 3, qq{BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT compare();\nINSERT INTO covered (k, at, v) SELECT :k, random_time(), i FROM generate_series(1, 50) i;\nDELETE FROM plain WHERE k = :k AND id % 2 = 0;\nSELECT compare();\nSAVEPOINT a;\nINSERT INTO plain (k, at, v) SELECT :k, 'infinity', i FROM generate_series(1, 50) i;\nROLLBACK TO a;\nSELECT compare();\nROLLBACK;} ],
	vacuum => [ 4, q{VACUUM (TRUNCATE off) covered; INSERT INTO seen SELECT deleted_pages FROM pgstatindex('covered_index');} ],
	vacuum_plain => [ 4, q{VACUUM (TRUNCATE off) plain; INSERT INTO seen SELECT deleted_pages FROM pgstatindex('plain_index');} ],
);
my @files;
for my $name (sort keys %scripts)
{
	my $file = $node->basedir . "/$name.sql";
	append_to_file($file, "\\set k random(0, 300)\n\\set m random(0, 300)\n$scripts{$name}[1]\n");
	push @files, '-f', "$file\@$scripts{$name}[0]";
}
my $seed = int(rand(1e6));
note "seed $seed";
my ($out, $error) = ('', '');
IPC::Run::run(
	[ 'pgbench', '-n', '-c', 8, '-j', 2, '-T', $seconds, '--max-tries', 100, "--random-seed=$seed", '-r', '-p', $node->port, '-h', $node->host, @files, 'postgres' ],
	'>', \$out, '2>', \$error);
unlike($error, qr/not what a query finds/, 'what is read is what a query finds');
unlike($error, qr/aborted/, 'no session gave up') or diag $error;
my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
cmp_ok($transactions, '>', 100, 'transactions were processed');
my ($compared) = $out =~ /compare\.sql.*?- (\d+) transactions/s;
cmp_ok($compared, '>', 5, 'and compared');
note "$transactions transactions, $compared comparisons";

is($node->safe_psql('postgres', q{SELECT bt_index_parent_check('covered_index', true), bt_index_parent_check('plain_index', true)}), '|', 'the indexes are sound');
cmp_ok($node->safe_psql('postgres', q{SELECT max(deleted_pages) FROM seen}), '>', 0, 'pages were deleted');
cmp_ok($node->safe_psql('postgres', q{
	SELECT count(*) FROM generate_series(1, pg_relation_size('plain_index') / 8192 - 1) b
	CROSS JOIN LATERAL bt_page_stats('plain_index', b::int) s WHERE s.type = 'l'
	AND EXISTS (SELECT FROM bt_page_items('plain_index', b::int) i WHERE i.tids IS NOT NULL)}), '>', 0, 'there were posting lists');

# A standby: entries that the primary has marked as dead may be alive there.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', q{DELETE FROM covered WHERE id % 3 = 0; UPDATE plain SET v = v + 1 WHERE id % 3 = 0; INSERT INTO covered (k, at, v) SELECT 7, now(), i FROM generate_series(1, 1000) i;
	SET enable_seqscan = off; SELECT count(*) FROM covered WHERE k < 100; SELECT compare()});
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is($standby->safe_psql('postgres', 'SELECT compare()'), '', 'on a standby');
$standby->stop;
my $log = slurp_file($node->logfile) . slurp_file($standby->logfile);
unlike($log, qr/PANIC|terminated by signal|cache lookup failed|fell off/, 'nothing unexpected in the log');
$node->stop;
done_testing();
