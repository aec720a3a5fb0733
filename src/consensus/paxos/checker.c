/* The invariants of Multi-Paxos behind core/checker.h. */
#include "core/checker.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "paxos/invariants.h"

_Static_assert(CHECKER_REPLICAS_MAX <= PAXOS_INVARIANTS_MAX, "as many as anybody checks");

struct paxos_checker {
	struct consensus_checker checker;
	struct paxos_invariants *invariants;
};

static struct paxos_checker *inside(struct consensus_checker *checker)
{
	return (struct paxos_checker *)(void *)checker;
}

static const char *check(struct consensus_checker *checker, const struct consensus *const *replicas,
			 uint32_t count)
{
	const struct paxos *cores[CHECKER_REPLICAS_MAX];
	ASSERT(count <= CHECKER_REPLICAS_MAX);
	for (uint32_t i = 0; i < count; i++)
		cores[i] = paxos_of(replicas[i]);
	return paxos_invariants_check(inside(checker)->invariants, cores, count);
}

static void crashed(struct consensus_checker *checker, uint32_t i)
{
	paxos_invariants_crashed(inside(checker)->invariants, i);
}

static void wiped(struct consensus_checker *checker, uint32_t i)
{
	paxos_invariants_wiped(inside(checker)->invariants, i);
}

static void release(struct consensus_checker *checker)
{
	paxos_invariants_free(inside(checker)->invariants);
	free(checker);
}

struct consensus_checker *paxos_checker_create(void)
{
	static const struct consensus_checker_ops ops = {
		.check = check, .crashed = crashed, .wiped = wiped, .free = release};
	struct paxos_checker *c = ALLOC(struct paxos_checker);
	c->checker.ops = &ops;
	c->invariants = paxos_invariants_create();
	return &c->checker;
}
