package initd

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"edge/abi"
)

// pattern finds what waitForLog waits for in a line; it returns the matched
// text and the groups, or nil.
type pattern func(line string) []string

// compilePattern checks and compiles the request's pattern.
func compilePattern(text string, isRegexp bool) (pattern, error) {
	switch {
	case text == "":
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the pattern is empty")
	case len(text) > maxPattern:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the pattern is %d bytes long, at most %d are allowed", len(text), maxPattern)
	case !isRegexp:
		return func(line string) []string {
			if strings.Contains(line, text) {
				return []string{text}
			}
			return nil
		}, nil
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err == nil {
		if n := programSize(tree); n > maxProgram {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "the pattern is too costly: about %d steps where %d are allowed", n, maxProgram).
				WithSuggestion("repeat less, or use smaller classes")
		}
		var re *regexp.Regexp
		if re, err = regexp.Compile(text); err == nil {
			return re.FindStringSubmatch, nil
		}
	}
	if construct := foreignConstruct(text); construct != "" {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the pattern uses %s, which JavaScript has and RE2 has not", construct).
			WithSuggestion("regular expressions here are RE2 (https://github.com/google/re2/wiki/Syntax); rewrite the pattern without it")
	}
	return nil, abi.Errorf(abi.CodeInvalidRequest, "the pattern is not a regular expression: %v", err)
}

// programSize estimates the size of the program that an expression becomes, which
// bounds the memory it takes and the time for each byte of a line. The parser
// bounds both much too generously for an init: by 128 MiB.
func programSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)/runesPerStep
	for _, sub := range re.Sub {
		size += programSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxEstimate)
}

const (
	// maxProgram is far above what people write, and keeps a line of maxLine
	// bytes well under a second.
	maxProgram   = 1 << 10
	runesPerStep = 8       // a class costs memory for its runes
	maxEstimate  = 1 << 20 // so that repeats of repeats stay numbers
)

// groups are the JavaScript forms that begin a group.
var groups = []struct{ prefix, name string }{
	{"(?<=", "the lookbehind (?<=...)"},
	{"(?<!", "the negative lookbehind (?<!...)"},
	{"(?=", "the lookahead (?=...)"},
	{"(?!", "the negative lookahead (?!...)"},
}

// foreignConstruct names the first thing in a regular expression that is
// JavaScript's alone, or returns "".
func foreignConstruct(s string) string {
	inClass := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			if name := foreignEscape(s[i:], inClass); name != "" {
				return name
			}
		case inClass:
			inClass = c != ']'
		case c == '[':
			if strings.HasPrefix(s[i:], "[^]") {
				return "the class [^]"
			}
			if strings.HasPrefix(s[i:], "[]") {
				return "the empty class []"
			}
			inClass = true
		case c == '(':
			for _, g := range groups {
				if strings.HasPrefix(s[i:], g.prefix) {
					return g.name
				}
			}
		}
	}
	return ""
}

// foreignEscape names the escape whose letter s begins with, if it is
// JavaScript's alone.
func foreignEscape(s string, inClass bool) string {
	switch c := s[0]; {
	case c >= '1' && c <= '9' && !inClass:
		return "the backreference \\" + s[:1]
	case c == 'k' && strings.HasPrefix(s, "k<"):
		return "the named backreference \\k<...>"
	case c == 'u':
		return "the escape \\u"
	case c == 'c':
		return "the control escape \\c"
	case (c == 'p' || c == 'P') && strings.Contains(s[:max(0, strings.IndexByte(s, '}'))], "="):
		return "the property escape \\" + s[:1] + "{...=...}"
	}
	return ""
}
