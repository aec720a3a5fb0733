/* The command line of a daemon. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/daemon_config.h"

enum option_value {
	OPTION_CONFIG = 1,
	OPTION_NODE,
	OPTION_ROUTE,
	OPTION_PRINT_CONFIG,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_TEXT = 100,     /* + enum daemon_text */
	OPTION_SETTING = 1000, /* + enum setting_index */
};

static const struct option FIXED[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"node", required_argument, NULL, OPTION_NODE},
	{"route", required_argument, NULL, OPTION_ROUTE},
	{"print-config", no_argument, NULL, OPTION_PRINT_CONFIG},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"listen", required_argument, NULL, OPTION_TEXT + DAEMON_LISTEN},
	{"http", required_argument, NULL, OPTION_TEXT + DAEMON_HTTP},
	{"dir", required_argument, NULL, OPTION_TEXT + DAEMON_DIR},
	{"trace", required_argument, NULL, OPTION_TEXT + DAEMON_TRACE},
};
#define FIXED_COUNT (sizeof FIXED / sizeof FIXED[0])

/* Every setting under both of its spellings. */
struct option_table {
	struct option options[FIXED_COUNT + 2 * SETTINGS_COUNT + 1];
	char dashed[SETTINGS_COUNT][48];
};

static void fill_table(struct option_table *table)
{
	size_t n = FIXED_COUNT;
	memset(table, 0, sizeof *table);
	memcpy(table->options, FIXED, sizeof FIXED);
	for (size_t i = 0; i < SETTINGS_COUNT; i++) {
		int value = OPTION_SETTING + (int)i;
		const char *name = settings_table[i].name;
		ASSERT(strlen(name) < sizeof table->dashed[i]);
		for (size_t k = 0; name[k] != '\0'; k++)
			table->dashed[i][k] = name[k] == '_' ? '-' : name[k];
		table->options[n++] = (struct option){name, required_argument, NULL, value};
		table->options[n++] = (struct option){table->dashed[i], required_argument, NULL,
						      value};
	}
}

static int add_route(struct daemon_arguments *arguments, const char *program, const char *text)
{
	const char *equals = strchr(text, '=');
	char *node = equals == NULL ? alloc_string("")
				    : alloc_format("%.*s", (int)(equals - text), text);
	if (!name_valid(node) || !address_valid(equals + 1)) {
		fprintf(stderr, "%s: --route %s: expected NODE=HOST:PORT\n", program, text);
		free(node);
		return -1;
	}
	arguments->routes = alloc_resize(arguments->routes, arguments->nroutes + 1,
					 sizeof *arguments->routes);
	arguments->routes[arguments->nroutes++] = (struct daemon_route){node,
									alloc_string(equals + 1)};
	return 0;
}

static int take_option(struct daemon_arguments *arguments, const char *program, int value)
{
	if (value >= OPTION_SETTING) {
		arguments->settings[value - OPTION_SETTING] = optarg;
		return 0;
	}
	if (value >= OPTION_TEXT) {
		arguments->texts[value - OPTION_TEXT] = optarg;
		return 0;
	}
	switch (value) {
	case OPTION_CONFIG: arguments->config = optarg; return 0;
	case OPTION_NODE: arguments->node = optarg; return 0;
	case OPTION_ROUTE: return add_route(arguments, program, optarg);
	case OPTION_PRINT_CONFIG: arguments->print_config = true; return 0;
	case OPTION_HELP:
	case 'h': arguments->help = true; return 0;
	case OPTION_VERSION: arguments->version = true; return 0;
	default: /* getopt has said what is wrong */
		fprintf(stderr, "Try '%s --help'.\n", program);
		return -1;
	}
}

int daemon_arguments_parse(struct daemon_arguments *arguments, int argc, char **argv)
{
	struct option_table table;
	const char *program = argv[0] == NULL ? "synod" : argv[0];
	*arguments = (struct daemon_arguments){0};
	fill_table(&table);
	optind = 0; /* starts getopt anew */
	int value;
	while ((value = getopt_long(argc, argv, "h", table.options, NULL)) != -1) {
		if (take_option(arguments, program, value) != 0)
			return -1;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument '%s'\nTry '%s --help'.\n", program,
			argv[optind], program);
		return -1;
	}
	return 0;
}

void daemon_arguments_free(struct daemon_arguments *arguments)
{
	for (uint32_t i = 0; i < arguments->nroutes; i++) {
		free(arguments->routes[i].node);
		free(arguments->routes[i].address);
	}
	free(arguments->routes);
}

#define HELP_COLUMNS 80u
#define HELP_INDENT 6u

/* In lines that a terminal shows whole. */
static void print_help(const char *text, FILE *out)
{
	size_t used = 0;
	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		if (used > 0 && used + 1 + len > HELP_COLUMNS) {
			fputc('\n', out);
			used = 0;
		}
		fprintf(out, "%*s%.*s", used == 0 ? (int)HELP_INDENT : 1, "", (int)len, text);
		used += len + (used == 0 ? HELP_INDENT : 1);
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void daemon_usage(const char *program, const char *summary, FILE *out)
{
	fprintf(out,
		"Usage: %s --config cluster.conf --node NAME [OPTION]...\n"
		"%s\n\n"
		"  --config FILE           the cluster's configuration (or SYNOD_CONFIG)\n"
		"  --node NAME             which of its nodes this is (or SYNOD_NODE)\n"
		"  --route NODE=HOST:PORT  reach that node at another address; may be repeated\n"
		"  --listen HOST:PORT      instead of the file's\n"
		"  --http HOST:PORT        instead of the file's\n"
		"  --dir DIR               instead of the file's\n"
		"  --trace FILE            append every message and step to FILE, for kvctl trace\n"
		"                          --merge and ShiViz\n"
		"  --print-config          show every value and where it comes from, and exit\n"
		"  --help, --version\n\n"
		"Settings, each also as a key of the file and as SYNOD_NAME in the "
		"environment:\n\n",
		program, summary);
	for (size_t i = 0; i < SETTINGS_COUNT; i++) {
		char standard[64], help[256];
		const struct setting *setting = &settings_table[i];
		fprintf(out, "  --%s=%s\n", setting->name,
			setting_format(setting, setting->standard, standard, sizeof standard));
		snprintf(help, sizeof help, "%s%s%s", setting->help,
			 setting->choices == NULL ? "" : ": ",
			 setting->choices == NULL ? "" : setting->choices);
		print_help(help, out);
	}
}
