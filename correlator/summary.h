/* summary.h: what a run did, for the operator: packets, events, attribution, clocks, alerts, and
 * whether the sums add up. Written by the main thread after all others have stopped. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "correlator/correlator.h"

/* Counted on the correlator's thread as flows settle. */
struct flow_totals {
	uint64_t count;
	uint64_t by_status[FLOW_STATUS_CANNOT_JUDGE + 1];
	uint64_t owners_by_method[ATTRIBUTION_COUNT];
};

void flow_totals_add(struct flow_totals *totals, const struct settled_flow *flow);

struct summary {
	const struct counters *counters;
	const struct flow_totals *flows;
	const struct correlator *correlator; /* NULL: no hosts */
	uint32_t rule_count;
	double seconds; /* the run took */
};

/* Packets that were lost anywhere, in percent of those that should have been seen. */
double summary_loss_percent(const struct counters *counters);

/* A few lines of text, or one JSON object. Returns false when an accounting identity does not hold
 * (and says so). */
bool summary_print(const struct summary *summary, bool json, FILE *stream);
