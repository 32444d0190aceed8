/* The edge's side of the border, for tests. */

#include "edge_fake.h"

#include <stdlib.h>

#include "../edge_internal.h"

#define HANDLE 7
#define SOCKET 100
#define FETCHED 200

/* How an operation is answered. */
typedef struct answer {
	struct answer *next;
	const char *op;
	edge_str json; /* of an error if code is set */
	edge_code code;
	bool used;
} answer;

/* A configuration value, a secret, or a message. */
typedef struct entry {
	struct entry *next;
	edge_str name, value;
	bool binary;
	uint64_t revision;
} entry;

struct edge_fake {
	edge_request memory; /* what the fake itself needs */
	answer *answers;
	entry *config, *secrets, *messages, *store;
	int close_code;
	edge_str fetched_body;
	int fetched_status;
	size_t fetched_read;
	bool preview;

	/* of the request */
	edge_str method, path, query, body, event;
	edge_pairs headers;
	size_t body_read;
	edge_str kept, last_error;
	edge_fake_outcome out;
};

/* The fake that is at work. */
static edge_fake *current;

edge_fake *edge_fake_new(void)
{
	edge_fake *edge = calloc(1, sizeof *edge);
	if (!edge)
		abort();
	edge_begin(&edge->memory, 0);
	edge->close_code = 1000;
	return edge;
}

void edge_fake_free(edge_fake *edge)
{
	edge_end(&edge->memory);
	free(edge);
}

edge_request *edge_fake_memory(edge_fake *edge)
{
	return &edge->memory;
}

static void add_answer(edge_fake *edge, const char *op, edge_code code, edge_str json)
{
	answer *a = edge_alloc(&edge->memory, sizeof *a), **last = &edge->answers;
	*a = (answer){.op = op, .code = code, .json = json};
	while (*last)
		last = &(*last)->next;
	*last = a;
}

static void add_entry(edge_fake *edge, entry **list, edge_str name, edge_str value, bool binary)
{
	entry *e = edge_alloc(&edge->memory, sizeof *e);
	*e = (entry){.name = name, .value = value, .binary = binary};
	while (*list)
		list = &(*list)->next;
	*list = e;
}

static entry *find(entry *list, edge_str name)
{
	while (list && !edge_equal(list->name, name))
		list = list->next;
	return list;
}

/* The text with more after it. */
static edge_str joined(edge_fake *edge, edge_str text, edge_str more)
{
	return edge_format(&edge->memory, "%.*s%.*s", (int)text.len, text.ptr, (int)more.len, more.ptr);
}

static edge_str copy(const void *ptr, size_t len)
{
	char *to = edge_alloc_text(&current->memory, len);
	if (len)
		memcpy(to, ptr, len);
	return (edge_str){to, len};
}

void edge_fake_answer(edge_fake *edge, const char *op, const char *json)
{
	add_answer(edge, op, EDGE_CODE_UNKNOWN, edge_text(json));
}

static edge_str error_json(edge_fake *edge, edge_code code, const char *message, const char *details)
{
	edge_error error = {.code = edge_text(edge_code_rows[code].name), .message = edge_text(message), .started = EDGE_STR("no"), .details = edge_text(details)};
	edge_json *json = edge_json_new(&edge->memory);
	edge_write(json, &edge_error_record, &error);
	return edge_json_text(json);
}

void edge_fake_refuse(edge_fake *edge, const char *op, edge_code code, const char *message)
{
	add_answer(edge, op, code, error_json(edge, code, message, NULL));
}

void edge_fake_config(edge_fake *edge, const char *key, const char *json)
{
	add_entry(edge, &edge->config, edge_text(key), edge_text(json), false);
}

void edge_fake_secret(edge_fake *edge, const char *name, edge_str secret)
{
	add_entry(edge, &edge->secrets, edge_text(name), secret, false);
}

void edge_fake_message(edge_fake *edge, bool binary, edge_str data)
{
	add_entry(edge, &edge->messages, (edge_str){0}, data, binary);
}

void edge_fake_closes(edge_fake *edge, int code)
{
	edge->close_code = code;
}

void edge_fake_fetched(edge_fake *edge, int status, edge_str body)
{
	edge->fetched_status = status;
	edge->fetched_body = body;
}

void edge_fake_preview(edge_fake *edge, bool is)
{
	edge->preview = is;
}

/* ---- Requests ---- */

const edge_fake_outcome *edge_fake_request(edge_fake *edge, const char *method, const char *target, const edge_pairs *headers, edge_str body)
{
	size_t path = 0;
	while (target[path] && target[path] != '?')
		path++;
	edge->method = edge_text(method);
	edge->path = (edge_str){target, path};
	edge->query = edge_text(target[path] ? target + path + 1 : NULL);
	edge->headers = headers ? *headers : (edge_pairs){0};
	edge->body = body;
	edge->body_read = edge->fetched_read = 0;
	edge->last_error = (edge_str){0};
	edge->out = (edge_fake_outcome){0};
	current = edge;
	int failed = edge_init();
	edge->out.result = failed ? failed : edge_request_(HANDLE);
	current = NULL;
	edge->out.path = edge->path;
	edge->out.query = edge->query;
	return &edge->out;
}

static const edge_pair host[] = {{EDGE_LIT("Host"), EDGE_LIT("localhost:8787")}};
static const edge_pair upgrade[] = {
	{EDGE_LIT("Host"), EDGE_LIT("localhost:8787")},
	{EDGE_LIT("Connection"), EDGE_LIT("keep-alive, Upgrade")},
	{EDGE_LIT("Upgrade"), EDGE_LIT("websocket")},
	{EDGE_LIT("Sec-WebSocket-Version"), EDGE_LIT("13")},
	{EDGE_LIT("Sec-WebSocket-Key"), EDGE_LIT("dGhlIHNhbXBsZSBub25jZQ==")},
};

const edge_fake_outcome *edge_fake_get(edge_fake *edge, const char *target)
{
	return edge_fake_request(edge, "GET", target, &(edge_pairs){host, 1}, (edge_str){0});
}

const edge_fake_outcome *edge_fake_websocket(edge_fake *edge, const char *target)
{
	return edge_fake_request(edge, "GET", target, &(edge_pairs){upgrade, sizeof upgrade / sizeof upgrade[0]}, (edge_str){0});
}

int edge_fake_event(edge_fake *edge, const char *json)
{
	edge->event = edge_text(json);
	edge->out = (edge_fake_outcome){0};
	current = edge;
	int n = edge_event(HANDLE);
	current = NULL;
	return n;
}

/* ---- The border ---- */

static uint64_t result(edge_errno n, size_t low)
{
	return (uint64_t)n << 32 | (uint32_t)low;
}

/* Gives a result: at ptr if it fits, else it is kept. */
static uint64_t give(edge_str bytes, void *ptr, size_t cap)
{
	if (bytes.len > cap)
		current->kept = bytes;
	else if (bytes.len)
		memcpy(ptr, bytes.ptr, bytes.len);
	return result(EDGE_OK, bytes.len);
}

static uint64_t refuse(edge_code code, const char *message, const char *details)
{
	current->last_error = error_json(current, code, message, details);
	return result(edge_code_rows[code].number, 0);
}

static uint64_t give_entry(entry *e, void *ptr, size_t cap)
{
	return e ? give(e->value, ptr, cap) : result(EDGE_NOT_FOUND, 0);
}

uint64_t edge1_feature(const char *name, size_t len)
{
	(void)name;
	(void)len;
	return current ? result(EDGE_OK, 1) : result(EDGE_UNSUPPORTED, 0);
}

uint64_t edge1_log(uint32_t req, int32_t level, const char *msg, size_t len, const void *fields, size_t fields_len)
{
	(void)req;
	(void)level;
	edge_str list = {fields, fields_len}, value;
	current->out.log = joined(current, current->out.log, copy(msg, len));
	while (edge_take(&list, &value))
		current->out.log = joined(current, joined(current, current->out.log, EDGE_STR(" ")), value);
	current->out.log = joined(current, current->out.log, EDGE_STR("\n"));
	return result(EDGE_OK, 0);
}

uint64_t edge1_config_get(const char *key, size_t len, void *ptr, size_t cap)
{
	return give_entry(find(current->config, (edge_str){key, len}), ptr, cap);
}

uint64_t edge1_secret_get(const char *name, size_t len, void *ptr, size_t cap)
{
	return give_entry(find(current->secrets, (edge_str){name, len}), ptr, cap);
}

uint64_t edge1_clock(uint32_t id, uint64_t *ns)
{
	*ns = id ? 1 : 42;
	return result(EDGE_OK, 0);
}

uint64_t edge1_random(void *ptr, size_t len)
{
	if (len > 65536)
		return result(EDGE_INVALID, 0);
	for (size_t i = 0; i < len; i++)
		((unsigned char *)ptr)[i] = (unsigned char)(i * 167 + 13);
	return result(EDGE_OK, 0);
}

uint64_t edge1_count(const char *name, size_t len, const void *labels, size_t labels_len, double value)
{
	edge_str list = {labels, labels_len}, label;
	edge_str *all = &current->out.metrics;
	*all = joined(current, *all, copy(name, len));
	while (edge_take(&list, &label))
		*all = joined(current, joined(current, *all, EDGE_STR(" ")), label);
	*all = joined(current, *all, edge_format(&current->memory, " %d\n", (int)value));
	return result(EDGE_OK, 0);
}

uint64_t edge1_observe(const char *name, size_t len, const void *labels, size_t labels_len, double value)
{
	return edge1_count(name, len, labels, labels_len, value);
}

uint64_t edge1_last_error(uint32_t req, void *ptr, size_t cap)
{
	(void)req;
	return current->last_error.len ? give(current->last_error, ptr, cap) : result(EDGE_NOT_FOUND, 0);
}

uint64_t edge1_result_read(uint32_t req, uint32_t call, uint32_t offset, void *ptr, size_t cap)
{
	(void)req;
	(void)call;
	size_t rest = offset < current->kept.len ? current->kept.len - offset : 0;
	size_t n = rest < cap ? rest : cap;
	n = n > 1000 ? 1000 : n; /* in pieces, as the host may */
	memcpy(ptr, current->kept.ptr + offset, n);
	return result(EDGE_OK, n);
}

uint64_t edge1_event_read(uint32_t event, void *ptr, size_t cap)
{
	(void)event;
	return give(current->event, ptr, cap);
}

uint64_t edge1_req_get(uint32_t req, uint32_t field, void *ptr, size_t cap)
{
	(void)req;
	edge_str url = edge_format(&current->memory, "http://localhost:8787%.*s%s%.*s", (int)current->path.len, current->path.ptr,
				   current->query.len ? "?" : "", (int)current->query.len, current->query.ptr);
	const edge_str fields[] = {
		{0}, current->method, EDGE_LIT("http"), EDGE_LIT("localhost:8787"), current->path, current->query,
		EDGE_LIT("127.0.0.1:50000"), EDGE_LIT("request-1"), url,
	};
	return field && field < sizeof fields / sizeof fields[0] ? give(fields[field], ptr, cap) : result(EDGE_INVALID, 0);
}

uint64_t edge1_req_set(uint32_t req, uint32_t field, const void *ptr, size_t len)
{
	(void)req;
	edge_str *fields[] = {[1] = &current->method, [4] = &current->path, [5] = &current->query};
	if (field > 5 || !fields[field])
		return result(EDGE_INVALID, 0);
	*fields[field] = copy(ptr, len);
	return result(EDGE_OK, 0);
}

/* Whether the names of two headers are the same, whatever the case of their letters. */
static bool same_header(edge_str a, const char *name, size_t len)
{
	if (a.len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((a.ptr[i] | 0x20) != (name[i] | 0x20))
			return false;
	return true;
}

uint64_t edge1_req_header(uint32_t req, const char *name, size_t len, void *ptr, size_t cap)
{
	(void)req;
	edge_str list = {0};
	for (size_t i = 0; i < current->headers.count; i++) {
		const edge_pair *h = &current->headers.items[i];
		if (!same_header(h->name, name, len))
			continue;
		edge_pair value = {h->value, {0}};
		edge_str more = edge_value_list(&current->memory, (edge_pairs){&value, 1});
		more.len -= 4; /* without the empty one */
		char *both = edge_alloc(&current->memory, list.len + more.len);
		if (list.len)
			memcpy(both, list.ptr, list.len);
		memcpy(both + list.len, more.ptr, more.len);
		list = (edge_str){both, list.len + more.len};
	}
	return list.len ? give(list, ptr, cap) : result(EDGE_NOT_FOUND, 0);
}

uint64_t edge1_req_headers(uint32_t req, void *ptr, size_t cap)
{
	(void)req;
	return give(edge_header_block(&current->memory, &current->headers), ptr, cap);
}

uint64_t edge1_req_header_del(uint32_t req, const char *name, size_t len)
{
	(void)req;
	edge_pair *kept = edge_alloc_items(&current->memory, current->headers.count, sizeof *kept);
	size_t n = 0;
	for (size_t i = 0; i < current->headers.count; i++)
		if (!same_header(current->headers.items[i].name, name, len))
			kept[n++] = current->headers.items[i];
	current->headers = (edge_pairs){kept, n};
	return result(EDGE_OK, 0);
}

uint64_t edge1_req_header_add(uint32_t req, const char *name, size_t len, const void *value, size_t value_len)
{
	(void)req;
	if (same_header(EDGE_STR("Host"), name, len))
		return result(EDGE_DENIED, 0);
	size_t n = current->headers.count;
	edge_pair *all = edge_alloc_items(&current->memory, n + 1, sizeof *all);
	if (n)
		memcpy(all, current->headers.items, n * sizeof *all);
	all[n] = (edge_pair){copy(name, len), copy(value, value_len)};
	current->headers = (edge_pairs){all, n + 1};
	return result(EDGE_OK, 0);
}

uint64_t edge1_req_header_set(uint32_t req, const char *name, size_t len, const void *value, size_t value_len)
{
	if (!same_header(EDGE_STR("Host"), name, len))
		edge1_req_header_del(req, name, len);
	return edge1_req_header_add(req, name, len, value, value_len);
}

/* Gives the next piece of a body. */
static uint64_t piece(edge_str body, size_t *done, void *ptr, size_t cap)
{
	size_t n = body.len - *done < cap ? body.len - *done : cap;
	if (n)
		memcpy(ptr, body.ptr + *done, n);
	*done += n;
	return result(EDGE_OK, n);
}

uint64_t edge1_req_body_read(uint32_t req, void *ptr, size_t cap)
{
	(void)req;
	return piece(current->body, &current->body_read, ptr, cap);
}

static uint64_t decide(edge_fake_decision decision)
{
	if (current->out.decision != EDGE_FAKE_NONE)
		return result(EDGE_ALREADY, 0);
	current->out.decision = decision;
	return result(EDGE_OK, 0);
}

uint64_t edge1_respond_begin(uint32_t req, uint32_t status, const void *headers, size_t headers_len)
{
	(void)req;
	uint64_t decided = decide(EDGE_FAKE_RESPOND);
	if (edge_errno_of(decided) == EDGE_OK) {
		current->out.status = (int)status;
		if (!edge_parse_headers(&current->memory, copy(headers, headers_len), &current->out.headers))
			abort(); /* which the host would refuse */
	}
	return decided;
}

uint64_t edge1_respond_write(uint32_t req, const void *ptr, size_t len)
{
	(void)req;
	if (current->out.decision != EDGE_FAKE_RESPOND || current->out.ended)
		return result(EDGE_CLOSED, 0);
	size_t before = current->out.body.len;
	char *all = edge_alloc_text(&current->memory, before + len);
	if (before)
		memcpy(all, current->out.body.ptr, before);
	if (len)
		memcpy(all + before, ptr, len);
	current->out.body = (edge_str){all, before + len};
	return result(EDGE_OK, len);
}

uint64_t edge1_respond_end(uint32_t req)
{
	(void)req;
	if (current->out.decision != EDGE_FAKE_RESPOND || current->out.ended)
		return result(EDGE_CLOSED, 0);
	current->out.ended = true;
	return result(EDGE_OK, 0);
}

uint64_t edge1_respond(uint32_t req, uint32_t status, const void *headers, size_t headers_len, const void *body, size_t body_len)
{
	uint64_t decided = edge1_respond_begin(req, status, headers, headers_len);
	if (edge_errno_of(decided) == EDGE_OK) {
		edge1_respond_write(req, body, body_len);
		edge1_respond_end(req);
	}
	return decided;
}

uint64_t edge1_fail(uint32_t req, const char *error, size_t len)
{
	(void)req;
	edge_error read;
	if (!edge_read(&current->memory, copy(error, len), &edge_error_record, &read) || edge_code_of(read.code) == EDGE_CODE_UNKNOWN || !read.message.len)
		return result(EDGE_INVALID, 0);
	uint64_t decided = decide(EDGE_FAKE_FAIL);
	current->out.error = read;
	current->out.code = edge_code_of(read.code);
	return decided;
}

static uint64_t target(edge_fake_decision decision, edge_str binding, edge_str id, uint32_t port, edge_str options)
{
	uint64_t decided = decide(decision);
	if (edge_errno_of(decided) == EDGE_OK) {
		current->out.binding = copy(binding.ptr, binding.len);
		current->out.id = copy(id.ptr, id.len);
		current->out.port = (uint16_t)port;
		current->out.json = copy(options.ptr, options.len);
	}
	return decided;
}

uint64_t edge1_connect(uint32_t req, const char *binding, size_t binding_len, const char *id, size_t id_len, uint32_t port, const char *options, size_t options_len)
{
	(void)req;
	return target(EDGE_FAKE_CONNECT, (edge_str){binding, binding_len}, (edge_str){id, id_len}, port, (edge_str){options, options_len});
}

uint64_t edge1_proxy(uint32_t req, const char *binding, size_t binding_len, const char *id, size_t id_len, uint32_t port, const char *options, size_t options_len)
{
	(void)req;
	if (!binding_len && !current->preview)
		return refuse(EDGE_CODE_NOT_FOUND, "the request is for no preview", NULL);
	return target(EDGE_FAKE_PROXY, (edge_str){binding, binding_len}, (edge_str){id, id_len}, port, (edge_str){options, options_len});
}

uint64_t edge1_next(uint32_t req)
{
	(void)req;
	return decide(EDGE_FAKE_NEXT);
}

uint64_t edge1_plan(uint32_t req, const char *json, size_t len)
{
	(void)req;
	current->out.json = copy(json, len);
	return decide(EDGE_FAKE_PLAN);
}

static void record(edge_str name, edge_str json)
{
	if (current->out.call_count < EDGE_FAKE_CALLS)
		current->out.calls[current->out.call_count++] = (edge_fake_call){name, json};
}

/* Answers with what was said of the name last, or next. */
static uint64_t answered(edge_str name, void *ptr, size_t cap)
{
	answer *found = NULL;
	for (answer *a = current->answers; a; a = a->next) {
		if (!edge_is(name, a->op))
			continue;
		found = a;
		if (!a->used)
			break;
	}
	if (!found)
		return refuse(EDGE_CODE_UNSUPPORTED, edge_format(&current->memory, "the test says nothing of %s", name.ptr).ptr, NULL);
	found->used = true;
	if (!found->code)
		return give(found->json, ptr, cap);
	current->last_error = found->json;
	return result(edge_code_rows[found->code].number, 0);
}

uint64_t edge1_op(uint32_t req, const char *name, size_t len, const char *json, size_t json_len, void *ptr, size_t cap)
{
	(void)req;
	record(copy(name, len), copy(json, json_len));
	return answered(copy(name, len), ptr, cap);
}

uint64_t edge1_op_open(uint32_t req, const char *name, size_t len, const char *json, size_t json_len)
{
	(void)req;
	record(copy(name, len), copy(json, json_len));
	return result(EDGE_OK, SOCKET);
}

uint64_t edge1_ws_open(uint32_t req, const char *binding, size_t binding_len, const char *id, size_t id_len, uint32_t port, const char *options, size_t options_len)
{
	(void)req;
	(void)binding;
	(void)binding_len;
	(void)id;
	(void)id_len;
	(void)port;
	record(EDGE_STR("wsOpen"), copy(options, options_len));
	return result(EDGE_OK, SOCKET);
}

uint64_t edge1_ws_recv(uint32_t req, uint32_t ws, uint32_t timeout_ms, void *ptr, size_t cap)
{
	(void)req;
	(void)ws;
	(void)timeout_ms;
	entry *next = current->messages;
	if (!next) {
		edge_str details = edge_format(&current->memory, "{\"code\":%d,\"reason\":\"\"}", current->close_code);
		return refuse(EDGE_CODE_CANCELED, "the socket was closed", details.ptr);
	}
	current->messages = next->next;
	char *message = edge_alloc(&current->memory, next->value.len + 1);
	message[0] = next->binary ? 2 : 1;
	memcpy(message + 1, next->value.ptr, next->value.len);
	return give((edge_str){message, next->value.len + 1}, ptr, cap);
}

uint64_t edge1_ws_send(uint32_t req, uint32_t ws, uint32_t opcode, const void *ptr, size_t len)
{
	(void)req;
	(void)ws;
	(void)opcode;
	current->out.sent = joined(current, current->out.sent, copy(ptr, len));
	return result(EDGE_OK, 0);
}

uint64_t edge1_ws_close(uint32_t req, uint32_t ws, uint32_t code, const char *reason, size_t reason_len)
{
	(void)req;
	(void)ws;
	(void)code;
	(void)reason;
	(void)reason_len;
	return result(EDGE_OK, 0);
}

/* The bytes of a revision, and a value after them. */
static edge_str with_revision(const entry *e, bool value)
{
	size_t len = value ? e->value.len : 0;
	char *bytes = edge_alloc(&current->memory, 8 + len);
	for (int i = 0; i < 8; i++)
		bytes[i] = (char)(e->revision >> (8 * i));
	if (len)
		memcpy(bytes + 8, e->value.ptr, len);
	return (edge_str){bytes, 8 + len};
}

uint64_t edge1_kv(uint32_t req, uint32_t verb, const char *key, size_t key_len, const void *value, size_t value_len, const char *options, size_t options_len, void *ptr, size_t cap)
{
	(void)req;
	edge_str name = copy(key, key_len);
	entry *e = find(current->store, name);
	const edge_value *wanted = edge_get(options_len ? edge_json_parse(&current->memory, copy(options, options_len)) : NULL, "ifRevision");
	uint64_t now = e ? e->revision : 0;
	if (wanted && (uint64_t)edge_as_int(wanted, -1) != now)
		return refuse(EDGE_CODE_CONFLICT, "another revision", edge_format(&current->memory, "{\"revision\":%d}", (int)now).ptr);
	switch (verb) {
	case 1:
		return e && e->revision ? give(with_revision(e, true), ptr, cap) : result(EDGE_NOT_FOUND, 0);
	case 2:
		if (!e) {
			add_entry(current, &current->store, name, (edge_str){0}, false);
			e = find(current->store, name);
		}
		e->value = copy(value, value_len);
		e->revision++;
		return give(with_revision(e, false), ptr, cap);
	case 3:
		if (e)
			e->revision = 0;
		return result(EDGE_OK, 0);
	}
	edge_json *json = edge_json_new(&current->memory);
	edge_json_object(json);
	edge_json_key(json, "entries");
	edge_json_array(json);
	for (e = current->store; e; e = e->next) {
		if (!e->revision || e->name.len < name.len || memcmp(e->name.ptr, name.ptr, name.len) != 0)
			continue;
		edge_json_object(json);
		edge_json_key(json, "key");
		edge_json_string(json, e->name);
		edge_json_end_object(json);
	}
	edge_json_end_array(json);
	edge_json_end_object(json);
	return give(edge_json_text(json), ptr, cap);
}

uint64_t edge1_fetch(uint32_t req, const char *json, size_t len, const void *body, size_t body_len)
{
	(void)req;
	(void)body;
	(void)body_len;
	record(EDGE_STR("fetch"), copy(json, len));
	return current->fetched_status ? result(EDGE_OK, FETCHED) : refuse(EDGE_CODE_DENIED, "the test says nothing of fetch", NULL);
}

uint64_t edge1_fetch_head(uint32_t req, uint32_t fetch, void *ptr, size_t cap)
{
	(void)req;
	(void)fetch;
	static const char url[] = "https://example.com/";
	edge_pair header = {EDGE_LIT("Content-Type"), EDGE_LIT("text/plain")};
	edge_str block = edge_header_block(&current->memory, &(edge_pairs){&header, 1});
	size_t url_len = sizeof url - 1;
	char *head = edge_alloc(&current->memory, 8 + url_len + block.len);
	for (int i = 0; i < 4; i++) {
		head[i] = (char)(current->fetched_status >> (8 * i));
		head[4 + i] = (char)(url_len >> (8 * i));
	}
	memcpy(head + 8, url, url_len);
	memcpy(head + 8 + url_len, block.ptr, block.len);
	return give((edge_str){head, 8 + url_len + block.len}, ptr, cap);
}

uint64_t edge1_fetch_read(uint32_t req, uint32_t fetch, void *ptr, size_t cap)
{
	(void)req;
	(void)fetch;
	return piece(current->fetched_body, &current->fetched_read, ptr, cap);
}

uint64_t edge1_fetch_close(uint32_t req, uint32_t fetch)
{
	(void)req;
	(void)fetch;
	return result(EDGE_OK, 0);
}
