# The attacks of SECURITY.md, as the ordinary owner of a database and as a plain role.  Identifiers as in test/README.md.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE ROLE dba LOGIN;
	CREATE ROLE shop LOGIN;
	CREATE ROLE thief LOGIN;
	CREATE DATABASE market OWNER dba;
});

sub as
{
	my ($role, $sql) = @_;
	my ($code, $out, $error) = $node->psql('market', $sql, extra_params => [ '-U', $role, '-v', 'ON_ERROR_STOP=1' ]);
	return $code == 0 ? $out : $error;
}

# S4: A schema that the attacker prepared is not taken over, whoever owns it.
as('dba', q{GRANT CREATE ON DATABASE market TO thief});
as('thief', q{CREATE SCHEMA listing_stats});
like(as('dba', 'CREATE EXTENSION listing_stats'), qr/schema "listing_stats" already exists/, 'a foreign schema is refused');
as('thief', q{DROP SCHEMA listing_stats});
like(as('shop', 'CREATE EXTENSION listing_stats'), qr/permission denied to create extension/, 'a plain role cannot install it');
# S3, S4: Functions and operators planted in advance, in every schema of the path.
as('dba', q{
	CREATE SCHEMA planted;
	CREATE FUNCTION planted.bad(anyelement, anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
	CREATE OPERATOR planted.= (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = planted.bad);
	CREATE FUNCTION planted.count(anyelement) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
	ALTER DATABASE market SET search_path = public, planted, pg_catalog;
	GRANT USAGE ON SCHEMA planted TO PUBLIC;
	GRANT CREATE ON SCHEMA public TO shop, thief;
});
is(as('dba', 'CREATE EXTENSION listing_stats'), '', 'the owner of a database installs it');
is( $node->safe_psql('market', q{
	SELECT DISTINCT pg_get_userbyid(owner) FROM (
		SELECT proowner FROM pg_proc WHERE pronamespace = 'listing_stats'::regnamespace
		UNION ALL SELECT relowner FROM pg_class WHERE relnamespace = 'listing_stats'::regnamespace
		UNION ALL SELECT typowner FROM pg_type WHERE typnamespace = 'listing_stats'::regnamespace
		UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'listing_stats') AS o (owner)}),
	$node->safe_psql('market', q{SELECT pg_get_userbyid(10)}), 'everything belongs to the bootstrap superuser');
is($node->safe_psql('market', q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'listing_stats'::regnamespace AND prosecdef}), '0', 'nothing is SECURITY DEFINER');
like(as('dba', q{CREATE FUNCTION listing_stats.attach(text, text) RETURNS int LANGUAGE sql AS 'SELECT 1'}), qr/permission denied for schema listing_stats/,
	'no overload can be planted, not even by the owner of the database');
for my $private ($node->safe_psql('market', q{
	SELECT format('SELECT * FROM %s', oid::regclass) FROM pg_class WHERE relnamespace = 'listing_stats'::regnamespace AND relname ~ '^_' AND relname <> '_distributed' AND relkind IN ('r', 'v')}))
{
	like(as('dba', $_), qr/permission denied/, $_) for split /\n/, $private;
}
like(as('dba', q{UPDATE listing_stats._distributed SET options = '{}'}), qr/permission denied/, 'notes are not changed');
# sql/citus.sql: rows of _distributed are written by the owner of the tables alone.
# Everybody's DDL looks into this one where Citus is.
for my $mode ('SHARE', 'ACCESS EXCLUSIVE')
{
	like(as('thief', "BEGIN; LOCK TABLE listing_stats._distributed IN $mode MODE"), qr/permission denied/, "nobody keeps others from it in $mode MODE");
}

# The victim's tables.
my $tables = q{
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric);
	INSERT INTO listing VALUES (1);
};
unlike(as('shop', "$tables SELECT listing_stats.attach('listing', 'price'); INSERT INTO price VALUES (1, 1, '2026-01-01', 5); GRANT SELECT, INSERT ON price TO thief; GRANT SELECT ON listing TO thief"), qr/ERROR/, 'the shop attaches its tables');
is(as('thief', q{INSERT INTO price VALUES (2, 1, '2026-01-02', 6); SELECT last_price FROM listing}), '6', 'a writer of prices needs nothing else');
for my $call (q{attach('listing', 'price')}, q{detach('listing', 'price')}, q{detach('listing')})
{
	like(as('thief', "SELECT listing_stats.$call"), qr/must be owner of table/, $call);
}
# S5: Nobody is made to wait for a call that is refused.
my $writer = $node->background_psql('market', extra_params => [ '-U', 'shop' ]);
$writer->query_safe(q{BEGIN; INSERT INTO price VALUES (3, 1, '2026-01-03', 7);});
like(as('thief', q{SET lock_timeout = '500ms'; SELECT listing_stats.attach('listing', 'price')}), qr/must be owner/, 'attach() does not queue for a lock first');
like(as('thief', q{SET lock_timeout = '500ms'; SELECT listing_stats.detach('price')}), qr/must be owner/, 'nor detach()');
$writer->query_safe('COMMIT');
$writer->quit;

# An aggregate of private functions, whose state one makes and another reads as something else.
like(as('thief', q{CREATE AGGREGATE pg_temp.evil(bigint, timestamptz) (
	SFUNC = listing_stats._latest_accumulate, STYPE = listing_stats._latest_state, FINALFUNC = listing_stats._latest_finish_numeric);
	SELECT pg_temp.evil(4096, now())}), qr/permission denied for function _latest_accumulate/, 'no aggregate of private functions');
like(as('thief', 'CREATE TEMPORARY TABLE states (state listing_stats._latest_state)'), qr/permission denied for type/, 'nor a place to keep its states');

# S6: Triggers with copied and with forged arguments on tables of the thief's own.
as('thief', q{
	CREATE TABLE fake (id int PRIMARY KEY, listing_id int, created timestamptz, value numeric);
	DO $$ BEGIN
		EXECUTE (SELECT replace(replace(pg_get_triggerdef(oid), 'ON public.price', 'ON fake'), '"LISTING_STATS_1"', 'copied')
		         FROM pg_trigger WHERE tgrelid = 'price'::regclass AND tgname = 'LISTING_STATS_1');
		EXECUTE (SELECT replace(replace(pg_get_triggerdef(oid), 'ON public.price', 'ON fake'), '"LISTING_STATS_1_truncate"', 'copied_truncate')
		         FROM pg_trigger WHERE tgrelid = 'price'::regclass AND tgname = 'LISTING_STATS_1_truncate');
	END $$;
});
as('thief', q{INSERT INTO fake VALUES (1, 1, '2099-01-01', 666)});
as('thief', q{TRUNCATE fake});
is(as('shop', q{SELECT last_price FROM listing}), '7', 'copied arguments change nothing');
for my $forged (q{'price=public.fake', 'found=1 1 1'}, q{'price=public.price'}, q{'price=public.fake'})
{
	as('thief', qq{
		DROP TRIGGER copied ON fake;
		CREATE TRIGGER copied AFTER INSERT ON fake FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed(
			'listing=public.listing', 'listing_key=id', 'last_price=last_price', 'key=listing_id', 'at=created', 'tie=id', 'value=value', $forged)});
	as('thief', q{INSERT INTO fake VALUES (2, 1, '2099-01-01', 667)});
	is(as('shop', q{SELECT last_price FROM listing}), '7', "forged arguments change nothing: $forged");
}
# S6: Both halves on tables of the thief's, the names and the record those of the victim's.
as('thief', q{
	CREATE TABLE fake_listing (id int PRIMARY KEY, last_price numeric);
	DO $$ BEGIN
		EXECUTE (SELECT replace(replace(pg_get_triggerdef(oid), 'ON public.listing', 'ON fake_listing'), '"LISTING_STATS_1"', 'copied')
		         FROM pg_trigger WHERE tgrelid = 'listing'::regclass AND tgname = 'LISTING_STATS_1');
	END $$;
	INSERT INTO fake_listing VALUES (1, 668);
	UPDATE fake_listing SET last_price = 669;
});
is(as('shop', q{INSERT INTO price VALUES (4, 1, '2026-01-04', 8); SELECT last_price FROM listing}), '8', 'both halves copied: the victim is not disturbed');
is(as('shop', q{SELECT count(*) FROM listing_stats.verify('listing', 'price')}), '0', 'and all is right');
# One table handed over.
$node->safe_psql('market', q{ALTER TABLE listing OWNER TO thief});
like(as('shop', q{INSERT INTO price VALUES (5, 1, '2026-01-05', 9)}), qr/table public.listing is owned by "thief" and table public.price by "shop"/, 'two owners are an error');
$node->safe_psql('market', q{ALTER TABLE listing OWNER TO shop});

# S8: Nothing leaves a security-restricted operation.  A plain role owns two attached tables, a deferred trigger that
# would run when the transaction commits, as whoever commits it, and an index or a view whose function writes a price.
# Whoever maintains them is a superuser.
$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN; GRANT CREATE ON DATABASE market TO plain');
my $trap = q{
	CREATE SCHEMA m;
	SET search_path = m;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id serial PRIMARY KEY, listing_id int%s, created timestamptz NOT NULL, value numeric);
	SELECT count(*) FROM listing_stats.attach('listing', 'price', key => 'listing_id');
	CREATE TABLE seen (who text, how text);
	CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO m.seen VALUES (current_user, 'deferred trigger'); RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER say AFTER UPDATE ON listing DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION say();
	ALTER TABLE listing DISABLE TRIGGER "LISTING_STATS_1";
	CREATE TABLE armed (yes boolean);
	INSERT INTO armed VALUES (false);
	CREATE FUNCTION act() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
		IF (SELECT yes FROM m.armed) AND NOT EXISTS (SELECT FROM m.listing WHERE id = 77) THEN
			INSERT INTO m.price (listing_id, created, value) VALUES (77, now(), 5);
			INSERT INTO m.listing VALUES (77);
		END IF; END $$;
	CREATE FUNCTION f(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.act(); RETURN i; END $$;
	CREATE TABLE target (i int);
	INSERT INTO target VALUES (1);
	CREATE INDEX target_f ON target (f(i));
	CREATE MATERIALIZED VIEW v AS SELECT f(i) FROM target;
	UPDATE armed SET yes = true;
};
sub seen_as_another
{
	my $who = $node->safe_psql('market', q{SELECT count(*) FROM m.seen WHERE who <> 'plain'});
	as('plain', 'SET search_path = m; UPDATE armed SET yes = false; DELETE FROM price; DELETE FROM listing');
	as('plain', 'SET search_path = m; DELETE FROM seen; UPDATE armed SET yes = true');
	return $who;
}
for my $foreign_key ('', ' REFERENCES listing DEFERRABLE INITIALLY DEFERRED')
{
	my $with = $foreign_key ? ', with a deferred foreign key' : '';
	is(as('plain', sprintf($trap, $foreign_key)), 1, "a trap is set$with");
	for my $command ('ANALYZE m.target', 'CREATE INDEX ON m.target (m.f(i))', 'REINDEX TABLE m.target', 'CLUSTER m.target USING target_f', 'VACUUM FULL m.target',
		'REFRESH MATERIALIZED VIEW m.v')
	{
		my ($code, undef, $error) = $node->psql('market', $command, on_error_stop => 1);
		like($error, $foreign_key ? qr/cannot fire deferred trigger within security-restricted operation/ : qr/^$/, "$command$with");
		is(seen_as_another(), 0, "nothing is done as somebody else after $command$with");
	}
	# The autovacuum is a superuser too.
	as('plain', 'SET search_path = m; UPDATE armed SET yes = false; INSERT INTO target SELECT generate_series(1, 1000); ALTER TABLE m.target SET (autovacuum_analyze_threshold = 1)');
	as('plain', 'SET search_path = m; UPDATE armed SET yes = true');
	my $before = -s $node->logfile;
	$node->append_conf('postgresql.conf', "autovacuum_naptime = 1\n");
	$node->reload;
	my $analyzed = 0;
	for (1 .. 300)
	{
		$analyzed = slurp_file($node->logfile, $before) =~ /automatic analyze of table "market.m.target"/
			|| $node->safe_psql('market', q{SELECT last_autoanalyze IS NOT NULL FROM pg_stat_all_tables WHERE relid = 'm.target'::regclass}) eq 't';
		last if $analyzed;
		select(undef, undef, undef, 0.1);
	}
	ok($analyzed, "autovacuum has tried$with");
	is(seen_as_another(), 0, "nor by autovacuum$with");
	$node->append_conf('postgresql.conf', "autovacuum_naptime = 1h\n");
	$node->reload;

	# The calls that a superuser makes on tables of others.
	as('plain', q{INSERT INTO m.listing VALUES (1); INSERT INTO m.price VALUES (1, 1, '2026-01-01', 5); ALTER TABLE m.listing DISABLE TRIGGER say; UPDATE m.listing SET last_price = 4; ALTER TABLE m.listing ENABLE TRIGGER say});
	for my $call (q{CALL listing_stats.refresh('m.listing', 'm.price')}, q{SELECT listing_stats.attach('m.listing', 'm.price', key => 'listing_id', price_count => 'n')})
	{
		my (undef, undef, $error) = $node->psql('market', $call);
		like($error, qr/cannot fire deferred trigger within security-restricted operation/, "a deferred trigger of the owner's, set off by $call$with");
		is($node->safe_psql('market', q{SELECT count(*) FROM m.seen WHERE who <> 'plain'}), 0, "does not run as who calls $call$with");
	}
	like(as('plain', q{CALL listing_stats.refresh('m.listing', 'm.price'); SELECT last_price, (SELECT string_agg(DISTINCT who, ' ') FROM m.seen) FROM m.listing}), qr/5\|plain$/, "the owner can call it$with");
	as('plain', 'DROP SCHEMA m CASCADE');
}

# S8: So do functions that planning runs, as those in the predicate of an index: what refresh() reads is planned too.
as('plain', q{
	CREATE SCHEMA m;
	SET search_path = m;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric);
	INSERT INTO listing VALUES (1);
	SELECT count(*) FROM listing_stats.attach('listing', 'price');
	CREATE TABLE seen (who text);
	CREATE FUNCTION later() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO m.seen VALUES (current_user); RETURN 1; END $$;
	CREATE FUNCTION keep() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		EXECUTE format('DECLARE %I CURSOR WITH HOLD FOR SELECT m.later()', 'kept' || random());
		RETURN true;
	EXCEPTION WHEN insufficient_privilege THEN RETURN true;
	END $$;
	CREATE FUNCTION yes(i int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN m.keep(); END $$;
	CREATE INDEX ON listing (last_price) WHERE yes(1);
	DELETE FROM seen;
});
for my $call (q{CALL listing_stats.refresh('m.listing', 'm.price')}, q{CALL listing_stats.refresh('m.listing', 'm.price', only_in => 'm.price')}, q{SELECT listing_stats.attach('m.listing', 'm.price', price_count => 'n')},
	q{SELECT * FROM listing_stats.attachments}, q{SELECT * FROM listing_stats.check()})
{
	$node->safe_psql('market', "DELETE FROM m.seen; $call");
	is($node->safe_psql('market', q{SELECT string_agg(who, ' ') FROM m.seen WHERE who <> 'plain'}), '', "a cursor that planning keeps does not run as who calls $call");
}
as('plain', 'DROP SCHEMA m CASCADE');

# S8: DDL that an index function runs for a superuser is followed within the operation, and as the tables' owner.
as('plain', q{
	CREATE SCHEMA m;
	SET search_path = m;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric);
	CREATE TABLE offer (LIKE price INCLUDING ALL, FOREIGN KEY (listing_id) REFERENCES listing);
	SELECT count(*) FROM listing_stats.attach('listing', 'price');
	SELECT count(*) FROM listing_stats.attach('listing', 'offer', last_price => 'last_offer');
	CREATE FUNCTION change() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
		IF to_regclass('m.offer') IS NOT NULL AND (SELECT yes FROM m.armed) THEN
			DROP TABLE m.offer;
			ALTER TABLE m.listing RENAME last_price TO latest;
		END IF; END $$;
	CREATE FUNCTION g(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.change(); RETURN i; END $$;
	CREATE TABLE armed (yes boolean);
	INSERT INTO armed VALUES (false);
	CREATE TABLE target (i int);
	INSERT INTO target VALUES (1);
	CREATE INDEX ON target (g(i));
	UPDATE armed SET yes = true;
});
is(($node->psql('market', 'ANALYZE m.target'))[0], 0, 'ANALYZE runs a function that drops and renames');
is(as('plain', q{SELECT last_price, warnings FROM listing_stats.attachments WHERE listing = 'm.listing'::regclass}), 'latest|{}', 'which is followed');
is(as('plain', q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'm.listing'::regclass AND tgname ~ '^LISTING_STATS'}), '1', 'in the triggers too');
as('plain', 'DROP SCHEMA m CASCADE');

# S8: Reading a condition runs nothing of its owner's: no function that it names, nor one behind a constant's type, which
# attach() refuses, and triggers made by hand do not get in.
as('plain', q{
	CREATE SCHEMA m;
	GRANT USAGE ON SCHEMA m TO PUBLIC;
	SET search_path = m;
	CREATE FUNCTION runs(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
	CREATE DOMAIN checked AS int;
	CREATE TYPE named AS ENUM ('a');
	CREATE TYPE pair AS (a checked, b int);
	CREATE TYPE span AS RANGE (subtype = checked);
	CREATE FUNCTION takes(checked[]) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric, of checked[]);
	INSERT INTO listing VALUES (1);
});
my @constants = (q{'{1}'::m.checked[] IS NOT NULL}, q{'(1,2)'::m.pair IS NOT NULL}, q{'[1,2]'::m.span IS NOT NULL}, q{m.takes('{1}')}, q{of = '{1}'}, q{of <> ALL ('{"{1}"}')});
for my $constant (@constants)
{
	like(as('plain', "SELECT listing_stats.attach('m.listing', 'm.price', condition => \$\$$constant AND value > 0\$\$)"), qr/composite type, a range, or an array of a domain|could not find array type|operator is not unique/, "attach() refuses $constant");
}
is(as('plain', q{SELECT last_price FROM listing_stats.attach('m.listing', 'm.price', condition => $$'a'::m.named IS NOT NULL AND extract(year FROM created AT TIME ZONE 'UTC') > 2000 AND value > 0 AND of IS NULL$$)}) =~ s/psql:.*\n//gr, 'last_price', 'and not constants of an enum');
as('plain', q{SELECT listing_stats.detach('m.listing', 'm.price'); ALTER DOMAIN m.checked ADD CHECK (m.runs(VALUE)) NOT VALID});
for my $constant (@constants)
{
	my $arguments = "'listing=m.listing', 'listing_key=id', 'last_price=last_price', 'price=m.price', 'key=listing_id', 'at=created', 'tie=id', 'value=value', \$\$condition=($constant AND (value > (0)::numeric))\$\$";
	as('plain', "CREATE OR REPLACE TRIGGER t AFTER INSERT OR UPDATE ON m.listing FOR EACH ROW EXECUTE FUNCTION listing_stats.listing_changed($arguments);
		CREATE OR REPLACE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON m.price FOR EACH ROW EXECUTE FUNCTION listing_stats.price_changed($arguments)");
	for my $looks (q{SELECT string_agg(warnings::text, ' ') FROM listing_stats.attachments WHERE price = 'm.price'::regclass}, q{SELECT string_agg(problem, ' ') FROM listing_stats.check()})
	{
		like($node->safe_psql('market', $looks), qr/composite type, a range, or an array of a domain/, "made by hand it is told, and not read: $constant");
	}
	like(as('plain', q{INSERT INTO m.price (listing_id, created, value) VALUES (1, now(), 1)}), qr/composite type, a range, or an array of a domain/, "a write fails, and does not read it: $constant");
	unlike(as('plain', 'ALTER TYPE m.named RENAME TO other; ALTER TYPE m.other RENAME TO named; ALTER TABLE m.price RENAME value TO amount; ALTER TABLE m.price RENAME amount TO value') // '', qr/ran as/, "nor does DDL: $constant");
}
as('plain', 'DROP SCHEMA m CASCADE');

# S8: What planning on somebody's tables runs does not change the settings of who looks at them or mends them.
as('plain', q{
	CREATE SCHEMA m;
	GRANT USAGE ON SCHEMA m TO PUBLIC;
	SET search_path = m;
	CREATE FUNCTION version() RETURNS text LANGUAGE sql AS $$ SELECT 'planted' $$;
	CREATE FUNCTION sets(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', 'm, pg_catalog', false); RETURN true; END $$;
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id serial PRIMARY KEY, listing_id int, created timestamptz NOT NULL, value numeric);
	INSERT INTO listing VALUES (1);
	SELECT count(*) FROM listing_stats.attach('listing', 'price', key => 'listing_id', listing_key => 'id');
	CREATE INDEX ON price (value) WHERE sets(1);
	CREATE INDEX ON listing (last_price) WHERE sets(1);
});
for my $looks ('SELECT count(*) FROM listing_stats.attachments', 'SELECT count(*) FROM listing_stats.check()', q{SELECT count(*) FROM listing_stats.verify('m.listing', 'm.price')},
	q{CALL listing_stats.refresh('m.listing', 'm.price')}, q{SELECT count(*) FROM listing_stats.attach('m.listing', 'm.price', price_count => 'n')})
{
	unlike($node->safe_psql('market', "$looks; SELECT version()"), qr/planted/, "the search_path stays as it is after $looks");
}
as('plain', 'DROP SCHEMA m CASCADE');

# S3: Somebody's overload of a function or operator that a condition names does not carry the condition over to what is his.
as('dba', 'CREATE SCHEMA common; GRANT USAGE, CREATE ON SCHEMA common TO PUBLIC; GRANT CREATE ON DATABASE market TO thief');
as('plain', q{
	CREATE SCHEMA m;
	SET search_path = m;
	CREATE FUNCTION common.counts(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
	CREATE FUNCTION common.more(numeric, numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > $2';
	CREATE OPERATOR common.>>> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = common.more);
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id serial PRIMARY KEY, listing_id int REFERENCES listing, created timestamptz NOT NULL, value numeric);
	SELECT count(*) FROM listing_stats.attach('listing', 'price', condition => 'common.counts(value) AND value OPERATOR(common.>>>) 1');
});
as('thief', q{
	CREATE SCHEMA his;
	GRANT USAGE ON SCHEMA his TO PUBLIC;
	CREATE FUNCTION his.bad(numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
	CREATE FUNCTION his.bad(numeric, numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
	CREATE FUNCTION his.counts(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT his.bad($1)';
	CREATE FUNCTION common.counts(point) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
	CREATE FUNCTION his.more(point, point) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
	CREATE OPERATOR his.>>> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = his.bad);
	CREATE OPERATOR common.>>> (LEFTARG = point, RIGHTARG = point, FUNCTION = his.more);
	ALTER FUNCTION common.counts(point) SET SCHEMA his;
	ALTER OPERATOR common.>>> (point, point) SET SCHEMA his;
});
is( as('plain', q{SELECT condition FROM listing_stats.attachments WHERE listing = 'm.listing'::regclass}), '(common.counts(value) AND (value OPERATOR(common.>>>) (1)::numeric))',
	'what somebody else calls his functions and operators is not followed');
is(as('plain', q{INSERT INTO m.listing VALUES (1); INSERT INTO m.price (listing_id, created, value) VALUES (1, now(), 2); SELECT last_price FROM m.listing}), '2', 'nor run');
# Nor can he take the place of what it names: by an overload that the parser would prefer, or by the name after DROP.
as('plain', q{CREATE FUNCTION common.counts_any(anyelement) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'});
like(as('plain', q{SELECT count(*) FROM listing_stats.attach('m.listing', 'm.price', last_price => 'other', condition => 'common.counts_any(value)')}),
	qr/uses function common.counts_any\(anyelement\) with other arguments than it declares/, 'what an overload can come before is refused');
my $takes = q{CREATE FUNCTION common.counts(numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$};
as('plain', 'DROP FUNCTION common.counts(numeric) CASCADE');
as('thief', $takes);
like(as('plain', q{INSERT INTO m.price (listing_id, created, value) VALUES (1, now(), 3)}), qr/uses function common.counts\(numeric\), which belongs to role "thief"/,
	'what has taken a name is not run');
as('thief', 'DROP FUNCTION common.counts(numeric)');
as('plain', q{CREATE FUNCTION common.counts(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0'});
as('plain', 'DROP OPERATOR common.>>> (numeric, numeric) CASCADE');
as('thief', 'CREATE OPERATOR common.>>> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = pg_catalog.numeric_lt)');
like(as('plain', q{INSERT INTO m.price (listing_id, created, value) VALUES (1, now(), 3)}), qr/uses operator common.>>>\(numeric,numeric\), which belongs to role "thief"/,
	'nor is an operator');
as('thief', 'DROP OPERATOR common.>>> (numeric, numeric)');
as('plain', 'CREATE OPERATOR common.>>> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = common.more)');
as('plain', 'ALTER FUNCTION common.counts(numeric) SET SCHEMA m');
is(as('plain', q{SELECT condition FROM listing_stats.attachments WHERE listing = 'm.listing'::regclass}), '(m.counts(value) AND (value OPERATOR(common.>>>) (1)::numeric))',
	"what the condition's own is called is");
as('thief', 'DROP SCHEMA his CASCADE');
# Without Citus nobody notes anything, and what somebody has noted does not keep others from looking.
as('thief', q{CREATE TABLE public.note_a (i int); CREATE TABLE public.note_b (i int)});
like(as('thief', q{INSERT INTO listing_stats._distributed VALUES ('note_a', 'note_b', '', '{}')}), qr/permission denied/, 'nothing is noted without Citus');
$node->safe_psql('market', q{INSERT INTO listing_stats._distributed VALUES ('note_a', 'note_b', '', '{}')});
is(as('plain', q{SELECT count(*) FROM listing_stats.attachments WHERE listing = 'm.listing'::regclass}), '1', 'the view is read whatever has been noted');
is(as('plain', q{DROP TABLE m.price}), '', 'and nobody hears of it who drops a table');
as('thief', 'DROP TABLE public.note_a, public.note_b');
as('plain', 'DROP SCHEMA m CASCADE');
$node->safe_psql('market', 'DELETE FROM listing_stats._distributed; DROP SCHEMA common CASCADE');

# S8: Nobody's functions run as the owner of somebody else's tables, by the privilege to create triggers on them.
as('thief', q{CREATE SCHEMA his; CREATE FUNCTION his.ok(numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$});
$node->safe_psql('market', q{
	CREATE SCHEMA theirs;
	CREATE TABLE theirs.listing (id int PRIMARY KEY, last_price numeric);
	CREATE TABLE theirs.price (id int PRIMARY KEY, listing_id int, created timestamptz NOT NULL, value numeric);
	GRANT USAGE ON SCHEMA theirs TO thief;
	GRANT ALL ON ALL TABLES IN SCHEMA theirs TO thief;
});
my $arguments = q{'listing=theirs.listing', 'listing_key=id', 'last_price=last_price', 'price=theirs.price', 'key=listing_id', 'at=created', 'tie=id', 'value=value', $$condition=his.ok(value)$$};
for my $side ([ 'listing', 'listing_changed', 'INSERT OR UPDATE' ], [ 'price', 'price_changed', 'INSERT OR UPDATE OR DELETE' ])
{
	like(as('thief', "CREATE TRIGGER t AFTER $side->[2] ON theirs.$side->[0] FOR EACH ROW EXECUTE FUNCTION listing_stats.$side->[1]($arguments)"), qr/must be owner of table theirs.$side->[0]/, "triggers of ours on others' $side->[0] are refused");
}
as('thief', q{INSERT INTO theirs.listing VALUES (1); INSERT INTO theirs.price VALUES (1, 1, now(), 1)});
is($node->safe_psql('market', q{SELECT count(*) FROM listing_stats.attachments WHERE listing = 'theirs.listing'::regclass}), '0', 'and there is none');
is(as('thief', 'SET session_replication_role = replica') =~ /permission denied/ ? 1 : 0, 1, 'nor for who could set what keeps event triggers from firing');
$node->safe_psql('market', 'GRANT SET ON PARAMETER session_replication_role TO thief');
like(as('thief', "SET session_replication_role = replica; CREATE TRIGGER t AFTER INSERT OR UPDATE ON theirs.listing FOR EACH ROW EXECUTE FUNCTION listing_stats.listing_changed($arguments)"), qr/must be owner of table/, 'who does set it');
$node->safe_psql('market', 'REVOKE SET ON PARAMETER session_replication_role FROM thief');
$node->safe_psql('market', 'DROP SCHEMA theirs CASCADE');

as('thief', q{
	CREATE FUNCTION his.boom(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF session_user <> 'thief' THEN RAISE 'no'; END IF; RETURN true; END $$;
	CREATE TABLE his.listing (id int PRIMARY KEY);
	CREATE TABLE his.price (id int PRIMARY KEY, listing_id int, created timestamptz NOT NULL, value numeric);
	SELECT count(*) FROM listing_stats.attach('his.listing', 'his.price', key => 'listing_id', listing_key => 'id');
	CREATE INDEX ON his.price (value) WHERE his.boom(1);
});
like(as('shop', 'SELECT count(*) FROM listing_stats.check()'), qr/^\d+$/, "what planning a query on somebody's tables runs disturbs nobody else");
like($node->safe_psql('market', 'SELECT count(*) FROM listing_stats.check()'), qr/^\d+$/, 'a superuser neither');
as('thief', 'DROP SCHEMA his CASCADE');
as('dba', 'REVOKE CREATE ON DATABASE market FROM thief');

# S5: Who may only write prices learns nothing of the listings by errors; nor by numbers of tables in schemas that he may not use.
as('plain', q{
	CREATE SCHEMA m;
	CREATE TABLE m.listing (id int PRIMARY KEY, secret text, last_price numeric CHECK (last_price >= 0));
	CREATE TABLE m.price (id serial PRIMARY KEY, listing_id int REFERENCES m.listing, created timestamptz NOT NULL, value numeric);
	INSERT INTO m.listing VALUES (7, 'hidden');
	SELECT count(*) FROM listing_stats.attach('m.listing', 'm.price');
	GRANT USAGE ON SCHEMA m TO thief; GRANT INSERT, TRUNCATE ON m.price TO thief; GRANT USAGE ON SEQUENCE m.price_id_seq TO thief;
});
my $insert = 'INSERT INTO m.price (listing_id, created, value) VALUES (7, now(), -1)';
my $refused = as('thief', $insert);
like($refused, qr/violates check constraint "listing_last_price_check"/, 'a price that a constraint of the listing refuses');
unlike($refused, qr/hidden/, 'its row is not told');
like(as('plain', $insert), qr/hidden/, 'except to who may read it');
as('plain', 'GRANT SELECT ON m.listing, m.price TO thief; REVOKE USAGE ON SCHEMA m FROM thief');
my $numbers = $node->safe_psql('market', q{SELECT 'm.listing'::regclass::oid || ', ' || 'm.price'::regclass::oid});
like(as('thief', "SELECT * FROM listing_stats.verify($numbers)"), qr/permission denied for schema m/, 'verify() by numbers');
as('plain', 'DROP SCHEMA m CASCADE');

# The owner of the extension removes it; data stay.
like(as('thief', 'DROP EXTENSION listing_stats CASCADE'), qr/must be owner of extension/, 'others cannot');
like(as('dba', 'DROP EXTENSION listing_stats CASCADE'), qr/^(|NOTICE.*)$/s, 'its owner can');
is(as('shop', q{SELECT last_price FROM listing}), '8', 'data stay');
$node->stop;
done_testing();
