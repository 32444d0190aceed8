package plugins

import (
	"encoding/json"
	"testing"
)

// TestEnvironment says what a plugin finds by name: what was granted and nothing else,
// and each name once.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	raw := func(s string) map[string]json.RawMessage {
		return map[string]json.RawMessage{s: json.RawMessage(`{"a":1}`)}
	}
	one := map[string][]string{"Sandbox": {"*"}, "None": {}}
	for name, tt := range map[string]struct {
		spec Spec
		want string
	}{
		"nothing":        {Spec{Grants: &Grants{}}, `{"sandboxes":{},"config":{},"secrets":[],"kv":{}}`},
		"no grants":      {Spec{Name: "p", Bindings: Bindings{Sandboxes: map[string]string{"Sandbox": "Sandbox"}}}, `{"sandboxes":{"Sandbox":"Sandbox"},"config":{},"secrets":[],"kv":{"KV":""}}`},
		"granted":        {Spec{Grants: &Grants{Sandboxes: one, KV: "shared"}, Config: raw("limits")}, `{"sandboxes":{"Sandbox":"Sandbox"},"config":{"limits":{"a":1}},"secrets":[],"kv":{"KV":""}}`},
		"further names":  {Spec{Grants: &Grants{Sandboxes: one, KV: "p"}, Bindings: Bindings{map[string]string{"Box": "Sandbox"}, map[string]string{"CACHE": "cache/"}}}, `{"sandboxes":{"Box":"Sandbox","Sandbox":"Sandbox"},"config":{},"secrets":[],"kv":{"CACHE":"cache/","KV":""}}`},
		"not granted":    {Spec{Grants: &Grants{Sandboxes: one}, Bindings: Bindings{map[string]string{"Box": "None", "Other": "Unknown"}, map[string]string{"CACHE": "cache/"}}}, `{"sandboxes":{"Sandbox":"Sandbox"},"config":{},"secrets":[],"kv":{}}`},
		"development":    {Spec{Grants: &Grants{}, Development: true}, `{"sandboxes":{},"config":{},"secrets":[],"kv":{},"development":true}`},
		"secrets' names": {Spec{Grants: &Grants{}, Secrets: map[string]string{"B": "value", "A": "other"}}, `{"sandboxes":{},"config":{},"secrets":["A","B"],"kv":{}}`},
		"names that clash": {Spec{Grants: &Grants{Sandboxes: map[string][]string{"KV": {"*"}, "Sandbox": {"*"}, "Two": {"*"}}, KV: "p"}, Config: raw("Sandbox"), Secrets: map[string]string{"Two": "x", "Sandbox": "y"}},
			`{"sandboxes":{"KV":"KV"},"config":{},"secrets":["Sandbox","Two"],"kv":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(tt.spec.environment())
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}
