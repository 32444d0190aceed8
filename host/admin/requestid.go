package admin

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync/atomic"
)

// requestIDs makes names for requests: random per server, then counted.
type requestIDs struct {
	prefix string
	n      atomic.Uint64
}

func (r *requestIDs) init() {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	r.prefix = hex.EncodeToString(b[:]) + "-"
}

func (r *requestIDs) next() string { return r.prefix + strconv.FormatUint(r.n.Add(1), 36) }
