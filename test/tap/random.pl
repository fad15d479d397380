# Random schemas, triggers of the user's and statements: after each statement the kept columns, and what latest_prices()
# gives, equal what plain SQL written here says, and verify() agrees.  A statement may be refused with an SQLSTATE that
# it can have; an internal error, a crash, an assertion, a leak that the server warns of or a difference is a failure.
#
# Each schema has a seed of its own, the first one's and so on: LISTING_STATS_SEED with LISTING_STATS_RANDOM_SCHEMAS=1
# repeats one.  One that fails is printed as a script for psql, reduced to the statements that are needed for it; what fails
# in the same way without the extension is PostgreSQL's own, and is only told.
#
#   LISTING_STATS_RANDOM_SCHEMAS   how many schemas; 36, and 3000 with LISTING_STATS_FULL
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

my $schemas = $ENV{LISTING_STATS_RANDOM_SCHEMAS} // ($ENV{LISTING_STATS_FULL} ? 3000 : 36);
my $plain = $ENV{LISTING_STATS_RANDOM_PLAIN};
# The same ones each time, so that a run does not fail for a schema that nobody changed anything for.
my $seed = $ENV{LISTING_STATS_SEED} // ($ENV{LISTING_STATS_FULL} ? int rand 1e8 : 200);
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
	CREATE TYPE place AS (shop text, till int);
	CREATE FUNCTION counts(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT lower($1) = 'ask' $$;
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
my @log;  # of a schema: [ SQL, SQLSTATEs that it may have, kind, what is the same without the extension ]
my $stderr_file = "$PostgreSQL::Test::Utils::log_path/psql.log";
my $stderr_read = 0;
my %told;  # how often each SQLSTATE came
my %done;  # how often what was done

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
	my ($sql, $allowed, $kind, $plainly) = @_;
	my $entry = [ $sql, $allowed // [], $kind // 'statement', $plainly ];
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

# What can be a part of the key of a table of keep_latest() too.
my @statuses = ('ask', 'ask', 'bid', 'a', '', 'it is');

# A key of several columns has a number too, which says what each of them has: none of them alone says which key it is.
my %part = (key => 0, key_b => 1, key_c => 2, key2 => 0);

sub key_part
{
	my ($n, $part, $count) = @_;
	return $n if $count == 1;
	return $part ? $n % 2 + 1 : int(($n + 1) / 2) if $count == 2;
	return ($n % 2 + 1, int($n / 2) % 2 + 1, int($n / 4) + 1)[$part];
}

sub key_part_expression
{
	my ($i, $part, $count) = @_;
	return "($i)" if $count == 1;
	return $part ? "(($i) % 2 + 1)" : "((($i) + 1) / 2)" if $count == 2;
	return ("(($i) % 2 + 1)", "(($i) / 2 % 2 + 1)", "(($i) / 4 + 1)")[$part];
}

# The columns of a table's key; 'key2' is another one of prices, of one column.
sub key_roles { my ($t, $set) = @_; return ($set // '') eq 'key2' ? 'key2' : @{ $m->{table}{$t}{key_roles} } }

sub key_count { my ($t, $role) = @_; return $role eq 'key2' ? 1 : $m->{table}{$t}{key_count} }

# What a column has of the key with this number.
sub key_value
{
	my ($t, $role, $n) = @_;
	my $type = $m->{table}{$t}{$role}{type};
	return exists $part{$role} ? key_sql($type, key_part($n, $part{$role}, key_count($t, $role))) : literal(pick(@statuses));
}

sub key_of_series
{
	my ($t, $role, $i) = @_;
	return key_expression($m->{table}{$t}{$role}{type}, key_part_expression($i, $part{$role}, key_count($t, $role)));
}

# That a row has the key with this number.
sub has_key
{
	my ($t, $n, $alias) = @_;
	$alias //= "{$t}";
	return join ' AND ', map { "$alias.{$t.$_} = " . key_value($t, $_, $n) } key_roles($t);
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

my @value_types = ('numeric(10,2)', 'numeric(10,2)', 'numeric', 'bigint', 'integer', 'smallint', 'double precision', 'real', 'public.amount');

# Values that are no numbers, for prices and what is carried: some that are equal and look different.
my %other_values = (
	text => [ 'a', 'b', '', 'it is', 'ask' ], 'varchar(10)' => [ 'a', 'a   ', 'ask', 'bid' ], uuid => [ map { "0000000$_-0000-4000-8000-000000000000" } 1 .. 4 ],
	jsonb => [ '{"a": 1}', '{"a": 1.0}', 'null', '[1, 2]', '5' ], json => [ '{"a": 1}', '{"a":1}', 'null', '5' ], 'public.kind' => [ 'k1', 'k2', 'k3' ],
	'integer[]' => [ '{1,2}', '{}', '{NULL}', '{3}' ], boolean => [ 't', 'f' ], interval => [ '1 mon', '30 days', '0' ], numrange => [ '[1,2)', '[1.0,2)', 'empty' ],
	'public.place' => [ '(a,1)', '(,)', '(a,2)' ], date => [ '2026-01-01', '2026-01-02', 'infinity' ], box => [ '(2,2),(0,0)', '(4,1),(0,0)', '(1,1),(0,0)' ],
	timestamptz => [ '2026-01-01 00:00+00', 'infinity', '2026-01-01 01:00+00' ], 'char(3)' => [ 'a', 'ab', '' ], bytea => [ 'a', '', 'ab' ], name => [ 'a', 'b' ], 'public.name_of_key' => [ 'a', 'A', 'b' ], 'bit(3)' => [ '101', '000' ]);

my @other_types = sort keys %other_values;
# What they are altered to.
@other_values{'varchar(100)', 'bigint[]'} = @other_values{'text', 'integer[]'};

sub is_number { my ($type) = @_; return $type =~ /^(numeric(\(.*\))?|bigint|integer|smallint|double precision|real|public\.amount)$/ }

sub value_text
{
	my ($type) = @_;
	return between(-3, 12) if $type =~ /int/;
	return pick('NaN', 'Infinity', '-Infinity') if $type =~ /^(numeric|double precision|real)$/ && chance(0.03);
	return sprintf '%.' . between(1, 2) . 'f', between(-8, 40) / 4;
}

sub value_sql
{
	my ($type) = @_;
	# Too long for the row.
	return q{(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i)} if $type eq 'text' && chance(0.02);
	return literal(pick(@{ $other_values{ $type =~ s/ COLLATE .*//r } })) . "::$type" if !is_number($type);
	my $text = value_text($type);
	return $text =~ /N|y/ ? literal($text) . "::$type" : $text;
}

# As COPY reads it, without what is quoted there.
sub value_in_copy
{
	my ($type) = @_;
	return value_text($type) if is_number($type);
	return '|' . pick(grep { $_ !~ /"/ } @{ $other_values{$type} }) . '|';
}

# Of a number in SQL.
sub value_expression
{
	my ($column, $i) = @_;
	my ($type, $not_null) = @$column{qw(type not_null)};
	return "nullif($i % 7, " . ($not_null ? 9 : between(0, 6)) . ')' if is_number($type);
	my @values = @{ $other_values{$type} };
	return '(ARRAY[' . join(', ', map { literal($_) } @values) . "]::text[])[$i % " . (@values + ($not_null ? 0 : 1)) . " + 1]::$type";
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

# The columns of a key for a row of prices.
sub price_keys
{
	my ($p, $set) = @_;
	my $t = $m->{table}{$p};
	# A missing listing is refused by a foreign key that does not wait.
	my $fk = $t->{$set}{fk};
	my $n = ($fk->{immediate} || $t->{owner}) && chance(0.9) ? between(1, $m->{keys}) : any_key();
	my @roles = key_roles($p, $set);
	return map { $_ => !$t->{$_}{not_null} && chance(0.04) ? 'NULL' : key_value($p, $_, @roles > 1 && !$fk->{immediate} && chance(0.05) ? any_key() : $n) } @roles;
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
	my ($p, $role) = @_;
	my $column = $m->{table}{$p}{ $role // 'value' };
	return 'NULL' if !$column->{not_null} && chance(0.15);
	# What can be part of a key is short.
	return ($role // '') eq 'status' ? literal(pick(@statuses)) : value_sql($column->{type});
}

# All that an INSERT of a price can give.
sub price_values
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	return (price_keys($p, 'key'), ($t->{key2} ? price_keys($p, 'key2') : ()), at => price_time($p), (map { $_ => price_value($p, $_) } 'value', @{ $t->{extra} }), id => between(1, 60));
}

# The columns that an INSERT of prices gives, and a row of them.
sub price_roles
{
	my ($p, $few) = @_;
	my $t = $m->{table}{$p};
	my @roles = (key_roles($p), ($t->{key2} ? 'key2' : ()), 'at', 'value', $few ? () : grep { chance(0.8) } @{ $t->{extra} });
	return chance(0.5) ? @roles : reverse @roles;
}

sub columns { my ($t, @roles) = @_; return join ', ', map { "{$t.$_}" } @roles }

sub price_row
{
	my ($p, @roles) = @_;
	my %value = price_values($p);
	return join ', ', @value{@roles};
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
	my $count = $own{single} ? 1 : pick(1, 1, 1, 2, 2, 3);
	my $t = $m->{table}{$l} = { key => { type => $type }, parts => [], key_count => $count, key_roles => [ (qw(key key_b key_c))[ 0 .. $count - 1 ] ] };
	++$done{"keys of $count"};
	$t->{key_b} = { type => pick($m->{simple} ? qw(integer text uuid) : qw(integer smallint text uuid numeric date name_of_key number_of_key kind varchar(20))) } if $count > 1;
	$t->{key_c} = { type => pick($m->{simple} ? qw(bigint text uuid) : qw(integer bigint text uuid date name_of_key varchar(20))) } if $count > 2;
	$m->{keys} = 6 if $type eq 'kind' && $m->{keys} > 6;
	$m->{name}{$l} = new_name('listing');
	my @roles = key_roles($l);
	$m->{name}{"$l.$_"} = new_name($_) for @roles, qw(note n grp);
	my $partitioned = $own{plain} || $m->{simple} ? 0 : chance(0.15);
	# Another key than the primary one: it may be NULL, or be that of several listings.
	$t->{nullable} = !$partitioned && $own{nullable};
	$t->{shared} = $t->{nullable} && chance(0.3);
	$t->{$_}{not_null} = !$t->{nullable} for @roles;
	my $type_of = sub { my ($role) = @_; return $key_types{ $t->{$role}{type} }{type} // $t->{$role}{type} };
	# What a part of the key refers to, by which prices and listings can go together.
	if ($count > 1 && !$m->{simple} && !$own{plain} && chance(0.25))
	{
		$m->{name}{owner} = new_name('owner');
		$m->{name}{'owner.key'} = new_name('key');
		$m->{owner} = $l;
		run(resolve('CREATE TABLE {owner} ({owner.key} ' . $type_of->('key') . ' PRIMARY KEY)'));
		run(resolve('INSERT INTO {owner} SELECT DISTINCT ' . key_of_series($l, 'key', 'i') . " FROM generate_series(1, $m->{keys} + 3) i"));
	}
	my @order = $count > 1 && chance(0.4) ? reverse @roles : @roles;
	my @columns = ((map { "{$l.$_} " . $type_of->($_) } @roles), "{$l.note} text", "{$l.n} int DEFAULT 0", "{$l.grp} int");
	@columns = reverse @columns if chance(0.2);
	push @columns, ($t->{nullable} ? 'UNIQUE (' : 'PRIMARY KEY (') . columns($l, @order) . ')' if !$t->{shared};
	push @columns, 'number serial PRIMARY KEY' if $t->{nullable};
	push @columns, "FOREIGN KEY ({$l.key}) REFERENCES {owner} ON DELETE CASCADE ON UPDATE CASCADE" if ($m->{owner} // '') eq $l;
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
	run(resolve("CREATE INDEX ON {$l} (" . columns($l, @roles) . ')')) if $t->{shared};
	run(resolve("CREATE INDEX ON {$l} (" . pick("{$l.n}", "lower({$l.note})", "({$l.n} + 1)") . ')')) if chance(0.2);
	run(resolve("CREATE INDEX ON {$l} ({$l.n}) WHERE {$l.note} IS NULL")) if chance(0.1);
}

# How columns of prices refer to a table of listings.
sub new_foreign_key
{
	my ($p, $l, $set) = @_;
	my $fk = { l => $l, kind => pick(qw(none none), qw(immediate immediate deferred deferred deferrable)) };
	$fk->{kind} = 'none' if $m->{table}{$l}{shared};
	return $fk if $fk->{kind} eq 'none';
	$fk->{immediate} = $fk->{kind} ne 'deferred';
	my @roles = key_roles($p, $set);
	my @order = chance(0.5) ? (0 .. $#roles) : reverse 0 .. $#roles;
	my @of_listing = key_roles($l);
	$fk->{text} = 'FOREIGN KEY (' . columns($p, @roles[@order]) . ") REFERENCES {$l} (" . columns($l, @of_listing[@order]) . ')'
		. (@roles > 1 && chance(0.1) ? ' MATCH FULL' : '')
		. pick('', ' ON DELETE CASCADE', ' ON DELETE CASCADE', ' ON DELETE SET NULL' . (@roles > 1 && chance(0.5) ? ' (' . columns($p, pick(@roles)) . ')' : ''), ' ON DELETE RESTRICT')
		. pick('', ' ON UPDATE CASCADE', ' ON UPDATE CASCADE', ' ON UPDATE SET NULL')
		. { immediate => '', deferred => ' DEFERRABLE INITIALLY DEFERRED', deferrable => ' DEFERRABLE' }->{ $fk->{kind} };
	return $fk;
}

sub create_prices
{
	my ($p, $l, %more) = @_;
	my $t = $m->{table}{$p} = {
		parts => [], early => {}, extra => [], key_roles => [ key_roles($l) ], key_count => key_count($l, 'key'),
		at => { type => pick($m->{simple} ? qw(timestamptz timestamptz timestamp date) : @time_types), not_null => chance($m->{reading} ? 0.3 : 0.6) },
		value => { type => $more{number} || $m->{reading} || chance(0.75) ? pick(@value_types) : pick(@other_types), not_null => chance(0.3) },
		id => { type => pick('integer', 'integer', 'bigint', 'text') } };
	for my $role (key_roles($l), $more{key2} ? 'key2' : ())
	{
		my $of = $role eq 'key2' ? $more{key2} : $l;
		my $type = $m->{table}{$of}{ $role eq 'key2' ? 'key' : $role }{type};
		$type = pick('smallint', 'integer', 'bigint') if $role ne 'key2' && $type =~ /int|number/ && chance(0.3);
		$t->{$role} = { type => $type, not_null => chance($role eq 'key2' ? 0.3 : 0.6), l => $of };
	}
	# What may be carried or decide whether a price counts.
	my %extra = $m->{reading} ? () : (
		(map { chance(0.35) ? ($_ => { type => pick($m->{simple} ? ('text', 'jsonb', 'integer[]', 'numeric(10,2)', 'uuid') : (@other_types, 'numeric(10,2)', 'numeric', 'public.amount', 'double precision')) }) : () } qw(c1 c2 c3)),
		(chance(0.5) ? (status => { type => pick('text', 'varchar(10)') }) : ()), (chance(0.4) ? (gone => { type => 'integer' }) : ()), (chance(0.3) ? (value_b => { type => pick(@value_types, @other_types) }) : ()));
	$t->{extra} = [ sort keys %extra ];
	for my $role (@{ $t->{extra} })
	{
		$t->{$role} = { %{ $extra{$role} }, not_null => chance($role =~ /^c/ ? 0.4 : 0.1) };
		$m->{name}{"$p.$role"} = new_name($role);
	}
	$t->{generated} = [];
	if ($extra{status} && chance(0.3))
	{
		$t->{generated} = ['lowered'];
		$t->{lowered} = { type => 'text' };
		$m->{name}{"$p.lowered"} = new_name('lowered');
	}
	$m->{name}{$p} = new_name('price');
	$m->{name}{"$p.at"} = chance(0.5) ? 'created' : new_name('at');
	$m->{name}{"$p.value"} = chance(0.5) ? 'value' : new_name('amount');
	$m->{name}{"$p.$_"} = new_name($_) for 'id', key_roles($p), qw(key2 note seq);
	$t->{key}{fk} = new_foreign_key($p, $l, 'key');
	$t->{key2}{fk} = new_foreign_key($p, $more{key2}, 'key2') if $more{key2};
	# Most often only that part of the key refers to something.
	$t->{owner} = ($m->{owner} // '') eq $l;
	$t->{key}{fk} = { l => $l, kind => 'none' } if $t->{owner} && chance(0.7);
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
	for my $role (key_roles($p), $t->{key2} ? 'key2' : ())
	{
		my $key = $t->{$role};
		$column{$role} = "{$p.$role} " . ($key_types{ $key->{type} }{type} // $key->{type}) . ($key->{not_null} ? ' NOT NULL' : '');
	}
	for my $role (@{ $t->{extra} })
	{
		my $default = $t->{$role}{not_null} || chance(0.3) ? value_sql($t->{$role}{type}) : '';
		# A query cannot be one.
		$default = "'a'" if $default =~ /SELECT/;
		$column{$role} = "{$p.$role} $t->{$role}{type}" . ($t->{$role}{not_null} ? ' NOT NULL' : '') . ($default ne '' ? " DEFAULT $default" : '');
	}
	$column{lowered} = "{$p.lowered} text GENERATED ALWAYS AS (lower({$p.status}) || 'x') STORED" if @{ $t->{generated} };
	$column{at} = "{$p.at} $t->{at}{type}" . ($t->{at}{not_null} ? ' NOT NULL' : '');
	$column{value} = "{$p.value} $t->{value}{type}" . ($t->{value}{not_null} ? ' NOT NULL' : '');
	my @order = sort { $a->[1] <=> $b->[1] } map { [ $_, rand ] } sort keys %column;
	my @columns = map { $column{ $_->[0] } } @order;
	push @columns, 'PRIMARY KEY (' . columns($p, @primary) . ')' if @primary;
	push @columns, grep { $_ } $t->{key}{fk}{text}, $t->{key2} ? $t->{key2}{fk}{text} : ();
	push @columns, "FOREIGN KEY ({$p.key}) REFERENCES {owner}" . pick('', ' ON DELETE CASCADE ON UPDATE CASCADE', ' ON DELETE CASCADE ON UPDATE CASCADE') . pick('', ' DEFERRABLE INITIALLY DEFERRED') if $t->{owner};
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
	run(resolve("CREATE INDEX ON {$p} (" . columns($p, chance(0.7) ? key_roles($p) : 'key') . ')')) if chance(0.4);
	# One that attach() may take for its own, in either direction, with few entries on a page.
	if (chance(0.35))
	{
		my $backwards = chance(0.3);
		my @index = chance(0.1) ? "{$p.key} DESC" : map { "{$p.$_}" } key_roles($p);
		for my $role ('at', $t->{tie})
		{
			my $never_null = $role eq 'at' ? $t->{at}{not_null} : grep { $_ eq $role } @primary;
			push @index, "{$p.$role} " . ($backwards ? 'ASC' : 'DESC') . ($never_null ? '' : $backwards ? ' NULLS FIRST' : ' NULLS LAST');
		}
		run(resolve("CREATE INDEX ON {$p} (" . join(', ', @index) . ')' . (chance(0.7) && is_number($t->{value}{type}) ? " INCLUDE ({$p.value})" : '') . ' WITH (fillfactor = ' . pick(10, 50, 90) . ')'));
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

my @targets = qw(last_price last_price_at previous_price lowest_price highest_price price_count price_total first_price);

# Which prices count; undef: all.  None that another attachment of the two tables by the same prices has.
sub new_condition
{
	my ($l, $p, $value) = @_;
	my $t = $m->{table}{$p};
	return undef if !$t->{extra};
	my %extra = map { $_ => 1 } @{ $t->{extra} };
	my @conditions = ((undef) x 4, "{$p.at} IS NOT NULL", "hashtext({$p.id}::text) % 3 <> 0", "{$p.key} <> " . key_value($p, 'key', 2),
		is_number($t->{value}{type}) ? "{$p.value} > 1" : "{$p.value} IS NOT NULL");
	push @conditions, ("{$p.status} = 'ask'") x 3, "{$p.status} <> 'bid'", "lower({$p.status}) IN ('ask', 'a')", "public.counts({$p.status})" if $extra{status};
	push @conditions, ("{$p.gone} IS NULL") x 2, "coalesce({$p.gone}, 0) % 2 = 0" if $extra{gone};
	push @conditions, "{$p.status} = 'ask' AND {$p.gone} IS NULL", "{$p.status} = 'ask' OR {$p.gone} > 3" if $extra{status} && $extra{gone};
	push @conditions, ("{$p.lowered} = 'askx'") x 3 if @{ $t->{generated} };
	push @conditions, "{$p.c1} IS NULL" if $extra{c1} && !$t->{c1}{not_null};
	my @others = map { $_->{condition} // '' } grep { $_->{l} eq $l && $_->{p} eq $p && $_->{value} eq $value } @{ $m->{attachments} };
	return pick(grep { my $condition = $_ // ''; !grep { $condition eq $_ } @others } @conditions);
}

# The columns of the two tables that the attachment keeps.
sub kept_columns
{
	my ($a) = @_;
	my @columns = ((map { $a->{target}{$_} } grep { $a->{target}{$_} } @targets), map { $_->[1] } @{ $a->{carried} });
	return @columns;
}

sub of_both { my ($a) = @_; return grep { $_->{l} eq $a->{l} && $_->{p} eq $a->{p} } @{ $m->{attachments} } }

sub list_of { return literal(join pick(', ', ','), map { identifier($m->{name}{$_}) } @_) }

# The arguments of attach() that say what is wanted, and whether there is an index that it would have to make.
sub attach_call
{
	my ($a, %more) = @_;
	my $name = $m->{name};
	# Of several attachments of the two tables each call says which one it is.
	my $several = of_both($a) > 1;
	my @keys = 0 .. $#{ $a->{keys} };
	@keys = reverse @keys if chance(0.3);
	my $same_names = !grep { $name->{ $a->{keys}[$_] } ne $name->{ $a->{lkeys}[$_] } } @keys;
	my $makes_rows = $a->{own_rows} && $same_names;
	my @arguments = $makes_rows ? (literal(resolve("{$a->{p}}")), literal(resolve("{$a->{l}}"))) : (literal(resolve("{$a->{l}}")), literal(resolve("{$a->{p}}")));
	if ($a->{own_rows} ? $makes_rows : $a->{name_key} || $a->{name_lkey})
	{
		push @arguments, 'key => ' . (@keys == 1 && chance(0.5) ? literal($name->{ $a->{key} }) : list_of(map { $a->{keys}[$_] } @keys));
		push @arguments, 'listing_key => ' . list_of(map { $a->{lkeys}[$_] } @keys) if $a->{name_lkey} && !$a->{own_rows};
	}
	push @arguments, 'at => ' . literal($name->{ $a->{at} }) if $name->{ $a->{at} } ne 'created' || $several;
	push @arguments, 'value => ' . literal($name->{ $a->{value} }) if $name->{ $a->{value} } ne 'value' || $several;
	push @arguments, 'tie => ' . literal($name->{ $a->{tie} }) if $a->{name_tie} || $several;
	push @arguments, "$_ => " . literal($a->{target}{$_} ? $name->{ $a->{target}{$_} } : 'none') for grep { $a->{target}{$_} || $_ eq 'last_price' || $more{$_} } @targets;
	push @arguments, 'carry => ' . literal($more{carry_none} ? 'none' : join ', ', map { identifier($name->{ $_->[0] }) . ' AS ' . identifier($name->{ $_->[1] }) } @{ $a->{carried} }) if @{ $a->{carried} } || $more{carry_none};
	push @arguments, 'condition => ' . literal(defined $a->{condition} ? resolve($a->{condition}) : 'none') if defined $a->{condition} || $several || $more{options};
	push @arguments, "empty => '$a->{empty}'" if !$a->{own_rows} && ($a->{empty} ne 'null' || $more{options});
	push @arguments, "null_value => '$a->{null_value}'" if $a->{null_value} ne 'keep' || $more{options};
	push @arguments, "guard => '$a->{guard}'" if $a->{guard} ne 'keep' || $more{options};
	push @arguments, "replication => '$a->{replication}'" if $a->{replication} ne 'origin';
	push @arguments, 'backfill => false' if $more{no_backfill};
	return 'SELECT count(*) FROM listing_stats.' . ($makes_rows ? 'keep_latest' : 'attach') . '(' . join(', ', @arguments) . ') HAVING count(*) <> 1';
}

# What is the same without the extension: the columns.
sub attach_plainly
{
	my ($a) = @_;
	my @add = map { "ADD COLUMN IF NOT EXISTS {$_} " . type_of_kept($a, $_) } kept_columns($a);
	my $table = $a->{own_rows} && !$a->{made} ? "CREATE TABLE IF NOT EXISTS {$a->{l}} AS SELECT " . columns($a->{p}, map { s/.*\.//r } @{ $a->{keys} }) . " FROM {$a->{p}} WITH NO DATA;\n" : '';
	return resolve($table . "ALTER TABLE {$a->{l}} " . join ', ', @add);
}

sub type_of_target
{
	my ($a, $target) = @_;
	return $a->{type}{$target} if $a->{type}{$target};
	return 'bigint' if $target eq 'price_count';
	return $a->{at_type} if $target eq 'last_price_at';
	return $a->{value_type} =~ /int/ && $a->{value_type} ne 'bigint' ? 'bigint' : 'numeric' if $target eq 'price_total';
	return $a->{value_type} =~ s/public\.amount/numeric(12,3)/r;
}

# The same of a column of listing.
sub type_of_kept
{
	my ($a, $role) = @_;
	for my $target (grep { $a->{target}{$_} } @targets)
	{
		return type_of_target($a, $target) if $a->{target}{$target} eq $role;
	}
	my ($carried) = grep { $_->[1] eq $role } @{ $a->{carried} };
	return carried_type($a, $carried->[0]);
}

sub carried_type
{
	my ($a, $column) = @_;
	my $known = $m->{table}{ $a->{p} }{ $column =~ s/.*\.//r };
	my $type = $column eq $a->{at} ? $a->{at_type} : $known ? $known->{type} : 'integer';
	$type = $key_types{$type}{type} // $type;
	return { 'public.amount' => 'numeric(12,3)', 'public.name_of_key' => 'text COLLATE public.ignoring_case', 'public.number_of_key' => 'integer' }->{$type} // $type;
}

sub add_attachment
{
	my ($l, $p, %columns) = @_;
	my $t = $m->{table}{$p};
	my $number = ++$m->{attachment_number};
	my $set = $columns{key} && $columns{key} =~ /\.key2$/ ? 'key2' : 'key';
	my $value = $columns{value} // "$p." . ($t->{value_b} && (grep { $_ eq 'value_b' } @{ $t->{extra} }) && chance(0.4) ? 'value_b' : 'value');
	my $a = {
		l => $l, p => $p, keys => [ map { "$p.$_" } key_roles($p, $set) ], lkeys => [ map { "$l.$_" } key_roles($l) ], at => "$p.at", value => $value, tie => $t->{tie} ? "$p.$t->{tie}" : '',
		at_type => $t->{at}{type}, value_type => $columns{value_type} // $t->{ $value =~ s/.*\.//r }{type},
		null_value => pick('keep', 'keep', 'skip'), guard => pick('keep', 'keep', 'keep', 'error', 'off'), replication => pick('origin', 'origin', 'origin', 'always'),
		empty => chance($m->{simple} ? 0.1 : 0.25) ? 'keep' : 'null',
		%columns };
	$a->{keys} = [ $columns{key} ] if $columns{key};
	$a->{key} = $a->{keys}[0];
	my $number_value = is_number($a->{value_type});
	my $summable = $number_value && $a->{value_type} !~ /double|real/;
	$a->{condition} = $columns{fixed} ? undef : new_condition($l, $p, $value);
	my ($fk) = $a->{key} =~ /^(p\d+)\.(key2?)$/ ? $m->{table}{$1}{$2}{fk} : {};
	$a->{name_key} //= !$fk->{text} || $t->{key2} || $t->{owner} || chance(0.3);
	my $lt = $m->{table}{$l};
	$a->{name_lkey} //= !$fk->{text} && ($lt->{nullable} || @{ $a->{keys} } > 1) || chance(0.15);
	# The primary key says so where it has one column besides.
	my %of_key = map { $_ => 1 } @{ $a->{keys} }, $a->{at};
	my @others = grep { !$of_key{"$p.$_"} } @{ $t->{primary} // [] };
	$a->{name_tie} //= @others != 1 || "$p.$others[0]" ne $a->{tie} || chance(0.2);
	my %wanted = (last_price => chance(0.9), last_price_at => chance(0.5), previous_price => chance(0.4) && $number_value, lowest_price => chance(0.3) && $number_value, highest_price => chance(0.3) && $number_value,
		price_count => chance(0.35), price_total => chance(0.3) && $summable, first_price => chance(0.3) && $number_value);
	%wanted = (last_price => 1, last_price_at => chance(0.5), previous_price => chance(0.2) && $number_value, price_count => chance(0.2)) if $m->{simple} && chance(0.8);
	$wanted{last_price} = 1 unless grep { $_ } values %wanted;
	$wanted{price_count} = 0 if $wanted{price_count} && $a->{condition} && 0;
	# Some columns are there already, and where a listing without prices keeps what it has may be NOT NULL.
	my $exists = sub {
		my ($role, $type, $never_null) = @_;
		return if !$plain && ($a->{own_rows} && !$a->{made} || chance(0.7));
		return if $plain && $a->{own_rows} && !$a->{made};
		my $not_null = $never_null && chance(0.5);
		# What is long is no default.
		my $default = $not_null ? ($never_null eq 'zero' ? 0 : value_sql($type)) : '';
		$not_null = 0, $default = '' if $default =~ /SELECT/;
		run(resolve("ALTER TABLE {$l} ADD COLUMN {$role} $type" . ($not_null ? " NOT NULL DEFAULT $default" : '')));
		$m->{not_null}{$role} = 1 if $not_null;
		++$done{'NOT NULL'} if $not_null;
		chance(0.4) && $type !~ /json$|box|\[\]|text/ && run(resolve("CREATE INDEX ON {$l} ({$role})"));
		return 1;
	};
	my $is_not_null = sub { my ($role) = @_; return $a->{empty} eq 'keep' && !$columns{fixed} && $t->{$role}{not_null} };
	for my $target (grep { $wanted{$_} } @targets)
	{
		my $role = "$l.$target$number";
		$m->{name}{$role} = new_name($target =~ s/_.*//r);
		$a->{target}{$target} = $role;
		++$done{$target};
		my $type = type_of_target($a, $target);
		$type = 'numeric' if is_number($type) && $type !~ /double|real/ && $target ne 'last_price_at' && $target ne 'price_count' && chance(0.5);
		$type = 'integer' if $target eq 'price_count' && chance(0.4);
		$exists->($role, $type, $target =~ /total|count/ ? 'zero' : $target eq 'last_price' && $is_not_null->($a->{value} =~ s/.*\.//r)) and $a->{type}{$target} = $type;
	}
	# Further columns of the latest row.
	$a->{carried} = [];
	my %seen;
	for my $column ($plain || $columns{fixed} ? () : grep { $_ && !$seen{$_}++ && chance(/\.(c\d|lowered)$/ ? 0.6 : 0.2) } $a->{tie}, $a->{at}, "$p.id", $a->{keys}[-1], map { "$p.$_" } @{ $t->{extra} }, @{ $t->{generated} // [] })
	{
		next if $m->{simple} && $column !~ /\.(c\d|id|status|lowered)$/;
		my $base = $column =~ s/.*\.//r;
		my $role = "$l.carried${number}_$base";
		$m->{name}{$role} = new_name('carried');
		push @{ $a->{carried} }, [ $column, $role ];
		++$done{carried};
		$exists->($role, carried_type($a, $column), $base =~ /^c\d$/ && $is_not_null->($base));
	}
	push @{ $m->{attachments} }, $a;
	++$done{conditions} if defined $a->{condition};
	++$done{'empty keep'} if $a->{empty} eq 'keep';
	++$done{'keep_latest'} if $a->{own_rows};
	++$done{'listing_key'} if $a->{name_lkey};
	++$done{'no number'} if !$number_value;
	++$done{attachments};
	return if $plain && $a->{own_rows} && do { run(attach_plainly($a)); 1 };
	return if $plain;
	my $later = chance(0.2);
	run(attach_call($a, no_backfill => $later), [], 'attach', attach_plainly($a));
	run(refresh_call($a)) if $later;
	# A pointer to the latest row.
	my ($pointer) = map { $_->[1] } grep { $_->[0] eq "$p.id" } @{ $a->{carried} };
	if ($pointer && !$a->{own_rows} && !$m->{simple} && "@{ $t->{primary} // [] }" eq 'id' && $t->{kind} eq 'plain' && chance(0.4))
	{
		run(resolve("ALTER TABLE {$l} ADD FOREIGN KEY ({$pointer}) REFERENCES {$p} ({$p.id}) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED"), ['23503']) or ++$done{pointers};
	}
}

# A table for the latest row of each key, of one's own or made by keep_latest(); which can be one that listings do not have.
sub add_latest_table
{
	my ($p) = @_;
	my $number = ++$m->{latest_tables};
	my $k = "k$number";
	my $t = $m->{table}{$p};
	my @roles = key_roles($p);
	push @roles, 'status' if $t->{status} && (grep { $_ eq 'status' } @{ $t->{extra} }) && chance(0.25);
	my $made = $plain || chance(0.3);
	$m->{table}{$k} = { parts => [], key_roles => [@roles], key_count => $t->{key_count}, map { $_ => { type => $t->{$_}{type}, not_null => 1 } } @roles };
	$m->{name}{$k} = new_name('latest');
	$m->{name}{"$k.$_"} = $m->{name}{"$p.$_"} for @roles;
	if ($made)
	{
		my @columns = map { "{$k.$_} " . ($key_types{ $t->{$_}{type} }{type} // $t->{$_}{type}) } chance(0.5) ? @roles : reverse @roles;
		my $partitioned = chance(0.3);
		run(resolve("CREATE TABLE {$k} (own int DEFAULT 7, " . join(', ', @columns, 'PRIMARY KEY (' . columns($k, chance(0.5) ? @roles : reverse @roles) . ')') . ')' . ($partitioned ? " PARTITION BY HASH ({$k." . pick(@roles) . '})' : '')));
		for my $i ($partitioned ? (0, 1) : ())
		{
			$m->{name}{"${k}_$i"} = new_name('latest_part');
			run(resolve("CREATE TABLE {${k}_$i} PARTITION OF {$k} FOR VALUES WITH (MODULUS 2, REMAINDER $i)"));
		}
	}
	add_attachment($k, $p, own_rows => 1, made => $made, name_key => 1, name_lkey => 0, empty => 'null', keys => [ map { "$p.$_" } @roles ]);
	my $fk = $t->{key}{fk};
	if ($fk->{text} && $fk->{text} =~ /CASCADE/ && @roles == key_roles($fk->{l}) && chance(0.3))
	{
		$m->{latest_refers} = 1;
		run(resolve("ALTER TABLE {$k} ADD FOREIGN KEY (" . columns($k, @roles) . ") REFERENCES {$fk->{l}} (" . columns($fk->{l}, key_roles($fk->{l})) . ') ON DELETE CASCADE ON UPDATE CASCADE'), ['23503']);
	}
	# More of its columns.
	add_attachment($k, $p, name_key => 1, name_lkey => 1, keys => [ map { "$p.$_" } @roles ]) if chance(0.25);
}

sub refresh_call
{
	my ($a) = @_;
	return resolve("CALL listing_stats.refresh(" . literal(resolve("{$a->{l}}")) . ', ' . literal(resolve("{$a->{p}}")) . ', ' . pick(1, 3, 1000) . ')');
}

# Which rows count, as an expression of p, and of these those that can be the latest; and which are of the listing l.
sub counted
{
	my ($a) = @_;
	my $condition = $a->{condition} // 'true';
	$condition =~ s/\{\Q$a->{p}\E\.(\w+)\}/p.{$a->{p}.$1}/g;
	return ($condition, $a->{null_value} eq 'skip' ? "AND p.{$a->{value}} IS DISTINCT FROM NULL" : '', join ' AND ', map { "p.{$a->{keys}[$_]} = l.{$a->{lkeys}[$_]}" } 0 .. $#{ $a->{keys} });
}

# The columns that are wrong, as text; no row where all is right.
sub comparison
{
	my ($a) = @_;
	my ($condition, $known, $belongs) = counted($a);
	my $order = "ORDER BY p.{$a->{at}} DESC NULLS LAST, p.{$a->{tie}} DESC NULLS LAST LIMIT 1";
	my $of = "FROM {$a->{p}} p WHERE $belongs AND ($condition)";
	# What is not counted is the same to the byte.
	my $image = is_number($a->{value_type}) ? '' : '::text';
	my %expected = (last_price => "last.v$image", last_price_at => 'last.t', previous_price => 'previous.v', lowest_price => 'every.low', highest_price => 'every.high', price_count => 'every.n', price_total => 'every.total', first_price => 'first.v');
	my @kept = grep { $a->{target}{$_} } @targets;
	my $row = sub { my ($own, @of) = @_; return 'ROW(' . join(', ', $own ? map({ "l.{$a->{target}{$_}}" . ($_ eq 'last_price' ? $image : '') } grep { !ref } @of) : map({ $expected{$_} } grep { !ref } @of),
		map { $own ? "l.{$_->[1]}::text" : "last.{$_->[0]}::text" } grep { ref } @of) . ')' };
	my @all = (@kept, @{ $a->{carried} });
	my ($stored, $right) = map { $row->($_, @all) } 1, 0;
	my $keeps = sub { my ($pattern) = @_; return grep { /$pattern/ } @kept };
	my $differs = "$stored IS DISTINCT FROM $right";
	# Without prices what there was stays, except numbers.
	if ($a->{empty} eq 'keep')
	{
		my @numbers = grep { /count|total/ } @kept;
		$differs = "(last.found AND $differs" . (@numbers ? ' OR ' . $row->(1, @numbers) . ' IS DISTINCT FROM ' . $row->(0, @numbers) : '') . ')';
	}
	$differs = "(last.found IS NULL OR $differs)" if $a->{own_rows};
	my %source = map { $_->[0] => 1 } @{ $a->{carried} };
	my $joins = "LEFT JOIN LATERAL (SELECT true AS found, p.{$a->{value}} AS v, p.{$a->{at}} AS t" . join('', map { ", p.{$_}" } sort keys %source) . " $of $known $order) last ON true";
	$joins .= " LEFT JOIN LATERAL (SELECT p.{$a->{value}} AS v $of AND p.{$a->{value}} IS DISTINCT FROM NULL AND p.{$a->{value}} IS DISTINCT FROM last.v $order) previous ON true" if $keeps->('previous');
	$joins .= " LEFT JOIN LATERAL (SELECT p.{$a->{value}} AS v $of AND p.{$a->{value}} IS DISTINCT FROM NULL ORDER BY p.{$a->{at}} NULLS LAST, p.{$a->{tie}} NULLS LAST LIMIT 1) first ON true" if $keeps->('first');
	if (my @every = $keeps->('lowest|highest|count|total'))
	{
		my %every = (lowest_price => "min(p.{$a->{value}}) AS low", highest_price => "max(p.{$a->{value}}) AS high", price_count => "count(p.{$a->{value}}) AS n", price_total => "coalesce(sum(p.{$a->{value}}), 0) AS total");
		$joins .= ' LEFT JOIN LATERAL (SELECT ' . join(', ', map { $every{$_} } @every) . " $of) every ON true";
	}
	my $has_key = join ' AND ', map { "l.{$_} IS NOT NULL" } @{ $a->{lkeys} };
	my $query = "SELECT format('%s of %s: %s instead of %s', '@kept', ROW(" . join(', ', map { "l.{$_}" } @{ $a->{lkeys} }) . "), $stored, $right) FROM {$a->{l}} l $joins WHERE $has_key AND $differs";
	if ($a->{own_rows})
	{
		my $keys = join ', ', map { "p.{$_}" } @{ $a->{keys} };
		$query .= " UNION SELECT format('no row of %s', ROW($keys)) FROM {$a->{p}} p WHERE ($condition) $known AND " . join(' AND ', map { "p.{$_} IS NOT NULL" } @{ $a->{keys} }) . " AND NOT EXISTS (SELECT FROM {$a->{l}} l WHERE $belongs)";
	}
	return resolve($query) =~ s/\s+/ /gr;
}

sub verification
{
	my ($a) = @_;
	return resolve('SELECT * FROM listing_stats.verify(' . literal(resolve("{$a->{l}}")) . ', ' . literal(resolve("{$a->{p}}")) . ')');
}

# What is asked of an attachment's prices: the type of the key, some keys, an expression of the price as numeric, and which rows count.
sub question
{
	my ($of, $most) = @_;
	my ($type) = map { $_->{type} } $of->{key_column} // $m->{table}{ $of->{p} }{ $of->{key} =~ s/.*\.//r };
	my $has_time = $of->{at_type} !~ /int|numeric/;
	my $as_of = $has_time && chance(0.5)
		? (chance(0.1) ? pick("'infinity'", "'-infinity'", "'2100-01-01'") : literal(time_text('timestamptz', between(-2, $m->{big} ? pick(14, 400) : 14)))) . '::timestamptz' : undef;
	# Where there are several of a key, the value is named.
	my $several = grep { @{ $_->{keys} } == 1 && $_->{key} eq $of->{key} && $_ != $of } @{ $m->{attachments} };
	# And the key, where a row is of several.
	my $other_keys = grep { $_->{p} eq $of->{p} && "@{ $_->{keys} }" ne "@{ $of->{keys} }" } @{ $m->{attachments} };
	# Of several attachments of that value, one of all prices is read, with or without a condition, before one of those that are known.
	my ($read) = sort { !!$a->{condition} <=> !!$b->{condition} || ($a->{null_value} eq 'skip') <=> ($b->{null_value} eq 'skip') }
		grep { @{ $_->{keys} } == 1 && $_->{key} eq $of->{key} && $_->{value} eq $of->{value} } @{ $m->{attachments} };
	my @where = ($read // $of)->{null_value} eq 'skip' ? "p.{$of->{value}} IS DISTINCT FROM NULL" : ();
	return {
		ask => $key_types{$type}{ask}, type => $key_types{$type}{type} // $type, has_time => $has_time, as_of => $as_of,
		keys => [ map { literal(key_text($type, any_key())) } 1 .. between(0, $most) ],
		numeric => $of->{value_type} =~ /double|real/ ? "p.{$of->{value}}::text::numeric" : "p.{$of->{value}}::numeric",
		known => \@where, until => $as_of ? "p.{$of->{at}} <= ($as_of)::$of->{at_type}" : 'true',
		names_value => $several ? ', value => ' . literal($m->{name}{ $of->{value} }) : '',
		names_key => $m->{several}{ $of->{p} } || $several || $other_keys || chance(0.3),
		newest => "p.{$of->{at}} DESC NULLS LAST, p.{$of->{tie}} DESC NULLS LAST" };
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
	push @arguments, 'key => ' . literal($m->{name}{ $a->{key} }) if $q->{names_key};
	my $arguments = join(', ', @arguments) . $q->{names_value};
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
	my $column = ($q->{names_key} ? ', key_column => ' . literal($m->{name}{ $a->{key} }) : '') . $q->{names_value};
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
		# Those of one column and of numbers.
		next if @{ $a->{keys} } > 1 || !is_number($a->{value_type});
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
		my $number = chance(0.5) ? "i % $m->{keys} + 1" : any_key();
		my %expression = ((map { $_ => key_of_series($p, $_, $number) } key_roles($p)), at => $at, map { $_ => value_expression($t->{$_}, 'i') } 'value', @{ $t->{extra} });
		$expression{key2} = key_of_series($p, 'key2', "i % $m->{keys} + 1") if $t->{key2};
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
	my $n = any_key();
	my $one = has_key($p, $n);
	my $newest = "(SELECT q.{$p.id} FROM {$p} q WHERE " . has_key($p, $n, 'q') . " ORDER BY q.{$p.at} DESC NULLS LAST, q.{$p.$t->{tie}} DESC LIMIT 1)";
	return pick('true', some_rows($p), some_rows($p), "{$p}.{$p.at} < " . time_sql($t->{at}{type}, between(5, 300))) if $m->{simple} && chance(0.4);
	return pick($one, $one, "{$p}.{$p.id} = $newest", "{$p}.{$p.id} = $newest", some_rows($p), some_rows($p),
		"{$p}.{$p.at} " . pick('<', '>=', '=') . ' ' . time_sql($t->{at}{type}, between(0, 12)), "{$p}.{$p." . pick(key_roles($p)) . "} IS NULL", "{$p}.{$p.value} IS NULL", 'true',
		map { "{$p}.{$p.$_} = " . pick("'ask'", "'bid'") } grep { $_ eq 'status' } @{ $t->{extra} });
}

sub update_prices
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	my @set;
	my $number = is_number($t->{value}{type});
	push @set, "{$p.value} = " . pick(price_value($p), price_value($p), "{$p.value}", $number ? "{$p}.{$p.value} + 1" : (), ($t->{value}{not_null} || !$number ? () : "nullif({$p}.{$p.value}, 2)")) if chance(0.5);
	push @set, "{$p.at} = " . price_time($p) if chance(0.3);
	# All columns of the key, or one of them.
	my %key = price_keys($p, 'key');
	my @roles = key_roles($p);
	@roles = pick(@roles) if chance(0.4);
	push @set, map { "{$p.$_} = $key{$_}" } @roles if chance(0.25);
	push @set, "{$p.key2} = " . {price_keys($p, 'key2')}->{key2} if $t->{key2} && chance(0.3);
	for my $role (@{ $t->{extra} })
	{
		push @set, "{$p.$role} = " . pick(price_value($p, $role), price_value($p, $role), "{$p.$role}") if chance($role =~ /status|gone/ ? 0.3 : 0.15);
	}
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
	my %type = map { $_ => $_ =~ /^key/ ? $key_types{ $t->{$_}{type} }{type} // $t->{$_}{type} : $t->{$_}{type} } key_roles($p), 'at', 'value', $t->{key2} ? 'key2' : (), @{ $t->{extra} };
	my @roles = sort keys %type;
	my $source = join ', ', map { my %value = price_values($p); '(' . join(', ', map { "$value{$_}::$type{$_}" } @roles) . ')' } 1 .. between(1, 4);
	my $update = 'UPDATE SET ' . pick("{$p.value} = s.value", "{$p.value} = s.value, {$p.at} = s.at", "{$p.note} = 'merged'", (map { "{$p.$_} = s.$_" } key_roles($p)), map { "{$p.$_} = s.$_" } @{ $t->{extra} });
	my $some = is_number($t->{value}{type}) ? 's.value > ' . between(0, 5) : "s.value::text < 'b'";
	my @when = ("WHEN MATCHED AND $some THEN " . pick($update, 'DELETE', 'DO NOTHING'), 'WHEN MATCHED THEN ' . pick($update, 'DELETE'),
		'WHEN NOT MATCHED THEN ' . pick('DO NOTHING', ("INSERT (" . columns($p, @roles) . ') VALUES (' . join(', ', map { "s.$_" } @roles) . ')') x 3));
	return 'MERGE INTO ' . target($p) . " USING (VALUES $source) AS s (" . join(', ', @roles) . ") ON " . join(' AND ', map { "{$p}.{$p.$_} = s.$_" } key_roles($p)) . " AND {$p}.{$p.at} " . pick('=', '<', '>') . " s.at @when[0..2]";
}

sub copy_prices
{
	my ($p) = @_;
	my $t = $m->{table}{$p};
	my @extra = grep { chance(0.7) } @{ $t->{extra} };
	my @roles = (key_roles($p), 'at', 'value', @extra);
	my $lines = join '', map {
		my $n = $t->{key}{fk}{immediate} ? between(1, $m->{keys}) : any_key();
		my %text = ((map { $_ => key_text($t->{$_}{type}, key_part($n, $part{$_}, key_count($p, $_))) } key_roles($p)), at => time_text($t->{at}{type}, between(0, 12)), map { $_ => value_in_copy($t->{$_}{type}) } 'value', @extra);
		join(',', @text{@roles}) . '\\n'
	} 1 .. between(1, 15);
	return 'COPY {' . part_of($p) . '} (' . columns($p, @roles) . ") FROM PROGRAM 'printf \"$lines\"' (FORMAT csv, QUOTE '|')";
}

sub with_prices
{
	my ($p) = @_;
	my @roles = price_roles($p);
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
	my $n = between(1, $m->{keys} + 3);
	return join ', ', map {
		exists $part{$_} ? ($t->{nullable} && chance(0.15) ? 'NULL' : key_value($l, $_, $n)) : $_ eq 'note' ? pick("'a'", 'NULL') : $_ eq 'grp' ? between(1, 3) : $_ eq 'n' ? between(0, 3) : kept_value($l, $_)
	} @roles;
}

# What an application may write to a kept column.
sub kept_value
{
	my ($l, $role) = @_;
	my $never_null = $m->{not_null}{"$l.$role"};
	for my $a (grep { $_->{l} eq $l } @{ $m->{attachments} })
	{
		for my $target (grep { $a->{target}{$_} && "$l.$role" eq $a->{target}{$_} } @targets)
		{
			return 'NULL' if chance(0.3) && !$never_null;
			return $target eq 'last_price_at' ? time_sql($a->{at_type}, between(0, 12)) : $target =~ /count|total/ ? between(0, 9) : $a->{value_type} =~ /smallint/ ? between(0, 9) : value_sql($a->{value_type});
		}
		for my $carried (grep { "$l.$role" eq $_->[1] } @{ $a->{carried} })
		{
			my $type = carried_type($a, $carried->[0]);
			return $never_null ? 'DEFAULT' : 'NULL' if chance(0.3) || !is_number($type) && !$other_values{$type};
			return value_sql($type);
		}
	}
	return $never_null ? 'DEFAULT' : 'NULL';
}

# The kept columns that may be written: not where that would stay.
sub kept_roles
{
	my ($l, $insert) = @_;
	return map { s/^\w+\.//r } map { kept_columns($_) } grep { $_->{l} eq $l && ($insert || $_->{guard} ne 'off') } @{ $m->{attachments} };
}

sub insert_listings
{
	my ($l) = @_;
	my $t = $m->{table}{$l};
	my @kept = kept_roles($l, 1);
	my @keys = key_roles($l);
	my @roles = (@keys, 'grp', (chance(0.3) ? 'note' : ()), (@kept && chance(0.3) ? pick(@kept) : ()));
	my $target = columns($l, @keys);
	my $conflict = chance(0.5) ? ' ON CONFLICT ' . pick('DO NOTHING', $t->{shared} ? () : ("($target) DO NOTHING", "($target) DO UPDATE SET {$l.n} = {$l}.{$l.n} + 1", "($target) DO UPDATE SET {$l.note} = 'again'")) : '';
	if (chance(0.2) && !grep { $t->{$_}{type} eq 'kind' } @keys)
	{
		my ($from) = between(1, 3);
		return "INSERT INTO {$l} ($target, {$l.grp}) SELECT " . join(', ', map { key_of_series($l, $_, 'i') } @keys) . ", i % 3 FROM generate_series($from, " . ($m->{keys} + between(0, 3)) . ') i ON CONFLICT DO NOTHING';
	}
	return "INSERT INTO {$l} (" . columns($l, @roles) . ') VALUES ' . join(', ', map { '(' . listing_row($l, @roles) . ')' } 1 .. pick(1, 1, 2, 3)) . $conflict;
}

sub where_listings
{
	my ($l) = @_;
	my @keys = key_roles($l);
	my $some = 'ROW(' . columns($l, @keys) . ') IN (' . join(', ', map { my $n = any_key(); 'ROW(' . join(', ', map { key_value($l, $_, $n) } @keys) . ')' } 1 .. 3) . ')';
	return pick((map { has_key($l, any_key()) } 1 .. 3), $some =~ s/\{\Q$l\E\./{$l}.{$l./gr, "{$l}.{$l.grp} = " . between(0, 2), 'true');
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
		my @keys = key_roles($l);
		my $n = between(1, $m->{keys} + 3);
		push @set, map { "{$l.$_} = " . ($t->{nullable} && chance(0.3) ? 'NULL' : key_value($l, $_, $n)) } chance(0.4) ? pick(@keys) : @keys;
		$where = has_key($l, any_key());
	}
	push @set, "{$l.n} = 0" if !@set;
	return 'UPDATE ' . target($l) . ' SET ' . join(', ', @set) . " WHERE $where";
}

sub delete_listings { my ($l) = @_; return 'DELETE FROM ' . target($l) . ' WHERE ' . where_listings($l) }

sub merge_listings
{
	my ($l) = @_;
	my $t = $m->{table}{$l};
	my @keys = key_roles($l);
	my @kept = kept_roles($l);
	my $source = join ', ', map { my $n = any_key(); '(' . join(', ', map { key_value($l, $_, $n) . '::' . ($key_types{ $t->{$_}{type} }{type} // $t->{$_}{type}) } @keys) . ')' } 1 .. 3;
	my $set = @kept && chance(0.4) ? do { my $role = pick(@kept); "{$l.$role} = " . kept_value($l, $role) } : "{$l.n} = {$l}.{$l.n} + 1";
	return 'MERGE INTO ' . target($l) . " USING (VALUES $source) AS s (" . join(', ', @keys) . ') ON ' . join(' AND ', map { "{$l}.{$l.$_} = s.$_" } @keys) . " WHEN MATCHED AND {$l}.{$l.grp} = 1 THEN " . pick('DELETE', 'DO NOTHING')
		. " WHEN MATCHED THEN UPDATE SET $set WHEN NOT MATCHED THEN INSERT (" . columns($l, @keys) . ", {$l.grp}) VALUES (" . join(', ', map { "s.$_" } @keys) . ', 2)';
}

# What is done to the table of keep_latest(), and is put right.
sub change_latest
{
	my ($k) = @_;
	my @keys = key_roles($k);
	my @kept = kept_roles($k);
	my $n = any_key();
	my $where = chance(0.75) ? has_key($k, any_key()) : 'true';
	my $update = @kept ? do { my $role = pick(@kept); "UPDATE {$k} SET {$k.$role} = " . kept_value($k, $role) . " WHERE $where" } : "DELETE FROM {$k} WHERE $where";
	return pick("DELETE FROM {$k} WHERE $where", $update, $update,
		"INSERT INTO {$k} (" . columns($k, @keys) . ') VALUES (' . join(', ', map { key_value($k, $_, $n) } @keys) . ')' . pick('', ' ON CONFLICT DO NOTHING'),
		"UPDATE {$k} SET " . join(', ', map { "{$k.$_} = " . key_value($k, $_, $n) } chance(0.5) ? pick(@keys) : @keys) . ' WHERE ' . has_key($k, any_key()));
}

# What an application writes to listings without prices stays, where empty => 'keep' says so.
sub write_empty
{
	my ($a) = pick(grep { $_->{empty} eq 'keep' && $_->{guard} eq 'keep' && $_->{target}{last_price} } @{ $m->{attachments} });
	return if !$a || @{ $m->{triggers} };
	my ($condition, $known, $belongs) = counted($a);
	my $column = $a->{target}{last_price};
	my $value = value_sql($a->{value_type});
	my $as_kept = "($value)::" . type_of_kept($a, $column) . '::text';
	try_to("UPDATE {$a->{l}} SET {$column} = $value", [refusals()], sub {
		run(resolve("SELECT format('%s instead of %s without prices', l.{$column}, $as_kept) FROM {$a->{l}} l WHERE l.{$column}::text IS DISTINCT FROM $as_kept AND NOT EXISTS (SELECT FROM {$a->{p}} p WHERE $belongs AND ($condition) $known)"), [], 'difference');
	});
}

# What a part of the key refers to, where that is a table of its own.
sub change_owner
{
	my $l = $m->{owner};
	my ($one, $other) = map { key_value($l, 'key', any_key()) } 1, 2;
	return pick("DELETE FROM {owner} WHERE {owner.key} = $one", "UPDATE {owner} SET {owner.key} = $other WHERE {owner.key} = $one", ("INSERT INTO {owner} VALUES ($one) ON CONFLICT DO NOTHING") x 2);
}

# ---------------------------------------------------------------------------------------------------------------------
# Triggers of the user's

# What one of them may do to other rows.
sub action
{
	my ($t) = @_;
	# It runs often.
	local $m->{big};
	my $p = pick(tables_of('p'));
	my $l = pick(tables_of('l'));
	my $table = $m->{table}{$p};
	my @roles = price_roles($p);
	my $changed = pick('value', @{ $table->{extra} });
	my @actions = (
		"INSERT INTO {$p} (" . columns($p, @roles) . ') VALUES (' . price_row($p, @roles) . ')',
		"UPDATE {$p} SET {$p.$changed} = " . price_value($p, $changed) . ' WHERE ' . has_key($p, any_key()),
		"DELETE FROM {$p} WHERE {$p.id} = (SELECT min(q.{$p.id}) FROM {$p} q WHERE " . has_key($p, any_key(), 'q') . ')',
		(map { change_latest($_) } tables_of('k')),
		"UPDATE {$l} SET {$l.n} = {$l}.{$l.n} + 1 WHERE " . where_listings($l),
		update_listings($l), delete_prices($p), insert_prices($p),
		do { my $n = any_key(); "INSERT INTO {$l} (" . columns($l, key_roles($l)) . ') VALUES (' . join(', ', map { key_value($l, $_, $n) } key_roles($l)) . ') ON CONFLICT DO NOTHING' });
	# A price of the very listing, or of the price's.
	my @of_price = key_roles($p);
	push @actions, ("INSERT INTO {$p} (" . columns($p, @of_price) . ", {$p.at}, {$p.value}) SELECT " . join(', ', map { "NEW.{$t.$_}" } @of_price) . ', ' . price_time($p) . ', ' . price_value($p) . " WHERE NEW.{$t.key} IS NOT NULL") x 3
		if ($t eq $p || $t eq $l && $table->{key}{l} eq $t) && @of_price == key_roles($t);
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
	return pick("UPDATE {$l} SET {$l.n} = {$l}.{$l.n} + 1 WHERE " . has_key($l, any_key()) . ';', "DELETE FROM {$p} WHERE {$p.value} IS NULL;");
}

sub add_trigger
{
	my $number = ++$m->{trigger_number};
	my $t = chance(0.5) ? pick(tables_of('p')) : pick(tables_of('l'), tables_of('k'));
	my $kind = $t =~ /^k/ ? pick(qw(after after deferred)) : pick(qw(after after after statement before before deferred deferred));
	my $name = pick('A', 'z') . $number;
	my $most = between(1, 3);
	my $body;
	my $events = pick('INSERT', 'UPDATE', 'DELETE', 'INSERT OR UPDATE', 'INSERT OR UPDATE OR DELETE', 'INSERT OR DELETE');
	if ($kind eq 'before')
	{
		my @bodies = ("IF TG_OP <> 'DELETE' THEN NEW.{$t.note} := 'before'; END IF;");
		if ($t =~ /^p/)
		{
			my $changed = pick('value', @{ $m->{table}{$t}{extra} });
			push @bodies, "IF TG_OP <> 'DELETE' THEN NEW.{$t.$changed} := " . price_value($t, $changed) . '; END IF;', "IF TG_OP = 'INSERT' AND NEW.{$t.value}::text = '3' THEN RETURN NULL; END IF;";
		}
		else
		{
			push @bodies, "IF TG_OP = 'INSERT' THEN NEW.{$t.n} := 7; END IF;", "IF TG_OP = 'UPDATE' AND NEW.{$t.n} = 2 THEN NEW.{$t.key} := " . key_value($t, 'key', any_key()) . '; END IF;';
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
		$body = "IF NEW.{$t.note} = 'a' THEN RAISE 'no'; END IF; $body" if chance(0.1) && $t !~ /^k/;
		# Such a row of a statement has no NEW
		$body =~ s/NEW\.(\{[\w.]+\})/(SELECT f.$1 FROM fresh f ORDER BY 1 LIMIT 1)/g if $kind eq 'statement';
		$events = 'INSERT' if $kind eq 'statement';
	}
	$m->{catches} = 1 if $body =~ /EXCEPTION/;
	$m->{changes_rows}{$_} = 1 for $body =~ /(?:UPDATE|DELETE FROM) \{([lpk])/g;
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
	my ($template, $allowed, $then, $plainly) = @_;
	++$done{statements};
	my $code = run(resolve($template), $allowed, 'statement', $plainly);
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
	my $t = pick(tables_of('p'), tables_of('l'), tables_of('k'));
	my @roles = grep { /^\Q$t\E\./ && $_ !~ /\.(key2|seq)$/ } sort keys %{ $m->{name} };
	push @roles, "$t.key2" if $m->{table}{$t}{key2};
	my %kept = map { $_ => 1 } map { kept_columns($_) } @{ $m->{attachments} };
	my %extra = map { $_ => 1 } @{ $m->{table}{$t}{extra} // [] };
	@roles = grep { $kept{$_} || /\.(key|key_b|key_c|key2|at|value|note|n|grp|id|lowered)$/ || $extra{s/.*\.//r} } @roles;
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
	my @kept = map { my $a = $_; map { [ $a, $a->{target}{$_}, $_ ] } grep { $_ !~ /count|_at$/ } sort keys %{ $a->{target} } } grep { $_->{p} eq $p && $_->{value} eq "$p.value" } @{ $m->{attachments} };
	if ($wider && chance(0.4) && !grep { $_->{value_is_kept} } @{ $m->{attachments} })
	{
		for my $kept (@kept)
		{
			my $type = $wider =~ /numeric/ || $kept->[2] eq 'price_total' ? 'numeric' : $wider eq 'bigint' ? 'bigint' : pick('integer', 'bigint');
			return if ddl("ALTER TABLE {$kept->[0]{l}} ALTER {$kept->[1]} TYPE $type", sub { $kept->[0]{type}{ $kept->[2] } = $type }, '22003');
		}
		ddl("ALTER TABLE {$p} ALTER {$p.value} TYPE $wider", sub {
			$t->{value}{type} = $wider;
			$_->{value_type} = $wider for grep { $_->{p} eq $p && $_->{value} eq "$p.value" } @{ $m->{attachments} };
			rename_in_triggers();
		});
		return;
	}
	# What is carried, or decides: first the columns that keep it.
	my %other = (text => 'varchar(100)', 'varchar(10)' => 'text', 'numeric(10,2)' => 'numeric(14,4)', integer => 'bigint', 'integer[]' => 'bigint[]');
	my @extra = grep { /^(c\d|status|gone)$/ && $other{ $t->{$_}{type} } } @{ $t->{extra} };
	if (@extra && chance(0.5))
	{
		my $role = pick(@extra);
		my $type = $other{ $t->{$role}{type} };
		# One that is a key too stays what it is.
		return if $t->{$role}{type} eq 'text' && chance(0.7) || grep { my $a = $_; grep { $_ eq "$p.$role" } @{ $a->{keys} } } @{ $m->{attachments} };
		for my $a (grep { $_->{p} eq $p } @{ $m->{attachments} })
		{
			for my $carried (grep { $_->[0] eq "$p.$role" } @{ $a->{carried} })
			{
				return if ddl("ALTER TABLE {$a->{l}} ALTER {$carried->[1]} TYPE " . ($type eq 'varchar(100)' ? 'text' : $type), undef, '42804');
			}
		}
		ddl("ALTER TABLE {$p} ALTER {$p.$role} TYPE $type", sub { $t->{$role}{type} = $type; rename_in_triggers() }, qw(42804 22001));
		return;
	}
	my $role = pick(key_roles($p));
	my $key = $t->{$role};
	my $new = $key_types{ $key->{type} }{alters};
	return unless $new && $t->{kind} !~ /list|hash_key|two_levels/;
	# What keeps it has to take it.
	return if grep { my $a = $_; grep { $_->[0] eq "$p.$role" } @{ $a->{carried} } } @{ $m->{attachments} };
	# Its foreign key is checked, which may have been put off; and what a condition compares it with may have no such operator.
	ddl("ALTER TABLE {$p} ALTER {$p.$role} TYPE $new", sub { $key->{type} = $new; rename_in_triggers() }, '23503');
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
	my @not_null = grep { $m->{not_null}{$_} && $_ !~ /\.price_(count|total)/ } kept_columns($a);
	$new->{empty} = pick('null', 'keep') if !$a->{own_rows} && !@not_null && chance(0.5);
	$new->{condition} = new_condition($a->{l}, $a->{p}, $a->{value}) if chance(0.4);
	my $carry_none = @{ $a->{carried} } && keys %{ $a->{target} } && chance(0.15);
	$new->{carried} = [] if $carry_none;
	my $t = $m->{table}{ $a->{p} };
	if (!$carry_none && $t->{extra} && @{ $t->{extra} } && chance(0.3))
	{
		my $role = "$a->{l}.carried_" . ++$name_number;
		$m->{name}{$role} = new_name('carried');
		push @{ $new->{carried} }, [ "$a->{p}." . pick(@{ $t->{extra} }), $role ];
	}
	my @none;
	if (chance(0.5))
	{
		my @kept = sort keys %{ $new->{target} };
		push @none, pick(@kept) if @kept > 1;
		delete $new->{target}{ $none[0] } if @none;
	}
	elsif (my @others = grep { !$new->{target}{$_} && (is_number($a->{value_type}) || /last_price|count/) && ($_ ne 'price_total' || $a->{value_type} !~ /double|real/) } @targets)
	{
		my $target = pick(@others);
		my $role = "$a->{l}.${target}_" . ++$name_number;
		$m->{name}{$role} = new_name($target =~ s/_.*//r);
		$new->{target}{$target} = $role;
	}
	# Which one it is is said by a column that it keeps.
	return if !grep { my $role = $_; grep { $_ eq $role } kept_columns($a) } kept_columns($new);
	$new->{name_key} = 1;
	$m->{ddl} = 1;
	my $several = of_both($a) > 1;
	try_to(attach_call($new, options => 1, carry_none => $carry_none, map { $_ => 1 } @none), [ refusals(), qw(55006 428C9) ], sub { %$a = %$new }, attach_plainly($new));
}

sub detach_and_attach
{
	my $a = pick(@{ $m->{attachments} });
	return if $a->{fixed};
	# keep_latest() calls the columns of its table as those of prices.
	return if $a->{own_rows} && grep { $m->{name}{ $a->{keys}[$_] } ne $m->{name}{ $a->{lkeys}[$_] } } 0 .. $#{ $a->{keys} };
	$m->{ddl} = 1;
	# One of several is named by a column that it keeps.
	my $one = of_both($a) > 1 || chance(0.4) ? ', ' . literal($m->{name}{ pick(kept_columns($a)) }) : '';
	my $detach = 'SELECT FROM listing_stats.detach(' . literal(resolve("{$a->{l}}")) . ', ' . literal(resolve("{$a->{p}}")) . "$one) d WHERE d <> 1";
	return if try_to($detach, ['55006']);
	if (of_both($a) > 1 && chance(0.3))
	{
		$m->{attachments} = [ grep { $_ != $a } @{ $m->{attachments} } ];
		return;
	}
	try_to(insert_prices($a->{p}), [refusals()]) if !$m->{transaction};
	# A trigger of the user's may be against it.
	die { lost => 1 } if try_to(attach_call($a, options => 1), [ refusals(), qw(55006 55000) ], undef, attach_plainly($a));
}

# Of a kept column that goes the others are kept on; what a condition or a key needs detaches.
sub drop_kept_column
{
	my ($a) = pick(grep { keys %{ $_->{target} } > 1 && !$_->{fixed} } @{ $m->{attachments} });
	return if !$a;
	if (@{ $a->{carried} } && chance(0.5))
	{
		my $carried = pick(@{ $a->{carried} });
		ddl("ALTER TABLE {$a->{l}} DROP COLUMN {$carried->[1]}", sub { $a->{carried} = [ grep { $_ != $carried } @{ $a->{carried} } ] }) if !in_triggers($carried->[1]);
		return;
	}
	my $target = pick(sort keys %{ $a->{target} });
	ddl("ALTER TABLE {$a->{l}} DROP COLUMN {$a->{target}{$target}}", sub { delete $a->{target}{$target} }) if !$m->{uses}{ $a->{target}{$target} } && !in_triggers($a->{target}{$target});
}

sub drop_price_column
{
	my $p = pick(tables_of('p'));
	my $t = $m->{table}{$p};
	my @of_key = grep { $_ ne 'key' } key_roles($p);
	my $role = @of_key && $t->{kind} eq 'plain' && chance(0.15) ? pick(@of_key) : @{ $t->{extra} } ? pick(@{ $t->{extra} }) : return;
	return if in_triggers("$p.$role");
	# With the last one all would end.
	my @lost = grep { my $a = $_; $a->{p} eq $p && ($a->{value} eq "$p.$role" || ($a->{condition} // '') =~ /\{\Q$p.$role\E\}/ || grep { $_ eq "$p.$role" } @{ $a->{keys} }) } @{ $m->{attachments} };
	return if @lost == @{ $m->{attachments} };
	ddl("ALTER TABLE {$p} DROP COLUMN {$p.$role}", sub {
		my %lost = map { $_ => 1 } @lost;
		$m->{attachments} = [ grep { !$lost{$_} } @{ $m->{attachments} } ];
		$_->{carried} = [ grep { $_->[0] ne "$p.$role" } @{ $_->{carried} } ] for grep { $_->{p} eq $p } @{ $m->{attachments} };
		$t->{extra} = [ grep { $_ ne $role } @{ $t->{extra} } ];
		$t->{key_roles} = [ grep { $_ ne $role } @{ $t->{key_roles} } ];
		$t->{key}{fk} = { l => $t->{key}{l}, kind => 'none' } if $role =~ /^key/;
		# A row of its own table may have lost what keeps it, and an attachment its last column.
		$m->{attachments} = [ grep { kept_columns($_) } @{ $m->{attachments} } ];
	});
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
	my $t = pick(tables_of('p'), tables_of('l'), tables_of('k'));
	my $p = pick(tables_of('p'));
	run(resolve(pick("VACUUM {$t}", "VACUUM {$p}", "VACUUM (FREEZE) {$t}", "VACUUM FULL {$t}", "REINDEX TABLE {$t}", 'DISCARD PLANS', "CHECKPOINT" =~ s/CHECKPOINT/VACUUM {$p}/r, "CLUSTER {$t}")), [qw(42704 0A000)]);
}

sub truncate_something
{
	my $p = pick(tables_of('p'));
	my $t = $m->{table}{$p};
	my @parts = grep { $t->{early}{$_} } @{ $t->{parts} };
	my $l = $t->{key}{l};
	# Not the table of keep_latest(), where it refers to listings.
	return if $m->{latest_refers};
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
	[ 5, sub { my $k = pick(tables_of('k')); try_to(change_latest($k), [refusals()]) }, sub { !$plain && tables_of('k') } ],
	[ 1.5, \&write_empty, sub { !$plain && grep { $_->{empty} eq 'keep' } @{ $m->{attachments} } } ],
	[ 3, sub { try_to(change_owner(), [refusals()]) }, sub { $m->{owner} } ],
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
	[ 0.7, sub { as_owner(); drop_kept_column() } ],
	[ 0.5, sub { as_owner(); drop_price_column() } ],
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
	my $second = $m->{reading} ? '' : pick('', '', 'prices', 'key', 'listings', 'chain', 'same', 'same', 'latest', 'latest', 'alone');
	create_listing('l0', nullable => chance(0.2), single => ($m->{reading} || $second =~ /key|chain/ ? 1 : 0));
	create_listing('l1', single => 1, plain => $second eq 'chain', nullable => 0, $second eq 'chain' ? (type => 'integer') : ()) if $second =~ /listings|chain/;
	create_prices('p0', 'l0', number => $second eq 'chain', $second eq 'key' ? (key2 => 'l0') : $second eq 'listings' ? (key2 => 'l1') : ());
	create_prices('p1', 'l0') if $second eq 'prices';
	$m->{several}{p0} = 1 if $second =~ /key|listings/;
	my $first_rows = sub {
		for my $l (tables_of('l'))
		{
			run(resolve("INSERT INTO {$l} (" . columns($l, key_roles($l)) . ", {$l.grp}) SELECT " . join(', ', map { key_of_series($l, $_, 'i') } key_roles($l)) . ", i % 3 FROM generate_series(1, $m->{keys}) i"));
		}
		run(resolve(insert_prices('p0')), [refusals()]) for 1 .. between(0, 2);
	};
	my $rows_first = chance(0.5);
	$first_rows->() if $rows_first;
	add_attachment('l0', 'p0', $second eq 'chain' ? (value => 'p0.value') : ()) if $second ne 'alone';
	if ($second eq 'same')
	{
		add_attachment('l0', 'p0') for 1 .. pick(1, 1, 2);
	}
	add_latest_table('p0') if $second =~ /latest|alone/;
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
			# Without what keeps them columns always differ.
			my @fewer = @entries;
			my @gone = splice @fewer, $i, $size;
			next if $fault =~ /^(difference|verify)/ && grep { defined $_->[3] && index($fewer[-1][0], $_->[3] =~ s/^(?:CREATE|ALTER) TABLE (?:IF NOT EXISTS )?("(?:[^"]|"")*").*/$1/sr) >= 0 } @gone;
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
		push @plain, defined $entry->[3] ? [ $entry->[3], [], 'statement' ] : $entry;
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
	my ($text) = $failure->{text} =~ /([^\n]*)/;
	my $title = "schema $number, LISTING_STATS_SEED=$number LISTING_STATS_RANDOM_SCHEMAS=1: $failure->{fault}: $text";
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
	if ($failure->{fault} =~ /^(crash|error |warning)/ && !$plain && replay([ without_extension(@needed) ]) eq $failure->{fault})
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
	my $seen = '';
	# The crash before can still end the session of this one.
	for (my $try = 0; !$seen && $try < 3; ++$try)
	{
		reconnect();
		tell_session("DROP SCHEMA IF EXISTS own CASCADE;\nCREATE SCHEMA own;\nSET search_path = own");
		eval { $session->run($own_traps{$trap}) };
		reconnect();
		# The server can let us in before it has seen that a process of it has gone.
		for (1 .. 50)
		{
			last if $seen = new_trap();
			sleep 0.1;
			reconnect();
		}
	}
	like($seen, qr/\Q$trap\E/, "PostgreSQL's own assertion: $trap");
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
