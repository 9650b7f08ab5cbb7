/* report.h: `procspan check rules`: what becomes of every rule file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* One line per rule file (ok; unsupported with the place; dead: needs what no source produces; not
 * run: of a kind that this engine leaves out), its lints below it, totals at the end; or the same
 * as one JSON object. Returns the exit code: 0, or 4 when any file was refused. */
int rules_report(const char *const *paths, size_t count, bool json, FILE *stream);
