/*
 * Runs seeds, each in a process of its own, so that a failed assertion ends that seed only and is
 * reported with it.
 */
#ifndef SYNOD_SIM_RUNNER_H
#define SYNOD_SIM_RUNNER_H

#include <sys/types.h>

#include "scene.h"

#define RUN_FAULTS_MAX 4096u
#define RUN_TRACE_LINES 4096u /* a power of two */
#define RUN_TRACE_BYTES 240u

/* What a child leaves behind, in memory that it shares with its parent. */
struct run_report {
	struct scene_result result;
	bool ended;          /* result is filled in: the child did not crash */
	uint64_t again_hash; /* of the second run, with check_repeat */
	double cpu_s;
	int output_error; /* of its stdout (base/output.h) */
	/* If asked for: what the nemesis did, … */
	uint32_t nfaults;
	struct sim_nemesis_record faults[RUN_FAULTS_MAX];
	/* … and the last lines of the trace: a ring. */
	uint64_t ntrace;
	char trace[RUN_TRACE_LINES][RUN_TRACE_BYTES];
};

struct run {
	pid_t pid;
	uint64_t seed;
	struct run_report *report;
	int signal; /* after the end: 0, or what ended it */
	int code;   /* … or the exit status, if the child did not return a report */
};

struct run_wishes {
	bool check_repeat;
	bool faults, trace; /* fill these parts of the report */
};

/* Memory for a report; lives as long as the program. */
struct run_report *run_report_map(void);
/* Starts a child; run->report is emptied. */
void run_start(struct run *run, const struct scene_options *options,
	       const struct run_wishes *wishes);
/* Waits for any of the children; NULL if it was none of them. */
struct run *run_wait(struct run *runs, uint32_t count);
/* What came of it: VERDICT_CRASH if there is no report. */
enum verdict run_verdict(const struct run *run);

#endif
