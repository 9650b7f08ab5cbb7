/* eql.h: EQL text to a tree: the grammar, and what can be refused without knowing any field.
 *
 * No state, any thread. Hostile text costs time and memory linear in its size, and is refused when
 * it is larger or deeper than the limits below.
 */
#pragma once

#include "collector/base/arena.h"
#include "collector/base/complaint.h"
#include "rules/ast.h"

enum {
	QUERY_SIZE_MAX = 1 << 20,   /* bytes of text */
	EXPRESSION_DEPTH_MAX = 128, /* of parentheses, `not`, signs and calls within each other */
	QUERY_TERMS_MAX = 256,	    /* after expansion; RULE_STAGES_MAX */
	QUERY_KEYS_MAX = 16,	    /* RULE_KEYS_MAX */
	QUERY_RUNS_MAX = 100,	    /* as Elasticsearch */
	QUERY_PIPES_MAX = 16,
};

/* Where a query's text stands, so that complaints can name the place. */
struct query_source {
	const char *file;     /* or NULL */
	uint32_t line_offset; /* lines of the file before the query's first */
};

/* NULL after one or more complaints. A bad term of a sequence does not hide errors in the next. */
const struct query_ast *eql_parse(const char *text, size_t size_bytes,
				  const struct query_source *source, struct arena *arena,
				  struct complaints *complaints);

/* A bare expression, as it may stand after `where`. */
const struct expression *eql_parse_expression(const char *text, size_t size_bytes,
					      const struct query_source *source,
					      struct arena *arena, struct complaints *complaints);
