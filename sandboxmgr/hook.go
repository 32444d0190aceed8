package sandboxmgr

import (
	"log/slog"
	"sync"

	"edge/abi"
)

// maxHooks is how many events wait for a hook that is slow. It takes one that
// hangs for long to lose any.
const maxHooks = 16 << 10

// Why a sandbox stopped, in events.
const (
	reasonStop    = "stop"
	reasonSleep   = "sleep"
	reasonDestroy = "destroy"
)

// hooks are the events that Config.Hook was not told of yet.
type hooks struct {
	tell func(abi.SandboxEvent)
	log  *slog.Logger
	news chan struct{}

	mu    sync.Mutex
	queue []abi.SandboxEvent
	lost  int
}

func newHooks(c *Config) *hooks {
	return &hooks{tell: c.Hook, log: c.Log, news: make(chan struct{}, 1)}
}

// add has the hook told of e. It never blocks.
func (h *hooks) add(e abi.SandboxEvent) {
	if h.tell == nil {
		return
	}
	h.mu.Lock()
	if len(h.queue) < maxHooks {
		h.queue = append(h.queue, e)
	} else {
		h.lost++
	}
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// take returns what is to be told, and how much was lost before it.
func (h *hooks) take() (queue []abi.SandboxEvent, lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	queue, lost = h.queue, h.lost
	h.queue, h.lost = nil, 0
	return queue, lost
}

// deliver tells the hook until the manager is closed.
func (m *Manager) deliver() {
	for {
		m.hooks.drain()
		select {
		case <-m.hooks.news:
		case <-m.ctx.Done():
			return
		}
	}
}

// drain tells the hook all that it was not told of. One goroutine calls it.
func (h *hooks) drain() {
	for {
		queue, lost := h.take()
		for _, e := range queue {
			h.tell(e)
		}
		if lost > 0 {
			h.log.Error("events of sandboxes were not told to plugins, which take too long", "events", lost)
		}
		if len(queue) == 0 {
			return
		}
	}
}

// hook tells the hook what happened to the sandbox.
func (u *unit) hook(e abi.SandboxEvent) {
	e.Binding, e.ID = u.key.binding, u.key.id
	u.m.hooks.add(e)
}

// hookError tells it that the sandbox failed.
func (u *unit) hookError(generation int64, err error) {
	own := *abi.AsError(err)
	u.hook(abi.SandboxEvent{Type: abi.SandboxFailed, Generation: generation, Error: &own})
}
