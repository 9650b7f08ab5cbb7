/* cursor.h: the one way to read bytes that somebody else sent.
 *
 * A read that does not fit yields zero (or NULL) and sets `truncated`, as does every later read. So
 * a parser is a straight line, checked once at its end. Inline, because decoders call it per
 * packet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool truncated;
};

static inline struct cursor cursor_over(const void *bytes, size_t size_bytes)
{
	const uint8_t *const start = bytes;
	return (struct cursor){ .at = start, .end = start + size_bytes, .truncated = false };
}

static inline size_t cursor_left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

/* The next `size_bytes` bytes, borrowed from the buffer, or NULL (truncated). */
static inline const uint8_t *cursor_take(struct cursor *cursor, size_t size_bytes)
{
	if (__builtin_expect(size_bytes > cursor_left(cursor) || cursor->truncated, 0)) {
		cursor->truncated = true;
		cursor->at = cursor->end;
		return NULL;
	}
	const uint8_t *taken = cursor->at;
	cursor->at += size_bytes;
	return taken;
}

/* The next `size_bytes` bytes without moving past them, or NULL; never sets truncated. */
static inline const uint8_t *cursor_peek(const struct cursor *cursor, size_t size_bytes)
{
	return size_bytes > cursor_left(cursor) ? NULL : cursor->at;
}

/* Narrows the cursor to its next `size_bytes` bytes; a longer claim than there are bytes changes
 * nothing. For lengths in headers that say where the payload ends (link-layer padding comes after
 * it). */
static inline void cursor_limit(struct cursor *cursor, size_t size_bytes)
{
	if (size_bytes < cursor_left(cursor))
		cursor->end = cursor->at + size_bytes;
}

/* A cursor over the next `size_bytes` bytes, which this one skips; empty and truncated if they do
 * not fit. */
static inline struct cursor cursor_split(struct cursor *cursor, size_t size_bytes)
{
	const uint8_t *part = cursor_take(cursor, size_bytes);
	if (!part)
		return (struct cursor){ .at = cursor->end, .end = cursor->end, .truncated = true };
	return cursor_over(part, size_bytes);
}

static inline uint8_t cursor_u8(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_take(cursor, 1);
	return bytes ? bytes[0] : 0;
}

static inline uint16_t cursor_be16(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_take(cursor, 2);
	return (uint16_t)(bytes ? bytes[0] << 8 | bytes[1] : 0);
}

static inline uint32_t cursor_be24(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_take(cursor, 3);
	return bytes ? (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2] : 0;
}

static inline uint32_t cursor_be32(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_take(cursor, 4);
	uint32_t value = 0;
	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return __builtin_bswap32(value);
}

static inline uint64_t cursor_be64(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_take(cursor, 8);
	uint64_t value = 0;
	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return __builtin_bswap64(value);
}

static inline uint16_t cursor_le16(struct cursor *cursor)
{
	return __builtin_bswap16(cursor_be16(cursor));
}

static inline uint32_t cursor_le32(struct cursor *cursor)
{
	return __builtin_bswap32(cursor_be32(cursor));
}

static inline uint64_t cursor_le64(struct cursor *cursor)
{
	return __builtin_bswap64(cursor_be64(cursor));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "cursor.h swaps as on a little-endian CPU");
