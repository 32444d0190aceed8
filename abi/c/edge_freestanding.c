/* What the SDK needs of a C library, for modules that have none: define EDGE_NO_LIBC for
 * all files, and link with -nostdlib. */

#include "edge_internal.h"

#if defined(EDGE_NO_LIBC)

/* Keeps the compiler from seeing in a loop the function that it is the body of. */
#define AS_WRITTEN __attribute__((no_builtin))

AS_WRITTEN void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	char *t = to;
	const char *f = from;
	while (n--)
		*t++ = *f++;
	return to;
}

AS_WRITTEN void *memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;
	if (t < f)
		return memcpy(to, from, n);
	while (n--)
		t[n] = f[n];
	return to;
}

AS_WRITTEN void *memset(void *s, int c, size_t n)
{
	char *p = s;
	while (n--)
		*p++ = (char)c;
	return s;
}

AS_WRITTEN int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

AS_WRITTEN size_t strlen(const char *s)
{
	size_t n = 0;
	while (s[n])
		n++;
	return n;
}

/* New memory of at least size bytes, or NULL. */
void *edge_pages(size_t size)
{
	const size_t page = 64 << 10;
	size_t before = __builtin_wasm_memory_grow(0, size / page + (size % page != 0));
	return before == SIZE_MAX ? NULL : (void *)(before * page);
}

#else
typedef int edge_freestanding_is_empty;
#endif
