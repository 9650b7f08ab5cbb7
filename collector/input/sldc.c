#include "collector/input/sldc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

enum { HISTORY_BYTES = 1024, HISTORY_BITS = 10, SCHEME_UNSET = 0, SCHEME_1 = 1, SCHEME_2 = 2 };

/* The four bits behind nine ones. */
enum control {
	CONTROL_FLUSH = 0,
	CONTROL_SCHEME_1 = 1,
	CONTROL_SCHEME_2 = 2,
	CONTROL_FILE_MARK = 3,
	CONTROL_END_OF_RECORD = 4,
	CONTROL_RESET_1 = 5,
	CONTROL_RESET_2 = 6,
	CONTROL_END_MARKER = 15,
};

struct decoder {
	const uint8_t *bytes;
	size_t size_bits;
	size_t at_bit;
	bool truncated; /* a read ran past the end; it and all later ones yield 0 */
	int scheme;
	uint8_t history[HISTORY_BYTES];
	unsigned history_at;
	uint8_t *out;
	size_t used;
	size_t room;
};

static unsigned take_bits(struct decoder *decoder, unsigned count)
{
	if (decoder->truncated || count > decoder->size_bits - decoder->at_bit) {
		decoder->truncated = true;
		return 0;
	}
	unsigned value = 0;
	for (; count > 0; count--, decoder->at_bit++) {
		const unsigned byte = decoder->bytes[decoder->at_bit / 8];
		value = value << 1 | (byte >> (7 - decoder->at_bit % 8) & 1);
	}
	return value;
}

static bool emit(struct decoder *decoder, uint8_t byte)
{
	if (decoder->used == decoder->room)
		return false;
	decoder->out[decoder->used++] = byte;
	decoder->history[decoder->history_at] = byte;
	decoder->history_at = (decoder->history_at + 1) % HISTORY_BYTES;
	return true;
}

/* Obeys the control symbol whose nine ones were read. 1: go on, 0: the record ends, or -errno. */
static int obey(struct decoder *decoder)
{
	switch (take_bits(decoder, 4)) {
	case CONTROL_FLUSH: /* padded to 32 bits */
		decoder->at_bit = (decoder->at_bit + 31) & ~(size_t)31;
		decoder->truncated |= decoder->at_bit > decoder->size_bits;
		return 1;
	case CONTROL_RESET_1:
		decoder->history_at = 0;
		decoder->scheme = SCHEME_1;
		return 1;
	case CONTROL_RESET_2:
		decoder->history_at = 0;
		decoder->scheme = SCHEME_2;
		return 1;
	case CONTROL_SCHEME_1:
		decoder->scheme = SCHEME_1;
		return 1;
	case CONTROL_SCHEME_2:
		decoder->scheme = SCHEME_2;
		return 1;
	case CONTROL_FILE_MARK:
		return 1;
	case CONTROL_END_OF_RECORD:
	case CONTROL_END_MARKER:
		return 0;
	default:
		return -EPROTO;
	}
}

/* Match lengths: a prefix of ones says how many bits follow.
 *
 *	0x 2-3   10xx 4-7   110xxx 8-15   1110xxxx 16-31   1111xxxxxxxx 32-271
 *	11111111 a control symbol
 */
static int copy_match(struct decoder *decoder)
{
	static const unsigned bases[] = { 2, 4, 8, 16, 32 };
	static const unsigned bits[] = { 1, 2, 3, 4, 8 };
	unsigned row = 0;
	while (row < 4 && take_bits(decoder, 1) == 1)
		row++;
	unsigned length = 0;
	if (row == 4) {
		const unsigned high = take_bits(decoder, 4);
		if (high == 15)
			return obey(decoder);
		length = bases[row] + (high << 4 | take_bits(decoder, 4));
	} else {
		length = bases[row] + take_bits(decoder, bits[row]);
	}
	unsigned from = take_bits(decoder, HISTORY_BITS);
	for (; length > 0 && !decoder->truncated; length--, from = (from + 1) % HISTORY_BYTES)
		if (!emit(decoder, decoder->history[from]))
			return -EMSGSIZE;
	return 1;
}

static int scheme_1_symbol(struct decoder *decoder)
{
	if (take_bits(decoder, 1) == 1)
		return copy_match(decoder);
	const uint8_t literal = (uint8_t)take_bits(decoder, 8);
	return decoder->truncated || emit(decoder, literal) ? 1 : -EMSGSIZE;
}

/* Literals; a byte of ones is followed by a 0, or by a 1 and begins a control symbol then. */
static int scheme_2_symbol(struct decoder *decoder)
{
	const uint8_t literal = (uint8_t)take_bits(decoder, 8);
	if (literal == 0xff && take_bits(decoder, 1) == 1)
		return obey(decoder);
	return decoder->truncated || emit(decoder, literal) ? 1 : -EMSGSIZE;
}

ssize_t sldc_decode(const void *bytes, size_t size_bytes, void *out_bytes, size_t room_bytes)
{
	struct decoder decoder = {
		.bytes = bytes, .size_bits = 8 * size_bytes, .out = out_bytes, .room = room_bytes
	};
	if (take_bits(&decoder, 9) != 0x1ff) /* it says first which scheme it uses */
		return -EPROTO;
	int status = obey(&decoder);
	while (status == 1 && !decoder.truncated) {
		if (decoder.scheme == SCHEME_UNSET)
			return -EPROTO;
		status = decoder.scheme == SCHEME_1 ? scheme_1_symbol(&decoder)
						    : scheme_2_symbol(&decoder);
	}
	if (status < 0)
		return status;
	return decoder.truncated ? -EPROTO : (ssize_t)decoder.used;
}
