package sandboxmgr

import (
	"slices"
	"strings"

	"edge/abi"
)

// Status is one sandbox in a list.
type Status struct {
	Ref abi.SandboxRef // binding and id alone
	abi.SandboxState
	// Labels are what its options named it with.
	Labels map[string]string
	// Listening is what is known to listen in it.
	Listening []abi.ListeningPort
}

// Selection says which sandboxes a list holds. Its zero value is all of them.
type Selection struct {
	Binding string            // of this binding alone
	Labels  map[string]string // with all of these labels
}

// List returns every sandbox that was ever started and not destroyed, by name.
// It asks no init: Processes is 0.
func (m *Manager) List() []Status { return m.Select(Selection{}) }

// Select is List of those that the selection wants.
func (m *Manager) Select(sel Selection) []Status {
	var list []Status
	for _, u := range m.all() {
		if sel.Binding != "" && sel.Binding != u.key.binding {
			continue
		}
		st := u.snapshot()
		r, _ := u.recorded()
		if st.State != abi.StateAbsent && holds(r.Labels, sel.Labels) {
			list = append(list, Status{Ref: u.key.ref(), SandboxState: *st, Labels: r.Labels, Listening: u.heard()})
		}
	}
	slices.SortFunc(list, func(a, b Status) int {
		if c := strings.Compare(a.Ref.Binding, b.Ref.Binding); c != 0 {
			return c
		}
		return strings.Compare(a.Ref.ID, b.Ref.ID)
	})
	return list
}

// holds tells whether labels has all that is wanted.
func holds(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}
