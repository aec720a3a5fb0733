/* Multi-Paxos behind the seam (core/consensus.h): its operations as a table, its messages by kind. */
#include "paxos/internal.h"

const struct paxos *paxos_of(const struct consensus *core)
{
	ASSERT(core == NULL || core->ops == &paxos_consensus);
	return (const struct paxos *)(const void *)core;
}

_Static_assert(offsetof(struct paxos, seam) == 0, "a core begins with what the seam sees");

/* No-ops stay: they are small, and a new leader needs one chosen before it may serve reads. */
static uint32_t keep_no_ops(struct wire_entry *entries, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++)
		if (entries[i].value.len == 0)
			entries[kept++] = entries[i];
	return kept;
}

void paxos_strip(const struct paxos *p, enum method method, union peer_message *message)
{
	struct wire_accept *m = &message->accept;
	(void)p;
	if (method == METHOD_CHOSEN) {
		struct wire_chosen *chosen = &message->chosen;
		chosen->nentries = keep_no_ops(chosen->entries, chosen->nentries);
		return;
	}
	ASSERT(method == METHOD_ACCEPT && m->nentries > 0);
	uint64_t first = m->entries[0].slot;
	m->nentries = keep_no_ops(m->entries, m->nentries);
	/* What is first now is not the first of its ballot: slots before it are missing here. */
	if (m->nentries == 0 || m->entries[0].slot != first)
		m->flags &= ~(uint32_t)PEER_FIRST;
}

static struct consensus *seam_create(const struct consensus_options *options, uint64_t base_slot)
{
	return &paxos_create(options, base_slot)->seam;
}

#define CALL(...) (p, ##__VA_ARGS__)
#define ASK(result, name, parameters, names) \
	static result seam_##name CONSENSUS_ASKED parameters \
	{ \
		const struct paxos *p = (const struct paxos *)(const void *)core; \
		return paxos_##name CALL names; \
	}
#define TELL(result, name, parameters, names) \
	static result seam_##name CONSENSUS_TOLD parameters \
	{ \
		struct paxos *p = (struct paxos *)(void *)core; \
		return paxos_##name CALL names; \
	}
#include "core/operations.h"
#undef ASK
#undef TELL

#define KIND(method, kind) .kinds[METHOD_##method - METHOD_PRE_VOTE] = CONSENSUS_KIND_##kind

const struct consensus_ops paxos_consensus = {
	.create = seam_create,
	KIND(PRE_VOTE, OTHER),
	KIND(PRE_VOTE_REPLY, OTHER),
	KIND(PREPARE, OTHER),
	KIND(PROMISE, PROMISE),
	KIND(ACCEPT, ENTRIES),
	KIND(ACCEPTED, ACCEPTED),
	KIND(REJECT, OTHER),
	KIND(FETCH, OTHER),
	KIND(CHOSEN, OTHER),
	KIND(TAKE_OVER, OTHER),
#define ASK(result, name, parameters, names) .name = seam_##name,
#define TELL(result, name, parameters, names) .name = seam_##name,
#include "core/operations.h"
#undef ASK
#undef TELL
};
