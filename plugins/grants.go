package plugins

import (
	"strconv"

	"edge/abi"
)

// Grants is what a plugin may use, and nothing else. A nil *Grants grants every
// sandbox, operation and port, a key-value namespace that is the plugin's name, and
// no host for fetch.
//
// The methods tell whether one use is granted: nil, or an *abi.Error DENIED that
// names what was asked for and the key of the configuration that would allow it.
// They may be called at the same time; nobody changes a Grants that is in use.
//
// A plugin that may run commands in a sandbox reaches from there whatever that
// sandbox does: Ports bound what the edge itself connects and exposes for it.
type Grants struct {
	// Sandboxes maps a binding to the patterns of ids ("*" stands for any
	// characters) that the plugin may name.
	Sandboxes map[string][]string
	// Operations are names of operations or patterns of them ("read*"); nil is all.
	Operations []string
	// Ports are the ports of those sandboxes; nil is all.
	Ports []PortRange
	// Fetch are the hosts that fetch may reach: "api.example.com",
	// "*.example.com", with ":port" or "http://" in front where that is not 443 and
	// https, and a literal address.
	Fetch []string
	// KV is the key-value namespace; empty is none.
	KV string
}

// PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last int }

// String is "8080" or "3000-3999".
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}

// Sandbox tells whether the plugin may name a sandbox. The id is compared as the
// edge knows it, in lower case; one that cannot be an id is INVALID_SANDBOX_ID.
func (g *Grants) Sandbox(binding, id string) error {
	if g == nil {
		return nil
	}
	patterns, ok := g.Sandboxes[binding]
	if !ok {
		return denied("grants.sandboxes", "sandboxes of the binding %.60q", binding)
	}
	id, err := abi.NormalizeID(id)
	if err != nil {
		return err
	}
	if !matchesAny(patterns, id) {
		return denied("grants.sandboxes."+binding, "the sandbox %q of the binding %s", id, binding)
	}
	return nil
}

// sandboxes tells whether the plugin may name any sandbox at all.
func (g *Grants) sandboxes() bool {
	if g == nil {
		return true
	}
	for _, patterns := range g.Sandboxes {
		if len(patterns) > 0 {
			return true
		}
	}
	return false
}

// Operation tells whether the plugin may ask for an operation. An alias counts as
// the operation that it stands for.
func (g *Grants) Operation(name string) error {
	if g == nil || g.Operations == nil {
		return nil
	}
	if row := abi.Lookup(name); row != nil {
		name = row.Name()
	}
	if !matchesAny(g.Operations, name) {
		return denied("grants.operations", "the operation %.60q", name)
	}
	return nil
}

// Port tells whether the plugin may use a port of the sandboxes that it may name.
func (g *Grants) Port(port int) error {
	if g == nil || g.Ports == nil {
		return nil
	}
	for _, r := range g.Ports {
		if r.First <= port && port <= r.Last {
			return nil
		}
	}
	return denied("grants.ports", "port %d", port)
}

// Namespace returns the namespace of the key-value store that a plugin of that
// name uses; false: none.
func (g *Grants) Namespace(plugin string) (string, bool) {
	if g == nil {
		return plugin, true
	}
	return g.KV, g.KV != ""
}

// denied is the error of what was not granted; key is where that could be changed.
func denied(key, format string, args ...any) *abi.Error {
	e := abi.Errorf(abi.CodeDenied, format, args...)
	e.Message = "the plugin was not granted " + e.Message
	return e.WithSuggestion("add it to %s in the plugin's configuration", key)
}

func matchesAny(patterns []string, s string) bool {
	for _, p := range patterns {
		if matches(p, s) {
			return true
		}
	}
	return false
}

// matches tells whether the pattern is s, each "*" of it standing for any
// characters or none. It takes at most len(pattern) * len(s) steps.
func matches(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last star, and where what it stands for ends so far
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
