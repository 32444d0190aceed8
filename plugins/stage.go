package plugins

import (
	"math/rand/v2"
	"sync"
	"time"
)

// clockStep is how much time passes between two looks at a stage's clock: a
// guest that waits for time to pass sees it pass.
const clockStep = time.Microsecond

// stage is the time and the chance of a trial's guests, which are the same each
// time: the clock stands at a given time when a request begins, moves by a
// microsecond with each look at it, and by as much as a guest sleeps, which takes
// no time; randomness comes from a generator that begins anew with each request.
type stage struct {
	mu     sync.Mutex
	start  time.Time     // what the clock showed first
	passed time.Duration // since then
	chance *rand.ChaCha8
}

// stageSeed makes a stage's randomness.
const stageSeed = "edge: a trial's chance is no one's"

func newStage(start time.Time) *stage {
	s := &stage{start: start}
	s.begin(start, true)
	return s
}

// begin sets the clock and begins the randomness anew. For guests that have seen
// the clock it does not go back.
func (s *stage) begin(at time.Time, anew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if anew {
		s.start, s.passed = at, 0
	}
	s.passed = max(s.passed, at.Sub(s.start))
	s.chance = rand.NewChaCha8([32]byte([]byte(stageSeed)[:32]))
}

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
