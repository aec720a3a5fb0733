/* The env of a node in the real world: clocks, randomness, timers, links, the end. */
#include <time.h>
#include <unistd.h>

#include "host/internal.h"

#define EXIT_FATAL 70

static struct host *host_of(struct env *env)
{
	return LIST_ITEM(env, struct host, env);
}

static uint64_t env_now_us(struct env *env)
{
	return host_now_us(host_of(env));
}

static uint64_t env_clock_us(struct env *env)
{
	(void)env;
	return host_clock_us(HOST_CLOCK);
}

static uint64_t env_wall_us(struct env *env)
{
	struct host_loop *loop = host_of(env)->loop;
	loop_now_us(loop);
	return loop->wall_us;
}

static uint64_t env_random(struct env *env)
{
	return rng_next(&host_of(env)->rng);
}

static link_id env_dial(struct env *env, const char *address)
{
	return dial_link(host_of(env), address);
}

static void env_send(struct env *env, link_id id, const struct message *message)
{
	struct host *host = host_of(env);
	struct link *link = map_get(&host->links, id);
	if (link != NULL)
		link_send(link, message);
	else if (id == host->own_link)
		requests_take(host, message); /* replies, which have no parts */
	else
		host->dropped_total++;
}

static uint64_t env_backlog(struct env *env, link_id id)
{
	const struct link *link = map_get(&host_of(env)->links, id);
	return link == NULL ? 0 : link_unsent(link) + link->waiting.len;
}

/* Before a link is LINK_OPEN, what is sent waits in this process. */
static uint64_t env_link_epoch(struct env *env, link_id id)
{
	const struct link *link = map_get(&host_of(env)->links, id);
	return link == NULL ? 0 : 2 * link->opened - (link->state == LINK_OPEN);
}

static void env_close(struct env *env, link_id id)
{
	struct link *link = map_get(&host_of(env)->links, id);
	ASSERT(link == NULL || !link->dialled);
	if (link != NULL)
		link_cut(link, "closed by this node");
}

static void env_timer_set(struct env *env, struct timer *timer, uint64_t at_us)
{
	struct host *host = host_of(env);
	timers_set(&host->timers, timer, at_us);
	host_touch(host);
}

static void env_timer_cancel(struct env *env, struct timer *timer)
{
	timers_cancel(&host_of(env)->timers, timer);
}

/* _exit: no handler of any library may write or sync anything after this. */
__attribute__((noreturn)) static void env_fatal(struct env *env, int status, const char *why)
{
	char text[512];
	log_event(host_of(env)->log, LOG_ERROR, "fatal", "status=%s why=%s", status_name(status),
		  log_quote(text, sizeof text, slice_string(why)));
	tracing_flush(host_of(env));
	_exit(EXIT_FATAL);
}

static void env_stopped(struct env *env)
{
	host_of(env)->stopped = true;
}

static int env_identified(struct env *env, uint64_t group_id)
{
	return host_identity_of_group(host_of(env), group_id);
}

static int env_renew_life(struct env *env)
{
	return host_identity_renew_life(host_of(env));
}

static void env_members(struct env *env, const struct identity_members *members)
{
	host_members_follow(host_of(env), members);
}

static const char *env_found_at(struct env *env, link_id id)
{
	const struct host *host = host_of(env);
	const struct link *link = id == 0 ? NULL : map_get(&host->links, id);
	return id == 0 ? host->advertised : link == NULL ? NULL : peer_found_at(link);
}

static void env_superseded(struct env *env, uint32_t generation)
{
	host_members_superseded(host_of(env), generation, "its service has heard of it");
}

static void env_force(struct env *env, uint32_t generation)
{
	host_members_force(host_of(env), generation);
}

static void env_removed(struct env *env)
{
	host_members_removed(host_of(env), NULL); /* the node has said so */
}

const struct env_ops HOST_ENV_OPS = {
	.now_us = env_now_us,
	.clock_us = env_clock_us,
	.wall_us = env_wall_us,
	.random = env_random,
	.dial = env_dial,
	.send = env_send,
	.backlog = env_backlog,
	.link_epoch = env_link_epoch,
	.close = env_close,
	.timer_set = env_timer_set,
	.timer_cancel = env_timer_cancel,
	.fatal = env_fatal,
	.stopped = env_stopped,
	.identified = env_identified,
	.renew_life = env_renew_life,
	.members = env_members,
	.found_at = env_found_at,
	.removed = env_removed,
	.superseded = env_superseded,
	.force = env_force,
};
