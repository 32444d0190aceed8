import { ExecResult, ExitStatus, ExposedPort, FileList, ListeningPort, LogMatch, Logs, PreviewLink, SandboxState } from "./answers";
import { encodeBase64, decodeBase64, isText } from "./base64";
import { Code, EdgeError, Errno, Result, failure } from "./errors";
import * as host from "./host";
import { current } from "./instance";
import { Json, JsonWriter } from "./json";
import {
  CheckoutOptions, DeleteFileOptions, ExecOptions, ExecStreamOptions, ExposeOptions, KillOptions, ListFilesOptions, LogsOptions, MkdirOptions,
  Policy, PreviewLinkOptions, ReadFileStreamOptions, SandboxOptions, SearchFilesOptions, SessionOptions, StartProcessOptions, StopOptions,
  StreamLogsOptions, TerminalOptions, WaitForLogOptions, WaitForPortOptions, WatchOptions, WebSocketOptions, WriteFileOptions, writeHeaders,
} from "./options";
import { Process, Session } from "./process";
import { Request } from "./request";
import { Response } from "./response";
import { Server } from "./server";
import { EventStream } from "./stream";
import { decode, utf8 } from "./utf8";
import { WebSocket } from "./websocket";
import { answerAt, answerSize, argument, drop, errnoOf, first, len, place, placeSize, ptr, take } from "./wire";

/**
 * getSandbox returns a handle of one sandbox at once, for the request that is being
 * handled; it starts nothing: the first operation that needs the sandbox does.
 * binding is a name under "sandboxes:" in the edge's configuration. An id that
 * breaks the rules is INVALID_SANDBOX_ID at the first use.
 */
export function getSandbox(binding: string, id: string, options: SandboxOptions | null = null): Sandbox {
  return new Sandbox(current(), binding, id, options);
}

/** Sandbox is a handle of one sandbox. It ends with the request that it belongs to. */
export class Sandbox {
  constructor(
    private req: u32,
    readonly binding: string,
    readonly id: string,
    private options: SandboxOptions | null,
  ) {}

  /**
   * op carries out an operation by its name, such as one that is newer than this
   * SDK. json holds the operation's own fields, "{...}" or "".
   */
  op(name: string, json: string = ""): Result<Json> {
    const body = utf8(this.envelope(json));
    return this.answer(name, body);
  }

  /** open is op for an operation that is a stream. */
  open(name: string, json: string = ""): Result<EventStream> { return this.begin(name, utf8(this.envelope(json))); }

  start(): Result<SandboxState> { return this.state("start", this.request()); }

  /** stop stops the sandbox; what it wrote stays as the binding's persist says. */
  stop(options: StopOptions = {}): Result<SandboxState> {
    return this.state("stop", this.request().textIf("signal", options.signal).integerIf("grace", options.grace));
  }

  /** pause freezes everything that runs in the sandbox; its next use goes on where it stood. */
  pause(): Result<SandboxState> { return this.state("pause", this.request()); }
  resume(): Result<SandboxState> { return this.state("resume", this.request()); }
  /** touch counts as use of the sandbox, so that it sleeps later. */
  touch(): Result<SandboxState> { return this.state("touch", this.request()); }
  /** getState tells the sandbox's state without starting it; inspect tells all that the edge knows of it. */
  getState(): Result<SandboxState> { return this.state("getState", this.request()); }
  inspect(): Result<Json> { return this.call("inspect", this.request()); }
  /** destroy removes the sandbox with everything it wrote and its exposures. */
  destroy(): Result<bool> { return this.tell("destroy", this.request()); }

  /** setEnvVars sets variables for every command that is started from now on. */
  setEnvVars(vars: Map<string, string>): Result<bool> { return this.tell("setEnvVars", this.request().map("envVars", vars)); }
  /** unsetEnvVars takes variables back. */
  unsetEnvVars(names: string[]): Result<bool> {
    const w = this.request().object("envVars");
    for (let i = 0; i < names.length; i++) w.nil(names[i]);
    return this.tell("setEnvVars", w.end());
  }

  createSession(options: SessionOptions = {}): Result<Session> {
    return this.session("createSession", this.request().textIf("id", options.id).textIf("cwd", options.cwd).mapIf("env", options.env));
  }
  getSession(id: string): Result<Session> { return this.session("getSession", this.request().text("id", id)); }
  /** deleteSession forgets a session and kills what was started through it. */
  deleteSession(id: string): Result<bool> { return this.tell("deleteSession", this.request().text("id", id)); }

  /**
   * exec runs a command with /bin/sh -c to its end; with an empty command, the
   * options' argv. A command that fails is an answer, not an error.
   */
  exec(command: string, options: ExecOptions = {}): Result<ExecResult> {
    const w = this.request().textIf("command", command);
    options.write(w);
    const r = this.call("exec", w);
    return new Result<ExecResult>(new ExecResult(value(r)), wrong(r));
  }

  /** execStream runs a command and tells what it prints while it prints it. */
  execStream(command: string, options: ExecStreamOptions = {}): Result<EventStream> {
    const w = this.request().textIf("command", command);
    options.write(w);
    return this.stream("execStream", w);
  }

  /** terminal opens a terminal, or comes back to one. */
  terminal(options: TerminalOptions = {}): Result<EventStream> {
    const w = this.request();
    options.write(w);
    return this.stream("terminal", w);
  }

  /**
   * startProcess starts a process that lives on after the request. A running one of
   * the same processId is PROCESS_ALREADY_EXISTS, unless ifRunning says otherwise.
   */
  startProcess(command: string, options: StartProcessOptions = {}): Result<Process> {
    const w = this.request().textIf("command", command);
    options.write(w);
    return this.process("startProcess", w);
  }

  getProcess(processId: string): Result<Process> { return this.process("getProcess", this.request().text("processId", processId)); }

  /** listProcesses are those that startProcess started, oldest first, ended ones included. */
  listProcesses(): Result<Process[]> {
    const r = this.call("listProcesses", this.request());
    const list = value(r).array("processes");
    const processes: Process[] = [];
    for (let i = 0; i < list.length; i++) processes.push(new Process(this, list[i]));
    return new Result<Process[]>(processes, wrong(r));
  }

  /** killProcess signals the process's group (TERM), kills it after the grace (5 s), and waits for its end. */
  killProcess(processId: string, options: KillOptions = {}): Result<Process> {
    const w = this.request().text("processId", processId).textIf("signal", options.signal).integerIf("grace", options.grace);
    return this.process("killProcess", w);
  }

  /** killAllProcesses returns how many were running. */
  killAllProcesses(options: KillOptions = {}): Result<i32> {
    const r = this.call("killAllProcesses", this.request().textIf("signal", options.signal).integerIf("grace", options.grace));
    return new Result<i32>(i32(value(r).integer("count")), wrong(r));
  }

  /** getLogs is what a process printed, as far as the ring (1 MiB a stream) still holds it. */
  getLogs(processId: string, options: LogsOptions = {}): Result<Logs> {
    const r = this.call("getLogs", this.request().text("processId", processId).textIf("since", options.since).integerIf("tail", options.tail));
    return new Result<Logs>(new Logs(value(r)), wrong(r));
  }

  /** streamLogs tells what a process printed, and with follow what it prints. */
  streamLogs(processId: string, options: StreamLogsOptions = {}): Result<EventStream> {
    return this.stream("streamLogs", this.request().text("processId", processId).textIf("since", options.since)
      .integerIf("tail", options.tail).boolIf("follow", options.follow).textIf("encoding", options.encoding));
  }

  /**
   * waitForPort waits until a port can be reached on the very path that traffic
   * takes, 30 s by default. With processId it also says at once when that process is
   * unknown or has ended.
   */
  waitForPort(port: i32, options: WaitForPortOptions = {}): Result<bool> {
    const w = this.request().integer("port", port);
    options.write(w);
    return this.tell("waitForPort", w);
  }

  /** waitForLog waits until a line of the process's output contains the pattern; what was printed before counts. */
  waitForLog(processId: string, pattern: string, options: WaitForLogOptions = {}): Result<LogMatch> {
    const r = this.call("waitForLog", this.request().text("processId", processId).text("pattern", pattern)
      .boolIf("regexp", options.regexp).integerIf("timeout", options.timeout));
    return new Result<LogMatch>(new LogMatch(value(r)), wrong(r));
  }

  /** waitForExit waits until the process has ended; 0 waits as long as the request's deadline lets it. */
  waitForExit(processId: string, timeout: i64 = 0): Result<ExitStatus> {
    const r = this.call("waitForExit", this.request().text("processId", processId).integerIf("timeout", timeout));
    return new Result<ExitStatus>(new ExitStatus(value(r)), wrong(r));
  }

  /** ensureServer returns when the server can be reached, and starts it if need be. */
  ensureServer(server: Server): Result<bool> { return server.ensure(this); }

  // Paths are absolute, or relative to /workspace, and belong to the sandbox.

  /** writeFile writes a file, making missing folders; a reader sees the old content or the new, never a part. */
  writeFile(path: string, content: string, options: WriteFileOptions = {}): Result<bool> {
    return this.tell("writeFile", this.request().text("path", path).text("content", content).textIf("mode", options.mode));
  }

  /** writeFileBytes is writeFile for bytes. */
  writeFileBytes(path: string, content: Uint8Array, options: WriteFileOptions = {}): Result<bool> {
    if (isText(content)) return this.writeFile(path, decode(content.dataStart, content.length), options);
    return this.tell("writeFile", this.request().text("path", path).text("content", encodeBase64(content)).text("encoding", "base64").textIf("mode", options.mode));
  }

  /** writeFileStream writes a file of any size: write, then closeInput, then next gives what was written. */
  writeFileStream(path: string, options: WriteFileOptions = {}): Result<EventStream> {
    return this.stream("writeFileStream", this.request().text("path", path).textIf("mode", options.mode));
  }

  /** readFile reads a whole file of at most 32 MiB. */
  readFile(path: string): Result<Uint8Array> {
    const r = this.call("readFile", this.request().text("path", path));
    const content = value(r).string("content");
    if (value(r).string("encoding") == "base64") return new Result<Uint8Array>(decodeBase64(content), wrong(r));
    const b = utf8(content);
    return new Result<Uint8Array>(Uint8Array.wrap(b), wrong(r));
  }

  /** readFileText is readFile for a text. */
  readFileText(path: string): Result<string> {
    const r = this.readFile(path);
    return r.failed ? new Result<string>("", r.error) : new Result<string>(decode(r.value.dataStart, r.value.length), null);
  }

  /** readFileStream reads a file of any size: first an event with what it is, then bytes. */
  readFileStream(path: string, options: ReadFileStreamOptions = {}): Result<EventStream> {
    return this.stream("readFileStream", this.request().text("path", path).integerIf("offset", options.offset).integerIf("length", options.length));
  }

  mkdir(path: string, options: MkdirOptions = {}): Result<bool> {
    return this.tell("mkdir", this.request().text("path", path).boolIf("recursive", options.recursive).textIf("mode", options.mode));
  }
  deleteFile(path: string, options: DeleteFileOptions = {}): Result<bool> {
    return this.tell("deleteFile", this.request().text("path", path).boolIf("recursive", options.recursive));
  }
  renameFile(oldPath: string, newPath: string): Result<bool> {
    return this.tell("renameFile", this.request().text("oldPath", oldPath).text("newPath", newPath));
  }
  moveFile(source: string, destination: string): Result<bool> {
    return this.tell("moveFile", this.request().text("sourcePath", source).text("destinationPath", destination));
  }
  exists(path: string): Result<bool> {
    const r = this.call("exists", this.request().text("path", path));
    return new Result<bool>(value(r).bool("exists"), wrong(r));
  }
  setPermissions(path: string, mode: string): Result<bool> {
    return this.tell("setPermissions", this.request().text("path", path).text("mode", mode));
  }
  listFiles(path: string, options: ListFilesOptions = {}): Result<FileList> {
    const r = this.call("listFiles", this.request().text("path", path).boolIf("recursive", options.recursive)
      .boolIf("includeHidden", options.includeHidden).integerIf("limit", options.limit));
    return new Result<FileList>(new FileList(value(r)), wrong(r));
  }
  /** searchFiles finds files by name, and lines by what they hold; REFERENCE.md has the answer's fields. */
  searchFiles(options: SearchFilesOptions): Result<Json> {
    const w = this.request();
    options.write(w);
    return this.call("searchFiles", w);
  }
  /** watch tells what changes in a folder. */
  watch(path: string, options: WatchOptions = {}): Result<EventStream> {
    return this.stream("watch", this.request().text("path", path).boolIf("recursive", options.recursive)
      .textsIf("include", options.include).textsIf("exclude", options.exclude));
  }
  /** checkout clones a Git repository with the git of the sandbox, and returns the folder. */
  checkout(url: string, options: CheckoutOptions = {}): Result<string> {
    const r = this.call("checkout", this.request().text("url", url).textIf("branch", options.branch)
      .textIf("targetDir", options.targetDir).integerIf("depth", options.depth).integerIf("timeout", options.timeout));
    return new Result<string>(value(r).string("targetDir"), wrong(r));
  }
  gitCheckout(url: string, options: CheckoutOptions = {}): Result<string> { return this.checkout(url, options); }

  /**
   * exposePort makes a port reachable by a preview URL. Exposing again changes what
   * is given and keeps the rest, token and URL first of all.
   */
  exposePort(port: i32, options: ExposeOptions = {}): Result<ExposedPort> {
    const w = this.request().integer("port", port);
    options.write(w);
    const r = this.call("exposePort", w);
    return new Result<ExposedPort>(new ExposedPort(value(r)), wrong(r));
  }
  /**
   * unexposePort takes the URL back and closes the live connections that came
   * through it, which may go on for drain milliseconds.
   */
  unexposePort(port: i32, drain: i64 = 0): Result<bool> {
    return this.tell("unexposePort", this.request().integer("port", port).integerIf("drain", drain));
  }
  closePort(port: i32, drain: i64 = 0): Result<bool> { return this.unexposePort(port, drain); }
  getExposedPorts(): Result<ExposedPort[]> {
    const r = this.call("getExposedPorts", this.request());
    const list = value(r).array("ports");
    const ports: ExposedPort[] = [];
    for (let i = 0; i < list.length; i++) ports.push(new ExposedPort(list[i]));
    return new Result<ExposedPort[]>(ports, wrong(r));
  }
  isPortExposed(port: i32): Result<bool> {
    const r = this.call("isPortExposed", this.request().integer("port", port));
    return new Result<bool>(value(r).bool("value"), wrong(r));
  }
  /**
   * createPreviewLink signs a link to a port that is exposed with tokenIn "request".
   * It shows no token and ends by itself.
   */
  createPreviewLink(port: i32, options: PreviewLinkOptions = {}): Result<PreviewLink> {
    const r = this.call("createPreviewLink", this.request().integer("port", port).integerIf("ttl", options.ttl).textIf("path", options.path));
    return new Result<PreviewLink>(new PreviewLink(value(r)), wrong(r));
  }
  validatePortToken(port: i32, token: string): Result<bool> {
    const r = this.call("validatePortToken", this.request().integer("port", port).text("token", token));
    return new Result<bool>(value(r).bool("value"), wrong(r));
  }

  /**
   * getListeningPorts are the TCP ports that something in the sandbox listens on,
   * exposed or not. It starts nothing: a sandbox that does not run has none.
   */
  getListeningPorts(): Result<ListeningPort[]> {
    const r = this.call("getListeningPorts", this.request());
    const list = value(r).array("ports");
    const ports: ListeningPort[] = [];
    for (let i = 0; i < list.length; i++) ports.push(new ListeningPort(list[i]));
    return new Result<ListeningPort[]>(ports, wrong(r));
  }

  /**
   * wsConnect decides to splice the client's WebSocket with a port of the sandbox:
   * the frames do not pass through the plugin. A request that is no upgrade is
   * answered 426; whether anything listens shows afterwards and is answered by the
   * host.
   */
  wsConnect(request: Request, port: i32, policy: Policy | null = null): Response {
    return Response.connect(this.binding, this.id, port, this.target(policy));
  }

  /** proxyTo decides to relay the request, upgrade or not, to a port of the sandbox. */
  proxyTo(request: Request, port: i32, policy: Policy | null = null): Response {
    // Port 0 would let the host choose one; no sandbox has port -1 either.
    return Response.proxy(this.binding, this.id, port == 0 ? -1 : port, this.target(policy));
  }

  /**
   * proxyToSandbox decides to serve a preview of this sandbox; a request for no
   * preview goes to its only exposed port. None or several exposed is answered 404.
   */
  proxyToSandbox(request: Request, policy: Policy | null = null): Response {
    return Response.proxy(this.binding, this.id, 0, this.target(policy));
  }

  /**
   * wsOpen opens a WebSocket to a port of the sandbox with the plugin as client, for
   * data that the plugin itself wants.
   */
  wsOpen(port: i32, options: WebSocketOptions = {}): Result<WebSocket> {
    const w = new JsonWriter().object().textIf("path", options.path).textsIf("protocols", options.protocols);
    writeHeaders(w, options.headers);
    this.writeOptions(w);
    const json = w.integerIf("wait", options.wait).end().bytes();
    const b = first(this.binding);
    const id = argument(this.id);
    const result = host.wsOpen(this.req, ptr(b), len(b), ptr(id), len(id), port, changetype<usize>(json), json.byteLength);
    const errno = errnoOf(result);
    if (errno != Errno.OK) return new Result<WebSocket>(new WebSocket(0, 0), failure(this.req, "wsOpen", errno));
    return new Result<WebSocket>(new WebSocket(this.req, u32(result)), null);
  }

  /** request begins an operation's JSON. */
  private request(): JsonWriter {
    const w = new JsonWriter().object().object("sandbox");
    this.writeRef(w);
    return w.end();
  }

  /** writeRef writes who the sandbox is. */
  writeRef(w: JsonWriter): void {
    w.text("binding", this.binding).text("id", this.id);
    const options = this.options;
    if (options !== null) options.write(w);
  }

  private writeOptions(w: JsonWriter): void {
    const options = this.options;
    if (options === null) return;
    w.object("sandbox");
    options.write(w);
    w.end();
  }

  private envelope(json: string): string {
    const head = this.request().toString();
    const fields = json.trim();
    if (fields.length <= 2) return head + "}";
    return head + "," + fields.substring(1);
  }

  private target(policy: Policy | null): ArrayBuffer {
    if (policy === null && this.options === null) return new ArrayBuffer(0);
    const w = new JsonWriter().object();
    if (policy !== null) {
      w.object("policy");
      policy.write(w);
      w.end().textIf("wake", policy.wake);
    }
    this.writeOptions(w);
    return w.end().bytes();
  }

  private call(name: string, w: JsonWriter): Result<Json> { return this.answer(name, w.end().bytes()); }

  private answer(name: string, body: ArrayBuffer): Result<Json> {
    const n = first(name);
    const errno = take(this.req, host.op(this.req, ptr(n), len(n), changetype<usize>(body), body.byteLength, place(), placeSize()));
    if (errno != Errno.OK) return new Result<Json>(empty, failure(this.req, name, errno));
    const answer = Json.read(answerAt(), answerSize());
    drop();
    if (answer !== null) return new Result<Json>(answer, null);
    const e = new EdgeError(Code.INTERNAL, name + ": the host's answer cannot be read");
    e.started = "yes";
    return new Result<Json>(empty, e);
  }

  /** tell is call for an operation whose answer nobody wants: it stays with the host. */
  private tell(name: string, w: JsonWriter): Result<bool> {
    const n = first(name);
    const body = w.end().bytes();
    const errno = errnoOf(host.op(this.req, ptr(n), len(n), changetype<usize>(body), body.byteLength, place(), 0));
    return errno == Errno.OK ? new Result<bool>(true, null) : new Result<bool>(false, failure(this.req, name, errno));
  }

  private state(name: string, w: JsonWriter): Result<SandboxState> {
    const r = this.call(name, w);
    return new Result<SandboxState>(new SandboxState(value(r)), wrong(r));
  }

  private process(name: string, w: JsonWriter): Result<Process> {
    const r = this.call(name, w);
    return new Result<Process>(new Process(this, value(r)), wrong(r));
  }

  private session(name: string, w: JsonWriter): Result<Session> {
    const r = this.call(name, w);
    return new Result<Session>(new Session(this, value(r)), wrong(r));
  }

  private stream(name: string, w: JsonWriter): Result<EventStream> { return this.begin(name, w.end().bytes()); }

  private begin(name: string, body: ArrayBuffer): Result<EventStream> {
    const n = first(name);
    const result = host.opOpen(this.req, ptr(n), len(n), changetype<usize>(body), body.byteLength);
    const errno = errnoOf(result);
    if (errno != Errno.OK) return new Result<EventStream>(new EventStream(new WebSocket(0, 0)), failure(this.req, name, errno));
    return new Result<EventStream>(new EventStream(new WebSocket(this.req, u32(result))), null);
  }
}

/** empty is what a failed call answers: a value that holds nothing. */
const empty: Json = Json.empty();

function value(r: Result<Json>): Json { return r.ok ? r.value : empty; }
function wrong<T>(r: Result<T>): EdgeError | null { return r.failed ? r.error : null; }

/** connect is Sandbox.wsConnect in the order of the seeds. */
export function connect(sandbox: Sandbox, request: Request, port: i32, policy: Policy | null = null): Response {
  return sandbox.wsConnect(request, port, policy);
}

/**
 * proxyToSandbox decides to relay the request to the exposure that its host or path
 * names. It is null when they name none, and the handler decides otherwise; else
 * the handler returns the Response.
 */
export function proxyToSandbox(request: Request): Response | null {
  const errno = errnoOf(host.proxy(request.handle, place(), 0, place(), 0, 0, place(), 0));
  if (errno == Errno.NOT_FOUND) return null;
  if (errno != Errno.OK) return Response.failed(failure(request.handle, "proxyToSandbox", errno));
  request.decided = true;
  return Response.made();
}
