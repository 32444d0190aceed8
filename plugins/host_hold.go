package plugins

import "edge/abi"

// hold: (req). See SPEC.md, section 5.
func hold(*instance, []uint64) uint64 { return answer(abi.Unsupported) }

// letGo: (req).
func letGo(*instance, []uint64) uint64 { return answer(abi.Unsupported) }
