// Bytes written and read one after another, the same on every machine.
//
// A varint is an integer of seven bits a byte, low bits first, with the eighth bit set on all bytes
// except its last (LEB128, as in protocol buffers and DWARF).  It takes up to ten bytes; zeros
// above its highest bit are read, and never written.  A signed number is put in zigzag first, so
// that small negative ones stay short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace listing_stats {

constexpr std::size_t max_varint_size = 10;

inline unsigned
bit_length(std::uint64_t value) noexcept
{
	return value == 0 ? 0 : 64 - static_cast<unsigned>(__builtin_clzll(value));
}

// Signed numbers of small magnitude as small unsigned ones: 0, -1, 1, -2, 2 ...  Both are given as
// their 64 bits.
inline std::uint64_t
zigzag(std::uint64_t number) noexcept
{
	return (number << 1) ^ (0 - (number >> 63));
}

inline std::uint64_t
unzigzag(std::uint64_t code) noexcept
{
	return (code >> 1) ^ (0 - (code & 1));
}

// Writes where the caller has made room.
class ByteWriter
{
public:
	explicit ByteWriter(unsigned char *start) noexcept : start_(start), next_(start) {}

	void put_byte(unsigned value) noexcept { *next_++ = static_cast<unsigned char>(value); }

	void put_varint(std::uint64_t value) noexcept
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

// Reads whatever it is given.  Past the end, and of varints that do not fit, it reads zeros, and
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

	std::uint64_t get_varint() noexcept
	{
		std::uint64_t value = 0;
		for (unsigned shift = 0; next_ != end_ && shift < 64; shift += 7)
		{
			const std::uint64_t part = *next_++;
			if (shift == 63 && part > 1)
				break;
			value |= (part & 0x7F) << shift;
			if (part < 0x80)
				return value;
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
