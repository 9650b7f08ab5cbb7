/* Method dns: a process of that host resolved a name to the flow's remote address shortly before
 * the flow began (Sysmon 22, Endpoint DNS). Sure only when nobody else did. */
#include "correlator/attribution.h"

#define NS_PER_SECOND	   UINT64_C(1000000000)
#define RESOLVED_BEFORE_NS (60 * NS_PER_SECOND)
#define RESOLVED_AFTER_NS                                                                          \
	(10 * NS_PER_SECOND) /* Sysmon writes the event seconds after the answer */
#define RESOLVED_JUST_NS (15 * NS_PER_SECOND)

/* Services that the system itself asks for everybody: whoever resolved the server's name, it is not
 * the one that speaks to it there. */
static bool is_of_the_system(const struct flow_event *flow)
{
	static const uint16_t ports[] = { 53, 67, 88, 123, 137, 138, 464, 547, 1900, 5353, 5355 };
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (flow->destination_port == ports[i])
			return true;
	return false;
}

size_t attribution_dns(const struct world *world, const struct flow_event *flow,
		       enum flow_side side, const struct verdict *so_far,
		       struct candidate out_candidates[CANDIDATES_MAX])
{
	if (side != SIDE_SOURCE || so_far->host == HOST_NONE || is_of_the_system(flow))
		return 0; /* who resolves a name opens the connection */
	const struct fact_key key = { .kind = FACT_RESOLVED, .address = flow->destination };
	size_t count = 0;
	int looked = 0;
	for (const struct fact *fact = fact_table_first(world->facts, &key);
	     fact && looked < 8 * CHAIN_LOOK_MAX; fact = fact_table_next(world->facts, fact)) {
		looked++;
		if (fact->process == NO_SLOT ||
		    !host_table_same(world->hosts, fact->host, so_far->host))
			continue;
		const struct process *named = process_table_at(world->processes, fact->process);
		const struct clock_reading clock = host_table_read_clock(
			world->hosts, fact->host, (enum clock_source)fact->source, fact->label_ns);
		const uint64_t at_ns = wire_time(&clock, fact->label_ns);
		if (clock.trust <= 0 || named->generation != fact->process_generation ||
		    at_ns > flow->start_ns + RESOLVED_AFTER_NS ||
		    at_ns + RESOLVED_BEFORE_NS < flow->start_ns)
			continue;
		const struct process_choice choice =
			process_table_resolve(world->processes, fact->process, flow->start_ns);
		if (!process_lived_at(process_table_at(world->processes, choice.slot), world->hosts,
				      flow->start_ns))
			continue;
		const int64_t skew_ns = (int64_t)(at_ns - flow->start_ns);
		const uint64_t apart_ns = (uint64_t)(skew_ns < 0 ? -skew_ns : skew_ns);
		const struct candidate candidate = {
			.process = choice.slot,
			.evidence_count = 1,
			.confidence = (apart_ns <= RESOLVED_JUST_NS ? 0.9 : 0.6) * clock.trust,
			.apart_ns = apart_ns,
			.skew_ns = skew_ns,
		};
		count = candidate_add(out_candidates, count, &candidate);
	}
	return count;
}
