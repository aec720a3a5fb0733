/* kvbench: a load generator. Uses nothing but libsynod and the daemons' /metrics. */
#include <signal.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/output.h"
#include "report.h"

static struct bench *running; /* for the signal handler */

/* Ends the run early, but in order: what was measured is reported, and a history is complete. */
static void on_signal(int signal_number)
{
	(void)signal_number;
	__atomic_store_n(&running->interrupted, true, __ATOMIC_RELAXED);
}

static void measuring(void *context, bool begins)
{
	bench_daemons_ask(context, !begins);
}

int main(int argc, char **argv)
{
	struct bench *b = ALLOC(struct bench);
	struct bench_daemons daemons;
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	output_begin();
	bench_options_parse(&b->options, argc, argv);
	running = b;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	bench_daemons_init(&daemons, b->options.config);
	bench_open(b);
	bench_run(b, measuring, &daemons);
	if (b->options.json)
		bench_report_json(b, &daemons);
	else
		bench_report_plain(b, &daemons);
	bool good = b->errors + b->unknown == 0;
	good &= bench_close(b);
	bench_daemons_free(&daemons);
	free(b);
	return output_exit_code(good ? 0 : 1, "kvbench",
				"the report could not be written to stdout");
}
