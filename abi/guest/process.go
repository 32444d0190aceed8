package guest

import "edge/abi"

// Process is a handle of a process that StartProcess started, with its state as
// of the call that returned it. It ends with the request, the process does not.
type Process struct {
	abi.Process
	sandbox *Sandbox
}

// StartProcess starts a process that lives on after the request. command is run
// by /bin/sh -c; when it is empty, the options' Argv is run. A running process of
// the same ProcessID is ErrProcessExists, unless IfRunning says otherwise.
func (s *Sandbox) StartProcess(command string, opts ...StartProcessOptions) (*Process, error) {
	in := last(opts)
	if command != "" {
		in.Command = command
	}
	return s.process(call(s, abi.StartProcess, &in))
}

// GetProcess returns a process by its id, ended ones included.
func (s *Sandbox) GetProcess(processID string) (*Process, error) {
	return s.process(call(s, abi.GetProcess, &abi.ProcessRequest{ProcessID: processID}))
}

// ListProcesses returns every process that StartProcess started, oldest first,
// ended ones included.
func (s *Sandbox) ListProcesses() ([]*Process, error) {
	out, err := call(s, abi.ListProcesses, &abi.Empty{})
	if err != nil {
		return nil, err
	}
	ps := make([]*Process, len(out.Processes))
	for i := range ps {
		ps[i] = &Process{out.Processes[i], s}
	}
	return ps, nil
}

// KillProcess signals the process's whole group (TERM by default), kills it after
// the grace (5 s), waits for its end, and returns its last state. The options'
// ProcessID is not looked at, here and below.
func (s *Sandbox) KillProcess(processID string, opts ...KillOptions) (*Process, error) {
	in := last(opts)
	in.ProcessID = processID
	return s.process(call(s, abi.KillProcess, &in))
}

// KillAllProcesses kills every process that StartProcess started and returns how
// many were running.
func (s *Sandbox) KillAllProcesses(opts ...KillOptions) (int, error) {
	o := last(opts)
	out, err := call(s, abi.KillAllProcesses, &abi.KillAllRequest{Signal: o.Signal, Grace: o.Grace})
	if err != nil {
		return 0, err
	}
	return out.Count, nil
}

// GetLogs returns what a process printed, as far as the ring (1 MiB a stream)
// still holds it.
func (s *Sandbox) GetLogs(processID string, opts ...LogsOptions) (*Logs, error) {
	in := last(opts)
	in.ProcessID = processID
	return call(s, abi.GetLogs, &in)
}

// WaitForPort waits until a port can be reached on the very path that traffic
// takes, 30 s by default. With the options' ProcessID it also says at once when
// that process is unknown (ErrProcessNotFound) or has ended (ErrProcessExited);
// a port that stays shut is ErrNotReady, its details a NotReady.
func (s *Sandbox) WaitForPort(port int, opts ...WaitForPortOptions) error {
	in := last(opts)
	in.Port = port
	return tell(s, abi.WaitForPort, &in)
}

// WaitForLog waits until a line of the process's output contains pattern, or
// matches it with the options' Regexp; what was printed before counts.
func (s *Sandbox) WaitForLog(processID, pattern string, opts ...WaitForLogOptions) (*LogMatch, error) {
	in := last(opts)
	in.ProcessID, in.Pattern = processID, pattern
	return call(s, abi.WaitForLog, &in)
}

// WaitForExit waits until the process has ended. A zero timeout waits as long as
// the request's deadline lets it.
func (s *Sandbox) WaitForExit(processID string, timeout Duration) (*ExitStatus, error) {
	return call(s, abi.WaitForExit, &abi.WaitForExitRequest{ProcessID: processID, Timeout: timeout})
}

func (s *Sandbox) process(p *abi.Process, err error) (*Process, error) {
	if err != nil {
		return nil, err
	}
	return &Process{*p, s}, nil
}

// WaitForPort is Sandbox.WaitForPort that ends early when this process does.
func (p *Process) WaitForPort(port int, opts ...WaitForPortOptions) error {
	in := last(opts)
	in.ProcessID = p.ID
	return p.sandbox.WaitForPort(port, in)
}

// WaitForLog is Sandbox.WaitForLog for this process.
func (p *Process) WaitForLog(pattern string, opts ...WaitForLogOptions) (*LogMatch, error) {
	return p.sandbox.WaitForLog(p.ID, pattern, opts...)
}

// WaitForExit is Sandbox.WaitForExit for this process.
func (p *Process) WaitForExit(timeout Duration) (*ExitStatus, error) {
	return p.sandbox.WaitForExit(p.ID, timeout)
}

// GetLogs is Sandbox.GetLogs for this process.
func (p *Process) GetLogs(opts ...LogsOptions) (*Logs, error) {
	return p.sandbox.GetLogs(p.ID, opts...)
}

// GetStatus asks for the process's status as it is now.
func (p *Process) GetStatus() (Status, error) {
	now, err := p.sandbox.GetProcess(p.ID)
	if err != nil {
		return "", err
	}
	return now.Status, nil
}

// Kill is Sandbox.KillProcess for this process; the handle's state becomes the
// last one.
func (p *Process) Kill(opts ...KillOptions) error {
	end, err := p.sandbox.KillProcess(p.ID, opts...)
	if err != nil {
		return err
	}
	p.Process = end.Process
	return nil
}
