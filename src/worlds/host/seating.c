/* The lists of those who sit (seats.c says who may). */
#include "host/internal.h"

void seats_init(struct host *host)
{
	list_init(&host->newcomers);
	list_init(&host->strangers);
}

void seat_heard(struct link *link)
{
	if (link->seat != SEAT_STRANGER || link->seated.next == &link->host->strangers)
		return;
	list_remove(&link->seated);
	list_push_back(&link->host->strangers, &link->seated);
}

void seat_leave(struct link *link)
{
	struct host *host = link->host;
	switch (link->seat) {
	case SEAT_NONE: return;
	case SEAT_NEWCOMER: host->nnewcomers--; break;
	case SEAT_STRANGER: host->nstrangers--; break;
	case SEAT_MEMBER: link->peer->seats--; break;
	}
	list_remove(&link->seated);
	link->seat = SEAT_NONE;
}
