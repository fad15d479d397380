// Running the statements that keep an attachment right, see run_statement.hpp.
#include "tracking/run_statement.hpp"

#include "tables/condition.hpp"
#include "tracking/direct_way.hpp"

namespace listing_stats {

namespace {

void
error_context(void *argument)
{
	const Attachment *attachment = static_cast<const Attachment *>(argument);

	errcontext("listing_stats keeping the columns of table \"%s\" from table \"%s\"",
	           NameStr(attachment->listing_name), NameStr(attachment->price_name));
}

// What the condition names can have been dropped, and made by somebody else, while the flush
// waited.
void
check_condition(const Attachment &attachment)
{
	Relation price = relation_open(attachment.price, AccessShareLock);

	condition_on(attachment, price);
	relation_close(price, NoLock);
}

bool
is_write(Statement statement)
{
	return statement >= Statement::write && statement <= Statement::remove;
}

bool
is_read(Statement statement)
{
	return statement >= Statement::read && statement <= Statement::read_found;
}

// Whether a plan that has just been run has not, because of a rule, updated another table in place
// of this one.
bool
updates(SPIPlanPtr plan, Oid table)
{
	// None: a trigger has made the plan invalid meanwhile.
	for (const ::Query *query : each<const ::Query *>(plan_source(plan)->query_list))
	{
		if (query->canSetTag)
			return query->commandType != CMD_SELECT &&
			       rt_fetch(query->resultRelation, query->rtable)->relid == table;
	}
	return true;
}

// Makes the rows known to the statements that are run until SPI_finish().
void
register_rows(Attachment *attachment, const Rows &rows)
{
	EphemeralNamedRelation relation =
		static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
	const bool keys = rows.shape == Shape::keys || rows.shape == Shape::keys_added;

	relation->md.name = pstrdup(keys ? keys_name : rows_name);
	relation->md.tupdesc = shape_of(attachment, rows.shape);
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = rows.count;
	relation->reldata = rows.store;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register rows of listing_stats");
}

// Reads what read, read_added and read_head do from the partitions that have it; false: it is left
// to the statement.
bool
read_from_partitions(Attachment *attachment, Statement statement, const Rows &keys, Sees sees,
                     const Rows &rows)
{
	AsOwner as_owner;

	// The keys are gathered where reading is direct; that can have changed meanwhile.
	if (keys.store == nullptr || (keys.keys.key == nullptr && keys.count > 0) ||
	    !reads_directly(attachment, statement))
		return false;
	begin_as_owner(&as_owner, attachment);
	CommandCounterIncrement();
	PushActiveSnapshot(sees == Sees::latest ? GetLatestSnapshot() : GetTransactionSnapshot());
	const bool done = read_directly(attachment, keys.keys, rows.store, rows.shape);
	PopActiveSnapshot();
	end_as_owner(as_owner);
	if (!done)
		tuplestore_clear(rows.store);
	return done;
}

}  // namespace

void
begin_as_owner(AsOwner *as_owner, Attachment *attachment)
{
	as_owner->callback = {error_context_stack, error_context, attachment};
	error_context_stack = &as_owner->callback;
	as_owner->before = act_as(attachment->owner, SECURITY_NOFORCE_RLS);
}

void
end_as_owner(const AsOwner &as_owner)
{
	resume_as(as_owner.before);
	error_context_stack = as_owner.callback.previous;
}

Rows
make_rows(Shape shape)
{
	return {tuplestore_begin_heap(true, false, work_mem), shape, 0};
}

uint64
run_statement(Attachment *attachment, Statement statement, const Rows &taken, Sees sees,
              bool *written_meanwhile, RowTaker taker)
{
	Snapshot snapshot = InvalidSnapshot;
	Snapshot crosscheck = InvalidSnapshot;
	MemoryContext context = CurrentMemoryContext;
	AsOwner as_owner;

	Assert(!is_write(statement) || written_meanwhile != nullptr);
	begin_as_owner(&as_owner, attachment);
	SPI_connect();
	const bool inserts = statement == Statement::lock && attachment->own_rows;
	// No setting of the caller's may change what the condition means.
	const bool safe_settings = attachment->condition != nullptr && is_read(statement);
	const int guc_level = safe_settings ? begin_safe_settings() : 0;
	if (taken.store != nullptr)
		register_rows(attachment, taken);
	// Who was waited for may have attached a partition, which a transaction that has its tables
	// locked already need not hear of.
	AcceptInvalidationMessages();
	if (safe_settings && !attachment->valid)
		check_condition(*attachment);
	SPIPlanPtr plan = plan_of(attachment, statement);
	if (is_write(statement) || inserts)
		begin_own_write(*attachment, plan_source(plan)->query_string);
	if (IsolationUsesXactSnapshot())
	{
		CommandCounterIncrement();
		snapshot = sees == Sees::latest ? GetLatestSnapshot() : GetTransactionSnapshot();
		if (is_write(statement))
			crosscheck = GetTransactionSnapshot();
	}
	const int code =
		SPI_execute_snapshot(plan, nullptr, nullptr, snapshot, crosscheck, false, true, 0);
	if (code == SPI_OK_REWRITTEN ||
	    ((is_write(statement) || inserts) && !updates(plan, attachment->listing)))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("a rule on table \"%s\" replaces the UPDATE that keeps its columns",
		                       NameStr(attachment->listing_name)),
		                errhint("Drop the rule, or detach the table.")));
	if (code != (inserts                          ? SPI_OK_INSERT
	             : statement == Statement::remove ? SPI_OK_DELETE
	             : is_write(statement)            ? SPI_OK_UPDATE
	                                              : SPI_OK_SELECT))
		elog(ERROR, "a statement of listing_stats failed: %s", SPI_result_code_string(code));
	const uint64 count = SPI_processed;
	if (inserts)
		end_own_write();
	else if (is_write(statement))
		*written_meanwhile = end_own_write() || *written_meanwhile;
	else
	{
		MemoryContext spi = MemoryContextSwitchTo(context);
		for (uint64 i = 0; i < count; ++i)
		{
			CHECK_FOR_INTERRUPTS();
			taker.take(taker.taker, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		}
		MemoryContextSwitchTo(spi);
	}
	if (safe_settings)
		end_safe_settings(guc_level);
	SPI_finish();
	end_as_owner(as_owner);
	return count;
}

Datum
given_key(const Attachment &attachment, HeapTuple tuple, TupleDesc columns)
{
	Datum value[most_key_columns];
	Oid type[most_key_columns];
	bool is_null = false;

	for (int i = 0; i < attachment.key_columns; ++i)
	{
		value[i] = SPI_getbinval(tuple, columns, i + 1, &is_null);
		type[i] = attachment.key_column[i].type;
	}
	const Datum key = make_key(attachment, value, type);
	return attachment.key_row != nullptr
	           ? key
	           : copy_value(key, attachment.key.by_value, attachment.key.length);
}

Rows
read_rows(Attachment *attachment, Statement statement, Shape shape, const Rows &keys, Sees sees)
{
	Rows rows = make_rows(shape);

	rows.count = keys.count;
	if (read_from_partitions(attachment, statement, keys, sees, rows))
		return rows;
	rows.count = static_cast<double>(run_statement(
		attachment, statement, keys, sees, nullptr,
		[&rows](HeapTuple tuple, TupleDesc) { tuplestore_puttuple(rows.store, tuple); }));
	return rows;
}

Rows
read_all(Attachment *attachment, Sees sees)
{
	const bool directly = reads_directly(attachment, Statement::read);
	Rows keys = make_rows(Shape::keys);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "listing_stats keys", ALLOCSET_DEFAULT_SIZES);

	keys.count = static_cast<double>(
		run_statement(attachment, Statement::read_listings, Rows{}, sees, nullptr,
	                  [attachment, directly, context, &keys](HeapTuple tuple, TupleDesc columns) {
						  tuplestore_puttuple(keys.store, tuple);
						  if (!directly)
							  return;
						  MemoryContext old = MemoryContextSwitchTo(context);
						  if (keys.keys.key == nullptr)
							  keys.keys.key = static_cast<Datum *>(
								  palloc_extended(SPI_processed * sizeof(Datum), MCXT_ALLOC_HUGE));
						  keys.keys.key[keys.keys.count++] = given_key(*attachment, tuple, columns);
						  MemoryContextSwitchTo(old);
					  }));
	sort_unique(attachment->key, &keys.keys);
	const Rows rows = read_rows(attachment, Statement::read, Shape::rows, keys, sees);
	tuplestore_end(keys.store);
	MemoryContextDelete(context);
	return rows;
}

Rows
rows_of_keys(Attachment *attachment, const Keys &keys)
{
	Rows rows = make_rows(keys.added == nullptr ? Shape::keys : Shape::keys_added);
	TupleDesc shape = shape_of(attachment, rows.shape);
	const int columns = attachment->key_columns;
	Datum value[most_key_columns + added_columns];
	bool null[most_key_columns + added_columns] = {};

	for (Size i = 0; i < keys.count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		split_key(*attachment, keys.key[i], value);
		if (keys.added != nullptr)
			put_added(*keys.added[i], value + columns, null + columns);
		tuplestore_putvalues(rows.store, shape, value, null);
	}
	rows.count = static_cast<double>(keys.count);
	rows.keys = keys;
	return rows;
}

}  // namespace listing_stats
