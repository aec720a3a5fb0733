/*
 * Who this process is to others, and who others are to it: ids, members, confirmations.
 *
 * CONFIRMATIONS. What replicas say to each other counts only if it comes from a replica. A
 * connection that this node has dialled leads to where the configuration says that the member
 * lives. One that it has accepted only claims a name. So every connection that a node dials bears a
 * nonce in its hello, and who accepts one in the name of a member (struct host_peer, `speaks`) asks
 * that member, along its own connection to it, whether the nonce is one of its own (IDENTITY).
 * Until the answer is there, the link is LINK_UNCONFIRMED: what comes along it is kept, up to a
 * limit, but for IDENTITY and PING, which are answered at once (or two nodes would wait for each
 * other). That costs one round trip when a connection is new, and nothing later. A nonce is known
 * to the two ends alone.
 *
 * IDS. The id of this node's group comes from its state (env identified()); from then on it is told
 * to others, but not before the file `identity` holds it durably. The id of the cluster is that of
 * the shard masters' group: the others take it from the first shard master that they dial and that
 * knows it. A client keeps to what it met first.
 *
 * LOST DIRECTORIES. A member that was heard to know the group's id has taken part. That is noted in
 * `identity`. If it comes again and does not know it, it has another directory than before, and has
 * forgotten what it promised: it is refused, and told so. It then gives up its vote at once, notes
 * that in `identity` ("lost = yes"), and only when that is durable its hello says so, and is no
 * longer refused. So a peer that remembers another directory never hears of this one's votes, and
 * whatever becomes of the process, the directory has none any more, until the group has bound its
 * life, which is another than that of the lost one (paxos/members.h; every hello bears it). A kind
 * of node that cannot do without its vote (no stop_voting; no role of today) ends instead.
 *
 * ANOTHER LIFE. A node that has found out that its directory is not what it was (env renew_life())
 * gets another life: at the start at once, later without waiting for the disk. It has no vote
 * meanwhile. When the new life is durable, connections to the other members are made anew, whose
 * hellos tell it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/id.h"
#include "host/identity_internal.h"
#include "wire/frame.h"
#include "wire/wire.h"

#define LEARN_PAUSE_US 500000ull  /* between two questions for the cluster's id */
#define WRITE_RETRY_US 1000000ull /* after a failure to write the file */

/* ---- writing the file ---- */

static void write_next(struct host_identity *id);

static void write_done(struct disk_request *request)
{
	struct host_identity *id = request->owner;
	if (request->status != 0 && !id->failed) {
		id->failed = true;
		log_event(id->host->log, LOG_WARN, "identity_not_written", "status=%s",
			  status_name(request->status));
	}
	if (id->step == WRITE_CREATE && request->status == 0)
		id->file = request->file;
	write_next(id);
}

static void submit(struct host_identity *id, enum write_step step, struct disk_request request)
{
	id->step = step;
	id->request = request;
	id->request.lane = DISK_LANE_BULK;
	id->request.callback = write_done;
	id->request.owner = id;
	disk_submit(id->host->env.disk, &id->request);
}

static void announce(struct host_identity *id);

/* Its peers hear of it in the hellos of new connections. */
static void begin_life(struct host_identity *id)
{
	struct host *host = id->host;
	size_t position = 0;
	uint64_t key;
	void *value;
	id->own.life = host->env.life = id->writing_life;
	id->next_life = id->writing_life = 0;
	id->renewed = true;
	while (map_next(&host->links, &position, &key, &value)) {
		struct link *link = value;
		if (link->dialled && (link->state == LINK_HELLO || link->state == LINK_OPEN))
			link_cut(link, "this node's directory has begun another life");
	}
}

static void write_over(struct host_identity *id)
{
	struct host *host = id->host;
	id->step = WRITE_NOTHING;
	/*
	 * Whether it could be written or not: who has told us that we are removed tells it again.
	 */
	if (id->writing_removed)
		members_leave(id);
	if (id->failed) {
		id->changed = true;
		if (!host->stopping)
			timers_set(&host->timers, &id->retry, host_now_us(host) + WRITE_RETRY_US);
		return;
	}
	id->durable_lost = id->writing_lost;
	if (id->writing_life != 0)
		begin_life(id);
	if (id->durable_group_id != id->writing_group_id) {
		id->durable_group_id = id->writing_group_id;
		announce(id);
	}
	if (id->changed && !host->stopping)
		write_next(id);
}

static void write_next(struct host_identity *id)
{
	struct identity next;
	switch (id->step) {
	case WRITE_NOTHING:
		id->changed = id->failed = false;
		id->writing_group_id = id->own.group_id;
		id->writing_lost = identity_lacks_vote(&id->own);
		id->writing_removed = id->own.removed || id->own.superseded != 0;
		buffer_clear(&id->text);
		next = id->own;
		id->writing_life = id->next_life;
		if (id->next_life != 0)
			next.life = id->next_life;
		identity_format(&next, &id->text);
		submit(id, WRITE_CREATE,
		       (struct disk_request){.operation = DISK_CREATE, .name = IDENTITY_FILE_NEW});
		break;
	case WRITE_CREATE:
		if (id->failed)
			write_over(id);
		else
			submit(id, WRITE_DATA,
			       (struct disk_request){.operation = DISK_WRITE_SYNC,
						     .file = id->file,
						     .data = id->text.data,
						     .len = id->text.len});
		break;
	case WRITE_DATA:
		submit(id, WRITE_CLOSE,
		       (struct disk_request){.operation = DISK_CLOSE, .file = id->file});
		break;
	case WRITE_CLOSE:
		if (id->failed)
			write_over(id);
		else
			submit(id, WRITE_RENAME,
			       (struct disk_request){.operation = DISK_RENAME,
						     .name = IDENTITY_FILE_NEW,
						     .new_name = IDENTITY_FILE});
		break;
	case WRITE_RENAME:
		if (id->failed)
			write_over(id);
		else
			submit(id, WRITE_DIRECTORY,
			       (struct disk_request){.operation = DISK_SYNC_DIRECTORY});
		break;
	case WRITE_DIRECTORY: write_over(id); break;
	}
}

static void on_retry(void *context)
{
	struct host_identity *id = context;
	if (id->step == WRITE_NOTHING)
		write_next(id);
}

/*
 * What is known has changed. Without a disk nothing outlives the process, and nothing has to be
 * waited for.
 */
void identity_note_change(struct host_identity *id)
{
	id->changed = true;
	if (id->host->env.disk == NULL || id->own.node[0] == '\0') {
		id->durable_lost = identity_lacks_vote(&id->own);
		if (id->durable_group_id != id->own.group_id) {
			id->durable_group_id = id->own.group_id;
			announce(id);
		}
		if (id->own.removed || id->own.superseded != 0)
			members_leave(id);
	} else if (id->step == WRITE_NOTHING && !timer_armed(&id->retry)) {
		write_next(id);
	}
}

/* ---- life ---- */

void host_identity_create(struct host *host, const struct host_options *options)
{
	struct host_identity *id = ALLOC(struct host_identity);
	host->identity = id;
	id->host = host;
	id->configured_id = options->cluster_id;
	timer_init(&id->retry, on_retry, id);
	members_init(id);
	if (options->identity != NULL)
		id->own = *options->identity;
	id->durable_group_id = id->own.group_id;
	id->durable_lost = identity_lacks_vote(&id->own);
	id->waits = options->waits;
}

#define LOST_MEANING \
	"this replica follows and catches up, and does not vote before its group has bound the " \
	"new directory, which it " \
	"does by itself (event=member_bound); never put an older copy of the directory in its " \
	"place (docs/operations.md)"

int host_identity_starting(struct host *host, char *error, size_t error_size)
{
	const struct identity *own = &host->identity->own;
	if (!identity_lacks_vote(own))
		return 0;
	if (host->node->ops->stop_voting == NULL) {
		snprintf(error, error_size,
			 "its directory replaces one that was lost, and a node of role %s cannot "
			 "run without its vote",
			 host->role);
		return STATUS_LOST_DIRECTORY;
	}
	host->node->ops->stop_voting(host->node);
	/*
	 * What was found out a moment ago has been said (lobby.c), and who was added has lost
	 * nothing.
	 */
	if (own->lost && own->log)
		log_event(host->log, LOG_WARN, "directory_lost",
			  "noted=before meaning=\"" LOST_MEANING "\"");
	return 0;
}

/* While others are served. */
static int renew_while_serving(struct host_identity *id)
{
	if (id->renewed) {
		id->renewed = false;
		return 0;
	}
	if (id->next_life == 0) {
		id->next_life = rng_next(&id->host->rng) | 1;
		id->own.lost = true;
		identity_note_change(id);
	}
	return STATUS_BUSY;
}

int host_identity_renew_life(struct host *host)
{
	struct host_identity *id = host->identity;
	struct identity renewed = id->own;
	if (id->own.life == 0 || host->env.disk == NULL || host->node->ops->stop_voting == NULL)
		return STATUS_LOST_DIRECTORY;
	if (id->serving)
		return renew_while_serving(id);
	renewed.life = rng_next(&host->rng) | 1;
	renewed.lost = true;
	int status = identity_write_now(host->env.disk, &renewed);
	if (status != 0)
		return status;
	id->own.life = host->env.life = renewed.life;
	id->own.lost = id->durable_lost = true;
	return 0;
}

void host_identity_free(struct host *host)
{
	if (host->identity == NULL)
		return;
	timers_cancel(&host->timers, &host->identity->retry);
	timers_cancel(&host->timers, &host->identity->leave);
	buffer_free(&host->identity->text);
	free(host->identity);
}

void host_identity_started(struct host *host)
{
	struct host_identity *id = host->identity;
	bool has_log = false;
	id->serving = true;
	if (id->own.log || id->own.node[0] == '\0' || host->env.disk == NULL ||
	    identity_has_log(host->env.disk, &id->own, &has_log) != 0 || !has_log)
		return;
	id->own.log = true;
	identity_note_change(id);
}

static bool is_master(const struct host *host)
{
	return strcmp(host->role, "shardmaster") == 0;
}

/* NULL: nobody known. */
static const struct peer *peer_of(const struct link *link)
{
	return link->peer == link->host->others ? NULL : link->peer;
}

/* ---- the cluster's id ---- */

/* Connections to others of the cluster's name that were accepted before this was known. */
static void cut_strangers(struct host *host)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&host->links, &position, &key, &value)) {
		struct link *link = value;
		if (link->cluster_id != 0 && link->cluster_id != host_cluster_id(host))
			link_cut(link, "belongs to another cluster of the same name");
	}
}

void identity_learn_cluster(struct host_identity *id, uint64_t cluster_id)
{
	char text[ID_TEXT_BYTES];
	if (cluster_id == 0 || id->own.cluster_id != 0)
		return;
	__atomic_store_n(&id->own.cluster_id, cluster_id, __ATOMIC_RELAXED);
	if (id->host->role[0] != '\0') {
		log_event(id->host->log, LOG_INFO, "cluster_id", "id=%s",
			  id_text(cluster_id, text));
		identity_note_change(id);
	}
	cut_strangers(id->host);
}

/* The shard masters need not be asked by a protocol of this node's own. */
static void ask_masters(struct host_identity *id)
{
	struct host *host = id->host;
	if (id->own.cluster_id != 0 || host->role[0] == '\0' || is_master(host))
		return;
	for (uint32_t i = 0; i < host->npeers; i++) {
		id->next_master = (id->next_master + 1) % host->npeers;
		if (!host->peers[id->next_master]->master)
			continue;
		host_identity_ask(map_get(&host->links,
					  dial_link(host, host->peers[id->next_master]->address)),
				  0);
		return;
	}
}

/* ---- IDENTITY ---- */

static void send_identity(struct link *link, enum message_kind kind,
			  const struct wire_identity *identity)
{
	struct buffer payload = {0};
	wire_identity_encode(identity, &payload);
	struct message message = {
		.kind = kind,
		.method = METHOD_IDENTITY,
		.timeout_ms = kind == MESSAGE_REQUEST ? link->host->settings.hello_timeout_ms : 0,
		.payload = buffer_slice(&payload),
	};
	link_append(link, &message);
	buffer_free(&payload);
}

static struct wire_identity ours(const struct host *host)
{
	const struct host_identity *id = host->identity;
	struct wire_identity identity = {.cluster_id = id->own.cluster_id,
					 .group_id = id->durable_group_id,
					 .members_slot = id->own.members.slot,
					 .generation = id->own.members.generation};
	for (uint32_t i = 0; i < id->own.members.count; i++)
		identity.seen |= (uint32_t)id->own.members.list[i].seen << i;
	return identity;
}

static void note_ids(struct link *link, const struct wire_identity *theirs)
{
	if (theirs->cluster_id != 0)
		link->cluster_id = theirs->cluster_id;
	if (theirs->group_id != 0)
		link->group_id = theirs->group_id;
	const struct identity_members *own = &link->host->identity->own.members;
	link->seen = theirs->members_slot == own->slot && theirs->generation == own->generation
			     ? theirs->seen
			     : 0;
}

void host_identity_ask(struct link *dialled, uint64_t nonce)
{
	struct host *host = dialled->host;
	if (dialled->state == LINK_OPEN) {
		struct wire_identity question = ours(host);
		question.nonce = nonce;
		send_identity(dialled, MESSAGE_REQUEST, &question);
	} else if (dialled->state == LINK_IDLE ||
		   (dialled->state == LINK_PAUSED && host_now_us(host) >= dialled->retry_us)) {
		dial_begin(dialled); /* and asked when it is open */
	}
}

/*
 * To the members that have not been heard to know the id: followers need not have spoken to each
 * other. What one hears, it has told as well: the question bears our ids, the answer theirs.
 */
static void announce(struct host_identity *id)
{
	struct host *host = id->host;
	if (id->durable_group_id == 0)
		return;
	for (uint32_t i = 0; i < host->npeers; i++) {
		const struct peer *peer = host->peers[i];
		const struct identity_member *member = identity_find_member(&id->own.members,
									    peer->name);
		if ((peer->speaks & SENDER_REPLICA) != 0 && peer->left_us == 0 &&
		    (member == NULL || !member->seen))
			host_identity_ask(map_get(&host->links, dial_link(host, peer->address)), 0);
	}
}

/* `link` is certain to lead to the node that it names. */
static void learn_from(struct link *link)
{
	struct host_identity *id = link->host->identity;
	const struct peer *peer = peer_of(link);
	if (peer != NULL && peer->master && link->dialled && !is_master(link->host))
		identity_learn_cluster(id, link->cluster_id);
	if ((link->may & SENDER_REPLICA) == 0 || link->group_id == 0 ||
	    link->group_id != id->own.group_id)
		return;
	/*
	 * What it has seen counts as well: those two may never have spoken to each other, or to us.
	 */
	bool more = false;
	for (uint32_t i = 0; i < id->own.members.count; i++) {
		struct identity_member *member = &id->own.members.list[i];
		bool seen = (link->seen >> i & 1) != 0 ||
			    strcmp(member->name, link->peer->name) == 0;
		if (strcmp(member->name, id->own.node) == 0)
			continue;
		more |= seen && !member->seen;
		member->seen |= seen;
	}
	if (more)
		identity_note_change(id);
}

/* Our own connection with that nonce to the node that asks. */
static bool opened(const struct link *asking, uint64_t nonce)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	if (nonce == 0)
		return false;
	while (map_next(&asking->host->dialled, &position, &key, &value)) {
		const struct link *link = value;
		if (link->peer == asking->peer && link->nonce == nonce &&
		    (link->state == LINK_HELLO || link->state == LINK_OPEN))
			return true;
	}
	return false;
}

void host_identity_question(struct link *link, const struct message *message)
{
	struct wire_identity question;
	arena_reset(&link->host->arena);
	if (wire_identity_decode(message->payload, &link->host->arena, &question) != 0) {
		link_reject(link, "a malformed question");
		return;
	}
	note_ids(link, &question);
	if (link->state == LINK_OPEN && !link->dialled)
		learn_from(link);
	struct wire_identity answer = ours(link->host);
	answer.nonce = question.nonce;
	answer.opened = opened(link, question.nonce);
	send_identity(link, MESSAGE_REPLY, &answer);
}

void host_identity_answer(struct link *link, const struct message *message)
{
	struct host *host = link->host;
	struct wire_identity answer;
	arena_reset(&host->arena);
	if (message->status != 0 ||
	    wire_identity_decode(message->payload, &host->arena, &answer) != 0)
		return;
	note_ids(link, &answer);
	learn_from(link);
	if (answer.nonce == 0)
		return;
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&host->links, &position, &key, &value)) {
		struct link *accepted = value;
		if (accepted->state != LINK_UNCONFIRMED || accepted->peer != link->peer ||
		    accepted->nonce != answer.nonce)
			continue;
		if (answer.opened)
			accepted->ops->confirmed(accepted);
		else
			link_reject(accepted, "the member whose name it bears has not opened it");
		return;
	}
}

void host_identity_opened(struct link *dialled)
{
	struct host *host = dialled->host;
	learn_from(dialled);
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&host->links, &position, &key, &value)) {
		struct link *link = value;
		if (link->state == LINK_UNCONFIRMED && link->peer == dialled->peer)
			host_identity_ask(dialled, link->nonce);
	}
	/* Ids that have become known after the other side has read the hello. */
	if ((dialled->may & SENDER_REPLICA) != 0)
		host_identity_ask(dialled, 0);
}

/* Our own link to the member in whose name this one was accepted. */
static struct link *dialled_to(const struct link *accepted)
{
	const struct peer *peer = peer_of(accepted);
	ASSERT(peer != NULL);
	return map_get(&accepted->host->links, dial_link(accepted->host, peer->address));
}

bool host_identity_accepted(struct link *link)
{
	const struct peer *peer = peer_of(link);
	link->may = SENDER_ANYBODY;
	if (peer == NULL || peer->speaks == 0 || link->waits)
		return true;
	link->may |= peer->speaks; /* once it is confirmed: until then nothing is delivered */
	return false;
}

void host_identity_unconfirmed(struct link *link)
{
	host_identity_ask(dialled_to(link), link->nonce);
}

void host_identity_confirmed(struct link *link)
{
	learn_from(link);
}

void host_identity_tick(struct host *host, uint64_t now_us)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	if (now_us >= host->identity->learn_after_us) {
		host->identity->learn_after_us = now_us + LEARN_PAUSE_US;
		ask_masters(host->identity);
		announce(host->identity);
	}
	while (map_next(&host->links, &position, &key, &value)) {
		struct link *link = value;
		/* The link to the member is there since its hello: none is added while we walk. */
		if (link->state == LINK_UNCONFIRMED && dialled_to(link)->state != LINK_OPEN)
			host_identity_ask(dialled_to(link), link->nonce);
	}
}

/* ---- what the node's state says ---- */

int host_identity_of_group(struct host *host, uint64_t group_id)
{
	struct host_identity *id = host->identity;
	char here[ID_TEXT_BYTES], there[ID_TEXT_BYTES];
	uint64_t cluster_id = is_master(host) ? group_id : 0;
	if (id->own.group_id != 0 && id->own.group_id != group_id) {
		log_event(host->log, LOG_ERROR, "identity_differs",
			  "why=\"the directory's file identity names the group with id %s, its log "
			  "and snapshots "
			  "are of the one with "
			  "id %s: they are not from one directory\"",
			  id_text(id->own.group_id, here), id_text(group_id, there));
		return STATUS_IDENTITY;
	}
	if (cluster_id != 0 && id->configured_id != 0 && id->configured_id != cluster_id) {
		log_event(host->log, LOG_ERROR, "identity_differs",
			  "why=\"the configuration says that the cluster has id %s, these shard "
			  "masters have id "
			  "%s: another cluster of "
			  "the same name, or its shard masters have lost their directories\"",
			  id_text(id->configured_id, here), id_text(cluster_id, there));
		return STATUS_IDENTITY;
	}
	if (id->own.group_id == group_id)
		return 0;
	id->own.group_id = group_id;
	log_event(host->log, LOG_INFO, "group_id", "id=%s", id_text(group_id, here));
	if (cluster_id != 0)
		identity_learn_cluster(id, cluster_id);
	identity_note_change(id);
	host_peers_follow(host);
	return 0;
}

void host_identity_lost(struct host *host, const char *text)
{
	struct host_identity *id = host->identity;
	char quoted[1200];
	/*
	 * Only who has not yet a group can be told so; and only by a member that it has asked
	 * itself.
	 */
	if (id->own.group_id != 0 || identity_lacks_vote(&id->own))
		return;
	if (host->node->ops->stop_voting != NULL) {
		id->own.lost = true;
		host->node->ops->stop_voting(host->node);
		host->input_due = true;
		host_touch(host);
		log_event(host->log, LOG_ERROR, "directory_lost",
			  "why=%s meaning=\"" LOST_MEANING "\"",
			  log_quote(quoted, sizeof quoted, slice_string(text)));
		identity_note_change(id);
		return;
	}
	log_event(host->log, LOG_ERROR, "fatal", "status=%s why=%s",
		  status_name(STATUS_LOST_DIRECTORY),
		  log_quote(quoted, sizeof quoted, slice_string(text)));
	fprintf(stderr, "%s: %s\n", host->name, text);
	tracing_flush(host);
	_exit(HOST_EXIT_LOST);
}
