/* How fast captures are read, beside the floor: a walk over the record headers that does nothing
 * else.
 *
 * The captures are made in the directory (/dev/shm) and removed. Each figure is the best of a few
 * runs of a whole read, opening and page faults included.
 */
#include <inttypes.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "collector/packet/capture.h"
#include "tests/support_random.h"

enum { RUNS = 3, PATH_MAX_BYTES = 128, WRITE_BYTES = 1 << 20, PACKET_MAX_BYTES = 1600 };

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* --- making captures -------------------------------------------------------------------------- */

/* Average 356 bytes: a third of the packets are full, most of the others are small. */
static uint32_t mixed_size(struct support_random *random)
{
	const uint32_t dice = support_random_below(random, 100);
	if (dice < 15)
		return 1514;
	return dice < 70 ? 54 + support_random_below(random, 40)
			 : 60 + support_random_below(random, 500);
}

static void append_packet(uint8_t *into, uint64_t number, uint32_t size)
{
	const uint32_t header[4] = { (uint32_t)(1600000000 + number / 1000000),
				     (uint32_t)(number % 1000000), size, size };
	memcpy(into, header, sizeof(header));
	memset(into + sizeof(header), (int)(number & 0xff), size);
}

/* A pcap file of `count` packets; size 0 is the mix. Returns how large it is. */
static uint64_t make_capture(const char *path, uint32_t count, uint32_t size)
{
	struct support_random random = { 7 };
	const uint32_t header[6] = { 0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1 };
	uint8_t *block = malloc(WRITE_BYTES);
	FILE *file = fopen(path, "wb");
	if (!file || !block)
		fail(path);
	fwrite(header, sizeof(header), 1, file);
	uint64_t total = sizeof(header);
	size_t used = 0;
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t packet_bytes = size ? size : mixed_size(&random);
		append_packet(block + used, i, packet_bytes);
		used += 16 + packet_bytes;
		total += 16 + packet_bytes;
		if (used > WRITE_BYTES - PACKET_MAX_BYTES || i + 1 == count) {
			if (fwrite(block, 1, used, file) != used)
				fail(path);
			used = 0;
		}
	}
	if (fclose(file) != 0)
		fail(path);
	free(block);
	return total;
}

static void pack_capture(const char *from, const char *into)
{
	FILE *source = fopen(from, "rb");
	gzFile target = gzopen(into, "wb1");
	uint8_t *block = malloc(WRITE_BYTES);
	if (!source || !target || !block)
		fail(into);
	for (size_t got; (got = fread(block, 1, WRITE_BYTES, source)) > 0;)
		gzwrite(target, block, (unsigned)got);
	free(block);
	fclose(source);
	gzclose(target);
}

/* --- reading them ----------------------------------------------------------------------------- */

typedef uint64_t read_fn(const char *path); /* returns how many packets there were */

static volatile uint64_t sink;

/* The floor: from record to record, with the memory ahead asked for in time. */
static uint64_t walk(const char *path)
{
	const int descriptor = open(path, O_RDONLY);
	struct stat status;
	if (descriptor < 0 || fstat(descriptor, &status) != 0)
		fail(path);
	const size_t size = (size_t)status.st_size;
	uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);
	if (bytes == MAP_FAILED)
		fail(path);
	uint64_t packets = 0;
	size_t ahead = 0;
	for (size_t at = 24; at + 16 <= size; packets++) {
		uint32_t captured_bytes;
		memcpy(&captured_bytes, bytes + at + 8, sizeof(captured_bytes));
		for (; ahead < at + 4096; ahead += 64)
			__builtin_prefetch(bytes + ahead);
		at += 16 + captured_bytes;
	}
	munmap(bytes, size);
	close(descriptor);
	return packets;
}

static uint64_t read_capture(const char *path)
{
	struct complaints complaints = { 0 };
	struct capture *capture;
	if (!capture_open_files(&path, 1, &complaints, &capture))
		fail(complaints.items[0].text);
	struct packet packets[PACKET_BATCH];
	uint64_t count = 0;
	uint64_t sum = 0;
	for (size_t got; (got = capture_next(capture, packets)) > 0; count += got)
		sum += packets[0].captured_bytes;
	sink = sum;
	capture_close(capture);
	return count;
}

static void count_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	(void)header;
	(void)bytes;
	++*(uint64_t *)(void *)user;
}

static uint64_t read_libpcap(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(path, error);
	if (!capture)
		fail(error);
	uint64_t count = 0;
	pcap_loop(capture, -1, count_packet, (u_char *)&count);
	pcap_close(capture);
	return count;
}

/* Seconds for a whole read. */
static double measure(read_fn *read, const char *path, uint64_t expected)
{
	uint64_t best = UINT64_MAX;
	for (int i = 0; i < RUNS; i++) {
		const uint64_t start = now_ns();
		const uint64_t packets = read(path);
		const uint64_t took = now_ns() - start;
		if (packets != expected) {
			fprintf(stderr, "%s: %" PRIu64 " packets, expected %" PRIu64 "\n", path,
				packets, expected);
			exit(1);
		}
		best = took < best ? took : best;
	}
	return (double)best / 1e9;
}

static void print_row(const char *name, double seconds, double floor_seconds, uint32_t packets,
		      uint64_t bytes)
{
	printf("  %-28s %8.1f %8.2f %8.2f\n", name, packets / seconds / 1e6,
	       seconds / floor_seconds, (double)bytes / seconds / 1e9);
}

static void bench(const char *directory, const char *name, uint32_t packets, uint32_t size)
{
	char path[PATH_MAX_BYTES];
	char packed[PATH_MAX_BYTES];
	snprintf(path, sizeof(path), "%s/procspan-bench-%d.pcap", directory, (int)getpid());
	snprintf(packed, sizeof(packed), "%s/procspan-bench-%d.pcap.gz", directory, (int)getpid());
	const uint64_t bytes = make_capture(path, packets, size);
	pack_capture(path, packed);
	printf("%s: %u packets, %.0f MB\n", name, packets, (double)bytes / 1e6);
	printf("  %-28s %8s %8s %8s\n", "", "Mpps", "x floor", "GB/s");
	const double floor_seconds = measure(walk, path, packets);
	print_row("floor: record walk", floor_seconds, floor_seconds, packets, bytes);
	print_row("capture_next", measure(read_capture, path, packets), floor_seconds, packets,
		  bytes);
	print_row("capture_next, gzip", measure(read_capture, packed, packets), floor_seconds,
		  packets, bytes);
	print_row("libpcap, empty pcap_loop", measure(read_libpcap, path, packets), floor_seconds,
		  packets, bytes);
	printf("\n");
	unlink(path);
	unlink(packed);
}

/* Whether the file's pages are huge decides more than any code: on a tmpfs mounted with huge=always
 * the floor is several times higher. */
int main(int count, char **arguments)
{
	const char *directory = count > 1 ? arguments[1] : "/dev/shm";
	bench(directory, "mixed sizes", 2000000, 0);
	bench(directory, "64-byte packets", 8000000, 64);
	return 0;
}
