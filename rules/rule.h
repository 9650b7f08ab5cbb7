/* rule.h: one loaded rule: what its file says about it, and the shape that its query compiled to.
 *
 * Everything here is owned by the ruleset, immutable once loaded, and read by any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rule_kind {
	RULE_EVENT,    /* one step; every event that satisfies it is an alert */
	RULE_SEQUENCE, /* steps in order of time, joined by keys */
	RULE_SAMPLE,   /* steps in any order, joined by keys */
	RULE_NOT_RUN,  /* understood, but of a kind that this engine does not run; `not_run_because`
			  says why */
};

/* How a query is read. */
struct query_options {
	const char *category_field; /* NULL = event.category */
	bool strict_fields; /* a field that is not known and not optional is refused, as with a
			       mapping */
};

enum rule_severity { SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL };

enum { RULE_KEYS_MAX = 16, RULE_STAGES_MAX = 256 };

#define RULE_NO_STEP UINT32_MAX

/* A step is one `[category where condition]`, compiled. Steps are numbered across the whole
 * ruleset; equal ones share a number, so that each is evaluated once per event. */
typedef uint32_t step_id;

struct rule_key {
	uint16_t field;
	bool optional; /* `?field`: null joins with null */
};

/* A stage is one position of a sequence or sample. `with runs=3` makes three stages of one step. */
struct rule_stage {
	step_id step;
	bool missing;			     /* `![...]`: no such event may be there */
	struct rule_key keys[RULE_KEYS_MAX]; /* key_count of the rule, global keys first */
};

struct rule_subtechnique {
	const char *id;
	const char *name;
	const char *reference;
};

struct rule_technique {
	const char *id;
	const char *name;
	const char *reference;
	const struct rule_subtechnique *subtechniques;
	size_t subtechnique_count;
};

struct rule_threat {
	const char *framework;
	const char *tactic_id;
	const char *tactic_name;
	const char *tactic_reference;
	const struct rule_technique *techniques;
	size_t technique_count;
};

struct text_list {
	const char *const *items; /* NUL-terminated each */
	size_t count;
};

/* `field` equal to `value` in the alert's event sets another severity or score. */
struct rule_mapping {
	const char *field;
	const char *value; /* "" for a score that is the field's own value */
	enum rule_severity severity;
};

/* One alert per group and duration instead of many. */
struct rule_suppression {
	struct text_list group_by;
	uint64_t duration_ns;		     /* 0 = per run of the rule */
	const char *missing_fields_strategy; /* "suppress" or "doNotSuppress" */
};

/* type = "new_terms": a combination of values not seen within the window. */
struct rule_new_terms {
	struct text_list fields;
	uint64_t window_ns;
};

/* type = "threshold": at least `value` events of a group. */
struct rule_threshold {
	struct text_list fields;
	uint64_t value;
	const char *cardinality_field; /* or NULL: so many distinct values of it */
	uint64_t cardinality;
};

/* In the order written: `head 4 | tail 2` is the last two of the first four. */
struct rule_pipe {
	bool tail; /* or head */
	uint64_t count;
};

/* Something about a rule that its author may not have meant; it runs nevertheless. */
struct rule_lint {
	uint32_t line; /* of the rule's file; 0 = the whole rule */
	uint32_t column;
	const char *text;
};

struct rule {
	uint32_t index; /* in its ruleset */
	enum rule_kind kind;
	const char *file;
	uint32_t line;	  /* where [rule] stands in it */
	const char *type; /* "eql", "query", "new_terms", ... */
	const char *id;	  /* rule_id; a UUID in the public files */
	const char *name;
	const char *description;
	const char *version; /* as text; "1" when the file has none */
	const char *license;
	const char *note;		 /* investigation guide, or NULL */
	const char *setup;		 /* or NULL */
	const char *query;		 /* the text, as written */
	const char *language;		 /* "eql" or "kuery" */
	const char *building_block_type; /* "default", or NULL */
	const char *rule_name_override;	 /* field name, or NULL */
	const char *not_run_because;	 /* for RULE_NOT_RUN */
	enum rule_severity severity;
	int risk_score;	      /* 0..100 */
	uint64_t interval_ns; /* how often it runs in the system it comes from; carried, not used */
	uint64_t look_back_ns; /* `from`: how far back; bounds sequences without maxspan, 0 =
				  unstated */
	uint32_t max_signals;  /* carried, not used */
	struct text_list authors;
	struct text_list tags;
	struct text_list indices;
	struct text_list references;
	struct text_list false_positives;
	struct text_list integrations;
	struct text_list investigation_fields;
	const struct rule_threat *threats;
	size_t threat_count;

	/* what the file says about itself and about the system it comes from: carried */
	const char *maturity; /* "production", ... or NULL, as are all below */
	const char *creation_date;
	const char *updated_date;
	const char *min_stack_version;
	const char *timestamp_override;
	const char *event_category_override; /* the field that `process where` tests */
	const char *tiebreaker_field;
	const char *timeline_id;
	const char *timeline_title;
	struct text_list exceptions; /* list_id of each exceptions_list */
	const struct rule_mapping *severity_mappings;
	size_t severity_mapping_count;
	const struct rule_mapping *risk_score_mappings;
	size_t risk_score_mapping_count;
	const struct rule_suppression *suppression;
	const struct rule_new_terms *new_terms;
	const struct rule_threshold *threshold;
	bool disabled; /* enabled = false */

	const struct rule_lint *lints;
	size_t lint_count;

	uint32_t datasets;    /* events of these datasets only; all bits set without `index`,
				 and DATASET_other always */
	uint16_t key_count;   /* join keys of each stage */
	uint16_t stage_count; /* 1 for RULE_EVENT */
	const struct rule_stage *stages;
	step_id until_step;		   /* or RULE_NO_STEP */
	const struct rule_key *until_keys; /* key_count of them, or NULL */
	uint64_t maxspan_ns;		   /* 0 = none */
	const struct rule_pipe *pipes;	   /* for ad-hoc queries */
	size_t pipe_count;
};

/* "low", "medium", "high", "critical" */
const char *rule_severity_name(enum rule_severity severity);
