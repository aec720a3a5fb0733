/* Single-decree Paxos (Paxos Made Simple, section 2): acceptor and proposer of one instance. */
#include "paxos/synod.h"

bool synod_acceptor_prepare(struct synod_acceptor *a, uint64_t ballot)
{
	ASSERT(a->accepted <= a->promised);
	/* Phase 1b: only to one that is greater than all before. */
	if (ballot <= a->promised)
		return false;
	a->promised = ballot;
	return true;
}

bool synod_acceptor_accept(struct synod_acceptor *a, uint64_t ballot, struct bytes *value)
{
	ASSERT(a->accepted <= a->promised);
	/* P1a: unless it has promised a greater one. */
	if (ballot < a->promised)
		return false;
	if (value != NULL)
		bytes_ref(value);
	bytes_unref(a->value);
	a->promised = ballot;
	a->accepted = ballot;
	a->value = value;
	return true;
}

void synod_acceptor_free(struct synod_acceptor *a)
{
	bytes_unref(a->value);
	*a = (struct synod_acceptor){0};
}

void synod_proposer_init(struct synod_proposer *p, uint32_t nmembers)
{
	ASSERT(nmembers > 0 && nmembers <= 32);
	*p = (struct synod_proposer){.nmembers = nmembers};
}

static void set_value(struct synod_proposer *p, struct bytes *value)
{
	if (value != NULL)
		bytes_ref(value);
	bytes_unref(p->value);
	p->value = value;
}

void synod_proposer_start(struct synod_proposer *p, uint64_t ballot, struct bytes *wish)
{
	ASSERT(ballot > p->ballot);
	ASSERT(p->phase != SYNOD_CHOSEN);
	p->phase = SYNOD_PREPARING;
	p->ballot = ballot;
	p->promises = p->accepts = 0;
	p->best = 0;
	set_value(p, wish);
}

void synod_proposer_start_lowest(struct synod_proposer *p, uint64_t ballot, struct bytes *wish)
{
	ASSERT(p->ballot == 0);
	synod_proposer_start(p, ballot, wish);
	p->phase = SYNOD_ACCEPTING;
}

bool synod_proposer_promise(struct synod_proposer *p, uint32_t member, uint64_t ballot,
			    uint64_t accepted, struct bytes *value)
{
	ASSERT(member < p->nmembers);
	if (p->phase != SYNOD_PREPARING || ballot != p->ballot)
		return false;
	ASSERT(accepted < ballot);
	/* P2c: the value of the highest-numbered proposal among the promises, if there is any. */
	if (accepted > p->best) {
		p->best = accepted;
		set_value(p, value);
	}
	p->promises |= 1u << member;
	if (!synod_is_quorum(p->promises, p->nmembers))
		return false;
	p->phase = SYNOD_ACCEPTING;
	return true;
}

bool synod_proposer_accepted(struct synod_proposer *p, uint32_t member, uint64_t ballot)
{
	ASSERT(member < p->nmembers);
	if (p->phase != SYNOD_ACCEPTING || ballot != p->ballot)
		return false;
	p->accepts |= 1u << member;
	/* Section 2.2: chosen is what a majority has accepted. */
	if (!synod_is_quorum(p->accepts, p->nmembers))
		return false;
	ASSERT(p->best < p->ballot);
	p->phase = SYNOD_CHOSEN;
	return true;
}

void synod_proposer_free(struct synod_proposer *p)
{
	bytes_unref(p->value);
	*p = (struct synod_proposer){0};
}
