// How far refresh() is: the rows of listing_stats._refresh_progress.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

struct Progress
{
	Oid listing;
	Oid price;
	AttrNumber kept;  // the first kept column of listing
	AttrNumber key;   // of price
	TimestampTz started;
	TimestampTz updated;
	int64 done;     // keys handled
	int64 total;    // keys there are, as far as known
	int64 changed;  // listings written
	bool finished;
};

// Writes the row of the attachment, for others to see when the transaction commits.
void write_progress(const Progress &progress);

// Forgets what was kept of an attachment under another of its columns, which was its first then.
void forget_progress(const Progress &progress, AttrNumber kept);

// Seconds since it started.
double seconds_taken(const Progress &progress);

// NOTICEs, to be sent when what they tell of is committed.
void tell_progress(const Progress &progress);
void tell_end(const Progress &progress);

}  // namespace listing_stats
