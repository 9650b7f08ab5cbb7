/* duplicate_filter.h: packets that a SPAN port delivers twice: on the way in and on the way out of
 * a switch, or before and after it routes them.
 *
 * Two packets are copies of one if they agree on the innermost addresses, protocol, ports, IP id,
 * length, TCP numbers and flags and the first DUPLICATE_PAYLOAD_BYTES captured bytes of payload,
 * and come within DUPLICATE_WINDOW_NS. MAC addresses, VLANs, tunnels, time to live and checksums
 * are not compared: a switch changes them. Packets with neither an IP id nor payload are never
 * copies, because repeated acknowledgements look like that.
 *
 * What it can get wrong: TCP that repeats a segment within the window with the same IP id (0, or
 * IPv6, which has none) is taken for a copy. Therefore off unless asked for. One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/hash.h"
#include "collector/packet/decode.h"

enum { DUPLICATE_PAYLOAD_BYTES = 128 };
#define DUPLICATE_WINDOW_NS (10 * UINT64_C(1000000))

struct duplicate_filter;

/* NULL with errno; the caller closes. Fixed size: under load the oldest packets of a set are
 * forgotten early, and a late copy is then counted like any packet. */
struct duplicate_filter *duplicate_filter_open(const struct hash_seed *seed);
void duplicate_filter_close(struct duplicate_filter *filter);

/* True: a copy of this packet came shortly before. Otherwise remembers it. */
bool duplicate_filter_check(struct duplicate_filter *filter, const struct decoded *decoded,
			    uint64_t now_ns);

size_t duplicate_filter_bytes(void);
