// The SQL that reads prices, see reading_sql.hpp.
//
// What holds:
// - A plan that is kept is run only as it was made: re-analysing its text would use names that a
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

// Costs, as multiples of the time that a sort takes for one price.  Measured, and rough: the
// choice has to be right only where two ways differ more than twofold.
constexpr double cost_of_lookup = 6;       // of one key's latest price in an index
constexpr double cost_of_part = 2;         // and in that of each further part
constexpr double cost_of_skip = 20;        // and of the key itself
constexpr double cost_of_grouping = 0.33;  // of a price, where keys have several
constexpr double prices_worth_grouping = 4;
constexpr double cost_of_row = 2.5;      // of a whole row
constexpr double cost_in_order = 0.15;   // of a price in an index that has them in order
constexpr double cost_of_merging = 0.3;  // and in the indexes of several parts

// How many keys are read of leaves one after the other while one is looked for.
constexpr double passed_keys = 4;

const char *
column_of(const ResolvedColumn &column)
{
	return psprintf("p.%s", quote_identifier(NameStr(column.name)));
}

// Partitions and inheritance children included.
const char *
from_prices(const PriceTable &table)
{
	return psprintf("FROM %s AS p", qualified_name(table.relation));
}

// Of the column's type, with what is on the right: a value of the same type, or of the one given.
const char *
operator_of(const ResolvedColumn &column, StrategyNumber strategy, Oid right = InvalidOid)
{
	const TypeCacheEntry *entry = lookup_type_cache(column.base, TYPECACHE_BTREE_OPFAMILY);
	const Oid type = entry->btree_opintype;

	return qualified_operator(get_opfamily_member(
		entry->btree_opf, type, OidIsValid(right) ? right : type, static_cast<int16>(strategy)));
}

const char *
key_is(const PriceTable &table, KeyKind kind, const char *key)
{
	const Oid right = kind == KeyKind::integer ? INT8OID : InvalidOid;

	return psprintf("%s %s %s", column_of(table.key),
	                operator_of(table.key, BTEqualStrategyNumber, right), key);
}

// "p.a, p.b".
const char *
key_list(const PriceTable &table)
{
	return joined(key_columns(table), ", ", [&](int i) { return column_of(key_column(table, i)); });
}

// "p.a IS NOT NULL AND p.b IS NOT NULL".
const char *
key_is_known(const PriceTable &table)
{
	return joined(key_columns(table), " AND ", [&](int i) {
		return psprintf("%s IS NOT NULL", column_of(key_column(table, i)));
	});
}

// "p.a = u.x AND p.b = u.y", where each column of u has the type of the key's.
template <typename Name>
const char *
key_equals(const PriceTable &table, const Name &name)
{
	return joined(key_columns(table), " AND ", [&](int i) {
		const ResolvedColumn &key = key_column(table, i);
		return psprintf("%s %s %s", column_of(key), operator_of(key, BTEqualStrategyNumber),
		                name(i));
	});
}

// A column of a given row, of which there can be several.
const char *
given_column(const PriceTable &table, const char *prefix, int number)
{
	return in_collation(psprintf("%s.k%d", prefix, number + 1),
	                    key_column(table, number).collation);
}

// The key of u.
const char *
key_is_of_u(const PriceTable &table, KeyKind kind)
{
	if (kind != KeyKind::row)
		return key_is(table, kind, "u.k");
	return key_equals(table, [&](int i) { return given_column(table, "u", i); });
}

// The rows of the array $1.
const char *
given_rows(const PriceTable &table, const char *name)
{
	return psprintf("pg_catalog.unnest($1) AS %s (%s)", name,
	                joined(key_columns(table), ", ", [&](int i) {
						return psprintf("k%d %s", i + 1, qualified_type(key_column(table, i).base));
					}));
}

// " AND ..." for what is asked of a price besides its key.
const char *
conditions(const PriceTable &table, bool as_of)
{
	const char *time = as_of ? psprintf(" AND %s %s $2", column_of(table.at),
	                                    operator_of(table.at, BTLessEqualStrategyNumber))
	                         : "";
	const char *value =
		table.skip_null ? psprintf(" AND %s IS DISTINCT FROM NULL", column_of(table.value)) : "";

	return psprintf("%s%s", time, value);
}

// The key as it was asked for.  A key of several columns is given as these, called by their
// numbers, for with_key_as_text() to make text of.
const char *
answered_key(const PriceTable &table, KeyKind kind)
{
	const char *cast = kind == KeyKind::text ? "::pg_catalog.text"
	                   : table.key.base == INT2OID || table.key.base == INT4OID
	                       ? "::pg_catalog.int8"
	                       : "";

	if (kind != KeyKind::row)
		return psprintf("%s%s AS k", column_of(table.key), cast);
	return joined(key_columns(table), ", ", [&](int i) {
		const ResolvedColumn &key = key_column(table, i);
		return psprintf("%s AS k%d", column_of(key), key.attnum);
	});
}

// Not before prices have been left out: it takes longer than to leave them out.
const char *
with_key_as_text(const PriceTable &table, const char *query)
{
	const char *key = joined(key_columns(table), ", ",
	                         [&](int i) { return psprintf("r.k%d", key_column(table, i).attnum); });

	return psprintf("SELECT ROW(%s)::pg_catalog.text AS k, r.a, r.v FROM (%s) AS r", key, query);
}

// Of whole rows without a value there is a plan as well, see parts_looked_at().
const char *
time_and_value(const PriceTable &table)
{
	return psprintf("%s AS a, %s AS v", column_of(table.at),
	                table.value.attnum == 0 ? "NULL" : column_of(table.value));
}

const char *
columns(const PriceTable &table, KeyKind kind)
{
	return psprintf("%s, %s", answered_key(table, kind), time_and_value(table));
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
	return in_collation(psprintf("%s::%s", key, qualified_type(table.key.base)),
	                    table.key.collation);
}

// The keys of the array $1, each once.
const char *
given_keys(const PriceTable &table, KeyKind kind)
{
	if (kind == KeyKind::row)
		return psprintf("(SELECT DISTINCT %s FROM %s) AS u",
		                joined(key_columns(table), ", ",
		                       [&](int i) {
								   return psprintf("%s AS k%d", given_column(table, "g", i), i + 1);
							   }),
		                given_rows(table, "g"));
	return psprintf("(SELECT DISTINCT %s AS k FROM pg_catalog.unnest($1) AS g (k) WHERE g.k IS NOT "
	                "NULL) AS u",
	                given_key(table, kind, "g.k"));
}

// Each looked up by itself.
const char *
latest_by_lookups(const PriceTable &table, KeyKind kind, const char *columns, bool as_of)
{
	return psprintf("SELECT l.* FROM %s CROSS JOIN LATERAL (%s) AS l", given_keys(table, kind),
	                head(table, columns, key_is_of_u(table, kind), as_of));
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
	const char *condition = key_equals(table, [&](int i) {
		const ResolvedColumn &key = listing_column(table, i);
		return psprintf("u.%s", quote_identifier(NameStr(key.name)));
	});

	return psprintf("SELECT l.* FROM %s CROSS JOIN LATERAL (%s) AS l", from_listings(table),
	                head(table, columns, condition, as_of));
}

const char *
latest_by_sorting(const PriceTable &table, const char *columns, const char *from,
                  const char *condition)
{
	return psprintf("SELECT DISTINCT ON (%s) %s %s WHERE %s ORDER BY %s, %s", key_list(table),
	                columns, from, condition, key_list(table), latest_first(table, "p."));
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

	return psprintf("SELECT %s, pg_catalog.max(%s::%s) AS a, listing_stats.latest(%s::%s, "
	                "%s%s)::%s AS v %s WHERE %s GROUP BY %s",
	                answered_key(table, kind), column_of(table.at), qualified_type(table.at.base),
	                column_of(table.value), aggregated_type(value), instant_of(table), tie,
	                qualified_type(value), from, condition, key_list(table));
}

// Whether keys that compare as equal are the same bytes.
bool
looks_equal(const ResolvedColumn &key)
{
	const TypeCacheEntry *entry = lookup_type_cache(key.base, TYPECACHE_BTREE_OPFAMILY);
	const Oid equal_image = get_opfamily_proc(entry->btree_opf, entry->btree_opintype,
	                                          entry->btree_opintype, BTEQUALIMAGE_PROC);

	return OidIsValid(equal_image) &&
	       DatumGetBool(OidFunctionCall1Coll(equal_image, key.collation,
	                                         ObjectIdGetDatum(entry->btree_opintype)));
}

// Whether latest() finds what sorting does: it leaves out rows without a time, takes integers for
// ties and no tie for the least of them; and keys that are equal must be the same.
bool
can_group(const PriceTable &table, bool as_of)
{
	bool can = !table.distributed && (table.at.not_null || as_of) && is_time_type(table.at.base) &&
	           (table.tie.attnum == 0 || (is_integer(table.tie.base) && table.tie.not_null));

	for (int i = 0; can && i < key_columns(table); ++i)
		can = looks_equal(key_column(table, i));
	return can;
}

// Whether grouping takes less time: not where hardly any price is left out, unless keys are slow to
// sort.
bool
groups(const PriceTable &table, bool as_of, const TableSize &size)
{
	bool sorts_fast = true;

	for (int i = 0; i < key_columns(table); ++i)
		sorts_fast = sorts_fast && get_typbyval(key_column(table, i).base);
	return can_group(table, as_of) &&
	       (!sorts_fast || size.keys < 0 || size.prices >= prices_worth_grouping * size.keys);
}

// One pass over all prices, or those that have one of the keys in $1.
const char *
latest_by_pass(const PriceTable &table, KeyKind kind, const char *columns, bool keys, bool as_of,
               bool grouping)
{
	const char *from = from_prices(table);
	const char *condition = key_is_known(table);
	const char relkind = get_rel_relkind(table.relation);

	// Where the rows are elsewhere, a comparison with an array is made there.
	if (keys && (kind == KeyKind::integer || kind == KeyKind::uuid) &&
	    (table.distributed || relkind == RELKIND_FOREIGN_TABLE))
		condition = key_is(table, kind, "ANY ($1)");
	else if (keys)
	{
		from = psprintf("%s CROSS JOIN %s", from, given_keys(table, kind));
		condition = key_is_of_u(table, kind);
	}
	condition = psprintf("%s%s", condition, conditions(table, as_of));
	return grouping ? latest_by_grouping(table, kind, from, condition)
	                : latest_by_sorting(table, columns, from, condition);
}

// From key to key, each found in the index by the one before.  Keys of several columns are
// compared as rows, by an operator that has one name for all; nullptr: it has not.
const char *
latest_by_skipping(const PriceTable &table, const char *columns, bool as_of)
{
	const char *list = key_list(table);
	const char *greater = operator_of(table.key, BTGreaterStrategyNumber);
	const auto name = [](int i) { return psprintf("u.k%d", i + 1); };
	const char *previous = joined(key_columns(table), ", ", name);
	const char *named = joined(key_columns(table), ", ", [&](int i) {
		return psprintf("%s AS k%d", column_of(key_column(table, i)), i + 1);
	});

	for (int i = 1; i < key_columns(table); ++i)
	{
		if (strcmp(greater, operator_of(key_column(table, i), BTGreaterStrategyNumber)) != 0)
			return nullptr;
	}
	return psprintf("WITH RECURSIVE u AS ((SELECT %s %s WHERE %s ORDER BY %s LIMIT 1) UNION ALL "
	                "SELECT n.* FROM u CROSS JOIN LATERAL (SELECT %s %s WHERE %s AND (%s) %s (%s) "
	                "ORDER BY %s LIMIT 1) AS n) SELECT l.* FROM u CROSS JOIN LATERAL (%s) AS l",
	                named, from_prices(table), key_is_known(table), list, named, from_prices(table),
	                key_is_known(table), list, greater, previous, list,
	                head(table, columns, key_equals(table, name), as_of));
}

const char *
query_of(const PriceTable &table, KeyKind kind, Reading reading)
{
	const bool row = kind == KeyKind::row;
	const char *select = row ? psprintf("NULL::pg_catalog.text AS k, %s", time_and_value(table))
	                         : columns(table, kind);
	const char *condition =
		row ? key_is_of_u(table, kind) : key_is(table, kind, given_key(table, kind, "$1"));
	const char *query = reading == Reading::history
	                        ? psprintf("SELECT %s %s WHERE %s ORDER BY %s LIMIT $2", select,
	                                   from_prices(table), condition, latest_first(table, "p."))
	                        : head(table, select, condition, reading == Reading::latest);

	return row ? psprintf("SELECT l.* FROM %s CROSS JOIN LATERAL (%s) AS l", given_rows(table, "u"),
	                      query)
	           : query;
}

// How large a table is.

// Negative: nobody knows, or there is no such table.
double
rows_of(Oid relation)
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

// The same by several columns, as the planner guesses it: as if these had nothing to do with each
// other, except that not most prices have a key of their own.
double
keys_of(const PriceTable &table, Oid relation, bool inherited, double prices)
{
	constexpr double most_of_prices = 0.1;
	double keys = 1;
	double most = 0;

	for (int i = 0; keys >= 0 && i < key_columns(table); ++i)
	{
		const ResolvedColumn &key = key_column(table, i);
		const AttrNumber attnum =
			relation == table.relation ? key.attnum : get_attnum(relation, NameStr(key.name));
		const double distinct = keys_of(relation, attnum, inherited, prices);
		keys = distinct < 0 ? -1 : keys * distinct;
		most = Max(most, distinct);
	}
	return key_columns(table) > 1 && prices >= 0 ? Min(keys, Max(most, most_of_prices * prices))
	                                             : keys;
}

// Sets how many partitions or inheritance children the table has, which it returns, and in how many
// the latest price of a key is looked for.  The planner asks for them, which has not locked the
// table.
List *
parts_of(const PriceTable &table, TableSize *size)
{
	size->parts = size->parts_of_key = 1;
	if (!has_subclass(table.relation))
		return NIL;
	List *children = find_inheritance_children(table.relation, NoLock);
	size->has_children = children != NIL;
	size->parts = Max(list_length(children), 1);
	switch (table.partitioning)
	{
	case Partitioning::none:
		size->parts_of_key = ++size->parts;
		break;
	case Partitioning::by_key:
		break;
	case Partitioning::by_time:
		// From the newest on, which may have none.
		size->parts_of_key = Min(size->parts, 2);
		break;
	case Partitioning::by_time_and_default:  // the planner does not order them
	case Partitioning::otherwise:
		size->parts_of_key = size->parts;
	}
	return children;
}

// Whether the current user sees all keys in the table of listings.  In a transaction that writes,
// there may be prices for which the foreign key has not been asked yet.
bool
sees_listings(const PriceTable &table)
{
	bool sees = OidIsValid(table.listing) && !TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
	            may_use_schema(get_rel_namespace(table.listing), GetUserId());
	const bool sees_table =
		sees && pg_class_aclcheck(table.listing, GetUserId(), ACL_SELECT) == ACLCHECK_OK;

	for (int i = 0; sees && !sees_table && i < key_columns(table); ++i)
	{
		const ResolvedColumn &key = listing_column(table, i);
		sees = pg_attribute_aclcheck(table.listing, key.attnum, GetUserId(), ACL_SELECT) ==
		       ACLCHECK_OK;
	}
	return sees && check_enable_rls(table.listing, InvalidOid, true) != RLS_ENABLED &&
	       all_have_listings(table);
}

// A query that reads all prices, also where only those of some keys are wanted.
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
		return {false, size.prices * (size.parts > 1 ? cost_of_merging : cost_in_order)};
	const bool grouping = groups(table, as_of, size);
	return {grouping, size.prices * (grouping ? cost_of_grouping : 1)};
}

// The key's columns in this order: of all keys it matters only to an index that has them so.
PriceTable
in_order_of(const PriceTable &table, const int *order)
{
	PriceTable ordered = table;

	if (table.composite == nullptr)
		return ordered;
	ordered.composite = static_cast<CompositeKey *>(palloc(sizeof(CompositeKey)));
	*ordered.composite = *table.composite;
	for (int i = 0; i < key_columns(table); ++i)
	{
		ordered.composite->column[i] = table.composite->column[order[i]];
		ordered.composite->listing_column[i] = table.composite->listing_column[order[i]];
	}
	ordered.key = ordered.composite->column[0];
	return ordered;
}

// Whether an index finds a key's prices.
bool
is_indexed(const PriceTable &table)
{
	int order[most_key_columns];

	return find_indexed(table, order) != Indexed::not_at_all;
}

// The key of an array that has one.
bool
only_key(KeyKind kind, Datum keys, Datum *key)
{
	ArrayType *array = DatumGetArrayTypeP(keys);
	int16 length = 0;
	bool by_value = false;

	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) != 1 || array_contains_nulls(array))
		return false;
	get_typlenbyval(key_kind_type(kind), &length, &by_value);
	*key = fetch_att(ARR_DATA_PTR(array), by_value, length);
	return true;
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
	const RowSink &sink = reinterpret_cast<SinkReceiver *>(self)->sink;

	slot_getallattrs(slot);
	sink.put(sink.sink, slot->tts_values, slot->tts_isnull);
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
	set_meanwhile("enable_seqscan", "off");
	set_meanwhile("enable_bitmapscan", "off");
	set_meanwhile("jit", "off");
	SPIPlanPtr plan = prepare(query, 2, type, CURSOR_OPT_GENERIC_PLAN);
	keep_generic_plan(plan);
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
	constexpr int kinds = 4;
	SPIPlanPtr *kept =
		&table.kept->plan[static_cast<int>(reading) * kinds + static_cast<int>(kind)];
	static_assert(lengthof(table.kept->plan) == kinds * (static_cast<int>(Reading::history) + 1));
	if (*kept != nullptr && stays_as_made(*kept))
		return *kept;
	if (table.kept->users > 1)
		return prepare(query_of(table, kind, reading), 2, type, 0);
	if (*kept != nullptr)
		SPI_freeplan(*kept);
	*kept = nullptr;
	*kept = prepare_reading(table, kind, reading, type);
	return *kept;
}

// Nothing frees a kept plan while it is used.
template <typename Use>
void
with_plan(const PriceTable &table, KeyKind kind, Reading reading, Oid *type, const Use &use)
{
	if (table.kept != nullptr)
		++table.kept->users;
	PG_TRY();
	{
		SPI_connect();
		use(plan_of(table, kind, reading, type));
		SPI_finish();
	}
	PG_FINALLY();
	{
		if (table.kept != nullptr)
			--table.kept->users;
	}
	PG_END_TRY();
}

// In how many tables the plan looks until it has its first row.  What is sorted is read to its end,
// and what is merged is begun everywhere.
double
tables_looked_at(const Plan *plan, bool to_the_end)
{
	List *parts = NIL;
	double tables = 0;

	if (plan == nullptr)
		return 0;
	switch (nodeTag(plan))
	{
	case T_IndexScan:
	case T_IndexOnlyScan:
	case T_SeqScan:
	case T_BitmapHeapScan:
	case T_ForeignScan:
		return 1;
	case T_SubqueryScan:
		return tables_looked_at(reinterpret_cast<const SubqueryScan *>(plan)->subplan, to_the_end);
	case T_Append:
		parts = reinterpret_cast<const Append *>(plan)->appendplans;
		break;
	case T_MergeAppend:
		parts = reinterpret_cast<const MergeAppend *>(plan)->mergeplans;
		break;
	case T_CustomScan:
		parts = reinterpret_cast<const CustomScan *>(plan)->custom_plans;
		if (parts == NIL)
			return 1;
		break;
	default:
		break;
	}
	for (const Plan *part : each<const Plan *>(parts))
	{
		tables += tables_looked_at(part, to_the_end);
		if (!to_the_end && !IsA(plan, MergeAppend))
			break;
	}
	to_the_end = to_the_end || IsA(plan, Sort) || IsA(plan, IncrementalSort);
	return tables + tables_looked_at(plan->lefttree, to_the_end) +
	       tables_looked_at(plan->righttree, to_the_end);
}

// In how many parts the latest price of a key is looked for; "table" has the key's columns in the
// order of the caller, as kept plans have them.  Only the planner, and modules that plan for it,
// know whether inheritance children have an order: those of TimescaleDB are ranges of time.  So the
// plan for one key is asked in how many it begins.  It goes on until it finds a price, and where
// prices of a key lie anywhere that takes more parts, the fewer it has.
double
parts_looked_at(const PriceTable &table, KeyKind kind, const TableSize &size)
{
	Oid type[] = {kind == KeyKind::row ? RECORDARRAYOID : key_kind_type(kind), table.at.base};
	double tables = 0;

	// While others run the kept plans, this call's own would not be one.
	if (table.partitioning != Partitioning::none || !size.has_children || table.kept == nullptr ||
	    table.kept->users > 0)
		return size.parts_of_key;
	with_plan(table, kind, Reading::latest_ever, type, [&](SPIPlanPtr plan) {
		CachedPlan *cached = SPI_plan_get_cached_plan(plan);
		if (cached == nullptr)
			return;
		tables = tables_looked_at(linitial_node(PlannedStmt, cached->stmt_list)->planTree, false);
		ReleaseCachedPlan(cached, CurrentResourceOwner);
	});
	if (tables <= 0 || size.prices <= 0 || size.keys <= 0)
		return size.parts_of_key;
	const double prices_there = size.prices / size.keys / size.parts;
	return Min(size.parts_of_key, tables / -expm1(-prices_there));
}

double
cost_of_lookups(const PriceTable &table, KeyKind kind, const TableSize &size, double keys)
{
	return keys * (cost_of_lookup + cost_of_part * (parts_looked_at(table, kind, size) - 1));
}

const char *
latest_of_all(const PriceTable &as_given, KeyKind kind, const char *columns, bool as_of,
              bool whole_rows)
{
	const TableSize size = estimate_size(as_given);
	int order[most_key_columns];
	const Indexed indexed = find_indexed(as_given, order);
	const PriceTable table = in_order_of(as_given, order);
	const Pass pass = plan_pass(table, indexed, size, as_of, whole_rows);

	if (!table.distributed && indexed >= Indexed::by_time)
	{
		const double listings = rows_of(table.listing);
		if (listings >= 0 && pass.cost > cost_of_lookups(as_given, kind, size, listings) &&
		    sees_listings(table))
			return latest_of_listings(table, columns, as_of);
		const char *skipping = size.keys >= 0 && pass.cost > cost_of_skip * size.parts * size.keys
		                           ? latest_by_skipping(table, columns, as_of)
		                           : nullptr;
		if (skipping != nullptr)
			return skipping;
	}
	return latest_by_pass(table, kind, columns, false, as_of, pass.grouping);
}

const char *
latest_of_given(const PriceTable &table, KeyKind kind, const char *columns, int keys, bool as_of,
                bool whole_rows)
{
	const TableSize size = estimate_size(table);
	int order[most_key_columns];
	const Indexed indexed = find_indexed(table, order);
	// Joined with the keys, prices do not come in an index's order.
	const Pass pass = plan_pass(table, Indexed::by_time, size, as_of, whole_rows);

	// Where the rows are elsewhere one key in an array goes the way of many: Citus cannot join it.
	if (table.distributed ||
	    (keys > 1 && (indexed == Indexed::not_at_all ||
	                  (size.prices >= 0 && cost_of_lookups(table, kind, size, keys) > pass.cost))))
		return latest_by_pass(table, kind, columns, true, as_of, pass.grouping);
	return latest_by_lookups(table, kind, columns, as_of);
}

}  // namespace

Oid
key_kind_type(KeyKind kind)
{
	return kind == KeyKind::integer ? INT8OID
	       : kind == KeyKind::text  ? TEXTOID
	       : kind == KeyKind::uuid  ? UUIDOID
	                                : RECORDOID;
}

// By what has been found out of the table with its parts, or else of each part: parts that do not
// have keys of their own are said to have the same ones.
TableSize
estimate_size(const PriceTable &table)
{
	const bool partitioned = table.partitioning != Partitioning::none;
	const bool own_keys = table.partitioning == Partitioning::by_key;
	TableSize size = {rows_of(table.relation), -1};
	List *parts = parts_of(table, &size);
	double keys = keys_of(table, table.relation, false, size.prices);

	if (partitioned)
		size.keys = keys_of(table, table.relation, true, size.prices);
	if (parts == NIL || (size.prices >= 0 && size.keys >= 0))
	{
		size.keys = Max(size.keys, keys);
		return size;
	}
	if (partitioned)
		size.prices = -1;
	for (const Oid part : each<Oid>(parts))
	{
		const double prices = rows_of(part);
		const double part_keys = keys_of(table, part, false, prices);
		if (prices >= 0)
			size.prices = Max(size.prices, 0) + prices;
		keys = own_keys && part_keys > 0 ? Max(keys, 0) + part_keys : Max(keys, part_keys);
	}
	size.keys = keys_of(table, table.relation, true, size.prices);
	if (size.keys < 0)
		size.keys = keys;
	return size;
}

bool
skipping_pays(const PriceTable &table, double prices)
{
	const TableSize size = estimate_size(table);
	int order[most_key_columns];

	return size.keys >= 0 && size.prices > prices * size.keys &&
	       find_indexed(table, order) >= Indexed::by_time;
}

bool
listings_pay(const PriceTable &table)
{
	const TableSize size = estimate_size(table);
	const double listings = rows_of(table.listing);

	return listings >= 0 &&
	       Min(size.prices, size.keys * size.parts) > passed_keys * size.parts_of_key * listings &&
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
	const Oid key_type = kind == KeyKind::row ? RECORDARRAYOID : key_kind_type(kind);
	Oid type[] = {key_type, reading == Reading::history ? INT8OID : table.at.base};
	const NullableDatum parameters[] = {{key, false}, parameter};

	with_plan(table, kind, reading, type,
	          [&](SPIPlanPtr plan) { run_plan(plan, 2, type, parameters, sink); });
}

void
read_latest_by_query(const PriceTable &table, KeyKind kind, const LatestRequest &request,
                     RowSink sink)
{
	Datum key = 0;

	// One key has a plan that is kept, which expects an index.
	if (request.has_keys && !sink.whole_rows && kind != KeyKind::row && !table.distributed &&
	    only_key(kind, request.keys, &key) && is_indexed(table))
	{
		read_one(table, kind, request.as_of.isnull ? Reading::latest_ever : Reading::latest, key,
		         request.as_of, sink);
		return;
	}
	Oid type[] = {get_array_type(key_kind_type(kind)), table.at.base};
	const NullableDatum parameter[] = {{request.keys, !request.has_keys}, request.as_of};
	const char *select = sink.whole_rows ? whole_row : columns(table, kind);
	const bool as_of = !request.as_of.isnull;
	const char *query = nullptr;

	if (request.has_keys)
	{
		ArrayType *keys = DatumGetArrayTypeP(request.keys);
		query = latest_of_given(table, kind, select, ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys)),
		                        as_of, sink.whole_rows);
	}
	else
		query = latest_of_all(table, kind, select, as_of, sink.whole_rows);
	if (kind == KeyKind::row && !sink.whole_rows)
		query = with_key_as_text(table, query);
	SPI_connect();
	run_plan(prepare(query, 2, type, CURSOR_OPT_PARALLEL_OK), 2, type, parameter, sink);
	SPI_finish();
}

}  // namespace listing_stats
