/*
 * A group's id and members: their encodings, and how a group comes by them. faults: 90, 91
 */
#include <string.h>

#include "../support/check_main.h"
#include "group.h"
#include "rsm/entry.h"
#include "rsm/group_identity.h"
#include "rsm/internal.h"

static struct identity_members three(void)
{
	struct identity_members members = {0};
	identity_add_member(&members, 3, "g1c", "127.0.0.1:7013");
	identity_add_member(&members, 1, "g1a", "127.0.0.1:7011");
	identity_add_member(&members, 7, "g1b", "[::1]:7012");
	return members;
}

/* What was encoded comes back; cut anywhere, longer, or with an impossible name, it is refused. */
START_TEST(an_identity_comes_back_or_is_refused)
{
	struct identity_members members = three(), again;
	struct buffer b = {0};
	uint64_t id;
	group_identity_encode(0x123, &members, &b);
	ck_assert_int_eq(group_identity_decode(&id, &again, buffer_slice(&b)), 0);
	ck_assert_uint_eq(id, 0x123);
	ck_assert(identity_members_equal(&members, &again));
	ck_assert_str_eq(again.list[2].address, "[::1]:7012");
	/* Between two members it may be cut: then there are fewer. */
	for (size_t len = 0; len < b.len; len++)
		if (group_identity_decode(&id, &again, slice(b.data, len)) == 0)
			ck_assert(!identity_members_equal(&members, &again));
	for (size_t i = 0; i < b.len; i++) {
		uint8_t was = b.data[i];
		b.data[i] ^= 0x80;
		int status = group_identity_decode(&id, &again, buffer_slice(&b));
		ck_assert(status == STATUS_CORRUPT || id != 0x123 ||
			  !identity_members_equal(&members, &again));
		b.data[i] = was;
	}
	buffer_add_u8(&b, 0);
	ck_assert_int_eq(group_identity_decode(&id, &again, buffer_slice(&b)), STATUS_CORRUPT);
	buffer_clear(&b);
	group_identity_encode(0, &members, &b);
	ck_assert_int_eq(group_identity_decode(&id, &again, buffer_slice(&b)), STATUS_CORRUPT);
	buffer_clear(&b);
	group_identity_encode(1, &(struct identity_members){0}, &b);
	ck_assert_int_eq(group_identity_decode(&id, &again, buffer_slice(&b)), STATUS_CORRUPT);
	buffer_free(&b);
}
END_TEST

/* As a part of the state: before there is an id it is left out. */
START_TEST(field_of_state)
{
	struct group_fields fields, again;
	struct buffer b = {0}, without = {0};
	group_fields_init(&fields);
	group_fields_encode(&fields, &without);
	fields.id = 0xabc;
	fields.members = three();
	group_fields_encode(&fields, &b);
	ck_assert_uint_gt(b.len, without.len);
	ck_assert_int_eq(group_fields_decode(&again, buffer_slice(&b)), 0);
	ck_assert_uint_eq(again.id, 0xabc);
	ck_assert(identity_members_equal(&fields.members, &again.members));
	ck_assert_uint_eq(group_fields_hash(&fields), group_fields_hash(&again));
	ck_assert_int_eq(group_fields_decode(&again, buffer_slice(&without)), 0);
	ck_assert_uint_eq(again.id, 0);
	ck_assert_uint_eq(again.members.count, 0);
	buffer_free(&b);
	buffer_free(&without);
}
END_TEST

/*
 * The first leader draws it, all replicas have the same, and it outlives restarts and other
 * leaders.
 */
START_TEST(a_group_draws_one)
{
	struct rsm_group g;
	rsm_group_init(&g, 3, 5, NULL);
	uint32_t leader = rsm_group_elect(&g);
	rsm_group_run(&g, SIM_SECOND);
	uint64_t id = rsm_group_rsm(&g, 0)->group.id;
	ck_assert_uint_ne(id, 0);
	for (uint32_t i = 0; i < 3; i++) {
		const struct group_fields *fields = &rsm_group_rsm(&g, i)->group;
		ck_assert_uint_eq(fields->id, id);
		ck_assert_uint_eq(fields->members.count, 3);
	}
	uint64_t applied = rsm_applied(rsm_group_rsm(&g, leader));
	sim_process_crash(g.replicas[leader].process);
	(void)rsm_group_elect(&g);
	sim_process_start(g.replicas[leader].process);
	rsm_group_run(&g, SIM_SECOND);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(rsm_group_rsm(&g, i)->group.id, id);
		/* The new leader's barrier, and no second identity. */
		ck_assert_uint_le(rsm_applied(rsm_group_rsm(&g, i)), applied + 1);
	}
	rsm_group_free(&g);
}
END_TEST
