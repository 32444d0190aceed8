package initd

import (
	"encoding/base64"
	"unicode/utf8"
)

// textEncoder appends a stream of bytes to JSON strings, as they are text: a
// character whose bytes come in parts is held back until it is whole, and bytes
// that are not UTF-8 become U+FFFD each.
type textEncoder struct {
	part [utf8.UTFMax]byte
	held int // bytes of part
}

// append appends as much of p to b as keeps b within limit, and returns what is
// left of p. When nothing is left, the last bytes may be held back.
func (e *textEncoder) append(b, p []byte, limit int) (out, rest []byte) {
	for e.held > 0 {
		for !utf8.FullRune(e.part[:e.held]) {
			if len(p) == 0 {
				return b, nil
			}
			e.part[e.held] = p[0]
			e.held++
			p = p[1:]
		}
		if len(b)+maxEscape > limit {
			return b, p
		}
		b = e.take(b)
	}
	for len(p) > 0 && len(b)+maxEscape <= limit {
		if n := plainRun(p, limit-len(b)); n > 0 {
			b, p = append(b, p[:n]...), p[n:]
			continue
		}
		if p[0] < utf8.RuneSelf {
			b, p = appendText(b, rune(p[0]), ""), p[1:]
			continue
		}
		if !utf8.FullRune(p) {
			e.held = copy(e.part[:], p)
			return b, nil
		}
		r, n := utf8.DecodeRune(p)
		b, p = appendText(b, r, string(p[:n])), p[n:]
	}
	return b, p
}

// take appends the first character that is held back.
func (e *textEncoder) take(b []byte) []byte {
	r, n := utf8.DecodeRune(e.part[:e.held])
	b = appendText(b, r, string(e.part[:n]))
	e.held = copy(e.part[:], e.part[n:e.held])
	return b
}

// flush appends what is held back: nothing will complete it.
func (e *textEncoder) flush(b []byte) []byte {
	for e.held > 0 {
		b = e.take(b)
	}
	return b
}

// plainRun is how many of the first bytes of p, at most limit, stand for
// themselves in a JSON string.
func plainRun(p []byte, limit int) int {
	p = p[:min(len(p), limit)]
	for i, c := range p {
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return i
		}
	}
	return len(p)
}

// appendBase64 is textEncoder.append for bytes as they are: every string is
// complete by itself.
func appendBase64(b, p []byte, limit int) (out, rest []byte) {
	n := min(len(p), max(0, limit-len(b))/4*3)
	return base64.StdEncoding.AppendEncode(b, p[:n]), p[n:]
}
