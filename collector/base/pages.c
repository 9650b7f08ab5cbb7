#include "collector/base/pages.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

enum { HUGE_PAGE_BYTES = 2 << 20 };

/* A mapping is aligned to 4 KiB only: take one huge page more than asked, and give back what sticks
 * out at both ends. */
static void *open_aligned(size_t size_bytes)
{
	if (size_bytes > SIZE_MAX - HUGE_PAGE_BYTES) {
		errno = ENOMEM;
		return NULL;
	}
	const size_t mapped_bytes = size_bytes + HUGE_PAGE_BYTES;
	char *const mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		return NULL;
	const size_t before_bytes = -(uintptr_t)mapped % HUGE_PAGE_BYTES;
	const size_t after_bytes = (mapped_bytes - before_bytes - size_bytes) & ~(size_t)4095;
	if (before_bytes)
		munmap(mapped, before_bytes);
	if (after_bytes)
		munmap(mapped + mapped_bytes - after_bytes, after_bytes);
	return mapped + before_bytes;
}

static size_t round_to_pages(size_t size_bytes)
{
	return (size_bytes + 4095) & ~(size_t)4095;
}

void *pages_open(size_t size_bytes)
{
	size_bytes = round_to_pages(size_bytes);
	if (size_bytes == 0) {
		errno = EINVAL;
		return NULL;
	}
	if (size_bytes >= HUGE_PAGE_BYTES) {
		void *pages = open_aligned(size_bytes);
		if (pages)
			madvise(pages, size_bytes, MADV_HUGEPAGE); /* a wish, not a need */
		return pages;
	}
	void *pages =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return pages == MAP_FAILED ? NULL : pages;
}

void pages_close(void *pages, size_t size_bytes)
{
	if (pages)
		munmap(pages, round_to_pages(size_bytes));
}
