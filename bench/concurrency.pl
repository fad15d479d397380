# Many clients that insert prices at a time: how many they get done, and how long one of them waits.
use strict;
use warnings;
use FindBin;
require "$FindBin::Bin/writing.pl";

our ($session, $directory, $quick, $listings, $prices);

# What so many clients do in a while, each with newer prices of the first $among listings: transactions per second, and
# the 95th and the 99th percentile of milliseconds that one takes.
sub load
{
	my ($schema, $clients, $among) = @_;
	open my $script, '>', "$directory/load.sql" or die "$directory: $!\n";
	print $script "\\set listing random(1, $among)\nINSERT INTO $schema.price (listing_id, created, value) VALUES (:listing, clock_timestamp(), :client_id);\n";
	close $script;
	my $seconds = $quick ? 1 : 2;
	my $answer = `cd '$directory' && pgbench -n -c $clients -j 2 -T $seconds -l --log-prefix=load -f load.sql bench 2>&1`;
	die "pgbench: $answer\n" if $? || $answer =~ /aborted|number of failed transactions: [1-9]/;
	my ($rate) = $answer =~ /^tps = (\S+)/m or die "pgbench: $answer\n";
	my @times;
	for my $log (glob "$directory/load.*")
	{
		next if $log =~ /sql$/;
		open my $lines, '<', $log or die "$log: $!\n";
		push @times, map { (split)[2] / 1000 } <$lines>;
		unlink $log;
	}
	@times = sort { $a <=> $b } @times;
	return { wall => 1 / $rate, late => $times[ 0.95 * $#times ], latest => $times[ 0.99 * $#times ] };
}

sub concurrency
{
	section('Concurrency', 'Clients that insert newer prices, each committed: the time for so many transactions of all clients together, relative to the same tables where nobody keeps the column. '
		. '"correct" is the trigger in plpgsql of docs/alternatives.md, for one row, and "floor" the least that any trigger has to do (bench/floor.cpp). pgbench runs on the same machine. Of one price of one listing only one transaction at a time can be under way.');
	tables('');
	alternatives();
	my @sides = qw(kept plain correct floor);
	fill(price_file($prices, $listings), @sides);
	by_row(1);
	for my $case ([ 'any listing', $listings ], [ 'ten listings', 10 ], [ 'one listing', 1 ])
	{
		my ($what, $among) = @$case;
		my (%ours, %floor);
		for my $clients (1, 2, 4, 8, 16)
		{
			my $name = "$clients " . ($clients == 1 ? 'client inserts' : 'clients insert') . " prices of $what";
			attempt($name, sub {
				my %cost;
				$session->run('CHECKPOINT; VACUUM ' . join(', ', map { "$_.listing" } @sides) . ';');
				for my $round (0 .. ($quick ? 1 : 5))
				{
					for my $side ($round % 2 ? @sides : reverse @sides)
					{
						my $now = load($side, $clients, $among);
						push @{ $cost{$side} }, $now if $round;
					}
				}
				report($name, '', \%cost, @sides);
				beside_plpgsql($name, \%cost, 'wall');
				$ours{$clients} = $cost{kept};
				$floor{$clients} = $cost{floor};
				note(sprintf '%s: of 100 transactions 95 end within %.2f ms, and 99 within %.2f; without a trigger %.2f and %.2f, with that one %.2f and %.2f, with the floor %.2f and %.2f.', $name,
					map { my $side = $_; map { my $time = $_; median(map { $_->{$time} } @{ $cost{$side} }) } qw(late latest) } @sides);
			});
		}
		next unless $ours{16} && $ours{2};
		my $floor = (relative(\%floor, 'wall', 16, 2))[0];
		my $name = "16 clients beside 2, prices of $what";
		report($name, '1.25', \%ours, 16, 2);
		note("$name: $floor with the floor.");
	}
	check_columns(qw(kept correct floor));
}

1;
