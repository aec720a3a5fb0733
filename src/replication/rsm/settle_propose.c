/* What the leader proposes so that its group knows it (settle.c): settings, client ids. */
#include "rsm/internal.h"

/* False: they are not the group's, and could not be proposed either. */
static bool propose_settings(struct rsm *rsm, uint64_t ballot)
{
	bool known = rsm->group.settled || !rsm->group.inherited;
	if (rsm->settings_ballot == ballot ||
	    (known && group_settings_differ(&rsm->settings.group, &rsm->group.settings) == NULL))
		return true;
	struct buffer body = {0};
	rsm->settings_ballot = ballot;
	group_settings_encode(&rsm->settings.group, &body);
	if (!requests_add_own(rsm, ENTRY_SETTINGS, buffer_slice(&body)))
		rsm->settings_ballot = 0;
	buffer_free(&body);
	return rsm->settings_ballot == ballot;
}

static bool propose_clients(struct rsm *rsm, uint64_t ballot, uint64_t highest)
{
	uint8_t body[8];
	store_u64(body, highest);
	rsm->clients_ballot = ballot;
	rsm->clients = highest;
	if (requests_add_own(rsm, ENTRY_CLIENTS, slice(body, sizeof body)))
		return true;
	rsm->clients_ballot = 0;
	return false;
}

bool rsm_clients(struct rsm *rsm, uint64_t highest)
{
	if (!rsm->started || consensus_role(rsm->core) != CONSENSUS_LEADER || rsm->stopping ||
	    wal_full(rsm->wal) || highest > ENTRY_CLIENT_MAX)
		return false;
	return highest <= settle_known_clients(rsm) ||
	       propose_clients(rsm, consensus_epoch(rsm->core), highest);
}

void settle_propose_now(struct rsm *rsm, uint64_t ballot)
{
	if (rsm->state_lost || rsm->restoring || wal_full(rsm->wal))
		return;
	bool told = propose_settings(rsm, ballot);
	/*
	 * What the first version believed of clients that nobody registered has to be put right
	 * once.
	 */
	if (rsm->group.inherited && rsm->sessions.registered == 0 &&
	    rsm->options.unregistered == NULL && rsm->clients_ballot != ballot)
		told &= propose_clients(
			rsm, ballot, rsm->sessions.next_client > 0 ? rsm->sessions.next_client : 1);
	/*
	 * While it serves, everything that others have proposed is applied, and what comes is ours.
	 */
	if (told && rsm->serving)
		rsm->told_ballot = ballot;
}
