/* Method tuple: the owner's host reported a connection with this very five-tuple, near in time once
 * its clock's offset is taken off. */
#include "correlator/attribution.h"

#define NS_PER_SECOND INT64_C(1000000000)

/* A report right beside the first packet is worth more than one at the edge of what is accepted. */
static double nearness(uint64_t apart_ns)
{
	if (apart_ns <= 10 * NS_PER_SECOND)
		return 1;
	return apart_ns <= 40 * NS_PER_SECOND ? 0.97 : 0.9;
}

size_t attribution_tuple(const struct world *world, const struct flow_event *flow,
			 enum flow_side side, const struct verdict *so_far,
			 struct candidate out_candidates[CANDIDATES_MAX])
{
	(void)side; /* the reports were chosen by it */
	size_t count = 0;
	for (size_t i = 0; i < so_far->report_count; i++) {
		const struct report *report = &world->connections.reports[so_far->reports[i]];
		if (report->process == NO_SLOT)
			continue;
		const struct process *named = process_table_at(world->processes, report->process);
		if (named->generation != report->process_generation)
			continue; /* forgotten since */
		const struct clock_reading clock = attribution_clock_of_report(world, report);
		const uint64_t wire_ns = wire_time(&clock, report->label_ns);
		const struct process_choice choice =
			process_table_resolve(world->processes, report->process, wire_ns);
		const int64_t skew_ns = flow ? (int64_t)(wire_ns - flow->start_ns) : 0;
		const uint64_t apart_ns = flow ? attribution_distance(flow, wire_ns) : 0;
		const double by_name = named->kind == PROCESS_GUID ? 0.99 : 0.98;
		const double by_clock = flow ? clock.trust : 1;
		const struct candidate candidate = {
			.process = choice.slot,
			.evidence_count = 1,
			.confidence =
				by_name * (choice.sure ? 1 : 0.93) * by_clock * nearness(apart_ns),
			.apart_ns = apart_ns,
			.skew_ns = skew_ns,
		};
		count = candidate_add(out_candidates, count, &candidate);
	}
	return count;
}
