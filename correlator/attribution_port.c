/* Method port: a process of that host bound the flow's local port (Security 5158), or reported
 * another flow from the same socket, while this flow was open. */
#include "correlator/attribution.h"

#define NS_PER_SECOND	 UINT64_C(1000000000)
#define BIND_BEFORE_NS	 (10 * NS_PER_SECOND) /* an ephemeral port is bound right before use */
#define BIND_AFTER_NS	 (5 * NS_PER_SECOND)  /* the report's delay and the clock's error */
#define LISTEN_BEFORE_NS (UINT64_C(30) * 24 * 3600 * NS_PER_SECOND)

enum { EPHEMERAL_FIRST = 1025 };

static bool is_any(const struct ip_address *address)
{
	static const struct ip_address any_v6;
	static const struct ip_address any_v4 = { .bytes = { [10] = 0xff, [11] = 0xff } };
	return ip_address_equal(address, &any_v6) || ip_address_equal(address, &any_v4);
}

size_t attribution_port(const struct world *world, const struct flow_event *flow,
			enum flow_side side, const struct verdict *so_far,
			struct candidate out_candidates[CANDIDATES_MAX])
{
	const bool opener = side == SIDE_SOURCE;
	const struct ip_address *local = opener ? &flow->source : &flow->destination;
	const struct fact_key key = {
		.kind = FACT_BIND,
		.ip_protocol = flow->ip_protocol,
		.port = opener ? flow->source_port : flow->destination_port,
	};
	if (so_far->host == HOST_NONE || address_is_shared(local))
		return 0;
	/* the newest bind before the flow began is the one that held the port then */
	const struct fact *best = NULL;
	uint64_t best_ns = 0;
	double best_trust = 0;
	int looked = 0;
	for (const struct fact *fact = fact_table_first(world->facts, &key);
	     fact && looked < 8 * CHAIN_LOOK_MAX; fact = fact_table_next(world->facts, fact)) {
		looked++;
		if (!host_table_same(world->hosts, fact->host, so_far->host) ||
		    !(is_any(&fact->local) || ip_address_equal(&fact->local, local)))
			continue;
		const struct clock_reading clock = host_table_read_clock(
			world->hosts, fact->host, (enum clock_source)fact->source, fact->label_ns);
		const uint64_t bound_ns = wire_time(&clock, fact->label_ns);
		const uint64_t before_ns =
			opener && key.port >= EPHEMERAL_FIRST ? BIND_BEFORE_NS : LISTEN_BEFORE_NS;
		if (clock.trust <= 0 || bound_ns > flow->start_ns + BIND_AFTER_NS ||
		    bound_ns + before_ns < flow->start_ns)
			continue;
		if (best && (bound_ns < best_ns ||
			     (bound_ns == best_ns && fact->identity >= best->identity)))
			continue;
		best = fact;
		best_ns = bound_ns;
		best_trust = clock.trust;
	}
	if (!best || best->process == NO_SLOT)
		return 0;
	const struct process *named = process_table_at(world->processes, best->process);
	if (named->generation != best->process_generation)
		return 0;
	const struct process_choice choice =
		process_table_resolve(world->processes, best->process, flow->start_ns);
	const struct process *owner = process_table_at(world->processes, choice.slot);
	if (!process_lived_at(owner, world->hosts, flow->start_ns))
		return 0; /* it had ended: somebody else has the port now */
	const struct candidate candidate = {
		.process = choice.slot,
		.evidence_count = 1,
		.confidence = (opener ? 0.95 : 0.92) * (choice.sure ? 1 : 0.9) * best_trust,
		.apart_ns = best_ns < flow->start_ns ? flow->start_ns - best_ns
						     : best_ns - flow->start_ns,
		.skew_ns = (int64_t)(best_ns - flow->start_ns),
	};
	return candidate_add(out_candidates, 0, &candidate);
}
