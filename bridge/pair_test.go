package bridge

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// rig is one bridge between two sockets that a test holds the far ends of.
type rig struct {
	client, backend *raw
	live            Live
	ended           chan Summary
	t               testing.TB
}

// tcpPair is two ends of one loopback connection.
func tcpPair(t testing.TB) (near net.Conn, far *raw) {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	far = dialRaw(t, ln.Addr().String())
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

// hidden is a connection that is no plain socket to the engine.
type hidden struct{ net.Conn }

func (h hidden) CloseWrite() error { return h.Conn.(*net.TCPConn).CloseWrite() }

func newRig(t testing.TB, pol Policy, wrap func(net.Conn) net.Conn) *rig {
	t.Helper()
	nearClient, client := tcpPair(t)
	nearBackend, backend := tcpPair(t)
	if wrap != nil {
		nearClient, nearBackend = wrap(nearClient), wrap(nearBackend)
	}
	r := &rig{client: client, backend: backend, ended: make(chan Summary, 2), t: t}
	r.live = new(Pair).Bridge(nearClient, nearBackend, nil, pol, func(s Summary) { r.ended <- s })
	t.Cleanup(func() { // the far ends are closed first, by their own clean-up or here
		client.Close()
		backend.Close()
	})
	return r
}

func (r *rig) summary() Summary {
	r.t.Helper()
	select {
	case s := <-r.ended:
		return s
	case <-time.After(wait):
		r.t.Fatal("the bridge did not end")
		return Summary{}
	}
}

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

func engines(t *testing.T, f func(t *testing.T, wrap func(net.Conn) net.Conn)) {
	t.Run("socket", func(t *testing.T) { t.Parallel(); f(t, nil) })
	t.Run("wrapped", func(t *testing.T) {
		t.Parallel()
		f(t, func(c net.Conn) net.Conn { return hidden{c} })
	})
}

// TestPairIsTransparent: every byte as it was, however it is split.
func TestPairIsTransparent(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, wrap func(net.Conn) net.Conn) {
		r := newRig(t, Policy{Deflate: true}, wrap)
		up := join(frame(0x01, "a", true), frame(0x89, "ping", true), frame(0x00, text(300), true), frame(0x80, "", true),
			frame(0xc1, "deflated", true), frame(0x82, text(70000), true), frame(0x8a, "pong", true), frame(0x88, "\x0f\xa0why", true))
		down := join(frame(0x42, "zz", false), frame(0x80, text(126), false), frame(0x8a, "ping", false), frame(0x88, "\x0f\xa0why", false))
		rnd := rand.New(rand.NewPCG(1, 2))
		var wg sync.WaitGroup
		send := func(c *raw, b []byte) {
			for _, p := range pieces(rnd, b) {
				c.Write(p)
			}
		}
		send(r.client, up[:len(up)-11])
		wg.Go(func() { r.backend.expect(string(up[:len(up)-11])) })
		wg.Wait()
		send(r.backend, down)
		r.client.expect(string(down))
		send(r.client, up[len(up)-11:])
		r.backend.expect(string(up[len(up)-11:]))
		r.backend.Close()
		if got := r.client.rest(); got != "" {
			t.Errorf("and then %q", got)
		}
		r.client.Close()
		s := r.summary()
		if s.BytesIn != int64(len(up)) || s.BytesOut != int64(len(down)) || s.MessagesIn != 3 || s.MessagesOut != 1 || s.Close != "backend 4000" || s.Err != nil {
			t.Errorf("summary %+v", s)
		}
	})
}

// TestPairHalfClose: one side ends its sending half; the other still delivers.
func TestPairHalfClose(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, wrap func(net.Conn) net.Conn) {
		for _, fromClient := range []bool{true, false} {
			r := newRig(t, Policy{}, wrap)
			first, second := r.client, r.backend
			if !fromClient {
				first, second = second, first
			}
			hello, torn := frame(0x81, "hello", fromClient), frame(0x81, text(200), fromClient)[:3]
			first.Write(join(hello, torn)) // half a header at the end goes through too
			first.CloseWrite()
			if got := second.rest(); got != string(join(hello, torn)) {
				t.Errorf("got %q", got)
			}
			for range 3 {
				reply := frame(0x82, text(40000), !fromClient)
				second.Write(reply)
				first.expect(string(reply))
			}
			second.CloseWrite()
			if got := first.rest(); got != "" {
				t.Errorf("and then %q", got)
			}
			if s := r.summary(); s.Err != nil || !strings.HasSuffix(s.Close, "eof") {
				t.Errorf("summary %+v", s)
			}
		}
	})
}

// TestPairReset: a connection that breaks ends the other at once.
func TestPairReset(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, wrap func(net.Conn) net.Conn) {
		for _, fromClient := range []bool{true, false} {
			r := newRig(t, Policy{}, wrap)
			first, second, who := r.client, r.backend, "client"
			if !fromClient {
				first, second, who = second, first, "backend"
			}
			f := frame(0x81, "hello", fromClient)
			first.Write(f)
			second.expect(string(f))
			start := time.Now()
			first.SetLinger(0)
			first.Close()
			io.Copy(io.Discard, second.br)
			second.Close()
			if s := r.summary(); s.Close != who+" reset" || !errors.Is(s.Err, syscall.ECONNRESET) {
				t.Errorf("summary %+v", s)
			}
			if d := time.Since(start); d > wait/2 {
				t.Errorf("took %v", d)
			}
		}
	})
}

// TestPairLastWords: a backend that closes while its client is still sending gets
// its last frames through, although writes to it fail.
func TestPairLastWords(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := newRig(t, Policy{}, nil)
		words := join(frame(0x82, text(20000), false), frame(0x88, "\x03\xf0no", false))
		var wg sync.WaitGroup
		wg.Go(func() { // a client that talks on
			f := frame(0x82, text(1000), true)
			for {
				if _, err := r.client.Write(f); err != nil {
					return
				}
			}
		})
		r.backend.Write(words)
		r.backend.Close() // with the client's frames unread: a reset
		got, _ := io.ReadAll(io.LimitReader(r.client.br, int64(len(words))))
		if !bytes.Equal(got, words) {
			t.Errorf("%d bytes of %d", len(got), len(words))
		}
		r.client.Close()
		wg.Wait()
		r.summary()
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
	for i := range 60 {
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

// TestPairStuckReader: one client that does not read costs one buffer, stalls its
// own backend, and nobody else.
func TestPairStuckReader(t *testing.T) {
	t.Parallel()
	r := newRig(t, Policy{}, nil)
	other := newRig(t, Policy{}, nil)
	f := frame(0x82, text(1<<20), false)
	sent := 0
	for {
		r.backend.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := r.backend.Write(f)
		if sent += n; err != nil {
			break
		}
		if sent > 64<<20 {
			t.Fatal("64 MiB were taken for a client that does not read")
		}
	}
	for range 100 {
		f := frame(0x81, "hello", true)
		other.client.Write(f)
		other.backend.expect(string(f))
	}
	r.live.Close(1008, "stuck") // ends within its bound though nothing can be written
	r.summary()
}

// TestPairHugeMessage: 128 MiB in one frame, first bytes at once, bounded memory.
func TestPairHugeMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, Policy{}, nil)
	const size = 128 << 20
	r.backend.SetDeadline(time.Now().Add(3 * wait))
	r.client.SetDeadline(time.Now().Add(3 * wait))
	head := binary.BigEndian.AppendUint64([]byte{0x82, 127}, size)
	r.backend.Write(append(head, "first"...))
	r.client.expect(string(head) + "first") // while 128 MiB are still to come
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sums := [2]hash.Hash{sha256.New(), sha256.New()}
	var wg sync.WaitGroup
	wg.Go(func() {
		rnd := rand.NewChaCha8([32]byte{1})
		buf := make([]byte, 256<<10)
		for left := size - len("first"); left > 0; {
			p := buf[:min(len(buf), left)]
			rnd.Read(p)
			sums[0].Write(p)
			if _, err := r.backend.Write(p); err != nil {
				t.Error(err)
				return
			}
			left -= len(p)
		}
	})
	if _, err := io.CopyN(sums[1], r.client.br, size-int64(len("first"))); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if !bytes.Equal(sums[0].Sum(nil), sums[1].Sum(nil)) {
		t.Error("bytes differ")
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
		t.Errorf("heap grew by %d MiB", grown>>20)
	}
	r.backend.Close()
	r.client.Close()
	if s := r.summary(); s.MessagesOut != 1 {
		t.Errorf("summary %+v", s)
	}
}
