// Characters that fill a cell from its foot, for sparklines and bars: blocks where the encoding of
// the database is UTF-8, and ASCII elsewhere, since hardly another has all of them.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

constexpr int full_block = 8;
constexpr Size longest_block = 3;  // in bytes

// From the empty cell to the full block.
inline const char *const *
block_characters()
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const letters[] = {" ", "_", ".", "-", "~", "=", "+", "*", "#"};

	return GetDatabaseEncoding() == PG_UTF8 ? blocks : letters;
}

}  // namespace listing_stats
