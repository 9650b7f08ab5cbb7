#include "correlator/bench_traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/pages.h"
#include "correlator/bench.h"

enum {
	FRAME_MAX_BYTES = 2048,
	PACKETS_PER_SECOND = 4000000,
	FIRST_SECOND = 1700000000,
	ETHERNET_BYTES = 14,
	SYN = 2,
	ACK = 0x10,
};

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

/* --- one frame ------------------------------------------------------------------------------ */

/* What a packet of a flow is like: every tenth flow is IPv6, every fifth UDP. */
struct shape {
	uint32_t flow;
	uint32_t frame_bytes;
	bool back; /* from the end that did not open the flow */
	bool v6;
	bool udp;
	uint8_t tcp_flags;
};

static void put_ip(uint8_t *ip, const struct shape *shape)
{
	if (shape->v6) {
		ip[0] = 0x60;
		put_be16(ip + 4, shape->frame_bytes - 54);
		ip[6] = shape->udp ? 17 : 6;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		put_be16(ip + 2, shape->frame_bytes - ETHERNET_BYTES);
		ip[8] = 64;
		ip[9] = shape->udp ? 17 : 6;
	}
}

static void put_frame(uint8_t *frame, const struct shape *shape)
{
	const uint32_t flow = shape->flow;
	uint8_t *ip = frame + ETHERNET_BYTES;
	uint8_t *transport = ip + (shape->v6 ? 40 : 20);
	uint8_t *source = ip + (shape->v6 ? 8 : 12);
	const size_t address_bytes = shape->v6 ? 16 : 4;
	uint8_t *client = source + (shape->back ? address_bytes : 0) + address_bytes - 4;
	uint8_t *server = source + (shape->back ? 0 : address_bytes) + address_bytes - 4;
	memset(frame, 0x02, 12);
	put_be16(frame + 12, shape->v6 ? 0x86dd : 0x0800);
	memset(ip, 0, (size_t)(transport - ip) + 20);
	put_be32(client, 0x0a000000 | flow >> 8);
	put_be32(server, flow * 2654435761U);
	put_ip(ip, shape);
	put_be16(transport + (shape->back ? 2 : 0), 20000 + (flow & 0x7fff));
	put_be16(transport + (shape->back ? 0 : 2), 443);
	if (shape->udp) {
		put_be16(transport + 4, shape->frame_bytes - (shape->v6 ? 54 : 34));
		return;
	}
	transport[12] = 0x50;
	transport[13] = shape->tcp_flags;
}

static struct shape shape_of(uint32_t flow, uint32_t frame_bytes, bool back)
{
	return (struct shape){ .flow = flow,
			       .frame_bytes = frame_bytes,
			       .back = back,
			       .v6 = flow % 10 == 9,
			       .udp = flow % 5 == 4,
			       .tcp_flags = ACK };
}

/* --- the inputs ----------------------------------------------------------------------------- */

/* One more packet; returns its captured bytes. */
typedef uint32_t make_frame_fn(struct bench_random *random, uint32_t flow_count, uint32_t number,
			       uint8_t *frame);

/* Sizes as on a busy link: 350 bytes on average. Half the packets belong to 2 % of the flows. */
static uint32_t make_mixed(struct bench_random *random, uint32_t flow_count, uint32_t number,
			   uint8_t *frame)
{
	(void)number;
	const uint64_t dice = bench_random_next(random);
	const uint32_t among = dice & 1 ? flow_count : flow_count / 50;
	const uint32_t kind = (uint32_t)(dice >> 8) % 100;
	const uint32_t spread = (uint32_t)(dice >> 16);
	const uint32_t size = kind < 55	  ? 74 + spread % 30
			      : kind < 85 ? 100 + spread % 500
					  : 1000 + spread % 500;
	const struct shape shape = shape_of((uint32_t)(dice >> 32) % among, size, dice & 2);
	put_frame(frame, &shape);
	return size;
}

/* With the checksum: 64 bytes; IPv6 does not fit in that. */
static uint32_t small_size(uint32_t flow)
{
	return flow % 10 == 9 ? 74 : 60;
}

static uint32_t make_small(struct bench_random *random, uint32_t flow_count, uint32_t number,
			   uint8_t *frame)
{
	(void)number;
	const uint64_t dice = bench_random_next(random);
	const uint32_t flow = (uint32_t)(dice >> 32) % flow_count;
	const struct shape shape = shape_of(flow, small_size(flow), dice & 2);
	put_frame(frame, &shape);
	return shape.frame_bytes;
}

static uint32_t make_flood(struct bench_random *random, uint32_t flow_count, uint32_t number,
			   uint8_t *frame)
{
	(void)random;
	(void)flow_count;
	struct shape shape = shape_of(number, small_size(number), false);
	shape.udp = false;
	shape.tcp_flags = SYN;
	put_frame(frame, &shape);
	return shape.frame_bytes;
}

/* Flows inside VXLAN, RFC 7348. */
static uint32_t make_tunnels(struct bench_random *random, uint32_t flow_count, uint32_t number,
			     uint8_t *frame)
{
	enum { OUTER_BYTES = 50, UDP_OVER_IPV4 = 4, PORT_AT = 36, VXLAN_AT = 42 };
	(void)number;
	const uint64_t dice = bench_random_next(random);
	const uint32_t size = 80 + (uint32_t)(dice >> 16) % 500;
	const struct shape outer = shape_of(UDP_OVER_IPV4, size + OUTER_BYTES, false);
	const struct shape inner = shape_of((uint32_t)(dice >> 32) % flow_count, size, dice & 2);
	put_frame(frame, &outer);
	put_be16(frame + PORT_AT, 4789);
	memcpy(frame + VXLAN_AT, "\x08\0\0\0\0\0\x2a", 8);
	put_frame(frame + OUTER_BYTES, &inner);
	return size + OUTER_BYTES;
}

static const struct {
	const char *name;
	const char *title;
	make_frame_fn *make;
	size_t room_megabytes;
	uint32_t flow_count; /* 0: every packet opens one */
} kinds[BENCH_TRAFFIC_COUNT] = {
	{ "mixed", "mixed sizes, 200,000 flows", make_mixed, 256, 200000 },
	{ "small", "64-byte packets, 1,000,000 flows", make_small, 256, 1000000 },
	{ "flood", "every packet opens a flow", make_flood, 96, 0 },
	{ "vxlan", "in VXLAN, 200,000 flows", make_tunnels, 128, 200000 },
};

static void end_frame(struct bench_traffic *traffic, uint32_t frame_bytes)
{
	const uint32_t number = (uint32_t)traffic->packet_count;
	const uint32_t words[4] = { FIRST_SECOND + number / PACKETS_PER_SECOND,
				    number % PACKETS_PER_SECOND / (PACKETS_PER_SECOND / 1000000),
				    frame_bytes, frame_bytes };
	memcpy(traffic->bytes + traffic->size_bytes, words, sizeof(words));
	traffic->size_bytes += BENCH_RECORD_HEADER_BYTES + frame_bytes;
	traffic->packet_count++;
}

bool bench_traffic_open(size_t number, struct bench_traffic *out_traffic)
{
	const size_t room_bytes = kinds[number].room_megabytes << 20;
	struct bench_random random = { 20261123 + number };
	uint8_t *bytes = pages_open(room_bytes + 2UL * BENCH_WALK_AHEAD_BYTES);
	if (!bytes)
		return false;
	*out_traffic = (struct bench_traffic){ .name = kinds[number].name,
					       .title = kinds[number].title,
					       .all_new = kinds[number].flow_count == 0,
					       .bytes = bytes,
					       .room_bytes = room_bytes,
					       .flow_count = kinds[number].flow_count };
	while (room_bytes - out_traffic->size_bytes >= FRAME_MAX_BYTES)
		end_frame(out_traffic, kinds[number].make(&random, out_traffic->flow_count,
							  (uint32_t)out_traffic->packet_count,
							  bytes + out_traffic->size_bytes +
								  BENCH_RECORD_HEADER_BYTES));
	if (out_traffic->all_new)
		out_traffic->flow_count = (uint32_t)out_traffic->packet_count;
	return true;
}

void bench_traffic_close(struct bench_traffic *traffic)
{
	pages_close(traffic->bytes, traffic->room_bytes + 2UL * BENCH_WALK_AHEAD_BYTES);
}

/* --- as files ------------------------------------------------------------------------------- */

static bool write_all(int descriptor, const uint8_t *bytes, size_t size_bytes)
{
	while (size_bytes > 0) {
		const ssize_t wrote = write(descriptor, bytes, size_bytes);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return false;
		bytes += wrote;
		size_bytes -= (size_t)wrote;
	}
	return true;
}

bool bench_traffic_write(const struct bench_traffic *traffic, int descriptor)
{
	/* pcap in the order of this machine, microseconds, Ethernet */
	static const uint32_t header[6] = { 0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1 };
	return write_all(descriptor, (const uint8_t *)header, sizeof(header)) &&
	       write_all(descriptor, traffic->bytes, traffic->size_bytes);
}

static bool write_file(const char *directory, const struct bench_traffic *traffic)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s.pcap", directory, traffic->name);
	const int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (descriptor < 0)
		return false;
	const bool good = bench_traffic_write(traffic, descriptor);
	if (good)
		printf("%s %zu %zu\n", traffic->name, traffic->packet_count, traffic->size_bytes);
	else
		unlink(path);
	return close(descriptor) == 0 && good;
}

bool bench_traffic_write_all(const char *directory)
{
	for (size_t i = 0; i < BENCH_TRAFFIC_COUNT; i++) {
		struct bench_traffic traffic;
		if (!bench_traffic_open(i, &traffic))
			return false;
		const bool good = write_file(directory, &traffic);
		bench_traffic_close(&traffic);
		if (!good)
			return false;
	}
	return true;
}

/* --- walking -------------------------------------------------------------------------------- */

size_t bench_walk_next(const struct bench_traffic *traffic, struct bench_walk *walk,
		       struct packet packets[PACKET_BATCH])
{
	size_t count = 0;
	for (; count < PACKET_BATCH && walk->at < traffic->size_bytes; count++) {
		uint32_t words[4];
		const uint8_t *record = traffic->bytes + walk->at;
		bench_walk_ask(traffic->bytes, walk);
		memcpy(words, record, sizeof(words));
		packets[count] = (struct packet){
			.time_ns = words[0] * 1000000000ULL + words[1] * 1000ULL,
			.bytes = record + BENCH_RECORD_HEADER_BYTES,
			.captured_bytes = words[2],
			.wire_bytes = words[3],
			.link_type = 1,
		};
		walk->at += BENCH_RECORD_HEADER_BYTES + words[2];
	}
	return count;
}
