/* Replies to commands that were sent again: values that are not known any more. */
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "base/limits.h"
#include "client/reply.h"
#include "wire/wire.h"

static struct arena arena;

static struct synod_reply *decode(const struct wire_kv_result *results, uint32_t count,
				  bool transaction)
{
	struct buffer payload = {0};
	struct synod_reply reply = {0};
	wire_kv_reply_encode(
		&(struct wire_kv_reply){.succeeded = true,
					.nresults = count,
					.results = (struct wire_kv_result *)(uintptr_t)results},
		&payload);
	arena_reset(&arena);
	ck_assert_int_eq((transaction ? client_reply_decode_txn : client_reply_decode_command)(
				 &reply, buffer_slice(&payload), &arena),
			 0);
	struct synod_reply *copy = client_reply_copy(&reply);
	ck_assert_ptr_nonnull(copy);
	ck_assert_int_eq(synod_value_omitted(reply.value), synod_value_omitted(copy->value));
	buffer_free(&payload);
	return copy;
}

/*
 * An omitted value looks empty, is a string, and can be told from one that is empty; message says
 * what happened.
 */
START_TEST(an_omitted_value_is_told_from_an_empty_one)
{
	arena_init_fallible(&arena, ARENA_BYTES_MAX);
	struct wire_kv_result result = {.version = 7, .modification = 9, .omitted = 50000};
	struct synod_reply *reply = decode(&result, 1, false);
	ck_assert_int_eq(reply->status, SYNOD_OK);
	ck_assert(synod_value_omitted(reply->value));
	ck_assert_str_eq(reply->value.data, "");
	ck_assert_uint_eq(reply->value.len, 0);
	ck_assert_uint_eq(reply->version, 7);
	ck_assert_ptr_nonnull(strstr(reply->message, "50000 bytes"));
	free(reply);
	result.omitted = 0;
	reply = decode(&result, 1, false);
	ck_assert(!synod_value_omitted(reply->value));
	ck_assert_str_eq(reply->message, "");
	free(reply);
	arena_free(&arena);
}
END_TEST

/* Each result of a transaction for itself. */
START_TEST(each_result_of_a_transaction_stands_for_itself)
{
	arena_init_fallible(&arena, ARENA_BYTES_MAX);
	struct wire_kv_result results[] = {
		{.value = slice_string("here")}, {.omitted = 1}, {.version = 1}};
	struct synod_reply *reply = decode(results, 3, true);
	ck_assert_uint_eq(reply->nresults, 3);
	ck_assert(!synod_value_omitted(reply->results[0].value));
	ck_assert_str_eq(reply->results[0].value.data, "here");
	ck_assert(synod_value_omitted(reply->results[1].value));
	ck_assert(!synod_value_omitted(reply->results[2].value));
	free(reply);
	arena_free(&arena);
}
END_TEST
