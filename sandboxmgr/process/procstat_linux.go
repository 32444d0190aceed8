package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// status is what proc(5) stat says of a process.
type status struct {
	pid, parent int
	state       byte   // 'R' runs, 'T' is stopped, 'Z' has ended
	start       uint64 // clock ticks since the computer started
}

// stopped tells whether the process does nothing until it is signalled: it was
// stopped, is held by a tracer, or has ended.
func (s status) stopped() bool {
	return s.state == 'T' || s.state == 't' || s.state == 'Z' || s.state == 'X'
}

// signal sends sig to that process and no other that may have its number by
// now. One that has ended is none of the caller's business.
func (s status) signal(sig syscall.Signal) {
	p, err := openProcess(s.pid)
	if err != nil {
		return
	}
	defer p.close()
	if now, err := readStatus(s.pid); err == nil && now.start == s.start {
		_ = p.signal(sig)
	}
}

func readStatus(pid int) (status, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return status{}, err
	}
	return parseStatus(pid, stat)
}

// parseStatus takes fields 3, 4 and 22 of proc(5) stat. Field 2, the command's
// name in parentheses, is chosen by the process and may hold anything; what
// counts is after the last parenthesis, where field 3 begins.
func parseStatus(pid int, stat []byte) (status, error) {
	const parent, start = 4 - 3, 22 - 3
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) <= start {
		return status{}, errors.New("process status is cut short")
	}
	s := status{pid: pid, state: fields[0][0]}
	var err error
	if s.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return status{}, fmt.Errorf("process parent: %w", err)
	}
	if s.start, err = strconv.ParseUint(fields[start], 10, 64); err != nil {
		return status{}, fmt.Errorf("process start time: %w", err)
	}
	return s, nil
}

// descendants are the process root and all that descends from it. Of the first
// process of a pid namespace those are all processes in there: whoever loses
// its parent becomes that one's child.
func descendants(root int) ([]status, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]status{}
	var queue []status
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		s, err := readStatus(pid)
		if err != nil {
			continue // ended meanwhile
		}
		children[s.parent] = append(children[s.parent], s)
		if pid == root {
			queue = append(queue, s)
		}
	}
	for i := 0; i < len(queue); i++ {
		queue = append(queue, children[queue[i].pid]...)
	}
	return queue, nil
}
