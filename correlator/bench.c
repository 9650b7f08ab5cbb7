#include "correlator/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

enum { STAGE_COLUMNS = 40, CPU_NAME_BYTES = 128 };

static volatile uint64_t kept;

void bench_keep(uint64_t number)
{
	kept = number;
}

uint64_t bench_clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

double bench_best_ns(const struct bench *bench, clockid_t clock, bench_run_fn *run, void *context)
{
	uint64_t best = UINT64_MAX;
	const uint64_t start_ns = bench_clock_ns(CLOCK_MONOTONIC);
	do {
		const uint64_t before = bench_clock_ns(clock);
		run(context);
		const uint64_t took = bench_clock_ns(clock) - before;
		best = took < best ? took : best;
	} while (bench_clock_ns(CLOCK_MONOTONIC) - start_ns < bench->row_ns);
	return (double)best;
}

/* --- the table, or the object --------------------------------------------------------------- */

static void read_cpu_name(char name[CPU_NAME_BYTES])
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[CPU_NAME_BYTES + 32];
	snprintf(name, CPU_NAME_BYTES, "unknown CPU");
	while (file && fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(name, CPU_NAME_BYTES, "%.*s", CPU_NAME_BYTES - 1, colon + 2);
		break;
	}
	if (file)
		fclose(file);
}

void bench_begin(struct bench *bench, double seconds)
{
	char cpu[CPU_NAME_BYTES];
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	read_cpu_name(cpu);
	if (!bench->json) {
		printf("procspan %s, %s, %ld CPUs; about %.0f s of measuring, the best run of each "
		       "row\n",
		       PROCSPAN_VERSION, cpu, cpus, seconds);
		return;
	}
	json_t *head = json_pack("{s:s, s:s, s:I}", "version", PROCSPAN_VERSION, "cpu", cpu, "cpus",
				 (json_int_t)cpus);
	char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
	printf("{\"machine\":%s,\"rows\":[", text ? text : "null");
	free(text);
	json_decref(head);
}

void bench_end(struct bench *bench)
{
	if (bench->json)
		fputs("\n]}\n", stdout);
}

void bench_section(struct bench *bench, const char *input, bool has_floor, const char *format, ...)
{
	va_list words;
	bench->input = input;
	bench->has_floor = has_floor;
	bench->floor_ns = 0;
	if (bench->json)
		return;
	printf("\n%s: ", bench->name);
	va_start(words, format);
	vprintf(format, words);
	va_end(words);
	printf("\n  %-*s %10s %10s %8s %8s %9s\n", STAGE_COLUMNS, "", "M/s", "ns", "Gbit/s",
	       has_floor ? "x floor" : "", "bytes");
	fflush(stdout);
}

/* A figure that does not apply leaves its column empty. */
static void print_column(int width, int decimals, double figure)
{
	if (figure > 0)
		printf(" %*.*f", width, decimals, figure);
	else
		printf(" %*s", width, "");
}

static void print_row(const struct bench_row *row, double gbits, double ratio)
{
	printf("  %-*s", STAGE_COLUMNS, row->stage);
	print_column(10, 3, 1e3 / row->ns);
	print_column(10, row->ns < 100 ? 2 : 0, row->ns);
	print_column(8, 2, gbits);
	print_column(8, 2, ratio);
	print_column(9, 0, row->memory_bytes);
	printf("  per %s\n", row->unit);
}

static json_t *optional_real(double figure)
{
	return figure > 0 ? json_real(figure) : json_null();
}

static void dump_row(struct bench *bench, const struct bench_row *row, double gbits, double ratio)
{
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:s, s:f, s:f, s:o, s:o, s:o}", "bench", bench->name, "input",
		bench->input, "stage", row->stage, "unit", row->unit, "per_second", 1e9 / row->ns,
		"ns", row->ns, "gbit_per_second", optional_real(gbits), "ratio_to_floor",
		optional_real(ratio), "memory_bytes", optional_real(row->memory_bytes));
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	if (text)
		printf("%s\n%s", bench->any_row ? "," : "", text);
	bench->any_row |= text != NULL;
	free(text);
	json_decref(object);
}

void bench_row(struct bench *bench, const struct bench_row *row)
{
	struct bench_row shown = *row;
	if (!(shown.ns > 0))
		shown.ns = 1e-3; /* the clock did not move: faster than it can tell */
	if (bench->has_floor && !(bench->floor_ns > 0))
		bench->floor_ns = shown.ns;
	const double ratio = bench->has_floor ? shown.ns / bench->floor_ns : 0;
	const double gbits = shown.unit_bytes * 8 / shown.ns;
	if (bench->json)
		dump_row(bench, &shown, gbits, ratio);
	else
		print_row(&shown, gbits, ratio);
	fflush(stdout);
}
