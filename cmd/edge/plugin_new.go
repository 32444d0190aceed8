package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"edge/abi"
)

// templates holds the files of a new project by language.
//
//go:embed templates
var templates embed.FS

// sdkFolder is where a project has its copy of the SDK.
const sdkFolder = "edge-sdk"

type pluginNewCommand struct {
	Lang string `default:"go" placeholder:"LANG" help:"Language of the plugin: go."`
	Name string `arg:"" help:"Folder to write; its last part is the plugin's name."`
}

// Run writes the project.
func (c *pluginNewCommand) Run(t *terminal) error {
	if c.Lang != "go" {
		return usageError{fmt.Errorf("--lang %s is not available in this version; available: go", c.Lang)}
	}
	name := filepath.Base(filepath.Clean(c.Name))
	if !pluginName.MatchString(name) {
		return usageError{fmt.Errorf("%q cannot name a plugin; want letters, digits, \"-\" and \"_\", at most 63", name)}
	}
	if err := writeProject(c.Name, name); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "wrote %s: a Go plugin with its tests and this edge's SDK\n\n  cd %s\n  go test ./...\n  edge dev\n", c.Name, c.Name)
	return nil
}

// project is what the templates are filled with.
type project struct {
	Name    string
	Go      string // the SDK's Go version
	Version string // of this edge
}

// writeProject writes a project into dir, which must be empty or not exist.
func writeProject(dir, name string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return usageError{fmt.Errorf("%s is not empty; name a folder that does not exist yet", dir)}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return usageError{fmt.Errorf("%s: %s", dir, reason(err))}
	}
	p := project{Name: name, Go: abi.GoSDKVersion, Version: readBuild().String()}
	if err := p.write(dir); err != nil {
		return fmt.Errorf("write the project: %w", err)
	}
	sdk := filepath.Join(dir, sdkFolder)
	if err := os.CopyFS(filepath.Join(sdk, "abi"), abi.GoSDK()); err != nil {
		return fmt.Errorf("write the SDK: %w", err)
	}
	if err := os.WriteFile(filepath.Join(sdk, "go.mod"), []byte(abi.GoSDKModule), 0o644); err != nil {
		return fmt.Errorf("write the SDK: %w", err)
	}
	return nil
}

func (p project) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files, err := template.ParseFS(templates, "templates/go/*.tmpl")
	if err != nil {
		return err
	}
	for _, f := range files.Templates() {
		var text bytes.Buffer
		if err := f.Execute(&text, p); err != nil {
			return err
		}
		name := strings.TrimSuffix(f.Name(), ".tmpl")
		if name == "gitignore" {
			name = ".gitignore"
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
