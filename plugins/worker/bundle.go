package worker

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"edge/plugins/worker/link"
)

const (
	// bundleName is what stack traces call a Worker's bundle.
	bundleName = "worker.js"
	// entryName is the module that hands the Worker to the runtime.
	entryName = "edge:entry"
	// positionsMark stands in the bundle where the positions are put once they are
	// known. It comes last, so that nothing is moved.
	positionsMark = `"edge:positions"`
)

// bundled is a Worker as one script.
type bundled struct {
	file string // the source, absolute and without links
	text string
	// awaits: the top level awaits, so text only begins, and outcome tells how it went.
	awaits    bool
	positions positions
	inputs    []string
	empty     []string // those of them
	warnings  []string
	// previews: the source uses proxyToSandbox.
	previews bool
}

// scripts are what the engine evaluates.
func (s *bundled) scripts() []link.Script {
	scripts := []link.Script{{Name: bundleName, Source: s.text}}
	if s.awaits {
		scripts = append(scripts, link.Script{Name: "edge:outcome", Source: outcome})
	}
	return scripts
}

// Scripts have no top-level await, so a source that uses it becomes an async function.
// When the jobs are done, outcome throws what that one threw.
const (
	asyncBegin = "(async () => {\n" // on a line of its own, so that columns stay
	asyncEnd   = "})().then(() => { globalThis.__outcome = {}; }, (error) => { globalThis.__outcome = { error }; });"
	outcome    = `(() => {
  const o = globalThis.__outcome;
  delete globalThis.__outcome;
  if (o === undefined) throw new Error("a top-level await waits for what never comes: nothing that takes time can be awaited there; do it in fetch()");
  if ("error" in o) throw o.error;
})();`
)

// bundle makes one script of the source and what it imports. What it returns beside an
// error has the inputs and warnings all the same.
func (r *runtime) bundle(file string) (*bundled, error) {
	s := &bundled{file: file}
	b := r.bundler(file)
	res := b.build(api.FormatIIFE)
	if slices.ContainsFunc(res.Errors, aboutAwait) {
		s.awaits = true
		res = b.build(api.FormatESModule) // nothing is imported or exported in the end
	}
	s.inputs = append(b.inputs(), surroundings(b.dir)...)
	if len(res.Errors) > 0 {
		return s, sourceErrors(b.dir, res.Errors)
	}
	for _, w := range res.Warnings {
		if fromEntry(w) {
			return s, s.noHandler("the Worker has no default export")
		}
		s.warnings = append(s.warnings, sourceError(b.dir, w).line())
	}
	if err := s.take(res); err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// take takes the script and its positions from the bundler's files.
func (s *bundled) take(res api.BuildResult) error {
	for _, f := range res.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			if err := s.positions.read(f.Contents); err != nil {
				return err
			}
		} else if filepath.Base(f.Path) == bundleName {
			s.text = naming(f.Contents)
		}
	}
	mark := strings.LastIndex(s.text, positionsMark)
	if mark < 0 {
		return fmt.Errorf("the bundle does not hand over its default export")
	}
	if s.awaits {
		s.positions.lines = append([][]position{nil}, s.positions.lines...)
	}
	s.text = s.text[:mark] + s.positions.script() + s.text[mark+len(positionsMark):]
	if s.awaits {
		s.text = asyncBegin + s.text + asyncEnd
	}
	var meta metafile
	if err := json.Unmarshal([]byte(res.Metafile), &meta); err != nil {
		return err
	}
	s.empty, s.previews = meta.empty(), meta.uses(proxyName)
	for _, name := range foreignClasses {
		if meta.uses("cloudflare:workers" + exportMark + name) {
			s.warnings = append(s.warnings, filepath.Base(s.file)+": "+name+" of cloudflare:workers is imported, and there are none here: making one fails. Keep what must last in env.KV or in a sandbox")
		}
	}
	return nil
}

// namer is the helper that gives names, with one property descriptor for all.
const namer = `var __name = ((name) => (target, value) => (name.value = value, __defProp(target, "name", name)))({ __proto__: null, value: "", configurable: true });`

// naming is a script in which functions and classes get the names that they have in the
// source in fewer steps than with the bundler's helper, which makes a property
// descriptor for each function that is made. Lines stay where they are.
func naming(script []byte) string {
	helper := regexp.MustCompile(`var __name = \(\w+, \w+\) => __defProp\(\w+, "name", \{[^}]*\}\);`)
	at := helper.FindIndex(script)
	if at == nil {
		return string(script) // nothing has a name
	}
	return string(script[:at[0]]) + namer + string(script[at[1]:])
}

// foreignClasses are of cloudflare:workers and have no counterpart here.
var foreignClasses = []string{"DurableObject", "WorkflowEntrypoint"}

// noHandler is what to tell about a source that exports no fetch(). It points to the
// default export, if there is one.
func (s *bundled) noHandler(text string) error {
	e := &SourceError{File: filepath.Base(s.file), Text: text + `; want: export default { async fetch(request, env, ctx) { return new Response("hello") } }`}
	content, err := os.ReadFile(s.file)
	if err != nil {
		return e
	}
	n := 0
	for line := range strings.Lines(string(content)) {
		if n++; strings.HasPrefix(line, "export default") {
			line = strings.TrimRight(line, "\r\n")
			e.Line, e.Column, e.Snippet = n, 1, snippet(n, line, 0, len("export default"))
			break
		}
	}
	return e
}

// aboutAwait tells whether a message is that scripts have no top-level await.
func aboutAwait(m api.Message) bool {
	return strings.HasPrefix(m.Text, "Top-level await is currently not supported")
}

// fromEntry tells whether a message is about the module that hands the Worker over: all
// that it can miss is the default export.
func fromEntry(m api.Message) bool { return m.Location != nil && m.Location.File == entryName }

// surroundings are the files beside the source that say how it is read. Those of the
// first folder with a package.json, which is the project, are the last.
func surroundings(dir string) []string {
	var files []string
	for {
		project := false
		for _, name := range []string{"tsconfig.json", "package.json"} {
			path := filepath.Join(dir, name)
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
				files = append(files, path)
				project = project || name == "package.json"
			}
		}
		up := filepath.Dir(dir)
		if project || up == dir {
			return files
		}
		dir = up
	}
}

// metafile is what the bundler says of a build.
type metafile struct {
	Inputs  map[string]struct{ Bytes int }
	Outputs map[string]struct {
		Exports []string
		// Inputs are what is left of each input.
		Inputs map[string]struct{ BytesInOutput int }
	}
}

// empty are the files that had nothing in them, in order.
func (m *metafile) empty() []string {
	var names []string
	for name, in := range m.Inputs {
		if in.Bytes == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// exports are the names that the bundle exports.
func (m *metafile) exports() []string {
	for _, out := range m.Outputs {
		if len(out.Exports) > 0 {
			return out.Exports
		}
	}
	return nil
}

// uses tells whether something is left of one of our modules.
func (m *metafile) uses(name string) bool {
	for _, out := range m.Outputs {
		if out.Inputs[ours+":"+name].BytesInOutput > 0 {
			return true
		}
	}
	return false
}
