package host

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// line is a log line that grows at the end of b, byte for byte as slog's
// TextHandler or, with json, JSONHandler would write it without options. Keys need
// no quoting.
type line struct {
	b    []byte
	json bool
}

// begin writes what each line begins with.
func (l *line) begin(now time.Time, level, message string) {
	if l.json {
		l.b = append(l.b, `{"time":"`...)
		l.b = append(now.AppendFormat(l.b, time.RFC3339Nano), '"')
	} else {
		l.b = append(l.b, "time="...)
		l.b = appendMillis(l.b, now)
	}
	l.str("level", level)
	l.str("msg", message)
}

// appendMillis appends a time of RFC 3339 with three digits of the second. That is
// made of the form with nine, because package time is four times as quick with it.
func appendMillis(b []byte, t time.Time) []byte {
	// Trailing zeros are left out of that form; with half a millisecond there are
	// none among the digits that are kept, and there is exactly one more.
	n := len(b) + len("2006-01-02T15:04:05.000")
	t = t.Truncate(time.Millisecond).Add(500 * time.Microsecond)
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b[:n], b[n+1:]...)
}

// end closes the line.
func (l *line) end() {
	if l.json {
		l.b = append(l.b, '}')
	}
	l.b = append(l.b, '\n')
}

// key begins a pair; there is always one before it.
func (l *line) key(name string) {
	if !l.json {
		l.b = append(append(append(l.b, ' '), name...), '=')
		return
	}
	l.b = append(append(append(l.b, ',', '"'), name...), '"', ':')
}

func (l *line) str(key, value string) {
	l.key(key)
	switch {
	case l.json:
		l.b = append(l.b, '"')
		l.b = append(appendEscaped(l.b, value), '"')
	case needsQuotes(value):
		l.b = strconv.AppendQuote(l.b, value)
	default:
		l.b = append(l.b, value...)
	}
}

func (l *line) int(key string, value int64) {
	l.key(key)
	l.b = strconv.AppendInt(l.b, value, 10)
}

func (l *line) bool(key string, value bool) {
	l.key(key)
	l.b = strconv.AppendBool(l.b, value)
}

// duration writes nanoseconds in JSON, and "1.5ms" in text.
func (l *line) duration(key string, value time.Duration) {
	if l.json {
		l.int(key, int64(value))
		return
	}
	l.key(key)
	l.b = append(l.b, value.String()...)
}

// plain tells whether a byte means itself in a JSON string (RFC 8259, section 7).
// The bytes of other characters than ASCII are not plain here.
func plain(c byte) bool { return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' }

// needsQuotes tells whether a value could not be told from its surroundings.
func needsQuotes(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == ' ' || c == '=' || c != '\\' && !plain(c) {
			return c < utf8.RuneSelf || foreign(s[i:])
		}
	}
	return s == ""
}

// foreign is needsQuotes of what may hold any characters.
func foreign(s string) bool {
	for _, r := range s {
		switch {
		case r >= utf8.RuneSelf:
			if r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
				return true
			}
		case r == ' ' || r == '=' || r != '\\' && !plain(byte(r)):
			return true
		}
	}
	return false
}

// appendEscaped appends s as it stands between the quotes of a JSON string. What is
// not UTF-8 becomes U+FFFD; the line separators of JavaScript are escaped too.
func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	done := 0
	for i := 0; i < len(s); {
		if plain(s[i]) {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		short := byte(0)
		switch {
		case r == '"' || r == '\\':
			short = byte(r)
		case r == '\n':
			short = 'n'
		case r == '\r':
			short = 'r'
		case r == '\t':
			short = 't'
		case r < ' ', r == utf8.RuneError && size == 1, r == '\u2028', r == '\u2029':
		default:
			i += size
			continue
		}
		b = append(b, s[done:i]...)
		if short != 0 {
			b = append(b, '\\', short)
		} else {
			b = append(b, '\\', 'u', digits[r>>12], digits[r>>8&0xf], digits[r>>4&0xf], digits[r&0xf])
		}
		i += size
		done = i
	}
	return append(b, s[done:]...)
}
