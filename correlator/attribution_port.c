/* Method port: a process of that host bound the flow's local port while the flow was open (Security
 * 5158). An ephemeral port is bound right before it is used, so the newest bind is the one; a
 * service port is held for long, and over UDP several processes may hold it together. */
#include "correlator/attribution.h"

#define NS_PER_SECOND	 UINT64_C(1000000000)
#define BIND_BEFORE_NS	 (10 * NS_PER_SECOND)
#define BIND_AFTER_NS	 (5 * NS_PER_SECOND) /* the clock's error */
#define LISTEN_BEFORE_NS (UINT64_C(30) * 24 * 3600 * NS_PER_SECOND)

enum { EPHEMERAL_FIRST = 1025, LOOK_MAX = 8 * CHAIN_LOOK_MAX, UDP = 17 };

/* What is asked about one end of one flow. */
struct question {
	const struct world *world;
	const struct flow_event *flow;
	struct fact_key key;
	struct ip_address local;
	uint32_t host;
	bool ephemeral;
	bool opener;
};

struct bind {
	const struct fact *fact;
	uint64_t wire_ns;
	double trust;
};

static bool is_any(const struct ip_address *address)
{
	static const struct ip_address any_v6;
	static const struct ip_address any_v4 = { .bytes = { [10] = 0xff, [11] = 0xff } };
	return ip_address_equal(address, &any_v6) || ip_address_equal(address, &any_v4);
}

/* Could this bind hold the port at the flow's start? */
static bool read_bind(const struct question *question, const struct fact *fact,
		      struct bind *out_bind)
{
	const struct host_table *hosts = question->world->hosts;
	if (fact->process == NO_SLOT || !host_table_same(hosts, fact->host, question->host) ||
	    !(is_any(&fact->local) || ip_address_equal(&fact->local, &question->local)))
		return false;
	const struct clock_reading clock = host_table_read_clock(
		hosts, fact->host, (enum clock_source)fact->source, fact->label_ns);
	*out_bind = (struct bind){ fact, wire_time(&clock, fact->label_ns), clock.trust };
	const uint64_t before_ns = question->ephemeral ? BIND_BEFORE_NS : LISTEN_BEFORE_NS;
	const uint64_t start_ns = question->flow->start_ns;
	return clock.trust > 0 && out_bind->wire_ns <= start_ns + BIND_AFTER_NS &&
	       out_bind->wire_ns + before_ns >= start_ns;
}

static bool is_newer(const struct bind *bind, const struct bind *best)
{
	return !best->fact || bind->wire_ns > best->wire_ns ||
	       (bind->wire_ns == best->wire_ns && bind->fact->identity < best->fact->identity);
}

static double base_confidence(const struct question *question)
{
	if (question->ephemeral)
		return 0.95;
	if (question->flow->source_port == question->flow->destination_port)
		return 0.6; /* a socket that others may have joined before the log began */
	return question->key.ip_protocol == UDP ? 0.85 : 0.92;
}

/* False: the process that bound the port had ended, or is forgotten. */
static bool make_candidate(const struct question *question, const struct bind *bind,
			   struct candidate *out_candidate)
{
	const struct world *world = question->world;
	const uint64_t start_ns = question->flow->start_ns;
	if (process_table_at(world->processes, bind->fact->process)->generation !=
	    bind->fact->process_generation)
		return false;
	const struct process_choice choice =
		process_table_resolve(world->processes, bind->fact->process, start_ns);
	if (!process_lived_at(process_table_at(world->processes, choice.slot), world->hosts,
			      start_ns))
		return false;
	const int64_t skew_ns = (int64_t)(bind->wire_ns - start_ns);
	*out_candidate = (struct candidate){
		.process = choice.slot,
		.evidence_count = 1,
		.confidence = base_confidence(question) * (choice.sure ? 1 : 0.9) * bind->trust,
		.apart_ns = (uint64_t)(skew_ns < 0 ? -skew_ns : skew_ns),
		.skew_ns = skew_ns,
	};
	return true;
}

static struct question ask(const struct world *world, const struct flow_event *flow,
			   enum flow_side side, uint32_t host)
{
	const bool opener = side == SIDE_SOURCE;
	const uint16_t port = opener ? flow->source_port : flow->destination_port;
	return (struct question){
		.world = world,
		.flow = flow,
		.key = { .kind = FACT_BIND, .ip_protocol = flow->ip_protocol, .port = port },
		.local = opener ? flow->source : flow->destination,
		.host = host,
		.ephemeral = opener && port >= EPHEMERAL_FIRST &&
			     flow->source_port != flow->destination_port,
		.opener = opener,
	};
}

size_t attribution_port(const struct world *world, const struct flow_event *flow,
			enum flow_side side, const struct verdict *so_far,
			struct candidate out_candidates[CANDIDATES_MAX])
{
	const struct question question = ask(world, flow, side, so_far->host);
	if (so_far->host == HOST_NONE || address_is_shared(&question.local))
		return 0;
	const bool exclusive = question.ephemeral || flow->ip_protocol != UDP;
	struct bind newest = { 0 };
	struct candidate candidate;
	size_t count = 0;
	int looked = 0;
	for (const struct fact *fact = fact_table_first(world->facts, &question.key);
	     fact && looked < LOOK_MAX; fact = fact_table_next(world->facts, fact), looked++) {
		struct bind bind;
		if (!read_bind(&question, fact, &bind))
			continue;
		if (exclusive && is_newer(&bind, &newest))
			newest = bind;
		if (!exclusive && make_candidate(&question, &bind, &candidate))
			count = candidate_add(out_candidates, count, &candidate);
	}
	if (exclusive && newest.fact && make_candidate(&question, &newest, &candidate))
		count = candidate_add(out_candidates, 0, &candidate);
	return count;
}
