package host

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"edge/abi"
)

// TestLogLinesStayWhole: nothing that a server, a proxy in front or somebody who
// speaks no HTTP says ends a line of a log, begins one, or steers the terminal that
// shows it; in text and in JSON, with everything that is logged at debug.
func TestLogLinesStayWhole(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{false, true} {
		t.Run(fmt.Sprintf("json %t", asJSON), func(t *testing.T) {
			t.Parallel()
			var out syncBuffer
			lines := NewAccessLog(&out, asJSON)
			options := &slog.HandlerOptions{Level: slog.LevelDebug}
			var h slog.Handler = slog.NewTextHandler(lines, options)
			if asJSON {
				h = slog.NewJSONHandler(lines, options)
			}
			b := &rogue{t: t, bad: sayNasty}
			b.start()
			s := &Server{
				boxes: boxes(newBox("a", map[int]string{8080: b.addr})), Log: slog.New(h), AccessLog: lines,
				TrustedProxies: prefixes("127.0.0.0/8"),
			}
			r := start(t, s, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
			behind := startAt(t, &Server{
				Log: slog.New(h), AccessLog: lines, TrustedProxies: prefixes("127.0.0.0/8"), ProxyProtocol: true, HeadTimeout: 2 * time.Second,
			}, nil, &entry{tls: serverTLS(t)})
			perText := len(nastyPlaces) + len(nastyForwarded)
			t.Run("all", func(t *testing.T) {
				for i, n := range nasty {
					t.Run(strconv.Itoa(i), func(t *testing.T) {
						t.Parallel()
						sayEverywhere(t, r, behind, i, n)
					})
				}
			})
			requests := len(nasty) * perText
			count := func() (n int) {
				lines.Flush()
				for l := range strings.Lines(out.String()) {
					if strings.Contains(l, "msg=request ") || strings.Contains(l, `"msg":"request"`) {
						n++
					}
				}
				return n
			}
			for deadline := time.Now().Add(patience); count() < requests && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			}
			if n := count(); n != requests {
				t.Errorf("%d lines of %d requests", n, requests)
			}
			for line := range strings.Lines(out.String()) {
				checkLogLine(t, line, asJSON)
			}
		})
	}
}

// nastyForwarded are what a proxy in front may say.
var nastyForwarded = []string{"X-Forwarded-For: %s", "X-Forwarded-For: %s, 10.0.0.1", "X-Forwarded-Proto: %s", "X-Forwarded-Port: %s"}

// sayEverywhere has the ith of nasty said by everybody who can.
func sayEverywhere(t *testing.T, r, behind *running, i int, n string) {
	for place := range nastyPlaces {
		upgrade := ""
		if place >= firstUpgrade {
			upgrade = handshake
		}
		r.sayTo(t, fmt.Sprintf("GET /%d/%d HTTP/1.1\r\nHost: a\r\n%s\r\n", i, place, upgrade))
	}
	for _, head := range nastyForwarded {
		r.sayTo(t, "GET /good HTTP/1.1\r\nHost: a\r\n"+strings.Replace(head, "%s", n, 1)+"\r\n\r\n")
	}
	behind.sayTo(t, n)
	behind.sayTo(t, "PROXY TCP4 "+n+" 1.2.3.4 1 2\r\n")
	behind.sayTo(t, "PROXY TCP4 1.2.3.5 1.2.3.4 1 2\r\n"+n)
	behind.sayTo(t, proxyV2(0x21, 0x11, fourToFour+n)+n)
}

// nastyPlaces are where a backend puts something nasty; those from firstUpgrade on
// answer a WebSocket's handshake.
var nastyPlaces = []string{
	"HTTP/1.1 200 %s\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 %s OK\r\nContent-Length: 0\r\n\r\n",
	"%s\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX%s: y\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: %s\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX%s: y\r\n\r\n",
	"HTTP/1.1 101 %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ?\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ?\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	"close",
}

const firstUpgrade = 9

// sayNasty answers "/{n}/{place}" with the nth of nasty in that place.
func sayNasty(c *net.TCPConn, head string) bool {
	var n, place int
	if _, err := fmt.Sscanf(head, "GET /%d/%d ", &n, &place); err != nil {
		return false
	}
	text := nastyPlaces[place]
	if text == "close" {
		reason := nasty[n]
		text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ?\r\n\r\n" + frame(8, "\x0b\xb8"+reason, false)
	} else {
		text = strings.Replace(text, "%s", nasty[n], 1)
	}
	_, _ = io.WriteString(c, strings.Replace(text, "?", accept(headerOf(head, "Sec-WebSocket-Key")), 1))
	return false
}

// sayTo sends bytes on a connection of its own and waits for its end, or for an answer.
func (r *running) sayTo(t *testing.T, raw string) {
	t.Helper()
	c := r.dial(t)
	defer c.Close()
	_, _ = io.WriteString(c, raw)
	if w, ok := c.Conn.(*net.TCPConn); ok && !strings.HasPrefix(raw, "GET ") {
		_ = w.CloseWrite()
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err == nil && resp.StatusCode != 101 {
		_, _ = io.Copy(io.Discard, resp.Body)
		return
	}
	_, _ = io.Copy(io.Discard, c.r)
}

// checkLogLine wants a line that one record was written as.
func checkLogLine(t *testing.T, line string, asJSON bool) {
	t.Helper()
	if i := strings.IndexFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 && !asJSON {
		t.Errorf("a line holds %q", line[i:])
	}
	if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' || r == '\u2028' }) {
		t.Errorf("a line holds a control character: %q", line)
	}
	if asJSON {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["msg"] == nil || fields["msg"] == "forged" {
			t.Errorf("%q is no record: %v", line, err)
		}
		return
	}
	if !strings.HasPrefix(line, "time=") || strings.Count(line, " level=") != 1 || strings.Count(line, " status=") > 1 {
		t.Errorf("%q is no record", line)
	}
}
