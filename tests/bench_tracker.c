/* What a packet costs: decoding alone, then with the flow table, beside the floor of the same run:
 * a prefetched walk over the record headers of the same memory, which does nothing else. The
 * packets are made here, from a fixed seed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/base/pages.h"
#include "collector/packet/decode.h"
#include "collector/packet/tracker.h"

enum {
	RECORD_HEADER_BYTES = 16, /* as in a pcap file: seconds, microseconds, captured, on wire */
	WALK_AHEAD_BYTES = 4096,
	RUNS = 3, /* the best of them counts: the others shared the machine */
};

/* Records one after the other, as a capture file has them. */
struct bench_input {
	const char *name;
	uint8_t *bytes;
	size_t size_bytes;
	size_t room_bytes;
	size_t packet_count;
	uint32_t flow_count;
};

static uint64_t random_state = 20261123;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void put_be16(uint8_t *at, uint32_t number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

static void put_be32(uint8_t *at, uint32_t number)
{
	put_be16(at, number >> 16);
	put_be16(at + 2, number & 0xffff);
}

/* --- making packets --------------------------------------------------------------------------- */

/* One packet of flow `flow`, `frame_bytes` long; every tenth flow is IPv6, every fifth UDP. */
static size_t put_frame(uint8_t *frame, uint32_t flow, uint32_t frame_bytes, bool back,
			uint8_t tcp_flags)
{
	const bool v6 = flow % 10 == 9;
	const bool udp = flow % 5 == 4 && !tcp_flags;
	const uint32_t spread = flow * 2654435761U;
	uint8_t *ip = frame + 14;
	memset(frame, 0x02, 12);
	put_be16(frame + 12, v6 ? 0x86dd : 0x0800);
	uint8_t *transport = ip + (v6 ? 40 : 20);
	uint8_t *source = ip + (v6 ? 8 : 12);
	const size_t address_bytes = v6 ? 16 : 4;
	memset(ip, 0, (size_t)(transport - ip) + 20);
	put_be32(source + (back ? address_bytes : 0) + address_bytes - 4, 0x0a000000 | flow >> 8);
	put_be32(source + (back ? 0 : address_bytes) + address_bytes - 4, spread);
	if (v6) {
		ip[0] = 0x60;
		put_be16(ip + 4, frame_bytes - 54);
		ip[6] = udp ? 17 : 6;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		put_be16(ip + 2, frame_bytes - 14);
		ip[8] = 64;
		ip[9] = udp ? 17 : 6;
	}
	put_be16(transport + (back ? 2 : 0), 20000 + (flow & 0x7fff));
	put_be16(transport + (back ? 0 : 2), 443);
	if (udp) {
		put_be16(transport + 4, frame_bytes - (v6 ? 54 : 34));
	} else {
		transport[12] = 0x50;
		transport[13] = tcp_flags ? tcp_flags : 0x10;
	}
	return frame_bytes;
}

static uint8_t *next_frame(struct bench_input *input)
{
	return input->bytes + input->size_bytes + RECORD_HEADER_BYTES;
}

static bool has_room(const struct bench_input *input)
{
	return input->room_bytes - input->size_bytes >= 2048;
}

static void end_frame(struct bench_input *input, size_t frame_bytes)
{
	const uint32_t words[4] = { (uint32_t)(input->packet_count / 4000000),
				    (uint32_t)(input->packet_count % 4000000 / 4),
				    (uint32_t)frame_bytes, (uint32_t)frame_bytes };
	memcpy(input->bytes + input->size_bytes, words, sizeof(words));
	input->size_bytes += RECORD_HEADER_BYTES + frame_bytes;
	input->packet_count++;
}

/* Sizes as on a busy link: 350 bytes on average. Half the packets belong to 2 % of the flows. */
static void make_mixed(struct bench_input *input)
{
	input->flow_count = 200000;
	while (has_room(input)) {
		const uint64_t random = next_random();
		const uint32_t among = random & 1 ? input->flow_count : input->flow_count / 50;
		const uint32_t flow = (uint32_t)(random >> 32) % among;
		const uint32_t kind = (uint32_t)(random >> 8) % 100;
		const uint32_t size = kind < 55	  ? 74 + (uint32_t)(random >> 16) % 30
				      : kind < 85 ? 100 + (uint32_t)(random >> 16) % 500
						  : 1000 + (uint32_t)(random >> 16) % 500;
		end_frame(input, put_frame(next_frame(input), flow, size, random & 2, 0));
	}
}

static void make_small(struct bench_input *input)
{
	input->flow_count = 1000000;
	while (has_room(input)) {
		const uint64_t random = next_random();
		const uint32_t flow = (uint32_t)(random >> 32) % input->flow_count;
		const uint32_t size =
			flow % 10 == 9 ? 74 : 60; /* with the checksum: 64, and IPv6 */
		end_frame(input, put_frame(next_frame(input), flow, size, random & 2, 0));
	}
}

static void make_flood(struct bench_input *input)
{
	while (has_room(input)) {
		const uint32_t flow = input->flow_count++;
		end_frame(input,
			  put_frame(next_frame(input), flow, flow % 10 == 9 ? 74 : 60, false, 2));
	}
}

/* The mixed flows inside VXLAN. */
static void make_tunnels(struct bench_input *input)
{
	enum { OUTER_BYTES = 50 };
	input->flow_count = 200000;
	while (has_room(input)) {
		uint8_t *frame = next_frame(input);
		const uint64_t random = next_random();
		const uint32_t flow = (uint32_t)(random >> 32) % input->flow_count;
		const uint32_t size = 80 + (uint32_t)(random >> 16) % 500;
		put_frame(frame, 4, size + OUTER_BYTES, false, 0); /* flow 4 is UDP over IPv4 */
		put_be16(frame + 36, 4789);
		memcpy(frame + 42, "\x08\0\0\0\0\0\x2a", 8);
		put_frame(frame + OUTER_BYTES, flow, size, random & 2, 0);
		end_frame(input, size + OUTER_BYTES);
	}
}

/* --- walking them ----------------------------------------------------------------------------- */

/* Asks for every line up to WALK_AHEAD_BYTES ahead, once: where the next headers are is not known
 * yet. */
static inline void ask_for(const struct bench_input *input, size_t at, size_t *in_out_asked_for)
{
	size_t line = *in_out_asked_for;
	for (; line < at + WALK_AHEAD_BYTES; line += 64)
		__builtin_prefetch(input->bytes + line);
	*in_out_asked_for = line;
}

struct walk {
	size_t at;
	size_t asked_for;
};

static inline size_t next_batch(const struct bench_input *input, struct walk *walk,
				struct packet packets[PACKET_BATCH])
{
	size_t at = walk->at;
	size_t count = 0;
	for (; count < PACKET_BATCH && at < input->size_bytes; count++) {
		uint32_t words[4];
		const uint8_t *record = input->bytes + at;
		ask_for(input, at, &walk->asked_for);
		memcpy(words, record, sizeof(words));
		packets[count] = (struct packet){
			.time_ns = words[0] * 1000000000ULL + words[1] * 1000ULL,
			.bytes = record + RECORD_HEADER_BYTES,
			.captured_bytes = words[2],
			.wire_bytes = words[3],
			.link_type = 1,
		};
		at += RECORD_HEADER_BYTES + words[2];
	}
	walk->at = at;
	return count;
}

static volatile uint64_t sink_number; /* so that no work is optimised away */

static void run_floor(const struct bench_input *input, void *context)
{
	(void)context;
	uint64_t sum = 0;
	size_t asked_for = 0;
	for (size_t at = 0; at < input->size_bytes;) {
		uint32_t words[4];
		ask_for(input, at, &asked_for);
		memcpy(words, input->bytes + at, sizeof(words));
		sum += words[1];
		at += RECORD_HEADER_BYTES + words[2];
	}
	sink_number = sum;
}

static void run_records(const struct bench_input *input, void *context)
{
	(void)context;
	struct packet packets[PACKET_BATCH];
	struct walk walk = { 0, 0 };
	uint64_t sum = 0;
	for (size_t count; (count = next_batch(input, &walk, packets)) > 0;)
		for (size_t i = 0; i < count; i++)
			sum += packets[i].time_ns + packets[i].bytes[0];
	sink_number = sum;
}

typedef void decode_one_fn(const struct packet *packet, struct decoded *out);

static void run_decode_with(const struct bench_input *input, decode_one_fn *decode_one)
{
	struct packet packets[PACKET_BATCH];
	struct walk walk = { 0, 0 };
	struct decoded decoded[PACKET_BATCH];
	uint64_t sum = 0;
	for (size_t count; (count = next_batch(input, &walk, packets)) > 0;) {
		for (size_t i = 0; i < count; i++)
			decode_one(&packets[i], &decoded[i]);
		for (size_t i = 0; i < count; i++)
			sum += decoded[i].ends.source_port;
	}
	sink_number = sum;
}

static void run_decode(const struct bench_input *input, void *context)
{
	(void)context;
	run_decode_with(input, decode_packet);
}

static void run_decode_by_table(const struct bench_input *input, void *context)
{
	(void)context;
	run_decode_with(input, decode_packet_by_table);
}

static void run_tracker(const struct bench_input *input, void *context)
{
	struct tracker *tracker = context;
	struct packet packets[PACKET_BATCH];
	struct walk walk = { 0, 0 };
	for (size_t count; (count = next_batch(input, &walk, packets)) > 0;)
		tracker_packets(tracker, packets, count);
}

/* --- the table -------------------------------------------------------------------------------- */

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

typedef void run_fn(const struct bench_input *input, void *context);

static double ns_per_packet(run_fn *run, const struct bench_input *input, void *context)
{
	const double start = seconds_now();
	run(input, context);
	return (seconds_now() - start) * 1e9 / (double)input->packet_count;
}

static double best_of(run_fn *run, const struct bench_input *input)
{
	double best = 0;
	for (int i = 0; i < RUNS; i++) {
		const double ns = ns_per_packet(run, input, NULL);
		if (i == 0 || ns < best)
			best = ns;
	}
	return best;
}

static void row(const char *name, double ns, double floor_ns)
{
	printf("  %-34s %8.1f %8.1f %8.1f\n", name, 1e3 / ns, ns, ns / floor_ns);
}

static void ignore_flow(void *context, const struct flow_event *event)
{
	*(uint64_t *)context += event->flow_id;
}

static void ignore_name(void *context, const struct wire_name *name)
{
	*(uint64_t *)context += name->flow_id;
}

static int wants_nothing(const void *context, const struct ip_address *source,
			 const struct ip_address *destination)
{
	(void)context;
	return source->bytes[0] == 0xff && destination->bytes[0] == 0xff;
}

/* The whole input through new trackers; the first run also fills them. */
static void tracker_rows(const char *name, const struct bench_input *input, tracker_wants_fn *wants,
			 double floor_ns)
{
	uint64_t told = 0;
	static struct counters counters;
	memset(&counters, 0, sizeof(counters));
	const struct tracker_sink sink = { &told, ignore_flow, ignore_name };
	const struct tracker_settings settings = { .max_flows = 1 << 21,
						   .wants = wants,
						   .seed = { { 1, 2 } } };
	struct tracker *tracker = tracker_open(&settings, &sink, &counters);
	if (!tracker)
		return;
	char text[64];
	const double first = ns_per_packet(run_tracker, input, tracker);
	const uint32_t flows = tracker_flow_count(tracker);
	snprintf(text, sizeof(text), "%s, first time", name);
	row(text, first, floor_ns);
	double best = first;
	for (int i = 0; i < RUNS; i++) {
		const double ns = ns_per_packet(run_tracker, input, tracker);
		best = ns < best ? ns : best;
	}
	row(name, best, floor_ns);
	printf("  %-34s %u flows, %zu bytes a flow of room\n", "", flows,
	       tracker_bytes(tracker) / settings.max_flows);
	sink_number = told;
	tracker_close(tracker);
}

static void bench(const char *name, void (*make)(struct bench_input *input), size_t room_bytes,
		  tracker_wants_fn *wants)
{
	struct bench_input input = { .name = name, .room_bytes = room_bytes };
	input.bytes = pages_open(room_bytes + (size_t)2 * WALK_AHEAD_BYTES);
	if (!input.bytes)
		return;
	make(&input);
	printf("%s: %zu packets, %zu MB%42s\n", name, input.packet_count, input.size_bytes >> 20,
	       "Mpps       ns  x floor");
	const double floor_ns = best_of(run_floor, &input);
	row("floor: record walk, prefetched", floor_ns, floor_ns);
	row("records as packets", best_of(run_records, &input), floor_ns);
	row("decode by table", best_of(run_decode_by_table, &input), floor_ns);
	row("decode", best_of(run_decode, &input), floor_ns);
	tracker_rows("decode and flow table", &input, wants, floor_ns);
	if (wants)
		tracker_rows("the same, all wanted", &input, NULL, floor_ns);
	pages_close(input.bytes, room_bytes + (size_t)2 * WALK_AHEAD_BYTES);
}

/* With an argument: only the inputs whose name contains it. */
int main(int count, char **arguments)
{
	static const struct {
		const char *name;
		void (*make)(struct bench_input *input);
		size_t room_megabytes;
		tracker_wants_fn *wants;
	} inputs[] = {
		{ "mixed sizes, 200,000 flows", make_mixed, 384, NULL },
		{ "64-byte packets, 1,000,000 flows", make_small, 384, NULL },
		{ "all new flows, none wanted", make_flood, 128, wants_nothing },
		{ "in VXLAN, 200,000 flows", make_tunnels, 384, NULL },
	};
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		if (count < 2 || strstr(inputs[i].name, arguments[1]))
			bench(inputs[i].name, inputs[i].make, inputs[i].room_megabytes << 20,
			      inputs[i].wants);
	return 0;
}
