// The SQL that keeps an attachment right, see maintenance_sql.hpp.
//
// A row of listing is l, one of price p, and one that was taken u; of the joins that read the
// prices of a listing h is its latest price, v the previous one, and w what depends on all.  The
// value of a kept column is called by its place in Column, "c1", and a column of the key by its
// number, "k1".
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

// Not as a domain: what it checks is checked when a value is stored, as the tables' owner.
const char *
type_name(const ResolvedColumn &column)
{
	int32 typmod = column.typmod;
	const Oid type = getBaseTypeAndTypmod(column.type, &typmod);

	return qualified_type(type, typmod);
}

// A value as the output function of its type prints it.  Not by a cast to text, which the owner of
// the type can have made: it would run as the owner of the tables.
const char *
printed(const char *value)
{
	return psprintf("CASE WHEN pg_catalog.num_nulls(%s) OPERATOR(pg_catalog.=) 0 THEN "
	                "pg_catalog.format('%%s', %s) END",
	                value, value);
}

const char *
target_name(int target)
{
	return psprintf("c%d", target);
}

const char *
taken_key(int number)
{
	return psprintf("u.k%d", number + 1);
}

// A key column as the operator class compares it, and the operator for it and a value of the
// key's type.
const char *
key_expression(const Attachment &attachment, ColumnList list, int number, const char *alias)
{
	const ComparedType &key = attachment.key_column[number];
	const int column = list_place(list, number);
	const Oid type = attachment.column[column].type;
	const Oid base = getBaseType(type);
	const bool as_it_is = type == key.type || key.type == INT8OID;
	const char *name = psprintf("%s.%s", alias, column_name(attachment, column));

	if (as_it_is && type == base)
		return name;
	return psprintf("%s::%s", name, qualified_type(as_it_is ? base : key.type));
}

const char *
key_operator(const Attachment &attachment, ColumnList list, int number, StrategyNumber strategy)
{
	const ComparedType &key = attachment.key_column[number];
	const Oid base = getBaseType(attachment.column[list_place(list, number)].type);
	const Oid left = key.type == INT8OID ? base : key.type;
	const TypeCacheEntry *entry = lookup_type_cache(key.type, TYPECACHE_BTREE_OPFAMILY);
	const bool generic = IsPolymorphicType(entry->btree_opintype);

	return qualified_operator(get_opfamily_member(
		key.operator_family, generic ? entry->btree_opintype : left,
		generic ? entry->btree_opintype : key.type, static_cast<int16>(strategy)));
}

// Calls "expression" with the number of each column of the key; joins what it gives.
template <typename Expression>
const char *
for_key(const Attachment &attachment, const char *separator, Expression expression)
{
	return joined(attachment.key_columns, separator, expression);
}

// A key column as the attachment's keys are held.
const char *
held_key(const Attachment &attachment, ColumnList list, const char *alias)
{
	return for_key(attachment, ", ", [&attachment, list, alias](int i) {
		return psprintf("%s::%s AS k%d", key_expression(attachment, list, i, alias),
		                qualified_type(attachment.key_column[i].type), i + 1);
	});
}

const char *
keys_in_order(const Attachment &attachment, ColumnList list, const char *alias)
{
	return for_key(attachment, ", ", [&attachment, list, alias](int i) {
		return key_expression(attachment, list, i, alias);
	});
}

// That no column of the key is NULL: nothing is kept for a listing without, and no price of one.
const char *
has_a_key(const Attachment &attachment, ColumnList list, const char *alias)
{
	return for_key(attachment, " AND ", [&attachment, list, alias](int i) {
		return psprintf("%s.%s IS NOT NULL", alias, column_name(attachment, list_place(list, i)));
	});
}

// That a key, given by "value" for each column, is that of the row.
template <typename Value>
const char *
key_equals(const Attachment &attachment, ColumnList list, const char *alias, Value value)
{
	return for_key(attachment, " AND ", [&attachment, list, alias, value](int i) {
		return psprintf("%s %s %s", key_expression(attachment, list, i, alias),
		                key_operator(attachment, list, i, BTEqualStrategyNumber), value(i));
	});
}

const char *
listing_has_key(const Attachment &attachment)
{
	return key_equals(attachment, ColumnList::listing_key, "l", taken_key);
}

const char *
equality(Oid type)
{
	return qualified_operator(lookup_type_cache(getBaseType(type), TYPECACHE_EQ_OPR)->eq_opr);
}

// Whether the stored column differs from an expression of its base type; NULLs are equal to each
// other.
const char *
differs_from(const Attachment &attachment, int column, const char *expression)
{
	const char *stored = psprintf("l.%s", column_name(attachment, column));

	if (is_kept_to_the_byte(attachment, column))
		return psprintf("pg_catalog.record_image_ne(ROW(%s::%s), ROW(%s))", stored,
		                type_name(attachment.column[column]), expression);
	return psprintf("((%s %s %s) IS NOT TRUE AND NOT (%s IS NULL AND %s IS NULL))", stored,
	                equality(attachment.column[column].type), expression, stored, expression);
}

bool
keeps(const Attachment &attachment, int target)
{
	return attachment.column[target].attnum != 0;
}

// Calls "expression" with each kept column; joins what it gives, except nullptr.
template <typename Expression>
const char *
for_targets(const Attachment &attachment, const char *separator, Expression expression)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const char *text = keeps(attachment, i) ? expression(i) : nullptr;
		if (text != nullptr)
			appendStringInfo(&out, "%s%s", out.len > 0 ? separator : "", text);
	}
	return out.data;
}

bool
is_from_head(int target)
{
	return target == last_price || target == last_price_at || is_carried(target);
}

// Whether the latest row is read: for what is kept of it, or to know that there is one.
bool
reads_head(const Attachment &attachment)
{
	const auto reads = [](int target) { return is_from_head(target) || target == previous_price; };

	return attachment.keep_empty || attachment.own_rows ||
	       first_kept(attachment, reads) < end_of_targets;
}

// The prices that count, of the whole table: a FROM item.
const char *
counted_prices(const Attachment &attachment, const char *alias = "p")
{
	const char *table = qualified_name(attachment.price);

	if (attachment.condition == nullptr)
		return psprintf("%s AS %s", table, alias);
	return psprintf("(SELECT * FROM %s WHERE (%s)) AS %s", table, attachment.condition, alias);
}

// FROM and WHERE for the prices of a listing, whose key "key" gives.
template <typename Key>
const char *
prices_of(const Attachment &attachment, Key key)
{
	return psprintf("FROM %s WHERE %s", counted_prices(attachment),
	                key_equals(attachment, ColumnList::key, "p", [&attachment, key](int i) {
						// In the order of prices, where that is another.
						const Oid collation =
							attachment.column[list_place(ColumnList::key, i)].collation;
						return collation == attachment.key_column[i].collation
		                           ? key(i)
		                           : in_collation(key(i), collation);
					}));
}

// That a price is known.  A row of NULLs is a value, which IS NOT NULL would not say.
const char *
is_known(const Attachment &attachment)
{
	return psprintf("p.%s IS DISTINCT FROM NULL", column_name(attachment, price_value));
}

// The latest price: at most one row, with its value and what is kept of it.
template <typename Key>
const char *
head(const Attachment &attachment, Key key)
{
	const char *kept = for_targets(attachment, "", [&attachment](int i) -> const char * {
		if (!is_from_head(i))
			return nullptr;
		const int source = is_carried(i)        ? source_of_carried(i)
		                   : i == last_price_at ? static_cast<int>(price_at)
		                                        : static_cast<int>(price_value);
		return psprintf(", p.%s::%s AS %s", column_name(attachment, source),
		                type_name(attachment.column[i]), target_name(i));
	});

	return psprintf("SELECT true AS found, p.%s AS value%s %s%s ORDER BY %s LIMIT 1",
	                column_name(attachment, price_value), kept, prices_of(attachment, key),
	                attachment.skip_null ? psprintf(" AND %s", is_known(attachment)) : "",
	                latest_first(attachment, "p."));
}

// The previous price, which is the latest known one that is not that of the head, or the first
// known one: at most one row.
template <typename Key>
const char *
known_price(const Attachment &attachment, int target, Key key)
{
	const char *value = column_name(attachment, price_value);
	const bool first = target == first_price;

	return psprintf("SELECT p.%s::%s AS %s %s AND %s%s ORDER BY %s LIMIT 1", value,
	                type_name(attachment.column[target]), target_name(target),
	                prices_of(attachment, key), is_known(attachment),
	                first ? ""
	                      : psprintf(" AND (p.%s %s h.value) IS NOT TRUE", value,
	                                 equality(attachment.column[price_value].type)),
	                first ? earliest_first(attachment, "p.") : latest_first(attachment, "p."));
}

// What depends on all prices of a listing: one row.
template <typename Key>
const char *
whole(const Attachment &attachment, Key key)
{
	const char *value = psprintf("p.%s::%s", column_name(attachment, price_value),
	                             qualified_type(getBaseType(attachment.column[price_value].type)));
	const char *kept = for_targets(attachment, ", ", [&attachment, value](int i) -> const char * {
		const char *expression = i == lowest_price    ? "pg_catalog.min(%s)"
		                         : i == highest_price ? "pg_catalog.max(%s)"
		                         : i == price_count   ? "pg_catalog.count(%s)"
		                                              : "coalesce(pg_catalog.sum(%s), 0)";
		if (i < lowest_price || i > price_total)
			return nullptr;
		return psprintf("%s::%s AS %s", psprintf(expression, value),
		                type_name(attachment.column[i]), target_name(i));
	});

	return psprintf("SELECT %s %s", kept, prices_of(attachment, key));
}

// The joins that compute the targets of the listing with this key.
template <typename Key>
const char *
recomputed(const Attachment &attachment, Key key, bool with_previous, bool with_whole)
{
	StringInfoData out;

	initStringInfo(&out);
	if (reads_head(attachment))
		appendStringInfo(&out, " LEFT JOIN LATERAL (%s) AS h ON true", head(attachment, key));
	if (keeps(attachment, previous_price) && with_previous)
		appendStringInfo(&out, " LEFT JOIN LATERAL (%s) AS v ON true",
		                 known_price(attachment, previous_price, key));
	if (keeps(attachment, first_price))
		appendStringInfo(&out, " LEFT JOIN LATERAL (%s) AS f ON true",
		                 known_price(attachment, first_price, key));
	if (first_kept(attachment, needs_all) < end_of_targets && with_whole)
		appendStringInfo(&out, " LEFT JOIN LATERAL (%s) AS w ON true", whole(attachment, key));
	return out.data;
}

// A target in those joins.
const char *
recomputed_target(int target)
{
	const char *alias = is_from_head(target)       ? "h"
	                    : target == previous_price ? "v"
	                    : target == first_price    ? "f"
	                                               : "w";

	return psprintf("%s.%s", alias, target_name(target));
}

const char *
is_found(const Attachment &attachment)
{
	return attachment.keep_empty || attachment.own_rows ? "h.found IS NOT NULL" : "true";
}

// That all prices added to a listing equal the latest one, and so did the latest one before: then
// its previous price is what it was.
const char *
same_latest(const Attachment &attachment)
{
	const char *equal = equality(attachment.column[price_value].type);

	if (!keeps(attachment, last_price))
		return "false";
	return psprintf(
		"(NOT %s AND (u.lowest IS NULL OR (u.lowest %s h.value AND u.highest %s h.value)))",
		differs_from(attachment, last_price, psprintf("h.%s", target_name(last_price))), equal,
		equal);
}

// A partitioned table has no rows of its own; a table's inheritance children are other listings.
const char *
from_listing(const Attachment &attachment, const char *alias = "l")
{
	const bool partitioned = get_rel_relkind(attachment.listing) == RELKIND_PARTITIONED_TABLE;

	return psprintf("%s%s AS %s", partitioned ? "" : "ONLY ", qualified_name(attachment.listing),
	                alias);
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

// What a target has to be, of the rows taken and the listing's own.
const char *
taken_target(const Attachment &attachment, int target, bool added)
{
	const char *stored = psprintf("l.%s", column_name(attachment, target));
	const char *type = type_name(attachment.column[target]);

	if (added && (target == lowest_price || target == highest_price))
		return extreme(attachment, target);
	if (added && target == price_count)
		return psprintf("(coalesce(%s, 0::%s) OPERATOR(pg_catalog.+) u.added::%s)", stored, type,
		                type);
	if (added && target == price_total)
		return psprintf("(coalesce(%s, 0::%s) OPERATOR(pg_catalog.+) coalesce(u.total, 0)::%s)",
		                stored, type, type);
	if (!attachment.keep_empty || target == price_count || target == price_total)
		return psprintf("u.%s", target_name(target));
	return psprintf("CASE WHEN u.found THEN u.%s ELSE %s::%s END", target_name(target), stored,
	                type);
}

// The rows that read, read_added and read_head give.
const char *
read_query(const Attachment &attachment, bool added, bool with_whole)
{
	const bool joins_listing = added && keeps(attachment, previous_price);
	const char *targets = for_targets(attachment, "", [&](int i) -> const char * {
		if (!with_whole && needs_all(i))
			return nullptr;
		if (added && i == previous_price)
			return psprintf(", CASE WHEN %s THEN l.%s::%s ELSE (%s) END", same_latest(attachment),
			                column_name(attachment, i), type_name(attachment.column[i]),
			                known_price(attachment, i, taken_key));
		return psprintf(", %s", recomputed_target(i));
	});

	return psprintf("SELECT %s, %s AS found%s%s FROM %s AS u%s%s",
	                for_key(attachment, ", ", taken_key), is_found(attachment), targets,
	                added ? ", u.added, u.lowest, u.highest, u.total" : "", keys_name,
	                joins_listing ? psprintf(" JOIN %s ON %s", from_listing(attachment),
	                                         listing_has_key(attachment))
	                              : "",
	                recomputed(attachment, taken_key, !added, with_whole));
}

// A listing's own key, to look for its prices by.
auto
key_of_listing(const Attachment &attachment)
{
	return [&attachment](int i) {
		return key_expression(attachment, ColumnList::listing_key, i, "l");
	};
}

const char *
write_query(const Attachment &attachment, bool added)
{
	// Where known prices were added their number differs, and where none was, nothing does that the
	// latest price does not decide.
	const bool counted = added && keeps(attachment, price_count) &&
	                     (keeps(attachment, last_price) || !keeps(attachment, previous_price));
	const char *set = for_targets(attachment, ", ", [&attachment, added](int i) {
		return psprintf("%s = %s", column_name(attachment, i), taken_target(attachment, i, added));
	});
	const char *differs = for_targets(attachment, " OR ", [&](int i) -> const char * {
		if (counted && (needs_all(i) || i == previous_price))
			return i == price_count ? "u.added OPERATOR(pg_catalog.>) 0" : nullptr;
		return differs_from(attachment, i, taken_target(attachment, i, added));
	});

	return psprintf("UPDATE %s SET %s FROM %s AS u WHERE %s%s AND (%s)", from_listing(attachment),
	                set, rows_name, listing_has_key(attachment),
	                attachment.own_rows ? " AND u.found" : "", differs);
}

// Joins rows of the listings that there are.
const char *
lock_query(const Attachment &attachment, bool waits)
{
	// The sort is below the locking.
	return psprintf("SELECT %s FROM %s, %s AS u WHERE %s ORDER BY %s FOR NO KEY UPDATE OF l%s",
	                held_key(attachment, ColumnList::listing_key, "l"), from_listing(attachment),
	                keys_name, listing_has_key(attachment),
	                keys_in_order(attachment, ColumnList::listing_key, "l"),
	                waits ? "" : " SKIP LOCKED");
}

// Locks the rows that there are and inserts the others, one after the other in the order of keys.
const char *
insert_query(const Attachment &attachment)
{
	const char *kept = column_name(attachment, first_kept(attachment, is_target));
	const char *key = sql_list(attachment, ColumnList::listing_key);

	return psprintf(
		"INSERT INTO %s AS l (%s) SELECT %s FROM %s AS u ON CONFLICT (%s) DO UPDATE SET "
		"%s = l.%s WHERE false",
		qualified_name(attachment.listing), key, for_key(attachment, ", ", taken_key), keys_name,
		key, kept, kept);
}

// Of the keys taken those that have a row or are to have one.
const char *
needed_query(const Attachment &attachment, bool found)
{
	return psprintf("SELECT %s FROM %s AS u WHERE EXISTS (SELECT FROM %s WHERE %s) OR %s",
	                for_key(attachment, ", ", taken_key), found ? rows_name : keys_name,
	                from_listing(attachment), listing_has_key(attachment),
	                found ? "u.found" : psprintf("EXISTS (%s)", head(attachment, taken_key)));
}

const char *
keys_of_listings(const Attachment &attachment)
{
	return psprintf("SELECT %s FROM %s WHERE %s",
	                held_key(attachment, ColumnList::listing_key, "l"), from_listing(attachment),
	                has_a_key(attachment, ColumnList::listing_key, "l"));
}

const char *
remove_query(const Attachment &attachment)
{
	return psprintf("DELETE FROM %s USING %s AS u WHERE %s AND NOT u.found",
	                from_listing(attachment), rows_name, listing_has_key(attachment));
}

const char *
keys_of_prices(const Attachment &attachment)
{
	return psprintf("SELECT DISTINCT %s FROM %s WHERE %s",
	                held_key(attachment, ColumnList::key, "p"), counted_prices(attachment),
	                has_a_key(attachment, ColumnList::key, "p"));
}

const char *
check_query(const Attachment &attachment, bool added)
{
	const char *values = for_targets(attachment, ", ", [&attachment, added](int i) -> const char * {
		if (added && needs_all(i))
			return nullptr;
		return psprintf("(%s, %s%s)", quote_literal_cstr(NameStr(attachment.column[i].name)),
		                attachment.own_rows ? "u.found AND " : "",
		                differs_from(attachment, i, taken_target(attachment, i, false)));
	});

	// A transaction sees a row of before beside one that it has inserted.
	if (attachment.own_rows)
		values =
			psprintf("(%s, (SELECT pg_catalog.count(*) FROM %s WHERE %s) OPERATOR(pg_catalog.<>) "
		             "CASE WHEN u.found THEN 1 ELSE 0 END), %s",
		             quote_literal_cstr(NameStr(attachment.column[listing_key].name)),
		             from_listing(attachment), listing_has_key(attachment), values);
	return psprintf("SELECT d.c FROM %s AS u %s %s ON %s CROSS JOIN LATERAL (VALUES %s) AS d (c, "
	                "differs) WHERE d.differs LIMIT 1",
	                rows_name, attachment.own_rows ? "LEFT JOIN" : "JOIN", from_listing(attachment),
	                listing_has_key(attachment), values);
}

const char *
statement_text(const Attachment &attachment, Statement statement)
{
	switch (statement)
	{
	case Statement::lock:
		return attachment.own_rows ? insert_query(attachment) : lock_query(attachment, true);
	case Statement::lock_free:
		return lock_query(attachment, false);
	case Statement::remove:
		return remove_query(attachment);
	case Statement::read_keys:
		return keys_of_prices(attachment);
	case Statement::read_listings:
		return keys_of_listings(attachment);
	case Statement::read_needed:
	case Statement::read_found:
		return needed_query(attachment, statement == Statement::read_found);
	case Statement::read:
	case Statement::read_added:
	case Statement::read_head:
		return read_query(attachment, statement == Statement::read_added,
		                  statement == Statement::read);
	case Statement::write:
	case Statement::write_all:
	case Statement::write_added:
		return write_query(attachment, statement == Statement::write_added);
	case Statement::check:
	case Statement::check_added:
		return check_query(attachment, statement == Statement::check_added);
	case Statement::count:
		break;
	}
	pg_unreachable();
}

// That a key, from the column with this number on, is greater than the parameters: an index by it
// can begin there.
const char *
is_beyond(const Attachment &attachment, ColumnList list, int number)
{
	const char *column = key_expression(attachment, list, number, "t");
	const char *greater =
		psprintf("%s %s $%d", column,
	             key_operator(attachment, list, number, BTGreaterStrategyNumber), number + 1);

	if (number == attachment.key_columns - 1)
		return greater;
	return psprintf("%s %s $%d AND (%s OR (%s))", column,
	                key_operator(attachment, list, number, BTGreaterEqualStrategyNumber),
	                number + 1, greater, is_beyond(attachment, list, number + 1));
}

// As BuildDescFromLists() takes them.
struct ShapeColumns
{
	List *name;
	List *type;
	List *typmod;
	List *collation;
};

void
add_column(ShapeColumns *columns, const char *name, Oid type, int32 typmod = -1,
           Oid collation = InvalidOid)
{
	columns->name = lappend(columns->name, makeString(pstrdup(name)));
	columns->type = lappend_oid(columns->type, type);
	columns->typmod = lappend_int(columns->typmod, typmod);
	columns->collation = lappend_oid(columns->collation, collation);
}

TupleDesc
make_shape(const Attachment &attachment, Shape shape)
{
	const bool rows = shape != Shape::keys && shape != Shape::keys_added;
	ShapeColumns columns = {};

	for (int i = 0; i < attachment.key_columns; ++i)
		add_column(&columns, psprintf("k%d", i + 1), attachment.key_column[i].type, -1,
		           attachment.key_column[i].collation);
	if (rows)
		add_column(&columns, "found", BOOLOID);
	for (int i = first_target; rows && i < end_of_targets; ++i)
	{
		const ResolvedColumn &column = attachment.column[i];
		int32 typmod = column.typmod;
		if (column.attnum == 0 || (shape != Shape::rows && needs_all(i)))
			continue;
		const Oid type = getBaseTypeAndTypmod(column.type, &typmod);
		add_column(&columns, target_name(i), type, typmod, column.collation);
	}
	if (shape == Shape::keys_added || shape == Shape::rows_added)
	{
		add_column(&columns, "added", INT8OID);
		add_column(&columns, "lowest", attachment.value.type);
		add_column(&columns, "highest", attachment.value.type);
		add_column(&columns, "total", NUMERICOID);
	}
	TupleDesc description =
		BuildDescFromLists(columns.name, columns.type, columns.typmod, columns.collation);
	finish_description(description);
	return description;
}

}  // namespace

TupleDesc
shape_of(Attachment *attachment, Shape shape)
{
	TupleDesc &known = attachment->shape[static_cast<int>(shape)];

	if (known == nullptr)
	{
		MemoryContext old = MemoryContextSwitchTo(attachment->context);
		known = make_shape(*attachment, shape);
		MemoryContextSwitchTo(old);
	}
	return known;
}

SPIPlanPtr
plan_of(Attachment *attachment, Statement statement)
{
	SPIPlanPtr &plan = attachment->plan[static_cast<int>(statement)];

	if (plan != nullptr && stays_as_made(plan))
		return plan;
	if (plan != nullptr)
		free_plan_later(plan);
	plan = nullptr;

	// The plans live as long as the session and are made when tables may still be small: they must
	// not rest on a table being small.
	const int guc_level = NewGUCNestLevel();
	if (statement != Statement::read_keys && statement != Statement::read_listings &&
	    statement != Statement::write_all)
	{
		set_meanwhile("enable_seqscan", "off");
		set_meanwhile("enable_bitmapscan", "off");
		set_meanwhile("enable_hashjoin", "off");
		set_meanwhile("enable_mergejoin", "off");
		set_meanwhile("jit", "off");
	}
	SPIPlanPtr made = SPI_prepare_cursor(statement_text(*attachment, statement), 0, nullptr,
	                                     CURSOR_OPT_GENERIC_PLAN);
	if (made == nullptr)
		elog(ERROR, "could not prepare a statement of listing_stats: %s",
		     SPI_result_code_string(SPI_result));
	keep_generic_plan(made);
	AtEOXact_GUC(true, guc_level);
	plan = made;
	return plan;
}

namespace {

// The rows that are not there, as rows whose key should be.
const char *
missing_rows(const Attachment &attachment)
{
	const char *key = for_key(attachment, ", ", taken_key);

	return psprintf(
		" UNION ALL SELECT %s, %s, NULL, %s FROM (%s) AS u "
		"LEFT JOIN LATERAL (%s) AS h ON true WHERE h.found AND NOT EXISTS (SELECT FROM %s WHERE "
		"%s)",
		printed(attachment.key_columns > 1 ? psprintf("ROW(%s)", key) : key),
		quote_literal_cstr(NameStr(attachment.column[listing_key].name)), printed(taken_key(0)),
		keys_of_prices(attachment), head(attachment, taken_key), from_listing(attachment),
		listing_has_key(attachment));
}

// Keys of the rows t in their order, of prices each once.
char *
ordered_keys(const Attachment &attachment, ColumnList list, const char *from, const char *order,
             bool after, int limit)
{
	const bool of_prices = list == ColumnList::key;

	return psprintf("SELECT %s FROM %s WHERE %s%s%s%s%s ORDER BY %s LIMIT %d",
	                held_key(attachment, list, "t"), from, has_a_key(attachment, list, "t"),
	                after ? " AND " : "", after ? is_beyond(attachment, list, 0) : "",
	                of_prices ? " GROUP BY " : "", of_prices ? order : "", order, limit);
}

}  // namespace

char *
keys_query(const Attachment &attachment, Oid table_of_prices, bool after, int limit)
{
	const char *price_order = keys_in_order(attachment, ColumnList::key, "t");

	if (OidIsValid(table_of_prices))
		// By number, or postgres_fdw may send what is ambiguous: SELECT k::bigint, k ... ORDER BY
		// k.
		return ordered_keys(
			attachment, ColumnList::key, psprintf("%s AS t", qualified_name(table_of_prices)),
			get_rel_relkind(table_of_prices) != RELKIND_FOREIGN_TABLE
				? price_order
				: for_key(attachment, ", ", [](int i) { return psprintf("%d", i + 1); }),
			after, limit);
	char *listings =
		ordered_keys(attachment, ColumnList::listing_key, from_listing(attachment, "t"),
	                 keys_in_order(attachment, ColumnList::listing_key, "t"), after, limit);
	if (!attachment.own_rows)
		return listings;
	return psprintf("(%s) UNION (%s) ORDER BY %s LIMIT %d",
	                ordered_keys(attachment, ColumnList::key, counted_prices(attachment, "t"),
	                             price_order, after, limit),
	                listings,
	                for_key(attachment, ", ", [](int i) { return psprintf("k%d", i + 1); }), limit);
}

char *
count_query(const Attachment &attachment, Oid table_of_prices)
{
	if (!OidIsValid(table_of_prices))
		return psprintf("SELECT pg_catalog.count(*) FROM %s", from_listing(attachment));
	const char *keys = keys_in_order(attachment, ColumnList::key, "t");
	return psprintf("SELECT pg_catalog.count(*) FROM (SELECT FROM %s AS t GROUP BY %s) AS keys",
	                qualified_name(table_of_prices), keys);
}

// Without the lengths of the columns: a price that has become too long for one differs.
char *
verify_query(const Attachment &kept)
{
	Attachment attachment = kept;
	const char *key = sql_list(attachment, ColumnList::listing_key, "l.");

	for (int i = first_target; i < end_of_targets; ++i)
		attachment.column[i].typmod = -1;
	const char *values = for_targets(attachment, ", ", [&attachment](int i) {
		const char *differs = differs_from(attachment, i, recomputed_target(i));
		return psprintf(
			"(%s, %s, %s, %s)", quote_literal_cstr(NameStr(attachment.column[i].name)),
			printed(psprintf("l.%s", column_name(attachment, i))), printed(recomputed_target(i)),
			attachment.own_rows || (attachment.keep_empty && i != price_count && i != price_total)
				? psprintf("(h.found IS NOT NULL AND %s)", differs)
				: differs);
	});
	if (attachment.own_rows)
		values = psprintf("%s, (%s, %s, NULL, h.found IS NULL)", values,
		                  quote_literal_cstr(NameStr(attachment.column[listing_key].name)),
		                  printed(psprintf("l.%s", column_name(attachment, listing_key))));
	return psprintf("SELECT %s, d.c, d.stored, d.expected FROM %s%s CROSS JOIN "
	                "LATERAL (VALUES %s) AS d (c, stored, expected, differs) WHERE d.differs AND "
	                "%s%s",
	                printed(attachment.key_columns > 1 ? psprintf("ROW(%s)", key) : key),
	                from_listing(attachment),
	                recomputed(attachment, key_of_listing(attachment), true, true), values,
	                has_a_key(attachment, ColumnList::listing_key, "l"),
	                attachment.own_rows ? missing_rows(attachment) : "");
}

char *
unpriced_query(const Attachment &attachment)
{
	return psprintf("SELECT FROM %s WHERE NOT EXISTS (SELECT %s) LIMIT 1", from_listing(attachment),
	                prices_of(attachment, key_of_listing(attachment)));
}

char *
unmatched_query(const Attachment &attachment)
{
	const int kept = first_kept(attachment, is_target);

	// Of none is NULL.
	return psprintf(
		"SELECT true FROM (SELECT %s FROM %s AS p LIMIT 100) AS u WHERE %s "
		"HAVING NOT pg_catalog.bool_or(EXISTS (SELECT FROM %s AS l WHERE %s)) "
		"AND NOT EXISTS (SELECT FROM (SELECT l.%s AS kept FROM %s AS l LIMIT 100) AS l "
		"WHERE l.kept IS NOT NULL)",
		held_key(attachment, ColumnList::key, "p"), qualified_name(attachment.price),
		for_key(attachment, " AND ",
	            [](int i) { return psprintf("%s IS NOT NULL", taken_key(i)); }),
		qualified_name(attachment.listing),
		key_equals(attachment, ColumnList::listing_key, "l",
	               [&attachment](int i) {
					   return in_collation(
						   taken_key(i),
						   attachment.column[list_place(ColumnList::listing_key, i)].collation);
				   }),
		column_name(attachment, kept), qualified_name(attachment.listing));
}

}  // namespace listing_stats
