/*
 * libFuzzer: cluster.conf. A text is either refused with one line that names the file, or gives a
 * configuration in which everything is valid, nothing is missing and nothing is in conflict.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clusterconf.h"
#include "fuzz.h"

static void check_pair(const struct clusterconf_node *a, const struct clusterconf_node *b)
{
	ASSERT(strcmp(a->name, b->name) != 0);
	ASSERT(strcmp(a->listen, b->listen) != 0);
	ASSERT(strcmp(a->dir, b->dir) != 0);
	ASSERT(a->role != b->role || a->group != b->group || a->replica != b->replica);
}

static void check(const struct clusterconf *conf)
{
	char error[256];
	ASSERT(name_valid(conf->name) && conf->shards > 0 && conf->shards <= SHARDS_MAX);
	ASSERT(conf->nnodes <= CLUSTERCONF_NODES_MAX);
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		const struct clusterconf_node *node = &conf->nodes[i];
		ASSERT(name_valid(node->name) && node->role != ROLE_NONE && node->replica > 0);
		ASSERT(address_valid(node->listen) &&
		       (node->http == NULL || address_valid(node->http)));
		ASSERT(node->dir[0] != '\0' && (node->group != 0) == (node->role == ROLE_SHARDKV));
		ASSERT(settings_check(&node->settings, error, sizeof error) == 0);
		for (size_t k = 0; k < SETTINGS_COUNT; k++) {
			struct settings copy = node->settings;
			uint64_t value = *setting_value(&copy, &settings_table[k]);
			ASSERT(value >= settings_table[k].min && value <= settings_table[k].max);
		}
		ASSERT(clusterconf_find(conf, node->name) == node);
		for (uint32_t j = 0; j < i; j++)
			check_pair(&conf->nodes[j], node);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct clusterconf conf;
	char error[512] = "";
	int status = clusterconf_parse(&conf, "fuzz.conf", slice(data, size), error, sizeof error);
	if (status == 0) {
		check(&conf);
		clusterconf_free(&conf);
	} else {
		ASSERT(status == STATUS_CONFIG);
		ASSERT(strncmp(error, "fuzz.conf", strlen("fuzz.conf")) == 0 &&
		       strchr(error, '\n') == NULL);
	}
	return 0;
}
