/* CRC-32C, with the processor's instruction where there is one. */
#include "base/crc32c.h"

#include <string.h>

/*
 * The table for one byte at a time, polynomial 0x1edc6f41 reflected. A CRC table
 * is linear over exclusive or, so that every entry follows from those of the
 * eight single bits.
 */
#define BIT(i, bit, entry) (((i) & (bit)) != 0 ? (entry) : 0u)
#define ENTRY(i) \
	(BIT(i, 1, 0xf26b8303u) ^ BIT(i, 2, 0xe13b70f7u) ^ BIT(i, 4, 0xc79a971fu) ^ \
	 BIT(i, 8, 0x8ad958cfu) ^ BIT(i, 16, 0x105ec76fu) ^ BIT(i, 32, 0x20bd8edeu) ^ \
	 BIT(i, 64, 0x417b1dbcu) ^ BIT(i, 128, 0x82f63b78u))
#define ENTRIES_4(i) ENTRY(i), ENTRY((i) + 1), ENTRY((i) + 2), ENTRY((i) + 3)
#define ENTRIES_16(i) ENTRIES_4(i), ENTRIES_4((i) + 4), ENTRIES_4((i) + 8), ENTRIES_4((i) + 12)
#define ENTRIES_64(i) \
	ENTRIES_16(i), ENTRIES_16((i) + 16), ENTRIES_16((i) + 32), ENTRIES_16((i) + 48)

static const uint32_t table[256] = {ENTRIES_64(0), ENTRIES_64(64), ENTRIES_64(128),
				    ENTRIES_64(192)};

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	crc = ~crc;
	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ table[(uint8_t)crc ^ p[i]];
	return ~crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

static inline uint64_t word_at(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof word);
	return word;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
							       size_t len)
{
	const uint8_t *p = data;
	uint64_t state = ~crc;

	for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t), p += sizeof(uint64_t))
		state = __builtin_ia32_crc32di(state, word_at(p));
	uint32_t tail = (uint32_t)state;
	for (; len > 0; len--, p++)
		tail = __builtin_ia32_crc32qi(tail, *p);
	return ~tail;
}

/*
 * The instruction takes three cycles, and begins anew in each: three streams side by side take as
 * long as one. What the first and the second would be behind the bytes that follow them is their
 * product with a power of x, of which the instruction for the last word takes the remainder (Gopal
 * et al. 2011, "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction").
 */
#define STREAM_BYTES 1024u
#define ROUND_BYTES (3 * STREAM_BYTES)
#define STREAMS_BYTES_MIN 4096u /* shorter ones are not worth it */
/* x to the power of 8 * bytes - 33, modulo the polynomial, reflected: for one stream, and two. */
#define POWER_STREAM 0x170076fau
#define POWER_STREAMS 0xa51b6135u

__attribute__((target("sse4.2,pclmul"))) static inline uint64_t product(uint64_t state,
									uint32_t power)
{
	return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(
		_mm_cvtsi64_si128((int64_t)state), _mm_cvtsi64_si128((int64_t)power), 0));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_streams(uint32_t crc,
									const void *data,
									size_t len)
{
	const uint8_t *p = data;
	uint64_t first = ~crc;

	for (; len >= ROUND_BYTES; len -= ROUND_BYTES, p += ROUND_BYTES) {
		uint64_t second = 0, third = 0;
		size_t i = 0;
		for (; i < STREAM_BYTES - sizeof(uint64_t); i += sizeof(uint64_t)) {
			first = __builtin_ia32_crc32di(first, word_at(p + i));
			second = __builtin_ia32_crc32di(second, word_at(p + STREAM_BYTES + i));
			third = __builtin_ia32_crc32di(third, word_at(p + 2 * STREAM_BYTES + i));
		}
		first = __builtin_ia32_crc32di(first, word_at(p + i));
		second = __builtin_ia32_crc32di(second, word_at(p + STREAM_BYTES + i));
		uint64_t moved = product(first, POWER_STREAMS) ^ product(second, POWER_STREAM);
		first = __builtin_ia32_crc32di(third, word_at(p + 2 * STREAM_BYTES + i) ^ moved);
	}
	return crc32c_sse42(~(uint32_t)first, p, len);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	if (len >= STREAMS_BYTES_MIN && __builtin_cpu_supports("pclmul") &&
	    __builtin_cpu_supports("sse4.2"))
		return crc32c_streams(crc, data, len);
	return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, data, len)
						: crc32c_portable(crc, data, len);
}

#else

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	return crc32c_portable(crc, data, len);
}

#endif
