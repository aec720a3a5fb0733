/* What a peer of the agreement service counts. */
#include "agreement/service_internal.h"

#define GAUGE(name, expression) \
	static uint64_t name(void *context) \
	{ \
		const struct agreement_service *service = context; \
		return service->core == NULL ? 0 : expression; \
	}
GAUGE(read_instances, agreement_instances(service->core))
GAUGE(read_bytes, agreement_bytes(service->core))
GAUGE(read_proposing, agreement_proposing(service->core))
GAUGE(read_min, agreement_min(service->core))
GAUGE(read_takes_part, agreement_standing(service->core) == AGREEMENT_INSIDE)
GAUGE(read_told_by, agreement_told_by(service->core))
GAUGE(read_started, agreement_counters(service->core)->started)
GAUGE(read_decided, agreement_counters(service->core)->decided)
GAUGE(read_rounds, agreement_counters(service->core)->rounds)
GAUGE(read_defeats, agreement_counters(service->core)->defeats)
GAUGE(read_refused, agreement_counters(service->core)->refused)
GAUGE(read_requests, agreement_counters(service->core)->requests)
GAUGE(read_conflicts, agreement_counters(service->core)->conflicts)
GAUGE(read_waiters, agreement_count_waiters(service))
GAUGE(read_disk_hung, service->disk_watch.hung)
GAUGE(read_unwritten, service->wal == NULL ? 0 : wal_pending_bytes(service->wal))
GAUGE(read_wal_bytes, service->wal == NULL ? 0 : wal_disk_bytes(service->wal))

void agreement_register_metrics(struct agreement_service *service)
{
	static const struct {
		const char *name, *help;
		uint64_t (*read)(void *);
		enum metric_type type;
	} metrics[] = {
		{"synod_agreement_instances", "Instances that are not forgotten.", read_instances,
		 METRIC_GAUGE},
		{"synod_agreement_bytes", "Memory of these instances and their values.", read_bytes,
		 METRIC_GAUGE},
		{"synod_agreement_proposing", "Proposals of this peer under way.", read_proposing,
		 METRIC_GAUGE},
		{"synod_agreement_min", "Instances below are forgotten.", read_min, METRIC_GAUGE},
		{"synod_agreement_takes_part", "1: the disk of this peer is bound, and it votes.",
		 read_takes_part, METRIC_GAUGE},
		{"synod_agreement_told_by",
		 "Peers that have told this one, whose disk has replaced another, all that they "
		 "know.",
		 read_told_by, METRIC_GAUGE},
		{"synod_agreement_started_total", "Proposals begun here.", read_started,
		 METRIC_COUNTER},
		{"synod_agreement_decided_total", "Decisions learnt here.", read_decided,
		 METRIC_COUNTER},
		{"synod_agreement_rounds_total", "Ballots begun here.", read_rounds,
		 METRIC_COUNTER},
		{"synod_agreement_defeats_total", "Ballots given up for a higher one.",
		 read_defeats, METRIC_COUNTER},
		{"synod_agreement_refused_total", "Instances refused for lack of room.",
		 read_refused, METRIC_COUNTER},
		{"synod_agreement_requests_total", "Requests to peers.", read_requests,
		 METRIC_COUNTER},
		{"synod_agreement_conflicts_total",
		 "Peers that told another decision than the known one; must be 0.", read_conflicts,
		 METRIC_COUNTER},
		{"synod_agreement_disk_hung", "1: the disk of the agreement log does not answer.",
		 read_disk_hung, METRIC_GAUGE},
		{"synod_agreement_unwritten_bytes",
		 "Bytes that wait for the disk of the agreement log.", read_unwritten,
		 METRIC_GAUGE},
		{"synod_agreement_wal_bytes", "Bytes of all log segments of the agreement service.",
		 read_wal_bytes, METRIC_GAUGE},
	};
	for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
		metrics_add_read(&service->node->metrics, metrics[i].type, metrics[i].name,
				 metrics[i].help, NULL, metrics[i].read, service);
	metrics_add(&service->node->metrics, METRIC_COUNTER,
		    "synod_agreement_messages_refused_total",
		    "Messages of peers that no peer can have sent.", NULL, &service->refused.count);
	metrics_add_read(&service->node->metrics, METRIC_GAUGE, "synod_agreement_waiters",
			 "Clients that wait for an instance.", NULL, read_waiters, service);
}
