#include "tests/support_pcap.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/cursor.h"
#include "tests/support_shared.h"

enum { INTERFACES_MAX = 64, NS_PER_SECOND = 1000000000 };

struct pcap_reader {
	struct cursor bytes;
	bool swapped; /* the file is big-endian */
	pcap_packet_fn *each;
	void *context;
	struct {
		uint16_t link_type;
		uint64_t units_per_second;
	} interfaces[INTERFACES_MAX];
	uint32_t interface_count;
};

static uint32_t number32(const struct pcap_reader *reader, struct cursor *bytes)
{
	return reader->swapped ? cursor_be32(bytes) : cursor_le32(bytes);
}

static uint16_t number16(const struct pcap_reader *reader, struct cursor *bytes)
{
	return reader->swapped ? cursor_be16(bytes) : cursor_le16(bytes);
}

static void hand_over(const struct pcap_reader *reader, struct packet packet, const uint8_t *bytes)
{
	uint8_t *copy = malloc(packet.captured_bytes ? packet.captured_bytes : 1);
	if (!copy || !bytes)
		abort();
	memcpy(copy, bytes, packet.captured_bytes);
	packet.bytes = copy;
	reader->each(reader->context, &packet);
	free(copy);
}

static void read_pcap(struct pcap_reader *reader, uint32_t ns_per_unit)
{
	struct cursor *bytes = &reader->bytes;
	cursor_take(bytes, 16);
	const uint16_t link_type = (uint16_t)number32(reader, bytes);
	while (cursor_left(bytes) >= 16) {
		struct packet packet = { .link_type = link_type };
		packet.time_ns = number32(reader, bytes) * (uint64_t)NS_PER_SECOND;
		packet.time_ns += number32(reader, bytes) * (uint64_t)ns_per_unit;
		packet.captured_bytes = number32(reader, bytes);
		packet.wire_bytes = number32(reader, bytes);
		const uint8_t *data = cursor_take(bytes, packet.captured_bytes);
		if (!data)
			return;
		hand_over(reader, packet, data);
	}
}

static void read_interface(struct pcap_reader *reader, struct cursor block)
{
	const uint32_t index = reader->interface_count++ % INTERFACES_MAX;
	reader->interfaces[index].link_type = number16(reader, &block);
	reader->interfaces[index].units_per_second = 1000000;
	cursor_take(&block, 6);
	while (cursor_left(&block) >= 4) {
		const uint16_t code = number16(reader, &block);
		const uint16_t size = number16(reader, &block);
		const uint8_t *value = cursor_take(&block, (size + 3U) & ~3U);
		if (code != 9 || !value)
			continue;
		uint64_t units = 1;
		for (int i = 0; i < (value[0] & 0x7f) && i < 18; i++)
			units *= value[0] & 0x80 ? 2 : 10;
		reader->interfaces[index].units_per_second = units;
	}
}

static void read_packet_block(struct pcap_reader *reader, struct cursor block)
{
	const uint32_t interface = number32(reader, &block) % INTERFACES_MAX;
	const uint64_t high = number32(reader, &block);
	const uint64_t time = high << 32 | number32(reader, &block);
	const uint64_t known_units = reader->interfaces[interface].units_per_second;
	const uint64_t units = known_units ? known_units : 1;
	struct packet packet = { .link_type = reader->interfaces[interface].link_type };
	packet.time_ns = time / units * NS_PER_SECOND + time % units * NS_PER_SECOND / units;
	packet.captured_bytes = number32(reader, &block);
	packet.wire_bytes = number32(reader, &block);
	const uint8_t *data = cursor_take(&block, packet.captured_bytes);
	if (data)
		hand_over(reader, packet, data);
}

static void read_pcapng(struct pcap_reader *reader)
{
	enum { SECTION = 0x0a0d0d0a, INTERFACE = 1, ENHANCED_PACKET = 6 };
	struct cursor *bytes = &reader->bytes;
	while (cursor_left(bytes) >= 12) {
		struct cursor look = *bytes;
		if (cursor_be32(&look) == SECTION) {
			cursor_take(&look, 4);
			reader->swapped = cursor_be32(&look) == 0x1a2b3c4d;
			reader->interface_count = 0;
		}
		const uint32_t type = number32(reader, bytes);
		const uint32_t size = number32(reader, bytes);
		struct cursor block = cursor_split(bytes, size < 12 ? SIZE_MAX : size - 8);
		if (block.truncated)
			return;
		if (type == INTERFACE)
			read_interface(reader, block);
		else if (type == ENHANCED_PACKET)
			read_packet_block(reader, block);
	}
}

bool pcap_each(const char *path, pcap_packet_fn *each, void *context)
{
	size_t size = 0;
	char *file = read_whole_file(path, 0, &size);
	if (!file)
		return false;
	struct pcap_reader reader = { .bytes = cursor_over(file, size),
				      .each = each,
				      .context = context };
	struct cursor look = reader.bytes;
	const uint32_t magic = cursor_be32(&look);
	reader.swapped = magic == 0xa1b2c3d4 || magic == 0xa1b23c4d;
	bool known = true;
	if (magic == 0x0a0d0d0a) {
		read_pcapng(&reader);
	} else if (magic == 0xa1b2c3d4 || magic == 0xd4c3b2a1) {
		cursor_take(&reader.bytes, 4);
		read_pcap(&reader, 1000);
	} else if (magic == 0xa1b23c4d || magic == 0x4d3cb2a1) {
		cursor_take(&reader.bytes, 4);
		read_pcap(&reader, 1);
	} else {
		known = false;
	}
	free(file);
	return known;
}
