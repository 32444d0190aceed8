package bridge

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
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

// TestPairClientGoneFromATalker: a backend that never stops talking does not keep
// the bridge of a client that is gone, even if it takes no notice.
func TestPairClientGoneFromATalker(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, wrap func(net.Conn) net.Conn) {
		for _, reset := range []bool{true, false} {
			r := newRig(t, Policy{}, wrap)
			talk := frame(0x82, text(60000), false)
			talked := make(chan struct{})
			go func() {
				defer close(talked)
				for {
					if _, err := r.backend.Write([]byte(talk)); err != nil {
						return
					}
				}
			}()
			r.client.expect(string(talk))
			if !reset {
				r.client.CloseWrite()
				r.backend.rest()
			}
			r.client.Close() // with much unread: a reset
			r.summary()
			r.backend.Close()
			<-talked
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
			first.SetLinger(0)
			first.Close()
			io.Copy(io.Discard, second.br)
			second.Close()
			if s := r.summary(); s.Close != who+" reset" || !errors.Is(s.Err, syscall.ECONNRESET) {
				t.Errorf("summary %+v", s)
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
func TestPairHugeMessage(t *testing.T) { // not parallel: it watches the heap
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
