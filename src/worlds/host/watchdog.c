/* Time limits: one timer looks at every link a few times within the shortest of them. */
#include "host/internal.h"

#define INTERVAL_MIN_MS 5u
#define INTERVAL_MAX_MS 250u
/* While a request waits: parts of ping_interval_ms and ping_timeout_ms. */
#define ASKED_INTERVAL_PART 4u
#define ASKED_TIMEOUT_PART 3u

static bool passed(uint64_t now_us, uint64_t since_us, uint32_t limit_ms)
{
	return since_us != 0 && now_us - since_us > limit_ms * 1000ull;
}

/*
 * A connection may be dead without a sign: its packets go nowhere, or somebody between has
 * forgotten it. If a request waits for its answer, that is found out sooner: one end's process that
 * is alive answers a PING whatever else it does.
 */
static void probe(struct link *link, uint64_t now_us)
{
	const struct host_settings *limits = &link->host->settings;
	bool asked = link->asked_us != 0;
	uint32_t timeout_ms = asked ? limits->ping_timeout_ms / ASKED_TIMEOUT_PART
				    : limits->ping_timeout_ms;
	if (passed(now_us, link->pinged_us, timeout_ms)) {
		link->host->cut_total++;
		link_cut(link, "no answer to a ping");
	} else if (link->pinged_us == 0 &&
		   (passed(now_us, link->heard_us, limits->ping_interval_ms) ||
		    passed(now_us, link->asked_us,
			   limits->ping_interval_ms / ASKED_INTERVAL_PART))) {
		struct message ping = {.kind = MESSAGE_REQUEST,
				       .method = METHOD_PING,
				       .timeout_ms = limits->ping_timeout_ms};
		link->pinged_us = now_us;
		link_append(link, &ping);
	}
}

static void check_open(struct link *link, uint64_t now_us)
{
	const struct host_settings *limits = &link->host->settings;
	if (passed(now_us, link->stuck_us, limits->write_timeout_ms)) {
		link->host->cut_total++;
		link_cut(link, "the peer takes no output (write_timeout_ms)");
	} else if (passed(now_us, link->frame_us, limits->frame_timeout_ms)) {
		link->host->cut_total++;
		link_cut(link, "an unfinished frame (frame_timeout_ms)");
	} else if (link->dialled) {
		probe(link, now_us);
	}
}

static void check_link(struct link *link, uint64_t now_us)
{
	const struct host_settings *limits = &link->host->settings;
	switch (link->state) {
	case LINK_HELLO:
		if (passed(now_us, link->began_us, limits->hello_timeout_ms)) {
			link->host->cut_total++;
			link_cut(link, "no hello (hello_timeout_ms)");
		}
		break;
	case LINK_RESOLVING:
	case LINK_CONNECTING:
		if (passed(now_us, link->began_us, dial_patience_ms(link)))
			dial_out_of_patience(link);
		break;
	case LINK_UNCONFIRMED:
		if (passed(now_us, link->began_us, limits->hello_timeout_ms)) {
			link->host->cut_total++;
			link_cut(link, "the member whose name it bears has not confirmed it "
				       "(hello_timeout_ms)");
		}
		break;
	case LINK_REFUSED:
		if (passed(now_us, link->began_us, limits->hello_timeout_ms))
			link_cut(link, "refused");
		break;
	case LINK_OPEN: check_open(link, now_us); break;
	case LINK_IDLE:
	case LINK_CUT:
	case LINK_PAUSED: break;
	}
}

static void on_watchdog(void *context)
{
	struct host *host = context;
	uint64_t now_us = host_now_us(host);
	uint64_t due_us = host->watchdog.at_us;
	timers_set(&host->timers, &host->watchdog, now_us + host->watchdog_us);
	log_tell_lost(host->log);
	/*
	 * If it was us who stood still, what the others sent meanwhile is still in the sockets:
	 * judge them the next time.
	 */
	if (now_us - due_us > host->watchdog_us * 2)
		return;
	size_t position = 0;
	uint64_t id;
	void *value;
	while (map_next(&host->links, &position, &id, &value))
		check_link(value, now_us);
	host_peers_tick(host, now_us);
	host_identity_tick(host, now_us);
}

void watchdog_start(struct host *host)
{
	const struct host_settings *s = &host->settings;
	const uint32_t limits[] = {s->connect_timeout_ms, s->hello_timeout_ms, s->frame_timeout_ms,
				   s->write_timeout_ms,   s->ping_interval_ms, s->ping_timeout_ms};
	uint32_t interval_ms = INTERVAL_MAX_MS;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		if (limits[i] / 4 < interval_ms)
			interval_ms = limits[i] / 4;
	}
	if (interval_ms < INTERVAL_MIN_MS)
		interval_ms = INTERVAL_MIN_MS;
	host->watchdog_us = interval_ms * 1000ull;
	timer_init(&host->watchdog, on_watchdog, host);
	timers_set(&host->timers, &host->watchdog, host_now_us(host) + host->watchdog_us);
}
