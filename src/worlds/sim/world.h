/*
 * The simulated world: any number of processes, each with one node, its clocks, its
 * timers, its disk and its network, in one thread under virtual time. The nodes
 * are the objects that run in production; the world implements their struct env.
 *
 *   struct sim_options options;
 *   sim_options_calm(&options);
 *   struct sim_world *world = sim_world_create(seed, &options);
 *   struct sim_process *a = sim_process_add(world, &(struct sim_process_spec){
 *           .name = "a", .address = "a:7000", .build = build_node, .context = …, .disk = true});
 *   sim_process_start(a);
 *   sim_world_run_for(world, SIM_SECOND);
 *
 * TIME. now_us is virtual and moves only from event to event. Things that are due at the same
 * microsecond happen in the order in which they were scheduled. Everything random comes
 * from the seed, in separate streams, so that a change in one
 * (a new workload, say) leaves the others as they were. The same seed and the same calls give the
 * same run: compare trace.hash.
 *
 * TURNS. What is due for a process (messages, ended links, timers, disk completions) waits in its
 * inbox until the process takes a turn, as it would in socket buffers. A turn delivers all of it,
 * or, drawn from the seed, only one input, then calls turn_end once; then the process is busy for a
 * drawn time, in which more comes together.
 *
 * LIFE OF A PROCESS
 *
 *     DOWN ──start──▶ RUNNING ──crash, power loss, stop+stopped──▶ DOWN
 *       ▲              │  ▲  └──fatal, or start() failed──▶ HALTED ──restart──▶ RUNNING
 *       └──crash───────┤  │
 *                pause ▼  │ resume
 *                     PAUSED
 *
 * A crash ends the node between two turns: its inbox, timers and links are gone; its disk keeps
 * what the operating system had (crash) or only what was synced, and of the rest whatever the
 * simulated disk likes (power loss; also what follows when a numbered disk fault stops the
 * process). After a crash peers learn from a reset connection; after a power loss they learn
 * nothing until they time out. Requests to the disk that were under way never complete. The node is
 * then destroyed with ops->destroy(), which must therefore work with disk requests under way; its
 * outputs are ignored. A node that has called env fatal is not destroyed (it was interrupted in the
 * middle of something): its memory stays allocated until the world's process ends.
 *
 * LINKS. See sim/network.h for what the network does. One-way messages are datagrams as far as
 * faults go: lost, doubled, reordered. Requests and replies are carried by connections: in order,
 * never twice, lost only together with the connection, of which both ends are told by link_down
 * (each that is still there).
 */
#ifndef SYNOD_SIM_WORLD_H
#define SYNOD_SIM_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "node/identity.h"
#include "node/node.h"
#include "node/timer.h"
#include "sim/faults.h"
#include "sim/options.h"
#include "sim/trace.h"

#define SIM_MILLISECOND UINT64_C(1000)
#define SIM_SECOND UINT64_C(1000000)
#define SIM_WALL_EPOCH_US UINT64_C(1700000000000000) /* what wall clocks show at virtual time 0 */

struct sim_network;
struct sim_link;
struct sim_packet;

enum sim_process_state { SIM_DOWN, SIM_RUNNING, SIM_PAUSED, SIM_HALTED };

/*
 * Makes a process's node: allocated, not started. Use &process->env and &process->log for
 * node_init.
 */
typedef struct node *(*sim_build)(void *context, struct sim_process *process);

/* An event of a process's tracer (node/tracer.h). */
typedef void (*sim_traced)(void *context, struct sim_process *process,
			   const struct trace_event *event);

struct sim_process_spec {
	const char *name; /* copied */
	/* "name:port", copied; NULL for processes that nobody dials (clients) */
	const char *address;
	sim_build build;
	void *context;
	bool disk; /* env.disk is set; the disk outlives crashes and restarts */
	/* … and has a life, and another one when it has been wiped (node/identity.h) */
	bool lives;
};

struct sim_process {
	struct env env; /* first: the env of its node */
	struct log log;
	struct sim_world *world;
	uint32_t index; /* in world->processes */
	char *name;
	char *address;
	sim_build build;
	void *context;

	enum sim_process_state state;
	/* DOWN because of a power loss: packets to it vanish instead of being refused */
	bool powerless;
	bool muted;           /* being destroyed: outputs are ignored */
	bool stopping;        /* ops->stop was called */
	bool stopped;         /* env stopped was called */
	uint32_t incarnation; /* counts starts */
	bool halted_at_start;
	int halt_status; /* HALTED: the status of fatal, or of start() */
	char halt_reason[256];
	struct node *node;  /* NULL unless RUNNING or PAUSED; tests may look inside */
	struct disk *disk;  /* sim/disk_sim.h; NULL without one */
	uint32_t copies;    /* of its disk have taken its place; … */
	uint64_t copied_us; /* … when the last one was made */
	/* It is to stop, and to be started anew, to begin that generation of its group; 0: not. */
	uint32_t force;
	bool leaves;  /* it ends when its group tells it that it is no member any more; … */
	bool removed; /* … and it has */
	/* with lives: a disk that replaces another one has no vote of its own */
	uint32_t wipes;

	/*
	 * Who it is by its configuration, by which its disk is judged at every start
	 * (node/identity.h); NULL: nobody asks.
	 */
	struct identity *identity;
	struct identity claimed; /* … and its directory; node[0] is 0 before it has had one */
	/* What an operator took for its members at the last start; NULL: the right ones. */
	struct identity_members *misconfigured;
	uint64_t group_id; /* as its state has said once; it never changes */

	/* Clocks: local monotonic = base_local + (now − base_world) × (1 + drift). */
	uint64_t base_local_us;
	uint64_t base_world_us;
	int32_t drift_ppm;
	int64_t wall_offset_us;
	struct rng rng; /* the node's random numbers; seeded anew for each incarnation */

	/* armed by the node, and completions of its disk, in local time */
	struct timers timers;
	struct sim_completion *completions; /* of disk requests, armed or free */
	struct timer turn;                  /* the next turn, in world->queue */
	uint64_t busy_until_us;
	struct sim_packet *inbox_first;
	struct sim_packet *inbox_last;
	struct sim_packet *delivering; /* being handed to the node */

	struct sim_link **links; /* by slot; see link.c */
	uint32_t nlinks;
	uint32_t links_capacity;
	void (*call)(void *data, struct node *node); /* sim_process_call */
	void *call_data;
	uint64_t turns;
	uint64_t inputs;
};

struct sim_world {
	uint64_t now_us;
	uint64_t seed;
	struct sim_options options; /* may be changed while the world runs */
	struct timers queue;        /* everything that will happen, in virtual time */
	struct rng rng_network;
	struct rng rng_disk;
	struct rng rng_process; /* turns, clocks */
	struct rng rng_nemesis;
	struct rng rng_workload; /* for tests and their clients */
	struct sim_trace trace;
	struct sim_fault_counts faults; /* but those that disks count: sim_world_faults() */
	struct sim_network *network;
	struct sim_process **processes;
	uint32_t nprocesses;
	uint32_t processes_capacity;
	uint64_t link_serial;

	/*
	 * Called after every turn of any process: the place for checks of invariants. May be NULL.
	 */
	void (*after_turn)(void *context, struct sim_process *process);
	sim_traced traced; /* sim_world_trace() */
	void *traced_context;
	/* Called when a process has entered HALTED. May be NULL. */
	void (*halted)(void *context, struct sim_process *process);
	void *context;

	struct sim_process *current; /* whose node is running now */
	jmp_buf escape;              /* out of a node that called fatal */
};

/* ---- the world ---- */

struct sim_world *sim_world_create(uint64_t seed, const struct sim_options *options);
/* Destroys every node, disk and packet. */
void sim_world_destroy(struct sim_world *world);

/* Lets the next thing happen. False if nothing is left to happen. */
bool sim_world_step(struct sim_world *world);
/* Lets everything happen that is due up to at_us; then it is at_us. */
void sim_world_run_until(struct sim_world *world, uint64_t at_us);
void sim_world_run_for(struct sim_world *world, uint64_t length_us);
/* Runs until the condition holds (true) or length_us have passed (false). */
bool sim_world_run_until_true(struct sim_world *world, bool (*condition)(void *context),
			      void *context, uint64_t length_us);

/*
 * The world's own timers, for nemeses and scripts: the caller owns the timer; its callback runs
 * outside any process and may use every function of this header but the run functions.
 */
void sim_world_timer_set(struct sim_world *world, struct timer *timer, uint64_t at_us);
void sim_world_timer_cancel(struct sim_world *world, struct timer *timer);
/* What everybody went through so far. */
void sim_world_faults(const struct sim_world *world, struct sim_fault_counts *out);
/* Calls once, at_us. */
void sim_world_call_at(struct sim_world *world, uint64_t at_us, void (*callback)(void *data),
		       void *data);

/* From now on all tracers hand every event over; NULL: no more. Does not change what happens. */
void sim_world_trace(struct sim_world *world, sim_traced traced, void *context);

/* ---- processes ---- */

struct sim_process *sim_process_add(struct sim_world *world, const struct sim_process_spec *spec);
/* NULL if there is none. */
struct sim_process *sim_process_find(struct sim_world *world, const char *name);
static inline bool sim_process_alive(const struct sim_process *process)
{
	return process->state == SIM_RUNNING || process->state == SIM_PAUSED;
}

/* DOWN or HALTED → RUNNING (or HALTED, if the node cannot run: halt_status). */
void sim_process_start(struct sim_process *process);
/* kill −9: the operating system lives on. No effect unless alive. */
void sim_process_crash(struct sim_process *process);
/* The machine loses power. */
void sim_process_power_loss(struct sim_process *process);
/* Copied. Before the first start; the process has a disk. */
void sim_process_identify(struct sim_process *process, const struct identity *identity);
/* Its disk is emptied, and is nobody's, as if the machine were new. It is not alive. */
void sim_process_reset(struct sim_process *process);
/* Asks for an orderly shutdown; the process is DOWN some time after. */
void sim_process_stop(struct sim_process *process);
/* crash if alive, then start */
void sim_process_restart(struct sim_process *process);
/* SIGSTOP and SIGCONT: clocks go on, inputs pile up. */
void sim_process_pause(struct sim_process *process);
void sim_process_resume(struct sim_process *process);
/* Empties the disk of a process that is not alive. */
void sim_process_wipe(struct sim_process *process);
/* Likewise: its disk holds what the image does, of this life. */
struct disk_sim_image;
void sim_process_put_back(struct sim_process *process, const struct disk_sim_image *image,
			  uint64_t life, uint64_t made_us);
/*
 * Runs `function` as an input of the node, in a turn of its own: for scenario tests that call into
 * a node directly.
 */
void sim_process_call(struct sim_process *process, void (*function)(void *data, struct node *node),
		      void *data);

/* Moves the wall clock by delta_us (either way). */
void sim_process_wall_jump(struct sim_process *process, int64_t delta_us);
/* Changes how fast both clocks run; the monotonic one never goes back. */
void sim_process_set_drift(struct sim_process *process, int32_t drift_ppm);
uint64_t sim_process_now_us(const struct sim_process *process);
uint64_t sim_process_wall_us(const struct sim_process *process);
/* The name of the process at the other end of a link; "" if the link has ended. */
const char *sim_process_peer(const struct sim_process *process, link_id link);

#endif
