package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"edge/abi"
	"edge/cmd/edge/remote"
	"edge/plugins"
	"edge/plugins/replay"
)

type pluginCheckCommand struct {
	remote.Output
	Files []string `arg:"" name:"file" help:"Modules (.wasm) or Workers (.ts, .js) to check."`
}

// Help is the long text of --help.
func (c *pluginCheckCommand) Help() string {
	return `Does with each module what loading it does, and has it decide GET / with sandboxes that answer everything with nothing. Prints what it is,
what of the configuration it needs, and the fuel (about one instruction each) that the decision took. Exit code 1 if a module would be refused.`
}

// Run reports on each module; one that would be refused is a line of the error.
func (c *pluginCheckCommand) Run(ctx context.Context, t *terminal) error {
	var refused []error
	var reports []plugins.Report
	for _, file := range c.Files {
		r, err := checkPlugin(ctx, t, file)
		if err == nil {
			reports = append(reports, r)
		}
		switch {
		case err != nil && isWorkerSource(file): // its lines name files
			refused = append(refused, err)
		case err != nil:
			refused = append(refused, fmt.Errorf("%s: %s%s", file, reason(err), folderHint(file)))
		case r.Refusal != "":
			refused = append(refused, fmt.Errorf("%s: %s%s", file, r.Refusal, quote(r.Output)))
		case c.Format == "table":
			writeReport(t.out, file, r)
		}
	}
	if c.Format == "json" {
		refused = append(refused, writeJSON(t.out, reports))
	}
	return errors.Join(refused...)
}

// checkPlugin reports on a module's file, or on what a Worker is built into.
func checkPlugin(ctx context.Context, t *terminal, file string) (plugins.Report, error) {
	if !isWorkerSource(file) {
		return plugins.Check(ctx, file)
	}
	module, err := t.buildWorker(ctx, file)
	if err != nil {
		return plugins.Report{}, err
	}
	dir, err := os.MkdirTemp("", "edge-plugin-")
	if err != nil {
		return plugins.Report{}, err
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, pluginNameOf(file)+".wasm")
	if err := os.WriteFile(built, module, 0o600); err != nil {
		return plugins.Report{}, err
	}
	return plugins.Check(ctx, built)
}

func writeReport(w io.Writer, file string, r plugins.Report) {
	fmt.Fprintf(w, "%s: good\n", file)
	for _, line := range [][2]string{
		{"digest", "sha256:" + r.Digest},
		{"size", fmt.Sprintf("%s bytes; %s with what counts its fuel", grouped(uint64(r.Size)), grouped(uint64(r.Metered)))},
		{"memory", memoryText(r)},
		{"calls", kindText(r)},
		{"imports", importsText(r)},
		{"exports", wrap(r.Exports)},
		{"made", printable(madeText(r))},
		{needsLabel(r), strings.Join(needsText(r), indented)},
		{"probe", probeText(r.Probe)},
		{"init", fuelText(r.InitFuel)},
		{"reset", resettable(r)},
		{"output", printable(strings.Join(r.Output, indented))},
	} {
		if line[1] == "" {
			continue
		}
		fmt.Fprintf(w, "  %-8s %s\n", line[0], line[1])
	}
}

// indented begins another line of a report's second column.
const indented = "\n           "

// importsText names the imports, or counts them where each such module has the same.
func importsText(r plugins.Report) string {
	if r.Optional {
		return fmt.Sprintf("%d, as every module that is made so", len(r.Imports))
	}
	return wrap(importNames(r.Imports))
}

// importNames are the imports with those of WASI counted: language runtimes import
// them whether they use them or not.
func importNames(imports []string) []string {
	var names []string
	wasi := 0
	for _, name := range imports {
		if strings.HasPrefix(name, "wasi_snapshot_preview1.") {
			wasi++
			continue
		}
		names = append(names, name)
	}
	if wasi > 0 {
		names = append(names, fmt.Sprintf("and %d of WASI", wasi))
	}
	return names
}

func kindText(r plugins.Report) string {
	kind := "blocking: one request at a time in each instance"
	if r.Async {
		kind = "asynchronous: many requests at once in each instance"
	}
	if r.Events {
		kind += "; told what happens to sandboxes"
	}
	return kind
}

func memoryText(r plugins.Report) string {
	text := formatSize(int64(r.Memory.Initial)) + " at first"
	if r.Memory.Most > 0 {
		return text + ", " + formatSize(int64(r.Memory.Most)) + " at most"
	}
	return text + "; the plugin's memory: bounds it"
}

// madeText is what a module says of its making.
func madeText(r plugins.Report) string {
	switch {
	case r.Made == "":
		return ""
	case r.Source == "":
		return "by " + r.Made
	}
	return "of " + r.Source + " by " + r.Made
}

// needsLabel says whether a module can do without the grants.
func needsLabel(r plugins.Report) string {
	if r.Optional {
		return "may use"
	}
	return "needs"
}

// needsText is what stands in a configuration for the imports to be of use, line by
// line, as a part of it.
func needsText(r plugins.Report) []string {
	by := map[string][]string{}
	for _, n := range r.Needs {
		for _, key := range n.Keys {
			by[key] = append(by[key], strings.TrimPrefix(n.Import, "edge1."))
		}
	}
	lines := []string{"in edge.yaml, below the plugin's name; without grants: it has every sandbox and its own kv"}
	if r.Optional {
		lines = []string{"what stands in edge.yaml below the plugin's name, the rest is DENIED; without grants: every sandbox and its own kv"}
	}
	var inner []string
	for _, row := range [][2]string{
		{"grants.sandboxes", `sandboxes: {Sandbox: ["*"]}`},
		{"grants.operations", `operations: ["*"]`},
		{"grants.kv", `kv: true`},
		{"grants.fetch", `fetch: [api.example.com]`},
	} {
		if imports := by[row[0]]; imports != nil {
			inner = append(inner, fmt.Sprintf("  %-28s # for %s", row[1], strings.Join(imports, ", ")))
		}
	}
	if inner != nil {
		lines = append(append(lines, "grants:"), inner...)
	}
	if imports := by["secrets"]; imports != nil {
		lines = append(lines, fmt.Sprintf("%-30s # for %s", "secrets: {NAME: {env: NAME}}", strings.Join(imports, ", ")))
	}
	if len(lines) == 1 {
		return []string{"no grants"}
	}
	return lines
}

// resettable is whether isolation reset spares making instances.
func resettable(r plugins.Report) string {
	switch {
	case r.Probe == nil:
		return ""
	case r.Reset == "":
		return "isolation: reset is possible"
	}
	return "with isolation: reset the probe's instance was discarded: " + r.Reset
}

// probeText is what the module decided when it was tried.
func probeText(e *abi.Explanation) string {
	if e == nil {
		return ""
	}
	text := "GET / -> " + replay.Short(replay.Describe(e.Verdict), 70)
	if e.Fuel > 0 {
		text += ", " + fuelText(e.Fuel)
	}
	if len(e.Calls) > 0 {
		var names []string
		for _, c := range e.Calls {
			names = append(names, c.Name)
		}
		text += ", asked for " + strings.Join(names, ", ")
	}
	return text
}

// quote is what a refused module said, below the reason.
func quote(output []string) string {
	var b strings.Builder
	for _, l := range output {
		b.WriteString("\n  | " + printable(l))
	}
	return b.String()
}

// folderHint tells how to make the file that a folder was named for, or nothing.
func folderHint(path string) string {
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		return ""
	}
	name := "plugin"
	if abs, err := filepath.Abs(path); err == nil {
		name = filepath.Base(abs)
	}
	return "; build it and name the file:\n  " + buildCommand(path, name)
}

// wrap puts words on lines of a report that fit a terminal.
func wrap(words []string) string {
	const width = 88
	var b strings.Builder
	column := 0
	for i, w := range words {
		switch {
		case i == 0:
		case column+1+len(w) > width:
			b.WriteString(indented)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(w)
		column += len(w)
	}
	return b.String()
}
