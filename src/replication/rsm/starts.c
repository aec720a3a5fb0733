/* Claims and memories of starts: the judgement, and their encodings. */
#include "rsm/starts.h"

#include <string.h>

#include "core/ballot.h"
#include "core/consensus.h"

/* ---- the judgement ---- */

enum start_gap starts_judge(const struct start_memory *memory, const struct start_claim *claim)
{
	const struct start_chain *chain = &claim->chain;
	/* The process that is remembered: what was seen of it since is no more than it knows. */
	if (chain->listed > 0 && memory->nonce == chain->nonces[0])
		return START_GAP_NONE;
	if (memory->root != 0 && memory->root == chain->root) {
		uint64_t ago = chain->count - memory->count;
		if (memory->count > chain->count ||
		    (ago < chain->listed && chain->nonces[ago] != memory->nonce))
			return START_GAP_START;
	}
	if (memory->promised > claim->promised)
		return START_GAP_PROMISE;
	if (memory->last > claim->last)
		return START_GAP_ACCEPTED;
	return memory->beside > claim->beside ? START_GAP_BESIDE : START_GAP_NONE;
}

const char *start_gap_text(enum start_gap gap)
{
	static const char *const texts[] = {
		[START_GAP_NONE] = "nothing",
		[START_GAP_START] = "a later start",
		[START_GAP_PROMISE] = "a later promise",
		[START_GAP_ACCEPTED] = "acknowledged entries",
		[START_GAP_LIFE] = "a later life",
		[START_GAP_BESIDE] = "a part of the log of agreements",
	};
	return texts[gap];
}

/* ---- the memory ---- */

struct start_memory *starts_find(struct starts *starts, uint32_t replica, uint64_t life)
{
	for (uint32_t i = 0; i < starts->count; i++)
		if (starts->list[i].replica == replica && starts->list[i].life == life)
			return &starts->list[i];
	return NULL;
}

uint64_t starts_last(const struct starts *starts, uint32_t replica, uint64_t life)
{
	for (uint32_t i = 0; i < starts->count; i++)
		if (starts->list[i].replica == replica && starts->list[i].life == life)
			return starts->list[i].last;
	return 0;
}

static void forget(struct starts *starts, uint32_t i)
{
	starts->count--;
	memmove(&starts->list[i], &starts->list[i + 1],
		(starts->count - i) * sizeof starts->list[0]);
}

static uint32_t lives_of(const struct starts *starts, uint32_t replica)
{
	uint32_t lives = 0;
	for (uint32_t i = 0; i < starts->count; i++)
		lives += starts->list[i].replica == replica;
	return lives;
}

struct start_memory *starts_get(struct starts *starts, uint32_t replica, uint64_t life,
				uint64_t bound)
{
	struct start_memory *present = starts_find(starts, replica, life);
	uint32_t oldest = UINT32_MAX;
	if (present != NULL)
		return present;
	for (uint32_t i = 0; i < starts->count && oldest == UINT32_MAX; i++)
		if (starts->list[i].replica == replica && starts->list[i].life != bound)
			oldest = i;
	if (lives_of(starts, replica) >= STARTS_LIVES_MAX && oldest != UINT32_MAX)
		forget(starts, oldest);
	if (starts->count == STARTS_MAX)
		forget(starts, 0);
	struct start_memory *memory = &starts->list[starts->count++];
	*memory = (struct start_memory){.replica = replica, .life = life};
	return memory;
}

bool starts_forget(struct starts *starts, uint32_t replica)
{
	uint32_t before = starts->count;
	for (uint32_t i = starts->count; i-- > 0;)
		if (starts->list[i].replica == replica)
			forget(starts, i);
	return starts->count < before;
}

void starts_accept(struct start_memory *memory, const struct start_claim *claim)
{
	memory->root = claim->chain.root;
	memory->count = claim->chain.count;
	memory->nonce = claim->chain.nonces[0];
	memory->before = claim->chain.listed > 1 ? claim->chain.nonces[1] : 0;
	memory->found_promised = claim->promised;
	memory->found_last = claim->last;
	memory->found_beside = claim->beside;
}

static bool raise(struct start_memory *own, const struct start_memory *theirs)
{
	bool more = theirs->promised > own->promised || theirs->last > own->last ||
		    theirs->beside > own->beside;
	own->promised = theirs->promised > own->promised ? theirs->promised : own->promised;
	own->last = theirs->last > own->last ? theirs->last : own->last;
	own->beside = theirs->beside > own->beside ? theirs->beside : own->beside;
	return more;
}

static bool is_next(const struct start_memory *own, const struct start_memory *theirs)
{
	return theirs->count == own->count + 1 && theirs->before == own->nonce &&
	       theirs->found_promised >= own->promised && theirs->found_last >= own->last &&
	       theirs->found_beside >= own->beside;
}

enum starts_told starts_tell(struct starts *starts, const struct start_memory *theirs,
			     uint64_t bound)
{
	struct start_memory *own = starts_find(starts, theirs->replica, theirs->life);
	if (own == NULL) {
		/* A former life, perhaps, that a copy still remembers. */
		if (theirs->life != bound && lives_of(starts, theirs->replica) >= STARTS_LIVES_MAX)
			return STARTS_TOLD_NOTHING;
		*starts_get(starts, theirs->replica, theirs->life, bound) = *theirs;
		return STARTS_TOLD_MORE;
	}
	if (own->nonce == theirs->nonce)
		return raise(own, theirs) ? STARTS_TOLD_MORE : STARTS_TOLD_NOTHING;
	if (own->root == 0 || own->root != theirs->root || theirs->count < own->count)
		return STARTS_TOLD_NOTHING;
	if (!is_next(own, theirs))
		return STARTS_TOLD_OTHER;
	struct start_memory earlier = *own;
	*own = *theirs;
	raise(own, &earlier);
	return STARTS_TOLD_MORE;
}

/* ---- the encoding ---- */

/* Instead of a replica's number. */
#define BESIDE UINT32_MAX

void start_claim_encode(const struct start_claim *claim, struct buffer *out)
{
	const struct start_chain *chain = &claim->chain;
	buffer_add_u64(out, chain->life);
	buffer_add_u64(out, chain->root);
	buffer_add_u64(out, chain->count);
	buffer_add_u64(out, claim->promised);
	buffer_add_u64(out, claim->last);
	buffer_add_u32(out, chain->listed);
	for (uint32_t i = 0; i < chain->listed; i++)
		buffer_add_u64(out, chain->nonces[i]);
	if (claim->beside != 0)
		buffer_add_u64(out, claim->beside);
}

static bool is_possible(uint64_t ballot, uint64_t slot)
{
	return ballot_round(ballot) <= BALLOT_ROUND_MAX && slot <= SLOT_MAX;
}

int start_claim_decode(struct start_claim *claim, struct slice in)
{
	struct start_chain *chain = &claim->chain;
	*claim = (struct start_claim){0};
	if (!slice_take_u64(&in, &chain->life) || !slice_take_u64(&in, &chain->root) ||
	    !slice_take_u64(&in, &chain->count) || !slice_take_u64(&in, &claim->promised) ||
	    !slice_take_u64(&in, &claim->last) || !slice_take_u32(&in, &chain->listed))
		return STATUS_CORRUPT;
	if (chain->life == 0 || chain->listed == 0 || chain->listed > STARTS_LISTED ||
	    !is_possible(claim->promised, claim->last))
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < chain->listed; i++)
		if (!slice_take_u64(&in, &chain->nonces[i]) || chain->nonces[i] == 0)
			return STATUS_CORRUPT;
	if (in.len > 0 && (!slice_take_u64(&in, &claim->beside) || claim->beside == 0))
		return STATUS_CORRUPT;
	return in.len == 0 ? 0 : STATUS_CORRUPT;
}

void starts_encode(const struct starts *starts, struct buffer *out)
{
	for (uint32_t i = 0; i < starts->count; i++) {
		const struct start_memory *m = &starts->list[i];
		const uint64_t numbers[] = {m->life,       m->root,     m->count,
					    m->nonce,      m->before,   m->found_promised,
					    m->found_last, m->promised, m->last};
		buffer_add_u32(out, m->replica);
		for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
			buffer_add_u64(out, numbers[k]);
	}
	bool any = false;
	for (uint32_t i = 0; i < starts->count; i++) {
		const struct start_memory *m = &starts->list[i];
		if ((m->found_beside | m->beside) == 0)
			continue;
		if (!any)
			buffer_add_u32(out, BESIDE);
		any = true;
		buffer_add_u32(out, i);
		buffer_add_u64(out, m->found_beside);
		buffer_add_u64(out, m->beside);
	}
}

static bool take_memory(struct slice *in, struct start_memory *m)
{
	return slice_take_u32(in, &m->replica) && slice_take_u64(in, &m->life) &&
	       slice_take_u64(in, &m->root) && slice_take_u64(in, &m->count) &&
	       slice_take_u64(in, &m->nonce) && slice_take_u64(in, &m->before) &&
	       slice_take_u64(in, &m->found_promised) && slice_take_u64(in, &m->found_last) &&
	       slice_take_u64(in, &m->promised) && slice_take_u64(in, &m->last);
}

static int decode_beside(struct starts *starts, struct slice in)
{
	uint32_t next = 0, i;
	while (in.len > 0) {
		if (!slice_take_u32(&in, &i) || i < next || i >= starts->count ||
		    !slice_take_u64(&in, &starts->list[i].found_beside) ||
		    !slice_take_u64(&in, &starts->list[i].beside))
			return STATUS_CORRUPT;
		next = i + 1;
	}
	return next == 0 ? STATUS_CORRUPT : 0;
}

int starts_decode(struct starts *starts, struct slice in)
{
	*starts = (struct starts){0};
	while (in.len > 0) {
		struct start_memory m = {0};
		struct slice rest = in;
		uint32_t what;
		if (slice_take_u32(&rest, &what) && what == BESIDE)
			return decode_beside(starts, rest);
		if (starts->count == STARTS_MAX || !take_memory(&in, &m) || m.life == 0 ||
		    m.nonce == 0 || !is_possible(m.found_promised, m.found_last) ||
		    !is_possible(m.promised, m.last) ||
		    starts_find(starts, m.replica, m.life) != NULL)
			return STATUS_CORRUPT;
		starts->list[starts->count++] = m;
	}
	return 0;
}
