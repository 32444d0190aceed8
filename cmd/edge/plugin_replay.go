package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"edge/cmd/edge/remote"
	"edge/plugins"
	"edge/plugins/replay"
)

type pluginReplayCommand struct {
	remote.Output
	Module    string `arg:"" help:"Module (.wasm) or Worker (.ts, .js) that decides."`
	Recording string `arg:"" help:"File that edge serve --record wrote."`
	Plugin    string `placeholder:"NAME" help:"Whose requests are decided, if the recording has several plugins'."`
	All       bool   `short:"a" help:"Print the requests that are decided alike too."`
	Verbose   bool   `short:"v" help:"Print values whole, and what the module logged."`
}

// Help is the long text of --help.
func (c *pluginReplayCommand) Help() string {
	return `Has a module decide the requests of a recording again and prints every difference: of the decisions, of what goes on to the backend, and
of what was asked of sandboxes, stores and other hosts meanwhile. Nothing is carried out: those answer as they did when the recording was made.
Exit code 1 if anything differs. The clock shows the time of each request, randomness is the same each time, and what was confidential is a
placeholder. Streams, WebSockets that the plugin opens, and answers over 64 KiB are not recorded; requests that need them are counted apart.`
}

// replayReport is what -o json prints.
type replayReport struct {
	replay.Summary
	Results []replay.Result `json:"results,omitempty"`
}

// Run decides the recording's requests.
func (c *pluginReplayCommand) Run(ctx context.Context, t *terminal) error {
	module, err := readPlugin(ctx, t, c.Module)
	if err != nil {
		return err
	}
	f, err := os.Open(c.Recording)
	if err != nil {
		return usageError{fmt.Errorf("%s: %s", c.Recording, reason(err))}
	}
	defer f.Close()
	cache, err := os.MkdirTemp("", "edge-plugin-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	var results []replay.Result
	run := replay.Run{Plugin: c.Plugin, Open: c.open(module, cache), Report: func(r replay.Result) {
		if c.All || len(r.Differences) > 0 || r.Incomparable != "" {
			results = append(results, r)
		}
	}}
	s, err := run.Do(ctx, f)
	switch {
	case errors.Is(err, plugins.ErrRefused):
		return fmt.Errorf("%s: %w", c.Module, err)
	case err != nil:
		return fmt.Errorf("%s: %w", c.Recording, err)
	case s.Requests() == 0:
		return usageError{fmt.Errorf("%s holds no requests%s", c.Recording, ofPlugin(c.Plugin))}
	}
	if c.Format == "json" {
		err = writeJSON(t.out, replayReport{s, results})
	} else {
		err = c.write(t.out, s, results)
	}
	if err == nil && s.Different > 0 {
		err = remote.ExitCode(exitFailure)
	}
	return err
}

func ofPlugin(name string) string {
	if name == "" {
		return ""
	}
	return " of the plugin " + name
}

// open opens trials of the module as the recorded plugin was configured. All
// decisions are made in one instance, as far as it serves: what plugins keep in
// memory stays.
func (c *pluginReplayCommand) open(module []byte, cache string) func(context.Context, replay.Settings) (*plugins.Trial, error) {
	name := c.Plugin
	if name == "" {
		name = pluginNameOf(c.Module)
	}
	return func(ctx context.Context, s replay.Settings) (*plugins.Trial, error) {
		spec := plugins.Spec{Name: name, Config: s.Config, Secrets: s.Secrets, Grants: s.Grants, Bindings: s.Bindings}
		return plugins.OpenTrial(ctx, plugins.Config{CacheDir: cache}, spec, module)
	}
}

func (c *pluginReplayCommand) write(w io.Writer, s replay.Summary, results []replay.Result) error {
	var rows columns
	for _, r := range results {
		kind, note := "same", replay.Describe(r.Verdict)
		switch {
		case r.Incomparable != "":
			kind, note = "?", r.Incomparable
		case len(r.Differences) > 0:
			kind = "DIFF"
		}
		rows.row("  "+kind, fmt.Sprintf("line %d", r.Line), replay.Short(r.Request, 60), replay.Short(note, 60))
		if r.Incomparable == "" {
			for _, d := range r.Differences {
				rows.differs(d, "was", c.Verbose)
			}
		}
		if c.Verbose {
			for _, l := range r.Output {
				rows.line("          | " + printable(l))
			}
		}
	}
	rows.line(s.String())
	if s.FuelWas > 0 && s.Fuel > 0 {
		rows.line(fmt.Sprintf("fuel of the same decisions: %s, was %s (%+.1f %%)", grouped(s.Fuel), grouped(s.FuelWas),
			100*(float64(s.Fuel)/float64(s.FuelWas)-1)))
	}
	return rows.write(w)
}
