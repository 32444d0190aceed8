package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The README's part between these lines is made by intoReadme.
const (
	readmeBegin = "<!-- make bench-readme: begin -->\n"
	readmeEnd   = "<!-- make bench-readme: end -->\n"
)

// intoReadme puts the table into a README, between its two marks, and draws the
// figure that it shows. It takes no run shorter than a whole one.
func (r *results) intoReadme(readme, figure string) error {
	if r.Rounds < fullRounds {
		return fmt.Errorf("the last run had %d rounds, and the README shows no figures of fewer than %d", r.Rounds, fullRounds)
	}
	b, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	link, err := filepath.Rel(filepath.Dir(readme), figure)
	if err != nil {
		return err
	}
	text, err := replaceBetween(string(b), r.readmePart(filepath.ToSlash(link)))
	if err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	if err := os.WriteFile(figure, r.cpuChart().svg(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(readme, []byte(text), 0o644)
}

// replaceBetween replaces what stands between the marks.
func replaceBetween(text, part string) (string, error) {
	before, rest, begun := strings.Cut(text, readmeBegin)
	_, after, ended := strings.Cut(rest, readmeEnd)
	if !begun || !ended {
		return "", fmt.Errorf("the lines %q and %q are not both there", strings.TrimSpace(readmeBegin), strings.TrimSpace(readmeEnd))
	}
	return before + readmeBegin + part + readmeEnd + after, nil
}

// readmePart is the table, the figure, and where they are from.
func (r *results) readmePart(figure string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n![CPU for one message, by proxy and size](%s)\n\n", r.machineLine(), figure)
	b.WriteString(r.readmeTable())
	b.WriteString("\n† is a figure that the load kept down: its core was full, and the proxy's was not.")
	var versions []string
	for _, p := range r.Peers {
		if p.Missing != "" {
			versions = append(versions, p.Name+" not measured ("+p.Missing+")")
		} else if p.Name != nameDirect {
			versions = append(versions, p.Name+": "+p.Version)
		}
	}
	fmt.Fprintf(&b, " Measured were %s.\n", strings.Join(versions, "; "))
	return b.String()
}

// readmeTable has one row for each row of goals, with all comparisons in it.
func (r *results) readmeTable() string {
	var rows [][]string
	for _, g := range goals() {
		o := r.judge(g)
		cell := o.by.name
		if g.of != "" {
			cell += " " + o.found() + " of " + g.of
		} else {
			cell += " " + o.found()
		}
		cell += fmt.Sprintf(" (%s: %s)", g.wanted(), o.verdict())
		if n := len(rows); n > 0 && rows[n-1][0] == g.row {
			rows[n-1][1] += "<br>" + cell
			continue
		}
		rows = append(rows, []string{g.row, cell})
	}
	return table([]string{"mode", "the edge"}, rows)
}
