// A test counts what it finds wrong and says where; main() returns that count.
#pragma once

#include <cstdio>

inline int failures = 0;

#define CHECK(condition)                                                          \
	do                                                                            \
	{                                                                             \
		if (!(condition))                                                         \
		{                                                                         \
			std::printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			++failures;                                                           \
		}                                                                         \
	} while (false)
