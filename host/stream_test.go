package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// toBackend serves all requests from one backend in a sandbox.
func toBackend(t *testing.T, s *Server, h http.HandlerFunc) *running {
	routes := fromBackend(t, s, h)
	return start(t, s, routes)
}

// fromBackend gives a server that is not started yet such a backend, and returns the
// routes to it.
func fromBackend(t *testing.T, s *Server, h http.HandlerFunc) []Route {
	s.boxes = boxes(newBox("a", map[int]string{8080: backend(t, h)}))
	return all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080}))
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s := &Server{HeadTimeout: time.Second}
	routes := fromBackend(t, s, func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		fmt.Fprint(w, n, err, req.ContentLength, req.Trailer.Get("X-Sum"))
	})
	const size = 20 << 20
	_, c := startBehind(t, s, routes, fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size))
	if _, err := io.CopyN(c, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if got, want := c.answer("PUT"), fmt.Sprint(int64(size), nil, size, ""); got.body != want {
		t.Errorf("backend got %q, want %q", got.body, want)
	}
	// In chunks, with a trailer, on the same connection.
	c.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
	for range 8 {
		c.send("100000\r\n")
		if _, err := io.CopyN(c, zeros{}, 1<<20); err != nil {
			t.Fatal(err)
		}
		c.send("\r\n")
	}
	c.send("0\r\nX-Sum: 42\r\n\r\n")
	if got, want := c.answer("PUT"), fmt.Sprint(int64(8<<20), nil, -1, "42"); got.body != want {
		t.Errorf("backend got %q, want %q", got.body, want)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestAnswerBeforeTheBody wants the client of a refused upload to get the answer.
func TestAnswerBeforeTheBody(t *testing.T) {
	t.Parallel()
	r := toBackend(t, &Server{}, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "too much", 413) })
	c := r.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + strings.Repeat("x", 1<<16))
	if got := c.answer("POST"); got.StatusCode != 413 || !got.Close {
		t.Errorf("answer %d, close %v", got.StatusCode, got.Close)
	}
}

// TestHalfAnUpload wants a backend to see that a client left in the middle.
func TestHalfAnUpload(t *testing.T) {
	t.Parallel()
	for name, framing := range map[string]string{"length": "Content-Length: 1000000\r\n\r\n", "chunked": "Transfer-Encoding: chunked\r\n\r\nfffff\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan error, 1)
			ev := newEvents()
			r := toBackend(t, &Server{Observe: ev.add}, func(_ http.ResponseWriter, req *http.Request) {
				_, err := io.Copy(io.Discard, req.Body)
				seen <- err
			})
			c := r.dial(t)
			c.send("POST / HTTP/1.1\r\nHost: a\r\n" + framing + strings.Repeat("x", 1<<17))
			_ = c.Close()
			if err := <-seen; err == nil {
				t.Error("the backend took half an upload for a whole one")
			}
			if e := ev.next(t); e.Status == 200 {
				t.Errorf("event %+v", e)
			}
		})
	}
}

// TestSilentBody gives a client up that stops in the middle of its body.
func TestSilentBody(t *testing.T) {
	t.Parallel()
	ev := newEvents()
	r := start(t, &Server{BodyTimeout: time.Second, Observe: ev.add}, all(decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		_, err := io.Copy(io.Discard, req.Body)
		return nil, err
	})))
	c := r.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
	if got := c.answer("POST"); got.StatusCode != 500 || !got.Close {
		t.Errorf("answer %d, close %v", got.StatusCode, got.Close)
	}
	ev.next(t)
}

// TestBodyEnds wants reads after the exchange to fail, not to eat what comes next.
func TestBodyEnds(t *testing.T) {
	t.Parallel()
	var kept io.Reader
	r := start(t, &Server{}, all(decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		if req.Body != nil {
			kept = req.Body
		} else if _, err := kept.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, errBodyOver) {
			t.Errorf("read after the end: %v", err)
		}
		return text(200, ""), nil
	})))
	c := r.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	c.answer("POST")
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := c.answer("GET"); got.StatusCode != 200 {
		t.Errorf("answer %d", got.StatusCode)
	}
}

// leave asks, goes away once in says that the request is where it is to be left, and
// wants it told as left by its client.
func leave(t *testing.T, r *running, ev *events, in <-chan struct{}) {
	t.Helper()
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-in
	_ = c.Close()
	if e := ev.next(t); e.Status != 499 {
		t.Errorf("event %+v", e)
	}
}

// TestClientLeaves ends an exchange whose backend would go on for ever.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	ev := newEvents()
	in := make(chan struct{})
	r := toBackend(t, &Server{Observe: ev.add}, func(_ http.ResponseWriter, req *http.Request) {
		close(in)
		<-req.Context().Done()
	})
	leave(t, r, ev, in)
}

// TestClientLeavesDuringADecision ends a decision that nobody waits for.
func TestClientLeavesDuringADecision(t *testing.T) {
	t.Parallel()
	ev := newEvents()
	in := make(chan struct{})
	r := start(t, &Server{Observe: ev.add}, all(decide(func(ctx context.Context, _ *abi.Request) (abi.Decision, error) {
		close(in)
		<-ctx.Done()
		return nil, ctx.Err()
	})))
	leave(t, r, ev, in)
}

// TestClientLeavesAfterItsBody ends a decision that nobody waits for, of a request whose
// body was read to its end before or while the plugin decides.
func TestClientLeavesAfterItsBody(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]string{
		"length":  "Content-Length: 5\r\n\r\nabcde",
		"chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
	} {
		for _, second := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", second plugin ", second), func(t *testing.T) {
				t.Parallel()
				ev := newEvents()
				in := make(chan error, 1)
				wait := decide(func(ctx context.Context, req *abi.Request) (abi.Decision, error) {
					_, err := io.ReadAll(req.Body)
					in <- err
					<-ctx.Done()
					return nil, ctx.Err()
				})
				chain := []Plugin{{Name: "p", Decider: wait}}
				if second {
					chain = []Plugin{{Name: "reads", Decider: decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
						_, err := io.ReadAll(req.Body)
						return &abi.Next{}, err
					})}, chain[0]}
				}
				r := start(t, &Server{Observe: ev.add}, []Route{{Chain: chain}})
				c := r.dial(t)
				c.send("POST / HTTP/1.1\r\nHost: a\r\n" + send)
				if err := <-in; err != nil {
					t.Error(err)
				}
				_ = c.Close()
				if e := ev.next(t); e.Status != 499 {
					t.Errorf("event %+v", e)
				}
			})
		}
	}
}

// TestSlowDecisionAfterABody has decisions that outlast the beginning of the watch, of
// requests whose bodies were read: no byte of what the client sent ahead is lost.
func TestSlowDecisionAfterABody(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]string{
		"length":  "Content-Length: 5\r\n\r\nabcde",
		"chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := make(chan struct{}, 8)
			r := start(t, &Server{}, all(decide(func(ctx context.Context, req *abi.Request) (abi.Decision, error) {
				body, err := io.ReadAll(req.Body)
				if err != nil {
					return nil, err
				}
				in <- struct{}{}
				select {
				case <-time.After(300 * time.Millisecond): // the watch has begun
					return text(200, req.Path+string(body)), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			})))
			c := r.dial(t)
			request := func(path string) string { return "POST " + path + " HTTP/1.1\r\nHost: a\r\n" + send }
			c.send(request("/1") + request("/2")) // together
			<-in
			c.send(request("/3")) // during the watch
			for _, want := range []string{"/1abcde", "/2abcde", "/3abcde"} {
				if got := c.answer("POST"); got.StatusCode != 200 || got.body != want {
					t.Errorf("answer %d %q, want %q", got.StatusCode, got.body, want)
				}
			}
		})
	}
}

// TestClientLeavesDuringAStart ends the wait for a sandbox, and for a port in it.
func TestClientLeavesDuringAStart(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(box *fakeBox, in chan struct{}){
		"sandbox": func(box *fakeBox, in chan struct{}) {
			box.block = true
			box.onRunning = func() { close(in) }
		},
		"port": func(box *fakeBox, in chan struct{}) {
			box.started = true
			box.onDial = func(n int) {
				if n == 2 {
					close(in)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ev := newEvents()
			in := make(chan struct{})
			box := newBox("a", nil)
			set(box, in)
			pol := abi.Policy{Wait: abi.Duration(time.Hour)}
			r := start(t, &Server{boxes: boxes(box), StartTimeout: time.Hour, Observe: ev.add}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080, Policy: pol})))
			leave(t, r, ev, in)
		})
	}
}

// TestSlowDecisionKeepsTheConnection has decisions that outlast the beginning of
// the watch: the connection serves what comes next, sent meanwhile or after.
func TestSlowDecisionKeepsTheConnection(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{}, all(decide(func(ctx context.Context, req *abi.Request) (abi.Decision, error) {
		select {
		case <-time.After(300 * time.Millisecond):
			return text(200, req.Path), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})))
	c := r.dial(t)
	for _, piece := range []string{"/1", "/2"} {
		c.send("GET " + piece + " HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := c.answer("GET"); got.StatusCode != 200 || got.body != piece {
			t.Errorf("answer %d %q", got.StatusCode, got.body)
		}
	}
	c.send("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
	c.send("GET /4 HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, want := range []string{"/3", "/4"} {
		if got := c.answer("GET"); got.StatusCode != 200 || got.body != want {
			t.Errorf("answer %d %q, want %q", got.StatusCode, got.body, want)
		}
	}
}

// TestPipelined answers requests that came in one piece, in order.
func TestPipelined(t *testing.T) {
	t.Parallel()
	r := toBackend(t, &Server{}, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		fmt.Fprint(w, req.URL.Path, string(body))
	})
	c := r.dial(t)
	c.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxPOST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n")
	for _, want := range []string{"/1", "/2x", "/3y", "/4"} {
		if got := c.answer("GET"); got.body != want {
			t.Errorf("answer %q, want %q", got.body, want)
		}
	}
	if !c.eof() {
		t.Error("the client's own close is not heard")
	}
}
