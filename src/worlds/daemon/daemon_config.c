/* From cluster.conf to what a daemon needs of it. */
#include "daemon/daemon_config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/id.h"
#include "wire/sender.h"

#define FILE_BYTES_MAX (16u * MIB)

static const char *const TEXT_NAMES[DAEMON_TEXTS] = {"listen", "http", "dir", "trace"};

/* SYNOD_ELECTION_TIMEOUT_MS */
static const char *environment_name(const char *name, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "SYNOD_%s", name);
	for (size_t i = 0; i < used && i < size; i++)
		out[i] = (char)toupper((unsigned char)out[i]);
	return out;
}

static void set_origin(char **origin, const char *prefix, const char *name)
{
	free(*origin);
	*origin = alloc_format("%s%s", prefix, name);
}

static int read_file(const char *path, struct buffer *out, char *error, size_t error_size)
{
	struct stat st;
	FILE *file = fopen(path, "re");
	if (file == NULL || fstat(fileno(file), &st) != 0) {
		snprintf(error, error_size, "cannot read configuration %s: %s", path,
			 strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		snprintf(error, error_size, "cannot read configuration %s: not a file", path);
		goto fail;
	}
	for (;;) {
		buffer_reserve(out, 64 * KIB);
		size_t len = fread(out->data + out->len, 1, 64 * KIB, file);
		out->len += len;
		if (len == 0)
			break;
		if (out->len > FILE_BYTES_MAX) {
			snprintf(error, error_size,
				 "cannot read configuration %s: larger than %u bytes", path,
				 FILE_BYTES_MAX);
			goto fail;
		}
	}
	if (ferror(file)) {
		snprintf(error, error_size, "cannot read configuration %s: %s", path,
			 strerror(errno));
		goto fail;
	}
	fclose(file);
	return 0;
fail:
	if (file != NULL)
		fclose(file);
	return STATUS_CONFIG;
}

static int find_self(struct daemon_config *config, const char *name, enum node_role role,
		     char *error, size_t error_size)
{
	struct clusterconf *conf = &config->conf;
	for (uint32_t i = 0; i < conf->nnodes && config->self == NULL; i++) {
		if (strcmp(conf->nodes[i].name, name) == 0)
			config->self = &conf->nodes[i];
	}
	if (config->self == NULL) {
		snprintf(error, error_size,
			 "%s: there is no [node %s]: add it, or give --node one of the names in "
			 "the file",
			 conf->file, name);
		return STATUS_CONFIG;
	}
	if (config->self->role != role) {
		snprintf(error, error_size,
			 "%s:%u: [node %s] has role = %s, this program serves role = %s",
			 conf->file, config->self->line, name, node_role_text(config->self->role),
			 node_role_text(role));
		return STATUS_CONFIG;
	}
	return 0;
}

static char **text_of(struct clusterconf_node *node, enum daemon_text text)
{
	char **const texts[DAEMON_TEXTS] = {&node->listen, &node->http, &node->dir, &node->trace};
	return texts[text];
}

/* One text from the environment or a flag; prefix and name are its origin. */
static int override_text(struct daemon_config *config, enum daemon_text text, const char *value,
			 const char *prefix, const char *name, char *error, size_t error_size)
{
	if (value == NULL)
		return 0;
	set_origin(&config->text_origins[text], prefix, name);
	bool is_path = text == DAEMON_DIR || text == DAEMON_TRACE;
	if (is_path ? value[0] == '\0' : !address_valid(value)) {
		snprintf(
			error, error_size, "%s = %s: %s", config->text_origins[text], value,
			is_path ? text == DAEMON_DIR ? "empty: expected a directory"
						     : "empty: expected a file"
				: "not an address: expected HOST:PORT with a port from 1 to 65535");
		return STATUS_CONFIG;
	}
	char **place = text_of(config->self, text);
	free(*place);
	*place = alloc_string(value);
	return 0;
}

static int override_setting(struct daemon_config *config, size_t index, const char *value,
			    const char *prefix, const char *name, char *error, size_t error_size)
{
	const struct setting *setting = &settings_table[index];
	char why[160];
	if (value == NULL)
		return 0;
	set_origin(&config->setting_origins[index], prefix, name);
	if (setting_parse(setting, value, setting_value(&config->settings, setting), why,
			  sizeof why) == 0)
		return 0;
	snprintf(error, error_size, "%s = %s: %s", config->setting_origins[index], value, why);
	return STATUS_CONFIG;
}

static void origins_of_file(struct daemon_config *config)
{
	const struct clusterconf_node *self = config->self;
	const uint32_t text_lines[DAEMON_TEXTS] = {self->listen_line, self->http_line,
						   self->dir_line, self->trace_line};
	for (size_t i = 0; i < SETTINGS_COUNT; i++) {
		uint32_t line = self->setting_lines[i];
		config->setting_origins[i] = line == 0 ? alloc_string("default")
						       : alloc_format("%s:%u", config->conf.file,
								      line);
	}
	for (size_t i = 0; i < DAEMON_TEXTS; i++)
		config->text_origins[i] = text_lines[i] == 0
						  ? alloc_string("default")
						  : alloc_format("%s:%u", config->conf.file,
								 text_lines[i]);
}

static int override_all(struct daemon_config *config, const struct daemon_arguments *arguments,
			char *error, size_t error_size)
{
	char name[64];
	int status = 0;
	for (size_t i = 0; i < SETTINGS_COUNT && status == 0; i++) {
		const char *setting = settings_table[i].name;
		environment_name(setting, name, sizeof name);
		status = override_setting(config, i, getenv(name), "", name, error, error_size);
		if (status == 0)
			status = override_setting(config, i, arguments->settings[i], "--", setting,
						  error, error_size);
	}
	for (size_t i = 0; i < DAEMON_TEXTS && status == 0; i++) {
		environment_name(TEXT_NAMES[i], name, sizeof name);
		status = override_text(config, (enum daemon_text)i, getenv(name), "", name, error,
				       error_size);
		if (status == 0)
			status = override_text(config, (enum daemon_text)i, arguments->texts[i],
					       "--", TEXT_NAMES[i], error, error_size);
	}
	if (status == 0)
		status = settings_check(&config->settings, error, error_size);
	return status;
}

/* What a node of the file may send to this one, besides what anybody may. */
static uint32_t speaks_of(const struct clusterconf_node *self, const struct clusterconf_node *other)
{
	if (self == other)
		return 0;
	if (other->role == ROLE_PBSERVER)
		return self->role == ROLE_PBSERVER || self->role == ROLE_VIEWSERVER ? SENDER_PB : 0;
	return other->role == self->role && other->group == self->group ? SENDER_REPLICA : 0;
}

static int make_peers(struct daemon_config *config, const struct daemon_arguments *arguments,
		      char *error, size_t error_size)
{
	const struct clusterconf *conf = &config->conf;
	config->npeers = conf->nnodes;
	config->peers = alloc_zeroed((size_t)conf->nnodes + 1, sizeof *config->peers);
	for (uint32_t i = 0; i < conf->nnodes; i++)
		config->peers[i] = (struct host_peer){
			.name = conf->nodes[i].name,
			.address = conf->nodes[i].listen,
			.speaks = speaks_of(config->self, &conf->nodes[i]),
			.master = conf->nodes[i].role == ROLE_SHARDMASTER,
		};
	for (uint32_t r = 0; r < arguments->nroutes; r++) {
		const struct clusterconf_node *node = clusterconf_find(conf,
								       arguments->routes[r].node);
		if (node == NULL) {
			snprintf(error, error_size, "--route %s=%s: there is no [node %s] in %s",
				 arguments->routes[r].node, arguments->routes[r].address,
				 arguments->routes[r].node, conf->file);
			return STATUS_CONFIG;
		}
		config->peers[node - conf->nodes].route = arguments->routes[r].address;
	}
	return 0;
}

int daemon_config_load(struct daemon_config *config, const struct daemon_arguments *arguments,
		       enum node_role role, char *error, size_t error_size)
{
	struct buffer text = {0};
	*config = (struct daemon_config){0};
	int status = read_file(arguments->config, &text, error, error_size);
	if (status == 0)
		status = clusterconf_parse(&config->conf, arguments->config, buffer_slice(&text),
					   error, error_size);
	buffer_free(&text);
	if (status != 0)
		return status;
	status = find_self(config, arguments->node, role, error, error_size);
	if (status != 0)
		return status;
	config->settings = config->self->settings;
	origins_of_file(config);
	status = override_all(config, arguments, error, error_size);
	if (status == 0)
		status = make_peers(config, arguments, error, error_size);
	return status;
}

void daemon_config_free(struct daemon_config *config)
{
	for (size_t i = 0; i < SETTINGS_COUNT; i++)
		free(config->setting_origins[i]);
	for (size_t i = 0; i < DAEMON_TEXTS; i++)
		free(config->text_origins[i]);
	free(config->peers);
	clusterconf_free(&config->conf);
	*config = (struct daemon_config){0};
}

static void print_line(FILE *out, const char *key, const char *value, const char *origin)
{
	char line[512];
	snprintf(line, sizeof line, "%s = %s", key, value);
	fprintf(out, "%-48s ; %s\n", line, origin);
}

void daemon_config_print(const struct daemon_config *config, FILE *out)
{
	const struct clusterconf *conf = &config->conf;
	struct clusterconf_node *self = config->self;
	char value[64], origin[512];
	fprintf(out, "[cluster]\n");
	snprintf(origin, sizeof origin, "%s:%u", conf->file, conf->name_line);
	print_line(out, "name", conf->name, origin);
	if (conf->id != 0) {
		snprintf(origin, sizeof origin, "%s:%u", conf->file, conf->id_line);
		print_line(out, "id", id_text(conf->id, value), origin);
	}
	snprintf(value, sizeof value, "%u", conf->shards);
	snprintf(origin, sizeof origin, "%s:%u", conf->file, conf->shards_line);
	print_line(out, "shards", value, conf->shards_line == 0 ? "default" : origin);
	fprintf(out, "\n[node %s]\n", self->name);
	snprintf(origin, sizeof origin, "%s:%u", conf->file, self->line);
	print_line(out, "role", node_role_text(self->role), origin);
	if (self->group != 0) {
		snprintf(value, sizeof value, "%" PRIu64, self->group);
		print_line(out, "group", value, origin);
	}
	snprintf(value, sizeof value, "%u", self->replica);
	print_line(out, "replica", value, origin);
	for (size_t i = 0; i < DAEMON_TEXTS; i++) {
		const char *text = *text_of(self, (enum daemon_text)i);
		if (text != NULL)
			print_line(out, TEXT_NAMES[i], text, config->text_origins[i]);
	}
	for (size_t i = 0; i < SETTINGS_COUNT; i++) {
		const struct setting *setting = &settings_table[i];
		struct settings settings = config->settings;
		setting_format(setting, *setting_value(&settings, setting), value, sizeof value);
		print_line(out, setting->name, value, config->setting_origins[i]);
	}
	for (uint32_t i = 0; i < config->npeers; i++) {
		if (config->peers[i].route != NULL)
			fprintf(out, "; node %s is reached at %s (--route)\n",
				config->peers[i].name, config->peers[i].route);
	}
}
