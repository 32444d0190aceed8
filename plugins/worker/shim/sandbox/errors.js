// The errors of @cloudflare/sandbox. What the edge answers is {code, message,
// operation, retryable, retryAfterMs, started, details, suggestion} (abi/error.go);
// each becomes a SandboxError whose name is made of its code.

// statuses are the HTTP statuses of the codes (abi/code.go); another code is 500.
const statuses = {
  INVALID_REQUEST: 400, INVALID_SANDBOX_ID: 400, INVALID_PORT: 400, UNKNOWN_BINDING: 404, UNKNOWN_OPERATION: 404, DENIED: 403, NOT_FOUND: 404,
  PROCESS_NOT_FOUND: 404, PROCESS_ALREADY_EXISTS: 409, PROCESS_READY_TIMEOUT: 504, PROCESS_EXITED_BEFORE_READY: 502,
  PORT_NOT_EXPOSED: 404, PORT_ALREADY_EXPOSED: 409, PORT_NOT_LISTENING: 502, INVALID_TOKEN: 404, UPGRADE_REQUIRED: 426, UPGRADE_FAILED: 502, BACKEND_FAILED: 502,
  FILE_NOT_FOUND: 404, FILE_EXISTS: 409, FILE_TOO_LARGE: 413, IS_DIRECTORY: 400, NOT_DIRECTORY: 400, PERMISSION_DENIED: 403,
  SESSION_NOT_FOUND: 404, SESSION_ALREADY_EXISTS: 409, COMMAND_NOT_FOUND: 404, BODY_TOO_LARGE: 413, UNSUPPORTED: 501,
  GIT_NOT_AVAILABLE: 501, GIT_FAILED: 502, IMAGE_NOT_FOUND: 503, RUNTIME_UNAVAILABLE: 503,
  SANDBOX_STARTING: 503, SANDBOX_ASLEEP: 503, SANDBOX_LOST: 410, SANDBOX_EXITED: 502, QUOTA_EXCEEDED: 429, TOO_MANY_REQUESTS: 429,
  TIMEOUT: 504, CANCELED: 499, PLUGIN_FAILED: 500, PLUGIN_OVERLOADED: 503, INTERNAL: 500, CONFLICT: 409, FETCH_FAILED: 502, PLUGIN_REFUSED: 422,
};

// nameOf makes FileNotFoundError of FILE_NOT_FOUND.
const nameOf = (code) => code.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase()) + "Error";

// SandboxError is what an operation fails with.
export class SandboxError extends Error {
  constructor(answer, options) {
    const a = typeof answer === "string" ? { message: answer } : answer;
    super(a.message, options);
    this.code = a.code ?? "INTERNAL";
    if (a.operation !== undefined) this.operation = a.operation;
    this.retryable = a.retryable ?? false;
    if (a.retryAfterMs !== undefined) this.retryAfterMs = a.retryAfterMs;
    if (a.started !== undefined) this.started = a.started;
    if (a.details !== undefined) this.details = a.details;
    if (a.suggestion !== undefined) this.suggestion = a.suggestion;
    const name = this.constructor === SandboxError ? nameOf(this.code) : this.constructor.name;
    Object.defineProperty(this, "name", { value: name, writable: true, configurable: true });
  }
  // The vendor's names of the same.
  get context() { return this.details ?? {}; }
  get httpStatus() { return statuses[this.code] ?? 500; }
  get errorResponse() { return { code: this.code, message: this.message, context: this.context, httpStatus: this.httpStatus, operation: this.operation, suggestion: this.suggestion }; }
  toJSON() {
    const { name, message, code, operation, retryable, retryAfterMs, started, details, suggestion, httpStatus } = this;
    return { name, message, code, operation, retryable, retryAfterMs, started, details, suggestion, httpStatus };
  }
}

// What the vendor's classes tell besides stands in the details.
export class ProcessReadyTimeoutError extends SandboxError {
  get processId() { return this.details?.processId; }
  get diagnosis() { return this.details?.diagnosis; }
}
export class ProcessExitedBeforeReadyError extends SandboxError {
  get processId() { return this.details?.processId; }
  get exitCode() { return this.details?.exitCode; }
  get diagnosis() { return this.details?.diagnosis; }
}
export class SessionTerminatedError extends SandboxError {
  get sessionId() { return this.details?.sessionId; }
  get exitCode() { return this.details?.exitCode ?? null; }
}
export class ContainerUnavailableError extends SandboxError {
  get reason() { return this.code.toLowerCase(); }
}
export class OperationInterruptedError extends SandboxError {
  get reason() { return this.code.toLowerCase(); }
}

const classes = {
  PROCESS_READY_TIMEOUT: ProcessReadyTimeoutError,
  PROCESS_EXITED_BEFORE_READY: ProcessExitedBeforeReadyError,
  RUNTIME_UNAVAILABLE: ContainerUnavailableError,
  SANDBOX_STARTING: ContainerUnavailableError,
  SANDBOX_EXITED: OperationInterruptedError,
  SANDBOX_LOST: OperationInterruptedError,
};

// failure makes the error of what the edge answered.
export const failure = (answer, message, code) => new (classes[code] ?? SandboxError)({ ...answer, message, code });

// unsupported is what a method of the vendor's fails with that is not here.
export const unsupported = (operation, suggestion) =>
  new SandboxError({ code: "UNSUPPORTED", message: `${operation} is not available on this edge: ${suggestion}`, operation, retryable: false, started: "no", suggestion });

// invalid is what a call fails with that could mean nothing.
export const invalid = (operation, message, code = "INVALID_REQUEST") =>
  new SandboxError({ code, message: `${operation}: ${message}`, operation, retryable: false, started: "no" });
