// Command services is a plugin that uses what is no sandbox's: it counts visits in
// the key-value store and passes each on to a server elsewhere.
package main

import (
	"errors"
	"io"
	"strconv"

	"edge/abi/guest"
)

func init() { guest.Handle(handle) }

func main() {}

func handle(req *guest.Request) (guest.Response, error) {
	n, err := visit(guest.KV())
	if err != nil {
		return nil, err
	}
	if err := guest.Count("visits", 1, "path", req.Path()); err != nil {
		return nil, err
	}
	url := "http://8080-nobody-token.localhost/"
	if _, err := guest.Config("url", &url); err != nil {
		return nil, err
	}
	if req.Path() == "/preview" {
		url = "http://8080-nobody-token.localhost/"
	}
	if req.Path() == "/denied" {
		url = "http://127.0.0.1:1/"
	}
	token, _ := guest.Secret("token")
	answer, err := req.Fetch(url, guest.FetchOptions{
		Method: req.Method(), SendBody: true, Headers: []guest.Header{{Name: "Authorization", Value: token}},
	})
	if err != nil {
		return nil, err
	}
	return guest.Stream(answer.Status, nil, func(w io.Writer) error {
		if _, err := io.WriteString(w, strconv.Itoa(n)+" "); err != nil {
			return err
		}
		_, err := io.Copy(w, answer.Body)
		return err
	}), nil
}

// visit adds one to the visits, with whoever else does.
func visit(store *guest.Store) (int, error) {
	for {
		value, revision, err := store.Get("visits")
		if err != nil && !errors.Is(err, guest.ErrNoKey) {
			return 0, err
		}
		n, _ := strconv.Atoi(string(value))
		_, err = store.Set("visits", strconv.AppendInt(nil, int64(n+1), 10), guest.KVSetOptions{IfRevision: &revision})
		if !errors.Is(err, guest.ErrConflict) {
			return n + 1, err
		}
	}
}
