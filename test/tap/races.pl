# Races: every pair of the statements below, run by two sessions in every order, at every isolation level,
# with and without a foreign key.  In the end the kept columns equal the recomputed ones, or a transaction has
# been refused; while they run each of them sees every listing once, with the columns that are right for the prices
# that it sees.
#
# check() raises an error, so that nothing wrong can be taken for right.  C1 to C4, C7, C8, D12, P1 of test/README.md.
#
# The same over keys of two columns with carried columns, over a condition whose columns change, and over keep_latest(),
# whose rows come and go, with statements of their own.
#
# By default: all pairs at READ COMMITTED and at REPEATABLE READ with a deferred foreign key; without one those with a
# statement of many listings, and with and without an immediate one those that triggers written by hand get wrong; and
# samples of the rest, of those where more columns are kept and of those of other shape, whose seed is printed and taken
# from LISTING_STATS_SEED.  With LISTING_STATS_FULL all of it, and of those of other shape a larger sample.  With
# LISTING_STATS_RACES that many of all of them, as for a server that is slow under valgrind.
use strict;
use warnings FATAL => 'all';
use FindBin;
use lib "$FindBin::RealBin/../../tools";
use Psql;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';

my $full = $ENV{LISTING_STATS_FULL};
my $few = $ENV{LISTING_STATS_RACES};
my $sample_size = 800;
my $sample_size_of_more_columns = 500;
my $sample_size_of_shapes = $full ? 30000 : 600;
my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = 20ms\nautovacuum = off\nmax_connections = 20\nlog_min_messages = fatal");
$node->start;

# What session %n runs: its rows have numbers of their own.
my %statements = (
	newest => q{INSERT INTO price VALUES (%n01, 1, '2026-02-0%n', %n01)},
	between => q{INSERT INTO price VALUES (%n02, 1, '2026-01-2%n', %n02)},
	oldest => q{INSERT INTO price VALUES (%n03, 1, '2025-12-0%n', %n03)},
	tie => q{INSERT INTO price VALUES (%n04, 1, '2026-01-30', %n04)},
	unknown => q{INSERT INTO price VALUES (%n05, 1, '2026-03-0%n', NULL)},
	delete_latest => q{DELETE FROM price WHERE id = 3},
	delete_oldest => q{DELETE FROM price WHERE id = 1},
	delete_all => q{DELETE FROM price WHERE listing_id = 1},
	value => q{UPDATE price SET value = 90 + %n WHERE id = 3},
	time => q{UPDATE price SET created = '2026-01-0%n' WHERE id = 3},
	move_out => q{UPDATE price SET listing_id = 2 WHERE id = 3},
	move_in => q{UPDATE price SET listing_id = 1, created = '2026-02-1%n' WHERE id = 5},
	upsert => q{INSERT INTO price VALUES (3, 1, '2026-02-05', 300 + %n) ON CONFLICT (id) DO UPDATE SET value = excluded.value, created = excluded.created},
	merge => q{MERGE INTO price USING (VALUES (3), (%n06)) AS s (id) ON price.id = s.id
		WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1, '2026-01-25', 600 + %n)},
	many => q{INSERT INTO price SELECT %n10 + i, CASE WHEN i < 3 THEN i ELSE 8 + i END, '2026-02-0%n', %n10 + i FROM generate_series(1, 12) i},
	delete_many => q{DELETE FROM price WHERE id IN (3, 5) OR listing_id > 10},
	multi => q{INSERT INTO price VALUES (%n07, 2, '2026-02-0%n', %n07), (%n08, 1, '2026-02-0%n', %n08)},
	save => q{UPDATE listing SET note = 'saved', last_price = 30, last_price_at = '2026-01-30', previous_price = 20, lowest_price = 10, highest_price = 30, price_count = 3 WHERE id = 1},
	delete_listing => q{DELETE FROM listing WHERE id = 1},
	rekey => q{UPDATE listing SET id = 9 WHERE id = 1},
	renew => q{WITH d AS (DELETE FROM listing WHERE id = 1 RETURNING id) INSERT INTO listing (id) SELECT id FROM d},
	truncate => q{TRUNCATE price},
	early => q{INSERT INTO price VALUES (%n09, 8, '2026-02-0%n', %n09)},
	new_listing => q{INSERT INTO listing (id, last_price) VALUES (8, 1)});
# What is kept where more than prices of listings is: "columns" of price, that have defaults, beyond the first four; the
# condition; and the statements that are others than those above, or further ones.
my %shapes = (
	# Listings (1, b) and (2, b) have no prices at first.
	composite => {
		columns => q{store text NOT NULL DEFAULT 'a', note text DEFAULT 'n'},
		prices => q{INSERT INTO price VALUES (21, 2, '2026-02-01', 8, 'b')},
		attach => q{key => 'listing_id, store', carry => 'note AS last_note, id AS last_id'},
		carried => [qw(last_note last_id)],
		statements => {
			carried => q{UPDATE price SET note = 'c%n' WHERE id = 3},
			carried_tie => q{INSERT INTO price (id, listing_id, created, value, note) VALUES (%n20, 1, '2026-01-30', 30, 't%n')},
			move_store => q{UPDATE price SET store = 'b' WHERE id = 3},
			move_back => q{UPDATE price SET listing_id = 1 WHERE id = 21},
			many_stores => q{INSERT INTO price (id, listing_id, created, value, store) SELECT %n30 + i, 1 + i % 2, '2026-02-0%n', i, chr(98 - i / 2 % 2) FROM generate_series(0, 3) i},
			delete_stores => q{DELETE FROM price WHERE listing_id IN (1, 2)},
			multi_reversed => q{INSERT INTO price (id, listing_id, created, value, store) VALUES (%n22, 2, '2026-02-0%n', 7, 'b'), (%n23, 1, '2026-02-0%n', 8, 'a'), (%n24, 1, '2026-02-0%n', 8, 'B')},
			delete_listing => q{DELETE FROM listing WHERE id = 1 AND store = 'a'},
			rekey => q{UPDATE listing SET id = 9 WHERE id = 1 AND store = 'a'},
			renew => q{WITH d AS (DELETE FROM listing WHERE id = 1 AND store = 'a' RETURNING id, store) INSERT INTO listing (id, store) SELECT * FROM d},
			rekey_store => q{UPDATE listing SET store = 'c' WHERE id = 1 AND store = 'a'} } },
	# Price 6 of listing 1 is the newest, and does not count.
	condition => {
		columns => q{deleted boolean NOT NULL DEFAULT false, kind text DEFAULT 'sale'},
		attach => q{key => 'listing_id', condition => $c$NOT deleted AND kind = 'sale'$c$},
		condition => q{NOT deleted AND kind = 'sale'},
		prices => q{INSERT INTO price VALUES (6, 1, '2026-02-03', 60, true, 'sale'), (7, 1, '2026-01-05', 70, false, 'used')},
		statements => {
			hide => q{UPDATE price SET deleted = true WHERE id = 3},
			show => q{UPDATE price SET deleted = false WHERE id = 6},
			kind => q{UPDATE price SET kind = CASE kind WHEN 'sale' THEN 'used' ELSE 'sale' END WHERE id = 3},
			toggle => q{UPDATE price SET deleted = NOT deleted WHERE listing_id = 1},
			hide_and_move => q{UPDATE price SET deleted = true, listing_id = 2 WHERE id = 3},
			show_and_move => q{UPDATE price SET deleted = false, listing_id = 2 WHERE id = 6},
			hidden => q{INSERT INTO price VALUES (%n20, 1, '2026-03-0%n', %n20, true)},
			delete_hidden => q{DELETE FROM price WHERE id = 6},
			value_of_hidden => q{UPDATE price SET value = 600 + %n WHERE id = 6} } },
	# The application changes rows that are not its own; there is none for key 3 and those from 21 on.
	latest => {
		columns => q{note text DEFAULT 'n'},
		statements => {
			first => q{INSERT INTO price VALUES (%n20, 3, '2026-02-0%n', %n20)},
			first_equal => q{INSERT INTO price VALUES (%n21, 3, '2026-02-01', 1)},
			first_many => q{INSERT INTO price SELECT %n30 + i, CASE i WHEN 5 THEN 1 WHEN 6 THEN 3 ELSE 25 - i END, '2026-02-0%n', i FROM generate_series(1, 6) i},
			first_and_last => q{WITH d AS (DELETE FROM price WHERE listing_id = 2) INSERT INTO price VALUES (%n22, 3, '2026-02-0%n', 5)},
			equal => q{INSERT INTO price VALUES (%n23, 1, '2026-01-30', 30)},
			move_first => q{UPDATE price SET listing_id = 3 WHERE id = 3},
			move_all => q{UPDATE price SET listing_id = 3 WHERE listing_id IN (1, 2)},
			delete_both => q{DELETE FROM price WHERE listing_id IN (1, 2, 3)},
			carried => q{UPDATE price SET note = 'c%n' WHERE id = 3},
			put_back => q{WITH d AS (DELETE FROM price WHERE id IN (1, 2, 3) RETURNING *) INSERT INTO price SELECT id + %n40, listing_id, created, value FROM d WHERE id = 3},
			save => q{UPDATE listing SET last_price = 4 WHERE listing_id = 1},
			delete_listing => q{DELETE FROM listing WHERE listing_id = 1},
			delete_listings => q{DELETE FROM listing WHERE listing_id IN (SELECT listing_id FROM listing ORDER BY 1 FOR UPDATE)},
			rekey => q{UPDATE listing SET listing_id = 9 WHERE listing_id = 1},
			renew => q{WITH d AS (DELETE FROM listing WHERE listing_id = 1 RETURNING listing_id) INSERT INTO listing (listing_id) SELECT * FROM d},
			new_listing => q{INSERT INTO listing (listing_id, last_price) VALUES (8, 1)},
			new_listing_3 => q{INSERT INTO listing (listing_id, last_price) VALUES (3, 1) ON CONFLICT DO NOTHING} } });
# Which of them a schema has.
my %shape_of = (composite => 'composite', composite_none => 'composite', condition => 'condition', condition_none => 'condition', latest => 'latest', latest_more => 'latest');

sub statements_of
{
	my ($foreign_key) = @_;
	my $shape = $shape_of{$foreign_key};
	return { %statements, $shape ? %{ $shapes{$shape}{statements} } : () };
}

# Which listings there are after it for its transaction, of the first ones; otherwise those of before.
my %listings_after = (delete_listing => '{2,3}', rekey => '{2,3,9}', rekey_store => '{2,3}', new_listing => '{1,2,3,8}');
# These lock a listing before its prices, by cascading foreign keys, and so can deadlock with a flush, which locks it
# after them; so can an application's write of a kept column with TRUNCATE.
my %listing_first = map { $_ => 1 } qw(delete_listing rekey rekey_store renew);

sub can_deadlock
{
	my ($foreign_key, @kinds) = @_;
	# No foreign key cascades from rows that are not the application's.
	return grep({ $_ eq 'truncate' } @kinds) && grep({ /^(save|delete_listings?|rekey|renew|new_listing|new_listing_3)$/ } @kinds) if $foreign_key =~ /^latest/;
	return grep({ $listing_first{$_} } @kinds) || join(' ', sort @kinds) eq 'save truncate';
}

# The pairs of races.spec.
my %by_hand = map { $_ => 1 } ('newest newest', 'between delete_latest', 'delete_latest newest', 'delete_latest delete_oldest',
	'delete_latest value', 'move_out multi', 'delete_latest tie', 'delete_all unknown', 'newest save');

# These give prices to listing 1, which the other session can take away, as these do.
my %of_listing_1 = map { $_ => 1 } qw(newest between oldest tie unknown move_in upsert merge many multi carried_tie move_back many_stores multi_reversed hidden);
my %takes_listing_1 = map { $_ => 1 } qw(delete_listing rekey rekey_store renew);

# What a session can be refused with, beside another one; nothing else than what PostgreSQL alone would refuse.
sub can_be_refused_with
{
	my ($foreign_key, $own, $other) = @_;
	my ($kind, $level) = @$own;
	my @codes;
	push @codes, '40001' if $level ne 'rc';
	push @codes, '40P01' if can_deadlock($foreign_key, $kind, $other->[0]);
	push @codes, '23503' if $foreign_key !~ /none|^latest/ && ($kind eq 'early' || $of_listing_1{$kind} && $takes_listing_1{ $other->[0] });
	# A price that has followed one half of its key, and changes the other.
	push @codes, '23503' if $foreign_key eq 'composite' && $kind =~ /^move_/ && $takes_listing_1{ $other->[0] };
	push @codes, '23505' if $kind eq 'new_listing' && $other->[0] =~ /^new_listing$|^early$/;
	return @codes;
}

my %foreign_keys = (
	none => '',
	immediate => 'ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing ON DELETE CASCADE ON UPDATE CASCADE;',
	deferred => 'ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;',
	# Our triggers fire after the foreign key's.
	fires_first => 'ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing ON DELETE CASCADE ON UPDATE CASCADE;
		ALTER TRIGGER "LISTING_STATS_1" ON price RENAME TO zz; ALTER TRIGGER "LISTING_STATS_1" ON listing RENAME TO zz;');
my %levels = (rc => 'READ COMMITTED', rr => 'REPEATABLE READ', s => 'SERIALIZABLE');

$node->safe_psql('postgres', 'CREATE EXTENSION listing_stats');
# The direct path takes no table with an UPDATE trigger of others on it, and recomputes only what the latest prices
# decide; those of many listings it reads together where no more is kept.  With it, there is a schema for each.
my $direct = $node->safe_psql('postgres', q{LOAD 'listing_stats'; SHOW listing_stats.direct_path}) eq 'on';
@foreign_keys{qw(composite condition)} = @foreign_keys{qw(deferred deferred)};
$foreign_keys{composite} =~ s/\(listing_id\)/(listing_id, store)/;
@foreign_keys{qw(composite_none condition_none latest latest_more)} = ('') x 4;
# Those that keep less come once more with all columns.
@foreign_keys{qw(none_more deferred_more)} = @foreign_keys{qw(none deferred)} if $direct;
my %without_update_trigger = $direct ? map { $_ => 1 } qw(deferred deferred_more immediate none none_more composite composite_none condition condition_none latest) : ();
my %head_only = (latest => 1, composite => 1, condition => 1, $direct ? (deferred => 1, none => 1) : ());
my %latest_only = (latest => 1, $direct ? (none => 1) : ());
for my $foreign_key (sort keys %foreign_keys)
{
	my @columns = 'last_price_at';
	push @columns, 'previous_price' unless $latest_only{$foreign_key};
	push @columns, qw(lowest_price highest_price price_count) unless $head_only{$foreign_key};
	push @columns, 'price_count' if $foreign_key eq 'condition';
	my $attached = join ', ', map { "$_ => '$_'" } @columns;
	my $name = $shape_of{$foreign_key} // '';
	my ($composite, $latest) = ($name eq 'composite', $name eq 'latest');
	my $shape = $shapes{$name} // {};
	my $more_columns = $shape->{columns} ? ", $shape->{columns}" : '';
	my $key = $latest ? 'listing_id' : $composite ? 'id, store' : 'id';
	my $kept = join ', ', $key, 'last_price', @columns, @{ $shape->{carried} // [] };
	my $store = $composite ? ', l.store' : '';
	my $is_last = 'p.listing_id = l.id' . ($composite ? ' AND p.store = l.store' : '');
	my $attach = ($latest ? q{keep_latest('price', 'listing', } : q{attach('listing', 'price', }) . ($shape->{attach} // q{key => 'listing_id'}) . ", $attached)";
	my $made = $latest ? '' : q{CREATE TABLE listing (id int, note text, last_price numeric, last_price_at timestamp, previous_price numeric,
		lowest_price numeric, highest_price numeric, price_count bigint} . ($composite ? q{, store text DEFAULT 'a', last_note text, last_id int} : '') . ($composite ? ', PRIMARY KEY (id, store));' : ', PRIMARY KEY (id));');
	my $of = $latest ? '(SELECT DISTINCT listing_id AS id FROM counted)' : 'listing';
	my $twice = $latest ? 'EXISTS (SELECT FROM listing GROUP BY listing_id HAVING count(*) > 1)'
		: "seen IS DISTINCT FROM expected OR others <> " . ($composite ? 12 : 10);
	my ($is_first, $is_other) = $latest ? ('listing_id < 10', 'listing_id > 10') : $composite ? (q{id < 10 AND store = 'a'}, q{id > 10 OR store = 'b'}) : ('id < 10', 'id > 10');
	my $more_prices = $shape->{prices} // 'SELECT';
	my $rows = $latest ? 'INSERT INTO listing TABLE recomputed'
		: $composite ? q{INSERT INTO listing VALUES (1, NULL, 30, '2026-01-30', 20, 10, 30, 3, 'a', 'n', 3), (2, NULL, 7, '2026-01-15', 5, 5, 7, 2, 'a', 'n', 5),
			(2, NULL, 8, '2026-02-01', NULL, 8, 8, 1, 'b', 'n', 21);
		INSERT INTO listing (id, store, price_count) VALUES (3, 'a', 0), (1, 'b', 0), (1, 'B', 0);
		INSERT INTO listing SELECT i, NULL, i, '2026-01-10', NULL, i, i, 1, 'a', 'n', i FROM generate_series(11, 20) i}
		: q{INSERT INTO listing VALUES (1, NULL, 30, '2026-01-30', 20, 10, 30, 3), (2, NULL, 7, '2026-01-15', 5, 5, 7, 2), (3, NULL, NULL, NULL, NULL, NULL, NULL, 0);
		INSERT INTO listing SELECT i, NULL, i, '2026-01-10', NULL, i, i, 1 FROM generate_series(11, 20) i};
	my $changes = $without_update_trigger{$foreign_key} ? 'INSERT OR DELETE' : 'INSERT OR UPDATE OR DELETE';
	$node->safe_psql('postgres', qq{
	SET client_min_messages = warning;
	CREATE SCHEMA $foreign_key;
	SET search_path = $foreign_key;
	$made
	CREATE TABLE price (id int PRIMARY KEY, listing_id int, created timestamp NOT NULL, value numeric$more_columns);
	SELECT count(*) FROM listing_stats.$attach;
	$foreign_keys{$foreign_key}
	CREATE VIEW counted AS SELECT * FROM price WHERE @{[ $shape->{condition} // 'true' ]};
	CREATE VIEW stored AS SELECT $kept FROM listing;
	CREATE VIEW recomputed AS SELECT $kept FROM (
		SELECT l.id, l.id AS listing_id$store, last.value AS last_price, last.created AS last_price_at, last.id AS last_id, @{[ $composite ? 'last.note' : 'NULL' ]} AS last_note,
			(SELECT p.value FROM counted p WHERE $is_last AND p.value IS NOT NULL AND p.value IS DISTINCT FROM last.value ORDER BY p.created DESC, p.id DESC LIMIT 1) AS previous_price,
			min(p.value) AS lowest_price, max(p.value) AS highest_price, count(p.value) AS price_count
		FROM $of l LEFT JOIN counted p ON $is_last
		LEFT JOIN LATERAL (SELECT p.* FROM counted p WHERE $is_last ORDER BY created DESC, id DESC LIMIT 1) last ON true
		GROUP BY l.id$store, last.value, last.created, last.id @{[ $composite ? ', last.note' : '' ]}) r;
	CREATE FUNCTION "check"() RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE
		wrong text := (SELECT string_agg(d::text, ' ') FROM (
			(TABLE stored EXCEPT ALL TABLE recomputed) UNION ALL (TABLE recomputed EXCEPT ALL TABLE stored)) d);
	BEGIN
		IF wrong IS NOT NULL THEN RAISE EXCEPTION 'wrong: %', wrong; END IF;
		RETURN 'right';
	END \$\$;
	CREATE FUNCTION once(expected int[] DEFAULT '{1,2,3}') RETURNS text LANGUAGE plpgsql SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_bitmapscan = off AS \$\$
	DECLARE
		seen int[] := (SELECT array_agg(@{[ $latest ? 'listing_id ORDER BY listing_id' : 'id ORDER BY id' ]}) FROM listing WHERE $is_first);
		others int := (SELECT count(*) FROM listing WHERE $is_other);
	BEGIN
		IF $twice THEN RAISE EXCEPTION 'wrong: listings % and % others are seen instead of %', seen, others, expected; END IF;
		RETURN 'once';
	END \$\$;
	CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		IF current_setting('races.pause', true) = 'on' THEN
			PERFORM pg_advisory_xact_lock_shared(7);
		END IF;
		RETURN NULL;
	END \$\$;
	CREATE TRIGGER "A" AFTER INSERT OR UPDATE OR DELETE ON price FOR EACH ROW EXECUTE FUNCTION pause();
	CREATE TRIGGER "A" AFTER $changes ON listing FOR EACH ROW EXECUTE FUNCTION pause();
	CREATE PROCEDURE reset() LANGUAGE sql SET session_replication_role = replica AS \$\$
		DELETE FROM price;
		DELETE FROM listing;
		INSERT INTO price VALUES (1, 1, '2026-01-10', 10), (2, 1, '2026-01-20', 20), (3, 1, '2026-01-30', 30), (4, 2, '2026-01-10', 5), (5, 2, '2026-01-15', 7);
		INSERT INTO price SELECT i, i, '2026-01-10', i FROM generate_series(11, 20) i;
		$more_prices;
		$rows
	\$\$;
	});
}

my @connection = ('-v', 'ON_ERROR_STOP=0', '-h', $node->host, '-p', $node->port, 'postgres');
open my $stderr, '>&', \*STDERR or die;
open STDERR, '>', "$PostgreSQL::Test::Utils::log_path/psql.log" or die;
my ($control, @session) = map { Psql->new(@connection) } 0 .. 2;
open STDERR, '>&', $stderr or die;
my %outcomes;
my @wrong;

# What a statement ends with: its error, if it had one.
my $outcome = "\\if :ERROR\n\\echo :SQLSTATE :LAST_ERROR_MESSAGE\n\\endif\n";

sub is_waiting
{
	my ($session, $for) = @_;
	return $control->run("SELECT pg_isolation_test_session_is_blocked($session->{backend}, '{$for->{backend}}');") eq 't';
}

# Waits until the session has its answer, or waits for the other one; false then.
sub settled
{
	my ($session, $for) = @_;
	my $deadline = time + 60;
	until ($session->is_done(0.001))
	{
		return 0 if is_waiting($session, $for);
		die "neither done nor waiting: $session->{script}" if time > $deadline;
	}
	return 1;
}

# Where rows of prices have a trigger, a statement of one row is not flushed with its row: so only races that are to
# pause there have it.
my %pauses;
sub let_prices_pause
{
	my ($foreign_key, $pause) = @_;
	return if ($pauses{$foreign_key} // 1) == ($pause ? 1 : 0);
	$pauses{$foreign_key} = $pause ? 1 : 0;
	$control->run("ALTER TABLE $foreign_key.price @{[ $pause ? 'ENABLE' : 'DISABLE' ]} TRIGGER \"A\";");
}

# One race.  "shape":
#   both      both statements, then the first commits, then the second
#   reverse   the second commits first, if it does not wait for the first
#   after     the second starts when the first has committed, with the snapshot of before
#   undone    the first is rolled back
#   paused    the second comes between the first's changes of rows and their flush, and commits if it can
sub race
{
	my ($foreign_key, $shape, $snapshot, @of) = @_;
	my $name = join ' ', $foreign_key, $shape, $snapshot ? 'snapshots first' : 'no snapshot', map { "$_->[0]:$_->[1]" } @of;
	my @error = ('', '');
	my $note = sub {
		my ($i, $answer) = @_;
		push @wrong, "$name: $answer" if $answer =~ /^\S+ .*(wrong|without the flush|mid-statement)/m;
		($error[$i]) = $answer =~ /^([0-9A-Z]{5}) /m unless $error[$i];
		$error[$i] //= '';
	};
	let_prices_pause($foreign_key, $shape eq 'paused');
	$control->run("SET search_path = $foreign_key; CALL reset();" . ($shape eq 'paused' ? 'SELECT pg_advisory_lock(7);' : ''));
	for my $i (0, 1)
	{
		my $begin = "SET search_path = $foreign_key; BEGIN ISOLATION LEVEL $levels{$of[$i][1]};";
		$begin .= ' SELECT once();' if $snapshot;
		$begin .= ' SET LOCAL races.pause = on;' if $i == 0 && $shape eq 'paused';
		$session[$i]->run($begin);
	}
	my @statement = map {
		my ($kind, $level) = @{ $of[$_] };
		my $text = statements_of($foreign_key)->{$kind} =~ s/%n/$_ + 1/ger;
		# TRUNCATE takes the rows away from older snapshots too.
		my @look = $level ne 'rc' && grep({ $_->[0] eq 'truncate' } @of) ? () : 'SELECT "check"()';
		push @look, "SELECT once('" . ($listings_after{$kind} // '{1,2,3}') . "')" if $level ne 'rc' && $snapshot;
		join '', map { "$_;\n$outcome" } $text, @look
	} 0, 1;

	my $waits = 0;
	$session[0]->send($statement[0]);
	if ($shape eq 'paused')
	{
		settled($session[0], $control);
	}
	else
	{
		$note->(0, $session[0]->answer);
		$note->(0, $session[0]->run("COMMIT;\n$outcome")) if $shape eq 'after';
	}
	$session[1]->send($statement[1]);
	$waits = !settled($session[1], $session[0]);
	$note->(1, $session[1]->answer) unless $waits;
	if (!$waits && ($shape eq 'reverse' || $shape eq 'paused'))
	{
		$session[1]->send("COMMIT;\n$outcome");
		# A deferred check may have to wait for the first.
		$waits = !settled($session[1], $session[0]);
		$note->(1, $session[1]->answer) unless $waits;
	}
	if ($shape eq 'paused')
	{
		$control->run('SELECT pg_advisory_unlock(7);');
		$note->(0, $session[0]->answer);
	}
	if ($shape ne 'after')
	{
		$session[0]->send(($shape eq 'undone' ? 'ROLLBACK' : 'COMMIT') . ";\n$outcome");
		if (!settled($session[0], $session[1]))
		{
			# The first's commit waits for the second: possible where checks are deferred.
			$note->(1, $session[1]->run("COMMIT;\n$outcome")) unless $waits;
		}
		$note->(0, $session[0]->answer);
	}
	$note->(1, $session[1]->answer) if $waits;
	$note->(1, $session[1]->run("COMMIT;\n$outcome"));
	my $answer = $control->run("SELECT \"check\"();\n$outcome");
	push @wrong, "$name: $answer" if $answer ne 'right';

	for my $i (0, 1)
	{
		++$outcomes{ $error[$i] || 'committed' };
		push @wrong, "$name: session " . ($i + 1) . " got $error[$i]"
			unless grep { $error[$i] eq $_ } '', can_be_refused_with($foreign_key, $of[$i], $of[ 1 - $i ]);
	}
	++$outcomes{waited} if $waits;
}

sub run_all
{
	my ($name, @races) = @_;
	my $start = time;
	my $count = 0;
	%outcomes = ();
	@wrong = ();
	for my $race (sort { ($a->[1] eq 'paused') <=> ($b->[1] eq 'paused') } @races)
	{
		race(@$race);
		$control->run(join ' ', map { "VACUUM $_.listing, $_.price;" } sort keys %foreign_keys) if ++$count % 200 == 0;
		last if @wrong > 20;
	}
	is(join("\n", @wrong), '', "$name: $count races");
	note sprintf "%s: %d races in %.0f s: %s", $name, $count, time - $start, join ', ', map { "$_ $outcomes{$_}" } sort keys %outcomes;
	cmp_ok($outcomes{waited} // 0, '>', $count / 20, "$name: sessions waited for each other");
}

sub races
{
	my ($foreign_key, $first, $second) = @_;
	# Where every statement has its own snapshot, an early one tells nothing.
	my @shapes = $first eq 'rc' && $second eq 'rc'
		? ([ 'both', 0 ], [ 'reverse', 0 ], [ 'undone', 0 ], [ 'paused', 0 ])
		: ([ 'both', 0 ], [ 'both', 1 ], [ 'reverse', 1 ], [ 'after', 1 ], [ 'undone', 1 ], [ 'paused', 1 ]);
	my @races;
	my @kinds = sort keys %{ statements_of($foreign_key) };
	for my $a (@kinds)
	{
		for my $b (@kinds)
		{
			push @races, [ $foreign_key, @$_, [ $a, $first ], [ $b, $second ] ] for @shapes;
		}
	}
	return @races;
}

my (@every, @rest, @more_columns, @shapes);
for my $foreign_key (sort keys %foreign_keys)
{
	for my $first (sort keys %levels)
	{
		for my $second (sort keys %levels)
		{
			my @races = races($foreign_key, $first, $second);
			my $all = $first eq $second && $first ne 's';
			if ($few)
			{
				push @every, @races;
				next;
			}
			if (!$full && $all && $foreign_key =~ /^(immediate|none)$/)
			{
				my @both = @races;
				@races = ();
				for my $race (@both)
				{
					my @kinds = sort map { $_->[0] } @$race[ 3, 4 ];
					my $always = $by_hand{"@kinds"} || $foreign_key eq 'none' && grep { /many/ } @kinds;
					push @{ $always ? \@races : \@rest }, $race;
				}
			}
			if ($shape_of{$foreign_key})
			{
				push @shapes, @races;
			}
			elsif ($full || $all && $foreign_key =~ /^(deferred|immediate|none)$/)
			{
				run_all("$foreign_key, $levels{$first} and $levels{$second}", @races);
				cmp_ok($outcomes{40001} // 0, '>', 0, 'some were refused') if $first ne 'rc';
			}
			elsif ($foreign_key =~ /_more$/)
			{
				push @more_columns, @races;
			}
			else
			{
				push @rest, @races;
			}
		}
	}
}
my $seed = $ENV{LISTING_STATS_SEED} // int rand 1e6;
srand $seed;
diag "samples with LISTING_STATS_SEED=$seed of " . @rest . ' further races, of ' . @more_columns . ' with all columns and of ' . @shapes . ' of other shape';
run_all('a few of all', map { $every[ rand @every ] } 1 .. $few) if $few;
run_all('a sample', map { $rest[ rand @rest ] } 1 .. $sample_size) if @rest;
run_all('a sample with all columns', map { $more_columns[ rand @more_columns ] } 1 .. $sample_size_of_more_columns) if @more_columns;
run_all('a sample of other shape', map { $shapes[ rand @shapes ] } 1 .. $sample_size_of_shapes) if @shapes;

undef $_ for $control, @session;
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'no crash');
$node->stop;
done_testing();
