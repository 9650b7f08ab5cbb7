#include "tests/support_pairs.h"

#include <dirent.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/input/event_file.h"
#include "collector/packet/tracker.h"
#include "tests/support_random.h"
#include "tests/support_shared.h"

enum { PATH_ROOM = 4096, FILES_MAX = 16 };

/* --- reading ---------------------------------------------------------------------------------- */

static void *grow(void *items, size_t count, size_t item_bytes)
{
	if (count & (count - 1))
		return items;
	void *larger = realloc(items, (count ? 2 * count : 1) * item_bytes);
	if (!larger)
		abort();
	return larger;
}

static bool contains(const char *name, const char *part)
{
	return strstr(name, part) != NULL;
}

static bool is_capture(const char *name)
{
	return contains(name, ".pcap") || contains(name, ".cap");
}

static bool is_host_log(const char *name)
{
	return contains(name, ".ndjson") || contains(name, ".json.gz");
}

static void load_events(struct pair_facts *facts, const char *path, struct counters *counters)
{
	struct complaint complaint;
	struct event_file *file = NULL;
	struct normaliser *normaliser = normaliser_open(facts->fields, counters);
	if (!event_file_open(path, normaliser, &complaint, &file)) {
		complaint_print(&complaint, stderr);
		abort();
	}
	const struct event *event;
	while ((event = event_file_next(file))) {
		facts->events = grow(facts->events, facts->event_count, sizeof(void *));
		struct event *copy = malloc(event->size_bytes);
		if (!copy)
			abort();
		memcpy(copy, event, event->size_bytes);
		facts->events[facts->event_count++] = copy;
	}
	event_file_close(file);
	normaliser_close(normaliser);
}

static void keep_flow(void *context, const struct flow_event *flow)
{
	struct pair_facts *facts = context;
	facts->flows = grow(facts->flows, facts->flow_count, sizeof(*facts->flows));
	facts->flows[facts->flow_count++] = *flow;
}

static void keep_name(void *context, const struct wire_name *name)
{
	struct pair_facts *facts = context;
	facts->names = grow(facts->names, facts->name_count, sizeof(*facts->names));
	facts->names[facts->name_count++] = *name;
}

struct packets {
	size_t count;
	struct packet *items;
};

static void load_packets(struct packets *packets, const char *path, uint16_t capture)
{
	char error[PCAP_ERRBUF_SIZE];
	size_t size_bytes;
	char *bytes = read_whole_file(path, 0, &size_bytes);
	FILE *stream = bytes ? fmemopen(bytes, size_bytes, "rb") : NULL;
	pcap_t *pcap = stream ? pcap_fopen_offline_with_tstamp_precision(
					stream, PCAP_TSTAMP_PRECISION_NANO, error)
			      : NULL;
	if (!pcap)
		abort();
	struct pcap_pkthdr *header;
	const unsigned char *data;
	while (pcap_next_ex(pcap, &header, &data) == 1) {
		packets->items = grow(packets->items, packets->count, sizeof(*packets->items));
		unsigned char *copy = malloc(header->caplen + 1);
		if (!copy)
			abort();
		memcpy(copy, data, header->caplen);
		packets->items[packets->count++] = (struct packet){
			.time_ns = (uint64_t)header->ts.tv_sec * 1000000000 +
				   (uint64_t)header->ts.tv_usec,
			.bytes = copy,
			.captured_bytes = header->caplen,
			.wire_bytes = header->len,
			.link_type = (uint16_t)pcap_datalink(pcap),
			.capture = capture,
		};
	}
	pcap_close(pcap); /* closes the stream */
	free(bytes);
}

static int compare_packets(const void *left, const void *right)
{
	const struct packet *a = left;
	const struct packet *b = right;
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return (int)a->capture - (int)b->capture;
}

static void track(struct pair_facts *facts, struct packets *packets, struct counters *counters)
{
	if (packets->count)
		qsort(packets->items, packets->count, sizeof(*packets->items), compare_packets);
	const struct tracker_settings settings = { .max_flows = 4096, .seed = { { 1, 2 } } };
	const struct tracker_sink sink = { facts, keep_flow, keep_name };
	struct tracker *tracker = tracker_open(&settings, &sink, counters);
	for (size_t at = 0; at < packets->count; at += PACKET_BATCH) {
		const size_t left = packets->count - at;
		tracker_packets(tracker, packets->items + at,
				left < PACKET_BATCH ? left : PACKET_BATCH);
	}
	tracker_finish(tracker);
	tracker_close(tracker);
	for (size_t i = 0; i < packets->count; i++)
		free((void *)(uintptr_t)packets->items[i].bytes);
	free(packets->items);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(left, right);
}

bool pair_load(const char *directory, struct fields *fields, struct pair_facts *out_facts)
{
	static struct counters counters;
	static char names[FILES_MAX][256];
	size_t name_count = 0;
	DIR *stream = opendir(directory);
	if (!stream)
		return false;
	for (struct dirent *entry; (entry = readdir(stream));)
		if (name_count < FILES_MAX &&
		    (is_capture(entry->d_name) || is_host_log(entry->d_name)))
			snprintf(names[name_count++], sizeof(names[0]), "%s", entry->d_name);
	closedir(stream);
	qsort(names, name_count, sizeof(names[0]), compare_names);
	*out_facts = (struct pair_facts){ .fields = fields };
	struct packets packets = { 0 };
	for (size_t i = 0; i < name_count; i++) {
		char path[PATH_ROOM];
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		if (is_capture(names[i]))
			load_packets(&packets, path, (uint16_t)i);
		else
			load_events(out_facts, path, &counters);
	}
	track(out_facts, &packets, &counters);
	return true;
}

void pair_close(struct pair_facts *facts)
{
	for (size_t i = 0; i < facts->event_count; i++)
		free(facts->events[i]);
	free(facts->events);
	free(facts->flows);
	free(facts->names);
}

/* --- running ---------------------------------------------------------------------------------- */

static void read_end(const struct flow_owner *owner, struct owner_row *row, int end)
{
	row->ends[end].method = owner->method;
	row->ends[end].confidence = owner->confidence;
	row->ends[end].candidate_count = owner->candidate_count;
	row->ends[end].pid = -1;
	if (!owner->event)
		return;
	const struct event_text *id = event_text(owner->event, FIELD_process_entity_id);
	if (id)
		snprintf(row->ends[end].entity_id, sizeof(row->ends[end].entity_id), "%s",
			 id->bytes);
	event_integer(owner->event, FIELD_process_pid, &row->ends[end].pid);
	size_t count;
	const struct event_value *others =
		event_find(owner->event, FIELD_procspan_attribution_runners_up, &count);
	for (size_t i = 0; i < count && i < 7; i++) {
		const struct event_text *text = event_at(owner->event, &others[i]);
		snprintf(row->ends[end].runners_up[i], sizeof(row->ends[end].runners_up[i]), "%s",
			 text->bytes);
	}
}

static void keep_owner(void *context, const struct settled_flow *settled)
{
	struct owners *owners = context;
	owners->rows = grow(owners->rows, owners->count, sizeof(*owners->rows));
	struct owner_row *row = &owners->rows[owners->count++];
	memset(row, 0, sizeof(*row));
	row->flow_id = settled->flow->flow_id;
	row->status = settled->status;
	row->flow = *settled->flow;
	read_end(&settled->source, row, 0);
	read_end(&settled->destination, row, 1);
}

static int compare_rows(const void *left, const void *right)
{
	const struct owner_row *a = left;
	const struct owner_row *b = right;
	return a->flow_id < b->flow_id ? -1 : a->flow_id > b->flow_id;
}

/* What the edge would do: which steps does the event satisfy? */
struct edge {
	struct match_scratch *scratch;
	step_id *steps;
};

static void feed(struct correlator *correlator, const struct pair_facts *facts, size_t number,
		 const struct pair_options *options, const struct edge *edge)
{
	if (number < facts->event_count) {
		const struct event *event = facts->events[number];
		if (options->without_connections && event->role == EVENT_CONNECTION)
			return;
		struct event *moved = NULL;
		if (options->move_label) {
			moved = malloc(event->size_bytes);
			if (!moved)
				abort();
			memcpy(moved, event, event->size_bytes);
			const int64_t by_ns = options->move_label(options->context, event);
			moved->host_time_ns += (uint64_t)by_ns;
			moved->time_ns += (uint64_t)by_ns;
			event = moved;
		}
		const size_t count =
			options->ruleset
				? ruleset_match(options->ruleset, edge->scratch, event, edge->steps)
				: 0;
		correlator_event(correlator, event, edge->steps, count);
		free(moved);
		return;
	}
	number -= facts->event_count;
	if (number < facts->flow_count)
		correlator_flow(correlator, &facts->flows[number]);
	else
		correlator_name(correlator, &facts->names[number - facts->flow_count]);
}

void pair_run(const struct pair_facts *facts, const struct pair_options *options,
	      struct owners *out_owners)
{
	static struct counters counters;
	*out_owners = (struct owners){ 0 };
	const struct correlator_settings settings = {
		.settle = !options->eager,
		.max_hosts = 64,
		.max_processes = 16384,
		.max_connections = 8192,
		.max_facts = 65536,
		.store_bytes = (size_t)256 << 20,
		.seed = { { 0x243f6a8885a308d3U, 0x13198a2e03707344U } },
	};
	struct correlator_sink sink = { .context = out_owners, .flow = keep_owner };
	if (options->alert) /* as a run that prints no flows */
		sink = (struct correlator_sink){ .context = options->alert_context,
						 .alert = options->alert };
	struct correlator *correlator =
		correlator_open(&settings, options->ruleset, facts->fields, &sink, &counters);
	if (!correlator)
		abort();
	struct edge edge = { 0 };
	if (options->ruleset) {
		edge.scratch = match_scratch_open(options->ruleset);
		edge.steps = calloc(ruleset_step_count(options->ruleset) + 1U, sizeof(step_id));
	}
	const size_t total = facts->event_count + facts->flow_count + facts->name_count;
	uint32_t *order = malloc((total + 1) * sizeof(*order));
	if (!order)
		abort();
	for (size_t i = 0; i < total; i++)
		order[i] = (uint32_t)i;
	struct support_random random = { options->shuffle_seed };
	for (size_t i = total; options->shuffle_seed && i > 1; i--) {
		const size_t other = support_random_below(&random, (uint32_t)i);
		const uint32_t held = order[i - 1];
		order[i - 1] = order[other];
		order[other] = held;
	}
	for (size_t i = 0; i < total; i++)
		feed(correlator, facts, order[i], options, &edge);
	correlator_finish(correlator);
	if (options->host)
		correlator_each_host(correlator, options->host_context, options->host);
	correlator_close(correlator);
	match_scratch_close(edge.scratch);
	free(edge.steps);
	free(order);
	if (out_owners->count)
		qsort(out_owners->rows, out_owners->count, sizeof(*out_owners->rows), compare_rows);
}

void owners_close(struct owners *owners)
{
	free(owners->rows);
}

/* --- the truth -------------------------------------------------------------------------------- */

enum {
	COLUMN_proto = 2,
	COLUMN_src_ip,
	COLUMN_src_port,
	COLUMN_dst_ip,
	COLUMN_dst_port,
	COLUMN_oriented_by,
	COLUMN_first,
	COLUMN_last,
	COLUMN_packets,
	COLUMN_bytes,
	COLUMN_events,
	COLUMN_client_host,
	COLUMN_client_pid,
	COLUMN_client_guid,
	COLUMN_client_image,
	COLUMN_server_host,
	COLUMN_server_pid,
	COLUMN_server_guid,
	COLUMN_server_image,
	COLUMN_client_candidates,
	COLUMN_server_candidates,
	COLUMN_COUNT,
};

static void read_truth_end(char *const columns[], int host, int candidates, struct truth_end *end)
{
	end->pid = columns[host][0] ? strtoll(columns[host + 1], NULL, 10) : -1;
	snprintf(end->guid, sizeof(end->guid), "%s", columns[host + 2]);
	snprintf(end->image, sizeof(end->image), "%s", columns[host + 3]);
	end->candidate_count = (int)strtol(columns[candidates], NULL, 10);
}

static bool read_truth_line(char *line, struct truth_flow *flow)
{
	char *columns[COLUMN_COUNT + 2];
	int count = 0;
	for (char *column; count < COLUMN_COUNT && (column = strsep(&line, "\t"));)
		columns[count++] = column;
	if (count < COLUMN_COUNT || strcmp(columns[0], "flow_id") == 0)
		return false;
	*flow = (struct truth_flow){
		.ip_protocol = strcmp(columns[COLUMN_proto], "tcp") == 0 ? 6 : 17,
		.source_port = (uint16_t)strtoul(columns[COLUMN_src_port], NULL, 10),
		.destination_port = (uint16_t)strtoul(columns[COLUMN_dst_port], NULL, 10),
	};
	ip_address_parse(columns[COLUMN_src_ip], strlen(columns[COLUMN_src_ip]), &flow->source);
	ip_address_parse(columns[COLUMN_dst_ip], strlen(columns[COLUMN_dst_ip]),
			 &flow->destination);
	time_parse_iso8601(columns[COLUMN_first], strlen(columns[COLUMN_first]), &flow->first_ns);
	time_parse_iso8601(columns[COLUMN_last], strlen(columns[COLUMN_last]), &flow->last_ns);
	read_truth_end(columns, COLUMN_client_host, COLUMN_client_candidates, &flow->ends[0]);
	read_truth_end(columns, COLUMN_server_host, COLUMN_server_candidates, &flow->ends[1]);
	return true;
}

bool truth_load(const char *path, struct truth *out_truth)
{
	size_t size_bytes;
	char *text = read_whole_file(path, 1, &size_bytes);
	if (!text)
		return false;
	*out_truth = (struct truth){ 0 };
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		struct truth_flow flow;
		if (!read_truth_line(line, &flow))
			continue;
		out_truth->flows =
			grow(out_truth->flows, out_truth->count, sizeof(*out_truth->flows));
		out_truth->flows[out_truth->count++] = flow;
	}
	free(text);
	return true;
}

void truth_close(struct truth *truth)
{
	free(truth->flows);
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool same_process(const char *entity_id, const char *guid)
{
	const size_t size = strlen(entity_id);
	if (size == strlen(guid) + 2 && entity_id[0] == '{')
		return strncasecmp(entity_id + 1, guid, size - 2) == 0;
	return strcasecmp(entity_id, guid) == 0;
}

/* Is the row about this truth, and is its source the truth's source? */
static bool is_about(const struct owner_row *row, const struct truth_flow *truth, bool *out_turned)
{
	const uint64_t slack_ns = 2000000000;
	const struct flow_event *flow = &row->flow;
	if (flow->ip_protocol != truth->ip_protocol ||
	    flow->start_ns + slack_ns < truth->first_ns ||
	    flow->start_ns > truth->last_ns + slack_ns)
		return false;
	const bool straight = ip_address_equal(&flow->source, &truth->source) &&
			      ip_address_equal(&flow->destination, &truth->destination) &&
			      flow->source_port == truth->source_port &&
			      flow->destination_port == truth->destination_port;
	const bool turned = ip_address_equal(&flow->destination, &truth->source) &&
			    ip_address_equal(&flow->source, &truth->destination) &&
			    flow->destination_port == truth->source_port &&
			    flow->source_port == truth->destination_port;
	*out_turned = turned && !straight;
	return straight || turned;
}

static bool among_runners_up(const struct owner_row *row, int end, const char *guid)
{
	for (int i = 0; i < 7; i++)
		if (same_process(row->ends[end].runners_up[i], guid))
			return true;
	return false;
}

enum verdict_of_end { END_NOTHING, END_RIGHT, END_WRONG, END_EXTRA };

static enum verdict_of_end judge_end(const struct owner_row *row, int end,
				     const struct truth_end *truth)
{
	const bool owned = row->ends[end].method < ATTRIBUTION_lifetime;
	if (!owned)
		return END_NOTHING;
	if (truth->pid < 0)
		return END_EXTRA;
	if (!truth->guid[0])
		return row->ends[end].pid == truth->pid ? END_RIGHT : END_WRONG;
	/* its GUID may only have been in an event that was left out: then pid and host say it */
	const bool minted = strncmp(row->ends[end].entity_id, "procspan-", 9) == 0;
	if (minted && row->ends[end].pid == truth->pid)
		return END_RIGHT;
	const bool right = same_process(row->ends[end].entity_id, truth->guid) ||
			   (truth->candidate_count > 1 && among_runners_up(row, end, truth->guid));
	return right ? END_RIGHT : END_WRONG;
}

static void print_end(const struct truth_flow *truth, int end, const char *what,
		      const struct owner_row *row, int row_end)
{
	char source[IP_ADDRESS_TEXT_MAX];
	char destination[IP_ADDRESS_TEXT_MAX];
	ip_address_format(&truth->source, source);
	ip_address_format(&truth->destination, destination);
	printf("    %s: %s:%u -> %s:%u %s end: truth %s pid %lld, here %s pid %lld (%.2f)\n", what,
	       source, truth->source_port, destination, truth->destination_port,
	       end ? "server" : "client", truth->ends[end].guid, (long long)truth->ends[end].pid,
	       row ? row->ends[row_end].entity_id : "", row ? (long long)row->ends[row_end].pid : 0,
	       row ? row->ends[row_end].confidence : 0);
}

static void score_end(struct score *score, const struct truth_flow *truth, int end,
		      const struct owners *owners, bool print)
{
	const struct truth_end *wanted = &truth->ends[end];
	bool right = false;
	for (size_t i = 0; i < owners->count; i++) {
		const struct owner_row *row = &owners->rows[i];
		bool turned;
		if (!is_about(row, truth, &turned))
			continue;
		const int row_end = turned ? !end : end;
		const enum verdict_of_end verdict = judge_end(row, row_end, wanted);
		if (verdict == END_NOTHING)
			continue;
		right |= verdict == END_RIGHT;
		score->wrong += verdict == END_WRONG;
		score->extra += verdict == END_EXTRA;
		score->by_method[row->ends[row_end].method] += verdict == END_RIGHT;
		const bool bad = verdict != END_RIGHT;
		score->wrong_sure += bad && row->ends[row_end].confidence >= 0.9;
		if (bad && print)
			print_end(truth, end, verdict == END_WRONG ? "wrong" : "extra", row,
				  row_end);
	}
	if (wanted->pid < 0)
		return;
	if (!wanted->guid[0]) {
		score->without_guid++;
		score->without_guid_right += right;
	} else if (wanted->candidate_count > 1) {
		score->shared++;
		score->shared_right += right;
	} else {
		score->expected++;
		score->right += right;
		score->missed += !right;
		if (!right && print)
			print_end(truth, end, "missed", NULL, 0);
	}
}

void score_add(struct score *score, const struct owners *owners, const struct truth *truth,
	       bool print)
{
	for (size_t i = 0; i < truth->count; i++)
		for (int end = 0; end < 2; end++)
			score_end(score, &truth->flows[i], end, owners, print);
}
