package sandboxmgr

import (
	"errors"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func TestHostPolicyIsChecked(t *testing.T) {
	t.Parallel()
	for policy, ok := range map[string]bool{
		"": true, "local": true, "preview": true, "app.internal": true, "app.internal:${port}": true, "app:80": true, "${port}.app": true, "127.0.0.1:${port}": true,
		"[::1]": true, "[::1]:${port}": true, "my_app": true, "App.Example.": true, strings.Repeat("a", 63) + ".b": true,
		"Local": false, "PREVIEW": false, "app:": false, "app:0": false, "app:65536": false, "app:080": false, "app:${Port}": false, "app:$port": false,
		"a:b:c": false, "::1": false, "[::1": false, "[fe80::1%eth0]": false, "[127.0.0.1]": false, "a b": false, "a\r\nX: y": false, "a/b": false, "u@app": false,
		"a..b": false, ".": false, "-a": false, "é.example": false, "a,b": false, strings.Repeat("a", 64): false, strings.Repeat("a.", 200): false, "app:${port}${port}": false,
	} {
		if err := checkHost(policy, 8080); (err == nil) != ok {
			t.Errorf("%q: %v", policy, err)
		}
	}
}

func TestExposeChecksItsOptions(t *testing.T) {
	t.Parallel()
	s := newEdge(t, newWorld(t), newMemory(), nil).sandbox("s")
	for want, req := range map[string]abi.ExposePortRequest{
		`access is plugin, which has no token`: {Access: abi.AccessPlugin, Token: "tok_en"},
		`access is public, which has no token`: {Access: abi.AccessPublic, TokenIn: abi.TokenInRequest},
		`tokenIn "cookie"`:                     {TokenIn: "cookie"},
		`onRestart "stop"`:                     {OnRestart: "stop"},
		`host is "a b"`:                        {Host: "a b"},
		`host is "Local"; want "local"`:        {Host: "Local"},
	} {
		req.Port = 8080
		_, err := s.ExposePort(t.Context(), &req)
		if !errors.Is(err, abi.CodeInvalidRequest.Err()) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestUpsert exposes with a first and then with a second request.
func TestUpsert(t *testing.T) {
	t.Parallel()
	const (
		kept = iota
		sameLabel
		another
	)
	token := abi.ExposePortRequest{Token: "tok_en"}
	public := abi.ExposePortRequest{Access: abi.AccessPublic}
	request := abi.ExposePortRequest{TokenIn: abi.TokenInRequest, Token: "tok_en"}
	for _, tt := range []struct {
		name        string
		first, then abi.ExposePortRequest
		url         int
		token       string // the one then, or "*" for a random one
		access      abi.Access
		in          abi.TokenIn
	}{
		{"nothing said", token, abi.ExposePortRequest{}, kept, "tok_en", "token", ""},
		{"the same said", token, token, kept, "tok_en", "token", ""},
		{"the defaults said", token, abi.ExposePortRequest{Access: "token", TokenIn: "host", Host: "local", OnRestart: "keep"}, kept, "tok_en", "token", ""},
		{"another token", token, abi.ExposePortRequest{Token: "other"}, another, "other", "token", ""},
		{"made public", token, public, another, "", "public", ""},
		{"public stays so", public, abi.ExposePortRequest{Name: "web"}, kept, "", "public", ""},
		{"public gets a token", public, token, another, "tok_en", "token", ""},
		{"public gets a random token", public, abi.ExposePortRequest{Access: "token"}, another, "*", "token", ""},
		{"public to a token in requests", public, abi.ExposePortRequest{TokenIn: "request"}, sameLabel, "*", "token", "request"},
		{"public to plugin", public, abi.ExposePortRequest{Access: "plugin"}, sameLabel, "", "plugin", ""},
		{"token out of the host", token, abi.ExposePortRequest{TokenIn: "request"}, another, "*", "token", "request"},
		{"token into the host", request, abi.ExposePortRequest{TokenIn: "host"}, another, "*", "token", ""},
		{"token out of the host, and the same", token, request, another, "tok_en", "token", "request"},
		{"request stays so", request, abi.ExposePortRequest{Name: "web"}, kept, "tok_en", "token", "request"},
		{"request gets another token", request, abi.ExposePortRequest{Token: "other"}, sameLabel, "other", "token", "request"},
		{"request to public", request, public, sameLabel, "", "public", "request"},
		{"request to plugin", request, abi.ExposePortRequest{Access: "plugin"}, sameLabel, "", "plugin", "request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), nil)
			s := e.sandbox("s")
			tt.first.Port, tt.then.Port = 8080, 8080
			was := expose(t, s, tt.first)
			got := expose(t, s, tt.then)
			x := e.exposureOf(s, 8080)
			if (tt.url == another) != (got.URL != was.URL) {
				t.Errorf("URL %s, then %s", was.URL, got.URL)
			}
			if x.Access != tt.access || got.Access != tt.access || x.TokenIn != tt.in {
				t.Errorf("access %s (%s), token in %q", x.Access, got.Access, x.TokenIn)
			}
			if tt.token == "*" && (len(x.Token) != maxToken || x.Token == "tok_en") || tt.token != "*" && x.Token != tt.token {
				t.Errorf("token %q, want %q", x.Token, tt.token)
			}
			if closed := len(e.conns.list()) == 1; closed != (tt.url != kept) {
				t.Errorf("closed %v", e.conns.list())
			}
			if _, ok := e.ExposureByLabel(labelOf(was)); ok != (tt.url != another) {
				t.Errorf("the first URL leads somewhere: %v", ok)
			}
			if !got.CreatedAt.Equal(was.CreatedAt) {
				t.Error("it was created anew")
			}
			e = successor(t, e, nil)
			if again := e.exposureOf(e.sandbox("s"), 8080); !again.SameAddress(&x) {
				t.Errorf("after a restart %+v, before %+v", again, x)
			}
		})
	}
}

// TestOptionsAreKept exposes with every option, then again with none, restarts, and
// changes each.
func TestOptionsAreKept(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.sandbox("s")
	expose(t, s, abi.ExposePortRequest{Port: 8080, Name: "web", Host: "app.internal:${port}", OnRestart: "revoke", Wake: "never", TokenIn: "request", MaxConnections: 3})
	expose(t, s, abi.ExposePortRequest{Port: 8080})
	before := e.exposureOf(s, 8080)
	e = successor(t, e, nil)
	s = e.sandbox("s")
	x := e.exposureOf(s, 8080)
	if !x.SameAddress(&before) || x.Name != "web" || x.Host != "app.internal:${port}" || x.OnRestart != "revoke" || x.Wake != "never" || x.TokenIn != "request" || x.MaxConnections != 3 {
		t.Errorf("exposure %+v", x)
	}
	expose(t, s, abi.ExposePortRequest{Port: 8080, Host: "local", OnRestart: "keep", Wake: "hold(10s)"})
	if x := e.exposureOf(s, 8080); x.Host != "" || x.OnRestart != "" || x.Wake != "hold(10s)" {
		t.Errorf("exposure %+v", x)
	}
	if len(e.conns.list()) != 0 {
		t.Errorf("closed %v", e.conns.list())
	}
}

// TestEarlierRecord reads a record of a version that knew names, tokens and access.
func TestEarlierRecord(t *testing.T) {
	t.Parallel()
	disk := newMemory()
	store := &handle{memory: disk}
	for k, v := range map[string]string{
		"exposure/B/s/8080": `{"name":"web","token":"tok_en","access":"token","createdAt":"2026-01-02T03:04:05Z"}`,
		"exposure/B/s/8081": `{"access":"public","createdAt":"2026-01-02T03:04:05Z"}`,
	} {
		if _, err := store.Commit(t.Context(), Change{Key: k, Value: []byte(v)}); err != nil {
			t.Fatal(err)
		}
	}
	e := newEdge(t, newWorld(t), disk, nil)
	for label, port := range map[string]int{"8080-s-tok_en": 8080, "8081-s": 8081} {
		x, ok := e.ExposureByLabel(label)
		if !ok || x.Port != port || x.TokenIn != "" || x.Host != "" || x.OnRestart != "" || !x.CreatedAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			t.Errorf("%s: %+v, %v", label, x, ok)
		}
	}
}

func TestExposuresOfASandboxAreBounded(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.sandbox("s")
	for i := range maxExposures {
		expose(t, s, abi.ExposePortRequest{Port: 2000 + i})
	}
	_, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 1999})
	wantCode(t, err, abi.CodeQuotaExceeded)
	expose(t, s, abi.ExposePortRequest{Port: 2000, Name: "again"})
	expose(t, e.sandbox("other"), abi.ExposePortRequest{Port: 1999})
	unexpose(t, s, 2000, 0)
	expose(t, s, abi.ExposePortRequest{Port: 1999})
}

// TestTokensInPath exposes where there is no certificate for names that hold a token.
func TestTokensInPath(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), func(c *Config) {
		c.Previews = PreviewConfig{Scheme: "https", Domains: []string{"p.example", "q.example"}, Port: 8443, TokensInPath: true}
	})
	s := e.sandbox("a-b")
	for _, tt := range []struct {
		req     abi.ExposePortRequest
		url, ws string
	}{
		{abi.ExposePortRequest{Port: 8080, Token: "tok_en"}, "https://p.example:8443/_preview/8080/a-b-tok_en/", "wss://p.example:8443/_preview/8080/a-b-tok_en/"},
		{abi.ExposePortRequest{Port: 8081, Token: "tok_en", TokenIn: "request"}, "https://8081-a-b.p.example:8443/", "wss://8081-a-b.p.example:8443/"},
		{abi.ExposePortRequest{Port: 8082, Access: "public"}, "https://8082-a-b.p.example:8443/", "wss://8082-a-b.p.example:8443/"},
		{abi.ExposePortRequest{Port: 8083, Access: "plugin"}, "https://8083-a-b.p.example:8443/", "wss://8083-a-b.p.example:8443/"},
	} {
		if p := expose(t, s, tt.req); p.URL != tt.url || p.WSURL != tt.ws {
			t.Errorf("%s, %s; want %s", p.URL, p.WSURL, tt.url)
		}
	}
	if x, ok := e.ExposureByPath("8080", "a-b-tok_en"); !ok || x.Port != 8080 {
		t.Errorf("by path: %+v, %v", x, ok)
	}
	if x, ok := e.ExposureByLabel("8080-a-b-tok_en"); !ok || x.Port != 8080 {
		t.Errorf("by label: %+v, %v", x, ok)
	}
}
