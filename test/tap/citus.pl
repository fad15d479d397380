# Distributed tables of Citus: a coordinator and two workers, where Citus is installed beside the server at hand.  What
# attach_distributed() refuses, attaches and goes on with; shards that Citus makes later, also under load; readers and aggregates.
#
# LISTING_STATS_STRESS_SECONDS, 8 by default, is how long clients of all three write while shards are moved, split and rebalanced.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{LISTING_STATS_STRESS_SECONDS} // 8;
my ($shared) = run_command([ 'pg_config', '--sharedir' ]);
plan skip_all => "Citus is NOT installed in $shared: distributed tables are not tested"
  unless -e "$shared/extension/citus.control";

# Nodes find each other by their sockets.
my @nodes = map { PostgreSQL::Test::Cluster->new($_) } qw(coordinator one two);
for my $node (@nodes)
{
	$node->init(allows_streaming => 'logical');
	my $host = $node->host;
	$node->append_conf('postgresql.conf', qq{
		shared_preload_libraries = 'citus'
		citus.local_hostname = '$host'
		citus.node_conninfo = 'sslmode=prefer'
		citus.shard_count = 4
		citus.enable_statistics_collection = off
		log_statement = none
		synchronous_commit = off
		max_prepared_transactions = 50
		max_connections = 100
		max_wal_senders = 20
		max_replication_slots = 20});
	$node->start;
	# A server that only lets modules it knows decode: the splits of Citus bring their own.
	if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'}))
	{
		$node->append_conf('postgresql.conf', q{output_plugin_libraries = 'pgoutput,test_decoding,citus'});
		$node->restart;
	}
	$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; GRANT CREATE ON DATABASE postgres TO owner; CREATE EXTENSION citus');
}
my $node = $nodes[0];
my $add = join ', ', map { sprintf q{citus_add_node('%s', %d)}, $_->host, $_->port } @nodes[ 1, 2 ];
$node->safe_psql('postgres', sprintf(q{SELECT citus_set_coordinator_host('%s', %d)}, $node->host, $node->port));
$node->safe_psql('postgres', "SELECT $add");
$node->safe_psql('postgres', 'CREATE EXTENSION listing_stats');

sub run_sql
{
	my ($sql, $on) = @_;
	my ($code, $out, $err) = ($on // $node)->psql('postgres', "SET client_min_messages = warning;\n$sql", extra_params => [ '-U', 'owner' ]);
	return $err =~ /(ERROR:.*)/ ? $1 : $err ne '' ? "$out\n$err" : $out;
}
my $prices = 'INSERT INTO price (listing_id, created, value) SELECT l, timestamptz \'2026-01-01Z\' + n * interval \'1 day\', l * 10 + n FROM generate_series(1, 40) l, generate_series(1, 3) n;';
# How many listings are wrong: said by plain SQL through the coordinator, and by verify() on all nodes.
sub wrong
{
	my ($schema) = @_;
	return run_sql(qq{SET search_path = $schema;
		SELECT (SELECT count(*) FROM listing l LEFT JOIN (SELECT DISTINCT ON (listing_id) listing_id, value FROM price ORDER BY listing_id, created DESC, id DESC) p
				ON p.listing_id = l.id WHERE l.last_price IS DISTINCT FROM p.value),
			(SELECT count(*) FROM listing_stats.verify_distributed('listing', 'price')),
			(SELECT coalesce(string_agg(w, '; '), '') FROM listing_stats.attachments, unnest(warnings) w WHERE listing = 'listing'::regclass)});
}

# Refused before anything is made.
run_sql(q{CREATE SCHEMA refused;
	SET search_path = refused;
	CREATE TABLE plain (id int PRIMARY KEY);
	CREATE TABLE reference (id int PRIMARY KEY);
	CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int, listing_id int, created timestamptz NOT NULL, value numeric, PRIMARY KEY (id));
	CREATE TABLE elsewhere (id int, listing_id int, created timestamptz NOT NULL, value numeric, PRIMARY KEY (listing_id, id));
	SELECT create_reference_table('reference');
	SELECT create_distributed_table('listing', 'id', colocate_with => 'none');
	SELECT create_distributed_table('price', 'id', colocate_with => 'listing');
	SELECT create_distributed_table('elsewhere', 'listing_id', colocate_with => 'none')});
for my $case (
	[ 'plain', 'price', 'ordinary table' ],
	[ 'reference', 'price', 'reference table of Citus' ],
	[ 'listing', 'elsewhere', 'not colocated' ],
	[ 'listing', 'price', 'distributed by "id" and "id"' ])
{
	like(run_sql("CALL listing_stats.attach_distributed('refused.$case->[0]', 'refused.$case->[1]', key => 'listing_id')"), qr/ERROR:.*\Q$case->[2]/, "refused: $case->[2]");
}
like(run_sql(q{CALL listing_stats.attach_distributed('refused.listing', 'refused.price', key => 'listing_id')}, $nodes[1]), qr/ERROR:.*on the coordinator/, 'refused on a worker');
is(run_sql(q{SELECT count(*) FROM pg_attribute WHERE attname = 'last_price' AND attrelid = 'refused.listing'::regclass}), '0', 'nothing is made');
$node->safe_psql('postgres', 'CREATE TABLE theirs_listing (id int PRIMARY KEY); CREATE TABLE theirs_price (id int, listing_id int, created date, value int);
	SELECT create_distributed_table($$theirs_listing$$, $$id$$), create_distributed_table($$theirs_price$$, $$listing_id$$)');
like(run_sql(q{CALL listing_stats.attach_distributed('public.theirs_listing', 'public.theirs_price', key => 'listing_id')}), qr/must be owner of table "theirs_listing"/, 'tables of others');
like(run_sql(q{INSERT INTO listing_stats._distributed VALUES ('public.theirs_listing', 'public.theirs_price', 'last_price', '{}')}), qr/must be owner of tables/, 'no notes of tables of others');
like(run_sql(q{INSERT INTO listing_stats._distributed VALUES (987654, 987655, 'last_price', '{}')}), qr/must be owner of tables/, 'no notes of tables to come');
like(run_sql(q{SELECT listing_stats.attach('refused.listing', 'refused.price')}), qr/table of Citus/, 'attach()');

my $moves = q{SELECT citus_move_shard_placement(shardid, nodename, nodeport, other.name, other.port, '%s') FROM (
		SELECT DISTINCT ON (nodeport) shardid, nodename, nodeport FROM pg_dist_shard JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)
		WHERE logicalrelid = 'listing'::regclass ORDER BY nodeport, shardid LIMIT %d) s
	JOIN (SELECT nodename AS name, nodeport AS port FROM pg_dist_node WHERE groupid > 0) other ON (other.name, other.port) <> (nodename, nodeport);};
my %shapes = (
	foreign_key => 'CREATE TABLE listing (id bigint PRIMARY KEY);
		CREATE TABLE price (id bigserial, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2), PRIMARY KEY (listing_id, id));',
	no_foreign_key => 'CREATE TABLE listing (id bigint PRIMARY KEY);
		CREATE TABLE price (id bigserial, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2), PRIMARY KEY (listing_id, id));',
	partitioned => q{CREATE TABLE listing (id bigint PRIMARY KEY);
		CREATE TABLE price (id bigserial, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric(10,2), PRIMARY KEY (listing_id, created, id)) PARTITION BY RANGE (created);
		CREATE TABLE price_1 PARTITION OF price FOR VALUES FROM ('2026-01-01Z') TO ('2026-02-01Z');});
for my $shape (sort keys %shapes)
{
	my $foreign_key = $shape eq 'no_foreign_key' ? '' : 'ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing (id) ON DELETE CASCADE;';
	my $distribute = q{SELECT create_distributed_table('listing', 'id', colocate_with => 'none'), create_distributed_table('price', 'listing_id', colocate_with => 'listing');};
	run_sql("CREATE SCHEMA $shape; SET search_path = $shape; $shapes{$shape} " . ($shape eq 'partitioned' ? "$foreign_key $distribute" : "$distribute $foreign_key") . " INSERT INTO listing SELECT generate_series(1, 40); $prices");
	my $call = "CALL listing_stats.attach_distributed('$shape.listing', '$shape.price', key => 'listing_id');";
	is(run_sql($call), '', "$shape: attached");
	is(wrong($shape), '0|0|', "$shape: filled");
	run_sql("SET search_path = $shape; INSERT INTO price (listing_id, created, value) VALUES (7, '2026-01-20', 1); DELETE FROM price WHERE listing_id IN (3, 4); UPDATE price SET value = 5 WHERE listing_id = 5; UPDATE listing SET last_price = 0 WHERE id = 6");
	is(wrong($shape), '0|0|', "$shape: kept");
	is(run_sql($call), '', "$shape: again");
	for my $mode (qw(block_writes force_logical))
	{
		next if $mode eq 'force_logical' && $shape eq 'partitioned';
		is($node->psql('postgres', "SET search_path = $shape, pg_catalog; " . sprintf($moves, $mode, $mode eq 'force_logical' ? 1 : 2)), 0, "$shape: moves, $mode");
		run_sql("SET search_path = $shape; INSERT INTO price (listing_id, created, value) SELECT l, '2026-01-30', l FROM generate_series(1, 40, 3) l");
		is(wrong($shape), '0|0|', "$shape: kept on shards that have moved, $mode");
	}
	$node->safe_psql('postgres', "SET search_path = $shape, pg_catalog; SELECT citus_split_shard_by_split_points(shardid, ARRAY[((shardminvalue::bigint + shardmaxvalue::bigint) / 2)::text],
		(SELECT array_agg(nodeid) FROM pg_dist_node WHERE groupid > 0), 'block_writes') FROM pg_dist_shard WHERE logicalrelid = 'price'::regclass ORDER BY shardid LIMIT 1;
		SELECT isolate_tenant_to_new_shard('listing', 9, 'CASCADE', shard_transfer_mode => 'block_writes');");
	if ($foreign_key eq '')
	{
		like(run_sql("SELECT warnings FROM listing_stats.attachments WHERE listing = '$shape.listing'::regclass"), qr/shards have no triggers: CALL listing_stats.attach_distributed/, "$shape: a warning after a split");
		is(run_sql($call), '', "$shape: attached after the split");
	}
	run_sql("SET search_path = $shape; INSERT INTO price (listing_id, created, value) SELECT l, '2026-01-31', l * 2 FROM generate_series(1, 40) l");
	is(wrong($shape), '0|0|', "$shape: kept on shards that were split");
	next unless $shape eq 'partitioned';
	run_sql("SET search_path = $shape; CREATE TABLE price_2 PARTITION OF price FOR VALUES FROM ('2026-02-01Z') TO ('2026-03-01Z'); INSERT INTO price (listing_id, created, value) SELECT l, '2026-02-03', l * 3 FROM generate_series(1, 40) l");
	is(wrong($shape), '0|0|', 'kept in a new partition');
}

# Clients of the coordinator and of both workers write at the three isolation levels while shards are moved, split and rebalanced.
# Statements of one listing, or of listings in their order: those of several shards can be deadlocks, as the page says.
run_sql(qq{CREATE SCHEMA loaded; SET search_path = loaded; $shapes{foreign_key}
	SELECT create_distributed_table('listing', 'id', colocate_with => 'none'), create_distributed_table('price', 'listing_id', colocate_with => 'listing');
	ALTER TABLE price ADD FOREIGN KEY (listing_id) REFERENCES listing (id) ON DELETE CASCADE;
	INSERT INTO listing SELECT generate_series(1, 212); $prices});
is(run_sql(q{CALL listing_stats.attach_distributed('loaded.listing', 'loaded.price')}), '', 'loaded: attached');
my $latest = '(listing_id, id) = (:l, (SELECT id FROM loaded.price WHERE listing_id = :l ORDER BY created DESC, id DESC LIMIT 1))';
my $time = q{timestamptz '2026-01-01Z' + :s * interval '1 s'};
my $insert = "INSERT INTO loaded.price (listing_id, created, value) VALUES (:l, $time, :s);";
my @statements = (
	$insert, $insert =~ s/:l/:m/r,
	"DELETE FROM loaded.price WHERE $latest;",
	"UPDATE loaded.price SET value = value + 1 WHERE $latest;",
	"UPDATE loaded.price SET created = $time WHERE $latest;",
	"DELETE FROM loaded.price WHERE listing_id = :l AND created < $time;",
	'UPDATE loaded.listing SET last_price = -1 WHERE id = :l;');
push @statements, "$insert\n$statements[1]", "SAVEPOINT a;\n$statements[2]\nROLLBACK TO a;\n$statements[1]",
	# A listing that no other client has: no price comes to one that is another row by now.
	map { s/:l\b/:own/gr } 'DELETE FROM loaded.listing WHERE id = :l;', "INSERT INTO loaded.listing VALUES (:l, 5) ON CONFLICT DO NOTHING;\n$insert";
my $end = time + $seconds;
my @clients;
for my $number (0 .. 11)
{
	my $on = $nodes[ $number % 3 ];
	my $file = $on->basedir . "/client$number.sql";
	my $text = '';
	for my $round (1 .. 300 * $seconds)
	{
		my %is = (l => 1 + int rand 199, s => int rand 1e6, own => 201 + $number);
		$is{m} = $is{l} + 1 + int rand 200 - $is{l};
		my $level = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')[ rand 3 ];
		$text .= "BEGIN ISOLATION LEVEL $level;\n" . $statements[ rand @statements ] =~ s/:(\w+)\b/exists $is{$1} ? $is{$1} : ":$1"/ger . "\nCOMMIT;\n";
		$text .= "SELECT extract(epoch FROM clock_timestamp()) > $end AS over \\gset\n\\if :over \\q \\endif\n" if $round % 10 == 0;
	}
	append_to_file($file, $text);
	# What they say goes to files: a pipe that nobody reads would have them wait within a transaction.
	push @clients, { file => $file, run => IPC::Run::start(
			[ 'psql', '-X', '-U', 'owner', '-h', $on->host, '-p', $on->port, '-f', $file, 'postgres' ], '>', "$file.out", '2>', "$file.err") };
}
my $rounds = 0;
while (time < $end - 1)
{
	for my $change (
		sprintf($moves, $rounds % 2 ? 'force_logical' : 'block_writes', 1),
		# The largest one, as long as there are not many.
		q{SELECT citus_split_shard_by_split_points(shardid, ARRAY[((shardminvalue::bigint + shardmaxvalue::bigint) / 2)::text],
				(SELECT array_agg(nodeid) FROM pg_dist_node WHERE groupid > 0), 'block_writes')
			FROM (SELECT * FROM pg_dist_shard WHERE logicalrelid = 'price'::regclass ORDER BY shardmaxvalue::bigint - shardminvalue::bigint DESC LIMIT 1) s
			WHERE (SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = 'price'::regclass) < 16},
		sprintf(q{SELECT rebalance_table_shards('listing', shard_transfer_mode => '%s')}, $rounds % 2 ? 'block_writes' : 'force_logical'))
	{
		my ($status, undef, $told) = $node->psql('postgres', "SET search_path = loaded, pg_catalog; $change");
		# What a move leaves to be dropped may still be locked when the next one comes: then there is another round.
		is($told =~ /orphaned shard .* could not be cleaned up/ ? 0 : $status, 0, 'loaded: ' . ($change =~ /(\w+)\(/)[0]) or diag $told;
	}
	++$rounds;
}
# A transaction that cannot be serialized is one that fails, on a worker too, where Citus has another error.  Citus does not find a shard
# for a moment while it is split; and what has a snapshot from before a move sees no rows of it, so that prices have no listing.
my $of_citus = qr/could not serialize access|could not commit transaction for shard|current transaction is aborted|shard for the given value does not exist|violates foreign key|duplicate key/;
my ($written, $failed) = (0, 0);
for my $client (@clients)
{
	ok($client->{run}->finish, 'loaded: a client has done its work');
	my @errors = slurp_file("$client->{file}.err") =~ /ERROR: .*/g;
	is(join("\n", grep { !/$of_citus/ } @errors), '', 'loaded: it met no other error');
	$failed += () = grep { !/current transaction is aborted/ } @errors;
	$written += () = slurp_file("$client->{file}.out") =~ /^COMMIT$/mg;
}
note "loaded: $written transactions, $failed failed, $rounds rounds";
cmp_ok($written, '>', 10 * $seconds, 'loaded: transactions were processed');
is(wrong('loaded'), '0|0|', 'loaded: nothing is wrong');

# What Citus makes anew is forgotten, with the call to make.
my ($code, $out, $err) = $node->psql('postgres', q{SET search_path = foreign_key, pg_catalog; SELECT alter_distributed_table('listing', shard_count => 6, cascade_to_colocated => true)});
is($code, 0, 'alter_distributed_table()');
like($err, qr/CALL listing_stats.attach_distributed\('foreign_key.listing', 'foreign_key.price', key => 'listing_id'/, 'it says which call to make');
is(run_sql(q{CALL listing_stats.attach_distributed('foreign_key.listing', 'foreign_key.price')}), '', 'attached again');
is(wrong('foreign_key'), '0|0|', 'and right');

# A column that has become wrong is found and mended.
$node->safe_psql('postgres', q{SELECT run_command_on_placements('foreign_key.listing', 'SET session_replication_role = replica; UPDATE %s SET last_price = -1 WHERE id = 11')});
is(wrong('foreign_key'), '1|1|', 'verify_distributed() finds it');
run_sql(q{CALL listing_stats.refresh_distributed('foreign_key.listing', 'foreign_key.price')});
is(wrong('foreign_key'), '0|0|', 'refresh_distributed() mends it');

# An interruption: a worker is away.
$nodes[2]->stop('fast');
like(run_sql(q{CALL listing_stats.attach_distributed('foreign_key.listing', 'foreign_key.price', last_price_at => 'seen')}), qr/ERROR/, 'a node is away');
$nodes[2]->start;
is(run_sql(q{CALL listing_stats.attach_distributed('foreign_key.listing', 'foreign_key.price', last_price_at => 'seen')}), '', 'the same call goes on');
is(run_sql(q{SELECT count(seen) FROM foreign_key.listing}), run_sql(q{SELECT count(last_price) FROM foreign_key.listing}), 'and fills');

# Rows of other nodes: all write.
run_sql(q{INSERT INTO foreign_key.price (id, listing_id, created, value) SELECT 5000 + l, l, '2027-01-01', l FROM generate_series(1, 20) l}, $nodes[1]);
is(wrong('foreign_key'), '0|0|', 'written through a worker');

is(run_sql(q{CALL listing_stats.detach_distributed('foreign_key.listing', 'foreign_key.price')}), '', 'detached');
is(run_sql(q{SELECT count(*) FROM listing_stats.attachments WHERE listing = 'foreign_key.listing'::regclass}), '0', 'and not shown');
is($_->safe_psql('postgres', q{SELECT count(*) FROM listing_stats._distributed WHERE listing = 'foreign_key.listing'::regclass}), '0', 'nor noted anywhere') for @nodes;
is($node->psql('postgres', q{SELECT undistribute_table('foreign_key.price', cascade_via_foreign_keys => true)}), 0, 'undistributed');

# Keys of two columns, of which one distributes; schema-sharded tables.
run_sql(qq{CREATE SCHEMA tenants; SET search_path = tenants;
	CREATE TABLE listing (tenant int, id bigint, PRIMARY KEY (tenant, id));
	CREATE TABLE price (tenant int, id bigserial, listing_id bigint NOT NULL, created timestamptz NOT NULL, value numeric, PRIMARY KEY (tenant, id));
	SELECT create_distributed_table('listing', 'tenant', colocate_with => 'none'), create_distributed_table('price', 'tenant', colocate_with => 'listing');
	ALTER TABLE price ADD FOREIGN KEY (tenant, listing_id) REFERENCES listing (tenant, id);
	INSERT INTO listing SELECT t, l FROM generate_series(1, 5) t, generate_series(1, 5) l;
	INSERT INTO price (tenant, listing_id, created, value) SELECT t, l, '2026-01-01', t * l FROM generate_series(1, 5) t, generate_series(1, 5) l});
is(run_sql(q{CALL listing_stats.attach_distributed('tenants.listing', 'tenants.price')}), '', 'a key of two columns');
run_sql(q{INSERT INTO tenants.price (tenant, listing_id, created, value) VALUES (1, 1, '2026-01-02', 99), (5, 5, '2026-01-02', 99)});
is(run_sql(q{SELECT count(last_price), sum(last_price) FROM tenants.listing}), '25|' . (15 * 15 - 1 - 25 + 198), 'is kept');

is(run_sql(qq{SET citus.enable_schema_based_sharding = on; CREATE SCHEMA sharded; SET search_path = sharded;
	CREATE TABLE listing (id bigint PRIMARY KEY);
	CREATE TABLE price (id bigserial PRIMARY KEY, listing_id bigint NOT NULL REFERENCES listing, created timestamptz NOT NULL, value numeric(10,2));
	INSERT INTO listing SELECT generate_series(1, 40); $prices}), '', 'a schema that is a shard');
is(run_sql(q{CALL listing_stats.attach_distributed('sharded.listing', 'sharded.price')}), '', 'is attached');
run_sql(q{INSERT INTO sharded.price (listing_id, created, value) VALUES (7, '2026-03-01', 5)});
is(wrong('sharded'), '0|0|', 'and kept');

# Readers and aggregates answer what they do of an ordinary table.
run_sql(qq{CREATE SCHEMA reading; SET search_path = reading; CREATE TABLE plain (id bigint, listing_id bigint, created timestamptz NOT NULL, value numeric(10,2), PRIMARY KEY (listing_id, id));
	CREATE INDEX ON plain (listing_id, created DESC, id DESC) INCLUDE (value);
	INSERT INTO plain SELECT row_number() OVER (), l, '2026-01-01Z'::timestamptz + n * interval '1 h', l * 10 + n % 7 FROM generate_series(1, 50) l, generate_series(1, 200) n;
	CREATE TABLE distributed (LIKE plain INCLUDING ALL); CREATE TABLE reference (LIKE plain INCLUDING ALL);
	INSERT INTO distributed TABLE plain; INSERT INTO reference TABLE plain; ANALYZE plain, distributed, reference;
	SELECT create_distributed_table('distributed', 'listing_id'), create_reference_table('reference')});
for my $query (
	q{SELECT md5(string_agg(t::text, ',' ORDER BY key)) FROM listing_stats.latest_prices('%s', key => 'listing_id') t},
	q{SELECT md5(string_agg(t::text, ',' ORDER BY key)) FROM listing_stats.latest_prices('%s', ARRAY[7], key => 'listing_id') t},
	q{SELECT md5(string_agg(t::text, ',' ORDER BY key)) FROM listing_stats.latest_prices('%s', ARRAY[7, 8], '2026-01-05Z', key => 'listing_id') t},
	q{SELECT md5(string_agg(t::text, ',' ORDER BY listing_id)) FROM listing_stats.latest_rows(NULL::%s, ARRAY[1, 2], key => 'listing_id') t},
	q{SELECT listing_stats.latest_price('%s', 7, key_column => 'listing_id')},
	q{SELECT listing_stats.read_price_history('%s', 7, key_column => 'listing_id')},
	q{SELECT listing_stats.price_history_json('%s', 7, 3, key_column => 'listing_id')},
	map { ("SELECT md5(($_)::text) FROM %s", "SELECT md5(string_agg(s::text, ',' ORDER BY g)) FROM (SELECT listing_id AS g, $_ AS s FROM %s GROUP BY 1) x",
			"SELECT md5(string_agg(s::text, ',' ORDER BY g)) FROM (SELECT created::date AS g, $_ AS s FROM %s GROUP BY 1) x") }
	map { "listing_stats.$_" } 'price_stats(value)', 'price_summary(value)', 'price_stats_json(value)', 'median(value)', 'latest(value, created, id)', 'earliest(value, created)', 'price_history(created, value, id)')
{
	my $of = sub { run_sql('SET search_path = reading; SET timezone = UTC; ' . sprintf($query, $_[0])) };
	is($of->($_), $of->('plain'), "$_: $query") for qw(distributed reference);
}
like(run_sql(q{SELECT sum(listing_stats.latest_price('reading.distributed', listing_id, key_column => 'listing_id')) FROM reading.distributed}), qr/ERROR: *cannot execute a distributed query/, 'nested queries are refused by Citus');
like($node->safe_psql('postgres', 'EXPLAIN VERBOSE SELECT listing_stats.latest(value, created, id) FROM reading.distributed'), qr/worker_partial_agg/, 'states travel, not rows');

# S3: What somebody notes is for his own tables, not for others' that are named like shards of his.
$node->safe_psql('postgres', 'CREATE ROLE thief LOGIN; GRANT CREATE ON DATABASE postgres TO thief; CREATE SCHEMA common; GRANT ALL ON SCHEMA common TO PUBLIC');
sub by_thief { return ($node->psql('postgres', "SET client_min_messages = warning;\n$_[0]", extra_params => [ '-U', 'thief' ]))[2]; }
run_sql('SET search_path = common; CREATE TABLE goods_2026 (id int PRIMARY KEY);
	CREATE TABLE offers_2026 (id serial PRIMARY KEY, listing_id int REFERENCES goods_2026, created date NOT NULL, value numeric)');
is(by_thief(q{SET search_path = common; CREATE TABLE goods (id int PRIMARY KEY); CREATE TABLE offers (id serial PRIMARY KEY, listing_id int REFERENCES goods, created date NOT NULL, value numeric)}), '', 'somebody has tables');
my $note = q{INSERT INTO listing_stats._distributed VALUES ('common.goods', 'common.offers', '', '{"condition": "value > 1"}')};
like(by_thief($note), qr/are not distributed tables/, 'which are not noted, not being distributed');
$node->safe_psql('postgres', $note);
is(run_sql('ALTER TABLE common.offers_2026 ADD COLUMN note text'), '', 'and others change theirs');
is(run_sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'common.offers_2026'::regclass AND tgname ~ '^LISTING'}), '0', 'which are not attached');
# What his indexes, constraints and types run is not run as a superuser.
is(by_thief(q{CREATE SCHEMA his; SET search_path = his; CREATE TABLE listing (id int PRIMARY KEY);
	CREATE TABLE price (id int, listing_id int REFERENCES listing, created date NOT NULL, value numeric, PRIMARY KEY (id, listing_id));
	SELECT create_distributed_table('listing', 'id'), create_distributed_table('price', 'listing_id');
	CREATE FUNCTION says() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'ran as %', current_user; RETURN true; END $$;
	CREATE FUNCTION trap(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN his.says(); END $$;
	SET client_min_messages = error; CREATE INDEX ON price (value) WHERE trap(1)}), '', 'a trap in an index');
my (undef, undef, $refused) = $node->psql('postgres', q{CALL listing_stats.attach_distributed('his.listing', 'his.price')});
like($refused, qr/has to be called by its owner, role "thief"/, 'a superuser does not try it');
unlike($refused, qr/ran as/, 'and it does not run');
unlike(by_thief(q{CALL listing_stats.attach_distributed('his.listing', 'his.price')}), qr/ERROR/, 'its owner does');
# Readers need no privilege on others' schemas.
like(run_sql('SELECT count(*) FROM listing_stats.attachments'), qr/^\d+$/, 'the view is read by who may not use the schema of a table');

# The notes are dumped with the coordinator, except of what is gone.
$node->safe_psql('postgres', q{SET session_replication_role = replica; INSERT INTO listing_stats._distributed VALUES (987654, 987655, '', '{}')});
my ($dump) = run_command([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-U', 'owner', '--data-only', '-t', 'listing_stats._distributed', '-e', 'listing_stats', 'postgres' ]);
like($dump, qr/COPY listing_stats._distributed.*tenants\.listing\ttenants\.price\tlast_price\t/s, 'a dump has them');
unlike($dump, qr/987654/, 'without what is gone');
done_testing();
