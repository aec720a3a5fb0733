#include "wire/method.h"

const char *method_text(uint16_t method)
{
	switch (method) {
#define X(name, number, text) \
	case METHOD_##name: return text;
		METHOD_MAP(X)
#undef X
	}
	return "unknown";
}
