package host

import (
	"bufio"
	"context"
	"crypto/tls"
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

// slowClients is how many hold a connection each with a head that does not end.
const slowClients = 2000

// TestSlowHeads: clients that send a head byte by byte, none at all, or half of a
// greeting keep nobody else from being served, are never a request to anybody, and are
// sent away when their time is over, however busy they look.
func TestSlowHeads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		entry  func(t *testing.T) *entry
		begin  []string
		drip   string
		answer string // what most of them are told
	}{
		{"heads", func(*testing.T) *entry { return &entry{} }, []string{"GET / HTTP/1.1\r\nHost: app\r\nX-A: ", "GET /", "GET / HTTP/1.1\r\nHost: app\r\n", "G"}, "A", "HTTP/1.1 408 "},
		{"greetings of TLS", func(t *testing.T) *entry { return &entry{tls: serverTLS(t)} }, []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}, "\x00", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { // one after the other: each takes 4,000 descriptors
			var asked atomic.Int64
			decider := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
				asked.Add(1)
				return text(200, "hello"), nil
			})
			e := tt.entry(t)
			r := startAt(t, &Server{HeadTimeout: 4 * time.Second}, all(decider), e)
			slow := dialMany(t, r.addr, tt.begin)
			stop := make(chan struct{})
			var dripping sync.WaitGroup
			dripping.Go(func() { dripOn(slow, tt.drip, stop) })

			const others = 100
			for range others {
				c := r.dial(t)
				if e.tls != nil {
					over := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
					c = &client{Conn: over, t: t, r: bufio.NewReader(over)}
				}
				c.send("GET / HTTP/1.1\r\nHost: app\r\n\r\n")
				if got := c.answer("GET"); got.StatusCode != 200 {
					t.Errorf("another client got %d %s", got.StatusCode, got.body)
				}
				_ = c.Close()
			}
			told, ended := readAll(slow)
			close(stop)
			dripping.Wait()
			right := 0
			for _, s := range told {
				if strings.HasPrefix(s, tt.answer) {
					right++
				}
			}
			t.Logf("%d of %d were answered as they should", right, slowClients)
			if ended != slowClients || right < slowClients/2 { // an answer is lost where bytes cross it
				t.Errorf("%d of %d connections ended, %d with %q", ended, slowClients, right, tt.answer)
			}
			if n := asked.Load(); n != others {
				t.Errorf("%d requests were decided on, want %d", n, others)
			}
			if n := r.live.Load(); n != 0 {
				t.Errorf("%d exchanges are left", n)
			}
		})
	}
}

// dialMany opens the slow clients' connections, each with the beginning of something.
func dialMany(t *testing.T, addr string, begin []string) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, slowClients)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("connection %d: %v (the limit of descriptors must be above %d)", i, err, 3*slowClients)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(5 * time.Minute)) // thousands at a time
		if i%8 != 0 {                                      // the others say nothing
			_, _ = io.WriteString(c, begin[i%len(begin)])
		}
		conns[i] = c
	}
	return conns
}

// dripOn sends a piece on a part of the connections again and again, until it is
// told to stop.
func dripOn(conns []net.Conn, piece string, stop <-chan struct{}) {
	for round := 0; ; round++ {
		for i := round % 4; i < len(conns); i += 4 {
			if i%8 != 0 {
				_, _ = io.WriteString(conns[i], piece) // it may be closed by now
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(250 * time.Millisecond): // the clients' slowness
		}
	}
}

// readAll reads each connection to its end and counts those that had one.
func readAll(conns []net.Conn) (told []string, ended int) {
	told = make([]string, len(conns))
	for i, c := range conns {
		b, err := io.ReadAll(c)
		if told[i] = string(b); !isTimeout(err) {
			ended++
		}
	}
	return told, ended
}

// TestSlowBodies: bodies that come byte by byte, longer than a silence may be, arrive
// whole, and nobody waits for them but who sends them. Where this machine itself is
// silent for too long, it shows nothing, and longer silences are tried.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	for silence := 2 * time.Second; ; silence *= 2 {
		wrong, longest := slowBodies(t, silence)
		t.Logf("a silence may take %s, and the longest took %s", silence, longest.Round(time.Millisecond))
		if longest > silence/2 && silence < time.Minute {
			continue
		}
		for _, text := range wrong {
			t.Error(text)
		}
		return
	}
}

// slowBodies has clients send bodies to a server of that patience, and tells what
// went wrong, and how long the longest time was from one byte of a client to the next.
func slowBodies(t *testing.T, silence time.Duration) (wrong []string, longest time.Duration) {
	t.Helper()
	const clients, size = 100, 20
	r := toBackend(t, &Server{BodyTimeout: silence}, func(w http.ResponseWriter, req *http.Request) {
		b, err := io.ReadAll(req.Body)
		fmt.Fprint(w, len(b), " ", err)
	})
	conns, last := make([]*client, clients), make([]time.Time, clients)
	send := func(i int, even, odd string) {
		text := even
		if i%2 == 1 {
			text = odd
		}
		if _, err := io.WriteString(conns[i], text); err != nil {
			wrong = append(wrong, fmt.Sprintf("client %d: %v", i, err))
		}
		now := time.Now()
		if !last[i].IsZero() {
			longest = max(longest, now.Sub(last[i]))
		}
		last[i] = now
	}
	for i := range conns {
		conns[i] = r.dial(t)
		const head = "POST /slow HTTP/1.1\r\nHost: a\r\n"
		send(i, head+fmt.Sprintf("Content-Length: %d\r\n\r\n", size), head+"Transfer-Encoding: chunked\r\n\r\n")
	}
	begun := time.Now()
	for n := range size {
		for i := range conns {
			send(i, "b", "1\r\nb\r\n")
		}
		if got := r.get(t, "a", "/other", ""); got.StatusCode != 200 || got.body != "0 <nil>" {
			wrong = append(wrong, fmt.Sprintf("another client got %d %s behind byte %d", got.StatusCode, got.body, n))
		}
		time.Sleep(time.Duration(n+1)*silence/16 - time.Since(begun)) // the clients' slowness
	}
	for i := range conns {
		send(i, "", "0\r\n\r\n")
	}
	for i, c := range conns {
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("client %d: %v", i, err))
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || string(body) != fmt.Sprint(size, " <nil>") {
			wrong = append(wrong, fmt.Sprintf("client %d got %d %s, %v", i, resp.StatusCode, body, err))
		}
	}
	return wrong, longest
}

// TestLargeHeads: what is larger than a head may be is told so, whichever part of it
// is, and the bound is the server's own.
func TestLargeHeads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, head string
		limit      int
		status     int
	}{
		{"within", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 15<<10) + "\r\n\r\n", 0, 200},
		{"value", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 20<<10) + "\r\n\r\n", 0, 431},
		{"name", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("y", 20<<10) + ": x\r\n\r\n", 0, 431},
		{"target", "GET /" + strings.Repeat("y", 20<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", 0, 431},
		{"many", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 4<<10) + "\r\n", 0, 431},
		{"that has no end", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 4<<10), 0, 431},
		{"line that has no end", "GET /" + strings.Repeat("y", 64<<10), 0, 431},
		{"as many as may be", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", abi.MaxHeaders-1) + "\r\n", 0, 200},
		{"one more", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", abi.MaxHeaders) + "\r\n", 0, 431},
		{"another bound", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 20<<10) + "\r\n\r\n", 32 << 10, 200},
		{"beyond another bound", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 40<<10) + "\r\n\r\n", 32 << 10, 431},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &Server{MaxHeadBytes: tt.limit}, all(always(text(200, "in"))))
			c := r.dial(t)
			var sending sync.WaitGroup
			sending.Go(func() { _, _ = io.WriteString(c, tt.head) }) // it is not all wanted
			got := c.answer("GET")
			sending.Wait()
			if got.StatusCode != tt.status || tt.status != 200 && (!got.Close || !c.eof()) {
				t.Errorf("answer %d %s", got.StatusCode, got.body)
			}
			if other := r.get(t, "a", "/", ""); other.StatusCode != 200 {
				t.Errorf("another client got %d", other.StatusCode)
			}
		})
	}
}
