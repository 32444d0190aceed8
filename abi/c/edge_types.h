/* Written by `go test ./abi -run TestReference -update` from the types of the
 * operation table and their comments. Do not edit. */

#ifndef EDGE_TYPES_H
#define EDGE_TYPES_H

/* Code is an error's name, the same over every door: ABI, REST, CLI, TypeScript. Codes
 * are upper-case words and append-only. */
typedef enum edge_code {
	EDGE_CODE_UNKNOWN = 0, /* one that is newer than this SDK */
	EDGE_CODE_BACKEND_FAILED,
	EDGE_CODE_BODY_TOO_LARGE,
	EDGE_CODE_CANCELED,
	EDGE_CODE_COMMAND_NOT_FOUND,
	EDGE_CODE_CONFLICT,
	EDGE_CODE_DENIED,
	EDGE_CODE_FETCH_FAILED,
	EDGE_CODE_FILE_EXISTS,
	EDGE_CODE_FILE_NOT_FOUND,
	EDGE_CODE_FILE_TOO_LARGE,
	EDGE_CODE_GIT_FAILED,
	EDGE_CODE_GIT_NOT_AVAILABLE,
	EDGE_CODE_IMAGE_NOT_FOUND,
	EDGE_CODE_INTERNAL,
	EDGE_CODE_INVALID_PORT,
	EDGE_CODE_INVALID_REQUEST,
	EDGE_CODE_INVALID_SANDBOX_ID,
	EDGE_CODE_INVALID_TOKEN,
	EDGE_CODE_IS_DIRECTORY,
	EDGE_CODE_NOT_DIRECTORY,
	EDGE_CODE_NOT_FOUND,
	EDGE_CODE_PERMISSION_DENIED,
	EDGE_CODE_PLUGIN_FAILED,
	EDGE_CODE_PLUGIN_OVERLOADED,
	EDGE_CODE_PLUGIN_REFUSED,
	EDGE_CODE_PORT_ALREADY_EXPOSED,
	EDGE_CODE_PORT_NOT_EXPOSED,
	EDGE_CODE_PORT_NOT_LISTENING,
	EDGE_CODE_PROCESS_ALREADY_EXISTS,
	EDGE_CODE_PROCESS_EXITED_BEFORE_READY,
	EDGE_CODE_PROCESS_NOT_FOUND,
	EDGE_CODE_PROCESS_READY_TIMEOUT,
	EDGE_CODE_QUOTA_EXCEEDED,
	EDGE_CODE_RUNTIME_UNAVAILABLE,
	EDGE_CODE_SANDBOX_ASLEEP,
	EDGE_CODE_SANDBOX_EXITED,
	EDGE_CODE_SANDBOX_LOST,
	EDGE_CODE_SANDBOX_STARTING,
	EDGE_CODE_SESSION_ALREADY_EXISTS,
	EDGE_CODE_SESSION_NOT_FOUND,
	EDGE_CODE_TIMEOUT,
	EDGE_CODE_TOO_MANY_REQUESTS,
	EDGE_CODE_UNKNOWN_BINDING,
	EDGE_CODE_UNKNOWN_OPERATION,
	EDGE_CODE_UNSUPPORTED,
	EDGE_CODE_UPGRADE_FAILED,
	EDGE_CODE_UPGRADE_REQUIRED,
} edge_code;

/* What operations take and answer. An option that holds nothing (no text, 0, no items,
 * NULL) is left out, and the edge's default counts. Spans are in milliseconds, times are
 * RFC 3339. Whatever an answer points to belongs to the request and ends with it. */

/* Error is the one error type that crosses a border: to a plugin, over REST, to a client.
 * `message` says what was wrong with which value; `suggestion` what to do. Neither ever
 * holds an internal text. */
typedef struct edge_error {
	edge_str code;
	edge_str message;
	edge_str operation;
	bool retryable;
	int64_t retry_after_ms;
	edge_str started;
	edge_str details;
	edge_str suggestion;
} edge_error;

/* SandboxState answers getState. */
typedef struct edge_sandbox_state {
	edge_str state;
	/* `generation` grows by one each time the sandbox is started; 0 is never. */
	int64_t generation;
	edge_str started_at;
	edge_str last_activity_at;
	/* `exit_code` is the sandbox's own, when it stopped or was lost. */
	edge_maybe_int exit_code;
	int64_t connections;
	/* `processes` counts those that startProcess started and that still run. */
	int64_t processes;
	/* `paused` is set while everything in the sandbox is frozen. */
	bool paused;
	/* `sleeps_at` is when the sandbox will be stopped unless it is used before; absent while
	 * something keeps it awake or it never sleeps. */
	edge_str sleeps_at;
	/* `why` says what keeps it awake ("2 connections", "1 terminal", "exec", "keepAlive") or
	 * why it does not run ("idle for 10m0s", "stopped", "lost: exit code 137, out of
	 * memory"). */
	edge_strs why;
	/* `runtime` is "docker" or "process"; `dial` is how ports are reached: "namespace" or
	 * "init". */
	edge_str runtime;
	edge_str dial;
} edge_sandbox_state;

/* StopOptions asks a sandbox to end. */
typedef struct edge_stop_options {
	/* `signal` is sent to every process first: a name ("TERM") or a number; default TERM. */
	edge_str signal;
	/* `grace` is how long they have before KILL; default 5s. */
	int64_t grace_ms;
} edge_stop_options;

/* Limit is a bound of a sandbox. */
typedef struct edge_limit {
	/* "memory", "cpus", "pids", "swap", "disk" */
	edge_str name;
	/* "1 GiB"; "none" when nothing bounds it */
	edge_str value;
	/* `by` is what enforces it: "cgroup v1", "cgroup v2", "rlimit", "engine", or "nothing". */
	edge_str by;
} edge_limit;

/* ServerEnd is how a process ended that listened on a port. It is for the sandbox's
 * owner: those who only have a preview's URL are told no more than that it ended. */
typedef struct edge_server_end {
	edge_str process_id;
	edge_maybe_int exit_code;
	edge_str signal;
	bool oom_killed;
	edge_str ended_at;
	/* `stderr_tail` is the end of what it printed as errors. */
	edge_str stderr_tail;
} edge_server_end;

/* ExposedPort is one exposure. */
typedef struct edge_exposed_port {
	int64_t port;
	edge_str name;
	edge_str url;
	/* `exposed_at` is the `url`, for programs that know it by this name; the time is
	 * `created_at`. */
	edge_str exposed_at;
	edge_str ws_url;
	/* `status` is "active", or "inactive" where the sandbox runs and it is known that
	 * nothing listens on the port. */
	edge_str status;
	edge_str access;
	/* `token` is what requests show, where it is not in the `url` (tokenIn "request"). */
	edge_str token;
	edge_str created_at;
	edge_str expires_at;
	/* `connections` counts live ones through this exposure. */
	int64_t connections;
	/* `ended` tells how the server ended that listened on the port last, if it was started
	 * by startProcess, has ended, and nothing listens there now. */
	const edge_server_end *ended;
} edge_exposed_port;

/* Inspection is all that the edge knows of a sandbox. */
typedef struct edge_inspection {
	edge_str binding;
	edge_str id;
	edge_str state;
	/* `generation` grows by one each time the sandbox is started; 0 is never. */
	int64_t generation;
	edge_str started_at;
	edge_str last_activity_at;
	/* `exit_code` is the sandbox's own, when it stopped or was lost. */
	edge_maybe_int exit_code;
	int64_t connections;
	/* `processes` counts those that startProcess started and that still run. */
	int64_t processes;
	/* `paused` is set while everything in the sandbox is frozen. */
	bool paused;
	/* `sleeps_at` is when the sandbox will be stopped unless it is used before; absent while
	 * something keeps it awake or it never sleeps. */
	edge_str sleeps_at;
	/* `why` says what keeps it awake ("2 connections", "1 terminal", "exec", "keepAlive") or
	 * why it does not run ("idle for 10m0s", "stopped", "lost: exit code 137, out of
	 * memory"). */
	edge_strs why;
	/* `runtime` is "docker" or "process"; `dial` is how ports are reached: "namespace" or
	 * "init". */
	edge_str runtime;
	edge_str dial;
	/* `machine` is the name of the sandbox's container or namespace. */
	edge_str machine;
	edge_str image;
	/* `preset` is how far what runs inside is confined: "strict", "default" or "trusted". */
	edge_str preset;
	/* `network` is "none", "internal" or "egress". */
	edge_str network;
	edge_str persist;
	/* `sleep_after` is how long it may be unused; 0 is for ever. */
	int64_t sleep_after_ms;
	bool keep_alive;
	edge_pairs labels;
	/* `limits` are the bounds that are in force, and by what. */
	struct { const edge_limit *items; size_t count; } limits;
	/* `facts` are what the runtime says of the machine besides. */
	edge_pairs facts;
	struct { const edge_exposed_port *items; size_t count; } ports;
} edge_inspection;

/* SetEnvVarsOptions sets variables, or with null unsets them. */
typedef struct edge_set_env_vars_options {
	edge_pairs env_vars;
} edge_set_env_vars_options;

/* SessionOptions makes a session. Its variables come over the sandbox's, and a call's own
 * over both. */
typedef struct edge_session_options {
	/* `id` is 1 to 128 characters, no control characters; generated if empty. */
	edge_str id;
	/* `cwd` is where commands of the session start that name no cwd; a relative cwd of
	 * theirs is relative to it. /workspace by default. */
	edge_str cwd;
	edge_pairs env;
} edge_session_options;

/* SessionState is a working directory and an environment that calls share. It ends with
 * the sandbox's run. */
typedef struct edge_session_state {
	edge_str id;
	edge_str cwd;
	edge_pairs env;
	edge_str created_at;
	/* `processes` counts what was started through the session and still runs. */
	int64_t processes;
} edge_session_state;

/* NamedSession names a session. */
typedef struct edge_named_session {
	edge_str id;
} edge_named_session;

/* ExecOptions runs a command to its end. Exactly one of `command` and `argv` is set. */
typedef struct edge_exec_options {
	/* `command` is run by /bin/sh -c. */
	edge_str command;
	/* `argv` is run as it is, no shell needed. */
	edge_strs argv;
	/* `cwd` is /workspace by default. */
	edge_str cwd;
	edge_pairs env;
	edge_str stdin;
	/* `timeout` kills the command and everything it started; default is the binding's
	 * execTimeout, 10m. */
	int64_t timeout_ms;
	/* `encoding` of the answer's output: "utf8" (default; bytes that are not UTF-8 become
	 * U+FFFD) or "base64". */
	edge_str encoding;
	/* `max_output` is how many bytes of each stream are kept; default 1 MiB. */
	int64_t max_output;
	/* `user` runs the command as another user of the sandbox: a name of its /etc/passwd or a
	 * number, with ":group" or without. It takes an init that runs as root; else only its
	 * own user can be named. */
	edge_str user;
	/* `session` is whose cwd and variables the command shares. */
	edge_str session;
} edge_exec_options;

/* ExecResult is how a command ended. A command that fails is an answer, not an error. */
typedef struct edge_exec_result {
	/* exit code 0 */
	bool success;
	int64_t exit_code;
	/* "SIGKILL", when one ended it */
	edge_str signal;
	edge_str stdout;
	edge_str stderr;
	/* `truncated` is set when a stream was longer than MaxOutput. */
	bool truncated;
	int64_t duration_ms;
} edge_exec_result;

/* ExecStreamOptions is exec's, without what belongs to an answer in one piece. Binary
 * messages to the stream are the command's standard input when `input` is set; a text
 * message with type "end" closes it. Closing the stream kills the command and everything
 * it started. */
typedef struct edge_exec_stream_options {
	/* run by /bin/sh -c */
	edge_str command;
	edge_strs argv;
	/* default /workspace, or the session's */
	edge_str cwd;
	edge_pairs env;
	edge_str stdin;
	/* `input` keeps the standard input open, after `stdin`, for what is sent. */
	bool input;
	/* `timeout` kills the command and everything it started; default is the binding's
	 * execTimeout, 10m. */
	int64_t timeout_ms;
	/* `encoding` of the events' data: "utf8" (default; a character is never cut in two,
	 * bytes that are not UTF-8 become U+FFFD) or "base64". */
	edge_str encoding;
	edge_str user;
	edge_str session;
} edge_exec_stream_options;

/* ExecEvent is something that happened to a command, in order. */
typedef struct edge_exec_event {
	edge_str type;
	/* of start */
	int64_t pid;
	/* of stdout and stderr */
	edge_str data;
	/* `exit_code`, `signal` and `duration` are of exit. A command that its timeout killed
	 * ends with the error TIMEOUT instead. */
	edge_maybe_int exit_code;
	edge_str signal;
	int64_t duration_ms;
} edge_exec_event;

/* TerminalOptions opens a terminal, or comes back to the one of that id. At most one of
 * `shell`, `command` and `argv` is set; they count when the terminal is new. */
typedef struct edge_terminal_options {
	/* `id` names the terminal, to come back to: 1 to 128 characters, no control characters.
	 * A terminal without an `id` ends when its connection does. */
	edge_str id;
	/* `shell` is the shell's path: by default bash if the sandbox has it, else /bin/sh. */
	edge_str shell;
	/* run by /bin/sh -c */
	edge_str command;
	edge_strs argv;
	/* default /workspace, or the session's */
	edge_str cwd;
	/* `env` comes over TERM=xterm-256color and the session's. */
	edge_pairs env;
	edge_str user;
	/* default 80 */
	int64_t cols;
	/* default 24 */
	int64_t rows;
	/* `session` is whose cwd, variables and life the terminal shares. */
	edge_str session;
	/* `since` is the offset from which output is replayed when coming back, as the events
	 * say it; what is no longer kept (256 KiB are) is told. Without it everything that is
	 * kept is replayed. */
	edge_maybe_int since;
	/* `takeover` takes a terminal that is held by another connection, which is told; without
	 * it that is TOO_MANY_REQUESTS. */
	bool takeover;
} edge_terminal_options;

/* TerminalEvent is a text message from a terminal; what it prints are the binary ones. A
 * program whose output is not read is held back once the replay is full of it, but never
 * while nobody holds the terminal; what is sent after input that the program does not
 * read waits with it. */
typedef struct edge_terminal_event {
	edge_str type;
	/* `id` and `pid` are the terminal's, of ready. */
	edge_str id;
	int64_t pid;
	/* `offset` counts the bytes that the terminal printed before the next one; `dropped`
	 * those after Since that are no longer kept. Of ready; exit tells how many there were at
	 * all. */
	int64_t offset;
	int64_t dropped;
	/* `exit_code` and `signal` are the program's, of exit. */
	edge_maybe_int exit_code;
	edge_str signal;
	/* `error` is what failed, of error. */
	const edge_error *error;
} edge_terminal_event;

/* StartProcessOptions starts a process that lives on. Exactly one of `command` and `argv`
 * is set. */
typedef struct edge_start_process_options {
	edge_str command;
	edge_strs argv;
	/* `process_id` names the process: 1 to 128 characters, no control characters; generated
	 * if empty. */
	edge_str process_id;
	edge_str cwd;
	edge_pairs env;
	/* `timeout` kills the process when it has run that long; default never. */
	int64_t timeout_ms;
	edge_str if_running;
	/* `user` and `session` are as in exec. */
	edge_str user;
	edge_str session;
} edge_start_process_options;

/* ProcessState is a process's state. */
typedef struct edge_process_state {
	edge_str id;
	int64_t pid;
	edge_str command;
	edge_str status;
	edge_maybe_int exit_code;
	edge_str signal;
	/* `oom_killed` is set where it is known that the kernel ended it for want of memory. */
	bool oom_killed;
	edge_str started_at;
	edge_str ended_at;
	/* `session` is the one it was started through. */
	edge_str session;
} edge_process_state;

/* ProcessList answers listProcesses, oldest first. */
typedef struct edge_process_list {
	struct { const edge_process_state *items; size_t count; } processes;
} edge_process_list;

/* NamedProcess names a process. */
typedef struct edge_named_process {
	edge_str process_id;
} edge_named_process;

/* KillOptions asks a process, with its whole group, to end. */
typedef struct edge_kill_options {
	edge_str process_id;
	/* default TERM */
	edge_str signal;
	/* default 5s, then KILL */
	int64_t grace_ms;
} edge_kill_options;

/* KillAllOptions asks every process to end. */
typedef struct edge_kill_all_options {
	edge_str signal;
	int64_t grace_ms;
} edge_kill_all_options;

/* KillAllResponse counts the processes that were running. */
typedef struct edge_kill_all_response {
	int64_t count;
} edge_kill_all_response;

/* LogsOptions asks for a process's output. */
typedef struct edge_logs_options {
	edge_str process_id;
	/* `since` is a cursor from an earlier answer; empty is from the beginning. */
	edge_str since;
	/* `tail` keeps only the last n lines of each stream; 0 is all. */
	int64_t tail;
} edge_logs_options;

/* Logs is a process's output from Since on. */
typedef struct edge_logs {
	edge_str stdout;
	edge_str stderr;
	/* `cursor` continues after what this answer holds. */
	edge_str cursor;
	/* `dropped` counts the bytes after Since that the ring no longer holds. */
	int64_t dropped;
} edge_logs;

/* StreamLogsOptions asks for a process's output as it comes. */
typedef struct edge_stream_logs_options {
	edge_str process_id;
	/* `since` is a cursor from an earlier answer or event; empty is from the beginning. */
	edge_str since;
	/* `tail` begins with the last n lines of each stream; 0 is all. */
	int64_t tail;
	/* `follow` goes on until the process has ended; without it the stream ends with what is
	 * there. */
	bool follow;
	/* `encoding` of the events' data: "utf8" (default) or "base64". */
	edge_str encoding;
} edge_stream_logs_options;

/* LogEvent is a piece of a process's output. */
typedef struct edge_log_event {
	edge_str type;
	/* of stdout and stderr */
	edge_str data;
	/* `cursor` continues after this event. */
	edge_str cursor;
	/* `dropped` counts bytes, of dropped. */
	int64_t dropped;
	/* `exit_code` and `signal` are the process's, of exit. */
	edge_maybe_int exit_code;
	edge_str signal;
} edge_log_event;

/* StatusRange is the HTTP statuses that count as ready; written as a number or as
 * {"min":200,"max":399}. */
typedef struct edge_status_range {
	int64_t min;
	int64_t max;
} edge_status_range;

/* WaitForPortOptions waits until a port answers. */
typedef struct edge_wait_for_port_options {
	int64_t port;
	/* `process_id` ends the wait early when that process exits. */
	edge_str process_id;
	/* `mode` is "tcp" or "http"; http is the default when `path` or `status` is given. */
	edge_str mode;
	edge_str path;
	/* default 200-399 */
	const edge_status_range *status;
	/* `timeout` is 30s by default. The caller's deadline shortens it: the wait ends a little
	 * before that, with the diagnosis. */
	int64_t timeout_ms;
	/* `interval` is the longest pause between two tries, 100ms by default; the first ones
	 * follow each other faster. */
	int64_t interval_ms;
} edge_wait_for_port_options;

/* WaitForPortResponse tells how long it took. */
typedef struct edge_wait_for_port_response {
	int64_t port;
	int64_t elapsed_ms;
} edge_wait_for_port_response;

/* WaitForLogOptions waits for a line of output. */
typedef struct edge_wait_for_log_options {
	edge_str process_id;
	/* `pattern` is a plain string, or a regular expression (RE2) when `regexp`. */
	edge_str pattern;
	bool regexp;
	/* default 30s */
	int64_t timeout_ms;
} edge_wait_for_log_options;

/* LogMatch is the line that matched, colours stripped. */
typedef struct edge_log_match {
	edge_str line;
	/* `match` is the matched text, then the groups of a regular expression. */
	edge_strs match;
	int64_t elapsed_ms;
} edge_log_match;

/* WaitForExitOptions waits for a process's end. */
typedef struct edge_wait_for_exit_options {
	edge_str process_id;
	/* default: the caller's deadline */
	int64_t timeout_ms;
} edge_wait_for_exit_options;

/* ExitStatus is how a process ended. */
typedef struct edge_exit_status {
	int64_t exit_code;
	edge_str signal;
} edge_exit_status;

/* WriteFileOptions writes a file. `path` is absolute or relative to /workspace, resolved
 * inside the sandbox. */
typedef struct edge_write_file_options {
	edge_str path;
	edge_str content;
	/* `encoding` of `content`: "utf8" (default) or "base64". */
	edge_str encoding;
	/* `mode` is the permission bits as an octal string; without it a file keeps the ones it
	 * has, and a new one gets "0644". */
	edge_str mode;
} edge_write_file_options;

/* WriteFileResponse tells what was written. */
typedef struct edge_write_file_response {
	/* absolute */
	edge_str path;
	int64_t size;
} edge_write_file_response;

/* WriteFileStreamOptions writes a file from the binary messages that follow; a text
 * message with type "end" ends it, and the answer comes. A stream that ends without that
 * leaves the old content. */
typedef struct edge_write_file_stream_options {
	edge_str path;
	/* `mode` is the permission bits as an octal string; without it a file keeps the ones it
	 * has, and a new one gets "0644". */
	edge_str mode;
} edge_write_file_stream_options;

/* ReadFileOptions reads a file. */
typedef struct edge_read_file_options {
	edge_str path;
	/* `encoding` of the answer: "utf8", "base64", or empty: base64 if the content is binary
	 * (not UTF-8, or with a NUL in it) or too long as JSON. */
	edge_str encoding;
} edge_read_file_options;

/* ReadFileResponse is a file's content. */
typedef struct edge_read_file_response {
	edge_str content;
	edge_str encoding;
	bool is_binary;
	int64_t size;
} edge_read_file_response;

/* ReadFileStreamOptions reads a file of any size. First comes its FileInfo, then its
 * bytes: no more than the size it had then, and fewer if it is cut while it is read. The
 * files of /proc and /sys know no size; they are read to their end. What is no regular
 * file is INVALID_REQUEST. */
typedef struct edge_read_file_stream_options {
	edge_str path;
	/* `offset` is where to begin, in bytes; beyond the end there is nothing. */
	int64_t offset;
	/* `length` is the most that is read, in bytes; 0 is all. */
	int64_t length;
} edge_read_file_stream_options;

/* FileInfo is one file or folder. In a name that is not UTF-8 each wrong byte is shown as
 * U+FFFD; such a file is reached by exec alone. */
typedef struct edge_file_info {
	edge_str name;
	/* `path` is relative to the listed folder, or absolute where none was listed. */
	edge_str path;
	edge_str type;
	/* bytes; of a folder whatever the file system says */
	int64_t size;
	/* `mode` is the permission bits in octal, "0644", with those for running as the owner if
	 * there are any, "4755". */
	edge_str mode;
	edge_str modified_at;
	/* `target` is what a symlink names. */
	edge_str target;
} edge_file_info;

/* MkdirOptions makes a folder. What exists is FILE_EXISTS, unless it is a folder and
 * `recursive` is set: then it is left as it is. */
typedef struct edge_mkdir_options {
	edge_str path;
	/* `recursive` makes missing folders above it too, with mode 0755. */
	bool recursive;
	/* octal, "0755" by default */
	edge_str mode;
} edge_mkdir_options;

/* DeleteFileOptions deletes. A symlink is deleted, never what it names. The root and
 * /workspace stay: they are INVALID_REQUEST, what is in them is not. */
typedef struct edge_delete_file_options {
	edge_str path;
	/* `recursive` deletes a folder with all in it; without it a folder is IS_DIRECTORY. */
	bool recursive;
} edge_delete_file_options;

/* RenameFileOptions gives a file or folder another name on the same file system, in one
 * step. A file replaces a file, and a folder an empty folder. */
typedef struct edge_rename_file_options {
	edge_str old_path;
	edge_str new_path;
} edge_rename_file_options;

/* MoveFileOptions moves a file or folder with modes, times and symlinks. What is replaced
 * is as with renameFile, and so is the one step, except that from one file system to
 * another the source goes last. */
typedef struct edge_move_file_options {
	edge_str source_path;
	/* `destination_path` is the new path; a folder, or what ends in a slash, is where it
	 * goes into. Missing folders are made. */
	edge_str destination_path;
} edge_move_file_options;

/* NamedPath names a path. */
typedef struct edge_named_path {
	edge_str path;
} edge_named_path;

/* ExistsResponse tells what is at a path; a symlink that leads nowhere exists. */
typedef struct edge_exists_response {
	bool exists;
	const edge_file_info *info;
} edge_exists_response;

/* SetPermissionsOptions sets permission bits. A symlink is followed, but not those below
 * a folder. */
typedef struct edge_set_permissions_options {
	edge_str path;
	/* `mode` is octal, "0755". */
	edge_str mode;
	/* `recursive` sets them for all in a folder too. */
	bool recursive;
} edge_set_permissions_options;

/* ListFilesOptions lists a folder. Symlinks in it are listed, never followed. */
typedef struct edge_list_files_options {
	edge_str path;
	bool recursive;
	/* names that begin with a dot */
	bool include_hidden;
	/* default 10,000, at most 100,000 */
	int64_t limit;
} edge_list_files_options;

/* FileList is a folder's content, by name in each folder, and after a folder what is in
 * it. */
typedef struct edge_file_list {
	struct { const edge_file_info *items; size_t count; } files;
	/* `truncated` is set when there is more: beyond the limit or 32 MiB, in a folder that
	 * may not be read, or more than 256 folders deep. */
	bool truncated;
} edge_file_list;

/* SearchFilesOptions searches a folder and all below it. At least one of `glob` and
 * `text` is set. */
typedef struct edge_search_files_options {
	/* default /workspace */
	edge_str path;
	/* `glob` is matched with the path below the folder: "*" and "?" stop at "/", "**" does
	 * not, "[a-z]" and "{a,b}" work; a glob without "/" is matched with the name alone. One
	 * that begins with "/" begins at the folder. */
	edge_str glob;
	/* `text` is searched in files that are text: a plain string, or a regular expression
	 * (RE2) when `regexp`. `text` is UTF-8 without a NUL, judged by a file's first 64 KiB. */
	edge_str text;
	bool regexp;
	/* of `text` */
	bool ignore_case;
	bool include_hidden;
	/* default 1,000, at most 10,000 */
	int64_t limit;
} edge_search_files_options;

/* SearchMatch is a file, or with `text` a line of one. */
typedef struct edge_search_match {
	/* relative to the searched folder */
	edge_str path;
	edge_str type;
	/* `line` counts from 1; `text` is the line, cut to 1,024 bytes. */
	int64_t line;
	edge_str text;
} edge_search_match;

/* SearchResult are the matches, in the order of listFiles. */
typedef struct edge_search_result {
	struct { const edge_search_match *items; size_t count; } matches;
	/* `truncated` is set when there is more than the limit or 16 MiB, or when not all was
	 * searched: a file of more than 64 MiB, a line beyond its first 1 MiB, what may not be
	 * read, or what is more than 256 folders deep. */
	bool truncated;
} edge_search_result;

/* WatchOptions watches a folder, or a file. The stream ends when that has gone, but for a
 * file only when its folder has: programs replace files. Folders that may not be read are
 * not watched. */
typedef struct edge_watch_options {
	edge_str path;
	/* also folders that come later */
	bool recursive;
	/* `include` and `exclude` are globs as in searchFiles; without `include` everything
	 * counts. Folders named node_modules and .git are left out of a recursive watch unless
	 * `include` names them. */
	edge_strs include;
	edge_strs exclude;
} edge_watch_options;

/* WatchEvent is a change. */
typedef struct edge_watch_event {
	edge_str type;
	/* relative to the watched folder, which is "." */
	edge_str path;
	edge_str old_path;
	bool is_dir;
} edge_watch_event;

/* CheckoutOptions clones a repository, without its submodules. What git asks for it does
 * not get: credentials are in `url`, where the clone keeps them as git does, or in the
 * sandbox. */
typedef struct edge_checkout_options {
	/* `url` is one of https, http, ssh, git or file, user@host:path, or a path inside the
	 * sandbox. */
	edge_str url;
	/* or a tag; default: the repository's own */
	edge_str branch;
	/* `target_dir` is by default the repository's name below /workspace. One that exists
	 * must be empty. */
	edge_str target_dir;
	/* `depth` is how many commits of the one branch are fetched; 0 is all, of all branches. */
	int64_t depth;
	/* default: the binding's execTimeout */
	int64_t timeout_ms;
} edge_checkout_options;

/* CheckoutResult tells what was cloned. */
typedef struct edge_checkout_result {
	/* absolute */
	edge_str target_dir;
	/* empty for a tag */
	edge_str branch;
	/* empty for an empty repository */
	edge_str commit;
} edge_checkout_result;

/* Policy is what a decision or an exposure asks the host to enforce on the connection
 * that follows. Zero values mean no limit. A WebSocket that breaks it is closed between
 * two frames, with the close code named below (RFC 6455, section 7.4.1); an HTTP answer
 * is cut. A request that it does not admit is answered before anything is dialled. */
typedef struct edge_policy {
	/* `wait` is how long a refused port is tried again on a sandbox that this very request
	 * started (default 10s there, otherwise none). */
	int64_t wait_ms;
	/* `idle_timeout` ends a connection on which nothing was sent either way (1008). */
	int64_t idle_timeout_ms;
	/* `max_duration` ends a connection however busy it is (1008). */
	int64_t max_duration_ms;
	/* `max_message_bytes` bounds one WebSocket message, all fragments together (1009). */
	int64_t max_message_bytes;
	/* `max_bytes` bounds both directions together (1008). */
	int64_t max_bytes;
	/* `messages_per_second` bounds the WebSocket messages that the client sends, with bursts
	 * of up to one second's worth (1013). What the sandbox sends is not counted, nor are
	 * pings, pongs and HTTP requests. */
	int64_t messages_per_second;
	/* `ping_interval` has the host send the client of a WebSocket a ping after so long
	 * without a byte either way; a client that then stays silent for two more intervals is
	 * closed (1001). */
	int64_t ping_interval_ms;
	/* `allow_origins` are the web sites whose pages may connect, 1 to 64 of them; left out,
	 * all may. A request, WebSocket handshake or not, whose Origin none of them matches is
	 * answered 403 DENIED. One without Origin passes: browsers always send it where a page
	 * of another site can read the answer, and other programs could make it up. Pages of a
	 * preview's own host name always pass. An entry is "https://app.example.com", which is
	 * that origin exactly; "app.example.com", by http or https and on any port unless one is
	 * named; "*.example.com", every name below that one and not the name itself, also with a
	 * scheme or a port; or "null". */
	edge_strs allow_origins;
	/* `protocols` are the WebSocket subprotocols that may be spoken (RFC 6455, section 1.9),
	 * 1 to 64 of them, compared to the letter; left out, any and none. The sandbox is
	 * offered those of the client's that stand here, in the client's order. A handshake that
	 * offers none of them is answered 400 INVALID_REQUEST. */
	edge_strs protocols;
} edge_policy;

/* ExposeOptions makes a port reachable by URL. */
typedef struct edge_expose_options {
	int64_t port;
	edge_str name;
	/* `token` is [a-z0-9_]{1,16}; 16 random characters by default. */
	edge_str token;
	/* `ttl` ends the exposure after that long; default never. */
	int64_t ttl_ms;
	/* default token */
	edge_str access;
	/* `token_in` is "host" (default) or "request". The other one is another URL. */
	edge_str token_in;
	/* `if_exposed` is "keep" (default: same token, same URL) or "error". */
	edge_str if_exposed;
	/* `wake` says what wakes a sandbox that does not run; default "hold(30s)". */
	edge_str wake;
	/* `host` is "local" (default), "preview" or a literal such as "app.internal:${port}". */
	edge_str host;
	/* `on_restart` is "keep" (default) or "revoke". */
	edge_str on_restart;
	/* `policy` takes the place, as a whole, of the one that the exposure has. Left out, that
	 * one stays. */
	edge_policy policy;
	/* `max_connections` bounds what may be open through the exposure at a time, WebSockets
	 * and HTTP exchanges together; beyond it is 429 TOO_MANY_REQUESTS. 0, or left out, is no
	 * bound but the edge's own, or the one that the exposure has. */
	int64_t max_connections;
} edge_expose_options;

/* UnexposePortOptions takes an exposure back. */
typedef struct edge_unexpose_port_options {
	int64_t port;
	/* `drain` is how long what came through it may go on; new requests are refused at once.
	 * Default 0; at most 1h. */
	int64_t drain_ms;
} edge_unexpose_port_options;

/* ExposedPorts answers getExposedPorts, by port. */
typedef struct edge_exposed_ports {
	struct { const edge_exposed_port *items; size_t count; } ports;
} edge_exposed_ports;

/* NamedPort names a port. */
typedef struct edge_named_port {
	int64_t port;
} edge_named_port;

/* BoolResponse answers a yes-or-no question. */
typedef struct edge_bool_response {
	bool value;
} edge_bool_response;

/* TokenOptions asks about a token. */
typedef struct edge_token_options {
	int64_t port;
	edge_str token;
} edge_token_options;

/* PreviewLinkOptions asks for a link that shows nobody's token and ends by itself. */
typedef struct edge_preview_link_options {
	/* exposed with tokenIn "request" */
	int64_t port;
	/* `ttl` is how long the link works, and what a browser got by it; default 1h, at most 30
	 * days, and never longer than the exposure. */
	int64_t ttl_ms;
	/* `path`, with its query, is where the link leads; default "/". */
	edge_str path;
} edge_preview_link_options;

/* PreviewLink is a signed link. It is recorded nowhere: it ends with its time, with the
 * exposure, or when the exposure gets another token. */
typedef struct edge_preview_link {
	edge_str url;
	edge_str expires_at;
} edge_preview_link;

/* ListeningPort is a TCP port that something in the sandbox listens on. */
typedef struct edge_listening_port {
	int64_t port;
	/* `address` is the one that is listened on: "127.0.0.1", "0.0.0.0", "::" or another of
	 * the sandbox. It is left out where the sandbox was started by an edge that could not
	 * tell. */
	edge_str address;
	/* `process_id` is the process that was started under it, `pid` the one that listens;
	 * left out where that cannot be told. */
	edge_str process_id;
	int64_t pid;
	/* `url` is the preview's, if the port is exposed. */
	edge_str url;
} edge_listening_port;

/* ListeningPorts answers getListeningPorts, by port. */
typedef struct edge_listening_ports {
	struct { const edge_listening_port *items; size_t count; } ports;
} edge_listening_ports;

/* SandboxOptions are the settings that getSandbox takes. They are remembered until the
 * sandbox is destroyed. How long it may be unused is set by every use of it that says so,
 * the latest winning; variables and labels count with a use that starts it. */
typedef struct edge_sandbox_options {
	/* `sleep_after` is how long it may be unused before it is stopped; the binding's by
	 * default. It ends an earlier `keep_alive`. */
	int64_t sleep_after_ms;
	/* `keep_alive` has it never sleep. */
	bool keep_alive;
	/* `env` comes over the binding's variables; what setEnvVars set, over both. */
	edge_pairs env;
	edge_pairs labels;
} edge_sandbox_options;

/* StreamInput is a text message to a stream. Binary messages are the bytes of an upload,
 * the standard input of execStream, or what is typed into a terminal. */
typedef struct edge_stream_input {
	edge_str type;
	/* `cols` and `rows` are the window's size, of a resize: 1 to 1000 each. */
	int64_t cols;
	int64_t rows;
	/* `signal` is a name or a number, of a signal. */
	edge_str signal;
} edge_stream_input;

/* SandboxEvent is what a plugin's hooks are told. It is told after the fact, once and in
 * order for one sandbox, while the edge runs. */
typedef struct edge_sandbox_event {
	edge_str type;
	edge_str binding;
	edge_str id;
	/* `generation` is the run of the sandbox that it happened to. */
	int64_t generation;
	/* `reason` is why it stopped: "stop", "sleep", "destroy". */
	edge_str reason;
	/* `exit_code` is the sandbox's own, where it is known. */
	edge_maybe_int exit_code;
	/* `error` is why it failed. */
	const edge_error *error;
} edge_sandbox_event;

/* SocketClosed is how a Socket ended: the peer's close code and reason, or 1006 when the
 * connection broke without one. */
typedef struct edge_socket_closed {
	int64_t code;
	edge_str reason;
} edge_socket_closed;

/* WebSocketOptions are what wsOpen takes besides sandbox and port. */
typedef struct edge_web_socket_options {
	/* default "/" */
	edge_str path;
	edge_strs protocols;
	edge_pairs headers;
	const edge_sandbox_options *sandbox;
	/* `wait` is as in Policy. */
	int64_t wait_ms;
} edge_web_socket_options;

/* StreamCall names an operation that is a stream, with its request: what a Connect gives
 * a client in the place of a port. */
typedef struct edge_stream_call {
	/* `name` is the operation's: one that sends events, or that sends and takes events and
	 * bytes. Files are for requests without a WebSocket. */
	edge_str name;
	/* `request` is the operation's request without "sandbox", a JSON object; none is an
	 * empty one. */
	edge_str request;
} edge_stream_call;

/* TargetOptions are the JSON that connect and proxy take. */
typedef struct edge_target_options {
	edge_policy policy;
	/* `wake` says what wakes a sandbox that does not run; default is what the exposure says,
	 * if the request goes to one, else "hold(30s)". */
	edge_str wake;
	const edge_sandbox_options *sandbox;
	/* `stream`, of connect with port 0, is what the client is connected with. */
	const edge_stream_call *stream;
} edge_target_options;

/* NotReady is the details of PROCESS_READY_TIMEOUT, PROCESS_EXITED_BEFORE_READY and
 * PORT_NOT_LISTENING. Who reaches a port by a preview alone is told its diagnosis. */
typedef struct edge_not_ready {
	/* `diagnosis` is "not_listening", "listening_on:[8080 9000]", "wrong_status:503",
	 * "not_http", or "server_ended" where the process that listened on the port has ended. */
	edge_str diagnosis;
	/* `process_id` is the process that ended. */
	edge_str process_id;
	edge_maybe_int exit_code;
	edge_str signal;
	bool oom_killed;
	edge_str stderr_tail;
} edge_not_ready;

/* Lost is the details of SANDBOX_LOST: which run of the sandbox ended unasked, and how,
 * if that is known. */
typedef struct edge_lost {
	int64_t generation;
	edge_maybe_int exit_code;
	bool oom_killed;
} edge_lost;

/* SandboxRef names a sandbox: its binding and its id there. */
typedef struct edge_sandbox_ref {
	edge_str binding;
	edge_str id;
	/* `sleep_after` is how long it may be unused before it is stopped; the binding's by
	 * default. It ends an earlier `keep_alive`. */
	int64_t sleep_after_ms;
	/* `keep_alive` has it never sleep. */
	bool keep_alive;
	/* `env` comes over the binding's variables; what setEnvVars set, over both. */
	edge_pairs env;
	edge_pairs labels;
} edge_sandbox_ref;

/* PlanFile is one file of a Plan, as writeFile takes it. */
typedef struct edge_plan_file {
	edge_str path;
	edge_str content;
	edge_str encoding;
	edge_str mode;
} edge_plan_file;

/* PlanProcess is the process of a Plan, as startProcess takes it. Its id makes it one
 * however many requests ask for it. */
typedef struct edge_plan_process {
	edge_str process_id;
	edge_str command;
	edge_strs argv;
	edge_str cwd;
	edge_pairs env;
} edge_plan_process;

/* PlanReady is what a Plan waits for, as waitForPort takes it; the port is the plan's. */
typedef struct edge_plan_ready {
	edge_str mode;
	edge_str path;
	const edge_status_range *status;
	int64_t interval_ms;
} edge_plan_ready;

/* PlanAnswer is an answer that a Plan gives by itself. */
typedef struct edge_plan_answer {
	int64_t status;
	edge_pairs headers;
	edge_str body;
} edge_plan_answer;

/* Plan is a decision that the host carries out step by step after the plugin's instance
 * is free again: the sandbox is ensured, then the process, then the port, and then the
 * request is relayed to it. Ten thousand clients can wait for one cold start with no
 * instance held. */
typedef struct edge_plan_steps {
	edge_sandbox_ref sandbox;
	/* `files` are written before the process is started, and only then. */
	struct { const edge_plan_file *items; size_t count; } files;
	/* `process` is started unless a process of its id runs; nil: none is. */
	const edge_plan_process *process;
	/* `ready` is waited for; nil: the port below is dialled at once. */
	const edge_plan_ready *ready;
	/* `then` is "connect" (a WebSocket) or "proxy" (any request), to `port`. */
	edge_str then;
	int64_t port;
	edge_policy policy;
	/* `timeout` bounds all steps before the dial; default 30s, at most 10m. */
	int64_t timeout_ms;
	/* `fallback` is the answer if a step fails or `timeout` passes; nil: the error's. */
	const edge_plan_answer *fallback;
} edge_plan_steps;

/* The operations. An answer may be NULL, which leaves it with the edge. */

/* Starts the sandbox, or does nothing if it runs. */
edge_errno edge_sandbox_start(edge_sandbox *sandbox, edge_sandbox_state *answer);

/* Stops the sandbox; what it wrote stays as the binding's persist says. */
edge_errno edge_sandbox_stop(edge_sandbox *sandbox, const edge_stop_options *options, edge_sandbox_state *answer);

/* Freezes everything that runs in the sandbox; the next use of it, or resume, goes on
 * where it stood. It does not sleep until then. */
edge_errno edge_sandbox_pause(edge_sandbox *sandbox, edge_sandbox_state *answer);

/* Lets a paused sandbox run on. One that is not paused is left as it is. */
edge_errno edge_sandbox_resume(edge_sandbox *sandbox, edge_sandbox_state *answer);

/* Removes the sandbox with everything it wrote and its exposures. Idempotent. */
edge_errno edge_sandbox_destroy(edge_sandbox *sandbox);

/* Counts as use of the sandbox, so that it sleeps later. Starts nothing. */
edge_errno edge_sandbox_touch(edge_sandbox *sandbox, edge_sandbox_state *answer);

/* Tells the sandbox's state without starting it. */
edge_errno edge_sandbox_get_state(edge_sandbox *sandbox, edge_sandbox_state *answer);

/* Tells all that the edge knows of the sandbox without starting it. */
edge_errno edge_sandbox_inspect(edge_sandbox *sandbox, edge_inspection *answer);

/* Sets variables for every command that is started from now on, and after each later
 * start of the sandbox. */
edge_errno edge_sandbox_set_env_vars(edge_sandbox *sandbox, const edge_set_env_vars_options *options);

/* Makes a session: a working directory and variables that calls share. */
edge_errno edge_sandbox_create_session(edge_sandbox *sandbox, const edge_session_options *options, edge_session_state *answer);

/* Tells a session's working directory and variables. */
edge_errno edge_sandbox_get_session(edge_sandbox *sandbox, const edge_named_session *options, edge_session_state *answer);

/* Forgets a session and kills what was started through it, and nothing else. */
edge_errno edge_sandbox_delete_session(edge_sandbox *sandbox, const edge_named_session *options);

/* Runs a command to its end and answers with its output. */
edge_errno edge_sandbox_exec(edge_sandbox *sandbox, const edge_exec_options *options, edge_exec_result *answer);

/* Runs a command and tells what it prints while it prints it. A stream of
 * edge_exec_event. */
edge_errno edge_sandbox_exec_stream(edge_sandbox *sandbox, const edge_exec_stream_options *options, edge_socket **stream);

/* Reads a text message of such a stream; false if it is none. */
bool edge_read_exec_event(edge_request *req, edge_str json, edge_exec_event *out);

/* Opens a terminal with a shell or a program in it, or comes back to one. A stream of
 * edge_terminal_event. */
edge_errno edge_sandbox_terminal(edge_sandbox *sandbox, const edge_terminal_options *options, edge_socket **stream);

/* Reads a text message of such a stream; false if it is none. */
bool edge_read_terminal_event(edge_request *req, edge_str json, edge_terminal_event *out);

/* Starts a process that lives on after the call. */
edge_errno edge_sandbox_start_process(edge_sandbox *sandbox, const edge_start_process_options *options, edge_process_state *answer);

/* Lists the processes that startProcess started, ended ones included. */
edge_errno edge_sandbox_list_processes(edge_sandbox *sandbox, edge_process_list *answer);

/* Tells one process's state. */
edge_errno edge_sandbox_get_process(edge_sandbox *sandbox, const edge_named_process *options, edge_process_state *answer);

/* Signals the process's whole group, then kills it after the grace, and waits for its
 * end. */
edge_errno edge_sandbox_kill_process(edge_sandbox *sandbox, const edge_kill_options *options, edge_process_state *answer);

/* Kills every process that startProcess started. */
edge_errno edge_sandbox_kill_all_processes(edge_sandbox *sandbox, const edge_kill_all_options *options, edge_kill_all_response *answer);

/* Returns what a process printed, as far as the ring still holds it. */
edge_errno edge_sandbox_get_logs(edge_sandbox *sandbox, const edge_logs_options *options, edge_logs *answer);

/* Tells what a process printed, and what it prints, with cursors to go on from. A stream
 * of edge_log_event. */
edge_errno edge_sandbox_stream_logs(edge_sandbox *sandbox, const edge_stream_logs_options *options, edge_socket **stream);

/* Reads a text message of such a stream; false if it is none. */
bool edge_read_log_event(edge_request *req, edge_str json, edge_log_event *out);

/* Waits until a port can be reached on the very path that traffic takes. */
edge_errno edge_sandbox_wait_for_port(edge_sandbox *sandbox, const edge_wait_for_port_options *options, edge_wait_for_port_response *answer);

/* Waits until a line of a process's output matches; what was printed before counts. */
edge_errno edge_sandbox_wait_for_log(edge_sandbox *sandbox, const edge_wait_for_log_options *options, edge_log_match *answer);

/* Waits until a process has ended. */
edge_errno edge_sandbox_wait_for_exit(edge_sandbox *sandbox, const edge_wait_for_exit_options *options, edge_exit_status *answer);

/* Writes a file, making missing folders; a reader sees the old content or the new, never
 * a part. */
edge_errno edge_sandbox_write_file(edge_sandbox *sandbox, const edge_write_file_options *options, edge_write_file_response *answer);

/* Writes a file of any size from the bytes that follow, as writeFile does. A stream of
 * edge_write_file_response. */
edge_errno edge_sandbox_write_file_stream(edge_sandbox *sandbox, const edge_write_file_stream_options *options, edge_socket **stream);

/* Reads a text message of such a stream; false if it is none. */
bool edge_read_write_file_response(edge_request *req, edge_str json, edge_write_file_response *out);

/* Reads a whole file of at most 32 MiB. */
edge_errno edge_sandbox_read_file(edge_sandbox *sandbox, const edge_read_file_options *options, edge_read_file_response *answer);

/* Reads a file of any size: what it is, then its bytes. A stream of edge_file_info. */
edge_errno edge_sandbox_read_file_stream(edge_sandbox *sandbox, const edge_read_file_stream_options *options, edge_socket **stream);

/* Reads a text message of such a stream; false if it is none. */
bool edge_read_file_info(edge_request *req, edge_str json, edge_file_info *out);

/* Makes a folder. */
edge_errno edge_sandbox_mkdir(edge_sandbox *sandbox, const edge_mkdir_options *options);

/* Deletes a file, or with recursive a folder with all in it. */
edge_errno edge_sandbox_delete_file(edge_sandbox *sandbox, const edge_delete_file_options *options);

/* Gives a file or folder another name, replacing a file of that name. */
edge_errno edge_sandbox_rename_file(edge_sandbox *sandbox, const edge_rename_file_options *options);

/* Moves a file or folder, also from one file system to another, into a folder if the
 * destination is one. */
edge_errno edge_sandbox_move_file(edge_sandbox *sandbox, const edge_move_file_options *options);

/* Tells whether there is something at a path, and what. A symlink is not followed. */
edge_errno edge_sandbox_exists(edge_sandbox *sandbox, const edge_named_path *options, edge_exists_response *answer);

/* Sets the permission bits of a file or folder. */
edge_errno edge_sandbox_set_permissions(edge_sandbox *sandbox, const edge_set_permissions_options *options);

/* Lists a folder, by path. */
edge_errno edge_sandbox_list_files(edge_sandbox *sandbox, const edge_list_files_options *options, edge_file_list *answer);

/* Finds files by name and lines by what they hold. */
edge_errno edge_sandbox_search_files(edge_sandbox *sandbox, const edge_search_files_options *options, edge_search_result *answer);

/* Tells what changes in a folder. A stream of edge_watch_event. */
edge_errno edge_sandbox_watch(edge_sandbox *sandbox, const edge_watch_options *options, edge_socket **stream);

/* Reads a text message of such a stream; false if it is none. */
bool edge_read_watch_event(edge_request *req, edge_str json, edge_watch_event *out);

/* Clones a Git repository inside the sandbox, with the git that is there. */
edge_errno edge_sandbox_checkout(edge_sandbox *sandbox, const edge_checkout_options *options, edge_checkout_result *answer);

/* Makes a port reachable by a preview URL. Exposing again changes what is given and keeps
 * the rest, token and URL first of all. */
edge_errno edge_sandbox_expose_port(edge_sandbox *sandbox, const edge_expose_options *options, edge_exposed_port *answer);

/* Takes the URL back and closes the live connections that came through it, at once or
 * after a while. Idempotent. */
edge_errno edge_sandbox_unexpose_port(edge_sandbox *sandbox, const edge_unexpose_port_options *options);

/* Lists the sandbox's exposures. */
edge_errno edge_sandbox_get_exposed_ports(edge_sandbox *sandbox, edge_exposed_ports *answer);

/* Tells whether a port is exposed. */
edge_errno edge_sandbox_is_port_exposed(edge_sandbox *sandbox, const edge_named_port *options, edge_bool_response *answer);

/* Tells whether a token is the port's, in constant time. */
edge_errno edge_sandbox_validate_port_token(edge_sandbox *sandbox, const edge_token_options *options, edge_bool_response *answer);

/* Signs a link to a port that is exposed with tokenIn "request". It shows no token and
 * ends by itself. */
edge_errno edge_sandbox_create_preview_link(edge_sandbox *sandbox, const edge_preview_link_options *options, edge_preview_link *answer);

/* Lists the TCP ports that something in the sandbox listens on, exposed or not. Starts
 * nothing: a sandbox that does not run has none. */
edge_errno edge_sandbox_get_listening_ports(edge_sandbox *sandbox, edge_listening_ports *answer);

/* Reads an error's details, or an event; false if it is none. */
bool edge_read_not_ready(edge_request *req, edge_str json, edge_not_ready *out);

/* Reads an error's details, or an event; false if it is none. */
bool edge_read_lost(edge_request *req, edge_str json, edge_lost *out);

/* Reads an error's details, or an event; false if it is none. */
bool edge_read_socket_closed(edge_request *req, edge_str json, edge_socket_closed *out);

/* Reads an error's details, or an event; false if it is none. */
bool edge_read_sandbox_event(edge_request *req, edge_str json, edge_sandbox_event *out);

#endif
