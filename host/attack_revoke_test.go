package host

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
)

// late is what a client sends after the exposure's taking back was answered. No
// backend may ever see it.
const late = "LATE-LATE-LATE"

// listener is a backend that reads whatever comes, in each way that a client can send
// it, and remembers whether it read what is late.
type listener struct {
	lates, begun atomic.Int32
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.begun.Add(1)
	if strings.Contains(r.RequestURI, late) {
		l.lates.Add(1)
	}
	switch {
	case r.Header.Get("Upgrade") != "":
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept(r.Header.Get("Sec-WebSocket-Key")))
		_ = rw.Flush()
		l.read(rw)
	case r.Method == "POST":
		l.read(r.Body)
	case strings.HasPrefix(r.RequestURI, "/events"):
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; r.Context().Err() == nil; i++ {
			if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	case strings.HasPrefix(r.RequestURI, "/download"):
		for piece := bytes.Repeat([]byte("x"), 32<<10); r.Context().Err() == nil; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
}

// read reads to the end.
func (l *listener) read(r io.Reader) {
	tail := ""
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		tail += string(buf[:n])
		if strings.Contains(tail, late) {
			l.lates.Add(1)
			return
		}
		tail = tail[max(0, len(tail)-len(late)):]
		if err != nil {
			return
		}
	}
}

// traffic opens something through a preview and returns it when it goes on, and how
// it is tried to send what is late on it.
var traffic = map[string]struct{ head, first, late string }{
	"WebSocket": {"GET /ws HTTP/1.1\r\nHost: %s\r\n" + handshake + "\r\n", "", frame(2, late, true)},
	"upload":    {"POST /up HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\n", "begin", late},
	"chunks":    {"POST /up HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nbegin\r\n", "e\r\n" + late + "\r\n"},
	"events":    {"GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", "", ""},
	"download":  {"GET /download HTTP/1.1\r\nHost: %s\r\n\r\n", "", ""},
	"kept":      {"GET / HTTP/1.1\r\nHost: %s\r\n\r\n", "", "GET /" + late + " HTTP/1.1\r\nHost: %[1]s\r\n\r\n"},
}

// waysOut are what takes an exposure of port 8080 of the sandbox back, done when it
// returns.
var waysOut = map[string]func(t *testing.T, a *arena, id string){
	"unexposePort": func(t *testing.T, a *arena, id string) { a.unexpose(t, id, 8080) },
	"another token": func(t *testing.T, a *arena, id string) {
		a.expose(t, id, abi.ExposePortRequest{Port: 8080, Token: "another_one"})
	},
	"public": func(t *testing.T, a *arena, id string) {
		a.expose(t, id, abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic})
	},
	"destroy": func(t *testing.T, a *arena, id string) {
		if _, err := a.box(t, id).Destroy(t.Context(), &abi.Empty{}); err != nil {
			t.Error(err)
		}
	},
	"destroy and make again": func(t *testing.T, a *arena, id string) {
		if _, err := a.box(t, id).Destroy(t.Context(), &abi.Empty{}); err != nil {
			t.Error(err)
		}
		a.expose(t, id, abi.ExposePortRequest{Port: 8080, Token: "another_one"})
	},
	"expiry": func(t *testing.T, a *arena, id string) {
		a.expose(t, id, abi.ExposePortRequest{Port: 8080, TTL: 1})
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			got, err := a.box(t, id).GetExposedPorts(t.Context(), &abi.Empty{})
			if err == nil && len(got.Ports) == 0 && a.table.CountSandbox("Sandbox", id, nil) == 0 || time.Now().After(deadline) {
				return
			}
		}
	},
}

// TestNothingPassesAfterTakingBack takes an exposure back in each way there is, while
// each kind of traffic goes through it: what a client sends after the answer never
// reaches the backend, and what is open ends.
func TestNothingPassesAfterTakingBack(t *testing.T) {
	t.Parallel()
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		a := newArena(t, &Server{}, nil)
		nothingPasses(t, a, a.dial)
	})
	t.Run("https", func(t *testing.T) {
		t.Parallel()
		a := newArena(t, &Server{}, nil)
		nothingPasses(t, a, a.secure(t))
	})
}

// secure has the arena serve HTTPS too, and returns what connects to that.
func (a *arena) secure(t *testing.T) (dial func(testing.TB) *client) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := serverTLS(t)
	go func() {
		if err := a.ServeTLS(ln, config); err != nil { // until the arena is shut down
			t.Error(err)
		}
	}()
	r := &running{Server: a.Server, addr: ln.Addr().String()}
	return func(t testing.TB) *client { return r.dialTLS(t) }
}

func nothingPasses(t *testing.T, a *arena, dial func(testing.TB) *client) {
	for way, out := range waysOut {
		for kind, tr := range traffic {
			t.Run(way+"/"+kind, func(t *testing.T) {
				t.Parallel()
				id := strings.ToLower(strings.ReplaceAll(way+"-"+kind, " ", "-"))
				l := &listener{}
				a.machines.set("Sandbox."+id, 8080, backend(t, l.ServeHTTP))
				label, _ := a.expose(t, id, abi.ExposePortRequest{Port: 8080, Token: "tok"})
				c := dial(t)
				c.send(fmt.Sprintf(tr.head, label+".localhost") + tr.first)
				a.flowing(t, c, l, kind)
				out(t, a, id)
				if tr.late != "" {
					_, _ = io.WriteString(c, fmt.Sprintf(tr.late, label+".localhost")) // it may be closed
				}
				switch kind {
				case "kept":
					if got := c.answer("GET"); got.StatusCode != 404 {
						t.Errorf("another request on the connection is answered %d", got.StatusCode)
					}
				default:
					if n, err := io.Copy(io.Discard, c.r); isTimeout(err) {
						t.Errorf("it is open after %d bytes", n)
					}
				}
				if got := a.get(t, label+".localhost", "/"+late, ""); got.StatusCode != 404 {
					t.Errorf("a new request is answered %d", got.StatusCode)
				}
				if l.lates.Load() != 0 {
					t.Error("the backend saw what was sent after the exposure was taken back")
				}
			})
		}
	}
}

// flowing returns when the traffic has reached the backend and, where something comes
// back, that has come.
func (a *arena) flowing(t *testing.T, c *client, l *listener, kind string) {
	t.Helper()
	switch kind {
	case "upload", "chunks":
		for deadline := time.Now().Add(patience); l.begun.Load() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the backend saw no request")
			}
		}
	case "kept":
		if got := c.answer("GET"); got.StatusCode != 200 {
			t.Fatalf("answer %d %s", got.StatusCode, got.body)
		}
	default:
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil || resp.StatusCode >= 400 {
			t.Fatalf("answer %v, %v", resp, err)
		}
		if kind != "WebSocket" {
			if _, err := io.CopyN(io.Discard, resp.Body, 100); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLateFrames has many sockets of one exposure send all the time while that is
// taken back: of what they begin to send after the answer, the backend sees nothing.
func TestLateFrames(t *testing.T) {
	t.Parallel()
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		a := newArena(t, &Server{}, nil)
		lateFrames(t, a, a.dial)
	})
	t.Run("https", func(t *testing.T) {
		t.Parallel()
		a := newArena(t, &Server{}, nil)
		lateFrames(t, a, a.secure(t))
	})
}

func lateFrames(t *testing.T, a *arena, dial func(testing.TB) *client) {
	l := &listener{}
	a.machines.set("Sandbox.busy", 8080, backend(t, l.ServeHTTP))
	label, _ := a.expose(t, "busy", abi.ExposePortRequest{Port: 8080})
	const sockets = 24
	var over atomic.Bool
	open := make(chan struct{})
	var senders sync.WaitGroup
	for range sockets {
		c := dial(t)
		c.send("GET /ws HTTP/1.1\r\nHost: " + label + ".localhost\r\n" + handshake + "\r\n")
		if got := c.answer("GET"); got.StatusCode != 101 {
			close(open)
			t.Fatalf("handshake: %d %s", got.StatusCode, got.body)
		}
		senders.Go(func() {
			<-open
			sendUntilLate(c, &over)
		})
	}
	close(open)
	a.unexpose(t, "busy", 8080)
	over.Store(true)
	senders.Wait()
	for deadline := time.Now().Add(patience); a.table.Count(nil) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open", a.table.Count(nil))
		}
	}
	if n := l.lates.Load(); n > 0 {
		t.Errorf("the backend saw a late frame of %d of %d sockets", n, sockets)
	}
}

// sendUntilLate sends frames until over, and then one that is late.
func sendUntilLate(c *client, over *atomic.Bool) {
	for {
		word := "fine"
		last := over.Load()
		if last {
			word = late
		}
		if _, err := io.WriteString(c, frame(2, word, true)); err != nil || last {
			return
		}
	}
}
