// Arbitrary bytes as a history: read within their bounds, and accepted only in the one packed form.
// Then the same bytes as rows, packed and compared with what a map makes of them.
#include "../unit/history_builder.hpp"

using namespace listing_stats;

namespace {

void
require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

void
check_reading(const unsigned char *bytes, std::size_t size)
{
	History history;
	if (!parse_history(bytes, size, check_interrupts, history))
		return;
	Step step;
	double prices[7];
	unsigned char cells[7];
	(void) last_step(history, step);
	(void) extreme_in(history, {-1000, 1000, true}, 1, step);
	(void) latest_and_previous(history);
	(void) last_reduction(history);
	(void) durations_in(history, {-1000, 1000, true});
	draw(history, -1000, 1000, prices, cells, sizeof cells, 8);
	std::vector<HistoryRow> rows(history.count);
	std::vector<unsigned char> scratch(size);
	if (!read_steps(history, rows.data()) ||
	    !is_canonical(history, rows.data(), bytes, size, scratch.data()))
		return;
	Collection collection;
	collection.scale = history.prices.scale;
	collection.rows = rows;
	collection.wide.assign(history.prices.end - history.prices.wide_size, history.prices.end);
	const Packed packed = pack_all(collection);
	require(packed.size == size && std::memcmp(packed.bytes.get(), bytes, size) == 0);
}

void
check_packing(const unsigned char *bytes, std::size_t size)
{
	Collection collection;
	collection.scale = 2;
	for (std::size_t i = 1; i + 12 <= size; i += 12)
	{
		HistoryRow row = {};
		std::memcpy(&row.at, bytes + i, 6);
		row.at = bytes[i + 6] % 2 != 0 ? row.at : row.at << 16;
		row.tie = bytes[i + 7] == 0 ? no_tie : bytes[i + 7];
		std::memcpy(&row.price, bytes + i + 8, 3);
		switch (bytes[i + 11] % 4)
		{
		case 0:
			row.price = no_price;
			break;
		case 1:
		{
			unsigned char encoded[max_encoded_size];
			unsigned char least[max_encoded_size + 4];
			Decimal decimal;
			const std::size_t length =
				encode_decimal((static_cast<UInt128>(row.price + 1) << 90) + 1,
			                   bytes[i + 11] % 8 == 1, 2, encoded);
			require(parse_decimal(encoded, length, decimal));
			row.price = collection.add_wide(least, encode_least(decimal, least));
			break;
		}
		default:
			row.price = bytes[i + 11] % 8 < 4 ? row.price : -row.price;
		}
		collection.rows.push_back(row);
	}
	require(holds_steps(pack_all(collection), collection));
}

}  // namespace

extern "C" int
LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	if (size == 0 || size > 1000)
		return 0;
	// A copy without a byte to spare.
	const auto bytes = std::make_unique<unsigned char[]>(size);
	std::memcpy(bytes.get(), data, size);
	check_reading(bytes.get(), size);
	check_packing(bytes.get(), size);
	return 0;
}
