// One pass over the table, see heap_reader.hpp.
//
// Blocks are read in their order; visible rows are found under a share lock and used under the pin,
// as a sequential scan does it.  A hash table keeps the latest of each key.  Where it would need
// more than work_mem allows a hash, only a half or a quarter of the keys is kept in it, by their
// hash, and each part has a pass of its own.  What does not fit then is left to a query.
//
// What holds:
// - Half of the slots are free, so that looking for a key ends.
// - A value is copied before the pin on its page is released.
// - The parts are of different keys and together all of them, so each key is given once.
//
// Its time is that of memory, so each page is gone through in steps that fetch what the next one
// needs: the rows, while the page after it comes; their slots; their entries.
#include "reading/heap_reader.hpp"

#include <initializer_list>

namespace listing_stats {

namespace {

constexpr int fewest_slots_bits = 10;
constexpr int most_slots_bits = 31;

// Into how many parts the keys may be divided: reading a table again that does not stay in memory
// takes longer than sorting.
constexpr int most_passes_bits = 1;
constexpr int most_passes_bits_in_memory = 2;

uint64
hash(uint64 word)
{
	word ^= word >> 32;
	word *= UINT64CONST(0x9E3779B97F4A7C15);
	return word ^ word >> 29;
}

uint64
hash(IntegerKey key)
{
	return hash(static_cast<uint64>(key.value)) * UINT64CONST(0xBF58476D1CE4E5B9);
}

uint64
hash(UuidKey key)
{
	return hash(hash(key.high) + key.low) * UINT64CONST(0xBF58476D1CE4E5B9);
}

// A column that is read of every row.
struct RowColumn
{
	AttrNumber attnum;  // 0: there is none
	Oid type;
	int offset;  // in a row without NULLs; -1: it differs
	int16 length;
	bool by_value;
};

int64
integer_of(const RowColumn &column, Datum value)
{
	return column.length == 8   ? DatumGetInt64(value)
	       : column.length == 4 ? DatumGetInt32(value)
	                            : DatumGetInt16(value);
}

// The latest price of a key so far.
template <typename Key>
struct Latest
{
	Key key;
	int64 at;
	int64 tie;
	Datum value;  // by value, or a pointer, or that of "room" if it fits
	char room[8];
	bool at_null;
	bool tie_null;
	bool value_null;
	bool has_room;
};

// Where a key may stand in the hash table: small enough for the processor's caches to hold all of
// them.
struct Slot
{
	uint32 tag;    // of its hash
	uint32 entry;  // 1 is the first; 0: free
};

// Of a page that is pinned: values that are not passed by value are where they are.
template <typename Key>
struct Row
{
	Key key;
	int64 at;
	int64 tie;
	Datum value;
	uint64 hash;
	uint32 entry;  // most probably that of the key; 0: it has none yet
	bool at_null;
	bool tie_null;
	bool value_null;
};

template <typename Key>
class HeapReader
{
public:
	HeapReader(const PriceTable &table, const Heap *heap, int heaps, NullableDatum as_of,
	           RowSink sink);
	bool read(double keys);

private:
	const Heap *heap_;
	const int heaps_;
	const bool skip_null_;
	const bool at_is_date_;
	RowSink sink_;
	Snapshot snapshot_;
	bool bounded_;
	int64 as_of_ = 0;
	Size memory_;

	// The table that is being read.
	Relation relation_ = nullptr;
	TupleDesc description_ = nullptr;
	RowColumn key_ = {};
	RowColumn at_ = {};
	RowColumn tie_ = {};
	RowColumn value_ = {};
	bool fixed_ = false;  // all have an offset
	AttrNumber last_attnum_ = 0;
	MemoryContext context_ = nullptr;  // of one pass
	Slot *slots_ = nullptr;
	int slots_bits_ = 0;
	Latest<Key> *entries_ = nullptr;
	uint32 count_ = 0;
	uint32 room_ = 0;

	// Of the whole table, the part of the keys whose hash ends with these bits.
	uint64 part_ = 0;
	uint64 part_mask_ = 0;

	void set_heap(const Heap &heap);
	RowColumn column(const ResolvedColumn &resolved) const;
	bool fits(int bits) const;
	bool make_room(int bits);
	bool read_part(uint64 part, int bits, int most_bits);
	Slot *slot_of(const Key &key, uint64 hash) const;
	uint32 probable_entry(uint64 hash) const;
	int read_page(Buffer buffer, Row<Key> *rows) const;
	bool read_row(HeapTuple tuple, Row<Key> *row) const;
	bool read_unusual_row(HeapTuple tuple, Row<Key> *row) const;
	bool add(const Row<Key> &row);
	bool pass();
	bool pass_heap(Row<Key> *rows);
	void keep_value(Latest<Key> *latest, const Row<Key> &row);
	void give();
};

template <typename Key>
HeapReader<Key>::HeapReader(const PriceTable &table, const Heap *heap, int heaps,
                            NullableDatum as_of, RowSink sink)
	: heap_(heap),
	  heaps_(heaps),
	  skip_null_(table.skip_null),
	  at_is_date_(table.at.base == DATEOID),
	  sink_(sink),
	  snapshot_(GetActiveSnapshot()),
	  bounded_(!as_of.isnull),
	  memory_(get_hash_memory_limit())
{
	if (bounded_)
		as_of_ = at_is_date_ ? DatumGetDateADT(as_of.value) : DatumGetInt64(as_of.value);
}

template <typename Key>
void
HeapReader<Key>::set_heap(const Heap &heap)
{
	relation_ = heap.relation;
	description_ = RelationGetDescr(relation_);
	key_ = column(heap.table->key);
	at_ = column(heap.table->at);
	tie_ = column(heap.table->tie);
	value_ = column(heap.table->value);
	fixed_ = key_.offset >= 0 && at_.offset >= 0 && tie_.offset >= 0 && value_.offset >= 0;
	last_attnum_ = Max(Max(key_.attnum, at_.attnum), Max(tie_.attnum, value_.attnum));
}

// Where the column is in every row, if all before it have fixed widths and no NULLs.
template <typename Key>
RowColumn
HeapReader<Key>::column(const ResolvedColumn &resolved) const
{
	RowColumn column = {};

	if (resolved.attnum == 0)
		return column;
	column.attnum = resolved.attnum;
	column.type = resolved.base;
	for (int i = 0; i < resolved.attnum && column.offset >= 0; ++i)
	{
		const FormData_pg_attribute *attribute = TupleDescAttr(description_, i);
		const int offset = static_cast<int>(att_align_nominal(column.offset, attribute->attalign));
		const bool last = i == resolved.attnum - 1;
		// What has any width may be short, and is not aligned then.
		if (attribute->attlen < 0 && (!last || offset != column.offset))
			column.offset = -1;
		else
			column.offset = last ? offset : offset + attribute->attlen;
	}
	const FormData_pg_attribute *attribute = TupleDescAttr(description_, resolved.attnum - 1);
	column.length = attribute->attlen;
	column.by_value = attribute->attbyval;
	return column;
}

// The hash table.

template <typename Key>
bool
HeapReader<Key>::fits(int bits) const
{
	const uint64 slots = UINT64CONST(1) << bits;

	return bits <= fewest_slots_bits ||
	       (bits <= most_slots_bits &&
	        slots * sizeof(Slot) + slots / 2 * sizeof(Latest<Key>) <= memory_);
}

// So many slots, half of which may be taken: a key is then found at the first look, most often.
// false: that is more memory than is allowed.
template <typename Key>
bool
HeapReader<Key>::make_room(int bits)
{
	const uint64 slots = UINT64CONST(1) << bits;
	const uint64 room = slots / 2;

	if (!fits(bits))
		return false;
	if (entries_ == nullptr)
		entries_ = static_cast<Latest<Key> *>(
			MemoryContextAllocHuge(context_, room * sizeof(Latest<Key>)));
	else
	{
		pfree(slots_);
		entries_ = static_cast<Latest<Key> *>(repalloc_huge(entries_, room * sizeof(Latest<Key>)));
	}
	slots_ = static_cast<Slot *>(MemoryContextAllocExtended(context_, slots * sizeof(Slot),
	                                                        MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
	slots_bits_ = bits;
	room_ = static_cast<uint32>(room);
	for (uint32 i = 0; i < count_; ++i)
	{
		const uint64 hash_of_key = hash(entries_[i].key);
		*slot_of(entries_[i].key, hash_of_key) = {static_cast<uint32>(hash_of_key), i + 1};
	}
	return true;
}

// The key's slot, or the free one where it belongs.
template <typename Key>
Slot *
HeapReader<Key>::slot_of(const Key &key, uint64 hash) const
{
	const uint64 mask = (UINT64CONST(1) << slots_bits_) - 1;

	Assert(count_ <= room_ && room_ <= mask);
	for (uint64 i = hash >> (64 - slots_bits_);; i = (i + 1) & mask)
	{
		Slot *slot = &slots_[i];
		if (slot->entry == 0 ||
		    (slot->tag == static_cast<uint32>(hash) && entries_[slot->entry - 1].key == key))
			return slot;
	}
}

// The entry of the first key with this tag, which is almost always the key that is looked for.  It
// is fetched into the processor's cache.
template <typename Key>
uint32
HeapReader<Key>::probable_entry(uint64 hash) const
{
	const uint64 mask = (UINT64CONST(1) << slots_bits_) - 1;

	for (uint64 i = hash >> (64 - slots_bits_); slots_[i].entry != 0; i = (i + 1) & mask)
	{
		if (slots_[i].tag != static_cast<uint32>(hash))
			continue;
		const Latest<Key> *entry = &entries_[slots_[i].entry - 1];
		__builtin_prefetch(entry, 1);
		__builtin_prefetch(reinterpret_cast<const char *>(entry + 1) - 1, 1);
		return slots_[i].entry;
	}
	return 0;
}

template <typename Key>
void
HeapReader<Key>::keep_value(Latest<Key> *latest, const Row<Key> &row)
{
	if (!latest->value_null && !value_.by_value && !latest->has_room)
		pfree(DatumGetPointer(latest->value));
	latest->has_room = false;
	latest->value_null = row.value_null;
	if (row.value_null || value_.by_value)
	{
		latest->value = row.value;
		return;
	}
	// The room and the value before it are one piece.
	constexpr Size room = sizeof latest->value + sizeof latest->room;
	const char *from = static_cast<const char *>(DatumGetPointer(row.value));
	const Size size =
		value_.length == -1 ? VARSIZE_ANY(from) : datumGetSize(row.value, false, value_.length);
	latest->has_room = size <= room;
	char *to = reinterpret_cast<char *>(&latest->value);
	if (!latest->has_room)
	{
		to = static_cast<char *>(MemoryContextAlloc(context_, size));
		latest->value = PointerGetDatum(to);
	}
	memcpy(to, from, size);
}

// The order of "latest": NULLs last.
template <typename Key>
bool
is_later(const Row<Key> &row, const Latest<Key> &latest)
{
	if (row.at_null != latest.at_null)
		return latest.at_null;
	if (!row.at_null && row.at != latest.at)
		return row.at > latest.at;
	if (row.tie_null != latest.tie_null)
		return latest.tie_null;
	return !row.tie_null && row.tie > latest.tie;
}

// false: there is no memory for another key.
template <typename Key>
bool
HeapReader<Key>::add(const Row<Key> &row)
{
	uint32 entry = row.entry;
	bool is_new = false;

	if (entry == 0 || !(entries_[entry - 1].key == row.key))
	{
		Slot *slot = slot_of(row.key, row.hash);
		is_new = slot->entry == 0;
		if (is_new && count_ == room_)
		{
			if (!make_room(slots_bits_ + 1))
				return false;
			slot = slot_of(row.key, row.hash);
		}
		if (is_new)
			*slot = {static_cast<uint32>(row.hash), ++count_};
		entry = slot->entry;
	}
	Latest<Key> *latest = &entries_[entry - 1];
	if (is_new)
	{
		latest->key = row.key;
		latest->value_null = true;
	}
	else if (!is_later(row, *latest))
		return true;
	latest->at = row.at;
	latest->at_null = row.at_null;
	latest->tie = row.tie;
	latest->tie_null = row.tie_null;
	keep_value(latest, row);
	return true;
}

// false: the row does not count.
template <typename Key>
bool
HeapReader<Key>::read_row(HeapTuple tuple, Row<Key> *row) const
{
	const HeapTupleHeader header = tuple->t_data;

	if (fixed_ && !HeapTupleHasNulls(tuple) && HeapTupleHeaderGetNatts(header) >= last_attnum_)
	{
		const char *columns = reinterpret_cast<const char *>(header) + header->t_hoff;
		const auto value_of = [columns](const RowColumn &column) {
			return fetch_att(columns + column.offset, column.by_value, column.length);
		};
		set_key(&row->key, key_.type, InvalidOid, value_of(key_));
		row->at = integer_of(at_, value_of(at_));
		row->tie_null = tie_.attnum == 0;
		row->tie = row->tie_null ? 0 : integer_of(tie_, value_of(tie_));
		row->value = value_of(value_);
		row->at_null = false;
		row->value_null = false;
	}
	else if (!read_unusual_row(tuple, row))
		return false;
	row->hash = hash(row->key);
	return (row->hash & part_mask_) == part_ && !(bounded_ && (row->at_null || row->at > as_of_)) &&
	       !(skip_null_ && row->value_null);
}

// A row with NULLs, or with columns whose offsets differ from row to row.  false: it has no key.
template <typename Key>
bool
HeapReader<Key>::read_unusual_row(HeapTuple tuple, Row<Key> *row) const
{
	bool null = false;

	const Datum key = heap_getattr(tuple, key_.attnum, description_, &null);
	if (null)
		return false;
	set_key(&row->key, key_.type, InvalidOid, key);
	const Datum at = heap_getattr(tuple, at_.attnum, description_, &row->at_null);
	row->at = row->at_null ? 0 : integer_of(at_, at);
	row->tie_null = tie_.attnum == 0;
	Datum tie = 0;
	if (!row->tie_null)
		tie = heap_getattr(tuple, tie_.attnum, description_, &row->tie_null);
	row->tie = row->tie_null ? 0 : integer_of(tie_, tie);
	row->value = heap_getattr(tuple, value_.attnum, description_, &row->value_null);
	return true;
}

// The visible rows of a page that count; returns how many.  They are good until the pin is
// released.
template <typename Key>
int
HeapReader<Key>::read_page(Buffer buffer, Row<Key> *rows) const
{
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	Page page = BufferGetPage(buffer);
	const BlockNumber block = BufferGetBlockNumber(buffer);
	const OffsetNumber max = PageGetMaxOffsetNumber(page);
	const bool all_visible = PageIsAllVisible(page) && !snapshot_->takenDuringRecovery;
	int count = 0;
	HeapTupleData tuple;
	tuple.t_tableOid = RelationGetRelid(relation_);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= max; ++offset)
	{
		const ItemId item = PageGetItemId(page, offset);
		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
		tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple.t_self, block, offset);
		if ((!all_visible && !HeapTupleSatisfiesVisibility(&tuple, snapshot_, buffer)) ||
		    !read_row(&tuple, &rows[count]))
			continue;
		__builtin_prefetch(&slots_[rows[count].hash >> (64 - slots_bits_)]);
		++count;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return count;
}

inline void
prefetch_page(Page page)
{
	constexpr int line = 64;

	for (int i = 0; i < BLCKSZ; i += line)
		__builtin_prefetch(page + i);
}

// false: there are too many keys for the memory.
template <typename Key>
bool
HeapReader<Key>::pass_heap(Row<Key> *rows)
{
	const BlockNumber blocks = RelationGetNumberOfBlocks(relation_);
	BufferAccessStrategy strategy =
		!RelationUsesLocalBuffers(relation_) && blocks > static_cast<BlockNumber>(NBuffers / 4)
			? GetAccessStrategy(BAS_BULKREAD)
			: nullptr;
	Buffer next = InvalidBuffer;
	bool fits = true;

	pgstat_count_heap_scan(relation_);
	for (BlockNumber block = 0; block <= blocks && fits; ++block)
	{
		CHECK_FOR_INTERRUPTS();
		Buffer buffer = next;
		next = InvalidBuffer;
		if (block < blocks)
		{
			next = ReadBufferExtended(relation_, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
			prefetch_page(BufferGetPage(next));
		}
		if (!BufferIsValid(buffer))
			continue;
		const int count = read_page(buffer, rows);
		for (int i = 0; i < count; ++i)
			rows[i].entry = probable_entry(rows[i].hash);
		for (int i = 0; i < count && fits; ++i)
			fits = add(rows[i]);
		ReleaseBuffer(buffer);
	}
	if (BufferIsValid(next))
		ReleaseBuffer(next);
	if (strategy != nullptr)
		FreeAccessStrategy(strategy);
	return fits;
}

template <typename Key>
bool
HeapReader<Key>::pass()
{
	Row<Key> *rows = static_cast<Row<Key> *>(
		MemoryContextAlloc(context_, sizeof(Row<Key>) * MaxHeapTuplesPerPage));

	for (int i = 0; i < heaps_; ++i)
	{
		set_heap(heap_[i]);
		if (!pass_heap(rows))
			return false;
	}
	return true;
}

template <typename Key>
void
HeapReader<Key>::give()
{
	pg_uuid_t room;

	for (uint32 i = 0; i < count_; ++i)
	{
		Latest<Key> *latest = &entries_[i];
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		Datum value[] = {key_datum(latest->key, &room),
		                 at_is_date_ ? DateADTGetDatum(static_cast<DateADT>(latest->at))
		                             : Int64GetDatum(latest->at),
		                 latest->has_room ? PointerGetDatum(&latest->value) : latest->value};
		bool null[] = {false, latest->at_null, latest->value_null};
		sink_.put(sink_.sink, value, null);
	}
}

// The keys whose hash ends with these bits.  false: they do not fit.
template <typename Key>
bool
HeapReader<Key>::read_part(uint64 part, int bits, int most_bits)
{
	context_ = AllocSetContextCreate(CurrentMemoryContext, "listing_stats latest prices",
	                                 ALLOCSET_DEFAULT_SIZES);
	part_ = part;
	part_mask_ = (UINT64CONST(1) << bits) - 1;
	entries_ = nullptr;
	count_ = 0;
	make_room(fewest_slots_bits);
	const bool fits = pass();
	if (fits)
		give();
	MemoryContextDelete(context_);
	return fits || (bits < most_bits && read_part(part, bits + 1, most_bits) &&
	                read_part(part | UINT64CONST(1) << bits, bits + 1, most_bits));
}

// Of so many keys, or nobody knows how many.
template <typename Key>
bool
HeapReader<Key>::read(double keys)
{
	uint64 blocks = 0;
	for (int i = 0; i < heaps_; ++i)
		blocks += RelationGetNumberOfBlocks(heap_[i].relation);
	const int most_bits =
		blocks <= static_cast<uint64>(NBuffers / 4) ? most_passes_bits_in_memory : most_passes_bits;
	int bits = fewest_slots_bits;
	int first_bits = 0;

	while (fits(bits + 1))
		++bits;
	const double room = static_cast<double>(UINT64CONST(1) << (bits - 1));
	while (keys > room * static_cast<double>(UINT64CONST(1) << first_bits))
	{
		if (++first_bits > most_bits)
			return false;
	}
	for (uint64 part = 0; part < UINT64CONST(1) << first_bits; ++part)
	{
		if (!read_part(part, first_bits, most_bits))
			return false;
	}
	return true;
}

}  // namespace

template <typename Key>
bool
read_latest_from_heaps(const PriceTable &table, const Heap *heap, int heaps, NullableDatum as_of,
                       RowSink sink)
{
	if (table.tie.attnum != 0 && !is_integer(table.tie.base))
		return false;
	for (int i = 0; i < heaps; ++i)
	{
		const TupleDesc description = RelationGetDescr(heap[i].relation);
		const PriceTable &own = *heap[i].table;
		Assert(CheckRelationLockedByMe(heap[i].relation, AccessShareLock, true));
		for (const AttrNumber attnum :
		     {own.key.attnum, own.at.attnum, own.tie.attnum, own.value.attnum})
		{
			if (attnum != 0 && is_virtual(TupleDescAttr(description, attnum - 1)))
				return false;
		}
	}
	return HeapReader<Key>(table, heap, heaps, as_of, sink).read(estimate_size(table).keys);
}

template bool read_latest_from_heaps<IntegerKey>(const PriceTable &, const Heap *, int,
                                                 NullableDatum, RowSink);
template bool read_latest_from_heaps<UuidKey>(const PriceTable &, const Heap *, int, NullableDatum,
                                              RowSink);

}  // namespace listing_stats
