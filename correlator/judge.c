/* Whether silence means anything: nobody reported this flow, but would its host have, and did it
 * have the chance to be heard? */
#include "correlator/correlator_state.h"

#define WINDOW_SLACK_NS	   (UINT64_C(30) * 1000000000)
#define LOSING_PERCENT_MIN 0.1 /* of packets around the start of the flow */

/* Was a source that sends network events at work when the flow began, and has its stream come that
 * far? */
static bool in_reporting_window(const struct world *world, uint32_t host, uint64_t wire_ns)
{
	const struct host_books *books = host_table_books(world->hosts, host);
	for (int i = 0; i < CLOCK_SOURCES; i++) {
		const enum clock_source source = (enum clock_source)i;
		if (books->first_label_ns[i] == 0)
			continue;
		const struct clock_reading first =
			host_table_read_clock(world->hosts, host, source, books->first_label_ns[i]);
		const struct clock_reading last =
			host_table_read_clock(world->hosts, host, source, books->last_label_ns[i]);
		if (first.trust > 0 &&
		    wire_time(&first, books->first_label_ns[i]) <= wire_ns + WINDOW_SLACK_NS &&
		    wire_ns <= wire_time(&last, books->last_label_ns[i]) + WINDOW_SLACK_NS)
			return true;
	}
	return false;
}

/* The tap may have missed how the flow began, or the report of it anywhere within the horizon. */
static bool is_losing(const struct correlator *correlator, const struct flow_event *flow)
{
	const struct tap_health *health = &correlator->health;
	if (!health->told)
		return false;
	const struct tap_totals start = tap_health_between(health, flow->start_ns, flow->start_ns);
	const struct tap_totals since = tap_health_between(
		health, flow->start_ns, flow->start_ns + correlator->settings.horizon_ns);
	return tap_loss_percent(&start) >= LOSING_PERCENT_MIN || since.records_lost > 0;
}

/* Would the host at this end have been heard if it had reported the flow? */
static bool could_be_heard(const struct correlator *correlator, const struct flow_event *flow,
			   const struct verdict *verdict)
{
	return verdict->host != HOST_NONE && (flow->ip_protocol == 6 || flow->ip_protocol == 17) &&
	       !(flow->flags & FLOW_MIDSTREAM) && !is_losing(correlator, flow) &&
	       in_reporting_window(&correlator->world, verdict->host, flow->start_ns);
}

static struct baseline *baseline_of(const struct correlator *correlator,
				    const struct flow_event *flow, int side, uint32_t host)
{
	struct host_books *books = host_table_books(correlator->world.hosts, host);
	return &books->baselines[traffic_kind_of(flow, side == SIDE_DESTINATION)];
}

void judge_flow(const struct correlator *correlator, const struct flow_event *flow,
		const struct verdict verdicts[SIDES], struct judgement *out_judgement)
{
	bool instrumented = false;
	bool judged = false;
	*out_judgement = (struct judgement){ .status = FLOW_STATUS_OWNED };
	for (int side = 0; side < SIDES; side++)
		if (verdicts[side].method < ATTRIBUTION_lifetime)
			return;
	for (int side = 0; side < SIDES; side++) {
		instrumented |= verdicts[side].host != HOST_NONE;
		if (!could_be_heard(correlator, flow, &verdicts[side]))
			continue;
		judged = true;
		const double expected =
			baseline_expected(baseline_of(correlator, flow, side, verdicts[side].host));
		if (expected > out_judgement->expected_report)
			out_judgement->expected_report = expected;
	}
	out_judgement->status = !instrumented ? FLOW_STATUS_UNINSTRUMENTED
				: judged      ? FLOW_STATUS_UNREPORTED
					      : FLOW_STATUS_CANNOT_JUDGE;
}

void judge_keep_books(struct correlator *correlator, const struct flow_event *flow,
		      const struct verdict verdicts[SIDES], const struct judgement *judgement)
{
	for (int side = 0; side < SIDES; side++) {
		const struct verdict *verdict = &verdicts[side];
		if (verdict->host == HOST_NONE)
			continue;
		struct host_books *books = host_table_books(correlator->world.hosts, verdict->host);
		const bool owned = verdict->method < ATTRIBUTION_lifetime;
		books->owned_count += owned;
		if (!could_be_heard(correlator, flow, verdict))
			continue;
		struct baseline *baseline = baseline_of(correlator, flow, side, verdict->host);
		if (judgement->status == FLOW_STATUS_UNREPORTED) {
			books->unreported_count++;
			books->news_count += baseline_expected(baseline) >= BASELINE_NEWS;
		}
		baseline_learn(baseline, verdict->report_count > 0);
	}
}
