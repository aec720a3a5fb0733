#include <stdlib.h>

#include "../support/check_main.h"
#include "base/rng.h"
#include "rsm/log_index.h"

/* Against a plain array: random positions, overwritten and dropped, gaps included. */
START_TEST(the_index_matches_a_plain_array)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		static wal_position model[20000];
		struct log_index x;
		struct rng rng;
		uint64_t first = 1;
		memset(model, 0, sizeof model);
		rng_seed(&rng, seed);
		log_index_init(&x, first);
		for (int step = 0; step < 3000; step++) {
			if (rng_chance(&rng, 20000)) {
				first += rng_below(&rng, 800);
				log_index_drop_below(&x, first);
			}
			uint64_t slot = first + rng_below(&rng, 3000);
			if (slot >= 20000)
				break;
			log_index_set(&x, slot, (uint64_t)step + 1);
			model[slot] = (uint64_t)step + 1;
		}
		wal_position oldest = UINT64_MAX;
		for (uint64_t slot = 0; slot < 20000; slot++) {
			wal_position want = slot < first ? 0 : model[slot];
			ck_assert_uint_eq(log_index_get(&x, slot), want);
			if (want != 0 && want < oldest)
				oldest = want;
		}
		ck_assert_uint_eq(log_index_oldest(&x), oldest);
		log_index_free(&x);
	}
}
END_TEST
