/* support_shared.h: where the tests find third-party data that may not be copied into the
 * repository. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The path of a file or folder of the shared data (../shared, or $PROCSPAN_SHARED), in a static
 * buffer that the next call overwrites. NULL, after printing "skipped: no shared data" once, when
 * it is not there. */
const char *shared_path(const char *relative);

/* A whole file in a malloc'ed block with `padding` zero bytes behind it; NULL when unreadable. Gzip
 * is inflated. */
char *read_whole_file(const char *path, size_t padding, size_t *out_size);
