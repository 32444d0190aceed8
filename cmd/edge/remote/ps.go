package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"edge/abi"
)

type psCommand struct {
	Connection
	Output
	All    bool     `short:"a" help:"Also those that do not run."`
	Quiet  bool     `short:"q" help:"Print the names alone."`
	Filter []string `short:"f" placeholder:"KEY=VALUE" complete:"filter" help:"Only those with binding=NAME, id=GLOB, state=STATE, runtime=NAME or label=NAME[=VALUE]; may be given again."`
}

// listed is one sandbox of the edge's list.
type listed struct {
	Binding string            `json:"binding"`
	ID      string            `json:"id"`
	Labels  map[string]string `json:"labels"`
	abi.SandboxState
	Listening []abi.ListeningPort `json:"listening"`
	// whole is the entry as the edge wrote it.
	whole json.RawMessage
}

func (l listed) ref() Ref { return Ref{l.Binding, l.ID} }

// list returns the sandboxes by name, of one binding or of all.
func (c *Client) list(ctx context.Context, binding string) ([]listed, error) {
	query := ""
	if binding != "" {
		query = "?binding=" + url.QueryEscape(binding)
	}
	var answer struct {
		Sandboxes []json.RawMessage `json:"sandboxes"`
	}
	if err := c.read(ctx, "/v1/sandboxes"+query, &answer); err != nil {
		return nil, err
	}
	boxes := make([]listed, len(answer.Sandboxes))
	for i, raw := range answer.Sandboxes {
		if err := json.Unmarshal(raw, &boxes[i]); err != nil {
			return nil, fmt.Errorf("the edge's list is not understood: %w", err)
		}
		boxes[i].whole = raw
	}
	slices.SortFunc(boxes, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.Binding, b.Binding), cmp.Compare(a.ID, b.ID))
	})
	return boxes, nil
}

// Run lists sandboxes.
func (p *psCommand) Run(ctx context.Context, env *Env) error {
	keep, err := parseFilters(p.Filter)
	if err != nil {
		return err
	}
	c, err := p.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	boxes, err := c.list(ctx, "")
	if err != nil {
		return err
	}
	boxes = slices.DeleteFunc(boxes, func(l listed) bool { return !keep.all(l) || !p.All && keep["state"] == nil && !alive(l.State) })
	switch {
	case p.Quiet:
		for _, l := range boxes {
			fmt.Fprintln(env.Out, oneLine(l.ref().String()))
		}
		return nil
	case p.json():
		whole := make([]json.RawMessage, len(boxes))
		for i, l := range boxes {
			whole[i] = l.whole
		}
		return writeJSON(env.Out, map[string]any{"sandboxes": whole})
	}
	t := newTable("SANDBOX", "STATE", "#UP", "#CONNS", "#SLEEPS", "PORTS", "WHY")
	for _, l := range boxes {
		up := "-"
		if alive(l.State) {
			up = since(l.StartedAt)
		}
		t.add(l.ref().String(), stateText(l.SandboxState), up, strconv.Itoa(l.Connections), until(l.SleepsAt), portsText(l.Listening), strings.Join(l.Why, ", "))
	}
	return t.write(env.Out)
}

// alive tells whether a sandbox of that state has processes.
func alive(s abi.State) bool {
	return s == abi.StateRunning || s == abi.StateStarting || s == abi.StateStopping
}

// stateText is a state for people.
func stateText(s abi.SandboxState) string {
	if s.Paused {
		return "paused"
	}
	return string(s.State)
}

// filters are the values that a sandbox may have, by key.
type filters map[string][]string

// parseFilters reads the flags.
func parseFilters(flags []string) (filters, error) {
	f := filters{}
	for _, flag := range flags {
		key, value, found := strings.Cut(flag, "=")
		switch key {
		case "binding", "id", "state", "runtime", "label":
		default:
			return nil, abi.Errorf(abi.CodeInvalidRequest, "--filter %.60q: want binding=NAME, id=GLOB, state=STATE, runtime=NAME or label=NAME[=VALUE]", flag)
		}
		if _, err := path.Match(value, ""); err != nil || !found || value == "" {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "--filter %.60q: want a value, like %s=NAME", flag, key)
		}
		f[key] = append(f[key], value)
	}
	return f, nil
}

// all tells whether a sandbox has one of the values of every key.
func (f filters) all(l listed) bool {
	have := map[string]string{"binding": l.Binding, "id": l.ID, "state": stateText(l.SandboxState), "runtime": l.Runtime}
	for key, values := range f {
		if !slices.ContainsFunc(values, func(v string) bool {
			if key == "label" {
				return hasLabel(l.Labels, v)
			}
			matches, err := path.Match(v, have[key])
			return err == nil && matches
		}) {
			return false
		}
	}
	return true
}

// hasLabel tells whether there is such a label: "name=value", or "name" with any
// value.
func hasLabel(labels map[string]string, wanted string) bool {
	name, value, exact := strings.Cut(wanted, "=")
	got, there := labels[name]
	return there && (!exact || got == value)
}
