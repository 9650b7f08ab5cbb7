/* Method lifetime: processes of that host that were alive then and are known to talk to the same
 * remote address and port. A hint and never more: the joined event names them as runners-up, and
 * leaves process.* empty. */
#include "correlator/attribution.h"

#define CONFIDENCE_MOST 0.4

size_t attribution_lifetime(const struct world *world, const struct flow_event *flow,
			    enum flow_side side, const struct verdict *so_far,
			    struct candidate out_candidates[CANDIDATES_MAX])
{
	if (side != SIDE_SOURCE || so_far->host == HOST_NONE)
		return 0;
	const struct fact_key key = {
		.kind = FACT_PEER,
		.address = flow->destination,
		.ip_protocol = flow->ip_protocol,
		.port = flow->destination_port,
	};
	size_t count = 0;
	int looked = 0;
	for (const struct fact *fact = fact_table_first(world->facts, &key);
	     fact && looked < CHAIN_LOOK_MAX; fact = fact_table_next(world->facts, fact)) {
		looked++;
		if (fact->process == NO_SLOT ||
		    !host_table_same(world->hosts, fact->host, so_far->host))
			continue;
		const struct process *named = process_table_at(world->processes, fact->process);
		if (named->generation != fact->process_generation)
			continue;
		const struct process_choice choice =
			process_table_resolve(world->processes, fact->process, flow->start_ns);
		if (!process_lived_at(process_table_at(world->processes, choice.slot), world->hosts,
				      flow->start_ns))
			continue;
		const struct clock_reading clock = host_table_read_clock(
			world->hosts, fact->host, (enum clock_source)fact->source, fact->label_ns);
		const uint64_t at_ns = wire_time(&clock, fact->label_ns);
		const int64_t skew_ns = (int64_t)(at_ns - flow->start_ns);
		const struct candidate candidate = {
			.process = choice.slot,
			.evidence_count = 1,
			.confidence = CONFIDENCE_MOST,
			.apart_ns = (uint64_t)(skew_ns < 0 ? -skew_ns : skew_ns),
			.skew_ns = skew_ns,
		};
		count = candidate_add(out_candidates, count, &candidate);
	}
	return count;
}
