// What a distribution says, as numerics in the unit of the prices: by rank, and as sums, of which
// variances are in the square of the unit.  NULL answers are null pointers; NULLs are no values.
//
// A percentile p of n values is at rank p * (n - 1), as percentile_cont() has it: that value, or
// what lies between it and the next.  Sums are those of PostgreSQL's numeric.c.
#pragma once

#include "server/postgres.hpp"
#include "statistics/distribution_state.hpp"

#include <initializer_list>

namespace listing_stats {

// Values by their rank, 0 being the lowest: -Infinity, finite values, Infinity, NaN.
class Order
{
public:
	// All ranks.  Ranks that are asked for in ascending order take one pass.
	explicit Order(const Ranking &ranking);
	// The given ones of a block that rank_if_short() has not ranked: at most max_selected_ranks.
	Order(const Ranking &ranking, const Block &block, const Extent &extent, const int64 *ranks,
	      int rank_count);

	int64 count() const { return ranking_.count(); }
	Numeric at(int64 rank);

	// value(rank) + (value(rank + 1) - value(rank)) * quarters / 4, or fraction: the rank after
	// it is asked for only if that is not 0.
	Numeric between(int64 rank, int quarters);
	Numeric between(int64 rank, Numeric fraction);

private:
	bool is_finite(int64 rank) const;
	std::size_t run_at(int64 finite_rank);
	int64 scaled_at(int64 rank);

	Ranking ranking_;
	std::size_t run_ = 0;     // where the last rank was found,
	int64 before_ = 0;        // and how many finite values come before it
	int selected_count_ = 0;  // where there are no runs
	std::size_t selected_[max_selected_ranks] = {};
	int64 answers_[max_selected_ranks] = {};
};

// The value below which a part of all values lies, interpolated as percentile_cont does, in exact
// numeric.  Error 22003: the part is not between 0 and 1.  Of at least one value.
struct Percentile
{
	int64 rank;
	Numeric fraction;  // null: none
};
Percentile place_of(Numeric part, int64 count);

// The numeric of a run, shown with the ranking's scale.
Numeric value_of(const Ranking &ranking, std::size_t run);

// How many of the runs are below the number, as the server orders numbers.
std::size_t runs_below(const Ranking &ranking, Numeric number);

// PostgreSQL's own answers, digit for digit, and its error 22003.  Null pointers where one is not
// asked for or not defined.
struct Sums
{
	Numeric numbers[sum_kinds];

	Numeric &operator[](Sum sum) { return numbers[static_cast<int>(sum)]; }
};

Sums sums_of(const Ranking &ranking, std::initializer_list<Sum> wanted);
Sums sums_of(const Moments &moments, int64 count, int scale, std::initializer_list<Sum> wanted);

}  // namespace listing_stats
