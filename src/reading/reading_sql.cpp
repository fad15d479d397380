// The SQL that reads prices, see reading_sql.hpp.
//
// What holds:
// - A plan that is kept is run only if it is valid: re-analysing its text would use names that a
//   rename has made old.  The table is locked from before its columns were resolved, so that no
//   rename comes in between.  Whose privileges and policies count is decided when it is run, except
//   for that on the schema.
// - Plans are freed only when no call runs one of them (Kept.users), also after an error.
// - All ways to the latest prices give the same rows; which is taken is a matter of time alone.
#include "reading/reading_sql.hpp"

#include "tables/attachment.hpp"
#include "tables/price_index.hpp"

namespace listing_stats {

namespace {

// What takes as long as one price takes in a sort.  Measured; what is beyond twofold matters.
constexpr double cost_of_lookup = 6;       // of one key's latest price in an index
constexpr double cost_of_skip = 20;        // and of the key itself
constexpr double cost_of_grouping = 0.33;  // of a price, where keys have several
constexpr double prices_worth_grouping = 4;
constexpr double cost_of_row = 2.5;     // of a whole row
constexpr double cost_in_order = 0.15;  // of a price in an index that has them in order

// How many keys are read of leaves one after the other while one is looked for.
constexpr double passed_keys = 4;

const char *
column_of(const ResolvedColumn &column)
{
	return psprintf("p.%s", quote_identifier(NameStr(column.name)));
}

const char *
type_name(Oid type)
{
	return format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

// Partitions and inheritance children included.
const char *
from_prices(const PriceTable &table)
{
	return psprintf("FROM %s AS p", qualified_name(table.relation));
}

const char *
key_compares(const PriceTable &table, KeyKind kind, StrategyNumber strategy, const char *key)
{
	const Oid base = table.key.base;
	const TypeCacheEntry *entry = lookup_type_cache(base, TYPECACHE_BTREE_OPFAMILY);
	const Oid right = kind == KeyKind::integer ? INT8OID : entry->btree_opintype;
	const Oid left = kind == KeyKind::integer ? base : entry->btree_opintype;
	const Oid operator_oid =
		get_opfamily_member(entry->btree_opf, left, right, static_cast<int16>(strategy));

	return psprintf("%s %s %s", column_of(table.key), qualified_operator(operator_oid), key);
}

// " AND ..." for what is asked of a price besides its key.
const char *
conditions(const PriceTable &table, bool as_of)
{
	StringInfoData out;

	initStringInfo(&out);
	if (as_of)
	{
		const TypeCacheEntry *entry = lookup_type_cache(table.at.base, TYPECACHE_BTREE_OPFAMILY);
		const Oid operator_oid =
			get_opfamily_member(entry->btree_opf, entry->btree_opintype, entry->btree_opintype,
		                        BTLessEqualStrategyNumber);
		appendStringInfo(&out, " AND %s %s $2", column_of(table.at),
		                 qualified_operator(operator_oid));
	}
	if (table.skip_null)
		appendStringInfo(&out, " AND %s IS NOT NULL", column_of(table.value));
	return out.data;
}

// The key as it was asked for.
const char *
answered_key(const PriceTable &table, KeyKind kind)
{
	const char *cast = kind == KeyKind::text ? "::pg_catalog.text"
	                   : table.key.base == INT2OID || table.key.base == INT4OID
	                       ? "::pg_catalog.int8"
	                       : "";

	return psprintf("%s%s", column_of(table.key), cast);
}

const char *
columns(const PriceTable &table, KeyKind kind)
{
	return psprintf("%s AS k, %s AS a, %s AS v", answered_key(table, kind), column_of(table.at),
	                column_of(table.value));
}

constexpr const char *whole_row = "p.*";

// At most one row: the latest price of a key.
const char *
head(const PriceTable &table, const char *columns, const char *key_condition, bool as_of)
{
	return psprintf("SELECT %s %s WHERE %s%s ORDER BY %s LIMIT 1", columns, from_prices(table),
	                key_condition, conditions(table, as_of), latest_first(table, "p."));
}

// A key that the caller gave, as the key column compares it.
const char *
given_key(const PriceTable &table, KeyKind kind, const char *key)
{
	if (kind != KeyKind::text)
		return key;
	return in_collation(psprintf("%s::%s", key, type_name(table.key.base)), table.key.collation);
}

// The keys of the array $1, each once.
const char *
given_keys(const PriceTable &table, KeyKind kind)
{
	return psprintf("(SELECT DISTINCT %s AS k FROM pg_catalog.unnest($1) AS g (k) WHERE g.k IS NOT "
	                "NULL) AS u",
	                given_key(table, kind, "g.k"));
}

// Each looked up by itself.
const char *
latest_by_lookups(const PriceTable &table, KeyKind kind, const char *columns, bool as_of)
{
	return psprintf(
		"SELECT l.* FROM %s CROSS JOIN LATERAL (%s) AS l", given_keys(table, kind),
		head(table, columns, key_compares(table, kind, BTEqualStrategyNumber, "u.k"), as_of));
}

// The listings that the foreign key is about.
const char *
from_listings(const PriceTable &table)
{
	const bool only = get_rel_relkind(table.listing) == RELKIND_RELATION;

	return psprintf("%s%s AS u", only ? "ONLY " : "", qualified_name(table.listing));
}

// The keys of the attached listings, each looked up.
const char *
latest_of_listings(const PriceTable &table, const char *columns, bool as_of)
{
	const TypeCacheEntry *entry = lookup_type_cache(table.key.base, TYPECACHE_BTREE_OPFAMILY);
	const char *equals = qualified_operator(get_opfamily_member(
		entry->btree_opf, entry->btree_opintype, entry->btree_opintype, BTEqualStrategyNumber));
	const char *condition = psprintf("%s %s u.%s", column_of(table.key), equals,
	                                 quote_identifier(NameStr(table.listing_key.name)));

	return psprintf("SELECT l.* FROM %s CROSS JOIN LATERAL (%s) AS l", from_listings(table),
	                head(table, columns, condition, as_of));
}

const char *
latest_by_sorting(const PriceTable &table, const char *columns, const char *from,
                  const char *condition)
{
	return psprintf("SELECT DISTINCT ON (%s) %s %s WHERE %s ORDER BY %s, %s", column_of(table.key),
	                columns, from, condition, column_of(table.key), latest_first(table, "p."));
}

// The column at as latest() takes it, in the same order.
const char *
instant_of(const PriceTable &table)
{
	const char *at = column_of(table.at);

	switch (table.at.base)
	{
	case TIMESTAMPTZOID:
		return psprintf("%s::pg_catalog.timestamptz", at);
	case TIMESTAMPOID:
		return psprintf("pg_catalog.timezone('UTC', %s::pg_catalog.timestamp)", at);
	default:
		return psprintf("pg_catalog.timezone('UTC', %s::pg_catalog.date::pg_catalog.timestamp)",
		                at);
	}
}

// The value in a type that has a latest() of its own.
const char *
aggregated_type(Oid type)
{
	switch (type)
	{
	case INT2OID:
	case INT4OID:
		return "pg_catalog.int4";
	case INT8OID:
		return "pg_catalog.int8";
	case FLOAT4OID:
	case FLOAT8OID:
		return "pg_catalog.float8";
	default:
		return "pg_catalog.numeric";
	}
}

const char *
latest_by_grouping(const PriceTable &table, KeyKind kind, const char *from, const char *condition)
{
	const Oid value = table.value.base;
	const char *tie =
		table.tie.attnum == 0 ? "" : psprintf(", %s::pg_catalog.int8", column_of(table.tie));

	return psprintf("SELECT %s AS k, pg_catalog.max(%s::%s) AS a, listing_stats.latest(%s::%s, "
	                "%s%s)::%s AS v %s WHERE %s GROUP BY %s",
	                answered_key(table, kind), column_of(table.at), type_name(table.at.base),
	                column_of(table.value), aggregated_type(value), instant_of(table), tie,
	                type_name(value), from, condition, column_of(table.key));
}

// Whether latest() finds what sorting does: it leaves out rows without a time, takes integers for
// ties and no tie for the least of them; and keys that are equal must be the same.
bool
can_group(const PriceTable &table, bool as_of)
{
	const Oid at = table.at.base;
	const TypeCacheEntry *entry = lookup_type_cache(table.key.base, TYPECACHE_BTREE_OPFAMILY);
	const Oid equal_image = get_opfamily_proc(entry->btree_opf, entry->btree_opintype,
	                                          entry->btree_opintype, BTEQUALIMAGE_PROC);

	return !table.distributed && (table.at.not_null || as_of) && is_time_type(at) &&
	       (table.tie.attnum == 0 || (is_integer(table.tie.base) && table.tie.not_null)) &&
	       OidIsValid(equal_image) &&
	       DatumGetBool(OidFunctionCall1Coll(equal_image, table.key.collation,
	                                         ObjectIdGetDatum(entry->btree_opintype)));
}

// Whether grouping takes less time: not where hardly any price is left out, unless keys are slow to
// sort.
bool
groups(const PriceTable &table, bool as_of, const TableSize &size)
{
	const bool sorts_fast = get_typbyval(table.key.base);

	return can_group(table, as_of) &&
	       (!sorts_fast || size.keys < 0 || size.prices >= prices_worth_grouping * size.keys);
}

// One pass over all prices, or those that have one of the keys in $1.
const char *
latest_by_pass(const PriceTable &table, KeyKind kind, const char *columns, bool keys, bool as_of,
               bool grouping)
{
	const char *from = from_prices(table);
	const char *condition = psprintf("%s IS NOT NULL", column_of(table.key));
	const char relkind = get_rel_relkind(table.relation);

	// Where the rows are elsewhere, a comparison with an array is made there.
	if (keys && kind != KeyKind::text && (table.distributed || relkind == RELKIND_FOREIGN_TABLE))
		condition = key_compares(table, kind, BTEqualStrategyNumber, "ANY ($1)");
	else if (keys)
	{
		from = psprintf("%s CROSS JOIN %s", from, given_keys(table, kind));
		condition = key_compares(table, kind, BTEqualStrategyNumber, "u.k");
	}
	condition = psprintf("%s%s", condition, conditions(table, as_of));
	return grouping ? latest_by_grouping(table, kind, from, condition)
	                : latest_by_sorting(table, columns, from, condition);
}

// From key to key, each found in the index by the one before.
const char *
latest_by_skipping(const PriceTable &table, const char *columns, bool as_of)
{
	const char *key = column_of(table.key);
	const Oid base = table.key.base;
	const TypeCacheEntry *entry = lookup_type_cache(base, TYPECACHE_BTREE_OPFAMILY);
	const char *greater = qualified_operator(get_opfamily_member(
		entry->btree_opf, entry->btree_opintype, entry->btree_opintype, BTGreaterStrategyNumber));
	const char *equals = qualified_operator(get_opfamily_member(
		entry->btree_opf, entry->btree_opintype, entry->btree_opintype, BTEqualStrategyNumber));

	return psprintf(
		"WITH RECURSIVE u (k) AS ((SELECT %s %s WHERE %s IS NOT NULL ORDER BY %s LIMIT 1) "
		"UNION ALL SELECT (SELECT %s %s WHERE %s %s u.k ORDER BY %s LIMIT 1) FROM u WHERE "
		"u.k IS NOT NULL) SELECT l.* FROM u CROSS JOIN LATERAL (%s) AS l WHERE u.k IS NOT "
		"NULL",
		key, from_prices(table), key, key, key, from_prices(table), key, greater, key,
		head(table, columns, psprintf("%s %s u.k", key, equals), as_of));
}

const char *
query_of(const PriceTable &table, KeyKind kind, Reading reading)
{
	const char *condition =
		key_compares(table, kind, BTEqualStrategyNumber, given_key(table, kind, "$1"));

	switch (reading)
	{
	case Reading::latest:
		return head(table, columns(table, kind), condition, true);
	case Reading::latest_ever:
		return head(table, columns(table, kind), condition, false);
	case Reading::history:
		return psprintf("SELECT %s %s WHERE %s ORDER BY %s LIMIT $2", columns(table, kind),
		                from_prices(table), condition, latest_first(table, "p."));
	}
	pg_unreachable();
}

// How large a table is.

double
prices_of(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (!HeapTupleIsValid(tuple))
		return -1;
	const double rows = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->reltuples;

	ReleaseSysCache(tuple);
	return rows;
}

// How many keys that many prices have; negative: nobody knows.
double
keys_of(Oid relation, AttrNumber key, bool inherited, double prices)
{
	HeapTuple tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relation), Int16GetDatum(key),
	                                  BoolGetDatum(inherited));
	if (!HeapTupleIsValid(tuple))
		return -1;
	const double distinct = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(tuple))->stadistinct;

	ReleaseSysCache(tuple);
	return distinct > 0 ? distinct : distinct < 0 && prices >= 0 ? -distinct * prices : -1;
}

// The partitions of a table, or its inheritance children.  The planner asks for them, which has not
// locked the table.
struct Parts
{
	List *children;
	double count;   // with the table itself where it has rows; 1 where there are no children
	double of_key;  // in so many the latest price of a key is looked for
};

Parts
parts_of(const PriceTable &table)
{
	Parts parts = {NIL, 1, 1};

	if (!has_subclass(table.relation))
		return parts;
	parts.children = find_inheritance_children(table.relation, NoLock);
	parts.count = Max(list_length(parts.children), 1);
	switch (table.partitioning)
	{
	case Partitioning::none:
		parts.of_key = ++parts.count;
		break;
	case Partitioning::by_key:
		break;
	case Partitioning::by_time:
		// From the newest on, which may have none.
		parts.of_key = Min(parts.count, 2);
		break;
	case Partitioning::by_time_and_default:  // the planner does not order them
	case Partitioning::otherwise:
		parts.of_key = parts.count;
	}
	return parts;
}

// By what has been found out of the table with its parts, or else of each part: parts that do not
// have keys of their own are said to have the same ones.
TableSize
size_of(const PriceTable &table, const Parts &parts)
{
	const AttrNumber key = table.key.attnum;
	const bool partitioned = table.partitioning != Partitioning::none;
	const bool own_keys = table.partitioning == Partitioning::by_key;
	TableSize size = {prices_of(table.relation), -1};
	double keys = keys_of(table.relation, key, false, size.prices);
	ListCell *cell = nullptr;

	if (partitioned)
		size.keys = keys_of(table.relation, key, true, size.prices);
	if (parts.children == NIL || (size.prices >= 0 && size.keys >= 0))
		return {size.prices, Max(size.keys, keys)};
	if (partitioned)
		size.prices = -1;
	foreach (cell, parts.children)
	{
		const Oid part = lfirst_oid(cell);
		const double prices = prices_of(part);
		const double part_keys =
			keys_of(part, get_attnum(part, NameStr(table.key.name)), false, prices);
		if (prices >= 0)
			size.prices = Max(size.prices, 0) + prices;
		keys = own_keys && part_keys > 0 ? Max(keys, 0) + part_keys : Max(keys, part_keys);
	}
	size.keys = keys_of(table.relation, key, true, size.prices);
	return {size.prices, size.keys < 0 ? keys : size.keys};
}

// Whether the current user sees all keys in the table of listings.  In a transaction that writes,
// there may be prices for which the foreign key has not been asked yet.
bool
sees_listings(const PriceTable &table)
{
	return OidIsValid(table.listing) && !TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
	       may_use_schema(get_rel_namespace(table.listing), GetUserId()) &&
	       (pg_class_aclcheck(table.listing, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
	        pg_attribute_aclcheck(table.listing, table.listing_key.attnum, GetUserId(),
	                              ACL_SELECT) == ACLCHECK_OK) &&
	       check_enable_rls(table.listing, InvalidOid, true) != RLS_ENABLED;
}

// A query that reads all prices, or would for some.
struct Pass
{
	bool grouping;
	double cost;  // negative: nobody knows
};

Pass
plan_pass(const PriceTable &table, Indexed indexed, const TableSize &size, bool as_of,
          bool whole_rows)
{
	if (whole_rows)
		return {false, size.prices * cost_of_row};
	if (indexed == Indexed::in_order)
		return {false, size.prices * cost_in_order};
	const bool grouping = groups(table, as_of, size);
	return {grouping, size.prices * (grouping ? cost_of_grouping : 1)};
}

const char *
latest_of_all(const PriceTable &table, KeyKind kind, const char *columns, bool as_of,
              bool whole_rows)
{
	const Parts parts = parts_of(table);
	const TableSize size = size_of(table, parts);
	const Indexed indexed = find_indexed(table);
	const Pass pass = plan_pass(table, indexed, size, as_of, whole_rows);

	if (!table.distributed && indexed >= Indexed::by_time)
	{
		const double listings = OidIsValid(table.listing) ? prices_of(table.listing) : -1;
		if (listings >= 0 && pass.cost > cost_of_lookup * parts.of_key * listings &&
		    sees_listings(table))
			return latest_of_listings(table, columns, as_of);
		if (size.keys >= 0 && pass.cost > cost_of_skip * parts.count * size.keys)
			return latest_by_skipping(table, columns, as_of);
	}
	return latest_by_pass(table, kind, columns, false, as_of, pass.grouping);
}

const char *
latest_of_given(const PriceTable &table, KeyKind kind, const char *columns, int keys, bool as_of,
                bool whole_rows)
{
	const Parts parts = parts_of(table);
	const TableSize size = size_of(table, parts);
	const Indexed indexed = find_indexed(table);
	// Joined with the keys, prices do not come in an index's order.
	const Pass pass = plan_pass(table, Indexed::by_time, size, as_of, whole_rows);

	if (keys > 1 && (table.distributed || indexed == Indexed::not_at_all ||
	                 (size.prices >= 0 && cost_of_lookup * parts.of_key * keys > pass.cost)))
		return latest_by_pass(table, kind, columns, true, as_of, pass.grouping);
	return latest_by_lookups(table, kind, columns, as_of);
}

// Running queries.

struct SinkReceiver
{
	DestReceiver receiver;
	RowSink sink;
};

bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	constexpr int most_columns = 3;  // that a sink may change
	const RowSink &sink = reinterpret_cast<SinkReceiver *>(self)->sink;
	Datum value[most_columns];
	bool null[most_columns];

	slot_getallattrs(slot);
	if (slot->tts_tupleDescriptor->natts > most_columns)
	{
		sink.put(sink.sink, slot->tts_values, slot->tts_isnull);
		return true;
	}
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; ++i)
	{
		value[i] = slot->tts_values[i];
		null[i] = slot->tts_isnull[i];
	}
	sink.put(sink.sink, value, null);
	return true;
}

void
ignore_start(DestReceiver *, int, TupleDesc)
{
}

void
ignore_end(DestReceiver *)
{
}

void
run_plan(SPIPlanPtr plan, int parameters, const Oid *type, const NullableDatum *parameter,
         RowSink sink)
{
	SinkReceiver receiver = {{receive, ignore_start, ignore_end, ignore_end, DestTuplestore}, sink};
	SPIExecuteOptions options = {};

	options.params = makeParamList(parameters);
	for (int i = 0; i < parameters; ++i)
		options.params->params[i] = {parameter[i].value, parameter[i].isnull, PARAM_FLAG_CONST,
		                             type[i]};
	options.read_only = true;
	options.dest = &receiver.receiver;
	const int result = SPI_execute_plan_extended(plan, &options);
	if (result < 0)
		elog(ERROR, "could not read prices: %s", SPI_result_code_string(result));
}

SPIPlanPtr
prepare(const char *query, int parameters, Oid *type, int options)
{
	elog(DEBUG1, "listing_stats prepares %s", query);
	SPIPlanPtr plan = SPI_prepare_cursor(query, parameters, type, options);
	if (plan == nullptr)
		elog(ERROR, "could not prepare a statement of listing_stats: %s",
		     SPI_result_code_string(SPI_result));
	return plan;
}

// Made once for all keys: it must not rest on the table being small.  Of a view or a foreign table
// the planner decides.
SPIPlanPtr
prepare_reading(const PriceTable &table, KeyKind kind, Reading reading, Oid *type)
{
	const char relkind = get_rel_relkind(table.relation);
	const char *query = query_of(table, kind, reading);

	if (table.distributed || (relkind != RELKIND_RELATION && relkind != RELKIND_MATVIEW &&
	                          relkind != RELKIND_PARTITIONED_TABLE))
	{
		SPIPlanPtr plan = prepare(query, 2, type, 0);
		SPI_keepplan(plan);
		return plan;
	}
	const int level = NewGUCNestLevel();
	set_for_planning("enable_seqscan", "off");
	set_for_planning("enable_bitmapscan", "off");
	set_for_planning("jit", "off");
	SPIPlanPtr plan = prepare(query, 2, type, CURSOR_OPT_GENERIC_PLAN);
	SPI_keepplan(plan);
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	if (cached != nullptr)
		ReleaseCachedPlan(cached, CurrentResourceOwner);
	AtEOXact_GUC(true, level);
	return plan;
}

// A plan for this call alone where others are running those that are kept, or where its analysis
// will say that the caller may not use the schema.
SPIPlanPtr
plan_of(const PriceTable &table, KeyKind kind, Reading reading, Oid *type)
{
	if (table.kept == nullptr || !may_use_schema(get_rel_namespace(table.relation), GetUserId()))
		return prepare(query_of(table, kind, reading), 2, type, 0);
	constexpr int kinds = 3;
	SPIPlanPtr *kept =
		&table.kept->plan[static_cast<int>(reading) * kinds + static_cast<int>(kind)];
	static_assert(lengthof(table.kept->plan) == kinds * (static_cast<int>(Reading::history) + 1));
	if (*kept != nullptr && SPI_plan_is_valid(*kept))
		return *kept;
	if (table.kept->users > 1)
		return prepare(query_of(table, kind, reading), 2, type, 0);
	if (*kept != nullptr)
		SPI_freeplan(*kept);
	*kept = nullptr;
	*kept = prepare_reading(table, kind, reading, type);
	return *kept;
}

}  // namespace

Oid
key_kind_type(KeyKind kind)
{
	return kind == KeyKind::integer ? INT8OID : kind == KeyKind::text ? TEXTOID : UUIDOID;
}

void
check_key_kind(const PriceTable &table, KeyKind kind)
{
	const Oid base = table.key.base;

	if (kind == KeyKind::integer ? !is_integer(base) : kind == KeyKind::uuid && base != UUIDOID)
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
		     errmsg("key column \"%s\" of table \"%s\" has type %s, not %s",
		            NameStr(table.key.name), NameStr(table.name), format_type_be(table.key.type),
		            format_type_be(key_kind_type(kind))),
		     errhint(
				 "Keys of any type can be given as text: an array cast to text[], also if it is "
				 "NULL, or one key cast to text.")));
	const TypeCacheEntry *entry = lookup_type_cache(base, TYPECACHE_BTREE_OPFAMILY);
	if (!OidIsValid(entry->btree_opf))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
		                errmsg("key column \"%s\" of table \"%s\" has type %s, which has no order",
		                       NameStr(table.key.name), NameStr(table.name),
		                       format_type_be(table.key.type))));
}

TableSize
estimate_size(const PriceTable &table)
{
	return size_of(table, parts_of(table));
}

bool
skipping_pays(const PriceTable &table, double prices)
{
	const TableSize size = estimate_size(table);

	return size.keys >= 0 && size.prices > prices * size.keys &&
	       find_indexed(table) >= Indexed::by_time;
}

bool
listings_pay(const PriceTable &table)
{
	const Parts parts = parts_of(table);
	const TableSize size = size_of(table, parts);
	const double listings = OidIsValid(table.listing) ? prices_of(table.listing) : -1;

	return listings >= 0 &&
	       Min(size.prices, size.keys * parts.count) > passed_keys * parts.of_key * listings &&
	       sees_listings(table);
}

void
read_listing_keys(const PriceTable &table, RowSink sink)
{
	const char *query =
		psprintf("SELECT u.%s FROM %s", quote_identifier(NameStr(table.listing_key.name)),
	             from_listings(table));

	SPI_connect();
	run_plan(prepare(query, 0, nullptr, 0), 0, nullptr, nullptr, sink);
	SPI_finish();
}

double
estimate_keys(Oid relation, const ColumnNames &names)
{
	const PriceTable *table = known_price_table(relation, names);
	if (table == nullptr || get_rel_relkind(relation) == '\0')
		return -1;
	const TableSize size = estimate_size(*table);

	return size.keys < 0 ? size.prices : size.keys;
}

void
read_one(const PriceTable &table, KeyKind kind, Reading reading, Datum key, NullableDatum parameter,
         RowSink sink)
{
	Oid type[] = {key_kind_type(kind), reading == Reading::history ? INT8OID : table.at.base};
	const NullableDatum parameters[] = {{key, false}, parameter};

	if (table.kept != nullptr)
		++table.kept->users;
	PG_TRY();
	{
		SPI_connect();
		run_plan(plan_of(table, kind, reading, type), 2, type, parameters, sink);
		SPI_finish();
	}
	PG_FINALLY();
	{
		if (table.kept != nullptr)
			--table.kept->users;
	}
	PG_END_TRY();
}

void
read_latest_by_query(const PriceTable &table, KeyKind kind, const LatestRequest &request,
                     RowSink sink)
{
	Oid type[] = {get_array_type(key_kind_type(kind)), table.at.base};
	const NullableDatum parameter[] = {{request.keys, !request.has_keys}, request.as_of};
	const char *select = request.whole_rows ? whole_row : columns(table, kind);
	const bool as_of = !request.as_of.isnull;
	const char *query = nullptr;

	if (request.has_keys)
	{
		ArrayType *keys = DatumGetArrayTypeP(request.keys);
		query = latest_of_given(table, kind, select, ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys)),
		                        as_of, request.whole_rows);
	}
	else
		query = latest_of_all(table, kind, select, as_of, request.whole_rows);
	SPI_connect();
	run_plan(prepare(query, 2, type, CURSOR_OPT_PARALLEL_OK), 2, type, parameter, sink);
	SPI_finish();
}

}  // namespace listing_stats
