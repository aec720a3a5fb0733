/*
 * What clusterconf.c (syntax) and clusterconf_check.c (sense) share.
 */
#ifndef SYNOD_BASE_CLUSTERCONF_INTERNAL_H
#define SYNOD_BASE_CLUSTERCONF_INTERNAL_H

#include "base/clusterconf.h"

#define ROLES_TEXT "shardmaster, shardkv, viewserver, pbserver or paxos"

struct clusterconf_parser {
	struct clusterconf *conf;
	struct slice rest; /* of the text */
	uint32_t line;     /* of the last line handed to the INI reader */
	bool in_cluster;
	struct clusterconf_node *node; /* current [node X] */
	/* the first one; later ones would only be its consequences */
	char *error;
	size_t error_size;
	uint32_t error_line; /* 0: no error yet */
};

__attribute__((format(printf, 3, 4))) void clusterconf_fail(struct clusterconf_parser *p,
							    uint32_t line, const char *format, ...);
/*
 * After the last line: completes settings and replica numbers, and finds what is missing or in
 * conflict.
 */
void clusterconf_check(struct clusterconf_parser *p);

#endif
