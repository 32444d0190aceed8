package netns

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// How many sockets are made ahead of a namespace that is dialled often: a thread
// that steps in for one makes these too, which costs a fraction of stepping in
// again. They are closed when nobody has dialled for spareFor.
const (
	maxSpares = 15
	spareFor  = time.Second
)

// often is the pause between two visits below which the second makes spares.
const often = 20 * time.Millisecond

// spares are unconnected IPv4 sockets of one namespace. The zero value is ready.
type spares struct {
	mu      sync.Mutex
	fds     []int
	visited time.Time   // when a thread last stepped in
	taken   bool        // since the timer was set
	timer   *time.Timer // runs while there are any
	closed  bool
}

// take returns a socket, or -1 and how many to make beside the one that is
// wanted.
func (s *spares) take() (fd, ahead int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.fds) - 1; last >= 0 {
		fd, s.fds, s.taken = s.fds[last], s.fds[:last], true
		return fd, 0
	}
	now := time.Now()
	if now.Sub(s.visited) < often {
		ahead = maxSpares
	}
	s.visited = now
	return -1, ahead
}

// put keeps what was made ahead, as far as there is room.
func (s *spares) put(fds []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range fds {
		if s.closed || len(s.fds) >= maxSpares {
			unix.Close(fd)
			continue
		}
		s.fds = append(s.fds, fd)
	}
	if len(s.fds) > 0 && s.timer == nil {
		s.timer = time.AfterFunc(spareFor, s.expire)
	}
}

// expire closes the sockets once nobody has taken one for a while.
func (s *spares) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken && !s.closed {
		s.taken = false
		s.timer.Reset(spareFor)
		return
	}
	s.timer = nil
	s.drop()
}

// close closes them all, and those to come.
func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.drop()
}

func (s *spares) drop() {
	for _, fd := range s.fds {
		unix.Close(fd)
	}
	s.fds = nil
}
