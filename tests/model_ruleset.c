#include "tests/model_ruleset.h"

#include <stdlib.h>

#include "rules/eql.h"
#include "rules/program.h"

struct model_query {
	struct arena *arena;
	struct program_set *programs;
	const struct program *program;
	struct program_scratch *scratch;
};

struct model_query *model_query_open(struct fields *fields, const char *query, size_t size_bytes)
{
	static struct complaints complaints;
	static const struct query_source source;
	struct model_query *model = calloc(1, sizeof(*model));
	if (!model)
		return NULL;
	complaints.count = 0;
	model->arena = arena_open(0);
	model->programs = program_set_open(fields, model->arena);
	const struct query_ast *tree =
		eql_parse(query, size_bytes, &source, model->arena, &complaints);
	if (tree)
		model->program =
			program_compile(model->programs, tree->terms, NULL, &source, &complaints);
	if (model->program)
		model->scratch = program_scratch_open(model->programs);
	if (model->scratch)
		return model;
	model_query_close(model);
	return NULL;
}

void model_query_close(struct model_query *query)
{
	if (!query)
		return;
	program_scratch_close(query->scratch);
	program_set_close(query->programs);
	arena_close(query->arena);
	free(query);
}

bool model_query_match(struct model_query *query, const struct event *event)
{
	program_scratch_next_event(query->scratch);
	return program_match(query->program, query->scratch, event);
}
