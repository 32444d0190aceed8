package host

import (
	"context"
	"strings"
	"testing"

	"edge/abi"
)

const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// corpus is requests that have two readings, or none, and what the gate says.
// Lines are written with \n for CR LF; \l is a bare LF and \c a CR.
var corpus = []struct {
	name, raw string
	status    int
}{
	{"plain", "GET / HTTP/1.1\nHost: a\n\n", 200},
	{"port", "GET / HTTP/1.1\nHost: a:8080\n\n", 200},
	{"ipv6", "GET / HTTP/1.1\nHost: [::1]:8080\n\n", 200},
	{"trailing dot", "GET / HTTP/1.1\nHost: a.example.:80\n\n", 200},
	{"absolute target", "GET http://A:80/x?y HTTP/1.1\nHost: a:80\n\n", 200},
	{"absolute target without path", "GET http://a HTTP/1.1\nHost: a\n\n", 200},
	{"url in query", "GET /?to=http://b/ HTTP/1.1\nHost: a\n\n", 200},
	{"url in path", "GET /http://b/ HTTP/1.1\nHost: a\n\n", 200},
	{"two slashes", "GET //b/c HTTP/1.1\nHost: a\n\n", 200},
	{"high bytes", "GET /\xc3\xa9 HTTP/1.1\nHost: a\nX: \xff\n\n", 200},
	{"body", "POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi", 200},
	{"chunked", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: Chunked\n\n2;x=y\nhi\n0\nT: v\n\n", 200},
	{"unknown method", "BREW / HTTP/1.1\nHost: a\n\n", 200},
	{"other upgrade", "GET / HTTP/1.1\nHost: a\nUpgrade: h2c\nConnection: upgrade\n\n", 200},
	{"upgrade without connection", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\n\n", 200},
	{"handshake", "GET / HTTP/1.1\nHost: a\nUpgrade: WebSocket\nConnection: keep-alive, Upgrade\nSec-WebSocket-Version: 13\n" + key + "\n", 200},

	{"length and chunked", "POST / HTTP/1.1\nHost: a\nContent-Length: 3\nTransfer-Encoding: chunked\n\n0\n\n", 400},
	{"chunked and length", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 3\n\n0\n\n", 400},
	{"two lengths", "POST / HTTP/1.1\nHost: a\nContent-Length: 2\nContent-Length: 3\n\nhi", 400},
	{"equal lengths", "POST / HTTP/1.1\nHost: a\nContent-Length: 2\nContent-Length: 2\n\nhi", 400},
	{"list of lengths", "POST / HTTP/1.1\nHost: a\nContent-Length: 2, 2\n\nhi", 400},
	{"signed length", "POST / HTTP/1.1\nHost: a\nContent-Length: +2\n\nhi", 400},
	{"negative length", "POST / HTTP/1.1\nHost: a\nContent-Length: -2\n\nhi", 400},
	{"hex length", "POST / HTTP/1.1\nHost: a\nContent-Length: 0x2\n\nhi", 400},
	{"empty length", "POST / HTTP/1.1\nHost: a\nContent-Length:\n\nhi", 400},
	{"length with a space", "POST / HTTP/1.1\nHost: a\nContent-Length: 1 2\n\nhi", 400},
	{"huge length", "POST / HTTP/1.1\nHost: a\nContent-Length: 99999999999999999999\n\nhi", 400},
	{"identity", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: identity\n\n", 400},
	{"gzip, chunked", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip, chunked\n\n0\n\n", 400},
	{"chunked twice", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n\n", 400},
	{"chunked, identity", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, identity\n\n0\n\n", 400},
	{"chunked behind a control", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: \x0bchunked\n\n0\n\n", 400},
	{"quoted chunked", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: \"chunked\"\n\n0\n\n", 400},
	{"folded line", "GET / HTTP/1.1\nHost: a\nX: y\n z\n\n", 400},
	{"folded with tab", "GET / HTTP/1.1\nHost: a\nX: y\n\tz\n\n", 400},
	{"first line folded", "GET / HTTP/1.1\n Host: a\nHost: a\n\n", 400},
	{"bare LF after request line", "GET / HTTP/1.1\\lHost: a\n\n", 400},
	{"bare LF after header", "GET / HTTP/1.1\nHost: a\\lX: y\n\n", 400},
	{"bare LF at the end", "GET / HTTP/1.1\nHost: a\n\\l", 400},
	{"all bare LF", "GET / HTTP/1.1\\lHost: a\\l\\l", 400},
	{"bare CR in value", "GET / HTTP/1.1\nHost: a\nX: y\rz\n\n", 400},
	{"two CR", "GET / HTTP/1.1\nHost: a\nX: y\\c\n\n", 400},
	{"NUL in value", "GET / HTTP/1.1\nHost: a\nX: y\x00z\n\n", 400},
	{"NUL in name", "GET / HTTP/1.1\nHost: a\nX\x00: y\n\n", 400},
	{"DEL in value", "GET / HTTP/1.1\nHost: a\nX: y\x7f\n\n", 400},
	{"space before colon", "GET / HTTP/1.1\nHost: a\nX : y\n\n", 400},
	{"tab before colon", "GET / HTTP/1.1\nHost: a\nContent-Length\t: 3\n\n", 400},
	{"space in name", "GET / HTTP/1.1\nHost: a\nX Y: z\n\n", 400},
	{"no colon", "GET / HTTP/1.1\nHost: a\nX\n\n", 400},
	{"empty name", "GET / HTTP/1.1\nHost: a\n: y\n\n", 400},
	{"name is no token", "GET / HTTP/1.1\nHost: a\nX(y): z\n\n", 400},
	{"name with a high byte", "GET / HTTP/1.1\nHost: a\nX\xe9: z\n\n", 400},
	{"connection is no token", "GET / HTTP/1.1\nHost: a\nConnection: clo se\n\n", 400},
	{"empty line first", "\nGET / HTTP/1.1\nHost: a\n\n", 400},
	{"space first", " GET / HTTP/1.1\nHost: a\n\n", 400},
	{"two spaces", "GET  / HTTP/1.1\nHost: a\n\n", 400},
	{"space in target", "GET /a b HTTP/1.1\nHost: a\n\n", 400},
	{"tab in target", "GET /a\tb HTTP/1.1\nHost: a\n\n", 400},
	{"control in target", "GET /a\x01b HTTP/1.1\nHost: a\n\n", 400},
	{"fragment", "GET /a#b HTTP/1.1\nHost: a\n\n", 400},
	{"no version", "GET /\nHost: a\n\n", 400},
	{"method is no token", "G(T / HTTP/1.1\nHost: a\n\n", 400},
	{"method too long", strings.Repeat("G", 40) + " / HTTP/1.1\nHost: a\n\n", 400},
	{"HTTP/1.0", "GET / HTTP/1.0\nHost: a\n\n", 505},
	{"HTTP/1.0 keep-alive", "GET / HTTP/1.0\nHost: a\nConnection: keep-alive\n\n", 505},
	{"HTTP/9.9", "GET / HTTP/9.9\nHost: a\n\n", 505},
	{"HTTP/1.1x", "GET / HTTP/1.1x\nHost: a\n\n", 400},
	{"http in small letters", "GET / http/1.1\nHost: a\n\n", 400},
	{"HTTP/2 preface", "PRI * HTTP/2.0\n\nSM\n\n", 505},
	{"no host", "GET / HTTP/1.1\nX: y\n\n", 400},
	{"no header", "GET / HTTP/1.1\n\n", 400},
	{"empty host", "GET / HTTP/1.1\nHost:\n\n", 400},
	{"two hosts", "GET / HTTP/1.1\nHost: a\nHost: b\n\n", 400},
	{"two equal hosts", "GET / HTTP/1.1\nHost: a\nhost: a\n\n", 400},
	{"list of hosts", "GET / HTTP/1.1\nHost: a, b\n\n", 400},
	{"host with user", "GET / HTTP/1.1\nHost: u@a\n\n", 400},
	{"host with path", "GET / HTTP/1.1\nHost: a/b\n\n", 400},
	{"host with space", "GET / HTTP/1.1\nHost: a b\n\n", 400},
	{"host with escape", "GET / HTTP/1.1\nHost: a%2eb\n\n", 400},
	{"host with bad port", "GET / HTTP/1.1\nHost: a:x\n\n", 400},
	{"host with empty port", "GET / HTTP/1.1\nHost: a:\n\n", 400},
	{"host with port 0", "GET / HTTP/1.1\nHost: a:0\n\n", 400},
	{"host with huge port", "GET / HTTP/1.1\nHost: a:65536\n\n", 400},
	{"host with two ports", "GET / HTTP/1.1\nHost: a:1:2\n\n", 400},
	{"host with two dots", "GET / HTTP/1.1\nHost: a..b\n\n", 400},
	{"host ends in two dots", "GET / HTTP/1.1\nHost: a..\n\n", 400},
	{"host is a dot", "GET / HTTP/1.1\nHost: .\n\n", 400},
	{"host is broken ipv6", "GET / HTTP/1.1\nHost: [::1\n\n", 400},
	{"host is no ipv6", "GET / HTTP/1.1\nHost: [1.2.3.4]\n\n", 400},
	{"absolute target of another host", "GET http://b/ HTTP/1.1\nHost: a\n\n", 400},
	{"absolute target of another port", "GET http://a:81/ HTTP/1.1\nHost: a:80\n\n", 400},
	{"absolute target with user", "GET http://u@a/ HTTP/1.1\nHost: a\n\n", 400},
	{"absolute target of another scheme", "GET ftp://a/ HTTP/1.1\nHost: a\n\n", 400},
	{"https target on http", "GET https://a/ HTTP/1.1\nHost: a\n\n", 400},
	{"asterisk", "OPTIONS * HTTP/1.1\nHost: a\n\n", 400},
	{"authority form", "GET a:80 HTTP/1.1\nHost: a:80\n\n", 400},
	{"relative", "GET a HTTP/1.1\nHost: a\n\n", 400},
	{"connect", "CONNECT a:80 HTTP/1.1\nHost: a:80\n\n", 405},
	{"trace", "TRACE / HTTP/1.1\nHost: a\n\n", 405},
	{"unknown expectation", "POST / HTTP/1.1\nHost: a\nExpect: tea\nContent-Length: 1\n\nx", 417},
	{"too large", "GET / HTTP/1.1\nHost: a\nX: " + strings.Repeat("y", 20<<10) + "\n\n", 431},
	{"too many headers", "GET / HTTP/1.1\nHost: a\n" + strings.Repeat("a:\n", abi.MaxHeaders) + "\n", 431},
	{"tls hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400},

	{"handshake by POST", "POST / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n" + key + "\n", 400},
	{"handshake with body", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nContent-Length: 2\n" + key + "\nhi", 400},
	{"no version 13", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n" + key + "\n", 426},
	{"version 8", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 8\n" + key + "\n", 426},
	{"versions 13 and 8", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Version: 8\n" + key + "\n", 426},
	{"no key", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n\n", 400},
	{"two keys", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n" + key + key + "\n", 400},
	{"short key", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: c2hvcnQ=\n\n", 400},
	{"key is no base64", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\n\n", 400},
}

// wire turns a corpus entry into bytes.
func wire(raw string) string {
	raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n")
	return strings.NewReplacer(`\l`, "\n", `\c`, "\r").Replace(raw)
}

func TestGateCorpus(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{MaxHeadBytes: 16 << 10}, all(always(text(200, "in"))))
	for _, tt := range corpus {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := r.dial(t)
			c.send(wire(tt.raw))
			got := c.answer("GET")
			if got.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", got.StatusCode, tt.status, got.body)
			}
			if tt.status == 200 {
				return
			}
			if !got.Close || !c.eof() {
				t.Error("the connection stays open after a refusal")
			}
			if !strings.Contains(got.body, `"code":"`) || got.Header.Get("X-Request-Id") == "" || got.Header.Get("Date") == "" {
				t.Errorf("answer is not an error of the API: %v %s", got.Header, got.body)
			}
			if tt.status == 426 && got.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Errorf("426 without Sec-WebSocket-Version: %v", got.Header)
			}
		})
	}
}

// TestGateOnKeptConnection sends the corpus as the second request, behind a good
// one in the same write: there the gate must hold as well.
func TestGateOnKeptConnection(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{MaxHeadBytes: 16 << 10}, all(always(text(200, "in"))))
	for _, tt := range corpus {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := r.dial(t)
			c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + wire(tt.raw))
			if got := c.answer("GET"); got.StatusCode != 200 {
				t.Fatalf("first answer %d: %s", got.StatusCode, got.body)
			}
			if got := c.answer("GET"); got.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", got.StatusCode, tt.status, got.body)
			}
			if tt.status != 200 && !c.eof() {
				t.Error("the connection stays open after a refusal")
			}
		})
	}
}

// TestGateByteByByte sends it in single bytes, so that every state of the framing
// check is met across reads.
func TestGateByteByByte(t *testing.T) {
	t.Parallel()
	for _, tt := range corpus {
		f := framing{}
		raw := wire(tt.raw)
		whole := framing{}
		_, wantErr := whole.scan([]byte(raw))
		var err error
		for i := 0; i < len(raw) && err == nil; i++ {
			_, err = f.scan([]byte{raw[i]})
		}
		if (err == nil) != (wantErr == nil) || err == nil && f.phase != whole.phase {
			t.Errorf("%s: byte by byte %v in phase %d, at once %v in phase %d", tt.name, err, f.phase, wantErr, whole.phase)
		}
	}
}

// TestChunksAreStrict wants a body whose chunks have two readings to break off.
func TestChunksAreStrict(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"space in size": "1 \r\nx\r\n0\r\n\r\n", "sign": "+1\r\nx\r\n0\r\n\r\n", "0x": "0x1\r\nx\r\n0\r\n\r\n", "empty": "\r\nx\r\n",
		"too long": "0000000000000001\r\nx\r\n0\r\n\r\n", "longer than said": "1\r\nxy\r\n0\r\n\r\n", "bare LF": "1\nx\r\n0\r\n\r\n",
		"bare LF after data": "1\r\nx\n0\r\n\r\n", "bare CR in extension": "1;a\rb\r\nx\r\n0\r\n\r\n", "bad trailer": "0\r\nA b: c\r\n\r\n",
		"bare LF after the last": "0\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := framing{}
			if _, err := f.scan([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			if _, err := f.scan([]byte(body)); err != nil {
				return
			}
			// A violation behind good bytes comes with the next call.
			if f.err == nil {
				t.Errorf("%q was accepted", body)
			}
		})
	}
}

// TestRequestAsSent wants the plugin to see the bytes the client sent, less what
// it may not say.
func TestRequestAsSent(t *testing.T) {
	t.Parallel()
	got := make(chan *abi.Request, 1)
	r := start(t, &Server{}, all(decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		c := *req
		got <- &c
		return text(200, ""), nil
	})))
	r.get(t, "A.Example:8787", "/a%2Fb//c/./d?x=%20&?", "x-LOWER:  v \r\nCookie: b=2\r\nX-Forwarded-For: 1.2.3.4\r\nx-sandbox-id: evil\r\n"+
		"Forwarded: for=x\r\nX-Mine: gone\r\nConnection: X-Mine, keep-alive\r\nCookie: a=1\r\nUSER-agent: me\r\nX-Empty:\r\n")
	req := <-got
	want := []abi.Header{{Name: "Host", Value: "A.Example:8787"}, {Name: "x-LOWER", Value: "v"}, {Name: "Cookie", Value: "b=2"}, {Name: "Connection", Value: "X-Mine, keep-alive"},
		{Name: "Cookie", Value: "a=1"}, {Name: "USER-agent", Value: "me"}, {Name: "X-Empty"}}
	if len(req.Headers) != len(want) {
		t.Fatalf("headers %v, want %v", req.Headers, want)
	}
	for i := range want {
		if req.Headers[i] != want[i] {
			t.Errorf("header %d is %v, want %v", i, req.Headers[i], want[i])
		}
	}
	if req.Path != "/a%2Fb//c/./d" || req.Query != "x=%20&?" || !req.HasQuery || req.Host != "A.Example:8787" || req.Method != "GET" ||
		req.Body != nil || req.ID == "" || !strings.HasPrefix(req.RemoteAddr, "127.0.0.1:") {
		t.Errorf("request %+v", req)
	}
}
