package host

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// builder is what a plan's steps ask of a sandbox. The operations' own methods are
// it.
type builder interface {
	WriteFile(ctx context.Context, req *abi.WriteFileRequest) (*abi.WriteFileResponse, error)
	GetProcess(ctx context.Context, req *abi.ProcessRequest) (*abi.Process, error)
	StartProcess(ctx context.Context, req *abi.StartProcessRequest) (*abi.Process, error)
	WaitForPort(ctx context.Context, req *abi.WaitForPortRequest) (*abi.WaitForPortResponse, error)
}

var _ builder = (*sandboxmgr.Sandbox)(nil)

// plans are the runs of plans' steps that are under way.
type plans struct {
	mu   sync.Mutex // guards runs and each run's waiting
	runs map[planKey]*planRun
}

// planKey names what is done where: those who ask for the same share a run.
type planKey struct {
	binding, id string
	steps       [sha256.Size]byte
}

// planKeyOf makes the key of a plan. What becomes of the request afterwards, and how
// long somebody waits, is no part of it.
func planKeyOf(ref abi.SandboxRef, d *abi.Plan) planKey {
	steps := abi.Plan{Sandbox: d.Sandbox, Files: d.Files, Process: d.Process, Ready: d.Ready, Port: d.Port}
	text, err := json.Marshal(&steps)
	if err != nil { // a decider's own types alone cannot be written
		text = []byte(err.Error())
	}
	return planKey{ref.Binding, ref.ID, sha256.Sum256(text)}
}

// planRun is one run of a plan's steps, for all who wait for it. When the last of
// them goes away, it ends; what it began in the sandbox goes on.
type planRun struct {
	key     planKey
	plan    *abi.Plan
	end     time.Time // when the patience of whoever began it ends
	cancel  context.CancelFunc
	waiting int
	step    atomic.Pointer[string]

	done chan struct{} // closed when what follows is set
	err  error
	// started tells that the process was started, and did not run before.
	started bool
}

// startSteps returns the run of that key, which is begun unless there is one. The
// caller waits for it and then leaves it.
func (s *Server) startSteps(key planKey, box sandbox, b builder, d *abi.Plan, limit time.Duration) *planRun {
	p := &s.plans
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.runs[key]; r != nil {
		r.waiting++
		return r
	}
	r := &planRun{key: key, plan: d, end: time.Now().Add(limit), waiting: 1, done: make(chan struct{})}
	var ctx context.Context
	ctx, r.cancel = context.WithDeadline(s.base, r.end)
	r.at("its sandbox is started")
	if p.runs == nil {
		p.runs = map[planKey]*planRun{}
	}
	p.runs[key] = r
	s.crew.all.Add(1)
	go s.runSteps(ctx, r, box, b)
	return r
}

// leave is the end of somebody's wait for a run.
func (p *plans) leave(r *planRun) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.waiting--; r.waiting == 0 {
		p.forget(r)
		r.cancel()
	}
}

// forget has the next one who asks begin another run. p.mu is held.
func (p *plans) forget(r *planRun) {
	if p.runs[r.key] == r {
		delete(p.runs, r.key)
	}
}

// runSteps is a run's goroutine; the crew joins it. The log is told of its failure
// once, however many waited.
func (s *Server) runSteps(ctx context.Context, r *planRun, box sandbox, b builder) {
	defer s.crew.all.Done()
	defer r.cancel()
	defer close(r.done)
	err := r.carryOut(ctx, box, b)
	s.plans.mu.Lock()
	waiting := r.waiting
	s.plans.forget(r)
	s.plans.mu.Unlock()
	if r.err = err; err != nil && waiting > 0 {
		e := abi.AsError(err)
		s.Log.Warn("plan failed", "binding", r.key.binding, "sandbox", r.key.id, "while", r.doing(), "waiting", waiting,
			"error", err, "details", string(e.Details), "suggestion", e.Suggestion)
	}
}

// at notes which step is under way; doing tells it, in words that fit behind
// "while".
func (r *planRun) at(step string) { r.step.Store(&step) }

func (r *planRun) doing() string { return *r.step.Load() }

// outOfTime tells whether the run failed for want of time and of nothing else.
func (r *planRun) outOfTime() bool {
	return errors.Is(r.err, context.DeadlineExceeded) || errors.Is(r.err, abi.CodeTimeout.Err()) || errors.Is(r.err, abi.CodeProcessReadyTimeout.Err())
}

// carryOut takes the steps, each when the one before is done. The sandbox is kept
// awake meanwhile. A panic is an error like others: it ends this run alone.
func (r *planRun) carryOut(ctx context.Context, box sandbox, b builder) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	_, letSleep, err := box.Wake(ctx, holdFor(max(time.Until(r.end), time.Millisecond)), true)
	defer letSleep()
	if err != nil {
		return err
	}
	if r.plan.Process != nil {
		if err := r.ensureProcess(ctx, b); err != nil {
			return err
		}
	}
	return r.awaitReady(ctx, b)
}

// ensureProcess starts the process, after the files were written, unless it runs.
func (r *planRun) ensureProcess(ctx context.Context, b builder) error {
	p := r.plan.Process
	r.at("its process " + strconv.Quote(p.ProcessID) + " is looked for")
	switch now, err := b.GetProcess(ctx, &abi.ProcessRequest{ProcessID: p.ProcessID}); {
	case err == nil && (now.Status == abi.StatusStarting || now.Status == abi.StatusRunning):
		return nil
	case err != nil && !errors.Is(err, abi.CodeProcessNotFound.Err()):
		return err
	}
	for _, f := range r.plan.Files {
		r.at("its file " + strconv.Quote(f.Path) + " is written")
		if _, err := b.WriteFile(ctx, &abi.WriteFileRequest{Path: f.Path, Content: f.Content, Encoding: f.Encoding, Mode: f.Mode}); err != nil {
			return err
		}
	}
	r.at("its process " + strconv.Quote(p.ProcessID) + " is started")
	r.started = true
	_, err := b.StartProcess(ctx, &abi.StartProcessRequest{
		ProcessID: p.ProcessID, Command: p.Command, Argv: p.Argv, Cwd: p.Cwd, Env: p.Env, IfRunning: abi.IfRunningReuse,
	})
	return err
}

// awaitReady waits for the port, and for no longer than the process lives.
func (r *planRun) awaitReady(ctx context.Context, b builder) error {
	ready := r.plan.Ready
	if ready == nil {
		return nil
	}
	r.at("port " + strconv.Itoa(r.plan.Port) + " is waited for")
	req := &abi.WaitForPortRequest{
		Port: r.plan.Port, Mode: ready.Mode, Path: ready.Path, Status: ready.Status, Interval: ready.Interval,
		Timeout: abi.Duration(max(time.Until(r.end), time.Millisecond)),
	}
	if r.plan.Process != nil {
		req.ProcessID = r.plan.Process.ProcessID
	}
	_, err := b.WaitForPort(ctx, req)
	return err
}
