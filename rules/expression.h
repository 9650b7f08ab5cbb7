/* expression.h: query trees made by hand, for languages other than EQL: KQL and the filters of rule
 * files. No thread.
 *
 * Every function returns NULL when the arena has no room or an operand is NULL, so that a chain is
 * checked once.
 */
#pragma once

#include "collector/base/arena.h"
#include "rules/ast.h"

struct expression *expression_field(struct arena *arena, struct text name, struct place place);
struct expression *expression_null(struct arena *arena, struct place place);
struct expression *expression_boolean(struct arena *arena, bool truth, struct place place);
struct expression *expression_integer(struct arena *arena, int64_t integer, struct place place);
struct expression *expression_double(struct arena *arena, double number, struct place place);
struct expression *expression_text(struct arena *arena, struct text text, struct place place);

/* Two operands and an operation, at the left one's place. */
struct expression *expression_compare(struct arena *arena, enum operation operation,
				      struct expression *left, struct expression *right);

/* IN, LIKE, REGEX or CALL's operands: a field and one constant. */
struct expression *expression_test(struct arena *arena, enum expression_kind kind, bool insensitive,
				   struct expression *field, struct expression *constant);
struct expression *expression_call(struct arena *arena, const char *name, bool insensitive,
				   struct expression *field, struct expression *constant);

struct expression *expression_not(struct arena *arena, struct expression *operand);

/* AND or OR. One operand alone stands for itself. */
struct expression *expression_list(struct arena *arena, enum expression_kind kind,
				   struct expression *const *operands, size_t count);

/* A text of which some bytes are wildcards. */
enum glob_kind { GLOB_LITERAL, GLOB_ANY_RUN, GLOB_ANY_ONE };

struct glob {
	char *bytes; /* a wildcard's byte is `*` or `?` */
	uint8_t *kinds;
	size_t size_bytes;
};

bool glob_has_wildcard(const struct glob *glob);
bool glob_is_star(const struct glob *glob); /* one `*` or more, and nothing else */

/* The field fits the glob: an equality, a LIKE, or a REGEX where a literal `*` or `?` stands beside
 * wildcards. */
struct expression *expression_glob(struct arena *arena, struct expression *field,
				   const struct glob *glob, bool insensitive);
