/* capture_file.h: one capture file of any format, packet by packet. For the capture_*.c family
 * only.
 *
 * A file is read up to a time, so that several can be merged. One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/cursor.h"
#include "collector/packet/capture_source.h"
#include "collector/packet/packet.h"

enum { CAPTURE_PACKET_MAX = 256 * 1024 /* bytes; libpcap's MAXIMUM_SNAPLEN */ };

enum capture_state {
	CAPTURE_STATE_HEAD,  /* head_ns is the time of the next packet */
	CAPTURE_STATE_LATER, /* nothing more before capture_source_begin */
	CAPTURE_STATE_END,   /* nothing more; `faulted` tells if that is right */
};

/* The unit that an interface counts time in, and when it counts from. */
struct capture_clock {
	uint64_t plain_max; /* up to this many ticks, ticks * multiply is all there is to it */
	uint64_t multiply;  /* nanoseconds = ticks * multiply / divide >> shift, + offset_s */
	uint64_t divide;
	uint32_t shift;
	int64_t offset_s;
};

struct capture_interface {
	struct capture_clock clock;
	uint32_t snap_bytes; /* 0: no limit */
	uint16_t link_type;
};

struct capture_file;

/* Hands over packets up to and including `limit_ns`, at most `max`, and sets the file's state. With
 * `max` 0 it only finds the next packet's time. */
typedef size_t capture_fill_fn(struct capture_file *file, struct packet *packets, size_t max,
			       uint64_t limit_ns);

struct capture_file {
	struct capture_source source;
	capture_fill_fn *fill;
	enum capture_state state;
	uint64_t head_ns;
	uint64_t packet_count; /* handed over */
	uint16_t number;       /* packet.capture */
	bool big_endian;       /* pcapng: in this section */
	bool faulted;
	char fault[COMPLAINT_TEXT_MAX];

	/* pcap */
	uint32_t record_bytes; /* size of a record's header */
	uint32_t fraction_ns;  /* what its second word counts */
	uint16_t link_type;
	bool lengths_swapped; /* old versions were not of one mind */

	/* pcapng */
	struct capture_interface *interfaces; /* of this section */
	uint32_t interface_count;
	uint32_t interface_room;
	uint64_t last_ns; /* for packets without a time */
};

/* NULL, with a complaint: it cannot be read, or it is no capture. The caller closes. */
struct capture_file *capture_file_open(const char *path, uint16_t number,
				       enum capture_source_use use, struct complaint *complaint);
void capture_file_close(struct capture_file *file);

/* Ends the file with a fault: what is wrong, with the offset. Returns `handed`, so that a fill can
 * end with it. */
size_t capture_file_fault(struct capture_file *file, size_t handed, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Ends the fill for what capture_source_need said instead of CAPTURE_GOT: later, or the end of the
 * file inside of `what`, which began at `offset` and wanted `size_bytes`. */
size_t capture_file_short(struct capture_file *file, size_t handed, enum capture_got got,
			  const char *what, uint64_t offset, uint64_t size_bytes);

/* The formats. Each looks at the first bytes: is it theirs? Then it prepares the file, or refuses
 * it with a complaint. */
bool capture_pcap_is(const uint8_t magic[4]);
bool capture_pcap_begin(struct capture_file *file, const char *path, struct complaint *complaint);
bool capture_pcapng_is(const uint8_t magic[4]);
bool capture_pcapng_begin(struct capture_file *file, const char *path, struct complaint *complaint);

static inline uint16_t capture_u16(struct cursor *cursor, bool big_endian)
{
	return big_endian ? cursor_be16(cursor) : cursor_le16(cursor);
}

static inline uint32_t capture_u32(struct cursor *cursor, bool big_endian)
{
	return big_endian ? cursor_be32(cursor) : cursor_le32(cursor);
}
