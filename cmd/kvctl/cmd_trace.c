/* trace: one request, and what every node did on its account */
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "trace.h"

/*
 * Followers hear that a write is chosen with the leader's next message: how long to wait for that,
 * and how often to look.
 */
#define SETTLE_TRIES 25u
#define SETTLE_PAUSE_MS 40u
#define ASK_TIMEOUT_MS 1500u

/* ---- gathering ---- */

static void find_addresses(struct tracing *t)
{
	t->addresses = alloc_zeroed(t->nodes.count + 1, sizeof *t->addresses);
	t->addresses[t->naddresses++] = NULL;
	for (size_t i = 0; i < t->nodes.count; i++)
		if (t->nodes.nodes[i].status->status == SYNOD_OK)
			t->addresses[t->naddresses++] = t->nodes.nodes[i].address;
}

static bool add_answer(struct tracing *t, const struct synod_trace *trace, const char *address)
{
	if (trace->status != SYNOD_OK) {
		kvctl_error(t->kvctl, "%s has not told its part: %s", address, trace->message);
		return true;
	}
	for (size_t i = 0; i < trace->nevents; i++) {
		if (causal_add(t->causal, slice_string(trace->node),
			       slice_string(trace->events[i])) == 0)
			continue;
		kvctl_error(t->kvctl, "%s", causal_error(t->causal));
		return false;
	}
	return true;
}

static int collect(struct tracing *t)
{
	struct synod_trace **traces = alloc_zeroed(t->naddresses, sizeof(struct synod_trace *));
	bool good = true;
	causal_destroy(t->causal);
	t->causal = causal_create();
	synod_trace_all(t->synod, t->id, t->addresses, t->naddresses, ASK_TIMEOUT_MS, traces);
	for (size_t i = 0; i < t->naddresses; i++) {
		good = good &&
		       add_answer(t, traces[i],
				  t->addresses[i] == NULL ? "this process" : t->addresses[i]);
		synod_trace_free(traces[i]);
	}
	free(traces);
	if (good && causal_sort(t->causal) == 0)
		return EXIT_OK;
	if (good)
		kvctl_error(t->kvctl, "%s", causal_error(t->causal));
	return EXIT_UNAVAILABLE;
}

static bool is_step(const struct causal_event *e, const char *step)
{
	return slice_has_prefix(e->text, slice_string(step));
}

/* Every member of the group that is up and has taken part in the write has also executed it. */
static bool is_settled(const struct tracing *t)
{
	const struct causal *c = t->causal;
	uint32_t wrote = 0, applied = 0, up = 0;
	uint64_t group = 0;
	for (uint32_t i = 0; i < causal_count(c); i++) {
		const struct causal_event *e = causal_at(c, i);
		wrote += is_step(e, "write ");
		applied += is_step(e, "apply ");
		for (size_t k = 0; is_step(e, "propose ") && k < t->nodes.count; k++)
			if (strcmp(t->nodes.nodes[k].name, causal_host(c, e->host)) == 0)
				group = t->nodes.nodes[k].group;
	}
	for (size_t k = 0; k < t->nodes.count; k++)
		up += group != 0 && t->nodes.nodes[k].group == group &&
		      t->nodes.nodes[k].status->status == SYNOD_OK;
	return applied >= wrote && applied >= up;
}

static int collect_all(struct tracing *t)
{
	int exit_code = collect(t);
	const struct timespec pause = {.tv_nsec = SETTLE_PAUSE_MS * 1000000l};
	for (uint32_t i = 0;
	     i < SETTLE_TRIES && exit_code == EXIT_OK && t->value != NULL && !is_settled(t); i++) {
		nanosleep(&pause, NULL);
		exit_code = collect(t);
	}
	return exit_code;
}

/* ---- the command ---- */

static int trace_request(struct tracing *t)
{
	const struct synod_op op = {
		.kind = t->value == NULL ? SYNOD_OP_GET : SYNOD_OP_PUT,
		.key = {.data = t->key, .len = strlen(t->key)},
		.value = {.data = t->value, .len = t->value == NULL ? 0 : strlen(t->value)},
	};
	struct synod_reply *reply = synod_do_traced(t->synod, &op, t->kvctl->timeout_ms, &t->id);
	/* That there is no such key is an answer, whose way is as good to see as another's. */
	int outcome = reply->status == SYNOD_NOT_FOUND
			      ? EXIT_OK
			      : kvctl_failed(t->kvctl, reply->status, reply->message);
	t->kvctl->applied |= reply->status == SYNOD_OK && t->value != NULL;
	int exit_code = collect_all(t);
	if (exit_code == EXIT_OK)
		exit_code = trace_show(t, reply);
	synod_reply_free(reply);
	if (outcome != EXIT_OK)
		return outcome;
	/* A write that was applied has no other outcome because its trace cannot be had. */
	if (exit_code == EXIT_OK || !t->kvctl->applied)
		return exit_code;
	kvctl_error(t->kvctl,
		    "the value was stored (do not repeat it), but its trace could not be shown");
	return EXIT_UNPRINTED;
}

static int run(struct tracing *t)
{
	t->synod = kvctl_synod(t->kvctl);
	if (t->synod == NULL)
		return EXIT_USAGE;
	/*
	 * Also makes the connections, along which a trace id may travel once both sides have said
	 * what they are.
	 */
	int exit_code = kvctl_nodes_ask(t->kvctl, &t->nodes);
	if (exit_code == EXIT_OK) {
		find_addresses(t);
		exit_code = trace_request(t);
	}
	kvctl_nodes_free(&t->nodes);
	free(t->addresses);
	free(t->effects);
	causal_destroy(t->causal);
	return exit_code;
}

int kvctl_trace(struct kvctl *kvctl, int argc, char **argv)
{
	enum { PUT, SHIVIZ, MERGE };
	static const struct option specific[] = {
		{"put", required_argument, NULL, KVCTL_OPTION(PUT)},
		{"shiviz", required_argument, NULL, KVCTL_OPTION(SHIVIZ)},
		{"merge", no_argument, NULL, KVCTL_OPTION(MERGE)},
		{0},
	};
	struct tracing t = {.kvctl = kvctl};
	bool merge = false;
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, specific)) != -1 && option != '?') {
		if (option == KVCTL_OPTION(PUT))
			t.value = kvctl_option_text(optarg);
		else if (option == KVCTL_OPTION(SHIVIZ))
			t.shiviz = optarg;
		else if (option == KVCTL_OPTION(MERGE))
			merge = true;
	}
	kvctl_options_end(argc, argv);
	if (option == '?')
		return EXIT_USAGE;
	if (merge && (t.value != NULL || t.shiviz != NULL))
		return kvctl_usage(kvctl, "--merge takes files, and neither --put nor --shiviz");
	if (merge && optind == argc)
		return kvctl_usage(kvctl,
				   "--merge wants the files that were written with --trace FILE");
	if (merge)
		return kvctl_trace_merge(kvctl, argc - optind, argv + optind);
	int exit_code = kvctl_check_operands(kvctl, argc - optind, 1, 1);
	if (exit_code != EXIT_OK)
		return exit_code;
	t.key = argv[optind];
	return run(&t);
}
