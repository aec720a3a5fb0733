/* Seeds, each in a process of its own, and the table at the end. */
#include "runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/output.h"

struct run_report *run_report_map(void)
{
	struct run_report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED) {
		perror("synod-sim: mmap");
		exit(EXIT_FAILURE);
	}
	return report;
}

static void keep_fault(void *context, const struct sim_nemesis_record *record)
{
	struct run_report *report = context;
	if (report->nfaults < RUN_FAULTS_MAX)
		report->faults[report->nfaults++] = *record;
}

static void keep_line(void *context, const char *line)
{
	struct run_report *report = context;
	char *to = report->trace[report->ntrace++ % RUN_TRACE_LINES];
	size_t len = strnlen(line, RUN_TRACE_BYTES - 1);
	memcpy(to, line, len);
	to[len] = '\0';
}

__attribute__((noreturn)) static void child(struct run_report *report, struct scene_options options,
					    const struct run_wishes *wishes)
{
	clock_t began = clock();
	if (wishes->faults) {
		options.told = keep_fault;
		options.told_context = report;
	}
	if (wishes->trace) {
		options.trace = keep_line;
		options.trace_context = report;
	}
	scene_run(&options, &report->result);
	report->cpu_s = (double)(clock() - began) / CLOCKS_PER_SEC;
	if (wishes->check_repeat && report->result.verdict == VERDICT_OK) {
		struct scene_result again = {0};
		scene_run(&options, &again);
		report->again_hash = again.trace_hash;
	}
	report->output_error = output_end();
	report->ended = true;
	exit(0);
}

void run_start(struct run *run, const struct scene_options *options,
	       const struct run_wishes *wishes)
{
	struct run_report *report = run->report;
	memset(&report->result, 0, sizeof report->result);
	report->ended = false;
	report->again_hash = 0;
	report->nfaults = 0;
	report->ntrace = 0;
	fflush(stdout);
	run->seed = options->seed;
	run->pid = fork();
	if (run->pid < 0) {
		perror("synod-sim: fork");
		exit(EXIT_FAILURE);
	}
	if (run->pid == 0)
		child(report, *options, wishes);
}

struct run *run_wait(struct run *runs, uint32_t count)
{
	int status = 0;
	pid_t pid = waitpid(-1, &status, 0);
	if (pid < 0) {
		if (errno != EINTR) {
			perror("synod-sim: waitpid");
			exit(EXIT_FAILURE);
		}
		return NULL;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (runs[i].pid != pid)
			continue;
		runs[i].pid = 0;
		output_failed(runs[i].report->output_error);
		runs[i].signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		runs[i].code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		return &runs[i];
	}
	return NULL;
}

enum verdict run_verdict(const struct run *run)
{
	const struct run_report *report = run->report;
	/* A sanitizer speaks at the very end, through the exit status. */
	if (!report->ended || run->signal != 0 || run->code != 0)
		return VERDICT_CRASH;
	if (report->again_hash != 0 && report->again_hash != report->result.trace_hash)
		return VERDICT_SAFETY;
	return report->result.verdict;
}
