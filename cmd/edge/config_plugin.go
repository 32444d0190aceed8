package main

import (
	"encoding/json"
	"regexp"
	"time"
)

// Defaults and bounds of a plugin.
const (
	defaultDeadline     = 30 * time.Second
	defaultPluginMemory = 64 << 20

	minPluginMemory = 1 << 20
	maxPluginMemory = 4 << 30 // what a 32-bit module can address
)

// Plugin is one plugin as the file describes it.
type Plugin struct {
	Name string
	// Source is where the module comes from, and Kind what that is: paths are
	// absolute.
	Source string
	Kind   sourceKind
	// Poll is how often a registry is asked for another version.
	Poll time.Duration
	// Deadline bounds one request; MemoryBytes one instance.
	Deadline    time.Duration
	MemoryBytes int64
	// Config is what the plugin reads with config_get, JSON by key.
	Config map[string]json.RawMessage
	// At is where the file speaks of the source.
	At place
}

var pluginName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

func (c *Config) readPlugins(v value) {
	v.entries(func(name string, key, val value) {
		if !pluginName.MatchString(name) {
			key.fail("%q cannot name a plugin; want letters, digits, \"-\" and \"_\", at most 63", name)
			return
		}
		c.Plugins = append(c.Plugins, c.readPlugin(name, val))
	})
}

func (c *Config) readPlugin(name string, v value) Plugin {
	p := Plugin{Name: name, Deadline: defaultDeadline, MemoryBytes: defaultPluginMemory}
	given := false
	v.object(map[string]func(value){
		"source":   func(v value) { given = true; c.readSource(v, &p) },
		"poll":     p.readPoll,
		"deadline": func(v value) { set(&p.Deadline)(v.duration(maxSpan)) },
		"memory":   func(v value) { set(&p.MemoryBytes)(v.size(minPluginMemory, maxPluginMemory)) },
		"config":   func(v value) { p.Config = v.configValues() },

		"isolation": func(v value) { v.only("instances are pooled", "pooled") },
		"onFailure": func(v value) { v.only("a request whose plugin fails is refused (closed)", "closed") },
		"grants":    func(v value) { v.unavailable("every plugin may use every binding") },
		"secrets":   func(v value) { v.onlyEmpty("give plain values with config") },
	})
	if !given {
		v.fail("has no source; want %s", wantedSource)
	}
	p.settlePoll(v)
	return p
}

func (v value) configValues() map[string]json.RawMessage {
	values := map[string]json.RawMessage{}
	v.entries(func(name string, _, val value) { values[name] = val.json() })
	return values
}
