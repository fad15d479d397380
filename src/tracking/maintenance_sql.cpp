// The SQL that keeps an attachment right, see maintenance_sql.hpp.
#include "tracking/maintenance_sql.hpp"

#include "tables/price_index.hpp"
#include "tracking/attachment_cache.hpp"

#include <initializer_list>

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
	int32 typmod = column.typmod;
	// Not as a domain: what it checks is checked when a value is stored, as the tables' owner.
	const Oid type = getBaseTypeAndTypmod(column.type, &typmod);

	return format_type_extended(type, typmod,
	                            FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
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
key_compares(const Attachment &attachment, int column, const char *alias, StrategyNumber strategy,
             const char *value)
{
	const Oid base = getBaseType(attachment.column[column].type);
	const Oid left = attachment.key.type == INT8OID ? base : attachment.key.type;
	const TypeCacheEntry *entry = lookup_type_cache(attachment.key.type, TYPECACHE_BTREE_OPFAMILY);
	const bool generic = IsPolymorphicType(entry->btree_opintype);
	const Oid operator_oid = get_opfamily_member(
		attachment.key.operator_family, generic ? entry->btree_opintype : left,
		generic ? entry->btree_opintype : attachment.key.type, static_cast<int16>(strategy));

	return psprintf("%s %s %s", key_expression(attachment, column, alias),
	                qualified_operator(operator_oid), value);
}

const char *
key_equals(const Attachment &attachment, int column, const char *alias, const char *value)
{
	return key_compares(attachment, column, alias, BTEqualStrategyNumber, value);
}

const char *
equality(Oid type)
{
	return qualified_operator(lookup_type_cache(getBaseType(type), TYPECACHE_EQ_OPR)->eq_opr);
}

// Whether the stored column differs from an expression of its type; NULLs are equal to each other.
const char *
differs_from(const Attachment &attachment, int column, const char *expression)
{
	const char *stored = psprintf("l.%s", column_name(attachment, column));

	return psprintf("((%s %s %s) IS NOT TRUE AND NOT (%s IS NULL AND %s IS NULL))", stored,
	                equality(attachment.column[column].type), expression, stored, expression);
}

// Whether any of the targets is kept.
bool
keeps(const Attachment &attachment, std::initializer_list<int> targets)
{
	for (int target : targets)
	{
		if (attachment.column[target].attnum != 0)
			return true;
	}
	return false;
}

// A listing's key to look for its prices by: in their order, where that is another.
const char *
key_of_prices(const Attachment &attachment, const char *key)
{
	const Oid collation = attachment.column[price_key].collation;

	return collation == attachment.column[listing_key].collation ? key
	                                                             : in_collation(key, collation);
}

// FROM and WHERE for the prices of a listing.
const char *
prices_of(const Attachment &attachment, const char *key)
{
	return psprintf("FROM %s AS p WHERE %s", qualified_name(attachment.price),
	                key_equals(attachment, price_key, "p", key));
}

// The latest price: at most one row (last_price, last_price_at, value).
const char *
head(const Attachment &attachment, const char *key)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "SELECT p.%s AS value", column_name(attachment, price_value));
	if (keeps(attachment, {last_price}))
		appendStringInfo(&out, ", p.%s::%s AS last_price", column_name(attachment, price_value),
		                 type_name(attachment.column[last_price]));
	if (keeps(attachment, {last_price_at}))
		appendStringInfo(&out, ", p.%s::%s AS last_price_at", column_name(attachment, price_at),
		                 type_name(attachment.column[last_price_at]));
	appendStringInfo(&out, " %s%s ORDER BY %s LIMIT 1", prices_of(attachment, key),
	                 attachment.skip_null
	                     ? psprintf(" AND p.%s IS NOT NULL", column_name(attachment, price_value))
	                     : "",
	                 latest_first(attachment, "p."));
	return out.data;
}

// The latest known price that is not that of the head: at most one row.
const char *
previous(const Attachment &attachment, const char *key)
{
	const char *value = column_name(attachment, price_value);

	return psprintf(
		"SELECT p.%s::%s AS previous_price %s AND p.%s IS NOT NULL AND (p.%s %s h.value) "
		"IS NOT TRUE ORDER BY %s LIMIT 1",
		value, type_name(attachment.column[previous_price]), prices_of(attachment, key), value,
		value, equality(attachment.column[price_value].type), latest_first(attachment, "p."));
}

// What depends on all prices of a listing: one row.
const char *
whole(const Attachment &attachment, const char *key)
{
	const char *value =
		psprintf("p.%s::%s", column_name(attachment, price_value),
	             format_type_extended(attachment.value.type, -1,
	                                  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	const char *const function[column_count] = {nullptr, nullptr, nullptr, nullptr,
	                                            "min",   "max",   "count"};
	StringInfoData out;

	initStringInfo(&out);
	for (int i = lowest_price; i <= price_count; ++i)
	{
		if (attachment.column[i].attnum != 0)
			appendStringInfo(&out, "%s pg_catalog.%s(%s)::%s AS %s", out.len > 0 ? "," : "SELECT",
			                 function[i], value, type_name(attachment.column[i]), argument_name[i]);
	}
	appendStringInfo(&out, " %s", prices_of(attachment, key));
	return out.data;
}

// The joins that compute the targets of the listing with this key; "added": except those that
// depend on all prices.
const char *
recomputed(const Attachment &attachment, const char *key, bool added = false)
{
	StringInfoData out;

	initStringInfo(&out);
	if (keeps(attachment, {last_price, last_price_at, previous_price}))
		appendStringInfo(&out, " LEFT JOIN LATERAL (%s) AS h ON true", head(attachment, key));
	if (keeps(attachment, {previous_price}))
		appendStringInfo(&out, " LEFT JOIN LATERAL (%s) AS v ON true", previous(attachment, key));
	if (!added && keeps(attachment, {lowest_price, highest_price, price_count}))
		appendStringInfo(&out, " LEFT JOIN LATERAL (%s) AS w ON true", whole(attachment, key));
	return out.data;
}

// A target in those joins.
const char *
recomputed_target(int target)
{
	const char *alias = target <= last_price_at ? "h" : target == previous_price ? "v" : "w";

	return psprintf("%s.%s", alias, argument_name[target]);
}

// That all prices added to a listing equal the latest one, and so did the latest one before: then
// its previous price is what it was.
const char *
same_latest(const Attachment &attachment)
{
	const char *equal = equality(attachment.column[price_value].type);

	if (!keeps(attachment, {last_price}))
		return "false";
	return psprintf(
		"(NOT %s AND (u.lowest IS NULL OR (u.lowest %s h.value AND u.highest %s h.value)))",
		differs_from(attachment, last_price, "h.last_price"), equal, equal);
}

// The lower of what is stored and what was added, or the higher.
const char *
extreme(const Attachment &attachment, int target)
{
	const char *stored = psprintf("l.%s", column_name(attachment, target));
	const TypeCacheEntry *entry = lookup_type_cache(getBaseType(attachment.column[target].type),
	                                                TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	const bool lowest = target == lowest_price;
	const char *added =
		psprintf("u.%s::%s", lowest ? "lowest" : "highest", type_name(attachment.column[target]));

	return psprintf("CASE WHEN %s IS NULL OR %s %s %s THEN coalesce(%s, %s) ELSE %s END", stored,
	                added, qualified_operator(lowest ? entry->lt_opr : entry->gt_opr), stored,
	                added, stored, stored);
}

// A target of a listing to which prices were added: from what is stored, where that suffices.
const char *
added_target(const Attachment &attachment, int target)
{
	const char *stored = psprintf("l.%s", column_name(attachment, target));
	const char *type = type_name(attachment.column[target]);

	switch (target)
	{
	case previous_price:
		return psprintf("CASE WHEN %s THEN %s ELSE (%s) END", same_latest(attachment), stored,
		                previous(attachment, "u.k"));
	case lowest_price:
	case highest_price:
		return extreme(attachment, target);
	case price_count:
		return psprintf("(coalesce(%s, 0::%s) OPERATOR(pg_catalog.+) u.added::%s)", stored, type,
		                type);
	default:
		return recomputed_target(target);
	}
}

// A partitioned table has no rows of its own; a table's inheritance children are other listings.
const char *
from_listing(const Attachment &attachment)
{
	const bool partitioned = get_rel_relkind(attachment.listing) == RELKIND_PARTITIONED_TABLE;

	return psprintf("%s%s", partitioned ? "" : "ONLY ", qualified_name(attachment.listing));
}

// "keys" is a FROM item u (k), or u (k, added, lowest, highest) where prices were only added.
const char *
write_query(const Attachment &attachment, const char *keys, bool added)
{
	StringInfoData set;
	StringInfoData differs;
	const bool head_only = added && keeps(attachment, {last_price, last_price_at, previous_price});

	// Each price that is not NULL and was added makes price_count differ.  If all that were added
	// are NULL, only columns that the latest price decides can differ.
	const bool counted = added && keeps(attachment, {price_count}) &&
	                     (keeps(attachment, {last_price}) || !keeps(attachment, {previous_price}));

	initStringInfo(&set);
	initStringInfo(&differs);
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attachment.column[i].attnum == 0)
			continue;
		const char *value = added ? added_target(attachment, i) : recomputed_target(i);
		appendStringInfo(&set, "%s%s = %s", set.len > 0 ? ", " : "", column_name(attachment, i),
		                 value);
		if (!counted || !needs_history(i))
			appendStringInfo(&differs, "%s%s", differs.len > 0 ? " OR " : "",
			                 differs_from(attachment, i, value));
	}
	if (counted)
		appendStringInfo(&differs, "%su.added OPERATOR(pg_catalog.>) 0",
		                 differs.len > 0 ? " OR " : "");
	return psprintf("UPDATE %s AS l SET %s FROM %s%s WHERE %s AND (%s)", from_listing(attachment),
	                set.data, keys,
	                !added ? recomputed(attachment, key_of_prices(attachment, "u.k"))
	                : head_only
	                    ? psprintf(" LEFT JOIN LATERAL (%s) AS h ON true", head(attachment, "u.k"))
	                    : "",
	                key_equals(attachment, listing_key, "l", "u.k"), differs.data);
}

// A key column as the attachment's keys are held.
const char *
held_key(const Attachment &attachment, int column, const char *alias)
{
	return psprintf("%s::%s", key_expression(attachment, column, alias),
	                format_type_extended(attachment.key.type, -1,
	                                     FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
}

const char *
lock_many_query(const Attachment &attachment)
{
	// The sort is below the locking.
	return psprintf("SELECT pg_catalog.array_agg(locked.k) FROM (SELECT %s AS k FROM %s AS l "
	                "WHERE %s ORDER BY %s FOR NO KEY UPDATE) AS locked",
	                held_key(attachment, listing_key, "l"), from_listing(attachment),
	                key_equals(attachment, listing_key, "l", "ANY ($1)"),
	                key_expression(attachment, listing_key, "l"));
}

// Rows (key, column, stored, expected), all text, where a kept column differs from the prices.
// "keys" is a FROM item u (k), or nullptr for all listings; "added": except those columns that
// depend on all prices.
const char *
differences(const Attachment &kept, const char *keys, bool added)
{
	// Without the lengths of the columns: a price that has become too long for one differs.
	Attachment attachment = kept;
	for (int i = first_target; i < end_of_targets; ++i)
		attachment.column[i].typmod = -1;
	const char *key = keys == nullptr ? key_expression(attachment, listing_key, "l") : "u.k";
	StringInfoData out;
	const char *separator = "";

	initStringInfo(&out);
	appendStringInfo(&out, "SELECT l.%s::pg_catalog.text, d.c, d.stored, d.expected FROM ",
	                 column_name(attachment, listing_key));
	if (keys != nullptr)
		appendStringInfo(&out, "%s JOIN ", keys);
	appendStringInfo(&out, "%s AS l", from_listing(attachment));
	if (keys != nullptr)
		appendStringInfo(&out, " ON %s", key_equals(attachment, listing_key, "l", key));
	appendStringInfoString(&out, recomputed(attachment, key_of_prices(attachment, key), added));
	appendStringInfoString(&out, " CROSS JOIN LATERAL (VALUES ");
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attachment.column[i].attnum == 0 || (added && i >= lowest_price))
			continue;
		appendStringInfo(&out, "%s(%s, l.%s::pg_catalog.text, %s::pg_catalog.text, %s)", separator,
		                 quote_literal_cstr(NameStr(attachment.column[i].name)),
		                 column_name(attachment, i), recomputed_target(i),
		                 differs_from(attachment, i, recomputed_target(i)));
		separator = ", ";
	}
	appendStringInfoString(&out, ") AS d (c, stored, expected, differs) WHERE d.differs");
	// Of a listing without a key nothing is kept.
	if (keys == nullptr && !attachment.column[listing_key].not_null)
		appendStringInfo(&out, " AND l.%s IS NOT NULL", column_name(attachment, listing_key));
	return out.data;
}

const char *
check_query(const Attachment &attachment, const char *keys, bool added)
{
	return psprintf("SELECT wrong.c FROM (%s) AS wrong (k, c) LIMIT 1",
	                differences(attachment, keys, added));
}

const char *
query_text(const Attachment &attachment, Query query)
{
	const char *from = from_listing(attachment);

	switch (query)
	{
	case lock_one:
		return psprintf("SELECT FROM %s AS l WHERE %s FOR NO KEY UPDATE", from,
		                key_equals(attachment, listing_key, "l", "$1"));
	case lock_many:
		return lock_many_query(attachment);
	case write_one:
		return write_query(attachment, "(SELECT $1) AS u (k)", false);
	case write_many:
		return write_query(attachment, "pg_catalog.unnest($1) AS u (k)", false);
	case write_all:
		return write_query(attachment,
		                   psprintf("(SELECT %s FROM %s AS l) AS u (k)",
		                            key_expression(attachment, listing_key, "l"), from),
		                   false);
	case insert_one:
		return write_query(attachment, "(SELECT $1, $2, $3, $4) AS u (k, added, lowest, highest)",
		                   true);
	case insert_many:
		return write_query(attachment,
		                   "ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), "
		                   "pg_catalog.unnest($3), pg_catalog.unnest($4)) AS u (k, added, lowest, "
		                   "highest)",
		                   true);
	case check_one:
	case check_added_one:
		return check_query(attachment, "(SELECT $1) AS u (k)", query == check_added_one);
	case check_many:
	case check_added_many:
		return check_query(attachment, "pg_catalog.unnest($1) AS u (k)", query == check_added_many);
	case check_all:
		return check_query(attachment, nullptr, false);
	default:
		pg_unreachable();
	}
}

bool
is_of_all(Query query)
{
	return query == write_all || query == check_all;
}

// Sets the types of a query's parameters; returns how many there are.
int
parameter_types(const Attachment &attachment, Query query, Oid *type)
{
	const bool one = query == lock_one || query == write_one || query == insert_one ||
	                 query == check_one || query == check_added_one;

	type[0] = one ? attachment.key.type : attachment.key.array_type;
	type[1] = one ? INT8OID : INT8ARRAYOID;
	type[2] = type[3] = one ? attachment.value.type : attachment.value.array_type;
	return is_of_all(query) ? 0 : query == insert_one || query == insert_many ? 4 : 1;
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
		free_plan_later(plan);
		attachment->plan[query] = nullptr;
	}

	// The plans live as long as the session and are made when tables may still be small: they must
	// not rest on a table being small.
	Oid type[4];
	const int parameters = parameter_types(*attachment, query, type);
	const int guc_level = NewGUCNestLevel();
	if (!is_of_all(query))
	{
		set_for_planning("enable_seqscan", "off");
		set_for_planning("enable_bitmapscan", "off");
		set_for_planning("enable_hashjoin", "off");
		set_for_planning("enable_mergejoin", "off");
		set_for_planning("jit", "off");
	}
	plan = SPI_prepare_cursor(query_text(*attachment, query), parameters, type,
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
keys_query(const Attachment &attachment, Oid table_of_prices, bool after, int limit)
{
	const bool of_prices = OidIsValid(table_of_prices);
	const Column column = of_prices ? price_key : listing_key;
	const char *key = key_expression(attachment, column, "t");

	return psprintf("SELECT %s FROM %s AS t WHERE %s%s%s ORDER BY %s LIMIT %d",
	                held_key(attachment, column, "t"),
	                of_prices ? qualified_name(table_of_prices) : from_listing(attachment),
	                after ? key_compares(attachment, column, "t", BTGreaterStrategyNumber, "$1")
	                      : psprintf("%s IS NOT NULL", key),
	                of_prices ? " GROUP BY " : "", of_prices ? key : "", key, limit);
}

char *
count_query(const Attachment &attachment, Oid table_of_prices)
{
	if (!OidIsValid(table_of_prices))
		return psprintf("SELECT pg_catalog.count(*) FROM %s AS t", from_listing(attachment));
	const char *key = key_expression(attachment, price_key, "t");
	return psprintf("SELECT pg_catalog.count(*) FROM (SELECT FROM %s AS t WHERE %s IS NOT NULL "
	                "GROUP BY %s) AS keys",
	                qualified_name(table_of_prices), key, key);
}

char *
verify_query(const Attachment &attachment)
{
	return pstrdup(differences(attachment, nullptr, false));
}

char *
unmatched_query(const Attachment &attachment)
{
	const bool integer = attachment.key.type == INT8OID;
	const char *key = psprintf("%s%s", key_expression(attachment, price_key, "p"),
	                           integer ? "::pg_catalog.int8" : "");
	int kept = first_target;

	while (attachment.column[kept].attnum == 0)
		++kept;
	// Of none is NULL.
	return psprintf("SELECT true FROM (SELECT %s AS key FROM %s AS p LIMIT 100) AS p "
	                "WHERE p.key IS NOT NULL "
	                "HAVING NOT pg_catalog.bool_or(EXISTS (SELECT FROM %s AS l WHERE %s)) "
	                "AND NOT EXISTS (SELECT FROM (SELECT l.%s AS kept FROM %s AS l LIMIT 100) AS l "
	                "WHERE l.kept IS NOT NULL)",
	                key, qualified_name(attachment.price), qualified_name(attachment.listing),
	                key_equals(attachment, listing_key, "l",
	                           in_collation("p.key", attachment.column[listing_key].collation)),
	                column_name(attachment, kept), qualified_name(attachment.listing));
}

}  // namespace listing_stats
