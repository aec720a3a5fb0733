/*
 * What must always hold among the replicas of a group, as their consensus core has it: checked by
 * whoever simulates a group, after every step, without knowing the core. Each core says in a header
 * of its own what it checks (paxos/invariants.h).
 */
#ifndef SYNOD_CORE_CHECKER_H
#define SYNOD_CORE_CHECKER_H

#include "core/consensus.h"

/* Replicas of a group, in all its life. */
#define CHECKER_REPLICAS_MAX 16u

/* Its owner is who has created it. It owns nothing of the cores. */
struct consensus_checker {
	const struct consensus_checker_ops *ops;
};

struct consensus_checker_ops {
	/*
	 * Checks the running replicas (NULL: down). Replica i of one call is replica i of the next.
	 * NULL if all is well, otherwise a text that names what is broken, and by what; valid until
	 * the next call.
	 */
	const char *(*check)(struct consensus_checker *checker,
			     const struct consensus *const *replicas, uint32_t count);
	/* Replica i has crashed: its memory is gone, what it let out is not. */
	void (*crashed)(struct consensus_checker *checker, uint32_t i);
	/*
	 * … and its disk is gone: what it had promised need not be remembered, if it has no vote
	 * any more.
	 */
	void (*wiped)(struct consensus_checker *checker, uint32_t i);
	void (*free)(struct consensus_checker *checker);
};

static inline const char *consensus_check(struct consensus_checker *checker,
					  const struct consensus *const *replicas, uint32_t count)
{
	return checker->ops->check(checker, replicas, count);
}

static inline void consensus_checker_crashed(struct consensus_checker *checker, uint32_t i)
{
	checker->ops->crashed(checker, i);
}

static inline void consensus_checker_wiped(struct consensus_checker *checker, uint32_t i)
{
	checker->ops->wiped(checker, i);
}

/* NULL is nothing. */
static inline void consensus_checker_free(struct consensus_checker *checker)
{
	if (checker != NULL)
		checker->ops->free(checker);
}

#endif
