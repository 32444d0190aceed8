package worker

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

const (
	// ours is the bundler's namespace of modules that are no files.
	ours = "edge"
	// absent is that of modules that packages require and may do without.
	absent = "absent"
	// exportMark stands between the name of one of our modules and that of an export,
	// which is a module of its own: what is not used is left out then.
	exportMark = "#"
	// proxyName is the export that a Worker uses which wants to be asked of previews.
	proxyName = "@cloudflare/sandbox" + exportMark + "proxyToSandbox"
)

// maxBundlers bounds how many Workers esbuild remembers.
const maxBundlers = 8

// bundler runs esbuild for a Worker. It remembers between runs what it parsed: the next
// one parses what changed. One run at a time.
type bundler struct {
	runtime *runtime
	file    string // the source
	dir     string // of it
	// contexts are those of esbuild, by the format that they make.
	contexts map[api.Format]api.BuildContext

	mu     sync.Mutex // esbuild calls from many goroutines
	loaded map[string]bool
}

// bundler returns that of a Worker, new if need be.
func (r *runtime) bundler(file string) *bundler {
	b := r.bundlers[file]
	if b == nil {
		if len(r.bundlers) == maxBundlers {
			r.forget()
		}
		b = &bundler{runtime: r, file: file, dir: filepath.Dir(file), contexts: map[api.Format]api.BuildContext{}}
		r.bundlers[file] = b
	}
	b.loaded = map[string]bool{}
	return b
}

// forget ends all bundlers.
func (r *runtime) forget() {
	for _, b := range r.bundlers {
		for _, c := range b.contexts {
			c.Dispose()
		}
	}
	clear(r.bundlers)
}

// build runs esbuild.
func (b *bundler) build(format api.Format) api.BuildResult {
	c := b.contexts[format]
	if c == nil {
		o := b.options(b.file)
		o.Format = format
		made, err := api.Context(o)
		if err != nil {
			return api.BuildResult{Errors: err.Errors}
		}
		c, b.contexts[format] = made, made
	}
	return c.Rebuild()
}

// textExtensions are those of files that are imported as a string.
var textExtensions = []string{".txt", ".html", ".css", ".svg", ".sql", ".md", ".xml", ".csv"}

// options are those of the bundler. Conditions and fields of packages are those that
// packages for Workers are published with.
func (b *bundler) options(file string) api.BuildOptions {
	loaders := map[string]api.Loader{}
	for _, ext := range textExtensions {
		loaders[ext] = api.LoaderText
	}
	return api.BuildOptions{
		// The default export is taken from the namespace: that there is none is told as
		// a mistake of the source then, and not of this text. The runtime looks at the
		// others for classes that extend Sandbox.
		Stdin: &api.StdinOptions{
			Contents:   fmt.Sprintf("import { serve } from %q;\nimport * as worker from %q;\nserve(worker.default, worker, %s, %t);\n", runtimeName, file, positionsMark, b.runtime.traces),
			ResolveDir: b.dir, Sourcefile: entryName,
		},
		AbsWorkingDir: b.dir, Outfile: bundleName, Write: false, Bundle: true, Metafile: true,
		Target: api.ES2022, Platform: api.PlatformBrowser, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		Conditions: []string{"workerd", "worker", "browser"}, Define: map[string]string{"process.env.NODE_ENV": `"production"`},
		Sourcemap: api.SourceMapExternal, SourcesContent: api.SourcesContentExclude,
		// A Worker is a module, and modules are strict. Names are kept, because programs
		// compare those of classes.
		Banner: map[string]string{"js": `"use strict";`}, KeepNames: true,
		Loader:  loaders,
		Plugins: []api.Plugin{{Name: "edge", Setup: b.setUp}},
	}
}

// setUp has the bundler know the modules of the runtime and what cannot be imported,
// and note what it reads.
func (b *bundler) setUp(p api.PluginBuild) {
	p.OnResolve(api.OnResolveOptions{Filter: `^(edge:|cloudflare:|@cloudflare/sandbox($|/|#))`}, b.resolveOurs)
	p.OnResolve(api.OnResolveOptions{Filter: `^(node:)?[a-z0-9_]+(/[a-z0-9_]+)?$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) { return resolveNode(p, a) })
	p.OnResolve(api.OnResolveOptions{Filter: `\.wasm(\?.*)?$`}, refuse("it is WebAssembly: a Worker here cannot import that; run it in a sandbox, or write the plugin in a language that compiles to WebAssembly"))
	p.OnResolve(api.OnResolveOptions{Filter: `^https?:`}, refuse("nothing is downloaded while a Worker is built; install it as a package, or save it as a file"))
	p.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: ours}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		text := b.runtime.stand(a.Path)
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	})
	p.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: absent}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		text := fmt.Sprintf("throw new Error(%q);\n", unresolved(a.Path, whyNoNode(a.Path)))
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	})
	p.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "file"}, b.load)
}

// resolveOurs finds the modules of the runtime.
func (b *bundler) resolveOurs(a api.OnResolveArgs) (api.OnResolveResult, error) {
	name, _, _ := strings.Cut(a.Path, exportMark)
	_, known := b.runtime.exports[name]
	switch {
	case a.Path == runtimeName:
		return api.OnResolveResult{Path: a.Path, Namespace: ours}, nil
	case known:
		return api.OnResolveResult{Path: a.Path, Namespace: ours, SideEffects: api.SideEffectsFalse}, nil
	}
	known = strings.HasPrefix(a.Path, "@cloudflare/sandbox/")
	why := "there is no such module; of cloudflare: there is cloudflare:workers alone"
	if known {
		why = "there is no such part of the package; all that there is of it is in @cloudflare/sandbox"
	}
	return refuse(why)(a)
}

// refuse is a resolver that says why a module cannot be imported.
func refuse(why string) func(api.OnResolveArgs) (api.OnResolveResult, error) {
	return func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Errors: []api.Message{{Text: unresolved(a.Path, why)}}}, nil
	}
}

// unresolved is what to tell of a module that cannot be imported.
func unresolved(path, why string) string { return fmt.Sprintf("Could not resolve %q: %s", path, why) }

// nodeModules are those of Node.js, with what to use instead where we know.
func nodeModules() map[string]string {
	m := map[string]string{
		"assert":        "",
		"async_hooks":   "",
		"buffer":        "use Uint8Array, TextEncoder and TextDecoder, atob and btoa",
		"child_process": "use exec or startProcess of a sandbox",
		"crypto":        "use the global crypto: crypto.randomUUID(), crypto.getRandomValues(), crypto.subtle",
		"events":        "use EventTarget",
		"fs":            "use readFile and writeFile of a sandbox, or import the file: import text from \"./file.txt\"",
		"http":          "use fetch",
		"https":         "use fetch",
		"net":           "use fetch or WebSocket",
		"path":          "use URL, or strings",
		"process":       "use env, the second argument of fetch()",
		"querystring":   "use URLSearchParams",
		"stream":        "use ReadableStream, WritableStream and TransformStream",
		"timers":        "use setTimeout and setInterval",
		"url":           "use URL and URLSearchParams",
		"util":          "use structuredClone, TextEncoder and TextDecoder",
		"zlib":          "",
	}
	for _, name := range []string{"cluster", "console", "constants", "dgram", "diagnostics_channel", "dns", "domain", "http2", "inspector", "module", "os", "perf_hooks", "punycode", "readline", "repl", "sqlite", "string_decoder", "sys", "test", "tls", "trace_events", "tty", "v8", "vm", "wasi", "worker_threads"} {
		m[name] = ""
	}
	return m
}

// resolveNode says that there are no modules of Node.js, unless a package of that name
// is installed. To a package that requires one this is an exception: many of them ask
// for what they can do without.
func resolveNode(p api.PluginBuild, a api.OnResolveArgs) (api.OnResolveResult, error) {
	_, known := nodeModules()[nodeModule(a.Path)]
	explicit := strings.HasPrefix(a.Path, "node:")
	if a.PluginData == plainly || !known && !explicit {
		return api.OnResolveResult{}, nil
	}
	if !explicit {
		found := p.Resolve(a.Path, api.ResolveOptions{ResolveDir: a.ResolveDir, Importer: a.Importer, Kind: a.Kind, PluginData: plainly})
		if len(found.Errors) == 0 {
			return api.OnResolveResult{Path: found.Path, Namespace: found.Namespace, Suffix: found.Suffix}, nil
		}
	}
	if a.Kind == api.ResolveJSRequireCall && strings.Contains(filepath.ToSlash(a.Importer), "/node_modules/") {
		return api.OnResolveResult{Path: a.Path, Namespace: absent}, nil
	}
	return refuse(whyNoNode(a.Path))(a)
}

// nodeModule is the name of the module, as nodeModules has it: "fs" of "node:fs/promises".
func nodeModule(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "node:"), "/")
	return name
}

// whyNoNode says why a module of Node.js is not there, and what to use.
func whyNoNode(path string) string {
	why := "it is a module of Node.js, which Workers do not have here"
	if instead := nodeModules()[nodeModule(path)]; instead != "" {
		why += "; " + instead
	}
	return why
}

// plainly marks a question of ours to the bundler.
const plainly = "plainly"

// load notes what is read, and reads what is imported as text or bytes whatever it is:
// with { type: "text" }, { type: "bytes" }, and .bin, which Workers get as an
// ArrayBuffer.
func (b *bundler) load(a api.OnLoadArgs) (api.OnLoadResult, error) {
	if text := unreadable(a.Path); text != "" {
		return api.OnLoadResult{Errors: []api.Message{{Text: text}}}, nil
	}
	b.mu.Lock()
	b.loaded[a.Path] = true
	b.mu.Unlock()
	kind, tail := a.With["type"], ""
	if kind != "text" && kind != "bytes" {
		if filepath.Ext(a.Path) != ".bin" {
			return api.OnLoadResult{}, nil
		}
		tail = ".buffer"
	}
	content, err := os.ReadFile(a.Path)
	if err != nil {
		return api.OnLoadResult{}, err
	}
	text, loader := string(content), api.LoaderText
	if kind != "text" {
		text = fmt.Sprintf("export default Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))%s;\n", base64.StdEncoding.EncodeToString(content), tail)
		loader = api.LoaderJS
	}
	return api.OnLoadResult{Contents: &text, Loader: loader}, nil
}

// mostInput is the most that a file may have that is imported, in bytes: half of what
// the top level may take in memory.
const mostInput = buildMemory / 2

// unreadable says why a file is not read: a device or a pipe may have no end, and
// nobody could stop the build. It is empty for files that can be, and for those that
// there are not.
func unreadable(path string) string {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return ""
	case !st.Mode().IsRegular():
		return fmt.Sprintf("%s cannot be imported: it is not a regular file", path)
	case st.Size() > mostInput:
		return fmt.Sprintf("%s cannot be imported: it has %d bytes, and at most %d are read", path, st.Size(), mostInput)
	}
	return ""
}

// inputs are the files that were read, in order.
func (b *bundler) inputs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	files := make([]string, 0, len(b.loaded))
	for file := range b.loaded {
		files = append(files, file)
	}
	slices.Sort(files)
	return files
}
