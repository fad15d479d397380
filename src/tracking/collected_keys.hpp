// The listings that running statements have touched and that no flush has handled yet.
//
// A statement's row triggers collect keys; one flush at the end of the statement handles them all.
// Keys are held per level of trigger nesting: a statement that a trigger runs ends, and is flushed,
// before the one that fired the trigger.  What an error leaves behind goes with its transaction or
// subtransaction.
#pragma once

#include "tracking/late_keys.hpp"

namespace listing_stats {

// A listing, and what a statement has done to its prices.
struct PendingKey
{
	Datum key;
	int64 first;          // of a key of several columns, the first one if it is an integer
	bool arrived;         // a listing came to this key
	bool empty;           // as a new row that has what is kept for a listing without prices
	bool recompute;       // something else than adding prices was done
	ItemPointerData tid;  // of its row when the flush has locked it; invalid: not known
	// Where prices were only added: how many known ones, the lowest and highest of them, and the
	// first command that added one.
	int64 added;
	Datum lowest;
	Datum highest;
	Datum total;  // of them, a numeric; nullptr: it is not kept
	CommandId command;
};

// Keys of one attachment, each at least once.
struct PendingKeys
{
	Oid relation;  // the trigger that met them, see Attachment
	Oid trigger;
	Side side;
	uint64 layout;  // of the keys
	PendingKey *key;
	Size count;
	Size capacity;
	PendingKeys *next;
};

struct Level
{
	int depth;                   // of trigger nesting
	const QueryDesc *statement;  // to whose end they are put off
	SubTransactionId subtransaction;
	MemoryContext context;
	PendingKeys *pending;
	Level *outer;
	// Of the only row, if it was inserted: its time, which is held without memory.
	Datum since;
	bool has_since;
};

// Marks our own UPDATE of listing, which the triggers on listing ignore.
struct OwnWrite
{
	const Attachment *attachment;
	const char *text;  // of the UPDATE, as its plan has it; nullptr: written directly
	SubTransactionId subtransaction;
	bool written_meanwhile;  // the attachment has been written anew before this write was over
	OwnWrite *outer;
};

// Opens a table of the extension's, to make events that call its trigger.  The caller closes it.
ResultRelInfo *open_event_table(const char *name);

// Adds a key, see make_key(), with the lowest and highest price as their column holds them.  Queues
// the flush if this statement has none queued.
void add_pending_key(const Attachment &attachment, Side side, const PendingKey &change);

// A level of no statement, and another key for it: the caller owns it.
Level *empty_level();
void add_key(Level *level, const Attachment &attachment, Side side, const PendingKey &change);

// A level with the only key of its statement, which needs no flush at its end: the caller owns it.
Level *level_of_one(const Attachment &attachment, Side side, const PendingKey &change);

// Where the listings are rows that a statement under way may be about to change, as where its
// BEFORE trigger has changed their prices: what is written to them now would make it fail, so they
// are put off to its end.  False: they are not.
bool put_off(const Attachment &attachment, const PendingKeys &pending);

// Adds what was put off to the end of a statement, which has come, to what the triggers at this
// depth collect; nullptr: of the one that was under way when the module was loaded.
void take_up(const QueryDesc *statement, int depth);

// Takes what the statement at this depth has collected; nullptr: nothing.  The caller owns it.
Level *take_level(int depth);

// Sorts the keys by the type's btree order and merges repeated ones.
void sort_keys(const Attachment &attachment, PendingKey *key, Size *count);

int compare_key(const ComparedType &type, Datum a, Datum b);

// A write of the attachment, by an UPDATE with this text or directly (nullptr).  When it ends says
// whether there was another within it, set off by a trigger or function of the owner's: what this
// one has computed may be older than what that one saw.
void begin_own_write(const Attachment &attachment, const char *text);
bool end_own_write();

// Whether the statement whose triggers are firing is our own UPDATE, and not one that a rule or
// function of the owner's has added to it.
bool in_own_write(const Attachment &attachment);

// Once per backend, when the module is loaded.
void register_transaction_callbacks();

}  // namespace listing_stats
