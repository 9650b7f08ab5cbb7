#include "correlator/format.h"

#include <string.h>

#include "collector/event.h"
#include "correlator/severity.h"

static const struct {
	const char *name;
	format_fn *function;
} formats[FORMAT_COUNT] = {
#define FORMAT(name, help) { #name, format_##name },
#include "correlator/formats.def"
#undef FORMAT
};

format_fn *format_function(enum format format)
{
	return formats[format].function;
}

const char *format_name(enum format format)
{
	return formats[format].name;
}

enum format format_find(const char *name, size_t size_bytes)
{
	enum format found = 0;
	while (found < FORMAT_COUNT && (strlen(formats[found].name) != size_bytes ||
					memcmp(formats[found].name, name, size_bytes) != 0))
		found++;
	return found;
}

/* HEADER = PRI VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID
 * Source: RFC 5424, section 6. */
void format_syslog_header(const struct format_context *context, const struct alert *alert,
			  int fraction_digits, bool terse, struct text_writer *writer)
{
	enum { HOST_NAME_MAX_BYTES = 255, TERSE_HOST_NAME_MAX_BYTES = 32 };
	const struct severity severity =
		severity_of(alert->rule->severity, alert->rule->risk_score);
	char time[TIME_TEXT_MAX];
	time_format_iso8601(alert->time_ns, fraction_digits, time);
	write_format(writer, "<%d>1 %s ", context->facility * 8 + severity.syslog, time);
	const size_t before = writer->used_bytes;
	struct text host = text_cut(text_of(context->host_name),
				    terse ? TERSE_HOST_NAME_MAX_BYTES : HOST_NAME_MAX_BYTES);
	write_escaped(writer, host, TEXT_SYSLOG_NAME);
	if (writer->used_bytes == before)
		write_words(writer, "-");
	write_format(writer, " " PRODUCT_NAME " %d %s ", context->process_id,
		     alert->kind == ALERT_UPDATE ? "UPDATE" : "ALERT");
}
