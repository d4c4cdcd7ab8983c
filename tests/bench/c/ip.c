/* ip */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	return network(f, dialect, &n) && n.type == H16(IP4);
}
