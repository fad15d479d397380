// Whether listings can be locked, read and written directly, by direct_path.hpp, and what is in the
// way if not.
//
// Most of it is found once for an attachment and holds as long as that is valid; the rest is asked
// for each flush: the setting, hooks, and indexes that are newer than a snapshot.
//
// Nothing is changed here, nor is it an error if the way is closed.  The answer holds for a flush,
// which has both tables locked.  The path is made in the attachment's context, and only by these
// functions: direct_path.hpp is used after one of them has said yes.
#pragma once

#include "tables/price_table.hpp"
#include "tracking/index_lookup.hpp"
#include "tracking/maintenance_sql.hpp"

namespace listing_stats {

// What does not change as long as an attachment is valid.
struct DirectPath
{
	const char *obstacle;         // why listings cannot be written so; nullptr: they can
	const char *prices_obstacle;  // why prices cannot be read so; nullptr: they can
	bool partitioned;             // the table of prices
	bool finds_listing;           // by the index of it
	Oid listing_index;
	TransactionId listing_index_since;
	IndexKeys listing_keys;
	TypeCacheEntry *at_type;
	int end_of_kept;  // behind the last target that is kept
	// Where many keys are read from the leaves of the indexes instead: whether they can be that of
	// listing, and what is read of price.
	bool listing_leaves;
	PriceTable prices;
};

// Once per backend, when the module is loaded: the developer's setting listing_stats.direct_path.
void define_direct_path_setting();

// Whether the listings of the attachment can be locked, and those of the columns written that do
// not depend on all prices of a listing; or, if "added", all columns where prices were only added.
bool locks_directly(Attachment *attachment);
bool writes_directly(Attachment *attachment, bool added);

// The same for people: "direct", or "by SQL: " and what is in the way.
const char *way_of(Attachment *attachment);

// Whether read_directly() can do what the statement does, which reads prices: only where they are
// in partitions, all of which the statement would lock.
bool reads_directly(Attachment *attachment, Statement statement);

}  // namespace listing_stats
