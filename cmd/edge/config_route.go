package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"edge/abi"
	"edge/host"
)

// Route sends requests to a chain of plugins. The first route that matches is
// taken.
type Route struct {
	// Host is "*", a name, or "*.name" for the names below it.
	Host string
	// Path is a whole path, or one that ends in "/*" for all below it.
	Path string
	// Plugins are asked in turn, each as long as the one before says next.
	Plugins []string
}

func (c *Config) readRoutes(v value) {
	known := map[string]bool{}
	for _, p := range c.Plugins {
		known[p.Name] = true
	}
	first := map[string]string{}
	v.list(func(_ int, item value) {
		r, ok := item.route(known)
		if !ok {
			return
		}
		// The server has the last word on what it can match.
		if err := new(host.Server).SetRoutes([]host.Route{{Host: r.Host, Path: r.Path, Chain: []host.Plugin{{Decider: noPlugin{}}}}}); err != nil {
			item.fail("%s", strings.TrimPrefix(err.Error(), "route 1: "))
			return
		}
		pattern := strings.ToLower(r.Host) + " " + r.Path
		if earlier, dup := first[pattern]; dup {
			item.fail("can never match: %s has the same host and path", earlier)
			return
		}
		first[pattern] = item.path
		c.Routes = append(c.Routes, r)
	})
}

func (v value) route(plugins map[string]bool) (Route, bool) {
	r := Route{Host: "*", Path: "/*"}
	before := len(v.doc.problems)
	v.object(map[string]func(value){
		"host":   func(v value) { r.Host = v.checked("a host name or \"*\"", checkRouteHost) },
		"path":   func(v value) { r.Path = v.checked("a path like \"/ws/*\"", checkRoutePath) },
		"plugin": func(v value) { r.Plugins = v.chain(plugins) },
	})
	if len(v.doc.problems) > before {
		return Route{}, false
	}
	if len(r.Plugins) == 0 {
		v.fail("has no plugin")
		return Route{}, false
	}
	return r, true
}

// chain reads one plugin's name or a list of them, each known and once.
func (v value) chain(plugins map[string]bool) []string {
	items := []value{v}
	if _, ok := v.node.(*ast.SequenceNode); ok {
		items = nil
		v.list(func(_ int, item value) { items = append(items, item) })
	}
	var chain []string
	seen := map[string]bool{}
	for _, item := range items {
		name, ok := item.text("a plugin's name")
		switch {
		case !ok:
		case !plugins[name]:
			item.fail("unknown plugin %q; %s", name, meant(name, plugins))
		case seen[name]:
			item.fail("the plugin %q stands in the chain twice", name)
		default:
			seen[name] = true
			chain = append(chain, name)
		}
	}
	return chain
}

func checkRouteHost(s string) error {
	name := strings.TrimPrefix(s, "*.")
	if s == "*" {
		return nil
	}
	if host, _, found := strings.Cut(name, ":"); found && !strings.HasPrefix(name, "[") {
		return fmt.Errorf("%q has a port; routes go by name alone, %q", s, host)
	}
	for label := range strings.SplitSeq(name, ".") {
		if !domainLabel.MatchString(strings.ToLower(label)) {
			return fmt.Errorf("%q is not a host; want \"*\", a name, or \"*.\" and a name", s)
		}
	}
	return nil
}

func checkRoutePath(s string) error {
	switch star := strings.IndexByte(s, '*'); {
	case !strings.HasPrefix(s, "/"):
		return fmt.Errorf("%q does not begin with \"/\"", s)
	case star >= 0 && (star != len(s)-1 || s[star-1] != '/'):
		return fmt.Errorf("%q: \"*\" can stand at the end only, as \"/*\"", s)
	case strings.ContainsAny(s, "?# \t\r\n"):
		return fmt.Errorf("%q holds a character that no path has; want the path alone, percent-encoded as clients send it", s)
	}
	return nil
}

// noPlugin stands in for plugins while there are only their names.
type noPlugin struct{}

func (noPlugin) Decide(context.Context, *abi.Request) (abi.Decision, error) {
	return nil, abi.Errorf(abi.CodePluginFailed, "the plugin is not loaded")
}
