/* The doubly linked list: every operation leaves the order that its comment promises. */

#include "host_test.h"

#include <kernel/list.h>

struct item {
    int value;
    struct list_node link;
};

static void push(struct list *list, struct item *items, int from, int to)
{
    for (int i = from; i < to; i++) {
        items[i].value = i;
        list_push_back(list, &items[i].link);
    }
}

/* The list holds `first`, `first` + 1, ... `last` - 1, forwards and backwards. */
static void assert_holds(struct list *list, int first, int last)
{
    struct item *item;
    struct list_node *node;
    int expected = first;

    list_for_each_entry (item, list, link)
        assert_int_equal(item->value, expected++);
    assert_int_equal(expected, last);
    for (node = list->head.prev; node != &list->head; node = node->prev)
        assert_int_equal(list_entry(node, struct item, link)->value, --expected);
    assert_int_equal(expected, first);
}

static void a_new_list_is_empty(void **state)
{
    struct list list = LIST_INIT(list);
    struct list other;

    list_init(&other);
    assert_true(list_is_empty(&list));
    assert_true(list_is_empty(&other));
    assert_null(list_pop_front(&list));
    assert_null(list_first_entry(&list, struct item, link));
}

static void push_back_keeps_the_order_and_push_front_goes_before(void **state)
{
    struct item items[4];
    struct list list = LIST_INIT(list);

    push(&list, items, 1, 4);
    items[0].value = 0;
    list_push_front(&list, &items[0].link);
    assert_holds(&list, 0, 4);
    assert_ptr_equal(list_first_entry(&list, struct item, link), &items[0]);
}

static void pop_front_takes_from_the_front_and_unlinks(void **state)
{
    struct item items[3];
    struct list list = LIST_INIT(list);

    push(&list, items, 0, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(list_is_linked(&items[i].link));
        assert_ptr_equal(list_pop_front(&list), &items[i].link);
        assert_false(list_is_linked(&items[i].link));
        assert_holds(&list, i + 1, 3);
    }
}

static void removing_twice_is_harmless(void **state)
{
    struct item items[3];
    struct list list = LIST_INIT(list);

    push(&list, items, 0, 3);
    list_remove(&items[2].link);
    list_remove(&items[2].link);
    assert_holds(&list, 0, 2);
}

static void insert_after_goes_in_the_middle(void **state)
{
    struct item items[3];
    struct list list = LIST_INIT(list);

    for (int i = 0; i < 3; i++)
        items[i].value = i;
    list_push_back(&list, &items[0].link);
    list_push_back(&list, &items[2].link);
    list_insert_after(&items[0].link, &items[1].link);
    assert_holds(&list, 0, 3);
}

static void splice_appends_and_empties_the_source(void **state)
{
    struct item items[5];
    struct list to = LIST_INIT(to);
    struct list from = LIST_INIT(from);

    push(&to, items, 0, 2);
    push(&from, items, 2, 5);
    list_splice_back(&to, &from);
    assert_holds(&to, 0, 5);
    assert_true(list_is_empty(&from));
    list_splice_back(&to, &from);
    assert_holds(&to, 0, 5);
    list_splice_back(&from, &to);
    assert_holds(&from, 0, 5);
    assert_true(list_is_empty(&to));
}

static void the_safe_loop_allows_removal(void **state)
{
    struct item items[6];
    struct list list = LIST_INIT(list);
    struct item *item, *next;

    push(&list, items, 0, 6);
    list_for_each_entry_safe (item, next, &list, link) {
        if (item->value < 4)
            list_remove(&item->link);
    }
    assert_holds(&list, 4, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_list_is_empty),
        cmocka_unit_test(push_back_keeps_the_order_and_push_front_goes_before),
        cmocka_unit_test(pop_front_takes_from_the_front_and_unlinks),
        cmocka_unit_test(removing_twice_is_harmless),
        cmocka_unit_test(insert_after_goes_in_the_middle),
        cmocka_unit_test(splice_appends_and_empties_the_source),
        cmocka_unit_test(the_safe_loop_allows_removal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
