/* The options that all commands share, and those of one. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kvctl.h"

enum { GLOBAL_CONFIG = 1, GLOBAL_ENDPOINTS, GLOBAL_TIMEOUT, GLOBAL_TRACE };

static const struct option global_options[] = {
	{"config", required_argument, NULL, GLOBAL_CONFIG},
	{"endpoints", required_argument, NULL, GLOBAL_ENDPOINTS},
	{"timeout", required_argument, NULL, GLOBAL_TIMEOUT},
	{"trace", required_argument, NULL, GLOBAL_TRACE},
	{"output", required_argument, NULL, 'o'},
	{"help", no_argument, NULL, 'h'},
};
#define GLOBALS (sizeof global_options / sizeof global_options[0])
#define SPECIFIC_MAX 16u
/* In front of the command only. */
static const struct option version_option = {"version", no_argument, NULL, 'V'};

int kvctl_global_option(struct kvctl *kvctl, int option, const char *argument)
{
	switch (option) {
	case GLOBAL_CONFIG:
	case GLOBAL_ENDPOINTS:
		if (kvctl->in_shell)
			return kvctl_usage(
				kvctl, "the shell stays with the cluster that it was started for");
		kvctl->config_file = option == GLOBAL_CONFIG ? argument : NULL;
		kvctl->endpoints = option == GLOBAL_ENDPOINTS ? argument : NULL;
		return EXIT_OK;
	case GLOBAL_TRACE:
		if (kvctl->synod != NULL)
			return kvctl_usage(
				kvctl,
				"--trace comes before the first request: kvctl --trace FILE shell");
		if (argument[0] == '\0')
			return kvctl_usage(kvctl, "--trace wants the name of a file");
		kvctl->trace_file = argument;
		snprintf(kvctl->trace_name, sizeof kvctl->trace_name, "kvctl-%ld", (long)getpid());
		return EXIT_OK;
	case GLOBAL_TIMEOUT:
		kvctl->timeout_given = true;
		if (kvctl_parse_duration(argument, &kvctl->timeout_ms))
			return EXIT_OK;
		return kvctl_usage(kvctl,
				   "--timeout %s: a duration is a number with ms, s, m or h, as in "
				   "500ms or 5s, "
				   "from 1ms to 24h",
				   argument);
	case 'o':
		kvctl->json = strcmp(argument, "json") == 0;
		if (kvctl->json || strcmp(argument, "plain") == 0)
			return EXIT_OK;
		return kvctl_usage(kvctl, "-o %s: the output is plain or json", argument);
	default: return EXIT_USAGE;
	}
}

/* In front of operands that getopt would take for an option: -5 is a number. */
#define NUMBER_MARK '\1'

static bool is_negative_number(const char *word)
{
	return word[0] == '-' && isdigit((unsigned char)word[1]);
}

void kvctl_options_begin(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (is_negative_number(argv[i]))
			argv[i] = alloc_format("%c%s", NUMBER_MARK, argv[i]);
	}
	optind = 0; /* glibc: start over */
	opterr = 0;
}

void kvctl_options_end(int argc, char **argv)
{
	/* The few bytes of a marked word live until the process ends, as argv does. */
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == NUMBER_MARK && is_negative_number(argv[i] + 1))
			argv[i]++;
}

const char *kvctl_option_text(const char *argument)
{
	return argument[0] == NUMBER_MARK && is_negative_number(argument + 1) ? argument + 1
									      : argument;
}

/* ", did you mean --limit?" or "": of the long options of `all`. */
static const char *suggest_option(const char *word, const struct option *all, char *out,
				  size_t size)
{
	const char *names[GLOBALS + SPECIFIC_MAX + 1];
	char typed[64];
	size_t count = 0;
	out[0] = '\0';
	if (strncmp(word, "--", 2) != 0)
		return out;
	snprintf(typed, sizeof typed, "%.*s", (int)strcspn(word + 2, "="), word + 2);
	for (; all[count].name != NULL; count++)
		names[count] = all[count].name;
	const char *closest = kvctl_closest(typed, names, count);
	if (closest != NULL)
		snprintf(out, size, ", did you mean --%s?", closest);
	return out;
}

static void report_mistake(struct kvctl *kvctl, int kind, char **argv, const struct option *all)
{
	const char *word = argv[optind - 1];
	char suggestion[64];
	if (kind == ':' && optopt != 0 && optopt < 128 && isprint(optopt))
		kvctl_usage(kvctl, "-%c needs an argument", optopt);
	else if (kind == ':')
		kvctl_usage(kvctl, "%s needs an argument", word);
	else if (optopt != 0 && optopt < 128 && isprint(optopt))
		kvctl_usage(kvctl,
			    "unknown option -%c; a word that begins with a dash goes behind \"--\"",
			    optopt);
	else if (suggest_option(word, all, suggestion, sizeof suggestion)[0] != '\0')
		kvctl_usage(kvctl, "unknown option %s%s", word, suggestion);
	else
		kvctl_usage(kvctl,
			    "unknown option %s; a word that begins with a dash goes behind \"--\"",
			    word);
}

int kvctl_next_option(struct kvctl *kvctl, int argc, char **argv, const struct option *specific)
{
	struct option all[GLOBALS + SPECIFIC_MAX + 1] = {{0}};
	memcpy(all, global_options, sizeof global_options);
	for (size_t i = 0; specific != NULL && specific[i].name != NULL; i++) {
		ASSERT(i < SPECIFIC_MAX);
		all[GLOBALS + i] = specific[i];
	}
	bool before = kvctl->command == NULL;
	if (before)
		all[GLOBALS] = version_option;
	int option = getopt_long(argc, argv, before ? "+:o:hV" : ":o:h", all, NULL);
	if (option == '?' || option == ':') {
		report_mistake(kvctl, option, argv, all);
		return '?';
	}
	if (option == 'h' || option == 'V' || option == -1 || option >= KVCTL_OPTION(0))
		return option;
	return kvctl_global_option(kvctl, option, optarg) == EXIT_OK ? 0 : '?';
}

int kvctl_check_operands(struct kvctl *kvctl, int count, int min, int max)
{
	if (count < min)
		return kvctl_usage(kvctl, "something is missing");
	if (count > max)
		return kvctl_usage(kvctl, "too many arguments (quote a value that has blanks)");
	return EXIT_OK;
}

int kvctl_operands(struct kvctl *kvctl, int argc, char **argv, int min, int max, int *first)
{
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, NULL)) == 0)
		continue;
	kvctl_options_end(argc, argv);
	if (option != -1)
		return EXIT_USAGE;
	*first = optind;
	return kvctl_check_operands(kvctl, argc - optind, min, max);
}
