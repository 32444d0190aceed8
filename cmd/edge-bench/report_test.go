package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/report.golden.md")

// example is a run of three rounds in which one server is missing, one fails a
// check and one mode was not run.
func example() *results {
	zero := 0.0
	r := &results{
		Machine: machine{CPU: "Example CPU", Cores: 2, Memory: "24 GiB", Kernel: "6.1", OS: "Debian", Go: "go1.26", Date: "2026-01-02", Proxy: 1},
		Rounds:  5, Seconds: 1,
		Peers: []peerResult{
			{Name: nameDirect, About: "no proxy", Version: "-"}, {Name: nameEdge, About: "the edge", Version: "edge v1"},
			{Name: nameNginx, About: "1 worker", Version: "1.22"}, {Name: nameHAProxy, About: "nbthread 1", Missing: "not installed (make bench-peers installs it)"},
			{Name: nameWorkerd, About: "a Worker", Version: "workerd 1", Failed: map[string]string{checkEvents: "events come in heaps | late"}},
		},
	}
	for _, m := range modes() {
		if m.name == modeHandshake {
			continue
		}
		res := modeResult{Name: m.name, Title: m.title, Unit: m.unit, Conns: m.conns, Samples: map[string][]sample{}}
		for round := range 3 {
			x := 1 + float64(round)/10
			direct := sample{Rate: 50_000 * x, LoadShare: 0.5, LoadCore: 0.9}
			edge := sample{Rate: 48_000, CPU: 15_000 * x, P50: 40_000, P99: 90_000 * x, P999: 200_000, ProxyShare: 0.7, LoadShare: 0.4, LoadCore: 0.8, Runs: []float64{48_000 * x, 30_000}}
			nginx := sample{Rate: 47_000, CPU: 15_200, P50: 38_000, P99: 60_000, P999: 150_000, ProxyShare: 0.7, LoadShare: 0.4, LoadCore: 0.99}
			workerd := sample{Rate: 6_000, CPU: 21_000, P50: 80_000, P99: 160_000, P999: 300_000, ProxyShare: 1, LoadShare: 0.1, LoadCore: 0.3}
			if m.kind == kindIdle {
				edge = sample{Bridges: 9000, Bytes: 1800 * x, Total: 100 << 20, Descriptors: 2.0004, Goroutines: &zero}
				nginx, workerd = sample{Bridges: 9000, Bytes: 18_000, Total: 170 << 20, Descriptors: 2}, sample{Bridges: 9000, Bytes: 82_000, Total: 800 << 20, Descriptors: 2}
				direct = sample{Failed: "there is no proxy whose memory could be measured"}
			}
			if m.name == modeEvents {
				workerd = sample{Failed: `fails the check "` + checkEvents + `"`}
			}
			for name, s := range map[string]sample{nameDirect: direct, nameEdge: edge, nameNginx: nginx, nameWorkerd: workerd} {
				res.Samples[name] = append(res.Samples[name], s)
			}
		}
		r.Modes = append(r.Modes, res)
	}
	return r
}

func TestReport(t *testing.T) {
	t.Parallel()
	const golden = "testdata/report.golden.md"
	got := example().markdown()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the report is not %s (-update writes it):\n%s", golden, got)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	r := example()
	for _, tt := range []struct {
		row, of, metric, want string
	}{
		{"64 B, 1 in flight", nameDirect, "throughput", "MISSED"}, // 0.87 is the median of 0.96, 0.87, 0.80
		{"64 B, 1 in flight", nameNginx, "CPU", "MISSED"},
		{"64 B, 1 in flight", nameHAProxy, "CPU", "not measured (haproxy: not installed (make bench-peers installs it))"},
		{"64 B, 1 in flight", nameWorkerd, "CPU", "met"},
		{"1 MiB, 1 in flight", "", metricWorst, "met"},
		{"latency at a fixed rate", nameNginx, "p99", "met"},
		{"handshake with a Wasm decision", nameWorkerd, "throughput", "not measured (mode not run)"},
		{"idle", "", "private memory", "met"},
		{"idle", "", "descriptors", "met"},
		{"idle", "", metricGoroutines, "met"},
		{"SSE delay", nameNginx, "p50", "met"},
	} {
		found := false
		for _, g := range goals() {
			if g.row == tt.row && g.of == tt.of && g.by.name == tt.metric {
				found = true
				if got := r.judge(g).verdict(); got != tt.want {
					t.Errorf("%s, %s to %q: %s, want %s", tt.row, tt.metric, tt.of, got, tt.want)
				}
			}
		}
		if !found {
			t.Errorf("%s has no goal for %s to %q", tt.row, tt.metric, tt.of)
		}
	}
}

// TestGoalsAreMeasured fails for a goal whose mode or server does not exist.
func TestGoalsAreMeasured(t *testing.T) {
	t.Parallel()
	names := map[string]bool{"": true}
	for _, name := range []string{nameDirect, nameEdge, nameNginx, nameHAProxy, nameWorkerd, nameGo} {
		names[name] = true
	}
	known := map[string]bool{}
	for _, m := range modes() {
		known[m.name] = true
	}
	for _, g := range goals() {
		if !known[g.mode] || !names[g.of] {
			t.Errorf("%s: mode %q, server %q", g.row, g.mode, g.of)
		}
	}
}

func TestCharts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]chart{"cpu": example().cpuChart(), "throughput": example().ratioChart(), "empty": {title: `<&"'>`}} {
		svg := c.svg()
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s is no XML: %v\n%s", name, err, svg)
			}
		}
		bars := 0
		for _, g := range c.groups {
			bars += len(g.bars)
		}
		if got := bytes.Count(svg, []byte("<rect ")); got != bars || (name != "empty" && bars == 0) {
			t.Errorf("%s has %d bars, want %d", name, got, bars)
		}
	}
}

func TestReadme(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	readme, figure := filepath.Join(dir, "README.md"), filepath.Join(dir, "figures.svg")
	write := func(text string) {
		if err := os.WriteFile(readme, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("# x\n" + readmeBegin + "old\n" + readmeEnd + "rest\n")
	for range 2 { // the second time finds what the first one wrote
		if err := example().intoReadme(readme, figure); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	for _, want := range []string{"# x\n" + readmeBegin + "Measured 2026-01-02 on Example CPU", "](figures.svg)", "| 64 B, 1 in flight |", "haproxy not measured", readmeEnd + "rest\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "old") || strings.Count(text, readmeBegin) != 1 {
		t.Errorf("the old part is still there:\n%s", text)
	}
	write("# no marks\n")
	if err := example().intoReadme(readme, figure); err == nil {
		t.Error("a README without marks is no error")
	}
	short := example()
	short.Rounds = 1
	write("# x\n" + readmeBegin + readmeEnd)
	if err := short.intoReadme(readme, figure); err == nil {
		t.Error("a quick run went into the README")
	}
}

func TestResultsAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, resultsFile)
	if err := example().save(path); err != nil {
		t.Fatal(err)
	}
	again, err := loadResults(path)
	if err != nil {
		t.Fatal(err)
	}
	if again.markdown() != example().markdown() {
		t.Error("the report of what was loaded is another one")
	}
	var out bytes.Buffer
	if err := reportCommand([]string{"-out", dir}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{reportFile, cpuFile, ratioFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(out.String(), "MISSED") {
		t.Errorf("printed:\n%s", &out)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := parseRun([]string{"-quick", "-only", "echo-64,sse", "-peers", "direct", "-rounds", "2"}, io.Discard)
	if err != nil || o.rounds != 2 || o.bridges != quickBridges || o.window.measure != quickMeasure || len(o.only) != 2 || len(o.want) != 1 || !filepath.IsAbs(o.edge) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{{"-rounds", "-1"}, {"-for", "1us"}, {"more"}, {"-nothing"}} {
		if _, err := parseRun(args, io.Discard); err == nil {
			t.Errorf("%q is no error", args)
		}
	}
	if err := dispatch(t.Context(), []string{"nothing"}, io.Discard, io.Discard); !errors.Is(err, errCommand) {
		t.Errorf("an unknown command: %v", err)
	}
}
