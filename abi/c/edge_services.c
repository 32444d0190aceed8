/* What surrounds a plugin: the log, configuration, secrets, clocks, randomness, metrics,
 * the key-value store, and servers on the network. */

#include "edge_internal.h"

void edge_log(edge_request *req, edge_level level, edge_str message, edge_pairs fields)
{
	edge_str list = edge_value_list(req, fields);
	/* A line that cannot be written is lost: there is nowhere to say so. */
	edge1_log(req->handle, level, message.ptr, message.len, list.ptr, list.len);
}

void edge_logf(edge_request *req, edge_level level, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	edge_str message = edge_vformat(req, format, args);
	va_end(args);
	edge1_log(req->handle, level, message.ptr, message.len, NULL, 0);
}

/* A function that reads something by its name. */
typedef uint64_t reader(const char *name, size_t name_len, void *ptr, size_t cap);

/* Reads again with more room if the result did not fit. */
static bool read_named(edge_request *req, reader *read, const char *name, edge_str *text)
{
	for (size_t cap = 256;;) {
		char *ptr = edge_alloc_text(req, cap);
		uint64_t result = read(name, strlen(name), ptr, cap);
		size_t len = edge_low(result);
		if (edge_errno_of(result) != EDGE_OK)
			return false;
		if (len <= cap) {
			ptr[len] = 0;
			*text = (edge_str){ptr, len};
			return true;
		}
		cap = len;
	}
}

const edge_value *edge_config(edge_request *req, const char *key)
{
	edge_str text;
	return read_named(req, edge1_config_get, key, &text) ? edge_json_parse(req, text) : NULL;
}

bool edge_secret(edge_request *req, const char *name, edge_str *secret)
{
	return read_named(req, edge1_secret_get, name, secret);
}

bool edge_feature(const char *name)
{
	uint64_t result = edge1_feature(name, strlen(name));
	return edge_errno_of(result) == EDGE_OK && edge_low(result) == 1;
}

uint64_t edge_now(void)
{
	uint64_t ns = 0;
	edge1_clock(0, &ns);
	return ns;
}

uint64_t edge_monotonic(void)
{
	uint64_t ns = 0;
	edge1_clock(1, &ns);
	return ns;
}

edge_errno edge_random(void *ptr, size_t len)
{
	char *to = ptr;
	while (len) {
		size_t piece = len < 65536 ? len : 65536;
		edge_errno n = edge_errno_of(edge1_random(to, piece));
		if (n != EDGE_OK)
			return n;
		to += piece;
		len -= piece;
	}
	return EDGE_OK;
}

edge_errno edge_count(edge_request *req, const char *name, double value, edge_pairs labels)
{
	edge_str list = edge_value_list(req, labels);
	return edge_done(req, "count", edge1_count(name, strlen(name), list.ptr, list.len, value));
}

edge_errno edge_observe(edge_request *req, const char *name, double value, edge_pairs labels)
{
	edge_str list = edge_value_list(req, labels);
	return edge_done(req, "observe", edge1_observe(name, strlen(name), list.ptr, list.len, value));
}

/* ---- The key-value store ---- */

enum { KV_GET = 1, KV_SET, KV_DELETE, KV_LIST };

static edge_errno kv(edge_request *req, uint32_t verb, const char *call, edge_str key, edge_str value, edge_json *options, edge_str *answer)
{
	edge_json_end_object(options);
	edge_str json = edge_json_text(options);
	if (json.len == 2) /* {} */
		json.len = 0;
	const size_t cap = 512;
	char *ptr = edge_alloc_text(req, cap);
	uint64_t result = edge1_kv(req->handle, verb, key.ptr, key.len, value.ptr, value.len, json.ptr, json.len, ptr, cap);
	edge_errno n = edge_collect(req, result, ptr, cap, answer);
	return n == EDGE_OK ? n : edge_failed(req, call, n);
}

static edge_json *kv_options(edge_request *req, int64_t ttl_ms, int64_t revision)
{
	edge_json *options = edge_json_new(req);
	edge_json_object(options);
	if (ttl_ms) {
		edge_json_key(options, "ttl");
		edge_json_int(options, ttl_ms);
	}
	if (revision != EDGE_KV_ANY) {
		edge_json_key(options, "ifRevision");
		edge_json_int(options, revision);
	}
	return options;
}

/* Takes a number of 8 bytes, little-endian, off the answer. */
static edge_errno take_revision(edge_request *req, const char *call, edge_str *answer, uint64_t *revision)
{
	uint32_t low, high;
	if (!edge_take_u32(answer, &low) || !edge_take_u32(answer, &high))
		return edge_failed(req, call, EDGE_INTERNAL);
	*revision = (uint64_t)high << 32 | low;
	return EDGE_OK;
}

edge_errno edge_kv_get(edge_request *req, edge_str key, edge_kv_entry *entry)
{
	edge_str answer;
	edge_errno n = kv(req, KV_GET, "kv get", key, (edge_str){0}, kv_options(req, 0, EDGE_KV_ANY), &answer);
	if (n == EDGE_OK)
		n = take_revision(req, "kv get", &answer, &entry->revision);
	if (n == EDGE_OK)
		entry->value = answer;
	return n;
}

edge_errno edge_kv_set(edge_request *req, edge_str key, edge_str value, int64_t ttl_ms, int64_t revision, uint64_t *revision_out)
{
	edge_str answer;
	uint64_t unused;
	edge_errno n = kv(req, KV_SET, "kv set", key, value, kv_options(req, ttl_ms, revision), &answer);
	return n == EDGE_OK ? take_revision(req, "kv set", &answer, revision_out ? revision_out : &unused) : n;
}

edge_errno edge_kv_delete(edge_request *req, edge_str key, int64_t revision)
{
	edge_str answer;
	return kv(req, KV_DELETE, "kv delete", key, (edge_str){0}, kv_options(req, 0, revision), &answer);
}

edge_errno edge_kv_list(edge_request *req, edge_str prefix, edge_str after, int limit, const edge_value **keys)
{
	edge_json *options = edge_json_new(req);
	edge_json_object(options);
	if (after.len) {
		edge_json_key(options, "after");
		edge_json_string(options, after);
	}
	if (limit) {
		edge_json_key(options, "limit");
		edge_json_int(options, limit);
	}
	edge_str answer;
	edge_errno n = kv(req, KV_LIST, "kv list", prefix, (edge_str){0}, options, &answer);
	if (n == EDGE_OK && !(*keys = edge_json_parse(req, answer)))
		return edge_failed(req, "kv list", EDGE_INTERNAL);
	return n;
}

/* ---- Servers on the network ---- */

static void put_text(edge_json *json, const char *key, edge_str text)
{
	if (text.len) {
		edge_json_key(json, key);
		edge_json_string(json, text);
	}
}

static edge_str fetch_json(edge_request *req, edge_str url, const edge_fetch_options *options)
{
	edge_json *json = edge_json_new(req);
	edge_json_object(json);
	put_text(json, "method", options->method);
	put_text(json, "url", url);
	put_text(json, "redirect", options->redirect);
	if (options->headers.count) {
		edge_json_key(json, "headers");
		edge_json_array(json);
		for (size_t i = 0; i < options->headers.count; i++) {
			edge_json_array(json);
			edge_json_string(json, options->headers.items[i].name);
			edge_json_string(json, options->headers.items[i].value);
			edge_json_end_array(json);
		}
		edge_json_end_array(json);
	}
	if (options->timeout_ms) {
		edge_json_key(json, "timeout");
		edge_json_int(json, options->timeout_ms);
	}
	if (options->request_body)
		put_text(json, "body", EDGE_STR("request"));
	edge_json_end_object(json);
	return edge_json_text(json);
}

/* Reads status, URL and headers. */
static edge_errno read_head(edge_request *req, edge_fetched *answer)
{
	const size_t cap = 1024;
	char *ptr = edge_alloc_text(req, cap);
	edge_str head;
	uint32_t status = 0;
	edge_errno n = edge_collect(req, edge1_fetch_head(req->handle, answer->handle, ptr, cap), ptr, cap, &head);
	if (n == EDGE_OK && (!edge_take_u32(&head, &status) || !edge_take(&head, &answer->url) || !edge_parse_headers(req, head, &answer->headers)))
		n = EDGE_INTERNAL;
	answer->status = (int)status;
	return n == EDGE_OK ? n : edge_failed(req, "fetch", n);
}

edge_errno edge_fetch(edge_request *req, edge_str url, const edge_fetch_options *options, edge_fetched *answer)
{
	edge_fetch_options all = options ? *options : (edge_fetch_options){0};
	edge_str json = fetch_json(req, url, &all);
	uint64_t result = edge1_fetch(req->handle, json.ptr, json.len, all.body.ptr, all.body.len);
	edge_errno n = edge_done(req, "fetch", result);
	if (n != EDGE_OK)
		return n;
	*answer = (edge_fetched){.handle = (uint32_t)edge_low(result)};
	return read_head(req, answer);
}

edge_errno edge_fetch_read(edge_request *req, edge_fetched *answer, edge_str *piece)
{
	const size_t cap = 16 << 10;
	char *ptr = edge_alloc_text(req, cap);
	edge_errno n = edge_collect(req, edge1_fetch_read(req->handle, answer->handle, ptr, cap), ptr, cap, piece);
	return n == EDGE_OK ? n : edge_failed(req, "fetch", n);
}

edge_errno edge_fetch_body(edge_request *req, edge_fetched *answer, size_t limit, edge_str *body)
{
	size_t cap = 16 << 10, len = 0;
	char *text = edge_alloc_text(req, cap);
	for (;;) {
		if (len == cap) {
			char *more = edge_alloc_text(req, cap * 2);
			memcpy(more, text, len);
			text = more;
			cap *= 2;
		}
		uint64_t result = edge1_fetch_read(req->handle, answer->handle, text + len, cap - len);
		edge_errno n = edge_errno_of(result);
		if (n != EDGE_OK)
			return edge_failed(req, "fetch", n);
		if (edge_low(result) == 0)
			break;
		len += edge_low(result);
		if (len > limit)
			return edge_fail(req, EDGE_CODE_BODY_TOO_LARGE, "the answer's body is longer than %zu bytes", limit);
	}
	text[len] = 0;
	*body = (edge_str){text, len};
	return EDGE_OK;
}

void edge_fetch_close(edge_request *req, edge_fetched *answer)
{
	edge1_fetch_close(req->handle, answer->handle);
}
