#include "collector/packet/capture_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/packet/capture_inflate.h"
#include "collector/packet/capture_stream.h"

enum {
	MAP_STEP_BYTES = 2 << 20,    /* pages made present at a time */
	MAP_BEHIND_BYTES = 16 << 20, /* pages kept behind the reader */
	MAGIC_BYTES = 4,
};

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* --- opening ---------------------------------------------------------------------------------- */

static bool open_stream(struct capture_source *source, int descriptor, enum capture_source_use use)
{
	struct capture_inflate *inflate = capture_inflate_open(descriptor);
	if (!inflate)
		return false;
	source->inflated = true;
	source->stream = capture_stream_open(
		inflate, use == CAPTURE_PEEK ? CAPTURE_BLOCK_SMALL_BYTES : CAPTURE_BLOCK_BYTES,
		CAPTURE_PIECE_MAX, use == CAPTURE_READ_THREADED);
	return source->stream != NULL;
}

/* An empty file has no mapping and an empty window. */
static bool open_mapped(struct capture_source *source, int descriptor)
{
	void *mapped = NULL;
	if (source->size_bytes > 0)
		mapped = mmap(NULL, source->size_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
	const int error = errno;
	close(descriptor);
	errno = error;
	if (mapped == MAP_FAILED)
		return false;
	source->mapped = source->at = source->end = source->ahead = mapped;
	return true;
}

static bool open_descriptor(struct capture_source *source, int descriptor,
			    enum capture_source_use use)
{
	struct stat status;
	uint8_t magic[MAGIC_BYTES];
	if (fstat(descriptor, &status) != 0 || S_ISDIR(status.st_mode)) {
		errno = S_ISDIR(status.st_mode) ? EISDIR : errno;
		close(descriptor);
		return false;
	}
	source->can_reopen = S_ISREG(status.st_mode);
	if (!source->can_reopen)
		return open_stream(source, descriptor, CAPTURE_READ_THREADED);
	source->size_bytes = (uint64_t)status.st_size;
	const ssize_t got = pread(descriptor, magic, sizeof(magic), 0);
	if (got < 0) {
		close(descriptor);
		return false;
	}
	if (capture_inflate_wanted(magic, (size_t)got))
		return open_stream(source, descriptor, use);
	return open_mapped(source, descriptor);
}

bool capture_source_open(struct capture_source *out_source, const char *path,
			 enum capture_source_use use, struct complaint *complaint)
{
	struct capture_source source = { 0 };
	const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0 || !open_descriptor(&source, descriptor, use))
		return complain(complaint, path, 0, 0, "cannot be read: %s", strerror(errno));
	*out_source = source;
	return true;
}

void capture_source_close(struct capture_source *source)
{
	capture_stream_close(source->stream);
	if (source->mapped)
		munmap((void *)(uintptr_t)source->mapped, source->size_bytes);
	*source = (struct capture_source){ 0 };
}

/* --- moving the window ------------------------------------------------------------------------ */

/* Gives back pages far behind the reader, so that reading a large file takes no more memory than a
 * small one. Packets that still point there would only be read again. */
static void drop_behind(struct capture_source *source)
{
	const size_t read_bytes = (size_t)(source->at - source->mapped);
	if (read_bytes < source->dropped_bytes + 2 * (size_t)MAP_BEHIND_BYTES)
		return;
	const size_t drop_bytes = (read_bytes - MAP_BEHIND_BYTES - source->dropped_bytes) &
				  ~(size_t)(MAP_STEP_BYTES - 1);
	void *first = (void *)(uintptr_t)(source->mapped + source->dropped_bytes);
	madvise(first, drop_bytes, MADV_DONTNEED);
	source->dropped_bytes += drop_bytes;
}

/* Lets the window reach one step further. Making the pages present here costs half of what faulting
 * on each would, and tells of a file that somebody cut meanwhile without a SIGBUS. */
static enum capture_got extend_mapped(struct capture_source *source)
{
	const uint64_t left = source->size_bytes - source->end_offset;
	if (left == 0 || source->fault)
		return CAPTURE_ENDED;
	const size_t step = left < MAP_STEP_BYTES ? (size_t)left : MAP_STEP_BYTES;
	void *first = (void *)(uintptr_t)source->end;
	if (madvise(first, step, MADV_POPULATE_READ) != 0 && errno == EFAULT) {
		source->fault = "the file became shorter while it was read";
		return CAPTURE_ENDED;
	}
	drop_behind(source);
	source->end += step;
	source->end_offset += step;
	return CAPTURE_GOT;
}

/* Lets the window reach over the next block, with what is left of this one copied in
 * front of it. */
static enum capture_got extend_stream(struct capture_source *source)
{
	struct capture_stream *stream = source->stream;
	if (source->pinned && capture_stream_held(stream) == CAPTURE_STREAM_HELD_MAX)
		return CAPTURE_LATER;
	size_t size_bytes;
	uint8_t *block = capture_stream_take(stream, &size_bytes);
	if (!block) {
		source->fault = capture_stream_fault(stream);
		return CAPTURE_ENDED;
	}
	const size_t left = capture_source_left(source);
	if (left > 0)
		memcpy(block - left, source->at, left);
	source->at = source->ahead = block - left;
	source->end = block + size_bytes;
	source->end_offset += size_bytes;
	if (!source->pinned)
		capture_stream_release(stream);
	return CAPTURE_GOT;
}

enum capture_got capture_source_more(struct capture_source *source, size_t size_bytes)
{
	while (source->skip_bytes > 0 || capture_source_left(source) < size_bytes) {
		const enum capture_got got =
			source->stream ? extend_stream(source) : extend_mapped(source);
		if (got != CAPTURE_GOT)
			return got;
		const uint64_t skip_bytes = source->skip_bytes;
		source->skip_bytes = 0;
		capture_source_skip(source, skip_bytes);
	}
	return CAPTURE_GOT;
}

void capture_source_begin(struct capture_source *source)
{
	source->pinned = false;
	if (source->stream)
		capture_stream_release(source->stream);
}

uint64_t capture_source_consumed(const struct capture_source *source)
{
	if (source->stream)
		return capture_stream_consumed(source->stream);
	return (uint64_t)(source->at - source->mapped);
}
