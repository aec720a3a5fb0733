/* faults: 49, 54 */

#include "../support/check_main.h"
#include "client/session.h"

/*
 * Sequence numbers start at 1; acknowledged is the smallest one that is still open, or the
 * next if none is.
 */
START_TEST(numbers_ascend_and_settle)
{
	struct client_session *session = client_session_create(7);
	ck_assert_uint_eq(session->client, 7);
	ck_assert_uint_eq(session->acknowledged, 1);
	for (uint64_t i = 1; i <= 4; i++)
		ck_assert_uint_eq(client_session_take(session), i);
	ck_assert(!client_session_give_back(session, 2));
	ck_assert_uint_eq(session->acknowledged, 1);
	ck_assert(client_session_give_back(session, 1));
	ck_assert_uint_eq(session->acknowledged, 3);
	ck_assert(!client_session_give_back(session, 4));
	ck_assert(client_session_give_back(session, 3));
	ck_assert_uint_eq(session->acknowledged, 5);
	client_session_unref(session);
}
END_TEST

/*
 * One number that stays open holds the window: no more than SESSION_WINDOW_MAX numbers from
 * it are given out.
 */
START_TEST(the_window_of_open_numbers_is_bounded)
{
	struct client_session *session = client_session_create(1);
	for (uint64_t i = 1; i <= SESSION_WINDOW_MAX; i++)
		ck_assert_uint_eq(client_session_take(session), i);
	ck_assert_uint_eq(client_session_take(session), 0);
	for (uint64_t i = 2; i <= SESSION_WINDOW_MAX; i++)
		client_session_give_back(session, i);
	ck_assert_uint_eq(client_session_take(session), 0);
	ck_assert(client_session_give_back(session, 1));
	ck_assert_uint_eq(session->acknowledged, SESSION_WINDOW_MAX + 1);
	ck_assert_uint_eq(client_session_take(session), SESSION_WINDOW_MAX + 1);
	client_session_give_back(session, SESSION_WINDOW_MAX + 1);
	client_session_unref(session);
}
END_TEST

/*
 * A session that is replaced lives on until its last open number is given back (the
 * sanitizers see it if not).
 */
START_TEST(open_numbers_keep_the_session)
{
	struct client_session *session = client_session_create(1);
	uint64_t first = client_session_take(session), second = client_session_take(session);
	client_session_unref(session);
	client_session_give_back(session, second);
	ck_assert_uint_eq(session->acknowledged, 1);
	client_session_give_back(session, first);
}
END_TEST
