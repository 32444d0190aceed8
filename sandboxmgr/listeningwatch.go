package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// openPorts is what is known of the ports that a generation listens on.
type openPorts struct {
	mu sync.Mutex
	// known is set once the init has told them all, and for as long as it tells of
	// changes.
	known bool
	// listeners has them by port; no more than initproto.MaxListeners together.
	listeners map[int][]initproto.Listener
	count     int
}

// snapshot returns what listens, by port. It says whether that is all.
func (o *openPorts) snapshot() (ls []initproto.Listener, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, at := range o.listeners {
		ls = append(ls, at...)
	}
	sortListeners(ls)
	return ls, o.known
}

// listensOn tells whether something listens on a port, and whether that is known.
func (o *openPorts) listensOn(port int) (listening, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.listeners[port]) > 0, o.known
}

// restart forgets what is known, for a watch that begins by telling all, and returns
// it. Until then nothing is known.
func (o *openPorts) restart() (before map[int][]initproto.Listener) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before = o.listeners
	o.known, o.listeners, o.count = false, map[int][]initproto.Listener{}, 0
	return before
}

// doubt says that nobody tells of changes any more.
func (o *openPorts) doubt() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known = false
}

// apply takes over a checked message, and returns one listener of each port on which
// something listens now and did not before, or the reverse.
func (o *openPorts) apply(e initproto.PortsEvent) (closed, opened []initproto.Listener, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := map[int]bool{} // of the ports in the message
	for _, l := range slices.Concat(e.Closed, e.Opened) {
		before[l.Port] = len(o.listeners[l.Port]) > 0
	}
	for _, l := range e.Closed {
		o.remove(l)
	}
	for _, l := range e.Opened {
		o.remove(l)
		if o.count == initproto.MaxListeners {
			return nil, nil, fmt.Errorf("listening ports: %w", errTooMany)
		}
		o.listeners[l.Port] = append(o.listeners[l.Port], l)
		o.count++
	}
	o.known = o.known || e.Synced
	for _, l := range e.Closed {
		if before[l.Port] && len(o.listeners[l.Port]) == 0 {
			before[l.Port] = false
			closed = append(closed, l)
		}
	}
	for _, l := range e.Opened {
		if !before[l.Port] && len(o.listeners[l.Port]) > 0 {
			before[l.Port] = true
			opened = append(opened, l)
		}
	}
	return closed, opened, nil
}

// remove forgets the listener of the same port and address; o.mu is held.
func (o *openPorts) remove(l initproto.Listener) {
	at := o.listeners[l.Port]
	for i := range at {
		if at[i].Address == l.Address {
			at = slices.Concat(at[:i], at[i+1:])
			o.count--
			break
		}
	}
	if len(at) == 0 {
		delete(o.listeners, l.Port)
	} else {
		o.listeners[l.Port] = at
	}
}

// since returns one listener of each port on which something listens now and did not
// before, or the reverse.
func (o *openPorts) since(before map[int][]initproto.Listener) (closed, opened []initproto.Listener) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for port, at := range before {
		if len(o.listeners[port]) == 0 {
			closed = append(closed, at[0])
		}
	}
	for port, at := range o.listeners {
		if len(before[port]) == 0 {
			opened = append(opened, at[0])
		}
	}
	sortListeners(closed)
	sortListeners(opened)
	return closed, opened
}

// Pauses of a watch: between two tries to begin it, and between two messages of an
// init that has more to tell than anything that happens.
const (
	firstPortsPause = time.Second
	lastPortsPause  = time.Minute
	// portsBurst is how many messages are read at once, all that an honest init has
	// to tell at first; each further one waits for portsPause.
	portsBurst = 2 * initproto.MaxListeners / initproto.MaxPortChanges
	portsPause = 500 * time.Millisecond
	// closeNormal ends a watch that nobody needs any more.
	closeNormal = 1000
)

// watchPorts keeps what is known of the open ports, and makes events of what changes,
// until the generation ends. It keeps the sandbox from nothing: no operation is under
// way. An init that cannot tell leaves everything unknown.
func (u *unit) watchPorts(g *generation) {
	w := &portsWatch{unit: u, generation: g, tell: !g.adopted}
	for pause := firstPortsPause; ; {
		u.mu.Lock()
		frozen := u.frozen()
		u.mu.Unlock()
		if !frozen {
			err := w.run(g.ctx)
			if errors.Is(err, abi.CodeUnsupported.Err()) {
				return
			}
			if g.ctx.Err() == nil {
				g.log.Debug("what listens is not watched; trying again", "error", err)
			}
			if pause = min(2*pause, lastPortsPause); w.synced {
				pause = firstPortsPause
			}
		}
		if sleep(g.ctx, pause) != nil {
			return
		}
	}
}

// portsWatch makes events of what opens and closes in a generation.
type portsWatch struct {
	unit       *unit
	generation *generation
	// tell is set once those who hear events know what listens.
	tell   bool
	synced bool // of this stream: all was told
	left   int  // messages that are read without a pause
}

// beginTimeout bounds the beginning of a watch.
const beginTimeout = 10 * time.Second

// run follows one stream to its end. Its error is why it ended.
func (w *portsWatch) run(ctx context.Context) error {
	opening, cancel := context.WithTimeout(ctx, beginTimeout)
	sock, err := w.generation.open(opening, initproto.OpWatchPorts, &abi.Empty{})
	cancel()
	w.synced = false
	if err != nil {
		return err
	}
	defer sock.Close(closeNormal, "")
	ports := &w.generation.ports
	before := ports.restart()
	defer ports.doubt()
	for w.left = portsBurst; ; {
		e, err := w.next(ctx, sock)
		if err != nil {
			return err
		}
		closed, opened, err := ports.apply(e)
		switch {
		case err != nil:
			return err
		case w.synced:
			w.announce(closed, opened)
		case e.Synced:
			w.synced = true
			if w.tell {
				w.announce(ports.since(before))
			}
			w.tell = true
		}
	}
}

// next returns the next message, checked.
func (w *portsWatch) next(ctx context.Context, sock abi.Socket) (e initproto.PortsEvent, err error) {
	if w.left--; w.left < 0 {
		if err := sleep(ctx, portsPause); err != nil {
			return e, err
		}
	}
	_, text, err := sock.Receive(ctx)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("what opened and closed: %w", err)
	}
	return e, checkPortsEvent(e)
}

// announce makes events of ports.
func (w *portsWatch) announce(closed, opened []initproto.Listener) {
	for _, l := range closed {
		w.unit.m.emit(w.unit.key, EventPortClosed, w.generation.number, portText(l))
	}
	for _, l := range opened {
		w.unit.m.emit(w.unit.key, EventPortOpened, w.generation.number, portText(l))
	}
}

// portText is what an event says of a port: "8080 by process web".
func portText(l initproto.Listener) string {
	text := strconv.Itoa(l.Port)
	if l.ProcessID != "" {
		text += " by process " + l.ProcessID
	}
	return text
}
