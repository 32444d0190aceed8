/* Results of the border, and what their errors mean. */

#include "edge_internal.h"

edge_code edge_code_of(edge_str name)
{
	for (size_t i = 1; i < edge_code_count; i++)
		if (edge_is(name, edge_code_rows[i].name))
			return (edge_code)i;
	return EDGE_CODE_UNKNOWN;
}

const edge_error *edge_last_error(edge_request *req)
{
	return &req->error;
}

edge_code edge_last_code(edge_request *req)
{
	return edge_code_of(req->error.code);
}

int edge_closed_code(edge_request *req)
{
	edge_socket_closed closed;
	if (!req->error.details.len || !edge_read(req, req->error.details, &edge_socket_closed_record, &closed))
		return 0;
	return (int)closed.code;
}

/* What a number means when the edge has no more to say. */
static const struct {
	edge_code code;
	const char *text;
} meanings[] = {
	[EDGE_INVALID] = {EDGE_CODE_INVALID_REQUEST, "the edge refused a value"},
	[EDGE_NOT_FOUND] = {EDGE_CODE_NOT_FOUND, "not found"},
	[EDGE_DENIED] = {EDGE_CODE_DENIED, "not allowed"},
	[EDGE_TIMEOUT] = {EDGE_CODE_TIMEOUT, "the time ran out"},
	[EDGE_BUSY] = {EDGE_CODE_TOO_MANY_REQUESTS, "the edge is busy"},
	[EDGE_QUOTA] = {EDGE_CODE_QUOTA_EXCEEDED, "a limit is reached"},
	[EDGE_UNAVAILABLE] = {EDGE_CODE_RUNTIME_UNAVAILABLE, "the sandbox cannot be reached"},
	[EDGE_TOO_LARGE] = {EDGE_CODE_BODY_TOO_LARGE, "too large"},
	[EDGE_CLOSED] = {EDGE_CODE_CANCELED, "closed: the request is over or the other side went away"},
	[EDGE_ALREADY] = {EDGE_CODE_INVALID_REQUEST, "a decision was made already"},
	[EDGE_UNSUPPORTED] = {EDGE_CODE_UNSUPPORTED, "this edge does not have it"},
	[EDGE_INTERNAL] = {EDGE_CODE_INTERNAL, "internal error; the edge's log has the details"},
};

/* Makes an error the last one. */
static edge_errno set_error(edge_request *req, edge_code code, edge_str message, const char *call)
{
	const edge_code_row *row = &edge_code_rows[code];
	req->error = (edge_error){
		.code = edge_text(row->name),
		.message = message,
		.operation = edge_text(call),
		.retryable = row->retryable,
		.started = EDGE_STR("no"),
	};
	return row->number;
}

/* Reads what the edge kept of the request's last error. */
static bool read_last_error(edge_request *req, edge_error *error)
{
	char *ptr = edge_alloc_text(req, 512);
	size_t cap = 512;
	for (;;) {
		uint64_t result = edge1_last_error(req->handle, ptr, cap);
		size_t len = edge_low(result);
		if (edge_errno_of(result) != EDGE_OK)
			return false;
		if (len <= cap)
			return edge_read(req, (edge_str){ptr, len}, &edge_error_record, error);
		cap = len;
		ptr = edge_alloc_text(req, cap);
	}
}

edge_errno edge_failed(edge_request *req, const char *call, edge_errno n)
{
	edge_error error;
	bool kept = read_last_error(req, &error);
	if (kept && edge_code_rows[edge_code_of(error.code)].number == n) {
		req->error = error;
		return n;
	}
	edge_errno known = n == EDGE_OK || n > EDGE_INTERNAL ? EDGE_INTERNAL : n;
	set_error(req, meanings[known].code, edge_format(req, "%s: %s", call, meanings[known].text), call);
	if (kept && n == EDGE_CLOSED)
		req->error.details = error.details; /* how a socket was closed */
	return n;
}

edge_errno edge_done(edge_request *req, const char *call, uint64_t result)
{
	edge_errno n = edge_errno_of(result);
	return n == EDGE_OK ? n : edge_failed(req, call, n);
}

edge_errno edge_decide(edge_request *req, const char *call, uint64_t result)
{
	edge_errno n = edge_done(req, call, result);
	req->decided |= n == EDGE_OK;
	return n;
}

edge_errno edge_fail(edge_request *req, edge_code code, const char *format, ...)
{
	if (code <= EDGE_CODE_UNKNOWN || (size_t)code >= edge_code_count)
		code = EDGE_CODE_PLUGIN_FAILED;
	va_list args;
	va_start(args, format);
	edge_str message = edge_vformat(req, format, args);
	va_end(args);
	return set_error(req, code, message, NULL);
}

edge_errno edge_collect(edge_request *req, uint64_t result, char *ptr, size_t cap, edge_str *out)
{
	edge_errno n = edge_errno_of(result);
	size_t total = edge_low(result);
	if (n != EDGE_OK)
		return n;
	if (total > cap) {
		ptr = edge_alloc_text(req, total);
		for (size_t done = 0; done < total;) {
			result = edge1_result_read(req->handle, 0, (uint32_t)done, ptr + done, total - done);
			size_t piece = edge_low(result);
			n = edge_errno_of(result);
			if (n != EDGE_OK)
				return n;
			if (piece == 0 || piece > total - done)
				return EDGE_INTERNAL;
			done += piece;
		}
	}
	ptr[total] = 0; /* for which there is room */
	*out = (edge_str){ptr, total};
	return EDGE_OK;
}
