// The text of a type of ours, item by item; the promise is in the header.
#include "server/text_reader.hpp"

namespace listing_stats {

void
TextReader::fail(const char *expected) const
{
	const int shown = pg_mbcliplen(text_, static_cast<int>(strlen(text_)), 100);
	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
	                errmsg("invalid input syntax for type %s: \"%.*s\"", type_, shown, text_),
	                errdetail("Expected %s at character %d.", expected,
	                          pg_mbstrlen_with_len(text_, static_cast<int>(next_ - text_)) + 1)));
	pg_unreachable();
}

void
TextReader::skip_spaces()
{
	while (scanner_isspace(*next_))
		++next_;
}

bool
TextReader::accept_only(char wanted)
{
	if (*next_ != wanted)
		return false;
	++next_;
	return true;
}

bool
TextReader::accept(char wanted)
{
	skip_spaces();
	if (!accept_only(wanted))
		return false;
	skip_spaces();
	return true;
}

void
TextReader::skip_digits(const char *expected)
{
	if (isdigit(static_cast<unsigned char>(*next_)) == 0)
		fail(expected);
	while (isdigit(static_cast<unsigned char>(*next_)) != 0)
		++next_;
}

char *
TextReader::read_until(const char *ends, const char *expected)
{
	const std::size_t length = strcspn(next_, ends);
	std::size_t used = length;
	while (used > 0 && scanner_isspace(next_[used - 1]))
		--used;
	if (used == 0)
		fail(expected);
	char *word = pnstrdup(next_, used);
	next_ += length;
	return word;
}

}  // namespace listing_stats
