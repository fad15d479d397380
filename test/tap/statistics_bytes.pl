# The forms of a price_distribution, text and binary, fed to a server with bytes changed: each is read
# as a distribution that is sound, or refused with the error that says so, and the server lives on.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{LISTING_STATS_SEED} // int rand 1e6;
srand $seed;
diag "LISTING_STATS_SEED=$seed";
my $node = PostgreSQL::Test::Cluster->new('bytes');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	SET search_path = public, listing_stats;
	CREATE TABLE originals AS SELECT s FROM (
		SELECT price_stats((i * i % 997 / 100.0)::numeric(10,2)) AS s FROM generate_series(1, 40) i
		UNION ALL SELECT '{}' UNION ALL SELECT '{null*7, NaN, Infinity*3, -Infinity}' UNION ALL SELECT '{19.99*1000000000000, 20}'
		UNION ALL SELECT '{1e40, -1e-30, 0.5*3, 12345678901234567890.12}' UNION ALL SELECT '{-9223372036854775807, 9223372036854775807}') o;
	CREATE TABLE copies (LIKE originals);
	-- One value at a time, so that errors are told from acceptance; a sound value survives all of this.
	CREATE FUNCTION probe(bytes bytea, file text) RETURNS text LANGUAGE plpgsql AS $f$
	DECLARE
		s price_distribution;
	BEGIN
		PERFORM lo_from_bytea(4711, bytes);
		PERFORM lo_export(4711, file);
		PERFORM lo_unlink(4711);
		EXECUTE format('COPY copies FROM %L (FORMAT binary)', file);
		DELETE FROM copies RETURNING copies.s INTO s;
		IF s::text::price_distribution <> s OR value_count(s) < 0 OR s <> s + '{}' OR price_distribution_text(s) IS NULL THEN
			RETURN 'unsound: ' || s::text;
		END IF;
		RETURN 'read';
	EXCEPTION WHEN invalid_binary_representation THEN
		RETURN 'refused';
	WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || SQLERRM;
	END $f$;
	CREATE FUNCTION price_distribution_text(s price_distribution) RETURNS text LANGUAGE sql AS
		$f$ SELECT concat(s::text, median(s), stddev(s), sparkline(s), s::jsonb, s + '{}', _price_distribution_hash(s)) $f$;
	CREATE FUNCTION probe_text(input text) RETURNS text LANGUAGE plpgsql AS $f$
	DECLARE
		s price_distribution := input;
	BEGIN
		IF s::text::price_distribution <> s OR price_distribution_text(s) IS NULL THEN
			RETURN 'unsound: ' || s::text;
		END IF;
		RETURN 'read';
	EXCEPTION WHEN invalid_text_representation OR program_limit_exceeded OR numeric_value_out_of_range THEN
		RETURN 'refused';
	WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || SQLERRM;
	END $f$;
	CREATE FUNCTION probe_text_safely(input text) RETURNS text LANGUAGE plpgsql AS $f$
	BEGIN
		RETURN probe_text(input);
	EXCEPTION WHEN invalid_text_representation OR program_limit_exceeded OR numeric_value_out_of_range THEN
		RETURN 'refused';
	WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || SQLERRM;
	END $f$;
});
my $pid = $node->safe_psql('postgres', q{SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
my $file = $node->basedir . '/bytes';

sub mutate
{
	my ($bytes) = @_;
	for (1 .. 1 + int rand 3)
	{
		my $kind = int rand 5;
		my $at = int rand(1 + length $bytes);
		if ($kind == 0) { substr($bytes, $at, 1) = chr int rand 256 if $at < length $bytes }
		elsif ($kind == 1) { substr($bytes, $at, 1) = substr($bytes, $at, 1) ^ chr(1 << int rand 8) if $at < length $bytes }
		elsif ($kind == 2) { substr($bytes, $at, 1 + int rand 3) = '' if $at < length $bytes }
		elsif ($kind == 3) { substr($bytes, $at, 0) = join '', map { chr int rand 256 } 0 .. rand 3 }
		else { substr($bytes, $at, 0) = "\xFF" x (1 + int rand 10) }
	}
	return $bytes;
}

# How often each answer was given.
sub probe
{
	my ($statements) = @_;
	my ($code, $out, $error) = $node->psql('postgres', "SET search_path = public, listing_stats;\n$statements");
	is($code, 0, 'psql lives') or diag $error;
	my %answers;
	++$answers{$_} for split /\n/, $out;
	return %answers;
}

my @originals = map { pack 'H*', $_ } split /\n/,
	$node->safe_psql('postgres', q{SELECT encode(listing_stats._price_distribution_send(s), 'hex') FROM originals});
is(scalar @originals, 6, 'originals');

# The file of COPY: signature, flags, extension; one field; the end.
sub copy_file { return "PGCOPY\n\xff\r\n\0" . pack('NN', 0, 0) . pack('n', 1) . pack('N', length $_[0]) . $_[0] . pack('n', 0xFFFF) }

my $script = '';
$script .= sprintf "SELECT probe('\\x%s', '%s');\n", unpack('H*', copy_file($_)), $file for @originals;
my %answers = probe($script);
is_deeply(\%answers, { read => 6 }, 'originals are read') or diag explain \%answers;

my $changes = 1500;
$script = '';
$script .= sprintf "SELECT probe('\\x%s', '%s');\n", unpack('H*', copy_file(mutate($originals[ rand @originals ]))), $file for 1 .. $changes;
%answers = probe($script);
is(($answers{read} // 0) + ($answers{refused} // 0), $changes, 'binary: read or refused') or diag explain \%answers;
cmp_ok($answers{refused}, '>', $changes / 10, 'some are refused');
cmp_ok($answers{read}, '>', $changes / 100, 'some are read');

my @texts = split /\n/, $node->safe_psql('postgres', q{SELECT s FROM originals});
sub mutate_text
{
	my ($text) = @_;
	my @parts = ('{', '}', ',', '*', '.', 'e', '-', ' ', 'null', 'NaN', 'Infinity', '0', '9', '9999999999999999999', '1e9', '*4611686018427387903');
	for (1 .. 1 + int rand 4)
	{
		my $at = int rand(1 + length $text);
		if (rand() < 0.5 || $at >= length $text) { substr($text, $at, 0) = $parts[ rand @parts ] }
		else { substr($text, $at, 1 + int rand 3) = $parts[ rand @parts ] }
	}
	return $text;
}
$script = '';
$script .= sprintf "SELECT probe_text_safely('%s');\n", mutate_text($texts[ rand @texts ]) for 1 .. $changes;
%answers = probe($script);
is(($answers{read} // 0) + ($answers{refused} // 0), $changes, 'text: read or refused') or diag explain \%answers;
cmp_ok($answers{refused}, '>', $changes / 10, 'some are refused');
cmp_ok($answers{read}, '>', $changes / 100, 'some are read');

# What says that it holds a gigabyte costs no more memory than what is there.
my $huge = pack 'C*', 1, 0, 2, 0x80, 0x80, 0x80, 0x80, 8, 0x80, 0x80, 0x80, 0x80, 8, 5;
%answers = probe(sprintf "SELECT probe('\\x%s', '%s');\n", unpack('H*', copy_file($huge)), $file);
is_deeply(\%answers, { refused => 1 }, 'a false gigabyte') or diag explain \%answers;

# Bytes that a database shows: where its encoding is not UTF-8, sparklines and bars are drawn in ASCII.
$node->safe_psql('postgres', q{CREATE DATABASE latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
$node->safe_psql('latin1', 'CREATE EXTENSION listing_stats');
my $steps = join ', ', map { "$_*$_" } 1 .. 8;
is($node->safe_psql('latin1', "SELECT listing_stats.sparkline('{$steps, 10}'::listing_stats.price_distribution, 10)"), '_.-~=+*# _', 'sparkline of a distribution in LATIN1');
is($node->safe_psql('latin1', "SELECT listing_stats.histogram_text('{1*4, 2}', 2)"),
	"  1 .. 1.5  " . '#' x 40 . " 4\n1.5 ..   2  " . '#' x 10 . ' 1', 'histogram in LATIN1');
my $history = join ', ', map { "2026-01-0$_=$_" } 1 .. 9;
is($node->safe_psql('latin1', "SELECT listing_stats.sparkline('{$history, 2026-01-10=null}'::listing_stats.price_history, 9, until => '2026-01-10')"),
	'_.-~=+*# ', 'sparkline of a history in LATIN1');

is($node->safe_psql('postgres', q{SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'checkpointer'}), $pid, 'the server never restarted');
$node->stop;
done_testing();
