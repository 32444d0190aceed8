package initlink

import "unicode/utf8"

// maxDepth bounds how deep a text's values may lie in each other; encoding/json
// takes ten thousand.
const maxDepth = 1000

// isObject tells whether a text is what it must be: one JSON object (RFC 8259)
// in UTF-8 on one line. It is json.Valid for that, several times as fast on the
// long strings that a process's output makes.
func isObject(b []byte) bool {
	if len(b) == 0 || b[0] != '{' || !utf8.Valid(b) {
		return false
	}
	s := objectScanner{b: b}
	return s.value(0) && s.at == len(b)
}

// objectScanner goes through a JSON text. Its methods tell whether what they are
// named for is there, and go past it.
type objectScanner struct {
	b  []byte
	at int
}

// peek returns the next byte that is no space, or 0. No other white space has a
// place in one line.
func (s *objectScanner) peek() byte {
	for s.at < len(s.b) && s.b[s.at] == ' ' {
		s.at++
	}
	if s.at == len(s.b) {
		return 0
	}
	return s.b[s.at]
}

func (s *objectScanner) value(depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch c := s.peek(); {
	case c == '{':
		return s.list('}', func() bool { return s.member(depth + 1) })
	case c == '[':
		return s.list(']', func() bool { return s.value(depth + 1) })
	case c == '"':
		return s.text()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.number()
}

// list goes past an object or an array whose elements element goes past.
func (s *objectScanner) list(end byte, element func() bool) bool {
	s.at++
	if s.peek() == end {
		s.at++
		return true
	}
	for element() {
		switch s.peek() {
		case ',':
			s.at++
		case end:
			s.at++
			return true
		default:
			return false
		}
	}
	return false
}

func (s *objectScanner) member(depth int) bool {
	if s.peek() != '"' || !s.text() || s.peek() != ':' {
		return false
	}
	s.at++
	return s.value(depth)
}

// text goes past a string, whose first quote is next.
func (s *objectScanner) text() bool {
	for s.at++; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c == '"':
			s.at++
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		case c < ' ':
			return false
		}
	}
	return false
}

// escape goes to the last byte of an escape, whose backslash is next.
func (s *objectScanner) escape() bool {
	s.at++
	if s.at == len(s.b) {
		return false
	}
	switch s.b[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
	default:
		return false
	}
	for range 4 {
		s.at++
		if s.at == len(s.b) || !isHex(s.b[s.at]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *objectScanner) word(w string) bool {
	if len(s.b)-s.at < len(w) || string(s.b[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

// number goes past a number: -1.5e+3.
func (s *objectScanner) number() bool {
	s.skip('-', '-')
	if !s.skip('0', '0') && !s.digits() {
		return false
	}
	if s.skip('.', '.') && !s.digits() {
		return false
	}
	if s.skip('e', 'E') {
		s.skip('+', '-')
		return s.digits()
	}
	return true
}

// skip goes past one byte if it is either of two.
func (s *objectScanner) skip(one, other byte) bool {
	if s.at == len(s.b) || s.b[s.at] != one && s.b[s.at] != other {
		return false
	}
	s.at++
	return true
}

// digits goes past one digit or more.
func (s *objectScanner) digits() bool {
	from := s.at
	for s.at < len(s.b) && isDigit(s.b[s.at]) {
		s.at++
	}
	return s.at > from
}
