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
	"  --keep-going      go on after a seed that failed\n"
	"Exit code: 0 ok, 10 crash, 11 safety, 12 liveness, 13 linearizability, 64 usage.\n";

struct arguments {
	struct scene_options scene;
	uint64_t first, last;
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

static enum verdict run_in_child(const struct arguments *arguments)
{
	fflush(stdout);
	pid_t child = fork();
	if (child < 0) {
		perror("fork");
		exit(EXIT_FAILURE);
	}
	if (child == 0)
		exit((int)run_seed(arguments));
	int status = 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status)) {
		int code = WEXITSTATUS(status);
		if (code == VERDICT_OK || (code >= VERDICT_CRASH && code <= VERDICT_LINEARIZABILITY))
			return (enum verdict)code;
	}
	printf("seed=%" PRIu64 " verdict=crash %s=%d\n", arguments->scene.seed, WIFSIGNALED(status) ? "signal" : "exit",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	fflush(stdout);
	return VERDICT_CRASH;
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
		{"help", no_argument, NULL, 'h'}, {0},
	};
	*arguments = (struct arguments){
		.scene = {.safety_us = 60 * SIM_SECOND, .liveness_us = 20 * SIM_SECOND}, .first = 1, .last = 1};
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
		case 'k': arguments->keep_going = true; break;
		case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
		default: fputs(usage, stderr); exit(VERDICT_USAGE);
		}
	}
	if (optind < argc || arguments->first > arguments->last || arguments->scene.replicas > REPLICAS_MAX) {
		fputs(usage, stderr);
		exit(VERDICT_USAGE);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	enum verdict worst = VERDICT_OK;
	uint64_t failed = 0;
	parse_arguments(argc, argv, &arguments);
	for (uint64_t seed = arguments.first; seed <= arguments.last; seed++) {
		arguments.scene.seed = seed;
		enum verdict verdict = run_in_child(&arguments);
		if (verdict == VERDICT_OK)
			continue;
		failed++;
		if (worst == VERDICT_OK)
			worst = verdict;
		if (!arguments.keep_going)
			break;
	}
	if (failed > 0)
		printf("%" PRIu64 " seeds failed; repeat one with: synod-sim --seed N --trace\n", failed);
	return (int)worst;
}
