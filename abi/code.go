package abi

// Code is an error's name, the same over every door: ABI, REST, CLI, TypeScript.
// Codes are upper-case words and append-only.
type Code string

// The codes. What each maps to stands in the table below.
const (
	CodeInvalidRequest           Code = "INVALID_REQUEST"
	CodeInvalidSandboxID         Code = "INVALID_SANDBOX_ID"
	CodeInvalidPort              Code = "INVALID_PORT"
	CodeUnknownBinding           Code = "UNKNOWN_BINDING"
	CodeUnknownOperation         Code = "UNKNOWN_OPERATION"
	CodeDenied                   Code = "DENIED"
	CodeNotFound                 Code = "NOT_FOUND"
	CodeProcessNotFound          Code = "PROCESS_NOT_FOUND"
	CodeProcessAlreadyExists     Code = "PROCESS_ALREADY_EXISTS"
	CodeProcessReadyTimeout      Code = "PROCESS_READY_TIMEOUT"
	CodeProcessExitedBeforeReady Code = "PROCESS_EXITED_BEFORE_READY"
	CodePortNotExposed           Code = "PORT_NOT_EXPOSED"
	CodePortAlreadyExposed       Code = "PORT_ALREADY_EXPOSED"
	CodePortNotListening         Code = "PORT_NOT_LISTENING"
	CodeInvalidToken             Code = "INVALID_TOKEN"
	CodeUpgradeRequired          Code = "UPGRADE_REQUIRED"
	CodeUpgradeFailed            Code = "UPGRADE_FAILED"
	CodeBackendFailed            Code = "BACKEND_FAILED"
	CodeFileNotFound             Code = "FILE_NOT_FOUND"
	CodeFileExists               Code = "FILE_EXISTS"
	CodeFileTooLarge             Code = "FILE_TOO_LARGE"
	CodeIsDirectory              Code = "IS_DIRECTORY"
	CodeNotDirectory             Code = "NOT_DIRECTORY"
	CodePermissionDenied         Code = "PERMISSION_DENIED"
	CodeSessionNotFound          Code = "SESSION_NOT_FOUND"
	CodeSessionAlreadyExists     Code = "SESSION_ALREADY_EXISTS"
	CodeCommandNotFound          Code = "COMMAND_NOT_FOUND"
	CodeBodyTooLarge             Code = "BODY_TOO_LARGE"
	CodeUnsupported              Code = "UNSUPPORTED"
	CodeGitNotAvailable          Code = "GIT_NOT_AVAILABLE"
	CodeGitFailed                Code = "GIT_FAILED"
	CodeImageNotFound            Code = "IMAGE_NOT_FOUND"
	CodeRuntimeUnavailable       Code = "RUNTIME_UNAVAILABLE"
	CodeSandboxStarting          Code = "SANDBOX_STARTING"
	CodeSandboxAsleep            Code = "SANDBOX_ASLEEP"
	CodeSandboxLost              Code = "SANDBOX_LOST"
	CodeSandboxExited            Code = "SANDBOX_EXITED"
	CodeQuotaExceeded            Code = "QUOTA_EXCEEDED"
	CodeTooManyRequests          Code = "TOO_MANY_REQUESTS"
	CodeTimeout                  Code = "TIMEOUT"
	CodeCanceled                 Code = "CANCELED"
	CodePluginFailed             Code = "PLUGIN_FAILED"
	CodePluginOverloaded         Code = "PLUGIN_OVERLOADED"
	CodeInternal                 Code = "INTERNAL"
	CodeConflict                 Code = "CONFLICT"
	CodeFetchFailed              Code = "FETCH_FAILED"
	CodePluginRefused            Code = "PLUGIN_REFUSED"
)

// meaning is one row of the error table.
type meaning struct {
	errno     Errno
	status    int // HTTP status when the error is the answer to a client
	retryable bool
}

// meanings is the one table from code to error number and HTTP status.
var meanings = map[Code]meaning{
	CodeInvalidRequest:           {Invalid, 400, false},
	CodeInvalidSandboxID:         {Invalid, 400, false},
	CodeInvalidPort:              {Invalid, 400, false},
	CodeUnknownBinding:           {NotFound, 404, false},
	CodeUnknownOperation:         {Unsupported, 404, false},
	CodeDenied:                   {Denied, 403, false},
	CodeNotFound:                 {NotFound, 404, false},
	CodeProcessNotFound:          {NotFound, 404, false},
	CodeProcessAlreadyExists:     {Already, 409, false},
	CodeProcessReadyTimeout:      {Timeout, 504, true},
	CodeProcessExitedBeforeReady: {Unavailable, 502, false},
	CodePortNotExposed:           {NotFound, 404, false},
	CodePortAlreadyExposed:       {Already, 409, false},
	CodePortNotListening:         {Unavailable, 502, true},
	CodeInvalidToken:             {NotFound, 404, false},
	CodeUpgradeRequired:          {Invalid, 426, false},
	CodeUpgradeFailed:            {Unavailable, 502, false},
	CodeBackendFailed:            {Unavailable, 502, false},
	CodeFileNotFound:             {NotFound, 404, false},
	CodeFileExists:               {Already, 409, false},
	CodeFileTooLarge:             {TooLarge, 413, false},
	CodeIsDirectory:              {Invalid, 400, false},
	CodeNotDirectory:             {Invalid, 400, false},
	CodePermissionDenied:         {Denied, 403, false},
	CodeSessionNotFound:          {NotFound, 404, false},
	CodeSessionAlreadyExists:     {Already, 409, false},
	CodeCommandNotFound:          {NotFound, 404, false},
	CodeBodyTooLarge:             {TooLarge, 413, false},
	CodeUnsupported:              {Unsupported, 501, false},
	CodeGitNotAvailable:          {Unavailable, 501, false},
	CodeGitFailed:                {Unavailable, 502, false},
	CodeImageNotFound:            {NotFound, 503, false},
	CodeRuntimeUnavailable:       {Unavailable, 503, true},
	CodeSandboxStarting:          {Busy, 503, true},
	CodeSandboxAsleep:            {Busy, 503, true},
	CodeSandboxLost:              {Closed, 410, false},
	CodeSandboxExited:            {Unavailable, 502, true},
	CodeQuotaExceeded:            {Quota, 429, true},
	CodeTooManyRequests:          {Quota, 429, true},
	CodeTimeout:                  {Timeout, 504, true},
	CodeCanceled:                 {Closed, 499, false},
	CodePluginFailed:             {Internal, 500, false},
	CodePluginOverloaded:         {Busy, 503, true},
	CodeInternal:                 {Internal, 500, false},
	CodeConflict:                 {Already, 409, false},
	CodeFetchFailed:              {Unavailable, 502, true},
	CodePluginRefused:            {Invalid, 422, false},
}

// Codes returns every code there is, in no order.
func Codes() []Code {
	cs := make([]Code, 0, len(meanings))
	for c := range meanings {
		cs = append(cs, c)
	}
	return cs
}

// Errno returns the code's error number; an unknown code is Internal.
func (c Code) Errno() Errno {
	if m, ok := meanings[c]; ok {
		return m.errno
	}
	return Internal
}

// Status returns the HTTP status of an answer that carries the code; an unknown
// code is 500.
func (c Code) Status() int {
	if m, ok := meanings[c]; ok {
		return m.status
	}
	return 500
}

// Retryable tells whether the same call may succeed later without a change.
func (c Code) Retryable() bool { return meanings[c].retryable }
