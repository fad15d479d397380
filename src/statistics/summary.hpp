// The answers that price_summary() gives at once, in the unit of the prices: each what the server's
// own aggregates would give, to the last digit, and quartiles as percentile_cont() has them, in
// exact numeric.  NULLs are counted, and no values.
#pragma once

#include "server/postgres.hpp"
#include "statistics/statistics.hpp"

namespace listing_stats {

struct Summary
{
	enum Field
	{
		lowest,
		first_quartile,
		median,
		third_quartile,
		highest,
		mean,
		stddev,
		total
	};
	static constexpr int fields = total + 1;

	int64 count;
	int64 nulls;
	Numeric numbers[fields];  // null pointers of no values, and the deviation of one
};

// Of any distribution; of a block that grows by the shortest way, which need not order it.
Summary summarize(Datum distribution);

Datum summary_row(FunctionCallInfo fcinfo, const Summary &summary);
Datum summary_jsonb(const Summary &summary);
Datum summary_json(const Summary &summary);

}  // namespace listing_stats
