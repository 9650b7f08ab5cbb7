/* alert.h: what a rule found: the rule, every event that led to it, and how good the evidence is.
 *
 * Everything an analyst needs is in the events: a joined network event carries the flow as the wire
 * saw it (network.*, source.*, destination.*, procspan.wire.*) and its attribution
 * (procspan.attribution.*). An alert's pointers are borrowed for the call that hands it over;
 * alert_pack copies it for another thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/event.h"
#include "rules/rule.h"

enum alert_kind {
	ALERT_NEW,
	ALERT_UPDATE, /* better evidence for an alert sent earlier: the same id */
};

enum { ALERT_ID_TEXT_MAX = 37 };

/* What the sensor may have missed around this alert. */
struct alert_quality {
	double capture_loss_percent; /* of packets, in the minutes of its events */
	uint64_t telemetry_lag_ms;   /* of the host whose event came last */
	uint64_t waited_ms;	     /* from the last event's time to the alert */
	int degraded;		     /* tables evicted: something may be missing */
};

struct alert {
	enum alert_kind kind;
	const struct rule *rule;
	char id[ALERT_ID_TEXT_MAX]; /* UUID derived from what it is about: the same in every run
				       and update (so version 8: no time in it) */
	uint64_t time_ns;	    /* of the latest event */
	uint32_t update_count;	    /* 0 = first sending */
	struct alert_quality quality;
	size_t event_count;
	const struct event
		*events[RULE_STAGES_MAX]; /* in stage order; NULL = the slot of a missing event */
};

/* Fills in id, from the rule's id and the match's identity, and time_ns, from the events. */
void alert_identify(struct alert *alert, uint64_t match_identity);

/* One block of bytes for a ring: how many alert_pack will write; alert_unpack points into the
 * block. `ruleset` of the same generation must be alive on both sides. */
size_t alert_packed_bytes(const struct alert *alert);
void alert_pack(const struct alert *alert, void *out_block);
void alert_unpack(const void *block, struct alert *out_alert);
