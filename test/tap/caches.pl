# What the server may forget of its catalogue at any moment, it forgets at every moment: who goes on
# reading what it has freed is found out.  Only a server with assertions can do so.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nsynchronous_commit = off");
$node->start;
plan skip_all => 'this server keeps its caches' if $node->safe_psql('postgres', 'SHOW debug_assertions') eq 'off';

$node->safe_psql('postgres', q{
	SET client_min_messages = warning;
	CREATE EXTENSION listing_stats;
	CREATE TABLE listing (id int PRIMARY KEY, note text);
	CREATE TABLE price (id bigserial PRIMARY KEY, created timestamptz NOT NULL, listing_id int REFERENCES listing, value numeric(10,2));
	INSERT INTO listing SELECT generate_series(1, 2);
	CREATE TABLE parts (id bigserial, k int, created timestamptz NOT NULL, value int) PARTITION BY RANGE (created);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2026-02-01');
	CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO (MAXVALUE);
	CREATE INDEX ON parts (k, created DESC);
	INSERT INTO parts (k, created, value) VALUES (1, '2026-01-01', 1), (1, '2026-03-01', 2), (2, '2026-01-01', 3);
	SELECT count(*) FROM listing_stats.attach('listing', 'price', last_price_at => 'last_price_at');
	CREATE TABLE shop (tenant int, id int, PRIMARY KEY (tenant, id));
	CREATE TABLE shop_price (id bigserial PRIMARY KEY, created timestamptz NOT NULL, tenant int, shop_id int, value int, FOREIGN KEY (tenant, shop_id) REFERENCES shop);
	INSERT INTO shop VALUES (1, 2);
	INSERT INTO shop_price (created, tenant, shop_id, value) VALUES ('2026-01-01', 1, 2, 3);
	CREATE TABLE replica (id int PRIMARY KEY REFERENCES shop_price);
	CREATE TABLE replica_price (id bigserial PRIMARY KEY, created timestamptz NOT NULL, replica_id int REFERENCES shop_price, value int);
});
my @statements = (
	[ 'writes', q{
		INSERT INTO price (created, listing_id, value) VALUES ('2026-01-01', 2, 5), ('2026-01-02', 2, 6);
		INSERT INTO price (created, listing_id, value) VALUES ('2026-02-01', 1, 5);
		UPDATE price SET value = value + 1;
	} ],
	[ 'by SQL', q{SET listing_stats.direct_path = off; DELETE FROM price WHERE listing_id = 2} ],
	[ 'refresh', q{SET client_min_messages = warning; CALL listing_stats.refresh('listing', 'price')} ],
	[ 'readers', q{SELECT value FROM listing_stats.latest_prices('price', ARRAY[1]); SELECT listing_stats.price_history_json('price', 1); SELECT listing_stats.latest_price('price', 2)} ],
	[ 'readers of partitions', q{SELECT listing_stats.latest_price('parts', 1, key_column => 'k'); SELECT listing_stats.price_history_json('parts', 1, 1, 'k'); SELECT count(*) FROM listing_stats.latest_prices('parts', key => 'k')} ],
	[ 'attach by way of another table', q{SET client_min_messages = warning; SELECT count(*) FROM listing_stats.attach('replica', 'replica_price', key => 'replica_id')} ],
	[ 'keep_latest', q{SET client_min_messages = warning; SELECT count(*) FROM listing_stats.keep_latest('shop_price', 'latest'); INSERT INTO shop_price (created, tenant, shop_id, value) VALUES ('2026-01-02', 1, 2, 4)} ],
);
for my $statement (@statements)
{
	my (undef, undef, $error) = $node->psql('postgres', "SET debug_discard_caches = 1;\n$statement->[1]");
	is($error, '', $statement->[0]) or $node->restart('immediate');
}
is($node->safe_psql('postgres', 'SELECT id, last_price FROM listing ORDER BY id'), "1|6.00\n2|", 'right');
is($node->safe_psql('postgres', 'SELECT tenant, shop_id, last_price FROM latest'), '1|2|4', 'rows of keep_latest() are right');

$node->stop;
done_testing();
