// What tells which new names of types, labels, functions, operators, collations and their schemas
// are to be carried into conditions, which follow_renames.cpp does.
#include "attaching/attachments_view.hpp"
#include "attaching/follow_changes.hpp"
#include "tables/condition.hpp"

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

}  // namespace

void
follow_conditions(const CollectedCommand &command)
{
	NewName renamed = {};

	if (!read_command(command, &renamed))
		return;
	for (const Oid table : each<Oid>(attached_tables()))
		follow_names(table, nullptr, 0, &renamed);
}

}  // namespace listing_stats
