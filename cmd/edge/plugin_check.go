package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"edge/plugins"
)

type pluginCheckCommand struct {
	Files []string `arg:"" name:"file" help:"Modules (.wasm) to check."`
}

// Run reports on each module; one that would be refused is a line of the error.
func (c *pluginCheckCommand) Run(ctx context.Context, t *terminal) error {
	var refused []error
	for _, file := range c.Files {
		r, err := plugins.Check(ctx, file)
		switch {
		case err != nil:
			refused = append(refused, fmt.Errorf("%s: %s%s", file, reason(err), folderHint(file)))
		case r.Refusal != "":
			refused = append(refused, fmt.Errorf("%s: %s%s", file, r.Refusal, quote(r.Output)))
		default:
			writeReport(t.out, file, r)
		}
	}
	return errors.Join(refused...)
}

func writeReport(w io.Writer, file string, r plugins.Report) {
	kind := "blocking: one request at a time in each instance"
	if r.Async {
		kind = "asynchronous: many requests at once in each instance"
	}
	fmt.Fprintf(w, "%s: good\n", file)
	for _, line := range [][2]string{
		{"digest", "sha256:" + r.Digest},
		{"size", fmt.Sprintf("%d bytes", r.Size)},
		{"calls", kind},
		{"imports", wrap(r.Imports)},
		{"exports", wrap(r.Exports)},
		{"output", printable(strings.Join(r.Output, "\n           "))},
	} {
		if line[1] == "" {
			continue
		}
		fmt.Fprintf(w, "  %-8s %s\n", line[0], line[1])
	}
}

// quote is what a refused module said, below the reason.
func quote(output []string) string {
	var b strings.Builder
	for _, l := range output {
		b.WriteString("\n  | " + printable(l))
	}
	return b.String()
}

// folderHint tells how to make the file that a folder was named for, or nothing.
func folderHint(path string) string {
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		return ""
	}
	name := "plugin"
	if abs, err := filepath.Abs(path); err == nil {
		name = filepath.Base(abs)
	}
	return "; build it and name the file:\n  " + buildCommand(path, name)
}

// wrap puts words on lines of a report that fit a terminal.
func wrap(words []string) string {
	const width, indent = 88, "\n           "
	var b strings.Builder
	column := 0
	for i, w := range words {
		switch {
		case i == 0:
		case column+1+len(w) > width:
			b.WriteString(indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(w)
		column += len(w)
	}
	return b.String()
}
