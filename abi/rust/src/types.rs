// Written by `go test ./abi -run TestReference -update` from the types of the
// operation table and their comments. Do not edit.

//! What operations take and answer. An option that holds nothing (an empty text, 0,
//! an empty list, `None`) is left out, and the edge's default counts.

use crate::error::Error;
use crate::json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

words! {
    /// Access says who may use an exposure.
    pub enum Access {
        Token = "token",
        Public = "public",
        Plugin = "plugin",
    }
}

words! {
    /// ExecEventType says what happened to a command.
    pub enum ExecEventType {
        Start = "start",
        Stdout = "stdout",
        Stderr = "stderr",
        Exit = "exit",
    }
}

words! {
    /// FileType is what is at a path.
    pub enum FileType {
        File = "file",
        Directory = "directory",
        Symlink = "symlink",
        Other = "other",
    }
}

words! {
    /// IfRunning says what startProcess does about a running process of that id.
    pub enum IfRunning {
        Error = "error",
        Reuse = "reuse",
        Restart = "restart",
    }
}

words! {
    /// InputType says what a text message to a stream is.
    pub enum InputType {
        End = "end",
        Resize = "resize",
        Signal = "signal",
    }
}

words! {
    /// LogEventType says what a log stream tells.
    pub enum LogEventType {
        Stdout = "stdout",
        Stderr = "stderr",
        Dropped = "dropped",
        Exit = "exit",
    }
}

words! {
    /// SandboxEventType says what happened to a sandbox.
    pub enum SandboxEventType {
        Start = "start",
        Stop = "stop",
        Error = "error",
    }
}

words! {
    /// Started says how far a failed operation had come when it failed. A caller that
    /// cannot bear to do a thing twice retries only what was not started.
    pub enum Started {
        No = "no",
        Maybe = "maybe",
        Yes = "yes",
    }
}

words! {
    /// State is where a sandbox is in its life.
    pub enum State {
        Absent = "absent",
        Starting = "starting",
        Running = "running",
        Stopping = "stopping",
        Stopped = "stopped",
        Lost = "lost",
    }
}

words! {
    /// Status is where a process is in its life.
    pub enum Status {
        Starting = "starting",
        Running = "running",
        Completed = "completed",
        Failed = "failed",
        Killed = "killed",
        Error = "error",
    }
}

words! {
    /// TerminalEventType says what happened to a terminal.
    pub enum TerminalEventType {
        Ready = "ready",
        Exit = "exit",
        Taken = "taken",
        Error = "error",
    }
}

words! {
    /// WatchEventType says what happened to a file.
    pub enum WatchEventType {
        Ready = "ready",
        Create = "create",
        Modify = "modify",
        Delete = "delete",
        Move = "move",
        Overflow = "overflow",
    }
}

words! {
    /// Code is an error's name, the same over every door: ABI, REST, CLI, TypeScript.
    /// Codes are upper-case words and append-only.
    pub enum Code {
        BackendFailed = "BACKEND_FAILED",
        BodyTooLarge = "BODY_TOO_LARGE",
        Canceled = "CANCELED",
        CommandNotFound = "COMMAND_NOT_FOUND",
        Conflict = "CONFLICT",
        Denied = "DENIED",
        FetchFailed = "FETCH_FAILED",
        FileExists = "FILE_EXISTS",
        FileNotFound = "FILE_NOT_FOUND",
        FileTooLarge = "FILE_TOO_LARGE",
        GitFailed = "GIT_FAILED",
        GitNotAvailable = "GIT_NOT_AVAILABLE",
        ImageNotFound = "IMAGE_NOT_FOUND",
        Internal = "INTERNAL",
        InvalidPort = "INVALID_PORT",
        InvalidRequest = "INVALID_REQUEST",
        InvalidSandboxId = "INVALID_SANDBOX_ID",
        InvalidToken = "INVALID_TOKEN",
        IsDirectory = "IS_DIRECTORY",
        NotDirectory = "NOT_DIRECTORY",
        NotFound = "NOT_FOUND",
        PermissionDenied = "PERMISSION_DENIED",
        PluginFailed = "PLUGIN_FAILED",
        PluginOverloaded = "PLUGIN_OVERLOADED",
        PluginRefused = "PLUGIN_REFUSED",
        PortAlreadyExposed = "PORT_ALREADY_EXPOSED",
        PortNotExposed = "PORT_NOT_EXPOSED",
        PortNotListening = "PORT_NOT_LISTENING",
        ProcessAlreadyExists = "PROCESS_ALREADY_EXISTS",
        ProcessExitedBeforeReady = "PROCESS_EXITED_BEFORE_READY",
        ProcessNotFound = "PROCESS_NOT_FOUND",
        ProcessReadyTimeout = "PROCESS_READY_TIMEOUT",
        QuotaExceeded = "QUOTA_EXCEEDED",
        RuntimeUnavailable = "RUNTIME_UNAVAILABLE",
        SandboxAsleep = "SANDBOX_ASLEEP",
        SandboxExited = "SANDBOX_EXITED",
        SandboxLost = "SANDBOX_LOST",
        SandboxStarting = "SANDBOX_STARTING",
        SessionAlreadyExists = "SESSION_ALREADY_EXISTS",
        SessionNotFound = "SESSION_NOT_FOUND",
        Timeout = "TIMEOUT",
        TooManyRequests = "TOO_MANY_REQUESTS",
        UnknownBinding = "UNKNOWN_BINDING",
        UnknownOperation = "UNKNOWN_OPERATION",
        Unsupported = "UNSUPPORTED",
        UpgradeFailed = "UPGRADE_FAILED",
        UpgradeRequired = "UPGRADE_REQUIRED",
    }
}

impl Code {
    /// The code's error number; an unknown code is 12, `INTERNAL`.
    pub fn errno(&self) -> u32 {
        match self {
            Code::BackendFailed => 7,
            Code::BodyTooLarge => 8,
            Code::Canceled => 9,
            Code::CommandNotFound => 2,
            Code::Conflict => 10,
            Code::Denied => 3,
            Code::FetchFailed => 7,
            Code::FileExists => 10,
            Code::FileNotFound => 2,
            Code::FileTooLarge => 8,
            Code::GitFailed => 7,
            Code::GitNotAvailable => 7,
            Code::ImageNotFound => 2,
            Code::Internal => 12,
            Code::InvalidPort => 1,
            Code::InvalidRequest => 1,
            Code::InvalidSandboxId => 1,
            Code::InvalidToken => 2,
            Code::IsDirectory => 1,
            Code::NotDirectory => 1,
            Code::NotFound => 2,
            Code::PermissionDenied => 3,
            Code::PluginFailed => 12,
            Code::PluginOverloaded => 5,
            Code::PluginRefused => 1,
            Code::PortAlreadyExposed => 10,
            Code::PortNotExposed => 2,
            Code::PortNotListening => 7,
            Code::ProcessAlreadyExists => 10,
            Code::ProcessExitedBeforeReady => 7,
            Code::ProcessNotFound => 2,
            Code::ProcessReadyTimeout => 4,
            Code::QuotaExceeded => 6,
            Code::RuntimeUnavailable => 7,
            Code::SandboxAsleep => 5,
            Code::SandboxExited => 7,
            Code::SandboxLost => 9,
            Code::SandboxStarting => 5,
            Code::SessionAlreadyExists => 10,
            Code::SessionNotFound => 2,
            Code::Timeout => 4,
            Code::TooManyRequests => 6,
            Code::UnknownBinding => 2,
            Code::UnknownOperation => 11,
            Code::Unsupported => 11,
            Code::UpgradeFailed => 7,
            Code::UpgradeRequired => 1,
            Code::Unknown(_) => 12,
        }
    }

    /// The HTTP status of an answer that carries the code; an unknown code is 500.
    pub fn status(&self) -> u16 {
        match self {
            Code::BackendFailed => 502,
            Code::BodyTooLarge => 413,
            Code::Canceled => 499,
            Code::CommandNotFound => 404,
            Code::Conflict => 409,
            Code::Denied => 403,
            Code::FetchFailed => 502,
            Code::FileExists => 409,
            Code::FileNotFound => 404,
            Code::FileTooLarge => 413,
            Code::GitFailed => 502,
            Code::GitNotAvailable => 501,
            Code::ImageNotFound => 503,
            Code::Internal => 500,
            Code::InvalidPort => 400,
            Code::InvalidRequest => 400,
            Code::InvalidSandboxId => 400,
            Code::InvalidToken => 404,
            Code::IsDirectory => 400,
            Code::NotDirectory => 400,
            Code::NotFound => 404,
            Code::PermissionDenied => 403,
            Code::PluginFailed => 500,
            Code::PluginOverloaded => 503,
            Code::PluginRefused => 422,
            Code::PortAlreadyExposed => 409,
            Code::PortNotExposed => 404,
            Code::PortNotListening => 502,
            Code::ProcessAlreadyExists => 409,
            Code::ProcessExitedBeforeReady => 502,
            Code::ProcessNotFound => 404,
            Code::ProcessReadyTimeout => 504,
            Code::QuotaExceeded => 429,
            Code::RuntimeUnavailable => 503,
            Code::SandboxAsleep => 503,
            Code::SandboxExited => 502,
            Code::SandboxLost => 410,
            Code::SandboxStarting => 503,
            Code::SessionAlreadyExists => 409,
            Code::SessionNotFound => 404,
            Code::Timeout => 504,
            Code::TooManyRequests => 429,
            Code::UnknownBinding => 404,
            Code::UnknownOperation => 404,
            Code::Unsupported => 501,
            Code::UpgradeFailed => 502,
            Code::UpgradeRequired => 426,
            Code::Unknown(_) => 500,
        }
    }

    /// Whether the same call may succeed later without a change.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Code::FetchFailed
                | Code::PluginOverloaded
                | Code::PortNotListening
                | Code::ProcessReadyTimeout
                | Code::QuotaExceeded
                | Code::RuntimeUnavailable
                | Code::SandboxAsleep
                | Code::SandboxExited
                | Code::SandboxStarting
                | Code::Timeout
                | Code::TooManyRequests
        )
    }
}

record! {
    /// SandboxState answers getState.
    pub struct SandboxState {
        pub state: State = "state" always,
        /// `generation` grows by one each time the sandbox is started; 0 is never.
        pub generation: i64 = "generation" always,
        /// RFC 3339.
        pub started_at: String = "startedAt",
        /// RFC 3339.
        pub last_activity_at: String = "lastActivityAt",
        /// `exit_code` is the sandbox's own, when it stopped or was lost.
        pub exit_code: Option<i64> = "exitCode",
        pub connections: i64 = "connections" always,
        /// `processes` counts those that startProcess started and that still run.
        pub processes: i64 = "processes" always,
        /// `paused` is set while everything in the sandbox is frozen.
        pub paused: bool = "paused",
        /// `sleeps_at` is when the sandbox will be stopped unless it is used before;
        /// absent while something keeps it awake or it never sleeps. RFC 3339.
        pub sleeps_at: String = "sleepsAt",
        /// `why` says what keeps it awake ("2 connections", "1 terminal", "exec",
        /// "keepAlive") or why it does not run ("idle for 10m0s", "stopped", "lost: exit
        /// code 137, out of memory").
        pub why: Vec<String> = "why",
        /// `runtime` is "docker" or "process"; `dial` is how ports are reached:
        /// "namespace" or "init".
        pub runtime: String = "runtime",
        pub dial: String = "dial",
    }
}

record! {
    /// StopOptions asks a sandbox to end.
    pub struct StopOptions {
        /// `signal` is sent to every process first: a name ("TERM") or a number; default
        /// TERM.
        pub signal: String = "signal",
        /// `grace` is how long they have before KILL; default 5s.
        pub grace: Duration = "grace",
    }
}

record! {
    /// Limit is a bound of a sandbox.
    pub struct Limit {
        /// "memory", "cpus", "pids", "swap", "disk"
        pub name: String = "name" always,
        /// "1 GiB"; "none" when nothing bounds it
        pub value: String = "value" always,
        /// `by` is what enforces it: "cgroup v1", "cgroup v2", "rlimit", "engine", or
        /// "nothing".
        pub by: String = "by" always,
    }
}

record! {
    /// ServerEnd is how a process ended that listened on a port. It is for the sandbox's
    /// owner: those who only have a preview's URL are told no more than that it ended.
    pub struct ServerEnd {
        pub process_id: String = "processId" always,
        pub exit_code: Option<i64> = "exitCode",
        pub signal: String = "signal",
        pub oom_killed: bool = "oomKilled",
        /// RFC 3339.
        pub ended_at: String = "endedAt",
        /// `stderr_tail` is the end of what it printed as errors.
        pub stderr_tail: String = "stderrTail",
    }
}

record! {
    /// ExposedPort is one exposure.
    pub struct ExposedPort {
        pub port: u16 = "port" always,
        pub name: String = "name",
        pub url: String = "url" always,
        /// `exposed_at` is the `url`, for programs that know it by this name; the time is
        /// `created_at`.
        pub exposed_at: String = "exposedAt" always,
        pub ws_url: String = "wsUrl" always,
        /// `status` is "active", or "inactive" where the sandbox runs and it is known
        /// that nothing listens on the port.
        pub status: String = "status",
        pub access: Access = "access" always,
        /// `token` is what requests show, where it is not in the `url` (tokenIn
        /// "request").
        pub token: String = "token",
        /// RFC 3339.
        pub created_at: String = "createdAt" always,
        /// RFC 3339.
        pub expires_at: String = "expiresAt",
        /// `connections` counts live ones through this exposure.
        pub connections: i64 = "connections" always,
        /// `ended` tells how the server ended that listened on the port last, if it was
        /// started by startProcess, has ended, and nothing listens there now.
        pub ended: Option<ServerEnd> = "ended",
    }
}

record! {
    /// Inspection is all that the edge knows of a sandbox.
    pub struct Inspection {
        pub binding: String = "binding" always,
        pub id: String = "id" always,
        pub state: State = "state" always,
        /// `generation` grows by one each time the sandbox is started; 0 is never.
        pub generation: i64 = "generation" always,
        /// RFC 3339.
        pub started_at: String = "startedAt",
        /// RFC 3339.
        pub last_activity_at: String = "lastActivityAt",
        /// `exit_code` is the sandbox's own, when it stopped or was lost.
        pub exit_code: Option<i64> = "exitCode",
        pub connections: i64 = "connections" always,
        /// `processes` counts those that startProcess started and that still run.
        pub processes: i64 = "processes" always,
        /// `paused` is set while everything in the sandbox is frozen.
        pub paused: bool = "paused",
        /// `sleeps_at` is when the sandbox will be stopped unless it is used before;
        /// absent while something keeps it awake or it never sleeps. RFC 3339.
        pub sleeps_at: String = "sleepsAt",
        /// `why` says what keeps it awake ("2 connections", "1 terminal", "exec",
        /// "keepAlive") or why it does not run ("idle for 10m0s", "stopped", "lost: exit
        /// code 137, out of memory").
        pub why: Vec<String> = "why",
        /// `runtime` is "docker" or "process"; `dial` is how ports are reached:
        /// "namespace" or "init".
        pub runtime: String = "runtime",
        pub dial: String = "dial",
        /// `machine` is the name of the sandbox's container or namespace.
        pub machine: String = "machine",
        pub image: String = "image",
        /// `preset` is how far what runs inside is confined: "strict", "default" or
        /// "trusted".
        pub preset: String = "preset",
        /// `network` is "none", "internal" or "egress".
        pub network: String = "network" always,
        pub persist: String = "persist" always,
        /// `sleep_after` is how long it may be unused; 0 is for ever.
        pub sleep_after: Duration = "sleepAfter" always,
        pub keep_alive: bool = "keepAlive" always,
        pub labels: BTreeMap<String, String> = "labels",
        /// `limits` are the bounds that are in force, and by what.
        pub limits: Vec<Limit> = "limits",
        /// `facts` are what the runtime says of the machine besides.
        pub facts: BTreeMap<String, String> = "facts",
        pub ports: Vec<ExposedPort> = "ports",
    }
}

record! {
    /// SetEnvVarsOptions sets variables, or with null unsets them.
    pub struct SetEnvVarsOptions {
        pub env_vars: BTreeMap<String, Option<String>> = "envVars" always,
    }
}

record! {
    /// SessionOptions makes a session. Its variables come over the sandbox's, and a
    /// call's own over both.
    pub struct SessionOptions {
        /// `id` is 1 to 128 characters, no control characters; generated if empty.
        pub id: String = "id",
        /// `cwd` is where commands of the session start that name no cwd; a relative cwd
        /// of theirs is relative to it. /workspace by default.
        pub cwd: String = "cwd",
        pub env: BTreeMap<String, String> = "env",
    }
}

record! {
    /// SessionState is a working directory and an environment that calls share. It ends
    /// with the sandbox's run.
    pub struct SessionState {
        pub id: String = "id" always,
        pub cwd: String = "cwd" always,
        pub env: BTreeMap<String, String> = "env" always,
        /// RFC 3339.
        pub created_at: String = "createdAt" always,
        /// `processes` counts what was started through the session and still runs.
        pub processes: i64 = "processes" always,
    }
}

record! {
    /// NamedSession names a session.
    pub struct NamedSession {
        pub id: String = "id" always,
    }
}

record! {
    /// ExecOptions runs a command to its end. Exactly one of `command` and `argv` is set.
    pub struct ExecOptions {
        /// `command` is run by /bin/sh -c.
        pub command: String = "command",
        /// `argv` is run as it is, no shell needed.
        pub argv: Vec<String> = "argv",
        /// `cwd` is /workspace by default.
        pub cwd: String = "cwd",
        pub env: BTreeMap<String, String> = "env",
        pub stdin: String = "stdin",
        /// `timeout` kills the command and everything it started; default is the
        /// binding's execTimeout, 10m.
        pub timeout: Duration = "timeout",
        /// `encoding` of the answer's output: "utf8" (default; bytes that are not UTF-8
        /// become U+FFFD) or "base64".
        pub encoding: String = "encoding",
        /// `max_output` is how many bytes of each stream are kept; default 1 MiB.
        pub max_output: i64 = "maxOutput",
        /// `user` runs the command as another user of the sandbox: a name of its
        /// /etc/passwd or a number, with ":group" or without. It takes an init that runs
        /// as root; else only its own user can be named.
        pub user: String = "user",
        /// `session` is whose cwd and variables the command shares.
        pub session: String = "session",
    }
}

record! {
    /// ExecResult is how a command ended. A command that fails is an answer, not an
    /// error.
    pub struct ExecResult {
        /// exit code 0
        pub success: bool = "success" always,
        pub exit_code: i64 = "exitCode" always,
        /// "SIGKILL", when one ended it
        pub signal: String = "signal",
        pub stdout: String = "stdout" always,
        pub stderr: String = "stderr" always,
        /// `truncated` is set when a stream was longer than MaxOutput.
        pub truncated: bool = "truncated" always,
        pub duration: Duration = "duration" always,
    }
}

record! {
    /// ExecStreamOptions is exec's, without what belongs to an answer in one piece.
    /// Binary messages to the stream are the command's standard input when `input` is
    /// set; a text message with type "end" closes it. Closing the stream kills the
    /// command and everything it started.
    pub struct ExecStreamOptions {
        /// run by /bin/sh -c
        pub command: String = "command",
        pub argv: Vec<String> = "argv",
        /// default /workspace, or the session's
        pub cwd: String = "cwd",
        pub env: BTreeMap<String, String> = "env",
        pub stdin: String = "stdin",
        /// `input` keeps the standard input open, after `stdin`, for what is sent.
        pub input: bool = "input",
        /// `timeout` kills the command and everything it started; default is the
        /// binding's execTimeout, 10m.
        pub timeout: Duration = "timeout",
        /// `encoding` of the events' data: "utf8" (default; a character is never cut in
        /// two, bytes that are not UTF-8 become U+FFFD) or "base64".
        pub encoding: String = "encoding",
        pub user: String = "user",
        pub session: String = "session",
    }
}

record! {
    /// ExecEvent is something that happened to a command, in order.
    pub struct ExecEvent {
        pub kind: ExecEventType = "type" always,
        /// of start
        pub pid: i64 = "pid",
        /// of stdout and stderr
        pub data: String = "data",
        /// `exit_code`, `signal` and `duration` are of exit. A command that its timeout
        /// killed ends with the error TIMEOUT instead.
        pub exit_code: Option<i64> = "exitCode",
        pub signal: String = "signal",
        pub duration: Duration = "duration",
    }
}

record! {
    /// TerminalOptions opens a terminal, or comes back to the one of that id. At most one
    /// of `shell`, `command` and `argv` is set; they count when the terminal is new.
    pub struct TerminalOptions {
        /// `id` names the terminal, to come back to: 1 to 128 characters, no control
        /// characters. A terminal without an `id` ends when its connection does.
        pub id: String = "id",
        /// `shell` is the shell's path: by default bash if the sandbox has it, else
        /// /bin/sh.
        pub shell: String = "shell",
        /// run by /bin/sh -c
        pub command: String = "command",
        pub argv: Vec<String> = "argv",
        /// default /workspace, or the session's
        pub cwd: String = "cwd",
        /// `env` comes over TERM=xterm-256color and the session's.
        pub env: BTreeMap<String, String> = "env",
        pub user: String = "user",
        /// default 80
        pub cols: i64 = "cols",
        /// default 24
        pub rows: i64 = "rows",
        /// `session` is whose cwd, variables and life the terminal shares.
        pub session: String = "session",
        /// `since` is the offset from which output is replayed when coming back, as the
        /// events say it; what is no longer kept (256 KiB are) is told. Without it
        /// everything that is kept is replayed.
        pub since: Option<i64> = "since",
        /// `takeover` takes a terminal that is held by another connection, which is told;
        /// without it that is TOO_MANY_REQUESTS.
        pub takeover: bool = "takeover",
    }
}

record! {
    /// TerminalEvent is a text message from a terminal; what it prints are the binary
    /// ones. A program whose output is not read is held back once the replay is full of
    /// it, but never while nobody holds the terminal; what is sent after input that the
    /// program does not read waits with it.
    pub struct TerminalEvent {
        pub kind: TerminalEventType = "type" always,
        /// `id` and `pid` are the terminal's, of ready.
        pub id: String = "id",
        pub pid: i64 = "pid",
        /// `offset` counts the bytes that the terminal printed before the next one;
        /// `dropped` those after Since that are no longer kept. Of ready; exit tells how
        /// many there were at all.
        pub offset: i64 = "offset" always,
        pub dropped: i64 = "dropped",
        /// `exit_code` and `signal` are the program's, of exit.
        pub exit_code: Option<i64> = "exitCode",
        pub signal: String = "signal",
        /// `error` is what failed, of error.
        pub error: Option<Error> = "error",
    }
}

record! {
    /// StartProcessOptions starts a process that lives on. Exactly one of `command` and
    /// `argv` is set.
    pub struct StartProcessOptions {
        pub command: String = "command",
        pub argv: Vec<String> = "argv",
        /// `process_id` names the process: 1 to 128 characters, no control characters;
        /// generated if empty.
        pub process_id: String = "processId",
        pub cwd: String = "cwd",
        pub env: BTreeMap<String, String> = "env",
        /// `timeout` kills the process when it has run that long; default never.
        pub timeout: Duration = "timeout",
        pub if_running: IfRunning = "ifRunning",
        /// `user` and `session` are as in exec.
        pub user: String = "user",
        pub session: String = "session",
    }
}

record! {
    /// ProcessState is a process's state.
    pub struct ProcessState {
        pub id: String = "id" always,
        pub pid: i64 = "pid" always,
        pub command: String = "command" always,
        pub status: Status = "status" always,
        pub exit_code: Option<i64> = "exitCode",
        pub signal: String = "signal",
        /// `oom_killed` is set where it is known that the kernel ended it for want of
        /// memory.
        pub oom_killed: bool = "oomKilled",
        /// RFC 3339.
        pub started_at: String = "startedAt" always,
        /// RFC 3339.
        pub ended_at: String = "endedAt",
        /// `session` is the one it was started through.
        pub session: String = "session",
    }
}

record! {
    /// ProcessList answers listProcesses, oldest first.
    pub struct ProcessList {
        pub processes: Vec<ProcessState> = "processes" always,
    }
}

record! {
    /// NamedProcess names a process.
    pub struct NamedProcess {
        pub process_id: String = "processId" always,
    }
}

record! {
    /// KillOptions asks a process, with its whole group, to end.
    pub struct KillOptions {
        pub process_id: String = "processId" always,
        /// default TERM
        pub signal: String = "signal",
        /// default 5s, then KILL
        pub grace: Duration = "grace",
    }
}

record! {
    /// KillAllOptions asks every process to end.
    pub struct KillAllOptions {
        pub signal: String = "signal",
        pub grace: Duration = "grace",
    }
}

record! {
    /// KillAllResponse counts the processes that were running.
    pub struct KillAllResponse {
        pub count: i64 = "count" always,
    }
}

record! {
    /// LogsOptions asks for a process's output.
    pub struct LogsOptions {
        pub process_id: String = "processId" always,
        /// `since` is a cursor from an earlier answer; empty is from the beginning.
        pub since: String = "since",
        /// `tail` keeps only the last n lines of each stream; 0 is all.
        pub tail: i64 = "tail",
    }
}

record! {
    /// Logs is a process's output from Since on.
    pub struct Logs {
        pub stdout: String = "stdout" always,
        pub stderr: String = "stderr" always,
        /// `cursor` continues after what this answer holds.
        pub cursor: String = "cursor" always,
        /// `dropped` counts the bytes after Since that the ring no longer holds.
        pub dropped: i64 = "dropped" always,
    }
}

record! {
    /// StreamLogsOptions asks for a process's output as it comes.
    pub struct StreamLogsOptions {
        pub process_id: String = "processId" always,
        /// `since` is a cursor from an earlier answer or event; empty is from the
        /// beginning.
        pub since: String = "since",
        /// `tail` begins with the last n lines of each stream; 0 is all.
        pub tail: i64 = "tail",
        /// `follow` goes on until the process has ended; without it the stream ends with
        /// what is there.
        pub follow: bool = "follow",
        /// `encoding` of the events' data: "utf8" (default) or "base64".
        pub encoding: String = "encoding",
    }
}

record! {
    /// LogEvent is a piece of a process's output.
    pub struct LogEvent {
        pub kind: LogEventType = "type" always,
        /// of stdout and stderr
        pub data: String = "data",
        /// `cursor` continues after this event.
        pub cursor: String = "cursor" always,
        /// `dropped` counts bytes, of dropped.
        pub dropped: i64 = "dropped",
        /// `exit_code` and `signal` are the process's, of exit.
        pub exit_code: Option<i64> = "exitCode",
        pub signal: String = "signal",
    }
}

record! {
    /// StatusRange is the HTTP statuses that count as ready; written as a number or as
    /// {"min":200,"max":399}.
    pub struct StatusRange {
        pub min: i64 = "min" always,
        pub max: i64 = "max" always,
    }
}

record! {
    /// WaitForPortOptions waits until a port answers.
    pub struct WaitForPortOptions {
        pub port: u16 = "port" always,
        /// `process_id` ends the wait early when that process exits.
        pub process_id: String = "processId",
        /// `mode` is "tcp" or "http"; http is the default when `path` or `status` is
        /// given.
        pub mode: String = "mode",
        pub path: String = "path",
        /// default 200-399
        pub status: Option<StatusRange> = "status",
        /// `timeout` is 30s by default. The caller's deadline shortens it: the wait ends
        /// a little before that, with the diagnosis.
        pub timeout: Duration = "timeout",
        /// `interval` is the longest pause between two tries, 100ms by default; the first
        /// ones follow each other faster.
        pub interval: Duration = "interval",
    }
}

record! {
    /// WaitForPortResponse tells how long it took.
    pub struct WaitForPortResponse {
        pub port: u16 = "port" always,
        pub elapsed: Duration = "elapsed" always,
    }
}

record! {
    /// WaitForLogOptions waits for a line of output.
    pub struct WaitForLogOptions {
        pub process_id: String = "processId" always,
        /// `pattern` is a plain string, or a regular expression (RE2) when `regexp`.
        pub pattern: String = "pattern" always,
        pub regexp: bool = "regexp",
        /// default 30s
        pub timeout: Duration = "timeout",
    }
}

record! {
    /// LogMatch is the line that matched, colours stripped.
    pub struct LogMatch {
        pub line: String = "line" always,
        /// `matched` is the matched text, then the groups of a regular expression.
        pub matched: Vec<String> = "match" always,
        pub elapsed: Duration = "elapsed" always,
    }
}

record! {
    /// WaitForExitOptions waits for a process's end.
    pub struct WaitForExitOptions {
        pub process_id: String = "processId" always,
        /// default: the caller's deadline
        pub timeout: Duration = "timeout",
    }
}

record! {
    /// ExitStatus is how a process ended.
    pub struct ExitStatus {
        pub exit_code: i64 = "exitCode" always,
        pub signal: String = "signal",
    }
}

record! {
    /// WriteFileOptions writes a file. `path` is absolute or relative to /workspace,
    /// resolved inside the sandbox.
    pub struct WriteFileOptions {
        pub path: String = "path" always,
        pub content: String = "content" always,
        /// `encoding` of `content`: "utf8" (default) or "base64".
        pub encoding: String = "encoding",
        /// `mode` is the permission bits as an octal string; without it a file keeps the
        /// ones it has, and a new one gets "0644".
        pub mode: String = "mode",
    }
}

record! {
    /// WriteFileResponse tells what was written.
    pub struct WriteFileResponse {
        /// absolute
        pub path: String = "path" always,
        pub size: i64 = "size" always,
    }
}

record! {
    /// WriteFileStreamOptions writes a file from the binary messages that follow; a text
    /// message with type "end" ends it, and the answer comes. A stream that ends without
    /// that leaves the old content.
    pub struct WriteFileStreamOptions {
        pub path: String = "path" always,
        /// `mode` is the permission bits as an octal string; without it a file keeps the
        /// ones it has, and a new one gets "0644".
        pub mode: String = "mode",
    }
}

record! {
    /// ReadFileOptions reads a file.
    pub struct ReadFileOptions {
        pub path: String = "path" always,
        /// `encoding` of the answer: "utf8", "base64", or empty: base64 if the content is
        /// binary (not UTF-8, or with a NUL in it) or too long as JSON.
        pub encoding: String = "encoding",
    }
}

record! {
    /// ReadFileResponse is a file's content.
    pub struct ReadFileResponse {
        pub content: String = "content" always,
        pub encoding: String = "encoding" always,
        pub is_binary: bool = "isBinary" always,
        pub size: i64 = "size" always,
    }
}

record! {
    /// ReadFileStreamOptions reads a file of any size. First comes its FileInfo, then its
    /// bytes: no more than the size it had then, and fewer if it is cut while it is read.
    /// The files of /proc and /sys know no size; they are read to their end. What is no
    /// regular file is INVALID_REQUEST.
    pub struct ReadFileStreamOptions {
        pub path: String = "path" always,
        /// `offset` is where to begin, in bytes; beyond the end there is nothing.
        pub offset: i64 = "offset",
        /// `length` is the most that is read, in bytes; 0 is all.
        pub length: i64 = "length",
    }
}

record! {
    /// FileInfo is one file or folder. In a name that is not UTF-8 each wrong byte is
    /// shown as U+FFFD; such a file is reached by exec alone.
    pub struct FileInfo {
        pub name: String = "name" always,
        /// `path` is relative to the listed folder, or absolute where none was listed.
        pub path: String = "path" always,
        pub kind: FileType = "type" always,
        /// bytes; of a folder whatever the file system says
        pub size: i64 = "size" always,
        /// `mode` is the permission bits in octal, "0644", with those for running as the
        /// owner if there are any, "4755".
        pub mode: String = "mode" always,
        /// RFC 3339.
        pub modified_at: String = "modifiedAt" always,
        /// `target` is what a symlink names.
        pub target: String = "target",
    }
}

record! {
    /// MkdirOptions makes a folder. What exists is FILE_EXISTS, unless it is a folder and
    /// `recursive` is set: then it is left as it is.
    pub struct MkdirOptions {
        pub path: String = "path" always,
        /// `recursive` makes missing folders above it too, with mode 0755.
        pub recursive: bool = "recursive",
        /// octal, "0755" by default
        pub mode: String = "mode",
    }
}

record! {
    /// DeleteFileOptions deletes. A symlink is deleted, never what it names. The root and
    /// /workspace stay: they are INVALID_REQUEST, what is in them is not.
    pub struct DeleteFileOptions {
        pub path: String = "path" always,
        /// `recursive` deletes a folder with all in it; without it a folder is
        /// IS_DIRECTORY.
        pub recursive: bool = "recursive",
    }
}

record! {
    /// RenameFileOptions gives a file or folder another name on the same file system, in
    /// one step. A file replaces a file, and a folder an empty folder.
    pub struct RenameFileOptions {
        pub old_path: String = "oldPath" always,
        pub new_path: String = "newPath" always,
    }
}

record! {
    /// MoveFileOptions moves a file or folder with modes, times and symlinks. What is
    /// replaced is as with renameFile, and so is the one step, except that from one file
    /// system to another the source goes last.
    pub struct MoveFileOptions {
        pub source_path: String = "sourcePath" always,
        /// `destination_path` is the new path; a folder, or what ends in a slash, is
        /// where it goes into. Missing folders are made.
        pub destination_path: String = "destinationPath" always,
    }
}

record! {
    /// NamedPath names a path.
    pub struct NamedPath {
        pub path: String = "path" always,
    }
}

record! {
    /// ExistsResponse tells what is at a path; a symlink that leads nowhere exists.
    pub struct ExistsResponse {
        pub exists: bool = "exists" always,
        pub info: Option<FileInfo> = "info",
    }
}

record! {
    /// SetPermissionsOptions sets permission bits. A symlink is followed, but not those
    /// below a folder.
    pub struct SetPermissionsOptions {
        pub path: String = "path" always,
        /// `mode` is octal, "0755".
        pub mode: String = "mode" always,
        /// `recursive` sets them for all in a folder too.
        pub recursive: bool = "recursive",
    }
}

record! {
    /// ListFilesOptions lists a folder. Symlinks in it are listed, never followed.
    pub struct ListFilesOptions {
        pub path: String = "path" always,
        pub recursive: bool = "recursive",
        /// names that begin with a dot
        pub include_hidden: bool = "includeHidden",
        /// default 10,000, at most 100,000
        pub limit: i64 = "limit",
    }
}

record! {
    /// FileList is a folder's content, by name in each folder, and after a folder what is
    /// in it.
    pub struct FileList {
        pub files: Vec<FileInfo> = "files" always,
        /// `truncated` is set when there is more: beyond the limit or 32 MiB, in a folder
        /// that may not be read, or more than 256 folders deep.
        pub truncated: bool = "truncated" always,
    }
}

record! {
    /// SearchFilesOptions searches a folder and all below it. At least one of `glob` and
    /// `text` is set.
    pub struct SearchFilesOptions {
        /// default /workspace
        pub path: String = "path",
        /// `glob` is matched with the path below the folder: "*" and "?" stop at "/",
        /// "**" does not, "[a-z]" and "{a,b}" work; a glob without "/" is matched with
        /// the name alone. One that begins with "/" begins at the folder.
        pub glob: String = "glob",
        /// `text` is searched in files that are text: a plain string, or a regular
        /// expression (RE2) when `regexp`. `text` is UTF-8 without a NUL, judged by a
        /// file's first 64 KiB.
        pub text: String = "text",
        pub regexp: bool = "regexp",
        /// of `text`
        pub ignore_case: bool = "ignoreCase",
        pub include_hidden: bool = "includeHidden",
        /// default 1,000, at most 10,000
        pub limit: i64 = "limit",
    }
}

record! {
    /// SearchMatch is a file, or with `text` a line of one.
    pub struct SearchMatch {
        /// relative to the searched folder
        pub path: String = "path" always,
        pub kind: FileType = "type" always,
        /// `line` counts from 1; `text` is the line, cut to 1,024 bytes.
        pub line: i64 = "line",
        pub text: String = "text",
    }
}

record! {
    /// SearchResult are the matches, in the order of listFiles.
    pub struct SearchResult {
        pub matches: Vec<SearchMatch> = "matches" always,
        /// `truncated` is set when there is more than the limit or 16 MiB, or when not
        /// all was searched: a file of more than 64 MiB, a line beyond its first 1 MiB,
        /// what may not be read, or what is more than 256 folders deep.
        pub truncated: bool = "truncated" always,
    }
}

record! {
    /// WatchOptions watches a folder, or a file. The stream ends when that has gone, but
    /// for a file only when its folder has: programs replace files. Folders that may not
    /// be read are not watched.
    pub struct WatchOptions {
        pub path: String = "path" always,
        /// also folders that come later
        pub recursive: bool = "recursive",
        /// `include` and `exclude` are globs as in searchFiles; without `include`
        /// everything counts. Folders named node_modules and .git are left out of a
        /// recursive watch unless `include` names them.
        pub include: Vec<String> = "include",
        pub exclude: Vec<String> = "exclude",
    }
}

record! {
    /// WatchEvent is a change.
    pub struct WatchEvent {
        pub kind: WatchEventType = "type" always,
        /// relative to the watched folder, which is "."
        pub path: String = "path",
        pub old_path: String = "oldPath",
        pub is_dir: bool = "isDir",
    }
}

record! {
    /// CheckoutOptions clones a repository, without its submodules. What git asks for it
    /// does not get: credentials are in `url`, where the clone keeps them as git does, or
    /// in the sandbox.
    pub struct CheckoutOptions {
        /// `url` is one of https, http, ssh, git or file, user@host:path, or a path
        /// inside the sandbox.
        pub url: String = "url" always,
        /// or a tag; default: the repository's own
        pub branch: String = "branch",
        /// `target_dir` is by default the repository's name below /workspace. One that
        /// exists must be empty.
        pub target_dir: String = "targetDir",
        /// `depth` is how many commits of the one branch are fetched; 0 is all, of all
        /// branches.
        pub depth: i64 = "depth",
        /// default: the binding's execTimeout
        pub timeout: Duration = "timeout",
    }
}

record! {
    /// CheckoutResult tells what was cloned.
    pub struct CheckoutResult {
        /// absolute
        pub target_dir: String = "targetDir" always,
        /// empty for a tag
        pub branch: String = "branch",
        /// empty for an empty repository
        pub commit: String = "commit" always,
    }
}

record! {
    /// Policy is what a decision or an exposure asks the host to enforce on the
    /// connection that follows. Zero values mean no limit. A WebSocket that breaks it is
    /// closed between two frames, with the close code named below (RFC 6455, section
    /// 7.4.1); an HTTP answer is cut. A request that it does not admit is answered before
    /// anything is dialled.
    pub struct Policy {
        /// `wait` is how long a refused port is tried again on a sandbox that this very
        /// request started (default 10s there, otherwise none).
        pub wait: Duration = "wait",
        /// `idle_timeout` ends a connection on which nothing was sent either way (1008).
        pub idle_timeout: Duration = "idleTimeout",
        /// `max_duration` ends a connection however busy it is (1008).
        pub max_duration: Duration = "maxDuration",
        /// `max_message_bytes` bounds one WebSocket message, all fragments together
        /// (1009).
        pub max_message_bytes: i64 = "maxMessageBytes",
        /// `max_bytes` bounds both directions together (1008).
        pub max_bytes: i64 = "maxBytes",
        /// `messages_per_second` bounds the WebSocket messages that the client sends,
        /// with bursts of up to one second's worth (1013). What the sandbox sends is not
        /// counted, nor are pings, pongs and HTTP requests.
        pub messages_per_second: i64 = "messagesPerSecond",
        /// `ping_interval` has the host send the client of a WebSocket a ping after so
        /// long without a byte either way; a client that then stays silent for two more
        /// intervals is closed (1001).
        pub ping_interval: Duration = "pingInterval",
        /// `allow_origins` are the web sites whose pages may connect, 1 to 64 of them;
        /// left out, all may. A request, WebSocket handshake or not, whose Origin none of
        /// them matches is answered 403 DENIED. One without Origin passes: browsers
        /// always send it where a page of another site can read the answer, and other
        /// programs could make it up. Pages of a preview's own host name always pass. An
        /// entry is "https://app.example.com", which is that origin exactly;
        /// "app.example.com", by http or https and on any port unless one is named;
        /// "*.example.com", every name below that one and not the name itself, also with
        /// a scheme or a port; or "null".
        pub allow_origins: Vec<String> = "allowOrigins",
        /// `protocols` are the WebSocket subprotocols that may be spoken (RFC 6455,
        /// section 1.9), 1 to 64 of them, compared to the letter; left out, any and none.
        /// The sandbox is offered those of the client's that stand here, in the client's
        /// order. A handshake that offers none of them is answered 400 INVALID_REQUEST.
        pub protocols: Vec<String> = "protocols",
    }
}

record! {
    /// ExposeOptions makes a port reachable by URL.
    pub struct ExposeOptions {
        pub port: u16 = "port" always,
        pub name: String = "name",
        /// `token` is [a-z0-9_]{1,16}; 16 random characters by default.
        pub token: String = "token",
        /// `ttl` ends the exposure after that long; default never.
        pub ttl: Duration = "ttl",
        /// default token
        pub access: Access = "access",
        /// `token_in` is "host" (default) or "request". The other one is another URL.
        pub token_in: String = "tokenIn",
        /// `if_exposed` is "keep" (default: same token, same URL) or "error".
        pub if_exposed: String = "ifExposed",
        /// `wake` says what wakes a sandbox that does not run; default "hold(30s)".
        pub wake: String = "wake",
        /// `host` is "local" (default), "preview" or a literal such as
        /// "app.internal:${port}".
        pub host: String = "host",
        /// `on_restart` is "keep" (default) or "revoke".
        pub on_restart: String = "onRestart",
        /// `policy` takes the place, as a whole, of the one that the exposure has. Left
        /// out, that one stays.
        pub policy: Policy = "policy",
        /// `max_connections` bounds what may be open through the exposure at a time,
        /// WebSockets and HTTP exchanges together; beyond it is 429 TOO_MANY_REQUESTS. 0,
        /// or left out, is no bound but the edge's own, or the one that the exposure has.
        pub max_connections: i64 = "maxConnections",
    }
}

record! {
    /// UnexposePortOptions takes an exposure back.
    pub struct UnexposePortOptions {
        pub port: u16 = "port" always,
        /// `drain` is how long what came through it may go on; new requests are refused
        /// at once. Default 0; at most 1h.
        pub drain: Duration = "drain",
    }
}

record! {
    /// ExposedPorts answers getExposedPorts, by port.
    pub struct ExposedPorts {
        pub ports: Vec<ExposedPort> = "ports" always,
    }
}

record! {
    /// NamedPort names a port.
    pub struct NamedPort {
        pub port: u16 = "port" always,
    }
}

record! {
    /// BoolResponse answers a yes-or-no question.
    pub struct BoolResponse {
        pub value: bool = "value" always,
    }
}

record! {
    /// TokenOptions asks about a token.
    pub struct TokenOptions {
        pub port: u16 = "port" always,
        pub token: String = "token" always,
    }
}

record! {
    /// PreviewLinkOptions asks for a link that shows nobody's token and ends by itself.
    pub struct PreviewLinkOptions {
        /// exposed with tokenIn "request"
        pub port: u16 = "port" always,
        /// `ttl` is how long the link works, and what a browser got by it; default 1h, at
        /// most 30 days, and never longer than the exposure.
        pub ttl: Duration = "ttl",
        /// `path`, with its query, is where the link leads; default "/".
        pub path: String = "path",
    }
}

record! {
    /// PreviewLink is a signed link. It is recorded nowhere: it ends with its time, with
    /// the exposure, or when the exposure gets another token.
    pub struct PreviewLink {
        pub url: String = "url" always,
        /// RFC 3339.
        pub expires_at: String = "expiresAt" always,
    }
}

record! {
    /// ListeningPort is a TCP port that something in the sandbox listens on.
    pub struct ListeningPort {
        pub port: u16 = "port" always,
        /// `address` is the one that is listened on: "127.0.0.1", "0.0.0.0", "::" or
        /// another of the sandbox. It is left out where the sandbox was started by an
        /// edge that could not tell.
        pub address: String = "address",
        /// `process_id` is the process that was started under it, `pid` the one that
        /// listens; left out where that cannot be told.
        pub process_id: String = "processId",
        pub pid: i64 = "pid",
        /// `url` is the preview's, if the port is exposed.
        pub url: String = "url",
    }
}

record! {
    /// ListeningPorts answers getListeningPorts, by port.
    pub struct ListeningPorts {
        pub ports: Vec<ListeningPort> = "ports" always,
    }
}

record! {
    /// SandboxOptions are the settings that getSandbox takes. They are remembered until
    /// the sandbox is destroyed. How long it may be unused is set by every use of it that
    /// says so, the latest winning; variables and labels count with a use that starts it.
    pub struct SandboxOptions {
        /// `sleep_after` is how long it may be unused before it is stopped; the binding's
        /// by default. It ends an earlier `keep_alive`.
        pub sleep_after: Duration = "sleepAfter",
        /// `keep_alive` has it never sleep.
        pub keep_alive: bool = "keepAlive",
        /// `env` comes over the binding's variables; what setEnvVars set, over both.
        pub env: BTreeMap<String, String> = "env",
        pub labels: BTreeMap<String, String> = "labels",
    }
}

record! {
    /// StreamInput is a text message to a stream. Binary messages are the bytes of an
    /// upload, the standard input of execStream, or what is typed into a terminal.
    pub struct StreamInput {
        pub kind: InputType = "type" always,
        /// `cols` and `rows` are the window's size, of a resize: 1 to 1000 each.
        pub cols: i64 = "cols",
        pub rows: i64 = "rows",
        /// `signal` is a name or a number, of a signal.
        pub signal: String = "signal",
    }
}

record! {
    /// SandboxEvent is what a plugin's hooks are told. It is told after the fact, once
    /// and in order for one sandbox, while the edge runs.
    pub struct SandboxEvent {
        pub kind: SandboxEventType = "type" always,
        pub binding: String = "binding" always,
        pub id: String = "id" always,
        /// `generation` is the run of the sandbox that it happened to.
        pub generation: i64 = "generation" always,
        /// `reason` is why it stopped: "stop", "sleep", "destroy".
        pub reason: String = "reason",
        /// `exit_code` is the sandbox's own, where it is known.
        pub exit_code: Option<i64> = "exitCode",
        /// `error` is why it failed.
        pub error: Option<Error> = "error",
    }
}

record! {
    /// SocketClosed is how a Socket ended: the peer's close code and reason, or 1006 when
    /// the connection broke without one.
    pub struct SocketClosed {
        pub code: i64 = "code" always,
        pub reason: String = "reason" always,
    }
}

record! {
    /// WebSocketOptions are what wsOpen takes besides sandbox and port.
    pub struct WebSocketOptions {
        /// default "/"
        pub path: String = "path",
        pub protocols: Vec<String> = "protocols",
        pub headers: Vec<(String, String)> = "headers",
        pub sandbox: Option<SandboxOptions> = "sandbox",
        /// `wait` is as in Policy.
        pub wait: Duration = "wait",
    }
}

record! {
    /// StreamCall names an operation that is a stream, with its request: what a Connect
    /// gives a client in the place of a port.
    pub struct StreamCall {
        /// `name` is the operation's: one that sends events, or that sends and takes
        /// events and bytes. Files are for requests without a WebSocket.
        pub name: String = "name" always,
        /// `request` is the operation's request without "sandbox", a JSON object; none is
        /// an empty one.
        pub request: Value = "request",
    }
}

record! {
    /// TargetOptions are the JSON that connect and proxy take.
    pub struct TargetOptions {
        pub policy: Policy = "policy",
        /// `wake` says what wakes a sandbox that does not run; default is what the
        /// exposure says, if the request goes to one, else "hold(30s)".
        pub wake: String = "wake",
        pub sandbox: Option<SandboxOptions> = "sandbox",
        /// `stream`, of connect with port 0, is what the client is connected with.
        pub stream: Option<StreamCall> = "stream",
    }
}

record! {
    /// NotReady is the details of PROCESS_READY_TIMEOUT, PROCESS_EXITED_BEFORE_READY and
    /// PORT_NOT_LISTENING. Who reaches a port by a preview alone is told its diagnosis.
    pub struct NotReady {
        /// `diagnosis` is "not_listening", "listening_on:[8080 9000]",
        /// "wrong_status:503", "not_http", or "server_ended" where the process that
        /// listened on the port has ended.
        pub diagnosis: String = "diagnosis",
        /// `process_id` is the process that ended.
        pub process_id: String = "processId",
        pub exit_code: Option<i64> = "exitCode",
        pub signal: String = "signal",
        pub oom_killed: bool = "oomKilled",
        pub stderr_tail: String = "stderrTail",
    }
}

record! {
    /// Lost is the details of SANDBOX_LOST: which run of the sandbox ended unasked, and
    /// how, if that is known.
    pub struct Lost {
        pub generation: i64 = "generation" always,
        pub exit_code: Option<i64> = "exitCode",
        pub oom_killed: bool = "oomKilled",
    }
}

record! {
    /// SandboxRef names a sandbox: its binding and its id there.
    pub struct SandboxRef {
        pub binding: String = "binding" always,
        pub id: String = "id" always,
        /// `sleep_after` is how long it may be unused before it is stopped; the binding's
        /// by default. It ends an earlier `keep_alive`.
        pub sleep_after: Duration = "sleepAfter",
        /// `keep_alive` has it never sleep.
        pub keep_alive: bool = "keepAlive",
        /// `env` comes over the binding's variables; what setEnvVars set, over both.
        pub env: BTreeMap<String, String> = "env",
        pub labels: BTreeMap<String, String> = "labels",
    }
}

record! {
    /// PlanFile is one file of a Plan, as writeFile takes it.
    pub struct PlanFile {
        pub path: String = "path" always,
        pub content: String = "content" always,
        pub encoding: String = "encoding",
        pub mode: String = "mode",
    }
}

record! {
    /// PlanProcess is the process of a Plan, as startProcess takes it. Its id makes it
    /// one however many requests ask for it.
    pub struct PlanProcess {
        pub process_id: String = "processId" always,
        pub command: String = "command",
        pub argv: Vec<String> = "argv",
        pub cwd: String = "cwd",
        pub env: BTreeMap<String, String> = "env",
    }
}

record! {
    /// PlanReady is what a Plan waits for, as waitForPort takes it; the port is the
    /// plan's.
    pub struct PlanReady {
        pub mode: String = "mode",
        pub path: String = "path",
        pub status: Option<StatusRange> = "status",
        pub interval: Duration = "interval",
    }
}

record! {
    /// PlanAnswer is an answer that a Plan gives by itself.
    pub struct PlanAnswer {
        pub status: i64 = "status" always,
        pub headers: Vec<(String, String)> = "headers",
        pub body: String = "body",
    }
}

record! {
    /// Plan is a decision that the host carries out step by step after the plugin's
    /// instance is free again: the sandbox is ensured, then the process, then the port,
    /// and then the request is relayed to it. Ten thousand clients can wait for one cold
    /// start with no instance held.
    pub struct Plan {
        pub sandbox: SandboxRef = "sandbox" always,
        /// `files` are written before the process is started, and only then.
        pub files: Vec<PlanFile> = "files",
        /// `process` is started unless a process of its id runs; nil: none is.
        pub process: Option<PlanProcess> = "process",
        /// `ready` is waited for; nil: the port below is dialled at once.
        pub ready: Option<PlanReady> = "ready",
        /// `then` is "connect" (a WebSocket) or "proxy" (any request), to `port`.
        pub then: String = "then" always,
        pub port: u16 = "port" always,
        pub policy: Policy = "policy",
        /// `timeout` bounds all steps before the dial; default 30s, at most 10m.
        pub timeout: Duration = "timeout",
        /// `fallback` is the answer if a step fails or `timeout` passes; nil: the
        /// error's.
        pub fallback: Option<PlanAnswer> = "fallback",
    }
}
