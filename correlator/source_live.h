/* source_live.h: a pipeline source that reads a live interface, tracks flows and pushes what it
 * finds. */
#pragma once

#include <stdint.h>

#include "collector/packet/capture_live.h"
#include "collector/packet/capture_xdp.h"
#include "collector/packet/tracker.h"
#include "correlator/pipeline.h"

/* One per handle, or one per interface with a kernel half; all of an interface get the same tracker
 * settings. */
struct live_source {
	/* One of the two, the caller's; read by the source's thread until the pipeline is done. */
	struct capture_live *capture;
	struct capture_xdp *kernel;
	struct tracker_settings tracker;
	int counts_interface; /* this one counts what the interface dropped */
	int error; /* errno: the tracker could not be opened, or ENETDOWN: the interface is gone;
		      read after the pipeline is done */
};

/* A source_run_fn; context is a struct live_source. Add it with `lossless` unset: packets do not
 * wait. */
void live_source_run(struct source *source, void *context);
