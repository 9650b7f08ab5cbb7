/* DNS answers: each address that the question's name led to, through its aliases. Source: RFC 1035,
 * section 4; RFC 3596; RFC 4795 (LLMNR). */
#include <string.h>

#include "collector/packet/name_reader.h"

enum {
	HEADER_BYTES = 12,
	IS_ANSWER = 0x8000,
	OPCODE_MASK = 0x7800,
	ERROR_MASK = 0x000f,
	ANSWERS_MAX = 64,
	PASSES_MAX = 8,	   /* over the answers, to follow aliases that are out of order */
	POINTERS_MAX = 16, /* in one name */
	LABEL_POINTER = 0xc0,
	TYPE_A = 1,
	TYPE_CNAME = 5,
	TYPE_AAAA = 28,
	CLASS_INTERNET = 1,
};

struct dns_name {
	size_t size_bytes;
	char text[WIRE_NAME_MAX + 1];
};

struct dns_answer {
	struct dns_name owner;
	uint16_t type;
	uint16_t class;
	uint32_t ttl_s;
	struct cursor data;
};

static char name_character(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return (char)(byte | 0x20);
	return (char)(byte > ' ' && byte < 0x7f && byte != '.' ? byte : '?');
}

/* Appends a label. False: the name is longer than names are. */
static bool add_label(struct dns_name *name, const uint8_t *label, size_t size_bytes)
{
	if (name->size_bytes + size_bytes + 1 > WIRE_NAME_MAX)
		return false;
	if (name->size_bytes > 0)
		name->text[name->size_bytes++] = '.';
	for (size_t i = 0; i < size_bytes; i++)
		name->text[name->size_bytes++] = name_character(label[i]);
	return true;
}

/* Reads a name and moves past it. Labels end with an empty one, or with a pointer to earlier ones
 * in the message. False: no such name. */
static bool read_name(struct cursor message, struct cursor *bytes, struct dns_name *out_name)
{
	struct cursor *at = bytes;
	struct cursor elsewhere;
	out_name->size_bytes = 0;
	for (int pointers = 0; pointers < POINTERS_MAX;) {
		const uint8_t size = cursor_u8(at);
		if (size >= LABEL_POINTER) {
			const size_t to = (size_t)(size & ~LABEL_POINTER) << 8 | cursor_u8(at);
			if (at->truncated)
				return false;
			elsewhere = message;
			cursor_take(&elsewhere, to);
			at = &elsewhere;
			pointers++;
			continue;
		}
		const uint8_t *label = cursor_take(at, size);
		if (!label || size > 63)
			return false;
		if (size == 0) {
			out_name->text[out_name->size_bytes] = '\0';
			return !at->truncated;
		}
		if (!add_label(out_name, label, size))
			return false;
	}
	return false;
}

static bool read_answer(struct cursor message, struct cursor *bytes, struct dns_answer *out_answer)
{
	if (!read_name(message, bytes, &out_answer->owner))
		return false;
	out_answer->type = cursor_be16(bytes);
	out_answer->class = cursor_be16(bytes);
	out_answer->ttl_s = cursor_be32(bytes);
	out_answer->data = cursor_split(bytes, cursor_be16(bytes));
	return !bytes->truncated;
}

static bool same_name(const struct dns_name *left, const struct dns_name *right)
{
	return left->size_bytes == right->size_bytes &&
	       memcmp(left->text, right->text, left->size_bytes) == 0;
}

/* One pass over the answers: follows every alias of *name. True: it led somewhere. */
static bool follow_aliases(struct cursor message, struct cursor answers, unsigned count,
			   struct dns_name *name, uint32_t *in_out_ttl_s)
{
	bool followed = false;
	struct dns_answer answer;
	for (unsigned i = 0; i < count && read_answer(message, &answers, &answer); i++) {
		if (answer.type != TYPE_CNAME || !same_name(&answer.owner, name))
			continue;
		struct dns_name target;
		/* The target may point anywhere in the message, so it is read from all of it. */
		if (!read_name(message, &answer.data, &target) || same_name(&target, name))
			return false;
		*name = target;
		if (answer.ttl_s < *in_out_ttl_s)
			*in_out_ttl_s = answer.ttl_s;
		followed = true;
	}
	return followed;
}

static bool address_of(struct dns_answer *answer, struct ip_address *out_address)
{
	const size_t size_bytes = cursor_left(&answer->data);
	if (answer->type == TYPE_A && size_bytes == 4) {
		*out_address = ip_address_from_v4(cursor_take(&answer->data, 4));
		return true;
	}
	if (answer->type == TYPE_AAAA && size_bytes == sizeof(*out_address)) {
		memcpy(out_address, cursor_take(&answer->data, sizeof(*out_address)),
		       sizeof(*out_address));
		return true;
	}
	return false;
}

/*	id 16, flags 16, questions 16, answers 16, authorities 16, additional 16 */
enum name_progress name_read_dns(struct name_reader *reader, struct cursor bytes)
{
	const struct cursor message = bytes;
	cursor_take(&bytes, 2);
	const uint16_t flags = cursor_be16(&bytes);
	const uint16_t question_count = cursor_be16(&bytes);
	unsigned count = cursor_be16(&bytes);
	cursor_take(&bytes, 4);
	if (!(flags & IS_ANSWER) || (flags & (OPCODE_MASK | ERROR_MASK)) || question_count != 1)
		return NAME_DONE;
	struct dns_name question;
	if (!read_name(message, &bytes, &question) || !cursor_take(&bytes, 4))
		return NAME_DONE;
	if (count > ANSWERS_MAX)
		count = ANSWERS_MAX;

	struct dns_name name = question;
	uint32_t ttl_s = UINT32_MAX;
	for (int pass = 0; pass < PASSES_MAX; pass++)
		if (!follow_aliases(message, bytes, count, &name, &ttl_s))
			break;
	reader->found.kind = WIRE_NAME_DNS;
	memcpy(reader->found.name, question.text, question.size_bytes + 1);
	struct dns_answer answer;
	for (unsigned i = 0; i < count && read_answer(message, &bytes, &answer); i++) {
		if (answer.class != CLASS_INTERNET || !same_name(&answer.owner, &name) ||
		    !address_of(&answer, &reader->found.address))
			continue;
		const uint32_t lifetime_s = answer.ttl_s < ttl_s ? answer.ttl_s : ttl_s;
		reader->found.lifetime_ns = lifetime_s * UINT64_C(1000000000);
		name_found(reader);
	}
	return NAME_DONE;
}

/* Over TCP: each message behind its length (RFC 1035, section 4.2.2). The first
 * answer is enough. */
enum name_progress name_read_dns_stream(struct name_reader *reader, struct cursor bytes)
{
	const uint16_t length = cursor_be16(&bytes);
	if (bytes.truncated)
		return NAME_MORE;
	if (length < HEADER_BYTES)
		return NAME_NOT_MINE;
	if (cursor_left(&bytes) < length)
		return NAME_MORE;
	return name_read_dns(reader, cursor_split(&bytes, length));
}
