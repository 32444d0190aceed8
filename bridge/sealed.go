package bridge

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// sealed tells whether a write to c that passes its deadline breaks c for good. A
// TLS record of which only a part was sent cannot be taken up again.
func sealed(c net.Conn) bool {
	_, ok := c.(*tls.Conn)
	return ok
}

// warden looks after the writes to a sealed sink: it ends one whose peer takes
// nothing, and leaves alone one that is merely slow. A plain sink is looked after
// between its writes. The zero value with dst and stall is ready.
type warden struct {
	dst   net.Conn
	stall time.Duration

	mu       sync.Mutex // guards what follows
	timer    *time.Timer
	writing  bool
	patience patience
	lost     bool
}

// write is dst.Write; ErrStalled if the peer has taken nothing for too long.
func (w *warden) write(p []byte) (int, error) {
	if w.stall <= 0 {
		return w.dst.Write(p)
	}
	w.begin()
	n, err := w.dst.Write(p)
	if w.end() && err != nil {
		err = ErrStalled
	}
	return n, err
}

func (w *warden) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing, w.patience = true, patience{}
	if w.timer == nil {
		w.timer = time.AfterFunc(w.stall/stallSteps, w.look)
	} else {
		w.timer.Reset(w.stall / stallSteps)
	}
}

// end says whether the write was ended by look.
func (w *warden) end() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = false
	w.timer.Stop()
	return w.lost
}

// look is the timer's.
func (w *warden) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.writing:
	case w.patience.lost(untaken(w.dst), time.Now(), false, w.stall):
		w.lost = true
		w.dst.SetWriteDeadline(past)
	default:
		w.timer.Reset(w.stall / stallSteps)
	}
}
