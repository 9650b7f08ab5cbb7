#include "rules/rule_paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/toml.h"

enum { PATH_BYTES_MAX = 4096, DIRECTORY_DEPTH_MAX = 32 };

struct walk {
	struct complaints *complaints;
	rule_file_fn *found;
	void *context;
	unsigned depth;
};

static bool refuse(const struct walk *walk, const char *path, int error)
{
	return complain(complaints_next(walk->complaints), path, 0, 0, "cannot be read: %s",
			strerror(error));
}

/* One byte more than a rule file may have is read, so that a longer one is refused as too long. */
static bool read_file(const struct walk *walk, const char *path)
{
	const int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return refuse(walk, path, errno);
	const size_t room = TOML_SIZE_MAX + 1;
	char *text = malloc(room);
	size_t size = 0;
	ssize_t got = text ? 1 : -1;
	while (got > 0 && size < room) {
		got = read(file, text + size, room - size);
		if (got > 0)
			size += (size_t)got;
	}
	const int error = errno;
	close(file);
	const bool accepted =
		got < 0 ? refuse(walk, path, error) : walk->found(walk->context, path, text, size);
	free(text);
	return accepted;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

static bool ends_in_toml(const char *name)
{
	const size_t size = strlen(name);
	return size > 5 && strcmp(name + size - 5, ".toml") == 0;
}

static bool walk_directory(struct walk *walk, const char *path);

/* Below a directory only *.toml counts; symbolic links are followed. */
static bool walk_entry(struct walk *walk, const char *path, const char *name)
{
	char inner[PATH_BYTES_MAX];
	struct stat status;
	const int size = snprintf(inner, sizeof(inner), "%s/%s", path, name);
	if (size < 0 || (size_t)size >= sizeof(inner))
		return refuse(walk, path, ENAMETOOLONG);
	if (stat(inner, &status) != 0)
		return !ends_in_toml(name) || refuse(walk, inner, errno);
	if (S_ISDIR(status.st_mode))
		return walk_directory(walk, inner);
	return !S_ISREG(status.st_mode) || !ends_in_toml(name) || read_file(walk, inner);
}

static bool walk_directory(struct walk *walk, const char *path)
{
	if (walk->depth == DIRECTORY_DEPTH_MAX)
		return refuse(walk, path, ELOOP);
	struct dirent **entries;
	const int count = scandir(path, &entries, is_visible, by_name);
	if (count < 0)
		return refuse(walk, path, errno);
	bool accepted = true;
	walk->depth++;
	for (int i = 0; i < count; i++) {
		accepted &= walk_entry(walk, path, entries[i]->d_name);
		free(entries[i]);
	}
	walk->depth--;
	free(entries);
	return accepted;
}

bool rule_paths_each(const char *path, struct complaints *complaints, rule_file_fn *found,
		     void *context)
{
	struct walk walk = { .complaints = complaints, .found = found, .context = context };
	char trimmed[PATH_BYTES_MAX];
	struct stat status;
	size_t size = strlen(path);
	while (size > 1 && path[size - 1] == '/')
		size--;
	if (size >= sizeof(trimmed))
		return refuse(&walk, path, ENAMETOOLONG);
	memcpy(trimmed, path, size);
	trimmed[size] = '\0';
	if (stat(trimmed, &status) != 0)
		return refuse(&walk, path, errno);
	return S_ISDIR(status.st_mode) ? walk_directory(&walk, trimmed) : read_file(&walk, trimmed);
}
