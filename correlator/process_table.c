#include "correlator/process_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/base/table.h"

#define NS_PER_SECOND	    UINT64_C(1000000000)
#define START_SLACK_NS	    (5 * NS_PER_SECOND)	  /* labels against the wire */
#define GUID_START_SLACK_NS (150 * NS_PER_SECOND) /* the host's own UTC, whole seconds */
#define END_SLACK_NS                                                                               \
	(30 * NS_PER_SECOND) /* sockets are closed for a process, and reported late                \
			      */

enum { CHAIN_MAX = 256 }; /* records of one pid that are looked at */

struct process_table {
	struct hash_seed seed;
	const struct host_table *hosts;
	struct cell_store *store;
	struct counters *counters;
	struct aged_slots slots;
	struct process *processes;
	struct table *by_entity;
	struct table *by_pid; /* first of each chain */
};

struct pid_key {
	uint32_t group;
	int64_t pid;
};

struct entity_key {
	const struct host_table *hosts;
	uint32_t host;
	const char *text;
	size_t size_bytes;
};

static bool entity_equal(const void *records, uint32_t slot, const void *key)
{
	const struct process *process = (const struct process *)records + slot;
	const struct entity_key *entity = key;
	return process->entity_id_bytes == entity->size_bytes &&
	       strncasecmp(process->entity_id, entity->text, entity->size_bytes) == 0 &&
	       host_table_same(entity->hosts, process->host, entity->host);
}

static bool pid_equal(const void *records, uint32_t slot, const void *key)
{
	const struct process *process = (const struct process *)records + slot;
	const struct pid_key *wanted = key;
	return process->pid == wanted->pid && process->group == wanted->group;
}

struct process_table *process_table_open(uint32_t max_processes, const struct host_table *hosts,
					 struct cell_store *store, const struct hash_seed *seed,
					 struct counters *counters)
{
	struct process_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->seed = *seed;
	table->hosts = hosts;
	table->store = store;
	table->counters = counters;
	table->processes = calloc(max_processes, sizeof(*table->processes));
	if (table->processes && aged_slots_open(&table->slots, max_processes)) {
		table->by_entity = table_open(max_processes, entity_equal, table->processes);
		table->by_pid = table_open(max_processes, pid_equal, table->processes);
	}
	if (table->by_entity && table->by_pid)
		return table;
	process_table_close(table);
	errno = ENOMEM;
	return NULL;
}

void process_table_close(struct process_table *table)
{
	if (!table)
		return;
	table_close(table->by_entity);
	table_close(table->by_pid);
	aged_slots_close(&table->slots);
	free(table->processes);
	free(table);
}

/* Sources differ in the case of their GUIDs. */
static uint64_t hash_of_entity(const struct process_table *table, uint32_t group,
			       const char *entity_id, size_t size_bytes)
{
	char folded[ENTITY_ID_MAX + 1];
	for (size_t i = 0; i < size_bytes; i++)
		folded[i] = (char)(entity_id[i] >= 'A' && entity_id[i] <= 'Z' ? entity_id[i] | 0x20
									      : entity_id[i]);
	const uint64_t text = hash_bytes(&table->seed, folded, size_bytes);
	return hash_word(&table->seed, text, group);
}

static uint64_t hash_of_pid(const struct process_table *table, uint32_t group, int64_t pid)
{
	return hash_word(&table->seed, hash_word(&table->seed, table->seed.words[0], group),
			 (uint64_t)pid);
}

uint32_t process_table_first_of_pid(const struct process_table *table, uint32_t group, int64_t pid)
{
	const struct pid_key key = { group, pid };
	return table_find(table->by_pid, hash_of_pid(table, group, pid), &key);
}

struct process *process_table_at(const struct process_table *table, uint32_t slot)
{
	return &table->processes[slot];
}

uint32_t process_table_count(const struct process_table *table)
{
	return table->slots.count;
}

/* --- making and forgetting -------------------------------------------------------------------- */

static void link_to_pid(struct process_table *table, uint32_t slot)
{
	struct process *process = &table->processes[slot];
	const uint64_t hash = hash_of_pid(table, process->group, process->pid);
	const uint32_t first = process_table_first_of_pid(table, process->group, process->pid);
	process->next_of_pid = first;
	if (first != TABLE_NONE)
		table_remove(table->by_pid, hash, first);
	table_insert(table->by_pid, hash, slot);
}

static void unlink_from_pid(struct process_table *table, uint32_t slot)
{
	const struct process *process = &table->processes[slot];
	const uint64_t hash = hash_of_pid(table, process->group, process->pid);
	uint32_t at = process_table_first_of_pid(table, process->group, process->pid);
	if (at == slot) {
		table_remove(table->by_pid, hash, slot);
		if (process->next_of_pid != NO_SLOT)
			table_insert(table->by_pid, hash, process->next_of_pid);
		return;
	}
	while (table->processes[at].next_of_pid != slot)
		at = table->processes[at].next_of_pid;
	table->processes[at].next_of_pid = process->next_of_pid;
}

static void forget(struct process_table *table, uint32_t slot)
{
	struct process *process = &table->processes[slot];
	unlink_from_pid(table, slot);
	if (process->entity_id_bytes)
		table_remove(table->by_entity,
			     hash_of_entity(table, process->group, process->entity_id,
					    process->entity_id_bytes),
			     slot);
	for (int i = 0; i <= KEPT_SIGHTING; i++)
		cell_store_drop(table->store, process->kept[i].event);
	aged_slots_give(&table->slots, slot);
}

/* Sysmon's GUID holds the second of the start: {mmmmmmmm-LLLL-HHHH-...}, Unix time 0xHHHHLLLL. */
static uint64_t guid_start_ns(const char *entity_id, size_t size_bytes)
{
	enum { PLAIN_BYTES = 36, LOW_AT = 9, HIGH_AT = 14 };
	if (size_bytes < PLAIN_BYTES || size_bytes > PLAIN_BYTES + 2)
		return 0;
	const char *text = entity_id[0] == '{' ? entity_id + 1 : entity_id;
	char digits[] = "HHHHLLLL";
	memcpy(digits, text + HIGH_AT, 4);
	memcpy(digits + 4, text + LOW_AT, 4);
	char *digits_end;
	const uint64_t seconds = strtoull(digits, &digits_end, 16);
	const bool is_guid = *digits_end == '\0' && text[LOW_AT - 1] == '-' &&
			     text[HIGH_AT - 1] == '-' && text[HIGH_AT + 4] == '-';
	return is_guid ? seconds * NS_PER_SECOND : 0;
}

static uint32_t make(struct process_table *table, const struct process_facts *facts,
		     enum process_kind kind)
{
	if (table->slots.count == table->slots.capacity) {
		counter_add(table->counters, COUNTER_processes_evicted, 1);
		forget(table, table->slots.oldest);
	}
	const uint32_t slot = aged_slots_take(&table->slots);
	struct process *process = &table->processes[slot];
	const uint32_t generation = process->generation + 1;
	*process = (struct process){
		.host = facts->host,
		.group = host_table_group(table->hosts, facts->host),
		.generation = generation,
		.kind = (uint8_t)kind,
		.pid = facts->pid,
	};
	for (int i = 0; i <= KEPT_SIGHTING; i++)
		process->kept[i].event = CELL_NONE;
	if (kind == PROCESS_GUID) {
		memcpy(process->entity_id, facts->entity_id, facts->entity_id_bytes);
		process->entity_id_bytes = (uint16_t)facts->entity_id_bytes;
		process->guid_start_ns = guid_start_ns(facts->entity_id, facts->entity_id_bytes);
		table_insert(table->by_entity,
			     hash_of_entity(table, process->group, facts->entity_id,
					    facts->entity_id_bytes),
			     slot);
	}
	link_to_pid(table, slot);
	return slot;
}

/* --- learning --------------------------------------------------------------------------------- */

uint64_t process_image_tail(const char *image, size_t size_bytes)
{
	static const char device[] = "\\device\\";
	const size_t device_bytes = sizeof(device) - 1;
	static const char unknown[] = "unknown process"; /* in <>, which some forwarders escape */
	if (!image || size_bytes == 0 || memmem(image, size_bytes, unknown, sizeof(unknown) - 1))
		return 0;
	size_t skip = 0;
	if (size_bytes > 2 && image[1] == ':') {
		skip = 2;
	} else if (size_bytes > device_bytes && strncasecmp(image, device, device_bytes) == 0) {
		const char *volume_end =
			memchr(image + device_bytes, '\\', size_bytes - device_bytes);
		skip = volume_end ? (size_t)(volume_end - image) : 0;
	}
	return (uint64_t)(size_bytes - skip) << 32 |
	       hash_folded_text(image + skip, size_bytes - skip);
}

static bool is_nobody(const char *entity_id, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++)
		if (!strchr("{}-0", entity_id[i]))
			return false;
	return true;
}

/* The record without a GUID that these facts belong to: a start by its label, a sighting by its
 * image. */
static uint32_t find_nameless(const struct process_table *table, const struct process_facts *facts,
			      enum process_kind kind, uint64_t tail)
{
	uint32_t slot = process_table_first_of_pid(
		table, host_table_group(table->hosts, facts->host), facts->pid);
	for (int i = 0; i < CHAIN_MAX && slot != NO_SLOT; i++) {
		const struct process *process = &table->processes[slot];
		if (process->kind == kind && process->host == facts->host &&
		    process->image_tail == tail &&
		    (kind == PROCESS_SIGHTED || process->start_label_ns == facts->label_ns))
			return slot;
		slot = process->next_of_pid;
	}
	return NO_SLOT;
}

static uint32_t find_or_make(struct process_table *table, const struct process_facts *facts,
			     uint64_t tail)
{
	if (facts->entity_id_bytes && facts->entity_id_bytes <= ENTITY_ID_MAX &&
	    !is_nobody(facts->entity_id, facts->entity_id_bytes)) {
		const struct entity_key key = { table->hosts, facts->host, facts->entity_id,
						facts->entity_id_bytes };
		const uint64_t hash =
			hash_of_entity(table, host_table_group(table->hosts, facts->host),
				       facts->entity_id, facts->entity_id_bytes);
		const uint32_t slot = table_find(table->by_entity, hash, &key);
		return slot != TABLE_NONE ? slot : make(table, facts, PROCESS_GUID);
	}
	if (facts->pid < 0 || (facts->pid == 0 && tail == 0))
		return NO_SLOT;
	const enum process_kind kind =
		facts->sight == PROCESS_SIGHT_START ? PROCESS_STARTED : PROCESS_SIGHTED;
	const uint32_t slot = find_nameless(table, facts, kind, tail);
	return slot != NO_SLOT ? slot : make(table, facts, kind);
}

/* Events disagree now and then: the start says it best, and else the lowest, so that order does not
 * matter. */
static void learn_image(struct process *process, uint64_t tail, bool from_start)
{
	if (tail == 0 || (process->image_from_start && !from_start))
		return;
	if (process->image_tail == 0 || process->image_from_start != from_start ||
	    tail < process->image_tail)
		process->image_tail = tail;
	process->image_from_start = from_start;
}

uint32_t process_table_learn(struct process_table *table, const struct process_facts *facts)
{
	const uint64_t tail = process_image_tail(facts->image, facts->image_bytes);
	const uint32_t slot = find_or_make(table, facts, tail);
	if (slot == NO_SLOT)
		return NO_SLOT;
	aged_slots_touch(&table->slots, slot);
	struct process *process = &table->processes[slot];
	learn_image(process, tail, facts->sight == PROCESS_SIGHT_START);
	if (process->pid <= 0 && facts->pid > 0) {
		unlink_from_pid(table, slot);
		process->pid = facts->pid;
		link_to_pid(table, slot);
	}
	const bool earlier =
		process->seen_label_ns == 0 || facts->label_ns < process->seen_label_ns;
	if (earlier) {
		process->seen_label_ns = facts->label_ns;
		process->seen_source = (uint8_t)facts->source;
	}
	if (facts->sight == PROCESS_SIGHT_START &&
	    (process->start_label_ns == 0 || facts->label_ns < process->start_label_ns)) {
		process->start_label_ns = facts->label_ns;
		process->start_source = (uint8_t)facts->source;
	}
	if (facts->sight == PROCESS_SIGHT_END && facts->label_ns > process->end_label_ns) {
		process->end_label_ns = facts->label_ns;
		process->end_source = (uint8_t)facts->source;
	}
	return slot;
}

static struct kept_event *kept_for(const struct process_table *table, uint32_t slot,
				   const struct process_facts *facts)
{
	struct process *process = &table->processes[slot];
	return &process->kept[facts->sight == PROCESS_SIGHT_START ? (int)facts->source
								  : (int)KEPT_SIGHTING];
}

/* Of several events, the earliest is kept: the same one whatever the order. */
bool process_table_wants_event(const struct process_table *table, uint32_t slot,
			       const struct process_facts *facts, uint64_t identity)
{
	const struct kept_event *kept = kept_for(table, slot, facts);
	if (kept->event == CELL_NONE || facts->label_ns < kept->label_ns)
		return true;
	return facts->label_ns == kept->label_ns && identity < kept->identity;
}

void process_table_keep_event(struct process_table *table, uint32_t slot,
			      const struct process_facts *facts, const struct event *event)
{
	struct kept_event *kept = kept_for(table, slot, facts);
	cell_store_drop(table->store, kept->event);
	kept->event = cell_store_put(table->store, event);
	kept->label_ns = facts->label_ns;
	kept->identity = event->identity;
	while (kept->event == CELL_NONE && table->slots.oldest != slot) {
		counter_add(table->counters, COUNTER_processes_evicted, 1);
		forget(table, table->slots.oldest);
		kept->event = cell_store_put(table->store, event);
	}
}

/* --- asking ----------------------------------------------------------------------------------- */

uint64_t process_start_wire_ns(const struct process *process, const struct host_table *hosts,
			       bool *out_exact)
{
	*out_exact = process->start_label_ns != 0;
	if (process->start_label_ns == 0)
		return process->guid_start_ns;
	const struct clock_reading reading = host_table_read_event_clock(
		hosts, process->host, (enum clock_source)process->start_source,
		process->start_label_ns);
	return wire_time(&reading, process->start_label_ns);
}

uint64_t process_end_wire_ns(const struct process *process, const struct host_table *hosts)
{
	if (process->end_label_ns == 0)
		return UINT64_MAX;
	const struct clock_reading reading = host_table_read_event_clock(
		hosts, process->host, (enum clock_source)process->end_source,
		process->end_label_ns);
	return wire_time(&reading, process->end_label_ns);
}

bool process_lived_at(const struct process *process, const struct host_table *hosts,
		      uint64_t wire_ns)
{
	bool exact;
	const uint64_t start_ns = process_start_wire_ns(process, hosts, &exact);
	const uint64_t slack_ns = exact ? START_SLACK_NS : GUID_START_SLACK_NS;
	const uint64_t end_ns = process_end_wire_ns(process, hosts);
	return start_ns <= wire_ns + slack_ns &&
	       (end_ns == UINT64_MAX || wire_ns <= end_ns + END_SLACK_NS);
}

static bool images_agree(const struct process *left, const struct process *right)
{
	return left->image_tail == 0 || right->image_tail == 0 ||
	       left->image_tail == right->image_tail;
}

/* A better answer than the one so far: a GUID before none, then the later start. */
static bool is_better(const struct process_table *table, const struct process *process,
		      const struct process *best)
{
	bool exact;
	if (!best)
		return true;
	if (process->kind != best->kind)
		return process->kind < best->kind;
	const uint64_t start_ns = process_start_wire_ns(process, table->hosts, &exact);
	const uint64_t best_ns = process_start_wire_ns(best, table->hosts, &exact);
	if (start_ns != best_ns)
		return start_ns > best_ns;
	return strcmp(process->entity_id, best->entity_id) < 0;
}

struct process_choice process_table_resolve(const struct process_table *table, uint32_t slot,
					    uint64_t wire_ns)
{
	const struct process *asked = &table->processes[slot];
	if (asked->kind == PROCESS_GUID)
		return (struct process_choice){ slot, true };
	const struct process *best = NULL;
	const struct process *only = NULL; /* the only GUID, whatever the times say */
	uint32_t guid_count = 0;
	uint32_t at = process_table_first_of_pid(table, asked->group, asked->pid);
	for (int i = 0; i < CHAIN_MAX && at != NO_SLOT; i++) {
		const struct process *process = &table->processes[at];
		at = process->next_of_pid;
		if (process->kind == PROCESS_SIGHTED || !images_agree(process, asked) ||
		    !host_table_same(table->hosts, process->host, asked->host))
			continue;
		if (process->kind == PROCESS_GUID) {
			guid_count++;
			only = process;
		}
		if (process_lived_at(process, table->hosts, wire_ns) &&
		    is_better(table, process, best))
			best = process;
	}
	if (best && (best->kind == PROCESS_GUID || guid_count != 1))
		return (struct process_choice){ (uint32_t)(best - table->processes), true };
	/* the GUID's own clock may be days off; a start that was seen is not doubted */
	if (!best && guid_count == 1 && only->start_label_ns == 0)
		return (struct process_choice){ (uint32_t)(only - table->processes), false };
	if (best)
		return (struct process_choice){ (uint32_t)(best - table->processes), true };
	return (struct process_choice){ slot, asked->kind == PROCESS_STARTED };
}

uint32_t process_table_find_living(const struct process_table *table, uint32_t host, int64_t pid,
				   uint64_t image_tail, uint64_t wire_ns)
{
	const struct process *best = NULL;
	uint32_t at = process_table_first_of_pid(table, host_table_group(table->hosts, host), pid);
	for (int i = 0; i < CHAIN_MAX && at != NO_SLOT; i++) {
		const struct process *process = &table->processes[at];
		at = process->next_of_pid;
		if ((image_tail && process->image_tail && process->image_tail != image_tail) ||
		    !host_table_same(table->hosts, process->host, host))
			continue;
		if (process_lived_at(process, table->hosts, wire_ns) &&
		    is_better(table, process, best))
			best = process;
	}
	return best ? (uint32_t)(best - table->processes) : NO_SLOT;
}

static size_t add_starts(const struct process_table *table, uint32_t slot,
			 struct process_start out_starts[PROCESS_STARTS_MAX], size_t count)
{
	const struct process *process = &table->processes[slot];
	bool exact;
	for (int source = 0; source < CLOCK_SOURCES && count < PROCESS_STARTS_MAX; source++) {
		if (process->kept[source].event == CELL_NONE)
			continue;
		out_starts[count++] = (struct process_start){
			.process = slot,
			.event = process->kept[source].event,
			.source = (enum clock_source)source,
			.wire_ns = process_start_wire_ns(process, table->hosts, &exact),
		};
	}
	return count;
}

size_t process_table_starts(const struct process_table *table, uint32_t slot,
			    struct process_start out_starts[PROCESS_STARTS_MAX])
{
	const struct process *asked = &table->processes[slot];
	size_t count = add_starts(table, slot, out_starts, 0);
	if (asked->kind != PROCESS_GUID)
		return count;
	uint32_t at = process_table_first_of_pid(table, asked->group, asked->pid);
	for (int i = 0; i < CHAIN_MAX && at != NO_SLOT; i++) {
		const struct process *process = &table->processes[at];
		bool exact;
		if (process->kind == PROCESS_STARTED &&
		    process_table_resolve(table, at,
					  process_start_wire_ns(process, table->hosts, &exact))
				    .slot == slot)
			count = add_starts(table, at, out_starts, count);
		at = process->next_of_pid;
	}
	return count;
}

size_t process_entity_id(const struct process *process, const struct host_table *hosts,
			 char out_text[ENTITY_ID_MAX + 1])
{
	if (process->entity_id_bytes) {
		memcpy(out_text, process->entity_id, process->entity_id_bytes + 1U);
		return process->entity_id_bytes;
	}
	/* Fixed seed: the same id in every run and on every machine. */
	static const struct hash_seed seed = { { 0x656e7469747969U, 0x70726f637370616eU } };
	const char *name = host_table_name(hosts, host_table_canonical(hosts, process->host));
	uint64_t hash = hash_bytes(&seed, name, strlen(name));
	hash = hash_word(&seed, hash, (uint64_t)process->pid);
	hash = hash_word(&seed, hash,
			 process->start_label_ns ? process->start_label_ns : process->image_tail);
	return (size_t)snprintf(out_text, ENTITY_ID_MAX + 1, "procspan-%016" PRIx64 "-%" PRId64,
				hash, process->pid);
}

size_t process_table_bytes(const struct process_table *table)
{
	return sizeof(*table) + table->slots.capacity * sizeof(struct process) +
	       aged_slots_bytes(&table->slots) + table_bytes(table->by_entity) +
	       table_bytes(table->by_pid);
}
