package plugins

import (
	"math"

	"github.com/tetratelabs/wazero/api"

	"edge/abi"
)

// metricRow makes one function of edge1 that takes a name, labels and a number.
func metricRow(name string, call func(in *instance, a []uint64) uint64) hostFunction {
	return hostFunction{name, append(i32s(4), api.ValueTypeF64), []api.ValueType{api.ValueTypeI64}, call}
}

// count: (name, name_len, labels, labels_len, value f64). See SPEC.md, section 3.
func count(in *instance, a []uint64) uint64 {
	return in.measure(a, 0, Metrics.Count)
}

// observe: as count.
func observe(in *instance, a []uint64) uint64 {
	return in.measure(a, math.Inf(-1), Metrics.Observe)
}

// measure hands a number that is finite and not below least to the metrics.
func (in *instance) measure(a []uint64, least float64, add func(m Metrics, plugin, name string, labels []string, v float64) error) uint64 {
	name, block, v := in.text(a[0], a[1]), in.bytes(a[2], a[3]), api.DecodeF64(a[4])
	if math.IsNaN(v) || math.IsInf(v, 0) || v < least {
		return answer(abi.Invalid)
	}
	metrics := in.services().Metrics
	if metrics == nil {
		return answer(abi.Unsupported)
	}
	labels, err := abi.ParseValues(block)
	if err == nil {
		err = abi.CheckMetric(name, labels)
	}
	if err != nil {
		return answer(abi.Invalid)
	}
	if err := add(metrics, in.gen.spec.Name, name, labels, v); err != nil {
		return answer(in.gen.sayable(err).Code.Errno())
	}
	return answer(abi.OK)
}
