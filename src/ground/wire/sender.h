/*
 * Who may send which method. A message that its sender may not send is not delivered to the node: a
 * request is answered with DENIED, anything else is dropped. A method that is not listed is
 * nobody's.
 *
 *   SENDER_ANYBODY   clients and all nodes
 *   SENDER_REPLICA   a member of the same group, on a connection that is its own for certain
 *                    (host/host.h)
 *   SENDER_PB        a primary/backup server, likewise
 */
#ifndef SYNOD_WIRE_SENDER_H
#define SYNOD_WIRE_SENDER_H

#include <stdint.h>

#define SENDER_ANYBODY 1u
#define SENDER_REPLICA 2u
#define SENDER_PB 4u

/* The kinds of sender that may send requests and one-way messages of the method. */
uint32_t method_senders(uint16_t method);
/* For error messages: "a member of the same group". */
const char *sender_text(uint32_t senders);

#endif
