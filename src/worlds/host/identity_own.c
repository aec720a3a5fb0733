/* Who this process is, for those who only want to know. */
#include "host/identity_internal.h"

uint64_t host_cluster_id(const struct host *host)
{
	const struct host_identity *id = host->identity;
	return id->configured_id != 0 ? id->configured_id
				      : __atomic_load_n(&id->own.cluster_id, __ATOMIC_RELAXED);
}

struct identity_members *host_identity_members(struct host *host)
{
	return &host->identity->own.members;
}

const struct identity *host_identity_own(const struct host *host)
{
	return &host->identity->own;
}
