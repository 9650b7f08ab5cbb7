/* source_server.h: a pipeline source that serves senders of host events
 * (collector/input/server.h): what they sent is normalised, matched and pushed as soon as
 * it is safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/input/server.h"
#include "correlator/host_watch.h"
#include "correlator/pipeline.h"
#include "correlator/speakers.h"

struct server_source {
	struct server *server; /* the caller's, as is all below; used by the source's thread */
	const struct fields *fields;
	const struct ruleset *ruleset;
	const struct speakers *speakers; /* who may speak for which computer; NULL = all for all */
	struct host_watch *watch;	 /* what is seen of each host; or NULL */
	uint64_t lateness_ns; /* events may come so much later than they happened: the watermark
				 stays that far behind */
	bool event_time; /* the watermark follows the events' own time instead of the wall clock:
			    the tap replays an old capture */
	int error;	 /* errno, when it could not go on; read after the pipeline is done */
};

/* A source_run_fn; context is a struct server_source. */
void server_source_run(struct source *source, void *context);
