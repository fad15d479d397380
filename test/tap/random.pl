# Random schemas, triggers of the user's and statements: after each statement the kept columns, and what latest_prices()
# gives, equal what plain SQL written here says, and verify() agrees.  A statement may be refused with an SQLSTATE that
# it can have; an internal error, a crash, an assertion, a leak that the server warns of or a difference is a failure.
#
# Each schema has a seed of its own, the first one's and so on: LISTING_STATS_SEED with LISTING_STATS_RANDOM_SCHEMAS=1
# repeats one.  One that fails is printed as a script for psql, reduced to the statements that are needed for it; what fails
# in the same way without the extension is PostgreSQL's own, and is only told.
#
#   LISTING_STATS_RANDOM_SCHEMAS   how many schemas; 40, and 3000 with LISTING_STATS_FULL
#   LISTING_STATS_RANDOM_PLAIN     all of it without attach(): what fails then is PostgreSQL's
#
# What README names as limits is left out, or followed by refresh().
use strict;
use warnings FATAL => 'all';
use FindBin;
use lib "$FindBin::RealBin/../../tools";
use POSIX 'strftime';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Psql;
use Storable 'dclone';
use Test::More;
use Time::HiRes qw(sleep time);

my $schemas = $ENV{LISTING_STATS_RANDOM_SCHEMAS} // ($ENV{LISTING_STATS_FULL} ? 3000 : 40);
my $plain = $ENV{LISTING_STATS_RANDOM_PLAIN};
# The same ones each time, so that a run does not fail for a schema that nobody changed anything for.
my $seed = $ENV{LISTING_STATS_SEED} // ($ENV{LISTING_STATS_FULL} ? int rand 1e8 : 1);
my $steps = 40;
diag "LISTING_STATS_SEED=$seed";

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init(extra => [ '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_prepared_transactions = 5\nrestart_after_crash = on\nlog_min_messages = fatal\nlog_statement = none\njit = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listing_stats;
	CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE DOMAIN name_of_key AS text COLLATE ignoring_case;
	CREATE DOMAIN number_of_key AS int CHECK (VALUE > -100);
	CREATE DOMAIN amount AS numeric(12,3) CHECK (VALUE < 1000000);
	CREATE TYPE kind AS ENUM ('k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9');
	-- Whether the triggers have run often enough in a statement: deferred ones could queue themselves for ever.  What counts
	-- is not undone with a subtransaction: 100 numbers of a sequence for each microsecond in which a statement can begin.
	CREATE SEQUENCE runs;
	CREATE FUNCTION no_more() RETURNS boolean LANGUAGE plpgsql AS $$
	DECLARE
		of_statement bigint := extract(epoch FROM statement_timestamp()) * 100000000;
		last bigint := greatest((SELECT r.last_value FROM public.runs r), of_statement);
	BEGIN
		IF last >= of_statement + 40 THEN
			RETURN true;
		END IF;
		PERFORM setval('public.runs', last + 1);
		RETURN false;
	END $$;
	CREATE ROLE random_writer;
	GRANT ALL ON SEQUENCE runs TO random_writer;
	CREATE ROLE random_owner LOGIN IN ROLE random_writer;
	GRANT CREATE ON DATABASE postgres TO random_owner;
	GRANT pg_execute_server_program TO random_writer;
	ALTER ROLE random_owner SET statement_timeout = '60s';
	ALTER ROLE random_owner SET lock_timeout = '10s';
	ALTER ROLE random_owner SET client_min_messages = warning;
	ALTER ROLE random_owner SET timezone = 'Europe/Zurich';
	ALTER ROLE random_owner SET enable_mergejoin = off;
	ALTER ROLE random_owner SET extra_float_digits = 1;
});
my $amcheck = $node->psql('postgres', 'CREATE EXTENSION amcheck; GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO random_owner') == 0;
my $asserts = $node->safe_psql('postgres', 'SHOW debug_assertions') eq 'on';
my $version = $node->safe_psql('postgres', q{SELECT current_setting('server_version_num')::int / 10000});

sub pick { return $_[ rand @_ ] }
sub chance { return rand() < $_[0] }
sub between { return $_[0] + int rand($_[1] - $_[0] + 1) }
sub literal { return "'" . $_[0] =~ s/'/''/gr . "'" }
sub identifier { return '"' . $_[0] =~ s/"/""/gr . '"' }

# ---------------------------------------------------------------------------------------------------------------------
# The session, and what it has been told

my $session;
my @log;  # of a schema: [ SQL, SQLSTATEs that it may have, kind ]
my $stderr_file = "$PostgreSQL::Test::Utils::log_path/psql.log";
my $stderr_read = 0;
my %told;  # how often each SQLSTATE came

sub connect_session
{
	open my $stderr, '>&', \*STDERR or die;
	open STDERR, '>>', $stderr_file or die;
	$session = eval { Psql->new('-v', 'ON_ERROR_STOP=0', '-h', $node->host, '-p', $node->port, '-U', 'random_owner', 'postgres') };
	open STDERR, '>&', $stderr or die;
	return defined $session;
}

sub disconnect
{
	local $SIG{PIPE} = 'IGNORE';
	undef $session;
}

# After a crash the server starts anew.
sub reconnect
{
	disconnect();
	for (1 .. 600)
	{
		return if connect_session();
		sleep 0.1;
	}
	BAIL_OUT('the server does not come back');
}

# What psql has written since: errors with their contexts, and warnings.
sub new_messages
{
	open my $file, '<', $stderr_file or return '';
	seek $file, $stderr_read, 0;
	my $text = do { local $/; <$file> } // '';
	$stderr_read = tell $file;
	return $text;
}

# Statements as psql takes them: one on a line, or several.
sub for_psql
{
	my ($sql, $after) = @_;
	return join '', map { $_ . ($_ =~ /^\\/ ? "\n" : ";\n") . $after } split /;\n/, $sql;
}

# Runs a statement, or several; returns what was printed and the SQLSTATE, '' if all went well.  undef: the session is gone.
sub tell_session
{
	my ($sql) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $answer = eval {
		$session->send(for_psql($sql, "\\if :ERROR\n\\echo ERROR :SQLSTATE :LAST_ERROR_MESSAGE\n\\endif\n"));
		# What runs at COMMIT has no statement_timeout.
		return 'ERROR 57014 it never ends' if !$session->is_done(100);
		$session->answer
	};
	return if !defined $answer;
	return $answer =~ /^ERROR (([0-9A-Z]{5}) .*)/m ? ($1, $2) : ($answer, '');
}

# Warnings that are no fault.
my $allowed_warning = qr/there is (already a|no) transaction in progress|SET (LOCAL|TRANSACTION)|column "[^"]*" has type "unknown"|locked the listing|prices of table .* have (gone|come) with table|^WARNING:  listing_stats: /;

# What is wrong with an answer: nothing, '', or a kind of failure and its text.
sub fault
{
	my ($entry, $answer, $code) = @_;
	my ($sql, $allowed, $kind) = @$entry;
	return ('crash', 'the session is gone') if !defined $answer;
	my ($warning) = new_messages() =~ /^((?:psql:[^\n]*)?WARNING:  .*)/m;
	return ('warning', $warning) if $warning && $warning !~ $allowed_warning;
	return ("error $answer", $sql) if $code && !grep { $code eq $_ } @$allowed;
	return ($kind, $answer) if $kind ne 'statement' && !$code && $answer ne '';
	return '';
}

# Runs a statement of the schema and dies of a fault.  Returns its SQLSTATE.
sub run
{
	my ($sql, $allowed, $kind) = @_;
	my $entry = [ $sql, $allowed // [], $kind // 'statement' ];
	push @log, $entry;
	my ($answer, $code) = tell_session($sql);
	my ($fault, $text) = fault($entry, $answer, $code);
	die { fault => $fault, text => $text } if $fault;
	++$told{$code} if $code;
	return $code;
}

# ---------------------------------------------------------------------------------------------------------------------
# The model: what there is, by names of ours.  $m->{name}{'p0.at'} is what the time of the first table of prices is
# called.  Statements are written as templates with {p0.at} in them.

my $m;

sub resolve
{
	my ($template) = @_;
	return $template =~ s/\{([a-z]\w*(?:\.\w+)?)\}/identifier($m->{name}{$1} \/\/ die "no $1 in $template")/ger;
}

my $name_number = 0;

# A name that nothing has.
sub new_name
{
	my ($base) = @_;
	my $number = ++$name_number;
	return "$base$number" if chance(0.7);
	return pick("Big \u$base", "$base\"quoted\"", "it's $base", "\$1$base", "\x{c3}\x{bc}$base", "$base.$base", 'select', 'x' x 55) . " $number";
}

my %key_types = (
	smallint => { ask => 'bigint', alters => 'bigint' },
	integer => { ask => 'bigint', alters => 'bigint' },
	bigint => { ask => 'bigint' },
	number_of_key => { type => 'public.number_of_key', ask => 'bigint' },
	text => { ask => 'text' },
	'varchar(20)' => { ask => 'text', alters => 'text' },
	name_of_key => { type => 'public.name_of_key', ask => 'text' },
	uuid => { ask => 'uuid' },
	numeric => { ask => 'text' },
	date => { ask => 'text' },
	kind => { type => 'public.kind', ask => 'text' });

# What a key's number is in its type: as plain text, and as SQL of a number in SQL.
sub key_text
{
	my ($type, $n) = @_;
	return $n if $type =~ /int|number/;
	return $n . pick('', '.0', '.00') if $type eq 'numeric';
	return sprintf '%08d-0000-4000-8000-%012d', $n % 3, $n if $type eq 'uuid';
	return strftime('%Y-%m-%d', gmtime(1767225600 + 86400 * $n)) if $type eq 'date';
	return pick('k', 'K') . $n if $type eq 'name_of_key';
	return "k$n";
}

sub key_sql
{
	my ($type, $n) = @_;
	return key_text($type, $n) if $type =~ /int|num/;
	return literal(key_text($type, $n)) . '::' . ($key_types{$type}{type} // $type);
}

sub key_expression
{
	my ($type, $i) = @_;
	return "($i)" if $type =~ /int|num/;
	return "(lpad(($i % 3)::text, 8, '0') || '-0000-4000-8000-' || lpad(($i)::text, 12, '0'))::uuid" if $type eq 'uuid';
	return "(date '2026-01-01' + ($i))" if $type eq 'date';
	return "('k' || ($i))::" . ($key_types{$type}{type} // $type);
}

my @time_types = qw(timestamptz timestamptz timestamptz timestamp date bigint integer numeric);

sub time_text
{
	my ($type, $n) = @_;
	return $n if $type =~ /int|numeric/;
	return strftime('%Y-%m-%d', gmtime(1767225600 + 86400 * $n)) if $type eq 'date';
	return strftime('%Y-%m-%d %H:00:00+00', gmtime(1767225600 + 3600 * $n));
}

sub time_sql
{
	my ($type, $n) = @_;
	return literal(pick('infinity', '-infinity')) . "::$type" if $type !~ /int|numeric/ && chance(0.02);
	return time_text($type, $n) if $type =~ /int|numeric/;
	return literal(time_text($type, $n)) . "::$type";
}

sub time_expression
{
	my ($type, $i) = @_;
	return "($i)" if $type =~ /int|numeric/;
	return "(date '2026-01-01' + ($i))" if $type eq 'date';
	return "('2026-01-01 00:00:00+00'::$type + ($i) * interval '1 h')";
}

my @value_types = ('numeric(10,2)', 'numeric(10,2)', 'numeric', 'bigint', 'integer', 'smallint', 'double precision', 'public.amount');

sub value_text
{
	my ($type) = @_;
	return between(-3, 12) if $type =~ /int/;
	return pick('NaN', 'Infinity', '-Infinity') if $type =~ /^(numeric|double precision)$/ && chance(0.03);
	return sprintf '%.' . between(1, 2) . 'f', between(-8, 40) / 4;
}

sub value_sql
{
	my ($type) = @_;
	my $text = value_text($type);
	return $text =~ /N|y/ ? literal($text) . "::$type" : $text;
}

# --- tables

# An arbitrary part of the rows, the same one each time.
sub some_rows
{
	my ($p) = @_;
	return "hashtext({$p}.{$p.id}::text) % " . pick(2, 3, 5) . ' = ' . pick(0, 0, 1, -1);
}

# The number of a key that may be there.
sub any_key
{
	my ($t) = @_;
	return between(1, $m->{keys}) unless chance(0.15);
	return between(1, $m->{keys} + 3);
}

# A key for a row of prices.
sub price_key
{
	my ($p, $role) = @_;
	my $key = $m->{table}{$p}{$role};
	return 'NULL' if !$key->{not_null} && chance(0.04);
	# A missing listing is refused by a foreign key that does not wait.
	my $fk = $key->{fk};
	return key_sql($key->{type}, $fk->{immediate} && chance(0.9) ? between(1, $m->{keys}) : any_key());
}

sub price_time
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	return 'NULL' if !$t->{at}{not_null} && chance(0.1);
	return time_sql($t->{at}{type}, between(0, 12));
}

sub price_value
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	return 'NULL' if !$t->{value}{not_null} && chance(0.15);
	return value_sql($t->{value}{type});
}

# The columns that an INSERT of prices gives, and a row of them.
sub price_roles
{
	my ($p) = @_;
	my @roles = ('key', ($m->{table}{$p}{key2} ? 'key2' : ()), 'at', 'value');
	return chance(0.5) ? @roles : reverse @roles;
}

sub columns { my ($t, @roles) = @_; return join ', ', map { "{$t.$_}" } @roles }

sub price_row
{
	my ($p, @roles) = @_;
	return join ', ', map { $_ =~ /^key/ ? price_key($p, $_) : $_ eq 'at' ? price_time($p) : $_ eq 'value' ? price_value($p) : between(1, 60) } @roles;
}

sub tables_of
{
	my ($prefix) = @_;
	return grep { /^$prefix\d+$/ } sort keys %{ $m->{table} };
}

# A table or, now and then, one of its partitions or children.
sub part_of
{
	my ($p) = @_;
	my @parts = @{ $m->{table}{$p}{parts} };
	return @parts && chance(0.2) ? pick(@parts) : $p;
}

# FROM and WHERE name columns of rows by the table, so a part has the root's name.
sub target
{
	my ($p) = @_;
	my $part = part_of($p);
	return $part eq $p ? "{$p}" : "{$part} AS {$p}";
}

sub create_listing
{
	my ($l, %own) = @_;
	my $type = $own{type} // pick($m->{simple} ? qw(integer bigint uuid) : qw(integer integer bigint bigint smallint text uuid uuid numeric date name_of_key number_of_key kind varchar(20)));
	my $t = $m->{table}{$l} = { key => { type => $type, not_null => 1 }, parts => [] };
	$m->{keys} = 6 if $type eq 'kind' && $m->{keys} > 6;
	$m->{name}{$l} = new_name('listing');
	$m->{name}{"$l.$_"} = new_name($_) for qw(key note n grp);
	my $name = $key_types{$type}{type} // $type;
	my $partitioned = $own{plain} || $m->{simple} ? 0 : chance(0.15);
	$t->{nullable} = !$partitioned && $own{nullable};
	$t->{key}{not_null} = !$t->{nullable};
	my @columns = ("{$l.key} $name " . ($t->{nullable} ? 'UNIQUE' : 'PRIMARY KEY'), "{$l.note} text", "{$l.n} int DEFAULT 0", "{$l.grp} int");
	push @columns, 'number serial PRIMARY KEY' if $t->{nullable};
	push @columns, "twice int GENERATED ALWAYS AS ({$l.n} * 2) STORED" if chance(0.1) && !$m->{simple};
	push @columns, "CHECK ({$l.n} >= -100)" if chance(0.15) && !$m->{simple};
	unshift @columns, 'gone int' if my $gone = chance(0.2);
	run(resolve("CREATE TABLE {$l} (" . join(', ', @columns) . ')' . ($partitioned ? " PARTITION BY HASH ({$l.key})" : chance(0.3) ? ' WITH (fillfactor = ' . pick(10, 50, 90) . ')' : '')));
	$t->{partitioned} = $partitioned;
	if ($partitioned)
	{
		for my $i (0, 1)
		{
			$m->{name}{"${l}_$i"} = new_name('listing_part');
			run(resolve("CREATE TABLE {${l}_$i} PARTITION OF {$l} FOR VALUES WITH (MODULUS 2, REMAINDER $i)"));
			push @{ $t->{parts} }, "${l}_$i";
		}
	}
	run(resolve("ALTER TABLE {$l} DROP COLUMN gone")) if $gone;
	run(resolve("CREATE INDEX ON {$l} (" . pick("{$l.n}", "lower({$l.note})", "({$l.n} + 1)") . ')')) if chance(0.2);
	run(resolve("CREATE INDEX ON {$l} ({$l.n}) WHERE {$l.note} IS NULL")) if chance(0.1);
}

# How a column of prices refers to a table of listings.
sub new_foreign_key
{
	my ($l, $type, $required) = @_;
	my $fk = { l => $l, kind => pick($required ? () : qw(none none), qw(immediate immediate deferred deferred deferrable)) };
	return $fk if $fk->{kind} eq 'none';
	$fk->{immediate} = $fk->{kind} ne 'deferred';
	$fk->{text} = "REFERENCES {$l} ({$l.key})" . pick('', ' ON DELETE CASCADE', ' ON DELETE CASCADE', ' ON DELETE SET NULL', ' ON DELETE RESTRICT')
		. pick('', ' ON UPDATE CASCADE', ' ON UPDATE CASCADE', ' ON UPDATE SET NULL')
		. { immediate => '', deferred => ' DEFERRABLE INITIALLY DEFERRED', deferrable => ' DEFERRABLE' }->{ $fk->{kind} };
	return $fk;
}

sub create_prices
{
	my ($p, $l, %more) = @_;
	my $key_type = $m->{table}{$l}{key}{type};
	$key_type = pick('smallint', 'integer', 'bigint') if $key_type =~ /int|number/ && chance(0.3);
	my $t = $m->{table}{$p} = {
		parts => [], early => {},
		key => { type => $key_type, not_null => chance(0.6), l => $l, fk => new_foreign_key($l, $key_type, $m->{table}{$l}{nullable}) },
		at => { type => pick($m->{simple} ? qw(timestamptz timestamptz timestamp date) : @time_types), not_null => chance($m->{reading} ? 0.3 : 0.6) },
		value => { type => pick(@value_types), not_null => chance(0.3) },
		id => { type => pick('integer', 'integer', 'bigint', 'text') } };
	if ($more{key2})
	{
		my $type = $m->{table}{ $more{key2} }{key}{type};
		$t->{key2} = { type => $type, not_null => chance(0.3), l => $more{key2}, fk => new_foreign_key($more{key2}, $type, $m->{table}{ $more{key2} }{nullable}) };
	}
	$m->{name}{$p} = new_name('price');
	$m->{name}{"$p.at"} = chance(0.5) ? 'created' : new_name('at');
	$m->{name}{"$p.value"} = chance(0.5) ? 'value' : new_name('amount');
	$m->{name}{"$p.$_"} = new_name($_) for qw(id key key2 note seq);
	my $kind = $t->{kind} = pick($m->{simple} ? 'plain' : qw(plain plain plain plain inherited range list hash_key hash_id two_levels));
	# A primary key has the key of the partitions in it.
	$t->{at}{not_null} = 1 if $kind eq 'two_levels' || $kind eq 'range' && chance(0.7);
	my @partition_key = { range => ['at'], list => ['key'], hash_key => ['key'], hash_id => ['id'], two_levels => [ 'at', 'key' ] }->{$kind} // ();
	@partition_key = @{ $partition_key[0] // [] };
	my @primary = ('id', grep { $_ ne 'id' } @partition_key);
	@primary = () if grep { $t->{$_} && $_ ne 'id' && !$t->{$_}{not_null} } @primary;
	@primary = () if chance(0.1);
	push @primary, 'key' if @primary == 1 && $kind eq 'plain' && $t->{key}{not_null} && chance(0.1);
	$t->{primary} = [@primary];
	# Something else than the primary key breaks ties: each row has its own.
	my $seq = chance(0.2);
	$t->{tie} = $seq ? 'seq' : 'id';
	my %column = (
		id => "{$p.id} $t->{id}{type} DEFAULT " . ($t->{id}{type} eq 'text' ? q{lpad(nextval('numbers')::text, 6, '0')} : q{nextval('numbers')}),
		note => "{$p.note} text");
	$column{seq} = "{$p.seq} int DEFAULT nextval('numbers')" if $seq;
	for my $role ('key', $t->{key2} ? 'key2' : ())
	{
		my $key = $t->{$role};
		$column{$role} = "{$p.$role} " . ($key_types{ $key->{type} }{type} // $key->{type}) . ($key->{not_null} ? ' NOT NULL' : '') . ' ' . ($key->{fk}{text} // '');
	}
	$column{at} = "{$p.at} $t->{at}{type}" . ($t->{at}{not_null} ? ' NOT NULL' : '');
	$column{value} = "{$p.value} $t->{value}{type}" . ($t->{value}{not_null} ? ' NOT NULL' : '');
	my @order = sort { $a->[1] <=> $b->[1] } map { [ $_, rand ] } sort keys %column;
	my @columns = map { $column{ $_->[0] } } @order;
	push @columns, 'PRIMARY KEY (' . columns($p, @primary) . ')' if @primary;
	unshift @columns, 'gone int' if my $gone = chance(0.2);
	my $by = { range => 'RANGE ({p.at})', list => 'LIST ({p.key})', hash_key => 'HASH ({p.key})', hash_id => 'HASH ({p.id})', two_levels => 'RANGE ({p.at})' }->{$kind};
	my $definition = "CREATE TABLE {$p} (" . join(', ', @columns) . ')' . ($by ? " PARTITION BY $by" : chance(0.15) ? ' WITH (fillfactor = 30)' : '');
	run(resolve($definition =~ s/\{p\./{$p./gr));
	run(resolve("ALTER TABLE {$p} DROP COLUMN gone")) if $gone;
	if ($kind eq 'inherited')
	{
		for my $i (1 .. between(1, 2))
		{
			$m->{name}{"${p}_$i"} = new_name('child');
			run(resolve("CREATE TABLE {${p}_$i} (extra int) INHERITS ({$p})"));
			push @{ $t->{parts} }, "${p}_$i";
		}
	}
	new_partition($p, 'first') if $by;
	run(resolve("CREATE INDEX ON {$p} ({$p.key})")) if chance(0.4);
	# One that attach() may take for its own, in either direction, with few entries on a page.
	if (chance(0.35))
	{
		my $backwards = chance(0.3);
		my @index = chance(0.1) ? "{$p.key} DESC" : "{$p.key}";
		for my $role ('at', $t->{tie})
		{
			my $never_null = $role eq 'at' ? $t->{at}{not_null} : grep { $_ eq $role } @primary;
			push @index, "{$p.$role} " . ($backwards ? 'ASC' : 'DESC') . ($never_null ? '' : $backwards ? ' NULLS FIRST' : ' NULLS LAST');
		}
		run(resolve("CREATE INDEX ON {$p} (" . join(', ', @index) . ')' . (chance(0.7) ? " INCLUDE ({$p.value})" : '') . ' WITH (fillfactor = ' . pick(10, 50, 90) . ')'));
	}
}

# Partitions: the first ones, or another one.  Returns whether there was one to be had.
sub new_partition
{
	my ($p, $first) = @_;
	my $t = $m->{table}{$p};
	my @bounds;
	if ($t->{kind} =~ /range|two_levels/)
	{
		my @times = map { time_sql_finite($t->{at}{type}, $_) } (-1000, 4, 8, 11);
		@bounds = $first ? ("FROM ($times[0]) TO ($times[1])", "FROM ($times[1]) TO ($times[2])") : ("FROM ($times[2]) TO ($times[3])");
	}
	elsif ($t->{kind} eq 'list')
	{
		@bounds = map { 'IN (' . join(', ', map { key_sql($t->{key}{type}, $_) } @$_) . ')' } $first ? ([ 1, 3 ], [2]) : ([4]);
	}
	else
	{
		return unless $first;
		@bounds = map { "WITH (MODULUS 3, REMAINDER $_)" } 0 .. 2;
	}
	my $number = $t->{partitions} // 0;
	return if !$first && $t->{later}++;
	for my $bound (@bounds, $first && $t->{kind} !~ /hash/ ? 'DEFAULT' : ())
	{
		my $part = "${p}_" . ++$number;
		$m->{name}{$part} = new_name('part');
		my $for = $bound eq 'DEFAULT' ? 'DEFAULT' : "FOR VALUES $bound";
		my $code = run(resolve("CREATE TABLE {$part} PARTITION OF {$p} $for" . ($t->{kind} eq 'two_levels' ? " PARTITION BY HASH ({$p.key})" : '')), $first ? [] : [qw(23514 55006)]);
		return $code if $code;
		if ($t->{kind} eq 'two_levels')
		{
			for my $i (0, 1)
			{
				$m->{name}{"${part}_$i"} = new_name('subpart');
				run(resolve("CREATE TABLE {${part}_$i} PARTITION OF {$part} FOR VALUES WITH (MODULUS 2, REMAINDER $i)"));
				push @{ $t->{parts} }, "${part}_$i";
			}
		}
		push @{ $t->{parts} }, $part;
		# One made later has no trigger of ours for TRUNCATE.
		$t->{early}{$part} = 1 if $first;
	}
	$t->{partitions} = $number;
	return '';
}

sub time_sql_finite
{
	my ($type, $n) = @_;
	return time_text($type, $n) if $type =~ /int|numeric/;
	return literal(time_text($type, $n));
}

# ---------------------------------------------------------------------------------------------------------------------
# Attachments

my @targets = qw(last_price last_price_at previous_price lowest_price highest_price price_count);

# The arguments of attach() that say what is wanted, and whether there is an index that it would have to make.
sub attach_call
{
	my ($a, %more) = @_;
	my $name = $m->{name};
	my @arguments = (literal(resolve("{$a->{l}}")), literal(resolve("{$a->{p}}")));
	push @arguments, 'key => ' . literal($name->{ $a->{key} }) if $a->{name_key};
	push @arguments, 'at => ' . literal($name->{ $a->{at} }) if $name->{ $a->{at} } ne 'created';
	push @arguments, 'value => ' . literal($name->{ $a->{value} }) if $name->{ $a->{value} } ne 'value';
	push @arguments, 'tie => ' . literal($name->{ $a->{tie} }) if $a->{name_tie};
	push @arguments, "$_ => " . literal($a->{target}{$_} ? $name->{ $a->{target}{$_} } : 'none') for grep { $a->{target}{$_} || $_ eq 'last_price' || $more{$_} } @targets;
	push @arguments, 'carry => ' . literal(join ', ', map { identifier($name->{ $_->[0] }) . ' AS ' . identifier($name->{ $_->[1] }) } @{ $a->{carried} }) if @{ $a->{carried} };
	push @arguments, "null_value => '$a->{null_value}'" if $a->{null_value} ne 'keep' || $more{options};
	push @arguments, "guard => '$a->{guard}'" if $a->{guard} ne 'keep' || $more{options};
	push @arguments, "replication => '$a->{replication}'" if $a->{replication} ne 'origin';
	push @arguments, 'backfill => false' if $more{no_backfill};
	return 'SELECT count(*) FROM listing_stats.attach(' . join(', ', @arguments) . ') HAVING count(*) <> 1';
}

sub type_of_target
{
	my ($a, $target) = @_;
	return $a->{type}{$target} if $a->{type}{$target};
	return 'bigint' if $target eq 'price_count';
	return $a->{at_type} if $target eq 'last_price_at';
	return $a->{value_type} =~ s/public\.amount/numeric(12,3)/r;
}

sub add_attachment
{
	my ($l, $p, %columns) = @_;
	my $t = $m->{table}{$p};
	my $number = 1 + @{ $m->{attachments} };
	my $a = {
		l => $l, p => $p, key => "$p.key", at => "$p.at", value => "$p.value", lkey => "$l.key", tie => $t->{tie} ? "$p.$t->{tie}" : '',
		at_type => $t->{at}{type}, value_type => $t->{value}{type},
		null_value => pick('keep', 'keep', 'skip'), guard => pick('keep', 'keep', 'keep', 'error', 'off'), replication => pick('origin', 'origin', 'origin', 'always'),
		%columns };
	my ($fk) = $a->{key} =~ /^(p\d+)\.(key2?)$/ ? $m->{table}{$1}{$2}{fk} : {};
	$a->{name_key} //= !$fk->{text} || $t->{key2} || chance(0.3);
	# The primary key says so where it has one column besides.
	my @others = grep { "$p.$_" ne $a->{key} && "$p.$_" ne $a->{at} } @{ $t->{primary} // [] };
	$a->{name_tie} //= @others != 1 || "$p.$others[0]" ne $a->{tie} || chance(0.2);
	my %wanted = (last_price => chance(0.95), last_price_at => chance(0.5), previous_price => chance(0.4), lowest_price => chance(0.35), highest_price => chance(0.3), price_count => chance(0.35));
	%wanted = (last_price => 1, last_price_at => chance(0.5), previous_price => chance(0.2), price_count => chance(0.2)) if $m->{simple};
	$wanted{last_price} = 1 unless grep { $_ } values %wanted;
	%wanted = map { $_ => 1 } @{ $a->{only} } if $a->{only};
	for my $target (grep { $wanted{$_} } @targets)
	{
		my $role = "$l.$target$number";
		$m->{name}{$role} = new_name($target =~ s/_.*//r);
		$a->{target}{$target} = $role;
		# Some are there already.
		if (chance(0.3) || $plain)
		{
			my $type = type_of_target($a, $target);
			$type = 'numeric' if $type =~ /^numeric|int/ && $target ne 'last_price_at' && $target ne 'price_count' && chance(0.5);
			$a->{type}{$target} = $type;
			run(resolve("ALTER TABLE {$l} ADD COLUMN {$role} $type"));
			chance(0.4) && run(resolve("CREATE INDEX ON {$l} ({$role})"));
		}
	}
	# Further columns of the latest row.  Those that are there already are none of the user's.
	$a->{carried} = [];
	for my $column (grep { $_ && !$plain && !$m->{simple} && chance(0.25) } $a->{tie}, $a->{at})
	{
		my $role = "$l.carried$number" . ($column eq $a->{at} ? 'at' : 'tie');
		$m->{name}{$role} = new_name('carried');
		push @{ $a->{carried} }, [ $column, $role ];
	}
	push @{ $m->{attachments} }, $a;
	return if $plain;
	my $later = chance(0.2);
	run(attach_call($a, no_backfill => $later), [], 'attach');
	run(refresh_call($a)) if $later;
}

sub refresh_call
{
	my ($a) = @_;
	return resolve("CALL listing_stats.refresh(" . literal(resolve("{$a->{l}}")) . ', ' . literal(resolve("{$a->{p}}")) . ', ' . pick(1, 3, 1000) . ')');
}

# The columns that are wrong, as text; no row where all is right.
sub comparison
{
	my ($a) = @_;
	my $known = $a->{null_value} eq 'skip' ? "AND p.{$a->{value}} IS NOT NULL" : '';
	my $order = "ORDER BY p.{$a->{at}} DESC NULLS LAST, p.{$a->{tie}} DESC NULLS LAST LIMIT 1";
	my $of = "FROM {$a->{p}} p WHERE p.{$a->{key}} = l.{$a->{lkey}}";
	my %expected = (last_price => 'last.v', last_price_at => 'last.t', previous_price => 'previous.v', lowest_price => 'every.low', highest_price => 'every.high', price_count => 'every.n');
	my @kept = grep { $a->{target}{$_} } @targets;
	my $stored = 'ROW(' . join(', ', map { "l.{$_}" } map({ $a->{target}{$_} } @kept), map { $_->[1] } @{ $a->{carried} }) . ')';
	my $right = 'ROW(' . join(', ', map({ $expected{$_} } @kept), map { $_->[0] eq $a->{at} ? 'last.t' : 'last.tie' } @{ $a->{carried} }) . ')';
	return resolve("SELECT format('%s of %s: %s instead of %s', '@kept', l.{$a->{lkey}}, $stored, $right) FROM {$a->{l}} l
		LEFT JOIN LATERAL (SELECT p.{$a->{value}} AS v, p.{$a->{at}} AS t, p.{$a->{tie}} AS tie $of $known $order) last ON true
		LEFT JOIN LATERAL (SELECT p.{$a->{value}} AS v $of AND p.{$a->{value}} IS NOT NULL AND p.{$a->{value}} IS DISTINCT FROM last.v $order) previous ON true
		LEFT JOIN LATERAL (SELECT min(p.{$a->{value}}) AS low, max(p.{$a->{value}}) AS high, count(p.{$a->{value}}) AS n $of) every ON true
		WHERE l.{$a->{lkey}} IS NOT NULL AND $stored IS DISTINCT FROM $right") =~ s/\s+/ /gr;
}

sub verification
{
	my ($a) = @_;
	return resolve('SELECT * FROM listing_stats.verify(' . literal(resolve("{$a->{l}}")) . ', ' . literal(resolve("{$a->{p}}")) . ')');
}

# What is asked of an attachment's prices: the type of the key, some keys, an expression of the price as numeric, and which rows count.
sub question
{
	my ($a, $most) = @_;
	my ($type) = map { $_->{type} } $a->{key_column} // $m->{table}{ $a->{p} }{ $a->{key} =~ s/.*\.//r };
	my $has_time = $a->{at_type} !~ /int|numeric/;
	my $as_of = $has_time && chance(0.5)
		? (chance(0.1) ? pick("'infinity'", "'-infinity'", "'2100-01-01'") : literal(time_text('timestamptz', between(-2, $m->{big} ? pick(14, 400) : 14)))) . '::timestamptz' : undef;
	my @where = $a->{null_value} eq 'skip' ? "p.{$a->{value}} IS NOT NULL" : ();
	return {
		ask => $key_types{$type}{ask}, type => $key_types{$type}{type} // $type, has_time => $has_time, as_of => $as_of,
		keys => [ map { literal(key_text($type, any_key())) } 1 .. between(0, $most) ],
		numeric => $a->{value_type} eq 'double precision' ? "p.{$a->{value}}::text::numeric" : "p.{$a->{value}}::numeric",
		known => \@where, until => $as_of ? "p.{$a->{at}} <= ($as_of)::$a->{at_type}" : 'true',
		newest => "p.{$a->{at}} DESC NULLS LAST, p.{$a->{tie}} DESC NULLS LAST" };
}

# What a reading function gives and plain SQL does not, or the other way round; no row where they agree.
sub reading
{
	my ($a) = @_;
	return (chance(0.6) ? reading_of_many($a) : reading_of_each($a)) =~ s/\s+/ /gr;
}

sub reading_of_many
{
	my ($a) = @_;
	my $q = question($a, pick(3, 15, 50));
	my @keys = chance(0.6) ? @{ $q->{keys} } : ();
	push @keys, 'NULL' if @keys && chance(0.2);
	my $keys = @keys ? 'ARRAY[' . join(', ', @keys) . "]::$q->{ask}\[]" : $q->{ask} eq 'bigint' && chance(0.5) ? undef : "NULL::$q->{ask}\[]";
	my @arguments = (literal(resolve("{$a->{p}}")), $keys // ());
	push @arguments, "as_of => $q->{as_of}" if $q->{as_of};
	push @arguments, 'key => ' . literal($m->{name}{ $a->{key} }) if $m->{several}{ $a->{p} } || chance(0.3);
	my $arguments = join ', ', @arguments;
	my $where = join ' AND ', "p.{$a->{key}} IS NOT NULL", @{ $q->{known} }, $q->{until}, @keys ? "p.{$a->{key}} IN (" . join(', ', map { "$_\::$q->{type}" } @keys) . ')' : ();
	my $time = $q->{has_time} ? "p.{$a->{at}}::timestamptz" : 'NULL::timestamptz';
	return resolve("WITH got AS MATERIALIZED (SELECT key::$q->{type} AS key, at, value FROM listing_stats.latest_prices($arguments)),
		want AS MATERIALIZED (SELECT DISTINCT ON (p.{$a->{key}}) p.{$a->{key}}::$q->{type} AS key, $time AS at, $q->{numeric} AS value FROM {$a->{p}} p WHERE $where ORDER BY p.{$a->{key}}, $q->{newest})
		(SELECT 'got', * FROM (TABLE got EXCEPT ALL TABLE want) d) UNION ALL (SELECT 'not got', * FROM (TABLE want EXCEPT ALL TABLE got) d)");
}

# Key by key: a price, or all of them.
sub reading_of_each
{
	my ($a) = @_;
	my $q = question($a, 5);
	my $column = $m->{several}{ $a->{p} } || chance(0.3) ? ', key_column => ' . literal($m->{name}{ $a->{key} }) : '';
	my $call = literal(resolve("{$a->{p}}")) . ", k.key::$q->{ask}";
	my $keys = '(VALUES ' . join(', ', map { "($_\::$q->{type})" } 'NULL', @{ $q->{keys} }) . ') k (key)';
	my ($got, $want);
	my $rows = sub { return "FROM {$a->{p}} p WHERE " . join(' AND ', "p.{$a->{key}} = k.key", @_) };
	my $what = rand;
	if ($what < 0.5)
	{
		$got = "listing_stats.latest_price($call" . ($q->{as_of} ? ", as_of => $q->{as_of}" : '') . "$column)";
		$want = "(SELECT $q->{numeric} " . $rows->(@{ $q->{known} }, $q->{until}) . " ORDER BY $q->{newest} LIMIT 1)";
	}
	elsif ($what < 0.8 || !$q->{has_time})
	{
		my $limit = pick('NULL', between(0, 5), 100);
		$got = "listing_stats.price_history_json($call, $limit$column)::jsonb";
		$want = "(SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM (SELECT p.{$a->{at}}, p.{$a->{value}} " . $rows->() . " ORDER BY $q->{newest} LIMIT $limit) r)";
	}
	else
	{
		# Of one time the price in force.
		$got = "listing_stats.read_price_history($call$column)::jsonb";
		$want = "(SELECT coalesce(jsonb_agg(jsonb_build_object('at', r.at, 'value', r.value)), '[]') FROM (SELECT DISTINCT ON (p.{$a->{at}}) p.{$a->{at}}::timestamptz AS at, $q->{numeric} AS value "
			. $rows->(@{ $q->{known} }, "p.{$a->{at}} IS NOT NULL") . " ORDER BY $q->{newest}) r)";
	}
	return resolve("SELECT k.key, $got, $want FROM $keys WHERE $got IS DISTINCT FROM $want");
}

my %done;  # how often what was done

sub check
{
	my (%all) = @_;
	return if $plain;
	for my $a (@{ $m->{attachments} })
	{
		++$done{comparisons};
		if ($all{all} || chance(0.1))
		{
			# Whatever the indexes say.
			run("SET enable_indexscan = off;\nSET enable_indexonlyscan = off;\nSET enable_bitmapscan = off");
			run(comparison($a), [], 'difference');
			run("RESET enable_indexscan;\nRESET enable_indexonlyscan;\nRESET enable_bitmapscan");
		}
		else
		{
			run(comparison($a), [], 'difference');
		}
		run(verification($a), [], 'verify') if $all{all} || chance(0.4);
		for (1 .. ($all{all} || $m->{reading} ? 3 : chance(0.4) ? 1 : 0))
		{
			++$done{readings};
			run(reading($a), [], 'reading');
		}
	}
}

# ---------------------------------------------------------------------------------------------------------------------
# Statements.  What each may be refused with beside what any change of rows may.

# unique, foreign key, not null, check, raised by a trigger of the user's, a row twice
my @refusals = qw(23505 23503 23502 23514 P0001 21000);

sub refusals
{
	my @codes = @refusals;
	push @codes, '23001' if $version >= 18;
	push @codes, '428C9' if grep { $_->{guard} eq 'error' } @{ $m->{attachments} };
	# A row that a BEFORE trigger has changed may be one for another partition, or be gone.
	push @codes, '0A000' if $m->{before_triggers};
	# A row is changed by what a BEFORE trigger of it sets off, or our write of a listing by one.  A price that is logged is neither.
	push @codes, '27000' if $m->{before_changes} || $m->{before_actions}{p} && ($m->{changes_rows}{p} || $m->{changes_rows}{l}) || $m->{before_actions}{l} && $m->{changes_rows}{l};
	return @codes;
}

sub insert_prices
{
	my ($p) = @_;
	my @roles = price_roles($p);
	my $target = part_of($p);
	my $into = "INSERT INTO {$target} (" . columns($p, @roles) . ')';
	my $t = $m->{table}{$p};
	if (chance($m->{simple} ? 0.5 : 0.25))
	{
		my $count = pick(3, 12, 30, $m->{big} ? between(300, 1200) : 40);
		my $at = time_expression($t->{at}{type}, $m->{big} && chance(0.7) ? 'i * 7 % 400' : 'i % ' . between(2, 14));
		$at = 'CASE WHEN i % ' . pick(1, 2, 7, 50) . " <> 0 THEN $at END" if !$t->{at}{not_null} && chance($m->{reading} ? 0.5 : 0.15);
		my %expression = (
			key => key_expression($t->{key}{type}, chance(0.5) ? "i % $m->{keys} + 1" : any_key()), at => $at,
			value => "nullif(i % 7, " . ($t->{value}{not_null} ? 9 : between(0, 6)) . ')');
		$expression{key2} = key_expression($t->{key2}{type}, "i % $m->{keys} + 1") if $t->{key2};
		return "$into SELECT " . join(', ', map { $expression{$_} } @roles) . " FROM generate_series(1, $count) i";
	}
	my $values = join ', ', map { '(' . price_row($p, @roles) . ')' } 1 .. (chance(0.5) ? 1 : between(2, 6));
	return "$into VALUES $values";
}

# Rows with a number of their own, where that is known to be the only one.
sub upsert_prices
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	return insert_prices($p) if !@{ $t->{primary} } || $t->{kind} eq 'inherited' || $t->{id}{type} eq 'text';
	my @roles = ('id', price_roles($p));
	my $values = join ', ', map { '(' . price_row($p, @roles) . ')' } 1 .. pick(1, 1, 2, 4);
	my $set = join ', ', map { "{$p.$_} = " . pick("excluded.{$p.$_}", "excluded.{$p.$_}", "{$p}.{$p.$_}") } grep { $_ ne 'id' && !($t->{kind} !~ /plain/ && /^(key|at)$/) } @roles;
	my $what = chance(0.3) ? 'NOTHING' : "UPDATE SET $set" . (chance(0.2) ? " WHERE {$p}.{$p.value} IS NOT NULL" : '');
	return "INSERT INTO {$p} (" . columns($p, @roles) . ") VALUES $values ON CONFLICT (" . columns($p, @{ $t->{primary} }) . ") DO $what";
}

sub where_prices
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	my $key = "{$p}.{$p.key}";
	my $one = key_sql($t->{key}{type}, any_key());
	my $newest = "(SELECT q.{$p.id} FROM {$p} q WHERE q.{$p.key} = $one ORDER BY q.{$p.at} DESC NULLS LAST, q.{$p.$t->{tie}} DESC LIMIT 1)";
	return pick('true', some_rows($p), some_rows($p), "{$p}.{$p.at} < " . time_sql($t->{at}{type}, between(5, 300))) if $m->{simple} && chance(0.4);
	return pick("$key = $one", "$key = $one", "{$p}.{$p.id} = $newest", "{$p}.{$p.id} = $newest", some_rows($p), some_rows($p),
		"{$p}.{$p.at} " . pick('<', '>=', '=') . ' ' . time_sql($t->{at}{type}, between(0, 12)), "$key IS NULL", "{$p}.{$p.value} IS NULL", 'true');
}

sub update_prices
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	my @set;
	push @set, "{$p.value} = " . pick(price_value($p), price_value($p), "{$p.value}", "{$p}.{$p.value} + 1", ($t->{value}{not_null} ? () : "nullif({$p}.{$p.value}, 2)")) if chance(0.5);
	push @set, "{$p.at} = " . price_time($p) if chance(0.3);
	push @set, "{$p.key} = " . price_key($p, 'key') if chance(0.25);
	push @set, "{$p.key2} = " . price_key($p, 'key2') if $t->{key2} && chance(0.3);
	push @set, "{$p.$t->{tie}} = " . ($t->{$t->{tie}} && $t->{ $t->{tie} }{type} eq 'text' ? q{lpad(nextval('numbers')::text, 6, '0')} : q{nextval('numbers')}) if chance(0.1);
	push @set, "{$p.note} = 'x'" if !@set || chance(0.1);
	my $where = where_prices($p);
	# 32767 would be passed some day.
	@set = map { s/ \+ 1$/ - 1/r } @set if chance(0.5);
	return 'UPDATE ' . target($p) . ' SET ' . join(', ', @set) . " WHERE $where";
}

sub delete_prices { my ($p) = @_; return 'DELETE FROM ' . target($p) . ' WHERE ' . where_prices($p) }

sub merge_prices
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	my %type = map { $_ => $_ =~ /^key/ ? $key_types{ $t->{$_}{type} }{type} // $t->{$_}{type} : $t->{$_}{type} } 'key', 'at', 'value', $t->{key2} ? 'key2' : ();
	my @roles = sort keys %type;
	my $source = join ', ', map { '(' . join(', ', map { ($_ =~ /^key/ ? price_key($p, $_) : $_ eq 'at' ? price_time($p) : price_value($p)) . "::$type{$_}" } @roles) . ')' } 1 .. between(1, 4);
	my $update = 'UPDATE SET ' . pick("{$p.value} = s.value", "{$p.value} = s.value, {$p.at} = s.at", "{$p.note} = 'merged'", "{$p.key} = s.key");
	my @when = ("WHEN MATCHED AND s.value > " . between(0, 5) . " THEN " . pick($update, 'DELETE', 'DO NOTHING'), 'WHEN MATCHED THEN ' . pick($update, 'DELETE'),
		'WHEN NOT MATCHED THEN ' . pick('DO NOTHING', ("INSERT (" . columns($p, @roles) . ') VALUES (' . join(', ', map { "s.$_" } @roles) . ')') x 3));
	return 'MERGE INTO ' . target($p) . " USING (VALUES $source) AS s (" . join(', ', @roles) . ") ON {$p}.{$p.key} = s.key AND {$p}.{$p.at} " . pick('=', '<', '>') . " s.at @when[0..2]";
}

sub copy_prices
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	my @roles = ('key', 'at', 'value');
	my $lines = join '', map {
		my %text = (key => key_text($t->{key}{type}, $t->{key}{fk}{immediate} ? between(1, $m->{keys}) : any_key()), at => time_text($t->{at}{type}, between(0, 12)), value => value_text($t->{value}{type}));
		join(',', @text{@roles}) . '\\n'
	} 1 .. between(1, 15);
	return 'COPY {' . part_of($p) . '} (' . columns($p, @roles) . ") FROM PROGRAM 'printf \"$lines\"' (FORMAT csv)";
}

sub with_prices
{
	my ($p) = @_;
	my @roles = ('key', ($m->{table}{$p}{key2} ? 'key2' : ()), 'at', 'value');
	return "WITH gone AS (DELETE FROM {$p} WHERE " . where_prices($p) . ' RETURNING *) INSERT INTO ' . "{$p} (" . columns($p, @roles) . ') SELECT ' . columns($p, @roles) . ' FROM gone'
		if chance(0.5);
	my $set = chance(0.5) ? "{$p.value} = NULL" : "{$p.note} = 'w'";
	$set = "{$p.note} = 'w'" if $m->{table}{$p}{value}{not_null};
	my $l = $m->{table}{$p}{key}{l};
	return "WITH a AS (" . insert_prices($p) . "), b AS (UPDATE {$p} SET $set WHERE " . some_rows($p) . ") " . pick(update_listings($l), delete_prices($p), insert_listings($l));
}

# A function's work in a subtransaction for each row, with errors that it catches.
sub block_of_prices
{
	my ($p) = @_;
	my @roles = price_roles($p);
	my $statement = pick(insert_prices($p), update_prices($p), delete_prices($p), insert_listings($m->{table}{$p}{key}{l}), update_listings($m->{table}{$p}{key}{l}));
	my $then = pick('PERFORM 1 / 0;', 'NULL;', 'PERFORM 1 / (round % 2);', "RAISE division_by_zero;");
	return "DO \$do\$ BEGIN FOR round IN 1.." . between(1, 3) . " LOOP BEGIN $statement; $then EXCEPTION WHEN " . caught() . " THEN NULL; END; END LOOP; END \$do\$";
}

# Internal errors are not among them.
sub caught
{
	return 'division_by_zero OR integrity_constraint_violation OR raise_exception OR cardinality_violation' . (grep({ $_->{guard} eq 'error' } @{ $m->{attachments} }) ? ' OR generated_always' : '');
}

sub prepared_prices
{
	my ($p) = @_;
	my $name = 's' . ++$m->{prepared};
	my $statement = pick(insert_prices($p), update_prices($p), delete_prices($p));
	return if try_to("PREPARE $name AS $statement");
	for (1 .. between(1, 7))
	{
		return if try_to("EXECUTE $name", [refusals()]) && $m->{transaction};
		check();
	}
}

# Key numbers that a listing may get: those of the first ones, and a few more.
sub listing_row
{
	my ($l, @roles) = @_;
	my $t = $m->{table}{$l};
	return join ', ', map {
		$_ eq 'key' ? ($t->{nullable} && chance(0.2) ? 'NULL' : key_sql($t->{key}{type}, between(1, $m->{keys} + 3))) : $_ eq 'note' ? pick("'a'", 'NULL') : $_ eq 'grp' ? between(1, 3) : $_ eq 'n' ? between(0, 3) : kept_value($l, $_)
	} @roles;
}

# What an application may write to a kept column.
sub kept_value
{
	my ($l, $role) = @_;
	for my $a (@{ $m->{attachments} })
	{
		for my $target (grep { $a->{l} eq $l && "$l.$role" eq $a->{target}{$_} } sort keys %{ $a->{target} })
		{
			return 'NULL' if chance(0.3);
			return $target eq 'last_price_at' ? time_sql($a->{at_type}, between(0, 12)) : $target eq 'price_count' ? between(0, 9) : $a->{value_type} =~ /smallint/ ? between(0, 9) : value_sql($a->{value_type});
		}
	}
	return 'NULL';
}

# The kept columns that may be written: not where that would stay.
sub kept_roles
{
	my ($l, $insert) = @_;
	return map { s/^\w+\.//r } map { my $a = $_; map { $a->{target}{$_} } sort keys %{ $a->{target} } } grep { $_->{l} eq $l && ($insert || $_->{guard} ne 'off') } @{ $m->{attachments} };
}

sub insert_listings
{
	my ($l) = @_;
	my @kept = kept_roles($l, 1);
	my @roles = ('key', 'grp', (chance(0.3) ? 'note' : ()), (@kept && chance(0.3) ? pick(@kept) : ()));
	my $conflict = chance(0.5) ? ' ON CONFLICT ' . pick('DO NOTHING', "({$l.key}) DO NOTHING", "({$l.key}) DO UPDATE SET {$l.n} = {$l}.{$l.n} + 1", "({$l.key}) DO UPDATE SET {$l.note} = 'again'") : '';
	if (chance(0.2) && $m->{table}{$l}{key}{type} ne 'kind')
	{
		my ($from) = between(1, 3);
		return "INSERT INTO {$l} ({$l.key}, {$l.grp}) SELECT " . key_expression($m->{table}{$l}{key}{type}, 'i') . ", i % 3 FROM generate_series($from, " . ($m->{keys} + between(0, 3)) . ') i ON CONFLICT DO NOTHING';
	}
	return "INSERT INTO {$l} (" . columns($l, @roles) . ') VALUES ' . join(', ', map { '(' . listing_row($l, @roles) . ')' } 1 .. pick(1, 1, 2, 3)) . $conflict;
}

sub where_listings
{
	my ($l) = @_;
	my $type = $m->{table}{$l}{key}{type};
	my $one = key_sql($type, any_key());
	return pick(("{$l}.{$l.key} = $one") x 3, "{$l}.{$l.key} IN (" . join(', ', map { key_sql($type, any_key()) } 1 .. 3) . ')', "{$l}.{$l.grp} = " . between(0, 2), 'true');
}

sub update_listings
{
	my ($l) = @_;
	my @kept = kept_roles($l);
	my $t = $m->{table}{$l};
	my @set;
	push @set, "{$l.note} = " . pick("'b'", 'NULL') if chance(0.3);
	push @set, "{$l.n} = {$l}.{$l.n} + 1" if chance(0.3);
	push @set, "{$l.grp} = " . between(0, 2) if chance(0.2);
	push @set, "{$l.$_} = " . pick(kept_value($l, $_), kept_value($l, $_), "{$l}.{$l.$_}") for @kept && chance(0.35) ? (chance(0.3) ? @kept : pick(@kept)) : ();
	my $where = where_listings($l);
	if (chance(0.2))
	{
		push @set, "{$l.key} = " . ($t->{nullable} && chance(0.3) ? 'NULL' : key_sql($t->{key}{type}, between(1, $m->{keys} + 3)));
		$where = "{$l}.{$l.key} = " . key_sql($t->{key}{type}, any_key());
	}
	push @set, "{$l.n} = 0" if !@set;
	return 'UPDATE ' . target($l) . ' SET ' . join(', ', @set) . " WHERE $where";
}

sub delete_listings { my ($l) = @_; return 'DELETE FROM ' . target($l) . ' WHERE ' . where_listings($l) }

sub merge_listings
{
	my ($l) = @_;
	my $type = $key_types{ $m->{table}{$l}{key}{type} }{type} // $m->{table}{$l}{key}{type};
	my @kept = kept_roles($l);
	my $source = join ', ', map { '(' . key_sql($m->{table}{$l}{key}{type}, any_key()) . "::$type)" } 1 .. 3;
	my $set = @kept && chance(0.4) ? do { my $role = pick(@kept); "{$l.$role} = " . kept_value($l, $role) } : "{$l.n} = {$l}.{$l.n} + 1";
	return 'MERGE INTO ' . target($l) . " USING (VALUES $source) AS s (key) ON {$l}.{$l.key} = s.key WHEN MATCHED AND {$l}.{$l.grp} = 1 THEN " . pick('DELETE', 'DO NOTHING')
		. " WHEN MATCHED THEN UPDATE SET $set WHEN NOT MATCHED THEN INSERT ({$l.key}, {$l.grp}) VALUES (s.key, 2)";
}

# ---------------------------------------------------------------------------------------------------------------------
# Triggers of the user's

# What one of them may do to other rows.
sub action
{
	my ($t) = @_;
	my $p = pick(tables_of('p'));
	my $l = pick(tables_of('l'));
	my $table = $m->{table}{$p};
	my @actions = (
		"INSERT INTO {$p} (" . columns($p, 'key', ($table->{key2} ? 'key2' : ()), 'at', 'value') . ') VALUES (' . price_row($p, 'key', ($table->{key2} ? 'key2' : ()), 'at', 'value') . ')',
		"UPDATE {$p} SET {$p.value} = " . price_value($p) . " WHERE {$p.key} = " . key_sql($table->{key}{type}, any_key()),
		"DELETE FROM {$p} WHERE {$p.id} = (SELECT min(q.{$p.id}) FROM {$p} q WHERE q.{$p.key} = " . key_sql($table->{key}{type}, any_key()) . ')',
		"UPDATE {$l} SET {$l.n} = {$l}.{$l.n} + 1 WHERE " . where_listings($l),
		update_listings($l), delete_prices($p), insert_prices($p),
		"INSERT INTO {$l} ({$l.key}) VALUES (" . key_sql($m->{table}{$l}{key}{type}, any_key()) . ') ON CONFLICT DO NOTHING');
	# A price of the very listing, or of the price's.
	my $own = $t eq $l ? "{$l.key}" : $t eq $p ? "{$p.key}" : '';
	push @actions, ("INSERT INTO {$p} ({$p.key}, {$p.at}, {$p.value}) SELECT NEW.$own, " . price_time($p) . ', ' . price_value($p) . " WHERE NEW.$own IS NOT NULL") x 3
		if $own && ($t eq $p || $table->{key}{l} eq $t);
	# What an application may write, in the middle of a write of ours.
	if (my @kept = kept_roles($l))
	{
		my $role = pick(@kept);
		push @actions, ("UPDATE {$l} SET {$l.$role} = " . kept_value($l, $role) . ($t eq $l ? " WHERE {$l.key} > NEW.{$l.key}" : '')) x 2;
	}
	my $action = pick(@actions);
	return $action . ';' if chance(0.5);
	return "BEGIN $action; " . pick('NULL;', 'PERFORM 1 / 0;', 'PERFORM 1 / 0;', "RAISE division_by_zero;") . ' EXCEPTION WHEN ' . caught() . ' THEN ' . pick('NULL;', action_simple($p)) . ' END;';
}

sub action_simple
{
	my ($p) = @_;
	my $l = $m->{table}{$p}{key}{l};
	return pick("UPDATE {$l} SET {$l.n} = {$l}.{$l.n} + 1 WHERE {$l.key} = " . key_sql($m->{table}{$l}{key}{type}, any_key()) . ';', "DELETE FROM {$p} WHERE {$p.value} IS NULL;");
}

sub add_trigger
{
	my $number = ++$m->{trigger_number};
	my $t = chance(0.5) ? pick(tables_of('p')) : pick(tables_of('l'));
	my $kind = pick(qw(after after after statement before before deferred deferred));
	my $name = pick('A', 'z') . $number;
	my $most = between(1, 3);
	my $body;
	my $events = pick('INSERT', 'UPDATE', 'DELETE', 'INSERT OR UPDATE', 'INSERT OR UPDATE OR DELETE', 'INSERT OR DELETE');
	if ($kind eq 'before')
	{
		my @bodies = ("IF TG_OP <> 'DELETE' THEN NEW.{$t.note} := 'before'; END IF;");
		if ($t =~ /^p/)
		{
			push @bodies, "IF TG_OP <> 'DELETE' THEN NEW.{$t.value} := " . price_value($t) . '; END IF;', "IF TG_OP = 'INSERT' AND NEW.{$t.value} = 3 THEN RETURN NULL; END IF;";
		}
		else
		{
			push @bodies, "IF TG_OP = 'INSERT' THEN NEW.{$t.n} := 7; END IF;", "IF TG_OP = 'UPDATE' AND NEW.{$t.n} = 2 THEN NEW.{$t.key} := " . key_sql($m->{table}{$t}{key}{type}, any_key()) . '; END IF;';
			# Ours is then refused, but where the guard is off.
			my @heads = grep { /^\Q$t\E\.(last|previous)/ } map { values %{ $_->{target} } } grep { $_->{l} eq $t && $_->{guard} ne 'off' } @{ $m->{attachments} };
			push @bodies, "IF TG_OP = 'UPDATE' AND NEW.{$t.n} = 1 THEN NEW.{" . pick(sort @heads) . '} := NULL; END IF;' if @heads && !grep { $_->{guard} eq 'off' } @{ $m->{attachments} };
		}
		$body = pick(@bodies);
		$m->{before_changes} = 1 if $body =~ /:= NULL|\{\Q$t\E\.key\}/;
		$m->{before_triggers} = 1;
		if (chance(0.5))
		{
			$body .= ' ' . action($t);
			$m->{before_actions}{ substr $t, 0, 1 } = 1;
		}
	}
	else
	{
		$body = join ' ', map { action($t) } 1 .. pick(1, 1, 2);
		$body = "IF NEW.{$t.note} = 'a' THEN RAISE 'no'; END IF; $body" if chance(0.1);
		# Such a row of a statement has no NEW
		$body =~ s/NEW\.(\{[\w.]+\})/(SELECT f.$1 FROM fresh f ORDER BY 1 LIMIT 1)/g if $kind eq 'statement';
		$events = 'INSERT' if $kind eq 'statement';
	}
	$m->{catches} = 1 if $body =~ /EXCEPTION/;
	$m->{changes_rows}{$_} = 1 for $body =~ /(?:UPDATE|DELETE FROM) \{([lp])/g;
	my $return = $kind eq 'before' ? "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW;" : 'RETURN NULL;';
	my $trigger = {
		number => $number, t => $t,
		function => "CREATE OR REPLACE FUNCTION f$number() RETURNS trigger LANGUAGE plpgsql AS \$f\$ BEGIN IF pg_trigger_depth() > $most OR no_more() THEN $return END IF; $body $return END \$f\$",
		create => $kind eq 'deferred' ? "CREATE CONSTRAINT TRIGGER \"$name\" AFTER $events ON {$t} DEFERRABLE INITIALLY " . pick('DEFERRED', 'DEFERRED', 'IMMEDIATE') . " FOR EACH ROW EXECUTE FUNCTION f$number()"
			: $kind eq 'statement' ? "CREATE TRIGGER \"$name\" AFTER INSERT ON {$t} REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION f$number()"
			: "CREATE TRIGGER \"$name\" \U$kind\E $events ON {$t} FOR EACH ROW EXECUTE FUNCTION f$number()",
		drop => "DROP TRIGGER \"$name\" ON {$t}" };
	run(resolve($trigger->{function}));
	run(resolve($trigger->{create}), ['55006']) or push @{ $m->{triggers} }, $trigger;
}

# Whether one of them names this, which then cannot go.
sub in_triggers { my ($role) = @_; return grep { $_->{function} =~ /\{\Q$role\E\}/ } @{ $m->{triggers} } }

# Their functions have names in them.
sub rename_in_triggers { run(resolve($_->{function})) for @{ $m->{triggers} } }

# ---------------------------------------------------------------------------------------------------------------------
# Transactions

sub begin
{
	$m->{before} = dclone({ %$m, before => undef });
	$m->{savepoints} = [];
	$m->{transaction} = 'open';
	run('BEGIN' . pick('', '', '', ' ISOLATION LEVEL REPEATABLE READ', ' ISOLATION LEVEL SERIALIZABLE'));
}

sub forget_transaction
{
	my ($back) = @_;
	my $kept = $m;
	$m = $kept->{before} if $back;
	# Sequences and names go on.
	$m->{prepared} = $kept->{prepared};
	$m->{trigger_number} = $kept->{trigger_number};
	delete @$m{qw(before savepoints cursor)};
	$m->{transaction} = '';
}

sub end_transaction
{
	my ($how) = @_;
	# PostgreSQL's own assertion does not know of an error that is caught when a transaction commits.
	if ($how ne 'ROLLBACK' && $asserts && $m->{catches} && $m->{transaction} eq 'open')
	{
		my $code = run('SET CONSTRAINTS ALL IMMEDIATE', [refusals()]);
		$m->{transaction} = 'failed' if $code;
		check() unless $code;
		$how = 'ROLLBACK' if $asserts && !$code && !$plain && chance(0.2);
	}
	my $failed = $m->{transaction} eq 'failed';
	if ($how eq 'PREPARE')
	{
		my $locked = $m->{ddl};
		# Whoever is it then has to end it.
		as_owner() if !$failed;
		my $code = run("PREPARE TRANSACTION 'p'", [ refusals(), '0A000' ]);
		$failed ||= $code;
		my $end = pick('COMMIT', 'COMMIT', 'ROLLBACK');
		unless ($failed)
		{
			my $now = $m;
			$m = $now->{before};
			$m->{transaction} = '';
			check() unless $locked;
			$m = $now;
			if (chance(0.3))
			{
				run('\\connect -');
				run("SET search_path = $m->{schema}, public");
				$m->{role} = '';
			}
			run("$end PREPARED 'p'");
			$failed = $end eq 'ROLLBACK';
		}
		my $role = $m->{role};
		forget_transaction($failed);
		$m->{role} = $role unless $failed;
	}
	else
	{
		my $code = run($how, $how =~ /^COMMIT/ ? [refusals()] : []);
		forget_transaction($how eq 'ROLLBACK' || $failed || $code);
	}
	$m->{ddl} = 0;
	if ($m->{role_unknown})
	{
		run('RESET ROLE');
		$m->{role} = '';
		delete $m->{role_unknown};
	}
}

sub savepoint
{
	my $name = pick(qw(a b c));
	run("SAVEPOINT $name");
	push @{ $m->{savepoints} }, { name => $name, model => dclone({ %$m, before => undef, savepoints => undef }) };
}

sub back_to_savepoint
{
	my $i = int rand @{ $m->{savepoints} };
	my $name = $m->{savepoints}[$i]{name};
	# The last one of the name.
	($i) = grep { $m->{savepoints}[$_]{name} eq $name } reverse 0 .. $#{ $m->{savepoints} };
	my @savepoints = @{ $m->{savepoints} }[ 0 .. $i ];
	run("ROLLBACK TO $name");
	my ($before, $prepared, $number) = @$m{qw(before prepared trigger_number)};
	$m = dclone($savepoints[-1]{model});
	@$m{qw(before prepared trigger_number savepoints transaction)} = ($before, $prepared, $number, \@savepoints, 'open');
}

sub release_savepoint
{
	my $name = pick(@{ $m->{savepoints} })->{name};
	my ($i) = grep { $m->{savepoints}[$_]{name} eq $name } reverse 0 .. $#{ $m->{savepoints} };
	run("RELEASE $name");
	splice @{ $m->{savepoints} }, $i;
}

# Runs a statement that may be refused; what it changes of the model is done if it was not.
sub try_to
{
	my ($template, $allowed, $then) = @_;
	++$done{statements};
	my $code = run(resolve($template), $allowed);
	$m->{transaction} = 'failed' if $code && $m->{transaction};
	$then->() if $then && !$code;
	return $code;
}

# ---------------------------------------------------------------------------------------------------------------------
# DDL, and what else is no change of rows

# pending events or an open cursor; what depends on it; what is not for it
my @ddl_refusals = qw(55006 2BP01 0A000);

sub ddl
{
	my ($template, $then, @more) = @_;
	$m->{ddl} = 1;
	return try_to($template, [ @ddl_refusals, @more ], $then);
}

sub as_owner
{
	return if !$m->{role};
	run('RESET ROLE');
	$m->{role} = '';
}

sub rename_something
{
	my $t = pick(tables_of('p'), tables_of('l'));
	my @roles = grep { /^\Q$t\E\./ && $_ !~ /\.(key2|seq)$/ } sort keys %{ $m->{name} };
	push @roles, "$t.key2" if $m->{table}{$t}{key2};
	@roles = grep { my $role = $_; $role =~ /\.(key|key2|at|value|note|n|grp|id)$/ || grep { my $a = $_; grep { $_ eq $role } values %{ $a->{target} } } @{ $m->{attachments} } } @roles;
	if (chance(0.3))
	{
		my $name = new_name('table');
		ddl("ALTER TABLE {$t} RENAME TO " . identifier($name), sub { $m->{name}{$t} = $name; rename_in_triggers() });
		return;
	}
	my $role = pick(@roles);
	my $name = new_name('column');
	ddl("ALTER TABLE {$t} RENAME {$role} TO " . identifier($name), sub { $m->{name}{$role} = $name; rename_in_triggers() });
}

sub alter_type
{
	my $p = pick(tables_of('p'));
	my $t = $m->{table}{$p};
	# A wider kept column first, then that of prices.
	my %wider = ('numeric(10,2)' => 'numeric(14,4)', smallint => 'integer', integer => 'bigint');
	my $wider = $wider{ $t->{value}{type} };
	my @kept = map { my $a = $_; map { [ $a, $a->{target}{$_} ] } grep { $_ !~ /count|_at$/ } sort keys %{ $a->{target} } } grep { $_->{p} eq $p } @{ $m->{attachments} };
	if ($wider && chance(0.5) && !grep { $_->{value_is_kept} } @{ $m->{attachments} })
	{
		for my $kept (@kept)
		{
			return if ddl("ALTER TABLE {$kept->[0]{l}} ALTER {$kept->[1]} TYPE " . ($wider =~ /numeric/ ? 'numeric' : $wider eq 'bigint' ? 'bigint' : pick('integer', 'bigint')), undef, '22003');
		}
		ddl("ALTER TABLE {$p} ALTER {$p.value} TYPE $wider", sub {
			$t->{value}{type} = $wider;
			$_->{value_type} = $wider for grep { $_->{p} eq $p } @{ $m->{attachments} };
			rename_in_triggers();
		});
		return;
	}
	my $key = $t->{key};
	my $new = $key_types{ $key->{type} }{alters};
	return unless $new && $t->{kind} !~ /list|hash_key|two_levels/;
	# Its foreign key is checked, which may have been put off.
	ddl("ALTER TABLE {$p} ALTER {$p.key} TYPE $new", sub { $key->{type} = $new; rename_in_triggers() }, '23503');
}

# The options of an attachment, said once more.
sub attach_again
{
	my $a = pick(@{ $m->{attachments} });
	return if $a->{fixed};
	my $new = dclone($a);
	$new->{null_value} = pick('keep', 'skip');
	# Not 'off': triggers that are there may write what would then stay.
	$new->{guard} = pick('keep', 'error');
	my @none;
	if (chance(0.5))
	{
		my @kept = sort keys %{ $new->{target} };
		push @none, pick(@kept) if @kept > 1;
		delete $new->{target}{ $none[0] } if @none;
	}
	elsif (my @others = grep { !$new->{target}{$_} } @targets)
	{
		my $target = pick(@others);
		my $role = "$a->{l}.${target}_" . ++$name_number;
		$m->{name}{$role} = new_name($target =~ s/_.*//r);
		$new->{target}{$target} = $role;
	}
	$new->{name_key} = 1;
	$m->{ddl} = 1;
	try_to(attach_call($new, options => 1, map { $_ => 1 } @none), [ refusals(), qw(55006 428C9) ], sub { %$a = %$new });
}

sub detach_and_attach
{
	my $a = pick(@{ $m->{attachments} });
	return if $m->{several}{ $a->{p} } || $a->{fixed};
	$m->{ddl} = 1;
	my $detach = 'SELECT FROM listing_stats.detach(' . literal(resolve("{$a->{l}}")) . ', ' . literal(resolve("{$a->{p}}")) . ') d WHERE d = 0';
	return if try_to($detach, ['55006']);
	try_to(insert_prices($a->{p}), [refusals()]) if !$m->{transaction};
	# A trigger of the user's may be against it.
	die { lost => 1 } if try_to(attach_call($a, options => 1), [ refusals(), '55006' ]);
}

sub drop_kept_column
{
	my ($a) = grep { keys %{ $_->{target} } > 1 && !$_->{fixed} } @{ $m->{attachments} };
	return if !$a;
	my $target = pick(sort keys %{ $a->{target} });
	ddl("ALTER TABLE {$a->{l}} DROP COLUMN {$a->{target}{$target}}", sub { delete $a->{target}{$target} }) if !$m->{uses}{ $a->{target}{$target} } && !in_triggers($a->{target}{$target});
}

sub other_ddl
{
	my $t = pick(tables_of('p'), tables_of('l'));
	my $number = ++$name_number;
	my @parts = @{ $m->{table}{$t}{parts} };
	ddl(pick(
		"ALTER TABLE {$t} ADD COLUMN more$number int" . pick('', ' DEFAULT 1', ' DEFAULT random()'), "ALTER TABLE {$t} ALTER {$t.note} SET DEFAULT 'd'", "CREATE INDEX ON {$t} ({$t.note})",
		"ALTER TABLE {$t} ALTER {$t.note} SET STATISTICS 10", "COMMENT ON TABLE {$t} IS 'x'", "ANALYZE {$t}",
		$t =~ /^p/ ? ("CREATE INDEX ON {$t} ({$t.key}, {$t.at} DESC)", "ALTER TABLE {$t} ALTER {$t.value} DROP NOT NULL") : (),
		@parts || $m->{table}{$t}{partitioned} ? () : ("ALTER TABLE {$t} SET (fillfactor = 40)", "ALTER TABLE {$t} DISABLE TRIGGER USER; ALTER TABLE {$t} ENABLE TRIGGER USER" =~ s/.*//r || "COMMENT ON TABLE {$t} IS 'y'")));
}

sub maintenance
{
	my $t = pick(tables_of('p'), tables_of('l'));
	my $p = pick(tables_of('p'));
	run(resolve(pick("VACUUM {$t}", "VACUUM {$p}", "VACUUM (FREEZE) {$t}", "VACUUM FULL {$t}", "REINDEX TABLE {$t}", 'DISCARD PLANS', "CHECKPOINT" =~ s/CHECKPOINT/VACUUM {$p}/r, "CLUSTER {$t}")), [qw(42704 0A000)]);
}

sub truncate_something
{
	my $p = pick(tables_of('p'));
	my $t = $m->{table}{$p};
	my @parts = grep { $t->{early}{$_} } @{ $t->{parts} };
	my $l = $t->{key}{l};
	$m->{ddl} = 1;
	try_to(@parts && chance(0.5) ? 'TRUNCATE {' . pick(@parts) . '}' : pick("TRUNCATE {$p}", "TRUNCATE {$p}", "TRUNCATE {$l} CASCADE", "TRUNCATE {$p}, {$l}", "TRUNCATE {$l}"), [ refusals(), qw(0A000 55006) ]);
}

# Not seen by any trigger where it has rows: then refresh().
sub lose_partition
{
	my $p = pick(tables_of('p'));
	my $t = $m->{table}{$p};
	return if $m->{transaction} || !$t->{partitions} || $t->{kind} =~ /two_levels/;
	my $part = pick(@{ $t->{parts} });
	return if !$part || in_triggers($part);
	my $drop = chance(0.5);
	++$done{statements};
	my $code = run(resolve(($drop ? "DROP TABLE {$part}" : "ALTER TABLE {$p} DETACH PARTITION {$part}") . ";\n" . join(";\n", map { refresh_call($_) } grep { $_->{p} eq $p } @{ $m->{attachments} }) . ($drop ? '' : ";\nDROP TABLE {$part}")), [ refusals(), '2BP01' ]);
	die { lost => 1 } if $code;
	$t->{parts} = [ grep { $_ ne $part } @{ $t->{parts} } ];
}

sub use_cursor
{
	if ($m->{cursor})
	{
		my $p = $m->{cursor};
		my $t = $m->{table}{$p};
		my $what = pick('FETCH', 'FETCH', 'UPDATE', 'UPDATE', 'DELETE', 'CLOSE');
		return try_to('FETCH ' . pick('', '2 FROM ', 'ALL FROM ') . 'c', [refusals()]) if $what eq 'FETCH';
		return try_to("UPDATE {$p} SET {$p.value} = " . price_value($p) . ' WHERE CURRENT OF c', [ refusals(), '24000' ]) if $what eq 'UPDATE';
		return try_to("DELETE FROM {$p} WHERE CURRENT OF c", [ refusals(), '24000' ]) if $what eq 'DELETE';
		# No savepoint brings it back.
		return try_to('CLOSE c', [], sub { delete $_->{cursor} for $m, map { $_->{model} } @{ $m->{savepoints} } });
	}
	my $p = pick(tables_of('p'));
	try_to("DECLARE c CURSOR FOR SELECT * FROM {$p} WHERE " . where_prices($p) . pick('', ' FOR UPDATE'), [], sub { $m->{cursor} = $p });
	try_to('FETCH c', [refusals()]) if $m->{cursor};
}

# ---------------------------------------------------------------------------------------------------------------------

# [ weight, what, when ]
my @ways = (
	[ 14, sub { my $p = pick(tables_of('p')); try_to(insert_prices($p) . pick(('') x 9, ' RETURNING 1'), [refusals()]) } ],
	[ 6, sub { my $p = pick(tables_of('p')); try_to(upsert_prices($p), [refusals()]) } ],
	[ 10, sub { my $p = pick(tables_of('p')); try_to(update_prices($p), [refusals()]) } ],
	[ 7, sub { my $p = pick(tables_of('p')); try_to(delete_prices($p), [refusals()]) } ],
	[ 4, sub { my $p = pick(tables_of('p')); try_to(merge_prices($p), [refusals()]) } ],
	[ 3, sub { my $p = pick(tables_of('p')); try_to(copy_prices($p), [refusals()]) } ],
	[ 3, sub { my $p = pick(tables_of('p')); try_to(with_prices($p), [refusals()]) } ],
	[ 4, sub { my $p = pick(tables_of('p')); try_to(block_of_prices($p), [refusals()]) } ],
	[ 2, sub { my $p = pick(tables_of('p')); prepared_prices($p) } ],
	[ 6, sub { my $l = pick(tables_of('l')); try_to(insert_listings($l), [refusals()]) } ],
	[ 8, sub { my $l = pick(tables_of('l')); try_to(update_listings($l), [refusals()]) } ],
	[ 3, sub { my $l = pick(tables_of('l')); try_to(delete_listings($l), [refusals()]) } ],
	[ 2, sub { my $l = pick(tables_of('l')); try_to(merge_listings($l), [refusals()]) } ],
	[ 6, \&begin, sub { !$m->{transaction} } ],
	[ 6, sub { end_transaction(pick('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK', 'PREPARE')) }, sub { $m->{transaction} } ],
	[ 6, \&savepoint, sub { $m->{transaction} } ],
	[ 3, \&back_to_savepoint, sub { $m->{transaction} && @{ $m->{savepoints} } } ],
	[ 2, \&release_savepoint, sub { $m->{transaction} && @{ $m->{savepoints} } } ],
	[ 2, sub { try_to('SET CONSTRAINTS ALL ' . pick('DEFERRED', 'IMMEDIATE'), [refusals()]) }, sub { $m->{transaction} } ],
	[ 3, \&use_cursor, sub { $m->{transaction} } ],
	[ 1, sub { try_to('SET listing_stats.direct_path = ' . pick('on', 'off')) } ],
	[ 1, sub { try_to('SET ROLE random_writer', [], sub { $m->{role} = 1 }) }, sub { !$m->{role} } ],
	[ 1.5, sub { as_owner(); rename_something() } ],
	[ 1, sub { as_owner(); alter_type() } ],
	[ 1, sub { as_owner(); other_ddl() } ],
	[ 1, sub { as_owner(); attach_again() }, sub { !$plain } ],
	[ 0.7, sub { as_owner(); detach_and_attach() }, sub { !$plain && !$m->{transaction} } ],
	[ 0.5, sub { as_owner(); drop_kept_column() } ],
	[ 0.7, sub { as_owner(); add_trigger() }, sub { !$m->{transaction} && @{ $m->{triggers} } < 4 } ],
	[ 1.5, sub { as_owner(); truncate_something() } ],
	[ 2, sub { as_owner(); maintenance() }, sub { !$m->{transaction} } ],
	[ 1, sub { as_owner(); run($_, [refusals()]) for map { refresh_call($_) } @{ $m->{attachments} } }, sub { !$plain && !$m->{transaction} } ],
	[ 1, sub { as_owner(); my ($p) = grep { $m->{table}{$_}{partitions} && !$m->{table}{$_}{later} } tables_of('p'); if ($p && !$m->{transaction}) { new_partition($p) } } ],
	[ 0.7, sub { as_owner(); lose_partition() if !$plain } ]);

sub step
{
	if ($m->{transaction} eq 'failed')
	{
		return back_to_savepoint() if @{ $m->{savepoints} } && chance(0.5);
		return end_transaction(pick('ROLLBACK', 'COMMIT'));
	}
	my @possible = grep { !$_->[2] || $_->[2]->() } @ways;
	my $weight = 0;
	$weight += $_->[0] for @possible;
	my $place = rand $weight;
	for my $way (@possible)
	{
		next if ($place -= $way->[0]) >= 0;
		return $way->[1]->();
	}
}

sub make_schema
{
	my ($number) = @_;
	$m = { schema => "random_$number", name => {}, table => {}, attachments => [], triggers => [], transaction => '', role => '', keys => pick(3, 5, 8, 25), prepared => 0, trigger_number => 0 };
	# What the direct path takes, and what the reader of index pages does: many listings, and histories of many pages.
	my $flavour = rand;
	$m->{simple} = $flavour < 0.4;
	$m->{keys} = pick(12, 25, 40) if $m->{simple};
	$m->{reading} = $flavour < 0.15;
	$m->{big} = $m->{reading} || chance(0.05);
	run("DROP SCHEMA IF EXISTS $m->{schema} CASCADE");
	run("CREATE SCHEMA $m->{schema}");
	run("SET search_path = $m->{schema}, public");
	run("ALTER DEFAULT PRIVILEGES IN SCHEMA $m->{schema} GRANT ALL ON TABLES TO random_writer");
	run("ALTER DEFAULT PRIVILEGES IN SCHEMA $m->{schema} GRANT ALL ON SEQUENCES TO random_writer");
	run("GRANT USAGE ON SCHEMA $m->{schema} TO random_writer");
	run('CREATE SEQUENCE numbers');
	# Another table of prices, another key of the same one, to the same listings or to others, or prices of what is kept.
	my $second = $m->{reading} ? '' : pick('', '', '', 'prices', 'key', 'listings', 'chain');
	create_listing('l0', nullable => chance(0.15));
	create_listing('l1', plain => $second eq 'chain', nullable => 0, $second eq 'chain' ? (type => 'integer') : ()) if $second =~ /listings|chain/;
	create_prices('p0', 'l0', $second eq 'key' ? (key2 => 'l0') : $second eq 'listings' ? (key2 => 'l1') : ());
	create_prices('p1', 'l0') if $second eq 'prices';
	$m->{several}{p0} = 1 if $second =~ /key|listings/;
	my $first_rows = sub {
		for my $l (tables_of('l'))
		{
			run(resolve("INSERT INTO {$l} ({$l.key}, {$l.grp}) SELECT " . key_expression($m->{table}{$l}{key}{type}, 'i') . ", i % 3 FROM generate_series(1, $m->{keys}) i"));
		}
		run(resolve(insert_prices('p0')), [refusals()]) for 1 .. between(0, 2);
	};
	my $rows_first = chance(0.5);
	$first_rows->() if $rows_first;
	add_attachment('l0', 'p0');
	add_attachment('l0', 'p1') if $second eq 'prices';
	add_attachment('l0', 'p0', key => 'p0.key2', name_key => 1) if $second eq 'key';
	add_attachment('l1', 'p0', key => 'p0.key2', name_key => 1) if $second eq 'listings';
	if ($second eq 'chain' && $m->{attachments}[0]{target}{last_price})
	{
		my $a = $m->{attachments}[0];
		my $at = $a->{target}{last_price_at} // 'l0.n';
		$a->{fixed} = 1;
		$a->{value_is_kept} = 1;
		$m->{uses}{$_} = 1 for $at, $a->{target}{last_price};
		add_attachment('l1', 'l0', key => 'l0.grp', at => $at, value => $a->{target}{last_price}, tie => 'l0.key', name_key => 1, name_tie => 1, fixed => 1, key_column => { type => 'integer' },
			at_type => $a->{target}{last_price_at} ? $a->{at_type} : 'integer', value_type => type_of_target($a, 'last_price'));
	}
	$first_rows->() if !$rows_first;
	add_trigger() for 1 .. ($m->{simple} ? pick(0, 0, 0, 1) : pick(0, 1, 1, 2, 3));
	check(all => 1);
}

sub finish_schema
{
	end_transaction('ROLLBACK') if $m->{transaction};
	as_owner();
	check(all => 1);
	run("DO \$\$ BEGIN PERFORM public.bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relkind = 'i' AND c.relnamespace = '$m->{schema}'::regnamespace; END \$\$") if $amcheck;
	run("SET search_path = public;\nDROP SCHEMA $m->{schema} CASCADE");
}

# ---------------------------------------------------------------------------------------------------------------------
# What to do about a failure

# Runs statements of a log anew, in a session of their own; returns the failure, or ''.
sub replay
{
	my ($entries, $without) = @_;
	reconnect();
	tell_session("ROLLBACK PREPARED 'p'");
	tell_session("DROP SCHEMA IF EXISTS $m->{schema} CASCADE");
	new_messages();
	for my $entry (@$entries)
	{
		my ($sql, $allowed, $kind) = @$entry;
		my ($answer, $code) = tell_session($sql);
		$code //= '';
		# What was left out can have been the end of a transaction.
		return '' if $code eq '25P02';
		my ($fault, $text) = fault($entry, $answer, $code);
		return $fault if $fault;
	}
	return '';
}

# Leaves out what the failure does not need.
sub reduce
{
	my ($fault, @entries) = @_;
	my $end = time + 120;
	for (my $size = int(@entries / 2); $size >= 1; $size = int($size / 2))
	{
		for (my $i = $#entries - $size; $i >= 0; $i -= $size)
		{
			return @entries if time > $end;
			my @fewer = @entries;
			splice @fewer, $i, $size;
			@entries = @fewer if replay(\@fewer) eq $fault;
		}
	}
	return @entries;
}

# The same without the extension: columns are added where attach() was called.
sub without_extension
{
	my @plain;
	for my $entry (@_)
	{
		my ($sql, $allowed, $kind) = @$entry;
		next if $sql =~ /listing_stats\.(verify|latest_prices|refresh|detach|direct_path)/ || $kind eq 'difference';
		if ($sql =~ /listing_stats\.attach\('((?:[^']|'')*)'/)
		{
			my $table = $1 =~ s/''/'/gr;
			my @columns = $sql =~ /(?:last_price|last_price_at|previous_price|lowest_price|highest_price|price_count) => '((?:[^']|'')*)'/g;
			push @plain, map { [ "ALTER TABLE $table ADD COLUMN IF NOT EXISTS " . identifier($_ =~ s/''/'/gr) . ' numeric', [], 'statement' ] } grep { $_ ne 'none' } @columns;
			next;
		}
		push @plain, $entry;
	}
	return @plain;
}

sub script { return join '', map { for_psql($_->[0], '') } @_ }

my @own;  # of PostgreSQL

# Assertions of PostgreSQL's own, which these statements show on a server that has them.
my %own_traps = (
	# An error that a deferred trigger catches when a transaction block ends.
	'blockState == TBLOCK_SUBINPROGRESS' => q{
		CREATE TABLE t (i int);
		CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f();
		BEGIN;
		INSERT INTO t VALUES (1);
		COMMIT;},
	# A row that is locked, updated in a subtransaction that is undone, and updated again where its page is full.
	'HEAP_XMAX_IS_LOCKED_ONLY' => q{
		CREATE TABLE t (id int PRIMARY KEY, n int);
		INSERT INTO t VALUES (1), (2);
		BEGIN;
		SELECT FROM t WHERE id = 1 FOR NO KEY UPDATE;
		SAVEPOINT a;
		UPDATE t SET n = 1 WHERE id = 1;
		ROLLBACK TO a;
		RELEASE a;
		DO $$ BEGIN FOR i IN 1..400 LOOP UPDATE t SET n = i WHERE id = 2; END LOOP; END $$;
		UPDATE t SET n = 2 WHERE id = 1;
		COMMIT;});

# What the server's log has of a crash since it was read last.
my $log_read = 0;

sub new_trap
{
	my $text = slurp_file($node->logfile, $log_read);
	$log_read += length $text;
	return $text =~ /(TRAP: [^\n]*)/ ? $1 : $text =~ /(server process[^\n]* was terminated by signal[^\n]*)/ ? $1 : '';
}

# Returns whether it is a failure of ours.
sub handle_failure
{
	my ($number, $failure) = @_;
	my $messages = new_messages();
	my @all = @log;
	my $title = "schema $number, LISTING_STATS_SEED=$number LISTING_STATS_RANDOM_SCHEMAS=1: $failure->{fault}: $failure->{text}";
	if ($failure->{fault} eq 'crash')
	{
		reconnect();
		my $trap = new_trap();
		$title .= " $trap";
		if ($asserts && grep { $trap =~ /\Q$_\E/ } keys %own_traps)
		{
			push @own, $title;
			return 0;
		}
	}
	# The seed alone does not repeat what an earlier schema has left in the server.
	my $again = replay(\@all);
	my @needed = $again eq $failure->{fault} ? reduce($failure->{fault}, @all) : @all;
	if ($failure->{fault} =~ /^(crash|error XX|warning)/ && !$plain && replay([ without_extension(@needed) ]) eq $failure->{fault})
	{
		push @own, $title;
		diag "PostgreSQL's own: $title\n" . script(without_extension(@needed));
		reconnect();
		return 0;
	}
	my $file = "$PostgreSQL::Test::Utils::log_path/random_$number.sql";
	append_to_file($file, "-- $title\n" . script(@all));
	fail($title);
	diag(($again eq $failure->{fault} ? '' : "not repeated by itself\n") . script(@needed) . "-- all of it is in $file");
	reconnect();
	tell_session("DROP SCHEMA IF EXISTS $m->{schema} CASCADE");
	return 1;
}

for my $trap ($asserts ? sort keys %own_traps : ())
{
	reconnect();
	tell_session("CREATE SCHEMA own;\nSET search_path = own");
	eval { $session->run($own_traps{$trap}) };
	reconnect();
	like(new_trap(), qr/\Q$trap\E/, "PostgreSQL's own assertion: $trap");
	tell_session('DROP SCHEMA IF EXISTS own CASCADE');
}

my $start = time;
my $failures = 0;
for my $i (0 .. $schemas - 1)
{
	my $number = $seed + $i;
	srand $number;
	$name_number = 0;
	@log = ();
	reconnect();
	new_messages();
	my $ok = eval {
		make_schema($number);
		for (1 .. $steps)
		{
			step();
			check() if $m->{transaction} ne 'failed';
		}
		finish_schema();
		1;
	};
	++$done{schemas};
	next if $ok;
	my $failure = $@;
	BAIL_OUT("seed $number: $failure") if !ref $failure;
	++$done{given_up}, next if $failure->{lost};
	last if ($failures += handle_failure($number, $failure)) >= 10;
}
disconnect();
is($done{schemas}, $schemas, 'random schemas');
note sprintf '%s in %.0f s; refused: %s', join(', ', map { "$_ $done{$_}" } sort keys %done), time - $start, join ' ', map { "$_ $told{$_}" } sort keys %told;
note "PostgreSQL's own: $_" for @own;
$node->stop;
done_testing();
