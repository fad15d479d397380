// The aggregates latest(v, at [, tie]) and earliest(v, at [, tie]): the value of the row with the
// greatest, or least, time, then tie, then value, so that the order of the input does not matter.
// NULL is the least tie and the least value; rows without a time are left out.
//
// The state is one row, changed in place.  Its type is private and has no text, so that nobody can
// make one up; but an aggregate can be put together from functions for different values, so each
// checks what the state it gets was made of.
#include "server/postgres.hpp"

#include <algorithm>
#include <cstdint>

namespace listing_stats {

namespace {

enum class Kind : std::uint8_t
{
	bigint,
	integer,
	double_precision,
	numeric
};

struct State
{
	std::uint32_t block_header;  // the varlena's, which covers the room for the value
	Kind kind;
	bool is_null;
	bool has_tie;
	std::uint8_t unused;
	int64 at;
	int64 tie;    // 0 where there is none
	int64 fixed;  // the value, but for a numeric, which follows

	char *bytes() { return reinterpret_cast<char *>(this + 1); }
	std::size_t room() const { return VARSIZE(this) - sizeof(State); }
};

constexpr std::size_t smallest_state = 64;

static_assert(sizeof(State) == 32);

struct Candidate
{
	Kind kind;
	bool is_null;
	bool has_tie;
	int64 at;
	int64 tie;
	Datum value;
};

Datum
value_of(State *state)
{
	if (state->kind == Kind::numeric)
		return PointerGetDatum(state->bytes());
	return Int64GetDatum(state->fixed);
}

int
compare_values(Kind kind, Datum a, Datum b)
{
	if (kind == Kind::numeric)
		return DatumGetInt32(DirectFunctionCall2(numeric_cmp, a, b));
	if (kind == Kind::double_precision)
		return float8_cmp_internal(DatumGetFloat8(a), DatumGetFloat8(b));
	return DatumGetInt64(a) < DatumGetInt64(b) ? -1 : DatumGetInt64(a) > DatumGetInt64(b);
}

// Below 0, 0 or above: the candidate's place relative to the state's.
int
compare_places(State *state, const Candidate &candidate)
{
	if (candidate.at != state->at)
		return candidate.at < state->at ? -1 : 1;
	if (candidate.has_tie != state->has_tie)
		return candidate.has_tie ? 1 : -1;
	if (candidate.tie != state->tie)
		return candidate.tie < state->tie ? -1 : 1;
	if (candidate.is_null || state->is_null)
		return static_cast<int>(state->is_null) - static_cast<int>(candidate.is_null);
	return compare_values(candidate.kind, candidate.value, value_of(state));
}

// Keeps the candidate; returns the state, which may have moved.
State *
keep(State *state, const Candidate &candidate)
{
	struct varlena *numeric = nullptr;
	std::size_t size = 0;
	if (candidate.kind == Kind::numeric && !candidate.is_null)
	{
		numeric = pg_detoast_datum_packed(
			reinterpret_cast<struct varlena *>(DatumGetPointer(candidate.value)));
		size = VARHDRSZ + VARSIZE_ANY_EXHDR(numeric);
	}
	if (state == nullptr || state->room() < size)
	{
		const std::size_t room = std::max(smallest_state, sizeof(State) + 2 * size);
		state = static_cast<State *>(palloc0(room));
		SET_VARSIZE(state, room);
	}
	state->kind = candidate.kind;
	state->is_null = candidate.is_null;
	state->has_tie = candidate.has_tie;
	state->at = candidate.at;
	state->tie = candidate.tie;
	state->fixed = 0;
	if (numeric != nullptr)
	{
		SET_VARSIZE(state->bytes(), size);
		memcpy(VARDATA(state->bytes()), VARDATA_ANY(numeric), size - VARHDRSZ);
	}
	else if (!candidate.is_null)
		state->fixed = DatumGetInt64(candidate.value);
	return state;
}

void
require_kind(const State *state, Kind kind)
{
	if (state->kind != kind)
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("latest() and earliest() cannot go on with the state of an aggregate "
		                "over values of another type")));
}

State *
state_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument)
	           ? nullptr
	           : reinterpret_cast<State *>(PG_DETOAST_DATUM(PG_GETARG_DATUM(argument)));
}

void
require_aggregate(FunctionCallInfo fcinfo)
{
	if (AggCheckCallContext(fcinfo, nullptr) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("function called outside of an aggregate")));
}

Datum
answer_state(FunctionCallInfo fcinfo, State *state)
{
	if (state == nullptr)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

// Arguments: state, value, time and, in one form, a tie.  "sign" is 1 for the latest, -1 for the
// earliest.
Datum
accumulate(FunctionCallInfo fcinfo, Kind kind, int sign)
{
	require_aggregate(fcinfo);
	State *state = state_argument(fcinfo, 0);
	if (state != nullptr)
		require_kind(state, kind);
	if (PG_ARGISNULL(2))
		return answer_state(fcinfo, state);
	const bool has_tie = PG_NARGS() > 3 && !PG_ARGISNULL(3);
	const Candidate candidate = {kind,
	                             PG_ARGISNULL(1),
	                             has_tie,
	                             PG_GETARG_TIMESTAMPTZ(2),
	                             has_tie ? PG_GETARG_INT64(3) : 0,
	                             PG_GETARG_DATUM(1)};
	if (state == nullptr || sign * compare_places(state, candidate) > 0)
		state = keep(state, candidate);
	PG_RETURN_POINTER(state);
}

Datum
accumulate_integer(FunctionCallInfo fcinfo, int sign)
{
	if (!PG_ARGISNULL(1))
		fcinfo->args[1].value = Int64GetDatum(PG_GETARG_INT32(1));
	return accumulate(fcinfo, Kind::integer, sign);
}

Datum
combine(FunctionCallInfo fcinfo, int sign)
{
	require_aggregate(fcinfo);
	State *state = state_argument(fcinfo, 0);
	State *other = state_argument(fcinfo, 1);
	if (state == nullptr || other == nullptr)
		return answer_state(fcinfo, state == nullptr ? other : state);
	require_kind(other, state->kind);
	const Candidate candidate = {other->kind, other->is_null, other->has_tie,
	                             other->at,   other->tie,     value_of(other)};
	if (sign * compare_places(state, candidate) > 0)
		state = keep(state, candidate);
	PG_RETURN_POINTER(state);
}

// The value, of the type that was collected.
Datum
finish(FunctionCallInfo fcinfo, Kind kind)
{
	require_aggregate(fcinfo);
	State *state = state_argument(fcinfo, 0);
	if (state != nullptr)
		require_kind(state, kind);
	if (state == nullptr || state->is_null)
		PG_RETURN_NULL();
	return kind == Kind::integer ? Int32GetDatum(static_cast<int32>(state->fixed))
	                             : value_of(state);
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_latest_numeric)
{
	return accumulate(fcinfo, Kind::numeric, 1);
}

LISTING_STATS_FUNCTION(listing_stats_latest_bigint)
{
	return accumulate(fcinfo, Kind::bigint, 1);
}

LISTING_STATS_FUNCTION(listing_stats_latest_integer)
{
	return accumulate_integer(fcinfo, 1);
}

LISTING_STATS_FUNCTION(listing_stats_latest_double)
{
	return accumulate(fcinfo, Kind::double_precision, 1);
}

LISTING_STATS_FUNCTION(listing_stats_latest_combine)
{
	return combine(fcinfo, 1);
}

LISTING_STATS_FUNCTION(listing_stats_earliest_numeric)
{
	return accumulate(fcinfo, Kind::numeric, -1);
}

LISTING_STATS_FUNCTION(listing_stats_earliest_bigint)
{
	return accumulate(fcinfo, Kind::bigint, -1);
}

LISTING_STATS_FUNCTION(listing_stats_earliest_integer)
{
	return accumulate_integer(fcinfo, -1);
}

LISTING_STATS_FUNCTION(listing_stats_earliest_double)
{
	return accumulate(fcinfo, Kind::double_precision, -1);
}

LISTING_STATS_FUNCTION(listing_stats_earliest_combine)
{
	return combine(fcinfo, -1);
}

LISTING_STATS_FUNCTION(listing_stats_latest_finish_numeric)
{
	return finish(fcinfo, Kind::numeric);
}

LISTING_STATS_FUNCTION(listing_stats_latest_finish_bigint)
{
	return finish(fcinfo, Kind::bigint);
}

LISTING_STATS_FUNCTION(listing_stats_latest_finish_integer)
{
	return finish(fcinfo, Kind::integer);
}

LISTING_STATS_FUNCTION(listing_stats_latest_finish_double)
{
	return finish(fcinfo, Kind::double_precision);
}

LISTING_STATS_FUNCTION(listing_stats_latest_state_in)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
	                errmsg("cannot accept a value of type %s", "listing_stats._latest_state")));
	PG_RETURN_VOID();
}

LISTING_STATS_FUNCTION(listing_stats_latest_state_out)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
	                errmsg("cannot display a value of type %s", "listing_stats._latest_state")));
	PG_RETURN_VOID();
}

}  // namespace listing_stats
