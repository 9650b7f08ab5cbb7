#include "collector/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024, ALIGNMENT = alignof(max_align_t) };

/* A chain of blocks; only the newest one is filled. A request that does not fit gets
 * a new block. */
struct block {
	struct block *older;
	size_t used_bytes;
	size_t size_bytes;
	alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct block *newest;
	size_t used_bytes;
	size_t limit_bytes;
};

struct arena *arena_open(size_t limit_bytes)
{
	struct arena *arena = calloc(1, sizeof(*arena));
	if (arena)
		arena->limit_bytes = limit_bytes ? limit_bytes : SIZE_MAX;
	return arena;
}

void arena_close(struct arena *arena)
{
	if (!arena)
		return;
	for (struct block *block = arena->newest; block;) {
		struct block *older = block->older;
		free(block);
		block = older;
	}
	free(arena);
}

static struct block *add_block(struct arena *arena, size_t size_bytes)
{
	if (size_bytes < BLOCK_BYTES)
		size_bytes = BLOCK_BYTES;
	struct block *block = calloc(1, sizeof(*block) + size_bytes);
	if (!block)
		return NULL;
	block->size_bytes = size_bytes;
	block->older = arena->newest;
	arena->newest = block;
	return block;
}

void *arena_take(struct arena *arena, size_t size_bytes)
{
	/* Half of all there is: beyond it, rounding up could wrap. */
	if (size_bytes > arena->limit_bytes - arena->used_bytes || size_bytes > SIZE_MAX / 2)
		return NULL;
	const size_t rounded = (size_bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	struct block *block = arena->newest;
	if (!block || block->size_bytes - block->used_bytes < rounded)
		block = add_block(arena, rounded);
	if (!block)
		return NULL;
	void *taken = block->bytes + block->used_bytes;
	block->used_bytes += rounded;
	arena->used_bytes += size_bytes;
	return taken;
}

char *arena_copy_text(struct arena *arena, const char *text, size_t size_bytes)
{
	char *copy = size_bytes < SIZE_MAX ? arena_take(arena, size_bytes + 1) : NULL;
	if (copy)
		memcpy(copy, text, size_bytes);
	return copy;
}

size_t arena_used_bytes(const struct arena *arena)
{
	return arena->used_bytes;
}
