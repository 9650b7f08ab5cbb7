#include "tests/support_run.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support_shared.h"

enum { WORDS_MAX = 64 };

static void become(const char *const *words, const char *out_path, const char *err_path)
{
	const char *binary = getenv("PROCSPAN_BINARY");
	char *copies[WORDS_MAX + 2];
	size_t count = 0;
	copies[count++] = strdup(binary ? binary : "./procspan");
	for (; *words && count <= WORDS_MAX; words++)
		copies[count++] = strdup(*words);
	copies[count] = NULL;
	const int out = open(out_path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	const int err = open(err_path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	const int null = open("/dev/null", O_RDONLY);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(copies[0], copies);
	_exit(127);
}

struct run run_procspan(const char *const *words)
{
	struct run run = { .exit_code = -1 };
	char *directory = make_temporary_directory();
	char out_path[4096];
	char err_path[4096];
	snprintf(out_path, sizeof(out_path), "%s/out", directory);
	snprintf(err_path, sizeof(err_path), "%s/err", directory);
	const pid_t child = fork();
	if (child == 0)
		become(words, out_path, err_path);
	int status = 0;
	waitpid(child, &status, 0);
	if (WIFEXITED(status))
		run.exit_code = WEXITSTATUS(status);
	size_t err_bytes;
	run.out = read_whole_file(out_path, 1, &run.out_bytes);
	run.err = read_whole_file(err_path, 1, &err_bytes);
	remove_tree(directory);
	free(directory);
	return run;
}

void run_release(struct run *run)
{
	free(run->out);
	free(run->err);
}

char *make_temporary_directory(void)
{
	const char *root = getenv("TMPDIR");
	char path[4096];
	snprintf(path, sizeof(path), "%s/procspan-test-XXXXXX", root ? root : "/tmp");
	if (!mkdtemp(path)) {
		perror(path);
		exit(1);
	}
	return strdup(path);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void write_file(const char *path, const void *bytes, size_t size_bytes)
{
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, size_bytes, file) != size_bytes || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}
