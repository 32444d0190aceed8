package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// results are all that a run found; they are kept as JSON beside the report.
type results struct {
	Machine machine      `json:"machine"`
	Rounds  int          `json:"rounds"`
	Seconds float64      `json:"seconds"` // of one measurement
	Peers   []peerResult `json:"peers"`
	Modes   []modeResult `json:"modes"`
}

// machine is where and when it was measured.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	OS     string `json:"os"`
	Go     string `json:"go"`
	Date   string `json:"date"`
	// Proxy and Load are the cores that the proxy and the load ran on.
	Proxy int `json:"proxyCore"`
	Load  int `json:"loadCore"`
}

// peerResult is one server: its version, or why it was not measured, and the
// checks that it failed.
type peerResult struct {
	Name    string            `json:"name"`
	About   string            `json:"about"`
	Version string            `json:"version,omitempty"`
	Missing string            `json:"missing,omitempty"`
	Failed  map[string]string `json:"failed,omitempty"`
}

// modeResult is one mode: the samples of each server by round.
type modeResult struct {
	Name    string              `json:"name"`
	Title   string              `json:"title"`
	Unit    string              `json:"unit"`
	Conns   int                 `json:"conns"` // connections
	Samples map[string][]sample `json:"samples"`
}

// lacks names a check that a mode needs and that the server failed, if there is
// one.
func (p *peerResult) lacks(m mode) string {
	for _, need := range m.needs {
		if p.Failed[need] != "" {
			return need
		}
	}
	return ""
}

// peer is the result of the named one; it must be there.
func (r *results) peer(name string) *peerResult {
	for i := range r.Peers {
		if r.Peers[i].Name == name {
			return &r.Peers[i]
		}
	}
	return &peerResult{Name: name, Missing: "unknown"}
}

// mode is the result of the named one, nil if it was not run.
func (r *results) mode(name string) *modeResult {
	for i := range r.Modes {
		if r.Modes[i].Name == name {
			return &r.Modes[i]
		}
	}
	return nil
}

// why tells for a server without figures in a mode the reason.
func (r *results) why(m *modeResult, name string) string {
	p := r.peer(name)
	if p.Missing != "" {
		return name + ": " + p.Missing
	}
	if m == nil {
		return "mode not run"
	}
	for _, s := range m.Samples[name] {
		if s.Failed != "" {
			return name + ": " + s.Failed
		}
	}
	return name + ": not in this mode"
}

// label is the title with the connections, where their number says something.
func (m *modeResult) label() string {
	if m.Conns == 0 {
		return m.Title
	}
	return fmt.Sprintf("%s, %d connections", m.Title, m.Conns)
}

// good are the samples that have figures.
func (m *modeResult) good(name string) []sample {
	var list []sample
	for _, s := range m.Samples[name] {
		if s.Failed == "" {
			list = append(list, s)
		}
	}
	return list
}

// of are the values that pick takes from a server's samples.
func (m *modeResult) of(name string, pick func(sample) float64) []float64 {
	var list []float64
	for _, s := range m.good(name) {
		list = append(list, pick(s))
	}
	return list
}

// ratios are ours to theirs, round by round.
func (m *modeResult) ratios(ours, theirs string, pick func(sample) float64) (list []float64, bound bool) {
	a, b := m.Samples[ours], m.Samples[theirs]
	for i := range min(len(a), len(b)) {
		if a[i].Failed != "" || b[i].Failed != "" || pick(b[i]) == 0 {
			continue
		}
		list = append(list, pick(a[i])/pick(b[i]))
		bound = bound || a[i].loadBound() || b[i].loadBound()
	}
	return list, bound
}

func loadResults(path string) (*results, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(results)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (r *results) save(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
