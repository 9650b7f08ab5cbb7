#include "collector/input/backlog.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"

static const size_t block_bytes = HARD((size_t)1 << 20, (size_t)1 << 10);

struct block {
	struct block *next;
	size_t room_bytes;
	size_t used_bytes;
	size_t taken_bytes;
	_Alignas(8) char bytes[]; /* entries, and BACKLOG_PADDING behind the room */
};

/* What stands before a document in its block. */
struct entry {
	uint64_t received_ns;
	uint32_t size_bytes;
	uint32_t kind;
};

struct backlog {
	struct block *first;
	struct block *last;
	struct block *spare;  /* of block_bytes, or NULL */
	uint64_t added_count; /* documents, since the beginning; as are both below */
	uint64_t released_count;
	uint64_t dropped_count;
	size_t bytes;
};

struct backlog *backlog_open(void)
{
	return calloc(1, sizeof(struct backlog));
}

void backlog_close(struct backlog *backlog)
{
	if (!backlog)
		return;
	while (backlog->first) {
		struct block *block = backlog->first;
		backlog->first = block->next;
		free(block);
	}
	free(backlog->spare);
	free(backlog);
}

static size_t entry_bytes(size_t size_bytes)
{
	return (sizeof(struct entry) + size_bytes + 7) & ~(size_t)7;
}

static struct block *new_block(struct backlog *backlog, size_t need_bytes)
{
	const size_t room = need_bytes > block_bytes ? need_bytes : block_bytes;
	struct block *block = room == block_bytes ? backlog->spare : NULL;
	if (block)
		backlog->spare = NULL;
	else
		block = malloc(sizeof(*block) + room + BACKLOG_PADDING);
	if (!block)
		return NULL;
	*block = (struct block){ .room_bytes = room };
	memset(block->bytes + room, 0, BACKLOG_PADDING);
	if (backlog->last)
		backlog->last->next = block;
	else
		backlog->first = block;
	backlog->last = block;
	return block;
}

bool backlog_add(struct backlog *backlog, const struct backlog_document *document)
{
	const size_t need = entry_bytes(document->size_bytes);
	struct block *block = backlog->last;
	if (!block || block->room_bytes - block->used_bytes < need)
		block = new_block(backlog, need);
	if (!block || document->size_bytes > UINT32_MAX)
		return false;
	const struct entry entry = { .received_ns = document->received_ns,
				     .size_bytes = (uint32_t)document->size_bytes,
				     .kind = document->kind };
	char *at = block->bytes + block->used_bytes;
	memcpy(at, &entry, sizeof(entry));
	memcpy(at + sizeof(entry), document->bytes, document->size_bytes);
	block->used_bytes += need;
	backlog->bytes += need;
	backlog->added_count++;
	return true;
}

void backlog_release(struct backlog *backlog)
{
	backlog->released_count = backlog->added_count;
}

bool backlog_first(const struct backlog *backlog, struct backlog_document *out_document)
{
	if (backlog->dropped_count == backlog->released_count)
		return false;
	const struct block *block = backlog->first;
	struct entry entry;
	memcpy(&entry, block->bytes + block->taken_bytes, sizeof(entry));
	*out_document = (struct backlog_document){
		.kind = (enum document_kind)entry.kind,
		.received_ns = entry.received_ns,
		.bytes = block->bytes + block->taken_bytes + sizeof(entry),
		.size_bytes = entry.size_bytes,
	};
	return true;
}

void backlog_drop(struct backlog *backlog)
{
	struct block *block = backlog->first;
	struct entry entry;
	memcpy(&entry, block->bytes + block->taken_bytes, sizeof(entry));
	const size_t size = entry_bytes(entry.size_bytes);
	block->taken_bytes += size;
	backlog->bytes -= size;
	backlog->dropped_count++;
	if (block->taken_bytes < block->used_bytes)
		return;
	backlog->first = block->next;
	if (!backlog->first)
		backlog->last = NULL;
	if (!backlog->spare && block->room_bytes == block_bytes)
		backlog->spare = block;
	else
		free(block);
}

size_t backlog_bytes(const struct backlog *backlog)
{
	return backlog->bytes;
}
