/* The conformance kit's guest, made with the C SDK: it carries out the cases of
 * ../../guest.json, whose docs say what each does. */

#include "edge.h"

#define TRY(call)                  \
	do {                           \
		edge_errno no_ = (call);   \
		if (no_ != EDGE_OK)        \
			return no_;            \
	} while (0)

#define S EDGE_STR
#define TEXT(...) edge_respond_text(req, 200, edge_format(req, __VA_ARGS__))
/* A text for a %.*s of edge_format. */
#define A(s) (int)(s).len, (s).ptr

static const char *yes(bool b) { return b ? "true" : "false"; }

static edge_sandbox *one(edge_request *req) { return edge_get_sandbox(req, S("Sandbox"), S("one")); }

/* ---- the request ---- */

static edge_errno hello(edge_request *req)
{
	edge_str m = edge_method(req), p = edge_path(req), q = edge_raw_query(req), h = edge_host(req);
	edge_str s = edge_scheme(req), a = edge_remote_addr(req), i = edge_request_id(req);
	return TEXT("%.*s %.*s %.*s %.*s %.*s %.*s %.*s", A(m), A(p), A(q), A(h), A(s), A(a), A(i));
}

static edge_errno query(edge_request *req)
{
	edge_str a = {0}, none = {0};
	edge_query(req, "a", &a);
	edge_query(req, "none", &none);
	return TEXT("%.*s|%.*s", A(a), A(none));
}

static edge_errno header(edge_request *req)
{
	edge_str first = {0}, all = {0};
	edge_header(req, "Accept", &first);
	edge_strs values = edge_header_values(req, "Accept");
	for (size_t i = 0; i < values.count; i++)
		all = edge_format(req, "%.*s%s%.*s", A(all), i > 0 ? "," : "", A(values.items[i]));
	return TEXT("%.*s|%.*s|%s", A(first), A(all), yes(edge_is_upgrade(req)));
}

static edge_errno headers(edge_request *req)
{
	edge_pairs all;
	TRY(edge_headers(req, &all));
	edge_pair last = all.items[all.count - 1];
	return TEXT("%zu %.*s=%.*s", all.count, A(last.name), A(last.value));
}

static edge_errno edits(edge_request *req)
{
	TRY(edge_set_method(req, S("PUT")));
	TRY(edge_set_path(req, S("/new%20path")));
	TRY(edge_set_raw_query(req, S("k=v")));
	TRY(edge_set_header(req, "X-One", S("1")));
	TRY(edge_add_header(req, "X-Two", S("a")));
	TRY(edge_add_header(req, "X-Two", S("b")));
	TRY(edge_del_header(req, "X-Gone"));
	return edge_proxy_to(one(req), 8080, NULL);
}

static edge_errno edit_denied(edge_request *req)
{
	TRY(edge_set_header(req, "Host", S("other")));
	return TEXT("set");
}

static edge_errno body(edge_request *req)
{
	edge_str b;
	TRY(edge_body(req, 1024, &b));
	return edge_respond_text(req, 200, b);
}

static edge_errno body_large(edge_request *req)
{
	edge_str b;
	TRY(edge_body(req, 4, &b));
	return TEXT("read");
}

/* ---- decisions ---- */

static edge_errno json(edge_request *req)
{
	edge_json *j = edge_json_new(req);
	edge_json_object(j);
	edge_json_key(j, "a");
	edge_json_int(j, 1);
	edge_json_key(j, "b");
	edge_json_array(j);
	edge_json_string(j, S("x"));
	edge_json_bool(j, true);
	edge_json_null(j);
	edge_json_end_array(j);
	edge_json_end_object(j);
	return edge_respond_json(req, 201, j);
}

static edge_errno status(edge_request *req)
{
	const edge_pair kind = {EDGE_LIT("X-Kind"), EDGE_LIT("none")};
	return edge_respond(req, 404, &(edge_pairs){&kind, 1}, S(""));
}

static edge_errno stream(edge_request *req)
{
	const edge_pair kind = {EDGE_LIT("X-Kind"), EDGE_LIT("pieces")};
	TRY(edge_respond_begin(req, 201, &(edge_pairs){&kind, 1}));
	TRY(edge_respond_write(req, S("one ")));
	TRY(edge_respond_write(req, S("two ")));
	TRY(edge_respond_write(req, S("three")));
	return edge_respond_end(req);
}

static edge_errno connect(edge_request *req)
{
	const edge_str chat = EDGE_LIT("chat");
	edge_target_options options = {.policy = {.idle_timeout_ms = 1000, .max_message_bytes = 4096, .protocols = {&chat, 1}}};
	return edge_ws_connect(one(req), 8080, &options);
}

static edge_errno connect_plain(edge_request *req) { return edge_ws_connect(one(req), 8080, NULL); }

static edge_errno connect_bad_id(edge_request *req)
{
	return edge_ws_connect(edge_get_sandbox(req, S("Sandbox"), S("Not Good")), 8080, NULL);
}

static edge_errno connect_options(edge_request *req)
{
	const edge_pair team = {EDGE_LIT("team"), EDGE_LIT("a")};
	edge_sandbox_options options = {.sleep_after_ms = 600000, .labels = {&team, 1}};
	return edge_ws_connect(edge_get_sandbox_with(req, S("Sandbox"), S("one"), &options), 9000, NULL);
}

static edge_errno proxy(edge_request *req) { return edge_proxy_to(one(req), 8080, NULL); }

static edge_errno proxy_port(edge_request *req) { return edge_proxy_to(one(req), 80, NULL); }

static edge_errno preview(edge_request *req)
{
	edge_errno no = edge_proxy_preview(req);
	return no == EDGE_NOT_FOUND ? TEXT("no preview") : no;
}

static edge_errno only_port(edge_request *req) { return edge_proxy_to_sandbox(one(req), NULL); }

static edge_errno fail(edge_request *req) { return edge_fail(req, EDGE_CODE_DENIED, "no such user"); }

static edge_errno fail_unknown(edge_request *req) { return edge_fail(req, EDGE_CODE_UNKNOWN, "of my own"); }

static edge_errno throw(edge_request *req)
{
	(void)req;
	__builtin_trap();
}

static edge_errno plan(edge_request *req)
{
	edge_plan_process process = {.process_id = EDGE_LIT("srv"), .command = EDGE_LIT("run")};
	edge_plan_ready ready = {.mode = EDGE_LIT("http"), .path = EDGE_LIT("/health")};
	edge_plan_answer later = {.status = 503, .body = EDGE_LIT("later")};
	edge_plan_steps steps = {
		.sandbox = {.binding = EDGE_LIT("Sandbox"), .id = EDGE_LIT("one")}, .process = &process, .ready = &ready,
		.then = EDGE_LIT("connect"), .port = 8080, .timeout_ms = 20000, .fallback = &later,
	};
	return edge_plan(req, &steps);
}

/* ---- operations ---- */

static edge_errno exec(edge_request *req)
{
	edge_exec_options options = {.command = EDGE_LIT("echo hi"), .cwd = EDGE_LIT("/tmp"), .timeout_ms = 5000};
	edge_exec_result result;
	TRY(edge_sandbox_exec(one(req), &options, &result));
	return edge_respond_text(req, 200, result.stdout);
}

static edge_errno processes(edge_request *req)
{
	edge_sandbox *s = one(req);
	edge_start_process_options start = {
		.command = EDGE_LIT("serve"), .process_id = EDGE_LIT("p"), .cwd = EDGE_LIT("/app"), .if_running = EDGE_LIT("reuse")};
	edge_process_state p, now, end;
	TRY(edge_sandbox_start_process(s, &start, &p));
	TRY(edge_sandbox_wait_for_port(s, &(edge_wait_for_port_options){.port = 8080, .process_id = p.id, .timeout_ms = 2000}, NULL));
	edge_log_match line;
	TRY(edge_sandbox_wait_for_log(s, &(edge_wait_for_log_options){.process_id = p.id, .pattern = EDGE_LIT("ready")}, &line));
	edge_logs logs;
	TRY(edge_sandbox_get_logs(s, &(edge_logs_options){.process_id = p.id, .tail = 10}, &logs));
	TRY(edge_sandbox_get_process(s, &(edge_named_process){p.id}, &now));
	edge_process_list all;
	TRY(edge_sandbox_list_processes(s, &all));
	TRY(edge_sandbox_kill_process(s, &(edge_kill_options){.process_id = p.id, .signal = EDGE_LIT("INT")}, &end));
	edge_exit_status exit;
	TRY(edge_sandbox_wait_for_exit(s, &(edge_wait_for_exit_options){.process_id = p.id}, &exit));
	return TEXT("%.*s|%.*s|%.*s|%.*s|%zu|%lld", A(p.id), A(line.line), A(logs.stdout), A(now.status), all.processes.count,
		(long long)exit.exit_code);
}

static edge_errno files(edge_request *req)
{
	edge_sandbox *s = one(req);
	const edge_str f = EDGE_LIT("d/f");
	TRY(edge_sandbox_mkdir(s, &(edge_mkdir_options){.path = EDGE_LIT("d"), .recursive = true}));
	TRY(edge_sandbox_write_file(s, &(edge_write_file_options){.path = f, .content = EDGE_LIT("text"), .mode = EDGE_LIT("0600")}, NULL));
	edge_str read;
	TRY(edge_get_file(s, f, &read));
	edge_exists_response exists;
	TRY(edge_sandbox_exists(s, &(edge_named_path){f}, &exists));
	edge_file_list list;
	TRY(edge_sandbox_list_files(s, &(edge_list_files_options){.path = EDGE_LIT("d")}, &list));
	TRY(edge_sandbox_rename_file(s, &(edge_rename_file_options){f, EDGE_LIT("d/g")}));
	TRY(edge_sandbox_move_file(s, &(edge_move_file_options){EDGE_LIT("d/g"), EDGE_LIT("e/")}));
	TRY(edge_sandbox_set_permissions(s, &(edge_set_permissions_options){.path = EDGE_LIT("e/g"), .mode = EDGE_LIT("0755")}));
	TRY(edge_sandbox_delete_file(s, &(edge_delete_file_options){.path = EDGE_LIT("d"), .recursive = true}));
	return TEXT("%.*s|%s|%.*s", A(read), yes(exists.exists), A(list.files.items[0].name));
}

static edge_errno binary(edge_request *req)
{
	TRY(edge_put_file(one(req), S("b"), S("\0\xff")));
	edge_str b;
	TRY(edge_get_file(one(req), S("b"), &b));
	return TEXT("%zu %d", b.len, (unsigned char)b.ptr[b.len - 1]);
}

static edge_errno ports(edge_request *req)
{
	edge_sandbox *s = one(req);
	edge_expose_options options = {.port = 8080, .name = EDGE_LIT("web"), .token = EDGE_LIT("tok_1"), .ttl_ms = 3600000};
	edge_exposed_port exposed;
	TRY(edge_sandbox_expose_port(s, &options, &exposed));
	edge_exposed_ports all;
	TRY(edge_sandbox_get_exposed_ports(s, &all));
	edge_bool_response is, valid;
	TRY(edge_sandbox_is_port_exposed(s, &(edge_named_port){8080}, &is));
	TRY(edge_sandbox_validate_port_token(s, &(edge_token_options){8080, EDGE_LIT("tok_1")}, &valid));
	TRY(edge_sandbox_unexpose_port(s, &(edge_unexpose_port_options){.port = 8080}));
	return TEXT("%.*s|%zu|%s|%s", A(exposed.url), all.ports.count, yes(is.value), yes(valid.value));
}

static edge_errno links(edge_request *req)
{
	edge_sandbox *s = one(req);
	edge_expose_options options = {
		.port = 8080, .token_in = EDGE_LIT("request"), .host = EDGE_LIT("app:${port}"), .on_restart = EDGE_LIT("revoke"),
	};
	edge_exposed_port exposed;
	TRY(edge_sandbox_expose_port(s, &options, &exposed));
	edge_preview_link link;
	TRY(edge_sandbox_create_preview_link(s, &(edge_preview_link_options){.port = 8080, .ttl_ms = 600000, .path = EDGE_LIT("/a?b=c")}, &link));
	TRY(edge_sandbox_unexpose_port(s, &(edge_unexpose_port_options){.port = 8080, .drain_ms = 30000}));
	return TEXT("%.*s|%.*s", A(exposed.token), A(link.url));
}

static edge_errno life(edge_request *req)
{
	edge_sandbox *s = one(req);
	TRY(edge_sandbox_start(s, NULL));
	TRY(edge_sandbox_touch(s, NULL));
	TRY(edge_sandbox_pause(s, NULL));
	TRY(edge_sandbox_resume(s, NULL));
	edge_sandbox_state state;
	TRY(edge_sandbox_get_state(s, &state));
	const edge_pair a = {EDGE_LIT("A"), EDGE_LIT("1")};
	TRY(edge_sandbox_set_env_vars(s, &(edge_set_env_vars_options){{&a, 1}}));
	edge_session_state session;
	TRY(edge_sandbox_create_session(s, &(edge_session_options){.id = EDGE_LIT("s"), .cwd = EDGE_LIT("/app")}, &session));
	edge_exec_result id;
	TRY(edge_sandbox_exec(s, &(edge_exec_options){.command = EDGE_LIT("id"), .session = session.id}, &id));
	TRY(edge_sandbox_delete_session(s, &(edge_named_session){session.id}));
	TRY(edge_sandbox_stop(s, &(edge_stop_options){.signal = EDGE_LIT("INT")}, NULL));
	TRY(edge_sandbox_destroy(s));
	return TEXT("%.*s|%.*s|%.*s", A(state.state), A(session.id), A(id.stdout));
}

static edge_errno ensure(edge_request *req)
{
	const edge_server server = {
		.process_id = EDGE_LIT("srv"), .port = 8080, .path = EDGE_LIT("/tmp/s"), .source = EDGE_LIT("code"), .command = EDGE_LIT("run /tmp/s")};
	TRY(edge_ensure_server(one(req), &server));
	return edge_ws_connect(one(req), server.port, NULL);
}

/* ---- sockets and streams ---- */

static edge_errno socket(edge_request *req)
{
	edge_socket *ws;
	edge_message m;
	TRY(edge_ws_open(one(req), 8080, &(edge_web_socket_options){.path = EDGE_LIT("/feed")}, &ws));
	TRY(edge_socket_send_text(ws, S("hi")));
	TRY(edge_socket_send_binary(ws, S("\0\1")));
	edge_str said = {0};
	edge_errno no;
	while ((no = edge_socket_recv(ws, 5000, &m)) == EDGE_OK)
		said = edge_format(req, "%.*s%.*s|", A(said), A(m.data));
	int code = edge_closed_code(req);
	if (code == 0)
		return no;
	const edge_value *details = edge_json_parse(req, edge_last_error(req)->details);
	edge_str reason = edge_as_str(edge_get(details, "reason"), S(""));
	return TEXT("%.*sclosed %d %.*s", A(said), code, A(reason));
}

static edge_errno socket_close(edge_request *req)
{
	edge_socket *ws;
	edge_message m;
	TRY(edge_ws_open(one(req), 8080, NULL, &ws));
	edge_str code = {0};
	if (edge_socket_recv(ws, 1, &m) != EDGE_OK)
		code = edge_last_error(req)->code;
	TRY(edge_socket_close(ws, 3000, S("bye")));
	return edge_respond_text(req, 200, code);
}

static edge_errno socket_refused(edge_request *req)
{
	edge_socket *ws;
	TRY(edge_ws_open(one(req), 8080, NULL, &ws));
	return TEXT("opened");
}

/* Closes a stream that ended; to have ended well is no error. */
static edge_errno ended(edge_request *req, edge_socket *stream, edge_errno no)
{
	bool well = no == EDGE_CLOSED && edge_closed_code(req) == 1000;
	edge_errno closed = edge_socket_close(stream, 1000, S(""));
	return well ? closed : no;
}

static edge_errno events(edge_request *req)
{
	edge_socket *events;
	edge_message m;
	TRY(edge_sandbox_exec_stream(one(req), &(edge_exec_stream_options){.command = EDGE_LIT("make"), .input = true}, &events));
	TRY(edge_socket_send_binary(events, S("in")));
	TRY(edge_socket_send_input(events, &(edge_stream_input){.type = EDGE_LIT("end")}));
	edge_str types = {0}, data = {0};
	edge_errno no;
	while ((no = edge_socket_recv(events, EDGE_UNTIL_DEADLINE, &m)) == EDGE_OK) {
		edge_exec_event event;
		if (!edge_read_exec_event(req, m.data, &event))
			return edge_fail(req, EDGE_CODE_INTERNAL, "an event cannot be read");
		types = edge_format(req, "%.*s%s%.*s", A(types), types.len > 0 ? "," : "", A(event.type));
		data = edge_format(req, "%.*s%.*s", A(data), A(event.data));
	}
	TRY(ended(req, events, no));
	return TEXT("%.*s|%.*s", A(types), A(data));
}

static edge_errno events_failed(edge_request *req)
{
	edge_socket *events;
	edge_message m;
	TRY(edge_sandbox_exec_stream(one(req), &(edge_exec_stream_options){.command = EDGE_LIT("make")}, &events));
	edge_errno no;
	while ((no = edge_socket_recv(events, EDGE_UNTIL_DEADLINE, &m)) == EDGE_OK)
		;
	TRY(ended(req, events, no));
	return TEXT("ended");
}

static edge_errno download(edge_request *req)
{
	edge_socket *file;
	edge_message m;
	TRY(edge_sandbox_read_file_stream(one(req), &(edge_read_file_stream_options){.path = EDGE_LIT("big")}, &file));
	TRY(edge_socket_recv(file, EDGE_UNTIL_DEADLINE, &m));
	int64_t said = edge_as_int(edge_get(edge_json_parse(req, m.data), "size"), -1);
	size_t size = 0;
	edge_errno no;
	while ((no = edge_socket_recv(file, EDGE_UNTIL_DEADLINE, &m)) == EDGE_OK)
		size += m.data.len;
	TRY(ended(req, file, no));
	return TEXT("%lld %zu", (long long)said, size);
}

/* ---- services ---- */

static edge_errno store(edge_request *req)
{
	edge_kv_entry none, held;
	edge_errno missing = edge_kv_get(req, S("none"), &none);
	if (missing != EDGE_OK && missing != EDGE_NOT_FOUND)
		return missing;
	uint64_t second;
	TRY(edge_kv_set(req, S("k"), S("v1"), 60000, 0, NULL));
	TRY(edge_kv_get(req, S("k"), &held));
	TRY(edge_kv_set(req, S("k"), S("v2"), 0, (int64_t)held.revision, &second));
	const edge_value *page;
	TRY(edge_kv_list(req, S("k"), S(""), 0, &page));
	TRY(edge_kv_delete(req, S("k"), EDGE_KV_ANY));
	edge_str keys = {0};
	for (const edge_value *e = edge_get(page, "entries")->first; e != NULL; e = e->next) {
		edge_str key = edge_as_str(edge_get(e, "key"), S("?"));
		keys = edge_format(req, "%.*s%s%.*s", A(keys), keys.len > 0 ? "," : "", A(key));
	}
	return TEXT("%s|%.*s|%llu|%llu|%.*s|%s", missing == EDGE_NOT_FOUND ? "absent" : "there", A(held.value), (unsigned long long)held.revision,
		(unsigned long long)second, A(keys), yes(edge_as_bool(edge_get(page, "more"), true)));
}

static edge_errno store_conflict(edge_request *req)
{
	TRY(edge_kv_set(req, S("k"), S("new"), 0, 0, NULL));
	return TEXT("set");
}

static edge_errno fetch(edge_request *req)
{
	const edge_pair xa = {EDGE_LIT("X-A"), EDGE_LIT("1")};
	edge_fetch_options options = {.method = EDGE_LIT("POST"), .headers = {&xa, 1}, .body = EDGE_LIT("ask")};
	edge_fetched answer;
	edge_str text, xb = {0};
	TRY(edge_fetch(req, S("https://api.example.com/x"), &options, &answer));
	TRY(edge_fetch_body(req, &answer, 1 << 20, &text));
	for (size_t i = 0; i < answer.headers.count; i++)
		if (edge_is(answer.headers.items[i].name, "X-B"))
			xb = answer.headers.items[i].value;
	return TEXT("%d|%.*s|%.*s", answer.status, A(xb), A(text));
}

static edge_errno fetch_denied(edge_request *req)
{
	edge_fetched answer;
	TRY(edge_fetch(req, S("https://api.example.com/"), NULL, &answer));
	return TEXT("fetched");
}

static edge_errno surroundings(edge_request *req)
{
	edge_str greeting = edge_as_str(edge_config(req, "greeting"), S("none")), token = {0}, none;
	int64_t n = edge_as_int(edge_get(edge_config(req, "limits"), "n"), 0);
	const char *missing = edge_config(req, "missing") == NULL ? "absent" : "there";
	edge_secret(req, "TOKEN", &token);
	const char *absent = edge_secret(req, "NONE", &none) ? "there" : "absent";
	const edge_pair who = {EDGE_LIT("who"), EDGE_LIT("tck")}, kind = {EDGE_LIT("kind"), EDGE_LIT("a")};
	edge_log(req, EDGE_WARN, S("noted"), (edge_pairs){&who, 1});
	TRY(edge_count(req, "hits", 2, (edge_pairs){&kind, 1}));
	TRY(edge_observe(req, "took", 0.5, (edge_pairs){0}));
	char bytes[16];
	TRY(edge_random(bytes, sizeof bytes));
	bool good = edge_now() > 946684800000000000u && edge_monotonic() > 0;
	return TEXT("%.*s|%lld|%s|%.*s|%s|%s", A(greeting), (long long)n, missing, A(token), absent, yes(good));
}

static const struct {
	const char *name;
	edge_errno (*decide)(edge_request *req);
} cases[] = {
	{"hello", hello}, {"query", query}, {"header", header}, {"upgrade", header}, {"headers", headers}, {"edits", edits},
	{"edit-denied", edit_denied}, {"body", body}, {"body-large", body_large}, {"json", json}, {"status", status}, {"stream", stream},
	{"connect", connect}, {"connect-plain", connect_plain}, {"connect-bad-id", connect_bad_id}, {"connect-options", connect_options},
	{"proxy", proxy}, {"proxy-port", proxy_port}, {"preview", preview}, {"no-preview", preview}, {"only-port", only_port}, {"next", edge_next},
	{"fail", fail}, {"fail-unknown", fail_unknown}, {"throw", throw}, {"plan", plan}, {"exec", exec}, {"exec-error", exec}, {"exec-large", exec},
	{"processes", processes}, {"files", files}, {"binary", binary}, {"ports", ports}, {"links", links}, {"life", life}, {"ensure", ensure}, {"socket", socket},
	{"socket-close", socket_close}, {"socket-refused", socket_refused}, {"events", events}, {"events-failed", events_failed},
	{"download", download}, {"store", store}, {"store-conflict", store_conflict}, {"fetch", fetch}, {"fetch-denied", fetch_denied},
	{"surroundings", surroundings},
};

edge_errno edge_on_request(edge_request *req)
{
	edge_str path = edge_path(req);
	const size_t prefix = sizeof "/case/" - 1;
	if (path.len > prefix) {
		edge_str name = {path.ptr + prefix, path.len - prefix};
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
			if (edge_is(name, cases[i].name))
				return cases[i].decide(req);
	}
	return edge_fail(req, EDGE_CODE_NOT_FOUND, "there is no case %.*s", A(path));
}
