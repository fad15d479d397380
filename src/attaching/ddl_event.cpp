// What the event triggers share, see ddl_event.hpp.
#include "attaching/ddl_event.hpp"

namespace listing_stats {

namespace {

// The rows of one of PostgreSQL's functions for event triggers, each made an element of the list.
// The plan is kept: making it takes longer than the rest of following most commands.
template <typename Make>
List *
read_rows(const char *query, SPIPlanPtr *plan, Make make)
{
	MemoryContext context = CurrentMemoryContext;
	List *list = NIL;

	SPI_connect();
	if (*plan == nullptr)
	{
		SPIPlanPtr prepared = SPI_prepare(query, 0, nullptr);
		if (prepared == nullptr || SPI_keepplan(prepared) != 0)
			elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	const int result = SPI_execute_plan(*plan, nullptr, nullptr, true, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(result));
	for (uint64 i = 0; i < SPI_processed; ++i)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		list = lappend(list, make(SPI_tuptable->vals[i], SPI_tuptable->tupdesc));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return list;
}

}  // namespace

List *
ddl_commands()
{
	static SPIPlanPtr plan = nullptr;

	return read_rows("SELECT command FROM pg_catalog.pg_event_trigger_ddl_commands()", &plan,
	                 [](HeapTuple row, TupleDesc description) {
						 bool is_null = false;
						 return DatumGetPointer(SPI_getbinval(row, description, 1, &is_null));
					 });
}

List *
dropped_objects()
{
	static SPIPlanPtr plan = nullptr;
	const auto read_object = [](HeapTuple row, TupleDesc description) {
		DroppedObject *object = static_cast<DroppedObject *>(palloc0(sizeof(DroppedObject)));
		bool is_null = false;

		object->catalog = DatumGetObjectId(SPI_getbinval(row, description, 1, &is_null));
		object->oid = DatumGetObjectId(SPI_getbinval(row, description, 2, &is_null));
		object->column = DatumGetInt32(SPI_getbinval(row, description, 3, &is_null));
		object->name = SPI_getvalue(row, description, 4);
		return object;
	};

	return read_rows("SELECT classid, objid, objsubid, address_names[3] "
	                 "FROM pg_catalog.pg_event_trigger_dropped_objects()",
	                 &plan, read_object);
}

void
warn_of_failure(ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
	    error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
		ReThrowError(error);
	ereport(WARNING, (errcode(error->sqlerrcode),
	                  errmsg("listing_stats could not follow this command: %s", error->message),
	                  error->detail == nullptr ? 0 : errdetail_internal("%s", error->detail),
	                  errhint("The view listing_stats.attachments shows what no longer fits.")));
}

}  // namespace listing_stats
