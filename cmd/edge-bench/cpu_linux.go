package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pinThread has the calling thread run on one core alone, and what it starts.
func pinThread(core int) error {
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to core %d: %w", core, err)
	}
	return nil
}

// pinProcess pins every thread of this process; later ones inherit it.
func pinProcess(core int) error {
	var set unix.CPUSet
	set.Set(core)
	for range 2 { // a thread may have been made meanwhile
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
				return fmt.Errorf("pin to core %d: %w", core, err)
			}
		}
	}
	return nil
}

// withCore calls do on a thread that is pinned to core, and unpins it.
func withCore(core int, do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("ask for the affinity: %w", err)
	}
	if err := pinThread(core); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }() // it was allowed before
	return do()
}

// cores are those that this process may run on, in order.
func cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask for the affinity: %w", err)
	}
	var list []int
	for i := range 1024 {
		if set.IsSet(i) {
			list = append(list, i)
		}
	}
	return list, nil
}

// processCPU is what a process has used, in nanoseconds, with all threads that it
// ever had (clock_getcpuclockid(3)).
func processCPU(pid int) (int64, error) {
	const sched = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("CPU of process %d: %w", pid, err)
	}
	return ts.Nano(), nil
}

// threadCPU is what the calling thread has used, in nanoseconds.
func threadCPU() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("CPU of the thread: %w", err)
	}
	return ts.Nano(), nil
}

// coreIdle is how long a core has been idle, in ticks of 10 ms (proc_stat(5)).
func coreIdle(core int) (int64, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	name := "cpu" + strconv.Itoa(core)
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 6 || f[0] != name {
			continue
		}
		idle, err := strconv.ParseInt(f[4], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		wait, err := strconv.ParseInt(f[5], 10, 64)
		return idle + wait, err
	}
	return 0, fmt.Errorf("/proc/stat has no %s", name)
}

// tick is one unit of /proc/stat in nanoseconds: USER_HZ is 100 everywhere that
// Linux runs today.
const tick = 10_000_000

// processTree is pid and all below it.
func processTree(pid int) []int {
	tree := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // that thread has ended
		}
		for _, child := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(child); err == nil {
				tree = append(tree, processTree(n)...)
			}
		}
	}
	return tree
}

// privateBytes is the resident memory that the processes share with nobody.
func privateBytes(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		for line := range bytes.Lines(b) {
			f := bytes.Fields(line)
			if len(f) == 3 && (string(f[0]) == "Private_Clean:" || string(f[0]) == "Private_Dirty:") {
				n, err := strconv.ParseInt(string(f[1]), 10, 64)
				if err != nil {
					return 0, fmt.Errorf("smaps_rollup of %d: %w", pid, err)
				}
				sum += n << 10
			}
		}
	}
	return sum, nil
}

// descriptors is how many the processes have open.
func descriptors(pids []int) (int, error) {
	sum := 0
	for _, pid := range pids {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return 0, err
		}
		sum += len(list)
	}
	return sum, nil
}
