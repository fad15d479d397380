# What is read directly from leaf pages is what a query finds in the same snapshot, while other sessions
# make pages split, be deleted and be used again, and rows die, come to be visible to all, or stay in
# doubt; and on a standby too.  Before that indexes of random shapes, with no other session: NULL times,
# entries marked as dead, keys of many pages, low fill factors.  LISTING_STATS_SHAPES says how many, from
# LISTING_STATS_SEED on; with LISTING_STATS_STRESS_SECONDS=0 that is all.
use strict;
use warnings FATAL => 'all';
use FindBin;
use lib "$FindBin::Bin/../../tools";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Psql;
use Test::More;
use Time::Piece;

my $seconds = $ENV{LISTING_STATS_STRESS_SECONDS} // 12;
my $seed = $ENV{LISTING_STATS_SEED} // int rand 1e6;
diag "LISTING_STATS_SEED=$seed";
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8' ]);
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
	CREATE TABLE parts (id bigserial, k bigint, at timestamptz NOT NULL, v numeric) PARTITION BY RANGE (at);
	CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2026-01-20');
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-20') TO ('2026-02-10');
	CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-10') TO (MAXVALUE);
	CREATE UNIQUE INDEX parts_index ON parts (k, at DESC, id DESC) INCLUDE (v);
	ALTER TABLE parts ADD PRIMARY KEY (id, at);
	CREATE FUNCTION random_time() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
		SELECT CASE WHEN random() < 0.02 THEN 'infinity' WHEN random() < 0.02 THEN '-infinity'
			ELSE '2026-01-01'::timestamptz + floor(random() * 200) * interval '6 h' END $$;

	CREATE FUNCTION key_of(bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1';
	CREATE FUNCTION key_of(bigint, uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS 'SELECT md5($1::text)::uuid';
	-- Long ones are compressed in an index, and every second begins with a capital.
	CREATE FUNCTION key_of(bigint, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT CASE $1 % 2 WHEN 0 THEN 'key' ELSE 'Key' END || repeat(' long', CASE WHEN $1 % 5 = 1 THEN 400 ELSE 0 END) || $1 $$;
	-- Of keys up to so many.  skip: NULL prices do not count, as they do where the caller names the column.
	CREATE FUNCTION differences(t regclass, as_of timestamptz, keys int DEFAULT 320, skip boolean DEFAULT false) RETURNS SETOF text LANGUAGE plpgsql
	SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_bitmapscan = off AS $$
	DECLARE
		at_type text := (SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = t AND attname = 'at');
		key_type text := (SELECT CASE WHEN atttypid IN ('uuid'::regtype, 'text'::regtype) THEN format_type(atttypid, NULL) ELSE 'bigint' END FROM pg_attribute WHERE attrelid = t AND attname = 'k');
		some_key bigint := floor(random() * keys);
	BEGIN
		RETURN QUERY EXECUTE format($sql$
			WITH expected AS MATERIALIZED (
				SELECT DISTINCT ON (k) k::%3$s AS key, at::timestamptz AS at, v::numeric AS value FROM %1$s
				WHERE k IS NOT NULL AND ($1 IS NULL OR at <= $1::%2$s) AND (v IS NOT NULL OR NOT %5$L) ORDER BY k, %1$s.at DESC NULLS LAST, id DESC
			), keys AS MATERIALIZED (
				SELECT coalesce(array_agg(key_of(i, NULL::%3$s) ORDER BY random()), '{}') AS keys FROM generate_series(0::bigint, %4$s) i WHERE random() < 0.3
			), answer AS MATERIALIZED (
				SELECT key, at, value FROM listing_stats.latest_prices(%1$L, NULL::%3$s[], $1, 'k', 'at', %6$L)
			), few AS MATERIALIZED (
				SELECT a.key, a.at, a.value FROM keys, listing_stats.latest_prices(%1$L, keys, $1, 'k', 'at', %6$L) a
			), whole AS MATERIALIZED (
				SELECT DISTINCT ON (k) k::%3$s AS key, x::text AS row FROM %1$s x
				WHERE k IS NOT NULL AND ($1 IS NULL OR at <= $1::%2$s) AND (v IS NOT NULL OR NOT %5$L) ORDER BY k, x.at DESC NULLS LAST, id DESC
			), rows AS MATERIALIZED (
				SELECT x.k::%3$s AS key, x::text AS row FROM listing_stats.latest_rows(NULL::%1$s, NULL::%3$s[], $1, 'k', 'at', %6$L) x
			), few_rows AS MATERIALIZED (
				SELECT x.k::%3$s AS key, x::text AS row FROM keys, listing_stats.latest_rows(NULL::%1$s, keys, $1, 'k', 'at', %6$L) x
			)
			SELECT 'missing ' || _::text FROM (TABLE expected EXCEPT ALL TABLE answer) _
			UNION ALL SELECT 'wrong ' || _::text FROM (TABLE answer EXCEPT ALL TABLE expected) _
			UNION ALL SELECT 'missing of some ' || _::text FROM (SELECT expected.* FROM expected, keys WHERE key = ANY (keys) EXCEPT ALL TABLE few) _
			UNION ALL SELECT 'wrong of some ' || _::text FROM (TABLE few EXCEPT ALL SELECT expected.* FROM expected, keys WHERE key = ANY (keys)) _
			UNION ALL SELECT 'missing row ' || _::text FROM (TABLE whole EXCEPT ALL TABLE rows) _
			UNION ALL SELECT 'wrong row ' || _::text FROM (TABLE rows EXCEPT ALL TABLE whole) _
			UNION ALL SELECT 'missing row of some ' || _::text FROM (SELECT whole.* FROM whole, keys WHERE key = ANY (keys) EXCEPT ALL TABLE few_rows) _
			UNION ALL SELECT 'wrong row of some ' || _::text FROM (TABLE few_rows EXCEPT ALL SELECT whole.* FROM whole, keys WHERE key = ANY (keys)) _
			UNION ALL SELECT 'one: ' || k || ' ' || coalesce(one::text, 'NULL') FROM (SELECT k, listing_stats.latest_price(%1$L, k, $1, 'k', 'at', %6$L) AS one FROM keys, unnest(keys) k OFFSET 0) _
				WHERE one IS DISTINCT FROM (SELECT value FROM expected WHERE key = k)
			UNION ALL SELECT 'history of ' || $2 FROM (SELECT
				listing_stats.price_history_json(%1$L, key_of($2, NULL::%3$s), NULL, 'k', 'at', 'v')::text AS all_prices,
				listing_stats.price_history_json(%1$L, key_of($2, NULL::%3$s), 3, 'k', 'at', 'v')::text AS three,
				to_json(ARRAY(SELECT h FROM (SELECT at, v FROM %1$s WHERE k = key_of($2, NULL::%3$s) ORDER BY %1$s.at DESC NULLS LAST, id DESC) h))::text AS expected_all,
				to_json(ARRAY(SELECT h FROM (SELECT at, v FROM %1$s WHERE k = key_of($2, NULL::%3$s) ORDER BY %1$s.at DESC NULLS LAST, id DESC LIMIT 3) h))::text AS expected_three) _
				WHERE all_prices <> expected_all OR three <> expected_three
		$sql$, t, at_type, key_type, keys, skip, CASE WHEN NOT skip THEN 'v' END) USING as_of, some_key;
	END $$;
	CREATE FUNCTION compare() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		wrong text := (SELECT string_agg(t || ': ' || d, '; ') FROM (VALUES ('covered'), ('plain'), ('parts')) u(t), (VALUES (NULL), ('2026-01-20'::timestamptz)) a(as_of), LATERAL differences(t::regclass, as_of) d);
	BEGIN
		IF wrong IS NOT NULL THEN
			RAISE EXCEPTION 'not what a query finds: %', left(wrong, 1000);
		END IF;
	END $$;
	INSERT INTO covered (k, at, v) SELECT random() * 300, random_time(), i FROM generate_series(1, 20000) i;
	INSERT INTO plain (k, at, v) SELECT random() * 300, random_time()::date, i FROM generate_series(1, 20000) i;
	INSERT INTO parts (k, at, v) SELECT random() * 300, random_time(), i FROM generate_series(1, 5000) i;
	-- and a history of many pages
	INSERT INTO covered (k, at, v) SELECT 111, random_time(), i FROM generate_series(1, 4000) i;
	INSERT INTO plain (k, at, v) SELECT 111, random_time()::date, i FROM generate_series(1, 4000) i;
	VACUUM ANALYZE covered, plain, parts;
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

# Random shapes.
sub any { return $_[ int rand @_ ] }

sub partition { return "CREATE TABLE shape_$_[0] PARTITION OF shape $_[1]" . ($_[2] // '') . ';' }

sub partitions
{
	my ($parts, $days, $keys, $type) = @_;
	my $count = any(1, 2, 5, 9);
	return () unless $parts;
	return map { partition($_, "FOR VALUES WITH (MODULUS $count, REMAINDER $_)") } 0 .. $count - 1 if $parts =~ /hash|id/;
	my @default = any(0, 1) ? partition('other', 'DEFAULT') : ();
	if ($parts eq 'list' || $parts eq 'keys' && $type ne 'bigint')
	{
		return partition(0, $parts eq 'list' ? 'DEFAULT' : 'FOR VALUES FROM (MINVALUE) TO (MAXVALUE)') if $type ne 'bigint';
		my @of = map { [] } 1 .. $count;
		push @{ any(@of) }, $_ for 0 .. $keys;
		return (partition('other', 'DEFAULT'), map { @{ $of[$_] } ? partition($_, 'FOR VALUES IN (' . join(', ', @{ $of[$_] }) . ')') : () } 0 .. $#of);
	}
	my @bounds = sort { $a <=> $b } keys %{ { map { int(rand($parts eq 'keys' ? $keys + 1 : $days)) => 1 } 1 .. $count } };
	my @sql = map { $parts eq 'keys' ? $_ : "'" . (Time::Piece->strptime('2026-01-01', '%Y-%m-%d') + 86400 * $_)->strftime('%Y-%m-%d') . "'" } @bounds;
	my $of = 0;
	my @result = map {
		my $name = $of++;
		(partition($name, "FOR VALUES FROM (" . ($_ == 0 ? 'MINVALUE' : $sql[ $_ - 1 ]) . ') TO (' . ($_ == @sql ? 'MAXVALUE' : $sql[$_]) . ')', $parts eq 'both' && $name ? ' PARTITION BY HASH (k)' : ''),
			$parts eq 'both' && $name ? map { "CREATE TABLE shape_${name}_$_ PARTITION OF shape_$name FOR VALUES WITH (MODULUS 2, REMAINDER $_);" } 0, 1 : ());
	} 0 .. @sql;
	# What is in no other one is in the default
	splice @result, int(rand @result), 1 if @default && @result > 2 && $parts ne 'both' && rand() < 0.5;
	return (@result, @default);
}

# An index with long entries has few on a page, so that few rows make many pages.
sub shape
{
	my $keys = any(1, 3, 12, 60);
	my ($key, $at) = (any(qw(bigint int uuid text), 'text COLLATE "C"', 'text COLLATE "und-x-icu"'), any(qw(timestamptz timestamp date)));
	my $type = $key =~ /int/ ? 'bigint' : $key =~ s/ .*//r;
	my $days = any(1, 20, 500);
	my $parts = any('', '', '', '', 'range', 'range', 'range', 'hash', 'list', 'keys', 'both', 'id');
	my $nullable = !$parts && rand() < 0.5;
	my $skip = $type eq 'bigint' && rand() < 0.3 ? 'true' : 'false';
	my $one_key = sub { "key_of(" . int(rand $keys) . ", NULL::$type)" };
	my $time = sub { "(timestamptz '2026-01-01' + interval '1 h' * " . int(rand(1.2) * 24 * $days - 2.4 * $days) . ")::$at" };
	my $insert = sub {
		my ($rows, $k) = @_;
		my $null_times = $nullable ? any(0, 0.05, 0.5, 1) : 0;
		my $infinite = any(0, 0, 0.1);
		return "INSERT INTO shape (k, at, v, filler) SELECT $k, CASE WHEN random() < $null_times THEN NULL WHEN random() < $infinite THEN any_infinity()::$at"
			. " ELSE (timestamptz '2026-01-01' + interval '1 h' * floor(random() * " . 24 * $days . "))::$at END,"
			. " CASE WHEN random() < 0.8 THEN i END, long_text() FROM generate_series(1, $rows) i;";
	};
	my $index = "CREATE INDEX shape_index ON shape (k, at DESC" . ($nullable ? ' NULLS LAST' : any('', ' NULLS LAST')) . ", id DESC) INCLUDE ("
		. join(', ', (rand() < 0.7 || $skip eq 'true' ? 'v' : ()), 'filler') . ') WITH (fillfactor = ' . any(10, 30, 50, 81, 90, 100) . ');';
	my @steps = (
		"SELECT setseed(" . rand(1) . ");",
		"CREATE TABLE shape (id " . any('bigserial', 'serial') . ', v ' . any('numeric', 'int', 'numeric(10,2)') . ", filler text, k $key" . ($parts ? ' NOT NULL' : any('', ' NOT NULL')) . ", at $at" . ($nullable ? '' : ' NOT NULL')
			. ', PRIMARY KEY (id' . ($parts eq 'id' ? ')) PARTITION BY HASH (id' : $parts =~ /range/ ? ', at)) PARTITION BY RANGE (at' : $parts eq 'both' ? ', at, k)) PARTITION BY RANGE (at'
				: $parts eq 'hash' ? ', k)) PARTITION BY HASH (k' : $parts eq 'list' ? ', k)) PARTITION BY LIST (k' : $parts eq 'keys' ? ', k)) PARTITION BY RANGE (k' : ')') . ');',
		partitions($parts, $days, $keys, $type),
		"CREATE OR REPLACE FUNCTION long_text() RETURNS text LANGUAGE sql VOLATILE AS \$\$ SELECT string_agg(md5(random()::text), '') FROM generate_series(1, " . any(1, 4, 20, 60) . ") \$\$;");
	push @steps, $index if rand() < 0.5;
	push @steps, $insert->(any(5, 50, 300), "key_of((random() * $keys)::bigint, NULL::$type)") if rand() < 0.8;
	push @steps, $insert->(any(20, 100, 400), $one_key->()) for 1 .. any(0, 1, 1, 2);
	push @steps, $index unless grep { $_ eq $index } @steps;
	push @steps, "CREATE TABLE shape_listing (id bigint PRIMARY KEY, last_price numeric);",
		"SELECT count(*) FROM listing_stats.attach('shape_listing', 'shape', key => 'k', at => 'at', value => 'v', tie => 'id', null_value => 'skip');" if $skip eq 'true';
	my @check = map { "SELECT 'as of ' || coalesce(t::text, 'ever') || ': ' || d FROM (SELECT $_ AS t OFFSET 0) _, differences('shape', t, $keys, $skip) d;" }
		('NULL::timestamptz', "'-infinity'::timestamptz", "'infinity'::timestamptz", "timestamptz '2025-12-31'", "timestamptz '2126-01-01'");
	for (0 .. any(1, 4, 8))
	{
		push @steps, @check, map { "SELECT 'as of ' || t || ': ' || d FROM (SELECT $_\::timestamptz AS t OFFSET 0) _, differences('shape', t, $keys, $skip) d;" } map { $time->() } 1 .. 3;
		push @steps, any(
			sub { 'DELETE FROM shape WHERE k = ' . $one_key->() . ';' },
			sub { 'DELETE FROM shape WHERE k = ' . $one_key->() . ' AND at ' . any('<', '>') . $time->() . ';' },
			sub { 'DELETE FROM shape WHERE at ' . any('<', '>') . $time->() . ';' },
			sub { 'DELETE FROM shape WHERE random() < ' . any(0.1, 0.5, 0.95) . ';' },
			sub { 'DELETE FROM shape WHERE at IS NULL;' },
			sub { 'UPDATE shape SET v = v + 1 WHERE random() < ' . any(0.1, 0.9) . ';' },
			sub { $parts eq 'range' ? 'DROP TABLE IF EXISTS shape_0;' : 'VACUUM (TRUNCATE off) shape;' },
			sub { 'VACUUM (TRUNCATE off) shape;' })->();
		$parts = '' if $steps[-1] =~ /DROP/;
		push @steps, $insert->(any(1, 3, 40), $one_key->()) if rand() < 0.4 && !grep { /DROP/ } @steps;
		# index scans mark what is dead
		push @steps, 'SET enable_seqscan = off;', 'SET enable_bitmapscan = off;',
			"SELECT FROM (SELECT count(at) FROM shape WHERE k = ${\ $one_key->()} OFFSET 0) _;",
			"SELECT FROM (SELECT count(at) FROM shape WHERE k = ${\ $one_key->()} AND at < ${\ $time->()} OFFSET 0) _;",
			'RESET enable_seqscan;', 'RESET enable_bitmapscan;' if rand() < 0.7;
	}
	return (@steps, @check, 'DROP TABLE IF EXISTS shape, shape_listing;');
}
$node->safe_psql('postgres', q{CREATE FUNCTION any_infinity() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT CASE WHEN random() < 0.5 THEN 'infinity' ELSE '-infinity' END::timestamptz $$});
my ($wrong, $checks) = ('', 0);
for my $shape ($seed .. $seed + ($ENV{LISTING_STATS_SHAPES} // 40) - 1)
{
	srand $shape;
	my @steps = shape();
	my ($out, $error);
	$node->psql('postgres', join("\n", "SET client_min_messages = error;", "SET statement_timeout = '5s';", @steps), stdout => \$out, stderr => \$error, on_error_stop => 1, extra_params => [ '-At' ]);
	$out = join "\n", grep { /of/ } split /\n/, $out;
	$checks += grep { /differences/ } @steps;
	next if $out eq '' && $error eq '';
	$wrong .= "LISTING_STATS_SEED=$shape: " . substr("$error $out", 0, 500) . "\n";
	diag join("\n", @steps) if $ENV{LISTING_STATS_VERBOSE};
	$node->psql('postgres', 'DROP TABLE IF EXISTS shape, shape_listing');
}
is($wrong, '', "random shapes, $checks comparisons");
# More rows in doubt than wait for the heap at once, while a key goes on on the next page and is read again by itself.
is($node->safe_psql('postgres', q{
	CREATE TABLE doubts (id bigserial PRIMARY KEY, k bigint NOT NULL, at timestamptz NOT NULL, v int);
	INSERT INTO doubts (k, at, v) SELECT k, timestamptz '2026-01-01' + n * interval '1 h', n FROM generate_series(1, 16000) k, generate_series(1, 20) n;
	CREATE INDEX ON doubts (k, at DESC, id DESC) INCLUDE (v);
	DELETE FROM doubts WHERE v > 15;
	SELECT count(*), count(DISTINCT key), min(value), max(value) FROM listing_stats.latest_prices('doubts', key => 'k', at => 'at', value => 'v');
	DROP TABLE doubts;
}), '16000|16000|15|15', 'each key once, however many rows are in doubt');
# What a new version of a collation library does to an index: it is not in the order of its keys.
my (undef, $disorder, $no_order) = $node->psql('postgres', q{
	SET client_min_messages = error;
	CREATE TABLE unordered (id serial PRIMARY KEY, k text COLLATE "C" NOT NULL, at timestamptz NOT NULL, v int);
	INSERT INTO unordered (k, at, v) SELECT k, timestamptz '2026-01-01' + n * interval '1 h', n FROM generate_series(1, 300) i, LATERAL (SELECT CASE WHEN i < 300 THEN 'B' || i ELSE 'a' END AS k) _, generate_series(1, CASE WHEN i < 300 THEN 20 ELSE 2000 END) n;
	CREATE INDEX unordered_index ON unordered (k, at DESC, id DESC) INCLUDE (v);
	SET allow_system_table_mods = on;
	UPDATE pg_attribute SET attcollation = '"und-x-icu"'::regcollation WHERE attrelid IN ('unordered'::regclass, 'unordered_index'::regclass) AND attname = 'k';
	UPDATE pg_index SET indcollation = replace(indcollation::text, '950', (SELECT oid::text FROM pg_collation WHERE collname = 'und-x-icu'))::oidvector WHERE indexrelid = 'unordered_index'::regclass;
	SET statement_timeout = '60s';
	SELECT count(*) FROM listing_stats.latest_prices('unordered', NULL::text[], key => 'k', at => 'at', value => 'v');
	REINDEX INDEX unordered_index;
	SELECT count(*) FROM listing_stats.latest_prices('unordered', NULL::text[], key => 'k', at => 'at', value => 'v');
	DROP TABLE unordered;}, on_error_stop => 0);
like($no_order, qr/index "unordered_index" is not in the order of its keys\nHINT:.*REINDEX INDEX public.unordered_index/, 'an index in disorder is an error, not read for ever');
is($disorder, 300, 'and made anew it serves');
if ($seconds == 0)
{
	$node->stop;
	done_testing();
	exit;
}

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
	parts => [ 8, q{INSERT INTO parts (k, at, v) SELECT random() * 300, random_time(), i FROM generate_series(1, 20) i;
		DELETE FROM parts WHERE k = :k AND random() < 0.5; UPDATE parts SET at = random_time() WHERE k = :m;} ],
	attach => [ 2, qq{BEGIN;\nALTER TABLE parts DETACH PARTITION parts_1;\nUPDATE parts_1 SET v = v + 1 WHERE k < :k;\nALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM ('2026-01-20') TO ('2026-02-10');\nCOMMIT;} ],
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
SKIP:
{
	skip 'columns are all stored before PostgreSQL 18', 2 if $node->pg_version < 18;
	is($node->safe_psql('postgres', q{
		CREATE TABLE computed (id int PRIMARY KEY, k int NOT NULL, at timestamptz NOT NULL, v int, doubled int GENERATED ALWAYS AS (v * 2) VIRTUAL);
		CREATE INDEX ON computed (k, at DESC, id DESC) INCLUDE (v);
		INSERT INTO computed VALUES (1, 1, '2026-01-01', 5), (2, 1, '2026-01-02', 6);
		SELECT doubled FROM listing_stats.latest_rows(NULL::computed, ARRAY[1], key => 'k', at => 'at', value => 'v')}), '12', 'rows with what is computed when it is read');
	is($node->safe_psql('postgres', q{
		CREATE TABLE computed_time (id int PRIMARY KEY, k int, day timestamp, later interval, v int, at timestamp GENERATED ALWAYS AS (day + later) VIRTUAL, kk int GENERATED ALWAYS AS (k + 1) VIRTUAL);
		INSERT INTO computed_time VALUES (1, 1, '2026-01-02', '1 h', 5), (2, 1, '2026-01-01', '1 h', 6);
		SELECT value FROM listing_stats.latest_prices('computed_time', key => 'k', at => 'at', value => 'v');
		SELECT key, value FROM listing_stats.latest_prices('computed_time', key => 'kk', at => 'day', value => 'v')}), "5\n2|5", 'by a time and a key that are');
}
SKIP:
{
	skip 'children have what their parent has since PostgreSQL 18', 1 if $node->pg_version >= 18;
	is($node->safe_psql('postgres', q{
		CREATE TABLE parent (id serial, k int, at timestamptz, value int);
		CREATE TABLE child () INHERITS (parent);
		ALTER TABLE ONLY parent ALTER at SET NOT NULL;
		INSERT INTO child VALUES (1, 7, '2026-01-02', 20), (2, 7, NULL, 99);
		SELECT value, listing_stats.latest_price('parent', 7, key_column => 'k', at => 'at') FROM listing_stats.latest_rows(NULL::parent, ARRAY[7], key => 'k', at => 'at')}), '20|20', 'a child takes NULL times where its parent does not');
}
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
