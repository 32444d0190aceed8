package process

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"edge/abi"
	"edge/sandboxmgr"
)

// cpuPeriod is the period of the CPU quota, in microseconds.
const cpuPeriod = 100_000

// What bounds a machine, as abi.Limit has it.
const (
	byCgroup1 = "cgroup v1"
	byCgroup2 = "cgroup v2"
	byRlimit  = "rlimit"
	byNothing = "nothing"
)

// noBound is the value of a limit that nothing sets.
const noBound = "none"

// bound is one of a machine's limits and the control file that has it.
type bound struct {
	name  string // as in the configuration
	by    string
	dir   string // the group; empty: no control group has it
	file  string
	text  string // what sets it; empty: it is not wanted
	human func(string) string
}

// bounds are a machine's limits. swap follows memory because version 1 counts
// both together, and takes the sum only when it is not less than memory.
func (c cgroup) bounds(spec *sandboxmgr.MachineSpec) []bound {
	memory := bound{name: "memory", by: byCgroup2, dir: c.v2, file: "memory.max", human: humanBytes}
	swap := bound{name: "swap", by: byCgroup2, dir: c.v2, file: "memory.swap.max", human: humanBytes}
	if c.mem1 != "" {
		memory.by, memory.dir, memory.file = byCgroup1, c.mem1, "memory.limit_in_bytes"
		swap.by, swap.dir, swap.file, swap.human = byCgroup1, c.mem1, "memory.memsw.limit_in_bytes", c.humanSwap1
	}
	pids := bound{name: "pids", by: byCgroup2, dir: c.v2, file: "pids.max", human: humanCount}
	if c.pid1 != "" {
		pids.by, pids.dir = byCgroup1, c.pid1
	}
	cpus := bound{name: "cpus", by: byCgroup2, dir: c.v2, file: "cpu.max", human: humanQuota}
	quota := strconv.FormatInt(max(1000, int64(math.Round(spec.CPUs*cpuPeriod))), 10)
	if spec.CPUs > 0 {
		cpus.text = fmt.Sprintf("%s %d", quota, cpuPeriod)
	}
	if c.cpu1 != "" {
		cpus.by, cpus.dir, cpus.file, cpus.human = byCgroup1, c.cpu1, "cpu.cfs_quota_us", c.humanQuota1
		if spec.CPUs > 0 {
			cpus.text = quota
		}
	}
	if spec.MemoryBytes > 0 {
		memory.text = strconv.FormatInt(spec.MemoryBytes, 10)
		swap.text = "0"
		if c.mem1 != "" {
			swap.text = memory.text
		}
	}
	if spec.PIDs > 0 {
		pids.text = strconv.FormatInt(spec.PIDs, 10)
	}
	return []bound{memory, swap, cpus, pids}
}

// set sets the bounds of spec. missing names those that are wanted and that no
// control group has; swap is not one, because few kernels can bound it.
func (c cgroup) set(spec *sandboxmgr.MachineSpec) (missing []string) {
	for _, b := range c.bounds(spec) {
		if b.text == "" {
			continue
		}
		if (b.dir == "" || set(filepath.Join(b.dir, b.file), b.text) != nil) && b.name != "swap" {
			missing = append(missing, b.name)
		}
	}
	return missing
}

// limit reads what the bound is.
func (b bound) limit() abi.Limit {
	none := abi.Limit{Name: b.name, Value: noBound, By: byNothing}
	if b.dir == "" {
		return none
	}
	text, err := os.ReadFile(filepath.Join(b.dir, b.file))
	if err != nil {
		return none
	}
	value := b.human(strings.TrimSpace(string(text)))
	if value == noBound {
		return none
	}
	return abi.Limit{Name: b.name, Value: value, By: b.by}
}

// unboundedV1 is more memory than there is; version 1 has no word for no limit
// and says the largest number of whole pages.
const unboundedV1 = 1 << 60

func humanBytes(text string) string {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n >= unboundedV1 {
		return noBound
	}
	return formatBytes(n)
}

// humanSwap1 is what memory and swap together may be, less the memory.
func (c cgroup) humanSwap1(text string) string {
	both, err := strconv.ParseUint(text, 10, 64)
	if err != nil || both >= unboundedV1 {
		return noBound
	}
	b, _ := os.ReadFile(filepath.Join(c.mem1, "memory.limit_in_bytes"))
	memory, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || memory > both {
		return noBound
	}
	return formatBytes(both - memory)
}

func humanCount(text string) string {
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		return noBound
	}
	return text
}

// humanQuota is of version 2: "150000 100000".
func humanQuota(text string) string {
	quota, period, _ := strings.Cut(text, " ")
	return formatQuota(quota, period)
}

// humanQuota1 has the period in a file of its own.
func (c cgroup) humanQuota1(quota string) string {
	b, _ := os.ReadFile(filepath.Join(c.cpu1, "cpu.cfs_period_us"))
	return formatQuota(quota, strings.TrimSpace(string(b)))
}

func formatQuota(quota, period string) string {
	q, err := strconv.ParseUint(quota, 10, 64)
	p, perr := strconv.ParseUint(period, 10, 64)
	if err != nil || perr != nil || p == 0 {
		return noBound
	}
	return strconv.FormatFloat(float64(q)/float64(p), 'g', -1, 64)
}

// formatBytes is a size for people: "1 GiB", "1.5 MiB", "0 B".
func formatBytes(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) + " " + units[i]
}
