/*
 * Red-black trees after Cormen, Leiserson, Rivest and Stein, "Introduction to Algorithms", 3rd ed.,
 * chapter 13.
 *
 * A binary search tree is balanced here by colouring its nodes:
 *
 *   1. every node is red or black, and so are the missing children: black;
 *   2. the root is black;
 *   3. a red node has no red child;
 *   4. all paths from a node down to a missing child pass the same number of black nodes.
 *
 * By 4 the shortest path is all black, by 3 the longest has at most as many red nodes in between,
 * so no path is more than twice as long as another, and the height is at most 2 log2(n + 1).
 *
 * Inserting can only break 2 or 3, removing can only break 4 (and then 3), and in one place. A
 * rebalancing loop recolours that place or pushes the trouble one step up towards the root, where
 * it vanishes; at most three rotations end it. The book's mirror-image cases are one here: `side`
 * says which child is meant, `!side` the other.
 *
 * In an augmented tree (chapter 14), a node that comes or goes changes the values of those above
 * it, which are made anew on the way up. A rotation changes the values of the two nodes that it
 * turns, and of no other, because the subtree keeps its nodes.
 */

#include <kernel/rbtree.h>

enum { LEFT, RIGHT };

static bool is_red(const struct rb_node *node)
{
    return node && node->is_red;
}

static int side_of(const struct rb_node *node)
{
    return node == node->parent->child[RIGHT] ? RIGHT : LEFT;
}

/* Makes whatever points down at `old` point at `new`, which may be NULL. */
static void replace_child(struct rb_tree *tree, struct rb_node *old, struct rb_node *new)
{
    if (!old->parent)
        tree->root = new;
    else
        old->parent->child[side_of(old)] = new;
    if (new)
        new->parent = old->parent;
}

/* Makes the values of `node`, which may be NULL, and of all above it anew. */
static void update_upwards(const struct rb_tree *tree, struct rb_node *node)
{
    if (!tree->update)
        return;
    for (; node; node = node->parent)
        tree->update(node);
}

/* Moves `node` down to `side`; its child on the other side takes its place. The order stays. */
static void rotate(struct rb_tree *tree, struct rb_node *node, int side)
{
    struct rb_node *up = node->child[!side];

    replace_child(tree, node, up);
    node->child[!side] = up->child[side];
    if (up->child[side])
        up->child[side]->parent = node;
    up->child[side] = node;
    node->parent = up;
    if (tree->update) {
        tree->update(node);
        tree->update(up);
    }
}

/* `node` is red; its parent may be red too, which is the only thing that is wrong. */
static void rebalance_after_insert(struct rb_tree *tree, struct rb_node *node)
{
    while (is_red(node->parent)) {
        struct rb_node *parent = node->parent;
        struct rb_node *grandparent = parent->parent; /* exists: the root is not red */
        int side = side_of(parent);
        struct rb_node *uncle = grandparent->child[!side];

        if (is_red(uncle)) {
            parent->is_red = false;
            uncle->is_red = false;
            grandparent->is_red = true;
            node = grandparent;
            continue;
        }
        if (side_of(node) != side) {
            rotate(tree, parent, side);
            parent = node;
        }
        parent->is_red = false;
        grandparent->is_red = true;
        rotate(tree, grandparent, !side);
        break;
    }
    tree->root->is_red = false;
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, rb_before_fn before)
{
    struct rb_node **link = &tree->root;
    struct rb_node *parent = NULL;
    bool is_leftmost = true;

    while (*link) {
        int side = before(node, *link) ? LEFT : RIGHT;

        parent = *link;
        link = &parent->child[side];
        if (side == RIGHT)
            is_leftmost = false;
    }
    *node = (struct rb_node){.parent = parent, .is_red = true};
    *link = node;
    if (is_leftmost)
        tree->leftmost = node;
    update_upwards(tree, node);
    rebalance_after_insert(tree, node);
}

/*
 * Paths through `node`, a child of `parent` that may be missing, are one black node short: a black
 * node was taken out from just above it.
 */
static void rebalance_after_remove(struct rb_tree *tree, struct rb_node *node,
                                   struct rb_node *parent)
{
    while (node != tree->root && !is_red(node)) {
        int side = node == parent->child[LEFT] ? LEFT : RIGHT;
        struct rb_node *sibling = parent->child[!side]; /* exists: its paths have a black more */

        if (is_red(sibling)) {
            sibling->is_red = false;
            parent->is_red = true;
            rotate(tree, parent, side);
            sibling = parent->child[!side];
        }
        if (!is_red(sibling->child[LEFT]) && !is_red(sibling->child[RIGHT])) {
            sibling->is_red = true;
            node = parent;
            parent = node->parent;
            continue;
        }
        if (!is_red(sibling->child[!side])) {
            sibling->child[side]->is_red = false;
            sibling->is_red = true;
            rotate(tree, sibling, !side);
            sibling = parent->child[!side];
        }
        sibling->is_red = parent->is_red;
        parent->is_red = false;
        sibling->child[!side]->is_red = false;
        rotate(tree, parent, side);
        return;
    }
    if (node)
        node->is_red = false;
}

static struct rb_node *outermost(struct rb_node *node, int side)
{
    while (node->child[side])
        node = node->child[side];
    return node;
}

/* Takes out a node that has at most one child, which moves up into its place. */
static void splice_out(struct rb_tree *tree, struct rb_node *node)
{
    struct rb_node *child = node->child[node->child[LEFT] ? LEFT : RIGHT];

    replace_child(tree, node, child);
    update_upwards(tree, node->parent);
    if (!node->is_red)
        rebalance_after_remove(tree, child, node->parent);
}

/* Puts `new`, which is in no tree, where `old` is, with its colour and all its links. */
static void take_place(struct rb_tree *tree, struct rb_node *old, struct rb_node *new)
{
    replace_child(tree, old, new);
    *new = *old;
    for (int side = LEFT; side <= RIGHT; side++) {
        if (new->child[side])
            new->child[side]->parent = new;
    }
}

void rb_remove(struct rb_tree *tree, struct rb_node *node)
{
    if (tree->leftmost == node)
        tree->leftmost = rb_next(node);

    if (node->child[LEFT] && node->child[RIGHT]) {
        struct rb_node *next = outermost(node->child[RIGHT], LEFT);

        splice_out(tree, next);
        take_place(tree, node, next);
        update_upwards(tree, next);
    } else {
        splice_out(tree, node);
    }
}

struct rb_node *rb_last(const struct rb_tree *tree)
{
    return tree->root ? outermost(tree->root, RIGHT) : NULL;
}

static struct rb_node *neighbour(const struct rb_node *node, int side)
{
    if (node->child[side])
        return outermost(node->child[side], !side);
    while (node->parent && side_of(node) == side)
        node = node->parent;
    return node->parent;
}

struct rb_node *rb_next(const struct rb_node *node)
{
    return neighbour(node, RIGHT);
}

struct rb_node *rb_prev(const struct rb_node *node)
{
    return neighbour(node, LEFT);
}
