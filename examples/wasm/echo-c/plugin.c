/* The plugin behind /ws/echo-c?id=ID: each id is a sandbox of its own, in which a WebSocket
 * server sends back whatever it is sent. Plain HTTP asks for the sandbox's state. */

#include "edge.h"

/* The lines of ../echo/server.ts as literals; make writes the file. */
static const char script[] =
#include "server.inc"
	;

/* What runs in each sandbox. It is started by the first request that needs it. */
static const edge_server server = {
	.process_id = EDGE_LIT("ws-echo"),
	.port = 8080,
	.path = EDGE_LIT("/tmp/ws-echo.ts"),
	.source = EDGE_LIT(script),
	.command = EDGE_LIT("bun run /tmp/ws-echo.ts"),
	.timeout_ms = 20000,
};

static edge_errno tell_state(edge_request *req, edge_sandbox *sandbox)
{
	edge_sandbox_state now;
	edge_errno n = edge_sandbox_get_state(sandbox, &now);
	if (n != EDGE_OK)
		return n;
	edge_json *json = edge_json_new(req);
	edge_json_object(json);
	edge_json_key(json, "id");
	edge_json_string(json, edge_sandbox_id(sandbox));
	edge_json_key(json, "state");
	edge_json_string(json, now.state);
	edge_json_key(json, "connections");
	edge_json_int(json, now.connections);
	edge_json_end_object(json);
	return edge_respond_json(req, 200, json);
}

edge_errno edge_on_request(edge_request *req)
{
	edge_str id = EDGE_STR("echo-service");
	edge_query(req, "id", &id);
	edge_sandbox *sandbox = edge_get_sandbox(req, EDGE_STR("Sandbox"), id);
	if (edge_is_upgrade(req)) {
		edge_errno n = edge_ensure_server(sandbox, &server);
		return n == EDGE_OK ? edge_ws_connect(sandbox, server.port, NULL) : n;
	}
	if (!edge_is(edge_method(req), "GET"))
		return edge_fail(req, EDGE_CODE_INVALID_REQUEST, "this address speaks WebSocket, and answers GET with the sandbox's state");
	return tell_state(req, sandbox);
}
