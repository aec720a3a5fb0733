/* paxos: the agreement service */
#include <inttypes.h>
#include <stdio.h>

#include "kvctl.h"

#define PEERS_MAX REPLICAS_MAX

struct paxos_options {
	const char *peer; /* NULL: any; done: all */
	bool wait;
	char **operands; /* behind the action */
	int noperands;
};

/* The address that a node's name stands for; a HOST:PORT stands for itself. NULL: reported. */
static const char *address_of(struct kvctl *kvctl, const char *peer)
{
	int exit_code;
	const struct clusterconf *conf = kvctl_conf(kvctl, &exit_code);
	const struct clusterconf_node *node = conf != NULL ? clusterconf_find(conf, peer) : NULL;
	if (exit_code != EXIT_OK)
		return NULL;
	if (node != NULL && node->role == ROLE_PAXOS)
		return node->listen;
	if (node == NULL && address_valid(peer))
		return peer;
	kvctl_usage(kvctl, "\"%s\" is neither a node with role = paxos nor HOST:PORT", peer);
	return NULL;
}

int kvctl_peer_option(struct kvctl *kvctl, const char *name, const char **address)
{
	*address = name == NULL ? NULL : address_of(kvctl, name);
	return name == NULL || *address != NULL ? EXIT_OK : EXIT_USAGE;
}

static const char *state_text(enum synod_paxos_state state)
{
	switch (state) {
	case SYNOD_PAXOS_DECIDED: return "decided";
	case SYNOD_PAXOS_FORGOTTEN: return "forgotten";
	default: return "pending";
	}
}

static void print_state(const struct kvctl *kvctl, uint64_t seq, const struct synod_paxos *paxos)
{
	bool decided = paxos->state == SYNOD_PAXOS_DECIDED;
	if (kvctl->json) {
		json_t *object = json_pack("{s:o,s:s,s:s}", "seq", kvctl_json_u64(seq), "state",
					   state_text(paxos->state), "peer", paxos->peer);
		if (decided)
			kvctl_json_bytes(object, "value", paxos->value);
		kvctl_print_json(object);
		return;
	}
	fputs(state_text(paxos->state), stdout);
	if (decided) {
		fputc(' ', stdout);
		kvctl_print_bytes(paxos->value);
	}
	fputc('\n', stdout);
}

static void print_ok(const struct kvctl *kvctl)
{
	if (kvctl->json)
		kvctl_print_json(json_pack("{s:b}", "ok", 1));
	else
		puts("OK");
}

static int end(struct kvctl *kvctl, struct synod_paxos *paxos)
{
	int exit_code = kvctl_failed(kvctl, paxos->status, paxos->message);
	synod_paxos_free(paxos);
	return exit_code;
}

/* Asks until the instance is settled or the time is over; prints the state. */
static int wait_for(struct kvctl *kvctl, struct synod *s, const char *peer, uint64_t seq)
{
	struct synod_paxos *paxos = synod_paxos_wait(s, peer, seq, kvctl->timeout_ms);
	bool pending = paxos->status == SYNOD_OK && paxos->state == SYNOD_PAXOS_PENDING;
	if (paxos->status == SYNOD_OK)
		print_state(kvctl, seq, paxos);
	int exit_code = end(kvctl, paxos);
	if (!pending)
		return exit_code;
	kvctl_error(kvctl, "instance %" PRIu64 " is still pending", seq);
	return EXIT_UNKNOWN;
}

static int start(struct kvctl *kvctl, struct synod *s, const struct paxos_options *options,
		 uint64_t seq)
{
	struct buffer input = {0};
	struct synod_bytes value;
	if (options->noperands == 2)
		value = (struct synod_bytes){.data = options->operands[1],
					     .len = strlen(options->operands[1])};
	else if (kvctl_read_stdin(&input))
		value = (struct synod_bytes){.data = (const char *)input.data, .len = input.len};
	else
		return kvctl_usage(kvctl, "cannot read the value from stdin");
	struct synod_paxos *paxos = synod_paxos_start(s, options->peer, seq, value.data, value.len,
						      kvctl->timeout_ms);
	int exit_code = end(kvctl, paxos);
	buffer_free(&input);
	if (exit_code != EXIT_OK)
		return exit_code;
	kvctl->applied = true;
	if (options->wait)
		/* Whatever the waiting comes to, the proposal has begun. */
		return kvctl_partly(kvctl, wait_for(kvctl, s, options->peer, seq));
	print_ok(kvctl);
	return EXIT_OK;
}

static int status(struct kvctl *kvctl, struct synod *s, const struct paxos_options *options,
		  uint64_t seq)
{
	if (options->wait)
		return wait_for(kvctl, s, options->peer, seq);
	struct synod_paxos *paxos = synod_paxos_status(s, options->peer, seq, kvctl->timeout_ms);
	if (paxos->status == SYNOD_OK)
		print_state(kvctl, seq, paxos);
	return end(kvctl, paxos);
}

/* The peers that cluster.conf names, or the endpoints. 0 or an exit code. */
static int all_peers(struct kvctl *kvctl, const char **peers, size_t *count, char *storage,
		     size_t size)
{
	int exit_code;
	const struct clusterconf *conf = kvctl_conf(kvctl, &exit_code);
	const struct clusterconf_node *node = NULL;
	*count = 0;
	if (exit_code != EXIT_OK)
		return exit_code;
	if (conf != NULL) {
		while ((node = clusterconf_next(conf, ROLE_PAXOS, 0, node)) != NULL &&
		       *count < PEERS_MAX)
			peers[(*count)++] = node->listen;
	} else {
		char *rest = NULL;
		snprintf(storage, size, "%s", kvctl->endpoints);
		for (char *word = strtok_r(storage, ", ", &rest);
		     word != NULL && *count < PEERS_MAX; word = strtok_r(NULL, ", ", &rest))
			peers[(*count)++] = word;
	}
	return *count > 0 ? EXIT_OK
			  : kvctl_usage(kvctl, "cluster.conf names no node with role = paxos");
}

static int done(struct kvctl *kvctl, struct synod *s, const struct paxos_options *options,
		uint64_t seq)
{
	const char *peers[PEERS_MAX] = {options->peer};
	char storage[PEERS_MAX * (ADDRESS_BYTES_MAX + 2)];
	size_t count = 1;
	int exit_code = options->peer != NULL
				? EXIT_OK
				: all_peers(kvctl, peers, &count, storage, sizeof storage);
	for (size_t i = 0; i < count && exit_code == EXIT_OK; i++) {
		exit_code = end(kvctl, synod_paxos_done(s, peers[i], seq, kvctl->timeout_ms));
		kvctl->applied |= exit_code == EXIT_OK;
	}
	if (exit_code == EXIT_OK)
		print_ok(kvctl);
	return kvctl_partly(kvctl, exit_code);
}

static int bounds(struct kvctl *kvctl, struct synod *s, const struct paxos_options *options,
		  bool max)
{
	struct synod_paxos *paxos = synod_paxos_bounds(s, options->peer, kvctl->timeout_ms);
	if (paxos->status == SYNOD_OK && kvctl->json)
		kvctl_print_json(json_pack("{s:o,s:I,s:s}", "min", kvctl_json_u64(paxos->min),
					   "max", (json_int_t)paxos->max, "peer", paxos->peer));
	else if (paxos->status == SYNOD_OK)
		printf("%" PRId64 "\n", max ? paxos->max : (int64_t)paxos->min);
	return end(kvctl, paxos);
}

static int run(struct kvctl *kvctl, const char *action, const struct paxos_options *options)
{
	bool starts = strcmp(action, "start") == 0, asks = strcmp(action, "status") == 0;
	bool max = strcmp(action, "max") == 0, bounded = max || strcmp(action, "min") == 0;
	uint64_t seq = 0;
	if (!starts && !asks && !bounded && strcmp(action, "done") != 0)
		return kvctl_usage(kvctl, "\"%s\" is none of start, status, done, min and max",
				   action);
	int exit_code = kvctl_check_operands(kvctl, options->noperands, bounded ? 0 : 1,
					     starts    ? 2
					     : bounded ? 0
						       : 1);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (!bounded && !kvctl_parse_u64(options->operands[0], &seq))
		return kvctl_usage(kvctl, "\"%s\" is no instance: they are numbered from 0",
				   options->operands[0]);
	struct synod *s = kvctl_synod(kvctl);
	if (s == NULL)
		return EXIT_USAGE;
	if (starts)
		return start(kvctl, s, options, seq);
	if (asks)
		return status(kvctl, s, options, seq);
	return bounded ? bounds(kvctl, s, options, max) : done(kvctl, s, options, seq);
}

int kvctl_paxos(struct kvctl *kvctl, int argc, char **argv)
{
	static const struct option specific[] = {
		{"peer", required_argument, NULL, KVCTL_OPTION(0)},
		{"wait", no_argument, NULL, KVCTL_OPTION(1)},
		{0},
	};
	struct paxos_options options = {0};
	const char *peer = NULL;
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, specific)) >= 0 && option != '?') {
		if (option == KVCTL_OPTION(0))
			peer = optarg;
		options.wait |= option == KVCTL_OPTION(1);
	}
	kvctl_options_end(argc, argv);
	if (option == '?' || kvctl_check_operands(kvctl, argc - optind, 1, 16) != EXIT_OK)
		return EXIT_USAGE;
	const char *action = argv[optind];
	options.operands = argv + optind + 1;
	options.noperands = argc - optind - 1;
	int exit_code = kvctl_peer_option(kvctl, peer, &options.peer);
	return exit_code == EXIT_OK ? run(kvctl, action, &options) : exit_code;
}
