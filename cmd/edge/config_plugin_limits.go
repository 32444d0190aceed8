package main

import (
	"math"
	"time"

	"github.com/goccy/go-yaml/ast"

	"edge/host"
	"edge/plugins"
)

// Bounds of what a plugin may take.
const (
	minResults   = 64 << 10
	maxResults   = 256 << 20
	maxInstances = 4096
	maxGrowth    = maxPluginMemory
)

// Instances is how many instances a plugin has and how long they live.
type Instances struct {
	// Min are kept ready, Max may be made, and of those MaxParked wait in a host
	// call at a time; 0 is as many as Max, and a Max of 0 what suits the module.
	Min, Max, MaxParked int
	// Open is how many requests an instance of an asynchronous module holds at once;
	// 0 is what suits the module.
	Open int
	// MaxAge and MaxGrowth are after how long, and after how many bytes more of
	// memory, one is replaced; 0 is never.
	MaxAge    time.Duration
	MaxGrowth int64
}

func (i *Instances) read(v value) {
	var least, parked value
	v.object(map[string]func(value){
		"min":       func(v value) { least = v; set(&i.Min)(v.count(maxInstances)) },
		"max":       func(v value) { n, ok := v.integer(1, maxInstances); set(&i.Max)(int(n), ok) },
		"maxParked": func(v value) { parked = v; n, ok := v.integer(1, maxInstances); set(&i.MaxParked)(int(n), ok) },
		"open":      func(v value) { n, ok := v.integer(1, plugins.MaxMaxOpen); set(&i.Open)(int(n), ok) },
		"maxAge":    func(v value) { set(&i.MaxAge)(v.durationOrNever(maxSpan)) },
		"maxGrowth": func(v value) { set(&i.MaxGrowth)(v.sizeOrNever(1, maxGrowth)) },
	})
	if i.Max > 0 && i.Min > i.Max {
		least.fail("%d are more than the %d that max allows", i.Min, i.Max)
	}
	if i.Max > 0 && i.MaxParked > i.Max {
		parked.fail("%d are more than the %d that max allows", i.MaxParked, i.Max)
	}
}

func (v value) isolation() (plugins.Isolation, bool) {
	s, ok := v.oneOf([]string{string(plugins.IsolationPooled), string(plugins.IsolationReset), string(plugins.IsolationFresh)}, nil)
	return plugins.Isolation(s), ok
}

// none is what a bound says that there is not.
const none = "none"

// fuel returns a number of units of the meter, or 0 for the word none.
func (v value) fuel() (uint64, bool) {
	if s, _, ok := v.scalar(); ok && s == none {
		return 0, true
	}
	n, ok := v.integer(minFuel, math.MaxInt64)
	return uint64(n), ok
}

// minFuel is what the smallest answer takes, and how finely a budget is looked at.
const minFuel = 10_000

// The words of onFailure.
const (
	failClosed = "closed"
	failOpen   = "open"
)

// onFailure returns closed, open, or closed with a status of its own.
func (v value) onFailure() (host.OnFailure, bool) {
	const want = "closed, open or {status: 503}"
	if _, mapping := v.node.(*ast.MappingNode); mapping {
		var f host.OnFailure
		given, good := false, false
		v.object(map[string]func(value){"status": func(v value) {
			given = true
			var n int64
			n, good = v.integer(400, 599)
			f.Status = int(n)
		}})
		if !given {
			v.fail("has no status; want %s", want)
		}
		return f, good
	}
	switch s, _, ok := v.scalar(); {
	case ok && s == failClosed:
		return host.OnFailure{}, true
	case ok && s == failOpen:
		return host.OnFailure{Open: true}, true
	}
	v.fail("%s; want %s", v.found(), want)
	return host.OnFailure{}, false
}

// sizeOrNever is size, with 0 for the word never.
func (v value) sizeOrNever(min, max int64) (int64, bool) {
	if s, _, ok := v.scalar(); ok && s == never {
		return 0, true
	}
	return v.size(min, max)
}

// durationOrOff is duration, with a negative span for the word off.
func (v value) durationOrOff(max time.Duration) (time.Duration, bool) {
	if s, _, ok := v.scalar(); ok && (s == off || s == "false") { // off is a boolean of YAML 1.1
		return -1, true
	}
	return v.duration(max)
}
