/* format_text.c: an alert for people at a terminal: what was found, each step, the flow, and how it
 * was attributed.
 *
 * Several lines, so only for stdout: and file:.
 */
#include "correlator/format.h"

#include <inttypes.h>
#include <stdio.h>

/* --- values of one event ---------------------------------------------------------------------- */

static void write_field(struct text_writer *writer, const struct event *event, uint16_t field)
{
	char text[IP_ADDRESS_TEXT_MAX];
	int64_t number;
	const struct event_text *value = event_text(event, field);
	const struct ip_address *address = event_address(event, field);
	if (value)
		write_escaped(writer, (struct text){ value->bytes, value->size_bytes }, TEXT_PLAIN);
	else if (address)
		write_raw(writer, text, ip_address_format(address, text));
	else if (event_integer(event, field, &number))
		write_format(writer, "%" PRId64, number);
	else
		write_words(writer, "?");
}

static bool has(const struct event *event, uint16_t field)
{
	return event_find(event, field, NULL) != NULL;
}

static void write_if(struct text_writer *writer, const char *words, const struct event *event,
		     uint16_t field)
{
	if (!has(event, field))
		return;
	write_words(writer, words);
	write_field(writer, event, field);
}

static double number_of(const struct event *event, uint16_t field)
{
	const struct event_value *value = event_find(event, field, NULL);
	if (!value)
		return 0;
	if (value->type == VALUE_DOUBLE)
		return *(const double *)event_at(event, value);
	return value->type == VALUE_INTEGER ? (double)*(const int64_t *)event_at(event, value) : 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void write_times(struct text_writer *writer, const struct event *event)
{
	char text[TIME_TEXT_MAX];
	time_format_iso8601(event->time_ns, 3, text);
	write_words(writer, "\n      at      ");
	write_words(writer, text);
	if (event->host_time_ns == 0 || event->host_time_ns == event->time_ns)
		return;
	time_format_iso8601(event->host_time_ns, 3, text);
	write_format(writer, "  (its host said %s, %+.3f s)", text,
		     (double)(int64_t)(event->host_time_ns - event->time_ns) / 1e9);
}

static void write_process(struct text_writer *writer, const struct event *event)
{
	write_if(writer, "  ", event, FIELD_host_name);
	write_if(writer, "  ", event, FIELD_user_domain);
	write_if(writer, has(event, FIELD_user_domain) ? "\\" : "  ", event, FIELD_user_name);
	write_if(writer, "  ", event,
		 has(event, FIELD_process_executable) ? FIELD_process_executable
						      : FIELD_process_name);
	write_if(writer, " pid=", event, FIELD_process_pid);
	write_if(writer, "\n      command ", event, FIELD_process_command_line);
	write_if(writer, "\n      parent  ", event, FIELD_process_parent_executable);
	write_if(writer, "\n      entity  ", event, FIELD_process_entity_id);
}

static void write_flow(struct text_writer *writer, const struct event *event)
{
	write_words(writer, "\n      flow    ");
	write_field(writer, event, FIELD_source_ip);
	write_if(writer, ":", event, FIELD_source_port);
	write_words(writer, " -> ");
	write_field(writer, event, FIELD_destination_ip);
	write_if(writer, ":", event, FIELD_destination_port);
	write_if(writer, "/", event, FIELD_network_transport);
	write_if(writer, "  ", event, FIELD_network_community_id);
	if (!has(event, FIELD_source_packets))
		return;
	write_if(writer, "\n      wire    ", event, FIELD_source_packets);
	write_if(writer, " packets, ", event, FIELD_source_bytes);
	write_if(writer, " bytes out; ", event, FIELD_destination_packets);
	write_if(writer, " packets, ", event, FIELD_destination_bytes);
	write_words(writer, " bytes back");
}

static void write_attribution(struct text_writer *writer, const struct event *event)
{
	if (!has(event, FIELD_procspan_attribution_method))
		return;
	write_if(writer, "\n      owner   by ", event, FIELD_procspan_attribution_method);
	write_format(writer, ", confidence %.2f",
		     number_of(event, FIELD_procspan_attribution_confidence));
	write_if(writer, ", candidates ", event, FIELD_procspan_attribution_candidates);
	if (has(event, FIELD_procspan_clock_offset_ms))
		write_format(writer, "; host clock %+.3f s +/- %.3f",
			     number_of(event, FIELD_procspan_clock_offset_ms) / 1e3,
			     number_of(event, FIELD_procspan_clock_confidence_ms) / 1e3);
	size_t count;
	const struct event_value *sources =
		event_find(event, FIELD_procspan_evidence_sources, &count);
	for (size_t i = 0; i < count; i++) {
		const struct event_text *text = event_at(event, &sources[i]);
		write_words(writer, i == 0 ? "; reported by " : ", ");
		write_escaped(writer, (struct text){ text->bytes, text->size_bytes }, TEXT_PLAIN);
	}
}

static void write_step(struct text_writer *writer, size_t number, const struct event *event)
{
	if (!event) {
		write_format(writer, "\n  %zu   nothing, as the rule asks", number);
		return;
	}
	write_format(writer, "\n  %zu   ", number);
	write_field(writer, event, FIELD_event_category);
	write_if(writer, " ", event, FIELD_event_type);
	write_process(writer, event);
	write_times(writer, event);
	if (has(event, FIELD_destination_ip)) {
		write_flow(writer, event);
		write_attribution(writer, event);
	}
}

size_t format_text(const struct format_context *context, const struct alert *alert, char *out,
		   bool *out_truncated)
{
	struct text_writer writer = { .out = out, .room_bytes = context->max_size };
	const struct rule *rule = alert->rule;
	write_words(&writer, alert->kind == ALERT_UPDATE ? "UPDATE  " : "ALERT  ");
	write_words(&writer, rule_severity_name(rule->severity));
	write_format(&writer, " %d  ", rule->risk_score);
	write_escaped(&writer, text_of(rule->name), TEXT_PLAIN);
	write_words(&writer, "\n      id      ");
	write_words(&writer, alert->id);
	for (size_t i = 0; i < rule->threat_count; i++) {
		write_words(&writer, i == 0 ? "\n      threat  " : ", ");
		write_words(&writer, rule->threats[i].tactic_id);
		for (size_t j = 0; j < rule->threats[i].technique_count; j++) {
			write_words(&writer, " ");
			write_words(&writer, rule->threats[i].techniques[j].id);
		}
	}
	for (size_t i = 0; i < alert->event_count; i++)
		write_step(&writer, i + 1, alert->events[i]);
	*out_truncated = writer.used_bytes > writer.room_bytes;
	if (!*out_truncated)
		return writer.used_bytes;
	return text_cut((struct text){ out, writer.room_bytes }, writer.room_bytes - 1).size_bytes;
}
