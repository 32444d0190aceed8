package plugins

import (
	"encoding/json"
	"maps"
	"slices"

	"edge/abi"
)

// Bindings are the names that environment gives to what a plugin was granted,
// besides the names that things have anyway.
type Bindings struct {
	// Sandboxes maps a name to a binding of sandboxes. Of a plugin without Grants
	// they are all that environment knows of.
	Sandboxes map[string]string `json:"sandboxes,omitempty"`
	// KV maps a name to the prefix of its keys in the plugin's namespace.
	KV map[string]string `json:"kv,omitempty"`
}

// environment: (ptr, cap). See SPEC.md, section 3. It belongs to no request.
func environment(in *instance, a []uint64) uint64 {
	out := in.bytes(a[0], a[1])
	text, err := json.Marshal(in.gen.spec.environment())
	if err != nil { // a value of the configuration that is no JSON: the host's defect
		in.gen.log().Error("a plugin's environment cannot be told", "err", err)
		return answer(abi.Internal)
	}
	return reply(&in.kept, out, text)
}

// environment is what the plugin finds, by name. A name that is there for itself (a
// binding, KV) gives way to a value of that name, and a value to a secret.
func (s *Spec) environment() abi.Environment {
	e := abi.Environment{
		Sandboxes: map[string]string{}, Config: map[string]json.RawMessage{}, KV: map[string]string{},
		Secrets: slices.AppendSeq([]string{}, maps.Keys(s.Secrets)), Development: s.Development,
	}
	slices.Sort(e.Secrets)
	maps.Copy(e.Config, s.Config)
	if s.Grants != nil {
		for binding, patterns := range s.Grants.Sandboxes {
			if len(patterns) > 0 {
				e.Sandboxes[binding] = binding
			}
		}
	}
	if s.ungranted && len(s.Bindings.Sandboxes) == 0 { // no configuration says what there is
		e.Sandboxes["Sandbox"] = "Sandbox"
	}
	for name, binding := range s.Bindings.Sandboxes {
		if s.Grants == nil || len(s.Grants.Sandboxes[binding]) > 0 {
			e.Sandboxes[name] = binding
		}
	}
	if _, ok := s.Grants.Namespace(s.Name); ok {
		e.KV["KV"] = ""
		maps.Copy(e.KV, s.Bindings.KV)
	}
	for name := range e.Sandboxes {
		delete(e.KV, name)
	}
	for name := range s.Secrets {
		delete(e.Config, name)
	}
	taken := func(name string) bool {
		_, config := e.Config[name]
		_, secret := s.Secrets[name]
		return config || secret
	}
	maps.DeleteFunc(e.Sandboxes, func(name, _ string) bool { return taken(name) })
	maps.DeleteFunc(e.KV, func(name, _ string) bool { return taken(name) })
	return e
}
