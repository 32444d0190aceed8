package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"edge/abi"
)

// scalar returns the text of a scalar as written, and whether it is a string.
func (v value) scalar() (text string, isString, ok bool) {
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value, true, true
	case *ast.LiteralNode:
		return n.Value.Value, true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}

// text returns a string that is not empty; a number or boolean counts as the
// text that stands there.
func (v value) text(want string) (string, bool) {
	s, _, ok := v.scalar()
	switch {
	case !ok:
		v.fail("%s; want %s", v.found(), want)
		return "", false
	case s == "":
		v.fail("is empty; want %s", want)
		return "", false
	case strings.ContainsFunc(s, func(r rune) bool { return r == 0 }):
		v.fail("holds a NUL character")
		return "", false
	}
	return s, true
}

// oneOf returns the text if it is one of the words. A word that the
// documentation knows but this version does not have is in later.
func (v value) oneOf(words, later []string) (string, bool) {
	want := strings.Join(words, ", ")
	s, ok := v.text(want)
	switch {
	case !ok:
		return "", false
	case slices.Contains(words, s):
		return s, true
	case slices.Contains(later, s):
		v.fail("%q is not available in this version; want %s", s, want)
	default:
		v.fail("%q is unknown; want %s", s, want)
	}
	return "", false
}

// integer returns a whole number between min and max.
func (v value) integer(min, max int64) (int64, bool) {
	s, isString, ok := v.scalar()
	if !ok || isString {
		v.fail("%s; want a whole number from %d to %d", v.found(), min, max)
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < min || n > max {
		v.fail("%s is not a whole number from %d to %d", s, min, max)
		return 0, false
	}
	return n, true
}

// number returns a number above 0 and at most max.
func (v value) number(max float64) (float64, bool) {
	s, isString, ok := v.scalar()
	if !ok || isString {
		v.fail("%s; want a number above 0 and at most %g", v.found(), max)
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || n <= 0 || n > max {
		v.fail("%s is not a number above 0 and at most %g", s, max)
		return 0, false
	}
	return n, true
}

// duration returns a span above 0 and at most max, written like "10s" or as
// milliseconds.
func (v value) duration(max time.Duration) (time.Duration, bool) {
	s, _, ok := v.scalar()
	if !ok {
		v.fail("%s; want a duration like \"10s\", \"5m\" or \"1h\"", v.found())
		return 0, false
	}
	d, err := abi.ParseDuration(s)
	if err != nil {
		v.fail("%q is not a duration; want a number with a unit, like \"10s\", \"5m\" or \"1h\"", s)
		return 0, false
	}
	if d.D() <= 0 || d.D() > max {
		v.fail("%s is not above 0 and at most %s", s, max)
		return 0, false
	}
	return d.D(), true
}

// never is what a duration says that has no end.
const never = "never"

// durationOrNever is duration, with 0 for the word never.
func (v value) durationOrNever(max time.Duration) (time.Duration, bool) {
	s, _, ok := v.scalar()
	if ok && s == never {
		return 0, true
	}
	d, err := abi.ParseDuration(s)
	if !ok || err != nil || d <= 0 {
		v.fail("%s; want never or a duration above 0, like \"10s\", \"5m\" or \"1h\"", v.found())
		return 0, false
	}
	return v.duration(max)
}

// count returns a whole number from 0 to max.
func (v value) count(max int64) (int, bool) {
	n, ok := v.integer(0, max)
	return int(n), ok
}

// eitherOr tells whether the text is the first of two words.
func (v value) eitherOr(yes, no string) (bool, bool) {
	s, ok := v.oneOf([]string{yes, no}, nil)
	return s == yes, ok
}

var sizeUnits = []struct {
	unit  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

var looseSize = regexp.MustCompile(`^([0-9.]+) *([kKmMgGtT])(i?[bB])?$`)

// size returns a number of bytes, written like "64MiB" or as a plain number.
func (v value) size(min, max int64) (int64, bool) {
	s, _, ok := v.scalar()
	if !ok {
		v.fail("%s; want a size like \"64MiB\" or \"1GiB\"", v.found())
		return 0, false
	}
	n, ok := parseSize(s)
	if !ok {
		hint := `want a number with KiB, MiB, GiB or TiB, like "64MiB"`
		if m := looseSize.FindStringSubmatch(s); m != nil {
			hint = fmt.Sprintf("did you mean %q?", m[1]+strings.ToUpper(m[2])+"iB")
		}
		v.fail("%q is not a size; %s", s, hint)
		return 0, false
	}
	if n < min || n > max {
		v.fail("%s is not between %s and %s", s, formatSize(min), formatSize(max))
		return 0, false
	}
	return n, true
}

func parseSize(s string) (int64, bool) {
	for _, u := range sizeUnits {
		if digits, ok := strings.CutSuffix(s, u.unit); ok {
			n, err := strconv.ParseFloat(digits, 64)
			if err != nil || !(n >= 0) {
				return 0, false
			}
			if n*u.bytes > math.MaxInt64/2 {
				return math.MaxInt64, true // more than any bound, which then says so
			}
			return int64(n * u.bytes), true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

func formatSize(n int64) string {
	for _, u := range slices.Backward(sizeUnits) {
		if unit := int64(u.bytes); n >= unit && n%unit == 0 {
			return strconv.FormatInt(n/unit, 10) + u.unit
		}
	}
	return strconv.FormatInt(n, 10)
}

// envNames are variable names that a shell can also set.
var envNames = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// env returns a mapping of variable names to texts.
func (v value) env() map[string]string {
	env := map[string]string{}
	v.entries(func(name string, key, val value) {
		switch {
		case !envNames.MatchString(name):
			key.fail("%q is not a variable name; want letters, digits and \"_\"", name)
			return
		case strings.HasPrefix(name, "EDGE_INIT_"):
			key.fail("%q is reserved for the edge", name)
			return
		}
		s, _, ok := val.scalar()
		if !ok {
			val.fail("%s; want a text (\"\" for an empty one)", val.found())
			return
		}
		if strings.ContainsRune(s, 0) {
			val.fail("holds a NUL character")
			return
		}
		env[name] = s
	})
	return env
}

// words returns a list of texts, at least one.
func (v value) words(want string) []string {
	var words []string
	v.list(func(_ int, item value) {
		if s, ok := item.text(want); ok {
			words = append(words, s)
		}
	})
	return words
}

// json returns the value as JSON. Numbers keep their digits.
func (v value) json() json.RawMessage {
	var plain any
	switch n := v.node.(type) {
	case *ast.MappingNode:
		obj := map[string]json.RawMessage{}
		v.entries(func(name string, _, val value) { obj[name] = val.json() })
		plain = obj
	case *ast.SequenceNode:
		list := []json.RawMessage{}
		v.list(func(_ int, item value) { list = append(list, item.json()) })
		plain = list
	case *ast.NullNode:
		return json.RawMessage("null")
	case *ast.BoolNode:
		plain = n.Value
	case *ast.IntegerNode:
		plain = n.Value
	case *ast.FloatNode:
		plain = n.Value
	default:
		s, _, ok := v.scalar()
		if !ok {
			v.fail("%s; want a plain value", v.found())
			return nil
		}
		plain = s
	}
	b, err := json.Marshal(plain)
	if err != nil {
		v.fail("cannot be given to a plugin as JSON: %v", err)
		return nil
	}
	return b
}

// address returns "host:port"; the host may be empty, an IP address or a name.
func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not an address; want \"host:port\" like \":8787\" or \"127.0.0.1:8787\"", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q: port %q is not a number from 0 to 65535", s, port)
	}
	return nil
}

// maxDomain leaves room for a preview label and its dot in a name of 253
// characters (RFC 1035, section 2.3.4).
const maxDomain = 253 - 64

// checkDomain returns an error unless s can stand behind a preview label.
func checkDomain(s string) error {
	if host, port, err := net.SplitHostPort(s); err == nil && port != "" {
		return fmt.Errorf("%q has a port; want the name alone, %q: the port of URLs is that of listen", s, host)
	}
	if net.ParseIP(strings.Trim(s, "[]")) != nil {
		return fmt.Errorf("%q is an address; previews need a name (localhost and its subdomains work without DNS)", s)
	}
	if len(s) > maxDomain {
		return fmt.Errorf("the name is longer than %d characters, which leaves no room for previews", maxDomain)
	}
	for label := range strings.SplitSeq(s, ".") {
		if !domainLabel.MatchString(label) {
			return fmt.Errorf("%q is not a domain name; labels are a-z, 0-9 and inner \"-\", 1 to 63 characters", s)
		}
	}
	return nil
}

var domainLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
