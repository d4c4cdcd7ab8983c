/* net … or net …; the labels of `switch` come from the benchmark: members.h. */
#include "frame.h"
#include "members.h"

static INLINE int is_member(u32 address)
{
	switch (address & H32(0xffff0000)) {
		NETS16 return 1;
	}
	switch (address & H32(0xfffff000)) {
		NETS20 return 1;
	}
	switch (address & H32(0xffffff00)) {
		NETS24 return 1;
	}
	switch (address & H32(0xfffffff0)) {
		NETS28 return 1;
	}
	return 0;
}

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	u32 src, dst;
	return network(f, dialect, &n) && addresses4(f, &n, &src, &dst) &&
	       (is_member(src) || is_member(dst));
}
