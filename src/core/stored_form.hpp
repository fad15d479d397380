// A multiset as bytes, on disk and on the wire, the same on every machine:
//
//     version        1 byte, Form::stored
//     flags          1 byte, stored_wide | stored_counts
//     scale          varint (bytes.hpp)
//     counts         varints: nulls, NaNs, infinities, negative infinities; where not all are 0
//     finite values  varint, how many there are
//     runs           varint, how many different ones
//     then ascending, for each different finite value
//         the first: itself in zigzag; others: the difference from the one before, less
//         one.  Its six low bits are in one byte, with bit 6 set where the value occurs more than
//         once, and bit 7 where a varint with the remaining bits follows
//         how often it occurs, less two: a varint, where it occurs more than once
//     or, of a wide one,
//         entries: how often, less one; twice the weight in zigzag, plus one where negative; how
//         many digits; the digits, two bytes each, low byte first.  All are varints except the
//         digits
//
// Two decimals' worth of prices take one or two bytes each.  Whatever is read is checked: reading
// allocates no more than a fixed multiple of the bytes that are there.
#pragma once

#include "core/bytes.hpp"
#include "core/ranking.hpp"

namespace listing_stats {

constexpr std::size_t max_header_size = 2 + 7 * max_varint_size;

// Enough for any multiset of so many runs.
[[nodiscard]] std::size_t stored_size_bound(const Ranking &ranking) noexcept;

// Returns the number of bytes written.
std::size_t write_stored(const Ranking &ranking, unsigned char *out,
                         const Environment &environment) noexcept;

// Reads a ranking except its runs.  False: the bytes do not begin with such a header.  The first
// max_header_size of them suffice.
[[nodiscard]] bool read_stored_header(ByteReader &reader, Ranking &ranking) noexcept;

// Reads one of the runs behind a header that is not wide.  The run is the one before; its count is
// 0 for the first.  False: these are not the bytes of the next one.
[[nodiscard]] bool read_run(ByteReader &reader, Run &run) noexcept;

// False: these bytes are not exactly one multiset.
[[nodiscard]] bool read_stored(const void *data, std::size_t size, const Environment &environment,
                               Ranking &ranking) noexcept;

// The entries of wide multisets.
constexpr std::size_t min_entry_size = 3;
constexpr std::size_t max_entry_header_size = 3 * max_varint_size;
void write_entry(ByteWriter &writer, const Decimal &decimal, std::int64_t count) noexcept;
// Digits go where digits points to, which moves on; false: this is no entry.
[[nodiscard]] bool read_entry(ByteReader &reader, WideRun &run, std::uint16_t *&digits) noexcept;

// Negative, zero or positive: an order of multisets that agrees with their equality as sets of
// numbers, whatever their scales.
[[nodiscard]] int compare_rankings(const Ranking &a, const Ranking &b,
                                   void (*check_interrupts)()) noexcept;

// Equal for equal multisets.
[[nodiscard]] std::uint64_t hash_ranking(const Ranking &ranking, std::uint64_t seed,
                                         void (*check_interrupts)()) noexcept;

}  // namespace listing_stats
