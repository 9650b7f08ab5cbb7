/* rule_paths.h: which rule files a path names. No thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/complaint.h"

/* `text` is the file's content, freed after the call. Returns false to be remembered as a failure;
 * the walk goes on. */
typedef bool rule_file_fn(void *context, const char *file, const char *text, size_t size_bytes);

/* Hands over the file, or every *.toml below the directory in the order of their names. False when
 * any call returned false, or after complaints about what cannot be read. */
bool rule_paths_each(const char *path, struct complaints *complaints, rule_file_fn *found,
		     void *context);
