/* support_pairs.h: real captures with the host logs of the same minutes, and the truth
 * about them (../shared/data/pairs): read once, fed to a correlator in any order,
 * compared with flows.tsv. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/event.h"
#include "collector/flow.h"
#include "correlator/correlator.h"

/* Everything that a run is fed with. */
struct pair_facts {
	struct fields *fields;
	size_t event_count;
	struct event **events; /* in the order of the files */
	size_t flow_count;
	struct flow_event *flows;
	size_t name_count;
	struct wire_name *names;
};

/* What flows.tsv says of one flow. */
struct truth_end {
	char guid[64]; /* "" = none known */
	char image[260];
	int64_t pid; /* -1 = nobody known */
	int candidate_count;
};

struct truth_flow {
	struct ip_address source;
	struct ip_address destination;
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t ip_protocol;
	uint64_t first_ns;
	uint64_t last_ns;
	struct truth_end ends[2]; /* of source, of destination */
};

/* What the correlator said of one end of one flow. */
struct owner_row {
	uint64_t flow_id;
	enum flow_status status;
	struct flow_event flow;
	struct {
		enum attribution_method method;
		double confidence;
		uint32_t candidate_count;
		int64_t pid;
		char entity_id[128];
		char runners_up[7][128];
	} ends[2];
};

struct owners {
	size_t count;
	struct owner_row *rows;
};

/* Paths of a directory's files; false when it is not there. `ruleset_fields` NULL = make them. */
bool pair_load(const char *directory, struct fields *fields, struct pair_facts *out_facts);
void pair_close(struct pair_facts *facts);

struct pair_options {
	uint64_t shuffle_seed;	  /* 0 = events first, then flows, as in the files */
	bool without_connections; /* leaves Sysmon 3 and 5156 out */
	int eager;
	int64_t (*move_label)(void *context,
			      const struct event *event); /* added to labels; or NULL */
	void *context;
	const struct ruleset *ruleset; /* or NULL */
	void (*alert)(void *context, const struct alert *alert);
	void *alert_context;
	void (*host)(void *context, const struct host_report *report);
	void *host_context;
};

/* Feeds a correlator; the rows are sorted by flow id. */
void pair_run(const struct pair_facts *facts, const struct pair_options *options,
	      struct owners *out_owners);
void owners_close(struct owners *owners);

struct truth {
	size_t count;
	struct truth_flow *flows;
};
bool truth_load(const char *path, struct truth *out_truth);
void truth_close(struct truth *truth);

struct score {
	unsigned expected; /* ends with exactly one GUID in the truth */
	unsigned right;
	unsigned missed;
	unsigned wrong;	 /* another process than the truth's */
	unsigned extra;	 /* an owner where the truth has none */
	unsigned shared; /* ends that several processes share */
	unsigned shared_right;
	unsigned without_guid; /* only pid and image known */
	unsigned without_guid_right;
	unsigned by_method[ATTRIBUTION_COUNT];
	unsigned wrong_sure; /* wrong or extra at confidence >= 0.9 */
};

/* Adds a run's rows to the score; prints every end that is not right when `print`. */
void score_add(struct score *score, const struct owners *owners, const struct truth *truth,
	       bool print);
