/* Mixing: the same numbers for ever, and every bit counts. */
#include "base/mix.h"

#include "../support/check_main.h"

/* The first numbers of splitmix64 from 0, as its authors' program prints them. */
START_TEST(the_numbers_are_those_of_splitmix64)
{
	ck_assert_uint_eq(mix_u64(0), 0);
	ck_assert_uint_eq(mix_u64(MIX_STEP), 0xe220a8397b1dcdafull);
	ck_assert_uint_eq(mix_u64(2 * MIX_STEP), 0x6e789e6aa1b965f4ull);
	ck_assert_uint_eq(mix_u64(3 * MIX_STEP), 0x06c45d188009454full);
}
END_TEST

/* Whichever bit of the input changes, about half of those of the result do. */
START_TEST(every_bit_reaches_many)
{
	for (uint64_t x = 1; x < 1000; x++)
		for (unsigned bit = 0; bit < 64; bit++) {
			int changed = __builtin_popcountll(mix_u64(x) ^ mix_u64(x ^ 1ull << bit));
			CHECK_THAT(changed >= 8 && changed <= 56, "%d of 64 bits", changed);
		}
}
END_TEST
