package host

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// guarded is one sandbox with an exposure of every access: its servers answer with
// the head that they got.
func guarded(t testing.TB) *fakeBoxes {
	answer := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.Header().Add("Set-Cookie", "a=b; Domain=localhost; Path=/x")
			w.Header().Add("Set-Cookie", "edge-preview=fixed")
			w.Header().Set("Location", "http://"+r.Host+"/next")
			w.Header().Set("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
		}
		echoSocket(w, r)
	}
	addr := backend(t, answer)
	box := newBox("a", map[int]string{8080: addr, 8081: addr, 8082: addr, 8083: addr, 8084: addr})
	f := boxes(box)
	inHost := sandboxmgr.Exposure{Ref: ref("a"), Port: 8080, Token: "t0ken"}
	public := sandboxmgr.Exposure{Ref: ref("a"), Port: 8081, Access: abi.AccessPublic}
	byPlugin := sandboxmgr.Exposure{Ref: ref("a"), Port: 8082, Access: abi.AccessPlugin}
	inRequest := sandboxmgr.Exposure{Ref: ref("a"), Port: 8083, Token: "t0ken", TokenIn: abi.TokenInRequest, Access: abi.AccessToken}
	allowing := inRequest
	allowing.Port, allowing.Policy.AllowOrigins, allowing.Host = 8084, []string{"https://friend.example"}, abi.HostPreview
	f.labels = map[string]sandboxmgr.Exposure{
		"8080-a-t0ken": inHost, "8081-a": public, "8082-a": byPlugin, "8083-a": inRequest, "8084-a": allowing,
	}
	f.paths = map[string]sandboxmgr.Exposure{
		"8080/a-t0ken": inHost, "8081/a": public, "8082/a": byPlugin, "8083/a": inRequest, "8084/a": allowing,
	}
	box.exposed = []sandboxmgr.Exposure{inHost, public, byPlugin, inRequest, allowing}
	return f
}

// session is a cookie's value for a port of guarded, good for a time from now.
func session(port int, life time.Duration) string {
	return fmt.Sprintf("%d.a-%d-t0ken", time.Now().Add(life).Unix(), port)
}

// visitors are requests of all kinds to guarded, and the status of the answer.
func visitors() []visitor {
	link := session(8083, time.Hour)
	const page = "Accept: text/html\r\n"
	return []visitor{
		{"token in the host", "GET", "8080-a-t0ken.localhost", "/x?y", "", 200},
		{"token in the path", "GET", "h", "/_preview/8080/a-t0ken/x", "", 200},
		{"no slash", "GET", "h", "/_preview/8080/a-t0ken?q", "", 308},
		{"wrong token in the host", "GET", "8080-a-t0kem.localhost", "/", "", 404},
		{"no token in the host", "GET", "8080-a.localhost", "/", "", 404},
		{"public", "GET", "8081-a.localhost", "/", "", 200},
		{"public, with a token", "GET", "8081-a.localhost", "/?edge_token=x&y", "X-Edge-Token: x\r\nAuthorization: Bearer x\r\n", 200},
		{"plugin", "GET", "8082-a.localhost", "/", "", 404},
		{"plugin, with a token", "GET", "8082-a.localhost", "/?edge_token=", "X-Edge-Token: t0ken\r\n", 404},
		{"nothing shown", "GET", "8083-a.localhost", "/", page, 404},
		{"nothing shown, no slash", "GET", "h", "/_preview/8083/a", "", 404},
		{"header", "GET", "8083-a.localhost", "/", "X-Edge-Token: t0ken\r\n", 200},
		{"header in the path form", "GET", "h", "/_preview/8083/a/", "x-edge-token: t0ken\r\n", 200},
		{"two headers", "GET", "8083-a.localhost", "/", "X-Edge-Token: t0ken\r\nX-Edge-Token: t0ken\r\n", 404},
		{"wrong header", "GET", "8083-a.localhost", "/", "X-Edge-Token: t0kem\r\n", 404},
		{"upper case", "GET", "8083-a.localhost", "/", "X-Edge-Token: T0KEN\r\n", 404},
		{"truncated", "GET", "8083-a.localhost", "/", "X-Edge-Token: t0ke\r\n", 404},
		{"overlong", "GET", "8083-a.localhost", "/", "X-Edge-Token: " + strings.Repeat("t0ken", 200) + "\r\n", 404},
		{"empty", "GET", "8083-a.localhost", "/?edge_token=", "X-Edge-Token: \r\n", 404},
		{"bearer", "POST", "8083-a.localhost", "/", "Authorization: bearer  t0ken\r\n", 200},
		{"another bearer", "GET", "8083-a.localhost", "/", "Authorization: Bearer t0ke\r\n", 404},
		{"another bearer beside the header", "GET", "8083-a.localhost", "/", "Authorization: Bearer its-own\r\nX-Edge-Token: t0ken\r\n", 200},
		{"basic", "GET", "8083-a.localhost", "/", "Authorization: Basic t0ken\r\n", 404},
		{"query of a program", "GET", "8083-a.localhost", "/x?a=%20&edge_token=t0ken&b", "", 200},
		{"query of a page", "GET", "8083-a.localhost", "//x?a=%20&edge_token=t0ken&b", page, 302},
		{"query of a page, alone", "HEAD", "8083-a.localhost", "/x?edge_token=t0ken", page, 302},
		{"query of a page, escaped", "GET", "8083-a.localhost", "/x?edge%5Ftoken=t0%6ben&edge_token=x", page, 302},
		{"query of a form", "POST", "8083-a.localhost", "/x?edge_token=t0ken", page, 200},
		{"query of a page in the path form", "GET", "h", "/_preview/8083/a/x?edge_token=t0ken", page, 302},
		{"wrong query", "GET", "8083-a.localhost", "/?edge_token=t0kem", page, 404},
		{"link", "GET", "8083-a.localhost", "/?edge_link=" + link, "", 200},
		{"link of a page", "GET", "8083-a.localhost", "/?edge_link=" + link, page, 302},
		{"expired link", "GET", "8083-a.localhost", "/?edge_link=" + session(8083, -time.Second), page, 404},
		{"link of another port", "GET", "8084-a.localhost", "/?edge_link=" + link, page, 404},
		{"link where the host has the token", "GET", "8080-a-t0ken.localhost", "/?edge_link=" + link + "&x", page, 200},
		{"cookie", "GET", "8083-a.localhost", "/", page + "Cookie: x=1; edge-preview=" + link + "\r\n", 200},
		{"a neighbour's cookie before it", "GET", "8083-a.localhost", "/", "Cookie: edge-preview=9.x; edge-preview=" + link + "\r\n", 200},
		{"cookie of https", "GET", "8083-a.localhost", "/", "Cookie: __Host-edge-preview=" + link + "\r\n", 404},
		{"expired cookie", "GET", "8083-a.localhost", "/", "Cookie: edge-preview=" + session(8083, -time.Second) + "\r\n", 404},
		{"token as a cookie", "GET", "8083-a.localhost", "/", "Cookie: edge-preview=t0ken\r\n", 404},
		{"cookie and own origin", "POST", "8083-a.localhost", "/", "Origin: http://8083-a.localhost\r\nCookie: edge-preview=" + link + "\r\n", 200},
		{"cookie and a neighbour's origin", "POST", "8083-a.localhost", "/", "Origin: http://8080-a.localhost\r\nCookie: edge-preview=" + link + "\r\n", 404},
		{"cookie and no origin told", "POST", "8083-a.localhost", "/", "Origin: null\r\nCookie: edge-preview=" + link + "\r\n", 404},
		{"cookie and its own page, which tells no origin", "POST", "8083-a.localhost", "/", "Sec-Fetch-Site: same-origin\r\nOrigin: null\r\nCookie: edge-preview=" + link + "\r\n", 200},
		{"cookie and a script of a neighbour", "GET", "8083-a.localhost", "/", "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\nCookie: edge-preview=" + link + "\r\n", 404},
		{"cookie and a neighbour's link", "GET", "8083-a.localhost", "/", "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\nCookie: edge-preview=" + link + "\r\n", 200},
		{"cookie and an origin that is allowed", "GET", "8084-a.localhost", "/", "Origin: https://friend.example\r\nCookie: edge-preview=" + session(8084, time.Hour) + "\r\n", 200},
		{"header and a foreign origin", "GET", "8083-a.localhost", "/", "Origin: https://evil.example\r\nX-Edge-Token: t0ken\r\n", 200},
		{"socket with nothing", "GET", "8083-a.localhost", "/", handshake, 404},
		{"socket with a query", "GET", "8083-a.localhost", "/?edge_token=t0ken", page + handshake, 101},
		{"socket with a cookie", "GET", "8083-a.localhost", "/", "Origin: http://8083-a.localhost\r\nCookie: edge-preview=" + link + "\r\n" + handshake, 101},
		{"socket of a neighbour's page", "GET", "8083-a.localhost", "/", "Origin: http://8080-b.localhost\r\nCookie: edge-preview=" + link + "\r\n" + handshake, 404},
		{"unknown", "GET", "8083-b.localhost", "/?edge_token=t0ken", page + "X-Edge-Token: t0ken\r\n", 404},
		{"unknown path", "GET", "h", "/_preview/8083/b/", "X-Edge-Token: t0ken\r\n", 404},
		{"nothing named", "GET", "h", "/_preview/", "", 404},
		{"health", "GET", "8081-a.localhost", "/healthz", "", 200},
	}
}

// visitor is one request.
type visitor struct {
	name, method, host, target, head string
	status                           int
}

// ask sends the visitor's request on a connection of its own. Of a WebSocket the
// body is the first frame.
func (v visitor) ask(t testing.TB, r *running) answer {
	c := r.dial(t)
	length := ""
	if v.method == "POST" {
		length = "Content-Length: 0\r\n"
	}
	c.send(v.method + " " + v.target + " HTTP/1.1\r\nHost: " + v.host + "\r\n" + length + v.head + "\r\n")
	got := c.answer(v.method)
	if got.StatusCode == 101 {
		_, payload, err := readFrame(c.r)
		if err != nil {
			t.Fatal(err)
		}
		got.body = string(payload)
	}
	return got
}

// TestPreviewAccess asks natively for previews of all kinds, and wants nothing that
// opens one in a log or at a server.
func TestPreviewAccess(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: guarded(t)}, all(always(text(200, "routed"))))
	for _, v := range visitors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			got := v.ask(t, r)
			if got.StatusCode != v.status || got.StatusCode == 404 && !strings.Contains(got.body, "INVALID_TOKEN") {
				t.Errorf("answer %d, want %d:\n%s", got.StatusCode, v.status, got.body)
			}
			shows := strings.HasPrefix(v.host, "8083-") || strings.HasPrefix(v.host, "8084-") || strings.Contains(v.target, "/8083/")
			if got.StatusCode == 200 && (got.Header.Get("Cache-Control") == "private") != shows {
				t.Errorf("a cache is told %q", got.Header["Cache-Control"])
			}
			for _, secret := range []string{"t0ken", "edge_", "edge-preview", "X-Edge"} {
				if body := strings.ReplaceAll(got.body, "8080-a-t0ken.localhost", ""); strings.Contains(strings.ReplaceAll(body, "/_preview/8080/a-t0ken", ""), secret) {
					t.Errorf("%q reached the server:\n%s", secret, got.body)
				}
			}
		})
	}
	t.Cleanup(func() {
		if all := strings.ToLower(r.accessLog() + r.log.String()); strings.Contains(all, "t0ke") || strings.Contains(all, "edge_") {
			t.Errorf("a log holds a secret:\n%s", all)
		}
	})
}

// TestPreviewWhoeverDecides puts every request to a native edge, to one whose plugin
// passes previews on, and to ones whose plugin proxies by exposure, with the sandbox
// named and without: all answer alike, byte for byte, but for what only a plugin may
// open.
func TestPreviewWhoeverDecides(t *testing.T) {
	t.Parallel()
	native := start(t, &Server{boxes: guarded(t)}, all(always(text(200, "routed"))))
	for name, d := range map[string]abi.Decision{
		"next": &abi.Next{}, "proxy": &abi.Proxy{}, "proxy to the sandbox": &abi.Proxy{Sandbox: ref("a")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Server{boxes: guarded(t)}
			s.SetPreviews(&Plugin{Name: "gate", Decider: always(d)})
			r := start(t, s, all(always(text(200, "routed"))))
			for _, v := range visitors() {
				want, got := v.ask(t, native), v.ask(t, r)
				if strings.HasPrefix(v.host, "8082-") && name != "next" {
					if got.StatusCode != 200 {
						t.Errorf("%s: %d, want what the plugin lets in to be served", v.name, got.StatusCode)
					}
					continue
				}
				if g, w := described(got), described(want); g != w {
					t.Errorf("%s: the plugin's\n%s\nis not the native\n%s", v.name, g, w)
				}
			}
		})
	}
}

// described is an answer less what every one has of its own.
func described(a answer) string {
	id := a.Header.Get("X-Request-Id")
	var lines []string
	for name, values := range a.Header {
		if name == "Set-Cookie" { // signed with the second
			for i := range values {
				values[i], _, _ = strings.Cut(values[i], "=")
			}
		}
		if name != "Date" && name != "X-Request-Id" && (id == "" || name != "Content-Length") {
			lines = append(lines, fmt.Sprint(name, values))
		}
	}
	slices.Sort(lines)
	body := a.body
	if id != "" {
		body = strings.ReplaceAll(body, id, "")
	}
	var kept []string
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "X-Forwarded-For") && !strings.HasPrefix(line, "Sec-Websocket") {
			kept = append(kept, line)
		}
	}
	return fmt.Sprint(a.StatusCode, lines, strings.Join(kept, ""))
}

// TestPreviewsPluginFirst wants the plugin asked about what has the form of a
// preview and about nothing else, and its failure to be the answer, unless it fails
// open.
func TestPreviewsPluginFirst(t *testing.T) {
	t.Parallel()
	s := &Server{boxes: guarded(t)}
	s.SetPreviews(&Plugin{Name: "gate", Decider: always(text(299, "gate"))})
	r := start(t, s, all(always(text(200, "routed"))))
	for _, tt := range []struct {
		host, target string
		status       int
	}{
		{"8080-a-t0ken.localhost", "/healthz", 299}, {"1-nobody.localhost", "/", 299}, {"h", "/_preview/x", 299},
		{"h", "/", 200}, {"localhost", "/healthz", 200}, {"8080-a-t0ken.example", "/", 200},
	} {
		if got := r.get(t, tt.host, tt.target, ""); got.StatusCode != tt.status {
			t.Errorf("%s%s: %d, want %d", tt.host, tt.target, got.StatusCode, tt.status)
		}
	}
	broken := Plugin{Name: "gate", Decider: decide(nil)}
	r.SetPreviews(&broken)
	if got := r.get(t, "8080-a-t0ken.localhost", "/", ""); got.StatusCode != abi.CodePluginFailed.Status() {
		t.Errorf("a broken plugin: %d", got.StatusCode)
	}
	broken.OnFailure.Open = true
	r.SetPreviews(&broken)
	if got := r.get(t, "8080-a-t0ken.localhost", "/", ""); got.StatusCode != 200 {
		t.Errorf("a broken plugin that fails open: %d %s", got.StatusCode, got.body)
	}
	r.SetPreviews(nil)
	if got := r.get(t, "8080-a-t0ken.localhost", "/", ""); got.StatusCode != 200 {
		t.Errorf("nobody: %d", got.StatusCode)
	}
}

// TestCleanAddress looks at the redirect that changes a token for a cookie, and
// follows it.
func TestCleanAddress(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: guarded(t)}, nil)
	for _, tt := range []struct{ host, target, location, clean, path string }{
		{"8083-a.localhost:99", "//evil.example/x?a=%20&edge_token=t0ken&b", "/.//evil.example/x?a=%20&b", "//evil.example/x?a=%20&b", "/"},
		{"8083-a.localhost", "/\\evil.example/?edge_token=t0ken", "/./\\evil.example/", "/\\evil.example/", "/"},
		{"8083-a.localhost", "/?edge_token=t0ken", "/", "/", "/"},
		{"h", "/_preview/8083/a/x?edge_token=t0ken&", "/_preview/8083/a/x?", "/_preview/8083/a/x?", "/_preview/8083/a/"},
	} {
		got := r.get(t, tt.host, tt.target, "Accept: text/html\r\n")
		cookies := got.Cookies()
		if got.StatusCode != 302 || got.Header.Get("Location") != tt.location || len(cookies) != 1 ||
			got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Fatalf("answer %d %v", got.StatusCode, got.Header)
		}
		c := cookies[0]
		if c.Name != plainCookie || c.Path != tt.path || c.Domain != "" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode ||
			c.MaxAge < 6*24*3600 || strings.Contains(c.Raw, "=t0ken") {
			t.Errorf("cookie %s", c.Raw)
		}
		base := &url.URL{Scheme: "https", Host: tt.host, Path: "/p"}
		if u, err := base.Parse(tt.location); err != nil || u.Host != tt.host || u.Scheme != "https" {
			t.Errorf("%s leads to %v, %v", tt.location, u, err)
		}
		if got := r.get(t, tt.host, tt.clean, "Cookie: edge-preview="+c.Value+"\r\n"); got.StatusCode != 200 {
			t.Errorf("the clean address: %d", got.StatusCode)
		}
	}
}

// TestSessionName: https brings a cookie that no neighbour can set, where the whole
// host is the preview's.
func TestSessionName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p            preview
		scheme, want string
	}{
		{preview{label: "8083-a"}, "https", "__Host-edge-preview"}, {preview{label: "8083-a"}, "http", "edge-preview"},
		{preview{port: "8083", key: "a"}, "https", "edge-preview"},
	} {
		if got := sessionCookie(tt.p, tt.scheme); got != tt.want {
			t.Errorf("%+v over %s: %s", tt.p, tt.scheme, got)
		}
	}
}

// TestSameWork wants as many comparisons for an exposure that there is as for none,
// whatever is shown, and the same bytes in answer.
func TestSameWork(t *testing.T) {
	t.Parallel()
	f := guarded(t)
	r := start(t, &Server{boxes: f}, nil)
	work := func(host, target, head string) (string, [2]int64) {
		before := [2]int64{f.compared.Load(), f.verified.Load()}
		got := r.get(t, host, target, head)
		return described(got), [2]int64{f.compared.Load() - before[0], f.verified.Load() - before[1]}
	}
	for name, shown := range map[string]struct{ query, head string }{
		"nothing": {"", ""}, "header": {"", "X-Edge-Token: wrong\r\n"}, "bearer": {"", "Authorization: Bearer wrong\r\n"},
		"query": {"?edge_token=wrong&edge_link=1.x", ""}, "cookies": {"", "Cookie: edge-preview=x; edge-preview=" + session(8083, -time.Hour) + "\r\n"},
		"all": {"?edge_token=wrong", "Accept: text/html\r\nX-Edge-Token: wrong\r\nAuthorization: Bearer wrong\r\nCookie: edge-preview=1.2\r\n"},
	} {
		want, wantWork := work("8083-nobody.localhost", "/"+shown.query, shown.head)
		if name != "nothing" && wantWork == [2]int64{} {
			t.Errorf("%s: nothing was compared", name)
		}
		for _, host := range []string{"8083-a.localhost", "8082-a.localhost", "8080-a-wrong.localhost", "99999-a.localhost"} {
			if got, gotWork := work(host, "/"+shown.query, shown.head); got != want || gotWork != wantWork {
				t.Errorf("%s at %s: %s with %v comparisons, want %s with %v", name, host, got, gotWork, want, wantWork)
			}
		}
	}
}

// TestLinkEndsSockets wants what came in by a link to end with it.
func TestLinkEndsSockets(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: guarded(t)}, nil)
	c := r.dial(t)
	c.send("GET /?edge_link=" + session(8083, 6*time.Second) + " HTTP/1.1\r\nHost: 8083-a.localhost\r\n" + handshake + "\r\n")
	if got := c.answer("GET"); got.StatusCode != 101 {
		t.Fatalf("answer %d %s", got.StatusCode, got.body)
	}
	wantFrame(t, c.r, 1, "localhost:8083  /")
	if op, payload, err := readFrame(c.r); err != nil || op != 8 || string(payload[:2]) != "\x03\xf0" {
		t.Errorf("frame %d %q, %v; want 1008", op, payload, err)
	}
}

// TestExpectOfPreview asks for leave to send a body: who is not let in gets no
// other answer than where there is nothing.
func TestExpectOfPreview(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: guarded(t)}, nil)
	for _, tt := range []struct {
		host, head string
		status     int
	}{
		{"8083-a.localhost", "", 404}, {"8083-nobody.localhost", "", 404}, {"8083-a.localhost", "X-Edge-Token: t0ken\r\n", 100}, {"8080-a-t0ken.localhost", "", 100},
	} {
		c := r.dial(t)
		c.send("POST / HTTP/1.1\r\nHost: " + tt.host + "\r\nContent-Length: 1\r\nExpect: 100-continue\r\n" + tt.head + "\r\n")
		if got := c.answer("POST"); got.StatusCode != tt.status {
			t.Errorf("%s %q: %d, want %d", tt.host, tt.head, got.StatusCode, tt.status)
		}
	}
}
