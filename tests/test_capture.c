/* Capture files: every format, cut everywhere, corrupted at random, merged,
 * and third-party ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/hard.h"
#include "collector/packet/capture.h"
#include "tests/support_capture.h"
#include "tests/support_random.h"
#include "tests/support_shared.h"

enum { PATH_MAX_BYTES = 256, FILES = 8 };

static char directory[] = "/tmp/procspan-capture-XXXXXX";

/* The path of scratch file number i. */
static const char *scratch(int number)
{
	static char paths[FILES][PATH_MAX_BYTES];
	snprintf(paths[number], PATH_MAX_BYTES, "%s/%d", directory, number);
	return paths[number];
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	for (int i = 0; i < FILES; i++)
		unlink(scratch(i));
	return rmdir(directory);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct seen {
	bool opened;
	uint64_t packets, captured_bytes, wire_bytes;
	uint64_t first_ns, last_ns;
	uint64_t byte_sum; /* touches every byte that was handed over */
	bool in_order;
	struct complaints complaints; /* of the open */
	struct complaints faults;
};

/* Called for each packet; NULL = just count. */
typedef void check_fn(uint64_t number, const struct packet *packet);

static void see(struct seen *seen, const struct packet *packet)
{
	if (seen->packets++ == 0)
		seen->first_ns = packet->time_ns;
	seen->in_order &= packet->time_ns >= seen->last_ns;
	seen->last_ns = packet->time_ns;
	seen->captured_bytes += packet->captured_bytes;
	seen->wire_bytes += packet->wire_bytes;
	for (uint32_t i = 0; i < packet->captured_bytes; i++)
		seen->byte_sum += packet->bytes[i];
}

static const struct seen *read_files(const char *const *paths, size_t count, check_fn *check)
{
	static struct seen seen;
	memset(&seen, 0, sizeof(seen));
	seen.in_order = true;
	struct capture *capture = NULL;
	if (!capture_open_files(paths, count, &seen.complaints, &capture)) {
		assert_null(capture);
		assert_true(seen.complaints.count > 0);
		return &seen;
	}
	seen.opened = true;
	struct packet packets[PACKET_BATCH];
	for (size_t got; (got = capture_next(capture, packets)) > 0;) {
		assert_in_range(got, 1, PACKET_BATCH);
		for (size_t i = 0; i < got; i++) {
			if (check)
				check(seen.packets, &packets[i]);
			see(&seen, &packets[i]);
		}
	}
	assert_int_equal(capture_next(capture, packets), 0);
	uint64_t done_bytes;
	uint64_t total_bytes;
	capture_progress(capture, &done_bytes, &total_bytes);
	assert_int_equal(done_bytes, total_bytes);
	seen.faults = *capture_faults(capture);
	capture_close(capture);
	return &seen;
}

static const struct seen *read_file(const char *path, check_fn *check)
{
	return read_files(&path, 1, check);
}

static const struct seen *read_bytes(const struct support_bytes *bytes,
				     enum support_packing packing, check_fn *check)
{
	support_bytes_save(bytes, scratch(0), packing);
	return read_file(scratch(0), check);
}

/* --- every format ----------------------------------------------------------------------------- */

enum { BASE_S = 1600000000, NS = 1000000000, SAMPLE_PACKETS = 3 };

static const char payload[] = "0123456789abcdefghijklmnopqrstuvwxyz";

/* Packet i of a sample: i + 1 seconds and i microseconds after the base, 10 + i bytes of payload
 * from 100 + i on the wire. */
static uint64_t sample_ns(uint64_t i)
{
	return (BASE_S + i + 1) * NS + i * 1000;
}

static void check_sample(uint64_t i, const struct packet *packet)
{
	assert_int_equal(packet->time_ns, sample_ns(i));
	assert_int_equal(packet->captured_bytes, 10 + i);
	assert_int_equal(packet->wire_bytes, 100 + i);
	assert_memory_equal(packet->bytes, payload + i, 10 + i);
	assert_int_equal(packet->link_type, 1);
	assert_int_equal(packet->capture, 0);
	assert_int_equal(packet->vlan_id, 0);
}

/* `ends[i]` is the size after packet i, for those who cut. */
static void write_pcap_sample(struct support_bytes *into, enum support_pcap_magic magic,
			      size_t ends[SAMPLE_PACKETS])
{
	support_bytes_pcap_header(into, magic, 0xf4000001); /* with the FCS length bits set */
	for (uint32_t i = 0; i < SAMPLE_PACKETS; i++) {
		support_bytes_pcap_packet(into, magic, sample_ns(i), payload + i, 10 + i, 100 + i);
		ends[i] = into->size;
	}
}

static void write_pcapng_sample(struct support_bytes *into, size_t ends[SAMPLE_PACKETS])
{
	support_bytes_section(into);
	support_bytes_block(into, 0xbad, "something new", 13);
	support_bytes_interface(into, 1, 0, NULL, 0);
	support_bytes_block(into, 5, "statistics", 10);
	for (uint32_t i = 0; i < SAMPLE_PACKETS; i++) {
		const uint64_t ticks = sample_ns(i) / 1000;
		if (i == 1)
			support_bytes_old_packet(into, 0, ticks, payload + i, 10 + i, 100 + i);
		else
			support_bytes_enhanced(into, 0, ticks, payload + i, 10 + i, 100 + i);
		ends[i] = into->size;
	}
}

static const struct {
	const char *name;
	enum support_pcap_magic magic; /* 0 = pcapng */
	bool big_endian;
} formats[] = {
	{ "pcap, microseconds", SUPPORT_PCAP_MICRO, false },
	{ "pcap, microseconds, big endian", SUPPORT_PCAP_MICRO, true },
	{ "pcap, nanoseconds", SUPPORT_PCAP_NANO, false },
	{ "pcap, nanoseconds, big endian", SUPPORT_PCAP_NANO, true },
	{ "pcap, modified", SUPPORT_PCAP_MODIFIED, false },
	{ "pcap, modified, big endian", SUPPORT_PCAP_MODIFIED, true },
	{ "pcapng", 0, false },
	{ "pcapng, big endian", 0, true },
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

static struct support_bytes sample_of(size_t format, size_t ends[SAMPLE_PACKETS])
{
	struct support_bytes bytes = { .big_endian = formats[format].big_endian };
	if (formats[format].magic)
		write_pcap_sample(&bytes, formats[format].magic, ends);
	else
		write_pcapng_sample(&bytes, ends);
	return bytes;
}

static void every_format_is_read_plain_and_packed(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMATS; i++) {
		size_t ends[SAMPLE_PACKETS];
		struct support_bytes bytes = sample_of(i, ends);
		for (enum support_packing packing = SUPPORT_PLAIN; packing <= SUPPORT_ZSTD;
		     packing++) {
			const struct seen *seen = read_bytes(&bytes, packing, check_sample);
			if (seen->packets != SAMPLE_PACKETS || seen->faults.count != 0)
				fail_msg("%s, packing %d", formats[i].name, packing);
		}
		support_bytes_free(&bytes);
	}
}

/* Whole packets come out, and a complaint unless the cut is between two records. */
static void a_file_cut_anywhere_gives_its_whole_packets_and_a_complaint(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMATS; i++) {
		size_t ends[SAMPLE_PACKETS];
		struct support_bytes bytes = sample_of(i, ends);
		const size_t whole = bytes.size;
		for (bytes.size = 0; bytes.size < whole; bytes.size++) {
			uint64_t packets = 0;
			while (packets < SAMPLE_PACKETS && ends[packets] <= bytes.size)
				packets++;
			const enum support_packing last =
				bytes.size % 5 == 0 ? SUPPORT_ZSTD : SUPPORT_PLAIN;
			for (enum support_packing packing = SUPPORT_PLAIN; packing <= last;
			     packing++) {
				const struct seen *seen = read_bytes(&bytes, packing, check_sample);
				const bool whole_records =
					packets > 0 && ends[packets - 1] == bytes.size;
				if (seen->packets != packets || seen->faults.count > 1 ||
				    (whole_records && seen->faults.count != 0))
					fail_msg("%s cut at %zu: %" PRIu64 " packets, %zu faults",
						 formats[i].name, bytes.size, seen->packets,
						 seen->faults.count);
				if (packets > 0 && !whole_records && seen->faults.count != 1)
					fail_msg("%s cut at %zu: no complaint", formats[i].name,
						 bytes.size);
			}
		}
		support_bytes_free(&bytes);
	}
}

static void a_complaint_names_the_file_and_the_offset(void **state)
{
	(void)state;
	size_t ends[SAMPLE_PACKETS];
	struct support_bytes bytes = sample_of(0, ends);
	bytes.size = ends[1] + 20;
	const struct seen *seen = read_bytes(&bytes, SUPPORT_PLAIN, NULL);
	assert_int_equal(seen->faults.count, 1);
	assert_string_equal(seen->faults.items[0].file, scratch(0));
	assert_string_equal(seen->faults.items[0].text,
			    "packet record at offset 77 says 28 bytes, file ends after 20");
	bytes.bytes[ends[0] + 10] = 0xff; /* captured length */
	seen = read_bytes(&bytes, SUPPORT_GZIP, NULL);
	assert_string_equal(seen->faults.items[0].text,
			    "packet record at offset 50 says 16711691 bytes, more than the 262144 "
			    "that a packet may have");
	support_bytes_free(&bytes);
}

static void corrupt_files_never_hurt(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	for (size_t round = 0; round < 3000; round++) {
		size_t ends[SAMPLE_PACKETS];
		struct support_bytes bytes = sample_of(round % FORMATS, ends);
		for (uint32_t flips = 1 + support_random_below(&random, 4); flips > 0; flips--) {
			static const uint8_t likely[] = { 0, 1, 4, 6, 0x7f, 0x80, 0xff };
			const size_t at = support_random_below(&random, (uint32_t)bytes.size);
			bytes.bytes[at] = likely[support_random_below(&random, sizeof(likely))];
		}
		const struct seen *seen =
			read_bytes(&bytes, round % 3 ? SUPPORT_PLAIN : SUPPORT_GZIP, NULL);
		assert_in_range(seen->faults.count, 0, 1);
		support_bytes_free(&bytes);
	}
}

/* --- pcapng in particular --------------------------------------------------------------------- */

static void interfaces_count_time_in_their_own_units(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *options;
		size_t options_size;
		uint64_t ticks, time_ns;
	} cases[] = {
		{ "default", "", 0, 1500000, 1500000000 },
		{ "seconds", "\x09\0\1\0\0\0\0\0", 8, 7, 7000000000 },
		{ "nanoseconds", "\x09\0\1\0\x09\0\0\0", 8, 1500000007, 1500000007 },
		{ "picoseconds", "\x09\0\1\0\x0c\0\0\0", 8, 1999, 1 },
		{ "10^-29, beyond use", "\x09\0\1\0\x1d\0\0\0", 8, 5, 0 },
		{ "2^-10", "\x09\0\1\0\x8a\0\0\0", 8, 1536, 1500000000 },
		{ "2^-32", "\x09\0\1\0\xa0\0\0\0", 8, 3ULL << 31, 1500000000 },
		{ "2^-127", "\x09\0\1\0\xff\0\0\0", 8, UINT64_MAX, 0 },
		{ "offset", "\x0e\0\x08\0\x64\0\0\0\0\0\0\0", 12, 1500000, 101500000000 },
		{ "offset, then unit", "\x0e\0\x08\0\x64\0\0\0\0\0\0\0\x09\0\1\0\0\0\0\0", 20, 3,
		  103000000000 },
		{ "before 1970", "\x0e\0\x08\0\xff\xff\xff\xff\xff\xff\xff\xff", 12, 0, 0 },
		{ "the end of time", "\x09\0\1\0\0\0\0\0", 8, UINT64_MAX, UINT64_MAX },
		{ "others before it", "\2\0\3\0ab0\0\x09\0\1\0\x09\0\0\0\0\0\0\0", 20, 9, 9 },
		{ "none after the end", "\0\0\0\0\x09\0\1\0\x09\0\0\0", 12, 9, 9000 },
		{ "a value that is cut", "\x09\0\x09\0\x09\0\0\0", 8, 9, 9000 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct support_bytes bytes = { 0 };
		support_bytes_section(&bytes);
		support_bytes_interface(&bytes, 1, 0, cases[i].options, cases[i].options_size);
		support_bytes_enhanced(&bytes, 0, cases[i].ticks, "x", 1, 1);
		const struct seen *seen = read_bytes(&bytes, SUPPORT_PLAIN, NULL);
		if (seen->packets != 1 || seen->first_ns != cases[i].time_ns)
			fail_msg("%s: %" PRIu64, cases[i].name, seen->first_ns);
		support_bytes_free(&bytes);
	}
}

static void check_link_type(uint64_t i, const struct packet *packet)
{
	static const uint16_t link_types[] = { 1, 113, 101, 276, 1 };
	assert_int_equal(packet->link_type, link_types[i]);
}

static void sections_and_interfaces_change_on_the_way(void **state)
{
	(void)state;
	struct support_bytes bytes = { 0 };
	support_bytes_section(&bytes);
	support_bytes_interface(&bytes, 1, 0, NULL, 0);
	support_bytes_interface(&bytes, 113, 0, NULL, 0);
	support_bytes_enhanced(&bytes, 0, 1, "a", 1, 1);
	support_bytes_enhanced(&bytes, 1, 2, "b", 1, 1);
	support_bytes_interface(&bytes, 101, 0, NULL, 0);
	support_bytes_enhanced(&bytes, 2, 3, "c", 1, 1);
	bytes.big_endian = true;
	support_bytes_section(&bytes);
	support_bytes_interface(&bytes, 276, 0, NULL, 0);
	support_bytes_enhanced(&bytes, 0, 4, "d", 1, 1);
	bytes.big_endian = false;
	support_bytes_section(&bytes);
	support_bytes_interface(&bytes, 1, 0, NULL, 0);
	support_bytes_enhanced(&bytes, 0, 5, "e", 1, 1);
	const struct seen *seen = read_bytes(&bytes, SUPPORT_PLAIN, check_link_type);
	assert_int_equal(seen->packets, 5);
	assert_int_equal(seen->faults.count, 0);
	/* Interface 1 is of a section that is over. */
	support_bytes_enhanced(&bytes, 1, 6, "f", 1, 1);
	seen = read_bytes(&bytes, SUPPORT_PLAIN, check_link_type);
	assert_int_equal(seen->packets, 5);
	assert_int_equal(seen->faults.count, 1);
	support_bytes_free(&bytes);
}

static void simple_packets_have_the_time_before_and_what_fits(void **state)
{
	(void)state;
	struct support_bytes bytes = { 0 };
	support_bytes_section(&bytes);
	support_bytes_interface(&bytes, 1, 5, NULL, 0);
	support_bytes_simple(&bytes, "abcdefgh", 8, 8); /* snapped at 5 */
	support_bytes_enhanced(&bytes, 0, 1000, "a", 1, 1);
	support_bytes_simple(&bytes, "abcd", 4, 700); /* cut to the block */
	support_bytes_simple(&bytes, "abc", 3, 3);    /* and not its padding */
	const struct seen *seen = read_bytes(&bytes, SUPPORT_PLAIN, NULL);
	assert_int_equal(seen->packets, 4);
	assert_int_equal(seen->captured_bytes, 5 + 1 + 4 + 3);
	assert_int_equal(seen->wire_bytes, 8 + 1 + 700 + 3);
	assert_int_equal(seen->first_ns, 0);
	assert_int_equal(seen->last_ns, 1000000);
	support_bytes_free(&bytes);
}

static void blocks_that_contradict_themselves_end_the_file(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t at; /* in the second packet's block */
		uint32_t value;
	} cases[] = {
		{ "no such interface", 8, 1 },	     { "packet larger than its block", 20, 999 },
		{ "block too short", 4, 28 },	     { "block of no size", 4, 0 },
		{ "block larger than all", 4, ~0U }, { "block longer than the file", 4, 4000 },
		{ "other size at its end", 36, 44 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct support_bytes bytes = { 0 };
		support_bytes_section(&bytes);
		support_bytes_interface(&bytes, 1, 0, NULL, 0);
		support_bytes_enhanced(&bytes, 0, 1, "abcdefgh", 8, 8);
		const size_t second = bytes.size;
		support_bytes_enhanced(&bytes, 0, 2, "abcdefgh", 8, 8);
		support_bytes_enhanced(&bytes, 0, 3, "abcdefgh", 8, 8);
		memcpy(bytes.bytes + second + cases[i].at, &cases[i].value, 4);
		const struct seen *seen = read_bytes(&bytes, SUPPORT_PLAIN, NULL);
		if (seen->packets != 1 || seen->faults.count != 1)
			fail_msg("%s: %" PRIu64 " packets", cases[i].name, seen->packets);
		support_bytes_free(&bytes);
	}
}

static void large_unknown_blocks_are_skipped(void **state)
{
	(void)state;
	enum { LARGE_BYTES = 3000000 };
	char *large = calloc(1, LARGE_BYTES);
	struct support_bytes bytes = { 0 };
	support_bytes_section(&bytes);
	support_bytes_block(&bytes, 0x80000001, large, LARGE_BYTES);
	support_bytes_interface(&bytes, 1, 0, NULL, 0);
	support_bytes_enhanced(&bytes, 0, 1, "a", 1, 1);
	support_bytes_block(&bytes, 0x80000001, large, LARGE_BYTES);
	support_bytes_enhanced(&bytes, 0, 2, "b", 1, 1);
	for (enum support_packing packing = SUPPORT_PLAIN; packing <= SUPPORT_ZSTD; packing++) {
		const struct seen *seen = read_bytes(&bytes, packing, NULL);
		assert_int_equal(seen->packets, 2);
		assert_int_equal(seen->faults.count, 0);
	}
	support_bytes_block(&bytes, 0x80000001, large, LARGE_BYTES);
	bytes.size -= 1000;
	const struct seen *seen = read_bytes(&bytes, SUPPORT_PLAIN, NULL);
	assert_int_equal(seen->packets, 2);
	assert_int_equal(seen->faults.count, 1);
	support_bytes_free(&bytes);
	free(large);
}

/* --- what cannot be read ---------------------------------------------------------------------- */

static void what_is_no_capture_is_refused_with_all_others(void **state)
{
	(void)state;
	size_t ends[SAMPLE_PACKETS];
	struct support_bytes bytes = sample_of(0, ends);
	support_bytes_save(&bytes, scratch(0), SUPPORT_PLAIN);
	bytes.size = 23;
	support_bytes_save(&bytes, scratch(1), SUPPORT_PLAIN);
	bytes.size = 0;
	support_bytes_save(&bytes, scratch(2), SUPPORT_PLAIN);
	support_bytes_save(&bytes, scratch(3), SUPPORT_GZIP);
	bytes.bytes[4] = 3; /* version 3.4 */
	bytes.size = 24;
	support_bytes_save(&bytes, scratch(4), SUPPORT_PLAIN);
	bytes.size = 0;
	support_bytes_append(&bytes, "{\"@timestamp\": 1}\n", 18);
	support_bytes_save(&bytes, scratch(5), SUPPORT_ZSTD);
	support_bytes_free(&bytes);
	const char *const paths[] = { scratch(0), scratch(1),
				      scratch(2), scratch(3),
				      scratch(4), scratch(5),
				      directory,  "/nonexistent/capture.pcap" };
	enum { PATHS = sizeof(paths) / sizeof(paths[0]) };
	const struct seen *seen = read_files(paths, PATHS, NULL);
	assert_false(seen->opened);
	assert_int_equal(seen->complaints.count, PATHS - 1);
	for (size_t i = 1; i < PATHS; i++)
		assert_string_equal(seen->complaints.items[i - 1].file, paths[i]);
	assert_string_equal(seen->complaints.items[6].text,
			    "cannot be read: No such file or directory");
}

static void captures_without_packets_are_fine(void **state)
{
	(void)state;
	assert_int_equal(read_files(NULL, 0, NULL)->packets, 0);
	struct support_bytes bytes = { 0 };
	support_bytes_pcap_header(&bytes, SUPPORT_PCAP_MICRO, 1);
	support_bytes_save(&bytes, scratch(0), SUPPORT_PLAIN);
	support_bytes_save(&bytes, scratch(1), SUPPORT_GZIP);
	bytes.size = 0;
	support_bytes_section(&bytes);
	support_bytes_save(&bytes, scratch(2), SUPPORT_PLAIN);
	support_bytes_free(&bytes);
	const char *const paths[] = { scratch(0), scratch(1), scratch(2) };
	const struct seen *seen = read_files(paths, 3, NULL);
	assert_true(seen->opened);
	assert_int_equal(seen->packets, 0);
	assert_int_equal(seen->faults.count, 0);
}

/* --- larger than a block ---------------------------------------------------------------------- */

enum { LONG_PACKETS = HARD(40000, 3000) };

/* Sizes from nothing to the largest there may be; contents follow from the number. */
static uint32_t long_size(uint64_t i)
{
	if (i % 1000 == 7)
		return 262144 - (uint32_t)(i / 1000);
	return (uint32_t)(i * 2654435761U % 311);
}

static void check_long(uint64_t i, const struct packet *packet)
{
	const uint32_t size = long_size(i);
	assert_int_equal(packet->time_ns, i * 1000);
	assert_int_equal(packet->captured_bytes, size);
	if (size > 0) {
		assert_int_equal(packet->bytes[0], i & 0xff);
		assert_int_equal(packet->bytes[size - 1], i & 0xff);
	}
}

static struct support_bytes long_capture(bool pcapng)
{
	struct support_bytes bytes = { 0 };
	uint8_t *packet = malloc(262144);
	if (pcapng) {
		support_bytes_section(&bytes);
		support_bytes_interface(&bytes, 1, 0, NULL, 0);
	} else {
		support_bytes_pcap_header(&bytes, SUPPORT_PCAP_MICRO, 1);
	}
	for (uint64_t i = 0; i < LONG_PACKETS; i++) {
		const uint32_t size = long_size(i);
		memset(packet, (int)(i & 0xff), size);
		if (pcapng)
			support_bytes_enhanced(&bytes, 0, i, packet, size, size);
		else
			support_bytes_pcap_packet(&bytes, SUPPORT_PCAP_MICRO, i * 1000, packet,
						  size, size);
	}
	free(packet);
	return bytes;
}

static void packets_stay_whole_across_blocks_and_batches(void **state)
{
	(void)state;
	for (int pcapng = 0; pcapng < 2; pcapng++) {
		struct support_bytes bytes = long_capture(pcapng);
		for (enum support_packing packing = SUPPORT_PLAIN; packing <= SUPPORT_ZSTD;
		     packing++) {
			const struct seen *seen = read_bytes(&bytes, packing, check_long);
			assert_int_equal(seen->packets, LONG_PACKETS);
			assert_int_equal(seen->faults.count, 0);
		}
		support_bytes_free(&bytes);
	}
}

static void closing_early_ends_the_threads(void **state)
{
	(void)state;
	struct support_bytes bytes = long_capture(false);
	support_bytes_save(&bytes, scratch(0), SUPPORT_GZIP);
	support_bytes_free(&bytes);
	const char *path = scratch(0);
	for (int batches = 0; batches < 20; batches++) {
		struct complaints complaints = { 0 };
		struct capture *capture;
		assert_true(capture_open_files(&path, 1, &complaints, &capture));
		struct packet packets[PACKET_BATCH];
		for (int i = 0; i < batches; i++)
			assert_true(capture_next(capture, packets) > 0);
		capture_close(capture);
	}
	capture_close(NULL);
}

static void append_file(const char *from, const char *to)
{
	size_t size;
	FILE *source = fopen(from, "rb");
	FILE *target = fopen(to, "ab");
	char block[4096];
	while ((size = fread(block, 1, sizeof(block), source)) > 0)
		fwrite(block, 1, size, target);
	fclose(source);
	fclose(target);
}

static void packed_data_may_come_in_several_parts(void **state)
{
	(void)state;
	size_t ends[SAMPLE_PACKETS];
	struct support_bytes bytes = sample_of(0, ends);
	for (enum support_packing packing = SUPPORT_GZIP; packing <= SUPPORT_ZSTD; packing++) {
		unlink(scratch(1));
		struct support_bytes part = { .bytes = bytes.bytes, .size = ends[0] + 3 };
		support_bytes_save(&part, scratch(0), packing);
		append_file(scratch(0), scratch(1));
		part = (struct support_bytes){ .bytes = bytes.bytes + part.size,
					       .size = bytes.size - part.size };
		support_bytes_save(&part, scratch(0), packing);
		append_file(scratch(0), scratch(1));
		const struct seen *seen = read_file(scratch(1), check_sample);
		assert_int_equal(seen->packets, SAMPLE_PACKETS);
		assert_int_equal(seen->faults.count, 0);
	}
	support_bytes_free(&bytes);
}

static void packed_data_cut_or_corrupt_gives_what_came_before(void **state)
{
	(void)state;
	struct support_bytes bytes = long_capture(false);
	for (enum support_packing packing = SUPPORT_GZIP; packing <= SUPPORT_ZSTD; packing++) {
		support_bytes_save(&bytes, scratch(0), packing);
		struct stat status;
		assert_int_equal(stat(scratch(0), &status), 0);
		assert_int_equal(truncate(scratch(0), status.st_size * 3 / 4), 0);
		const struct seen *seen = read_file(scratch(0), check_long);
		assert_in_range(seen->packets, LONG_PACKETS / 4, LONG_PACKETS - 1);
		assert_int_equal(seen->faults.count, 1);
		assert_non_null(strstr(seen->faults.items[0].text, "at byte "));

		FILE *file = fopen(scratch(0), "r+b");
		fseek(file, status.st_size / 2, SEEK_SET);
		for (int i = 0; i < 200; i++)
			fputc(0xff, file);
		fclose(file);
		seen = read_file(scratch(0), NULL);
		assert_in_range(seen->packets, 1, LONG_PACKETS - 1);
		assert_int_equal(seen->faults.count, 1);
	}
	support_bytes_free(&bytes);
}

struct feed {
	const char *path;
	struct support_bytes bytes;
};

static void *feed_pipe(void *argument)
{
	const struct feed *feed = argument;
	FILE *pipe_end = fopen(feed->path, "wb");
	fwrite(feed->bytes.bytes, 1, feed->bytes.size, pipe_end);
	fclose(pipe_end);
	return NULL;
}

static void a_pipe_is_read_as_it_comes(void **state)
{
	(void)state;
	struct feed feed = { .path = scratch(1), .bytes = long_capture(true) };
	unlink(feed.path);
	assert_int_equal(mkfifo(feed.path, 0600), 0);
	pthread_t feeder;
	assert_int_equal(pthread_create(&feeder, NULL, feed_pipe, &feed), 0);
	const struct seen *seen = read_file(feed.path, check_long);
	assert_int_equal(seen->packets, LONG_PACKETS);
	pthread_join(feeder, NULL);
	unlink(feed.path);
	support_bytes_free(&feed.bytes);
}

/* --- several files ---------------------------------------------------------------------------- */

static void write_times(int number, const uint64_t *times, size_t count,
			enum support_packing packing)
{
	struct support_bytes bytes = { 0 };
	support_bytes_pcap_header(&bytes, SUPPORT_PCAP_NANO, 1);
	for (size_t i = 0; i < count; i++) {
		uint8_t body[2] = { (uint8_t)number, (uint8_t)i };
		support_bytes_pcap_packet(&bytes, SUPPORT_PCAP_NANO, times[i], body, 2, 2);
	}
	support_bytes_save(&bytes, scratch(number), packing);
	support_bytes_free(&bytes);
}

static char order[64]; /* "0a0b1a": file 0, its packets a, b; file 1, ... */

static void note_order(uint64_t i, const struct packet *packet)
{
	assert_int_equal(packet->capture, packet->bytes[0]);
	order[2 * i] = (char)('0' + packet->bytes[0]);
	order[2 * i + 1] = (char)('a' + packet->bytes[1]);
	order[2 * i + 2] = '\0';
}

static void files_are_merged_by_time_then_by_their_order(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t times[3][4];
		size_t counts[3];
		const char *order;
	} cases[] = {
		{ "interleaved", { { 1, 4 }, { 2, 5 }, { 3, 6 } }, { 2, 2, 2 }, "0a1a2a0b1b2b" },
		{ "one after the other",
		  { { 5, 6 }, { 1, 2 }, { 3, 4 } },
		  { 2, 2, 2 },
		  "1a1b2a2b0a0b" },
		{ "equal times", { { 7, 7 }, { 7, 7 }, { 7, 7 } }, { 2, 2, 2 }, "0a0b1a1b2a2b" },
		{ "all zero", { { 0, 0 }, { 0 }, { 0 } }, { 2, 1, 1 }, "0a0b1a2a" },
		{ "empty ones between", { { 2 }, { 0 }, { 1 } }, { 1, 0, 1 }, "2a0a" },
		{ "time goes back inside",
		  { { 5, 1, 6 }, { 3, 4 }, { 9 } },
		  { 3, 2, 1 },
		  "1a1b0a0b0c2a" },
	};
	const char *const paths[] = { scratch(0), scratch(1), scratch(2) };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int packing = 0; packing < 3; packing++) {
			for (int j = 0; j < 3; j++)
				write_times(j, cases[i].times[j], cases[i].counts[j],
					    (enum support_packing)((j + packing) % 3));
			order[0] = '\0';
			read_files(paths, 3, note_order);
			if (strcmp(order, cases[i].order) != 0)
				fail_msg("%s: %s", cases[i].name, order);
		}
	}
}

static void a_fault_in_one_file_leaves_the_others_alone(void **state)
{
	(void)state;
	write_times(0, (uint64_t[]){ 1, 3, 5 }, 3, SUPPORT_PLAIN);
	write_times(1, (uint64_t[]){ 2, 4, 6 }, 3, SUPPORT_PLAIN);
	assert_int_equal(truncate(scratch(0), 24 + 18 + 5), 0);
	const char *const paths[] = { scratch(0), scratch(1) };
	const struct seen *seen = read_files(paths, 2, note_order);
	assert_string_equal(order, "0a1a1b1c");
	assert_int_equal(seen->faults.count, 1);
	assert_string_equal(seen->faults.items[0].file, scratch(0));
}

static void merged_files_lose_nothing(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	uint64_t packets = 0;
	const char *paths[FILES];
	for (int i = 0; i < FILES; i++) {
		uint64_t times[200];
		uint64_t time = support_random_below(&random, 2) * 50000ULL;
		const size_t count = support_random_below(&random, 200);
		for (size_t j = 0; j < count; j++)
			times[j] = time += support_random_below(&random, 300);
		write_times(i, times, count, (enum support_packing)(i % 3));
		packets += count;
		paths[i] = scratch(i);
	}
	const struct seen *seen = read_files(paths, FILES, NULL);
	assert_int_equal(seen->packets, packets);
	assert_true(seen->in_order);
}

/* --- third-party captures --------------------------------------------------------------------- */

/* Column number `column` of a tab-separated line, into `out`. */
static void column_of(const char *line, int column, char out[PATH_MAX_BYTES])
{
	while (column-- > 0 && line)
		line = strchr(line, '\t') ? strchr(line, '\t') + 1 : NULL;
	const size_t size = line ? strcspn(line, "\t\r\n") : 0;
	snprintf(out, PATH_MAX_BYTES, "%.*s", (int)size, line ? line : "");
}

static uint64_t number_of(const char *line, int column)
{
	char text[PATH_MAX_BYTES];
	column_of(line, column, text);
	return strtoull(text, NULL, 10);
}

/* "1362692526.869344000" */
static uint64_t time_in_column(const char *line, int column)
{
	char text[PATH_MAX_BYTES];
	column_of(line, column, text);
	const char *point = strchr(text, '.');
	return strtoull(text, NULL, 10) * NS + (point ? strtoull(point + 1, NULL, 10) : 0);
}

static void compare_with_tshark(const char *line)
{
	enum { FILE_NAME, SIZE, TYPE, ENCAPSULATION, CUT, PACKETS, CAPTURED, WIRE, FIRST, LAST };
	char name[PATH_MAX_BYTES];
	char relative[2 * PATH_MAX_BYTES];
	column_of(line, FILE_NAME, name);
	snprintf(relative, sizeof(relative), "data/decoder/%s", name);
	const char *path = shared_path(relative);
	if (!path)
		return;
	const struct seen *seen = read_file(path, NULL);
	if (seen->packets != number_of(line, PACKETS) ||
	    seen->captured_bytes != number_of(line, CAPTURED) ||
	    seen->wire_bytes != number_of(line, WIRE) ||
	    seen->first_ns != time_in_column(line, FIRST) ||
	    (seen->in_order && seen->last_ns != time_in_column(line, LAST)) ||
	    seen->faults.count != number_of(line, CUT))
		fail_msg("%s: %" PRIu64 " packets of %" PRIu64 " bytes, %zu faults", name,
			 seen->packets, seen->captured_bytes, seen->faults.count);
}

static void third_party_captures_have_the_packets_that_tshark_counts(void **state)
{
	(void)state;
	const char *path = shared_path("data/decoder/expected.tsv");
	if (!path)
		return;
	FILE *expected = fopen(path, "r");
	char line[4096];
	assert_non_null(fgets(line, sizeof(line), expected)); /* names of the columns */
	while (fgets(line, sizeof(line), expected))
		compare_with_tshark(line);
	fclose(expected);
}

/* "NAME TYPE ENCAPSULATION N packets", with more words when it is cut short. */
static void compare_with_words(const char *folder, const char *words)
{
	char name[PATH_MAX_BYTES];
	char relative[2 * PATH_MAX_BYTES];
	char number[PATH_MAX_BYTES];
	if (sscanf(words, "%200s %*s %*s %200s packets", name, number) != 2)
		return;
	const uint64_t packets = strtoull(number, NULL, 10);
	snprintf(relative, sizeof(relative), "data/pairs/%.200s/%.200s.gz", folder, name);
	const char *path = shared_path(relative);
	if (!path)
		return;
	const struct seen *seen = read_file(path, NULL);
	if (seen->packets != packets || seen->faults.count != (strstr(words, "cut short") != NULL))
		fail_msg("%s: %" PRIu64 " packets, %zu faults", name, seen->packets,
			 seen->faults.count);
}

/* The README of a pair has a line "- wire: WORDS; WORDS". */
static void compare_with_readme(const char *folder)
{
	char relative[2 * PATH_MAX_BYTES];
	snprintf(relative, sizeof(relative), "data/pairs/%.200s/README.md", folder);
	const char *path = shared_path(relative);
	FILE *readme = path ? fopen(path, "r") : NULL;
	char line[4096];
	while (readme && fgets(line, sizeof(line), readme)) {
		if (strncmp(line, "- wire: ", 8) != 0)
			continue;
		char *rest;
		for (char *words = strtok_r(line + 8, ";", &rest); words;
		     words = strtok_r(NULL, ";", &rest))
			compare_with_words(folder, words);
	}
	if (readme)
		fclose(readme);
}

static void captures_of_whole_runs_are_read_to_their_end(void **state)
{
	(void)state;
	const char *path = shared_path("data/pairs");
	DIR *folders = path ? opendir(path) : NULL;
	for (struct dirent *entry; folders && (entry = readdir(folders));) {
		if (entry->d_name[0] != '.')
			compare_with_readme(entry->d_name);
	}
	if (folders)
		closedir(folders);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_is_read_plain_and_packed),
		cmocka_unit_test(a_file_cut_anywhere_gives_its_whole_packets_and_a_complaint),
		cmocka_unit_test(a_complaint_names_the_file_and_the_offset),
		cmocka_unit_test(corrupt_files_never_hurt),
		cmocka_unit_test(interfaces_count_time_in_their_own_units),
		cmocka_unit_test(sections_and_interfaces_change_on_the_way),
		cmocka_unit_test(simple_packets_have_the_time_before_and_what_fits),
		cmocka_unit_test(blocks_that_contradict_themselves_end_the_file),
		cmocka_unit_test(large_unknown_blocks_are_skipped),
		cmocka_unit_test(what_is_no_capture_is_refused_with_all_others),
		cmocka_unit_test(captures_without_packets_are_fine),
		cmocka_unit_test(packets_stay_whole_across_blocks_and_batches),
		cmocka_unit_test(closing_early_ends_the_threads),
		cmocka_unit_test(packed_data_may_come_in_several_parts),
		cmocka_unit_test(packed_data_cut_or_corrupt_gives_what_came_before),
		cmocka_unit_test(a_pipe_is_read_as_it_comes),
		cmocka_unit_test(files_are_merged_by_time_then_by_their_order),
		cmocka_unit_test(a_fault_in_one_file_leaves_the_others_alone),
		cmocka_unit_test(merged_files_lose_nothing),
		cmocka_unit_test(third_party_captures_have_the_packets_that_tshark_counts),
		cmocka_unit_test(captures_of_whole_runs_are_read_to_their_end),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
