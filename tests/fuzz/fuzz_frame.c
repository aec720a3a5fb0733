/*
 * libFuzzer: the frame parser on a byte stream. The checksum is put right first where that is
 * possible, as no fuzzer guesses it; what is accepted must be written back to the very same bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/limits.h"
#include "fuzz.h"
#include "wire/frame.h"

static void seal(uint8_t *frame, size_t size)
{
	if (size < FRAME_HEADER_BYTES)
		return;
	uint64_t whole = (uint64_t)FRAME_HEADER_BYTES + load_u32(frame);
	if (whole <= size)
		store_u32(frame + 4, crc32c(0, frame + 8, (size_t)whole - 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *stream = malloc(size > 0 ? size : 1);
	struct buffer again = {0};
	struct message message;
	size_t at = 0;

	if (stream == NULL)
		return 0;
	if (size > 0)
		memcpy(stream, data, size);
	for (;;) {
		size_t consumed = 0, needed = 0;
		seal(stream + at, size - at);
		int status = frame_parse(slice(stream + at, size - at), FRAME_BYTES_MAX, &message,
					 &consumed, &needed);
		if (status == STATUS_TRUNCATED)
			ASSERT(needed > size - at &&
			       needed <= FRAME_HEADER_BYTES + FRAME_BYTES_MAX);
		if (status != 0)
			break;
		ASSERT(consumed >= FRAME_HEADER_BYTES && consumed <= size - at);
		buffer_clear(&again);
		frame_append(&again, &message);
		ASSERT(again.len == consumed);
		/*
		 * A status code of a newer version is read as INTERNAL, and a one-way frame's word
		 * is ignored.
		 */
		if (message.kind == MESSAGE_REQUEST)
			ASSERT(slice_equal(buffer_slice(&again), slice(stream + at, consumed)));
		at += consumed;
	}
	buffer_free(&again);
	free(stream);
	return 0;
}
