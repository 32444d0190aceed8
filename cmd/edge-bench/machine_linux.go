package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// describeMachine tells what is measured on.
func describeMachine(_ context.Context, s *site) (machine, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return machine{}, fmt.Errorf("uname: %w", err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return machine{}, fmt.Errorf("sysinfo: %w", err)
	}
	return machine{
		CPU: lineValue("/proc/cpuinfo", "model name", ":"), Cores: runtime.NumCPU(),
		Memory: fmt.Sprintf("%.0f GiB", float64(info.Totalram)*float64(info.Unit)/(1<<30)),
		Kernel: unix.ByteSliceToString(uts.Release[:]), OS: strings.Trim(lineValue("/etc/os-release", "PRETTY_NAME", "="), `"`),
		Go: runtime.Version(), Date: time.Now().UTC().Format("2006-01-02"), Proxy: s.proxyCore, Load: s.ownCore,
	}, nil
}

// lineValue is what follows the first line that begins with name; "unknown" if
// there is none.
func lineValue(path, name, separator string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), separator); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
