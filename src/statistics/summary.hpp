// The answers that price_summary() gives at once.
#pragma once

#include "server/postgres.hpp"
#include "statistics/statistics.hpp"

namespace listing_stats {

enum Field
{
	Lowest,
	FirstQuartile,
	Median,
	ThirdQuartile,
	Highest,
	Mean,
	Stddev,
	Total,
	FieldCount
};

struct Summary
{
	int64 count;
	int64 nulls;
	Numeric numbers[FieldCount];  // null where there is no answer
};

// Of any distribution; of a block that grows by the shortest way, which need not order it.
Summary summarize(Datum distribution);

Datum summary_row(FunctionCallInfo fcinfo, const Summary &summary);
Datum summary_jsonb(const Summary &summary);
Datum summary_json(const Summary &summary);

}  // namespace listing_stats
