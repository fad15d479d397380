# What the shapes of "Fitting your tables" cost those who write, beside the plain shape: one price of one
# column by an integer key.
use strict;
use warnings;
use FindBin;
require "$FindBin::Bin/writing.pl";

our ($session, $directory, $quick, $listings, $prices);

# All tables have the same columns and rows; only what is attached differs.
my %attach = (
	plain => undef,
	kept => "SELECT listing_stats.attach('kept.listing', 'kept.price')",
	# What keep_latest() keeps.
	dated => "SELECT listing_stats.attach('dated.listing', 'dated.price', last_price_at => 'last_at')",
	carried => "SELECT listing_stats.attach('carried.listing', 'carried.price', carry => 'currency, url, seen')",
	uncounted => "SELECT listing_stats.attach('uncounted.listing', 'uncounted.price', condition => \$\$currency = 'USD'\$\$)",
	counted => "SELECT listing_stats.attach('counted.listing', 'counted.price', condition => \$\$currency = 'CHF'\$\$)",
	composite => "SELECT listing_stats.attach('composite.listing', 'composite.price', key => 'listing_id, store', listing_key => 'id, store')",
	text => "SELECT listing_stats.attach('text.listing', 'text.price', value => 'url', last_price => 'last_url')",
	own_rows => "SELECT listing_stats.keep_latest('own_rows.price', 'own_rows.latest', key => 'listing_id', last_price_at => 'last_at')",
	total => "SELECT listing_stats.attach('total.listing', 'total.price', price_total => 'total')",
);

sub make
{
	for my $side (sort keys %attach)
	{
		my $key = $side eq 'composite' ? 'id, store' : 'id';
		my $reference = $key =~ s/^id/listing_id/r;
		$session->run(<<"SQL");
\\o /dev/null
DROP SCHEMA IF EXISTS $side CASCADE;
CREATE SCHEMA $side;
CREATE TABLE $side.listing (id int, store text, PRIMARY KEY ($key));
CREATE TABLE $side.price (id bigserial PRIMARY KEY, listing_id int NOT NULL, store text NOT NULL, created timestamptz NOT NULL,
	value numeric(10,2), currency text, url text, seen timestamptz);
INSERT INTO $side.listing SELECT i, 'store ' || i FROM generate_series(1, $listings) i;
INSERT INTO $side.price (listing_id, store, created, value, currency, url, seen)
SELECT i, 'store ' || i, '2025-01-01', i, 'CHF', 'https://example.org/' || i, now() FROM generate_series(1, $listings) i;
ALTER TABLE $side.price ADD FOREIGN KEY ($reference) REFERENCES $side.listing ($key);
@{[ $attach{$side} // "CREATE INDEX ON $side.price (listing_id, created DESC, id DESC) INCLUDE (value)" ]};
CHECKPOINT;
VACUUM ANALYZE $side.listing, $side.price;
\\o
SQL
	}
	$session->run('CHECKPOINT;');
}

sub one_price
{
	return statements($quick ? 500 : 4000, $listings, sub {
		my ($side, $n, $listing) = @_;
		"INSERT INTO $side.price (listing_id, store, created, value, currency, url, seen) VALUES ($listing, 'store $listing', '2026-01-01 00:00Z'::timestamptz + interval '$n seconds', $n % 1000, 'CHF', 'https://example.org/$n', now());";
	});
}

# As many prices as there are listings.
sub many_prices
{
	my $n = 0;
	return sub {
		my ($side) = @_;
		++$n;
		"INSERT INTO $side.price (listing_id, store, created, value, currency, url, seen) SELECT i, 'store ' || i, '2027-01-01 00:00Z'::timestamptz + interval '$n days', $n, 'CHF', 'https://example.org/$n', now() FROM generate_series(1, $listings) i;";
	};
}

# Prices of random listings, in the order of time.
sub copied_prices
{
	my $file = "$directory/stores";
	$session->run(<<"SQL");
SELECT setseed(0.5);
COPY (SELECT l, 'store ' || l, timestamptz '2028-01-01 00:00Z' + i * interval '1 second', i % 1000
	FROM (SELECT i, 1 + floor(random() * $listings)::int AS l FROM generate_series(1, $prices) i) r) TO '$file';
SQL
	return sub { "COPY $_[0].price (listing_id, store, created, value) FROM '$file';" };
}

sub shapes
{
	section('Shapes', 'What other shapes than the plain one cost those who write; see docs/fitting-your-tables.md.');
	make();
	my @rows = (
		[ 'three carried columns, beside none', '1.10', qw(carried kept) ],
		[ 'a condition that is false, beside no attachment', '1.05', qw(uncounted plain) ],
		[ 'a condition that is true, beside none', '', qw(counted kept) ],
		[ 'a key of two columns (int, text), beside an integer', '1.5', qw(composite kept) ],
		[ 'a text as value, beside a number', '', qw(text kept) ],
		[ 'keep_latest(), beside attach()', '1.15', qw(own_rows dated) ],
		[ 'a total, beside none', '', qw(total kept) ],
	);
	compare("INSERT of one price: $_->[0]", $_->[1], $quick ? 3 : 11, one_price(), undef, @$_[ 2, 3 ]) for @rows;
	compare("INSERT of a price for each of " . readable($listings) . " listings: $_->[0]", $_->[1], $quick ? 1 : 7, many_prices(), undef, @$_[ 2, 3 ]) for @rows;
	compare('COPY of ' . readable($prices) . ' prices over ' . readable($listings) . ' listings: a key of two columns (int, text), beside an integer', '1.5', $quick ? 1 : 3,
		copied_prices(), sub { $session->run('CHECKPOINT; VACUUM composite.listing, kept.listing; CHECKPOINT;') }, qw(composite kept));
}

1;
