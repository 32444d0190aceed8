package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"edge/abi"
)

type inspectCommand struct {
	sandboxes
	Output
}

// Run tells all about sandboxes, one after the other.
func (v *inspectCommand) Run(ctx context.Context, env *Env) error {
	return v.inEach(ctx, env, v.Sandboxes, func(s *session) error {
		raw, err := s.CallRaw(ctx, s.ref, abi.Inspect.Name(), []byte("{}"))
		if err != nil {
			return err
		}
		if v.json() {
			return writeJSON(env.Out, raw)
		}
		var in abi.Inspection
		if err := json.Unmarshal(raw, &in); err != nil {
			return fmt.Errorf("the edge's answer to inspect is not understood: %w", err)
		}
		return writeInspection(env.Out, s.ref, &in)
	})
}

// Where the text of a fact begins, and how much of it is a name of its own that
// further lines leave free.
const (
	factIndent = 14
	factName   = 11
)

// page is a list of facts, each behind its name.
type page struct{ facts [][2]string }

// fact adds one unless its value is empty.
func (p *page) fact(name, value string) {
	if value != "" {
		p.facts = append(p.facts, [2]string{name, oneLine(value)})
	}
}

// write prints the facts, those that would not fit a terminal on several lines.
func (p *page) write(w io.Writer) error {
	var b strings.Builder
	room := columnsOf(w)
	for _, f := range p.facts {
		lines := folded(f[1], room-factIndent, room-factIndent-factName)
		fmt.Fprintf(&b, "  %-11s %s\n", f[0], lines[0])
		for _, l := range lines[1:] {
			b.WriteString(strings.Repeat(" ", factIndent+factName) + l + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeInspection(w io.Writer, ref Ref, in *abi.Inspection) error {
	fmt.Fprintln(w, ref)
	p := new(page)
	p.fact("state", lifeText(in))
	p.fact("why", strings.Join(in.Why, ", "))
	p.fact("used", usedText(in))
	p.fact("sleeps", sleepText(in))
	p.fact("has", fmt.Sprintf("%s, %s", counted(in.Processes, "process", "processes"), counted(in.Connections, "connection", "connections")))
	p.fact("runtime", in.Runtime)
	p.fact("dial", in.Dial)
	p.fact("machine", in.Machine)
	p.fact("image", in.Image)
	p.fact("preset", in.Preset)
	p.fact("network", in.Network)
	p.fact("persist", in.Persist)
	for i, l := range in.Limits {
		p.fact(first(i, "limits"), limitText(l))
	}
	for i, k := range slices.Sorted(maps.Keys(in.Facts)) {
		p.fact(first(i, "facts"), fmt.Sprintf("%-10s %s", k, in.Facts[k]))
	}
	for i, k := range slices.Sorted(maps.Keys(in.Labels)) {
		p.fact(first(i, "labels"), k+"="+in.Labels[k])
	}
	for i, e := range in.Ports {
		p.fact(first(i, "ports"), fmt.Sprintf("%-5d %s", e.Port, e.URL))
	}
	return p.write(w)
}

// limitText is "memory  1 GiB     by cgroup v1".
func limitText(l abi.Limit) string {
	if l.By == "" || l.By == "nothing" {
		return fmt.Sprintf("%-7s %s", l.Name, l.Value)
	}
	return fmt.Sprintf("%-7s %-9s by %s", l.Name, l.Value, l.By)
}

// first is a heading for the first of several lines.
func first(i int, heading string) string {
	if i == 0 {
		return heading
	}
	return " "
}

func lifeText(in *abi.Inspection) string {
	text := stateText(in.SandboxState)
	if in.StartedAt != nil && alive(in.State) {
		text += " for " + since(in.StartedAt)
	}
	if in.ExitCode != nil {
		text += fmt.Sprintf(", exit code %d", *in.ExitCode)
	}
	if in.Generation > 0 {
		text += fmt.Sprintf(", generation %d", in.Generation)
	}
	return text
}

func usedText(in *abi.Inspection) string {
	if in.LastActivityAt == nil {
		return ""
	}
	return since(in.LastActivityAt) + " ago"
}

func sleepText(in *abi.Inspection) string {
	switch {
	case in.KeepAlive:
		return "never (keepAlive)"
	case in.SleepAfter == 0:
		return "never"
	case in.SleepsAt != nil:
		return fmt.Sprintf("in %s; after %s without use", until(in.SleepsAt), span(in.SleepAfter.D()))
	}
	return fmt.Sprintf("after %s without use", span(in.SleepAfter.D()))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
