#ifndef KERNEL_LIST_H
#define KERNEL_LIST_H

/*
 * A circular doubly linked list whose nodes live inside the things that are listed.
 *
 * A list is a node too: an empty one points at itself. A node that is on no list points at itself
 * after list_node_init() or list_remove(), so list_is_linked() can ask it.
 */

#include <kernel/types.h>

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

struct list {
    struct list_node head;
};

#define LIST_INIT(name)                                                                            \
    {                                                                                              \
        {                                                                                          \
            &(name).head, &(name).head                                                             \
        }                                                                                          \
    }

static inline void list_node_init(struct list_node *node)
{
    node->next = node;
    node->prev = node;
}

static inline void list_init(struct list *list)
{
    list_node_init(&list->head);
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != node;
}

/* Puts `node` between two neighbours. */
static inline void list_insert_between(struct list_node *prev, struct list_node *next,
                                       struct list_node *node)
{
    node->prev = prev;
    node->next = next;
    next->prev = node;
    prev->next = node;
}

static inline void list_insert_after(struct list_node *where, struct list_node *node)
{
    list_insert_between(where, where->next, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_between(&list->head, list->head.next, node);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_between(list->head.prev, &list->head, node);
}

/* Takes `node` off its list; harmless when it is on none. */
static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_node_init(node);
}

/* The first node, taken off the list; NULL when the list is empty. */
static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list->head.next, *second = node->next;

    if (node == &list->head)
        return NULL;
    list->head.next = second;
    second->prev = &list->head;
    list_node_init(node);
    return node;
}

/* The same of a list that is not empty, leaving the node as it is: it does not look unlinked. */
static inline struct list_node *list_take_front(struct list *list)
{
    struct list_node *node = list->head.next, *second = node->next;

    list->head.next = second;
    second->prev = &list->head;
    return node;
}

/* Moves everything on `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)

#define list_first_entry(list, type, member)                                                       \
    (list_is_empty(list) ? NULL : list_entry((list)->head.next, type, member))

/*
 * The node inside an entry. The loops end with a `pos` that is no entry, but is computed from the
 * list's head: plain address arithmetic is right for it even where entries have larger alignment.
 */
#define list_node_of(pos, member)                                                                  \
    ((struct list_node *)((char *)(pos) + offsetof(__typeof__(*(pos)), member)))

#define list_for_each_entry(pos, list, member)                                                     \
    for (pos = list_entry((list)->head.next, __typeof__(*pos), member);                            \
         list_node_of(pos, member) != &(list)->head;                                               \
         pos = list_entry(list_node_of(pos, member)->next, __typeof__(*pos), member))

/* As list_for_each_entry(), but `pos` may be taken off the list in the loop's body. */
#define list_for_each_entry_safe(pos, tmp, list, member)                                           \
    for (pos = list_entry((list)->head.next, __typeof__(*pos), member),                            \
        tmp = list_entry(list_node_of(pos, member)->next, __typeof__(*pos), member);               \
         list_node_of(pos, member) != &(list)->head;                                               \
         pos = tmp, tmp = list_entry(list_node_of(pos, member)->next, __typeof__(*pos), member))

#endif
