/* paxosd: one peer of the agreement service and one replica of the log service. */
#include "paxoslog/paxosd.h"
#include "daemon/daemon_rsm.h"

static struct agreement_settings agreement_settings(const struct settings *from)
{
	struct agreement_settings settings;
	agreement_settings_default(&settings);
	settings.wal_segment_bytes = from->wal_segment_bytes;
	settings.bytes_max = from->agreement_bytes_max;
	settings.instances_max = from->agreement_instances_max;
	settings.value_bytes_max = (uint32_t)from->value_bytes_max;
	settings.retry_ms = (uint32_t)from->agreement_retry_ms;
	settings.disk_ms = (uint32_t)from->election_timeout_ms;
	settings.backoff_ms = (uint32_t)from->agreement_backoff_ms;
	return settings;
}

static struct node *create(const struct daemon *daemon)
{
	struct paxosd_options options = {
		.env = daemon->env,
		.log = daemon->log,
		.cluster = daemon->conf->name,
		.name = daemon->self->name,
		.version = daemon->version,
		.nshards = daemon->conf->shards,
		.replica = daemon->identity->replica,
		.members_slot = daemon->identity->members.slot,
		.joining = identity_lacks_vote(daemon->identity) &&
			   daemon->identity->members.slot != 0,
		.settings = daemon_rsm_settings(daemon),
		.agreement = agreement_settings(&daemon->settings),
		.paxoslog = {.bytes_max = daemon->settings.log_values_bytes_max,
			     .value_bytes_max = (uint32_t)daemon->settings.value_bytes_max},
	};
	options.nmembers = daemon_rsm_members(daemon, options.members);
	options.nmasters = daemon_rsm_addresses(daemon, ROLE_SHARDMASTER, 0, options.masters);
	return paxosd_create(&options);
}

int main(int argc, char **argv)
{
	static const struct daemon_kind kind = {
		.program = "paxosd",
		.summary =
			"One peer of the agreement service, and one replica of the replicated log.",
		.role = ROLE_PAXOS,
		.create = create,
	};
	return daemon_main(&kind, argc, argv);
}
