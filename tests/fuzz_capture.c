/* Any bytes as a capture file, twice in one merge. What is
 * handed over must be readable, in batches of the right size, and come to an end. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>

#include "collector/packet/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static void read_all(struct capture *capture)
{
	struct packet packets[PACKET_BATCH];
	uint64_t sum = 0;
	for (size_t count; (count = capture_next(capture, packets)) > 0;) {
		if (count > PACKET_BATCH)
			abort();
		for (size_t i = 0; i < count; i++) {
			for (uint32_t j = 0; j < packets[i].captured_bytes; j++)
				sum += packets[i].bytes[j];
			if (packets[i].capture > 1)
				abort();
		}
	}
	sink = sum;
	if (capture_faults(capture)->count > 2)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int descriptor = memfd_create("capture", MFD_CLOEXEC);
	if (descriptor < 0 || write(descriptor, data, size) != (ssize_t)size)
		abort();
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	const char *const paths[] = { path, path };
	struct complaints complaints = { 0 };
	struct capture *capture = NULL;
	if (capture_open_files(paths, 2, &complaints, &capture))
		read_all(capture);
	else if (complaints.count != 2)
		abort();
	capture_close(capture);
	close(descriptor);
	return 0;
}
