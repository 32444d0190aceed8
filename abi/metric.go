package abi

import "unicode/utf8"

// Bounds of a plugin's metrics.
const (
	MaxMetricName   = 48  // bytes of a name
	MaxMetricLabels = 4   // pairs
	MaxMetricValue  = 128 // bytes of a label's value
	MaxMetricSeries = 500 // name and labels, a plugin
)

// CheckMetric returns INVALID_REQUEST for a metric's name or labels (key, value,
// key, value) that cannot be shown. The labels "plugin" and "le" are the edge's.
func CheckMetric(name string, labels []string) error {
	if !validMetricName(name) {
		return Errorf(CodeInvalidRequest, "metric %.60q: a name is [a-z][a-z0-9_]* of at most %d bytes", name, MaxMetricName)
	}
	if len(labels)%2 != 0 || len(labels) > 2*MaxMetricLabels {
		return Errorf(CodeInvalidRequest, "metric %s: labels are at most %d pairs of key and value", name, MaxMetricLabels)
	}
	for i := 0; i < len(labels); i += 2 {
		key, value := labels[i], labels[i+1]
		switch {
		case !validMetricName(key) || key == "plugin" || key == "le":
			return Errorf(CodeInvalidRequest, "metric %s: %.60q cannot be a label", name, key)
		case len(value) > MaxMetricValue || !utf8.ValidString(value):
			return Errorf(CodeInvalidRequest, "metric %s: the value of label %s is not UTF-8 of at most %d bytes", name, key, MaxMetricValue)
		}
		for j := 0; j < i; j += 2 {
			if labels[j] == key {
				return Errorf(CodeInvalidRequest, "metric %s: label %s is given twice", name, key)
			}
		}
	}
	return nil
}

func validMetricName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if letter := c >= 'a' && c <= 'z'; !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= MaxMetricName
}
