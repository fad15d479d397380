// A distribution in the server's memory: the forms that a datum of the type can have, how one grows
// and how it is brought into order.
//
// What a query sees is the stored form (core/stored_form).  While an aggregate runs, its state is a
// block that values are appended to.  For small groups the block is the datum itself, with room to
// spare: when that is used up, a block of twice the size comes from the current memory context, and
// the aggregate node, which sees that it moved, keeps a copy and frees what it had.  A larger block
// belongs to an expanded object, which grows in place.  (An expanded object for each group would
// make many groups a hundred times slower: the executor walks all children of its memory context.)
#pragma once

#include "core/stored_form.hpp"

#include "server/numeric.hpp"
#include "server/postgres.hpp"

namespace listing_stats {

// Memory of the current context, and interrupts.
extern const Environment server;

struct ExpandedDistribution
{
	ExpandedObjectHeader header;
	Block block;
	uint32 capacity;             // how many values fit; 0 where wide
	std::size_t compacted_size;  // of the content, when it was last compacted
};

// What DatumGetEOHP() does, here where it is inlined: each row needs it.
inline ExpandedDistribution *
expanded_distribution(Datum datum)
{
	varatt_expanded pointer;
	memcpy(&pointer, VARDATA_EXTERNAL(DatumGetPointer(datum)), sizeof pointer);
	return reinterpret_cast<ExpandedDistribution *>(pointer.eohptr);
}

// A state that grows.  Errors: 54000 when it cannot.
class DistributionState
{
public:
	// Of what is there, empty without: the datum itself if it grows already, otherwise a copy.
	// Expanded objects become children of the context.
	DistributionState(NullableDatum datum, MemoryContext context);

	// The same datum if it has not moved.
	Datum datum() const;
	const Block &block() const { return expanded_ != nullptr ? expanded_->block : flat_; }
	Distribution *distribution() const { return block().distribution; }

	void add(NumberKind kind, int64 times) const;
	void add_nulls(int64 times) const;
	void add(const Decimal &decimal, int64 times);  // any kind
	void add(int64 value, int scale, int64 times);  // not of INT64_MIN
	void merge(Datum other);

private:
	void start();
	void make_room(std::size_t size);
	void expand(std::size_t size);
	void make_wide();
	void add_run(Run run);
	void add_entry(const Decimal &decimal, int64 times);
	void add_wide_run(Run run, int scale);
	bool reach_scale(int scale) const;
	void merge_counts(const Counts &counts) const;
	void merge_block(const Block &other);
	void merge_stored(Datum datum);

	MemoryContext context_;
	ExpandedDistribution *expanded_ = nullptr;
	Block flat_ = {};
};

static_assert(std::is_trivially_destructible_v<DistributionState>);

// Any distribution in order.  Error 54000: there are more than max_count values.
Ranking rank(Datum datum);
Ranking rank(const Block &block);

// False: it is a block that grows, and select_ranks() is a shorter way to a few ranks.  Then block
// and extent are set, and what the ranking says except its runs.
bool rank_if_short(Datum datum, Block &block, Ranking &ranking, Extent &extent);

// The stored form.  Error 54000 when it would take more than a gigabyte.
Datum store(const Ranking &ranking);

// These read only the beginning of what is stored.
Counts counts_of(Datum datum);
int64 value_count_of(Datum datum);

[[noreturn]] void report_corrupt_distribution();

}  // namespace listing_stats
