package remote

import (
	"context"
	"fmt"
	"strconv"

	"edge/abi"
)

// port is the argument of verbs on one port.
type port struct {
	Connection
	Sandbox string `arg:"" complete:"sandbox" help:"[BINDING/]ID."`
	Port    int    `arg:"" complete:"port" help:"Port inside the sandbox, 1024 to 65535."`
}

type exposeCommand struct {
	port
	Output
	Name   string `placeholder:"NAME" help:"What the exposure is called."`
	Token  string `placeholder:"TOKEN" help:"Token of the URL: a-z, 0-9 and _, at most 16; else 16 random ones."`
	TTL    Span   `name:"ttl" placeholder:"SPAN" help:"End it after that long, like 1h; default never."`
	Public bool   `help:"A URL without a token, for everybody."`
	Wake   string `placeholder:"WHEN" enum:",never,http,ws,hold" default:"" help:"Which requests start a sandbox that sleeps: never, http, ws or hold (both); default hold."`
}

// Run exposes a port and prints its URL.
func (v *exposeCommand) Run(ctx context.Context, env *Env) error {
	if v.Public && v.Token != "" {
		return abi.Errorf(abi.CodeInvalidRequest, "--public and --token exclude each other: a public URL has no token")
	}
	req := &abi.ExposePortRequest{Port: v.Port, Name: v.Name, Token: v.Token, TTL: v.TTL.duration(), Wake: abi.Wake(v.Wake)}
	if v.Public {
		req.Access = abi.AccessPublic
	}
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		exposed, err := Call(ctx, s.Client, s.ref, abi.ExposePort, req)
		if err != nil {
			return err
		}
		if v.json() {
			return writeJSON(env.Out, exposed)
		}
		fmt.Fprintln(env.Out, oneLine(exposed.URL))
		return nil
	})
}

type unexposeCommand struct{ port }

// Run takes an exposure back.
func (v *unexposeCommand) Run(ctx context.Context, env *Env) error {
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		_, err := Call(ctx, s.Client, s.ref, abi.UnexposePort, &abi.UnexposePortRequest{Port: v.Port})
		return err
	})
}

type portsCommand struct {
	Connection
	Output
	Sandbox string `arg:"" optional:"" complete:"sandbox" help:"[BINDING/]ID; default all."`
}

// exposure is an exposed port with the sandbox it belongs to.
type exposure struct {
	Binding string `json:"binding"`
	ID      string `json:"id"`
	abi.ExposedPort
}

// Run lists exposures, of one sandbox or of all.
func (v *portsCommand) Run(ctx context.Context, env *Env) error {
	c, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	refs, err := c.named(ctx, v.Sandbox)
	if err != nil {
		return err
	}
	list := []exposure{}
	for _, ref := range refs {
		ports, err := Call(ctx, c, ref, abi.GetExposedPorts, &abi.Empty{})
		if err != nil {
			return err
		}
		for _, p := range ports.Ports {
			list = append(list, exposure{ref.Binding, ref.ID, p})
		}
	}
	if v.json() {
		return writeJSON(env.Out, map[string]any{"ports": list})
	}
	t := newTable("SANDBOX", "#PORT", "NAME", "#CONNS", "#EXPIRES", "URL")
	for _, e := range list {
		t.add(Ref{e.Binding, e.ID}.String(), strconv.Itoa(e.Port), e.Name, strconv.Itoa(e.Connections), until(e.ExpiresAt), e.URL)
	}
	t.whole = true
	return t.write(env.Out)
}

// named is the sandbox of that name, or all there are for none.
func (c *Client) named(ctx context.Context, sandbox string) ([]Ref, error) {
	if sandbox != "" {
		ref, err := c.resolve(ctx, sandbox)
		return []Ref{ref}, err
	}
	boxes, err := c.list(ctx, "")
	refs := make([]Ref, len(boxes))
	for i, l := range boxes {
		refs[i] = l.ref()
	}
	return refs, err
}
