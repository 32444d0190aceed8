package host

import (
	"strings"
	"sync/atomic"
	"time"

	"edge/bridge"
)

// record is what the log line of a request will say, and what it holds until
// then.
type record struct {
	s     *Server
	start time.Time
	id    string

	remote     string // the client's "ip:port"
	method     string
	host, path string // without any token
	plugin     string
	place      place
	failure    string // the error code of the answer
	via        Via    // empty is ViaEdge
	breach     string // the rule that refused the request; the bridge's are its own
	webSocket  bool

	// letSleep, if set, is called at the end: until then the request keeps its
	// sandbox awake.
	letSleep func()
	// slot is the request's place in what the limits count.
	slot slot
}

// place is a port of a sandbox, and whether it was reached through an exposure.
type place struct {
	binding, id string
	port        int
	exposure    bool
}

// close gives back what the record holds, and writes the log line. It is called
// once.
func (r *record) close(sum bridge.Summary) {
	r.s.slots.give(&r.slot)
	if r.letSleep != nil {
		r.letSleep()
	}
	now := time.Now()
	if sum.Duration == 0 {
		sum.Duration = now.Sub(r.start)
	}
	if r.s.AccessLog != nil {
		r.s.AccessLog.request(now, r, &sum)
	}
	r.observe(sum)
	r.s.live.Add(-1)
	r.s.wakeShutdown()
}

// joined is what is left of the exchange of a WebSocket while a bridge carries it,
// perhaps for days: nothing of the request but its record.
type joined struct {
	record
	turns atomic.Int32    // the handler and the bridge have each had theirs
	sum   *bridge.Summary // of a bridge that had its turn first
}

// join returns the exchange's record in a form that is worth keeping, with nothing
// of the head's bytes but what the log line says. Both of its ends, let and finish,
// must come, and the exchange's own finish must not.
func (x *exchange) join() *joined {
	j := &joined{record: x.record}
	j.method, j.host, j.path = "GET", strings.Clone(x.host), strings.Clone(x.path) // a handshake's method
	return j
}

// let is the handler's turn, its last word on the WebSocket.
func (j *joined) let() {
	if j.turns.Add(1) == 2 {
		j.close(*j.sum)
	}
}

// finish is the bridge's turn. It may come before the handler has told that the
// WebSocket was opened; the end is told after that.
func (j *joined) finish(sum bridge.Summary) {
	if j.turns.CompareAndSwap(1, 2) {
		j.close(sum)
		return
	}
	kept := sum
	j.sum = &kept
	j.let()
}
