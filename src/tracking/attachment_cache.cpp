// The attachments that this backend has met, see attachment_cache.hpp.
#include "tracking/attachment_cache.hpp"

#include "tables/condition.hpp"
#include "tables/trigger_catalog.hpp"
#include "tracking/price_lookup.hpp"

namespace listing_stats {

namespace {

HTAB *triggers = nullptr;
TriggerColumns *last_columns = nullptr;    // of "triggers", where entries stay: wanted most often
bool stale = false;                        // some of "triggers" are not valid
List *attachments = NIL;                   // in CacheMemoryContext
List *invalid_plans = NIL;                 // likewise
MemoryContext stale_conditions = nullptr;  // holds them until the transaction ends
uint64 invalidations = 0;                  // how often a cache has called

// Makes the entries invalid that "concerned" says, which is asked of valid ones alone: only their
// attachments are sure to be there.
template <typename Concerned>
void
forget_columns(Concerned concerned)
{
	HASH_SEQ_STATUS status;

	hash_seq_init(&status, triggers);
	while (void *entry = hash_seq_search(&status))
	{
		TriggerColumns *columns = static_cast<TriggerColumns *>(entry);
		columns->valid = columns->valid && !concerned(*columns);
		stale = stale || !columns->valid;
	}
}

void
forget_relation(Datum, Oid relation)
{
	const bool of_all = !OidIsValid(relation) || decides_nulls(relation);

	++invalidations;
	for (Attachment *attachment : each<Attachment *>(attachments))
	{
		if (of_all || attachment->listing == relation || attachment->price == relation ||
		    attachment->relation == relation)
			attachment->valid = false;
		forget_price_table(*attachment, relation);
	}
	// Without an attachment any table may be the one that was missing.
	forget_columns([relation](const TriggerColumns &columns) {
		return !OidIsValid(relation) || columns.relation == relation ||
		       columns.attachment == nullptr || !columns.attachment->valid;
	});
}

// A function, a type or an operator has changed: conditions are kept with what they call.
void
forget_conditions(Datum, SysCacheNumber, uint32)
{
	++invalidations;
	for (Attachment *attachment : each<Attachment *>(attachments))
	{
		attachment->valid = attachment->valid && attachment->condition == nullptr;
	}
	forget_columns([](const TriggerColumns &columns) {
		return columns.attachment != nullptr && !columns.attachment->valid;
	});
}

// Many are of partitions that have come and gone.
void
forget_triggers()
{
	HASH_SEQ_STATUS status;

	if (!stale)
		return;
	stale = false;
	last_columns = nullptr;
	hash_seq_init(&status, triggers);
	while (void *entry = hash_seq_search(&status))
	{
		const TriggerColumns *columns = static_cast<TriggerColumns *>(entry);
		if (columns->valid)
			continue;
		if (columns->condition_context != nullptr)
			MemoryContextDelete(columns->condition_context);
		hash_search(triggers, entry, HASH_REMOVE, nullptr);
	}
}

#ifdef USE_ASSERT_CHECKING

// Whether a valid entry of "triggers" is of the attachment.
bool
is_used(const Attachment *attachment)
{
	HASH_SEQ_STATUS status;
	bool used = false;

	hash_seq_init(&status, triggers);
	while (void *entry = hash_seq_search(&status))
	{
		const TriggerColumns *columns = static_cast<TriggerColumns *>(entry);
		used = used || (columns->valid && columns->attachment == attachment);
	}
	return used;
}

#endif

void
start_cache()
{
	if (triggers != nullptr)
		return;
	triggers = make_cache("listing_stats triggers", sizeof(Oid), sizeof(TriggerColumns),
	                      CacheMemoryContext);
	stale_conditions = AllocSetContextCreate(CacheMemoryContext, "listing_stats stale conditions",
	                                         ALLOCSET_SMALL_SIZES);
	CacheRegisterRelcacheCallback(forget_relation, 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_conditions, 0);
	CacheRegisterSyscacheCallback(OPEROID, forget_conditions, 0);
	CacheRegisterSyscacheCallback(TYPEOID, forget_conditions, 0);
}

// The table that a partition's clone of a trigger was cloned from, and its trigger; InvalidOid: the
// trigger has been dropped since its event.
Oid
original_of_clone(const TriggerData *event, Oid *trigger)
{
	Oid relation = RelationGetRelid(event->tg_relation);

	*trigger = event->tg_trigger->tgoid;
	for (Oid parent = *trigger; OidIsValid(parent);)
	{
		*trigger = parent;
		relation = InvalidOid;
		parent = InvalidOid;
		for_each_row(TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, *trigger, nullptr,
		             [&relation, &parent](HeapTuple row, TupleDesc) {
						 const auto form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(row));
						 relation = form->tgrelid;
						 parent = form->tgparentid;
					 });
	}
	return relation;
}

// The table that is attached, and its trigger: the event's own, or that which it is a partition or
// an inheritance child of.  nullptr: the trigger has been dropped since.
Relation
open_root(const TriggerData *event, Side side, Oid *trigger)
{
	Oid relation = original_of_clone(event, trigger);

	if (!OidIsValid(relation))
		return nullptr;
	// The statement's copy can be older than a rename.
	const Trigger *now = trigger_by_oid(*trigger);
	const Trigger *like = now == nullptr ? event->tg_trigger : now;
	if (side == Side::price)
		relation = attached_root(relation, like);
	const Trigger *row_trigger =
		find_trigger(relation, side == Side::price ? price_changed : listing_changed, like, false);
	if (row_trigger != nullptr)
		*trigger = row_trigger->tgoid;
	return try_relation_open(relation, AccessShareLock);
}

// Resolves what the trigger says now; nullptr: it does not fit, and *problem says why, or it has
// been dropped since its event, and *problem is empty.
//
// The trigger as the catalogue has it: what the relation's cache entry has can be older than the
// other half.
//
// A rename is carried into the triggers of both tables in one commit, which can come after one
// table's were read and before the other's, and may not have sent its messages yet.  So what does
// not fit is read again.
Attachment *
resolve_now(Relation root, Oid trigger, Side side, bool *gone, Problem *problem)
{
	constexpr int most_tries = 5;

	for (int i = 0; i < most_tries; ++i)
	{
		MemoryContext context = AllocSetContextCreate(
			CurrentMemoryContext, "listing_stats attachment", ALLOCSET_SMALL_SIZES);
		Attachment *result =
			static_cast<Attachment *>(MemoryContextAllocZero(context, sizeof(Attachment)));
		result->context = context;
		const uint64 before = invalidations;
		const Trigger *now = trigger_by_oid(trigger);
		*problem = {};
		if (now == nullptr)
		{
			MemoryContextDelete(context);
			return nullptr;
		}
		if (resolve(root, now, side, result, problem))
		{
			// What came in meanwhile may concern what was read: use it this once.
			result->valid = invalidations == before;
			return result;
		}
		*gone = side == Side::listing && !OidIsValid(result->price);
		MemoryContextDelete(context);
		// Whoever renames something has the other table locked until he has told of it, which comes
		// after what he has committed is seen.
		const Oid other = recorded_half(root, now, side);
		if (OidIsValid(other))
			LockRelationOid(other, AccessShareLock);
		if (i == 1)
			InvalidateSystemCaches();
		else
			AcceptInvalidationMessages();
	}
	return nullptr;
}

// nullptr: it is not known, or has become invalid.
Attachment *
known_attachment(Oid trigger)
{
	for (Attachment *attachment : each<Attachment *>(attachments))
	{
		if (attachment->valid && attachment->trigger == trigger)
			return attachment;
	}
	return nullptr;
}

Attachment *
find_attachment(Relation root, Oid trigger, Side side)
{
	Problem problem = {};
	bool gone = false;

	if (Attachment *known = known_attachment(trigger))
		return known;
	Attachment *result = resolve_now(root, trigger, side, &gone, &problem);
	if (result == nullptr && problem.message == nullptr)
		return nullptr;
	if (result == nullptr)
	{
		ereport(gone ? WARNING : ERROR,
		        (errcode(problem.sqlstate), errmsg_internal("%s", problem.message),
		         errhint("%s", problem.hint)));
		return nullptr;
	}
	result->relation = RelationGetRelid(root);
	result->trigger = trigger;
	MemoryContextSetParent(result->context, CacheMemoryContext);
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);
	attachments = lappend(attachments, result);
	MemoryContextSwitchTo(old);
	return result;
}

// Sets the attachment's condition on rows of price or of a part of it, whose columns have other
// numbers; not where a column that it names is not in the row.
void
set_condition(const Attachment &attachment, Relation relation, TriggerColumns *columns)
{
	if (attachment.condition == nullptr)
		return;
	Node *condition = condition_on(attachment, relation);
	for (const int attnum : each<int>(condition_columns(condition)))
	{
		if (is_virtual(TupleDescAttr(RelationGetDescr(relation), attnum - 1)))
			return;
	}
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "listing_stats condition",
	                                              ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	// The planner shares constants with what it is given.
	Expr *copy = static_cast<Expr *>(copyObjectImpl(condition));
	columns->condition = make_ands_implicit(expression_planner(copy));
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, CacheMemoryContext);
	columns->condition_context = context;
}

// Whoever fires triggers further out may be evaluating it, so that it is freed when the transaction
// ends.
void
forget_condition(TriggerColumns *columns)
{
	if (columns->condition_context != nullptr)
		MemoryContextSetParent(columns->condition_context, stale_conditions);
	columns->condition_context = nullptr;
	columns->condition = NIL;
}

}  // namespace

TriggerColumns *
columns_of_trigger(const TriggerData *event, Side side)
{
	TriggerColumns *&columns = last_columns;
	Oid trigger = event->tg_trigger->tgoid;
	bool found = false;

	start_cache();
	if (columns == nullptr || columns->trigger != trigger)
		columns = static_cast<TriggerColumns *>(hash_search(triggers, &trigger, HASH_FIND, &found));
	if (columns != nullptr && columns->valid)
		return columns->attachment == nullptr ? nullptr : columns;

	Oid root_trigger = InvalidOid;
	Relation root = open_root(event, side, &root_trigger);
	Attachment *attachment = nullptr;
	if (root == nullptr)
		return nullptr;
	if (side == Side::price && is_stray(root, event->tg_trigger))
		ereport(
			WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg(
				 "trigger \"%s\" on table \"%s\" is of a table that this one is no longer a part "
				 "of, and does nothing",
				 event->tg_trigger->tgname, RelationGetRelationName(event->tg_relation)),
		     errhint("DROP TRIGGER %s ON %s;", quote_identifier(event->tg_trigger->tgname),
		             qualified_name(RelationGetRelid(event->tg_relation)))));
	else
		attachment = find_attachment(root, root_trigger, side);
	relation_close(root, AccessShareLock);

	columns = static_cast<TriggerColumns *>(hash_search(triggers, &trigger, HASH_ENTER, &found));
	if (!found)
		columns->condition_context = nullptr;
	forget_condition(columns);
	columns->valid = false;
	columns->relation = RelationGetRelid(event->tg_relation);
	columns->attachment = attachment;
	if (attachment == nullptr)
	{
		columns->valid = true;
		return nullptr;
	}
	for (int i = 0; i < column_count; ++i)
	{
		const bool here = is_of_listing(i) == (side == Side::listing);
		columns->attnum[i] =
			!here || attachment->column[i].attnum == 0
				? AttrNumber{InvalidAttrNumber}
				: get_attnum(columns->relation, NameStr(attachment->column[i].name));
	}
	if (side == Side::price)
		set_condition(*attachment, event->tg_relation, columns);
	columns->valid = attachment->valid;
	return columns;
}

Attachment *
attachment_of(Oid relation, Oid trigger, Side side)
{
	start_cache();
	if (Attachment *known = known_attachment(trigger))
		return known;
	Relation root = try_relation_open(relation, AccessShareLock);
	if (root == nullptr)
		return nullptr;
	Attachment *attachment = find_attachment(root, trigger, side);
	relation_close(root, AccessShareLock);
	return attachment;
}

void
free_plan_later(SPIPlanPtr plan)
{
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);

	invalid_plans = lappend(invalid_plans, plan);
	MemoryContextSwitchTo(old);
}

void
free_stale_attachments()
{
	ListCell *cell = nullptr;

	// No flush runs, which would use them.
	Assert(!IsTransactionState());
	for (SPIPlanPtr plan : each<SPIPlanPtr>(invalid_plans))
		SPI_freeplan(plan);
	list_free(invalid_plans);
	invalid_plans = NIL;
	foreach (cell, attachments)
	{
		Attachment *attachment = static_cast<Attachment *>(lfirst(cell));
		if (attachment->valid)
			continue;
		Assert(!is_used(attachment));
		for (SPIPlanPtr plan : attachment->plan)
		{
			if (plan != nullptr)
				SPI_freeplan(plan);
		}
		attachments = foreach_delete_current(attachments, cell);
		MemoryContextDelete(attachment->context);
	}
	forget_triggers();
	if (stale_conditions != nullptr)
		MemoryContextDeleteChildren(stale_conditions);
}

}  // namespace listing_stats
