/* source_events.h: a pipeline source that reads host events from files, runs the single-event part
 * of every rule on them, and pushes them to the correlator. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "correlator/pipeline.h"

struct events_source {
	const char *const *paths;
	size_t path_count;
	const struct fields *fields;
	const struct ruleset *ruleset;
	bool failed; /* a file was missing or ended in a fault, which was logged; read after the
			pipeline is done */
};

/* A source_run_fn; context is a struct events_source. */
void events_source_run(struct source *source, void *context);
