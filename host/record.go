package host

import (
	"strings"
	"sync/atomic"
	"time"

	"edge/abi"
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
	target     target
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

// close gives back what the record holds, and writes the log line. It is called
// once.
func (r *record) close(sum bridge.Summary) {
	r.s.slots.give(&r.slot)
	if r.letSleep != nil {
		r.letSleep()
	}
	if sum.Duration == 0 {
		sum.Duration = time.Since(r.start)
	}
	r.logAccess(sum)
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

// join returns the exchange's record in a form that is worth keeping: of a target
// and of the head's bytes no more than the log line says. Both of its ends, let and
// finish, must come, and the exchange's own finish must not.
func (x *exchange) join() *joined {
	j := &joined{record: x.record}
	t := &x.target
	j.target = target{ref: abi.SandboxRef{Binding: t.ref.Binding, ID: t.ref.ID}, port: t.port, exposure: t.exposure}
	j.method, j.host, j.path = strings.Clone(x.method), strings.Clone(x.host), strings.Clone(x.path)
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
