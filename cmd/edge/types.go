package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"edge/plugins/worker"
)

type typesCommand struct {
	Dir string `arg:"" optional:"" default:"edge-types" help:"Folder to write; default edge-types."`
}

// Help is the long text of --help.
func (c *typesCommand) Help() string {
	return `Files of that name are replaced: run it again with another edge. A tsconfig.json includes them, and the web platform's own declarations:
{"compilerOptions": {"target": "ES2022", "lib": ["ES2022", "WebWorker"], "module": "ESNext", "moduleResolution": "Bundler", "strict": true,
"noEmit": true}, "include": ["*.ts", "edge-types/*.d.ts"]}`
}

// Run writes the declarations.
func (c *typesCommand) Run(t *terminal) error {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("write the declarations: %w", err)
	}
	entries, err := fs.ReadDir(worker.Types(), ".")
	if err != nil {
		return fmt.Errorf("read the declarations: %w", err)
	}
	for _, e := range entries {
		text, err := fs.ReadFile(worker.Types(), e.Name())
		if err == nil {
			err = replaceFile(filepath.Join(c.Dir, e.Name()), text)
		}
		if err != nil {
			return fmt.Errorf("write the declarations: %w", err)
		}
		fmt.Fprintln(t.out, "wrote", filepath.Join(c.Dir, e.Name()))
	}
	return c.tellProject(t.out)
}

// tellProject says what a tsconfig.json is to hold, where there is none.
func (c *typesCommand) tellProject(w io.Writer) error {
	if _, err := os.Stat("tsconfig.json"); !errors.Is(err, fs.ErrNotExist) {
		return nil // its author knows what it includes
	}
	text, err := fs.ReadFile(templates, "templates/typescript/tsconfig.json.tmpl")
	if err != nil {
		return fmt.Errorf("read the template of tsconfig.json: %w", err)
	}
	folder := filepath.ToSlash(filepath.Clean(c.Dir))
	project := strings.NewReplacer(`"*.ts"`, `"*.ts", "src"`, sdkFolder, folder).Replace(string(text))
	fmt.Fprintf(w, "there is no tsconfig.json here; one for tsc and editors:\n%s", project)
	return nil
}
