#include "correlator/ledger.h"

#include <assert.h>
#include <stdlib.h>

struct entry {
	uint16_t open_count; /* destinations that have not settled it */
	bool lost;
};

/* Entries first..next stand in a circle of `room` (a power of two). */
struct ledger {
	struct counters *counters;
	struct entry *entries;
	uint64_t room;
	uint64_t first;
	uint64_t next;
};

enum { ROOM_AT_FIRST = 1024 };

struct ledger *ledger_open(struct counters *counters)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	if (ledger)
		ledger->counters = counters;
	return ledger;
}

static struct entry *entry_of(const struct ledger *ledger, uint64_t alert)
{
	return &ledger->entries[alert & (ledger->room - 1)];
}

static bool grow(struct ledger *ledger)
{
	const uint64_t room = ledger->room ? 2 * ledger->room : ROOM_AT_FIRST;
	struct entry *entries = calloc(room, sizeof(*entries));
	if (!entries)
		return false;
	for (uint64_t alert = ledger->first; alert < ledger->next; alert++)
		entries[alert & (room - 1)] = *entry_of(ledger, alert);
	free(ledger->entries);
	ledger->entries = entries;
	ledger->room = room;
	return true;
}

uint64_t ledger_add(struct ledger *ledger, uint16_t destination_count)
{
	if (ledger->next - ledger->first == ledger->room && !grow(ledger)) {
		counter_add(ledger->counters, COUNTER_alerts_lost_output, 1);
		return UINT64_MAX;
	}
	*entry_of(ledger, ledger->next) = (struct entry){ .open_count = destination_count };
	return ledger->next++;
}

void ledger_settle(struct ledger *ledger, uint64_t alert, bool taken)
{
	assert(alert >= ledger->first && alert < ledger->next);
	struct entry *entry = entry_of(ledger, alert);
	entry->open_count--;
	entry->lost |= !taken;
	for (; ledger->first < ledger->next; ledger->first++) {
		entry = entry_of(ledger, ledger->first);
		if (entry->open_count > 0)
			return;
		counter_add(ledger->counters,
			    entry->lost ? COUNTER_alerts_lost_output : COUNTER_alerts_delivered, 1);
	}
}

void ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	for (; ledger->first < ledger->next; ledger->first++) {
		const struct entry *entry = entry_of(ledger, ledger->first);
		counter_add(ledger->counters,
			    entry->lost		     ? COUNTER_alerts_lost_output
			    : entry->open_count == 0 ? COUNTER_alerts_delivered
						     : COUNTER_alerts_spooled,
			    1);
	}
	free(ledger->entries);
	free(ledger);
}
