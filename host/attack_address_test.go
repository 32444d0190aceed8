package host

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// whoami is a backend that says who it is, and what it was asked for.
func whoami(t testing.TB, name string) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", name, r.RequestURI) })
}

// neighbours is an arena of sandboxes whose ids and tokens are made to be taken for
// one another.
func neighbours(t testing.TB) *arena {
	a := newArena(t, &Server{}, all(always(text(200, "routed"))))
	for _, id := range []string{"a", "a-b", "b", "8080-a"} {
		for _, port := range []int{1024, 8080, 8081, 65535} {
			a.machines.set("Sandbox."+id, port, whoami(t, fmt.Sprint(id, ":", port)))
		}
	}
	for _, e := range []struct {
		id  string
		req abi.ExposePortRequest
	}{
		{"a", abi.ExposePortRequest{Port: 8080, Token: "tok_en01"}},
		{"a", abi.ExposePortRequest{Port: 8081, Access: abi.AccessPublic}},
		{"a", abi.ExposePortRequest{Port: 65535, Token: "abcdefghijklmnop"}},
		{"a", abi.ExposePortRequest{Port: 1024, Token: "xn__80ak6aa92e"}},
		{"a-b", abi.ExposePortRequest{Port: 8080, Token: "tok_en02"}},
		{"b", abi.ExposePortRequest{Port: 8080, Token: "tok_en03"}},
		{"b", abi.ExposePortRequest{Port: 8081, Token: "soon_gone", TTL: abi.Duration(time.Millisecond)}},
		{"8080-a", abi.ExposePortRequest{Port: 8080, Token: "tok_en04"}},
	} {
		a.expose(t, e.id, e.req)
	}
	return a
}

// TestAddressesThatLeadNowhere: whatever is wrong with the address of a preview, the
// answer is the same to the byte, but for the request's id, and nobody else sees the
// request.
func TestAddressesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	a := neighbours(t)
	const d = ".localhost"
	hosts := map[string]string{
		"truncated token": "8080-a-tok_en0" + d, "overlong token": "8080-a-tok_en011" + d, "no token": "8080-a" + d, "empty token": "8080-a-" + d,
		"token with an end of its own": "8080-a-tok_en01-" + d, "id twice": "8080-a-a-tok_en01" + d, "only token": "8080-tok_en01" + d,
		"another sandbox's token": "8080-a-tok_en03" + d, "another port's token": "8081-a-tok_en01" + d, "this port's token elsewhere": "65535-a-tok_en01" + d,
		"token of a longer id": "8080-a-tok_en02" + d, "longer id, token of the shorter": "8080-a-b-tok_en01" + d,
		"id that begins with a port": "8080-8080-a-tok_en01" + d, "label in a label": "8080-8080-a" + d,
		"expired": "8081-b-soon_gone" + d, "never exposed": "8081-b" + d, "unknown sandbox": "8080-nobody-tok_en01" + d,
		"token of a public port": "8081-a-tok_en01" + d,
		"port 0":                 "0-a-tok_en01" + d, "port 1": "1-a-tok_en01" + d, "port 1023": "1023-a-tok_en01" + d, "port 65536": "65536-a-abcdefghijklmnop" + d,
		"port of 2^16 more": "73616-a-tok_en01" + d, "port of 2^32 more": "4294975376-a-tok_en01" + d, "huge port": "99999999999999999999-a-tok_en01" + d,
		"leading zero": "08080-a-tok_en01" + d, "leading zeros": "000008080-a-tok_en01" + d, "two hyphens": "8080--a-tok_en01" + d,
		"hyphen before the token": "8080-a--tok_en01" + d, "punycode": "8080-xn--a-tok_en01" + d, "longest label": strings.Repeat("8", 31) + "-" + strings.Repeat("a", 31) + d,
		"underscores for hyphens": "8080-a_tok_en01" + d,
	}
	paths := map[string]string{
		"truncated": "/_preview/8080/a-tok_en0/", "overlong": "/_preview/8080/a-tok_en011/", "none": "/_preview/8080/a/", "empty": "/_preview/8080/a-/",
		"upper case": "/_preview/8080/a-TOK_EN01/", "upper id": "/_preview/8080/A-tok_en01/", "another's": "/_preview/8080/a-tok_en03/", "other port's": "/_preview/8081/a-tok_en01/",
		"expired": "/_preview/8081/b-soon_gone/", "leading zero": "/_preview/08080/a-tok_en01/", "plus": "/_preview/+8080/a-tok_en01/", "minus": "/_preview/-8080/a-tok_en01/",
		"space": "/_preview/8080%20/a-tok_en01/", "encoded hyphen": "/_preview/8080/a%2dtok_en01/", "encoded letter": "/_preview/8080/%61-tok_en01/",
		"encoded slash": "/_preview/8080%2fa-tok_en01/", "slash in the key": "/_preview/8080/a-tok_en01%2f/", "hyphen for the slash": "/_preview/8080-a-tok_en01/",
		"label as key": "/_preview/8080/8080-a-tok_en01/", "port in the key": "/_preview//8080-a-tok_en01/", "two slashes": "/_preview//8080/a-tok_en01/",
		"dot": "/_preview/./8080/a-tok_en01/", "dots": "/_preview/x/../8080/a-tok_en01/", "encoded dots": "/_preview/x/%2e%2e/8080/a-tok_en01/",
		"backslash": "/_preview/8080\\a-tok_en01/", "parameter": "/_preview/8080;x/a-tok_en01/", "parameter of the key": "/_preview/8080/a-tok_en01;x/", "dot at the end": "/_preview/8080/a-tok_en01./",
		"unicode digits": "/_preview/８０８０/a-tok_en01/", "unicode hyphen": "/_preview/8080/a‐tok/", "control character": "/_preview/8080/a-tok_en01%01/", "nothing": "/_preview/", "no port": "/_preview//", "no key": "/_preview/8080//",
		"domain in the key": "/_preview/8080/a-tok_en01.localhost/", "huge": "/_preview/8080/" + strings.Repeat("a", 4000) + "/", "port of 2^16 more": "/_preview/73616/a-tok_en01/", "no slash after it": "/_preview/8080/a-tok_en0",
	}
	for _, accept := range []string{"", "Accept: text/html\r\n"} {
		want := a.get(t, "8080-nobody-nothing"+d, "/", accept)
		wantText := withoutID(want)
		if want.StatusCode != 404 || !strings.Contains(wantText, string(abi.CodeInvalidToken)) {
			t.Fatalf("unknown: %d %s", want.StatusCode, wantText)
		}
		for name, host := range hosts {
			for _, target := range []string{"/", "/x?y", "/_preview/8080/a-tok_en01/"} {
				if got := withoutID(a.get(t, host, target, accept)); got != wantText {
					t.Errorf("host, %s, %s:\n%s\nwant\n%s", name, target, got, wantText)
				}
			}
		}
		for name, target := range paths {
			if got := withoutID(a.get(t, "edge.example", target, accept)); got != wantText {
				t.Errorf("path, %s:\n%s\nwant\n%s", name, got, wantText)
			}
		}
	}
	a.noToken(t)
}

// withoutID is an answer as text, less what differs from one request to the next.
func withoutID(a answer) string {
	id := a.Header.Get("X-Request-Id")
	a.Header.Del("X-Request-Id")
	a.Header.Del("Date")
	var b strings.Builder
	fmt.Fprintln(&b, a.Status)
	_ = a.Header.Write(&b)
	return b.String() + strings.ReplaceAll(a.body, id, "ID")
}

// noToken wants no log to hold a token that is exposed.
func (a *arena) noToken(t *testing.T) {
	t.Helper()
	log := strings.ToLower(a.accessLog() + a.log.String())
	for _, token := range []string{"tok_en0", "abcdefghijklmnop", "soon_gone", "xn__80ak"} {
		if i := strings.Index(log, token); i >= 0 {
			t.Errorf("a log holds token %s: %.300s", token, log[max(0, i-200):])
		}
	}
}

// TestAddressesHaveOneReading: each spelling leads to the very sandbox that it names,
// to the gate's refusal, or past the previews to the routes.
func TestAddressesHaveOneReading(t *testing.T) {
	t.Parallel()
	a := neighbours(t)
	const routed, refused = "routed", "INVALID_REQUEST"
	good := "8080-a-tok_en01.localhost"
	for _, tt := range []struct{ name, host, target, want string }{
		{"as it is", good, "/x", "a:8080 /x"},
		{"any case", "8080-A-TOK_EN01.LocalHost", "/x", "a:8080 /x"},
		{"trailing dot", good + ".", "/x", "a:8080 /x"},
		{"trailing dot and port", good + ".:80", "/x", "a:8080 /x"},
		{"any port", good + ":65535", "/x", "a:8080 /x"},
		{"longer id", "8080-a-b-tok_en02.localhost", "/x", "a-b:8080 /x"},
		{"id that begins with a port", "8080-8080-a-tok_en04.localhost", "/x", "8080-a:8080 /x"},
		{"highest port", "65535-a-abcdefghijklmnop.localhost", "/", "a:65535 /"},
		{"lowest port", "1024-a-xn__80ak6aa92e.localhost", "/", "a:1024 /"},
		{"path within a host", good, "/_preview/8080/b-tok_en03/", "a:8080 /_preview/8080/b-tok_en03/"},
		{"absolute form", good, "http://" + good + "/x", "a:8080 /x"},
		{"absolute form in another case", good, "HTTP://8080-A-tok_en01.localhost/x", "a:8080 /x"},
		{"edge's own address", good, "/healthz", "a:8080 /healthz"},

		{"request line of another", "8080-b-tok_en03.localhost", "http://" + good + "/x", refused},
		{"request line with user", good, "http://u:p@" + good + "/x", refused},
		{"request line with its port", good, "http://" + good + ":80/x", refused},
		{"user", "u@" + good, "/", refused}, {"password", "u:p@" + good, "/", refused}, {"user as label", good + "@evil.example", "/", refused},
		{"two dots", good + "..", "/", refused}, {"leading dot", "." + good, "/", refused}, {"no label", ".localhost", "/", refused},
		{"percent", "8080-a-tok%5fen01.localhost", "/", refused}, {"percent dot", "8080-a-tok_en01%2elocalhost", "/", refused},
		{"unicode digits", "８０８０-a-tok_en01.localhost", "/", refused}, {"unicode dot", "8080-a-tok_en01。localhost", "/", refused},
		{"long s", "8080-a-tok_en01.localhoſt", "/", refused}, {"Kelvin sign", "8080-a-to\u212a_en01.localhost", "/", refused},
		{"NUL", "8080-a-tok_en01\x00.localhost", "/", refused}, {"tab", "8080-a-tok_en01\t.localhost", "/", refused}, {"list", good + ",x", "/", refused},
		{"plus", "+8080-a-tok_en01.localhost", "/", refused}, {"slash", good + "/x", "/", refused}, {"backslash", "8080-a-tok_en01\\.localhost", "/", refused},
		{"quotes", `"` + good + `"`, "/", refused}, {"IPv6 zone", "[::1%25" + good + "]", "/", refused}, {"bad port", good + ":65536", "/", refused},
		{"port in letters", good + ":http", "/", refused}, {"negative port", good + ":-1", "/", refused}, {"empty port", good + ":", "/", refused},
		{"hash", good, "/#x", refused}, {"bare target", good, "x", refused}, {"star", good, "*", refused},

		{"IPv6", "[::1]", "/", routed}, {"IPv4", "127.0.0.1", "/", routed}, {"minus", "-8080-a-tok.localhost", "/", routed}, {"another domain", "8080-a-tok_en01.example", "/", routed},
		{"longer domain", "8080-a-tok_en01.xlocalhost", "/", routed}, {"domain within", "8080-a-tok_en01.localhost.example", "/", routed}, {"below", "x." + good, "/", routed},
		{"label too long", "8080-" + strings.Repeat("a", 59) + ".localhost", "/", routed}, {"hex port", "0x1f90-a-tok.localhost", "/", routed}, {"exponent", "8e3-a-tok.localhost", "/", routed},

		{"path", "x", "/_preview/8080/a-tok_en01/x?y#", refused},
		{"path and query", "x", "/_preview/8080/a-tok_en01/x?y=/../..", "a:8080 /x?y=/../.."},
		{"path, dots", "x", "/_preview/8080/a-tok_en01/x/../y/", "a:8080 /x/../y/"},
		{"path, dots to another", "x", "/_preview/8080/a-tok_en01/../b-tok_en03/", refused},
		{"path, encoded dots", "x", "/_preview/8080/a-tok_en01/%2e%2e/%2e%2e/8080/b-tok_en03/", refused},
		{"path, encoded slashes", "x", "/_preview/8080/a-tok_en01/x%2f..%2Fx", "a:8080 /x%2f..%2Fx"},
		{"path, encoded slashes to another", "x", "/_preview/8080/a-tok_en01/..%2f..%2Fx", refused},
		{"path, empty segments", "x", "/_preview/8080/a-tok_en01///x", "a:8080 ///x"},
		{"path, network address", "x", "/_preview/8080/a-tok_en01//evil.example/", "a:8080 //evil.example/"},
		{"path, a URL", "x", "/_preview/8080/a-tok_en01/http://evil.example/", "a:8080 /http://evil.example/"},
		{"path, backslash", "x", "/_preview/8080/a-tok_en01/\\evil", "a:8080 /\\evil"},
		{"path, parameters", "x", "/_preview/8080/a-tok_en01/;a=b;c", "a:8080 /;a=b;c"},
		{"path, NUL", "x", "/_preview/8080/a-tok_en01/%00", refused},
		{"path within a path", "x", "/_preview/8080/a-tok_en01/_preview/8080/b-tok_en03/", "a:8080 /_preview/8080/b-tok_en03/"},
		{"path under the domain", "localhost", "/_preview/8081/a/x", "a:8081 /x"},
		{"path of the edge's own", "x", "/_preview/8080/a-tok_en01/healthz", "a:8080 /healthz"},
		{"path, absolute form", "x", "http://x/_preview/8080/a-tok_en01/x", "a:8080 /x"},
		{"escaped prefix", "x", "/%5Fpreview/8080/a-tok_en01/", routed}, {"prefix in capitals", "x", "/_PREVIEW/8080/a-tok_en01/", routed},
		{"empty segment before", "x", "//_preview/8080/a-tok_en01/", routed}, {"dots before", "x", "/x/../_preview/8080/a-tok_en01/", routed}, {"prefix alone", "x", "/_preview", routed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := a.get(t, tt.host, tt.target, ""); !strings.Contains(got.body, tt.want) || tt.want == routed && got.body != routed {
				t.Errorf("%s %s: %d %s, want %s", tt.host, tt.target, got.StatusCode, got.body, tt.want)
			}
		})
	}
	t.Cleanup(func() { a.noToken(t) })
}

// TestRedirectsStayHere: the slash that is added to a path form's key leads to the
// same place, whatever the query holds.
func TestRedirectsStayHere(t *testing.T) {
	t.Parallel()
	a := neighbours(t)
	for _, query := range []string{"", "?", "?next=//evil.example", "?\\evil", "?%0d%0aSet-Cookie:x=y", "?http://evil.example/", "?/../.."} {
		got := a.get(t, "evil.example", "/_preview/8080/a-tok_en01"+query, "")
		if want := "/_preview/8080/a-tok_en01/" + query; got.StatusCode != 308 || got.Header.Get("Location") != want || len(got.Header["Set-Cookie"]) != 0 {
			t.Errorf("%q: %d %v, want %s", query, got.StatusCode, got.Header, want)
		}
	}
}
