/*
 * libFuzzer: reading log entries. What is accepted as a whole must be what the writer would have
 * written, and every body must lie inside the entry.
 */
#include "fuzz.h"
#include "rsm/entry.h"
#include "rsm/group_fields.h"
#include "rsm/hash_entry.h"

/* Settings that are accepted are within their limits, and encode to what decodes to them. */
static void look_at_settings(struct slice body)
{
	struct group_settings settings, again;
	struct buffer encoded = {0};
	group_settings_default(&settings);
	if (group_settings_decode(&settings, body) != 0)
		return;
	for (size_t i = 0; i < GROUP_SETTINGS_COUNT; i++)
		ASSERT(group_setting_in_range(
			&group_settings_table[i],
			*group_setting_value(&settings, &group_settings_table[i])));
	group_settings_encode(&settings, &encoded);
	int status = group_settings_decode(&again, buffer_slice(&encoded));
	ASSERT(status == 0 && group_settings_differ(&settings, &again) == NULL);
	buffer_free(&encoded);
}

/*
 * Verdicts that are accepted encode to what they were, and somebody of those who reported is right,
 * or nobody.
 */
static void look_at_hash(struct slice body)
{
	struct hash_verdict verdict = {0};
	struct buffer encoded = {0};
	enum hash_kind kind;
	if (hash_entry_decode(body, &kind, &verdict) != 0)
		return;
	if (kind == HASH_MARK) {
		hash_mark_encode(&encoded);
	} else {
		uint32_t right = hash_verdict_right(&verdict);
		ASSERT(right == HASH_NOBODY || right < verdict.nreports);
		hash_verdict_encode(&verdict, &encoded);
	}
	ASSERT(slice_equal(buffer_slice(&encoded), body));
	buffer_free(&encoded);
}

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
		ASSERT(command.body.len == 0 ||
		       (command.body.data >= data && command.body.len <= size &&
			command.body.data <= data + (size - command.body.len)));
		if (command.kind == ENTRY_SETTINGS)
			look_at_settings(command.body);
		if (command.kind == ENTRY_HASH)
			look_at_hash(command.body);
		entry_add(&again, &command);
		count++;
	}
	if (more == 0 && count > 0 && reader.format == ENTRY_FORMAT) {
		entry_finish(&again, count, reader.time_us, reader.lived_us, reader.origin);
		ASSERT(slice_equal(buffer_slice(&again), slice(data, size)));
	}
	buffer_free(&again);
	return 0;
}
