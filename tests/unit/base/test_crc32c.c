#include "../support/check_main.h"
#include "base/crc32c.h"
#include "base/rng.h"

#include <string.h>

typedef uint32_t (*crc_function)(uint32_t, const void *, size_t);
static const crc_function functions[] = {crc32c, crc32c_portable};

/* Both implementations give the checksums of RFC 3720, section B.4, and the usual check value. */
START_TEST(vectors_of_rfc_3720_hold)
{
	static const uint8_t read_pdu[48] = {
		[0] = 0x01,  [1] = 0xc0,  [16] = 0x14, [22] = 0x04,
		[27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
	};
	uint8_t data[32];

	for (int f = 0; f < 2; f++) {
		memset(data, 0, sizeof data);
		ck_assert_uint_eq(functions[f](0, data, sizeof data), 0x8a9136aa);
		memset(data, 0xff, sizeof data);
		ck_assert_uint_eq(functions[f](0, data, sizeof data), 0x62a8ab43);
		for (int i = 0; i < 32; i++)
			data[i] = (uint8_t)i;
		ck_assert_uint_eq(functions[f](0, data, sizeof data), 0x46dd794e);
		for (int i = 0; i < 32; i++)
			data[i] = (uint8_t)(31 - i);
		ck_assert_uint_eq(functions[f](0, data, sizeof data), 0x113fdb5c);
		ck_assert_uint_eq(functions[f](0, read_pdu, sizeof read_pdu), 0xd9963a56);
		ck_assert_uint_eq(functions[f](0, "123456789", 9), 0xe3069283);
		ck_assert_uint_eq(functions[f](0, "", 0), 0);
	}
}
END_TEST

/* The two implementations agree for every length, alignment and starting value. */
START_TEST(both_implementations_agree)
{
	uint8_t data[600];
	struct rng rng;

	rng_seed(&rng, 3);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)rng_next(&rng);
	for (size_t offset = 0; offset < 16; offset++) {
		for (size_t len = 0; len < 300; len++) {
			uint32_t start = (uint32_t)rng_next(&rng);
			ck_assert_uint_eq(crc32c(start, data + offset, len),
					  crc32c_portable(start, data + offset, len));
		}
	}
}
END_TEST

/* Also for lengths from which on several parts are summed side by side, and their ends. */
START_TEST(implementations_agree_about_long_input)
{
	static uint8_t data[20000];
	struct rng rng;

	rng_seed(&rng, 5);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)rng_next(&rng);
	for (size_t around = 3072; around <= 18432; around += 1024) {
		for (size_t len = around - 9; len <= around + 9; len++) {
			uint32_t start = (uint32_t)rng_next(&rng);
			size_t offset = rng_below(&rng, sizeof data - len);
			ck_assert_uint_eq(crc32c(start, data + offset, len),
					  crc32c_portable(start, data + offset, len));
		}
	}
	for (size_t bit = 0; bit < 8 * (size_t)6200; bit += 61) {
		uint32_t before = crc32c(0, data, 6200);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_uint_ne(crc32c(0, data, 6200), before);
	}
}
END_TEST

/* A checksum can be taken in pieces. */
START_TEST(a_checksum_can_be_taken_in_pieces)
{
	uint8_t data[257];
	struct rng rng;

	rng_seed(&rng, 4);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)rng_next(&rng);
	for (int f = 0; f < 2; f++) {
		uint32_t whole = functions[f](0, data, sizeof data);
		for (size_t cut = 0; cut <= sizeof data; cut++)
			ck_assert_uint_eq(functions[f](functions[f](0, data, cut), data + cut,
						       sizeof data - cut),
					  whole);
	}
}
END_TEST

/* Every single flipped bit changes the checksum. */
START_TEST(every_flipped_bit_changes_the_checksum)
{
	uint8_t data[64] = "some record";
	uint32_t good = crc32c(0, data, sizeof data);

	for (size_t bit = 0; bit < sizeof data * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_uint_ne(crc32c(0, data, sizeof data), good);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST
