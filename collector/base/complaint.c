#include "collector/base/complaint.h"

#include <stdarg.h>
#include <string.h>

bool complain(struct complaint *complaint, const char *file, uint32_t line, uint32_t column,
	      const char *format, ...)
{
	snprintf(complaint->file, sizeof(complaint->file), "%s", file ? file : "");
	complaint->line = line;
	complaint->column = column;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(complaint->text, sizeof(complaint->text), format, arguments);
	va_end(arguments);
	return false;
}

void complaint_print(const struct complaint *complaint, FILE *stream)
{
	if (complaint->file[0])
		fprintf(stream, "%s:", complaint->file);
	if (complaint->line)
		fprintf(stream, "%u:", complaint->line);
	if (complaint->line && complaint->column)
		fprintf(stream, "%u:", complaint->column);
	fprintf(stream, "%s%s", complaint->file[0] || complaint->line ? " " : "", complaint->text);
}

struct complaint *complaints_next(struct complaints *complaints)
{
	if (complaints->count < COMPLAINTS_MAX)
		return &complaints->items[complaints->count++];
	complaints->omitted_count++;
	static _Thread_local struct complaint scratch;
	return &scratch;
}
