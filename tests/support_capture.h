/* support_capture.h: writes capture files for tests.
 *
 * The plain form goes straight to a file. The byte form appends to memory, in either byte order, so
 * that a test can cut and corrupt it at will.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- a pcap file ------------------------------------------------------------------------------ */

struct support_pcap;

/* Fails the test when the file cannot be written. */
struct support_pcap *support_pcap_open(const char *path, uint16_t link_type, bool nanoseconds);
void support_pcap_packet(struct support_pcap *writer, uint64_t time_ns, const void *bytes,
			 size_t size);
void support_pcap_close(struct support_pcap *writer);

/* --- capture bytes in memory ------------------------------------------------------------------ */

struct support_bytes {
	uint8_t *bytes;
	size_t size;
	size_t room;
	bool big_endian; /* order of every number written from here on */
};

void support_bytes_free(struct support_bytes *into);
void support_bytes_append(struct support_bytes *into, const void *bytes, size_t size);
void support_bytes_u16(struct support_bytes *into, uint16_t value);
void support_bytes_u32(struct support_bytes *into, uint32_t value);

/* Writes the bytes to a file, plain or compressed. */
enum support_packing { SUPPORT_PLAIN, SUPPORT_GZIP, SUPPORT_ZSTD };
void support_bytes_save(const struct support_bytes *from, const char *path,
			enum support_packing packing);

enum support_pcap_magic {
	SUPPORT_PCAP_MICRO = (int)0xa1b2c3d4,
	SUPPORT_PCAP_NANO = (int)0xa1b23c4d,
	SUPPORT_PCAP_MODIFIED = (int)0xa1b2cd34, /* Kuznetzov's: eight more bytes per record */
};
void support_bytes_pcap_header(struct support_bytes *into, enum support_pcap_magic magic,
			       uint32_t link_type);
void support_bytes_pcap_packet(struct support_bytes *into, enum support_pcap_magic magic,
			       uint64_t time_ns, const void *bytes, size_t size,
			       uint32_t wire_bytes);

/* pcapng blocks. `options` may be NULL. */
void support_bytes_section(struct support_bytes *into);
void support_bytes_interface(struct support_bytes *into, uint16_t link_type, uint32_t snap_bytes,
			     const void *options, size_t options_size);
void support_bytes_enhanced(struct support_bytes *into, uint32_t interface, uint64_t ticks,
			    const void *bytes, size_t size, uint32_t wire_bytes);
void support_bytes_simple(struct support_bytes *into, const void *bytes, size_t size,
			  uint32_t wire_bytes);
void support_bytes_old_packet(struct support_bytes *into, uint16_t interface, uint64_t ticks,
			      const void *bytes, size_t size, uint32_t wire_bytes);
void support_bytes_block(struct support_bytes *into, uint32_t type, const void *body, size_t size);
