/*
 * Clients that work at the same time, each on its next operation as soon as the one before has been
 * answered; every answer must be OK. And what the courses' tests do with them: marks that are
 * appended and looked for afterwards, servers that are killed and come back empty.
 */
#ifndef SYNOD_TESTS_PB_LOAD_H
#define SYNOD_TESTS_PB_LOAD_H

#include "../support/pb_world.h"

struct pb_step {
	enum synod_op_kind kind;
	char key[16], value[32]; /* value "" with a Get */
};

struct pb_load {
	uint32_t clients;
	/* What client c does next; false: nothing any more. */
	bool (*next)(void *context, uint32_t c, struct pb_step *step);
	/* Its answer; may be NULL. */
	void (*done)(void *context, uint32_t c, const struct pb_op *op);
	/* Called every other millisecond; may be NULL. */
	void (*meanwhile)(void *context);
	void *context;
	/* Results. */
	uint32_t completed[PB_CLIENTS_LIMIT];
	uint64_t longest_us; /* that an operation has taken */
};

/* Runs until every client has done what it wants to do. */
void pb_load_run(struct pb_world *w, struct pb_load *load);

/* Each client appends "x CLIENT NUMBER y" so often to the key. */
void pb_load_append_marks(struct pb_world *w, uint32_t clients, uint32_t count, const char *key);
/*
 * The value of the key is these marks, each once, those of a client in their order, and nothing
 * else.
 */
void pb_load_check_marks(struct pb_world *w, uint32_t clients, const uint32_t *counts,
			 const char *key);

/* Every second one of the first three servers is killed, and comes back empty a second later. */
struct pb_killer {
	struct pb_world *w;
	uint64_t next_us, end_us;
	uint32_t dead; /* 0: none */
	uint32_t kills;
};

void pb_killer_start(struct pb_killer *k, struct pb_world *w, uint32_t seconds);
/* To be called often. */
void pb_killer_work(struct pb_killer *k);

#endif
