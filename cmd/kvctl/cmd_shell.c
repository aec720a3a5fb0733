/* shell: commands line by line, over one connection */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kvctl.h"

/* Runs one line, and sees its output off; words with a zero byte inside cannot be arguments. */
static int run_line(struct kvctl *kvctl, struct slice line)
{
	struct kvctl_words words;
	const char *wrong = kvctl_words_parse(&words, line);
	if (wrong != NULL)
		return kvctl_usage(kvctl, "%s", wrong);
	int exit_code = EXIT_OK;
	char **argv = alloc_zeroed(words.count + 1, sizeof *argv);
	for (size_t i = 0; i < words.count; i++) {
		argv[i] = (char *)(uintptr_t)words.words[i].data;
		if (strlen(argv[i]) != words.words[i].len)
			exit_code = kvctl_usage(kvctl, "a zero byte cannot be part of an argument");
	}
	if (exit_code == EXIT_OK && words.count > 0)
		exit_code = kvctl_flush(kvctl, kvctl_dispatch(kvctl, (int)words.count, argv));
	free(argv);
	kvctl_words_free(&words);
	return exit_code;
}

static bool is_end(struct slice line)
{
	return slice_equal(line, slice_string("exit")) || slice_equal(line, slice_string("quit"));
}

int kvctl_shell(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 0, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (kvctl->in_shell)
		return kvctl_usage(kvctl, "this is the shell already");
	if (kvctl_synod(kvctl) == NULL)
		return EXIT_USAGE;
	bool terminal = isatty(STDIN_FILENO) == 1;
	const struct kvctl saved = *kvctl;
	char *text = NULL;
	size_t capacity = 0;
	ssize_t len;
	bool lost = false;
	if (terminal)
		kvctl_note("Commands as on the command line, without \"kvctl\"; help lists them, "
			   "exit or Ctrl-D ends.");
	for (;;) {
		if (terminal)
			fprintf(stderr, "synod> ");
		len = getline(&text, &capacity, stdin);
		if (len <= 0)
			break;
		struct slice line = slice(text, (size_t)len);
		while (line.len > 0 &&
		       (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == ' '))
			line.len--;
		if (is_end(line))
			break;
		if (line.len == 0 || line.data[0] == '#')
			continue;
		/* Options of one line are not those of the next. */
		kvctl->json = saved.json;
		kvctl->timeout_ms = saved.timeout_ms;
		kvctl->timeout_given = saved.timeout_given;
		kvctl->command = NULL;
		kvctl->in_shell = true;
		exit_code = run_line(kvctl, line);
		lost |= exit_code == EXIT_UNPRINTED;
	}
	if (ferror(stdin))
		exit_code = kvctl_usage(kvctl, "cannot read the commands from stdin");
	if (terminal)
		fputc('\n', stderr);
	kvctl->in_shell = false;
	free(text);
	/*
	 * The last command's, as a shell's; but what one before it could not print must not get
	 * lost.
	 */
	return exit_code == EXIT_OK && lost ? EXIT_UNPRINTED : exit_code;
}
