/* portrange 1000-2000 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	if (!ports(f, dialect, &t))
		return 0;
	u16 src = H16(sport(&t)), dst = H16(dport(&t));
	return (src >= 1000 && src <= 2000) || (dst >= 1000 && dst <= 2000);
}
