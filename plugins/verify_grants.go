package plugins

import (
	"fmt"
	"slices"
	"strings"

	"edge/abi"
)

// needsGrant names the grants of which an import needs one; keys are as they stand
// in a plugin's configuration. Nil: it needs none.
func needsGrant(function string) []string {
	switch strings.TrimSuffix(function, "_start") {
	case "fetch", "ws_url": // a sandbox is enough: the edge's own previews need no host
		return []string{"grants.fetch", "grants.sandboxes"}
	case "kv":
		return []string{"grants.kv"}
	case "secret_get":
		return []string{"secrets"}
	case "op", "op_open":
		return []string{"grants.sandboxes", "grants.operations"}
	case "ws_open", "connect", "proxy", "plan":
		return []string{"grants.sandboxes"}
	}
	return nil
}

// NeededGrant is an import that does nothing without a grant.
type NeededGrant struct {
	Import string `json:"import"` // "edge1.fetch"
	// Keys are where the grant stands in a plugin's configuration.
	Keys []string `json:"keys"`
}

// NeededGrants tells which of a module's imports ("edge1.fetch") need a grant, in
// the order of their names.
func NeededGrants(imports []string) []NeededGrant {
	var needed []NeededGrant
	for _, name := range slices.Sorted(slices.Values(imports)) {
		function, ours := strings.CutPrefix(name, hostModule+".")
		if keys := needsGrant(function); ours && keys != nil {
			needed = append(needed, NeededGrant{name, keys})
		}
	}
	return slices.CompactFunc(needed, func(a, b NeededGrant) bool { return a.Import == b.Import })
}

// verifyGrants refuses a module that imports what its plugin may not use at all, or
// notes it for calls to be DENIED, if the module says that it can do without. A module
// that could do without may also ask feature first and not import it.
func (g *generation) verifyGrants() error {
	if g.spec.ungranted {
		return nil
	}
	var imports []string
	for _, def := range imported(g.program.code) {
		module, name, _ := def.Import()
		imports = append(imports, module+"."+name)
	}
	for _, n := range NeededGrants(imports) {
		key := g.spec.missing(n)
		switch {
		case key == "":
		case g.manifest.Optional:
			g.deny(n, key)
		default:
			return fmt.Errorf("it imports %s, which needs a grant: add %s to the plugin's configuration", n.Import, key)
		}
	}
	return nil
}

// deny has calls of an import answer DENIED.
func (g *generation) deny(n NeededGrant, key string) {
	if g.denied == nil {
		g.denied = map[string]*abi.Error{}
	}
	name := strings.TrimPrefix(n.Import, hostModule+".")
	g.denied[name] = abi.Errorf(abi.CodeDenied, "plugin %q may not use %s: its configuration has no %s", g.spec.Name, strings.TrimSuffix(name, "_start"), key).
		WithSuggestion("add %s to the plugin's configuration", key).WithStarted(abi.StartedNo)
}

// missing names the keys that would allow the import, empty if it is allowed.
func (s *Spec) missing(n NeededGrant) string {
	has := map[string]bool{"secrets": len(s.Secrets) > 0}
	_, has["grants.kv"] = s.Grants.Namespace(s.Name)
	has["grants.sandboxes"] = s.Grants.sandboxes()
	has["grants.operations"] = s.Grants == nil || s.Grants.Operations == nil || len(s.Grants.Operations) > 0
	if s.Grants != nil {
		has["grants.fetch"] = len(s.Grants.Fetch) > 0
	}
	without := func(key string) bool { return !has[key] }
	if strings.Contains(n.Import, "fetch") || strings.Contains(n.Import, "ws_url") { // one of them will do
		if slices.ContainsFunc(n.Keys, func(key string) bool { return has[key] }) {
			return ""
		}
		return strings.Join(n.Keys, " or ")
	}
	if i := slices.IndexFunc(n.Keys, without); i >= 0 {
		return n.Keys[i]
	}
	return ""
}
