// The stored form; it is described in the header.
#include "core/stored_form.hpp"

#include "core/decimal_form.hpp"

namespace listing_stats {

namespace {

constexpr unsigned stored_wide = 1;
constexpr unsigned stored_counts = 2;
constexpr std::size_t max_run_size = 2 * max_varint_size + 1;
constexpr unsigned is_repeated = 0x40;
constexpr unsigned is_continued = 0x80;
constexpr unsigned first_bits = 6;

bool
has_counts(const Counts &counts) noexcept
{
	return counts.nulls != 0 || counts.not_a_numbers != 0 || counts.positive_infinities != 0 ||
	       counts.negative_infinities != 0;
}

void
write_run(ByteWriter &writer, std::uint64_t step, std::int64_t count) noexcept
{
	const std::uint64_t rest = step >> first_bits;
	writer.put_byte((static_cast<unsigned>(step) & (is_repeated - 1)) |
	                (count > 1 ? is_repeated : 0) | (rest != 0 ? is_continued : 0));
	if (rest != 0)
		writer.put_varint(rest);
	if (count > 1)
		writer.put_varint(static_cast<std::uint64_t>(count) - 2);
}

// At most max_count.
bool
read_count(ByteReader &reader, std::int64_t &count) noexcept
{
	const std::uint64_t value = reader.get_varint();
	count = static_cast<std::int64_t>(value);
	return !reader.failed() && value <= static_cast<std::uint64_t>(max_count);
}

bool
read_scaled_runs(ByteReader &reader, const Environment &environment, Ranking &ranking) noexcept
{
	auto *runs = static_cast<Run *>(environment.allocate((ranking.run_count + 1) * sizeof(Run)));
	Run run = {};
	for (std::size_t i = 0; i < ranking.run_count; ++i)
	{
		if (!read_run(reader, run))
			return false;
		runs[i] = run;
		if (i % values_between_checks == 0)
			environment.check_interrupts();
	}
	ranking.runs = runs;
	return true;
}

bool
read_wide_runs(ByteReader &reader, const Environment &environment, Ranking &ranking) noexcept
{
	auto *runs =
		static_cast<WideRun *>(environment.allocate((ranking.run_count + 1) * sizeof(WideRun)));
	auto *digits = static_cast<std::uint16_t *>(environment.allocate(reader.left() + 2));
	bool must_be_wide = false;
	for (std::size_t i = 0; i < ranking.run_count; ++i)
	{
		std::int64_t value = 0;
		if (!read_entry(reader, runs[i], digits) || least_scale(runs[i].decimal) > ranking.scale ||
		    (i > 0 && compare_decimals(runs[i - 1].decimal, runs[i].decimal) >= 0))
			return false;
		must_be_wide |= !scaled_value(runs[i].decimal, ranking.scale, value);
		if (i % values_between_checks == 0)
			environment.check_interrupts();
	}
	ranking.wide_runs = runs;
	return must_be_wide || ranking.scale > max_scale;
}

// A scaled value as a decimal, whose digits lie in the buffer.
Decimal
decimal_of(std::int64_t value, int scale, unsigned char *buffer) noexcept
{
	Decimal decimal{};
	const std::size_t size = encode_decimal(magnitude_of(value), value < 0, scale, buffer);
	if (!parse_decimal(buffer, size, decimal))
		__builtin_unreachable();
	return decimal;
}

Decimal
decimal_at(const Ranking &ranking, std::size_t run, unsigned char *buffer) noexcept
{
	return ranking.wide ? ranking.wide_runs[run].decimal
	                    : decimal_of(ranking.runs[run].value, ranking.scale, buffer);
}

template <class Number>
int
compare_numbers(Number a, Number b) noexcept
{
	return a < b ? -1 : a > b ? 1 : 0;
}

int
compare_values(const Ranking &a, const Ranking &b, std::size_t run) noexcept
{
	if (!a.wide && !b.wide)
	{
		const int scale = std::max(a.scale, b.scale);
		return compare_numbers(
			static_cast<Int128>(a.runs[run].value) * powers_of_ten[scale - a.scale],
			static_cast<Int128>(b.runs[run].value) * powers_of_ten[scale - b.scale]);
	}
	unsigned char buffer_a[max_encoded_size];
	unsigned char buffer_b[max_encoded_size];
	return compare_decimals(decimal_at(a, run, buffer_a), decimal_at(b, run, buffer_b));
}

// Mixes one more word into a hash: the finaliser of MurmurHash3 after each.
std::uint64_t
mix(std::uint64_t hash, std::uint64_t word) noexcept
{
	hash ^= word;
	hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDULL;
	hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53ULL;
	return hash ^ (hash >> 33);
}

}  // namespace

std::size_t
stored_size_bound(const Ranking &ranking) noexcept
{
	if (!ranking.wide)
		return max_header_size + max_run_size * ranking.run_count;
	std::size_t size = max_header_size;
	for (std::size_t i = 0; i < ranking.run_count; ++i)
		size += max_entry_header_size + 2 * ranking.wide_runs[i].decimal.digit_count;
	return size;
}

std::size_t
write_stored(const Ranking &ranking, unsigned char *out, const Environment &environment) noexcept
{
	const Counts &counts = ranking.counts;
	const bool counted = has_counts(counts);
	ByteWriter writer(out);
	writer.put_byte(static_cast<unsigned>(Form::stored));
	writer.put_byte((ranking.wide ? stored_wide : 0) | (counted ? stored_counts : 0));
	writer.put_varint(static_cast<std::uint64_t>(ranking.scale));
	if (counted)
		for (const std::int64_t count : {counts.nulls, counts.not_a_numbers,
		                                 counts.positive_infinities, counts.negative_infinities})
			writer.put_varint(static_cast<std::uint64_t>(count));
	writer.put_varint(static_cast<std::uint64_t>(ranking.finite_count));
	writer.put_varint(ranking.run_count);
	for (std::size_t i = 0; i < ranking.run_count; ++i)
	{
		if (ranking.wide)
			write_entry(writer, ranking.wide_runs[i].decimal, ranking.wide_runs[i].count);
		else if (i == 0)
			write_run(writer, zigzag(static_cast<std::uint64_t>(ranking.runs[0].value)),
			          ranking.runs[0].count);
		else
			write_run(writer,
			          static_cast<std::uint64_t>(ranking.runs[i].value) -
			              static_cast<std::uint64_t>(ranking.runs[i - 1].value) - 1,
			          ranking.runs[i].count);
		if (i % values_between_checks == 0)
			environment.check_interrupts();
	}
	return writer.size();
}

bool
read_stored_header(ByteReader &reader, Ranking &ranking) noexcept
{
	ranking = Ranking{};
	const unsigned version = reader.get_byte();
	const unsigned flags = reader.get_byte();
	const std::uint64_t scale = reader.get_varint();
	if (reader.failed() || version != static_cast<unsigned>(Form::stored) ||
	    (flags & ~(stored_wide | stored_counts)) != 0)
		return false;
	ranking.wide = (flags & stored_wide) != 0;
	if (scale > static_cast<std::uint64_t>(ranking.wide ? max_display_scale : max_scale))
		return false;
	ranking.scale = static_cast<int>(scale);

	std::int64_t runs = 0;
	Counts &counts = ranking.counts;
	if ((flags & stored_counts) != 0 &&
	    (!read_count(reader, counts.nulls) || !read_count(reader, counts.not_a_numbers) ||
	     !read_count(reader, counts.positive_infinities) ||
	     !read_count(reader, counts.negative_infinities) || !has_counts(counts)))
		return false;
	if (!read_count(reader, ranking.finite_count) || !read_count(reader, runs))
		return false;
	ranking.run_count = static_cast<std::size_t>(runs);
	Int128 total = ranking.finite_count;
	for (const std::int64_t count : {counts.nulls, counts.not_a_numbers, counts.positive_infinities,
	                                 counts.negative_infinities})
		total += count;
	// Without finite values there is nothing to scale, and nothing wide.
	return total <= max_count && runs <= ranking.finite_count &&
	       (runs == 0) == (ranking.finite_count == 0) &&
	       (runs > 0 || (ranking.scale == 0 && !ranking.wide));
}

bool
read_run(ByteReader &reader, Run &run) noexcept
{
	const bool first = run.count == 0;
	const unsigned byte = reader.get_byte();
	std::uint64_t step = byte & (is_repeated - 1);
	if ((byte & is_continued) != 0)
	{
		const std::uint64_t rest = reader.get_varint();
		if (rest > UINT64_MAX >> first_bits)
			return false;
		step |= rest << first_bits;
	}
	run.count = 1;
	if ((byte & is_repeated) != 0)
	{
		if (!read_count(reader, run.count))
			return false;
		run.count += 2;
	}
	const auto before = static_cast<std::uint64_t>(run.value);
	if (!first && step >= static_cast<std::uint64_t>(INT64_MAX) - before)
		return false;
	run.value = static_cast<std::int64_t>(first ? unzigzag(step) : before + step + 1);
	return run.value != INT64_MIN && !reader.failed();
}

bool
read_stored(const void *data, std::size_t size, const Environment &environment,
            Ranking &ranking) noexcept
{
	ByteReader reader(data, size);
	// Nothing is allocated for runs that cannot be there.
	if (!read_stored_header(reader, ranking) ||
	    ranking.run_count > reader.left() / (ranking.wide ? min_entry_size : 1))
		return false;
	const std::int64_t finite_count = ranking.finite_count;
	return (ranking.wide ? read_wide_runs(reader, environment, ranking)
	                     : read_scaled_runs(reader, environment, ranking)) &&
	       reader.left() == 0 && count_values(ranking) && ranking.finite_count == finite_count;
}

void
write_entry(ByteWriter &writer, const Decimal &decimal, std::int64_t count) noexcept
{
	writer.put_varint(static_cast<std::uint64_t>(count) - 1);
	const bool zero = decimal.digit_count == 0;
	writer.put_varint(zigzag(zero ? 0 : static_cast<std::uint64_t>(decimal.weight)) << 1 |
	                  (decimal.negative && !zero ? 1 : 0));
	writer.put_varint(decimal.digit_count);
	for (std::size_t i = 0; i < decimal.digit_count; ++i)
		writer.put_uint16(load_uint16(decimal.digits + 2 * i));
}

bool
read_entry(ByteReader &reader, WideRun &run, std::uint16_t *&digits) noexcept
{
	if (!read_count(reader, run.count) || run.count == max_count)
		return false;
	++run.count;
	const std::uint64_t place = reader.get_varint();
	const auto weight = static_cast<std::int64_t>(unzigzag(place >> 1));
	const std::uint64_t digit_count = reader.get_varint();
	if (digit_count > reader.left() / 2)
		return false;
	const unsigned char *bytes = reader.skip(2 * digit_count);
	if (reader.failed() || weight < INT16_MIN || weight > INT16_MAX ||
	    (digit_count == 0 && place != 0))
		return false;
	run.decimal = Decimal{NumberKind::finite,
	                      (place & 1) != 0,
	                      0,
	                      static_cast<int>(weight),
	                      static_cast<std::size_t>(digit_count),
	                      reinterpret_cast<const unsigned char *>(digits)};
	for (std::size_t i = 0; i < digit_count; ++i)
	{
		const unsigned digit = bytes[2 * i] | static_cast<unsigned>(bytes[2 * i + 1]) << 8;
		if (digit > 9999)
			return false;
		digits[i] = static_cast<std::uint16_t>(digit);
	}
	if (digit_count > 0 && (digits[0] == 0 || digits[digit_count - 1] == 0))
		return false;
	digits += digit_count;
	run.key = order_key(run.decimal);
	return true;
}

int
compare_rankings(const Ranking &a, const Ranking &b, void (*check_interrupts)()) noexcept
{
	int order = compare_numbers(a.finite_count, b.finite_count);
	if (order == 0)
		order = compare_numbers(a.run_count, b.run_count);
	if (order == 0)
		order = compare_numbers(a.counts.negative_infinities, b.counts.negative_infinities);
	for (std::size_t i = 0; order == 0 && i < a.run_count; ++i)
	{
		if (i % values_between_checks == 0)
			check_interrupts();
		order = compare_values(a, b, i);
		if (order == 0)
			order = compare_numbers(a.count_of(i), b.count_of(i));
	}
	if (order == 0)
		order = compare_numbers(a.counts.positive_infinities, b.counts.positive_infinities);
	if (order == 0)
		order = compare_numbers(a.counts.not_a_numbers, b.counts.not_a_numbers);
	if (order == 0)
		order = compare_numbers(a.counts.nulls, b.counts.nulls);
	return order;
}

std::uint64_t
hash_ranking(const Ranking &ranking, std::uint64_t seed, void (*check_interrupts)()) noexcept
{
	std::uint64_t hash = mix(seed, static_cast<std::uint64_t>(ranking.finite_count));
	const Counts &counts = ranking.counts;
	for (const std::int64_t count : {counts.nulls, counts.not_a_numbers, counts.positive_infinities,
	                                 counts.negative_infinities})
		hash = mix(hash, static_cast<std::uint64_t>(count));
	for (std::size_t i = 0; i < ranking.run_count; ++i)
	{
		if (i % values_between_checks == 0)
			check_interrupts();
		unsigned char buffer[max_encoded_size];
		const Decimal decimal = decimal_at(ranking, i, buffer);
		hash = mix(hash, static_cast<std::uint64_t>(ranking.count_of(i)) << 1 |
		                     (decimal.negative ? 1 : 0));
		hash = mix(hash, static_cast<std::uint64_t>(decimal.weight - INT16_MIN));
		for (std::size_t digit = 0; digit < decimal.digit_count; ++digit)
			hash = mix(hash, load_uint16(decimal.digits + 2 * digit));
	}
	return hash;
}

}  // namespace listing_stats
