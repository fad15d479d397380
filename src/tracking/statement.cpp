// The statements under way, see statement.hpp.
//
// AFTER triggers fire within ExecutorFinish, so the innermost statement that is there is the one
// whose triggers are firing.  Those in ExecutorRun are changing rows.  An error leaves both without
// a word, but ends the subtransaction that they began in.
#include "tracking/statement.hpp"

#include "tracking/collected_keys.hpp"

namespace listing_stats {

namespace {

struct Running
{
	const QueryDesc *query;
	int depth;  // of the triggers that have fired the statement
	SubTransactionId subtransaction;
	bool finishing;  // in ExecutorFinish; otherwise in ExecutorRun
};

// From the outermost to the innermost.  Not on the stack of whoever runs them: an error has left
// that before its subtransaction ends.
Running *running = nullptr;
int running_count = 0;
int running_capacity = 0;
ExecutorRun_hook_type next_run = nullptr;
ExecutorFinish_hook_type next_finish = nullptr;

// What was under way when the module was loaded is not in the list.  The table that it is taken to
// be changing; InvalidOid: none, or it has ended.
Oid unseen_change = InvalidOid;
bool unseen_is_known = false;
const QueryDesc *last_run = nullptr;  // that ExecutorRun was done with: it was not missed
TimestampTz loaded_by = 0;            // when the client's command began that loaded the module

void
begin(const QueryDesc *query, bool finishing)
{
	constexpr int least = 16;

	if (running_count == running_capacity)
	{
		running_capacity = Max(least, 2 * running_capacity);
		const Size size = static_cast<Size>(running_capacity) * sizeof(Running);
		running =
			static_cast<Running *>(running == nullptr ? MemoryContextAlloc(TopMemoryContext, size)
		                                              : repalloc(running, size));
	}
	running[running_count++] = {query, trigger_depth(), GetCurrentSubTransactionId(), finishing};
}

// The last parameter is gone since 18.
template <typename... Once>
void
run(QueryDesc *query, ScanDirection direction, uint64 count, Once... once)
{
	const int outer = running_count;

	if (has_result_relation(query->plannedstmt))
		begin(query, false);
	if (next_run != nullptr)
		next_run(query, direction, count, once...);
	else
		standard_ExecutorRun(query, direction, count, once...);
	running_count = outer;
	last_run = query;
}

bool
is_part_of(Oid part, Oid whole)
{
	return part == whole ||
	       (get_rel_relispartition(part) && list_member_oid(get_partition_ancestors(part), whole));
}

// Whether it updates or deletes rows of the table, which may be a part of what it names.
bool
changes(const ModifyTableState *part, Oid table)
{
	const ModifyTable *plan = reinterpret_cast<const ModifyTable *>(part->ps.plan);
	const Oid target = RelationGetRelid(part->rootResultRelInfo->ri_RelationDesc);

	if (part->operation == CMD_INSERT && plan->onConflictAction != ONCONFLICT_UPDATE)
		return false;
	if (is_part_of(target, table) || is_part_of(table, target))
		return true;
	// Inheritance children, and partitions of those.
	for (int i = 0; i < part->mt_nrels; ++i)
	{
		if (RelationGetRelid(part->resultRelInfo[i].ri_RelationDesc) == table)
			return true;
	}
	return false;
}

bool
changes(const QueryDesc *query, Oid table)
{
	if (IsA(query->planstate, ModifyTableState) &&
	    changes(reinterpret_cast<const ModifyTableState *>(query->planstate), table))
		return true;
	for (const ModifyTableState *state :
	     each<const ModifyTableState *>(query->estate->es_auxmodifytables))
	{
		if (changes(state, table))
			return true;
	}
	return false;
}

// What was under way when the module was loaded has ended with the client's command, at the latest.
bool
may_be_unseen()
{
	return OidIsValid(unseen_change) && loaded_by == GetCurrentStatementStartTimestamp();
}

// Queues the flush of what a statement has put off to its end.
void
queue_put_off(const QueryDesc *query)
{
	// What a foreign key runs fires its triggers with those of the statement that it follows up.
	const bool skips = (query->estate->es_top_eflags & EXEC_FLAG_SKIP_TRIGGERS) != 0;
	const int depth = trigger_depth() + (skips ? 0 : 1);

	take_up(query, depth);
	if (!OidIsValid(unseen_change))
		return;
	// Not a statement that its triggers run.
	const bool is_unseen = query != last_run && changes(query, unseen_change);
	if (is_unseen || (!skips && !may_be_unseen()))
	{
		unseen_change = InvalidOid;
		take_up(nullptr, depth);
	}
}

void
finish(QueryDesc *query)
{
	const int outer = running_count;

	queue_put_off(query);
	begin(query, true);
	if (next_finish != nullptr)
		next_finish(query);
	else
		standard_ExecutorFinish(query);
	running_count = outer;
}

void
forget_at_end(XactEvent event, void *)
{
	if (event == XACT_EVENT_ABORT)
		running_count = 0;
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		unseen_change = InvalidOid;
}

void
forget_at_subtransaction_abort(SubXactEvent event, SubTransactionId subtransaction,
                               SubTransactionId, void *)
{
	while (event == SUBXACT_EVENT_ABORT_SUB && running_count > 0 &&
	       running[running_count - 1].subtransaction >= subtransaction)
		--running_count;
}

// Whether somebody may be about to write rows of the table, and has BEFORE ROW triggers run: it has
// some, is in use, and is locked as for an UPDATE.
bool
can_be_changing(Oid table)
{
	Relation relation = relation_open(table, AccessShareLock);
	const TriggerDesc *triggers = relation->trigdesc;
	const bool can = triggers != nullptr &&
	                 (triggers->trig_update_before_row || triggers->trig_delete_before_row) &&
	                 relation->rd_refcnt > 1 &&
	                 CheckRelationLockedByMe(relation, RowExclusiveLock, true);

	relation_close(relation, NoLock);
	return can;
}

// Whether what fires the outermost trigger is a row that logical replication applies.
bool
is_within_applied_row()
{
	return MyLogicalRepWorker != nullptr && trigger_depth() > 1 &&
	       (running_count == 0 || running[0].depth > 0);
}

// The statement whose triggers are firing; nullptr: none is, or it is not known.
const QueryDesc *
firing_statement()
{
	// COPY fires its triggers by itself, one deeper if a trigger runs it.
	if (running_count == 0)
		return nullptr;
	const Running &innermost = running[running_count - 1];
	return innermost.finishing && trigger_depth() == innermost.depth + 1 ? innermost.query
	                                                                     : nullptr;
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
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = run;
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
	loaded_by = GetCurrentStatementStartTimestamp();
	RegisterXactCallback(forget_at_end, nullptr);
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
	return !statement->hasModifyingCTE && only_result_relation(statement) == table;
}

bool
is_statement_with(const char *text)
{
	const QueryDesc *query = firing_statement();

	// Not what a rule adds to it.
	return query != nullptr && query->sourceText == text && query->plannedstmt->canSetTag;
}

void
look_for_unseen_change(Oid listing, bool by_price)
{
	if (unseen_is_known)
		return;
	// One that fires the triggers of listing is past its rows.
	unseen_is_known =
		loaded_by != GetCurrentStatementStartTimestamp() || (!by_price && trigger_depth() == 1);
	if (unseen_is_known || !by_price || trigger_depth() < 2 || !can_be_changing(listing))
		return;
	unseen_is_known = true;
	unseen_change = listing;
}

bool
is_being_changed(Oid listing, const QueryDesc **statement)
{
	const int depth = trigger_depth();

	for (int i = 0; i < running_count; ++i)
	{
		// The triggers of a statement that a function in it runs are one deeper.
		*statement = running[i].query;
		if (!running[i].finishing && running[i].depth + 1 < depth &&
		    changes(running[i].query, listing))
			return true;
	}
	*statement = nullptr;
	return (may_be_unseen() && unseen_change == listing) ||
	       (is_within_applied_row() && can_be_changing(listing));
}

bool
is_replicated_row()
{
	return MyLogicalRepWorker != nullptr && running_count == 0 && trigger_depth() == 1 &&
	       MyLogicalRepWorker->relstate != SUBREL_STATE_DATASYNC;  // which is a COPY
}

}  // namespace listing_stats
