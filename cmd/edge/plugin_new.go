package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	"edge/abi"
	"edge/plugins/worker"
)

// templates holds the files of a new project by language.
//
//go:embed templates
var templates embed.FS

// sdkFolder is where a project has its copy of the SDK.
const sdkFolder = "edge-sdk"

// language is one in which projects are written. Its templates are below
// templates/NAME: "src/lib.rs.tmpl" becomes src/lib.rs, "gitignore.tmpl"
// becomes .gitignore.
type language struct {
	name  string // what --lang takes
	title string // what people call it
	// shared are templates below templates/shared that the project has too, and the
	// names of their files.
	shared map[string]string
	// sdk writes the SDK into the project's sdkFolder, which does not exist yet.
	sdk func(dir string) error
	// next are the commands that a new project is gone on with.
	next []string
}

// languages are those that this version writes projects in.
func languages() []language {
	echoServer := map[string]string{"server.mjs.tmpl": "server.mjs"}
	return []language{
		{name: "go", title: "Go", shared: echoServer, sdk: writeGoSDK, next: []string{"go test ./...", "edge dev"}},
		{name: "typescript", title: "TypeScript", shared: map[string]string{"server.mjs.tmpl": "server.txt"}, sdk: copySDK(worker.Types()), next: []string{"edge plugin test worker.ts cases.yaml", "edge dev"}},
		{name: "assemblyscript", title: "AssemblyScript", sdk: copySDK(abi.AssemblyScriptSDK()), next: []string{"npm ci", "npm test", "edge dev"}},
		{name: "rust", title: "Rust", shared: echoServer, sdk: copySDK(abi.RustSDK()), next: []string{"make test", "make", "edge dev"}},
		{name: "c", title: "C", shared: echoServer, sdk: copySDK(abi.CSDK()), next: []string{"make test", "make", "edge dev"}},
	}
}

// writeGoSDK writes a Go module that the project's go.mod replaces edge by.
func writeGoSDK(dir string) error {
	if err := os.CopyFS(filepath.Join(dir, "abi"), abi.GoSDK()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte(abi.GoSDKModule), 0o644)
}

// copySDK writes an SDK's sources as they are.
func copySDK(sources fs.FS) func(dir string) error {
	return func(dir string) error { return os.CopyFS(dir, sources) }
}

type pluginNewCommand struct {
	Lang string `default:"go" placeholder:"LANG" help:"Language of the plugin: go, typescript, assemblyscript, rust or c; default go."`
	Name string `arg:"" help:"Folder to write; its last part is the plugin's name."`
}

// Run writes the project.
func (c *pluginNewCommand) Run(t *terminal) error {
	lang, err := findLanguage(c.Lang)
	if err != nil {
		return err
	}
	name := filepath.Base(filepath.Clean(c.Name))
	if !pluginName.MatchString(name) {
		return usageError{fmt.Errorf("%q cannot name a plugin; want letters, digits, \"-\" and \"_\", at most 63", name)}
	}
	if err := writeProject(c.Name, name, lang); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "wrote %s: a plugin in %s with its tests and this edge's SDK\n\n  cd %s\n", c.Name, lang.title, c.Name)
	for _, command := range lang.next {
		fmt.Fprintf(t.out, "  %s\n", command)
	}
	return nil
}

func findLanguage(name string) (language, error) {
	var names []string
	for _, l := range languages() {
		if l.name == name {
			return l, nil
		}
		names = append(names, l.name)
	}
	return language{}, usageError{fmt.Errorf("--lang %s is not available in this version; available: %s", name, strings.Join(names, ", "))}
}

// project is what the templates are filled with.
type project struct {
	Name    string
	Go      string // the Go SDK's Go version
	Version string // of this edge
}

// writeProject writes a project into dir, which must be empty or not exist.
func writeProject(dir, name string, lang language) error {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return usageError{fmt.Errorf("%s is not empty; name a folder that does not exist yet", dir)}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return usageError{fmt.Errorf("%s: %s", dir, reason(err))}
	}
	p := project{Name: name, Go: abi.GoSDKVersion, Version: readBuild().String()}
	if err := p.write(dir, lang); err != nil {
		return fmt.Errorf("write the project: %w", err)
	}
	if err := lang.sdk(filepath.Join(dir, sdkFolder)); err != nil {
		return fmt.Errorf("write the SDK: %w", err)
	}
	return nil
}

// write fills the language's templates in.
func (p project) write(dir string, lang language) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sources, err := fs.Sub(templates, path.Join("templates", lang.name))
	if err != nil {
		return err
	}
	err = fs.WalkDir(sources, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return p.fill(sources, name, filepath.Join(dir, projectFile(name)))
	})
	for name, file := range lang.shared {
		if err == nil {
			err = p.fill(templates, path.Join("templates", "shared", name), filepath.Join(dir, file))
		}
	}
	return err
}

// projectFile is the path in a project of what a template is filled into.
func projectFile(name string) string {
	dir, file := path.Split(strings.TrimSuffix(name, ".tmpl"))
	if file == "gitignore" {
		file = ".gitignore"
	}
	return filepath.FromSlash(dir + file)
}

// fill writes one template into target.
func (p project) fill(sources fs.FS, name, target string) error {
	t, err := template.ParseFS(sources, name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, p); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, text.Bytes(), 0o644)
}
