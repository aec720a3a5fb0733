/*
 * The courses' scenarios for the view service: "2015 viewservice" 1–9 (test_test.go) and DSLabs lab
 * 2, ViewServerTest 01–12, against 1, 3 and 5 viewservers as they run in production. Where the two
 * disagree in detail (which server becomes backup first), any order that the rules allow is right.
 */
#include "../support/check_main.h"
#include "servers.h"

static const uint32_t SIZES[] = {1, 3, 5};
#define NSIZES ((int)(sizeof SIZES / sizeof SIZES[0]))

static struct service *s;

static void open_service(int i)
{
	s = service_create(SIZES[i]);
}

static void close_service(void)
{
	service_destroy(s);
}

/* s1 is primary and s2 backup, in view 2, acknowledged. */
static void open_pair(int i)
{
	open_service(i);
	servers_start(s, 1);
	ck_assert(service_reaches(s, "1 s1 -", 10));
	servers_start(s, 2);
	ck_assert(service_reaches(s, "2 s1 s2", 10));
	service_run(s, 3);
}

/* course: DSLabs ViewServerTest 01 — Before any server has pinged there is no view. */
START_LOOP_TEST(there_is_no_view_without_servers, 0, NSIZES)
{
	open_service(_i);
	service_run(s, 20);
	ck_assert_str_eq(service_view(s), "0 - -");
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 1; DSLabs ViewServerTest 02 — The first server that pings becomes
 * primary, without a backup.
 */
START_LOOP_TEST(the_first_server_becomes_primary, 0, NSIZES)
{
	open_service(_i);
	servers_start(s, 1);
	ck_assert(service_reaches(s, "1 s1 -", 10));
	service_run(s, 2);
	ck_assert_str_eq(server_of(s, 1)->primary, "s1");
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 2; DSLabs ViewServerTest 03 — The next server becomes backup, in the
 * next view.
 */
START_LOOP_TEST(the_next_server_becomes_backup, 0, NSIZES)
{
	open_pair(_i);
	ck_assert_str_eq(server_of(s, 2)->backup, "s2");
	close_service();
}
END_TEST

/*
 * course: DSLabs ViewServerTest 04 — A backup that pings before the primary has acknowledged does
 * not move the view.
 */
START_LOOP_TEST(backup_pings_first, 0, NSIZES)
{
	open_service(_i);
	server_of(s, 1)->withhold = true;
	servers_start(s, 1);
	service_run(s, 5);
	servers_start(s, 2);
	service_run(s, 20);
	ck_assert_str_eq(service_view(s), "1 s1 -");
	server_of(s, 1)->withhold = false;
	ck_assert(service_reaches(s, "2 s1 s2", 10));
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 3; DSLabs ViewServerTest 05 — When the primary falls silent the backup
 * takes over, alone.
 */
START_LOOP_TEST(backup_takes_over, 0, NSIZES)
{
	open_pair(_i);
	servers_stop(s, 1);
	ck_assert(service_reaches(s, "3 s2 -", 15));
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 4; DSLabs ViewServerTest 06 — The old primary comes back, and becomes
 * backup.
 */
START_LOOP_TEST(restarted_server_becomes_backup, 0, NSIZES)
{
	open_pair(_i);
	servers_stop(s, 1);
	ck_assert(service_reaches(s, "3 s2 -", 15));
	servers_start(s, 1);
	ck_assert(service_reaches(s, "4 s2 s1", 10));
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 5; DSLabs ViewServerTest 07 — An idle third server becomes backup in the
 * same view that promotes the backup.
 */
START_LOOP_TEST(idle_third_server_becomes_backup, 0, NSIZES)
{
	open_pair(_i);
	servers_start(s, 3);
	service_run(s, 5);
	ck_assert_str_eq(service_view(s), "2 s1 s2");
	servers_stop(s, 1);
	ck_assert(service_reaches(s, "3 s2 s3", 15));
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 6 — A primary that restarts within a ping interval has lost its state,
 * and counts as dead.
 */
START_LOOP_TEST(restarted_primary_is_dead, 0, NSIZES)
{
	open_pair(_i);
	servers_start(s, 1);
	ck_assert(service_reaches(s, "3 s2 s1", 10));
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 6 — A backup that restarts is a new one, which has to be filled: another
 * view.
 */
START_LOOP_TEST(restarted_backup_is_a_new_one, 0, NSIZES)
{
	open_pair(_i);
	servers_start(s, 2);
	ck_assert(service_reaches(s, "3 s1 s2", 10));
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 7; DSLabs ViewServerTest 09 — A dead backup is removed, and the primary
 * stays.
 */
START_LOOP_TEST(dead_backup_is_removed, 0, NSIZES)
{
	open_pair(_i);
	servers_stop(s, 2);
	ck_assert(service_reaches(s, "3 s1 -", 15));
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 8; DSLabs ViewServerTest 08 — No view follows one that its primary has
 * not acknowledged, not even when that primary dies.
 */
START_LOOP_TEST(waits_for_the_acknowledgement, 0, NSIZES)
{
	open_pair(_i);
	servers_start(s, 3);
	service_run(s, 3);
	/* s2 will be primary, and does not acknowledge. */
	server_of(s, 2)->withhold = true;
	servers_stop(s, 1);
	service_run(s, 15);
	ck_assert_str_eq(service_view(s), "3 s2 s3");
	servers_start(s, 1);
	service_run(s, 15);
	ck_assert_str_eq(service_view(s), "3 s2 s3");
	servers_stop(s, 2);
	service_run(s, 30);
	ck_assert_str_eq(service_view(s), "3 s2 s3");
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 9; DSLabs ViewServerTest 10 — When primary and backup are both gone, a
 * server without the state is not promoted, however long it waits.
 */
START_LOOP_TEST(uninitialised_server_is_not_promoted, 0, NSIZES)
{
	open_pair(_i);
	servers_stop(s, 1);
	servers_stop(s, 2);
	service_run(s, 3);
	servers_start(s, 3);
	service_run(s, 30);
	ck_assert_str_eq(service_view(s), "2 s1 s2");
	/* Nor are they themselves, when they come back without it. */
	servers_start(s, 1);
	servers_start(s, 2);
	service_run(s, 30);
	ck_assert_str_eq(service_view(s), "2 s1 s2");
	close_service();
}
END_TEST

/*
 * course: 2015 viewservice 9 — Nor is a backup that has not been filled yet; and when that one
 * dies, it is replaced, which the courses' view service could not do.
 */
START_LOOP_TEST(unfilled_backup_is_not_promoted, 0, NSIZES)
{
	open_service(_i);
	server_of(s, 1)->unsynced = true;
	servers_start(s, 1);
	ck_assert(service_reaches(s, "1 s1 -", 10));
	servers_start(s, 2);
	ck_assert(service_reaches(s, "2 s1 s2", 10));
	servers_start(s, 3);
	service_run(s, 3);
	servers_stop(s, 2);
	ck_assert(service_reaches(s, "3 s1 s3", 15));
	servers_stop(s, 1);
	service_run(s, 30);
	ck_assert_str_eq(service_view(s), "3 s1 s3");
	close_service();
}
END_TEST

/* course: DSLabs ViewServerTest 11 — An idle server that has died is not made backup. */
START_LOOP_TEST(dead_idle_server_is_not_made_backup, 0, NSIZES)
{
	open_pair(_i);
	servers_start(s, 3);
	service_run(s, 3);
	servers_stop(s, 3);
	service_run(s, 10);
	servers_stop(s, 1);
	ck_assert(service_reaches(s, "3 s2 -", 15));
	service_run(s, 10);
	ck_assert_str_eq(service_view(s), "3 s2 -");
	close_service();
}
END_TEST

/* course: DSLabs ViewServerTest 12 — While nothing changes, the view does not. */
START_LOOP_TEST(no_new_view_without_a_reason, 0, NSIZES)
{
	open_pair(_i);
	servers_start(s, 3);
	service_run(s, 50);
	ck_assert_str_eq(service_view(s), "2 s1 s2");
	servers_stop(s, 3);
	service_run(s, 20);
	servers_start(s, 3);
	service_run(s, 20);
	ck_assert_str_eq(service_view(s), "2 s1 s2");
	close_service();
}
END_TEST

/*
 * The view survives any minority of the viewservers; a new leader gives every server a fresh period
 * of grace.
 */
START_TEST(the_view_survives_a_minority_of_viewservers)
{
	s = service_create(3);
	servers_start(s, 1);
	ck_assert(service_reaches(s, "1 s1 -", 10));
	servers_start(s, 2);
	ck_assert(service_reaches(s, "2 s1 s2", 10));
	for (int round = 0; round < 6; round++) {
		struct sim_process *leader = service_leader(s);
		ck_assert_ptr_nonnull(leader);
		if (round % 2 == 0)
			sim_process_crash(leader);
		else
			sim_process_pause(leader);
		service_run(s, 20);
		ck_assert_str_eq(service_view(s), "2 s1 s2");
		if (round % 2 == 0)
			sim_process_start(leader);
		else
			sim_process_resume(leader);
		service_run(s, 10);
	}
	/* And still it notices. */
	servers_stop(s, 1);
	ck_assert(service_reaches(s, "3 s2 -", 30));
	close_service();
}
END_TEST

/*
 * All viewservers restart: the view comes back from their disks, and nobody is declared dead for
 * their silence.
 */
START_TEST(the_view_survives_a_restart_of_all_viewservers)
{
	s = service_create(3);
	servers_start(s, 1);
	ck_assert(service_reaches(s, "1 s1 -", 10));
	servers_start(s, 2);
	ck_assert(service_reaches(s, "2 s1 s2", 10));
	for (uint32_t i = 0; i < 3; i++)
		sim_process_power_loss(s->views[i]);
	service_run(s, 50);
	for (uint32_t i = 0; i < 3; i++)
		sim_process_start(s->views[i]);
	service_run(s, 50);
	ck_assert_str_eq(service_view(s), "2 s1 s2");
	close_service();
}
END_TEST

/*
 * Primary and backup fall silent together, and only one of them was dying: nothing is decided
 * before the other is heard again, so that the state is not given up with the wrong one.
 */
START_TEST(when_both_are_silent_nothing_is_decided)
{
	for (uint32_t survivor = 1; survivor <= 2; survivor++) {
		s = service_create(3);
		servers_start(s, 1);
		ck_assert(service_reaches(s, "1 s1 -", 10));
		servers_start(s, 2);
		ck_assert(service_reaches(s, "2 s1 s2", 10));
		service_run(s, 3);
		sim_process_pause(server_of(s, survivor)->process);
		servers_stop(s, 3 - survivor);
		service_run(s, 30);
		ck_assert_str_eq(service_view(s), "2 s1 s2");
		sim_process_resume(server_of(s, survivor)->process);
		ck_assert(service_reaches(s, survivor == 1 ? "3 s1 -" : "3 s2 -", 15));
		close_service();
	}
}
END_TEST
