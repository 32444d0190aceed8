package main

import "github.com/goccy/go-yaml/ast"

// readPreviews reads who is asked first about a preview: native is nobody, else a
// plugin.
func (c *Config) readPreviews(v value) {
	if _, ok := v.node.(*ast.MappingNode); !ok {
		if s, ok := v.text("native, or {plugin: NAME}"); ok && s != "native" {
			v.fail("%q is neither native nor {plugin: NAME}", s)
		}
		return
	}
	known := map[string]bool{}
	for _, p := range c.Plugins {
		known[p.Name] = true
	}
	before := len(v.doc.problems)
	v.object(map[string]func(value){
		"plugin": func(v value) {
			if name, ok := v.text("a plugin's name"); ok && !known[name] {
				v.fail("unknown plugin %q; %s", name, meant(name, known))
			} else {
				c.PreviewPlugin = name
			}
		},
	})
	if c.PreviewPlugin == "" && len(v.doc.problems) == before {
		v.fail("names no plugin; want native, or {plugin: NAME}")
	}
}
