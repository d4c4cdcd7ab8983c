/* host 10.0.0.1 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	u32 src, dst;
	return network(f, dialect, &n) && addresses4(f, &n, &src, &dst) &&
	       (src == H32(0x0a000001) || dst == H32(0x0a000001));
}
