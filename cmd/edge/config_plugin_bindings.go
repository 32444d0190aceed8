package main

import (
	"regexp"
	"slices"

	"edge/abi"
)

// boundName is what a name in a plugin's environment looks like: what programs can
// write behind a dot.
var boundName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]{0,63}$`)

// readBindings reads further names in the plugin's environment. Its grants, config
// and secrets are known; v is empty if the file has no such names.
func (c *Config) readBindings(p *Plugin, v value) {
	if p.Grants == nil { // all that there are
		for _, s := range c.Sandboxes {
			bind(&p.Bindings.Sandboxes, s.Name, s.Name)
		}
	}
	if v.node == nil {
		return
	}
	v.entries(func(name string, key, val value) {
		if !boundName.MatchString(name) {
			key.fail("%q cannot be a name in env; want letters, digits, \"_\" and \"$\", at most 64, the first no digit", name)
			return
		}
		_, config := p.Config[name]
		_, secret := p.Secrets[name]
		switch {
		case config:
			key.fail("%s is the name of a value in config already", name)
		case secret:
			key.fail("%s is the name of a secret already", name)
		case slices.ContainsFunc(c.Sandboxes, func(s Sandbox) bool { return s.Name == name }):
			key.fail("%s is the name of a sandbox's binding already", name)
		default:
			c.readBinding(p, name, val)
		}
	})
}

// readBinding reads one of them: {kv: PREFIX} or {sandbox: BINDING}.
func (c *Config) readBinding(p *Plugin, name string, v value) {
	before, given := len(v.doc.problems), 0
	v.object(map[string]func(value){
		"kv": func(v value) {
			given++
			if prefix, ok := c.boundPrefix(p, v); ok {
				bind(&p.Bindings.KV, name, prefix)
			}
		},
		"sandbox": func(v value) {
			given++
			if binding, ok := c.boundSandbox(p, v); ok {
				bind(&p.Bindings.Sandboxes, name, binding)
			}
		},
	})
	if given != 1 && len(v.doc.problems) == before {
		v.fail("names %d things; want one, {kv: PREFIX} or {sandbox: BINDING}", given)
	}
}

// bind adds a name to a map that may be nil.
func bind(names *map[string]string, name, to string) {
	if *names == nil {
		*names = map[string]string{}
	}
	(*names)[name] = to
}

func (c *Config) boundPrefix(p *Plugin, v value) (prefix string, ok bool) {
	s, isString, ok := v.scalar()
	switch {
	case !ok || !isString:
		v.fail("%s; want the prefix that its keys have, like \"cache/\"", v.found())
	case p.Grants != nil && p.Grants.KV == "":
		v.fail("the plugin has no key-value namespace; add kv: true to its grants")
	case abi.CheckKVPrefix(s) != nil:
		v.fail("%s", abi.AsError(abi.CheckKVPrefix(s)).Message)
	default:
		return s, true
	}
	return "", false
}

func (c *Config) boundSandbox(p *Plugin, v value) (binding string, ok bool) {
	s, ok := v.text("a binding's name")
	if !ok {
		return "", false
	}
	known := map[string]bool{}
	for _, box := range c.Sandboxes {
		known[box.Name] = true
	}
	switch {
	case !known[s]:
		v.fail("unknown binding %q; %s", s, meant(s, known))
	case p.Grants != nil && len(p.Grants.Sandboxes[s]) == 0:
		v.fail("the plugin was not granted %s; add it to its grants.sandboxes", s)
	default:
		return s, true
	}
	return "", false
}
