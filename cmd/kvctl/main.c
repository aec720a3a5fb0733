/* kvctl: the command line begins here. */
#include <stdint.h>

#include "kvctl.h"

#define TIMEOUT_MS_DEFAULT 5000u

static int run(struct kvctl *kvctl, int argc, char **argv)
{
	int option;
	opterr = 0;
	while ((option = kvctl_next_option(kvctl, argc, argv, NULL)) == 0)
		continue;
	if (option == '?')
		return EXIT_USAGE;
	if (option == 'h' || option == 'V') {
		char *instead[] = {(char *)(uintptr_t)(option == 'h' ? "help" : "version"), NULL};
		return kvctl_dispatch(kvctl, 1, instead);
	}
	if (optind == argc)
		return kvctl_usage(kvctl, "which command?");
	int first = optind;
	return kvctl_dispatch(kvctl, argc - first, argv + first);
}

int main(int argc, char **argv)
{
	struct kvctl kvctl = {.timeout_ms = TIMEOUT_MS_DEFAULT};
	output_begin();
	int exit_code = run(&kvctl, argc, argv);
	exit_code = kvctl_end(&kvctl, exit_code);
	kvctl_close(&kvctl);
	return exit_code;
}
