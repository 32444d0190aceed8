package initd

import (
	"bytes"
	"sync"
)

// matcher looks for a pattern in the lines of one stream. It is a ring's
// lineSink. The last line counts when its newline comes, when it grows beyond
// maxLine, or when nothing followed it for a while (flush): a prompt has no
// newline.
type matcher struct {
	find  pattern
	found chan<- lineMatch // has room for one; a later one is dropped

	mu    sync.Mutex // guards all below; feed is called under a ring's lock, flush is not
	line  []byte
	quiet bool // line was there at the last flush
}

// lineMatch is a line that matched, colours stripped.
type lineMatch struct {
	line  string
	match []string
}

func (m *matcher) feed(p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quiet = m.quiet && len(p) == 0
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			n = len(p)
		}
		n = min(n, maxLine-len(m.line))
		m.line = append(m.line, p[:n]...)
		p = p[n:]
		switch {
		case len(p) > 0 && p[0] == '\n':
			p = p[1:]
		case len(m.line) < maxLine:
			return
		}
		m.try()
		m.line = m.line[:0]
	}
}

// flush tries the unfinished line: at once if now, else if it has not grown
// since the last flush.
func (m *matcher) flush(now bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.line) > 0 && (now || m.quiet) {
		m.try()
	}
	m.quiet = true
}

func (m *matcher) try() {
	line := string(stripANSI(bytes.TrimSuffix(m.line, []byte{'\r'})))
	if match := m.find(line); match != nil {
		select {
		case m.found <- lineMatch{line, match}:
		default:
		}
	}
}
