package initd

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// listeningPorts tells what listens now, and how who listened last has ended.
func (s *server) listeningPorts(_ context.Context, req *initproto.PortsRequest) (*initproto.PortList, error) {
	now, err := s.ports.look()
	if err != nil {
		return nil, err
	}
	list := &initproto.PortList{Ports: []int{}, Listeners: now}
	for _, l := range now {
		list.Ports = append(list.Ports, l.Port)
	}
	list.Ports = slices.Compact(list.Ports)
	if req.Ended != 0 {
		list.Ended = s.sup.portEnd(s.ports.lastOn(req.Ended))
	}
	return list, nil
}

// portEnd tells how a process ended, nil if it runs or nobody knows it any more.
func (s *supervisor) portEnd(id string) *initproto.PortEnd {
	p, err := s.table.get(id)
	if id == "" || err != nil || !p.over() || p.child == nil {
		return nil
	}
	return &initproto.PortEnd{Process: p.view(), Stderr: p.lastErrors()}
}

// lastErrors is the end of what a process printed as errors.
func (p *process) lastErrors() string {
	return strings.ToValidUTF8(string(p.stderr.tail(stderrTail)), "")
}

// watchPorts tells which ports are listened on, and what changes, until the edge
// hangs up.
func (s *server) watchPorts(ctx context.Context, _ *abi.Empty, st *stream) error {
	stirred, leave := s.sup.pace.join()
	defer leave()
	if err := st.Open(); err != nil {
		return err
	}
	told := &toldPorts{send: func(e initproto.PortsEvent) error { return st.Event(e) }, known: map[initproto.Listener]bool{}}
	for {
		now, err := s.ports.look()
		if err != nil {
			return err
		}
		looked, first := time.Now(), !told.synced
		changed, err := told.tell(now)
		if err != nil {
			return err
		}
		if changed && !first { // what a new edge is told at first is no news
			s.sup.pace.stir()
		}
		if err := s.sup.pace.await(ctx, stirred, looked, s.ports.dear()); err != nil {
			return err
		}
	}
}

// toldPorts is what one reader was told.
type toldPorts struct {
	send   func(initproto.PortsEvent) error
	known  map[initproto.Listener]bool
	synced bool
}

// tell tells the difference between what the reader knows and now, and whether there
// was one. Something that another process took over has closed and opened.
func (t *toldPorts) tell(now []initproto.Listener) (changed bool, err error) {
	var opened []initproto.Listener
	gone := maps.Clone(t.known)
	for _, l := range now {
		if !t.known[l] {
			opened = append(opened, l)
		}
		delete(gone, l)
	}
	closed := slices.SortedFunc(maps.Keys(gone), func(a, b initproto.Listener) int { return a.Port - b.Port })
	if len(closed)+len(opened) == 0 && t.synced {
		return false, nil
	}
	for {
		var e initproto.PortsEvent
		n := min(len(closed), initproto.MaxPortChanges)
		e.Closed, closed = closed[:n], closed[n:]
		m := min(len(opened), initproto.MaxPortChanges-n)
		e.Opened, opened = opened[:m], opened[m:]
		e.Synced = len(closed)+len(opened) == 0
		if err := t.send(e); err != nil {
			return false, err
		}
		if e.Synced {
			break
		}
	}
	t.synced = true
	for l := range gone {
		delete(t.known, l)
	}
	for _, l := range now {
		t.known[l] = true
	}
	return true, nil
}
