package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"edge/abi"
)

// consoleHandler prints log records on the console: what a plugin says after the
// plugin's name, and values of several lines, such as a stack, below the line.
type consoleHandler struct {
	console *console
	level   slog.Level
	prefix  string // of the groups, "a.b."
	plugin  string
	attrs   []slog.Attr // of With, named with their groups
}

var _ slog.Handler = consoleHandler{}

// handler returns one that prints records from level on.
func (c *console) handler(level slog.Level) slog.Handler {
	return consoleHandler{console: c, level: level}
}

// Enabled tells whether the level is printed.
func (h consoleHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// WithGroup names later attributes with the group in front.
func (h consoleHandler) WithGroup(name string) slog.Handler {
	h.prefix += name + "."
	return h
}

// WithAttrs adds attributes to every record.
func (h consoleHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		h.add(a)
	}
	return h
}

// add keeps an attribute, but for those that the console tells otherwise.
func (h *consoleHandler) add(a slog.Attr) {
	switch a.Key {
	case "plugin":
		h.plugin = a.Value.Resolve().String()
	case "generation", "digest", "stream": // "reload" lines tell the digest
	default:
		h.attrs = append(h.attrs, slog.Attr{Key: h.prefix + a.Key, Value: a.Value.Resolve()})
	}
}

// Handle prints the record.
func (h consoleHandler) Handle(_ context.Context, r slog.Record) error {
	if toldByWorker(r) {
		return nil
	}
	h.attrs = slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool { h.add(a); return true })
	var line strings.Builder
	if h.plugin != "" {
		line.WriteString(h.plugin + ": ")
	}
	first, rest, _ := strings.Cut(strings.TrimRight(r.Message, "\n"), "\n")
	line.WriteString(first)
	var below []string
	for _, a := range h.attrs {
		switch value := a.Value.String(); {
		case value == "":
		case strings.Contains(value, "\n"):
			below = append(below, strings.Split(strings.Trim(value, "\n"), "\n")...)
		case strings.ContainsAny(value, " \""):
			fmt.Fprintf(&line, " %s=%s", a.Key, strconv.Quote(value))
		default:
			fmt.Fprintf(&line, " %s=%s", a.Key, value)
		}
	}
	if rest != "" {
		line.WriteString("\n" + rest)
	}
	colour := dimText
	switch {
	case r.Level >= slog.LevelError:
		colour = redText
	case r.Level >= slog.LevelWarn:
		colour = yellowText
	}
	h.console.block(colour, strings.ToLower(r.Level.String()), line.String(), below)
	return nil
}

// toldByWorker tells whether a record says no more than a Worker has said itself in
// the line before it, with the place in the source: that it failed a request.
func toldByWorker(r slog.Record) (told bool) {
	if r.Message != "request failed" {
		return false
	}
	r.Attrs(func(a slog.Attr) bool {
		var e *abi.Error
		if err, ok := a.Value.Any().(error); ok && errors.As(err, &e) {
			told = e.Code == abi.CodePluginFailed && strings.HasPrefix(e.Message, "the Worker ")
		}
		return !told
	})
	return told
}
