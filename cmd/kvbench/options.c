#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 64

static const char USAGE[] =
	"usage: kvbench --config FILE | --endpoints HOST:PORT,… [options]\n"
	"\n"
	"Loads a cluster and reports throughput and latency.\n"
	"\n"
	"  --workload W      put (default), get, mixed (half and half), append\n"
	"  --pb              the primary of the view instead of the shards\n"
	"  --clients N       independent clients, each waiting for its reply (default 64)\n"
	"  --connections N   connections to each server, shared by the clients (default 1)\n"
	"  --pipeline N      requests that one client keeps under way (default 1)\n"
	"  --keys N          different keys (default 100000)\n"
	"  --key-size B      bytes of a key (default 16)\n"
	"  --value-size B    bytes of a value (default 256)\n"
	"  --duration T      how long to measure: 10s (default), 500ms, 2m\n"
	"  --warmup T        how long to run before measuring (default 1s)\n"
	"  --fill            put every key once first\n"
	"  --seed N          of the choice of keys (default 1)\n"
	"  -o plain|json     (default plain)\n";

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
		snprintf(why, sizeof why, "--%s must be a number from %llu to %llu", option, (unsigned long long)min,
			 (unsigned long long)max);
		usage(why, text);
	}
	return value;
}

static uint32_t duration_ms(const char *option, const char *text)
{
	char *end;
	double value = strtod(text, &end);
	double unit = strcmp(end, "ms") == 0 ? 1 : strcmp(end, "s") == 0 || *end == '\0' ? 1000 : strcmp(end, "m") == 0 ? 60000 : 0;
	if (end == text || unit == 0 || value < 0 || value * unit > 86400000) {
		char why[100];
		snprintf(why, sizeof why, "--%s must be a duration like 10s, 500ms or 2m", option);
		usage(why, text);
	}
	return (uint32_t)(value * unit);
}

static void parse_workload(struct options *o, const char *text)
{
	static const char *const names[] = {"put", "get", "mixed", "append"};
	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		o->workload = (enum workload)i;
		o->workload_name = names[i];
		return;
	}
	usage("no such workload (put, get, mixed, append)", text);
}

enum { CONFIG = 256, ENDPOINTS, WORKLOAD, CLIENTS, CONNECTIONS, PIPELINE, KEYS, KEY_SIZE, VALUE_SIZE, DURATION, WARMUP, FILL, SEED, PB, HELP };

static const struct option LONG[] = {
	{"config", required_argument, NULL, CONFIG},
	{"endpoints", required_argument, NULL, ENDPOINTS},
	{"workload", required_argument, NULL, WORKLOAD},
	{"pb", no_argument, NULL, PB},
	{"clients", required_argument, NULL, CLIENTS},
	{"connections", required_argument, NULL, CONNECTIONS},
	{"pipeline", required_argument, NULL, PIPELINE},
	{"keys", required_argument, NULL, KEYS},
	{"key-size", required_argument, NULL, KEY_SIZE},
	{"value-size", required_argument, NULL, VALUE_SIZE},
	{"duration", required_argument, NULL, DURATION},
	{"warmup", required_argument, NULL, WARMUP},
	{"fill", no_argument, NULL, FILL},
	{"seed", required_argument, NULL, SEED},
	{"help", no_argument, NULL, HELP},
	{NULL, 0, NULL, 0},
};

static void parse_one(struct options *o, int c)
{
	switch (c) {
	case CONFIG:
		o->config = optarg;
		break;
	case ENDPOINTS:
		o->endpoints = optarg;
		break;
	case WORKLOAD:
		parse_workload(o, optarg);
		break;
	case PB:
		o->primary = true;
		break;
	case CLIENTS:
		o->clients = (uint32_t)number("clients", optarg, 1, 10000);
		break;
	case CONNECTIONS:
		o->connections = (uint32_t)number("connections", optarg, 1, 1000);
		break;
	case PIPELINE:
		o->pipeline = (uint32_t)number("pipeline", optarg, 1, 1000);
		break;
	case KEYS:
		o->keys = number("keys", optarg, 1, 1000000000);
		break;
	case KEY_SIZE:
		o->key_size = (uint32_t)number("key-size", optarg, 11, 4096);
		break;
	case VALUE_SIZE:
		o->value_size = (uint32_t)number("value-size", optarg, 0, 1048576);
		break;
	case DURATION:
		o->duration_ms = duration_ms("duration", optarg);
		break;
	case WARMUP:
		o->warmup_ms = duration_ms("warmup", optarg);
		break;
	case FILL:
		o->fill = true;
		break;
	case SEED:
		o->seed = number("seed", optarg, 0, UINT64_MAX);
		break;
	case 'o':
		if (strcmp(optarg, "json") != 0 && strcmp(optarg, "plain") != 0)
			usage("-o must be plain or json", optarg);
		o->json = strcmp(optarg, "json") == 0;
		break;
	case HELP:
		fputs(USAGE, stdout);
		exit(0);
	default:
		fprintf(stderr, "Try 'kvbench --help'.\n");
		exit(EXIT_USAGE);
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){
		.config = getenv("KVCTL_CONFIG"),
		.endpoints = getenv("KVCTL_ENDPOINTS"),
		.workload_name = "put",
		.clients = 64,
		.connections = 1,
		.pipeline = 1,
		.keys = 100000,
		.key_size = 16,
		.value_size = 256,
		.duration_ms = 10000,
		.warmup_ms = 1000,
		.seed = 1,
	};
	for (int c; (c = getopt_long(argc, argv, "o:", LONG, NULL)) != -1;)
		parse_one(o, c);
	if (optind < argc)
		usage("unexpected argument", argv[optind]);
	if (o->config == NULL && o->endpoints == NULL)
		usage("where is the cluster", "give --config FILE or --endpoints HOST:PORT,…");
	if (o->connections > o->clients)
		o->connections = o->clients;
}
