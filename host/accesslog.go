package host

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"edge/bridge"
)

// What the access log keeps back at most, in bytes and in time.
const (
	accessBuffer = 32 << 10
	accessDelay  = 100 * time.Millisecond
)

// AccessLog writes one line for each request, in the form of slog's own handlers.
// Lines are gathered and written together, 32 KiB of them or what came within
// 100 ms: a system call and a record for each cost more than all else that the gate
// does. A process that is killed, or crashes, loses what is gathered.
//
// Others may log to the same place through Write, so that all lines are in order.
type AccessLog struct {
	w    io.Writer
	json bool

	mu     sync.Mutex // held while writing, too: lines stay whole and in order
	buf    []byte     // whole lines
	armed  bool       // timer runs
	timer  *time.Timer
	closed bool // nothing is kept back any more
}

// NewAccessLog returns an access log on w, in JSON as slog.JSONHandler writes it
// or else in text as slog.TextHandler does. Its owner closes it; w stays open.
func NewAccessLog(w io.Writer, json bool) *AccessLog { return &AccessLog{w: w, json: json} }

// Write writes whole lines at once, behind those that were kept back.
func (a *AccessLog) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flush()
	return a.w.Write(p)
}

// Flush writes what is kept back. What cannot be written is lost.
func (a *AccessLog) Flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flush()
}

// Close flushes. Later lines are written one by one.
func (a *AccessLog) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
	a.flush()
}

// flush is Flush; mu is held.
func (a *AccessLog) flush() {
	if len(a.buf) == 0 {
		return
	}
	_, _ = a.w.Write(a.buf)
	a.buf = a.buf[:0]
}

// flushLate is the timer's.
func (a *AccessLog) flushLate() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = false
	a.flush()
}

// request adds the line of an exchange that ended at now. It holds no query, no
// header and no preview token.
func (a *AccessLog) request(now time.Time, r *record, sum *bridge.Summary) {
	failed := ""
	if sum.Err != nil {
		failed = sum.Err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l := line{b: a.buf, json: a.json}
	l.begin(now, "INFO", "request")
	r.describe(&l, sum)
	if sum.Err != nil {
		l.str("error", failed)
	}
	l.end()
	a.buf = l.b
	switch {
	case a.closed || len(a.buf) >= accessBuffer:
		a.flush()
	case a.armed:
	case a.timer == nil:
		a.armed, a.timer = true, time.AfterFunc(accessDelay, a.flushLate)
	default:
		a.armed = true
		a.timer.Reset(accessDelay)
	}
}

// describe puts into a line what there is to say of an exchange.
func (r *record) describe(l *line, sum *bridge.Summary) {
	l.str("request", r.id)
	l.str("remote", r.remote)
	l.str("method", r.method)
	l.str("host", r.host)
	l.str("path", r.path)
	l.int("status", int64(sum.Status))
	l.int("in", sum.BytesIn)
	l.int("out", sum.BytesOut)
	l.duration("duration", sum.Duration)
	if r.plugin != "" {
		l.str("plugin", r.plugin)
	}
	if r.place.id != "" {
		l.str("binding", r.place.binding)
		l.str("sandbox", r.place.id)
		l.int("port", int64(r.place.port))
		l.bool("preview", r.place.exposure)
	}
	if r.failure != "" {
		l.str("code", r.failure)
	}
	if breach := or(r.breach, string(sum.Breach)); breach != "" {
		l.str("breach", breach)
	}
	if r.webSocket && sum.Close != "" {
		l.str("close", sum.Close)
		l.int("messages", sum.MessagesIn+sum.MessagesOut)
	}
}

// requestIDs makes names for requests: random per process, then counted.
type requestIDs struct {
	prefix string
	n      atomic.Uint64
}

func (r *requestIDs) init() {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	r.prefix = hex.EncodeToString(b[:]) + "-"
}

func (r *requestIDs) next() string {
	var room [32]byte // for a prefix of 13 bytes and a number of 13 digits at most
	return string(strconv.AppendUint(append(room[:0], r.prefix...), r.n.Add(1), 36))
}
