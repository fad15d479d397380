// The forms of a distribution in the server's memory; the promise is in the header.
#include "statistics/distribution_state.hpp"

#include "server/postgres.hpp"

#include <sys/mman.h>

namespace listing_stats {

namespace {

// Sizes are powers of two, as the allocator's are: header and ten values.
constexpr std::size_t smallest_block = 128;
constexpr std::size_t largest_flat_block = std::size_t{32} << 10U;
constexpr std::size_t largest_block = UINT32_MAX & ~std::size_t{7};

// Content of this size is compacted before it grows: runs, which come from merging and repeat much
// of what is there, early; values if they lie so densely that it must pay; and all that is large.
constexpr std::size_t many_runs = (std::size_t{1} << 20U) / sizeof(Run);
constexpr std::size_t large_content = std::size_t{16} << 20U;
constexpr std::size_t huge_content = std::size_t{512} << 20U;

// Faulting in the pages of a large block takes longer than writing what it holds: where the system
// has huge pages for the asking, they are asked for.
void
use_huge_pages(void *memory, std::size_t size)
{
#ifdef MADV_HUGEPAGE
	constexpr std::size_t page_size = std::size_t{2} << 20U;
	if (size < 2 * page_size)
		return;
	const auto start = TYPEALIGN(page_size, reinterpret_cast<uintptr_t>(memory));
	const auto end = TYPEALIGN_DOWN(page_size, reinterpret_cast<uintptr_t>(memory) + size);
	(void) madvise(reinterpret_cast<void *>(start), end - start, MADV_HUGEPAGE);
#endif
}

void *
allocate(std::size_t size)
{
	void *memory = MemoryContextAllocHuge(CurrentMemoryContext, size);
	use_huge_pages(memory, size);
	return memory;
}

void
release(void *memory)
{
	pfree(memory);
}

void
check_interrupts()
{
	CHECK_FOR_INTERRUPTS();
}

[[noreturn]] void
report_too_large()
{
	ereport(ERROR,
	        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
	         errmsg("too many different values for one price_distribution"),
	         errdetail("A price_distribution takes up to one gigabyte, or four while it grows.")));
	pg_unreachable();
}

[[noreturn]] void
report_too_many()
{
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
	                errmsg("too many values for one price_distribution"),
	                errdetail("A price_distribution counts up to " INT64_FORMAT " values.",
	                          static_cast<int64>(max_count))));
	pg_unreachable();
}

void
add_count(int64 &count, int64 times)
{
	if (times > max_count - count)
		report_too_many();
	count += times;
}

// Copies what is in a block into another: its runs are where that ends.
void
copy_block(const Block &from, const Block &to)
{
	memcpy(to.distribution, from.distribution,
	       sizeof(Distribution) + from.distribution->front_size());
	memcpy(to.runs(), from.runs(), from.distribution->run_count * sizeof(Run));
}

// Needs room for it.
void
put_run(const Block &block, Run run)
{
	Distribution *distribution = block.distribution;
	if (run.count == 1)
		distribution->values()[distribution->used++] = run.value;
	else
	{
		++distribution->run_count;
		*block.runs() = run;
	}
}

bool
has_many_runs(const Block &block)
{
	return block.distribution->run_count >= many_runs;
}

bool
lies_densely(const Block &block)
{
	const Distribution *distribution = block.distribution;
	if (distribution->wide != 0 || distribution->used == 0)
		return false;
	const Extent extent = extent_of(distribution->values(), distribution->used);
	return lie_densely(extent.min, extent.max, distribution->used / 4);
}

bool
should_compact(const ExpandedDistribution *expanded)
{
	const Block &block = expanded->block;
	const std::size_t size = block.distribution->content_size();
	return size >= 2 * expanded->compacted_size && (has_many_runs(block) || size >= huge_content ||
	                                                (size >= large_content && lies_densely(block)));
}

void
find_capacity(ExpandedDistribution *expanded)
{
	const Distribution *distribution = expanded->block.distribution;
	expanded->capacity =
		distribution->wide != 0
			? 0
			: static_cast<uint32>(distribution->used + expanded->block.room() / sizeof(int64));
}

// Each value once.  What is written is never longer than what was there.
void
compact(ExpandedDistribution *expanded)
{
	MemoryContext temporary =
		AllocSetContextCreate(CurrentMemoryContext, "listing_stats order", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(temporary);
	const Ranking ranking = rank(expanded->block);
	Distribution *distribution = expanded->block.distribution;
	distribution->used = 0;
	distribution->run_count = 0;
	// What an interrupt leaves half written is not read again: it ends the aggregate.
	ByteWriter writer(distribution->entries());
	in_parts(ranking.run_count, server.check_interrupts, [&](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			if (ranking.wide)
				write_entry(writer, ranking.wide_runs[i].decimal, ranking.wide_runs[i].count);
			else
				put_run(expanded->block, ranking.runs[i]);
	});
	if (ranking.wide)
		distribution->used = static_cast<uint32>(writer.size());
	expanded->compacted_size = distribution->content_size();
	find_capacity(expanded);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(temporary);
}

// What a parallel worker sends to its leader is compacted where that is quickly done.
Size
flat_size(ExpandedObjectHeader *header)
{
	auto *expanded = reinterpret_cast<ExpandedDistribution *>(header);
	const Block &block = expanded->block;
	if (lies_densely(block))
		compact(expanded);
	const std::size_t size =
		TYPEALIGN(sizeof(int64), sizeof(Distribution) + block.distribution->content_size());
	if (size > MaxAllocSize)
		report_too_large();
	return size;
}

// Without the room between values and runs.
void
flatten(ExpandedObjectHeader *header, void *result, Size size)
{
	memset(static_cast<char *>(result) + size - sizeof(int64), 0, sizeof(int64));
	copy_block(reinterpret_cast<ExpandedDistribution *>(header)->block,
	           Block{static_cast<Distribution *>(result), size});
	SET_VARSIZE(result, size);
}

const ExpandedObjectMethods methods = {flat_size, flatten};

Form
form_of(const struct varlena *flat)
{
	if (VARSIZE_ANY_EXHDR(flat) == 0)
		report_corrupt_distribution();
	return static_cast<Form>(*reinterpret_cast<const unsigned char *>(VARDATA_ANY(flat)));
}

Block
flat_block(struct varlena *flat)
{
	// As detoasting does: an unaligned one has a short header.
	if (VARATT_IS_SHORT(flat))
		flat = pg_detoast_datum_copy(flat);
	const Block block = {reinterpret_cast<Distribution *>(flat), VARSIZE(flat)};
	if (block.size < sizeof(Distribution) || block.size % sizeof(int64) != 0 ||
	    block.distribution->wide > 1 || block.distribution->scale > max_display_scale ||
	    (block.distribution->wide == 0 ? block.distribution->scale > max_scale
	                                   : block.distribution->run_count != 0) ||
	    block.distribution->content_size() > block.size - sizeof(Distribution))
		report_corrupt_distribution();
	return block;
}

Ranking
rank_stored(Datum datum)
{
	const auto *stored = reinterpret_cast<struct varlena *>(DatumGetPointer(datum));
	Ranking ranking = {};
	if (!read_stored(VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored), server, ranking))
		report_corrupt_distribution();
	return ranking;
}

// False: it is no stored form, but one that grows.
bool
read_header(Datum datum, Ranking &header)
{
	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
		return false;
	struct varlena *start = pg_detoast_datum_slice(
		reinterpret_cast<struct varlena *>(DatumGetPointer(datum)), 0, max_header_size);
	if (form_of(start) == Form::growing)
		return false;
	ByteReader reader(VARDATA_ANY(start), VARSIZE_ANY_EXHDR(start));
	if (!read_stored_header(reader, header))
		report_corrupt_distribution();
	return true;
}

// Whether the datum is a block that grows; sets the block then.  The datum is detoasted, unless it
// is an expanded object.
bool
is_growing(Datum &datum, Block &block)
{
	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
	{
		block = expanded_distribution(datum)->block;
		return true;
	}
	struct varlena *flat =
		pg_detoast_datum_packed(reinterpret_cast<struct varlena *>(DatumGetPointer(datum)));
	datum = PointerGetDatum(flat);
	if (form_of(flat) != Form::growing)
		return false;
	block = flat_block(flat);
	return true;
}

}  // namespace

const Environment server = {allocate, release, check_interrupts};

void
report_corrupt_distribution()
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid price_distribution")));
	pg_unreachable();
}

Ranking
rank(const Block &block)
{
	Ranking ranking = {};
	if (!rank_values(block, server, ranking))
		report_too_many();
	return ranking;
}

bool
rank_if_short(Datum datum, Block &block, Ranking &ranking, Extent &extent)
{
	if (!is_growing(datum, block))
	{
		ranking = rank_stored(datum);
		return true;
	}
	const ShortWay way = rank_if_short(block, server, ranking, extent);
	if (way == ShortWay::too_many)
		report_too_many();
	return way == ShortWay::ranked;
}

Ranking
rank(Datum datum)
{
	Block block = {};
	return is_growing(datum, block) ? rank(block) : rank_stored(datum);
}

Datum
store(const Ranking &ranking)
{
	const std::size_t bound = VARHDRSZ + stored_size_bound(ranking);
	auto *stored = static_cast<char *>(server.allocate(bound));
	const std::size_t size =
		VARHDRSZ +
		write_stored(ranking, reinterpret_cast<unsigned char *>(stored) + VARHDRSZ, server);
	if (size > MaxAllocSize)
		report_too_large();
	if (bound > 8 * size)
		stored = static_cast<char *>(repalloc(stored, size));
	SET_VARSIZE(stored, size);
	return PointerGetDatum(stored);
}

Counts
counts_of(Datum datum)
{
	Block block = {};
	Ranking header = {};
	if (read_header(datum, header))
		return header.counts;
	return is_growing(datum, block) ? block.distribution->counts : Counts{};
}

int64
value_count_of(Datum datum)
{
	Ranking header = {};
	return read_header(datum, header) ? header.count() : rank(datum).count();
}

DistributionState::DistributionState(NullableDatum datum, MemoryContext context) : context_(context)
{
	if (datum.isnull)
	{
		start();
		return;
	}
	Pointer pointer = DatumGetPointer(datum.value);
	if (VARATT_IS_EXTERNAL_EXPANDED_RW(pointer))
		expanded_ = expanded_distribution(datum.value);
	else if (VARATT_IS_EXTERNAL_EXPANDED(pointer) || !is_growing(datum.value, flat_))
	{
		start();
		merge(datum.value);
	}
}

void
DistributionState::start()
{
	auto *distribution = static_cast<Distribution *>(palloc(smallest_block));
	*distribution = Distribution{};
	SET_VARSIZE(distribution, smallest_block);
	distribution->form = Form::growing;
	flat_ = Block{distribution, smallest_block};
}

Datum
DistributionState::datum() const
{
	if (expanded_ == nullptr)
		return PointerGetDatum(flat_.distribution);
	find_capacity(expanded_);
	return EOHPGetRWDatum(&expanded_->header);
}

void
DistributionState::expand(std::size_t size)
{
	MemoryContext own =
		AllocSetContextCreate(context_, "listing_stats distribution", ALLOCSET_SMALL_SIZES);
	expanded_ = static_cast<ExpandedDistribution *>(
		MemoryContextAllocZero(own, sizeof(ExpandedDistribution)));
	EOH_init_header(&expanded_->header, &methods, own);
	expanded_->block = Block{static_cast<Distribution *>(MemoryContextAllocHuge(own, size)), size};
	copy_block(flat_, expanded_->block);
}

void
DistributionState::make_room(std::size_t size)
{
	if (block().room() >= size)
		return;
	if (expanded_ != nullptr && should_compact(expanded_))
	{
		compact(expanded_);
		if (block().room() >= size)
			return;
	}
	const std::size_t used = block().size - block().room();
	if (size > largest_block - used)
		report_too_large();
	std::size_t larger = block().size;
	while (larger - used < size)
		larger = std::min(larger * 2, largest_block);

	if (expanded_ != nullptr)
	{
		// Runs move from the old end to the new one.
		Block &block = expanded_->block;
		block.distribution = static_cast<Distribution *>(repalloc_huge(block.distribution, larger));
		use_huge_pages(block.distribution, larger);
		const Run *runs = block.runs();
		block.size = larger;
		memmove(block.runs(), runs, block.distribution->run_count * sizeof(Run));
	}
	else if (larger > largest_flat_block)
		expand(larger);
	else
	{
		const Block block = {static_cast<Distribution *>(palloc(larger)), larger};
		copy_block(flat_, block);
		SET_VARSIZE(block.distribution, larger);
		flat_ = block;
	}
}

void
DistributionState::add_nulls(int64 times) const
{
	add_count(distribution()->counts.nulls, times);
}

void
DistributionState::add(NumberKind kind, int64 times) const
{
	Counts &counts = distribution()->counts;
	add_count(kind == NumberKind::not_a_number        ? counts.not_a_numbers
	          : kind == NumberKind::positive_infinity ? counts.positive_infinities
	                                                  : counts.negative_infinities,
	          times);
}

void
DistributionState::add_run(Run run)
{
	make_room(sizeof(Run));
	put_run(block(), run);
}

void
DistributionState::add_entry(const Decimal &decimal, int64 times)
{
	make_room(max_entry_header_size + 2 * decimal.digit_count);
	Distribution *distribution = this->distribution();
	ByteWriter writer(distribution->entries() + distribution->used);
	write_entry(writer, decimal, times);
	distribution->used += static_cast<uint32>(writer.size());
}

void
DistributionState::add_wide_run(Run run, int scale)
{
	unsigned char bytes[max_encoded_size];
	const std::size_t size = encode_decimal(magnitude_of(run.value), run.value < 0, scale, bytes);
	add_entry(parse_numeric(NumericBytes{reinterpret_cast<const char *>(bytes), size}), run.count);
}

// The scale is the largest there is, whatever the form.
bool
DistributionState::reach_scale(int scale) const
{
	if (distribution()->wide != 0)
	{
		distribution()->scale = static_cast<uint16>(std::max<int>(distribution()->scale, scale));
		return false;
	}
	if (scale <= distribution()->scale)
		return true;
	if (!fits_scale(block(), scale))
		return false;
	rescale(block(), scale);
	return true;
}

void
DistributionState::make_wide()
{
	if (distribution()->wide != 0)
		return;
	const Block scaled = block();
	const std::size_t size = scaled.distribution->content_size();
	auto *copy = static_cast<Distribution *>(server.allocate(sizeof(Distribution) + size));
	const Block before = {copy, sizeof(Distribution) + size};
	copy_block(scaled, before);

	distribution()->wide = 1;
	distribution()->used = 0;
	distribution()->run_count = 0;
	for (uint32 i = 0; i < copy->used; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		add_wide_run(Run{copy->values()[i], 1}, copy->scale);
	}
	for (uint32 i = 0; i < copy->run_count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		add_wide_run(before.runs()[i], copy->scale);
	}
	pfree(copy);
}

void
DistributionState::add(int64 value, int scale, int64 times)
{
	int64 scaled = 0;
	if (reach_scale(scale) &&
	    !__builtin_mul_overflow(value, powers_of_ten[distribution()->scale - scale], &scaled) &&
	    scaled != INT64_MIN)
	{
		add_run(Run{scaled, times});
		return;
	}
	make_wide();
	(void) reach_scale(scale);
	add_wide_run(Run{value, times}, scale);
}

void
DistributionState::add(const Decimal &decimal, int64 times)
{
	if (decimal.kind != NumberKind::finite)
	{
		add(decimal.kind, times);
		return;
	}
	int64 value = 0;
	if (reach_scale(decimal.scale) && scaled_value(decimal, distribution()->scale, value))
	{
		add_run(Run{value, times});
		return;
	}
	make_wide();
	(void) reach_scale(decimal.scale);
	add_entry(decimal, times);
}

void
DistributionState::merge_counts(const Counts &counts) const
{
	add_nulls(counts.nulls);
	add(NumberKind::not_a_number, counts.not_a_numbers);
	add(NumberKind::positive_infinity, counts.positive_infinities);
	add(NumberKind::negative_infinity, counts.negative_infinities);
}

void
DistributionState::merge_block(const Block &other)
{
	const Distribution *from = other.distribution;
	merge_counts(from->counts);
	if (from->wide != 0)
	{
		make_wide();
		make_room(from->used);
		memcpy(distribution()->entries() + distribution()->used, from->entries(), from->used);
		distribution()->used += from->used;
		(void) reach_scale(from->scale);
		return;
	}
	if (from->scale == distribution()->scale && distribution()->wide == 0)
	{
		make_room(from->content_size());
		Distribution *into = distribution();
		memcpy(into->values() + into->used, from->values(), from->front_size());
		into->used += from->used;
		into->run_count += from->run_count;
		memcpy(block().runs(), other.runs(), from->run_count * sizeof(Run));
		return;
	}
	for (uint32 i = 0; i < from->used; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		add(from->values()[i], from->scale, 1);
	}
	for (uint32 i = 0; i < from->run_count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		add(other.runs()[i].value, from->scale, other.runs()[i].count);
	}
}

void
DistributionState::merge_stored(Datum datum)
{
	const auto *stored = reinterpret_cast<struct varlena *>(DatumGetPointer(datum));
	ByteReader reader(VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored));
	Ranking header = {};
	if (!read_stored_header(reader, header) || header.run_count > reader.left())
		report_corrupt_distribution();
	if (header.wide)
	{
		const Ranking ranking = rank_stored(datum);
		merge_counts(ranking.counts);
		make_wide();
		(void) reach_scale(ranking.scale);
		for (std::size_t i = 0; i < ranking.run_count; ++i)
		{
			if (i % values_between_checks == 0)
				CHECK_FOR_INTERRUPTS();
			add_entry(ranking.wide_runs[i].decimal, ranking.wide_runs[i].count);
		}
		return;
	}
	merge_counts(header.counts);
	const bool plain =
		header.run_count > 0 && reach_scale(header.scale) && header.scale == distribution()->scale;
	if (plain)
		make_room(header.run_count * sizeof(Run));
	Run run = {};
	for (std::size_t i = 0; i < header.run_count; ++i)
	{
		if (i % values_between_checks == 0)
			CHECK_FOR_INTERRUPTS();
		if (!read_run(reader, run))
			report_corrupt_distribution();
		if (plain)
			put_run(block(), run);
		else
			add(run.value, header.scale, run.count);
	}
}

void
DistributionState::merge(Datum other)
{
	Block block = {};
	Datum flat = other;
	if (is_growing(flat, block))
		merge_block(block);
	else
		merge_stored(flat);
	if (flat != other)
		pfree(DatumGetPointer(flat));
}

}  // namespace listing_stats
