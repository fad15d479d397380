// The rows of the view "attachments" and of check(): one for each attachment, with what is wrong
// with it and the statement that mends that.
//
// A row is of now, whatever snapshot the query has: the attached tables are locked while one looks
// at them, and what was waited for is looked at anew.  What only the server's own functions know is
// asked here: what the triggers resolve to, what values a column can keep, what a publication makes
// PostgreSQL refuse.  All else that can be wrong stands in the catalogue, and in SQL:
// listing_stats._problems().
#include "attaching/attachments_view.hpp"

#include "server/roles.hpp"
#include "tables/distributed.hpp"
#include "tables/price_index.hpp"
#include "tables/trigger_catalog.hpp"
#include "tracking/direct_path.hpp"
#include "tracking/direct_way.hpp"
#include "tracking/maintenance_sql.hpp"

namespace listing_stats {

namespace {

enum RowColumn
{
	row_listing,
	row_price,
	row_listing_key,
	row_key,
	row_first_name,
	row_carry = row_first_name + static_cast<int>(lengthof(fixed_columns)),
	row_condition,
	row_empty,
	row_own_rows,
	row_null_value,
	row_guard,
	row_replication,
	row_index,
	row_way,
	row_triggers,
	row_warnings,
	row_columns_shown,  // by the view; the rest is for check()
	row_mends = row_columns_shown,
	row_columns
};

struct Row
{
	Datum value[row_columns];
	bool null[row_columns];
	ArrayBuildState *triggers;
	ArrayBuildState *warnings;
	ArrayBuildState *mends;  // one for each warning
};

Row
empty_row()
{
	Row row = {};

	memset(row.null, true, sizeof row.null);
	row.triggers = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	row.warnings = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	row.mends = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	return row;
}

void
append_text(ArrayBuildState *texts, const char *text)
{
	accumArrayResult(texts, text == nullptr ? 0 : CStringGetTextDatum(text), text == nullptr,
	                 TEXTOID, CurrentMemoryContext);
}

// "mend" is a statement, or nullptr: somebody has to decide what to do.
void
append_warning(Row *row, const char *warning, const char *mend)
{
	append_text(row->warnings, warning);
	append_text(row->mends, mend);
}

void
say_warnings(const Row &row)
{
	for (int i = 0; i < row.warnings->nelems; ++i)
		ereport(NOTICE, (errmsg_internal("%s", TextDatumGetCString(row.warnings->dvalues[i]))));
}

const char *
trigger_state(char enabled)
{
	const char *letter = enabled == '\0' ? nullptr : strchr(firing, enabled);

	return letter == nullptr ? "origin" : firing_words[letter - firing];
}

void
add_triggers(Row *row, Oid table, const Trigger *like)
{
	for (const Trigger *trigger : each<Trigger *>(our_triggers(table)))
	{
		if (same_arguments(trigger, like))
			append_text(row->triggers,
			            psprintf("%s on %s: %s", trigger->tgname, get_rel_name(table),
			                     trigger_state(trigger->tgenabled)));
	}
}

// Adds what the catalogue says, of a row that is complete except for the rest of its warnings.
void
add_problems(Row *row, Oid trigger, bool resolved)
{
	constexpr const char *query = "SELECT problem, mend FROM listing_stats._problems($1, $2, $3)";
	MemoryContext context = CurrentMemoryContext;
	const Oid schema = get_namespace_oid("listing_stats", false);
	const Oid row_type = get_rel_type_id(get_relname_relid("attachments", schema));
	TupleDesc description = lookup_rowtype_tupdesc_copy(row_type, -1);
	HeapTuple tuple = heap_form_tuple(description, row->value, row->null);
	Oid type[] = {row_type, OIDOID, BOOLOID};
	Datum value[] = {HeapTupleGetDatum(tuple), ObjectIdGetDatum(trigger), BoolGetDatum(resolved)};

	Assert(description->natts == row_columns_shown);
	push_new_snapshot();
	SPI_connect();
	const int result = SPI_execute_with_args(query, 3, type, value, nullptr, true, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(result));
	MemoryContext spi = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < SPI_processed; ++i)
		append_warning(row, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1),
		               SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2));
	MemoryContextSwitchTo(spi);
	SPI_finish();
	PopActiveSnapshot();
}

// The publications of a table or partition.
List *
publications_of(Relation relation, List *ancestors)
{
	List *found = list_concat_unique_oid(publications_naming(RelationGetRelid(relation)),
	                                     GetSchemaPublications(RelationGetNamespace(relation)));

	for (const Oid ancestor : each<Oid>(ancestors))
	{
		found = list_concat_unique_oid(found, publications_naming(ancestor));
		found = list_concat_unique_oid(found, GetSchemaPublications(get_rel_namespace(ancestor)));
	}
	return list_concat_unique_oid(
		found, publications_of_all_tables(ancestors != NIL ? llast_oid(ancestors)
	                                                       : RelationGetRelid(relation)));
}

// Warns if a publication makes PostgreSQL refuse every UPDATE of the table, and so what keeps it.
void
check_publication(Row *row, Relation relation, List *ancestors, Form_pg_publication publication)
{
	const char *name = NameStr(publication->pubname);
	const char *table = RelationGetRelationName(relation);
	const char *full = psprintf("ALTER TABLE %s REPLICA IDENTITY FULL",
	                            qualified_name(RelationGetRelid(relation)));
	const char *mend = full;
	const char *warning = nullptr;

	if (!publication->pubupdate)
		return;
	if (pub_rf_contains_invalid_column(publication->oid, relation, ancestors,
	                                   publication->pubviaroot))
		warning =
			psprintf("publication \"%s\" filters rows of table \"%s\" by a column that is not "
		             "part of its replica identity: changes of prices will fail until the "
		             "filter goes by others, or %s",
		             name, table, full);
	else if (leaves_out_identity(publication, relation, ancestors))
	{
		warning = psprintf("publication \"%s\" leaves out columns of the replica identity of table "
		                   "\"%s\": changes of prices will fail until they are added to its list",
		                   name, table);
		mend = nullptr;
	}
	else if (relation->rd_rel->relreplident != REPLICA_IDENTITY_FULL &&
	         !OidIsValid(RelationGetReplicaIndex(relation)))
		warning = psprintf("publication \"%s\" publishes table \"%s\" without a replica identity: "
		                   "changes of prices will fail until it has one, such as by %s",
		                   name, table, full);
	if (warning != nullptr)
		append_warning(row, warning, mend);
}

// Of several partitions one is enough.
void
check_publications(Row *row, Oid listing)
{
	const int before = row->warnings->nelems;

	for (const Oid table : each<Oid>(find_all_inheritors(listing, AccessShareLock, nullptr)))
	{
		Relation relation = try_relation_open(table, NoLock);
		if (relation == nullptr)
			continue;
		List *ancestors = relation->rd_rel->relispartition ? get_partition_ancestors(table) : NIL;
		const bool published = row->warnings->nelems == before &&
		                       relation->rd_rel->relkind == RELKIND_RELATION &&
		                       is_publishable_relation(relation);
		for (const Oid publication :
		     each<Oid>(published ? publications_of(relation, ancestors) : NIL))
		{
			HeapTuple tuple = SearchSysCache1(PUBLICATIONOID, ObjectIdGetDatum(publication));
			if (!HeapTupleIsValid(tuple))
				continue;
			check_publication(row, relation, ancestors,
			                  reinterpret_cast<Form_pg_publication>(GETSTRUCT(tuple)));
			ReleaseSysCache(tuple);
		}
		relation_close(relation, table == listing ? NoLock : AccessShareLock);
	}
}

// Without a foreign key the columns may be none that belong together.  Only for the owner, and
// members of that role: to plan a query on his tables can run functions that he has put into their
// indexes.  Read as the owner, who may have taken the right to from himself, and only where nothing
// can fail or wait for another server.
void
check_matches(Row *row, const Attachment &attachment)
{
	if (!is_member_of_role_nosuper(GetUserId(), attachment.owner) || attachment.foreign_key ||
	    attachment.own_rows || get_rel_relkind(attachment.listing) != RELKIND_RELATION ||
	    get_rel_relkind(attachment.price) != RELKIND_RELATION ||
	    isOtherTempNamespace(get_rel_namespace(attachment.listing)) ||
	    isOtherTempNamespace(get_rel_namespace(attachment.price)) ||
	    !may_use_schema(get_rel_namespace(attachment.listing), attachment.owner) ||
	    !may_use_schema(get_rel_namespace(attachment.price), attachment.owner) ||
	    pg_class_aclcheck(attachment.listing, attachment.owner, ACL_SELECT) != ACLCHECK_OK ||
	    pg_class_aclcheck(attachment.price, attachment.owner, ACL_SELECT) != ACLCHECK_OK)
		return;
	const Actor before =
		act_as(attachment.owner, SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	SPI_connect();
	SPI_execute(unmatched_query(attachment), true, 0);
	const bool unmatched = SPI_processed > 0;
	SPI_finish();
	resume_as(before);
	if (unmatched)
		append_warning(
			row,
			psprintf("none of the first prices of table \"%s\" belongs to a listing: column "
		             "\"%s\" is matched with column \"%s\" of table \"%s\", since no "
		             "foreign key says what it refers to",
		             NameStr(attachment.price_name), NameStr(attachment.column[price_key].name),
		             NameStr(attachment.column[listing_key].name),
		             NameStr(attachment.listing_name)),
			nullptr);
}

// attach() refuses them.  Citus makes a table its own later, without asking: where a foreign key
// leads to or from a reference table.
void
check_distributed(Row *row, const Attachment &attachment)
{
	const bool of_listing = is_distributed(attachment.listing);
	const char *detach = psprintf("SELECT listing_stats.detach(%s, %s)",
	                              quote_literal_cstr(qualified_name(attachment.listing)),
	                              quote_literal_cstr(qualified_name(attachment.price)));

	if (of_listing || is_distributed(attachment.price))
		append_warning(
			row,
			psprintf("table \"%s\" is a table of Citus, whose rows are in shards: %s, "
		             "and attach() again when both are ordinary tables",
		             NameStr(of_listing ? attachment.listing_name : attachment.price_name), detach),
			detach);
}

// Of several attachments of the tables the one that keeps a column.
const char *
attach_again(const Attachment &attachment)
{
	Relation price = relation_open(attachment.price, AccessShareLock);
	const bool several = list_length(attachments_to(attachment.listing, price)) > 1;

	relation_close(price, AccessShareLock);
	return psprintf("SELECT %s", attach_call(definition_of(attachment), listing_key, several));
}

void
check_names(Row *row, const Definition &definition, const Attachment &attachment)
{
	// How a name is quoted depends on a setting.
	bool renamed = table_by_name(definition.listing) != attachment.listing ||
	               table_by_name(definition.price) != attachment.price;

	for (int i = 0; i < column_count; ++i)
		renamed =
			renamed || (definition.column[i] != nullptr &&
		                strcmp(definition.column[i], NameStr(attachment.column[i].name)) != 0);
	if (renamed)
		append_warning(row,
		               "the triggers have names from before a rename, which a dump would "
		               "carry: attach() again brings them up to date",
		               attach_again(attachment));
}

// attach() refuses such a column; the types can change after it.
void
check_widths(Row *row, const Attachment &attachment)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const ResolvedColumn target = attachment.column[i];
		const ResolvedColumn source = source_of(attachment, i);
		if (target.attnum == 0 || i == price_count || i == price_total ||
		    column_fit(source, target) == Fit::exact)
			continue;
		const char *type = format_type_with_typemod(source.type, source.typmod);
		append_warning(
			row,
			psprintf("column \"%s\" of table \"%s\" has type %s and cannot keep every value of "
		             "type %s of %s: changes of prices that do not fit will fail",
		             NameStr(target.name), get_rel_name(attachment.listing),
		             format_type_with_typemod(target.type, target.typmod), type,
		             source_name(source)),
			psprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", qualified_name(attachment.listing),
		             quote_identifier(NameStr(target.name)), type));
	}
}

void
set(Row *row, int column, Datum value)
{
	row->value[column] = value;
	row->null[column] = false;
}

void
set_oid(Row *row, int column, Oid oid)
{
	if (OidIsValid(oid))
		set(row, column, ObjectIdGetDatum(oid));
}

void
set_text(Row *row, int column, const char *text)
{
	if (text != nullptr)
		set(row, column, CStringGetTextDatum(text));
}

void
check_attachment(Row *row, const Definition &definition, const Attachment &attachment)
{
	if (row->null[row_index])
		append_warning(
			row,
			psprintf("no index of table \"%s\" on (%s) serves the latest price: each change of "
		             "a price reads all prices of its listing",
		             NameStr(attachment.price_name), index_columns(attachment)),
			attach_again(attachment));
	const bool insertable = !attachment.own_rows || OidIsValid(listing_key_index(attachment));
	if (!insertable || !finds_listing(attachment))
	{
		const char *key = sql_list(attachment, ColumnList::listing_key);
		append_warning(
			row,
			psprintf(insertable ? "no index of table \"%s\" is on (%s): each change of a price "
		                          "reads the whole table"
		                        : "no unique index of table \"%s\" is on (%s): the first price of "
		                          "a key is an error",
		             get_rel_name(attachment.listing), key),
			psprintf("CREATE%s INDEX ON %s (%s);", insertable ? "" : " UNIQUE",
		             qualified_name(attachment.listing), key));
	}
	check_distributed(row, attachment);
	check_names(row, definition, attachment);
	check_widths(row, attachment);
	check_publications(row, attachment.listing);
	if (!is_distributed(attachment.listing) && !is_distributed(attachment.price))
		check_matches(row, attachment);
}

void
fill_row(Row *row, Relation relation, const Trigger *trigger, Side side,
         const Definition &definition)
{
	Attachment attachment = {};
	Problem problem = {};

	attachment.context = CurrentMemoryContext;
	const bool good = resolve(relation, trigger, side, &attachment, &problem);
	set_oid(row, row_listing,
	        side == Side::listing ? RelationGetRelid(relation) : attachment.listing);
	set_oid(row, row_price, side == Side::price ? RelationGetRelid(relation) : attachment.price);
	if (good)
	{
		set_oid(row, row_index, fitting_index(attachment));
		set_text(row, row_way, way_of(&attachment));
	}
	// As they are called now, or where they cannot be found as the triggers have them.
	const Definition now = good ? definition_of(attachment) : definition;
	for (int i = 0; i < static_cast<int>(lengthof(fixed_columns)); ++i)
	{
		const char *name = now.column[fixed_columns[i].column];
		if (name != nullptr)
			set(row, row_first_name + i, DirectFunctionCall1(namein, CStringGetDatum(name)));
	}
	set_text(row, row_listing_key, format_list(now.column, ColumnList::listing_key));
	set_text(row, row_key, format_list(now.column, ColumnList::key));
	set_text(row, row_carry, format_list(now.column, ColumnList::carried));
	set_text(row, row_condition, now.condition);
	set_text(row, row_empty, empty_words[definition.keep_empty ? 1 : 0]);
	set(row, row_own_rows, BoolGetDatum(definition.own_rows));
	set_text(row, row_null_value, null_value_words[definition.skip_null ? 1 : 0]);
	set_text(row, row_guard, guard_words[static_cast<int>(definition.guard)]);
	set_text(row, row_replication, trigger_state(trigger->tgenabled));
	if (!good)
		// A hint that is a statement mends it.
		append_warning(row, psprintf("%s; %s", problem.message, problem.hint),
		               strncmp(problem.hint, "ALTER ", 6) == 0 ? problem.hint : nullptr);
	else
		check_attachment(row, definition, attachment);
	add_triggers(row, DatumGetObjectId(row->value[row_listing]), trigger);
	add_triggers(row, DatumGetObjectId(row->value[row_price]), trigger);
	add_problems(row, trigger->tgoid, good);
}

// Anybody can make a trigger with arguments of his own.
void
fill_wrong_row(Row *row, Relation relation, const Trigger *trigger, Side side, const char *problem)
{
	set_oid(row, side == Side::listing ? row_listing : row_price, RelationGetRelid(relation));
	add_triggers(row, RelationGetRelid(relation), trigger);
	append_warning(row,
	               psprintf("trigger \"%s\" has wrong arguments for listing_stats: %s",
	                        trigger->tgname, problem),
	               psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger->tgname),
	                        qualified_name(RelationGetRelid(relation))));
	add_problems(row, trigger->tgoid, false);
}

// An attachment is shown by its trigger on price; by that on listing if there is no such one.
bool
shows_attachment(Relation relation, const Trigger *trigger)
{
	Definition definition;

	if (read_definition(trigger, &definition) != nullptr)
		return !trigger->tgisclone && trigger->tgfoid != trigger_function(price_truncated) &&
		       trigger->tgfoid != trigger_function(listing_truncated);
	return is_attachment(relation, trigger) ||
	       (trigger->tgfoid == trigger_function(listing_changed) && !trigger->tgisclone &&
	        !OidIsValid(other_half(relation, trigger, Side::listing)));
}

// False: the trigger's arguments have changed meanwhile.
bool
put_row_now(ReturnSetInfo *result, Relation relation, const Trigger *trigger, bool notices)
{
	const Side side =
		trigger->tgfoid == trigger_function(price_changed) ? Side::price : Side::listing;
	Row row = empty_row();
	Definition definition;
	const char *problem = read_definition(trigger, &definition);
	// Locked for as long as it is looked at.
	const Oid other = problem == nullptr ? other_half(relation, trigger, side) : InvalidOid;

	if (OidIsValid(other))
		LockRelationOid(other, AccessShareLock);
	if (problem == nullptr)
		fill_row(&row, relation, trigger, side, definition);
	else
		fill_wrong_row(&row, relation, trigger, side, problem);
	if (OidIsValid(other))
		UnlockRelationOid(other, AccessShareLock);
	if (row.triggers->nelems == 0)
		return false;
	if (notices)
		say_warnings(row);
	set(&row, row_triggers, makeArrayResult(row.triggers, CurrentMemoryContext));
	set(&row, row_warnings, makeArrayResult(row.warnings, CurrentMemoryContext));
	set(&row, row_mends, makeArrayResult(row.mends, CurrentMemoryContext));
	tuplestore_putvalues(result->setResult, result->setDesc, row.value, row.null);
	return true;
}

// Whoever was waited for may have changed the trigger, or dropped it.  "notices": what is wrong is
// also said.
void
put_row(ReturnSetInfo *result, Relation relation, Oid oid, bool notices)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		const Trigger *trigger = trigger_by_oid(oid);
		if (trigger == nullptr || !shows_attachment(relation, trigger) ||
		    put_row_now(result, relation, trigger, notices))
			return;
	}
}

}  // namespace

List *
attached_tables()
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, nullptr, 0, nullptr);
	const Oid functions[] = {trigger_function(price_changed), trigger_function(listing_changed)};
	List *tables = NIL;

	for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple);
	     tuple = systable_getnext(scan))
	{
		const Form_pg_trigger form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
		CHECK_FOR_INTERRUPTS();
		if (!OidIsValid(form->tgparentid) &&
		    (form->tgfoid == functions[0] || form->tgfoid == functions[1]))
			tables = lappend_oid(tables, form->tgrelid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	list_sort(tables, list_oid_cmp);
	list_deduplicate_oid(tables);
	return tables;
}

void
warn_of_publications(Oid listing)
{
	Row row = empty_row();

	check_publications(&row, listing);
	say_warnings(row);
}

void
put_attachment(ReturnSetInfo *result, Oid price, Oid trigger)
{
	Relation relation = relation_open(price, AccessShareLock);

	put_row(result, relation, trigger, true);
	relation_close(relation, AccessShareLock);
}

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_attachments)
{
	InitMaterializedSRF(fcinfo, 0);
	ReturnSetInfo *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);

	for (const Oid table : each<Oid>(attached_tables()))
	{
		Relation relation = try_relation_open(table, AccessShareLock);
		if (relation == nullptr)
			continue;
		for (const Trigger *trigger : each<Trigger *>(our_triggers(table)))
			put_row(result, relation, trigger->tgoid, false);
		relation_close(relation, AccessShareLock);
	}
	PG_RETURN_NULL();
}
