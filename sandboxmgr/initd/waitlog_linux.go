package initd

import (
	"context"
	"time"

	"edge/abi"
)

// quietAfter is how long an unfinished line must stand before it is tried.
const quietAfter = 100 * time.Millisecond

// waitForLog waits until a line of either stream matches. What is in the rings
// counts, stdout first.
func (s *supervisor) waitForLog(ctx context.Context, req *abi.WaitForLogRequest) (*abi.WaitForLogResponse, error) {
	find, err := compilePattern(req.Pattern, req.Regexp)
	if err != nil {
		return nil, err
	}
	p, err := s.find(ctx, req.ProcessID)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, req.Timeout.Or(abi.DefaultWaitTimeout))
	defer cancel()
	found := make(chan lineMatch, 1)
	out, errs := &matcher{find: find, found: found}, &matcher{find: find, found: found}
	p.stdout.attach(out)
	defer p.stdout.detach(out)
	p.stderr.attach(errs)
	defer p.stderr.detach(errs)

	m, err := watchMatchers(ctx, p, found, out, errs)
	if err != nil {
		return nil, err
	}
	return &abi.WaitForLogResponse{Line: m.line, Match: m.match, Elapsed: abi.Duration(time.Since(start))}, nil
}

// watchMatchers waits for a match, the process's end or ctx's.
func watchMatchers(ctx context.Context, p *process, found <-chan lineMatch, ms ...*matcher) (lineMatch, error) {
	tick := time.NewTicker(quietAfter)
	defer tick.Stop()
	for {
		select {
		case m := <-found:
			return m, nil
		default:
		}
		select {
		case m := <-found:
			return m, nil
		case <-tick.C:
			flushAll(ms, false)
		case <-p.ended:
			return lastChance(p, found, ms)
		case <-ctx.Done():
			return lastChance(p, found, ms)
		}
	}
}

// lastChance tries what has no newline yet, and says why nothing was found.
func lastChance(p *process, found <-chan lineMatch, ms []*matcher) (lineMatch, error) {
	over := p.over()
	flushAll(ms, true)
	select {
	case m := <-found:
		return m, nil
	default:
	}
	details := abi.NotReady{StderrTail: tailText(p.stderr)}
	if !over {
		return lineMatch{}, abi.Errorf(abi.CodeProcessReadyTimeout, "process %q printed no line that matches in time", p.id).
			WithStarted(abi.StartedYes).WithDetails(details)
	}
	code, sig := p.child.exit()
	details.ExitCode, details.Signal = &code, sig
	return lineMatch{}, abi.Errorf(abi.CodeProcessExitedBeforeReady, "process %q exited with code %d before it printed a line that matches", p.id, code).
		WithStarted(abi.StartedYes).WithDetails(details)
}

func flushAll(ms []*matcher, now bool) {
	for _, m := range ms {
		m.flush(now)
	}
}
