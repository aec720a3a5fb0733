/* Output of a link that stands elsewhere: parts of messages, which are sent from where they are. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "host/internal.h"
#include "wire/frame.h"

/* What one call sends at most: pieces of the output and parts in turn. */
#define PIECES_MAX 64u
/* An empty list that is longer is given back. */
#define SHARES_KEPT 256u

void link_share(struct link *link, size_t frame, const struct message *message)
{
	struct link_shares *shares = &link->shares;
	for (uint32_t i = 0; i < message->nparts; i++) {
		const struct message_part *part = &message->parts[i];
		ALLOC_ROOM(shares->items, shares->count, shares->capacity, 16);
		shares->items[shares->count++] = (struct link_share){
			.at = frame + FRAME_HEADER_BYTES + part->at,
			.bytes = bytes_ref(part->bytes),
		};
		shares->unsent += part->bytes->len;
	}
}

void link_shares_release(struct link *link)
{
	struct link_shares *shares = &link->shares;
	for (size_t i = shares->first; i < shares->count; i++)
		bytes_unref(shares->items[i].bytes);
	shares->first = shares->count = 0;
	shares->sent = shares->unsent = 0;
	if (shares->capacity > SHARES_KEPT) {
		free(shares->items);
		*shares = (struct link_shares){0};
	}
}

void link_shares_free(struct link *link)
{
	link_shares_release(link);
	free(link->shares.items);
	link->shares = (struct link_shares){0};
}

ssize_t link_send_shares(struct link *link)
{
	const struct link_shares *shares = &link->shares;
	struct iovec pieces[PIECES_MAX];
	struct msghdr header = {.msg_iov = pieces};
	size_t position = link->out_sent, sent = shares->sent, count = 0, i = shares->first;
	/* Before the last place, so that a part is not left for the rest without its end. */
	for (; i < shares->count && count + 2 <= PIECES_MAX; i++, sent = 0) {
		const struct link_share *share = &shares->items[i];
		ASSERT(share->at >= position && share->at <= link->out.len);
		if (share->at > position)
			pieces[count++] = (struct iovec){.iov_base = link->out.data + position,
							 .iov_len = share->at - position};
		pieces[count++] = (struct iovec){.iov_base = share->bytes->data + sent,
						 .iov_len = share->bytes->len - sent};
		position = share->at;
	}
	if (i == shares->count && link->out.len > position && count < PIECES_MAX)
		pieces[count++] = (struct iovec){.iov_base = link->out.data + position,
						 .iov_len = link->out.len - position};
	header.msg_iovlen = count;
	return sendmsg(link->fd, &header, MSG_NOSIGNAL);
}

size_t link_shares_taken(struct link *link, size_t len)
{
	struct link_shares *shares = &link->shares;
	size_t own = 0, position = link->out_sent;
	while (len > 0 && shares->first < shares->count) {
		struct link_share *share = &shares->items[shares->first];
		size_t before = share->at - position;
		size_t part = before < len ? before : len;
		own += part;
		position += part;
		len -= part;
		if (part < before)
			break;
		size_t left = share->bytes->len - shares->sent;
		part = left < len ? left : len;
		shares->sent += part;
		shares->unsent -= part;
		len -= part;
		if (part < left)
			break;
		bytes_unref(share->bytes);
		shares->sent = 0;
		shares->first++;
	}
	if (shares->first == shares->count)
		link_shares_release(link);
	return own + len;
}

void link_shares_move(struct link *link, size_t len)
{
	struct link_shares *shares = &link->shares;
	size_t count = shares->count - shares->first;
	for (size_t i = 0; i < count; i++) {
		shares->items[i] = shares->items[shares->first + i];
		ASSERT(shares->items[i].at >= len);
		shares->items[i].at -= len;
	}
	shares->first = 0;
	shares->count = count;
}
