/* replay_engine.h: what `replay` and `explain` open alike: rules, captures, event files, and the
 * pipeline that runs them. Main thread.
 *
 * Opened in this order: replay_engine_open, then whatever takes what is found, then
 * replay_engine_start.
 */
#pragma once

#include "correlator/pipeline.h"
#include "correlator/replay.h"
#include "correlator/source_capture.h"
#include "correlator/source_events.h"

struct replay_engine {
	const struct replay_arguments *arguments; /* outputs, flows and words are the caller's */
	struct fields *fields;
	struct ruleset *ruleset;
	struct capture *capture; /* NULL: no captures */
	struct pipeline *pipeline;
	struct capture_source capture_source;
	struct events_source events_source;
};

/* Reads the rules and looks at the inputs; complaints go to stderr. Returns an exit code; close it
 * whatever it says. */
int replay_engine_open(struct replay_engine *engine, const struct replay_arguments *arguments);

/* Starts the pipeline. Returns an exit code. The engine must stay where it is until closed. */
int replay_engine_start(struct replay_engine *engine, const struct correlator_sink *sink);

/* After the end: prints the captures' faults; true if any input was faulty. */
bool replay_engine_faults(const struct replay_engine *engine);

/* Stops the pipeline, when it runs, and frees it. Nothing is taken from it any more; rules and
 * fields stay. */
void replay_engine_stop(struct replay_engine *engine);

/* Stops and frees the rest. */
void replay_engine_close(struct replay_engine *engine);
