// The statement whose AFTER triggers are firing, see statement.hpp.
//
// They fire within ExecutorFinish, so the innermost statement that is there is the one.  An error
// leaves it without a word, but ends the subtransaction that it began in.
#include "pg/statement.hpp"

namespace listing_stats {

namespace {

// A statement in ExecutorFinish.
struct Finishing
{
	const QueryDesc *query;
	int depth;  // of the triggers that have fired the statement
	SubTransactionId subtransaction;
};

// From the outermost to the innermost.  Not on the stack of whoever runs them: an error has left
// that before its subtransaction ends.
Finishing *finishing = nullptr;
int finishing_count = 0;
int finishing_capacity = 0;
ExecutorFinish_hook_type next_hook = nullptr;

void
make_room()
{
	constexpr int least = 16;

	if (finishing_count < finishing_capacity)
		return;
	finishing_capacity = Max(least, 2 * finishing_capacity);
	const Size size = static_cast<Size>(finishing_capacity) * sizeof(Finishing);
	finishing =
		static_cast<Finishing *>(finishing == nullptr ? MemoryContextAlloc(TopMemoryContext, size)
	                                                  : repalloc(finishing, size));
}

void
finish(QueryDesc *query)
{
	const int outer = finishing_count;

	make_room();
	finishing[finishing_count++] = {query, trigger_depth(), GetCurrentSubTransactionId()};
	if (next_hook != nullptr)
		next_hook(query);
	else
		standard_ExecutorFinish(query);
	finishing_count = outer;
}

void
forget_at_abort(XactEvent event, void *)
{
	if (event == XACT_EVENT_ABORT)
		finishing_count = 0;
}

void
forget_at_subtransaction_abort(SubXactEvent event, SubTransactionId subtransaction,
                               SubTransactionId, void *)
{
	while (event == SUBXACT_EVENT_ABORT_SUB && finishing_count > 0 &&
	       finishing[finishing_count - 1].subtransaction >= subtransaction)
		--finishing_count;
}

// The statement whose triggers are firing; nullptr: none is, or it is not known.
const QueryDesc *
firing_statement()
{
	// COPY fires its triggers by itself, one deeper if a trigger runs it.
	if (finishing_count == 0)
		return nullptr;
	const Finishing &innermost = finishing[finishing_count - 1];
	return trigger_depth() == innermost.depth + 1 ? innermost.query : nullptr;
}

// Rows moved to another partition are deleted and inserted by an UPDATE.
bool
is_event_of(const TriggerData *event, CmdType operation)
{
	return (operation == CMD_INSERT && TRIGGER_FIRED_BY_INSERT(event->tg_event)) ||
	       (operation == CMD_UPDATE && TRIGGER_FIRED_BY_UPDATE(event->tg_event)) ||
	       (operation == CMD_DELETE && TRIGGER_FIRED_BY_DELETE(event->tg_event));
}

}  // namespace

void
follow_statements()
{
	next_hook = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
	RegisterXactCallback(forget_at_abort, nullptr);
	RegisterSubXactCallback(forget_at_subtransaction_abort, nullptr);
}

int
trigger_depth()
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, nullptr, 0, InvalidOid, nullptr, nullptr);
	return DatumGetInt32(pg_trigger_depth(fcinfo));
}

bool
is_only_row(const TriggerData *event, Oid table)
{
	const QueryDesc *query = firing_statement();
	if (query == nullptr || query->estate == nullptr || query->estate->es_processed != 1 ||
	    !is_event_of(event, query->operation))
		return false;
	// A foreign key's cascade fires its triggers with those of the statement that set it off.
	const PlannedStmt *statement = query->plannedstmt;
	return !statement->hasModifyingCTE && list_length(statement->resultRelations) == 1 &&
	       rt_fetch(linitial_int(statement->resultRelations), statement->rtable)->relid == table;
}

bool
is_update_with(const char *text)
{
	const QueryDesc *query = firing_statement();

	// Not what a rule adds to it.
	return query != nullptr && query->sourceText == text && query->operation == CMD_UPDATE &&
	       query->plannedstmt->canSetTag;
}

bool
is_replicated_row()
{
	return MyLogicalRepWorker != nullptr && finishing_count == 0 && trigger_depth() == 1 &&
	       MyLogicalRepWorker->relstate != SUBREL_STATE_DATASYNC;  // which is a COPY
}

}  // namespace listing_stats
