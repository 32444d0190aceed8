// The module @cloudflare/sandbox as this edge has it. What operations take and answer
// stands in operations.d.ts.

declare module "@cloudflare/sandbox" {
  type Env = Record<string, string | undefined>;
  type Bytes = Uint8Array | ArrayBuffer | ArrayBufferView;
  type Content = string | Bytes | Blob | ReadableStream<Uint8Array>;

  /** What getSandbox takes. */
  export interface SandboxOptions {
    /** How long the sandbox may be unused before it is stopped: a text like "10m", or a number of seconds. */
    sleepAfter?: string | number;
    /** Has it never sleep. */
    keepAlive?: boolean;
    /** Variables of every command, over the binding's. */
    env?: Record<string, string>;
    labels?: Record<string, string>;
    /** Ids are always in lower case. */
    normalizeId?: boolean;
    /** Taken and not needed. */
    enableDefaultSession?: boolean;
    containerTimeouts?: object;
    transport?: string;
  }

  /** What the vendor's calls take besides the edge's own fields. */
  interface CommandOptions {
    env?: Env;
    sessionId?: string;
    /** Ends the command when it is aborted. */
    signal?: AbortSignal;
  }
  export interface ExecOptions extends Omit<Api.ExecRequest, "command" | "argv" | "env">, CommandOptions {
    /** Tells the output while the command runs; onOutput does, too. */
    stream?: boolean;
    onOutput?(stream: "stdout" | "stderr", data: string): void;
    onComplete?(result: ExecResult): void;
    onError?(error: Error): void;
  }
  export interface StreamOptions extends Omit<Api.ExecStreamRequest, "command" | "argv" | "env">, CommandOptions {
    bufferSize?: number;
  }
  export interface ProcessOptions extends Omit<Api.StartProcessRequest, "command" | "argv" | "env">, CommandOptions {
    onOutput?(stream: "stdout" | "stderr", data: string): void;
    onExit?(code: number | null): void;
    onStart?(process: Process): void;
    onError?(error: Error): void;
    autoCleanup?: boolean;
  }
  export interface ExecResult extends Api.ExecResponse {
    command: string;
    timestamp: string;
  }
  export type ExecEvent = {
    type: "start" | "stdout" | "stderr" | "exit" | "complete" | "error";
    timestamp: string;
    data?: string;
    command?: string;
    pid?: number;
    exitCode?: number;
    signal?: string;
    duration?: number;
    error?: string;
    code?: Api.Code;
  };
  export type LogEvent = Omit<Api.LogEvent, "type"> & { type: "stdout" | "stderr" | "dropped" | "exit" | "error"; processId: string; timestamp: string; error?: string };
  export type ProcessStatus = Api.Process["status"];
  export type WaitForPortOptions = Omit<Api.WaitForPortRequest, "port" | "processId">;
  export interface WaitForLogResult extends Omit<Api.WaitForLogResponse, "match"> {
    /** Of a regular expression with its groups' names. */
    match: RegExpMatchArray;
  }
  type Timeout = Api.Duration | { timeout?: Api.Duration };

  /** A process that startProcess started. */
  export class Process implements Api.Process {
    readonly id: string;
    readonly pid: number;
    readonly command: string;
    readonly status: ProcessStatus;
    readonly exitCode?: number;
    readonly signal?: string;
    readonly oomKilled?: boolean;
    readonly startedAt: string;
    readonly endedAt?: string;
    readonly session?: string;
    readonly startTime: Date;
    readonly endTime?: Date;
    readonly sessionId?: string;
    kill(signal?: Api.Signal, options?: { grace?: Api.Duration }): Promise<Process>;
    getStatus(): Promise<ProcessStatus>;
    getLogs(options?: Omit<Api.LogsRequest, "processId">): Promise<Api.LogsResponse & { processId: string }>;
    /** Server-sent events, which parseSSEStream reads. */
    streamLogs(options?: { signal?: AbortSignal; follow?: boolean; since?: string; tail?: number }): Promise<ReadableStream<Uint8Array>>;
    /** Fails with PROCESS_READY_TIMEOUT or PROCESS_EXITED_BEFORE_READY, details.diagnosis telling why. */
    waitForPort(port: number, options?: WaitForPortOptions): Promise<Api.WaitForPortResponse>;
    waitForLog(pattern: string | RegExp, timeout?: Timeout): Promise<WaitForLogResult>;
    waitForExit(timeout?: Timeout): Promise<Api.ExitStatus>;
  }

  type Done<T = object> = T & { success: true; path: string; timestamp: string };
  export interface ReadFileResult extends Api.ReadFileResponse {
    success: true;
    path: string;
    mimeType: string;
    timestamp: string;
  }
  export interface ReadFileStreamResult {
    success: true;
    path: string;
    content: ReadableStream<Uint8Array>;
    size: number;
    mimeType: string;
    timestamp: string;
  }
  export interface FileInfo extends Api.FileInfo {
    absolutePath: string;
    relativePath: string;
    permissions: { readable: boolean; writable: boolean; executable: boolean };
  }
  export interface FileMetadata {
    mimeType: string;
    size: number;
    isBinary: boolean;
    encoding: "utf-8" | "base64";
  }
  export type FileChunk = string | Uint8Array;
  export type FileWatchSSEEvent =
    | { type: "watching"; path: string; watchId: string; timestamp: string }
    | { type: "event"; eventType: "create" | "modify" | "delete" | "move_from" | "move_to"; path: string; isDirectory: boolean; timestamp: string }
    | { type: "error"; error: string; code?: string; timestamp: string };
  export interface SessionOptions extends Omit<Api.CreateSessionRequest, "env"> {
    name?: string;
    env?: Env;
    isolation?: boolean;
    commandTimeoutMs?: number;
  }
  type OfSession = { sessionId?: string };
  /** A method that is not here: it fails with UNSUPPORTED and says what to use. */
  type NotHere = (...args: any[]) => Promise<never>;

  /** What a sandbox and a session of it have in common. */
  class Commands {
    /** Runs a command to its end: a text for the shell, or a list of words. */
    exec(command: string | string[], options?: ExecOptions): Promise<ExecResult>;
    /** Server-sent events of ExecEvent, which parseSSEStream reads. */
    execStream(command: string | string[], options?: StreamOptions): Promise<ReadableStream<Uint8Array>>;
    startProcess(command: string | string[], options?: ProcessOptions, sessionId?: string): Promise<Process>;
    listProcesses(sessionId?: string): Promise<Process[] & { readonly processes: Process[] }>;
    /** null if there is none of that id. */
    getProcess(processId: string, sessionId?: string): Promise<Process | null>;
    killProcess(processId: string, signal?: Api.Signal, options?: { grace?: Api.Duration } | string): Promise<Process>;
    killAllProcesses(options?: Api.KillAllRequest | string): Promise<number>;
    /** The edge forgets ended processes by itself: 0. */
    cleanupCompletedProcesses(sessionId?: string): Promise<number>;
    getLogs(processId: string, options?: Omit<Api.LogsRequest, "processId">): Promise<Api.LogsResponse & { processId: string }>;
    getProcessLogs(processId: string, sessionId?: string): Promise<Api.LogsResponse & { processId: string }>;
    streamLogs(processId: string, options?: { signal?: AbortSignal; follow?: boolean; since?: string; tail?: number }): Promise<ReadableStream<Uint8Array>>;
    streamProcessLogs(processId: string, options?: { signal?: AbortSignal }): Promise<ReadableStream<Uint8Array>>;
    waitForPort(port: number, options?: WaitForPortOptions & { processId?: string }): Promise<Api.WaitForPortResponse>;
    waitForLog(processId: string, pattern: string | RegExp, timeout?: Timeout): Promise<WaitForLogResult>;
    waitForExit(processId: string, timeout?: Timeout): Promise<Api.ExitStatus>;

    writeFile(path: string, content: Content, options?: { encoding?: string; mode?: string | number } & OfSession): Promise<Done<Api.WriteFileResponse & { bytesWritten: number }>>;
    writeFileStream(path: string, content: Content, options?: { mode?: string | number }): Promise<Done<Api.WriteFileResponse & { bytesWritten: number }>>;
    readFile(path: string, options: { encoding: "none" } & OfSession): Promise<ReadFileStreamResult>;
    readFile(path: string, options?: { encoding?: "utf-8" | "utf8" | "base64" } & OfSession): Promise<ReadFileResult>;
    /** Server-sent events, which streamFile and collectFile read. */
    readFileStream(path: string, options?: { offset?: number; length?: number } & OfSession): Promise<ReadableStream<Uint8Array>>;
    mkdir(path: string, options?: { recursive?: boolean; mode?: string | number } & OfSession): Promise<Done<{ recursive: boolean }>>;
    deleteFile(path: string, options?: { recursive?: boolean } | string): Promise<Done>;
    renameFile(oldPath: string, newPath: string, sessionId?: string): Promise<Done<{ newPath: string }>>;
    moveFile(sourcePath: string, destinationPath: string, sessionId?: string): Promise<Done<{ newPath: string }>>;
    exists(path: string, sessionId?: string): Promise<Done<Api.ExistsResponse>>;
    setPermissions(path: string, mode: string | number, options?: { recursive?: boolean }): Promise<Done>;
    listFiles(path: string, options?: Omit<Api.ListFilesRequest, "path"> & OfSession): Promise<Done<{ files: FileInfo[]; count: number; truncated: boolean }>>;
    searchFiles(path: string, options: Omit<Api.SearchFilesRequest, "path" | "text"> & { text?: string | RegExp }): Promise<Api.SearchFilesResponse>;
    searchFiles(options: Omit<Api.SearchFilesRequest, "text"> & { text?: string | RegExp }): Promise<Api.SearchFilesResponse>;
    /** Server-sent events of FileWatchSSEEvent. */
    watch(path: string, options?: Omit<Api.WatchRequest, "path"> & OfSession & { signal?: AbortSignal }): Promise<ReadableStream<Uint8Array>>;
    checkout(url: string, options?: Omit<Api.CheckoutRequest, "url">): Promise<Api.CheckoutResponse & { success: true; repoUrl: string; timestamp: string }>;
    gitCheckout(url: string, options?: Omit<Api.CheckoutRequest, "url"> & OfSession & { cloneTimeoutMs?: number }): Promise<Api.CheckoutResponse & { success: true; repoUrl: string; timestamp: string }>;
    setEnvVars(envVars: Record<string, string | null | undefined>): Promise<void>;

    createCodeContext: NotHere;
    runCode: NotHere;
    runCodeStream: NotHere;
    listCodeContexts: NotHere;
    deleteCodeContext: NotHere;
    createBackup: NotHere;
    restoreBackup: NotHere;
    mountBucket: NotHere;
    unmountBucket: NotHere;
    checkChanges: NotHere;
  }

  /** A session: a working directory and variables that its calls share. */
  export class Session extends Commands {
    readonly id: string;
    readonly cwd: string;
    readonly env?: Record<string, string>;
    readonly createdAt?: string;
    /** Opens a terminal of the session for the Worker. */
    terminal(options?: Api.TerminalRequest): Promise<Terminal>;
    /** Gives the client's WebSocket to a terminal of the session when the Response is returned. */
    terminal(request: Request, options?: TerminalOptions): Promise<Response>;
  }
  export type ExecutionSession = Session;

  /** A WebSocket of the Worker to a port of a sandbox, read message by message. */
  export interface Socket extends AsyncIterable<string | Uint8Array> {
    /** The next message; null when the server closed. With a timeout in milliseconds it may fail with TIMEOUT. */
    recv(timeout?: number): Promise<string | Uint8Array | null>;
    send(message: string | Uint8Array): Promise<void>;
    close(code?: number, reason?: string): Promise<void>;
  }

  /** A terminal of the Worker: bytes that it prints, and events. */
  export interface Terminal extends AsyncIterable<Uint8Array | Api.TerminalEvent> {
    next(): Promise<Uint8Array | Api.TerminalEvent | null>;
    write(data: string | Uint8Array): Promise<void>;
    resize(cols: number, rows: number): Promise<void>;
    signal(signal: Api.Signal): Promise<void>;
    close(): Promise<void>;
  }

  /** What a decision asks of the edge: fields of the policy, and whether the request wakes the sandbox. */
  export type Policy = Api.Policy & { wake?: Api.ExposePortRequest["wake"] };
  export type ExposePortOptions = Omit<Api.ExposePortRequest, "port"> & {
    /** Taken and not needed: previews are below the configuration's domain. */
    hostname?: string;
  };

  /** A terminal for the client, and what the edge is to enforce on the connection. */
  export type TerminalOptions = Api.TerminalRequest & OfSession & { policy?: Api.Policy; wake?: Policy["wake"] };

  export interface Sandbox<E = unknown> extends Rpc.DurableObjectBranded {}
  /** A sandbox. Nothing starts before an operation needs it. */
  export class Sandbox<E = unknown> extends Commands {
    private readonly ofEnv?: E;
    constructor(ctx?: unknown, env?: E);
    /** Of a class that extends this one and is exported, these are the defaults of getSandbox. */
    sleepAfter?: string | number;
    keepAlive?: boolean;
    envVars?: Record<string, string | undefined>;
    /** The port of fetch and containerFetch without one. */
    defaultPort?: number;
    start(): Promise<Api.SandboxState>;
    stop(options?: Api.Signal | Api.StopRequest): Promise<Api.SandboxState>;
    pause(): Promise<Api.SandboxState>;
    resume(): Promise<Api.SandboxState>;
    /** Removes the sandbox with everything it wrote. */
    destroy(): Promise<void>;
    /** Counts as use, so that it sleeps later. */
    touch(): Promise<Api.SandboxState>;
    getState(): Promise<Api.SandboxState>;
    inspect(): Promise<Api.Inspection>;
    /** A text like "10m", or a number of seconds. */
    setSleepAfter(sleepAfter: string | number): Promise<void>;
    setKeepAlive(keepAlive: boolean): Promise<void>;
    setLabels(labels: Record<string, string>): Promise<void>;
    setContainerTimeouts(timeouts: object): Promise<void>;
    setTransport(transport: string): Promise<void>;
    getContainerPlacementId(): Promise<null>;

    createSession(options?: SessionOptions): Promise<Session>;
    getSession(sessionId: string): Promise<Session>;
    deleteSession(sessionId: string): Promise<{ success: true; sessionId: string; timestamp: string }>;

    /** Gives the port a preview URL: url, and in older programs exposedAt. A text is the name. */
    exposePort(port: number, options?: string | ExposePortOptions): Promise<Api.ExposedPort>;
    /** Takes the URL back and closes what came through it. */
    unexposePort(port: number, options?: { drain?: Api.Duration }): Promise<void>;
    closePort(port: number, options?: { drain?: Api.Duration }): Promise<void>;
    getExposedPorts(): Promise<Api.ExposedPorts>;
    getExposedPorts(hostname: string): Promise<Api.ExposedPort[] & { readonly ports: Api.ExposedPort[] }>;
    isPortExposed(port: number): Promise<boolean>;
    validatePortToken(port: number, token: string): Promise<boolean>;
    createPreviewLink(port: number, options?: Omit<Api.PreviewLinkRequest, "port">): Promise<Api.PreviewLink>;
    getListeningPorts(): Promise<Api.ListeningPorts>;

    /**
     * Connects a WebSocket with a port. Return the Response for the client's own request: then the edge carries it
     * and no message enters the Worker. Or accept() its webSocket: then the Worker speaks to the server.
     */
    wsConnect(request: Request, port: number, policy?: Policy): Promise<Response>;
    /** Opens a WebSocket to a port for the Worker. */
    wsOpen(port: number, options?: Omit<Api.WebSocketOptions, "headers" | "sandbox"> & { headers?: HeadersInit }): Promise<Socket>;
    /** Relays the request to a port when the Response is returned. */
    proxyTo(port: number, policy?: Policy): Promise<Response>;
    /** Sends a request to a port and gives the answer. */
    fetch(request: Request | string | URL, port?: number): Promise<Response>;
    containerFetch(request: Request | string | URL, port?: number): Promise<Response>;
    containerFetch(url: Request | string | URL, init: RequestInit, port: number): Promise<Response>;
    /** Opens a terminal for the Worker. */
    terminal(options?: Api.TerminalRequest & OfSession): Promise<Terminal>;
    /** Gives the client's WebSocket to a terminal when the Response is returned: no message enters the Worker. */
    terminal(request: Request, options?: TerminalOptions): Promise<Response>;
    readonly tunnels: { get: NotHere; list: NotHere; destroy: NotHere };
  }
  export type ISandbox = Sandbox;

  export interface SandboxEnv {
    Sandbox: SandboxNamespace;
  }

  /** The sandbox of an id: [a-z0-9] and inner "-", 1 to 40 characters. */
  export function getSandbox(binding: SandboxNamespace | DurableObjectNamespace<any>, id: string, options?: SandboxOptions): Sandbox;
  /** Serves the preview that the request is for, if it is returned; null for any other request. */
  export function proxyToSandbox(request: Request, env: object): Promise<Response | null>;
  /** Serves a sandbox: the preview that the request is for, or else its only exposed port. */
  export function proxyToSandbox(request: Request, binding: SandboxNamespace | DurableObjectNamespace<any>, id: string): Promise<Response>;
  /** sandbox.wsConnect(request, port). */
  export function connect(sandbox: Sandbox, request: Request, port: number, policy?: Policy): Promise<Response>;
  export function proxyTerminal(sandbox: Sandbox, sessionId: string, request: Request, options?: TerminalOptions): Promise<Response>;

  /** Reads server-sent events whose data is JSON. */
  export function parseSSEStream<T = any>(stream: ReadableStream<Uint8Array>, signal?: AbortSignal): AsyncGenerator<T, void, undefined>;
  export function responseToAsyncIterable<T = any>(response: Response, signal?: AbortSignal): AsyncGenerator<T, void, undefined>;
  export function asyncIterableToSSEStream<T>(events: AsyncIterable<T>, options?: { signal?: AbortSignal; serialize?(event: T): string }): ReadableStream<Uint8Array>;
  /** Reads a file's pieces of readFileStream. */
  export function streamFile(stream: ReadableStream<Uint8Array>): AsyncGenerator<FileChunk, FileMetadata, undefined>;
  export function collectFile(stream: ReadableStream<Uint8Array>): Promise<{ content: string | Uint8Array; metadata: FileMetadata }>;

  export function isProcessStatus(value: string): value is ProcessStatus;
  export function isProcess(value: any): value is Process;
  export function isExecResult(value: any): value is ExecResult;
  export function isPlatformTransientError(error: unknown): boolean;
  export function isDurableObjectCodeUpdateReset(error: unknown): boolean;

  /** What an operation fails with; its name is made of its code: FileNotFoundError of FILE_NOT_FOUND. */
  export class SandboxError extends Error {
    readonly code: Api.Code;
    readonly operation?: string;
    /** The same call may succeed later. */
    readonly retryable: boolean;
    readonly retryAfterMs?: number;
    /** How far the operation had come. */
    readonly started?: "no" | "maybe" | "yes";
    readonly details?: any;
    readonly suggestion?: string;
    readonly context: Record<string, any>;
    readonly httpStatus: number;
    toJSON(): object;
  }
  export class ProcessReadyTimeoutError extends SandboxError {
    readonly processId?: string;
    readonly diagnosis?: string;
  }
  export class ProcessExitedBeforeReadyError extends SandboxError {
    readonly processId?: string;
    readonly exitCode?: number;
    readonly diagnosis?: string;
  }
  export class SessionTerminatedError extends SandboxError {
    readonly sessionId?: string;
    readonly exitCode: number | null;
  }
  export class ContainerUnavailableError extends SandboxError {
    readonly reason: string;
  }
  export class OperationInterruptedError extends SandboxError {
    readonly reason: string;
  }
  // Of what is not here: nothing throws them.
  export class BackupNotFoundError extends Error {}
  export class BackupExpiredError extends Error {}
  export class InvalidBackupConfigError extends Error {}
  export class BackupCreateError extends Error {}
  export class BackupRestoreError extends Error {}
  export class RPCTransportError extends Error {}
  export class BucketMountError extends Error {}
  export class S3FSMountError extends BucketMountError {}
  export class BucketUnmountError extends BucketMountError {}
  export class MissingCredentialsError extends BucketMountError {}
  export class InvalidMountConfigError extends BucketMountError {}
}
