/* The C SDK for edge plugins: WebAssembly modules that decide, for each request, whether
 * to answer it, to start something in a sandbox, or to send it to a port of one.
 *
 * A whole plugin:
 *
 *	#include "edge.h"
 *
 *	edge_errno edge_on_request(edge_request *req)
 *	{
 *		edge_sandbox *sandbox = edge_get_sandbox(req, EDGE_STR("Sandbox"), EDGE_STR("my-sandbox"));
 *		return edge_ws_connect(sandbox, 8080, NULL);
 *	}
 *
 * Memory. Whatever a function gives belongs to the request and is freed when it ends:
 * nothing is freed by hand. Texts have a length, and are followed by a zero byte where the
 * SDK made them. What a plugin hands over must stay until the call returns; what a
 * sandbox's options point to, as long as the sandbox is used.
 *
 * Errors. A function that can fail returns EDGE_OK, or an error number and leaves what it
 * means in edge_last_error. A handler that returns the number has the client answered with
 * that error, by its status in the error table; edge_fail makes an error of the plugin's
 * own. A trap (abort, a wild pointer) is answered 500 and throws the instance away.
 *
 * An instance handles one request at a time, and instances are reused: static variables
 * are caches that a later request may find, and that another instance does not see. */

#ifndef EDGE_H
#define EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct edge_request edge_request;
typedef struct edge_sandbox edge_sandbox;
typedef struct edge_socket edge_socket;
typedef struct edge_json edge_json;
typedef struct edge_value edge_value;

/* A text: bytes with a length. All zero is none. */
typedef struct edge_str {
	const char *ptr;
	size_t len;
} edge_str;

/* The text of a literal; EDGE_LIT is for initialisers of static variables. */
#define EDGE_STR(literal) ((edge_str)EDGE_LIT(literal))
#define EDGE_LIT(literal) {(literal), sizeof(literal) - 1}

typedef struct edge_strs {
	const edge_str *items;
	size_t count;
} edge_strs;

/* Variables, labels, headers. A variable whose value's ptr is NULL is taken back. */
typedef struct edge_pair {
	edge_str name, value;
} edge_pair;

typedef struct edge_pairs {
	const edge_pair *items;
	size_t count;
} edge_pairs;

/* A number that may be missing. */
typedef struct edge_maybe_int {
	bool set;
	int64_t value;
} edge_maybe_int;

/* Error numbers; one that is not here counts as EDGE_INTERNAL. */
typedef enum edge_errno {
	EDGE_OK = 0,
	EDGE_INVALID = 1,
	EDGE_NOT_FOUND = 2,
	EDGE_DENIED = 3,
	EDGE_TIMEOUT = 4,
	EDGE_BUSY = 5,
	EDGE_QUOTA = 6,
	EDGE_UNAVAILABLE = 7,
	EDGE_TOO_LARGE = 8,
	EDGE_CLOSED = 9,
	EDGE_ALREADY = 10,
	EDGE_UNSUPPORTED = 11,
	EDGE_INTERNAL = 12,
} edge_errno;

#include "edge_types.h"

#if defined(__GNUC__)
#define EDGE_FORMAT(text, first) __attribute__((format(printf, text, first)))
#else
#define EDGE_FORMAT(text, first)
#endif

/* ---- What the plugin writes ---- */

/* Decides on a request. */
edge_errno edge_on_request(edge_request *req);

/* Optional. Runs once per instance, before its first request; there the configuration and
 * the log work, and req stands for no request. An error discards the instance. */
edge_errno edge_on_init(edge_request *req);

/* Optional. Runs once per loaded version, before it serves. An error refuses the version;
 * the one before it goes on serving. */
edge_errno edge_on_selftest(edge_request *req);

/* Optional. Is told, after the fact, when a sandbox started, stopped or failed, once for
 * each event and in order for one sandbox. To use the sandbox starts it again. While the
 * edge does not run, nothing is told. */
edge_errno edge_on_event(edge_sandbox *sandbox, const edge_sandbox_event *event);

/* ---- Texts and memory ---- */

/* Memory that ends with the request, aligned for anything. It is not NULL: a module that
 * is out of memory traps. */
void *edge_alloc(edge_request *req, size_t size);

/* The text of a string that ends with a zero byte. */
edge_str edge_text(const char *s);

/* Whether two texts are the same bytes. */
bool edge_equal(edge_str a, edge_str b);

/* Whether a text is that of a string that ends with a zero byte. */
bool edge_is(edge_str a, const char *s);

/* Makes a text as printf does. It knows %s, %.*s, %c, %%, and %d, %i, %u and %x with the
 * lengths h, l, ll, j, t and z. From anything else on the format is copied as it stands. */
edge_str edge_format(edge_request *req, const char *format, ...) EDGE_FORMAT(2, 3);

/* ---- The request; what is not asked for is never copied ---- */

edge_str edge_method(edge_request *req);
edge_str edge_scheme(edge_request *req); /* "http" or "https" */
edge_str edge_host(edge_request *req);   /* as sent, port included */
edge_str edge_path(edge_request *req);   /* as sent, still percent-encoded */
edge_str edge_raw_query(edge_request *req);
edge_str edge_remote_addr(edge_request *req); /* "ip:port" */
edge_str edge_request_id(edge_request *req);  /* what names it in the edge's log */
edge_str edge_url(edge_request *req);         /* scheme://host/path?query */

/* The first value of a parameter of the query, decoded; false if there is none. */
bool edge_query(edge_request *req, const char *name, edge_str *value);

/* The first value of a header; false if there is none. */
bool edge_header(edge_request *req, const char *name, edge_str *value);

/* Every value of a header in the order sent. */
edge_strs edge_header_values(edge_request *req, const char *name);

/* All headers in the order sent, Host included. */
edge_errno edge_headers(edge_request *req, edge_pairs *headers);

/* Whether the request asks for a WebSocket (RFC 6455, section 4.1). */
bool edge_is_upgrade(edge_request *req);

/* Edits of what the backend will be sent. A path is percent-encoded and begins with "/", a
 * query comes without "?". Host and the headers of the connection itself are DENIED. */
edge_errno edge_set_method(edge_request *req, edge_str method);
edge_errno edge_set_path(edge_request *req, edge_str path);
edge_errno edge_set_raw_query(edge_request *req, edge_str query);
edge_errno edge_set_header(edge_request *req, const char *name, edge_str value);
edge_errno edge_add_header(edge_request *req, const char *name, edge_str value);
edge_errno edge_del_header(edge_request *req, const char *name);

/* The next piece of the body, at most cap bytes; no text at its end. It waits until there
 * is one. What is read is not sent to a backend. */
edge_errno edge_body_read(edge_request *req, size_t cap, edge_str *piece);

/* The whole body. One that is longer than limit bytes is BODY_TOO_LARGE. */
edge_errno edge_body(edge_request *req, size_t limit, edge_str *body);

/* ---- Decisions: a request gets exactly one ---- */

/* Answers. Headers may be NULL. */
edge_errno edge_respond(edge_request *req, int status, const edge_pairs *headers, edge_str body);
edge_errno edge_respond_text(edge_request *req, int status, edge_str text);
edge_errno edge_respond_html(edge_request *req, int status, edge_str page);
edge_errno edge_respond_json(edge_request *req, int status, edge_json *json);

/* Answers with a body in pieces, each sent at once; a write blocks while the client reads
 * slowly and is EDGE_CLOSED when it is gone. An answer that is not ended breaks off. */
edge_errno edge_respond_begin(edge_request *req, int status, const edge_pairs *headers);
edge_errno edge_respond_write(edge_request *req, edge_str piece);
edge_errno edge_respond_end(edge_request *req);

/* Makes an error, which becomes the last one, and returns its number: a handler returns
 * what this does, and the client reads the text. */
edge_errno edge_fail(edge_request *req, edge_code code, const char *format, ...) EDGE_FORMAT(3, 4);

/* Splices the client's WebSocket with a port of the sandbox: the frames do not pass through
 * the plugin. Options may be NULL. Whether anything listens on the port shows afterwards
 * and is answered by the edge. */
edge_errno edge_ws_connect(edge_sandbox *sandbox, uint16_t port, const edge_target_options *options);

/* Relays the request, upgrade or not, to a port of the sandbox. Options may be NULL. */
edge_errno edge_proxy_to(edge_sandbox *sandbox, uint16_t port, const edge_target_options *options);

/* Serves a preview of this sandbox; a request for no preview goes to the sandbox's only
 * exposed port. */
edge_errno edge_proxy_to_sandbox(edge_sandbox *sandbox, const edge_target_options *options);

/* Relays the request to the exposure that its host or path names. A request that names none
 * is EDGE_NOT_FOUND, and the handler goes on to decide otherwise. */
edge_errno edge_proxy_preview(edge_request *req);

/* Leaves the request to the next plugin of the route's chain. */
edge_errno edge_next(edge_request *req);

/* Has the edge carry out steps with no instance of the plugin held: ensure the sandbox, the
 * process, the port, and then relay the request to it. */
edge_errno edge_plan(edge_request *req, const edge_plan_steps *steps);

/* ---- Errors ---- */

/* The last error of the request; all of it is empty if there was none. */
const edge_error *edge_last_error(edge_request *req);

/* Its code. */
edge_code edge_last_code(edge_request *req);

/* How the peer closed a WebSocket or stream, if that was the last error; else 0. */
int edge_closed_code(edge_request *req);

/* ---- Sandboxes; edge_types.h has an edge_sandbox_... for each operation ---- */

/* A handle at once: having one starts nothing. The binding is a name under "sandboxes:" in
 * the edge's configuration. An id that breaks the rules fails at the first use. */
edge_sandbox *edge_get_sandbox(edge_request *req, edge_str binding, edge_str id);
edge_sandbox *edge_get_sandbox_with(edge_request *req, edge_str binding, edge_str id, const edge_sandbox_options *options);

/* What the handle was made with. */
edge_request *edge_sandbox_request(edge_sandbox *sandbox);
edge_str edge_sandbox_id(edge_sandbox *sandbox);
edge_str edge_sandbox_binding(edge_sandbox *sandbox);

/* A program in a sandbox that listens on a port, under a process id by which every request
 * finds the same one. */
typedef struct edge_server {
	edge_str process_id;
	uint16_t port;
	edge_str path;   /* where source is written before command starts it; none writes nothing */
	edge_str source;
	edge_str command; /* run by /bin/sh -c */
	int64_t timeout_ms; /* bounds the wait until the port answers; default 30 s */
} edge_server;

/* Returns when the server can be reached, and starts it if need be. One that is up costs
 * one operation, one that another request is starting is waited for, and only one that is
 * missing, has ended, or was lost with its sandbox, is written and started. */
edge_errno edge_ensure_server(edge_sandbox *sandbox, const edge_server *server);

/* Carries out an operation by its name, such as one that is newer than this SDK. The fields
 * are an object, or NULL; the answer may be NULL. */
edge_errno edge_op(edge_sandbox *sandbox, const char *name, edge_json *fields, const edge_value **answer);

/* Files that need not be text. */
edge_errno edge_put_file(edge_sandbox *sandbox, edge_str path, edge_str content);
edge_errno edge_get_file(edge_sandbox *sandbox, edge_str path, edge_str *content);

/* ---- WebSockets of the plugin's own, and operations that are streams ---- */

typedef struct edge_message {
	bool binary;
	edge_str data;
} edge_message;

/* Waits as long as the request may take. */
#define EDGE_UNTIL_DEADLINE INT32_MAX

/* Opens a WebSocket to a port of the sandbox with the plugin as client. Options may be
 * NULL. It ends with the request. */
edge_errno edge_ws_open(edge_sandbox *sandbox, uint16_t port, const edge_web_socket_options *options, edge_socket **socket);

/* The next message. EDGE_TIMEOUT after timeout_ms (0 only looks), and nothing is lost.
 * EDGE_CLOSED after its end, when edge_closed_code is 1000 for a stream that ended well. */
edge_errno edge_socket_recv(edge_socket *socket, int32_t timeout_ms, edge_message *message);

/* Sends a message, and blocks while the peer reads slowly. A stream takes the standard
 * input of a command, what is typed into a terminal, or a file's content as bytes, at most
 * 64 KiB a message. */
edge_errno edge_socket_send_text(edge_socket *socket, edge_str text);
edge_errno edge_socket_send_binary(edge_socket *socket, edge_str bytes);

/* Sends a stream something other than bytes: a window's size, a signal, the input's end. */
edge_errno edge_socket_send_input(edge_socket *socket, const edge_stream_input *input);

/* Starts the closing handshake: 1000 or 3000 to 4999, and a reason of at most 123 bytes. A
 * stream ends, and with it what it began. Closing what is closed is no error. */
edge_errno edge_socket_close(edge_socket *socket, int code, edge_str reason);

/* ---- Surroundings ---- */

typedef enum edge_level { EDGE_DEBUG = -4, EDGE_INFO = 0, EDGE_WARN = 4, EDGE_ERROR = 8 } edge_level;

/* Writes one line to the edge's log, cut at 8 KiB. */
void edge_log(edge_request *req, edge_level level, edge_str message, edge_pairs fields);
void edge_logf(edge_request *req, edge_level level, const char *format, ...) EDGE_FORMAT(3, 4);

/* One value of the plugin's "config:"; NULL if there is none. */
const edge_value *edge_config(edge_request *req, const char *key);

/* One of the plugin's "secrets:"; false if there is none. */
bool edge_secret(edge_request *req, const char *name, edge_str *secret);

/* Whether this edge has the named function of the ABI. */
bool edge_feature(const char *name);

/* Nanoseconds since the Unix epoch, and on a clock that never goes back. */
uint64_t edge_now(void);
uint64_t edge_monotonic(void);

/* Fills with cryptographic randomness. */
edge_errno edge_random(void *ptr, size_t len);

/* Adds to a counter of the plugin, or tells a histogram one observation; /metrics shows
 * them as plugin_NAME. The name is [a-z][a-z0-9_]{0,47}; at most 4 labels. */
edge_errno edge_count(edge_request *req, const char *name, double value, edge_pairs labels);
edge_errno edge_observe(edge_request *req, const char *name, double value, edge_pairs labels);

/* ---- The key-value store of the plugin, which outlives the edge ---- */

#define EDGE_KV_ANY (-1)

typedef struct edge_kv_entry {
	uint64_t revision;
	edge_str value;
} edge_kv_entry;

/* EDGE_NOT_FOUND if nothing stands under the key. */
edge_errno edge_kv_get(edge_request *req, edge_str key, edge_kv_entry *entry);

/* Writes a value that goes away after ttl_ms, unless that is 0. With a revision other than
 * EDGE_KV_ANY the key's must still be that (0: there must be none), else CONFLICT. The new
 * one is returned if revision_out is not NULL. */
edge_errno edge_kv_set(edge_request *req, edge_str key, edge_str value, int64_t ttl_ms, int64_t revision, uint64_t *revision_out);

/* Deletes a key; one that there is not is no error. */
edge_errno edge_kv_delete(edge_request *req, edge_str key, int64_t revision);

/* The keys that begin with prefix, from after the key after, at most limit (0 is 100):
 * {"entries": [{"key", "revision", "size", "expiresAt"?}], "more"}. */
edge_errno edge_kv_list(edge_request *req, edge_str prefix, edge_str after, int limit, const edge_value **keys);

/* ---- Requests to servers on the network, which must be granted ---- */

typedef struct edge_fetch_options {
	edge_str method; /* default GET */
	edge_pairs headers;
	int64_t timeout_ms; /* default 30 s */
	edge_str redirect;  /* "follow" (default), "manual" or "error" */
	edge_str body;
	bool request_body; /* streams the body of the client's request out instead */
} edge_fetch_options;

typedef struct edge_fetched {
	int status;
	edge_str url; /* after redirects */
	edge_pairs headers;
	uint32_t handle;
} edge_fetched;

/* Returns when the head of the answer is there. Options may be NULL. */
edge_errno edge_fetch(edge_request *req, edge_str url, const edge_fetch_options *options, edge_fetched *answer);

/* The next piece of the answer's body; no text at its end. */
edge_errno edge_fetch_read(edge_request *req, edge_fetched *answer, edge_str *piece);

/* The whole of it. One that is longer than limit bytes is BODY_TOO_LARGE. */
edge_errno edge_fetch_body(edge_request *req, edge_fetched *answer, size_t limit, edge_str *body);

/* Gives it back before the request's end. */
void edge_fetch_close(edge_request *req, edge_fetched *answer);

#include "edge_json.h"

#endif
