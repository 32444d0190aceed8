package initd

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"edge/abi"
)

// glob is a pattern for paths below a folder, as searchFiles describes it. It is
// matched by RE2, so that no pattern takes more than linear time.
type glob struct {
	re    *regexp.Regexp
	whole bool // matched with the whole path, not with the name alone
}

// compileGlob checks and translates a glob.
func compileGlob(text string) (*glob, error) {
	if len(text) > maxPattern {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the glob is %d bytes long, at most %d are allowed", len(text), maxPattern)
	}
	if strings.IndexByte(text, 0) >= 0 {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the glob %.60q holds a NUL byte", text)
	}
	pattern := strings.TrimPrefix(text, "./")
	whole := strings.Contains(strings.TrimSuffix(pattern, "/"), "/")
	pattern = strings.Trim(pattern, "/")
	if pattern == "" {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the glob %.60q is empty", text)
	}
	t := translation{in: pattern}
	if problem := t.run(); problem != "" {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the glob %.60q %s", text, problem).
			WithSuggestion("put \"\\\\\" in front of a character that is meant as it stands")
	}
	re, err := regexp.Compile(`(?s)\A(?:` + t.out.String() + `)\z`)
	if err != nil { // too deep, or too large
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the glob %.60q is too complicated", text)
	}
	return &glob{re, whole}, nil
}

func compileGlobs(texts []string) ([]*glob, error) {
	var globs []*glob
	for _, text := range texts {
		g, err := compileGlob(text)
		if err != nil {
			return nil, err
		}
		globs = append(globs, g)
	}
	return globs, nil
}

// match tells whether the glob matches a path, which is relative to the folder.
func (g *glob) match(path string) bool {
	if !g.whole {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	return g.re.MatchString(path)
}

func matchAny(globs []*glob, path string) bool {
	return slices.ContainsFunc(globs, func(g *glob) bool { return g.match(path) })
}

// translation makes a regular expression of a glob.
type translation struct {
	in    string
	at    int
	depth int // of open braces
	out   strings.Builder
}

// run translates all of it and returns what is wrong with it, or "".
func (t *translation) run() (problem string) {
	for t.at < len(t.in) && problem == "" {
		r, n := utf8.DecodeRuneInString(t.in[t.at:])
		switch {
		case r == '\\':
			problem = t.escape()
			continue
		case r == '*':
			t.stars()
			continue
		case r == '[':
			problem = t.class()
			continue
		case r == '?':
			t.out.WriteString(`[^/]`)
		case r == '{':
			t.depth++
			t.out.WriteString(`(?:`)
		case r == ',' && t.depth > 0:
			t.out.WriteByte('|')
		case r == '}' && t.depth > 0:
			t.depth--
			t.out.WriteByte(')')
		default:
			t.literal(r)
		}
		t.at += n
	}
	if problem == "" && t.depth > 0 {
		problem = `has a "{" without its "}"`
	}
	return problem
}

func (t *translation) literal(r rune) { t.out.WriteString(regexp.QuoteMeta(string(r))) }

func (t *translation) escape() (problem string) {
	if t.at+1 == len(t.in) {
		return `ends in "\"`
	}
	r, n := utf8.DecodeRuneInString(t.in[t.at+1:])
	t.literal(r)
	t.at += 1 + n
	return ""
}

// stars translates one star or several. "**/" as a whole component is also none.
func (t *translation) stars() {
	begin := t.at
	for t.at < len(t.in) && t.in[t.at] == '*' {
		t.at++
	}
	rest := t.in[t.at:]
	switch first := begin == 0 || strings.IndexByte("/{,", t.in[begin-1]) >= 0; {
	case t.at-begin == 1:
		t.out.WriteString(`[^/]*`)
	case first && strings.HasPrefix(rest, "/"):
		t.out.WriteString(`(?:[^/]+/)*`)
		t.at++
	case first && (rest == "" || rest[0] == ',' || rest[0] == '}'):
		t.out.WriteString(`.+`)
	default:
		t.out.WriteString(`.*`)
	}
}

// span is a range of runes in a class, both ends included.
type span struct{ from, to rune }

// class translates "[a-z]", "[!a-z]" or "[^a-z]"; a "]" that comes first is one
// of the class. No class matches a slash.
func (t *translation) class() (problem string) {
	t.at++
	negated := t.at < len(t.in) && (t.in[t.at] == '!' || t.in[t.at] == '^')
	if negated {
		t.at++
	}
	var spans []span
	for first := true; ; first = false {
		if t.at >= len(t.in) {
			return `has a "[" without its "]"`
		}
		if t.in[t.at] == ']' && !first {
			t.at++
			t.writeClass(spans, negated)
			return ""
		}
		s := span{from: t.classRune()}
		s.to = s.from
		if rest := t.in[t.at:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			t.at++
			s.to = t.classRune()
		}
		if s.to < s.from {
			return `has a range whose end comes before its beginning`
		}
		spans = append(spans, s)
	}
}

// classRune reads one character of a class.
func (t *translation) classRune() rune {
	if t.in[t.at] == '\\' && t.at+1 < len(t.in) {
		t.at++
	}
	r, n := utf8.DecodeRuneInString(t.in[t.at:])
	t.at += n
	return r
}

// writeClass writes the class with the slash left out, which may leave nothing.
func (t *translation) writeClass(spans []span, negated bool) {
	if negated {
		t.out.WriteString(`[^/`)
	} else {
		spans = withoutSlash(spans)
		if len(spans) == 0 {
			t.out.WriteString(`[^\x00-\x{10FFFF}]`)
			return
		}
		t.out.WriteByte('[')
	}
	for _, s := range spans {
		fmt.Fprintf(&t.out, `\x{%x}-\x{%x}`, s.from, s.to)
	}
	t.out.WriteByte(']')
}

func withoutSlash(spans []span) []span {
	var out []span
	for _, s := range spans {
		if s.from > '/' || s.to < '/' {
			out = append(out, s)
			continue
		}
		if s.from < '/' {
			out = append(out, span{s.from, '/' - 1})
		}
		if s.to > '/' {
			out = append(out, span{'/' + 1, s.to})
		}
	}
	return out
}
