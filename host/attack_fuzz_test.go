package host

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
)

// urlMap is a literal map of addresses to who is there: all that a table of exposures
// may ever find.
type urlMap struct {
	hosts map[string]string // lower case, without port: "8080-a-tok.localhost" -> "Sandbox/a:8080"
	paths map[string]string // "/_preview/8080/a-tok" -> likewise
}

func (m *urlMap) add(port, id, token, domain string) {
	who := "Sandbox/" + id + ":" + port
	if token != "" {
		token = "-" + token
	}
	m.hosts[port+"-"+id+token+"."+domain] = who
	m.paths["/_preview/"+port+"/"+id+token] = who
}

// find reads the address by hand: no function of the server's is used.
func (m *urlMap) find(host, path string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	lower := []byte(strings.TrimSuffix(host, "."))
	for i, c := range lower {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c + 32
		}
	}
	if who := m.hosts[string(lower)]; who != "" {
		return who
	}
	if parts := strings.SplitN(path, "/", 5); len(parts) >= 4 && !ofPreview(string(lower)) {
		return m.paths[strings.Join(parts[:4], "/")]
	}
	return ""
}

// ofPreview tells whether a host is a preview's, or nobody's, whatever the path.
func ofPreview(host string) bool {
	label, ok := strings.CutSuffix(host, ".localhost")
	return ok && len(label) < 64 && regexp.MustCompile(`^\d+-[^.]+$`).MatchString(label)
}

// FuzzPreviewAddress puts any host and any target to the gate and the table of a real
// manager: what is found is what a literal map of the URLs holds, no more and no less.
func FuzzPreviewAddress(f *testing.F) {
	a := newArena(f, &Server{}, nil)
	a.once.Do(a.prepare)
	model := &urlMap{map[string]string{}, map[string]string{}}
	for _, e := range []struct{ id, token string }{{"a", "tok"}, {"a", ""}, {"a-b", "tok"}, {"a-b", ""}, {"b", "a_b"}, {"8080-a", "tok"}, {"8080", "8080"}, {"xn--a", ""}} {
		for _, port := range []int{1024, 8080, 8081, 65535} {
			req := abi.ExposePortRequest{Port: port, Token: e.token, Access: abi.AccessToken}
			if (port == 8081) != (e.token == "") {
				continue
			}
			if e.token == "" {
				req.Access = abi.AccessPublic
			}
			a.expose(f, e.id, req)
			model.add(fmt.Sprint(port), e.id, e.token, "localhost")
		}
	}
	for host := range model.hosts {
		f.Add(host, "/")
		f.Add(strings.ToUpper(host)+".:80", "http://"+host+"/")
		f.Add("x."+host, "/..")
	}
	for path := range model.paths {
		f.Add("x", path)
		f.Add("localhost:1", path+"/x?y")
		f.Add("x", strings.Replace(path, "-", "%2d", 1))
		f.Add("x", "/x/.."+path)
		f.Add("8080-a-x.localhost", path)
	}
	f.Fuzz(func(t *testing.T, host, target string) {
		h, refusal := parseHead("GET", target, "HTTP/1.1", "Host: "+host+"\r\n\r\n")
		if refusal != nil {
			return
		}
		got := ""
		if p, ok := a.previewOf(h.name, h.path); ok {
			if e, ok := a.exposure(p); ok {
				got = whose(e)
			}
		}
		if want := model.find(h.host, h.path); got != want {
			t.Errorf("Host %q, target %q: %q, want %q", host, target, got, want)
		}
	})
}

func whose(e sandboxmgr.Exposure) string {
	return fmt.Sprintf("%s/%s:%d", e.Ref.Binding, e.Ref.ID, e.Port)
}
