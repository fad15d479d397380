// attach() and detach(): the only places that make and drop the triggers of an attachment.
#include "pg/attachments.hpp"
#include "pg/flush.hpp"
#include "pg/queries.hpp"

namespace listing_stats {

namespace {

// The arguments of attach(), in the order of its SQL definition.
enum Argument
{
	argument_listing,
	argument_price,
	argument_last_price,
	argument_last_price_at,
	argument_key,
	argument_at,
	argument_value,
	argument_tie,
	argument_backfill
};

struct Request
{
	Relation listing;
	Relation price;
	const char *column[column_count];  // nullptr: find it, or leave it
	bool backfill;
};

void
run_command(const char *command)
{
	const int result = SPI_execute(command, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "\"%s\" failed: %s", command, SPI_result_code_string(result));
}

// DDL refuses a table that is open elsewhere in the session: the tables are closed meanwhile, and
// stay locked.
void
close_tables(const Request &request)
{
	relation_close(request.price, NoLock);
	relation_close(request.listing, NoLock);
}

void
reopen_tables(const Attachment &attachment, Request *request)
{
	CommandCounterIncrement();
	request->listing = relation_open(attachment.listing, NoLock);
	request->price = relation_open(attachment.price, NoLock);
}

const char *
table_kind(Relation relation)
{
	switch (relation->rd_rel->relkind)
	{
	case RELKIND_VIEW:
		return "a view";
	case RELKIND_MATVIEW:
		return "a materialized view";
	case RELKIND_FOREIGN_TABLE:
		return "a foreign table";
	default:
		return "not a table";
	}
}

void
check_table(Relation relation)
{
	const char *name = RelationGetRelationName(relation);
	const char relkind = relation->rd_rel->relkind;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("cannot attach \"%s\": it is %s", name, table_kind(relation)),
		                errhint("Attach the tables that hold the rows.")));
	if (IsCatalogRelation(relation))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("cannot attach \"%s\": it is a system catalog", name)));
	if (RELATION_IS_OTHER_TEMP(relation))
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("cannot attach \"%s\": it is a temporary table of another session", name)));
}

// Before anything is locked: only an owner may make others wait.
void
check_ownership(Oid relation)
{
	const char *name = get_rel_name(relation);

	if (name == nullptr)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("relation with OID %u does not exist", relation)));
	if (!owns_relation(relation))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
}

// Whether statements on the table lock the other one with writing in mind.
bool
is_attached(Oid price)
{
	Relation relation = relation_open(price, AccessShareLock);
	bool found = false;

	for (int i = 0; relation->trigdesc != nullptr && i < relation->trigdesc->numtriggers; ++i)
		found = found || is_our_trigger(&relation->trigdesc->triggers[i]);
	relation_close(relation, AccessShareLock);
	return found;
}

// Locks both tables in the order that fewest of the statements under way can deadlock with.  An
// INSERT into price locks price and then, for its foreign key, listing weakly: that does not
// conflict, and whoever writes listings and then their prices goes listing first too.  But a column
// that has to be added needs a lock on listing that conflicts with everything, and what is attached
// already writes listing after price: then price goes first.
//
// The strong lock is taken at once, since a lock made stronger later is a deadlock in waiting.
void
lock_tables(Oid listing, Oid price, bool add_column)
{
	const LOCKMODE mode = add_column ? AccessExclusiveLock : ShareRowExclusiveLock;
	const bool price_first = add_column || is_attached(price);

	if (price_first)
		LockRelationOid(price, ShareRowExclusiveLock);
	LockRelationOid(listing, mode);
	if (!price_first)
		LockRelationOid(price, ShareRowExclusiveLock);
}

void
open_tables(Oid listing, Oid price, bool add_column, Request *request)
{
	check_ownership(listing);
	check_ownership(price);

	if (listing == price)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("cannot attach table \"%s\" to itself", get_rel_name(listing)),
		                errhint("Listings and prices are two tables.")));
	lock_tables(listing, price, add_column);
	check_ownership(listing);
	check_ownership(price);
	request->listing = relation_open(listing, NoLock);
	check_table(request->listing);
	request->price = relation_open(price, NoLock);
	check_table(request->price);
	if (request->listing->rd_rel->relowner != request->price->rd_rel->relowner)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("table \"%s\" is owned by \"%s\" and table \"%s\" by \"%s\"",
		            RelationGetRelationName(request->listing),
		            GetUserNameFromId(request->listing->rd_rel->relowner, false),
		            RelationGetRelationName(request->price),
		            GetUserNameFromId(request->price->rd_rel->relowner, false)),
		     errhint(
				 "Tables attached to each other need one owner: see ALTER TABLE ... OWNER TO.")));
	if ((request->listing->rd_rel->relpersistence == RELPERSISTENCE_TEMP) !=
	    (request->price->rd_rel->relpersistence == RELPERSISTENCE_TEMP))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		         errmsg("cannot attach a temporary table and a permanent one to each other")));
}

AttrNumber
find_column(Relation relation, const char *name, const char *argument)
{
	const AttrNumber attnum = get_attnum(RelationGetRelid(relation), name);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
		                errmsg("column \"%s\" of table \"%s\" does not exist", name,
		                       RelationGetRelationName(relation)),
		                errhint("Name the right one: attach(..., %s => '...').", argument)));
	if (attnum < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
		                errmsg("column \"%s\" of table \"%s\" is a system column", name,
		                       RelationGetRelationName(relation))));
	return attnum;
}

const char *
column_name(Relation relation, AttrNumber attnum)
{
	return pstrdup(NameStr(TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attname));
}

// The key of price: the one named, or that of the only foreign key to listing.
AttrNumber
find_price_key(const Request &request)
{
	StringInfoData names;
	ListCell *cell = nullptr;
	AttrNumber found = InvalidAttrNumber;
	int count = 0;
	bool composite = false;

	if (request.column[price_key] != nullptr)
		return find_column(request.price, request.column[price_key], argument_name[price_key]);
	initStringInfo(&names);
	foreach (cell, RelationGetFKeyList(request.price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		if (foreign_key->confrelid != RelationGetRelid(request.listing))
			continue;
		if (foreign_key->nkeys != 1)
		{
			composite = true;
			continue;
		}
		if (foreign_key->conkey[0] == found)
			continue;
		found = foreign_key->conkey[0];
		appendStringInfo(&names, "%s\"%s\"", count > 0 ? ", " : "",
		                 column_name(request.price, found));
		++count;
	}
	if (count == 0 && composite)
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("the foreign key from table \"%s\" to table \"%s\" has several columns",
		                RelationGetRelationName(request.price),
		                RelationGetRelationName(request.listing)),
		         errhint("listing_stats needs a key of one column.")));
	if (count == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
		     errmsg("table \"%s\" has no foreign key to table \"%s\"",
		            RelationGetRelationName(request.price),
		            RelationGetRelationName(request.listing)),
		     errhint("Name the column that refers to the listing: attach(..., key => '...').")));
	if (count > 1)
		ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN),
		                errmsg("table \"%s\" has %d foreign keys to table \"%s\"",
		                       RelationGetRelationName(request.price), count,
		                       RelationGetRelationName(request.listing)),
		                errdetail("They are on columns %s.", names.data),
		                errhint("Name the column to use: attach(..., key => '...').")));
	return found;
}

// The only column of the primary key that is none of "without"; 0: none; -1: several.
int
primary_key_column(Relation relation, AttrNumber without, AttrNumber or_without)
{
	int found = 0;
	int attnum = -1;

	list_free(RelationGetIndexList(relation));
	if (!OidIsValid(relation->rd_pkindex))
		return 0;
	Bitmapset *columns = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	while ((attnum = bms_next_member(columns, attnum)) >= 0)
	{
		const int candidate = attnum + FirstLowInvalidHeapAttributeNumber;
		if (candidate == without || candidate == or_without)
			continue;
		found = found == 0 ? candidate : -1;
		if (found < 0)
			break;
	}
	return found;
}

AttrNumber
find_listing_key(const Request &request, AttrNumber key)
{
	ListCell *cell = nullptr;

	foreach (cell, RelationGetFKeyList(request.price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		if (foreign_key->nkeys == 1 && foreign_key->conkey[0] == key &&
		    foreign_key->confrelid == RelationGetRelid(request.listing))
			return foreign_key->confkey[0];
	}
	const int found = primary_key_column(request.listing, InvalidAttrNumber, InvalidAttrNumber);
	if (found <= 0)
		ereport(ERROR,
		        (errcode(found < 0 ? ERRCODE_FEATURE_NOT_SUPPORTED : ERRCODE_UNDEFINED_OBJECT),
		         errmsg(found < 0 ? "the primary key of table \"%s\" has several columns"
		                          : "table \"%s\" has no primary key",
		                RelationGetRelationName(request.listing)),
		         errhint("Add a foreign key from \"%s\" to the column of \"%s\" that it refers to.",
		                 RelationGetRelationName(request.price),
		                 RelationGetRelationName(request.listing))));
	return static_cast<AttrNumber>(found);
}

AttrNumber
find_tie(const Request &request, AttrNumber key, AttrNumber at)
{
	if (request.column[price_tie] != nullptr)
		return find_column(request.price, request.column[price_tie], argument_name[price_tie]);
	const int found = primary_key_column(request.price, key, at);
	if (found <= 0)
		ereport(
			ERROR,
			(errcode(found < 0 ? ERRCODE_AMBIGUOUS_COLUMN : ERRCODE_UNDEFINED_COLUMN),
		     errmsg(found < 0 ? "the primary key of table \"%s\" has several columns that could "
		                        "break ties"
		                      : "table \"%s\" has no primary-key column that could break ties",
		            RelationGetRelationName(request.price)),
		     errhint("Name the column that orders prices of the same time: attach(..., tie => "
		             "'...'). Where there cannot be two, that is \"%s\".",
		             column_name(request.price, at))));
	return static_cast<AttrNumber>(found);
}

void
check_value_type(Relation price, const ResolvedColumn &column, bool is_time)
{
	const Oid type = getBaseType(column.type);
	const bool number = type == NUMERICOID || type == INT2OID || type == INT4OID ||
	                    type == INT8OID || type == FLOAT8OID;
	const bool time = type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID;

	if (number || (is_time && time))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_DATATYPE_MISMATCH),
	     errmsg("column \"%s\" of table \"%s\" has type %s", NameStr(column.name),
	            RelationGetRelationName(price), format_type_be(column.type)),
	     errhint(is_time
	                 ? "Prices are ordered by a timestamp with or without time zone, a date or a "
	                   "number."
	                 : "A price is numeric, an integer or double precision.")));
}

// Whether an attachment other than "own" keeps its values in this column.
bool
kept_by_another(Relation listing, const char *name, const Trigger *own)
{
	const Oid function = trigger_function(listing_changed);

	for (int i = 0; listing->trigdesc != nullptr && i < listing->trigdesc->numtriggers; ++i)
	{
		const Trigger *trigger = &listing->trigdesc->triggers[i];
		if (trigger->tgfoid != function || (own != nullptr && same_arguments(trigger, own)))
			continue;
		const Definition definition = parse_definition(listing, trigger);
		for (int target = first_target; target < end_of_targets; ++target)
		{
			if (definition.column[target] != nullptr &&
			    strcmp(definition.column[target], name) == 0)
				return true;
		}
	}
	return false;
}

bool
in_unique_index(Relation listing, AttrNumber attnum)
{
	ListCell *cell = nullptr;
	bool found = false;

	foreach (cell, RelationGetIndexList(listing))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		for (int i = 0; index->rd_index->indisunique && i < index->rd_index->indnkeyatts; ++i)
			found = found || index->rd_index->indkey.values[i] == attnum;
		index_close(index, AccessShareLock);
	}
	return found;
}

void
check_target(const Request &request, const ResolvedColumn &target, const ResolvedColumn &source,
             const Trigger *own)
{
	const char *table = RelationGetRelationName(request.listing);
	const char *name = NameStr(target.name);

	if (TupleDescAttr(RelationGetDescr(request.listing), target.attnum - 1)->attgenerated != '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		                errmsg("column \"%s\" of table \"%s\" is a generated column", name, table),
		                errhint("Name another column, which attach() creates if it is missing.")));
	if (target.not_null)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		                errmsg("column \"%s\" of table \"%s\" is NOT NULL", name, table),
		                errdetail("It is NULL for a listing without prices."),
		                errhint("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;",
		                        qualified_name(RelationGetRelid(request.listing)),
		                        quote_identifier(name))));
	if (in_unique_index(request.listing, target.attnum))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		     errmsg("column \"%s\" of table \"%s\" is in a unique index", name, table),
		     errdetail("Each new price would then lock the listing against its foreign keys.")));
	if (kept_by_another(request.listing, name, own))
		ereport(ERROR,
		        (errcode(ERRCODE_DUPLICATE_OBJECT),
		         errmsg("column \"%s\" of table \"%s\" is kept by another attachment", name, table),
		         errhint("Name another column: attach(..., last_price => '...').")));
	if (column_fit(source, target) != Fit::exact)
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("column \"%s\" of table \"%s\" has type %s and cannot keep every value "
		                "of type %s of column \"%s\" of table \"%s\"",
		                name, table, format_type_with_typemod(target.type, target.typmod),
		                format_type_with_typemod(source.type, source.typmod), NameStr(source.name),
		                RelationGetRelationName(request.price)),
		         errhint("ALTER TABLE %s ALTER COLUMN %s TYPE %s;",
		                 qualified_name(RelationGetRelid(request.listing)), quote_identifier(name),
		                 format_type_with_typemod(source.type, source.typmod))));
}

// A change of the table's shape cannot wait for trigger events, nor they for it.
void
check_no_pending_events(Relation relation)
{
	if (AfterTriggerPendingOnRel(RelationGetRelid(relation)))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
		                errmsg("cannot attach \"%s\" because it has pending trigger events",
		                       RelationGetRelationName(relation)),
		                errhint("Run SET CONSTRAINTS ALL IMMEDIATE first, or attach in a "
		                        "transaction of its own.")));
}

void
add_target_column(Request *request, const Attachment &attachment, const char *name,
                  const ResolvedColumn &source)
{
	const char *table = qualified_name(attachment.listing);
	const char *listing = get_rel_name(attachment.listing);
	int32 typmod = source.typmod;
	const Oid type = getBaseTypeAndTypmod(source.type, &typmod);

	check_no_pending_events(request->listing);
	close_tables(*request);
	run_command(psprintf(
		"ALTER TABLE %s ADD COLUMN %s %s", table, quote_identifier(name),
		format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY)));
	run_command(psprintf(
		"COMMENT ON COLUMN %s.%s IS %s", table, quote_identifier(name),
		quote_literal_cstr(psprintf("\"%s\" of the latest row of \"%s\", kept by listing_stats",
	                                NameStr(source.name), get_rel_name(attachment.price)))));
	reopen_tables(attachment, request);
	ereport(NOTICE, (errmsg("created column \"%s\" of table \"%s\"", name, listing)));
}

// Finds what the request leaves open; what is attached already is left as it is.
Attachment
complete_request(Request *request, const Trigger *existing)
{
	Attachment attachment = {};
	ResolvedColumn *column = attachment.column;
	const AttrNumber key = find_price_key(*request);
	const char *const usual[column_count] = {nullptr,   "last_price", nullptr, nullptr,
	                                         "created", nullptr,      "value"};

	if (existing != nullptr)
	{
		const Definition definition = parse_definition(request->price, existing);
		Attachment now = {};
		Problem problem = {};
		now.context = CurrentMemoryContext;
		const bool resolved = resolve(request->price, existing, Side::price, &now, &problem);
		for (int i = 0; i < column_count; ++i)
		{
			if (request->column[i] == nullptr && definition.column[i] != nullptr)
				request->column[i] =
					resolved ? pstrdup(NameStr(now.column[i].name)) : definition.column[i];
		}
	}
	for (int i = 0; i < column_count; ++i)
	{
		if (request->column[i] == nullptr)
			request->column[i] = usual[i];
	}

	attachment.listing = RelationGetRelid(request->listing);
	attachment.price = RelationGetRelid(request->price);
	attachment.owner = request->listing->rd_rel->relowner;
	attachment.context = CurrentMemoryContext;
	column[price_key] = read_column(request->price, key);
	column[listing_key] = read_column(request->listing, find_listing_key(*request, key));
	column[price_at] =
		read_column(request->price, find_column(request->price, request->column[price_at],
	                                            argument_name[price_at]));
	column[price_value] =
		read_column(request->price, find_column(request->price, request->column[price_value],
	                                            argument_name[price_value]));
	column[price_tie] =
		read_column(request->price, find_tie(*request, key, column[price_at].attnum));
	return attachment;
}

void
check_types(const Request &request, Attachment *attachment)
{
	const ResolvedColumn *column = attachment->column;

	check_value_type(request.price, column[price_at], true);
	check_value_type(request.price, column[price_value], false);
	if (!resolve_key_type(column[listing_key], column[price_key], attachment->context,
	                      &attachment->key))
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
		     errmsg("columns \"%s\" of table \"%s\" and \"%s\" of table \"%s\" have types %s and "
		            "%s",
		            NameStr(column[listing_key].name), RelationGetRelationName(request.listing),
		            NameStr(column[price_key].name), RelationGetRelationName(request.price),
		            format_type_be(column[listing_key].type),
		            format_type_be(column[price_key].type)),
		     errhint("Keys need one type, with a default btree operator class.")));
	if (!OidIsValid(
			lookup_type_cache(getBaseType(column[price_tie].type), TYPECACHE_LT_OPR)->lt_opr))
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("column \"%s\" of table \"%s\" has type %s, which has no order",
		                NameStr(column[price_tie].name), RelationGetRelationName(request.price),
		                format_type_be(column[price_tie].type))));
}

void
attach_targets(Request *request, Attachment *attachment, const Trigger *existing)
{
	const int source[column_count] = {0, price_value, price_at};

	for (int i = first_target; i < end_of_targets; ++i)
	{
		const char *name = request->column[i];
		if (name == nullptr)
			continue;
		for (int j = first_target; j < i; ++j)
		{
			if (request->column[j] != nullptr && strcmp(request->column[j], name) == 0)
				ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN),
				                errmsg("column \"%s\" cannot keep two values", name)));
		}
		if (get_attnum(attachment->listing, name) == InvalidAttrNumber)
			add_target_column(request, *attachment, name, attachment->column[source[i]]);
		attachment->column[i] =
			read_column(request->listing, find_column(request->listing, name, argument_name[i]));
		check_target(*request, attachment->column[i], attachment->column[source[i]], existing);
	}
}

void
create_index(Request *request, const Attachment &attachment)
{
	if (OidIsValid(fitting_index(attachment)))
		return;
	check_no_pending_events(request->price);
	close_tables(*request);
	run_command(psprintf("CREATE INDEX ON %s (%s) INCLUDE (%s)", qualified_name(attachment.price),
	                     index_columns(attachment),
	                     quote_identifier(NameStr(attachment.column[price_value].name))));
	reopen_tables(attachment, request);
	const Oid index = fitting_index(attachment);
	ereport(NOTICE, (errmsg("created index \"%s\" on table \"%s\"",
	                        OidIsValid(index) ? get_rel_name(index) : "?",
	                        RelationGetRelationName(request->price))));
}

// The triggers of an attachment share a number that neither table uses yet.  Their names sort
// before those of foreign keys (RI_ConstraintTrigger...), so that they fire first: they are format.
char *
free_trigger_name(const Attachment &attachment)
{
	for (int number = 1;; ++number)
	{
		char *name = psprintf("LISTING_STATS_%d", number);
		if (!OidIsValid(get_trigger_oid(attachment.listing, name, true)) &&
		    !OidIsValid(get_trigger_oid(attachment.price, name, true)))
			return name;
	}
}

// The name of the trigger on "table" that calls the function with the arguments of "like", or
// another name if there is none.
const char *
trigger_name(Oid table, const char *function, const Trigger *like, const char *otherwise)
{
	Relation relation = relation_open(table, AccessShareLock);
	const char *name = otherwise;

	for (int i = 0; relation->trigdesc != nullptr && i < relation->trigdesc->numtriggers; ++i)
	{
		const Trigger *trigger = &relation->trigdesc->triggers[i];
		if (trigger->tgfoid == trigger_function(function) && same_arguments(trigger, like))
			name = pstrdup(trigger->tgname);
	}
	relation_close(relation, AccessShareLock);
	return name;
}

const char *
trigger_arguments(const Attachment &attachment)
{
	Definition definition = {};

	definition.listing = qualified_name(attachment.listing);
	definition.price = qualified_name(attachment.price);
	definition.system_identifier = GetSystemIdentifier();
	definition.listing_oid = attachment.listing;
	definition.price_oid = attachment.price;
	for (int i = 0; i < column_count; ++i)
	{
		if (attachment.column[i].attnum == 0)
			continue;
		definition.column[i] = NameStr(attachment.column[i].name);
		definition.place[i] = {attachment.column[i].attnum, attachment.column[i].type};
	}
	return format_definition(definition);
}

// Makes the triggers, or makes those of an attachment anew: dropping them would take a lock that
// keeps readers out.
Oid
create_triggers(const Attachment &attachment, const Trigger *existing)
{
	struct
	{
		Oid table;
		const char *function;
		const char *name;
		const char *events;
	} triggers[] = {
		{attachment.listing, listing_changed, nullptr, "INSERT OR UPDATE"},
		{attachment.price, price_changed, nullptr, "INSERT OR UPDATE OR DELETE"},
		{attachment.price, price_truncated, nullptr, "TRUNCATE"},
	};
	const char *name = free_trigger_name(attachment);
	const char *arguments = trigger_arguments(attachment);

	for (auto &trigger : triggers)
	{
		const bool truncate = trigger.function == price_truncated;
		trigger.name = truncate ? psprintf("%s_truncate", name) : name;
		if (existing != nullptr)
			trigger.name = trigger_name(trigger.table, trigger.function, existing, trigger.name);
	}
	for (const auto &trigger : triggers)
		run_command(psprintf("CREATE OR REPLACE TRIGGER %s AFTER %s ON %s FOR EACH %s EXECUTE "
		                     "FUNCTION listing_stats.%s(%s)",
		                     quote_identifier(trigger.name), trigger.events,
		                     qualified_name(trigger.table),
		                     trigger.function == price_truncated ? "STATEMENT" : "ROW",
		                     trigger.function, arguments));
	if (existing == nullptr)
		ereport(NOTICE, (errmsg("created triggers \"%s\" on tables \"%s\" and \"%s\"", name,
		                        get_rel_name(attachment.listing), get_rel_name(attachment.price))));
	CommandCounterIncrement();
	return get_trigger_oid(attachment.price, triggers[1].name, false);
}

// Drops what "trigger" is part of, on its table and on the other one, if there is one.
void
drop_triggers(Oid relation, Oid other, const Trigger *trigger)
{
	const Oid tables[] = {relation, other};

	for (const Oid table : tables)
	{
		if (!OidIsValid(table))
			continue;
		Relation open = relation_open(table, AccessExclusiveLock);
		List *names = NIL;
		ListCell *cell = nullptr;
		for (int i = 0; open->trigdesc != nullptr && i < open->trigdesc->numtriggers; ++i)
		{
			const Trigger *candidate = &open->trigdesc->triggers[i];
			if (is_our_trigger(candidate) && same_arguments(candidate, trigger))
				names = lappend(names, pstrdup(candidate->tgname));
		}
		relation_close(open, NoLock);
		foreach (cell, names)
			run_command(psprintf("DROP TRIGGER %s ON %s",
			                     quote_identifier(static_cast<const char *>(lfirst(cell))),
			                     qualified_name(table)));
	}
	CommandCounterIncrement();
}

// The trigger on price of an attachment of these two tables: by the key named, or the only one, and
// then the key is its.  nullptr: none.
const Trigger *
existing_attachment(Request *request)
{
	const char *key = request->column[price_key];
	const TriggerDesc *description = request->price->trigdesc;
	const Trigger *found = nullptr;
	const char *found_key = nullptr;
	int count = 0;

	for (int i = 0; description != nullptr && i < description->numtriggers; ++i)
	{
		const Trigger *trigger = &description->triggers[i];
		if (trigger->tgfoid != trigger_function(price_changed) || trigger->tgisclone ||
		    other_half(request->price, trigger, Side::price) != RelationGetRelid(request->listing))
			continue;
		const char *its_key = key_of_price(request->price, trigger);
		if (key != nullptr && (its_key == nullptr || strcmp(its_key, key) != 0))
			continue;
		found = trigger;
		found_key = its_key;
		++count;
	}
	if (key == nullptr && count != 1)
		return nullptr;
	if (key == nullptr)
		request->column[price_key] = found_key;
	return found;
}

// A trigger that outlives the relation's cache entry, which the first command replaces.
Trigger *
copy_trigger(const Trigger *trigger)
{
	if (trigger == nullptr)
		return nullptr;
	Trigger *copy = static_cast<Trigger *>(palloc(sizeof(Trigger)));
	*copy = *trigger;
	copy->tgargs =
		static_cast<char **>(palloc(sizeof(char *) * static_cast<Size>(Max(trigger->tgnargs, 1))));
	for (int i = 0; i < trigger->tgnargs; ++i)
		copy->tgargs[i] = pstrdup(trigger->tgargs[i]);
	return copy;
}

Request
read_request(FunctionCallInfo fcinfo)
{
	Request request = {};
	const int argument[column_count] = {
		-1,          argument_last_price, argument_last_price_at, argument_key,
		argument_at, argument_tie,        argument_value};
	bool add_column = false;

	if (PG_ARGISNULL(argument_listing) || PG_ARGISNULL(argument_price))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("the tables to attach must not be NULL")));
	for (int i = 0; i < column_count; ++i)
	{
		if (argument[i] >= 0 && !PG_ARGISNULL(argument[i]))
			request.column[i] = pstrdup(NameStr(*PG_GETARG_NAME(argument[i])));
	}
	request.backfill = PG_ARGISNULL(argument_backfill) || PG_GETARG_BOOL(argument_backfill);
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const char *name =
			request.column[i] == nullptr && i == last_price ? "last_price" : request.column[i];
		add_column = add_column || (name != nullptr && get_attnum(PG_GETARG_OID(argument_listing),
		                                                          name) == InvalidAttrNumber);
	}
	open_tables(PG_GETARG_OID(argument_listing), PG_GETARG_OID(argument_price), add_column,
	            &request);
	return request;
}

Oid
attach(FunctionCallInfo fcinfo)
{
	if (creating_extension)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("cannot attach tables inside an extension script"),
		         errdetail("The triggers would belong to the extension and not be dumped.")));
	Request request = read_request(fcinfo);
	Trigger *existing = copy_trigger(existing_attachment(&request));
	Attachment attachment = complete_request(&request, existing);

	check_types(request, &attachment);
	SPI_connect();
	attach_targets(&request, &attachment, existing);
	create_index(&request, attachment);
	close_tables(request);
	const Oid trigger = create_triggers(attachment, existing);
	SPI_finish();
	if (request.backfill)
		recompute_all(attachment_of(attachment.price, trigger, Side::price));
	return trigger;
}

// A trigger of ours on "table", of what it has with "other" if that is named; *half is the table
// that has the other half, if any.
Trigger *
find_attached(Oid table, Oid other, Oid *half)
{
	Relation relation = relation_open(table, NoLock);
	Trigger *found = nullptr;

	for (int i = 0;
	     found == nullptr && relation->trigdesc != nullptr && i < relation->trigdesc->numtriggers;
	     ++i)
	{
		const Trigger *trigger = &relation->trigdesc->triggers[i];
		if (!is_our_trigger(trigger) || trigger->tgisclone)
			continue;
		*half = other_half(relation, trigger,
		                   trigger->tgfoid == trigger_function(listing_changed) ? Side::listing
		                                                                        : Side::price);
		if (!OidIsValid(other) || *half == other)
			found = copy_trigger(trigger);
	}
	relation_close(relation, NoLock);
	return found;
}

// Detaches everything on "table", or what it has with "other"; returns how many attachments.
int
detach(Oid table, Oid other)
{
	Oid half = InvalidOid;
	int count = 0;

	for (const Trigger *trigger = find_attached(table, other, &half); trigger != nullptr;
	     trigger = find_attached(table, other, &half))
	{
		drop_triggers(table, half, trigger);
		++count;
	}
	return count;
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_attach)
{
	InitMaterializedSRF(fcinfo, 0);
	const Oid trigger = attach(fcinfo);
	put_attachment(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo),
	               PG_GETARG_OID(argument_price), trigger);
	PG_RETURN_NULL();
}

LISTING_STATS_FUNCTION(listing_stats_detach)
{
	const Oid table = PG_GETARG_OID(PG_NARGS() - 1);
	const Oid other = PG_NARGS() > 1 ? PG_GETARG_OID(0) : InvalidOid;

	check_ownership(table);
	LockRelationOid(table, AccessExclusiveLock);  // as DROP TRIGGER will, and price first
	SPI_connect();
	const int count = detach(table, other);
	SPI_finish();
	if (count == 0)
		ereport(NOTICE, (errmsg("table \"%s\" is not attached", get_rel_name(table))));
	PG_RETURN_INT32(count);
}
