/* completion: scripts for the shells, made from the command table */
#include <stdio.h>

#include "kvctl.h"

#define GLOBAL_OPTIONS "--config --endpoints --timeout --trace --output --help"

static void print_names(const char *before, const char *after)
{
	for (size_t i = 0; i < kvctl_ncommands; i++)
		printf("%s%s%s", before, kvctl_commands[i].name, after);
}

static void print_bash(void)
{
	puts("# bash completion for kvctl: kvctl completion bash > /etc/bash_completion.d/kvctl");
	puts("_kvctl() {");
	puts("\tlocal word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= "
	     "i");
	puts("\tCOMPREPLY=()");
	puts("\tcase $previous in");
	puts("\t--config|--trace) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "
	     "\"$word\")); return ;;");
	puts("\t-o|--output) COMPREPLY=($(compgen -W 'plain json' -- \"$word\")); return ;;");
	puts("\t--endpoints|--timeout) return ;;");
	puts("\tesac");
	puts("\tfor ((i = 1; i < COMP_CWORD; i++)); do");
	puts("\t\tcase ${COMP_WORDS[i]} in");
	puts("\t\t--config|--endpoints|--timeout|--trace|-o|--output) ((i++)) ;;");
	puts("\t\t-*) ;;");
	puts("\t\t*) command=${COMP_WORDS[i]}; break ;;");
	puts("\t\tesac");
	puts("\tdone");
	puts("\tcase $command in");
	fputs("\t'') COMPREPLY=($(compgen -W '", stdout);
	print_names("", " ");
	puts(GLOBAL_OPTIONS " --version' -- \"$word\")) ;;");
	puts("\timport)");
	puts("\t\tif [[ $word == -* ]]; then COMPREPLY=($(compgen -W '--format " GLOBAL_OPTIONS
	     "' -- \"$word\"))");
	puts("\t\telse compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$word\")); "
	     "fi ;;");
	for (size_t i = 0; i < kvctl_ncommands; i++) {
		const struct kvctl_command *command = &kvctl_commands[i];
		if (command->options[0] != '\0' && command->run != kvctl_import)
			printf("\t%s) COMPREPLY=($(compgen -W '%s " GLOBAL_OPTIONS
			       "' -- \"$word\")) ;;\n",
			       command->name, command->options);
	}
	puts("\tesac");
	puts("}");
	puts("complete -F _kvctl kvctl");
}

static void print_quoted(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (*text == ':')
			fputs("\\:", stdout);
		else
			fputc(*text, stdout);
	}
}

static void print_zsh(void)
{
	puts("#compdef kvctl");
	puts("# zsh completion for kvctl: kvctl completion zsh > \"${fpath[1]}/_kvctl\"");
	puts("_kvctl() {");
	puts("\tlocal -a commands");
	puts("\tcommands=(");
	for (size_t i = 0; i < kvctl_ncommands; i++) {
		printf("\t\t'%s:", kvctl_commands[i].name);
		print_quoted(kvctl_commands[i].summary);
		puts("'");
	}
	puts("\t)");
	puts("\t_arguments -C '--config[cluster.conf]:file:_files' "
	     "'--endpoints[HOST\\:PORT,…]:endpoints:' \\");
	puts("\t\t'--timeout[of a request]:duration:' '(-o "
	     "--output)'{-o,--output}'[format]:format:(plain json)' \\");
	puts("\t\t'--trace[causal trace]:file:_files' '--version[of this program]' \\");
	puts("\t\t'1:command:->command' '*::argument:->argument'");
	puts("\tcase $state in");
	puts("\tcommand) _describe command commands ;;");
	puts("\targument)");
	puts("\t\tcase $words[1] in");
	puts("\t\timport) _arguments '--format[of the file]:format:(tsv jsonl csv)' "
	     "'*:file:_files' ;;");
	for (size_t i = 0; i < kvctl_ncommands; i++)
		if (kvctl_commands[i].options[0] != '\0' && kvctl_commands[i].run != kvctl_import)
			printf("\t\t%s) compadd -- %s ;;\n", kvctl_commands[i].name,
			       kvctl_commands[i].options);
	puts("\t\tesac ;;");
	puts("\tesac");
	puts("}");
	puts("_kvctl \"$@\"");
}

static void print_fish(void)
{
	puts("# fish completion for kvctl: kvctl completion fish > "
	     "~/.config/fish/completions/kvctl.fish");
	puts("complete -c kvctl -f");
	puts("complete -c kvctl -l config -r -F -d 'cluster.conf'");
	puts("complete -c kvctl -l endpoints -x -d 'HOST:PORT,…'");
	puts("complete -c kvctl -l timeout -x -d 'of a request, as in 5s'");
	puts("complete -c kvctl -l trace -r -F -d 'file for a causal trace'");
	puts("complete -c kvctl -n __fish_use_subcommand -l version -d 'of this program'");
	puts("complete -c kvctl -s o -l output -x -a 'plain json' -d 'format'");
	for (size_t i = 0; i < kvctl_ncommands; i++) {
		const struct kvctl_command *command = &kvctl_commands[i];
		printf("complete -c kvctl -n __fish_use_subcommand -a %s -d '", command->name);
		/* Nothing but the quote has to be escaped between single quotes. */
		for (const char *c = command->summary; *c != '\0'; c++)
			printf(*c == '\'' ? "\\%c" : "%c", *c);
		puts("'");
		if (command->options[0] != '\0')
			printf("complete -c kvctl -n '__fish_seen_subcommand_from %s' -a '%s'\n",
			       command->name, command->options);
	}
	puts("complete -c kvctl -n '__fish_seen_subcommand_from import' -F");
}

int kvctl_completion(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 1, 1, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (strcmp(argv[first], "bash") == 0)
		print_bash();
	else if (strcmp(argv[first], "zsh") == 0)
		print_zsh();
	else if (strcmp(argv[first], "fish") == 0)
		print_fish();
	else
		return kvctl_usage(kvctl, "\"%s\" is none of bash, zsh and fish", argv[first]);
	return EXIT_OK;
}
