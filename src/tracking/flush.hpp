// Making kept columns right: the protocol of HACKING.md, "How the column stays right".
//
// After it what is kept for the listings of the keys is what their prices say: those that are
// committed, and this transaction's own.  They are locked until the transaction ends, except where
// their row is of this transaction.  Some keys come later: those put off to the end of an outer
// statement, those whose listing is not there (late_keys.hpp), and all of a transaction that is
// applied in parallel.
//
// It runs as the tables' owner.  Errors are what a constraint or trigger of the owner's raises,
// 27000 where one undoes the write, and 40001 above READ COMMITTED where the transaction would see
// other prices than the columns say.
#pragma once

#include "tracking/collected_keys.hpp"

namespace listing_stats {

// When keys are handled.
enum class Round
{
	first,  // at the end of their statement
	again,  // before the transaction commits, as at the end of their statement: nothing is put off
	last    // listings that are not there will not be looked for again
};

// Handles and frees what one statement has collected.
void flush(Level *level, Round round);

// Looks once more for the listings that were not there, see late_keys.hpp.
void flush_late_keys();

// Before a transaction commits: an error if it would leave wrong what flush_late_keys() was to make
// right.  Runs no code of anybody else's.
void check_late_keys();

// Makes right what is kept for the listings with these keys, which it sorts; returns how many it
// changed.  The caller has listing locked ROW EXCLUSIVE and price ACCESS SHARE.
uint64 recompute_keys(Attachment *attachment, Datum *key, Size count);

// Recomputes every listing of the attachment.  The caller holds a lock on price, or on listing,
// that keeps writers of prices out.
void recompute_all(Attachment *attachment);

// At the end of a transaction: forgets when it recomputed last, and that it was about to commit.
void forget_recomputations();

}  // namespace listing_stats
