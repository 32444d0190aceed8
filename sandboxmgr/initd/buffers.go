package initd

import "sync"

// pumpBuffers are taken while there is something to move: an idle pipe or
// tunnel holds none.
var pumpBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}
