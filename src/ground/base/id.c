/* Names, addresses and ids: which are valid, and how they are written. */
#include "base/id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *id_text(uint64_t id, char text[ID_TEXT_BYTES])
{
	snprintf(text, ID_TEXT_BYTES, "%016" PRIx64, id);
	return text;
}

bool id_parse(const char *text, uint64_t *id)
{
	if (strlen(text) != ID_TEXT_BYTES - 1 ||
	    strspn(text, "0123456789abcdefABCDEF") != ID_TEXT_BYTES - 1)
		return false;
	*id = strtoull(text, NULL, 16);
	return *id != 0;
}
