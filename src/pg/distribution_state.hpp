// The block of a distribution in the server's memory: how it is made, found in a datum, and grown.
//
// It is a varlena with room to spare, changed in place.  VARSIZE covers the room.  When the room is
// used up, a block of twice the size comes from the current memory context; whoever keeps the
// block, an aggregate node for one, copies what is returned and frees what it had.
#pragma once

#include "pg/pg.hpp"

#include "core/distribution.hpp"
#include "pg/numerics.hpp"

namespace listing_stats {

Distribution *new_distribution();

// A block that can be changed only if the datum itself can; detoasted, with a long header, aligned.
Distribution *distribution_of(Datum datum);

inline bool
has_room(const Distribution *distribution, std::size_t bytes)
{
	return VARSIZE(distribution) - sizeof(Distribution) - distribution->used >= bytes;
}

inline void
append_scaled(Distribution *distribution, int64 value)
{
	distribution->values()[distribution->finite_count++] = value;
	distribution->used += sizeof(int64);
}

// These return the block, which may have moved.
[[nodiscard]] Distribution *make_room(Distribution *distribution, std::size_t bytes);
[[nodiscard]] Distribution *add_number(Distribution *distribution, NumericBytes bytes);
[[nodiscard]] Distribution *merge(Distribution *into, const Distribution *other);

// Ends the block where its content does: the room holds garbage, and a value that leaves the
// aggregates must be the same bytes each time.
void drop_room(Distribution *distribution);

void count_special(Distribution *distribution, NumberKind kind, int64 times);

// The numerics of a wide distribution, in the order in which they came.  Comparing keys first saves
// the way to numbers scattered in memory.
struct WideValue
{
	int64 key;
	Numeric number;
};

WideValue *wide_values(const Distribution *distribution);

inline bool
is_less(const WideValue &a, const WideValue &b)
{
	return a.key != b.key ? a.key < b.key : compare(a.number, b.number) < 0;
}

}  // namespace listing_stats
