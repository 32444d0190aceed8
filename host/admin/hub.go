package admin

import (
	"context"
	"sync"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// maxQueued is how many events wait for one subscriber.
const maxQueued = 256

// eventDropped says that events are missing.
const eventDropped = "dropped"

// Event is what GET /v1/events tells of a sandbox.
type Event struct {
	Type       string       `json:"type" doc:"What happened; \"dropped\" when events were lost because this reader was too slow."`
	Binding    string       `json:"binding,omitempty"`
	ID         string       `json:"id,omitempty"`
	Generation int64        `json:"generation,omitempty" doc:"The run of the sandbox that it happened to."`
	Text       string       `json:"text,omitempty" doc:"What more there is to say: a process, a URL, a reason."`
	Duration   abi.Duration `json:"duration,omitempty" doc:"How long a start took."`
	At         time.Time    `json:"at"`
	Dropped    int64        `json:"dropped,omitempty" doc:"How many events are missing here, of dropped."`
}

// Events hands what happens to sandboxes to whoever listens. The zero value
// works. Its methods may be called at the same time.
type Events struct {
	mu          sync.Mutex
	subscribers map[*subscription]struct{}
}

// Publish hands an event on, and never waits: a subscriber that is 256 events
// behind misses this one, and is told. It is meant for sandboxmgr.Config.Observe.
func (e *Events) Publish(ev sandboxmgr.Event) {
	out := Event{
		Type: string(ev.Kind), Binding: ev.Ref.Binding, ID: ev.Ref.ID, Generation: ev.Generation,
		Text: ev.Text, Duration: abi.Duration(ev.Duration), At: time.Now(),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.subscribers {
		s.offer(out)
	}
}

// subscribe listens to events of a binding and id, "" being all of them. The
// caller calls cancel.
func (e *Events) subscribe(binding, id string) (s *subscription, cancel func()) {
	s = &subscription{binding: binding, id: id, wake: make(chan struct{}, 1)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.subscribers == nil {
		e.subscribers = map[*subscription]struct{}{}
	}
	e.subscribers[s] = struct{}{}
	return s, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.subscribers, s)
	}
}

// subscription is what one listener has not read yet.
type subscription struct {
	binding, id string
	wake        chan struct{} // holds one token when there may be something

	mu      sync.Mutex
	queue   []Event
	dropped int64
}

func (s *subscription) offer(ev Event) {
	if s.binding != "" && s.binding != ev.Binding || s.id != "" && s.id != ev.ID {
		return
	}
	s.mu.Lock()
	// Once events were dropped all are, until the gap could be told: order.
	if s.dropped > 0 || len(s.queue) == maxQueued {
		s.dropped++
	} else {
		s.queue = append(s.queue, ev)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next returns the next event, or ctx's error.
func (s *subscription) next(ctx context.Context) (Event, error) {
	for {
		if ev, ok := s.take(); ok {
			return ev, nil
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

func (s *subscription) take() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.queue) > 0:
		ev := s.queue[0]
		if s.queue = s.queue[1:]; len(s.queue) == 0 {
			s.queue = nil
		}
		return ev, true
	case s.dropped > 0:
		n := s.dropped
		s.dropped = 0
		return Event{Type: eventDropped, Dropped: n, At: time.Now()}, true
	}
	return Event{}, false
}
