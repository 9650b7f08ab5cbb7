/* support_run.h: runs the procspan binary as a user would, and looks at what it said. */
#pragma once

#include <stddef.h>

struct run {
	int exit_code; /* -1: killed by a signal */
	char *out;     /* malloc'ed, NUL-terminated */
	size_t out_bytes;
	char *err;
};

/* The binary of the flavour under test ($PROCSPAN_BINARY) with these words, the last one NULL. */
struct run run_procspan(const char *const *words);
void run_release(struct run *run);

/* A new empty directory below $TMPDIR; remove_tree deletes it with all that is in it. */
char *make_temporary_directory(void); /* malloc'ed */
void remove_tree(const char *path);

/* Writes a file; fails the test when it cannot. */
void write_file(const char *path, const void *bytes, size_t size_bytes);
