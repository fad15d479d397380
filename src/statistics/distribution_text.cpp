// A price_distribution as text: {19.99, 20.00*3, Infinity, NaN*2, null*4}.  Values ascend, each
// once, with how often it occurs, finite ones with the decimals of the one that has most; NULLs
// come last.  Where the multiset is wide only the lowest finite value has these decimals, and the
// others what they need: they may be sixteen thousand.  So equal distributions of one scale have
// one text, and reading it gives the same value again.  On the way in, order and repetition are
// free.  In binary it is sent as it is stored.
#include "server/postgres.hpp"
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

// Reads the text item by item; whatever is wrong with it ends here.
class Reader
{
public:
	explicit Reader(const char *text)
		: text_(text), next_(text), state_(NullableDatum{0, true}, CurrentMemoryContext)
	{
	}

	Datum read();

private:
	[[noreturn]] void fail(const char *expected) const;
	void skip_spaces();
	bool accept(char wanted);
	bool accept_char(char wanted);
	void skip_digits();
	void read_item();
	const char *read_word();
	int64 read_times();

	const char *text_;
	const char *next_;
	State state_;
};

void
Reader::fail(const char *expected) const
{
	const int shown = pg_mbcliplen(text_, static_cast<int>(strlen(text_)), 100);
	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
	                errmsg("invalid input syntax for type %s: \"%.*s\"", "price_distribution",
	                       shown, text_),
	                errdetail("Expected %s at character %d.", expected,
	                          pg_mbstrlen_with_len(text_, static_cast<int>(next_ - text_)) + 1)));
	pg_unreachable();
}

void
Reader::skip_spaces()
{
	while (scanner_isspace(*next_))
		++next_;
}

bool
Reader::accept(char wanted)
{
	skip_spaces();
	if (!accept_char(wanted))
		return false;
	skip_spaces();
	return true;
}

bool
Reader::accept_char(char wanted)
{
	if (*next_ != wanted)
		return false;
	++next_;
	return true;
}

// At least one.
void
Reader::skip_digits()
{
	const char *digits = next_;
	while (isdigit(static_cast<unsigned char>(*next_)))
		++next_;
	if (next_ == digits)
		fail("a number, NaN, Infinity, -Infinity or null");
}

// A number, or a name.
const char *
Reader::read_word()
{
	const char *start = next_;
	(void) (accept_char('-') || accept_char('+'));
	if (isalpha(static_cast<unsigned char>(*next_)))
		while (isalpha(static_cast<unsigned char>(*next_)))
			++next_;
	else
	{
		skip_digits();
		if (accept_char('.'))
			skip_digits();
		if (accept_char('e') || accept_char('E'))
		{
			(void) (accept_char('-') || accept_char('+'));
			skip_digits();
		}
	}
	return pnstrdup(start, static_cast<Size>(next_ - start));
}

int64
Reader::read_times()
{
	if (!accept('*'))
		return 1;
	int64 times = 0;
	const char *start = next_;
	for (; isdigit(static_cast<unsigned char>(*next_)); ++next_)
		if (__builtin_mul_overflow(times, 10, &times) ||
		    __builtin_add_overflow(times, *next_ - '0', &times))
			fail("a smaller count");
	if (times > max_count)
		fail("a smaller count");
	if (next_ == start || times == 0)
		fail("a positive count");
	return times;
}

void
Reader::read_item()
{
	const char *word = read_word();
	const char *after_word = next_;
	const int64 times = read_times();
	CHECK_FOR_INTERRUPTS();
	if (pg_strcasecmp(word, "null") == 0)
		state_.add_nulls(times);
	else if (pg_strcasecmp(word, "NaN") == 0)
		state_.add(NumberKind::NotANumber, times);
	else if (pg_strcasecmp(word, "Infinity") == 0)
		state_.add(NumberKind::PositiveInfinity, times);
	else if (pg_strcasecmp(word, "-Infinity") == 0)
		state_.add(NumberKind::NegativeInfinity, times);
	else if (isdigit(static_cast<unsigned char>(after_word[-1])))
	{
		const Datum number = DirectFunctionCall3(numeric_in, CStringGetDatum(word),
		                                         ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		state_.add(parse_numeric(numeric_bytes(number)), times);
		pfree(DatumGetPointer(number));
	}
	else
	{
		next_ = after_word - strlen(word);
		fail("a number, NaN, Infinity, -Infinity or null");
	}
}

Datum
Reader::read()
{
	if (!accept('{'))
		fail("\"{\"");
	if (!accept('}'))
	{
		do
			read_item();
		while (accept(','));
		if (!accept('}'))
			fail("\",\" or \"}\"");
	}
	if (*next_ != '\0')
		fail("the end");
	return store(rank(state_.block()));
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_distribution_in)
{
	return Reader(PG_GETARG_CSTRING(0)).read();
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
		char *value = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(shown)));
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
