/* Replays a fuzz target's corpus without libFuzzer, so that an input that once found a fault stays
 * a test. Usage: fuzz_NAME [DIRECTORY]; says OK once per directory, in cmocka's words for
 * tests/run.sh. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Into a heap block of the exact size, so that ASan sees one byte too far. */
static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return;
	fseek(file, 0, SEEK_END);
	const long size = ftell(file);
	rewind(file);
	uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
	if (bytes && size >= 0 && fread(bytes, 1, (size_t)size, file) == (size_t)size)
		LLVMFuzzerTestOneInput(bytes, (size_t)size);
	free(bytes);
	fclose(file);
}

int main(int count, char **arguments)
{
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	const char *directory = count > 1 ? arguments[1] : ".";
	DIR *entries = opendir(directory);
	size_t replayed = 0;
	for (struct dirent *entry; entries && (entry = readdir(entries));) {
		if (entry->d_name[0] == '.')
			continue;
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		replay_file(path);
		replayed++;
	}
	if (entries)
		closedir(entries);
	printf("[       OK ] %s: %zu inputs\n", directory, replayed);
	return 0;
}
