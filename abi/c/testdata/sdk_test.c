/* The SDK against the fake edge. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/edge_fake.h"

static int failures;

static void check(bool good, const char *what, int line)
{
	if (!good) {
		fprintf(stderr, "line %d: %s\n", line, what);
		failures++;
	}
}

#define CHECK(condition) check(condition, #condition, __LINE__)

static void check_text(edge_str got, const char *want, int line)
{
	if (!edge_is(got, want)) {
		fprintf(stderr, "line %d: got  %.*s\n         want %s\n", line, (int)got.len, got.ptr, want);
		failures++;
	}
}

#define CHECK_TEXT(got, want) check_text(got, want, __LINE__)

/* The handler of the test that runs. */
static edge_errno (*handler)(edge_request *req);

edge_errno edge_on_request(edge_request *req)
{
	return handler(req);
}

static edge_sandbox *one(edge_request *req)
{
	return edge_get_sandbox(req, EDGE_STR("Sandbox"), EDGE_STR("one"));
}

/* ---- Requests ---- */

static edge_errno reads_and_edits(edge_request *req)
{
	edge_str a, b, body;
	edge_pairs headers;
	CHECK_TEXT(edge_method(req), "POST");
	CHECK_TEXT(edge_scheme(req), "http");
	CHECK_TEXT(edge_host(req), "localhost:8787");
	CHECK_TEXT(edge_path(req), "/p");
	CHECK_TEXT(edge_raw_query(req), "a=1&b=2+%33&c&%zz=%4");
	CHECK_TEXT(edge_url(req), "http://localhost:8787/p?a=1&b=2+%33&c&%zz=%4");
	CHECK_TEXT(edge_remote_addr(req), "127.0.0.1:50000");
	CHECK_TEXT(edge_request_id(req), "request-1");
	CHECK(edge_query(req, "b", &b) && edge_is(b, "2 3"));
	CHECK(edge_query(req, "c", &b) && b.len == 0);
	CHECK(edge_query(req, "%zz", &b) && edge_is(b, "%4"));
	CHECK(!edge_query(req, "d", &b));
	CHECK(edge_header(req, "x-a", &a) && edge_is(a, "1"));
	CHECK(!edge_header(req, "x-b", &a));
	edge_strs values = edge_header_values(req, "X-A");
	CHECK(values.count == 2 && edge_is(values.items[1], "2"));
	CHECK(edge_headers(req, &headers) == EDGE_OK && headers.count == 2 && edge_is(headers.items[0].name, "X-A"));
	CHECK(edge_set_path(req, EDGE_STR("/other")) == EDGE_OK);
	CHECK(edge_set_raw_query(req, EDGE_STR("q")) == EDGE_OK);
	CHECK(edge_set_header(req, "X-A", EDGE_STR("3")) == EDGE_OK);
	CHECK(edge_add_header(req, "X-A", EDGE_STR("4")) == EDGE_OK);
	CHECK(edge_header_values(req, "X-A").count == 2);
	CHECK(edge_del_header(req, "X-A") == EDGE_OK && edge_header_values(req, "X-A").count == 0);
	CHECK(edge_set_header(req, "Host", EDGE_STR("x")) == EDGE_DENIED && edge_last_code(req) == EDGE_CODE_DENIED);
	CHECK(edge_body(req, 100000, &body) == EDGE_OK && body.len == 100000 && body.ptr[99999] == 'x');
	return edge_respond_text(req, 200, EDGE_STR("done"));
}

static edge_errno body_is_too_long(edge_request *req)
{
	edge_str body;
	return edge_body(req, 99999, &body);
}

static void test_requests(void)
{
	static char body[100000];
	memset(body, 'x', sizeof body);
	edge_pair headers[] = {{EDGE_LIT("X-A"), EDGE_LIT("1")}, {EDGE_LIT("x-a"), EDGE_LIT("2")}};
	edge_pairs all = {headers, 2};
	edge_fake *edge = edge_fake_new();
	handler = reads_and_edits;
	const edge_fake_outcome *got = edge_fake_request(edge, "POST", "/p?a=1&b=2+%33&c&%zz=%4", &all, (edge_str){body, sizeof body});
	CHECK(got->decision == EDGE_FAKE_RESPOND && got->status == 200);
	CHECK_TEXT(got->body, "done");
	CHECK_TEXT(got->path, "/other");
	CHECK_TEXT(got->headers.items[0].value, "text/plain; charset=utf-8");
	handler = body_is_too_long;
	got = edge_fake_request(edge, "POST", "/", NULL, (edge_str){body, sizeof body});
	CHECK(got->decision == EDGE_FAKE_FAIL && got->code == EDGE_CODE_BODY_TOO_LARGE);
	edge_fake_free(edge);
}

/* ---- Errors ---- */

static edge_errno fails(edge_request *req)
{
	return edge_fail(req, EDGE_CODE_NOT_FOUND, "no room %s of %d", "x", -7);
}

static edge_errno passes_on(edge_request *req)
{
	return edge_sandbox_exec(one(req), &(edge_exec_options){.command = EDGE_STR("true")}, NULL);
}

static edge_errno returns_a_number(edge_request *req)
{
	(void)req;
	return EDGE_QUOTA;
}

static edge_errno decides_nothing(edge_request *req)
{
	(void)req;
	return EDGE_OK;
}

static edge_errno fails_too_late(edge_request *req)
{
	edge_next(req);
	return edge_fail(req, EDGE_CODE_DENIED, "too late");
}

static edge_errno fails_at_length(edge_request *req)
{
	static char text[100001];
	memset(text, '"', sizeof text - 1);
	return edge_fail(req, EDGE_CODE_DENIED, "%s", text);
}

static void test_errors(void)
{
	edge_fake *edge = edge_fake_new();
	handler = fails;
	const edge_fake_outcome *got = edge_fake_get(edge, "/");
	CHECK(got->code == EDGE_CODE_NOT_FOUND && got->result == 0);
	CHECK_TEXT(got->error.message, "no room x of -7");
	edge_fake_refuse(edge, "exec", EDGE_CODE_SANDBOX_LOST, "gone");
	handler = passes_on;
	got = edge_fake_get(edge, "/");
	CHECK(got->code == EDGE_CODE_SANDBOX_LOST);
	CHECK_TEXT(got->error.message, "gone");
	CHECK_TEXT(got->calls[0].json, "{\"sandbox\":{\"binding\":\"Sandbox\",\"id\":\"one\"},\"command\":\"true\"}");
	handler = returns_a_number;
	CHECK(edge_fake_get(edge, "/")->code == EDGE_CODE_QUOTA_EXCEEDED);
	handler = decides_nothing;
	CHECK(edge_fake_get(edge, "/")->code == EDGE_CODE_PLUGIN_FAILED);
	handler = fails_too_late;
	got = edge_fake_get(edge, "/");
	CHECK(got->decision == EDGE_FAKE_NEXT && got->result == -EDGE_ALREADY);
	handler = fails_at_length;
	got = edge_fake_get(edge, "/");
	CHECK(got->code == EDGE_CODE_DENIED && got->error.message.len == 3 << 10);
	edge_fake_free(edge);
}

/* ---- Decisions ---- */

static edge_errno streams(edge_request *req)
{
	edge_pair header = {EDGE_LIT("X-A"), EDGE_LIT("1")};
	CHECK(edge_respond_begin(req, 201, &(edge_pairs){&header, 1}) == EDGE_OK);
	CHECK(edge_respond_write(req, EDGE_STR("one ")) == EDGE_OK);
	CHECK(edge_respond_write(req, EDGE_STR("two")) == EDGE_OK);
	return edge_respond_end(req);
}

static edge_errno connects(edge_request *req)
{
	edge_str id = EDGE_STR("one");
	edge_query(req, "id", &id);
	char binding[] = "Sandbox";
	edge_sandbox *sandbox = edge_get_sandbox_with(req, edge_text(binding), id, &(edge_sandbox_options){.sleep_after_ms = 60000});
	memset(binding, 'x', sizeof binding - 1); /* it is the handle's own by now */
	edge_str protocols[] = {EDGE_LIT("chat")};
	edge_target_options options = {.policy = {.idle_timeout_ms = 1000, .protocols = {protocols, 1}}, .wake = EDGE_STR("never")};
	return edge_ws_connect(sandbox, 8080, &options);
}

static edge_errno proxies(edge_request *req)
{
	return edge_proxy_to(one(req), 9000, NULL);
}

static edge_errno previews(edge_request *req)
{
	return edge_proxy_preview(req);
}

static edge_errno plans(edge_request *req)
{
	edge_plan_process process = {.process_id = EDGE_STR("server"), .command = EDGE_STR("run")};
	edge_plan_ready ready = {0};
	edge_pair header = {EDGE_LIT("Retry-After"), EDGE_LIT("5")};
	edge_plan_answer fallback = {.status = 503, .headers = {&header, 1}};
	edge_plan_file file = {.path = EDGE_STR("/a"), .content = EDGE_STR("")};
	edge_plan_steps steps = {
		.sandbox = {.binding = EDGE_STR("Sandbox"), .id = EDGE_STR("one")},
		.files = {&file, 1},
		.process = &process,
		.ready = &ready,
		.then = EDGE_STR("connect"),
		.port = 8080,
		.timeout_ms = 5000,
		.fallback = &fallback,
	};
	return edge_plan(req, &steps);
}

static void test_decisions(void)
{
	edge_fake *edge = edge_fake_new();
	handler = streams;
	const edge_fake_outcome *got = edge_fake_get(edge, "/");
	CHECK(got->status == 201 && got->ended);
	CHECK_TEXT(got->body, "one two");
	handler = connects;
	got = edge_fake_websocket(edge, "/");
	CHECK(got->decision == EDGE_FAKE_CONNECT && got->port == 8080);
	CHECK_TEXT(got->json, "{\"policy\":{\"idleTimeout\":1000,\"protocols\":[\"chat\"]},\"wake\":\"never\",\"sandbox\":{\"sleepAfter\":60000}}");
	CHECK(edge_fake_get(edge, "/")->code == EDGE_CODE_UPGRADE_REQUIRED);
	const char *const bad[] = {"/?id=", "/?id=-a", "/?id=a-", "/?id=WWW", "/?id=a_b", "/?id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(edge_fake_websocket(edge, bad[i])->code == EDGE_CODE_INVALID_SANDBOX_ID);
	handler = proxies;
	got = edge_fake_get(edge, "/");
	CHECK(got->decision == EDGE_FAKE_PROXY && got->port == 9000 && got->json.len == 0);
	handler = previews;
	CHECK(edge_fake_get(edge, "/")->code == EDGE_CODE_NOT_FOUND);
	edge_fake_preview(edge, true);
	CHECK(edge_fake_get(edge, "/")->decision == EDGE_FAKE_PROXY);
	handler = plans;
	got = edge_fake_get(edge, "/");
	CHECK(got->decision == EDGE_FAKE_PLAN);
	CHECK_TEXT(got->json, "{\"sandbox\":{\"binding\":\"Sandbox\",\"id\":\"one\"},\"files\":[{\"path\":\"/a\",\"content\":\"\"}],"
			      "\"process\":{\"processId\":\"server\",\"command\":\"run\"},\"ready\":{},\"then\":\"connect\",\"port\":8080,\"timeout\":5000,"
			      "\"fallback\":{\"status\":503,\"headers\":[[\"Retry-After\",\"5\"]]}}");
	edge_fake_free(edge);
}

/* ---- Operations ---- */

static edge_errno works(edge_request *req)
{
	edge_sandbox *sandbox = one(req);
	edge_exec_result result;
	edge_process_list list;
	edge_pair env[] = {{EDGE_LIT("A"), EDGE_LIT("1")}, {EDGE_LIT("B"), {NULL, 0}}};
	edge_str content;
	const edge_value *answer;
	CHECK(edge_sandbox_exec(sandbox, &(edge_exec_options){.command = EDGE_STR("ls \"a\"\n"), .timeout_ms = 10}, &result) == EDGE_OK);
	CHECK(result.exit_code == -3 && !result.success && result.stdout.len == 5000 && result.duration_ms == 12);
	CHECK(edge_sandbox_list_processes(sandbox, &list) == EDGE_OK && list.processes.count == 2);
	CHECK(!list.processes.items[0].exit_code.set && list.processes.items[1].exit_code.set && list.processes.items[1].exit_code.value == 0);
	CHECK(edge_sandbox_set_env_vars(sandbox, &(edge_set_env_vars_options){.env_vars = {env, 2}}) == EDGE_OK);
	CHECK(edge_put_file(sandbox, EDGE_STR("/a"), EDGE_STR("\xff\0\1")) == EDGE_OK);
	CHECK(edge_get_file(sandbox, EDGE_STR("/a"), &content) == EDGE_OK && edge_equal(content, EDGE_STR("\xff\0")));
	edge_json *fields = edge_json_new(req);
	edge_json_object(fields);
	edge_json_key(fields, "n");
	edge_json_int(fields, 1);
	edge_json_end_object(fields);
	CHECK(edge_op(sandbox, "someday", fields, &answer) == EDGE_OK && edge_as_bool(edge_get(answer, "value"), false));
	CHECK(edge_sandbox_get_state(sandbox, &(edge_sandbox_state){0}) == EDGE_INTERNAL);
	return edge_next(req);
}

static void test_operations(void)
{
	static char big[5100] = "{\"exitCode\":-3,\"duration\":12.5,\"success\":false,\"stdout\":\"";
	size_t begin = strlen(big);
	memset(big + begin, 'x', 5000);
	strcpy(big + begin + 5000, "\"}");
	edge_fake *edge = edge_fake_new();
	edge_fake_answer(edge, "exec", big);
	edge_fake_answer(edge, "listProcesses", "{\"processes\":[{\"id\":\"a\"},{\"id\":\"b\",\"exitCode\":0}]}");
	edge_fake_answer(edge, "setEnvVars", "{}");
	edge_fake_answer(edge, "writeFile", "{}");
	edge_fake_answer(edge, "readFile", "{\"content\":\"/wA=\",\"encoding\":\"base64\"}");
	edge_fake_answer(edge, "someday", "{\"value\":true}");
	edge_fake_answer(edge, "getState", "{\"state\":7}");
	handler = works;
	const edge_fake_outcome *got = edge_fake_get(edge, "/");
	CHECK(got->decision == EDGE_FAKE_NEXT && got->call_count == 7);
	CHECK_TEXT(got->calls[0].json, "{\"sandbox\":{\"binding\":\"Sandbox\",\"id\":\"one\"},\"command\":\"ls \\\"a\\\"\\n\",\"timeout\":10}");
	CHECK_TEXT(got->calls[2].json, "{\"sandbox\":{\"binding\":\"Sandbox\",\"id\":\"one\"},\"envVars\":{\"A\":\"1\",\"B\":null}}");
	CHECK_TEXT(got->calls[3].json, "{\"sandbox\":{\"binding\":\"Sandbox\",\"id\":\"one\"},\"path\":\"/a\",\"content\":\"/wAB\",\"encoding\":\"base64\"}");
	CHECK_TEXT(got->calls[5].json, "{\"sandbox\":{\"binding\":\"Sandbox\",\"id\":\"one\"},\"n\":1}");
	edge_fake_free(edge);
}

static edge_errno talks(edge_request *req)
{
	edge_socket *socket;
	edge_message message;
	edge_exec_event event;
	CHECK(edge_sandbox_exec_stream(one(req), &(edge_exec_stream_options){.command = EDGE_STR("cat")}, &socket) == EDGE_OK);
	CHECK(edge_socket_send_binary(socket, EDGE_STR("input")) == EDGE_OK);
	CHECK(edge_socket_send_input(socket, &(edge_stream_input){.type = EDGE_STR("end")}) == EDGE_OK);
	CHECK(edge_socket_recv(socket, EDGE_UNTIL_DEADLINE, &message) == EDGE_OK && !message.binary);
	CHECK(edge_read_exec_event(req, message.data, &event) && edge_is(event.type, "stdout") && edge_is(event.data, "hi"));
	CHECK(edge_socket_recv(socket, 0, &message) == EDGE_OK && message.binary && edge_equal(message.data, EDGE_STR("\0\1")));
	CHECK(!edge_read_exec_event(req, message.data, &event));
	CHECK(edge_socket_recv(socket, 0, &message) == EDGE_CLOSED && edge_closed_code(req) == 1000);
	CHECK(edge_socket_close(socket, 1000, EDGE_STR("")) == EDGE_OK);
	CHECK(edge_ws_open(one(req), 8083, &(edge_web_socket_options){.path = EDGE_STR("/p")}, &socket) == EDGE_OK);
	return edge_next(req);
}

static void test_streams(void)
{
	edge_fake *edge = edge_fake_new();
	edge_fake_message(edge, false, EDGE_STR("{\"type\":\"stdout\",\"data\":\"hi\"}"));
	edge_fake_message(edge, true, EDGE_STR("\0\1"));
	handler = talks;
	const edge_fake_outcome *got = edge_fake_get(edge, "/");
	CHECK(got->decision == EDGE_FAKE_NEXT);
	CHECK_TEXT(got->sent, "input{\"type\":\"end\"}");
	CHECK_TEXT(got->calls[1].json, "{\"path\":\"/p\"}");
	edge_fake_free(edge);
}

/* ---- Surroundings ---- */

static edge_errno looks_around(edge_request *req)
{
	edge_str secret, body, piece;
	edge_kv_entry entry;
	uint64_t revision;
	const edge_value *keys;
	edge_fetched answer;
	unsigned char bytes[70000] = {0};
	edge_pair label = {EDGE_LIT("room"), EDGE_LIT("a")};
	CHECK(edge_as_int(edge_config(req, "port"), 0) == 8080);
	CHECK(edge_config(req, "none") == NULL);
	CHECK(edge_secret(req, "key", &secret) && edge_is(secret, "s3cret"));
	CHECK(!edge_secret(req, "none", &secret));
	CHECK(edge_feature("kv") && edge_now() == 42 && edge_monotonic() == 1);
	CHECK(edge_random(bytes, sizeof bytes) == EDGE_OK && bytes[69999]);
	CHECK(edge_count(req, "seen", 2, (edge_pairs){&label, 1}) == EDGE_OK);
	CHECK(edge_observe(req, "took", 3, (edge_pairs){0}) == EDGE_OK);
	edge_log(req, EDGE_INFO, EDGE_STR("hello"), (edge_pairs){&label, 1});
	edge_logf(req, EDGE_WARN, "%s %.*s %c %u %x %zu %lld %%", "a", 1, "bcd", 'e', 5u, 255u, (size_t)6, -7LL);

	const char *unknown = "%d%% of %5d, %s"; /* a variable: a compiler that saw it would know better */
	CHECK_TEXT(edge_format(req, unknown, 1, 2, 3), "1% of %5d, %s");

	edge_str key = EDGE_STR("k");
	CHECK(edge_kv_get(req, key, &entry) == EDGE_NOT_FOUND);
	CHECK(edge_kv_set(req, key, EDGE_STR("v"), 0, 0, &revision) == EDGE_OK && revision == 1);
	CHECK(edge_kv_set(req, key, EDGE_STR("w"), 0, 0, NULL) == EDGE_ALREADY && edge_last_code(req) == EDGE_CODE_CONFLICT);
	CHECK_TEXT(edge_last_error(req)->details, "{\"revision\":1}");
	CHECK(edge_kv_set(req, key, EDGE_STR("w"), 1000, EDGE_KV_ANY, &revision) == EDGE_OK && revision == 2);
	CHECK(edge_kv_get(req, key, &entry) == EDGE_OK && entry.revision == 2 && edge_is(entry.value, "w"));
	CHECK(edge_kv_list(req, EDGE_STR(""), EDGE_STR(""), 0, &keys) == EDGE_OK && edge_get(keys, "entries")->count == 1);
	CHECK(edge_kv_delete(req, key, EDGE_KV_ANY) == EDGE_OK && edge_kv_get(req, key, &entry) == EDGE_NOT_FOUND);

	edge_fetch_options options = {.method = EDGE_STR("POST"), .headers = {&label, 1}, .timeout_ms = 5, .request_body = true};
	CHECK(edge_fetch(req, EDGE_STR("https://example.com/"), &options, &answer) == EDGE_OK && answer.status == 203);
	CHECK(answer.headers.count == 1 && edge_is(answer.headers.items[0].value, "text/plain") && edge_is(answer.url, "https://example.com/"));
	CHECK(edge_fetch_body(req, &answer, 6, &body) == EDGE_OK && edge_is(body, "answer"));
	CHECK(edge_fetch_read(req, &answer, &piece) == EDGE_OK && piece.len == 0);
	edge_fetch_close(req, &answer);
	return edge_next(req);
}

edge_errno edge_on_event(edge_sandbox *sandbox, const edge_sandbox_event *event)
{
	CHECK_TEXT(edge_sandbox_id(sandbox), "one");
	CHECK_TEXT(event->type, "stop");
	CHECK(event->exit_code.set && event->exit_code.value == 137 && event->generation == 4);
	return EDGE_OK;
}

static void test_surroundings(void)
{
	edge_fake *edge = edge_fake_new();
	edge_fake_config(edge, "port", "8080");
	edge_fake_secret(edge, "key", EDGE_STR("s3cret"));
	edge_fake_fetched(edge, 203, EDGE_STR("answer"));
	handler = looks_around;
	const edge_fake_outcome *got = edge_fake_get(edge, "/");
	CHECK(got->decision == EDGE_FAKE_NEXT);
	CHECK_TEXT(got->metrics, "seen room a 2\ntook 3\n");
	CHECK_TEXT(got->log, "hello room a\na b e 5 ff 6 -7 %\n");
	CHECK_TEXT(got->calls[0].json, "{\"method\":\"POST\",\"url\":\"https://example.com/\",\"headers\":[[\"room\",\"a\"]],\"timeout\":5,\"body\":\"request\"}");
	CHECK(edge_fake_event(edge, "{\"type\":\"stop\",\"binding\":\"Sandbox\",\"id\":\"one\",\"generation\":4,\"exitCode\":137}") == 0);
	CHECK(edge_fake_event(edge, "[]") == EDGE_INTERNAL);
	edge_fake_free(edge);
}

/* ---- JSON ---- */

/* Writes what was read, so that it reads back the same. */
static void write_back(edge_json *json, const edge_value *value)
{
	switch (value->kind) {
	case EDGE_STRING:
		edge_json_string(json, value->text);
		return;
	case EDGE_ARRAY:
		edge_json_array(json);
		for (const edge_value *v = value->first; v; v = v->next)
			write_back(json, v);
		edge_json_end_array(json);
		return;
	case EDGE_OBJECT:
		edge_json_object(json);
		for (const edge_value *v = value->first; v; v = v->next) {
			edge_json_key_str(json, v->name);
			write_back(json, v);
		}
		edge_json_end_object(json);
		return;
	default:
		edge_json_raw(json, value->text);
	}
}

static edge_str back(edge_request *req, edge_str text)
{
	const edge_value *value = edge_json_parse(req, text);
	if (!value)
		return EDGE_STR("refused");
	edge_json *json = edge_json_new(req);
	write_back(json, value);
	return edge_json_text(json);
}

static void test_json(void)
{
	edge_fake *edge = edge_fake_new();
	edge_request *req = edge_fake_memory(edge);
	const char *const good[] = {"null", "true", "-12", "1.5e-3", "\"\"", "\"a\\\"\\\\\\n\\r\\t\\u0001\xc3\xa9\"", "[]", "{}", "[1,[2,{\"a\":[]}],\"x\"]", "{\"a\":1,\"b\":{\"c\":null},\"d\":[true,false]}"};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		CHECK_TEXT(back(req, edge_text(good[i])), good[i]);
	CHECK_TEXT(back(req, EDGE_STR(" { \"a\" : [ 1 , 2 ] } \n")), "{\"a\":[1,2]}");
	CHECK_TEXT(back(req, EDGE_STR("\"\\ud83d\\ude00\\/\\ud800x\"")), "\"\xf0\x9f\x98\x80/\xef\xbf\xbdx\"");
	const char *const bad[] = {"", " ", "nul", "[", "[1", "[1,", "[1,]", "{", "{\"a\"", "{\"a\":", "{\"a\":1,}", "{a:1}", "01", "1.", "1e", "-", ".5", "+1", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"a\nb\"", "1 2", "[1]]", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\""};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK_TEXT(back(req, edge_text(bad[i])), "refused");
	static char deep[100000];
	memset(deep, '[', sizeof deep);
	CHECK(!edge_json_parse(req, (edge_str){deep, sizeof deep}));
	CHECK(edge_as_int(edge_json_parse(req, EDGE_STR("9223372036854775807")), 0) == INT64_MAX);
	CHECK(edge_as_int(edge_json_parse(req, EDGE_STR("-9223372036854775808")), 0) == INT64_MIN);
	CHECK(edge_as_int(edge_json_parse(req, EDGE_STR("9223372036854775808")), 5) == 5);
	CHECK(edge_as_int(edge_json_parse(req, EDGE_STR("1.5")), 5) == 5);
	CHECK(edge_as_int(edge_get(edge_json_parse(req, EDGE_STR("{\"a\":1,\"a\":2}")), "a"), 0) == 2);
	edge_json *json = edge_json_new(req);
	edge_json_string(json, EDGE_STR("a\xff\xc3\xa9"));
	CHECK_TEXT(edge_json_text(json), "\"a\xef\xbf\xbd\xc3\xa9\"");
	edge_fake_free(edge);
}

/* Whatever bytes come, reading stays within them and ends, and what was read is written so
 * that it reads back. */
static void test_any_bytes(void)
{
	static const char *const seeds[] = {"{\"a\":[1,2.5e3,\"x\\u00e9\\n\"],\"b\":null}", "[[[]]]", "\"\\ud83d\\ude00\"", "-0.1E-7",
					    "{\"id\":\"a\",\"pid\":1,\"status\":\"running\",\"exitCode\":0,\"startedAt\":\"x\"}",
					    "{\"code\":\"DENIED\",\"message\":\"m\",\"retryable\":true,\"started\":\"no\",\"details\":{\"a\":[]}}"};
	uint64_t state = 0x2545f4914f6cdd1d;
	for (int i = 0; i < 300000; i++) {
		edge_fake *edge = i % 64 ? NULL : edge_fake_new();
		static edge_fake *shared;
		if (edge) {
			if (shared)
				edge_fake_free(shared);
			shared = edge;
		}
		edge_request *req = edge_fake_memory(shared);
		const char *seed = seeds[i % (int)(sizeof seeds / sizeof seeds[0])];
		size_t len = strlen(seed);
		char *text = malloc(len); /* of its exact size, so that a byte too far is found */
		memcpy(text, seed, len);
		for (int k = 0; k < 1 + i % 4; k++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			size_t at = state % len;
			text[at] = state >> 32 & 1 ? "{}[]\",:\\u0e-."[state >> 40 & 7] : (char)(state >> 48);
		}
		size_t cut = state >> 20 & 3 ? len : state % (len + 1);
		edge_str bytes = {text, cut};
		edge_str written = back(req, bytes);
		if (!edge_is(written, "refused"))
			CHECK(edge_json_parse(req, written) != NULL);
		edge_sandbox_event event;
		edge_exec_event exec;
		edge_not_ready not_ready;
		edge_read_sandbox_event(req, bytes, &event);
		edge_read_exec_event(req, bytes, &exec);
		edge_read_not_ready(req, bytes, &not_ready);
		free(text);
		if (i == 299999)
			edge_fake_free(shared);
	}
}

int main(void)
{
	test_requests();
	test_errors();
	test_decisions();
	test_operations();
	test_streams();
	test_surroundings();
	test_json();
	test_any_bytes();
	if (failures)
		fprintf(stderr, "%d checks failed\n", failures);
	return failures ? 1 : 0;
}
