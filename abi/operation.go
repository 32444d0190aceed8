package abi

// Operation is one row of the operation table: a verb on a sandbox with its
// request and its answer. Everything that offers the verb (plugin ABI, REST,
// CLI, reference pages) is derived from the row.
type Operation[Req, Resp any] struct {
	name   string
	doc    string
	errors []Code
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
	// NewRequest and NewResponse return pointers to zero values.
	NewRequest() any
	NewResponse() any
}

// Name returns the verb.
func (o *Operation[Req, Resp]) Name() string { return o.name }

// Doc returns one sentence for the reference page.
func (o *Operation[Req, Resp]) Doc() string { return o.doc }

// Errors returns the codes that belong to this operation.
func (o *Operation[Req, Resp]) Errors() []Code { return o.errors }

// NewRequest returns a pointer to a zero request.
func (o *Operation[Req, Resp]) NewRequest() any { return new(Req) }

// NewResponse returns a pointer to a zero answer.
func (o *Operation[Req, Resp]) NewResponse() any { return new(Resp) }

func row[Req, Resp any](name, doc string, errors ...Code) *Operation[Req, Resp] {
	return &Operation[Req, Resp]{name, doc, errors}
}

// CommonErrors can come from every operation.
var CommonErrors = []Code{
	CodeInvalidRequest, CodeInvalidSandboxID, CodeUnknownBinding, CodeDenied, CodeRuntimeUnavailable, CodeImageNotFound,
	CodeSandboxExited, CodeTimeout, CodeCanceled, CodeInternal,
}

// The operations.
var (
	Start    = row[Empty, SandboxState]("start", "Starts the sandbox, or does nothing if it runs.")
	Stop     = row[StopRequest, SandboxState]("stop", "Stops the sandbox; what it wrote stays as the binding's persist says.")
	Destroy  = row[Empty, Empty]("destroy", "Removes the sandbox with everything it wrote and its exposures. Idempotent.")
	GetState = row[Empty, SandboxState]("getState", "Tells the sandbox's state without starting it.")

	Exec = row[ExecRequest, ExecResponse]("exec", "Runs a command to its end and answers with its output.", CodeCommandNotFound)

	StartProcess = row[StartProcessRequest, Process]("startProcess",
		"Starts a process that lives on after the call.", CodeProcessAlreadyExists, CodeCommandNotFound)
	ListProcesses = row[Empty, ProcessList]("listProcesses", "Lists the processes that startProcess started, ended ones included.")
	GetProcess    = row[ProcessRequest, Process]("getProcess", "Tells one process's state.", CodeProcessNotFound)
	KillProcess   = row[KillRequest, Process]("killProcess",
		"Signals the process's whole group, then kills it after the grace, and waits for its end.", CodeProcessNotFound)
	KillAllProcesses = row[KillAllRequest, KillAllResponse]("killAllProcesses", "Kills every process that startProcess started.")
	GetLogs          = row[LogsRequest, LogsResponse]("getLogs", "Returns what a process printed, as far as the ring still holds it.", CodeProcessNotFound)
	WaitForPort      = row[WaitForPortRequest, WaitForPortResponse]("waitForPort",
		"Waits until a port can be reached on the very path that traffic takes.",
		CodeInvalidPort, CodeProcessNotFound, CodeProcessReadyTimeout, CodeProcessExitedBeforeReady)
	WaitForLog = row[WaitForLogRequest, WaitForLogResponse]("waitForLog",
		"Waits until a line of a process's output matches; what was printed before counts.",
		CodeProcessNotFound, CodeProcessReadyTimeout, CodeProcessExitedBeforeReady)
	WaitForExit = row[WaitForExitRequest, ExitStatus]("waitForExit", "Waits until a process has ended.", CodeProcessNotFound)

	WriteFile = row[WriteFileRequest, WriteFileResponse]("writeFile",
		"Writes a file, making missing folders; a reader sees the old content or the new, never a part.",
		CodeFileTooLarge, CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)
	ReadFile = row[ReadFileRequest, ReadFileResponse]("readFile", "Reads a whole file of at most 32 MiB.",
		CodeFileNotFound, CodeFileTooLarge, CodeIsDirectory, CodeNotDirectory, CodePermissionDenied)

	ExposePort = row[ExposePortRequest, ExposedPort]("exposePort",
		"Makes a port reachable by a preview URL. Exposing again keeps token and URL.", CodeInvalidPort, CodePortAlreadyExposed)
	UnexposePort = row[UnexposePortRequest, Empty]("unexposePort",
		"Takes the URL back and closes the live connections that came through it. Idempotent.", CodeInvalidPort)
	GetExposedPorts   = row[Empty, ExposedPorts]("getExposedPorts", "Lists the sandbox's exposures.")
	IsPortExposed     = row[PortRequest, BoolResponse]("isPortExposed", "Tells whether a port is exposed.", CodeInvalidPort)
	ValidatePortToken = row[PortTokenRequest, BoolResponse]("validatePortToken",
		"Tells whether a token is the port's, in constant time.", CodeInvalidPort)
)

// Operations is the table, in the order of the reference page.
var Operations = []Row{
	Start, Stop, Destroy, GetState,
	Exec, StartProcess, ListProcesses, GetProcess, KillProcess, KillAllProcesses,
	GetLogs, WaitForPort, WaitForLog, WaitForExit,
	WriteFile, ReadFile,
	ExposePort, UnexposePort, GetExposedPorts, IsPortExposed, ValidatePortToken,
}

// Aliases are the seeds' other names for rows of the table.
var Aliases = map[string]string{"closePort": "unexposePort"}

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
