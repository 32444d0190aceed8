package bridge

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// expectClose reads a Close frame as the client or the backend gets it.
func (r *raw) expectClose(masked bool, code int, reason string) {
	r.t.Helper()
	want := string(appendClose(nil, code, reason, nil))
	if !masked {
		r.expect(want)
		return
	}
	head := make([]byte, 6)
	if _, err := io.ReadFull(r.br, head); err != nil || head[0] != 0x88 || head[1] != 0x80|byte(len(want)-2) {
		r.t.Fatalf("close frame: % x %v", head, err)
	}
	p := make([]byte, len(want)-2)
	io.ReadFull(r.br, p)
	for i := range p {
		p[i] ^= head[2+i&3]
	}
	if string(p) != want[2:] {
		r.t.Fatalf("close payload %q, want %q", p, want[2:])
	}
}

func TestPairProtocolError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		fromClient bool
		bad        []byte
		pol        Policy
		code       int
		reason     string
		is         error
	}{
		{"unmasked", true, frame(0x81, "x", false), Policy{}, 1002, "unmasked frame from a client", ErrProtocol},
		{"masked", false, frame(0x81, "x", true), Policy{}, 1002, "masked frame from a server", ErrProtocol},
		{"reserved", true, frame(0x83, "x", true), Policy{}, 1002, "reserved opcode", ErrProtocol},
		{"too big", true, frame(0x82, text(11), true), Policy{MaxMessageBytes: 10}, 1009, "message too big", ErrPolicy},
		{"too big back", false, frame(0x82, text(11), false), Policy{MaxMessageBytes: 10}, 1009, "message too big", ErrPolicy},
		{"too many", true, frame(0x82, text(30), true), Policy{MaxBytes: 20}, 1008, "too many bytes", ErrPolicy},
		{"too many back", false, frame(0x82, text(30), false), Policy{MaxBytes: 20}, 1008, "too many bytes", ErrPolicy},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tc.pol, nil)
			from, to := r.client, r.backend
			if !tc.fromClient {
				from, to = to, from
			}
			good := frame(0x81, "ok", tc.fromClient)
			from.Write(good)
			to.expect(string(good))
			from.Write(tc.bad)
			r.client.expectClose(false, tc.code, tc.reason)
			r.backend.expectClose(true, tc.code, tc.reason)
			if a, b := r.client.rest(), r.backend.rest(); a != "" || b != "" {
				t.Errorf("and then %q, %q", a, b)
			}
			r.client.Close()
			r.backend.Close()
			s := r.summary()
			if !errors.Is(s.Err, tc.is) || s.Close != fmt.Sprintf("edge %d %s", tc.code, tc.reason) {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

func TestPairTimeLimits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		pol    Policy
		busy   bool
		reason string
	}{
		{"idle", Policy{IdleTimeout: 50 * time.Millisecond}, false, "idle for too long"},
		{"duration", Policy{IdleTimeout: time.Minute, MaxDuration: 100 * time.Millisecond}, true, "maximum duration reached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tc.pol, nil)
			var wg sync.WaitGroup
			if tc.busy {
				wg.Go(func() {
					for f := frame(0x81, "busy", true); ; {
						if _, err := r.client.Write(f); err != nil {
							return
						}
					}
				})
			}
			wg.Go(func() { io.Copy(io.Discard, r.backend.br); r.backend.Close() })
			r.client.expectClose(false, 1008, tc.reason)
			r.client.Close()
			wg.Wait()
			if s := r.summary(); !errors.Is(s.Err, ErrPolicy) {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

// TestPairStopSpeaksFirst: a peer's end that a stop has brought about is not taken
// for how the bridge ended.
func TestPairStopSpeaksFirst(t *testing.T) {
	t.Parallel()
	p := new(pair)
	p.stop.Store(&stop{code: 1008, reason: "idle", err: ErrPolicy})
	p.note("backend eof", nil)
	if c := p.cause.Load(); c.text != "edge 1008 idle" || !errors.Is(c.err, ErrPolicy) {
		t.Errorf("cause %+v", c)
	}
}

// TestPairCloseWaitsForTheFrame: a Close never goes into a frame that is half
// sent.
func TestPairCloseWaitsForTheFrame(t *testing.T) {
	t.Parallel()
	r := newRig(t, Policy{}, nil)
	f := frame(0x82, text(1000), false)
	r.backend.Write(f[:500])
	r.client.expect(string(f[:500]))
	r.live.Close(1012, "restart")
	r.live.Close(1000, "too late")
	r.backend.expectClose(true, 1012, "restart") // the other direction is free
	r.backend.Write(join(f[500:], frame(0x81, "never", false)))
	r.client.expect(string(f[500:]))
	r.client.expectClose(false, 1012, "restart")
	if rest := r.client.rest(); rest != "" {
		t.Errorf("and then %q", rest)
	}
	r.client.Write(frame(0x88, "\x03\xf4", true)) // answers the close
	r.backend.Write(frame(0x88, "\x03\xf4", false))
	if s := r.summary(); s.Close != "edge 1012 restart" || s.Err != nil {
		t.Errorf("summary %+v", s)
	}
}

// TestPairCloseInATornFrame: when the rest does not come, nothing is injected.
func TestPairCloseInATornFrame(t *testing.T) {
	t.Parallel()
	r := newRig(t, Policy{}, nil)
	f := frame(0x82, text(1000), false)
	r.backend.Write(f[:500])
	r.client.expect(string(f[:500]))
	r.live.Close(1012, "restart")
	if got, _ := io.ReadAll(r.client.br); len(got) != 0 {
		t.Errorf("and then %q", got)
	}
	r.summary()
}

// validate reads frames as an endpoint does until the connection ends and returns
// the code of the Close, which must be the last frame.
func validate(br *bufio.Reader, fromClient bool) (code int, err error) {
	for {
		var h [2]byte
		if _, err := io.ReadFull(br, h[:]); err != nil {
			return code, ignoreEOF(err)
		}
		if code != 0 {
			return code, errors.New("bytes after the close frame")
		}
		n := int64(h[1] &^ bitMask)
		switch n {
		case 126:
			var l uint16
			binary.Read(br, binary.BigEndian, &l)
			n = int64(l)
		case 127:
			binary.Read(br, binary.BigEndian, &n)
		}
		key := make([]byte, 4)
		if fromClient != (h[1]&bitMask != 0) {
			return code, fmt.Errorf("frame % x: wrong mask", h)
		}
		if fromClient {
			io.ReadFull(br, key)
		}
		p := make([]byte, n)
		if _, err := io.ReadFull(br, p); err != nil {
			return code, fmt.Errorf("in a frame of %d: %w", n, err)
		}
		for i := range p {
			p[i] ^= key[i&3]
		}
		switch h[0] {
		case 0x82:
			for _, c := range p {
				if c != 'x' {
					return code, fmt.Errorf("frame of %d holds %q", n, c)
				}
			}
		case 0x88:
			code = int(binary.BigEndian.Uint16(p))
		default:
			return code, fmt.Errorf("opcode %x", h[0])
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// TestPairInjectionHammer closes bridges from outside under full traffic both
// ways; both ends check every frame.
func TestPairInjectionHammer(t *testing.T) {
	t.Parallel()
	for i := range 40 {
		r := newRig(t, Policy{}, nil)
		rnd := rand.New(rand.NewPCG(uint64(i), 7))
		var wg sync.WaitGroup
		talk := func(c *raw, masked bool, told *atomic.Bool) {
			defer c.Close() // after a whole frame: a torn one would be our own doing
			r := rand.New(rand.NewPCG(uint64(i), 8))
			for !told.Load() {
				f := frame(0x82, text(r.IntN(3000)), masked)
				cut := r.IntN(len(f))
				if _, err := c.Write(f[:cut]); err != nil {
					return
				}
				if _, err := c.Write(f[cut:]); err != nil {
					return
				}
			}
		}
		check := func(c *raw, masked bool, told *atomic.Bool) {
			code, err := validate(c.br, masked)
			if code != 1012 || err != nil {
				t.Errorf("round %d: close code %d, %v", i, code, err)
			}
			told.Store(true)
		}
		var told [2]atomic.Bool
		wg.Go(func() { talk(r.client, true, &told[0]) })
		wg.Go(func() { talk(r.backend, false, &told[1]) })
		wg.Go(func() { check(r.client, false, &told[0]) })
		wg.Go(func() { check(r.backend, true, &told[1]) })
		time.Sleep(time.Duration(rnd.IntN(3000)) * time.Microsecond) // where in the traffic, not a wait
		for range 3 {
			wg.Go(func() { r.live.Close(1012, "hammer") })
		}
		wg.Wait()
		r.summary()
	}
}
