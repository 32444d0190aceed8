package abi

// Plan is a decision that the host carries out step by step after the plugin's
// instance is free again: the sandbox is ensured, then the process, then the
// port, and then the request is relayed to it. Ten thousand clients can wait for
// one cold start with no instance held.
type Plan struct {
	Sandbox SandboxRef `json:"sandbox"`
	// Files are written before the process is started, and only then.
	Files []PlanFile `json:"files,omitzero"`
	// Process is started unless a process of its id runs; nil: none is.
	Process *PlanProcess `json:"process,omitempty"`
	// Ready is waited for; nil: the port below is dialled at once.
	Ready *PlanReady `json:"ready,omitempty"`
	// Then is "connect" (a WebSocket) or "proxy" (any request), to Port.
	Then   string `json:"then"`
	Port   int    `json:"port"`
	Policy Policy `json:"policy,omitzero"`
	// Timeout bounds all steps before the dial; default 30s, at most 10m.
	Timeout Duration `json:"timeout,omitempty"`
	// Fallback is the answer if a step fails or Timeout passes; nil: the error's.
	Fallback *PlanAnswer `json:"fallback,omitempty"`
}

// The values of Plan.Then.
const (
	PlanConnect = "connect"
	PlanProxy   = "proxy"
)

// PlanFile is one file of a Plan, as writeFile takes it.
type PlanFile struct {
	Path     string `json:"path"`
	Content  string `json:"content"`
	Encoding string `json:"encoding,omitempty"`
	Mode     string `json:"mode,omitempty"`
}

// PlanProcess is the process of a Plan, as startProcess takes it. Its id makes it
// one however many requests ask for it.
type PlanProcess struct {
	ProcessID string            `json:"processId"`
	Command   string            `json:"command,omitempty"`
	Argv      []string          `json:"argv,omitempty"`
	Cwd       string            `json:"cwd,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
}

// PlanReady is what a Plan waits for, as waitForPort takes it; the port is the
// plan's.
type PlanReady struct {
	Mode     string       `json:"mode,omitempty"`
	Path     string       `json:"path,omitempty"`
	Status   *StatusRange `json:"status,omitempty"`
	Interval Duration     `json:"interval,omitempty"`
}

// PlanAnswer is an answer that a Plan gives by itself.
type PlanAnswer struct {
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers,omitzero"`
	Body    string      `json:"body,omitempty"`
}

func (*Plan) decision() int { return DecisionPlan }
