/* port … or port …; the labels of `switch` come from the benchmark: members.h. */
#include "frame.h"
#include "members.h"

static INLINE int is_member(u16 port)
{
	switch (port) {
		PORTS return 1;
	}
	return 0;
}

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	return ports(f, dialect, &t) && (is_member(sport(&t)) || is_member(dport(&t)));
}
