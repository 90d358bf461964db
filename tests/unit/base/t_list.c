/* The intrusive list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    int n;
    struct list node;
};

static int number(struct list *node)
{
    return CONTAINER_OF(node, struct item, node)->n;
}

static void assert_list(struct list *head, const char *want)
{
    char got[32] = {0};
    size_t n = 0;
    LIST_EACH (node, head)
        got[n++] = (char)('0' + number(node));
    assert_string_equal(got, want);
    for (struct list *node = head->prev; node != head; node = node->prev)
        assert_int_equal(got[--n], '0' + number(node)); /* the other way round too */
    assert_int_equal(n, 0);
}

static void nodes_know_whether_they_are_in_a_list(void **state)
{
    (void)state;
    struct list head;
    struct item a = {.n = 1};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_first(&head));
    assert_false(list_linked(&a.node));
    list_remove(&a.node); /* fine */
    list_push_back(&head, &a.node);
    assert_true(list_linked(&a.node));
    assert_false(list_empty(&head));
    assert_ptr_equal(list_first(&head), &a.node);
    list_remove(&a.node);
    assert_false(list_linked(&a.node));
    assert_true(list_empty(&head));
    list_remove(&a.node);
}

static void both_ends_and_the_middle(void **state)
{
    (void)state;
    struct list head;
    struct item v[6];
    list_init(&head);
    for (int i = 0; i < 6; i++)
        v[i] = (struct item){.n = i};
    assert_list(&head, "");
    list_push_back(&head, &v[1].node);
    list_push_back(&head, &v[2].node);
    list_push_front(&head, &v[0].node);
    list_push_back(&head, &v[3].node);
    assert_list(&head, "0123");
    list_remove(&v[2].node);
    assert_list(&head, "013");
    list_remove(&v[0].node);
    assert_list(&head, "13");
    list_remove(&v[3].node);
    list_push_front(&head, &v[5].node);
    list_push_back(&head, &v[2].node);
    assert_list(&head, "512");
}

static void removing_while_walking(void **state)
{
    (void)state;
    struct list head, other;
    struct item v[6];
    list_init(&head);
    list_init(&other);
    for (int i = 0; i < 6; i++) {
        v[i] = (struct item){.n = i};
        list_push_back(&head, &v[i].node);
    }
    LIST_EACH_SAFE (node, next, &head)
        if (number(node) % 2) {
            list_remove(node);
            list_push_front(&other, node);
        }
    assert_list(&head, "024");
    assert_list(&other, "531");
    LIST_EACH_SAFE (node, next, &head)
        list_remove(node);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_whether_they_are_in_a_list),
        cmocka_unit_test(both_ends_and_the_middle),
        cmocka_unit_test(removing_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
