/* A multibit tree. The root is a plain array over the first 8, 16, 20 or 24 bits, by how many
 * networks there are; below it, each node decides eight more bits in one cache line:
 *
 *	root[first bits] --> entry          entry: 2 bits what, 30 bits which
 *	                                      LEAF   value + 1, or 0: no network
 *	node (64 bytes)                       CHILD  the number of a node
 *	+-----------------+------+-----------+	TAIL   the number of a tail
 *	| starts 256 bits | where| 6 entries |
 *	+-----------------+------+-----------+
 *
 * A node's 256 entries are mostly runs of the same entry. Only one of each run is kept: bit b of
 * `starts` says that a run begins at byte b, so the entry for a byte is the one numbered by the
 * bits set up to it, less one. Up to six runs fit in the node itself, which is the common case;
 * more are elsewhere, and `where` says where in either case.
 *
 * A subtree with a single network is a tail: that network, and the leaf for addresses that are not
 * in it. So a million lonely hosts cost 32 bytes each, not a chain of nodes (Knot's and BIND's
 * qp-tries skip such chains too; the runs are poptrie's leafvec, Asai and Ohara, 2015).
 */
#include "collector/base/cidr_tree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/pages.h"

enum {
	KIND_SHIFT = 30,
	KIND_LEAF = 0,
	KIND_CHILD = 1,
	KIND_TAIL = 2,
	NUMBER_MASK = (1 << KIND_SHIFT) - 1,
	KEY_BITS = 128,
	NODE_BITS = 8,
	NODE_FANOUT = 1 << NODE_BITS,
	INLINE_ENTRIES = 6,
	LINE_WORDS = 16,
};

struct node {
	uint64_t starts[4];
	uint32_t first_entry;	/* word number in the pool */
	uint8_t runs_before[4]; /* bits set in the words of `starts` before this one */
	uint32_t entries[INLINE_ENTRIES];
};

_Static_assert(sizeof(struct node) == 64, "one cache line");

struct tail {
	cidr_key network;
	uint32_t bits;
	uint32_t inside; /* leaf for addresses in the network */
	uint32_t outside;
};

struct cidr_tree {
	uint32_t *root;
	struct node *pool; /* nodes, and lines of entries that found no room in theirs */
	struct tail *tails;
	uint32_t *values; /* NULL: a leaf is its value + 1; else its index + 1 here */
	uint32_t key_bits;
	uint32_t root_bits;
	uint32_t pool_lines;
	uint32_t tail_count;
	uint32_t value_count;
};

/* --- building --------------------------------------------------------------------------------- */

/* Arrays that grow while the tree is built, and are then copied to their final pages. */
struct builder {
	struct node *pool;
	struct tail *tails;
	size_t pool_lines, pool_room;
	size_t tail_count, tail_room;
	size_t next_word; /* where the next run of entries may go, up to word_limit */
	size_t word_limit;
	bool failed; /* no memory: everything from here on is for nothing, and freed */
};

static uint32_t entry_of(uint32_t kind, size_t number)
{
	return kind << KIND_SHIFT | (uint32_t)number;
}

/* Room for one more element; false and builder->failed when there is none. */
static bool grow(struct builder *builder, void **array, size_t count, size_t *room,
		 size_t element_bytes)
{
	if (count <= *room)
		return true;
	const size_t larger = count + count / 2 + 64;
	void *grown = count > NUMBER_MASK ? NULL : realloc(*array, larger * element_bytes);
	if (!grown) {
		builder->failed = true;
		errno = ENOMEM;
		return false;
	}
	*array = grown;
	*room = larger;
	return true;
}

/* The number of the first of `lines` new lines of the pool. */
static size_t take_lines(struct builder *builder, size_t lines)
{
	const size_t first = builder->pool_lines;
	void *pool = builder->pool;
	if (!grow(builder, &pool, first + lines, &builder->pool_room, sizeof(struct node)))
		return 0;
	builder->pool = pool;
	builder->pool_lines += lines;
	return first;
}

static uint32_t make_tail(struct builder *builder, const struct cidr_item *item, uint32_t outside)
{
	void *tails = builder->tails;
	if (!grow(builder, &tails, builder->tail_count + 1, &builder->tail_room,
		  sizeof(struct tail)))
		return 0;
	builder->tails = tails;
	builder->tails[builder->tail_count] = (struct tail){
		.network = item->network,
		.bits = item->bits,
		.inside = item->value,
		.outside = outside,
	};
	return entry_of(KIND_TAIL, builder->tail_count++);
}

/* Where a node's runs go: into the node, or behind each other in lines of their own. */
static size_t place_runs(struct builder *builder, size_t node_line, size_t run_count)
{
	if (run_count <= INLINE_ENTRIES)
		return node_line * LINE_WORDS + offsetof(struct node, entries) / sizeof(uint32_t);
	if (builder->word_limit - builder->next_word < run_count) {
		const size_t lines = (run_count + LINE_WORDS - 1) / LINE_WORDS;
		builder->next_word = take_lines(builder, lines) * LINE_WORDS;
		builder->word_limit = builder->next_word + lines * LINE_WORDS;
	}
	const size_t first = builder->next_word;
	builder->next_word += run_count;
	return first;
}

static uint32_t make_node(struct builder *builder, const uint32_t entries[NODE_FANOUT])
{
	struct node node = { 0 };
	uint32_t runs[NODE_FANOUT];
	size_t run_count = 0;
	for (unsigned byte = 0; byte < NODE_FANOUT; byte++) {
		if (byte % 64 == 0)
			node.runs_before[byte / 64] = (uint8_t)run_count;
		if (byte == 0 || entries[byte] != entries[byte - 1]) {
			node.starts[byte / 64] |= 1ULL << byte % 64;
			runs[run_count++] = entries[byte];
		}
	}
	const size_t line = take_lines(builder, 1);
	const size_t first = place_runs(builder, line, run_count);
	if (builder->failed)
		return 0;
	node.first_entry = (uint32_t)first;
	builder->pool[line] = node;
	memcpy((uint32_t *)(void *)builder->pool + first, runs, run_count * sizeof(runs[0]));
	return entry_of(KIND_CHILD, line);
}

static uint32_t build_subtree(struct builder *builder, const struct cidr_item *items, size_t count,
			      unsigned depth, uint32_t inherited);

/* Writes the networks into the entries of the level that decides `stride` bits from `depth` on.
 * Items are sorted by network, then length, so a network comes after all that hold it, and those
 * that go on below the same entry are neighbours. */
static void paint(struct builder *builder, uint32_t *entries, unsigned depth, unsigned stride,
		  const struct cidr_item *items, size_t count)
{
	for (size_t i = 0; i < count && !builder->failed;) {
		const size_t at = (size_t)(items[i].network << depth >> (KEY_BITS - stride));
		if (items[i].bits <= depth + stride) {
			const size_t span = (size_t)1 << (depth + stride - items[i].bits);
			for (size_t j = at; j < at + span; j++)
				entries[j] = items[i].value;
			i++;
			continue;
		}
		size_t end = i + 1;
		while (end < count &&
		       (size_t)(items[end].network << depth >> (KEY_BITS - stride)) == at)
			end++;
		entries[at] =
			build_subtree(builder, items + i, end - i, depth + stride, entries[at]);
		i = end;
	}
}

/* All networks are longer than `depth` and agree in their first `depth` bits. */
static uint32_t build_subtree(struct builder *builder, const struct cidr_item *items, size_t count,
			      unsigned depth, uint32_t inherited)
{
	if (count == 1)
		return make_tail(builder, items, inherited);
	uint32_t entries[NODE_FANOUT];
	for (unsigned i = 0; i < NODE_FANOUT; i++)
		entries[i] = inherited;
	paint(builder, entries, depth, NODE_BITS, items, count);
	return make_node(builder, entries);
}

static int compare_items(const void *left_item, const void *right_item)
{
	const struct cidr_item *left = left_item;
	const struct cidr_item *right = right_item;
	if (left->network != right->network)
		return left->network < right->network ? -1 : 1;
	if (left->bits != right->bits)
		return left->bits < right->bits ? -1 : 1;
	return left->order < right->order ? -1 : 1;
}

/* Keeps the last of equal networks. Returns how many are left. */
static size_t sort_items(struct cidr_item *items, size_t count)
{
	qsort(items, count, sizeof(items[0]), compare_items);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && items[kept - 1].network == items[i].network &&
		    items[kept - 1].bits == items[i].bits)
			kept--;
		items[kept++] = items[i];
	}
	return kept;
}

/* Turns each item's value into the leaf that stands for it; through a table when one is too large
 * for 30 bits. */
static bool number_values(struct cidr_tree *tree, struct cidr_item *items, size_t count)
{
	bool small = true;
	for (size_t i = 0; i < count; i++)
		small &= items[i].value < NUMBER_MASK;
	if (!small) {
		tree->values = malloc(count * sizeof(tree->values[0]));
		if (!tree->values)
			return false;
		tree->value_count = (uint32_t)count;
	}
	for (size_t i = 0; i < count; i++) {
		if (tree->values)
			tree->values[i] = items[i].value;
		items[i].value = 1 + (small ? items[i].value : (uint32_t)i);
	}
	return true;
}

/* Measured, 100,000 IPv4 networks: 20 bits (4 MB) 6.9 ns, 24 bits (67 MB) 13.7; a million: 20 bits
 * 16.7 ns, 24 bits 14.6. */
static uint32_t root_bits_for(size_t count)
{
	static const struct {
		size_t most;
		uint32_t bits;
	} sizes[] = { { 256, 8 }, { 4096, 16 }, { 500000, 20 }, { SIZE_MAX, 24 } };
	size_t i = 0;
	while (count > sizes[i].most)
		i++;
	return sizes[i].bits;
}

static size_t root_bytes(const struct cidr_tree *tree)
{
	return ((size_t)1 << tree->root_bits) * sizeof(tree->root[0]);
}

/* A copy in pages of its own; an empty array needs none. */
static void *settle(const void *bytes, size_t size_bytes)
{
	void *pages = pages_open(size_bytes ? size_bytes : 1);
	if (pages && size_bytes)
		memcpy(pages, bytes, size_bytes);
	return pages;
}

static bool build(struct cidr_tree *tree, struct builder *builder, const struct cidr_item *items,
		  size_t count)
{
	tree->root = pages_open(root_bytes(tree));
	if (!tree->root)
		return false;
	paint(builder, tree->root, 0, tree->root_bits, items, count);
	if (builder->failed)
		return false;
	tree->pool_lines = (uint32_t)builder->pool_lines;
	tree->pool = settle(builder->pool, builder->pool_lines * sizeof(struct node));
	tree->tail_count = (uint32_t)builder->tail_count;
	tree->tails = settle(builder->tails, builder->tail_count * sizeof(struct tail));
	return tree->pool && tree->tails;
}

struct cidr_tree *cidr_tree_open(unsigned key_bits, struct cidr_item *items, size_t count)
{
	if (count >= NUMBER_MASK) {
		errno = ENOMEM;
		return NULL;
	}
	struct cidr_tree *tree = calloc(1, sizeof(*tree));
	if (!tree)
		return NULL;
	struct builder builder = { 0 };
	count = sort_items(items, count);
	tree->key_bits = key_bits;
	tree->root_bits = root_bits_for(count);
	if (!number_values(tree, items, count) || !build(tree, &builder, items, count)) {
		cidr_tree_close(tree);
		tree = NULL;
	}
	free(builder.pool);
	free(builder.tails);
	return tree;
}

static size_t pages_bytes(size_t size_bytes)
{
	return size_bytes ? size_bytes : 1;
}

void cidr_tree_close(struct cidr_tree *tree)
{
	if (!tree)
		return;
	pages_close(tree->root, root_bytes(tree));
	pages_close(tree->pool, pages_bytes(tree->pool_lines * sizeof(struct node)));
	pages_close(tree->tails, pages_bytes(tree->tail_count * sizeof(struct tail)));
	free(tree->values);
	free(tree);
}

size_t cidr_tree_bytes(const struct cidr_tree *tree)
{
	return sizeof(*tree) + root_bytes(tree) + tree->pool_lines * sizeof(struct node) +
	       tree->tail_count * sizeof(struct tail) + tree->value_count * sizeof(uint32_t);
}

/* --- looking up ------------------------------------------------------------------------------- */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint32_t kind_of(uint32_t entry)
{
	return entry >> KIND_SHIFT;
}

ALWAYS_INLINE size_t root_index(const struct cidr_tree *tree, cidr_key key)
{
	return (size_t)(key >> (KEY_BITS - 32)) >> (32 - tree->root_bits);
}

/* The entry for one byte of the key in the node that `entry` names. */
ALWAYS_INLINE uint32_t step(const struct cidr_tree *tree, uint32_t entry, unsigned byte)
{
	const struct node *node = &tree->pool[entry & NUMBER_MASK];
	const uint64_t up_to_here = (2ULL << byte % 64) - 1;
	const unsigned run = node->runs_before[byte / 64] - 1U +
			     (unsigned)__builtin_popcountll(node->starts[byte / 64] & up_to_here);
	return ((const uint32_t *)(const void *)tree->pool)[node->first_entry + run];
}

/* The leaf for a key that ends in a tail. */
ALWAYS_INLINE uint32_t leave_tail(const struct cidr_tree *tree, uint32_t entry, cidr_key key,
				  bool narrow)
{
	const struct tail *tail = &tree->tails[entry & NUMBER_MASK];
	const cidr_key difference = key ^ tail->network;
	const bool inside = narrow ? (uint64_t)(difference >> 64) >> (64 - tail->bits) == 0
				   : difference >> (KEY_BITS - tail->bits) == 0;
	return inside ? tail->inside : tail->outside;
}

ALWAYS_INLINE uint32_t value_of_leaf(const struct cidr_tree *tree, uint32_t leaf)
{
	return tree->values && leaf ? tree->values[leaf - 1] : leaf - 1; /* 0 -> CIDR_NONE */
}

ALWAYS_INLINE uint32_t find(const struct cidr_tree *tree, cidr_key key)
{
	uint32_t entry = tree->root[root_index(tree, key)];
	for (cidr_key left = key << tree->root_bits; kind_of(entry) == KIND_CHILD;
	     left <<= NODE_BITS)
		entry = step(tree, entry, (unsigned)(left >> (KEY_BITS - NODE_BITS)));
	if (kind_of(entry) == KIND_TAIL)
		entry = leave_tail(tree, entry, key, false);
	return value_of_leaf(tree, entry);
}

/* A batch on its way: which keys stand on a node and which on a tail. Sorting them into two lists
 * without a branch is what makes a batch fast: whether an address stops here or goes on is a coin
 * toss that the CPU loses half of the time. */
struct flight {
	uint32_t entries[CIDR_BATCH];
	uint8_t on_node[CIDR_BATCH + 1];
	uint8_t on_tail[CIDR_BATCH + 1];
	size_t node_count;
	size_t tail_count;
};

ALWAYS_INLINE void arrive(struct flight *flight, size_t i, uint32_t entry)
{
	flight->entries[i] = entry;
	flight->on_node[flight->node_count] = (uint8_t)i;
	flight->node_count += kind_of(entry) == KIND_CHILD;
	flight->on_tail[flight->tail_count] = (uint8_t)i;
	flight->tail_count += kind_of(entry) == KIND_TAIL;
}

/* `narrow` is a constant at each call: keys are in their high half. */
ALWAYS_INLINE cidr_key key_at(const struct cidr_keys *keys, size_t i, bool narrow)
{
	return (cidr_key)keys->high[i] << 64 | (narrow ? 0 : keys->low[i]);
}

/* One more node for every key that stands on one. */
ALWAYS_INLINE void step_all(const struct cidr_tree *tree, struct flight *flight,
			    const struct cidr_keys *keys, unsigned depth, bool narrow)
{
	const size_t going = flight->node_count;
	for (size_t j = 0; j < going; j++)
		__builtin_prefetch(&tree->pool[flight->entries[flight->on_node[j]] & NUMBER_MASK]);
	flight->node_count = 0;
	for (size_t j = 0; j < going; j++) {
		const size_t i = flight->on_node[j];
		const unsigned byte =
			narrow ? (unsigned)(keys->high[i] << depth >> (64 - NODE_BITS))
			       : (unsigned)(key_at(keys, i, narrow) << depth >>
					    (KEY_BITS - NODE_BITS));
		arrive(flight, i, step(tree, flight->entries[i], byte));
	}
}

ALWAYS_INLINE void leave_tails(const struct cidr_tree *tree, struct flight *flight,
			       const struct cidr_keys *keys, bool narrow)
{
	for (size_t j = 0; j < flight->tail_count; j++)
		__builtin_prefetch(&tree->tails[flight->entries[flight->on_tail[j]] & NUMBER_MASK]);
	for (size_t j = 0; j < flight->tail_count; j++) {
		const size_t i = flight->on_tail[j];
		flight->entries[i] =
			leave_tail(tree, flight->entries[i], key_at(keys, i, narrow), narrow);
	}
}

ALWAYS_INLINE void find_batch(const struct cidr_tree *tree, const struct cidr_keys *keys,
			      size_t count, uint32_t *out_values, bool narrow)
{
	struct flight flight;
	flight.node_count = flight.tail_count = 0;
	const unsigned root_shift = 64 - tree->root_bits;
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(&tree->root[keys->high[i] >> root_shift]);
	for (size_t i = 0; i < count; i++)
		arrive(&flight, i, tree->root[keys->high[i] >> root_shift]);
	for (unsigned depth = tree->root_bits; flight.node_count > 0; depth += NODE_BITS)
		step_all(tree, &flight, keys, depth, narrow);
	leave_tails(tree, &flight, keys, narrow);
	for (size_t i = 0; i < count; i++)
		out_values[i] = value_of_leaf(tree, flight.entries[i]);
}

/* The same code four times: with the instruction that counts bits or without, for short keys or
 * long. */
#ifdef __x86_64__
#define POPCNT __attribute__((target("popcnt")))

POPCNT static uint32_t find_popcnt(const struct cidr_tree *tree, cidr_key key)
{
	return find(tree, key);
}

POPCNT static void find_batch_popcnt(const struct cidr_tree *tree, const struct cidr_keys *keys,
				     size_t count, uint32_t *out_values)
{
	if (tree->key_bits == 32)
		find_batch(tree, keys, count, out_values, true);
	else
		find_batch(tree, keys, count, out_values, false);
}
#endif

uint32_t cidr_tree_find(const struct cidr_tree *tree, cidr_key key)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("popcnt"))
		return find_popcnt(tree, key);
#endif
	return find(tree, key);
}

void cidr_tree_find_batch(const struct cidr_tree *tree, const struct cidr_keys *keys, size_t count,
			  uint32_t out_values[CIDR_BATCH])
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("popcnt")) {
		find_batch_popcnt(tree, keys, count, out_values);
		return;
	}
#endif
	if (tree->key_bits == 32)
		find_batch(tree, keys, count, out_values, true);
	else
		find_batch(tree, keys, count, out_values, false);
}
