package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Colours of the console (ECMA-48, SGR).
const (
	plainText  = ""
	greenText  = "\x1b[32m"
	yellowText = "\x1b[33m"
	redText    = "\x1b[31m"
	dimText    = "\x1b[2m"
	resetText  = "\x1b[0m"
)

// console prints one line for each event, for a person who watches. Methods may
// be called at the same time.
type console struct {
	mu     sync.Mutex
	w      io.Writer
	colour bool
}

// newConsole prints to w, in colour if w is a terminal and nobody asked for none
// (NO_COLOR, TERM=dumb).
func newConsole(w io.Writer, getenv func(string) string) *console {
	return &console{w: w, colour: isTerminal(w) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// line prints what happened to whom, "reload     echo 312 ms".
func (c *console) line(colour, what, format string, args ...any) {
	text := printable(fmt.Sprintf(format, args...))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.colour && colour != plainText {
		fmt.Fprintf(c.w, "%s%s%s %s\n", colour, what, resetText, text)
		return
	}
	fmt.Fprintf(c.w, "%s %s\n", what, text)
}

// block prints a line and others below it, together.
func (c *console) block(colour, what, first string, more []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reset := ""
	if c.colour {
		reset = resetText
	} else {
		colour = ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s%s %s\n", colour, what, reset, printable(first))
	for _, l := range more {
		fmt.Fprintf(&b, "%s  | %s%s\n", colour, reset, printable(l))
	}
	io.WriteString(c.w, b.String())
}

// printable replaces control characters, so that what a sandbox or a compiler
// prints cannot steer the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r >= 0x20 && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// milliseconds is a span for people, "312 ms".
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}
