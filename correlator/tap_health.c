#include "correlator/tap_health.h"

#define NS_PER_MINUTE (UINT64_C(60) * 1000000000)

static void add(struct tap_totals *into, const struct tap_totals *totals)
{
	into->packets_seen += totals->packets_seen;
	into->packets_lost += totals->packets_lost;
	into->records_lost += totals->records_lost;
}

static void add_to_minute(struct tap_health *health, uint64_t number,
			  const struct tap_totals *totals)
{
	struct tap_minute *minute = &health->minutes[number % TAP_HEALTH_MINUTES];
	if (minute->number != number)
		*minute = (struct tap_minute){ .number = number };
	add(&minute->totals, totals);
}

/* Counters of running threads may be read a little out of step. */
static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

void tap_health_tell(struct tap_health *health, uint64_t now_ns, const struct tap_totals *totals)
{
	const struct tap_totals fresh = {
		.packets_seen = since(health->last.packets_seen, totals->packets_seen),
		.packets_lost = since(health->last.packets_lost, totals->packets_lost),
		.records_lost = since(health->last.records_lost, totals->records_lost),
	};
	const uint64_t number = now_ns / NS_PER_MINUTE;
	const uint64_t before = health->told_ns / NS_PER_MINUTE;
	add_to_minute(health, number, &fresh);
	if (health->told && before != number)
		add_to_minute(health, before, &fresh);
	health->told = true;
	health->told_ns = now_ns;
	health->last = *totals;
}

struct tap_totals tap_health_between(const struct tap_health *health, uint64_t from_ns,
				     uint64_t to_ns)
{
	struct tap_totals sum = { 0 };
	const uint64_t last = to_ns / NS_PER_MINUTE;
	uint64_t number = from_ns / NS_PER_MINUTE;
	if (!health->told || number > last)
		return sum;
	if (last - number >= TAP_HEALTH_MINUTES)
		number = last - TAP_HEALTH_MINUTES + 1;
	for (; number <= last; number++) {
		const struct tap_minute *minute = &health->minutes[number % TAP_HEALTH_MINUTES];
		if (minute->number == number)
			add(&sum, &minute->totals);
	}
	return sum;
}

double tap_loss_percent(const struct tap_totals *totals)
{
	const double all = (double)totals->packets_seen + (double)totals->packets_lost;
	return all > 0 ? 100 * (double)totals->packets_lost / all : 0;
}
