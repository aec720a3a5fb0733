/* Digests of records, whose sum is that of a set. */
#include "base/digest.h"

/*
 * Odd constants with about as many ones as zeros: the fractional parts of the golden ratio and of
 * square roots.
 */
#define SALT_A 0x9e3779b97f4a7c15ull
#define SALT_B 0x6a09e667f3bcc909ull
#define SALT_C 0xbb67ae8584caa73bull

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t digest_mix(uint64_t a, uint64_t b)
{
	return fold(fold(a ^ SALT_A, SALT_B) + b, SALT_C) ^ b;
}

uint64_t digest_bytes(uint64_t seed, struct slice s)
{
	uint64_t state = digest_mix(seed, s.len);
	const uint8_t *p = s.data;
	size_t left = s.len;
	for (; left >= 16; left -= 16, p += 16)
		state = fold(load_u64(p) ^ SALT_A ^ state, load_u64(p + 8) ^ SALT_B) + SALT_C;
	if (left > 0) {
		uint8_t tail[16] = {0};
		memcpy(tail, p, left);
		state = fold(load_u64(tail) ^ SALT_A ^ state, load_u64(tail + 8) ^ SALT_B) + SALT_C;
	}
	return digest_mix(state, SALT_B);
}
