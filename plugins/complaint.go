package plugins

import (
	"sync"

	"edge/abi"
)

// notGranted is what the log says of a use that was DENIED.
const notGranted = "a plugin asked for what it was not granted"

// maxComplaints bounds what is remembered, and so logged, of one generation.
const maxComplaints = 100

// complaints are the mistakes of a plugin that the log was told of. The plugin
// itself is told each time, as the error of its call, and may keep it from
// everybody.
type complaints struct {
	mu   sync.Mutex
	told map[string]struct{}
}

// first tells whether the text was not told before, and whether it is the last one
// that there is room for.
func (c *complaints) first(text string) (first, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.told[text]; known || len(c.told) >= maxComplaints {
		return false, false
	}
	if c.told == nil {
		c.told = map[string]struct{}{}
	}
	c.told[text] = struct{}{}
	return true, len(c.told) == maxComplaints
}

// complain warns of a plugin's mistake, once for each message and generation.
func (g *generation) complain(what string, e *abi.Error) {
	first, last := g.complaints.first(e.Message)
	if !first {
		return
	}
	g.log().Warn(what, "code", e.Code, "error", e.Message, "suggestion", e.Suggestion)
	if last {
		g.log().Warn("further mistakes of this generation are not logged")
	}
}
