package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"edge/abi"
)

// warmName stands in the place of an id in the name of a machine that is not
// anybody's yet; a name follows. No id has a "." in it.
const warmName = "warm."

const warmNameLength = 16 // hex digits

// The pauses after a machine could not be started ahead.
const (
	firstWarmPause = time.Second
	lastWarmPause  = time.Minute
)

// warmLull is how long the computer is left to whoever has just taken a machine
// over, and waits for what it starts there, before the next one is made.
const warmLull = 50 * time.Millisecond

// drainTimeout bounds the removal of what nobody took when the manager closes.
const drainTimeout = 15 * time.Second

// warmPool starts machines of one binding before anybody asks for them. Their
// inits are up, and nothing else runs in them: what a binding starts by itself is
// a sandbox's own, and runs when one takes the machine over. nil is a pool of
// nothing.
type warmPool struct {
	m       *Manager
	binding string
	size    int
	news    chan struct{} // something was taken, or has ended
	ended   atomic.Bool   // one ended by itself: the next may too

	mu    sync.Mutex
	ready []*warmMachine // the oldest first
	taken time.Time      // when the last one was
	// mine has the names of the machines that are the pool's, from before they
	// are made until they are removed or recorded as a sandbox's, with their run
	// folders' names.
	mine map[string]string
}

// warmMachine is a machine that waits for a sandbox to take it over.
type warmMachine struct {
	name, runDir, token string

	machine Machine
	init    Init
	carried bool // see generation
	unwatch context.CancelFunc
	watched chan struct{} // closed when nobody waits for its end any more
}

// newWarmPools returns the pools of the bindings that have one. Nothing is started
// yet.
func (m *Manager) newWarmPools() map[string]*warmPool {
	pools := map[string]*warmPool{}
	for name, b := range m.config.Bindings {
		if b.Warm > 0 {
			pools[name] = &warmPool{m: m, binding: name, size: b.Warm, news: make(chan struct{}, 1), mine: map[string]string{}}
		}
	}
	return pools
}

// keepFull starts machines until there are as many as there should be, whenever
// one is missing, one after the other; when the manager is closed it removes what
// nobody took.
func (p *warmPool) keepFull() {
	pause := firstWarmPause
	for p.m.ctx.Err() == nil {
		if p.full() {
			select {
			case <-p.news:
			case <-p.m.ctx.Done():
			}
			continue
		}
		if p.ended.Swap(false) && sleep(p.m.ctx, firstWarmPause) != nil {
			continue
		}
		if lull := p.lull(); lull > 0 {
			_ = sleep(p.m.ctx, lull) // its end is looked at above
			continue
		}
		if err := p.add(p.m.ctx); err != nil {
			if p.m.ctx.Err() == nil {
				p.m.log.Warn("cannot start a sandbox ahead; it is tried again", "binding", p.binding, "in", pause, "error", err)
			}
			_ = sleep(p.m.ctx, pause)
			pause = min(2*pause, lastWarmPause)
			continue
		}
		pause = firstWarmPause
	}
	p.drain()
}

func (p *warmPool) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready) >= p.size
}

// lull is how long to wait before the next machine is made.
func (p *warmPool) lull() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.taken.Add(warmLull))
}

// add starts a machine and puts it into the pool.
func (p *warmPool) add(ctx context.Context) error {
	b := p.m.config.Bindings[p.binding]
	if err := p.m.health.gate(ctx, b.Runtime); err != nil {
		return err
	}
	image, err := p.m.image(ctx, p.binding)
	if err != nil {
		return err
	}
	w := &warmMachine{
		name:   machinePrefix(p.m.owner, p.binding) + warmName + randomHex(warmNameLength),
		runDir: randomHex(runNameLength), token: randomHex(tokenLength),
	}
	p.mu.Lock()
	p.mine[w.name] = w.runDir // before it exists: nobody takes it for a stray
	p.mu.Unlock()
	if err := p.start(ctx, w, image, b.Runtime); err != nil {
		p.dispose(w)
		return err
	}
	watching, unwatch := context.WithCancel(p.m.ctx)
	w.unwatch, w.watched = unwatch, make(chan struct{})
	p.mu.Lock()
	p.ready = append(p.ready, w)
	p.mu.Unlock()
	// Now that it can be withdrawn: it may have ended already.
	if !p.m.spawn(func() { p.watch(watching, w) }) {
		close(w.watched)
	}
	return nil
}

// start starts the machine and waits for its init.
func (p *warmPool) start(ctx context.Context, w *warmMachine, image string, rt Runtime) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if w.init, err = p.m.openInit(w.runDir, w.token, p.m.log.With("machine", w.name)); err != nil {
		return err
	}
	spec := p.m.machineSpec(p.binding, image, w.runDir, w.token, map[string]string{"edge.warm": "true"})
	spec.Name = w.name
	w.machine, err = rt.Start(ctx, spec)
	p.m.health.note(rt, err)
	if err != nil {
		return fmt.Errorf("%s runtime: %w", rt.Name(), err)
	}
	w.init.SetPeer(w.machine.PID())
	hello, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if _, err := w.init.Ready(hello); err != nil {
		return fmt.Errorf("hello of the init: %w", err)
	}
	w.carried = cannotDial(ctx, w.machine)
	p.rehearse(ctx, w)
	return nil
}

// rehearse runs a command that does nothing, so that what is slow the first time,
// for the init and for the file system below it, has been done when somebody waits.
func (p *warmPool) rehearse(ctx context.Context, w *warmMachine) {
	ctx, cancel := context.WithTimeout(ctx, quickTimeout)
	defer cancel()
	if err := w.init.Call(ctx, abi.Exec.Name(), &abi.ExecRequest{Argv: []string{"true"}}, nil); err != nil {
		p.m.log.Debug("a sandbox that was started ahead has run no command", "machine", w.name, "error", err) // its image may have none
	}
}

// watch removes a machine that ends before anybody took it.
func (p *warmPool) watch(ctx context.Context, w *warmMachine) {
	_, err := w.machine.Wait(ctx)
	for pause := firstWatchPause; err != nil && !errors.Is(err, ErrNoMachine) && ctx.Err() == nil; pause = min(2*pause, lastWatchPause) {
		_ = sleep(ctx, pause)
		_, err = w.machine.Wait(ctx)
	}
	close(w.watched)
	if ctx.Err() == nil && p.withdraw(w) {
		p.m.log.Warn("a sandbox that was started ahead has ended", "machine", w.name)
		p.dispose(w)
		p.ended.Store(true)
		p.nudge()
	}
}

// withdraw takes w out of the pool; false if somebody else did.
func (p *warmPool) withdraw(w *warmMachine) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range p.ready {
		if o == w {
			p.ready = append(p.ready[:i:i], p.ready[i+1:]...)
			return true
		}
	}
	return false
}

// take returns a machine, or nil if there is none. Whoever took it says with
// handedOver what became of it.
func (p *warmPool) take() *warmMachine {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	var w *warmMachine
	if len(p.ready) > 0 {
		w, p.ready, p.taken = p.ready[0], p.ready[1:], time.Now()
	}
	p.mu.Unlock()
	if w == nil {
		return nil
	}
	w.unwatch()
	<-w.watched
	p.nudge()
	return w
}

// handedOver says that the machine is recorded as a sandbox's, or, with an error,
// that it is not, and is to be removed.
func (p *warmPool) handedOver(w *warmMachine, err error) {
	if err != nil {
		p.dispose(w)
		return
	}
	p.mu.Lock()
	delete(p.mine, w.name)
	p.mu.Unlock()
}

// dispose removes a machine that is in nobody's hands. What cannot be removed now
// is a stray from then on.
func (p *warmPool) dispose(w *warmMachine) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.m.ctx), drainTimeout)
	defer cancel()
	if w.unwatch != nil {
		w.unwatch()
	}
	var errs []error
	if w.init != nil {
		errs = append(errs, w.init.Close())
	}
	if w.machine != nil {
		errs = append(errs, w.machine.Close())
	}
	rt := p.m.config.Bindings[p.binding].Runtime
	errs = append(errs, rt.Remove(ctx, w.name), os.RemoveAll(p.m.config.runDir(w.runDir)))
	if err := errors.Join(errs...); err != nil {
		p.m.log.Warn("cannot remove a sandbox that was started ahead", "machine", w.name, "error", err)
	}
	p.mu.Lock()
	delete(p.mine, w.name)
	p.mu.Unlock()
}

// drain removes what nobody took.
func (p *warmPool) drain() {
	p.mu.Lock()
	left := p.ready
	p.ready = nil
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, w := range left {
		wg.Go(func() { p.dispose(w) })
	}
	wg.Wait()
}

func (p *warmPool) nudge() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// owns tells whether the machine is the pool's.
func (p *warmPool) owns(machine string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.mine[machine]
	return ok
}

// folders adds the names of the pool's run folders.
func (p *warmPool) folders(known map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, dir := range p.mine {
		known[dir] = true
	}
}
