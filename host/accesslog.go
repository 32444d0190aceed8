package host

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"strconv"
	"sync/atomic"

	"edge/bridge"
)

// logAccess writes the one line of an exchange. It holds no query, no header and
// no preview token.
func (r *record) logAccess(sum bridge.Summary) {
	if r.s.AccessLog == nil {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("request", r.id), slog.String("remote", r.remote), slog.String("method", r.method),
		slog.String("host", r.host), slog.String("path", r.path), slog.Int("status", sum.Status),
		slog.Int64("in", sum.BytesIn), slog.Int64("out", sum.BytesOut), slog.Duration("duration", sum.Duration))
	if r.plugin != "" {
		attrs = append(attrs, slog.String("plugin", r.plugin))
	}
	if r.place.id != "" {
		attrs = append(attrs, slog.String("binding", r.place.binding), slog.String("sandbox", r.place.id),
			slog.Int("port", r.place.port), slog.Bool("preview", r.place.exposure))
	}
	if r.failure != "" {
		attrs = append(attrs, slog.String("code", r.failure))
	}
	if breach := or(r.breach, string(sum.Breach)); breach != "" {
		attrs = append(attrs, slog.String("breach", breach))
	}
	if r.webSocket && sum.Close != "" {
		attrs = append(attrs, slog.String("close", sum.Close), slog.Int64("messages", sum.MessagesIn+sum.MessagesOut))
	}
	if sum.Err != nil {
		attrs = append(attrs, slog.Any("error", sum.Err))
	}
	r.s.AccessLog.LogAttrs(r.s.base, slog.LevelInfo, "request", attrs...)
}

// requestIDs makes names for requests: random per process, then counted.
type requestIDs struct {
	prefix string
	n      atomic.Uint64
}

func (r *requestIDs) init() {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	r.prefix = hex.EncodeToString(b[:]) + "-"
}

func (r *requestIDs) next() string {
	return r.prefix + strconv.FormatUint(r.n.Add(1), 36)
}
