package initd

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"edge/abi"
)

// exec runs a command to its end. The end of ctx, or of the request's own
// timeout, kills the command and everything it has started.
func (s *supervisor) exec(ctx context.Context, req *abi.ExecRequest) (answer, error) {
	if err := checkEncoding(req.Encoding); err != nil {
		return nil, err
	}
	keep := req.MaxOutput
	if keep == 0 {
		keep = abi.DefaultMaxOutput
	}
	if keep < 0 || keep > abi.MaxMaxOutput {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "maxOutput %d is not between 1 and %d", keep, abi.MaxMaxOutput)
	}
	cmd, err := s.prepare(request{req.Command, req.Argv, req.Cwd, req.Env}, surroundings{session: req.Session, user: req.User})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, req.Timeout.Or(abi.DefaultExecTimeout))
	defer cancel()

	e := execution{stdout: &capture{budget: s.output, max: keep}, stderr: &capture{budget: s.output, max: keep}}
	if err := e.run(ctx, s, cmd, req.Stdin); err != nil {
		return nil, err
	}
	resp := e.response(req.Encoding)
	switch {
	case !e.interrupted:
		return resp, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &detailed{errTimedOut(e.duration()), resp}
	}
	return nil, errCallerGone()
}

func errTimedOut(after time.Duration) error {
	return abi.Errorf(abi.CodeTimeout, "the command had not ended after %s and was killed", after.Round(time.Millisecond)).
		WithStarted(abi.StartedYes).WithSuggestion("raise timeout, or use startProcess for what is meant to go on")
}

func errCallerGone() error {
	return abi.Errorf(abi.CodeCanceled, "the caller went away and the command was killed").WithStarted(abi.StartedYes)
}

// execution is one run of exec.
type execution struct {
	child          *child
	stdout, stderr *capture
	interrupted    bool
	ended          time.Time
}

// run starts the command and returns when it has ended or was killed, with all
// that it printed captured.
func (e *execution) run(ctx context.Context, s *supervisor, cmd *command, stdin string) error {
	var in, feed *os.File
	if stdin != "" {
		var err error
		if in, feed, err = os.Pipe(); err != nil {
			return err
		}
		defer feed.Close()
	}
	c, pumps, err := s.launch(cmd, in, e.stdout, e.stderr)
	if in != nil {
		in.Close()
	}
	if err != nil {
		return err
	}
	e.child = c
	if feed != nil {
		s.wg.Add(1)
		go feedStdin(feed, stdin, &s.wg)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		select {
		case <-c.done: // both: it did end
		default:
			e.interrupted = true
			s.reaper.kill(ctx, []*child{c}, syscall.SIGKILL, 0)
		}
	}
	e.ended = time.Now()
	_ = settleAll(context.Background(), pumps) // captures never wait
	for _, p := range pumps {
		p.leave()
	}
	return nil
}

// feedStdin is feedAll for a command that nobody waits for.
func feedStdin(f *os.File, text string, wg *sync.WaitGroup) {
	defer wg.Done()
	feedAll(f, text)
}

func (e *execution) duration() time.Duration { return e.ended.Sub(e.child.started) }

// response is how the command ended and what it printed.
func (e *execution) response(encoding string) *outputAnswer {
	r := &abi.ExecResponse{Duration: abi.Duration(e.duration())}
	r.ExitCode, r.Signal = e.child.exitOrKilled()
	r.Success = r.ExitCode == 0 && !e.interrupted
	out, outCut := e.stdout.finish()
	errs, errCut := e.stderr.finish()
	r.Truncated = outCut || errCut
	return &outputAnswer{around: r, stdout: out, stderr: errs, encoding: encoding}
}

// capture keeps the first bytes of a stream, at most max, and fewer when all
// calls together keep too much.
type capture struct {
	budget *budget
	max    int

	mu     sync.Mutex // guards all below
	kept   output
	size   int // of kept
	taken  int
	cut    bool
	closed bool
}

// Write keeps what it may of p and takes the rest without keeping it.
func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.cut {
		return len(p), nil
	}
	kept := p[:min(len(p), c.max-c.size)]
	if beyond := c.size + len(kept) - max(outputFloor, c.size); beyond > 0 {
		if c.budget.take(beyond) {
			c.taken += beyond
		} else {
			kept = kept[:len(kept)-beyond]
		}
	}
	c.kept.add(kept)
	c.size += len(kept)
	c.cut = len(kept) < len(p)
	return len(p), nil
}

// finish returns what was kept and whether that is not all. What comes later is
// dropped. A character that was cut through is not kept.
func (c *capture) finish() (output, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.kept
	if c.cut {
		kept = kept.whole()
	}
	c.budget.give(c.taken)
	c.kept, c.taken, c.closed = nil, 0, true
	return kept, c.cut
}
