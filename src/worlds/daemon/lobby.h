/*
 * The lobby: the node that a daemon runs while it is not known whether, or as which member, it is a
 * replica of its group. It asks the other nodes of the group (MEMBERS), is asked by them, and
 * answers STATUS. Nothing is promised here, and nothing written: what has become clear is told once
 * (`over`), and the daemon starts anew with it.
 *
 * WITHOUT A LOG (an empty directory) there are four possibilities, and the others tell them apart:
 *
 *   somebody knows the group, and its list has this name    the directory replaces one that was
 *                                                           lost, or the node has been
 *                                                            added: LOBBY_MEMBER, without a vote
 *                                                            (identity `lost`)
 *   … and its list does not have it                         the node is JOINING: it says what to
 *                                                           type, and waits until the list has
 *                                                            it, or a leader sends WELCOME:
 *                                                            LOBBY_MEMBER. But LOBBY_REFUSED if its
 *                                                            configuration lacks one of the list:
 *                                                            with that it could not start then
 *   nobody knows it, and all others have said so             the group begins: LOBBY_BORN. (It
 *                                                            cannot have begun: that takes the
 *                                                            promises of all its members,
 *                                                            paxos/members.h.)
 *   nobody knows it, and some have not been heard           the node waits, and names them
 *
 * WITH A LOG, when the configuration lacks members of the directory's list (`lacks`): have they
 * been removed meanwhile? A newer list is taken over (LOBBY_MEMBER); if that does not have this
 * node: LOBBY_REMOVED; if there is none: LOBBY_REFUSED. Whoever cannot be heard within
 * LOBBY_PATIENCE_MS is not waited for.
 *
 * Only answers along connections that this node has dialled, by its configuration or its list, are
 * believed, and a WELCOME on a confirmed one.
 */
#ifndef SYNOD_DAEMON_LOBBY_H
#define SYNOD_DAEMON_LOBBY_H

#include "node/identity.h"
#include "node/node.h"

#define LOBBY_ASK_MS 100u
#define LOBBY_JOINING_ASK_MS 500u
#define LOBBY_PATIENCE_MS 3000u
#define LOBBY_WAITS_MS 5000u /* so often is said who is missing for the group to begin */
#define LOBBY_OTHERS_MAX (2u * MEMBERS_MAX)
#define LOBBY_TEXT_BYTES 2048u

enum lobby_outcome { LOBBY_NONE, LOBBY_BORN, LOBBY_MEMBER, LOBBY_REMOVED, LOBBY_REFUSED };

struct lobby_other {
	const char *name, *address;
};

struct host;

struct lobby_options {
	struct host *host; /* whose links it asks along */
	struct env *env;
	struct log *log;
	const char *cluster, *version;
	const char *file;         /* the configuration, for messages */
	const char *address;      /* of this node, for messages */
	struct identity identity; /* of the directory */
	/*
	 * what is to be said if members that the configuration lacks are members still; NULL: there
	 * is no log
	 */
	const char *lacks;
	/* nodes that the configuration has in the group, and members that it does not have */
	uint32_t nothers;
	struct lobby_other others[LOBBY_OTHERS_MAX];
	/* Once: `stopped()` of the world is to be expected after it. */
	void (*over)(void *context);
	void *context;
};

/* Everything is copied, except env and log. */
struct node *lobby_create(const struct lobby_options *options);
enum lobby_outcome lobby_outcome(const struct node *lobby);
/*
 * LOBBY_MEMBER: what this node is now: number, members, ids, lost. For the rest of it see what else
 * is known of the directory.
 */
void lobby_identity(const struct node *lobby, struct identity *identity);
/* LOBBY_REMOVED: because the group goes on as this generation (rsm/force.h); 0: by its own list. */
uint32_t lobby_superseded(const struct node *lobby);
/* LOBBY_REFUSED: one line that says why, and what to do. */
const char *lobby_text(const struct node *lobby);

#endif
