/* arena.h: memory that is freed all at once. For compilers, configuration readers and other work
 * with one lifetime; never on a per-packet or per-event path.
 *
 * An arena belongs to one thread at a time. Nothing taken from it may be freed alone.
 */
#pragma once

#include <stddef.h>

struct arena;

/* At most `limit_bytes` in all (0 = no limit); NULL with errno. The caller closes. */
struct arena *arena_open(size_t limit_bytes);
void arena_close(struct arena *arena);

/* Zeroed bytes, aligned for any type, or NULL when the limit or the system says no. */
void *arena_take(struct arena *arena, size_t size_bytes);

/* A NUL-terminated copy of `size_bytes` bytes of text, or NULL. */
char *arena_copy_text(struct arena *arena, const char *text, size_t size_bytes);

size_t arena_used_bytes(const struct arena *arena);
