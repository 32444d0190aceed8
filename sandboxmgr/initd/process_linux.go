package initd

import (
	"context"
	"sync/atomic"
	"time"

	"edge/abi"
)

// process is one run of a process that startProcess started.
type process struct {
	id   string
	run  uint64 // grows with every start; orders the listing and marks cursors
	text string
	// session is the one it was started through, or nil; set before started is
	// closed.
	session *session

	// started is closed when child, pumps and timer are set, or when the start
	// failed and child stays nil.
	started chan struct{}
	child   *child
	pumps   []*pump
	timer   *time.Timer

	stdout, stderr *ring
	// ended is closed when the process has ended and all that it printed is in
	// the rings.
	ended chan struct{}
	asked atomic.Bool // somebody asked it to end before it did
}

// over tells whether the process has ended.
func (p *process) over() bool { return isClosed(p.ended) }

// exited tells whether the process has been reaped; its last output may still
// be on its way.
func (p *process) exited() bool {
	return isClosed(p.started) && p.child != nil && isClosed(p.child.done)
}

// view returns the process's state as the operations answer it.
func (p *process) view() abi.Process {
	v := abi.Process{ID: p.id, Command: p.text, Status: abi.StatusStarting}
	if !isClosed(p.started) || p.child == nil {
		return v
	}
	v.PID, v.StartedAt, v.Status = p.child.pid, p.child.started.UTC(), abi.StatusRunning
	if p.session != nil {
		v.Session = p.session.id
	}
	if !p.over() {
		return v
	}
	code, sig := p.child.exit()
	ended := p.child.ended.UTC()
	v.ExitCode, v.Signal, v.EndedAt = &code, sig, &ended
	switch {
	case p.asked.Load():
		v.Status = abi.StatusKilled
	case code == 0:
		v.Status = abi.StatusCompleted
	default:
		v.Status, v.OOMKilled = abi.StatusFailed, p.child.oomKilled
	}
	return v
}

// forget gives back what a process that is no longer listed holds. What it left
// running gets a broken pipe.
func (p *process) forget() {
	for _, pump := range p.pumps {
		pump.file.Close()
	}
	p.stdout.free()
	p.stderr.free()
}

// startProcess starts a process that lives on.
func (s *supervisor) startProcess(ctx context.Context, req *abi.StartProcessRequest) (*abi.Process, error) {
	if req.ProcessID != "" {
		if err := abi.CheckProcessID(req.ProcessID); err != nil {
			return nil, err
		}
	}
	switch req.IfRunning {
	case "", abi.IfRunningError, abi.IfRunningReuse, abi.IfRunningRestart:
	default:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "ifRunning %.40q: want \"error\", \"reuse\" or \"restart\"", req.IfRunning)
	}
	cmd, err := s.prepare(request{req.Command, req.Argv, req.Cwd, req.Env}, surroundings{session: req.Session, user: req.User})
	if err != nil {
		return nil, err
	}
	for {
		p, running, err := s.table.claim(req.ProcessID, s.rings)
		switch {
		case err != nil:
			return nil, err
		case running == nil:
			return s.begin(p, cmd, req.Timeout.D())
		}
		v, err := s.meet(ctx, running, req.IfRunning)
		if v != nil || err != nil {
			return v, err
		}
	}
}

// meet decides about a running process whose id is wanted again. It returns
// nothing when the id has become free.
func (s *supervisor) meet(ctx context.Context, running *process, policy abi.IfRunning) (*abi.Process, error) {
	switch {
	case running.exited():
		return nil, await(ctx, running.ended)
	case policy == abi.IfRunningReuse:
		if err := await(ctx, running.started); err != nil || running.child == nil {
			return nil, err
		}
		v := running.view()
		return &v, nil
	case policy == abi.IfRunningRestart:
		return nil, s.killProcesses(ctx, []*process{running}, defaultSignal, abi.DefaultGrace)
	}
	return nil, abi.Errorf(abi.CodeProcessAlreadyExists, "a process with id %q already exists and is running", running.id).
		WithSuggestion("use another processId, or ifRunning \"reuse\" or \"restart\"")
}

// await waits for ch within ctx.
func await(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin starts the command of a claimed process.
func (s *supervisor) begin(p *process, cmd *command, timeout time.Duration) (*abi.Process, error) {
	c, pumps, err := s.launch(cmd, nil, p.stdout, p.stderr)
	if err != nil {
		s.table.disclaim(p)
		return nil, err
	}
	p.text, p.session, p.child, p.pumps = cmd.text, cmd.session, c, pumps
	if timeout > 0 {
		p.timer = time.AfterFunc(timeout, func() { s.expire(p) })
	}
	close(p.started)
	s.table.started(p)
	s.wg.Add(1)
	go s.watch(p)
	v := p.view()
	return &v, nil
}

// watch waits for the process's end and records it.
func (s *supervisor) watch(p *process) {
	defer s.wg.Done()
	<-p.child.done
	_ = settleAll(context.Background(), p.pumps) // rings never wait
	if p.timer != nil {
		p.timer.Stop()
	}
	close(p.ended)
	s.table.prune()
}

// expire ends a process whose timeout has passed. It runs on a timer that the
// process's end stops.
func (s *supervisor) expire(p *process) {
	_ = s.killProcesses(context.Background(), []*process{p}, defaultSignal, abi.DefaultGrace)
}
