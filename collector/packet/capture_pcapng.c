/* The pcapng format: a sequence of blocks. Source: draft-ietf-opsawg-pcapng.
 *
 *	+------+--------------+--------------------------+--------------+
 *	| type | total length | body, padded to 32 bits  | total length |
 *	+------+--------------+--------------------------+--------------+
 *
 * A section header tells the byte order of what follows it and forgets the interfaces of the
 * section before. An interface description says what the packets of the next interface number are,
 * and in which unit their times count. Blocks that say nothing about packets are skipped, however
 * long.
 */
#include "collector/packet/capture_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a, /* the same in either byte order */
	BLOCK_INTERFACE = 1,
	BLOCK_OLD_PACKET = 2,
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,

	BLOCK_HEADER_BYTES = 8,
	BLOCK_MIN_BYTES = 12,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	SECTION_START_BYTES = 16, /* up to its version */
	SECTION_MIN_BYTES = 28,
	SECTION_VERSION = 1,
	INTERFACE_MIN_BYTES = 20,
	ENHANCED_FIXED_BYTES = 28, /* from the block's start to the packet */
	SIMPLE_FIXED_BYTES = 12,

	OPTION_END = 0,
	OPTION_TIME_RESOLUTION = 9,
	OPTION_TIME_OFFSET = 14,

	INTERFACES_MAX = 65536, /* a section may describe */
	NS_DIGITS = 9,
	DIGITS_MAX = 19, /* a power of ten that fits 64 bits */
	DEFAULT_RESOLUTION = 6,
};

/* What one packet block says, whichever of the three kinds it is. */
struct block_packet {
	uint64_t ticks;
	uint32_t interface;
	uint32_t fixed_bytes; /* of the block, before the packet */
	uint32_t captured_bytes;
	uint32_t wire_bytes;
	bool timed;
};

struct block {
	uint64_t offset;
	uint32_t type;
	uint32_t stated_bytes;
	uint32_t total_bytes; /* rounded up to 32 bits, as some writers forget to */
};

bool capture_pcapng_is(const uint8_t magic[4])
{
	struct cursor cursor = cursor_over(magic, 4);
	return cursor_be32(&cursor) == BLOCK_SECTION;
}

/* --- time ------------------------------------------------------------------------------------- */

static uint64_t power_of_ten(unsigned digits)
{
	uint64_t power = 1;
	for (unsigned i = 0; i < digits; i++)
		power *= 10;
	return power;
}

/* if_tsresol: 10^-n seconds, or with the highest bit set 2^-n. */
static struct capture_clock clock_of(uint8_t resolution)
{
	const unsigned exponent = resolution & 0x7f;
	struct capture_clock clock = { .multiply = 1, .divide = 1 };
	if (resolution & 0x80) {
		clock.multiply = power_of_ten(NS_DIGITS);
		clock.shift = exponent;
	} else if (exponent <= NS_DIGITS) {
		clock.multiply = power_of_ten(NS_DIGITS - exponent);
	} else {
		const unsigned digits = exponent - NS_DIGITS;
		clock.divide = digits <= DIGITS_MAX ? power_of_ten(digits) : UINT64_MAX;
	}
	return clock;
}

/* Times before 1970 and after 2554 become the nearest that there is. */
static uint64_t saturate(__int128_t ns)
{
	if (ns < 0)
		return 0;
	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

static uint64_t time_of(const struct capture_clock *clock, uint64_t ticks)
{
	if (ticks <= clock->plain_max)
		return ticks * clock->multiply;
	const __uint128_t ns =
		((__uint128_t)ticks * clock->multiply / clock->divide) >> clock->shift;
	return saturate((__int128_t)ns + (__int128_t)clock->offset_s * 1000000000);
}

/* --- blocks that describe --------------------------------------------------------------------- */

static void read_options(struct capture_interface *interface, struct cursor options,
			 bool big_endian)
{
	for (;;) {
		const uint16_t code = capture_u16(&options, big_endian);
		const uint16_t size = capture_u16(&options, big_endian);
		const uint8_t *value = cursor_take(&options, size);
		cursor_take(&options, -(size_t)size % 4);
		if (!value || code == OPTION_END)
			return;
		if (code == OPTION_TIME_RESOLUTION && size >= 1) {
			const int64_t offset_s = interface->clock.offset_s;
			interface->clock = clock_of(value[0]);
			interface->clock.offset_s = offset_s;
		}
		if (code == OPTION_TIME_OFFSET && size >= 8) {
			struct cursor offset = cursor_over(value, 8);
			interface->clock.offset_s =
				(int64_t)(big_endian ? cursor_be64(&offset) : cursor_le64(&offset));
		}
	}
}

static bool add_interface(struct capture_file *file, struct cursor body)
{
	if (file->interface_count == file->interface_room) {
		const uint32_t room = file->interface_room ? 2 * file->interface_room : 4;
		if (room > INTERFACES_MAX)
			return false;
		struct capture_interface *interfaces =
			realloc(file->interfaces, room * sizeof(interfaces[0]));
		if (!interfaces)
			return false;
		file->interfaces = interfaces;
		file->interface_room = room;
	}
	struct capture_interface interface = { .clock = clock_of(DEFAULT_RESOLUTION) };
	interface.link_type = capture_u16(&body, file->big_endian);
	cursor_take(&body, 2);
	interface.snap_bytes = capture_u32(&body, file->big_endian);
	read_options(&interface, body, file->big_endian);
	const struct capture_clock *clock = &interface.clock;
	if (clock->divide == 1 && clock->shift == 0 && clock->offset_s == 0)
		interface.clock.plain_max = UINT64_MAX / clock->multiply;
	file->interfaces[file->interface_count++] = interface;
	return true;
}

/* Reads what decides about the rest: byte order and version. False: it is no section header. */
static bool read_section(struct capture_file *file, const uint8_t start[SECTION_START_BYTES])
{
	struct cursor header = cursor_over(start, SECTION_START_BYTES);
	cursor_take(&header, BLOCK_HEADER_BYTES);
	struct cursor big = header;
	const bool big_endian = cursor_be32(&big) == BYTE_ORDER_MAGIC;
	if (capture_u32(&header, big_endian) != BYTE_ORDER_MAGIC)
		return false;
	if (capture_u16(&header, big_endian) != SECTION_VERSION)
		return false;
	file->big_endian = big_endian;
	file->interface_count = 0;
	return true;
}

/* --- walking over blocks ---------------------------------------------------------------------- */

/* What became of looking for something: go on, or return what capture_file_* said. */
enum walk { WALK_ON, WALK_STOP };

static enum walk stop_short(struct capture_file *file, enum capture_got got, uint64_t offset,
			    uint64_t size_bytes)
{
	capture_file_short(file, 0, got, "block", offset, size_bytes);
	return WALK_STOP;
}

/* Type and length of the block at the window's start, which stays there. A section header sets the
 * byte order on the way. */
static enum walk read_block(struct capture_file *file, struct block *out_block)
{
	struct capture_source *source = &file->source;
	const uint64_t offset = capture_source_offset(source);
	enum capture_got got = capture_source_need(source, BLOCK_MIN_BYTES);
	if (got != CAPTURE_GOT)
		return stop_short(file, got, offset, BLOCK_MIN_BYTES);
	uint32_t least = BLOCK_MIN_BYTES;
	if (capture_pcapng_is(source->at)) {
		least = SECTION_MIN_BYTES;
		got = capture_source_need(source, SECTION_START_BYTES);
		if (got != CAPTURE_GOT)
			return stop_short(file, got, offset, SECTION_MIN_BYTES);
		if (!read_section(file, source->at)) {
			capture_file_fault(file, 0,
					   "section header at offset %" PRIu64
					   " has an unknown byte order or version",
					   offset);
			return WALK_STOP;
		}
	}
	struct cursor header = cursor_over(source->at, BLOCK_HEADER_BYTES);
	const uint32_t type = capture_u32(&header, file->big_endian);
	const uint32_t stated = capture_u32(&header, file->big_endian);
	if (stated < least || stated > UINT32_MAX - 3) {
		capture_file_fault(file, 0,
				   "block at offset %" PRIu64
				   " says %u bytes, at least %u are needed",
				   offset, stated, least);
		return WALK_STOP;
	}
	*out_block = (struct block){ offset, type, stated, (stated + 3) & ~3U };
	return WALK_ON;
}

/* Every block says its length at its end again. Looked at where the whole block is
 * in the window. */
static enum walk check_trailer(struct capture_file *file, const struct block *block)
{
	struct cursor trailer = cursor_over(file->source.at, block->total_bytes);
	cursor_take(&trailer, block->total_bytes - 4);
	const uint32_t again = capture_u32(&trailer, file->big_endian);
	if (again == block->stated_bytes || again == block->total_bytes)
		return WALK_ON;
	capture_file_fault(
		file, 0, "block at offset %" PRIu64 " says %u bytes at its start and %u at its end",
		block->offset, block->stated_bytes, again);
	return WALK_STOP;
}

static enum walk read_interface(struct capture_file *file, const struct block *block)
{
	if (block->total_bytes < INTERFACE_MIN_BYTES || block->total_bytes > CAPTURE_PACKET_MAX) {
		capture_file_fault(file, 0,
				   "interface description at offset %" PRIu64 " says %u bytes",
				   block->offset, block->total_bytes);
		return WALK_STOP;
	}
	const enum capture_got got = capture_source_need(&file->source, block->total_bytes);
	if (got != CAPTURE_GOT)
		return stop_short(file, got, block->offset, block->total_bytes);
	if (check_trailer(file, block) == WALK_STOP)
		return WALK_STOP;
	struct cursor body = cursor_over(file->source.at, block->total_bytes - 4);
	cursor_take(&body, BLOCK_HEADER_BYTES);
	if (!add_interface(file, body)) {
		capture_file_fault(file, 0,
				   "interface description at offset %" PRIu64
				   " is one more than the %d that are kept",
				   block->offset, INTERFACES_MAX);
		return WALK_STOP;
	}
	capture_source_skip(&file->source, block->total_bytes);
	return WALK_ON;
}

/* Finds the next block with a packet, at the window's start. */
static enum walk find_packet_block(struct capture_file *file, struct block *out_block)
{
	for (;;) {
		if (read_block(file, out_block) == WALK_STOP)
			return WALK_STOP;
		switch (out_block->type) {
		case BLOCK_ENHANCED:
		case BLOCK_SIMPLE:
		case BLOCK_OLD_PACKET:
			return WALK_ON;
		case BLOCK_INTERFACE:
			if (read_interface(file, out_block) == WALK_STOP)
				return WALK_STOP;
			break;
		default:
			capture_source_skip(&file->source, out_block->total_bytes);
		}
	}
}

static struct block_packet read_enhanced(struct cursor body, bool big_endian, bool old)
{
	struct block_packet packet = { .fixed_bytes = ENHANCED_FIXED_BYTES, .timed = true };
	if (old) {
		packet.interface = capture_u16(&body, big_endian);
		cursor_take(&body, 2); /* drops */
	} else {
		packet.interface = capture_u32(&body, big_endian);
	}
	packet.ticks = (uint64_t)capture_u32(&body, big_endian) << 32;
	packet.ticks |= capture_u32(&body, big_endian);
	packet.captured_bytes = capture_u32(&body, big_endian);
	packet.wire_bytes = capture_u32(&body, big_endian);
	return packet;
}

/* It does not say how much was captured: as much as fits the block and the interface. */
static struct block_packet read_simple(const struct capture_file *file, struct cursor body,
				       uint32_t total_bytes)
{
	struct block_packet packet = { .fixed_bytes = SIMPLE_FIXED_BYTES };
	packet.wire_bytes = capture_u32(&body, file->big_endian);
	packet.captured_bytes = packet.wire_bytes;
	const uint32_t room_bytes = total_bytes - SIMPLE_FIXED_BYTES - 4;
	if (packet.captured_bytes > room_bytes)
		packet.captured_bytes = room_bytes;
	const uint32_t snap_bytes = file->interface_count ? file->interfaces[0].snap_bytes : 0;
	if (snap_bytes && packet.captured_bytes > snap_bytes)
		packet.captured_bytes = snap_bytes;
	return packet;
}

/* Reads the block's fixed part and makes sure that what it says can be. */
static enum walk read_packet(struct capture_file *file, const struct block *block,
			     struct block_packet *out_packet)
{
	const bool simple = block->type == BLOCK_SIMPLE;
	const uint32_t fixed_bytes = simple ? SIMPLE_FIXED_BYTES : ENHANCED_FIXED_BYTES;
	if (block->total_bytes < fixed_bytes + 4) {
		capture_file_fault(file, 0,
				   "packet block at offset %" PRIu64
				   " says %u bytes, at least %u are needed",
				   block->offset, block->total_bytes, fixed_bytes + 4);
		return WALK_STOP;
	}
	const enum capture_got got = capture_source_need(&file->source, fixed_bytes);
	if (got != CAPTURE_GOT)
		return stop_short(file, got, block->offset, block->total_bytes);
	struct cursor body = cursor_over(file->source.at, fixed_bytes);
	cursor_take(&body, BLOCK_HEADER_BYTES);
	const struct block_packet packet =
		simple ? read_simple(file, body, block->total_bytes)
		       : read_enhanced(body, file->big_endian, block->type == BLOCK_OLD_PACKET);
	if (packet.interface >= file->interface_count) {
		capture_file_fault(file, 0,
				   "packet block at offset %" PRIu64
				   " is of interface %u, but only %u were described",
				   block->offset, packet.interface, file->interface_count);
		return WALK_STOP;
	}
	if (packet.captured_bytes > block->total_bytes - fixed_bytes - 4 ||
	    packet.captured_bytes > CAPTURE_PACKET_MAX) {
		capture_file_fault(file, 0,
				   "packet block at offset %" PRIu64
				   " of %u bytes says that it holds a packet of %u",
				   block->offset, block->total_bytes, packet.captured_bytes);
		return WALK_STOP;
	}
	*out_packet = packet;
	return WALK_ON;
}

static size_t fill(struct capture_file *file, struct packet *packets, size_t max, uint64_t limit_ns)
{
	struct capture_source *source = &file->source;
	for (size_t count = 0;; count++) {
		struct block block;
		struct block_packet packet;
		if (find_packet_block(file, &block) == WALK_STOP ||
		    read_packet(file, &block, &packet) == WALK_STOP)
			return count;
		const struct capture_interface *interface = &file->interfaces[packet.interface];
		const uint64_t time_ns =
			packet.timed ? time_of(&interface->clock, packet.ticks) : file->last_ns;
		if (count == max || time_ns > limit_ns) {
			file->head_ns = time_ns;
			file->state = CAPTURE_STATE_HEAD;
			return count;
		}
		const bool whole = block.total_bytes <= CAPTURE_PIECE_MAX;
		const uint32_t packet_bytes = packet.fixed_bytes + packet.captured_bytes;
		const enum capture_got got =
			capture_source_need(source, whole ? block.total_bytes : packet_bytes);
		if (got != CAPTURE_GOT)
			return capture_file_short(file, count, got, "packet block", block.offset,
						  block.total_bytes);
		if (whole && check_trailer(file, &block) == WALK_STOP)
			return count;
		packets[count] = (struct packet){
			.time_ns = time_ns,
			.bytes = source->at + packet.fixed_bytes,
			.captured_bytes = packet.captured_bytes,
			.wire_bytes = packet.wire_bytes,
			.link_type = interface->link_type,
			.capture = file->number,
		};
		capture_source_prefetch(source);
		file->last_ns = time_ns;
		source->pinned = true;
		capture_source_skip(source, block.total_bytes);
	}
}

bool capture_pcapng_begin(struct capture_file *file, const char *path, struct complaint *complaint)
{
	if (capture_source_need(&file->source, SECTION_MIN_BYTES) != CAPTURE_GOT)
		return complain(complaint, path, 0, 0,
				"ends after %zu bytes, a pcapng section header alone has %d",
				capture_source_left(&file->source), SECTION_MIN_BYTES);
	if (!read_section(file, file->source.at))
		return complain(complaint, path, 0, 0,
				"begins like pcapng, but has an unknown byte order or version");
	file->fill = fill;
	return true;
}
