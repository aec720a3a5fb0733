/*
 * What a replica can tell of itself, and of who leads, by looking at what it has: nothing here
 * changes anything. Its whole status: rsm_status().
 */
#include "rsm/internal.h"

bool rsm_is_leader(const struct rsm *rsm)
{
	return rsm->serving;
}

bool rsm_ready(const struct rsm *rsm)
{
	if (!rsm->started || !consensus_votes(rsm->core) || consensus_is_held(rsm->core) ||
	    rsm->restoring || rsm->state_lost || rsm->stopping || rsm->disk_watch.hung)
		return false;
	if (rsm->leading)
		return rsm->serving;
	return consensus_has_leader(rsm->core, node_now_us(rsm->node)) &&
	       rsm->applied + OPEN_SLOTS_MAX >= consensus_known_chosen(rsm->core);
}

uint64_t rsm_applied(const struct rsm *rsm)
{
	return rsm->applied;
}

bool rsm_disk_full(const struct rsm *rsm)
{
	return rsm->started && wal_full(rsm->wal);
}

uint64_t rsm_refused(const struct rsm *rsm)
{
	return rsm->refusals.count;
}

const struct consensus *rsm_core(const struct rsm *rsm)
{
	return rsm->started ? rsm->core : NULL;
}

bool rsm_scrubs(const struct rsm *rsm)
{
	return rsm->settings.scrub_interval_ms != 0;
}

uint64_t rsm_snapshots_installed(const struct rsm *rsm)
{
	return rsm->counters.snapshots_installed;
}

const struct rsm_divergence *rsm_diverged(const struct rsm *rsm)
{
	return rsm->hash.diverged;
}

uint64_t rsm_compared_slot(const struct rsm *rsm)
{
	return rsm->hash.compared_slot;
}

uint64_t rsm_undecided(const struct rsm *rsm)
{
	return rsm->hash.undecided;
}

bool rsm_has_state(const struct rsm *rsm)
{
	return rsm->started && !rsm->restoring && !rsm->state_lost;
}

uint64_t rsm_lived_us(const struct rsm *rsm)
{
	return rsm->group.lived_us;
}

const struct group_settings *rsm_settings_in_force(const struct rsm *rsm)
{
	return &rsm->group.settings;
}

/* NULL: not known, or who it is not known how to reach. */
const struct rsm_seat *told_leader(const struct rsm *rsm)
{
	uint32_t leader = rsm->core == NULL ? 0 : consensus_leader(rsm->core);
	uint32_t index = leader == 0 ? UINT32_MAX : rsm_seat(rsm, leader);
	return index == UINT32_MAX || rsm->seats[index].address == NULL ? NULL : &rsm->seats[index];
}

const char *rsm_leader_address(const struct rsm *rsm)
{
	const struct rsm_seat *leader = told_leader(rsm);
	return leader == NULL ? "" : leader->client_address;
}

const char *rsm_member_address(const struct rsm *rsm, const struct group_member *member)
{
	uint32_t index = rsm_seat(rsm, member->number);
	return index == UINT32_MAX || rsm->seats[index].client_address == NULL
		       ? member->address
		       : rsm->seats[index].client_address;
}
