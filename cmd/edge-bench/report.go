package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Files of the report.
const (
	resultsFile = "results.json"
	reportFile  = "report.md"
	cpuFile     = "cpu.svg"
	ratioFile   = "throughput.svg"
)

// write writes the report and its figures into dir, and the goals to out.
func (r *results) write(dir string, out io.Writer) error {
	for name, c := range map[string]chart{cpuFile: r.cpuChart(), ratioFile: r.ratioChart()} {
		if err := os.WriteFile(filepath.Join(dir, name), c.svg(), 0o644); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, reportFile)
	if err := os.WriteFile(path, []byte(r.markdown()), 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s\n%s\n%s\n", r.machineLine(), r.goalTable(), "All of it: "+path)
	return err
}

// machineLine says where, when and how it was measured.
func (r *results) machineLine() string {
	m := r.Machine
	return fmt.Sprintf("Measured %s on %s, %d cores, %s; %s, Linux %s, %s; %d interleaved rounds of %gs, proxy on core %d, load and backend on core %d.",
		m.Date, m.CPU, m.Cores, m.Memory, m.OS, m.Kernel, m.Go, r.Rounds, r.Seconds, m.Proxy, m.Load)
}

// markdown is the whole report.
func (r *results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Figures\n\n%s\n\n", r.machineLine())
	b.WriteString("## Goals\n\nMedian of the rounds' ratios of the edge to the other, with the least and the greatest. † is a figure that the load kept down:\n" +
		"its core was full in a round, and the proxy's was not.\n\n")
	b.WriteString(r.goalTable())
	fmt.Fprintf(&b, "\n![CPU per message](%s)\n\n![Throughput](%s)\n\n## Servers\n\n", cpuFile, ratioFile)
	b.WriteString(r.serverTable())
	b.WriteString("\n## Behaviour\n\nWho fails a check that a mode needs has no figure in it.\n\n")
	b.WriteString(r.checkTable())
	b.WriteString("\n## Operations per second, and CPU of the proxy for one\n\nMedians. A WebSocket of the mode handshake is a new connection, the handshake, one message and its echo, and a reset.\n\n")
	b.WriteString(r.rateTable())
	b.WriteString("\n## Delays\n\nMedians of the rounds, in microseconds. A round trip counts from when its message was due, an event from when it was written.\n\n")
	b.WriteString(r.delayTable())
	b.WriteString("\n## Idle bridges\n\nWhat one more costs all processes of the proxy, in memory that is resident and shared with nobody and in descriptors, and all such memory with all of them open. " +
		fmt.Sprintf("Each server is fresh and warmed up by %s handshakes. It is looked at with %d bridges open and with all, both times when nothing has happened for as long (10 s in a full run); the cost is the difference, divided by the bridges between.\n\n", thousands(warmHandshakes), baseBridges))
	b.WriteString(r.idleTable())
	b.WriteString("\n## Self-check\n\nIs the load the bottleneck? What the load and the backend do together on their one core without a proxy, beside the fastest proxy.\n\n")
	b.WriteString(r.selfTable())
	b.WriteString("\nThe thread of the load alone, the core that it shares with the backend, and the proxy's core, in percent of the time; medians.\n\n")
	b.WriteString(r.shareTable())
	return b.String()
}

// table is a Markdown table.
func table(header []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(header)
	b.WriteString(strings.Repeat("|---", len(header)) + "|\n")
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", "\\|")
		}
		line(row)
	}
	return b.String()
}

// goalTable is one row for each goal.
func (r *results) goalTable() string {
	var rows [][]string
	for _, g := range goals() {
		o := r.judge(g)
		against := ""
		if g.of != "" {
			against = " to " + g.of
		}
		rows = append(rows, []string{g.row, g.by.name + against, o.found(), g.wanted(), o.verdict()})
	}
	return table([]string{"mode", "edge", "measured", "goal", ""}, rows)
}

// found is "1.02x (0.98–1.07)".
func (o outcome) found() string {
	if o.missing != "" {
		return "-"
	}
	format, mark := "%.2f"+o.by.unit, ""
	if o.of != "" || o.by.name == metricWorst {
		format = "%.2fx"
	}
	if o.loadBound {
		mark = "†"
	}
	s := fmt.Sprintf(format, o.median) + mark
	if o.low != o.high {
		s += fmt.Sprintf(" (%.2f–%.2f)", o.low, o.high)
	}
	return s
}

func (r *results) serverTable() string {
	var rows [][]string
	for _, p := range r.Peers {
		version := p.Version
		if p.Missing != "" {
			version = "NOT MEASURED: " + p.Missing
		}
		rows = append(rows, []string{p.Name, version, p.About})
	}
	return table([]string{"server", "version", "set up"}, rows)
}

// measured are the names of the servers that there are figures of.
func (r *results) measured() []string {
	var names []string
	for _, p := range r.Peers {
		if p.Missing == "" {
			names = append(names, p.Name)
		}
	}
	return names
}

func (r *results) checkTable() string {
	var rows [][]string
	for _, c := range checks() {
		row := []string{c.name}
		for _, name := range r.measured() {
			cell := "as it should"
			if why := r.peer(name).Failed[c.name]; why != "" {
				cell = "**fails**: " + why
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return table(append([]string{"check"}, r.measured()...), rows)
}

// byMode is a table with a row for each mode that shows picks, and a column for
// each server.
func (r *results) byMode(shows func(*modeResult) bool, cell func(*modeResult, string) string) string {
	var rows [][]string
	for i := range r.Modes {
		m := &r.Modes[i]
		if !shows(m) {
			continue
		}
		row := []string{m.label()}
		for _, name := range r.measured() {
			if len(m.Samples[name]) == 0 {
				row = append(row, "-")
			} else if len(m.good(name)) == 0 {
				row = append(row, r.why(m, name))
			} else {
				row = append(row, cell(m, name))
			}
		}
		rows = append(rows, row)
	}
	return table(append([]string{"mode"}, r.measured()...), rows)
}

func (m *modeResult) delayed() bool { return m.Name == modeLatency || m.Name == modeEvents }

func (m *modeResult) idle() bool { return m.Name == modeIdle || m.Name == modeIdlePolicy }

func (r *results) rateTable() string {
	return r.byMode(func(m *modeResult) bool { return !m.idle() }, func(m *modeResult, name string) string {
		s := thousands(median(m.of(name, byRate().pick)))
		if name != nameDirect {
			s += fmt.Sprintf(", %s µs", digits(median(m.of(name, byCPU().pick))/1e3))
		}
		return s
	})
}

func (r *results) delayTable() string {
	var b strings.Builder
	for _, q := range []metric{byP50(), byP99(), {"p99.9", "", func(s sample) float64 { return s.P999 }}} {
		fmt.Fprintf(&b, "%s:\n\n%s\n", q.name, r.byMode((*modeResult).delayed, func(m *modeResult, name string) string {
			return digits(median(m.of(name, q.pick)) / 1e3)
		}))
	}
	return b.String()
}

func (r *results) idleTable() string {
	return r.byMode((*modeResult).idle, func(m *modeResult, name string) string {
		s := fmt.Sprintf("%d: %.2f KiB, %.2f descriptors, %.1f MiB in all", m.good(name)[0].Bridges, median(m.of(name, byBytes().pick)), median(m.of(name, byDescriptors().pick)), median(m.of(name, func(s sample) float64 { return s.Total }))/(1<<20))
		if g := m.good(name)[0].Goroutines; g != nil {
			s += fmt.Sprintf(", %.2f goroutines", *g)
		}
		return s
	})
}

// selfTable compares the load with what it loads.
func (r *results) selfTable() string {
	var rows [][]string
	for i := range r.Modes {
		m := &r.Modes[i]
		direct := median(m.of(nameDirect, byRate().pick))
		if m.idle() || m.delayed() || direct == 0 {
			continue
		}
		fastest, best := "-", 0.0
		for _, name := range r.measured() {
			if v := median(m.of(name, byRate().pick)); name != nameDirect && v > best {
				fastest, best = name, v
			}
		}
		row := []string{m.Title, thousands(direct), "-", "-"}
		if best > 0 {
			row[2], row[3] = thousands(best)+" "+fastest, fmt.Sprintf("%.1fx", direct/best)
		}
		rows = append(rows, row)
	}
	return table([]string{"mode", "direct", "fastest proxy", "direct to it"}, rows)
}

func (r *results) shareTable() string {
	return r.byMode(func(m *modeResult) bool { return !m.idle() }, func(m *modeResult, name string) string {
		percent := func(pick func(sample) float64) string { return fmt.Sprintf("%.0f", 100*median(m.of(name, pick))) }
		return percent(func(s sample) float64 { return s.LoadShare }) + ", " + percent(func(s sample) float64 { return s.LoadCore }) + ", " +
			percent(func(s sample) float64 { return s.ProxyCore })
	})
}

// thousands is a whole number with commas.
func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// digits is a number with three of them.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return thousands(v)
}
