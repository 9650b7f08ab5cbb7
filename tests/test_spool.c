/* The input spool: what was committed is there after a crash, whatever the crash did to the last
 * record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/input/input_spool.h"
#include "tests/support_run.h"
#include "tests/support_shared.h"

enum {
	DOCUMENT_MAX = 64,
	DOCUMENTS = 200,
	RECORD_BYTES = 8 + 9 + 13, /* of "0: a document" */
};

struct found {
	size_t count;
	char last[DOCUMENT_MAX];
	bool in_order; /* document i says i, from `first` on */
	size_t first;
};

static void take(void *context, enum document_kind kind, uint64_t received_ns, const char *bytes,
		 size_t size_bytes)
{
	struct found *found = context;
	assert_int_equal(kind, DOCUMENT_JSON);
	snprintf(found->last, sizeof(found->last), "%.*s", (int)size_bytes, bytes);
	const size_t number = strtoul(found->last, NULL, 10);
	assert_int_equal(received_ns, number * 1000);
	if (found->count == 0)
		found->first = number;
	found->in_order &= number == found->first + found->count;
	found->count++;
}

static struct input_spool *open_spool(const char *path, struct found *found,
				      struct counters *counters)
{
	const struct input_spool_settings settings = { .path = path,
						       .segment_bytes = 512,
						       .max_bytes = 4096 };
	struct input_spool *spool = NULL;
	*found = (struct found){ .in_order = true };
	assert_int_equal(input_spool_open(&settings, counters, take, found, &spool), 0);
	return spool;
}

static void append(struct input_spool *spool, size_t number)
{
	char text[DOCUMENT_MAX];
	const int size = snprintf(text, sizeof(text), "%zu: a document", number);
	assert_int_equal(
		input_spool_append(spool, DOCUMENT_JSON, number * 1000, text, (size_t)size), 0);
}

static void committed_documents_are_found_again_in_order(void **state)
{
	(void)state;
	char *path = make_temporary_directory();
	struct counters counters = { 0 };
	struct found found;
	for (size_t i = 0; i < 30; i += 10) {
		struct input_spool *spool = open_spool(path, &found, &counters);
		assert_int_equal(found.count, i);
		assert_true(found.in_order);
		for (size_t j = i; j < i + 10; j++)
			append(spool, j);
		assert_int_equal(input_spool_commit(spool), 0);
		input_spool_close(spool);
	}
	remove_tree(path);
	free(path);
}

static void a_cut_or_damaged_tail_loses_only_what_was_not_committed(void **state)
{
	(void)state;
	struct counters counters = { 0 };
	for (size_t cut = 1; cut < 40; cut++) {
		char *path = make_temporary_directory();
		struct found found;
		struct input_spool *spool = open_spool(path, &found, &counters);
		for (size_t i = 0; i < 5; i++)
			append(spool, i);
		input_spool_close(spool);
		char file[4096];
		snprintf(file, sizeof(file), "%s/000000000001.spool", path);
		size_t size;
		char *bytes = read_whole_file(file, 0, &size);
		if (cut % 2)
			write_file(file, bytes, size - cut);
		else {
			bytes[size - cut / 2] ^= 0x10;
			write_file(file, bytes, size);
		}
		free(bytes);
		spool = open_spool(path, &found, &counters);
		assert_true(found.in_order);
		assert_int_equal(found.count,
				 5 - (cut % 2 ? (cut + RECORD_BYTES - 1) / RECORD_BYTES : 1));
		append(spool, found.count);
		input_spool_close(spool);
		const size_t before = found.count;
		spool = open_spool(path, &found, &counters);
		assert_int_equal(found.count, before + 1);
		assert_true(found.in_order);
		input_spool_close(spool);
		remove_tree(path);
		free(path);
	}
}

static void oldest_segments_go_first_when_the_spool_is_full_or_old(void **state)
{
	(void)state;
	char *path = make_temporary_directory();
	struct counters counters = { 0 };
	struct found found;
	struct input_spool *spool = open_spool(path, &found, &counters);
	for (size_t i = 0; i < DOCUMENTS; i++) {
		append(spool, i);
		assert_int_equal(input_spool_commit(spool), 0);
		input_spool_expire(spool, i * 1000);
	}
	assert_true(input_spool_bytes(spool) <= 4096 + 512 + DOCUMENT_MAX);
	assert_true(counter_read(&counters, COUNTER_spool_bytes_forgotten) > 0);
	input_spool_close(spool);
	spool = open_spool(path, &found, &counters);
	assert_true(found.in_order);
	assert_int_equal(found.first + found.count, DOCUMENTS);
	input_spool_expire(spool, UINT64_MAX / 2);
	assert_true(input_spool_bytes(spool) <= 512 + DOCUMENT_MAX);
	input_spool_close(spool);
	remove_tree(path);
	free(path);
}

static void second_opener_is_refused(void **state)
{
	(void)state;
	char *path = make_temporary_directory();
	struct counters counters = { 0 };
	struct found found;
	struct input_spool *spool = open_spool(path, &found, &counters);
	const struct input_spool_settings settings = { .path = path };
	struct input_spool *second = NULL;
	assert_int_equal(input_spool_open(&settings, &counters, NULL, NULL, &second), -EWOULDBLOCK);
	assert_null(second);
	input_spool_close(spool);
	remove_tree(path);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(committed_documents_are_found_again_in_order),
		cmocka_unit_test(a_cut_or_damaged_tail_loses_only_what_was_not_committed),
		cmocka_unit_test(oldest_segments_go_first_when_the_spool_is_full_or_old),
		cmocka_unit_test(second_opener_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
