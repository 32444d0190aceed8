package worker

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"edge/plugins/worker/link"
)

const (
	// bundleName is what stack traces call a Worker's bundle.
	bundleName = "worker.js"
	// positionsMark stands in the bundle where the positions are put once they are
	// known. It comes last, so that nothing is moved.
	positionsMark = `"edge:positions"`
	// ours is esbuild's namespace of modules that are no files.
	ours = "edge"
)

// bundled is a Worker as one script.
type bundled struct {
	file      string // the source
	text      string
	positions positions
	inputs    []string
	warnings  []string
}

// script is what the engine evaluates.
func (s *bundled) script() link.Script { return link.Script{Name: bundleName, Source: s.text} }

// bundle makes one script of the source and what it imports. What it returns beside an
// error has the inputs and warnings all the same.
func (r *runtime) bundle(file string) (*bundled, error) {
	s := &bundled{file: file}
	res := api.Build(r.options(file))
	for _, w := range res.Warnings {
		s.warnings = append(s.warnings, sourceError(filepath.Dir(file), w).line())
	}
	if len(res.Errors) > 0 {
		s.inputs = []string{file}
		return s, sourceErrors(filepath.Dir(file), res.Errors)
	}
	for _, f := range res.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			if err := s.positions.read(f.Contents); err != nil {
				return s, err
			}
			continue
		}
		s.text = string(f.Contents)
	}
	mark := strings.LastIndex(s.text, positionsMark)
	if mark < 0 {
		return s, fmt.Errorf("%s: the bundle does not hand over its default export", file)
	}
	s.text = s.text[:mark] + s.positions.script() + s.text[mark+len(positionsMark):]
	inputs, err := inputsOf(res.Metafile, filepath.Dir(file))
	s.inputs = inputs
	return s, err
}

// options are those of the bundler for a Worker. Conditions and fields of packages are
// those that Workers are published with.
func (r *runtime) options(file string) api.BuildOptions {
	return api.BuildOptions{
		// The default export is taken from the namespace: a missing one is told of by
		// the runtime, with what the module exports instead.
		Stdin: &api.StdinOptions{
			Contents:   fmt.Sprintf("import { serve } from \"edge:runtime\";\nimport * as worker from %q;\nserve(worker.default, %s);\n", file, positionsMark),
			ResolveDir: filepath.Dir(file), Sourcefile: "edge:entry",
		},
		AbsWorkingDir: filepath.Dir(file), Bundle: true, Format: api.FormatIIFE, Target: api.ES2022, Platform: api.PlatformBrowser, Write: false,
		Conditions: []string{"workerd", "worker", "browser"}, Define: map[string]string{"process.env.NODE_ENV": `"production"`},
		Sourcemap: api.SourceMapExternal, SourcesContent: api.SourcesContentExclude, Outfile: bundleName, Metafile: true, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		Loader:  map[string]api.Loader{".txt": api.LoaderText, ".html": api.LoaderText, ".sql": api.LoaderText, ".css": api.LoaderText, ".svg": api.LoaderText},
		Plugins: []api.Plugin{{Name: "edge", Setup: r.setUp}},
	}
}

// setUp has the bundler know the modules of the runtime.
func (r *runtime) setUp(b api.PluginBuild) {
	b.OnResolve(api.OnResolveOptions{Filter: `^(edge|cloudflare|@cloudflare/sandbox)`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, known := r.exports[a.Path]; known || a.Path == runtimeName {
			return api.OnResolveResult{Path: a.Path, Namespace: ours}, nil
		}
		return api.OnResolveResult{}, nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: ours}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		text := r.stand(a.Path)
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	})
}

// stand is the text of a module that hands on what the runtime holds. The first one
// takes the runtime's door from globalThis, before any line of the Worker.
func (r *runtime) stand(name string) string {
	if name == runtimeName {
		return "const door = globalThis.__edge;\ndelete globalThis.__edge;\nexport const modules = door.modules, serve = door.serve;\n"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "import { modules } from %q;\nconst m = modules[%q];\n", runtimeName, name)
	for _, e := range r.exports[name] {
		fmt.Fprintf(&text, "export const %s = m.%s;\n", e, e)
	}
	return text.String()
}

// metafile is what the bundler says of a build.
type metafile struct {
	Inputs  map[string]struct{}
	Outputs map[string]struct{ Exports []string }
}

// exportsOf are the names that a bundle exports.
func exportsOf(meta string) ([]string, error) {
	var m metafile
	if err := json.Unmarshal([]byte(meta), &m); err != nil {
		return nil, err
	}
	for name, out := range m.Outputs {
		if strings.HasSuffix(name, ".js") {
			return sorted(out.Exports), nil
		}
	}
	return nil, nil
}

// inputsOf are the files that a bundle was made of, relative ones below dir.
func inputsOf(meta, dir string) ([]string, error) {
	var m metafile
	if err := json.Unmarshal([]byte(meta), &m); err != nil {
		return nil, err
	}
	var files []string
	for name := range m.Inputs {
		if strings.HasPrefix(name, ours+":") || name == "edge:entry" {
			continue
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		files = append(files, name)
	}
	slices.Sort(files)
	return files, nil
}
