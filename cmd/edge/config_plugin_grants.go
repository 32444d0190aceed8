package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"edge/abi"
	"edge/plugins"
)

// readGrants returns what a plugin may use. Nothing is granted that is not named,
// but for operations and ports: left out, those are all that there are.
func (c *Config) readGrants(v value, plugin string) *plugins.Grants {
	g := &plugins.Grants{}
	if v.node == nil || v.node.Type() == ast.NullType {
		v.fail("has no value; want what the plugin may use, {} for nothing, or leave the key out for every sandbox")
		return g
	}
	v.object(map[string]func(value){
		"sandboxes":  func(v value) { g.Sandboxes = c.grantedSandboxes(v) },
		"operations": func(v value) { g.Operations = v.grantedOperations() },
		"ports":      func(v value) { g.Ports = v.grantedPorts() },
		"fetch":      func(v value) { g.Fetch = v.grantedHosts() },
		"kv":         func(v value) { g.KV = v.grantedNamespace(plugin) },
	})
	return g
}

// grantedSandboxes reads a mapping of bindings to patterns of ids, or a list of
// bindings of which every id is granted.
func (c *Config) grantedSandboxes(v value) map[string][]string {
	granted := map[string][]string{}
	known := map[string]bool{}
	for _, s := range c.Sandboxes {
		known[s.Name] = true
	}
	binding := func(v value, name string) bool {
		if !known[name] {
			v.fail("unknown binding %q; %s", name, meant(name, known))
		}
		return known[name]
	}
	if _, list := v.node.(*ast.SequenceNode); list {
		v.list(func(_ int, item value) {
			if name, ok := item.text("a binding's name"); ok && binding(item, name) {
				granted[name] = []string{"*"}
			}
		})
		return granted
	}
	v.entries(func(name string, key, val value) {
		if binding(key, name) {
			granted[name] = val.idPatterns()
		}
	})
	return granted
}

var idPattern = regexp.MustCompile(`^[a-z0-9*-]{1,80}$`)

// idPatterns reads a list of patterns of ids, or one of them.
func (v value) idPatterns() []string {
	const want = `patterns of ids like ["user-*"], or "*" for all`
	items := []value{v}
	if _, list := v.node.(*ast.SequenceNode); list {
		items = nil
		v.list(func(_ int, item value) { items = append(items, item) })
		if len(items) == 0 {
			v.fail("is empty; want %s", want)
		}
	}
	var patterns []string
	for _, item := range items {
		s, ok := item.text(want)
		if !ok {
			continue
		}
		if s = strings.ToLower(s); !idPattern.MatchString(s) {
			item.fail("%q matches no id; want letters, digits, \"-\" and \"*\"", s)
			continue
		}
		patterns = append(patterns, s)
	}
	return patterns
}

// grantedOperations reads names of operations, and patterns of them. The list that
// it returns is never nil.
func (v value) grantedOperations() []string {
	granted := []string{}
	known := map[string]bool{}
	for _, row := range abi.Operations {
		known[row.Name()] = true
	}
	v.list(func(_ int, item value) {
		s, ok := item.text("an operation's name or a pattern like \"read*\"")
		if !ok {
			return
		}
		if row := abi.Lookup(s); row != nil {
			s = row.Name() // of an alias
		}
		one := plugins.Grants{Operations: []string{s}}
		if !slices.ContainsFunc(abi.Operations, func(row abi.Row) bool { return one.Operation(row.Name()) == nil }) {
			if strings.Contains(s, "*") {
				item.fail("%q matches no operation; abi/REFERENCE.md names them", s)
			} else {
				item.fail("unknown operation %q; %s", s, meant(s, known))
			}
			return
		}
		granted = append(granted, s)
	})
	return granted
}

// grantedPorts reads ports and ranges of them. The list that it returns is never
// nil.
func (v value) grantedPorts() []plugins.PortRange {
	granted := []plugins.PortRange{}
	v.list(func(_ int, item value) {
		s, _, ok := item.scalar()
		first, last, isRange := strings.Cut(s, "-")
		if !isRange {
			last = first
		}
		a, err := strconv.Atoi(strings.TrimSpace(first))
		b, err2 := strconv.Atoi(strings.TrimSpace(last))
		switch {
		case !ok || err != nil || err2 != nil:
			item.fail("%s; want a port like 8080 or a range like \"3000-3999\"", item.found())
		case a > b:
			item.fail("%s is not within %d to %d, the lower one first", s, minPort, maxPort)
		case a < minPort || b > maxPort:
			item.fail("%s is not within %d to %d", s, minPort, maxPort)
		default:
			granted = append(granted, plugins.PortRange{First: a, Last: b})
		}
	})
	return granted
}

// grantedHosts reads the hosts that fetch may reach.
func (v value) grantedHosts() []string {
	var hosts []string
	v.list(func(_ int, item value) {
		s, ok := item.text("a host like \"api.example.com\"")
		if !ok {
			return
		}
		if err := plugins.CheckFetchGrant(s); err != nil {
			item.fail("%s", abi.AsError(err).Message)
			return
		}
		hosts = append(hosts, s)
	})
	return hosts
}

// grantedNamespace reads true for the plugin's own namespace of the key-value
// store, false for none, or the name of one, which several plugins may share.
func (v value) grantedNamespace(plugin string) string {
	s, isString, ok := v.scalar()
	switch {
	case ok && !isString && s == "true":
		return plugin
	case ok && !isString && s == "false":
		return ""
	case !ok || !pluginName.MatchString(s):
		v.fail("%s; want true, false or a namespace's name of letters, digits, \"-\" and \"_\"", v.found())
		return ""
	}
	return s
}
