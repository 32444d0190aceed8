package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type initCommand struct {
	FromWrangler bool   `help:"Make it of wrangler's configuration: wrangler.json, wrangler.jsonc or wrangler.toml."`
	Env          string `placeholder:"NAME" help:"With --from-wrangler: the environment of that file to take. As in wrangler, it inherits no containers, durable_objects, vars and secrets."`
	Print        bool   `help:"Print the configuration instead of writing it."`
	File         string `arg:"" optional:"" help:"The Worker's source, or wrangler's file; default is what stands here."`
}

// Help is the long text of --help.
func (c *initCommand) Help() string {
	return `Writes edge.yaml beside a Worker in TypeScript or JavaScript, so that edge dev serves it. A file that is there is left alone.
With --from-wrangler it takes over what wrangler's file says, and lists each key that it does not take over, with what to do instead; MOVING.md has more.`
}

// workerSources are where a Worker's source is looked for, and wranglerFiles where
// wrangler's file is, in that order.
var (
	workerSources = []string{"src/index.ts", "src/index.js", "src/worker.ts", "src/worker.js", "worker.ts", "worker.js", "index.ts", "index.js"}
	wranglerFiles = []string{"wrangler.json", "wrangler.jsonc", "wrangler.toml"}
)

// Run writes the configuration.
func (c *initCommand) Run(t *terminal) error {
	if c.Env != "" && !c.FromWrangler {
		return usageError{errors.New("--env is for --from-wrangler")}
	}
	made, err := c.make()
	if err != nil {
		return usageError{err}
	}
	if c.Print {
		_, err := t.out.Write(made.yaml())
		made.tell(t.err)
		return err
	}
	target := filepath.Join(made.dir, configSource)
	if err := writeNew(target, made.yaml()); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "wrote %s: %s\n", target, made.summary())
	made.tell(t.out)
	dev := "edge dev"
	if made.dir != "." {
		dev += " " + made.dir
	}
	fmt.Fprintf(t.out, "next: %s\n", dev)
	return nil
}

// make returns the configuration for what the command line names.
func (c *initCommand) make() (*newConfig, error) {
	if c.FromWrangler {
		file, err := existing(c.File, wranglerFiles, "a file of wrangler's")
		if err != nil {
			return nil, err
		}
		return migrate(file, c.Env)
	}
	file, err := existing(c.File, workerSources, "a Worker's source")
	if err != nil {
		return nil, err
	}
	switch ext := filepath.Ext(file); ext {
	case ".json", ".jsonc", ".toml":
		return nil, fmt.Errorf("%s is no Worker's source; edge init --from-wrangler %s takes it over", file, file)
	}
	n := &newConfig{file: file, dir: ".", source: filepath.ToSlash(file)}
	if n.plugin, err = folderName(n.dir); err != nil {
		return nil, err
	}
	n.sandboxes = []newSandbox{{name: "Sandbox"}}
	n.previews = usesPreviews(file)
	variables, err := readVariables(n.dir)
	if err != nil {
		return nil, err
	}
	n.local = slices.Sorted(maps.Keys(variables))
	return n, nil
}

// existing returns the file that was named, or the first of those that are
// looked for.
func existing(named string, names []string, what string) (string, error) {
	if named != "" {
		st, err := os.Stat(named)
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %s", named, reason(err))
		case st.IsDir():
			return "", fmt.Errorf("%s is a folder; name %s", named, what)
		}
		return filepath.Clean(named), nil
	}
	for _, name := range names {
		if st, err := os.Stat(filepath.FromSlash(name)); err == nil && !st.IsDir() {
			return filepath.FromSlash(name), nil
		}
	}
	return "", fmt.Errorf("there is none of %s here; name %s", strings.Join(names, ", "), what)
}

// writeNew writes a file that must not exist.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usageError{fmt.Errorf("%s is there already, and stays as it is; --print shows what would be written", path)}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

var notInPluginName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// folderName is a plugin's name made of the folder's.
func folderName(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return safePluginName(filepath.Base(abs)), nil
}

// safePluginName is the name with what no plugin's name may hold replaced.
func safePluginName(name string) string {
	name = strings.TrimLeft(notInPluginName.ReplaceAllString(name, "-"), "-_")
	name = strings.TrimRight(name[:min(len(name), 63)], "-")
	if !pluginName.MatchString(name) {
		return "worker"
	}
	return name
}

// maxLookedAt is how many files are looked at for what a Worker uses.
const maxLookedAt = 2000

// usesPreviews tells whether the Worker speaks of proxyToSandbox: its source, or
// one beside or below it that is not a package's. Such a Worker stands in front of
// its sandboxes' previews.
func usesPreviews(source string) bool {
	root, seen, found := filepath.Dir(source), 0, false
	// What cannot be read is no source of a Worker.
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		seen++
		switch {
		case found || seen > maxLookedAt:
			return fs.SkipAll
		case err != nil && d != nil && !d.IsDir():
			return nil
		case err != nil:
			return fs.SkipDir
		case d.IsDir() && path != root && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.IsDir() && isWorkerSource(path):
			text, err := readSmallSource(path)
			found = err == nil && strings.Contains(string(text), "proxyToSandbox")
		}
		return nil
	})
	return found
}

// readSmallSource reads a source that a person may have written.
func readSmallSource(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxConfigBytes {
		return nil, fmt.Errorf("%s is no source", path)
	}
	return os.ReadFile(path)
}
