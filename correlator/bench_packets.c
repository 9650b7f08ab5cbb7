/* procspan bench packets: what a packet costs, in memory: the walk over the record headers (the
 * floor), decoding alone, and with the flow table; then from a capture file and with everything
 * behind it (bench_files.c). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "collector/packet/decode.h"
#include "collector/packet/tracker.h"
#include "correlator/bench.h"
#include "correlator/bench_files.h"
#include "correlator/bench_traffic.h"

enum { MAX_FLOWS = 1 << 21, FLOODS_MAX = 16 };

/* One input going through one stage. */
struct pass {
	const struct bench_traffic *traffic;
	struct tracker *tracker;
};

/* --- the floors ----------------------------------------------------------------------------- */

static void walk_records(void *context)
{
	const struct bench_traffic *traffic = ((struct pass *)context)->traffic;
	struct bench_walk walk = { 0, 0 };
	uint64_t sum = 0;
	while (walk.at < traffic->size_bytes) {
		uint32_t words[4];
		bench_walk_ask(traffic->bytes, &walk);
		memcpy(words, traffic->bytes + walk.at, sizeof(words));
		sum += words[1];
		walk.at += BENCH_RECORD_HEADER_BYTES + words[2];
	}
	bench_keep(sum);
}

/* And reads the addresses and ports where IPv4 has them. */
static void touch_headers(void *context)
{
	enum { ADDRESSES_AT = 26, PORTS_AT = 34 };
	const struct bench_traffic *traffic = ((struct pass *)context)->traffic;
	struct bench_walk walk = { 0, 0 };
	uint64_t sum = 0;
	while (walk.at < traffic->size_bytes) {
		uint32_t words[4];
		uint64_t addresses;
		uint32_t ports;
		const uint8_t *record = traffic->bytes + walk.at;
		bench_walk_ask(traffic->bytes, &walk);
		memcpy(words, record, sizeof(words));
		memcpy(&addresses, record + BENCH_RECORD_HEADER_BYTES + ADDRESSES_AT, 8);
		memcpy(&ports, record + BENCH_RECORD_HEADER_BYTES + PORTS_AT, 4);
		sum += addresses ^ ports ^ words[1];
		walk.at += BENCH_RECORD_HEADER_BYTES + words[2];
	}
	bench_keep(sum);
}

/* --- the stages ----------------------------------------------------------------------------- */

typedef void decode_one_fn(const struct packet *packet, struct decoded *out);

static void decode_with(const struct bench_traffic *traffic, decode_one_fn *decode_one)
{
	struct packet packets[PACKET_BATCH];
	struct decoded decoded[PACKET_BATCH];
	struct bench_walk walk = { 0, 0 };
	uint64_t sum = 0;
	for (size_t count; (count = bench_walk_next(traffic, &walk, packets)) > 0;) {
		for (size_t i = 0; i < count; i++)
			decode_one(&packets[i], &decoded[i]);
		for (size_t i = 0; i < count; i++)
			sum += decoded[i].ends.source_port;
	}
	bench_keep(sum);
}

static void decode_straight(void *context)
{
	decode_with(((struct pass *)context)->traffic, decode_packet);
}

static void decode_by_table(void *context)
{
	decode_with(((struct pass *)context)->traffic, decode_packet_by_table);
}

static void track(void *context)
{
	const struct pass *pass = context;
	struct packet packets[PACKET_BATCH];
	struct bench_walk walk = { 0, 0 };
	for (size_t count; (count = bench_walk_next(pass->traffic, &walk, packets)) > 0;)
		tracker_packets(pass->tracker, packets, count);
}

static void ignore_flow(void *context, const struct flow_event *event)
{
	*(uint64_t *)context += event->flow_id;
}

static void ignore_name(void *context, const struct wire_name *name)
{
	*(uint64_t *)context += name->flow_id;
}

/* No address that the inputs have is wanted, which the compiler cannot know. */
static int wants_nothing(const void *context, const struct ip_address *source,
			 const struct ip_address *destination)
{
	(void)context;
	return source->bytes[0] == 0xff && destination->bytes[0] == 0xff;
}

/* --- the rows ------------------------------------------------------------------------------- */

static void packet_row(struct bench *bench, const struct bench_traffic *traffic, const char *stage,
		       double run_ns, double memory_bytes)
{
	const struct bench_row row = {
		.stage = stage,
		.unit = traffic->all_new ? "packet, a flow each" : "packet",
		.ns = run_ns / (double)traffic->packet_count,
		.unit_bytes = (double)traffic->size_bytes / (double)traffic->packet_count -
			      BENCH_RECORD_HEADER_BYTES,
		.memory_bytes = memory_bytes,
	};
	bench_row(bench, &row);
}

/* The flood again and again, its flows forgotten between: the table is warm, each flow new. */
static double best_flood_ns(const struct bench *bench, struct pass *pass)
{
	double best = 0;
	double spent = 0;
	for (int i = 0; i < FLOODS_MAX && spent < (double)bench->row_ns; i++) {
		const uint64_t start_ns = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
		track(pass);
		const double took = (double)(bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns);
		tracker_finish(pass->tracker);
		best = i == 0 || took < best ? took : best;
		spent += took;
	}
	return best;
}

/* Through a new flow table; its first run also fills it. */
static bool tracker_rows(struct bench *bench, const struct bench_traffic *traffic,
			 tracker_wants_fn *wants, const char *first_stage, const char *stage)
{
	uint64_t told = 0;
	struct counters counters = { 0 };
	const struct tracker_sink sink = { &told, ignore_flow, ignore_name };
	const struct tracker_settings settings = { .max_flows = MAX_FLOWS,
						   .wants = wants,
						   .seed = { { 1, 2 } } };
	struct pass pass = { traffic, tracker_open(&settings, &sink, &counters) };
	if (!pass.tracker)
		return false;
	const double memory_bytes = (double)tracker_bytes(pass.tracker) / MAX_FLOWS;
	const uint64_t start_ns = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	track(&pass);
	packet_row(bench, traffic, first_stage,
		   (double)(bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns), memory_bytes);
	if (traffic->all_new && !wants)
		tracker_finish(pass.tracker);
	packet_row(bench, traffic, stage,
		   traffic->all_new && !wants
			   ? best_flood_ns(bench, &pass)
			   : bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID, track, &pass),
		   memory_bytes);
	bench_keep(told);
	tracker_close(pass.tracker);
	return true;
}

/* --- two threads ---------------------------------------------------------------------------- */

struct lane {
	struct counters counters;
	struct pass pass;
	uint64_t told;
};

static void *track_on_thread(void *context)
{
	track(context);
	return NULL;
}

/* Each thread all of the input, so twice the packets. */
static void track_twice(void *context)
{
	struct lane *lanes = context;
	pthread_t other;
	const bool two = pthread_create(&other, NULL, track_on_thread, &lanes[1].pass) == 0;
	track(&lanes[0].pass);
	if (two)
		pthread_join(other, NULL);
	else
		track(&lanes[1].pass);
}

static bool two_threads_row(struct bench *bench, const struct bench_traffic *traffic)
{
	struct lane *lanes = calloc(2, sizeof(*lanes));
	const struct tracker_settings settings = { .max_flows = MAX_FLOWS, .seed = { { 1, 2 } } };
	bool good = lanes != NULL;
	for (size_t i = 0; good && i < 2; i++) {
		const struct tracker_sink sink = { &lanes[i].told, ignore_flow, ignore_name };
		lanes[i].pass.traffic = traffic;
		lanes[i].pass.tracker = tracker_open(&settings, &sink, &lanes[i].counters);
		good = lanes[i].pass.tracker != NULL;
	}
	if (good) {
		track_twice(lanes); /* fills the tables */
		packet_row(bench, traffic, "the same, two threads (real time)",
			   bench_best_ns(bench, CLOCK_MONOTONIC, track_twice, lanes) / 2, 0);
	}
	for (size_t i = 0; lanes && i < 2; i++)
		tracker_close(lanes[i].pass.tracker);
	free(lanes);
	return good;
}

static bool measure_in_memory(struct bench *bench, const struct bench_traffic *traffic)
{
	static const struct {
		const char *stage;
		bench_run_fn *run;
	} stages[] = {
		{ "floor: record walk, prefetched", walk_records },
		{ "floor: and touching the headers", touch_headers },
		{ "decode, layer by layer", decode_by_table },
		{ "decode", decode_straight },
	};
	struct pass pass = { traffic, NULL };
	bench_section(bench, traffic->name, true, "%s; %zu packets in memory, %zu MB",
		      traffic->title, traffic->packet_count, traffic->size_bytes >> 20);
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		packet_row(bench, traffic, stages[i].stage,
			   bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID, stages[i].run, &pass), 0);
	if (traffic->all_new &&
	    !tracker_rows(bench, traffic, wants_nothing, "decode, none wanted, first time",
			  "decode, none wanted"))
		return false;
	return tracker_rows(bench, traffic, NULL, "decode and flow table, first time",
			    "decode and flow table") &&
	       (traffic->all_new || two_threads_row(bench, traffic));
}

bool bench_packets(struct bench *bench)
{
	for (size_t i = 0; i < BENCH_TRAFFIC_COUNT; i++) {
		struct bench_traffic traffic;
		if (!bench_traffic_open(i, &traffic))
			return false;
		const bool good =
			measure_in_memory(bench, &traffic) && bench_files(bench, &traffic);
		bench_traffic_close(&traffic);
		if (!good)
			return false;
	}
	return true;
}
