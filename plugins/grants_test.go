package plugins

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// wantDenied checks that an error is DENIED and names what and where.
func wantDenied(t *testing.T, err error, what, key string) {
	t.Helper()
	var e *abi.Error
	if !errors.As(err, &e) || e.Code != abi.CodeDenied || !strings.Contains(e.Message, what) || !strings.Contains(e.Suggestion, key+" ") {
		t.Errorf("got %v (%+v), want DENIED that names %s and %s", err, e, what, key)
	}
}

func TestGrantsOfSandboxes(t *testing.T) {
	t.Parallel()
	g := &Grants{Sandboxes: map[string][]string{"Sandbox": {"user-*", "shared"}, "Any": {"*"}, "None": {}}}
	for _, tt := range []struct {
		binding, id string
		key         string // "" is granted
	}{
		{"Sandbox", "user-1", ""},
		{"Sandbox", "User-1", ""}, // ids are lower-cased
		{"Sandbox", "user-a-b", ""},
		{"Sandbox", "shared", ""},
		{"Sandbox", "shared2", "grants.sandboxes.Sandbox"},
		{"Sandbox", "xuser-1", "grants.sandboxes.Sandbox"},
		{"Sandbox", "user", "grants.sandboxes.Sandbox"},
		{"Any", "x", ""},
		{"None", "x", "grants.sandboxes.None"},
		{"Other", "user-1", "grants.sandboxes"},
		{"sandbox", "user-1", "grants.sandboxes"},
		{"", "user-1", "grants.sandboxes"},
	} {
		t.Run(tt.binding+"/"+tt.id, func(t *testing.T) {
			t.Parallel()
			err := g.Sandbox(tt.binding, tt.id)
			if tt.key == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if tt.key != "" {
				wantDenied(t, err, "", tt.key)
			}
		})
	}
	if err := g.Sandbox("Any", "a b"); !errors.Is(err, abi.CodeInvalidSandboxID.Err()) {
		t.Errorf("an id that is none: %v", err)
	}
	if err := (*Grants)(nil).Sandbox("Anything", "at-all"); err != nil {
		t.Errorf("without grants: %v", err)
	}
	if err := (&Grants{}).Sandbox("Sandbox", "a"); err == nil {
		t.Error("empty grants grant a sandbox")
	}
}

func TestGrantsOfOperationsAndPorts(t *testing.T) {
	t.Parallel()
	g := &Grants{Operations: []string{"read*", "exec", "unexposePort"}, Ports: []PortRange{{8080, 8080}, {3000, 3999}}}
	for name, granted := range map[string]bool{
		"readFile": true, "readFileStream": true, "exec": true, "execStream": false, "writeFile": false, "closePort": true, "read": true, "": false, "Exec": false,
	} {
		if err := g.Operation(name); (err == nil) != granted {
			t.Errorf("operation %q: %v, want granted %v", name, err, granted)
		}
	}
	wantDenied(t, g.Operation("writeFile"), `"writeFile"`, "grants.operations")
	for port, granted := range map[int]bool{8080: true, 8081: false, 3000: true, 3999: true, 4000: false, 2999: false, 0: false, -1: false} {
		if err := g.Port(port); (err == nil) != granted {
			t.Errorf("port %d: %v, want granted %v", port, err, granted)
		}
	}
	wantDenied(t, g.Port(9000), "port 9000", "grants.ports")
	for _, all := range []*Grants{nil, {}} {
		if all.Operation("exec") != nil || all.Port(1) != nil {
			t.Errorf("%+v: a list that was not given refuses", all)
		}
	}
	none := &Grants{Operations: []string{}, Ports: []PortRange{}}
	if none.Operation("exec") == nil || none.Port(8080) == nil {
		t.Error("an empty list grants something")
	}
}

func TestGrantsOfNamespaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		g    *Grants
		want string
	}{{nil, "chat"}, {&Grants{}, ""}, {&Grants{KV: "team"}, "team"}} {
		if got, ok := tt.g.Namespace("chat"); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%+v: %q, %v, want %q", tt.g, got, ok, tt.want)
		}
	}
}

func TestGrantsOfFetch(t *testing.T) {
	t.Parallel()
	g := &Grants{Fetch: []string{
		"api.example.com", "*.cdn.example", "http://plain.example", "odd.example:8443", "http://10.0.0.5:8080", "[::1]:9000", "http://127.0.0.1",
		"Case.Example", "not a host", "ftp://x.example", "",
	}}
	for _, tt := range []struct {
		scheme, host string
		port         int
		granted      bool
	}{
		{"https", "api.example.com", 443, true},
		{"https", "API.Example.com", 443, true},
		{"https", "api.example.com.", 443, true},
		{"http", "api.example.com", 443, false},
		{"http", "api.example.com", 80, false},
		{"https", "api.example.com", 8443, false},
		{"https", "xapi.example.com", 443, false},
		{"https", "api.example.com.evil.example", 443, false},
		{"https", "a.cdn.example", 443, true},
		{"https", "a.b.cdn.example", 443, true},
		{"https", "cdn.example", 443, false},
		{"https", "xcdn.example", 443, false},
		{"https", ".cdn.example", 443, false},
		{"http", "plain.example", 80, true},
		{"https", "plain.example", 443, false},
		{"https", "odd.example", 8443, true},
		{"https", "odd.example", 443, false},
		{"http", "10.0.0.5", 8080, true},
		{"http", "10.0.0.5", 80, false},
		{"http", "::ffff:10.0.0.5", 8080, true},
		{"http", "10.0.0.50", 8080, false},
		{"https", "::1", 9000, true},
		{"https", "[::1]", 9000, true},
		{"https", "::1%eth0", 9000, false},
		{"http", "127.0.0.1", 80, true},
		{"http", "2130706433", 80, false}, // 127.0.0.1 as some write it
		{"https", "case.example", 443, true},
		{"https", "", 443, false},
		{"https", "not a host", 443, false},
	} {
		t.Run(fmt.Sprintf("%s://%s:%d", tt.scheme, tt.host, tt.port), func(t *testing.T) {
			t.Parallel()
			err := g.FetchHost(tt.scheme, tt.host, tt.port)
			if tt.granted && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !tt.granted {
				wantDenied(t, err, "for fetch", "grants.fetch")
			}
		})
	}
	every := &Grants{Fetch: []string{"*"}}
	if every.FetchHost("https", "a.example", 443) != nil || every.FetchHost("https", "10.0.0.1", 443) == nil || every.FetchHost("http", "a.example", 80) == nil {
		t.Error(`"*" is not every name by https, and nothing else`)
	}
	if (*Grants)(nil).FetchHost("https", "a.example", 443) == nil {
		t.Error("without grants a host is granted")
	}
	for addr, granted := range map[string]bool{"10.0.0.5:8080": true, "[::ffff:10.0.0.5]:8080": true, "10.0.0.5:81": false, "127.0.0.1:80": true, "127.0.0.2:80": false} {
		if g.FetchAddr("http", netip.MustParseAddrPort(addr)) != granted {
			t.Errorf("address %s: not %v", addr, granted)
		}
	}
	local := netip.MustParseAddrPort("127.0.0.1:443")
	if g.FetchAddr("https", netip.MustParseAddrPort("127.0.0.1:80")) || every.FetchAddr("https", local) || (*Grants)(nil).FetchAddr("https", local) {
		t.Error("an address is granted that was not")
	}
}

func TestFetchGrantsAreChecked(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a.example", "*.a.example", "*", "http://a", "https://a:1", "10.0.0.1", "http://[::1]:80", "::1", "[::1]", "a_b.example"} {
		if err := CheckFetchGrant(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, why := range map[string]string{
		"": "names no host", "ws://a": "neither http nor https", "a/b": "more than a host", "a:0": "no port", "a:65536": "no port", "a:x": "no port",
		"a:080": "no port", "a:": "names no host", "a*.example": "names no host", "a.*": "names no host", "**": "names no host", "*.": "names no host",
		"u@a": "more than a host", "fe80::1%eth0": "has a zone", "ä.example": "names no host", "[a]": "names no host", "https://": "names no host",
	} {
		if err := CheckFetchGrant(bad); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", bad, err, why)
		}
	}
}

// TestPatternsAgreeWithARegularExpression compares the matcher with what it means.
func TestPatternsAgreeWithARegularExpression(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	word := func(letters string, n int) string {
		b := make([]byte, rng.IntN(n))
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return string(b)
	}
	hits := 0
	for range 20_000 {
		pattern, s := word("ab-*", 8), word("ab-", 10)
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(s)
		if got := matches(pattern, s); got != want {
			t.Fatalf("matches(%q, %q) = %v", pattern, s, got)
		}
		if want {
			hits++
		}
	}
	if hits < 500 {
		t.Errorf("only %d of the tries matched: the test tells little", hits)
	}
}

// FuzzPatterns holds a pattern against a slower matcher of another kind.
func FuzzPatterns(f *testing.F) {
	f.Add("user-*", "user-1")
	f.Add("*a*b*", "xaxbx")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 64 || len(s) > 64 {
			return
		}
		if got, want := matches(pattern, s), slowMatches(pattern, s); got != want {
			t.Errorf("matches(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}

// slowMatches fills in which prefixes of the pattern are which prefixes of s.
func slowMatches(pattern, s string) bool {
	is := make([]bool, len(s)+1)
	is[0] = true
	for _, c := range []byte(pattern) {
		next := make([]bool, len(s)+1)
		for i := range next {
			if c == '*' {
				next[i] = is[i] || i > 0 && next[i-1]
			} else {
				next[i] = i > 0 && is[i-1] && s[i-1] == c
			}
		}
		is = next
	}
	return is[len(s)]
}

// importing is a plugin that imports functions of edge1 and uses none.
func importing(names ...string) []byte {
	return minimal(func(m *wasmasm.Module) {
		for _, f := range edgeFunctions() {
			if slices.Contains(names, f.name) {
				m.Import(hostModule, f.name, letters(f.params), "I")
			}
		}
	})
}

func TestUngrantedImportsAreRefused(t *testing.T) {
	t.Parallel()
	one := map[string][]string{"Sandbox": {"*"}}
	for _, tt := range []struct {
		name, function string
		spec           Spec
		key            string // "" is loaded
	}{
		{"no grants at all", "op", Spec{}, ""},
		{"nothing granted", "op", Spec{Grants: &Grants{}}, "grants.sandboxes"},
		{"nothing granted, asynchronous", "op_start", Spec{Grants: &Grants{}}, "grants.sandboxes"},
		{"no id granted", "op", Spec{Grants: &Grants{Sandboxes: map[string][]string{"Sandbox": {}}}}, "grants.sandboxes"},
		{"a sandbox granted", "op", Spec{Grants: &Grants{Sandboxes: one}}, ""},
		{"no operation granted", "op_open", Spec{Grants: &Grants{Sandboxes: one, Operations: []string{}}}, "grants.operations"},
		{"stream", "op_open", Spec{Grants: &Grants{}}, "grants.sandboxes"},
		{"socket", "ws_open", Spec{Grants: &Grants{}}, "grants.sandboxes"},
		{"socket, asynchronous", "ws_open_start", Spec{Grants: &Grants{}}, "grants.sandboxes"},
		{"connect", "connect", Spec{Grants: &Grants{}}, "grants.sandboxes"},
		{"proxy", "proxy", Spec{Grants: &Grants{}}, "grants.sandboxes"},
		{"plan", "plan", Spec{Grants: &Grants{}}, "grants.sandboxes"},
		{"respond", "respond", Spec{Grants: &Grants{}}, ""},
		{"configuration", "config_get", Spec{Grants: &Grants{}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			tt.spec.Name, tt.spec.Source = "p", writeModule(t, importing(tt.function))
			_, err := b.Load(t.Context(), tt.spec)
			if tt.key == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			want := "it imports edge1." + tt.function + ", which needs a grant: add " + tt.key + " to the plugin's configuration"
			if !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// TestNeededGrants has the whole table: what is not in it needs no grant.
func TestNeededGrants(t *testing.T) {
	t.Parallel()
	var imports []string
	for _, f := range edgeFunctions() {
		imports = append(imports, hostModule+"."+f.name)
	}
	imports = append(imports, "wasi_snapshot_preview1.op")
	var got []string
	for _, n := range NeededGrants(imports) {
		got = append(got, strings.TrimPrefix(n.Import, "edge1.")+": "+strings.Join(n.Keys, " "))
	}
	want := []string{
		"connect: grants.sandboxes", "fetch: grants.fetch grants.sandboxes", "fetch_start: grants.fetch grants.sandboxes",
		"kv: grants.kv", "kv_start: grants.kv", "op: grants.sandboxes grants.operations", "op_open: grants.sandboxes grants.operations",
		"op_open_start: grants.sandboxes grants.operations", "op_start: grants.sandboxes grants.operations", "plan: grants.sandboxes",
		"proxy: grants.sandboxes", "secret_get: secrets", "ws_open: grants.sandboxes", "ws_open_start: grants.sandboxes",
		"ws_url_start: grants.fetch grants.sandboxes",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	full := Spec{Name: "p", Secrets: map[string]string{"k": "v"}, Grants: &Grants{KV: "p", Fetch: []string{"a"}, Sandboxes: map[string][]string{"S": {"*"}}}}
	for _, n := range NeededGrants(imports) {
		if key := full.missing(n); key != "" {
			t.Errorf("%s still needs %s", n.Import, key)
		}
		empty := Spec{Name: "p", Grants: &Grants{}}
		if key := empty.missing(n); !strings.Contains(key, n.Keys[0]) {
			t.Errorf("%s without anything: %q", n.Import, key)
		}
	}
}
