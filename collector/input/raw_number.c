/* Numbers and times out of raw texts. Declared in mapping.h. */
#include <string.h>

#include "collector/input/mapping.h"

static int digit_of(char character, unsigned base)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	const char lower = (char)(character | 0x20);
	return base == 16 && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool raw_integer(const struct raw_value *value, int64_t *out_integer)
{
	if (!value || value->size_bytes == 0)
		return false;
	const char *at = value->text;
	const char *const end = at + value->size_bytes;
	const bool negative = *at == '-';
	at += negative;
	const bool hexadecimal = end - at > 2 && at[0] == '0' && (at[1] | 0x20) == 'x';
	const unsigned base = hexadecimal ? 16 : 10;
	at += hexadecimal ? 2 : 0;
	if (at == end)
		return false;
	uint64_t number = 0;
	for (; at < end; at++) {
		const int digit = digit_of(*at, base);
		if (digit < 0 || number > ((uint64_t)INT64_MAX - (unsigned)digit) / base)
			return false;
		number = number * base + (unsigned)digit;
	}
	*out_integer = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

/* Unix time whose unit its size tells: seconds until the year 5138, then milliseconds,
 * microseconds, nanoseconds. */
static bool unix_time(const struct raw_value *value, uint64_t *out_unix_ns)
{
	int64_t number;
	if (!raw_integer(value, &number) || number <= 0)
		return false;
	uint64_t unit_ns = 1000000000;
	for (int64_t limit = 100000000000; number >= limit && unit_ns > 1; unit_ns /= 1000) {
		if (limit > INT64_MAX / 1000)
			break;
		limit *= 1000;
	}
	if ((uint64_t)number > UINT64_MAX / unit_ns)
		return false;
	*out_unix_ns = (uint64_t)number * unit_ns;
	return true;
}

bool raw_time(const struct raw_value *value, uint64_t *out_unix_ns)
{
	static const char prefix[] = "/Date(";
	if (!value)
		return false;
	if (time_parse_iso8601(value->text, value->size_bytes, out_unix_ns))
		return true;
	struct raw_value number = *value;
	if (number.size_bytes > sizeof(prefix) && memcmp(number.text, prefix, 6) == 0) {
		const char *close = memchr(number.text, ')', number.size_bytes);
		if (!close)
			return false;
		number.text += 6;
		number.size_bytes = (uint32_t)(close - number.text);
	}
	return unix_time(&number, out_unix_ns);
}
