/* Names of faults. */
#include "sim/faults.h"

#include "base/assert.h"

const char *sim_fault_name(enum sim_fault fault)
{
	static const char *const names[] = {
#define X(name, text) [SIM_FAULT_##name] = text,
		SIM_FAULT_MAP(X)
#undef X
	};
	ASSERT(fault < SIM_FAULTS);
	return names[fault];
}
