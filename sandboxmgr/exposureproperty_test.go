package sandboxmgr

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"edge/abi"
)

// TestLabelsAreNeverShared exposes and takes back at random, with names chosen to
// meet: whatever happens, each label and each path key leads to the port that it was
// given for, and to no other sandbox's.
func TestLabelsAreNeverShared(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &Manager{store: &handle{memory: newMemory()}, config: Config{Connections: noConnections{}, Observe: func(Event) {}}, log: slog.New(slog.DiscardHandler)}
		var err error
		if m.config.Previews, err = m.config.Previews.withDefaults(); err != nil {
			rt.Fatal(err)
		}
		m.exposures = newExposures(m)
		model := map[string]Exposure{} // by label
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			exposeAtRandom(rt, m, model)
			lookEverythingUp(rt, m, model)
		}
	})
}

var (
	somePorts  = rapid.SampledFrom([]int{1024, 8080, 10240})
	someIDs    = rapid.SampledFrom([]string{"a", "a-b", "a-b-c", "b", "80", "a-80"})
	someTokens = rapid.SampledFrom([]string{"", "b", "c", "80", "b_c"})
)

// exposeAtRandom does one thing to one port, and tells the model what it must come to.
func exposeAtRandom(rt *rapid.T, m *Manager, model map[string]Exposure) {
	ctx := rt.Context()
	k := key{rapid.SampledFrom([]string{"B", "C"}).Draw(rt, "binding"), someIDs.Draw(rt, "id")}
	port := somePorts.Draw(rt, "port")
	mine := ""
	for l, e := range model {
		if e.Ref.Binding == k.binding && e.Ref.ID == k.id && e.Port == port {
			mine = l
		}
	}
	if rapid.IntRange(0, 3).Draw(rt, "take back") == 0 {
		if err := m.exposures.takeBack(ctx, k, port, 0); err != nil {
			rt.Fatal(err)
		}
		delete(model, mine)
		return
	}
	req := &abi.ExposePortRequest{Port: port, Token: someTokens.Draw(rt, "token")}
	if req.Token == "" {
		req.Access = rapid.SampledFrom([]abi.Access{"", abi.AccessToken, abi.AccessPublic, abi.AccessPlugin}).Draw(rt, "access")
	}
	if req.Access == "" || req.Access == abi.AccessToken {
		req.TokenIn = rapid.SampledFrom([]abi.TokenIn{"", abi.TokenInHost, abi.TokenInRequest}).Draw(rt, "tokenIn")
	}
	e, err := m.exposures.put(ctx, k, req)
	if err != nil {
		wanted := newExposure(k, req, e.CreatedAt)
		if mine != "" {
			wanted = model[mine].revise(req, e.CreatedAt)
		}
		if other, taken := model[wanted.label()]; !errors.Is(err, abi.CodePortAlreadyExposed.Err()) || !taken || wanted.label() == mine {
			rt.Fatalf("%s:%d %+v: %v; it would be beside %+v", k, port, req, err, other)
		}
		return
	}
	delete(model, mine)
	if other, taken := model[e.label()]; taken {
		rt.Fatalf("%s:%d got the label %s of %+v", k, port, e.label(), other)
	}
	model[e.label()] = e
}

// lookEverythingUp looks everything up in each form.
func lookEverythingUp(rt *rapid.T, m *Manager, model map[string]Exposure) {
	for label, want := range model {
		port, pathKey, _ := strings.Cut(label, "-")
		for form, find := range map[string]func() (Exposure, bool){
			"label":   func() (Exposure, bool) { return m.ExposureByLabel(strings.ToUpper(label)) },
			"path":    func() (Exposure, bool) { return m.ExposureByPath(port, pathKey) },
			"sandbox": func() (Exposure, bool) { return m.exposures.ofPort(key{want.Ref.Binding, want.Ref.ID}, want.Port) },
		} {
			if got, ok := find(); !ok || !got.SameAddress(&want) {
				rt.Fatalf("by %s %s: %+v, %v; want %+v", form, label, got, ok, want)
			}
		}
	}
	// Whatever else could be meant by these parts is found only if it is in the model.
	for _, id := range []string{"a", "a-b", "a-b-c", "b", "80", "a-80"} {
		for _, token := range []string{"", "-b", "-c", "-80", "-b_c"} {
			for _, port := range []int{1024, 8080, 10240} {
				label := strconv.Itoa(port) + "-" + id + token
				_, want := model[label]
				if got, ok := m.ExposureByLabel(label); ok != want {
					rt.Fatalf("%s leads to %+v", label, got)
				}
			}
		}
	}
	if len(m.exposures.byLabel) != len(model) {
		rt.Fatalf("%d labels, want %d", len(m.exposures.byLabel), len(model))
	}
}
