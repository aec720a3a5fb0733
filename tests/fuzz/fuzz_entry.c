/*
 * libFuzzer: reading log entries. What is accepted as a whole must be what the writer would have written, and every body must lie
 * inside the entry.
 */
#include "fuzz.h"
#include "rsm/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entry_reader reader;
	struct entry_command command;
	struct buffer again = {0};
	uint32_t count = 0;

	if (entry_read(&reader, slice(data, size)) != 0)
		return 0;
	entry_begin(&again);
	int more;
	while ((more = entry_next(&reader, &command)) == 1) {
		ASSERT(command.body.len == 0 || (command.body.data >= data && command.body.len <= size &&
						 command.body.data <= data + (size - command.body.len)));
		entry_add(&again, &command);
		count++;
	}
	if (more == 0 && count > 0) {
		entry_finish(&again, count, reader.time_us, reader.origin);
		ASSERT(slice_equal(buffer_slice(&again), slice(data, size)));
	}
	buffer_free(&again);
	return 0;
}
