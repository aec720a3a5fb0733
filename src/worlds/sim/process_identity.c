/*
 * Whose disk a process starts with: the same judgement as a daemon's (node/identity.h). And the ids
 * of groups, which must not change.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim/link.h"

void sim_process_identify(struct sim_process *process, const struct identity *identity)
{
	ASSERT(process->identity == NULL && process->disk != NULL);
	process->identity = ALLOC(struct identity);
	*process->identity = *identity;
}

int sim_process_claim(struct sim_process *process)
{
	if (process->identity == NULL)
		return 0;
	struct identity own = *process->identity;
	struct identity_claim claim = {.directory = process->name, .file = "the configuration"};
	bool created;
	own.life = process->env.life;
	if (process->misconfigured != NULL)
		own.members = *process->misconfigured;
	int status = identity_claim(process->env.disk, &claim, &own, &created, process->halt_reason,
				    sizeof process->halt_reason);
	if (status == 0)
		process->claimed = own;
	/* Files may have been exchanged. */
	if (status == 0 && process->env.life != 0)
		process->env.life = own.life;
	return status;
}

int sim_process_started(struct sim_process *process)
{
	struct identity *own = &process->claimed;
	if (process->identity == NULL || own->log)
		return 0;
	int status = identity_has_log(process->env.disk, own, &own->log);
	if (status == 0 && own->log)
		status = identity_write_now(process->env.disk, own);
	return status;
}

int sim_process_identified(struct sim_process *process, uint64_t group_id)
{
	if (process->group_id == 0)
		process->group_id = group_id;
	return process->group_id == group_id ? 0 : STATUS_IDENTITY;
}
