// The listings that running statements have touched and that no flush has handled yet.
//
// A statement's row triggers collect keys; one flush at the end of the statement handles them all.
// Keys are held per level of trigger nesting: a statement that a trigger runs ends, and is flushed,
// before the one that fired the trigger.  What an error leaves behind goes with its transaction or
// subtransaction.
#pragma once

#include "pg/attachment_cache.hpp"

namespace listing_stats {

// Keys of one attachment, each at least once.
struct PendingKeys
{
	Oid relation;  // the trigger that met them, see Attachment
	Oid trigger;
	Side side;
	Oid type;
	Datum *key;
	Size count;
	Size capacity;
	PendingKeys *next;
};

struct Level
{
	int depth;  // of trigger nesting
	SubTransactionId subtransaction;
	MemoryContext context;
	PendingKeys *pending;
	Level *outer;
};

// Marks our own UPDATE of listing, from which the triggers on listing have nothing to learn.
struct OwnWrite
{
	const Attachment *attachment;
	int depth;  // of the triggers that the UPDATE fires
	SubTransactionId subtransaction;
	OwnWrite *outer;
};

int trigger_depth();

// Adds a key as its column holds it.  Queues the flush if this statement has none queued.
void add_pending_key(const Attachment &attachment, Side side, Oid column_type, Datum key);

// Takes what the statement at this depth has collected; nullptr: nothing.  The caller owns it.
Level *take_level(int depth);

// Sorts the keys by the type's btree order and drops repeated ones; frees them only where nothing
// else holds them.
void sort_keys(const KeyType &type, Datum *key, Size *count, bool free_repeated);

void begin_own_write(const Attachment &attachment);
void end_own_write();
bool in_own_write(const Attachment &attachment);

// Once per backend, when the module is loaded.
void register_transaction_callbacks();

}  // namespace listing_stats
