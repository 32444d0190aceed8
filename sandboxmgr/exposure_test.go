package sandboxmgr

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

func expose(t *testing.T, s *Sandbox, req abi.ExposePortRequest) *abi.ExposedPort {
	t.Helper()
	p, err := s.ExposePort(t.Context(), &req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExposedURL(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", abi.MaxIDLength)
	tests := []struct {
		name     string
		previews PreviewConfig
		id       string
		request  abi.ExposePortRequest
		url, ws  string // regular expressions
	}{
		{"token", PreviewConfig{Port: 8787}, "s", abi.ExposePortRequest{Port: 8080},
			`http://8080-s-[a-z0-9]{16}\.localhost:8787/`, `ws://8080-s-[a-z0-9]{16}\.localhost:8787/`},
		{"own token", PreviewConfig{}, "s", abi.ExposePortRequest{Port: 8080, Token: "my_token_1"},
			`http://8080-s-my_token_1\.localhost/`, `ws://8080-s-my_token_1\.localhost/`},
		{"public", PreviewConfig{Scheme: "https", Domains: []string{"Preview.Example.com", "old.example"}, Port: 443}, "s", abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic},
			`https://8080-s\.preview\.example\.com/`, `wss://8080-s\.preview\.example\.com/`},
		{"port of another scheme", PreviewConfig{Scheme: "https", Port: 80}, "s", abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic},
			`https://8080-s\.localhost:80/`, `wss://8080-s\.localhost:80/`},
		{"longest label", PreviewConfig{}, longest, abi.ExposePortRequest{Port: 65535, Token: "abcdefghijklmnop"},
			`http://65535-` + longest + `-abcdefghijklmnop\.localhost/`, `ws://.*`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.Previews = tt.previews })
			p := expose(t, e.sandbox(tt.id), tt.request)
			for want, got := range map[string]string{tt.url: p.URL, tt.ws: p.WSURL} {
				if !regexp.MustCompile("^" + want + "$").MatchString(got) {
					t.Errorf("url %s, want %s", got, want)
				}
			}
			if p.ExposedAt != p.URL || p.CreatedAt.IsZero() || p.Status != "active" {
				t.Errorf("exposed %+v", p)
			}
			host, _, _ := strings.Cut(strings.SplitN(p.URL, "//", 2)[1], ".")
			if len(host) > 63 {
				t.Errorf("label of %d bytes", len(host))
			}
			x, ok := e.ExposureByLabel(strings.ToUpper(host))
			if !ok || x.Port != tt.request.Port || x.Ref.ID != tt.id || x.Ref.Binding != "B" {
				t.Errorf("by label: %+v, %v", x, ok)
			}
			port, pathKey, _ := strings.Cut(host, "-")
			if x, ok := e.ExposureByPath(port, pathKey); !ok || x.Port != tt.request.Port {
				t.Errorf("by path: %+v, %v", x, ok)
			}
			if starts, _ := e.w.count(); starts != 0 {
				t.Error("exposing started the sandbox")
			}
		})
	}
}

func TestURLThatCannotBeBuiltIsAnError(t *testing.T) {
	t.Parallel()
	p, err := PreviewConfig{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{"one byte too long": strings.Repeat("a", 41), "a dot": "a.b"} {
		url, _, err := p.urls(&Exposure{Ref: abi.SandboxRef{ID: id}, Port: 65535, Access: abi.AccessToken, Token: "abcdefghijklmnop"})
		if !errors.Is(err, abi.CodeInvalidRequest.Err()) || strings.Contains(err.Error(), "abcdefghijklmnop") {
			t.Errorf("%s: %s, %v", name, url, err)
		}
	}
}

func TestExposeChecksItsRequest(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.ReservedPorts = []int{3000} })
	tests := []struct {
		name string
		req  abi.ExposePortRequest
		code abi.Code
	}{
		{"lowest port", abi.ExposePortRequest{Port: 1024}, ""},
		{"below", abi.ExposePortRequest{Port: 1023}, abi.CodeInvalidPort},
		{"highest port", abi.ExposePortRequest{Port: 65535}, ""},
		{"above", abi.ExposePortRequest{Port: 65536}, abi.CodeInvalidPort},
		{"reserved", abi.ExposePortRequest{Port: 3000}, abi.CodeInvalidPort},
		{"beside reserved", abi.ExposePortRequest{Port: 3001}, ""},
		{"shortest token", abi.ExposePortRequest{Port: 2001, Token: "a"}, ""},
		{"longest token", abi.ExposePortRequest{Port: 2002, Token: strings.Repeat("_", 16)}, ""},
		{"token too long", abi.ExposePortRequest{Port: 2003, Token: strings.Repeat("a", 17)}, abi.CodeInvalidRequest},
		{"token in capitals", abi.ExposePortRequest{Port: 2003, Token: "ABC"}, abi.CodeInvalidRequest},
		{"token with a hyphen", abi.ExposePortRequest{Port: 2003, Token: "a-b"}, abi.CodeInvalidRequest},
		{"token of a public one", abi.ExposePortRequest{Port: 2003, Token: "abc", Access: abi.AccessPublic}, abi.CodeInvalidRequest},
		{"unknown access", abi.ExposePortRequest{Port: 2003, Access: "secret"}, abi.CodeInvalidRequest},
		{"unknown ifExposed", abi.ExposePortRequest{Port: 2003, IfExposed: "panic"}, abi.CodeInvalidRequest},
		{"negative ttl", abi.ExposePortRequest{Port: 2003, TTL: -1}, abi.CodeInvalidRequest},
		{"longest name", abi.ExposePortRequest{Port: 2004, Name: strings.Repeat("n", 256)}, ""},
		{"name too long", abi.ExposePortRequest{Port: 2003, Name: strings.Repeat("n", 257)}, abi.CodeInvalidRequest},
	}
	for _, tt := range tests {
		_, err := e.sandbox("s").ExposePort(t.Context(), &tt.req)
		if tt.code == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		got := abi.AsError(err)
		if got == nil || got.Code != tt.code || got.Operation != "exposePort" {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.code)
		}
		if tt.req.Token != "" && strings.Contains(got.Error(), tt.req.Token) {
			t.Errorf("%s: the error tells the token", tt.name)
		}
	}
	for name, call := range map[string]func(*Sandbox) error{
		"unexposePort": func(s *Sandbox) error {
			_, err := s.UnexposePort(t.Context(), &abi.UnexposePortRequest{Port: 1})
			return err
		},
		"isPortExposed": func(s *Sandbox) error { _, err := s.IsPortExposed(t.Context(), &abi.PortRequest{Port: 1}); return err },
		"validatePortToken": func(s *Sandbox) error {
			_, err := s.ValidatePortToken(t.Context(), &abi.PortTokenRequest{Port: 1})
			return err
		},
	} {
		if got := wantCode(t, call(e.sandbox("s")), abi.CodeInvalidPort); got.Operation != name {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := e.log.count("short enough to be guessed"); n != 1 {
		t.Errorf("warned %d times of a short token, want once", n)
	}
}

func TestExposeAgain(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.sandbox("s")
	first := expose(t, s, abi.ExposePortRequest{Port: 8080, Name: "web", TTL: abi.Duration(time.Hour), Policy: abi.Policy{MaxBytes: 7}})
	commits := e.disk.commits
	again := expose(t, s, abi.ExposePortRequest{Port: 8080})
	if again.URL != first.URL || again.Name != "web" || !again.CreatedAt.Equal(first.CreatedAt) || !again.ExpiresAt.Equal(*first.ExpiresAt) {
		t.Errorf("again %+v, first %+v", again, first)
	}
	if e.disk.commits != commits {
		t.Error("exposing again without a change wrote to the disk")
	}
	changed := expose(t, s, abi.ExposePortRequest{Port: 8080, Name: "site", TTL: abi.Duration(2 * time.Hour)})
	if changed.URL != first.URL || changed.Name != "site" || !changed.ExpiresAt.After(*first.ExpiresAt) {
		t.Errorf("changed %+v", changed)
	}
	if x, _ := e.exposures.ofPort(s.key, 8080); x.Policy.MaxBytes != 7 {
		t.Errorf("policy %+v", x.Policy)
	}
	if len(e.conns.list()) != 0 {
		t.Errorf("closed %v", e.conns.list())
	}
	_, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080, IfExposed: "error"})
	if got := wantCode(t, err, abi.CodePortAlreadyExposed); !strings.Contains(got.Message, "already exposed") {
		t.Errorf("message %q", got.Message)
	}
	moved := expose(t, s, abi.ExposePortRequest{Port: 8080, Token: "another_token"})
	if moved.URL == first.URL {
		t.Error("another token gave the same URL")
	}
	if _, ok := e.ExposureByLabel(labelOf(first)); ok {
		t.Error("the old URL works on")
	}
	if got := e.conns.list(); !slices.Equal(got, []string{"B/s:8080 1008"}) {
		t.Errorf("closed %v", got)
	}
	public := expose(t, s, abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic})
	if again := expose(t, s, abi.ExposePortRequest{Port: 8080}); again.URL != public.URL || labelOf(public) != "8080-s" {
		t.Errorf("public %s, again %s", public.URL, again.URL)
	}
	if private := expose(t, s, abi.ExposePortRequest{Port: 8080, Access: abi.AccessToken}); labelOf(private) == "8080-s" {
		t.Error("it stayed public")
	}
}

func labelOf(p *abi.ExposedPort) string {
	host, _, _ := strings.Cut(strings.SplitN(p.URL, "//", 2)[1], ".")
	return host
}

func TestExposuresCollide(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	public := func(port int) abi.ExposePortRequest {
		return abi.ExposePortRequest{Port: port, Access: abi.AccessPublic}
	}
	tests := []struct {
		name          string
		first, second abi.SandboxRef
		a, b          abi.ExposePortRequest
		collide       bool
	}{
		{"public of two bindings", abi.SandboxRef{Binding: "B", ID: "s1"}, abi.SandboxRef{Binding: "C", ID: "s1"}, public(8080), public(8080), true},
		{"tokens of two bindings", abi.SandboxRef{Binding: "B", ID: "s2"}, abi.SandboxRef{Binding: "C", ID: "s2"}, abi.ExposePortRequest{Port: 8080, Token: "same"}, abi.ExposePortRequest{Port: 8080, Token: "same"}, true},
		{"id that ends like a token", abi.SandboxRef{Binding: "B", ID: "s3-x"}, abi.SandboxRef{Binding: "B", ID: "s3"}, public(8080), abi.ExposePortRequest{Port: 8080, Token: "x"}, true},
		{"other ports", abi.SandboxRef{Binding: "B", ID: "s4"}, abi.SandboxRef{Binding: "C", ID: "s4"}, public(8080), public(8081), false},
		{"random tokens", abi.SandboxRef{Binding: "B", ID: "s5"}, abi.SandboxRef{Binding: "C", ID: "s5"}, abi.ExposePortRequest{Port: 8080}, abi.ExposePortRequest{Port: 8080}, false},
	}
	for _, tt := range tests {
		first := expose(t, e.handle(tt.first), tt.a)
		_, err := e.handle(tt.second).ExposePort(t.Context(), &tt.b)
		if !tt.collide {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		got := wantCode(t, err, abi.CodePortAlreadyExposed)
		if text := got.Message + got.Suggestion + string(got.Details); strings.Contains(text, tt.first.ID) || strings.Contains(text, "binding") {
			t.Errorf("%s: the error names the other: %s", tt.name, text)
		}
		x, ok := e.ExposureByLabel(labelOf(first))
		if !ok || x.Ref.ID != tt.first.ID || x.Ref.Binding != tt.first.Binding {
			t.Errorf("%s: the label leads to %+v", tt.name, x)
		}
		// Once the first is gone its name is free.
		if _, err := e.handle(tt.first).UnexposePort(t.Context(), &abi.UnexposePortRequest{Port: tt.a.Port}); err != nil {
			t.Fatal(err)
		}
		expose(t, e.handle(tt.second), tt.b)
	}
	// Moving an exposure onto another's name fails and changes nothing.
	s := e.sandbox("s6")
	before := expose(t, s, abi.ExposePortRequest{Port: 8080})
	expose(t, e.sandbox("s6-x"), public(8080))
	_, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080, Token: "x"})
	wantCode(t, err, abi.CodePortAlreadyExposed)
	if _, ok := e.ExposureByLabel(labelOf(before)); !ok {
		t.Error("the refused change took the URL away")
	}
}

func TestLabelsAreLookedUpWhole(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	expose(t, e.sandbox("a-b"), abi.ExposePortRequest{Port: 8080, Token: "tok_en"})
	for _, l := range []string{"", "8080", "8080-a-b", "8080-a-b-", "8080-a-b-tok_e", "8080-a-b-tok_enn", "08080-a-b-tok_en", "8080-a-b-tok_en ",
		"8081-a-b-tok_en", "8080-a-b-tok_en.x", strings.Repeat("8", 64), "\x00"} {
		if _, ok := e.ExposureByLabel(l); ok {
			t.Errorf("label %q was found", l)
		}
	}
	for _, p := range [][2]string{{"8080-a", "b-tok_en"}, {"", "8080-a-b-tok_en"}, {"08080", "a-b-tok_en"}, {"8080", "a-b-TOK_EN"}, {"8080", "a-b"}, {"+8080", "a-b-tok_en"}} {
		if _, ok := e.ExposureByPath(p[0], p[1]); ok {
			t.Errorf("path %q was found", p)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.sandbox("s")
	expose(t, s, abi.ExposePortRequest{Port: 8080, Token: "tok_en"})
	expose(t, s, abi.ExposePortRequest{Port: 8081, Access: abi.AccessPublic})
	tests := []struct {
		port  int
		token string
		want  bool
	}{
		{8080, "tok_en", true}, {8080, "tok_em", false}, {8080, "tok_e", false}, {8080, "tok_en_", false}, {8080, "", false},
		{8081, "", false}, {8081, "tok_en", false}, {8082, "", false}, {8082, "tok_en", false},
	}
	for _, tt := range tests {
		got, err := s.ValidatePortToken(t.Context(), &abi.PortTokenRequest{Port: tt.port, Token: tt.token})
		if err != nil || got.Value != tt.want {
			t.Errorf("token %q of %d: %+v, %v", tt.token, tt.port, got, err)
		}
	}
	seen := map[string]bool{}
	for range 200 {
		token := randomToken()
		if !validToken(token) || len(token) != 16 || seen[token] {
			t.Fatalf("random token %q", token)
		}
		seen[token] = true
	}
}

func TestUnexpose(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	e.conns.n = 3
	s := e.sandbox("s")
	p := expose(t, s, abi.ExposePortRequest{Port: 8080})
	if p.Connections != 3 {
		t.Errorf("connections %d", p.Connections)
	}
	for _, want := range []bool{true, false, false} {
		got, err := s.IsPortExposed(t.Context(), &abi.PortRequest{Port: 8080})
		if err != nil || got.Value != want {
			t.Errorf("exposed: %+v, %v; want %v", got, err, want)
		}
		if _, err := s.UnexposePort(t.Context(), &abi.UnexposePortRequest{Port: 8080}); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.conns.list(); !slices.Equal(got, []string{"B/s:8080 1008"}) {
		t.Errorf("closed %v", got)
	}
	if next := expose(t, s, abi.ExposePortRequest{Port: 8080}); next.URL == p.URL {
		t.Error("the URL that was taken back works again")
	}
}

func TestExposuresOutliveStopAndRestart(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, _, _ := e.start("s")
	until := abi.Duration(time.Hour)
	want := []*abi.ExposedPort{
		expose(t, s, abi.ExposePortRequest{Port: 8080, Name: "web", TTL: until, Policy: abi.Policy{IdleTimeout: until}}),
		expose(t, s, abi.ExposePortRequest{Port: 8081, Access: abi.AccessPublic}),
	}
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	e = successor(t, e, nil)
	got, err := e.sandbox("s").GetExposedPorts(t.Context(), &abi.Empty{})
	if err != nil || len(got.Ports) != 2 {
		t.Fatalf("exposed %+v, %v", got, err)
	}
	for i := range want {
		g, w := got.Ports[i], want[i]
		if g.URL != w.URL || g.Name != w.Name || !g.CreatedAt.Equal(w.CreatedAt) || (g.ExpiresAt == nil) != (w.ExpiresAt == nil) {
			t.Errorf("exposed %+v, want %+v", g, w)
		}
		if x, ok := e.ExposureByLabel(labelOf(w)); !ok || x.Port != w.Port {
			t.Errorf("by label: %+v, %v", x, ok)
		}
	}
	if x, _ := e.exposures.ofPort(key{"B", "s"}, 8080); x.Policy.IdleTimeout != until {
		t.Errorf("policy %+v", x.Policy)
	}
}

// TestExpiry runs on a clock of its own.
func TestExpiry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := newEdge(t, w, newMemory(), func(c *Config) { c.StateDir = dir })
		defer e.Close()
		s := e.sandbox("s")
		minute := expose(t, s, abi.ExposePortRequest{Port: 8080, TTL: abi.Duration(time.Minute)})
		longer := expose(t, s, abi.ExposePortRequest{Port: 8081, TTL: abi.Duration(time.Minute)})
		expose(t, s, abi.ExposePortRequest{Port: 8082})
		time.Sleep(time.Minute - time.Nanosecond)
		expose(t, s, abi.ExposePortRequest{Port: 8081, TTL: abi.Duration(time.Hour)})
		if _, ok := e.ExposureByLabel(labelOf(minute)); !ok {
			t.Fatal("it ended too early")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := e.ExposureByLabel(labelOf(minute)); ok {
			t.Error("it is found after its end")
		}
		synctest.Wait()
		if got := e.conns.list(); !slices.Equal(got, []string{"B/s:8080 1008"}) {
			t.Errorf("closed %v", got)
		}
		if _, err := e.store.Get(t.Context(), "exposure/B/s/8080"); !errors.Is(err, ErrNoEntry) {
			t.Errorf("it is still recorded: %v", err)
		}
		if _, ok := e.ExposureByLabel(labelOf(longer)); !ok {
			t.Error("the one that was exposed again ended")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		list, err := s.GetExposedPorts(t.Context(), &abi.Empty{})
		if err != nil || len(list.Ports) != 1 || list.Ports[0].Port != 8082 {
			t.Errorf("exposed %+v, %v", list, err)
		}
	})
}

func TestExpiryWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.StateDir = dir })
		defer e.Close()
		s := e.sandbox("s")
		p := expose(t, s, abi.ExposePortRequest{Port: 8080, TTL: abi.Duration(time.Minute)})
		e.store.full.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, ok := e.ExposureByLabel(labelOf(p)); ok {
			t.Error("it is served although its time is over")
		}
		e.store.full.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(e.disk.entries) != 2 { // the owner's id and the key of links
			t.Errorf("left on disk: %v", e.disk.entries)
		}
	})
}

func TestExpiredWhileTheEdgeWasAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, disk := newWorld(t), newMemory()
		e := newEdge(t, w, disk, func(c *Config) { c.StateDir = dir })
		p := expose(t, e.sandbox("s"), abi.ExposePortRequest{Port: 8080, TTL: abi.Duration(time.Minute)})
		e.crash()
		time.Sleep(time.Minute)
		e = newEdge(t, w, disk, func(c *Config) { c.StateDir = dir })
		defer e.Close()
		if _, ok := e.ExposureByLabel(labelOf(p)); ok || len(disk.entries) != 2 {
			t.Errorf("it came back: %v", disk.entries)
		}
	})
}

// TestExposureHammer races exposing and taking back with look-ups, over two
// bindings that want the same names.
func TestExposureHammer(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			binding := []string{"B", "C"}[worker%2]
			s := e.handle(abi.SandboxRef{Binding: binding, ID: "s"})
			for n := range 40 {
				ctx := context.Background()
				switch n % 4 {
				case 0:
					_, err := s.ExposePort(ctx, &abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic})
					if err != nil && !errors.Is(err, abi.CodePortAlreadyExposed.Err()) {
						t.Error(err)
					}
				case 1:
					if x, ok := e.ExposureByLabel("8080-s"); ok && x.Port != 8080 {
						t.Errorf("found %+v", x)
					}
				case 2:
					_, _ = s.GetExposedPorts(ctx, &abi.Empty{})
				case 3:
					if _, err := s.UnexposePort(ctx, &abi.UnexposePortRequest{Port: 8080}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	e.exposures.mu.RLock()
	defer e.exposures.mu.RUnlock()
	if len(e.exposures.byLabel) != len(e.exposures.bySandbox) || len(e.exposures.byLabel) > 1 {
		t.Errorf("%d labels of %d sandboxes", len(e.exposures.byLabel), len(e.exposures.bySandbox))
	}
}

func BenchmarkExposureByLabel(b *testing.B) {
	t := &exposures{byLabel: map[[32]byte]*savedExposure{}, bySandbox: map[key]map[int]*savedExposure{}}
	t.set(newSavedExposure(key{"B", "s"}, Exposure{Ref: key{"B", "s"}.ref(), Port: 8080, Access: abi.AccessToken, Token: "abcdefghijklmnop"}, 1))
	m := &Manager{exposures: t}
	for b.Loop() {
		if _, ok := m.ExposureByLabel("8080-s-abcdefghijklmnop"); !ok {
			b.Fatal("not found")
		}
	}
}
