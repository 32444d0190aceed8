// The module @cloudflare/sandbox.
import { proxyPreview, proxyTo } from "./connect.js";
import { Sandbox, getSandbox } from "./sandbox.js";

export { Sandbox, getSandbox };
export { Process } from "./process.js";
export { Session } from "./session.js";
export { parseSSEStream, responseToAsyncIterable, asyncIterableToSSEStream } from "./sse.js";
export { streamFile, collectFile } from "./filestream.js";
export { proxyTerminal } from "./terminal.js";
export {
  SandboxError, ProcessReadyTimeoutError, ProcessExitedBeforeReadyError, SessionTerminatedError, ContainerUnavailableError, OperationInterruptedError,
} from "./errors.js";
export {
  BackupNotFoundError, BackupExpiredError, InvalidBackupConfigError, BackupCreateError, BackupRestoreError, RPCTransportError,
  BucketMountError, S3FSMountError, BucketUnmountError, MissingCredentialsError, InvalidMountConfigError,
  CodeInterpreter, ContainerProxy, SandboxClient,
} from "./absent.js";

// connect is wsConnect of a sandbox.
export const connect = (sandbox, request, port, policy) => sandbox.wsConnect(request, port, policy);

// proxyToSandbox(request, env) serves the preview that the request is for: null if it
// is for none. (request, binding, id) serves a sandbox whatever the host: the preview,
// or else its only exposed port.
export const proxyToSandbox = (request, env, id) => id === undefined ? proxyPreview(request) : proxyTo(getSandbox(env, id), 0, undefined, request);

const statuses = ["starting", "running", "completed", "failed", "killed", "error"];

// The vendor's predicates.
export const isProcessStatus = (value) => statuses.includes(value);
export const isProcess = (value) => typeof value?.id === "string" && typeof value.command === "string" && isProcessStatus(value.status);
export const isExecResult = (value) => typeof value?.success === "boolean" && typeof value.exitCode === "number" && typeof value.stdout === "string" && typeof value.stderr === "string";
export const isPlatformTransientError = (error) => error?.retryable === true;
export const isDurableObjectCodeUpdateReset = () => false;
