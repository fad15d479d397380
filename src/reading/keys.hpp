// Keys of listings as the readers of pages hold them: integers as bigint, a uuid as its bytes.
//
// They compare as the btree of their type has them, without calling the server.  A KeySet is in
// ascending order, each key once, and its array is the caller's to free; readers rest on that order
// and check it by an assertion.
#pragma once

#include "server/postgres.hpp"

#include <algorithm>

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

// The least key that is greater; false: there is none.
inline bool
next_key(IntegerKey *key)
{
	return !__builtin_add_overflow(key->value, 1, &key->value);
}

inline bool
next_key(UuidKey *key)
{
	++key->low;
	if (key->low == 0)
		++key->high;
	return key->low != 0 || key->high != 0;
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

// "type" is that of the value: integer, bigint or uuid.
inline void
set_key(IntegerKey *key, Oid type, Datum value)
{
	key->value = type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
}

inline void
set_key(UuidKey *key, Oid, Datum value)
{
	*key = load_uuid(static_cast<const char *>(DatumGetPointer(value)));
}

// As bigint or uuid.
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

template <typename Key>
void
sort_keys(KeySet<Key> *set)
{
	// With comparisons of ours: see core/sort.hpp.
	const auto less = [](const Key &a, const Key &b) { return a < b; };
	const auto same = [](const Key &a, const Key &b) { return a == b; };
	Key *end = set->key + set->count;

	if (!std::is_sorted(set->key, end, less))
		std::sort(set->key, end, less);
	set->count = static_cast<std::size_t>(std::unique(set->key, end, same) - set->key);
}

// Those of an array of bigint or uuid; NULLs are none.
template <typename Key>
KeySet<Key>
keys_of_array(Datum array)
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
		if constexpr (sizeof(Key) == sizeof(int64))
			set.key[set.count++] = {load<int64>(bytes)};
		else
			set.key[set.count++] = load_uuid(bytes);
		bytes += sizeof(Key);
	}
	sort_keys(&set);
	return set;
}

}  // namespace listing_stats
