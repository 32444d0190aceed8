package sandboxmgr

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func TestCreatePreviewLink(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.sandbox("s")
	p := expose(t, s, abi.ExposePortRequest{Port: 8080, TokenIn: "request"})
	expose(t, s, abi.ExposePortRequest{Port: 8081, TokenIn: "request", TTL: abi.Duration(time.Minute)})
	if p.URL != "http://8080-s.localhost:8787/" || p.WSURL != "ws://8080-s.localhost:8787/" || !validToken(p.Token) {
		t.Errorf("exposed %+v", p)
	}
	for _, tt := range []struct {
		name string
		req  abi.PreviewLinkRequest
		link string // up to the signature
		life time.Duration
	}{
		{"nothing said", abi.PreviewLinkRequest{Port: 8080}, "http://8080-s.localhost:8787/?edge_link=", time.Hour},
		{"path", abi.PreviewLinkRequest{Port: 8080, Path: "/a/b%2fc", TTL: abi.Duration(time.Second)}, "http://8080-s.localhost:8787/a/b%2fc?edge_link=", time.Second},
		{"query", abi.PreviewLinkRequest{Port: 8080, Path: "/?a=b", TTL: abi.Duration(maxLinkTTL)}, "http://8080-s.localhost:8787/?a=b&edge_link=", maxLinkTTL},
		{"two slashes", abi.PreviewLinkRequest{Port: 8080, Path: "//evil.example/"}, "http://8080-s.localhost:8787//evil.example/?edge_link=", time.Hour},
		{"shorter than a second", abi.PreviewLinkRequest{Port: 8080, TTL: 1}, "http://8080-s.localhost:8787/?edge_link=", 1},
		{"longer than the exposure", abi.PreviewLinkRequest{Port: 8081}, "http://8081-s.localhost:8787/?edge_link=", time.Minute},
	} {
		began := time.Now()
		link, err := s.CreatePreviewLink(t.Context(), &tt.req)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		signed, ok := strings.CutPrefix(link.URL, tt.link)
		if u, err := url.Parse(link.URL); !ok || err != nil || u.Query().Get("edge_link") != signed {
			t.Errorf("%s: link %s, want %s", tt.name, link.URL, tt.link)
		}
		if least := link.ExpiresAt.Sub(began) - tt.life; tt.req.Port == 8080 && (least < 0 || least > 10*time.Second) {
			t.Errorf("%s: it lives %s too long", tt.name, least)
		}
		if until, ok := e.AccessSigned(e.exposureOf(s, tt.req.Port), signed, began); !ok || until.Unix() != link.ExpiresAt.Unix() {
			t.Errorf("%s: it opens %v until %s", tt.name, ok, until)
		}
		if strings.Contains(link.URL, e.exposureOf(s, tt.req.Port).Token) {
			t.Errorf("%s: it shows the token", tt.name)
		}
	}
}

func TestCreatePreviewLinkRefuses(t *testing.T) {
	t.Parallel()
	s := newEdge(t, newWorld(t), newMemory(), nil).sandbox("s")
	expose(t, s, abi.ExposePortRequest{Port: 8080, TokenIn: "request"})
	expose(t, s, abi.ExposePortRequest{Port: 8081})
	expose(t, s, abi.ExposePortRequest{Port: 8082, Access: "public"})
	for _, tt := range []struct {
		name string
		req  abi.PreviewLinkRequest
		code abi.Code
		want string
	}{
		{"port", abi.PreviewLinkRequest{Port: 80}, abi.CodeInvalidPort, ""},
		{"not exposed", abi.PreviewLinkRequest{Port: 9090}, abi.CodePortNotExposed, "expose it first"},
		{"token in the host", abi.PreviewLinkRequest{Port: 8081}, abi.CodeInvalidRequest, `tokenIn "request"`},
		{"public", abi.PreviewLinkRequest{Port: 8082}, abi.CodeInvalidRequest, `access "public"`},
		{"ttl", abi.PreviewLinkRequest{Port: 8080, TTL: abi.Duration(maxLinkTTL + 1)}, abi.CodeInvalidRequest, "ttl"},
		{"negative ttl", abi.PreviewLinkRequest{Port: 8080, TTL: -1}, abi.CodeInvalidRequest, "ttl"},
		{"no slash", abi.PreviewLinkRequest{Port: 8080, Path: "a"}, abi.CodeInvalidRequest, "begin"},
		{"another host", abi.PreviewLinkRequest{Port: 8080, Path: "http://evil.example/"}, abi.CodeInvalidRequest, "begin"},
		{"back slash", abi.PreviewLinkRequest{Port: 8080, Path: `/\evil.example/`}, abi.CodeInvalidRequest, "encode"},
		{"fragment", abi.PreviewLinkRequest{Port: 8080, Path: "/#a"}, abi.CodeInvalidRequest, "encode"},
		{"line break", abi.PreviewLinkRequest{Port: 8080, Path: "/a\r\nb"}, abi.CodeInvalidRequest, "encode"},
		{"letters", abi.PreviewLinkRequest{Port: 8080, Path: "/é"}, abi.CodeInvalidRequest, "encode"},
		{"two links", abi.PreviewLinkRequest{Port: 8080, Path: "/?a&edge_link=b"}, abi.CodeInvalidRequest, "edge_link"},
		{"a token", abi.PreviewLinkRequest{Port: 8080, Path: "/?edge_token"}, abi.CodeInvalidRequest, "edge_token"},
		{"long", abi.PreviewLinkRequest{Port: 8080, Path: "/" + strings.Repeat("a", maxLinkPath)}, abi.CodeInvalidRequest, "4097"},
	} {
		_, err := s.CreatePreviewLink(t.Context(), &tt.req)
		got := abi.AsError(err)
		if got == nil || got.Code != tt.code || got.Operation != "createPreviewLink" || !strings.Contains(got.Message+got.Suggestion, tt.want) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
