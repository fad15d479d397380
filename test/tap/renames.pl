# Renames beside writers: the arguments of the triggers on both tables change in one commit, which a
# writer may meet between reading the one and the other.  No writer gets an error, and all is right.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{LISTING_STATS_STRESS_SECONDS} // 10;
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = 100ms\nmax_connections = 20\nsynchronous_commit = off\nautovacuum = off");
$node->start;
# Two pairs of tables: prices of the one are written while its listing changes names, and the
# listings of the other while its prices do.
for my $foreign_key ('', 'REFERENCES l.listing')
{
	$node->safe_psql('postgres', qq{
		DROP EXTENSION IF EXISTS listing_stats CASCADE;
		DROP SCHEMA IF EXISTS l, p, x CASCADE;
		CREATE EXTENSION listing_stats;
		CREATE SCHEMA l;
		CREATE SCHEMA p;
		CREATE SCHEMA x;
		CREATE TABLE l.listing (id int PRIMARY KEY, note int);
		CREATE TABLE p.price (id bigserial PRIMARY KEY, listing_id int $foreign_key, created timestamptz NOT NULL, value numeric);
		CREATE TABLE l.written (id serial PRIMARY KEY, note int);
		CREATE TABLE p.renamed (id bigserial PRIMARY KEY, listing_id int, created timestamptz NOT NULL, value numeric);
		INSERT INTO l.listing SELECT generate_series(1, 20);
		INSERT INTO p.renamed (listing_id, created, value) SELECT i, '2026-01-01', i FROM generate_series(1, 20) i;
		SELECT count(*) FROM listing_stats.attach('l.listing', 'p.price', key => 'listing_id', last_price_at => 'last_price_at');
		SELECT count(*) FROM listing_stats.attach('l.written', 'p.renamed', key => 'listing_id');
		SELECT setval('l.written_id_seq', 1);
	});
	my %scripts = (
		price => [ 30, q{INSERT INTO p.price VALUES (DEFAULT, :l, '2026-01-01'::timestamptz + :s * interval '1 s', :s);} ],
		many => [ 10, q{INSERT INTO p.price SELECT nextval('p.price_id_seq'), i, '2026-01-01'::timestamptz + :s * interval '1 s', :s FROM generate_series(1, 20) i;} ],
		delete => [ 10, q{DELETE FROM p.price WHERE id IN (SELECT id FROM p.price WHERE id % 20 = :l LIMIT 5);} ],
		insert => [ 10, q{INSERT INTO l.written VALUES (DEFAULT, 0);} ],
		update => [ 20, q{UPDATE l.written SET note = :s WHERE id = :l;} ]);
	my %renames = (
		columns => q{ALTER TABLE l.listing RENAME last_price TO latest;
			ALTER TABLE l.listing RENAME id TO code;
			ALTER TABLE l.listing RENAME latest TO last_price;
			ALTER TABLE l.listing RENAME code TO id;
			ALTER TABLE p.renamed RENAME value TO amount;
			ALTER TABLE p.renamed RENAME amount TO value;},
		tables => q{ALTER TABLE l.listing RENAME TO item;
			ALTER TABLE l.item RENAME TO listing;
			ALTER TABLE p.renamed RENAME TO other;
			ALTER TABLE p.other RENAME TO renamed;
			ALTER TABLE l.listing SET SCHEMA x;
			ALTER TABLE x.listing SET SCHEMA l;});
	for my $kind (sort keys %renames)
	{
		my (@files, @bench);
		for my $name (sort keys %scripts)
		{
			my ($weight, $text) = @{ $scripts{$name} };
			my $file = $node->basedir . "/$name.sql";
			unlink $file;
			append_to_file($file, "\\set l random(1, 20)\n\\set s random(1, 100000)\n$text\n");
			push @files, '-f', "$file\@$weight";
		}
		my $renames = $node->basedir . "/$kind.sql";
		unlink $renames;
		append_to_file($renames, $renames{$kind} =~ s/\t//gr);
		my ($out, $error, $rename_out, $rename_error) = ('') x 4;
		my @options = ('-n', '-T', int($seconds / 2) || 1, '-p', $node->port, '-h', $node->host);
		my $writers = IPC::Run::start([ 'pgbench', @options, '-c', 3, '-j', 1, '--max-tries', 100, @files, 'postgres' ], '>', \$out, '2>', \$error);
		my $renaming = IPC::Run::start([ 'pgbench', @options, '-c', 1, '-f', $renames, 'postgres' ], '>', \$rename_out, '2>', \$rename_error);
		$writers->finish;
		$renaming->finish;
		my $name = "$kind, " . ($foreign_key eq '' ? 'no foreign key' : 'foreign key');
		unlike($error, qr/error|ERROR|abort|WARNING/, "no writer fails: $name");
		unlike($rename_error, qr/error|ERROR|abort/, "no rename fails: $name");
		like($out, qr/number of failed transactions: 0 /, "none failed: $name");
		my ($written) = $out =~ /actually processed: (\d+)/;
		my ($renamed) = $rename_out =~ /actually processed: (\d+)/;
		note "$written transactions beside $renamed rounds of renames";
		cmp_ok($renamed, '>', 5, "renames were made: $name");
		is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('l.listing', 'p.price')}), '0', "nothing is wrong in the one: $name");
		is($node->safe_psql('postgres', q{SELECT count(*) FROM listing_stats.verify('l.written', 'p.renamed')}), '0', "nothing is wrong in the other: $name");
		is($node->safe_psql('postgres', q{SELECT count(DISTINCT tgargs) FROM pg_trigger WHERE tgname ~ 'LISTING_STATS'}), '2', "the triggers agree: $name");
	}
}
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|terminated by signal|cache lookup failed|concurrently updated|could not follow/, 'nothing unexpected in the log');
$node->stop;
done_testing();
