/*
 * What identity.c, hello_judge.c and members.c share: who this process is.
 */
#ifndef SYNOD_HOST_IDENTITY_INTERNAL_H
#define SYNOD_HOST_IDENTITY_INTERNAL_H

#include "host/internal.h"

enum write_step {
	WRITE_NOTHING,
	WRITE_CREATE,
	WRITE_DATA,
	WRITE_CLOSE,
	WRITE_RENAME,
	WRITE_DIRECTORY
};

struct host_identity {
	struct host *host;
	struct identity own;       /* what is known */
	bool waits;                /* it is no replica yet (host_options) */
	uint64_t configured_id;    /* of the cluster, by the configuration; 0: it does not say */
	uint64_t durable_group_id; /* what the file holds */
	bool durable_lost;
	uint64_t learn_after_us;
	uint32_t next_master; /* index into host->peers */
	struct {
		char role[IDENTITY_ROLE_BYTES_MAX + 1];
		uint64_t id;
	} met[4]; /* client: ids of groups that are the only ones of their role */

	enum write_step step;
	bool changed; /* since what is being written */
	bool failed;
	uint64_t writing_group_id;
	uint64_t next_life, writing_life; /* that is to take the place of own.life; 0: none */
	bool writing_lost, writing_removed;
	/* the node is stopped, to begin that generation when it is started anew; 0: it is not */
	uint32_t force;
	/* the start is over; another life is durable, and the node has not been told */
	bool serving, renewed;
	struct buffer text;
	struct disk_request request;
	struct disk_file *file;
	struct timer retry;
	struct timer leave; /* the node has been removed, and is stopped */
};

/* The file must be written. */
void identity_note_change(struct host_identity *id);
/* The id of the cluster, from who must know it. */
void identity_learn_cluster(struct host_identity *id, uint64_t cluster_id);
void members_init(struct host_identity *id);
/* The node has been removed, and that has been noted. */
void members_leave(struct host_identity *id);

#endif
