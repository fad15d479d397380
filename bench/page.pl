# The page of the application that all this began with: how many listings the filter leaves, their statistics,
# and the newest of them with their last prices, in one statement.
use strict;
use warnings;

our ($session, $quick);

sub page
{
	section('The page', 'One statement gives as JSON what the listings of one of five categories cost (count, lowest, highest, mean, quartiles), and the fifty newest of them with their last twenty prices. '
		. 'In turns with the same without a kept column, by LATERAL and percentile_cont, and with the kept column and percentile_cont. Ten prices for each listing; indexes on (category, id DESC) INCLUDE (last_price) and on the prices.');
	my %seconds;
	my @sizes = $quick ? (150, 1500) : (150, 15_000, 1_500_000);
	for my $count (@sizes)
	{
		$session->run(<<"SQL");
DROP SCHEMA IF EXISTS page CASCADE;
CREATE SCHEMA page;
CREATE TABLE page.listing (id bigint PRIMARY KEY, category int NOT NULL, title text NOT NULL, last_price numeric(10,2));
CREATE TABLE page.price (id bigserial PRIMARY KEY, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2) NOT NULL);
INSERT INTO page.listing (id, category, title) SELECT i, i % 5, 'listing ' || i FROM generate_series(1, $count) i;
INSERT INTO page.price (listing_id, created, value) SELECT i % $count + 1, timestamptz '2025-01-01 00:00Z' + i * interval '1 second', 1 + (i * 7919::bigint % 50000) / 100.0 FROM generate_series(1, 10 * $count) i;
CREATE INDEX ON page.price (listing_id, created DESC, id DESC) INCLUDE (value);
SELECT * FROM listing_stats.attach('page.listing', 'page.price', key => 'listing_id', listing_key => 'id') \\g /dev/null
CREATE INDEX ON page.listing (category, id DESC) INCLUDE (last_price);
VACUUM (FULL, ANALYZE) page.listing;
CHECKPOINT;
VACUUM (ANALYZE) page.listing, page.price;
CHECKPOINT;
SQL
		my $newest = 'FROM page.listing WHERE category = 3 ORDER BY id DESC LIMIT 50';
		my $summary = sub { "json_build_object('count', count($_[0]), 'lowest', min($_[0]), 'highest', max($_[0]), 'mean', avg($_[0]), 'quartiles', percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY $_[0]))" };
		my $by_hand = "SELECT json_agg(json_build_object('created', created, 'value', value) ORDER BY created DESC, id DESC) AS prices FROM (SELECT * FROM page.price WHERE listing_id = l.id ORDER BY created DESC, id DESC LIMIT 20) p";
		my %statement = (
			ours => "SELECT json_build_object('statistics', (SELECT listing_stats.price_stats_json(last_price) FROM page.listing WHERE category = 3), 'page', (SELECT json_agg(l) FROM ("
				. "SELECT id, title, last_price, listing_stats.price_history_json('page.price', id, 20, 'listing_id') AS prices $newest) l))",
			'the kept column, and percentile_cont' => "SELECT json_build_object('statistics', (SELECT " . $summary->('last_price') . " FROM page.listing WHERE category = 3), 'page', (SELECT json_agg(json_build_object('id', l.id, 'title', title, 'last_price', last_price, 'prices', prices)) FROM (SELECT * $newest) l CROSS JOIN LATERAL ($by_hand) h))",
			LATERAL => "SELECT json_build_object('statistics', (SELECT " . $summary->('value') . " FROM page.listing l CROSS JOIN LATERAL (SELECT value FROM page.price WHERE listing_id = l.id ORDER BY created DESC, id DESC LIMIT 1) p WHERE category = 3), "
				. "'page', (SELECT json_agg(json_build_object('id', l.id, 'title', title, 'last_price', prices->0->'value', 'prices', prices)) FROM (SELECT * $newest) l CROSS JOIN LATERAL ($by_hand) h))");
		my $times = $count < 1000 ? 50 : $count < 100_000 ? 10 : 1;
		my $cost = compare('the page of ' . readable($count) . ' listings, beside LATERAL', '', $quick ? 1 : 5,
			sub { ("$statement{$_[0]} \\g /dev/null\n" x $times, 1 / $times) }, undef, 'ours', 'LATERAL', 'the kept column, and percentile_cont') or next;
		$seconds{$count} = median(map { $_->{cpu} } @{ $cost->{ours} });
	}
	note('With ours the page takes ' . join(', ', map { sprintf '%.1f ms of %s listings', 1000 * $seconds{$_}, readable($_) } grep { $seconds{$_} } @sizes) . '.');
	$session->run('DROP SCHEMA page CASCADE;');
}

1;
