package host

import (
	"strings"
	"testing"

	"edge/abi"
)

// TestPluginOpensNoMoreThanItsGrants has a plugin that was granted one port of one
// sandbox proxy every kind of request for a preview, right and wrong: what it was not
// granted it does not reach, by whatever address and whatever is shown, and a wrong
// token is as wrong as without it.
func TestPluginOpensNoMoreThanItsGrants(t *testing.T) {
	t.Parallel()
	native := start(t, &Server{boxes: guarded(t)}, nil)
	for name, d := range map[string]abi.Decision{
		"proxy": &abi.Proxy{}, "proxy to the sandbox": &abi.Proxy{Sandbox: ref("a")}, "proxy to another": &abi.Proxy{Sandbox: ref("b")},
		"another binding": &abi.Proxy{Sandbox: abi.SandboxRef{Binding: "Other", ID: "a"}},
	} {
		for _, port := range []int{8080, 8083, 9999} {
			f := guarded(t)
			s := &Server{boxes: f}
			s.SetPreviews(&Plugin{Name: "gate", Decider: granted{always(d), "a", port}})
			r := start(t, s, nil)
			for _, v := range visitors() {
				want := v.ask(t, native).StatusCode
				to := "8083"
				for _, p := range []string{"8080", "8081", "8082", "8083", "8084"} {
					if strings.HasPrefix(v.host, p) || strings.HasPrefix(v.target, "/_preview/"+p) {
						to = p
					}
				}
				mine := strings.Contains(name, "proxy") && name != "proxy to another" && to == map[int]string{8080: "8080", 8083: "8083"}[port]
				switch {
				case to == "8082" && port != 8082: // the plugin's word opens it, and its grants do not go so far
					want = 403
				case want != 404 && !mine:
					want = 403
				}
				if name == "proxy to another" || name == "another binding" {
					want = 404
				}
				if got := v.ask(t, r); got.StatusCode != want {
					t.Errorf("%s with port %d, %s: %d %s, want %d", name, port, v.name, got.StatusCode, got.body, want)
				}
			}
			if n := f.boxes["a"].dialled(); n > 0 && (port == 9999 || name == "proxy to another" || name == "another binding") {
				t.Errorf("%s with port %d: %d connections to the sandbox", name, port, n)
			}
		}
	}
}
