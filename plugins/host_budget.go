package plugins

import (
	"math"
	"time"

	"edge/abi"
)

// measured is how much of its fuel a request has used before its speed says how
// long the rest lasts: a millisecond's worth, roughly.
const measured = 1 << 20

// budget: (req). See SPEC.md, section 3. Whoever makes a guest that interrupts what
// it runs asks this, so as to come before the host, which stops the whole instance.
func budget(in *instance, a []uint64) uint64 {
	now := time.Now()
	if uint32(a[0]) == 0 {
		return abi.Result(abi.OK, microseconds(in.leftInBackground(now)))
	}
	x := in.find(a[0])
	if at := in.stint.x; x == nil && at != nil && at.handle == uint32(a[0]) {
		x = at // the guest goes on after its decision
	}
	if x == nil {
		return answer(abi.Closed)
	}
	return abi.Result(abi.OK, microseconds(in.left(x, now)))
}

// leftInBackground is how long the entry may go on if it is no request's, and how long one
// could if it is.
func (in *instance) leftInBackground(now time.Time) time.Duration {
	s := &in.stint
	if s.x == nil { // the instance is being made
		return s.deadline.Sub(now)
	}
	if s.x.handle == 0 {
		return in.left(s.x, now)
	}
	return in.gen.spec.Compute
}

// left is how long the guest may compute for x from now on: what is left of its
// computing time and, if it is at work for x, until the deadline and as far as the
// fuel goes at the speed it had so far.
func (in *instance) left(x *exchange, now time.Time) time.Duration {
	spent, used := x.compute, x.fuel
	s := &in.stint
	working := s.x == x
	if working && !s.since.IsZero() {
		spent += now.Sub(s.since)
		if in.fuel != nil {
			used += uint64(int64(s.tank) - int64(in.fuelLeft()))
		}
	}
	left := in.gen.spec.Compute - spent
	if working {
		left = min(left, s.deadline.Sub(now))
	}
	if limit := in.gen.spec.Fuel; limit > 0 && used >= min(measured, limit/8) {
		rest := float64(limit-min(used, limit)) / float64(max(used, 1))
		left = min(left, time.Duration(rest*float64(spent)))
	}
	return left
}

// microseconds is a duration as budget tells it: the largest number is no bound, and
// nothing is left of a negative one.
func microseconds(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 0), math.MaxUint32))
}
