# Filling the column of tables that are there.
use strict;
use warnings;
use List::Util qw(max);

our ($session, $directory, $quick, $listings);

# One table of prices, and the listings twice: in "plain" the column is an ordinary one.
sub backfill_tables
{
	my ($count) = @_;
	$session->run(<<"SQL");
DROP SCHEMA IF EXISTS backfill CASCADE;
CREATE SCHEMA backfill;
CREATE TABLE backfill.listing (id bigint PRIMARY KEY, url varchar(200) NOT NULL UNIQUE, description text NOT NULL, last_price numeric(10,2));
CREATE TABLE backfill.plain (LIKE backfill.listing INCLUDING ALL);
CREATE TABLE backfill.price (id bigserial PRIMARY KEY, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2));
INSERT INTO backfill.listing SELECT i, 'https://market.example/listing/' || i, rpad('a listing, no. ' || i, 60, '.') FROM generate_series(1, $count) i;
INSERT INTO backfill.plain SELECT * FROM backfill.listing;
CLUSTER backfill.listing USING listing_pkey;
CLUSTER backfill.plain USING plain_pkey;
SELECT setseed(0.5) \\g /dev/null
INSERT INTO backfill.price (listing_id, created, value)
SELECT 1 + floor(random() * $count)::bigint, timestamptz '2025-01-01 00:00Z' + i * interval '1 second', 1 + floor(random() * 50000) / 100
FROM generate_series(1, 10 * $count) i;
CREATE INDEX ON backfill.price (listing_id, created DESC, id DESC) INCLUDE (value);
ALTER TABLE backfill.price ADD FOREIGN KEY (listing_id) REFERENCES backfill.listing;
ALTER TABLE backfill.price ADD FOREIGN KEY (listing_id) REFERENCES backfill.plain;
SELECT * FROM listing_stats.attach('backfill.listing', 'backfill.price', key => 'listing_id', backfill => false) \\g /dev/null
CHECKPOINT;
VACUUM ANALYZE backfill.price;
SQL
}

# What a loop over the listings sends, for every hundredth of them.
sub sampled_loop
{
	my ($count) = @_;
	open my $script, '>', "$directory/loop.sql" or die "$directory: $!\n";
	print $script <<"SQL" for map { 100 * $_ } 1 .. $count / 100;
SELECT value FROM backfill.price WHERE listing_id = $_ ORDER BY created DESC, id DESC LIMIT 1;
UPDATE backfill.plain SET url = 'https://market.example/listing/$_', description = rpad('a listing, no. $_', 60, '.'), last_price = 5 WHERE id = $_;
SQL
	close $script;
	return "\\i $directory/loop.sql";
}

# The most memory of its own that a process has while it runs the statement, in MB: a new one, since one
# does not give back what it needed before.
sub peak_memory
{
	my ($statement) = @_;
	my $most = 0;
	new_session();
	$session->send($statement);
	until ($session->is_done(0.02))
	{
		open my $status, '<', "/proc/$session->{backend}/status" or die "/proc/$session->{backend}/status: $!\n";
		$most = max($most, map { /^RssAnon:\s*(\d+)/ ? $1 / 1024 : () } readline $status);
	}
	return $most;
}

sub backfill
{
	section('Backfill', 'Filling the column where there was none, with refresh(), which commits every batch, beside UPDATE ... SET last_price = 5 of all rows: ten prices for each listing. '
		. 'The loop (SELECT of the newest price and UPDATE of all columns, one listing after the other, as an ORM does) is done for every hundredth listing, and multiplied.');
	my %work = (ours => "CALL listing_stats.refresh('backfill.listing', 'backfill.price');",
		'a constant UPDATE' => 'UPDATE backfill.plain SET last_price = 5;',
		'UPDATE FROM DISTINCT ON' => 'UPDATE backfill.plain l SET last_price = p.value FROM (SELECT DISTINCT ON (listing_id) listing_id, value FROM backfill.price ORDER BY listing_id, created DESC, id DESC) p WHERE p.listing_id = l.id;',
		'UPDATE with LATERAL' => 'UPDATE backfill.plain l SET last_price = p.value FROM backfill.plain k CROSS JOIN LATERAL (SELECT value FROM backfill.price WHERE listing_id = k.id ORDER BY created DESC, id DESC LIMIT 1) p WHERE l.id = k.id;');
	my $reset = sub {
		my ($table) = @_;
		$session->run("ALTER TABLE $table DISABLE TRIGGER USER; UPDATE $table SET last_price = NULL; ALTER TABLE $table ENABLE TRIGGER USER; CLUSTER $table; CHECKPOINT; VACUUM ANALYZE $table; CHECKPOINT;");
	};
	my %memory;
	for my $case ([ $listings, $quick ? 1 : 3, 'UPDATE FROM DISTINCT ON', 'UPDATE with LATERAL', 'loop (sampled)' ], [ 10 * $listings, $quick ? 1 : 3 ])
	{
		my ($count, $rounds, @others) = @$case;
		backfill_tables($count);
		$work{'loop (sampled)'} = sampled_loop($count);
		my $name = 'refresh() of ' . readable($count) . ' listings with ' . readable(10 * $count) . ' prices';
		compare("$name, beside a constant UPDATE", '1.30', $rounds, sub {
			my ($side) = @_;
			$reset->($side eq 'ours' ? 'backfill.listing' : 'backfill.plain');
			return ($work{$side}, $side =~ /sampled/ ? 100 : ());
		}, undef, 'ours', 'a constant UPDATE', @others);
		my $wrong = $session->run("SELECT count(*) FROM listing_stats.verify('backfill.listing', 'backfill.price');");
		failed("verify() finds $wrong listings that differ.") if $wrong;
		$reset->('backfill.listing');
		$memory{$count} = peak_memory($work{ours});
	}
	row(name => 'memory of the process during refresh(), of ' . readable(10 * $listings) . ' listings beside ' . readable($listings), goal => '1.20',
		ratio => ratio($memory{ 10 * $listings } / $memory{$listings}));
	$session->run('DROP SCHEMA backfill CASCADE;');
}

1;
