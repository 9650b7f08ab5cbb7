/* support_packet.h: packets for tests: by hand from literal headers, and the tracker's findings
 * collected. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/packet/packet.h"
#include "collector/packet/tracker.h"

/* Headers as string literals, to be written one after the other. Lengths and checksums are what no
 * decoder here trusts: total lengths of 0 mean "to the end of the frame". Addresses are 10.0.0.1 to
 * 10.0.0.2, and 2001:db8::1 to ::2; ports 40000 to 443. */
#define ETHERNET(type) "\x02\0\0\0\0\x02\x02\0\0\0\0\x01" type
#define IPV4_TYPE      "\x08\0"
#define IPV6_TYPE      "\x86\xdd"
#define IPV4_FRAGMENT(protocol, fragment)                                                          \
	"\x45\0\0\0\x12\x34" fragment "\x40" protocol "\0\0\x0a\0\0\x01\x0a\0\0\x02"
#define IPV4(protocol)	    IPV4_FRAGMENT(protocol, "\0\0")
#define IPV4_BACK(protocol) "\x45\0\0\0\x12\x35\0\0\x80" protocol "\0\0\x0a\0\0\x02\x0a\0\0\x01"
#define IPV6(next)                                                                                 \
	"\x60\0\0\0\0\0" next "\x40"                                                               \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                               \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define PORTS		       "\x9c\x40\x01\xbb"
#define PORTS_BACK	       "\x01\xbb\x9c\x40"
#define TCP_WITH(ports, flags) ports "\0\0\0\x64\0\0\0\xc8\x50" flags "\x10\0\0\0\0\0"
#define TCP_SEGMENT	       TCP_WITH(PORTS, "\x18") "data"
#define UDP_TO(ports)	       ports "\0\0\0\0"
#define UDP_DATAGRAM	       UDP_TO(PORTS) "data"

/* A string literal's bytes without its NUL. */
#define LITERAL(literal) (literal), sizeof(literal) - 1

/* Byte for byte, padding too: for structs that were zeroed before they were filled in. */
bool same_bytes(const void *left, const void *right, size_t size_bytes);

struct packet packet_of(const void *bytes, size_t size_bytes, uint64_t time_ns);

/* What a tracker told, in order. Grows as needed. */
struct found {
	struct flow_event *events;
	size_t event_count;
	struct wire_name *names;
	size_t name_count;
};

struct tracker_sink found_sink(struct found *found);
void found_clear(struct found *found); /* frees */
