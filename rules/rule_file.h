/* rule_file.h: a file of the public detection-rules layout, read but not compiled.
 *
 * Source: the layout of github.com/elastic/detection-rules (docs/rules.md names every key). Keys
 * that nobody knows are lints, so that next year's files still load. No thread.
 */
#pragma once

#include "rules/rule.h"
#include "rules/toml.h"

struct rule_draft {
	struct rule rule;		 /* all that the file says about the rule; no stages yet */
	const struct toml_node *query;	 /* NULL for kinds without one */
	const struct toml_node *filters; /* the array [[rule.filters]], or NULL */
	struct rule_lint *lints;	 /* room for RULE_LINTS_MAX, rule.lint_count used */
};

enum { RULE_LINTS_MAX = 32 };

/* What the draft's rule refers to is kept in `arena`; `query` and `filters` live in `scratch`.
 * False after one or more complaints. */
bool rule_file_read(const char *file, const char *text, size_t size_bytes, struct arena *scratch,
		    struct arena *arena, struct complaints *complaints,
		    struct rule_draft *out_draft);

/* Notes a lint; beyond RULE_LINTS_MAX they are left out. */
void rule_draft_lint(struct rule_draft *draft, struct arena *arena, uint32_t line, uint32_t column,
		     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "90s", "9m", "24h", "7d" as nanoseconds. False: not that. */
bool rule_duration_parse(const char *text, uint64_t *out_ns);
