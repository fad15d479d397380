// The keys of prices whose listing was not there when their statement ended.
//
// With a deferred foreign key a listing may come after its prices, by another transaction too,
// which does not see them.  So it is looked for once more, behind the checks of foreign keys,
// before the transaction commits.  PostgreSQL's deferred triggers call for that: it happens when
// and where they may run, as whom they run, and not out of a security-restricted operation.
//
// Invariant: while there is a key that has not been looked for, an event of the table _late is
// queued in the same (sub)transaction or an outer one.
#pragma once

#include "tracking/attachment_cache.hpp"

namespace listing_stats {

struct PendingKey;

// The rows of the table _late, and what its trigger does for an event of each.
enum class LateStep
{
	first = 1,  // calls for the last one, which comes behind all events that are queued by then
	last = 2    // looks for the listings
};

struct LateKey
{
	Oid relation;  // the trigger that met it, see Attachment
	Oid trigger;
	Side side;
	uint64 layout;             // of the key
	int16 length;              // of its type
	bool by_value;             // likewise
	bool deferred;             // nothing had been done for it, see defer() in flush.cpp
	SubTransactionId done_in;  // where that was done since; invalid: nowhere
	SubTransactionId subtransaction;
	Datum key;
};

struct LateKeys
{
	LateKey *key;
	Size count;
	MemoryContext context;  // of the keys, for who has taken them to delete; nullptr: they stay
	bool restricted;        // some came in a security-restricted operation: so must what they do
};

inline bool
is_to_be_done(const LateKey &key)
{
	return key.deferred && key.done_in == InvalidSubTransactionId;
}

// Whether nothing can be left to the commit: in a security-restricted operation, unless it is that
// in which a worker of a subscription applies a row.
bool is_restricted();

// Remembers keys, and has them looked for before the transaction commits.
void add_late_keys(const Attachment &attachment, Side side, const PendingKey *key, Size count,
                   bool deferred);

// Remembers keys that have been looked for in vain, for check_late_keys().
void keep_late_keys(const Attachment &attachment, Side side, const PendingKey *key, Size count);

// What is remembered, to be looked for now.  Within a savepoint it stays as well: rolling back
// brings back the event.
LateKeys take_late_keys();

// That what is remembered within a savepoint is being looked for: an event that comes meanwhile,
// where constraints are immediate, must not begin anew.
void begin_late_keys();

// What is remembered, when no event is queued that has not led to a look.
LateKeys late_keys();

// Queues the last step, if there is anything to look for.
void queue_last_step();

// What the end of a subtransaction and of a transaction makes of them.
void drop_late_keys(SubTransactionId subtransaction);
void inherit_late_keys(SubTransactionId own, SubTransactionId parent);
void forget_late_keys();

}  // namespace listing_stats
