/*
 * libFuzzer: the session table of a snapshot. A table that is accepted must encode to the bytes it
 * came from, and must work: commands of its clients are judged, recorded and expired without harm,
 * twice the same way.
 *
 * A table of the first version is taken as that version wrote it, and goes on as one of this
 * version does.
 *
 *   input: u8 length of the commands (each 4 bytes: client, sequence, acknowledged, body),
 *   commands, table
 */
#include "fuzz.h"
#include "rsm/sessions.h"

#define COMMAND_BYTES 4u

static void run_command(struct sessions *s, const uint8_t *command, uint64_t now_us)
{
	struct session *session = NULL;
	const struct session_reply *repeat = NULL;
	int status = 0;
	struct slice body = slice(&command[3], 1);
	struct entry_command c = {.client = command[0],
				  .sequence = command[1],
				  .acknowledged = command[2],
				  .body = body};
	uint32_t format = command[3] % 5 == 0 ? 2 : ENTRY_FORMAT;
	switch (sessions_begin(s, now_us, format, &c, &session, &repeat, &status)) {
	case SESSION_NEW:
		sessions_record(session, command[1], body,
				command[3] % 3 == 0 ? STATUS_NOT_NUMBER : 0,
				slice(command, command[3] % (COMMAND_BYTES + 1)));
		break;
	case SESSION_REPEAT:
		ASSERT(repeat->sequence == command[1]);
		(void)session_reply_body(repeat);
		break;
	case SESSION_REFUSED: ASSERT(status != 0); break;
	}
	if (command[3] % 16 == 0)
		sessions_expire(s, now_us, format);
	if (command[3] % 16 == 1)
		sessions_registered(s, command[0]);
	if (command[3] % 16 == 2)
		sessions_limit(s, 1 + command[0] % 8, 1000);
}

/*
 * One that was accepted, and has been read back from its encoding, must do the same as the
 * original.
 */
static void run_both(struct sessions *first, struct sessions *second, struct slice commands)
{
	struct buffer encoded = {0};
	sessions_encode(first, &encoded);
	int status = sessions_decode(second, buffer_slice(&encoded));
	ASSERT(status == 0);
	buffer_free(&encoded);
	for (size_t at = 0; at + COMMAND_BYTES <= commands.len; at += COMMAND_BYTES) {
		run_command(first, commands.data + at, at * 100);
		run_command(second, commands.data + at, at * 100);
	}
	ASSERT(sessions_hash(first) == sessions_hash(second));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sessions first, second;
	struct buffer encoded = {0};
	struct slice in = slice(data, size);
	struct slice commands = input_bytes(&in,
					    (size_t)input_u8(&in) / COMMAND_BYTES * COMMAND_BYTES);

	sessions_init(&first, 8, 1000);
	sessions_init(&second, 8, 1000);
	if (sessions_decode(&first, in) == 0) {
		sessions_encode(&first, &encoded);
		ASSERT(slice_equal(buffer_slice(&encoded), in));
		run_both(&first, &second, commands);
	}
	if (sessions_decode_first_version(&first, in) == 0)
		run_both(&first, &second, commands);
	buffer_free(&encoded);
	sessions_free(&first);
	sessions_free(&second);
	return 0;
}
