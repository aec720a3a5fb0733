/* Changes of members that must be refused. */
#include "refused_changes.h"

#include "base/rng.h"
#include "rsm/members.h"

static void later(struct refused_changes *changes)
{
	struct sim_world *world = changes->scene->world;
	sim_world_timer_set(world, &changes->timer,
			    world->now_us + rng_below(&changes->rng, 2 * changes->mean_us + 1));
}

static void answered(struct client_request *request, const struct synod_reply *reply,
		     struct slice payload)
{
	struct refused_changes *changes = request->context;
	(void)payload;
	switch (reply->status) {
	case SYNOD_DENIED:
	case SYNOD_UNAVAILABLE:
	case SYNOD_UNKNOWN:
	case SYNOD_CLOSED: break;
	default:
		scene_fail(changes->scene, VERDICT_SAFETY,
			   "a paxosd that was asked to change its members answered %s: %s",
			   synod_status_text(reply->status), reply->message);
		break;
	}
}

static void ask(void *data, struct node *node)
{
	struct refused_changes *changes = data;
	struct rng *rng = &changes->rng;
	struct synod_member_change change = {
		.op = (enum synod_member_op)rng_range(rng, SYNOD_MEMBER_ADD, SYNOD_MEMBER_PROMOTE)};
	struct client_request *request;
	(void)node;
	if (change.op == SYNOD_MEMBER_ADD || change.op == SYNOD_MEMBER_REPLACE) {
		change.name = "stranger";
		change.address = "stranger:7000";
	}
	if (change.op != SYNOD_MEMBER_ADD)
		change.number = (uint32_t)rng_range(rng, 1, changes->npeers);
	int status = client_request_change(&request, changes->addresses, changes->npeers, &change);
	ASSERT(status == 0);
	request->timeout_ms = 1000;
	request->done = answered;
	request->context = changes;
	client_submit(changes->load->actors[changes->actor].client->client, request);
}

static void due(void *data)
{
	struct refused_changes *changes = data;
	later(changes);
	changes->actor = (uint32_t)rng_below(&changes->rng, changes->load->nactors);
	struct sim_process *process = changes->load->actors[changes->actor].process;
	if (process->state != SIM_RUNNING || process->call != NULL)
		return;
	sim_trace_note(&changes->scene->world->trace, "paxosds are asked to change their members");
	sim_process_call(process, ask, changes);
}

void refused_changes_init(struct refused_changes *changes, struct agreement_load *load,
			  const char *const *addresses, uint32_t npeers)
{
	struct scene *scene = load->scene;
	*changes = (struct refused_changes){
		.scene = scene, .load = load, .addresses = addresses, .npeers = npeers};
	rng_seed(&changes->rng, scene->options->seed ^ 0x72656675736564ull);
	timer_init(&changes->timer, due, changes);
	changes->mean_us = scene->world->options.nemesis.replace_mean_us;
	if (changes->mean_us > 0)
		later(changes);
}

void refused_changes_stop(struct refused_changes *changes)
{
	sim_world_timer_cancel(changes->scene->world, &changes->timer);
}

void refused_changes_check(struct refused_changes *changes, const struct scene_replica *replica)
{
	const struct rsm *rsm = sim_process_alive(replica->process)
					? scene_rsm_of(changes->scene, replica)
					: NULL;
	const struct group_members *members = rsm == NULL ? NULL : rsm_members(rsm);
	if (members == NULL || members->slot == 0)
		return;
	bool same = members->count == changes->npeers;
	for (uint32_t i = 0; same && i < members->count; i++)
		same = members->list[i].number == i + 1 && members->list[i].role == MEMBER_VOTER;
	if (!same)
		scene_fail(changes->scene, VERDICT_SAFETY,
			   "%s knows other members than those of the beginning",
			   replica->process->name);
}
