package sandboxmgr

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

func heardOn(address string, ports ...int) []initproto.Listener {
	var ls []initproto.Listener
	for _, p := range ports {
		ls = append(ls, initproto.Listener{Port: p, Address: address, PID: 7, ProcessID: "web"})
	}
	return ls
}

func TestOpenPorts(t *testing.T) {
	t.Parallel()
	var o openPorts
	o.restart()
	want := func(when string, e initproto.PortsEvent, closed, opened string) {
		t.Helper()
		c, op, err := o.apply(e)
		if got := fmt.Sprint(listeningPorts(c)); err != nil || got != closed {
			t.Errorf("%s: closed %s, %v; want %s", when, got, err, closed)
		}
		if got := fmt.Sprint(listeningPorts(op)); got != opened {
			t.Errorf("%s: opened %s, want %s", when, got, opened)
		}
	}
	if _, known := o.listensOn(80); known {
		t.Error("known before anything was told")
	}
	want("first", initproto.PortsEvent{Opened: heardOn("127.0.0.1", 80, 81)}, "[]", "[80 81]")
	if _, known := o.listensOn(82); known {
		t.Error("known before all was told")
	}
	want("all", initproto.PortsEvent{Opened: heardOn("::1", 80, 82), Synced: true}, "[]", "[82]")
	want("one of two", initproto.PortsEvent{Closed: heardOn("127.0.0.1", 80)}, "[]", "[]")
	if listening, known := o.listensOn(80); !listening || !known {
		t.Error("a port is listened on by its other address")
	}
	want("both", initproto.PortsEvent{Closed: heardOn("::1", 80)}, "[80]", "[]")
	want("again", initproto.PortsEvent{Closed: heardOn("::1", 80)}, "[]", "[]")
	want("taken over", initproto.PortsEvent{Closed: heardOn("::1", 82), Opened: heardOn("0.0.0.0", 82)}, "[]", "[]")
	before := o.restart()
	want("anew", initproto.PortsEvent{Opened: heardOn("::", 90), Synced: true}, "[]", "[90]")
	closed, opened := o.since(before)
	if !slices.Equal(listeningPorts(closed), []int{81, 82}) || !slices.Equal(listeningPorts(opened), []int{90}) {
		t.Errorf("since before: closed %v, opened %v", closed, opened)
	}
	o.doubt()
	if ls, known := o.snapshot(); known || len(ls) != 1 {
		t.Errorf("after the watch: %v, known %v", ls, known)
	}
}

// TestOpenPortsAreBounded has an init tell of ever more ports.
func TestOpenPortsAreBounded(t *testing.T) {
	t.Parallel()
	var o openPorts
	o.restart()
	for port := 1; ; port++ {
		if _, _, err := o.apply(initproto.PortsEvent{Opened: heardOn("::1", port)}); err != nil {
			if port != initproto.MaxListeners+1 {
				t.Errorf("%d were taken: %v", port-1, err)
			}
			return
		}
	}
}

func TestCheckListener(t *testing.T) {
	t.Parallel()
	good := initproto.Listener{Port: 80, Address: "::1", PID: 3, ProcessID: "web"}
	if err := checkListener(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*initproto.Listener){
		"no port":      func(l *initproto.Listener) { l.Port = 0 },
		"port":         func(l *initproto.Listener) { l.Port = 65536 },
		"no address":   func(l *initproto.Listener) { l.Address = "" },
		"address":      func(l *initproto.Listener) { l.Address = "localhost" },
		"zone":         func(l *initproto.Listener) { l.Address = "fe80::1%eth0" },
		"long address": func(l *initproto.Listener) { l.Address = strings.Repeat("1", 1000) },
		"pid":          func(l *initproto.Listener) { l.PID = -1 },
		"large pid":    func(l *initproto.Listener) { l.PID = 1 << 30 },
		"process":      func(l *initproto.Listener) { l.ProcessID = "a\nb" },
		"long process": func(l *initproto.Listener) { l.ProcessID = strings.Repeat("x", 1000) },
	} {
		l := good
		change(&l)
		if checkListener(l) == nil {
			t.Errorf("%s: %+v was taken", name, l)
		}
		if checkPortsEvent(initproto.PortsEvent{Closed: []initproto.Listener{l}}) == nil {
			t.Errorf("%s: %+v was taken as closed", name, l)
		}
	}
	if checkPortsEvent(initproto.PortsEvent{Opened: slices.Repeat(heardOn("::1", 80), initproto.MaxPortChanges+1)}) == nil {
		t.Error("too many changes were taken")
	}
}

// FuzzPortList reads what an init says of ports: what is taken of it is bounded, and
// can be shown.
func FuzzPortList(f *testing.F) {
	f.Add([]byte(`{"ports":[8080],"listeners":[{"port":8080,"address":"::","pid":7,"processId":"web"}]}`))
	f.Add([]byte(`{"ports":[1,2,99999]}`))
	f.Add([]byte(`{"ports":[],"ended":{"process":{"id":"web","status":"failed","exitCode":1,"signal":"SIGKILL"},"stderr":"\u0000x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var list initproto.PortList
		if json.Unmarshal(b, &list) != nil {
			return
		}
		got := checkedPorts(list)
		if len(got.Listeners) > initproto.MaxListeners || !slices.IsSortedFunc(got.Listeners, func(a, b initproto.Listener) int { return a.Port - b.Port }) {
			t.Errorf("listeners %v", got.Listeners)
		}
		for _, l := range got.Listeners {
			if !validPort(l.Port) || l.Address != "" && checkListener(l) != nil {
				t.Errorf("listener %+v", l)
			}
		}
		if e := got.Ended; e != nil && (abi.CheckProcessID(e.Process.ID) != nil || len(e.Stderr) > tailBytes || e.Process.Command != "") {
			t.Errorf("end %+v", e)
		}
	})
}

// FuzzPortsEvent reads one message of an init's watch.
func FuzzPortsEvent(f *testing.F) {
	f.Add([]byte(`{"opened":[{"port":8080,"address":"::"}],"closed":[{"port":1,"address":"::1"}],"synced":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e initproto.PortsEvent
		if json.Unmarshal(b, &e) != nil || checkPortsEvent(e) != nil {
			return
		}
		var o openPorts
		o.restart()
		for range 2 {
			if _, _, err := o.apply(e); err != nil {
				t.Fatal(err)
			}
		}
		ls, _ := o.snapshot()
		if len(ls) != o.count || len(ls) > initproto.MaxPortChanges {
			t.Errorf("%d listeners, counted %d", len(ls), o.count)
		}
	})
}
