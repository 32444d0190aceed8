package host

import (
	"context"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
)

// TestHostPolicy: Host, Origin and Referer follow one policy, over HTTP and
// WebSocket alike.
func TestHostPolicy(t *testing.T) {
	t.Parallel()
	addr := backend(t, echoSocket)
	f := boxes(newBox("a", map[int]string{8080: addr}))
	f.labels, f.paths = map[string]sandboxmgr.Exposure{}, map[string]sandboxmgr.Exposure{}
	for label, policy := range map[string]string{"1-a-t": "", "2-a-t": abi.HostLocal, "3-a-t": abi.HostPreview, "4-a-t": "app.internal:${port}", "5-a-t": "app.internal"} {
		e := sandboxmgr.Exposure{Ref: ref("a"), Port: 8080, Token: "t", Host: policy}
		f.labels[label], f.paths[label[:1]+"/"+label[2:]] = e, e
	}
	r := start(t, &Server{boxes: f}, nil)
	own := map[string]string{"1": "localhost:8080", "2": "localhost:8080", "4": "app.internal:8080", "5": "app.internal"}
	for _, port := range []string{"1", "2", "3", "4", "5"} {
		for _, at := range []struct{ name, host, prefix string }{{"host form", port + "-a-t.localhost:99", ""}, {"path form", "h:99", "/_preview/" + port + "/a-t"}} {
			t.Run(at.name+" "+port, func(t *testing.T) {
				t.Parallel()
				host, origin := at.host, "https://"+at.host
				if to := own[port]; to != "" {
					host, origin = to, "http://"+to
				}
				for sent, want := range map[string]string{
					"Origin: https://" + at.host: "Origin: " + origin, "Origin: https://evil.example": "Origin: https://evil.example", "Origin: null": "Origin: null",
					"Referer: https://" + at.host + at.prefix + "/x?a&edge_token=s&b": "Referer: " + origin + "/x?a&b", "Referer: https://" + at.host + at.prefix: "Referer: " + origin,
					"Referer: https://evil.example/y?z": "Referer: https://evil.example/y?z", "Referer: about:blank": "Referer: about:blank",
				} {
					got := r.get(t, at.host, at.prefix+"/x", sent+"\r\n")
					if !strings.Contains(got.body, "Host: "+host+"\n") || !strings.Contains(got.body, want+"\r\n") {
						t.Errorf("%s: server saw\n%s\nwant Host %s and %s", sent, got.body, host, want)
					}
				}
				for _, hidden := range []string{"Referer: http://8080-b-secret.localhost/x", "Referer: https://h:99/_preview/8080/b-secret/x", "Referer: http://else/_preview/8080/b-secret/"} {
					if got := r.get(t, at.host, at.prefix+"/x", hidden+"\r\n"); strings.Contains(got.body, "secret") {
						t.Errorf("%s: server saw\n%s", hidden, got.body)
					}
				}
				c := r.dial(t)
				c.send("GET " + at.prefix + "/hmr HTTP/1.1\r\nHost: " + at.host + "\r\nOrigin: https://" + at.host + "\r\n" + handshake + "\r\n")
				if got := c.answer("GET"); got.StatusCode != 101 {
					t.Fatalf("answer %d %s", got.StatusCode, got.body)
				}
				wantFrame(t, c.r, 1, host+" "+origin+" /hmr")
			})
		}
	}
}

// TestForwardedPrefix tells a server in the path form where it is.
func TestForwardedPrefix(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: guarded(t)}, nil)
	if got := r.get(t, "h", "/_preview/8081/a/x", "X-Forwarded-Prefix: /evil\r\n"); !strings.Contains(got.body, "X-Forwarded-Prefix: /_preview/8081/a\r\n") || strings.Contains(got.body, "evil") {
		t.Errorf("path form:\n%s", got.body)
	}
	if got := r.get(t, "8081-a.localhost", "/x", "X-Forwarded-Prefix: /evil\r\n"); strings.Contains(got.body, "Prefix") {
		t.Errorf("host form:\n%s", got.body)
	}
}

// TestPathFormRoot: a server's root is below the edge's in the path form, and nothing
// that leads above it is sent on, as in the host form.
func TestPathFormRoot(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: guarded(t)}, nil)
	for path, want := range map[string]int{"/x/../y": 200, "/../y": 400, "/x/../../y": 400, "/%2e%2e/": 400, "/..%2fy": 400} {
		for _, form := range [][2]string{{"8081-a.localhost", path}, {"h", "/_preview/8081/a" + path}} {
			if got := r.get(t, form[0], form[1], ""); got.StatusCode != want {
				t.Errorf("%s%s: %d, want %d", form[0], form[1], got.StatusCode, want)
			}
		}
	}
	if got := r.get(t, "h", "/_preview/8080/a-wrong/../y", ""); got.StatusCode != 404 {
		t.Errorf("a wrong token is told apart: %d", got.StatusCode)
	}
}

// TestStray: a page in the path form asks for an address outside of its preview.
func TestStray(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	asked := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		ref, _ := req.Header("Referer")
		seen <- ref
		if req.Path == "/app/next" {
			return &abi.Next{}, nil
		}
		return text(200, "routed"), nil
	})
	r := start(t, &Server{boxes: guarded(t)}, []Route{{Path: "/app/*", Chain: []Plugin{{Name: "p", Decider: asked}}}})
	const page = "Referer: http://h/_preview/8080/a-t0ken/dir/page?x\r\n"
	for _, tt := range []struct {
		name, target, head string
		status             int
		location           string
	}{
		{"root-relative", "/style.css?v=1", page, 307, "/_preview/8080/a-t0ken/style.css?v=1"},
		{"two slashes", "//evil.example", page, 307, "/_preview/8080/a-t0ken//evil.example"},
		{"nobody can tell whether it exists", "/x", "Referer: https://h/_preview/1/nobody/\r\n", 307, "/_preview/1/nobody/x"},
		{"no page", "/style.css", "", 404, ""},
		{"another host's page", "/style.css", "Referer: http://other/_preview/8080/a-t0ken/\r\n", 404, ""},
		{"no preview's page", "/style.css", "Referer: http://h/_preview/x\r\n", 404, ""},
		{"odd key", "/style.css", "Referer: http://h/_preview/8080/A%2f/\r\n", 404, ""},
		{"host form", "/style.css", "Referer: http://8080-a-t0ken.localhost/\r\n", 404, ""},
		{"socket", "/hmr", page + handshake, 404, ""},
		{"health", "/healthz", page, 200, ""},
		{"nobody of the route", "/app/next", page, 307, "/_preview/8080/a-t0ken/app/next"},
		{"a route", "/app/x", page, 200, ""},
	} {
		got := r.get(t, "h", tt.target, tt.head)
		if got.StatusCode != tt.status || got.Header.Get("Location") != tt.location {
			t.Errorf("%s: %d to %q, want %d to %q", tt.name, got.StatusCode, got.Header.Get("Location"), tt.status, tt.location)
		}
		if strings.HasPrefix(tt.target, "/app/") {
			if ref := <-seen; ref != "http://h/" {
				t.Errorf("%s: the plugin saw the page %q", tt.name, ref)
			}
		}
	}
	got := r.get(t, "h", "/app/x", "Referer: http://8080-a-t0ken.localhost/\r\n")
	if ref := <-seen; got.StatusCode != 200 || ref != "" {
		t.Errorf("%d, and the plugin saw the page %q", got.StatusCode, ref)
	}
}
