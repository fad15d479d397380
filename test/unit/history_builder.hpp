// Builds histories for tests, and answers what a history must be by other means: containers and
// sorting, nothing packed.
#pragma once

#include "core/step_questions.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace listing_stats {

// How often long work has paused.
inline std::size_t pauses = 0;

inline void
check_interrupts()
{
	++pauses;
}

// Rows with wide prices, which lie in a buffer of their own.
struct Collection
{
	std::vector<HistoryRow> rows;
	std::vector<unsigned char> wide;
	int scale = 0;

	Prices prices() const
	{
		return Prices{scale, wide.data() + wide.size(), static_cast<std::uint32_t>(wide.size())};
	}

	// Wide numbers are named by their distance from the end, so new ones come first.
	std::int64_t add_wide(const unsigned char *numeric, std::size_t size)
	{
		const auto length = static_cast<std::uint32_t>(size);
		std::vector<unsigned char> item(4 + size);
		std::memcpy(item.data(), &length, 4);
		std::memcpy(item.data() + 4, numeric, size);
		wide.insert(wide.begin(), item.begin(), item.end());
		return wide_price(static_cast<std::uint32_t>(wide.size()));
	}
};

// Exactly as many bytes as are needed, so that a sanitizer sees one too many.  And the same steps
// as they are.
struct Packed
{
	std::vector<HistoryRow> steps;
	std::vector<unsigned char> wide;
	History unpacked = {};
	std::unique_ptr<unsigned char[]> bytes;
	std::size_t size = 0;
	History history = {};
};

inline Packed
pack_all(const Collection &collection)
{
	Packed packed;
	packed.wide = collection.wide;
	const Prices prices = {collection.scale, packed.wide.data() + packed.wide.size(),
	                       static_cast<std::uint32_t>(packed.wide.size())};
	std::vector<HistoryRow> &rows = packed.steps;
	rows = collection.rows;
	rows.resize(sort_rows(rows.data(), rows.size(), prices, check_interrupts));
	packed.unpacked = history_of_steps(rows.data(), static_cast<std::uint32_t>(rows.size()), prices,
	                                   check_interrupts);
	const PackingPlan plan = plan_packing(rows.data(), rows.size(), prices, check_interrupts);
	packed.size = plan.size;
	packed.bytes = std::make_unique<unsigned char[]>(plan.size);
	pack(rows.data(), rows.size(), prices, plan, packed.bytes.get(), check_interrupts);
	if (!parse_history(packed.bytes.get(), packed.size, check_interrupts, packed.history))
		packed.history.count = UINT32_MAX;
	return packed;
}

// The rows in force, by their times.
inline std::map<std::int64_t, HistoryRow>
naive_steps(const Collection &collection)
{
	std::map<std::int64_t, HistoryRow> steps;
	for (const HistoryRow &row : collection.rows)
	{
		const auto found = steps.find(row.at);
		if (found == steps.end() || row.tie > found->second.tie ||
		    (row.tie == found->second.tie &&
		     compare_prices(collection.prices(), row.price, found->second.price) > 0))
			steps[row.at] = row;
	}
	return steps;
}

// A price of the packed history and one of the collection are the same, to the byte if wide.
inline bool
same_price(const Prices &a_prices, std::int64_t a, const Prices &b_prices, std::int64_t b)
{
	if (!is_wide(a) || !is_wide(b))
		return a == b;
	const Bytes x = wide_bytes(a_prices, a);
	const Bytes y = wide_bytes(b_prices, b);
	return x.size > 0 && x.size == y.size && std::memcmp(x.data, y.data, x.size) == 0;
}

inline bool
holds_steps(const Packed &packed, const Collection &collection)
{
	const auto steps = naive_steps(collection);
	if (packed.history.count != steps.size() || packed.unpacked.count != steps.size())
		return false;
	std::vector<HistoryRow> rows(steps.size());
	std::vector<unsigned char> scratch(packed.size);
	if (!read_steps(packed.history, rows.data()) ||
	    !is_canonical(packed.history, rows.data(), packed.bytes.get(), packed.size, scratch.data()))
		return false;
	std::size_t i = 0;
	for (const auto &[at, row] : steps)
	{
		const HistoryRow &read = rows[i++];
		if (read.at != at || read.tie != row.tie ||
		    !same_price(packed.history.prices, read.price, collection.prices(), row.price))
			return false;
	}
	return true;
}

}  // namespace listing_stats
