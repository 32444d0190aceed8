package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"edge/abi"
)

// maxWaiting bounds the events that wait for one plugin.
const maxWaiting = 4096

// hooks is what a plugin is told of sandboxes: the events that wait, and the one
// goroutine that tells them, which lives while there are any.
type hooks struct {
	mu      sync.Mutex
	waiting []abi.SandboxEvent
	lost    int // events that found no room since the last one told
	telling bool
}

// Notify tells every plugin that has a hook, and was granted the sandbox, what
// happened to it. It does not wait: each plugin is told one event after the other,
// in this order, by the generation that serves then. A plugin that fails at one is
// told the next all the same; the log has why. Events beyond maxWaiting are lost,
// and the log counts them.
func (r *Registry) Notify(ev abi.SandboxEvent) {
	for _, p := range r.all() {
		p.notify(ev)
	}
}

func (p *Plugin) notify(ev abi.SandboxEvent) {
	g := p.current.Load()
	if g == nil || !g.hears() || g.spec.Grants.Sandbox(ev.Binding, ev.ID) != nil {
		return
	}
	h := &p.hooks
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) >= maxWaiting {
		h.lost++
		return
	}
	h.waiting = append(h.waiting, ev)
	if !h.telling && p.reg.spawn(p.tellAll) {
		h.telling = true
	}
}

// spawn runs f in a goroutine that Close waits for; false after Close.
func (r *Registry) spawn(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.tasks.Go(f)
	return true
}

// tellAll is the goroutine that tells a plugin what waits, until nothing does.
func (p *Plugin) tellAll() {
	for {
		ev, ok := p.nextEvent()
		if !ok {
			return
		}
		if err := p.tell(ev); err != nil {
			p.reg.log.Warn("plugin's hook failed", "plugin", p.name, "event", ev.Type, "sandbox", ev.Binding+"/"+ev.ID, "err", err)
		}
	}
}

// nextEvent takes the event that waited longest. False ends the goroutine: none
// waits, or the registry is closed.
func (p *Plugin) nextEvent() (abi.SandboxEvent, bool) {
	h := &p.hooks
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost > 0 {
		p.reg.log.Error("a plugin's hooks are too slow: events were lost", "plugin", p.name, "lost", h.lost)
		h.lost = 0
	}
	if len(h.waiting) == 0 || p.current.Load() == nil {
		h.waiting, h.telling = nil, false
		return abi.SandboxEvent{}, false
	}
	ev := h.waiting[0]
	h.waiting = h.waiting[1:]
	return ev, true
}

// tell enters the plugin for one event, bounded by its deadline.
func (p *Plugin) tell(ev abi.SandboxEvent) error {
	text, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	for {
		g := p.acquire()
		if g == nil {
			return nil
		}
		if !g.hears() || g.spec.Grants.Sandbox(ev.Binding, ev.ID) != nil { // grants may have changed
			g.release()
			return nil
		}
		if err := g.hear(text); !errors.Is(err, errGivenUp) {
			return err
		}
	}
}

// hear has an instance of the generation hear an event, and gives the caller's
// reference back. The error is errGivenUp as decide's.
func (g *generation) hear(event []byte) error {
	ctx := context.Background() // the exchange's deadline and the generation's end bound it
	now := time.Now()
	x := newExchange(ctx, g, new(abi.Request), now, now.Add(g.spec.Deadline))
	x.event = event
	_, err := x.run(ctx)
	return err
}

// hears tells whether the generation's module wants events.
func (g *generation) hears() bool { return g.shape.hook && !g.deaf.Load() }

// tell enters edge_event. The event is over when it returns and, in an
// asynchronous module, the calls that it started are complete.
func (in *instance) tell(x *exchange, now time.Time) (pending bool, err error) {
	answer, err := in.enter(x, in.hook, now, x.end())
	switch errno := abi.Errno(uint32(answer)); {
	case err != nil:
		return false, err
	case errno == abi.Unsupported:
		in.gen.deaf.Store(true)
	case errno != abi.OK:
		x.decided = outcome{err: fmt.Errorf("edge_event answered %d (%s)", answer, errno)}
	default:
		return len(x.calls) > 0, nil
	}
	return false, nil
}

// eventRead: (event, ptr, cap). See SPEC.md, section 3.
func eventRead(in *instance, a []uint64) uint64 {
	out := in.bytes(a[1], a[2])
	x := in.find(a[0])
	switch {
	case x == nil:
		return answer(abi.Closed)
	case x.event == nil:
		return x.refuse(abi.CodeInvalidRequest, "the handle is a request's, and no event's")
	}
	return x.reply(out, x.event)
}
