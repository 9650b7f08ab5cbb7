/* The pcap format. Source: tcpdump.org/manpages/pcap-savefile.5.
 *
 *	file header, 24 bytes			record header, 16 bytes
 *	+-------+-------+-------+-------+	+---------+----------+----------+--------+
 *	| magic | ver.  | 0 | 0 | snap  |	| seconds | fraction | captured | wire   |
 *	| link type | 0 and FCS length  |	+---------+----------+----------+--------+
 *
 * The magic tells the byte order, whether fractions are micro- or nanoseconds, and whether records
 * have eight more bytes (A. Kuznetzov's patch of 1998: interface, protocol, packet type).
 */
#include "collector/packet/capture_file.h"

#include <inttypes.h>

enum {
	MAGIC_MICRO = (int)0xa1b2c3d4,
	MAGIC_NANO = (int)0xa1b23c4d,
	MAGIC_MODIFIED = (int)0xa1b2cd34,
	HEADER_BYTES = 24,
	RECORD_BYTES = 16,
	MODIFIED_RECORD_BYTES = 24,
	VERSION_MAJOR = 2,
	LAST_SWAPPED_MINOR = 3, /* up to 2.3, the two lengths may be the other way round */
	NS_PER_S = 1000000000,
};

static bool is_magic(uint32_t magic)
{
	return magic == (uint32_t)MAGIC_MICRO || magic == (uint32_t)MAGIC_NANO ||
	       magic == (uint32_t)MAGIC_MODIFIED;
}

bool capture_pcap_is(const uint8_t magic[4])
{
	struct cursor little = cursor_over(magic, 4);
	struct cursor big = little;
	return is_magic(cursor_le32(&little)) || is_magic(cursor_be32(&big));
}

static inline __attribute__((always_inline)) size_t fill(struct capture_file *file,
							 struct packet *packets, size_t max,
							 uint64_t limit_ns, size_t record_bytes,
							 bool big_endian)
{
	struct capture_source *source = &file->source;
	const uint64_t fraction_ns = file->fraction_ns;
	for (size_t count = 0;; count++) {
		const uint64_t offset = capture_source_offset(source);
		enum capture_got got = capture_source_need(source, record_bytes);
		if (got != CAPTURE_GOT)
			return capture_file_short(file, count, got, "packet record", offset,
						  record_bytes);
		struct cursor header = cursor_over(source->at, RECORD_BYTES);
		const uint64_t seconds = capture_u32(&header, big_endian);
		const uint64_t fraction = capture_u32(&header, big_endian);
		uint32_t captured_bytes = capture_u32(&header, big_endian);
		uint32_t wire_bytes = capture_u32(&header, big_endian);
		if (file->lengths_swapped && captured_bytes > wire_bytes) {
			const uint32_t captured = wire_bytes;
			wire_bytes = captured_bytes;
			captured_bytes = captured;
		}
		if (__builtin_expect(captured_bytes > CAPTURE_PACKET_MAX, 0))
			return capture_file_fault(
				file, count,
				"packet record at offset %" PRIu64
				" says %u bytes, more than the %d that a packet may have",
				offset, captured_bytes, CAPTURE_PACKET_MAX);
		const uint64_t time_ns = seconds * NS_PER_S + fraction * fraction_ns;
		if (count == max || time_ns > limit_ns) {
			file->head_ns = time_ns;
			file->state = CAPTURE_STATE_HEAD;
			return count;
		}
		got = capture_source_need(source, record_bytes + captured_bytes);
		if (got != CAPTURE_GOT)
			return capture_file_short(file, count, got, "packet record", offset,
						  record_bytes + captured_bytes);
		capture_source_prefetch(source);
		packets[count] = (struct packet){
			.time_ns = time_ns,
			.bytes = source->at + record_bytes,
			.captured_bytes = captured_bytes,
			.wire_bytes = wire_bytes,
			.link_type = file->link_type,
			.capture = file->number,
		};
		source->at += record_bytes + captured_bytes;
		source->pinned = true;
	}
}

/* The usual kind, with its constants folded in. */
static size_t fill_usual(struct capture_file *file, struct packet *packets, size_t max,
			 uint64_t limit_ns)
{
	return fill(file, packets, max, limit_ns, RECORD_BYTES, false);
}

static size_t fill_any(struct capture_file *file, struct packet *packets, size_t max,
		       uint64_t limit_ns)
{
	return fill(file, packets, max, limit_ns, file->record_bytes, file->big_endian);
}

bool capture_pcap_begin(struct capture_file *file, const char *path, struct complaint *complaint)
{
	if (capture_source_need(&file->source, HEADER_BYTES) != CAPTURE_GOT)
		return complain(complaint, path, 0, 0,
				"ends after %zu bytes, a pcap header alone has %d",
				capture_source_left(&file->source), HEADER_BYTES);
	struct cursor header = cursor_over(file->source.at, HEADER_BYTES);
	struct cursor look = header;
	file->big_endian = is_magic(cursor_be32(&look));
	const uint32_t magic = capture_u32(&header, file->big_endian);
	const uint16_t major = capture_u16(&header, file->big_endian);
	const uint16_t minor = capture_u16(&header, file->big_endian);
	if (major != VERSION_MAJOR)
		return complain(complaint, path, 0, 0, "is pcap version %u.%u, expected %d.x",
				major, minor, VERSION_MAJOR);
	cursor_take(&header, 12); /* time zone, accuracy: always 0; snap length: not trusted */
	file->link_type = (uint16_t)capture_u32(&header, file->big_endian);
	file->lengths_swapped = minor <= LAST_SWAPPED_MINOR;
	file->fraction_ns = magic == (uint32_t)MAGIC_NANO ? 1 : 1000;
	file->record_bytes =
		magic == (uint32_t)MAGIC_MODIFIED ? MODIFIED_RECORD_BYTES : RECORD_BYTES;
	const bool usual = !file->big_endian && file->record_bytes == RECORD_BYTES;
	file->fill = usual ? fill_usual : fill_any;
	file->source.at += HEADER_BYTES;
	return true;
}
