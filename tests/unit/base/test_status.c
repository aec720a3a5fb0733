#include "../support/check_main.h"
#include "base/status.h"

/* Every status has its own code, a name and a text. */
START_TEST(every_status_has_a_code_a_name_and_a_text)
{
	ck_assert_int_eq(STATUS_OK, 0);
	ck_assert_int_eq(STATUS_NOT_FOUND, -1);
	ck_assert_str_eq(status_name(STATUS_NOT_FOUND), "NOT_FOUND");
	ck_assert_str_eq(status_text(STATUS_NOT_FOUND), "not found");
	ck_assert_str_eq(status_name(STATUS_CANCELLED), "CANCELLED");
#define X(name, code, class, text) \
	ck_assert_str_eq(status_name(STATUS_##name), #name); \
	ck_assert_str_eq(status_text(STATUS_##name), text); \
	ck_assert_int_eq(status_class(STATUS_##name), STATUS_CLASS_##class);
	STATUS_MAP(X)
#undef X
}
END_TEST

/* A number that is no status is named so, and is of unknown outcome. */
START_TEST(an_unknown_number_is_of_unknown_outcome)
{
	int numbers[] = {1, 4, -40, -99, -113, -1000000, 2147483647, -2147483647 - 1};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		ck_assert_str_eq(status_text(numbers[i]), "unrecognised status");
		ck_assert_int_eq(status_class(numbers[i]), STATUS_CLASS_UNKNOWN);
	}
}
END_TEST

/*
 * Codes that travel come back as the same status; local, unknown and absurd ones become INTERNAL.
 */
START_TEST(codes_come_back_from_the_wire)
{
#define X(name, code, class, text) \
	ck_assert_uint_eq(status_to_wire(STATUS_##name), code); \
	ck_assert_int_eq(status_from_wire(code), STATUS_CLASS_##class == STATUS_CLASS_LOCAL \
							 ? STATUS_INTERNAL \
							 : STATUS_##name);
	STATUS_MAP(X)
#undef X
	ck_assert_int_eq(status_from_wire(60), STATUS_INTERNAL);
	ck_assert_int_eq(status_from_wire(112), STATUS_INTERNAL);
	ck_assert_int_eq(status_from_wire(0x80000000u), STATUS_INTERNAL);
	ck_assert_int_eq(status_from_wire(0xffffffffu), STATUS_INTERNAL);
}
END_TEST
