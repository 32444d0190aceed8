package initd

import (
	"maps"
	"sync"

	"edge/abi"
)

// Bounds of variables that are kept: those of setEnvVars together, and those of
// one session.
const (
	maxVariables     = 1024
	maxVariableBytes = 256 << 10 // names and values
)

// variables are those of setEnvVars, which every command gets that is started
// later.
type variables struct {
	mu sync.Mutex
	// byName holds what was set; nil stands for one of the init's own that was
	// unset.
	byName map[string]*string
}

// change sets and unsets variables: all of them or, after an error, none.
func (v *variables) change(vars map[string]*string) error {
	for name, value := range vars {
		if err := checkVariable(name, valueOf(value)); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	next := maps.Clone(v.byName)
	if next == nil {
		next = make(map[string]*string, len(vars))
	}
	maps.Copy(next, vars)
	if err := checkVariables(next); err != nil {
		return err
	}
	v.byName = next
	return nil
}

// apply returns base, which has no variable twice, with what was set in place of
// or beside its own, and without what was unset.
func (v *variables) apply(base []string) ([]string, error) {
	v.mu.Lock()
	byName := v.byName // never changed, only replaced
	v.mu.Unlock()
	set := make(map[string]string, len(byName))
	gone := make(map[string]bool)
	for name, value := range byName {
		if value == nil {
			gone[name] = true
		} else {
			set[name] = *value
		}
	}
	return environment(without(base, gone), set)
}

func valueOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// checkVariables bounds variables that are to be kept.
func checkVariables(vars map[string]*string) error {
	size := 0
	for name, value := range vars {
		size += len(name) + len(valueOf(value))
	}
	if len(vars) > maxVariables || size > maxVariableBytes {
		return abi.Errorf(abi.CodeInvalidRequest, "%d variables of %d bytes together; at most %d of %d bytes can be kept",
			len(vars), size, maxVariables, maxVariableBytes)
	}
	return nil
}

// without returns env without the named variables.
func without(env []string, names map[string]bool) []string {
	if len(names) == 0 {
		return env
	}
	kept := make([]string, 0, len(env))
	for _, entry := range env {
		if !names[nameOf(entry)] {
			kept = append(kept, entry)
		}
	}
	return kept
}
