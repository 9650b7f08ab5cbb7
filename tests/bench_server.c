/* Compressed Lumberjack over loopback TLS into the spool, synced before each acknowledgement, and
 * normalised: events per second. The client's frames are made beforehand; it keeps two windows on
 * the way, as Beats do. */
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "collector/input/normaliser.h"
#include "collector/input/server.h"
#include "correlator/correlator.h"
#include "tests/support_receiver.h"
#include "tests/support_run.h"
#include "tests/support_server.h"

enum { WINDOW = 2048, WINDOWS = 200, SHAPES = 8, EVENT_ROOM = 2048, ON_THE_WAY = 2 };

struct engine {
	struct counters counters;
	struct server *server;
	struct normaliser *normaliser;
	uint64_t used_count;
	double busy_seconds; /* of the server's thread */
	_Atomic bool stop;
};

static bool take(void *context, const struct backlog_document *document)
{
	struct engine *engine = context;
	const struct event *event;
	engine->used_count +=
		normaliser_json(engine->normaliser, document->bytes, document->size_bytes,
				document->received_ns, &event) == NORMALISED;
	return true;
}

static void flush(void *context)
{
	(void)context;
}

static void tick(void *context, uint64_t now_unix_ns)
{
	(void)context;
	(void)now_unix_ns;
}

static bool stopping(void *context)
{
	const struct engine *engine = context;
	return engine->stop;
}

static double seconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *serve(void *context)
{
	struct engine *engine = context;
	const struct server_handler handler = { engine, take, flush, tick, stopping };
	server_run(engine->server, &handler, &engine->counters);
	engine->busy_seconds = seconds(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void put_word(unsigned char *at, size_t word)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(word >> (24 - 8 * i));
}

/* Sysmon's process creation as Winlogbeat sends it, about 1.3 KB. */
static int put_event(char *out, unsigned number)
{
	return snprintf(
		out, EVENT_ROOM,
		"{\"@timestamp\":\"2026-01-02T03:04:%02u.%03uZ\",\"@metadata\":{\"beat\":"
		"\"winlogbeat\","
		"\"type\":\"_doc\",\"version\":\"8.15.0\"},\"winlog\":{\"channel\":\"Microsoft-"
		"Windows-"
		"Sysmon/"
		"Operational\",\"provider_name\":\"Microsoft-Windows-Sysmon\",\"event_id\":\"1\","
		"\"record_id\":%u,\"computer_name\":\"ws%03u.corp.example\",\"version\":5,"
		"\"opcode\":"
		"\"Info\",\"task\":\"Process Create (rule: "
		"ProcessCreate)\",\"process\":{\"pid\":2424,"
		"\"thread\":{\"id\":3232}},\"user\":{\"identifier\":\"S-1-5-18\",\"name\":"
		"\"SYSTEM\","
		"\"domain\":\"NT AUTHORITY\"},\"event_data\":{\"UtcTime\":\"2026-01-02 "
		"03:04:%02u.%03u\","
		"\"ProcessGuid\":\"{42f11c3b-ce01-5c8f-0000-%012u}\",\"ProcessId\":\"%u\","
		"\"Image\":"
		"\"C:\\\\Windows\\\\System32\\\\svchost.exe\",\"CommandLine\":\"C:"
		"\\\\Windows\\\\system32"
		"\\\\svchost.exe -k netsvcs -p -s "
		"job%u\",\"CurrentDirectory\":\"C:\\\\Windows\\\\system32"
		"\\\\\",\"User\":\"NT "
		"AUTHORITY\\\\SYSTEM\",\"LogonId\":\"0x3e7\",\"IntegrityLevel\":"
		"\"System\",\"Hashes\":\"SHA1=%08x%08x0123456789abcdef01234567,MD5=%08x%"
		"08x0123456789abcdef"
		"\",\"ParentProcessGuid\":\"{42f11c3b-ccdd-5c8f-0000-0010a1b2c3d4}\","
		"\"ParentProcessId\":"
		"\"612\",\"ParentImage\":\"C:\\\\Windows\\\\System32\\\\services.exe\","
		"\"ParentCommandLine\":\"C:\\\\Windows\\\\system32\\\\services.exe\"}},\"event\":{"
		"\"code\":"
		"\"1\",\"kind\":\"event\",\"provider\":\"Microsoft-Windows-Sysmon\"},\"host\":{"
		"\"name\":"
		"\"ws%03u.corp.example\"},\"agent\":{\"type\":\"winlogbeat\",\"version\":\"8.15."
		"0\"}}",
		number / 1000 % 60, number % 1000, number, number % 500, number / 1000 % 60,
		number % 1000, number, number % 60000, number, number * 2654435761U,
		number * 40503U, number * 97U, number * 31U, number % 500);
}

static unsigned char *make_window(unsigned first, size_t *out_size, size_t *out_plain)
{
	unsigned char *frames = malloc((size_t)WINDOW * (EVENT_ROOM + 10));
	size_t size = 0;
	for (unsigned i = 0; i < WINDOW; i++) {
		const int event = put_event((char *)frames + size + 10, first + i);
		frames[size] = '2';
		frames[size + 1] = 'J';
		put_word(frames + size + 2, i + 1);
		put_word(frames + size + 6, (size_t)event);
		size += 10 + (size_t)event;
	}
	uLongf packed = compressBound(size);
	unsigned char *window = malloc(12 + packed);
	compress2(window + 12, &packed, frames, size, 3); /* Beats' level */
	window[0] = window[6] = '2';
	window[1] = 'W';
	window[7] = 'C';
	put_word(window + 2, WINDOW);
	put_word(window + 8, packed);
	free(frames);
	*out_size = 12 + packed;
	*out_plain = size;
	return window;
}

/* Waits for the acknowledgement of one window. */
static bool read_ack(SSL *tls)
{
	unsigned char ack[6];
	do {
		for (size_t got = 0; got < sizeof(ack);) {
			const int size = SSL_read(tls, ack + got, (int)(sizeof(ack) - got));
			if (size <= 0)
				return false;
			got += (size_t)size;
		}
	} while (ack[4] == 0 && ack[5] == 0);
	return true;
}

static double send_all(uint16_t port)
{
	unsigned char *windows[SHAPES];
	size_t sizes[SHAPES];
	size_t plain = 0;
	for (unsigned i = 0; i < SHAPES; i++)
		windows[i] = make_window(i * WINDOW, &sizes[i], &plain);
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *tls = SSL_new(context);
	SSL_set_fd(tls, client_connect(port));
	if (SSL_connect(tls) != 1) {
		fputs("no TLS\n", stderr);
		exit(1);
	}
	const double started = seconds(CLOCK_MONOTONIC);
	int acked = 0;
	for (int sent = 0; sent < WINDOWS; sent++) {
		SSL_write(tls, windows[sent % SHAPES], (int)sizes[sent % SHAPES]);
		if (sent + 1 - acked >= ON_THE_WAY)
			acked += read_ack(tls);
	}
	while (acked < WINDOWS && read_ack(tls))
		acked++;
	const double took = seconds(CLOCK_MONOTONIC) - started;
	printf("%d windows of %d events, %.0f bytes each plain, %.0f compressed\n", acked, WINDOW,
	       (double)plain / WINDOW, (double)sizes[0] / WINDOW);
	for (unsigned i = 0; i < SHAPES; i++)
		free(windows[i]);
	close(SSL_get_fd(tls));
	SSL_free(tls);
	SSL_CTX_free(context);
	return took;
}

int main(void)
{
	char *folder = make_temporary_directory();
	char spool[4200];
	char text[2048];
	const struct certificate *certificate = receiver_certificate(folder);
	struct listener_url url;
	struct complaint complaint;
	struct engine *engine = aligned_alloc(64, (sizeof(*engine) + 63) / 64 * 64);
	memset(engine, 0, sizeof(*engine));
	struct fields *fields = fields_open();
	correlator_want_fields(fields);
	engine->normaliser = normaliser_open(fields, &engine->counters);
	snprintf(spool, sizeof(spool), "%s/spool", folder);
	snprintf(text, sizeof(text), "lumberjack+tls://127.0.0.1:0?cert=%s&key=%s",
		 certificate->certificate_path, certificate->key_path);
	const struct server_settings settings = { .listeners = &url,
						  .listener_count = 1,
						  .spool = { .path = spool } };
	pthread_t thread;
	if (!listener_url_parse(text, &complaint, &url) ||
	    !server_open(&settings, &complaint, &engine->server)) {
		fprintf(stderr, "%s\n", complaint.text);
		return 1;
	}
	pthread_create(&thread, NULL, serve, engine);
	const double took = send_all(server_port(engine->server, 0));
	engine->stop = true;
	pthread_join(thread, NULL);
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("%.0f events/s acknowledged, synced and normalised (%llu of them used), %.1f s; %ld "
	       "MB "
	       "resident, client included\n",
	       (double)WINDOWS * WINDOW / took, (unsigned long long)engine->used_count, took,
	       usage.ru_maxrss / 1024);
	printf("%.0f events per second of the server thread's own time\n",
	       (double)WINDOWS * WINDOW / engine->busy_seconds);
	server_close(engine->server);
	normaliser_close(engine->normaliser);
	fields_close(fields);
	free(engine);
	remove_tree(folder);
	free(folder);
	return 0;
}
