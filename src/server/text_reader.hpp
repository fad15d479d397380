// The text of a type of ours, read from left to right: items between braces, with commas between
// them and white space wherever the two are.  The text is the caller's and outlives the reader.
//
// Whatever is wrong with the text ends here, with 22P02, what was expected, and where: the type's
// own reader calls fail().  What reads an item may raise errors of its own.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

class TextReader
{
public:
	TextReader(const char *type, const char *text) : type_(type), text_(text), next_(text) {}

	[[noreturn]] void fail(const char *expected) const;

	// Goes on behind the character if it is the next: with white space before and after it, or as
	// it stands.
	bool accept(char wanted);
	bool accept_only(char wanted);

	// At least one digit.
	void skip_digits(const char *expected);

	// What there is up to one of the characters, or the end, without white space at its end: at
	// least one character, in memory of the current context.
	char *read_until(const char *ends, const char *expected);

	char next() const { return *next_; }
	const char *position() const { return next_; }
	void go_to(const char *position) { next_ = position; }

	// All of the text: read_item() is called where each item starts, and interrupts are let in.
	template <class ReadItem>
	void read_items(ReadItem read_item)
	{
		if (!accept('{'))
			fail("\"{\"");
		if (!accept('}'))
		{
			do
			{
				CHECK_FOR_INTERRUPTS();
				read_item();
			} while (accept(','));
			if (!accept('}'))
				fail("\",\" or \"}\"");
		}
		if (next() != '\0')
			fail("the end");
	}

private:
	void skip_spaces();

	const char *type_;
	const char *text_;
	const char *next_;
};

static_assert(std::is_trivially_destructible_v<TextReader>);

}  // namespace listing_stats
