package host

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
)

// rawBackend serves connections with bytes, and hands out the heads it was sent.
func rawBackend(t testing.TB, answer func(head string, n int) string) (addr string, heads chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heads = make(chan string, 1000)
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for n := 0; ; n++ {
					var head strings.Builder
					for !strings.HasSuffix(head.String(), "\r\n\r\n") {
						line, err := br.ReadString('\n')
						if head.WriteString(line); err != nil {
							return
						}
					}
					heads <- head.String()
					if _, err := io.WriteString(c, answer(head.String(), n)); err != nil {
						return
					}
				}
			})
		}
	})
	return ln.Addr().String(), heads
}

const okAnswer = "HTTP/1.1 200 OK\r\nServer: own\r\nset-cookie: a=1\r\nContent-Encoding: identity\r\ncontent-type: text/x\r\nContent-Length: 2\r\nSet-Cookie: b=2\r\n\r\nok"

// TestHeadsArriveUnchanged compares both heads byte for byte, through the whole
// server.
func TestHeadsArriveUnchanged(t *testing.T) {
	t.Parallel()
	addr, heads := rawBackend(t, func(string, int) string { return okAnswer })
	r := start(t, &Server{boxes: boxes(newBox("a", map[int]string{8080: addr}))}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
	c := r.dial(t)
	for _, target := range []string{
		"/", "/?", "/??", "/a?b=c&d=%20+&&", "//", "//a///b/", "/./a/../b/.", "/a/%2e%2E/%2f%5C/%C3%A9/%c3%a9", "/a;b=c,d!$&'()*:@~",
		"/a?%00%zz%", "/\xc3\xa9?\xff", "/a?b?c=/../d", `/"<>\^{|}` + "`",
	} {
		const fields = "Host: A.example:80\r\nx-lower: 1\r\nX-Twice: a\r\nACCEPT: */*\r\nx-twice: b\r\nX-Empty: \r\nCookie: a=b; c=d\r\nX-Twice: a\r\n"
		c.send("GET " + target + " HTTP/1.1\r\n" + fields + "\r\n")
		got := <-heads
		want := "GET " + target + " HTTP/1.1\r\n" + fields
		if !strings.HasPrefix(got, want) {
			t.Errorf("backend got %q, want %q first", got, want)
		}
		for line := range strings.Lines(got[min(len(got), len(want)):]) {
			if line != "\r\n" && !strings.HasPrefix(line, "X-Forwarded-") && !strings.HasPrefix(line, "X-Sandbox-Id: a") {
				t.Errorf("%s: backend got %q as well", target, line)
			}
		}
		answer := make([]byte, len(okAnswer))
		if _, err := io.ReadFull(c.r, answer); err != nil || string(answer) != okAnswer {
			t.Fatalf("%s: client got %q, %v", target, answer, err)
		}
	}
}

// TestRequestsSentAhead: answers come in the order of the requests, the edge's own
// among those of a backend, whoever writes them.
func TestRequestsSentAhead(t *testing.T) {
	t.Parallel()
	addr, _ := rawBackend(t, func(head string, _ int) string {
		path := strings.Fields(head)[1]
		hints := "HTTP/1.1 103 Early Hints\r\nLink: <" + path + ">\r\n\r\n"
		return hints + fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
	})
	r := start(t, &Server{boxes: boxes(newBox("a", map[int]string{8080: addr}))},
		all(decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
			if strings.HasPrefix(req.Path, "/own") {
				return text(200, req.Path), nil
			}
			return &abi.Proxy{Sandbox: ref("a"), Port: 8080}, nil
		})))
	var ask, want strings.Builder
	paths := []string{"/own1", "/1", "/own2", "/own3", "/2", "/3", "/own4"}
	for range 5 {
		for _, p := range paths {
			if p == "/3" { // with a body
				ask.WriteString("PUT " + p + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\r\n")
			} else {
				ask.WriteString("GET " + p + " HTTP/1.1\r\nHost: a\r\n\r\n")
			}
			want.WriteString(p + " ")
		}
	}
	for _, step := range []int{1, 7, 100, ask.Len()} {
		c := r.dial(t)
		go func() {
			for s := ask.String(); s != ""; {
				n := min(step, len(s))
				if _, err := io.WriteString(c, s[:n]); err != nil {
					return
				}
				s = s[n:]
			}
		}()
		var got strings.Builder
		for range 5 * len(paths) {
			a := c.answer("GET")
			for a.StatusCode == http.StatusEarlyHints {
				a = c.answer("GET")
			}
			got.WriteString(a.body + " ")
		}
		if got.String() != want.String() {
			t.Errorf("in pieces of %d: got %s, want %s", step, &got, &want)
		}
	}
}

// TestGenerationsShareNoConnection: what was kept of a run that ended is closed and
// not used for the next.
func TestGenerationsShareNoConnection(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 10)
	old := backendThatTellsItsEnd(t, "old", closed)
	box := newBox("a", map[int]string{8080: old})
	relay := &bridge.Relay{}
	r := start(t, &Server{boxes: boxes(box), Relay: relay}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
	c := r.dial(t)
	ask := func(want string) {
		t.Helper()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := c.answer("GET"); got.body != want {
			t.Errorf("answer of %q, want %q", got.body, want)
		}
	}
	ask("old")
	ask("old")
	if n := box.dialled(); n != 1 {
		t.Errorf("%d dials for two requests", n)
	}
	box.mu.Lock()
	box.generation, box.ports = 2, map[int]string{8080: backendThatTellsItsEnd(t, "new", closed)}
	box.mu.Unlock()
	ask("new") // though the old connection is still there
	Connections{Relay: relay}.CloseSandbox("Sandbox", "a", 1, 1012, "restarted")
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the connection to the old run stayed open")
	}
	ask("new")
	if n := box.dialled(); n != 2 {
		t.Errorf("%d dials, want one for each run", n)
	}
}

func backendThatTellsItsEnd(t *testing.T, name string, closed chan struct{}) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }),
		ConnState: func(_ net.Conn, to http.ConnState) {
			if to == http.StateClosed {
				closed <- struct{}{}
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() { s.Close(); <-served })
	return ln.Addr().String()
}

// TestEarlyAnswerWhileTheClientWaits: a client that sends the rest of its body
// only when it has read the answer gets it, and one log line tells of it.
func TestEarlyAnswerWhileTheClientWaits(t *testing.T) {
	t.Parallel()
	ev := newEvents()
	addr, _ := rawBackend(t, func(string, int) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	})
	r := start(t, &Server{boxes: boxes(newBox("a", map[int]string{8080: addr})), Observe: ev.add}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
	c := r.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhello")
	if got := c.answer("POST"); got.StatusCode != 200 || got.body != "ok" || !got.Close {
		t.Errorf("answer %d %q, close %v", got.StatusCode, got.body, got.Close)
	}
	c.send("more")
	if !c.eof() {
		t.Error("the connection stayed open")
	}
	if e := ev.next(t); e.Status != 200 || e.BytesOut != 2 {
		t.Errorf("event %+v", e)
	}
}
