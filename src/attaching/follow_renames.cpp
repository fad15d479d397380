// Carries new names into the arguments of triggers: of tables and columns, and of what conditions
// name.
//
// A convenience: names that have gone stale are resolved by attachment.cpp.  With it dumps carry
// the new names, and a column can be renamed where the record in the arguments is of other tables,
// as after a restore.  Where new names are not carried into a condition, the next write is an error
// that names the call.
//
// The command has one of the tables locked exclusively: nothing is waited for, and where the other
// is not free the names stay as they were.  Both tables must have one owner, since anybody can make
// a trigger with the arguments of somebody else's.
#include "attaching/attachments_view.hpp"
#include "attaching/follow_changes.hpp"
#include "server/roles.hpp"
#include "tables/trigger_catalog.hpp"

namespace listing_stats {

namespace {

// A trigger on a table whose names may have changed.
struct Followed
{
	Oid table;
	Oid trigger;
	Side side;
	const RenameStmt *rename;  // nullptr: the command was another one
	int column;                // that was renamed; 0: none
	const NewName *renamed;    // of what conditions name; nullptr: nothing else was renamed
};

// A record of type OIDs goes stale when a type changes.
bool
changes_a_type(const AlterTableStmt *command)
{
	for (const AlterTableCmd *part : each<AlterTableCmd *>(command->cmds))
	{
		if (part->subtype == AT_AlterColumnType)
			return true;
	}
	return false;
}

// Almost all commands that fire the event trigger end here.
bool
changes_names(const Node *command)
{
	switch (nodeTag(command))
	{
	case T_RenameStmt:
		switch (reinterpret_cast<const RenameStmt *>(command)->renameType)
		{
		case OBJECT_TABCONSTRAINT:
		case OBJECT_TRIGGER:
		case OBJECT_TYPE:
			return false;
		default:
			return true;
		}
	case T_AlterObjectSchemaStmt:
		return true;
	case T_AlterTableStmt:
		return changes_a_type(reinterpret_cast<const AlterTableStmt *>(command));
	default:
		return false;
	}
}

// Whether something other than a table, when its name changed, changed names of this table: its
// schema, the extension that has it, the type that it is of.
bool
is_named_by(Oid table, const ObjectAddress &object)
{
	if (object.classId == NamespaceRelationId)
		return get_rel_namespace(table) == object.objectId;
	if (object.classId == ExtensionRelationId)
		return getExtensionOfObject(RelationRelationId, table) == object.objectId;
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		return false;
	const Oid type = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->reloftype;
	ReleaseSysCache(tuple);
	return OidIsValid(type) && get_typ_typrelid(type) == object.objectId;
}

// The tables whose names may have changed with the object.
List *
tables_of(const ObjectAddress &object)
{
	List *tables = NIL;

	if (object.classId == RelationRelationId)
	{
		const char kind = get_rel_relkind(object.objectId);
		if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
			return find_all_inheritors(object.objectId, NoLock, nullptr);
		if (kind != RELKIND_COMPOSITE_TYPE)
			return NIL;
	}
	else if (object.classId != NamespaceRelationId && object.classId != ExtensionRelationId)
		return NIL;
	for (const Oid table : each<Oid>(attached_tables()))
	{
		if (is_named_by(table, object))
			tables = lappend_oid(tables, table);
	}
	return tables;
}

// The other table by its name as it was before its schema, and that of this one, was renamed.
Oid
other_in_schema(const Followed &followed, const Definition &definition, const Trigger *trigger)
{
	if (followed.rename == nullptr || followed.rename->renameType != OBJECT_SCHEMA)
		return InvalidOid;
	const bool is_price = followed.side == Side::price;
	const char *schema = nullptr;
	const char *name = nullptr;
	if (!split_name(is_price ? definition.listing : definition.price, &schema, &name) ||
	    strcmp(schema, followed.rename->subname) != 0)
		return InvalidOid;
	const Oid table = get_relname_relid(name, get_rel_namespace(followed.table));
	const char *function = is_price ? listing_changed : price_changed;
	return find_trigger(table, function, trigger, false) != nullptr ? table : InvalidOid;
}

void
rename_in_condition(const Followed &followed, Relation price, Definition *definition)
{
	const char **old_name = static_cast<const char **>(
		palloc0(sizeof(char *) * static_cast<Size>(RelationGetNumberOfAttributes(price))));

	const char *problem = nullptr;

	if (followed.column > 0)
		old_name[followed.column - 1] = followed.rename->subname;
	Node *condition = parse_condition(price, price->rd_rel->relowner, definition->condition,
	                                  old_name, &problem, followed.renamed);
	if (condition != nullptr)
		definition->condition = condition_text(price, condition);
}

// Puts the new name of a column into the definition where the record does not lead to it, being of
// other tables or of another type: the command itself says what was renamed.
void
apply_rename(const Followed &followed, Relation relation, Definition *definition)
{
	const bool is_listing = followed.side == Side::listing;
	const bool recorded =
		followed.table == (is_listing ? definition->listing_oid : definition->price_oid);

	Assert(followed.column == 0 || followed.rename != nullptr);
	for (int i = 0; i < column_count && followed.column > 0; ++i)
	{
		if (is_of_listing(i) == is_listing && definition->column[i] != nullptr &&
		    strcmp(definition->column[i], followed.rename->subname) == 0 &&
		    get_attnum(followed.table, definition->column[i]) == InvalidAttrNumber &&
		    (!recorded || definition->record[i].attnum == followed.column))
		{
			definition->column[i] = followed.rename->newname;
			if (i >= first_of_condition)
				rename_in_condition(followed, relation, definition);
		}
	}
}

// Whether the trigger's condition can name what was renamed: it has the schema, unless that is
// PostgreSQL's own.  Asked before the table is locked, since anybody can rename what is his.
bool
can_name(const Trigger *trigger, const NewName &renamed)
{
	Definition definition;

	if (read_definition(trigger, &definition) != nullptr || definition.condition == nullptr)
		return false;
	if (strcmp(renamed.old_schema, "pg_catalog") == 0)
		return true;
	const char *schema = strncmp(renamed.old_schema, "pg_temp_", strlen("pg_temp_")) == 0
	                         ? "pg_temp"
	                         : renamed.old_schema;
	return strstr(definition.condition, psprintf("%s.", schema)) != nullptr ||
	       strstr(definition.condition, psprintf("%s.", quote_identifier(schema))) != nullptr;
}

// Brings the arguments up to date; true: there is more to be had from doing so again.
bool
follow_once(const Followed &followed)
{
	const Trigger *trigger = trigger_by_oid(followed.trigger);

	if (trigger == nullptr || !ConditionalLockRelationOid(followed.table, AccessShareLock))
		return false;
	Relation relation = relation_open(followed.table, NoLock);
	Definition definition = parse_definition(relation, trigger);
	// That of an inheritance child changes with its parent's.
	if ((followed.side == Side::price && !is_attachment(relation, trigger)) ||
	    (followed.renamed != nullptr && definition.condition == nullptr))
	{
		relation_close(relation, AccessShareLock);
		return false;
	}
	const TriggerArguments before = definition_arguments(definition);
	// Names from before a restore have no record behind them.
	const bool recorded = record_is_of(definition, relation, followed.side);
	Oid other = other_half(relation, trigger, followed.side);
	if (!OidIsValid(other))
		other = other_in_schema(followed, definition, trigger);

	// Anybody can make a trigger that says the same as those of somebody else's tables.
	bool again = false;
	if (OidIsValid(other) && relation_owner(other) == relation_owner(followed.table))
	{
		const Oid listing = followed.side == Side::listing ? followed.table : other;
		const Oid price = followed.side == Side::price ? followed.table : other;
		const bool free = ConditionalLockRelationOid(other, AccessShareLock);
		Attachment attachment = {};
		Problem problem = {};
		attachment.context = CurrentMemoryContext;
		const bool resolves = free && followed.renamed == nullptr &&
		                      resolve(relation, trigger, followed.side, &attachment, &problem);
		if (resolves)
			definition = definition_of(attachment);
		else if (followed.renamed != nullptr)
			rename_in_condition(followed, relation, &definition);
		else
			apply_rename(followed, relation, &definition);
		if (followed.renamed == nullptr)
		{
			definition.listing = qualified_name(listing);
			definition.price = qualified_name(price);
		}
		// The record too, where a type has changed.
		const TriggerArguments now = definition_arguments(definition);
		const bool differs = now.length != before.length ||
		                     memcmp(now.text, before.text, static_cast<Size>(now.length)) != 0;
		const bool written =
			free && differs && rewrite_arguments(listing, price, trigger, definition);
		if (differs && !written)
			ereport(NOTICE,
			        (errmsg("arguments of triggers on tables \"%s\" and \"%s\" are not brought up "
			                "to date, because another session is changing one of the tables",
			                get_rel_name(listing), get_rel_name(price)),
			         errhint(followed.renamed == nullptr && recorded
			                     ? "They work nevertheless; SELECT %s writes them anew."
			                     : "The next write is an error. SELECT %s writes them anew.",
			                 attach_call(definition, followed.renamed == nullptr
			                                             ? listing_key
			                                             : first_of_condition))));
		again = written && !resolves && followed.renamed == nullptr;
	}
	relation_close(relation, NoLock);
	return again;
}

}  // namespace

void
follow_names(Oid table, const RenameStmt *rename, int column, const NewName *renamed)
{
	for (const Trigger *trigger : each<Trigger *>(triggers_of(table, nullptr)))
	{
		const bool on_listing = trigger->tgfoid == trigger_function(listing_changed);
		if (trigger->tgisclone || (on_listing && renamed != nullptr) ||
		    (!on_listing && trigger->tgfoid != trigger_function(price_changed)) ||
		    (renamed != nullptr && !can_name(trigger, *renamed)))
			continue;
		const Followed followed = {table,  trigger->tgoid, on_listing ? Side::listing : Side::price,
		                           rename, column,         renamed};
		without_failing([&followed] {
			if (follow_once(followed))
				follow_once(followed);
		});
	}
}

void
follow_renames(const CollectedCommand &command)
{
	const RenameStmt *rename = IsA(command.parsetree, RenameStmt)
	                               ? reinterpret_cast<const RenameStmt *>(command.parsetree)
	                               : nullptr;
	ObjectAddress object = {};

	if (!changes_names(command.parsetree))
		return;
	if (command.type == SCT_AlterTable)
		ObjectAddressSet(object, command.d.alterTable.classId, command.d.alterTable.objectId);
	else if (command.type == SCT_Simple)
		object = command.d.simple.address;
	for (const Oid table : each<Oid>(tables_of(object)))
		follow_names(table, rename, rename == nullptr ? 0 : object.objectSubId, nullptr);
}

}  // namespace listing_stats
