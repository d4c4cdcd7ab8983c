/* tcp dst port 80 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	return ports(f, dialect, &t) && t.proto == TCP && dport(&t) == H16(80);
}
