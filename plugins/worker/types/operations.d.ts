// Written by "go test ./plugins/worker -run TestOperationTypes -update" from the
// operation table (abi/operation.go) and its comments. Do not edit.

declare module "@cloudflare/sandbox" {
  /** What the edge's operations take and answer, as abi/REFERENCE.md has it. */
  export namespace Api {
    /** A text like "10s", "5m" or "1h30m", or a number of milliseconds. */
    type Duration = string | number;
    /** A name ("TERM") or a number. */
    type Signal = string | number;
    /** RFC 3339. */
    type Time = string;
    /** SandboxState answers getState. */
    interface SandboxState {
      state: "absent" | "starting" | "running" | "stopping" | "stopped" | "lost";
      /** `generation` grows by one each time the sandbox is started; 0 is never. */
      generation: number;
      startedAt?: Time;
      lastActivityAt?: Time;
      /** `exitCode` is the sandbox's own, when it stopped or was lost. */
      exitCode?: number;
      connections: number;
      /** `processes` counts those that startProcess started and that still run. */
      processes: number;
      /** `paused` is set while everything in the sandbox is frozen. */
      paused?: boolean;
      /**
       * `sleepsAt` is when the sandbox will be stopped unless it is used before; absent while something keeps it
       * awake or it never sleeps.
       */
      sleepsAt?: Time;
      /**
       * `why` says what keeps it awake ("2 connections", "1 terminal", "exec", "keepAlive") or why it does not
       * run ("idle for 10m0s", "stopped", "lost: exit code 137, out of memory").
       */
      why?: string[];
      /** `runtime` is "docker" or "process"; `dial` is how ports are reached: "namespace" or "init". */
      runtime?: string;
      dial?: string;
    }
    /** StopRequest asks a sandbox to end. */
    interface StopRequest {
      /** `signal` is sent to every process first: a name ("TERM") or a number; default TERM. */
      signal?: Signal;
      /** `grace` is how long they have before KILL; default 5s. */
      grace?: Duration;
    }
    /** Inspection is all that the edge knows of a sandbox. */
    interface Inspection {
      binding: string;
      id: string;
      state: "absent" | "starting" | "running" | "stopping" | "stopped" | "lost";
      /** `generation` grows by one each time the sandbox is started; 0 is never. */
      generation: number;
      startedAt?: Time;
      lastActivityAt?: Time;
      /** `exitCode` is the sandbox's own, when it stopped or was lost. */
      exitCode?: number;
      connections: number;
      /** `processes` counts those that startProcess started and that still run. */
      processes: number;
      /** `paused` is set while everything in the sandbox is frozen. */
      paused?: boolean;
      /**
       * `sleepsAt` is when the sandbox will be stopped unless it is used before; absent while something keeps it
       * awake or it never sleeps.
       */
      sleepsAt?: Time;
      /**
       * `why` says what keeps it awake ("2 connections", "1 terminal", "exec", "keepAlive") or why it does not
       * run ("idle for 10m0s", "stopped", "lost: exit code 137, out of memory").
       */
      why?: string[];
      /** `runtime` is "docker" or "process"; `dial` is how ports are reached: "namespace" or "init". */
      runtime?: string;
      dial?: string;
      /** `machine` is the name of the sandbox's container or namespace. */
      machine?: string;
      image?: string;
      /** `preset` is how far what runs inside is confined: "strict", "default" or "trusted". */
      preset?: string;
      /** `network` is "none", "internal" or "egress". */
      network: string;
      persist: string;
      /** `sleepAfter` is how long it may be unused; 0 is for ever. */
      sleepAfter: number;
      keepAlive: boolean;
      labels?: Record<string, string>;
      /** `limits` are the bounds that are in force, and by what. */
      limits?: Limit[];
      /** `facts` are what the runtime says of the machine besides. */
      facts?: Record<string, string>;
      ports?: ExposedPort[];
    }
    /** SetEnvVarsRequest sets variables, or with null unsets them. */
    interface SetEnvVarsRequest {
      envVars: Record<string, string | null | undefined>;
    }
    /** CreateSessionRequest makes a session. Its variables come over the sandbox's, and a call's own over both. */
    interface CreateSessionRequest {
      /** `id` is 1 to 128 characters, no control characters; generated if empty. */
      id?: string;
      /**
       * `cwd` is where commands of the session start that name no cwd; a relative cwd of theirs is relative to
       * it. /workspace by default.
       */
      cwd?: string;
      env?: Record<string, string | undefined>;
    }
    /** Session is a working directory and an environment that calls share. It ends with the sandbox's run. */
    interface Session {
      id: string;
      cwd: string;
      env: Record<string, string>;
      createdAt: Time;
      /** `processes` counts what was started through the session and still runs. */
      processes: number;
    }
    /** SessionRequest names a session. */
    interface SessionRequest {
      id: string;
    }
    /** ExecRequest runs a command to its end. Exactly one of `command` and `argv` is set. */
    interface ExecRequest {
      /** `command` is run by /bin/sh -c. */
      command?: string;
      /** `argv` is run as it is, no shell needed. */
      argv?: string[];
      /** `cwd` is /workspace by default. */
      cwd?: string;
      env?: Record<string, string | undefined>;
      stdin?: string;
      /** `timeout` kills the command and everything it started; default is the binding's execTimeout, 10m. */
      timeout?: Duration;
      /**
       * `encoding` of the answer's output: "utf8" (default; bytes that are not UTF-8 become U+FFFD) or "base64".
       */
      encoding?: string;
      /** `maxOutput` is how many bytes of each stream are kept; default 1 MiB. */
      maxOutput?: number;
      /**
       * `user` runs the command as another user of the sandbox: a name of its /etc/passwd or a number, with
       * ":group" or without. It takes an init that runs as root; else only its own user can be named.
       */
      user?: string;
      /** `session` is whose cwd and variables the command shares. */
      session?: string;
    }
    /** ExecResponse is how a command ended. A command that fails is an answer, not an error. */
    interface ExecResponse {
      /** exit code 0 */
      success: boolean;
      exitCode: number;
      /** "SIGKILL", when one ended it */
      signal?: string;
      stdout: string;
      stderr: string;
      /** `truncated` is set when a stream was longer than MaxOutput. */
      truncated: boolean;
      duration: number;
    }
    /**
     * ExecStreamRequest is exec's, without what belongs to an answer in one piece. Binary messages to the stream
     * are the command's standard input when `input` is set; a text message with type "end" closes it. Closing
     * the stream kills the command and everything it started.
     */
    interface ExecStreamRequest {
      /** run by /bin/sh -c */
      command?: string;
      argv?: string[];
      /** default /workspace, or the session's */
      cwd?: string;
      env?: Record<string, string | undefined>;
      stdin?: string;
      /** `input` keeps the standard input open, after `stdin`, for what is sent. */
      input?: boolean;
      /** `timeout` kills the command and everything it started; default is the binding's execTimeout, 10m. */
      timeout?: Duration;
      /**
       * `encoding` of the events' data: "utf8" (default; a character is never cut in two, bytes that are not
       * UTF-8 become U+FFFD) or "base64".
       */
      encoding?: string;
      user?: string;
      session?: string;
    }
    /** ExecEvent is something that happened to a command, in order. */
    interface ExecEvent {
      type: "start" | "stdout" | "stderr" | "exit";
      /** of start */
      pid?: number;
      /** of stdout and stderr */
      data?: string;
      /**
       * `exitCode`, `signal` and `duration` are of exit. A command that its timeout killed ends with the error
       * TIMEOUT instead.
       */
      exitCode?: number;
      signal?: string;
      duration?: number;
    }
    /**
     * TerminalRequest opens a terminal, or comes back to the one of that id. At most one of `shell`, `command`
     * and `argv` is set; they count when the terminal is new.
     */
    interface TerminalRequest {
      /**
       * `id` names the terminal, to come back to: 1 to 128 characters, no control characters. A terminal without
       * an `id` ends when its connection does.
       */
      id?: string;
      /** `shell` is the shell's path: by default bash if the sandbox has it, else /bin/sh. */
      shell?: string;
      /** run by /bin/sh -c */
      command?: string;
      argv?: string[];
      /** default /workspace, or the session's */
      cwd?: string;
      /** `env` comes over TERM=xterm-256color and the session's. */
      env?: Record<string, string | undefined>;
      user?: string;
      /** default 80 */
      cols?: number;
      /** default 24 */
      rows?: number;
      /** `session` is whose cwd, variables and life the terminal shares. */
      session?: string;
      /**
       * `since` is the offset from which output is replayed when coming back, as the events say it; what is no
       * longer kept (256 KiB are) is told. Without it everything that is kept is replayed.
       */
      since?: number;
      /**
       * `takeover` takes a terminal that is held by another connection, which is told; without it that is
       * TOO_MANY_REQUESTS.
       */
      takeover?: boolean;
    }
    /**
     * TerminalEvent is a text message from a terminal; what it prints are the binary ones. A program whose
     * output is not read is held back once the replay is full of it, but never while nobody holds the terminal;
     * what is sent after input that the program does not read waits with it.
     */
    interface TerminalEvent {
      type: "ready" | "exit" | "taken" | "error";
      /** `id` and `pid` are the terminal's, of ready. */
      id?: string;
      pid?: number;
      /**
       * `offset` counts the bytes that the terminal printed before the next one; `dropped` those after Since
       * that are no longer kept. Of ready; exit tells how many there were at all.
       */
      offset: number;
      dropped?: number;
      /** `exitCode` and `signal` are the program's, of exit. */
      exitCode?: number;
      signal?: string;
      /** `error` is what failed, of error. */
      error?: { code: Code; message: string; retryable: boolean; details?: unknown };
    }
    /** StartProcessRequest starts a process that lives on. Exactly one of `command` and `argv` is set. */
    interface StartProcessRequest {
      command?: string;
      argv?: string[];
      /** `processId` names the process: 1 to 128 characters, no control characters; generated if empty. */
      processId?: string;
      cwd?: string;
      env?: Record<string, string | undefined>;
      /** `timeout` kills the process when it has run that long; default never. */
      timeout?: Duration;
      ifRunning?: "error" | "reuse" | "restart";
      /** `user` and `session` are as in exec. */
      user?: string;
      session?: string;
    }
    /** Process is a process's state. */
    interface Process {
      id: string;
      pid: number;
      command: string;
      status: "starting" | "running" | "completed" | "failed" | "killed" | "error";
      exitCode?: number;
      signal?: string;
      /** `oomKilled` is set where it is known that the kernel ended it for want of memory. */
      oomKilled?: boolean;
      startedAt: Time;
      endedAt?: Time;
      /** `session` is the one it was started through. */
      session?: string;
    }
    /** ProcessList answers listProcesses, oldest first. */
    interface ProcessList {
      processes: Process[];
    }
    /** ProcessRequest names a process. */
    interface ProcessRequest {
      processId: string;
    }
    /** KillRequest asks a process, with its whole group, to end. */
    interface KillRequest {
      processId: string;
      /** default TERM */
      signal?: Signal;
      /** default 5s, then KILL */
      grace?: Duration;
    }
    /** KillAllRequest asks every process to end. */
    interface KillAllRequest {
      signal?: Signal;
      grace?: Duration;
    }
    /** KillAllResponse counts the processes that were running. */
    interface KillAllResponse {
      count: number;
    }
    /** LogsRequest asks for a process's output. */
    interface LogsRequest {
      processId: string;
      /** `since` is a cursor from an earlier answer; empty is from the beginning. */
      since?: string;
      /** `tail` keeps only the last n lines of each stream; 0 is all. */
      tail?: number;
    }
    /** LogsResponse is a process's output from Since on. */
    interface LogsResponse {
      stdout: string;
      stderr: string;
      /** `cursor` continues after what this answer holds. */
      cursor: string;
      /** `dropped` counts the bytes after Since that the ring no longer holds. */
      dropped: number;
    }
    /** StreamLogsRequest asks for a process's output as it comes. */
    interface StreamLogsRequest {
      processId: string;
      /** `since` is a cursor from an earlier answer or event; empty is from the beginning. */
      since?: string;
      /** `tail` begins with the last n lines of each stream; 0 is all. */
      tail?: number;
      /** `follow` goes on until the process has ended; without it the stream ends with what is there. */
      follow?: boolean;
      /** `encoding` of the events' data: "utf8" (default) or "base64". */
      encoding?: string;
    }
    /** LogEvent is a piece of a process's output. */
    interface LogEvent {
      type: "stdout" | "stderr" | "dropped" | "exit";
      /** of stdout and stderr */
      data?: string;
      /** `cursor` continues after this event. */
      cursor: string;
      /** `dropped` counts bytes, of dropped. */
      dropped?: number;
      /** `exitCode` and `signal` are the process's, of exit. */
      exitCode?: number;
      signal?: string;
    }
    /** WaitForPortRequest waits until a port answers. */
    interface WaitForPortRequest {
      port: number;
      /** `processId` ends the wait early when that process exits. */
      processId?: string;
      /** `mode` is "tcp" or "http"; http is the default when `path` or `status` is given. */
      mode?: string;
      path?: string;
      /** default 200-399 */
      status?: number | { min?: number; max?: number };
      /**
       * `timeout` is 30s by default. The caller's deadline shortens it: the wait ends a little before that, with
       * the diagnosis.
       */
      timeout?: Duration;
      /**
       * `interval` is the longest pause between two tries, 100ms by default; the first ones follow each other
       * faster.
       */
      interval?: Duration;
    }
    /** WaitForPortResponse tells how long it took. */
    interface WaitForPortResponse {
      port: number;
      elapsed: number;
    }
    /** WaitForLogRequest waits for a line of output. */
    interface WaitForLogRequest {
      processId: string;
      /** `pattern` is a plain string, or a regular expression (RE2) when `regexp`. */
      pattern: string;
      regexp?: boolean;
      /** default 30s */
      timeout?: Duration;
    }
    /** WaitForLogResponse is the line that matched, colours stripped. */
    interface WaitForLogResponse {
      line: string;
      /** `match` is the matched text, then the groups of a regular expression. */
      match: string[];
      elapsed: number;
    }
    /** WaitForExitRequest waits for a process's end. */
    interface WaitForExitRequest {
      processId: string;
      /** default: the caller's deadline */
      timeout?: Duration;
    }
    /** ExitStatus is how a process ended. */
    interface ExitStatus {
      exitCode: number;
      signal?: string;
    }
    /**
     * WriteFileRequest writes a file. `path` is absolute or relative to /workspace, resolved inside the sandbox.
     */
    interface WriteFileRequest {
      path: string;
      content: string;
      /** `encoding` of `content`: "utf8" (default) or "base64". */
      encoding?: string;
      /**
       * `mode` is the permission bits as an octal string; without it a file keeps the ones it has, and a new one
       * gets "0644".
       */
      mode?: string;
    }
    /** WriteFileResponse tells what was written. */
    interface WriteFileResponse {
      /** absolute */
      path: string;
      size: number;
    }
    /**
     * WriteFileStreamRequest writes a file from the binary messages that follow; a text message with type "end"
     * ends it, and the answer comes. A stream that ends without that leaves the old content.
     */
    interface WriteFileStreamRequest {
      path: string;
      /**
       * `mode` is the permission bits as an octal string; without it a file keeps the ones it has, and a new one
       * gets "0644".
       */
      mode?: string;
    }
    /** ReadFileRequest reads a file. */
    interface ReadFileRequest {
      path: string;
      /**
       * `encoding` of the answer: "utf8", "base64", or empty: base64 if the content is binary (not UTF-8, or
       * with a NUL in it) or too long as JSON.
       */
      encoding?: string;
    }
    /** ReadFileResponse is a file's content. */
    interface ReadFileResponse {
      content: string;
      encoding: string;
      isBinary: boolean;
      size: number;
    }
    /**
     * ReadFileStreamRequest reads a file of any size. First comes its FileInfo, then its bytes: no more than the
     * size it had then, and fewer if it is cut while it is read. The files of /proc and /sys know no size; they
     * are read to their end. What is no regular file is INVALID_REQUEST.
     */
    interface ReadFileStreamRequest {
      path: string;
      /** `offset` is where to begin, in bytes; beyond the end there is nothing. */
      offset?: number;
      /** `length` is the most that is read, in bytes; 0 is all. */
      length?: number;
    }
    /**
     * FileInfo is one file or folder. In a name that is not UTF-8 each wrong byte is shown as U+FFFD; such a
     * file is reached by exec alone.
     */
    interface FileInfo {
      name: string;
      /** `path` is relative to the listed folder, or absolute where none was listed. */
      path: string;
      type: "file" | "directory" | "symlink" | "other";
      /** bytes; of a folder whatever the file system says */
      size: number;
      /**
       * `mode` is the permission bits in octal, "0644", with those for running as the owner if there are any,
       * "4755".
       */
      mode: string;
      modifiedAt: Time;
      /** `target` is what a symlink names. */
      target?: string;
    }
    /**
     * MkdirRequest makes a folder. What exists is FILE_EXISTS, unless it is a folder and `recursive` is set:
     * then it is left as it is.
     */
    interface MkdirRequest {
      path: string;
      /** `recursive` makes missing folders above it too, with mode 0755. */
      recursive?: boolean;
      /** octal, "0755" by default */
      mode?: string;
    }
    /**
     * DeleteFileRequest deletes. A symlink is deleted, never what it names. The root and /workspace stay: they
     * are INVALID_REQUEST, what is in them is not.
     */
    interface DeleteFileRequest {
      path: string;
      /** `recursive` deletes a folder with all in it; without it a folder is IS_DIRECTORY. */
      recursive?: boolean;
    }
    /**
     * RenameFileRequest gives a file or folder another name on the same file system, in one step. A file
     * replaces a file, and a folder an empty folder.
     */
    interface RenameFileRequest {
      oldPath: string;
      newPath: string;
    }
    /**
     * MoveFileRequest moves a file or folder with modes, times and symlinks. What is replaced is as with
     * renameFile, and so is the one step, except that from one file system to another the source goes last.
     */
    interface MoveFileRequest {
      sourcePath: string;
      /**
       * `destinationPath` is the new path; a folder, or what ends in a slash, is where it goes into. Missing
       * folders are made.
       */
      destinationPath: string;
    }
    /** PathRequest names a path. */
    interface PathRequest {
      path: string;
    }
    /** ExistsResponse tells what is at a path; a symlink that leads nowhere exists. */
    interface ExistsResponse {
      exists: boolean;
      info?: FileInfo;
    }
    /** SetPermissionsRequest sets permission bits. A symlink is followed, but not those below a folder. */
    interface SetPermissionsRequest {
      path: string;
      /** `mode` is octal, "0755". */
      mode: string;
      /** `recursive` sets them for all in a folder too. */
      recursive?: boolean;
    }
    /** ListFilesRequest lists a folder. Symlinks in it are listed, never followed. */
    interface ListFilesRequest {
      path: string;
      recursive?: boolean;
      /** names that begin with a dot */
      includeHidden?: boolean;
      /** default 10,000, at most 100,000 */
      limit?: number;
    }
    /** ListFilesResponse is a folder's content, by name in each folder, and after a folder what is in it. */
    interface ListFilesResponse {
      files: FileInfo[];
      /**
       * `truncated` is set when there is more: beyond the limit or 32 MiB, in a folder that may not be read, or
       * more than 256 folders deep.
       */
      truncated: boolean;
    }
    /** SearchFilesRequest searches a folder and all below it. At least one of `glob` and `text` is set. */
    interface SearchFilesRequest {
      /** default /workspace */
      path?: string;
      /**
       * `glob` is matched with the path below the folder: "*" and "?" stop at "/", "**" does not, "[a-z]" and
       * "{a,b}" work; a glob without "/" is matched with the name alone. One that begins with "/" begins at the
       * folder.
       */
      glob?: string;
      /**
       * `text` is searched in files that are text: a plain string, or a regular expression (RE2) when `regexp`.
       * `text` is UTF-8 without a NUL, judged by a file's first 64 KiB.
       */
      text?: string;
      regexp?: boolean;
      /** of `text` */
      ignoreCase?: boolean;
      includeHidden?: boolean;
      /** default 1,000, at most 10,000 */
      limit?: number;
    }
    /** SearchFilesResponse are the matches, in the order of listFiles. */
    interface SearchFilesResponse {
      matches: SearchMatch[];
      /**
       * `truncated` is set when there is more than the limit or 16 MiB, or when not all was searched: a file of
       * more than 64 MiB, a line beyond its first 1 MiB, what may not be read, or what is more than 256 folders
       * deep.
       */
      truncated: boolean;
    }
    /**
     * WatchRequest watches a folder, or a file. The stream ends when that has gone, but for a file only when its
     * folder has: programs replace files. Folders that may not be read are not watched.
     */
    interface WatchRequest {
      path: string;
      /** also folders that come later */
      recursive?: boolean;
      /**
       * `include` and `exclude` are globs as in searchFiles; without `include` everything counts. Folders named
       * node_modules and .git are left out of a recursive watch unless `include` names them.
       */
      include?: string[];
      exclude?: string[];
    }
    /** WatchEvent is a change. */
    interface WatchEvent {
      type: "ready" | "create" | "modify" | "delete" | "move" | "overflow";
      /** relative to the watched folder, which is "." */
      path?: string;
      oldPath?: string;
      isDir?: boolean;
    }
    /**
     * CheckoutRequest clones a repository, without its submodules. What git asks for it does not get:
     * credentials are in `url`, where the clone keeps them as git does, or in the sandbox.
     */
    interface CheckoutRequest {
      /** `url` is one of https, http, ssh, git or file, user@host:path, or a path inside the sandbox. */
      url: string;
      /** or a tag; default: the repository's own */
      branch?: string;
      /** `targetDir` is by default the repository's name below /workspace. One that exists must be empty. */
      targetDir?: string;
      /** `depth` is how many commits of the one branch are fetched; 0 is all, of all branches. */
      depth?: number;
      /** default: the binding's execTimeout */
      timeout?: Duration;
    }
    /** CheckoutResponse tells what was cloned. */
    interface CheckoutResponse {
      /** absolute */
      targetDir: string;
      /** empty for a tag */
      branch?: string;
      /** empty for an empty repository */
      commit: string;
    }
    /** ExposePortRequest makes a port reachable by URL. */
    interface ExposePortRequest {
      port: number;
      name?: string;
      /** `token` is [a-z0-9_]{1,16}; 16 random characters by default. */
      token?: string;
      /** `ttl` ends the exposure after that long; default never. */
      ttl?: Duration;
      /** default token */
      access?: "token" | "public" | "plugin";
      /** `tokenIn` is "host" (default) or "request". The other one is another URL. */
      tokenIn?: "host" | "request";
      /** `ifExposed` is "keep" (default: same token, same URL) or "error". */
      ifExposed?: string;
      /** `wake` says what wakes a sandbox that does not run; default "hold(30s)". */
      wake?: "never" | "http" | "ws" | "hold" | `hold(${string})`;
      /** `host` is "local" (default), "preview" or a literal such as "app.internal:${port}". */
      host?: string;
      /** `onRestart` is "keep" (default) or "revoke". */
      onRestart?: string;
      /** `policy` takes the place, as a whole, of the one that the exposure has. Left out, that one stays. */
      policy?: Policy;
      /**
       * `maxConnections` bounds what may be open through the exposure at a time, WebSockets and HTTP exchanges
       * together; beyond it is 429 TOO_MANY_REQUESTS. 0, or left out, is no bound but the edge's own, or the one
       * that the exposure has.
       */
      maxConnections?: number;
    }
    /** ExposedPort is one exposure. */
    interface ExposedPort {
      port: number;
      name?: string;
      url: string;
      /** `exposedAt` is the `url`, for programs that know it by this name; the time is `createdAt`. */
      exposedAt: string;
      wsUrl: string;
      /**
       * `status` is "active", or "inactive" where the sandbox runs and it is known that nothing listens on the
       * port.
       */
      status?: string;
      access: "token" | "public" | "plugin";
      /** `token` is what requests show, where it is not in the `url` (tokenIn "request"). */
      token?: string;
      createdAt: Time;
      expiresAt?: Time;
      /** `connections` counts live ones through this exposure. */
      connections: number;
      /**
       * `ended` tells how the server ended that listened on the port last, if it was started by startProcess,
       * has ended, and nothing listens there now.
       */
      ended?: ServerEnd;
    }
    /** UnexposePortRequest takes an exposure back. */
    interface UnexposePortRequest {
      port: number;
      /**
       * `drain` is how long what came through it may go on; new requests are refused at once. Default 0; at most
       * 1h.
       */
      drain?: Duration;
    }
    /** ExposedPorts answers getExposedPorts, by port. */
    interface ExposedPorts {
      ports: ExposedPort[];
    }
    /** PortRequest names a port. */
    interface PortRequest {
      port: number;
    }
    /** BoolResponse answers a yes-or-no question. */
    interface BoolResponse {
      value: boolean;
    }
    /** PortTokenRequest asks about a token. */
    interface PortTokenRequest {
      port: number;
      token: string;
    }
    /** PreviewLinkRequest asks for a link that shows nobody's token and ends by itself. */
    interface PreviewLinkRequest {
      /** exposed with tokenIn "request" */
      port: number;
      /**
       * `ttl` is how long the link works, and what a browser got by it; default 1h, at most 30 days, and never
       * longer than the exposure.
       */
      ttl?: Duration;
      /** `path`, with its query, is where the link leads; default "/". */
      path?: string;
    }
    /**
     * PreviewLink is a signed link. It is recorded nowhere: it ends with its time, with the exposure, or when
     * the exposure gets another token.
     */
    interface PreviewLink {
      url: string;
      expiresAt: Time;
    }
    /** ListeningPorts answers getListeningPorts, by port. */
    interface ListeningPorts {
      ports: ListeningPort[];
    }
    /**
     * SandboxOptions are the settings that getSandbox takes. They are remembered until the sandbox is destroyed.
     * How long it may be unused is set by every use of it that says so, the latest winning; variables and labels
     * count with a use that starts it.
     */
    interface SandboxOptions {
      /**
       * `sleepAfter` is how long it may be unused before it is stopped; the binding's by default. It ends an
       * earlier `keepAlive`.
       */
      sleepAfter?: Duration;
      /** `keepAlive` has it never sleep. */
      keepAlive?: boolean;
      /** `env` comes over the binding's variables; what setEnvVars set, over both. */
      env?: Record<string, string | undefined>;
      labels?: Record<string, string | undefined>;
    }
    /** WebSocketOptions are what wsOpen takes besides sandbox and port. */
    interface WebSocketOptions {
      /** default "/" */
      path?: string;
      protocols?: string[];
      headers?: [string, string][];
      sandbox?: SandboxOptions;
      /** `wait` is as in Policy. */
      wait?: Duration;
    }
    /**
     * Policy is what a decision or an exposure asks the host to enforce on the connection that follows. Zero
     * values mean no limit. A WebSocket that breaks it is closed between two frames, with the close code named
     * below (RFC 6455, section 7.4.1); an HTTP answer is cut. A request that it does not admit is answered
     * before anything is dialled.
     */
    interface Policy {
      /**
       * `wait` is how long a refused port is tried again on a sandbox that this very request started (default
       * 10s there, otherwise none).
       */
      wait?: Duration;
      /** `idleTimeout` ends a connection on which nothing was sent either way (1008). */
      idleTimeout?: Duration;
      /** `maxDuration` ends a connection however busy it is (1008). */
      maxDuration?: Duration;
      /** `maxMessageBytes` bounds one WebSocket message, all fragments together (1009). */
      maxMessageBytes?: number;
      /** `maxBytes` bounds both directions together (1008). */
      maxBytes?: number;
      /**
       * `messagesPerSecond` bounds the WebSocket messages that the client sends, with bursts of up to one
       * second's worth (1013). What the sandbox sends is not counted, nor are pings, pongs and HTTP requests.
       */
      messagesPerSecond?: number;
      /**
       * `pingInterval` has the host send the client of a WebSocket a ping after so long without a byte either
       * way; a client that then stays silent for two more intervals is closed (1001).
       */
      pingInterval?: Duration;
      /**
       * `allowOrigins` are the web sites whose pages may connect, 1 to 64 of them; left out, all may. A request,
       * WebSocket handshake or not, whose Origin none of them matches is answered 403 DENIED. One without Origin
       * passes: browsers always send it where a page of another site can read the answer, and other programs
       * could make it up. Pages of a preview's own host name always pass. An entry is "https://app.example.com",
       * which is that origin exactly; "app.example.com", by http or https and on any port unless one is named;
       * "*.example.com", every name below that one and not the name itself, also with a scheme or a port; or
       * "null".
       */
      allowOrigins?: string[];
      /**
       * `protocols` are the WebSocket subprotocols that may be spoken (RFC 6455, section 1.9), 1 to 64 of them,
       * compared to the letter; left out, any and none. The sandbox is offered those of the client's that stand
       * here, in the client's order. A handshake that offers none of them is answered 400 INVALID_REQUEST.
       */
      protocols?: string[];
    }
    /** Limit is a bound of a sandbox. */
    interface Limit {
      /** "memory", "cpus", "pids", "swap", "disk" */
      name: string;
      /** "1 GiB"; "none" when nothing bounds it */
      value: string;
      /** `by` is what enforces it: "cgroup v1", "cgroup v2", "rlimit", "engine", or "nothing". */
      by: string;
    }
    /** SearchMatch is a file, or with `text` a line of one. */
    interface SearchMatch {
      /** relative to the searched folder */
      path: string;
      type: "file" | "directory" | "symlink" | "other";
      /** `line` counts from 1; `text` is the line, cut to 1,024 bytes. */
      line?: number;
      text?: string;
    }
    /**
     * ServerEnd is how a process ended that listened on a port. It is for the sandbox's owner: those who only
     * have a preview's URL are told no more than that it ended.
     */
    interface ServerEnd {
      processId: string;
      exitCode?: number;
      signal?: string;
      oomKilled?: boolean;
      endedAt?: Time;
      /** `stderrTail` is the end of what it printed as errors. */
      stderrTail?: string;
    }
    /** ListeningPort is a TCP port that something in the sandbox listens on. */
    interface ListeningPort {
      port: number;
      /**
       * `address` is the one that is listened on: "127.0.0.1", "0.0.0.0", "::" or another of the sandbox. It is
       * left out where the sandbox was started by an edge that could not tell.
       */
      address?: string;
      /**
       * `processId` is the process that was started under it, `pid` the one that listens; left out where that
       * cannot be told.
       */
      processId?: string;
      pid?: number;
      /** `url` is the preview's, if the port is exposed. */
      url?: string;
    }
    /** The codes of errors. */
    type Code =
      | "BACKEND_FAILED"
      | "BODY_TOO_LARGE"
      | "CANCELED"
      | "COMMAND_NOT_FOUND"
      | "CONFLICT"
      | "DENIED"
      | "FETCH_FAILED"
      | "FILE_EXISTS"
      | "FILE_NOT_FOUND"
      | "FILE_TOO_LARGE"
      | "GIT_FAILED"
      | "GIT_NOT_AVAILABLE"
      | "IMAGE_NOT_FOUND"
      | "INTERNAL"
      | "INVALID_PORT"
      | "INVALID_REQUEST"
      | "INVALID_SANDBOX_ID"
      | "INVALID_TOKEN"
      | "IS_DIRECTORY"
      | "NOT_DIRECTORY"
      | "NOT_FOUND"
      | "PERMISSION_DENIED"
      | "PLUGIN_FAILED"
      | "PLUGIN_OVERLOADED"
      | "PLUGIN_REFUSED"
      | "PORT_ALREADY_EXPOSED"
      | "PORT_NOT_EXPOSED"
      | "PORT_NOT_LISTENING"
      | "PROCESS_ALREADY_EXISTS"
      | "PROCESS_EXITED_BEFORE_READY"
      | "PROCESS_NOT_FOUND"
      | "PROCESS_READY_TIMEOUT"
      | "QUOTA_EXCEEDED"
      | "RUNTIME_UNAVAILABLE"
      | "SANDBOX_ASLEEP"
      | "SANDBOX_EXITED"
      | "SANDBOX_LOST"
      | "SANDBOX_STARTING"
      | "SESSION_ALREADY_EXISTS"
      | "SESSION_NOT_FOUND"
      | "TIMEOUT"
      | "TOO_MANY_REQUESTS"
      | "UNKNOWN_BINDING"
      | "UNKNOWN_OPERATION"
      | "UNSUPPORTED"
      | "UPGRADE_FAILED"
      | "UPGRADE_REQUIRED";
  }
}
