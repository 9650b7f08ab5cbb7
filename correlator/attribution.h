/* attribution.h: whose flow is this? A pure question to all that is known: asking changes nothing,
 * and the answer does not depend on what arrived first.
 *
 * Each method is a row of attribution.def and a file attribution_NAME.c: it lists the processes
 * that could own an end of a flow, with how sure it is of each. The first method that finds any
 * decides; the others are not asked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "correlator/address_table.h"
#include "correlator/connection_table.h"
#include "correlator/correlator.h"
#include "correlator/fact_table.h"
#include "correlator/flow_name_table.h"
#include "correlator/process_table.h"

#define REPORT_NEAR_NS                                                                             \
	(UINT64_C(120) * 1000000000) /* a report never speaks of a flow farther away */

enum { CANDIDATES_MAX = 8, EVIDENCE_MAX = 16 };

/* All that is known. Borrowed by the methods, which only read. */
struct world {
	struct host_table *hosts;
	struct address_table *addresses;
	struct process_table *processes;
	struct connection_table connections;
	struct fact_table *facts;
	struct flow_name_table *names; /* for the joined events; no method asks */
	struct cell_store *store;
};

struct candidate {
	uint32_t process; /* slot in the process table */
	uint32_t evidence_count;
	double confidence;
	uint64_t apart_ns; /* of its best evidence from the flow, after offset */
	int64_t skew_ns;   /* the same with its sign: positive = reported later */
};

/* One end of a connection, and what was found out about it. */
struct verdict {
	enum attribution_method method;
	double confidence;
	uint32_t candidate_count;		     /* may exceed CANDIDATES_MAX */
	struct candidate candidates[CANDIDATES_MAX]; /* best first */
	uint32_t host; /* whose address the end has, or who reported it; HOST_NONE = unknown */
	size_t report_count;
	uint32_t reports[EVIDENCE_MAX]; /* that speak of this end, earliest first */
	struct clock_reading clock;	/* of the report that decided */
};

/* The candidates of one method, in any order; returns how many there are (those beyond
 * CANDIDATES_MAX are counted only). */
typedef size_t attribution_fn(const struct world *world, const struct flow_event *flow,
			      enum flow_side side, const struct verdict *so_far,
			      struct candidate out_candidates[CANDIDATES_MAX]);

#define ATTRIBUTION(name, help) attribution_fn attribution_##name;
#include "correlator/attribution.def"
#undef ATTRIBUTION

const char *attribution_method_name(enum attribution_method method); /* "" for NONE */

/* `flow` is the state of connections.flows[slot]. */
void attribution_of_flow(const struct world *world, uint32_t flow, enum flow_side side,
			 struct verdict *out_verdict);

/* The same for reports of one end that no flow on the wire fits. */
void attribution_of_reports(const struct world *world, const uint32_t *reports, size_t count,
			    struct verdict *out_verdict);

/* Which flow of its conversation a report speaks of; NO_SLOT = none on the wire. */
uint32_t attribution_flow_of_report(const struct world *world, uint32_t report,
				    uint64_t *out_apart_ns);

/* The end that the reporting host is: of the report's own source and destination. */
enum flow_side attribution_local_side(const struct world *world, const struct report *report);

/* A report's time on the wire's time line. */
struct clock_reading attribution_clock_of_report(const struct world *world,
						 const struct report *report);

/* How far a moment is from a flow's stretch of time; 0 inside it. */
uint64_t attribution_distance(const struct flow_event *flow, uint64_t wire_ns);

/* For methods: adds evidence for a process to a list of candidates, or betters what is there. */
size_t candidate_add(struct candidate candidates[CANDIDATES_MAX], size_t count,
		     const struct candidate *candidate);
