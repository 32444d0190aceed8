package plugins

import (
	"encoding/json"
	"slices"

	"edge/abi"
)

// Call tells whether the plugin may make one call of an operation: the operation,
// the sandbox that its JSON names and the port, if it is about one. It reads the
// JSON exactly as whoever carries the call out (abi.SplitCall), so that nothing is
// read in two ways; what cannot be read is refused with that error. An operation
// that there is not passes: it does nothing.
func (g *Grants) Call(name string, body []byte) error {
	if g == nil {
		return nil
	}
	if err := g.Operation(name); err != nil {
		return err
	}
	row := abi.Lookup(name)
	if row == nil {
		return nil
	}
	ref, req, err := abi.SplitCall(row, body)
	if err != nil {
		return err
	}
	if err := g.Sandbox(ref.Binding, ref.ID); err != nil {
		return err
	}
	if port, has := portOf(req); has {
		return g.Port(port)
	}
	return nil
}

// Plan tells whether the plugin may have a plan carried out: its sandbox and port,
// and the operations that its steps are.
func (g *Grants) Plan(p *abi.Plan) error {
	steps := []struct {
		row   abi.Row
		taken bool
	}{{abi.WriteFile, len(p.Files) > 0}, {abi.StartProcess, p.Process != nil}, {abi.WaitForPort, p.Ready != nil}}
	for _, s := range steps {
		if !s.taken {
			continue
		}
		if err := g.Operation(s.row.Name()); err != nil {
			return err
		}
	}
	if err := g.Sandbox(p.Sandbox.Binding, p.Sandbox.ID); err != nil {
		return err
	}
	return g.Port(p.Port)
}

// portOf returns the port that an operation is about. A test compares it with the
// table.
func portOf(req any) (port int, has bool) {
	switch r := req.(type) {
	case *abi.ExposePortRequest:
		return r.Port, true
	case *abi.UnexposePortRequest:
		return r.Port, true
	case *abi.PortRequest:
		return r.Port, true
	case *abi.PortTokenRequest:
		return r.Port, true
	case *abi.PreviewLinkRequest:
		return r.Port, true
	case *abi.WaitForPortRequest:
		return r.Port, true
	}
	return 0, false
}

// visible returns an operation's answer without the exposures of ports that were
// not granted: their URLs hold tokens.
func (g *Grants) visible(name string, answer json.RawMessage) (json.RawMessage, error) {
	if g == nil || g.Ports == nil {
		return answer, nil
	}
	switch row := abi.Lookup(name); row {
	case abi.Row(abi.GetExposedPorts):
		var list abi.ExposedPorts
		if err := json.Unmarshal(answer, &list); err != nil {
			return nil, err
		}
		list.Ports = g.grantedPorts(list.Ports)
		return json.Marshal(list)
	case abi.Row(abi.GetListeningPorts):
		var list abi.ListeningPorts
		if err := json.Unmarshal(answer, &list); err != nil {
			return nil, err
		}
		list.Ports = slices.DeleteFunc(list.Ports, func(p abi.ListeningPort) bool { return g.Port(p.Port) != nil })
		return json.Marshal(list)
	case abi.Row(abi.Inspect):
		var all abi.Inspection
		if err := json.Unmarshal(answer, &all); err != nil {
			return nil, err
		}
		all.Ports = g.grantedPorts(all.Ports)
		return json.Marshal(all)
	}
	return answer, nil
}

func (g *Grants) grantedPorts(all []abi.ExposedPort) []abi.ExposedPort {
	granted := []abi.ExposedPort{}
	for _, p := range all {
		if g.Port(p.Port) == nil {
			granted = append(granted, p)
		}
	}
	return granted
}

// granted tells whether the plugin may name a sandbox and, unless it is 0, a port of
// it in a decision.
func (g *generation) granted(ref abi.SandboxRef, port int) *abi.Error {
	grants := g.spec.Grants
	err := grants.Sandbox(ref.Binding, ref.ID)
	if err == nil && port != 0 {
		err = grants.Port(port)
	}
	if err == nil {
		return nil
	}
	e := abi.AsError(err)
	g.complain(notGranted, e)
	return e
}

// MayReach tells whether the plugin may have a request relayed to a port of a
// sandbox: nil, or DENIED. Whoever carries out a Proxy with port 0 asks it, because
// only then is it known where that leads.
func (p *Plugin) MayReach(ref abi.SandboxRef, port int) error {
	g := p.current.Load()
	if g == nil {
		return abi.Errorf(abi.CodePluginFailed, "plugin %q is not loaded", p.name)
	}
	if e := g.granted(ref, port); e != nil {
		return e
	}
	return nil
}
