/* How a log becomes that of another generation: the rules stand in rsm/force.h, THE LOG. */
#include <inttypes.h>

#include "rsm/internal.h"

void force_replayed(struct rsm *rsm, uint64_t slot, uint64_t ballot, struct slice value)
{
	struct group_members list;
	if (value.len < 4 || load_u32(value.data) != ENTRY_FORMAT_MEMBERS ||
	    !members_list_of_value(value, &list) || !list.begins)
		return;
	consensus_restore_cut(rsm->core, slot, ballot);
}

static int refuse(struct rsm *rsm, const char *why)
{
	node_problem(rsm->node,
		     "the group is to go on from here as generation %" PRIu32
		     " (kvctl member force), and that is not possible any more: %s; "
		     "leave the files as they are",
		     rsm->options.force, why);
	log_event(rsm->log, LOG_ERROR, "force_refused",
		  "group=%" PRIu64 " generation=%" PRIu32 " why=\"%s\"", rsm->options.group,
		  rsm->options.force, why);
	return STATUS_CORRUPT;
}

static const char *why_not(struct rsm *rsm)
{
	const struct group_member *own = members_find(&rsm->members, rsm->options.replica);
	if (rsm->members.slot == 0)
		return "its log does not say who the members are";
	if (rsm->members.generation + 1 != rsm->options.force)
		return "its log is of an even earlier generation";
	if (own == NULL || own->role != MEMBER_VOTER || own->life != rsm->node->env->life)
		return "this directory has no vote";
	if (rsm->state_lost || rsm->damage.first != 0 || consensus_impaired(rsm->core) != 0)
		return "its log or its snapshot is damaged";
	return NULL;
}

/*
 * A list that begins the generation, from an attempt that did not come to its end, ends what is
 * kept.
 */
static bool begins(struct rsm *rsm, uint64_t slot)
{
	struct bytes *value;
	struct group_members list;
	return consensus_accepted(rsm->core, slot, &value) && value != NULL &&
	       members_list_of_value(bytes_slice(value), &list) && list.begins &&
	       list.generation == rsm->options.force;
}

uint64_t force_last_slot(const struct rsm *rsm)
{
	uint64_t slot = consensus_chosen_slot(rsm->core);
	struct bytes *value;
	while (consensus_accepted(rsm->core, slot + 1, &value))
		slot++;
	return slot;
}

static uint64_t append(struct rsm *rsm, const struct wal_record *record)
{
	wal_position position;
	uint64_t sequence = wal_append(rsm->wal, record, &position);
	rsm->log_bytes += WAL_RECORD_BYTES + record->payload.len;
	if (record->type == WAL_ACCEPT)
		log_index_set(&rsm->index, record->slot, position);
	return sequence;
}

/* The list of the survivor alone. */
static void make_entry(struct rsm *rsm, uint64_t ballot, struct buffer *entry)
{
	struct group_members list = {.base = rsm->members.slot,
				     .generation = rsm->options.force,
				     .begins = true,
				     .next_number = rsm->members.next_number,
				     .count = 1};
	struct buffer body = {0};
	list.list[0] = *members_find(&rsm->members, rsm->options.replica);
	members_encode_body(&list, &body);
	entry_begin(entry);
	entry_add(entry,
		  &(struct entry_command){.kind = ENTRY_MEMBERS, .body = buffer_slice(&body)});
	entry_finish(entry, 1, rsm->time_us, rsm->group.lived_us, ballot);
	store_u32(entry->data, ENTRY_FORMAT_MEMBERS);
	buffer_free(&body);
}

static void begin(struct rsm *rsm, uint64_t slot)
{
	const struct group_member *own = members_find(&rsm->members, rsm->options.replica);
	uint64_t ballot = ballot_make_bound(ballot_round(consensus_epoch(rsm->core)) + 1,
					    own->binding, own->number);
	struct buffer entry = {0};
	make_entry(rsm, ballot, &entry);
	append(rsm, &(struct wal_record){.type = WAL_ACCEPT,
					 .slot = slot,
					 .ballot = ballot,
					 .payload = buffer_slice(&entry)});
	consensus_restore_entry(rsm->core, slot, ballot, buffer_slice(&entry));
	consensus_restore_cut(rsm->core, slot, ballot);
	buffer_free(&entry);
}

int force_recover(struct rsm *rsm)
{
	struct consensus *p = rsm->core;
	/*
	 * Those of the directory's list, which may be ahead of the log of one who has been added.
	 */
	if (rsm->options.generation > rsm->generation)
		rsm->generation = rsm->options.generation;
	if (rsm->options.force == 0 || rsm->members.generation >= rsm->options.force)
		return 0;
	uint64_t slot = consensus_chosen_slot(p);
	struct bytes *value;
	while (consensus_accepted(p, slot + 1, &value) && !begins(rsm, slot + 1))
		slot++;
	/* What the slots that are taken for chosen say of the members counts first. */
	uint64_t known = consensus_chosen_slot(p);
	consensus_restore_chosen(p, slot);
	const char *why = why_not(rsm);
	if (why != NULL)
		return refuse(rsm, why);
	if (!begins(rsm, slot + 1))
		begin(rsm, slot + 1);
	rsm->force.begun = append(rsm, &(struct wal_record){.type = WAL_PROMISE,
							    .slot = slot + 1,
							    .ballot = consensus_epoch(p)});
	consensus_restore_chosen(p, slot + 1);
	ASSERT(rsm->members.generation == rsm->options.force);
	log_event(rsm->log, LOG_WARN, "generation_begun",
		  "group=%" PRIu64 " generation=%" PRIu32 " slot=%" PRIu64 " chosen_before=%" PRIu64
		  " meaning=\"the group has lost its majority, and goes on with this replica alone "
		  "(kvctl member "
		  "force)\"",
		  rsm->options.group, rsm->generation, slot + 1, known);
	return 0;
}
