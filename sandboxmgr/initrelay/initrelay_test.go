package initrelay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }

// rig is both ends with a pipe between them.
type rig struct {
	inside string // the socket that the init connects to
	edge   *net.UnixListener
	wire   [2]net.Conn
	stop   context.CancelFunc
	over   sync.WaitGroup
}

func newRig(t testing.TB) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "relay")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{inside: filepath.Join(dir, "in")}
	r.edge, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "edge"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if r.wire[0], err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if r.wire[1], err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	dial := func(ctx context.Context) (*net.UnixConn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", filepath.Join(dir, "edge"))
		if err != nil {
			return nil, err
		}
		return c.(*net.UnixConn), nil
	}
	r.over.Go(func() {
		if err := Join(ctx, r.wire[0], dial, nil); err != nil && ctx.Err() == nil {
			t.Errorf("Join: %v", err)
		}
	})
	served, err := listen(r.inside)
	if err != nil {
		t.Fatal(err)
	}
	r.over.Go(func() {
		if err := serve(ctx, r.wire[1], served, os.Getpid()); err != nil && ctx.Err() == nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		r.over.Wait()
		r.edge.Close()
		os.RemoveAll(dir)
	})
	return r
}

// open returns the two ends of one carried connection.
func (r *rig) open(t testing.TB) (inside, edge *net.UnixConn) {
	t.Helper()
	inside, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.inside, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.edge.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	edge, err = r.edge.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inside.Close(); edge.Close() })
	for _, c := range []net.Conn{inside, edge} {
		if err := c.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return inside, edge
}

// TestCarries: bytes arrive both ways, whole, and each direction ends by itself.
func TestCarries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, size := range []int{0, 1, maxChunk - 1, maxChunk, maxChunk + 1, 3 << 20} {
		inside, edge := r.open(t)
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		var wg sync.WaitGroup
		for _, c := range []*net.UnixConn{inside, edge} {
			wg.Go(func() {
				if _, err := c.Write(want); err != nil {
					t.Errorf("%d bytes: %v", size, err)
				}
				if err := c.CloseWrite(); err != nil {
					t.Errorf("%d bytes: %v", size, err)
				}
			})
			wg.Go(func() {
				if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes: %d arrived, %v", size, len(got), err)
				}
			})
		}
		wg.Wait()
	}
}

// TestHalfClosed: what has ended its direction is still answered.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	inside, edge := r.open(t)
	if err := edge.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(inside); err != nil || len(b) > 0 {
		t.Fatalf("inside reads %q, %v", b, err)
	}
	if _, err := inside.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	inside.Close()
	if b, err := io.ReadAll(edge); err != nil || string(b) != "late" {
		t.Errorf("the edge reads %q, %v", b, err)
	}
}

// TestLeaving: a side that closes its connection is told from one that only has
// no more to say: the other side's connection is closed as a whole.
func TestLeaving(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		pick func(inside, edge *net.UnixConn) (leaves, stays *net.UnixConn)
	}{
		{"the edge", func(i, e *net.UnixConn) (*net.UnixConn, *net.UnixConn) { return e, i }},
		{"the init", func(i, e *net.UnixConn) (*net.UnixConn, *net.UnixConn) { return i, e }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inside, edge := newRig(t).open(t)
			leaves, stays := tt.pick(inside, edge)
			leaves.Close()
			for {
				if _, err := stays.Write(make([]byte, 1024)); err != nil {
					var timeout net.Error
					if errors.As(err, &timeout) && timeout.Timeout() {
						t.Errorf("still open: %v", err)
					}
					return
				}
			}
		})
	}
}

// TestSessionEnds: when the stream between the two breaks, all ends.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	inside, edge := r.open(t)
	r.wire[0].Close()
	for name, c := range map[string]net.Conn{"inside": inside, "edge": edge} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: bytes out of nowhere", name)
		}
	}
	r.over.Wait() // both have returned
	if _, err := net.Dial("unix", r.inside); err == nil {
		t.Error("a socket that leads nowhere takes connections")
	}
}

// TestSuccessor: an older relay that ends leaves a newer one's socket alone.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open(t)
	next, err := listen(r.inside) // takes the place
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	r.stop()
	r.over.Wait()
	c, err := net.Dial("unix", r.inside)
	if err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	} else {
		c.Close()
	}
}

// TestStranger: nobody but the process that is named is carried.
func TestStranger(t *testing.T) {
	t.Parallel()
	ln, err := listen(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, a, ln, os.Getpid()+1) }()
	c, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read = %v, want %v", err, io.EOF)
	}
	cancel()
	b.Close()
	<-served
}

// TestGarbage: what is no session ends Join, whatever it is.
func TestGarbage(t *testing.T) {
	t.Parallel()
	for _, garbage := range []string{"", "\x00", "GET / HTTP/1.1\r\n\r\n", string(bytes.Repeat([]byte{0xff}, 1<<16))} {
		a, b := net.Pipe()
		go func() {
			_, _ = b.Write([]byte(garbage)) // cut short when Join ends
			b.Close()
		}()
		done := make(chan error, 1)
		go func() { done <- Join(t.Context(), a, nil, nil) }()
		select {
		case <-done:
		case <-time.After(60 * time.Second):
			t.Fatalf("Join goes on after %.20q", garbage)
		}
	}
}

// FuzzReceive: frames from the other side never make more than they say, and
// only an end frame is an end.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x02hi\x00\x00"))
	f.Add([]byte("\x00\x02h"))
	f.Add([]byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		err := receive(bytes.NewReader(in), &out)
		if out.Len() > len(in) {
			t.Errorf("%d bytes out of %d", out.Len(), len(in))
		}
		if err != nil && !errors.Is(err, errGone) {
			t.Errorf("%v", err)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	inside, edge := newRig(b).open(b)
	var echo sync.WaitGroup
	echo.Go(func() { _, _ = io.Copy(inside, inside) })
	buf := make([]byte, 64)
	for b.Loop() {
		if _, err := edge.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(edge, buf); err != nil {
			b.Fatal(err)
		}
	}
	edge.Close()
	echo.Wait()
}
