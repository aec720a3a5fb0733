/* The image of the sessions that is made while they change (rsm/sessions_image.h). */
#include <stdio.h>

#include "../support/check_main.h"
#include "base/rng.h"
#include "rsm/sessions.h"

#define CLIENTS 200u

static uint64_t sequences[CLIENTS + 1];

/* Some client's next command, or its last one again, or one of long ago. */
static void command(struct sessions *s, struct rng *rng, uint64_t *now_us)
{
	struct session *session = NULL;
	const struct session_reply *repeat = NULL;
	char text[64];
	int status;
	uint64_t client = rng_range(rng, 1, CLIENTS);
	uint64_t sequence = sequences[client] + !rng_chance(rng, 200000);
	struct entry_command c = {
		.client = client,
		.sequence = sequence == 0 ? 1 : sequence,
		.acknowledged = sequence > 4 ? sequence - rng_below(rng, 4) : 1,
		.body = slice_string("body"),
	};
	*now_us += rng_below(rng, 20);
	if (sessions_begin(s, *now_us, ENTRY_FORMAT, &c, &session, &repeat, &status) != SESSION_NEW)
		return;
	sequences[client] = c.sequence;
	snprintf(text, sizeof text, "%0*u", (int)rng_range(rng, 1, 50), (unsigned)sequence);
	sessions_record(session, c.sequence, c.body, 0, slice_string(text));
}

/*
 * faults: 31. Sessions are used, come, and go meanwhile, by crowd and by time: the image is what
 * was encoded at once when it was begun.
 */
START_LOOP_TEST(an_image_is_of_the_moment_at_which_it_was_begun, 0, 20)
{
	struct sessions s;
	struct rng rng;
	uint64_t now_us = 1;
	rng_seed(&rng, (uint64_t)_i + 1);
	memset(sequences, 0, sizeof sequences);
	sessions_init(&s, rng_range(&rng, 5, 150), rng_range(&rng, 500, 5000));
	sessions_registered(&s, CLIENTS);
	for (int round = 0; round < 40; round++) {
		struct buffer want = {0};
		for (uint64_t n = rng_below(&rng, 300); n > 0; n--)
			command(&s, &rng, &now_us);
		sessions_encode(&s, &want);
		sessions_image_begin(&s);
		while (sessions_image_next(&s, rng_range(&rng, 1, 400)))
			for (uint64_t n = rng_below(&rng, 12); n > 0; n--) {
				command(&s, &rng, &now_us);
				if (rng_chance(&rng, 30000))
					sessions_expire(&s, now_us, ENTRY_FORMAT);
			}
		struct buffer got = sessions_image_take(&s);
		ck_assert(slice_equal(buffer_slice(&got), buffer_slice(&want)));
		buffer_free(&got);
		buffer_free(&want);
	}
	sessions_free(&s);
}
END_TEST

/* It may be given up at any moment, and ends when the table is emptied. */
START_TEST(an_image_may_be_given_up)
{
	struct sessions s;
	struct rng rng;
	uint64_t now_us = 1;
	rng_seed(&rng, 9);
	memset(sequences, 0, sizeof sequences);
	sessions_init(&s, 100, 100000);
	sessions_registered(&s, CLIENTS);
	for (int i = 0; i < 300; i++)
		command(&s, &rng, &now_us);
	sessions_image_begin(&s);
	ck_assert(sessions_image_next(&s, 50));
	for (int i = 0; i < 100; i++)
		command(&s, &rng, &now_us);
	sessions_image_end(&s);
	ck_assert(!s.image.under_way);
	sessions_image_begin(&s);
	ck_assert(sessions_image_next(&s, 50));
	sessions_clear(&s);
	ck_assert(!s.image.under_way);
	sessions_free(&s);
}
END_TEST
