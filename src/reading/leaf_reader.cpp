// Reading prices from the leaf pages of a btree, see leaf_reader.hpp.
//
// The index is (key, at DESC, tie DESC, ...), so the latest price of a key is its first entry whose
// row the snapshot sees, and that of a time the first not after it.
//
// Pages are read as nbtree reads them (its README): a share lock on one page at a time, the link to
// the right followed that was read under the same lock, half-dead and deleted pages stepped over,
// and moved right where a page has been split since its parent was read.  What an insertion adds
// meanwhile no snapshot of ours sees, and a deleted page is not reused while our snapshot is there.
//
// Whether an entry's row is visible is known from the visibility map, asked while the leaf page is
// locked, as an index-only scan does it.  Otherwise the row is in doubt: it is looked up in the
// heap after the page is released, as nbtree allows for MVCC snapshots, and in the order of the
// heap's blocks for many keys at once.  Of each key a few entries in doubt are kept, up to the
// first that is certain; a key of which none is visible is read again by itself, page by page.
//
// What holds:
// - Pages of a level are read from left to right.  A link leads right, and a page is left for a
//   descent only if its high key is before the target: then the target is on a page further right,
//   whatever is split meanwhile.  A descent goes right or down a level.  So every loop ends.  Where
//   an index is not in the order of its keys, as one of texts is after their collation has changed,
//   it ends too: with an error when more pages have been passed than there are.
// - Entries come in the order of the index: those that an as_of excludes, those that it includes,
//   those without a time, which are the end of a key that is read as of a time.  In an index with
//   NULLs first they are its beginning: of a column that is NOT NULL, rows that are gone.
// - No page is locked while the heap is read, rows are given or interrupts are served.  There is
//   room for all entries of a page before it is locked.  What is done under the lock that could
//   fail or wait is to copy a value of more than 16 bytes or a key of text, to compare such keys,
//   and to read a page of the visibility map, whose bit says what it does only while the entry
//   cannot be removed.  Prices of a history are taken where they lie as long as all of the page
//   are certain; those behind the first that is not are kept, so that their order stays.
// - key_, open_ and kept_ are of the key that the pages are at.  Reading a key again by itself
//   leaves them as they were.
#include "reading/leaf_reader.hpp"

#include "tables/price_index.hpp"

#include <algorithm>
#include <type_traits>

namespace listing_stats {

namespace {

constexpr int doubts_per_key = 4;  // before a key is read by itself

// How many rows wait for the heap (of 60000, about 4 MB), and of how many keys the pages are found
// before any is read.  Few for assertions, so that tests with few rows come to the limits.
#ifdef USE_ASSERT_CHECKING
constexpr std::size_t rows_at_once = 50;
constexpr int keys_at_once = 5;
#else
constexpr std::size_t rows_at_once = 60000;
constexpr int keys_at_once = 512;
#endif
constexpr int pages_ahead = 8;   // pinned and fetched into the processor's caches
constexpr int pages_of_key = 3;  // of one key in a row, before it is left by another descent
constexpr std::size_t entries_of_page = MaxTIDsPerBTreePage;
constexpr int slice = 16;  // entries of one key in doubt that are looked up together

// A column's format in an index tuple, and the key made of it; size 0: each has its own.
struct SmallIntegerColumn
{
	using Key = IntegerKey;
	static constexpr int size = 4;

	static Key read(const char *bytes, Oid) { return {load<int32>(bytes)}; }
};

struct IntegerColumn
{
	using Key = IntegerKey;
	static constexpr int size = 8;

	static Key read(const char *bytes, Oid) { return {load<int64>(bytes)}; }
};

struct UuidColumn
{
	using Key = UuidKey;
	static constexpr int size = UUID_LEN;

	static Key read(const char *bytes, Oid) { return load_uuid(bytes); }
};

// The key is where the entry is: it is copied before the page is left.
struct TextColumn
{
	using Key = TextKey;
	static constexpr int size = 0;

	static Key read(const char *bytes, Oid collation)
	{
		return {const_cast<struct varlena *>(reinterpret_cast<const struct varlena *>(bytes)),
		        collation};
	}
};

enum class State : uint8
{
	doubtful,  // to be looked up in the heap
	visible,   // with its value
	gone
};

// An entry of the index.
template <typename Key>
struct Entry
{
	Key key;
	int64 at;
	Datum value;
	char room[16];  // for a short value that is not passed by value
	ItemPointerData tid;
	State state;
	bool first;  // of its key
	bool more;   // the last that was kept of its key, but not the last there is
	bool at_null;
	bool value_null;
	bool has_room;  // the value is in "room"
};

// Sorts by block.
template <typename Key>
uint64
place(const Entry<Key> &entry, std::size_t i)
{
	return static_cast<uint64>(ItemPointerGetBlockNumber(&entry.tid)) << 32 | i;
}

// A place in the index: before the first entry of the key, or the first not after a time; or after
// the last.
template <typename Key>
struct Target
{
	Key key;
	bool after;
	bool bounded;
	int64 at;
};

template <typename Column>
class LeafReader
{
public:
	using Key = typename Column::Key;

	LeafReader(const PriceTable &table, Relation heap, Relation index, RowSink sink);

	// false: the index has an older format, or there is not enough memory.
	bool read(Search<Key> *search);
	void close();

private:
	Relation heap_;
	Relation index_;
	RowSink sink_;
	Snapshot snapshot_;
	MemoryContext values_ = nullptr;  // long values of the entries
	MemoryContext keys_ = nullptr;    // keys that lay in pages
	Buffer map_ = InvalidBuffer;
	const uint8 *map_bits_ = nullptr;  // what that page of the visibility map says
	BlockNumber map_first_ = 0;        // the first block of the table that it is about
	IndexFetchTableData *fetch_ = nullptr;
	TupleTableSlot *slot_ = nullptr;

	bool tids_only_;
	bool whole_rows_;
	Oid collation_;  // of the keys
	bool at_is_date_;
	int at_offset_;  // where all keys have one size
	bool without_time_first_;
	bool skip_null_;
	int value_position_ = 0;  // in the index; 0: not there
	AttrNumber value_attnum_;
	bool value_by_value_ = true;
	int16 value_length_ = 0;
	bool trust_dead_items_;
	bool bounded_ = false;
	int64 as_of_ = 0;

	Entry<Key> *entries_ = nullptr;
	uint64 *order_ = nullptr;  // block and entry
	std::size_t room_ = 0;
	std::size_t count_ = 0;
	std::size_t room_for_page_ = 0;  // there is so much before one is locked
	bool doubts_ = false;

	// The page that is being read: pinned and locked.
	Buffer buffer_ = InvalidBuffer;
	Page page_ = nullptr;
	BTPageOpaque opaque_ = nullptr;
	OffsetNumber max_ = 0;

	// The keys that are wanted.  Of the first asked_ of them it is known whether they have a price;
	// the missing_ that have none are moved to the front.
	KeySet<Key> *wanted_ = nullptr;
	std::size_t asked_ = 0;
	std::size_t missing_ = 0;

	// The keys that are left out where all are read: the first given_before_ of given_, of which
	// met_ have been passed.  Those that are given now are added behind them.
	KeySet<Key> *given_ = nullptr;
	std::size_t given_before_ = 0;
	std::size_t given_room_ = 0;
	std::size_t met_ = 0;

	// The key that is being read.
	Key key_ = {};
	bool open_ = false;      // more of its entries are needed
	bool in_place_ = false;  // they are taken where they lie
	int kept_ = 0;
	int pages_ = 0;           // that have had no other key
	BlockNumber passed_ = 0;  // pages, where all keys are read
	BlockNumber blocks_ = 0;  // that the index had when that was asked
	int64 seen_ = 0;          // how many entries it has so far
	int64 length_ = 8;        // and the one before had

	bool open();
	void bound(Datum as_of);
	bool all(KeySet<Key> *given);
	void wanted(KeySet<Key> *keys);
	int64 history(Key key, int64 max_rows);
	void set_page(Buffer buffer);
	void lock_page(Buffer buffer);
	void get_page(BlockNumber block);
	void release_page();
	void step_right();
	void skip_ignored();
	void move_right(const Target<Key> &target);
	Target<Key> target_of(const Key &key) const;
	bool descend(const Target<Key> *target, uint32 level);
	BlockNumber child(const Target<Key> *target);

	IndexTuple item(OffsetNumber offset) const;
	bool key_is_null(IndexTuple tuple) const;
	Key key_of(IndexTuple tuple) const;
	bool at_is_null(IndexTuple tuple) const;
	int64 at_of(IndexTuple tuple) const;
	bool is_after(IndexTuple tuple, int64 bound) const;
	bool before(OffsetNumber offset, const Target<Key> &target) const;
	bool is(OffsetNumber offset, const Key &key) const;
	bool ends_before(const Target<Key> &target) const;
	OffsetNumber first_at_least(OffsetNumber from, const Target<Key> &target) const;
	OffsetNumber first_in_time(OffsetNumber from) const;
	OffsetNumber end_of_key(OffsetNumber from, int64 guess) const;

	void start_key(const Key &key);
	void start_key_of_page(const Key &key);
	void copy_key();
	void forget_keys();
	bool was_given(const Key &key);
	void add_given(const Key &key);
	void add_wanted(const Key &key);
	OffsetNumber collect(OffsetNumber offset, int most);
	bool is_certain(BlockNumber block);
	OffsetNumber put_in_place(OffsetNumber offset, OffsetNumber end);
	void keep(IndexTuple tuple, ItemPointer tid, bool certain);
	void keep_value(Entry<Key> *entry, Datum value);
	void make_room(std::size_t entries);
	void read_key();
	bool read_page();
	void pass_page();
	bool leaves_key(Target<Key> *target);
	bool find_pages(const Key *keys, int count, BlockNumber *blocks);
	void read_pages(const Key *keys, int count, const BlockNumber *blocks);
	void open_heap();
	void look_up(std::size_t from, std::size_t to);
	void fetch(Entry<Key> *entry);
	void put(Entry<Key> *entry);
	void put_row(const Entry<Key> &entry);
	int64 give_all(std::size_t start, int64 max_rows);
	void finish_entries();
};

static_assert(std::is_trivially_destructible_v<LeafReader<UuidColumn>>);
static_assert(std::is_trivially_destructible_v<LeafReader<TextColumn>>);

template <typename Column>
LeafReader<Column>::LeafReader(const PriceTable &table, Relation heap, Relation index, RowSink sink)
	: heap_(heap),
	  index_(index),
	  sink_(sink),
	  snapshot_(GetActiveSnapshot()),
	  tids_only_(sink.tids_only),
	  whole_rows_(sink.whole_rows),
	  collation_(index->rd_indcollation[0]),
	  at_is_date_(table.at.base == DATEOID),
	  at_offset_(at_is_date_ ? INTALIGN(Column::size) : MAXALIGN(Column::size)),
	  without_time_first_(index->rd_index->indnkeyatts > 1 &&
                          (index->rd_indoption[1] & INDOPTION_NULLS_FIRST) != 0),
	  skip_null_(table.skip_null),
	  value_attnum_(table.value.attnum),
	  trust_dead_items_(!TransactionStartedDuringRecovery())
{
	if (table.value.attnum == 0)
		return;
	const FormData_pg_attribute *value =
		TupleDescAttr(RelationGetDescr(heap), table.value.attnum - 1);

	value_by_value_ = value->attbyval;
	value_length_ = value->attlen;
	for (int i = 0; i < index->rd_index->indnatts; ++i)
	{
		if (index->rd_index->indkey.values[i] == table.value.attnum &&
		    TupleDescAttr(RelationGetDescr(index), i)->atttypid == value->atttypid)
			value_position_ = i + 1;
	}
}

template <typename Column>
bool
LeafReader<Column>::read(Search<Key> *search)
{
	if (!open())
		return false;
	if (!search->as_of.isnull)
		bound(search->as_of.value);
	if (search->history != nullptr)
	{
		skip_null_ = false;  // it has them
		search->rows -= history(*search->history, search->rows);
	}
	else if (search->wanted != nullptr)
		wanted(search->wanted);
	else
		return all(search->given);
	return true;
}

template <typename Column>
bool
LeafReader<Column>::open()
{
	bool heap_keys = false;  // as all entries have since version 4
	bool equal_images = false;

	_bt_metaversion(index_, &heap_keys, &equal_images);
	if (heap_keys)
		pgstat_count_index_scan(index_);
	return heap_keys;
}

template <typename Column>
void
LeafReader<Column>::close()
{
	if (BufferIsValid(map_))
		ReleaseBuffer(map_);
	if (fetch_ != nullptr)
	{
		table_index_fetch_end(fetch_);
		ExecDropSingleTupleTableSlot(slot_);
	}
	if (values_ != nullptr)
		MemoryContextDelete(values_);
	if (keys_ != nullptr)
		MemoryContextDelete(keys_);
	if (entries_ != nullptr)
	{
		pfree(entries_);
		pfree(order_);
	}
}

template <typename Column>
void
LeafReader<Column>::bound(Datum as_of)
{
	bounded_ = true;
	as_of_ = at_is_date_ ? DatumGetDateADT(as_of) : DatumGetInt64(as_of);
}

// Memory is what takes time: what will be looked at is fetched ahead, into the processor's caches.

inline void
prefetch_head(Page page)
{
	constexpr int line = 64;

	for (int i = 0; i < 14; ++i)
		__builtin_prefetch(page + i * line);
	__builtin_prefetch(page + BLCKSZ - line);
}

inline void
prefetch_entry(Page page, int offset)
{
	const char *entry = page + ItemIdGetOffset(PageGetItemId(page, offset));

	__builtin_prefetch(entry);
	__builtin_prefetch(entry + 64);
}

// Where keys begin from this entry on if all have so many.
inline void
prefetch_keys(Page page, int64 from, int max, int64 length)
{
	for (int64 i = from; i <= max; i += Max(length, 4))
		prefetch_entry(page, static_cast<int>(i));
}

// Pages.

template <typename Column>
void
LeafReader<Column>::set_page(Buffer buffer)
{
	buffer_ = buffer;
	page_ = BufferGetPage(buffer);
	opaque_ = BTPageGetOpaque(page_);
	max_ = PageGetMaxOffsetNumber(page_);
}

// The buffer is pinned.
template <typename Column>
void
LeafReader<Column>::lock_page(Buffer buffer)
{
	prefetch_head(BufferGetPage(buffer));
	_bt_lockbuf(index_, buffer, BT_READ);
	_bt_checkpage(index_, buffer);
	set_page(buffer);
}

template <typename Column>
void
LeafReader<Column>::get_page(BlockNumber block)
{
	Assert(!BufferIsValid(buffer_));
	CHECK_FOR_INTERRUPTS();
	make_room(room_for_page_);
	lock_page(ReadBuffer(index_, block));
}

template <typename Column>
void
LeafReader<Column>::release_page()
{
	_bt_relbuf(index_, buffer_);
	buffer_ = InvalidBuffer;
}

template <typename Column>
void
LeafReader<Column>::step_right()
{
	const BlockNumber next = opaque_->btpo_next;

	Assert(!P_RIGHTMOST(opaque_));
	release_page();
	get_page(next);
}

template <typename Column>
void
LeafReader<Column>::skip_ignored()
{
	while (P_IGNORE(opaque_))
	{
		if (P_RIGHTMOST(opaque_))
			ereport(ERROR,
			        (errcode(ERRCODE_INDEX_CORRUPTED),
			         errmsg("fell off the end of index \"%s\"", RelationGetRelationName(index_))));
		step_right();
	}
}

// To the page that the target is on, which is this one or one that was split from it.
template <typename Column>
void
LeafReader<Column>::move_right(const Target<Key> &target)
{
	skip_ignored();
	while (ends_before(target))
	{
		step_right();
		skip_ignored();
	}
}

template <typename Column>
Target<typename Column::Key>
LeafReader<Column>::target_of(const Key &key) const
{
	return {key, false, bounded_, as_of_};
}

// To the page of the level, or of the leaves if the tree is lower, that has the first entry of the
// key, or the first of all.  false: there are no pages.
template <typename Column>
bool
LeafReader<Column>::descend(const Target<Key> *target, uint32 level)
{
	make_room(room_for_page_);
	Buffer root = get_btree_root(heap_, index_);

	if (!BufferIsValid(root))
		return false;
	Assert(!BufferIsValid(buffer_));
	set_page(root);
	for (;;)
	{
		if (target != nullptr)
			move_right(*target);
		else
			skip_ignored();
		if (opaque_->btpo_level <= level)
			return true;
		const BlockNumber next = child(target);
		[[maybe_unused]] const uint32 above = opaque_->btpo_level;
		release_page();
		get_page(next);
		Assert(P_IGNORE(opaque_) || opaque_->btpo_level == above - 1);
	}
}

// The last child that begins before the target: the first one's own key is less than any.
template <typename Column>
BlockNumber
LeafReader<Column>::child(const Target<Key> *target)
{
	OffsetNumber offset = P_FIRSTDATAKEY(opaque_);

	if (max_ < offset)
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
		                errmsg("index \"%s\" has an inner page without entries",
		                       RelationGetRelationName(index_))));
	if (target != nullptr)
		offset = OffsetNumberPrev(first_at_least(OffsetNumberNext(offset), *target));
	return BTreeTupleGetDownLink(item(offset));
}

// Entries of the page.

template <typename Column>
IndexTuple
LeafReader<Column>::item(OffsetNumber offset) const
{
	return reinterpret_cast<IndexTuple>(PageGetItem(page_, PageGetItemId(page_, offset)));
}

// Where an index tuple's columns begin, and the bits that say which are NULL.
inline const char *
columns_of(IndexTuple tuple)
{
	return reinterpret_cast<const char *>(tuple) + IndexInfoFindDataOffset(tuple->t_info);
}

inline const bits8 *
nulls_of(IndexTuple tuple)
{
	return reinterpret_cast<const bits8 *>(tuple) + sizeof(IndexTupleData);
}

// NULL keys are the last.
template <typename Column>
bool
LeafReader<Column>::key_is_null(IndexTuple tuple) const
{
	return IndexTupleHasNulls(tuple) && att_isnull(0, nulls_of(tuple));
}

template <typename Column>
typename Column::Key
LeafReader<Column>::key_of(IndexTuple tuple) const
{
	return Column::read(columns_of(tuple), collation_);
}

template <typename Column>
bool
LeafReader<Column>::at_is_null(IndexTuple tuple) const
{
	return IndexTupleHasNulls(tuple) && att_isnull(1, nulls_of(tuple));
}

template <typename Column>
int64
LeafReader<Column>::at_of(IndexTuple tuple) const
{
	const char *bytes = columns_of(tuple);

	if constexpr (Column::size > 0)
		bytes += at_offset_;
	else if (at_is_date_)
		bytes += INTALIGN(VARSIZE_ANY(bytes));
	else
		bytes += MAXALIGN(VARSIZE_ANY(bytes));
	return at_is_date_ ? load<int32>(bytes) : load<int64>(bytes);
}

// Whether the entry comes before those of times up to the bound.
template <typename Column>
bool
LeafReader<Column>::is_after(IndexTuple tuple, int64 bound) const
{
	return at_is_null(tuple) ? without_time_first_ : at_of(tuple) > bound;
}

// An entry of an inner page, or a high key, may lack the time: it is before all of its key then.
template <typename Column>
bool
LeafReader<Column>::before(OffsetNumber offset, const Target<Key> &target) const
{
	IndexTuple tuple = item(offset);

	if (key_is_null(tuple))
		return false;
	const Key key = key_of(tuple);
	if (!(target.bounded || target.after) || !(key == target.key))
		return key < target.key;
	if (target.after || BTreeTupleGetNAtts(tuple, index_) < 2)
		return true;
	return is_after(tuple, target.at);
}

template <typename Column>
bool
LeafReader<Column>::is(OffsetNumber offset, const Key &key) const
{
	IndexTuple tuple = item(offset);

	return !key_is_null(tuple) && key_of(tuple) == key;
}

// Whether the target can only be on a page to the right, as it is after a split.
template <typename Column>
bool
LeafReader<Column>::ends_before(const Target<Key> &target) const
{
	return !P_RIGHTMOST(opaque_) && before(P_HIKEY, target);
}

template <typename Column>
OffsetNumber
LeafReader<Column>::first_at_least(OffsetNumber from, const Target<Key> &target) const
{
	OffsetNumber low = from;
	OffsetNumber high = max_ + 1;

	while (low < high)
	{
		const OffsetNumber middle = low + (high - low) / 2;
		if (before(middle, target))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// The first entry that is not one of the key, or is of a time within the bound, or of none.
template <typename Column>
OffsetNumber
LeafReader<Column>::first_in_time(OffsetNumber from) const
{
	OffsetNumber low = from;
	OffsetNumber high = max_ + 1;

	while (bounded_ && low < high)
	{
		const OffsetNumber middle = low + (high - low) / 2;
		IndexTuple tuple = item(middle);
		if (is(middle, key_) && is_after(tuple, as_of_))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// The first entry that is not one of the key: near "guess" entries further, most often.
template <typename Column>
OffsetNumber
LeafReader<Column>::end_of_key(OffsetNumber from, int64 guess) const
{
	int low = from;       // all before are of the key
	int high = max_ + 1;  // those from here are not
	int step = 1;

	// Each round takes the one that it looks at out of those between low and high.
	for (int probe = low + static_cast<int>(Min(Max(guess, 0), max_)); low < high;)
	{
		if (probe >= high || probe < low)
			probe = low + (high - low) / 2;
		if (is(static_cast<OffsetNumber>(probe), key_))
		{
			low = probe + 1;
			probe = low + step - 1;
		}
		else
		{
			high = probe;
			probe = high - step;
		}
		step *= 2;
	}
	return static_cast<OffsetNumber>(low);
}

// Keeping entries.

// For so many more entries.
template <typename Column>
void
LeafReader<Column>::make_room(std::size_t entries)
{
	if (count_ + entries <= room_)
		return;
	room_ = std::max(count_ + entries, 2 * room_);
	if (entries_ == nullptr)
		entries_ = static_cast<Entry<Key> *>(
			MemoryContextAllocHuge(CurrentMemoryContext, room_ * sizeof(Entry<Key>)));
	else
	{
		entries_ = static_cast<Entry<Key> *>(repalloc_huge(entries_, room_ * sizeof(Entry<Key>)));
		pfree(order_);
	}
	order_ =
		static_cast<uint64 *>(MemoryContextAllocHuge(CurrentMemoryContext, room_ * sizeof(uint64)));
}

template <typename Column>
void
LeafReader<Column>::keep_value(Entry<Key> *entry, Datum value)
{
	if (value_by_value_)
	{
		entry->value = value;
		return;
	}
	const Size size = value_length_ == -1 ? VARSIZE_ANY(DatumGetPointer(value))
	                                      : datumGetSize(value, false, value_length_);
	entry->has_room = size <= sizeof entry->room;
	if (likely(entry->has_room))
	{
		memcpy(entry->room, DatumGetPointer(value), size);
		return;
	}
	if (values_ == nullptr)
		values_ = AllocSetContextCreate(CurrentMemoryContext, "listing_stats prices",
		                                ALLOCSET_DEFAULT_SIZES);
	char *copy = static_cast<char *>(MemoryContextAlloc(values_, size));
	memcpy(copy, DatumGetPointer(value), size);
	entry->value = PointerGetDatum(copy);
}

// Whether all rows of the block are visible to everybody, as visibilitymap_get_status() has it,
// which takes longer than the rest of what an entry takes.  The map's format is that of its file.
template <typename Column>
bool
LeafReader<Column>::is_certain(BlockNumber block)
{
	constexpr BlockNumber blocks_of_byte = BITS_PER_BYTE / BITS_PER_HEAPBLOCK;
	constexpr BlockNumber blocks_of_page =
		(BLCKSZ - MAXALIGN(SizeOfPageHeaderData)) * blocks_of_byte;

	if (tids_only_)
		return false;
	const BlockNumber number = block - map_first_;
	if (unlikely(map_bits_ == nullptr || number >= blocks_of_page))
	{
		const bool visible = VM_ALL_VISIBLE(heap_, block, &map_);
		map_bits_ = BufferIsValid(map_)
		                ? reinterpret_cast<const uint8 *>(PageGetContents(BufferGetPage(map_)))
		                : nullptr;
		map_first_ = block - block % blocks_of_page;
		return visible;
	}
	const uint8 byte = map_bits_[number / blocks_of_byte];
	const auto shift = number % blocks_of_byte * BITS_PER_HEAPBLOCK;
	return (byte >> shift & VISIBILITYMAP_ALL_VISIBLE) != 0;
}

// Gives entries of the key where they lie: from this one on, up to the first whose row is in doubt,
// or whose price cannot be taken so.  Returns where it stopped.
template <typename Column>
OffsetNumber
LeafReader<Column>::put_in_place(OffsetNumber offset, OffsetNumber end)
{
	const TupleDesc description = RelationGetDescr(index_);

	Assert(!bounded_ && value_position_ != 0);
	for (; offset < end; ++offset)
	{
		IndexTuple tuple = item(offset);
		bool null = false;
		if (trust_dead_items_ && ItemIdIsDead(PageGetItemId(page_, offset)))
			continue;
		if (IndexTupleHasNulls(tuple) || BTreeTupleIsPosting(tuple) ||
		    !is_certain(ItemPointerGetBlockNumber(&tuple->t_tid)) ||
		    !sink_.put_in_place(sink_.sink, at_of(tuple),
		                        index_getattr(tuple, value_position_, description, &null)))
			break;
	}
	return offset;
}

template <typename Column>
void
LeafReader<Column>::keep(IndexTuple tuple, ItemPointer tid, bool certain)
{
	Assert(count_ < room_);
	Entry<Key> *entry = &entries_[count_++];

	entry->key = key_;
	entry->at_null = tids_only_ || at_is_null(tuple);
	entry->at = entry->at_null ? 0 : at_of(tuple);
	entry->tid = *tid;
	entry->first = kept_ == 0;
	entry->more = false;
	entry->has_room = false;
	entry->value_null = true;
	if (value_position_ != 0 && !whole_rows_)
	{
		const Datum value =
			index_getattr(tuple, value_position_, RelationGetDescr(index_), &entry->value_null);
		if (!entry->value_null)
			keep_value(entry, value);
	}
	entry->state = tids_only_ || (certain && (value_position_ != 0 || whole_rows_))
	                   ? State::visible
	                   : State::doubtful;
	doubts_ = doubts_ || entry->state == State::doubtful;
	++kept_;
}

template <typename Column>
void
LeafReader<Column>::start_key(const Key &key)
{
	key_ = key;
	open_ = true;
	kept_ = 0;
}

// The same of a key that lies where the entry does.
template <typename Column>
void
LeafReader<Column>::start_key_of_page(const Key &key)
{
	start_key(key);
	if constexpr (std::is_same_v<Key, TextKey>)
	{
		if (keys_ == nullptr)
			keys_ = AllocSetContextCreate(CurrentMemoryContext, "listing_stats keys",
			                              ALLOCSET_DEFAULT_SIZES);
		copy_key();
	}
}

template <typename Column>
void
LeafReader<Column>::copy_key()
{
	const Size size = VARSIZE_ANY(key_.text);
	auto *copy = static_cast<struct varlena *>(MemoryContextAlloc(keys_, size));

	memcpy(copy, key_.text, size);
	key_.text = copy;
}

// Those that were copied, except the one that the pages are at.
template <typename Column>
void
LeafReader<Column>::forget_keys()
{
	if constexpr (std::is_same_v<Key, TextKey>)
	{
		if (keys_ == nullptr)
			return;
		MemoryContext old = keys_;
		keys_ = AllocSetContextCreate(MemoryContextGetParent(old), "listing_stats keys",
		                              ALLOCSET_DEFAULT_SIZES);
		copy_key();
		MemoryContextDelete(old);
	}
}

// Keeps entries of the key from this one on, which is not before the bound, until one is certain,
// "most" are kept (0: all), or there are no more within the bound or on the page.  Returns where it
// stopped.
template <typename Column>
OffsetNumber
LeafReader<Column>::collect(OffsetNumber offset, int most)
{
	// Of all entries it is known where they end before any is looked at.
	const OffsetNumber end = most == 0 ? end_of_key(offset, max_) : 0;
	if (in_place_)
		offset = put_in_place(offset, end);
	for (; open_ && (most == 0 ? offset < end : offset <= max_ && is(offset, key_)); ++offset)
	{
		IndexTuple tuple = item(offset);
		if (bounded_ && at_is_null(tuple))
		{
			open_ = false;
			break;
		}
		Assert(!bounded_ || at_of(tuple) <= as_of_);
		if (trust_dead_items_ && ItemIdIsDead(PageGetItemId(page_, offset)))
			continue;
		if (skip_null_ && value_position_ != 0 && IndexTupleHasNulls(tuple) &&
		    att_isnull(value_position_ - 1, nulls_of(tuple)))
			continue;
		const bool posting = BTreeTupleIsPosting(tuple);
		const int tids = posting ? BTreeTupleGetNPosting(tuple) : 1;
		for (int i = 0; open_ && i < tids; ++i)
		{
			ItemPointer tid = posting ? BTreeTupleGetPostingN(tuple, i) : &tuple->t_tid;
			const bool certain = is_certain(ItemPointerGetBlockNumber(tid));
			keep(tuple, tid, certain);
			if (most > 0 && (certain || kept_ == most))
			{
				open_ = false;
				entries_[count_ - 1].more = entries_[count_ - 1].state == State::doubtful;
			}
		}
	}
	return offset;
}

// The heap.

template <typename Column>
void
LeafReader<Column>::fetch(Entry<Key> *entry)
{
	ItemPointerData tid = entry->tid;
	bool again = false;

	if (!table_index_fetch_tuple(fetch_, &tid, snapshot_, slot_, &again, nullptr))
	{
		entry->state = State::gone;
		return;
	}
	entry->state = State::visible;
	if (value_position_ == 0 && !whole_rows_)
	{
		const Datum value = slot_getattr(slot_, value_attnum_, &entry->value_null);
		if (!entry->value_null)
			keep_value(entry, value);
	}
}

template <typename Column>
void
LeafReader<Column>::open_heap()
{
	if (fetch_ != nullptr)
		return;
	fetch_ = table_index_fetch_begin(heap_);
	slot_ = table_slot_create(heap_, nullptr);
}

// Those of order_, in the order of blocks.
template <typename Column>
void
LeafReader<Column>::look_up(std::size_t from, std::size_t to)
{
	open_heap();
	// With a comparison of ours: see core/sort.hpp.
	std::sort(order_ + from, order_ + to, [](uint64 a, uint64 b) { return a < b; });
	for (std::size_t i = from; i < to; ++i)
	{
		if (i % 64 == 0)
			CHECK_FOR_INTERRUPTS();
		Entry<Key> *entry = &entries_[order_[i] & PG_UINT32_MAX];
		fetch(entry);
		Assert(entry->state != State::doubtful);
	}
	ExecClearTuple(slot_);
}

template <typename Column>
void
LeafReader<Column>::put(Entry<Key> *entry)
{
	pg_uuid_t room;
	Datum value[3];
	bool null[] = {false, entry->at_null, entry->value_null};

	value[0] = key_datum(entry->key, &room);
	if (tids_only_)
	{
		value[1] = PointerGetDatum(&entry->tid);
		sink_.put(sink_.sink, value, null);
		return;
	}
	if (wanted_ != nullptr)
		add_wanted(entry->key);
	else if (given_ != nullptr)
		add_given(entry->key);
	if (whole_rows_)
	{
		put_row(*entry);
		return;
	}
	value[1] =
		at_is_date_ ? DateADTGetDatum(static_cast<DateADT>(entry->at)) : Int64GetDatum(entry->at);
	value[2] = entry->has_room ? PointerGetDatum(entry->room) : entry->value;
	sink_.put(sink_.sink, value, null);
}

// Without the columns that have been dropped: the slot's values are moved over them, and then
// cleared.
template <typename Column>
void
LeafReader<Column>::put_row(const Entry<Key> &entry)
{
	const TupleDesc description = RelationGetDescr(heap_);
	ItemPointerData tid = entry.tid;
	bool again = false;
	int count = 0;

	CHECK_FOR_INTERRUPTS();
	open_heap();
	if (!table_index_fetch_tuple(fetch_, &tid, snapshot_, slot_, &again, nullptr))
		elog(ERROR, "a row of table \"%s\" is not where its index has it",
		     RelationGetRelationName(heap_));
	slot_getallattrs(slot_);
	for (int i = 0; i < description->natts; ++i)
	{
		if (TupleDescAttr(description, i)->attisdropped)
			continue;
		slot_->tts_values[count] = slot_->tts_values[i];
		slot_->tts_isnull[count++] = slot_->tts_isnull[i];
	}
	sink_.put(sink_.sink, slot_->tts_values, slot_->tts_isnull);
	ExecClearTuple(slot_);
}

// Which keys are given.

template <typename Column>
bool
LeafReader<Column>::was_given(const Key &key)
{
	while (met_ < given_before_ && given_->key[met_] < key)
		++met_;
	return met_ < given_before_ && given_->key[met_] == key;
}

template <typename Column>
void
LeafReader<Column>::add_given(const Key &key)
{
	if (given_->count == given_room_)
	{
		given_room_ = std::max(2 * given_room_, std::size_t{1024});
		given_->key =
			given_->key == nullptr
				? make_keys<Key>(given_room_)
				: static_cast<Key *>(repalloc_huge(given_->key, given_room_ * sizeof(Key)));
	}
	Assert(given_->count == given_before_ || given_->key[given_->count - 1] < key);
	given_->key[given_->count++] = key;
}

// Keys are given in order, so those before it have no price.
template <typename Column>
void
LeafReader<Column>::add_wanted(const Key &key)
{
	Key *keys = wanted_->key;

	while (!(keys[asked_] == key))
	{
		Assert(asked_ + 1 < wanted_->count);
		keys[missing_++] = keys[asked_++];
	}
	++asked_;
}

// Gives the first visible entry of each key.
template <typename Column>
void
LeafReader<Column>::finish_entries()
{
	// Each round looks up the first entry that is left of every key.
	while (doubts_)
	{
		std::size_t lookups = 0;
		bool found = false;  // what there is to know of the key
		for (std::size_t i = 0; i < count_; ++i)
		{
			found = found && !entries_[i].first;
			if (found || entries_[i].state == State::gone)
				continue;
			found = true;
			if (entries_[i].state == State::doubtful)
				order_[lookups++] = place(entries_[i], i);
		}
		doubts_ = lookups > 0;
		if (doubts_)
			look_up(0, lookups);
	}
	const std::size_t count = count_;
	bool given = false;
	for (std::size_t i = 0; i < count; ++i)
	{
		Entry<Key> *entry = &entries_[i];
		given = given && !entry->first && !tids_only_;
		if (given)
			continue;
		given = entry->state == State::visible;
		if (given)
			put(entry);
		else if (entry->more)
		{
			// Appends its entries behind, and takes them away again.
			history(entry->key, 1);
			given = true;
		}
	}
	count_ = 0;
	doubts_ = false;
	if (values_ != nullptr)
		MemoryContextReset(values_);
	forget_keys();
}

// Reading keys.

// All keys, from left to right.  false: there is no memory for those that have been given.
template <typename Column>
bool
LeafReader<Column>::all(KeySet<Key> *given)
{
	Assert(given == nullptr || is_key_set(*given));
	Assert(given == nullptr || Column::size > 0);  // those that are given are not copied
	given_ = given;
	given_before_ = given == nullptr ? 0 : given->count;
	given_room_ = given_before_;
	met_ = 0;
	room_for_page_ = entries_of_page;
	open_ = false;
	kept_ = -1;  // no key has been read
	if (!descend(nullptr, 0))
		return true;
	for (bool more = true; more;)
	{
		const BlockNumber next = opaque_->btpo_next;
		Target<Key> target;
		bool leaves = false;
		more = !P_RIGHTMOST(opaque_);
		if (!P_IGNORE(opaque_))
		{
			more = read_page() && more;
			leaves = more && leaves_key(&target);
		}
		release_page();
		pass_page();
		// A key that goes on on the next page has all its entries in one batch.
		if (!open_ && (!doubts_ || count_ > rows_at_once))
			finish_entries();
		if (leaves)
		{
			target.key = key_;  // where it is now
			more = descend(&target, 0);
		}
		else if (more)
			get_page(next);
		if (given != nullptr && given->count * sizeof(Key) > get_hash_memory_limit())
		{
			if (BufferIsValid(buffer_))
				release_page();
			return false;
		}
	}
	finish_entries();
	if (given != nullptr && given_before_ > 0 && given->count > given_before_)
	{
		// In room of its own: std::inplace_merge would take memory that is not the server's.
		Key *merged = make_keys<Key>(given->count);
		std::merge(given->key, given->key + given_before_, given->key + given_before_,
		           given->key + given->count, merged,
		           [](const Key &a, const Key &b) { return a < b; });
		pfree(given->key);
		given->key = merged;
	}
	return true;
}

template <typename Column>
void
LeafReader<Column>::pass_page()
{
	if (++passed_ <= blocks_)
		return;
	blocks_ = RelationGetNumberOfBlocks(index_);
	if (passed_ > blocks_)
		ereport(
			ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
		     errmsg("index \"%s\" is not in the order of its keys",
		            RelationGetRelationName(index_)),
		     errhint("Make it anew: REINDEX INDEX %s. An index of texts has to be, when "
		             "their collation has changed.",
		             quote_qualified_identifier(get_namespace_name(RelationGetNamespace(index_)),
		                                        RelationGetRelationName(index_)))));
}

// Whether to go on at a target that is further right than the next page may be: where the key's
// wanted entries begin, or the next key does.
template <typename Column>
bool
LeafReader<Column>::leaves_key(Target<Key> *target)
{
	if (pages_ < pages_of_key)
		return false;
	*target = target_of(key_);
	if (!open_)
	{
		target->bounded = false;
		target->after = true;
	}
	if (!ends_before(*target))
		return false;
	Assert(max_ < P_FIRSTDATAKEY(opaque_) || before(max_, *target));
	pages_ = 0;
	return true;
}

// false: the keys from here on are NULL.
template <typename Column>
bool
LeafReader<Column>::read_page()
{
	OffsetNumber offset = P_FIRSTDATAKEY(opaque_);

	// The key that the page before ended with may go on.
	const int64 rest = kept_ < 0 ? 0 : Max(length_ - seen_, 0);
	prefetch_keys(page_, offset + rest, max_, length_);
	if (kept_ >= 0 && offset <= max_)
	{
		Assert(Column::size == 0 || key_is_null(item(offset)) || !(key_of(item(offset)) < key_));
		const OffsetNumber end =
			end_of_key(open_ ? collect(first_in_time(offset), doubts_per_key) : offset, rest - 1);
		seen_ += end - offset;
		open_ = open_ && end > max_;
		pages_ = end > max_ ? pages_ + 1 : 0;
		offset = end;
	}
	while (offset <= max_)
	{
		IndexTuple tuple = item(offset);
		if (key_is_null(tuple))
			return false;
		Assert(Column::size == 0 || kept_ < 0 || key_ < key_of(tuple));
		start_key_of_page(key_of(tuple));
		open_ = given_ == nullptr || !was_given(key_);
		const OffsetNumber end = end_of_key(
			open_ ? collect(first_in_time(offset), doubts_per_key) : offset, length_ - 2);
		seen_ = end - offset;
		if (end <= max_)
		{
			length_ = seen_;
			open_ = false;
		}
		offset = end;
	}
	return true;
}

// From the page on which key_ would begin, and those to the right of it.
template <typename Column>
void
LeafReader<Column>::read_key()
{
	const Target<Key> target = target_of(key_);

	move_right(target);
	OffsetNumber offset = first_at_least(P_FIRSTDATAKEY(opaque_), target);
	for (;;)
	{
		offset = collect(offset, tids_only_ ? 0 : doubts_per_key);
		if (!open_ || offset <= max_ || P_RIGHTMOST(opaque_) ||
		    (!is(P_HIKEY, key_) && !ends_before(target)))
			return;
		step_right();
		skip_ignored();
		offset = P_FIRSTDATAKEY(opaque_);
	}
}

// The leaf page of each key; keys are in order.  false: there are no pages.
template <typename Column>
bool
LeafReader<Column>::find_pages(const Key *keys, int count, BlockNumber *blocks)
{
	for (int i = 0; i < count; ++i)
	{
		const Target<Key> target = target_of(keys[i]);
		if (BufferIsValid(buffer_) && ends_before(target))
			release_page();
		if (!BufferIsValid(buffer_) && !descend(&target, 1))
			return false;
		blocks[i] = opaque_->btpo_level == 0 ? BufferGetBlockNumber(buffer_) : child(&target);
	}
	release_page();
	return true;
}

// What comes next reads pages that are pinned but not locked, to know what to fetch of them.
// Nothing that is read there is relied on.

// Where the binary search will look first.
inline void
prefetch_entries(Buffer buffer)
{
	Page page = BufferGetPage(buffer);
	const int max = PageGetMaxOffsetNumber(page);

	for (int i = 1; i < 8; ++i)
	{
		const int offset = 2 + (max - 2) * i / 8;
		if (offset > 0 && offset <= max && offset <= MaxIndexTuplesPerPage)
			prefetch_entry(page, offset);
	}
}

// And where it will go from there.
template <typename Column>
void
prefetch_range(Buffer buffer, const typename Column::Key &key)
{
	constexpr int entries_of_last = 20;
	Page page = BufferGetPage(buffer);
	int low = 2;
	int high = PageGetMaxOffsetNumber(page) + 1;

	if (high > MaxIndexTuplesPerPage + 1)
		return;
	while (high - low > entries_of_last)
	{
		const int middle = low + (high - low) / 2;
		const unsigned offset = ItemIdGetOffset(PageGetItemId(page, middle));
		if (offset + 2 * sizeof(IndexTupleData) + Column::size > BLCKSZ)
			return;
		IndexTuple tuple = reinterpret_cast<IndexTuple>(page + offset);
		if (Column::read(columns_of(tuple), InvalidOid) < key)
			low = middle + 1;
		else
			high = middle;
	}
	for (int i = low; i < high; ++i)
		prefetch_entry(page, i);
}

template <typename Column>
void
LeafReader<Column>::read_pages(const Key *keys, int count, const BlockNumber *blocks)
{
	Buffer ahead[pages_ahead];
	int pinned = 0;  // keys whose page is pinned, or shares one that is
	int pins = 0;    // pages pinned so far
	int read = 0;    // and read

	for (int i = 0; i < count; ++read)
	{
		for (; pinned < count && pins < read + pages_ahead; ++pins)
		{
			Buffer buffer = ReadBuffer(index_, blocks[pinned]);
			prefetch_head(BufferGetPage(buffer));
			ahead[pins % pages_ahead] = buffer;
			while (pinned < count && blocks[pinned] == BufferGetBlockNumber(buffer))
				++pinned;
		}
		if (read + pages_ahead / 2 < pins)
			prefetch_entries(ahead[(read + pages_ahead / 2) % pages_ahead]);
		if constexpr (Column::size > 0)  // other keys are compared under the page's lock alone
		{
			if (read + pages_ahead / 4 < pins)
			{
				// Where keys share pages it is a guess which will be the first.
				const int then = Min(i + pages_ahead / 4, count - 1);
				prefetch_range<Column>(ahead[(read + pages_ahead / 4) % pages_ahead], keys[then]);
			}
		}
		const BlockNumber block = blocks[i];
		int end = i;
		while (end < count && blocks[end] == block)
			++end;
		make_room(tids_only_ ? entries_of_page
		                     : static_cast<std::size_t>(end - i) * doubts_per_key);
		lock_page(ahead[read % pages_ahead]);
		for (; i < end; ++i)
		{
			start_key(keys[i]);
			read_key();
		}
		release_page();
		CHECK_FOR_INTERRUPTS();
	}
}

// Those that have no price are left in the set.
template <typename Column>
void
LeafReader<Column>::wanted(KeySet<Key> *keys)
{
	BlockNumber blocks[keys_at_once];
	const std::size_t count = keys->count;

	Assert(is_key_set(*keys));
	wanted_ = keys;
	room_for_page_ = tids_only_ ? entries_of_page : 0;
	for (std::size_t i = 0; i < count;)
	{
		const int now = static_cast<int>(Min(count - i, static_cast<std::size_t>(keys_at_once)));
		if (!find_pages(keys->key + i, now, blocks))
			break;
		read_pages(keys->key + i, now, blocks);
		i += static_cast<std::size_t>(now);
		if (!doubts_ || count_ > rows_at_once)
			finish_entries();
	}
	finish_entries();
	while (asked_ < count)
		keys->key[missing_++] = keys->key[asked_++];
	keys->count = missing_;
}

// Gives the visible ones of the entries from "start" on, at most so many; a slice at a time, since
// few may be wanted of many.  Returns how many.
template <typename Column>
int64
LeafReader<Column>::give_all(std::size_t start, int64 max_rows)
{
	int64 rows = 0;

	for (std::size_t i = start; i < count_ && rows != max_rows;)
	{
		const std::size_t end =
			max_rows < 0 ? count_ : Min(count_, i + static_cast<std::size_t>(Max(max_rows, slice)));
		std::size_t lookups = start;
		for (std::size_t j = i; doubts_ && j < end; ++j)
		{
			if (entries_[j].state == State::doubtful)
				order_[lookups++] = place(entries_[j], j);
		}
		if (lookups > start)
			look_up(start, lookups);
		for (; i < end && rows != max_rows; ++i)
		{
			if (entries_[i].state != State::visible)
				continue;
			put(&entries_[i]);
			++rows;
		}
	}
	return rows;
}

// Gives the prices of one key, page by page, at most so many if max_rows is not negative; returns
// how many.  Their entries stand behind those that are there, and are gone again when it returns,
// and so is what it has read of the key.
template <typename Column>
int64
LeafReader<Column>::history(Key key, int64 max_rows)
{
	const std::size_t start = count_;
	const Key key_before = key_;
	const bool open_before = open_;
	const int kept_before = kept_;
	int64 rows = 0;

	const Target<Key> target = target_of(key);
	const std::size_t room_before = room_for_page_;

	if (max_rows == 0)
		return 0;
	const bool in_place = sink_.put_in_place != nullptr && max_rows < 0 && value_position_ != 0;
	room_for_page_ = entries_of_page;
	if (!descend(&target, 0))
	{
		room_for_page_ = room_before;
		return 0;
	}
	start_key(key);
	OffsetNumber offset = first_at_least(P_FIRSTDATAKEY(opaque_), target);
	for (bool more = true; more;)
	{
		const BlockNumber next = opaque_->btpo_next;
		if (!P_IGNORE(opaque_))
		{
			in_place_ = in_place;
			offset = collect(offset, 0);
			in_place_ = false;
			more =
				offset > max_ && !P_RIGHTMOST(opaque_) && (is(P_HIKEY, key) || ends_before(target));
		}
		else if (P_RIGHTMOST(opaque_))
			skip_ignored();
		release_page();
		rows += give_all(start, max_rows < 0 ? -1 : max_rows - rows);
		count_ = start;
		more = more && rows != max_rows;
		if (more)
		{
			if (in_place)
				sink_.make_room(sink_.sink, MaxIndexTuplesPerPage);
			get_page(next);
			offset = P_FIRSTDATAKEY(opaque_);
		}
	}
	room_for_page_ = room_before;
	key_ = key_before;
	open_ = open_before;
	kept_ = kept_before;
	return rows;
}

// Reading a table.

template <typename Column>
bool
read_index(const PriceTable &table, Relation relation, Search<typename Column::Key> *search)
{
	Assert(CheckRelationLockedByMe(relation, AccessShareLock, true));
	if (!OidIsValid(table.index))
		return false;
	Relation index = index_open(table.index, AccessShareLock);
	bool done = false;
	if (index_is_usable(index))
	{
		LeafReader<Column> reader(table, relation, index, search->sink);
		done = reader.read(search);
		reader.close();
	}
	index_close(index, NoLock);  // until the transaction ends, as a query's
	return done;
}

}  // namespace

bool
read_leaves(const PriceTable &table, Relation relation, Search<IntegerKey> *search)
{
	return table.key.base == INT4OID ? read_index<SmallIntegerColumn>(table, relation, search)
	                                 : read_index<IntegerColumn>(table, relation, search);
}

bool
read_leaves(const PriceTable &table, Relation relation, Search<UuidKey> *search)
{
	return read_index<UuidColumn>(table, relation, search);
}

bool
read_leaves(const PriceTable &table, Relation relation, Search<TextKey> *search)
{
	return read_index<TextColumn>(table, relation, search);
}

bool
read_tids_from_leaves(Relation relation, Relation index, const ResolvedColumn &key, Datum array,
                      RowSink sink)
{
	PriceTable listings = {};
	listings.key = key;
	listings.index = RelationGetRelid(index);
	sink.tids_only = true;
	const auto read = [&](auto any) {
		Search<decltype(any)> search = {};
		auto keys = keys_of_array<decltype(any)>(array, InvalidOid);
		search.wanted = &keys;
		search.sink = sink;
		const bool done = read_leaves(listings, relation, &search);
		pfree(keys.key);
		return done;
	};

	return key.base == UUIDOID ? read(UuidKey{}) : read(IntegerKey{});
}

}  // namespace listing_stats
