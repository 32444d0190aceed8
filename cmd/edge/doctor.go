package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"edge/cmd/edge/remote"
	"edge/sandboxmgr"
)

// Levels of a finding.
const (
	levelOK   = "ok"
	levelNote = "note"
	levelBad  = "bad"
)

// examineTime bounds all checks of one examination.
const examineTime = 20 * time.Second

type doctorCommand struct {
	Flags
	remote.Output
	Config string `short:"c" placeholder:"FILE" help:"Configuration; default edge.yaml, if there is one."`
}

// Run examines the machine and the configuration, and changes nothing. It ends
// with 1 when something does not work. No edge needs to run.
func (c *doctorCommand) Run(ctx context.Context, t *terminal) error {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	x := &examination{}
	config := x.configuration(c.Config)
	settings, err := settle(c.Flags, t.getenv, config, doctoredState(config), serveLogLevel)
	if err != nil {
		return usageError{err}
	}
	x.machine(settings, config)
	x.tls(settings, config, x.places(ctx, settings))
	x.knowOwner(ctx, settings.State)
	at, err := engineAt(t.getenv)
	if err != nil {
		return usageError{err}
	}
	r := &runtimes{state: settings.State, at: at}
	x.bindings(ctx, r, config)
	x.note(r.Close())
	if c.Format == "json" {
		err = writeFindingsJSON(t.out, x.findings)
	} else {
		err = newConsole(t.out, t.getenv).findings(x.findings)
	}
	if err == nil && x.bad() {
		return remote.ExitCode(exitFailure)
	}
	return err
}

// doctoredState is the folder that is examined when none is named: as of clean.
func doctoredState(c *Config) string { return cleanedState(c) }

// examine is what the admin API tells of the machine: the checks that make sense
// while the edge runs.
func (s *server) examine(ctx context.Context, c *Config) []sandboxmgr.Finding {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	x := &examination{}
	x.machine(s.settings, c)
	x.ownedBy(ctx, s.store)
	for _, b := range c.Sandboxes {
		if bound, ok := s.manager.Bindings()[b.Name]; ok {
			x.binding(ctx, b, bound.Runtime)
		}
	}
	return x.findings
}

// examination collects what the checks find.
type examination struct {
	findings []sandboxmgr.Finding
	// owner is the id of the edge whose machine it is, empty if that is not
	// known; othersTold is set when the edge that runs has told of others.
	owner      string
	othersTold bool
}

// add keeps a finding, once.
func (x *examination) add(f sandboxmgr.Finding) {
	for _, known := range x.findings {
		if known == f {
			return
		}
	}
	x.findings = append(x.findings, f)
}

func (x *examination) found(level, name, mend, format string, args ...any) {
	x.add(sandboxmgr.Finding{Name: name, Level: level, Text: fmt.Sprintf(format, args...), Mend: mend})
}

// note keeps an error of the examination itself.
func (x *examination) note(err error) {
	if err != nil {
		x.found(levelNote, "examination", "", "%v", err)
	}
}

func (x *examination) bad() bool {
	for _, f := range x.findings {
		if f.Level == levelBad {
			return true
		}
	}
	return false
}

// configuration reads the file. What is wrong with it is found, and an empty
// configuration is examined instead.
func (x *examination) configuration(file string) *Config {
	name := file
	if name == "" {
		name = configSource
	}
	config, err := LoadConfig(name)
	if err == nil {
		x.found(levelOK, "configuration", "", "%s", name)
		return config
	}
	if _, missing := os.Stat(name); missing != nil && file == "" && os.IsNotExist(missing) {
		x.found(levelNote, "configuration", "edge doctor --config FILE, or edge plugin new DIR for a project that has one",
			"there is no %s here; what follows is about the defaults", name)
	} else {
		for _, line := range lines(err) {
			x.found(levelBad, "configuration", "", "%s", line)
		}
		x.found(levelNote, "configuration", "", "what follows is about the defaults; look again when the file is right")
	}
	return &Config{File: name, Dir: ".", Limits: defaultLimits()}
}

func writeFindingsJSON(w io.Writer, findings []sandboxmgr.Finding) error {
	b, err := json.MarshalIndent(map[string]any{"findings": findings}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

// Widths of the report for people.
const (
	reportWidth = 80
	levelWidth  = 6
)

// findings prints the report, bad news in colour, within reportWidth columns.
func (c *console) findings(findings []sandboxmgr.Finding) error {
	widest := 0
	for _, f := range findings {
		widest = max(widest, utf8.RuneCountInString(f.Name))
	}
	indent := levelWidth + widest + 2
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, f := range findings {
		word := f.Level
		colour := map[string]string{levelOK: greenText, levelNote: yellowText, levelBad: redText}[f.Level]
		if f.Level == levelBad {
			word = "BAD"
		}
		word = fmt.Sprintf("%-*s", levelWidth, word)
		if c.colour {
			word = colour + word + resetText
		}
		name := printable(f.Name)
		fmt.Fprintf(&b, "%s%s%s", word, name, strings.Repeat(" ", widest+2-utf8.RuneCountInString(name)))
		b.WriteString(wrapped(printable(f.Text), indent) + "\n")
		if f.Mend != "" {
			b.WriteString(strings.Repeat(" ", indent) + wrapped("mend: "+printable(f.Mend), indent) + "\n")
		}
	}
	_, err := io.WriteString(c.w, b.String())
	return err
}

// wrapped breaks a text at spaces, so that with the indent before each line none
// is longer than reportWidth where that is possible.
func wrapped(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > reportWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// maxMissing is how many findings a start that failed tells.
const maxMissing = 3

// missing is what the doctor finds bad, for a start that failed: a few lines.
func missing(ctx context.Context, o serverOptions) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), examineTime)
	defer cancel()
	x := &examination{}
	x.machine(o.settings, o.config)
	x.tls(o.settings, o.config, x.places(ctx, o.settings))
	r := &runtimes{state: o.settings.State, at: o.engine}
	x.bindings(ctx, r, o.config)
	x.note(r.Close())
	var told []string
	for _, f := range x.findings {
		if f.Level != levelBad {
			continue
		}
		if len(told) == maxMissing {
			return append(told, "doctor: there is more; edge doctor tells all")
		}
		line := "doctor: " + f.Name + ": " + f.Text
		if f.Mend != "" {
			line += "; mend: " + f.Mend
		}
		told = append(told, strings.ReplaceAll(line, "\n", " "))
	}
	return told
}
