// The block of a distribution in the server's memory; the promise is in the header.
#include "pg/pg.hpp"

#include "pg/distribution_state.hpp"

namespace listing_stats {

namespace {

// Sizes are powers of two, as the allocator's are: header and ten values.
constexpr std::size_t smallest_block = 128;

// A scaled value as a numeric: length word, header, up to six digits.
constexpr std::size_t largest_scaled_numeric = 20;

Distribution *
append_wide(Distribution *distribution, NumericBytes bytes)
{
	const std::size_t size = VARHDRSZ + bytes.size;
	const std::size_t aligned = INTALIGN(size);
	distribution = make_room(distribution, aligned);
	char *target = distribution->bytes() + distribution->used;
	SET_VARSIZE(target, size);
	memcpy(VARDATA(target), bytes.data, bytes.size);
	memset(target + size, 0, aligned - size);
	distribution->used += static_cast<uint32>(aligned);
	++distribution->finite_count;
	return distribution;
}

Distribution *
append_wide_scaled(Distribution *distribution, const Distribution *source)
{
	for (uint32 i = 0; i < source->finite_count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		char bytes[max_encoded_size];
		const int64 value = source->values()[i];
		const std::size_t size =
			encode_decimal(magnitude_of(value), value < 0, source->scale, bytes);
		distribution = append_wide(distribution, NumericBytes{bytes, size});
	}
	return distribution;
}

Distribution *
make_wide(const Distribution *distribution)
{
	Distribution *wide = new_distribution();
	*wide = *distribution;
	SET_VARSIZE(wide, smallest_block);
	wide->wide = 1;
	wide->finite_count = 0;
	wide->used = 0;
	wide = make_room(wide, distribution->finite_count * largest_scaled_numeric);
	return append_wide_scaled(wide, distribution);
}

Distribution *
add_finite(Distribution *distribution, const Decimal &decimal, NumericBytes bytes)
{
	const int scale = std::max<int>(distribution->scale, decimal.scale);
	if (distribution->wide == 0)
	{
		int64 value = 0;
		if (fits_scale(*distribution, scale) && scaled_value(decimal, scale, value))
		{
			if (scale != distribution->scale)
				copy_rescaled(*distribution, scale, distribution->values());
			distribution->scale = static_cast<uint16>(scale);
			distribution = make_room(distribution, sizeof value);
			append_scaled(distribution, value);
			return distribution;
		}
		distribution = make_wide(distribution);
	}
	distribution->scale = static_cast<uint16>(scale);
	return append_wide(distribution, bytes);
}

}  // namespace

Distribution *
new_distribution()
{
	auto *distribution = static_cast<Distribution *>(palloc(smallest_block));
	*distribution = Distribution{};
	SET_VARSIZE(distribution, smallest_block);
	distribution->version = distribution_version;
	return distribution;
}

Distribution *
distribution_of(Datum datum)
{
	auto *distribution = reinterpret_cast<Distribution *>(PG_DETOAST_DATUM(datum));
	const std::size_t size = VARSIZE(distribution);
	if (size < sizeof(Distribution) || distribution->version != distribution_version ||
	    distribution->used > size - sizeof(Distribution) ||
	    (distribution->wide == 0 &&
	     distribution->used != distribution->finite_count * sizeof(int64)))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid price_distribution")));
	return distribution;
}

Distribution *
make_room(Distribution *distribution, std::size_t bytes)
{
	if (has_room(distribution, bytes))
		return distribution;
	const std::size_t used = sizeof(Distribution) + distribution->used;
	if (bytes > MaxAllocSize - used)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("too many values for one price_distribution"),
		                errdetail("A price_distribution holds up to one gigabyte, at least eight "
		                          "bytes a value.")));
	std::size_t size = VARSIZE(distribution);
	while (size - used < bytes)
		size = std::min<std::size_t>(size * 2, MaxAllocSize);

	auto *larger = static_cast<Distribution *>(palloc(size));
	memcpy(larger, distribution, used);
	SET_VARSIZE(larger, size);
	return larger;
}

void
drop_room(Distribution *distribution)
{
	SET_VARSIZE(distribution, sizeof(Distribution) + distribution->used);
}

void
count_special(Distribution *distribution, NumberKind kind, int64 times)
{
	if (kind == NumberKind::NotANumber)
		distribution->not_a_numbers += times;
	else if (kind == NumberKind::PositiveInfinity)
		distribution->positive_infinities += times;
	else
		distribution->negative_infinities += times;
}

Distribution *
add_number(Distribution *distribution, NumericBytes bytes)
{
	const Decimal decimal = parse_numeric(bytes);
	if (decimal.kind == NumberKind::Finite)
		return add_finite(distribution, decimal, bytes);
	count_special(distribution, decimal.kind, 1);
	return distribution;
}

Distribution *
merge(Distribution *into, const Distribution *other)
{
	const int scale = std::max(into->scale, other->scale);
	const bool scaled = into->wide == 0 && other->wide == 0 && fits_scale(*into, scale) &&
	                    fits_scale(*other, scale);
	if (scaled)
	{
		into = make_room(into, other->used);
		if (scale != into->scale)
			copy_rescaled(*into, scale, into->values());
		copy_rescaled(*other, scale, into->values() + into->finite_count);
		into->finite_count += other->finite_count;
		into->used += other->used;
	}
	else
	{
		if (into->wide == 0)
			into = make_wide(into);
		if (other->wide == 0)
			into = append_wide_scaled(into, other);
		else
		{
			into = make_room(into, other->used);
			memcpy(into->bytes() + into->used, other->bytes(), other->used);
			into->finite_count += other->finite_count;
			into->used += other->used;
		}
	}
	into->scale = static_cast<uint16>(scale);
	into->nulls += other->nulls;
	into->not_a_numbers += other->not_a_numbers;
	into->positive_infinities += other->positive_infinities;
	into->negative_infinities += other->negative_infinities;
	return into;
}

WideValue *
wide_values(const Distribution *distribution)
{
	auto *values = static_cast<WideValue *>(MemoryContextAllocHuge(
		CurrentMemoryContext, (distribution->finite_count + std::size_t{1}) * sizeof(WideValue)));
	const char *next = distribution->bytes();
	const char *end = next + distribution->used;
	for (uint32 i = 0; i < distribution->finite_count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		const std::size_t rest = static_cast<std::size_t>(end - next);
		if (rest < VARHDRSZ || VARSIZE(next) < VARHDRSZ || VARSIZE(next) > rest)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid price_distribution")));
		const NumericBytes bytes = {next + VARHDRSZ, VARSIZE(next) - VARHDRSZ};
		values[i] = WideValue{order_key(parse_numeric(bytes)),
		                      reinterpret_cast<Numeric>(const_cast<char *>(next))};
		next += INTALIGN(VARSIZE(next));
	}
	return values;
}

}  // namespace listing_stats
