package plugins

import "edge/abi"

// timerStart: (req, ms). See SPEC.md, section 7.
func timerStart(*instance, []uint64) uint64 { return answer(abi.Unsupported) }

// timerStop: (req, call).
func timerStop(*instance, []uint64) uint64 { return answer(abi.Unsupported) }
