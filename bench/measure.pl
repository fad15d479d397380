# Runs each workload with ours and with what it is compared with, in turns, prints the ratios, and writes
# them to RESULTS.md and chart.svg.  bench/run calls it with a directory for its files and its own
# options; the workloads are in a file for each part.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tools";
use List::Util qw(max min);
use Psql;
use Time::HiRes qw(time);

our ($directory, @options) = @ARGV;
our $quick = grep { $_ eq '--quick' } @options;
our $listings = $quick ? 10_000 : 100_000;
our $prices = 10 * $listings;
our $session = Psql->new('-d', 'bench', '-v', "listings=$listings");
$session->run('SET client_min_messages = warning;');
$| = 1;
my @parts = grep { !/^--/ } @options;
@parts = qw(writing reading statistics history) unless @parts;

sub median { return (sort { $a <=> $b } @_)[ $#_ / 2 ] }

sub ratio { return sprintf '%.2f', $_[0] }

sub readable { return $_[0] =~ s/000$/k/r =~ s/000k$/M/r }

# Seconds of processor and wall time, and bytes of WAL.
sub measure
{
	my ($script) = @_;
	my $wal = $session->run('SELECT pg_current_wal_insert_lsn();');
	my ($cpu, $wall) = ($session->cpu, time);
	$session->run($script);
	($cpu, $wall) = ($session->cpu - $cpu, time - $wall);
	return { cpu => $cpu, wall => $wall,
		wal => $session->run("SELECT pg_current_wal_insert_lsn() - '$wal';") };
}

my @rows;

# name, ratio of processor time, goal, spread, ratio of wall time, ratio of WAL; '' for what there is not.
sub row
{
	push @rows, [@_];
	printf "%-62s %6s %6s %15s %6s %6s\n", @_;
}

# Does the work of each side in turns, so many rounds after a first one for the caches; returns what each
# round has cost each side.
sub costs
{
	my ($rounds, $work, $prepare, @sides) = @_;
	my %cost;
	for my $round (0 .. $rounds)
	{
		$prepare->() if $prepare;
		for my $side ($round % 2 ? @sides : reverse @sides)
		{
			my $now = measure($work->($side));
			push @{ $cost{$side} }, $now if $round;
		}
	}
	return \%cost;
}

# Prints what the first of two sides costs relative to the second; returns the processor time of the first.
sub compare
{
	my ($name, $goal, $rounds, $work, $prepare, $sides) = @_;
	my ($ours, $theirs) = $sides ? @$sides : ('kept', 'plain');
	my $cost = costs($rounds, $work, $prepare, $ours, $theirs);
	my @ratios = map { $cost->{$ours}[$_]{cpu} / $cost->{$theirs}[$_]{cpu} } 0 .. $rounds - 1;
	my ($our, $their) = map { my $side = $_; +{ map { my $what = $_; $what => median(map { $_->{$what} } @{ $cost->{$side} }) } qw(cpu wall wal) } } $ours, $theirs;
	row($name, ratio($our->{cpu} / $their->{cpu}), $goal, ratio(min @ratios) . ' to ' . ratio(max @ratios),
		ratio($our->{wall} / $their->{wall}), $their->{wal} > 10_000 ? ratio($our->{wal} / $their->{wal}) : '');
	return $our->{cpu};
}

# A file for COPY: prices in the order of time, each of a random listing of the first $among.
sub price_file
{
	my ($rows, $among) = @_;
	my $file = "$directory/$rows-$among";
	$session->run(<<"SQL") unless -e $file;
SELECT setseed(0.5);
COPY (SELECT 1 + floor(random() * $among)::bigint, timestamptz '2025-01-01 00:00Z' + i * interval '1 second',
	1 + floor(random() * 50000) / 100 FROM generate_series(1, $rows) i) TO '$file';
SQL
	return $file;
}

# A row's ratio: of wall time where there is none of processor time.
sub ratio_of { my ($row) = @_; return $row->[1] ne '' ? $row->[1] : $row->[4] }

sub is_missed { my ($row) = @_; return $row->[2] ne '' && ratio_of($row) > $row->[2] }

sub write_results
{
	my ($machine) = @_;
	open my $file, '>', "$directory/RESULTS.md" or die "$directory/RESULTS.md: $!\n";
	print $file "# What it costs\n\nWritten by `bench/run", join('', map { " $_" } @options), "`: $machine\n\n",
		"Each row is one kind of work with ours relative to the same without, or to what it is compared with: ratios of the\n",
		"processor time of the server's process, medians of interleaved rounds; smaller is better. Wall time stands alone where\n",
		"several processes take part. A goal that is missed is in bold.\n\n![The ratios and their goals](chart.svg)\n\n",
		"| work | ratio | goal | spread | wall time | WAL |\n|---|---|---|---|---|---|\n";
	for my $row (@rows)
	{
		my @cells = @$row;
		$cells[2] = "**$cells[2]**" if is_missed($row);
		print $file '| ', join(' | ', @cells), " |\n";
	}
	close $file;
	write_chart();
}

# A bar for each row that has a goal, and a line across it where the goal is.
sub write_chart
{
	my @shown = grep { $_->[2] ne '' } @rows;
	my ($left, $width, $line) = (430, 400, 18);
	my $scale = sub { sprintf '%.1f', $width * min($_[0], 2.5) / 2.5 };
	open my $file, '>', "$directory/chart.svg" or die "$directory/chart.svg: $!\n";
	printf $file qq{<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">\n<rect width="100%%" height="100%%" fill="white"/>\n},
		$left + $width + 60, $line * (@shown + 2);
	my $y = $line;
	for my $row (@shown)
	{
		my $name = $row->[0] =~ s/&/&amp;/gr =~ s/</&lt;/gr;
		my $ratio = ratio_of($row);
		printf $file qq{<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%s" height="10" fill="%s"/>}
			. qq{<line x1="%s" x2="%s" y1="%d" y2="%d" stroke="black"/><text x="%s" y="%d">%s</text>\n},
			$left - 8, $y + 9, $name, $left, $y, $scale->($ratio), is_missed($row) ? '#d08030' : '#4080c0',
			($left + $scale->($row->[2])) x 2, $y - 2, $y + 12, $left + max($scale->($ratio), $scale->($row->[2])) + 6, $y + 9, $ratio;
		$y += $line;
	}
	printf $file qq{<text x="%d" y="%d">relative to the work without, or to what it is compared with; the line is the goal</text>\n</svg>\n}, $left, $y + 9;
	close $file;
}

my $processor = (map { /^model name\s*: (.*)/ ? $1 : () } do { local @ARGV = '/proc/cpuinfo'; <> })[0] // 'unknown processor';
my ($load) = do { local @ARGV = '/proc/loadavg'; split ' ', <> };
my $machine = sprintf 'PostgreSQL %s; %s, %d processors, load %s at the start; %s listings with %s prices.', $session->run('SHOW server_version;'), $processor,
	scalar(() = glob '/sys/devices/system/cpu/cpu[0-9]*'), $load, readable($listings), readable($prices);
print "$machine\n\n";
printf "%-62s %6s %6s %15s %6s %6s\n", 'work, relative to the same without', 'CPU', 'goal', 'spread', 'wall', 'WAL';
my $right = 1;
for my $part (@parts)
{
	require "$FindBin::Bin/$part.pl";
	no strict 'refs';
	$right = 0 unless $part->();
}
write_results($machine);
exit(!$right);
