package remote

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PluginCommands are the verbs on plugins of a running edge, for embedding in a
// command line beside those that work on files.
type PluginCommands struct {
	List     pluginListCommand     `cmd:"" help:"List plugins: what serves, what waits, and why a module was not taken."`
	Load     pluginLoadCommand     `cmd:"" help:"Give a plugin, whose source is upload, its next module."`
	Rollback pluginRollbackCommand `cmd:"" help:"Have an earlier version of a plugin serve again."`
	History  pluginHistoryCommand  `cmd:"" help:"Tell what became of a plugin's modules."`
}

const pluginsPath = "/v1/plugins"

// plugin is one of the edge's list.
type plugin struct {
	Name          string       `json:"name"`
	Source        string       `json:"source"`
	SourceProblem string       `json:"sourceProblem"`
	Digest        string       `json:"digest"`
	Generation    int64        `json:"generation"`
	Generations   []generation `json:"generations"`
	Quarantine    []givenUp    `json:"quarantine"`
}

// givenUp is a module that is not tried again.
type givenUp struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
}

// generation is one version of a plugin.
type generation struct {
	Number    int64     `json:"number"`
	Digest    string    `json:"digest"`
	State     string    `json:"state"`
	Step      string    `json:"step"`
	LoadedAt  time.Time `json:"loadedAt"`
	Why       string    `json:"why"`
	Percent   int       `json:"percent"`
	Instances int       `json:"instances"`
	Requests  int64     `json:"requests"`
	Failures  int64     `json:"failures"`
	Timeouts  int64     `json:"timeouts"`
}

// pluginEvent is one line of a plugin's history.
type pluginEvent struct {
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"`
	Generation int64     `json:"generation"`
	Digest     string    `json:"digest"`
	Origin     string    `json:"origin"`
	Step       string    `json:"step"`
	Why        string    `json:"why"`
}

// uploadSource is the source of plugins that take modules by pluginLoadCommand.
const uploadSource = "upload"

// plugins returns the list.
func (c *Client) plugins(ctx context.Context) ([]plugin, error) {
	var answer struct {
		Plugins []plugin `json:"plugins"`
	}
	err := c.read(ctx, pluginsPath, &answer)
	return answer.Plugins, err
}

func pluginPath(name string) string { return pluginsPath + "/" + url.PathEscape(name) }

type pluginListCommand struct {
	Connection
	Output
}

// Run lists plugins by name: first the generation that serves, below it those that
// may, and then what speaks against the others.
func (v *pluginListCommand) Run(ctx context.Context, env *Env) error {
	c, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	if v.json() {
		return c.print(ctx, pluginsPath, env.Out)
	}
	list, err := c.plugins(ctx)
	if err != nil {
		return err
	}
	t := newTable("PLUGIN", "#GEN", "DIGEST", "STATE", "#LOADED", "#REQUESTS", "#FAILED", "#INSTANCES", "SOURCE")
	for _, p := range list {
		p.add(t)
	}
	return t.write(env.Out)
}

// add writes the plugin's rows and remarks.
func (p *plugin) add(t *table) {
	live := p.live()
	if len(live) == 0 {
		t.add(p.Name, "-", "-", "none", "-", "-", "-", "-", p.Source)
	}
	for i, g := range live {
		name, source := "", ""
		if i == 0 {
			name, source = p.Name, p.Source
		}
		t.add(name, strconv.FormatInt(g.Number, 10), shortDigest(g.Digest), g.stateText(), since(&g.LoadedAt),
			strconv.FormatInt(g.Requests, 10), strconv.FormatInt(g.Failures+g.Timeouts, 10), strconv.Itoa(g.Instances), source)
	}
	for _, r := range p.remarks() {
		t.remark(r)
	}
}

// live are the generations that are there, what serves first.
func (p *plugin) live() []generation {
	live := slices.DeleteFunc(slices.Clone(p.Generations), generation.failed)
	slices.SortStableFunc(live, func(a, b generation) int {
		return -cmp.Compare(boolean(a.Number == p.Generation), boolean(b.Number == p.Generation))
	})
	return live
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// failed tells whether the generation serves no more, or never did.
func (g generation) failed() bool {
	return g.State == "refused" || g.State == "quarantined" || g.State == "rolled-back"
}

// stateText is the state for people.
func (g generation) stateText() string {
	switch {
	case g.State == "canary" && g.Percent > 0:
		return fmt.Sprintf("canary %d%%", g.Percent)
	case g.State == "loading" && g.Step != "":
		return "loading: " + g.Step
	}
	return g.State
}

// maxRemarks is how many failed generations a list tells of; the history has all.
const maxRemarks = 3

// remarks say what is wrong: why there is no module, why the source is not
// followed, and what became of modules that are newer than what serves.
func (p *plugin) remarks() []string {
	var all []string
	if p.SourceProblem != "" {
		all = append(all, p.SourceProblem)
	} else if p.Generation == 0 && p.Source == uploadSource {
		all = append(all, "it has no module yet: edge plugin load "+p.Name+" FILE")
	}
	failed := slices.DeleteFunc(slices.Clone(p.Generations), func(g generation) bool { return !g.failed() || g.Number < p.Generation })
	for _, g := range failed[:min(len(failed), maxRemarks)] {
		all = append(all, g.remark(p.endOf(g)))
	}
	if more := len(failed) - maxRemarks; more > 0 {
		all = append(all, fmt.Sprintf("and %d more before: edge plugin history %s", more, p.Name))
	}
	return all
}

// endOf is when a generation that failed did: as it was loaded, or when it was
// given up after it had served for a while.
func (p *plugin) endOf(g generation) time.Time {
	if g.State == "rolled-back" {
		for _, q := range p.Quarantine {
			if q.Digest == g.Digest {
				return q.Since
			}
		}
	}
	return g.LoadedAt
}

// remark says what became of a generation that does not serve, and how long ago.
func (g generation) remark(end time.Time) string {
	name := fmt.Sprintf("generation %d", g.Number)
	if g.Digest != "" {
		name += " (" + shortDigest(g.Digest) + ")"
	}
	what := strings.ReplaceAll(g.State, "-", " ")
	if g.Step != "" {
		what += " at " + g.Step
	}
	return fmt.Sprintf("%s was %s %s ago: %s", name, what, span(time.Since(end)), cmp.Or(g.Why, "it is not known why"))
}

// shortDigest is enough of a digest to tell modules apart.
func shortDigest(digest string) string { return cmp.Or(digest[:min(12, len(digest))], "-") }

type pluginRollbackCommand struct {
	Connection
	Plugin string `arg:"" complete:"plugin" help:"Name of the plugin."`
	Digest string `arg:"" optional:"" complete:"generation" help:"Beginning of the version's digest, 6 digits at least; without it the version that served before."`
}

// Run has an earlier version serve, and tells which.
func (v *pluginRollbackCommand) Run(ctx context.Context, env *Env) error {
	c, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	request, err := json.Marshal(map[string]string{"digest": strings.TrimPrefix(v.Digest, "sha256:")})
	if err != nil {
		return err
	}
	resp, err := c.do(ctx, http.MethodPost, pluginPath(v.Plugin)+"/rollback", http.Header{"Content-Type": {jsonType}}, bytes.NewReader(request))
	if err != nil {
		return err
	}
	return reportPlugin(env, resp)
}

// reportPlugin tells what serves after a change, and what begins to.
func reportPlugin(env *Env, resp *http.Response) error {
	var p plugin
	if err := decode(resp, &p); err != nil {
		return err
	}
	for _, g := range p.live() {
		if g.Number == p.Generation || g.State == "canary" {
			fmt.Fprintf(env.Out, "%s: generation %d, %s, %s\n", oneLine(p.Name), g.Number, oneLine(shortDigest(g.Digest)), oneLine(g.stateText()))
		}
	}
	return nil
}

type pluginHistoryCommand struct {
	Connection
	Output
	Plugin string `arg:"" complete:"plugin" help:"Name of the plugin."`
}

// Run tells what became of a plugin's modules, oldest first.
func (v *pluginHistoryCommand) Run(ctx context.Context, env *Env) error {
	c, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	var answer struct {
		History json.RawMessage `json:"history"`
	}
	if err := c.read(ctx, pluginPath(v.Plugin), &answer); err != nil {
		return err
	}
	if v.json() {
		return writeJSON(env.Out, map[string]any{"history": answer.History})
	}
	var events []pluginEvent
	if err := json.Unmarshal(answer.History, &events); err != nil {
		return fmt.Errorf("the edge's answer is not understood: %w", err)
	}
	t := newTable("#AGO", "EVENT", "#GEN", "DIGEST", "WHY")
	for _, e := range events {
		why := e.Why
		switch {
		case why == "" && e.Origin != "":
			why = "from " + e.Origin
		case e.Step != "":
			why = "at " + e.Step + ": " + why
		}
		t.add(since(&e.Time), e.Kind, strconv.FormatInt(e.Generation, 10), shortDigest(e.Digest), why)
	}
	return t.write(env.Out)
}

// pluginCandidates are the names of plugins, those alone that take modules for
// "loadable"; "generation" are the versions of one.
func (c *Client) pluginCandidates(ctx context.Context, kind, name string) []Candidate {
	list, err := c.plugins(ctx)
	if err != nil {
		return nil
	}
	var words []Candidate
	for _, p := range list {
		switch {
		case kind == "generation" && p.Name == name:
			for _, g := range p.Generations {
				if g.Number != p.Generation && g.Digest != "" {
					words = append(words, Candidate{shortDigest(g.Digest), fmt.Sprintf("generation %d, %s", g.Number, g.State)})
				}
			}
		case kind == "plugin", kind == "loadable" && p.Source == uploadSource:
			words = append(words, Candidate{p.Name, p.Source})
		}
	}
	return cleaned(words)
}
