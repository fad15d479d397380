// Rows sorted, packed and read back; the forms are in the header.
#include "core/history.hpp"

#include "core/sort.hpp"

#include <algorithm>
#include <initializer_list>
#include <numeric>

namespace listing_stats {

namespace {

constexpr unsigned history_version = 1;
constexpr std::size_t fixed_size = 5;

constexpr unsigned flag_specials = 1;
constexpr unsigned flag_ties = 2;
constexpr unsigned flag_big_endian = 4;  // the words of wide numbers
constexpr unsigned all_flags = 7;

constexpr unsigned
byte_order_flag(std::uint32_t wide_size)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return wide_size > 0 ? flag_big_endian : 0;
#else
	static_cast<void>(wide_size);
	return 0;
#endif
}

// How many numbers there are of each length in bits.
class Lengths
{
public:
	void add(std::uint64_t value) noexcept
	{
		++count_[bit_length(value)];
		all_bits_ |= value;
		++total_;
	}

	// The order that should take the fewest bits, each number taken as the middle of its length:
	// that one has a quotient of 1, 3, 6 or 12 if it is longer than the order by 1 to 4 bits, and
	// is escaped if by more.
	unsigned order() const noexcept
	{
		if (total_ == 0)
			return 0;
		unsigned shortest = 0;
		while (count_[shortest] == 0)
			++shortest;
		const unsigned longest = bit_length(all_bits_);
		const unsigned first = shortest > 1 ? shortest - 1 : 0;
		std::uint64_t escaped = 0;
		std::uint64_t escaped_bits = 0;
		for (unsigned length = first + 5; length <= longest; ++length)
		{
			escaped += count_[length];
			escaped_bits += count_[length] * escaped_code_bits(length);
		}
		unsigned best = 0;
		std::uint64_t best_bits = UINT64_MAX;
		for (unsigned order = first; order <= std::min(longest, largest_order); ++order)
		{
			const std::uint64_t *longer = count_ + order;
			const std::uint64_t bits = (total_ - escaped) * (order + 1) + longer[1] +
			                           3 * longer[2] + 6 * longer[3] + 12 * longer[4] +
			                           escaped_bits;
			if (bits < best_bits)
			{
				best_bits = bits;
				best = order;
			}
			escaped -= longer[5];
			escaped_bits -= longer[5] * escaped_code_bits(order + 5);
		}
		return best;
	}

private:
	std::uint64_t count_[65] = {};
	std::uint64_t all_bits_ = 0;
	std::uint64_t total_ = 0;
};

// Divides multiples of a number without a division, each of which takes as long as packing a step:
// by the inverse of its odd part modulo 2^64 (T. Granlund and P. Montgomery, PLDI 1994).
class Unit
{
public:
	explicit Unit(std::uint64_t value) noexcept
		: shift_(static_cast<unsigned>(__builtin_ctzll(value | std::uint64_t{1} << 63))),
		  inverse_(3 * (value >> shift_) ^ 2),
		  largest_quotient_(UINT64_MAX / std::max<std::uint64_t>(value, 1))
	{
		// Each time twice as many bits are right, of which there are five.
		for (int i = 0; i < 4; ++i)
			inverse_ *= 2 - (value >> shift_) * inverse_;
	}

	bool divides(std::uint64_t value) const noexcept
	{
		return quotient(value) <= largest_quotient_;
	}

	// Of a multiple.
	std::uint64_t quotient(std::uint64_t value) const noexcept
	{
		const std::uint64_t product = value * inverse_;
		return product >> shift_ | product << (64 - shift_) % 64;
	}

private:
	unsigned shift_;
	std::uint64_t inverse_;
	std::uint64_t largest_quotient_;
};

bool
is_time_to_pause(std::size_t index) noexcept
{
	return index % between_checks == between_checks - 1;
}

// Leaves of sorted rows of one time the last, and returns how many are left.
std::size_t
keep_last_of_each_time(HistoryRow *rows, std::size_t count, void (*check_interrupts)()) noexcept
{
	std::size_t kept = 0;
	for (std::size_t i = 0; i < count; ++i)
	{
		if (is_time_to_pause(i))
			check_interrupts();
		if (i + 1 == count || rows[i + 1].at != rows[i].at)
			rows[kept++] = rows[i];
	}
	return kept;
}

// Calls the functions for each step: between neighbouring times, for a price, for a tie.
template <class OnTime, class OnPrice, class OnTie>
void
for_each_step(const HistoryRow *rows, std::size_t count, void (*check_interrupts)(), OnTime on_time,
              OnPrice on_price, OnTie on_tie) noexcept
{
	std::int64_t price = 0;
	std::int64_t tie = 0;
	for (std::size_t i = 0; i < count; ++i)
	{
		const HistoryRow &row = rows[i];
		if (is_time_to_pause(i))
			check_interrupts();
		if (i > 0)
			on_time(difference(row.at, rows[i - 1].at));
		on_price(row.price, zigzag(difference(row.price, price)));
		if (is_scaled(row.price))
			price = row.price;
		on_tie(row.tie, zigzag(difference(row.tie, tie)));
		tie = row.tie;
	}
}

template <class Sink>
void
write_steps(const HistoryRow *rows, std::size_t count, const PackingPlan &plan,
            void (*check_interrupts)(), Sink &times, Sink &prices, Sink &ties) noexcept
{
	const Unit unit(plan.unit);
	for_each_step(
		rows, count, check_interrupts,
		[&](std::uint64_t elapsed) { times.rice(unit.quotient(elapsed) - 1, plan.time_order); },
		[&](std::int64_t price, std::uint64_t change) {
			if (plan.specials)
				prices.bits(is_scaled(price) ? 0 : 1, 1);
			if (is_scaled(price))
				prices.rice(change, plan.price_order);
			else
				prices.bits(is_wide(price) ? 1 : 0, 1);
		},
		[&](std::int64_t, std::uint64_t change) {
			if (plan.ties)
				ties.rice(change, plan.tie_order);
		});
}

// What comes before the bits.
void
write_header(ByteWriter &writer, const PackingPlan &plan, const HistoryRow *rows,
             int scale) noexcept
{
	writer.put_byte(history_version);
	writer.put_byte((plan.specials ? flag_specials : 0U) | (plan.ties ? flag_ties : 0U) |
	                byte_order_flag(plan.wide_size));
	writer.put_byte(plan.time_order);
	writer.put_byte(plan.price_order);
	writer.put_byte(plan.tie_order);
	writer.put_varint(static_cast<std::uint64_t>(scale));
	writer.put_varint(plan.count);
	writer.put_varint(plan.times_size);
	writer.put_varint(plan.prices_size);
	if (plan.specials)
		writer.put_varint(plan.wide_size);
	if (plan.count > 0)
		writer.put_varint(zigzag(static_cast<std::uint64_t>(rows[0].at)));
	if (plan.count > 1)
		writer.put_varint(plan.unit);
}

}  // namespace

Bytes
wide_bytes(const Prices &prices, std::int64_t price) noexcept
{
	const std::uint32_t distance = distance_of(price);
	std::uint32_t length = 0;
	if (distance < length_size || distance > prices.wide_size)
		return Bytes{nullptr, 0};
	std::memcpy(&length, prices.end - distance, sizeof length);
	if (length > distance - length_size)
		return Bytes{nullptr, 0};
	return Bytes{prices.end - distance + length_size, length};
}

Decimal
decimal_of(const Prices &prices, std::int64_t price, unsigned char *scratch) noexcept
{
	Decimal decimal = {};
	Bytes bytes = {scratch, 0};
	if (is_wide(price))
		bytes = wide_bytes(prices, price);
	else
		bytes.size = encode_decimal(magnitude_of(price), price < 0, prices.scale, scratch);
	// What is stored has been looked at; damage must still not be fatal.
	if (bytes.size == 0 || !parse_decimal(bytes.data, bytes.size, decimal))
		decimal = Decimal{NumberKind::not_a_number, false, 0, 0, 0, scratch};
	return decimal;
}

int
compare_wide_prices(const Prices &prices, std::int64_t a, std::int64_t b) noexcept
{
	if (a == no_price || b == no_price)
		return a == b ? 0 : a == no_price ? -1 : 1;
	unsigned char scratch_a[max_encoded_size];
	unsigned char scratch_b[max_encoded_size];
	return compare_decimals(decimal_of(prices, a, scratch_a), decimal_of(prices, b, scratch_b));
}

bool
scaled_price(const Decimal &decimal, int scale, std::int64_t &price) noexcept
{
	return decimal.kind == NumberKind::finite && scale <= max_scale &&
	       scaled_value(decimal, scale, price) && price <= largest_scaled_price &&
	       price >= -largest_scaled_price;
}

std::size_t
sort_rows(HistoryRow *rows, std::size_t count, const Prices &prices,
          void (*check_interrupts)()) noexcept
{
	const auto is_before = [&prices](const HistoryRow &a, const HistoryRow &b) {
		if (a.at != b.at)
			return a.at < b.at;
		if (a.tie != b.tie)
			return a.tie < b.tie;
		return compare_prices(prices, a.price, b.price) < 0;
	};
	bool ascends = true;
	bool descends = true;
	bool repeats = false;
	for (std::size_t i = 1; i < count && (ascends || descends); ++i)
	{
		if (is_time_to_pause(i))
			check_interrupts();
		ascends = ascends && !is_before(rows[i], rows[i - 1]);
		descends = descends && !is_before(rows[i - 1], rows[i]);
		repeats = repeats || rows[i - 1].at == rows[i].at;
	}
	// As an index of the latest price gives them.
	if (descends && !ascends)
		std::reverse(rows, rows + count);
	if (ascends || descends)
		return repeats ? keep_last_of_each_time(rows, count, check_interrupts) : count;
	sort_in_place(
		rows, count, [](const HistoryRow &row) { return row.at; },
		[&](HistoryRow *few, std::size_t few_count) { std::sort(few, few + few_count, is_before); },
		[&](HistoryRow *equal, std::size_t equal_count) {
			std::size_t in_force = 0;
			for (std::size_t i = 1; i < equal_count; ++i)
			{
				if (is_time_to_pause(i))
					check_interrupts();
				if (is_before(equal[in_force], equal[i]))
					in_force = i;
			}
			std::swap(equal[in_force], equal[equal_count - 1]);
		},
		check_interrupts);
	return keep_last_of_each_time(rows, count, check_interrupts);
}

PackingPlan
plan_packing(const HistoryRow *rows, std::size_t count, const Prices &prices,
             void (*check_interrupts)()) noexcept
{
	PackingPlan plan = {};
	Lengths price_lengths;
	Unit unit(0);
	for_each_step(
		rows, count, check_interrupts,
		[&](std::uint64_t elapsed) {
			if (plan.unit == 0 || !unit.divides(elapsed))
			{
				plan.unit = std::gcd(plan.unit, elapsed);
				unit = Unit(plan.unit);
			}
		},
		[&](std::int64_t price, std::uint64_t change) {
			++plan.count;
			if (is_scaled(price))
				price_lengths.add(change);
			else
			{
				plan.specials = true;
				if (is_wide(price))
					plan.wide_size +=
						static_cast<std::uint32_t>(length_size + wide_bytes(prices, price).size);
			}
		},
		[&](std::int64_t tie, std::uint64_t) { plan.ties = plan.ties || tie != no_tie; });
	plan.price_order = price_lengths.order();
	const auto ignore = [](std::int64_t, std::uint64_t) {};
	if (plan.count > 1)
	{
		Lengths time_lengths;
		for_each_step(
			rows, count, check_interrupts,
			[&](std::uint64_t elapsed) { time_lengths.add(unit.quotient(elapsed) - 1); }, ignore,
			ignore);
		plan.time_order = time_lengths.order();
	}
	if (plan.ties)
	{
		Lengths tie_lengths;
		for_each_step(
			rows, count, check_interrupts, [](std::uint64_t) {}, ignore,
			[&](std::int64_t, std::uint64_t change) { tie_lengths.add(change); });
		plan.tie_order = tie_lengths.order();
	}

	BitCounter times;
	BitCounter price_codes;
	BitCounter ties;
	write_steps(rows, count, plan, check_interrupts, times, price_codes, ties);
	plan.times_size = times.bytes();
	plan.prices_size = price_codes.bytes();
	plan.ties_size = ties.bytes();
	unsigned char bytes[fixed_size + 7 * max_varint_size];
	ByteWriter header(bytes);
	write_header(header, plan, rows, prices.scale);
	plan.size =
		header.size() + plan.times_size + plan.prices_size + plan.ties_size + plan.wide_size;
	return plan;
}

void
pack(const HistoryRow *rows, std::size_t count, const Prices &prices, const PackingPlan &plan,
     unsigned char *out, void (*check_interrupts)()) noexcept
{
	ByteWriter header(out);
	write_header(header, plan, rows, prices.scale);
	unsigned char *next = out + header.size();
	BitWriter times(next);
	BitWriter price_codes(next + plan.times_size);
	BitWriter ties(next + plan.times_size + plan.prices_size);
	write_steps(rows, count, plan, check_interrupts, times, price_codes, ties);
	times.finish();
	price_codes.finish();
	next = ties.finish();

	for (std::size_t i = 0; i < count && plan.wide_size > 0; ++i)
	{
		if (is_time_to_pause(i))
			check_interrupts();
		if (!is_wide(rows[i].price))
			continue;
		const Bytes bytes = wide_bytes(prices, rows[i].price);
		const auto length = static_cast<std::uint32_t>(bytes.size);
		std::memcpy(next, &length, sizeof length);
		if (length > 0)
			std::memcpy(next + length_size, bytes.data, length);
		next += length_size + length;
	}
}

bool
parse_history(const void *data, std::size_t size, void (*check_interrupts)(),
              History &history) noexcept
{
	const auto *bytes = static_cast<const unsigned char *>(data);
	history = History{};
	history.check_interrupts = check_interrupts;
	if (size < fixed_size || bytes[0] != history_version || (bytes[1] & ~all_flags) != 0)
		return false;
	history.specials = (bytes[1] & flag_specials) != 0;
	history.ties = (bytes[1] & flag_ties) != 0;
	history.time_order = bytes[2];
	history.price_order = bytes[3];
	history.tie_order = bytes[4];
	if (history.time_order > largest_order || history.price_order > largest_order ||
	    history.tie_order > largest_order)
		return false;

	ByteReader reader(bytes + fixed_size, size - fixed_size);
	const std::uint64_t scale = reader.get_varint();
	const std::uint64_t count = reader.get_varint();
	const std::uint64_t times_size = reader.get_varint();
	const std::uint64_t prices_size = reader.get_varint();
	const std::uint64_t wide_size = history.specials ? reader.get_varint() : 0;
	const std::uint64_t first_at = count > 0 ? reader.get_varint() : 0;
	history.unit = count > 1 ? reader.get_varint() : 0;
	if (reader.failed() || scale > max_display_scale)
		return false;
	const unsigned char *next = reader.position();
	std::size_t left = reader.left();
	for (const std::uint64_t size_of_part : {wide_size, times_size, prices_size})
	{
		if (size_of_part > left)
			return false;
		left -= size_of_part;
	}
	// A price takes a bit at least, and so does a time except the first, so damage cannot make a
	// reader go on for long.
	if (count > 8 * prices_size || (count > 1 && count - 1 > 8 * times_size) ||
	    count > UINT32_MAX || wide_size > UINT32_MAX ||
	    (bytes[1] & flag_big_endian) != byte_order_flag(static_cast<std::uint32_t>(wide_size)))
		return false;
	history.times = Bytes{next, times_size};
	history.price_codes = Bytes{next + times_size, prices_size};
	history.tie_codes = Bytes{next + times_size + prices_size, left};
	history.count = static_cast<std::uint32_t>(count);
	history.first_at = static_cast<std::int64_t>(unzigzag(first_at));
	history.prices =
		Prices{static_cast<int>(scale), bytes + size, static_cast<std::uint32_t>(wide_size)};
	return true;
}

bool
read_steps(const History &history, HistoryRow *rows) noexcept
{
	StepReader reader(history);
	BitReader ties(history.tie_codes.data, history.tie_codes.size);
	Step step = {};
	std::uint64_t tie = 0;
	std::uint32_t wide_left = history.prices.wide_size;
	for (std::uint32_t i = 0; reader.next(step); ++i)
	{
		if (i > 0 && step.at <= rows[i - 1].at)
			return false;
		if (is_wide(step.price))
		{
			const Bytes bytes = wide_bytes(history.prices, step.price);
			if (distance_of(step.price) != wide_left || bytes.size == 0)
				return false;
			wide_left -= static_cast<std::uint32_t>(length_size + bytes.size);
		}
		if (history.ties)
			tie += unzigzag(ties.rice(history.tie_order));
		rows[i] =
			HistoryRow{step.at, history.ties ? static_cast<std::int64_t>(tie) : no_tie, step.price};
	}
	return wide_left == 0 && !reader.is_damaged() && ties.at_end();
}

bool
is_canonical(const History &history, const HistoryRow *rows, const void *data, std::size_t size,
             unsigned char *scratch) noexcept
{
	for (std::uint32_t i = 0; i < history.count; ++i)
	{
		if (is_time_to_pause(i))
			history.check_interrupts();
		if (is_scaled(rows[i].price) && history.prices.scale > max_scale)
			return false;
		if (!is_wide(rows[i].price))
			continue;
		const Bytes bytes = wide_bytes(history.prices, rows[i].price);
		Decimal decimal = {};
		std::int64_t price = 0;
		if (bytes.size == 0 || !parse_decimal(bytes.data, bytes.size, decimal) ||
		    !is_well_formed(decimal) || decimal.scale > history.prices.scale ||
		    scaled_price(decimal, history.prices.scale, price) ||
		    encode_least(decimal, scratch) != bytes.size ||
		    std::memcmp(scratch, bytes.data, bytes.size) != 0)
			return false;
	}
	const PackingPlan plan =
		plan_packing(rows, history.count, history.prices, history.check_interrupts);
	if (plan.size != size)
		return false;
	pack(rows, history.count, history.prices, plan, scratch, history.check_interrupts);
	return std::memcmp(scratch, data, size) == 0;
}

}  // namespace listing_stats
