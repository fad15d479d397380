# price_history where it is pushed: what one server sends another takes, hostile bytes and text are refused or are a
# history like any other, cheaply, too many prices are an error, long answers can be interrupted; the server never
# breaks.  And the chart of the demo.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';

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

# States of latest() and earliest(), which engines that split aggregates send so.
$node->safe_psql('postgres', qq{
	CREATE TABLE states AS SELECT s::listing_stats._latest_state FROM unnest('{latest integer,earliest bigint 7 -2 null,latest double -1 null 4612811918334230528,latest numeric 0 0 2.50}'::text[]) s;
	CREATE TABLE copied_states (s listing_stats._latest_state);
	COPY states TO '$directory/states' (FORMAT binary); COPY copied_states FROM '$directory/states' (FORMAT binary)});
is($node->safe_psql('postgres', 'SELECT string_agg(s::text, E\'\n\') FROM copied_states'), $node->safe_psql('postgres', 'SELECT string_agg(s::text, E\'\n\') FROM states'),
	'the same of states of latest()');
append_to_file("$directory/states.bad", slurp_file("$directory/states") =~ s/latest integer/latest_integer/r);
like(($node->psql('postgres', "COPY copied_states FROM '$directory/states.bad' (FORMAT binary)"))[2], qr/invalid input syntax for type _latest_state: "latest_integer"/, 'and what is none is refused');

# Each of the leading bits turned over, random ones, cut short, made longer, and noise.
my $seed = $ENV{LISTING_STATS_SEED} // int rand 1e6;
diag "LISTING_STATS_SEED=$seed";
srand $seed;
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
my @next_version = map { "\x02" . substr $_, 1 } @values;
push @hostile, @next_version;

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
my %refused = map { $_ => 1 } $error =~ m{psql:<stdin>:(\d+): ERROR}g;
is(scalar(grep { $refused{$_} } @hostile - @next_version + 1 .. @hostile), @next_version, 'so are those of another version');
cmp_ok($refused, '>', @hostile / 2, 'most of them are');
is($node->safe_psql('postgres', 'SELECT count(*) FROM copied'), @hostile - $refused, 'the rest are histories');
is( $node->safe_psql('postgres', q{
	SELECT count(*) FROM copied WHERE h::text <> h::text::listing_stats.price_history::text OR listing_stats.lowest(h) > listing_stats.highest(h) OR listing_stats.latest(h) IS DISTINCT FROM listing_stats.price_at(h, 'infinity')}),
	'0', 'which can be asked');


# What says that it has many steps takes no more memory than what is there.
sub varint
{
	my ($number) = @_;
	return $number < 128 ? chr $number : chr($number % 128 + 128) . varint(int $number / 128);
}

# So many steps a second apart, all of price 0, in so many bytes of times and of prices.
sub steps
{
	my ($count, $times, $prices) = @_;
	return "\x01\0\0\0\0\0" . join('', map { varint($_) } $count, length $times, length $prices) . "\0" . varint(1_000_000) . $times . $prices;
}
my $peak = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)');};
for my $count (2**24, 2**32 - 1)
{
	append_to_file("$directory/false$count", copy_of(steps($count, "\xFF" x 8, "\xFF" x 8)));
	($code, $out, $error) = $node->psql('postgres', "SELECT count(h::text) FROM h; $peak COPY copied FROM '$directory/false$count' (FORMAT binary); $peak", on_error_stop => 0);
	like($error, qr/invalid binary representation of type price_history/, "$count steps in 16 bytes");
	my (undef, $before, $after) = split /\n/, $out;
	cmp_ok($after - $before, '<', 20_000, 'take no memory');
}

# The limit is met before a gigabyte is taken: 20 million steps fit, but not with room to write each price anew.
append_to_file("$directory/many", copy_of(steps(20_000_001, "\xFF" x 2_500_000, "\xFF" x 2_500_000 . "\x01")));
($code, $out, $error) = $node->psql('postgres', "CREATE TABLE many (h listing_stats.price_history); COPY many FROM '$directory/many' (FORMAT binary);
	SELECT listing_stats.step_count(h) FROM many;
	\\set VERBOSITY verbose
	SELECT listing_stats.step_count(listing_stats.merge('{2026-01-01=1.25}', h)) FROM many;", on_error_stop => 0);
is($out, 20000001, 'many steps');
like($error, qr/54000: too many prices for one price_history/, 'too many are refused');

# Work on many steps ends when it is told to, where no executor is between: five seconds of it or more in one
# expression.  So does the sorting of what an aggregate has collected.
$node->safe_psql('postgres', q{
	CREATE AGGREGATE collected(timestamptz, numeric) (SFUNC = listing_stats._history_accumulate, STYPE = listing_stats.price_history);
	CREATE TABLE shuffled AS SELECT timestamptz '2026-01-01' + hashint4(i) * interval '1 second' AS at, i::numeric AS v FROM generate_series(1, 1000000) i;
});
# Not toasted, or it would be fetched, and interrupted, for each.
my $whole = '(SELECT (array_agg(h))[1] AS h FROM many) s';
for (map({ [ $_, $whole ] } 'latest(h)', 'latest_at(h)', 'time_weighted_average(h)', 'lowest(h, NULL, NULL)', q{price_at(h, 'infinity')}),
	[ 'step_count(h)', '(SELECT collected(at, v) AS h FROM shuffled) s' ])
{
	my ($question, $from) = @$_;
	my $all = 'num_nonnulls(' . join(', ', ("listing_stats.$question") x 100) . ')';
	my $started = time;
	($code, $out, $error) = $node->psql('postgres', "SET statement_timeout = 600; SET max_parallel_workers_per_gather = 0; SELECT $all FROM $from");
	like($error, qr/canceling statement due to statement timeout/, $question);
	cmp_ok(time - $started, '<', 3, 'ends soon');
}
$node->safe_psql('postgres', 'DROP TABLE many, shuffled');

# Text, changed anywhere: a clear error, or a history that is written as it is read.
$node->safe_psql('postgres', q{
	CREATE FUNCTION probe(input text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		h listing_stats.price_history;
	BEGIN
		h := input;
		IF h::text::listing_stats.price_history::text = h::text AND listing_stats.lowest(h) <= listing_stats.highest(h) IS NOT FALSE THEN
			RETURN 'read';
		END IF;
		RETURN 'misread: ' || input;
	-- As text, time, tie or price.
	EXCEPTION WHEN invalid_text_representation OR invalid_datetime_format OR datetime_field_overflow OR invalid_time_zone_displacement_value OR invalid_parameter_value OR numeric_value_out_of_range THEN
		RETURN 'refused';
	END $$;
});
my @texts = split /\n/, $node->safe_psql('postgres', q{SELECT h::text FROM h WHERE listing_stats.step_count(h) < 200 UNION ALL SELECT '{infinity=NaN, 4714-11-24 BC#-9=-1e-9}'});
is(scalar @texts, 5, 'texts');
my @parts = ('{', '}', ',', '=', '#', '.', 'e', '-', '+', ':', ' ', 'null', 'NaN', 'Infinity', '-infinity', 'BC', 'now', '0', '9', '9999999999999999999', '1e99999', 'e131071', '294277', "\x{e9}");
my $changes = 4000;
$script = '';
for (1 .. $changes)
{
	my $text = $texts[ rand @texts ];
	for (1 .. 1 + int rand 3)
	{
		my $at = int rand(1 + length $text);
		substr($text, $at, rand() < 0.5 || $at >= length $text ? 0 : 1 + int rand 3) = $parts[ rand @parts ];
	}
	utf8::encode($text);
	$script .= "SELECT probe('$text');\n";
}
($code, $out, $error) = $node->psql('postgres', $script, on_error_stop => 0);
my %answers;
++$answers{$_} for split /\n/, $out;
my ($read, $was_refused) = map { delete $answers{$_} // 0 } qw(read refused);
is_deeply(\%answers, {}, 'changed text is read or refused');
is($error, '', 'with the errors of text');
is($read + $was_refused, $changes, 'all of it');
cmp_ok($was_refused, '>', $changes / 10, 'some is refused');
cmp_ok($read, '>', $changes / 100, 'some is read');

# Long answers end when they are told to.  They are 40 million rows, so that those that do not listen end too.
for my $question (q{candles('{2026-01-01=1}', '1 microsecond', '2026-01-01', '2026-01-01 00:00:40')}, q{series('{2026-01-01=1}', '1 microsecond', '2026-01-01', '2026-01-01 00:00:40')})
{
	my $started = time;
	($code, $out, $error) = $node->psql('postgres', "SET statement_timeout = 300; SELECT count(*) FROM listing_stats.$question");
	like($error, qr/canceling statement due to statement timeout/, $question);
	cmp_ok(time - $started, '<', 4, 'ends soon');
}

# The chart of the demo: five lines from series(), each with a point for each month since its first price.
my @demo = ('psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'));
my ($svg, $errors) = ('', '');
ok(IPC::Run::run([ @demo, '-f', 'examples/demo/stocks.sql' ], '<', \undef, '>', \$out, '2>', \$errors), 'the demo\'s stocks') or diag $errors;
ok(IPC::Run::run([ @demo, '-f', 'examples/demo/chart.sql' ], '<', \undef, '>', \$svg, '2>', \$errors), 'the demo\'s chart') or diag $errors;
SKIP:
{
	skip 'PostgreSQL without XML', 3 if ($node->psql('postgres', q{SELECT '<a/>'::xml}))[0] != 0;
	is($node->safe_psql('postgres', "SELECT xml_is_well_formed_document(\$svg\$$svg\$svg\$)"), 't', 'is well-formed XML');
	my $points = q{SELECT string_to_array(unnest(xpath('/s:svg/s:polyline/@points', $svg$} . $svg . q{$svg$, '{{s,http://www.w3.org/2000/svg}}'))::text, ' ') AS points};
	is( $node->safe_psql('postgres', "SELECT string_agg(cardinality(points)::text, ' ' ORDER BY cardinality(points)) FROM ($points) p"),
		$node->safe_psql('postgres', q{SELECT string_agg(n::text, ' ' ORDER BY n) FROM (SELECT count(DISTINCT date_trunc('month', day)) AS n FROM quote GROUP BY symbol) m}), 'five lines, with the points of each');
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($points) p, unnest(points) o WHERE NOT (split_part(o, ',', 1)::numeric BETWEEN 0 AND 800 AND split_part(o, ',', 2)::numeric BETWEEN 0 AND 400)"), '0', 'all of them on it');
}

$node->stop;
done_testing();
