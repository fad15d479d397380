// Rows by a key, see index_lookup.hpp.
#include "tracking/index_lookup.hpp"

#include "tables/price_index.hpp"

namespace listing_stats {

namespace {

// Sets *key to compare a column of the index, which has the default operator class, with a value of
// this type; false: there is no such operator.
bool
make_scan_key(Relation index, int position, const ComparedType &type, ScanKeyData *key)
{
	const Oid family = index->rd_opfamily[position];
	const Oid left = index->rd_opcintype[position];
	const Oid collation = index->rd_indcollation[position];
	Oid right = getBaseType(type.type);

	if (IsPolymorphicType(left))
		return false;
	Oid equal = get_opfamily_member(family, left, right, BTEqualStrategyNumber);
	if (!OidIsValid(equal))
	{
		// As text is for varchar.
		if (!IsBinaryCoercible(right, left))
			return false;
		right = left;
		equal = get_opfamily_member(family, left, right, BTEqualStrategyNumber);
	}
	if (!OidIsValid(equal) || (OidIsValid(collation) && collation != type.collation))
		return false;
	ScanKeyEntryInitialize(key, 0, static_cast<AttrNumber>(position + 1), BTEqualStrategyNumber,
	                       right, collation, get_opcode(equal), 0);
	return true;
}

}  // namespace

bool
make_scan_keys(Relation index, const Attachment &attachment, ColumnList list, IndexKeys *keys)
{
	keys->count = attachment.key_columns;
	for (int i = 0; i < keys->count; ++i)
	{
		keys->column[i] = key_at(index, i, attachment, list);
		if (keys->column[i] < 0 ||
		    !make_scan_key(index, i, attachment.key_column[keys->column[i]], &keys->scan[i]))
			return false;
	}
	return true;
}

void
add_time_key(Relation index, const ResolvedColumn &at, IndexKeys *keys)
{
	const Oid type = index->rd_opcintype[keys->count];
	const Oid later = get_opfamily_member(index->rd_opfamily[keys->count], type, type,
	                                      BTGreaterEqualStrategyNumber);

	keys->has_time = at.not_null && at.base == type && get_typbyval(type) && OidIsValid(later);
	if (keys->has_time)
		ScanKeyEntryInitialize(&keys->scan[keys->count], 0,
		                       static_cast<AttrNumber>(keys->count + 1),
		                       BTGreaterEqualStrategyNumber, type,
		                       index->rd_indcollation[keys->count], get_opcode(later), 0);
}

Lookup
begin_lookup(Relation table, Oid index, const IndexKeys &keys, const Attachment &attachment,
             const Datum *since)
{
	Assert(CheckRelationLockedByMe(table, AccessShareLock, true) && ActiveSnapshotSet());
	const bool has_since = since != nullptr && keys.has_time;
	Lookup lookup = {CurrentMemoryContext,
	                 table,
	                 index_open(index, AccessShareLock),
	                 nullptr,
	                 keys,
	                 keys.count + (has_since ? 1 : 0),
	                 &attachment,
	                 table_slot_create(table, nullptr)};

	// What the functions remember from call to call goes with the lookup.
	for (int i = 0; i < lookup.compared; ++i)
		fmgr_info_copy(&lookup.keys.scan[i].sk_func, const_cast<FmgrInfo *>(&keys.scan[i].sk_func),
		               CurrentMemoryContext);
	if (has_since)
		lookup.keys.scan[keys.count].sk_argument = *since;
	lookup.scan = begin_index_scan(table, lookup.index, GetActiveSnapshot(), lookup.compared);
	return lookup;
}

void
look_up(Lookup *lookup, Datum key)
{
	MemoryContext old = MemoryContextSwitchTo(lookup->context);
	Datum column[most_key_columns];

	split_key(*lookup->attachment, key, column);
	for (int i = 0; i < lookup->keys.count; ++i)
		lookup->keys.scan[i].sk_argument = column[lookup->keys.column[i]];
	index_rescan(lookup->scan, lookup->keys.scan, lookup->compared, nullptr, 0);
	MemoryContextSwitchTo(old);
}

bool
next_row(Lookup *lookup, ScanDirection direction)
{
	MemoryContext old = MemoryContextSwitchTo(lookup->context);
	const bool found = index_getnext_slot(lookup->scan, direction, lookup->slot);

	MemoryContextSwitchTo(old);
	return found;
}

void
end_lookup(Lookup *lookup)
{
	index_endscan(lookup->scan);
	ExecDropSingleTupleTableSlot(lookup->slot);
	index_close(lookup->index, NoLock);  // until the transaction ends, as a query's
}

}  // namespace listing_stats
