/* The table of request kinds: each row says what the way of a request needs. */
#include "client/kinds.h"

#include "../support/check_main.h"
#include "wire/method.h"

/* Every kind has a row with a name, a method or one that the request brings, and a beginning. */
START_TEST(every_kind_has_a_whole_row)
{
	for (int i = 0; i < CLIENT_KINDS; i++) {
		const struct client_kind_row *kind = &client_kinds[i];
		CHECK_THAT(kind->name != NULL, "kind %d", i);
		bool brings = i == CLIENT_PEER || i == CLIENT_PEER_CHANGE;
		CHECK_THAT((kind->method == 0) == brings, "%s", kind->name);
		CHECK_THAT(kind->start != NULL || kind->step != NULL, "%s", kind->name);
		CHECK_THAT(kind->service < CLIENT_SERVICES, "%s", kind->name);
	}
}
END_TEST

/*
 * What goes through a log with a session changes something, and comes back: there may be no memory
 * to send it, no configuration, no place in the session's window. What is sent to one server alone
 * does not, for it is sent once.
 */
START_TEST(who_waits_goes_on_at_its_step)
{
	for (int i = 0; i < CLIENT_KINDS; i++) {
		const struct client_kind_row *kind = &client_kinds[i];
		CHECK_THAT(kind->form != FORM_SESSION || kind->changes, "%s", kind->name);
		CHECK_THAT((kind->step == NULL) == (kind->start == client_probe_start), "%s",
			   kind->name);
	}
	/* Not at somebody else's. */
	ck_assert(client_kinds[CLIENT_TRANSFER].step == client_route_to_named);
	ck_assert(client_kinds[CLIENT_CHANGE].step == client_route_to_named);
	ck_assert(client_kinds[CLIENT_PEER_CHANGE].step == client_service_to_peer);
}
END_TEST

/* Who asks a peer for something that changes its instances is told when the outcome is unknown. */
START_TEST(peers_are_asked_for_reads_and_changes)
{
	static const struct {
		uint16_t method;
		enum client_kind kind;
	} rows[] = {
		{METHOD_AGREEMENT_START, CLIENT_PEER_CHANGE},
		{METHOD_AGREEMENT_DONE, CLIENT_PEER_CHANGE},
		{METHOD_AGREEMENT_STATUS, CLIENT_PEER},
		{METHOD_AGREEMENT_BOUNDS, CLIENT_PEER},
		{METHOD_AGREEMENT_WAIT, CLIENT_PEER},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct client_request *request;
		const char *address = i % 2 == 0 ? "h:1" : NULL;
		ck_assert_int_eq(client_request_agreement(&request, address, rows[i].method, 1,
							  (struct synod_bytes){0}),
				 0);
		ck_assert_int_eq(request->kind, rows[i].kind);
		ck_assert_uint_eq(client_request_method(request), rows[i].method);
		client_request_free(request);
	}
}
END_TEST
