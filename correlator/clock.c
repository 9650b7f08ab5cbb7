#include "correlator/clock.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"

#define NS_PER_SECOND	   INT64_C(1000000000)
#define CLOCK_EPOCH_NS	   (UINT64_C(900) * NS_PER_SECOND)
#define QUARTER_HOUR_NS	   (INT64_C(900) * NS_PER_SECOND)
#define CLUSTER_WIDTH_NS   (INT64_C(120) * NS_PER_SECOND) /* drift and steps within one estimate */
#define DELTA_MAX_NS	   (INT64_C(129600) * NS_PER_SECOND) /* zones, twelve-hour clocks: 36 h */
#define RESIDUAL_SINGLE_NS (INT64_C(4) * NS_PER_SECOND)
#define RESIDUAL_PAIR_NS   (INT64_C(60) * NS_PER_SECOND)
#define PAIR_SPREAD_NS	   (INT64_C(5) * NS_PER_SECOND)
#define AGREEMENT_NS	   (INT64_C(20) * NS_PER_SECOND)
#define NEIGHBOUR_NS	   (UINT64_C(90) * NS_PER_SECOND)
#define STEP_NS		   (INT64_C(8) * NS_PER_SECOND) /* more than the delay of writing an event */
#define CLOCK_NOTICE_NS	   (INT64_C(500000000))

enum { NEIGHBOURS_EACH_SIDE = 3, CLUSTERS_MAX = 4, CONSENSUS = 3 };

void clock_reset(struct clock *clock)
{
	memset(clock, 0, sizeof(*clock));
}

/* The epoch of this wire time, making room by forgetting the oldest; NULL when it is older than
 * all that are kept. */
static struct clock_epoch *epoch_of(struct clock *clock, uint64_t wire_ns)
{
	const uint64_t number = wire_ns / CLOCK_EPOCH_NS;
	struct clock_epoch *oldest = NULL;
	for (uint32_t i = 0; i < clock->epoch_count; i++) {
		struct clock_epoch *epoch = &clock->epochs[i];
		if (epoch->number == number)
			return epoch;
		if (!oldest || epoch->number < oldest->number)
			oldest = epoch;
	}
	if (clock->epoch_count < CLOCK_EPOCHS)
		oldest = &clock->epochs[clock->epoch_count++];
	else if (oldest->number > number)
		return NULL;
	oldest->number = number;
	oldest->count = 0;
	return oldest;
}

void clock_offer(struct clock *clock, uint64_t label_ns, uint64_t wire_ns, uint64_t tuple,
		 bool distinctive)
{
	const int64_t delta_ns = (int64_t)(label_ns - wire_ns);
	if (delta_ns > DELTA_MAX_NS || delta_ns < -DELTA_MAX_NS)
		return;
	clock->sample_count++;
	/* The seed is fixed: which samples are kept must be the same in every run. */
	static const struct hash_seed seed = { { 0x636c6f636b73616dU, 0x9e3779b97f4a7c15U } };
	uint64_t rank =
		hash_word(&seed, hash_word(&seed, label_ns, tuple), (uint64_t)delta_ns) >> 1;
	if (!distinctive)
		rank |= UINT64_C(1) << 63;
	struct clock_epoch *epoch = epoch_of(clock, wire_ns);
	if (!epoch)
		return;
	uint32_t worst = 0;
	for (uint32_t i = 0; i < epoch->count; i++) {
		if (epoch->samples[i].rank == rank)
			return; /* the same pair once more */
		if (epoch->samples[i].rank > epoch->samples[worst].rank)
			worst = i;
	}
	if (epoch->count < CLOCK_EPOCH_SAMPLES)
		worst = epoch->count++;
	else if (epoch->samples[worst].rank < rank)
		return;
	epoch->samples[worst] = (struct clock_sample){ label_ns, delta_ns, tuple, rank };
	clock->stale = true;
	clock->since_settled++;
}

bool clock_due(const struct clock *clock)
{
	return clock->stale && (clock->sample_count < 64 || clock->since_settled >= 16);
}

/* --- settling --------------------------------------------------------------------------------- */

struct working_sample {
	struct clock_sample sample;
	bool taken; /* belongs to an accepted cluster */
};

struct cluster {
	size_t first; /* in the order of delta */
	size_t count;
	uint32_t tuple_count;
	int64_t residual_ns; /* distance of its lower edge from a whole quarter hour */
	int64_t spread_ns;
};

static int compare_delta(const void *left, const void *right)
{
	const struct working_sample *a = left;
	const struct working_sample *b = right;
	if (a->sample.delta_ns != b->sample.delta_ns)
		return a->sample.delta_ns < b->sample.delta_ns ? -1 : 1;
	return a->sample.rank < b->sample.rank ? -1 : a->sample.rank > b->sample.rank;
}

static int compare_label(const void *left, const void *right)
{
	const struct clock_sample *a = left;
	const struct clock_sample *b = right;
	if (a->label_ns != b->label_ns)
		return a->label_ns < b->label_ns ? -1 : 1;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static int64_t quarter_hour_residual(int64_t delta_ns)
{
	int64_t rest = delta_ns % QUARTER_HOUR_NS;
	if (rest > QUARTER_HOUR_NS / 2)
		rest -= QUARTER_HOUR_NS;
	if (rest < -QUARTER_HOUR_NS / 2)
		rest += QUARTER_HOUR_NS;
	return rest < 0 ? -rest : rest;
}

static bool distinctive(const struct clock_sample *sample)
{
	return sample->rank >> 63 == 0;
}

/* Distinct tuples among samples[first, first + count) that are not taken. */
static uint32_t count_tuples(const struct working_sample *samples, size_t first, size_t count)
{
	uint32_t tuples = 0;
	for (size_t i = first; i < first + count; i++) {
		if (samples[i].taken || !distinctive(&samples[i].sample))
			continue;
		bool seen = false;
		for (size_t j = first; j < i && !seen; j++)
			seen = !samples[j].taken &&
			       samples[j].sample.tuple == samples[i].sample.tuple &&
			       distinctive(&samples[j].sample);
		tuples += !seen;
	}
	return tuples;
}

static struct cluster cluster_at(const struct working_sample *samples, size_t first, size_t end)
{
	const int64_t lowest_ns = samples[first].sample.delta_ns;
	const int64_t highest_ns = samples[end - 1].sample.delta_ns;
	int64_t residual_ns = quarter_hour_residual(lowest_ns);
	const int64_t middle_ns = quarter_hour_residual(samples[(first + end) / 2].sample.delta_ns);
	if (middle_ns < residual_ns)
		residual_ns = middle_ns;
	return (struct cluster){
		.first = first,
		.count = end - first,
		.tuple_count = count_tuples(samples, first, end - first),
		.residual_ns = residual_ns,
		.spread_ns = highest_ns - lowest_ns,
	};
}

/* The window over the deltas that the most distinct tuples fall into; of equals, the one nearest
 * to a whole quarter hour. */
static struct cluster best_cluster(const struct working_sample *samples, size_t count)
{
	struct cluster best = { 0 };
	size_t end = 0;
	size_t last_end = 0;
	for (size_t first = 0; first < count; first++) {
		if (samples[first].taken)
			continue;
		if (end < first)
			end = first;
		while (end < count && !samples[end].taken &&
		       samples[end].sample.delta_ns - samples[first].sample.delta_ns <=
			       CLUSTER_WIDTH_NS)
			end++;
		if (end == last_end && end - first < best.count)
			continue; /* part of a window already weighed */
		last_end = end;
		const struct cluster cluster = cluster_at(samples, first, end);
		const bool better = cluster.tuple_count > best.tuple_count ||
				    (cluster.tuple_count == best.tuple_count && cluster.count &&
				     (best.count == 0 || cluster.residual_ns < best.residual_ns));
		if (better)
			best = cluster;
	}
	return best;
}

static bool agrees_with_other(const struct working_sample *samples, const struct cluster *cluster,
			      const struct clock *other)
{
	if (!other || other->trust < 0.8)
		return false;
	const struct clock_sample *sample = &samples[cluster->first].sample;
	const int64_t other_ns = clock_read(other, sample->label_ns).offset_ns;
	const int64_t apart_ns = sample->delta_ns - other_ns;
	return apart_ns > -AGREEMENT_NS && apart_ns < AGREEMENT_NS + CLUSTER_WIDTH_NS / 2;
}

/* How far to believe that these samples are no coincidence; 0 = not at all. */
static double trust_of(const struct working_sample *samples, const struct cluster *cluster,
		       const struct clock *other)
{
	if (cluster->tuple_count > CONSENSUS)
		return 1;
	if (cluster->tuple_count == CONSENSUS)
		return 0.97;
	if (agrees_with_other(samples, cluster, other))
		return 0.95;
	const int64_t edge_ns = samples[cluster->first].sample.delta_ns;
	const bool near_zero = edge_ns > -RESIDUAL_SINGLE_NS && edge_ns < 2 * RESIDUAL_SINGLE_NS;
	if (near_zero && cluster->count)
		return cluster->tuple_count ? 0.95 : 0.7;
	if (cluster->tuple_count == 2 && cluster->spread_ns <= PAIR_SPREAD_NS &&
	    cluster->residual_ns <= RESIDUAL_PAIR_NS)
		return 0.9;
	if (cluster->tuple_count >= 1 && cluster->residual_ns <= RESIDUAL_SINGLE_NS)
		return 0.6;
	return 0;
}

/* Labels of another cluster may only lie before or after the accepted ones: a clock that was set to
 * another zone, not a coincidence among good samples. */
static bool interleaves(const struct working_sample *samples, size_t count,
			const struct cluster *cluster)
{
	uint64_t low_ns = UINT64_MAX;
	uint64_t high_ns = 0;
	for (size_t i = cluster->first; i < cluster->first + cluster->count; i++) {
		const uint64_t label_ns = samples[i].sample.label_ns;
		low_ns = label_ns < low_ns ? label_ns : low_ns;
		high_ns = label_ns > high_ns ? label_ns : high_ns;
	}
	for (size_t i = 0; i < count; i++)
		if (samples[i].taken && samples[i].sample.label_ns >= low_ns &&
		    samples[i].sample.label_ns <= high_ns)
			return true;
	return false;
}

static void take_cluster(struct working_sample *samples, const struct cluster *cluster)
{
	for (size_t i = cluster->first; i < cluster->first + cluster->count; i++)
		samples[i].taken = true;
}

/* Moves the samples of accepted clusters to the front of `out_samples`; returns how many. */
static size_t accept_clusters(struct clock *clock, const struct clock *other,
			      struct working_sample *samples, size_t count,
			      struct clock_sample *out_samples)
{
	struct cluster cluster = best_cluster(samples, count);
	clock->trust = cluster.count ? trust_of(samples, &cluster, other) : 0;
	clock->tuple_count = cluster.tuple_count;
	if (clock->trust <= 0)
		return 0;
	take_cluster(samples, &cluster);
	for (int i = 1; i < CLUSTERS_MAX; i++) {
		/* what is left between accepted samples would be one window again: skip taken */
		cluster = best_cluster(samples, count);
		if (cluster.tuple_count < CONSENSUS || interleaves(samples, count, &cluster))
			break;
		take_cluster(samples, &cluster);
		clock->tuple_count += cluster.tuple_count;
	}
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (samples[i].taken)
			out_samples[kept++] = samples[i].sample;
	return kept;
}

/* The lower edge of the samples around `at`, those on the other side of a step left out. False: it
 * stands alone among many, so it is a coincidence. */
static bool lower_edge(const struct clock_sample *samples, size_t count, size_t at,
		       int64_t *out_offset_ns)
{
	int64_t lowest = INT64_MAX;
	size_t used = 0;
	const size_t first = at > NEIGHBOURS_EACH_SIDE ? at - NEIGHBOURS_EACH_SIDE : 0;
	for (size_t i = first; i < count && i <= at + NEIGHBOURS_EACH_SIDE; i++) {
		const uint64_t apart_ns = i < at ? samples[at].label_ns - samples[i].label_ns
						 : samples[i].label_ns - samples[at].label_ns;
		const int64_t delta_ns = samples[i].delta_ns;
		if (apart_ns > NEIGHBOUR_NS || llabs(delta_ns - samples[at].delta_ns) > STEP_NS)
			continue;
		used++;
		if (delta_ns < lowest)
			lowest = delta_ns;
	}
	*out_offset_ns = lowest;
	return used > 1 || count <= (size_t)2 * NEIGHBOURS_EACH_SIDE;
}

static int compare_u64(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left;
	const uint64_t b = *(const uint64_t *)right;
	return a < b ? -1 : a > b;
}

/* Half of the samples lie within this of the estimate, divided as a mean's error is. */
static uint64_t half_width(const struct clock *clock, const struct clock_sample *samples,
			   size_t count)
{
	uint64_t errors[CLOCK_SAMPLES_MAX];
	for (size_t i = 0; i < count; i++)
		errors[i] = (uint64_t)llabs(samples[i].delta_ns -
					    clock_read(clock, samples[i].label_ns).offset_ns);
	qsort(errors, count, sizeof(errors[0]), compare_u64);
	uint64_t root = 1;
	while (root * root < count)
		root++;
	const uint64_t width_ns = errors[count / 2] * 2 / root;
	const uint64_t least_ns = NS_PER_SECOND / 1000;
	const uint64_t unsure_ns = count < CONSENSUS ? 2 * NS_PER_SECOND : 0;
	return width_ns + least_ns + unsure_ns;
}

static double drift_of(const struct clock *clock)
{
	const uint32_t count = clock->knot_count;
	if (count < 8)
		return 0;
	const struct clock_knot *early = &clock->knots[count / 8];
	const struct clock_knot *late = &clock->knots[count - 1 - count / 8];
	const uint64_t span_ns = late->label_ns - early->label_ns;
	if (span_ns < 60U * (uint64_t)NS_PER_SECOND)
		return 0;
	return (double)(late->offset_ns - early->offset_ns) / (double)span_ns * 1e6;
}

static bool in_whole_seconds(const struct clock_sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (samples[i].label_ns % (uint64_t)NS_PER_SECOND != 0)
			return false;
	return count > 1;
}

void clock_settle(struct clock *clock, const struct clock *other)
{
	struct working_sample samples[CLOCK_SAMPLES_MAX];
	struct clock_sample kept[CLOCK_SAMPLES_MAX];
	size_t count = 0;
	for (uint32_t i = 0; i < clock->epoch_count; i++)
		for (uint32_t j = 0; j < clock->epochs[i].count; j++)
			samples[count++] =
				(struct working_sample){ clock->epochs[i].samples[j], false };
	const bool had = clock->knot_count > 0;
	const int64_t before_ns = had ? clock->knots[clock->knot_count / 2].offset_ns : 0;

	qsort(samples, count, sizeof(samples[0]), compare_delta);
	const size_t kept_count = accept_clusters(clock, other, samples, count, kept);
	qsort(kept, kept_count, sizeof(kept[0]), compare_label);
	clock->whole_seconds = in_whole_seconds(kept, kept_count);
	clock->knot_count = 0;
	int64_t offset_ns;
	for (size_t i = 0; i < kept_count; i++)
		if (lower_edge(kept, kept_count, i, &offset_ns))
			clock->knots[clock->knot_count++] =
				(struct clock_knot){ kept[i].label_ns, offset_ns };
	clock->confidence_ns = clock->knot_count ? half_width(clock, kept, kept_count) : 0;
	if (clock->knot_count == 0)
		clock->trust = 0;
	clock->drift_ppm = drift_of(clock);
	clock->stale = false;
	clock->since_settled = 0;
	const int64_t after_ns =
		clock->knot_count ? clock->knots[clock->knot_count / 2].offset_ns : 0;
	if (llabs(after_ns - before_ns) > CLOCK_NOTICE_NS)
		clock->revision++;
}

/* Between two knots of one cluster, by their distance; outside, the nearest. */
static int64_t interpolate(const struct clock_knot *low, const struct clock_knot *high,
			   uint64_t label_ns)
{
	const uint64_t span_ns = high->label_ns - low->label_ns;
	const uint64_t part_ns = label_ns - low->label_ns;
	const int64_t rise_ns = high->offset_ns - low->offset_ns;
	if (llabs(rise_ns) > CLUSTER_WIDTH_NS) /* the clock was set in between */
		return part_ns * 2 < span_ns ? low->offset_ns : high->offset_ns;
	if (span_ns == 0)
		return low->offset_ns;
	return low->offset_ns + (int64_t)((double)rise_ns * (double)part_ns / (double)span_ns);
}

struct clock_reading clock_read(const struct clock *clock, uint64_t label_ns)
{
	if (clock->knot_count == 0)
		return (struct clock_reading){ 0 };
	uint32_t low = 0; /* the first knot after label_ns */
	uint32_t high = clock->knot_count;
	while (low < high) {
		const uint32_t middle = (low + high) / 2;
		if (clock->knots[middle].label_ns <= label_ns)
			low = middle + 1;
		else
			high = middle;
	}
	int64_t offset_ns;
	if (low == 0)
		offset_ns = clock->knots[0].offset_ns;
	else if (low == clock->knot_count)
		offset_ns = clock->knots[low - 1].offset_ns;
	else
		offset_ns = interpolate(&clock->knots[low - 1], &clock->knots[low], label_ns);
	return (struct clock_reading){ offset_ns, clock->confidence_ns, clock->trust };
}
