// Quotients and roots: what PostgreSQL answers, and against their definitions.
#include "core/division.hpp"

#include "check.hpp"

#include <random>

using namespace listing_stats;

namespace {

void
test_known()
{
	// select 106.48 / 6; select 1.00 / 3; select 0.5 / 10000; select -2 / 3.0
	const struct
	{
		Int128 dividend;
		int scale;
		unsigned divisor;
		Int128 value;
		int result_scale;
	} known[] = {{10648, 2, 6, 177466666666666667, 16},
	             {100, 2, 3, static_cast<Int128>(33333333333333333LL) * 1000 + 333, 20},
	             {0, 2, 3, 0, 20},
	             {5, 1, 10000, static_cast<Int128>(5000000000000000000LL) * 10, 24},
	             {-2, 0, 3, -(static_cast<Int128>(66666666666666666LL) * 1000 + 667), 20}};
	for (const auto &one : known)
	{
		ScaledNumber quotient{};
		CHECK(divide(one.dividend, one.scale, one.divisor, quotient));
		CHECK(quotient.value == one.value && quotient.scale == one.result_scale);
	}
	ScaledNumber root{};
	CHECK(square_root(ScaledNumber{2000000000000, 12}, root));
	CHECK(root.value == 1414213562373 && root.scale == 12);
	CHECK(square_root(ScaledNumber{0, 16}, root) && root.value == 0);
	CHECK(!square_root(ScaledNumber{static_cast<Int128>(1) << 120, 16}, root));
	ScaledNumber quotient{};
	CHECK(!divide(static_cast<Int128>(1) << 120, 18, UINT64_MAX / 4, quotient));
}

void
test_definitions(std::mt19937_64 &random)
{
	for (int round = 0; round < 100000; ++round)
	{
		const auto value =
			static_cast<Int128>(random() >> (1 + random() % 63)) * (random() % 2 != 0 ? 1 : -1);
		const UInt128 divisor = 1 + (random() >> random() % 64);
		const int scale = static_cast<int>(random() % 10);
		ScaledNumber quotient{};
		if (divide(value, scale, divisor, quotient))
		{
			// Twice the remainder is no more than the divisor.
			Int128 dividend = value;
			for (int i = scale; i < quotient.scale; ++i)
				dividend *= 10;
			const Int128 remainder = dividend - quotient.value * static_cast<Int128>(divisor);
			CHECK(2 * magnitude_of(remainder) <= divisor);
		}
		ScaledNumber root{};
		const ScaledNumber square{static_cast<Int128>(magnitude_of(value)), scale};
		if (square_root(square, root))
		{
			Int128 target = square.value;
			for (int i = 0; i < scale; ++i)
				target *= 10;
			CHECK(root.value * root.value - root.value < target || root.value == 0);
			CHECK(root.value * root.value + root.value >= target);
		}
	}
}

}  // namespace

int
main()
{
	std::mt19937_64 random(24);
	test_known();
	test_definitions(random);
	return failures != 0;
}
