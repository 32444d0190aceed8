package remote

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"edge/abi"
)

// bindingList is what the edge answers on its bindings.
type bindingList struct {
	Bindings []struct {
		Name string `json:"name"`
	} `json:"bindings"`
}

// resolve returns the sandbox that a person named: "BINDING/ID", or ID alone
// where there is one binding, or one sandbox of that id.
func (c *Client) resolve(ctx context.Context, name string) (Ref, error) {
	binding, id, found := strings.Cut(name, "/")
	if !found {
		id = binding
	}
	id, err := abi.NormalizeID(id)
	if err != nil {
		return Ref{}, err
	}
	if !found {
		binding, err = c.onlyBinding(ctx, id)
		return Ref{binding, id}, err
	}
	if !abi.ValidBinding(binding) {
		return Ref{}, abi.Errorf(abi.CodeUnknownBinding, "%.60q cannot be a binding", binding).
			WithSuggestion("a sandbox is named BINDING/ID; edge ps -a lists them")
	}
	return Ref{binding, id}, nil
}

func (c *Client) onlyBinding(ctx context.Context, id string) (string, error) {
	var list bindingList
	if err := c.read(ctx, "/v1/bindings", &list); err != nil {
		return "", err
	}
	names := make([]string, 0, len(list.Bindings))
	for _, b := range list.Bindings {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	switch len(names) {
	case 0:
		return "", abi.Errorf(abi.CodeUnknownBinding, "the edge's configuration has no sandboxes").
			WithSuggestion("a binding under sandboxes: in edge.yaml makes some")
	case 1:
		return names[0], nil
	}
	return c.bindingWith(ctx, id, names)
}

// bindingWith returns the binding that has a sandbox of that id, of several
// bindings; it is an error where that is none, or more than one.
func (c *Client) bindingWith(ctx context.Context, id string, names []string) (string, error) {
	boxes, err := c.list(ctx, "")
	if err != nil {
		return "", err
	}
	var with []string
	for _, box := range boxes {
		if box.ID == id {
			with = append(with, box.Binding)
		}
	}
	switch len(with) {
	case 0:
		return "", abi.Errorf(abi.CodeNotFound, "no binding has a sandbox %s", id).
			WithSuggestion("to make one write BINDING/%s; the bindings are %s", id, strings.Join(names, ", "))
	case 1:
		return with[0], nil
	}
	for i, n := range with {
		with[i] = n + "/" + id
	}
	return "", abi.Errorf(abi.CodeInvalidRequest, "%s could be %s", id, orList(with)).
		WithSuggestion("write BINDING/ID")
}

// orList is "a, b or c".
func orList(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// session is an open client with the sandbox that the command line names.
type session struct {
	*Client
	ref Ref
}

// enter finds the edge and the sandbox. The caller closes the session.
func (c Connection) enter(ctx context.Context, env *Env, sandbox string) (*session, error) {
	client, err := c.open(ctx, env)
	if err != nil {
		return nil, err
	}
	ref, err := client.resolve(ctx, sandbox)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &session{client, ref}, nil
}

// in does one thing in a sandbox.
func (c Connection) in(ctx context.Context, env *Env, sandbox string, do func(*session) error) error {
	s, err := c.enter(ctx, env, sandbox)
	if err != nil {
		return err
	}
	defer s.Close()
	return do(s)
}

// inEach does one thing in each sandbox, goes on after errors, and returns them
// all, each with the sandbox's name where there are several.
func (c Connection) inEach(ctx context.Context, env *Env, sandboxes []string, do func(*session) error) error {
	client, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	defer client.Close()
	return each(sandboxes, func(name string) error {
		ref, err := client.resolve(ctx, name)
		if err == nil {
			err = do(&session{client, ref})
		}
		if err != nil && len(sandboxes) > 1 {
			return fmt.Errorf("%s: %w", name, err)
		}
		return err
	})
}
