/* Sandboxes, and what goes on in them. */

#include "edge_internal.h"

edge_sandbox *edge_get_sandbox_with(edge_request *req, edge_str binding, edge_str id, const edge_sandbox_options *options)
{
	edge_sandbox *sandbox = edge_alloc(req, sizeof *sandbox);
	*sandbox = (edge_sandbox){.req = req, .binding = edge_copy(req, binding), .id = edge_copy(req, id)};
	if (options)
		sandbox->options = *options;
	return sandbox;
}

edge_sandbox *edge_get_sandbox(edge_request *req, edge_str binding, edge_str id)
{
	return edge_get_sandbox_with(req, binding, id, NULL);
}

edge_request *edge_sandbox_request(edge_sandbox *sandbox)
{
	return sandbox->req;
}

edge_str edge_sandbox_id(edge_sandbox *sandbox)
{
	return sandbox->id;
}

edge_str edge_sandbox_binding(edge_sandbox *sandbox)
{
	return sandbox->binding;
}

/* ---- Operations ---- */

/* Begins an operation's JSON: the object, and the sandbox's name in it. */
static edge_json *envelope(edge_sandbox *sandbox)
{
	edge_json *json = edge_json_new(sandbox->req);
	edge_json_object(json);
	edge_json_key(json, "sandbox");
	edge_json_object(json);
	edge_json_key(json, "binding");
	edge_json_string(json, sandbox->binding);
	edge_json_key(json, "id");
	edge_json_string(json, sandbox->id);
	edge_write_fields(json, &edge_sandbox_options_record, &sandbox->options);
	edge_json_end_object(json);
	return json;
}

static edge_str request_json(edge_sandbox *sandbox, const edge_record *in, const void *options)
{
	edge_json *json = envelope(sandbox);
	if (in && options)
		edge_write_fields(json, in, options);
	edge_json_end_object(json);
	return edge_json_text(json);
}

static edge_errno unreadable(edge_request *req, const char *op)
{
	edge_errno n = edge_fail(req, EDGE_CODE_INTERNAL, "%s: the edge's answer cannot be read", op);
	req->error.started = EDGE_STR("yes");
	return n;
}

/* Carries out an operation. With an answer of NULL it stays with the edge. */
static edge_errno operate(edge_sandbox *sandbox, const char *op, edge_str json, edge_str *answer)
{
	edge_request *req = sandbox->req;
	if (!answer)
		return edge_done(req, op, edge1_op(req->handle, op, strlen(op), json.ptr, json.len, NULL, 0));
	const size_t cap = 1024;
	char *ptr = edge_alloc_text(req, cap);
	edge_errno n = edge_collect(req, edge1_op(req->handle, op, strlen(op), json.ptr, json.len, ptr, cap), ptr, cap, answer);
	return n == EDGE_OK ? n : edge_failed(req, op, n);
}

edge_errno edge_call(edge_sandbox *sandbox, const char *op, const edge_record *in, const void *options, const edge_record *out, void *answer)
{
	edge_str text;
	edge_errno n = operate(sandbox, op, request_json(sandbox, in, options), answer ? &text : NULL);
	if (n == EDGE_OK && answer && !edge_read(sandbox->req, text, out, answer))
		return unreadable(sandbox->req, op);
	return n;
}

edge_errno edge_open(edge_sandbox *sandbox, const char *op, const edge_record *in, const void *options, edge_socket **stream)
{
	edge_request *req = sandbox->req;
	edge_str json = request_json(sandbox, in, options);
	uint64_t result = edge1_op_open(req->handle, op, strlen(op), json.ptr, json.len);
	edge_errno n = edge_done(req, op, result);
	if (n != EDGE_OK)
		return n;
	*stream = edge_alloc(req, sizeof **stream);
	**stream = (edge_socket){req, (uint32_t)edge_low(result)};
	return EDGE_OK;
}

edge_errno edge_op(edge_sandbox *sandbox, const char *name, edge_json *fields, const edge_value **answer)
{
	edge_json *json = envelope(sandbox);
	edge_str inner = fields ? edge_json_text(fields) : EDGE_STR("{}");
	if (inner.len > 2) /* the fields, without their brackets */
		edge_json_raw(json, (edge_str){inner.ptr + 1, inner.len - 2});
	edge_json_end_object(json);
	edge_str text;
	edge_errno n = operate(sandbox, name, edge_json_text(json), answer ? &text : NULL);
	if (n == EDGE_OK && answer && !(*answer = edge_json_parse(sandbox->req, text)))
		return unreadable(sandbox->req, name);
	return n;
}

edge_errno edge_ensure_server(edge_sandbox *sandbox, const edge_server *server)
{
	edge_wait_for_port_options ready = {.port = server->port, .process_id = server->process_id, .timeout_ms = server->timeout_ms};
	edge_errno n = edge_sandbox_wait_for_port(sandbox, &ready, NULL);
	if (n == EDGE_OK)
		return n;
	edge_code code = edge_last_code(sandbox->req);
	if (code != EDGE_CODE_PROCESS_NOT_FOUND && code != EDGE_CODE_PROCESS_EXITED_BEFORE_READY && code != EDGE_CODE_SANDBOX_LOST)
		return n;
	if (server->path.len && (n = edge_put_file(sandbox, server->path, server->source)) != EDGE_OK)
		return n;
	edge_start_process_options process = {.process_id = server->process_id, .command = server->command};
	n = edge_sandbox_start_process(sandbox, &process, NULL);
	/* "already exists": another request was faster. */
	if (n != EDGE_OK && edge_last_code(sandbox->req) != EDGE_CODE_PROCESS_ALREADY_EXISTS)
		return n;
	return edge_sandbox_wait_for_port(sandbox, &ready, NULL);
}

/* ---- Decisions for ports ---- */

/* Whether the id is the word, whatever the case of its letters. */
static bool is_word(edge_str id, const char *word)
{
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];
		if (!word[i] || (c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c) != word[i])
			return false;
	}
	return !word[id.len];
}

static const char *broken_rule(edge_str id)
{
	static const char *const reserved[] = {"www", "api", "admin", "root", "system"};
	if (!id.len)
		return "is empty";
	if (id.len > 40)
		return "is longer than 40 characters";
	if (id.ptr[0] == '-' || id.ptr[id.len - 1] == '-')
		return "begins or ends with \"-\"";
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
		if (is_word(id, reserved[i]))
			return "is a reserved word";
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
			return "holds a character that is not a-z, 0-9 or \"-\"";
	}
	return NULL;
}

edge_errno edge_check_id(edge_sandbox *sandbox)
{
	const char *broken = broken_rule(sandbox->id);
	if (!broken)
		return EDGE_OK;
	int shown = sandbox->id.len < 60 ? (int)sandbox->id.len : 60;
	edge_errno n = edge_fail(sandbox->req, EDGE_CODE_INVALID_SANDBOX_ID, "sandbox id \"%.*s\" %s", shown, sandbox->id.ptr, broken);
	sandbox->req->error.suggestion = EDGE_STR("use 1 to 40 characters of a-z, 0-9 and inner \"-\"");
	return n;
}

edge_errno edge_check_target(edge_sandbox *sandbox, uint16_t port)
{
	edge_errno n = edge_check_id(sandbox);
	if (n == EDGE_OK && port < 1024)
		n = edge_fail(sandbox->req, EDGE_CODE_INVALID_PORT, "port %d is not between 1024 and 65535", port);
	return n;
}

/* The options as the edge takes them; none are no text. */
static edge_str target_json(edge_sandbox *sandbox, const edge_target_options *options)
{
	edge_target_options all = options ? *options : (edge_target_options){0};
	if (!all.sandbox && !edge_is_empty(&edge_sandbox_options_record, &sandbox->options))
		all.sandbox = &sandbox->options;
	if (edge_is_empty(&edge_target_options_record, &all))
		return (edge_str){0};
	edge_json *json = edge_json_new(sandbox->req);
	edge_write(json, &edge_target_options_record, &all);
	return edge_json_text(json);
}

edge_errno edge_ws_connect(edge_sandbox *sandbox, uint16_t port, const edge_target_options *options)
{
	edge_request *req = sandbox->req;
	if (!edge_is_upgrade(req)) {
		edge_errno n = edge_fail(req, EDGE_CODE_UPGRADE_REQUIRED, "this address speaks WebSocket only");
		req->error.suggestion = EDGE_STR("connect with a WebSocket client, which sends Upgrade: websocket and Connection: Upgrade");
		return n;
	}
	edge_errno n = edge_check_target(sandbox, port);
	if (n != EDGE_OK)
		return n;
	edge_str json = target_json(sandbox, options), binding = sandbox->binding, id = sandbox->id;
	return edge_decide(req, "wsConnect", edge1_connect(req->handle, binding.ptr, binding.len, id.ptr, id.len, port, json.ptr, json.len));
}

static edge_errno proxy(edge_sandbox *sandbox, const char *call, uint16_t port, const edge_target_options *options)
{
	edge_request *req = sandbox->req;
	edge_str json = target_json(sandbox, options), binding = sandbox->binding, id = sandbox->id;
	return edge_decide(req, call, edge1_proxy(req->handle, binding.ptr, binding.len, id.ptr, id.len, port, json.ptr, json.len));
}

edge_errno edge_proxy_to(edge_sandbox *sandbox, uint16_t port, const edge_target_options *options)
{
	edge_errno n = edge_check_target(sandbox, port);
	return n == EDGE_OK ? proxy(sandbox, "proxyTo", port, options) : n;
}

edge_errno edge_proxy_to_sandbox(edge_sandbox *sandbox, const edge_target_options *options)
{
	edge_errno n = edge_check_id(sandbox);
	return n == EDGE_OK ? proxy(sandbox, "proxyToSandbox", 0, options) : n;
}

/* ---- Sockets ---- */

/* Opcodes of a message (RFC 6455, section 11.8). */
enum { OPCODE_TEXT = 1, OPCODE_BINARY = 2 };

edge_errno edge_ws_open(edge_sandbox *sandbox, uint16_t port, const edge_web_socket_options *options, edge_socket **socket)
{
	edge_request *req = sandbox->req;
	edge_errno n = edge_check_target(sandbox, port);
	if (n != EDGE_OK)
		return n;
	edge_web_socket_options all = options ? *options : (edge_web_socket_options){0};
	if (!all.sandbox && !edge_is_empty(&edge_sandbox_options_record, &sandbox->options))
		all.sandbox = &sandbox->options;
	edge_str json = {0};
	if (!edge_is_empty(&edge_web_socket_options_record, &all)) {
		edge_json *writer = edge_json_new(req);
		edge_write(writer, &edge_web_socket_options_record, &all);
		json = edge_json_text(writer);
	}
	edge_str binding = sandbox->binding, id = sandbox->id;
	uint64_t result = edge1_ws_open(req->handle, binding.ptr, binding.len, id.ptr, id.len, port, json.ptr, json.len);
	n = edge_done(req, "wsOpen", result);
	if (n != EDGE_OK)
		return n;
	*socket = edge_alloc(req, sizeof **socket);
	**socket = (edge_socket){req, (uint32_t)edge_low(result)};
	return EDGE_OK;
}

edge_errno edge_socket_recv(edge_socket *socket, int32_t timeout_ms, edge_message *message)
{
	edge_request *req = socket->req;
	const size_t cap = 4096;
	char *ptr = edge_alloc_text(req, cap);
	edge_str text;
	uint32_t timeout = timeout_ms < 0 ? 0 : (uint32_t)timeout_ms;
	edge_errno n = edge_collect(req, edge1_ws_recv(req->handle, socket->handle, timeout, ptr, cap), ptr, cap, &text);
	if (n == EDGE_OK && text.len == 0)
		n = EDGE_INTERNAL;
	if (n != EDGE_OK)
		return edge_failed(req, "wsRecv", n);
	*message = (edge_message){text.ptr[0] == OPCODE_BINARY, {text.ptr + 1, text.len - 1}};
	return EDGE_OK;
}

static edge_errno send(edge_socket *socket, uint32_t opcode, edge_str data)
{
	return edge_done(socket->req, "wsSend", edge1_ws_send(socket->req->handle, socket->handle, opcode, data.ptr, data.len));
}

edge_errno edge_socket_send_text(edge_socket *socket, edge_str text)
{
	return send(socket, OPCODE_TEXT, text);
}

edge_errno edge_socket_send_binary(edge_socket *socket, edge_str bytes)
{
	return send(socket, OPCODE_BINARY, bytes);
}

edge_errno edge_socket_send_input(edge_socket *socket, const edge_stream_input *input)
{
	edge_json *json = edge_json_new(socket->req);
	edge_write(json, &edge_stream_input_record, input);
	return send(socket, OPCODE_TEXT, edge_json_text(json));
}

edge_errno edge_socket_close(edge_socket *socket, int code, edge_str reason)
{
	uint64_t result = edge1_ws_close(socket->req->handle, socket->handle, (uint32_t)code, reason.ptr, reason.len);
	return edge_errno_of(result) == EDGE_CLOSED ? EDGE_OK : edge_done(socket->req, "wsClose", result);
}
