/* capture.h: packets from capture files: pcap (micro- and nanoseconds, both byte orders,
 * Kuznetzov's records) and pcapng (all its packet blocks, any number of sections and interfaces),
 * plain, gzip or zstd, several at once merged by time.
 *
 * Plain files are mapped, not copied; compressed ones, unless small, and pipes are inflated on a
 * thread of their own. A file is opened for good only when its first packet's turn has come, so
 * thousands may follow each other. One owner thread.
 *
 * A fault in a file ends that file, not the capture: packets up to the fault are handed over, and
 * capture_faults tells. A packet is at most 256 KiB, as in libpcap; a longer one is a fault.
 * Sources: tcpdump.org/manpages/pcap-savefile.5, draft-ietf-opsawg-pcapng.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/packet/packet.h"

struct capture;

/* Opens every file (missing or unreadable ones, and files that are no capture, are refused before
 * any work: false and a complaint each; then out_capture is untouched). Files are handed over in
 * time order: whichever has the earlier next packet first, equal times in the order of `paths`.
 * packet.capture is the index in `paths`. */
bool capture_open_files(const char *const *paths, size_t count, struct complaints *complaints,
			struct capture **out_capture);
void capture_close(struct capture *capture);

/* The next batch of up to PACKET_BATCH packets, often fewer; 0 only at the end. Valid until the
 * next call. Packets of a pcapng simple packet block, which has no time, carry that of the packet
 * before. */
size_t capture_next(struct capture *capture, struct packet packets[PACKET_BATCH]);

/* What went wrong while reading: one complaint per file that was cut or corrupt, with the byte
 * offset in its text
 * ("packet record at offset 1234 says 90000 bytes, file ends after 212"). Complete after
 * capture_next returned 0. */
const struct complaints *capture_faults(const struct capture *capture);

/* For the progress line: bytes of the files (compressed ones as they are) consumed and in all.
 * Pipes do not count. */
void capture_progress(const struct capture *capture, uint64_t *out_done_bytes,
		      uint64_t *out_total_bytes);
