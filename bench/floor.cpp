// The floors that bench/run measures.
//
// The least that a trigger has to do to keep the latest price of listings: it collects their keys,
// locks them in order, takes a snapshot, reads the first entry of each in the index of prices and
// updates the listing if that is another value.  Of one price it does so in a row trigger before
// the foreign key is checked.  The least that an aggregate has to do for an exact summary with
// quartiles: it reads each value as a number, keeps it, orders them and makes eight numerics.  The
// least that a function has to do to read the latest prices of given listings, key by key: it goes
// down the index of prices from its root and gives the first entry of the key.
//
// That is all: no check of anything, no types except those of bench/tables.sql, no other columns,
// no write path except INSERT and DELETE, no error that leaves it right, no values but short ones
// with two decimals, no row that not everybody sees, nobody who writes meanwhile.  Nobody could use
// them.
#include "server/postgres.hpp"

#include <algorithm>
#include <cmath>

extern "C" {
PG_MODULE_MAGIC;
}

namespace {

// The columns in bench/tables.sql.
constexpr AttrNumber price_listing = 2;
constexpr AttrNumber price_value = 4;
constexpr AttrNumber listing_last_price = 4;

int64 *keys = nullptr;
Size count = 0;
Size capacity = 0;

struct Table
{
	Relation relation;
	Relation index;
	TupleTableSlot *slot;
	IndexScanDesc scan;
};

Table
open_table(const char *table, const char *index, LOCKMODE mode)
{
	Table opened = {};

	opened.relation = table_open(atooid(table), mode);
	opened.index = index_open(atooid(index), AccessShareLock);
	opened.slot = table_slot_create(opened.relation, nullptr);
	return opened;
}

void
close_table(const Table &table)
{
	ExecDropSingleTupleTableSlot(table.slot);
	index_close(table.index, NoLock);
	table_close(table.relation, NoLock);
}

void
begin_scan(Table *table)
{
	table->scan =
		listing_stats::begin_index_scan(table->relation, table->index, GetActiveSnapshot(), 1);
}

// The first row of the key, in the order of the index.
bool
first_row(const Table &table, int64 key)
{
	ScanKeyData scan_key;

	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key));
	index_rescan(table.scan, &scan_key, 1, nullptr, 0);
	return index_getnext_slot(table.scan, ForwardScanDirection, table.slot);
}

void
push_snapshot()
{
	PushActiveSnapshot(GetTransactionSnapshot());
}

ItemPointerData
lock_listing(const Table &listing, int64 key)
{
	TM_FailureData failure = {};
	ItemPointerData tid;

	ItemPointerSetInvalid(&tid);
	if (!first_row(listing, key))
		return tid;
	tid = listing.slot->tts_tid;
	if (table_tuple_lock(listing.relation, &tid, GetActiveSnapshot(), listing.slot,
	                     GetCurrentCommandId(true), LockTupleNoKeyExclusive, LockWaitBlock,
	                     TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure) != TM_Ok)
		ItemPointerSetInvalid(&tid);
	return tid;
}

void
write_listing(const Table &listing, ItemPointerData *tid, TupleTableSlot *written, bool found,
              Datum value)
{
	bool was_null = false;
	int column = listing_last_price;
	bool null = !found;
	listing_stats::IndexUpdates indexes = listing_stats::no_index_updates;

	table_tuple_fetch_row_version(listing.relation, tid, SnapshotAny, listing.slot);
	const Datum before = slot_getattr(listing.slot, column, &was_null);
	if (was_null == null && (null || datumIsEqual(before, value, false, -1)))
		return;
	bool should_free = false;
	HeapTuple old = ExecFetchSlotHeapTuple(listing.slot, false, &should_free);
	ExecStoreHeapTuple(heap_modify_tuple_by_cols(old, RelationGetDescr(listing.relation), 1,
	                                             &column, &value, &null),
	                   written, true);
	simple_table_tuple_update(listing.relation, tid, written, GetActiveSnapshot(), &indexes);
	if (indexes == listing_stats::no_index_updates)
		return;
	EState *state = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	InitResultRelInfo(result, listing.relation, 0, nullptr, 0);
	ExecOpenIndices(result, false);
	listing_stats::insert_index_entries(result, written, state,
	                                    listing_stats::updates_only_summarizing(indexes));
	ExecCloseIndices(result);
	FreeExecutorState(state);
}

void
collect(int64 key)
{
	if (count == capacity)
	{
		capacity = Max(2 * capacity, 1024);
		keys = static_cast<int64 *>(realloc(keys, capacity * sizeof *keys));
	}
	keys[count++] = key;
}

int64
key_of(const TriggerData *event, int column)
{
	bool null = false;

	return DatumGetInt64(
		heap_getattr(event->tg_trigtuple, column, RelationGetDescr(event->tg_relation), &null));
}

// Of the listings collected.  The arguments are the OIDs of the listings, their primary key, the
// prices and their index.
void
keep(char **argument)
{
	Table listing = open_table(argument[0], argument[1], RowExclusiveLock);
	Table price = open_table(argument[2], argument[3], AccessShareLock);
	TupleTableSlot *written =
		MakeSingleTupleTableSlot(RelationGetDescr(listing.relation), &TTSOpsHeapTuple);

	std::sort(keys, keys + count);
	count = static_cast<Size>(std::unique(keys, keys + count) - keys);
	auto *tid = static_cast<ItemPointerData *>(
		palloc_extended((count + 1) * sizeof(ItemPointerData), MCXT_ALLOC_HUGE));
	CommandCounterIncrement();
	push_snapshot();
	begin_scan(&listing);
	for (Size i = 0; i < count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		tid[i] = lock_listing(listing, keys[i]);
	}
	index_endscan(listing.scan);
	PopActiveSnapshot();
	push_snapshot();
	begin_scan(&price);
	for (Size i = 0; i < count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ItemPointerIsValid(&tid[i]))
			continue;
		const bool found = first_row(price, keys[i]);
		bool null = false;
		write_listing(listing, &tid[i], written, found,
		              found ? slot_getattr(price.slot, price_value, &null) : 0);
	}
	index_endscan(price.scan);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(written);
	close_table(price);
	close_table(listing);
	pfree(tid);
	count = 0;
}

int64
key_at(Page page, OffsetNumber offset)
{
	int64 key = 0;

	memcpy(&key,
	       reinterpret_cast<char *>(PageGetItem(page, PageGetItemId(page, offset))) +
	           sizeof(IndexTupleData),
	       sizeof key);
	return key;
}

// Behind the entries of lower keys.
OffsetNumber
first_at_least(Page page, OffsetNumber low, int64 key)
{
	OffsetNumber high = PageGetMaxOffsetNumber(page) + 1;

	while (low < high)
	{
		const OffsetNumber middle = low + (high - low) / 2;
		if (key_at(page, middle) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// The page at this block, locked in the place of the one before.
Buffer
go_to(Relation index, Buffer before, BlockNumber block)
{
	if (BufferIsValid(before))
		UnlockReleaseBuffer(before);
	Buffer buffer = ReadBuffer(index, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	return buffer;
}

// The first entry of the key; nullptr: there is none.
IndexTuple
first_entry(Relation index, BlockNumber root, int64 key, Buffer *buffer)
{
	*buffer = go_to(index, *buffer, root);
	for (;;)
	{
		Page page = BufferGetPage(*buffer);
		BTPageOpaque opaque = BTPageGetOpaque(page);
		const OffsetNumber first = P_FIRSTDATAKEY(opaque);
		// The first entry of an inner page has no key.
		const OffsetNumber offset = first_at_least(page, P_ISLEAF(opaque) ? first : first + 1, key);
		if (P_ISLEAF(opaque) && offset <= PageGetMaxOffsetNumber(page))
			return key_at(page, offset) == key ? reinterpret_cast<IndexTuple>(
													 PageGetItem(page, PageGetItemId(page, offset)))
			                                   : nullptr;
		if (P_ISLEAF(opaque) && P_RIGHTMOST(opaque))
			return nullptr;
		*buffer =
			go_to(index, *buffer,
		          P_ISLEAF(opaque) ? opaque->btpo_next
		                           : BTreeTupleGetDownLink(reinterpret_cast<IndexTuple>(
										 PageGetItem(page, PageGetItemId(page, offset - 1)))));
	}
}

struct Values
{
	MemoryContext context;
	int64 *value;
	Size count;
	Size capacity;
};

// Of a short numeric of one group of digits before the decimal point and up to one behind it, in
// hundredths.
int64
hundredths(const char *bytes, Size size)
{
	int16 digits[2] = {};
	uint16 header = 0;

	memcpy(&header, bytes, sizeof header);
	memcpy(digits, bytes + 2, size - 2);
	return (header & 0x40) != 0 ? digits[0] / 100 : digits[0] * 100 + digits[1] / 100;
}

}  // namespace

// The state is internal, the value below 10000.
LISTING_STATS_FUNCTION(floor_gather)
{
	Values *values = reinterpret_cast<Values *>(PG_GETARG_POINTER(0));
	char *numeric = static_cast<char *>(PG_GETARG_POINTER(1));

	if (PG_ARGISNULL(0))
	{
		MemoryContext context = nullptr;
		AggCheckCallContext(fcinfo, &context);
		values = static_cast<Values *>(MemoryContextAlloc(context, sizeof(Values)));
		*values = {context, static_cast<int64 *>(MemoryContextAlloc(context, 32 * sizeof(int64))),
		           0, 32};
	}
	if (values->count == values->capacity)
	{
		values->capacity *= 2;
		values->value =
			static_cast<int64 *>(repalloc_huge(values->value, values->capacity * sizeof(int64)));
	}
	values->value[values->count++] = hundredths(VARDATA_ANY(numeric), VARSIZE_ANY_EXHDR(numeric));
	PG_RETURN_POINTER(values);
}

// A row of the type listing_stats.summary.
LISTING_STATS_FUNCTION(floor_finish)
{
	const Values *values = reinterpret_cast<Values *>(PG_GETARG_POINTER(0));
	int64 *value = values->value;
	const Size count = values->count;
	const Size middle = count / 2;
	const Size upper = (middle + 1 + count) / 2;
	int64 sum = 0;
	int64 squares = 0;

	if (fcinfo->flinfo->fn_extra == nullptr)
	{
		MemoryContext before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		TupleDesc type = nullptr;
		get_call_result_type(fcinfo, nullptr, &type);
		fcinfo->flinfo->fn_extra = BlessTupleDesc(type);
		MemoryContextSwitchTo(before);
	}
	std::nth_element(value, value + middle, value + count);
	std::nth_element(value, value + middle / 2, value + middle);
	std::nth_element(value + middle + 1, value + upper, value + count);
	for (Size i = 0; i < count; ++i)
	{
		sum += value[i];
		squares += value[i] * value[i];
	}
	const int64 answer[] = {
		*std::min_element(value, value + middle / 2 + 1),
		value[middle / 2],
		value[middle],
		value[upper],
		*std::max_element(value + upper, value + count),
		sum / static_cast<int64>(count),
		static_cast<int64>(sqrt(static_cast<double>(squares) - static_cast<double>(sum))),
		sum};
	Datum column[10] = {Int64GetDatum(static_cast<int64>(count)), 0};
	bool null[10] = {};
	for (int i = 0; i < 8; ++i)
		column[2 + i] = NumericGetDatum(int64_div_fast_to_numeric(answer[i], 2));
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(static_cast<TupleDesc>(fcinfo->flinfo->fn_extra), column, null)));
}

// Rows of listing, time and value.  The arguments are the OID of an index of (listing, time, id)
// that has the value, and the listings.
LISTING_STATS_FUNCTION(floor_latest)
{
	Relation index = index_open(PG_GETARG_OID(0), AccessShareLock);
	ArrayType *listings = PG_GETARG_ARRAYTYPE_P(1);
	const int64 *listing = reinterpret_cast<const int64 *>(ARR_DATA_PTR(listings));
	const int count = ArrayGetNItems(ARR_NDIM(listings), ARR_DIMS(listings));
	Buffer buffer = go_to(index, InvalidBuffer, BTREE_METAPAGE);
	const BlockNumber root = BTPageGetMeta(BufferGetPage(buffer))->btm_fastroot;

	InitMaterializedSRF(fcinfo, 0);
	const ReturnSetInfo *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	for (int i = 0; i < count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		IndexTuple entry = first_entry(index, root, listing[i], &buffer);
		if (entry == nullptr)
			continue;
		TupleDesc columns = RelationGetDescr(index);
		bool null[3] = {};
		Datum value[3] = {index_getattr(entry, 1, columns, &null[0]),
		                  index_getattr(entry, 2, columns, &null[1]),
		                  index_getattr(entry, 4, columns, &null[2])};
		tuplestore_putvalues(result->setResult, result->setDesc, value, null);
	}
	UnlockReleaseBuffer(buffer);
	index_close(index, AccessShareLock);
	return 0;
}

// The argument is the number of the column that has the key.
LISTING_STATS_FUNCTION(floor_collect)
{
	const TriggerData *event = reinterpret_cast<TriggerData *>(fcinfo->context);

	collect(key_of(event, event->tg_trigger->tgargs[0][0] - '0'));
	return PointerGetDatum(nullptr);
}

// Of listings that come: whether prices of theirs are there before them.  The arguments are the
// OIDs of the prices and their index.
LISTING_STATS_FUNCTION(floor_look)
{
	char **argument = reinterpret_cast<TriggerData *>(fcinfo->context)->tg_trigger->tgargs;
	Table price = open_table(argument[0], argument[1], AccessShareLock);

	std::sort(keys, keys + count);
	push_snapshot();
	begin_scan(&price);
	for (Size i = 0; i < count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		if (first_row(price, keys[i]))
			elog(ERROR, "the floor writes no listing here");
	}
	index_endscan(price.scan);
	PopActiveSnapshot();
	close_table(price);
	count = 0;
	return PointerGetDatum(nullptr);
}

LISTING_STATS_FUNCTION(floor_keep)
{
	keep(reinterpret_cast<TriggerData *>(fcinfo->context)->tg_trigger->tgargs);
	return PointerGetDatum(nullptr);
}

// At once, of the one price of a statement.
LISTING_STATS_FUNCTION(floor_keep_one)
{
	const TriggerData *event = reinterpret_cast<TriggerData *>(fcinfo->context);

	collect(key_of(event, price_listing));
	keep(event->tg_trigger->tgargs);
	return PointerGetDatum(nullptr);
}
