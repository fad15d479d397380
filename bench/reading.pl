# Latest prices and histories read in every way that one would: relative to the best SQL there is.
use strict;
use warnings;
use List::Util qw(max);

our ($session, $quick);

# beside(NAME, GOAL, [LABEL => QUERY]...): the first query is what the others are relative to, the second
# is ours.  What a client would read is written as text.
sub beside
{
	my ($name, $goal, @queries) = @_;
	my %query = map { @$_ } @queries;
	my ($base, $ours, @others) = map { $_->[0] } @queries;
	# Those without an index take long.
	return compare("$name, beside $base", $goal, $quick || $name =~ /only/ ? 3 : 7,
		sub { $query{$_[0]} =~ /^DO/ ? "$query{$_[0]};" : "COPY ($query{$_[0]}) TO '/dev/null';" }, undef, $ours, $base, @others);
}

# A figure counts only if both ways have the same answer.
sub compare_answers
{
	my ($theirs, $ours, $name) = @_;
	my $wrong = $session->run("SELECT count(*) FROM ((($theirs) EXCEPT ALL ($ours)) UNION ALL (($ours) EXCEPT ALL ($theirs))) _;");
	failed("$name and SQL differ in $wrong rows.") if $wrong;
}

# The page as a client gets it, over a connection and into a string of JSON.
sub page_in_a_client
{
	my ($name) = @_;
	my @python = '/usr/bin/python3';
	my $version = `@python -c 'import psycopg2; print(psycopg2.__version__.split()[0], end="")' 2>/dev/null`;
	return note("Not compared: $name, since @python has no psycopg2.") if $version eq '';
	note("The Python client uses psycopg2 $version.");
	my %cost;
	open my $client, '-|', @python, 'bench/page.py', $quick ? 1 : 7, $quick ? 2 : 5 or die "@python: $!\n";
	while (<$client>)
	{
		chomp;
		my ($way, $cpu, $wall) = split /\t/;
		push @{ $cost{$way} }, { cpu => $cpu, wall => $wall };
	}
	close $client or return failed("$name: bench/page.py ended with status $?");
	my @ways = ('ours', 'prefetch in two queries', 'a query for each listing (N+1)', 'json_agg with LATERAL');
	report("$name, beside prefetch in two queries: server", '', \%cost, @ways);
	delete $_->{cpu} for map { @$_ } values %cost;
	report("$name, beside prefetch in two queries: server and client", '', \%cost, @ways);
}

# Prices in partitions, and of listings whose key is a text.
sub other_shapes
{
	my $count = $quick ? 1_000 : 20_000;
	for my $shape ([ '16 partitions', 'bigint', 16 ], [ '1000 partitions', 'bigint', 1000 ], [ 'text keys', 'text', 0 ])
	{
		my ($name, $type, $partitions) = @$shape;
		my $key = sub { $type eq 'text' ? "'listing ' || $_[0]" : $_[0] };
		my $of = sub { "timestamptz '2025-01-01 00:00Z' + $_[0] * interval '1 second'" };
		my $seconds = $partitions ? 20 * $count / $partitions : 0;
		$session->run(<<"SQL");
DROP SCHEMA IF EXISTS other CASCADE;
CREATE SCHEMA other;
CREATE TABLE other.listing (id $type PRIMARY KEY);
CREATE TABLE other.price (id bigserial, listing_id $type NOT NULL, created timestamptz NOT NULL, value numeric(10,2)) @{[ $partitions ? 'PARTITION BY RANGE (created)' : '' ]};
INSERT INTO other.listing SELECT @{[ $key->('i') ]} FROM generate_series(1, $count) i;
SELECT format('CREATE TABLE other.part_%s PARTITION OF other.price FOR VALUES FROM (%L) TO (%L)', i, @{[ $of->("(i - 1) * $seconds") ]}, @{[ $of->("i * $seconds") ]})
	FROM generate_series(1, $partitions) i \\gexec
CREATE INDEX ON other.price (listing_id, created DESC, id DESC) INCLUDE (value);
INSERT INTO other.price (listing_id, created, value) SELECT @{[ $key->("(i % $count + 1)") ]}, @{[ $of->('i') ]}, i % 1000 FROM generate_series(1, 20 * $count - 1) i;
ALTER TABLE other.price ADD FOREIGN KEY (listing_id) REFERENCES other.listing;
SELECT * FROM listing_stats.attach('other.listing', 'other.price', tie => 'id') \\g /dev/null
CHECKPOINT;
VACUUM ANALYZE other.listing;
CHECKPOINT;
VACUUM ANALYZE other.price;
SQL
		my $order = 'ORDER BY created DESC, id DESC';
		my $all = 'latest price of each of ' . readable($count) . " listings, $name";
		my $ours = "SELECT * FROM listing_stats.latest_prices('other.price', NULL::$type\[])";
		beside($all, '0.50', [ 'DISTINCT ON' => 'SELECT DISTINCT ON (listing_id) listing_id, created, value FROM other.price ORDER BY listing_id, created DESC, id DESC' ], [ ours => $ours ]);
		beside($all, '1.00', [ LATERAL => "SELECT l.id, p.* FROM other.listing l CROSS JOIN LATERAL (SELECT created, value FROM other.price WHERE listing_id = l.id $order LIMIT 1) p" ], [ ours => $ours ]);
		compare_answers("SELECT DISTINCT ON (listing_id) listing_id, created, value FROM other.price ORDER BY listing_id, created DESC, id DESC", $ours, "latest_prices(), $name");
		for my $n (1, 150)
		{
			my $times = $n == 1 ? ($quick ? 100 : 2000) : ($quick ? 2 : 40);
			my $loop = sub {
				return "DO \$\$ DECLARE ids $type\[]; s numeric; BEGIN FOR i IN 1..$times LOOP ids := ARRAY(SELECT " . $key->("(i::bigint * 7919 * j % $count + 1)") . " FROM generate_series(1, $n) j); "
					. "SELECT sum(p.value) INTO s FROM $_[0]; END LOOP; END \$\$";
			};
			beside("latest prices of given listings ($n), $name", '1.30',
				[ LATERAL => $loop->("unnest(ids) u(id) CROSS JOIN LATERAL (SELECT created, value FROM other.price WHERE listing_id = u.id $order LIMIT 1) p") ],
				[ ours => $loop->(q{listing_stats.latest_prices('other.price', ids) p}) ]);
		}
		$session->run('DROP SCHEMA other CASCADE;');
	}
}

sub reading
{
	local our $listings = $quick ? 5_000 : 100_000;
	section('Reading', 'Latest prices and pages, relative to the way that is named after "beside": the best SQL there is for these indexes, or "floor", the least that a function has to do key by key (bench/floor.cpp): below 1.00 beside it ours reads several at a time. Queries run in the server, their result as text. '
		. readable($listings) . ' listings with 50 prices each; the stored column is what one reads where it is kept.');
	$session->run("\\set listings $listings\nSET work_mem = '64MB';");
	$session->run(<<'SQL');
DROP SCHEMA IF EXISTS reading CASCADE;
CREATE SCHEMA reading;
SET search_path = reading;
CREATE TABLE listing (id bigint PRIMARY KEY, last_price numeric(10,2), last_price_at timestamptz);
CREATE TABLE price (id bigserial PRIMARY KEY, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO listing SELECT generate_series(1, :listings);
SELECT setseed(0.5) \g /dev/null
INSERT INTO price (listing_id, created, value)
SELECT i % :listings + 1, timestamptz '2025-01-01 00:00Z' + i * interval '1 second', 1 + floor(random() * 50000) / 100 FROM generate_series(1, 50 * :listings) i;
CREATE INDEX of_listing ON price (listing_id);
CREATE OR REPLACE FUNCTION public.floor_latest(regclass, bigint[]) RETURNS TABLE (listing_id bigint, created timestamptz, value numeric) AS :'floor', 'floor_latest' LANGUAGE C;
UPDATE listing SET (last_price, last_price_at) = (SELECT value, created FROM price WHERE listing_id = listing.id ORDER BY created DESC LIMIT 1);
VACUUM FULL listing;
CHECKPOINT;
VACUUM (FREEZE, ANALYZE) listing, price;
CHECKPOINT;
SQL

	my $order = 'ORDER BY created DESC, id DESC';
	my $all = q{SELECT * FROM listing_stats.latest_prices('price', key => 'listing_id')};
	my $lateral = "SELECT l.id, p.* FROM listing l CROSS JOIN LATERAL (SELECT created, value FROM price WHERE listing_id = l.id $order LIMIT 1) p";
	my $stored = 'SELECT id, last_price_at, last_price FROM listing';
	my $distinct = "SELECT DISTINCT ON (listing_id) listing_id, created, value FROM price ORDER BY listing_id, created DESC, id DESC";
	my $window = "SELECT listing_id, created, value FROM (SELECT *, row_number() OVER (PARTITION BY listing_id $order) AS n FROM price) p WHERE n = 1";
	my $max = 'SELECT p.listing_id, p.created, p.value FROM price p JOIN (SELECT listing_id, max(created) AS created FROM price GROUP BY listing_id) m USING (listing_id, created)';
	my $skip = "WITH RECURSIVE w AS ((SELECT listing_id, created, value FROM price ORDER BY listing_id, created DESC, id DESC LIMIT 1) UNION ALL SELECT n.* FROM w CROSS JOIN LATERAL (SELECT listing_id, created, value FROM price WHERE listing_id > w.listing_id ORDER BY listing_id, created DESC, id DESC LIMIT 1) n) TABLE w";
	my $middle = "timestamptz '2025-01-01 00:00Z' + " . 30 * $listings . " * interval '1 second'";
	my $count = 'latest price of each of ' . readable($listings) . ' listings';

	# No way reads fewer rows than all of them, as count(*) does.
	my $pass = beside("$count, only an index on the listing", '', [ 'max and join' => $max ], [ ours => $all ], [ 'DISTINCT ON' => $distinct ], [ window => $window ], [ 'the stored column' => $stored ],
		[ 'count(*)' => 'SELECT count(*) FROM price' ]);
	report("$count, only an index on the listing, beside count(*) of the prices", '1.30', $pass, 'ours', 'count(*)') if $pass;
	$session->run('CREATE INDEX without_value ON price (listing_id, created DESC, id DESC);');
	beside("$count, index without value", '0.38', [ LATERAL => $lateral ], [ ours => $all ], [ 'recursive skip scan' => $skip ], [ 'the stored column' => $stored ]);
	$session->run('DROP INDEX without_value; CREATE INDEX covering ON price (listing_id, created DESC, id DESC) INCLUDE (value);');
	my @last;
	if (available('first_last_agg', "first_last_agg's last()"))
	{
		$session->run('CREATE EXTENSION IF NOT EXISTS first_last_agg SCHEMA public;');
		@last = [ "first_last_agg's last()" => 'SELECT listing_id, max(created), public.last(value ORDER BY created, id) FROM price GROUP BY listing_id' ];
	}
	beside("$count, covering index", '0.27', [ LATERAL => $lateral ], [ ours => $all ], [ 'DISTINCT ON' => $distinct ], [ window => $window ], [ 'max and join' => $max ],
		[ 'recursive skip scan' => $skip ], @last, [ 'the stored column' => $stored ]);
	beside("$count, covering index", '2.8', [ 'the stored column' => $stored ], [ ours => $all ]);
	beside("the same as of a time in the middle, covering index", '0.32', [ LATERAL => $lateral =~ s/l\.id ORDER/l.id AND created <= $middle ORDER/r ],
		[ ours => $all =~ s/key =>/as_of => $middle, key =>/r ]);

	# Keys given: the same work in a loop of the server's, so that little else is measured.
	my $some = $quick ? 1_000 : 10_000;
	for my $n (1, 150, 1000, 10_000)
	{
		next if $n > $listings / 4;
		my $times = $n == 1 ? $some : max(1, int(3 * $some / $n));
		my $loop = sub {
			return "DO \$\$ DECLARE ids bigint[]; s numeric; BEGIN FOR i IN 1..$times LOOP ids := (SELECT array_agg(id ORDER BY id) FROM (SELECT DISTINCT i::bigint * 7919 * j % $listings + 1 AS id FROM generate_series(1, $n) j) _); "
				. "FOR j IN 1..5 LOOP SELECT sum(p.value) INTO s FROM $_[0]; END LOOP; END LOOP; END \$\$";
		};
		my @alone = $n == 1 ? [ 'the query alone' => $loop->("(SELECT value FROM price WHERE listing_id = ids[1] $order LIMIT 1) p") ] : ();
		my $name = "latest prices of given listings ($n)";
		my $cost = beside($name, { 1 => '1.00', 10_000 => '0.45' }->{$n} // '',
			[ LATERAL => $loop->("unnest(ids) u(id) CROSS JOIN LATERAL (SELECT created, value FROM price WHERE listing_id = u.id $order LIMIT 1) p") ],
			[ ours => $loop->(q{listing_stats.latest_prices('price', ids, key => 'listing_id') p}) ],
			[ 'DISTINCT ON' => $loop->("(SELECT DISTINCT ON (listing_id) value FROM price WHERE listing_id = ANY (ids) ORDER BY listing_id, created DESC, id DESC) p") ],
			[ 'the stored column' => $loop->('(SELECT last_price AS value FROM listing WHERE id = ANY (ids)) p') ],
			[ floor => $loop->("public.floor_latest('covering', ids) p") ], @alone) or next;
		report("$name, beside the floor", '1.00', $cost, qw(ours floor)) if $n > 1;
	}
	compare_answers($lateral, $all, 'latest_prices()');
	compare_answers($lateral, "SELECT * FROM public.floor_latest('covering', (SELECT array_agg(id) FROM listing))", 'the floor');
	compare_answers($lateral =~ s/l\.id ORDER/l.id AND created <= $middle ORDER/r, $all =~ s/key =>/as_of => $middle, key =>/r, 'latest_prices() as of a time');
	$session->run("INSERT INTO price (listing_id, created, value) SELECT id, '2027-01-01', 5 FROM listing;");
	beside("$count, newest rows not vacuumed", '0.40', [ LATERAL => $lateral ], [ ours => $all ], [ 'DISTINCT ON' => $distinct ]);

	$session->run(<<'SQL');
CREATE TABLE page AS SELECT generate_series(1, 150)::bigint AS id;
CREATE TABLE shown (id bigserial PRIMARY KEY, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO shown (listing_id, created, value)
SELECT i % 150 + 1, timestamptz '2025-01-01 00:00Z' + i * interval '11 minutes 1.5 seconds', 1 + floor(random() * 50000) / 100 FROM generate_series(1, 15000) i;
CREATE INDEX shown_index ON shown (listing_id, created DESC, id DESC) INCLUDE (value);
CHECKPOINT;
VACUUM ANALYZE shown, page;
SQL
	my $history = "SELECT json_agg(json_build_object('created', created, 'value', value) $order) AS prices FROM shown WHERE listing_id = page.id";
	my $objects = "json_agg(json_build_object('id', page.id, 'prices', prices))";
	my $page = 'JSON page of 150 listings with 100 prices each';
	my @pages = (
		[ 'json_agg with LATERAL' => "SELECT $objects FROM page CROSS JOIN LATERAL ($history) h" ],
		[ ours => "SELECT $objects FROM (SELECT id, listing_stats.price_history_json('shown', id, NULL, 'listing_id') AS prices FROM page) page" ],
		[ 'a row for each listing' => q{SELECT id, listing_stats.price_history_json('shown', id, NULL, 'listing_id') FROM page} ],
		[ jsonb_agg => "SELECT jsonb_agg(jsonb_build_object('id', page.id, 'prices', prices)) FROM page CROSS JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('created', created, 'value', value) $order) AS prices FROM shown WHERE listing_id = page.id) h" ],
		[ 'rows, no JSON' => "SELECT p.* FROM page CROSS JOIN LATERAL (SELECT listing_id, created, value FROM shown WHERE listing_id = page.id $order) p" ]);
	# What nesting text into one JSON takes is the same for all.
	$session->run(q{CREATE TABLE ready AS SELECT id, listing_stats.price_history_json('shown', id, NULL, 'listing_id') AS prices FROM page;});
	beside("$page, covering index", '0.18', @pages, [ 'stored JSON' => "SELECT $objects FROM ready page" ]);
	page_in_a_client("$page, as text in a Python client");
	$session->run('DROP INDEX shown_index; CREATE INDEX shown_index ON shown (listing_id, created DESC, id DESC);');
	beside("$page, index without value", '0.40', @pages);

	compare_answers($distinct, $all, 'latest_prices() of rows not vacuumed');
	compare_answers((map { "SELECT page.id, h.prices::jsonb FROM page CROSS JOIN LATERAL ($_) h" }
		$history, q{SELECT listing_stats.price_history_json('shown', page.id, NULL, 'listing_id') AS prices}), 'price_history_json()');

	my $ids = "(SELECT array_agg(i::bigint) FROM generate_series(1, $some) i)";
	my $rows = q{SELECT listing_id, created, value FROM};
	beside('latest rows of ' . readable($some) . ' given listings, whole', '1.50', [ 'latest_prices()' => "SELECT * FROM listing_stats.latest_prices('price', $ids, key => 'listing_id')" ],
		[ ours => "$rows listing_stats.latest_rows(NULL::price, $ids, key => 'listing_id', value => 'value')" ],
		[ LATERAL => "$rows (SELECT p.* FROM unnest($ids) u(id) CROSS JOIN LATERAL (SELECT * FROM price WHERE listing_id = u.id $order LIMIT 1) p) _" ],
		[ 'DISTINCT ON' => "$rows (SELECT DISTINCT ON (listing_id) * FROM price WHERE listing_id = ANY (CAST ($ids AS bigint\[])) ORDER BY listing_id, created DESC, id DESC) _" ]);
	attempt('partitions and text keys', sub { other_shapes() });

	# Last, since its hooks stay in the session.
	if (available('timescaledb', "TimescaleDB's last()"))
	{
		$session->run('CREATE EXTENSION timescaledb SCHEMA public;');
		beside("$count, covering index", '', [ "TimescaleDB's last()" => 'SELECT listing_id, max(created), public.last(value, created) FROM price GROUP BY listing_id' ], [ ours => $all ]);
		$session->run('DROP EXTENSION timescaledb;');
	}
	$session->run('DROP SCHEMA reading CASCADE;');
}

1;
