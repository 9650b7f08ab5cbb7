/* Host events on their way to the rules: kept until nothing can change what they mean, because
 * their place on the wire's time line and the id of their process may still become known. A process
 * start reported by several sources is said as one event. */
#include "correlator/correlator_state.h"

static void say_held(struct correlator *correlator, struct held_event *held)
{
	const struct world *world = &correlator->world;
	const struct process *process =
		held->process == NO_SLOT ? NULL : process_table_at(world->processes, held->process);
	const bool alive = process && process->generation == held->process_generation;
	const struct event *event = NULL;
	if (held->event == CELL_NONE) {
		if (!alive)
			return; /* forgotten, and counted there */
		bool exact;
		const struct process_choice choice =
			process_table_resolve(world->processes, held->process,
					      process_start_wire_ns(process, world->hosts, &exact));
		event = join_process_start(correlator->joiner, world, choice.slot);
	} else {
		const struct event *stored =
			cell_store_get(world->store, held->event, &correlator->buffer);
		event = join_host_event(correlator->joiner, world, stored,
					alive ? held->process : NO_SLOT,
					hold_wire_ns(correlator, held));
	}
	if (!event)
		return;
	say_event(correlator, event, held->said);
	held->said = true;
}

uint64_t hold_wire_ns(const struct correlator *correlator, const struct held_event *held)
{
	if (held->host == HOST_NONE)
		return held->label_ns;
	const struct clock_reading clock =
		host_table_read_event_clock(correlator->world.hosts, held->host,
					    (enum clock_source)held->source, held->label_ns);
	return wire_time(&clock, held->label_ns);
}

static void forget(struct correlator *correlator, uint32_t slot)
{
	cell_store_drop(correlator->world.store, correlator->held[slot].event);
	aged_slots_give(&correlator->held_slots, slot);
}

static void make_room(struct correlator *correlator)
{
	const uint32_t oldest = correlator->held_slots.oldest;
	counter_add(correlator->counters, COUNTER_sequence_events_evicted, 1);
	say_held(correlator, &correlator->held[oldest]);
	forget(correlator, oldest);
}

void hold_event(struct correlator *correlator, const struct event *event, size_t step_count,
		const struct learned *learned)
{
	const bool is_start = event->role == EVENT_PROCESS_START && learned->process != NO_SLOT;
	if (!correlator->ruleset || (step_count == 0 && !is_start && !correlator->sink.event))
		return;
	if (correlator->held_slots.count == correlator->held_slots.capacity)
		make_room(correlator);
	struct held_event held = {
		.event = CELL_NONE,
		.host = learned->host,
		.process = learned->process,
		.source = (uint8_t)learned->source,
		.role = event->role,
		.label_ns = learned->label_ns,
		.arrived_ns = correlator->watermark_ns,
		.identity = event->identity,
	};
	if (held.process != NO_SLOT)
		held.process_generation =
			process_table_at(correlator->world.processes, held.process)->generation;
	while (!is_start && held.event == CELL_NONE) {
		held.event = cell_store_put(correlator->world.store, event);
		if (held.event == CELL_NONE && correlator->held_slots.count == 0) {
			counter_add(correlator->counters, COUNTER_sequence_events_evicted, 1);
			return;
		}
		if (held.event == CELL_NONE)
			make_room(correlator);
	}
	const uint32_t slot = aged_slots_take(&correlator->held_slots);
	correlator->held[slot] = held;
	if (!correlator->settings.settle)
		say_held(correlator, &correlator->held[slot]);
}

/* Replay: a label of a host whose clock is not known yet may be hours off, so it waits. */
static bool is_due(const struct correlator *correlator, const struct held_event *held,
		   uint64_t wire_ns, uint64_t due_ns)
{
	if (due_ns == UINT64_MAX)
		return true;
	if (held->arrived_ns > due_ns || wire_ns > due_ns)
		return false;
	return !correlator->settings.settle || held->host == HOST_NONE ||
	       host_table_read_clock(correlator->world.hosts, held->host,
				     (enum clock_source)held->source, held->label_ns)
			       .trust > 0;
}

void hold_sweep(struct correlator *correlator, uint64_t due_ns)
{
	struct sort_key *keys = correlator->order;
	size_t count = 0;
	for (uint32_t slot = correlator->held_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&correlator->held_slots, slot)) {
		const struct held_event *held = &correlator->held[slot];
		const uint64_t wire_ns = hold_wire_ns(correlator, held);
		if (is_due(correlator, held, wire_ns, due_ns))
			keys[count++] = (struct sort_key){ wire_ns, held->identity, slot };
	}
	sort_keys(keys, count);
	for (size_t i = 0; i < count; i++) {
		struct held_event *held = &correlator->held[keys[i].slot];
		if (!held->said)
			say_held(correlator, held);
		forget(correlator, keys[i].slot);
	}
}

uint64_t hold_earliest_pending(const struct correlator *correlator)
{
	uint64_t earliest_ns = UINT64_MAX;
	for (uint32_t slot = correlator->held_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&correlator->held_slots, slot)) {
		const uint64_t wire_ns = hold_wire_ns(correlator, &correlator->held[slot]);
		earliest_ns = wire_ns < earliest_ns ? wire_ns : earliest_ns;
	}
	return earliest_ns;
}

void hold_revise(struct correlator *correlator)
{
	for (uint32_t slot = correlator->held_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&correlator->held_slots, slot)) {
		struct held_event *held = &correlator->held[slot];
		if (held->host == HOST_NONE)
			continue;
		const uint32_t revision = host_table_clock_revision(
			correlator->world.hosts, held->host, (enum clock_source)held->source);
		if (held->clock_revision == revision)
			continue;
		held->clock_revision = revision;
		say_held(correlator, held);
	}
}
