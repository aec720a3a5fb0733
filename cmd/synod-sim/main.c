/*
 * synod-sim: whole clusters of the production node objects under virtual time and seeded faults.
 *
 * Each seed runs in a process of its own, so that a failed assertion ends that seed only and is reported with it.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "scene.h"

#define JOBS_MAX 64u

static const char usage[] =
	"usage: synod-sim [--seed N | --seeds A..B] [options]\n"
	"  --seed N          one seed (default 1)\n"
	"  --seeds A..B      each seed from A to B\n"
	"  --cluster         shard masters, groups and client library, instead of one group of lists\n"
	"  --replicas N      of each group (default: drawn)\n"
	"  --seconds N       virtual length of the safety phase (default 60)\n"
	"  --liveness N      virtual seconds until every client must get through after the healing (default 20)\n"
	"  --calm            no faults\n"
	"  --check-repeat    run every seed twice and compare\n"
	"  --trace           print every event\n"
	"  --history FILE    write the history, one JSON object a line\n"
	"  --jobs N          seeds at a time (default 1)\n"
	"  --keep-going      go on after a seed that failed\n"
	"Exit code: 0 ok, 10 crash, 11 safety, 12 liveness, 13 linearizability, 64 usage.\n";

struct arguments {
	struct scene_options scene;
	uint64_t first, last;
	uint32_t jobs;
	bool keep_going, check_repeat;
};

static const char *verdict_text(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_OK: return "ok";
	case VERDICT_CRASH: return "crash";
	case VERDICT_SAFETY: return "safety";
	case VERDICT_LIVENESS: return "liveness";
	case VERDICT_LINEARIZABILITY: return "linearizability";
	case VERDICT_USAGE: break;
	}
	return "unknown";
}

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static enum verdict run_seed(const struct arguments *arguments)
{
	struct scene_result result = {0};
	double began = cpu_seconds();
	scene_run(&arguments->scene, &result);
	double took = cpu_seconds() - began;
	printf("seed=%" PRIu64 " verdict=%s ok=%" PRIu64 " failed=%" PRIu64 " unknown=%" PRIu64 " restarts=%" PRIu64
	       " messages=%" PRIu64 " events=%" PRIu64 " simulated_s=%.1f progress_ms=%" PRIu64 " speed=%.0fx hash=%016" PRIx64 "\n",
	       arguments->scene.seed, verdict_text(result.verdict), result.ok, result.failed, result.unknown, result.crashes,
	       result.messages, result.events, (double)result.simulated_us / 1e6, result.progress_us / 1000,
	       took > 0 ? (double)result.simulated_us / 1e6 / took : 0, result.trace_hash);
	if (result.problem.len > 0)
		printf("%.*s", (int)result.problem.len, (const char *)result.problem.data);
	buffer_free(&result.problem);
	if (arguments->check_repeat && result.verdict == VERDICT_OK) {
		struct scene_result again = {0};
		scene_run(&arguments->scene, &again);
		buffer_free(&again.problem);
		if (again.trace_hash != result.trace_hash) {
			printf("seed=%" PRIu64 " is not deterministic: the second run has hash %016" PRIx64 "\n", arguments->scene.seed,
			       again.trace_hash);
			result.verdict = VERDICT_SAFETY;
		}
	}
	fflush(stdout);
	return result.verdict;
}

/* ---- one child a seed ---- */

struct child {
	pid_t pid; /* 0: free */
	uint64_t seed;
};

static void child_start(struct child *child, const struct arguments *arguments)
{
	fflush(stdout);
	child->seed = arguments->scene.seed;
	child->pid = fork();
	if (child->pid < 0) {
		perror("synod-sim: fork");
		exit(EXIT_FAILURE);
	}
	if (child->pid == 0)
		exit((int)run_seed(arguments));
}

/* Waits for any child; its slot is free afterwards. */
static enum verdict child_wait(struct child *children)
{
	int status = 0;
	pid_t pid = waitpid(-1, &status, 0);
	if (pid < 0) {
		if (errno != EINTR) {
			perror("synod-sim: waitpid");
			exit(EXIT_FAILURE);
		}
		return VERDICT_OK;
	}
	struct child *child = children;
	while (child->pid != pid)
		child++;
	child->pid = 0;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (code == VERDICT_OK || (code >= VERDICT_CRASH && code <= VERDICT_LINEARIZABILITY))
		return (enum verdict)code;
	printf("seed=%" PRIu64 " verdict=crash %s=%d\n", child->seed, WIFEXITED(status) ? "exit" : "signal",
	       WIFEXITED(status) ? code : WTERMSIG(status));
	fflush(stdout);
	return VERDICT_CRASH;
}

/* Runs all seeds, some at a time; returns the first bad verdict. */
static enum verdict run_all(struct arguments *arguments)
{
	struct child children[JOBS_MAX] = {0};
	enum verdict worst = VERDICT_OK;
	uint64_t next = arguments->first, failed = 0;
	uint32_t running = 0;
	for (;;) {
		bool more = next <= arguments->last && next >= arguments->first && (failed == 0 || arguments->keep_going);
		if (more && running < arguments->jobs) {
			struct child *child = children;
			while (child->pid != 0)
				child++;
			arguments->scene.seed = next++;
			child_start(child, arguments);
			running++;
			continue;
		}
		if (running == 0)
			break;
		enum verdict verdict = child_wait(children);
		running--;
		failed += verdict != VERDICT_OK;
		if (worst == VERDICT_OK)
			worst = verdict;
	}
	if (failed > 0)
		printf("%" PRIu64 " failed; a seed repeats exactly with: synod-sim%s --seed N --trace\n", failed,
		       arguments->scene.cluster ? " --cluster" : "");
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

static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'}, {"seeds", required_argument, NULL, 'S'},
		{"replicas", required_argument, NULL, 'r'}, {"seconds", required_argument, NULL, 'd'},
		{"liveness", required_argument, NULL, 'l'}, {"calm", no_argument, NULL, 'c'}, {"cluster", no_argument, NULL, 'g'},
		{"check-repeat", no_argument, NULL, 'C'}, {"trace", no_argument, NULL, 't'},
		{"history", required_argument, NULL, 'H'}, {"keep-going", no_argument, NULL, 'k'},
		{"jobs", required_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'}, {0},
	};
	*arguments = (struct arguments){
		.scene = {.safety_us = 60 * SIM_SECOND, .liveness_us = 20 * SIM_SECOND}, .first = 1, .last = 1, .jobs = 1};
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
		case 'C': arguments->check_repeat = true; break;
		case 't': arguments->scene.trace = stdout; break;
		case 'H': arguments->scene.history = optarg; break;
		case 'j': arguments->jobs = (uint32_t)parse_number(optarg); break;
		case 'k': arguments->keep_going = true; break;
		case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
		default: fputs(usage, stderr); exit(VERDICT_USAGE);
		}
	}
	if (optind < argc || arguments->first > arguments->last || arguments->scene.replicas > REPLICAS_MAX ||
	    arguments->jobs == 0 || arguments->jobs > JOBS_MAX) {
		fputs(usage, stderr);
		exit(VERDICT_USAGE);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	parse_arguments(argc, argv, &arguments);
	return (int)run_all(&arguments);
}
