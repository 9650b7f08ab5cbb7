/* correlator.h: host events and flows in, flows with owners and alerts out. The stateful middle:
 * one thread, the only writer of hosts, processes, connections and sequences.
 *
 * It keeps sets of facts, not a history of arrivals: what it says about a flow is a function of all
 * facts about it, so the order of arrival does not matter (within the horizon). Eager: it says what
 * it knows at once and improves it later. Settled: it says everything once, when the watermark has
 * passed and nothing can change (replay).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/base/hash.h"
#include "collector/flow.h"
#include "correlator/alert.h"
#include "correlator/flow_name_table.h"
#include "correlator/tap_health.h"
#include "rules/ruleset.h"

struct correlator;

enum attribution_method {
#define ATTRIBUTION(name, help) ATTRIBUTION_##name,
#include "correlator/attribution.def"
#undef ATTRIBUTION
	ATTRIBUTION_COUNT,
	ATTRIBUTION_NONE = ATTRIBUTION_COUNT,
};

/* One end of a flow, and who owns it. */
struct flow_owner {
	enum attribution_method method; /* ATTRIBUTION_NONE: nobody known */
	double confidence;		/* 0..1 */
	uint32_t candidate_count;	/* processes that fit, the owner included */
	const struct event *event;	/* the joined network event of this end, with process.* and
					   procspan.*; or NULL */
};

enum flow_status {
	FLOW_STATUS_OWNED,
	FLOW_STATUS_UNREPORTED,
	FLOW_STATUS_UNINSTRUMENTED,
	FLOW_STATUS_CANNOT_JUDGE
};

struct settled_flow {
	const struct flow_event *flow; /* its last state */
	enum flow_status status;
	double expected_report;	  /* unreported: the share of such flows that the host is used to
				     report, 0..1; a high one makes its silence news */
	struct flow_owner source; /* the end that opened it */
	struct flow_owner destination;
	struct flow_names names; /* that it asked for, read off the wire */
};

/* Where findings go. Called on the correlator's thread; everything is borrowed for the call. */
struct correlator_sink {
	void *context;
	void (*alert)(void *context, const struct alert *alert);
	void (*flow)(void *context, const struct settled_flow *flow); /* each flow once; or NULL */
	/* Each event as rules see it, and the steps that it satisfies; or NULL. With it, events and
	 * connections that no rule can want are joined and said as well: to explain, not to watch.
	 */
	void (*event)(void *context, const struct event *event, const step_id *steps,
		      size_t step_count);
};

struct correlator_settings {
	uint64_t horizon_ns; /* how late anything may be; default 15 min */
	uint32_t max_hosts;  /* 0 = defaults, as are all below */
	uint32_t max_processes;
	uint32_t max_connections; /* flows and host-reported connections that are not settled */
	uint32_t max_facts;	  /* binds and DNS answers */
	size_t store_bytes;	  /* for pending events of sequences */
	int live;   /* received_ns is by the clock that the tap has: lag can be told */
	int settle; /* say everything once, when nothing can change */
	struct hash_seed seed;
};

/* `fields` gets to know what the correlator itself wants (call before threads start). NULL with
 * errno. */
void correlator_want_fields(struct fields *fields);

struct correlator *correlator_open(const struct correlator_settings *settings,
				   const struct ruleset *ruleset, const struct fields *fields,
				   const struct correlator_sink *sink, struct counters *counters);
void correlator_close(struct correlator *correlator);

/* A host event and the steps it satisfies (found at the edge by ruleset_match). */
void correlator_event(struct correlator *correlator, const struct event *event,
		      const step_id *steps, size_t step_count);
void correlator_flow(struct correlator *correlator, const struct flow_event *flow);

/* A name seen on the wire, before or after its flow. Eager: joined at the next advance. */
void correlator_name(struct correlator *correlator, const struct wire_name *name);

/* What the live tap has seen and lost so far: while it loses, nobody is called silent. */
void correlator_tap(struct correlator *correlator, uint64_t now_ns,
		    const struct tap_totals *totals);

/* Every source is complete up to this wire time: settles what can not change any more. */
void correlator_advance(struct correlator *correlator, uint64_t watermark_ns);

/* No more input: settles everything. */
void correlator_finish(struct correlator *correlator);

size_t correlator_bytes(const struct correlator *correlator);

/* One line per host: what is known of its clock, its addresses, its event sources. */
struct host_report {
	const char *name;
	uint64_t event_count;
	uint64_t process_count;
	size_t address_count;
	struct ip_address addresses[8];
	size_t clock_count;
	struct {
		const char *source; /* "sysmon", "security", ... */
		uint64_t sample_count;
		int64_t offset_ns;	/* host label minus wire time */
		uint64_t confidence_ns; /* half width */
		double drift_ppm;
	} clocks[4];
	uint64_t owned_count;
	uint64_t unreported_count;
	uint64_t news_count; /* of the unreported ones: against the host's habit */
};

void correlator_each_host(const struct correlator *correlator, void *context,
			  void (*report)(void *context, const struct host_report *host));
