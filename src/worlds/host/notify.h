/*
 * Tells the service manager how the daemon is doing: the datagram of sd_notify(3), to the socket
 * named by NOTIFY_SOCKET.
 */
#ifndef SYNOD_HOST_NOTIFY_H
#define SYNOD_HOST_NOTIFY_H

/* "READY=1", "STOPPING=1". Does nothing when nobody asked to be told. */
void notify_service_manager(const char *state);

#endif
