/* Written by `go test ./abi -run TestReference -update` from the types of the
 * operation table and their comments. Do not edit. */

#include "edge_internal.h"

const edge_code_row edge_code_rows[] = {
	[EDGE_CODE_UNKNOWN] = {"", EDGE_INTERNAL, 500, false},
	[EDGE_CODE_BACKEND_FAILED] = {"BACKEND_FAILED", EDGE_UNAVAILABLE, 502, false},
	[EDGE_CODE_BODY_TOO_LARGE] = {"BODY_TOO_LARGE", EDGE_TOO_LARGE, 413, false},
	[EDGE_CODE_CANCELED] = {"CANCELED", EDGE_CLOSED, 499, false},
	[EDGE_CODE_COMMAND_NOT_FOUND] = {"COMMAND_NOT_FOUND", EDGE_NOT_FOUND, 404, false},
	[EDGE_CODE_CONFLICT] = {"CONFLICT", EDGE_ALREADY, 409, false},
	[EDGE_CODE_DENIED] = {"DENIED", EDGE_DENIED, 403, false},
	[EDGE_CODE_FETCH_FAILED] = {"FETCH_FAILED", EDGE_UNAVAILABLE, 502, true},
	[EDGE_CODE_FILE_EXISTS] = {"FILE_EXISTS", EDGE_ALREADY, 409, false},
	[EDGE_CODE_FILE_NOT_FOUND] = {"FILE_NOT_FOUND", EDGE_NOT_FOUND, 404, false},
	[EDGE_CODE_FILE_TOO_LARGE] = {"FILE_TOO_LARGE", EDGE_TOO_LARGE, 413, false},
	[EDGE_CODE_GIT_FAILED] = {"GIT_FAILED", EDGE_UNAVAILABLE, 502, false},
	[EDGE_CODE_GIT_NOT_AVAILABLE] = {"GIT_NOT_AVAILABLE", EDGE_UNAVAILABLE, 501, false},
	[EDGE_CODE_IMAGE_NOT_FOUND] = {"IMAGE_NOT_FOUND", EDGE_NOT_FOUND, 503, false},
	[EDGE_CODE_INTERNAL] = {"INTERNAL", EDGE_INTERNAL, 500, false},
	[EDGE_CODE_INVALID_PORT] = {"INVALID_PORT", EDGE_INVALID, 400, false},
	[EDGE_CODE_INVALID_REQUEST] = {"INVALID_REQUEST", EDGE_INVALID, 400, false},
	[EDGE_CODE_INVALID_SANDBOX_ID] = {"INVALID_SANDBOX_ID", EDGE_INVALID, 400, false},
	[EDGE_CODE_INVALID_TOKEN] = {"INVALID_TOKEN", EDGE_NOT_FOUND, 404, false},
	[EDGE_CODE_IS_DIRECTORY] = {"IS_DIRECTORY", EDGE_INVALID, 400, false},
	[EDGE_CODE_NOT_DIRECTORY] = {"NOT_DIRECTORY", EDGE_INVALID, 400, false},
	[EDGE_CODE_NOT_FOUND] = {"NOT_FOUND", EDGE_NOT_FOUND, 404, false},
	[EDGE_CODE_PERMISSION_DENIED] = {"PERMISSION_DENIED", EDGE_DENIED, 403, false},
	[EDGE_CODE_PLUGIN_FAILED] = {"PLUGIN_FAILED", EDGE_INTERNAL, 500, false},
	[EDGE_CODE_PLUGIN_OVERLOADED] = {"PLUGIN_OVERLOADED", EDGE_BUSY, 503, true},
	[EDGE_CODE_PLUGIN_REFUSED] = {"PLUGIN_REFUSED", EDGE_INVALID, 422, false},
	[EDGE_CODE_PORT_ALREADY_EXPOSED] = {"PORT_ALREADY_EXPOSED", EDGE_ALREADY, 409, false},
	[EDGE_CODE_PORT_NOT_EXPOSED] = {"PORT_NOT_EXPOSED", EDGE_NOT_FOUND, 404, false},
	[EDGE_CODE_PORT_NOT_LISTENING] = {"PORT_NOT_LISTENING", EDGE_UNAVAILABLE, 502, true},
	[EDGE_CODE_PROCESS_ALREADY_EXISTS] = {"PROCESS_ALREADY_EXISTS", EDGE_ALREADY, 409, false},
	[EDGE_CODE_PROCESS_EXITED_BEFORE_READY] = {"PROCESS_EXITED_BEFORE_READY", EDGE_UNAVAILABLE, 502, false},
	[EDGE_CODE_PROCESS_NOT_FOUND] = {"PROCESS_NOT_FOUND", EDGE_NOT_FOUND, 404, false},
	[EDGE_CODE_PROCESS_READY_TIMEOUT] = {"PROCESS_READY_TIMEOUT", EDGE_TIMEOUT, 504, true},
	[EDGE_CODE_QUOTA_EXCEEDED] = {"QUOTA_EXCEEDED", EDGE_QUOTA, 429, true},
	[EDGE_CODE_RUNTIME_UNAVAILABLE] = {"RUNTIME_UNAVAILABLE", EDGE_UNAVAILABLE, 503, true},
	[EDGE_CODE_SANDBOX_ASLEEP] = {"SANDBOX_ASLEEP", EDGE_BUSY, 503, true},
	[EDGE_CODE_SANDBOX_EXITED] = {"SANDBOX_EXITED", EDGE_UNAVAILABLE, 502, true},
	[EDGE_CODE_SANDBOX_LOST] = {"SANDBOX_LOST", EDGE_CLOSED, 410, false},
	[EDGE_CODE_SANDBOX_STARTING] = {"SANDBOX_STARTING", EDGE_BUSY, 503, true},
	[EDGE_CODE_SESSION_ALREADY_EXISTS] = {"SESSION_ALREADY_EXISTS", EDGE_ALREADY, 409, false},
	[EDGE_CODE_SESSION_NOT_FOUND] = {"SESSION_NOT_FOUND", EDGE_NOT_FOUND, 404, false},
	[EDGE_CODE_TIMEOUT] = {"TIMEOUT", EDGE_TIMEOUT, 504, true},
	[EDGE_CODE_TOO_MANY_REQUESTS] = {"TOO_MANY_REQUESTS", EDGE_QUOTA, 429, true},
	[EDGE_CODE_UNKNOWN_BINDING] = {"UNKNOWN_BINDING", EDGE_NOT_FOUND, 404, false},
	[EDGE_CODE_UNKNOWN_OPERATION] = {"UNKNOWN_OPERATION", EDGE_UNSUPPORTED, 404, false},
	[EDGE_CODE_UNSUPPORTED] = {"UNSUPPORTED", EDGE_UNSUPPORTED, 501, false},
	[EDGE_CODE_UPGRADE_FAILED] = {"UPGRADE_FAILED", EDGE_UNAVAILABLE, 502, false},
	[EDGE_CODE_UPGRADE_REQUIRED] = {"UPGRADE_REQUIRED", EDGE_INVALID, 426, false},
};

const size_t edge_code_count = sizeof edge_code_rows / sizeof edge_code_rows[0];

static const edge_field edge_error_fields[] = {
	{"code", offsetof(edge_error, code), EDGE_FIELD_STR, true, NULL},
	{"message", offsetof(edge_error, message), EDGE_FIELD_STR, true, NULL},
	{"operation", offsetof(edge_error, operation), EDGE_FIELD_STR, false, NULL},
	{"retryable", offsetof(edge_error, retryable), EDGE_FIELD_BOOL, true, NULL},
	{"retryAfterMs", offsetof(edge_error, retry_after_ms), EDGE_FIELD_INT, false, NULL},
	{"started", offsetof(edge_error, started), EDGE_FIELD_STR, true, NULL},
	{"details", offsetof(edge_error, details), EDGE_FIELD_RAW, false, NULL},
	{"suggestion", offsetof(edge_error, suggestion), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_error_record = {edge_error_fields, sizeof edge_error_fields / sizeof edge_error_fields[0], sizeof(edge_error)};

static const edge_field edge_sandbox_state_fields[] = {
	{"state", offsetof(edge_sandbox_state, state), EDGE_FIELD_STR, true, NULL},
	{"generation", offsetof(edge_sandbox_state, generation), EDGE_FIELD_INT, true, NULL},
	{"startedAt", offsetof(edge_sandbox_state, started_at), EDGE_FIELD_STR, false, NULL},
	{"lastActivityAt", offsetof(edge_sandbox_state, last_activity_at), EDGE_FIELD_STR, false, NULL},
	{"exitCode", offsetof(edge_sandbox_state, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"connections", offsetof(edge_sandbox_state, connections), EDGE_FIELD_INT, true, NULL},
	{"processes", offsetof(edge_sandbox_state, processes), EDGE_FIELD_INT, true, NULL},
	{"paused", offsetof(edge_sandbox_state, paused), EDGE_FIELD_BOOL, false, NULL},
	{"sleepsAt", offsetof(edge_sandbox_state, sleeps_at), EDGE_FIELD_STR, false, NULL},
	{"why", offsetof(edge_sandbox_state, why), EDGE_FIELD_STRS, false, NULL},
	{"runtime", offsetof(edge_sandbox_state, runtime), EDGE_FIELD_STR, false, NULL},
	{"dial", offsetof(edge_sandbox_state, dial), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_sandbox_state_record = {edge_sandbox_state_fields, sizeof edge_sandbox_state_fields / sizeof edge_sandbox_state_fields[0], sizeof(edge_sandbox_state)};

static const edge_field edge_stop_options_fields[] = {
	{"signal", offsetof(edge_stop_options, signal), EDGE_FIELD_STR, false, NULL},
	{"grace", offsetof(edge_stop_options, grace_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_stop_options_record = {edge_stop_options_fields, sizeof edge_stop_options_fields / sizeof edge_stop_options_fields[0], sizeof(edge_stop_options)};

static const edge_field edge_limit_fields[] = {
	{"name", offsetof(edge_limit, name), EDGE_FIELD_STR, true, NULL},
	{"value", offsetof(edge_limit, value), EDGE_FIELD_STR, true, NULL},
	{"by", offsetof(edge_limit, by), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_limit_record = {edge_limit_fields, sizeof edge_limit_fields / sizeof edge_limit_fields[0], sizeof(edge_limit)};

static const edge_field edge_server_end_fields[] = {
	{"processId", offsetof(edge_server_end, process_id), EDGE_FIELD_STR, true, NULL},
	{"exitCode", offsetof(edge_server_end, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"signal", offsetof(edge_server_end, signal), EDGE_FIELD_STR, false, NULL},
	{"oomKilled", offsetof(edge_server_end, oom_killed), EDGE_FIELD_BOOL, false, NULL},
	{"endedAt", offsetof(edge_server_end, ended_at), EDGE_FIELD_STR, false, NULL},
	{"stderrTail", offsetof(edge_server_end, stderr_tail), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_server_end_record = {edge_server_end_fields, sizeof edge_server_end_fields / sizeof edge_server_end_fields[0], sizeof(edge_server_end)};

static const edge_field edge_exposed_port_fields[] = {
	{"port", offsetof(edge_exposed_port, port), EDGE_FIELD_INT, true, NULL},
	{"name", offsetof(edge_exposed_port, name), EDGE_FIELD_STR, false, NULL},
	{"url", offsetof(edge_exposed_port, url), EDGE_FIELD_STR, true, NULL},
	{"exposedAt", offsetof(edge_exposed_port, exposed_at), EDGE_FIELD_STR, true, NULL},
	{"wsUrl", offsetof(edge_exposed_port, ws_url), EDGE_FIELD_STR, true, NULL},
	{"status", offsetof(edge_exposed_port, status), EDGE_FIELD_STR, false, NULL},
	{"access", offsetof(edge_exposed_port, access), EDGE_FIELD_STR, true, NULL},
	{"token", offsetof(edge_exposed_port, token), EDGE_FIELD_STR, false, NULL},
	{"createdAt", offsetof(edge_exposed_port, created_at), EDGE_FIELD_STR, true, NULL},
	{"expiresAt", offsetof(edge_exposed_port, expires_at), EDGE_FIELD_STR, false, NULL},
	{"connections", offsetof(edge_exposed_port, connections), EDGE_FIELD_INT, true, NULL},
	{"ended", offsetof(edge_exposed_port, ended), EDGE_FIELD_POINTER, false, &edge_server_end_record},
};
const edge_record edge_exposed_port_record = {edge_exposed_port_fields, sizeof edge_exposed_port_fields / sizeof edge_exposed_port_fields[0], sizeof(edge_exposed_port)};

static const edge_field edge_inspection_fields[] = {
	{"binding", offsetof(edge_inspection, binding), EDGE_FIELD_STR, true, NULL},
	{"id", offsetof(edge_inspection, id), EDGE_FIELD_STR, true, NULL},
	{"state", offsetof(edge_inspection, state), EDGE_FIELD_STR, true, NULL},
	{"generation", offsetof(edge_inspection, generation), EDGE_FIELD_INT, true, NULL},
	{"startedAt", offsetof(edge_inspection, started_at), EDGE_FIELD_STR, false, NULL},
	{"lastActivityAt", offsetof(edge_inspection, last_activity_at), EDGE_FIELD_STR, false, NULL},
	{"exitCode", offsetof(edge_inspection, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"connections", offsetof(edge_inspection, connections), EDGE_FIELD_INT, true, NULL},
	{"processes", offsetof(edge_inspection, processes), EDGE_FIELD_INT, true, NULL},
	{"paused", offsetof(edge_inspection, paused), EDGE_FIELD_BOOL, false, NULL},
	{"sleepsAt", offsetof(edge_inspection, sleeps_at), EDGE_FIELD_STR, false, NULL},
	{"why", offsetof(edge_inspection, why), EDGE_FIELD_STRS, false, NULL},
	{"runtime", offsetof(edge_inspection, runtime), EDGE_FIELD_STR, false, NULL},
	{"dial", offsetof(edge_inspection, dial), EDGE_FIELD_STR, false, NULL},
	{"machine", offsetof(edge_inspection, machine), EDGE_FIELD_STR, false, NULL},
	{"image", offsetof(edge_inspection, image), EDGE_FIELD_STR, false, NULL},
	{"preset", offsetof(edge_inspection, preset), EDGE_FIELD_STR, false, NULL},
	{"network", offsetof(edge_inspection, network), EDGE_FIELD_STR, true, NULL},
	{"persist", offsetof(edge_inspection, persist), EDGE_FIELD_STR, true, NULL},
	{"sleepAfter", offsetof(edge_inspection, sleep_after_ms), EDGE_FIELD_INT, true, NULL},
	{"keepAlive", offsetof(edge_inspection, keep_alive), EDGE_FIELD_BOOL, true, NULL},
	{"labels", offsetof(edge_inspection, labels), EDGE_FIELD_PAIRS, false, NULL},
	{"limits", offsetof(edge_inspection, limits), EDGE_FIELD_LIST, false, &edge_limit_record},
	{"facts", offsetof(edge_inspection, facts), EDGE_FIELD_PAIRS, false, NULL},
	{"ports", offsetof(edge_inspection, ports), EDGE_FIELD_LIST, false, &edge_exposed_port_record},
};
const edge_record edge_inspection_record = {edge_inspection_fields, sizeof edge_inspection_fields / sizeof edge_inspection_fields[0], sizeof(edge_inspection)};

static const edge_field edge_set_env_vars_options_fields[] = {
	{"envVars", offsetof(edge_set_env_vars_options, env_vars), EDGE_FIELD_PAIRS, true, NULL},
};
const edge_record edge_set_env_vars_options_record = {edge_set_env_vars_options_fields, sizeof edge_set_env_vars_options_fields / sizeof edge_set_env_vars_options_fields[0], sizeof(edge_set_env_vars_options)};

static const edge_field edge_session_options_fields[] = {
	{"id", offsetof(edge_session_options, id), EDGE_FIELD_STR, false, NULL},
	{"cwd", offsetof(edge_session_options, cwd), EDGE_FIELD_STR, false, NULL},
	{"env", offsetof(edge_session_options, env), EDGE_FIELD_PAIRS, false, NULL},
};
const edge_record edge_session_options_record = {edge_session_options_fields, sizeof edge_session_options_fields / sizeof edge_session_options_fields[0], sizeof(edge_session_options)};

static const edge_field edge_session_state_fields[] = {
	{"id", offsetof(edge_session_state, id), EDGE_FIELD_STR, true, NULL},
	{"cwd", offsetof(edge_session_state, cwd), EDGE_FIELD_STR, true, NULL},
	{"env", offsetof(edge_session_state, env), EDGE_FIELD_PAIRS, true, NULL},
	{"createdAt", offsetof(edge_session_state, created_at), EDGE_FIELD_STR, true, NULL},
	{"processes", offsetof(edge_session_state, processes), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_session_state_record = {edge_session_state_fields, sizeof edge_session_state_fields / sizeof edge_session_state_fields[0], sizeof(edge_session_state)};

static const edge_field edge_named_session_fields[] = {
	{"id", offsetof(edge_named_session, id), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_named_session_record = {edge_named_session_fields, sizeof edge_named_session_fields / sizeof edge_named_session_fields[0], sizeof(edge_named_session)};

static const edge_field edge_exec_options_fields[] = {
	{"command", offsetof(edge_exec_options, command), EDGE_FIELD_STR, false, NULL},
	{"argv", offsetof(edge_exec_options, argv), EDGE_FIELD_STRS, false, NULL},
	{"cwd", offsetof(edge_exec_options, cwd), EDGE_FIELD_STR, false, NULL},
	{"env", offsetof(edge_exec_options, env), EDGE_FIELD_PAIRS, false, NULL},
	{"stdin", offsetof(edge_exec_options, stdin), EDGE_FIELD_STR, false, NULL},
	{"timeout", offsetof(edge_exec_options, timeout_ms), EDGE_FIELD_INT, false, NULL},
	{"encoding", offsetof(edge_exec_options, encoding), EDGE_FIELD_STR, false, NULL},
	{"maxOutput", offsetof(edge_exec_options, max_output), EDGE_FIELD_INT, false, NULL},
	{"user", offsetof(edge_exec_options, user), EDGE_FIELD_STR, false, NULL},
	{"session", offsetof(edge_exec_options, session), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_exec_options_record = {edge_exec_options_fields, sizeof edge_exec_options_fields / sizeof edge_exec_options_fields[0], sizeof(edge_exec_options)};

static const edge_field edge_exec_result_fields[] = {
	{"success", offsetof(edge_exec_result, success), EDGE_FIELD_BOOL, true, NULL},
	{"exitCode", offsetof(edge_exec_result, exit_code), EDGE_FIELD_INT, true, NULL},
	{"signal", offsetof(edge_exec_result, signal), EDGE_FIELD_STR, false, NULL},
	{"stdout", offsetof(edge_exec_result, stdout), EDGE_FIELD_STR, true, NULL},
	{"stderr", offsetof(edge_exec_result, stderr), EDGE_FIELD_STR, true, NULL},
	{"truncated", offsetof(edge_exec_result, truncated), EDGE_FIELD_BOOL, true, NULL},
	{"duration", offsetof(edge_exec_result, duration_ms), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_exec_result_record = {edge_exec_result_fields, sizeof edge_exec_result_fields / sizeof edge_exec_result_fields[0], sizeof(edge_exec_result)};

static const edge_field edge_exec_stream_options_fields[] = {
	{"command", offsetof(edge_exec_stream_options, command), EDGE_FIELD_STR, false, NULL},
	{"argv", offsetof(edge_exec_stream_options, argv), EDGE_FIELD_STRS, false, NULL},
	{"cwd", offsetof(edge_exec_stream_options, cwd), EDGE_FIELD_STR, false, NULL},
	{"env", offsetof(edge_exec_stream_options, env), EDGE_FIELD_PAIRS, false, NULL},
	{"stdin", offsetof(edge_exec_stream_options, stdin), EDGE_FIELD_STR, false, NULL},
	{"input", offsetof(edge_exec_stream_options, input), EDGE_FIELD_BOOL, false, NULL},
	{"timeout", offsetof(edge_exec_stream_options, timeout_ms), EDGE_FIELD_INT, false, NULL},
	{"encoding", offsetof(edge_exec_stream_options, encoding), EDGE_FIELD_STR, false, NULL},
	{"user", offsetof(edge_exec_stream_options, user), EDGE_FIELD_STR, false, NULL},
	{"session", offsetof(edge_exec_stream_options, session), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_exec_stream_options_record = {edge_exec_stream_options_fields, sizeof edge_exec_stream_options_fields / sizeof edge_exec_stream_options_fields[0], sizeof(edge_exec_stream_options)};

static const edge_field edge_exec_event_fields[] = {
	{"type", offsetof(edge_exec_event, type), EDGE_FIELD_STR, true, NULL},
	{"pid", offsetof(edge_exec_event, pid), EDGE_FIELD_INT, false, NULL},
	{"data", offsetof(edge_exec_event, data), EDGE_FIELD_STR, false, NULL},
	{"exitCode", offsetof(edge_exec_event, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"signal", offsetof(edge_exec_event, signal), EDGE_FIELD_STR, false, NULL},
	{"duration", offsetof(edge_exec_event, duration_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_exec_event_record = {edge_exec_event_fields, sizeof edge_exec_event_fields / sizeof edge_exec_event_fields[0], sizeof(edge_exec_event)};

static const edge_field edge_terminal_options_fields[] = {
	{"id", offsetof(edge_terminal_options, id), EDGE_FIELD_STR, false, NULL},
	{"shell", offsetof(edge_terminal_options, shell), EDGE_FIELD_STR, false, NULL},
	{"command", offsetof(edge_terminal_options, command), EDGE_FIELD_STR, false, NULL},
	{"argv", offsetof(edge_terminal_options, argv), EDGE_FIELD_STRS, false, NULL},
	{"cwd", offsetof(edge_terminal_options, cwd), EDGE_FIELD_STR, false, NULL},
	{"env", offsetof(edge_terminal_options, env), EDGE_FIELD_PAIRS, false, NULL},
	{"user", offsetof(edge_terminal_options, user), EDGE_FIELD_STR, false, NULL},
	{"cols", offsetof(edge_terminal_options, cols), EDGE_FIELD_INT, false, NULL},
	{"rows", offsetof(edge_terminal_options, rows), EDGE_FIELD_INT, false, NULL},
	{"session", offsetof(edge_terminal_options, session), EDGE_FIELD_STR, false, NULL},
	{"since", offsetof(edge_terminal_options, since), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"takeover", offsetof(edge_terminal_options, takeover), EDGE_FIELD_BOOL, false, NULL},
};
const edge_record edge_terminal_options_record = {edge_terminal_options_fields, sizeof edge_terminal_options_fields / sizeof edge_terminal_options_fields[0], sizeof(edge_terminal_options)};

static const edge_field edge_terminal_event_fields[] = {
	{"type", offsetof(edge_terminal_event, type), EDGE_FIELD_STR, true, NULL},
	{"id", offsetof(edge_terminal_event, id), EDGE_FIELD_STR, false, NULL},
	{"pid", offsetof(edge_terminal_event, pid), EDGE_FIELD_INT, false, NULL},
	{"offset", offsetof(edge_terminal_event, offset), EDGE_FIELD_INT, true, NULL},
	{"dropped", offsetof(edge_terminal_event, dropped), EDGE_FIELD_INT, false, NULL},
	{"exitCode", offsetof(edge_terminal_event, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"signal", offsetof(edge_terminal_event, signal), EDGE_FIELD_STR, false, NULL},
	{"error", offsetof(edge_terminal_event, error), EDGE_FIELD_POINTER, false, &edge_error_record},
};
const edge_record edge_terminal_event_record = {edge_terminal_event_fields, sizeof edge_terminal_event_fields / sizeof edge_terminal_event_fields[0], sizeof(edge_terminal_event)};

static const edge_field edge_start_process_options_fields[] = {
	{"command", offsetof(edge_start_process_options, command), EDGE_FIELD_STR, false, NULL},
	{"argv", offsetof(edge_start_process_options, argv), EDGE_FIELD_STRS, false, NULL},
	{"processId", offsetof(edge_start_process_options, process_id), EDGE_FIELD_STR, false, NULL},
	{"cwd", offsetof(edge_start_process_options, cwd), EDGE_FIELD_STR, false, NULL},
	{"env", offsetof(edge_start_process_options, env), EDGE_FIELD_PAIRS, false, NULL},
	{"timeout", offsetof(edge_start_process_options, timeout_ms), EDGE_FIELD_INT, false, NULL},
	{"ifRunning", offsetof(edge_start_process_options, if_running), EDGE_FIELD_STR, false, NULL},
	{"user", offsetof(edge_start_process_options, user), EDGE_FIELD_STR, false, NULL},
	{"session", offsetof(edge_start_process_options, session), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_start_process_options_record = {edge_start_process_options_fields, sizeof edge_start_process_options_fields / sizeof edge_start_process_options_fields[0], sizeof(edge_start_process_options)};

static const edge_field edge_process_state_fields[] = {
	{"id", offsetof(edge_process_state, id), EDGE_FIELD_STR, true, NULL},
	{"pid", offsetof(edge_process_state, pid), EDGE_FIELD_INT, true, NULL},
	{"command", offsetof(edge_process_state, command), EDGE_FIELD_STR, true, NULL},
	{"status", offsetof(edge_process_state, status), EDGE_FIELD_STR, true, NULL},
	{"exitCode", offsetof(edge_process_state, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"signal", offsetof(edge_process_state, signal), EDGE_FIELD_STR, false, NULL},
	{"oomKilled", offsetof(edge_process_state, oom_killed), EDGE_FIELD_BOOL, false, NULL},
	{"startedAt", offsetof(edge_process_state, started_at), EDGE_FIELD_STR, true, NULL},
	{"endedAt", offsetof(edge_process_state, ended_at), EDGE_FIELD_STR, false, NULL},
	{"session", offsetof(edge_process_state, session), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_process_state_record = {edge_process_state_fields, sizeof edge_process_state_fields / sizeof edge_process_state_fields[0], sizeof(edge_process_state)};

static const edge_field edge_process_list_fields[] = {
	{"processes", offsetof(edge_process_list, processes), EDGE_FIELD_LIST, true, &edge_process_state_record},
};
const edge_record edge_process_list_record = {edge_process_list_fields, sizeof edge_process_list_fields / sizeof edge_process_list_fields[0], sizeof(edge_process_list)};

static const edge_field edge_named_process_fields[] = {
	{"processId", offsetof(edge_named_process, process_id), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_named_process_record = {edge_named_process_fields, sizeof edge_named_process_fields / sizeof edge_named_process_fields[0], sizeof(edge_named_process)};

static const edge_field edge_kill_options_fields[] = {
	{"processId", offsetof(edge_kill_options, process_id), EDGE_FIELD_STR, true, NULL},
	{"signal", offsetof(edge_kill_options, signal), EDGE_FIELD_STR, false, NULL},
	{"grace", offsetof(edge_kill_options, grace_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_kill_options_record = {edge_kill_options_fields, sizeof edge_kill_options_fields / sizeof edge_kill_options_fields[0], sizeof(edge_kill_options)};

static const edge_field edge_kill_all_options_fields[] = {
	{"signal", offsetof(edge_kill_all_options, signal), EDGE_FIELD_STR, false, NULL},
	{"grace", offsetof(edge_kill_all_options, grace_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_kill_all_options_record = {edge_kill_all_options_fields, sizeof edge_kill_all_options_fields / sizeof edge_kill_all_options_fields[0], sizeof(edge_kill_all_options)};

static const edge_field edge_kill_all_response_fields[] = {
	{"count", offsetof(edge_kill_all_response, count), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_kill_all_response_record = {edge_kill_all_response_fields, sizeof edge_kill_all_response_fields / sizeof edge_kill_all_response_fields[0], sizeof(edge_kill_all_response)};

static const edge_field edge_logs_options_fields[] = {
	{"processId", offsetof(edge_logs_options, process_id), EDGE_FIELD_STR, true, NULL},
	{"since", offsetof(edge_logs_options, since), EDGE_FIELD_STR, false, NULL},
	{"tail", offsetof(edge_logs_options, tail), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_logs_options_record = {edge_logs_options_fields, sizeof edge_logs_options_fields / sizeof edge_logs_options_fields[0], sizeof(edge_logs_options)};

static const edge_field edge_logs_fields[] = {
	{"stdout", offsetof(edge_logs, stdout), EDGE_FIELD_STR, true, NULL},
	{"stderr", offsetof(edge_logs, stderr), EDGE_FIELD_STR, true, NULL},
	{"cursor", offsetof(edge_logs, cursor), EDGE_FIELD_STR, true, NULL},
	{"dropped", offsetof(edge_logs, dropped), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_logs_record = {edge_logs_fields, sizeof edge_logs_fields / sizeof edge_logs_fields[0], sizeof(edge_logs)};

static const edge_field edge_stream_logs_options_fields[] = {
	{"processId", offsetof(edge_stream_logs_options, process_id), EDGE_FIELD_STR, true, NULL},
	{"since", offsetof(edge_stream_logs_options, since), EDGE_FIELD_STR, false, NULL},
	{"tail", offsetof(edge_stream_logs_options, tail), EDGE_FIELD_INT, false, NULL},
	{"follow", offsetof(edge_stream_logs_options, follow), EDGE_FIELD_BOOL, false, NULL},
	{"encoding", offsetof(edge_stream_logs_options, encoding), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_stream_logs_options_record = {edge_stream_logs_options_fields, sizeof edge_stream_logs_options_fields / sizeof edge_stream_logs_options_fields[0], sizeof(edge_stream_logs_options)};

static const edge_field edge_log_event_fields[] = {
	{"type", offsetof(edge_log_event, type), EDGE_FIELD_STR, true, NULL},
	{"data", offsetof(edge_log_event, data), EDGE_FIELD_STR, false, NULL},
	{"cursor", offsetof(edge_log_event, cursor), EDGE_FIELD_STR, true, NULL},
	{"dropped", offsetof(edge_log_event, dropped), EDGE_FIELD_INT, false, NULL},
	{"exitCode", offsetof(edge_log_event, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"signal", offsetof(edge_log_event, signal), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_log_event_record = {edge_log_event_fields, sizeof edge_log_event_fields / sizeof edge_log_event_fields[0], sizeof(edge_log_event)};

static const edge_field edge_status_range_fields[] = {
	{"min", offsetof(edge_status_range, min), EDGE_FIELD_INT, true, NULL},
	{"max", offsetof(edge_status_range, max), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_status_range_record = {edge_status_range_fields, sizeof edge_status_range_fields / sizeof edge_status_range_fields[0], sizeof(edge_status_range)};

static const edge_field edge_wait_for_port_options_fields[] = {
	{"port", offsetof(edge_wait_for_port_options, port), EDGE_FIELD_INT, true, NULL},
	{"processId", offsetof(edge_wait_for_port_options, process_id), EDGE_FIELD_STR, false, NULL},
	{"mode", offsetof(edge_wait_for_port_options, mode), EDGE_FIELD_STR, false, NULL},
	{"path", offsetof(edge_wait_for_port_options, path), EDGE_FIELD_STR, false, NULL},
	{"status", offsetof(edge_wait_for_port_options, status), EDGE_FIELD_POINTER, false, &edge_status_range_record},
	{"timeout", offsetof(edge_wait_for_port_options, timeout_ms), EDGE_FIELD_INT, false, NULL},
	{"interval", offsetof(edge_wait_for_port_options, interval_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_wait_for_port_options_record = {edge_wait_for_port_options_fields, sizeof edge_wait_for_port_options_fields / sizeof edge_wait_for_port_options_fields[0], sizeof(edge_wait_for_port_options)};

static const edge_field edge_wait_for_port_response_fields[] = {
	{"port", offsetof(edge_wait_for_port_response, port), EDGE_FIELD_INT, true, NULL},
	{"elapsed", offsetof(edge_wait_for_port_response, elapsed_ms), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_wait_for_port_response_record = {edge_wait_for_port_response_fields, sizeof edge_wait_for_port_response_fields / sizeof edge_wait_for_port_response_fields[0], sizeof(edge_wait_for_port_response)};

static const edge_field edge_wait_for_log_options_fields[] = {
	{"processId", offsetof(edge_wait_for_log_options, process_id), EDGE_FIELD_STR, true, NULL},
	{"pattern", offsetof(edge_wait_for_log_options, pattern), EDGE_FIELD_STR, true, NULL},
	{"regexp", offsetof(edge_wait_for_log_options, regexp), EDGE_FIELD_BOOL, false, NULL},
	{"timeout", offsetof(edge_wait_for_log_options, timeout_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_wait_for_log_options_record = {edge_wait_for_log_options_fields, sizeof edge_wait_for_log_options_fields / sizeof edge_wait_for_log_options_fields[0], sizeof(edge_wait_for_log_options)};

static const edge_field edge_log_match_fields[] = {
	{"line", offsetof(edge_log_match, line), EDGE_FIELD_STR, true, NULL},
	{"match", offsetof(edge_log_match, match), EDGE_FIELD_STRS, true, NULL},
	{"elapsed", offsetof(edge_log_match, elapsed_ms), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_log_match_record = {edge_log_match_fields, sizeof edge_log_match_fields / sizeof edge_log_match_fields[0], sizeof(edge_log_match)};

static const edge_field edge_wait_for_exit_options_fields[] = {
	{"processId", offsetof(edge_wait_for_exit_options, process_id), EDGE_FIELD_STR, true, NULL},
	{"timeout", offsetof(edge_wait_for_exit_options, timeout_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_wait_for_exit_options_record = {edge_wait_for_exit_options_fields, sizeof edge_wait_for_exit_options_fields / sizeof edge_wait_for_exit_options_fields[0], sizeof(edge_wait_for_exit_options)};

static const edge_field edge_exit_status_fields[] = {
	{"exitCode", offsetof(edge_exit_status, exit_code), EDGE_FIELD_INT, true, NULL},
	{"signal", offsetof(edge_exit_status, signal), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_exit_status_record = {edge_exit_status_fields, sizeof edge_exit_status_fields / sizeof edge_exit_status_fields[0], sizeof(edge_exit_status)};

static const edge_field edge_write_file_options_fields[] = {
	{"path", offsetof(edge_write_file_options, path), EDGE_FIELD_STR, true, NULL},
	{"content", offsetof(edge_write_file_options, content), EDGE_FIELD_STR, true, NULL},
	{"encoding", offsetof(edge_write_file_options, encoding), EDGE_FIELD_STR, false, NULL},
	{"mode", offsetof(edge_write_file_options, mode), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_write_file_options_record = {edge_write_file_options_fields, sizeof edge_write_file_options_fields / sizeof edge_write_file_options_fields[0], sizeof(edge_write_file_options)};

static const edge_field edge_write_file_response_fields[] = {
	{"path", offsetof(edge_write_file_response, path), EDGE_FIELD_STR, true, NULL},
	{"size", offsetof(edge_write_file_response, size), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_write_file_response_record = {edge_write_file_response_fields, sizeof edge_write_file_response_fields / sizeof edge_write_file_response_fields[0], sizeof(edge_write_file_response)};

static const edge_field edge_write_file_stream_options_fields[] = {
	{"path", offsetof(edge_write_file_stream_options, path), EDGE_FIELD_STR, true, NULL},
	{"mode", offsetof(edge_write_file_stream_options, mode), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_write_file_stream_options_record = {edge_write_file_stream_options_fields, sizeof edge_write_file_stream_options_fields / sizeof edge_write_file_stream_options_fields[0], sizeof(edge_write_file_stream_options)};

static const edge_field edge_read_file_options_fields[] = {
	{"path", offsetof(edge_read_file_options, path), EDGE_FIELD_STR, true, NULL},
	{"encoding", offsetof(edge_read_file_options, encoding), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_read_file_options_record = {edge_read_file_options_fields, sizeof edge_read_file_options_fields / sizeof edge_read_file_options_fields[0], sizeof(edge_read_file_options)};

static const edge_field edge_read_file_response_fields[] = {
	{"content", offsetof(edge_read_file_response, content), EDGE_FIELD_STR, true, NULL},
	{"encoding", offsetof(edge_read_file_response, encoding), EDGE_FIELD_STR, true, NULL},
	{"isBinary", offsetof(edge_read_file_response, is_binary), EDGE_FIELD_BOOL, true, NULL},
	{"size", offsetof(edge_read_file_response, size), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_read_file_response_record = {edge_read_file_response_fields, sizeof edge_read_file_response_fields / sizeof edge_read_file_response_fields[0], sizeof(edge_read_file_response)};

static const edge_field edge_read_file_stream_options_fields[] = {
	{"path", offsetof(edge_read_file_stream_options, path), EDGE_FIELD_STR, true, NULL},
	{"offset", offsetof(edge_read_file_stream_options, offset), EDGE_FIELD_INT, false, NULL},
	{"length", offsetof(edge_read_file_stream_options, length), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_read_file_stream_options_record = {edge_read_file_stream_options_fields, sizeof edge_read_file_stream_options_fields / sizeof edge_read_file_stream_options_fields[0], sizeof(edge_read_file_stream_options)};

static const edge_field edge_file_info_fields[] = {
	{"name", offsetof(edge_file_info, name), EDGE_FIELD_STR, true, NULL},
	{"path", offsetof(edge_file_info, path), EDGE_FIELD_STR, true, NULL},
	{"type", offsetof(edge_file_info, type), EDGE_FIELD_STR, true, NULL},
	{"size", offsetof(edge_file_info, size), EDGE_FIELD_INT, true, NULL},
	{"mode", offsetof(edge_file_info, mode), EDGE_FIELD_STR, true, NULL},
	{"modifiedAt", offsetof(edge_file_info, modified_at), EDGE_FIELD_STR, true, NULL},
	{"target", offsetof(edge_file_info, target), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_file_info_record = {edge_file_info_fields, sizeof edge_file_info_fields / sizeof edge_file_info_fields[0], sizeof(edge_file_info)};

static const edge_field edge_mkdir_options_fields[] = {
	{"path", offsetof(edge_mkdir_options, path), EDGE_FIELD_STR, true, NULL},
	{"recursive", offsetof(edge_mkdir_options, recursive), EDGE_FIELD_BOOL, false, NULL},
	{"mode", offsetof(edge_mkdir_options, mode), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_mkdir_options_record = {edge_mkdir_options_fields, sizeof edge_mkdir_options_fields / sizeof edge_mkdir_options_fields[0], sizeof(edge_mkdir_options)};

static const edge_field edge_delete_file_options_fields[] = {
	{"path", offsetof(edge_delete_file_options, path), EDGE_FIELD_STR, true, NULL},
	{"recursive", offsetof(edge_delete_file_options, recursive), EDGE_FIELD_BOOL, false, NULL},
};
const edge_record edge_delete_file_options_record = {edge_delete_file_options_fields, sizeof edge_delete_file_options_fields / sizeof edge_delete_file_options_fields[0], sizeof(edge_delete_file_options)};

static const edge_field edge_rename_file_options_fields[] = {
	{"oldPath", offsetof(edge_rename_file_options, old_path), EDGE_FIELD_STR, true, NULL},
	{"newPath", offsetof(edge_rename_file_options, new_path), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_rename_file_options_record = {edge_rename_file_options_fields, sizeof edge_rename_file_options_fields / sizeof edge_rename_file_options_fields[0], sizeof(edge_rename_file_options)};

static const edge_field edge_move_file_options_fields[] = {
	{"sourcePath", offsetof(edge_move_file_options, source_path), EDGE_FIELD_STR, true, NULL},
	{"destinationPath", offsetof(edge_move_file_options, destination_path), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_move_file_options_record = {edge_move_file_options_fields, sizeof edge_move_file_options_fields / sizeof edge_move_file_options_fields[0], sizeof(edge_move_file_options)};

static const edge_field edge_named_path_fields[] = {
	{"path", offsetof(edge_named_path, path), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_named_path_record = {edge_named_path_fields, sizeof edge_named_path_fields / sizeof edge_named_path_fields[0], sizeof(edge_named_path)};

static const edge_field edge_exists_response_fields[] = {
	{"exists", offsetof(edge_exists_response, exists), EDGE_FIELD_BOOL, true, NULL},
	{"info", offsetof(edge_exists_response, info), EDGE_FIELD_POINTER, false, &edge_file_info_record},
};
const edge_record edge_exists_response_record = {edge_exists_response_fields, sizeof edge_exists_response_fields / sizeof edge_exists_response_fields[0], sizeof(edge_exists_response)};

static const edge_field edge_set_permissions_options_fields[] = {
	{"path", offsetof(edge_set_permissions_options, path), EDGE_FIELD_STR, true, NULL},
	{"mode", offsetof(edge_set_permissions_options, mode), EDGE_FIELD_STR, true, NULL},
	{"recursive", offsetof(edge_set_permissions_options, recursive), EDGE_FIELD_BOOL, false, NULL},
};
const edge_record edge_set_permissions_options_record = {edge_set_permissions_options_fields, sizeof edge_set_permissions_options_fields / sizeof edge_set_permissions_options_fields[0], sizeof(edge_set_permissions_options)};

static const edge_field edge_list_files_options_fields[] = {
	{"path", offsetof(edge_list_files_options, path), EDGE_FIELD_STR, true, NULL},
	{"recursive", offsetof(edge_list_files_options, recursive), EDGE_FIELD_BOOL, false, NULL},
	{"includeHidden", offsetof(edge_list_files_options, include_hidden), EDGE_FIELD_BOOL, false, NULL},
	{"limit", offsetof(edge_list_files_options, limit), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_list_files_options_record = {edge_list_files_options_fields, sizeof edge_list_files_options_fields / sizeof edge_list_files_options_fields[0], sizeof(edge_list_files_options)};

static const edge_field edge_file_list_fields[] = {
	{"files", offsetof(edge_file_list, files), EDGE_FIELD_LIST, true, &edge_file_info_record},
	{"truncated", offsetof(edge_file_list, truncated), EDGE_FIELD_BOOL, true, NULL},
};
const edge_record edge_file_list_record = {edge_file_list_fields, sizeof edge_file_list_fields / sizeof edge_file_list_fields[0], sizeof(edge_file_list)};

static const edge_field edge_search_files_options_fields[] = {
	{"path", offsetof(edge_search_files_options, path), EDGE_FIELD_STR, false, NULL},
	{"glob", offsetof(edge_search_files_options, glob), EDGE_FIELD_STR, false, NULL},
	{"text", offsetof(edge_search_files_options, text), EDGE_FIELD_STR, false, NULL},
	{"regexp", offsetof(edge_search_files_options, regexp), EDGE_FIELD_BOOL, false, NULL},
	{"ignoreCase", offsetof(edge_search_files_options, ignore_case), EDGE_FIELD_BOOL, false, NULL},
	{"includeHidden", offsetof(edge_search_files_options, include_hidden), EDGE_FIELD_BOOL, false, NULL},
	{"limit", offsetof(edge_search_files_options, limit), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_search_files_options_record = {edge_search_files_options_fields, sizeof edge_search_files_options_fields / sizeof edge_search_files_options_fields[0], sizeof(edge_search_files_options)};

static const edge_field edge_search_match_fields[] = {
	{"path", offsetof(edge_search_match, path), EDGE_FIELD_STR, true, NULL},
	{"type", offsetof(edge_search_match, type), EDGE_FIELD_STR, true, NULL},
	{"line", offsetof(edge_search_match, line), EDGE_FIELD_INT, false, NULL},
	{"text", offsetof(edge_search_match, text), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_search_match_record = {edge_search_match_fields, sizeof edge_search_match_fields / sizeof edge_search_match_fields[0], sizeof(edge_search_match)};

static const edge_field edge_search_result_fields[] = {
	{"matches", offsetof(edge_search_result, matches), EDGE_FIELD_LIST, true, &edge_search_match_record},
	{"truncated", offsetof(edge_search_result, truncated), EDGE_FIELD_BOOL, true, NULL},
};
const edge_record edge_search_result_record = {edge_search_result_fields, sizeof edge_search_result_fields / sizeof edge_search_result_fields[0], sizeof(edge_search_result)};

static const edge_field edge_watch_options_fields[] = {
	{"path", offsetof(edge_watch_options, path), EDGE_FIELD_STR, true, NULL},
	{"recursive", offsetof(edge_watch_options, recursive), EDGE_FIELD_BOOL, false, NULL},
	{"include", offsetof(edge_watch_options, include), EDGE_FIELD_STRS, false, NULL},
	{"exclude", offsetof(edge_watch_options, exclude), EDGE_FIELD_STRS, false, NULL},
};
const edge_record edge_watch_options_record = {edge_watch_options_fields, sizeof edge_watch_options_fields / sizeof edge_watch_options_fields[0], sizeof(edge_watch_options)};

static const edge_field edge_watch_event_fields[] = {
	{"type", offsetof(edge_watch_event, type), EDGE_FIELD_STR, true, NULL},
	{"path", offsetof(edge_watch_event, path), EDGE_FIELD_STR, false, NULL},
	{"oldPath", offsetof(edge_watch_event, old_path), EDGE_FIELD_STR, false, NULL},
	{"isDir", offsetof(edge_watch_event, is_dir), EDGE_FIELD_BOOL, false, NULL},
};
const edge_record edge_watch_event_record = {edge_watch_event_fields, sizeof edge_watch_event_fields / sizeof edge_watch_event_fields[0], sizeof(edge_watch_event)};

static const edge_field edge_checkout_options_fields[] = {
	{"url", offsetof(edge_checkout_options, url), EDGE_FIELD_STR, true, NULL},
	{"branch", offsetof(edge_checkout_options, branch), EDGE_FIELD_STR, false, NULL},
	{"targetDir", offsetof(edge_checkout_options, target_dir), EDGE_FIELD_STR, false, NULL},
	{"depth", offsetof(edge_checkout_options, depth), EDGE_FIELD_INT, false, NULL},
	{"timeout", offsetof(edge_checkout_options, timeout_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_checkout_options_record = {edge_checkout_options_fields, sizeof edge_checkout_options_fields / sizeof edge_checkout_options_fields[0], sizeof(edge_checkout_options)};

static const edge_field edge_checkout_result_fields[] = {
	{"targetDir", offsetof(edge_checkout_result, target_dir), EDGE_FIELD_STR, true, NULL},
	{"branch", offsetof(edge_checkout_result, branch), EDGE_FIELD_STR, false, NULL},
	{"commit", offsetof(edge_checkout_result, commit), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_checkout_result_record = {edge_checkout_result_fields, sizeof edge_checkout_result_fields / sizeof edge_checkout_result_fields[0], sizeof(edge_checkout_result)};

static const edge_field edge_policy_fields[] = {
	{"wait", offsetof(edge_policy, wait_ms), EDGE_FIELD_INT, false, NULL},
	{"idleTimeout", offsetof(edge_policy, idle_timeout_ms), EDGE_FIELD_INT, false, NULL},
	{"maxDuration", offsetof(edge_policy, max_duration_ms), EDGE_FIELD_INT, false, NULL},
	{"maxMessageBytes", offsetof(edge_policy, max_message_bytes), EDGE_FIELD_INT, false, NULL},
	{"maxBytes", offsetof(edge_policy, max_bytes), EDGE_FIELD_INT, false, NULL},
	{"messagesPerSecond", offsetof(edge_policy, messages_per_second), EDGE_FIELD_INT, false, NULL},
	{"pingInterval", offsetof(edge_policy, ping_interval_ms), EDGE_FIELD_INT, false, NULL},
	{"allowOrigins", offsetof(edge_policy, allow_origins), EDGE_FIELD_STRS, false, NULL},
	{"protocols", offsetof(edge_policy, protocols), EDGE_FIELD_STRS, false, NULL},
};
const edge_record edge_policy_record = {edge_policy_fields, sizeof edge_policy_fields / sizeof edge_policy_fields[0], sizeof(edge_policy)};

static const edge_field edge_expose_options_fields[] = {
	{"port", offsetof(edge_expose_options, port), EDGE_FIELD_INT, true, NULL},
	{"name", offsetof(edge_expose_options, name), EDGE_FIELD_STR, false, NULL},
	{"token", offsetof(edge_expose_options, token), EDGE_FIELD_STR, false, NULL},
	{"ttl", offsetof(edge_expose_options, ttl_ms), EDGE_FIELD_INT, false, NULL},
	{"access", offsetof(edge_expose_options, access), EDGE_FIELD_STR, false, NULL},
	{"tokenIn", offsetof(edge_expose_options, token_in), EDGE_FIELD_STR, false, NULL},
	{"ifExposed", offsetof(edge_expose_options, if_exposed), EDGE_FIELD_STR, false, NULL},
	{"wake", offsetof(edge_expose_options, wake), EDGE_FIELD_STR, false, NULL},
	{"host", offsetof(edge_expose_options, host), EDGE_FIELD_STR, false, NULL},
	{"onRestart", offsetof(edge_expose_options, on_restart), EDGE_FIELD_STR, false, NULL},
	{"policy", offsetof(edge_expose_options, policy), EDGE_FIELD_RECORD, false, &edge_policy_record},
	{"maxConnections", offsetof(edge_expose_options, max_connections), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_expose_options_record = {edge_expose_options_fields, sizeof edge_expose_options_fields / sizeof edge_expose_options_fields[0], sizeof(edge_expose_options)};

static const edge_field edge_unexpose_port_options_fields[] = {
	{"port", offsetof(edge_unexpose_port_options, port), EDGE_FIELD_INT, true, NULL},
	{"drain", offsetof(edge_unexpose_port_options, drain_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_unexpose_port_options_record = {edge_unexpose_port_options_fields, sizeof edge_unexpose_port_options_fields / sizeof edge_unexpose_port_options_fields[0], sizeof(edge_unexpose_port_options)};

static const edge_field edge_exposed_ports_fields[] = {
	{"ports", offsetof(edge_exposed_ports, ports), EDGE_FIELD_LIST, true, &edge_exposed_port_record},
};
const edge_record edge_exposed_ports_record = {edge_exposed_ports_fields, sizeof edge_exposed_ports_fields / sizeof edge_exposed_ports_fields[0], sizeof(edge_exposed_ports)};

static const edge_field edge_named_port_fields[] = {
	{"port", offsetof(edge_named_port, port), EDGE_FIELD_INT, true, NULL},
};
const edge_record edge_named_port_record = {edge_named_port_fields, sizeof edge_named_port_fields / sizeof edge_named_port_fields[0], sizeof(edge_named_port)};

static const edge_field edge_bool_response_fields[] = {
	{"value", offsetof(edge_bool_response, value), EDGE_FIELD_BOOL, true, NULL},
};
const edge_record edge_bool_response_record = {edge_bool_response_fields, sizeof edge_bool_response_fields / sizeof edge_bool_response_fields[0], sizeof(edge_bool_response)};

static const edge_field edge_token_options_fields[] = {
	{"port", offsetof(edge_token_options, port), EDGE_FIELD_INT, true, NULL},
	{"token", offsetof(edge_token_options, token), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_token_options_record = {edge_token_options_fields, sizeof edge_token_options_fields / sizeof edge_token_options_fields[0], sizeof(edge_token_options)};

static const edge_field edge_preview_link_options_fields[] = {
	{"port", offsetof(edge_preview_link_options, port), EDGE_FIELD_INT, true, NULL},
	{"ttl", offsetof(edge_preview_link_options, ttl_ms), EDGE_FIELD_INT, false, NULL},
	{"path", offsetof(edge_preview_link_options, path), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_preview_link_options_record = {edge_preview_link_options_fields, sizeof edge_preview_link_options_fields / sizeof edge_preview_link_options_fields[0], sizeof(edge_preview_link_options)};

static const edge_field edge_preview_link_fields[] = {
	{"url", offsetof(edge_preview_link, url), EDGE_FIELD_STR, true, NULL},
	{"expiresAt", offsetof(edge_preview_link, expires_at), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_preview_link_record = {edge_preview_link_fields, sizeof edge_preview_link_fields / sizeof edge_preview_link_fields[0], sizeof(edge_preview_link)};

static const edge_field edge_listening_port_fields[] = {
	{"port", offsetof(edge_listening_port, port), EDGE_FIELD_INT, true, NULL},
	{"address", offsetof(edge_listening_port, address), EDGE_FIELD_STR, false, NULL},
	{"processId", offsetof(edge_listening_port, process_id), EDGE_FIELD_STR, false, NULL},
	{"pid", offsetof(edge_listening_port, pid), EDGE_FIELD_INT, false, NULL},
	{"url", offsetof(edge_listening_port, url), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_listening_port_record = {edge_listening_port_fields, sizeof edge_listening_port_fields / sizeof edge_listening_port_fields[0], sizeof(edge_listening_port)};

static const edge_field edge_listening_ports_fields[] = {
	{"ports", offsetof(edge_listening_ports, ports), EDGE_FIELD_LIST, true, &edge_listening_port_record},
};
const edge_record edge_listening_ports_record = {edge_listening_ports_fields, sizeof edge_listening_ports_fields / sizeof edge_listening_ports_fields[0], sizeof(edge_listening_ports)};

static const edge_field edge_sandbox_options_fields[] = {
	{"sleepAfter", offsetof(edge_sandbox_options, sleep_after_ms), EDGE_FIELD_INT, false, NULL},
	{"keepAlive", offsetof(edge_sandbox_options, keep_alive), EDGE_FIELD_BOOL, false, NULL},
	{"env", offsetof(edge_sandbox_options, env), EDGE_FIELD_PAIRS, false, NULL},
	{"labels", offsetof(edge_sandbox_options, labels), EDGE_FIELD_PAIRS, false, NULL},
};
const edge_record edge_sandbox_options_record = {edge_sandbox_options_fields, sizeof edge_sandbox_options_fields / sizeof edge_sandbox_options_fields[0], sizeof(edge_sandbox_options)};

static const edge_field edge_stream_input_fields[] = {
	{"type", offsetof(edge_stream_input, type), EDGE_FIELD_STR, true, NULL},
	{"cols", offsetof(edge_stream_input, cols), EDGE_FIELD_INT, false, NULL},
	{"rows", offsetof(edge_stream_input, rows), EDGE_FIELD_INT, false, NULL},
	{"signal", offsetof(edge_stream_input, signal), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_stream_input_record = {edge_stream_input_fields, sizeof edge_stream_input_fields / sizeof edge_stream_input_fields[0], sizeof(edge_stream_input)};

static const edge_field edge_sandbox_event_fields[] = {
	{"type", offsetof(edge_sandbox_event, type), EDGE_FIELD_STR, true, NULL},
	{"binding", offsetof(edge_sandbox_event, binding), EDGE_FIELD_STR, true, NULL},
	{"id", offsetof(edge_sandbox_event, id), EDGE_FIELD_STR, true, NULL},
	{"generation", offsetof(edge_sandbox_event, generation), EDGE_FIELD_INT, true, NULL},
	{"reason", offsetof(edge_sandbox_event, reason), EDGE_FIELD_STR, false, NULL},
	{"exitCode", offsetof(edge_sandbox_event, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"error", offsetof(edge_sandbox_event, error), EDGE_FIELD_POINTER, false, &edge_error_record},
};
const edge_record edge_sandbox_event_record = {edge_sandbox_event_fields, sizeof edge_sandbox_event_fields / sizeof edge_sandbox_event_fields[0], sizeof(edge_sandbox_event)};

static const edge_field edge_socket_closed_fields[] = {
	{"code", offsetof(edge_socket_closed, code), EDGE_FIELD_INT, true, NULL},
	{"reason", offsetof(edge_socket_closed, reason), EDGE_FIELD_STR, true, NULL},
};
const edge_record edge_socket_closed_record = {edge_socket_closed_fields, sizeof edge_socket_closed_fields / sizeof edge_socket_closed_fields[0], sizeof(edge_socket_closed)};

static const edge_field edge_web_socket_options_fields[] = {
	{"path", offsetof(edge_web_socket_options, path), EDGE_FIELD_STR, false, NULL},
	{"protocols", offsetof(edge_web_socket_options, protocols), EDGE_FIELD_STRS, false, NULL},
	{"headers", offsetof(edge_web_socket_options, headers), EDGE_FIELD_HEADERS, false, NULL},
	{"sandbox", offsetof(edge_web_socket_options, sandbox), EDGE_FIELD_POINTER, false, &edge_sandbox_options_record},
	{"wait", offsetof(edge_web_socket_options, wait_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_web_socket_options_record = {edge_web_socket_options_fields, sizeof edge_web_socket_options_fields / sizeof edge_web_socket_options_fields[0], sizeof(edge_web_socket_options)};

static const edge_field edge_stream_call_fields[] = {
	{"name", offsetof(edge_stream_call, name), EDGE_FIELD_STR, true, NULL},
	{"request", offsetof(edge_stream_call, request), EDGE_FIELD_RAW, false, NULL},
};
const edge_record edge_stream_call_record = {edge_stream_call_fields, sizeof edge_stream_call_fields / sizeof edge_stream_call_fields[0], sizeof(edge_stream_call)};

static const edge_field edge_target_options_fields[] = {
	{"policy", offsetof(edge_target_options, policy), EDGE_FIELD_RECORD, false, &edge_policy_record},
	{"wake", offsetof(edge_target_options, wake), EDGE_FIELD_STR, false, NULL},
	{"sandbox", offsetof(edge_target_options, sandbox), EDGE_FIELD_POINTER, false, &edge_sandbox_options_record},
	{"stream", offsetof(edge_target_options, stream), EDGE_FIELD_POINTER, false, &edge_stream_call_record},
};
const edge_record edge_target_options_record = {edge_target_options_fields, sizeof edge_target_options_fields / sizeof edge_target_options_fields[0], sizeof(edge_target_options)};

static const edge_field edge_not_ready_fields[] = {
	{"diagnosis", offsetof(edge_not_ready, diagnosis), EDGE_FIELD_STR, false, NULL},
	{"processId", offsetof(edge_not_ready, process_id), EDGE_FIELD_STR, false, NULL},
	{"exitCode", offsetof(edge_not_ready, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"signal", offsetof(edge_not_ready, signal), EDGE_FIELD_STR, false, NULL},
	{"oomKilled", offsetof(edge_not_ready, oom_killed), EDGE_FIELD_BOOL, false, NULL},
	{"stderrTail", offsetof(edge_not_ready, stderr_tail), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_not_ready_record = {edge_not_ready_fields, sizeof edge_not_ready_fields / sizeof edge_not_ready_fields[0], sizeof(edge_not_ready)};

static const edge_field edge_lost_fields[] = {
	{"generation", offsetof(edge_lost, generation), EDGE_FIELD_INT, true, NULL},
	{"exitCode", offsetof(edge_lost, exit_code), EDGE_FIELD_MAYBE_INT, false, NULL},
	{"oomKilled", offsetof(edge_lost, oom_killed), EDGE_FIELD_BOOL, false, NULL},
};
const edge_record edge_lost_record = {edge_lost_fields, sizeof edge_lost_fields / sizeof edge_lost_fields[0], sizeof(edge_lost)};

static const edge_field edge_sandbox_ref_fields[] = {
	{"binding", offsetof(edge_sandbox_ref, binding), EDGE_FIELD_STR, true, NULL},
	{"id", offsetof(edge_sandbox_ref, id), EDGE_FIELD_STR, true, NULL},
	{"sleepAfter", offsetof(edge_sandbox_ref, sleep_after_ms), EDGE_FIELD_INT, false, NULL},
	{"keepAlive", offsetof(edge_sandbox_ref, keep_alive), EDGE_FIELD_BOOL, false, NULL},
	{"env", offsetof(edge_sandbox_ref, env), EDGE_FIELD_PAIRS, false, NULL},
	{"labels", offsetof(edge_sandbox_ref, labels), EDGE_FIELD_PAIRS, false, NULL},
};
const edge_record edge_sandbox_ref_record = {edge_sandbox_ref_fields, sizeof edge_sandbox_ref_fields / sizeof edge_sandbox_ref_fields[0], sizeof(edge_sandbox_ref)};

static const edge_field edge_plan_file_fields[] = {
	{"path", offsetof(edge_plan_file, path), EDGE_FIELD_STR, true, NULL},
	{"content", offsetof(edge_plan_file, content), EDGE_FIELD_STR, true, NULL},
	{"encoding", offsetof(edge_plan_file, encoding), EDGE_FIELD_STR, false, NULL},
	{"mode", offsetof(edge_plan_file, mode), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_plan_file_record = {edge_plan_file_fields, sizeof edge_plan_file_fields / sizeof edge_plan_file_fields[0], sizeof(edge_plan_file)};

static const edge_field edge_plan_process_fields[] = {
	{"processId", offsetof(edge_plan_process, process_id), EDGE_FIELD_STR, true, NULL},
	{"command", offsetof(edge_plan_process, command), EDGE_FIELD_STR, false, NULL},
	{"argv", offsetof(edge_plan_process, argv), EDGE_FIELD_STRS, false, NULL},
	{"cwd", offsetof(edge_plan_process, cwd), EDGE_FIELD_STR, false, NULL},
	{"env", offsetof(edge_plan_process, env), EDGE_FIELD_PAIRS, false, NULL},
};
const edge_record edge_plan_process_record = {edge_plan_process_fields, sizeof edge_plan_process_fields / sizeof edge_plan_process_fields[0], sizeof(edge_plan_process)};

static const edge_field edge_plan_ready_fields[] = {
	{"mode", offsetof(edge_plan_ready, mode), EDGE_FIELD_STR, false, NULL},
	{"path", offsetof(edge_plan_ready, path), EDGE_FIELD_STR, false, NULL},
	{"status", offsetof(edge_plan_ready, status), EDGE_FIELD_POINTER, false, &edge_status_range_record},
	{"interval", offsetof(edge_plan_ready, interval_ms), EDGE_FIELD_INT, false, NULL},
};
const edge_record edge_plan_ready_record = {edge_plan_ready_fields, sizeof edge_plan_ready_fields / sizeof edge_plan_ready_fields[0], sizeof(edge_plan_ready)};

static const edge_field edge_plan_answer_fields[] = {
	{"status", offsetof(edge_plan_answer, status), EDGE_FIELD_INT, true, NULL},
	{"headers", offsetof(edge_plan_answer, headers), EDGE_FIELD_HEADERS, false, NULL},
	{"body", offsetof(edge_plan_answer, body), EDGE_FIELD_STR, false, NULL},
};
const edge_record edge_plan_answer_record = {edge_plan_answer_fields, sizeof edge_plan_answer_fields / sizeof edge_plan_answer_fields[0], sizeof(edge_plan_answer)};

static const edge_field edge_plan_steps_fields[] = {
	{"sandbox", offsetof(edge_plan_steps, sandbox), EDGE_FIELD_RECORD, true, &edge_sandbox_ref_record},
	{"files", offsetof(edge_plan_steps, files), EDGE_FIELD_LIST, false, &edge_plan_file_record},
	{"process", offsetof(edge_plan_steps, process), EDGE_FIELD_POINTER, false, &edge_plan_process_record},
	{"ready", offsetof(edge_plan_steps, ready), EDGE_FIELD_POINTER, false, &edge_plan_ready_record},
	{"then", offsetof(edge_plan_steps, then), EDGE_FIELD_STR, true, NULL},
	{"port", offsetof(edge_plan_steps, port), EDGE_FIELD_INT, true, NULL},
	{"policy", offsetof(edge_plan_steps, policy), EDGE_FIELD_RECORD, false, &edge_policy_record},
	{"timeout", offsetof(edge_plan_steps, timeout_ms), EDGE_FIELD_INT, false, NULL},
	{"fallback", offsetof(edge_plan_steps, fallback), EDGE_FIELD_POINTER, false, &edge_plan_answer_record},
};
const edge_record edge_plan_steps_record = {edge_plan_steps_fields, sizeof edge_plan_steps_fields / sizeof edge_plan_steps_fields[0], sizeof(edge_plan_steps)};

edge_errno edge_sandbox_start(edge_sandbox *sandbox, edge_sandbox_state *answer)
{
	return edge_call(sandbox, "start", NULL, NULL, &edge_sandbox_state_record, answer);
}

edge_errno edge_sandbox_stop(edge_sandbox *sandbox, const edge_stop_options *options, edge_sandbox_state *answer)
{
	return edge_call(sandbox, "stop", &edge_stop_options_record, options, &edge_sandbox_state_record, answer);
}

edge_errno edge_sandbox_pause(edge_sandbox *sandbox, edge_sandbox_state *answer)
{
	return edge_call(sandbox, "pause", NULL, NULL, &edge_sandbox_state_record, answer);
}

edge_errno edge_sandbox_resume(edge_sandbox *sandbox, edge_sandbox_state *answer)
{
	return edge_call(sandbox, "resume", NULL, NULL, &edge_sandbox_state_record, answer);
}

edge_errno edge_sandbox_destroy(edge_sandbox *sandbox)
{
	return edge_call(sandbox, "destroy", NULL, NULL, NULL, NULL);
}

edge_errno edge_sandbox_touch(edge_sandbox *sandbox, edge_sandbox_state *answer)
{
	return edge_call(sandbox, "touch", NULL, NULL, &edge_sandbox_state_record, answer);
}

edge_errno edge_sandbox_get_state(edge_sandbox *sandbox, edge_sandbox_state *answer)
{
	return edge_call(sandbox, "getState", NULL, NULL, &edge_sandbox_state_record, answer);
}

edge_errno edge_sandbox_inspect(edge_sandbox *sandbox, edge_inspection *answer)
{
	return edge_call(sandbox, "inspect", NULL, NULL, &edge_inspection_record, answer);
}

edge_errno edge_sandbox_set_env_vars(edge_sandbox *sandbox, const edge_set_env_vars_options *options)
{
	return edge_call(sandbox, "setEnvVars", &edge_set_env_vars_options_record, options, NULL, NULL);
}

edge_errno edge_sandbox_create_session(edge_sandbox *sandbox, const edge_session_options *options, edge_session_state *answer)
{
	return edge_call(sandbox, "createSession", &edge_session_options_record, options, &edge_session_state_record, answer);
}

edge_errno edge_sandbox_get_session(edge_sandbox *sandbox, const edge_named_session *options, edge_session_state *answer)
{
	return edge_call(sandbox, "getSession", &edge_named_session_record, options, &edge_session_state_record, answer);
}

edge_errno edge_sandbox_delete_session(edge_sandbox *sandbox, const edge_named_session *options)
{
	return edge_call(sandbox, "deleteSession", &edge_named_session_record, options, NULL, NULL);
}

edge_errno edge_sandbox_exec(edge_sandbox *sandbox, const edge_exec_options *options, edge_exec_result *answer)
{
	return edge_call(sandbox, "exec", &edge_exec_options_record, options, &edge_exec_result_record, answer);
}

edge_errno edge_sandbox_exec_stream(edge_sandbox *sandbox, const edge_exec_stream_options *options, edge_socket **stream)
{
	return edge_open(sandbox, "execStream", &edge_exec_stream_options_record, options, stream);
}

bool edge_read_exec_event(edge_request *req, edge_str json, edge_exec_event *out)
{
	return edge_read(req, json, &edge_exec_event_record, out);
}

edge_errno edge_sandbox_terminal(edge_sandbox *sandbox, const edge_terminal_options *options, edge_socket **stream)
{
	return edge_open(sandbox, "terminal", &edge_terminal_options_record, options, stream);
}

bool edge_read_terminal_event(edge_request *req, edge_str json, edge_terminal_event *out)
{
	return edge_read(req, json, &edge_terminal_event_record, out);
}

edge_errno edge_sandbox_start_process(edge_sandbox *sandbox, const edge_start_process_options *options, edge_process_state *answer)
{
	return edge_call(sandbox, "startProcess", &edge_start_process_options_record, options, &edge_process_state_record, answer);
}

edge_errno edge_sandbox_list_processes(edge_sandbox *sandbox, edge_process_list *answer)
{
	return edge_call(sandbox, "listProcesses", NULL, NULL, &edge_process_list_record, answer);
}

edge_errno edge_sandbox_get_process(edge_sandbox *sandbox, const edge_named_process *options, edge_process_state *answer)
{
	return edge_call(sandbox, "getProcess", &edge_named_process_record, options, &edge_process_state_record, answer);
}

edge_errno edge_sandbox_kill_process(edge_sandbox *sandbox, const edge_kill_options *options, edge_process_state *answer)
{
	return edge_call(sandbox, "killProcess", &edge_kill_options_record, options, &edge_process_state_record, answer);
}

edge_errno edge_sandbox_kill_all_processes(edge_sandbox *sandbox, const edge_kill_all_options *options, edge_kill_all_response *answer)
{
	return edge_call(sandbox, "killAllProcesses", &edge_kill_all_options_record, options, &edge_kill_all_response_record, answer);
}

edge_errno edge_sandbox_get_logs(edge_sandbox *sandbox, const edge_logs_options *options, edge_logs *answer)
{
	return edge_call(sandbox, "getLogs", &edge_logs_options_record, options, &edge_logs_record, answer);
}

edge_errno edge_sandbox_stream_logs(edge_sandbox *sandbox, const edge_stream_logs_options *options, edge_socket **stream)
{
	return edge_open(sandbox, "streamLogs", &edge_stream_logs_options_record, options, stream);
}

bool edge_read_log_event(edge_request *req, edge_str json, edge_log_event *out)
{
	return edge_read(req, json, &edge_log_event_record, out);
}

edge_errno edge_sandbox_wait_for_port(edge_sandbox *sandbox, const edge_wait_for_port_options *options, edge_wait_for_port_response *answer)
{
	return edge_call(sandbox, "waitForPort", &edge_wait_for_port_options_record, options, &edge_wait_for_port_response_record, answer);
}

edge_errno edge_sandbox_wait_for_log(edge_sandbox *sandbox, const edge_wait_for_log_options *options, edge_log_match *answer)
{
	return edge_call(sandbox, "waitForLog", &edge_wait_for_log_options_record, options, &edge_log_match_record, answer);
}

edge_errno edge_sandbox_wait_for_exit(edge_sandbox *sandbox, const edge_wait_for_exit_options *options, edge_exit_status *answer)
{
	return edge_call(sandbox, "waitForExit", &edge_wait_for_exit_options_record, options, &edge_exit_status_record, answer);
}

edge_errno edge_sandbox_write_file(edge_sandbox *sandbox, const edge_write_file_options *options, edge_write_file_response *answer)
{
	return edge_call(sandbox, "writeFile", &edge_write_file_options_record, options, &edge_write_file_response_record, answer);
}

edge_errno edge_sandbox_write_file_stream(edge_sandbox *sandbox, const edge_write_file_stream_options *options, edge_socket **stream)
{
	return edge_open(sandbox, "writeFileStream", &edge_write_file_stream_options_record, options, stream);
}

bool edge_read_write_file_response(edge_request *req, edge_str json, edge_write_file_response *out)
{
	return edge_read(req, json, &edge_write_file_response_record, out);
}

edge_errno edge_sandbox_read_file(edge_sandbox *sandbox, const edge_read_file_options *options, edge_read_file_response *answer)
{
	return edge_call(sandbox, "readFile", &edge_read_file_options_record, options, &edge_read_file_response_record, answer);
}

edge_errno edge_sandbox_read_file_stream(edge_sandbox *sandbox, const edge_read_file_stream_options *options, edge_socket **stream)
{
	return edge_open(sandbox, "readFileStream", &edge_read_file_stream_options_record, options, stream);
}

bool edge_read_file_info(edge_request *req, edge_str json, edge_file_info *out)
{
	return edge_read(req, json, &edge_file_info_record, out);
}

edge_errno edge_sandbox_mkdir(edge_sandbox *sandbox, const edge_mkdir_options *options)
{
	return edge_call(sandbox, "mkdir", &edge_mkdir_options_record, options, NULL, NULL);
}

edge_errno edge_sandbox_delete_file(edge_sandbox *sandbox, const edge_delete_file_options *options)
{
	return edge_call(sandbox, "deleteFile", &edge_delete_file_options_record, options, NULL, NULL);
}

edge_errno edge_sandbox_rename_file(edge_sandbox *sandbox, const edge_rename_file_options *options)
{
	return edge_call(sandbox, "renameFile", &edge_rename_file_options_record, options, NULL, NULL);
}

edge_errno edge_sandbox_move_file(edge_sandbox *sandbox, const edge_move_file_options *options)
{
	return edge_call(sandbox, "moveFile", &edge_move_file_options_record, options, NULL, NULL);
}

edge_errno edge_sandbox_exists(edge_sandbox *sandbox, const edge_named_path *options, edge_exists_response *answer)
{
	return edge_call(sandbox, "exists", &edge_named_path_record, options, &edge_exists_response_record, answer);
}

edge_errno edge_sandbox_set_permissions(edge_sandbox *sandbox, const edge_set_permissions_options *options)
{
	return edge_call(sandbox, "setPermissions", &edge_set_permissions_options_record, options, NULL, NULL);
}

edge_errno edge_sandbox_list_files(edge_sandbox *sandbox, const edge_list_files_options *options, edge_file_list *answer)
{
	return edge_call(sandbox, "listFiles", &edge_list_files_options_record, options, &edge_file_list_record, answer);
}

edge_errno edge_sandbox_search_files(edge_sandbox *sandbox, const edge_search_files_options *options, edge_search_result *answer)
{
	return edge_call(sandbox, "searchFiles", &edge_search_files_options_record, options, &edge_search_result_record, answer);
}

edge_errno edge_sandbox_watch(edge_sandbox *sandbox, const edge_watch_options *options, edge_socket **stream)
{
	return edge_open(sandbox, "watch", &edge_watch_options_record, options, stream);
}

bool edge_read_watch_event(edge_request *req, edge_str json, edge_watch_event *out)
{
	return edge_read(req, json, &edge_watch_event_record, out);
}

edge_errno edge_sandbox_checkout(edge_sandbox *sandbox, const edge_checkout_options *options, edge_checkout_result *answer)
{
	return edge_call(sandbox, "checkout", &edge_checkout_options_record, options, &edge_checkout_result_record, answer);
}

edge_errno edge_sandbox_expose_port(edge_sandbox *sandbox, const edge_expose_options *options, edge_exposed_port *answer)
{
	return edge_call(sandbox, "exposePort", &edge_expose_options_record, options, &edge_exposed_port_record, answer);
}

edge_errno edge_sandbox_unexpose_port(edge_sandbox *sandbox, const edge_unexpose_port_options *options)
{
	return edge_call(sandbox, "unexposePort", &edge_unexpose_port_options_record, options, NULL, NULL);
}

edge_errno edge_sandbox_get_exposed_ports(edge_sandbox *sandbox, edge_exposed_ports *answer)
{
	return edge_call(sandbox, "getExposedPorts", NULL, NULL, &edge_exposed_ports_record, answer);
}

edge_errno edge_sandbox_is_port_exposed(edge_sandbox *sandbox, const edge_named_port *options, edge_bool_response *answer)
{
	return edge_call(sandbox, "isPortExposed", &edge_named_port_record, options, &edge_bool_response_record, answer);
}

edge_errno edge_sandbox_validate_port_token(edge_sandbox *sandbox, const edge_token_options *options, edge_bool_response *answer)
{
	return edge_call(sandbox, "validatePortToken", &edge_token_options_record, options, &edge_bool_response_record, answer);
}

edge_errno edge_sandbox_create_preview_link(edge_sandbox *sandbox, const edge_preview_link_options *options, edge_preview_link *answer)
{
	return edge_call(sandbox, "createPreviewLink", &edge_preview_link_options_record, options, &edge_preview_link_record, answer);
}

edge_errno edge_sandbox_get_listening_ports(edge_sandbox *sandbox, edge_listening_ports *answer)
{
	return edge_call(sandbox, "getListeningPorts", NULL, NULL, &edge_listening_ports_record, answer);
}

bool edge_read_not_ready(edge_request *req, edge_str json, edge_not_ready *out)
{
	return edge_read(req, json, &edge_not_ready_record, out);
}

bool edge_read_lost(edge_request *req, edge_str json, edge_lost *out)
{
	return edge_read(req, json, &edge_lost_record, out);
}

bool edge_read_socket_closed(edge_request *req, edge_str json, edge_socket_closed *out)
{
	return edge_read(req, json, &edge_socket_closed_record, out);
}

bool edge_read_sandbox_event(edge_request *req, edge_str json, edge_sandbox_event *out)
{
	return edge_read(req, json, &edge_sandbox_event_record, out);
}
