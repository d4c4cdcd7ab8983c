/* tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	if (!layer4(f, dialect, TCP, &t) || !has(f, t.at, 13))
		return 0;
	u8 *payload = t.at + ((U8(t.at, 12) & 0xf0) >> 2);
	return has(f, payload, 4) && U32(payload, 0) == H32(0x47455420);
}
