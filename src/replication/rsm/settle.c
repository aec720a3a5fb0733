/*
 * What a leader has to tell its group, so that every replica applies alike and a new leader knows
 * it: the settings that hold from here on, up to which id clients are registered elsewhere, and how
 * long leaders have lived (rsm/entry.h). And the same, as the log says it.
 */
#include <inttypes.h>

#include "rsm/internal.h"

/* ---- lived time ---- */

void settle_lived(struct rsm *rsm)
{
	uint64_t now_us = node_now_us(rsm->node);
	uint64_t step_us = now_us - rsm->lived_at_us,
		 most_us = rsm->settings.election_timeout_ms * 1000ull;
	rsm->lived_at_us = now_us;
	/*
	 * A process that stood still for longer has not lived through it, nor have its clients been
	 * able to speak to it.
	 */
	if (rsm->leading)
		rsm->lived_us += step_us < most_us ? step_us : most_us;
	if (!rsm->leading || rsm->lived_us < rsm->group.lived_us)
		rsm->lived_us = rsm->group.lived_us;
	/* What is proposed next makes no session younger. */
	ASSERT(rsm->lived_us >= rsm->group.lived_us);
}

/* ---- settings ---- */

/* Those that a new state has are everybody's; the first version's were each replica's own. */
static struct group_settings unsettled(const struct rsm *rsm)
{
	struct group_settings standard;
	group_settings_default(&standard);
	return rsm->group.inherited ? rsm->settings.group : standard;
}

void settle_limits(struct rsm *rsm)
{
	if (!rsm->group.settled)
		rsm->group.settings = unsettled(rsm);
	sessions_limit(&rsm->sessions, rsm->group.settings.sessions_max,
		       rsm->group.settings.session_idle_us);
}

void settle_entry(struct rsm *rsm, const struct entry_reader *reader)
{
	if (reader->lived_us > rsm->group.lived_us)
		rsm->group.lived_us = reader->lived_us;
	if (reader->format >= 3 || reader->time_us > rsm->time_us)
		rsm->time_us = reader->time_us;
	if (reader->format == 2 && !rsm->group.inherited) {
		rsm->group.inherited = true;
		settle_limits(rsm);
	}
}

/*
 * A service that divides its keys otherwise than its group would look for them in the wrong places.
 */
void settle_check_shards(struct rsm *rsm)
{
	uint64_t group = rsm->group.settings.shards, own = rsm->settings.group.shards;
	if (group != 0 && own != 0 && group != own)
		node_fatal(rsm->node, STATUS_CONFIG,
			   "this node is configured for %" PRIu64
			   " shards, and its group has %" PRIu64
			   ": the number of shards cannot be changed; put 'shards = %" PRIu64
			   "' into cluster.conf",
			   own, group, group);
}

static int apply_settings(struct rsm *rsm, struct slice body)
{
	struct group_settings settings = rsm->group.settings;
	uint64_t shards = rsm->group.settled ? settings.shards : 0;
	int status = group_settings_decode(&settings, body);
	if (status != 0)
		return status;
	if (shards != 0)
		settings.shards = shards;
	rsm->settings_changed |= group_settings_differ(&settings, &rsm->group.settings) != NULL;
	rsm->group.settings = settings;
	rsm->group.settled = true;
	settle_limits(rsm);
	settle_check_shards(rsm);
	return 0;
}

int settle_apply(struct rsm *rsm, const struct entry_command *command)
{
	uint64_t client;
	struct slice body = command->body;
	if (command->kind == ENTRY_SETTINGS)
		return apply_settings(rsm, body);
	if (command->kind != ENTRY_CLIENTS || !slice_take_u64(&body, &client) || body.len != 0)
		return STATUS_CORRUPT;
	sessions_registered(&rsm->sessions, client);
	return 0;
}

void settle_tell_now(struct rsm *rsm)
{
	/* Not while a log is replayed: what it says of the past is of no use to anybody. */
	if (!rsm_ready(rsm))
		return;
	rsm->settings_changed = false;
	for (size_t i = 0; i < GROUP_SETTINGS_COUNT; i++) {
		const struct group_setting *setting = &group_settings_table[i];
		uint64_t own = *group_setting_value(&rsm->settings.group, setting);
		uint64_t group = *group_setting_value(&rsm->group.settings, setting);
		if (own != group)
			log_event(rsm->log, LOG_WARN, "settings_differ",
				  "setting=%s own=%" PRIu64 " group=%" PRIu64
				  " meaning=\"the group follows its leader; give all its nodes the "
				  "same\"",
				  setting->name, own, group);
	}
}

/* ---- client ids ---- */

/* The highest id that counts as handed out for what is logged next. */
uint64_t settle_known_clients(const struct rsm *rsm)
{
	uint64_t mark = sessions_mark(&rsm->sessions);
	bool proposed = rsm->clients_ballot == consensus_epoch(rsm->core) && rsm->clients > mark;
	return proposed ? rsm->clients : mark;
}

uint64_t rsm_registered(const struct rsm *rsm)
{
	return rsm->sessions.next_client;
}

static void refuse(struct rsm *rsm, const struct requester *from,
		   const struct wire_command *command, const char *why)
{
	rsm->counters.refused++;
	answer_error(rsm, from, STATUS_SESSION_EXPIRED,
		     "client %" PRIu64 " sequence %" PRIu64 ": %s", command->client,
		     command->sequence, why);
}

bool settle_admit(struct rsm *rsm, const struct requester *from, const struct message *message,
		  const struct wire_command *command)
{
	enum session_judgement judgement = sessions_judge(&rsm->sessions, command->client,
							  command->sequence, command->acknowledged);
	if (judgement == SESSION_FINE ||
	    (judgement == SESSION_UNKNOWN && command->client <= settle_known_clients(rsm)))
		return true;
	if (judgement != SESSION_UNKNOWN)
		refuse(rsm, from, command, session_judgement_text(judgement));
	else if (rsm->options.unregistered != NULL)
		rsm->options.unregistered(rsm->options.context, from->link, message,
					  command->client);
	else if (!rsm->serving)
		/* Its registration may be among what this leader has not applied yet. */
		answer_error(rsm, from, STATUS_BUSY,
			     "this leader has just been elected and is catching up; try again");
	else
		refuse(rsm, from, command, session_judgement_text(judgement));
	return false;
}
