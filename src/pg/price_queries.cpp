// The SQL that reads prices, see price_queries.hpp.
#include "pg/price_queries.hpp"

#include "pg/attachment.hpp"

namespace listing_stats {

namespace {

// From how many prices of a key it pays to go from key to key in the index, rather than to read all
// prices: where the two meet on an index of key and time.
constexpr double prices_worth_skipping = 20;

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

const char *
order_of(const ResolvedColumn &column)
{
	return psprintf("%s %s", column_of(column), column.not_null ? "DESC" : "DESC NULLS LAST");
}

const char *
latest_first(const PriceTable &table)
{
	if (table.tie.attnum == 0)
		return order_of(table.at);
	return psprintf("%s, %s", order_of(table.at), order_of(table.tie));
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
	const Oid base = getBaseType(table.key.type);
	const TypeCacheEntry *entry = lookup_type_cache(base, TYPECACHE_BTREE_OPFAMILY);
	const Oid right = kind == KeyKind::integer ? INT8OID : entry->btree_opintype;
	const Oid left = kind == KeyKind::integer ? base : entry->btree_opintype;
	const Oid operator_oid = get_opfamily_member(entry->btree_opf, left, right, strategy);

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
		const TypeCacheEntry *entry =
			lookup_type_cache(getBaseType(table.at.type), TYPECACHE_BTREE_OPFAMILY);
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

const char *
columns(const PriceTable &table, KeyKind kind)
{
	return psprintf("%s%s AS k, %s AS a, %s AS v", column_of(table.key),
	                kind == KeyKind::text ? "::pg_catalog.text" : "", column_of(table.at),
	                column_of(table.value));
}

// At most one row: the latest price of a key.
const char *
head(const PriceTable &table, KeyKind kind, const char *key_condition, bool as_of)
{
	return psprintf("SELECT %s %s WHERE %s%s ORDER BY %s LIMIT 1", columns(table, kind),
	                from_prices(table), key_condition, conditions(table, as_of),
	                latest_first(table));
}

// A key that the caller gave, as the key column compares it.
const char *
given_key(const PriceTable &table, KeyKind kind, const char *key)
{
	if (kind != KeyKind::text)
		return key;
	return in_collation(psprintf("%s::%s", key, type_name(getBaseType(table.key.type))),
	                    table.key.collation);
}

const char *
latest_of_given(const PriceTable &table, KeyKind kind, bool as_of)
{
	return psprintf(
		"SELECT l.* FROM (SELECT DISTINCT %s AS k FROM pg_catalog.unnest($1) AS g (k) WHERE g.k IS "
		"NOT NULL) AS u CROSS JOIN LATERAL (%s) AS l",
		given_key(table, kind, "g.k"),
		head(table, kind, key_compares(table, kind, BTEqualStrategyNumber, "u.k"), as_of));
}

const char *
latest_by_sorting(const PriceTable &table, KeyKind kind, bool as_of)
{
	return psprintf("SELECT DISTINCT ON (%s) %s %s WHERE %s IS NOT NULL%s ORDER BY %s, %s",
	                column_of(table.key), columns(table, kind), from_prices(table),
	                column_of(table.key), conditions(table, as_of), column_of(table.key),
	                latest_first(table));
}

// From key to key, each found in the index by the one before.
const char *
latest_by_skipping(const PriceTable &table, KeyKind kind, bool as_of)
{
	const char *key = column_of(table.key);
	const Oid base = getBaseType(table.key.type);
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
		head(table, kind, psprintf("%s %s u.k", key, equals), as_of));
}

// How many prices a key has, as the planner would guess.
double
prices_per_key(Oid relation, AttrNumber key)
{
	HeapTuple tuple =
		SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relation), Int16GetDatum(key),
	                    BoolGetDatum(get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE));
	if (!HeapTupleIsValid(tuple))
		return 1;
	const double distinct = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(tuple))->stadistinct;
	ReleaseSysCache(tuple);
	if (distinct < 0)
		return -1 / distinct;
	HeapTuple relation_tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (!HeapTupleIsValid(relation_tuple))
		return 1;
	const double rows = reinterpret_cast<Form_pg_class>(GETSTRUCT(relation_tuple))->reltuples;
	ReleaseSysCache(relation_tuple);
	return distinct == 0 || rows <= 0 ? 1 : rows / distinct;
}

// Whether an index of the table begins with key and time.
bool
has_index(const PriceTable &table)
{
	Relation relation = relation_open(table.relation, NoLock);
	bool found = false;
	ListCell *cell = nullptr;

	foreach (cell, RelationGetIndexList(relation))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		found = found || (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
		                  heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr) &&
		                  index->rd_index->indnkeyatts > 1 &&
		                  index->rd_index->indkey.values[0] == table.key.attnum &&
		                  index->rd_index->indkey.values[1] == table.at.attnum);
		index_close(index, AccessShareLock);
	}
	relation_close(relation, NoLock);
	return found;
}

}  // namespace

Oid
key_kind_type(KeyKind kind)
{
	return kind == KeyKind::integer ? INT8OID : kind == KeyKind::text ? TEXTOID : UUIDOID;
}

Oid
key_kind_array_type(KeyKind kind)
{
	return kind == KeyKind::integer ? INT8ARRAYOID
	       : kind == KeyKind::text  ? TEXTARRAYOID
	                                : UUIDARRAYOID;
}

void
check_key_kind(const PriceTable &table, KeyKind kind)
{
	const Oid base = getBaseType(table.key.type);

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

bool
skipping_pays(const PriceTable &table, double prices)
{
	return prices_per_key(table.relation, table.key.attnum) > prices && has_index(table);
}

double
estimate_keys(Oid relation, const ColumnNames &names)
{
	const PriceTable *table = known_price_table(relation, names);

	if (table == nullptr)
		return -1;
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (!HeapTupleIsValid(tuple))
		return -1;
	const double rows = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	return rows < 0 ? -1 : rows / prices_per_key(relation, table->key.attnum);
}

char *
latest_query(const PriceTable &table, KeyKind kind, bool keys, bool as_of)
{
	const char *query = nullptr;

	if (keys)
		query = latest_of_given(table, kind, as_of);
	else if (skipping_pays(table, prices_worth_skipping))
		query = latest_by_skipping(table, kind, as_of);
	else
		query = latest_by_sorting(table, kind, as_of);
	return pstrdup(query);
}

char *
history_query(const PriceTable &table, KeyKind kind)
{
	// Not "SELECT h": a column may have that name.
	return psprintf("SELECT pg_catalog.to_json(ARRAY(SELECT h.*::pg_catalog.record FROM (SELECT "
	                "%s, %s %s WHERE "
	                "%s ORDER BY %s LIMIT $2) AS h))",
	                column_of(table.at), column_of(table.value), from_prices(table),
	                key_compares(table, kind, BTEqualStrategyNumber, given_key(table, kind, "$1")),
	                latest_first(table));
}

char *
prices_query(const PriceTable &table, KeyKind kind)
{
	return psprintf("SELECT %s %s WHERE %s%s ORDER BY %s", columns(table, kind), from_prices(table),
	                key_compares(table, kind, BTEqualStrategyNumber, given_key(table, kind, "$1")),
	                conditions(table, false), latest_first(table));
}

void
read_rows(const char *query, int parameters, Oid *type, Datum *parameter, const char *null,
          RowSink sink)
{
	constexpr int rows_per_fetch = 1000;

	SPI_connect();
	Portal portal =
		SPI_cursor_open_with_args(nullptr, query, parameters, type, parameter, null, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, rows_per_fetch);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; ++i)
		{
			Datum value[3];
			bool is_null[3];
			for (int j = 0; j < 3; ++j)
				value[j] =
					SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, j + 1, &is_null[j]);
			sink.put(sink.sink, value, is_null);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
}

}  // namespace listing_stats
