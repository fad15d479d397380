// Running the statements of maintenance_sql.hpp as the owner of the tables, and the rows that they
// take and give.
//
// The caller has both tables locked as a flush locks them, or one so that nobody else writes
// prices: no rename can come between making a plan and running it.  Stores of rows are the
// caller's, who ends them.  Errors are the server's, and tell which attachment they are about; one
// of our own is that a rule replaces the UPDATE.
#pragma once

#include "server/roles.hpp"
#include "tracking/direct_path.hpp"

namespace listing_stats {

// What a statement sees: all that is committed by now, or above READ COMMITTED what its transaction
// goes on to see.  At READ COMMITTED these are the same.
enum class Sees
{
	latest,
	transaction
};

// Rows that a statement takes or has given.
struct Rows
{
	Tuplestorestate *store;  // nullptr: none are taken
	Shape shape;
	double count;
	Keys keys = {};  // sorted, of those that are taken to be read directly
};

// Acting as the owner of the tables, as foreign keys do: privileges and row security of whoever
// changed a price do not change what the listing's price is.
struct AsOwner
{
	Actor before;
	ErrorContextCallback callback;
};

void begin_as_owner(AsOwner *as_owner, Attachment *attachment);
void end_as_owner(const AsOwner &as_owner);

// Rows without any yet.
Rows make_rows(Shape shape);

// The sorted keys as rows, with what was added to each if that is known.
Rows rows_of_keys(Attachment *attachment, const Keys &keys);

// What is called with each row.
struct RowTaker
{
	void (*take)(void *taker, HeapTuple tuple, TupleDesc columns);
	void *taker;
};

// Runs a statement as the owner, and calls the taker with each row that it gives, in the context of
// the caller.  Returns how many rows it has given or written.
//
// At READ COMMITTED the executor takes a new snapshot.  Above, a new one is taken here, since the
// transaction's own is too old to be written by.  That one is used for two things.  As with foreign
// keys an update of a listing that the transaction cannot see is refused, because the transaction
// would afterwards see the listing twice.  And check_seen() asks what the transaction sees.
//
// *written_meanwhile: set if the attachment was written anew within the write.  nullptr only where
// the statement does not write.
uint64 run_statement(Attachment *attachment, Statement statement, const Rows &taken, Sees sees,
                     bool *written_meanwhile, RowTaker taker);

// The same with a function object.
template <typename Take>
uint64
run_statement(Attachment *attachment, Statement statement, const Rows &taken, Sees sees,
              bool *written_meanwhile, Take take)
{
	return run_statement(attachment, statement, taken, sees, written_meanwhile,
	                     RowTaker{[](void *taker, HeapTuple tuple, TupleDesc columns) {
									  (*static_cast<Take *>(taker))(tuple, columns);
								  },
	                              &take});
}

inline void
take_nothing(HeapTuple, TupleDesc)
{
}

// A key that a statement has given, in the caller's context.
Datum given_key(const Attachment &attachment, HeapTuple tuple, TupleDesc columns);

// The rows that a statement gives: read, read_added and read_head, where prices are in partitions,
// from those alone that have them.
Rows read_rows(Attachment *attachment, Statement statement, Shape shape, const Rows &keys,
               Sees sees);

// What the columns of all listings have to be.
Rows read_all(Attachment *attachment, Sees sees);

}  // namespace listing_stats
