/*
 * read_backlog: reads that may be answered and are more than one turn should answer. Each
 * connection has its turn, one read at a time, so that one that asks for a thousand pages makes
 * another, which asks for one key, wait for one page.
 *
 * Ownership: add() takes the payload's reference over, take() hands it on.
 */
#ifndef SYNOD_RSM_READ_BACKLOG_H
#define SYNOD_RSM_READ_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/map.h"
#include "node/node.h"

struct pending_query;

struct read_backlog {
	struct list readers; /* who is next is first */
	struct map by_link;
	uint32_t nreaders;
	uint32_t count; /* reads */
	uint64_t bytes; /* of their payloads */
};

void read_backlog_init(struct read_backlog *backlog);
void read_backlog_free(struct read_backlog *backlog);
/* ballot: of the leader that it is now. */
void read_backlog_add(struct read_backlog *backlog, const struct pending_query *query,
		      uint64_t ballot);
/* Reads of one connection that wait here. */
uint32_t read_backlog_of(struct read_backlog *backlog, link_id link);
/* Whose turn it is; only if there is a read. */
link_id read_backlog_next(struct read_backlog *backlog);
/* His first read, and he goes to the end. */
void read_backlog_take(struct read_backlog *backlog, struct pending_query *query, uint64_t *ballot);
/* He goes to the end without it. */
void read_backlog_pass(struct read_backlog *backlog);
void read_backlog_link_down(struct read_backlog *backlog, link_id link);

#endif
