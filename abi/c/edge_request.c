/* The request, and decisions on it. */

#include "edge_internal.h"

/* The fields of a request, for req_get and req_set (SPEC.md, section 4). */
enum { FIELD_METHOD = 1, FIELD_SCHEME, FIELD_HOST, FIELD_PATH, FIELD_QUERY, FIELD_REMOTE_ADDR, FIELD_ID, FIELD_URL };

/* What is offered at first for a text. */
#define OFFERED ((size_t)256)

static edge_str field(edge_request *req, uint32_t number)
{
	char *ptr = edge_alloc_text(req, OFFERED);
	edge_str text = {0};
	edge_collect(req, edge1_req_get(req->handle, number, ptr, OFFERED), ptr, OFFERED, &text);
	return text;
}

edge_str edge_method(edge_request *req)
{
	return field(req, FIELD_METHOD);
}

edge_str edge_scheme(edge_request *req)
{
	return field(req, FIELD_SCHEME);
}

edge_str edge_host(edge_request *req)
{
	return field(req, FIELD_HOST);
}

edge_str edge_path(edge_request *req)
{
	return field(req, FIELD_PATH);
}

edge_str edge_raw_query(edge_request *req)
{
	return field(req, FIELD_QUERY);
}

edge_str edge_remote_addr(edge_request *req)
{
	return field(req, FIELD_REMOTE_ADDR);
}

edge_str edge_request_id(edge_request *req)
{
	return field(req, FIELD_ID);
}

edge_str edge_url(edge_request *req)
{
	return field(req, FIELD_URL);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes a part of a query: "+" is a space, "%41" is "A", and what is no such thing stays
 * as it is. */
static edge_str decode(edge_request *req, edge_str text)
{
	char *begin = edge_alloc_text(req, text.len), *to = begin;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%' && text.len - i > 2 && hex(text.ptr[i + 1]) >= 0 && hex(text.ptr[i + 2]) >= 0) {
			c = (char)(hex(text.ptr[i + 1]) << 4 | hex(text.ptr[i + 2]));
			i += 2;
		}
		*to++ = c;
	}
	*to = 0;
	return (edge_str){begin, (size_t)(to - begin)};
}

/* Cuts text at the first c and returns what is before it. */
static edge_str cut(edge_str *text, char c)
{
	size_t n = 0;
	while (n < text->len && text->ptr[n] != c)
		n++;
	edge_str before = {text->ptr, n};
	size_t skipped = n < text->len ? n + 1 : n;
	*text = (edge_str){text->ptr + skipped, text->len - skipped};
	return before;
}

bool edge_query(edge_request *req, const char *name, edge_str *value)
{
	edge_str rest = edge_raw_query(req);
	while (rest.len) {
		edge_str pair = cut(&rest, '&'), key = cut(&pair, '=');
		if (edge_is(decode(req, key), name)) {
			*value = decode(req, pair);
			return true;
		}
	}
	return false;
}

/* Every value of a header, as a value list. */
static bool header_list(edge_request *req, const char *name, edge_str *list)
{
	char *ptr = edge_alloc_text(req, OFFERED);
	return edge_collect(req, edge1_req_header(req->handle, name, strlen(name), ptr, OFFERED), ptr, OFFERED, list) == EDGE_OK;
}

bool edge_header(edge_request *req, const char *name, edge_str *value)
{
	edge_str list;
	if (!header_list(req, name, &list) || !edge_take(&list, value))
		return false;
	*value = edge_copy(req, *value);
	return true;
}

edge_strs edge_header_values(edge_request *req, const char *name)
{
	edge_str list, value;
	if (!header_list(req, name, &list))
		return (edge_strs){0};
	edge_str *items = edge_alloc_items(req, list.len / 4, sizeof *items);
	size_t count = 0;
	while (edge_take(&list, &value))
		items[count++] = edge_copy(req, value);
	return (edge_strs){items, count};
}

edge_errno edge_headers(edge_request *req, edge_pairs *headers)
{
	char *ptr = edge_alloc_text(req, 1024);
	edge_str block;
	edge_errno n = edge_collect(req, edge1_req_headers(req->handle, ptr, 1024), ptr, 1024, &block);
	if (n == EDGE_OK && !edge_parse_headers(req, block, headers))
		n = EDGE_INTERNAL;
	return n == EDGE_OK ? n : edge_failed(req, "headers", n);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Whether the words are the same but for white space around a and the case of letters. */
static bool is_word(edge_str a, const char *word)
{
	while (a.len && (a.ptr[0] == ' ' || a.ptr[0] == '\t'))
		a = (edge_str){a.ptr + 1, a.len - 1};
	while (a.len && (a.ptr[a.len - 1] == ' ' || a.ptr[a.len - 1] == '\t'))
		a.len--;
	for (size_t i = 0; i < a.len; i++)
		if (!word[i] || lower(a.ptr[i]) != word[i])
			return false;
	return !word[a.len];
}

/* Whether a header's values, lists between commas, hold the word, which is in small letters
 * (RFC 9110, section 5.6.1). */
static bool has_word(edge_request *req, const char *name, const char *word)
{
	edge_str list, value;
	if (!header_list(req, name, &list))
		return false;
	while (edge_take(&list, &value))
		while (value.len)
			if (is_word(cut(&value, ','), word))
				return true;
	return false;
}

bool edge_is_upgrade(edge_request *req)
{
	if (!req->asked_upgrade) {
		req->asked_upgrade = true;
		req->upgrade = has_word(req, "Upgrade", "websocket") && has_word(req, "Connection", "upgrade");
	}
	return req->upgrade;
}

static edge_errno set_field(edge_request *req, uint32_t number, const char *call, edge_str value)
{
	return edge_done(req, call, edge1_req_set(req->handle, number, value.ptr, value.len));
}

edge_errno edge_set_method(edge_request *req, edge_str method)
{
	return set_field(req, FIELD_METHOD, "set method", method);
}

edge_errno edge_set_path(edge_request *req, edge_str path)
{
	return set_field(req, FIELD_PATH, "set path", path);
}

edge_errno edge_set_raw_query(edge_request *req, edge_str query)
{
	return set_field(req, FIELD_QUERY, "set query", query);
}

edge_errno edge_set_header(edge_request *req, const char *name, edge_str value)
{
	return edge_done(req, "set header", edge1_req_header_set(req->handle, name, strlen(name), value.ptr, value.len));
}

edge_errno edge_add_header(edge_request *req, const char *name, edge_str value)
{
	return edge_done(req, "add header", edge1_req_header_add(req->handle, name, strlen(name), value.ptr, value.len));
}

edge_errno edge_del_header(edge_request *req, const char *name)
{
	return edge_done(req, "delete header", edge1_req_header_del(req->handle, name, strlen(name)));
}

edge_errno edge_body_read(edge_request *req, size_t cap, edge_str *piece)
{
	char *ptr = edge_alloc_text(req, cap);
	edge_errno n = edge_collect(req, edge1_req_body_read(req->handle, ptr, cap), ptr, cap, piece);
	return n == EDGE_OK ? n : edge_failed(req, "read body", n);
}

edge_errno edge_body(edge_request *req, size_t limit, edge_str *body)
{
	size_t cap = limit < 4096 ? limit : 4096, len = 0;
	char *text = edge_alloc_text(req, cap + 1); /* one byte more tells what is too long */
	for (;;) {
		uint64_t result = edge1_req_body_read(req->handle, text + len, cap + 1 - len);
		edge_errno n = edge_errno_of(result);
		if (n != EDGE_OK)
			return edge_failed(req, "read body", n);
		if (edge_low(result) == 0)
			break;
		len += edge_low(result);
		if (len > limit)
			return edge_fail(req, EDGE_CODE_BODY_TOO_LARGE, "the request's body is longer than %zu bytes", limit);
		if (len > cap) {
			cap = limit - cap < cap ? limit : cap * 2;
			char *more = edge_alloc_text(req, cap + 1);
			memcpy(more, text, len);
			text = more;
		}
	}
	text[len] = 0;
	*body = (edge_str){text, len};
	return EDGE_OK;
}

/* ---- Decisions ---- */

edge_errno edge_respond(edge_request *req, int status, const edge_pairs *headers, edge_str body)
{
	edge_str block = edge_header_block(req, headers);
	return edge_decide(req, "respond", edge1_respond(req->handle, (uint32_t)status, block.ptr, block.len, body.ptr, body.len));
}

static edge_errno respond_typed(edge_request *req, int status, edge_str type, edge_str body)
{
	edge_pair header = {EDGE_LIT("Content-Type"), type};
	return edge_respond(req, status, &(edge_pairs){&header, 1}, body);
}

edge_errno edge_respond_text(edge_request *req, int status, edge_str text)
{
	return respond_typed(req, status, EDGE_STR("text/plain; charset=utf-8"), text);
}

edge_errno edge_respond_html(edge_request *req, int status, edge_str page)
{
	return respond_typed(req, status, EDGE_STR("text/html; charset=utf-8"), page);
}

edge_errno edge_respond_json(edge_request *req, int status, edge_json *json)
{
	return respond_typed(req, status, EDGE_STR("application/json"), edge_json_text(json));
}

edge_errno edge_respond_begin(edge_request *req, int status, const edge_pairs *headers)
{
	edge_str block = edge_header_block(req, headers);
	return edge_decide(req, "respond", edge1_respond_begin(req->handle, (uint32_t)status, block.ptr, block.len));
}

edge_errno edge_respond_write(edge_request *req, edge_str piece)
{
	return piece.len ? edge_done(req, "write body", edge1_respond_write(req->handle, piece.ptr, piece.len)) : EDGE_OK;
}

edge_errno edge_respond_end(edge_request *req)
{
	return edge_done(req, "end body", edge1_respond_end(req->handle));
}

edge_errno edge_next(edge_request *req)
{
	return edge_decide(req, "next", edge1_next(req->handle));
}

edge_errno edge_plan(edge_request *req, const edge_plan_steps *steps)
{
	edge_json *json = edge_json_new(req);
	edge_write(json, &edge_plan_steps_record, steps);
	edge_str text = edge_json_text(json);
	return edge_decide(req, "plan", edge1_plan(req->handle, text.ptr, text.len));
}

edge_errno edge_proxy_preview(edge_request *req)
{
	return edge_decide(req, "proxyToSandbox", edge1_proxy(req->handle, "", 0, "", 0, 0, "", 0));
}
