/* What belongs to the group beside the app's state, and its encoding. */
#include "rsm/group_fields.h"

#include "base/crc32c.h"
#include "rsm/group_identity.h"
#include "rsm/members.h"

/* ---- settings ---- */

const struct group_setting group_settings_table[GROUP_SETTINGS_COUNT] = {
#define X(number, name, standard, min, max) \
	{number, #name, standard, min, max, offsetof(struct group_settings, name)},
	GROUP_SETTINGS_MAP(X)
#undef X
};

void group_settings_default(struct group_settings *settings)
{
	for (size_t i = 0; i < GROUP_SETTINGS_COUNT; i++)
		*group_setting_value(settings,
				     &group_settings_table[i]) = group_settings_table[i].standard;
}

static uint64_t value_of(const struct group_settings *settings, const struct group_setting *setting)
{
	struct group_settings copy = *settings;
	return *group_setting_value(&copy, setting);
}

void group_settings_encode(const struct group_settings *settings, struct buffer *out)
{
	for (size_t i = 0; i < GROUP_SETTINGS_COUNT; i++) {
		buffer_add_u16(out, group_settings_table[i].number);
		buffer_add_u64(out, value_of(settings, &group_settings_table[i]));
	}
}

static const struct group_setting *find_setting(uint16_t number)
{
	for (size_t i = 0; i < GROUP_SETTINGS_COUNT; i++)
		if (group_settings_table[i].number == number)
			return &group_settings_table[i];
	return NULL;
}

int group_settings_decode(struct group_settings *settings, struct slice in)
{
	uint16_t before = 0;
	while (in.len > 0) {
		uint16_t number;
		uint64_t value;
		if (!slice_take_u16(&in, &number) || !slice_take_u64(&in, &value) ||
		    number <= before)
			return STATUS_CORRUPT;
		const struct group_setting *setting = find_setting(number);
		if (setting == NULL)
			return STATUS_NEWER;
		if (!group_setting_in_range(setting, value))
			return STATUS_CORRUPT;
		*group_setting_value(settings, setting) = value;
		before = number;
	}
	return 0;
}

const struct group_setting *group_settings_differ(const struct group_settings *a,
						  const struct group_settings *b)
{
	if (memcmp(a, b, sizeof *a) == 0)
		return NULL;
	for (size_t i = 0; i < GROUP_SETTINGS_COUNT; i++)
		if (value_of(a, &group_settings_table[i]) != value_of(b, &group_settings_table[i]))
			return &group_settings_table[i];
	return NULL;
}

/* ---- fields ---- */

static void put_lived(const struct group_fields *fields, struct buffer *out)
{
	buffer_add_u64(out, fields->lived_us);
}

static int take_lived(struct group_fields *fields, struct slice in)
{
	return slice_take_u64(&in, &fields->lived_us) && in.len == 0 ? 0 : STATUS_CORRUPT;
}

static void put_settings(const struct group_fields *fields, struct buffer *out)
{
	if (fields->settled)
		group_settings_encode(&fields->settings, out);
}

static int take_settings(struct group_fields *fields, struct slice in)
{
	fields->settled = true;
	return group_settings_decode(&fields->settings, in);
}

static void put_inherited(const struct group_fields *fields, struct buffer *out)
{
	if (fields->inherited)
		buffer_add_u8(out, 1);
}

static int take_inherited(struct group_fields *fields, struct slice in)
{
	fields->inherited = true;
	return in.len == 1 && in.data[0] == 1 ? 0 : STATUS_CORRUPT;
}

static void put_id(const struct group_fields *fields, struct buffer *out)
{
	if (fields->id != 0)
		buffer_add_u64(out, fields->id);
}

static int take_id(struct group_fields *fields, struct slice in)
{
	return slice_take_u64(&in, &fields->id) && in.len == 0 && fields->id != 0 ? 0
										  : STATUS_CORRUPT;
}

static void put_members(const struct group_fields *fields, struct buffer *out)
{
	group_members_encode(&fields->members, out);
}

static int take_members(struct group_fields *fields, struct slice in)
{
	return group_members_decode(&fields->members, in);
}

static void put_bound(const struct group_fields *fields, struct buffer *out)
{
	members_encode_field(&fields->bound, out);
}

static int take_bound(struct group_fields *fields, struct slice in)
{
	return members_decode_field(&fields->bound, in);
}

/* In the order of their numbers. A field of which put() writes nothing is left out. */
static const struct {
	uint16_t number;
	void (*put)(const struct group_fields *fields, struct buffer *out);
	int (*take)(struct group_fields *fields, struct slice in);
} table[] = {
	{1, put_lived, take_lived},         {2, put_settings, take_settings},
	{3, put_inherited, take_inherited}, {16, put_id, take_id},
	{17, put_members, take_members},    {32, put_bound, take_bound},
};
#define FIELDS_COUNT (sizeof table / sizeof table[0])

void group_fields_init(struct group_fields *fields)
{
	*fields = (struct group_fields){0};
	group_settings_default(&fields->settings);
}

void group_fields_encode(const struct group_fields *fields, struct buffer *out)
{
	struct buffer bytes = {0};
	for (size_t i = 0; i < FIELDS_COUNT; i++) {
		buffer_clear(&bytes);
		table[i].put(fields, &bytes);
		if (bytes.len == 0)
			continue;
		buffer_add_u16(out, table[i].number);
		buffer_add_u32(out, (uint32_t)bytes.len);
		buffer_add_slice(out, buffer_slice(&bytes));
	}
	buffer_free(&bytes);
}

static int take_field(struct group_fields *fields, uint16_t number, struct slice bytes)
{
	for (size_t i = 0; i < FIELDS_COUNT; i++)
		if (table[i].number == number)
			return bytes.len == 0 ? STATUS_CORRUPT : table[i].take(fields, bytes);
	return STATUS_NEWER;
}

int group_fields_decode(struct group_fields *fields, struct slice in)
{
	uint16_t before = 0;
	int status = 0;
	group_fields_init(fields);
	while (status == 0 && in.len > 0) {
		uint16_t number;
		uint32_t len;
		struct slice bytes;
		if (!slice_take_u16(&in, &number) || !slice_take_u32(&in, &len) ||
		    !slice_take(&in, len, &bytes) || number <= before)
			return STATUS_CORRUPT;
		status = take_field(fields, number, bytes);
		before = number;
	}
	return status;
}

uint32_t group_fields_hash(const struct group_fields *fields)
{
	struct buffer b = {0};
	group_fields_encode(fields, &b);
	uint32_t hash = crc32c(0, b.data, b.len);
	buffer_free(&b);
	return hash;
}
