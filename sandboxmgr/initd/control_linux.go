package initd

import (
	"context"
	"syscall"
	"time"

	"edge/abi"
)

const defaultSignal = syscall.SIGTERM

// maxGrace bounds how long a kill may wait before it kills.
const maxGrace = 10 * time.Minute

// find returns a process that has started.
func (s *supervisor) find(ctx context.Context, id string) (*process, error) {
	p, err := s.table.get(id)
	if err != nil {
		return nil, err
	}
	if err := await(ctx, p.started); err != nil {
		return nil, err
	}
	if p.child == nil { // its start failed in between
		return nil, noProcess(id)
	}
	return p, nil
}

func (s *supervisor) listProcesses(context.Context, *abi.Empty) (*abi.ProcessList, error) {
	list := &abi.ProcessList{Processes: []abi.Process{}}
	for _, p := range s.table.list() {
		list.Processes = append(list.Processes, p.view())
	}
	return list, nil
}

func (s *supervisor) getProcess(ctx context.Context, req *abi.ProcessRequest) (*abi.Process, error) {
	p, err := s.find(ctx, req.ProcessID)
	if err != nil {
		return nil, err
	}
	v := p.view()
	return &v, nil
}

func (s *supervisor) killProcess(ctx context.Context, req *abi.KillRequest) (*abi.Process, error) {
	sig, grace, err := killTerms(req.Signal, req.Grace)
	if err != nil {
		return nil, err
	}
	p, err := s.find(ctx, req.ProcessID)
	if err != nil {
		return nil, err
	}
	if err := s.killProcesses(ctx, []*process{p}, sig, grace); err != nil {
		return nil, err
	}
	v := p.view()
	return &v, nil
}

func (s *supervisor) killAllProcesses(ctx context.Context, req *abi.KillAllRequest) (*abi.KillAllResponse, error) {
	sig, grace, err := killTerms(req.Signal, req.Grace)
	if err != nil {
		return nil, err
	}
	all, running := s.table.list(), 0
	for _, p := range all {
		if !p.over() {
			running++
		}
	}
	if err := s.killProcesses(ctx, all, sig, grace); err != nil {
		return nil, err
	}
	return &abi.KillAllResponse{Count: running}, nil
}

func killTerms(signal abi.Signal, grace abi.Duration) (syscall.Signal, time.Duration, error) {
	sig, err := parseSignal(signal, defaultSignal)
	if err != nil {
		return 0, 0, err
	}
	return sig, min(grace.Or(abi.DefaultGrace), maxGrace), nil
}

// killProcesses ends processes and all that they have started, also what an
// ended one left behind, and waits until they are recorded as ended. What was
// begun is brought to its end: when ctx ends, the grace does too.
func (s *supervisor) killProcesses(ctx context.Context, ps []*process, sig syscall.Signal, grace time.Duration) error {
	var children []*child
	var known []*process
	for _, p := range ps {
		if err := await(ctx, p.started); err != nil {
			return err
		}
		if p.child == nil {
			continue
		}
		if !isClosed(p.child.done) {
			p.asked.Store(true)
		}
		children, known = append(children, p.child), append(known, p)
	}
	if !s.reaper.kill(ctx, children, sig, grace) {
		return abi.Errorf(abi.CodeTimeout, "a process did not end, not even by SIGKILL").WithStarted(abi.StartedYes)
	}
	for _, p := range known {
		<-p.ended // a moment after its child's end, which has come
	}
	return nil
}

func (s *supervisor) waitForExit(ctx context.Context, req *abi.WaitForExitRequest) (*abi.ExitStatus, error) {
	p, err := s.find(ctx, req.ProcessID)
	if err != nil {
		return nil, err
	}
	if req.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, req.Timeout.D())
		defer cancel()
	}
	if err := await(ctx, p.ended); err != nil {
		if p.over() {
			err = nil
		} else {
			return nil, abi.AsError(err).WithSuggestion("the process %.60q is still running", req.ProcessID)
		}
	}
	code, sig := p.child.exit()
	return &abi.ExitStatus{ExitCode: code, Signal: sig}, nil
}

func (s *supervisor) getLogs(ctx context.Context, req *abi.LogsRequest) (answer, error) {
	p, err := s.find(ctx, req.ProcessID)
	if err != nil {
		return nil, err
	}
	a, err := readLogs(p.run, p.stdout, p.stderr, req, !p.over())
	if err != nil {
		return nil, err // not a, which would be a typed nil
	}
	return a, nil
}
