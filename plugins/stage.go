package plugins

import (
	"math/rand/v2"
	"sync"
	"time"
)

// clockStep is how much time passes between two looks at a stage's clock: a
// guest that waits for time to pass sees it pass.
const clockStep = time.Microsecond

// instanceAge is how long before its first request an instance of a trial was made,
// by the stage's clock.
const instanceAge = time.Second

// stage is the time and the chance of a trial's guests, which are the same each
// time: the clock stands at a given time when a request begins, moves by a
// microsecond with each look at it, and by as much as a guest sleeps, which takes
// no time; randomness comes from a generator that begins anew with each request.
type stage struct {
	mu     sync.Mutex
	start  time.Time     // what the clock showed first
	passed time.Duration // since then
	at     time.Time     // what it shall show when the next request begins
	chance *rand.ChaCha8
}

// stageSeed makes a stage's randomness.
const stageSeed = "edge: a trial's chance is no one's"

func newStage(start time.Time) *stage {
	s := new(stage)
	s.prepare(start, true)
	return s
}

// prepare is before a request, for which an instance may be made. The clock goes
// back only for instances that have not seen it (anew).
func (s *stage) prepare(at time.Time, anew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
	if anew {
		s.start, s.passed = at.Add(-instanceAge), 0
	}
	s.begin()
}

// enter is when a guest gets a request.
func (s *stage) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed = max(s.passed, s.at.Sub(s.start))
	s.begin()
}

// begin begins the randomness anew. s.mu is held.
func (s *stage) begin() { s.chance = rand.NewChaCha8([32]byte([]byte(stageSeed)[:32])) }

// clock reads one of WASI's clocks, in nanoseconds; the monotonic one begins with
// the stage.
func (s *stage) clock(id uint32) (now int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed += clockStep
	switch id {
	case clockRealtime:
		return s.start.Add(s.passed).UnixNano(), true
	case clockMonotonic:
		return int64(s.passed), true
	}
	return 0, false
}

// now is what the clock shows, without a look at it.
func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start.Add(s.passed)
}

// passTo lets time pass until then, if it is not past.
func (s *stage) passTo(then time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed = max(s.passed, then.Sub(s.start))
}

// pass lets time pass.
func (s *stage) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed += min(d, maxPass)
}

// maxPass bounds one sleep on a stage, so that its clock does not run over.
const maxPass = 24 * time.Hour

// fill fills b with the stage's randomness.
func (s *stage) fill(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.chance.Read(b) // never fails
}
