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
	Name      string `placeholder:"NAME" help:"What the exposure is called."`
	Token     string `placeholder:"TOKEN" help:"Token of the URL: a-z, 0-9 and _, at most 16; else 16 random ones."`
	TokenIn   string `placeholder:"PLACE" enum:",host,request" default:"" help:"host has the token in the URL's name (default), request has each request show it: as X-Edge-Token, bearer, edge_token or a cookie."`
	Access    string `placeholder:"WHO" enum:",token,public,plugin" default:"" help:"token (default), public for everybody, or plugin: whom the one of previews: in edge.yaml lets in."`
	Public    bool   `help:"The same as --access public."`
	TTL       Span   `name:"ttl" placeholder:"SPAN" help:"End it after that long, like 1h; default never. Given again it moves the end."`
	Wake      string `placeholder:"WHEN" help:"Which requests start a sandbox that sleeps: never, http, ws or hold (both), which may say for how long a request waits: hold(10s). Default hold."`
	Host      string `placeholder:"HOST" help:"What the server sees as Host: local (localhost:PORT, default), preview (what the client sent) or a name, in which $${port} is the port."`
	OnRestart string `placeholder:"WHAT" enum:",keep,revoke" default:"" help:"When the sandbox ends: keep the URL (default) or revoke it."`
	IfExposed string `placeholder:"WHAT" enum:",keep,error" default:"" help:"When the port is exposed: keep its URL and change what is said here (default), or error."`

	MaxConnections int `placeholder:"N" group:"policy" help:"Connections that may be open through the URL at a time."`
	policyFlags
}

// Run exposes a port and prints its URL. A token that is not in the URL goes where
// messages go, so that what is printed stays a URL.
func (v *exposeCommand) Run(ctx context.Context, env *Env) error {
	req, err := v.request()
	if err != nil {
		return err
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
		if exposed.Token != "" {
			fmt.Fprintf(env.Err, "Requests show the token, like \"X-Edge-Token: %s\"; edge link %s %d makes a link for a browser.\n", oneLine(exposed.Token), v.Sandbox, v.Port)
		}
		return nil
	})
}

func (v *exposeCommand) request() (*abi.ExposePortRequest, error) {
	access := abi.Access(v.Access)
	switch {
	case v.Public && access != "" && access != abi.AccessPublic:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "--public and --access %s exclude each other", access)
	case v.Public:
		access = abi.AccessPublic
	}
	if v.Token != "" && (access == abi.AccessPublic || access == abi.AccessPlugin) {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "--token and access %s exclude each other: the URL has no token then", access)
	}
	wake := abi.Wake(v.Wake)
	if _, _, _, err := wake.Parse(); err != nil {
		return nil, err
	}
	return &abi.ExposePortRequest{
		Port: v.Port, Name: v.Name, Token: v.Token, TokenIn: abi.TokenIn(v.TokenIn), Access: access, TTL: v.TTL.duration(), Wake: wake,
		Host: v.Host, OnRestart: v.OnRestart, IfExposed: v.IfExposed, MaxConnections: v.MaxConnections, Policy: v.policy(),
	}, nil
}

type unexposeCommand struct {
	port
	Drain Span `placeholder:"SPAN" help:"Let what came through the URL go on for that long, at most 1h; new requests are refused at once. Default 0."`
}

// Run takes an exposure back.
func (v *unexposeCommand) Run(ctx context.Context, env *Env) error {
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		_, err := Call(ctx, s.Client, s.ref, abi.UnexposePort, &abi.UnexposePortRequest{Port: v.Port, Drain: v.Drain.duration()})
		return err
	})
}

type linkCommand struct {
	port
	Output
	TTL  Span   `name:"ttl" placeholder:"SPAN" help:"How long the link works, at most 720h; default 1h."`
	Path string `placeholder:"PATH" help:"Where the link leads, with or without a query; default /."`
}

// Run signs a link to an exposure that keeps its token out of the URL.
func (v *linkCommand) Run(ctx context.Context, env *Env) error {
	return v.in(ctx, env, v.Sandbox, func(s *session) error {
		link, err := Call(ctx, s.Client, s.ref, abi.CreatePreviewLink, &abi.PreviewLinkRequest{Port: v.Port, TTL: v.TTL.duration(), Path: v.Path})
		if err != nil {
			return err
		}
		if v.json() {
			return writeJSON(env.Out, link)
		}
		fmt.Fprintln(env.Out, oneLine(link.URL))
		return nil
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

// Run lists exposures, of one sandbox or of all, and the ports beside them that
// something listens on.
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
	list, others := []exposure{}, []heard{}
	for _, ref := range refs {
		ports, err := Call(ctx, c, ref, abi.GetExposedPorts, &abi.Empty{})
		if err != nil {
			return err
		}
		for _, p := range ports.Ports {
			list = append(list, exposure{ref.Binding, ref.ID, p})
		}
		unexposed, err := c.unexposed(ctx, ref, ports.Ports)
		if err != nil {
			return err
		}
		others = append(others, unexposed...)
	}
	if v.json() {
		return writeJSON(env.Out, map[string]any{"ports": list, "listening": others})
	}
	t := newTable("SANDBOX", "#PORT", "NAME", "ACCESS", "STATUS", "#CONNS", "#EXPIRES", "URL")
	for _, e := range list {
		t.add(Ref{e.Binding, e.ID}.String(), strconv.Itoa(e.Port), e.Name, accessText(e.ExposedPort), statusText(e.ExposedPort), strconv.Itoa(e.Connections), until(e.ExpiresAt), e.URL)
	}
	for _, h := range others {
		t.add(Ref{h.Binding, h.ID}.String(), strconv.Itoa(h.Port), h.ProcessID, "-", "not exposed", "-", "-", h.hint())
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
