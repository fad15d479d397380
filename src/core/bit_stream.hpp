// Numbers as a stream of bits, least significant first, in bytes: plain, and as Rice codes (R. F.
// Rice, JPL 79-22).  The same bytes on every machine.
//
// A Rice code of order k is the quotient of value / 2^k in unary, zeros ended by a one, and the k
// bits of the remainder.  For a quotient of escape_quotient or more there are that many zeros, the
// length of the value less one in six bits, and the value: one outlier costs no more than 86 bits.
//
// Reading never leaves the bytes: behind their end there are zeros, and at_end() tells.
#pragma once

#include "core/bytes.hpp"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ && __BYTE_ORDER__ != __ORDER_BIG_ENDIAN__
#error "listing_stats knows two orders of bytes"
#endif

namespace listing_stats {

constexpr unsigned escape_quotient = 16;
constexpr unsigned largest_order = 59;  // the quotients below 16 of more would not fit 64 bits

inline std::uint64_t
low_bits(std::uint64_t value, unsigned count) noexcept
{
	return count >= 64 ? value : value & ((std::uint64_t{1} << count) - 1);
}

constexpr unsigned
escaped_code_bits(unsigned length) noexcept
{
	return escape_quotient + 6 + length;
}

inline unsigned
rice_bits(std::uint64_t value, unsigned order) noexcept
{
	const std::uint64_t quotient = value >> order;
	if (quotient < escape_quotient)
		return static_cast<unsigned>(quotient) + 1 + order;
	return escaped_code_bits(bit_length(value));
}

class BitWriter
{
public:
	explicit BitWriter(unsigned char *bytes) noexcept : next_(bytes) {}

	void bits(std::uint64_t value, unsigned count) noexcept
	{
		if (count == 0)
			return;
		word_ |= value << used_;
		used_ += count;
		if (used_ < 64)
			return;
		store(8);
		used_ -= 64;
		word_ = used_ == 0 ? 0 : value >> (count - used_);
	}

	[[gnu::always_inline]] void rice(std::uint64_t value, unsigned order) noexcept
	{
		const std::uint64_t quotient = value >> order;
		if (__builtin_expect(quotient < escape_quotient && order <= 64 - escape_quotient, 1))
			bits((low_bits(value, order) << 1 | 1) << quotient,
			     static_cast<unsigned>(quotient) + 1 + order);
		else
			*this = with_long_code(*this, value, order);
	}

	// Writes what is left, and returns the byte behind it.
	unsigned char *finish() noexcept
	{
		store((used_ + 7) / 8);
		return next_;
	}

private:
	// Takes and returns a writer, so that one can live in registers.
	[[gnu::noinline]] static BitWriter with_long_code(BitWriter writer, std::uint64_t value,
	                                                  unsigned order) noexcept
	{
		const std::uint64_t quotient = value >> order;
		if (quotient < escape_quotient)
		{
			writer.bits(std::uint64_t{1} << quotient, static_cast<unsigned>(quotient) + 1);
			writer.bits(low_bits(value, order), order);
			return writer;
		}
		const unsigned length = bit_length(value);
		writer.bits(0, escape_quotient);
		writer.bits(length - 1, 6);
		writer.bits(value, length);
		return writer;
	}

	void store(std::size_t bytes) noexcept
	{
		std::uint64_t word = word_;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		std::memcpy(next_, &word, bytes);
		next_ += bytes;
	}

	unsigned char *next_;
	std::uint64_t word_ = 0;
	unsigned used_ = 0;
};

// Takes what a BitWriter takes, and only measures it.
class BitCounter
{
public:
	void bits(std::uint64_t, unsigned count) noexcept { count_ += count; }
	void rice(std::uint64_t value, unsigned order) noexcept { count_ += rice_bits(value, order); }
	std::size_t bytes() const noexcept { return (count_ + 7) / 8; }

private:
	std::size_t count_ = 0;
};

// What is rare is a function that takes no reader, so that a reader can live in registers.
class BitReader
{
public:
	BitReader() = default;
	BitReader(const unsigned char *bytes, std::size_t size) noexcept : bytes_(bytes), size_(size) {}

	[[gnu::always_inline]] std::uint64_t bits(unsigned count) noexcept
	{
		const std::uint64_t value = bits_at(bytes_, size_, position_, count);
		position_ += count;
		return value;
	}

	[[gnu::always_inline]] std::uint64_t rice(unsigned order) noexcept
	{
		const std::uint64_t ahead = window(bytes_, size_, position_);
		const auto quotient =
			static_cast<unsigned>(__builtin_ctzll(ahead | std::uint64_t{1} << escape_quotient));
		if (__builtin_expect(quotient < escape_quotient && order <= sure_bits - escape_quotient, 1))
		{
			position_ += quotient + 1 + order;
			return std::uint64_t{quotient} << order |
			       (ahead >> 1 >> quotient & ((std::uint64_t{1} << order) - 1));
		}
		const Code code = long_code(bytes_, size_, position_, quotient, order);
		position_ += code.length;
		return code.value;
	}

	// All has been read and no more, except bits that fill the last byte, which are zero.
	bool at_end() const noexcept
	{
		return (position_ + 7) / 8 == size_ && window(bytes_, size_, position_) == 0;
	}

private:
	static constexpr unsigned sure_bits = 57;  // of a window, wherever it begins in its first byte

	struct Code
	{
		std::uint64_t value;
		unsigned length;
	};

	[[gnu::noinline]] static Code long_code(const unsigned char *bytes, std::size_t size,
	                                        std::size_t position, unsigned quotient,
	                                        unsigned order) noexcept
	{
		if (quotient < escape_quotient)
			return Code{std::uint64_t{quotient} << order |
			                bits_at(bytes, size, position + quotient + 1, order),
			            quotient + 1 + order};
		position += escape_quotient;
		const auto length = static_cast<unsigned>(bits_at(bytes, size, position, 6)) + 1;
		return Code{bits_at(bytes, size, position + 6, length), escape_quotient + 6 + length};
	}

	static std::uint64_t bits_at(const unsigned char *bytes, std::size_t size, std::size_t position,
	                             unsigned count) noexcept
	{
		if (count <= sure_bits)
			return low_bits(window(bytes, size, position), count);
		return low_bits(window(bytes, size, position), 32) |
		       low_bits(window(bytes, size, position + 32), count - 32) << 32;
	}

	[[gnu::noinline]] static std::uint64_t last_word(const unsigned char *bytes, std::size_t size,
	                                                 std::size_t first) noexcept
	{
		std::uint64_t word = 0;
		if (first < size)
			std::memcpy(&word, bytes + first, size - first);
		return word;
	}

	[[gnu::always_inline]] static std::uint64_t window(const unsigned char *bytes, std::size_t size,
	                                                   std::size_t position) noexcept
	{
		const std::size_t first = position >> 3;
		std::uint64_t word = 0;
		if (__builtin_expect(first + 8 <= size, 1))
			std::memcpy(&word, bytes + first, sizeof word);
		else
			word = last_word(bytes, size, first);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		return word >> (position & 7);
	}

	const unsigned char *bytes_ = nullptr;
	std::size_t size_ = 0;
	std::size_t position_ = 0;  // in bits
};

}  // namespace listing_stats
