/* ip[8] < 65 and ip[2:2] > 60 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	return network(f, dialect, &n) && n.type == H16(IP4) && has(f, n.at, 9) &&
	       U8(n.at, 8) < 65 && H16(U16(n.at, 2)) > 60;
}
