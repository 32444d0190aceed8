package remote

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"edge/abi"
)

type connectionsCommand struct {
	Ls    connectionsLsCommand    `cmd:"" default:"withargs" help:"List live connections; edge connections alone does the same."`
	Close connectionsCloseCommand `cmd:"" help:"Close connections: WebSockets with a close frame, other answers in the middle."`
}

// choice are the flags that choose connections.
type choice struct {
	Sandbox  string `placeholder:"SANDBOX" complete:"sandbox" help:"Only to this sandbox, [BINDING/]ID."`
	Plugin   string `placeholder:"PLUGIN" complete:"connected-plugin" help:"Only those that this plugin decided on."`
	Port     int    `placeholder:"PORT" help:"Only to this port."`
	Exposure int    `placeholder:"PORT" help:"Only those that came through the exposure of this port."`
	Client   string `placeholder:"ADDRESS" help:"Only those of clients with this IP address."`
}

// query writes the choice as the admin API takes it.
func (v *choice) query(ctx context.Context, c *Client) (url.Values, error) {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if v.Sandbox != "" {
		ref, err := c.resolve(ctx, v.Sandbox)
		if err != nil {
			return nil, err
		}
		set("binding", ref.Binding)
		set("id", ref.ID)
	}
	set("plugin", v.Plugin)
	set("client", v.Client)
	if v.Port != 0 {
		set("port", strconv.Itoa(v.Port))
	}
	if v.Exposure != 0 {
		set("exposure", strconv.Itoa(v.Exposure))
	}
	return q, nil
}

// connection is one of the edge's list.
type connection struct {
	ID          int64     `json:"id"`
	Kind        string    `json:"kind"`
	Binding     string    `json:"binding"`
	Sandbox     string    `json:"sandbox"`
	Port        int       `json:"port"`
	Plugin      string    `json:"plugin"`
	Exposure    string    `json:"exposure"`
	Client      string    `json:"client"`
	ConnectedAt time.Time `json:"connectedAt"`
}

const connectionsPath = "/v1/connections"

// connections returns the list that a query asks for, and whether there are
// more.
func (c *Client) connections(ctx context.Context, q url.Values) (list []connection, more bool, err error) {
	var answer struct {
		Connections []connection `json:"connections"`
		Truncated   bool         `json:"truncated"`
	}
	err = c.read(ctx, withQuery(connectionsPath, q), &answer)
	return answer.Connections, answer.Truncated, err
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

type connectionsLsCommand struct {
	Connection
	Output
	choice
}

// Run lists live connections, the oldest first.
func (v *connectionsLsCommand) Run(ctx context.Context, env *Env) error {
	c, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	q, err := v.query(ctx, c)
	if err != nil {
		return err
	}
	if v.json() {
		return c.print(ctx, withQuery(connectionsPath, q), env.Out)
	}
	list, more, err := c.connections(ctx, q)
	if err != nil {
		return err
	}
	t := newTable("#ID", "KIND", "SANDBOX", "#PORT", "VIA", "CLIENT", "#AGE")
	for _, l := range list {
		t.add(strconv.FormatInt(l.ID, 10), l.Kind, Ref{l.Binding, l.Sandbox}.String(), strconv.Itoa(l.Port),
			cmp.Or(l.Plugin, l.Exposure, "preview"), cmp.Or(l.Client, "-"), since(&l.ConnectedAt))
	}
	if err := t.write(env.Out); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(env.Err, "there are more than these %d: --sandbox, --plugin, --port or --client ask for fewer\n", len(list))
	}
	return nil
}

type connectionsCloseCommand struct {
	Connection
	choice
	Code   int     `placeholder:"CODE" default:"1008" help:"Close code of the frame, one that servers send, like 1012 or 4000; default 1008."`
	Reason *string `placeholder:"TEXT" help:"Reason in the frame, at most 123 bytes; default that the operator closed it."`
	IDs    []int64 `arg:"" optional:"" name:"id" complete:"connection" help:"Ids, as edge connections lists them; or say which with flags."`
}

// Run closes connections, by id or by choice, and prints the ids that were there,
// or how many the choice was. It does not wait for their end.
func (v *connectionsCloseCommand) Run(ctx context.Context, env *Env) error {
	switch chosen := v.choice != (choice{}); {
	case chosen && len(v.IDs) > 0:
		return abi.Errorf(abi.CodeInvalidRequest, "ids and flags that choose connections exclude each other")
	case !chosen && len(v.IDs) == 0:
		return abi.Errorf(abi.CodeInvalidRequest, "which connections are to be closed?").
			WithSuggestion("give ids, or --sandbox, --plugin, --port, --exposure or --client; edge connections lists them")
	}
	c, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	q, err := v.query(ctx, c)
	if err != nil {
		return err
	}
	q.Set("code", strconv.Itoa(v.Code))
	if v.Reason != nil {
		q.Set("reason", *v.Reason)
	}
	if len(v.IDs) == 0 {
		n, err := c.closeConnections(ctx, withQuery(connectionsPath, q))
		if err == nil {
			fmt.Fprintln(env.Out, counted(n, "connection", "connections"))
		}
		return err
	}
	ids := make([]string, len(v.IDs))
	for i, id := range v.IDs {
		ids[i] = strconv.FormatInt(id, 10)
	}
	return each(ids, func(id string) error {
		_, err := c.closeConnections(ctx, withQuery(connectionsPath+"/"+id, q))
		if err == nil {
			fmt.Fprintln(env.Out, id)
		}
		return err
	})
}

// closeConnections has a path's connections closed, and returns how many those
// were.
func (c *Client) closeConnections(ctx context.Context, path string) (int, error) {
	resp, err := c.do(ctx, http.MethodDelete, path, nil, nil)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Closed int `json:"closed"`
	}
	err = decode(resp, &answer)
	return answer.Closed, err
}

// connectionCandidates are the ids of live connections, or the plugins that they
// came by.
func (c *Client) connectionCandidates(ctx context.Context, kind string) []Candidate {
	list, _, err := c.connections(ctx, nil)
	if err != nil {
		return nil
	}
	var words []Candidate
	seen := map[string]bool{"": true}
	for _, l := range list {
		switch {
		case kind == "connection":
			words = append(words, Candidate{strconv.FormatInt(l.ID, 10), fmt.Sprintf("%s to %s, port %d", l.Kind, Ref{l.Binding, l.Sandbox}, l.Port)})
		case !seen[l.Plugin]:
			seen[l.Plugin] = true
			words = append(words, Candidate{Word: l.Plugin})
		}
	}
	return cleaned(words)
}
