# The statistics of the latest prices of all listings, asked for in three ways over one open
# connection: as the application's loop does, with the prices fetched beforehand, and in one statement.
# Each way ends with the same figures in the client, which are compared.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../../tools";
use List::Util qw(max min sum0);
use Psql;
use Time::HiRes qw(time);

my $rounds = 15;
my @fields = qw(count min q1 median q3 max mean stddev);
my $session = Psql->new(@ARGV);
my ($statements, $rows);

sub query
{
	my @queries = @_;
	my @answer = map { [ length ? split(/\|/, $_, -1) : '' ] }
		split /\n/, $session->run(join "\n", @queries), -1;
	$statements += @queries;
	$rows += @answer;
	return @answer;
}

# What an application computes from a list of prices.
sub summary
{
	my @sorted = sort { $a <=> $b } grep { $_ ne '' } @_;
	my $mean = sum0(@sorted) / @sorted;
	my $quantile = sub {
		my $place = $_[0] * $#sorted;
		my $below = int $place;
		my $above = min($below + 1, $#sorted);
		return $sorted[$below] + ($place - $below) * ($sorted[$above] - $sorted[$below]);
	};
	return (scalar @sorted, $sorted[0], map({ $quantile->($_) } 0.25, 0.5, 0.75), $sorted[-1], $mean,
		sqrt(sum0(map { ($_ - $mean)**2 } @sorted) / $#sorted));
}

sub loop
{
	my @ids = map { $_->[0] } query('SELECT id FROM myapp_listing;');
	return summary(map { $_->[0] } query(map {
		"SELECT value FROM myapp_price WHERE listing_id = $_ ORDER BY created DESC, id DESC LIMIT 1;"
	} @ids));
}

sub prefetch
{
	my $ids = join ',', map { $_->[0] } query('SELECT id FROM myapp_listing;');
	my %latest;
	$latest{ $_->[0] } //= $_->[1] for query(
		"SELECT listing_id, value FROM myapp_price WHERE listing_id IN ($ids) ORDER BY created DESC, id DESC;");
	return summary(values %latest);
}

sub ours
{
	my ($row) = query('SELECT ' . join(', ', @fields)
		. ' FROM (SELECT (listing_stats.price_summary(last_price)).* FROM myapp_listing) s;');
	return @$row;
}

my @ways = (
	{ name => 'a query per listing (N+1)', run => \&loop },
	{ name => 'prefetch of all prices', run => \&prefetch },
	{ name => 'price_summary(last_price)', run => \&ours },
);
# The first round is for the caches.
for my $round (0 .. $rounds)
{
	for my $way (@ways)
	{
		($statements, $rows) = (0, 0);
		my ($wall, $cpu) = (time, $session->cpu);
		my @answer = $way->{run}->();
		($wall, $cpu) = (time - $wall, $session->cpu - $cpu);
		@$way{qw(answer statements rows)} = (\@answer, $statements, $rows);
		push @{ $way->{wall} }, $wall if $round;
		push @{ $way->{cpu} }, $cpu if $round;
	}
}

sub median { return (sort { $a <=> $b } @_)[ $#_ / 2 ] }

my ($our_wall, $our_cpu) = map { median(@{ $ways[2]{$_} }) } qw(wall cpu);
printf "%-26s %10s %13s %11s %13s\n", '', 'statements', 'rows fetched', 'time', 'server CPU';
printf "%-26s %10d %13d %9.1f x %11.1f x\n", @$_{qw(name statements rows)},
	median(@{ $_->{wall} }) / $our_wall, median(@{ $_->{cpu} }) / $our_cpu
	for @ways;
printf "Medians of %d interleaved rounds over an open connection, with the client's own work; 1 x is %.2f ms,\n"
	. "of which the server's processor %.2f ms.\n", $rounds, $our_wall * 1000, $our_cpu * 1000;

for my $way (@ways[ 0, 1 ])
{
	for my $i (0 .. $#fields)
	{
		my ($theirs, $our) = ($way->{answer}[$i], $ways[2]{answer}[$i]);
		die "$way->{name}: $fields[$i] is $theirs, not $our\n"
			if abs($theirs - $our) > 1e-9 * max(1, abs $our);
	}
}
printf "All three say: %s.\n",
	join ', ', map { sprintf '%s %s', $fields[$_], $ways[2]{answer}[$_] =~ s/(\.\d\d)\d*/$1/r } 0 .. $#fields;
