package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// chart is a figure of horizontal bars in groups. The bars of a group have a
// scale of their own, because one group may be a hundred times another.
type chart struct {
	title, subtitle string
	groups          []barGroup
	// mark draws a line across each group at this value; 0 draws none.
	mark float64
}

type barGroup struct {
	label string
	bars  []bar
}

type bar struct {
	name  string
	value float64
	text  string // at its end
}

// Measures of a chart, in pixels.
const (
	chartWidth = 760
	labelWidth = 220
	valueWidth = 120
	barHeight  = 14
	barGap     = 4
	groupGap   = 16
	chartTop   = 72
)

// chartStyle has readable text on light and on dark pages.
const chartStyle = `text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#57606a}` +
	`.t{font-size:16px;font-weight:600;fill:#1f2328}.g{font-weight:600;fill:#1f2328}.e{font-weight:600;fill:#0969da}.m{stroke:#8c959f;stroke-dasharray:3 3}` +
	`@media(prefers-color-scheme:dark){text{fill:#9198a1}.t,.g{fill:#f0f6fc}.e{fill:#4493f8}}`

// colour is a server's: the edge stands out.
func colour(name string) string {
	switch name {
	case nameEdge:
		return "#0969da"
	case nameNginx:
		return "#57ab5a"
	case nameHAProxy:
		return "#d4a72c"
	case nameWorkerd:
		return "#e0823d"
	case nameGo:
		return "#6cb6c9"
	}
	return "#8c959f"
}

// svg draws the chart.
func (c chart) svg() []byte {
	height := chartTop
	for _, g := range c.groups {
		height += len(g.bars)*(barHeight+barGap) + groupGap
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%[3]s">`+"\n", chartWidth, height, escaped(c.title))
	fmt.Fprintf(&b, "<style>%s</style>\n", chartStyle)
	fmt.Fprintf(&b, `<text class="t" x="16" y="28">%s</text>`+"\n"+`<text x="16" y="48">%s</text>`+"\n", escaped(c.title), escaped(c.subtitle))
	y := chartTop
	for _, g := range c.groups {
		y = g.draw(&b, y, c.mark) + groupGap
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// draw draws one group from y down and returns where it ends.
func (g barGroup) draw(b *bytes.Buffer, y int, mark float64) int {
	most := mark
	for _, bar := range g.bars {
		most = max(most, bar.value)
	}
	room := float64(chartWidth - labelWidth - valueWidth)
	top := y
	fmt.Fprintf(b, `<text class="g" x="16" y="%d">%s</text>`+"\n", y+barHeight-3, escaped(g.label))
	for _, bar := range g.bars {
		width := 2.0
		if most > 0 {
			width = max(width, bar.value/most*room)
		}
		class := ""
		if bar.name == nameEdge {
			class = ` class="e"`
		}
		fmt.Fprintf(b, `<text%s x="%d" y="%d" text-anchor="end">%s</text>`, class, labelWidth-8, y+barHeight-3, escaped(bar.name))
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="3" fill="%s"/>`, labelWidth, y, width, barHeight, colour(bar.name))
		fmt.Fprintf(b, `<text%s x="%.1f" y="%d">%s</text>`+"\n", class, labelWidth+width+6, y+barHeight-3, escaped(bar.text))
		y += barHeight + barGap
	}
	if mark > 0 {
		fmt.Fprintf(b, `<line class="m" x1="%.1f" x2="%[1]f" y1="%d" y2="%d"/>`+"\n", labelWidth+mark/most*room, top-3, y)
	}
	return y
}

func escaped(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a buffer takes everything
	}
	return b.String()
}

// cpuChart is what one message costs each proxy.
func (r *results) cpuChart() chart {
	c := chart{title: "CPU of the proxy for one WebSocket message there and back", subtitle: "Microseconds, less is better; each size has a scale of its own. " + r.place()}
	for _, name := range []string{"echo-64", "echo-1k", "echo-16k", "echo-1m", "echo-1k-16", "echo-16k-16"} {
		c.add(r, name, func(m *modeResult, server string) (float64, string) {
			if server == nameDirect {
				return 0, ""
			}
			v := median(m.of(server, byCPU().pick)) / 1e3
			return v, digits(v) + " µs"
		})
	}
	return c
}

// ratioChart is the throughput beside a connection without a proxy.
func (r *results) ratioChart() chart {
	c := chart{title: "WebSocket messages per second, as a part of a connection without a proxy", subtitle: "Median of the rounds' ratios, more is better; the line is no proxy at all. " + r.place(), mark: 1}
	for _, name := range []string{"echo-64", "echo-1k", "echo-16k", "echo-1m", "echo-64-16", "echo-1k-16", "echo-16k-16", "echo-1m-16"} {
		c.add(r, name, func(m *modeResult, server string) (float64, string) {
			values, _ := m.ratios(server, nameDirect, byRate().pick)
			if server == nameDirect || len(values) == 0 {
				return 0, ""
			}
			return median(values), fmt.Sprintf("%.2fx", median(values))
		})
	}
	return c
}

// add adds the group of a mode, with the servers that have a value.
func (c *chart) add(r *results, mode string, value func(*modeResult, string) (float64, string)) {
	m := r.mode(mode)
	if m == nil {
		return
	}
	g := barGroup{label: m.Title}
	for _, name := range r.measured() {
		if v, text := value(m, name); v > 0 {
			g.bars = append(g.bars, bar{name, v, text})
		}
	}
	if len(g.bars) > 0 {
		c.groups = append(c.groups, g)
	}
}

// place is where and when, in short.
func (r *results) place() string {
	return fmt.Sprintf("%d cores, %s.", r.Machine.Cores, r.Machine.Date)
}
