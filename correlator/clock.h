/* clock.h: how far the labels of one event source of one host are from the wire's time.
 *
 * Every five-tuple that the host reports and the wire saw is a sample: label minus first packet.
 * Most samples agree; the rest are coincidences (the same tuple hours apart, two runs mixed), and
 * writing an event takes time, so that honest samples err to one side only. Hence: the cluster that
 * the most distinct tuples vouch for, a whole number of quarter hours and some skew, and inside it
 * the lower edge of the samples nearest in time, which follows drift and steps.
 *
 * The samples kept are a function of the set offered, not of their order: per quarter hour of wire
 * time those with the lowest hash.
 *
 * One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/hard.h"

enum { CLOCK_EPOCHS = 6, CLOCK_EPOCH_SAMPLES = 48, CLOCK_SAMPLES_MAX = 288 };

struct clock_sample {
	uint64_t label_ns;
	int64_t delta_ns; /* label minus wire */
	uint64_t tuple;	  /* hash: samples of one tuple count once */
	uint64_t rank;	  /* the lower ones are kept; top bit set = says little (fixed ports) */
};

struct clock_knot {
	uint64_t label_ns;
	int64_t offset_ns;
};

struct clock_epoch {
	uint64_t number; /* wire time / CLOCK_EPOCH_NS */
	uint32_t count;
	struct clock_sample samples[CLOCK_EPOCH_SAMPLES];
};

/* Placed by host_table in its pool. */
struct clock {
	uint64_t sample_count; /* ever offered */
	bool stale;	       /* samples came since the last settling */
	uint32_t since_settled;
	uint32_t epoch_count;
	struct clock_epoch epochs[CLOCK_EPOCHS];

	/* what clock_settle found */
	double trust;	    /* 0 = nothing is known, 1 = sure */
	bool whole_seconds; /* every label was: they are cut, so up to a second early */
	uint32_t tuple_count;
	uint32_t knot_count;
	uint64_t confidence_ns;
	double drift_ppm;
	uint32_t revision; /* moves when the estimate moves by more than CLOCK_NOTICE_NS */
	struct clock_knot knots[CLOCK_SAMPLES_MAX];
};

/* label - offset_ns = wire time, give or take confidence_ns. */
struct clock_reading {
	int64_t offset_ns;
	uint64_t confidence_ns;
	double trust;
};

void clock_reset(struct clock *clock);

/* `distinctive`: an ephemeral port makes the tuple unlikely to come again. */
void clock_offer(struct clock *clock, uint64_t label_ns, uint64_t wire_ns, uint64_t tuple,
		 bool distinctive);

/* Works the estimate out again. `other` is a source of the same host that is already settled, or
 * NULL: what agrees with it needs less proof. */
void clock_settle(struct clock *clock, const struct clock *other);

/* Is it worth settling again now? Often while samples are few, then seldom. */
bool clock_due(const struct clock *clock);

/* Trust 0 when nothing is known. */
struct clock_reading clock_read(const struct clock *clock, uint64_t label_ns);
