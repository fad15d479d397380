# Reads latest prices and histories in every way that one would, in turns, and prints the ratios to the
# best SQL there is.  bench/run calls it with its own options.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tools";
use List::Util qw(max min);
use Psql;

my $quick = grep { $_ eq '--quick' } @ARGV;
my $listings = $quick ? 5_000 : 100_000;
my $rounds = $quick ? 3 : 7;
my $session = Psql->new('-d', 'bench', '-v', "listings=$listings");
$| = 1;
$session->run('SET client_min_messages = warning; SET work_mem = \'64MB\';');

sub median { return (sort { $a <=> $b } @_)[ $#_ / 2 ] }

# compare(NAME, GOAL, [LABEL => QUERY]...): the first query is what the others are relative to, the second
# is ours.  What a client would read is written as text.
sub compare
{
	my ($name, $goal, @queries) = @_;
	my $rounds = $name =~ /only/ ? min($rounds, 3) : $rounds;    # those take long
	my %cost;
	for my $round (0 .. $rounds)
	{
		for my $query ($round % 2 ? @queries : reverse @queries)
		{
			my $before = $session->cpu;
			$session->run($query->[1] =~ /^DO/ ? "$query->[1];" : "COPY ($query->[1]) TO '/dev/null';");
			push @{ $cost{ $query->[0] } }, $session->cpu - $before if $round;
		}
	}
	my $base = $cost{ $queries[0][0] };
	my @ratios = map { $cost{ $queries[1][0] }[$_] / $base->[$_] } 0 .. $#$base;
	printf "%-46s %5.2f %5s  %s  %s\n", $name, median(@{ $cost{ $queries[1][0] } }) / median(@$base), $goal,
		sprintf('%.2f to %.2f', min(@ratios), max(@ratios)),
		join ', ', map { sprintf '%s %.2f', $_->[0], median(@{ $cost{ $_->[0] } }) / median(@$base) } @queries[ 2 .. $#queries ];
}

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
UPDATE listing SET (last_price, last_price_at) = (SELECT value, created FROM price WHERE listing_id = listing.id ORDER BY created DESC LIMIT 1);
VACUUM FULL listing;
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
my $count = $listings =~ s/000$/k/r;

printf "\n%-46s %5s %5s  %-12s  %s\n", 'reading, relative to the best SQL', 'CPU', 'goal', 'spread', 'and others';
compare("latest of $count, only an index on the key", '0.06', [ 'max and join' => $max ], [ ours => $all ], [ 'DISTINCT ON' => $distinct ], [ window => $window ], [ stored => $stored ]);
$session->run('CREATE INDEX without_value ON price (listing_id, created DESC, id DESC);');
compare("latest of $count, index without value", '0.38', [ LATERAL => $lateral ], [ ours => $all ], [ recursive => $skip ], [ stored => $stored ]);
$session->run('DROP INDEX without_value; CREATE INDEX covering ON price (listing_id, created DESC, id DESC) INCLUDE (value);');
compare("latest of $count, covering index", '0.27', [ LATERAL => $lateral ], [ ours => $all ], [ 'DISTINCT ON' => $distinct ], [ recursive => $skip ], [ stored => $stored ]);
compare("  the same relative to the stored column", '2.8', [ stored => $stored ], [ ours => $all ]);
compare("as of a time, $count, covering index", '0.32', [ LATERAL => $lateral =~ s/l\.id ORDER/l.id AND created <= $middle ORDER/r ],
	[ ours => $all =~ s/key =>/as_of => $middle, key =>/r ]);

# Keys given: the same work in a loop of the server's, so that little else is measured.
for my $n (1, 150, 1000, 10_000)
{
	next if $n > $listings / 4;
	my $times = max(1, int(($quick ? 2_000 : 30_000) / $n));
	my $loop = sub {
		return "DO \$\$ DECLARE ids bigint[]; s numeric; BEGIN FOR i IN 1..$times LOOP ids := (SELECT array_agg(id ORDER BY id) FROM (SELECT DISTINCT i::bigint * 7919 * j % $listings + 1 AS id FROM generate_series(1, $n) j) _); "
			. "FOR j IN 1..5 LOOP SELECT sum(p.value) INTO s FROM $_[0]; END LOOP; END LOOP; END \$\$";
	};
	compare("latest of $n given", { 1 => '1.00', 150 => '0.38', 1000 => '0.30', 10_000 => '0.45' }->{$n},
		[ LATERAL => $loop->("unnest(ids) u(id) CROSS JOIN LATERAL (SELECT created, value FROM price WHERE listing_id = u.id $order LIMIT 1) p") ],
		[ ours => $loop->(q{listing_stats.latest_prices('price', ids, key => 'listing_id') p}) ],
		[ 'DISTINCT ON' => $loop->("(SELECT DISTINCT ON (listing_id) value FROM price WHERE listing_id = ANY (ids) ORDER BY listing_id, created DESC, id DESC) p") ],
		[ stored => $loop->('(SELECT last_price AS value FROM listing WHERE id = ANY (ids)) p') ]);
}
$session->run("INSERT INTO price (listing_id, created, value) SELECT id, '2027-01-01', 5 FROM listing;");
compare("latest of $count, newest rows not vacuumed", '0.40', [ LATERAL => $lateral ], [ ours => $all ], [ 'DISTINCT ON' => $distinct ]);

$session->run(<<'SQL');
CREATE TABLE page AS SELECT generate_series(1, 150)::bigint AS id;
CREATE TABLE shown (id bigserial PRIMARY KEY, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO shown (listing_id, created, value)
SELECT i % 150 + 1, timestamptz '2025-01-01 00:00Z' + i * interval '11 minutes 1.5 seconds', 1 + floor(random() * 50000) / 100 FROM generate_series(1, 15000) i;
CREATE INDEX shown_index ON shown (listing_id, created DESC, id DESC) INCLUDE (value);
VACUUM ANALYZE shown, page;
SQL
my $history = "SELECT json_agg(json_build_object('created', created, 'value', value) $order) AS prices FROM shown WHERE listing_id = page.id";
my $objects = "json_agg(json_build_object('id', page.id, 'prices', prices))";
my @pages = (
	[ 'json_agg with LATERAL' => "SELECT $objects FROM page CROSS JOIN LATERAL ($history) h" ],
	[ ours => "SELECT $objects FROM (SELECT id, listing_stats.price_history_json('shown', id, NULL, 'listing_id') AS prices FROM page) page" ],
	[ 'a row for each listing' => q{SELECT id, listing_stats.price_history_json('shown', id, NULL, 'listing_id') FROM page} ],
	[ jsonb_agg => "SELECT jsonb_agg(jsonb_build_object('id', page.id, 'prices', prices)) FROM page CROSS JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('created', created, 'value', value) $order) AS prices FROM shown WHERE listing_id = page.id) h" ],
	[ 'rows, no JSON' => "SELECT p.* FROM page CROSS JOIN LATERAL (SELECT listing_id, created, value FROM shown WHERE listing_id = page.id $order) p" ]);
compare('page of 150 x 100 prices, covering index', '0.18', @pages);
$session->run('DROP INDEX shown_index; CREATE INDEX shown_index ON shown (listing_id, created DESC, id DESC);');
compare('page of 150 x 100 prices, index without value', '0.40', @pages);

my $wrong = $session->run("SELECT count(*) FROM (($distinct) EXCEPT ALL $all) _;");
print "latest_prices() and DISTINCT ON differ in $wrong rows.\n";
$session->run('DROP SCHEMA reading CASCADE;');
exit($wrong != 0);
