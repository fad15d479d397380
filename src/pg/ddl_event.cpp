// What the two event triggers share, see ddl_event.hpp.
#include "pg/ddl_event.hpp"

namespace listing_stats {

const Node *
ddl_command(FunctionCallInfo fcinfo, const char *function, const char *event)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo) ||
	    strcmp(reinterpret_cast<EventTriggerData *>(fcinfo->context)->event, event) != 0)
		ereport(ERROR,
		        (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
		         errmsg("function listing_stats.%s() must be called by an event trigger on %s",
		                function, event),
		         errhint("The extension has that event trigger already.")));
	return reinterpret_cast<EventTriggerData *>(fcinfo->context)->parsetree;
}

List *
ddl_objects(const char *query)
{
	MemoryContext context = CurrentMemoryContext;
	List *objects = NIL;

	SPI_connect();
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(SPI_result));
	for (uint64 i = 0; i < SPI_processed; ++i)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc description = SPI_tuptable->tupdesc;
		bool is_null = false;
		MemoryContext old = MemoryContextSwitchTo(context);
		DdlObject *object = static_cast<DdlObject *>(palloc0(sizeof(DdlObject)));
		object->catalog = DatumGetObjectId(SPI_getbinval(row, description, 1, &is_null));
		object->oid = DatumGetObjectId(SPI_getbinval(row, description, 2, &is_null));
		object->column = DatumGetInt32(SPI_getbinval(row, description, 3, &is_null));
		object->name = SPI_getvalue(row, description, 4);
		objects = lappend(objects, object);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return objects;
}

void
without_failing(void (*work)(void *argument), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(nullptr);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		ErrorData *error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		ereport(WARNING,
		        (errcode(error->sqlerrcode),
		         errmsg("listing_stats could not follow this command: %s", error->message),
		         error->detail == nullptr ? 0 : errdetail_internal("%s", error->detail),
		         errhint("The view listing_stats.attachments shows what no longer fits.")));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

}  // namespace listing_stats
