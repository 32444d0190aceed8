package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
			refused = append(refused, fmt.Errorf("%s: %s", file, reason(err)))
		case r.Refusal != "":
			refused = append(refused, fmt.Errorf("%s: %s", file, r.Refusal))
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
		{"imports", strings.Join(r.Imports, " ")},
		{"exports", strings.Join(r.Exports, " ")},
	} {
		fmt.Fprintf(w, "  %-8s %s\n", line[0], line[1])
	}
}
