// The direct path, see direct_path.hpp.
#include "tracking/direct_path.hpp"

#include "reading/direct_reader.hpp"
#include "reading/leaf_reader.hpp"
#include "tables/price_index.hpp"
#include "tracking/direct_way.hpp"
#include "tracking/index_lookup.hpp"
#include "tracking/price_lookup.hpp"

namespace listing_stats {

namespace {

// From so many keys on their entries are read from the leaves: the access method would copy all
// entries of each key to return one.  Not for fewer: it also marks dead entries, so that the next
// one need not look at them.
#ifdef USE_ASSERT_CHECKING
constexpr Size many_keys = 3;  // so that tests with few rows come to it
#else
constexpr Size many_keys = 10;
#endif

// Whether so many keys are read from leaves.  Not where reading leaves locks that other
// transactions look at, or a page may be pruned of what the snapshot sees.
bool
reads_leaves(Size keys)
{
	return keys >= many_keys && !IsolationIsSerializable() && !snapshots_expire();
}

// Calls "run" with the array of each batch of the keys, the number of its first key and of the key
// behind it, until it returns false; returns the number of the key behind those handled.
template <typename Run>
Size
in_batches(const ComparedType &type, const Keys &keys, Run run)
{
	Size first = 0;

	while (first < keys.count)
	{
		CHECK_FOR_INTERRUPTS();
		const Size end = Min(first + batch, keys.count);
		const Datum array = array_of(type, keys.key + first, nullptr, end - first);
		const bool handled = run(array, first, end);
		pfree(DatumGetPointer(array));
		if (!handled)
			break;
		first = end;
	}
	return first;
}

#ifdef USE_ASSERT_CHECKING

// Whether the caller has done what direct_path.hpp asks of him: he has looked for a path, acts as
// the tables' owner and has locked them.
bool
is_ready(const Attachment &attachment)
{
	return attachment.direct_path != nullptr && GetUserId() == attachment.owner &&
	       CheckRelationOidLockedByMe(attachment.listing, RowExclusiveLock, true) &&
	       CheckRelationOidLockedByMe(attachment.price, AccessShareLock, true);
}

#endif

bool
is_own_version(TupleTableSlot *slot)
{
	bool is_null = false;
	const Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

// Whether the listing that the lookup is at has this key.
bool
still_has_key(const Lookup &lookup, Datum key)
{
	const Attachment &attachment = *lookup.attachment;
	Datum wanted[most_key_columns];

	split_key(attachment, key, wanted);
	for (int i = 0; i < lookup.keys.count; ++i)
	{
		const int number = lookup.keys.column[i];
		const ScanKeyData &scan = lookup.keys.scan[i];
		bool is_null = false;
		const Datum value = slot_getattr(
			lookup.slot, attachment.column[list_place(ColumnList::listing_key, number)].attnum,
			&is_null);
		if (is_null || !DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&scan.sk_func),
		                                               scan.sk_collation, value, wanted[number])))
			return false;
	}
	return true;
}

// Locks the row that the lookup has found, as FOR NO KEY UPDATE does; false: it is gone, or has
// another key by now.  A version that this transaction has made needs no lock: nobody else can
// have its row until this transaction ends.
bool
lock_row(Lookup *lookup, Datum key)
{
	TM_FailureData failure = {};
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
		return still_has_key(*lookup, key);
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

// Locking the listings of many keys: these, and which of them is next.  Rows that come and go are
// locked without a gap: one that is not there stays the next, so that none behind it is.
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
lock_at_tid(void *argument, const Datum *value, const bool *)
{
	Locking *locking = static_cast<Locking *>(argument);
	const Keys &wanted = *locking->wanted;
	Lookup *lookup = locking->lookup;
	ItemPointerData tid = *reinterpret_cast<ItemPointer>(DatumGetPointer(value[1]));
	const bool own_rows = locking->attachment->own_rows;
	bool again = false;

	CHECK_FOR_INTERRUPTS();
	// One that has been locked already is past.
	while (!own_rows && locking->next < wanted.count &&
	       compare_key(locking->attachment->key, wanted.key[locking->next], value[0]) < 0)
		++locking->next;
	if (locking->next == wanted.count ||
	    compare_key(locking->attachment->key, wanted.key[locking->next], value[0]) != 0 ||
	    !table_index_fetch_tuple(lookup->scan->xs_heapfetch, &tid, GetActiveSnapshot(),
	                             lookup->slot, &again, nullptr))
		return;
	const Datum key = wanted.key[locking->next];
	const bool locked = lock_row(lookup, key);
	if (locked)
	{
		locking->found->key[locking->found->count] = key;
		locking->found->tid[locking->found->count++] = lookup->slot->tts_tid;
	}
	if (locked || !own_rows)
		++locking->next;
}

// Returns how many of the keys it has handled.
Size
lock_from_leaves(const Attachment &attachment, const Keys &wanted, Lookup *lookup, Keys *found)
{
	Locking locking = {&attachment, &wanted, found, lookup, 0};
	const Size handled = in_batches(attachment.key, wanted, [&locking](Datum keys, Size, Size end) {
		const Lookup &listing = *locking.lookup;
		return read_tids_from_leaves(listing.table, listing.index,
		                             locking.attachment->column[listing_key], keys,
		                             {lock_at_tid, &locking}) &&
		       (!locking.attachment->own_rows || locking.next == end);
	});

	return attachment.own_rows ? locking.next : handled;
}

// The latest price of one of many keys.
struct Latest
{
	Datum value;
	Datum at;
	bool value_null;
	bool at_null;
	bool found;
};

// Sorted keys whose latest prices are read at once, from the leaves of the index: of partitions,
// from each for those that it has.
struct Many
{
	const ComparedType *key_type;
	const Datum *key;
	Size count;
	Size next;  // most often the key of the next price
	Latest *latest;
	int16 length;  // of a value
	bool by_value;
	MemoryContext context;  // of the array and its values
};

// Takes the latest price of a key: key, time and value.
void
take_latest(void *argument, const Datum *value, const bool *null)
{
	Many *many = static_cast<Many *>(argument);
	const ComparedType &type = *many->key_type;
	Size first = many->next;
	Size end = many->count;

	if (first == end || compare_key(type, many->key[first], value[0]) != 0)
		first = 0;
	else
		end = first;
	while (first < end)
	{
		const Size middle = first + (end - first) / 2;
		if (compare_key(type, many->key[middle], value[0]) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	if (first == many->count || compare_key(type, many->key[first], value[0]) != 0)
		elog(ERROR, "a key was read that was not asked for");
	MemoryContext old = MemoryContextSwitchTo(many->context);
	Latest *latest = &many->latest[first];
	latest->found = true;
	latest->at = value[1];
	latest->at_null = null[1];
	latest->value_null = null[2];
	latest->value = null[2] ? 0 : copy_value(value[2], many->by_value, many->length);
	many->next = first + 1;
	MemoryContextSwitchTo(old);
}

// Whether the latest prices of so many keys are read at once.
bool
reads_many(const PriceTable &prices, Size keys)
{
	return reads_leaves(keys) && can_be_read(prices) &&
	       (prices.partitioning == Partitioning::none
	            ? OidIsValid(prices.index)
	            : prices.partitioning != Partitioning::otherwise);
}

// Calls "use" with the number of each of the sorted keys and its latest price, as long as they can
// be read so; returns the number of the key behind those handled.
template <typename Use>
Size
with_latest(const Attachment &attachment, const Keys &keys, Use use)
{
	const PriceTable &prices = attachment.direct_path->prices;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "listing_stats prices", ALLOCSET_DEFAULT_SIZES);
	Many many = {&attachment.key, nullptr, 0, 0, nullptr, 0, false, context};

	get_typlenbyval(prices.value.type, &many.length, &many.by_value);
	const Size end = in_batches(attachment.key, keys, [&](Datum array, Size first, Size behind) {
		LatestRequest request = {};
		request.has_keys = true;
		request.keys = array;
		request.as_of = {0, true};
		MemoryContextReset(context);
		many.key = keys.key + first;
		many.count = behind - first;
		many.next = 0;
		many.latest = static_cast<Latest *>(MemoryContextAllocExtended(
			context, sizeof(Latest) * many.count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
		if (!read_latest_directly(prices, request, {take_latest, &many}))
			return false;
		for (Size i = 0; i < many.count; ++i)
			use(first + i, many.latest[i]);
		return true;
	});
	MemoryContextDelete(context);
	return end;
}

// The columns of a listing, in the order of Column.
struct Columns
{
	Datum value[end_of_targets];
	bool null[end_of_targets];
};

// Reading or writing the listings of keys, one after the other.
struct Write
{
	const Attachment *attachment;
	const DirectPath *path;
	Relation listing;
	Relation price;
	PriceLookup *prices;
	const Datum *since;       // see Keys; nullptr as soon as all prices are looked up
	TupleTableSlot *stored;   // the listing's row as it is
	TupleTableSlot *written;  // and as it will be
	MemoryContext lifetime;   // of all this
	MemoryContext context;    // reset for each listing
	uint64 changed;           // how many so far
	bool has_price;           // the listing at hand
	// For inserting into indexes, made when first needed.
	EState *executor_state;
	ResultRelInfo *result_relation;
};

Write
begin_write(const Attachment &attachment, LOCKMODE lock, const Datum *since = nullptr)
{
	Write write = {};

	write.attachment = &attachment;
	write.path = attachment.direct_path;
	write.listing = table_open(attachment.listing, lock);
	write.price = table_open(attachment.price, lock);
	// The price before the latest one can be older.  Of partitions without a later price each would
	// be looked at, and stay locked.
	if (attachment.column[previous_price].attnum == 0 && !write.path->partitioned)
		write.since = since;
	write.prices = begin_price_lookup(attachment, write.price, write.since);
	write.stored = table_slot_create(write.listing, nullptr);
	write.lifetime = CurrentMemoryContext;
	write.context =
		AllocSetContextCreate(CurrentMemoryContext, "listing_stats listing", ALLOCSET_SMALL_SIZES);
	return write;
}

void
end_write(const Write &write)
{
	end_price_lookup(write.prices);
	MemoryContextDelete(write.context);
	ExecDropSingleTupleTableSlot(write.stored);
	table_close(write.price, NoLock);
	table_close(write.listing, NoLock);
}

// Calls "use" with the number of each of the sorted keys, until it returns false; returns how many
// it has handled.  "at_once": also with the latest price, where those of many keys can be read
// together; nullptr: it is still to be read.
template <typename Use>
Size
for_each_key(Write *write, const Keys &keys, bool at_once, Use use)
{
	Size done = 0;
	bool goes_on = true;
	const auto use_next = [&](const Latest *latest) {
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(write->context);
		MemoryContext old = MemoryContextSwitchTo(write->context);
		goes_on = use(done, latest);
		MemoryContextSwitchTo(old);
		done += goes_on ? 1 : 0;
	};

	if (at_once && !is_lost(*write->prices) && reads_many(write->path->prices, keys.count))
		with_latest(*write->attachment, keys, [&](Size number, const Latest &latest) {
			Assert(!goes_on || number == done);
			if (goes_on)
				use_next(&latest);
		});
	while (goes_on && done < keys.count)
		use_next(nullptr);
	return done;
}

bool
keeps(const Write &write, int target)
{
	return write.attachment->column[target].attnum != 0;
}

int
compare_prices(const Write &write, Datum a, Datum b)
{
	return compare_key(write.attachment->value, a, b);
}

bool
same_target(const Write &write, int target, const Columns &a, const Columns &b)
{
	if (a.null[target] || b.null[target])
		return a.null[target] == b.null[target];
	if (target == price_count)
		return a.value[target] == b.value[target];
	if (is_kept_to_the_byte(*write.attachment, target))
	{
		const Form_pg_attribute attribute = TupleDescAttr(
			RelationGetDescr(write.listing), write.attachment->column[target].attnum - 1);
		return datum_image_eq(a.value[target], b.value[target], attribute->attbyval,
		                      attribute->attlen);
	}
	if (target != last_price_at)
		return compare_prices(write, a.value[target], b.value[target]) == 0;
	return DatumGetInt32(FunctionCall2Coll(&write.path->at_type->cmp_proc_finfo,
	                                       write.attachment->column[target].collation,
	                                       a.value[target], b.value[target])) == 0;
}

// The value of a column of the price that the lookup is at, as a copy.
Datum
price_column(const Write &write, int column, bool *is_null)
{
	const Form_pg_attribute attribute =
		TupleDescAttr(RelationGetDescr(write.price), write.attachment->column[column].attnum - 1);
	const Datum value = column_of_price(*write.prices, column, is_null);

	return *is_null ? 0 : copy_value(value, attribute->attbyval, attribute->attlen);
}

// The latest price, which counts only if it is known where NULL prices are skipped; false: there is
// none.  What is not kept stays as it is.
bool
read_latest(Write *write, Columns *columns)
{
	const bool skip_null = write->attachment->skip_null;

	do
	{
		if (!next_price(write->prices))
			return false;
		columns->value[last_price] = price_column(*write, price_value, &columns->null[last_price]);
	} while (skip_null && columns->null[last_price]);
	columns->value[last_price_at] = price_column(*write, price_at, &columns->null[last_price_at]);
	for (int i = first_carried; i < write->path->end_of_kept; ++i)
	{
		if (keeps(*write, i))
			columns->value[i] = price_column(*write, source_of_carried(i), &columns->null[i]);
	}
	return true;
}

// The latest price of a key.
bool
look_up_latest(Write *write, Datum key, Columns *columns)
{
	look_up_prices(write->prices, key);
	if (read_latest(write, columns))
		return true;
	if (write->since == nullptr || is_lost(*write->prices))
		return false;
	// No price since then counts: it is NULL, or gone.
	MemoryContext old = MemoryContextSwitchTo(write->lifetime);
	write->since = nullptr;
	end_price_lookup(write->prices);
	write->prices = begin_price_lookup(*write->attachment, write->price, nullptr);
	MemoryContextSwitchTo(old);
	look_up_prices(write->prices, key);
	return read_latest(write, columns);
}

// The latest known price that differs from the one read last.
void
read_previous(Write *write, Columns *columns)
{
	while (next_price(write->prices))
	{
		bool is_null = false;
		const Datum value = column_of_price(*write->prices, price_value, &is_null);
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
			columns->value[price_count] = 0;
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
	const bool integer = write.attachment->column[price_count].type == INT4OID;
	const int64 before = columns->null[price_count] ? 0
	                     : integer                  ? DatumGetInt32(columns->value[price_count])
	                                                : DatumGetInt64(columns->value[price_count]);
	int64 after = 0;
	if (keeps(write, price_count) &&
	    (pg_add_s64_overflow(before, added.added, &after) || (integer && after > PG_INT32_MAX)))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("%s out of range", integer ? "integer" : "bigint")));
	columns->value[price_count] =
		integer ? Int32GetDatum(static_cast<int32>(after)) : Int64GetDatum(after);
	columns->null[price_count] = false;
}

// Sets what depends on the latest price, which is read unless "latest" has it already.
void
compute_head(Write *write, Datum key, const Columns &stored, const PendingKey *added,
             const Latest *latest, Columns *columns)
{
	Columns &now = *columns;

	if (latest != nullptr)
	{
		write->has_price = latest->found;
		now.value[last_price] = latest->value;
		now.null[last_price] = !latest->found || latest->value_null;
		now.value[last_price_at] = latest->at;
		now.null[last_price_at] = !latest->found || latest->at_null;
		return;
	}
	now.null[last_price] = now.null[last_price_at] = true;
	for (int i = first_carried; i < write->path->end_of_kept; ++i)
		now.null[i] = true;
	const bool found = look_up_latest(write, key, &now);
	write->has_price = found;
	if (keeps(*write, previous_price) &&
	    (added == nullptr || !same_latest(*write, stored, now, *added)))
	{
		now.null[previous_price] = true;
		if (found)
			read_previous(write, &now);
	}
}

// What the columns of a listing have to be.
Columns
computed(Write *write, Datum key, const Columns &stored, const PendingKey *added,
         const Latest *latest)
{
	Columns now = stored;

	if (added != nullptr)
		add_prices(*write, *added, &now);
	if (keeps_values_of_rows(*write->attachment))
		compute_head(write, key, stored, added, latest, &now);
	return now;
}

Columns
stored_columns(const Write &write)
{
	Columns columns = {};

	for (int i = first_target; i < write.path->end_of_kept; ++i)
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

	for (int i = first_target; i < write->path->end_of_kept; ++i)
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

	// It is locked: nobody else can have written it since.
	if (IsolationUsesXactSnapshot() &&
	    !table_tuple_satisfies_snapshot(write->listing, write->stored, GetTransactionSnapshot()))
		cannot_serialize();
	IndexUpdates indexes = no_index_updates;
	ItemPointerData tid = write->stored->tts_tid;
	simple_table_tuple_update(write->listing, &tid, write->written, GetActiveSnapshot(), &indexes);
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

	Lookup listing = begin_lookup(write->listing, write->path->listing_index,
	                              write->path->listing_keys, *write->attachment);
	look_up(&listing, key);
	const bool found = next_row(&listing, ForwardScanDirection);
	if (found)
		ExecCopySlot(write->stored, listing.slot);
	end_lookup(&listing);
	return found;
}

// Writes a listing; false: it is left to SQL.
bool
write_listing(Write *write, const Keys &keys, Size i, const Latest *latest)
{
	const bool own_rows = write->attachment->own_rows;

	// Of rows of its own, a trigger may have kept one from being inserted.
	if (!fetch_stored(write, keys.key[i], keys.tid == nullptr ? nullptr : &keys.tid[i]))
		return !own_rows;
	const Columns stored = stored_columns(*write);
	const Columns now = computed(write, keys.key[i], stored,
	                             keys.added == nullptr ? nullptr : keys.added[i], latest);
	const bool left = is_lost(*write->prices) || (own_rows && !write->has_price);
	if (!left)
		write->changed += write_row(write, stored, now);
	ExecClearTuple(write->stored);
	return !left;
}

int
compare_datum(const void *a, const void *b, void *type)
{
	return compare_key(*static_cast<const ComparedType *>(type), *static_cast<const Datum *>(a),
	                   *static_cast<const Datum *>(b));
}

}  // namespace

void
sort_unique(const ComparedType &type, Keys *keys)
{
	Size kept = 0;

	qsort_interruptible(keys->key, keys->count, sizeof(Datum), compare_datum,
	                    const_cast<ComparedType *>(&type));
	for (Size i = 1; i < keys->count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		if (compare_key(type, keys->key[kept], keys->key[i]) != 0)
			keys->key[++kept] = keys->key[i];
	}
	keys->count = keys->count == 0 ? 0 : kept + 1;
}

void
push_new_snapshot()
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

void
put_added(const PendingKey &added, Datum *value, bool *null)
{
	value[0] = Int64GetDatum(added.added);
	value[1] = added.lowest;
	value[2] = added.highest;
	value[3] = added.total;
	null[0] = false;
	null[1] = null[2] = added.added == 0;
	null[3] = DatumGetPointer(added.total) == nullptr;
}

bool
read_directly(Attachment *attachment, const Keys &keys, Tuplestorestate *rows, Shape given)
{
	const bool added = given == Shape::rows_added;

	Assert(ActiveSnapshotSet() && GetUserId() == attachment->owner);
	Assert(attachment->direct_path != nullptr &&
	       attachment->direct_path->prices_obstacle == nullptr);
	Write write = begin_write(*attachment, AccessShareLock);
	const auto read = [&](Size i, const Latest *latest) {
		const bool joined = added && keeps(write, previous_price);
		Datum value[most_key_columns + 1 + end_of_targets + added_columns];
		bool null[lengthof(value)] = {};
		int count = attachment->key_columns;

		// One that is gone gives no row, as by SQL, which joins it.
		if (joined && !fetch_stored(&write, keys.key[i], nullptr))
			return true;
		const Columns stored = joined ? stored_columns(write) : Columns{};
		Columns now = stored;
		compute_head(&write, keys.key[i], stored, added ? keys.added[i] : nullptr, latest, &now);
		split_key(*attachment, keys.key[i], value);
		value[count++] =
			BoolGetDatum(write.has_price || (!attachment->keep_empty && !attachment->own_rows));
		for (int j = first_target; j < write.path->end_of_kept; ++j)
		{
			if (!keeps(write, j) || (given != Shape::rows && needs_all(j)))
				continue;
			value[count] = now.value[j];
			null[count++] = now.null[j];
		}
		if (added)
			put_added(*keys.added[i], value + count, null + count);
		tuplestore_putvalues(rows, shape_of(attachment, given), value, null);
		ExecClearTuple(write.stored);
		return !is_lost(*write.prices);
	};
	const bool done = for_each_key(&write, keys, given == Shape::rows, read) == keys.count;
	end_write(write);
	return done;
}

void
keep_priced(const Attachment &attachment, Keys *keys)
{
	Size kept = 0;

	Assert(is_ready(attachment) && attachment.direct_path->obstacle == nullptr);
	push_new_snapshot();
	Write write = begin_write(attachment, NoLock);
	for_each_key(&write, *keys, true, [&](Size i, const Latest *latest) {
		bool priced = latest != nullptr && latest->found;
		if (latest == nullptr)
		{
			// What cannot be looked up so may be there.
			if (!is_lost(*write.prices))
				look_up_prices(write.prices, keys->key[i]);
			priced = is_lost(*write.prices) || next_price(write.prices) || is_lost(*write.prices);
		}
		if (priced)
			keys->key[kept++] = keys->key[i];
		return true;
	});
	end_write(write);
	PopActiveSnapshot();
	keys->count = kept;
}

Size
lock_directly(const Attachment &attachment, const Keys &wanted, Keys *found)
{
	const DirectPath *path = attachment.direct_path;

	Assert(is_ready(attachment) && path->obstacle == nullptr);
	push_new_snapshot();
	Relation listing = table_open(attachment.listing, NoLock);
	Lookup lookup = begin_lookup(listing, path->listing_index, path->listing_keys, attachment);
	Size i = 0;
	if (path->listing_leaves && reads_leaves(wanted.count))
		i = lock_from_leaves(attachment, wanted, &lookup, found);
	for (; i < wanted.count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		look_up(&lookup, wanted.key[i]);
		if (next_row(&lookup, ForwardScanDirection) && lock_row(&lookup, wanted.key[i]))
		{
			found->key[found->count] = wanted.key[i];
			found->tid[found->count++] = lookup.slot->tts_tid;
		}
		else if (attachment.own_rows)
			break;
	}
	end_lookup(&lookup);
	table_close(listing, NoLock);
	PopActiveSnapshot();
	return i;
}

uint64
write_directly(const Attachment &attachment, const Keys &keys, Size *written)
{
	Assert(is_ready(attachment) && attachment.direct_path->obstacle == nullptr);
	push_new_snapshot();
	Write write = begin_write(attachment, NoLock, keys.since);
	CheckCmdReplicaIdentity(write.listing, CMD_UPDATE);
	write.written = MakeSingleTupleTableSlot(RelationGetDescr(write.listing), &TTSOpsHeapTuple);
	*written = for_each_key(
		&write, keys, keeps_values_of_rows(attachment),
		[&](Size i, const Latest *latest) { return write_listing(&write, keys, i, latest); });
	if (write.executor_state != nullptr)
	{
		ExecCloseIndices(write.result_relation);
		FreeExecutorState(write.executor_state);
	}
	ExecDropSingleTupleTableSlot(write.written);
	end_write(write);
	PopActiveSnapshot();
	CommandCounterIncrement();
	return write.changed;
}

}  // namespace listing_stats
