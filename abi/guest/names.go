package guest

import "edge/abi"

// The contract's types, so that a plugin imports one package. What each field
// means, with its default, stands with the type in package abi and in
// abi/REFERENCE.md.
type (
	Header         = abi.Header
	Duration       = abi.Duration
	Signal         = abi.Signal
	Policy         = abi.Policy
	SandboxOptions = abi.SandboxOptions
	SandboxState   = abi.SandboxState
	StopOptions    = abi.StopRequest
	ExecOptions    = abi.ExecRequest
	ExecResult     = abi.ExecResponse
	Status         = abi.Status
	IfRunning      = abi.IfRunning
	// StartProcessOptions is everything startProcess takes; its Command is set
	// from StartProcess's argument.
	StartProcessOptions = abi.StartProcessRequest
	KillOptions         = abi.KillRequest
	LogsOptions         = abi.LogsRequest
	Logs                = abi.LogsResponse
	StatusRange         = abi.StatusRange
	WaitForPortOptions  = abi.WaitForPortRequest
	WaitForLogOptions   = abi.WaitForLogRequest
	LogMatch            = abi.WaitForLogResponse
	ExitStatus          = abi.ExitStatus
	NotReady            = abi.NotReady
	WriteFileOptions    = abi.WriteFileRequest
	ExposeOptions       = abi.ExposePortRequest
	ExposedPort         = abi.ExposedPort
	UnexposePortOptions = abi.UnexposePortRequest
	PreviewLinkOptions  = abi.PreviewLinkRequest
	PreviewLink         = abi.PreviewLink
	ListeningPort       = abi.ListeningPort
	WebSocketOptions    = abi.WebSocketOptions
	Wake                = abi.Wake

	Inspection            = abi.Inspection
	SessionOptions        = abi.CreateSessionRequest
	ExecStreamOptions     = abi.ExecStreamRequest
	ExecEvent             = abi.ExecEvent
	TerminalOptions       = abi.TerminalRequest
	TerminalEvent         = abi.TerminalEvent
	StreamLogsOptions     = abi.StreamLogsRequest
	LogEvent              = abi.LogEvent
	WatchOptions          = abi.WatchRequest
	WatchEvent            = abi.WatchEvent
	StreamInput           = abi.StreamInput
	ReadFileStreamOptions = abi.ReadFileStreamRequest
	FileInfo              = abi.FileInfo
	FileList              = abi.ListFilesResponse
	MkdirOptions          = abi.MkdirRequest
	DeleteFileOptions     = abi.DeleteFileRequest
	ListFilesOptions      = abi.ListFilesRequest
	SearchFilesOptions    = abi.SearchFilesRequest
	SearchResult          = abi.SearchFilesResponse
	CheckoutOptions       = abi.CheckoutRequest
	CheckoutResult        = abi.CheckoutResponse
	SandboxEvent          = abi.SandboxEvent

	KVSetOptions    = abi.KVSetOptions
	KVDeleteOptions = abi.KVDeleteOptions
	KVListOptions   = abi.KVListOptions
	KVPage          = abi.KVPage
	KVEntry         = abi.KVEntry
	Redirect        = abi.Redirect
	PlanFile        = abi.PlanFile
	PlanProcess     = abi.PlanProcess
	PlanReady       = abi.PlanReady
	PlanAnswer      = abi.PlanAnswer
)

// What Fetch does about an answer that sends it elsewhere.
const (
	RedirectFollow = abi.RedirectFollow
	RedirectManual = abi.RedirectManual
	RedirectError  = abi.RedirectError
)

// What a plan ends with.
const (
	PlanConnect = abi.PlanConnect
	PlanProxy   = abi.PlanProxy
)

// What wakes a sandbox, besides "hold(10s)".
const (
	WakeNever = abi.WakeNever
	WakeHTTP  = abi.WakeHTTP
	WakeWS    = abi.WakeWS
)

// What can happen to a sandbox.
const (
	SandboxStarted = abi.SandboxStarted
	SandboxStopped = abi.SandboxStopped
	SandboxFailed  = abi.SandboxFailed
)

// What StartProcess does about a running process of the same id.
const (
	IfRunningError   = abi.IfRunningError
	IfRunningReuse   = abi.IfRunningReuse
	IfRunningRestart = abi.IfRunningRestart
)

// The states of a process.
const (
	StatusStarting  = abi.StatusStarting
	StatusRunning   = abi.StatusRunning
	StatusCompleted = abi.StatusCompleted
	StatusFailed    = abi.StatusFailed
	StatusKilled    = abi.StatusKilled
	StatusError     = abi.StatusError
)

// Who may use an exposure.
const (
	AccessToken  = abi.AccessToken
	AccessPublic = abi.AccessPublic
)

// The codes that a plugin's own errors are likely to carry; package abi has all.
const (
	CodeInvalidRequest  = abi.CodeInvalidRequest
	CodeDenied          = abi.CodeDenied
	CodeNotFound        = abi.CodeNotFound
	CodeTooManyRequests = abi.CodeTooManyRequests
	CodeUnsupported     = abi.CodeUnsupported
	CodeTimeout         = abi.CodeTimeout
	CodeUpgradeFailed   = abi.CodeUpgradeFailed
	CodeBackendFailed   = abi.CodeBackendFailed
	CodeConflict        = abi.CodeConflict
	CodeFetchFailed     = abi.CodeFetchFailed
	CodeQuotaExceeded   = abi.CodeQuotaExceeded
)

// last returns the last of the options given, or their zero value: options are
// variadic only so that they can be left out.
func last[T any](opts []T) (v T) {
	if len(opts) > 0 {
		v = opts[len(opts)-1]
	}
	return v
}
