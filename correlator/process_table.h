/* process_table.h: every process that the events speak of: found by entity id, and by (host, pid)
 * at a time.
 *
 * A process is known by a GUID that its source gave it, by a start event without one (Security
 * 4688), or by pid and image alone (5156). Those are three records until somebody asks which
 * process it was: then times, pid and image say which of them are one. So the answer depends on
 * what is known, not on what came first.
 *
 * One owner thread. A full table forgets the process that was seen longest ago, and counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/hash.h"
#include "correlator/cell_store.h"
#include "correlator/host_table.h"
#include "correlator/aged_slots.h"

struct process_table;

enum { ENTITY_ID_MAX = 127 };

enum process_kind {
	PROCESS_GUID,	 /* its source names it */
	PROCESS_STARTED, /* a start without a name of its own */
	PROCESS_SIGHTED, /* pid and image only */
};

enum process_sight { PROCESS_SIGHT_START, PROCESS_SIGHT_END, PROCESS_SIGHT_OTHER };

/* What an event says about a process. */
struct process_facts {
	uint32_t host;
	enum clock_source source;
	enum process_sight sight;
	int64_t pid;
	uint64_t label_ns;
	const char *entity_id; /* or NULL */
	size_t entity_id_bytes;
	const char *image; /* or NULL */
	size_t image_bytes;
};

struct process {
	uint32_t host;
	uint32_t group;	     /* host_table_group(host) */
	uint32_t generation; /* counts the processes that lived in this slot */
	uint32_t next_of_pid;
	uint8_t kind;	      /* enum process_kind */
	uint8_t start_source; /* enum clock_source of start_label_ns */
	uint8_t end_source;
	uint8_t seen_source;
	int64_t pid;
	uint64_t image_tail;	 /* hash of the image's path after its volume; 0 = unknown */
	bool image_from_start;	 /* image_tail is what the start said */
	uint64_t start_label_ns; /* 0 = no start seen */
	uint64_t end_label_ns;	 /* 0 = no end seen */
	uint64_t guid_start_ns;	 /* the start second inside a Sysmon GUID, host's UTC; 0 = none */
	uint64_t seen_label_ns;	 /* earliest */
	/* start events by source, and last an event that merely has process.* in it */
	struct kept_event {
		uint64_t label_ns;
		uint64_t identity;
		uint32_t event; /* handle in the store, or CELL_NONE */
		uint32_t unused;
	} kept[CLOCK_SOURCES + 1];
	uint16_t entity_id_bytes;
	char entity_id[ENTITY_ID_MAX + 1]; /* "" = none given */
};

/* NULL with errno; the caller closes. `hosts` and `store` outlive the
 * table. */
struct process_table *process_table_open(uint32_t max_processes, const struct host_table *hosts,
					 struct cell_store *store, const struct hash_seed *seed,
					 struct counters *counters);
void process_table_close(struct process_table *table);

/* The record that the facts belong to, made when it is new; NO_SLOT when they name nobody. */
uint32_t process_table_learn(struct process_table *table, const struct process_facts *facts);

struct process *process_table_at(const struct process_table *table, uint32_t slot);
uint32_t process_table_count(const struct process_table *table);

/* The records of one (host group, pid), chained by next_of_pid. */
uint32_t process_table_first_of_pid(const struct process_table *table, uint32_t group, int64_t pid);

enum { KEPT_SIGHTING = CLOCK_SOURCES };

/* Keeps a copy of the event if it is the earliest of its kind: a start event per source, and one
 * sighting. Asked first, so that nobody builds an event in vain. */
bool process_table_wants_event(const struct process_table *table, uint32_t slot,
			       const struct process_facts *facts, uint64_t identity);
void process_table_keep_event(struct process_table *table, uint32_t slot,
			      const struct process_facts *facts, const struct event *event);

/* On the wire's time line; 0 and UINT64_MAX when unknown. */
uint64_t process_start_wire_ns(const struct process *process, const struct host_table *hosts,
			       bool *out_exact);
uint64_t process_end_wire_ns(const struct process *process, const struct host_table *hosts);

/* Which process is meant by this record at that wire time: itself when it has a GUID, else the
 * process of the same host, pid and image that lived then. `sure` false: the times did not say so,
 * only the lack of others. */
struct process_choice {
	uint32_t slot;
	bool sure;
};
struct process_choice process_table_resolve(const struct process_table *table, uint32_t slot,
					    uint64_t wire_ns);

/* The process with this pid that lived on the host at that time; `image_tail` 0 = any. NO_SLOT when
 * none is known. */
uint32_t process_table_find_living(const struct process_table *table, uint32_t host, int64_t pid,
				   uint64_t image_tail, uint64_t wire_ns);

/* The start events kept of this process, and of records that turn out to be the same process; best
 * source first. Returns how many. */
struct process_start {
	uint32_t process; /* the record it belongs to */
	uint32_t event;	  /* handle in the store */
	enum clock_source source;
	uint64_t wire_ns;
};
enum { PROCESS_STARTS_MAX = 6 };
size_t process_table_starts(const struct process_table *table, uint32_t slot,
			    struct process_start out_starts[PROCESS_STARTS_MAX]);

/* Did it live at that time, as far as is known? */
bool process_lived_at(const struct process *process, const struct host_table *hosts,
		      uint64_t wire_ns);

/* The id that rules join by: its own, or one made from host, pid and start. Returns its length. */
size_t process_entity_id(const struct process *process, const struct host_table *hosts,
			 char out_text[ENTITY_ID_MAX + 1]);

/* Hash of the part of a path after its volume ("C:\x", "\device\harddiskvolume3\x"), ASCII case
 * folded; 0 for none. */
uint64_t process_image_tail(const char *image, size_t size_bytes);

size_t process_table_bytes(const struct process_table *table);
