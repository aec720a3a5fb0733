/*
 * What the fuzz targets share.
 *
 * A target defines LLVMFuzzerTestOneInput(). It is built twice: with clang's libFuzzer (make fuzz),
 * which looks for new inputs, and with replay.c (part of make check), which runs those of
 * tests/fuzz/corpus/NAME and simple mutations of them.
 *
 * Formats with checksums are not fuzzed as plain bytes, since nobody guesses a checksum: the input
 * is a small program that says which structures to write, and the target seals them. A target finds
 * a fault by a crash, by a sanitizer, or by ASSERT of what must hold for every input.
 */
#ifndef SYNOD_TESTS_FUZZ_H
#define SYNOD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reading the program: beyond its end everything is 0, so that every input means something. */
static inline uint8_t input_u8(struct slice *in)
{
	uint8_t v = 0;
	(void)slice_take_u8(in, &v);
	return v;
}
static inline uint16_t input_u16(struct slice *in)
{
	uint16_t v = 0;
	(void)slice_take_u16(in, &v);
	return v;
}
static inline uint32_t input_u32(struct slice *in)
{
	uint32_t v = 0;
	(void)slice_take_u32(in, &v);
	return v;
}
static inline uint64_t input_u64(struct slice *in)
{
	uint64_t v = 0;
	(void)slice_take_u64(in, &v);
	return v;
}
/* As many of the next `len` bytes as there are. */
static inline struct slice input_bytes(struct slice *in, size_t len)
{
	struct slice out = slice(in->data, in->len < len ? in->len : len);
	in->data = out.len > 0 ? in->data + out.len : in->data;
	in->len -= out.len;
	return out;
}

#endif
