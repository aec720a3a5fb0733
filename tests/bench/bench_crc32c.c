/* How fast checksums are, by length: crc32c(), and what is left without the processor's help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crc32c.h"

#define BYTES_EACH (256u << 20)
#define LONGEST (1u << 20)

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double rate(uint32_t (*sum)(uint32_t, const void *, size_t), const uint8_t *data, size_t len,
		   size_t total)
{
	static volatile uint32_t sink;
	double began_s = now_s();
	for (size_t done = 0; done < total; done += len)
		sink = sum(sink, data, len);
	return (double)total / (now_s() - began_s) / 1e9;
}

int main(void)
{
	static const size_t lengths[] = {64, 256, 1024, 4095, 4096, 16384, 65536, LONGEST};
	uint8_t *data = malloc(LONGEST);
	if (data == NULL)
		return 1;
	memset(data, 0x5a, LONGEST);
	printf("%10s %12s %12s\n", "bytes", "GB/s", "portable");
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		printf("%10zu %12.2f %12.2f\n", lengths[i],
		       rate(crc32c, data, lengths[i], BYTES_EACH),
		       rate(crc32c_portable, data, lengths[i], BYTES_EACH / 16));
	free(data);
	return 0;
}
