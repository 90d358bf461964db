/* Intrusive doubly linked list. A node is in at most one list; a zeroed node is in none. */
#ifndef SLIPGATE_BASE_LIST_H
#define SLIPGATE_BASE_LIST_H

#include "base/types.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
    return node->next != NULL;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_push_back(head->next, node);
}

/* Fine for a node that is in no list. */
static inline void list_remove(struct list *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

#define LIST_EACH(node, head) \
    for (struct list *node = (head)->next; node != (head); node = node->next)
/* The node may be removed while walking. */
#define LIST_EACH_SAFE(node, tmp, head)                                       \
    for (struct list *node = (head)->next, *tmp = node->next; node != (head); \
         node = tmp, tmp = tmp->next)

#endif
