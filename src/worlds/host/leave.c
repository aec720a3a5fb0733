/* How a node ends: it is stopped, or has to leave and is stopped for it. */
#include "host/identity_internal.h"

static void on_stop_timeout(void *context)
{
	struct host *host = context;
	log_event(host->log, LOG_WARN, "stop_timeout", "timeout_ms=%u",
		  host->settings.stop_timeout_ms);
	host->stopped = host->stop_timed_out = true;
}

void leave_init(struct host *host)
{
	timer_init(&host->stop_timer, on_stop_timeout, host);
}

void host_stop(struct host *host)
{
	if (host->stopping)
		return;
	host->stopping = true;
	host_touch(host);
	timers_set(&host->timers, &host->stop_timer,
		   host_now_us(host) + host->settings.stop_timeout_ms * 1000ull);
	if (host->node->ops->stop != NULL)
		host->node->ops->stop(host->node);
	else
		host->stopped = true;
	tracing_flush(host); /* it may be destroyed before the turn's end */
}

/* In an input of its own: the node may be in the middle of something. */
static void on_leave(void *context)
{
	struct host_identity *id = context;
	host_stop(id->host);
}

void members_init(struct host_identity *id)
{
	timer_init(&id->leave, on_leave, id);
}

void members_leave(struct host_identity *id)
{
	if (!id->host->stopping)
		timers_set(&id->host->timers, &id->leave, host_now_us(id->host));
}
