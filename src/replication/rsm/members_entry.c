/* The list that an entry of the log holds. */
#include "rsm/entry.h"
#include "rsm/members.h"

bool members_list_of_value(struct slice value, struct group_members *out)
{
	struct entry_reader reader;
	struct entry_command command;
	if (value.len < 4 || load_u32(value.data) != ENTRY_FORMAT_MEMBERS)
		return false;
	return entry_read(&reader, value) == 0 && entry_next(&reader, &command) == 1 &&
	       command.kind == ENTRY_MEMBERS && members_decode_body(out, command.body) == 0;
}

bool members_of_value(struct slice value, struct consensus_members *out)
{
	struct group_members members;
	if (!members_list_of_value(value, &members))
		return false;
	*out = members_core(&members);
	return true;
}
