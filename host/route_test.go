package host

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"edge/abi"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	d := always(&abi.Next{})
	s := &Server{}
	route := func(host, path, name string) Route {
		return Route{Host: host, Path: path, Chain: []Plugin{{Name: name, Decider: d}}}
	}
	if err := s.SetRoutes([]Route{
		route("app.example.com", "/x", "exact"), route("*.Example.com", "/ws/*", "suffix"), route("", "/only", "any host"), route("app.example.com", "", "any path"),
	}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ host, path, want string }{
		{"app.example.com", "/x", "exact"}, {"app.example.com", "/x/", "any path"}, {"app.example.com", "/%78", "exact"}, {"app.example.com", "//x", "exact"},
		{"a.example.com", "/ws/1", "suffix"}, {"a.b.example.com", "/ws/", "suffix"}, {"a.example.com", "/ws", ""}, {"example.com", "/ws/1", ""},
		{"xexample.com", "/ws/1", ""}, {"other", "/only", "any host"}, {"other", "/a/../only", "any host"}, {"a.example.com", "/ws/../only", "any host"},
		{"a.example.com", "/./ws/%2e%2e/only", "any host"}, {"other", "/only%2Fx", ""}, {"other", "/", ""},
	} {
		got := ""
		if c := s.route(tt.host, tt.path); c != nil {
			got = c[0].Name
		}
		if got != tt.want {
			t.Errorf("%s%s went to %q, want %q", tt.host, tt.path, got, tt.want)
		}
	}
	for _, bad := range []Route{
		route("a:80", "/", ""), route("a b", "/", ""), route("*a", "/", ""), route("a.*", "/", ""), route("", "x", ""), route("", "/*/x", ""), route("", "/a*", ""),
		route("", "/a/../b", ""), {Path: "/"}, {Path: "/", Chain: []Plugin{{Name: "gone"}}},
	} {
		if err := s.SetRoutes([]Route{bad}); err == nil {
			t.Errorf("route %q %q was accepted", bad.Host, bad.Path)
		} else if !strings.HasPrefix(err.Error(), "route 1: ") {
			t.Errorf("error %v does not say which", err)
		}
	}
	if s.route("app.example.com", "/x") == nil {
		t.Error("a refused table replaced the good one")
	}
}

// TestRoutesSwap replaces routes under load: every request is answered by one of
// the tables.
func TestRoutesSwap(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{}, all(always(text(200, "0"))))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go swapRoutes(t, r, stop, &wg)
	c := r.dial(t)
	for range 300 {
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := c.answer("GET"); got.StatusCode != 200 {
			t.Errorf("answer %d", got.StatusCode)
		}
	}
	close(stop)
	wg.Wait()
}

// swapRoutes sets new routes until stop; its test waits for it.
func swapRoutes(t *testing.T, r *running, stop <-chan struct{}, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
			runtime.Gosched() // it never waits, and would leave nobody else a processor
		}
		if err := r.SetRoutes(all(always(text(200, fmt.Sprint(i))))); err != nil {
			t.Error(err)
		}
	}
}

func TestRoutePath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/": "/", "/a/b": "/a/b", "/a//b": "/a/b", "/a/./b": "/a/b", "/a/../b": "/b", "/../a": "/a", "/a/..": "/", "/a/.": "/a/", "/a/b/..": "/a/",
		"/%61": "/a", "/%2e%2E/a": "/a", "/a%2fb": "/a%2fb", "/%": "/%", "/%zz": "/%zz", "//": "/", "/a/": "/a/", "/.a": "/.a", "/..a/..b": "/..a/..b",
	} {
		if got := routePath(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}
