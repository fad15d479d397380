// The text of a price_distribution: {19.99, 20.00*3, Infinity, NaN*2, null*4}.  Values ascend, each
// once, with how often it occurs, finite ones with the decimals of the one that has most; NULLs
// come last.  So equal distributions of one scale have one text, and reading it gives the same
// value again.  On the way in, order and repetition are free.
#include "pg/pg.hpp"

#include "core/distribution.hpp"
#include "core/sort.hpp"
#include "pg/distribution_state.hpp"
#include "pg/numerics.hpp"

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

void
append_numeric(StringInfo text, Numeric number, int64 times)
{
	char *value = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	append_item(text, value, times);
	pfree(value);
}

void
append_scaled_values(StringInfo text, const Distribution *distribution)
{
	const std::size_t count = distribution->finite_count;
	auto *values = static_cast<int64 *>(palloc(distribution->used));
	memcpy(values, distribution->values(), distribution->used);
	sort_integers(values, values + count);
	for (std::size_t i = 0, next = 0; i < count; i = next)
	{
		for (next = i + 1; next < count && values[next] == values[i];)
			++next;
		Numeric number = make_numeric(values[i], distribution->scale);
		append_numeric(text, number, static_cast<int64>(next - i));
		pfree(number);
	}
	pfree(values);
}

void
append_wide_values(StringInfo text, const Distribution *distribution)
{
	const std::size_t count = distribution->finite_count;
	WideValue *values = wide_values(distribution);
	std::sort(values, values + count, is_less);
	for (std::size_t i = 0, next = 0; i < count; i = next)
	{
		for (next = i + 1; next < count && !is_less(values[i], values[next]);)
			++next;
		append_numeric(text, show_scale(values[i].number, distribution->scale),
		               static_cast<int64>(next - i));
	}
}

// Reads the text item by item; whatever is wrong with it ends here.
class Reader
{
public:
	explicit Reader(const char *text) : text_(text), next_(text) {}

	Distribution *read();

private:
	[[noreturn]] void fail(const char *expected) const;
	void skip_spaces();
	bool accept(char wanted);
	void read_item();
	const char *read_word();
	int64 read_times();
	void add_count(int64 *count, int64 times) const;
	void add_finite(const char *word, int64 times);
	void replace(Distribution *distribution);

	const char *text_;
	const char *next_;
	Distribution *distribution_ = nullptr;
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
	if (*next_ != wanted)
		return false;
	++next_;
	skip_spaces();
	return true;
}

// A number as numeric_out() writes it, or a name.
const char *
Reader::read_word()
{
	const char *start = next_;
	if (*next_ == '-' || *next_ == '+')
		++next_;
	if (isalpha(static_cast<unsigned char>(*next_)))
		while (isalpha(static_cast<unsigned char>(*next_)))
			++next_;
	else
	{
		const char *digits = next_;
		while (isdigit(static_cast<unsigned char>(*next_)))
			++next_;
		if (next_ > digits && *next_ == '.')
			for (digits = ++next_; isdigit(static_cast<unsigned char>(*next_));)
				++next_;
		if (next_ == digits)
			fail("a number, NaN, Infinity, -Infinity or null");
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
	if (next_ == start || times == 0)
		fail("a positive count");
	return times;
}

void
Reader::add_count(int64 *count, int64 times) const
{
	// The sum of all counts must stay a count.
	if (times > INT64_MAX / 8 - *count)
		fail("a smaller count");
	*count += times;
}

void
Reader::add_finite(const char *word, int64 times)
{
	// So a count that cannot fit is refused before anything is filled.
	const int64 least_bytes = std::min<int64>(times, MaxAllocSize) * int64{sizeof(int64)};
	replace(make_room(distribution_, static_cast<std::size_t>(least_bytes)));

	const Datum number = DirectFunctionCall3(numeric_in, CStringGetDatum(word),
	                                         ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	const NumericBytes bytes = numeric_bytes(number);
	for (int64 i = 0; i < times; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		replace(add_number(distribution_, bytes));
	}
	pfree(DatumGetPointer(number));
}

void
Reader::replace(Distribution *distribution)
{
	if (distribution != distribution_)
		pfree(distribution_);
	distribution_ = distribution;
}

void
Reader::read_item()
{
	const char *word = read_word();
	const char *after_word = next_;
	const int64 times = read_times();
	if (pg_strcasecmp(word, "null") == 0)
		add_count(&distribution_->nulls, times);
	else if (pg_strcasecmp(word, "NaN") == 0)
		add_count(&distribution_->not_a_numbers, times);
	else if (pg_strcasecmp(word, "Infinity") == 0)
		add_count(&distribution_->positive_infinities, times);
	else if (pg_strcasecmp(word, "-Infinity") == 0)
		add_count(&distribution_->negative_infinities, times);
	else if (isdigit(static_cast<unsigned char>(after_word[-1])))
		add_finite(word, times);
	else
	{
		next_ = after_word - strlen(word);
		fail("a number, NaN, Infinity, -Infinity or null");
	}
}

Distribution *
Reader::read()
{
	distribution_ = new_distribution();
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
	drop_room(distribution_);
	return distribution_;
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_distribution_in)
{
	PG_RETURN_POINTER(Reader(PG_GETARG_CSTRING(0)).read());
}

LISTING_STATS_FUNCTION(listing_stats_distribution_out)
{
	const Distribution *distribution = distribution_of(PG_GETARG_DATUM(0));
	StringInfoData text;
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	append_item(&text, "-Infinity", distribution->negative_infinities);
	if (distribution->wide == 0)
		append_scaled_values(&text, distribution);
	else
		append_wide_values(&text, distribution);
	append_item(&text, "Infinity", distribution->positive_infinities);
	append_item(&text, "NaN", distribution->not_a_numbers);
	append_item(&text, "null", distribution->nulls);
	appendStringInfoChar(&text, '}');
	PG_RETURN_CSTRING(text.data);
}

}  // namespace listing_stats
