/* lint.h: what a rule's author may not have meant. The rule runs nevertheless. No thread. */
#pragma once

#include "rules/ast.h"
#include "rules/program.h"
#include "rules/rule_file.h"

/* A `*` or `?` in ==, != or in, which Elasticsearch takes literally; a network inside another one
 * of the same cidrMatch. Lints stand at `line_offset` + the place in the query. */
void lint_query(struct rule_draft *draft, struct arena *arena, const struct query_ast *query);

/* A condition that is the same for every event. */
void lint_program(struct rule_draft *draft, struct arena *arena, const struct query_term *term,
		  const struct program *program);
