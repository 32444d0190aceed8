/* Header blocks and value lists (SPEC.md, section 4): counts and lengths are u32,
 * little-endian. */

#include "edge_internal.h"

static char *put_u32(char *to, size_t n)
{
	for (int i = 0; i < 4; i++)
		*to++ = (char)(n >> (8 * i));
	return to;
}

static char *put_value(char *to, edge_str value)
{
	to = put_u32(to, value.len);
	if (value.len)
		memcpy(to, value.ptr, value.len);
	return to + value.len;
}

/* The pairs' bytes, after the count unless that is left out. */
static edge_str block(edge_request *req, const edge_pairs *pairs, bool counted)
{
	size_t len = counted ? 4 : 0;
	for (size_t i = 0; i < pairs->count; i++)
		len += 8 + pairs->items[i].name.len + pairs->items[i].value.len;
	char *begin = edge_alloc(req, len), *to = begin;
	if (counted)
		to = put_u32(to, pairs->count);
	for (size_t i = 0; i < pairs->count; i++) {
		to = put_value(to, pairs->items[i].name);
		to = put_value(to, pairs->items[i].value);
	}
	return (edge_str){begin, len};
}

edge_str edge_value_list(edge_request *req, edge_pairs pairs)
{
	return block(req, &pairs, false);
}

edge_str edge_header_block(edge_request *req, const edge_pairs *headers)
{
	if (!headers || !headers->count)
		return (edge_str){0};
	return block(req, headers, true);
}

bool edge_take_u32(edge_str *list, uint32_t *n)
{
	if (list->len < 4)
		return false;
	const unsigned char *p = (const unsigned char *)list->ptr;
	*n = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	*list = (edge_str){list->ptr + 4, list->len - 4};
	return true;
}

bool edge_take(edge_str *list, edge_str *value)
{
	edge_str rest = *list;
	uint32_t len;
	if (!edge_take_u32(&rest, &len) || len > rest.len)
		return false;
	*value = (edge_str){rest.ptr, len};
	*list = (edge_str){rest.ptr + len, rest.len - len};
	return true;
}

bool edge_parse_headers(edge_request *req, edge_str text, edge_pairs *headers)
{
	uint32_t count = 0;
	*headers = (edge_pairs){0};
	if (!text.len)
		return true;
	if (!edge_take_u32(&text, &count) || count > text.len / 8)
		return false;
	edge_pair *items = edge_alloc_items(req, count, sizeof *items);
	*headers = (edge_pairs){items, count};
	for (; count; count--, items++)
		if (!edge_take(&text, &items->name) || !edge_take(&text, &items->value))
			return false;
	return true;
}
