/*
 * kvcheck: decides whether what clients saw can have happened (src/judge/check/check.h), from the
 * histories that they wrote (read.h).
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/output.h"
#include "read.h"

enum { EXIT_LINEARIZABLE = 0, EXIT_VIOLATION = 1, EXIT_GAVE_UP = 3, EXIT_USAGE = 64 };

static const char USAGE[] =
	"usage: kvcheck [options] HISTORY.jsonl…\n"
	"\n"
	"Says whether the histories (kvbench --history), taken together, are\n"
	"linearizable: whether there is an order of all calls that agrees with their\n"
	"times and with what each of them saw, in a store that was empty before. Keys\n"
	"that transactions connect are checked together (strict serializability). '-'\n"
	"reads standard input.\n"
	"\n"
	"  --txn             expect transactions; without it they are checked just so,\n"
	"                    and a note says that there are some\n"
	"  --html FILE       write a violation as a page for a browser, too\n"
	"  --max-steps N     give up after so many steps (default 200000000)\n"
	"  --max-memory MIB  give up when the search needs more (default 1024)\n"
	"  -o plain|json     (default plain)\n"
	"\n"
	"Exit status: 0 linearizable, 1 violation (shown), 3 gave up within its limits, 6\n"
	"linearizable, but that could not be written to stdout, 64 usage or unreadable\n"
	"history.\n";

struct options {
	bool txn, json;
	const char *html;
	struct check_limits limits;
	char **files;
	int nfiles;
};

__attribute__((noreturn)) static void usage(const char *why, const char *what)
{
	fprintf(stderr, "kvcheck: %s: %s\nTry 'kvcheck --help'.\n", why, what);
	exit(EXIT_USAGE);
}

static uint64_t number(const char *option, const char *text, uint64_t max)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value == 0 || value > max)
		usage(option, text);
	return value;
}

static void parse(struct options *o, int argc, char **argv)
{
	enum { TXN = 256, HTML, STEPS, MEMORY, HELP };
	static const struct option names[] = {
		{"txn", no_argument, NULL, TXN},
		{"html", required_argument, NULL, HTML},
		{"max-steps", required_argument, NULL, STEPS},
		{"max-memory", required_argument, NULL, MEMORY},
		{"help", no_argument, NULL, HELP},
		{NULL, 0, NULL, 0},
	};
	*o = (struct options){0};
	for (int c; (c = getopt_long(argc, argv, "o:", names, NULL)) != -1;) {
		if (c == TXN) {
			o->txn = true;
		} else if (c == HTML) {
			o->html = optarg;
		} else if (c == STEPS) {
			o->limits.steps_max = number("--max-steps must be a number above 0", optarg,
						     UINT64_MAX);
		} else if (c == MEMORY) {
			o->limits.bytes_max =
				number("--max-memory must be a number above 0", optarg, 1u << 30)
				<< 20;
		} else if (c == 'o') {
			o->json = strcmp(optarg, "json") == 0;
			if (!o->json && strcmp(optarg, "plain") != 0)
				usage("-o must be plain or json", optarg);
		} else if (c == HELP) {
			fputs(USAGE, stdout);
			exit(output_exit_code(0, "kvcheck", "cannot write to stdout"));
		} else {
			fprintf(stderr, "Try 'kvcheck --help'.\n");
			exit(EXIT_USAGE);
		}
	}
	o->files = argv + optind;
	o->nfiles = argc - optind;
	if (o->nfiles == 0)
		usage("what should be checked", "give one history or more");
}

/* ---- output ---- */

static void print_counts(const struct check_report *r)
{
	printf("%u calls (%u ok, %u failed, %u unknown)", r->calls, r->ok, r->failed, r->unknown);
	if (r->transactions > 0)
		printf(", %u of them transactions,", r->transactions);
	printf(" on %u key%s in %u part%s, the largest of %u calls; %" PRIu64 " steps\n", r->keys,
	       r->keys == 1 ? "" : "s", r->components, r->components == 1 ? "" : "s", r->largest,
	       r->steps);
}

static void print_plain(const struct check_history *h, const struct check_report *r,
			const struct check_names *names)
{
	struct buffer out = {0};
	switch (r->verdict) {
	case CHECK_LINEARIZABLE:
		printf("linearizable: ");
		print_counts(r);
		return;
	case CHECK_GAVE_UP:
		printf("undecided: gave up on %u of %u parts within the limits (--max-steps, "
		       "--max-memory); no violation in the others: ",
		       r->undecided, r->components);
		print_counts(r);
		return;
	case CHECK_VIOLATION:
		check_show_text(h, r, names, &out);
		fwrite(out.data, 1, out.len, stdout);
		printf("In all: ");
		print_counts(r);
		buffer_free(&out);
	}
}

static void print_json(const struct check_history *h, const struct check_report *r)
{
	static const char *const verdicts[] = {"linearizable", "violation", "undecided"};
	printf("{\"verdict\":\"%s\",\"calls\":%u,\"ok\":%u,\"failed\":%u,\"unknown\":%u,"
	       "\"transactions\":%u,\"keys\":%u,\"parts\":%u,\"undecided\":%u,\"steps\":%" PRIu64,
	       verdicts[r->verdict], r->calls, r->ok, r->failed, r->unknown, r->transactions,
	       r->keys, r->components, r->undecided, r->steps);
	if (r->verdict == CHECK_VIOLATION) {
		printf(",\"lines\":[");
		for (uint32_t i = 0; i < r->violation.count; i++) {
			const struct check_call *call = &h->calls[r->violation.items[i].call];
			printf("%s{\"file\":%u,\"line\":%u}", i == 0 ? "" : ",", call->file,
			       call->line);
		}
		printf("]");
	}
	printf("}\n");
}

static bool write_html(const char *path, const struct check_history *h,
		       const struct check_report *r, const struct check_names *names)
{
	struct buffer page = {0};
	FILE *out = fopen(path, "w");
	check_show_html(h, r, names, &page);
	bool done = out != NULL && fwrite(page.data, 1, page.len, out) == page.len;
	done = out != NULL && fclose(out) == 0 && done;
	if (!done)
		fprintf(stderr, "kvcheck: %s: %s\n", path, strerror(errno));
	buffer_free(&page);
	return done;
}

int main(int argc, char **argv)
{
	static const int exits[] = {[CHECK_LINEARIZABLE] = EXIT_LINEARIZABLE,
				    [CHECK_VIOLATION] = EXIT_VIOLATION,
				    [CHECK_GAVE_UP] = EXIT_GAVE_UP};
	struct options o;
	struct check_history h;
	struct check_report report;
	char *error;
	output_begin();
	parse(&o, argc, argv);
	check_history_init(&h);
	for (int i = 0; i < o.nfiles; i++) {
		if (!kvcheck_read(&h, o.files[i], (uint32_t)i, &error)) {
			fprintf(stderr, "kvcheck: %s\n", error);
			free(error);
			check_history_free(&h);
			return EXIT_USAGE;
		}
	}
	check_history(&h, &o.limits, &report);
	if (report.transactions > 0 && !o.txn)
		fprintf(stderr,
			"kvcheck: there are %u transactions; they are checked as with --txn\n",
			report.transactions);
	struct check_names names = {.files = (const char *const *)o.files, .unit_us = 0.001};
	if (o.json)
		print_json(&h, &report);
	else
		print_plain(&h, &report, &names);
	int code = exits[report.verdict];
	if (report.verdict == CHECK_VIOLATION && o.html != NULL)
		write_html(o.html, &h, &report, &names);
	check_report_free(&report);
	check_history_free(&h);
	return output_exit_code(code, "kvcheck", "the verdict could not be written to stdout");
}
