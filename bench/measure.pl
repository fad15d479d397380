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
our $session;
my @parts = grep { !/^--/ } @options;
@parts = qw(writing concurrency shapes backfill reading page statistics history) unless @parts;
my $started = time;
my ($busy_before, $waited_before) = time_of_processors();
$| = 1;
$SIG{PIPE} = 'IGNORE';

sub new_session
{
	$session = Psql->new('-d', 'bench', '-v', "listings=$listings", '-v', "floor=$directory/../floor.so");
	$session->run('SET client_min_messages = warning; SET synchronous_commit = on;');
}

sub median { return (sort { $a <=> $b } @_)[ $#_ / 2 ] }

sub ratio { return sprintf '%.2f', $_[0] }

sub spread { return ratio(min @_) . ' to ' . ratio(max @_) }

sub readable { return $_[0] =~ s/000$/k/r =~ s/000k$/M/r }

# Seconds of processor and wall time, and bytes of WAL: of a sample, so many times that.  An error of the
# script's is ours, and the session goes on.
sub measure
{
	my ($script, $times) = (@_, 1);
	my $wal = $session->run("SET synchronous_commit = off; SELECT pg_current_wal_insert_lsn();\n\\set ON_ERROR_STOP 0\n\\set LAST_ERROR_MESSAGE ''");
	my ($cpu, $wall) = ($session->cpu, time);
	$session->run($script);
	($cpu, $wall) = ($session->cpu - $cpu, time - $wall);
	my $error = $session->run("\\set ON_ERROR_STOP 1\n\\echo :LAST_ERROR_MESSAGE\nSET synchronous_commit = on;");
	die "$error\n" if $error ne '';
	return { cpu => $times * $cpu, wall => $times * $wall,
		wal => $times * $session->run("SELECT pg_current_wal_insert_lsn() - '$wal';") };
}

# The tables of RESULTS.md: title, text, rows and notes.
my @sections;
my $failures = 0;

sub section
{
	my ($title, $text) = @_;
	push @sections, { title => $title, text => $text, rows => [], notes => [] };
	printf "\n%s: %s\n%-90s %6s %6s %15s %6s %6s\n", $title, $text, '', qw(CPU goal spread wall WAL);
}

# A row has name, ratio, goal, spread, quartiles (of the rounds' ratios), wall, wal, others (label and ratio of what
# else was measured, relative to the same), absolute (it is not a ratio); what there is not is left out.
sub row
{
	my %row = (ratio => '', goal => '', spread => '', wall => '', wal => '', others => [], @_);
	push @{ $sections[-1]{rows} }, \%row;
	printf "%-90s %6s %6s %15s %6s %6s\n", @row{qw(name ratio goal spread wall wal)};
	printf "    %s\n", others(\%row) if @{ $row{others} };
}

sub others { my ($row) = @_; return join ', ', map { "$_->[0] $_->[1]" } @{ $row->{others} } }

sub note
{
	push @{ $sections[-1]{notes} }, @_;
	print "@_\n";
}

sub failed
{
	my ($text) = @_;
	++$failures;
	note('FAILED: ' . substr $text =~ s/\s+/ /gr, 0, 300);
}

# Whether PostgreSQL has an extension to compare with.
sub available
{
	my ($name, $what) = @_;
	return 1 if $session->run("SELECT count(*) FROM pg_available_extensions WHERE name = '$name';");
	note("Not compared: $what, since the extension $name is not installed.");
	return 0;
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

# The median of one side's cost relative to the other's, its spread over the rounds, and their quartiles.
sub relative
{
	my ($cost, $what, $side, $base) = @_;
	my ($ours, $theirs) = map { [ map { $_->{$what} // () } @{ $cost->{$_} } ] } $side, $base;
	return ('', '') unless @$ours && min @$theirs;
	my @ratio = sort { $a <=> $b } map { $ours->[$_] / $theirs->[$_] } 0 .. $#$ours;
	return (ratio(median(@$ours) / median(@$theirs)), spread(@ratio), [ @ratio[ $#ratio / 4, -1 - int($#ratio / 4) ] ]);
}

# A row of what the first side costs relative to the second, and the others beside it.
sub report
{
	my ($name, $goal, $cost, $ours, $base, @others) = @_;
	my $what = defined $cost->{$ours}[0]{cpu} ? 'cpu' : 'wall';
	my $has_wal = median(map { $_->{wal} // 0 } @{ $cost->{$base} }) > 10_000;
	my (undef, $spread, $quartiles) = relative($cost, $what, $ours, $base);
	row(name => $name, goal => $goal, ratio => (relative($cost, 'cpu', $ours, $base))[0], spread => $spread, quartiles => $quartiles,
		wall => (relative($cost, 'wall', $ours, $base))[0],
		wal => $has_wal ? (relative($cost, 'wal', $ours, $base))[0] : '',
		others => [ map { [ $_, (relative($cost, $what, $_, $base))[0] ] } @others ]);
}

# What $work returns; nothing, and a note, when it has failed and the session has not.
sub attempt
{
	my ($name, $work) = @_;
	my $result = eval { $work->() };
	return $result unless $@;
	die $@ if $@ =~ /^psql ended/;
	failed("$name: $@");
	return;
}

# Measures and reports; what the rounds have cost, or nothing when one has failed.
sub compare
{
	my ($name, $goal, $rounds, $work, $prepare, @sides) = @_;
	@sides = qw(kept plain) unless @sides;
	my $cost = attempt($name, sub { costs($rounds, $work, $prepare, @sides) }) or return;
	report($name, $goal, $cost, @sides);
	return $cost;
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
sub ratio_of { my ($row) = @_; return $row->{ratio} ne '' ? $row->{ratio} : $row->{wall} }

sub is_missed { my ($row) = @_; return $row->{goal} ne '' && ratio_of($row) > $row->{goal} }

# Whether the rounds lie on both sides of the goal.
sub is_close
{
	my ($row) = @_;
	my $quartiles = $row->{quartiles} or return 0;
	return $quartiles->[0] <= $row->{goal} && $row->{goal} <= $quartiles->[1];
}

# How long the processors have been busy, and for how long a virtual machine has waited for them.
sub time_of_processors
{
	my (undef, $user, $nice, $system, undef, undef, @others) = split ' ', (do { local @ARGV = '/proc/stat'; <> })[0];
	my $waited = $others[2] // 0;
	return ($user + $nice + $system + $others[0] + $others[1], $waited);
}

sub write_results
{
	my ($machine, $settings) = @_;
	my @with_goal = grep { $_->{goal} ne '' } map { @{ $_->{rows} } } @sections;
	my ($busy, $waited) = time_of_processors();
	$busy -= $busy_before;
	$waited -= $waited_before;
	open my $file, '>', "$directory/RESULTS.md" or die "$directory/RESULTS.md: $!\n";
	printf $file "# What it costs\n\nWritten by `bench/run%s` in %d minutes. %s\n\nOf the time in which it could have run, other machines on the same "
		. "host took %.0f %%.\n\nSettings: %s.\n\n", join('', map { " $_" } @options),
		(time - $started) / 60 + 0.5, $machine, 100 * $waited / max($busy + $waited, 1), $settings;
	print $file <<'TEXT';
All figures are ratios; smaller is better. `ratio` is the processor time of the server's process for the work, relative to
that of what the row names after "beside"; without it, to the same work on the same tables where nothing keeps the column.
Each is the ratio of the medians of rounds in which the sides took turns; `spread` is the least and the greatest ratio
of a round. Where several processes take part there is wall time only. `WAL` is what is written to the log. `others` are
further ways to get the same, relative to the same base.

TEXT
	print $file "Where there is wall time only, whatever else runs on the machine counts as well, and clients and server share its processors: such figures are rough on a\n"
		. "machine that is not idle. Processor time suffers from it by the caches alone.\n\n";
	print $file "$failures comparisons FAILED: the notes say which.\n\n" if $failures;
	my @missed = grep { is_missed($_) } @with_goal;
	my @met = grep { !is_missed($_) } @with_goal;
	printf $file "%d of %d goals are met; those that are missed are in bold. Of %d that are met and of %d that are missed the rounds lie on both\n"
		. "sides of the goal: a quarter of them or more on each.\n\n![The ratios and their goals](chart.svg)\n",
		scalar @met, scalar @with_goal, scalar(grep { is_close($_) } @met), scalar(grep { is_close($_) } @missed);
	for my $section (@sections)
	{
		print $file "\n## $section->{title}\n\n$section->{text}\n\n| work | ratio | goal | spread | wall time | WAL | others |\n|---|---|---|---|---|---|---|\n";
		for my $row (@{ $section->{rows} })
		{
			my @cells = @$row{qw(name ratio goal spread wall wal)};
			$cells[2] = "**$cells[2] missed**" if is_missed($row);
			print $file '| ', join(' | ', @cells, others($row)), " |\n";
		}
		print $file map { "\n$_\n" } @{ $section->{notes} };
	}
	print $file <<'TEXT';

## Goals that were others

Where a goal turned out to lie beyond what the floor reaches, it stands beside the floor, or there is none. These were:

- at most 0.75 of the trigger in plpgsql that is correct, in every row: that was a trigger for statements alone. Its form for one price costs less, and where
  the floor itself takes more than 0.75 of it there is no goal
- INSERT of one price: the instructions that keeping the column adds, at most 0.65 of those of the cheapest trigger in plpgsql, which is not correct
- INSERT of listings without prices: at most 1.10 of the same where nobody keeps the column; COPY of prices of ten listings: at most 1.08 of that
- latest price of each of 100k listings, only an index on the listing: at most 0.06 of max and join, where reading the prices takes more
- latest prices of given listings, beside LATERAL: of 150 at most 0.38, of 1000 at most 0.30
- price_summary, beside count(): of all rows, by a sequential scan or index only, at most 1.10, of 150 rows at most 1.20
- every question to a history of 100 steps: at most one microsecond, which is the goal of changes() alone now
TEXT
	close $file;
	write_chart();
}

# For each row that has a goal a bar from 1 to its ratio, a line where the goal is, and a dot for each of the
# others.
sub write_chart
{
	my $is_shown = sub { $_[0]{goal} ne '' && !$_[0]{absolute} };
	my ($line, $width, $least, $greatest) = (17, 420, 0.02, 20);
	my $left = 20 + 6 * max(0, map { length $_->{name} } grep { $is_shown->($_) } map { @{ $_->{rows} } } @sections);
	my $x = sub { sprintf '%.1f', $left + $width * log(min(max($_[0], $least), $greatest) / $least) / log($greatest / $least) };
	my ($y, $marks) = (6 * $line, '');
	my $text = sub {
		my ($at, $words, $more) = @_;
		$words = $words =~ s/&/&amp;/gr =~ s/</&lt;/gr;
		$marks .= qq{<text x="$at" y="} . ($y + 4) . qq{" $more>$words</text>\n};
	};
	for my $section (@sections)
	{
		my @shown = grep { $is_shown->($_) } @{ $section->{rows} } or next;
		$y += $line / 2;
		$text->(10, $section->{title}, 'font-weight="bold"');
		for my $row (@shown)
		{
			$y += $line;
			my ($ratio, $colour) = (ratio_of($row), is_missed($row) ? '#e07020' : '#4080c0');
			$text->($left - 8, $row->{name}, 'text-anchor="end"');
			$marks .= sprintf qq{<rect x="%s" y="%s" width="%s" height="10" fill="%s"/>\n}, min($x->($ratio), $x->(1)), $y - 5,
				max(1, abs($x->($ratio) - $x->(1))), $colour;
			$marks .= sprintf qq{<circle cx="%s" cy="%s" r="3" fill="#888"/>\n}, $x->($_->[1]), $y for grep { $_->[1] ne '' } @{ $row->{others} };
			$marks .= sprintf qq{<line x1="%1\$s" x2="%1\$s" y1="%2\$s" y2="%3\$s" stroke="black" stroke-width="2"/>\n}, $x->($row->{goal}), $y - 7, $y + 7;
			$text->($left + $width + 12, $ratio, qq{fill="$colour"});
		}
		$y += $line;
	}
	my $bottom = $y;
	my $grid = '';
	for my $tick (0.03, 0.1, 0.3, 1, 3, 10)
	{
		$grid .= sprintf qq{<line x1="%1\$s" x2="%1\$s" y1="%2\$s" y2="%3\$s" stroke="%4\$s"/>\n}, $x->($tick), 5.5 * $line, $bottom, $tick == 1 ? '#444' : '#ddd';
		$y = 5 * $line;
		$text->($x->($tick), $tick, 'text-anchor="middle"');
	}
	my @legend = ('A bar goes from 1, what the work costs without us or in the way named, to what it costs with us: to the left is cheaper.',
		"Black line: the goal. Orange: the goal is missed. Grey dots: other ways to get the same (RESULTS.md names them).",
		"The scale is logarithmic, and cut off at $least and $greatest.");
	for my $number (0 .. $#legend)
	{
		$y = ($number + 1) * $line;
		$text->(10, $legend[$number], '');
	}
	open my $file, '>', "$directory/chart.svg" or die "$directory/chart.svg: $!\n";
	printf $file qq{<svg xmlns="http://www.w3.org/2000/svg" width="%1\$d" height="%2\$d" viewBox="0 0 %1\$d %2\$d" font-family="sans-serif" font-size="11">\n}
		. qq{<rect width="100%%" height="100%%" fill="white"/>\n%3\$s%4\$s</svg>\n}, $left + $width + 60, $bottom + $line, $grid, $marks;
	close $file;
}

new_session();
my $processor = (map { /^model name\s*: (.*)/ ? $1 : () } do { local @ARGV = '/proc/cpuinfo'; <> })[0] // 'unknown processor';
my ($memory) = map { /^MemTotal:\s*(\d+)/ ? $1 / 1024 / 1024 : () } do { local @ARGV = '/proc/meminfo'; <> };
my ($load) = do { local @ARGV = '/proc/loadavg'; split ' ', <> };
my $machine = sprintf '%s, %d processors, %.0f GB, load %s at the start. PostgreSQL %s%s.', $processor,
	scalar(() = glob '/sys/devices/system/cpu/cpu[0-9]*'), $memory, $load, $session->run('SHOW server_version;'),
	$session->run(q{SELECT coalesce(string_agg(format(', %s %s', name, default_version), '' ORDER BY name), '') FROM pg_available_extensions WHERE name IN ('first_last_agg', 'tdigest', 'timescaledb');});
my $settings = $session->run(q{SELECT string_agg(format('%s = %s', name, CASE name WHEN 'synchronous_commit' THEN reset_val ELSE current_setting(name) END), ', ' ORDER BY name) FROM pg_settings
	WHERE name IN ('autovacuum', 'checkpoint_timeout', 'fsync', 'full_page_writes', 'jit', 'max_parallel_workers_per_gather', 'max_wal_size', 'shared_buffers', 'synchronous_commit');});
print "$machine\n";
for my $part (@parts)
{
	my $start = time;
	require "$FindBin::Bin/$part.pl";
	# Of its own for each, since a failed one may have ended it.
	new_session();
	no strict 'refs';
	eval { $part->(); 1 } or failed("the rest of $part: $@");
	printf "%s took %d s.\n", $part, time - $start;
}
write_results($machine, $settings);
exit($failures > 0);
