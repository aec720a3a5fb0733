/*
 * Whom this host knows by name: the nodes of the configuration, and the members of this node's
 * group, which come and go while it runs (node/identity.h has the list).
 *
 *   configured, of another group or role   may send what the configuration says, for ever
 *   configured, of this group              may speak as a replica while it is a member, by the
 *                                          group's list; one that is none is warned of once
 *   member                                 may speak as a replica, configured or not
 *   was a member                           … for LEAVE_US more: a leader that removes itself has
 *                                          yet to hand over
 *
 * WHERE A PEER IS FOUND. A node dials an address: that of the configuration or, if it does not have
 * the node, that of the group's list. If there is a route (--route) connections go there. Otherwise
 * the right address is what has changed last: the configuration's, or the list's if that is another
 * one by now than when this process began to know the member, or if the name is another member's by
 * now. If that fails the next attempts go to the other one of these, and where the peer itself has
 * last said that it listens, on a connection in its name from the directory that counts for its
 * number, in turns: so a network can move. Who stands at the right address cannot be pushed aside
 * by that. The leader notes in the list where it has found them (peer_found_at, rsm/members.c).
 *
 * A peer is never forgotten while the host lives: links, counters and metrics point to it. Numbers
 * of a group's members are never used twice, so there are no more than PEERS_LEARNT_MAX that the
 * configuration does not have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "host/internal.h"

#define PEERS_LEARNT_MAX MEMBER_NUMBER_MAX
#define LEAVE_US 10000000ull

static struct peer *add(struct host *host, const char *name, const char *address)
{
	struct peer *peer = ALLOC(struct peer);
	peer->name = alloc_string(name);
	peer->address = alloc_string(address);
	ALLOC_ROOM(host->peers, host->npeers, host->peers_capacity, 16);
	host->peers[host->npeers++] = peer;
	return peer;
}

void host_peers_init(struct host *host, const struct host_options *options)
{
	host->others = ALLOC(struct peer);
	host->others->name = alloc_string("client");
	for (uint32_t i = 0; i < options->npeers; i++) {
		const struct host_peer *from = &options->peers[i];
		struct peer *peer = add(host, from->name == NULL ? "" : from->name, from->address);
		peer->route = from->route == NULL ? NULL : alloc_string(from->route);
		peer->configured = true;
		peer->configured_speaks = peer->speaks = from->speaks;
		peer->master = from->master;
	}
}

static void peer_free(struct peer *peer)
{
	free(peer->name);
	free(peer->address);
	free(peer->listed);
	free(peer->listed_first);
	free(peer->route);
	free(peer->hint);
	free(peer);
}

void host_peers_free(struct host *host)
{
	for (uint32_t i = 0; i < host->npeers; i++)
		peer_free(host->peers[i]);
	peer_free(host->others);
	free(host->peers);
}

struct peer *peer_find(struct host *host, struct slice name)
{
	for (uint32_t i = 0; i < host->npeers && name.len > 0; i++)
		if (slice_equal(slice_string(host->peers[i]->name), name))
			return host->peers[i];
	return host->others;
}

static bool is_member(const struct peer *peer)
{
	return peer->member && peer->left_us == 0;
}

static bool is_at(const struct peer *peer, const char *address)
{
	return strcmp(peer->address, address) == 0 ||
	       (peer->listed != NULL && strcmp(peer->listed, address) == 0);
}

/*
 * What has changed last: the configuration's, as long as the list says what it said when it was
 * compared with that, or the list's.
 */
static const char *right_address(const struct peer *peer)
{
	if (peer->listed == NULL ||
	    (peer->configured && strcmp(peer->listed, peer->listed_first) == 0))
		return peer->address;
	return peer->listed;
}

static int likeliness(const struct peer *peer, const char *address)
{
	return 2 * is_member(peer) + (strcmp(right_address(peer), address) == 0);
}

struct peer *peer_at(struct host *host, const char *address)
{
	struct peer *found = NULL;
	for (uint32_t i = 0; i < host->npeers; i++) {
		struct peer *peer = host->peers[i];
		/*
		 * A member that has taken the place of another one is more likely to be found
		 * there.
		 */
		if (is_at(peer, address) &&
		    (found == NULL || likeliness(peer, address) > likeliness(found, address)))
			found = peer;
	}
	return found;
}

const char *peer_route(const struct peer *peer, uint32_t failures)
{
	const char *right = right_address(peer), *ways[3] = {right};
	uint32_t count = 1;
	if (peer->route != NULL)
		return peer->route;
	const char *others[] = {peer->hint, peer->listed == NULL || peer->listed == right
						    ? peer->address
						    : peer->listed};
	for (uint32_t i = 0; i < 2; i++)
		if (others[i] != NULL && strcmp(others[i], right) != 0 &&
		    (count == 1 || strcmp(others[i], ways[1]) != 0))
			ways[count++] = others[i];
	return ways[failures % count];
}

const char *peer_found_at(const struct link *link)
{
	struct host *host = link->host;
	const struct identity_member *m = identity_find_member(host_identity_members(host),
							       link->peer->name);
	if (!link->dialled || link->state != LINK_OPEN || !link->is_there ||
	    link->peer == host->others || !is_member(link->peer) || m == NULL || m->life == 0 ||
	    m->life != link->disk_life)
		return NULL;
	return link->route;
}

static void set_text(char **text, const char *value)
{
	char *copy = value == NULL ? NULL : alloc_string(value);
	free(*text);
	*text = copy;
}

/* From the directory that counts for its number. */
static bool is_bound(struct host *host, const struct peer *peer, const struct wire_hello *hello)
{
	const struct identity_member *m = identity_find_member(host_identity_members(host),
							       peer->name);
	return peer->member && m != NULL && m->life != 0 && m->life == hello->disk_life;
}

bool peer_is_at_hint(struct host *host, const struct link *link, const struct wire_hello *hello)
{
	const struct peer *peer = link->peer;
	return peer->hint == NULL || strcmp(link->route, peer->hint) != 0 ||
	       is_bound(host, peer, hello);
}

void peer_says(struct host *host, struct peer *peer, const struct wire_hello *hello)
{
	char address[ADDRESS_BYTES_MAX + 1];
	if (!is_bound(host, peer, hello) || hello->address.len == 0 ||
	    hello->address.len > ADDRESS_BYTES_MAX)
		return;
	snprintf(address, sizeof address, "%.*s", (int)hello->address.len,
		 (const char *)hello->address.data);
	if (strcmp(address, right_address(peer)) == 0)
		set_text(&peer->hint, NULL);
	else if (peer->hint == NULL || strcmp(address, peer->hint) != 0)
		set_text(&peer->hint, address);
}

/* ---- who comes and goes ---- */

/* A dialled link leads to whoever is at its address by now. */
static void relabel(struct host *host, struct link *link)
{
	struct peer *peer = peer_at(host, link->address);
	const char *name = peer == NULL ? "" : peer->name;
	struct peer *to = peer == NULL || peer->name[0] == '\0' ? host->others : peer;
	bool renamed = strcmp(link->name, name) != 0;
	bool moved = peer != NULL;
	for (uint32_t i = 0; i < 3 && moved; i++)
		moved = strcmp(link->route, peer_route(peer, i)) != 0;
	link->may = SENDER_ANYBODY | (peer == NULL ? 0 : peer->speaks);
	if (renamed || moved) {
		link_cut(link, renamed ? "its address is another node's by now"
				       : "the node is at another address by now");
		link->retry_us = 0;
		link->failures = 0;
		set_text(&link->name, name);
	}
	link->peer = to;
}

/* An accepted link, in the name of a node that was none when it came. */
static bool is_newly_member(struct host *host, const struct link *link)
{
	if (link->state != LINK_OPEN || (link->may & SENDER_REPLICA) != 0 || link->waits)
		return false;
	return is_member(link->name == NULL ? link->peer
					    : peer_find(host, slice_string(link->name)));
}

static void update_links(struct host *host)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&host->links, &position, &key, &value)) {
		struct link *link = value;
		if (link->dialled)
			relabel(host, link);
		else if (is_newly_member(host, link))
			/* It was accepted as that of a stranger, which nobody has confirmed. */
			link_cut(link, "the node has become a member");
	}
}

static void warn_of(struct host *host, struct peer *peer)
{
	const struct identity *own = host_identity_own(host);
	char group[IDENTITY_GROUP_TEXT_BYTES];
	if (peer->warned || strcmp(peer->name, own->node) == 0)
		return;
	peer->warned = true;
	identity_group_text(own->role, own->group, group);
	log_event(host->log, LOG_WARN, "not_a_member",
		  "peer=%s address=%s meaning=\"the configuration names it in group %s, but it is "
		  "no member: it is not counted; to make it "
		  "one type: kvctl member add %s %s %s; or take its section out\"",
		  peer->name, peer->address, group, group, peer->name, peer->address);
}

static void follow_member(struct host *host, const struct identity_member *m)
{
	struct peer *peer = peer_find(host, slice_string(m->name));
	if (peer == host->others) {
		if (host->nlearnt == PEERS_LEARNT_MAX)
			return;
		host->nlearnt++;
		peer = add(host, m->name, m->address);
	}
	set_text(&peer->listed, m->address);
	if (peer->listed_first == NULL)
		set_text(&peer->listed_first, m->address);
	/* Another one of the name is where it was added. */
	if (peer->number != 0 && peer->number != m->replica) {
		set_text(&peer->hint, NULL);
		set_text(&peer->listed_first, "");
	}
	peer->number = m->replica;
	peer->member = true;
	peer->left_us = 0;
	peer->speaks = peer->configured_speaks | SENDER_REPLICA;
}

void host_peers_follow(struct host *host)
{
	const struct identity *own = host_identity_own(host);
	if (own->members.count == 0)
		return;
	for (uint32_t i = 0; i < host->npeers; i++) {
		struct peer *peer = host->peers[i];
		if (identity_find_member(host_identity_members(host), peer->name) != NULL)
			continue;
		if (peer->member && peer->left_us == 0)
			peer->left_us = host_now_us(host) | 1;
		if ((peer->configured_speaks & SENDER_REPLICA) == 0 || peer->member)
			continue;
		peer->speaks &= ~SENDER_REPLICA;
		if (own->group_id != 0)
			warn_of(host, peer);
	}
	for (uint32_t i = 0; i < own->members.count; i++)
		if (strcmp(own->members.list[i].name, own->node) != 0)
			follow_member(host, &own->members.list[i]);
	update_links(host);
}

/* It has had its time. */
static void forget(struct host *host, struct peer *peer)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	peer->member = false;
	peer->left_us = 0;
	peer->speaks = peer->configured_speaks & ~SENDER_REPLICA;
	set_text(&peer->listed, NULL);
	set_text(&peer->hint, NULL);
	while (map_next(&host->links, &position, &key, &value)) {
		struct link *link = value;
		if (link->peer != peer)
			continue;
		if (link->dialled)
			relabel(host, link);
		else if ((link->may & SENDER_REPLICA) == 0)
			continue;
		link_cut(link, "the node has been removed from the group");
	}
}

void host_peers_tick(struct host *host, uint64_t now_us)
{
	for (uint32_t i = 0; i < host->npeers; i++) {
		struct peer *peer = host->peers[i];
		if (peer->left_us != 0 && now_us - peer->left_us > LEAVE_US)
			forget(host, peer);
	}
}
