// Package cases carries out the conformance kit's cases (abi/tck/guest.json, whose
// docs say what each does) with the Go SDK: as a module, and natively in a test.
package cases

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"edge/abi/guest"
)

// Decide decides the request /case/NAME.
func Decide(req *guest.Request) (guest.Response, error) {
	name, _ := strings.CutPrefix(req.Path(), "/case/")
	for _, table := range []map[string]guest.Handler{requests(), decisions(), operations(), streams(), services()} {
		if decide, ok := table[name]; ok {
			return decide(req)
		}
	}
	return nil, guest.Errorf(guest.CodeNotFound, "there is no case %q", name)
}

func text(parts ...string) (guest.Response, error) {
	return guest.Text(200, strings.Join(parts, "|")), nil
}

func one() *guest.Sandbox { return guest.GetSandbox("Sandbox", "one") }

func requests() map[string]guest.Handler {
	return map[string]guest.Handler{
		"hello": func(r *guest.Request) (guest.Response, error) {
			return text(strings.Join([]string{r.Method(), r.Path(), r.RawQuery(), r.Host(), r.Scheme(), r.RemoteAddr(), r.ID()}, " "))
		},
		"query":   func(r *guest.Request) (guest.Response, error) { return text(r.Query().Get("a"), r.Query().Get("none")) },
		"header":  header,
		"upgrade": header,
		"headers": func(r *guest.Request) (guest.Response, error) {
			hs, err := r.Headers()
			if err != nil {
				return nil, err
			}
			last := hs[len(hs)-1]
			return text(strconv.Itoa(len(hs)) + " " + last.Name + "=" + last.Value)
		},
		"edits": edits,
		"edit-denied": func(r *guest.Request) (guest.Response, error) {
			if err := r.SetHeader("Host", "other"); err != nil {
				return nil, err
			}
			return text("set")
		},
		"body": func(r *guest.Request) (guest.Response, error) {
			b, err := r.ReadBody(1024)
			if err != nil {
				return nil, err
			}
			return text(string(b))
		},
		"body-large": func(r *guest.Request) (guest.Response, error) {
			if _, err := r.ReadBody(4); err != nil {
				return nil, err
			}
			return text("read")
		},
	}
}

func header(r *guest.Request) (guest.Response, error) {
	return text(r.Header("Accept"), strings.Join(r.HeaderValues("Accept"), ","), strconv.FormatBool(r.IsUpgrade()))
}

func edits(r *guest.Request) (guest.Response, error) {
	for _, edit := range []func() error{
		func() error { return r.SetMethod("PUT") },
		func() error { return r.SetPath("/new%20path") },
		func() error { return r.SetRawQuery("k=v") },
		func() error { return r.SetHeader("X-One", "1") },
		func() error { return r.AddHeader("X-Two", "a") },
		func() error { return r.AddHeader("X-Two", "b") },
		func() error { return r.DelHeader("X-Gone") },
	} {
		if err := edit(); err != nil {
			return nil, err
		}
	}
	return one().ProxyTo(r, 8080)
}

func decisions() map[string]guest.Handler {
	return map[string]guest.Handler{
		"json": func(*guest.Request) (guest.Response, error) {
			return guest.JSON(201, struct {
				A int   `json:"a"`
				B []any `json:"b"`
			}{1, []any{"x", true, nil}}), nil
		},
		"status": func(*guest.Request) (guest.Response, error) {
			return guest.Bytes(404, "", nil).WithHeader("X-Kind", "none"), nil
		},
		"stream": func(*guest.Request) (guest.Response, error) {
			return guest.Stream(201, []guest.Header{{Name: "X-Kind", Value: "pieces"}}, func(w io.Writer) error {
				for _, piece := range []string{"one ", "two ", "three"} {
					if _, err := io.WriteString(w, piece); err != nil {
						return err
					}
				}
				return nil
			}), nil
		},
		"connect": func(r *guest.Request) (guest.Response, error) {
			return one().WSConnect(r, 8080, guest.Policy{IdleTimeout: guest.Duration(time.Second), MaxMessageBytes: 4096, Protocols: []string{"chat"}})
		},
		"connect-plain": func(r *guest.Request) (guest.Response, error) { return one().WSConnect(r, 8080) },
		"connect-bad-id": func(r *guest.Request) (guest.Response, error) {
			return guest.GetSandbox("Sandbox", "Not Good").WSConnect(r, 8080)
		},
		"connect-options": func(r *guest.Request) (guest.Response, error) {
			opts := guest.SandboxOptions{SleepAfter: guest.Duration(10 * time.Minute), Labels: map[string]string{"team": "a"}}
			return guest.GetSandbox("Sandbox", "one", opts).WSConnect(r, 9000)
		},
		"proxy":      func(r *guest.Request) (guest.Response, error) { return one().ProxyTo(r, 8080) },
		"proxy-port": func(r *guest.Request) (guest.Response, error) { return one().ProxyTo(r, 80) },
		"preview":    preview,
		"no-preview": preview,
		"only-port":  func(r *guest.Request) (guest.Response, error) { return one().ProxyToSandbox(r) },
		"next":       func(*guest.Request) (guest.Response, error) { return guest.Next(), nil },
		"fail": func(*guest.Request) (guest.Response, error) {
			return nil, guest.Errorf(guest.CodeDenied, "no such user")
		},
		"fail-unknown": func(*guest.Request) (guest.Response, error) {
			return nil, guest.Errorf("MY_OWN", "of my own")
		},
		"throw": func(*guest.Request) (guest.Response, error) { panic("on purpose") },
		"plan": func(*guest.Request) (guest.Response, error) {
			return one().Plan(guest.PlanOptions{
				Then: "connect", Port: 8080, Process: &guest.PlanProcess{ProcessID: "srv", Command: "run"},
				Ready: &guest.PlanReady{Mode: "http", Path: "/health"}, Timeout: guest.Duration(20 * time.Second),
				Fallback: &guest.PlanAnswer{Status: 503, Body: "later"},
			})
		},
	}
}

func preview(r *guest.Request) (guest.Response, error) {
	resp, err := guest.ProxyToSandbox(r)
	if guest.CodeOf(err) == guest.CodeNotFound {
		return text("no preview")
	}
	return resp, err
}

func services() map[string]guest.Handler {
	return map[string]guest.Handler{
		"store": store,
		"store-conflict": func(*guest.Request) (guest.Response, error) {
			if _, err := guest.KV().Set("k", []byte("new"), guest.KVSetOptions{IfRevision: guest.Revision(0)}); err != nil {
				return nil, err
			}
			return text("set")
		},
		"fetch": func(*guest.Request) (guest.Response, error) {
			answer, err := guest.Fetch("https://api.example.com/x", guest.FetchOptions{
				Method: "POST", Headers: []guest.Header{{Name: "X-A", Value: "1"}}, Body: []byte("ask"),
			})
			if err != nil {
				return nil, err
			}
			body, err := answer.ReadBody(1 << 20)
			if err != nil {
				return nil, err
			}
			return text(strconv.Itoa(answer.Status), answer.Header("x-b"), string(body))
		},
		"fetch-denied": func(*guest.Request) (guest.Response, error) {
			if _, err := guest.Fetch("https://api.example.com/"); err != nil {
				return nil, err
			}
			return text("fetched")
		},
		"surroundings": surroundings,
	}
}

func store(*guest.Request) (guest.Response, error) {
	kv := guest.KV()
	none := "there"
	if _, _, err := kv.Get("none"); guest.CodeOf(err) == guest.CodeNotFound {
		none = "absent"
	}
	if _, err := kv.Set("k", []byte("v1"), guest.KVSetOptions{TTL: guest.Duration(time.Minute), IfRevision: guest.Revision(0)}); err != nil {
		return nil, err
	}
	value, revision, err := kv.Get("k")
	if err != nil {
		return nil, err
	}
	second, err := kv.Set("k", []byte("v2"), guest.KVSetOptions{IfRevision: &revision})
	if err != nil {
		return nil, err
	}
	page, err := kv.List("k")
	if err != nil {
		return nil, err
	}
	if err := kv.Delete("k"); err != nil {
		return nil, err
	}
	var keys []string
	for _, e := range page.Entries {
		keys = append(keys, e.Key)
	}
	return text(none, string(value), strconv.FormatUint(revision, 10), strconv.FormatUint(second, 10), strings.Join(keys, ","), strconv.FormatBool(page.More))
}

func surroundings(*guest.Request) (guest.Response, error) {
	var greeting string
	var limits struct{ N int }
	missing := "there"
	if _, err := guest.Config("greeting", &greeting); err != nil {
		return nil, err
	}
	if _, err := guest.Config("limits", &limits); err != nil {
		return nil, err
	}
	if found, err := guest.Config("missing", new(json.RawMessage)); err == nil && !found {
		missing = "absent"
	}
	token, _ := guest.Secret("TOKEN")
	none := "there"
	if _, found := guest.Secret("NONE"); !found {
		none = "absent"
	}
	guest.Log(guest.LevelWarn, "noted", "who", "tck")
	if err := guest.Count("hits", 2, "kind", "a"); err != nil {
		return nil, err
	}
	if err := guest.Observe("took", 0.5); err != nil {
		return nil, err
	}
	var random [16]byte
	guest.Random(random[:])
	good := guest.Now().Year() > 2000 && guest.Monotonic() >= 0
	return text(greeting, strconv.Itoa(limits.N), missing, token, none, strconv.FormatBool(good))
}
