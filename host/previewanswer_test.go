package host

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"edge/bridge"
	"edge/sandboxmgr"
)

// hostVisit and pathVisit are a visit in each form, with the token in the address.
func hostVisit(policy string) *visit {
	e := sandboxmgr.Exposure{Ref: ref("a"), Port: 8080, Token: "tok", Host: policy}
	return &visit{
		preview: preview{label: "8080-a-tok", path: ""}, exposure: e, secret: true,
		client: "8080-a-tok.edge.example:8443", scheme: "https", host: hostFor(&e, "8080-a-tok.edge.example:8443"),
	}
}

func pathVisit(policy string) *visit {
	e := sandboxmgr.Exposure{Ref: ref("a"), Port: 8080, Token: "tok", Host: policy}
	return &visit{
		preview: preview{port: "8080", key: "a-tok", path: "/dir/page"}, exposure: e, secret: true,
		client: "edge.example", scheme: "http", prefix: "/_preview/8080/a-tok", host: hostFor(&e, "edge.example"),
	}
}

func TestToClient(t *testing.T) {
	t.Parallel()
	const home, below = "https://8080-a-tok.edge.example:8443", "http://edge.example/_preview/8080/a-tok"
	for _, tt := range []struct{ name, policy, ref, atHost, atPath string }{
		{"path", "", "/login?next=/x#y", "/login?next=/x#y", "/_preview/8080/a-tok/login?next=/x#y"},
		{"root", "", "/", "/", "/_preview/8080/a-tok/"},
		{"relative", "", "login", "login", "login"},
		{"query", "", "?x=/../", "?x=/../", "?x=/../"},
		{"fragment", "", "#x", "#x", "#x"},
		{"nothing", "", "", "", ""},
		{"own origin", "", "http://localhost:8080/x", home + "/x", below + "/x"},
		{"own origin alone", "", "http://localhost:8080", home + "/", below + "/"},
		{"own origin, query", "", "http://localhost:8080?x", home + "/?x", below + "/?x"},
		{"own origin, upper case", "", "HTTP://LocalHost:8080/x", home + "/x", below + "/x"},
		{"own origin, https", "", "https://localhost:8080/x", home + "/x", below + "/x"},
		{"own origin, no scheme", "", "//localhost:8080/x", home + "/x", below + "/x"},
		{"own address", "", "http://127.0.0.1:8080/x", home + "/x", below + "/x"},
		{"all addresses", "", "http://0.0.0.0:8080/x", home + "/x", below + "/x"},
		{"another port", "", "http://localhost:3000/x", "http://localhost:3000/x", "http://localhost:3000/x"},
		{"elsewhere", "", "https://other.example/x", "https://other.example/x", "https://other.example/x"},
		{"elsewhere, no scheme", "", "//other.example/x", "//other.example/x", "//other.example/x"},
		{"elsewhere, backslash", "", `/\other.example/x`, `/\other.example/x`, `/\other.example/x`},
		{"user information", "", "http://localhost:8080@other.example/", "http://localhost:8080@other.example/", "http://localhost:8080@other.example/"},
		{"another scheme", "", "mailto:a@localhost:8080", "mailto:a@localhost:8080", "mailto:a@localhost:8080"},
		{"literal", "app.internal:${port}", "http://app.internal:8080/x", home + "/x", below + "/x"},
		{"literal without a port", "app.internal", "http://app.internal/x", home + "/x", below + "/x"},
		{"literal is not asked for", "", "http://app.internal:8080/x", "http://app.internal:8080/x", "http://app.internal:8080/x"},
		{"known prefix", "", "/_preview/8080/a-tok/x", "/_preview/8080/a-tok/x", "/_preview/8080/a-tok/x"},
		{"a longer key", "", "/_preview/8080/a-token/x", "/_preview/8080/a-token/x", "/_preview/8080/a-tok/_preview/8080/a-token/x"},
		{"climbing", "", "/../../x", "/../../x", "/_preview/8080/a-tok/x"},
		{"climbing, escaped", "", "/%2E%2e/x", "/%2E%2e/x", "/_preview/8080/a-tok/x"},
		{"climbing, relative", "", "../../../x?q", "../../../x?q", "/_preview/8080/a-tok/x?q"},
		{"climbing, within", "", "../x", "../x", "/_preview/8080/a-tok/x"},
		{"dots in the query", "", "x?../..", "x?../..", "x?../.."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := hostVisit(tt.policy).toClient(tt.ref); got != tt.atHost {
				t.Errorf("host form: %q became %q, want %q", tt.ref, got, tt.atHost)
			}
			if got := pathVisit(tt.policy).toClient(tt.ref); got != tt.atPath {
				t.Errorf("path form: %q became %q, want %q", tt.ref, got, tt.atPath)
			}
		})
	}
	// What a server makes of the Host that it sees, or of X-Forwarded-Host.
	if got := hostVisit("preview").toClient("http://8080-a-tok.edge.example:8443/x"); got != home+"/x" {
		t.Errorf("own name with another scheme: %q", got)
	}
	for ref, want := range map[string]string{"http://edge.example/x": below + "/x", "http://edge.example/_preview/1/b-c/": "http://edge.example/_preview/1/b-c/"} {
		if got := pathVisit("preview").toClient(ref); got != want {
			t.Errorf("%s became %s, want %s", ref, got, want)
		}
	}
}

func TestSetCookie(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, cookie, atHost, atPath string }{
		{"plain", "a=b", "a=b", "a=b"},
		{"as it is", "a=b;Secure ;  SameSite=None; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "a=b;Secure ;  SameSite=None; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "a=b;Secure ;  SameSite=None; Expires=Sun, 06 Nov 1994 08:49:37 GMT"},
		{"domain", "a=b; Domain=edge.example; HttpOnly", "a=b; HttpOnly", "a=b; HttpOnly"},
		{"domains", "a=b;DOMAIN=.edge.example;domain=x; domain", "a=b", "a=b"},
		{"domain is the value", "domain=domain; Path=/", "domain=domain; Path=/", "domain=domain; Path=/_preview/8080/a-tok/"},
		{"path", "a=b; path=/x; Secure", "a=b; path=/x; Secure", "a=b; path=/_preview/8080/a-tok/x; Secure"},
		{"paths", "a=b; Path=/x; Path = /y", "a=b; Path=/x; Path = /y", "a=b; Path=/_preview/8080/a-tok/x; Path =/_preview/8080/a-tok/y"},
		{"known path", "a=b; Path=/_preview/8080/a-tok/x", "a=b; Path=/_preview/8080/a-tok/x", "a=b; Path=/_preview/8080/a-tok/x"},
		{"no path", "a=b; Path=; Path=x", "a=b; Path=; Path=x", "a=b; Path=; Path=x"},
		{"__Host-", "__Host-a=b; Secure; Path=/", "__Host-a=b; Secure; Path=/", "__Host-a=b; Secure; Path=/_preview/8080/a-tok/"},
		{"__Secure-", "__Secure-a=b; Secure; Domain=edge.example", "__Secure-a=b; Secure", "__Secure-a=b; Secure"},
		{"the edge's", "edge-preview=x; Path=/", "", ""},
		{"the edge's, https", "__Host-edge-preview=x", "", ""},
		{"the edge's, any case", " __HOST-Edge-Preview = x", "", ""},
		{"the edge's as a value", "=edge-preview=x", "", ""},
		{"the edge's without more", "edge-preview", "", ""},
		{"not the edge's", "my-edge-preview=x", "my-edge-preview=x", "my-edge-preview=x"},
		{"nothing", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for v, want := range map[*visit]string{hostVisit(""): tt.atHost, pathVisit(""): tt.atPath} {
				got, ok := v.setCookie(tt.cookie)
				if got != want || ok != (want != "" || tt.cookie == "") {
					t.Errorf("%q below %q became %q (%v), want %q", tt.cookie, v.prefix, got, ok, want)
				}
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"5": "5", "5; url=/x": "5; url=/_preview/8080/a-tok/x", "0;URL='/x'": "0;URL='/_preview/8080/a-tok/x'", `1.5 , url = "/x" y`: `1.5 , url = "/_preview/8080/a-tok/x" y`,
		"5; /x": "5; /_preview/8080/a-tok/x", "5 /x": "5 /_preview/8080/a-tok/x", "x; url=/x": "x; url=/x", "5; url=": "5; url=", "5;": "5;", "5x; url=/y": "5x; url=/y",
		"5; url='http://localhost:8080/x": "5; url='http://edge.example/_preview/8080/a-tok/x", "": "", "5; urls": "5; urls",
	} {
		if got := pathVisit("").refresh(value); got != want {
			t.Errorf("%q became %q, want %q", value, got, want)
		}
	}
}

func TestEditAnswer(t *testing.T) {
	t.Parallel()
	const same = "Referrer-Policy: same-origin"
	public := hostVisit("")
	public.secret = false
	shown := hostVisit("")
	shown.secret, shown.shown = false, true
	tests := []struct {
		name     string
		v        *visit
		status   int
		in, want string
	}{
		{"policy is added", hostVisit(""), 200, "", same},
		{"policy is forced", hostVisit(""), 200, "referrer-policy: unsafe-url", same},
		{"the last known one counts", hostVisit(""), 200, "Referrer-Policy: no-referrer, origin, x|A: 1", "A: 1|" + same},
		{"a stricter one stays", pathVisit(""), 200, "Referrer-Policy: origin|Referrer-Policy: No-Referrer, unknown", "Referrer-Policy: no-referrer"},
		{"the same one", pathVisit(""), 404, "Referrer-Policy: same-origin", same},
		{"no secret", public, 200, "Referrer-Policy: unsafe-url", "Referrer-Policy: unsafe-url"},
		{"100", hostVisit(""), 100, "", ""},
		{"for no cache of others", shown, 200, "Cache-Control: public, max-age=9", "Cache-Control: public, max-age=9|Cache-Control: private"},
		{"for no cache of others, unchanged", shown, 304, "", "Cache-Control: private"},
		{"no answer yet", shown, 103, "", ""},
		{"switch", hostVisit(""), 101, "Set-Cookie: a=b; Domain=x", "Set-Cookie: a=b|" + same},
		{"cookies", public, 200, "Set-Cookie: a=b; Domain=x|set-cookie: edge-preview=1|Set-Cookie: c=d", "Set-Cookie: a=b|Set-Cookie: c=d"},
		{"addresses", public, 302, "location: http://localhost:8080/x|Content-Location: http://localhost:8080/y|Refresh: 1; url=http://localhost:8080/z",
			"location: " + public.base() + "/x|Content-Location: " + public.base() + "/y|Refresh: 1; url=" + public.base() + "/z"},
		{"own origin allowed", public, 200, "Access-Control-Allow-Origin: http://localhost:8080", "Access-Control-Allow-Origin: " + public.base()},
		{"another origin allowed", public, 200, "Access-Control-Allow-Origin: https://a.example", "Access-Control-Allow-Origin: https://a.example"},
		{"every origin allowed", public, 200, "Access-Control-Allow-Origin: *", "Access-Control-Allow-Origin: *"},
		{"the origin is its own", public, 200, "Service-Worker-Allowed: /|NEL: {}|Report-To: {}|Alt-Svc: h3|Strict-Transport-Security: max-age=1",
			"Service-Worker-Allowed: /|NEL: {}|Report-To: {}|Alt-Svc: h3|Strict-Transport-Security: max-age=1"},
		{"the origin is shared", pathVisit(""), 200, "Service-Worker-Allowed: /|nel: {}|Report-To: {}|Reporting-Endpoints: a=b|Alt-Svc: h3|Strict-Transport-Security: max-age=1|Clear-Site-Data: \"cache\"", same},
		{"cookies of the whole domain", public, 200, `Clear-Site-Data: "cache", "cookies"|Clear-Site-Data: "*"|Clear-Site-Data: "cache"`, `Clear-Site-Data: "cache"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var in []bridge.Header
			for line := range strings.SplitSeq(tt.in, "|") {
				if name, value, ok := strings.Cut(line, ": "); ok {
					in = append(in, bridge.Header{Name: name, Value: value})
				}
			}
			var got []string
			for _, h := range tt.v.editAnswer(tt.status, in) {
				got = append(got, h.Name+": "+h.Value)
			}
			if strings.Join(got, "|") != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// FuzzToClient wants a reference to lead a browser to where the server meant it to,
// as net/url understands both: the same address, or its own under the preview's name.
func FuzzToClient(f *testing.F) {
	for _, s := range []string{"/x", "http://localhost:8080/x?y#z", "../../x", "//a/b", "?q", "a:b", "/%2e%2e/x", "x/./y", "http://localhost:8080", "", "/a//b", "..", "a/.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		for _, c := range ref {
			if c <= ' ' || c >= 0x7f || c == '\\' { // browsers and net/url differ on those
				return
			}
		}
		v := pathVisit("")
		inside, _ := url.Parse("http://localhost:8080/dir/page")
		outside, _ := url.Parse(v.base() + v.prefix + "/dir/page")
		meant, err := inside.Parse(ref)
		if err != nil || meant.User != nil || strings.Contains(strings.ToLower(ref), "%2e") || strings.HasPrefix(ref, "///") {
			return
		}
		got, err := outside.Parse(v.toClient(ref))
		if err != nil {
			t.Fatalf("%q became %q: %v", ref, v.toClient(ref), err)
		}
		want := meant.String()
		if (meant.Scheme == "http" || meant.Scheme == "https") && v.owns(meant.Host) && !strings.HasPrefix(meant.EscapedPath(), previewPrefix) && meant.Opaque == "" {
			own := *meant
			own.Scheme, own.Host = "http", "edge.example"
			want = strings.Replace(own.String(), "http://edge.example", v.base()+v.prefix, 1)
			if meant.Path == "" {
				want = strings.Replace(want, v.prefix, v.prefix+"/", 1)
			}
			if !strings.HasPrefix(got.EscapedPath(), v.prefix+"/") {
				t.Errorf("%q leaves the preview: %q", ref, got)
			}
		} else if strings.HasPrefix(meant.EscapedPath(), previewPrefix) {
			return // its own idea of a preview
		}
		if written(got.String()) != written(want) {
			t.Errorf("%q leads to %q, want %q", ref, got, want)
		}
	})
}

// written is an address whose path is written one way.
func written(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" {
		return address
	}
	u.Path, u.RawPath = routePath(u.EscapedPath()), ""
	return u.String()
}

// FuzzSetCookie reads what was made with net/http: the cookie is the same one, but
// for the host alone, and below the preview's path.
func FuzzSetCookie(f *testing.F) {
	for _, s := range []string{"a=b; Domain=x; Path=/y", "a=b;path", "=a; Path=/", "edge-preview=1", "a=b; Path=/_preview/8080/a-tok", `a="b c"; DOMAIN = x ;Max-Age=0`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		for _, v := range []*visit{hostVisit(""), pathVisit("")} {
			got, ok := v.setCookie(cookie)
			if !ok {
				continue
			}
			before, err := http.ParseSetCookie(cookie)
			after, afterErr := http.ParseSetCookie(got)
			if (err == nil) != (afterErr == nil) && !strings.Contains(strings.ToLower(cookie), "domain") {
				t.Fatalf("%q became %q: %v", cookie, got, afterErr)
			}
			for attribute := range strings.SplitSeq(got, ";") {
				if name, _, _ := strings.Cut(attribute, "="); attribute != strings.Split(got, ";")[0] && strings.EqualFold(strings.Trim(name, " \t"), "domain") {
					t.Errorf("%q became %q", cookie, got)
				}
			}
			if err != nil || afterErr != nil {
				continue
			}
			if after.Domain != "" || after.Name != before.Name || after.Value != before.Value || after.MaxAge != before.MaxAge || edgeCookie(after.Name) {
				t.Errorf("%q became %q", cookie, got)
			}
			if strings.HasPrefix(before.Path, "/") && !strings.HasPrefix(after.Path, v.prefix+"/") && after.Path != v.prefix {
				t.Errorf("%q became %q", cookie, got)
			}
		}
	})
}

// FuzzRefresh wants all that stands before the address kept, and another reader to
// find the address.
func FuzzRefresh(f *testing.F) {
	for _, s := range []string{"5; url=/x", "5", "0,'/x'", "1.;x", ".5 url = \"/y\"z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		v := pathVisit("")
		got := v.refresh(value)
		if at := refreshURL(value); at < 0 && got != value || at >= 0 && !strings.HasPrefix(got, value[:at]) {
			t.Errorf("%q became %q", value, got)
		}
		if at, now := refreshURL(value), refreshURL(got); at != now && !slices.Contains([]int{at, at + 1}, now) {
			t.Errorf("%q became %q", value, got)
		}
	})
}
