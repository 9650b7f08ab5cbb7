/* replay.h: captures and forwarded events from files through the whole engine, as `replay` and
 * `demo` do it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "correlator/options.h"

struct replay_arguments {
	struct option_texts pcaps;
	struct option_texts events;
	struct option_texts rules;   /* none: the rules that ship with procspan */
	struct option_texts outputs; /* none: stdout:?format=ecs */
	const char *flows;	     /* file for one JSON line per flow, or NULL */
	const char *speed;	     /* "max" or "1x" */
	uint64_t horizon_ns;
	uint64_t shuffle_seed; /* 0 = as they come */
	uint64_t max_flows;
	double max_loss_percent;
	bool json;    /* the summary as JSON */
	bool quiet;   /* no progress line, no summary */
	bool verbose; /* log level info */
};

void replay_defaults(struct replay_arguments *arguments);

/* Runs it all; returns an exit code. Words go to stderr, data to the outputs. Main thread, once per
 * process. */
int replay_run(const struct replay_arguments *arguments);
