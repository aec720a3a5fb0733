/*
 * transfer: a leader that hands over (Ongaro 2014, section 3.10). It proposes nothing more, waits
 * until its successor has everything, and asks it to stand (TAKE_OVER): again at every heartbeat,
 * until it is deposed, or the time is over and it goes on leading.
 */
#ifndef SYNOD_CORE_TRANSFER_H
#define SYNOD_CORE_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

struct transfer {
	uint32_t to;          /* replica id; 0: nothing is handed over */
	uint32_t relieved_by; /* who was asked last because this one is unfit; 0: nobody */
	bool sent;            /* the TAKE_OVER, since the last heartbeat */
	uint64_t deadline_us;
};

/* Somebody who may take over, and how much of the log it has. */
struct successor {
	uint32_t replica;
	uint64_t matched;
};

void transfer_begin(struct transfer *t, uint32_t replica, uint64_t deadline_us);
/* Is given up when its time is over. */
void transfer_tick(struct transfer *t, uint64_t now_us);
/* Who has most; NULL: there is nobody. */
const struct successor *transfer_choose(const struct successor *list, uint32_t count);
/*
 * The same for a leader that had better not be one. Whoever was asked for that and has not taken
 * over comes after those who have as much of what is chosen.
 */
const struct successor *transfer_choose_relief(const struct transfer *t,
					       const struct successor *list, uint32_t count,
					       uint64_t chosen);

#endif
