// Conditions on prices, see condition.hpp.
#include "tables/condition.hpp"

#include "server/column.hpp"
#include "server/roles.hpp"
#include "server/subtransaction.hpp"

namespace listing_stats {

namespace {

constexpr const char *recipe_of_conditions =
	"see \"Only rows that count\" in docs/fitting-your-tables.md";

// The expression alone, of what could be a whole query; nullptr: it is more than an expression.
Node *
only_expression(List *raw)
{
	const SelectStmt *query =
		list_length(raw) == 1 ? reinterpret_cast<SelectStmt *>(linitial_node(RawStmt, raw)->stmt)
							  : nullptr;

	if (query == nullptr || !IsA(query, SelectStmt) || list_length(query->targetList) != 1)
		return nullptr;
	SelectStmt *bare = makeNode(SelectStmt);
	bare->targetList = query->targetList;
	if (!equal(query, bare))
		return nullptr;
	const ResTarget *target = linitial_node(ResTarget, query->targetList);
	// "*" alone is an expression only to the parser of a list of targets.
	if (IsA(target->val, ColumnRef) &&
	    IsA(linitial(reinterpret_cast<ColumnRef *>(target->val)->fields), A_Star))
		return nullptr;
	return target->name == nullptr && target->indirection == NIL ? target->val : nullptr;
}

// Functions and operators share their names with others, of other arguments.  Those renamed in a
// condition have to be the one that has the new name: else somebody's overload would carry the
// condition over to another function of his.
struct Renaming
{
	const NewName *to;
	int renamed;  // names, and labels
	int found;
};

void
rename(List *names, Oid catalog, Renaming *renaming)
{
	const NewName &renamed = *renaming->to;

	if (list_length(names) != 2 || renamed.old_label != nullptr ||
	    strcmp(strVal(linitial(names)), renamed.old_schema) != 0)
		return;
	if (renamed.catalog == NamespaceRelationId)
	{
		linitial(names) = makeString(pstrdup(renamed.schema));
		++renaming->renamed;
	}
	else if (renamed.catalog == catalog && strcmp(strVal(lsecond(names)), renamed.old_name) == 0)
	{
		linitial(names) = makeString(pstrdup(renamed.schema));
		lsecond(names) = makeString(pstrdup(renamed.name));
		++renaming->renamed;
	}
}

// The function or the operator that a node names, and what it is given.
struct Named
{
	Oid catalog;
	Oid object;
	const List *arguments;
};

Named
named_by(Node *node)
{
	switch (nodeTag(node))
	{
	case T_FuncExpr:
	{
		const FuncExpr *call = castNode(FuncExpr, node);
		return {ProcedureRelationId, call->funcid, call->args};
	}
	case T_OpExpr:
	case T_DistinctExpr:
	case T_NullIfExpr:
	{
		const OpExpr *operation = reinterpret_cast<OpExpr *>(node);
		return {OperatorRelationId, operation->opno, operation->args};
	}
	case T_ScalarArrayOpExpr:
	{
		const ScalarArrayOpExpr *operation = castNode(ScalarArrayOpExpr, node);
		return {OperatorRelationId, operation->opno, operation->args};
	}
	default:
		return {InvalidOid, InvalidOid, NIL};
	}
}

bool
count_renamed(Node *node, void *context)
{
	Renaming *renaming = static_cast<Renaming *>(context);

	if (node == nullptr)
		return false;
	const Named named = named_by(node);
	if (named.catalog == renaming->to->catalog && named.object == renaming->to->object)
		++renaming->found;
	return walk_expression(node, count_renamed, context);
}

bool
has_overloads(Oid catalog)
{
	return catalog == ProcedureRelationId || catalog == OperatorRelationId;
}

// 'label'::schema.type, as a label is printed.
void
rename_label(TypeCast *cast, Renaming *renaming)
{
	const NewName &renamed = *renaming->to;
	const List *names = cast->typeName->names;

	if (renamed.old_label == nullptr || !IsA(cast->arg, A_Const) || list_length(names) != 2 ||
	    cast->typeName->arrayBounds != NIL)
		return;
	A_Const *constant = castNode(A_Const, cast->arg);
	if (!constant->isnull && IsA(&constant->val, String) &&
	    strcmp(constant->val.sval.sval, renamed.old_label) == 0 &&
	    strcmp(strVal(linitial(names)), renamed.schema) == 0 &&
	    strcmp(strVal(lsecond(names)), renamed.name) == 0)
	{
		constant->val.sval.sval = pstrdup(renamed.label);
		++renaming->renamed;
	}
}

// In what the parser has made of a printed condition, in which all is qualified that is not in
// pg_catalog.
bool
rename_in(Node *node, void *context)
{
	Renaming *renamed = static_cast<Renaming *>(context);

	if (node == nullptr)
		return false;
	switch (nodeTag(node))
	{
	case T_TypeName:
		rename(castNode(TypeName, node)->names, TypeRelationId, renamed);
		break;
	case T_FuncCall:
		rename(castNode(FuncCall, node)->funcname, ProcedureRelationId, renamed);
		break;
	case T_A_Expr:
		rename(castNode(A_Expr, node)->name, OperatorRelationId, renamed);
		break;
	case T_CollateClause:
		rename(castNode(CollateClause, node)->collname, CollationRelationId, renamed);
		break;
	case T_TypeCast:
		rename_label(castNode(TypeCast, node), renamed);
		break;
	default:
		break;
	}
	return walk_raw_expression(node, rename_in, context);
}

// A constant is read by the input function of its type: those of a domain in an array, a composite
// type or a range can be anybody's in the end.  Of a domain itself it is that of what it is over.
bool
is_read_by_the_server(Oid type)
{
	const Oid base = getBaseType(type);
	const Oid element = get_element_type(base);
	const Oid read = OidIsValid(element) ? element : base;

	return read < FirstNormalObjectId || get_typtype(read) == TYPTYPE_BASE ||
	       get_typtype(read) == TYPTYPE_ENUM;
}

// What a condition names is looked up whenever its text is read.  Nobody may be able to put
// something of his own in its place, which would run as the owner of the tables: neither an
// overload that the parser would prefer, nor what has the name after DROP.  So a call gives exactly
// the types that are declared, and all that is named belongs to those who may act as the owner
// anyway.
struct Scrutiny
{
	const char *text;
	Oid owner;
};

void
check_owner(const Scrutiny &scrutiny, Oid catalog, Oid object)
{
	const auto cache = get_object_catcache_oid(catalog);
	HeapTuple tuple =
		object < FirstNormalObjectId ? nullptr : SearchSysCache1(cache, ObjectIdGetDatum(object));
	const ObjectAddress address = {catalog, object, 0};
	bool is_null = false;

	if (!HeapTupleIsValid(tuple))
		return;
	const Oid owner =
		DatumGetObjectId(SysCacheGetAttr(cache, tuple, get_object_attnum_owner(catalog), &is_null));
	ReleaseSysCache(tuple);
	if (!has_privs_of_role(owner, scrutiny.owner))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
		         errmsg("condition \"%s\" uses %s, which belongs to role \"%s\"", scrutiny.text,
		                getObjectDescription(&address, false), GetUserNameFromId(owner, true)),
		         errhint("It would run as the owner of the tables, role \"%s\", to whom it "
		                 "must belong.",
		                 GetUserNameFromId(scrutiny.owner, true))));
}

// A type that the condition names, and what it is made of.
void
check_type(const Scrutiny &scrutiny, Oid type)
{
	const Oid element = get_element_type(type);

	check_owner(scrutiny, TypeRelationId, type);
	if (OidIsValid(element))
		check_type(scrutiny, element);
	else if (get_typtype(type) == TYPTYPE_DOMAIN)
	{
		HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
		if (!HeapTupleIsValid(tuple))
			return;
		const Oid base = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typbasetype;
		ReleaseSysCache(tuple);
		check_type(scrutiny, base);
	}
}

// The type that a node converts to; InvalidOid: it is no conversion.
Oid
converted_to(Node *node)
{
	switch (nodeTag(node))
	{
	case T_CoerceToDomain:
	case T_CoerceViaIO:
	case T_ArrayCoerceExpr:
	case T_RelabelType:
#if PG_VERSION_NUM >= 170000
	case T_JsonExpr:
#endif
		return exprType(node);
	default:
		return InvalidOid;
	}
}

// Whether the types of the arguments are those that are declared, and none is left out.
bool
is_called_exactly(const Named &named, bool with_array)
{
	Oid operands[2] = {};
	Oid *declared = operands;
	int count = 2;
	int argument = 0;

	if (named.catalog == ProcedureRelationId)
		get_func_signature(named.object, &declared, &count);
	else
		op_input_types(named.object, operands, operands + 1);
	if (count == 2 && !OidIsValid(declared[0]))
	{
		++declared;
		--count;
	}
	if (list_length(named.arguments) != count)
		return false;
	for (Node *given : each<Node *>(named.arguments))
	{
		const bool is_array = with_array && argument == 1;
		const Oid type = is_array ? get_base_element_type(exprType(given)) : exprType(given);
		if (IsA(given, NamedArgExpr) || type != declared[argument++])
			return false;
	}
	return true;
}

// PostgreSQL calls these immutable nevertheless.
bool
depends_on_settings(Oid function, void *)
{
	return function == F_FLOAT4OUT || function == F_FLOAT8OUT || function == F_BYTEAOUT ||
	       function == F_QUOTE_IDENT;
}

bool
check_names(Node *node, void *context)
{
	const Scrutiny &scrutiny = *static_cast<Scrutiny *>(context);

	if (node == nullptr)
		return false;
	const Named named = named_by(node);
	const ObjectAddress address = {named.catalog, named.object, 0};
	const bool is_cast =
		IsA(node, FuncExpr) && castNode(FuncExpr, node)->funcformat != COERCE_EXPLICIT_CALL;
	if (IsA(node, FieldSelect))
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("condition \"%s\" names a field of a composite value", scrutiny.text),
		         errhint("Name ordinary columns of the table.")));
	if (check_functions_in_node(node, depends_on_settings, nullptr))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
		     errmsg("condition \"%s\" makes a text whose form depends on settings", scrutiny.text),
		     errhint("Compare the value itself: a floating-point number, or one as numeric; "
		             "bytes, or what encode() makes of them.")));
	const Oid type = converted_to(node);
	if (OidIsValid(type) && !is_read_by_the_server(type))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("condition \"%s\" converts to type %s", scrutiny.text,
		                       format_type_be(type)),
		                errhint("To read a value of it can run functions of somebody's. Convert to "
		                        "PostgreSQL's own types or enums.")));
	if (OidIsValid(type))
		check_type(scrutiny, type);
	if (OidIsValid(named.catalog))
		check_owner(scrutiny, named.catalog, named.object);
	if (named.catalog == OperatorRelationId)
		check_owner(scrutiny, ProcedureRelationId, get_opcode(named.object));
	if (named.object >= FirstNormalObjectId && !is_cast &&
	    !is_called_exactly(named, IsA(node, ScalarArrayOpExpr)))
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("condition \"%s\" uses %s with other arguments than it declares",
		                scrutiny.text, getObjectDescription(&address, false)),
		         errhint("Another of that name, which declares them, would come before it. Use "
		                 "one that declares the types of all its arguments, none of them "
		                 "polymorphic.")));
	return walk_expression(node, check_names, context);
}

// The parser's positions are those in the text, not in the query that attach() is called in.
void
point_into_text(void *text)
{
	const int position = geterrposition();

	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(static_cast<const char *>(text));
}

bool
is_string(Node *node)
{
	return node != nullptr && IsA(node, A_Const) && !castNode(A_Const, node)->isnull &&
	       IsA(&castNode(A_Const, node)->val, String);
}

// Finds a constant that is not read by the server's own functions, in what the parser has made of a
// printed condition: there each string says its type, except what belongs to a word of SQL, as in
// EXTRACT(year FROM ...).
bool
find_foreign_constant(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	if (is_string(node))
		return true;
	if (IsA(node, TypeCast) && is_string(castNode(TypeCast, node)->arg))
		return !is_read_by_the_server(typenameTypeId(nullptr, castNode(TypeCast, node)->typeName));
	if (IsA(node, FuncCall) && castNode(FuncCall, node)->funcformat == COERCE_SQL_SYNTAX)
	{
		for (Node *argument : each<Node *>(castNode(FuncCall, node)->args))
		{
			if (!is_string(argument) && find_foreign_constant(argument, context))
				return true;
		}
		return false;
	}
#if PG_VERSION_NUM >= 170000
	if (IsA(node, JsonFuncExpr) && is_string(castNode(JsonFuncExpr, node)->pathspec))
	{
		JsonFuncExpr call = *castNode(JsonFuncExpr, node);
		call.pathspec = nullptr;
		return walk_raw_expression(reinterpret_cast<Node *>(&call), find_foreign_constant, context);
	}
#endif
	return walk_raw_expression(node, find_foreign_constant, context);
}

void
check_constants(const char *text, Node *raw)
{
	if (find_foreign_constant(raw, nullptr))
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("condition \"%s\" has a constant of a composite type, a range, or an array "
		                "of a domain",
		                text),
		         errhint("To read one can run functions of somebody's. Compare with constants of "
		                 "PostgreSQL's own types or enums.")));
}

// As the owner of the attached tables: who uses the table need not be allowed to use the schemas of
// the types and functions that are named.
Node *
transform(Relation price, Oid owner, const char *text, bool printed, const char *const *old_name,
          const NewName *renamed)
{
	const Actor before = act_as(owner, SECURITY_RESTRICTED_OPERATION);
	ErrorContextCallback callback = {error_context_stack, point_into_text,
	                                 const_cast<char *>(text)};
	error_context_stack = &callback;
	Node *raw = only_expression(raw_parser(text, RAW_PARSE_PLPGSQL_EXPR));
	List *names = NIL;
	Renaming renaming = {renamed, 0, 0};

	if (raw == nullptr)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
		                errmsg("condition \"%s\" is not one expression", text),
		                errhint("Give a boolean expression of columns of table \"%s\".",
		                        RelationGetRelationName(price))));
	if (renamed != nullptr)
		rename_in(raw, &renaming);
	if (renamed != nullptr && renaming.renamed == 0)
	{
		error_context_stack = callback.previous;
		resume_as(before);
		return nullptr;
	}
	if (printed)
		check_constants(text, raw);
	for (int i = 0; i < RelationGetNumberOfAttributes(price); ++i)
	{
		const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(price), i);
		const char *old = old_name == nullptr ? nullptr : old_name[i];
		if (!attribute->attisdropped)
			names = lappend(
				names, makeString(pstrdup(old != nullptr ? old : NameStr(attribute->attname))));
	}
	ParseState *state = make_parsestate(nullptr);
	state->p_sourcetext = text;
	ParseNamespaceItem *item = addRangeTableEntryForRelation(
		state, price, AccessShareLock, makeAlias(RelationGetRelationName(price), names), false,
		true);
	addNSItemToQuery(state, item, false, true, true);
	Node *condition = transformExpr(state, raw, EXPR_KIND_INDEX_PREDICATE);
	condition = coerce_to_boolean(state, condition, "condition");
	assign_expr_collations(state, condition);
	free_parsestate(state);
	error_context_stack = callback.previous;
	resume_as(before);
	if (renamed != nullptr && has_overloads(renamed->catalog))
	{
		count_renamed(condition, &renaming);
		if (renaming.found != renaming.renamed)
			return nullptr;
	}
	Scrutiny scrutiny = {text, owner};
	check_names(condition, &scrutiny);
	if (contain_mutable_functions(condition))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
		     errmsg("condition \"%s\" has a function that is not immutable", text),
		     errhint("Whether a price counts may depend on its own columns alone; what depends "
		             "on the time of reading is latest_prices(as_of => ...): see \"Prices of the "
		             "future\" in docs/fitting-your-tables.md.")));
	for (const int column : each<int>(condition_columns(condition)))
	{
		if (column <= 0)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			                errmsg("condition \"%s\" names a whole row or a system column", text),
			                errhint("Name ordinary columns of table \"%s\".",
			                        RelationGetRelationName(price))));
	}
	return condition;
}

// Whether an error says something of the text or of what it names.  Such errors have many codes;
// all others come from an administrator, another transaction or the state of the server.
bool
is_of_text(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
	case ERRCODE_OPERATOR_INTERVENTION:
	case ERRCODE_TRANSACTION_ROLLBACK:
	case ERRCODE_INSUFFICIENT_RESOURCES:
	case ERRCODE_SYSTEM_ERROR:
	case ERRCODE_INTERNAL_ERROR:
		return false;
	default:
		return sqlstate != ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

// What the parser has found in the condition that cannot be there, in our words: its own speak of
// the predicate of an index.  The function that raised the error says what it is, in every
// language. nullptr: something else.
const char *
what_cannot_be(const ErrorData *error)
{
	constexpr const char *found[][2] = {
		{"transformSubLink", "a subquery"},
		{"check_agglevels_and_constraints", "an aggregate function"},
		{"transformWindowFuncCall", "a window function"},
		{"check_srf_call_placement", "a function that returns a set"},
	};

	for (const auto &[function, what] : found)
	{
		if (error->funcname != nullptr && strcmp(error->funcname, function) == 0)
			return what;
	}
	return nullptr;
}

}  // namespace

int
begin_safe_path()
{
	const int level = NewGUCNestLevel();

	set_meanwhile("search_path", "pg_catalog, pg_temp");
	return level;
}

int
begin_safe_settings()
{
	constexpr const char *settings[][2] = {
		{"DateStyle", "ISO, MDY"},
		{"IntervalStyle", "postgres"},
		{"TimeZone", "UTC"},
		{"extra_float_digits", "1"},
		{"lc_monetary", "C"},
		{"bytea_output", "hex"},
		{"array_nulls", "on"},
		{"standard_conforming_strings", "on"},
		{"transform_null_equals", "off"},
		{"quote_all_identifiers", "off"},
	};
	const int level = begin_safe_path();

	for (const auto &[name, value] : settings)
	{
		if (strcmp(GetConfigOption(name, false, false), value) != 0)
			set_meanwhile(name, value);
	}
	return level;
}

void
end_safe_settings(int level)
{
	AtEOXact_GUC(true, level);
}

namespace {

// What the printed text of an expression is read as.  That can be another one, as of varchar IN
// (...), and is printed differently once more: the last is returned.  nullptr: it cannot be read.
Node *
as_printed(Relation price, Node *condition, const char **problem)
{
	const char *text = condition_text(price, condition);

	for (int tries = 0; tries < 3; ++tries)
	{
		Node *read = parse_condition(price, price->rd_rel->relowner, text, nullptr, problem);
		const char *printed = read == nullptr ? text : condition_text(price, read);
		if (strcmp(printed, text) == 0)
			return read;
		text = printed;
		condition = read;
	}
	return condition;
}

// The same for what an index says; equal() does the rest.
bool
is_printed_as(Relation index, List *predicate, const Node *condition)
{
	const char *problem = nullptr;

	// There is no subtransaction in a parallel plan.
	if (IsInParallelMode())
		return false;
	Relation price = relation_open(index->rd_index->indrelid, NoLock);
	Node *read =
		as_printed(price, reinterpret_cast<Node *>(make_ands_explicit(predicate)), &problem);
	relation_close(price, NoLock);
	return read != nullptr && equal(read, condition);
}

}  // namespace

Node *
parse_new_condition(Relation price, const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	Node *volatile read = nullptr;

	PG_TRY();
	{
		read = transform(price, price->rd_rel->relowner, text, false, nullptr, nullptr);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		ErrorData *error = CopyErrorData();
		if (what_cannot_be(error) == nullptr)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR, (errcode(error->sqlerrcode),
		                errmsg("condition \"%s\" has %s", text, what_cannot_be(error)),
		                errhint("Whether a price counts may depend on its own columns alone; %s.",
		                        recipe_of_conditions)));
	}
	PG_END_TRY();
	Node *condition = read;

	// As it will be read from now on.
	const int level = begin_safe_settings();
	check_constants(text, only_expression(raw_parser(condition_text(price, condition),
	                                                 RAW_PARSE_PLPGSQL_EXPR)));
	end_safe_settings(level);
	if (condition_columns(condition) == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("condition \"%s\" names no column of table \"%s\"", text,
		                       RelationGetRelationName(price)),
		                errhint("Leave the condition out, or name the columns that decide.")));
	const char *problem = nullptr;
	condition = as_printed(price, condition, &problem);
	if (condition == nullptr)
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("condition \"%s\" cannot be read as it is printed: %s", text, problem),
		         errhint("Write it another way, or let a generated column say it.")));
	return condition;
}

// There is no subtransaction in a parallel plan: there the error comes as it is.
Node *
parse_condition(Relation price, Oid owner, const char *text, const char *const *old_name,
                const char **problem, const NewName *renamed)
{
	Node *condition = nullptr;
	const auto parse = [&] {
		const int level = begin_safe_settings();
		condition = transform(price, owner, text, true, old_name, renamed);
		end_safe_settings(level);
	};

	if (IsInParallelMode())
	{
		parse();
		return condition;
	}
	ErrorData *error = error_of(parse);
	if (error == nullptr)
		return condition;
	if (!is_of_text(error->sqlerrcode))
		ReThrowError(error);
	*problem = error->message;
	return nullptr;
}

char *
condition_text(Relation price, Node *condition)
{
	const int level = begin_safe_settings();
	char *text = deparse_expression(
		condition, deparse_context_for(RelationGetRelationName(price), RelationGetRelid(price)),
		false, false);

	end_safe_settings(level);
	return text;
}

List *
condition_columns(Node *condition)
{
	Bitmapset *columns = nullptr;
	List *found = NIL;

	pull_varattnos(condition, 1, &columns);
	for (int i = bms_next_member(columns, -1); i >= 0; i = bms_next_member(columns, i))
		found = lappend_int(found, i + FirstLowInvalidHeapAttributeNumber);
	return found;
}

bool
has_rows_of(Relation index, const Node *condition)
{
	List *predicate = make_ands_implicit(reinterpret_cast<Expr *>(
		stored_expression(RelationGetRelid(index), Anum_pg_index_indpred)));

	if (predicate == NIL || condition == nullptr)
		return predicate == NIL && condition == nullptr;
	return equal(predicate,
	             make_ands_implicit(reinterpret_cast<Expr *>(const_cast<Node *>(condition)))) ||
	       is_printed_as(index, predicate, condition);
}

}  // namespace listing_stats
