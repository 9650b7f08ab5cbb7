/* DHCPv4 leases. The acknowledgement says which address; the host name is often only in the
 * client's request, so that is remembered until then. Source: RFC 2131, section 2; RFC 2132; RFC
 * 4702. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "collector/packet/name_reader.h"

enum {
	MEMORY_SLOTS = HARD(1024, 2),
	HOST_NAME_MAX_BYTES = 63,
	OPTIONS_MAX = 128,
	MAGIC = 0x63825363,
	HARDWARE_ETHERNET = 1,
	MAC_BYTES = 6,
	OPTION_PAD = 0,
	OPTION_HOST_NAME = 12,
	OPTION_LEASE_TIME = 51,
	OPTION_MESSAGE = 53,
	OPTION_CLIENT_FQDN = 81,
	OPTION_END = 255,
	FQDN_ENCODED = 0x04, /* as DNS labels rather than text */
	MESSAGE_DISCOVER = 1,
	MESSAGE_REQUEST = 3,
	MESSAGE_ACKNOWLEDGE = 5,
	MESSAGE_INFORM = 8,
};

struct remembered {
	uint32_t transaction;
	uint8_t mac[MAC_BYTES];
	uint8_t size_bytes;
	uint8_t host_name[HOST_NAME_MAX_BYTES];
};

struct dhcp_memory {
	struct remembered slots[MEMORY_SLOTS]; /* the newest takes the place */
};

struct dhcp_message {
	uint32_t transaction;
	uint8_t mac[MAC_BYTES];
	struct ip_address client;
	uint8_t message;
	uint32_t lease_s;
	uint8_t host_name[HOST_NAME_MAX_BYTES];
	uint8_t host_name_bytes;
};

struct dhcp_memory *dhcp_memory_open(void)
{
	return calloc(1, sizeof(struct dhcp_memory));
}

void dhcp_memory_close(struct dhcp_memory *memory)
{
	free(memory);
}

size_t dhcp_memory_bytes(void)
{
	return sizeof(struct dhcp_memory);
}

static void set_host_name(struct dhcp_message *message, const uint8_t *text, size_t size_bytes)
{
	while (size_bytes > 0 && text[size_bytes - 1] == '\0') /* some clients end it with a NUL */
		size_bytes--;
	if (size_bytes > HOST_NAME_MAX_BYTES)
		size_bytes = HOST_NAME_MAX_BYTES;
	memcpy(message->host_name, text, size_bytes);
	message->host_name_bytes = (uint8_t)size_bytes;
}

/* Flags 8, results 2 x 8, then the name: text, or labels, of which the first is the host. */
static void read_fqdn(struct dhcp_message *message, struct cursor option)
{
	const uint8_t flags = cursor_u8(&option);
	cursor_take(&option, 2);
	size_t size_bytes = cursor_left(&option);
	if (flags & FQDN_ENCODED)
		size_bytes = cursor_u8(&option);
	const uint8_t *text = cursor_take(&option, size_bytes);
	if (text && size_bytes > 0 && message->host_name_bytes == 0)
		set_host_name(message, text, size_bytes);
}

static void read_options(struct dhcp_message *message, struct cursor bytes)
{
	for (int i = 0; i < OPTIONS_MAX && !bytes.truncated; i++) {
		const uint8_t code = cursor_u8(&bytes);
		if (code == OPTION_PAD)
			continue;
		if (code == OPTION_END)
			return;
		struct cursor option = cursor_split(&bytes, cursor_u8(&bytes));
		const size_t size_bytes = cursor_left(&option);
		switch (code) {
		case OPTION_MESSAGE:
			message->message = cursor_u8(&option);
			break;
		case OPTION_LEASE_TIME:
			message->lease_s = cursor_be32(&option);
			break;
		case OPTION_HOST_NAME:
			if (size_bytes > 0)
				set_host_name(message, cursor_take(&option, size_bytes),
					      size_bytes);
			break;
		case OPTION_CLIENT_FQDN:
			read_fqdn(message, option);
			break;
		default:
			break;
		}
	}
}

/*	operation 8, hardware 8, address length 8, hops 8 | transaction 32 | seconds 16, flags 16
 *	client 32, yours 32, server 32, relay 32 | hardware address 128 | names 192 bytes | magic */
static bool read_message(struct cursor bytes, struct dhcp_message *out_message)
{
	memset(out_message, 0, sizeof(*out_message));
	cursor_take(&bytes, 1);
	const uint8_t hardware = cursor_u8(&bytes);
	cursor_take(&bytes, 2);
	out_message->transaction = cursor_be32(&bytes);
	cursor_take(&bytes, 4);
	const uint8_t *client = cursor_take(&bytes, 4);
	const uint8_t *yours = cursor_take(&bytes, 4);
	cursor_take(&bytes, 8);
	const uint8_t *mac = cursor_take(&bytes, 16);
	cursor_take(&bytes, 192);
	if (cursor_be32(&bytes) != MAGIC || !client || !yours || !mac ||
	    hardware != HARDWARE_ETHERNET)
		return false;
	memcpy(out_message->mac, mac, MAC_BYTES);
	static const uint8_t none[4];
	out_message->client =
		ip_address_from_v4(memcmp(yours, none, sizeof(none)) != 0 ? yours : client);
	read_options(out_message, bytes);
	return true;
}

static struct remembered *slot_of(struct dhcp_memory *memory, const struct dhcp_message *message)
{
	uint32_t hash = message->transaction;
	for (int i = 0; i < MAC_BYTES; i++)
		hash = hash * 31 + message->mac[i];
	return &memory->slots[hash % MEMORY_SLOTS];
}

static void remember(struct dhcp_memory *memory, const struct dhcp_message *message)
{
	struct remembered *slot = slot_of(memory, message);
	slot->transaction = message->transaction;
	memcpy(slot->mac, message->mac, MAC_BYTES);
	memcpy(slot->host_name, message->host_name, message->host_name_bytes);
	slot->size_bytes = message->host_name_bytes;
}

/* What the client called itself in the request that this acknowledges. */
static void recall(struct dhcp_memory *memory, struct dhcp_message *message)
{
	const struct remembered *slot = slot_of(memory, message);
	if (slot->transaction == message->transaction &&
	    memcmp(slot->mac, message->mac, MAC_BYTES) == 0)
		set_host_name(message, slot->host_name, slot->size_bytes);
}

enum name_progress name_read_dhcp(struct name_reader *reader, struct cursor bytes)
{
	struct dhcp_message message;
	if (!read_message(bytes, &message))
		return NAME_NOT_MINE;
	const bool asks = message.message == MESSAGE_DISCOVER ||
			  message.message == MESSAGE_REQUEST || message.message == MESSAGE_INFORM;
	if (asks && message.host_name_bytes > 0)
		remember(reader->dhcp, &message);
	if (message.message != MESSAGE_ACKNOWLEDGE)
		return NAME_DONE;
	/* The client's own name first: servers repeat it cut or not at all. */
	recall(reader->dhcp, &message);
	if (message.host_name_bytes == 0)
		return NAME_DONE;
	struct wire_name *found = &reader->found;
	found->kind = WIRE_NAME_DHCP;
	found->subject = message.client;
	found->address = message.client;
	found->lifetime_ns = message.lease_s * UINT64_C(1000000000);
	name_set(reader, message.host_name, message.host_name_bytes);
	const uint8_t *mac = message.mac;
	snprintf(found->detail, sizeof(found->detail), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
	name_found(reader);
	return NAME_DONE;
}
