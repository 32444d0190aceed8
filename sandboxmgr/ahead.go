package sandboxmgr

import (
	"context"
	"net"
	"strconv"

	"edge/abi"
)

// Labeller is a Machine that can tell which start of it runs. It is optional: what
// an earlier edge left of a machine that cannot is used once its init has been met.
type Labeller interface {
	// Labels returns what MachineSpec.Labels were at the start of what runs, of
	// which it is certain that nobody has started it anew since.
	Labels() (map[string]string, error)
}

// goesOn tells whether an adopted machine is certainly the generation that is
// recorded, so that connections may be made to it before its init has shown that.
func (g *generation) goesOn(r *record) bool {
	l, ok := g.machine.(Labeller)
	if !ok || r.State != abi.StateRunning {
		return false
	}
	labels, err := l.Labels()
	return err == nil && labels[labelGeneration] == strconv.FormatInt(g.number, 10)
}

// goAhead lets connections be made to g, which the step s is adopting.
func (u *unit) goAhead(s *step, g *generation) {
	u.mu.Lock()
	u.ahead = g
	u.mu.Unlock()
	close(s.found)
}

// meetings is how many inits are met at the same time of which nobody wants anything
// yet. After a restart of the edge there is enough to do for those who connect: each
// init takes milliseconds of processor time.
const meetings = 4

// takeTime waits until there is time to meet the init of the generation ahead: when
// a place is free, or when somebody waits for it, or the generation ends. The caller
// calls done.
func (u *unit) takeTime(ctx context.Context, s *step, g *generation) (done func()) {
	select {
	case u.m.meetings <- struct{}{}:
		return func() { <-u.m.meetings }
	case <-s.hurried:
	case <-g.exited:
	case <-ctx.Done():
	}
	return func() {}
}

// connectable is running for those who only connect: of a sandbox that is being
// adopted they need not wait for the init, which may be slow to notice the edge.
func (u *unit) connectable(ctx context.Context, opts *abi.SandboxOptions) (g *generation, started bool, err error) {
	if s, _ := u.settling(); s != nil {
		select {
		case <-s.found:
			if g := u.found(opts); g != nil {
				return g, false, nil
			}
		case <-s.done:
		case <-ctx.Done():
		}
	}
	return u.running(ctx, opts)
}

// found returns the generation ahead, unless it has ended or opts want something
// recorded first.
func (u *unit) found(opts *abi.SandboxOptions) *generation {
	u.mu.Lock()
	defer u.mu.Unlock()
	if g := u.ahead; g != nil && g.alive() && !u.record.learns(opts) {
		return g
	}
	return nil
}

// dialAhead connects to a port of the generation ahead, if it has that number. nil
// when there is none, or the try failed: then it waits until the generation has been
// taken up, because its init is another way, and knows why a port is refused.
func (u *unit) dialAhead(ctx context.Context, number int64, port int) net.Conn {
	u.mu.Lock()
	g := u.ahead
	u.mu.Unlock()
	if g == nil || g.number != number {
		return nil
	}
	conn, err := g.machine.Dial(ctx, port)
	if err == nil {
		return conn
	}
	_ = u.settled(ctx) // whoever asks for the generation next learns what came of it
	return nil
}
