# D15: ALTER EXTENSION UPDATE leads to the catalogue that a fresh installation has: every update script that there is, from
# every version that can be installed.  That a script which leaves something out is noticed is shown by made-up ones.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $directory = `pg_config --sharedir`);
$directory .= '/extension';
my @made;
END { unlink @made }

sub script
{
	my ($versions, $text) = @_;
	push @made, "$directory/listing_stats--$versions.sql";
	unlink $made[-1];
	append_to_file($made[-1], $text);
}

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;

# All that the extension has, a line each, without OIDs.
my $catalogue = q{
	SET search_path = pg_catalog;
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE e.extname = 'listing_stats' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'),
	table_of AS (SELECT c.* FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid)
	SELECT translate(line, E'\n', ' ') FROM (
		SELECT concat_ws('|', pg_describe_object(m.classid, m.objid, 0), coalesce(obj_description(m.objid, m.classid::regclass::name), shobj_description(m.objid, m.classid::regclass::name)), i.privtype, i.initprivs)
			FROM member m LEFT JOIN pg_init_privs i ON (i.classoid, i.objoid, i.objsubid) = (m.classid, m.objid, 0)
		UNION ALL SELECT concat_ws('|', 'extension', e.extversion, e.extnamespace::regnamespace, e.extrelocatable, e.extconfig::regclass[], e.extcondition, obj_description(e.oid, 'pg_extension'))
			FROM pg_extension e WHERE extname = 'listing_stats'
		UNION ALL SELECT concat_ws('|', 'schema', n.nspname, n.nspowner::regrole, n.nspacl) FROM member m JOIN pg_namespace n ON m.classid = 'pg_namespace'::regclass AND n.oid = m.objid
		UNION ALL SELECT concat_ws('|', 'function', p.proowner::regrole, p.proacl, CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE
				concat_ws('|', p.oid::regprocedure, p.provolatile, p.proparallel, pg_get_function_arguments(p.oid), p.prorettype::regtype, a.aggkind, a.aggnumdirectargs, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn,
					a.aggminvtransfn, a.aggmfinalfn, a.aggfinalextra, a.aggfinalmodify, a.aggsortop::regoperator, a.aggtranstype::regtype, a.aggtransspace, a.agginitval) END)
			FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
		UNION ALL SELECT concat_ws('|', 'type', t.oid::regtype, t.typowner::regrole, t.typacl, t.typlen, t.typbyval, t.typtype, t.typcategory, t.typispreferred, t.typdelim, t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout,
				t.typanalyze, t.typsubscript, t.typalign, t.typstorage, t.typnotnull, t.typbasetype::regtype, t.typcollation::regcollation, t.typdefault)
			FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
		UNION ALL SELECT concat_ws('|', 'table', c.oid::regclass, c.relowner::regrole, c.relacl, c.relkind, c.relpersistence, c.reloptions, c.relrowsecurity, c.relreplident, (SELECT amname FROM pg_am WHERE oid = c.relam), CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
			FROM table_of c
		UNION ALL SELECT concat_ws('|', 'column', c.oid::regclass, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation, a.attstorage, a.attidentity, a.attgenerated, a.attacl,
				pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
			FROM table_of c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum) WHERE a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT concat_ws('|', 'constraint', c.oid::regclass, k.conname, pg_get_constraintdef(k.oid)) FROM table_of c JOIN pg_constraint k ON k.conrelid = c.oid
		UNION ALL SELECT concat_ws('|', 'index', pg_get_indexdef(x.indexrelid)) FROM table_of c JOIN pg_index x ON x.indrelid = c.oid
		UNION ALL SELECT concat_ws('|', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger')) FROM table_of c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
		UNION ALL SELECT concat_ws('|', 'operator', o.oid::regoperator, o.oprowner::regrole, o.oprcode, o.oprcom::regoperator, o.oprnegate::regoperator, o.oprrest, o.oprjoin, o.oprcanmerge, o.oprcanhash)
			FROM member m JOIN pg_operator o ON m.classid = 'pg_operator'::regclass AND o.oid = m.objid
		UNION ALL SELECT concat_ws('|', 'cast', k.castsource::regtype, k.casttarget::regtype, k.castfunc::regprocedure, k.castcontext, k.castmethod) FROM member m JOIN pg_cast k ON m.classid = 'pg_cast'::regclass AND k.oid = m.objid
		UNION ALL SELECT concat_ws('|', 'operator class', pg_describe_object(m.classid, m.objid, 0), c.opcdefault, c.opcintype::regtype, c.opckeytype::regtype) FROM member m JOIN pg_opclass c ON m.classid = 'pg_opclass'::regclass AND c.oid = m.objid
		UNION ALL SELECT concat_ws('|', 'of a family', pg_describe_object('pg_amop'::regclass, a.oid, 0), a.amoppurpose) FROM member m JOIN pg_amop a ON m.classid = 'pg_opfamily'::regclass AND a.amopfamily = m.objid
		UNION ALL SELECT concat_ws('|', 'of a family', pg_describe_object('pg_amproc'::regclass, a.oid, 0)) FROM member m JOIN pg_amproc a ON m.classid = 'pg_opfamily'::regclass AND a.amprocfamily = m.objid
		UNION ALL SELECT concat_ws('|', 'event trigger', t.evtname, t.evtevent, t.evtowner::regrole, t.evtfoid::regproc, t.evtenabled, t.evttags) FROM member m JOIN pg_event_trigger t ON m.classid = 'pg_event_trigger'::regclass AND t.oid = m.objid) lines(line)
	ORDER BY line COLLATE "C"};
my $count = 0;

# The database after "commands", which leave the extension in it.
sub catalogue_after
{
	my $database = 'd' . ++$count;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, join ';', @_);
	my $listed = $node->safe_psql($database, $catalogue);
	cmp_ok(scalar split(/\n/, $listed), '>', 300, "$database is listed");
	return $listed;
}

# What is in the one and not in the other.
sub differences
{
	my ($fresh, $updated) = map { { map { $_ => 1 } split /\n/, $_ } } @_;
	return join "\n", sort((map { "- $_" } grep { !$updated->{$_} } keys %$fresh), map { "+ $_" } grep { !$fresh->{$_} } keys %$updated);
}

# With tables that are attached before, and written after.
sub update
{
	my ($from, $to) = @_;
	return (
		"CREATE EXTENSION listing_stats VERSION '$from'",
		q{CREATE TABLE public.listing (id int PRIMARY KEY); CREATE TABLE public.price (id int PRIMARY KEY, listing_id int REFERENCES public.listing, created timestamptz NOT NULL, value numeric)},
		q{SELECT count(*) FROM listing_stats.attach('public.listing', 'public.price'); INSERT INTO public.listing VALUES (1), (2); INSERT INTO public.price VALUES (1, 1, '2026-01-01', 1)},
		"ALTER EXTENSION listing_stats UPDATE TO '$to'",
		q{INSERT INTO public.price VALUES (2, 1, '2026-01-02', 2)},
		q{DO $$ BEGIN IF EXISTS (SELECT FROM listing_stats.verify('public.listing', 'public.price')) OR EXISTS (SELECT FROM listing_stats.check()) THEN RAISE 'not right after the update'; END IF; END $$});
}

my %fresh;

sub compare
{
	my ($from, $to) = @_;
	$fresh{$to} //= catalogue_after("CREATE EXTENSION listing_stats VERSION '$to'");
	return differences($fresh{$to}, catalogue_after(update($from, $to)));
}

# Every version that can be installed as it is leads to the newest, by whatever scripts there are between.
my $newest = $node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'listing_stats'});
ok(-e "$directory/listing_stats--$newest.sql", "a fresh installation has a script of its own: listing_stats--$newest.sql");
my @installed = grep { $_ ne $newest } map { m{/listing_stats--((?:(?!--).)+)\.sql$} ? $1 : () } glob "$directory/listing_stats--*.sql";
is(compare($_, $newest), '', "$_ updated to $newest is what a fresh $newest is") for @installed;
note @installed . ' older versions';

# One to come, made up: what a script may have to do.
my $base = slurp_file("$directory/listing_stats--$newest.sql");
my $added = q{
CREATE FUNCTION listing_stats.tap_new(a integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN a + 1;
COMMENT ON FUNCTION listing_stats.tap_new(integer) IS 'new';
REVOKE ALL ON FUNCTION listing_stats.tap_new(integer) FROM PUBLIC;
CREATE TABLE listing_stats._tap (a integer);
CREATE INDEX _tap_a ON listing_stats._tap (a);
GRANT SELECT ON listing_stats._tap TO PUBLIC;
COMMENT ON FUNCTION listing_stats.check() IS 'another text';
ALTER FUNCTION listing_stats.check() COST 1000;
ALTER EVENT TRIGGER listing_stats_drops ENABLE ALWAYS;
COMMENT ON TRIGGER _late ON listing_stats._late IS 'another text';
};
script('tap', "$base\n$added");
script("$newest--tap", $added);
is(compare($newest, 'tap'), '', 'a right script passes');
my @statements = grep { /\S/ } split /(?<=;)\n/, $added;
for my $i (0 .. $#statements)
{
	my ($kind) = $statements[$i] =~ /^\s*(.*)/;
	next if $kind =~ /^CREATE (FUNCTION|TABLE)/;  # others need them
	script("$newest--tap", join "\n", @statements[grep { $_ != $i } 0 .. $#statements]);
	isnt(compare($newest, 'tap'), '', "noticed where it is left out: $kind");
}
script("$newest--tap", "$added\nCREATE FUNCTION listing_stats.tap_left() RETURNS integer LANGUAGE sql RETURN 1;");
like(compare($newest, 'tap'), qr/^\+ function.*tap_left/m, 'and what a script has too much');
$node->stop;
done_testing();
