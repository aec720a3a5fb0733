/*
 * What a group has agreed on about itself comes back from its encoding, and nothing else does.
 * faults: 89
 */
#include "../support/check_main.h"
#include "rsm/group_fields.h"

static void put_field(struct buffer *b, uint16_t number, struct slice bytes)
{
	buffer_add_u16(b, number);
	buffer_add_u32(b, (uint32_t)bytes.len);
	buffer_add_slice(b, bytes);
}

/*
 * Time, settings and flags come back, with the same hash and bytes; cut within a field they are
 * refused.
 */
START_TEST(fields_come_back_as_they_were_written)
{
	struct group_fields fields, again;
	struct buffer b = {0}, c = {0};
	group_fields_init(&fields);
	ck_assert_uint_eq(fields.settings.value_bytes_max, VALUE_BYTES_MAX);
	fields.lived_us = 1234567;
	fields.settled = fields.inherited = true;
	for (size_t i = 0; i < GROUP_SETTINGS_COUNT; i++) {
		uint64_t *value = group_setting_value(&fields.settings, &group_settings_table[i]);
		ck_assert_uint_eq(*value, group_settings_table[i].standard);
		*value = group_settings_table[i].min + i;
	}
	group_fields_encode(&fields, &b);
	ck_assert_int_eq(group_fields_decode(&again, buffer_slice(&b)), 0);
	ck_assert_uint_eq(again.lived_us, 1234567);
	ck_assert_ptr_null(group_settings_differ(&fields.settings, &again.settings));
	ck_assert_uint_eq(group_fields_hash(&fields), group_fields_hash(&again));
	group_fields_encode(&again, &c);
	ck_assert(slice_equal(buffer_slice(&b), buffer_slice(&c)));
	for (size_t cut = 1; cut < b.len; cut++)
		if (group_fields_decode(&again, slice(b.data, cut)) == 0) {
			/* Cut between two fields: the rest has its initial values. */
			buffer_clear(&c);
			group_fields_encode(&again, &c);
			ck_assert(!slice_equal(buffer_slice(&b), buffer_slice(&c)));
		}
	again = fields;
	again.settings.value_bytes_max++;
	ck_assert_str_eq(group_settings_differ(&fields.settings, &again.settings)->name,
			 "value_bytes_max");
	ck_assert_uint_ne(group_fields_hash(&fields), group_fields_hash(&again));
	buffer_free(&b);
	buffer_free(&c);
}
END_TEST

/* A number that is not known here was written by a newer program, and is not ignored. */
START_TEST(an_unknown_field_is_a_newer_programs)
{
	struct group_fields fields;
	struct buffer b = {0}, settings = {0};
	put_field(&b, 1, slice_string("12345678"));
	put_field(&b, 15, slice_string("x"));
	ck_assert_int_eq(group_fields_decode(&fields, buffer_slice(&b)), STATUS_NEWER);
	buffer_clear(&b);
	buffer_add_u16(&settings, 3);
	buffer_add_u64(&settings, 100);
	put_field(&b, 2, buffer_slice(&settings));
	ck_assert_int_eq(group_fields_decode(&fields, buffer_slice(&b)), 0);
	ck_assert_uint_eq(fields.settings.value_bytes_max, 100);
	ck_assert_uint_eq(fields.settings.sessions_max, SESSIONS_MAX);
	ck_assert(fields.settled && !fields.inherited);
	buffer_add_u16(&settings, 1000);
	buffer_add_u64(&settings, 1);
	buffer_clear(&b);
	put_field(&b, 2, buffer_slice(&settings));
	ck_assert_int_eq(group_fields_decode(&fields, buffer_slice(&b)), STATUS_NEWER);
	buffer_free(&b);
	buffer_free(&settings);
}
END_TEST

/*
 * A field of the wrong length, one that stands twice, and settings beyond their limits are
 * corrupt.
 */
START_TEST(malformed_fields_are_refused)
{
	struct group_fields fields;
	struct buffer b = {0}, settings = {0};
	put_field(&b, 1, slice_string("1234567"));
	ck_assert_int_eq(group_fields_decode(&fields, buffer_slice(&b)), STATUS_CORRUPT);
	buffer_clear(&b);
	put_field(&b, 1, slice_string("12345678"));
	put_field(&b, 1, slice_string("12345678"));
	ck_assert_int_eq(group_fields_decode(&fields, buffer_slice(&b)), STATUS_CORRUPT);
	buffer_clear(&b);
	put_field(&b, 2, slice_string(""));
	ck_assert_int_eq(group_fields_decode(&fields, buffer_slice(&b)), STATUS_CORRUPT);
	/* Values outside of the limits that the program relies on. */
	for (size_t i = 0; i < GROUP_SETTINGS_COUNT; i++)
		for (int high = 0; high < 2; high++) {
			const struct group_setting *setting = &group_settings_table[i];
			buffer_clear(&b);
			buffer_clear(&settings);
			buffer_add_u16(&settings, setting->number);
			if (!high && setting->min == 0)
				continue;
			buffer_add_u64(&settings, high ? setting->max + 1 : setting->min - 1);
			put_field(&b, 2, buffer_slice(&settings));
			ck_assert_int_eq(group_fields_decode(&fields, buffer_slice(&b)),
					 STATUS_CORRUPT);
		}
	buffer_free(&b);
	buffer_free(&settings);
}
END_TEST
