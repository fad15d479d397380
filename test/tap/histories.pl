# Binary copies of price_history: what one server sends another takes, and hostile bytes are refused
# or are a history like any other; the server never breaks.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE TABLE h (h listing_stats.price_history);
	INSERT INTO h VALUES ('{}'), ('{2026-01-01=19.99}'), ('{2026-01-01#7=19.99, 2026-01-02 03:04:05.6#9=null, 2026-02-01#-1=20}'),
		('{-infinity=1, 2026-01-01=1e40, 2026-01-02=NaN, 2026-01-03=-1e-30, infinity=null}');
	INSERT INTO h SELECT listing_stats.price_history('2026-01-01'::timestamptz + i * interval '37 minutes', round(i * 7919 % 1000 / 8.0, 2)) FROM generate_series(1, 200) i;
	CREATE TABLE copied (h listing_stats.price_history);
});

# The values as COPY sends them.
my $directory = PostgreSQL::Test::Utils::tempdir;
$node->safe_psql('postgres', "COPY h TO '$directory/sent' (FORMAT binary); COPY copied FROM '$directory/sent' (FORMAT binary)");
is($node->safe_psql('postgres', 'SELECT string_agg(h::text, E\'\n\') FROM copied'), $node->safe_psql('postgres', 'SELECT string_agg(h::text, E\'\n\') FROM h'),
	'what is sent is what is received');
my $sent = slurp_file("$directory/sent");
my ($position, @values) = (19);    # behind the header
while (unpack('n', substr $sent, $position, 2) == 1)
{
	my $length = unpack 'N', substr $sent, $position + 2, 4;
	push @values, substr $sent, $position + 6, $length;
	$position += 6 + $length;
}
is(scalar @values, 5, 'all values are found in the file');

sub copy_of
{
	my ($value) = @_;
	return substr($sent, 0, 19) . pack('n N', 1, length $value) . $value . pack('n', 65535);
}

# Each of the leading bits turned over, random ones, cut short, made longer, and noise.
srand(my $seed = 20260102);
note "seed $seed";
my @hostile;
for my $value (@values)
{
	for my $bit (0 .. 8 * length($value) - 1)
	{
		next if $bit > 200 && rand > 0.05;
		my $changed = $value;
		vec($changed, $bit, 1) ^= 1;
		push @hostile, $changed;
	}
	push @hostile, substr($value, 0, $_) for grep { $_ < 30 || rand > 0.9 } 0 .. length($value) - 1;
	push @hostile, $value . chr 0, $value . $value;
}
push @hostile, join '', "\x01", map { chr int rand 256 } 1 .. rand 60 for 1 .. 300;
push @hostile, "\x81" . "\0" x 300;    # what an aggregate collects
push @hostile, "\x01\x00\x00\x00\x00\x00\xff\xff\xff\xff\x0f\x00\xff\xff\xff\xff\x0f";

my $script = '';
for my $i (0 .. $#hostile)
{
	append_to_file("$directory/$i", copy_of($hostile[$i]));
	$script .= "COPY copied FROM '$directory/$i' (FORMAT binary);\n";
}
$node->safe_psql('postgres', 'TRUNCATE copied');
my ($code, $out, $error) = $node->psql('postgres', $script, on_error_stop => 0);
my $refused = () = $error =~ /ERROR:  invalid binary representation of type price_history/g;
my $all = () = $error =~ /ERROR: /g;
is($all, $refused, 'hostile bytes are refused with one error');
cmp_ok($refused, '>', @hostile / 2, 'most of them are');
is($node->safe_psql('postgres', 'SELECT count(*) FROM copied'), @hostile - $refused, 'the rest are histories');
is( $node->safe_psql('postgres', q{
	SELECT count(*) FROM copied WHERE h::text <> h::text::listing_stats.price_history::text OR listing_stats.lowest(h) > listing_stats.highest(h) OR listing_stats.latest(h) IS DISTINCT FROM listing_stats.price_at(h, 'infinity')}),
	'0', 'which can be asked');

$node->stop;
done_testing();
