// The view "attachments": one row for each attachment, and what is wrong with it.
#include "attaching/attachments_view.hpp"

#include "attaching/replaced_tables.hpp"
#include "server/roles.hpp"
#include "tables/distributed.hpp"
#include "tables/price_index.hpp"
#include "tables/trigger_catalog.hpp"
#include "tracking/maintenance_sql.hpp"

namespace listing_stats {

namespace {

enum RowColumn
{
	row_listing,
	row_price,
	row_first_name,
	row_null_value = row_first_name + column_count,
	row_guard,
	row_replication,
	row_index,
	row_triggers,
	row_warnings,
	row_columns
};

struct Row
{
	Datum value[row_columns];
	bool null[row_columns];
	ArrayBuildState *triggers;
	ArrayBuildState *warnings;
};

void
append_text(ArrayBuildState **state, const char *text)
{
	*state =
		accumArrayResult(*state, CStringGetTextDatum(text), false, TEXTOID, CurrentMemoryContext);
}

void
say_warnings(const Row &row)
{
	for (int i = 0; row.warnings != nullptr && i < row.warnings->nelems; ++i)
		ereport(NOTICE, (errmsg_internal("%s", TextDatumGetCString(row.warnings->dvalues[i]))));
}

const char *
trigger_state(char enabled)
{
	switch (enabled)
	{
	case TRIGGER_DISABLED:
		return "disabled";
	case TRIGGER_FIRES_ON_REPLICA:
		return "replica";
	case TRIGGER_FIRES_ALWAYS:
		return "always";
	default:
		return "origin";
	}
}

// Shows those of a table, and warns of each that is disabled.
void
add_triggers(Row *row, Oid table, const Trigger *like)
{
	Relation relation = try_relation_open(table, AccessShareLock);
	ListCell *cell = nullptr;

	if (relation == nullptr)
		return;
	foreach (cell, our_triggers(relation))
	{
		const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		if (!same_arguments(trigger, like))
			continue;
		append_text(&row->triggers,
		            psprintf("%s on %s: %s", trigger->tgname, RelationGetRelationName(relation),
		                     trigger_state(trigger->tgenabled)));
		if (trigger->tgenabled == TRIGGER_DISABLED)
			append_text(
				&row->warnings,
				psprintf("trigger \"%s\" on table \"%s\" is disabled: what it misses has to be "
			             "repaired by refresh()",
			             trigger->tgname, RelationGetRelationName(relation)));
	}
	relation_close(relation, AccessShareLock);
}

bool
has_disabled_trigger(Oid table, const Trigger *like)
{
	ListCell *cell = nullptr;

	foreach (cell, triggers_of(table, nullptr))
	{
		const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		if (trigger->tgenabled == TRIGGER_DISABLED && same_arguments(trigger, like))
			return true;
	}
	return false;
}

// Tables of which one thing is to be said: the first by name, and how many there are.
struct Tables
{
	const char *first;
	int count;
};

void
add_table(Tables *tables, const char *name)
{
	tables->first = tables->count++ == 0 ? name : tables->first;
}

// "warning" has a place for the tables.
void
warn_of_tables(Row *row, const Tables &tables, const char *warning)
{
	const char *names = psprintf("table \"%s\"", tables.first);

	if (tables.count > 1)
		names = psprintf("%s and %d more", names, tables.count - 1);
	if (tables.count > 0)
		append_text(&row->warnings, psprintf(warning, names));
}

// What goes on in the parts of the price table that no trigger sees: one warning of each kind,
// however many parts there are.
void
add_unseen_parts(Row *row, Oid price, const Trigger *like)
{
	Tables remote = {};
	Tables unseen = {};
	Tables truncated = {};
	Tables disabled = {};
	ListCell *cell = nullptr;

	foreach (cell, find_all_inheritors(price, AccessShareLock, nullptr))
	{
		const Oid part = lfirst_oid(cell);
		const char *name = get_rel_name(part);
		if (get_rel_relkind(part) == RELKIND_FOREIGN_TABLE)
			add_table(&remote, name);
		else if (!OidIsValid(find_trigger(part, price_changed, like, true)))
			add_table(&unseen, name);
		else if (!OidIsValid(find_trigger(part, price_truncated, like, false)))
			add_table(&truncated, name);
		if (part != price && has_disabled_trigger(part, like))
			add_table(&disabled, name);
	}
	warn_of_tables(row, remote, "changes made on the remote side of foreign %s are not seen");
	warn_of_tables(row, unseen,
	               "changes of %s, which inherit, are not seen until attach() is called again");
	warn_of_tables(row, truncated,
	               "TRUNCATE of %s alone is not seen until attach() is called again");
	warn_of_tables(row, disabled,
	               "triggers on %s are disabled: what they miss has to be repaired by refresh()");
}

// The publications of a table or partition.
List *
publications_of(Relation relation, List *ancestors)
{
	List *found = list_concat_unique_oid(publications_naming(RelationGetRelid(relation)),
	                                     GetSchemaPublications(RelationGetNamespace(relation)));
	ListCell *cell = nullptr;

	foreach (cell, ancestors)
	{
		const Oid ancestor = lfirst_oid(cell);
		found = list_concat_unique_oid(found, publications_naming(ancestor));
		found = list_concat_unique_oid(found, GetSchemaPublications(get_rel_namespace(ancestor)));
	}
	return list_concat_unique_oid(
		found, publications_of_all_tables(ancestors != NIL ? llast_oid(ancestors)
	                                                       : RelationGetRelid(relation)));
}

// Warns if a publication makes PostgreSQL refuse every UPDATE of the table, and so what keeps it.
bool
check_publication(Row *row, Relation relation, List *ancestors, Form_pg_publication publication)
{
	const char *name = NameStr(publication->pubname);
	const char *table = RelationGetRelationName(relation);
	const char *full = psprintf("ALTER TABLE %s REPLICA IDENTITY FULL",
	                            qualified_name(RelationGetRelid(relation)));
	const char *warning = nullptr;

	if (!publication->pubupdate)
		return false;
	if (pub_rf_contains_invalid_column(publication->oid, relation, ancestors,
	                                   publication->pubviaroot))
		warning =
			psprintf("publication \"%s\" filters rows of table \"%s\" by a column that is not "
		             "part of its replica identity: changes of prices will fail until the "
		             "filter goes by others, or %s",
		             name, table, full);
	else if (leaves_out_identity(publication, relation, ancestors))
		warning = psprintf("publication \"%s\" leaves out columns of the replica identity of table "
		                   "\"%s\": changes of prices will fail until they are added to its list",
		                   name, table);
	else if (relation->rd_rel->relreplident != REPLICA_IDENTITY_FULL &&
	         !OidIsValid(RelationGetReplicaIndex(relation)))
		warning = psprintf("publication \"%s\" publishes table \"%s\" without a replica identity: "
		                   "changes of prices will fail until it has one, such as by %s",
		                   name, table, full);
	if (warning != nullptr)
		append_text(&row->warnings, warning);
	return warning != nullptr;
}

// Of several partitions one is enough.
void
check_publications(Row *row, Oid listing)
{
	bool found = false;
	ListCell *cell = nullptr;

	foreach (cell, find_all_inheritors(listing, AccessShareLock, nullptr))
	{
		Relation relation = try_relation_open(lfirst_oid(cell), NoLock);
		if (relation == nullptr)
			continue;
		List *ancestors = relation->rd_rel->relispartition
		                      ? get_partition_ancestors(RelationGetRelid(relation))
		                      : NIL;
		ListCell *publication = nullptr;
		foreach (publication, !found && relation->rd_rel->relkind == RELKIND_RELATION &&
		                              is_publishable_relation(relation)
		                          ? publications_of(relation, ancestors)
		                          : NIL)
		{
			HeapTuple tuple =
				SearchSysCache1(PUBLICATIONOID, ObjectIdGetDatum(lfirst_oid(publication)));
			if (!HeapTupleIsValid(tuple))
				continue;
			if (check_publication(row, relation, ancestors,
			                      reinterpret_cast<Form_pg_publication>(GETSTRUCT(tuple))))
				found = true;
			ReleaseSysCache(tuple);
		}
		relation_close(relation, NoLock);
	}
}

// Where pages are full, each new latest price moves its listing to another page and writes to every
// index.  Said only when many do: filling the columns once does not count.
void
check_fillfactor(Row *row, const Attachment &attachment)
{
	constexpr float4 enough = 10000;
	Relation listing = relation_open(attachment.listing, AccessShareLock);
	const PgStat_StatTabEntry *statistics = pgstat_fetch_stat_tabentry(attachment.listing);
	const Bitmapset *indexed = hot_blocking_columns(listing);
	bool any_indexed = false;

	for (int i = first_target; i < end_of_targets; ++i)
		any_indexed = any_indexed || bms_is_member(attachment.column[i].attnum -
		                                               FirstLowInvalidHeapAttributeNumber,
		                                           indexed);
	if (!any_indexed && statistics != nullptr && RelationGetFillFactor(listing, 100) > 90 &&
	    statistics->tuples_updated > 3 * Max(listing->rd_rel->reltuples, enough) &&
	    statistics->tuples_hot_updated < statistics->tuples_updated / 2)
		append_text(
			&row->warnings,
			psprintf("most updates of table \"%s\" write to all its indexes, because its "
		             "pages are full: ALTER TABLE %s SET (fillfactor = 90), then VACUUM FULL",
		             RelationGetRelationName(listing), qualified_name(attachment.listing)));
	relation_close(listing, AccessShareLock);
}

// An UPDATE of a column in a unique index counts as one of a key: it waits for whoever inserts a
// row that refers to the listing, and they for it.
void
check_unique_indexes(Row *row, const Attachment &attachment)
{
	Relation relation = try_relation_open(attachment.listing, AccessShareLock);

	if (relation == nullptr)
		return;
	Bitmapset *keys = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_KEY);
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attachment.column[i].attnum != 0 &&
		    bms_is_member(attachment.column[i].attnum - FirstLowInvalidHeapAttributeNumber, keys))
			append_text(&row->warnings,
			            psprintf("column \"%s\" of table \"%s\" is in a unique index: changes of "
			                     "prices wait for every transaction that refers to their listings",
			                     NameStr(attachment.column[i].name),
			                     RelationGetRelationName(relation)));
	}
	relation_close(relation, AccessShareLock);
}

// Without a foreign key the columns may be none that belong together.  Read as the owner, who may
// have taken the right to from himself, and only where nothing can fail or wait for another server.
void
check_matches(Row *row, const Attachment &attachment)
{
	if (attachment.foreign_key || get_rel_relkind(attachment.listing) != RELKIND_RELATION ||
	    get_rel_relkind(attachment.price) != RELKIND_RELATION ||
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
		append_text(
			&row->warnings,
			psprintf("none of the first prices of table \"%s\" belongs to a listing: column "
		             "\"%s\" is matched with column \"%s\" of table \"%s\", since no "
		             "foreign key says what it refers to",
		             NameStr(attachment.price_name), NameStr(attachment.column[price_key].name),
		             NameStr(attachment.column[listing_key].name),
		             NameStr(attachment.listing_name)));
}

// A crash empties an unlogged table, and no trigger sees it.
void
check_persistence(Row *row, const Attachment &attachment)
{
	if (get_rel_persistence(attachment.price) == RELPERSISTENCE_UNLOGGED &&
	    get_rel_persistence(attachment.listing) == RELPERSISTENCE_PERMANENT)
		append_text(&row->warnings,
		            psprintf("table \"%s\" is unlogged and empty after a crash: then table \"%s\" "
		                     "has to be repaired by refresh()",
		                     NameStr(attachment.price_name), NameStr(attachment.listing_name)));
}

void
warn_of_two_phase(Row *row, Oid subscription, const char *table)
{
	HeapTuple tuple = SearchSysCache1(SUBSCRIPTIONOID, ObjectIdGetDatum(subscription));
	if (!HeapTupleIsValid(tuple))
		return;
	const Form_pg_subscription form = reinterpret_cast<Form_pg_subscription>(GETSTRUCT(tuple));
	if (form->subtwophasestate != LOGICALREP_TWOPHASE_STATE_DISABLED)
		append_text(&row->warnings,
		            psprintf("subscription \"%s\" of table \"%s\" has two_phase = on: a prepared "
		                     "transaction can make it wait for itself for ever",
		                     NameStr(form->subname), table));
	ReleaseSysCache(tuple);
}

// A prepared transaction holds the listings of its prices until it is committed.  A subscription
// whose next transaction waits for them never comes to that.
void
check_subscriptions(Row *row, Oid price, const Trigger *trigger)
{
	ListCell *cell = nullptr;

	if (trigger->tgenabled != TRIGGER_FIRES_ALWAYS &&
	    trigger->tgenabled != TRIGGER_FIRES_ON_REPLICA)
		return;
	Relation catalog = table_open(SubscriptionRelRelationId, AccessShareLock);
	foreach (cell, find_all_inheritors(price, NoLock, nullptr))
	{
		ScanKeyData scan_key;
		ScanKeyInit(&scan_key, Anum_pg_subscription_rel_srrelid, BTEqualStrategyNumber, F_OIDEQ,
		            ObjectIdGetDatum(lfirst_oid(cell)));
		SysScanDesc scan = systable_beginscan(catalog, SubscriptionRelSrrelidSrsubidIndexId, true,
		                                      nullptr, 1, &scan_key);
		for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple);
		     tuple = systable_getnext(scan))
			warn_of_two_phase(row,
			                  reinterpret_cast<Form_pg_subscription_rel>(GETSTRUCT(tuple))->srsubid,
			                  get_rel_name(lfirst_oid(cell)));
		systable_endscan(scan);
	}
	table_close(catalog, AccessShareLock);
}

// attach() refuses them, but Citus makes a table its own without asking: where a foreign key leads
// to or from a reference table.
void
check_distributed(Row *row, const Attachment &attachment)
{
	const bool of_listing = is_distributed(attachment.listing);

	if (of_listing || is_distributed(attachment.price))
		append_text(
			&row->warnings,
			psprintf("table \"%s\" is a table of Citus, whose rows are in shards: SELECT "
		             "listing_stats.detach(%s, %s), and attach() again when both are ordinary "
		             "tables",
		             NameStr(of_listing ? attachment.listing_name : attachment.price_name),
		             quote_literal_cstr(qualified_name(attachment.listing)),
		             quote_literal_cstr(qualified_name(attachment.price))));
}

void
check_names(Row *row, const Definition &definition, const Attachment &attachment)
{
	bool renamed = strcmp(definition.listing, qualified_name(attachment.listing)) != 0 ||
	               strcmp(definition.price, qualified_name(attachment.price)) != 0;

	for (int i = 0; i < column_count; ++i)
		renamed =
			renamed || (definition.column[i] != nullptr &&
		                strcmp(definition.column[i], NameStr(attachment.column[i].name)) != 0);
	if (renamed)
		append_text(&row->warnings,
		            "the triggers have names from before a rename, which a dump would "
		            "carry: attach() again brings them up to date");
}

// attach() refuses such a column, but the types can change after it.
void
check_widths(Row *row, const Attachment &attachment)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const ResolvedColumn target = attachment.column[i];
		const ResolvedColumn source = source_of(attachment, i);

		if (target.attnum != 0 && column_fit(source, target) != Fit::exact)
			append_text(
				&row->warnings,
				psprintf("column \"%s\" of table \"%s\" has type %s and cannot keep every value of "
			             "type %s of %s: changes of prices that do not fit will fail",
			             NameStr(target.name), get_rel_name(attachment.listing),
			             format_type_with_typemod(target.type, target.typmod),
			             format_type_with_typemod(source.type, source.typmod),
			             source_name(source)));
	}
}

void
set_oid(Row *row, int column, Oid oid)
{
	row->value[column] = ObjectIdGetDatum(oid);
	row->null[column] = !OidIsValid(oid);
}

void
set_name(Row *row, int column, const char *name)
{
	NameData *copy = static_cast<NameData *>(palloc(NAMEDATALEN));

	namestrcpy(copy, name);
	row->value[row_first_name + column] = NameGetDatum(copy);
	row->null[row_first_name + column] = false;
}

void
set_text(Row *row, int column, const char *text)
{
	row->value[column] = CStringGetTextDatum(text);
	row->null[column] = false;
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
	set_oid(row, row_index, good ? fitting_index(attachment) : InvalidOid);
	for (int i = 0; i < column_count; ++i)
	{
		row->null[row_first_name + i] = true;
		if (good && attachment.column[i].attnum != 0)
			set_name(row, i, NameStr(attachment.column[i].name));
		else if (!good && definition.column[i] != nullptr)
			set_name(row, i, definition.column[i]);
	}
	set_text(row, row_null_value, definition.skip_null ? "skip" : "keep");
	set_text(row, row_guard,
	         definition.guard == Guard::keep    ? "keep"
	         : definition.guard == Guard::error ? "error"
	                                            : "off");
	set_text(row, row_replication, trigger_state(trigger->tgenabled));
	if (!good)
		append_text(&row->warnings, psprintf("%s; %s", problem.message, problem.hint));
	else if (row->null[row_index])
		append_text(
			&row->warnings,
			psprintf("no index of table \"%s\" on (%s) serves the latest price: each change of "
		             "a price reads all prices of its listing",
		             RelationGetRelationName(relation), index_columns(attachment)));
	if (good)
	{
		ListCell *cell = nullptr;
		foreach (cell, replaced_tables(attachment))
			append_text(&row->warnings, static_cast<const char *>(lfirst(cell)));
		check_distributed(row, attachment);
		check_names(row, definition, attachment);
		check_widths(row, attachment);
		check_publications(row, attachment.listing);
		check_fillfactor(row, attachment);
		check_unique_indexes(row, attachment);
		check_persistence(row, attachment);
		if (!is_distributed(attachment.listing) && !is_distributed(attachment.price))
			check_matches(row, attachment);
		check_subscriptions(row, attachment.price, trigger);
	}
	add_triggers(row, DatumGetObjectId(row->value[row_listing]), trigger);
	add_triggers(row, DatumGetObjectId(row->value[row_price]), trigger);
	if (side == Side::price)
		add_unseen_parts(row, RelationGetRelid(relation), trigger);
}

// Anybody can make a trigger with arguments of his own.
void
fill_wrong_row(Row *row, Relation relation, const Trigger *trigger, Side side, const char *problem)
{
	memset(row->null, true, sizeof row->null);
	row->null[row_triggers] = row->null[row_warnings] = false;
	set_oid(row, side == Side::listing ? row_listing : row_price, RelationGetRelid(relation));
	add_triggers(row, RelationGetRelid(relation), trigger);
	append_text(&row->warnings, psprintf("trigger \"%s\" has wrong arguments for listing_stats: %s",
	                                     trigger->tgname, problem));
}

// An attachment is shown by its trigger on price; by that on listing if there is no such one.
bool
shows_attachment(Relation relation, const Trigger *trigger)
{
	Definition definition;

	if (read_definition(trigger, &definition) != nullptr)
		return !trigger->tgisclone && trigger->tgfoid != trigger_function(price_truncated);
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
	Row row = {};
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
	if (row.triggers == nullptr)
		return false;
	if (notices)
		say_warnings(row);
	row.value[row_triggers] = makeArrayResult(row.triggers, CurrentMemoryContext);
	if (row.warnings == nullptr)
		row.value[row_warnings] = PointerGetDatum(construct_empty_array(TEXTOID));
	else
		row.value[row_warnings] = makeArrayResult(row.warnings, CurrentMemoryContext);
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
		const Trigger *trigger = trigger_by_oid(RelationGetRelid(relation), oid);
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
			tables = list_append_unique_oid(tables, form->tgrelid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	list_sort(tables, list_oid_cmp);
	return tables;
}

void
warn_of_publications(Oid listing)
{
	Row row = {};

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
	ListCell *cell = nullptr;

	foreach (cell, attached_tables())
	{
		Relation relation = try_relation_open(lfirst_oid(cell), AccessShareLock);
		if (relation == nullptr)
			continue;
		ListCell *trigger_cell = nullptr;
		foreach (trigger_cell, our_triggers(relation))
			put_row(result, relation, static_cast<Trigger *>(lfirst(trigger_cell))->tgoid, false);
		relation_close(relation, AccessShareLock);
	}
	PG_RETURN_NULL();
}
