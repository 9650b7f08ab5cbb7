/* Sysmon's GUIDs, hashes, images and registry values. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collector/input/sysmon.h"

void map_guid(struct mapping *mapping, uint16_t field, uint16_t slot)
{
	const struct raw_value *guid = raw_get(mapping->raw, slot);
	if (!guid)
		return;
	for (uint32_t i = 0; i < guid->size_bytes; i++)
		if (!strchr("{}-0", guid->text[i])) {
			event_add_text(mapping->builder, field, guid->text, guid->size_bytes);
			return;
		}
}

static const struct {
	const char *name;
	uint16_t fields[3]; /* by enum sysmon_hashes */
} hash_fields[] = {
	{ "MD5", { FIELD_process_hash_md5, FIELD_file_hash_md5, FIELD_dll_hash_md5 } },
	{ "SHA1", { FIELD_process_hash_sha1, FIELD_file_hash_sha1, FIELD_dll_hash_sha1 } },
	{ "SHA256", { FIELD_process_hash_sha256, FIELD_file_hash_sha256, FIELD_dll_hash_sha256 } },
	{ "IMPHASH", { FIELD_process_pe_imphash, FIELD_file_pe_imphash, FIELD_dll_pe_imphash } },
};

/* One "NAME=HEX". */
static void map_hash(struct mapping *mapping, enum sysmon_hashes owner, const char *text,
		     size_t size_bytes)
{
	enum { HEX_MAX = 128 };
	char lower[HEX_MAX];
	const char *equals = memchr(text, '=', size_bytes);
	const size_t name_bytes = equals ? (size_t)(equals - text) : 0;
	const size_t hex_bytes = size_bytes - name_bytes - 1;
	if (!equals || hex_bytes == 0 || hex_bytes > HEX_MAX)
		return;
	bool zero = true;
	for (size_t i = 0; i < hex_bytes; i++) {
		const char digit = equals[1 + i];
		lower[i] = digit;
		if (digit >= 'A' && digit <= 'F')
			lower[i] = (char)(digit | 0x20);
		zero &= digit == '0';
	}
	for (size_t i = 0; i < sizeof(hash_fields) / sizeof(hash_fields[0]) && !zero; i++)
		if (strlen(hash_fields[i].name) == name_bytes &&
		    strncasecmp(hash_fields[i].name, text, name_bytes) == 0)
			event_add_text(mapping->builder, hash_fields[i].fields[owner], lower,
				       hex_bytes);
}

void sysmon_map_hashes(struct mapping *mapping, enum sysmon_hashes owner)
{
	const struct raw_value *hashes = raw_get(mapping->raw, RAW_Hashes);
	if (!hashes)
		hashes = raw_get(mapping->raw, RAW_Hash);
	if (!hashes)
		return;
	const char *at = hashes->text;
	const char *const end = at + hashes->size_bytes;
	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *const stop = comma ? comma : end;
		map_hash(mapping, owner, at, (size_t)(stop - at));
		at = stop + (comma != NULL);
	}
}

static void map_signature(struct mapping *mapping, uint16_t exists, uint16_t trusted,
			  uint16_t valid, uint16_t status, uint16_t subject_name)
{
	const struct raw_value *is_signed = raw_get(mapping->raw, RAW_Signed);
	const struct raw_value *state = raw_get(mapping->raw, RAW_SignatureStatus);
	const bool is_valid = raw_equals(state, "Valid");
	if (is_signed)
		event_add_boolean(mapping->builder, exists, raw_equals(is_signed, "true"));
	if (is_signed && state)
		event_add_boolean(mapping->builder, trusted,
				  is_valid && raw_equals(is_signed, "true"));
	if (state)
		event_add_boolean(mapping->builder, valid, is_valid);
	map_text(mapping, status, RAW_SignatureStatus);
	map_text(mapping, subject_name, RAW_Signature);
}

void sysmon_map_image(struct mapping *mapping, bool dll)
{
	map_file(mapping, raw_get(mapping->raw, RAW_ImageLoaded));
	sysmon_map_hashes(mapping, SYSMON_HASHES_FILE);
	map_signature(mapping, FIELD_file_code_signature_exists, FIELD_file_code_signature_trusted,
		      FIELD_file_code_signature_valid, FIELD_file_code_signature_status,
		      FIELD_file_code_signature_subject_name);
	map_text(mapping, FIELD_file_pe_original_file_name, RAW_OriginalFileName);
	map_text(mapping, FIELD_file_pe_company, RAW_Company);
	map_text(mapping, FIELD_file_pe_description, RAW_Description);
	map_text(mapping, FIELD_file_pe_file_version, RAW_FileVersion);
	map_text(mapping, FIELD_file_pe_product, RAW_Product);
	if (!dll)
		return;
	map_image(mapping, FIELD_dll_path, FIELD_dll_name, RAW_ImageLoaded);
	sysmon_map_hashes(mapping, SYSMON_HASHES_DLL);
	map_signature(mapping, FIELD_dll_code_signature_exists, FIELD_dll_code_signature_trusted,
		      FIELD_dll_code_signature_valid, FIELD_dll_code_signature_status,
		      FIELD_dll_code_signature_subject_name);
	map_text(mapping, FIELD_dll_pe_original_file_name, RAW_OriginalFileName);
	map_text(mapping, FIELD_dll_pe_company, RAW_Company);
	map_text(mapping, FIELD_dll_pe_description, RAW_Description);
	map_text(mapping, FIELD_dll_pe_file_version, RAW_FileVersion);
	map_text(mapping, FIELD_dll_pe_product, RAW_Product);
}

/* "DWORD (0x00000004)", "QWORD (0x00000001-0x00000004)": the number, and its type. */
static const char *registry_number(const struct raw_value *details, uint64_t *out_number)
{
	char text[64];
	unsigned high = 0;
	unsigned low = 0;
	if (details->size_bytes >= sizeof(text))
		return NULL;
	memcpy(text, details->text, details->size_bytes);
	text[details->size_bytes] = '\0';
	if (sscanf(text, "DWORD (0x%8x)", &low) == 1) { /* NOLINT(cert-err34-c): bounded hex */
		*out_number = low;
		return "SZ_DWORD";
	}
	if (sscanf(text, "QWORD (0x%8x-0x%8x)", &high, &low) == 2) { /* NOLINT(cert-err34-c) */
		*out_number = (uint64_t)high << 32 | low;
		return "SZ_QWORD";
	}
	return NULL;
}

static void map_registry_data(struct mapping *mapping)
{
	const struct raw_value *details = raw_get(mapping->raw, RAW_Details);
	if (!details)
		return;
	uint64_t number;
	const char *type = registry_number(details, &number);
	if (type) {
		char text[24];
		snprintf(text, sizeof(text), "%" PRIu64, number);
		map_constant(mapping, FIELD_registry_data_strings, text);
		map_constant(mapping, FIELD_registry_data_type, type);
		return;
	}
	event_add_text(mapping->builder, FIELD_registry_data_strings, details->text,
		       details->size_bytes);
	map_constant(mapping, FIELD_registry_data_type,
		     raw_equals(details, "Binary Data") ? "REG_BINARY" : "REG_SZ");
}

void sysmon_map_registry(struct mapping *mapping)
{
	const struct raw_value *path = raw_get(mapping->raw, RAW_TargetObject);
	map_registry_data(mapping);
	if (!path)
		return;
	event_add_text(mapping->builder, FIELD_registry_path, path->text, path->size_bytes);
	const char *const end = path->text + path->size_bytes;
	const char *hive_end = memchr(path->text, '\\', path->size_bytes);
	if (!hive_end || hive_end + 1 == end)
		return;
	const char *value = (const char *)memrchr(path->text, '\\', path->size_bytes) + 1;
	event_add_text(mapping->builder, FIELD_registry_hive, path->text,
		       (size_t)(hive_end - path->text));
	event_add_text(mapping->builder, FIELD_registry_key, hive_end + 1,
		       (size_t)(end - hive_end - 1));
	if (value < end)
		event_add_text(mapping->builder, FIELD_registry_value, value,
			       (size_t)(end - value));
}
