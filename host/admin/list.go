package admin

import (
	"net/url"
	"runtime"
	"slices"
	"strings"

	"edge/abi"
	"edge/sandboxmgr"
)

// Health is the answer of /healthz.
type Health struct {
	OK bool `json:"ok"`
}

// Version is what the edge is.
type Version struct {
	Version string `json:"version"`
	ABI     int    `json:"abi" doc:"The major version of the plugin ABI."`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Findings are what was found out about the machine.
type Findings struct {
	Findings []sandboxmgr.Finding `json:"findings"`
}

// SandboxList is the sandboxes that there are, by binding and id.
type SandboxList struct {
	Sandboxes []SandboxEntry `json:"sandboxes"`
}

// SandboxEntry is one sandbox in a list. No sandbox is asked for it: processes
// is 0.
type SandboxEntry struct {
	Binding string            `json:"binding"`
	ID      string            `json:"id"`
	Labels  map[string]string `json:"labels,omitempty"`
	abi.SandboxState
	Listening []abi.ListeningPort `json:"listening,omitempty" doc:"What is known to listen in it."`
}

// BindingList is the configured bindings, by name.
type BindingList struct {
	Bindings []Binding `json:"bindings"`
}

// Binding is a named kind of sandbox.
type Binding struct {
	Name         string       `json:"name"`
	Runtime      string       `json:"runtime"`
	OCIRuntime   string       `json:"ociRuntime,omitempty"`
	Image        string       `json:"image,omitempty"`
	Preset       string       `json:"preset,omitempty"`
	Network      string       `json:"network"`
	Persist      string       `json:"persist"`
	MemoryBytes  int64        `json:"memoryBytes" doc:"0 is no bound, as of cpus, pids and maxSandboxes."`
	CPUs         float64      `json:"cpus"`
	PIDs         int64        `json:"pids"`
	MaxSandboxes int          `json:"maxSandboxes" doc:"How many may run."`
	Warm         int          `json:"warm" doc:"How many unused sandboxes are kept started."`
	SleepAfter   abi.Duration `json:"sleepAfter" doc:"How long a sandbox may be unused before it is stopped; 0 is for ever."`
	DeleteAfter  abi.Duration `json:"deleteAfter" doc:"How long it may be stopped before it is destroyed; 0 is for ever."`
	ExecTimeout  abi.Duration `json:"execTimeout"`
}

func (x *exchange) health() error { return x.answerWith(Health{OK: true}) }

func (x *exchange) version() error {
	return x.answerWith(Version{Version: x.s.Version, ABI: 1, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH})
}

func (x *exchange) doctor() error {
	if x.s.Doctor == nil {
		return abi.Errorf(abi.CodeUnsupported, "this edge does not examine its machine")
	}
	fs, err := x.s.Doctor(x.ctx)
	if err != nil {
		return err
	}
	return x.answerWith(Findings{append([]sandboxmgr.Finding{}, fs...)})
}

// list answers with the sandboxes that the query wants.
func (x *exchange) list() error {
	want, err := parseFilter(x.r.URL.RawQuery)
	if err != nil {
		return err
	}
	list := SandboxList{Sandboxes: []SandboxEntry{}}
	if x.s.Sandboxes != nil {
		for _, st := range x.s.Sandboxes.List() {
			if want.matches(&st) {
				list.Sandboxes = append(list.Sandboxes, SandboxEntry{
					Binding: st.Ref.Binding, ID: st.Ref.ID, Labels: st.Labels, SandboxState: st.SandboxState, Listening: st.Listening,
				})
			}
		}
	}
	slices.SortStableFunc(list.Sandboxes, func(a, b SandboxEntry) int {
		if c := strings.Compare(a.Binding, b.Binding); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return x.answerWith(list)
}

// filter says which sandboxes a list wants.
type filter struct {
	binding string
	state   abi.State
	labels  []string // name=value, or name
}

// parseFilter reads the query of a list; INVALID_REQUEST.
func parseFilter(query string) (filter, error) {
	var f filter
	values, err := knownQuery(query, "binding", "state", "label")
	if err != nil {
		return f, err
	}
	f.binding, f.state, f.labels = values.Get("binding"), abi.State(values.Get("state")), values["label"]
	states := []abi.State{abi.StateAbsent, abi.StateStarting, abi.StateRunning, abi.StateStopping, abi.StateStopped, abi.StateLost}
	if f.state != "" && !slices.Contains(states, f.state) {
		return f, abi.Errorf(abi.CodeInvalidRequest, "state %.40q: want one of %v", string(f.state), states)
	}
	return f, nil
}

// knownQuery reads a query that has these parameters, all but label once.
func knownQuery(query string, names ...string) (url.Values, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "query: %v", err)
	}
	for name, vs := range values {
		switch {
		case name != "pretty" && !slices.Contains(names, name):
			return nil, abi.Errorf(abi.CodeInvalidRequest, "query parameter %.40q is not known here", name).
				WithSuggestion("it may have %s and pretty", strings.Join(names, ", "))
		case len(vs) > 1 && name != "label":
			return nil, abi.Errorf(abi.CodeInvalidRequest, "query parameter %.40q is given %d times", name, len(vs))
		}
	}
	return values, nil
}

func (f *filter) matches(st *sandboxmgr.Status) bool {
	if f.binding != "" && f.binding != st.Ref.Binding || f.state != "" && f.state != st.State {
		return false
	}
	for _, l := range f.labels {
		name, value, hasValue := strings.Cut(l, "=")
		got, ok := st.Labels[name]
		if !ok || hasValue && got != value {
			return false
		}
	}
	return true
}

// bindings answers with what is configured. Environments are left out: they may
// hold secrets.
func (x *exchange) bindings() error {
	if err := x.onlyPretty(); err != nil {
		return err
	}
	list := BindingList{Bindings: []Binding{}}
	if x.s.Sandboxes != nil {
		for name, b := range x.s.Sandboxes.Bindings() {
			list.Bindings = append(list.Bindings, Binding{
				Name: name, Runtime: b.Runtime.Name(), OCIRuntime: b.OCIRuntime, Image: b.Image, Preset: b.Preset,
				Network: b.Network, Persist: b.Persist, MemoryBytes: b.MemoryBytes, CPUs: b.CPUs, PIDs: b.PIDs,
				MaxSandboxes: b.MaxSandboxes, Warm: b.Warm, SleepAfter: abi.Duration(b.SleepAfter),
				DeleteAfter: abi.Duration(b.DeleteAfter), ExecTimeout: abi.Duration(b.ExecTimeout),
			})
		}
	}
	slices.SortFunc(list.Bindings, func(a, b Binding) int { return strings.Compare(a.Name, b.Name) })
	return x.answerWith(list)
}
