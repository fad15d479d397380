// The SQL that keeps an attachment right, see queries.hpp.
#include "pg/queries.hpp"

namespace listing_stats {

namespace {

const char *
column_name(const Attachment &attachment, int column)
{
	return quote_identifier(NameStr(attachment.column[column].name));
}

const char *
type_name(const ResolvedColumn &column)
{
	return format_type_extended(column.type, column.typmod,
	                            FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

// "OPERATOR(schema.name)"
const char *
operator_name(Oid operator_oid)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator_oid));

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
		                errmsg("an operator that listing_stats needs has been dropped")));
	Form_pg_operator form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
	const char *name =
		psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
	             NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

// A key column as the operator class compares it, and the operator for it and a value of the
// attachment's key type.
const char *
key_expression(const Attachment &attachment, int column, const char *alias)
{
	const Oid type = attachment.column[column].type;
	const Oid base = getBaseType(type);
	const bool as_it_is = type == attachment.key.type || attachment.key.type == INT8OID;
	const char *name = psprintf("%s.%s", alias, column_name(attachment, column));

	if (as_it_is && type == base)
		return name;
	return psprintf("%s::%s", name,
	                format_type_extended(as_it_is ? base : attachment.key.type, -1,
	                                     FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
}

const char *
key_equals(const Attachment &attachment, int column, const char *alias, const char *value)
{
	const Oid base = getBaseType(attachment.column[column].type);
	const Oid left = attachment.key.type == INT8OID ? base : attachment.key.type;
	const TypeCacheEntry *entry = lookup_type_cache(attachment.key.type, TYPECACHE_BTREE_OPFAMILY);
	const bool generic = IsPolymorphicType(entry->btree_opintype);
	const Oid operator_oid = get_opfamily_member(
		attachment.key.operator_family, generic ? entry->btree_opintype : left,
		generic ? entry->btree_opintype : attachment.key.type, BTEqualStrategyNumber);

	return psprintf("%s %s %s", key_expression(attachment, column, alias),
	                operator_name(operator_oid), value);
}

// Whether the stored column differs from the computed one; NULLs are equal to each other.
const char *
differs(const Attachment &attachment, int column)
{
	const char *stored = psprintf("l.%s", column_name(attachment, column));
	const char *computed = psprintf("n.%s", argument_name[column]);
	const TypeCacheEntry *entry =
		lookup_type_cache(getBaseType(attachment.column[column].type), TYPECACHE_EQ_OPR);

	return psprintf("((%s %s %s) IS NOT TRUE AND NOT (%s IS NULL AND %s IS NULL))", stored,
	                operator_name(entry->eq_opr), computed, stored, computed);
}

const char *
any_differs(const Attachment &attachment)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attachment.column[i].attnum != 0)
			appendStringInfo(&out, "%s%s", out.len > 0 ? " OR " : "", differs(attachment, i));
	}
	return out.data;
}

// PostgreSQL sorts NULLs first when descending, and an index serves only the order it was made
// for.  Where there can be NULLs they are last; where there cannot, both mean the same.
const char *
descending(const ResolvedColumn &column)
{
	return column.not_null ? "DESC" : "DESC NULLS LAST";
}

// The order of "latest", without the key.
const char *
latest_first(const Attachment &attachment, const char *prefix)
{
	return psprintf("%s%s %s, %s%s %s", prefix, column_name(attachment, price_at),
	                descending(attachment.column[price_at]), prefix,
	                column_name(attachment, price_tie), descending(attachment.column[price_tie]));
}

// The targets as they should be for the listing with this key: one row, or none without prices.
const char *
recomputed(const Attachment &attachment, const char *key)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attachment.column[i].attnum != 0)
			appendStringInfo(&out, "%s p.%s::%s AS %s", out.len > 0 ? "," : "SELECT",
			                 column_name(attachment, source_of(i)), type_name(attachment.column[i]),
			                 argument_name[i]);
	}
	appendStringInfo(&out, " FROM %s AS p WHERE %s ORDER BY %s LIMIT 1",
	                 qualified_name(attachment.price), key_equals(attachment, price_key, "p", key),
	                 latest_first(attachment, "p."));
	return out.data;
}

// A partitioned table has no rows of its own; a table's inheritance children are other listings.
const char *
from_listing(const Attachment &attachment)
{
	const bool partitioned = get_rel_relkind(attachment.listing) == RELKIND_PARTITIONED_TABLE;

	return psprintf("%s%s", partitioned ? "" : "ONLY ", qualified_name(attachment.listing));
}

const char *
write_query(const Attachment &attachment, const char *keys)
{
	StringInfoData out;
	const char *separator = "";

	initStringInfo(&out);
	appendStringInfo(&out, "UPDATE %s AS l SET ", from_listing(attachment));
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attachment.column[i].attnum == 0)
			continue;
		appendStringInfo(&out, "%s%s = n.%s", separator, column_name(attachment, i),
		                 argument_name[i]);
		separator = ", ";
	}
	appendStringInfo(&out,
	                 " FROM %s AS u (k) LEFT JOIN LATERAL (%s) AS n ON true WHERE %s AND (%s)",
	                 keys, recomputed(attachment, "u.k"),
	                 key_equals(attachment, listing_key, "l", "u.k"), any_differs(attachment));
	return out.data;
}

const char *
query_text(const Attachment &attachment, Query query)
{
	switch (query)
	{
	case lock_one:
		return psprintf("SELECT 1 FROM %s AS l WHERE %s FOR NO KEY UPDATE",
		                from_listing(attachment), key_equals(attachment, listing_key, "l", "$1"));
	case lock_many:
		// The sort is below the locking.  Counted, so that no result has to be kept.
		return psprintf("SELECT pg_catalog.count(*) FROM (SELECT FROM %s AS l WHERE %s "
		                "ORDER BY %s FOR NO KEY UPDATE) AS locked",
		                from_listing(attachment),
		                key_equals(attachment, listing_key, "l", "ANY ($1)"),
		                key_expression(attachment, listing_key, "l"));
	case write_one:
		return write_query(attachment, "(SELECT $1)");
	case write_many:
		return write_query(attachment, "pg_catalog.unnest($1)");
	case write_all:
		return write_query(attachment, psprintf("(SELECT %s FROM %s AS l)",
		                                        key_expression(attachment, listing_key, "l"),
		                                        from_listing(attachment)));
	default:
		pg_unreachable();
	}
}

// The plans live as long as the session and are made when tables may still be small: they must not
// rest on a table being small.
void
set_for_planning(const char *name, const char *value)
{
	set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

}  // namespace

SPIPlanPtr
plan_of(Attachment *attachment, Query query)
{
	SPIPlanPtr plan = attachment->plan[query];

	if (plan != nullptr && SPI_plan_is_valid(plan))
		return plan;
	if (plan != nullptr)
	{
		attachment->plan[query] = nullptr;
		SPI_freeplan(plan);
	}

	const bool one = query == lock_one || query == write_one;
	Oid type = one ? attachment->key.type : attachment->key.array_type;
	const int guc_level = NewGUCNestLevel();
	if (query != write_all)
	{
		set_for_planning("enable_seqscan", "off");
		set_for_planning("enable_hashjoin", "off");
		set_for_planning("enable_mergejoin", "off");
		set_for_planning("jit", "off");
	}
	plan = SPI_prepare_cursor(query_text(*attachment, query), query == write_all ? 0 : 1, &type,
	                          CURSOR_OPT_GENERIC_PLAN);
	if (plan == nullptr)
		elog(ERROR, "could not prepare a statement of listing_stats: %s",
		     SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	attachment->plan[query] = plan;
	// The generic plan is made here and now, under these settings.
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	if (cached != nullptr)
		ReleaseCachedPlan(cached, CurrentResourceOwner);
	AtEOXact_GUC(true, guc_level);
	return plan;
}

char *
verify_query(const Attachment &attachment)
{
	StringInfoData out;
	const char *separator = "";

	initStringInfo(&out);
	appendStringInfo(&out,
	                 "SELECT l.%s::pg_catalog.text, d.c, d.stored, d.expected FROM %s AS l "
	                 "LEFT JOIN LATERAL (%s) AS n ON true CROSS JOIN LATERAL (VALUES ",
	                 column_name(attachment, listing_key), from_listing(attachment),
	                 recomputed(attachment, key_expression(attachment, listing_key, "l")));
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attachment.column[i].attnum == 0)
			continue;
		appendStringInfo(&out, "%s(%s, l.%s::pg_catalog.text, n.%s::pg_catalog.text, %s)",
		                 separator, quote_literal_cstr(NameStr(attachment.column[i].name)),
		                 column_name(attachment, i), argument_name[i], differs(attachment, i));
		separator = ", ";
	}
	appendStringInfoString(&out, ") AS d (c, stored, expected, differs) WHERE d.differs");
	return out.data;
}

char *
index_columns(const Attachment &attachment)
{
	return psprintf("%s, %s", column_name(attachment, price_key), latest_first(attachment, ""));
}

namespace {

// Whether the index column is this one with its type's default operator class and collation.
bool
index_column_is(Relation index, int position, const ResolvedColumn &column)
{
	Form_pg_index form = index->rd_index;
	const TypeCacheEntry *entry =
		lookup_type_cache(getBaseType(column.type), TYPECACHE_BTREE_OPFAMILY);

	return position < form->indnkeyatts && form->indkey.values[position] == column.attnum &&
	       index->rd_opfamily[position] == entry->btree_opf &&
	       index->rd_indcollation[position] == column.collation;
}

bool
index_fits(Relation index, const Attachment &attachment)
{
	const ResolvedColumn *column = attachment.column;

	if (index->rd_rel->relam != BTREE_AM_OID || !index->rd_index->indisvalid ||
	    !index->rd_index->indisready ||
	    !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr))
		return false;
	if (!index_column_is(index, 0, column[price_key]) ||
	    !index_column_is(index, 1, column[price_at]))
		return false;
	const bool tie_is_at = column[price_tie].attnum == column[price_at].attnum;
	if (!tie_is_at && !index_column_is(index, 2, column[price_tie]))
		return false;

	// Read forwards when both are descending, backwards when neither is.
	const bool backwards = (index->rd_indoption[1] & INDOPTION_DESC) == 0;
	for (int i = 1; i <= (tie_is_at ? 1 : 2); ++i)
	{
		const ResolvedColumn &ordered = column[i == 1 ? price_at : price_tie];
		const int option = index->rd_indoption[i];
		const bool nulls_first = ((option & INDOPTION_NULLS_FIRST) != 0) != backwards;
		if (((option & INDOPTION_DESC) == 0) != backwards)
			return false;
		// The planner takes "DESC" for NULLs first, also where there are none.
		if (nulls_first != ordered.not_null)
			return false;
	}
	return true;
}

}  // namespace

Oid
fitting_index(const Attachment &attachment)
{
	Relation price = relation_open(attachment.price, AccessShareLock);
	Oid found = InvalidOid;
	ListCell *cell = nullptr;

	foreach (cell, RelationGetIndexList(price))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		if (!OidIsValid(found) && index_fits(index, attachment))
			found = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	relation_close(price, AccessShareLock);
	return found;
}

}  // namespace listing_stats
