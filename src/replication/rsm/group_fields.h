/*
 * What a group has agreed on about itself: a part of its replicated state beside its app and its
 * sessions. It changes by entries of the log only, counts in the hash of the state, and is the
 * first chunk of every snapshot since format 2.
 *
 *   encoded: for each field, ascending   u16 field   u32 length   bytes
 *
 *   1 lived      u64: time that leaders have lived through, in µs (rsm/entry.h)
 *   2 settings   for each setting, ascending: u16 number, u64 value (GROUP_SETTINGS_MAP); absent
 *                before the first ENTRY_SETTINGS
 *   3 inherited u8 1: the state began under the first version, whose entries did not say by what
 *                settings they were to be applied; absent otherwise
 *  16 id         u64: of the group, random; left out while it has none
 *  17 members    those of the group when the id was drawn (rsm/group_identity.h)
 *  32 bound      the members, and their lives that count (rsm/members.h); left out before the first
 *                entry of members
 *
 * To add a field: a number, a row in the table of group_fields.c, a member here. A number is never
 * used again for something else. A field or setting that this program does not know was written by
 * a newer one: STATUS_NEWER, never ignored, for it decides what entries do. One that is missing
 * keeps its initial value. What was encoded decodes to the same, and back.
 */
#ifndef SYNOD_RSM_GROUP_FIELDS_H
#define SYNOD_RSM_GROUP_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"
#include "node/identity.h"
#include "rsm/members.h"

/*
 * The settings that decide what applying an entry does. A group follows those of its leader: it
 * logs an entry with them when they are not the group's already, and every replica applies what
 * comes after by these, not by its own. What a leader can judge before it logs a command (the
 * length of a key, say) need not be here: it is judged once.
 *
 * shards: into how many the group's service divides its keys; 0: none, or not known yet. Once it is
 * known it never changes.
 */
/* clang-format off */
#define GROUP_SETTINGS_MAP(X) \
	/* number, name, default, min, max */ \
	X(1, sessions_max, SESSIONS_MAX, 1, 1u << 24) \
	X(2, session_idle_us, SESSION_IDLE_US, 1, UINT64_MAX / 4) \
	X(3, value_bytes_max, VALUE_BYTES_MAX, 1, COMMAND_BYTES_MAX) \
	X(4, shards, 0, 0, SHARDS_MAX)
/* clang-format on */

struct group_settings {
#define X(number, name, ...) uint64_t name;
	GROUP_SETTINGS_MAP(X)
#undef X
};

struct group_setting {
	uint16_t number;
	const char *name;
	uint64_t standard, min, max;
	size_t offset; /* in struct group_settings */
};
enum group_setting_index {
#define X(number, name, ...) GROUP_SETTING_##name,
	GROUP_SETTINGS_MAP(X)
#undef X
		GROUP_SETTINGS_COUNT
};
extern const struct group_setting group_settings_table[GROUP_SETTINGS_COUNT];

static inline uint64_t *group_setting_value(struct group_settings *settings,
					    const struct group_setting *setting)
{
	return (uint64_t *)(void *)((char *)settings + setting->offset);
}
static inline bool group_setting_in_range(const struct group_setting *setting, uint64_t value)
{
	return value >= setting->min && value <= setting->max;
}
void group_settings_default(struct group_settings *settings);
/* Appends them. */
void group_settings_encode(const struct group_settings *settings, struct buffer *out);
/* 0, STATUS_CORRUPT or STATUS_NEWER; those that are missing keep the value that they have. */
int group_settings_decode(struct group_settings *settings, struct slice in) MUST_CHECK;
/* The first in which they differ; NULL: none. */
const struct group_setting *group_settings_differ(const struct group_settings *a,
						  const struct group_settings *b);

struct group_fields {
	uint64_t lived_us;
	struct group_settings settings;
	bool settled; /* `settings` have come by an entry */
	bool inherited;
	uint64_t id; /* 0: not drawn yet */
	struct identity_members members;
	struct group_members bound;
};

/* Of a group without entries. */
void group_fields_init(struct group_fields *fields);
void group_fields_encode(const struct group_fields *fields, struct buffer *out);
/* Replaces them. 0, STATUS_CORRUPT or STATUS_NEWER. */
int group_fields_decode(struct group_fields *fields, struct slice in) MUST_CHECK;
uint32_t group_fields_hash(const struct group_fields *fields);

#endif
