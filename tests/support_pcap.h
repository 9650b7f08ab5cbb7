/* support_pcap.h: a plain reader of capture files for tests: pcap in its four byte orders and time
 * units, and pcapng, as far as the shared captures need it. Independent of the collector's own. */
#pragma once

#include <stdbool.h>

#include "collector/packet/packet.h"

typedef void pcap_packet_fn(void *context, const struct packet *packet);

/* Calls for every packet of the file (gzip is inflated), each in a heap block of its exact size.
 * Files may be cut: ends there. False: not a capture. */
bool pcap_each(const char *path, pcap_packet_fn *each, void *context);
