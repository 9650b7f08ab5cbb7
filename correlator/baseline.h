/* baseline.h: how much of its own traffic a host is used to report, so that silence is called news
 * only where it is news. A host whose sensor leaves out UDP, or what comes in, never reports those:
 * each kind of traffic has a baseline of its own.
 *
 * Pure: the numbers live in the host's books.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/flow.h"

/* Sensors are configured by transport, by direction, and to leave out name lookups. */
enum traffic_kind {
	TRAFFIC_TCP_OUT,
	TRAFFIC_TCP_IN,
	TRAFFIC_UDP_OUT,
	TRAFFIC_UDP_IN,
	TRAFFIC_LOOKUP_OUT, /* DNS, mDNS, LLMNR, NetBIOS names */
	TRAFFIC_LOOKUP_IN,
	TRAFFIC_KINDS
};

/* Of the flows that a host could have reported, how many it did. The old ones fade, so that a host
 * may change its ways. */
struct baseline {
	uint32_t could_count;
	uint32_t did_count;
};

enum { BASELINE_MEMORY = 2048 }; /* flows, then all are halved */

/* The kind of a flow for the host that opened it, or for the other one (`in`). */
enum traffic_kind traffic_kind_of(const struct flow_event *flow, bool in);

void baseline_learn(struct baseline *baseline, bool reported);

/* 0..1: the host reports at least this share of such flows (the lower end of Wilson's 95 %
 * interval: 0 of nothing, 0.72 of 10 out of 10, 0.96 of 100 out of 100). */
double baseline_expected(const struct baseline *baseline);

/* An unreported flow is news when a host reports at least this share of its like. */
#define BASELINE_NEWS 0.9
