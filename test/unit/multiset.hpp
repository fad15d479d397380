// Blocks to test with, and the memory that the core asks for.
#pragma once

#include "core/stored_form.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

inline std::size_t allocated = 0;  // bytes, ever
inline std::size_t pauses = 0;
inline std::vector<void *> memory;

inline constexpr listing_stats::Environment test_environment = {[](std::size_t size) {
																	allocated += size;
																	return memory.emplace_back(
																		std::malloc(size));
																},
                                                                [](void *) {}, [] { ++pauses; }};

inline void
free_memory()
{
	for (void *one : memory)
		std::free(one);
	memory.clear();
}

// A block of values, each once, and runs, in the order given.
class TestBlock
{
public:
	TestBlock(const std::vector<std::int64_t> &values, const std::vector<listing_stats::Run> &runs,
	          int scale)
		: memory_(6 + values.size() + 2 * runs.size() + 3)
	{
		listing_stats::Distribution &header = start(scale);
		header.used = static_cast<std::uint32_t>(values.size());
		header.run_count = static_cast<std::uint32_t>(runs.size());
		std::copy(values.begin(), values.end(), header.values());
		std::copy(runs.begin(), runs.end(), block().runs());
	}

	// A wide one, of numbers as the server writes them.
	TestBlock(const std::vector<std::vector<unsigned char>> &numbers, int scale)
		: memory_(6 + 16 * numbers.size())
	{
		listing_stats::Distribution &header = start(scale);
		header.wide = 1;
		listing_stats::ByteWriter writer(header.entries());
		for (const auto &number : numbers)
		{
			listing_stats::Decimal decimal{};
			if (!listing_stats::parse_decimal(number.data(), number.size(), decimal))
				std::abort();
			listing_stats::write_entry(writer, decimal, 1);
		}
		header.used = static_cast<std::uint32_t>(writer.size());
	}

	listing_stats::Block block()
	{
		return {reinterpret_cast<listing_stats::Distribution *>(memory_.data()),
		        memory_.size() * sizeof(std::int64_t)};
	}
	listing_stats::Distribution &header() { return *block().distribution; }

private:
	listing_stats::Distribution &start(int scale)
	{
		listing_stats::Distribution &result = header();
		result.form = listing_stats::Form::growing;
		result.scale = static_cast<std::uint16_t>(scale);
		return result;
	}

	std::vector<std::int64_t> memory_;
};
