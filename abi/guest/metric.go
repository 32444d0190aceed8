package guest

import (
	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Count adds value, finite and not negative, to a counter of the plugin, which
// the edge's /metrics shows as plugin_<name>_total. name is [a-z][a-z0-9_]* of at
// most 48 bytes; labels are at most four pairs of key and value. An error is
// INVALID_REQUEST for what breaks those rules, QUOTA_EXCEEDED for more than 500
// series (names with their labels) of the plugin; a metric is seldom worth more
// than to ignore it.
func Count(name string, value float64, labels ...string) error {
	return measured(name, edge1.Count(name, labelList(labels), value))
}

// Observe adds one observation to a histogram of the plugin, which /metrics shows
// as plugin_<name>_bucket; the rest is as for Count. Durations are in seconds.
func Observe(name string, value float64, labels ...string) error {
	return measured(name, edge1.Observe(name, labelList(labels), value))
}

func labelList(labels []string) []byte {
	if len(labels) == 0 {
		return nil
	}
	return abi.AppendValues(nil, labels)
}

func measured(name string, result uint64) error {
	if errno, _ := abi.SplitResult(result); errno != abi.OK {
		return meaning("metric "+name, errno)
	}
	return nil
}
