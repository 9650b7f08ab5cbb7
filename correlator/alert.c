#include "correlator/alert.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/hash.h"

/* What a packed alert starts with. The events follow, each at a multiple of 8, in stage order. */
struct packed_alert {
	const struct rule *rule;
	uint64_t time_ns;
	struct alert_quality quality;
	uint32_t update_count;
	uint16_t event_count;
	uint8_t kind;
	uint8_t unused;
	char id[ALERT_ID_TEXT_MAX];
	uint8_t missing[RULE_STAGES_MAX / 8]; /* bit set: the slot of a missing event */
};

static_assert(RULE_STAGES_MAX % 8 == 0, "the bit set is made of whole bytes");

static size_t round_up_to_8(size_t size_bytes)
{
	return (size_bytes + 7) & ~(size_t)7;
}

/* A name-based UUID in the custom form of RFC 9562, section 5.8 (version 8). Not version 7: that
 * begins with a time, and the only times at hand move when the evidence improves, while the id of
 * an alert must be the same in every update and every run. */
static void format_id(uint64_t high, uint64_t low, char out_id[ALERT_ID_TEXT_MAX])
{
	snprintf(out_id, ALERT_ID_TEXT_MAX, "%08x-%04x-8%03x-%04x-%012llx", (unsigned)(high >> 32),
		 (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
		 (unsigned)(0x8000 | (low >> 48 & 0x3fff)),
		 (unsigned long long)(low & 0xffffffffffffULL));
}

void alert_identify(struct alert *alert, uint64_t match_identity)
{
	/* Fixed seeds: the id is public, and whoever could choose collisions could only merge
	 * alerts that they raised themselves. */
	static const struct hash_seed seeds[2] = {
		{ { 0x70726f637370616eULL, 0x616c657274206964ULL } },
		{ { 0x616c657274206964ULL, 0x70726f637370616eULL } },
	};
	uint64_t halves[2];
	for (int i = 0; i < 2; i++) {
		const struct hash_seed seed = {
			{ seeds[i].words[0] ^ match_identity, seeds[i].words[1] },
		};
		halves[i] = hash_bytes(&seed, alert->rule->id, strlen(alert->rule->id));
	}
	format_id(halves[0], halves[1], alert->id);

	alert->time_ns = 0;
	for (size_t i = 0; i < alert->event_count; i++)
		if (alert->events[i] && alert->events[i]->time_ns > alert->time_ns)
			alert->time_ns = alert->events[i]->time_ns;
}

size_t alert_packed_bytes(const struct alert *alert)
{
	size_t size_bytes = round_up_to_8(sizeof(struct packed_alert));
	for (size_t i = 0; i < alert->event_count; i++)
		if (alert->events[i])
			size_bytes += round_up_to_8(alert->events[i]->size_bytes);
	return size_bytes;
}

void alert_pack(const struct alert *alert, void *out_block)
{
	assert(alert->event_count <= RULE_STAGES_MAX);
	struct packed_alert *packed = out_block;
	memset(packed, 0, sizeof(*packed));
	packed->rule = alert->rule;
	packed->time_ns = alert->time_ns;
	packed->quality = alert->quality;
	packed->update_count = alert->update_count;
	packed->event_count = (uint16_t)alert->event_count;
	packed->kind = (uint8_t)alert->kind;
	memcpy(packed->id, alert->id, sizeof(packed->id));
	char *at = (char *)out_block + round_up_to_8(sizeof(*packed));
	for (size_t i = 0; i < alert->event_count; i++) {
		const struct event *event = alert->events[i];
		if (!event) {
			packed->missing[i / 8] |= (uint8_t)(1U << i % 8);
			continue;
		}
		memcpy(at, event, event->size_bytes);
		at += round_up_to_8(event->size_bytes);
	}
}

void alert_unpack(const void *block, struct alert *out_alert)
{
	const struct packed_alert *packed = block;
	out_alert->kind = (enum alert_kind)packed->kind;
	out_alert->rule = packed->rule;
	memcpy(out_alert->id, packed->id, sizeof(packed->id));
	out_alert->time_ns = packed->time_ns;
	out_alert->update_count = packed->update_count;
	out_alert->quality = packed->quality;
	out_alert->event_count = packed->event_count;
	const char *at = (const char *)block + round_up_to_8(sizeof(*packed));
	for (size_t i = 0; i < packed->event_count; i++) {
		out_alert->events[i] = NULL;
		if (packed->missing[i / 8] & 1U << i % 8)
			continue;
		const struct event *event = (const void *)at;
		out_alert->events[i] = event;
		at += round_up_to_8(event->size_bytes);
	}
}
