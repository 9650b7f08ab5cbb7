/* pages.h: large blocks of zeroed memory straight from the kernel, on huge pages where it has some.
 *
 * For tables that are read at random: with 4 KiB pages each read of a 64 MiB table misses the TLB
 * as well as the cache.
 */
#pragma once

#include <stddef.h>

/* Zeroed, aligned to a huge page when it is as large as one. NULL with errno; the caller closes. */
void *pages_open(size_t size_bytes);

/* With the size that it was opened with. NULL is fine. */
void pages_close(void *pages, size_t size_bytes);
