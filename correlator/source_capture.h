/* source_capture.h: a pipeline source that reads capture files, tracks flows and pushes what it
 * finds. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/packet/capture.h"
#include "collector/packet/tracker.h"
#include "correlator/pipeline.h"

struct capture_source {
	struct capture *capture; /* the caller's; the source's thread reads it */
	struct tracker_settings tracker;
	bool real_time; /* hand packets over at the speed they were captured */
	int error; /* errno when the tracker could not be opened; read after the pipeline is done */
	uint64_t first_ns; /* times of the first and last packet; 0 = none */
	uint64_t last_ns;
};

/* A source_run_fn; context is a struct capture_source. Waits for the host events first
 * (source_await_events). */
void capture_source_run(struct source *source, void *context);
