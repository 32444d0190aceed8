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
func (x *exchange) logAccess(sum bridge.Summary) {
	if x.s.AccessLog == nil {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("request", x.id), slog.String("remote", x.remote), slog.String("method", x.method),
		slog.String("host", x.host), slog.String("path", x.path), slog.Int("status", sum.Status),
		slog.Int64("in", sum.BytesIn), slog.Int64("out", sum.BytesOut), slog.Duration("duration", sum.Duration))
	if x.plugin != "" {
		attrs = append(attrs, slog.String("plugin", x.plugin))
	}
	if x.target.ref.ID != "" {
		attrs = append(attrs, slog.String("binding", x.target.ref.Binding), slog.String("sandbox", x.target.ref.ID),
			slog.Int("port", x.target.port), slog.Bool("preview", x.target.exposure))
	}
	if x.failure != "" {
		attrs = append(attrs, slog.String("code", x.failure))
	}
	if breach := or(x.breach, string(sum.Breach)); breach != "" {
		attrs = append(attrs, slog.String("breach", breach))
	}
	if x.webSocket && sum.Close != "" {
		attrs = append(attrs, slog.String("close", sum.Close), slog.Int64("messages", sum.MessagesIn+sum.MessagesOut))
	}
	if sum.Err != nil {
		attrs = append(attrs, slog.Any("error", sum.Err))
	}
	x.s.AccessLog.LogAttrs(x.s.base, slog.LevelInfo, "request", attrs...)
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
