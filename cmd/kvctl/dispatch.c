/* Words into a command that runs. */
#include "kvctl.h"

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int kvctl_dispatch(struct kvctl *kvctl, int argc, char **argv)
{
	const struct kvctl_command *command = kvctl_find_command(argv[0]);
	char suggestion[64];
	kvctl->applied = false;
	if (command == NULL)
		return kvctl_usage(kvctl, "there is no command \"%s\"%s", argv[0],
				   kvctl_suggest_command(argv[0], suggestion, sizeof suggestion));
	if (asks_for_help(argc, argv)) {
		char *help[] = {(char *)(uintptr_t) "help", argv[0], NULL};
		return kvctl_help(kvctl, 2, help);
	}
	kvctl->command = command;
	return command->run(kvctl, argc, argv);
}
