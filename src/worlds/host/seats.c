/*
 * Who may stay connected when there is no room for everybody.
 *
 *   newcomer   accepted, has not said hello (or was refused and has not gone yet); an eighth of
 *              connections_max. One too many: the oldest goes
 *   stranger   has said hello and is none of the cluster's nodes; connections_max. One too many:
 *              who has been silent longest and waits for no answer goes; if all wait for one, and
 *              have been heard lately, the new one is refused
 *   member     a node of the cluster, by the configuration or the list of this node's group: always
 *              has a seat, up to MEMBER_SEATS_MAX for each. One too many: the oldest goes that the
 *              member has not confirmed, or else who has been silent for SILENT_US (a machine that
 *              went away without a word); if there is none, the new one counts as stranger
 *
 * So strangers can keep neither members nor each other out, whether they say nothing, say it
 * slowly, only hello, or hello in a member's name; and of what they send in its name no more is
 * kept than of a few connections. Newcomers make room for newcomers alone: else a flood of them
 * would throw out whoever is about to say hello.
 *
 * The lists are in the order in which their links would go. Links that are cut have left
 * (link_end).
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "host/internal.h"

#define MEMBER_SEATS_MAX 4u
#define NEWCOMERS_MIN 4u
#define NEWCOMERS_MAX 512u
/* So many strangers are looked at for one that waits for no answer. */
#define LOOKED_AT_MAX 64u
/*
 * Who says nothing for so long is idle even if he waits for an answer: our own clients send a PING
 * every 2 seconds.
 */
#define SILENT_US 10000000u
/* A newcomer that has taken so long for its hello gives way to descriptors that are needed. */
#define NEWCOMER_SLOW_US 500000u
#define SHORTAGE_INTERVAL_US 1000000u

/* A node of the configuration, or a member of this node's group. */
static bool is_node(const struct peer *peer)
{
	return peer->configured || peer->member;
}

static void give_way(struct link *link, const char *why)
{
	link->host->cut_total++;
	link_cut(link, why);
}

static uint32_t newcomers_max(const struct host *host)
{
	uint32_t max = host->settings.connections_max / 8;
	return max < NEWCOMERS_MIN ? NEWCOMERS_MIN : max > NEWCOMERS_MAX ? NEWCOMERS_MAX : max;
}

void seat_newcomer(struct link *link)
{
	struct host *host = link->host;
	if (host->nnewcomers >= newcomers_max(host))
		give_way(LIST_ITEM(list_first(&host->newcomers), struct link, seated),
			 "no hello, and too many connections");
	link->seat = SEAT_NEWCOMER;
	list_push_back(&host->newcomers, &link->seated);
	host->nnewcomers++;
}

/* The stranger that goes first; NULL: nobody is idle. */
static struct link *idle_stranger(struct host *host)
{
	struct list *first = list_first(&host->strangers);
	uint32_t seen = 0;
	LIST_FOR (position, &host->strangers) {
		struct link *link = LIST_ITEM(position, struct link, seated);
		if (link->unanswered == 0)
			return link;
		if (++seen == LOOKED_AT_MAX)
			break;
	}
	if (first == NULL)
		return NULL;
	struct link *quietest = LIST_ITEM(first, struct link, seated);
	return host_now_us(host) - quietest->heard_us > SILENT_US ? quietest : NULL;
}

static bool room_for_stranger(struct host *host)
{
	if (host->nstrangers < host->settings.connections_max)
		return true;
	struct link *idle = idle_stranger(host);
	if (idle == NULL)
		return false;
	give_way(idle, "idle, and too many connections (connections_max)");
	return true;
}

/*
 * One of those with a member's seat that makes room for another in the same name; NULL: all are its
 * own, and in use.
 */
static struct link *idle_member(struct host *host, const struct peer *peer)
{
	struct link *leaver = NULL;
	size_t position = 0;
	uint64_t id;
	void *value;
	while (map_next(&host->links, &position, &id, &value)) {
		struct link *link = value;
		bool unconfirmed = link->state == LINK_UNCONFIRMED;
		if (link->seat != SEAT_MEMBER || link->peer != peer ||
		    (!unconfirmed && host_now_us(host) - link->heard_us <= SILENT_US))
			continue;
		if (leaver == NULL || (unconfirmed && leaver->state != LINK_UNCONFIRMED) ||
		    (unconfirmed == (leaver->state == LINK_UNCONFIRMED) && link->id < leaver->id))
			leaver = link;
	}
	return leaver;
}

bool seat_take(struct link *link)
{
	struct host *host = link->host;
	struct peer *peer = link->peer;
	if (is_node(peer) && peer->seats >= MEMBER_SEATS_MAX) {
		struct link *leaver = idle_member(host, peer);
		if (leaver != NULL)
			give_way(leaver, "too many connections in the name of one node");
	}
	bool member = is_node(peer) && peer->seats < MEMBER_SEATS_MAX;
	if (!member && !room_for_stranger(host))
		return false;
	seat_leave(link);
	if (member) {
		link->seat = SEAT_MEMBER;
		peer->seats++;
	} else {
		link->seat = SEAT_STRANGER;
		list_push_back(&host->strangers, &link->seated);
		host->nstrangers++;
	}
	return true;
}

bool error_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/*
 * One that has had time for its hello: two that are new must not throw each other out again and
 * again.
 */
static struct link *slow_newcomer(struct host *host)
{
	struct list *first = list_first(&host->newcomers);
	struct link *oldest = first == NULL ? NULL : LIST_ITEM(first, struct link, seated);
	return oldest != NULL && host_now_us(host) - oldest->began_us > NEWCOMER_SLOW_US ? oldest
											 : NULL;
}

bool host_relieve(struct host *host, const char *purpose, int error)
{
	uint64_t now_us = host_now_us(host);
	struct rlimit limit = {0};
	struct link *leaver = idle_stranger(host);
	if (leaver == NULL)
		leaver = slow_newcomer(host);
	if (host->shortage_us == 0 || now_us - host->shortage_us >= SHORTAGE_INTERVAL_US) {
		host->shortage_us = now_us;
		getrlimit(RLIMIT_NOFILE, &limit);
		log_event(host->log, LOG_ERROR, "descriptor_shortage",
			  "errno=%s purpose=\"%s\" limit=%llu connections=%llu action=\"%s\" "
			  "hint=\"raise the limit of open files (LimitNOFILE=, ulimit -n), or "
			  "lower connections_max\"",
			  errno_name(error), purpose, (unsigned long long)limit.rlim_cur,
			  (unsigned long long)host->accepted_count,
			  leaver != NULL ? "an idle connection is closed, then another try"
					 : "another try soon");
	}
	if (leaver == NULL)
		return false;
	give_way(leaver, "idle, and out of descriptors");
	return true;
}
