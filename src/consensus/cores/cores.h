/*
 * Which consensus cores there are, for those who choose one (rsm_options.consensus). All replicas
 * of a group run the same.
 */
#ifndef SYNOD_CORES_CORES_H
#define SYNOD_CORES_CORES_H

#include "core/checker.h"
#include "paxos/multipaxos.h"

/* The one that runs unless something else is said: Multi-Paxos. */
static inline const struct consensus_ops *consensus_default(void)
{
	return &paxos_consensus;
}

/* What checks a group of them. */
static inline struct consensus_checker *consensus_checker_default(void)
{
	return paxos_checker_create();
}

#endif
