// A price_distribution as text: {19.99, 20.00*3, Infinity, NaN*2, null*4}.  Values ascend, each
// once, with how often it occurs, finite ones with the decimals of the one that has most; NULLs
// come last.  Where the multiset is wide only the lowest finite value has these decimals, and the
// others what they need: they may be sixteen thousand.  So equal distributions of one scale have
// one text, and reading it gives the same value again.  On the way in, order and repetition are
// free.  In binary it is sent as it is stored.
#include "server/postgres.hpp"
#include "server/text_reader.hpp"
#include "statistics/distribution_state.hpp"
#include "statistics/statistics.hpp"

namespace listing_stats {

namespace {

void
append_item(StringInfo text, const char *value, int64 times)
{
	if (times == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	if (text->len > 1)
		appendStringInfoString(text, ", ");
	appendStringInfoString(text, value);
	if (times > 1)
		appendStringInfo(text, "*" INT64_FORMAT, times);
}

constexpr const char *value_wanted = "a number, NaN, Infinity, -Infinity or null";

// A number, or a name.
const char *
read_word(TextReader &reader)
{
	const char *start = reader.position();
	const auto accept_sign = [&] { (void) (reader.accept_only('-') || reader.accept_only('+')); };
	accept_sign();
	if (isalpha(static_cast<unsigned char>(reader.next())) != 0)
		while (isalpha(static_cast<unsigned char>(reader.next())) != 0)
			reader.go_to(reader.position() + 1);
	else
	{
		reader.skip_digits(value_wanted);
		if (reader.accept_only('.'))
			reader.skip_digits(value_wanted);
		if (reader.accept_only('e') || reader.accept_only('E'))
		{
			accept_sign();
			reader.skip_digits(value_wanted);
		}
	}
	return pnstrdup(start, static_cast<Size>(reader.position() - start));
}

int64
read_times(TextReader &reader)
{
	if (!reader.accept('*'))
		return 1;
	int64 times = 0;
	const char *start = reader.position();
	for (; isdigit(static_cast<unsigned char>(reader.next())) != 0;
	     reader.go_to(reader.position() + 1))
		if (__builtin_mul_overflow(times, 10, &times) ||
		    __builtin_add_overflow(times, reader.next() - '0', &times))
			reader.fail("a smaller count");
	if (times > max_count)
		reader.fail("a smaller count");
	if (reader.position() == start || times == 0)
		reader.fail("a positive count");
	return times;
}

void
read_item(TextReader &reader, DistributionState &state)
{
	const char *start = reader.position();
	const char *word = read_word(reader);
	const char after_word = reader.position()[-1];
	const int64 times = read_times(reader);
	if (pg_strcasecmp(word, "null") == 0)
		state.add_nulls(times);
	else if (pg_strcasecmp(word, "NaN") == 0)
		state.add(NumberKind::not_a_number, times);
	else if (pg_strcasecmp(word, "Infinity") == 0)
		state.add(NumberKind::positive_infinity, times);
	else if (pg_strcasecmp(word, "-Infinity") == 0)
		state.add(NumberKind::negative_infinity, times);
	else if (isdigit(static_cast<unsigned char>(after_word)) != 0)
	{
		Numeric number = read_numeric(word);
		state.add(parse_numeric(numeric_bytes(NumericGetDatum(number))), times);
		pfree(number);
	}
	else
	{
		reader.go_to(start);
		reader.fail(value_wanted);
	}
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_distribution_in)
{
	TextReader reader("price_distribution", PG_GETARG_CSTRING(0));
	DistributionState state(NullableDatum{0, true}, CurrentMemoryContext);
	reader.read_items([&] { read_item(reader, state); });
	return store(rank(state.block()));
}

LISTING_STATS_FUNCTION(listing_stats_distribution_out)
{
	const Ranking ranking = rank(PG_GETARG_DATUM(0));
	StringInfoData text;
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	append_item(&text, "-Infinity", ranking.counts.negative_infinities);
	for (std::size_t i = 0; i < ranking.run_count; ++i)
	{
		Numeric number = value_of(ranking, i);
		Numeric shown = ranking.wide && i > 0 ? trim_scale(number) : number;
		char *value = text_of(shown);
		append_item(&text, value, ranking.count_of(i));
		pfree(value);
		if (shown != number)
			pfree(shown);
		pfree(number);
	}
	append_item(&text, "Infinity", ranking.counts.positive_infinities);
	append_item(&text, "NaN", ranking.counts.not_a_numbers);
	append_item(&text, "null", ranking.counts.nulls);
	appendStringInfoChar(&text, '}');
	PG_RETURN_CSTRING(text.data);
}

LISTING_STATS_FUNCTION(listing_stats_distribution_recv)
{
	auto *message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
	const int size = message->len - message->cursor;
	const char *bytes = pq_getmsgbytes(message, size);
	Ranking ranking = {};
	if (!read_stored(bytes, static_cast<std::size_t>(size), server, ranking))
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
		                errmsg("invalid binary representation of type %s", "price_distribution")));
	return store(ranking);
}

LISTING_STATS_FUNCTION(listing_stats_distribution_send)
{
	PG_RETURN_BYTEA_P(DatumGetByteaPP(store(rank(PG_GETARG_DATUM(0)))));
}

}  // namespace listing_stats
