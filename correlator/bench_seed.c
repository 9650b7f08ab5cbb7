#include "correlator/bench_seed.h"

#include <stdio.h>
#include <string.h>

const char bench_seed_query[] =
	"sequence by process.entity_id\n"
	"  [process where process.name : \"cmd.exe\" and event.type == \"start\"]\n"
	"  [network where process.name : \"cmd.exe\" and\n"
	"   not cidrmatch(destination.ip, \"10.0.0.0/8\", \"172.16.0.0/12\", "
	"\"192.168.0.0/16\")]\n";

struct ruleset *bench_seed_rules(struct fields *fields)
{
	struct complaints complaints = { .count = 0 };
	struct ruleset_builder *builder = ruleset_builder_open(fields);
	if (!builder)
		return NULL;
	ruleset_add_query(builder, bench_seed_query, strlen(bench_seed_query), NULL, &complaints);
	struct ruleset *ruleset = ruleset_build(builder);
	if (!ruleset)
		ruleset_builder_close(builder);
	return ruleset;
}

/* --- made rules ----------------------------------------------------------------------------- */

static const char *const programs[] = {
	"powershell.exe", "rundll32.exe", "regsvr32.exe",    "mshta.exe",   "wscript.exe",
	"cscript.exe",	  "certutil.exe", "bitsadmin.exe",   "svchost.exe", "schtasks.exe",
	"wmic.exe",	  "net.exe",	  "net1.exe",	     "sc.exe",	    "reg.exe",
	"vssadmin.exe",	  "msbuild.exe",  "installutil.exe", "dllhost.exe", "taskhostw.exe",
};

static const char *const words[] = {
	"download", "encodedcommand", "javascript", "urlcache",	   "delete shadows",
	"http",	    "bypass",	      "-nop",	    "shadowcopy",  "AppData",
	"Temp",	    "Public",	      "scrobj.dll", "comsvcs.dll", "minidump",
};

enum {
	PROGRAMS = sizeof(programs) / sizeof(programs[0]),
	WORDS = sizeof(words) / sizeof(words[0])
};

void bench_make_query(unsigned number, char query[BENCH_QUERY_BYTES])
{
	const char *one = programs[number % PROGRAMS];
	const char *two = programs[(number * 7 + 3) % PROGRAMS];
	const char *word = words[number % WORDS];
	const char *other = words[(number / WORDS + 4) % WORDS];
	switch (number % 6) {
	case 0:
	case 1:
		snprintf(
			query, BENCH_QUERY_BYTES,
			"process where event.type == \"start\" and process.name : (\"%s\", \"%s\") "
			"and process.command_line : (\"*%s*\", \"*%s %u*\")",
			one, two, word, other, number);
		return;
	case 2:
		snprintf(query, BENCH_QUERY_BYTES,
			 "process where event.type == \"start\" and process.parent.name : \"%s\" "
			 "and "
			 "process.executable : (\"?:\\\\Users\\\\*\\\\%s\\\\*.exe\", "
			 "\"?:\\\\Windows\\\\%u\\\\*\")",
			 one, word, number);
		return;
	case 3:
		snprintf(query, BENCH_QUERY_BYTES,
			 "network where process.name : (\"%s\", \"%s\") and destination.port == %u "
			 "and "
			 "not cidrmatch(destination.ip, \"10.0.0.0/8\", \"192.168.%u.0/24\")",
			 one, two, 1000 + number, number % 256);
		return;
	case 4:
		snprintf(query, BENCH_QUERY_BYTES,
			 "library where dll.name : (\"*%u.dll\", \"evil%s.dll\") and process.name "
			 ": \"%s\"",
			 number, one, two);
		return;
	default:
		snprintf(query, BENCH_QUERY_BYTES,
			 "sequence by process.entity_id with maxspan=%um "
			 "[process where event.type == \"start\" and process.args : \"*%s*\" and "
			 "process.name : \"%s\"] [network where process.name : \"%s\"]",
			 1 + number % 9, word, one, one);
		return;
	}
}
