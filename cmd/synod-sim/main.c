/*
 * synod-sim: whole clusters of the production node objects under virtual time and seeded faults.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/output.h"
#include "minimise.h"
#include "runner.h"
#include "scene.h"
#include "tally.h"

#define JOBS_MAX 64u

static const char usage[] =
	"usage: synod-sim [--seed N | --seeds A..B] [options]\n"
	"  --seed N          one seed (default 1)\n"
	"  --seeds A..B      each seed from A to B\n"
	"  --cluster         shard masters, groups and client library, instead of one\n"
	"                    group of lists\n"
	"  --pb              view service, primary and backup, and client library\n"
	"  --paxosd          peers of the agreement service and the log, and client\n"
	"                    library\n"
	"  --beyond          damage to disks beyond what can be recovered from: no answer\n"
	"                    is fine, a wrong one is not\n"
	"  --replicas N      of each group (default: drawn)\n"
	"  --seconds N       virtual length of the safety phase (default 60)\n"
	"  --liveness N      virtual seconds until every client must get through after\n"
	"                    the healing (default 20)\n"
	"  --calm            no faults\n"
	"  --check-repeat    run every seed twice and compare\n"
	"  --trace           print every event\n"
	"  --shiviz FILE     write a causal trace of one seed, with vector clocks, for\n"
	"                    ShiViz\n"
	"  --history FILE    write the history, one JSON object a line\n"
	"  --minimise        of a seed that fails: leave out faults while it still does,\n"
	"                    and print the rest\n"
	"  --runs N          … in at most N runs (default 500)\n"
	"  --lines N         … with N lines of the trace (default 60)\n"
	"  --jobs N          seeds at a time (default: one a processor)\n"
	"  --keep-going      go on after a seed that failed\n"
	"  --quiet           print only what failed, and the totals\n"
	"Exit code: 0 ok, 6 ok, but stdout could not be written, 10 crash, 11 safety, 12\n"
	"liveness, 13 linearizability, 64 usage, or a file that could not be written.\n";

struct arguments {
	struct scene_options scene;
	struct run_wishes wishes;
	uint64_t first, last;
	uint32_t jobs, runs, lines;
	bool keep_going, quiet, minimise;
};

static void print_run(const struct arguments *arguments, const struct run *run)
{
	const struct run_report *report = run->report;
	const struct scene_result *result = &report->result;
	enum verdict verdict = run_verdict(run);
	if (verdict == VERDICT_OK && arguments->quiet)
		return;
	printf("seed=%" PRIu64 " %s\n", run->seed, result->options);
	if (!report->ended || run->signal != 0 || run->code != 0) {
		printf("seed=%" PRIu64 " verdict=crash signal=%d exit=%d\n", run->seed, run->signal,
		       run->code);
		return;
	}
	printf("seed=%" PRIu64 " verdict=%s ok=%" PRIu64 " failed=%" PRIu64 " unknown=%" PRIu64
	       " restarts=%" PRIu64 " messages=%" PRIu64 " events=%" PRIu64
	       " simulated_s=%.1f progress_ms=%" PRIu64 " speed=%.0fx hash=%016" PRIx64 "\n",
	       run->seed, verdict_text(verdict), result->ok, result->failed, result->unknown,
	       result->crashes, result->messages, result->events,
	       (double)result->simulated_us / 1e6, result->progress_us / 1000,
	       report->cpu_s > 0 ? (double)result->simulated_us / 1e6 / report->cpu_s : 0,
	       result->trace_hash);
	printf("%s", result->problem);
	if (report->again_hash != 0 && report->again_hash != result->trace_hash)
		printf("seed=%" PRIu64 " is not deterministic: the second run has hash %016" PRIx64
		       "\n",
		       run->seed, report->again_hash);
	fflush(stdout);
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* How to see the same again. */
static void print_hint(const struct arguments *arguments)
{
	const struct scene_options *scene = &arguments->scene;
	printf("a seed repeats exactly with: synod-sim%s%s",
	       scene->cluster  ? " --cluster"
	       : scene->pb     ? " --pb"
	       : scene->paxosd ? " --paxosd"
			       : "",
	       scene->beyond ? " --beyond" : "");
	if (scene->replicas != 0)
		printf(" --replicas %" PRIu32, scene->replicas);
	printf(" --seconds %" PRIu64 " --seed N --trace, or --minimise\n",
	       scene->safety_us / SIM_SECOND);
}

/* Runs all seeds, some at a time; returns the first bad verdict. */
static enum verdict run_all(struct arguments *arguments)
{
	struct run runs[JOBS_MAX] = {0};
	struct tally tally = {0};
	enum verdict worst = VERDICT_OK;
	uint64_t next = arguments->first, failed = 0;
	uint32_t running = 0;
	double began_s = seconds_now();
	for (uint32_t i = 0; i < arguments->jobs; i++)
		runs[i].report = run_report_map();
	for (;;) {
		bool more = next <= arguments->last && next >= arguments->first &&
			    (failed == 0 || arguments->keep_going);
		if (more && running < arguments->jobs) {
			struct run *run = runs;
			while (run->pid != 0)
				run++;
			arguments->scene.seed = next++;
			run_start(run, &arguments->scene, &arguments->wishes);
			running++;
			continue;
		}
		if (running == 0)
			break;
		struct run *run = run_wait(runs, arguments->jobs);
		if (run == NULL)
			continue;
		running--;
		print_run(arguments, run);
		tally_add(&tally, run);
		failed += run_verdict(run) != VERDICT_OK;
		if (worst == VERDICT_OK)
			worst = run_verdict(run);
	}
	if (arguments->last > arguments->first)
		tally_print(&tally, seconds_now() - began_s);
	if (failed > 0)
		print_hint(arguments);
	tally_free(&tally);
	return worst;
}

static uint64_t parse_number(const char *text)
{
	char *end;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0') {
		fprintf(stderr, "synod-sim: not a number: %s\n%s", text, usage);
		exit(VERDICT_USAGE);
	}
	return value;
}

static void parse_range(char *text, struct arguments *arguments)
{
	char *dots = strstr(text, "..");
	if (dots == NULL) {
		fprintf(stderr, "synod-sim: --seeds wants A..B\n%s", usage);
		exit(VERDICT_USAGE);
	}
	*dots = '\0';
	arguments->first = parse_number(text);
	arguments->last = parse_number(dots + 2);
}

static uint32_t default_jobs(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors < 1 ? 1 : processors > (long)JOBS_MAX ? JOBS_MAX : (uint32_t)processors;
}

static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'S'},
		{"replicas", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 'd'},
		{"liveness", required_argument, NULL, 'l'},
		{"calm", no_argument, NULL, 'c'},
		{"cluster", no_argument, NULL, 'g'},
		{"pb", no_argument, NULL, 'p'},
		{"paxosd", no_argument, NULL, 'P'},
		{"shiviz", required_argument, NULL, 'V'},
		{"check-repeat", no_argument, NULL, 'C'},
		{"trace", no_argument, NULL, 't'},
		{"history", required_argument, NULL, 'H'},
		{"keep-going", no_argument, NULL, 'k'},
		{"jobs", required_argument, NULL, 'j'},
		{"beyond", no_argument, NULL, 'b'},
		{"minimise", no_argument, NULL, 'm'},
		{"runs", required_argument, NULL, 'R'},
		{"lines", required_argument, NULL, 'L'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	*arguments = (struct arguments){
		.scene = {.safety_us = 60 * SIM_SECOND, .liveness_us = 20 * SIM_SECOND},
		.first = 1,
		.last = 1,
		.jobs = default_jobs(),
		.runs = 500,
		.lines = 60};
	int option;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 's': arguments->first = arguments->last = parse_number(optarg); break;
		case 'S': parse_range(optarg, arguments); break;
		case 'r': arguments->scene.replicas = (uint32_t)parse_number(optarg); break;
		case 'd': arguments->scene.safety_us = parse_number(optarg) * SIM_SECOND; break;
		case 'l': arguments->scene.liveness_us = parse_number(optarg) * SIM_SECOND; break;
		case 'c': arguments->scene.calm = true; break;
		case 'g': arguments->scene.cluster = true; break;
		case 'p': arguments->scene.pb = true; break;
		case 'P': arguments->scene.paxosd = true; break;
		case 'C': arguments->wishes.check_repeat = true; break;
		case 't':
			arguments->scene.trace = sim_trace_print;
			arguments->scene.trace_context = stdout;
			break;
		case 'b': arguments->scene.beyond = true; break;
		case 'm': arguments->minimise = true; break;
		case 'R': arguments->runs = (uint32_t)parse_number(optarg); break;
		case 'L': arguments->lines = (uint32_t)parse_number(optarg); break;
		case 'q': arguments->quiet = true; break;
		case 'H': arguments->scene.history = optarg; break;
		case 'V': arguments->scene.shiviz = optarg; break;
		case 'j': arguments->jobs = (uint32_t)parse_number(optarg); break;
		case 'k': arguments->keep_going = true; break;
		case 'h':
			fputs(usage, stdout);
			exit(output_exit_code(EXIT_SUCCESS, "synod-sim", "cannot write to stdout"));
		default: fputs(usage, stderr); exit(VERDICT_USAGE);
		}
	}
	if (arguments->scene.shiviz != NULL &&
	    (arguments->first != arguments->last || arguments->minimise)) {
		fputs("synod-sim: --shiviz takes one seed: --seed N\n", stderr);
		exit(VERDICT_USAGE);
	}
	if (optind < argc || arguments->first > arguments->last ||
	    arguments->scene.replicas > REPLICAS_MAX || arguments->jobs == 0 ||
	    arguments->jobs > JOBS_MAX) {
		fputs(usage, stderr);
		exit(VERDICT_USAGE);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	enum verdict verdict;
	output_begin();
	parse_arguments(argc, argv, &arguments);
	if (arguments.minimise) {
		arguments.scene.seed = arguments.first;
		verdict = minimise(&arguments.scene, arguments.runs, arguments.lines);
	} else {
		verdict = run_all(&arguments);
	}
	return output_exit_code((int)verdict, "synod-sim", "cannot write to stdout");
}
