/* What the SDK's own files share. */

#ifndef EDGE_INTERNAL_H
#define EDGE_INTERNAL_H

#include <stdarg.h>

#include "edge.h"

/* From the C library, or edge_freestanding.c. */
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *s, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

/* ---- The border: the functions of SPEC.md. Natively edge_fake.c has them. ---- */

#if defined(__wasm__)
#define EDGE_IMPORT(name) __attribute__((import_module("edge1"), import_name(#name))) uint64_t edge1_##name
#else
#define EDGE_IMPORT(name) uint64_t edge1_##name
#endif

EDGE_IMPORT(feature)(const char *name, size_t name_len);
EDGE_IMPORT(log)(uint32_t req, int32_t level, const char *msg, size_t msg_len, const void *fields, size_t fields_len);
EDGE_IMPORT(config_get)(const char *key, size_t key_len, void *ptr, size_t cap);
EDGE_IMPORT(secret_get)(const char *name, size_t name_len, void *ptr, size_t cap);
EDGE_IMPORT(clock)(uint32_t id, uint64_t *ns);
EDGE_IMPORT(random)(void *ptr, size_t len);
EDGE_IMPORT(count)(const char *name, size_t name_len, const void *labels, size_t labels_len, double value);
EDGE_IMPORT(observe)(const char *name, size_t name_len, const void *labels, size_t labels_len, double value);
EDGE_IMPORT(last_error)(uint32_t req, void *ptr, size_t cap);
EDGE_IMPORT(result_read)(uint32_t req, uint32_t call, uint32_t offset, void *ptr, size_t cap);
EDGE_IMPORT(event_read)(uint32_t event, void *ptr, size_t cap);
EDGE_IMPORT(req_get)(uint32_t req, uint32_t field, void *ptr, size_t cap);
EDGE_IMPORT(req_set)(uint32_t req, uint32_t field, const void *ptr, size_t len);
EDGE_IMPORT(req_header)(uint32_t req, const char *name, size_t name_len, void *ptr, size_t cap);
EDGE_IMPORT(req_headers)(uint32_t req, void *ptr, size_t cap);
EDGE_IMPORT(req_header_set)(uint32_t req, const char *name, size_t name_len, const void *value, size_t value_len);
EDGE_IMPORT(req_header_add)(uint32_t req, const char *name, size_t name_len, const void *value, size_t value_len);
EDGE_IMPORT(req_header_del)(uint32_t req, const char *name, size_t name_len);
EDGE_IMPORT(req_body_read)(uint32_t req, void *ptr, size_t cap);
EDGE_IMPORT(respond)(uint32_t req, uint32_t status, const void *headers, size_t headers_len, const void *body, size_t body_len);
EDGE_IMPORT(respond_begin)(uint32_t req, uint32_t status, const void *headers, size_t headers_len);
EDGE_IMPORT(respond_write)(uint32_t req, const void *ptr, size_t len);
EDGE_IMPORT(respond_end)(uint32_t req);
EDGE_IMPORT(fail)(uint32_t req, const char *error, size_t error_len);
EDGE_IMPORT(connect)(uint32_t req, const char *binding, size_t binding_len, const char *id, size_t id_len, uint32_t port, const char *options, size_t options_len);
EDGE_IMPORT(proxy)(uint32_t req, const char *binding, size_t binding_len, const char *id, size_t id_len, uint32_t port, const char *options, size_t options_len);
EDGE_IMPORT(next)(uint32_t req);
EDGE_IMPORT(plan)(uint32_t req, const char *json, size_t json_len);
EDGE_IMPORT(op)(uint32_t req, const char *name, size_t name_len, const char *json, size_t json_len, void *ptr, size_t cap);
EDGE_IMPORT(op_open)(uint32_t req, const char *name, size_t name_len, const char *json, size_t json_len);
EDGE_IMPORT(ws_open)(uint32_t req, const char *binding, size_t binding_len, const char *id, size_t id_len, uint32_t port, const char *options, size_t options_len);
EDGE_IMPORT(ws_recv)(uint32_t req, uint32_t ws, uint32_t timeout_ms, void *ptr, size_t cap);
EDGE_IMPORT(ws_send)(uint32_t req, uint32_t ws, uint32_t opcode, const void *ptr, size_t len);
EDGE_IMPORT(ws_close)(uint32_t req, uint32_t ws, uint32_t code, const char *reason, size_t reason_len);
EDGE_IMPORT(kv)(uint32_t req, uint32_t verb, const char *key, size_t key_len, const void *value, size_t value_len, const char *options, size_t options_len, void *ptr, size_t cap);
EDGE_IMPORT(fetch)(uint32_t req, const char *json, size_t json_len, const void *body, size_t body_len);
EDGE_IMPORT(fetch_head)(uint32_t req, uint32_t fetch, void *ptr, size_t cap);
EDGE_IMPORT(fetch_read)(uint32_t req, uint32_t fetch, void *ptr, size_t cap);
EDGE_IMPORT(fetch_close)(uint32_t req, uint32_t fetch);

/* What the host calls (SPEC.md, section 1); natively a fake calls it. */
int32_t edge_init(void);
int32_t edge_request_(uint32_t req);
int32_t edge_selftest(void);
int32_t edge_event(uint32_t event);

/* The parts of a result. */
static inline edge_errno edge_errno_of(uint64_t result)
{
	uint64_t n = result >> 32;
	return n > EDGE_INTERNAL ? EDGE_INTERNAL : (edge_errno)n;
}

static inline size_t edge_low(uint64_t result)
{
	return (uint32_t)result;
}

/* ---- Requests and their memory ---- */

/* A piece of memory from which requests are given theirs. */
typedef struct edge_block {
	struct edge_block *next;
	size_t size, used; /* of the bytes that follow */
} edge_block;

struct edge_request {
	uint32_t handle; /* 0 is outside of requests */
	bool decided;
	bool asked_upgrade, upgrade; /* what edge_is_upgrade found out; those headers cannot be edited */
	edge_block *blocks; /* the newest first */
	edge_error error;   /* the last one */
};

struct edge_sandbox {
	edge_request *req;
	edge_str binding, id;
	edge_sandbox_options options;
};

struct edge_socket {
	edge_request *req;
	uint32_t handle;
};

void edge_begin(edge_request *req, uint32_t handle);
void edge_end(edge_request *req);

/* Memory for count things of a size. */
void *edge_alloc_items(edge_request *req, size_t count, size_t size);

/* Memory for a text of len bytes and its zero, which is written. */
char *edge_alloc_text(edge_request *req, size_t len);

/* A copy that a zero byte follows. */
edge_str edge_copy(edge_request *req, edge_str text);

edge_str edge_vformat(edge_request *req, const char *format, va_list args);

/* ---- Results and errors ---- */

/* What a call answered: in ptr, which was offered, or kept by the edge. */
edge_errno edge_collect(edge_request *req, uint64_t result, char *ptr, size_t cap, edge_str *out);

/* The error of a call that answered n: what the edge says of it if that fits, else what
 * the number means. It becomes the last one, and n is returned. */
edge_errno edge_failed(edge_request *req, const char *call, edge_errno n);

/* edge_failed unless the result is good. */
edge_errno edge_done(edge_request *req, const char *call, uint64_t result);

/* edge_done for a deciding call. */
edge_errno edge_decide(edge_request *req, const char *call, uint64_t result);

/* Checks what the host would refuse, early enough for the handler to act on it. */
edge_errno edge_check_id(edge_sandbox *sandbox);
edge_errno edge_check_target(edge_sandbox *sandbox, uint16_t port);

typedef struct edge_code_row {
	const char *name;
	edge_errno number;
	int status;
	bool retryable;
} edge_code_row;

extern const edge_code_row edge_code_rows[];
extern const size_t edge_code_count;
edge_code edge_code_of(edge_str name);

/* ---- Header blocks and value lists (SPEC.md, section 4) ---- */

edge_str edge_value_list(edge_request *req, edge_pairs pairs);
edge_str edge_header_block(edge_request *req, const edge_pairs *headers);

/* Takes the first value, or number, off a list; false at its end or where it is cut off. */
bool edge_take(edge_str *list, edge_str *value);
bool edge_take_u32(edge_str *list, uint32_t *n);
bool edge_parse_headers(edge_request *req, edge_str block, edge_pairs *headers);

/* ---- Objects, by the tables of edge_types.c ---- */

typedef enum edge_field_kind {
	EDGE_FIELD_STR,
	EDGE_FIELD_BOOL,
	EDGE_FIELD_INT,
	EDGE_FIELD_MAYBE_INT,
	EDGE_FIELD_RAW,     /* edge_str that is JSON */
	EDGE_FIELD_STRS,
	EDGE_FIELD_PAIRS,   /* an object of texts */
	EDGE_FIELD_HEADERS, /* a list of pairs */
	EDGE_FIELD_RECORD,
	EDGE_FIELD_POINTER, /* to a record, or NULL */
	EDGE_FIELD_LIST,    /* of records */
} edge_field_kind;

struct edge_record;

typedef struct edge_field {
	const char *name;
	size_t offset;
	edge_field_kind kind;
	bool always; /* written also when it holds nothing */
	const struct edge_record *record;
} edge_field;

typedef struct edge_record {
	const edge_field *fields;
	size_t count, size;
} edge_record;

extern const edge_record edge_error_record, edge_policy_record, edge_sandbox_options_record, edge_stream_input_record,
	edge_sandbox_event_record, edge_socket_closed_record, edge_web_socket_options_record, edge_target_options_record,
	edge_plan_steps_record;

/* Writes an object, or with bare its fields alone. */
void edge_write(edge_json *json, const edge_record *record, const void *object);
void edge_write_fields(edge_json *json, const edge_record *record, const void *object);
bool edge_is_empty(const edge_record *record, const void *object);

/* Reads an object; false if the text is none, or a field is of another kind. */
bool edge_read(edge_request *req, edge_str json, const edge_record *record, void *object);
bool edge_read_value(edge_request *req, const edge_value *value, const edge_record *record, void *object);

/* Carries out an operation, and begins one that is a stream. */
edge_errno edge_call(edge_sandbox *sandbox, const char *op, const edge_record *in, const void *options, const edge_record *out, void *answer);
edge_errno edge_open(edge_sandbox *sandbox, const char *op, const edge_record *in, const void *options, edge_socket **stream);

#endif
