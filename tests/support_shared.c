#include "tests/support_shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

const char *shared_path(const char *relative)
{
	static char path[4096];
	const char *root = getenv("PROCSPAN_SHARED");
	snprintf(path, sizeof(path), "%s/%s", root ? root : "../shared", relative);
	if (access(path, R_OK) == 0)
		return path;
	printf("skipped: no shared data (%s)\n", relative);
	return NULL;
}

char *read_whole_file(const char *path, size_t padding, size_t *out_size)
{
	gzFile file = gzopen(path, "rb"); /* reads plain files too */
	if (!file)
		return NULL;
	size_t size = 0;
	size_t room = 1 << 16;
	char *bytes = malloc(room + padding);
	for (int got = 1; bytes && got > 0; size += (size_t)got) {
		if (size == room) {
			room *= 2;
			char *larger = realloc(bytes, room + padding);
			if (!larger)
				free(bytes);
			bytes = larger;
		}
		got = bytes ? gzread(file, bytes + size, (unsigned)(room - size)) : 0;
		if (got < 0)
			got = 0;
	}
	gzclose(file);
	if (!bytes)
		return NULL;
	memset(bytes + size, 0, padding);
	*out_size = size;
	return bytes;
}
