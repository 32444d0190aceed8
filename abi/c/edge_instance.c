/* What the host calls: the exports of a module (SPEC.md, section 1). */

#include "edge_internal.h"

#if defined(__wasm__)
#define EDGE_EXPORT(name) __attribute__((export_name(name)))

/* The marker of the ABI's major version; it is never called. */
EDGE_EXPORT("edge1") void edge_marker(void)
{
}
#else
#define EDGE_EXPORT(name)
#endif

__attribute__((weak)) edge_errno edge_on_init(edge_request *req)
{
	(void)req;
	return EDGE_OK;
}

__attribute__((weak)) edge_errno edge_on_selftest(edge_request *req)
{
	(void)req;
	return EDGE_OK;
}

__attribute__((weak)) edge_errno edge_on_event(edge_sandbox *sandbox, const edge_sandbox_event *event)
{
	(void)sandbox;
	(void)event;
	return EDGE_UNSUPPORTED; /* asks for no more of them */
}

/* The texts of the last error, for a line of the log. */
static void log_error(edge_request *req, edge_level level, const char *what)
{
	edge_pair fields[] = {
		{EDGE_LIT("code"), req->error.code}, {EDGE_LIT("error"), req->error.message}, {EDGE_LIT("operation"), req->error.operation}};
	edge_log(req, level, edge_text(what), (edge_pairs){fields, req->error.operation.len ? 3 : 2});
}

static int32_t run_hook(edge_errno (*hook)(edge_request *), const char *what)
{
	edge_request req;
	edge_begin(&req, 0);
	edge_errno n = hook(&req);
	if (n != EDGE_OK)
		log_error(&req, EDGE_ERROR, what);
	edge_end(&req);
	return (int32_t)n;
}

EDGE_EXPORT("edge_init") int32_t edge_init(void)
{
	return run_hook(edge_on_init, "init failed");
}

EDGE_EXPORT("edge_selftest") int32_t edge_selftest(void)
{
	return run_hook(edge_on_selftest, "selftest failed");
}

/* The most that the edge takes of an error, and what is left of a text in one that is
 * larger, in bytes: JSON makes at most six of one. */
#define MAX_ERROR ((size_t)64 << 10)
#define MAX_CUT_TEXT ((size_t)3 << 10)

static edge_str cut(edge_str text)
{
	return (edge_str){text.ptr, text.len < MAX_CUT_TEXT ? text.len : MAX_CUT_TEXT};
}

static edge_str error_json(edge_request *req, const edge_error *error)
{
	edge_json *json = edge_json_new(req);
	edge_write(json, &edge_error_record, error);
	return edge_json_text(json);
}

/* Has the edge answer the client with the last error. */
static edge_errno answer_error(edge_request *req)
{
	edge_error error = req->error;
	edge_str text = error_json(req, &error);
	if (text.len > MAX_ERROR) {
		error.details = (edge_str){0};
		error.message = cut(error.message);
		error.suggestion = cut(error.suggestion);
		error.operation = cut(error.operation);
		text = error_json(req, &error);
	}
	return edge_errno_of(edge1_fail(req->handle, text.ptr, text.len));
}

/* Answers for a handler that returned n; 0, or -errno when the host shall do it. */
static int32_t fail(edge_request *req, edge_errno n)
{
	if (req->decided) { /* the decision stands and cannot become an answer any more */
		log_error(req, EDGE_ERROR, "handler failed after its decision was made");
		return -EDGE_ALREADY;
	}
	edge_code code = edge_last_code(req);
	if (n == EDGE_OK) {
		edge_logf(req, EDGE_ERROR, "handler failed: it returned EDGE_OK and made no decision");
		edge_fail(req, EDGE_CODE_PLUGIN_FAILED, "the plugin failed; the edge's log has the details");
	} else if (!req->error.code.len || edge_code_rows[code].number != n) { /* a number of its own */
		edge_failed(req, "plugin", n);
	}
	if (edge_code_rows[edge_last_code(req)].status >= 500)
		log_error(req, EDGE_WARN, "request failed");
	edge_errno refused = answer_error(req);
	if (refused == EDGE_INVALID || refused == EDGE_TOO_LARGE) {
		log_error(req, EDGE_ERROR, "the error could not be answered");
		edge_fail(req, EDGE_CODE_PLUGIN_FAILED, "the plugin failed; the edge's log has the details");
		refused = answer_error(req);
	}
	/* A client that has left is no failure of the plugin's. */
	return refused == EDGE_CLOSED ? EDGE_OK : -(int32_t)refused;
}

EDGE_EXPORT("edge_request") int32_t edge_request_(uint32_t handle)
{
	edge_request req;
	edge_begin(&req, handle);
	edge_errno n = edge_on_request(&req);
	int32_t code = n == EDGE_OK && req.decided ? 0 : fail(&req, n);
	edge_end(&req);
	return code;
}

EDGE_EXPORT("edge_event") int32_t edge_event(uint32_t handle)
{
	edge_request req;
	edge_begin(&req, handle);
	const size_t cap = 1024;
	char *ptr = edge_alloc_text(&req, cap);
	edge_str text;
	edge_sandbox_event event;
	edge_errno n = edge_collect(&req, edge1_event_read(handle, ptr, cap), ptr, cap, &text);
	if (n == EDGE_OK && !edge_read(&req, text, &edge_sandbox_event_record, &event))
		n = EDGE_INTERNAL;
	if (n == EDGE_OK) {
		n = edge_on_event(edge_get_sandbox(&req, event.binding, event.id), &event);
		if (n != EDGE_OK && n != EDGE_UNSUPPORTED)
			log_error(&req, EDGE_ERROR, "sandbox event hook failed");
	}
	edge_end(&req);
	return (int32_t)n;
}
