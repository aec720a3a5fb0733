/* The kinds of messages between replicas: their fields, and which method has which. */
#include <check.h>

#include "codecs.h"

static struct arena arena;

static void setup(void)
{
	arena_init(&arena, ARENA_BYTES_MAX);
}

static void teardown(void)
{
	arena_free(&arena);
}

static const struct {
	enum method method;
	const ProtobufCMessageDescriptor *fields;
} kinds[] = {
#define X(name, kind) {METHOD_##name, &synod__##kind##__descriptor},
	PEER_MAP(X)
#undef X
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/*
 * A field has the same number, name and type in every kind: who reads what is said without knowing
 * the kind (PeerAny) reads all of it, and nothing that is not said.
 */
START_TEST(kinds_share_their_fields)
{
	const ProtobufCMessageDescriptor *any = &synod__peer_any__descriptor;
	bool used[64] = {false};
	for (size_t k = 0; k < KINDS; k++) {
		for (unsigned i = 0; i < kinds[k].fields->n_fields; i++) {
			const ProtobufCFieldDescriptor *f = &kinds[k].fields->fields[i];
			const ProtobufCFieldDescriptor *of_any =
				protobuf_c_message_descriptor_get_field(any, f->id);
			ck_assert_msg(of_any != NULL && strcmp(of_any->name, f->name) == 0 &&
					      of_any->type == f->type && of_any->label == f->label,
				      "%s.%s", kinds[k].fields->name, f->name);
			used[(size_t)(of_any - any->fields)] = true;
		}
	}
	for (unsigned i = 0; i < any->n_fields; i++)
		ck_assert_msg(used[i], "PeerAny.%s is of no kind", any->fields[i].name);
}
END_TEST

/* By its method a message is read as its kind, and written with no field of another one's. */
START_TEST(methods_have_their_kinds)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct rng r;
		rng_seed(&r, seed);
		for (size_t k = 0; k < KINDS; k++) {
			struct buffer bytes = {0}, own = {0};
			struct wire_peer_any any;
			union peer_message m;
			any_peer_any(&r, &arena, &any);
			wire_peer_any_encode(&any, &bytes);
			ck_assert_int_eq(
				peer_decode(kinds[k].method, buffer_slice(&bytes), &arena, &m), 0);
			ck_assert_uint_eq(m.head.ballot, any.ballot);
			ck_assert_uint_eq(m.head.generation, any.generation);
			peer_encode(kinds[k].method, &m, &own);
			ProtobufCMessage *theirs = protobuf_c_message_unpack(kinds[k].fields, NULL,
									     own.len, own.data);
			ck_assert_ptr_nonnull(theirs);
			ck_assert_uint_eq(theirs->n_unknown_fields, 0);
			ck_assert_uint_eq(protobuf_c_message_get_packed_size(theirs), own.len);
			protobuf_c_message_free_unpacked(theirs, NULL);
			buffer_free(&bytes);
			buffer_free(&own);
			arena_reset(&arena);
		}
	}
}
END_TEST

/* Entries and ranges are found in every kind that bears some, and in no other. */
START_TEST(entries_and_ranges_are_found)
{
	struct wire_entry entry = {.slot = 7};
	struct wire_range range = {1, 2};
	struct wire_peer_any any = {
		.nentries = 1, .entries = &entry, .nranges = 1, .ranges = &range};
	struct buffer bytes = {0};
	wire_peer_any_encode(&any, &bytes);
	for (size_t k = 0; k < KINDS; k++) {
		union peer_message m;
		const ProtobufCMessageDescriptor *d = kinds[k].fields;
		bool has_entries = protobuf_c_message_descriptor_get_field(d, 9) != NULL,
		     has_ranges = protobuf_c_message_descriptor_get_field(d, 10) != NULL;
		ck_assert_int_eq(peer_decode(kinds[k].method, buffer_slice(&bytes), &arena, &m), 0);
		struct peer_entries entries = peer_entries(kinds[k].method, &m);
		struct peer_ranges ranges = peer_ranges(kinds[k].method, &m);
		ck_assert_uint_eq(entries.count, has_entries);
		ck_assert(!has_entries || entries.list->slot == 7);
		ck_assert_uint_eq(ranges.count, has_ranges);
		ck_assert(!has_ranges || ranges.list->last == 2);
	}
	buffer_free(&bytes);
}
END_TEST

/* Of a method that is no kind's the head is read all the same: it says who sends such a thing. */
START_TEST(head_of_an_unknown_kind_is_read)
{
	struct wire_peer_any any = {.group = 3, .from = 1, .to = 2, .slot = 9};
	struct buffer bytes = {0};
	union peer_message m;
	wire_peer_any_encode(&any, &bytes);
	ck_assert_int_eq(peer_decode((enum method)45, buffer_slice(&bytes), &arena, &m), 0);
	ck_assert_uint_eq(m.head.group, 3);
	ck_assert_uint_eq(m.head.from, 1);
	ck_assert_uint_eq(m.head.to, 2);
	ck_assert_uint_eq(peer_entries((enum method)45, &m).count, 0);
	buffer_free(&bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kinds of messages between replicas");
	TCase *tests = tcase_create("kinds");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, kinds_share_their_fields);
	tcase_add_test(tests, methods_have_their_kinds);
	tcase_add_test(tests, entries_and_ranges_are_found);
	tcase_add_test(tests, head_of_an_unknown_kind_is_read);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
