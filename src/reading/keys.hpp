// Keys of listings as the readers of pages hold them: integers as bigint, a uuid as its bytes, a
// text where it lies.
//
// They compare as the btree of their type has them: texts by the server, the others without it.
// A KeySet is in ascending order, each key once, and its array is the caller's to free; readers
// rest on that order and check it by an assertion.
#pragma once

#include "server/postgres.hpp"

#include <algorithm>
#include <type_traits>

namespace listing_stats {

struct IntegerKey
{
	int64 value;
};

struct UuidKey
{
	uint64 high;
	uint64 low;
};

// In a collation in which only equal bytes are equal.
struct TextKey
{
	struct varlena *text;  // can be compressed, but not stored elsewhere, as in an index
	Oid collation;
};

inline bool
operator<(IntegerKey a, IntegerKey b)
{
	return a.value < b.value;
}

inline bool
operator<(UuidKey a, UuidKey b)
{
	return a.high < b.high || (a.high == b.high && a.low < b.low);
}

inline bool
operator==(IntegerKey a, IntegerKey b)
{
	return a.value == b.value;
}

inline bool
operator==(UuidKey a, UuidKey b)
{
	return a.high == b.high && a.low == b.low;
}

// Calls "use" for the texts as they are when they are not compressed, and leaves no memory behind.
template <typename Use>
auto
with_texts(TextKey a, TextKey b, const Use &use)
{
	struct varlena *text_a =
		VARATT_IS_COMPRESSED(a.text) ? pg_detoast_datum_packed(a.text) : a.text;
	struct varlena *text_b =
		VARATT_IS_COMPRESSED(b.text) ? pg_detoast_datum_packed(b.text) : b.text;
	const auto result = use(VARDATA_ANY(text_a), static_cast<int>(VARSIZE_ANY_EXHDR(text_a)),
	                        VARDATA_ANY(text_b), static_cast<int>(VARSIZE_ANY_EXHDR(text_b)));

	if (text_a != a.text)
		pfree(text_a);
	if (text_b != b.text)
		pfree(text_b);
	return result;
}

inline int
compare_texts(const void *a, const void *b, void *)
{
	const TextKey first = *static_cast<const TextKey *>(a);

	return with_texts(first, *static_cast<const TextKey *>(b),
	                  [&first](char *text_a, int size_a, char *text_b, int size_b) {
						  return varstr_cmp(text_a, size_a, text_b, size_b, first.collation);
					  });
}

inline bool
operator<(TextKey a, TextKey b)
{
	return compare_texts(&a, &b, nullptr) < 0;
}

inline bool
operator==(TextKey a, TextKey b)
{
	return with_texts(a, b, [](char *text_a, int size_a, char *text_b, int size_b) {
		return size_a == size_b && memcmp(text_a, text_b, static_cast<Size>(size_a)) == 0;
	});
}

template <typename T>
T
load(const char *bytes)
{
	T value;
	memcpy(&value, bytes, sizeof value);
	return value;
}

inline UuidKey
load_uuid(const char *bytes)
{
	return {pg_ntoh64(load<uint64>(bytes)), pg_ntoh64(load<uint64>(bytes + 8))};
}

// "type" is that of the value: integer or bigint, uuid, or text, of which the collation is asked.
inline void
set_key(IntegerKey *key, Oid type, Oid, Datum value)
{
	key->value = type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
}

inline void
set_key(UuidKey *key, Oid, Oid, Datum value)
{
	*key = load_uuid(static_cast<const char *>(DatumGetPointer(value)));
}

inline void
set_key(TextKey *key, Oid, Oid collation, Datum value)
{
	*key = {pg_detoast_datum_packed(reinterpret_cast<struct varlena *>(DatumGetPointer(value))),
	        collation};
}

// As bigint, uuid or text.
inline Datum
key_datum(IntegerKey key, pg_uuid_t *)
{
	return Int64GetDatum(key.value);
}

inline Datum
key_datum(UuidKey key, pg_uuid_t *room)
{
	const uint64 bytes[] = {pg_hton64(key.high), pg_hton64(key.low)};

	memcpy(room->data, bytes, UUID_LEN);
	return UUIDPGetDatum(room);
}

inline Datum
key_datum(TextKey key, pg_uuid_t *)
{
	return PointerGetDatum(key.text);
}

// Keys in order, each once.
template <typename Key>
struct KeySet
{
	Key *key;
	std::size_t count;
};

// What its readers rest on.
template <typename Key>
bool
is_key_set(const KeySet<Key> &set)
{
	for (std::size_t i = 1; i < set.count; ++i)
	{
		if (!(set.key[i - 1] < set.key[i]))
			return false;
	}
	return true;
}

template <typename Key>
Key *
make_keys(std::size_t count)
{
	return static_cast<Key *>(MemoryContextAllocHuge(
		CurrentMemoryContext, sizeof(Key) * std::max(count, std::size_t{1})));
}

template <typename Item>
int
compare_items(const void *a, const void *b, void *)
{
	const Item &first = *static_cast<const Item *>(a);
	const Item &second = *static_cast<const Item *>(b);

	return first < second ? -1 : second < first;
}

// Keys, or integers.
template <typename Item>
void
sort_items(Item *items, std::size_t count)
{
	constexpr std::size_t few = 65536;  // a few milliseconds

	// What the server compares may be slow, and may end in an error.
	if constexpr (std::is_same_v<Item, TextKey>)
		qsort_interruptible(items, count, sizeof(Item), compare_texts, nullptr);
	else if (count > few)
		qsort_interruptible(items, count, sizeof(Item), compare_items<Item>, nullptr);
	else  // with a comparison of ours: see core/sort.hpp
		std::sort(items, items + count, [](const Item &a, const Item &b) { return a < b; });
}

template <typename Key>
void
sort_keys(KeySet<Key> *set)
{
	const auto less = [](const Key &a, const Key &b) { return a < b; };
	const auto same = [](const Key &a, const Key &b) { return a == b; };
	Key *end = set->key + set->count;

	if (!std::is_sorted(set->key, end, less))
		sort_items(set->key, set->count);
	set->count = static_cast<std::size_t>(std::unique(set->key, end, same) - set->key);
}

// Those of an array of bigint, uuid or text; NULLs are none.  A text stays in the array.
template <typename Key>
KeySet<Key>
keys_of_array(Datum array, Oid collation)
{
	ArrayType *value = DatumGetArrayTypeP(array);
	const auto count = static_cast<std::size_t>(ArrayGetNItems(ARR_NDIM(value), ARR_DIMS(value)));
	const bits8 *known = ARR_NULLBITMAP(value);
	const char *bytes = ARR_DATA_PTR(value);
	KeySet<Key> set = {make_keys<Key>(count), 0};

	for (std::size_t i = 0; i < count; ++i)
	{
		if (known != nullptr && (known[i / 8] & 1 << i % 8) == 0)
			continue;
		if constexpr (std::is_same_v<Key, TextKey>)
		{
			bytes =
				reinterpret_cast<const char *>(att_align_pointer(bytes, TYPALIGN_INT, -1, bytes));
			set_key(&set.key[set.count++], TEXTOID, collation, PointerGetDatum(bytes));
			bytes += VARSIZE_ANY(bytes);
		}
		else if constexpr (std::is_same_v<Key, IntegerKey>)
		{
			set.key[set.count++] = {load<int64>(bytes)};
			bytes += sizeof(int64);
		}
		else
		{
			set.key[set.count++] = load_uuid(bytes);
			bytes += UUID_LEN;
		}
	}
	sort_keys(&set);
	return set;
}

}  // namespace listing_stats
