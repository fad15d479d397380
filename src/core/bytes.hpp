// Bytes written and read one after another, the same on every machine.  An integer takes seven bits
// a byte, low bits first, with the eighth bit set on all bytes but its last (as in protocol buffers
// and DWARF); a signed one is folded first, so that small negative numbers stay short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace listing_stats {

constexpr std::size_t max_integer_size = 10;

inline std::uint64_t
fold_sign(std::int64_t value) noexcept
{
	const auto bits = static_cast<std::uint64_t>(value);
	return (bits << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

inline std::int64_t
unfold_sign(std::uint64_t value) noexcept
{
	return static_cast<std::int64_t>((value >> 1) ^ ((value & 1) != 0 ? UINT64_MAX : 0));
}

// Writes where the caller has made room.
class ByteWriter
{
public:
	explicit ByteWriter(unsigned char *start) noexcept : start_(start), next_(start) {}

	void put_byte(unsigned value) noexcept { *next_++ = static_cast<unsigned char>(value); }

	void put_integer(std::uint64_t value) noexcept
	{
		for (; value >= 0x80; value >>= 7)
			put_byte(static_cast<unsigned>(value) | 0x80);
		put_byte(static_cast<unsigned>(value));
	}

	void put_uint16(unsigned value) noexcept
	{
		put_byte(value & 0xFF);
		put_byte(value >> 8);
	}

	std::size_t size() const noexcept { return static_cast<std::size_t>(next_ - start_); }

private:
	unsigned char *start_;
	unsigned char *next_;
};

// Reads whatever it is given.  Past the end, and of integers that do not fit, it reads zeros, and
// failed() says so from then on.
class ByteReader
{
public:
	ByteReader(const void *data, std::size_t size) noexcept
		: next_(static_cast<const unsigned char *>(data)), end_(next_ + size)
	{
	}

	bool failed() const noexcept { return failed_; }
	std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - next_); }
	const unsigned char *position() const noexcept { return next_; }

	unsigned get_byte() noexcept
	{
		if (next_ == end_)
		{
			failed_ = true;
			return 0;
		}
		return *next_++;
	}

	std::uint64_t get_integer() noexcept
	{
		std::uint64_t value = 0;
		for (unsigned shift = 0; shift < 64; shift += 7)
		{
			const std::uint64_t byte = get_byte();
			const std::uint64_t bits = byte & 0x7F;
			if (shift == 63 && bits > 1)
				break;
			value |= bits << shift;
			if (byte < 0x80)
				return failed_ ? 0 : value;
		}
		failed_ = true;
		next_ = end_;
		return 0;
	}

	// Where the skipped bytes are; null when there are not so many.
	const unsigned char *skip(std::size_t size) noexcept
	{
		if (size > left())
		{
			failed_ = true;
			next_ = end_;
			return nullptr;
		}
		const unsigned char *skipped = next_;
		next_ += size;
		return skipped;
	}

private:
	const unsigned char *next_;
	const unsigned char *end_;
	bool failed_ = false;
};

}  // namespace listing_stats
