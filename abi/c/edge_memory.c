/* Memory that ends with a request, and texts in it. */

#include "edge_internal.h"

#if defined(EDGE_NO_LIBC)
void *edge_pages(size_t size);
#else
void *malloc(size_t size);
void free(void *ptr);
#endif

_Noreturn static void out_of_memory(void)
{
	__builtin_trap();
}

/* The first memory of every request: most need no more. */
static struct {
	edge_block block;
	_Alignas(max_align_t) char bytes[8 << 10];
} first;

#define LATER_BLOCKS ((size_t)32 << 10)

/* What a block's own fields take, so that its bytes are aligned. */
#define ALIGN _Alignof(max_align_t)
#define HEAD ((sizeof(edge_block) + ALIGN - 1) / ALIGN * ALIGN)

#if defined(EDGE_NO_LIBC)
/* Blocks that no request has, to be used again: pages are never given back. */
static edge_block *spare;
#endif

static edge_block *new_block(size_t size)
{
	if (size > SIZE_MAX - HEAD)
		out_of_memory();
#if defined(EDGE_NO_LIBC)
	for (edge_block **at = &spare; *at; at = &(*at)->next) {
		if ((*at)->size >= size) {
			edge_block *found = *at;
			*at = found->next;
			return found;
		}
	}
	edge_block *block = edge_pages(HEAD + size);
#else
	edge_block *block = malloc(HEAD + size);
#endif
	if (!block)
		out_of_memory();
	block->size = size;
	return block;
}

static void free_block(edge_block *block)
{
#if defined(EDGE_NO_LIBC)
	block->next = spare;
	spare = block;
#else
	free(block);
#endif
}

void edge_begin(edge_request *req, uint32_t handle)
{
	memset(req, 0, sizeof *req);
	req->handle = handle;
	if (first.block.used)
		return; /* a request within another, in a test: it gets blocks of its own */
	first.block.size = sizeof first.bytes;
	req->blocks = &first.block;
	first.block.used = 1;
}

void edge_end(edge_request *req)
{
	while (req->blocks) {
		edge_block *block = req->blocks;
		req->blocks = block->next;
		if (block == &first.block)
			block->used = 0;
		else
			free_block(block);
	}
}

static char *begin_of(edge_block *block)
{
	return block == &first.block ? first.bytes : (char *)block + HEAD;
}

void *edge_alloc(edge_request *req, size_t size)
{
	if (size > SIZE_MAX - ALIGN)
		out_of_memory();
	edge_block *block = req->blocks;
	size_t at = block ? (block->used + ALIGN - 1) / ALIGN * ALIGN : 0;
	if (!block || at > block->size || size > block->size - at) {
		block = new_block(size > LATER_BLOCKS ? size : LATER_BLOCKS);
		block->next = req->blocks;
		req->blocks = block;
		at = 0;
	}
	block->used = at + size;
	return begin_of(block) + at;
}

void *edge_alloc_items(edge_request *req, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		out_of_memory();
	return edge_alloc(req, count * size);
}

char *edge_alloc_text(edge_request *req, size_t len)
{
	if (len == SIZE_MAX)
		out_of_memory();
	char *text = edge_alloc(req, len + 1);
	text[len] = 0;
	return text;
}

edge_str edge_copy(edge_request *req, edge_str text)
{
	char *ptr = edge_alloc_text(req, text.len);
	if (text.len)
		memcpy(ptr, text.ptr, text.len);
	return (edge_str){ptr, text.len};
}

edge_str edge_text(const char *s)
{
	return (edge_str){s, s ? strlen(s) : 0};
}

bool edge_equal(edge_str a, edge_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool edge_is(edge_str a, const char *s)
{
	return edge_equal(a, edge_text(s));
}

/* ---- Formatting ---- */

/* What is printed: counted first, then written. */
typedef struct sink {
	char *to; /* NULL only counts */
	size_t len;
} sink;

static void put(sink *out, const char *ptr, size_t len)
{
	if (out->to && len)
		memcpy(out->to + out->len, ptr, len);
	out->len += len;
}

static void put_number(sink *out, uint64_t n, unsigned base, bool negative)
{
	char digits[24];
	size_t at = sizeof digits;
	do {
		digits[--at] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	if (negative)
		digits[--at] = '-';
	put(out, digits + at, sizeof digits - at);
}

/* The length modifiers of a conversion. */
typedef enum length { LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE, LENGTH_MAX } length;

static const char *read_length(const char *f, length *l)
{
	*l = LENGTH_INT;
	for (;; f++) {
		switch (*f) {
		case 'h':
			break;
		case 'l':
			*l = *l == LENGTH_LONG ? LENGTH_LONG_LONG : LENGTH_LONG;
			break;
		case 'z':
		case 't':
			*l = LENGTH_SIZE;
			break;
		case 'j':
			*l = LENGTH_MAX;
			break;
		default:
			return f;
		}
	}
}

static int64_t signed_argument(length l, va_list *args)
{
	switch (l) {
	case LENGTH_LONG:
		return va_arg(*args, long);
	case LENGTH_LONG_LONG:
		return va_arg(*args, long long);
	case LENGTH_SIZE:
		return va_arg(*args, ptrdiff_t);
	case LENGTH_MAX:
		return va_arg(*args, intmax_t);
	default:
		return va_arg(*args, int);
	}
}

static uint64_t unsigned_argument(length l, va_list *args)
{
	switch (l) {
	case LENGTH_LONG:
		return va_arg(*args, unsigned long);
	case LENGTH_LONG_LONG:
		return va_arg(*args, unsigned long long);
	case LENGTH_SIZE:
		return va_arg(*args, size_t);
	case LENGTH_MAX:
		return va_arg(*args, uintmax_t);
	default:
		return va_arg(*args, unsigned);
	}
}

/* Prints one conversion, which begins after the percent sign at f, and returns where the
 * format goes on; NULL if it knows no such conversion. */
static const char *convert(sink *out, const char *f, va_list *args)
{
	size_t most = SIZE_MAX;
	if (f[0] == '.' && f[1] == '*') {
		int n = va_arg(*args, int);
		most = n < 0 ? SIZE_MAX : (size_t)n;
		f += 2;
	}
	length l;
	f = read_length(f, &l);
	switch (*f) {
	case 's': {
		const char *s = va_arg(*args, const char *);
		size_t n = 0;
		while (s && n < most && s[n])
			n++;
		put(out, s, n);
		break;
	}
	case 'c': {
		char c = (char)va_arg(*args, int);
		put(out, &c, 1);
		break;
	}
	case 'd':
	case 'i': {
		int64_t n = signed_argument(l, args);
		put_number(out, n < 0 ? -(uint64_t)n : (uint64_t)n, 10, n < 0);
		break;
	}
	case 'u':
		put_number(out, unsigned_argument(l, args), 10, false);
		break;
	case 'x':
		put_number(out, unsigned_argument(l, args), 16, false);
		break;
	case '%':
		put(out, "%", 1);
		break;
	default:
		return NULL;
	}
	return f + 1;
}

static void print(sink *out, const char *format, va_list *args)
{
	while (*format) {
		size_t plain = 0;
		while (format[plain] && format[plain] != '%')
			plain++;
		put(out, format, plain);
		format += plain;
		if (!*format)
			return;
		const char *rest = convert(out, format + 1, args);
		if (!rest) { /* which of the arguments would come next is not known any more */
			put(out, format, strlen(format));
			return;
		}
		format = rest;
	}
}

edge_str edge_vformat(edge_request *req, const char *format, va_list args)
{
	sink out = {0};
	va_list again;
	va_copy(again, args);
	print(&out, format, &again);
	va_end(again);
	size_t len = out.len;
	out = (sink){.to = edge_alloc_text(req, len)};
	va_copy(again, args);
	print(&out, format, &again);
	va_end(again);
	return (edge_str){out.to, len};
}

edge_str edge_format(edge_request *req, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	edge_str text = edge_vformat(req, format, args);
	va_end(args);
	return text;
}
