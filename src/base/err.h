/* The program's own error list. Functions return 0 (or a count) or a negative E_*. */
#ifndef SLIPGATE_BASE_ERR_H
#define SLIPGATE_BASE_ERR_H

enum err_class { ERR_CLASS_PEER, ERR_CLASS_ENV, ERR_CLASS_BUG };

enum err {
#define E(name, number, class, text) name = -(number),
#include "base/err.def"
#undef E
};

/* Symbolic name ("E_FULL"), human text, and class of a negative code; unknown codes are bugs. */
const char *err_name(int code);
const char *err_text(int code);
enum err_class err_class(int code);

#endif
