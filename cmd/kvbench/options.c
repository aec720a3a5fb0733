/* The command line of kvbench. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"

#define EXIT_USAGE 64

static const char USAGE[] =
	"usage: kvbench --config FILE | --endpoints HOST:PORT,… [options]\n"
	"\n"
	"Loads a cluster and reports throughput, latency, and what the load costs each\n"
	"daemon.\n"
	"\n"
	"  --workload W      put (default), get, mixed (half and half), append, cas,\n"
	"                    incr, txn, ycsb-a, ycsb-b, ycsb-c, ycsb-d, ycsb-e, ycsb-f\n"
	"  --pb              the primary of the view instead of the shards (not with txn,\n"
	"                    ycsb-e)\n"
	"  --consistency C   of gets and scans: linearizable (default) or stale\n"
	"  --prefer R        who answers them: leader (default) or follower\n"
	"  --rate OPS        start so many operations a second, whether replies come or\n"
	"                    not (open loop), and measure from when each should have\n"
	"                    started; without it, each client waits for its reply\n"
	"  --clients N       independent clients (default 64)\n"
	"  --connections N   connections to each server, shared by the clients (default\n"
	"                    1)\n"
	"  --threads N       threads of kvbench that serve the connections (default 1)\n"
	"  --pipeline N      requests that one client keeps under way (default 1)\n"
	"  --keys N          different keys (default 100000)\n"
	"  --dist D          which of them: uniform or zipfian (default uniform; for\n"
	"                    ycsb, zipfian)\n"
	"  --key-size B      bytes of a key (default 16)\n"
	"  --key-prefix P    what keys begin with (default k; with --history, something\n"
	"                    not used before)\n"
	"  --value-size B    bytes of a value (default 256; with --history, 16)\n"
	"  --txn-keys N      keys of a transaction (default 2)\n"
	"  --txn-spread      whose keys may be in different groups\n"
	"  --duration T      how long to measure: 10s (default), 500ms, 2m\n"
	"  --warmup T        how long to run before measuring (default 1s)\n"
	"  --timeout T       deadline of a request (default 5s)\n"
	"  --fill, --no-fill put every key once first (default: only for ycsb)\n"
	"  --history FILE    write every operation and its outcome, for kvcheck\n"
	"  --seed N          of the choice of keys and operations (default 1)\n"
	"  --histogram       show how latencies are distributed (-o json always does)\n"
	"  -o plain|json     (default plain)\n"
	"\n"
	"Exit status: 0 all operations succeeded, 1 some failed or their outcome is\n"
	"unknown, 64 usage.\n";

static const char *const WORKLOADS[] = {"put",    "get",    "mixed",  "append", "cas",
					"incr",   "txn",    "ycsb-a", "ycsb-b", "ycsb-c",
					"ycsb-d", "ycsb-e", "ycsb-f", NULL};

__attribute__((noreturn)) static void usage(const char *why, const char *what)
{
	fprintf(stderr, "kvbench: %s: %s\nTry 'kvbench --help'.\n", why, what);
	exit(EXIT_USAGE);
}

static uint64_t number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || value < min || value > max) {
		char why[100];
		snprintf(why, sizeof why, "--%s must be a number from %llu to %llu", option,
			 (unsigned long long)min, (unsigned long long)max);
		usage(why, text);
	}
	return value;
}

static uint32_t duration_ms(const char *option, const char *text)
{
	char *end;
	double value = strtod(text, &end);
	bool seconds = strcmp(end, "s") == 0 || *end == '\0';
	double unit = strcmp(end, "ms") == 0  ? 1
		      : seconds               ? 1000
		      : strcmp(end, "m") == 0 ? 60000
					      : 0;
	if (end == text || unit == 0 || !(value >= 0) || value * unit > 86400000) {
		char why[100];
		snprintf(why, sizeof why, "--%s must be a duration like 10s, 500ms or 2m", option);
		usage(why, text);
	}
	return (uint32_t)(value * unit);
}

/* The position of the text among the words. */
static unsigned choice(const char *why, const char *text, const char *const *words)
{
	for (unsigned i = 0; words[i] != NULL; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	usage(why, text);
}

static double rate(const char *text)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end != '\0' || !(value >= 0.01) || value > 1e8)
		usage("--rate must be a number of operations a second", text);
	return value;
}

static const char *key_prefix(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len > BENCH_PREFIX_BYTES_MAX ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-") !=
		    len)
		usage("--key-prefix must be up to 40 letters, digits and ._:/-", text);
	return text;
}

enum {
	CONFIG = 256,
	ENDPOINTS,
	WORKLOAD,
	RATE,
	CLIENTS,
	CONNECTIONS,
	THREADS,
	PIPELINE,
	KEYS,
	DIST,
	KEY_SIZE,
	KEY_PREFIX,
	VALUE_SIZE,
	TXN_KEYS,
	TXN_SPREAD,
	DURATION,
	WARMUP,
	TIMEOUT,
	FILL,
	NO_FILL,
	HISTORY,
	SEED,
	PB,
	HISTOGRAM,
	CONSISTENCY,
	PREFER,
	HELP,
};

static const struct option LONG[] = {
	{"config", required_argument, NULL, CONFIG},
	{"endpoints", required_argument, NULL, ENDPOINTS},
	{"workload", required_argument, NULL, WORKLOAD},
	{"pb", no_argument, NULL, PB},
	{"consistency", required_argument, NULL, CONSISTENCY},
	{"prefer", required_argument, NULL, PREFER},
	{"rate", required_argument, NULL, RATE},
	{"clients", required_argument, NULL, CLIENTS},
	{"connections", required_argument, NULL, CONNECTIONS},
	{"threads", required_argument, NULL, THREADS},
	{"pipeline", required_argument, NULL, PIPELINE},
	{"keys", required_argument, NULL, KEYS},
	{"dist", required_argument, NULL, DIST},
	{"key-size", required_argument, NULL, KEY_SIZE},
	{"key-prefix", required_argument, NULL, KEY_PREFIX},
	{"value-size", required_argument, NULL, VALUE_SIZE},
	{"txn-keys", required_argument, NULL, TXN_KEYS},
	{"txn-spread", no_argument, NULL, TXN_SPREAD},
	{"duration", required_argument, NULL, DURATION},
	{"warmup", required_argument, NULL, WARMUP},
	{"timeout", required_argument, NULL, TIMEOUT},
	{"fill", no_argument, NULL, FILL},
	{"no-fill", no_argument, NULL, NO_FILL},
	{"history", required_argument, NULL, HISTORY},
	{"seed", required_argument, NULL, SEED},
	{"histogram", no_argument, NULL, HISTOGRAM},
	{"output", required_argument, NULL, 'o'},
	{"help", no_argument, NULL, HELP},
	{NULL, 0, NULL, 0},
};

/* What the user left open is chosen when all is known. */
struct open_choices {
	bool distribution, fill, key_size, value_size;
};

static void parse_number(struct bench_options *o, struct open_choices *open, int c)
{
	switch (c) {
	case CLIENTS: o->clients = (uint32_t)number("clients", optarg, 1, 10000); break;
	case CONNECTIONS: o->connections = (uint32_t)number("connections", optarg, 1, 1000); break;
	case THREADS: o->threads = (uint32_t)number("threads", optarg, 1, 64); break;
	case PIPELINE: o->pipeline = (uint32_t)number("pipeline", optarg, 1, 1000); break;
	case KEYS: o->keys = number("keys", optarg, 1, BENCH_KEYS_MAX); break;
	case TXN_KEYS: o->txn_keys = (uint32_t)number("txn-keys", optarg, 1, BENCH_OPS_MAX); break;
	case DURATION: o->duration_ms = duration_ms("duration", optarg); break;
	case WARMUP: o->warmup_ms = duration_ms("warmup", optarg); break;
	case TIMEOUT: o->timeout_ms = duration_ms("timeout", optarg); break;
	case SEED: o->seed = number("seed", optarg, 0, UINT64_MAX); break;
	case KEY_SIZE:
		o->key_size = (uint32_t)number("key-size", optarg, 1, BENCH_KEY_BYTES_MAX);
		open->key_size = false;
		break;
	case VALUE_SIZE:
		o->value_size = (uint32_t)number("value-size", optarg, 0, 1048576);
		open->value_size = false;
		break;
	default: fprintf(stderr, "Try 'kvbench --help'.\n"); exit(EXIT_USAGE);
	}
}

static void parse_one(struct bench_options *o, struct open_choices *open, int c)
{
	static const char *const distributions[] = {"uniform", "zipfian", NULL};
	static const char *const outputs[] = {"plain", "json", NULL};
	static const char *const consistencies[] = {"linearizable", "stale", NULL};
	static const char *const preferences[] = {"leader", "follower", NULL};
	switch (c) {
	case CONFIG: o->config = optarg; break;
	case ENDPOINTS: o->endpoints = optarg; break;
	case WORKLOAD:
		o->workload = (enum bench_workload)choice("no such workload, see --help", optarg,
							  WORKLOADS);
		break;
	case RATE: o->rate = rate(optarg); break;
	case DIST:
		o->distribution = (enum bench_distribution)choice(
			"--dist must be uniform or zipfian", optarg, distributions);
		open->distribution = false;
		break;
	case KEY_PREFIX: o->key_prefix = key_prefix(optarg); break;
	case TXN_SPREAD: o->txn_spread = true; break;
	case PB: o->primary = true; break;
	case CONSISTENCY:
		o->read.consistency = choice("--consistency must be linearizable or stale", optarg,
					     consistencies) == 1
					      ? SYNOD_STALE
					      : SYNOD_LINEARIZABLE;
		break;
	case PREFER:
		o->read.prefer = choice("--prefer must be leader or follower", optarg,
					preferences) == 1
					 ? SYNOD_PREFER_FOLLOWER
					 : SYNOD_PREFER_LEADER;
		break;
	case HISTOGRAM: o->histogram = true; break;
	case FILL:
	case NO_FILL:
		o->fill = c == FILL;
		open->fill = false;
		break;
	case HISTORY: o->history = optarg; break;
	case 'o': o->json = choice("-o must be plain or json", optarg, outputs) == 1; break;
	case HELP:
		fputs(USAGE, stdout);
		exit(output_exit_code(0, "kvbench", "cannot write to stdout"));
	default: parse_number(o, open, c);
	}
}

/*
 * An operation of a history must be one that kvcheck knows, and its values short, because there are
 * many.
 */
static void choose_rest(struct bench_options *o, const struct open_choices *open)
{
	bool ycsb = o->workload >= BENCH_YCSB_A;
	o->workload_name = WORKLOADS[o->workload];
	if (open->distribution && ycsb)
		o->distribution = BENCH_ZIPFIAN;
	if (open->fill && ycsb)
		o->fill = true;
	if (open->value_size && o->history != NULL)
		o->value_size = 16;
	if (open->key_size)
		o->key_size = 0;
	if (o->history != NULL && o->workload == BENCH_YCSB_E)
		usage("a history cannot hold scans", "--history with --workload ycsb-e");
	if (o->connections > o->clients)
		o->connections = o->clients;
	if (o->primary && (o->workload == BENCH_TXN || o->workload == BENCH_YCSB_E))
		usage("a primary takes single keys", "--pb with transactions or scans");
	o->read.size = sizeof o->read;
	o->reads = o->read.consistency == SYNOD_STALE || o->read.prefer == SYNOD_PREFER_FOLLOWER;
	if (o->primary && o->reads)
		usage("the primary answers by itself",
		      "--pb with --consistency stale or --prefer follower");
	if (o->history != NULL && o->read.consistency == SYNOD_STALE)
		usage("stale reads are not linearizable, and kvcheck would say so",
		      "--history with --consistency stale");
	if (o->keys < o->txn_keys && o->workload == BENCH_TXN)
		usage("--keys must be at least --txn-keys", "too few keys");
}

void bench_options_parse(struct bench_options *o, int argc, char **argv)
{
	struct open_choices open = {true, true, true, true};
	*o = (struct bench_options){
		.config = getenv("KVCTL_CONFIG"),
		.endpoints = getenv("KVCTL_ENDPOINTS"),
		.clients = 64,
		.connections = 1,
		.threads = 1,
		.pipeline = 1,
		.keys = 100000,
		.value_size = 256,
		.txn_keys = 2,
		.duration_ms = 10000,
		.warmup_ms = 1000,
		.timeout_ms = 5000,
		.seed = 1,
	};
	for (int c; (c = getopt_long(argc, argv, "o:", LONG, NULL)) != -1;)
		parse_one(o, &open, c);
	if (optind < argc)
		usage("unexpected argument", argv[optind]);
	if (o->config == NULL && o->endpoints == NULL)
		usage("where is the cluster", "give --config FILE or --endpoints HOST:PORT,…");
	choose_rest(o, &open);
}
