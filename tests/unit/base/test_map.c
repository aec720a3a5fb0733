#include "../support/check_main.h"
#include "base/map.h"
#include "base/rng.h"

#define MODEL_KEYS 512

static char values[MODEL_KEYS];

/*
 * A random sequence of operations answers as a plain array does, over and over through growth and
 * deletion.
 */
static void run_against_model(uint64_t seed, uint64_t key_step, uint32_t put_parts)
{
	void *model[MODEL_KEYS] = {0};
	size_t count = 0;
	struct map m = {0};
	struct rng rng;

	rng_seed(&rng, seed);
	for (int round = 0; round < 20000; round++) {
		size_t i = rng_below(&rng, MODEL_KEYS);
		uint64_t key = i * key_step;
		ck_assert_ptr_eq(map_get(&m, key), model[i]);
		if (rng_chance(&rng, put_parts)) {
			void *value = &values[rng_below(&rng, MODEL_KEYS)];
			ck_assert_ptr_eq(map_put(&m, key, value), model[i]);
			count += model[i] == NULL;
			model[i] = value;
		} else {
			ck_assert_ptr_eq(map_remove(&m, key), model[i]);
			count -= model[i] != NULL;
			model[i] = NULL;
		}
		ck_assert_uint_eq(m.count, count);
		ck_assert(m.count <= m.capacity / 4 * 3);
	}
	for (size_t i = 0; i < MODEL_KEYS; i++)
		ck_assert_ptr_eq(map_get(&m, i * key_step), model[i]);
	map_free(&m);
}

/* The map agrees with a naive model for dense, sparse and wrapping keys. */
START_TEST(the_map_matches_its_model)
{
	run_against_model(1, 1, 600000);
	run_against_model(2, 1, 450000);
	run_against_model(3, 1u << 20, 600000);
	run_against_model(4, 0x9e3779b97f4a7c15u, 550000);
	run_against_model(5, UINT64_MAX / MODEL_KEYS, 550000);
}
END_TEST

/* An empty map answers every question, and zero and the largest number are keys like any other. */
START_TEST(an_empty_map_answers_and_edge_keys_are_keys)
{
	struct map m = {0};
	size_t position = 0;
	uint64_t key;
	void *value;

	ck_assert_ptr_null(map_get(&m, 0));
	ck_assert_ptr_null(map_remove(&m, 0));
	ck_assert(!map_next(&m, &position, &key, &value));
	ck_assert_ptr_null(map_put(&m, 0, &values[0]));
	ck_assert_ptr_null(map_put(&m, UINT64_MAX, &values[1]));
	ck_assert_ptr_eq(map_get(&m, 0), &values[0]);
	ck_assert_ptr_eq(map_get(&m, UINT64_MAX), &values[1]);
	ck_assert_ptr_null(map_get(&m, 1));
	map_free(&m);
	ck_assert_ptr_null(map_get(&m, 0));
}
END_TEST

/* Iteration visits every element exactly once. */
START_TEST(iteration_visits_every_element_once)
{
	struct map m = {0};
	bool seen[MODEL_KEYS] = {false};
	size_t position = 0;
	size_t visited = 0;
	uint64_t key;
	void *value;

	for (size_t i = 0; i < MODEL_KEYS; i++)
		map_put(&m, i * 1000, &values[i]);
	while (map_next(&m, &position, &key, &value)) {
		ck_assert_uint_eq(key % 1000, 0);
		ck_assert_ptr_eq(value, &values[key / 1000]);
		ck_assert(!seen[key / 1000]);
		seen[key / 1000] = true;
		visited++;
	}
	ck_assert_uint_eq(visited, MODEL_KEYS);
	ck_assert(!map_next(&m, &position, &key, &value));
	map_free(&m);
}
END_TEST

/*
 * Two maps that went through the same operations iterate in the same order: a simulated run repeats
 * exactly.
 */
START_TEST(equal_maps_iterate_in_the_same_order)
{
	struct map maps[2] = {{0}, {0}};
	size_t positions[2] = {0, 0};
	uint64_t keys[2];
	void *found[2];

	for (int i = 0; i < 2; i++) {
		struct rng rng;
		rng_seed(&rng, 9);
		for (int round = 0; round < 3000; round++) {
			uint64_t key = rng_below(&rng, 1000);
			if (rng_chance(&rng, 700000))
				map_put(&maps[i], key, &values[key % MODEL_KEYS]);
			else
				map_remove(&maps[i], key);
		}
	}
	while (map_next(&maps[0], &positions[0], &keys[0], &found[0])) {
		ck_assert(map_next(&maps[1], &positions[1], &keys[1], &found[1]));
		ck_assert_uint_eq(keys[0], keys[1]);
		ck_assert_ptr_eq(found[0], found[1]);
	}
	ck_assert(!map_next(&maps[1], &positions[1], &keys[1], &found[1]));
	map_free(&maps[0]);
	map_free(&maps[1]);
}
END_TEST
