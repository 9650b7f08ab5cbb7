/* tap_health.h: what a live tap saw and lost, minute by minute for a day, so that what is said of a
 * flow or in an alert knows how much of it the sensor can have missed.
 *
 * A tap that tells nothing (replay) has lost nothing. One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { TAP_HEALTH_MINUTES = 24 * 60 };

/* In all, since the start. */
struct tap_totals {
	uint64_t packets_seen; /* those that were lost not among them */
	uint64_t packets_lost; /* by the kernel, the interface or a full flow table */
	uint64_t records_lost; /* flows or host events that the correlator was to get */
};

struct tap_minute {
	uint64_t number; /* since 1970; another one's = nothing is known */
	struct tap_totals totals;
};

struct tap_health {
	bool told; /* there is a live tap */
	uint64_t told_ns;
	struct tap_totals last;
	struct tap_minute minutes[TAP_HEALTH_MINUTES];
};

/* The totals at a moment of the wire's time line. What came since the last call counts for the
 * minutes of both, since it may have been in either. */
void tap_health_tell(struct tap_health *health, uint64_t now_ns, const struct tap_totals *totals);

/* The minutes from one moment to another, added up. */
struct tap_totals tap_health_between(const struct tap_health *health, uint64_t from_ns,
				     uint64_t to_ns);

double tap_loss_percent(const struct tap_totals *totals); /* of packets */
