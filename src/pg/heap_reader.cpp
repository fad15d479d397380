// One pass over the table, see heap_reader.hpp.
//
// Blocks are read in their order; visible rows are found under a share lock and used under the pin,
// as a sequential scan does it.  A hash table keeps the latest of each key.  Where it would need
// more than work_mem allows a hash, only the half of the keys is kept in it, by their hash, and the
// other half has a pass of its own; and so on.
#include "pg/heap_reader.hpp"

namespace listing_stats {

namespace {

constexpr int fewest_slots_bits = 10;
constexpr int most_passes_bits = 10;

struct IntegerKey
{
	uint64 word[1];
};

struct UuidKey
{
	uint64 word[2];
};

bool
equal(const IntegerKey &a, const IntegerKey &b)
{
	return a.word[0] == b.word[0];
}

bool
equal(const UuidKey &a, const UuidKey &b)
{
	return a.word[0] == b.word[0] && a.word[1] == b.word[1];
}

uint64
hash(uint64 word)
{
	word ^= word >> 32;
	word *= UINT64CONST(0x9E3779B97F4A7C15);
	return word ^ word >> 29;
}

uint64
hash(const IntegerKey &key)
{
	return hash(key.word[0]) * UINT64CONST(0xBF58476D1CE4E5B9);
}

uint64
hash(const UuidKey &key)
{
	return hash(hash(key.word[0]) + key.word[1]) * UINT64CONST(0xBF58476D1CE4E5B9);
}

void
set_key(IntegerKey *key, Oid type, Datum value)
{
	key->word[0] =
		static_cast<uint64>(type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value));
}

void
set_key(UuidKey *key, Oid, Datum value)
{
	memcpy(key->word, DatumGetPointer(value), sizeof key->word);
}

Datum
key_datum(const IntegerKey *key)
{
	return UInt64GetDatum(key->word[0]);
}

Datum
key_datum(const UuidKey *key)
{
	return PointerGetDatum(key->word);
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
	return column.length == 2   ? DatumGetInt16(value)
	       : column.length == 4 ? DatumGetInt32(value)
	                            : DatumGetInt64(value);
}

template <typename Key>
struct Slot
{
	Key key;
	int64 at;
	int64 tie;
	Datum value;  // by value, or a pointer, or that of "room" if it fits
	char room[8];
	bool used;
	bool at_null;
	bool tie_null;
	bool value_null;
	bool has_room;
};

template <typename Key>
struct Row
{
	Key key;
	int64 at;
	int64 tie;
	uint64 hash;
	HeapTupleData tuple;
	bool at_null;
	bool tie_null;
};

template <typename Key>
class HeapReader
{
public:
	HeapReader(const PriceTable &table, Relation relation, bool has_as_of, Datum as_of,
	           RowSink sink);
	void read(uint64 part, int bits);

private:
	const PriceTable &table_;
	Relation relation_;
	TupleDesc description_;
	RowSink sink_;
	Snapshot snapshot_;
	RowColumn key_;
	RowColumn at_;
	RowColumn tie_;
	RowColumn value_;
	bool bounded_;
	int64 as_of_ = 0;
	Size memory_;
	MemoryContext context_ = nullptr;  // of one pass
	Slot<Key> *slots_ = nullptr;
	int slots_bits_ = 0;
	uint64 used_ = 0;
	bool may_grow_ = true;

	// Of the whole table, the part of the keys whose hash ends with these bits.
	uint64 part_ = 0;
	uint64 part_mask_ = 0;

	RowColumn column(const ResolvedColumn &resolved) const;
	Datum read_column_of(const RowColumn &column, HeapTuple tuple, bool *null) const;
	bool make_slots(int bits);
	bool grow();
	Slot<Key> *slot_of(const Key &key, uint64 hash) const;
	bool read_row(HeapTuple tuple, Row<Key> *row) const;
	bool add(const Row<Key> &row);
	bool pass();
	void keep_value(Slot<Key> *slot, HeapTuple tuple);
	void give();
};

template <typename Key>
HeapReader<Key>::HeapReader(const PriceTable &table, Relation relation, bool has_as_of, Datum as_of,
                            RowSink sink)
	: table_(table),
	  relation_(relation),
	  description_(RelationGetDescr(relation)),
	  sink_(sink),
	  snapshot_(GetActiveSnapshot()),
	  key_(column(table.key)),
	  at_(column(table.at)),
	  tie_(column(table.tie)),
	  value_(column(table.value)),
	  bounded_(has_as_of),
	  memory_(get_hash_memory_limit())
{
	if (has_as_of)
		as_of_ = integer_of(at_, as_of);
}

// Columns before it that have one width and always the same place give it one too.
template <typename Key>
RowColumn
HeapReader<Key>::column(const ResolvedColumn &resolved) const
{
	RowColumn column = {};
	int offset = 0;

	if (resolved.attnum == 0)
		return column;
	column.attnum = resolved.attnum;
	column.type = getBaseType(resolved.type);
	for (int i = 0; i < resolved.attnum && offset >= 0; ++i)
	{
		const FormData_pg_attribute *attribute = TupleDescAttr(description_, i);
		offset = static_cast<int>(att_align_nominal(offset, attribute->attalign));
		if (i == resolved.attnum - 1)
		{
			column.length = attribute->attlen;
			column.by_value = attribute->attbyval;
			if (attribute->attlen < 0)
				offset = -1;
		}
		else
			offset = attribute->attlen > 0 ? offset + attribute->attlen : -1;
	}
	const FormData_pg_attribute *attribute = TupleDescAttr(description_, resolved.attnum - 1);
	column.length = attribute->attlen;
	column.by_value = attribute->attbyval;
	column.offset = offset;
	return column;
}

template <typename Key>
Datum
HeapReader<Key>::read_column_of(const RowColumn &column, HeapTuple tuple, bool *null) const
{
	const HeapTupleHeader header = tuple->t_data;

	if (column.offset >= 0 && !HeapTupleHasNulls(tuple) &&
	    HeapTupleHeaderGetNatts(header) >= column.attnum)
	{
		*null = false;
		return fetch_att(reinterpret_cast<char *>(header) + header->t_hoff + column.offset,
		                 column.by_value, column.length);
	}
	return heap_getattr(tuple, column.attnum, description_, null);
}

// The table of slots.

template <typename Key>
bool
HeapReader<Key>::make_slots(int bits)
{
	const Size size = sizeof(Slot<Key>) << bits;

	if (size > memory_ && bits > fewest_slots_bits)
		return false;
	slots_ = static_cast<Slot<Key> *>(
		MemoryContextAllocExtended(context_, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
	slots_bits_ = bits;
	return true;
}

template <typename Key>
Slot<Key> *
HeapReader<Key>::slot_of(const Key &key, uint64 hash) const
{
	const uint64 mask = (UINT64CONST(1) << slots_bits_) - 1;
	uint64 i = hash >> (64 - slots_bits_);

	while (slots_[i].used && !equal(slots_[i].key, key))
		i = (i + 1) & mask;
	return &slots_[i];
}

// false: there is not enough memory for more.
template <typename Key>
bool
HeapReader<Key>::grow()
{
	Slot<Key> *old = slots_;
	const uint64 count = UINT64CONST(1) << slots_bits_;

	if (!make_slots(slots_bits_ + 1))
		return false;
	for (uint64 i = 0; i < count; ++i)
	{
		if (old[i].used)
			*slot_of(old[i].key, hash(old[i].key)) = old[i];
	}
	pfree(old);
	return true;
}

template <typename Key>
void
HeapReader<Key>::keep_value(Slot<Key> *slot, HeapTuple tuple)
{
	if (!slot->value_null && !value_.by_value && !slot->has_room)
		pfree(DatumGetPointer(slot->value));
	slot->has_room = false;
	const Datum value = read_column_of(value_, tuple, &slot->value_null);
	if (slot->value_null || value_.by_value)
	{
		slot->value = value;
		return;
	}
	// The room and the value before it are one piece.
	constexpr Size room = sizeof slot->value + sizeof slot->room;
	const Size size = datumGetSize(value, false, value_.length);
	slot->has_room = size <= room;
	char *to = reinterpret_cast<char *>(&slot->value);
	if (!slot->has_room)
	{
		to = static_cast<char *>(MemoryContextAlloc(context_, size));
		slot->value = PointerGetDatum(to);
	}
	memcpy(to, DatumGetPointer(value), size);
}

// The order of "latest": NULLs last.
template <typename Key>
bool
is_later(const Row<Key> &row, const Slot<Key> &slot)
{
	if (row.at_null != slot.at_null)
		return slot.at_null;
	if (!row.at_null && row.at != slot.at)
		return row.at > slot.at;
	if (row.tie_null != slot.tie_null)
		return slot.tie_null;
	return !row.tie_null && row.tie > slot.tie;
}

// false: there is no memory for another key.
template <typename Key>
bool
HeapReader<Key>::add(const Row<Key> &row)
{
	Slot<Key> *slot = slot_of(row.key, row.hash);

	if (!slot->used)
	{
		// Half full is fast; nearly full is the most that memory may have to do with.
		const uint64 count = UINT64CONST(1) << slots_bits_;
		if (used_ >= count / 2)
		{
			if (may_grow_)
				may_grow_ = grow();
			if (!may_grow_ && used_ >= count / 16 * 13)
				return false;
			slot = slot_of(row.key, row.hash);
		}
		++used_;
		slot->used = true;
		slot->key = row.key;
		slot->value_null = true;
	}
	else if (!is_later(row, *slot))
		return true;
	slot->at = row.at;
	slot->at_null = row.at_null;
	slot->tie = row.tie;
	slot->tie_null = row.tie_null;
	keep_value(slot, const_cast<HeapTuple>(&row.tuple));
	return true;
}

// false: the row does not count.
template <typename Key>
bool
HeapReader<Key>::read_row(HeapTuple tuple, Row<Key> *row) const
{
	bool null = false;

	const Datum key = read_column_of(key_, tuple, &null);
	if (null)
		return false;
	set_key(&row->key, key_.type, key);
	row->hash = hash(row->key);
	if ((row->hash & part_mask_) != part_)
		return false;
	const Datum at = read_column_of(at_, tuple, &row->at_null);
	row->at = row->at_null ? 0 : integer_of(at_, at);
	if (bounded_ && (row->at_null || row->at > as_of_))
		return false;
	row->tie_null = tie_.attnum == 0;
	row->tie = 0;
	if (!row->tie_null)
	{
		const Datum tie = read_column_of(tie_, tuple, &row->tie_null);
		row->tie = row->tie_null ? 0 : integer_of(tie_, tie);
	}
	if (table_.skip_null)
	{
		read_column_of(value_, tuple, &null);
		if (null)
			return false;
	}
	row->tuple = *tuple;
	return true;
}

// false: there are too many keys for the memory.
template <typename Key>
bool
HeapReader<Key>::pass()
{
	const BlockNumber blocks = RelationGetNumberOfBlocks(relation_);
	BufferAccessStrategy strategy =
		!RelationUsesLocalBuffers(relation_) && blocks > static_cast<BlockNumber>(NBuffers / 4)
			? GetAccessStrategy(BAS_BULKREAD)
			: nullptr;
	Row<Key> *rows = static_cast<Row<Key> *>(
		MemoryContextAlloc(context_, sizeof(Row<Key>) * MaxHeapTuplesPerPage));
	bool fits = true;

	pgstat_count_heap_scan(relation_);
	for (BlockNumber block = 0; block < blocks && fits; ++block)
	{
		OffsetNumber visible[MaxHeapTuplesPerPage];
		int count = 0;
		int rows_count = 0;

		CHECK_FOR_INTERRUPTS();
		Buffer buffer = ReadBufferExtended(relation_, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		Page page = BufferGetPage(buffer);
		const OffsetNumber max = PageGetMaxOffsetNumber(page);
		const bool all_visible = PageIsAllVisible(page) && !snapshot_->takenDuringRecovery;
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
			if (all_visible || HeapTupleSatisfiesVisibility(&tuple, snapshot_, buffer))
				visible[count++] = offset;
		}
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		for (int i = 0; i < count; ++i)
		{
			const ItemId item = PageGetItemId(page, visible[i]);
			tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
			tuple.t_len = ItemIdGetLength(item);
			ItemPointerSet(&tuple.t_self, block, visible[i]);
			if (!read_row(&tuple, &rows[rows_count]))
				continue;
			const Slot<Key> *slot = &slots_[rows[rows_count].hash >> (64 - slots_bits_)];
			__builtin_prefetch(slot, 1);
			__builtin_prefetch(reinterpret_cast<const char *>(slot) + 64, 1);
			++rows_count;
		}
		for (int i = 0; i < rows_count && fits; ++i)
			fits = add(rows[i]);
		ReleaseBuffer(buffer);
	}
	if (strategy != nullptr)
		FreeAccessStrategy(strategy);
	return fits;
}

template <typename Key>
void
HeapReader<Key>::give()
{
	const bool is_date = at_.type == DATEOID;

	for (uint64 i = 0; i < UINT64CONST(1) << slots_bits_; ++i)
	{
		Slot<Key> *slot = &slots_[i];
		if (!slot->used)
			continue;
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		Datum value[] = {key_datum(&slot->key),
		                 is_date ? DateADTGetDatum(static_cast<DateADT>(slot->at))
		                         : Int64GetDatum(slot->at),
		                 slot->has_room ? PointerGetDatum(&slot->value) : slot->value};
		bool null[] = {false, slot->at_null, slot->value_null};
		sink_.put(sink_.sink, value, null);
	}
}

// The keys whose hash ends with these bits.
template <typename Key>
void
HeapReader<Key>::read(uint64 part, int bits)
{
	context_ = AllocSetContextCreate(CurrentMemoryContext, "listing_stats latest prices",
	                                 ALLOCSET_DEFAULT_SIZES);
	part_ = part;
	part_mask_ = (UINT64CONST(1) << bits) - 1;
	used_ = 0;
	may_grow_ = true;
	make_slots(fewest_slots_bits);
	const bool fits = pass();
	if (fits)
		give();
	else if (bits == most_passes_bits)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
		                errmsg("too many keys in table \"%s\" for work_mem",
		                       RelationGetRelationName(relation_)),
		                errhint("Increase work_mem.")));
	MemoryContextDelete(context_);
	if (!fits)
	{
		read(part, bits + 1);
		read(part | UINT64CONST(1) << bits, bits + 1);
	}
}

}  // namespace

bool
read_latest_from_heap(const PriceTable &table, Relation relation, bool has_as_of, Datum as_of,
                      RowSink sink)
{
	const Oid key = getBaseType(table.key.type);
	const Oid at = getBaseType(table.at.type);
	const Oid tie = table.tie.attnum == 0 ? INT8OID : getBaseType(table.tie.type);

	if ((at != TIMESTAMPTZOID && at != TIMESTAMPOID && at != DATEOID) ||
	    (tie != INT2OID && tie != INT4OID && tie != INT8OID) ||
	    is_virtual(TupleDescAttr(RelationGetDescr(relation), table.value.attnum - 1)))
		return false;
	switch (key)
	{
	case INT4OID:
	case INT8OID:
		HeapReader<IntegerKey>(table, relation, has_as_of, as_of, sink).read(0, 0);
		return true;
	case UUIDOID:
		HeapReader<UuidKey>(table, relation, has_as_of, as_of, sink).read(0, 0);
		return true;
	default:
		return false;
	}
}

}  // namespace listing_stats
