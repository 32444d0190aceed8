package plugins

import (
	"encoding/binary"
	"math"
	"time"
)

// Sizes and offsets of poll_oneoff's records (WASI preview 1).
const (
	subscriptionSize = 48
	eventSize        = 32
)

// Kinds of subscriptions and events.
const (
	pollClock   = 0
	pollFDRead  = 1
	pollFDWrite = 2
)

// subscription is one thing a guest waits for.
//
//	0 userdata u64, 8 kind u8, then
//	clock:      16 clock u32, 24 timeout u64, 32 precision u64, 40 flags u16 (1: absolute)
//	descriptor: 16 fd u32
type subscription []byte

func (s subscription) kind() byte { return s[8] }
func (s subscription) id() uint32 { return binary.LittleEndian.Uint32(s[16:]) }

// wait returns how long a clock subscription lasts from now on.
func (s subscription) wait(in *instance) (time.Duration, uint16) {
	now, ok := in.clock(s.id())
	if !ok {
		return 0, wasiNotSup
	}
	timeout := binary.LittleEndian.Uint64(s[24:])
	if binary.LittleEndian.Uint16(s[40:])&1 != 0 {
		if timeout <= uint64(now) {
			return 0, wasiOK
		}
		timeout -= uint64(now)
	}
	return time.Duration(min(timeout, math.MaxInt64)), wasiOK
}

// ready returns whether a descriptor subscription is ready, which for a program
// without files is always or an error.
func (s subscription) ready() uint16 {
	switch fd := s.id(); {
	case s.kind() == pollFDWrite && (fd == 1 || fd == 2), s.kind() == pollFDRead && fd == 0:
		return wasiOK
	}
	return wasiBadF
}

// pollOneoff: (subscriptions, events, count, happened). It waits for the first
// clock to run out, at most until the deadline; descriptors are ready at once.
func pollOneoff(in *instance, a []uint64) uint64 {
	n := uint64(uint32(a[2]))
	if n == 0 {
		return wasiInval
	}
	if n*subscriptionSize > uint64(in.mem.Size()) {
		panic(errFault)
	}
	subs, events := in.bytes(a[0], n*subscriptionSize), in.bytes(a[1], n*eventSize)
	happened := in.bytes(a[3], 4)

	waits, errnos := make([]time.Duration, n), make([]uint16, n)
	shortest := time.Duration(math.MaxInt64)
	for i := range n {
		s := subscription(subs[i*subscriptionSize:][:subscriptionSize])
		if s.kind() == pollClock {
			waits[i], errnos[i] = s.wait(in)
		} else {
			errnos[i] = s.ready()
		}
		shortest = min(shortest, waits[i])
	}
	if shortest > 0 {
		in.sleep(shortest)
	}
	count := uint32(0)
	for i := range n {
		if waits[i] > shortest {
			continue
		}
		s := subscription(subs[i*subscriptionSize:][:subscriptionSize])
		e := events[count*eventSize:][:eventSize]
		clear(e)
		copy(e, s[:8])
		binary.LittleEndian.PutUint16(e[8:], errnos[i])
		e[10] = s.kind()
		count++
	}
	binary.LittleEndian.PutUint32(happened, count)
	return wasiOK
}

// sleep parks the guest. On a stage it takes no time.
func (in *instance) sleep(d time.Duration) {
	if s := in.gen.reg.stage; s != nil {
		s.pass(d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	in.park(func() {
		select {
		case <-timer.C:
		case <-in.life.Done():
		}
	})
}
