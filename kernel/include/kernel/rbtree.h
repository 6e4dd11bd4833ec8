#ifndef KERNEL_RBTREE_H
#define KERNEL_RBTREE_H

/*
 * A red-black tree whose nodes live inside the things that it orders (CLRS, 3rd ed., chapter 13).
 * Equal keys are allowed: a new node goes after the ones it equals, so the order among them is the
 * order of insertion. The leftmost node is cached, because run queues and timers ask for it most.
 * The caller locks.
 *
 * A tree may be *augmented* (chapter 14): each node's thing also holds a value made from its own
 * and its children's, such as the least of something in the subtree, so that a search down from the
 * root can leave out whole subtrees.
 */

#include <kernel/types.h>

struct rb_node {
    struct rb_node *parent;
    struct rb_node *child[2]; /* left, right */
    bool is_red;
};

/* Makes the value of `node` anew from its own thing and those of its children, which are right. */
typedef void (*rb_update_fn)(struct rb_node *node);

struct rb_tree {
    struct rb_node *root;
    struct rb_node *leftmost;
    rb_update_fn update; /* NULL: not augmented */
};

/* Whether `a` sorts strictly before `b`. */
typedef bool (*rb_before_fn)(const struct rb_node *a, const struct rb_node *b);

static inline void rb_init(struct rb_tree *tree)
{
    tree->root = NULL;
    tree->leftmost = NULL;
    tree->update = NULL;
}

/* What `update` reads of a node changes only while it is in no tree. */
static inline void rb_init_augmented(struct rb_tree *tree, rb_update_fn update)
{
    rb_init(tree);
    tree->update = update;
}

static inline bool rb_is_empty(const struct rb_tree *tree)
{
    return tree->root == NULL;
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, rb_before_fn before);
void rb_remove(struct rb_tree *tree, struct rb_node *node);

/* The first, and the neighbours of a node, in order; NULL past either end. */
static inline struct rb_node *rb_first(const struct rb_tree *tree)
{
    return tree->leftmost;
}
struct rb_node *rb_last(const struct rb_tree *tree);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

#define rb_entry(node, type, member) container_of(node, type, member)

#endif
