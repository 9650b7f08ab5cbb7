/* Times as text: the ISO 8601 that event logs write. Declared in event.h. */
#include "collector/event.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NS_PER_SECOND = 1000000000 };

/* The last second that fits signed nanoseconds, 2262-04-11: what lies behind it ("9999-12-31" says
 * "never") is taken as that, as it would wrap otherwise. */
static const int64_t last_second = INT64_MAX / NS_PER_SECOND - 1;

/* Exactly `count` digits; a missing one sets *bad. */
static int digits(const char **at, const char *end, int count, bool *bad)
{
	int number = 0;
	for (int i = 0; i < count; i++, (*at)++) {
		if (*at >= end || **at < '0' || **at > '9') {
			*bad = true;
			return 0;
		}
		number = number * 10 + (**at - '0');
	}
	return number;
}

static bool skip(const char **at, const char *end, const char *any_of)
{
	if (*at >= end || !strchr(any_of, **at) || **at == '\0')
		return false;
	(*at)++;
	return true;
}

/* Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-compatible low-level
 * date algorithms"). */
static int64_t days_from_civil(int year, int month, int day)
{
	year -= month <= 2;
	const int era = year / 400;
	const int year_of_era = year - era * 400;
	const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	const int day_of_era =
		year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return (int64_t)era * 146097 + day_of_era - 719468;
}

/* Seconds east of UTC: "Z", "+02:00", "-0500", "+02" or nothing (UTC). */
static int parse_zone(const char **at, const char *end, bool *bad)
{
	if (skip(at, end, "Zz") || *at == end)
		return 0;
	const bool west = **at == '-';
	if (!skip(at, end, "+-")) {
		*bad = true;
		return 0;
	}
	const int hours = digits(at, end, 2, bad);
	int minutes = 0;
	const bool colon = skip(at, end, ":");
	if (colon || *at < end)
		minutes = digits(at, end, 2, bad);
	const int seconds = (hours * 60 + minutes) * 60;
	return west ? -seconds : seconds;
}

bool time_parse_iso8601(const char *text, size_t size_bytes, uint64_t *out_unix_ns)
{
	const char *at = text;
	const char *const end = text + size_bytes;
	bool bad = false;
	const int year = digits(&at, end, 4, &bad);
	bad |= !skip(&at, end, "-");
	const int month = digits(&at, end, 2, &bad);
	bad |= !skip(&at, end, "-");
	const int day = digits(&at, end, 2, &bad);
	if (bad || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
		return false;

	int64_t seconds = days_from_civil(year, month, day) * 86400;
	int64_t fraction_ns = 0;
	if (skip(&at, end, "T t")) {
		const int hour = digits(&at, end, 2, &bad);
		bad |= !skip(&at, end, ":");
		const int minute = digits(&at, end, 2, &bad);
		const int second = skip(&at, end, ":") ? digits(&at, end, 2, &bad) : 0;
		if (bad || hour > 24 || minute > 59 || second > 60)
			return false;
		seconds += (hour * 60 + minute) * 60 + second;
		if (skip(&at, end, ".,")) {
			int64_t place_ns = NS_PER_SECOND / 10;
			for (; at < end && *at >= '0' && *at <= '9'; at++, place_ns /= 10)
				fraction_ns += (*at - '0') * place_ns;
		}
		skip(&at, end, " ");
		seconds -= parse_zone(&at, end, &bad);
	}
	if (bad || at != end || seconds < 0)
		return false;
	if (seconds > last_second)
		seconds = last_second;
	*out_unix_ns = (uint64_t)seconds * NS_PER_SECOND + (uint64_t)fraction_ns;
	return true;
}

size_t time_format_iso8601(uint64_t unix_ns, int fraction_digits, char out_text[TIME_TEXT_MAX])
{
	const time_t seconds = (time_t)(unix_ns / NS_PER_SECOND);
	struct tm parts;
	gmtime_r(&seconds, &parts);
	size_t size = strftime(out_text, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
	if (fraction_digits > 0) {
		char fraction[16];
		snprintf(fraction, sizeof(fraction), ".%09u", (unsigned)(unix_ns % NS_PER_SECOND));
		memcpy(out_text + size, fraction, (size_t)fraction_digits + 1);
		size += (size_t)fraction_digits + 1;
	}
	out_text[size++] = 'Z';
	out_text[size] = '\0';
	return size;
}
