#include "correlator/wef_query.h"

/* Sysmon as a whole: its own configuration says what it records. Of the Security log what dialects
 * map: processes (4688, 4689), connections and binds (5156, 5157, 5158), log-on and audit changes
 * that the public rules ask for. */
const char wef_query[] =
	"<QueryList><Query Id=\"0\">"
	"<Select Path=\"Microsoft-Windows-Sysmon/Operational\">*</Select>"
	"<Select Path=\"Security\">*[System[(EventID=1102 or EventID=4624 or EventID=4625 or "
	"EventID=4634 or EventID=4648 or EventID=4672 or EventID=4688 or EventID=4689 or "
	"EventID=4697 or EventID=4698 or EventID=4702 or EventID=4719 or EventID=4720 or "
	"EventID=4732 or EventID=4768 or EventID=4769)]]</Select>"
	"<Select Path=\"Security\">*[System[(EventID=5136 or EventID=5140 or EventID=5145 or "
	"EventID=5152 or EventID=5156 or EventID=5157 or EventID=5158)]]</Select>"
	"<Select Path=\"Microsoft-Windows-PowerShell/Operational\">*[System[(EventID=4103 or "
	"EventID=4104)]]</Select>"
	"</Query></QueryList>";
