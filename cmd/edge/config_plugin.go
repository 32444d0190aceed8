package main

import (
	"encoding/json"
	"regexp"
	"time"

	"edge/host"
	"edge/plugins"
)

// Defaults and bounds of a plugin.
const (
	defaultDeadline     = plugins.DefaultDeadline
	defaultPluginMemory = plugins.DefaultMemory

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
	// Trust is which modules are taken, and Rollout how one takes over.
	Trust   Trust
	Rollout Rollout
	// Isolation is what of an instance one request leaves to the next.
	Isolation plugins.Isolation
	// Deadline bounds one request, Compute how long its guest runs, and Queue how
	// long it waits for an instance.
	Deadline, Compute, Queue time.Duration
	// Fuel bounds what the guest executes for one request; 0 is no bound.
	Fuel uint64
	// MemoryBytes bounds one instance, ResultBytes the result of one host call.
	MemoryBytes, ResultBytes int64
	// Instances is how many instances there are and how long they live.
	Instances Instances
	// OnFailure is what becomes of a request whose plugin fails.
	OnFailure host.OnFailure
	// Grants is what the plugin may use; nil is every sandbox of the file.
	Grants *plugins.Grants
	// Config is what the plugin reads with config_get, JSON by key.
	Config map[string]json.RawMessage
	// Secrets is what it reads with secret_get.
	Secrets Secrets
	// Bindings are the names in its environment besides those of config and secrets.
	Bindings plugins.Bindings
	// Development: its developer watches, with edge dev.
	Development bool
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

// defaultPlugin is a plugin of which the file says nothing.
func defaultPlugin(name string) Plugin {
	return Plugin{
		Name: name, Isolation: plugins.IsolationPooled, Deadline: defaultDeadline, Compute: plugins.DefaultCompute, Queue: plugins.DefaultQueue,
		MemoryBytes: defaultPluginMemory, ResultBytes: plugins.DefaultResultBytes,
		Rollout: Rollout{Rollback: defaultRollback(), KeepWarm: plugins.DefaultKeepWarm},
	}
}

func (c *Config) readPlugin(name string, v value) Plugin {
	p := defaultPlugin(name)
	given := false
	var bindings value
	v.object(map[string]func(value){
		"source":   func(v value) { given = true; c.readSource(v, &p) },
		"poll":     p.readPoll,
		"digest":   func(v value) { set(&p.Trust.Digest)(v.digest()) },
		"signedBy": func(v value) { set(&p.Trust.SignedBy)(c.signedBy(v)) },

		"canary":   func(v value) { set(&p.Rollout.Canary)(v.canary()) },
		"rollback": func(v value) { set(&p.Rollout.Rollback)(v.rollback()) },
		"keepWarm": func(v value) { set(&p.Rollout.KeepWarm)(v.durationOrOff(maxSpan)) },
		"replay":   func(v value) { set(&p.Rollout.Replay)(c.existingFile(v, "a file that edge serve --record wrote")) },

		"isolation": func(v value) { set(&p.Isolation)(v.isolation()) },
		"deadline":  func(v value) { set(&p.Deadline)(v.duration(maxSpan)) },
		"compute":   func(v value) { set(&p.Compute)(v.duration(maxSpan)) },
		"queue":     func(v value) { set(&p.Queue)(v.duration(maxSpan)) },
		"fuel":      func(v value) { set(&p.Fuel)(v.fuel()) },
		"memory":    func(v value) { set(&p.MemoryBytes)(v.size(minPluginMemory, maxPluginMemory)) },
		"results":   func(v value) { set(&p.ResultBytes)(v.size(minResults, maxResults)) },
		"instances": p.Instances.read,
		"onFailure": func(v value) { set(&p.OnFailure)(v.onFailure()) },

		"grants":  func(v value) { p.Grants = c.readGrants(v, name) },
		"config":  func(v value) { p.Config = v.configValues() },
		"secrets": func(v value) { p.Secrets = c.readSecrets(v) },

		"bindings": func(v value) { bindings = v },
	})
	c.readBindings(&p, bindings)
	if !given {
		v.fail("has no source; want %s", wantedSource)
	}
	p.settlePoll(v)
	return p
}

// spec is the plugin as the registry takes it, with the module that is to be
// loaded.
func (p Plugin) spec(module string) plugins.Spec {
	return plugins.Spec{
		Name: p.Name, Source: module, Digest: p.Trust.Digest, SignedBy: p.Trust.SignedBy,
		Isolation: p.Isolation, Memory: uint64(p.MemoryBytes), Deadline: p.Deadline, Compute: p.Compute, Fuel: p.Fuel, Queue: p.Queue,
		ResultBytes: int(p.ResultBytes), MinInstances: p.Instances.Min, MaxInstances: p.Instances.Max, MaxParked: p.Instances.MaxParked, MaxOpen: p.Instances.Open,
		MaxAge: p.Instances.MaxAge, MaxGrowth: uint64(p.Instances.MaxGrowth),
		Canary: p.Rollout.Canary, Rollback: p.Rollout.Rollback, KeepWarm: p.Rollout.KeepWarm, Replay: p.Rollout.Replay,
		Grants: p.Grants, Config: p.Config, Secrets: p.Secrets, Bindings: p.Bindings, Development: p.Development,
	}
}

func (v value) configValues() map[string]json.RawMessage {
	values := map[string]json.RawMessage{}
	v.entries(func(name string, _, val value) { values[name] = val.json() })
	return values
}
