/* check.h: what check.c (fields, constants, logic) and check_predicate.c (comparisons, lists,
 * calls) share. */
#pragma once

#include "rules/node.h"

bool checker_complain(struct checker *checker, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool checker_strict(const struct checker *checker);

/* NULL after a complaint. */
struct node *checker_node(struct checker *checker, enum node_kind kind, enum static_type type,
			  struct place place, size_t operand_count);
struct node *checker_operands(struct checker *checker, enum node_kind kind, enum static_type type,
			      const struct expression *expression);
struct node *checker_fold(struct checker *checker, struct node *node);

enum static_type static_type_of_value(const struct value *value);

/* Can a value of the first type be one of the other? Null and untyped fields always can. */
bool static_type_fits(enum static_type type, enum static_type wanted);

struct node *check_call(struct checker *checker, const struct expression *expression);
struct node *check_compare(struct checker *checker, const struct expression *expression);
struct node *check_list(struct checker *checker, const struct expression *expression);
