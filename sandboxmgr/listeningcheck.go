package sandboxmgr

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// What an init tells of ports comes from inside. These bound what is taken of it.
const (
	maxAddressText = 45 // an IPv6 address with an IPv4 one in it, as text
	maxPID         = 1 << 22
	maxSignalText  = 16
)

// checkedPorts is an init's answer with nothing in it that cannot be. An init of an
// earlier release tells of ports alone.
func checkedPorts(list initproto.PortList) initproto.PortList {
	var out initproto.PortList
	if list.Listeners == nil {
		for _, port := range list.Ports[:min(len(list.Ports), initproto.MaxListeners)] {
			list.Listeners = append(list.Listeners, initproto.Listener{Port: port})
		}
	}
	for _, l := range list.Listeners[:min(len(list.Listeners), initproto.MaxListeners)] {
		if checkListener(l) == nil || l.Address == "" && l.PID == 0 && l.ProcessID == "" && validPort(l.Port) {
			out.Listeners = append(out.Listeners, l)
		}
	}
	sortListeners(out.Listeners)
	if list.Ended != nil {
		out.Ended = checkedEnd(*list.Ended)
	}
	return out
}

func sortListeners(ls []initproto.Listener) {
	slices.SortFunc(ls, func(a, b initproto.Listener) int {
		if a.Port != b.Port {
			return a.Port - b.Port
		}
		return strings.Compare(a.Address, b.Address)
	})
}

func validPort(port int) bool { return port >= 1 && port <= 65535 }

func checkListener(l initproto.Listener) error {
	switch {
	case !validPort(l.Port):
		return fmt.Errorf("port %d", l.Port)
	case len(l.Address) > maxAddressText:
		return fmt.Errorf("an address of %d bytes", len(l.Address))
	case l.PID < 0 || l.PID > maxPID:
		return fmt.Errorf("pid %d", l.PID)
	}
	if addr, err := netip.ParseAddr(l.Address); err != nil || addr.Zone() != "" {
		return fmt.Errorf("address %.60q", l.Address)
	}
	if l.ProcessID != "" {
		return abi.CheckProcessID(l.ProcessID)
	}
	return nil
}

// checkedEnd is the part that is used of how a process ended, nil if it cannot be.
func checkedEnd(e initproto.PortEnd) *initproto.PortEnd {
	p := e.Process
	if live(p.Status) || abi.CheckProcessID(p.ID) != nil || len(p.Signal) > maxSignalText || strings.ContainsFunc(p.Signal, notSignal) {
		return nil
	}
	tail := strings.ToValidUTF8(e.Stderr[max(0, len(e.Stderr)-tailBytes):], "")
	return &initproto.PortEnd{Stderr: tail, Process: abi.Process{
		ID: p.ID, Status: p.Status, ExitCode: p.ExitCode, Signal: p.Signal, OOMKilled: p.OOMKilled, EndedAt: p.EndedAt,
	}}
}

func notSignal(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '+' }

var errTooMany = errors.New("more than it may be")

// checkPortsEvent says what a message of an init's watch cannot hold, or nil.
func checkPortsEvent(e initproto.PortsEvent) error {
	if n := len(e.Opened) + len(e.Closed); n > initproto.MaxPortChanges {
		return fmt.Errorf("%d changes of ports: %w", n, errTooMany)
	}
	for _, l := range slices.Concat(e.Closed, e.Opened) {
		if err := checkListener(l); err != nil {
			return err
		}
	}
	return nil
}
