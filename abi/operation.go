package abi

// Operation is one row of the operation table: a verb on a sandbox with its
// request and its answer. Everything that offers the verb (plugin ABI, REST,
// CLI, reference pages) is derived from the row.
type Operation[Req, Resp any] struct{ description }

// StreamOperation is a row whose answer goes on: a Socket instead of one value.
// Event is what its text messages hold.
type StreamOperation[Req, Event any] struct {
	description
	kind Kind
}

// Row is what can be said of an operation without knowing its types.
type Row interface {
	// Name is the verb, "startProcess".
	Name() string
	// Doc is one sentence for the reference page.
	Doc() string
	// Errors are the codes the operation can fail with, besides those that
	// every operation shares (CommonErrors).
	Errors() []Code
	// Kind tells whether the operation answers once or is a stream.
	Kind() Kind
	// NewRequest and NewResponse return pointers to zero values. The response
	// of a stream is one event.
	NewRequest() any
	NewResponse() any
}

// description is what every row says of itself.
type description struct {
	name   string
	doc    string
	errors []Code
}

// Name returns the verb.
func (d *description) Name() string { return d.name }

// Doc returns one sentence for the reference page.
func (d *description) Doc() string { return d.doc }

// Errors returns the codes that belong to this operation.
func (d *description) Errors() []Code { return d.errors }

// Kind is KindCall.
func (o *Operation[Req, Resp]) Kind() Kind { return KindCall }

// NewRequest returns a pointer to a zero request.
func (o *Operation[Req, Resp]) NewRequest() any { return new(Req) }

// NewResponse returns a pointer to a zero answer.
func (o *Operation[Req, Resp]) NewResponse() any { return new(Resp) }

// Kind tells what kind of stream it is.
func (o *StreamOperation[Req, Event]) Kind() Kind { return o.kind }

// NewRequest returns a pointer to a zero request.
func (o *StreamOperation[Req, Event]) NewRequest() any { return new(Req) }

// NewResponse returns a pointer to a zero event.
func (o *StreamOperation[Req, Event]) NewResponse() any { return new(Event) }

func row[Req, Resp any](name, doc string, errors ...Code) *Operation[Req, Resp] {
	return &Operation[Req, Resp]{description{name, doc, errors}}
}

func streamRow[Req, Event any](kind Kind, name, doc string, errors ...Code) *StreamOperation[Req, Event] {
	return &StreamOperation[Req, Event]{description{name, doc, errors}, kind}
}

// CommonErrors can come from every operation.
var CommonErrors = []Code{
	CodeInvalidRequest, CodeInvalidSandboxID, CodeUnknownBinding, CodeDenied, CodeRuntimeUnavailable, CodeImageNotFound,
	CodeQuotaExceeded, CodeSandboxExited, CodeTimeout, CodeCanceled, CodeInternal,
}

// The operations.
var (
	Start      = row[Empty, SandboxState]("start", "Starts the sandbox, or does nothing if it runs.")
	Stop       = row[StopRequest, SandboxState]("stop", "Stops the sandbox; what it wrote stays as the binding's persist says.")
	Pause      = row[Empty, SandboxState]("pause", "Freezes everything that runs in the sandbox; the next use of it, or resume, goes on where it stood. It does not sleep until then.", CodeUnsupported)
	Resume     = row[Empty, SandboxState]("resume", "Lets a paused sandbox run on. One that is not paused is left as it is.", CodeUnsupported)
	Destroy    = row[Empty, Empty]("destroy", "Removes the sandbox with everything it wrote and its exposures. Idempotent.")
	Touch      = row[Empty, SandboxState]("touch", "Counts as use of the sandbox, so that it sleeps later. Starts nothing.")
	GetState   = row[Empty, SandboxState]("getState", "Tells the sandbox's state without starting it.")
	Inspect    = row[Empty, Inspection]("inspect", "Tells all that the edge knows of the sandbox without starting it.")
	SetEnvVars = row[SetEnvVarsRequest, Empty]("setEnvVars",
		"Sets variables for every command that is started from now on, and after each later start of the sandbox.")

	CreateSession = row[CreateSessionRequest, Session]("createSession",
		"Makes a session: a working directory and variables that calls share.", CodeSessionAlreadyExists)
	GetSession    = row[SessionRequest, Session]("getSession", "Tells a session's working directory and variables.", CodeSessionNotFound)
	DeleteSession = row[SessionRequest, Empty]("deleteSession",
		"Forgets a session and kills what was started through it, and nothing else.", CodeSessionNotFound)

	Exec = row[ExecRequest, ExecResponse]("exec", "Runs a command to its end and answers with its output.",
		CodeCommandNotFound, CodeNotDirectory, CodeFileNotFound, CodePermissionDenied, CodeSessionNotFound)
	ExecStream = streamRow[ExecStreamRequest, ExecEvent](KindEvents, "execStream",
		"Runs a command and tells what it prints while it prints it.",
		CodeCommandNotFound, CodeNotDirectory, CodeFileNotFound, CodePermissionDenied, CodeSessionNotFound)
	Terminal = streamRow[TerminalRequest, TerminalEvent](KindDuplex, "terminal",
		"Opens a terminal with a shell or a program in it, or comes back to one.",
		CodeCommandNotFound, CodeNotDirectory, CodeFileNotFound, CodePermissionDenied, CodeSessionNotFound, CodeTooManyRequests)

	StartProcess = row[StartProcessRequest, Process]("startProcess",
		"Starts a process that lives on after the call.",
		CodeProcessAlreadyExists, CodeCommandNotFound, CodeNotDirectory, CodeFileNotFound, CodePermissionDenied, CodeSessionNotFound)
	ListProcesses = row[Empty, ProcessList]("listProcesses", "Lists the processes that startProcess started, ended ones included.")
	GetProcess    = row[ProcessRequest, Process]("getProcess", "Tells one process's state.", CodeProcessNotFound, CodeSandboxLost)
	KillProcess   = row[KillRequest, Process]("killProcess",
		"Signals the process's whole group, then kills it after the grace, and waits for its end.", CodeProcessNotFound, CodeSandboxLost)
	KillAllProcesses = row[KillAllRequest, KillAllResponse]("killAllProcesses", "Kills every process that startProcess started.")
	GetLogs          = row[LogsRequest, LogsResponse]("getLogs", "Returns what a process printed, as far as the ring still holds it.",
		CodeProcessNotFound, CodeSandboxLost)
	StreamLogs = streamRow[StreamLogsRequest, LogEvent](KindEvents, "streamLogs",
		"Tells what a process printed, and what it prints, with cursors to go on from.", CodeProcessNotFound, CodeSandboxLost)
	WaitForPort = row[WaitForPortRequest, WaitForPortResponse]("waitForPort",
		"Waits until a port can be reached on the very path that traffic takes.",
		CodeInvalidPort, CodeProcessNotFound, CodeProcessReadyTimeout, CodeProcessExitedBeforeReady, CodeSandboxLost)
	WaitForLog = row[WaitForLogRequest, WaitForLogResponse]("waitForLog",
		"Waits until a line of a process's output matches; what was printed before counts.",
		CodeProcessNotFound, CodeProcessReadyTimeout, CodeProcessExitedBeforeReady, CodeSandboxLost)
	WaitForExit = row[WaitForExitRequest, ExitStatus]("waitForExit", "Waits until a process has ended.", CodeProcessNotFound, CodeSandboxLost)

	WriteFile = row[WriteFileRequest, WriteFileResponse]("writeFile",
		"Writes a file, making missing folders; a reader sees the old content or the new, never a part.",
		CodeFileTooLarge, CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)
	WriteFileStream = streamRow[WriteFileStreamRequest, WriteFileResponse](KindUpload, "writeFileStream",
		"Writes a file of any size from the bytes that follow, as writeFile does.",
		CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)
	ReadFile = row[ReadFileRequest, ReadFileResponse]("readFile", "Reads a whole file of at most 32 MiB.",
		CodeFileNotFound, CodeFileTooLarge, CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)
	ReadFileStream = streamRow[ReadFileStreamRequest, FileInfo](KindDownload, "readFileStream",
		"Reads a file of any size: what it is, then its bytes.",
		CodeFileNotFound, CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)
	Mkdir = row[MkdirRequest, Empty]("mkdir", "Makes a folder.",
		CodeFileExists, CodeFileNotFound, CodeNotDirectory, CodePermissionDenied)
	DeleteFile = row[DeleteFileRequest, Empty]("deleteFile", "Deletes a file, or with recursive a folder with all in it.",
		CodeFileNotFound, CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)
	RenameFile = row[RenameFileRequest, Empty]("renameFile", "Gives a file or folder another name, replacing a file of that name.",
		CodeFileNotFound, CodeFileExists, CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)
	MoveFile = row[MoveFileRequest, Empty]("moveFile", "Moves a file or folder, also from one file system to another, into a folder if the destination is one.",
		CodeFileNotFound, CodeFileExists, CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)
	Exists = row[PathRequest, ExistsResponse]("exists", "Tells whether there is something at a path, and what. A symlink is not followed.",
		CodeNotDirectory, CodePermissionDenied)
	SetPermissions = row[SetPermissionsRequest, Empty]("setPermissions", "Sets the permission bits of a file or folder.",
		CodeFileNotFound, CodeNotDirectory, CodePermissionDenied)
	ListFiles = row[ListFilesRequest, ListFilesResponse]("listFiles", "Lists a folder, by path.",
		CodeFileNotFound, CodeNotDirectory, CodePermissionDenied)
	SearchFiles = row[SearchFilesRequest, SearchFilesResponse]("searchFiles", "Finds files by name and lines by what they hold.",
		CodeFileNotFound, CodeNotDirectory, CodePermissionDenied)
	Watch = streamRow[WatchRequest, WatchEvent](KindEvents, "watch", "Tells what changes in a folder.",
		CodeFileNotFound, CodeNotDirectory, CodePermissionDenied)
	Checkout = row[CheckoutRequest, CheckoutResponse]("checkout", "Clones a Git repository inside the sandbox, with the git that is there.",
		CodeGitNotAvailable, CodeGitFailed, CodeFileExists, CodeNotDirectory, CodePermissionDenied)

	ExposePort = row[ExposePortRequest, ExposedPort]("exposePort",
		"Makes a port reachable by a preview URL. Exposing again changes what is given and keeps the rest, token and URL first of all.", CodeInvalidPort, CodePortAlreadyExposed)
	UnexposePort = row[UnexposePortRequest, Empty]("unexposePort",
		"Takes the URL back and closes the live connections that came through it, at once or after a while. Idempotent.", CodeInvalidPort)
	GetExposedPorts   = row[Empty, ExposedPorts]("getExposedPorts", "Lists the sandbox's exposures.")
	IsPortExposed     = row[PortRequest, BoolResponse]("isPortExposed", "Tells whether a port is exposed.", CodeInvalidPort)
	ValidatePortToken = row[PortTokenRequest, BoolResponse]("validatePortToken",
		"Tells whether a token is the port's, in constant time.", CodeInvalidPort)
	CreatePreviewLink = row[PreviewLinkRequest, PreviewLink]("createPreviewLink",
		"Signs a link to a port that is exposed with tokenIn \"request\". It shows no token and ends by itself.", CodeInvalidPort, CodePortNotExposed)
	GetListeningPorts = row[Empty, ListeningPorts]("getListeningPorts",
		"Lists the TCP ports that something in the sandbox listens on, exposed or not. Starts nothing: a sandbox that does not run has none.")
)

// Operations is the table, in the order of the reference page.
var Operations = []Row{
	Start, Stop, Pause, Resume, Destroy, Touch, GetState, Inspect, SetEnvVars,
	CreateSession, GetSession, DeleteSession,
	Exec, ExecStream, Terminal,
	StartProcess, ListProcesses, GetProcess, KillProcess, KillAllProcesses,
	GetLogs, StreamLogs, WaitForPort, WaitForLog, WaitForExit,
	WriteFile, WriteFileStream, ReadFile, ReadFileStream,
	Mkdir, DeleteFile, RenameFile, MoveFile, Exists, SetPermissions, ListFiles, SearchFiles, Watch, Checkout,
	ExposePort, UnexposePort, GetExposedPorts, IsPortExposed, ValidatePortToken, CreatePreviewLink, GetListeningPorts,
}

// Aliases are the seeds' other names for rows of the table.
var Aliases = map[string]string{"closePort": "unexposePort", "gitCheckout": "checkout"}

// Lookup returns the named row, an alias included, or nil.
func Lookup(name string) Row {
	if a, ok := Aliases[name]; ok {
		name = a
	}
	for _, r := range Operations {
		if r.Name() == name {
			return r
		}
	}
	return nil
}

// Empty is a request or an answer that says nothing.
type Empty struct{}

// BoolResponse answers a yes-or-no question.
type BoolResponse struct {
	Value bool `json:"value"`
}
