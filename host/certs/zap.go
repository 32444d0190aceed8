package certs

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quietly is a logger for certmagic: it says much, twice, and in its own words. All
// of it is of level debug here; what an operator has to know is told by client.
func quietly(log *slog.Logger) *zap.Logger { return zap.New(&zapCore{log: log}) }

// zapCore writes zap's entries to a slog.Logger.
type zapCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

var _ zapcore.Core = (*zapCore)(nil)

// Enabled meets zapcore.LevelEnabler.
func (c *zapCore) Enabled(zapcore.Level) bool {
	return c.log.Enabled(context.Background(), slog.LevelDebug)
}

// With returns a core that adds the fields to each entry.
func (c *zapCore) With(fields []zapcore.Field) zapcore.Core {
	return &zapCore{log: c.log, fields: append(append([]zapcore.Field(nil), c.fields...), fields...)}
}

// Check adds the core to those who write the entry.
func (c *zapCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write writes one entry.
func (c *zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, list := range [][]zapcore.Field{c.fields, fields} {
		for _, f := range list {
			f.AddTo(values)
		}
	}
	args := []any{"text", e.Message, "severity", e.Level.String()}
	for key, value := range values.Fields {
		args = append(args, key, value)
	}
	c.log.Debug("certmagic", args...)
	return nil
}

// Sync has nothing to do.
func (c *zapCore) Sync() error { return nil }
