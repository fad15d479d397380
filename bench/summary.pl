# Makes summary.svg, the chart in README.md, from RESULTS.md: eight of its figures, on one scale on which 1 is the
# usual way to do the same.  Called with the directory that has the one and gets the other.
use strict;
use warnings;

my ($directory) = @ARGV;
# What README says of it, the row of RESULTS.md, and which of its others is ours if it is not the row itself.
my @bars = (
	[ 'reading the kept column of 100,000 listings, beside LATERAL', 'latest price of each of 100k listings, covering index, beside LATERAL', 'the stored column' ],
	[ 'price_summary(), beside the same aggregates and percentiles in SQL', 'price_summary, beside the same in SQL, index only' ],
	[ 'latest_prices() of 100,000 listings, beside LATERAL', 'latest price of each of 100k listings, covering index, beside LATERAL' ],
	[ 'JSON of 150 listings with 100 prices each, beside json_agg', 'JSON page of 150 listings with 100 prices each, covering index, beside json_agg with LATERAL' ],
	[ 'refresh() of 100,000 listings, beside UPDATE ... SET last_price = 5', 'refresh() of 100k listings with 1M prices, beside a constant UPDATE' ],
	[ 'price_summary() of a million rows, beside count()', 'price_summary of all 1M rows, beside count()' ],
	[ 'COPY of a million prices, beside no column kept', 'COPY of 1M prices over 100k listings' ],
	[ 'INSERT and commit of one price, beside no column kept', 'INSERT of one price, the newest, committed' ],
);

open my $results, '<', "$directory/RESULTS.md" or die "$directory/RESULTS.md: $!\n";
my %row = map { /^\| ([^|]+?) \| ([0-9.]+) \|(.*)/ ? ($1 => [ $2, $3 ]) : () } <$results>;
my ($line, $left, $width, $greatest) = (24, 450, 300, 1.5);
my $x = sub { sprintf '%.1f', $left + $width * $_[0] / $greatest };
my ($y, $marks) = (44, '');
for my $bar (@bars)
{
	my ($label, $name, $other) = @$bar;
	my ($ratio, $more) = @{ $row{$name} // die "RESULTS.md has no row $name\n" };
	($ratio) = $more =~ /\Q$other\E ([0-9.]+)/ or die "$name has no $other\n" if $other;
	$marks .= sprintf qq{<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%.1f" height="14" fill="%s"/><text x="%.1f" y="%d">%s</text>\n},
		$left - 8, $y + 11, $label, $left, $y, $width * $ratio / $greatest, $ratio <= 1 ? '#4080c0' : '#e07020', $x->($ratio) + 5, $y + 11, $ratio;
	$y += $line;
}
open my $file, '>', "$directory/summary.svg" or die "$directory/summary.svg: $!\n";
printf $file qq{<svg xmlns="http://www.w3.org/2000/svg" width="%1\$d" height="%2\$d" viewBox="0 0 %1\$d %2\$d" font-family="sans-serif" font-size="12">\n}
	. qq{<rect width="100%%" height="100%%" fill="white"/>\n<text x="%3\$s" y="20" text-anchor="middle">1: the same time</text>}
	. qq{<text x="%4\$d" y="20" text-anchor="end">Processor time, relative to what is named after "beside"</text>\n%5\$s}
	. qq{<line x1="%3\$s" x2="%3\$s" y1="28" y2="%6\$d" stroke="black"/>\n</svg>\n}, $left + $width + 40, $y + 8, $x->(1), $left - 8, $marks, $y;
