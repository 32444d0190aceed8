package initd

import "bytes"

const escape = 0x1b

// stripANSI returns p without terminal control sequences (ECMA-48): colours and
// other CSI sequences, titles and other strings, and two-byte escapes. A
// sequence that is cut off at the end is removed as well. p is not changed.
func stripANSI(p []byte) []byte {
	at := bytes.IndexByte(p, escape)
	if at < 0 {
		return p
	}
	out := make([]byte, 0, len(p))
	for at >= 0 {
		out = append(out, p[:at]...)
		p = p[at+sequence(p[at:]):]
		at = bytes.IndexByte(p, escape)
	}
	return append(out, p...)
}

// sequence returns the length of the control sequence that p begins with.
func sequence(p []byte) int {
	if len(p) < 2 {
		return len(p)
	}
	switch p[1] {
	case '[': // CSI: parameters and intermediates, then a final byte 0x40-0x7e
		for i := 2; i < len(p); i++ {
			if p[i] >= 0x40 && p[i] <= 0x7e {
				return i + 1
			}
			if p[i] < 0x20 || p[i] > 0x7e {
				return i // not a sequence after all
			}
		}
		return len(p)
	case ']', 'P', 'X', '^', '_': // a string, ended by BEL or ESC \
		for i := 2; i < len(p); i++ {
			if p[i] == 0x07 {
				return i + 1
			}
			if p[i] == escape {
				return min(i+2, len(p))
			}
		}
		return len(p)
	}
	for i := 1; i < len(p); i++ { // intermediates 0x20-0x2f, then a final byte
		if p[i] < 0x20 || p[i] > 0x2f {
			return i + 1
		}
	}
	return len(p)
}
