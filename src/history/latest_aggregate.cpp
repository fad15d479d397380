// The aggregates latest(v, at [, tie]) and earliest(v, at [, tie]): the value of the row with the
// greatest, or least, time, then tie, then value, so that the order of the input does not matter,
// except for how equal values look.
// NULL is the least tie and the least value; rows without a time are left out; NULL of no rows.
//
// The state is one row, changed in place.  Which of the two aggregates it is for, and of what type
// the values are, is said by the INITCOND of each, so that one transition and one combine do for
// all, and wherever another engine calls them.  An aggregate can be put together from functions for
// different values, so each checks what the state it gets was made of.
//
// As text a state is "latest numeric", and once it has a row "latest numeric <at> <tie> <value>":
// integers, times in microseconds as the server counts them, a double by its bits, and null.  In
// binary it is sent as this text.
#include "server/postgres.hpp"

#include <algorithm>
#include <cstdint>

namespace listing_stats {

namespace {

enum class ValueType : std::uint8_t
{
	numeric,
	bigint,
	integer,
	double_precision
};

struct NamedType
{
	const char *name;
	Oid oid;
};

const NamedType value_types[] = {
	{"numeric", NUMERICOID}, {"bigint", INT8OID}, {"integer", INT4OID}, {"double", FLOAT8OID}};

struct LatestState
{
	std::uint32_t block_header;  // the varlena's, which covers the room for a numeric
	ValueType type;
	bool is_earliest : 1;
	bool has_row : 1;
	bool has_tie : 1;
	bool has_value : 1;
	std::uint16_t unused;
	int64 at;
	int64 tie;    // 0 where there is none
	int64 fixed;  // the value, except for a numeric, which follows

	char *bytes() { return reinterpret_cast<char *>(this + 1); }
	std::size_t room() const { return VARSIZE(this) - sizeof(LatestState); }
};

constexpr std::size_t smallest_state = 64;

static_assert(sizeof(LatestState) == 32);

struct Candidate
{
	bool has_tie;
	bool has_value;
	int64 at;
	int64 tie;
	Datum value;
};

Datum
value_of(LatestState *state)
{
	if (state->type == ValueType::numeric)
		return PointerGetDatum(state->bytes());
	return Int64GetDatum(state->fixed);
}

int
compare_values(ValueType type, Datum a, Datum b)
{
	if (type == ValueType::numeric)
		return DatumGetInt32(DirectFunctionCall2(numeric_cmp, a, b));
	if (type == ValueType::double_precision)
		return float8_cmp_internal(DatumGetFloat8(a), DatumGetFloat8(b));
	return DatumGetInt64(a) < DatumGetInt64(b) ? -1 : DatumGetInt64(a) > DatumGetInt64(b);
}

// Below 0, 0 or above: the candidate's place relative to that of the state's row.
int
compare_places(LatestState *state, const Candidate &candidate)
{
	if (candidate.at != state->at)
		return candidate.at < state->at ? -1 : 1;
	if (candidate.has_tie != state->has_tie)
		return candidate.has_tie ? 1 : -1;
	if (candidate.tie != state->tie)
		return candidate.tie < state->tie ? -1 : 1;
	if (!candidate.has_value || !state->has_value)
		return static_cast<int>(candidate.has_value) - static_cast<int>(state->has_value);
	return compare_values(state->type, candidate.value, value_of(state));
}

LatestState *
new_state(std::size_t size)
{
	auto *state = static_cast<LatestState *>(palloc0(size));
	SET_VARSIZE(state, size);
	return state;
}

LatestState *
keep(LatestState *state, const Candidate &candidate)
{
	struct varlena *numeric = nullptr;
	std::size_t size = 0;
	if (state->type == ValueType::numeric && candidate.has_value)
	{
		numeric = pg_detoast_datum_packed(
			reinterpret_cast<struct varlena *>(DatumGetPointer(candidate.value)));
		size = VARHDRSZ + VARSIZE_ANY_EXHDR(numeric);
	}
	if (state->room() < size)
	{
		LatestState *larger = new_state(sizeof(LatestState) + 2 * size);
		larger->type = state->type;
		larger->is_earliest = state->is_earliest;
		state = larger;
	}
	state->has_row = true;
	state->has_tie = candidate.has_tie;
	state->has_value = candidate.has_value;
	state->at = candidate.at;
	state->tie = candidate.tie;
	state->fixed = 0;
	if (numeric != nullptr)
	{
		SET_VARSIZE(state->bytes(), size);
		memcpy(VARDATA(state->bytes()), VARDATA_ANY(numeric), size - VARHDRSZ);
	}
	else if (candidate.has_value)
		state->fixed = DatumGetInt64(candidate.value);
	return state;
}

// Returns the state, which may have moved.
LatestState *
add(LatestState *state, const Candidate &candidate)
{
	const int sign = state->is_earliest ? -1 : 1;
	if (state->has_row && sign * compare_places(state, candidate) <= 0)
		return state;
	return keep(state, candidate);
}

[[noreturn]] void
report_other_state()
{
	ereport(ERROR,
	        (errcode(ERRCODE_DATATYPE_MISMATCH),
	         errmsg("latest() and earliest() cannot go on with the state of another aggregate, or "
	                "of values of another type")));
	pg_unreachable();
}

LatestState *
state_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument)
	           ? nullptr
	           : reinterpret_cast<LatestState *>(PG_DETOAST_DATUM(PG_GETARG_DATUM(argument)));
}

// Raises an error unless the function takes, or returns, values of the state's type.  An engine
// that calls the transition itself may not say the type; that is let pass.
void
require_value_type(FmgrInfo *function, ValueType type, Oid (*type_of)(FmgrInfo *))
{
	const NamedType *wanted = &value_types[static_cast<int>(type)];
	if (likely(function->fn_extra == wanted))
		return;
	const Oid given = type_of(function);
	if (OidIsValid(given) && given != wanted->oid)
		report_other_state();
	function->fn_extra = const_cast<NamedType *>(wanted);
}

void
append_integer(StringInfo text, bool is_given, int64 value)
{
	if (is_given)
		appendStringInfo(text, " " INT64_FORMAT, value);
	else
		appendStringInfoString(text, " null");
}

// False: null.
bool
read_integer(const char *word, int64 *value)
{
	if (strcmp(word, "null") == 0)
		return false;
	*value = DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(word)));
	return true;
}

// The words of a text that has as many as a state; their number, otherwise 0.
int
split(char *text, const char *(&words)[5])
{
	int count = 0;
	for (char *word = strsep(&text, " "); word != nullptr; word = strsep(&text, " "))
	{
		if (count == 5)
			return 0;
		words[count++] = word;
	}
	return count == 2 || count == 5 ? count : 0;
}

// nullptr: it begins otherwise.
LatestState *
state_of_words(const char *aggregate, const char *type)
{
	const bool is_earliest = strcmp(aggregate, "earliest") == 0;
	if (!is_earliest && strcmp(aggregate, "latest") != 0)
		return nullptr;
	for (const NamedType &named : value_types)
		if (strcmp(type, named.name) == 0)
		{
			LatestState *state = new_state(smallest_state);
			state->type = static_cast<ValueType>(&named - value_types);
			state->is_earliest = is_earliest;
			return state;
		}
	return nullptr;
}

Candidate
candidate_of_words(ValueType type, const char *at, const char *tie, const char *value)
{
	Candidate candidate = {};
	(void) read_integer(at, &candidate.at);
	candidate.has_tie = read_integer(tie, &candidate.tie);
	if (type == ValueType::numeric)
	{
		candidate.has_value = strcmp(value, "null") != 0;
		if (candidate.has_value)
			candidate.value = DirectFunctionCall3(numeric_in, CStringGetDatum(value),
			                                      ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		return candidate;
	}
	int64 fixed = 0;
	candidate.has_value = read_integer(value, &fixed);
	candidate.value = Int64GetDatum(fixed);
	return candidate;
}

Datum
read_state(const char *text)
{
	const char *words[5] = {};
	const int count = split(pstrdup(text), words);
	LatestState *state = count == 0 ? nullptr : state_of_words(words[0], words[1]);
	if (state == nullptr)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
		                errmsg("invalid input syntax for type %s: \"%s\"", "_latest_state", text)));
	if (count == 5)
		state = add(state, candidate_of_words(state->type, words[2], words[3], words[4]));
	return PointerGetDatum(state);
}

char *
state_text(LatestState *state)
{
	StringInfoData text;
	initStringInfo(&text);
	appendStringInfo(&text, "%s %s", state->is_earliest ? "earliest" : "latest",
	                 value_types[static_cast<int>(state->type)].name);
	if (!state->has_row)
		return text.data;
	append_integer(&text, true, state->at);
	append_integer(&text, state->has_tie, state->tie);
	if (state->type == ValueType::numeric && state->has_value)
		appendStringInfo(&text, " %s",
		                 DatumGetCString(DirectFunctionCall1(numeric_out, value_of(state))));
	else
		append_integer(&text, state->has_value, state->fixed);
	return text.data;
}

}  // namespace

// Arguments: state, value, time and, in one form, a tie.
LISTING_STATS_FUNCTION(listing_stats_latest_accumulate)
{
	(void) aggregate_context(fcinfo);
	LatestState *state = state_argument(fcinfo, 0);
	if (state == nullptr)
		report_other_state();
	require_value_type(fcinfo->flinfo, state->type,
	                   [](FmgrInfo *function) { return get_fn_expr_argtype(function, 1); });
	if (PG_ARGISNULL(2))
		PG_RETURN_POINTER(state);
	Candidate candidate = {};
	candidate.at = PG_GETARG_TIMESTAMPTZ(2);
	candidate.has_tie = PG_NARGS() > 3 && !PG_ARGISNULL(3);
	if (candidate.has_tie)
		candidate.tie = PG_GETARG_INT64(3);
	candidate.has_value = !PG_ARGISNULL(1);
	if (candidate.has_value)
		candidate.value = state->type == ValueType::integer ? Int64GetDatum(PG_GETARG_INT32(1))
		                                                    : PG_GETARG_DATUM(1);
	PG_RETURN_POINTER(add(state, candidate));
}

LISTING_STATS_FUNCTION(listing_stats_latest_combine)
{
	(void) aggregate_context(fcinfo);
	LatestState *state = state_argument(fcinfo, 0);
	LatestState *other = state_argument(fcinfo, 1);
	if (state == nullptr)
		std::swap(state, other);
	if (state == nullptr)
		PG_RETURN_NULL();
	if (other == nullptr)
		PG_RETURN_POINTER(state);
	if (other->type != state->type || other->is_earliest != state->is_earliest)
		report_other_state();
	if (other->has_row)
		state = add(state, Candidate{other->has_tie, other->has_value, other->at, other->tie,
		                             value_of(other)});
	PG_RETURN_POINTER(state);
}

// The value, of the type that was collected.
LISTING_STATS_FUNCTION(listing_stats_latest_finish)
{
	(void) aggregate_context(fcinfo);
	LatestState *state = state_argument(fcinfo, 0);
	if (state == nullptr)
		PG_RETURN_NULL();
	require_value_type(fcinfo->flinfo, state->type,
	                   [](FmgrInfo *function) { return get_func_rettype(function->fn_oid); });
	if (!state->has_value)
		PG_RETURN_NULL();
	return state->type == ValueType::integer ? Int32GetDatum(static_cast<int32>(state->fixed))
	                                         : value_of(state);
}

LISTING_STATS_FUNCTION(listing_stats_latest_state_in)
{
	PG_RETURN_DATUM(read_state(PG_GETARG_CSTRING(0)));
}

LISTING_STATS_FUNCTION(listing_stats_latest_state_out)
{
	PG_RETURN_CSTRING(state_text(state_argument(fcinfo, 0)));
}

LISTING_STATS_FUNCTION(listing_stats_latest_state_recv)
{
	auto *message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
	int size = 0;
	PG_RETURN_DATUM(read_state(pq_getmsgtext(message, message->len - message->cursor, &size)));
}

LISTING_STATS_FUNCTION(listing_stats_latest_state_send)
{
	PG_RETURN_BYTEA_P(cstring_to_text(state_text(state_argument(fcinfo, 0))));
}

}  // namespace listing_stats
