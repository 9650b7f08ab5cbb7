/* Which of Sysmon's times an event gets.
 *
 * A Sysmon event has two: UtcTime, its own, and the record's. UtcTime is always UTC, to the
 * millisecond, while the record's may be local time in whole seconds, so UtcTime is the @timestamp,
 * as Elastic has it. But network and DNS events are stamped by a trace session, whose clock drifts
 * away from the system's (seconds in most of the real logs tested, 62 s in one, 4.8 days in one),
 * and with one offset per host and source process starts and connections must share a clock. So the
 * label the correlator works with is always on the record's clock: the record's time for network
 * and DNS events, and for all others UtcTime moved into the record's zone, which is the same but
 * finer.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/input/sysmon.h"

#define SECONDS_NS(seconds) (INT64_C(1000000000) * (seconds))

static const int64_t zone_step_ns = SECONDS_NS(INT64_C(15) * 60); /* zones are quarter hours */
static const int64_t zone_max_ns =
	SECONDS_NS(INT64_C(26) * 3600); /* 14 h east, and a 12-hour clock */
static const int64_t clock_error_max_ns =
	SECONDS_NS(INT64_C(5) * 60);			    /* beyond it UtcTime is wrong */
static const int64_t written_before_max_ns = SECONDS_NS(2); /* records cut to whole seconds */
static const int64_t written_after_max_ns = SECONDS_NS(60);

/* The whole quarter hours in `difference`, nearest. */
static int64_t zone_of(int64_t difference_ns)
{
	const int64_t half = difference_ns < 0 ? -zone_step_ns / 2 : zone_step_ns / 2;
	return (difference_ns + half) / zone_step_ns * zone_step_ns;
}

/* The start second that a Sysmon process GUID holds: {mmmmmmmm-LLLL-HHHH-...}. 0 = none. */
static uint64_t start_of_guid(const struct raw_value *guid)
{
	struct raw_value digits[2];
	char text[2][6] = { "0x", "0x" };
	int64_t low;
	int64_t high;
	const size_t brace = guid && guid->size_bytes > 0 && guid->text[0] == '{';
	if (!guid || guid->size_bytes < brace + 18 || guid->text[brace + 8] != '-' ||
	    guid->text[brace + 13] != '-')
		return 0;
	for (size_t i = 0; i < 2; i++) {
		memcpy(text[i] + 2, guid->text + brace + 9 + 5 * i, 4);
		digits[i] =
			(struct raw_value){ .text = text[i], .size_bytes = 6, .kind = RAW_TEXT };
	}
	if (!raw_integer(&digits[0], &low) || !raw_integer(&digits[1], &high))
		return 0;
	return (uint64_t)(high << 16 | low) * (uint64_t)SECONDS_NS(1);
}

/* process.start on the label's clock, so that the two can be compared. */
static void map_start(struct mapping *mapping, int64_t zone_ns)
{
	if (mapping->header->role == EVENT_PROCESS_START) {
		event_add_time(mapping->builder, FIELD_process_start,
			       mapping->header->host_time_ns);
		return;
	}
	const uint64_t start_ns = start_of_guid(raw_get(mapping->raw, RAW_ProcessGuid));
	if (start_ns > (uint64_t)zone_max_ns)
		event_add_time(mapping->builder, FIELD_process_start,
			       (uint64_t)((int64_t)start_ns - zone_ns));
}

void sysmon_map_time(struct mapping *mapping, bool own_clock)
{
	uint64_t utc_ns;
	const uint64_t record_ns = mapping->record_ns;
	if (!raw_time(raw_get(mapping->raw, RAW_UtcTime), &utc_ns) || utc_ns == record_ns ||
	    utc_ns > INT64_MAX || record_ns > INT64_MAX) {
		event_add_time(mapping->builder, FIELD_timestamp, record_ns);
		map_start(mapping, 0);
		return;
	}
	const int64_t difference = (int64_t)utc_ns - (int64_t)record_ns;
	const int64_t zone_ns = zone_of(difference);
	const bool believable =
		llabs(zone_ns) <= zone_max_ns && llabs(difference - zone_ns) <= clock_error_max_ns;
	event_add_time(mapping->builder, FIELD_timestamp, believable ? utc_ns : record_ns);
	if (!believable)
		return;
	const int64_t written_after = zone_ns - difference;
	if (!own_clock && written_after >= -written_before_max_ns &&
	    written_after <= written_after_max_ns) {
		mapping->header->host_time_ns = (uint64_t)((int64_t)utc_ns - zone_ns);
		mapping->header->time_ns = mapping->header->host_time_ns;
	}
	map_start(mapping, zone_ns);
}
