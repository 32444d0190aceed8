package host

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"edge/abi"
)

// FuzzGate sends bytes through fasthttp's parser, the framing check and the gate
// as a connection would. What they let in, net/http must read the same way.
func FuzzGate(f *testing.F) {
	for _, tt := range corpus {
		f.Add([]byte(wire(tt.raw)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		end := bytes.Index(raw, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		var check framing
		if _, err := check.scan(raw[:end+4]); err != nil {
			return
		}
		var fh fasthttp.RequestHeader
		fh.DisableNormalizing()
		if err := fh.Read(bufio.NewReaderSize(bytes.NewReader(raw), 64<<10)); err != nil {
			return
		}
		h, r := gate(&fh)
		if r != nil {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			// net/http is stricter about escapes in targets, about trailers that
			// are announced, and in nothing that concerns framing.
			if strings.Contains(err.Error(), "parse ") || strings.Contains(err.Error(), "bad trailer key") {
				return
			}
			t.Fatalf("let in what net/http refuses: %v\n%q", err, raw)
		}
		if req.ContentLength != h.contentLength || req.Method != h.method || !strings.EqualFold(req.Host, h.host) {
			t.Fatalf("read as %d %s %s, by net/http as %d %s %s\n%q", h.contentLength, h.method, h.host, req.ContentLength, req.Method, req.Host, raw)
		}
		for _, hd := range h.headers {
			if !abi.ValidToken(hd.Name) || !abi.ValidValue(hd.Value) {
				t.Fatalf("header %q: %q", hd.Name, hd.Value)
			}
		}
		if asBody := check.phase == phaseBody || check.phase == phaseSize; !h.asksUpgrade && asBody != (h.contentLength != 0) {
			t.Fatalf("the framing check is in phase %d with a length of %d\n%q", check.phase, h.contentLength, raw)
		}
	})
}

// FuzzFraming wants the framing check to come to the same end however the bytes
// are split, and never to call more good than there is.
func FuzzFraming(f *testing.F) {
	for _, tt := range corpus {
		f.Add([]byte(wire(tt.raw)), uint8(3))
	}
	f.Add([]byte("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\nGET / HTTP/1.1\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, step uint8) {
		var whole, pieces framing
		good, err := whole.scan(raw)
		if good > len(raw) || good < 0 {
			t.Fatalf("%d of %d bytes are good", good, len(raw))
		}
		if err != nil {
			return // pieces stop elsewhere in the same message
		}
		n := max(1, int(step))
		for rest := raw; len(rest) > 0; {
			cut := min(n, len(rest))
			if _, err := pieces.scan(rest[:cut]); err != nil {
				t.Fatalf("in pieces of %d: %v", n, err)
			}
			rest = rest[cut:]
		}
		if whole.phase != pieces.phase || whole.left != pieces.left {
			t.Fatalf("at once phase %d left %d, in pieces phase %d left %d", whole.phase, whole.left, pieces.phase, pieces.left)
		}
	})
}

// FuzzHostName wants a name to be stable: what is accepted is accepted again.
func FuzzHostName(f *testing.F) {
	for _, s := range []string{"a", "A.b.:80", "[::1]:8", "a..b", "u@a", "1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := hostName(host)
		if !ok {
			return
		}
		again, ok := hostName(name)
		if !ok || again != name || strings.ToLower(name) != name {
			t.Errorf("%q became %q and then %q, %v", host, name, again, ok)
		}
	})
}

const browserHead = "Host: 8080.example:8787\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n" +
	"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nPriority: u=0, i\r\n\r\n"

// BenchmarkGateAndRoute is a browser's head through framing check, gate, preview
// test and ten routes.
func BenchmarkGateAndRoute(b *testing.B) {
	s := &Server{Domains: []string{"localhost"}}
	var routes []Route
	for range 9 {
		routes = append(routes, Route{Host: "other.example", Path: "/x/*", Chain: []Plugin{{Name: "p", Decider: always(nil)}}})
	}
	if err := s.SetRoutes(append(routes, Route{Chain: []Plugin{{Name: "p", Decider: always(nil)}}})); err != nil {
		b.Fatal(err)
	}
	raw := []byte("GET /index.html?x=1 HTTP/1.1\r\n" + browserHead)
	b.ReportAllocs()
	for b.Loop() {
		var check framing
		if _, err := check.scan(raw); err != nil {
			b.Fatal(err)
		}
		h, r := parseHead("GET", "/index.html?x=1", "HTTP/1.1", browserHead)
		if r != nil {
			b.Fatal(r.err)
		}
		if _, ok := s.previewOf(h.name, h.path); ok || s.route(h.name, h.path) == nil {
			b.Fatal("no route")
		}
	}
}

// BenchmarkRespond is small answers over loopback, one connection for each
// processor, one request at a time on each.
func BenchmarkRespond(b *testing.B) {
	r := start(b, &Server{}, all(always(text(200, "hello"))))
	request := "GET / HTTP/1.1\r\n" + browserHead
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := r.dial(b)
		for pb.Next() {
			c.send(request)
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
