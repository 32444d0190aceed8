package guest

import (
	"encoding/json"
	"fmt"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Level is how much a log line matters; the numbers are log/slog's.
type Level int32

// The levels of a log line.
const (
	LevelDebug Level = -4
	LevelInfo  Level = 0
	LevelWarn  Level = 4
	LevelError Level = 8
)

// Log writes one line to the edge's log, with the plugin's name and the request
// it is at work on. Fields are key, value, key, value. A line is cut at 8 KiB.
func Log(level Level, msg string, fields ...any) {
	var list []byte
	if len(fields) > 0 {
		texts := make([]string, 0, len(fields)+1)
		for _, f := range fields {
			texts = append(texts, fmt.Sprint(f))
		}
		if len(texts)%2 != 0 {
			texts = append(texts, "")
		}
		list = abi.AppendValues(nil, texts)
	}
	// A line that cannot be written is lost: there is nowhere to say so.
	edge1.Log(instance.current.id(), int32(level), msg, list)
}

// Config reads one value of the plugin's "config:" into v, a pointer as for
// json.Unmarshal. Without such a key it reports false and leaves v as it is, so
// v can hold the default. A value that does not fit v is INVALID_REQUEST.
func Config(key string, v any) (found bool, err error) {
	b, errno := read(func(buf []byte) uint64 { return edge1.ConfigGet(key, buf) })
	switch errno {
	case abi.OK:
	case abi.NotFound:
		return false, nil
	default:
		return false, meaning("config "+key, errno)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return true, abi.Errorf(abi.CodeInvalidRequest, "config %s: %v", key, err)
	}
	return true, nil
}

// Feature tells whether this edge has the named function of the ABI.
func Feature(name string) bool {
	errno, n := abi.SplitResult(edge1.Feature(name))
	return errno == abi.OK && n == 1
}
