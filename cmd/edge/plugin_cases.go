package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"edge/cmd/edge/remote"
	"edge/plugins"
	"edge/plugins/replay"
)

// pluginTestCommand is "edge plugin test". (A file called plugin_test.go would be
// Go's.)
type pluginTestCommand struct {
	remote.Output
	Module    string   `arg:"" help:"Module (.wasm) or Worker (.ts, .js) to test."`
	Cases     []string `arg:"" optional:"" name:"file" help:"Files of cases, or folders with them (*.yaml)."`
	Recording string   `placeholder:"FILE" help:"Decide the requests that edge serve --record wrote."`
	Only      string   `name:"run" placeholder:"TEXT" help:"Only the cases with TEXT in their names."`
	Update    bool     `help:"Write into the files what was decided, where it is not what they expect."`
	Verbose   bool     `short:"v" help:"Print calls and the module's output of every case."`
}

// Help is the long text of --help.
func (c *pluginTestCommand) Help() string {
	return `Decides requests that you wrote down, without an edge and without sandboxes, and compares the decisions with what you expect.
Every case has an instance, a clock and randomness of its own that are the same each time: two runs print the same.

  config: {greeting: hello}            # also secrets, kv, grants, time; they hold for all cases, or stand in one
  cases:
    - name: lists the files
      request: {url: "/files?dir=src", headers: {Authorization: Bearer x}}   # method, host, body, websocket: true
      calls:                           # what the sandbox answers; match is a part of the operation's request
        - {name: listFiles, match: {path: src}, answer: {files: []}}
        - {name: fetch, match: {url: "https://api.example.com/"}, answer: {status: 200, body: "{}"}}
        - {name: exec, error: {code: COMMAND_NOT_FOUND}, times: 1}
      expect:                          # any of these; left out, nothing is expected
        decision: respond              # connect, proxy, next, plan, error
        status: 200
        headers: {Content-Type: application/json, X-Debug: null}    # null: there is none
        body: {json: {files: []}}      # or a text, {contains: ...}, {matches: ...}
        calls: [listFiles, {name: exec, match: {command: ls}}]      # in this order, among others; []: none
        fuel: {max: 200000}            # also sandbox, port, policy, wake, plan, error, request, kv, output

--update writes expect where there is none, and where it is not met.`
}

// Run decides the cases. Any that fails is exit code 1.
func (c *pluginTestCommand) Run(ctx context.Context, t *terminal) error {
	module, err := readPlugin(ctx, t, c.Module)
	if err != nil {
		return err
	}
	if c.Recording != "" {
		if c.Update || c.Only != "" || len(c.Cases) > 0 {
			return usageError{errors.New("--recording takes the place of files of cases: neither these nor --run nor --update go with it")}
		}
		r := pluginReplayCommand{Output: c.Output, Module: c.Module, Recording: c.Recording, All: true, Verbose: c.Verbose}
		return r.Run(ctx, t)
	}
	files, err := findCases(c.Cases)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usageError{fmt.Errorf("name files of cases, a folder with them, or a --recording; edge plugin test --help shows what a case is")}
	}
	tester, err := newTester(module, pluginNameOf(c.Module))
	if err != nil {
		return err
	}
	defer tester.close()
	tester.filter = c.Only
	failed := 0
	for _, file := range files {
		if err := c.file(ctx, tester, file); err != nil {
			return err
		}
	}
	for i := range tester.done {
		if len(tester.done[i].Failures) > 0 {
			failed++
		}
	}
	if c.Format == "json" {
		err = writeJSON(t.out, tester.done)
	} else {
		err = writeCases(t.out, tester.done, c.Verbose)
	}
	if err != nil || failed == 0 || c.Update {
		return err
	}
	return remote.ExitCode(exitFailure)
}

// file runs the cases of one file, and updates it.
func (c *pluginTestCommand) file(ctx context.Context, tester *tester, path string) error {
	f, err := readCases(path)
	if err != nil {
		return usageError{err}
	}
	changed := map[int]map[string]json.RawMessage{}
	for i, r := range f.suite.Cases {
		if !strings.Contains(r.Name, tester.filter) {
			continue
		}
		result, err := tester.try(ctx, f.suite.Prepare(r))
		if err != nil {
			return fmt.Errorf("%s: %w", c.Module, err)
		}
		if c.Update && (len(result.Failures) > 0 || r.Expect == nil) {
			changed[i], result.Updated = result.Actual, true
		}
		result.File = path
		tester.done = append(tester.done, result)
	}
	if len(changed) == 0 {
		return nil
	}
	return f.expect(changed)
}

// caseResult is a case's result with where it is from.
type caseResult struct {
	File string `json:"file"`
	replay.CaseResult
	Updated bool `json:"updated,omitempty"`
}

// tester tries cases with one module.
type tester struct {
	module []byte
	name   string
	cache  string // folder with compiled code
	filter string
	done   []caseResult

	spec  string // what trial was opened for
	trial *plugins.Trial
}

func newTester(module []byte, name string) (*tester, error) {
	cache, err := os.MkdirTemp("", "edge-plugin-")
	if err != nil {
		return nil, err
	}
	return &tester{module: module, name: name, cache: cache}, nil
}

func (t *tester) close() {
	if t.trial != nil {
		t.trial.Close()
	}
	_ = os.RemoveAll(t.cache) // it is a temporary folder
}

// try decides a case.
func (t *tester) try(ctx context.Context, c replay.Case) (caseResult, error) {
	spec := c.Spec(t.name)
	key, err := json.Marshal(spec)
	if err != nil {
		return caseResult{}, err
	}
	if t.trial == nil || t.spec != string(key) {
		if t.trial != nil {
			t.trial.Close()
			t.trial = nil
		}
		if t.trial, err = plugins.OpenTrial(ctx, plugins.Config{CacheDir: t.cache}, spec, t.module); err != nil {
			return caseResult{}, err
		}
		t.spec = string(key)
	}
	r := c.Try(ctx, t.trial)
	return caseResult{CaseResult: r}, ctx.Err()
}

// writeCases prints a line for each case, what failed below it, and how many did.
func writeCases(w io.Writer, done []caseResult, verbose bool) error {
	var rows columns
	file, failed, updated := "", 0, 0
	for _, r := range done {
		if r.File != file {
			file = r.File
			rows.line(file)
		}
		verdict := "ok"
		switch {
		case r.Updated:
			verdict = "new"
			updated++
		case len(r.Failures) > 0:
			verdict = "FAIL"
			failed++
		}
		rows.row("  "+verdict, replay.Short(r.Name, 48), replay.Short(replay.Describe(r.Verdict), 60), fuelText(r.Fuel))
		for _, d := range r.Failures {
			if !r.Updated {
				rows.differs(d, "expected", verbose)
			}
		}
		if verbose {
			for _, c := range r.Calls {
				rows.line("          call    " + callText(c))
			}
		}
		if verbose || len(r.Failures) > 0 && !r.Updated {
			for _, l := range r.Output {
				rows.line("          | " + printable(l))
			}
		}
	}
	summary := fmt.Sprintf("%s: %d ok", count(len(done), "case"), len(done)-failed-updated)
	if failed > 0 {
		summary += fmt.Sprintf(", %d failed", failed)
	}
	if updated > 0 {
		summary += fmt.Sprintf(", %d written into the files", updated)
	}
	rows.line(summary)
	return rows.write(w)
}

func callText(c replay.Call) string {
	text := c.Name + " " + replay.Short(string(c.Request), 80)
	if c.Error != nil {
		return text + " -> " + string(c.Error.Code)
	}
	return text + " -> " + replay.Short(string(c.Answer), 60)
}

// readPlugin reads a module's file, or builds a Worker.
func readPlugin(ctx context.Context, t *terminal, path string) ([]byte, error) {
	if isWorkerSource(path) {
		return t.buildWorker(ctx, path)
	}
	module, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %s%s", path, reason(err), folderHint(path))}
	}
	return module, nil
}

// pluginNameOf is a plugin's name as its module's file has it.
func pluginNameOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if !pluginName.MatchString(name) {
		return "plugin"
	}
	return name
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
