#include "base/timerq.h"

void timerq_init(struct timerq *q)
{
    *q = (struct timerq){0};
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

/* Joins two heaps, either may be NULL; both roots have no siblings. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (before(b, a)) {
        struct timer *t = a;
        a = b;
        b = t;
    }
    b->sibling = a->child;
    if (a->child)
        a->child->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* The two passes of a pairing heap's delete, without recursion: pairs from left to right onto a
 * stack, then everything on the stack into one. */
static struct timer *meld_children(struct timer *first)
{
    struct timer *stack = NULL;
    while (first) {
        struct timer *a = first, *b = first->sibling;
        first = b ? b->sibling : NULL;
        a->sibling = a->prev = NULL;
        if (b)
            b->sibling = b->prev = NULL;
        a = meld(a, b);
        a->sibling = stack;
        stack = a;
    }
    struct timer *root = NULL;
    while (stack) {
        struct timer *next = stack->sibling;
        stack->sibling = NULL;
        root = meld(root, stack);
        stack = next;
    }
    return root;
}

void timerq_cancel(struct timerq *q, struct timer *t)
{
    if (!t->set)
        return;
    struct timer *rest = meld_children(t->child);
    if (t == q->root) {
        q->root = rest;
    } else {
        if (t->prev->child == t)
            t->prev->child = t->sibling;
        else
            t->prev->sibling = t->sibling;
        if (t->sibling)
            t->sibling->prev = t->prev;
        q->root = meld(q->root, rest);
    }
    *t = (struct timer){.deadline = t->deadline};
}

void timerq_set(struct timerq *q, struct timer *t, nsec deadline)
{
    timerq_cancel(q, t);
    if (deadline == NSEC_NEVER)
        return;
    *t = (struct timer){.deadline = deadline, .order = q->orders++, .set = true};
    q->root = meld(q->root, t);
}

nsec timerq_deadline(const struct timerq *q)
{
    return q->root ? q->root->deadline : NSEC_NEVER;
}

struct timer *timerq_pop(struct timerq *q, nsec now)
{
    struct timer *t = q->root;
    if (!t || t->deadline > now)
        return NULL;
    timerq_cancel(q, t);
    return t;
}
