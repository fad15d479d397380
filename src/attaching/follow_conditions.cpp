// What carries new names of types, labels, functions, operators, collations and their schemas into
// conditions.
//
// A convenience, as in follow_renames.cpp, and under the same rules: nothing is waited for, and
// both tables must have one owner.  Where it does not act, the next write is an error that names
// the call.
#include "attaching/attachments_view.hpp"
#include "attaching/follow_changes.hpp"
#include "server/roles.hpp"
#include "tables/attachment.hpp"
#include "tables/condition.hpp"
#include "tables/trigger_catalog.hpp"

namespace listing_stats {

namespace {

// The name and the schema of what conditions name; false: they do not name such objects.
bool
read_name(const ObjectAddress &object, NewName *renamed)
{
	bool is_null = false;

	renamed->catalog = object.classId;
	renamed->object = object.objectId;
	switch (object.classId)
	{
	case NamespaceRelationId:
		renamed->schema = get_namespace_name(object.objectId);
		return renamed->schema != nullptr;
	case TypeRelationId:
	case ProcedureRelationId:
	case OperatorRelationId:
	case CollationRelationId:
		break;
	default:
		return false;
	}
	const auto cache = get_object_catcache_oid(object.classId);
	HeapTuple tuple = SearchSysCache1(cache, ObjectIdGetDatum(object.objectId));
	if (!HeapTupleIsValid(tuple))
		return false;
	const Datum name =
		SysCacheGetAttr(cache, tuple, get_object_attnum_name(object.classId), &is_null);
	const Datum schema =
		SysCacheGetAttr(cache, tuple, get_object_attnum_namespace(object.classId), &is_null);
	renamed->name = pstrdup(NameStr(*DatumGetName(name)));
	renamed->schema = get_namespace_name(DatumGetObjectId(schema));
	ReleaseSysCache(tuple);
	return renamed->schema != nullptr;
}

// The last part of a name as the statement has it.
const char *
last_name(Node *object)
{
	const List *names = IsA(object, ObjectWithArgs) ? castNode(ObjectWithArgs, object)->objname
	                    : IsA(object, TypeName)     ? castNode(TypeName, object)->names
	                    : IsA(object, List)         ? castNode(List, object)
	                                                : NIL;

	return names == NIL ? nullptr : strVal(llast(names));
}

// False: the command gives nothing of this kind a new name.
bool
read_command(const CollectedCommand &command, NewName *renamed)
{
	if (command.type != SCT_Simple || !read_name(command.d.simple.address, renamed))
		return false;
	renamed->old_schema = renamed->schema;
	renamed->old_name = renamed->name;
	switch (nodeTag(command.parsetree))
	{
	case T_RenameStmt:
	{
		const RenameStmt *statement = castNode(RenameStmt, command.parsetree);
		if (renamed->catalog == NamespaceRelationId)
			renamed->old_schema = statement->subname;
		else
			renamed->old_name =
				statement->object == nullptr ? nullptr : last_name(statement->object);
		return renamed->old_schema != nullptr &&
		       (renamed->catalog == NamespaceRelationId || renamed->old_name != nullptr);
	}
	case T_AlterObjectSchemaStmt:
		renamed->old_schema = get_namespace_name(command.d.simple.secondaryObject.objectId);
		return renamed->old_schema != nullptr;
	case T_AlterEnumStmt:
	{
		const AlterEnumStmt *statement = castNode(AlterEnumStmt, command.parsetree);
		renamed->old_label = statement->oldVal;
		renamed->label = statement->newVal;
		return renamed->old_label != nullptr;
	}
	default:
		return false;
	}
}

void
follow(Oid table, Oid oid, const NewName &renamed)
{
	const Trigger *trigger = trigger_by_oid(oid);

	if (trigger == nullptr || !ConditionalLockRelationOid(table, AccessShareLock))
		return;
	Relation price = relation_open(table, NoLock);
	Definition definition = {};
	if (is_attachment(price, trigger) && read_definition(trigger, &definition) == nullptr &&
	    definition.condition != nullptr)
	{
		const char *problem = nullptr;
		Node *condition = parse_condition(price, price->rd_rel->relowner, definition.condition,
		                                  nullptr, &problem, &renamed);
		const char *before = definition.condition;
		const Oid listing = other_half(price, trigger, Side::price);
		if (condition != nullptr)
			definition.condition = condition_text(price, condition);
		if (strcmp(before, definition.condition) != 0 && OidIsValid(listing) &&
		    relation_owner(listing) == relation_owner(table) &&
		    !(ConditionalLockRelationOid(listing, AccessShareLock) &&
		      rewrite_arguments(listing, table, trigger, definition)))
			ereport(NOTICE,
			        (errmsg("the condition of triggers on tables \"%s\" and \"%s\" is not brought "
			                "up to date, because another session is changing one of the tables",
			                get_rel_name(listing), get_rel_name(table)),
			         errhint("The next write is an error. SELECT %s writes it anew.",
			                 attach_call(definition))));
	}
	relation_close(price, NoLock);
}

}  // namespace

void
follow_conditions(const CollectedCommand &command)
{
	NewName renamed = {};

	if (!read_command(command, &renamed))
		return;
	for (const Oid table : each<Oid>(attached_tables()))
	{
		for (const Trigger *trigger : each<Trigger *>(triggers_of(table, nullptr)))
		{
			if (!trigger->tgisclone && trigger->tgfoid == trigger_function(price_changed))
				without_failing([=, &renamed] { follow(table, trigger->tgoid, renamed); });
		}
	}
}

}  // namespace listing_stats
