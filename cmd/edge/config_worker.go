package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"edge/plugins"
)

// workerVariables is a file beside a Worker or its edge.yaml, for edge dev. Its lines
// NAME=VALUE are what a Worker finds in env that has no edge.yaml; with one they stand
// in for what the environment lacks.
const workerVariables = ".dev.vars"

var errFetchFlag = errors.New("--fetch is for a Worker's source (edge dev worker.ts); in edge.yaml it is plugins.NAME.grants.fetch")

// workerDocument is the configuration of a Worker that has none: a plugin named after
// the file, which answers everything, and one binding.
func workerDocument(file string) (*document, value, error) {
	st, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, value{}, problem{place{file: file}, "cannot be read: " + reason(err)}
	case !st.Mode().IsRegular():
		return nil, value{}, problem{place{file: file}, "is not a regular file"}
	}
	name := pluginNameOf(file)
	text, err := json.Marshal(map[string]any{
		"sandboxes": map[string]any{"Sandbox": map[string]any{}},
		"plugins":   map[string]any{name: map[string]any{"source": filepath.Base(file)}},
		"routes":    []any{map[string]any{"path": "/*", "plugin": name}},
	})
	if err != nil {
		return nil, value{}, err
	}
	return parseDocument(file, text) // JSON is YAML
}

// readWorkerVariables gives the one plugin of a workerDocument its secrets.
func (c *Config) readWorkerVariables() error {
	c.worker = true
	secrets, err := readVariables(c.Dir)
	if len(secrets) > 0 {
		for i := range c.Plugins {
			c.Plugins[i].Secrets = secrets
		}
	}
	return err
}

// loadDevConfig is LoadConfig for edge dev: what secrets want of the environment and it
// lacks is taken from workerVariables.
func loadDevConfig(file string) (*Config, error) {
	if isWorkerSource(file) {
		return LoadConfig(file)
	}
	variables, err := readVariables(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	return loadConfig(file, func(name string) (string, bool) {
		if v, ok := os.LookupEnv(name); ok {
			return v, true
		}
		v, ok := variables[name]
		return v, ok
	})
}

// readVariables reads workerVariables of a folder; none if there is no such file.
func readVariables(dir string) (Secrets, error) {
	path := filepath.Join(dir, workerVariables)
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, problem{place{file: path}, "cannot be read: " + reason(err)}
	}
	return parseVariables(path, string(content))
}

// parseVariables reads lines NAME=VALUE. A value may be quoted with ', " or `, and go on
// for several lines then; \n stands for a line's end between ". What follows # is a
// comment. Lines that are empty say nothing, nor does "export" before a name. No value
// becomes part of an error.
func parseVariables(file, text string) (Secrets, error) {
	vars := Secrets{}
	for n := 1; text != ""; n++ {
		line, rest, _ := strings.Cut(text, "\n")
		here := place{file, n, 1}
		name, v, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		name = strings.TrimSpace(name)
		switch {
		case name == "" && !ok || name != "" && name[0] == '#':
			text = rest
			continue
		case !ok || !secretName.MatchString(name):
			return nil, problem{here, "is no line of the form NAME=VALUE, the name of letters, digits and \"_\""}
		}
		if quoted, after, ok := quotedVariable(text[strings.Index(text, "=")+1:]); ok {
			n += strings.Count(text[:len(text)-len(after)], "\n")
			_, rest, _ = strings.Cut(after, "\n")
			vars[name] = quoted
		} else {
			vars[name] = plainVariable(v)
		}
		if len(vars[name]) > maxSecret {
			return nil, problem{here, fmt.Sprintf("the value of %s is larger than %d KiB", name, maxSecret>>10)}
		}
		text = rest
	}
	return vars, nil
}

// quotedVariable is what text begins with between quotation marks, and what follows
// them. Nothing but a comment may follow in their line.
func quotedVariable(text string) (value, after string, ok bool) {
	text = strings.TrimLeft(text, " \t")
	if text == "" || !strings.Contains("\"'`", text[:1]) {
		return "", "", false
	}
	value, after, ok = strings.Cut(text[1:], text[:1])
	line, _, _ := strings.Cut(after, "\n")
	if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
		return "", "", false
	}
	if text[0] == '"' {
		value = strings.ReplaceAll(value, `\n`, "\n")
	}
	return value, after, ok
}

// plainVariable is the value of one line: without a comment, and without the quotation
// marks around it that stand in it, too.
func plainVariable(v string) string {
	v, _, _ = strings.Cut(v, " #")
	v = strings.TrimSpace(v)
	if len(v) >= 2 && strings.Contains("\"'`", v[:1]) && v[0] == v[len(v)-1] {
		return v[1 : len(v)-1]
	}
	return v
}

// grantFetch gives the one plugin of a workerDocument what it has anyway, and hosts.
func (c *Config) grantFetch(hosts []string) {
	for i := range c.Plugins {
		g := &plugins.Grants{Sandboxes: map[string][]string{}, KV: c.Plugins[i].Name, Fetch: hosts}
		for _, s := range c.Sandboxes {
			g.Sandboxes[s.Name] = []string{"*"}
		}
		c.Plugins[i].Grants = g
	}
}

// askOfPreviews has the plugin of a workerDocument be asked about previews, or not; an
// edge.yaml says that itself. It tells whether that is new.
func (c *Config) askOfPreviews(plugin string, asked bool) bool {
	if !c.worker || asked == (c.PreviewPlugin != "") {
		return false
	}
	c.PreviewPlugin = ""
	if asked {
		c.PreviewPlugin = plugin
	}
	return true
}
