package bridge

import (
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// TestWheel: everything fires once, not before its time and not a tick after, near
// or many turns away.
func TestWheel(t *testing.T) {
	t.Parallel()
	var w wheel
	var fired []*loopBridge
	fire := func(b *loopBridge) { fired = append(fired, b) }
	at := []time.Duration{1, tick, tick + 1, 3 * tick, spokes * tick, (spokes + 3) * tick, (3*spokes + 3) * tick}
	bridges := make([]*loopBridge, len(at))
	for i := range bridges {
		bridges[i] = new(loopBridge)
		w.add(bridges[i], at[i])
	}
	removed, moved := new(loopBridge), new(loopBridge)
	w.add(removed, 3*tick)
	w.remove(removed)
	w.remove(removed)
	w.add(moved, 9*tick)
	w.add(moved, 2*tick) // earlier wins
	w.add(moved, 5*tick) // later does not
	for now := time.Duration(0); now <= at[len(at)-1]+tick; now += tick / 2 {
		if s := w.soonest(); s != 0 && s < now-tick {
			t.Fatalf("at %v: soonest %v has passed", now, s)
		}
		fired = nil
		w.advance(now, fire)
		for _, b := range fired {
			i := slices.Index(bridges, b)
			switch {
			case b == moved:
				if now != 2*tick {
					t.Errorf("moved fired at %v", now)
				}
			case i < 0:
				t.Errorf("at %v something fired that was taken out", now)
			case now < at[i] || now > at[i]+tick:
				t.Errorf("%v fired at %v", at[i], now)
			default:
				bridges[i] = nil
			}
		}
	}
	for i, b := range bridges {
		if b != nil {
			t.Errorf("%v never fired", at[i])
		}
	}
	if w.count != 0 || w.soonest() != 0 {
		t.Errorf("left: %d, soonest %v", w.count, w.soonest())
	}
}

// TestWheelAfterASleep: what became due while nobody looked fires at the first
// look, however long that took.
func TestWheelAfterASleep(t *testing.T) {
	t.Parallel()
	var w wheel
	n := 0
	for i := range 10 * spokes {
		w.add(new(loopBridge), time.Duration(i)*tick)
	}
	w.advance(20*spokes*tick, func(*loopBridge) { n++ })
	if n != 10*spokes {
		t.Errorf("%d of %d fired", n, 10*spokes)
	}
}

// TestLoopStaleEvent: an event that was on its way for a slot's last bridge does
// not reach the next.
func TestLoopStaleEvent(t *testing.T) {
	t.Parallel()
	r := &reactor{loop: new(Loop)}
	first, second := new(loopBridge), new(loopBridge)
	r.enter(first)
	stale := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(first.slot) << 1, Pad: int32(r.slots[first.slot].generation)}
	r.leave(first)
	r.dispatch(&stale) // would panic: there is no bridge
	r.enter(second)
	if second.slot != first.slot {
		t.Fatalf("slot %d, want that of the first, %d", second.slot, first.slot)
	}
	r.dispatch(&stale) // would panic: the bridge has no reactor
}

// TestLoopBridgeSize keeps the promise of what an idle bridge holds.
func TestLoopBridgeSize(t *testing.T) {
	t.Parallel()
	t.Logf("bridge %d, lane %d, scanner %d bytes", unsafe.Sizeof(loopBridge{}), unsafe.Sizeof(lane{}), unsafe.Sizeof(scanner{}))
	if n := unsafe.Sizeof(loopBridge{}); n > 512 {
		t.Errorf("a bridge is %d bytes", n)
	}
}

// TestLoopUnix: sockets of the other kind, and both kinds in one bridge.
func TestLoopUnix(t *testing.T) {
	t.Parallel()
	e := new(Loop)
	defer e.Close()
	ends := func() (near, far net.Conn) {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		var conns [2]net.Conn
		for i, fd := range fds {
			f := os.NewFile(uintptr(fd), "pair")
			if conns[i], err = net.FileConn(f); err != nil {
				t.Fatal(err)
			}
			f.Close()
			conns[i].SetDeadline(time.Now().Add(wait))
		}
		return conns[0], conns[1]
	}
	nearBackend, backend := ends()
	nearClient, client := tcpPair(t)
	ended := make(chan Summary, 1)
	live := e.Bridge(nearClient, nearBackend, nil, Policy{}, func(s Summary) { ended <- s })
	if _, ok := live.(*loopBridge); !ok {
		t.Fatalf("carried by %T", live)
	}
	f := frame(0x82, text(1<<20), true)
	go client.Write(f)
	got := make([]byte, len(f))
	for n := 0; n < len(got); {
		k, err := backend.Read(got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if string(got) != string(f) {
		t.Error("bytes differ")
	}
	backend.Close()
	client.Close()
	if s := <-ended; s.MessagesIn != 1 {
		t.Errorf("summary %+v", s)
	}
}

// TestLoopEnds: Close cuts what is left and ends the goroutines; the engine can be
// used again.
func TestLoopEnds(t *testing.T) {
	t.Parallel()
	e := new(Loop)
	for range 2 {
		var rigs []*rig
		for range 8 {
			rigs = append(rigs, engineCase{engine: e}.rig(t, Policy{}))
		}
		e.Close()
		for _, r := range rigs {
			if s := r.summary(); s.Close != "edge" {
				t.Errorf("summary %+v", s)
			}
		}
		for i, r := range e.reactors {
			if r != nil {
				t.Errorf("reactor %d is left", i)
			}
		}
	}
	e.Close()
}

// BenchmarkSyscall is a read of an empty socket, told to the scheduler and not:
// what that costs each of a bridge's calls.
func BenchmarkSyscall(b *testing.B) {
	near, _ := tcpPair(b)
	fd, err := duplicate(near.(syscall.Conn))
	if err != nil {
		b.Fatal(err)
	}
	defer closeFDs(fd)
	near.Close()
	buf := make([]byte, 64)
	b.Run("raw", func(b *testing.B) {
		for b.Loop() {
			receive(fd, buf)
		}
	})
	b.Run("scheduled", func(b *testing.B) {
		for b.Loop() {
			syscall.Syscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0, 0)
		}
	})
}

// BenchmarkLoopClose is a bridge made and ended: what a reactor and the reports
// take for it.
func BenchmarkLoopClose(b *testing.B) {
	e := new(Loop)
	defer e.Close()
	ended := make(chan Summary, 1)
	for b.Loop() {
		client, a := tcpPair(b)
		backend, z := tcpPair(b)
		e.Bridge(client, backend, nil, Policy{}, func(s Summary) { ended <- s })
		a.Close()
		z.Close()
		if s := <-ended; s.Status != 101 {
			b.Fatal(fmt.Sprint(s))
		}
	}
}
