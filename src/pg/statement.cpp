// The statement whose AFTER triggers are firing, see statement.hpp.
//
// They fire within ExecutorFinish, so the innermost statement that is there is the one.  An error
// leaves it without a word: then nothing is known until the next.
#include "pg/statement.hpp"

#include "pg/pending.hpp"

namespace listing_stats {

namespace {

const QueryDesc *finishing = nullptr;
int finishing_depth = 0;  // of the triggers that had fired it
ExecutorFinish_hook_type next_hook = nullptr;

void
finish(QueryDesc *query)
{
	const QueryDesc *outer = finishing;
	const int outer_depth = finishing_depth;

	finishing = query;
	finishing_depth = trigger_depth();
	if (next_hook != nullptr)
		next_hook(query);
	else
		standard_ExecutorFinish(query);
	finishing = outer;
	finishing_depth = outer_depth;
}

void
forget_at_abort(XactEvent event, void *)
{
	if (event == XACT_EVENT_ABORT)
		finishing = nullptr;
}

void
forget_at_subtransaction_abort(SubXactEvent event, SubTransactionId, SubTransactionId, void *)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		finishing = nullptr;
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

bool
is_only_row(const TriggerData *event, Oid table)
{
	// COPY fires its triggers by itself, one deeper if a trigger runs it.
	if (finishing == nullptr || trigger_depth() != finishing_depth + 1 ||
	    finishing->estate == nullptr || finishing->estate->es_processed != 1 ||
	    !is_event_of(event, finishing->operation))
		return false;
	// A foreign key's cascade fires its triggers with those of the statement that set it off.
	const PlannedStmt *statement = finishing->plannedstmt;
	return !statement->hasModifyingCTE && list_length(statement->resultRelations) == 1 &&
	       rt_fetch(linitial_int(statement->resultRelations), statement->rtable)->relid == table;
}

bool
is_replicated_row()
{
	return MyLogicalRepWorker != nullptr && finishing == nullptr && trigger_depth() == 1 &&
	       MyLogicalRepWorker->relstate != SUBREL_STATE_DATASYNC;  // which is a COPY
}

}  // namespace listing_stats
