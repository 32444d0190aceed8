package main

import (
	"fmt"
	"log/slog"

	"edge/plugins/replay"
)

// RecordFlags are what serve records.
type RecordFlags struct {
	Record        string `placeholder:"FILE" help:"Write each request that a plugin decides, and how it did, to FILE, for edge plugin replay. What is confidential is replaced by placeholders."`
	RecordMax     string `default:"256MiB" placeholder:"SIZE" help:"Where the recording stops; default 256MiB."`
	RecordSecrets bool   `help:"Record what is confidential as it is."`
}

// open opens the recording; nil if there is none.
func (f RecordFlags) open(log *slog.Logger) (*replay.Recorder, error) {
	if f.Record == "" {
		return nil, nil
	}
	size, ok := parseSize(f.RecordMax)
	if !ok || size <= 0 {
		return nil, usageError{fmt.Errorf("--record-max %q is no size; want a number with a unit, like 256MiB", f.RecordMax)}
	}
	r, err := replay.Create(f.Record, replay.Options{MaxBytes: size, KeepSecrets: f.RecordSecrets, Log: log})
	if err != nil {
		return nil, fmt.Errorf("--record: %w", err)
	}
	log.Info("recording", "file", f.Record, "secrets", f.RecordSecrets)
	return r, nil
}
