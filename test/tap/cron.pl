# pg_cron: refresh() as a job, which commits for itself, and check() as one.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
plan skip_all => 'pg_cron is not installed'
	if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'}) eq '0';
# In connections of its own; cron.host is a directory where sockets are.
$node->append_conf('postgresql.conf', "shared_preload_libraries = pg_cron\ncron.database_name = 'postgres'\ncron.host = '@{[ $node->host ]}'");
$node->restart;
$node->safe_psql('postgres', q{
	CREATE ROLE shop LOGIN;
	CREATE EXTENSION listing_stats;
	CREATE EXTENSION pg_cron;
	GRANT USAGE ON SCHEMA cron TO shop;
	GRANT ALL ON SCHEMA public TO shop});
my @as_shop = (extra_params => [ '-U', 'shop' ]);
$node->safe_psql('postgres', q{
	SET client_min_messages = warning;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id serial, listing_id int REFERENCES listing, created date NOT NULL, value numeric, PRIMARY KEY (id, created)) PARTITION BY RANGE (created);
	CREATE TABLE price_2025 PARTITION OF price FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
	CREATE TABLE price_2026 PARTITION OF price FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
	INSERT INTO listing SELECT generate_series(1, 20);
	INSERT INTO price (listing_id, created, value) SELECT l, date '2025-12-28' + l, l FROM generate_series(1, 20) l;
	SELECT listing_stats.attach('listing', 'price');
	SELECT listing_stats.keep_latest('price', 'latest_price', key => 'listing_id');
	CREATE TABLE problem (at timestamptz DEFAULT now(), problem text);
	DROP TABLE price_2025;
	ALTER TABLE price DISABLE TRIGGER "LISTING_STATS_1_truncate";
	SELECT cron.schedule('refresh', '* * * * *', $$CALL listing_stats.refresh('listing', 'price', batch_size => 5)$$);
	SELECT cron.schedule('rows', '* * * * *', $$CALL listing_stats.refresh('latest_price', 'price')$$);
	SELECT cron.schedule('check', '* * * * *', $$INSERT INTO problem (problem) SELECT problem FROM listing_stats.check()$$);
}, @as_shop);
my $wrong = q{SELECT (SELECT count(*) FROM listing_stats.verify('listing', 'price')), (SELECT count(*) FROM listing_stats.verify('latest_price', 'price'))};
is($node->safe_psql('postgres', $wrong), '3|3', 'a partition is dropped: its listings are wrong');
# A job runs when a minute begins.
my $runs = q{SELECT string_agg(jobname || ' ' || status, ', ' ORDER BY jobname) FROM (SELECT DISTINCT ON (jobname) jobname, status FROM cron.job JOIN cron.job_run_details USING (jobid) ORDER BY jobname, runid) _};
$node->poll_query_until('postgres', "SELECT ($runs) = 'check succeeded, refresh succeeded, rows succeeded'") or diag $node->safe_psql('postgres', 'TABLE cron.job_run_details');
is($node->safe_psql('postgres', $runs, @as_shop), 'check succeeded, refresh succeeded, rows succeeded', 'the jobs have run, as the owner of the tables');
is($node->safe_psql('postgres', $wrong), '0|0', 'and put that right');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT (listing, finished)::text, ' ') FROM listing_stats.refresh_progress}), '(latest_price,t) (listing,t)', 'as refresh_progress shows');
like($node->safe_psql('postgres', 'SELECT DISTINCT problem FROM problem'), qr/^trigger "LISTING_STATS_1_truncate" on table "price" is disabled/, 'what check() has found');
$node->stop;
done_testing();
