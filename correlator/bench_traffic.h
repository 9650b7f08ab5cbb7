/* bench_traffic.h: captures made from a fixed seed: records one after the other, as a pcap file has
 * them behind its header. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/packet/packet.h"

enum { BENCH_TRAFFIC_COUNT = 4, BENCH_RECORD_HEADER_BYTES = 16 };

struct bench_traffic {
	const char *name; /* short, also of the file */
	const char *title;
	bool all_new; /* every packet opens a flow */
	uint8_t *bytes;
	size_t size_bytes;
	size_t room_bytes;
	size_t packet_count;
	uint32_t flow_count;
};

/* Number 0 .. BENCH_TRAFFIC_COUNT - 1. False with errno; the caller closes. */
bool bench_traffic_open(size_t number, struct bench_traffic *out_traffic);
void bench_traffic_close(struct bench_traffic *traffic);

/* Writes it as a pcap file. False with errno. */
bool bench_traffic_write(const struct bench_traffic *traffic, int descriptor);

/* Each as DIRECTORY/NAME.pcap, and a line "NAME packets bytes" on stdout. False with errno. */
bool bench_traffic_write_all(const char *directory);

/* --- walking it ----------------------------------------------------------------------------- */

struct bench_walk {
	size_t at;
	size_t asked_for;
};

enum { BENCH_WALK_AHEAD_BYTES = 4096 };

/* Asks for every line up to BENCH_WALK_AHEAD_BYTES ahead, once: where the next headers are is not
 * known yet. */
static inline void bench_walk_ask(const uint8_t *bytes, struct bench_walk *walk)
{
	size_t line = walk->asked_for;
	for (; line < walk->at + BENCH_WALK_AHEAD_BYTES; line += 64)
		__builtin_prefetch(bytes + line);
	walk->asked_for = line;
}

/* The next batch, 0 at the end. */
size_t bench_walk_next(const struct bench_traffic *traffic, struct bench_walk *walk,
		       struct packet packets[PACKET_BATCH]);
