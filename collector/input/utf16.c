#include "collector/input/utf16.h"

#include <stdbool.h>
#include <stdint.h>

enum { REPLACEMENT = 0xfffd, BYTE_ORDER_MARK = 0xfeff };

static bool is_high(uint32_t unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(uint32_t unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* Writes one code point; returns its bytes, 0 when they do not fit. */
static size_t put_utf8(uint32_t point, char *out, size_t room)
{
	if (point < 0x80 && room >= 1) {
		out[0] = (char)point;
		return 1;
	}
	const size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const uint8_t leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	if (point < 0x80 || size > room)
		return 0;
	for (size_t i = size - 1; i > 0; i--, point >>= 6)
		out[i] = (char)(0x80 | (point & 0x3f));
	out[0] = (char)(leads[size] | point);
	return size;
}

size_t utf8_from_utf16le(const void *bytes, size_t size_bytes, char *out_text, size_t room_bytes)
{
	const uint8_t *const units = bytes;
	const size_t count = size_bytes / 2;
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t point = (uint32_t)(units[2 * i] | units[2 * i + 1] << 8);
		if (i == 0 && point == BYTE_ORDER_MARK)
			continue;
		const uint32_t next =
			i + 1 < count ? (uint32_t)(units[2 * i + 2] | units[2 * i + 3] << 8) : 0;
		if (is_high(point) && is_low(next)) {
			point = 0x10000 + ((point - 0xd800) << 10) + (next - 0xdc00);
			i++;
		} else if (is_high(point) || is_low(point)) {
			point = REPLACEMENT;
		}
		const size_t size = put_utf8(point, out_text + used, room_bytes - used);
		if (size == 0)
			break;
		used += size;
	}
	return used;
}

/* Reads one code point; an invalid one is one byte long and REPLACEMENT. */
static size_t take_utf8(const uint8_t *at, size_t left, uint32_t *out_point)
{
	const uint8_t lead = at[0];
	const size_t size = lead < 0x80			  ? 1
			    : lead >= 0xc2 && lead < 0xe0 ? 2
			    : (lead & 0xf0) == 0xe0	  ? 3
			    : lead >= 0xf0 && lead < 0xf5 ? 4
							  : 0;
	static const uint8_t masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	*out_point = REPLACEMENT;
	if (size == 0 || size > left)
		return 1;
	uint32_t point = lead & masks[size];
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 1;
		point = point << 6 | (at[i] & 0x3f);
	}
	if (point < least[size] || point > 0x10ffff || is_high(point) || is_low(point))
		return 1;
	*out_point = point;
	return size;
}

static void put_unit(uint8_t *out, uint32_t unit)
{
	out[0] = (uint8_t)unit;
	out[1] = (uint8_t)(unit >> 8);
}

size_t utf16le_from_utf8(const char *text, size_t size_bytes, void *out_bytes, size_t room_bytes)
{
	uint8_t *const out = out_bytes;
	size_t used = 0;
	if (room_bytes < 2)
		return 0;
	put_unit(out, BYTE_ORDER_MARK);
	used += 2;
	for (size_t i = 0; i < size_bytes && room_bytes - used >= 4;) {
		uint32_t point;
		i += take_utf8((const uint8_t *)text + i, size_bytes - i, &point);
		if (point >= 0x10000) {
			put_unit(out + used, 0xd800 + ((point - 0x10000) >> 10));
			put_unit(out + used + 2, 0xdc00 + ((point - 0x10000) & 0x3ff));
			used += 4;
		} else {
			put_unit(out + used, point);
			used += 2;
		}
	}
	return used;
}
