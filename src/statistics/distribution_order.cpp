// Distributions compared: equal if they are the same set of numbers and NULLs, 1.0 being 1.00.  The
// order has no meaning of its own and agrees with that, so that they can be sorted, joined and
// grouped.
#include "server/postgres.hpp"
#include "statistics/distribution_state.hpp"

namespace listing_stats {

namespace {

// A sort, or the building of an index, calls these in a context that lives until it is done, so
// each call frees what it took.
template <class Question>
auto
answer(Question question)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "listing_stats comparison",
	                                              ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);
	const auto result = question();
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
	return result;
}

int
compare(FunctionCallInfo fcinfo)
{
	return answer([&] {
		const Ranking a = rank(PG_GETARG_DATUM(0));
		const Ranking b = rank(PG_GETARG_DATUM(1));
		return compare_rankings(a, b, server.check_interrupts);
	});
}

uint64
hash(FunctionCallInfo fcinfo, uint64 seed)
{
	return answer(
		[&] { return hash_ranking(rank(PG_GETARG_DATUM(0)), seed, server.check_interrupts); });
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_distribution_cmp)
{
	PG_RETURN_INT32(compare(fcinfo));
}

LISTING_STATS_FUNCTION(listing_stats_distribution_eq)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

LISTING_STATS_FUNCTION(listing_stats_distribution_ne)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

LISTING_STATS_FUNCTION(listing_stats_distribution_lt)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

LISTING_STATS_FUNCTION(listing_stats_distribution_le)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

LISTING_STATS_FUNCTION(listing_stats_distribution_gt)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

LISTING_STATS_FUNCTION(listing_stats_distribution_ge)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

LISTING_STATS_FUNCTION(listing_stats_distribution_hash)
{
	PG_RETURN_INT32(static_cast<int32>(hash(fcinfo, 0)));
}

// With seed 0 its low half is what the other answers, as hash partitioning requires.
LISTING_STATS_FUNCTION(listing_stats_distribution_hash_extended)
{
	PG_RETURN_UINT64(hash(fcinfo, static_cast<uint64>(PG_GETARG_INT64(1))));
}

}  // namespace listing_stats
