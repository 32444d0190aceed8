package guest

import "edge/abi"

// Pause freezes everything that runs in the sandbox; the next use of it goes on
// where it stood.
func (s *Sandbox) Pause() (*SandboxState, error) { return call(s, abi.Pause, &abi.Empty{}) }

// Resume lets a paused sandbox run on.
func (s *Sandbox) Resume() (*SandboxState, error) { return call(s, abi.Resume, &abi.Empty{}) }

// Touch counts as use of the sandbox, so that it sleeps later.
func (s *Sandbox) Touch() (*SandboxState, error) { return call(s, abi.Touch, &abi.Empty{}) }

// Inspect tells all that the edge knows of the sandbox without starting it.
func (s *Sandbox) Inspect() (*Inspection, error) { return call(s, abi.Inspect, &abi.Empty{}) }

// SetEnvVars sets variables for every command that is started from now on, and
// after each later start of the sandbox.
func (s *Sandbox) SetEnvVars(vars map[string]string) error {
	in := abi.SetEnvVarsRequest{EnvVars: make(map[string]*string, len(vars))}
	for k, v := range vars {
		in.EnvVars[k] = &v
	}
	return do(s, abi.SetEnvVars, &in)
}

// UnsetEnvVars takes variables back.
func (s *Sandbox) UnsetEnvVars(names ...string) error {
	in := abi.SetEnvVarsRequest{EnvVars: make(map[string]*string, len(names))}
	for _, k := range names {
		in.EnvVars[k] = nil
	}
	return do(s, abi.SetEnvVars, &in)
}

// Session is a handle of a working directory and variables that calls share. It
// ends with the request; the session lives until it is deleted or the sandbox
// stops.
type Session struct {
	abi.Session
	sandbox *Sandbox
}

// CreateSession makes a session. An empty id has one generated.
func (s *Sandbox) CreateSession(opts ...SessionOptions) (*Session, error) {
	in := last(opts)
	return s.session(call(s, abi.CreateSession, &in))
}

// GetSession returns a session by its id.
func (s *Sandbox) GetSession(id string) (*Session, error) {
	return s.session(call(s, abi.GetSession, &abi.SessionRequest{ID: id}))
}

// DeleteSession forgets a session and kills what was started through it.
func (s *Sandbox) DeleteSession(id string) error {
	return do(s, abi.DeleteSession, &abi.SessionRequest{ID: id})
}

func (s *Sandbox) session(out *abi.Session, err error) (*Session, error) {
	if err != nil {
		return nil, err
	}
	return &Session{*out, s}, nil
}

// Exec is Sandbox.Exec in this session.
func (s *Session) Exec(command string, opts ...ExecOptions) (*ExecResult, error) {
	in := last(opts)
	in.Session = s.ID
	return s.sandbox.Exec(command, in)
}

// ExecStream is Sandbox.ExecStream in this session.
func (s *Session) ExecStream(command string, opts ...ExecStreamOptions) (*EventStream[ExecEvent], error) {
	in := last(opts)
	in.Session = s.ID
	return s.sandbox.ExecStream(command, in)
}

// StartProcess is Sandbox.StartProcess in this session.
func (s *Session) StartProcess(command string, opts ...StartProcessOptions) (*Process, error) {
	in := last(opts)
	in.Session = s.ID
	return s.sandbox.StartProcess(command, in)
}

// Delete is Sandbox.DeleteSession for this session.
func (s *Session) Delete() error { return s.sandbox.DeleteSession(s.ID) }
