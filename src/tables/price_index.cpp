// The index that serves the latest price, see price_index.hpp.
#include "tables/price_index.hpp"

#include "tables/condition.hpp"

#include <algorithm>

namespace listing_stats {

namespace {

// PostgreSQL sorts NULLs first when descending, and an index serves only the order it was made
// for.  Where there can be NULLs they are last; where there cannot, both mean the same.
const char *
descending(const ResolvedColumn &column)
{
	return column.not_null ? "DESC" : "DESC NULLS LAST";
}

bool
is_tie(const ResolvedColumn &at, const ResolvedColumn &tie)
{
	return tie.attnum != 0 && tie.attnum != at.attnum;
}

// The order of "latest", see latest_first().
const char *
order(const ResolvedColumn &at, const ResolvedColumn &tie, const char *prefix)
{
	const char *by_time =
		psprintf("%s%s %s", prefix, quote_identifier(NameStr(at.name)), descending(at));

	return !is_tie(at, tie) ? by_time
	                        : psprintf("%s, %s%s %s", by_time, prefix,
	                                   quote_identifier(NameStr(tie.name)), descending(tie));
}

// Whether the index column is this one with its type's default operator class and collation.
bool
index_column_is(Relation index, int position, const ResolvedColumn &column)
{
	Form_pg_index form = index->rd_index;
	const TypeCacheEntry *entry = lookup_type_cache(column.base, TYPECACHE_BTREE_OPFAMILY);

	return position < form->indnkeyatts && form->indkey.values[position] == column.attnum &&
	       index->rd_opfamily[position] == entry->btree_opf &&
	       index->rd_indcollation[position] == column.collation;
}

bool
is_valid_btree(Relation index)
{
	return index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
	       index->rd_index->indisready;
}

bool
is_complete_btree(Relation index)
{
	return is_valid_btree(index) && has_rows_of(index, nullptr);
}

// Whether the first columns of the index are those of the key, in whatever order.
bool
begins_with_key(Relation index, const Attachment &attachment, ColumnList list)
{
	bool found[most_key_columns] = {};

	for (int i = 0; i < attachment.key_columns; ++i)
	{
		const int number = key_at(index, i, attachment, list);
		if (number < 0 || found[number])
			return false;
		found[number] = true;
	}
	return true;
}

// Whether the index has the time at this position and the tie behind it, in the order of "latest",
// read forwards or backwards.  A tie that is the time, or is not there, is none.
bool
is_in_order(Relation index, int position, const ResolvedColumn &at, const ResolvedColumn &tie)
{
	for (int i = position; i <= position + (is_tie(at, tie) ? 1 : 0); ++i)
	{
		const ResolvedColumn &ordered = i == position ? at : tie;
		if (!index_column_is(index, i, ordered))
			return false;
		const int option = index->rd_indoption[i];
		const bool backwards = is_read_backwards(index, position);
		const bool nulls_first = ((option & INDOPTION_NULLS_FIRST) != 0) != backwards;
		if (((option & INDOPTION_DESC) == 0) != backwards)
			return false;
		// The planner takes "DESC" for NULLs first, also where there are none.
		if (nulls_first != ordered.not_null)
			return false;
	}
	return true;
}

// Whether the index has the column at this position in this direction, read forwards with NULLs
// last.  What descends may have them first where there are none; of keys the index can still have
// rows that are gone and had none.
bool
is_sorted_by(Relation index, int position, const ResolvedColumn &column, bool descending)
{
	if (!index_column_is(index, position, column))
		return false;
	const int option = index->rd_indoption[position];

	return ((option & INDOPTION_DESC) != 0) == descending &&
	       ((descending && column.not_null) || (option & INDOPTION_NULLS_FIRST) == 0);
}

// How many of the first columns of the index are of the key, in whatever order, which is set.
int
leading_keys(Relation index, const PriceTable &table, int *order)
{
	const int columns = key_columns(table);
	bool found[most_key_columns] = {};
	int count = 0;

	for (; count < Min(columns, index->rd_index->indnkeyatts); ++count)
	{
		int number = 0;
		while (number < columns && (found[number] || key_column(table, number).attnum !=
		                                                 index->rd_index->indkey.values[count]))
			++number;
		if (number == columns)
			break;
		found[number] = true;
		order[count] = number;
	}
	return count;
}

// Whether the columns of a key of several can be gone through in their order.
bool
has_one_direction(Relation index, int columns)
{
	const int option = index->rd_indoption[0];
	bool one = columns == 1 || option == 0 || option == (INDOPTION_DESC | INDOPTION_NULLS_FIRST);

	for (int i = 1; i < columns; ++i)
		one = one && index->rd_indoption[i] == option;
	return one;
}

// Whether the index, read forwards, has the keys in this order and the latest price of each first.
bool
has_order(Relation index, const PriceTable &table, const int *order)
{
	const int columns = key_columns(table);
	bool has =
		is_in_order(index, columns, table.at, table.tie) && !is_read_backwards(index, columns);

	for (int i = 0; has && i < columns; ++i)
		has = is_sorted_by(index, i, key_column(table, order[i]), false);
	return has;
}

bool
serves_latest(Relation index, const Attachment &attachment)
{
	return is_valid_btree(index) && begins_with_key(index, attachment, ColumnList::key) &&
	       is_in_order(index, attachment.key_columns, attachment.column[price_at],
	                   attachment.column[price_tie]) &&
	       has_rows_of(index, attachment.condition_tree);
}

// For ON CONFLICT, by which rows of its own are inserted, it has to be checked at once.
bool
serves_listing_key(Relation index, const Attachment &attachment)
{
	return is_complete_btree(index) && index->rd_index->indisunique &&
	       (index->rd_index->indimmediate || !attachment.own_rows) &&
	       index->rd_index->indnkeyatts == attachment.key_columns &&
	       begins_with_key(index, attachment, ColumnList::listing_key);
}

bool
helps_find_listing(Relation index, const Attachment &attachment)
{
	return is_complete_btree(index) && key_at(index, 0, attachment, ColumnList::listing_key) >= 0;
}

// The first index of the table that serves; InvalidOid: none does.
Oid
find_index(Oid table, const Attachment &attachment, bool (*serves)(Relation, const Attachment &))
{
	Relation relation = relation_open(table, AccessShareLock);
	Oid found = InvalidOid;

	for (const Oid oid : each<Oid>(RelationGetIndexList(relation)))
	{
		Relation index = index_open(oid, AccessShareLock);
		if (!OidIsValid(found) && serves(index, attachment))
			found = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	relation_close(relation, AccessShareLock);
	return found;
}

// As it is in the table: a name is a cstring in a key of an index.
bool
has_column(Relation index, const ResolvedColumn &column)
{
	for (int i = 0; i < index->rd_index->indnatts; ++i)
	{
		if (index->rd_index->indkey.values[i] == column.attnum &&
		    TupleDescAttr(RelationGetDescr(index), i)->atttypid == column.type)
			return true;
	}
	return false;
}

// Whether leaf pages of the index, read forwards, have the latest price of each key first.
bool
serves_leaves(Relation index, const PriceTable &table)
{
	return is_complete_btree(index) && is_sorted_by(index, 0, table.key, false) &&
	       is_sorted_by(index, 1, table.at, true) &&
	       (!is_tie(table.at, table.tie) || is_sorted_by(index, 2, table.tie, true)) &&
	       (!table.skip_null || table.value.not_null || has_column(index, table.value));
}

bool
is_readable_key(Oid type)
{
	return type == INT4OID || type == INT8OID || type == UUIDOID;
}

}  // namespace

const char *
latest_first(const Attachment &attachment, const char *prefix)
{
	return order(attachment.column[price_at], attachment.column[price_tie], prefix);
}

const char *
latest_first(const PriceTable &table, const char *prefix)
{
	return order(table.at, table.tie, prefix);
}

const char *
earliest_first(const Attachment &attachment, const char *prefix)
{
	const ResolvedColumn &at = attachment.column[price_at];
	const ResolvedColumn &tie = attachment.column[price_tie];

	return psprintf("%s%s, %s%s", prefix, quote_identifier(NameStr(at.name)), prefix,
	                quote_identifier(NameStr(tie.name)));
}

char *
index_columns(const Attachment &attachment)
{
	return psprintf("%s, %s", sql_list(attachment, ColumnList::key), latest_first(attachment, ""));
}

Oid
fitting_index(const Attachment &attachment)
{
	return find_index(attachment.price, attachment, serves_latest);
}

// Read forwards when time and tie are descending, backwards when neither is.
bool
is_read_backwards(Relation index, int key_columns)
{
	return (index->rd_indoption[key_columns] & INDOPTION_DESC) == 0;
}

int
key_at(Relation index, int position, const Attachment &attachment, ColumnList list)
{
	for (int i = 0; i < attachment.key_columns; ++i)
	{
		if (index_column_is(index, position, attachment.column[list_place(list, i)]))
			return i;
	}
	return -1;
}

Oid
listing_key_index(const Attachment &attachment)
{
	return find_index(attachment.listing, attachment, serves_listing_key);
}

bool
finds_listing(const Attachment &attachment)
{
	return get_rel_relkind(attachment.listing) != RELKIND_RELATION ||
	       OidIsValid(find_index(attachment.listing, attachment, helps_find_listing));
}

bool
can_be_read(const PriceTable &table)
{
	const Oid at = table.at.base;

	return table.composite == nullptr && is_time_type(at) &&
	       (is_readable_key(table.key.base) ||
	        (has_text_key(table) && table.partitioning == Partitioning::none &&
	         collation_is_deterministic(table.key.collation)));
}

bool
has_text_key(const PriceTable &table)
{
	return table.composite == nullptr &&
	       (table.key.base == TEXTOID || table.key.base == VARCHAROID);
}

void
choose_leaf_index(Relation relation, PriceTable *table)
{
	Assert(CheckRelationLockedByMe(relation, AccessShareLock, true));
	table->index = InvalidOid;
	const AttrNumber value = table->value.attnum;  // 0: whole rows are asked for
	if (relation->rd_rel->relkind != RELKIND_RELATION ||
	    relation->rd_tableam != GetHeapamTableAmRoutine() || !can_be_read(*table) ||
	    (value != 0 && is_virtual(TupleDescAttr(RelationGetDescr(relation), value - 1))))
		return;
	for (const Oid oid : each<Oid>(RelationGetIndexList(relation)))
	{
		Relation index = index_open(oid, AccessShareLock);
		const bool covers = value != 0 && has_column(index, table->value);
		if ((covers || !OidIsValid(table->index)) && serves_leaves(index, *table))
			table->index = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
}

Indexed
find_indexed(const PriceTable &table, int *order)
{
	Relation relation = relation_open(table.relation, NoLock);
	const int columns = key_columns(table);
	Indexed found = Indexed::not_at_all;

	for (int i = 0; i < columns; ++i)
		order[i] = i;
	for (const Oid oid : each<Oid>(RelationGetIndexList(relation)))
	{
		Relation index = index_open(oid, AccessShareLock);
		const Form_pg_index form = index->rd_index;
		int own_order[most_key_columns];
		const int keys = is_complete_btree(index) ? leading_keys(index, table, own_order) : 0;
		Indexed here = keys > 0 ? Indexed::by_key : Indexed::not_at_all;
		if (keys == columns && form->indnkeyatts > columns &&
		    form->indkey.values[columns] == table.at.attnum && has_one_direction(index, columns))
			here = has_order(index, table, own_order) && has_column(index, table.value)
			           ? Indexed::in_order
			           : Indexed::by_time;
		if (here > found)
		{
			found = here;
			if (keys == columns)
				std::copy_n(own_order, columns, order);
		}
		index_close(index, AccessShareLock);
	}
	relation_close(relation, NoLock);
	return found;
}

bool
has_tids_of_keys(Relation index, const ResolvedColumn &key)
{
	return index->rd_rel->relam == BTREE_AM_OID && is_readable_key(key.base) &&
	       is_sorted_by(index, 0, key, false);
}

TransactionId
serves_since(Relation index)
{
	return index->rd_index->indcheckxmin ? HeapTupleHeaderGetXmin(index->rd_indextuple->t_data)
	                                     : InvalidTransactionId;
}

bool
serves(TransactionId since)
{
	return !TransactionIdIsValid(since) || TransactionIdPrecedes(since, TransactionXmin);
}

bool
index_is_usable(Relation index)
{
	return index->rd_index->indisvalid && serves(serves_since(index));
}

}  // namespace listing_stats
