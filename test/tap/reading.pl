# What is read directly from leaf pages is what a query finds in the same snapshot, while other sessions
# make pages split, be deleted and be used again, and rows die, come to be visible to all, or stay in
# doubt; and on a standby too.
use strict;
use warnings FATAL => 'all';
use FindBin;
use lib "$FindBin::Bin/../../tools";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Psql;
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
	-- and a history of many pages
	INSERT INTO covered (k, at, v) SELECT 111, random_time(), i FROM generate_series(1, 4000) i;
	INSERT INTO plain (k, at, v) SELECT 111, random_time()::date, i FROM generate_series(1, 4000) i;
	VACUUM ANALYZE covered, plain;
	BEGIN;
	UPDATE plain SET v = v + 1;
	REINDEX INDEX plain_index;
	COMMIT;
	SELECT compare();
});
my $posting_lists = q{
	SELECT count(*) FROM generate_series(1, pg_relation_size('plain_index') / 8192 - 1) b
	CROSS JOIN LATERAL bt_page_stats('plain_index', b::int) s WHERE s.type = 'l'
	AND EXISTS (SELECT FROM bt_page_items('plain_index', b::int) i WHERE i.tids IS NOT NULL)};
cmp_ok($node->safe_psql('postgres', $posting_lists), '>', 10, 'there are posting lists');

my %scripts = (
	compare => [ 6, qq{BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT compare();\nSELECT compare();\nCOMMIT;} ],
	insert => [ 20, q{INSERT INTO covered (k, at, v) SELECT random() * 300, random_time(), i FROM generate_series(1, 30) i;
		INSERT INTO plain (k, at, v) SELECT random() * 300, random_time()::date, i FROM generate_series(1, 30) i;} ],
	# a range of keys is emptied, so that pages are deleted, and filled again
	delete_range => [ 4, q{DELETE FROM covered WHERE k BETWEEN :k AND :k + 40; VACUUM (TRUNCATE off) covered; INSERT INTO seen SELECT deleted_pages FROM pgstatindex('covered_index');
		DELETE FROM plain WHERE k BETWEEN :k AND :k + 40; VACUUM (TRUNCATE off) plain; INSERT INTO seen SELECT deleted_pages FROM pgstatindex('plain_index');} ],
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

note $node->safe_psql('postgres', q{SELECT max(deleted_pages) FROM seen}), ' pages were deleted meanwhile';
$node->safe_psql('postgres', q{DELETE FROM covered WHERE k BETWEEN 50 AND 150; DELETE FROM plain WHERE k BETWEEN 50 AND 150; VACUUM covered; VACUUM plain;
	INSERT INTO seen SELECT sum(deleted_pages) FROM (VALUES ('covered_index'), ('plain_index')) i(name), pgstatindex(name);
	SELECT compare()});
is($node->safe_psql('postgres', q{SELECT bt_index_parent_check('covered_index', true), bt_index_parent_check('plain_index', true)}), '|', 'the indexes are sound');
cmp_ok($node->safe_psql('postgres', q{SELECT max(deleted_pages) FROM seen}), '>', 0, 'pages were deleted');
# A standby, without feedback: entries that the primary has marked as dead are alive for an older snapshot
# there.  The marks come with the image of the page that its first change after a checkpoint logs.
$node->safe_psql('postgres', q{
	CREATE TABLE old (id int PRIMARY KEY, k int NOT NULL, at timestamptz NOT NULL, v int);
	CREATE INDEX old_index ON old (k, at DESC, id DESC) INCLUDE (v);
	INSERT INTO old SELECT i, i % 3, '2026-01-01'::timestamptz + i * interval '1 h', i FROM generate_series(1, 30) i;
});
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = off\nmax_standby_streaming_delay = -1");
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
my $reader = Psql->new('-d', 'postgres', '-h', $standby->host, '-p', $standby->port);
my $differs = q{SELECT coalesce(string_agg(d, '; '), 'nothing') FROM differences('old', NULL) d;};
is($reader->run("BEGIN ISOLATION LEVEL REPEATABLE READ; $differs"), 'nothing', 'on a standby');
$node->safe_psql('postgres', q{SET synchronous_commit = on; DELETE FROM old WHERE id > 10});
$node->safe_psql('postgres', q{SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(v) FROM old WHERE k >= 0; SELECT count(v) FROM old WHERE k >= 0; CHECKPOINT; INSERT INTO old VALUES (99, 1, '2026-01-01', 0)});
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM bt_page_items('old_index', 1) WHERE dead}), '>=', 20, 'the primary has marked entries as dead');
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
cmp_ok($standby->safe_psql('postgres', q{SELECT count(*) FROM bt_page_items('old_index', 1) WHERE dead}), '>=', 20, 'the standby has the marks');
is($reader->run('SELECT count(*), max(v) FROM old;'), '30|30', 'an older snapshot there sees the rows');
is($reader->run($differs), 'nothing', 'and they are read');
$reader->run('COMMIT;');
is($standby->safe_psql('postgres', 'SELECT compare()'), '', 'all is read on a standby');
$standby->stop;
my $log = slurp_file($node->logfile) . slurp_file($standby->logfile);
unlike($log, qr/PANIC|terminated by signal|cache lookup failed|fell off/, 'nothing unexpected in the log');
$node->stop;
done_testing();
