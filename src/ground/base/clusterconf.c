/* Reads cluster.conf. */
#include "base/clusterconf.h"

#include <ctype.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clusterconf_internal.h"
#include "base/hashslot.h"
#include "base/id.h"

static const char *const ROLES[] = {"",           "shardmaster", "shardkv",
				    "viewserver", "pbserver",    "paxos"};

const char *node_role_text(enum node_role role)
{
	return (size_t)role < sizeof ROLES / sizeof ROLES[0] ? ROLES[role] : "";
}

void clusterconf_fail(struct clusterconf_parser *p, uint32_t line, const char *format, ...)
{
	if (p->error_line != 0)
		return;
	p->error_line = line;
	int used = snprintf(p->error, p->error_size, "%s:%u: ", p->conf->file, line);
	if (used < 0 || (size_t)used >= p->error_size)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(p->error + used, p->error_size - (size_t)used, format, args);
	va_end(args);
}

bool name_valid(const char *name)
{
	size_t len = strlen(name);
	if (len == 0 || len > NAME_BYTES_MAX || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c > 0x7e || !(isalnum(c) || c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

bool address_valid(const char *address)
{
	const char *colon = strrchr(address, ':');
	if (colon == NULL || colon == address || strlen(address) > ADDRESS_BYTES_MAX)
		return false;
	bool bracketed = address[0] == '[';
	if (bracketed ? colon[-1] != ']' || colon - address < 4
		      : memchr(address, ':', (size_t)(colon - address)) != NULL)
		return false;
	for (const char *c = address + bracketed; c < colon - bracketed; c++) {
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-' && *c != '_' &&
		    !(bracketed && (*c == ':' || *c == '%')))
			return false;
	}
	size_t digits = strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return false;
	unsigned long port = strtoul(colon + 1, NULL, 10);
	return port >= 1 && port <= 65535;
}

bool address_is_any(const char *address)
{
	return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

static void begin_node(struct clusterconf_parser *p, const char *name)
{
	struct clusterconf *conf = p->conf;
	if (!name_valid(name)) {
		clusterconf_fail(p, p->line,
				 "[node %s]: not a name: 1 to %u letters, digits and . _ -, "
				 "beginning with a "
				 "letter or digit",
				 name, NAME_BYTES_MAX);
		return;
	}
	const struct clusterconf_node *same = clusterconf_find(conf, name);
	if (same != NULL) {
		clusterconf_fail(p, p->line, "[node %s]: this node stands already in line %u", name,
				 same->line);
		return;
	}
	if (conf->nnodes == CLUSTERCONF_NODES_MAX) {
		clusterconf_fail(p, p->line, "[node %s]: more than %u nodes", name,
				 CLUSTERCONF_NODES_MAX);
		return;
	}
	conf->nodes = alloc_resize(conf->nodes, conf->nnodes + 1, sizeof *conf->nodes);
	p->node = &conf->nodes[conf->nnodes++];
	*p->node = (struct clusterconf_node){.name = alloc_string(name), .line = p->line};
}

/* `line` is a whole line that begins with '['. */
static void begin_section(struct clusterconf_parser *p, char *line)
{
	p->node = NULL;
	p->in_cluster = false;
	char *end = strchr(line, ']');
	size_t after = end == NULL ? 0 : strspn(end + 1, " \t");
	if (end == NULL ||
	    (end[1 + after] != '\0' && end[1 + after] != ';' && end[1 + after] != '#')) {
		clusterconf_fail(p, p->line,
				 "'%s' is no section: expected [cluster] or [node NAME]", line);
		return;
	}
	char name[512];
	snprintf(name, sizeof name, "%.*s", (int)(end - line - 1), line + 1);
	if (strcmp(name, "cluster") == 0) {
		if (p->conf->name_line != 0)
			clusterconf_fail(p, p->line,
					 "[cluster]: this section stands already in line %u",
					 p->conf->name_line);
		p->in_cluster = true;
		p->conf->name_line =
			/*
			 * until the name itself is met: to recognise the section when it comes
			 * twice
			 */
			p->line;
	} else if (strncmp(name, "node ", 5) == 0) {
		begin_node(p, name + 5 + strspn(name + 5, " "));
	} else {
		clusterconf_fail(p, p->line,
				 "[%s]: unknown section: expected [cluster] or [node NAME]", name);
	}
}

/*
 * Feeds the INI reader line by line: it tells line numbers and the beginning of sections, which the
 * reader itself does not, takes indentation away (to the reader, an indented line continues the
 * value before) and refuses what the reader would cut.
 */
static char *next_line(char *out, int size, void *context)
{
	struct clusterconf_parser *p = context;
	if (p->rest.len == 0)
		return NULL;
	const uint8_t *newline = memchr(p->rest.data, '\n', p->rest.len);
	struct slice line;
	(void)slice_take(&p->rest,
			 newline == NULL ? p->rest.len : (size_t)(newline - p->rest.data) + 1,
			 &line);
	p->line++;
	if (p->line == 1 && slice_has_prefix(line, slice_string("\xef\xbb\xbf")))
		(void)slice_take(&line, 3, &(struct slice){0});
	while (line.len > 0 && isspace(line.data[0]))
		(void)slice_take(&line, 1, &(struct slice){0});
	while (line.len > 0 && isspace(line.data[line.len - 1]))
		line.len--;
	bool comment = line.len > 0 && (line.data[0] == ';' || line.data[0] == '#');
	if (!comment && line.len > 0 && memchr(line.data, 0, line.len) != NULL) {
		clusterconf_fail(p, p->line, "a zero byte: this is no text file");
		line.len = 0;
	} else if (!comment && line.len + 2 > (size_t)size) {
		clusterconf_fail(p, p->line, "longer than %d bytes", size - 2);
		line.len = 0;
	}
	snprintf(out, (size_t)size, "%.*s\n", comment ? 0 : (int)line.len,
		 line.len == 0 ? "" : (const char *)line.data);
	if (out[0] == '[') {
		out[strlen(out) - 1] = '\0';
		begin_section(p, out);
		/* The reader sees a name that it cannot cut; sections are told apart here. */
		snprintf(out, (size_t)size, "[section]\n");
	}
	return out;
}

static bool set_setting(struct clusterconf_parser *p, struct settings *settings, uint32_t *lines,
			const char *key, const char *value)
{
	const struct setting *setting = strchr(key, '-') == NULL ? setting_find(key) : NULL;
	if (setting == NULL)
		return false;
	char why[160];
	uint32_t *line = &lines[setting_number(setting)];
	if (*line != 0)
		clusterconf_fail(p, p->line, "%s = %s: this key stands already in line %u", key,
				 value, *line);
	else if (setting_parse(setting, value, setting_value(settings, setting), why, sizeof why) !=
		 0)
		clusterconf_fail(p, p->line, "%s = %s: %s", key, value, why);
	*line = p->line;
	return true;
}

static bool set_number(struct clusterconf_parser *p, const char *key, const char *value,
		       uint64_t min, uint64_t max, uint64_t *out)
{
	struct setting number = {.name = key, .type = SETTING_COUNT, .min = min, .max = max};
	char why[160];
	if (setting_parse(&number, value, out, why, sizeof why) == 0)
		return true;
	clusterconf_fail(p, p->line, "%s = %s: %s", key, value, why);
	return false;
}

static void set_cluster_key(struct clusterconf_parser *p, const char *key, const char *value)
{
	struct clusterconf *conf = p->conf;
	if (strcmp(key, "name") == 0) {
		if (conf->name != NULL) {
			clusterconf_fail(p, p->line,
					 "name = %s: this key stands already in line %u", value,
					 conf->name_line);
			return;
		}
		if (!name_valid(value))
			clusterconf_fail(p, p->line,
					 "name = %s: not a name: 1 to %u letters, digits and . _ "
					 "-, beginning "
					 "with a letter or digit",
					 value, NAME_BYTES_MAX);
		conf->name = alloc_string(value);
		conf->name_line = p->line;
	} else if (strcmp(key, "id") == 0) {
		if (conf->id_line != 0)
			clusterconf_fail(p, p->line, "id = %s: this key stands already in line %u",
					 value, conf->id_line);
		else if (!id_parse(value, &conf->id))
			clusterconf_fail(
				p, p->line,
				"id = %s: not a cluster's id: 16 hex digits that are not all 0, as "
				"'kvctl status' shows "
				"them",
				value);
		conf->id_line = p->line;
	} else if (strcmp(key, "shards") == 0) {
		uint64_t shards = 0;
		if (conf->shards_line != 0) {
			clusterconf_fail(p, p->line,
					 "shards = %s: this key stands already in line %u", value,
					 conf->shards_line);
		} else if (set_number(p, key, value, 1, SHARDS_MAX, &shards)) {
			conf->shards = (uint32_t)shards;
			conf->shards_line = p->line;
			if (!shards_valid(conf->shards))
				clusterconf_fail(p, p->line,
						 "shards = %s: not an allowed number of shards: a "
						 "power of two up to %u",
						 value, SHARDS_MAX);
		}
	} else if (!set_setting(p, &conf->settings, conf->setting_lines, key, value)) {
		clusterconf_fail(p, p->line, "%s = %s: unknown key in [cluster]", key, value);
	}
}

static void set_text(struct clusterconf_parser *p, const char *key, const char *value, char **out,
		     uint32_t *line, bool is_address)
{
	if (*out != NULL) {
		clusterconf_fail(p, p->line, "%s = %s: this key stands already in line %u", key,
				 value, *line);
		return;
	}
	if (is_address && !address_valid(value))
		clusterconf_fail(
			p, p->line,
			"%s = %s: not an address: expected HOST:PORT with a port from 1 to 65535",
			key, value);
	else if (value[0] == '\0')
		clusterconf_fail(p, p->line, "%s = : empty", key);
	*out = alloc_string(value);
	*line = p->line;
}

static void set_node_key(struct clusterconf_parser *p, const char *key, const char *value)
{
	struct clusterconf_node *node = p->node;
	uint64_t number = 0;
	if (strcmp(key, "role") == 0) {
		if (node->role != ROLE_NONE)
			clusterconf_fail(p, p->line,
					 "role = %s: this key stands twice in [node %s]", value,
					 node->name);
		for (size_t i = 1; i < sizeof ROLES / sizeof ROLES[0]; i++) {
			if (strcmp(value, ROLES[i]) == 0)
				node->role = (enum node_role)i;
		}
		if (node->role == ROLE_NONE)
			clusterconf_fail(p, p->line,
					 "role = %s: unknown role: expected " ROLES_TEXT, value);
	} else if (strcmp(key, "group") == 0) {
		if (node->group != 0)
			clusterconf_fail(p, p->line,
					 "group = %s: this key stands twice in [node %s]", value,
					 node->name);
		else if (set_number(p, key, value, 1, UINT32_MAX, &number))
			node->group = number;
	} else if (strcmp(key, "replica") == 0) {
		if (node->replica != 0)
			clusterconf_fail(p, p->line,
					 "replica = %s: this key stands twice in [node %s]", value,
					 node->name);
		else if (set_number(p, key, value, 1, MEMBER_NUMBER_MAX, &number)) {
			node->replica = (uint32_t)number;
			node->replica_line = p->line;
		}
	} else if (strcmp(key, "listen") == 0) {
		set_text(p, key, value, &node->listen, &node->listen_line, true);
	} else if (strcmp(key, "http") == 0) {
		set_text(p, key, value, &node->http, &node->http_line, true);
	} else if (strcmp(key, "trace") == 0) {
		set_text(p, key, value, &node->trace, &node->trace_line, false);
	} else if (strcmp(key, "dir") == 0) {
		set_text(p, key, value, &node->dir, &node->dir_line, false);
	} else if (!set_setting(p, &node->settings, node->setting_lines, key, value)) {
		clusterconf_fail(p, p->line, "%s = %s: unknown key in [node %s]", key, value,
				 node->name);
	}
}

static int handle_key(void *context, const char *section, const char *key, const char *value)
{
	struct clusterconf_parser *p = context;
	(void)section;
	if (p->error_line != 0)
		return 1;
	if (p->node != NULL)
		set_node_key(p, key, value);
	else if (p->in_cluster)
		set_cluster_key(p, key, value);
	else
		clusterconf_fail(
			p, p->line,
			"%s = %s: before the first section: expected [cluster] or [node NAME]", key,
			value);
	return 1;
}

int clusterconf_parse(struct clusterconf *out, const char *file, struct slice text, char *error,
		      size_t error_size)
{
	*out = (struct clusterconf){.file = alloc_string(file), .shards = SHARDS_DEFAULT};
	settings_default(&out->settings);
	struct clusterconf_parser p = {
		.conf = out, .rest = text, .error = error, .error_size = error_size};
	int syntax_line = ini_parse_stream(next_line, &p, handle_key, &p);
	if (syntax_line > 0 && (p.error_line == 0 || (uint32_t)syntax_line < p.error_line)) {
		p.error_line = 0;
		clusterconf_fail(&p, (uint32_t)syntax_line,
				 "neither a section nor KEY = VALUE nor a comment");
	}
	if (p.error_line == 0)
		clusterconf_check(&p);
	if (p.error_line == 0)
		return 0;
	clusterconf_free(out);
	return STATUS_CONFIG;
}

void clusterconf_free(struct clusterconf *conf)
{
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		struct clusterconf_node *node = &conf->nodes[i];
		free(node->name);
		free(node->listen);
		free(node->http);
		free(node->trace);
		free(node->dir);
	}
	free(conf->nodes);
	free(conf->name);
	free(conf->file);
	*conf = (struct clusterconf){0};
}

const struct clusterconf_node *clusterconf_find(const struct clusterconf *conf, const char *name)
{
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		if (strcmp(conf->nodes[i].name, name) == 0)
			return &conf->nodes[i];
	}
	return NULL;
}

const struct clusterconf_node *clusterconf_next(const struct clusterconf *conf, enum node_role role,
						uint64_t group,
						const struct clusterconf_node *previous)
{
	size_t i = previous == NULL ? 0 : (size_t)(previous - conf->nodes) + 1;
	for (; i < conf->nnodes; i++) {
		if (conf->nodes[i].role == role && conf->nodes[i].group == group)
			return &conf->nodes[i];
	}
	return NULL;
}
