/* The cluster that the user means, and the handle to it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvctl.h"

/*
 * Looked for when neither an option nor the environment names a cluster: what scripts/cluster.sh
 * makes.
 */
#define LOCAL_CLUSTER "run/cluster.conf"

/* What --config and --endpoints did not say. 0 or EXIT_USAGE. */
static int find_cluster(struct kvctl *kvctl)
{
	const char *config = getenv("KVCTL_CONFIG"), *endpoints = getenv("KVCTL_ENDPOINTS");
	if (kvctl->config_file != NULL || kvctl->endpoints != NULL)
		return EXIT_OK;
	if (config != NULL && config[0] != '\0')
		kvctl->config_file = config;
	else if (endpoints != NULL && endpoints[0] != '\0')
		kvctl->endpoints = endpoints;
	else if (access(LOCAL_CLUSTER, R_OK) == 0)
		kvctl->config_file = LOCAL_CLUSTER;
	else
		return kvctl_usage(kvctl,
				   "which cluster? Give --config FILE or --endpoints HOST:PORT,… "
				   "(or KVCTL_CONFIG or "
				   "KVCTL_ENDPOINTS); there is no ./" LOCAL_CLUSTER " either");
	return EXIT_OK;
}

struct synod *kvctl_synod(struct kvctl *kvctl)
{
	if (kvctl->synod != NULL)
		return kvctl->synod;
	if (find_cluster(kvctl) != EXIT_OK)
		return NULL;
	struct synod_options options = {
		.config_file = kvctl->config_file,
		.endpoints = kvctl->endpoints,
		.timeout_ms = kvctl->timeout_ms,
		.trace_file = kvctl->trace_file,
		.trace_name = kvctl->trace_name,
	};
	struct synod *s;
	if (synod_open(&s, &options) != SYNOD_OK) {
		kvctl_error(kvctl, "%s", synod_error_message(s));
		synod_close(s);
		return NULL;
	}
	kvctl->synod = s;
	return s;
}

struct synod_reply *kvctl_do(struct kvctl *kvctl, const struct synod_op *op)
{
	struct synod *s = kvctl_synod(kvctl);
	if (s == NULL)
		return NULL;
	struct synod_reply *reply = kvctl->primary ? synod_pb_do(s, op, kvctl->timeout_ms)
						   : synod_do(s, op, kvctl->timeout_ms);
	kvctl->applied |= reply->status == SYNOD_OK && op->kind != SYNOD_OP_GET;
	return reply;
}

static bool read_file(const char *name, struct buffer *out)
{
	FILE *file = fopen(name, "re");
	size_t got = 1;
	if (file == NULL)
		return false;
	while (got > 0 && out->len < 16u * MIB) {
		buffer_reserve(out, 4096);
		got = fread(out->data + out->len, 1, 4096, file);
		out->len += got;
	}
	bool good = !ferror(file);
	fclose(file);
	return good;
}

const struct clusterconf *kvctl_conf(struct kvctl *kvctl, int *exit_code)
{
	char error[512];
	struct buffer text = {0};
	*exit_code = find_cluster(kvctl);
	if (kvctl->has_conf)
		return &kvctl->conf;
	if (*exit_code != EXIT_OK || kvctl->config_file == NULL)
		return NULL;
	if (!read_file(kvctl->config_file, &text)) {
		kvctl_error(kvctl, "cannot read %s: %s", kvctl->config_file, strerror(errno));
		*exit_code = EXIT_USAGE;
	} else if (clusterconf_parse(&kvctl->conf, kvctl->config_file, buffer_slice(&text), error,
				     sizeof error) != 0) {
		kvctl_error(kvctl, "%s", error);
		*exit_code = EXIT_USAGE;
	} else {
		kvctl->has_conf = true;
	}
	buffer_free(&text);
	return kvctl->has_conf ? &kvctl->conf : NULL;
}

void kvctl_close(struct kvctl *kvctl)
{
	synod_close(kvctl->synod);
	if (kvctl->has_conf)
		clusterconf_free(&kvctl->conf);
}
