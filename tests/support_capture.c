#include "tests/support_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

struct support_pcap {
	FILE *file;
	enum support_pcap_magic magic;
};

struct support_pcap *support_pcap_open(const char *path, uint16_t link_type, bool nanoseconds)
{
	struct support_pcap *writer = malloc(sizeof(*writer));
	assert_non_null(writer);
	writer->file = fopen(path, "wb");
	assert_non_null(writer->file);
	writer->magic = nanoseconds ? SUPPORT_PCAP_NANO : SUPPORT_PCAP_MICRO;
	struct support_bytes header = { 0 };
	support_bytes_pcap_header(&header, writer->magic, link_type);
	fwrite(header.bytes, 1, header.size, writer->file);
	support_bytes_free(&header);
	return writer;
}

void support_pcap_packet(struct support_pcap *writer, uint64_t time_ns, const void *bytes,
			 size_t size)
{
	struct support_bytes record = { 0 };
	support_bytes_pcap_packet(&record, writer->magic, time_ns, bytes, size, (uint32_t)size);
	fwrite(record.bytes, 1, record.size, writer->file);
	support_bytes_free(&record);
}

void support_pcap_close(struct support_pcap *writer)
{
	assert_int_equal(fclose(writer->file), 0);
	free(writer);
}

void support_bytes_free(struct support_bytes *into)
{
	free(into->bytes);
	*into = (struct support_bytes){ 0 };
}

void support_bytes_append(struct support_bytes *into, const void *bytes, size_t size)
{
	if (into->size + size > into->room) {
		into->room = 2 * (into->size + size) + 64;
		into->bytes = realloc(into->bytes, into->room);
		assert_non_null(into->bytes);
	}
	if (size > 0)
		memcpy(into->bytes + into->size, bytes, size);
	into->size += size;
}

void support_bytes_u16(struct support_bytes *into, uint16_t value)
{
	if (into->big_endian)
		value = __builtin_bswap16(value);
	support_bytes_append(into, &value, sizeof(value));
}

void support_bytes_u32(struct support_bytes *into, uint32_t value)
{
	if (into->big_endian)
		value = __builtin_bswap32(value);
	support_bytes_append(into, &value, sizeof(value));
}

static void save(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void save_gzip(const char *path, const struct support_bytes *from)
{
	gzFile file = gzopen(path, "wb1");
	assert_non_null(file);
	if (from->size > 0)
		assert_int_equal(gzwrite(file, from->bytes, (unsigned)from->size), from->size);
	assert_int_equal(gzclose(file), Z_OK);
}

static void save_zstd(const char *path, const struct support_bytes *from)
{
	const size_t room = ZSTD_compressBound(from->size);
	void *packed = malloc(room);
	assert_non_null(packed);
	const size_t size = ZSTD_compress(packed, room, from->bytes, from->size, 1);
	assert_false(ZSTD_isError(size));
	save(path, packed, size);
	free(packed);
}

void support_bytes_save(const struct support_bytes *from, const char *path,
			enum support_packing packing)
{
	unlink(path); /* ext4 flushes a file that is cut to nothing and written again: 5 ms each */
	switch (packing) {
	case SUPPORT_PLAIN:
		save(path, from->bytes, from->size);
		break;
	case SUPPORT_GZIP:
		save_gzip(path, from);
		break;
	case SUPPORT_ZSTD:
		save_zstd(path, from);
		break;
	}
}

void support_bytes_pcap_header(struct support_bytes *into, enum support_pcap_magic magic,
			       uint32_t link_type)
{
	support_bytes_u32(into, (uint32_t)magic);
	support_bytes_u16(into, 2);
	support_bytes_u16(into, 4);
	support_bytes_u32(into, 0);
	support_bytes_u32(into, 0);
	support_bytes_u32(into, 262144);
	support_bytes_u32(into, link_type);
}

void support_bytes_pcap_packet(struct support_bytes *into, enum support_pcap_magic magic,
			       uint64_t time_ns, const void *bytes, size_t size,
			       uint32_t wire_bytes)
{
	const uint64_t fraction_ns = time_ns % 1000000000;
	support_bytes_u32(into, (uint32_t)(time_ns / 1000000000));
	support_bytes_u32(
		into, (uint32_t)(magic == SUPPORT_PCAP_NANO ? fraction_ns : fraction_ns / 1000));
	support_bytes_u32(into, (uint32_t)size);
	support_bytes_u32(into, wire_bytes);
	if (magic == SUPPORT_PCAP_MODIFIED)
		support_bytes_append(into, "\1\0\0\0\0\x08\0\0", 8);
	support_bytes_append(into, bytes, size);
}

void support_bytes_block(struct support_bytes *into, uint32_t type, const void *body, size_t size)
{
	const size_t padding = -size % 4;
	const uint32_t total = (uint32_t)(12 + size + padding);
	support_bytes_u32(into, type);
	support_bytes_u32(into, total);
	support_bytes_append(into, body, size);
	support_bytes_append(into, "\0\0\0", padding);
	support_bytes_u32(into, total);
}

/* Appends the body that was built in the order of `into`, as a block. */
static void finish_block(struct support_bytes *into, uint32_t type, struct support_bytes *body)
{
	support_bytes_block(into, type, body->bytes, body->size);
	support_bytes_free(body);
}

void support_bytes_section(struct support_bytes *into)
{
	struct support_bytes body = { .big_endian = into->big_endian };
	support_bytes_u32(&body, 0x1a2b3c4d);
	support_bytes_u16(&body, 1);
	support_bytes_u16(&body, 0);
	support_bytes_append(&body, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	finish_block(into, 0x0a0d0d0a, &body);
}

void support_bytes_interface(struct support_bytes *into, uint16_t link_type, uint32_t snap_bytes,
			     const void *options, size_t options_size)
{
	struct support_bytes body = { .big_endian = into->big_endian };
	support_bytes_u16(&body, link_type);
	support_bytes_u16(&body, 0);
	support_bytes_u32(&body, snap_bytes);
	support_bytes_append(&body, options, options_size);
	finish_block(into, 1, &body);
}

void support_bytes_enhanced(struct support_bytes *into, uint32_t interface, uint64_t ticks,
			    const void *bytes, size_t size, uint32_t wire_bytes)
{
	struct support_bytes body = { .big_endian = into->big_endian };
	support_bytes_u32(&body, interface);
	support_bytes_u32(&body, (uint32_t)(ticks >> 32));
	support_bytes_u32(&body, (uint32_t)ticks);
	support_bytes_u32(&body, (uint32_t)size);
	support_bytes_u32(&body, wire_bytes);
	support_bytes_append(&body, bytes, size);
	finish_block(into, 6, &body);
}

void support_bytes_simple(struct support_bytes *into, const void *bytes, size_t size,
			  uint32_t wire_bytes)
{
	struct support_bytes body = { .big_endian = into->big_endian };
	support_bytes_u32(&body, wire_bytes);
	support_bytes_append(&body, bytes, size);
	finish_block(into, 3, &body);
}

void support_bytes_old_packet(struct support_bytes *into, uint16_t interface, uint64_t ticks,
			      const void *bytes, size_t size, uint32_t wire_bytes)
{
	struct support_bytes body = { .big_endian = into->big_endian };
	support_bytes_u16(&body, interface);
	support_bytes_u16(&body, 0xffff);
	support_bytes_u32(&body, (uint32_t)(ticks >> 32));
	support_bytes_u32(&body, (uint32_t)ticks);
	support_bytes_u32(&body, (uint32_t)size);
	support_bytes_u32(&body, wire_bytes);
	support_bytes_append(&body, bytes, size);
	finish_block(into, 2, &body);
}
