/* capture_inflate.h: the bytes of a capture that cannot be mapped: gzip, zstd, or plain from a
 * pipe.
 *
 * One thread reads; capture_inflate_consumed may be asked from any other. Sources: RFC 1952
 * (several members follow each other), RFC 8878 (frames do).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_inflate;

/* Does a file that begins like this have to be inflated? */
bool capture_inflate_wanted(const uint8_t *bytes, size_t size_bytes);

/* Takes the descriptor. NULL with errno, and the descriptor is closed. */
struct capture_inflate *capture_inflate_open(int descriptor);
void capture_inflate_close(struct capture_inflate *inflate);

/* Fills the buffer; less than its size only at the end, which may be a fault. */
size_t capture_inflate_read(struct capture_inflate *inflate, uint8_t *out_bytes, size_t size_bytes);

/* Why it ended early, or NULL. After a short capture_inflate_read, by whoever knows of it. */
const char *capture_inflate_fault(const struct capture_inflate *inflate);

/* Bytes of the file that were read. */
uint64_t capture_inflate_consumed(const struct capture_inflate *inflate);
