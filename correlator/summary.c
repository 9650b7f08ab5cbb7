#include "correlator/summary.h"

#include <inttypes.h>
#include <jansson.h>

#include "correlator/flow_format.h"

void flow_totals_add(struct flow_totals *totals, const struct settled_flow *flow)
{
	totals->count++;
	totals->by_status[flow->status]++;
	const struct flow_owner *ends[] = { &flow->source, &flow->destination };
	for (size_t i = 0; i < 2; i++)
		if (ends[i]->method != ATTRIBUTION_NONE)
			totals->owners_by_method[ends[i]->method]++;
}

static uint64_t lost_packets(const struct counters *counters)
{
	static const enum counter losses[] = {
		COUNTER_packets_dropped_kernel,
		COUNTER_packets_dropped_interface,
		COUNTER_packets_flow_table_full,
	};
	uint64_t lost = 0;
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		lost += counter_read(counters, losses[i]);
	return lost;
}

double summary_loss_percent(const struct counters *counters)
{
	const uint64_t seen = counter_read(counters, COUNTER_packets_seen) +
			      counter_read(counters, COUNTER_packets_dropped_kernel) +
			      counter_read(counters, COUNTER_packets_dropped_interface);
	return seen ? 100.0 * (double)lost_packets(counters) / (double)seen : 0;
}

/* " word 12" for every counter from `first` to `last` that is not zero, prefix cut off. */
static void print_nonzero(const struct counters *counters, enum counter first, enum counter last,
			  size_t prefix_bytes, FILE *stream)
{
	for (int i = (int)first; i <= (int)last; i++)
		if (counter_read(counters, (enum counter)i))
			fprintf(stream, ", %s %" PRIu64,
				counter_name((enum counter)i) + prefix_bytes,
				counter_read(counters, (enum counter)i));
}

/* Hosts name themselves: what would move the operator's cursor is not printed. */
static void print_name(const char *name, FILE *stream)
{
	for (; *name; name++)
		fputc((unsigned char)*name < ' ' || *name == '\x7f' ? '?' : *name, stream);
}

static void print_host(void *context, const struct host_report *host)
{
	FILE *stream = context;
	fputs("host    ", stream);
	print_name(host->name, stream);
	fprintf(stream,
		": %" PRIu64 " events, %" PRIu64 " processes, %zu addresses, %" PRIu64
		" flow ends owned, %" PRIu64 " flows unreported, %" PRIu64 " against its habit\n",
		host->event_count, host->process_count, host->address_count, host->owned_count,
		host->unreported_count, host->news_count);
	for (size_t i = 0; i < host->clock_count; i++)
		if (host->clocks[i].sample_count)
			fprintf(stream,
				"          %s clock %+.3f s (+/- %.3f, %" PRIu64 " samples)\n",
				host->clocks[i].source, (double)host->clocks[i].offset_ns / 1e9,
				(double)host->clocks[i].confidence_ns / 1e9,
				host->clocks[i].sample_count);
}

static void print_text(const struct summary *summary, FILE *stream)
{
	const struct counters *counters = summary->counters;
	const struct flow_totals *flows = summary->flows;
	fprintf(stream, "packets %" PRIu64 " seen, %" PRIu64 " in flows",
		counter_read(counters, COUNTER_packets_seen),
		counter_read(counters, COUNTER_packets_in_flows));
	print_nonzero(counters, COUNTER_packets_truncated, COUNTER_packets_dropped_interface, 8,
		      stream);
	fprintf(stream, "; %.3f %% lost\n", summary_loss_percent(counters));
	fprintf(stream, "events  %" PRIu64 " seen, %" PRIu64 " used",
		counter_read(counters, COUNTER_events_seen),
		counter_read(counters, COUNTER_events_used));
	print_nonzero(counters, COUNTER_events_bad_json, COUNTER_events_forbidden, 7, stream);
	fprintf(stream, "\nflows   %" PRIu64, flows->count);
	for (int i = 0; i <= FLOW_STATUS_CANNOT_JUDGE; i++)
		if (flows->by_status[i])
			fprintf(stream, ", %s %" PRIu64, flow_status_name((enum flow_status)i),
				flows->by_status[i]);
	fputs("; owners by", stream);
	for (int i = 0; i < ATTRIBUTION_COUNT; i++)
		fprintf(stream, " %s %" PRIu64, attribution_name((enum attribution_method)i),
			flows->owners_by_method[i]);
	fputc('\n', stream);
	if (summary->correlator)
		correlator_each_host(summary->correlator, stream, print_host);
	fprintf(stream, "alerts  %" PRIu64 " raised",
		counter_read(counters, COUNTER_alerts_raised));
	print_nonzero(counters, COUNTER_alerts_updated, COUNTER_alerts_lost_output, 7, stream);
	fprintf(stream, "; %" PRIu32 " rules\n", summary->rule_count);
	bool evicted = false;
	for (int i = COUNTER_processes_evicted; i <= COUNTER_sequence_events_evicted; i++)
		evicted |= counter_read(counters, (enum counter)i) > 0;
	if (evicted) {
		fputs("tables  were full; raise their sizes", stream);
		print_nonzero(counters, COUNTER_processes_evicted, COUNTER_sequence_events_evicted,
			      0, stream);
		fputc('\n', stream);
	}
}

static void add_host_json(void *context, const struct host_report *host)
{
	json_t *clocks = json_object();
	for (size_t i = 0; i < host->clock_count; i++)
		json_object_set_new(clocks, host->clocks[i].source,
				    json_pack("{s:f, s:f, s:I, s:f}", "offset_ms",
					      (double)host->clocks[i].offset_ns / 1e6,
					      "confidence_ms",
					      (double)host->clocks[i].confidence_ns / 1e6,
					      "samples", (json_int_t)host->clocks[i].sample_count,
					      "drift_ppm", host->clocks[i].drift_ppm));
	json_t *addresses = json_array();
	for (size_t i = 0; i < host->address_count && i < 8; i++) {
		char text[IP_ADDRESS_TEXT_MAX];
		ip_address_format(&host->addresses[i], text);
		json_array_append_new(addresses, json_string(text));
	}
	json_t *name = json_string(host->name);
	if (!name)
		name = json_string("?"); /* not UTF-8 */
	json_array_append_new(context,
			      json_pack("{s:o, s:I, s:I, s:o, s:o, s:I, s:I, s:I}", "name", name,
					"events", (json_int_t)host->event_count, "processes",
					(json_int_t)host->process_count, "addresses", addresses,
					"clocks", clocks, "owned", (json_int_t)host->owned_count,
					"unreported", (json_int_t)host->unreported_count,
					"unreported_news", (json_int_t)host->news_count));
}

static void print_json(const struct summary *summary, bool hold, FILE *stream)
{
	json_t *counters = json_object();
	for (int i = 0; i < COUNTER_COUNT; i++)
		json_object_set_new(
			counters, counter_name((enum counter)i),
			json_integer((json_int_t)counter_read(summary->counters, (enum counter)i)));
	json_t *flows = json_pack("{s:I}", "count", (json_int_t)summary->flows->count);
	for (int i = 0; i <= FLOW_STATUS_CANNOT_JUDGE; i++)
		json_object_set_new(flows, flow_status_name((enum flow_status)i),
				    json_integer((json_int_t)summary->flows->by_status[i]));
	json_t *methods = json_object();
	for (int i = 0; i < ATTRIBUTION_COUNT; i++)
		json_object_set_new(methods, attribution_name((enum attribution_method)i),
				    json_integer((json_int_t)summary->flows->owners_by_method[i]));
	json_t *hosts = json_array();
	if (summary->correlator)
		correlator_each_host(summary->correlator, hosts, add_host_json);
	json_t *root = json_pack("{s:o, s:o, s:o, s:o, s:i, s:f, s:b}", "counters", counters,
				 "flows", flows, "owners", methods, "hosts", hosts, "rules",
				 (int)summary->rule_count, "loss_percent",
				 summary_loss_percent(summary->counters), "accounting_holds", hold);
	json_dumpf(root, stream, JSON_COMPACT | JSON_PRESERVE_ORDER);
	fputc('\n', stream);
	json_decref(root);
}

bool summary_print(const struct summary *summary, bool json, FILE *stream)
{
	const bool hold = counter_identities_hold(summary->counters, json ? NULL : stream);
	if (json) {
		print_json(summary, hold, stream);
		return hold;
	}
	print_text(summary, stream);
	fprintf(stream, "sums    %s; %.2f s\n",
		hold ? "add up: everything seen is used or counted as a named loss"
		     : "DO NOT ADD UP (see above)",
		summary->seconds);
	return hold;
}
