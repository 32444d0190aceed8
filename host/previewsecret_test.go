package host

import (
	"net/url"
	"strings"
	"testing"
)

func TestWithoutProofs(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"a=1": "?a=1", "": "?", "a&&b": "?a&&b", "edge_token=x": "", "edge_link=1.x&": "?", "a=%20+&edge_token=x&b=%zz": "?a=%20+&b=%zz",
		"edge_token": "", "edge_token=x&edge_token=y&edge_link=z": "", "edge%5ftoken=x&q": "?q", "%65dge_link=x&q": "?q", "q&%65%64%67%65%5F%74%6f%6b%65%6e": "?q",
		"xedge_token=1": "?xedge_token=1", "edge_tokens=1": "?edge_tokens=1", "Edge_Token=1": "?Edge_Token=1", "a=edge_token=1": "?a=edge_token=1",
		"edge%ztoken=1": "?edge%ztoken=1", "edge_toke%": "?edge_toke%", "edge_link%": "?edge_link%",
	} {
		rest, any := withoutProofs(query)
		if any {
			rest = "?" + rest
		}
		if rest != want {
			t.Errorf("%q became %q, want %q", query, rest, want)
		}
	}
}

func TestWithoutSessions(t *testing.T) {
	t.Parallel()
	for cookies, want := range map[string]string{
		"a=1; b=2": "a=1; b=2", "a=1; edge-preview=x; b=2": "a=1; b=2", "edge-preview=x; a=1": "a=1", "edge-preview=x": "", "__Host-edge-preview=x; edge-preview=y": "",
		"a=edge-preview": "a=edge-preview", "xedge-preview=1": "xedge-preview=1", "edge-preview ; a": "edge-preview ; a", " edge-preview = x;a;; b": "a;; b", "edge-preview=a=b; c": "c",
	} {
		rest, any := withoutSessions(cookies)
		if any != (want != "") || rest != want {
			t.Errorf("%q became %q (%v), want %q", cookies, rest, any, want)
		}
	}
}

// FuzzWithoutProofs compares with net/url, which decodes every name.
func FuzzWithoutProofs(f *testing.F) {
	for _, s := range []string{"a=1&edge_token=x&b", "edge%5Ftoken=x", "edge_link", "&&", "%", "a=%zz&edge_link=%zz", "edge+token=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		var want []string
		for _, part := range strings.Split(query, "&") {
			name, _, _ := strings.Cut(part, "=")
			if plain, err := url.QueryUnescape(name); err != nil || plain != tokenQuery && plain != linkQuery {
				want = append(want, part)
			}
		}
		rest, any := withoutProofs(query)
		if any != (want != nil) || any && rest != strings.Join(want, "&") {
			t.Errorf("%q became %q (%v), want %q", query, rest, any, want)
		}
		if holdsProof(rest) {
			t.Errorf("%q still shows something in %q", query, rest)
		}
	})
}

// FuzzWithoutSessions wants every cookie kept but the edge's, in order, byte for byte.
func FuzzWithoutSessions(f *testing.F) {
	for _, s := range []string{"a=1; edge-preview=x; b=2", "__Host-edge-preview=1;a", ";;edge-preview=;", `a="x; edge-preview=y"`} {
		f.Add(s)
	}
	split := func(cookies string, all bool) (kept []string) {
		for _, pair := range strings.Split(cookies, ";") {
			name, _, has := strings.Cut(pair, "=")
			name = strings.Trim(name, " \t")
			if plain := strings.Trim(pair, " \t"); plain != "" && (all || !has || name != plainCookie && name != hostCookie) {
				kept = append(kept, plain)
			}
		}
		return kept
	}
	f.Fuzz(func(t *testing.T, cookies string) {
		rest, _ := withoutSessions(cookies)
		got, want := split(rest, true), split(cookies, false)
		if strings.Join(got, ";") != strings.Join(want, ";") {
			t.Errorf("%q became %q", cookies, rest)
		}
	})
}
