package admin

import (
	"context"
	"strings"
	"time"

	"edge/abi"
)

// Plugins are those of the edge. Errors are *abi.Error: NOT_FOUND for a name that
// there is not.
type Plugins interface {
	// List tells of every plugin, by name.
	List() []Plugin
	// History tells what became of a plugin's modules, oldest first.
	History(name string) ([]PluginEvent, error)
	// Uploadable is nil if the plugin takes modules that are uploaded. It is asked
	// before a module is read.
	Uploadable(name string) error
	// Load has a plugin take a module, and returns when that serves or begins to.
	// signature may be nil.
	Load(ctx context.Context, name string, module, signature []byte) error
	// Rollback has an earlier version serve: the one whose digest begins so, or
	// the one before if digest is empty.
	Rollback(ctx context.Context, name, digest string) error
}

// The paths of plugins.
const (
	pluginsPath        = "/v1/plugins"
	pluginPath         = pluginsPath + "/{plugin}"
	pluginModulePath   = pluginPath + "/module"
	pluginRollbackPath = pluginPath + "/rollback"
)

// PluginList is the plugins, by name.
type PluginList struct {
	Plugins []Plugin `json:"plugins"`
}

// Plugin is a plugin with its generations.
type Plugin struct {
	Name   string `json:"name"`
	Source string `json:"source" doc:"Where modules come from: a file or folder, upload, an OCI layout or a registry's repository."`
	// SourceProblem is why the source cannot be followed.
	SourceProblem string             `json:"sourceProblem,omitempty" doc:"Why the source cannot be followed now; what serves goes on."`
	Digest        string             `json:"digest,omitempty" doc:"SHA-256 of the module that serves, hexadecimal; absent if none does."`
	Generation    int64              `json:"generation" doc:"Of what serves; 0 if nothing does."`
	Pinned        string             `json:"pinned,omitempty" doc:"The digest that an upload or a rollback put in front of the source's content, until that changes."`
	Generations   []PluginGeneration `json:"generations" doc:"What serves or may serve again, what is on its way, and the last that failed, newest first."`
	Quarantine    []GivenUp          `json:"quarantine,omitempty" doc:"Modules that are not tried again until somebody asks for it."`
}

// PluginGeneration is one version of a plugin.
type PluginGeneration struct {
	Number    int64     `json:"number"`
	Digest    string    `json:"digest" doc:"SHA-256 of the module, hexadecimal; empty if there was nothing to read."`
	Origin    string    `json:"origin,omitempty" doc:"Where the module was found."`
	Size      int64     `json:"size" doc:"Bytes of the module."`
	State     string    `json:"state" doc:"loading, canary, serving, warm, draining, refused, quarantined or rolled-back."`
	Step      string    `json:"step,omitempty" doc:"Where it is on the way of every new module, or where it failed."`
	LoadedAt  time.Time `json:"loadedAt" doc:"When its load began."`
	Why       string    `json:"why,omitempty" doc:"Why it does not serve, or what became of it."`
	Percent   int       `json:"percent,omitempty" doc:"A canary's share of the requests."`
	Instances int       `json:"instances"`
	Requests  int64     `json:"requests" doc:"That it was given."`
	Failures  int64     `json:"failures" doc:"Of those: traps, negative answers, instances that did not start."`
	Timeouts  int64     `json:"timeouts" doc:"Of those: missed deadlines."`
	Fuel      int64     `json:"fuel" doc:"What they executed, in units of the meter, about one instruction each."`
}

// GivenUp is a module in quarantine.
type GivenUp struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
}

// PluginDetail is a plugin with what became of its modules.
type PluginDetail struct {
	Plugin
	History []PluginEvent `json:"history" doc:"Oldest first, at most 200; those of earlier runs of the edge too."`
}

// PluginEvent is one thing that became of a module.
type PluginEvent struct {
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind" doc:"loaded, reloaded, refused, rolled-back, ..."`
	Generation int64     `json:"generation,omitempty"`
	Digest     string    `json:"digest,omitempty"`
	Origin     string    `json:"origin,omitempty"`
	Step       string    `json:"step,omitempty" doc:"Where it failed."`
	Why        string    `json:"why,omitempty"`
}

// RollbackRequest says what a plugin goes back to.
type RollbackRequest struct {
	Digest string `json:"digest,omitempty" doc:"The beginning of the digest, at least 6 digits; without one, what served before."`
}

// pluginResources are the paths of plugins.
func pluginResources() []resource {
	return []resource{
		{pluginsPath, []method{{name: "GET", summary: "Lists the plugins, with their generations.", serve: (*exchange).listPlugins, answer: &PluginList{}}}},
		{pluginPath, []method{{name: "GET", summary: "Tells of a plugin, with its history.", serve: (*exchange).showPlugin, answer: &PluginDetail{}, errors: []abi.Code{abi.CodeNotFound}}}},
		{pluginModulePath, []method{{
			name: "PUT", summary: "Has a plugin whose source is upload take a module, and answers when that serves or, as a canary, begins to.",
			serve: (*exchange).loadPlugin, answer: &Plugin{}, body: &requestBody{mediaType: wasmType, about: "The module, at most 256 MiB."},
			headers: []parameter{{signatureHeader, "The ed25519 signature of the module's SHA-256, in base64."}},
			errors:  []abi.Code{abi.CodeNotFound, abi.CodeConflict, abi.CodePluginRefused, abi.CodeBodyTooLarge, abi.CodeTooManyRequests},
		}}},
		{pluginRollbackPath, []method{{
			name: "POST", summary: "Has an earlier version of a plugin serve again.", serve: (*exchange).rollbackPlugin, answer: &Plugin{},
			body: &requestBody{mediaType: "application/json", schema: &RollbackRequest{}}, errors: []abi.Code{abi.CodeNotFound, abi.CodeConflict, abi.CodePluginRefused},
		}}},
	}
}

// pluginAddress reads what stands behind /v1/plugins/; false is that there is
// nothing.
func pluginAddress(all []resource, rest string) (address, bool) {
	name, verb, _ := strings.Cut(rest, "/")
	path := map[string]string{"": pluginPath, "module": pluginModulePath, "rollback": pluginRollbackPath}[verb]
	if name == "" || path == "" || strings.HasSuffix(rest, "/") {
		return address{}, false
	}
	return address{resource: form(all, path), id: name}, true
}

// listPlugins answers with all plugins.
func (x *exchange) listPlugins() error {
	if x.s.Plugins == nil {
		return errNoPlugins()
	}
	if err := x.onlyPretty(); err != nil {
		return err
	}
	return x.answerWith(PluginList{append([]Plugin{}, x.s.Plugins.List()...)})
}

// showPlugin answers with one plugin and its history.
func (x *exchange) showPlugin() error {
	if x.s.Plugins == nil {
		return errNoPlugins()
	}
	if err := x.onlyPretty(); err != nil {
		return err
	}
	p, err := x.plugin()
	if err != nil {
		return err
	}
	history, err := x.s.Plugins.History(p.Name)
	if err != nil {
		return err
	}
	return x.answerWith(PluginDetail{p, append([]PluginEvent{}, history...)})
}

// plugin is the one that the path names.
func (x *exchange) plugin() (Plugin, error) {
	for _, p := range x.s.Plugins.List() {
		if p.Name == x.address.id {
			return p, nil
		}
	}
	return Plugin{}, abi.Errorf(abi.CodeNotFound, "there is no plugin %.80q", x.address.id).
		WithSuggestion("GET %s lists those that there are; a plugin is named in the configuration first", pluginsPath)
}

func errNoPlugins() *abi.Error {
	return abi.Errorf(abi.CodeUnsupported, "this edge does not tell of its plugins")
}
