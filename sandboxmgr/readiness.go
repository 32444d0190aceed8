package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"edge/abi"
)

const (
	// defaultInterval is the longest pause between two tries.
	defaultInterval = 100 * time.Millisecond
	maxInterval     = time.Minute
	// tailLines and tailBytes bound the standard error that an error quotes.
	tailLines = 20
	tailBytes = 4 << 10
	// lastWords is how long before its caller's deadline a wait ends.
	lastWords = time.Second
)

// The kernel tells nobody that a port is listened on, so it is tried. The first
// pauses are short, and none is longer than a part of what the wait has taken so
// far: a server is noticed late by no more than that part of its own start.
const (
	firstPause = 500 * time.Microsecond
	pausePart  = 8
)

// nextPause is the pause after a try, elapsed since the wait began.
func nextPause(elapsed, interval time.Duration) time.Duration {
	return min(max(elapsed/pausePart, firstPause), interval)
}

// Causes of the end of a wait.
var (
	errReadyTimeout  = errors.New("not ready in time")
	errProcessExited = errors.New("the process exited")
)

// portWait is a checked WaitForPortRequest.
type portWait struct {
	port     int
	process  string       // empty: none
	http     *httpRequest // nil: tcp
	timeout  time.Duration
	interval time.Duration
}

// patience returns how long a wait for timeout may last when ctx has a deadline:
// it ends a little before that, so that the caller learns what was missing while
// it can still tell somebody.
func patience(ctx context.Context, timeout time.Duration) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return timeout
	}
	left := time.Until(deadline)
	return min(timeout, max(time.Millisecond, (left-min(lastWords, left/10)).Truncate(time.Millisecond)))
}

// WaitForPort waits until a port can be reached by the path that traffic takes.
// The timeout counts from when the sandbox runs; ctx's deadline shortens it.
func (s *Sandbox) WaitForPort(ctx context.Context, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error) {
	op := abi.WaitForPort.Name()
	w, err := s.m.checkWaitForPort(req)
	if err != nil {
		return nil, s.fail(op, err)
	}
	resp := &abi.WaitForPortResponse{Port: req.Port}
	opts, absent := &s.ref.SandboxOptions, (func() error)(nil)
	if req.ProcessID != "" {
		opts, absent = nil, errNoProcess(req.ProcessID)
	}
	err = s.useWith(ctx, op, opts, absent, func(g *generation) error {
		elapsed, err := g.waitForPort(ctx, w)
		resp.Elapsed = abi.Duration(elapsed)
		return err
	})
	if err != nil {
		return nil, s.fail(op, err)
	}
	return resp, nil
}

func (m *Manager) checkWaitForPort(req *abi.WaitForPortRequest) (*portWait, error) {
	w := &portWait{
		port: req.Port, process: req.ProcessID,
		timeout: req.Timeout.Or(abi.DefaultWaitTimeout), interval: req.Interval.Or(defaultInterval),
	}
	err := firstError(m.checkPort(req.Port), checkSpan("timeout", w.timeout, maxWait), checkSpan("interval", w.interval, maxInterval),
		checkOneOf("mode", req.Mode, "tcp", "http"))
	if err == nil && req.ProcessID != "" {
		err = abi.CheckProcessID(req.ProcessID)
	}
	if err != nil {
		return nil, err
	}
	asked := req.Path != "" || req.Status != nil
	if req.Mode == "tcp" && asked {
		return nil, invalid("mode is tcp, which has neither path nor status; leave mode out")
	}
	if req.Mode == "http" || asked {
		w.http, err = newHTTPRequest(req.Port, req.Path, req.Status)
	}
	return w, err
}

// waitForPort tries until the port answers, the process exits, the generation
// ends, or time is up.
func (g *generation) waitForPort(ctx context.Context, w *portWait) (time.Duration, error) {
	began := time.Now()
	bound, unbind := g.bind(ctx)
	defer unbind()
	timeout := patience(ctx, w.timeout)
	limited, cancel := context.WithTimeoutCause(bound, timeout, errReadyTimeout)
	defer cancel()
	probing, stop := context.WithCancelCause(limited)
	defer stop(nil)
	exit, err := g.alreadyExited(ctx, w)
	if err != nil {
		return 0, err
	}
	if exit != nil {
		return 0, g.exitedBeforeReady(ctx, w, exit)
	}
	exit = new(abi.ExitStatus)
	joined := make(chan struct{})
	close(joined)
	defer func() { stop(nil); <-joined }()
	var last outcome
	for try := 0; ; try++ {
		o := g.probe(probing, w)
		if o.ready {
			return time.Since(began), nil
		}
		if probing.Err() == nil || last == (outcome{}) {
			last = o // one that was cut short says nothing
		}
		if try == 0 && w.process != "" { // a server that is up costs no watch
			joined = make(chan struct{})
			go g.awaitProcess(probing, w.process, exit, stop, joined)
		}
		if sleep(probing, nextPause(time.Since(began), w.interval)) == nil {
			continue
		}
		switch cause := context.Cause(probing); {
		case errors.Is(cause, errProcessExited):
			return 0, g.exitedBeforeReady(ctx, w, exit)
		case errors.Is(cause, errReadyTimeout):
			return 0, g.readyTimeout(ctx, w, timeout, last)
		case ctx.Err() != nil:
			return 0, ctx.Err()
		default:
			return 0, g.endedBeforeReady(w)
		}
	}
}

// alreadyExited returns how the wait's process ended, or nil if it runs or the
// wait names none. PROCESS_NOT_FOUND if there is no such process.
func (g *generation) alreadyExited(ctx context.Context, w *portWait) (*abi.ExitStatus, error) {
	if w.process == "" {
		return nil, nil
	}
	var p abi.Process
	err := g.call(ctx, abi.GetProcess.Name(), min(quickTimeout, w.timeout), &abi.ProcessRequest{ProcessID: w.process}, &p)
	if err != nil || p.Status == abi.StatusRunning || p.Status == abi.StatusStarting {
		return nil, err
	}
	exit := &abi.ExitStatus{Signal: p.Signal}
	if p.ExitCode != nil {
		exit.ExitCode = *p.ExitCode
	}
	return exit, nil
}

// awaitProcess ends the wait with errProcessExited, after setting exit, when the
// process exits. An init that cannot say it leaves the wait to its timeout.
func (g *generation) awaitProcess(ctx context.Context, id string, exit *abi.ExitStatus, stop context.CancelCauseFunc, joined chan<- struct{}) {
	defer close(joined)
	// Without the wait's deadline, and cancelled with it: a call that only
	// stands by breaks no rule when it is not answered in time.
	standby, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	err := g.call(standby, abi.WaitForExit.Name(), 0, &abi.WaitForExitRequest{ProcessID: id}, exit)
	if err == nil {
		stop(errProcessExited)
	} else if ctx.Err() == nil {
		g.log.Debug("cannot watch the process of a wait", "process", id, "error", err)
	}
}

// endedBeforeReady tells that the whole sandbox ended during the wait.
func (g *generation) endedBeforeReady(w *portWait) error {
	e := g.exitedError("sandbox %s ended before port %d was ready", g.key, w.port)
	if w.process != "" {
		e.Code, e.Retryable = abi.CodeProcessExitedBeforeReady, abi.CodeProcessExitedBeforeReady.Retryable()
	}
	return e.WithStarted(abi.StartedYes)
}

func (g *generation) exitedBeforeReady(ctx context.Context, w *portWait, exit *abi.ExitStatus) error {
	how := fmt.Sprintf("exit code %d", exit.ExitCode)
	if exit.Signal != "" {
		how = exit.Signal
	}
	return abi.Errorf(abi.CodeProcessExitedBeforeReady, "process %q exited (%s) before port %d was ready", w.process, how, w.port).
		WithStarted(abi.StartedYes).
		WithDetails(abi.NotReady{ExitCode: &exit.ExitCode, Signal: exit.Signal, StderrTail: g.stderrTail(ctx, w.process)}).
		WithSuggestion("read what it printed with getLogs")
}

func (g *generation) readyTimeout(ctx context.Context, w *portWait, timeout time.Duration, last outcome) error {
	n := abi.NotReady{Diagnosis: last.diagnosis()}
	if last.refused {
		n.Diagnosis = g.diagnoseRefusal(ctx)
	}
	if w.process != "" {
		n.StderrTail = g.stderrTail(ctx, w.process)
	}
	return abi.Errorf(abi.CodeProcessReadyTimeout, "port %d of sandbox %s was not ready within %s: %s", w.port, g.key, timeout, n.Diagnosis).
		WithStarted(abi.StartedYes).WithDetails(n)
}

// stderrTail returns the end of what a process printed as errors, or nothing.
func (g *generation) stderrTail(ctx context.Context, process string) string {
	var logs abi.LogsResponse
	err := g.call(ctx, abi.GetLogs.Name(), diagnoseTimeout, &abi.LogsRequest{ProcessID: process, Tail: tailLines}, &logs)
	if err != nil {
		return ""
	}
	tail := logs.Stderr
	if len(tail) > tailBytes {
		tail = strings.ToValidUTF8(tail[len(tail)-tailBytes:], "")
	}
	return tail
}
