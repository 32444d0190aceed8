//go:build !wasip1

package guesttest

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"edge/abi"
)

// SecretGet implements edge1.Host.
func (b *border) SecretGet(name string, buf []byte) uint64 {
	v, found := b.host.Secrets[name]
	if !found {
		return abi.Result(abi.NotFound, 0)
	}
	return b.give(buf, []byte(v))
}

// now is the time that the test says.
func (h *Host) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}

// Clock implements edge1.Host. Both clocks are the test's.
func (b *border) Clock(id uint32, buf *[8]byte) uint64 {
	if id > 1 {
		return abi.Result(abi.Invalid, 0)
	}
	binary.LittleEndian.PutUint64(buf[:], uint64(b.host.now().UnixNano()))
	return ok(0)
}

// Random implements edge1.Host.
func (b *border) Random(buf []byte) uint64 {
	if len(buf) > 64<<10 {
		return abi.Result(abi.Invalid, 0)
	}
	_, _ = rand.Read(buf) // never fails
	return ok(0)
}

// Count implements edge1.Host.
func (b *border) Count(name string, labels []byte, value float64) uint64 {
	if value < 0 {
		return abi.Result(abi.Invalid, 0)
	}
	return b.measure(Metric{Name: name, Value: value}, labels)
}

// Observe implements edge1.Host.
func (b *border) Observe(name string, labels []byte, value float64) uint64 {
	return b.measure(Metric{Name: name, Value: value, Observed: true}, labels)
}

func (b *border) measure(m Metric, labels []byte) uint64 {
	var err error
	if m.Labels, err = abi.ParseValues(labels); err == nil {
		err = abi.CheckMetric(m.Name, m.Labels)
	}
	other := func(seen Metric) bool { return seen.Name == m.Name && seen.Observed != m.Observed }
	if err != nil || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || slices.ContainsFunc(b.result.Metrics, other) {
		return abi.Result(abi.Invalid, 0)
	}
	b.result.Metrics = append(b.result.Metrics, m)
	return ok(0)
}
