package host

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func prefixes(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func TestOriginOf(t *testing.T) {
	t.Parallel()
	s := &Server{TrustedProxies: prefixes("10.0.0.0/8", "2001:db8:1::/48")}
	const (
		proxy    = "10.0.0.1:9"
		stranger = "203.0.113.9:9"
	)
	for _, tt := range []struct {
		name, peer, head string
		client           string
		scheme           string
		port             int
		odd              string
	}{
		{"no headers", proxy, "", proxy, "http", 0, ""},
		{"one hop", proxy, "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n", "203.0.113.7:0", "https", 8443, ""},
		{"with its port", proxy, "X-Forwarded-For: 203.0.113.7:55\r\n", "203.0.113.7:55", "http", 0, ""},
		{"IPv6", proxy, "X-Forwarded-For: 2001:db8::7\r\n", "[2001:db8::7]:0", "http", 0, ""},
		{"IPv6 in brackets", proxy, "X-Forwarded-For: [2001:db8::7]\r\n", "[2001:db8::7]:0", "http", 0, ""},
		{"IPv6 with its port", proxy, "X-Forwarded-For: [2001:db8::7]:55\r\n", "[2001:db8::7]:55", "http", 0, ""},
		{"IPv4 in IPv6", proxy, "X-Forwarded-For: ::ffff:203.0.113.7\r\n", "203.0.113.7:0", "http", 0, ""},
		{"two proxies", proxy, "X-Forwarded-For: 203.0.113.7, 2001:db8:1::5\r\n", "203.0.113.7:0", "http", 0, ""},
		{"what the client made up stands first", proxy, "X-Forwarded-For: 127.0.0.1, 10.0.0.5, 203.0.113.7, 10.0.0.3\r\n", "203.0.113.7:0", "http", 0, ""},
		{"several headers are one list", proxy, "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.0.0.3\r\n", "203.0.113.7:0", "http", 0, ""},
		{"nobody but proxies", proxy, "X-Forwarded-For: 10.0.0.9, 10.0.0.3\r\n", "10.0.0.9:0", "http", 0, ""},
		{"empty elements", proxy, "X-Forwarded-For: , 203.0.113.7 ,\t, \r\n", "203.0.113.7:0", "http", 0, ""},
		{"nothing but commas", proxy, "X-Forwarded-For: ,,,\r\n", proxy, "http", 0, ""},
		{"names in any case", proxy, "x-forwarded-for: 203.0.113.7\r\nX-FORWARDED-PROTO: HTTPS\r\n", "203.0.113.7:0", "https", 0, ""},

		{"a stranger", stranger, "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n", stranger, "http", 0, ""},
		{"no address at all", "", "X-Forwarded-For: 203.0.113.7\r\n", "", "http", 0, ""},

		{"a word", proxy, "X-Forwarded-For: 203.0.113.7, unknown\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"a word behind a proxy", proxy, "X-Forwarded-For: 203.0.113.7, _hidden, 10.0.0.3\r\n", "10.0.0.3:0", "http", 0, "X-Forwarded-For"},
		{"in quotes", proxy, "X-Forwarded-For: \"203.0.113.7\"\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"leading zeros", proxy, "X-Forwarded-For: 203.0.113.007\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"port out of range", proxy, "X-Forwarded-For: 203.0.113.7:70000\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"half a bracket", proxy, "X-Forwarded-For: [2001:db8::7\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"the other half", proxy, "X-Forwarded-For: 2001:db8::7]\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"IPv4 in brackets", proxy, "X-Forwarded-For: [203.0.113.7]\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"with a zone", proxy, "X-Forwarded-For: fe80::1%eth0\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"a space within", proxy, "X-Forwarded-For: 203.0.113.7 203.0.113.8\r\n", proxy, "http", 0, "X-Forwarded-For"},
		{"another scheme", proxy, "X-Forwarded-Proto: wss\r\n", proxy, "http", 0, "X-Forwarded-Proto"},
		{"a list of schemes", proxy, "X-Forwarded-Proto: https, http\r\n", proxy, "http", 0, "X-Forwarded-Proto"},
		{"two schemes", proxy, "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n", proxy, "http", 0, "X-Forwarded-Proto"},
		{"no scheme", proxy, "X-Forwarded-Proto:\r\n", proxy, "http", 0, "X-Forwarded-Proto"},
		{"port 0", proxy, "X-Forwarded-Port: 0\r\n", proxy, "http", 0, "X-Forwarded-Port"},
		{"a port with a sign", proxy, "X-Forwarded-Port: +443\r\n", proxy, "http", 0, "X-Forwarded-Port"},
		{"no port", proxy, "X-Forwarded-Port: https\r\n", proxy, "http", 0, "X-Forwarded-Port"},
		{"a port too high", proxy, "X-Forwarded-Port: 65536\r\n", proxy, "http", 0, "X-Forwarded-Port"},
		{"the rest still counts", proxy, "X-Forwarded-For: nobody\r\nX-Forwarded-Proto: https\r\n", proxy, "https", 0, "X-Forwarded-For"},
		{"Forwarded is not read", proxy, "Forwarded: for=203.0.113.7;proto=https\r\n", proxy, "http", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, r := parseHead("GET", "/", "HTTP/1.1", "Host: app\r\n"+tt.head+"\r\n")
			if r != nil {
				t.Fatal(r.err)
			}
			c := &clientConn{}
			if tt.peer != "" {
				c.peer = netip.MustParseAddrPort(tt.peer)
			}
			c.trusted = s.trusts(c.peer.Addr())
			o, odd := s.originOf(c, h.forwarding)
			got := ""
			if o.client.IsValid() {
				got = o.client.String()
			}
			if got != tt.client || o.scheme != tt.scheme || o.port != tt.port || odd != tt.odd {
				t.Errorf("client %s, scheme %s, port %d, not understood %q; want %s, %s, %d, %q",
					got, o.scheme, o.port, odd, tt.client, tt.scheme, tt.port, tt.odd)
			}
			if len(h.headers) != 1 {
				t.Errorf("left in the head: %v", h.headers)
			}
		})
	}
}

func TestForwardedPort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host string
		from origin
		want string
	}{
		{"app", origin{scheme: "http"}, "80"},
		{"app", origin{scheme: "https"}, "443"},
		{"app:8787", origin{scheme: "http"}, "8787"},
		{"app:8787", origin{scheme: "https", port: 443}, "443"},
		{"[::1]", origin{scheme: "http"}, "80"},
		{"[2001:db8::1]:8443", origin{scheme: "https"}, "8443"},
		{"app:", origin{scheme: "https"}, "443"},
	} {
		if got := tt.from.forwardedPort(tt.host); got != tt.want {
			t.Errorf("%s, %+v: %s, want %s", tt.host, tt.from, got, tt.want)
		}
	}
}

// FuzzForwarded: whatever a proxy writes, the client is an address that was there,
// and never a trusted one if another stands in front of those.
func FuzzForwarded(f *testing.F) {
	f.Add("203.0.113.7, 10.0.0.3")
	f.Add("[2001:db8::7]:5,,unknown")
	f.Fuzz(func(t *testing.T, list string) {
		s := &Server{TrustedProxies: prefixes("10.0.0.0/8")}
		peer := netip.MustParseAddrPort("10.0.0.1:9")
		client, odd := s.walkBack(peer, []string{list})
		if !client.IsValid() || client.Addr().Zone() != "" || client.Addr().Is4In6() {
			t.Errorf("%q: client %v", list, client)
		}
		last := strings.Trim(list[strings.LastIndexByte(list, ',')+1:], " \t")
		if a, ok := parseHop(last); ok && !s.trusts(a.Addr()) && client != a {
			t.Errorf("%q: client %v, not the last one", list, client)
		}
		if odd == "" && client == peer && strings.Trim(list, ", \t") != "" && !strings.Contains(list, "10.0.0.1:9") {
			t.Errorf("%q was passed over", list)
		}
	})
}

// TestBehindAProxy: plugin, backend, log and limit see the client.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoHead)})
	seen := make(chan string, 10)
	decider := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		seen <- req.Scheme + " " + req.RemoteAddr
		return &abi.Proxy{Sandbox: ref("a"), Port: 8080}, nil
	})
	debug := &syncBuffer{}
	s := &Server{boxes: boxes(box), TrustedProxies: prefixes("127.0.0.0/8"), Log: slog.New(slog.NewTextHandler(debug, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	r := start(t, s, all(decider))
	got := r.get(t, "app.example", "/", "X-Forwarded-For: 6.6.6.6, 2001:db8::7\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n")
	for _, want := range []string{"X-Forwarded-For: 2001:db8::7\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Host: app.example\r\n", "X-Forwarded-Port: 443\r\n"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the backend did not see %q:\n%s", want, got.body)
		}
	}
	if strings.Contains(got.body, "6.6.6.6") {
		t.Errorf("the backend saw what the client made up:\n%s", got.body)
	}
	if got := <-seen; got != "https [2001:db8::7]:0" {
		t.Errorf("the plugin saw %s", got)
	}
	log := r.accessLog() // the line is written when the answer is on its way
	for end := time.Now().Add(patience); log == "" && time.Now().Before(end); log = r.accessLog() {
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(log, "remote=[2001:db8::7]:0 ") {
		t.Errorf("the log says %s", log)
	}
	r.get(t, "app.example", "/", "X-Forwarded-For: un\"known\r\n")
	if got := <-seen; !strings.HasPrefix(got, "http 127.0.0.1:") {
		t.Errorf("the plugin saw %s", got)
	}
	if !strings.Contains(debug.String(), "forwarding header not understood") {
		t.Errorf("nothing was said of a header that cannot be read:\n%s", debug.String())
	}
}
