// The direct path, see direct_path.hpp.
#include "tracking/direct_path.hpp"

#include "reading/leaf_reader.hpp"
#include "tables/distributed.hpp"
#include "tables/price_index.hpp"

namespace listing_stats {

// What does not change as long as an attachment is valid.
struct DirectPath
{
	Oid listing_index;
	Oid price_index;
	ScanDirection latest_first;  // in which the index of price is read
	// Transactions that must be over before the indexes serve a snapshot, see
	// pg_index.indcheckxmin.
	TransactionId listing_index_since;
	TransactionId price_index_since;
	ScanKeyData listing_key;
	ScanKeyData price_key;
	TypeCacheEntry *value_type;
	TypeCacheEntry *at_type;
	// Where many keys are read from the leaves of the indexes instead: whether they can be that of
	// listing, and what is read of price.
	bool listing_leaves;
	PriceTable prices;
};

namespace {

// From so many keys on their entries are read from the leaves: the access method would copy all
// entries of each key to return one.  Not for fewer: it also marks dead entries, so that the next
// one need not look at them.
constexpr Size many_keys = 10;

bool enabled = true;

bool
is_kept(const Attachment &attachment, AttrNumber attnum)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attnum != InvalidAttrNumber && attachment.column[i].attnum == attnum)
			return true;
	}
	return false;
}

// Whether a kept column is the key of listing for another attachment, which has to learn of changes
// of it.  Only where no foreign key says what that is: takes_as_is() refuses what one can refer to.
bool
keeps_a_key(Relation listing, const Attachment &attachment)
{
	ListCell *cell = nullptr;

	foreach (cell, our_triggers(listing))
	{
		Definition definition;
		if (read_definition(static_cast<Trigger *>(lfirst(cell)), &definition) == nullptr &&
		    (is_kept(attachment, definition.place[listing_key].attnum) ||
		     is_kept(attachment,
		             get_attnum(RelationGetRelid(listing), definition.column[listing_key]))))
			return true;
	}
	return false;
}

// Whether an UPDATE of the kept columns alone sets off nothing but what is left out here: our own
// triggers, which have nothing to learn from our own write, and those of keys that refer to
// listing, which do not change.  Not so the checks of listing's own foreign keys: that of an INSERT
// leaves a row that the same transaction has updated since to the check of the UPDATE.
bool
only_our_triggers(Relation listing)
{
	const Oid ours = trigger_function(listing_changed);
	// Looking that up may have rebuilt the relation's triggers.
	const TriggerDesc *triggers = listing->trigdesc;

	for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
	{
		const Trigger &trigger = triggers->triggers[i];
		if (TRIGGER_FOR_UPDATE(trigger.tgtype) && trigger.tgfoid != ours &&
		    RI_FKey_trigger_type(trigger.tgfoid) != RI_TRIGGER_PK)
			return false;
	}
	return true;
}

bool
is_plain(Relation relation)
{
	return relation->rd_rel->relkind == RELKIND_RELATION &&
	       relation->rd_rel->relam == HEAP_TABLE_AM_OID && !RELATION_IS_OTHER_TEMP(relation) &&
	       !is_distributed(RelationGetRelid(relation));
}

bool
takes_plain_updates(Relation listing)
{
	const TupleConstr *constraints = RelationGetDescr(listing)->constr;

	for (int i = 0; i < RelationGetNumberOfAttributes(listing); ++i)
	{
		if (has_unchecked_nulls(RelationGetDescr(listing), i))
			return false;
	}
	return is_plain(listing) && !listing->rd_rel->relispartition && listing->rd_rules == nullptr &&
	       (constraints == nullptr ||
	        (constraints->num_check == 0 && !has_generated_columns(constraints))) &&
	       only_our_triggers(listing);
}

// Whether the kept column takes values of the column it keeps as they are.
bool
takes_as_is(Relation listing, const Attachment &attachment, int target)
{
	const ResolvedColumn &column = attachment.column[target];
	const ResolvedColumn source = source_of(attachment, target);
	const Bitmapset *unique = RelationGetIndexAttrBitmap(listing, INDEX_ATTR_BITMAP_KEY);

	return column.type == source.type && column.type == getBaseType(column.type) &&
	       (column.typmod == source.typmod || column.typmod == -1) && !column.not_null &&
	       !bms_is_member(column.attnum - FirstLowInvalidHeapAttributeNumber, unique);
}

// Sets *key to compare the index's first column, which has the default operator class, with a value
// of the attachment's key type; false: there is no such operator.
bool
make_scan_key(Relation index, const Attachment &attachment, ScanKeyData *key)
{
	const Oid family = index->rd_opfamily[0];
	const Oid left = index->rd_opcintype[0];
	Oid right = getBaseType(attachment.key.type);

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
	if (!OidIsValid(equal) || (OidIsValid(index->rd_indcollation[0]) &&
	                           index->rd_indcollation[0] != attachment.key.collation))
		return false;
	ScanKeyEntryInitialize(key, 0, 1, BTEqualStrategyNumber, right, index->rd_indcollation[0],
	                       get_opcode(equal), 0);
	return true;
}

TransactionId
serves_since(Relation index)
{
	return index->rd_index->indcheckxmin ? HeapTupleHeaderGetXmin(index->rd_indextuple->t_data)
	                                     : InvalidTransactionId;
}

bool
find_indexes(const Attachment &attachment, DirectPath *path)
{
	path->listing_index = listing_key_index(attachment);
	path->price_index = fitting_index(attachment);
	if (!OidIsValid(path->listing_index) || !OidIsValid(path->price_index))
		return false;
	Relation listing_index = index_open(path->listing_index, AccessShareLock);
	Relation price_index = index_open(path->price_index, AccessShareLock);
	const bool found = make_scan_key(listing_index, attachment, &path->listing_key) &&
	                   make_scan_key(price_index, attachment, &path->price_key);
	path->latest_first =
		is_read_backwards(price_index) ? BackwardScanDirection : ForwardScanDirection;
	path->listing_index_since = serves_since(listing_index);
	path->price_index_since = serves_since(price_index);
	path->listing_leaves = has_places_of_keys(listing_index, attachment.column[listing_key]);
	index_close(price_index, AccessShareLock);
	index_close(listing_index, AccessShareLock);
	return found;
}

PriceTable
prices_of(const Attachment &attachment, Relation price)
{
	PriceTable table = {};

	table.relation = attachment.price;
	table.key = attachment.column[price_key];
	table.at = attachment.column[price_at];
	if (attachment.column[price_tie].attnum != table.at.attnum)
		table.tie = attachment.column[price_tie];
	table.value = attachment.column[price_value];
	table.skip_null = attachment.skip_null;
	choose_leaf_index(price, &table);
	return table;
}

// What the owner has taken from himself, an UPDATE may not do either.
bool
owner_may(const Attachment &attachment)
{
	constexpr AclMode update = ACL_SELECT | ACL_UPDATE;

	return may_use_schema(get_rel_namespace(attachment.listing), attachment.owner) &&
	       may_use_schema(get_rel_namespace(attachment.price), attachment.owner) &&
	       pg_class_aclmask(attachment.listing, attachment.owner, update, ACLMASK_ALL) == update &&
	       pg_class_aclmask(attachment.price, attachment.owner, ACL_SELECT, ACLMASK_ALL) ==
	           ACL_SELECT;
}

bool
find_path(const Attachment &attachment, DirectPath *path)
{
	Relation listing = table_open(attachment.listing, AccessShareLock);
	Relation price = table_open(attachment.price, AccessShareLock);
	bool found = takes_plain_updates(listing) && is_plain(price) &&
	             !price->rd_rel->relhassubclass &&
	             !is_virtual(TupleDescAttr(RelationGetDescr(price),
	                                       attachment.column[price_value].attnum - 1)) &&
	             !keeps_a_key(listing, attachment) && owner_may(attachment);

	for (int i = first_target; found && i < end_of_targets; ++i)
		found = attachment.column[i].attnum == 0 || takes_as_is(listing, attachment, i);
	found = found && find_indexes(attachment, path);
	if (found)
		path->prices = prices_of(attachment, price);
	path->value_type =
		lookup_type_cache(attachment.column[price_value].type, TYPECACHE_CMP_PROC_FINFO);
	path->at_type = lookup_type_cache(attachment.column[price_at].type, TYPECACHE_CMP_PROC_FINFO);
	table_close(price, AccessShareLock);
	table_close(listing, AccessShareLock);
	return found;
}

// The path of an attachment, looked for when it is first asked for; nullptr: there is none.
const DirectPath *
path_of(Attachment *attachment)
{
	if (!attachment->direct_path_is_known)
	{
		// What looking for it takes goes with the flush.
		DirectPath *path = static_cast<DirectPath *>(
			MemoryContextAllocZero(attachment->context, sizeof(DirectPath)));
		attachment->direct_path = find_path(*attachment, path) ? path : nullptr;
		attachment->direct_path_is_known = true;
	}
	return attachment->direct_path;
}

bool
serves(TransactionId since)
{
	return !TransactionIdIsValid(since) || TransactionIdPrecedes(since, TransactionXmin);
}

// Looks up rows of a table by the key that is the first column of an index.  The index may keep
// what it allocates on the way until the end: so it runs in the context in which the lookup began.
struct Lookup
{
	MemoryContext context;
	Relation table;
	Relation index;
	IndexScanDesc scan;
	ScanKeyData key;
	TupleTableSlot *slot;
};

Lookup
begin_lookup(Relation table, Oid index, const ScanKeyData &key)
{
	Lookup lookup = {CurrentMemoryContext,
	                 table,
	                 index_open(index, AccessShareLock),
	                 nullptr,
	                 key,
	                 table_slot_create(table, nullptr)};

	// What the function remembers from call to call goes with the lookup.
	fmgr_info_copy(&lookup.key.sk_func, const_cast<FmgrInfo *>(&key.sk_func), CurrentMemoryContext);
	lookup.scan = begin_index_scan(table, lookup.index, GetActiveSnapshot(), 1);
	return lookup;
}

void
look_up(Lookup *lookup, Datum key)
{
	MemoryContext old = MemoryContextSwitchTo(lookup->context);

	lookup->key.sk_argument = key;
	index_rescan(lookup->scan, &lookup->key, 1, nullptr, 0);
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

// Whether so many keys are read from leaves.  Not where reading leaves locks that other
// transactions look at, or a page may be pruned of what the snapshot sees.
bool
reads_leaves(Size keys)
{
	return keys >= many_keys && !IsolationIsSerializable() && !snapshots_expire();
}

bool
is_own_version(TupleTableSlot *slot)
{
	bool is_null = false;
	const Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

// Locks the row that the lookup has found, as FOR NO KEY UPDATE does; false: it is gone, or has
// another key by now.  A version that this transaction has made needs no lock: nobody else can
// have its row until this transaction ends.
bool
lock_row(const Attachment &attachment, Lookup *lookup, Datum key)
{
	TM_FailureData failure = {};
	bool is_null = false;
	const uint8 flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS |
	                    (IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION);

	if (is_own_version(lookup->slot))
		return true;
	ItemPointerData tid = lookup->slot->tts_tid;
	switch (table_tuple_lock(lookup->table, &tid, GetActiveSnapshot(), lookup->slot,
	                         GetCurrentCommandId(true), LockTupleNoKeyExclusive, LockWaitBlock,
	                         flags, &failure))
	{
	case TM_Ok:
		if (!failure.traversed)
			return true;
		lookup->key.sk_argument =
			slot_getattr(lookup->slot, attachment.column[listing_key].attnum, &is_null);
		return !is_null &&
		       DatumGetBool(FunctionCall2Coll(&lookup->key.sk_func, lookup->key.sk_collation,
		                                      lookup->key.sk_argument, key));
	case TM_SelfModified:
		// As the executor has it: this very command has written or deleted it.
		return false;
	case TM_Updated:
	case TM_Deleted:
		if (IsolationUsesXactSnapshot())
			cannot_serialize();
		return false;
	default:
		elog(ERROR, "could not lock a row of table \"%s\"", RelationGetRelationName(lookup->table));
	}
}

// Locking the listings of many keys: these, and which of them is next.
struct Locking
{
	const Attachment *attachment;
	const Keys *wanted;
	Keys *found;
	Lookup *lookup;
	Size next;
};

// Takes (key, tid) in the order of keys: where a version of the listing is.
void
lock_place(void *argument, Datum *value, bool *)
{
	Locking *locking = static_cast<Locking *>(argument);
	const Keys &wanted = *locking->wanted;
	Lookup *lookup = locking->lookup;
	ItemPointerData tid = *reinterpret_cast<ItemPointer>(DatumGetPointer(value[1]));
	bool again = false;

	CHECK_FOR_INTERRUPTS();
	// One that has been locked already is past.
	while (locking->next < wanted.count &&
	       compare_key(locking->attachment->key, wanted.key[locking->next], value[0]) < 0)
		++locking->next;
	if (locking->next == wanted.count ||
	    compare_key(locking->attachment->key, wanted.key[locking->next], value[0]) != 0 ||
	    !table_index_fetch_tuple(lookup->scan->xs_heapfetch, &tid, GetActiveSnapshot(),
	                             lookup->slot, &again, nullptr))
		return;
	const Datum key = wanted.key[locking->next++];
	if (!lock_row(*locking->attachment, lookup, key))
		return;
	locking->found->key[locking->found->count] = key;
	locking->found->tid[locking->found->count++] = lookup->slot->tts_tid;
}

// Returns how many of the keys it has handled.
Size
lock_from_leaves(const Attachment &attachment, const Keys &wanted, Lookup *lookup, Keys *found)
{
	Locking locking = {&attachment, &wanted, found, lookup, 0};

	return in_batches(attachment.key, wanted, 0, [&locking](Datum keys, Size) {
		const Lookup &listing = *locking.lookup;
		return read_places_from_leaves(listing.table, listing.index,
		                               locking.attachment->column[listing_key], keys,
		                               {lock_place, &locking});
	});
}

// The columns of a listing, in the order of Column.
struct Columns
{
	Datum value[end_of_targets];
	bool null[end_of_targets];
};

struct Write
{
	const Attachment *attachment;
	const DirectPath *path;
	Relation listing;
	Lookup price;
	TupleTableSlot *stored;   // the listing's row as it is
	TupleTableSlot *written;  // and as it will be
	Snapshot crosscheck;
	MemoryContext lifetime;  // of all this
	MemoryContext context;   // reset for each listing
	const Keys *keys;
	const PendingKey *const *added;  // nullptr: recompute
	Size next;                       // of the keys
	uint64 changed;                  // how many so far
	// For inserting into indexes, made when first needed.
	EState *executor_state;
	ResultRelInfo *result_relation;
};

bool
keeps(const Write &write, int target)
{
	return write.attachment->column[target].attnum != 0;
}

bool
equal_values(TypeCacheEntry *type, Oid collation, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll(&type->cmp_proc_finfo, collation, a, b)) == 0;
}

int
compare_prices(const Write &write, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll(&write.path->value_type->cmp_proc_finfo,
	                                       write.attachment->column[price_value].collation, a, b));
}

bool
same_target(const Write &write, int target, const Columns &a, const Columns &b)
{
	if (a.null[target] || b.null[target])
		return a.null[target] == b.null[target];
	if (target == price_count)
		return DatumGetInt64(a.value[target]) == DatumGetInt64(b.value[target]);
	return equal_values(target == last_price_at ? write.path->at_type : write.path->value_type,
	                    write.attachment->column[target].collation, a.value[target],
	                    b.value[target]);
}

// A copy of what a column of price holds.
Datum
copy_of(const Write &write, Column column, Datum value)
{
	const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(write.price.table),
	                                                  write.attachment->column[column].attnum - 1);

	if (attribute->attlen == -1)
		return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	return datumCopy(value, attribute->attbyval, attribute->attlen);
}

// The value of a column of the price that the lookup is at, as a copy.
Datum
price_column(const Write &write, Column column, bool *is_null)
{
	const Datum value =
		slot_getattr(write.price.slot, write.attachment->column[column].attnum, is_null);

	return *is_null ? 0 : copy_of(write, column, value);
}

// The latest price, which counts only if it is known where NULL prices are skipped; false: there is
// none.  What is not kept stays as it is.
bool
read_latest(Write *write, Columns *columns)
{
	const bool skip_null = write->attachment->skip_null;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!next_row(&write->price, write->path->latest_first))
			return false;
		columns->value[last_price] = price_column(*write, price_value, &columns->null[last_price]);
	} while (skip_null && columns->null[last_price]);
	columns->value[last_price_at] = price_column(*write, price_at, &columns->null[last_price_at]);
	return true;
}

// The latest known price that differs from the one read last.
void
read_previous(Write *write, Columns *columns)
{
	while (next_row(&write->price, write->path->latest_first))
	{
		CHECK_FOR_INTERRUPTS();
		bool is_null = false;
		const Datum value = slot_getattr(write->price.slot,
		                                 write->attachment->column[price_value].attnum, &is_null);
		if (is_null || (!columns->null[last_price] &&
		                compare_prices(*write, value, columns->value[last_price]) == 0))
			continue;
		columns->value[previous_price] =
			price_column(*write, price_value, &columns->null[previous_price]);
		return;
	}
}

// Whether all prices added equal the latest one, and so did the latest one before: then its
// previous price is what it was.
bool
same_latest(const Write &write, const Columns &old, const Columns &now, const PendingKey &added)
{
	return keeps(write, last_price) && same_target(write, last_price, old, now) &&
	       (added.added == 0 || (!now.null[last_price] &&
	                             compare_prices(write, added.lowest, now.value[last_price]) == 0 &&
	                             compare_prices(write, added.highest, now.value[last_price]) == 0));
}

void
add_prices(const Write &write, const PendingKey &added, Columns *columns)
{
	if (added.added == 0)
	{
		if (columns->null[price_count])
			columns->value[price_count] = Int64GetDatum(0);
		columns->null[price_count] = false;
		return;
	}
	if (keeps(write, lowest_price) &&
	    (columns->null[lowest_price] ||
	     compare_prices(write, added.lowest, columns->value[lowest_price]) < 0))
	{
		columns->value[lowest_price] = added.lowest;
		columns->null[lowest_price] = false;
	}
	if (keeps(write, highest_price) &&
	    (columns->null[highest_price] ||
	     compare_prices(write, added.highest, columns->value[highest_price]) > 0))
	{
		columns->value[highest_price] = added.highest;
		columns->null[highest_price] = false;
	}
	const int64 before =
		columns->null[price_count] ? 0 : DatumGetInt64(columns->value[price_count]);
	int64 after = 0;
	if (keeps(write, price_count) && pg_add_s64_overflow(before, added.added, &after))
		ereport(ERROR,
		        (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("bigint out of range")));
	columns->value[price_count] = Int64GetDatum(after);
	columns->null[price_count] = false;
}

// Whether anything depends on the latest price.
bool
keeps_head(const Write &write)
{
	return keeps(write, last_price) || keeps(write, last_price_at) || keeps(write, previous_price);
}

// What the columns of a listing have to be.  "latest" is the latest price and its time, if it has
// been read already.
Columns
computed(Write *write, Datum key, const Columns &stored, const PendingKey *added,
         const Columns *latest)
{
	Columns now = stored;

	if (added != nullptr)
		add_prices(*write, *added, &now);
	if (!keeps_head(*write))
		return now;
	if (latest != nullptr)
	{
		now.null[last_price] = latest->null[last_price];
		if (!now.null[last_price])
			now.value[last_price] = copy_of(*write, price_value, latest->value[last_price]);
		now.value[last_price_at] = latest->value[last_price_at];
		now.null[last_price_at] = latest->null[last_price_at];
		return now;
	}
	now.null[last_price] = now.null[last_price_at] = true;
	look_up(&write->price, key);
	const bool found = read_latest(write, &now);
	if (keeps(*write, previous_price) &&
	    (added == nullptr || !same_latest(*write, stored, now, *added)))
	{
		now.null[previous_price] = true;
		if (found)
			read_previous(write, &now);
	}
	return now;
}

Columns
stored_columns(const Write &write)
{
	Columns columns = {};

	for (int i = first_target; i < end_of_targets; ++i)
	{
		const AttrNumber attnum = write.attachment->column[i].attnum;
		columns.null[i] = true;
		if (attnum != 0)
			columns.value[i] = slot_getattr(write.stored, attnum, &columns.null[i]);
	}
	return columns;
}

void
insert_into_indexes(Write *write, bool only_summarizing)
{
	if (write->executor_state == nullptr)
	{
		MemoryContext old = MemoryContextSwitchTo(write->lifetime);
		write->executor_state = CreateExecutorState();
		MemoryContextSwitchTo(write->executor_state->es_query_cxt);
		write->result_relation = makeNode(ResultRelInfo);
		InitResultRelInfo(write->result_relation, write->listing, 0, nullptr, 0);
		ExecOpenIndices(write->result_relation, false);
		MemoryContextSwitchTo(old);
	}
	insert_index_entries(write->result_relation, write->written, write->executor_state,
	                     only_summarizing);
	ResetPerTupleExprContext(write->executor_state);
}

// Writes the columns that differ; false: none does.
bool
write_row(Write *write, const Columns &stored, const Columns &now)
{
	int attnum[end_of_targets];
	Datum value[end_of_targets];
	bool null[end_of_targets];
	int count = 0;
	bool differs = false;

	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (!keeps(*write, i))
			continue;
		differs = differs || !same_target(*write, i, stored, now);
		attnum[count] = write->attachment->column[i].attnum;
		value[count] = now.value[i];
		null[count++] = now.null[i];
	}
	if (!differs)
		return false;

	bool should_free = false;
	HeapTuple old = ExecFetchSlotHeapTuple(write->stored, false, &should_free);
	HeapTuple tuple = heap_modify_tuple_by_cols(old, RelationGetDescr(write->listing), count,
	                                            attnum, value, null);
	ExecStoreHeapTuple(tuple, write->written, true);

	TM_FailureData failure = {};
	LockTupleMode mode = LockTupleNoKeyExclusive;
	IndexUpdates indexes = no_index_updates;
	ItemPointerData tid = write->stored->tts_tid;
	switch (table_tuple_update(write->listing, &tid, write->written, GetCurrentCommandId(true),
	                           GetActiveSnapshot(), write->crosscheck, true, &failure, &mode,
	                           &indexes))
	{
	case TM_Ok:
		break;
	case TM_SelfModified:
		ereport(ERROR,
		        (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
		         errmsg("tuple to be updated was already modified by an operation triggered by the "
		                "current command")));
	case TM_Updated:
	case TM_Deleted:
		// It is locked, so that only the crosscheck can say so.
		cannot_serialize();
	default:
		elog(ERROR, "could not update a row of table \"%s\"",
		     RelationGetRelationName(write->listing));
	}
	if (indexes != no_index_updates)
		insert_into_indexes(write, updates_only_summarizing(indexes));
	ExecClearTuple(write->written);
	return true;
}

// Puts the current version of the locked listing into write->stored.  It is where it was locked,
// unless this flush has written it for another attachment since.
bool
fetch_stored(Write *write, Datum key, ItemPointerData *tid)
{
	if (tid != nullptr && ItemPointerIsValid(tid) &&
	    table_tuple_fetch_row_version(write->listing, tid, GetActiveSnapshot(), write->stored))
		return true;

	Lookup listing =
		begin_lookup(write->listing, write->path->listing_index, write->path->listing_key);
	look_up(&listing, key);
	const bool found = next_row(&listing, ForwardScanDirection);
	if (found)
		ExecCopySlot(write->stored, listing.slot);
	end_lookup(&listing);
	return found;
}

// Writes the next listing.
void
write_listing(Write *write, const Columns *latest)
{
	const Size i = write->next++;
	const Datum key = write->keys->key[i];
	ItemPointerData *tid = write->keys->tid == nullptr ? nullptr : &write->keys->tid[i];
	const PendingKey *added = write->added == nullptr ? nullptr : write->added[i];

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(write->context);
	MemoryContext old = MemoryContextSwitchTo(write->context);
	if (fetch_stored(write, key, tid))
	{
		const Columns stored = stored_columns(*write);
		write->changed += write_row(write, stored, computed(write, key, stored, added, latest));
		ExecClearTuple(write->stored);
	}
	MemoryContextSwitchTo(old);
}

// The listings before this key, or up to "end", have no price.
void
write_without_price(Write *write, Size end, const Datum *key)
{
	Columns none = {};

	none.null[last_price] = none.null[last_price_at] = true;
	while (write->next < end &&
	       (key == nullptr ||
	        compare_key(write->attachment->key, write->keys->key[write->next], *key) < 0))
		write_listing(write, &none);
}

// Takes the latest price of a listing: key, time and value.
void
write_latest(void *argument, Datum *value, bool *null)
{
	Write *write = static_cast<Write *>(argument);
	Columns latest = {};

	write_without_price(write, write->keys->count, &value[0]);
	latest.value[last_price_at] = value[1];
	latest.null[last_price_at] = null[1];
	latest.value[last_price] = value[2];
	latest.null[last_price] = null[2];
	write_listing(write, &latest);
}

// Writes listings, as long as their prices can be read from leaves.
void
write_from_leaves(Write *write)
{
	in_batches(write->attachment->key, *write->keys, write->next, [write](Datum keys, Size end) {
		const bool done = read_latest_from_leaves(write->path->prices, write->price.table, true,
		                                          keys, false, 0, {write_latest, write});
		if (done)
			write_without_price(write, end, nullptr);
		return done;
	});
}

}  // namespace

void
define_direct_path_setting()
{
	DefineCustomBoolVariable(
		"listing_stats.direct_path", "Keeps columns without SQL where the tables allow it.",
		"For developers: the results are the same, only the cost differs.", &enabled, true,
		PGC_USERSET, GUC_NOT_IN_SAMPLE, nullptr, nullptr, nullptr);
	MarkGUCPrefixReserved("listing_stats");
}

void
push_new_snapshot()
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

bool
locks_directly(Attachment *attachment)
{
	// Whoever checks permissions in a way of his own wants to see the statement.
	if (!enabled || ExecutorCheckPerms_hook != nullptr)
		return false;
	const DirectPath *path = path_of(attachment);
	return path != nullptr && serves(path->listing_index_since) && serves(path->price_index_since);
}

bool
writes_directly(Attachment *attachment, bool added)
{
	const ResolvedColumn *column = attachment->column;

	return locks_directly(attachment) &&
	       (added || (column[lowest_price].attnum == 0 && column[highest_price].attnum == 0 &&
	                  column[price_count].attnum == 0));
}

void
lock_directly(const Attachment &attachment, const Keys &wanted, Keys *found)
{
	const DirectPath *path = attachment.direct_path;

	push_new_snapshot();
	Relation listing = table_open(attachment.listing, NoLock);
	Lookup lookup = begin_lookup(listing, path->listing_index, path->listing_key);
	Size i = 0;
	if (path->listing_leaves && reads_leaves(wanted.count))
		i = lock_from_leaves(attachment, wanted, &lookup, found);
	for (; i < wanted.count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		look_up(&lookup, wanted.key[i]);
		if (!next_row(&lookup, ForwardScanDirection) ||
		    !lock_row(attachment, &lookup, wanted.key[i]))
			continue;
		found->key[found->count] = wanted.key[i];
		found->tid[found->count++] = lookup.slot->tts_tid;
	}
	end_lookup(&lookup);
	table_close(listing, NoLock);
	PopActiveSnapshot();
}

uint64
write_directly(const Attachment &attachment, const Keys &keys, const PendingKey *const *added)
{
	Write write = {};

	push_new_snapshot();
	write.attachment = &attachment;
	write.path = attachment.direct_path;
	write.listing = table_open(attachment.listing, NoLock);
	CheckCmdReplicaIdentity(write.listing, CMD_UPDATE);
	Relation price = table_open(attachment.price, NoLock);
	write.price = begin_lookup(price, write.path->price_index, write.path->price_key);
	write.stored = table_slot_create(write.listing, nullptr);
	write.written = MakeSingleTupleTableSlot(RelationGetDescr(write.listing), &TTSOpsHeapTuple);
	write.crosscheck = IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : InvalidSnapshot;
	write.lifetime = CurrentMemoryContext;
	write.context =
		AllocSetContextCreate(CurrentMemoryContext, "listing_stats listing", ALLOCSET_SMALL_SIZES);
	write.keys = &keys;
	write.added = added;
	if (reads_leaves(keys.count) && keeps_head(write) && !keeps(write, previous_price))
		write_from_leaves(&write);
	while (write.next < keys.count)
		write_listing(&write, nullptr);
	if (write.executor_state != nullptr)
	{
		ExecCloseIndices(write.result_relation);
		FreeExecutorState(write.executor_state);
	}
	ExecDropSingleTupleTableSlot(write.written);
	ExecDropSingleTupleTableSlot(write.stored);
	end_lookup(&write.price);
	MemoryContextDelete(write.context);
	table_close(price, NoLock);
	table_close(write.listing, NoLock);
	PopActiveSnapshot();
	CommandCounterIncrement();
	return write.changed;
}

}  // namespace listing_stats
